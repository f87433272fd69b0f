//! How a run ended for the world.

use serde::{Deserialize, Serialize};

/// How a run ended for the world, mildest first: the order in which the worst wins.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything that was looked at is as it should be.
    #[default]
    Ok,
    /// Something is degraded (P3, P2).
    Warning,
    /// It could not be told: a tool is missing, a secret is not set, the store cannot be read.
    Unknown,
    /// Something is broken (P1, P0).
    Critical,
}

impl Verdict {
    /// The verdicts, mildest first.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Warning, Self::Unknown, Self::Critical];

    /// The word used in JSON and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Critical => "critical",
        }
    }

    /// The worse of the two.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        self.max(other)
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict;

    #[test]
    fn critical_beats_unknown_beats_warning_beats_ok() {
        assert!(Verdict::Critical > Verdict::Unknown);
        assert!(Verdict::Unknown > Verdict::Warning);
        assert!(Verdict::Warning > Verdict::Ok);
    }
}
