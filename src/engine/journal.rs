//! What the engine needs of a store: a number for each run, and a place for its events before anything is done about them.

use chrono::{DateTime, Utc};

use crate::base::{Effect, RunId, Verdict};
use crate::event::Envelope;

/// How sure the journal must be before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// May be lost with the machine's power, and be written a moment later.
    Relaxed,
    /// Survives `kill -9` from the moment the call returns, but perhaps not loss of power.
    Written,
    /// Survives `kill -9` and loss of power from the moment the call returns.
    Durable,
}

impl Durability {
    /// Of the event that says that something with this effect begins: what may change something is on the disk before.
    #[must_use]
    pub const fn before(effect: Effect) -> Self {
        if effect.changes() {
            Self::Durable
        } else {
            Self::Relaxed
        }
    }

    /// Of the event that says how it ended: what a change did must not be forgotten with the process, or it would be in
    /// doubt.
    #[must_use]
    pub const fn after(effect: Effect) -> Self {
        if effect.changes() {
            Self::Written
        } else {
            Self::Relaxed
        }
    }
}

/// Keeps the events of runs.
pub trait Journal {
    /// Gives the next run its number. Numbers are never used twice, whoever else writes to the same store.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn begin(&self) -> Result<RunId, JournalError>;

    /// Keeps events, all or none.
    ///
    /// # Errors
    /// When the store cannot be written. Nothing that depends on the events may then be done.
    fn append(&self, events: &[Envelope], durability: Durability) -> Result<(), JournalError>;

    /// The events of a run in their order; none when there is no such run.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn events(&self, run: RunId) -> Result<Vec<Envelope>, JournalError>;

    /// The newest runs first, at most `limit` of them, only those of `runbook` if one is given.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn runs(&self, limit: usize, runbook: Option<&str>) -> Result<Vec<RunRow>, JournalError>;

    /// Keeps the text of a file that runs were planned from under the SHA-256 of it, in hexadecimal. It is written with the
    /// next event.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn keep_source(&self, digest: &str, text: &str) -> Result<(), JournalError>;

    /// The text that was kept under this SHA-256.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn source(&self, digest: &str) -> Result<Option<String>, JournalError>;
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// Its number.
    pub run: RunId,
    /// The path of its runbook: `db/vacuum`.
    pub runbook: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How it ended; none while it runs or when it was cut off.
    pub verdict: Option<Verdict>,
    /// Its exit code, once it ended.
    pub exit: Option<u8>,
    /// How long it took, in milliseconds, once it ended.
    pub took_ms: Option<f64>,
    /// Who ran it.
    pub user: String,
    /// Why it ended so.
    pub reason: String,
    /// Whether writes were only shown.
    pub dry: bool,
}

/// Why the journal could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder or file cannot be made or written.
    #[error("the journal {path} cannot be written: {reason}")]
    Unwritable {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The file cannot be read, or is no journal.
    #[error("the journal {path} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// A later version of opsbook wrote it.
    #[error(
        "the journal {path} was written by a newer opsbook (format {found}, this one knows {known}); update opsbook"
    )]
    Newer {
        /// The file.
        path: String,
        /// The format it has.
        found: i64,
        /// The newest format that this version reads.
        known: i64,
    },
}
