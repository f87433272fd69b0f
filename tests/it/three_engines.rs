//! The same command on SQLite, Postgres and D1, each the real one: what holds on one of them holds on all.

use serde_json::{Value, json};

use super::d1_api::{ACCOUNT, D1Api, ID, NAME, TOKEN};
use super::harness::Project;
use super::postgres_cluster::cluster;

/// What each of the databases begins with; all three engines read it.
const TABLE: &str = "CREATE TABLE t (n integer PRIMARY KEY, s text); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c');";

/// An engine, and a project whose database `main` is one of it.
struct Engine {
    name: &'static str,
    project: Project,
    /// Held as long as the project asks it.
    _api: Option<D1Api>,
}

/// One of each, with what this SQL makes.
fn engines(setup: &str) -> [Engine; 3] {
    let sqlite = Project::new().config("[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\n");
    let file = rusqlite::Connection::open(sqlite.path("main.db")).unwrap();
    file.execute_batch(setup).unwrap();
    let postgres = Project::new()
        .config("[secret]\nurl = { env = \"URL\" }\n[database.main]\nkind = \"postgres\"\nurl = \"{{ secret.url }}\"\n")
        .variable("URL", cluster().url(&cluster().database(setup)));
    let api = D1Api::with(setup);
    let d1 = Project::new()
        .config(&format!(
            "[database.main]\nkind = \"d1\"\nname = \"{NAME}\"\nid = \"{ID}\"\naccount = \"{ACCOUNT}\"\n"
        ))
        .variable("CLOUDFLARE_API_TOKEN", TOKEN)
        .variable("CLOUDFLARE_API_BASE_URL", api.url());
    let engine = |name, project, api| Engine {
        name,
        project,
        _api: api,
    };
    [
        engine("sqlite", sqlite, None),
        engine("postgres", postgres, None),
        engine("d1", d1, Some(api)),
    ]
}

impl Engine {
    /// The rows of a query.
    #[track_caller]
    fn rows(&self, sql: &str) -> Value {
        let arguments = ["db", "query", sql, "--format", "json"];
        let mut told = self.project.run(&arguments).exits(0).json();
        told["output"]["rows"].take()
    }
}

#[test]
fn the_plan_of_a_query_is_its_rows_in_every_format() {
    for engine in engines(TABLE) {
        let ask = |format: &str| {
            let sql = "SELECT s FROM t WHERE s > 'a'";
            let line = ["db", "query", sql, "--explain", "--format", format];
            engine.project.run(&line).exits(0)
        };
        let told = ask("json").json();
        assert_eq!(told["output"]["columns"], json!(["detail"]));
        let lines: Vec<&str> = told["output"]["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row[0].as_str().unwrap())
            .collect();
        let first = match engine.name {
            "postgres" => "Seq Scan on t  (cost=",
            _ => "SCAN t",
        };
        assert!(lines[0].starts_with(first), "{lines:?}");
        // The rows themselves are nowhere.
        assert!(lines.iter().all(|line| *line != "b"), "{lines:?}");

        let csv = ask("csv").stdout;
        // A line that is set in is quoted, so that its indentation stays.
        let field = |line: &&str| match line.starts_with(' ') {
            true => format!("\"{line}\"\r\n"),
            false => format!("{line}\r\n"),
        };
        let fields: String = lines.iter().map(field).collect();
        assert_eq!(csv, format!("detail\r\n{fields}"));
        let table = ask("table").stdout;
        let shown = format!(" detail\n {}\n\n", lines.join("\n "));
        assert!(table.starts_with(&shown), "{table}");
        assert_eq!(table.matches(first).count(), 1, "{table}");
    }
}

#[test]
fn a_change_is_not_made_to_show_its_plan() {
    for engine in engines(TABLE) {
        for (sql, words) in [
            ("DELETE FROM t", "DELETE without WHERE"),
            ("UPDATE t SET s = 'x' WHERE n = 1", "may write"),
            ("INSERT INTO t VALUES (4, 'd')", "may write"),
            ("DROP TABLE t", "DROP"),
            // What stands behind the word that is put before it.
            ("ANALYZE DELETE FROM t", "sql:1:"),
            ("SELECT 1; DELETE FROM t", "more than one statement"),
        ] {
            for arguments in [
                ["db", "query", "--explain", sql],
                ["db", "explain", "--run", sql],
            ] {
                engine.project.run(&arguments).exits(64).says(words);
            }
        }
        let left = engine.rows("SELECT count(*), min(s), max(s) FROM t");
        assert_eq!(left, json!([[3, "a", "c"]]), "{}", engine.name);
    }
}
