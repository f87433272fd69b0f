//! What `manual` and `ask` share: a person's answer, who gave it and when, and what its absence means.

use crate::base::{Clock, SystemClock};
use crate::engine::{ActionError, Outputs, PromptError};
use crate::model::OutputSpec;

pub(super) const ANSWER: OutputSpec = OutputSpec {
    name: "answer",
    help: "the answer",
};

pub(super) const BY: OutputSpec = OutputSpec {
    name: "by",
    help: "who gave it: the name of the account",
};

pub(super) const AT: OutputSpec = OutputSpec {
    name: "at",
    help: "when, in UTC: 2026-11-20T03:00:00Z",
};

/// The answer with who gave it and when.
pub(super) fn answered(detail: String, answer: &str) -> Outputs {
    let now = SystemClock.now();
    Outputs::new(detail)
        .with("answer", answer)
        .with("by", account())
        .with("at", now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

/// The name of the account that opsbook runs under; its number where it has no name.
pub(super) fn account() -> String {
    let id = nix::unistd::geteuid();
    match nix::unistd::User::from_uid(id) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => id.to_string(),
    }
}

/// Nobody to ask, an interruption and no answer are refusals: nothing was done.
pub(super) fn unanswered(error: &PromptError, help: &str) -> ActionError {
    match error {
        PromptError::NoTerminal => ActionError::refused(error.to_string()).help(help),
        PromptError::Interrupted | PromptError::NoAnswer => ActionError::refused(error.to_string()),
        PromptError::Broken(_) => ActionError::own(error.to_string()),
    }
}
