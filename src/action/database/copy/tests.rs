//! Copies of real SQLite databases: whole, of one moment, in no other's place, and the way back.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::process::Command;

use rusqlite::Connection;
use serde_json::Value;

use crate::action::database::Database;
use crate::action::testing::{World, sqlite, text};
use crate::engine::{ErrorKind, Outputs};
use crate::expr::Argument;

fn world() -> World {
    let world = World::new().with_database("main", sqlite("it's main.db", None));
    let connection = Connection::open(world.path("it's main.db")).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; CREATE TABLE t(n INTEGER, s TEXT); \
             INSERT INTO t VALUES (1, 'one'), (2, 'two');",
        )
        .unwrap();
    world
}

async fn copy(world: &World, options: &[(&'static str, Argument)]) -> Outputs {
    world
        .run(&Database, "copy", text("main"), options)
        .await
        .unwrap()
}

fn rows(path: &std::path::Path) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap()
}

#[tokio::test]
async fn a_copy_is_whole_and_the_command_that_it_tells_goes_back() {
    let world = world();
    // What a writer holds open lies in the log alone, and is no part of the state yet.
    let writer = Connection::open(world.path("it's main.db")).unwrap();
    writer
        .execute_batch("BEGIN; INSERT INTO t VALUES (3, 'three')")
        .unwrap();
    let outputs = copy(&world, &[]).await;
    writer.execute_batch("COMMIT").unwrap();
    drop(writer);
    assert_eq!(outputs.values["kind"], "file");
    let path = outputs.values["path"].as_str().unwrap();
    assert!(
        path.starts_with(&*world.path("copies/main-2").display().to_string()),
        "{path}"
    );
    assert!(path.ends_with("Z.sqlite"));
    assert_eq!(rows(path.as_ref()), 2);
    assert_eq!(outputs.values["bytes"], fs::metadata(path).unwrap().len());
    assert_eq!(outputs.values["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(rows(&world.path("it's main.db")), 3);
    let restore = outputs.values["restore"].as_str().unwrap();
    let done = Command::new("sh").args(["-c", restore]).output().unwrap();
    assert!(
        done.status.success() && done.stderr.is_empty(),
        "{restore}: {done:?}"
    );
    assert_eq!(rows(&world.path("it's main.db")), 2);
}

#[tokio::test]
async fn a_copy_goes_where_it_is_told_and_into_no_others_place() {
    let mut world = world();
    world.config.databases[0].copies = Some("kept/here".into());
    let outputs = copy(&world, &[]).await;
    let path = outputs.values["path"].as_str().unwrap().to_owned();
    assert!(path.contains("/kept/here/main-"), "{path}");
    let to = [("to", Argument::Path("else where".into()))];
    let outputs = copy(&world, &to).await;
    assert!(
        outputs.values["path"]
            .as_str()
            .unwrap()
            .contains("/else where/main-")
    );
    // In one second there may be several.
    let mut paths = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let outputs = copy(&world, &to).await;
        paths.insert(outputs.values["path"].as_str().unwrap().to_owned());
    }
    assert_eq!(paths.len(), 3);
    assert_eq!(rows(path.as_ref()), 2);
}

#[tokio::test]
async fn a_preview_says_what_and_where_and_a_damaged_database_is_not_copied() {
    let world = world();
    let preview = world
        .preview(&Database, "copy", text("main"), &[])
        .await
        .unwrap();
    assert!(
        preview.sent.starts_with("a copy of main to /"),
        "{}",
        preview.sent
    );
    assert!(!world.path("copies").exists());
    let path = world.path("it's main.db");
    Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let page = 4096;
    bytes[page..page + 200].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let error = world
        .run(&Database, "copy", text("main"), &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Target, "{error}");
    let left: Vec<_> = fs::read_dir(world.path("copies")).unwrap().collect();
    assert_eq!(left.len(), 1, "only .gitignore: {left:?}");
    let missing = World::new().with_database("main", sqlite("nowhere.db", None));
    let error = missing
        .run(&Database, "copy", text("main"), &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Target);
    assert_eq!(error.outputs.values.get("path"), None::<&Value>);
}
