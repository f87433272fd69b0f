//! Effects that only the values decide.

use crate::harness::Project;

/// Which names are compared decides whether a WHERE chooses rows: what turns out to be worse than was known is not sent.
#[test]
fn a_statement_does_no_more_with_its_values_than_was_known_before() {
    let project = Project::new()
        .config("[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\ncreate = \"setup.sql\"\n")
        .file("setup.sql", "CREATE TABLE t (id, a); INSERT INTO t VALUES (1, 2), (3, 3);")
        .runbook(
            "clean",
            "[input.column]\ntype = \"string\"\nposition = 1\n[[step]]\nname = \"delete\"\n\
             sql.execute = \"DELETE FROM t WHERE {{ input.column | identifier }} = {{ 'a' | identifier }}\"\n",
        )
        .runbook(
            "count",
            "output = \"count\"\n[[step]]\nname = \"count\"\nsql.query = \"SELECT count(*) AS n FROM t\"\n",
        );
    project
        .run(&["clean", "a"])
        .exits(75)
        .prints("with its values the statement may destroy");
    assert_eq!(
        project.run(&["count", "--format", "json"]).json()["output"]["rows"],
        serde_json::json!([[2]])
    );
    project.run(&["clean", "id"]).exits(0);
    assert_eq!(
        project.run(&["count", "--format", "json"]).json()["output"]["rows"],
        serde_json::json!([[1]])
    );
}
