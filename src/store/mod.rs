//! Where the journal lives: a SQLite file, or memory for tests and for runs that leave no trace.

mod memory;
mod sqlite;
#[cfg(test)]
mod story;

pub use memory::MemoryJournal;
pub use sqlite::{ChainHash, Exported, Prune, Pruned, SqliteJournal, Verified};
