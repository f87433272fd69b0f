//! Numbers that are read now and then, as rows: the last reading of each day, for a while.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, TransactionBehavior, params};

use crate::engine::{
    JournalError, READINGS_KEPT_DAYS, Reading, ReadingStore, Subject, reading_day,
};

use super::SqliteJournal;
use super::samples::moment;

/// The format that brought them.
const SINCE: i64 = 4;

impl ReadingStore for SqliteJournal {
    fn readings(
        &self,
        subject: &Subject,
        until: DateTime<Utc>,
    ) -> Result<BTreeMap<String, Reading>, JournalError> {
        if self.lock().format < SINCE {
            return Ok(BTreeMap::new());
        }
        self.read(|connection| find(connection, subject, until))
    }

    fn keep_readings(
        &self,
        subject: &Subject,
        at: DateTime<Utc>,
        values: &BTreeMap<String, f64>,
    ) -> Result<(), JournalError> {
        self.change(|connection| keep(connection, subject, at, values))
    }
}

fn find(
    connection: &Connection,
    subject: &Subject,
    until: DateTime<Utc>,
) -> rusqlite::Result<BTreeMap<String, Reading>> {
    // Beside `max`, SQLite takes the other columns from the row that has it.
    let mut select = connection.prepare_cached(
        "SELECT measures.name, max(readings.at), readings.value
         FROM measures JOIN readings ON readings.measure = measures.id
         WHERE project = ? AND environment = ? AND subject = ? AND readings.at <= ?
         GROUP BY measures.id",
    )?;
    let [project, environment, name] = key(subject);
    let until = until.timestamp_millis();
    let found = select.query_map(params![project, environment, name, until], |row| {
        let reading = Reading {
            at: moment(row.get(1)?),
            value: row.get(2)?,
        };
        Ok((row.get(0)?, reading))
    })?;
    found.collect()
}

fn keep(
    connection: &mut Connection,
    subject: &Subject,
    at: DateTime<Utc>,
    values: &BTreeMap<String, f64>,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let [project, environment, about] = key(subject);
    let day = reading_day(at);
    {
        let mut measure = transaction.prepare_cached(
            "INSERT INTO measures (project, environment, subject, name) VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET name = excluded.name RETURNING id",
        )?;
        let mut insert =
            transaction.prepare_cached("INSERT OR REPLACE INTO readings VALUES (?, ?, ?, ?)")?;
        for (name, value) in values {
            let id: i64 = measure
                .query_row([project, environment, about, name.as_str()], |row| {
                    row.get(0)
                })?;
            insert.execute(params![id, day, at.timestamp_millis(), value])?;
        }
    }
    transaction.execute(
        "DELETE FROM readings WHERE day < ?4 AND measure IN
         (SELECT id FROM measures WHERE project = ?1 AND environment = ?2 AND subject = ?3)",
        params![project, environment, about, day - READINGS_KEPT_DAYS],
    )?;
    // A table that was dropped is forgotten with its last reading.
    transaction.execute(
        "DELETE FROM measures WHERE project = ?1 AND environment = ?2 AND subject = ?3
         AND NOT EXISTS (SELECT 1 FROM readings WHERE measure = measures.id)",
        [project, environment, about],
    )?;
    transaction.commit()
}

fn key(subject: &Subject) -> [&str; 3] {
    [&subject.project, &subject.environment, &subject.subject]
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use std::collections::BTreeMap;

    use chrono::{DateTime, TimeDelta, Utc};
    use rusqlite::Connection;

    use super::SqliteJournal;
    use crate::engine::{JournalError, READINGS_KEPT_DAYS, ReadingStore as _, Subject};

    fn subject() -> Subject {
        Subject {
            project: String::new(),
            environment: String::new(),
            subject: "database/main".to_owned(),
        }
    }

    fn day(number: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000 + number)
    }

    fn values(names: &[&str]) -> BTreeMap<String, f64> {
        names.iter().map(|name| ((*name).to_owned(), 1.0)).collect()
    }

    #[test]
    fn what_is_too_old_is_dropped_and_what_has_nothing_left_forgotten() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("journal.db");
        let journal = SqliteJournal::open(&path).unwrap();
        let keep = |at, names: &[&str]| {
            journal
                .keep_readings(&subject(), at, &values(names))
                .unwrap()
        };
        keep(day(0), &["bytes", "table/dropped/rows"]);
        for number in 1..=READINGS_KEPT_DAYS {
            keep(day(number), &["bytes"]);
        }
        let count = |table: &str| -> i64 {
            let sql = format!("SELECT count(*) FROM {table}");
            let connection = Connection::open(&path).unwrap();
            connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(count("readings"), READINGS_KEPT_DAYS + 2);
        keep(day(READINGS_KEPT_DAYS + 1), &["bytes"]);
        assert_eq!(count("readings"), READINGS_KEPT_DAYS + 1);
        assert_eq!(count("measures"), 1);
        assert!(journal.readings(&subject(), day(0)).unwrap().is_empty());
    }

    #[test]
    fn a_file_of_format_3_gets_the_tables_of_format_4() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("journal.db");
        drop(SqliteJournal::open(&path).unwrap());
        let old = "DROP TABLE measures; DROP TABLE readings; PRAGMA user_version = 3;";
        Connection::open(&path).unwrap().execute_batch(old).unwrap();
        let journal = SqliteJournal::open_read_only(&path).unwrap();
        assert!(journal.readings(&subject(), day(9)).unwrap().is_empty());
        let refused = journal.keep_readings(&subject(), day(1), &values(&["bytes"]));
        assert!(matches!(refused, Err(JournalError::Unwritable { .. })));
        drop(journal);
        let journal = SqliteJournal::open(&path).unwrap();
        journal
            .keep_readings(&subject(), day(1), &values(&["bytes"]))
            .unwrap();
        assert_eq!(journal.readings(&subject(), day(1)).unwrap().len(), 1);
    }
}
