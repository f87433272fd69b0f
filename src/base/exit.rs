//! The exit codes: a public contract. `docs/exit-codes.md` explains each to users; a test holds the two together.

use super::Verdict;

/// Why the process ends, as the number that the caller sees.
///
/// 0 to 3 are those of the monitoring plugins; 64, 70, 75 and 78 those of `sysexits.h`; 128 + n those of a shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitCode {
    /// Everything is as it should be.
    Ok,
    /// The worst finding is P3 or P2.
    Warning,
    /// The worst finding is P1 or P0.
    Critical,
    /// It could not be told.
    Unknown,
    /// An undo failed or a step is in doubt: a person must look.
    Stuck,
    /// The command line is wrong.
    Usage,
    /// A bug in opsbook.
    Bug,
    /// Not now: locked, outside its window, waiting for approval, refused by policy. Nothing was done.
    NotNow,
    /// The configuration or a runbook is invalid.
    Config,
    /// Interrupted from the terminal (SIGINT).
    Interrupted,
    /// Ended from outside (SIGTERM).
    Terminated,
}

impl ExitCode {
    /// Every exit code, in the order of the reference page.
    pub const ALL: [Self; 11] = [
        Self::Ok,
        Self::Warning,
        Self::Critical,
        Self::Unknown,
        Self::Stuck,
        Self::Usage,
        Self::Bug,
        Self::NotNow,
        Self::Config,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number that the caller sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
            Self::Stuck => 4,
            Self::Usage => 64,
            Self::Bug => 70,
            Self::NotNow => 75,
            Self::Config => 78,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Ok => Self::Ok,
            Verdict::Warning => Self::Warning,
            Verdict::Unknown => Self::Unknown,
            Verdict::Critical => Self::Critical,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(exit: ExitCode) -> Self {
        Self::from(exit.code())
    }
}
