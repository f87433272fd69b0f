//! What is said to a command line that cannot be followed, in clap's own words and with our exit codes.

use std::ffi::OsString;

use clap::Command;
use clap::error::{Error, ErrorKind};

use crate::app::{App, AppError};
use crate::base::exit::ExitCode;
use crate::base::{CommandPath, nearest};
use crate::book::Library;

use super::selection::Selection;
use super::verbs;

/// The word that many programs take for `--help`.
const HELP: &str = "help";

/// Whether help will be shown, so that titles are worth reading.
pub(super) fn wants_help(line: &[OsString]) -> bool {
    line.iter()
        .take_while(|argument| *argument != "--")
        .any(|argument| argument == "--help" || argument == "-h")
}

/// Makes `help db vacuum` what it means: `db vacuum --help`. A runbook or group of that name keeps it. Gives whether the
/// line was changed.
pub(super) fn help_in_words(line: &mut Vec<OsString>, library: &Library) -> bool {
    let meant = line.first().is_some_and(|word| word == HELP)
        && !library.entries(&[]).iter().any(|entry| entry.name == HELP);
    if meant {
        line.remove(0);
        line.push("--help".into());
    }
    meant
}

/// Says what clap has to say: help and version on standard output, mistakes on standard error.
///
/// # Errors
/// When the help cannot be written.
pub(super) fn refuse(
    error: &Error,
    selection: &Selection,
    words: &[String],
    app: &App,
) -> Result<ExitCode, AppError> {
    let text = error.render();
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        app.print_help(&text.to_string(), &text.ansi().to_string())?;
        return Ok(ExitCode::Ok);
    }
    app.tell_help(&text.to_string(), &text.ansi().to_string());
    if error.kind() == ErrorKind::InvalidSubcommand
        && selection.chain.iter().all(|word| word == verbs::RUN)
    {
        app.tell(&match elsewhere(words, app) {
            Some(command) => format!("  tip: there is `opsbook {command}`"),
            None => "  tip: `opsbook list` shows every runbook, `opsbook list WORD` those with a word in title or symptoms".to_owned(),
        });
    }
    Ok(ExitCode::Usage)
}

/// The command of another group whose last word is nearest to the last word that was typed.
fn elsewhere(words: &[String], app: &App) -> Option<String> {
    let typed = words.last()?;
    let all = app.library().all();
    let last = |path: &CommandPath| path.words().last().cloned().unwrap_or_default();
    let known: Vec<String> = all.iter().map(|(path, _)| last(path)).collect();
    let meant = nearest(typed, known.iter().map(String::as_str))?;
    all.iter()
        .find(|(path, _)| last(path) == meant)
        .map(|(path, _)| path.typed())
}

/// Says what there is when nothing was named. No success: a monitor that calls us so would be content for ever.
pub(super) fn nothing_named(command: &mut Command, chain: &[String], app: &App) -> ExitCode {
    let named = chain
        .iter()
        .try_fold(command, |command, word| command.find_subcommand_mut(word));
    if let Some(command) = named {
        let help = command.render_help();
        app.tell_help(&help.to_string(), &help.ansi().to_string());
    }
    ExitCode::Usage
}
