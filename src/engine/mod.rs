//! Runs a plan: order, conditions, retries, repeats, verdict. It never prints, and knows neither a database nor a report:
//! it owns the traits that it needs and is handed their implementations.

mod action;
mod journal;
mod prompt;
mod sink;

pub use action::{
    Action, ActionContext, ActionError, ActionFuture, Actions, Attachment, End, ErrorKind,
    Invocation, NestedRunner, Outputs,
};
pub use journal::{Durability, Journal, JournalError, RunRow};
pub use prompt::{Prompt, PromptError, PromptFuture};
pub use sink::{Progress, Sink};
