//! `opsbook db …` on D1 by wrangler, as a person types it: the real program, on its copy of this machine and at the
//! stand-in of the API.

use serde_json::{Value, json};

use super::d1_api::{BOOKMARK, D1Api, NAME};
use super::harness::Project;
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
