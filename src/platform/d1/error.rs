//! What can go wrong between here and a D1 database, and what it means: for trying again, and for a change that was under
//! way.

use serde_json::Value;

use crate::base::text::{fit, one_line};

use crate::platform::http::{HttpCause, HttpError, Phase};

/// A message quotes at most so many characters of the API.
const QUOTED: usize = 300;

/// What D1 says, in lower case, where nothing is wrong with the statement and the same may work a moment later; wrangler
/// quotes it. From the lists of D1's documentation and of its users.
/// See <https://developers.cloudflare.com/d1/observability/debug-d1/>.
pub(in crate::platform) const PASSING: [&str; 8] = [
    "code was updated",
    "storage caused object to be reset",
    "network connection lost",
    "cannot resolve d1 db due to transient issue on remote node",
    "can't read from request stream because client disconnected",
    "d1 db is overloaded",
    "storage operation exceeded timeout",
    "internal error; reference",
];

/// What can go wrong with D1. No message holds the token.
#[derive(Debug, thiserror::Error)]
pub enum D1Error {
    /// There is no answer.
    #[error("{0}")]
    Http(Box<HttpError>),
    /// The API does not know who asks: 401.
    #[error("the API does not accept the token: {0}")]
    Unauthorized(String),
    /// The API does not let this token do it: 403.
    #[error("the token may not do this: {0}")]
    Forbidden(String),
    /// There is no such account or database.
    #[error("there is no D1 database {name:?} in this account")]
    Missing {
        /// What was looked for.
        name: String,
    },
    /// Too many requests of this account: 429.
    #[error("the API answers no more requests of this account{}", after(*.retry_after))]
    TooMany {
        /// How long to wait, in seconds, where the API says it.
        retry_after: Option<u64>,
    },
    /// The request is longer than the API takes: 413. Nothing of it was done.
    #[error("the API takes no request of {bytes} bytes; nothing was done")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// D1 refuses the statement: nothing of it was done.
    #[error("{0}")]
    Refused(String),
    /// D1 is in trouble that often passes.
    #[error("{0}")]
    Passing(String),
    /// The API is in trouble itself: 5xx.
    #[error("the API answers {status}: {message}{}", asks(*.retry_after))]
    Failing {
        /// The status.
        status: u16,
        /// What it says.
        message: String,
        /// How long to wait, in seconds, where it says it.
        retry_after: Option<u64>,
    },
    /// The answer is not what is documented.
    #[error("the answer of the API cannot be read: {0}")]
    Unreadable(&'static str),
    /// A value that D1 cannot take as it is.
    #[error("{value} cannot be bound exactly in D1")]
    Inexact {
        /// The value.
        value: String,
    },
}

fn after(retry_after: Option<u64>) -> String {
    retry_after.map_or_else(String::new, |seconds| {
        format!(" before {seconds} s are over")
    })
}

fn asks(retry_after: Option<u64>) -> String {
    retry_after.map_or_else(String::new, |seconds| {
        format!("; it asks to wait {seconds} s")
    })
}

impl D1Error {
    /// D1's own words, as what they mean.
    pub(super) fn of_d1(said: String) -> Self {
        let lower = said.to_ascii_lowercase();
        if PASSING.iter().any(|passing| lower.contains(passing)) {
            Self::Passing(said)
        } else {
            Self::Refused(said)
        }
    }

    /// Whether no answer came in time.
    #[must_use]
    pub fn is_late(&self) -> bool {
        matches!(self, Self::Http(error) if matches!(error.cause, HttpCause::Timeout { .. }))
    }

    /// Whether what was asked for may have been done all the same: the request had gone out, and nobody said that it was
    /// turned away.
    #[must_use]
    pub fn may_be_done(&self) -> bool {
        match self {
            Self::Http(error) => matches!(error.phase, Phase::Wait | Phase::Receive),
            Self::Passing(_) | Self::Failing { .. } | Self::Unreadable(_) => true,
            Self::Unauthorized(_)
            | Self::Forbidden(_)
            | Self::Missing { .. }
            | Self::TooMany { .. }
            | Self::TooLong { .. }
            | Self::Refused(_)
            | Self::Inexact { .. } => false,
        }
    }
}

/// What the API says is wrong, each mistake with its code.
pub(super) fn said(errors: &Value) -> String {
    let errors = errors.as_array().map(Vec::as_slice).unwrap_or_default();
    let each = errors.iter().filter_map(|error| {
        let message = error.get("message")?.as_str()?;
        Some(match error.get("code").and_then(Value::as_i64) {
            Some(code) => format!("{message} (code {code})"),
            None => message.to_owned(),
        })
    });
    fit(&one_line(&each.collect::<Vec<_>>().join("; ")), QUOTED)
}
