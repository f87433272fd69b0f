//! The locks of the store as a person looks at them, and gives back one whose holder cannot.

use crate::base::Liveness;
use crate::engine::{LockHolder, Machine as _};

use super::machine::ThisMachine;
use super::{App, AppError};

/// A lock that is held.
#[derive(Clone, Debug)]
pub struct HeldLock {
    /// Its name.
    pub lock: String,
    /// Who holds it.
    pub holder: LockHolder,
    /// Whether that process still runs.
    pub liveness: Liveness,
}

impl App {
    /// Every lock that is held, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn locks(&self) -> Result<Vec<HeldLock>, AppError> {
        let held = self.journal_for_reading()?.held()?;
        let machine = ThisMachine::of(self.environment(), String::new());
        let with_liveness = |(lock, holder): (String, LockHolder)| HeldLock {
            liveness: machine.liveness(&holder.process),
            lock,
            holder,
        };
        Ok(held.into_iter().map(with_liveness).collect())
    }

    /// Gives a lock back for its holder. `yes` says in advance that a holder of which nobody knows is dead.
    ///
    /// # Errors
    /// When nobody holds it, its holder is alive, nobody agrees, or the store cannot be written.
    pub fn release_lock(&self, name: &str, yes: bool) -> Result<(), AppError> {
        let locks = self.locks()?;
        let Some(held) = locks.into_iter().find(|held| held.lock == name) else {
            return Err(AppError::usage(format!("nobody holds the lock {name}"))
                .hint("`opsbook locks` lists those that are held"));
        };
        let HeldLock {
            lock,
            holder,
            liveness,
        } = held;
        match liveness {
            Liveness::Alive => {
                return Err(
                    AppError::not_now(format!("the lock {lock} is held by {holder}, which is alive"))
                        .hint("nothing was done; end that run first"),
                );
            }
            Liveness::Dead => {}
            Liveness::Unknown => self.agreed(
                &format!(
                    "The lock {lock} is held by {holder}. From here nobody can tell whether it still runs; \
                     if it does, two runs will change the same thing. Release it?"
                ),
                yes,
            )?,
        }
        let journal = self.journal_of(&self.config()?)?;
        if !journal.release_for(&lock, &holder)? {
            return Err(AppError::not_now(format!(
                "the lock {lock} is no longer held by {holder}"
            ))
            .hint("nothing was done; `opsbook locks` tells who holds it now"));
        }
        self.tell(&format!("released the lock {lock} of {holder}"));
        Ok(())
    }
}
