//! Why opsbook could not do what it was asked: the kind decides the exit code, the message and hints are for a person.

use crate::base::exit::ExitCode;
use crate::base::{Diagnostic, Diagnostics};
use crate::engine::JournalError;

/// Whose move it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The caller's: the command line is wrong.
    Usage,
    /// The author's: the configuration or a runbook is wrong.
    Config,
    /// The machine's: it could not be told how things are.
    Unknown,
    /// Nobody's yet: nothing was done.
    NotNow,
    /// A person's, who must look before anything else is done.
    Stuck,
    /// Ours.
    Bug,
    /// The person's at the terminal, who pressed Ctrl-C.
    Interrupted,
}

/// Why opsbook could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", below(hints))]
pub struct AppError {
    /// Whose move it is now.
    pub kind: ErrorKind,
    /// What happened: a lower-case fragment without a full stop.
    pub message: String,
    /// What to do next, one line each.
    pub hints: Vec<String>,
}

impl AppError {
    /// The command line is wrong.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Usage, message)
    }

    /// The configuration or a runbook is wrong.
    #[must_use]
    pub fn config(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Config, message)
    }

    /// It could not be told how things are.
    #[must_use]
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Unknown, message)
    }

    /// Nothing was done, and that is right for now.
    #[must_use]
    pub fn not_now(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::NotNow, message)
    }

    /// A person must look before anything else is done.
    #[must_use]
    pub fn stuck(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Stuck, message)
    }

    /// Opsbook is wrong.
    #[must_use]
    pub fn bug(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Bug, message)
    }

    /// The person at the terminal pressed Ctrl-C.
    #[must_use]
    pub fn interrupted() -> Self {
        Self::of(ErrorKind::Interrupted, "interrupted; nothing was done")
    }

    fn of(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The number that the caller sees.
    #[must_use]
    pub const fn exit(&self) -> ExitCode {
        match self.kind {
            ErrorKind::Usage => ExitCode::Usage,
            ErrorKind::Config => ExitCode::Config,
            ErrorKind::Unknown => ExitCode::Unknown,
            ErrorKind::NotNow => ExitCode::NotNow,
            ErrorKind::Stuck => ExitCode::Stuck,
            ErrorKind::Bug => ExitCode::Bug,
            ErrorKind::Interrupted => ExitCode::Interrupted,
        }
    }
}

/// The hints as lines below the message.
fn below(hints: &[String]) -> String {
    hints.iter().map(|hint| format!("\n  {hint}")).collect()
}

impl From<Diagnostics> for AppError {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::config(diagnostics.to_string())
    }
}

impl From<Diagnostic> for AppError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::config(diagnostic.to_string())
    }
}

impl From<JournalError> for AppError {
    fn from(error: JournalError) -> Self {
        Self::unknown(error.to_string()).hint("name another place with --store FILE")
    }
}

#[cfg(test)]
mod tests {
    use super::AppError;
    use crate::base::Diagnostic;

    #[test]
    fn the_kind_is_the_exit_code() {
        let codes = [
            AppError::usage(""),
            AppError::from(Diagnostic::new("x")),
            AppError::unknown(""),
            AppError::not_now(""),
            AppError::bug(""),
        ]
        .map(|error| error.exit().code());
        assert_eq!(codes, [64, 78, 3, 75, 70]);
    }
}
