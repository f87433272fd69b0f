//! The actions on a real PostgreSQL server: what they read, what they refuse, and how they tell what went wrong.

use serde_json::{Value, json};

use super::harness::Project;
use super::postgres_cluster::cluster;

/// A project whose database `main` is at this URL, which is a secret.
fn project(url: &str) -> Project {
    Project::new()
        .config(
            "project = \"test\"\n[secret]\nurl = { env = \"URL\" }\n\
             [database.main]\nkind = \"postgres\"\nurl = \"{{ secret.url }}\"\n",
        )
        .variable("URL", url)
}

/// The outputs of the one step of a runbook.
fn outputs(project: Project, step: &str) -> Value {
    let step = format!("[[step]]\nname = \"look\"\n{step}\n");
    let project = project.runbook("look/at", &step);
    let output = project.run(&["look", "at", "--format", "json"]).exits(0);
    output.json()["steps"][0]["outputs"].clone()
}

#[test]
fn a_query_gives_rows() {
    let name = cluster().database("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2), (3);");
    for url in [cluster().url(&name), cluster().socket_url(&name)] {
        let outputs = outputs(
            project(&url),
            "sql.query = \"SELECT n, n * 2 AS double FROM t WHERE n > {{ 1 }} ORDER BY n\"",
        );
        assert_eq!(
            outputs["rows"],
            json!([{"n": 2, "double": 4}, {"n": 3, "double": 6}])
        );
    }
}
