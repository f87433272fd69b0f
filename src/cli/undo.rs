//! `opsbook undo`: takes back what a run did.

use clap::{ArgMatches, Args, Command};

use crate::app::{App, AppError};
use crate::base::exit::ExitCode;
use crate::base::{RunId, StepKey};

use super::resume::Known;
use super::verbs::{self, Verb};
use super::{options, runs};

pub(super) const VERB: Verb = Verb {
    name: "undo",
    command,
    run,
};

/// Take back what a run did: the undo of its finished steps, the last one first
#[derive(Debug, Args)]
struct Arguments {
    /// The number of the run
    #[arg(value_parser = runs::number)]
    run: RunId,
    /// Take back only this step and what was done after it
    #[arg(long, value_name = "STEP")]
    from: Option<String>,
    #[command(flatten)]
    known: Known,
}

fn command() -> Command {
    options::with_run(Arguments::augment_args(Command::new(VERB.name)))
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let arguments: Arguments = verbs::arguments(matches)?;
    let options = options::run_options(matches, app.environment())?;
    let from = arguments.from.map(StepKey);
    app.undo(&arguments.known.of(Some(arguments.run), from), &options)
}
