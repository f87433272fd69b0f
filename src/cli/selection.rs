//! Which command the words of a command line name: a verb of ours, a group of runbooks, or one runbook. Reads only the
//! folders and the one file that they name.

use std::path::Path;
use std::sync::Arc;

use crate::app::AppError;
use crate::base::CommandPath;
use crate::book::Library;
use crate::model::Runbook;

use super::verbs;

/// What the words name.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    /// The words that are names of commands, in order; what follows them are arguments.
    pub(super) chain: Vec<String>,
    /// What the last of them is.
    pub(super) target: Target,
}

/// What a chain of words leads to.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// Nothing that is known: clap will say so, or show the help.
    Nothing,
    /// A verb of ours.
    Verb(&'static verbs::Verb),
    /// A group without a default, by the words of its folder.
    Group(Vec<String>),
    /// A runbook.
    Runbook(Arc<Runbook>),
}

/// Finds what the words name.
///
/// # Errors
/// When the runbook they name cannot be read or is wrong.
pub(super) fn select(words: &[String], library: &Library) -> Result<Selection, AppError> {
    let Some(first) = words.first() else {
        return Ok(Selection {
            chain: Vec::new(),
            target: Target::Nothing,
        });
    };
    if first == verbs::RUN {
        return select_run(&words[1..], library);
    }
    if let Some(verb) = verbs::find(first) {
        return Ok(Selection {
            chain: vec![first.clone()],
            target: Target::Verb(verb),
        });
    }
    descend(words, library)
}

/// Finds what the words of a line that is still being typed name. What is not there yet, or wrong, is nothing.
pub(super) fn select_unfinished(words: &[String], library: &Library) -> Selection {
    select(words, library).unwrap_or_else(|_| Selection {
        chain: words
            .first()
            .filter(|word| *word == verbs::RUN)
            .cloned()
            .into_iter()
            .collect(),
        target: Target::Nothing,
    })
}

/// `run` takes a file, a path with slashes, or the words of a command.
fn select_run(words: &[String], library: &Library) -> Result<Selection, AppError> {
    let below_run = |mut selection: Selection| {
        selection.chain.insert(0, verbs::RUN.to_owned());
        selection
    };
    let Some(first) = words.first() else {
        return Ok(below_run(Selection {
            chain: Vec::new(),
            target: Target::Nothing,
        }));
    };
    let found = if is_file(first) {
        Some(open(first, library)?)
    } else if first.contains('/') {
        match CommandPath::parse(first) {
            Ok(path) => library.find(&path)?,
            Err(_) => None,
        }
    } else {
        return Ok(below_run(descend(words, library)?));
    };
    let target = found.map_or(Target::Nothing, Target::Runbook);
    Ok(below_run(Selection {
        chain: vec![first.clone()],
        target,
    }))
}

/// Whether a word is meant as a file rather than as the path of a command.
pub(super) fn is_file(word: &str) -> bool {
    word.ends_with(".toml") || word.starts_with('.') || word.starts_with('/')
}

/// Reads the runbook of a file that the caller names.
///
/// # Errors
/// When there is no such file, or it is wrong.
pub(super) fn open(file: &str, library: &Library) -> Result<Arc<Runbook>, AppError> {
    let path = Path::new(file);
    if !path.exists() {
        return Err(AppError::usage(format!("there is no file {file}")));
    }
    Ok(library.open_file(path)?)
}

/// Goes down the folders as far as the words name something.
fn descend(words: &[String], library: &Library) -> Result<Selection, AppError> {
    let mut chain = Vec::new();
    for word in words {
        let Some(entry) = library
            .entries(&chain)
            .into_iter()
            .find(|entry| entry.name == *word)
        else {
            break;
        };
        chain.push(word.clone());
        if !entry.is_group {
            break;
        }
    }
    if chain.is_empty() {
        return Ok(Selection {
            chain,
            target: Target::Nothing,
        });
    }
    let target = match runbook_of(&chain, library)? {
        Some(runbook) => Target::Runbook(runbook),
        None => Target::Group(chain.clone()),
    };
    Ok(Selection { chain, target })
}

/// The runbook that a chain of words runs: the file of that name, else the default of the group of that name.
fn runbook_of(chain: &[String], library: &Library) -> Result<Option<Arc<Runbook>>, AppError> {
    let Ok(path) = CommandPath::from_words(chain) else {
        return Ok(None);
    };
    if let Some(runbook) = library.find(&path)? {
        return Ok(Some(runbook));
    }
    match library.default_of(chain) {
        Some(path) => Ok(library.find(&path)?),
        None => Ok(None),
    }
}
