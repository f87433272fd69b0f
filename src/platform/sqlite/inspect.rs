//! Looks at a database as a whole: whether it answers, what it is, what it takes, whether it is sound.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::SqliteError;
use super::value::from_sqlite;

/// A table and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// Its name.
    pub table: String,
    /// How many columns it has.
    pub columns: i64,
    /// How many rows it has; none for a virtual table, whose rows lie elsewhere.
    pub rows: Option<i64>,
    /// What it and its indexes take in the file, in bytes.
    pub bytes: i64,
}

/// A part of what a database takes on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizePart {
    /// `file`, `wal`, `shared memory`; `free` is the part of `file` that a vacuum gives back.
    pub part: &'static str,
    /// In bytes.
    pub bytes: u64,
}

/// Space in the pages of a table and its indexes, or in pages that belong to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slack {
    /// The table; none for the pages that belong to nothing.
    pub table: Option<String>,
    /// What its pages take, in bytes.
    pub bytes: i64,
    /// What of them holds nothing, in bytes.
    pub free: i64,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The table, where it is known.
    pub table: Option<String>,
    /// What is wrong, in SQLite's words.
    pub detail: String,
}

/// How many problems are told.
const MOST_PROBLEMS: usize = 100;

/// Reads the schema too: `SELECT 1` alone never opens the file.
pub(super) fn ping(connection: &Connection) -> Result<(), SqliteError> {
    connection.query_row("SELECT 1 + 0 * count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(())
}

pub(super) fn info(
    connection: &Connection,
    path: &Path,
) -> Result<Vec<(&'static str, Value)>, SqliteError> {
    let mut values = vec![
        ("path", Value::from(path.display().to_string())),
        ("version", Value::from(rusqlite::version())),
        ("bytes", Value::from(file_size(path)?)),
    ];
    for name in [
        "page_size",
        "page_count",
        "freelist_count",
        "journal_mode",
        "encoding",
        "auto_vacuum",
        "user_version",
        "application_id",
        "schema_version",
    ] {
        let value =
            connection.pragma_query_value(None, name, |row| row.get_ref(0).map(from_sqlite))?;
        values.push((name, value));
    }
    for (name, r#type) in [
        ("tables", "table"),
        ("indexes", "index"),
        ("views", "view"),
        ("triggers", "trigger"),
    ] {
        let count: i64 = connection.query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = ?1 AND name NOT LIKE 'sqlite~_%' ESCAPE '~'",
            [r#type],
            |row| row.get(0),
        )?;
        values.push((name, json!(count)));
    }
    Ok(values)
}

pub(super) fn tables(connection: &Connection) -> Result<Vec<TableSize>, SqliteError> {
    let mut statement = connection.prepare(
        "SELECT s.name, s.rootpage, coalesce(sum(d.pgsize), 0), (SELECT count(*) FROM pragma_table_xinfo(s.name) WHERE hidden <> 1) \
         FROM sqlite_schema AS s \
         LEFT JOIN sqlite_schema AS part ON part.tbl_name = s.name AND part.rootpage > 0 \
         LEFT JOIN (SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE) AS d ON d.name = part.name \
         WHERE s.type = 'table' AND s.name NOT LIKE 'sqlite~_%' ESCAPE '~' \
         GROUP BY s.name ORDER BY 3 DESC, 1",
    )?;
    let found: Vec<(i64, TableSize)> = statement
        .query_map([], |row| {
            let size = TableSize {
                table: row.get(0)?,
                columns: row.get(3)?,
                rows: None,
                bytes: row.get(2)?,
            };
            Ok((row.get(1)?, size))
        })?
        .collect::<Result<_, _>>()?;
    found
        .into_iter()
        .map(|(root, size)| {
            let rows = (root > 0).then(|| count(connection, &size.table));
            Ok(TableSize {
                rows: rows.transpose()?,
                ..size
            })
        })
        .collect()
}

fn count(connection: &Connection, table: &str) -> Result<i64, SqliteError> {
    let name = table.replace('"', "\"\"");
    let sql = format!("SELECT count(*) FROM \"{name}\"");
    Ok(connection.query_row(&sql, [], |row| row.get(0))?)
}

pub(super) fn size(connection: &Connection, path: &Path) -> Result<Vec<SizePart>, SqliteError> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let free = number("freelist_count")?.saturating_mul(number("page_size")?);
    let mut parts = vec![
        SizePart {
            part: "file",
            bytes: file_size(path)?,
        },
        SizePart {
            part: "free",
            bytes: u64::try_from(free).unwrap_or_default(),
        },
    ];
    for (part, suffix) in [("wal", "-wal"), ("shared memory", "-shm")] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        let beside = PathBuf::from(beside);
        if beside.exists() {
            parts.push(SizePart {
                part,
                bytes: file_size(&beside)?,
            });
        }
    }
    Ok(parts)
}

/// The slack of each table, that of all tables without a name last.
pub(super) fn slack(connection: &Connection) -> Result<Vec<Slack>, SqliteError> {
    let mut statement = connection.prepare(
        "SELECT s.tbl_name, sum(d.pgsize), sum(d.unused) FROM dbstat AS d \
         JOIN sqlite_schema AS s ON s.name = d.name WHERE d.aggregate = TRUE \
         AND s.tbl_name NOT LIKE 'sqlite~_%' ESCAPE '~' GROUP BY s.tbl_name \
         UNION ALL SELECT NULL, f.freelist_count * p.page_size, f.freelist_count * p.page_size \
         FROM pragma_freelist_count AS f, pragma_page_size AS p",
    )?;
    let found = statement.query_map([], |row| {
        Ok(Slack {
            table: row.get(0)?,
            bytes: row.get(1)?,
            free: row.get(2)?,
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn file_size(path: &Path) -> Result<u64, SqliteError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(source) => Err(SqliteError::Unreadable {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Of the whole file, or of one table. References are no matter of this look.
pub(super) fn integrity(
    connection: &Connection,
    table: Option<&str>,
) -> Result<Vec<Problem>, SqliteError> {
    let mut problems = Vec::new();
    let what = table.map_or_else(
        || MOST_PROBLEMS.to_string(),
        |table| format!("\"{}\"", table.replace('"', "\"\"")),
    );
    let mut check = connection.prepare(&format!("PRAGMA integrity_check({what})"))?;
    let mut rows = check.query([])?;
    while let Some(row) = rows.next()? {
        let detail: String = row.get(0)?;
        if detail != "ok" {
            problems.push(Problem {
                table: table.map(str::to_owned),
                detail,
            });
        }
    }
    Ok(problems)
}
