//! Several statements on one connection, each in a read-only transaction of its own: the end of one is not that of the
//! others.

use serde_json::Value;

use super::{LOCK_NOT_AVAILABLE, Postgres, PostgresError, query};
use crate::platform::rows::Rows;

impl Postgres {
    /// Runs each statement as [`Postgres::look`] does, one after the other. What the server refuses is the outcome of that
    /// statement alone; behind one that waited for a lock in vain, as those behind it would, and behind what else goes wrong
    /// there are no more outcomes.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn queries(
        &self,
        statements: &[String],
        parameters: &[Value],
        limit: usize,
    ) -> Result<Vec<Result<Rows, PostgresError>>, PostgresError> {
        self.in_time(async |client, server| {
            let mut outcomes = Vec::with_capacity(statements.len());
            for sql in statements {
                // There is less time for each than for the one before.
                let limits = self.look_limits();
                let known = (limits, &self.state);
                let read = query::read(client, server, known, sql, parameters, limit);
                // Each may be the one that waits.
                let outcome = self.watched(limits, read).await;
                let is_over = matches!(
                    outcome.as_ref().map_err(PostgresError::code),
                    Err(None | Some(LOCK_NOT_AVAILABLE))
                );
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
