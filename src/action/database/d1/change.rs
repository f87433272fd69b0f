//! Changes of a D1 database: each is one batch, which D1 does whole or not at all. No statement of a batch can use what
//! an earlier one gave, so what a change must keep to is held in SQL: a guard that errs has D1 take the whole batch back.

use crate::engine::ActionError;
use crate::expr::SqlText;
use crate::platform::bounds::{Bounds, BoundsBroken, Count};
use crate::platform::d1::{Again, LONGEST_STATEMENT, Statement};
use crate::platform::halted::Halted;
use crate::platform::rows::{Changed, Rows};
use crate::sql::{self, Dialect};

use super::{D1System, culprit, exact};
use crate::action::database::system::{beyond, in_script, refuse_transaction};

/// How often a change is begun anew because others changed the database between the look and the change.
const TRIES: u32 = 5;

/// How many rows this connection of D1's has ever changed, for everybody.
const TOTAL: &str = "SELECT total_changes() AS total";

/// How many rows the statement before changed itself, and the total.
const CHANGED: &str = "SELECT changes() AS changed, total_changes() AS total";

/// What a guard says when it errs begins so; SQLite quotes it in its error.
const FOUND: &str = "opsbook found";

/// What a guard finds that stands behind the begin of a batch.
const END: &str = "its end";

/// What was there a moment before the change.
#[derive(Default)]
struct Looked {
    /// How many rows the statement should change.
    expected: Option<u64>,
    /// The total, where the change has a limit: as long as it stands, nobody has changed anything.
    total: Option<u64>,
}

/// What a guard found to be otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// So many rows are counted by now.
    Counted(u64),
    /// Others have changed something.
    Moved,
    /// The statement changed so many rows itself.
    Changed(u64),
    /// So many rows changed in all.
    InAll(u64),
}

/// Runs one statement within its bounds.
pub(super) async fn execute(
    system: &D1System,
    sql: &SqlText,
    limit: usize,
    bounds: &Bounds,
) -> Result<Changed, ActionError> {
    let statement = one(sql)?;
    for _ in 0..TRIES {
        let looked = look(system, bounds).await?;
        let before = guards_before(bounds, &looked);
        let place = before.len() + 1;
        let mut batch = vec![Statement::of(TOTAL)];
        batch.extend(before);
        batch.push(statement.clone());
        batch.extend(guards_after(bounds, &looked));
        batch.push(Statement::of(CHANGED));
        let error = match system.write(&batch, limit.max(1)).await {
            Ok(results) => return Ok(changed(results, place, limit)),
            Err(error) => error,
        };
        match found(&error.message) {
            None => return Err(error),
            Some(found) => {
                if let Some(broken) = broken(bounds, &looked, found) {
                    return Err(beyond(broken));
                }
            }
        }
    }
    Err(ActionError::target(format!(
        "others write to {} all the time: {TRIES} times it had changed between the count and the change; nothing was done",
        system.table
    ))
    .help("do it when less is written"))
}

/// Runs the statements of a script in one transaction; gives how many rows they changed, triggers and references included.
pub(super) async fn script(system: &D1System, script: &str) -> Result<u64, ActionError> {
    let statements = statements(script)?;
    let import = system.way.import(&statements);
    let is_kept = |imported: &Option<Result<_, _>>| matches!(imported, Some(Ok(_)));
    if let Some(imported) = system.underway.change(import, is_kept).await {
        return imported.map_err(|failure| failure.of_change(&system.table));
    }
    let mut batch = vec![Statement::of(TOTAL)];
    batch.extend_from_slice(&statements);
    batch.push(Statement::of(TOTAL));
    match system.change(&batch, 1).await {
        Ok(results) => Ok(changed(results, 0, 0).in_all),
        Err(failure) => {
            let trouble = failure.of_change(&system.table);
            Err(culprit::told(system, (script, &statements), &failure, trouble).await)
        }
    }
}

/// Runs the statements of a script one after the other, each in a request of its own, which D1 keeps by itself.
pub(super) async fn alone(system: &D1System, script: &str) -> Result<(), Halted<ActionError>> {
    let pieces = sql::pieces(script, Dialect::Sqlite);
    let statements = statements(script).map_err(Halted::at_once)?;
    if let Some(piece) = pieces
        .iter()
        .find(|piece| sql::setting(piece.text).is_some())
    {
        let error = ActionError::config(format!(
            "line {}, {}: D1 forgets what a PRAGMA sets with the request",
            piece.line,
            piece.opening()
        ));
        return Err(Halted::at_once(error.help(
            "leave it out, or let the file run in one transaction: without -- opsbook: no-transaction",
        )));
    }
    for (done, (statement, piece)) in statements.iter().zip(&pieces).enumerate() {
        let sent = system.write(std::slice::from_ref(statement), 0).await;
        sent.map_err(|error| Halted {
            done,
            error: in_script(error, piece, piece.line),
        })?;
    }
    Ok(())
}

/// Runs the statements of a script, of which none may write.
pub(super) async fn read_script(system: &D1System, script: &str) -> Result<(), ActionError> {
    let statements = statements(script)?;
    for statement in &statements {
        super::must_read(&statement.sql, Dialect::Sqlite)?;
    }
    match system.way.batch(&statements, 0, Again::Harmless).await {
        Ok(_) => Ok(()),
        Err(failure) => {
            let trouble = failure.trouble(&system.table);
            Err(culprit::told(system, (script, &statements), &failure, trouble).await)
        }
    }
}

/// The statements of a script that can be sent.
pub(super) fn statements(script: &str) -> Result<Vec<Statement>, ActionError> {
    let pieces = sql::whole_pieces(script, Dialect::Sqlite).map_err(|unended| {
        ActionError::config(format!("{unended}; nothing was sent")).help("write its end")
    })?;
    for piece in &pieces {
        refuse_transaction(piece)?;
        fits(piece.text, || {
            format!("the statement of line {}", piece.line)
        })?;
    }
    Ok(pieces
        .iter()
        .map(|piece| Statement::of(piece.text))
        .collect())
}

/// The one statement that is to be run.
pub(super) fn one(sql: &SqlText) -> Result<Statement, ActionError> {
    let statement = match sql::pieces(&sql.text, Dialect::Sqlite).as_slice() {
        [] => {
            return Err(ActionError::config(
                "there is no statement, only a comment or nothing",
            ));
        }
        [only] => {
            refuse_transaction(only)?;
            only.text.to_owned()
        }
        _ => {
            return Err(ActionError::config("there is more than one statement")
                .help("write a step for each, or a file for `sql.file`"));
        }
    };
    fits(&statement, || "the statement".to_owned())?;
    Ok(Statement {
        sql: statement,
        parameters: sql.parameters.clone(),
    })
}

fn fits(statement: &str, what: impl Fn() -> String) -> Result<(), ActionError> {
    if statement.len() <= LONGEST_STATEMENT {
        return Ok(());
    }
    Err(ActionError::config(format!(
        "{} has {} bytes, and D1 takes at most {LONGEST_STATEMENT}; nothing was sent",
        what(),
        statement.len()
    ))
    .help("write several: an INSERT of many rows can be several of fewer; long values go as parameters"))
}

/// Looks at what the change will be held against, as far as that is not known.
async fn look(system: &D1System, bounds: &Bounds) -> Result<Looked, ActionError> {
    let count = bounds.count.as_ref();
    let mut questions = Vec::new();
    if bounds.most.is_some() {
        questions.push(Statement::of(TOTAL));
    }
    // What was agreed to is what the change is held against; it is counted in its transaction.
    let count = count.filter(|_| bounds.agreed.is_none());
    questions.extend(count.map(|count| Statement {
        sql: count.sql.clone(),
        parameters: count.parameters.clone(),
    }));
    let mut answers = system.read(&questions, 1).await?.into_iter();
    let total = bounds.most.and_then(|_| number(answers.next()?));
    Ok(Looked {
        expected: bounds.agreed.or_else(|| number(answers.next()?)),
        total,
    })
}

/// What must hold just before the change: what is counted, and that nobody has changed anything since the look.
fn guards_before(bounds: &Bounds, looked: &Looked) -> Vec<Statement> {
    let counted = bounds.count.as_ref().zip(looked.expected);
    let counted = counted.map(|(Count { sql, parameters }, expected)| Statement {
        parameters: parameters.clone(),
        ..guard("counted", sql, &format!("n = {expected}"))
    });
    let total = looked.total;
    let moved = total.map(|total| guard("moved", "total_changes()", &format!("n = {total}")));
    counted.into_iter().chain(moved).collect()
}

/// What must hold just after the change: what it changed itself, and what in all.
fn guards_after(bounds: &Bounds, looked: &Looked) -> Vec<Statement> {
    let changed = looked.expected;
    let changed = changed.map(|expected| guard("changed", "changes()", &format!("n = {expected}")));
    let in_all = bounds.most.zip(looked.total).map(|(most, total)| {
        let since = format!("total_changes() - {total}");
        guard("in-all", &since, &format!("n <= {most}"))
    });
    changed.into_iter().chain(in_all).collect()
}

/// A statement that errs unless this holds of the number `n` that it asks for.
fn guard(what: &str, asked: &str, holds: &str) -> Statement {
    Statement::of(format!(
        "SELECT CASE WHEN {holds} THEN n ELSE json_extract('{{}}', '{FOUND} {what} ' || n) END AS held FROM (SELECT ({asked}) AS n)"
    ))
}

/// A statement that errs whatever there is, so that a batch which comes to it is taken back.
pub(super) fn always_errs() -> Statement {
    guard(END, "0", "n = 1")
}

/// Whether an error is that of [`always_errs`].
pub(super) fn has_erred(error: &str) -> bool {
    error.contains(&format!("{FOUND} {END} "))
}

/// What a guard found, by the error that it made.
fn found(error: &str) -> Option<Found> {
    let (_, said) = error.split_once(FOUND)?;
    let (what, number) = said.trim_start().split_once(' ')?;
    let end = number.find(|character: char| !character.is_ascii_digit());
    let number = number[..end.unwrap_or(number.len())].parse().ok()?;
    match what {
        "counted" => Some(Found::Counted(number)),
        "moved" => Some(Found::Moved),
        "changed" => Some(Found::Changed(number)),
        "in-all" => Some(Found::InAll(number)),
        _ => None,
    }
}

/// Which bound that breaks; none where it only means to look again.
fn broken(bounds: &Bounds, looked: &Looked, found: Found) -> Option<BoundsBroken> {
    match found {
        Found::Counted(counted) => bounds.hold_counted(counted).err(),
        Found::Moved => None,
        Found::Changed(changed) => bounds.hold_changed(looked.expected, changed, 0).err(),
        Found::InAll(in_all) => {
            let changed = looked.expected.or(bounds.agreed).unwrap_or(in_all);
            bounds.hold_changed(looked.expected, changed, in_all).err()
        }
    }
}

/// What a batch did whose first and last statements tell the totals: how many rows changed, and at most `limit` rows that
/// the statement at `place` gave.
fn changed(mut results: Vec<Rows>, place: usize, limit: usize) -> Changed {
    let of = |rows: Option<&Rows>, name: &str| {
        let value = rows.and_then(|rows| rows.rows.first()?.get(name)?.as_u64());
        value.unwrap_or_default()
    };
    let in_all = of(results.last(), "total").saturating_sub(of(results.first(), "total"));
    let changed = match in_all {
        // `changes()` keeps its value over a statement that changes nothing.
        0 => 0,
        _ => of(results.last(), "changed"),
    };
    let mut rows = results
        .get_mut(place)
        .map(std::mem::take)
        .unwrap_or_default();
    rows.truncated |= rows.rows.len() > limit;
    rows.rows.truncate(limit);
    Changed {
        changed,
        in_all,
        rows: exact::with_doubts(rows),
    }
}

/// The one number of an answer.
fn number(rows: Rows) -> Option<u64> {
    rows.rows.first()?.values().next()?.as_u64()
}

#[cfg(test)]
mod tests;
