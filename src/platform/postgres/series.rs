//! Several statements on one connection, each in a read-only transaction of its own: the end of one is not that of the
//! others.

use serde_json::Value;

use super::{Limits, Postgres, PostgresError, query};
use crate::platform::rows::Rows;

impl Postgres {
    /// Runs each statement as [`Postgres::query`] does, one after the other. What the server refuses is the outcome of that
    /// statement alone; behind what else goes wrong there are no more outcomes.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn queries(
        &self,
        statements: &[String],
        parameters: &[Value],
        limit: usize,
    ) -> Result<Vec<Result<Rows, PostgresError>>, PostgresError> {
        // There is less time for each than for the one before.
        let limits = || Limits {
            statement: self.statement_limit(),
            lock: None,
        };
        self.with(limits(), async |client, server| {
            let mut outcomes = Vec::with_capacity(statements.len());
            for sql in statements {
                let known = (limits(), &self.state);
                let outcome = query::read(client, server, known, sql, parameters, limit).await;
                let is_over = matches!(&outcome, Err(error) if error.code().is_none());
                outcomes.push(outcome);
                if is_over {
                    break;
                }
            }
            Ok(outcomes)
        })
        .await
    }
}
