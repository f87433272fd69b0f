//! `opsbook runs replay`: prints what the live run printed, from its events.

use clap::{ArgMatches, Args, Command};

use crate::app::{App, AppError};
use crate::base::exit::ExitCode;

use super::{Verb, events_of, verbs};

pub(super) const VERB: Verb = Verb {
    name: "replay",
    command,
    run,
};

/// Print what a run printed
#[derive(Debug, Args)]
struct Arguments {
    /// The number of the run
    run: u64,
}

fn command() -> Command {
    Arguments::augment_args(Command::new(VERB.name))
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let arguments: Arguments = verbs::arguments(matches)?;
    let events = events_of(arguments.run, &app.journal()?)?;
    app.print_run(&events)?;
    Ok(ExitCode::Ok)
}
