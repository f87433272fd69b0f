//! A runbook as validated data: what its author wrote, typed, with the place of each text in its file.
//! Nothing here reads a file or runs anything.

mod action;
mod call;
mod input;
mod runbook;
mod statement;
mod step;
mod template;

pub use action::{
    ActionSpec, EffectRule, Kind, OptionSpec, OutputSpec, Reference, VerbSpec, Vocabulary,
};
pub use call::{Call, Node};
pub use input::{Input, InputType};
pub use runbook::{Approval, Finding, Heartbeat, Requirement, Runbook};
pub use statement::Statement;
pub use step::{Artifact, Backoff, ForEach, OnFailure, Repeat, Retry, RetryOn, Step, Unless};
pub use template::{Expression, Template};
