//! `opsbook lint`: checks runbooks and the configuration before anybody needs them.

use std::path::Path;
use std::sync::Arc;

use clap::{ArgMatches, Args, Command};
use serde_json::{Value, json};

use crate::app::{App, AppError};
use crate::base::exit::ExitCode;
use crate::base::text::{count, one_line};
use crate::base::{CommandPath, Diagnostic, Diagnostics};
use crate::book::{self, Lint, LintEstate, Origin};
use crate::config;
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
    lint: Lint,
}

fn command() -> Command {
    Arguments::augment_args(Command::new(VERB.name))
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let arguments: Arguments = verbs::arguments(matches)?;
    let mut found = Found::default();
    let estate = check_config(app, &mut found);
    let mut check = |read| check_runbook(read, app, estate.as_ref(), &mut found);
    for word in &arguments.paths {
        if is_file(word) {
            let path = Path::new(word);
            if !path.exists() {
                return Err(AppError::usage(format!("there is no file {word}")));
            }
            check(app.library().open_file(path));
            continue;
        }
        let path = CommandPath::parse(word).map_err(|error| AppError::usage(error.to_string()))?;
        match app.library().find(&path).transpose() {
            Some(read) => check(read),
            None => return Err(AppError::usage(format!("there is no runbook {path}"))),
        }
    }
    if arguments.paths.is_empty() {
        check_library(app, estate.as_ref(), &mut found);
    }
    found.lint.mistakes.sort();
    found.lint.advice.sort();
    report(&found, app)
}

/// Checks the configuration in each of its environments. What it describes is known to the runbooks only if it is right.
fn check_config(app: &App, found: &mut Found) -> Option<LintEstate> {
    let read = app.configs()?;
    found.checked += 1;
    match read {
        Ok(configs) => {
            for config in &configs {
                found.lint.extend(config::lint(config));
            }
            configs.first().map(config::lint_estate)
        }
        Err(mistakes) => {
            found.lint.mistakes.extend(mistakes);
            None
        }
    }
}

/// Checks every runbook of the project and of the user; those in the binary are our own to check.
fn check_library(app: &App, estate: Option<&LintEstate>, found: &mut Found) {
    let library = app.library();
    for (path, origin) in library.all() {
        if origin == Origin::BuiltIn {
            continue;
        }
        let first = path.words().first().map_or("", String::as_str);
        if verbs::is_verb(first) {
            let message =
                format!("the runbook {path} cannot be reached: `opsbook {first}` is a verb");
            let mistake = Diagnostic::new(message).help("rename its folder or file");
            found.lint.mistakes.push(mistake);
        }
        if let Some(read) = library.find(&path).transpose() {
            check_runbook(read, app, estate, found);
        }
    }
    for file in library.invalid_names() {
        let message = format!(
            "{} cannot be a command because of its name",
            one_line(&file.display().to_string())
        );
        let mistake = Diagnostic::new(message).help("use a-z, 0-9, - and _ only");
        found.lint.mistakes.push(mistake);
    }
}

fn check_runbook(
    read: Result<Arc<Runbook>, Diagnostics>,
    app: &App,
    estate: Option<&LintEstate>,
    found: &mut Found,
) {
    found.checked += 1;
    match read {
        Err(mistakes) => found.lint.mistakes.extend(mistakes),
        Ok(runbook) => found
            .lint
            .extend(book::lint(app.library(), &runbook, estate)),
    }
}

fn report(found: &Found, app: &App) -> Result<ExitCode, AppError> {
    let Lint { mistakes, advice } = &found.lint;
    let all = || {
        mistakes
            .iter()
            .map(|mistake| (mistake, "mistake"))
            .chain(advice.iter().map(|advice| (advice, "advice")))
    };
    if app.settings().format.is_for_people() {
        for (diagnostic, _) in all() {
            app.print_text(&format!("{diagnostic}\n\n"))?;
        }
        let files = count(found.checked, "file");
        app.print_text(&match (mistakes.len(), advice.len()) {
            (0, 0) if found.checked == 0 => {
                "checked nothing: no opsbook.toml and no runbooks/ here or in a folder above\n"
                    .to_owned()
            }
            (0, 0) => format!("checked {files}: nothing to mend\n"),
            (0, advised) => format!("checked {files}: {advised} to consider\n"),
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
    Ok(match (mistakes.is_empty(), advice.is_empty()) {
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
