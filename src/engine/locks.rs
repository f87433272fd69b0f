//! What the engine needs of locks: one run at a time holds one, and who that is can be told.

use chrono::{DateTime, Utc};

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
