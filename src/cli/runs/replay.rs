//! `opsbook runs replay`: prints what the live run printed, from its events.

use clap::{ArgMatches, Args, Command};

use crate::app::{App, AppError};
use crate::base::RunId;
use crate::base::exit::ExitCode;

use super::{Verb, verbs};

pub(super) const VERB: Verb = Verb {
    name: "replay",
    command,
    run,
};

/// Print what a run printed
#[derive(Debug, Args)]
struct Arguments {
    /// The number of the run
    #[arg(value_parser = super::number)]
    run: RunId,
}

fn command() -> Command {
    Arguments::augment_args(Command::new(VERB.name))
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let arguments: Arguments = verbs::arguments(matches)?;
    let events = app.events_of(arguments.run)?;
    app.print_run(&events)?;
    Ok(ExitCode::Ok)
}
