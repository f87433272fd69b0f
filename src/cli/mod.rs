//! The command line: a first look finds what is named, clap parses that and nothing else, and one function does it.

mod approve;
mod arguments;
mod candidates;
mod completions;
mod group;
mod init;
mod lint;
mod list;
mod locks;
mod man;
mod options;
mod resume;
mod run;
mod runs;
mod scan;
mod schema;
mod selection;
mod show;
#[cfg(test)]
mod tests;
mod tree;
mod undo;
mod usage;
mod verbs;

use std::ffi::OsString;

use clap::{ArgMatches, Command};

use crate::app::{self, App, AppError, Environment};
use crate::base::exit::ExitCode;

use selection::{Selection, Target};
use tree::{Purpose, Tree};

/// Does what the command line of this process says.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(exit) = app::kept() {
        return exit;
    }
    app::guard(|| {
        let environment = Environment::capture();
        let done = match completions::asking_shell(&environment) {
            Some(shell) => complete(shell, &environment),
            None => follow(environment.clone()),
        };
        done.unwrap_or_else(|error| {
            app::tell_error(&error, &environment);
            error.exit()
        })
    })
}

/// Parses the command line and does what it says.
fn follow(environment: Environment) -> Result<ExitCode, AppError> {
    let mut line: Vec<OsString> = environment.arguments.iter().skip(1).cloned().collect();
    let mut scan = scan::scan(&line);
    let mut app = if scan
        .words
        .first()
        .is_some_and(|word| word == init::VERB.name)
    {
        App::without_project(environment)
    } else {
        App::new(environment, scan.config.clone())?
    };
    if usage::help_in_words(&mut line, app.library()) {
        scan = scan::scan(&line);
    }
    let selection = selection::select(&scan.words, app.library())?;
    let wants_help = usage::wants_help(&line);
    if let Target::Group(folder) = &selection.target
        && wants_help
        && *folder == scan.words
    {
        return group::print_help(folder, &app);
    }
    let shows_help = wants_help || matches!(selection.target, Target::Nothing);
    let purpose = if shows_help {
        Purpose::Help
    } else {
        Purpose::Parsing
    };
    let mut command = Tree {
        app: &app,
        selection: &selection,
        purpose,
    }
    .command()?;
    let names = std::iter::once(OsString::from("opsbook")).chain(line);
    let matches = match command.try_get_matches_from_mut(names) {
        Ok(matches) => matches,
        Err(error) => return usage::refuse(&error, &selection, &scan.words, &app),
    };
    app.set(options::settings(&matches, app.environment())?);
    dispatch(&selection, &matches, &mut command, &app)
}

fn dispatch(
    selection: &Selection,
    matches: &ArgMatches,
    command: &mut Command,
    app: &App,
) -> Result<ExitCode, AppError> {
    let mut innermost = matches;
    while let Some((_, below)) = innermost.subcommand()
        && !matches!(selection.target, Target::Verb(_))
    {
        innermost = below;
    }
    match &selection.target {
        Target::Verb(verb) => match matches.subcommand() {
            Some((_, below)) => (verb.run)(below, app),
            None => Ok(usage::nothing_named(command, &[], app)),
        },
        Target::Group(folder) => group::print(folder, app),
        Target::Runbook(runbook) => run::run(runbook, innermost, app),
        Target::Nothing => Ok(usage::nothing_named(command, &selection.chain, app)),
    }
}

/// Answers a shell that completes a line.
fn complete(shell: &str, environment: &Environment) -> Result<ExitCode, AppError> {
    let line = completions::typed_line(environment);
    let scan = scan::scan(line.get(1..).unwrap_or_default());
    let mut app = App::new(environment.clone(), scan.config.clone())?;
    app.set(scan.settings(environment));
    let selection = selection::select_unfinished(&scan.words, app.library());
    let command = Tree {
        app: &app,
        selection: &selection,
        purpose: Purpose::Completion,
    }
    .command()?;
    let command = candidates::with_what_there_is(command, &selection, &app);
    completions::answer(shell, command, &app)?;
    Ok(ExitCode::Ok)
}
