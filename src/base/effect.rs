//! What a step may do to the world.

use serde::{Deserialize, Serialize};

/// What a step may do to the world, mildest first, so that `max` gives the effect of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Looks and changes nothing: may be run again at will.
    Read,
    /// Changes something that can be changed back.
    Write,
    /// Removes or overwrites what cannot be had back without a backup.
    Destroy,
}

impl Effect {
    /// The effects in the order in which they get worse.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Destroy];

    /// The word used in runbooks, tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Destroy => "destroy",
        }
    }

    /// Whether the journal must hold the start of the step before it acts.
    #[must_use]
    pub const fn changes(self) -> bool {
        !matches!(self, Self::Read)
    }
}

impl std::fmt::Display for Effect {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.as_str())
    }
}
