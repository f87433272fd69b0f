//! What can go wrong with a PostgreSQL server.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::error::ErrorPosition;

use crate::base::{Size, Span};
use crate::platform::bounds::BoundsBroken;
use crate::platform::dns::DnsError;
use crate::platform::tcp::ConnectError;
use crate::platform::tls::TlsError;

use super::stream::TooLong;

/// What the server calls a lock that was not to be had in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// What can go wrong with a PostgreSQL server. No message holds a password.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The host has no address.
    #[error("{0}")]
    Lookup(DnsError),
    /// No address of the host can be connected to.
    #[error("{0}")]
    Connect(ConnectError),
    /// The socket of this machine cannot be connected to.
    #[error("no server answers at the socket {}: {reason}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What happened.
        reason: String,
        /// Whether it was this process that may not.
        is_own: bool,
    },
    /// There is no TLS connection.
    #[error("{0}")]
    Tls(TlsError),
    /// The server does not offer TLS where it is asked for.
    #[error("{server} does not offer TLS")]
    NoTls {
        /// The server.
        server: String,
    },
    /// What answers is something else.
    #[error("{server} does not speak PostgreSQL's protocol")]
    NotPostgres {
        /// What was connected to.
        server: String,
    },
    /// The server asks for a password and there is none.
    #[error("{server} asks for a password{}", unused.as_ref().map_or_else(String::new, |unused| format!("; {unused}")))]
    NoPassword {
        /// The server.
        server: String,
        /// Why a file of passwords that is there is not used.
        unused: Option<String>,
    },
    /// None of several servers can be used.
    #[error("{}", nowhere(wanted, tried))]
    Nowhere {
        /// Which would do: `target_session_attrs`.
        wanted: &'static str,
        /// Each server and what came of it.
        tried: Vec<(String, String)>,
    },
    /// The server asks for a proof that is not known here.
    #[error("{server}: {reason}")]
    Authentication {
        /// The server.
        server: String,
        /// What it asks for.
        reason: String,
    },
    /// Nothing came back in time.
    #[error("no answer within {} from {server}", Span(*limit))]
    Silent {
        /// The server.
        server: String,
        /// How long it had.
        limit: Duration,
    },
    /// The server ended the statement at the limit that it was given.
    #[error("the statement took longer than {} and was ended by {server}", Span(*limit))]
    Late {
        /// The server.
        server: String,
        /// How long it had.
        limit: Duration,
    },
    /// The server says no.
    #[error("{message} (SQLSTATE {code})")]
    Server {
        /// The five characters of <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
        code: String,
        /// What it says, in its language.
        message: String,
        /// What it advises.
        hint: Option<String>,
        /// The place in the statement that it names, in bytes of what was sent.
        offset: Option<usize>,
    },
    /// A lock was waited for until there was no time left.
    #[error("{error}; it waited for {}", Holder::in_words(holders))]
    Waited {
        /// Who held it, shortly before.
        holders: Vec<Holder>,
        /// What came of it.
        error: Box<Self>,
    },
    /// A statement of a script failed, and with it the whole of it.
    #[error("{error}")]
    Script {
        /// How many statements had gone well.
        completed: usize,
        /// The place that the server names, in bytes of the script.
        offset: Option<usize>,
        /// What the server says.
        error: Box<Self>,
    },
    /// The change broke its bounds, and was taken back.
    #[error(transparent)]
    Bounds(#[from] BoundsBroken),
    /// How many rows change in all cannot be told.
    #[error(
        "{server} keeps no count of the rows that change (track_counts is off); nothing was changed"
    )]
    Uncounted {
        /// The server.
        server: String,
    },
    /// A statement ended the transaction that it stood in.
    #[error("a statement ended the transaction itself: what was done until then is kept")]
    Left,
    /// The server has not answered to what cannot be taken back.
    #[error("{error}; whether the change is kept is not known")]
    InDoubt {
        /// The server's number of the transaction.
        transaction: Option<String>,
        /// What happened instead of an answer.
        error: Box<Self>,
    },
    /// Nobody waits for the answer any more.
    #[error("stopped")]
    Stopped,
    /// The connection ended in the middle.
    #[error("the connection to {server} was cut: {reason}")]
    Cut {
        /// The server.
        server: String,
        /// How.
        reason: String,
    },
    /// A single row, or another message, is larger than is held in memory.
    #[error("{server} sent a row of {}: no value may be so large", Size(*bytes as u64))]
    TooLarge {
        /// The server.
        server: String,
        /// Its size, in bytes.
        bytes: usize,
    },
    /// The statement has another number of parameters than there are values.
    #[error("the statement has {places} parameters, and there are {given} values")]
    Parameters {
        /// How many it has.
        places: usize,
        /// How many values there are.
        given: usize,
    },
    /// An answer that cannot be read.
    #[error("an answer of {server} cannot be read: {reason}")]
    Unreadable {
        /// The server.
        server: String,
        /// Why.
        reason: String,
    },
}

/// A session that holds what another waits for, at the root of all who wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: i64,
    /// Its role.
    pub user: String,
    /// What it does: `active`, `idle in transaction`.
    pub state: String,
    /// For how many seconds its transaction is open.
    pub seconds: u64,
    /// Its last statement, as far as one may see it.
    pub query: String,
    /// How many others wait for it, or for others that do: neither the asker nor what else opsbook asks from here.
    pub waiting: u64,
}

/// Where in a text that was sent the server names a place, in bytes.
pub(super) fn place(error: &tokio_postgres::Error, text: &str) -> Option<usize> {
    match error.as_db_error()?.position()? {
        ErrorPosition::Original(position) => {
            let position = usize::try_from(*position).ok()?;
            Some(offset(text, position))
        }
        ErrorPosition::Internal { .. } => None,
    }
}

/// Where a character, counted from 1, begins, in bytes.
fn offset(text: &str, position: usize) -> usize {
    let mut characters = text.char_indices();
    let found = characters.nth(position.saturating_sub(1));
    found.map_or(text.len(), |(offset, _)| offset)
}

/// What came of each server.
fn nowhere(wanted: &str, tried: &[(String, String)]) -> String {
    let each = tried
        .iter()
        .map(|(server, what)| format!("{server}: {what}"));
    let each = each.collect::<Vec<_>>().join("; ");
    match wanted {
        "any" => format!("none of the servers can be used ({each})"),
        wanted => format!("none of the servers is {wanted} ({each})"),
    }
}

impl Holder {
    /// The sessions, one after the other.
    #[must_use]
    pub fn in_words(holders: &[Self]) -> String {
        let each = holders.iter().map(|holder| {
            let Self {
                pid, user, state, ..
            } = holder;
            let open = Span(Duration::from_secs(holder.seconds));
            let behind = match holder.waiting {
                0 => String::new(),
                1 => ", behind which 1 other waits".to_owned(),
                number => format!(", behind which {number} others wait"),
            };
            match pid {
                // One that was prepared holds without a session.
                0 => format!("{state}{behind}"),
                _ => {
                    let query = &holder.query;
                    format!("session {pid} of {user} ({state} for {open}){behind}: {query}")
                }
            }
        });
        each.collect::<Vec<_>>().join("; and for ")
    }
}

impl PostgresError {
    /// What the library's error means.
    pub(super) fn of(error: &tokio_postgres::Error, server: &str) -> Self {
        let server = server.to_owned();
        if let Some(said) = error.as_db_error() {
            return Self::Server {
                code: said.code().code().to_owned(),
                message: said.message().to_owned(),
                hint: said.hint().map(str::to_owned),
                offset: None,
            };
        }
        let source = error.source();
        let io = source.and_then(|source| source.downcast_ref::<io::Error>());
        let too_long = io
            .and_then(io::Error::get_ref)
            .and_then(|inner| inner.downcast_ref::<TooLong>());
        if let Some(too_long) = too_long {
            return Self::TooLarge {
                server,
                bytes: too_long.bytes,
            };
        }
        if error.is_closed() {
            return Self::Cut {
                server,
                reason: "connection closed early".to_owned(),
            };
        }
        let reason = source.map_or_else(|| error.to_string(), ToString::to_string);
        match error.to_string().as_str() {
            "error communicating with the server" => Self::Cut {
                server,
                reason: io.map_or(reason, crate::platform::tcp::reason),
            },
            "invalid configuration" => Self::NoPassword {
                server,
                unused: None,
            },
            "authentication error" => Self::Authentication { server, reason },
            // What is no message of the protocol.
            "unexpected message from server" | "error parsing response from server" => {
                Self::NotPostgres { server }
            }
            _ => Self::Unreadable { server, reason },
        }
    }

    /// The error with the place that the server names in the text that was sent.
    pub(super) fn in_text(self, error: &tokio_postgres::Error, sql: &str) -> Self {
        match self {
            Self::Server {
                code,
                message,
                hint,
                ..
            } => Self::Server {
                code,
                message,
                hint,
                offset: place(error, sql),
            },
            other => other,
        }
    }

    /// What the server calls the error, where it is the server's: SQLSTATE.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Server { code, .. } => Some(code),
            Self::Waited { error, .. } | Self::Script { error, .. } => error.code(),
            _ => None,
        }
    }

    /// Whether a lock was waited for in vain: somebody held it for longer than the limit.
    #[must_use]
    pub fn is_lock_timeout(&self) -> bool {
        self.code() == Some(LOCK_NOT_AVAILABLE)
    }
}

#[cfg(test)]
mod tests {
    use super::{Holder, offset};

    #[test]
    fn who_holds_is_a_session_or_a_prepared_transaction() {
        let session = Holder {
            pid: 7,
            user: "anna".to_owned(),
            state: "idle in transaction".to_owned(),
            seconds: 60,
            query: "SELECT 1".to_owned(),
            waiting: 2,
        };
        let prepared = Holder {
            pid: 0,
            state: "a prepared transaction".to_owned(),
            waiting: 1,
            ..session.clone()
        };
        assert_eq!(
            Holder::in_words(&[session, prepared]),
            "session 7 of anna (idle in transaction for 1m), behind which 2 others wait: SELECT 1; \
             and for a prepared transaction, behind which 1 other waits"
        );
    }

    #[test]
    fn the_place_of_a_character() {
        let script = "é;\nSELECT\n 1;";
        assert_eq!(offset(script, 1), 0);
        assert_eq!(offset(script, 2), 2);
        assert_eq!(offset(script, 4), 4);
        assert_eq!(offset(script, 999), script.len());
    }
}
