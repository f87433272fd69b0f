//! What checks saw, as rows: one for each look, and one for each series with the state of its flapping rules.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use crate::base::Status;
use crate::engine::{CheckState, JournalError, Sample, SampleStore, Series};

use super::SqliteJournal;

/// The format that brought them.
const SINCE: i64 = 3;

impl SampleStore for SqliteJournal {
    fn states(&self, series: &[Series]) -> Result<Vec<Option<CheckState>>, JournalError> {
        if self.lock().format < SINCE {
            return Ok(vec![None; series.len()]);
        }
        self.read(|connection| {
            let mut select = connection.prepare(
                "SELECT told, against, since, last FROM series
                 WHERE project = ? AND environment = ? AND service = ? AND \"check\" = ?",
            )?;
            series
                .iter()
                .map(|series| select.query_row(key(series), state).optional())
                .collect()
        })
    }

    fn keep_samples(&self, samples: &[(Series, Sample, CheckState)]) -> Result<(), JournalError> {
        self.change(|connection| keep(connection, samples))
    }
}

fn keep(
    connection: &mut Connection,
    samples: &[(Series, Sample, CheckState)],
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut series_of = transaction.prepare(
            "INSERT INTO series (project, environment, service, \"check\", told, against, since, last)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT DO UPDATE SET told = ?5, against = ?6, since = ?7, last = ?8
             RETURNING id",
        )?;
        // Two looks of one moment are one: whoever came second saw the same.
        let mut insert = transaction.prepare(
            "INSERT OR REPLACE INTO samples (series, at, ms, look, told) VALUES (?, ?, ?, ?, ?)",
        )?;
        for (series, sample, state) in samples {
            let [project, environment, service, check] = key(series);
            let id: i64 = series_of.query_row(
                params![
                    project,
                    environment,
                    service,
                    check,
                    code(state.told),
                    state.against,
                    state.since.timestamp_millis(),
                    state.last.timestamp_millis(),
                ],
                |row| row.get(0),
            )?;
            insert.execute(params![
                id,
                sample.at.timestamp_millis(),
                sample.ms,
                code(sample.look),
                code(sample.told),
            ])?;
        }
    }
    transaction.commit()
}

fn key(series: &Series) -> [&str; 4] {
    [
        &series.project,
        &series.environment,
        &series.service,
        &series.check,
    ]
}

fn state(row: &rusqlite::Row<'_>) -> rusqlite::Result<CheckState> {
    Ok(CheckState {
        told: status(row.get(0)?),
        against: row.get(1)?,
        since: moment(row.get(2)?),
        last: moment(row.get(3)?),
    })
}

fn moment(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}

/// A status as it is kept. What a later version may add reads as unknown.
const fn code(status: Status) -> i64 {
    match status {
        Status::Ok => 0,
        Status::Warning => 1,
        Status::Critical => 2,
        Status::Affected => 4,
        _ => 3,
    }
}

const fn status(code: i64) -> Status {
    match code {
        0 => Status::Ok,
        1 => Status::Warning,
        2 => Status::Critical,
        4 => Status::Affected,
        _ => Status::Unknown,
    }
}
