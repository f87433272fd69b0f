//! Keeps a database in shape.

use std::path::Path;

use rusqlite::Connection;

use super::SqliteError;
use super::inspect::file_size;

/// Work that changes no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Maintenance {
    /// Counts what is in the indexes, of one table or of all, so that queries are planned well.
    Analyze(Option<String>),
    /// Rewrites the file without free pages.
    Vacuum,
    /// Builds the indexes anew, those of one table or all.
    Reindex(Option<String>),
}

/// What the work came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maintained {
    /// How many bytes the file shrank by.
    pub freed: u64,
    /// Whether a reader keeps the file from shrinking: it does when the last one of them is gone.
    pub held: bool,
}

impl Maintenance {
    /// The statements that do it.
    #[must_use]
    pub fn sql(&self) -> String {
        let of = |word: &str, table: &Option<String>| match table {
            Some(table) => format!("{word} \"{}\"", table.replace('"', "\"\"")),
            None => word.to_owned(),
        };
        match self {
            Self::Analyze(table) => of("ANALYZE", table),
            Self::Reindex(table) => of("REINDEX", table),
            Self::Vacuum => "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)".to_owned(),
        }
    }
}

/// Does the work.
pub(super) fn maintain(
    connection: &Connection,
    path: &Path,
    work: &Maintenance,
) -> Result<Maintained, SqliteError> {
    let before = file_size(path)?;
    let held = match work {
        Maintenance::Analyze(_) | Maintenance::Reindex(_) => {
            connection.execute_batch(&work.sql())?;
            false
        }
        Maintenance::Vacuum => {
            connection.execute_batch("VACUUM")?;
            // In WAL mode the new file lies in the log until it is moved; a reader may hold that up, which is no failure.
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?
        }
    };
    Ok(Maintained {
        freed: before.saturating_sub(file_size(path)?),
        held,
    })
}
