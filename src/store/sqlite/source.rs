//! The texts of the files that runs were planned from, each kept once under its SHA-256.

use rusqlite::{Connection, OptionalExtension as _};

/// The format that brought them.
pub(super) const SINCE: i64 = 2;

/// Keeps a text, unless it is there already.
pub(super) fn keep(connection: &Connection, digest: &str, text: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO sources (digest, text) VALUES (?, ?)")?
        .execute([digest, text])?;
    Ok(())
}

/// The text that was kept under this digest.
pub(super) fn find(connection: &Connection, digest: &str) -> rusqlite::Result<Option<String>> {
    connection
        .query_row(
            "SELECT text FROM sources WHERE digest = ?",
            [digest],
            |row| row.get(0),
        )
        .optional()
}

/// Every digest that an event refers to, with the run.
pub(super) const REFERRED: &str = "
    SELECT run, json_extract(source.value, '$.digest') AS digest
    FROM events, json_each(events.body, '$.sources') AS source WHERE events.type = 'run-started'
    UNION ALL
    SELECT run, json_extract(source.value, '$.digest')
    FROM events, json_each(events.body, '$.changed') AS source WHERE events.type = 'run-resumed'
";
