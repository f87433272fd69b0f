//! The same command on SQLite, Postgres and D1, each the real one: what holds on one of them holds on all.

use serde_json::{Value, json};

use super::d1_api::{ACCOUNT, D1Api, ID, NAME, TOKEN};
use super::harness::Project;
use super::postgres_cluster::cluster;

/// What each of the databases begins with; all three engines read it.
const TABLE: &str = "CREATE TABLE t (n integer PRIMARY KEY, s text); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c');";

/// An engine, and a project whose database `main` is one of it.
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    pub(crate) project: Project,
    /// Held as long as the project asks it.
    _api: Option<D1Api>,
}

impl Engine {
    /// A database with what this SQL makes, of `sqlite`, `postgres` or `d1`.
    pub(crate) fn with(name: &'static str, setup: &str) -> Self {
        let of = |keys: &str| {
            let keys = format!("[database.main]\nkind = \"{name}\"\n{keys}");
            Project::new().config(&keys)
        };
        let (project, api) = match name {
            "sqlite" => {
                let project = of("path = \"main.db\"\n");
                let file = rusqlite::Connection::open(project.path("main.db")).unwrap();
                file.execute_batch(setup).unwrap();
                (project, None)
            }
            "postgres" => {
                let url = cluster().url(&cluster().database(setup));
                let keys = "url = \"{{ secret.url }}\"\n[secret]\nurl = { env = \"URL\" }\n";
                (of(keys).variable("URL", url), None)
            }
            _ => {
                let api = D1Api::with(setup);
                let keys = format!("name = \"{NAME}\"\nid = \"{ID}\"\naccount = \"{ACCOUNT}\"\n");
                let project = of(&keys)
                    .variable("CLOUDFLARE_API_TOKEN", TOKEN)
                    .variable("CLOUDFLARE_API_BASE_URL", api.url());
                (project, Some(api))
            }
        };
        Self {
            name,
            project,
            _api: api,
        }
    }

    /// The rows of a query.
    #[track_caller]
    fn rows(&self, sql: &str) -> Value {
        let arguments = ["db", "query", sql, "--format", "json"];
        let mut told = self.project.run(&arguments).exits(0).json();
        told["output"]["rows"].take()
    }
}

/// One of each, with what this SQL makes.
fn engines(setup: &str) -> [Engine; 3] {
    ["sqlite", "postgres", "d1"].map(|name| Engine::with(name, setup))
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
fn a_plan_is_no_export_and_says_that_nothing_was_written() {
    let engine = Engine::with("sqlite", TABLE);
    let line = ["db", "query", "SELECT s FROM t", "--explain", "--to"];
    let told = engine
        .project
        .run(&[&line[..], &["rows.csv"]].concat())
        .exits(2);
    assert!(
        told.stdout.contains("nothing was written to "),
        "{}",
        told.stdout
    );
    assert!(!engine.project.path("rows.csv").exists());
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

/// What a command is refused with: what the engine has none of, and what to use instead.
struct Refusal {
    engine: &'static str,
    command: &'static [&'static str],
    has_no: &'static str,
    instead: &'static str,
}

const fn refusal(
    engine: &'static str,
    command: &'static [&'static str],
    has_no: &'static str,
    instead: &'static str,
) -> Refusal {
    Refusal {
        engine,
        command,
        has_no,
        instead,
    }
}

const OPEN_FILE: &str = "fuser -v on its file tells who has it open";

const ONE_AFTER_THE_OTHER: &str =
    "D1 runs one statement after the other; `opsbook db slow` tells which took most time";

/// Every command that an engine has no way for.
const REFUSED: &[Refusal] = &[
    refusal("sqlite", &["activity"], "sessions", OPEN_FILE),
    refusal("sqlite", &["locks"], "sessions", OPEN_FILE),
    refusal("sqlite", &["connections"], "sessions", OPEN_FILE),
    refusal("sqlite", &["cancel", "7"], "sessions", OPEN_FILE),
    refusal("sqlite", &["terminate", "7"], "sessions", OPEN_FILE),
    refusal(
        "sqlite",
        &["slow"],
        "statistics of statements",
        "`opsbook db explain` tells how a statement is run",
    ),
    refusal(
        "sqlite",
        &["replication"],
        "replicas",
        "the tool that copies its file knows how far it is",
    ),
    refusal("d1", &["activity"], "sessions", ONE_AFTER_THE_OTHER),
    refusal("d1", &["locks"], "sessions", ONE_AFTER_THE_OTHER),
    refusal("d1", &["connections"], "sessions", ONE_AFTER_THE_OTHER),
    refusal("d1", &["cancel", "7"], "sessions", ONE_AFTER_THE_OTHER),
    refusal("d1", &["terminate", "7"], "sessions", ONE_AFTER_THE_OTHER),
    refusal(
        "d1",
        &["bloat"],
        "free pages",
        "D1 tells what all of it takes: `opsbook db size`",
    ),
];

#[test]
fn each_command_that_an_engine_has_no_way_for_says_what_to_use_instead() {
    let engines = engines(TABLE);
    for case in REFUSED {
        let engine = engines.iter().find(|engine| engine.name == case.engine);
        let line = [&["db"], case.command, &["--yes"]].concat();
        let refused = engine.unwrap().project.run(&line).exits(78);
        let words = format!(
            "main has no {} to look at: it is of kind {}",
            case.has_no, case.engine
        );
        // However it is wrapped.
        let told: Vec<&str> = refused.stdout.split_whitespace().collect();
        let told = told.join(" ");
        for words in [&words, case.instead] {
            assert!(told.contains(words), "{words}: {}", refused.shown());
        }
        // What a program reads says the same, in two places of their own.
        let line = [&line[..], &["--format", "json"]].concat();
        let told = engine.unwrap().project.run(&line).exits(78).json();
        let step = &told["steps"][0];
        assert_eq!(
            (&step["status"], &step["detail"], &step["help"]),
            (&json!("unknown"), &json!(words), &json!(case.instead)),
            "{line:?}"
        );
        // What comes behind the look that was refused is not begun.
        let begun = told["steps"].as_array().unwrap().iter();
        assert_eq!(begun.filter(|step| step["started"] == true).count(), 1);
    }
}

/// Where the language says that a verb is refused, it is in the table above, and nothing else is.
#[test]
fn what_the_language_calls_refused_is_what_is_refused() {
    let language = include_str!("../../docs/language.md");
    let mut documented = Vec::new();
    for line in language.lines().filter(|line| line.contains("refused")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, verbs, sqlite, postgres, d1, _] = cells[..] else {
            continue;
        };
        for (engine, cell) in [("sqlite", sqlite), ("postgres", postgres), ("d1", d1)] {
            let verbs = verbs.split(", ").filter(|_| cell.starts_with("refused"));
            documented.extend(verbs.map(|verb| {
                let verb = verb.trim_matches('`').strip_prefix("database.").unwrap();
                (engine, verb)
            }));
        }
    }
    // Its runbook skips it on D1 and says why: `database_light` holds that.
    documented.retain(|refused| *refused != ("d1", "vacuum"));
    documented.sort_unstable();
    let mut tested: Vec<_> = REFUSED
        .iter()
        .map(|case| (case.engine, case.command[0]))
        .collect();
    tested.sort_unstable();
    assert_eq!(tested, documented);
}
