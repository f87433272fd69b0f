//! `database.*` on real databases: looks, upkeep, effects and refusals.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use serde_json::{Value, json};

use super::{Database, SPEC};
use crate::action::testing::{World, sqlite, text};
use crate::base::Effect;
use crate::engine::ErrorKind;
use crate::model::EffectRule;

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
        "foreign_keys",
        "bloat",
        "indexes",
        "activity",
        "locks",
        "connections",
        "slow",
        "replication",
        "cancel",
        "terminate",
    ];
    for verb in SPEC.verbs {
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
        "CREATE TABLE small(n); CREATE TABLE large(n); \
         INSERT INTO large SELECT zeroblob(9000) FROM (VALUES (1), (2));",
    );
    let outputs = world
        .run(&Database, "tables", text("main"), &[])
        .await
        .unwrap();
    let rows = outputs.values["rows"].as_array().unwrap();
    assert_eq!(rows[0]["table"], "large");
    assert_eq!(rows[0]["rows"], 2);
    assert_eq!(rows[1], json!({"table": "small", "rows": 0, "bytes": 4096}));
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
         CREATE TABLE child(parent REFERENCES parent(id)); INSERT INTO child VALUES (7), (8);",
    );
    let error = world
        .run(&Database, "integrity", text("main"), &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Target);
    assert_eq!(
        error.message,
        "child: row 1: parent leads to no row of parent; and 1 other problem"
    );
    assert_eq!(error.outputs.values["problems"], 2);
    assert_eq!(error.outputs.values["bytes"], Value::Null);
    assert_eq!(error.outputs.values["rows"][1]["table"], "child");
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
