//! `opsbook completions`: the line that teaches a shell to complete, and the answers to what that shell then asks.

use std::ffi::OsString;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command};
use clap_complete::env::Shells;

use crate::app::{App, AppError, Environment};
use crate::base::exit::ExitCode;

use super::verbs::Verb;

/// The variable by which a shell asks.
const ASKED_BY: &str = "COMPLETE";

pub(super) const VERB: Verb = Verb {
    name: "completions",
    command,
    run,
};

fn command() -> Command {
    Command::new(VERB.name)
        .about("Print what makes a shell complete commands and inputs")
        .after_help("bash: add to ~/.bashrc\n  source <(opsbook completions bash)")
        .arg(
            Arg::new("shell")
                .required(true)
                .value_parser(PossibleValuesParser::new(Shells::builtins().names()))
                .help("The shell"),
        )
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let shell = matches
        .get_one::<String>("shell")
        .map(String::as_str)
        .unwrap_or_default();
    let shells = Shells::builtins();
    let completer = shells
        .completer(shell)
        .ok_or_else(|| AppError::usage(format!("{shell:?} is no shell")))?;
    let mut script = Vec::new();
    completer
        .write_registration(ASKED_BY, "opsbook", "opsbook", "opsbook", &mut script)
        .map_err(|error| AppError::bug(error.to_string()))?;
    app.print(&script)?;
    Ok(ExitCode::Ok)
}

/// The shell that asks for completions, if one does.
pub(super) fn asking_shell(environment: &Environment) -> Option<&str> {
    environment.variable(ASKED_BY).filter(|shell| *shell != "0")
}

/// What follows `--` on the command line by which a shell asks: the line that the person is typing.
pub(super) fn typed_line(environment: &Environment) -> Vec<OsString> {
    environment
        .arguments
        .iter()
        .skip_while(|argument| *argument != "--")
        .skip(1)
        .cloned()
        .collect()
}

/// Answers a shell.
///
/// # Errors
/// When the shell is none that is known, or nobody reads the answer.
pub(super) fn answer(shell: &str, mut command: Command, app: &App) -> Result<(), AppError> {
    let environment = app.environment();
    let name = std::path::Path::new(shell)
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or(shell);
    let shells = Shells::builtins();
    let completer = shells
        .completer(name)
        .ok_or_else(|| AppError::usage(format!("{name:?} is no shell")))?;
    let line = typed_line(environment);
    let mut answer = Vec::new();
    let written = if line.is_empty() {
        completer.write_registration(ASKED_BY, "opsbook", "opsbook", "opsbook", &mut answer)
    } else {
        command.build();
        completer.write_complete(&mut command, line, Some(&environment.folder), &mut answer)
    };
    written.map_err(|error| AppError::unknown(format!("the shell cannot be answered: {error}")))?;
    app.print(&answer)
}
