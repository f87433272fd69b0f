//! What a session is told before anything else, and what it says beside its answers: limits of time, warnings, who it is.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::{
    AsyncMessage, CancelToken, Client, Connection, SimpleQueryMessage, Statement,
};

use super::PostgresError;
use super::stage::Stages;

/// What the server calls a statement that was ended: by its limit of time, or because somebody asked for it.
const ENDED: &str = "57014";

/// How often the server looks, in milliseconds, whether there still is somebody for whom it runs a statement.
const LOOKS_AFTER_CLIENT: u32 = 2_000;

/// How long a session waits for a lock where neither the configuration nor the role says: what waits keeps everybody
/// waiting who comes behind it.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a look at the database as a whole waits for one, at most.
pub(super) const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// How many bytes of warnings are kept.
const MOST_WARNINGS: usize = 16 * 1024;

/// How long the server may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// A statement.
    pub statement: Option<Duration>,
    /// Waiting for a lock.
    pub lock: Option<Duration>,
}

impl Limits {
    /// The statement that tells the session its limits, and asks for its number. With `is_local` they end with the
    /// transaction: behind a pooler, the session is another's next.
    pub(super) fn told(&self, lock_unless_said: Option<Duration>, is_local: bool) -> String {
        let set = |name: &str, limit: Duration| {
            format!(
                "set_config('{name}', '{}', {is_local})",
                milliseconds(limit)
            )
        };
        let statement = self.statement.map(|limit| set("statement_timeout", limit));
        let lock = match (self.lock, lock_unless_said) {
            (Some(limit), _) => Some(set("lock_timeout", limit)),
            (None, Some(limit)) => Some(format!(
                "CASE WHEN current_setting('lock_timeout') = '0' THEN {} END",
                set("lock_timeout", limit)
            )),
            (None, None) => None,
        };
        // Only some systems can be asked whether the other side is still there; where not, setting it is an error.
        let looks = format!(
            "CASE WHEN current_setting('server_version_num')::int >= 140000 AND version() LIKE '%linux%' \
             THEN set_config('client_connection_check_interval', '{LOOKS_AFTER_CLIENT}', {is_local}) END"
        );
        let all: Vec<String> = ["pg_backend_pid()".to_owned()]
            .into_iter()
            .chain(statement)
            .chain(lock)
            .chain([looks])
            .collect();
        format!("SELECT {}", all.join(", "))
    }
}

/// A limit in milliseconds as the server takes it: 0 would mean none, and more than 24 days do not fit.
fn milliseconds(limit: Duration) -> u128 {
    limit.as_millis().clamp(1, i32::MAX as u128)
}

/// What is known of the session that runs now.
#[derive(Debug, Default)]
pub(super) struct State(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// What ends the statement that runs now.
    cancel: Option<Cancel>,
    /// The number of the session.
    pid: Option<i32>,
    /// The change that is being kept: from now until the server has answered, nobody knows whether it is.
    keeping: Option<Keeping>,
    /// Whether a statement was sent that runs in no transaction, and it is not told yet how that ended.
    runs_alone: bool,
    /// How often the server has answered that something is kept.
    kept: u64,
    warnings: Vec<String>,
    unkept_warnings: usize,
    /// How far the connection came.
    stages: Stages,
}

/// What ends a statement, and the server and the way to it, as numbers in the address.
pub(super) struct Cancel {
    pub(super) token: CancelToken,
    pub(super) server: usize,
    pub(super) way: usize,
}

/// Tokens tell nothing.
impl std::fmt::Debug for Cancel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Cancel")
    }
}

/// A change whose end is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keeping {
    /// The server's number of the transaction, where it has one.
    pub(super) transaction: Option<String>,
}

impl State {
    pub(super) fn begins(&self, cancel: Cancel) {
        self.with(|known| known.cancel = Some(cancel));
    }

    pub(super) fn ends(&self) {
        self.with(|known| (known.cancel, known.pid) = (None, None));
    }

    pub(super) fn cancel(&self) -> Option<Cancel> {
        self.with(|known| known.cancel.take())
    }

    pub(super) fn pid(&self) -> Option<i32> {
        self.with(|known| known.pid)
    }

    pub(super) fn keeps(&self, keeping: Option<Keeping>) {
        self.with(|known| known.keeping = keeping);
    }

    /// Something is kept: nothing takes it back any more.
    pub(super) fn has_kept(&self) {
        self.with(|known| known.kept = known.kept.saturating_add(1));
    }

    pub(super) fn kept(&self) -> u64 {
        self.with(|known| known.kept)
    }

    /// From now on, or no longer, a statement runs in no transaction: what one that fails did until then may stay.
    pub(super) fn runs_alone(&self, runs: bool) {
        self.with(|known| known.runs_alone = runs);
    }

    pub(super) fn is_alone(&self) -> bool {
        self.with(|known| known.runs_alone)
    }

    pub(super) fn keeping(&self) -> Option<Keeping> {
        self.with(|known| known.keeping.clone())
    }

    /// Works with how far the connection came.
    pub(super) fn stages<T>(&self, work: impl FnOnce(&mut Stages) -> T) -> T {
        self.with(|known| work(&mut known.stages))
    }

    /// What the server warned of, and how many warnings were not kept.
    pub(super) fn warnings(&self) -> (Vec<String>, usize) {
        self.with(|known| (known.warnings.clone(), known.unkept_warnings))
    }

    fn warned(&self, said: &DbError) {
        if said.parsed_severity() != Some(Severity::Warning) && said.severity() != "WARNING" {
            return;
        }
        self.with(|known| {
            let bytes: usize = known.warnings.iter().map(String::len).sum();
            if bytes + said.message().len() > MOST_WARNINGS {
                known.unkept_warnings += 1;
            } else {
                known.warnings.push(said.message().to_owned());
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Serves a connection until it ends, and keeps what the server warns of. The connection stays: with it, what waits for
/// an answer would learn that there is none before it is told why.
pub(super) async fn serve<S, T>(
    connection: &mut Connection<S, T>,
    state: &State,
) -> Result<(), tokio_postgres::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut messages = stream::poll_fn(|context| connection.poll_message(context));
    while let Some(message) = messages.next().await {
        if let AsyncMessage::Notice(said) = message? {
            state.warned(&said);
        }
    }
    Ok(())
}

/// A session at work: everything that its statements need beside themselves.
#[derive(Clone, Copy)]
pub(super) struct Session<'s> {
    pub(super) client: &'s Client,
    pub(super) server: &'s str,
    pub(super) limits: Limits,
    pub(super) state: &'s State,
    pub(super) began: Instant,
}

impl<'s> Session<'s> {
    pub(super) fn new(
        client: &'s Client,
        server: &'s str,
        limits: Limits,
        state: &'s State,
    ) -> Self {
        Self {
            client,
            server,
            limits,
            state,
            began: Instant::now(),
        }
    }

    /// Runs statements that nobody else wrote; gives the values of their rows.
    pub(super) async fn ask(
        &self,
        sql: &str,
    ) -> Result<Vec<Vec<Option<String>>>, tokio_postgres::Error> {
        let messages = self.client.simple_query(sql).await?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|column| row.get(column).map(str::to_owned))
                    .collect(),
            ),
            _ => None,
        });
        Ok(rows.collect())
    }

    /// Tells the session its limits, which end with its transaction.
    pub(super) async fn settle(&self) -> Result<(), tokio_postgres::Error> {
        let told = self
            .ask(&self.limits.told(Some(LOCK_TIMEOUT), true))
            .await?;
        self.is_known(&told);
        Ok(())
    }

    /// Keeps the number of the session, which is the first value of the answer to [`Limits::told`].
    pub(super) fn is_known(&self, told: &[Vec<Option<String>>]) {
        let first = told.first().and_then(|row| row.first()?.as_deref());
        let pid = first.and_then(|pid| pid.parse().ok());
        self.state.with(|known| known.pid = pid);
    }

    /// Prepares a statement. The place of a mistake is one in this text: of one that runs nobody can say so.
    pub(super) async fn prepare(&self, sql: &str) -> Result<Statement, PostgresError> {
        let prepared = self.client.prepare(sql).await;
        prepared.map_err(|error| self.trouble(&error).in_text(&error, sql))
    }

    /// What the library's error means here.
    pub(super) fn trouble(&self, error: &tokio_postgres::Error) -> PostgresError {
        match PostgresError::of(error, self.server) {
            error if error.code() != Some(ENDED) => error,
            error => match self.limits.statement {
                // Clocks of two machines: what came about then was the limit.
                Some(limit) if self.began.elapsed() >= limit.mul_f64(0.9) => PostgresError::Late {
                    server: self.server.to_owned(),
                    limit: super::told(limit),
                },
                _ => error,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LOCK_TIMEOUT, Limits, milliseconds};

    #[test]
    fn a_limit_is_one_that_the_server_takes() {
        assert_eq!(milliseconds(Duration::ZERO), 1);
        assert_eq!(milliseconds(Duration::from_secs(30)), 30_000);
        assert_eq!(
            milliseconds(Duration::from_secs(30 * 86_400)),
            2_147_483_647
        );
    }

    #[test]
    fn a_lock_is_waited_for_as_long_as_was_said_and_else_not_for_ever() {
        let none = Limits::default();
        assert!(!none.told(None, true).contains("_timeout"));
        let unless_said = none.told(Some(LOCK_TIMEOUT), true);
        assert!(
            unless_said.contains(
                "current_setting('lock_timeout') = '0' THEN set_config('lock_timeout', '10000', true)"
            ),
            "{unless_said}"
        );
        let said = Limits {
            lock: Some(Duration::from_secs(2)),
            ..none
        };
        let said = said.told(Some(LOCK_TIMEOUT), false);
        assert!(
            said.contains(", set_config('lock_timeout', '2000', false)"),
            "{said}"
        );
    }
}
