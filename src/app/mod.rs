//! Wires everything below into one program: environment, settings, project, journal, a run from its words to its exit
//! code. Knows nothing of clap.

mod again;
mod application;
mod approve;
mod bug;
mod changed;
mod environment;
mod error;
mod github;
mod heartbeat;
mod inputs;
mod journal;
mod locks;
mod logging;
mod machine;
mod outlets;
mod output;
mod project;
mod question;
mod resumable;
mod run;
mod secret_argument;
mod secrets;
mod settings;
mod signals;
mod statement_argument;
mod stoppable;
mod toolbox;
mod watch;

pub use crate::engine::{RunRow, Settlement};
pub use crate::report::{EVENT_SCHEMA, RUN_SCHEMA};
pub use crate::store::{ChainHash, Exported, Verified};
pub use again::Again;
pub use application::App;
pub use bug::guard;
pub use environment::Environment;
pub use error::{AppError, ErrorKind};
pub use locks::HeldLock;
pub use machine::kept;
pub use output::{Listing, tell_error};
pub use secret_argument::SecretArgument;
pub use settings::{
    COLOUR_CHOICES, Format, LogFormat, ReportRequest, RunOptions, Settings, colour_choice,
};
pub use statement_argument::read_statement;
