//! What the engine needs to know of the processes of this machine.

use std::future::Future;
use std::pin::Pin;

use crate::base::{Liveness, ProcessMark};

/// Knows the processes of this machine.
pub trait Machine {
    /// Sees to it that no process that is started from now on outlives the run, however the run ends. Called before every
    /// action that starts processes.
    fn keep(&self) {}

    /// Whether a process still runs.
    fn liveness(&self, process: &ProcessMark) -> Liveness;

    /// Ends the processes that a dead run left behind, those that carry its token; how many there were.
    fn end_leftovers<'a>(&'a self, token: &'a str) -> Pin<Box<dyn Future<Output = usize> + 'a>>;
}
