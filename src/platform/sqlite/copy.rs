//! Copies a database while others use it: <https://sqlite.org/backup.html>. The copy is the state of one moment.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::hooks::{AuthContext, Authorization};

use super::SqliteError;
use crate::platform::blocking::Abandoned;

/// How many pages are copied between two looks at whether somebody still waits.
const PAGES: i32 = 4_096;

/// Copies the database into a file that is there and empty.
pub(super) fn copy(
    connection: &Connection,
    to: &Path,
    abandoned: &Abandoned,
) -> Result<(), SqliteError> {
    // No statement of anybody else's is run here, and the fence of a read lets none begin a transaction. It is held until the end: what others write meanwhile is no part of this moment, and does not make it begin anew.
    connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
    connection.execute_batch("BEGIN")?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let mut copy = Connection::open(to)?;
    {
        let backup = Backup::new(connection, &mut copy)?;
        loop {
            match backup.step(PAGES)? {
                StepResult::Done => break,
                StepResult::More if abandoned.get() => return Err(SqliteError::Interrupted),
                StepResult::More => {}
                // Nobody else knows the copy, and the database is being read already.
                _ => return Err(SqliteError::Locked("it cannot be copied now".to_owned())),
            }
        }
    }
    // A copy is one file: what its log holds would be lost with it.
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    check(&copy)
}

/// Refuses a copy that is damaged.
fn check(copy: &Connection) -> Result<(), SqliteError> {
    let found: String = copy.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" {
        return Ok(());
    }
    Err(SqliteError::Damaged(found))
}
