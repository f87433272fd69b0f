//! PostgreSQL: one connection a call, ended with it. Reads only, each in a transaction that is READ ONLY and that the
//! server ends by itself at the deadline. Must not decide what a piece of SQL may do: such a transaction is no fence.

mod address;
mod alone;
mod error;
mod inspect;
mod query;
mod series;
mod stream;
mod value;

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::Value;
use tokio::time::Instant;
use tokio_postgres::config::SslMode;
use tokio_postgres::{CancelToken, Client, NoTls};

use super::rows::Rows;
pub use address::{Address, AddressError};
pub use error::PostgresError;
pub use inspect::TableSize;

/// How long a goodbye, or the request to end a statement, may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// A database of a PostgreSQL server.
pub struct Postgres {
    address: Address,
    deadline: Option<Instant>,
    /// What ends the statement that runs now.
    running: Mutex<Option<CancelToken>>,
}

impl Postgres {
    /// The database at this address.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            address,
            deadline: None,
            running: Mutex::default(),
        }
    }

    /// Ends what it does shortly before this moment, so that it can say what it was doing.
    #[must_use]
    pub const fn until(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// The server, to be named: `db.example.com:5432`.
    #[must_use]
    pub fn server(&self) -> String {
        self.address.server()
    }

    /// Runs one statement, its parameters written `$1`, in a read-only transaction; at most `limit` rows are asked for
    /// and kept.
    ///
    /// Whole numbers are exact, as text where they take more than 64 bits; other decimals are the nearest double. NaN
    /// and the infinities are PostgreSQL's words for them, a blob is `{"base64": "…"}`, a moment RFC 3339, an array a
    /// list; what else there is comes as the server writes it.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses the statement or is late.
    pub async fn query(
        &self,
        sql: &str,
        parameters: &[Value],
        limit: usize,
    ) -> Result<Rows, PostgresError> {
        self.with(async |client, server| {
            query::read(
                client,
                server,
                self.statement_limit(),
                sql,
                parameters,
                limit,
            )
            .await
        })
        .await
    }

    /// Connects and has the server answer.
    ///
    /// # Errors
    /// As [`Postgres::query`].
    pub async fn ping(&self) -> Result<(), PostgresError> {
        self.query("SELECT 1", &[], 1).await.map(|_| ())
    }

    /// What is to know of the database, as names and values.
    ///
    /// # Errors
    /// As [`Postgres::query`].
    pub async fn info(&self) -> Result<Vec<(String, Value)>, PostgresError> {
        let rows = self.query(inspect::INFO, &[], 1).await?.rows;
        Ok(rows.into_iter().flatten().collect())
    }

    /// The tables with their rows, as the server last estimated them, and bytes, the largest first.
    ///
    /// # Errors
    /// As [`Postgres::query`].
    pub async fn tables(&self) -> Result<Vec<TableSize>, PostgresError> {
        let rows = self.query(inspect::TABLES, &[], usize::MAX).await?.rows;
        Ok(rows.iter().map(TableSize::of).collect())
    }

    /// What the database takes on the disk, as names of parts and bytes.
    ///
    /// # Errors
    /// As [`Postgres::query`].
    pub async fn size(&self) -> Result<Vec<(String, u64)>, PostgresError> {
        let rows = self.query(inspect::SIZE, &[], 1).await?.rows;
        let parts = rows.into_iter().flatten();
        Ok(parts
            .map(|(part, bytes)| (part, bytes.as_u64().unwrap_or_default()))
            .collect())
    }

    /// The other sessions of the database, the longest statement first: at most `limit`.
    ///
    /// # Errors
    /// As [`Postgres::query`].
    pub async fn activity(&self, limit: usize) -> Result<Rows, PostgresError> {
        self.query(inspect::ACTIVITY, &[], limit).await
    }

    /// Has the server end the statement that runs now, if one does. For who stopped waiting: the server goes on with a
    /// statement though nobody is there any more.
    pub async fn cancel(&self) {
        let running = self.lock().take();
        let Some(running) = running else { return };
        let asked = async {
            if let Ok(stream) = stream::open(&self.address).await {
                // It is asked, never told whether it was heard.
                let _ = running.cancel_query_raw(stream, NoTls).await;
            }
        };
        let _ = tokio::time::timeout(GOODBYE, asked).await;
    }

    /// Works with a connection, within the deadline.
    async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&mut Client, &str) -> Result<T, PostgresError>,
    ) -> Result<T, PostgresError> {
        let server = self.address.server();
        let limit = self
            .left()
            .map(|left| left.saturating_sub(margin(left) / 2));
        let whole = self.connected(&server, work);
        match limit {
            None => whole.await,
            Some(limit) => tokio::time::timeout(limit, whole)
                .await
                .unwrap_or_else(|_| {
                    Err(PostgresError::Silent {
                        server: server.clone(),
                        limit: told(limit),
                    })
                }),
        }
    }

    async fn connected<T>(
        &self,
        server: &str,
        work: impl AsyncFnOnce(&mut Client, &str) -> Result<T, PostgresError>,
    ) -> Result<T, PostgresError> {
        let limit = self.address.connect_timeout;
        let opened = tokio::time::timeout(limit, async {
            let stream = stream::open(&self.address).await?;
            let config = self.config();
            let opened = config.connect_raw(stream, NoTls).await;
            opened.map_err(|error| match PostgresError::of(&error, server) {
                // No server greets at such a length.
                PostgresError::TooLarge { server, .. } => PostgresError::NotPostgres { server },
                error => error,
            })
        });
        let silent = |_| PostgresError::Silent {
            server: server.to_owned(),
            limit,
        };
        let (mut client, connection) = opened.await.map_err(silent)??;
        *self.lock() = Some(client.cancel_token());
        let mut connection = pin!(connection);
        let outcome = {
            let mut work = pin!(work(&mut client, server));
            tokio::select! {
                biased;
                outcome = &mut work => outcome,
                // The server's last word may have come together with the end.
                ended = &mut connection => match (work.now_or_never(), ended) {
                    (Some(outcome), _) => outcome,
                    (None, Err(error)) => Err(PostgresError::of(&error, server)),
                    (None, Ok(())) => Err(PostgresError::Cut {
                        server: server.to_owned(),
                        reason: "connection closed early".to_owned(),
                    }),
                },
            }
        };
        *self.lock() = None;
        let is_alive = !client.is_closed();
        drop(client);
        if is_alive {
            // A server writes down who leaves without a word.
            let _ = tokio::time::timeout(GOODBYE, connection).await;
        }
        outcome
    }

    fn config(&self) -> tokio_postgres::Config {
        let address = &self.address;
        let mut config = tokio_postgres::Config::new();
        config
            // The stream is encrypted already where it is to be.
            .ssl_mode(SslMode::Disable)
            .application_name(&address.application_name);
        if let Some(user) = &address.user {
            config.user(user);
        }
        if let Some(password) = &address.password {
            config.password(password.expose());
        }
        if let Some(database) = &address.database {
            config.dbname(database);
        }
        if let Some(options) = &address.options {
            config.options(options);
        }
        config
    }

    fn left(&self) -> Option<Duration> {
        let deadline = self.deadline?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    /// How long the server gives a statement: it must have time to say that it ended it.
    fn statement_limit(&self) -> Option<Duration> {
        let left = self.left()?;
        Some(
            left.saturating_sub(margin(left))
                .max(Duration::from_millis(1)),
        )
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<CancelToken>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is kept back of the time that is left, so that the end is told before the deadline.
fn margin(left: Duration) -> Duration {
    (left / 20).min(Duration::from_millis(100))
}

/// A length of time without what nobody asked for.
fn told(limit: Duration) -> Duration {
    Duration::from_millis(limit.as_millis().next_multiple_of(100) as u64)
}
