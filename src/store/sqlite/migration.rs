//! A file of an older format becomes one of today, all or nothing.

use rusqlite::{Connection, params};

use super::chain::{ChainHash, Link};
use super::schema;

/// Brings what an older format lacks, one format after the other.
pub(super) fn from(found: i64, connection: &Connection) -> rusqlite::Result<()> {
    if found < 2 {
        from_1(connection)?;
    }
    if found < 3 {
        connection.execute_batch(schema::SAMPLES)?;
    }
    connection.execute_batch(schema::READINGS)
}

/// Format 1 had events without a chain: they get one in the order in which they were written.
fn from_1(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("ALTER TABLE events RENAME TO events_of_format_1")?;
    connection.execute_batch(schema::EVENTS)?;
    connection.execute_batch(schema::SOURCES_AND_LOCKS)?;
    let mut select = connection.prepare(
        "SELECT run, seq, version, type, at, body FROM events_of_format_1 ORDER BY rowid",
    )?;
    let mut insert = connection.prepare(schema::INSERT_EVENT)?;
    let mut rows = select.query([])?;
    let mut hash = ChainHash::START;
    while let Some(row) = rows.next()? {
        let link = Link {
            run: row.get(0)?,
            seq: row.get(1)?,
            version: row.get(2)?,
            kind: row.get_ref(3)?.as_str()?,
            at: row.get_ref(4)?.as_str()?,
            body: row.get_ref(5)?.as_str()?,
        };
        hash = hash.then(&link);
        insert.execute(params![
            link.run,
            link.seq,
            link.version,
            link.kind,
            link.at,
            link.body,
            hash
        ])?;
    }
    drop(rows);
    drop((select, insert));
    connection.execute_batch("DROP TABLE events_of_format_1")
}
