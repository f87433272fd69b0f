//! `opsbook runs`: what was run, from the journal.

mod export;
mod list;
mod prune;
mod replay;
mod show;
mod verify;

use clap::{ArgMatches, Command};

use crate::app::{App, AppError};
use crate::base::RunId;
use crate::base::exit::ExitCode;

use super::verbs::{self, Verb};

pub(super) use show::heading;

pub(super) const VERB: Verb = Verb {
    name: "runs",
    command,
    run,
};

/// The number of a run, as `runs list` shows it.
pub(super) fn number(text: &str) -> Result<RunId, String> {
    text.parse().map(RunId).map_err(|_| {
        format!("expected the number of a run, found {text:?}; `opsbook runs list` shows them")
    })
}

const BELOW: &[Verb] = &[
    list::VERB,
    show::VERB,
    replay::VERB,
    verify::VERB,
    export::VERB,
    prune::VERB,
];

/// Those that take the number of a run, in the argument `run`.
pub(super) const OF_ONE_RUN: &[&str] = &[show::VERB.name, replay::VERB.name, export::VERB.name];

fn command() -> Command {
    let command = Command::new(VERB.name)
        .about("Look at what was run")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true);
    BELOW.iter().fold(command, |command, verb| {
        command.subcommand((verb.command)())
    })
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let chosen = matches
        .subcommand()
        .and_then(|(name, below)| Some((BELOW.iter().find(|verb| verb.name == name)?, below)));
    match chosen {
        Some((verb, below)) => (verb.run)(below, app),
        None => Err(AppError::bug(
            "a verb below runs that is not in its registry",
        )),
    }
}
