//! Keeps a database in shape.

use std::path::Path;

use rusqlite::Connection;

use super::SqliteError;
use super::inspect::file_size;

/// Work that changes no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintenance {
    /// Counts what is in the indexes, so that queries are planned well.
    Analyze,
    /// Rewrites the file without free pages.
    Vacuum,
    /// Builds the indexes anew.
    Reindex,
}

/// Does the work; gives how many bytes the file shrank by.
pub(super) fn maintain(
    connection: &Connection,
    path: &Path,
    work: Maintenance,
) -> Result<u64, SqliteError> {
    let before = file_size(path)?;
    match work {
        Maintenance::Analyze => connection.execute_batch("ANALYZE")?,
        Maintenance::Reindex => connection.execute_batch("REINDEX")?,
        Maintenance::Vacuum => {
            connection.execute_batch("VACUUM")?;
            // In WAL mode the new file lies in the log until it is moved; a reader may hold that up, which is no failure.
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
    }
    Ok(before.saturating_sub(file_size(path)?))
}
