//! How a step ended. The meaning of each word for users stands in `docs/statuses.md`; a test holds the two together.

use serde::{Deserialize, Serialize};

use super::Verdict;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It ran and everything that it checks holds.
    Ok,
    /// It failed or crossed a threshold, with severity P3 or P2.
    Warning,
    /// It failed or crossed a threshold, with severity P1 or P0.
    Critical,
    /// It could not be told: opsbook's own trouble, not the target's.
    Unknown,
    /// Its check is bad because something that it needs is: that is told, and is what counts.
    Affected,
    /// Its condition said that it is not needed here.
    Skipped,
    /// The run ended before it was reached.
    NotRun,
    /// It was done and has been taken back.
    Undone,
    /// It was started and nobody knows whether it took effect.
    InDoubt,
    /// It was done, and taking it back failed.
    UndoFailed,
}

impl Status {
    /// Every status, in the order of the reference page.
    pub const ALL: [Self; 10] = [
        Self::Ok,
        Self::Warning,
        Self::Critical,
        Self::Unknown,
        Self::Affected,
        Self::Skipped,
        Self::NotRun,
        Self::Undone,
        Self::InDoubt,
        Self::UndoFailed,
    ];

    /// The word used in JSON and in `steps.<name>.status`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
            Self::Affected => "affected",
            Self::Skipped => "skipped",
            Self::NotRun => "not-run",
            Self::Undone => "undone",
            Self::InDoubt => "in-doubt",
            Self::UndoFailed => "undo-failed",
        }
    }

    /// The word a person reads: good news in small letters, trouble in capitals.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
            Self::Affected => "affected",
            Self::Skipped => "skipped",
            Self::NotRun => "not run",
            Self::Undone => "undone",
            Self::InDoubt => "IN DOUBT",
            Self::UndoFailed => "UNDO FAILED",
        }
    }

    /// What the step adds to the verdict of its run. A step that did not run never makes it worse.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Ok | Self::Affected | Self::Skipped | Self::NotRun | Self::Undone => Verdict::Ok,
            Self::Warning => Verdict::Warning,
            Self::Critical => Verdict::Critical,
            Self::Unknown | Self::InDoubt | Self::UndoFailed => Verdict::Unknown,
        }
    }
}

impl From<Verdict> for Status {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Ok => Self::Ok,
            Verdict::Warning => Self::Warning,
            Verdict::Unknown => Self::Unknown,
            Verdict::Critical => Self::Critical,
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}
