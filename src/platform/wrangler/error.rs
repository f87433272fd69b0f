//! What can go wrong with wrangler, told apart by its own words: every failure ends with the same exit code.

use std::io;
use std::time::Duration;

use crate::base::text::took;

use super::super::d1::PASSING;
use super::super::process::ProcessError;

/// What can go wrong with wrangler. No message holds what it was called with.
#[derive(Debug, thiserror::Error)]
pub enum WranglerError {
    /// It cannot be run.
    #[error(transparent)]
    Program(#[from] ProcessError),
    /// There is no room for what it needs.
    #[error("wrangler needs a folder for temporary files, and none can be made: {0}")]
    Folder(io::Error),
    /// It is older than what is known here.
    #[error("this wrangler says its version is {version:?}, and 4.0.0 or newer is needed")]
    TooOld {
        /// What it says.
        version: String,
    },
    /// The Node.js that it runs on is too old for it.
    #[error("{0}")]
    NodeTooOld(String),
    /// Nobody is logged in and no token is set.
    #[error("wrangler is not logged in, and no token is set")]
    LoggedOut,
    /// The API does not accept who asks, or lets them not do it.
    #[error("wrangler was turned away: {0}")]
    Unauthorized(String),
    /// Too many requests.
    #[error("wrangler was turned away, for there were too many requests: {0}")]
    TooMany(String),
    /// There is no such database.
    #[error("{0}")]
    Missing(String),
    /// Another process holds a lock, of the copy on this machine: nothing was done.
    #[error("the database is locked by another process: {0}")]
    Locked(String),
    /// D1 refuses the statement: nothing of it was done.
    #[error("{0}")]
    Refused(String),
    /// The API, or the way to it, is in trouble.
    #[error("wrangler gave up: {0}")]
    Failing(String),
    /// Its time was over.
    #[error("wrangler did not end within {}", took(.0.as_secs_f64() * 1000.0))]
    Late(Duration),
    /// A signal ended it.
    #[error("wrangler was ended by signal {0}")]
    Killed(i32),
    /// The statements are too long.
    #[error("the statements have {bytes} bytes, more than wrangler takes in one call that answers")]
    TooLong {
        /// How long they are.
        bytes: usize,
    },
    /// wrangler would change them.
    #[error(
        "wrangler takes the words BEGIN TRANSACTION out of statements, wherever they stand; nothing was sent"
    )]
    Transaction,
    /// The file to import did not arrive.
    #[error("wrangler could not upload the file; nothing was done: {0}")]
    NotUploaded(String),
    /// It said more than is read.
    #[error("the answer is longer than 32 MiB")]
    TooMuch,
    /// What it said is not what it is known to say.
    #[error("the answer of wrangler cannot be read: {0}")]
    Unreadable(&'static str),
}

/// Makes an error of wrangler's words.
type Kind = fn(String) -> WranglerError;

/// What SQLite says of a lock, in lower case; where workerd meets it on its own behalf, its log alone says it.
const LOCKED: &str = "database is locked: sqlite_busy";

/// What stands in wrangler's words for each kind of failure, from the more to the less certain.
const KINDS: [(&[&str], Kind); 11] = [
    (
        &["wrangler requires at least node.js"],
        WranglerError::NodeTooOld,
    ),
    (
        &["could not be uploaded", "did not upload successfully"],
        WranglerError::NotUploaded,
    ),
    (
        &[
            "necessary to set a cloudflare_api_token",
            "you must be logged in",
            "not logged in",
            "you are not authenticated",
        ],
        |_| WranglerError::LoggedOut,
    ),
    (
        &["couldn't find a d1 db", "couldn't find db with name"],
        WranglerError::Missing,
    ),
    (
        &["[code: 10000]", "[code: 7403]", "[code: 9109]"],
        WranglerError::Unauthorized,
    ),
    (
        &["[code: 971]", "too many requests", "rate limit"],
        WranglerError::TooMany,
    ),
    (&[LOCKED], WranglerError::Locked),
    (
        &[
            "fetch failed",
            "terminated",
            "malformed response",
            "waf block page",
        ],
        WranglerError::Failing,
    ),
    // D1's passing trouble has the code of a refusal.
    (&PASSING, WranglerError::Failing),
    (&["sqlite_", "[code: 7500]"], WranglerError::Refused),
    (&["no such d1", "7404"], WranglerError::Missing),
];

impl WranglerError {
    /// What wrangler's words mean.
    pub(super) fn of(said: &str) -> Self {
        let lower = said.to_ascii_lowercase();
        let known = KINDS
            .iter()
            .find(|(words, _)| words.iter().any(|word| lower.contains(word)));
        match known {
            Some((_, kind)) => kind(said.to_owned()),
            None => Self::Failing(said.to_owned()),
        }
    }

    /// The same of an import that was begun: whoever was turned away may only have asked how it goes.
    pub(super) fn of_import_begun(self) -> Self {
        match self {
            Self::TooMany(said) | Self::Unauthorized(said) | Self::Locked(said) => {
                Self::Failing(said)
            }
            other => other,
        }
    }

    /// Whether what was asked for may have been done all the same.
    #[must_use]
    pub const fn may_be_done(&self) -> bool {
        matches!(
            self,
            Self::Failing(_)
                | Self::Late(_)
                | Self::Killed(_)
                | Self::TooMuch
                | Self::Unreadable(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::WranglerError;

    #[test]
    fn its_words_tell_what_went_wrong() {
        for (said, kind) in [
            (
                "Wrangler requires at least Node.js v22.12.0. You are using v20.20.2.",
                "NodeTooOld",
            ),
            (
                "In a non-interactive environment, it's necessary to set a CLOUDFLARE_API_TOKEN environment variable",
                "LoggedOut",
            ),
            (
                "A request failed: Authentication error [code: 10000]",
                "Unauthorized",
            ),
            (
                "Couldn't find a D1 DB with the name or binding 'x' in your wrangler.jsonc file.",
                "Missing",
            ),
            ("no such table: t: SQLITE_ERROR", "Refused"),
            ("database is locked: SQLITE_BUSY", "Locked"),
            (
                "internal error; reference = x: database is locked: SQLITE_BUSY",
                "Locked",
            ),
            (
                "internal error; reference = x: disk I/O error: SQLITE_IOERR",
                "Failing",
            ),
            ("Network connection lost. [code: 7500]", "Failing"),
            (
                "D1 DB storage operation exceeded timeout which caused object to be reset. [code: 7500]",
                "Failing",
            ),
            (
                "Cannot resolve D1 DB due to transient issue on remote node. [code: 7500]",
                "Failing",
            ),
            ("fetch failed", "Failing"),
            ("something new", "Failing"),
        ] {
            let told = format!("{:?}", WranglerError::of(said));
            assert!(told.starts_with(kind), "{said}: {told}");
        }
    }
}
