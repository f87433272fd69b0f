//! What the engine needs of locks: one run at a time holds one, and who that is can be told.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::base::{Liveness, ProcessMark, RunId};

use super::JournalError;

/// Keeps locks where every run of the same store sees them.
pub trait Locks {
    /// Takes a lock, or tells who holds it. One that its own run holds already is taken again without effect; one whose
    /// holder `liveness` calls dead is taken over.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn acquire(
        &self,
        lock: &str,
        holder: &LockHolder,
        liveness: &dyn Fn(&ProcessMark) -> Liveness,
    ) -> Result<Acquired, JournalError>;

    /// Gives back every lock that a run holds by this process.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn release(&self, run: RunId, process: &ProcessMark) -> Result<(), JournalError>;
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockHolder {
    /// The run.
    pub run: RunId,
    /// The path of its runbook: `db/vacuum`.
    pub runbook: String,
    /// Who ran it.
    pub user: String,
    /// Where.
    pub host: String,
    /// As which process.
    pub process: ProcessMark,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// Who, in words: `run 41 (db/vacuum) of anna on host, pid 123, since 2026-11-20T03:00:00Z`.
impl fmt::Display for LockHolder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.to_rfc3339_opts(SecondsFormat::Secs, true);
        write!(
            formatter,
            "run {} ({}) of {} on {}, pid {}, since {since}",
            self.run, self.runbook, self.user, self.host, self.process.pid
        )
    }
}

/// What came of the wish for a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// It was free, or is the run's own already.
    Free,
    /// It was taken from this holder, which is dead.
    TakenOver(LockHolder),
    /// This one holds it; nothing was taken.
    Held(LockHolder),
}
