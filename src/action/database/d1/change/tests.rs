//! What bounds do to a change, on a stand-in of the API that runs batches on SQLite as D1 does.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Bounds, Count, Found, found};
use crate::action::database::system::open;
use crate::action::testing::World;
use crate::config::{D1Via, DatabaseKind};
use crate::engine::{ActionError, ErrorKind};
use crate::expr::SqlText;
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
    let kind = DatabaseKind::D1 {
        name: "orders".to_owned(),
        id: Some("1".to_owned()),
        account: None,
        token: None,
        via: D1Via::Api,
    };
    let mut world = World::new().with_database("main", kind);
    for (name, value) in [
        ("CLOUDFLARE_API_BASE_URL", server.url("")),
        ("CLOUDFLARE_ACCOUNT_ID", "0".to_owned()),
        ("CLOUDFLARE_API_TOKEN", "token".to_owned()),
    ] {
        world.environment.push((name.to_owned(), value));
    }
    let sql = SqlText {
        text: sql.to_owned(),
        parameters: vec![json!(0)],
    };
    let outcome = world
        .with_context(async |context| {
            let system = open(&context.config.databases[0], context).unwrap();
            system.execute(&sql, 9, bounds).await
        })
        .await;
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
