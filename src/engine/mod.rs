//! Runs a plan: order, conditions, retries, repeats, verdict. It never prints, and knows neither a database nor a report:
//! it owns the traits that it needs and is handed their implementations.

mod action;
mod ahead;
mod artifact;
mod attempt;
mod begin;
mod checks;
mod closing;
mod confirm;
mod data_out;
mod doubt;
mod each;
mod frame;
mod gate;
mod history;
mod journal;
mod judge;
mod ledger;
mod lock;
mod locks;
mod machine;
mod measured;
mod names;
mod nested;
mod observe;
mod previewed;
mod prompt;
mod readings;
mod recall;
mod recorder;
mod referred;
mod rehearse;
mod resume;
mod retry;
mod run;
mod samples;
mod sampling;
mod seen;
mod sequence;
mod shown;
mod sink;
mod standing;
mod step;
mod stop;
#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]
mod tests;
mod toolbox;
mod undo;
mod undo_run;

pub use action::{
    Action, ActionContext, ActionError, ActionFuture, Actions, CheckRequest, Dry, End, ErrorKind,
    Invocation, Look, LookFuture, NestedRunner, Outputs, PreflightFuture, PreviewFuture,
};
pub use data_out::{DataOut, DataOutError};
pub use doubt::Settlement;
pub use gate::Refusal;
pub use history::{Approval, History, Leg};
pub use journal::{Durability, Journal, JournalError, RunRow};
pub use lock::LockError;
pub use locks::{Acquired, LockHolder, Locks};
pub use machine::Machine;
pub use prompt::{Intent, Prompt, PromptError, PromptFuture};
pub use readings::{READINGS_KEPT_DAYS, Reading, ReadingStore, Subject, day_of as reading_day};
pub use resume::Outlook;
pub use run::{Engine, Origin, RunEnd, RunError, RunOptions};
pub use sampling::{CheckState, Sample, SampleStore, Series};
pub use seen::{Baseline, Outage, Period, Retention, Seen, Tally, is_down, length_of};
pub use sink::{Progress, Sink};
pub use stop::{Stop, StopSignal};
pub use toolbox::Toolbox;
pub use undo_run::UndoStep;
