//! Runs statements: one that reads, one that writes, or the statements of a file in one transaction.

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::Value as Stored;
use rusqlite::{Batch, Connection, Row, Statement, params_from_iter};
use serde_json::Value;

use super::SqliteError;
use super::error::behind;
use super::value::{from_sqlite, to_sqlite};
use crate::platform::bounds::Bounds;
use crate::platform::halted::Halted;
use crate::platform::rows::{Changed, Collector, RowSender, Rows};

/// Runs one statement that reads.
pub(super) fn query(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    limit: usize,
) -> Result<Rows, SqliteError> {
    let mut statement = reading(connection, sql)?;
    collect(&mut statement, parameters, limit, AtLimit::Stop)
}

/// Compiles exactly one statement that reads.
fn reading<'a>(connection: &'a Connection, sql: &str) -> Result<Statement<'a>, SqliteError> {
    let statement = prepare(connection, sql)?;
    if !statement.readonly() && !asks_journal_mode(sql) {
        return Err(SqliteError::NotRead("it writes".to_owned()));
    }
    Ok(statement)
}

/// Runs one statement that reads and sends its rows on as they come.
pub(super) fn stream(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    sender: &mut RowSender,
) -> Result<(), SqliteError> {
    let mut statement = reading(connection, sql)?;
    let parameters = bound(&statement, parameters)?;
    let width = statement.column_count();
    if !sender.columns_from_thread(statement.column_names()) {
        return Ok(());
    }
    let mut rows = statement.query(params_from_iter(parameters))?;
    while let Some(row) = rows.next()? {
        let is_full = sender.push(values(row, width)?);
        if sender.is_done() {
            break;
        }
        if is_full && !sender.send_from_thread() {
            return Ok(());
        }
    }
    sender.end_from_thread();
    Ok(())
}

/// SQLite counts this pragma as a write even where it only asks; the fence has refused it where it does more.
fn asks_journal_mode(sql: &str) -> bool {
    let words = sql.trim_end_matches(|c: char| c == ';' || c.is_whitespace());
    words
        .to_ascii_lowercase()
        .split_whitespace()
        .eq(["pragma", "journal_mode"])
}

/// Tells how a statement would be run.
pub(super) fn explain(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
) -> Result<Rows, SqliteError> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    if statement.is_explain() == 0 {
        return Err(SqliteError::NoStatement);
    }
    collect(&mut statement, parameters, usize::MAX, AtLimit::Stop)
}

/// Whether SQLite runs a statement in no transaction; none of these changes rows.
pub(super) fn stands_alone(sql: &str) -> bool {
    let words = without_comments(sql);
    let end = words.find(|letter: char| !letter.is_ascii_alphabetic());
    let first = &words[..end.unwrap_or(words.len())];
    let alone = ["VACUUM", "PRAGMA", "ATTACH", "DETACH"];
    alone.iter().any(|word| first.eq_ignore_ascii_case(word))
}

/// Runs one statement, which is no transaction by itself: what `OR FAIL` and `RAISE(FAIL, …)` refuse leaves the rows before.
pub(super) fn execute(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    limit: usize,
) -> Result<Changed, SqliteError> {
    let mut statement = prepare(connection, sql)?;
    let before = connection.total_changes();
    let rows = collect(&mut statement, parameters, limit, AtLimit::Finish)?;
    Ok(Changed {
        changed: changed_since(connection, before),
        in_all: connection.total_changes() - before,
        rows,
    })
}

/// Runs one statement and takes it back where it fails or breaks its bounds.
pub(super) fn execute_within(
    connection: &Connection,
    sql: &str,
    parameters: &[Value],
    limit: usize,
    bounds: &Bounds,
) -> Result<Changed, SqliteError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let outcome = counted(connection, bounds).and_then(|counted| {
        let done = execute(connection, sql, parameters, limit)?;
        let changed = match counted {
            Some(counted) if done.changed < counted && gone(connection, bounds)? => counted,
            Some(_) | None => done.changed,
        };
        bounds.hold_changed(counted, changed, done.in_all)?;
        Ok(Changed { changed, ..done })
    });
    end_transaction(connection, outcome)
}

/// How many rows the statement should touch, where that is counted.
fn counted(connection: &Connection, bounds: &Bounds) -> Result<Option<u64>, SqliteError> {
    let counted = count(connection, bounds)?;
    if let Some(counted) = counted {
        bounds.hold_counted(counted)?;
    }
    Ok(counted)
}

/// Whether none of the rows that were counted is left. A reference within the table itself (`ON DELETE CASCADE`) takes
/// rows away before the statement comes to them; SQLite counts those as not its own.
fn gone(connection: &Connection, bounds: &Bounds) -> Result<bool, SqliteError> {
    Ok(count(connection, bounds)? == Some(0))
}

fn count(connection: &Connection, bounds: &Bounds) -> Result<Option<u64>, SqliteError> {
    let Some(count) = &bounds.count else {
        return Ok(None);
    };
    let rows = query(connection, &count.sql, &count.parameters, 1)?.rows;
    Ok(rows.first().and_then(|row| row.values().next()?.as_u64()))
}

/// Compiles exactly one statement.
fn prepare<'a>(connection: &'a Connection, sql: &str) -> Result<Statement<'a>, SqliteError> {
    let statement = connection.prepare(sql)?;
    // What SQLite compiles to nothing, a comment, has no text.
    if statement.expanded_sql().is_none() {
        return Err(SqliteError::NoStatement);
    }
    Ok(statement)
}

/// Runs the statements of a file in one transaction.
pub(super) fn script(connection: &Connection, sql: &str) -> Result<u64, SqliteError> {
    script_held(connection, sql, || Ok(()))
}

/// Runs the statements of a file in one transaction, and keeps what they did where `hold` finds nothing against it.
pub(super) fn script_held(
    connection: &Connection,
    sql: &str,
    hold: impl FnOnce() -> Result<(), SqliteError>,
) -> Result<u64, SqliteError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection.authorizer(Some(|context: AuthContext<'_>| match context.action {
        AuthAction::Transaction { .. } => Authorization::Deny,
        _ => Authorization::Allow,
    }))?;
    let outcome = run_all(connection, sql);
    connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
    end_transaction(
        connection,
        outcome.and_then(|changed| hold().map(|()| changed)),
    )
}

/// Keeps what was done where all of it went well, else takes it back.
fn end_transaction<T>(
    connection: &Connection,
    outcome: Result<T, SqliteError>,
) -> Result<T, SqliteError> {
    // A statement may have ended the transaction itself: `INSERT OR ROLLBACK`, a full disk.
    if !connection.is_autocommit() {
        let end = if outcome.is_ok() {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        connection.execute_batch(end)?;
    }
    outcome
}

/// Runs the statements of a file on a connection that can only read.
pub(super) fn read_script(connection: &Connection, sql: &str) -> Result<(), SqliteError> {
    let sql = terminated(sql);
    let mut batch = Batch::new(connection, &sql);
    while let Some(mut statement) = batch.next()? {
        bound(&statement, &[])?;
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
    }
    Ok(())
}

/// Runs the statements of a file one after the other, each kept by itself.
pub(super) fn alone(connection: &Connection, sql: &str) -> Result<(), Halted<SqliteError>> {
    run_each(connection, sql).map(|_| ())
}

fn run_all(connection: &Connection, sql: &str) -> Result<u64, SqliteError> {
    run_each(connection, sql).map_err(|halted| halted.error)
}

/// Runs one statement after the other; gives how many rows they changed.
fn run_each(connection: &Connection, sql: &str) -> Result<u64, Halted<SqliteError>> {
    let sql = &terminated(sql);
    let mut changed = 0;
    let mut passed = 0;
    let mut done = 0;
    let mut batch = Batch::new(connection, sql);
    loop {
        let begins = passed;
        let halted = |error| Halted {
            done,
            error: in_script(error, sql, (done, begins)),
        };
        let Some(mut statement) = batch.next().map_err(halted)? else {
            return Ok(changed);
        };
        // SQLite would take NULL for each.
        bound(&statement, &[]).map_err(|error| Halted {
            done,
            error: placed(error, None, sql, (done, begins)),
        })?;
        let before = connection.total_changes();
        // Without values it is its text, from the end of the statement before it on.
        passed += statement.expanded_sql().map_or(0, |text| text.len());
        let mut rows = statement.raw_query();
        while rows.next().map_err(halted)?.is_some() {}
        drop(rows);
        changed += changed_since(connection, before);
        done += 1;
    }
}

/// A script with a NUL behind it: SQLite takes it as it is, where it would make a copy of all that is left for each statement.
fn terminated(sql: &str) -> String {
    format!("{sql}\0")
}

/// Adds the place in the script to what SQLite refuses. Each statement's text is the rest of the script from it on;
/// `begins` is where the statement begins behind so many others, for what SQLite names no place of.
fn in_script(
    error: rusqlite::Error,
    script: &str,
    (completed, begins): (usize, usize),
) -> SqliteError {
    let mut place = None;
    let error = match error {
        rusqlite::Error::SqlInputError {
            error,
            msg,
            sql,
            offset,
        } => {
            let skipped = script.len().saturating_sub(sql.len());
            let offset = usize::try_from(offset).ok();
            place = offset.and_then(|offset| script.get(..skipped + offset));
            SqliteError::from(rusqlite::Error::SqlInputError {
                error,
                msg,
                sql,
                offset: -1,
            })
        }
        error => match SqliteError::from(error) {
            SqliteError::NotRead(_) => SqliteError::OwnTransaction,
            other => other,
        },
    };
    placed(error, place, script, (completed, begins))
}

/// Adds the place where SQLite has found what is wrong, else the line of the statement's first word.
fn placed(
    error: SqliteError,
    before: Option<&str>,
    script: &str,
    (completed, begins): (usize, usize),
) -> SqliteError {
    if !matches!(
        error,
        SqliteError::Refused(_)
            | SqliteError::Syntax(_)
            | SqliteError::OwnTransaction
            | SqliteError::Parameters { .. }
    ) {
        return error;
    }
    let (line, column) = match before.map(behind) {
        Some((line, column)) => (line, Some(column)),
        None => {
            let rest = script.get(begins..).unwrap_or_default();
            let words = script.len() - without_comments(rest).len();
            (behind(script.get(..words).unwrap_or(script)).0, None)
        }
    };
    SqliteError::Script {
        completed,
        line,
        column,
        error: Box::new(error),
    }
}

/// A text from its first word on.
fn without_comments(text: &str) -> &str {
    let mut rest = text.trim_start_matches('\u{feff}');
    loop {
        rest = rest.trim_start_matches(|letter: char| letter == ';' || letter.is_whitespace());
        let behind = match rest {
            line if line.starts_with("--") => line.split_once('\n'),
            block if block.starts_with("/*") => block.split_once("*/"),
            _ => return rest,
        };
        rest = behind.map_or("", |(_, behind)| behind);
    }
}

/// `changes()` keeps its value over statements that change no row; the total tells whether this one did.
fn changed_since(connection: &Connection, before: u64) -> u64 {
    if connection.total_changes() == before {
        0
    } else {
        connection.changes()
    }
}

/// What to do with a statement that has more rows than are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AtLimit {
    /// A read need not go on.
    Stop,
    /// A write must.
    Finish,
}

fn collect(
    statement: &mut Statement<'_>,
    parameters: &[Value],
    limit: usize,
    at_limit: AtLimit,
) -> Result<Rows, SqliteError> {
    let parameters = bound(statement, parameters)?;
    let width = statement.column_count();
    let mut collector = Collector::new(statement.column_names(), limit);
    let mut rows = statement.query(params_from_iter(parameters))?;
    let mut room = true;
    while let Some(row) = rows.next()? {
        if room {
            room = collector.push(values(row, width)?);
        }
        if !room && at_limit == AtLimit::Stop {
            break;
        }
    }
    Ok(collector.finish())
}

/// The values for the places of a statement, one each.
fn bound(statement: &Statement<'_>, parameters: &[Value]) -> Result<Vec<Stored>, SqliteError> {
    let places = statement.parameter_count();
    if places != parameters.len() {
        return Err(SqliteError::Parameters {
            places,
            given: parameters.len(),
        });
    }
    parameters.iter().map(to_sqlite).collect()
}

fn values(row: &Row<'_>, width: usize) -> Result<Vec<Value>, SqliteError> {
    let values = (0..width).map(|column| row.get_ref(column).map(from_sqlite));
    Ok(values.collect::<Result<_, _>>()?)
}
