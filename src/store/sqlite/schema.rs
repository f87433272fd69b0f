//! The tables of the store and the opening of its file: made once, checked ever after.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use super::error::{Doing, failed, unreadable};
use super::migration;
use crate::engine::JournalError;

/// The format of the tables, kept in `PRAGMA user_version`.
pub(super) const FORMAT: i64 = 4;

/// Marks the file as opsbook's, in `PRAGMA application_id`: "opsb".
const APPLICATION: i64 = 0x6f70_7362;

/// How long to wait for another process that writes. Nothing else of a run goes on meanwhile, not even towards its end after
/// a signal, and no process of ours writes for longer than a moment.
const PATIENCE: Duration = Duration::from_secs(5);

const RUNS: &str = "
    CREATE TABLE runs (
        run        INTEGER PRIMARY KEY AUTOINCREMENT,
        runbook    TEXT,
        started_at TEXT,
        verdict    TEXT,
        exit       INTEGER,
        took_ms    REAL,
        user       TEXT,
        reason     TEXT,
        dry        INTEGER
    );
    CREATE INDEX runs_by_runbook ON runs (runbook, run);
";

/// The events in the order in which they were written. A position is never given twice, so that one that is missing shows.
pub(super) const EVENTS: &str = "
    CREATE TABLE events (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        run      INTEGER NOT NULL,
        seq      INTEGER NOT NULL,
        version  INTEGER NOT NULL,
        type     TEXT NOT NULL,
        at       TEXT NOT NULL,
        body     TEXT NOT NULL,
        hash     BLOB NOT NULL,
        UNIQUE (run, seq)
    );
";

/// Writes one of them.
pub(super) const INSERT_EVENT: &str =
    "INSERT INTO events (run, seq, version, type, at, body, hash) VALUES (?, ?, ?, ?, ?, ?, ?)";

/// What format 2 brought beside the chain.
pub(super) const SOURCES_AND_LOCKS: &str = "
    CREATE TABLE sources (
        digest TEXT PRIMARY KEY,
        text   TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE locks (
        name    TEXT PRIMARY KEY,
        run     INTEGER NOT NULL,
        runbook TEXT NOT NULL,
        user    TEXT NOT NULL,
        host    TEXT NOT NULL,
        machine TEXT NOT NULL,
        pid     INTEGER NOT NULL,
        started INTEGER,
        since   TEXT NOT NULL
    ) WITHOUT ROWID;
";

/// What format 3 brought: what checks saw. A series holds the state of its flapping rules, and since when it is down; a
/// sample its moment in milliseconds since 1970, its length in milliseconds, and two statuses as numbers (see `samples`).
/// Older samples are counts by the hour, by when it began, with their lengths as a histogram; what was down is kept as
/// outages. A baseline has a copy of its own, of the same shape as an hour.
pub(super) const SAMPLES: &str = "
    CREATE TABLE series (
        id          INTEGER PRIMARY KEY,
        project     TEXT NOT NULL,
        environment TEXT NOT NULL,
        service     TEXT NOT NULL,
        \"check\"     TEXT NOT NULL,
        told        INTEGER NOT NULL,
        against     INTEGER NOT NULL,
        since       INTEGER NOT NULL,
        last        INTEGER NOT NULL,
        down        INTEGER,
        UNIQUE (project, environment, service, \"check\")
    );
    CREATE TABLE samples (
        series INTEGER NOT NULL,
        at     INTEGER NOT NULL,
        ms     REAL,
        look   INTEGER NOT NULL,
        told   INTEGER NOT NULL,
        PRIMARY KEY (series, at)
    ) WITHOUT ROWID;
    CREATE TABLE hours (
        series   INTEGER NOT NULL,
        hour     INTEGER NOT NULL,
        ok       INTEGER NOT NULL,
        warning  INTEGER NOT NULL,
        critical INTEGER NOT NULL,
        unknown  INTEGER NOT NULL,
        affected INTEGER NOT NULL,
        lengths  BLOB NOT NULL,
        PRIMARY KEY (series, hour)
    ) WITHOUT ROWID;
    CREATE TABLE outages (
        series INTEGER NOT NULL,
        began  INTEGER NOT NULL,
        ended  INTEGER NOT NULL,
        PRIMARY KEY (series, began)
    ) WITHOUT ROWID;
    CREATE TABLE baselines (
        id          INTEGER PRIMARY KEY,
        project     TEXT NOT NULL,
        environment TEXT NOT NULL,
        name        TEXT NOT NULL,
        saved       INTEGER NOT NULL,
        \"from\"      INTEGER NOT NULL,
        \"to\"        INTEGER NOT NULL,
        UNIQUE (project, environment, name)
    );
    CREATE TABLE baseline_checks (
        baseline INTEGER NOT NULL,
        service  TEXT NOT NULL,
        \"check\"  TEXT NOT NULL,
        ok       INTEGER NOT NULL,
        warning  INTEGER NOT NULL,
        critical INTEGER NOT NULL,
        unknown  INTEGER NOT NULL,
        affected INTEGER NOT NULL,
        lengths  BLOB NOT NULL,
        PRIMARY KEY (baseline, service, \"check\")
    ) WITHOUT ROWID;
";

/// What format 4 brought: numbers that are read now and then. A reading has its day and its moment in milliseconds, both
/// since 1970.
pub(super) const READINGS: &str = "
    CREATE TABLE measures (
        id          INTEGER PRIMARY KEY,
        project     TEXT NOT NULL,
        environment TEXT NOT NULL,
        subject     TEXT NOT NULL,
        name        TEXT NOT NULL,
        UNIQUE (project, environment, subject, name)
    );
    CREATE TABLE readings (
        measure INTEGER NOT NULL,
        day     INTEGER NOT NULL,
        at      INTEGER NOT NULL,
        value   REAL NOT NULL,
        PRIMARY KEY (measure, day)
    ) WITHOUT ROWID;
";

/// Sets the connection up for writing: makes the tables where there are none, and brings those of an older format up to
/// this one.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), JournalError> {
    let failed = |error| failed(path, Doing::Writing, error);
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    if format(connection, path, Doing::Writing)? != Some(FORMAT) {
        bring_up(connection, path)?;
    }
    write_ahead(connection).map_err(failed)
}

/// Sets the connection up for reading; the format of the file, none when it has no tables yet.
pub(super) fn prepare_reading(
    connection: &Connection,
    path: &Path,
) -> Result<Option<i64>, JournalError> {
    connection
        .busy_timeout(PATIENCE)
        .map_err(|error| failed(path, Doing::Reading, error))?;
    format(connection, path, Doing::Reading)
}

/// Makes the tables in a database that nobody else sees.
pub(super) fn make_private(connection: &mut Connection, path: &Path) -> Result<(), JournalError> {
    bring_up(connection, path)
}

/// The format of the tables, one that is known; none where there are none.
fn format(connection: &Connection, path: &Path, doing: Doing) -> Result<Option<i64>, JournalError> {
    // One statement, so that all three are of one moment: another process may be making the tables just now.
    let (found, application, tables): (i64, i64, i64) = connection
        .query_row(
            "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema)
             FROM pragma_user_version, pragma_application_id",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .map_err(|error| failed(path, doing, error))?;
    // A file that was created and not filled yet.
    if found == 0 && application == 0 && tables == 0 {
        return Ok(None);
    }
    if application != APPLICATION {
        return Err(unreadable(
            path,
            "it is a database, but no journal of opsbook",
        ));
    }
    if found < 1 {
        return Err(unreadable(path, format_args!("there is no format {found}")));
    }
    if found > FORMAT {
        return Err(JournalError::Newer {
            path: path.display().to_string(),
            found,
            known: FORMAT,
        });
    }
    Ok(Some(found))
}

/// Makes what the format of the file lacks, all or nothing.
fn bring_up(connection: &mut Connection, path: &Path) -> Result<(), JournalError> {
    let failed = |error| failed(path, Doing::Writing, error);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    // Another process may have done it while this one waited for its turn.
    match format(&transaction, path, Doing::Writing)? {
        Some(FORMAT) => return Ok(()),
        Some(found) => migration::from(found, &transaction).map_err(failed)?,
        None => {
            for tables in [RUNS, EVENTS, SOURCES_AND_LOCKS, SAMPLES, READINGS] {
                transaction.execute_batch(tables).map_err(failed)?;
            }
            transaction
                .pragma_update(None, "application_id", APPLICATION)
                .map_err(failed)?;
        }
    }
    transaction
        .pragma_update(None, "user_version", FORMAT)
        .map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// Writes go to a log beside the file, so that readers and the writer do not wait for each other. The mode stays with
/// the file. SQLite does not wait for its turn when it changes the mode, so this does.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let changed = connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()));
        match changed {
            Err(error) if super::error::is_busy(&error) && Instant::now() < deadline => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a run cannot begin before its journal is open; nothing else waits"
                )]
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}
