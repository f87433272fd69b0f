//! Real database files: what reads may not do, what writes leave behind, what damage is told.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use proptest::prelude::{any, prop_assert_eq, proptest};
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::platform::bounds::{Bounds, BoundsBroken, Count};

use super::value::{from_sqlite, to_sqlite};
use super::{Maintenance, Sqlite, SqliteError};

/// No bounds.
static FREE: Bounds = Bounds {
    most: None,
    agreed: None,
    count: None,
};

const LIMIT: usize = 10_000;

/// A database with a table `t(n, s)` of three rows.
fn sample(folder: &Path) -> Sqlite {
    let path = folder.join("sample.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE t(n INTEGER, s TEXT); CREATE INDEX s ON t(s); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, NULL)",
        )
        .unwrap();
    Sqlite::new(&path, None).busy_timeout(Duration::ZERO)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn values_come_back_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let rows = sample(folder.path())
        .query(
            "SELECT ?1 AS v, -9223372036854775808 AS v, 0.1, NULL AS absent, x'00ff' AS blob, \
             CAST(x'ff' AS TEXT) AS odd, 9e999 AS large, ?2 AS list, 'a' || char(0) || 'b' AS nul",
            &[json!("it's"), json!([1, "two"])],
            LIMIT,
        )
        .await
        .unwrap();
    assert_eq!(
        rows.columns,
        [
            "v", "v_2", "0.1", "absent", "blob", "odd", "large", "list", "nul"
        ]
    );
    assert_eq!(
        Value::Object(rows.rows[0].clone()),
        json!({
            "v": "it's", "v_2": i64::MIN, "0.1": 0.1, "absent": null, "blob": {"base64": "AP8="},
            "odd": {"base64": "/w=="}, "large": "Infinity", "list": "[1,\"two\"]", "nul": "a\0b",
        })
    );
}

proptest! {
    #[test]
    fn numbers_texts_and_blobs_survive(whole in any::<i64>(), real in any::<f64>(), text in ".*", bytes in any::<Vec<u8>>()) {
        let mut values = vec![json!(whole), json!(text), from_sqlite((&bytes[..]).into())];
        if real.is_finite() {
            values.push(json!(real));
        }
        let connection = Connection::open_in_memory().unwrap();
        for value in values {
            let bound = to_sqlite(&value).unwrap();
            let back = connection.query_row("SELECT ?1", [bound], |row| row.get_ref(0).map(from_sqlite)).unwrap();
            prop_assert_eq!(back, value);
        }
    }
}

#[tokio::test]
async fn a_number_that_has_no_room_is_refused_not_rounded() {
    let folder = tempfile::tempdir().unwrap();
    let error = sample(folder.path())
        .query("SELECT ?1", &[json!(u64::MAX)], LIMIT)
        .await
        .unwrap_err();
    assert!(matches!(error, SqliteError::NumberTooLarge(u64::MAX)));
}

#[tokio::test]
async fn nothing_gets_through_the_fence_of_a_read() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sample(folder.path());
    let file = folder.path().join("sample.db");
    let before = (fs::read(&file).unwrap(), names(folder.path()));
    let beside = |name: &str| folder.path().join(name).display().to_string();
    for sql in [
        "DELETE FROM t",
        "DELETE FROM t RETURNING n",
        "WITH x AS (SELECT 1) DELETE FROM t",
        "INSERT INTO t VALUES (4, 'd')",
        "REPLACE INTO t VALUES (4, 'd')",
        "UPDATE t SET n = 0",
        "DROP TABLE t",
        "CREATE TABLE u(a)",
        "CREATE TEMP TABLE u(a)",
        "CREATE VIRTUAL TABLE u USING fts5(a)",
        "ALTER TABLE t RENAME TO u",
        "ANALYZE",
        "REINDEX",
        "VACUUM",
        "BEGIN",
        "BEGIN IMMEDIATE",
        "COMMIT",
        "SAVEPOINT s",
        "PRAGMA query_only = OFF",
        "EXPLAIN PRAGMA query_only = OFF",
        "SELECT 1; PRAGMA query_only = OFF",
        "PRAGMA journal_mode = WAL",
        "PRAGMA wal_checkpoint",
        "PRAGMA foreign_keys = OFF",
        "PRAGMA user_version = 5",
        "PRAGMA writable_schema = 1",
        "PRAGMA incremental_vacuum",
        "PRAGMA optimize",
        "SELECT load_extension('x')",
        "SELECT 1; DELETE FROM t",
        "SELECT 1; -- harmless\n; DELETE FROM t",
        &format!("VACUUM INTO '{}'", beside("copy.db")),
        &format!("ATTACH '{}' AS other", beside("other.db")),
        &format!("EXPLAIN ATTACH '{}' AS other", beside("other.db")),
    ] {
        let error = sqlite.query(sql, &[], LIMIT).await.expect_err(sql);
        assert!(
            matches!(
                error,
                SqliteError::NotRead(_) | SqliteError::SeveralStatements | SqliteError::Refused(_)
            ),
            "{sql}: {error:?}"
        );
    }
    let after = (fs::read(&file).unwrap(), names(folder.path()));
    assert!(before == after);
}

#[tokio::test]
async fn plain_reads_and_harmless_pragmas_pass_the_fence() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sample(folder.path());
    for sql in [
        "SELECT count(*) FROM t -- with a comment",
        "SELECT 1;",
        "VALUES (1)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5) SELECT sum(i) FROM n",
        "SELECT * FROM pragma_table_info('t')",
        "PRAGMA table_info(t)",
        "PRAGMA user_version",
        "PRAGMA Journal_Mode;\n",
        "PRAGMA integrity_check",
        "EXPLAIN QUERY PLAN SELECT * FROM t",
        "SELECT name FROM dbstat",
        "SELECT value FROM json_each('[1]')",
    ] {
        let outcome = sqlite.query(sql, &[], LIMIT).await;
        assert!(outcome.is_ok(), "{sql}: {outcome:?}");
    }
}

#[tokio::test]
async fn explain_compiles_a_write_and_runs_none() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sample(folder.path());
    let plan = sqlite
        .explain("DELETE FROM t WHERE n = ?1", &[json!(1)])
        .await
        .unwrap();
    assert_eq!(plan.rows[0]["detail"], "SCAN t");
    let rows = sqlite.query("SELECT * FROM t", &[], LIMIT).await.unwrap();
    assert_eq!(rows.rows.len(), 3);
    let file = folder.path().join("other.db").display().to_string();
    for sql in [
        "PRAGMA query_only = OFF",
        "DELETE FROM t; DELETE FROM t",
        &format!("ATTACH '{file}' AS o"),
    ] {
        assert!(sqlite.explain(sql, &[]).await.is_err(), "{sql}");
    }
    assert_eq!(names(folder.path()), ["sample.db"]);
}

#[tokio::test]
async fn more_rows_than_the_limit_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sample(folder.path());
    let rows = sqlite.query("SELECT n FROM t", &[], 2).await.unwrap();
    assert_eq!((rows.rows.len(), rows.truncated), (2, true));
    let rows = sqlite.query("SELECT n FROM t", &[], 3).await.unwrap();
    assert_eq!((rows.rows.len(), rows.truncated), (3, false));
    // A write is done in full, however few of its rows are kept.
    let changed = sqlite
        .execute("DELETE FROM t RETURNING n", &[], 1, &FREE)
        .await
        .unwrap();
    assert_eq!(
        (
            changed.changed,
            changed.rows.rows.len(),
            changed.rows.truncated
        ),
        (3, 1, true)
    );
    let rows = sqlite.query("SELECT n FROM t", &[], 3).await.unwrap();
    assert_eq!(rows.rows.len(), 0);
}

#[tokio::test]
async fn counts_the_rows_that_a_statement_changes_itself() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sample(folder.path());
    let setup = "CREATE TABLE log(n); \
                 CREATE TRIGGER logged AFTER DELETE ON t BEGIN INSERT INTO log VALUES (old.n); END;";
    assert_eq!(sqlite.script(setup).await.unwrap(), 0);
    let changed = sqlite
        .execute("DELETE FROM t WHERE n < ?1", &[json!(3)], LIMIT, &FREE)
        .await
        .unwrap();
    assert_eq!(changed.changed, 2);
    let mixed =
        "INSERT INTO t VALUES (7, 'x'); CREATE INDEX i ON t(n); SELECT 1; UPDATE t SET s = 'y';";
    assert_eq!(sqlite.script(mixed).await.unwrap(), 3);
}

#[tokio::test]
async fn a_script_is_done_in_full_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sample(folder.path());
    let failing = "DELETE FROM t;\nINSERT INTO t VALUES (1, 'a');\nINSERT INTO nowhere VALUES (1);";
    let error = sqlite.script(failing).await.unwrap_err();
    assert_eq!(error.to_string(), "no such table: nowhere at line 3");
    let error = sqlite
        .script("DELETE FROM t;\n  DELETE FRM t;")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "near \"FRM\": syntax error at line 2, column 10"
    );
    for sql in [
        "DELETE FROM t; COMMIT; DELETE FROM t",
        "BEGIN; DELETE FROM t",
        "DELETE FROM t; ROLLBACK",
    ] {
        let error = sqlite.script(sql).await.unwrap_err();
        assert!(
            matches!(&error, SqliteError::Script { error, .. } if matches!(**error, SqliteError::OwnTransaction)),
            "{sql}: {error:?}"
        );
    }
    let rows = sqlite.query("SELECT n FROM t", &[], LIMIT).await.unwrap();
    assert_eq!(rows.rows.len(), 3);
}

/// SQLite would take NULL for each place, which is more than stands in the text.
#[tokio::test]
async fn a_script_is_given_no_values_and_has_no_places_for_any() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sample(folder.path());
    let places = vec!["?"; 60].join(",");
    let script = format!(
        "CREATE TABLE z(a NOT NULL);;\n-- all;\nSELECT {places};\nINSERT INTO z VALUES (NULL);"
    );
    let told = "the statement has 60 places for values, and 0 were given";
    let error = sqlite.script(&script).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{told} at line 3"));
    let halted = sqlite.alone(&script).await.unwrap_err();
    assert_eq!(
        (halted.done, halted.error.to_string()),
        (1, format!("{told} at line 3"))
    );
    let error = sqlite.read_script("SELECT ?").await.unwrap_err();
    assert!(
        matches!(error, SqliteError::Parameters { places: 1, .. }),
        "{error:?}"
    );
    // What SQLite names no place of has the line of its first word, whatever stands between.
    let script = "DELETE FROM z;;\n;\n/* é */ -- ;\n\n INSERT INTO z VALUES (NULL);";
    let error = sqlite.script(script).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "NOT NULL constraint failed: z.a at line 5"
    );
}

#[tokio::test]
async fn mistakes_are_sorted_and_placed() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sample(folder.path());
    let error = sqlite
        .query("SELECT n,\n  m FROM t", &[], LIMIT)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "no such column: m at line 2, column 3");
    let error = sqlite.query("SELEC 1", &[], LIMIT).await.unwrap_err();
    assert!(matches!(error, SqliteError::Syntax(_)), "{error:?}");
    let error = sqlite.query("SELECT ?1", &[], LIMIT).await.unwrap_err();
    assert!(matches!(
        error,
        SqliteError::Parameters {
            places: 1,
            given: 0
        }
    ));
    for sql in ["", "  -- nothing\n"] {
        let error = sqlite.query(sql, &[], LIMIT).await.unwrap_err();
        assert!(matches!(error, SqliteError::NoStatement), "{error:?}");
    }
    let error = Sqlite::new(folder.path(), None).ping().await.unwrap_err();
    assert!(matches!(error, SqliteError::CannotOpen(_)), "{error:?}");
    fs::write(
        folder.path().join("text"),
        "no database at all, but long enough to have a header. ".repeat(20),
    )
    .unwrap();
    let error = Sqlite::new(&folder.path().join("text"), None)
        .ping()
        .await
        .unwrap_err();
    assert!(matches!(error, SqliteError::Damaged(_)), "{error:?}");
}

#[tokio::test]
async fn a_missing_file_is_never_made_unless_asked() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Sqlite::new(&folder.path().join("missing.db"), None);
    assert!(matches!(
        missing.ping().await.unwrap_err(),
        SqliteError::Missing(_)
    ));
    assert!(
        missing
            .execute("CREATE TABLE t(n)", &[], LIMIT, &FREE)
            .await
            .is_err()
    );
    assert!(names(folder.path()).is_empty());
}

#[tokio::test]
async fn is_made_on_first_use_in_full_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let setup = folder.path().join("setup.sql");
    let sqlite = Sqlite::new(&folder.path().join("new/made.db"), Some(&setup));
    assert!(matches!(
        sqlite.ping().await.unwrap_err(),
        SqliteError::Setup { .. }
    ));

    fs::write(&setup, "CREATE TABLE t(n); INSERT INTO nowhere VALUES (1);").unwrap();
    sqlite.ping().await.unwrap_err();
    assert!(names(&folder.path().join("new")).is_empty());

    fs::write(
        &setup,
        "PRAGMA journal_mode = WAL; CREATE TABLE t(n); INSERT INTO t VALUES (1);",
    )
    .unwrap();
    let users = (0..8).map(|_| sqlite.execute("INSERT INTO t VALUES (2)", &[], LIMIT, &FREE));
    for outcome in futures_util::future::join_all(users).await {
        outcome.unwrap();
    }
    let rows = sqlite
        .query("SELECT count(*) AS n FROM t", &[], LIMIT)
        .await
        .unwrap();
    assert_eq!(rows.rows[0]["n"], 9);
    let strays = names(&folder.path().join("new"))
        .into_iter()
        .filter(|name| name.contains("making"));
    assert_eq!(strays.count(), 0);
}

#[tokio::test]
async fn a_locked_database_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sample(folder.path());
    let other = Connection::open(folder.path().join("sample.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for error in [
        sqlite.ping().await.unwrap_err(),
        sqlite
            .query("SELECT * FROM t", &[], LIMIT)
            .await
            .unwrap_err(),
        sqlite
            .execute("DELETE FROM t", &[], LIMIT, &FREE)
            .await
            .unwrap_err(),
        sqlite.script("DELETE FROM t").await.unwrap_err(),
    ] {
        assert!(matches!(error, SqliteError::Locked(_)), "{error:?}");
    }
    other.execute_batch("COMMIT").unwrap();
    sqlite.ping().await.unwrap();
}

#[tokio::test]
async fn a_query_that_nobody_waits_for_ends() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sample(folder.path());
    let other = Connection::open(folder.path().join("sample.db")).unwrap();
    other.busy_timeout(Duration::ZERO).unwrap();
    let locked = || other.execute_batch("BEGIN EXCLUSIVE; ROLLBACK").is_err();
    {
        let endless = "WITH RECURSIVE i(n) AS (SELECT n FROM t UNION ALL SELECT n + 1 FROM i) \
                       SELECT count(*) FROM i";
        let mut query = pin!(sqlite.query(endless, &[], LIMIT));
        while !locked() {
            let turn = timeout(Duration::from_millis(1), &mut query).await;
            assert!(turn.is_err(), "{turn:?}");
        }
    }
    let freed = timeout(Duration::from_secs(60), async {
        while locked() {
            tokio::task::yield_now().await;
        }
    });
    freed.await.unwrap();
}

#[test]
fn a_write_that_nobody_waits_for_is_not_done_later() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sample(folder.path()).busy_timeout(Duration::from_secs(3600));
    let other = Connection::open(folder.path().join("sample.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let write = sqlite.execute("DELETE FROM t", &[], LIMIT, &FREE);
        timeout(Duration::from_millis(20), write).await.unwrap_err();
    });
    other.execute_batch("COMMIT").unwrap();
    // The end of the runtime waits for its threads: were the statement still to be done, it would be done now.
    drop(runtime);
    let left: i64 = other
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 3);
}

#[tokio::test]
async fn a_reader_does_not_put_a_crashed_database_in_order() {
    // A database in the middle of a transaction, copied with its journal: what a crash leaves.
    let folder = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    sample(folder.path());
    let writer = Connection::open(folder.path().join("sample.db")).unwrap();
    writer
        .execute_batch("PRAGMA cache_size = 1; BEGIN; INSERT INTO t SELECT 1, hex(randomblob(5000)) FROM t, t AS u")
        .unwrap();
    for name in ["sample.db", "sample.db-journal"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let crashed = Sqlite::new(&copy.path().join("sample.db"), None);
    let before = fs::read(copy.path().join("sample.db")).unwrap();
    let error = crashed.ping().await.unwrap_err();
    assert!(matches!(error, SqliteError::NeedsRecovery(_)), "{error:?}");
    assert!(fs::read(copy.path().join("sample.db")).unwrap() == before);
    crashed
        .execute("DELETE FROM t WHERE n = 3", &[], LIMIT, &FREE)
        .await
        .unwrap();
    let rows = crashed
        .query("SELECT count(*) AS n FROM t", &[], LIMIT)
        .await
        .unwrap();
    assert_eq!(rows.rows[0]["n"], 2);
}

#[tokio::test]
async fn tells_tables_by_size_and_what_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sample(folder.path());
    let fill = "CREATE TABLE \"large \"\" one\"(b); CREATE INDEX i ON \"large \"\" one\"(b); \
                INSERT INTO \"large \"\" one\" SELECT randomblob(1000) FROM t, t AS u, t AS v, t AS w;\
                CREATE VIRTUAL TABLE words USING fts5(word);";
    sqlite.script(fill).await.unwrap();
    let tables = sqlite.tables().await.unwrap();
    assert_eq!(tables[0].table, "large \" one");
    assert_eq!(tables[0].rows, Some(81));
    assert!(tables[0].bytes > 2 * 81_000);
    let find = |name: &str| tables.iter().find(|table| table.table == name).unwrap();
    assert_eq!((find("t").rows, find("t").bytes), (Some(3), 2 * 4096));
    assert_eq!(find("words").rows, None);

    let free = async || {
        sqlite
            .size()
            .await
            .unwrap()
            .iter()
            .find(|part| part.part == "free")
            .unwrap()
            .bytes
    };
    assert_eq!(free().await, 0);
    sqlite
        .script("DELETE FROM \"large \"\" one\"")
        .await
        .unwrap();
    assert!(free().await > 100_000);
    let slack = sqlite.slack().await.unwrap();
    let nothing = slack.last().unwrap();
    assert_eq!(nothing.table, None);
    assert!(nothing.free > 100_000 && nothing.bytes == nothing.free);
    let vacuumed = sqlite.maintain(&Maintenance::Vacuum).await.unwrap();
    assert!(vacuumed.freed > 100_000 && !vacuumed.held);
    assert_eq!(free().await, 0);
    for table in [None, Some("large \" one".to_owned())] {
        for work in [
            Maintenance::Analyze(table.clone()),
            Maintenance::Reindex(table.clone()),
        ] {
            sqlite.maintain(&work).await.unwrap();
        }
    }
    let nowhere = Maintenance::Reindex(Some("nowhere".to_owned()));
    assert!(sqlite.maintain(&nowhere).await.is_err());
    let info = sqlite.info().await.unwrap();
    assert!(info.contains(&("page_size", json!(4096))));
    assert!(info.contains(&("indexes", json!(2))));
}

#[tokio::test]
async fn finds_damage() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sample(folder.path());
    assert!(sqlite.integrity(None).await.unwrap().is_empty());
    let connection = Connection::open(folder.path().join("sample.db")).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE pair(a, b); INSERT INTO pair VALUES (1, 2); CREATE INDEX one ON pair(a); \
             PRAGMA writable_schema = ON; \
             UPDATE sqlite_schema SET sql = 'CREATE INDEX one ON pair(b)' WHERE name = 'one'",
        )
        .unwrap();
    drop(connection);
    let problems = sqlite.integrity(None).await.unwrap();
    let details: Vec<&str> = problems
        .iter()
        .map(|problem| problem.detail.as_str())
        .collect();
    assert_eq!(details, ["row 1 missing from index one"]);
    for (table, problems) in [("pair", 1), ("t", 0)] {
        let found = sqlite.integrity(Some(table)).await.unwrap();
        assert_eq!(found.len(), problems, "{table}");
    }
    assert!(sqlite.integrity(Some("nowhere")).await.is_err());
}

/// SQLite cannot look up a reference to what is not unique, and tells so for the whole file.
#[tokio::test]
async fn a_reference_that_cannot_be_looked_up_keeps_from_no_other_migration() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sample(folder.path());
    let mismatch = "CREATE TABLE parent(n); CREATE TABLE child(n REFERENCES parent(n));";
    assert!(sqlite.migrate(mismatch).await.is_err());
    sqlite.script(mismatch).await.unwrap();
    sqlite.migrate("CREATE TABLE other(n)").await.unwrap();
    let mends = "CREATE UNIQUE INDEX once ON parent(n)";
    sqlite.migrate(mends).await.unwrap();
    let dangling = "INSERT INTO child VALUES (1)";
    assert!(sqlite.migrate(dangling).await.is_err());
}

#[tokio::test]
async fn a_statement_that_fails_leaves_none_of_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sample(folder.path());
    for text in [
        "CREATE TABLE one(n INTEGER PRIMARY KEY)",
        "CREATE TRIGGER no BEFORE INSERT ON one WHEN new.n = 9 BEGIN SELECT RAISE(FAIL, 'no'); END",
        "\u{feff}/* in no transaction */ pragma journal_mode = WAL;",
        "-- nor this\nVACUUM",
    ] {
        sqlite.execute(text, &[], LIMIT, &FREE).await.unwrap();
    }
    for fails in [
        "INSERT OR FAIL INTO one VALUES (1), (2), (1)",
        "INSERT INTO one VALUES (1), (2), (9)",
    ] {
        let error = sqlite.execute(fails, &[], LIMIT, &FREE).await;
        assert!(matches!(error, Err(SqliteError::Refused(_))), "{error:?}");
        let left = sqlite.query("SELECT n FROM one", &[], LIMIT).await.unwrap();
        assert!(left.rows.is_empty(), "{fails}");
    }
}

/// What a trigger deletes counts with what the statement deletes, and all of it comes back.
#[tokio::test]
async fn a_statement_that_changes_more_rows_than_it_may_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sample(folder.path());
    for text in [
        "CREATE TABLE log(n)",
        "CREATE TRIGGER logs AFTER DELETE ON t BEGIN INSERT INTO log VALUES (old.n); END",
    ] {
        sqlite.execute(text, &[], LIMIT, &FREE).await.unwrap();
    }
    let all = sqlite.query("SELECT * FROM t", &[], LIMIT).await.unwrap();
    let rows = u64::try_from(all.rows.len()).unwrap();
    let error = sqlite
        .execute("DELETE FROM t", &[], LIMIT, &at_most(2 * rows - 1))
        .await;
    assert!(
        matches!(error, Err(SqliteError::Bounds(BoundsBroken::TooMany { changed, most }))
            if changed == 2 * rows && most == 2 * rows - 1),
        "{error:?}"
    );
    let after = sqlite.query("SELECT * FROM t", &[], LIMIT).await.unwrap();
    assert_eq!(after, all);
    let done = sqlite
        .execute("DELETE FROM t", &[], LIMIT, &at_most(2 * rows))
        .await
        .unwrap();
    assert_eq!((done.changed, done.in_all), (rows, 2 * rows));
}

const fn at_most(most: u64) -> Bounds {
    Bounds {
        most: Some(most),
        agreed: None,
        count: None,
    }
}

/// A trigger may keep a row from being deleted: then fewer go than were counted.
#[tokio::test]
async fn a_statement_that_changes_other_rows_than_were_counted_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sample(folder.path());
    let keeps =
        "CREATE TRIGGER keeps BEFORE DELETE ON t WHEN old.n = 2 BEGIN SELECT RAISE(IGNORE); END";
    sqlite.script(keeps).await.unwrap();
    let all = sqlite.query("SELECT * FROM t", &[], LIMIT).await.unwrap();
    let bounds = |agreed| Bounds {
        most: None,
        agreed,
        count: Some(Count {
            sql: "SELECT count(*) FROM t WHERE n < ?1".to_owned(),
            parameters: vec![json!(3)],
        }),
    };
    for (agreed, broken) in [
        (
            None,
            BoundsBroken::NotCounted {
                changed: 1,
                counted: 2,
            },
        ),
        (
            Some(3),
            BoundsBroken::NotAgreed {
                counted: 2,
                agreed: 3,
            },
        ),
    ] {
        let error = sqlite
            .execute(
                "DELETE FROM t WHERE n < ?1",
                &[json!(3)],
                LIMIT,
                &bounds(agreed),
            )
            .await;
        assert!(
            matches!(error, Err(SqliteError::Bounds(was)) if was == broken),
            "{error:?}"
        );
        let after = sqlite.query("SELECT * FROM t", &[], LIMIT).await.unwrap();
        assert_eq!(after, all);
    }
}

#[tokio::test]
async fn a_reader_keeps_a_vacuumed_file_from_shrinking_until_it_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wal.db");
    let owner = Connection::open(&path).unwrap();
    owner
        .execute_batch(
            "PRAGMA journal_mode = WAL; CREATE TABLE t(n); INSERT INTO t VALUES (zeroblob(90000)); \
             PRAGMA wal_checkpoint(TRUNCATE); DELETE FROM t;",
        )
        .unwrap();
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let rows: i64 = reader
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 0);
    let sqlite = Sqlite::new(&path, None).busy_timeout(Duration::from_millis(20));
    let vacuumed = sqlite.maintain(&Maintenance::Vacuum).await.unwrap();
    assert!(vacuumed.held);
    reader.execute_batch("COMMIT").unwrap();
    let vacuumed = sqlite.maintain(&Maintenance::Vacuum).await.unwrap();
    assert!(!vacuumed.held && vacuumed.freed > 80_000, "{vacuumed:?}");
}
