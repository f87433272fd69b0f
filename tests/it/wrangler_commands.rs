//! `opsbook db …` on D1 by wrangler, as a person types it: the real program, on its copy of this machine and at the
//! stand-in of the API.

use serde_json::{Value, json};

use super::d1_api::{
    BOOKMARK, D1Api, LONG_ROWS, NAME, WHAT_ARRIVED, arrived, long_script, refusal, response,
};
use super::harness::Project;
use super::http_server::Answer;
use super::terminal::Terminal;
use super::wrangler::{local, remote};

const SHOP: &str = "\
CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE);
CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id), note TEXT, at TEXT);
CREATE INDEX orders_by_user ON orders (user_id);
CREATE INDEX orders_again ON orders (user_id);
INSERT INTO users VALUES (1, 'a@example.com'), (2, 'b@example.com');
INSERT INTO orders VALUES (1, 1, 'x', '2020-01-01'), (2, 2, 'y', '2020-01-02'), (3, NULL, 'z', '2090-01-01');
";

/// The copy of this machine with the shop in it.
fn local_shop() -> Project {
    let project = local().file("shop.sql", SHOP);
    let typed = ["db", "file", "shop.sql", "--yes"];
    project.run(&typed).exits(0).prints("5 rows changed");
    project
}

/// What is typed behind `opsbook db`, the exit code, a step, and what stands somewhere in it.
type Line<'a> = (&'a [&'a str], i32, &'a str, &'a str, Value);

#[track_caller]
fn all(project: &Project, lines: &[Line<'_>]) {
    for (typed, code, step, pointer, expected) in lines {
        let arguments = [&["db"], *typed, &["--yes", "--format", "json"]].concat();
        let output = project.run(&arguments).exits(*code).never_shows("hunter2");
        let document = output.json();
        let steps = document["steps"].as_array().unwrap();
        let found = steps.iter().find(|found| found["step"] == *step);
        let found = found.unwrap_or_else(|| panic!("{typed:?}: no step {step}: {document:#}"));
        let told = found.pointer(pointer).unwrap_or(&Value::Null);
        let same = match (told.as_str(), expected.as_str()) {
            (Some(told), Some(part)) => told.contains(part),
            _ => told == expected,
        };
        assert!(
            same,
            "{typed:?}: {expected} is not at {pointer} of {found:#}"
        );
    }
}

/// What an engine cannot is refused before anything is run, with what to use instead; what looks at all leaves it out.
#[test]
fn the_copy_of_this_machine_is_looked_at_with_every_command() {
    let nobody = Value::Null;
    let table = json!([
        ["orders", 3, nobody, nobody, nobody, nobody],
        ["users", 2, nobody, nobody, nobody, nobody]
    ]);
    let whole = json!({"name": NAME, "place": "local", "tables": 2});
    let sessions = || json!("`opsbook db slow` tells which took most time");
    all(
        &local_shop(),
        &[
            (&["ping"], 0, "ping", "/detail", json!("answers")),
            (&["info"], 0, "info", "/outputs/info", whole),
            (&["tables"], 0, "tables", "/table/rows", table),
            (
                &["query", "SELECT max(id) AS n FROM users"],
                0,
                "rows",
                "/outputs/rows",
                json!([{"n": 2}]),
            ),
            (
                &["integrity"],
                0,
                "integrity",
                "/detail",
                json!("no problem found; quick_check"),
            ),
            (
                &["foreign-keys"],
                0,
                "references",
                "/detail",
                json!("1 reference, all of them hold"),
            ),
            (
                &["orphans", "orders", "user_id", "users"],
                0,
                "count",
                "/saved/orphans",
                json!(0),
            ),
            (
                &["indexes"],
                1,
                "indexes",
                "/outputs/rows/0/problem",
                json!("duplicate"),
            ),
            (
                &["explain", "SELECT note FROM orders"],
                1,
                "explain",
                "/outputs/rows/0/detail",
                json!("SCAN orders"),
            ),
            (&["diagnose"], 0, "ping", "/status", json!("ok")),
            (&["doctor"], 1, "indexes", "/status", json!("warning")),
            (
                &["size"],
                78,
                "size",
                "/help",
                json!("`du` tells what that takes"),
            ),
            (
                &["slow"],
                78,
                "slow",
                "/help",
                json!("via = \"api\" asks Cloudflare's analytics"),
            ),
            (
                &["replication"],
                78,
                "replication",
                "/help",
                json!("the copy of this machine has none"),
            ),
            (
                &["copy"],
                78,
                "copy",
                "/help",
                json!("say kind = \"sqlite\" and its path"),
            ),
            (&["bloat"], 78, "bloat", "/help", json!("opsbook db size")),
            (&["activity"], 78, "activity", "/help", sessions()),
            (&["locks"], 78, "locks", "/help", sessions()),
            (&["connections"], 78, "connections", "/help", sessions()),
        ],
    );
}

#[test]
fn the_copy_of_this_machine_is_changed_with_every_command() {
    let old = ["prune", "orders", "--column", "at", "--older-than", "30d"];
    let without_copy = [&old[..], &["--no-copy"]].concat();
    let left = json!([{"id": 3, "user_id": null, "note": "q", "at": "2090-01-01"}]);
    all(
        &local_shop(),
        &[
            (&["analyze"], 0, "analyze", "/detail", json!("analyzed")),
            (
                &["reindex"],
                0,
                "rebuild",
                "/detail",
                json!("indexes built anew"),
            ),
            (
                &["vacuum"],
                0,
                "instead",
                "/detail",
                json!("D1 allows no VACUUM: export it"),
            ),
            (
                &["execute", "UPDATE orders SET note = 'q' WHERE id = 3"],
                0,
                "change",
                "/outputs/changed",
                json!(1),
            ),
            (&old, 78, "copy", "/help", json!("with --no-copy")),
            (&without_copy, 0, "expired", "/outputs/expired", json!(2)),
            (&["rows", "orders"], 0, "rows", "/outputs/rows", left),
            (
                &["cancel", "1"],
                78,
                "who",
                "/help",
                json!("opsbook db slow"),
            ),
            (
                &["terminate", "1"],
                78,
                "who",
                "/help",
                json!("opsbook db slow"),
            ),
        ],
    );
}

#[test]
fn the_database_at_cloudflare_is_looked_at_and_changed_with_every_command() {
    let api = D1Api::with(SHOP);
    let bytes = api.bytes();
    let whole = json!({"name": NAME, "place": "remote", "tables": 2, "bytes": bytes});
    let old = ["prune", "orders", "--column", "at", "--older-than", "30d"];
    all(
        &remote(&api),
        &[
            (&["ping"], 0, "ping", "/detail", json!("answers")),
            (&["info"], 0, "info", "/outputs/info", whole),
            (&["size"], 0, "size", "/outputs/bytes", json!(bytes)),
            (&["tables"], 0, "tables", "/table/rows/0/0", json!("orders")),
            (
                &["integrity"],
                0,
                "integrity",
                "/detail",
                json!("no problem found; quick_check"),
            ),
            (
                &["indexes"],
                1,
                "indexes",
                "/outputs/rows/0/problem",
                json!("duplicate"),
            ),
            (
                &["explain", "SELECT note FROM orders"],
                1,
                "explain",
                "/outputs/rows/0/detail",
                json!("SCAN orders"),
            ),
            (&["diagnose"], 0, "size", "/status", json!("ok")),
            (&["doctor"], 1, "size", "/status", json!("ok")),
            (
                &["slow"],
                78,
                "slow",
                "/help",
                json!("`wrangler d1 insights"),
            ),
            (
                &["replication"],
                78,
                "replication",
                "/help",
                json!("via = \"api\" tells whether"),
            ),
            (&["analyze"], 0, "analyze", "/detail", json!("analyzed")),
            (
                &["reindex"],
                0,
                "rebuild",
                "/detail",
                json!("indexes built anew"),
            ),
            (&["copy"], 0, "copy", "/outputs/bookmark", json!(BOOKMARK)),
            (&old, 0, "copy", "/outputs/bookmark", json!(BOOKMARK)),
        ],
    );
    assert_eq!(api.sql("SELECT id FROM orders"), json!([[3]]));
}

/// What changes something, as it is typed.
const CHANGES: [&[&str]; 3] = [
    &["db", "execute", "UPDATE users SET mail = 'x' WHERE id = 1"],
    &["db", "file", "change.sql"],
    &["db", "migrations", "apply", "--no-copy"],
];

/// The project with a script that would change its users, and a migration that would drop its orders.
fn with_changes(project: Project) -> Project {
    let change = "UPDATE users SET mail = 'x' WHERE id = 1;\n";
    let config =
        project.read("opsbook.toml") + "[database.main.migrations]\nfolder = \"migrations\"\n";
    project
        .config(&config)
        .file("change.sql", change)
        .file("migrations/0001_drop.sql", "DROP TABLE orders;\n")
}

/// wrangler would take no answer to be a yes.
#[track_caller]
fn nobody_agrees(project: &Project) {
    for typed in CHANGES {
        project.run(typed).exits(75).prints("needs --yes");
        let mut terminal = Terminal::start(project, typed);
        terminal.wait_for("[y/N]");
        terminal.press("n\r");
        let (code, shown) = terminal.end();
        assert_eq!(code, 75, "{shown}");
    }
}

#[test]
fn without_an_answer_nothing_is_sent_to_the_database_at_cloudflare() {
    let api = D1Api::with(SHOP);
    let project = with_changes(remote(&api));
    nobody_agrees(&project);
    let asked = api.server().count();
    for _ in 0..asked {
        let request = api.server().next_request();
        let asked = format!("{} {} {}", request.method, request.path, request.body);
        for word in ["UPDATE", "DROP", "INSERT", "CREATE", "import"] {
            assert!(!asked.contains(word), "{asked}");
        }
    }
    assert_eq!(
        api.sql("SELECT mail FROM users WHERE id = 1"),
        json!([["a@example.com"]])
    );
    // The same with an answer.
    project.run(&[CHANGES[0], &["--yes"]].concat()).exits(0);
    assert!(api.server().count() > asked);
    assert_eq!(
        api.sql("SELECT mail FROM users WHERE id = 1"),
        json!([["x"]])
    );
}

#[test]
fn without_an_answer_the_copy_of_this_machine_stays_as_it_is() {
    let project = with_changes(local_shop());
    let mail = |expected: &str| {
        let sql = "SELECT mail FROM users WHERE id = 1";
        project.run(&["db", "query", sql]).exits(0).prints(expected);
    };
    nobody_agrees(&project);
    mail("a@example.com");
    project.run(&[CHANGES[0], &["--yes"]].concat()).exits(0);
    mail(" x");
}

/// At Cloudflare a long script is uploaded and imported, whole or not at all.
#[test]
fn a_long_script_is_imported_whole_or_not_at_all() {
    let api = D1Api::with("");
    let broken = format!("{}INSERT INTO nowhere VALUES (1);\n", long_script());
    let project = remote(&api)
        .file("long.sql", long_script())
        .file("broken.sql", broken);
    let of = |file: &str, code: i32| {
        let typed = ["db", "file", file, "--yes", "--format", "json"];
        let output = project.run(&typed).exits(code).never_shows("hunter2");
        output.json()["steps"][1].clone()
    };
    let step = of("broken.sql", 2);
    let detail = step["detail"].as_str().unwrap();
    assert!(
        detail.contains("no such table: nowhere") && !detail.contains("not known"),
        "{step:#}"
    );
    assert_eq!(
        api.sql("SELECT count(*) FROM sqlite_schema WHERE name = 't'"),
        json!([[0]])
    );
    let step = of("long.sql", 0);
    // What D1 says it wrote: with the tables themselves.
    let changed = step["outputs"]["changed"].as_u64().unwrap();
    assert!(changed >= LONG_ROWS, "{step:#}");
    let expected = arrived();
    let expected: Vec<&Value> = expected.as_object().unwrap().values().collect();
    assert_eq!(api.sql(WHAT_ARRIVED), json!([expected]));
}

/// As long as nobody was told to run the file nothing was done; from then on nobody knows.
#[test]
fn an_import_that_breaks_off_says_whether_it_may_be_done() {
    let api = D1Api::with("");
    let project = remote(&api).file("long.sql", long_script());
    let busy = || refusal("429 Too Many Requests", 971, "slow down");
    let down = || response("500 Internal Server Error", "", "<Error/>");
    for (step, answer, code, in_doubt) in [
        ("\"init\"", busy(), 2, false),
        ("/upload/", down(), 2, false),
        ("\"ingest\"", Answer::Bytes(Vec::new()), 4, true),
        ("\"poll\"", busy(), 4, true),
    ] {
        api.answer_at(step, answer);
        let typed = ["db", "file", "long.sql", "--yes", "--format", "json"];
        let output = project.run(&typed).never_shows("hunter2");
        let detail = output.json()["steps"][1]["detail"].to_string();
        let said = detail.contains("it is not known whether it was done");
        assert_eq!((output.code, said), (code, in_doubt), "{step}: {detail}");
    }
    assert_eq!(
        api.sql("SELECT count(*) FROM sqlite_schema WHERE name = 't'"),
        json!([[0]])
    );
}

#[test]
fn migrations_go_forth_and_back_at_cloudflare() {
    let api = D1Api::with("");
    let project = remote(&api);
    let config =
        project.read("opsbook.toml") + "[database.main.migrations]\nfolder = \"migrations\"\n";
    let project = project
        .config(&config)
        .file(
            "migrations/0001_t.sql",
            "CREATE TABLE t (n INTEGER);\nINSERT INTO t VALUES (7);\n",
        )
        .file("migrations/0001_t.down.sql", "DROP TABLE t;\n")
        .file("migrations/0002_u.sql", "CREATE TABLE u (n INTEGER);\n");
    let is = |rows: &[[&str; 2]]| {
        json!(
            rows.iter()
                .map(|[name, state]| json!([name, state]))
                .collect::<Vec<_>>()
        )
    };
    let states = |code: i32, rows: &[[&str; 2]]| {
        let typed = ["db", "migrations", "status", "--format", "json"];
        let told = project.run(&typed).exits(code).json();
        let found = told["steps"][0]["outputs"]["rows"]
            .as_array()
            .unwrap()
            .iter();
        let found: Vec<Value> = found
            .map(|row| json!([row["name"], row["state"]]))
            .collect();
        assert_eq!(json!(found), is(rows));
    };
    let tables =
        || api.sql("SELECT group_concat(name) FROM sqlite_schema WHERE name IN ('t', 'u')");
    states(1, &[["0001_t", "pending"], ["0002_u", "pending"]]);
    let first = ["db", "migrations", "apply", "--to", "0001_t", "--yes"];
    project.run(&first).exits(0).prints("0001_t");
    assert_eq!(api.sql("SELECT n FROM t"), json!([[7]]));
    states(1, &[["0001_t", "applied"], ["0002_u", "pending"]]);
    project
        .run(&["db", "migrations", "revert", "--yes"])
        .exits(0);
    assert_eq!(tables(), json!([[null]]));
    project
        .run(&["db", "migrations", "apply", "--yes"])
        .exits(0);
    assert_eq!(tables(), json!([["t,u"]]));
    states(0, &[["0001_t", "applied"], ["0002_u", "applied"]]);
    // The last has no way back.
    project
        .run(&["db", "migrations", "revert", "--yes"])
        .exits(78);
    assert_eq!(tables(), json!([["t,u"]]));
}
