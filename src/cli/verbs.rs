//! The registry of our verbs: one file and one line each.

use clap::{ArgMatches, Command, FromArgMatches};

use crate::app::{App, AppError};
use crate::base::exit::ExitCode;

use super::{
    approve, completions, init, lint, list, locks, man, options, resume, runs, schema, show, undo,
};

/// A verb of ours.
#[derive(Debug)]
pub(super) struct Verb {
    /// The word.
    pub(super) name: &'static str,
    /// Its arguments and help.
    pub(super) command: fn() -> Command,
    /// Does it.
    pub(super) run: fn(&ArgMatches, &App) -> Result<ExitCode, AppError>,
}

/// The verbs, in the order of the help, without `run`, whose arguments depend on what it runs.
pub(super) const ALL: &[Verb] = &[
    list::VERB,
    show::VERB,
    lint::VERB,
    runs::VERB,
    resume::VERB,
    undo::VERB,
    approve::VERB,
    locks::VERB,
    init::VERB,
    schema::VERB,
    completions::VERB,
    man::VERB,
];

/// The verb that runs any runbook.
pub(super) const RUN: &str = "run";

/// The verb of this name.
pub(super) fn find(name: &str) -> Option<&'static Verb> {
    ALL.iter().find(|verb| verb.name == name)
}

/// Whether a group or runbook of this name could not be reached.
pub(super) fn is_verb(name: &str) -> bool {
    name == RUN || find(name).is_some()
}

/// The argument of a verb that takes paths of runbooks.
pub(super) fn paths_of(verb: &Verb) -> Option<&'static str> {
    [(show::VERB.name, "path"), (lint::VERB.name, "paths")]
        .into_iter()
        .find_map(|(name, argument)| (verb.name == name).then_some(argument))
}

/// The lines of words that take the number of a run: a verb, or a verb and one below it.
pub(super) fn that_take_a_run(verb: &Verb) -> Vec<Vec<&'static str>> {
    let alone = [resume::VERB.name, undo::VERB.name, approve::VERB.name];
    if alone.contains(&verb.name) {
        return vec![vec![verb.name]];
    }
    if verb.name == runs::VERB.name {
        let below = runs::OF_ONE_RUN.iter();
        return below.map(|below| vec![verb.name, below]).collect();
    }
    Vec::new()
}

/// `run`, without what is run.
pub(super) fn run() -> Command {
    options::with_watch(options::with_run(Command::new(RUN)))
        .about("Run any runbook: a file, or the path of a command")
        .override_usage("opsbook run <FILE|PATH> [INPUTS] [OPTIONS]")
        .disable_help_subcommand(true)
}

/// The arguments of a verb as its own type.
pub(super) fn arguments<T: FromArgMatches>(matches: &ArgMatches) -> Result<T, AppError> {
    T::from_arg_matches(matches).map_err(|error| AppError::bug(error.to_string()))
}
