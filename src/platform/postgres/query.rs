//! One statement in a read-only transaction.

use futures_util::TryStreamExt as _;
use serde_json::Value;
use tokio_postgres::{Client, Column, Statement, Transaction};

use super::PostgresError;
use super::session::{Limits, Session, State};
use super::value::{Decoded, Parameter, is_known};
use crate::platform::rows::{Collector, Rows};

/// Runs one statement that reads. The protocol lets no second one through, so that none can leave the transaction.
pub(super) async fn read(
    client: &mut Client,
    server: &str,
    (limits, state): (Limits, &State),
    sql: &str,
    parameters: &[Value],
    limit: usize,
) -> Result<Rows, PostgresError> {
    let began = client.build_transaction().read_only(true).start().await;
    let transaction = began.map_err(|error| PostgresError::of(&error, server))?;
    let session = Session::new(transaction.client(), server, limits, state);
    let trouble = |error: tokio_postgres::Error| session.trouble(&error);
    let ((), statement) =
        futures_util::try_join!(session.settle(None), transaction.prepare(sql)).map_err(trouble)?;
    let places = statement.params().len();
    if places != parameters.len() {
        return Err(PostgresError::Parameters {
            places,
            given: parameters.len(),
        });
    }
    let readable = readable(&transaction, &statement, sql)
        .await
        .map_err(trouble)?;
    let rows = collect(&transaction, &statement, &readable, parameters, limit).await;
    let rows = rows.map_err(trouble)?;
    let ended = transaction.rollback().await;
    ended.map_err(|error| PostgresError::of(&error, server))?;
    Ok(rows)
}

/// The statement with each column that is not known here cast to text.
async fn readable(
    transaction: &Transaction<'_>,
    statement: &Statement,
    sql: &str,
) -> Result<Statement, tokio_postgres::Error> {
    let Some((cast, names)) = casts(statement.columns()) else {
        return Ok(statement.clone());
    };
    // A comment at the end of the statement ends with its line.
    let sql = format!("SELECT {cast} FROM (\n{sql}\n) AS opsbook ({names})");
    // The parameters keep the types that the statement itself gave them.
    transaction.prepare_typed(&sql, statement.params()).await
}

/// The columns `c1, c2::text, …`, each cast to text that is not known here, and their plain names. None where all are
/// known.
pub(super) fn casts(columns: &[Column]) -> Option<(String, String)> {
    if columns.iter().all(|column| is_known(column.type_())) {
        return None;
    }
    let names: Vec<String> = (1..=columns.len()).map(|n| format!("c{n}")).collect();
    let cast: Vec<String> = columns
        .iter()
        .zip(&names)
        .map(|(column, name)| match is_known(column.type_()) {
            true => name.clone(),
            false => format!("{name}::text"),
        })
        .collect();
    Some((cast.join(", "), names.join(", ")))
}

async fn collect(
    transaction: &Transaction<'_>,
    statement: &Statement,
    readable: &Statement,
    parameters: &[Value],
    limit: usize,
) -> Result<Rows, tokio_postgres::Error> {
    let names = statement.columns().iter().map(|column| column.name());
    let mut collector = Collector::new(names, limit);
    let portal = transaction
        .bind_raw(readable, parameters.iter().map(Parameter))
        .await?;
    // One more than is kept tells whether there are more. The server computes no further.
    let asked = i32::try_from(limit.saturating_add(1)).unwrap_or(i32::MAX);
    let mut rows = std::pin::pin!(transaction.query_portal_raw(&portal, asked).await?);
    while let Some(row) = rows.try_next().await? {
        let values = (0..row.len())
            .map(|column| row.try_get::<_, Decoded>(column).map(|value| value.0))
            .collect::<Result<_, _>>()?;
        if !collector.push(values) {
            break;
        }
    }
    Ok(collector.finish())
}
