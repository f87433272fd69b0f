//! What a stop leaves of migrations, on a real SQLite database.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::Migrations;
use crate::action::testing::{World, sqlite, text};
use crate::config::{MigrationTool, Migrations as Config};
use crate::engine::{ActionError, ErrorKind, Outputs};
use crate::expr::Argument;

/// Two migrations and what takes them back.
fn world() -> World {
    let mut world = World::new().with_database("main", sqlite("main.db", None));
    drop(rusqlite::Connection::open(world.path("main.db")).unwrap());
    let folder = world.path("migrations");
    std::fs::create_dir(&folder).unwrap();
    for (number, name) in [(1, "a"), (2, "b")] {
        let write = |end: &str, text: String| std::fs::write(folder.join(end), text).unwrap();
        write(
            &format!("000{number}_{name}.sql"),
            format!("CREATE TABLE {name}(n);"),
        );
        write(
            &format!("000{number}_{name}.down.sql"),
            format!("DROP TABLE {name};"),
        );
    }
    world.config.databases[0].migrations = Some(Config {
        tool: MigrationTool::Sql { table: None },
        folder: Some(folder),
        rollback: None,
        names: None,
        levels: Vec::new(),
    });
    world
}

async fn run(world: &World, verb: &str) -> Result<Outputs, ActionError> {
    world.run(&Migrations, verb, text("main"), &[]).await
}

#[tokio::test]
async fn what_a_stop_leaves_of_migrations_is_known() {
    let mut world = world();
    world.stops_at = Some("1 of 2: 0001_a");
    let error = run(&world, "apply").await.unwrap_err();
    assert_eq!(error.message, "0001_a.sql is not applied");
    assert_eq!(error.outputs.rows_changed, Some(0));

    world.stops_at = Some("2 of 2: 0002_b");
    let error = run(&world, "apply").await.unwrap_err();
    let told = "0002_b.sql is not applied; the migration before it is kept";
    assert_eq!(error.message, told);
    assert!(error.outputs.rows_changed > Some(0), "{error:?}");
    assert!(!error.in_doubt);

    // One that comes to its end says that it changed something, and so is done whatever has to end.
    world.stops_at = None;
    assert!(run(&world, "apply").await.unwrap().rows_changed > Some(0));

    world.stops_at = Some("back from 0002_b");
    let error = run(&world, "revert").await.unwrap_err();
    assert_eq!(error.message, "0002_b stays applied");
    assert_eq!(error.outputs.rows_changed, Some(0));
    world.stops_at = None;
    assert!(run(&world, "revert").await.unwrap().rows_changed > Some(0));
}

#[tokio::test]
async fn what_was_begun_is_done_again_though_it_is_one_transaction_by_now() {
    let world = world();
    let write = |text: &str| std::fs::write(world.path("migrations/0002_b.sql"), text).unwrap();
    write("-- opsbook: no-transaction\nCREATE TABLE b(n);\nDROP TABLE nowhere;");
    let error = run(&world, "apply").await.unwrap_err();
    assert!(error.message.contains("it counts as started"), "{error}");
    write("CREATE TABLE c(n);");
    let again = [("again", Argument::Boolean(true))];
    let once_more = world.run(&Migrations, "apply", text("main"), &again);
    assert_eq!(once_more.await.unwrap().values["applied"], 1);
    let status = run(&world, "status").await.unwrap();
    assert_eq!(status.detail, "nothing pending, 2 migrations applied");
}

#[tokio::test]
async fn the_table_of_migrations_is_found_in_capitals_and_small_letters() {
    let mut world = world();
    assert!(run(&world, "apply").await.is_ok());
    let table = Some("Opsbook_Migrations".to_owned());
    let migrations = world.config.databases[0].migrations.as_mut().unwrap();
    migrations.tool = MigrationTool::Sql { table };
    let status = run(&world, "status").await.unwrap();
    assert_eq!(status.values["pending"], 0, "{status:?}");
}

/// As `new` leaves it until somebody writes it.
#[tokio::test]
async fn a_file_without_a_statement_takes_nothing_back() {
    let world = world();
    let down = world.path("migrations/0002_b.down.sql");
    std::fs::write(down, "\u{feff}-- Takes back: b\n").unwrap();
    let check = run(&world, "check").await.unwrap();
    let rows = &check.values["rows"];
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
    assert_eq!(rows[0]["rule"], "revert");
    run(&world, "apply").await.unwrap();
    let error = run(&world, "revert").await.unwrap_err();
    assert_eq!(
        error.message,
        "0002_b.down.sql holds no statement, so nothing takes 0002_b back; nothing was done"
    );
    assert_eq!(error.kind, ErrorKind::Config);
    let status = run(&world, "status").await.unwrap();
    assert_eq!(status.detail, "nothing pending, 2 migrations applied");
}
