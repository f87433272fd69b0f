//! What completes a value: the words an option takes, the choices of an input, the names that the configuration
//! describes, runbooks, files, runs.

use std::ffi::OsStr;
use std::path::Path;

use clap::{Arg, Command};
use clap_complete::engine::{PathCompleter, ValueCompleter};
use clap_complete::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};

use crate::app::{App, RunRow};
use crate::base::text::neutral;
use crate::base::{CommandPath, Severity};
use crate::book::EstateNames;
use crate::model::{Input, InputType};

use super::selection::{Selection, Target};
use super::verbs;

/// How many runs are offered.
const MOST_RUNS: usize = 20;

/// Offers these words.
pub(super) fn words<W: Into<String>>(words: impl IntoIterator<Item = W>) -> ArgValueCandidates {
    let words: Vec<String> = words.into_iter().map(Into::into).collect();
    ArgValueCandidates::new(move || words.iter().map(CompletionCandidate::new).collect())
}

/// Offers `json=` and its like, and behind that the files.
pub(super) fn reports(formats: Vec<&'static str>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let typed = typed.to_string_lossy();
        match typed.split_once('=') {
            Some((format, path)) => PathCompleter::any()
                .complete(OsStr::new(path))
                .into_iter()
                .map(|candidate| candidate.add_prefix(format!("{format}=")))
                .collect(),
            None => formats
                .iter()
                .filter(|format| format.starts_with(typed.as_ref()))
                .map(|format| CompletionCandidate::new(format!("{format}=")))
                .collect(),
        }
    })
}

/// Has a shell complete what costs a look at folders or at the journal: the runbooks and runs of the command that is
/// being typed. What cannot be read offers nothing.
pub(super) fn with_what_there_is(root: Command, selection: &Selection, app: &App) -> Command {
    match (&selection.target, selection.chain.as_slice()) {
        (Target::Nothing, [first, ..]) if first == verbs::RUN => {
            let runbook = Arg::new("runbook").add(runbooks_and_files(app));
            root.mut_subcommand(verbs::RUN, |run| run.arg(runbook))
        }
        (Target::Verb(verb), _) => {
            if let Some(argument) = verbs::paths_of(verb) {
                let paths = words(paths(app));
                return root.mut_subcommand(verb.name, |verb| {
                    verb.mut_arg(argument, |argument| argument.add(paths))
                });
            }
            let lines = verbs::that_take_a_run(verb);
            if lines.is_empty() {
                return root;
            }
            let runs = runs(app);
            lines
                .iter()
                .fold(root, |root, words| with_runs(root, words, &runs))
        }
        _ => root,
    }
}

fn paths(app: &App) -> Vec<String> {
    let all = app.library().all().into_iter();
    all.map(|(path, _)| path.to_string()).collect()
}

/// Where a path of a runbook or a file may stand.
fn runbooks_and_files(app: &App) -> ArgValueCompleter {
    let paths = paths(app);
    let files = PathCompleter::any()
        .current_dir(app.environment().folder.clone())
        .filter(|path: &Path| path.extension().is_some_and(|end| end == "toml"));
    ArgValueCompleter::new(move |typed: &OsStr| {
        let begun = typed.to_string_lossy();
        let fitting = paths.iter().filter(|path| path.starts_with(begun.as_ref()));
        let mut offered: Vec<CompletionCandidate> = fitting.map(CompletionCandidate::new).collect();
        offered.extend(files.complete(typed));
        offered
    })
}

/// Offers these runs to the command that these words lead to.
fn with_runs(command: Command, words: &[&'static str], runs: &ArgValueCandidates) -> Command {
    match words {
        [first, below @ ..] => {
            command.mut_subcommand(first, |command| with_runs(command, below, runs))
        }
        [] => command.mut_arg("run", |argument| argument.add(runs.clone())),
    }
}

/// The newest runs first.
fn runs(app: &App) -> ArgValueCandidates {
    let rows = app.runs(MOST_RUNS, None).unwrap_or_default();
    ArgValueCandidates::new(move || rows.iter().map(candidate_of).collect())
}

fn candidate_of(row: &RunRow) -> CompletionCandidate {
    let runbook =
        CommandPath::parse(&row.runbook).map_or_else(|_| row.runbook.clone(), |path| path.typed());
    let verdict = row
        .verdict
        .map_or("not finished", |verdict| verdict.as_str());
    CompletionCandidate::new(row.run.to_string())
        .help(Some(neutral(&format!("{runbook}: {verdict}")).into()))
}

/// The values that an input may take, as far as they can be listed.
pub(super) fn of(input: &Input, names: &EstateNames) -> Vec<String> {
    if !input.choices.is_empty() {
        return input.choices.clone();
    }
    if let Some(names) = names.of(input.kind) {
        return names.to_vec();
    }
    match input.kind {
        InputType::Bool => ["true", "false"].map(str::to_owned).to_vec(),
        InputType::Severity => Severity::ALL
            .map(|severity| severity.as_str().to_owned())
            .to_vec(),
        _ => Vec::new(),
    }
}
