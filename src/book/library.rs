//! Where runbooks lie: the project's, then the user's, then the ones built into the binary. Finds and lists them; reads
//! one only when it is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::{CommandPath, Diagnostic, Diagnostics};
use crate::model::{Runbook, Vocabulary};

use super::document::Document;
use super::headline::Headline;
use super::runbook::parse_runbook;
use super::shelf::{Child, Shelf};

/// Who a runbook comes from. An earlier one replaces a later one of the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The project's folder.
    Project,
    /// The user's folder.
    User,
    /// The binary.
    BuiltIn,
}

impl Origin {
    /// The word used in lists and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::User => "user",
            Self::BuiltIn => "built-in",
        }
    }
}

/// One word of the command tree: a group, a runbook, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryEntry {
    /// The word.
    pub name: String,
    /// Whether words follow it.
    pub is_group: bool,
    /// Whether it is a runbook itself.
    pub is_runbook: bool,
    /// Who the runbook comes from, or the group where it is none.
    pub origin: Origin,
}

/// The runbooks of a project, a user and the binary.
#[derive(Debug)]
pub struct Library {
    shelves: Vec<(Origin, Shelf)>,
    vocabulary: Vocabulary,
    read: Mutex<BTreeMap<CommandPath, Arc<Runbook>>>,
}

impl Library {
    /// A library over the project's and the user's folders, which need not exist, and the runbooks in the binary.
    #[must_use]
    pub fn new(project: Option<PathBuf>, user: Option<PathBuf>, vocabulary: Vocabulary) -> Self {
        let folders = [(Origin::Project, project), (Origin::User, user)];
        let mut shelves: Vec<_> = folders
            .into_iter()
            .filter_map(|(origin, folder)| Some((origin, Shelf::Folder(folder?))))
            .collect();
        shelves.push((Origin::BuiltIn, Shelf::BuiltIn));
        Self {
            shelves,
            vocabulary,
            read: Mutex::default(),
        }
    }

    /// The actions that its runbooks can use.
    #[must_use]
    pub const fn vocabulary(&self) -> Vocabulary {
        self.vocabulary
    }

    /// The words below a group, sorted; the top for no words. Reads folders only, no runbook. What cannot be read is
    /// left out.
    #[must_use]
    pub fn entries(&self, group: &[String]) -> Vec<LibraryEntry> {
        let mut found: BTreeMap<String, LibraryEntry> = BTreeMap::new();
        for (origin, shelf) in &self.shelves {
            for child in shelf.children(group) {
                let Child::Legal { name, is_group } = child else {
                    continue;
                };
                let entry = found.entry(name.clone()).or_insert(LibraryEntry {
                    name,
                    is_group,
                    is_runbook: !is_group,
                    origin: *origin,
                });
                if !is_group && !entry.is_runbook {
                    entry.origin = *origin;
                }
                entry.is_group |= is_group;
                entry.is_runbook |= !is_group;
            }
        }
        found.into_values().collect()
    }

    /// The groups below a group, sorted.
    #[must_use]
    pub fn groups(&self, group: &[String]) -> Vec<String> {
        let groups = self
            .entries(group)
            .into_iter()
            .filter(|entry| entry.is_group);
        groups.map(|entry| entry.name).collect()
    }

    /// The runbook that a group runs when no more words are given: `health` runs `health/check`.
    #[must_use]
    pub fn default_of(&self, group: &[String]) -> Option<CommandPath> {
        if group != ["health"] {
            return None;
        }
        let path = CommandPath::from_words(["health", "check"]).ok()?;
        self.origin(&path).map(|_| path)
    }

    /// Who the runbook of this path comes from, if there is one.
    #[must_use]
    pub fn origin(&self, path: &CommandPath) -> Option<Origin> {
        let mut shelves = self.shelves.iter();
        shelves
            .find(|(_, shelf)| shelf.contains(path))
            .map(|(origin, _)| *origin)
    }

    /// Reads the runbook of this path, once; none when there is no such runbook.
    ///
    /// # Errors
    /// The mistakes in its file.
    pub fn find(&self, path: &CommandPath) -> Result<Option<Arc<Runbook>>, Diagnostics> {
        if let Some(runbook) = self.known(path) {
            return Ok(Some(runbook));
        }
        for (_, shelf) in &self.shelves {
            if let Some(document) = shelf.open(path)? {
                let runbook = parse_runbook(&document, path.clone(), self.vocabulary)?;
                let runbook = Arc::new(runbook);
                let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
                read.insert(path.clone(), Arc::clone(&runbook));
                return Ok(Some(runbook));
            }
        }
        Ok(None)
    }

    fn known(&self, path: &CommandPath) -> Option<Arc<Runbook>> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.get(path).cloned()
    }

    /// Reads a runbook from any file. Its path is that of the library where the file lies in it, else the file's name.
    ///
    /// # Errors
    /// When the file cannot be read or its name cannot be a command, and the mistakes in it.
    pub fn open_file(&self, file: &Path) -> Result<Arc<Runbook>, Diagnostics> {
        let document = Document::open(file)?;
        let path = self.path_of(file)?;
        parse_runbook(&document, path, self.vocabulary).map(Arc::new)
    }

    fn path_of(&self, file: &Path) -> Result<CommandPath, Diagnostic> {
        let within = self
            .shelves
            .iter()
            .find_map(|(_, shelf)| shelf.path_of(file));
        if let Some(path) = within {
            return Ok(path);
        }
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let name: String = stem
            .to_lowercase()
            .chars()
            .map(|character| match character {
                'a'..='z' | '0'..='9' | '_' => character,
                _ => '-',
            })
            .collect();
        let name = name.trim_matches('-');
        CommandPath::from_words([if name.is_empty() { "runbook" } else { name }])
            .map_err(|error| Diagnostic::new(error.to_string()))
    }

    /// The title and symptoms of a runbook, cheaply: only the head of its file is read. None when there is no such
    /// runbook.
    #[must_use]
    pub fn headline(&self, path: &CommandPath) -> Option<Headline> {
        let mut shelves = self.shelves.iter();
        shelves.find_map(|(_, shelf)| shelf.headline(path))
    }

    /// Every runbook, sorted, with who it comes from. Reads folders only.
    #[must_use]
    pub fn all(&self) -> Vec<(CommandPath, Origin)> {
        let mut found: BTreeMap<CommandPath, Origin> = BTreeMap::new();
        for (origin, shelf) in &self.shelves {
            for path in shelf.all().runbooks {
                found.entry(path).or_insert(*origin);
            }
        }
        found.into_iter().collect()
    }

    /// Files and folders that cannot be commands because of their names, sorted.
    #[must_use]
    pub fn invalid_names(&self) -> Vec<PathBuf> {
        let shelves = self.shelves.iter();
        let found: BTreeSet<PathBuf> = shelves
            .flat_map(|(_, shelf)| shelf.all().invalid_names)
            .collect();
        found.into_iter().collect()
    }
}
