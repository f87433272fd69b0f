//! Changes of a D1 database: each is one batch, which D1 does whole or not at all. No statement of a batch can use what
//! an earlier one gave, so what a change must keep to is held in SQL: a guard that errs has D1 take the whole batch back.

use crate::engine::ActionError;
use crate::expr::SqlText;
use crate::platform::bounds::{Bounds, BoundsBroken, Count};
use crate::platform::d1::Statement;
use crate::platform::rows::{Changed, Rows};
use crate::sql;

use super::{D1System, exact};
use crate::action::database::system::beyond;

/// The longest statement that D1 takes, in bytes.
/// See <https://developers.cloudflare.com/d1/platform/limits/>.
const LONGEST_STATEMENT: usize = 100_000;

/// How often a change is begun anew because others changed the database between the look and the change.
const TRIES: u32 = 5;

/// How many rows this connection of D1's has ever changed, for everybody.
const TOTAL: &str = "SELECT total_changes() AS total";

/// How many rows the statement before changed itself, and the total.
const CHANGED: &str = "SELECT changes() AS changed, total_changes() AS total";

/// What a guard says when it errs begins so; SQLite quotes it in its error.
const FOUND: &str = "opsbook found";

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
    let mut batch = vec![Statement::of(TOTAL)];
    batch.extend(statements(script)?);
    batch.push(Statement::of(TOTAL));
    let results = system.write(&batch, 1).await?;
    Ok(changed(results, 0, 0).in_all)
}

/// Runs the statements of a script, of which none may write.
pub(super) async fn read_script(system: &D1System, script: &str) -> Result<(), ActionError> {
    let statements = statements(script)?;
    for statement in &statements {
        super::must_read(&statement.sql, sql::Dialect::Sqlite)?;
    }
    system.read(&statements, 0).await.map(|_| ())
}

/// The statements of a script that can be sent.
fn statements(script: &str) -> Result<Vec<Statement>, ActionError> {
    let statements = sql::statements(script);
    for (index, statement) in statements.iter().enumerate() {
        fits(statement, || {
            format!("statement {} of the script", index + 1)
        })?;
    }
    Ok(statements.into_iter().map(Statement::of).collect())
}

/// The one statement that is to be run.
fn one(sql: &SqlText) -> Result<Statement, ActionError> {
    let statement = match sql::statements(&sql.text).as_slice() {
        [] => {
            return Err(ActionError::config(
                "there is no statement, only a comment or nothing",
            ));
        }
        [only] => (*only).to_owned(),
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
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::sync::{Arc, Mutex};

    use rusqlite::Connection;
    use serde_json::{Value, json};

    use super::{Bounds, Count, Found, execute, found};
    use crate::action::database::d1::D1System;
    use crate::base::Secret;
    use crate::engine::{ActionError, ErrorKind};
    use crate::expr::SqlText;
    use crate::platform::d1::D1;
    use crate::platform::http::Proxies;
    use crate::platform::http::testing::{Then, response, serve};
    use crate::platform::rows::Changed;

    const SETUP: &str = "
        CREATE TABLE t (n); INSERT INTO t VALUES (1), (2), (3);
        CREATE TABLE log (n);
        CREATE TRIGGER of_t AFTER DELETE ON t WHEN old.n < 9 BEGIN INSERT INTO log VALUES (old.n); END;
        CREATE TABLE pairs (n, pair);
        INSERT INTO pairs VALUES (1, 2), (2, 1), (3, 3);
        CREATE TRIGGER of_pairs BEFORE DELETE ON pairs BEGIN DELETE FROM pairs WHERE n = old.pair AND n > old.n; END;";

    /// Answers as D1 does: the statements of a body are one transaction. Before each it does what somebody else does.
    fn answer(database: &mut Connection, others: Option<&str>, body: &str) -> Value {
        if let Some(others) = others {
            database.execute_batch(others).unwrap();
        }
        let body: Value = serde_json::from_str(body).unwrap();
        let one = [body.clone()];
        let statements = body["batch"].as_array().map_or(&one[..], Vec::as_slice);
        let transaction = database.transaction().unwrap();
        let mut results = Vec::new();
        for statement in statements {
            let run = || -> rusqlite::Result<Value> {
                let mut prepared = transaction.prepare(statement["sql"].as_str().unwrap())?;
                let columns: Vec<String> = prepared
                    .column_names()
                    .iter()
                    .map(|name| (*name).to_owned())
                    .collect();
                let values = statement["params"].as_array().unwrap();
                let values = values
                    .iter()
                    .map(|value| value.as_str().unwrap().to_owned());
                let mut found = prepared.query(rusqlite::params_from_iter(values))?;
                let mut rows = Vec::new();
                while let Some(row) = found.next()? {
                    let cell = |column| row.get::<_, i64>(column);
                    rows.push(
                        (0..columns.len())
                            .map(cell)
                            .collect::<Result<Vec<_>, _>>()?,
                    );
                }
                Ok(json!({"results": {"columns": columns, "rows": rows}}))
            };
            match run() {
                Ok(result) => results.push(result),
                Err(error) => {
                    let error = json!([{"code": 7500, "message": error.to_string()}]);
                    return json!({"success": false, "errors": error});
                }
            }
        }
        transaction.commit().unwrap();
        json!({"success": true, "result": results})
    }

    /// Runs a statement where others do this before every request, and gives what came of it and what is left in t.
    async fn run(
        sql: &str,
        bounds: &Bounds,
        others: &[&'static str],
    ) -> (Result<Changed, ActionError>, i64) {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch(SETUP).unwrap();
        let database = Arc::new(Mutex::new(database));
        let (served, mut others) = (Arc::clone(&database), others.to_vec());
        others.reverse();
        let others = Mutex::new(others);
        let server = serve(move |request| {
            let (_, body) = request.split_once("\r\n\r\n").unwrap();
            let others = others.lock().unwrap().pop();
            let answer = answer(&mut served.lock().unwrap(), others, body);
            (
                response("200 OK", "", answer.to_string().as_bytes()),
                Then::Close,
            )
        })
        .await;
        let system = D1System {
            table: "main".to_owned(),
            d1: D1 {
                api: server.url(""),
                account: "0".to_owned(),
                token: Secret::new("token".to_owned()),
                name: "orders".to_owned(),
                id: Some("1".to_owned()),
                deadline: None,
                proxies: Proxies::default(),
            },
        };
        let sql = SqlText {
            text: sql.to_owned(),
            parameters: vec![json!(0)],
        };
        let outcome = execute(&system, &sql, 9, bounds).await;
        let left = database.lock().unwrap();
        let left = left.query_row(
            "SELECT (SELECT count(*) FROM t) + (SELECT count(*) FROM pairs)",
            [],
            |row| row.get(0),
        );
        (outcome, left.unwrap())
    }

    fn counted(sql: &str) -> Bounds {
        Bounds {
            count: Some(Count {
                sql: sql.to_owned(),
                parameters: vec![json!(0)],
            }),
            ..Bounds::default()
        }
    }

    const DELETE: &str = "DELETE FROM t WHERE n > ?1";
    const COUNT: &str = "SELECT count(*) FROM t WHERE n > ?1";
    const MORE: &str = "INSERT INTO t VALUES (9)";
    const NOTHING: &str = "";

    #[tokio::test]
    async fn a_change_within_its_bounds_is_kept() {
        let (done, left) = run(DELETE, &Bounds::default(), &[]).await;
        let done = done.unwrap();
        assert_eq!((done.changed, done.in_all, left), (3, 6, 3));
        let bounds = Bounds {
            most: Some(6),
            agreed: Some(3),
            ..counted(COUNT)
        };
        let (done, left) = run(DELETE, &bounds, &[]).await;
        assert_eq!((done.unwrap().changed, left), (3, 3));
    }

    #[tokio::test]
    async fn a_change_beyond_its_bounds_is_taken_back() {
        for (sql, bounds, others, said) in [
            // A trigger deletes what the statement was counted to delete.
            (
                "DELETE FROM pairs WHERE n > ?1",
                counted("SELECT count(*) FROM pairs WHERE n > ?1"),
                &[][..],
                "it would change 2 rows where 3 were counted; nothing was changed",
            ),
            (
                DELETE,
                Bounds {
                    most: Some(5),
                    ..Bounds::default()
                },
                &[],
                "it would change 6 rows, triggers and references included, and may change 5; nothing was changed",
            ),
            (
                DELETE,
                Bounds {
                    agreed: Some(2),
                    ..Bounds::default()
                },
                &[],
                "it would change 3 rows where 2 were counted; nothing was changed",
            ),
            (
                DELETE,
                Bounds {
                    agreed: Some(3),
                    ..counted(COUNT)
                },
                &[MORE],
                "it would touch 4 rows by now, and 3 were agreed to; nothing was changed",
            ),
        ] {
            let (outcome, left) = run(sql, &bounds, others).await;
            let error = outcome.unwrap_err();
            assert_eq!(
                (error.kind, error.message.as_str()),
                (ErrorKind::Refused, said)
            );
            assert_eq!(left, 6 + others.len() as i64, "{said}");
        }
    }

    /// What was counted is what is changed, also where others write between the two; where they never stop, it is said.
    #[tokio::test]
    async fn a_change_begins_anew_where_others_were_faster() {
        for bounds in [
            counted(COUNT),
            Bounds {
                most: Some(7),
                ..Bounds::default()
            },
        ] {
            let (done, left) = run(DELETE, &bounds, &[NOTHING, MORE]).await;
            assert_eq!((done.unwrap().changed, left), (4, 3), "{bounds:?}");
            let (outcome, left) = run(DELETE, &bounds, &[MORE; 10]).await;
            let error = outcome.unwrap_err();
            assert!(
                error.message.contains("others write to main all the time"),
                "{error}"
            );
            assert_eq!(left, 16);
        }
    }

    #[test]
    fn what_a_guard_found_is_read_from_the_error_of_any_version() {
        assert_eq!(
            found("bad JSON path: 'opsbook found counted 12': SQLITE_ERROR"),
            Some(Found::Counted(12))
        );
        assert_eq!(
            found("JSON path error near 'opsbook found in-all 7' (code 7500)"),
            Some(Found::InAll(7))
        );
        assert_eq!(found("no such table: t"), None);
    }
}
