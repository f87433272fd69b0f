//! Events and runs as rows, and back.

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::{CachedStatement, Connection, Row, params};
use serde_json::Value;

use crate::base::{RunId, Verdict};
use crate::engine::RunRow;
use crate::event::{Envelope, Event, VERSION};

use super::chain::{ChainHash, Link};
use super::schema;

/// An event that waits to be written.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    envelope_key: (RunId, u64),
    version: u32,
    kind: String,
    at: DateTime<Utc>,
    body: String,
    change: Change,
}

/// What an event changes in the list of runs.
#[derive(Clone, Debug)]
enum Change {
    None,
    Started {
        runbook: String,
        user: String,
        dry: bool,
    },
    Finished {
        verdict: Verdict,
        exit: u8,
        took_ms: f64,
        reason: String,
    },
    /// The run goes on: what its end said no longer holds.
    Resumed,
}

impl Pending {
    /// The event as it will be written.
    pub(super) fn new(envelope: &Envelope) -> serde_json::Result<Self> {
        let change = match &envelope.event {
            Event::RunStarted(start) => Change::Started {
                runbook: start.runbook.clone(),
                user: start.user.clone(),
                dry: start.dry,
            },
            Event::RunFinished(end) => Change::Finished {
                verdict: end.verdict,
                exit: end.exit,
                took_ms: end.took_ms,
                reason: end.reason.clone(),
            },
            Event::RunResumed(_) => Change::Resumed,
            _ => Change::None,
        };
        Ok(Self {
            envelope_key: (envelope.run, envelope.seq),
            version: envelope.version,
            kind: envelope.event.type_name().to_owned(),
            at: envelope.at,
            body: serde_json::to_string(&envelope.event)?,
            change,
        })
    }

    /// The run and the number of the event.
    pub(super) const fn key(&self) -> (RunId, u64) {
        self.envelope_key
    }

    /// The bytes that it takes.
    pub(super) const fn size(&self) -> usize {
        self.body.len()
    }

    /// Writes the event behind the one with this hash, and what it changes in the list of runs; its own hash.
    pub(super) fn write(
        &self,
        connection: &Connection,
        before: ChainHash,
    ) -> rusqlite::Result<ChainHash> {
        let (run, seq) = self.envelope_key;
        let at = written(self.at);
        let link = Link {
            run: integer(run.0)?,
            seq: integer(seq)?,
            version: self.version.into(),
            kind: &self.kind,
            at: &at,
            body: &self.body,
        };
        let hash = before.then(&link);
        connection
            .prepare_cached(schema::INSERT_EVENT)?
            .execute(params![
                link.run,
                link.seq,
                link.version,
                link.kind,
                link.at,
                link.body,
                hash
            ])?;
        self.change(connection, link.run, &at)?;
        Ok(hash)
    }

    fn change(&self, connection: &Connection, run: i64, at: &str) -> rusqlite::Result<()> {
        match &self.change {
            Change::None => {}
            Change::Started { runbook, user, dry } => {
                connection.execute(
                    "INSERT INTO runs (run, runbook, started_at, user, reason, dry) VALUES (?, ?, ?, ?, '', ?)
                     ON CONFLICT (run) DO UPDATE SET runbook = excluded.runbook, started_at = excluded.started_at,
                     user = excluded.user, reason = '', dry = excluded.dry,
                     verdict = NULL, exit = NULL, took_ms = NULL",
                    params![run, runbook, at, user, dry],
                )?;
            }
            Change::Finished {
                verdict,
                exit,
                took_ms,
                reason,
            } => {
                connection.execute(
                    "UPDATE runs SET verdict = ?, exit = ?, took_ms = ?, reason = ? WHERE run = ?",
                    params![verdict.as_str(), exit, took_ms, reason, run],
                )?;
            }
            Change::Resumed => {
                connection.execute(
                    "UPDATE runs SET verdict = NULL, exit = NULL, took_ms = NULL, reason = '' WHERE run = ?",
                    [run],
                )?;
            }
        }
        Ok(())
    }
}

/// SQLite's numbers have a sign.
pub(super) fn integer(number: u64) -> rusqlite::Result<i64> {
    i64::try_from(number).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// A moment as it is kept.
pub(super) fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A number that this store wrote is not negative; one that another hand wrote is an error.
pub(super) fn natural(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// A column that does not hold what this store wrote.
pub(super) fn damaged(
    column: usize,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
}

/// A moment that was kept.
pub(super) fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<DateTime<Utc>> {
    let text: String = row.get(column)?;
    DateTime::parse_from_rfc3339(&text)
        .map(|at| at.to_utc())
        .map_err(|error| damaged(column, error))
}

/// The events of a run in their order.
pub(super) fn events(connection: &Connection, run: RunId) -> rusqlite::Result<Vec<Envelope>> {
    let mut select = connection
        .prepare_cached("SELECT seq, version, at, body FROM events WHERE run = ? ORDER BY seq")?;
    let rows = select.query_map([integer(run.0)?], |row| {
        let version: u32 = row.get(1)?;
        let body: String = row.get(3)?;
        Ok(Envelope {
            version,
            run,
            seq: natural(row, 0)?,
            at: moment(row, 2)?,
            event: event(version, &body).map_err(|error| damaged(3, error))?,
        })
    })?;
    rows.collect()
}

/// What a later version wrote is kept even where a known kind has changed its shape.
pub(super) fn event(version: u32, body: &str) -> serde_json::Result<Event> {
    match serde_json::from_str(body) {
        Err(error) if version > VERSION => match serde_json::from_str(body) {
            Ok(Value::Object(fields)) => Ok(Event::Other(fields)),
            _ => Err(error),
        },
        other => other,
    }
}

const LISTED: &str = "run, runbook, started_at, verdict, exit, took_ms, user, reason, dry";

/// The newest runs first.
pub(super) fn runs(
    connection: &Connection,
    limit: usize,
    runbook: Option<&str>,
) -> rusqlite::Result<Vec<RunRow>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let read = |mut select: CachedStatement<'_>, parameters: &[&dyn rusqlite::ToSql]| {
        select.query_map(parameters, listed)?.collect()
    };
    match runbook {
        Some(runbook) => read(
            connection.prepare_cached(&format!(
                "SELECT {LISTED} FROM runs WHERE runbook = ? ORDER BY run DESC LIMIT ?"
            ))?,
            &[&runbook, &limit],
        ),
        // A number that was given and never used has no runbook.
        None => read(
            connection.prepare_cached(&format!(
                "SELECT {LISTED} FROM runs WHERE runbook IS NOT NULL ORDER BY run DESC LIMIT ?"
            ))?,
            &[&limit],
        ),
    }
}

fn listed(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    let verdict: Option<String> = row.get(3)?;
    let verdict = verdict
        .map(|word| serde_json::from_value::<Verdict>(Value::String(word)))
        .transpose()
        .map_err(|error| damaged(3, error))?;
    Ok(RunRow {
        run: RunId(natural(row, 0)?),
        runbook: row.get(1)?,
        started_at: moment(row, 2)?,
        verdict,
        exit: row.get(4)?,
        took_ms: row.get(5)?,
        user: row.get(6)?,
        reason: row.get(7)?,
        dry: row.get(8)?,
    })
}
