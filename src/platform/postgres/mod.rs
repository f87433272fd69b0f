//! PostgreSQL: one connection a call, ended with it. A read is in a transaction that is READ ONLY, a change in one that
//! is kept as a whole or not at all, and the server ends either by itself at the deadline. Must not decide what a piece of
//! SQL may do: such a transaction is no fence.

mod address;
mod change;
mod connect;
mod error;
mod inspect;
mod libpq;
mod locks;
mod query;
mod series;
mod session;
mod stage;
mod stream;
mod value;

use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::Value;
use tokio::time::Instant;
use tokio_postgres::Client;

use super::bounds::Bounds;
use super::halted::Halted;
use super::rows::{Changed, RowSender, Rows};
pub use address::{Address, AddressError, Surroundings, Wanted};
pub use change::{ChangeStatement, Script};
use connect::Opened;
pub use error::{Holder, PostgresError};
pub use inspect::TableSize;
use query::Taker;
pub use series::Held;
pub use session::Limits;
use session::{Cancel, LOCK_TIMEOUT, LOOK_TIMEOUT, Session, State, serve};
pub use stage::Stage;

/// How long a goodbye, or the request to end a statement, may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// What the server calls a statement that it runs in no transaction.
const WITHIN_TRANSACTION: &str = "25001";

/// A database of a PostgreSQL server.
pub struct Postgres {
    address: Address,
    deadline: Option<Instant>,
    limits: Limits,
    state: State,
}

impl Postgres {
    /// The database at this address.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            address,
            deadline: None,
            limits: Limits::default(),
            state: State::default(),
        }
    }

    /// Ends what it does shortly before this moment, so that it can say what it was doing.
    #[must_use]
    pub const fn until(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Gives the server no more time than this, and no more than there is until the deadline.
    #[must_use]
    pub const fn within(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The server, to be named: `db.example.com:5432`.
    #[must_use]
    pub fn server(&self) -> String {
        self.address.server()
    }

    /// The database's name in the server, where the address says it.
    #[must_use]
    pub fn database(&self) -> Option<&str> {
        self.address.database.as_deref()
    }

    /// How long another program may wait for a lock on its behalf: so long that of what is left until the deadline there is
    /// time to find out who holds it.
    #[must_use]
    pub fn lock_patience(&self) -> Duration {
        let patience = self.limits.lock.unwrap_or(LOCK_TIMEOUT);
        self.left().map_or(patience, |left| patience.min(left / 2))
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
        let limits = self.session_limits();
        self.read(limits, sql, parameters, limit).await
    }

    /// Runs one statement as [`Postgres::query`] does that looks at the database as a whole: it gives up soon where
    /// somebody holds a table, for who looks over a database in trouble needs the other looks too.
    ///
    /// # Errors
    /// As [`Postgres::query`].
    pub async fn look(
        &self,
        sql: &str,
        parameters: &[Value],
        limit: usize,
    ) -> Result<Rows, PostgresError> {
        self.read(self.look_limits(), sql, parameters, limit).await
    }

    async fn read(
        &self,
        limits: Limits,
        sql: &str,
        parameters: &[Value],
        limit: usize,
    ) -> Result<Rows, PostgresError> {
        self.with(patient(limits), async |client, server| {
            let known = (limits, &self.state);
            query::read(client, server, known, sql, parameters, limit).await
        })
        .await
    }

    /// Runs one statement as [`Postgres::query`] does and sends its rows on as they come. A decimal that no double holds is
    /// text, with every digit.
    ///
    /// # Errors
    /// As [`Postgres::query`]; some rows may have been sent by then.
    pub async fn stream(
        &self,
        sql: &str,
        parameters: &[Value],
        mut rows: RowSender,
    ) -> Result<(), PostgresError> {
        let limits = self.session_limits();
        self.with(patient(limits), async |client, server| {
            let known = (limits, &self.state);
            let taker = Taker::Sent(&mut rows);
            query::take(client, server, known, sql, parameters, taker).await
        })
        .await
    }

    /// Runs one statement within its bounds, all or nothing; rows that it gives (`RETURNING`) are kept as by
    /// [`Postgres::query`]. A statement that the server runs in no transaction is run alone, and no bounds hold it.
    ///
    /// # Errors
    /// As [`Postgres::query`], and when it breaks its bounds; then nothing was changed. Only
    /// [`PostgresError::InDoubt`] says that it may have been.
    pub async fn execute(
        &self,
        change: ChangeStatement<'_>,
        bounds: &Bounds,
    ) -> Result<Changed, PostgresError> {
        let done = self
            .change(async |session| change::execute(session, change, bounds).await)
            .await;
        match done {
            // The server tells before it does anything.
            Err(error) if error.code() == Some(WITHIN_TRANSACTION) && bounds.count.is_none() => {
                let alone = self.alone(&[change.sql]).await;
                alone.map_err(|halted| halted.error)?;
                Ok(Changed::default())
            }
            done => done,
        }
    }

    /// Runs statements one after the other in one session, each in no transaction: what the server runs in no other way.
    /// What they set holds for those behind them, and for nobody afterwards.
    ///
    /// # Errors
    /// As [`Postgres::execute`]. Those before it stay done, and what the one that failed did until then may stay.
    pub async fn alone(&self, statements: &[&str]) -> Result<(), Halted<PostgresError>> {
        let mut done = 0;
        let ended = self
            .change(async |session| change::alone(session, statements, &mut done).await)
            .await;
        ended.map_err(|error| Halted { done, error })
    }

    /// Runs the statements of a script in one transaction; gives how many rows they changed themselves. None of them may
    /// begin or end a transaction.
    ///
    /// # Errors
    /// As [`Postgres::execute`].
    pub async fn script(&self, script: Script<'_>) -> Result<u64, PostgresError> {
        self.change(async |session| change::script(session, script).await)
            .await
    }

    /// Runs the statements of a script in a read-only transaction; their rows are not kept.
    ///
    /// # Errors
    /// As [`Postgres::query`].
    pub async fn read_script(&self, sql: &str) -> Result<(), PostgresError> {
        self.change(async |session| change::read_script(session, sql).await)
            .await
    }

    /// What the server warned of since this value was made, and how many more warnings were not kept.
    #[must_use]
    pub fn warnings(&self) -> (Vec<String>, usize) {
        self.state.warnings()
    }

    /// The doubt in which a change is that nobody waits for any more: what cannot be taken back was sent, and not
    /// answered.
    #[must_use]
    pub fn doubt(&self, error: PostgresError) -> PostgresError {
        match self.state.keeping() {
            Some(keeping) => PostgresError::InDoubt {
                transaction: keeping.transaction,
                error: Box::new(error),
            },
            None => error,
        }
    }

    /// Whether a statement that the server runs in no transaction is under way, or has failed: what it did may stay.
    #[must_use]
    pub fn may_have_left_something(&self) -> bool {
        self.state.is_alone()
    }

    /// How often the server has answered that something is kept, since this value was made.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.state.kept()
    }

    /// Connects and has the server answer.
    ///
    /// # Errors
    /// As [`Postgres::query`].
    pub async fn ping(&self) -> Result<(), PostgresError> {
        self.query("SELECT 1", &[], 1).await.map(|_| ())
    }

    /// How far the last connection came, and how long each part of the way took. Of a socket of this machine there is
    /// nothing before the login.
    #[must_use]
    pub fn stages(&self) -> Vec<(Stage, Duration)> {
        self.state.stages(|stages| stages.taken())
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
        let rows = self.look(inspect::TABLES, &[], usize::MAX).await?.rows;
        Ok(rows.iter().map(TableSize::of).collect())
    }

    /// What the database takes on the disk, as names of parts and bytes.
    ///
    /// # Errors
    /// As [`Postgres::query`].
    pub async fn size(&self) -> Result<Vec<(String, u64)>, PostgresError> {
        let rows = self.look(inspect::SIZE, &[], 1).await?.rows;
        let parts = rows.into_iter().flatten();
        Ok(parts
            .map(|(part, bytes)| (part, bytes.as_u64().unwrap_or_default()))
            .collect())
    }

    /// Has the server end the statement that runs now, if one does. For who stopped waiting: the server goes on with a
    /// statement though nobody is there any more.
    pub async fn cancel(&self) {
        let Some(Cancel { token, server, way }) = self.state.cancel() else {
            return;
        };
        let place = &self.address.servers[server].place;
        let ways = self.address.tls.mode.ways();
        let asked = async {
            let unwatched = State::default();
            let opened = stream::open(place, &self.address.tls, &ways[way], &unwatched).await;
            if let Ok(stream) = opened {
                // It is asked, never told whether it was heard.
                let _ = token.cancel_query_raw(stream, stream::Already).await;
            }
        };
        let _ = tokio::time::timeout(GOODBYE, asked).await;
    }

    /// Works in a session that may change something.
    async fn change<T>(
        &self,
        work: impl AsyncFnOnce(&Session<'_>) -> Result<T, PostgresError>,
    ) -> Result<T, PostgresError> {
        let limits = self.session_limits();
        self.with(patient(limits), async |client, server| {
            work(&Session::new(client, server, limits, &self.state)).await
        })
        .await
    }

    /// Works with a connection, within the deadline; tells who held what it waited for longer than it may.
    async fn with<T>(
        &self,
        patience: Limits,
        work: impl AsyncFnOnce(&mut Client, &str) -> Result<T, PostgresError>,
    ) -> Result<T, PostgresError> {
        self.watched(patience, self.in_time(work)).await
    }

    /// Tells who held what this work waited for longer than it may.
    async fn watched<T>(
        &self,
        patience: Limits,
        work: impl Future<Output = Result<T, PostgresError>>,
    ) -> Result<T, PostgresError> {
        let mut working = pin!(work);
        let mut watching = pin!(self.holders(patience));
        let mut holders = None;
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut working => break outcome,
                found = &mut watching, if holders.is_none() => holders = Some(found),
            }
        };
        let holders = holders.unwrap_or_default();
        outcome.map_err(|error| match error {
            PostgresError::Late { .. } | PostgresError::Silent { .. } if !holders.is_empty() => {
                waited(error, holders)
            }
            error if error.is_lock_timeout() && !holders.is_empty() => waited(error, holders),
            error => error,
        })
    }

    async fn in_time<T>(
        &self,
        work: impl AsyncFnOnce(&mut Client, &str) -> Result<T, PostgresError>,
    ) -> Result<T, PostgresError> {
        let limit = self
            .left()
            .map(|left| left.saturating_sub(margin(left) / 2));
        let whole = self.connected(work);
        let outcome = match limit {
            None => whole.await,
            Some(limit) => tokio::time::timeout(limit, whole)
                .await
                .unwrap_or_else(|_| {
                    Err(PostgresError::Silent {
                        server: self.address.server(),
                        limit: told(limit),
                    })
                }),
        };
        outcome.map_err(|error| self.doubt(error))
    }

    async fn connected<T>(
        &self,
        work: impl AsyncFnOnce(&mut Client, &str) -> Result<T, PostgresError>,
    ) -> Result<T, PostgresError> {
        let Opened {
            mut client,
            mut connection,
            server: number,
            way,
        } = self.open().await?;
        let server = &self.name_of(number);
        self.state.stages(|stages| stages.begins(Stage::Query));
        self.state.begins(Cancel {
            token: client.cancel_token(),
            server: number,
            way,
        });
        let mut connection = pin!(serve(&mut connection, &self.state));
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
                        server: server.clone(),
                        reason: "connection closed early".to_owned(),
                    }),
                },
            }
        };
        self.state.ends();
        let is_alive = !client.is_closed();
        drop(client);
        if is_alive {
            // A server writes down who leaves without a word.
            let _ = tokio::time::timeout(GOODBYE, connection).await;
        }
        outcome
    }

    fn left(&self) -> Option<Duration> {
        let deadline = self.deadline?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    /// What a session is told.
    fn session_limits(&self) -> Limits {
        Limits {
            statement: self.statement_limit(),
            lock: self.limits.lock,
        }
    }

    /// What a session is told that looks at the database as a whole.
    fn look_limits(&self) -> Limits {
        let limits = self.session_limits();
        let lock = limits.lock.unwrap_or(LOOK_TIMEOUT).min(LOOK_TIMEOUT);
        Limits {
            lock: Some(lock),
            ..limits
        }
    }

    /// How long the server gives a statement: it must have time to say that it ended it.
    fn statement_limit(&self) -> Option<Duration> {
        let left = self.left().map(|left| {
            left.saturating_sub(margin(left))
                .max(Duration::from_millis(1))
        });
        match (left, self.limits.statement) {
            (Some(left), Some(limit)) => Some(left.min(limit)),
            (left, limit) => left.or(limit),
        }
    }
}

/// How long is waited where nobody else says.
fn patient(limits: Limits) -> Limits {
    Limits {
        lock: limits.lock.or(Some(LOCK_TIMEOUT)),
        ..limits
    }
}

fn waited(error: PostgresError, holders: Vec<Holder>) -> PostgresError {
    PostgresError::Waited {
        holders,
        error: Box::new(error),
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
