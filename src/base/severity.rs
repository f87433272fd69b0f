//! How much it matters that something is wrong.

use serde::{Deserialize, Serialize};

use super::Verdict;

/// How much it matters that a step failed, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// The service is down or data is lost.
    P0,
    /// A main function is broken.
    P1,
    /// Something is degraded, with a way around it.
    P2,
    /// Cosmetic, or worth knowing.
    P3,
}

impl Severity {
    /// The severities, worst first.
    pub const ALL: [Self; 4] = [Self::P0, Self::P1, Self::P2, Self::P3];

    /// The word used in runbooks, tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P0 => "P0",
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
        }
    }

    /// The verdict of a run whose worst trouble has this severity.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::P0 | Self::P1 => Verdict::Critical,
            Self::P2 | Self::P3 => Verdict::Warning,
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}
