//! Several statements on one connection, each in a read-only transaction of its own: the end of one is not that of the
//! others.

use std::time::Duration;

use serde_json::Value;

use super::session::Limits;
use super::{Postgres, PostgresError, query};
use crate::platform::rows::Rows;

/// What a statement that waited for a lock in vain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The series: those behind it would wait for the same.
    All,
    /// Itself: those behind it ask for something else.
    One,
}

/// How long is waited for a lock behind one that was waited for in vain: many may be held.
const AFTERWARDS: Duration = Duration::from_millis(100);

impl Postgres {
    /// Runs each statement as [`Postgres::look`] does, one after the other. What the server refuses is the outcome of that
    /// statement alone; behind one that waited for a lock in vain it is as `held` says, and no other waits as long. Behind
    /// what else goes wrong there are no more outcomes.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn queries(
        &self,
        statements: &[String],
        parameters: &[Value],
        limit: usize,
        held: Held,
    ) -> Result<Vec<Result<Rows, PostgresError>>, PostgresError> {
        self.in_time(async |client, server| {
            let mut outcomes = Vec::with_capacity(statements.len());
            let mut has_waited = false;
            for sql in statements {
                // There is less time for each than for the one before.
                let limits = self.look_limits();
                let limits = match has_waited {
                    true => Limits {
                        lock: limits.lock.map(|lock| lock.min(AFTERWARDS)),
                        ..limits
                    },
                    false => limits,
                };
                let known = (limits, &self.state);
                let read = query::read(client, server, known, sql, parameters, limit);
                // Each may be the one that waits; who holds is asked for once.
                let outcome = match has_waited {
                    true => read.await,
                    false => self.watched(limits, read).await,
                };
                let error = outcome.as_ref().err();
                let is_held = error.is_some_and(PostgresError::is_lock_timeout);
                let is_gone = error.is_some_and(|error| error.code().is_none());
                let is_over = is_gone || (is_held && held == Held::All);
                has_waited |= is_held;
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
