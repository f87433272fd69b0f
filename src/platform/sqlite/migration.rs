//! Runs a migration: the structure may change under references, which are looked at before anything is kept. Must not know
//! what migrations are kept account of.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::SqliteError;
use super::statement::script_held;

/// References that lead nowhere, by the table that refers and the one that is referred to: how many, and the first row.
type Dangling = BTreeMap<(String, String), (u64, Option<i64>)>;

/// Runs the statements of a migration in one transaction.
pub(super) fn migrate(connection: &Connection, sql: &str) -> Result<u64, SqliteError> {
    // Within a transaction it would do nothing.
    connection.pragma_update(None, "foreign_keys", false)?;
    // Where the structure is so that nothing can be looked up, it may be what the migration mends, or is no matter of its.
    let (before, mismatch) = match dangling(connection) {
        Ok(before) => (before, None),
        Err(mismatch) => (Dangling::new(), Some(mismatch.to_string())),
    };
    script_held(connection, sql, || {
        let after = match dangling(connection) {
            Err(error) if mismatch == Some(error.to_string()) => return Ok(()),
            after => after?,
        };
        let new = after.into_iter().find(|(tables, (count, _))| {
            before.get(tables).is_none_or(|(before, _)| count > before)
        });
        match new {
            Some(((child, parent), (_, row))) => Err(SqliteError::Dangling { child, row, parent }),
            None => Ok(()),
        }
    })
}

fn dangling(connection: &Connection) -> Result<Dangling, SqliteError> {
    let mut found = Dangling::new();
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let entry = found.entry((row.get(0)?, row.get(2)?));
        entry.or_insert((0, row.get(1)?)).0 += 1;
    }
    Ok(found)
}
