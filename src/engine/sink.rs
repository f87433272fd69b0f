//! Who is told what happens.

use crate::base::StepKey;
use crate::event::Envelope;

/// Is told what happens in a run: a report, the live terminal.
pub trait Sink {
    /// An event that the journal already holds.
    fn event(&mut self, envelope: &Envelope);

    /// A sign of life of a running step. May be dropped; never kept.
    fn progress(&mut self, progress: &Progress);

    /// What the run waits for before it begins, in one line. Never kept.
    fn waiting(&mut self, line: &str);
}

/// A sign of life of a running step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The step.
    pub step: StepKey,
    /// What it is doing, in one line.
    pub message: String,
}
