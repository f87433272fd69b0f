//! Rows that are too old, on real SQLite databases.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use crate::action::database::Database;
use crate::action::testing::{World, sqlite, text};
use crate::base::{Effect, Span};
use crate::config::Retention;
use crate::engine::{ErrorKind, Outputs};
use crate::expr::Argument;
use crate::model::EffectRule;

/// What `before` says in these tests.
const BEFORE: &str = "2026-01-01T00:00:00Z";

/// A world whose database `main` has this schema.
fn world(setup: &str) -> World {
    let world = World::new().with_database("main", sqlite("main.db", None));
    let connection = rusqlite::Connection::open(world.path("main.db")).unwrap();
    connection.execute_batch(setup).unwrap();
    world
}

/// Twenty rows of 2025, ten of 2026 and one without an age, their age written as this expression makes it of a moment.
fn logs(written: &str, options: &str) -> String {
    let rows = |first: u32, last: u32, moment: &str| {
        let moment = format!("datetime('{moment}', '+' || value || ' minutes')");
        let written = written.replace("MOMENT", &moment);
        format!(
            "WITH RECURSIVE n(value) AS (SELECT {first} UNION ALL SELECT value + 1 FROM n WHERE value < {last}) \
             INSERT INTO logs SELECT value, {written} FROM n;"
        )
    };
    let (old, young) = (rows(1, 20, "2025-06-01"), rows(21, 30, "2026-02-01"));
    format!(
        "CREATE TABLE logs(id INTEGER PRIMARY KEY, at){options}; {old} {young} INSERT INTO logs VALUES (99, NULL);"
    )
}

fn left(world: &World) -> Vec<i64> {
    let connection = rusqlite::Connection::open(world.path("main.db")).unwrap();
    let mut statement = connection
        .prepare("SELECT id FROM logs ORDER BY id")
        .unwrap();
    let ids = statement.query_map([], |row| row.get(0)).unwrap();
    ids.collect::<Result<_, _>>().unwrap()
}

fn young() -> Vec<i64> {
    (21..=30).chain([99]).collect()
}

async fn prune(
    world: &World,
    options: &[(&'static str, Argument)],
) -> Result<Outputs, crate::engine::ActionError> {
    let mut all = vec![
        ("table", text("logs")),
        ("column", text("at")),
        ("before", text(BEFORE)),
    ];
    all.extend(options.iter().cloned());
    world.run(&Database, "prune", text("main"), &all).await
}

#[tokio::test]
async fn deletes_what_is_old_in_batches_however_the_age_is_written() {
    for written in [
        "MOMENT",
        "replace(MOMENT, ' ', 'T') || 'Z'",
        "replace(MOMENT, ' ', 'T') || '.125'",
        "date(MOMENT)",
        "unixepoch(MOMENT)",
        "unixepoch(MOMENT) * 1000",
        "unixepoch(MOMENT) + 0.5",
    ] {
        let world = world(&logs(written, ""));
        let outputs = prune(&world, &[("batch", Argument::Integer(7))])
            .await
            .unwrap();
        assert_eq!(left(&world), young(), "{written}");
        assert_eq!(outputs.values["deleted"], 20, "{written}");
        assert_eq!(outputs.values["batches"], 3, "{written}");
        assert_eq!(outputs.values["remaining"], 0, "{written}");
        assert_eq!(outputs.rows_changed, Some(20));
        assert_eq!(
            outputs.detail,
            "20 rows of logs from before 2026-01-01T00:00:00Z deleted in 3 batches"
        );
        let told = world.told.borrow().first().cloned();
        assert_eq!(told.as_deref(), Some("7 of 20 rows of logs deleted"));
        // Doing it again does nothing.
        let again = prune(&world, &[]).await.unwrap();
        assert_eq!(again.values["deleted"], 0);
        assert_eq!(
            again.detail,
            "no row of logs is from before 2026-01-01T00:00:00Z"
        );
    }
}

#[tokio::test]
async fn the_oldest_go_first_and_a_table_without_rowid_is_pruned_too() {
    let mut world = world(&logs("MOMENT", " WITHOUT ROWID"));
    let outputs = prune(&world, &[("batch", Argument::Integer(6))])
        .await
        .unwrap();
    assert_eq!(outputs.values["batches"], 4);
    assert_eq!(left(&world), young());
    // Of a batch that is taken back, only those before it are gone: the oldest.
    world = self::world(
        &(logs("MOMENT", "")
            + "CREATE TRIGGER stop BEFORE DELETE ON logs WHEN old.id > 12 BEGIN SELECT raise(ABORT, 'not this one'); END;"),
    );
    let error = prune(&world, &[("batch", Argument::Integer(5))])
        .await
        .unwrap_err();
    assert_eq!(
        error.message,
        "after 10 of 20 rows were deleted: not this one"
    );
    assert_eq!(left(&world)[0], 11);
    assert_eq!(error.outputs.values["deleted"], 10);
    assert_eq!(error.outputs.rows_changed, Some(10));
}

#[tokio::test]
async fn guards_refuse_before_anything_is_deleted() {
    for (guard, refused) in [
        (("max_rows", Argument::Integer(19)), true),
        (("max_rows", Argument::Integer(20)), false),
        (("max_share", Argument::Float(64.0)), true),
        (("max_share", Argument::Float(65.0)), false),
    ] {
        let world = world(&logs("MOMENT", ""));
        let done = prune(&world, std::slice::from_ref(&guard)).await;
        assert_eq!(done.is_err(), refused, "{guard:?}");
        if let Err(error) = done {
            assert_eq!(error.kind, ErrorKind::Refused);
            assert!(error.message.contains("20 of 31 rows of logs"), "{error}");
            assert_eq!(left(&world).len(), 31);
        }
    }
}

#[tokio::test]
async fn as_many_go_as_somebody_agreed_to() {
    for (agreed, refused) in [(19, true), (21, true), (20, false)] {
        let mut world = world(&logs("MOMENT", ""));
        world.agreed_rows = Some(agreed);
        let done = prune(&world, &[]).await;
        assert_eq!(done.is_err(), refused, "{agreed}");
        if let Err(error) = done {
            assert_eq!(error.kind, ErrorKind::Refused);
            assert_eq!(left(&world).len(), 31);
        }
    }
}

fn with_retention(keep: &str, max_rows: Option<u64>) -> World {
    let mut world = world(&logs("MOMENT", ""));
    world.config.databases[0].retention.push(Retention {
        table: "logs".to_owned(),
        column: "at".to_owned(),
        keep: keep.parse::<Span>().unwrap(),
        batch: Some(4),
        max_rows,
        max_share: None,
    });
    world
}

#[tokio::test]
async fn what_the_retention_keeps_is_deleted_only_when_that_is_said() {
    // Everything here is younger than that.
    let world = with_retention("9000d", None);
    let error = prune(&world, &[]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.message.contains("are kept for"), "{error}");
    assert!(error.help.unwrap().contains("--override-retention"));
    assert_eq!(left(&world).len(), 31);
    let said = [("override_retention", Argument::Boolean(true))];
    prune(&world, &said).await.unwrap();
    assert_eq!(left(&world), young());
}

#[tokio::test]
async fn the_retention_says_what_the_call_does_not() {
    // Rows of 2025 and 2026 are older than a minute.
    let world = with_retention("1m", Some(10));
    let only = [("table", text("logs"))];
    let error = world
        .run(&Database, "prune", text("main"), &only)
        .await
        .unwrap_err();
    assert!(
        error.message.contains("at most 10 may go at once"),
        "{error}"
    );
    let more = [
        ("table", text("logs")),
        ("max_rows", Argument::Integer(100)),
    ];
    let outputs = world
        .run(&Database, "prune", text("main"), &more)
        .await
        .unwrap();
    assert_eq!(
        (&outputs.values["deleted"], &outputs.values["batches"]),
        (&json!(30), &json!(8))
    );
    assert_eq!(left(&world), [99]);

    let world = with_retention("1m", None);
    let outputs = world
        .run(&Database, "expired", text("main"), &[])
        .await
        .unwrap();
    assert_eq!(outputs.values["expired"], 30);
    let row = &outputs.values["rows"][0];
    assert_eq!(
        (&row["table"], &row["rows"], &row["of"]),
        (&json!("logs"), &json!(30), &json!(31))
    );
    assert_eq!(row["oldest"], "2025-06-01 00:01:00");
    assert_eq!(left(&world).len(), 31);
}

#[tokio::test]
async fn what_is_unclear_or_missing_is_told_and_nothing_is_deleted() {
    let mixed = logs("MOMENT", "") + "INSERT INTO logs VALUES (100, 1700000000);";
    let world = world(&mixed);
    let error = prune(&world, &[]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert!(
        error.message.contains("different kinds of values"),
        "{error}"
    );
    assert_eq!(left(&world).len(), 32);
    for (option, value, kind) in [
        ("table", "nowhere", ErrorKind::Target),
        ("column", "nowhere", ErrorKind::Target),
        ("before", "soon", ErrorKind::Config),
        ("table", "", ErrorKind::Config),
    ] {
        let all = ["table", "column", "before"].map(|name| {
            let usual = match name {
                "table" => "logs",
                "column" => "id",
                _ => BEFORE,
            };
            (name, text(if name == option { value } else { usual }))
        });
        let error = world
            .run(&Database, "prune", text("main"), &all)
            .await
            .unwrap_err();
        assert_eq!(error.kind, kind, "{option} {value:?}: {error}");
    }
}

#[tokio::test]
async fn a_preview_shows_the_first_batch_and_the_oldest_rows_and_deletes_nothing() {
    let mut world = world(&logs("MOMENT", ""));
    let all = [
        ("table", text("logs")),
        ("column", text("at")),
        ("before", text(BEFORE)),
        ("batch", Argument::Integer(6)),
    ];
    let preview = world
        .preview(&Database, "prune", text("main"), &all)
        .await
        .unwrap();
    assert_eq!(preview.rows, Some(20));
    assert_eq!(
        preview.sent,
        "DELETE FROM \"logs\" WHERE rowid IN (SELECT rowid FROM \"logs\" WHERE \"logs\".\"at\" < '2026-01-01 00:00:00' ORDER BY \"logs\".\"at\" LIMIT 6) AND \"logs\".\"at\" < '2026-01-01 00:00:00'\n-- in batches of 6 rows, the oldest first, each in a transaction of its own"
    );
    let sample = preview.sample.unwrap();
    assert_eq!(sample.rows.len(), 5);
    assert_eq!(sample.rows[0], [json!(1), json!("2025-06-01 00:01:00")]);
    assert_eq!(left(&world).len(), 31);
    world.counts_only = true;
    let counted = world.preview(&Database, "prune", text("main"), &all);
    let counted = counted.await.unwrap();
    assert_eq!((counted.rows, counted.sample), (Some(20), None));
    let effect = |verb| {
        crate::engine::Action::spec(&Database)
            .verb(verb)
            .unwrap()
            .effect
    };
    assert_eq!(effect("prune"), EffectRule::Always(Effect::Destroy));
    assert_eq!(effect("expired"), EffectRule::Always(Effect::Read));
}

#[tokio::test]
async fn what_was_deleted_is_known_though_it_is_stopped() {
    let options = [("batch", Argument::Integer(7))];
    let mut world = world(&logs("MOMENT", ""));
    world.stops_at = Some("7 of 20 rows of logs deleted");
    let error = prune(&world, &options).await.unwrap_err();
    assert_eq!(error.message, "stopped after 7 of 20 rows were deleted");
    assert_eq!(error.outputs.rows_changed, Some(7));
    assert!(!error.in_doubt);
    assert_eq!(left(&world).len(), 24);
    // Behind the last batch it only looks for what is left.
    world.stops_at = Some("13 of 13 rows of logs deleted");
    let outputs = prune(&world, &options).await.unwrap();
    assert_eq!(outputs.rows_changed, Some(13));
    assert_eq!(outputs.values["deleted"], 13);
    assert_eq!(left(&world), young());
}

#[tokio::test]
async fn old_rows_that_stay_are_told() {
    let world = world(
        &(logs("MOMENT", "")
            + "CREATE TRIGGER keep BEFORE DELETE ON logs WHEN old.id = 3 BEGIN SELECT raise(IGNORE); END;"),
    );
    let error = prune(&world, &[]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Target);
    assert!(
        error.message.ends_with("1 rows are still too old"),
        "{error}"
    );
    assert_eq!(error.outputs.values["remaining"], json!(1) as Value);
}

/// What failed is one batch; those before it stay.
#[tokio::test]
async fn what_was_deleted_is_told_though_a_later_batch_fails() {
    let options = [("batch", Argument::Integer(7))];
    let stays = "CREATE TABLE lines(log REFERENCES logs); INSERT INTO lines VALUES (10);";
    let referred = world(&(logs("MOMENT", "") + stays));
    let error = prune(&referred, &options).await.unwrap_err();
    assert_eq!(
        error.message,
        "after 7 of 20 rows were deleted: FOREIGN KEY constraint failed"
    );
    assert_eq!(error.outputs.rows_changed, Some(7));
    assert_eq!(left(&referred).len(), 24);
    let copies = "CREATE TABLE gone(n); CREATE TRIGGER notes AFTER DELETE ON logs BEGIN INSERT INTO gone VALUES (old.id); END;";
    let mut noted = world(&(logs("MOMENT", "") + copies));
    noted.most_rows = Some(20);
    let error = prune(&noted, &options).await.unwrap_err();
    assert_eq!(
        error.message,
        "after 7 of 20 rows were deleted: it would change 14 rows, triggers and references included, and may change 6"
    );
    assert_eq!(left(&noted).len(), 24);
}
