//! `opsbook lint`: checks runbooks and the configuration before anybody needs them.

use std::path::Path;
use std::sync::Arc;

use clap::{ArgMatches, Args, Command};
use serde_json::{Value, json};

use crate::app::{App, AppError};
use crate::base::exit::ExitCode;
use crate::base::text::count;
use crate::base::{CommandPath, Diagnostic, Diagnostics};
use crate::book::{self, Origin};
use crate::model::Runbook;

use super::selection::is_file;
use super::verbs::{self, Verb};

pub(super) const VERB: Verb = Verb {
    name: "lint",
    command,
    run,
};

/// Check runbooks and the configuration: all of them, or those named
#[derive(Debug, Args)]
struct Arguments {
    /// Paths or files: db/vacuum, ./vacuum.toml
    paths: Vec<String>,
}

/// What was found in how many files.
#[derive(Default)]
struct Found {
    checked: usize,
    mistakes: Diagnostics,
    advice: Diagnostics,
}

fn command() -> Command {
    Arguments::augment_args(Command::new(VERB.name))
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let arguments: Arguments = verbs::arguments(matches)?;
    let mut found = Found::default();
    check_config(app, &mut found);
    if arguments.paths.is_empty() {
        check_library(app, &mut found);
    }
    for word in &arguments.paths {
        if is_file(word) {
            check(app.library().open_file(Path::new(word)), app, &mut found);
            continue;
        }
        let path = CommandPath::parse(word).map_err(|error| AppError::usage(error.to_string()))?;
        match app.library().find(&path).transpose() {
            Some(read) => check(read, app, &mut found),
            None => return Err(AppError::usage(format!("there is no runbook {path}"))),
        }
    }
    found.mistakes.sort();
    found.advice.sort();
    report(&found, app)
}

fn check_config(app: &App, found: &mut Found) {
    let Some(checked) = app.check_config() else {
        return;
    };
    found.checked += 1;
    if let Err(mistakes) = checked {
        found.mistakes.extend(mistakes);
    }
}

/// Every runbook of the project, or all where there is no project.
fn check_library(app: &App, found: &mut Found) {
    let library = app.library();
    for (path, origin) in library.all() {
        if origin == Origin::BuiltIn {
            continue;
        }
        if path
            .words()
            .first()
            .is_some_and(|word| verbs::is_verb(word))
        {
            let message = format!(
                "the runbook {path} cannot be reached: `opsbook {}` is a verb",
                path.words()[0]
            );
            found
                .mistakes
                .push(Diagnostic::new(message).help("rename its folder or file"));
        }
        if let Some(read) = library.find(&path).transpose() {
            check(read, app, found);
        }
    }
    for file in library.invalid_names() {
        let message = format!("{} cannot be a command because of its name", file.display());
        found
            .mistakes
            .push(Diagnostic::new(message).help("use a-z, 0-9, - and _ only"));
    }
}

/// Takes in what is wrong with one runbook.
fn check(read: Result<Arc<Runbook>, Diagnostics>, app: &App, found: &mut Found) {
    found.checked += 1;
    match read {
        Err(mistakes) => found.mistakes.extend(mistakes),
        Ok(runbook) => {
            found
                .mistakes
                .extend(book::check_cycles(app.library(), &runbook));
            found.mistakes.extend(book::check_references(&runbook));
            found.advice.extend(book::lint(&runbook));
        }
    }
}

fn report(found: &Found, app: &App) -> Result<ExitCode, AppError> {
    let all = || {
        found
            .mistakes
            .iter()
            .map(|mistake| (mistake, "mistake"))
            .chain(found.advice.iter().map(|advice| (advice, "advice")))
    };
    if app.settings().format.is_for_people() {
        for (diagnostic, _) in all() {
            app.print_text(&format!("{diagnostic}\n\n"))?;
        }
        let files = count(found.checked, "file");
        app.print_text(&match (found.mistakes.len(), found.advice.len()) {
            (0, 0) => format!("checked {files}: nothing to mend\n"),
            (0, advice) => format!("checked {files}: {advice} to consider\n"),
            (mistakes, 0) => format!("checked {files}: {}\n", count(mistakes, "mistake")),
            (mistakes, advice) => format!(
                "checked {files}: {}, {advice} to consider\n",
                count(mistakes, "mistake")
            ),
        })?;
    } else {
        let items: Vec<Value> = all()
            .map(|(diagnostic, kind)| item(diagnostic, kind))
            .collect();
        app.print_json(&json!({ "checked": found.checked, "found": items }))?;
    }
    Ok(match (found.mistakes.is_empty(), found.advice.is_empty()) {
        (false, _) => ExitCode::Config,
        (true, false) => ExitCode::Warning,
        (true, true) => ExitCode::Ok,
    })
}

fn item(diagnostic: &Diagnostic, kind: &str) -> Value {
    let place = diagnostic.place.as_ref();
    let position = place.map(|place| place.source.line_and_column(place.range.start));
    json!({
        "kind": kind,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "file": place.map(|place| place.source.path().display().to_string()),
        "line": position.map(|(line, _)| line),
        "column": position.map(|(_, column)| column),
    })
}
