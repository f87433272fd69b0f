//! What tells a process from every other that ever had its number.

use serde::{Deserialize, Serialize};

/// What tells a process from every other that ever had its number: numbers are given again, starts are not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessMark {
    /// The machine, its last start, and the set of process numbers within it: on Linux `NAME@IDENTITY/BOOT-ID/PID-NAMESPACE`,
    /// where a part that the system does not tell is empty.
    pub machine: String,
    /// The process's number.
    pub pid: u32,
    /// When it began, in ticks since the machine's start; none where the system does not tell.
    pub started: Option<u64>,
}

/// Whether a process still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It does.
    Alive,
    /// It does not.
    Dead,
    /// It ran on another machine, or the system does not say.
    Unknown,
}
