//! The tree of commands as clap sees it: our verbs, the groups on the way to what is named, and the inputs of the one
//! runbook that is.

use std::sync::Arc;

use clap::Command;

use crate::app::{App, AppError};
use crate::base::text::{flowed, neutral};
use crate::book::LibraryEntry;
use crate::model::Runbook;

use super::selection::{Selection, Target};
use super::{arguments, group, options, verbs};

/// What every help says last.
const EXIT_CODES: &str =
    "Exit codes: 0 ok, 1 warning, 2 critical, 3 unknown, 4 stuck, 64 usage, 75 not now, 78 invalid";

/// What the tree is built from.
pub(super) struct Tree<'a> {
    /// Where the runbooks are.
    pub(super) app: &'a App,
    /// What the command line names.
    pub(super) selection: &'a Selection,
    /// What it is built for.
    pub(super) purpose: Purpose,
}

/// What a tree is built for: what nobody will see is left out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To parse the line.
    Parsing,
    /// To show the help of what is named. Titles cost a look into each file.
    Help,
    /// To complete the last word, which may be the beginning of another.
    Completion,
}

impl Tree<'_> {
    /// The whole command.
    ///
    /// # Errors
    /// When the inputs of the named runbook cannot be arguments.
    pub(super) fn command(&self) -> Result<Command, AppError> {
        let chain = self.selection.chain.as_slice();
        let run = match chain.split_first() {
            Some((first, rest)) if first == verbs::RUN => self.run(rest)?,
            Some(_) | None => verbs::run(),
        };
        self.level(with_verbs(root().subcommand(run)), &[], chain)
    }

    fn has_titles(&self) -> bool {
        self.purpose != Purpose::Parsing
    }

    /// `run` with what its first word names below it.
    fn run(&self, rest: &[String]) -> Result<Command, AppError> {
        let run = verbs::run();
        match (rest, &self.selection.target) {
            ([word], Target::Runbook(runbook)) if word.contains(['/', '.']) => {
                Ok(run.subcommand(self.runbook(Command::new(word.clone()), runbook)?))
            }
            _ => self.level(run, &[], rest),
        }
    }

    /// Gives a command the entries of a folder. `rest` is what the command line names below it.
    fn level(
        &self,
        mut command: Command,
        folder: &[String],
        rest: &[String],
    ) -> Result<Command, AppError> {
        let only = rest.first().filter(|_| self.purpose != Purpose::Completion);
        for entry in self.app.library().entries(folder) {
            let is_hidden = folder.is_empty() && verbs::is_verb(&entry.name);
            if is_hidden || only.is_some_and(|only| *only != entry.name) {
                continue;
            }
            let below = match rest.split_first() {
                Some((first, below)) if *first == entry.name => Some(below),
                Some(_) | None => None,
            };
            command = command.subcommand(self.entry(folder, &entry, below, rest.is_empty())?);
        }
        Ok(command)
    }

    fn entry(
        &self,
        folder: &[String],
        entry: &LibraryEntry,
        below: Option<&[String]>,
        is_listed: bool,
    ) -> Result<Command, AppError> {
        let mut command = Command::new(entry.name.clone()).disable_help_subcommand(true);
        let path: Vec<String> = folder.iter().cloned().chain([entry.name.clone()]).collect();
        if self.has_titles() && is_listed {
            command = command.about(group::title(self.app.library(), &path, entry));
        }
        let Some(below) = below else {
            return Ok(command);
        };
        if folder.is_empty() {
            command = options::with_watch(options::with_run(command));
        }
        if below.is_empty() {
            match &self.selection.target {
                Target::Runbook(runbook) => command = self.runbook(command, runbook)?,
                Target::Group(_) | Target::Verb(_) | Target::Nothing => {}
            }
        }
        if entry.is_group {
            self.level(command, &path, below)
        } else {
            Ok(command)
        }
    }

    /// Gives a command the inputs of a runbook and what its author says of it.
    fn runbook(&self, command: Command, runbook: &Arc<Runbook>) -> Result<Command, AppError> {
        let mut inputs = arguments::arguments(runbook, self.app.environment());
        if self.has_titles() {
            inputs = arguments::completed(inputs, runbook, &self.app.names());
        }
        // A long form of anything would spread every option over three lines.
        let about = match &runbook.description {
            Some(description) => format!("{}\n\n{}", runbook.title, flowed(description.trim())),
            None => runbook.title.clone(),
        };
        let command = command.about(neutral(&about)).args(inputs);
        Ok(if self.has_titles() {
            command.after_help(neutral(&self.notes(runbook)))
        } else {
            command
        })
    }

    /// What a caller should know before running it.
    fn notes(&self, runbook: &Arc<Runbook>) -> String {
        let mut notes = Vec::new();
        if !runbook.symptoms.is_empty() {
            notes.push(format!("Symptoms:\n  {}", runbook.symptoms.join("\n  ")));
        }
        if let Some(owner) = &runbook.owner {
            notes.push(format!("Owner: {owner}"));
        }
        if let Some(effect) = self.app.effect_in_words(runbook) {
            notes.push(format!("Effect: {effect}"));
        }
        notes.push(EXIT_CODES.to_owned());
        notes.join("\n")
    }
}

/// The tree without any runbook.
pub(super) fn without_runbooks() -> Command {
    with_verbs(root().subcommand(verbs::run()))
}

fn with_verbs(root: Command) -> Command {
    verbs::ALL
        .iter()
        .fold(root, |root, verb| root.subcommand((verb.command)()))
}

fn root() -> Command {
    options::with_global(Command::new("opsbook"))
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runbook as code: operations manuals that run, judge and end in an exit code")
        .disable_help_subcommand(true)
        .after_help(format!(
            "Each option is also a variable: OPSBOOK_FORMAT=json is --format json.\n{EXIT_CODES}"
        ))
}
