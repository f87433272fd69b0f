//! One statement outside of a transaction.

use super::{Postgres, PostgresError};

impl Postgres {
    /// The database's name in the server, where the address says it.
    #[must_use]
    pub fn database(&self) -> Option<&str> {
        self.address.database.as_deref()
    }

    /// Runs one statement in no transaction: what the server runs in no other way.
    ///
    /// # Errors
    /// As [`Postgres::query`]. What such a statement did until it failed may stay.
    pub async fn alone(&self, sql: &str) -> Result<(), PostgresError> {
        self.with(async |client, server| {
            let done = client.batch_execute(sql).await;
            done.map_err(|error| PostgresError::of(&error, server))
        })
        .await
    }
}
