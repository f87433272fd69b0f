//! What the table of effects calls a read, done to a real SQLite database: it must not change a thing.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::{Batch, Connection};

const EFFECTS: &str = include_str!("../../src/sql/effects.txt");

const SCHEMA: &str = "
    CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c, e, deleted_at);
    CREATE TABLE u (id INTEGER PRIMARY KEY, a, c, n);
    CREATE TABLE d (c);
    CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT REFERENCES t (id));
    CREATE TABLE audit_logs (created_at);
    CREATE INDEX i ON t (a);
    CREATE VIRTUAL TABLE f USING fts5(title, body);
    INSERT INTO t (id, a, b) VALUES (1, 1, 2), (2, 3, 4), (3, NULL, 'x');
    INSERT INTO u (id, a, c) VALUES (1, 1, 2);
    INSERT INTO users (name) VALUES (1);
    INSERT INTO audit_logs VALUES ('2020-01-01');
    INSERT INTO f VALUES ('x', 'y');
";

/// Settings of a connection and of a file that a statement could change without changing a row.
const SETTINGS: &[&str] = &[
    "application_id",
    "auto_vacuum",
    "busy_timeout",
    "cache_size",
    "data_version",
    "defer_foreign_keys",
    "encoding",
    "foreign_keys",
    "freelist_count",
    "ignore_check_constraints",
    "journal_mode",
    "locking_mode",
    "page_count",
    "query_only",
    "read_uncommitted",
    "recursive_triggers",
    "schema_version",
    "secure_delete",
    "synchronous",
    "temp_store",
    "trusted_schema",
    "user_version",
];

/// All that a statement could have changed: the files of the folder, the settings of the connection, its transaction.
fn state(folder: &Path, connection: &Connection) -> BTreeMap<String, Vec<u8>> {
    let mut state = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        state.insert(path.display().to_string(), std::fs::read(&path).unwrap());
    }
    for name in SETTINGS {
        let mut rows = connection.prepare(&format!("PRAGMA {name}")).unwrap();
        let width = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        let mut told = String::new();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..width {
                told.push_str(&format!("{:?} ", row.get_ref(column).unwrap()));
            }
        }
        state.insert((*name).to_owned(), told.into_bytes());
    }
    state.insert(
        "transaction".to_owned(),
        connection.is_autocommit().to_string().into_bytes(),
    );
    state
}

#[test]
fn what_is_called_a_read_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scratch.db");
    Connection::open(&file)
        .unwrap()
        .execute_batch(SCHEMA)
        .unwrap();
    let reads: Vec<String> = EFFECTS
        .lines()
        .filter(|line| line.starts_with("both      read ") || line.starts_with("sqlite    read "))
        .map(|line| line[19..].replace('⏎', "\n").replace('␍', "\r"))
        .collect();
    assert!(reads.len() >= 40, "{}", reads.len());
    let mut ran = 0;
    for text in &reads {
        let connection = Connection::open(&file).unwrap();
        let before = state(folder.path(), &connection);
        let mut batch = Batch::new(&connection, text);
        // What SQLite refuses changes nothing either; it must be few.
        while let Ok(Some(mut statement)) = batch.next() {
            for place in 1..=statement.parameter_count() {
                statement.raw_bind_parameter(place, 1).unwrap();
            }
            let mut rows = statement.raw_query();
            while let Ok(Some(_)) = rows.next() {}
            ran += 1;
        }
        let after = state(folder.path(), &connection);
        let changed: Vec<&String> = before
            .keys()
            .chain(after.keys())
            .filter(|name| before.get(*name) != after.get(*name))
            .collect();
        assert!(changed.is_empty(), "{text}: {changed:?}");
    }
    assert!(
        ran * 4 >= reads.len() * 3,
        "only {ran} of {} ran",
        reads.len()
    );
}
