//! What happened in a run, as plain owned data: the one stream that the journal, the terminal and every report read.

mod envelope;
mod kind;
#[cfg(test)]
pub(crate) mod sample;
mod summary;
#[cfg(test)]
mod tests;

pub use envelope::{Envelope, VERSION};
pub use kind::{
    ApprovalRequested, CheckOf, Event, FindingRaised, Gap, JournalPruned, LockTakenOver, Measure,
    PlannedStep, Preview, Resumption, RunApproved, RunFinished, RunResumed, RunStarted, Source,
    StepFinished, StepPlace, StepRetried, StepStarted, StepTable,
};
pub use summary::{FindingLine, StepLine, Summary};
