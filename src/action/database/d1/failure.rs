//! Why a D1 database did not do what it should, with whose trouble it is and what to do about it.

use crate::base::text::one_line;
use crate::engine::ActionError;
use crate::platform::d1::{D1Error, LONGEST_STATEMENT};
use crate::platform::http::Blame;
use crate::platform::process::ProcessError;
use crate::platform::wrangler::WranglerError;

/// What went wrong on one of the ways.
#[derive(Debug)]
pub(super) enum Failure {
    /// The API.
    Api(D1Error),
    /// wrangler.
    Wrangler(WranglerError),
    /// A secret would stand on wrangler's command line.
    Shown,
    /// A statement has so many bytes with its values, of which wrangler binds none.
    TooLong(usize),
}

impl Failure {
    /// D1's words where it refuses a statement: then nothing was done.
    pub(super) fn refusal(&self) -> Option<&str> {
        match self {
            Self::Api(D1Error::Refused(words)) | Self::Wrangler(WranglerError::Refused(words)) => {
                Some(words)
            }
            _ => None,
        }
    }

    /// The trouble of what changes nothing.
    pub(super) fn trouble(&self, table: &str) -> ActionError {
        match self {
            Self::Api(error) => of_api(error, table),
            Self::Wrangler(error) => of_wrangler(error, table),
            Self::Shown => ActionError::config(
                "the statement holds a secret, and would stand on wrangler's command line, where everybody on this \
                 machine can read it; nothing was sent",
            )
            .help(format!("say via = \"api\" in [database.{table}]")),
            Self::TooLong(bytes) => ActionError::config(format!(
                "a statement has {bytes} bytes with its values, of which wrangler binds none, and D1 takes at most \
                 {LONGEST_STATEMENT}; nothing was sent"
            ))
            .help("write several, or say via = \"api\", which sends values apart"),
        }
    }

    /// The trouble of a change that was under way: it may have been done all the same.
    pub(super) fn of_change(&self, table: &str) -> ActionError {
        let trouble = self.trouble(table);
        let may_be_done = match self {
            Self::Api(error) => error.may_be_done(),
            Self::Wrangler(error) => error.may_be_done(),
            Self::Shown | Self::TooLong(_) => false,
        };
        if !may_be_done {
            return trouble;
        }
        let message = format!("{}; it is not known whether it was done", trouble.message);
        ActionError { message, ..trouble }
            .in_doubt()
            .help("look what is there before you do it again")
    }
}

/// D1's words stay: they are what people search for.
fn of_api(error: &D1Error, table: &str) -> ActionError {
    let message = one_line(&error.to_string());
    match error {
        D1Error::Http(http) => {
            let failure = match http.cause.blame() {
                _ if error.is_late() => ActionError::late(message),
                Blame::Target => ActionError::target(message),
                Blame::Request | Blame::Own => ActionError::own(message),
            };
            match http.remedy() {
                Some(remedy) => failure.help(remedy),
                None => failure,
            }
        }
        D1Error::Unauthorized(_) => ActionError::own(message).help(format!(
            "correct `token` of [database.{table}], or CLOUDFLARE_API_TOKEN"
        )),
        D1Error::Forbidden(_) => ActionError::own(message).help(
            "give the token the permission D1 Read, and check that the account is the database's",
        ),
        D1Error::Missing { .. } => ActionError::target(message).help(format!(
            "correct `name` or `id` of [database.{table}], and the account"
        )),
        D1Error::TooMany { .. } => ActionError::target(message).help(
            "1200 requests in 5 minutes are allowed to all that this user does: ask less often",
        ),
        D1Error::TooLong { .. } => ActionError::target(message).help(
            "divide the script, or say via = \"wrangler\", which imports a long one as a file",
        ),
        D1Error::Refused(_) => ActionError::target(message),
        D1Error::Failing { .. } | D1Error::Passing(_) => {
            ActionError::target(message).help("such trouble often passes; `retry` tries again")
        }
        D1Error::Unreadable(_) => ActionError::target(message)
            .help("see whether CLOUDFLARE_API_BASE_URL is what it should be"),
        D1Error::Inexact { .. } => ActionError::config(message)
            .help("write it as text and cast it: CAST('…' AS INTEGER), or unhex('…') for a blob"),
    }
}

/// wrangler's words stay too.
fn of_wrangler(error: &WranglerError, table: &str) -> ActionError {
    let message = one_line(&error.to_string());
    match error {
        WranglerError::Program(ProcessError::NotInPath(_) | ProcessError::NoFile(_)) => {
            ActionError::own(message).help(format!(
                "npm install --save-dev wrangler, name the program as `tool` in [database.{table}], or say via = \"api\""
            ))
        }
        WranglerError::Program(_) | WranglerError::Folder(_) => ActionError::own(message).help(
            format!("check `tool` and `wrangler` of [database.{table}], and who may read and run them"),
        ),
        WranglerError::TooOld { .. } => ActionError::own(message)
            .help("npm install --save-dev wrangler@4, or say via = \"api\""),
        WranglerError::NodeTooOld(_) => ActionError::own(message)
            .help("put a newer Node.js first in PATH, or say via = \"api\""),
        WranglerError::LoggedOut => ActionError::own(message).help(format!(
            "set `token` in [database.{table}], or the variable CLOUDFLARE_API_TOKEN, or run wrangler login"
        )),
        WranglerError::Unauthorized(_) => ActionError::own(message).help(
            "give the token the permission D1 Edit (D1 Read for reads), and check that the account is the database's",
        ),
        WranglerError::TooMany(_) => ActionError::target(message)
            .help("1200 requests in 5 minutes are allowed to all that this user does: ask less often"),
        WranglerError::Missing(_) => ActionError::target(message).help(format!(
            "correct `name` or `wrangler` of [database.{table}]: the copy of this machine is known by wrangler's configuration only"
        )),
        WranglerError::Locked(_) => ActionError::target(message).help(
            "see who holds it: fuser -v on the .sqlite file below .wrangler/state or `persist_to`; `retry` waits for longer",
        ),
        WranglerError::Refused(_) => ActionError::target(message),
        WranglerError::Failing(_) | WranglerError::NotUploaded(_) => {
            ActionError::target(message).help("such trouble often passes; `retry` tries again")
        }
        WranglerError::Late(_) => {
            ActionError::late(message).help("`timeout` of the step says how long it may take")
        }
        WranglerError::Killed(_) => ActionError::own(message),
        WranglerError::TooLong { .. } => {
            ActionError::config(message).help("write fewer at once, or say via = \"api\"")
        }
        WranglerError::Transaction => ActionError::config(message)
            .help("write those words apart, as 'BEGIN ' || 'TRANSACTION', or say via = \"api\""),
        WranglerError::TooMuch | WranglerError::Unreadable(_) => {
            ActionError::target(message).help("ask for fewer rows: LIMIT, or say via = \"api\"")
        }
    }
}
