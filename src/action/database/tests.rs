//! `database.*` on real databases: looks, upkeep, effects and refusals.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use serde_json::{Value, json};

use super::system::{find, open, transaction_until_stopped};
use super::{Database, SPEC};
use crate::action::testing::{World, sqlite, text};
use crate::base::Effect;
use crate::engine::{ActionContext, ErrorKind};
use crate::expr::SqlText;
use crate::model::EffectRule;
use crate::platform::bounds::Bounds;

fn world(setup: &str) -> World {
    let world = World::new().with_database("main", sqlite("main.db", Some("setup.sql")));
    fs::write(world.path("setup.sql"), setup).unwrap();
    world
}

#[tokio::test]
async fn every_verb_works_and_a_read_changes_no_byte() {
    let world = world("CREATE TABLE t(n); CREATE INDEX i ON t(n); INSERT INTO t VALUES (1);");
    world
        .run(&Database, "ping", text("main"), &[])
        .await
        .unwrap();
    // What sqlite has no word for.
    let without = [
        "activity",
        "locks",
        "connections",
        "slow",
        "replication",
        "cancel",
        "terminate",
    ];
    // What is of one table and a rule: it has tests of its own.
    let ruled = ["expired", "prune"];
    let verbs = SPEC.verbs.iter();
    for verb in verbs.filter(|verb| !ruled.contains(&verb.name)) {
        if without.contains(&verb.name) {
            let error = world
                .run(&Database, verb.name, text("main"), &[])
                .await
                .unwrap_err();
            assert!(error.help.is_some(), "{}", verb.name);
            continue;
        }
        let before = fs::read(world.path("main.db")).unwrap();
        let outputs = world
            .run(&Database, verb.name, text("main"), &[])
            .await
            .unwrap();
        assert!(!outputs.detail.is_empty());
        if verb.effect == EffectRule::Always(Effect::Read) {
            assert!(
                fs::read(world.path("main.db")).unwrap() == before,
                "{}",
                verb.name
            );
        }
    }
}

#[tokio::test]
async fn tables_come_largest_first() {
    let world = world(
        "CREATE TABLE small(n, twice AS (n + n)); CREATE TABLE large(n); \
         INSERT INTO large SELECT zeroblob(9000) FROM (VALUES (1), (2));",
    );
    let outputs = world
        .run(&Database, "tables", text("main"), &[])
        .await
        .unwrap();
    let rows = outputs.values["rows"].as_array().unwrap();
    assert_eq!(rows[0]["table"], "large");
    assert_eq!(rows[0]["rows"], 2);
    assert_eq!(
        rows[1],
        json!({
            "table": "small", "columns": 2, "rows": 0, "bytes": 4096,
            "grown_rows": null, "grown_bytes": null, "since": null,
        })
    );
    assert!(
        outputs.detail.starts_with("2 tables, "),
        "{}",
        outputs.detail
    );
}

#[tokio::test]
async fn a_vacuum_tells_what_it_freed() {
    let world = world(
        "CREATE TABLE t(n); INSERT INTO t SELECT zeroblob(90000) FROM (VALUES (1), (2)); DELETE FROM t;",
    );
    let outputs = world
        .run(&Database, "vacuum", text("main"), &[])
        .await
        .unwrap();
    assert!(outputs.values["bytes"].as_u64().unwrap() > 180_000);
    let outputs = world
        .run(&Database, "vacuum", text("main"), &[])
        .await
        .unwrap();
    assert_eq!(outputs.values["bytes"], 0);
}

#[tokio::test]
async fn a_problem_fails_the_step_and_stays_in_its_rows() {
    let world = world(
        "PRAGMA foreign_keys = OFF; CREATE TABLE parent(id INTEGER PRIMARY KEY); \
         CREATE TABLE child(parent REFERENCES parent(id)); \
         INSERT INTO child SELECT 7 FROM json_each('[' || rtrim(replace(hex(zeroblob(75)), '0', '0,'), ',') || ']'); \
         CREATE TABLE other(parent REFERENCES parent(id)); INSERT INTO other VALUES (8);",
    );
    let error = world
        .run(&Database, "integrity", text("main"), &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Target);
    assert_eq!(
        error.message,
        "child: 150 rows lead to no row of parent by parent; and 1 other problem"
    );
    assert_eq!(error.outputs.values["problems"], 2);
    assert_eq!(error.outputs.values["problem"], error.message.as_str());
    assert_eq!(error.outputs.values["bytes"], Value::Null);
    assert_eq!(error.outputs.values["rows"][1]["table"], "other");

    let whole = self::world("CREATE TABLE t(n);");
    for verb in ["integrity", "foreign_keys"] {
        let run = whole.run(&Database, verb, text("main"), &[]).await;
        assert_eq!(run.unwrap().values.get("problem"), Some(&Value::Null));
    }
}

#[tokio::test]
async fn a_missing_database_is_the_targets_trouble() {
    let world = World::new().with_database("main", sqlite("main.db", None));
    let error = world
        .run(&Database, "ping", text("main"), &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Target);
    assert!(error.help.unwrap().contains("[database.main]"));
    let error = world
        .run(&Database, "ping", text("mian"), &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert_eq!(error.help.unwrap(), "did you mean \"main\"?");
}

/// The rows of a look, with what it says and its problems.
async fn look(world: &World, verb: &str, table: Option<&str>) -> (Value, String, u64) {
    let options: Vec<_> = table
        .map(|table| ("table", text(table)))
        .into_iter()
        .collect();
    let outputs = match world.run(&Database, verb, text("main"), &options).await {
        Ok(outputs) => outputs,
        Err(error) => *error.outputs,
    };
    let problems = outputs.values["problems"].as_u64().unwrap();
    (outputs.values["rows"].clone(), outputs.detail, problems)
}

#[tokio::test]
async fn references_that_lead_nowhere_are_counted_by_reference() {
    let world = world(
        "PRAGMA foreign_keys = OFF; CREATE TABLE parent(id INTEGER PRIMARY KEY, a, b, UNIQUE (a, b)); \
         CREATE TABLE child(p REFERENCES parent(id), x, y, FOREIGN KEY (x, y) REFERENCES parent(a, b)); \
         CREATE TABLE fine(p REFERENCES parent(id)); INSERT INTO parent VALUES (1, 2, 3); \
         INSERT INTO child VALUES (7, 2, 3), (8, 9, 9), (NULL, 2, 3), (1, NULL, 9); INSERT INTO fine VALUES (1);",
    );
    let (rows, detail, problems) = look(&world, "foreign_keys", None).await;
    assert_eq!(
        rows,
        json!([
            {"table": "child", "column": "x, y", "parent": "parent", "rows": 1},
            {"table": "child", "column": "p", "parent": "parent", "rows": 2},
        ])
    );
    assert_eq!((detail.as_str(), problems), ("2 of 3 references broken", 2));
    let (rows, detail, _) = look(&world, "foreign_keys", Some("fine")).await;
    assert_eq!(
        (rows, detail.as_str()),
        (json!([]), "1 reference, all of them hold")
    );
    let options = [("table", text("nowhere"))];
    let error = world
        .run(&Database, "foreign_keys", text("main"), &options)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert_eq!(error.message, "there is no table \"nowhere\" in main");
    assert_eq!(
        error.help.unwrap(),
        "see which there are: `opsbook db tables main`"
    );
}

/// A name that is mistyped is no trouble of the database, and never a look at nothing that is well.
#[tokio::test]
async fn a_table_that_is_not_there_is_the_callers_trouble() {
    let world = world("CREATE TABLE t(n);");
    for verb in ["integrity", "bloat", "indexes", "analyze", "reindex"] {
        let options = [("table", text("nowhere"))];
        let run = world.run(&Database, verb, text("main"), &options).await;
        let error = run.map(|_| verb).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config, "{verb}");
        assert_eq!(
            error.message, "there is no table \"nowhere\" in main",
            "{verb}"
        );
        let options = [("table", text("T"))];
        let run = world.run(&Database, verb, text("main"), &options).await;
        assert!(run.is_ok(), "{verb}");
    }
}

/// SQLite stops at the first reference to something that is not unique; the others are looked at all the same.
#[tokio::test]
async fn a_reference_that_cannot_be_followed_hides_no_other() {
    let world = world(
        "PRAGMA foreign_keys = OFF; CREATE TABLE parent(id INTEGER PRIMARY KEY, code); \
         CREATE TABLE bad(c REFERENCES parent(code)); CREATE TABLE child(p REFERENCES parent(id)); \
         INSERT INTO bad VALUES (1); INSERT INTO child VALUES (7);",
    );
    let (rows, _, problems) = look(&world, "foreign_keys", None).await;
    assert_eq!(problems, 2);
    assert_eq!(rows[0]["table"], "bad");
    assert_eq!(rows[0]["rows"], Value::Null);
    assert_eq!(
        rows[1],
        json!({"table": "child", "column": "p", "parent": "parent", "rows": 1})
    );
}

#[tokio::test]
async fn indexes_that_are_there_twice_or_missing_are_found() {
    let world = world(
        "CREATE TABLE u(id INTEGER PRIMARY KEY, mail UNIQUE, a, b); CREATE INDEX by_mail ON u(mail); \
         CREATE INDEX by_a ON u(a); CREATE INDEX by_a_b ON u(a, b); CREATE INDEX by_b ON u(b); CREATE INDEX also_b ON u(b); \
         CREATE INDEX by_a_down ON u(a DESC); CREATE INDEX some_a ON u(a) WHERE a > 1; CREATE INDEX low ON u(lower(mail)); \
         CREATE UNIQUE INDEX one_a ON u(a); \
         CREATE TABLE o(id INTEGER PRIMARY KEY REFERENCES u(id), user REFERENCES u(id), a REFERENCES u(a), b, \
                        FOREIGN KEY (b, a) REFERENCES u(a, b)); \
         CREATE INDEX o_ab ON o(a, b); CREATE INDEX o_part ON o(user) WHERE user > 5;",
    );
    let (rows, detail, problems) = look(&world, "indexes", None).await;
    let found: Vec<(&str, &str, &str)> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap_or_default();
            (text("problem"), text("index"), text("columns"))
        })
        .collect();
    assert_eq!(
        found,
        [
            ("duplicate", "by_a", "a"),
            ("duplicate", "by_b", "b"),
            ("duplicate", "by_mail", "mail"),
            ("missing", "", "user"),
        ]
    );
    assert_eq!(problems, 4);
    assert!(rows[0]["bytes"].as_u64() >= Some(4096), "{rows}");
    assert_eq!(
        rows[3]["statement"],
        "CREATE INDEX \"o_user\" ON \"o\" (\"user\")"
    );
    assert!(
        detail.starts_with("3 of 12 indexes there twice, 1 missing"),
        "{detail}"
    );
    let (rows, ..) = look(&world, "indexes", Some("O")).await;
    assert_eq!(rows.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn free_pages_are_a_problem_where_they_are_many() {
    let fill = "CREATE TABLE t(n); CREATE TABLE kept(n); INSERT INTO kept VALUES (1); INSERT INTO t SELECT zeroblob(700000) FROM (VALUES (1), (2));";
    let clean = world(fill);
    let (rows, detail, problems) = look(&clean, "bloat", None).await;
    assert_eq!(problems, 0, "{detail}");
    assert_eq!(rows.as_array().unwrap().len(), 3);
    let free = world(&format!("{fill} DELETE FROM t;"));
    let (rows, detail, problems) = look(&free, "bloat", None).await;
    assert_eq!(problems, 1, "{detail}");
    assert_eq!(rows[0]["table"], "(free pages)");
    assert!(rows[0]["dead_percent"].as_f64() > Some(90.0), "{rows}");
    assert_eq!(rows[0]["problem"], "free pages");
    let told = rows[0]["detail"].as_str().unwrap();
    assert!(
        told.ends_with("holds nothing: VACUUM gives it back"),
        "{told}"
    );
    assert_eq!(rows[1]["problem"], Value::Null);
    let (rows, _, problems) = look(&free, "bloat", Some("kept")).await;
    assert_eq!(problems, 0, "of one table");
    assert_eq!(rows[0]["table"], "kept");
    assert_eq!(rows.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_vacuum_of_one_table_is_refused() {
    let world = world("CREATE TABLE t(n);");
    let options = [("table", text("t"))];
    let error = world
        .run(&Database, "vacuum", text("main"), &options)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert!(error.help.is_some());
}

#[tokio::test]
async fn a_store_that_cannot_be_read_hides_no_table() {
    let mut world = world("CREATE TABLE t(n);");
    world.store_is_broken = true;
    let error = world
        .run(&Database, "tables", text("main"), &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Own);
    assert!(error.message.contains("disk full"), "{error}");
    assert_eq!(error.outputs.values["rows"][0]["table"], "t");
}

/// What a transaction comes to that is told to end behind so many changes, and goes on then or not.
async fn stopped_behind(changes: usize, goes_on: bool) -> Result<(), crate::engine::ActionError> {
    let world = world("CREATE TABLE t(n);");
    let insert = SqlText {
        text: "INSERT INTO t VALUES (1)".to_owned(),
        parameters: Vec::new(),
    };
    let bounds = Bounds::default();
    world
        .with_context(async |context| {
            let (stop, cancel) = tokio::sync::watch::channel(false);
            let context = ActionContext { cancel, ..*context };
            let system = open(find(context.config, None)?, &context)?;
            let work = async {
                for _ in 0..changes {
                    system.execute(&insert, 0, &bounds).await?;
                }
                stop.send_replace(true);
                match goes_on {
                    true => tokio::task::yield_now().await,
                    false => std::future::pending().await,
                }
                Ok(())
            };
            transaction_until_stopped(system.as_ref(), &context, work).await
        })
        .await
}

#[tokio::test]
async fn what_is_stopped_behind_its_commit_is_never_told_as_not_made() {
    let error = stopped_behind(0, true).await.unwrap_err();
    assert_eq!(error.outputs.rows_changed, Some(0));
    stopped_behind(1, true).await.unwrap();
    let error = stopped_behind(1, false).await.unwrap_err();
    assert_eq!(error.outputs.rows_changed, None);
    assert!(error.in_doubt, "{error}");
}
