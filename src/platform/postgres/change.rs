//! What changes something: one statement within its bounds or a script, each all or nothing, and what runs in no
//! transaction. Must not decide what may be changed.

use std::pin::pin;

use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use tokio_postgres::error::Severity;
use tokio_postgres::{SimpleQueryMessage, Statement};

use super::PostgresError;
use super::error::place;
use super::query::casts;
use super::session::{Keeping, LOCK_TIMEOUT, Session};
use super::value::{Decoded, Parameter};
use crate::platform::bounds::{Bounds, Count};
use crate::platform::rows::{Changed, Collector, Rows};

/// A statement that changes something.
#[derive(Clone, Copy, Debug)]
pub struct ChangeStatement<'c> {
    /// The statement, its parameters written `$1`.
    pub sql: &'c str,
    /// Its values.
    pub parameters: &'c [Value],
    /// How many of the rows that it gives are kept.
    pub limit: usize,
    /// Whether the server counts the rows that it changes: INSERT, UPDATE, DELETE and MERGE. Of others it counts the rows
    /// that they give.
    pub is_counted: bool,
}

/// A script whose statements all stand in one transaction.
#[derive(Clone, Copy, Debug)]
pub struct Script<'c> {
    /// The statements.
    pub sql: &'c str,
    /// Of each whether the server counts the rows that it changes.
    pub is_counted: &'c [bool],
}

/// What the transaction has changed by now, in all tables of the database that keep count: rows that triggers and
/// references changed too, and those that a function changed and took back. Then whether the server counts at all, which
/// transaction it is, and the number that the server gave it.
const TALLY: &str = "\
SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::int8, current_setting('track_counts') = 'on',
       transaction_timestamp(), txid_current_if_assigned()
FROM pg_stat_xact_user_tables";

/// Everything that was told to a session or set in it, as it was before.
const FORGET: &str = "SET SESSION AUTHORIZATION DEFAULT; RESET ALL";

/// An answer to [`TALLY`].
#[derive(Debug, Default)]
struct Tally {
    rows: u64,
    counts: bool,
    /// Tells one transaction from another.
    began: Option<String>,
    number: Option<String>,
}

impl Tally {
    fn of(answer: &[Vec<Option<String>>]) -> Self {
        let value = |column: usize| answer.last()?.get(column)?.clone();
        Self {
            rows: value(0)
                .and_then(|rows| rows.parse().ok())
                .unwrap_or_default(),
            counts: value(1).as_deref() == Some("t"),
            began: value(2),
            number: value(3),
        }
    }
}

/// Runs one statement and takes it back where it breaks its bounds.
pub(super) async fn execute(
    session: &Session<'_>,
    change: ChangeStatement<'_>,
    bounds: &Bounds,
) -> Result<Changed, PostgresError> {
    let before = begin(session, "BEGIN").await?;
    // A mistake in it is told of what was written, and not of what counts its rows.
    let prepared = session.prepare(change.sql).await?;
    let counted = match &bounds.count {
        Some(count) => Some(counted(session, count).await?),
        None => None,
    };
    if let Some(counted) = counted {
        bounds.hold_counted(counted)?;
    }
    let (rows, told) = run(session, prepared, change).await?;
    // What was put off to the end of the transaction changes rows too.
    let tally = format!("SET CONSTRAINTS ALL IMMEDIATE; {TALLY}");
    let after = session.ask(&tally).await;
    let after = Tally::of(&after.map_err(|error| session.trouble(&error))?);
    still_within(session, &before, &after)?;
    if bounds.most.is_some() && !after.counts {
        return Err(PostgresError::Uncounted {
            server: session.server.to_owned(),
        });
    }
    // A table that is dropped takes its count along.
    let in_all = after.rows.saturating_sub(before.rows);
    let done = match change.is_counted {
        true => Changed {
            changed: told,
            in_all: in_all.max(told),
            rows,
        },
        false => Changed {
            changed: in_all,
            in_all,
            rows,
        },
    };
    bounds.hold_changed(counted, done.changed, done.in_all)?;
    commit(session, after).await?;
    Ok(done)
}

/// Runs the statements of a script in one transaction; gives how many rows they changed themselves.
pub(super) async fn script(
    session: &Session<'_>,
    script: Script<'_>,
) -> Result<u64, PostgresError> {
    let before = begin(session, "BEGIN").await?;
    let changed = run_all(session, script).await?;
    let after = session.ask(TALLY).await;
    let after = Tally::of(&after.map_err(|error| session.trouble(&error))?);
    still_within(session, &before, &after)?;
    commit(session, after).await?;
    Ok(changed)
}

/// Runs the statements of a script in a transaction that is READ ONLY; their rows are not kept.
pub(super) async fn read_script(session: &Session<'_>, sql: &str) -> Result<(), PostgresError> {
    begin(session, "BEGIN READ ONLY").await?;
    let script = Script {
        sql,
        is_counted: &[],
    };
    run_all(session, script).await?;
    let end = session.ask("ROLLBACK").await;
    end.map(|_| ()).map_err(|error| session.trouble(&error))
}

/// Runs statements one after the other, each in no transaction; counts those that are done.
pub(super) async fn alone(
    session: &Session<'_>,
    statements: &[&str],
    done: &mut usize,
) -> Result<(), PostgresError> {
    let limits = session.limits.told(Some(LOCK_TIMEOUT), false);
    let told = session.ask(&limits).await;
    session.is_known(&told.map_err(|error| session.trouble(&error))?);
    let mut outcome = Ok(());
    for statement in statements {
        session.state.runs_alone(true);
        outcome = keep(session, statement, None).await;
        if outcome.is_err() {
            break;
        }
        *done += 1;
    }
    // The session may be another's next. Where it is gone, so are its settings.
    let _ = session.ask(FORGET).await;
    if outcome.is_ok() {
        session.state.runs_alone(false);
    }
    outcome
}

/// Begins a transaction with its limits; gives what the session had changed before.
async fn begin(session: &Session<'_>, begin: &str) -> Result<Tally, PostgresError> {
    let limits = session.limits.told(Some(LOCK_TIMEOUT), true);
    let told = session.ask(&format!("{begin}; {limits}; {TALLY}")).await;
    let told = told.map_err(|error| session.trouble(&error))?;
    session.is_known(&told);
    Ok(Tally::of(&told))
}

/// How many rows a statement should touch.
async fn counted(session: &Session<'_>, count: &Count) -> Result<u64, PostgresError> {
    let asked = ChangeStatement {
        sql: &count.sql,
        parameters: &count.parameters,
        limit: 1,
        is_counted: false,
    };
    let prepared = session.client.prepare(asked.sql).await;
    let prepared = prepared.map_err(|error| session.trouble(&error))?;
    let (rows, _) = run(session, prepared, asked).await?;
    let counted = rows.rows.first().and_then(|row| row.values().next());
    counted
        .and_then(Value::as_u64)
        .ok_or_else(|| PostgresError::Unreadable {
            server: session.server.to_owned(),
            reason: "what counts the rows gave no number".to_owned(),
        })
}

/// Runs one prepared statement to its end; gives the rows that are kept of it, and how many the server told.
async fn run(
    session: &Session<'_>,
    statement: Statement,
    change: ChangeStatement<'_>,
) -> Result<(Rows, u64), PostgresError> {
    let trouble = |error: tokio_postgres::Error| session.trouble(&error);
    let places = statement.params().len();
    if places != change.parameters.len() {
        return Err(PostgresError::Parameters {
            places,
            given: change.parameters.len(),
        });
    }
    let readable = readable(session, &statement, change)
        .await
        .map_err(trouble)?;
    let names = statement.columns().iter().map(|column| column.name());
    let mut collector = Collector::new(names, change.limit);
    let parameters = change.parameters.iter().map(Parameter);
    let rows = session.client.query_raw(&readable, parameters).await;
    let mut rows = pin!(rows.map_err(trouble)?);
    let mut has_room = true;
    while let Some(row) = rows.try_next().await.map_err(trouble)? {
        if !has_room {
            continue;
        }
        let values = (0..row.len())
            .map(|column| row.try_get::<_, Decoded>(column).map(|value| value.0))
            .collect::<Result<_, _>>()
            .map_err(trouble)?;
        has_room = collector.push(values);
    }
    let told = rows.rows_affected().unwrap_or_default();
    Ok((collector.finish(), told))
}

/// The statement with each column that is not known here cast to text. What changes rows stands in a WITH: only there
/// can it be a part of a query, which then has as many rows as it changed.
async fn readable(
    session: &Session<'_>,
    statement: &Statement,
    change: ChangeStatement<'_>,
) -> Result<Statement, tokio_postgres::Error> {
    let Some((cast, names)) = casts(statement.columns()) else {
        return Ok(statement.clone());
    };
    let sql = change.sql;
    let sql = match change.is_counted {
        true => format!("WITH opsbook ({names}) AS (\n{sql}\n) SELECT {cast} FROM opsbook"),
        false => format!("SELECT {cast} FROM (\n{sql}\n) AS opsbook ({names})"),
    };
    session.client.prepare_typed(&sql, statement.params()).await
}

/// Runs the statements of a script; gives how many rows those changed that are counted.
async fn run_all(session: &Session<'_>, script: Script<'_>) -> Result<u64, PostgresError> {
    let mut completed = 0;
    let mut changed = 0;
    let placed = |error: tokio_postgres::Error, completed| match session.trouble(&error) {
        refused @ PostgresError::Server { .. } => PostgresError::Script {
            completed,
            offset: place(&error, script.sql),
            error: Box::new(refused),
        },
        other => other,
    };
    let answers = session.client.simple_query_raw(script.sql).await;
    let mut answers = pin!(answers.map_err(|error| session.trouble(&error))?);
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(SimpleQueryMessage::CommandComplete(rows)) => {
                if script.is_counted.get(completed) == Some(&true) {
                    changed += rows;
                }
                completed += 1;
            }
            Ok(_) => {}
            Err(error) => return Err(placed(error, completed)),
        }
    }
    Ok(changed)
}

/// What has left its transaction cannot be taken back.
fn still_within(session: &Session<'_>, before: &Tally, after: &Tally) -> Result<(), PostgresError> {
    if before.began == after.began {
        return Ok(());
    }
    session.state.has_kept();
    Err(PostgresError::Left)
}

async fn commit(session: &Session<'_>, tally: Tally) -> Result<(), PostgresError> {
    keep(session, "COMMIT", tally.number).await
}

/// Runs what cannot be taken back once the server has it. Until it has answered, the state says so.
async fn keep(
    session: &Session<'_>,
    sql: &str,
    transaction: Option<String>,
) -> Result<(), PostgresError> {
    session.state.keeps(Some(Keeping { transaction }));
    let answers = session.client.simple_query_raw(sql).await;
    let mut answers = pin!(answers.map_err(|error| {
        // It never left.
        session.state.keeps(None);
        session.trouble(&error)
    })?);
    let mut is_done = false;
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(SimpleQueryMessage::CommandComplete(_)) => is_done = true,
            Ok(_) => {}
            // A session that ends right behind its answer.
            Err(_) if is_done => break,
            Err(error) => {
                let said = error.as_db_error();
                let said = said.and_then(tokio_postgres::error::DbError::parsed_severity);
                if said == Some(Severity::Error) {
                    session.state.keeps(None);
                }
                return Err(session.trouble(&error));
            }
        }
    }
    session.state.keeps(None);
    session.state.has_kept();
    Ok(())
}
