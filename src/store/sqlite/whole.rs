//! What is done with the journal as a whole: its locks shown and given back, old runs taken out, all of it proved and handed
//! out.

use crate::engine::{Durability, JournalError, LockHolder};

use super::chain::{self, ChainHash};
use super::error::{Doing, failed, unreadable};
use super::export::{self, Exported};
use super::prune::{self, Prune, Pruned};
use super::verify::{self, Verified};
use super::{SqliteJournal, locks};

impl SqliteJournal {
    /// Every lock that is held with who holds it, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn held(&self) -> Result<Vec<(String, LockHolder)>, JournalError> {
        if self.lock().format < locks::SINCE {
            return Ok(Vec::new());
        }
        self.read(locks::held)
    }

    /// Gives a lock back for its holder, which cannot; whether that one still held it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn release_for(&self, lock: &str, holder: &LockHolder) -> Result<bool, JournalError> {
        self.change(|connection| locks::release_for(connection, lock, holder))
    }

    /// Takes runs that ended long ago out of the journal, and journals that.
    ///
    /// # Errors
    /// When the store cannot be written; what was taken out by then is journaled.
    pub fn prune(&self, wish: &Prune) -> Result<Pruned, JournalError> {
        if !wish.dry {
            self.check_writable()?;
        }
        let mut state = self.lock();
        state.flush(&self.path, Durability::Durable)?;
        state
            .set_durability(Durability::Durable)
            .and_then(|()| prune::prune(&mut state.connection, wish))
            .map_err(|error| failed(&self.path, Doing::Writing, error))
    }

    /// Proves that nothing in the journal was changed, removed or moved. `earlier` is a head that it had once: whether that
    /// is still part of it is part of the proof.
    ///
    /// # Errors
    /// When it cannot be read, or is of a format without a chain.
    pub fn verify(&self, earlier: Option<&ChainHash>) -> Result<Verified, JournalError> {
        self.check_chained()?;
        self.read(|connection| verify::verify(connection, earlier))
    }

    /// Hands events out as lines of JSON, each with its hash, and the texts that they refer to: those of one run, else those
    /// since a moment, else all.
    ///
    /// # Errors
    /// When it cannot be read, or is of a format without a chain. What `line` says ends it too.
    pub fn export(
        &self,
        wish: Exported,
        line: &mut dyn FnMut(&str) -> std::io::Result<()>,
    ) -> Result<std::io::Result<()>, JournalError> {
        self.check_chained()?;
        self.read(|connection| export::export(connection, wish, line))
    }

    fn check_chained(&self) -> Result<(), JournalError> {
        let format = self.lock().format;
        if format < chain::SINCE {
            return Err(unreadable(
                &self.path,
                format_args!(
                    "format {format} has no chain; it gets one when something is written to it"
                ),
            ));
        }
        Ok(())
    }
}
