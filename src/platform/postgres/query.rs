//! One statement in a read-only transaction.

use futures_util::{TryFutureExt as _, TryStreamExt as _};
use serde_json::Value;
use tokio_postgres::{Client, Column, Portal, Statement, Transaction};

use super::PostgresError;
use super::session::{Limits, Session, State};
use super::value::{Decoded, Exact, Parameter, is_known};
use crate::platform::rows::{Collector, RowSender, Rows};

/// What becomes of the rows of a statement.
pub(super) enum Taker<'a> {
    /// They are kept, decimals as the nearest doubles.
    Kept(&'a mut Rows, usize),
    /// They are sent on as they come, with every digit.
    Sent(&'a mut RowSender),
}

/// Runs one statement that reads and keeps its rows.
pub(super) async fn read(
    client: &mut Client,
    server: &str,
    known: (Limits, &State),
    sql: &str,
    parameters: &[Value],
    limit: usize,
) -> Result<Rows, PostgresError> {
    let mut rows = Rows::default();
    let taker = Taker::Kept(&mut rows, limit);
    take(client, server, known, sql, parameters, taker).await?;
    Ok(rows)
}

/// Runs one statement that reads. The protocol lets no second one through, so that none can leave the transaction.
pub(super) async fn take(
    client: &mut Client,
    server: &str,
    (limits, state): (Limits, &State),
    sql: &str,
    parameters: &[Value],
    taker: Taker<'_>,
) -> Result<(), PostgresError> {
    let began = client.build_transaction().read_only(true).start().await;
    let transaction = began.map_err(|error| PostgresError::of(&error, server))?;
    let session = Session::new(transaction.client(), server, limits, state);
    let trouble = |error: tokio_postgres::Error| session.trouble(&error);
    let settled = session.settle().map_err(trouble);
    let ((), statement) = futures_util::try_join!(settled, session.prepare(sql))?;
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
    let asked = Asked {
        transaction: &transaction,
        statement: &statement,
        readable: &readable,
        parameters,
    };
    let taken = match taker {
        Taker::Kept(rows, limit) => collect(asked, limit).await.map(|kept| *rows = kept),
        Taker::Sent(sender) => send(asked, sender).await,
    };
    taken.map_err(trouble)?;
    let ended = transaction.rollback().await;
    ended.map_err(|error| PostgresError::of(&error, server))
}

/// A statement whose rows are asked for.
struct Asked<'a> {
    transaction: &'a Transaction<'a>,
    /// As it was written.
    statement: &'a Statement,
    /// With columns that can be read here.
    readable: &'a Statement,
    parameters: &'a [Value],
}

impl Asked<'_> {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.statement.columns().iter().map(|column| column.name())
    }

    async fn portal(&self) -> Result<Portal, tokio_postgres::Error> {
        let parameters = self.parameters.iter().map(Parameter);
        self.transaction.bind_raw(self.readable, parameters).await
    }
}

/// Sends the rows on, a portion at a time: the server computes no further than somebody waits for.
async fn send(asked: Asked<'_>, sender: &mut RowSender) -> Result<(), tokio_postgres::Error> {
    if !sender.columns(asked.names()).await {
        return Ok(());
    }
    let portal = asked.portal().await?;
    loop {
        let wanted = sender.asked();
        let most = i32::try_from(wanted).unwrap_or(i32::MAX);
        let mut rows = std::pin::pin!(asked.transaction.query_portal_raw(&portal, most).await?);
        let mut came = 0;
        while let Some(row) = rows.try_next().await? {
            came += 1;
            let values = (0..row.len())
                .map(|column| row.try_get::<_, Exact>(column).map(|value| value.0))
                .collect::<Result<_, _>>()?;
            if sender.push(values) && !sender.send().await {
                return Ok(());
            }
        }
        if came < wanted || sender.is_done() {
            sender.end().await;
            return Ok(());
        }
    }
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

async fn collect(asked: Asked<'_>, limit: usize) -> Result<Rows, tokio_postgres::Error> {
    let mut collector = Collector::new(asked.names(), limit);
    let portal = asked.portal().await?;
    // One more than is kept tells whether there are more. The server computes no further.
    let most = i32::try_from(limit.saturating_add(1)).unwrap_or(i32::MAX);
    let mut rows = std::pin::pin!(asked.transaction.query_portal_raw(&portal, most).await?);
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
