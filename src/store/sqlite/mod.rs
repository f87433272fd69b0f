//! The journal as a SQLite file that many processes share.

mod baselines;
mod chain;
mod error;
mod export;
mod file;
mod gaps;
mod hours;
mod listed;
mod locks;
mod migration;
mod prune;
#[cfg(test)]
mod prune_tests;
mod readings;
mod row;
mod samples;
#[cfg(test)]
mod samples_tests;
mod schema;
mod source;
#[cfg(test)]
mod tests;
mod verify;
#[cfg(test)]
mod verify_tests;
mod whole;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::base::{Liveness, ProcessMark, RunId};
use crate::engine::{Acquired, Durability, Journal, JournalError, LockHolder, Locks, RunRow};
use crate::event::{Envelope, Event};

pub use chain::ChainHash;
pub use export::Exported;
pub use prune::{Prune, Pruned};
pub use verify::Verified;

use error::{Doing, failed, is_duplicate, unreadable, unwritable};
use row::Pending;

/// So many events wait at most before they are written.
const MOST_WAITING: usize = 256;

/// So many bytes of them wait at most.
const MOST_WAITING_BYTES: usize = 1 << 20;

/// The journal as a SQLite file that many processes share.
///
/// Events that need not be durable wait in memory and are written together: with the next durable ones, with the end of
/// their run, when many wait, before anything is read, and when the journal is dropped.
#[derive(Debug)]
pub struct SqliteJournal {
    path: PathBuf,
    reading: bool,
    /// What tells the file from every other, where it lies on a disk.
    identity: Option<file::Identity>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    connection: Connection,
    /// The format of the file: an older one that is only read has fewer tables.
    format: i64,
    waiting: Vec<Pending>,
    bytes: usize,
    /// The texts that wait for the next event, by their digests.
    sources: BTreeMap<String, String>,
}

impl SqliteJournal {
    /// Opens the journal in this file, and makes the file (0600) and its folder (0700) where they are missing.
    ///
    /// # Errors
    /// When the file cannot be made or written, is no journal, or was written by a later version.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = path.into();
        file::ensure(&path).map_err(|error| unwritable(&path, error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags)
            .map_err(|error| failed(&path, Doing::Writing, error))?;
        if connection.is_readonly("main").unwrap_or(false) {
            return Err(unwritable(&path, "the file or its folder is read-only"));
        }
        schema::prepare(&mut connection, &path)?;
        // Only now is it known to be a journal, and not a file that was named by mistake.
        file::close_to_others(&path).map_err(|error| unwritable(&path, error))?;
        Ok(Self::of(path, connection, schema::FORMAT, false))
    }

    /// Opens the journal in this file for reading. Where there is none, there are no runs.
    ///
    /// # Errors
    /// When the file cannot be read, is no journal, or was written by a later version.
    pub fn open_read_only(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = path.into();
        if !path
            .try_exists()
            .map_err(|error| unreadable(&path, error))?
        {
            return Self::empty(path);
        }
        let opened = |immutable| -> Result<Option<(Connection, i64)>, JournalError> {
            let connection = Connection::open_with_flags(
                uri(&path, immutable),
                OpenFlags::SQLITE_OPEN_READ_ONLY
                    | OpenFlags::SQLITE_OPEN_NO_MUTEX
                    | OpenFlags::SQLITE_OPEN_URI,
            )
            .map_err(|error| failed(&path, Doing::Reading, error))?;
            let format = schema::prepare_reading(&connection, &path)?;
            Ok(format.map(|format| (connection, format)))
        };
        let connection = match opened(false) {
            // In a folder that cannot be written SQLite cannot keep the index of its log. Where there is no log, the
            // file alone is the whole journal.
            Err(JournalError::Unreadable { .. }) if !log_of(&path).exists() => opened(true)?,
            other => other?,
        };
        match connection {
            Some((connection, format)) => Ok(Self::of(path, connection, format, true)),
            None => Self::empty(path),
        }
    }

    fn empty(path: PathBuf) -> Result<Self, JournalError> {
        let mut connection =
            Connection::open_in_memory().map_err(|error| failed(&path, Doing::Reading, error))?;
        schema::make_private(&mut connection, &path)?;
        Ok(Self::of(path, connection, schema::FORMAT, true))
    }

    fn of(path: PathBuf, connection: Connection, format: i64, reading: bool) -> Self {
        let state = Mutex::new(State {
            connection,
            format,
            waiting: Vec::new(),
            bytes: 0,
            sources: BTreeMap::new(),
        });
        Self {
            identity: file::identity(&path),
            path,
            reading,
            state,
        }
    }

    // A transaction that a panic cuts off is rolled back by its guard, so the state is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_writable(&self) -> Result<(), JournalError> {
        if self.reading {
            return Err(unwritable(&self.path, "it was opened for reading"));
        }
        Ok(())
    }

    fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        let mut state = self.lock();
        state.flush(&self.path, Durability::Relaxed)?;
        query(&state.connection).map_err(|error| failed(&self.path, Doing::Reading, error))
    }
}

impl State {
    /// Writes what waits, all or none.
    fn flush(&mut self, path: &Path, durability: Durability) -> Result<(), JournalError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let failed = |error| failed(path, Doing::Writing, error);
        self.set_durability(durability).map_err(failed)?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        for (digest, text) in &self.sources {
            source::keep(&transaction, digest, text).map_err(failed)?;
        }
        let mut hash = chain::head(&transaction).map_err(failed)?;
        for pending in &self.waiting {
            hash = pending.write(&transaction, hash).map_err(|error| {
                if is_duplicate(&error) {
                    let (run, seq) = pending.key();
                    return unwritable(path, format!("event {seq} of run {run} is there already"));
                }
                failed(error)
            })?;
        }
        transaction.commit().map_err(failed)?;
        self.waiting.clear();
        self.sources.clear();
        self.bytes = 0;
        Ok(())
    }

    /// `FULL` waits for the disk at every commit, `NORMAL` only when the log is folded into the file.
    fn set_durability(&self, durability: Durability) -> rusqlite::Result<()> {
        self.connection.execute_batch(match durability {
            Durability::Durable => "PRAGMA synchronous = FULL",
            Durability::Relaxed | Durability::Written => "PRAGMA synchronous = NORMAL",
        })
    }
}

impl Journal for SqliteJournal {
    fn begin(&self) -> Result<RunId, JournalError> {
        self.check_writable()?;
        let state = self.lock();
        let insert = || {
            state.set_durability(Durability::Relaxed)?;
            // One statement is one transaction, and AUTOINCREMENT gives no number twice.
            let run: i64 = state.connection.query_row(
                "INSERT INTO runs DEFAULT VALUES RETURNING run",
                [],
                |row| row.get(0),
            )?;
            u64::try_from(run).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, run))
        };
        insert()
            .map(RunId)
            .map_err(|error| failed(&self.path, Doing::Writing, error))
    }

    fn append(&self, events: &[Envelope], durability: Durability) -> Result<(), JournalError> {
        self.check_writable()?;
        let rows = events
            .iter()
            .map(Pending::new)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unwritable(&self.path, error))?;
        let ends = events
            .iter()
            .any(|envelope| matches!(envelope.event, Event::RunFinished(_)));
        let durability = if ends {
            Durability::Durable
        } else {
            durability
        };

        let mut state = self.lock();
        let (before, bytes_before) = (state.waiting.len(), state.bytes);
        state.bytes += rows.iter().map(Pending::size).sum::<usize>();
        state.waiting.extend(rows);
        let many = state.waiting.len() >= MOST_WAITING || state.bytes >= MOST_WAITING_BYTES;
        if durability == Durability::Relaxed && !many {
            return Ok(());
        }
        // SQLite goes on writing to a file that was removed: what it keeps there is lost with the process.
        let lost = durability != Durability::Relaxed && file::identity(&self.path) != self.identity;
        let written = if lost {
            Err(unwritable(
                &self.path,
                "it was removed or replaced meanwhile",
            ))
        } else {
            state.flush(&self.path, durability)
        };
        if written.is_err() {
            state.waiting.truncate(before);
            state.bytes = bytes_before;
        }
        written
    }

    fn events(&self, run: RunId) -> Result<Vec<Envelope>, JournalError> {
        self.read(|connection| row::events(connection, run))
    }

    fn runs(&self, limit: usize, runbook: Option<&str>) -> Result<Vec<RunRow>, JournalError> {
        self.read(|connection| row::runs(connection, limit, runbook))
    }

    fn keep_source(&self, digest: &str, text: &str) -> Result<(), JournalError> {
        self.check_writable()?;
        let sources = &mut self.lock().sources;
        sources.insert(digest.to_owned(), text.to_owned());
        Ok(())
    }

    fn source(&self, digest: &str) -> Result<Option<String>, JournalError> {
        let state = self.lock();
        if let Some(text) = state.sources.get(digest) {
            return Ok(Some(text.clone()));
        }
        if state.format < source::SINCE {
            return Ok(None);
        }
        source::find(&state.connection, digest)
            .map_err(|error| failed(&self.path, Doing::Reading, error))
    }
}

impl Locks for SqliteJournal {
    fn acquire(
        &self,
        lock: &str,
        holder: &LockHolder,
        liveness: &dyn Fn(&ProcessMark) -> Liveness,
    ) -> Result<Acquired, JournalError> {
        self.change(|connection| locks::acquire(connection, lock, holder, liveness))
    }

    fn release(&self, run: RunId, process: &ProcessMark) -> Result<(), JournalError> {
        self.change(|connection| locks::release(connection, run, process))
    }
}

impl SqliteJournal {
    /// Changes something at once, beside what waits.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        self.check_writable()?;
        let mut state = self.lock();
        state
            .set_durability(Durability::Written)
            .and_then(|()| change(&mut state.connection))
            .map_err(|error| failed(&self.path, Doing::Writing, error))
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        // Nobody is left to be told. The end of a run is durable, so only a run that was cut off has anything waiting.
        let _ = self.lock().flush(&self.path, Durability::Relaxed);
    }
}

/// The log that SQLite keeps beside the file.
fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// The file as SQLite's URI, by which alone it can be told that nothing writes to it.
fn uri(path: &Path, immutable: bool) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let bytes = absolute.as_os_str().as_bytes();
    let encoded = percent_encoding::percent_encode(bytes, percent_encoding::NON_ALPHANUMERIC);
    let suffix = if immutable { "?immutable=1" } else { "" };
    format!("file:{encoded}{suffix}")
}
