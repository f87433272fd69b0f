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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::sync::Arc;

    use tempfile::TempDir;

    use super::{Library, Origin};
    use crate::base::CommandPath;
    use crate::book::testing::VOCABULARY;

    const BODY: &str = "[[step]]\nname = 'a'\nhttp.get = '/'\n";

    fn put(folder: &Path, name: &str, title: &str) {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, format!("title = {title:?}\n\n{BODY}")).unwrap();
    }

    fn library(project: &TempDir, user: &TempDir) -> Library {
        let folder = |folder: &TempDir| Some(folder.path().to_owned());
        Library::new(folder(project), folder(user), VOCABULARY)
    }

    fn path(text: &str) -> CommandPath {
        CommandPath::parse(text).unwrap()
    }

    fn words(group: &[&str]) -> Vec<String> {
        group.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn the_project_comes_before_the_user_and_both_before_the_binary() {
        let (project, user) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(user.path(), "db/ping.toml", "the user's");
        put(user.path(), "db/mine.toml", "the user's own");
        let library = library(&project, &user);
        let title = || {
            library
                .find(&path("db/ping"))
                .unwrap()
                .unwrap()
                .title
                .clone()
        };
        assert_eq!(library.origin(&path("db/info")), Some(Origin::BuiltIn));
        assert_eq!(
            library.headline(&path("db/ping")).unwrap().title,
            "the user's"
        );
        put(project.path(), "db/ping.toml", "the project's");
        assert_eq!(title(), "the project's");
        let origins: Vec<_> = library
            .entries(&words(&["db"]))
            .into_iter()
            .filter(|entry| ["info", "mine", "ping"].contains(&entry.name.as_str()))
            .map(|entry| entry.origin)
            .collect();
        assert_eq!(origins, [Origin::BuiltIn, Origin::User, Origin::Project]);
        assert!(library.all().contains(&(path("db/mine"), Origin::User)));
    }

    #[test]
    fn a_file_and_a_folder_may_have_one_name() {
        let (project, user) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(project.path(), "deploy.toml", "all");
        put(user.path(), "deploy/web.toml", "one");
        let library = library(&project, &user);
        let entries = library.entries(&[]);
        let deploy = entries.iter().find(|entry| entry.name == "deploy").unwrap();
        assert_eq!(
            (deploy.is_group, deploy.is_runbook, deploy.origin),
            (true, true, Origin::Project)
        );
        assert!(library.groups(&[]).contains(&"deploy".to_owned()));
        assert!(library.find(&path("deploy")).unwrap().is_some());
        assert!(library.find(&path("deploy/web")).unwrap().is_some());
        assert!(library.find(&path("deploy/none")).unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_a_command_is_left_out_and_named() {
        let (project, user) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(project.path(), "x/Upper.toml", "t");
        put(project.path(), "x/good.toml", "t");
        put(project.path(), "Two words/a.toml", "t");
        put(project.path(), "x/.hidden.toml", "t");
        fs::write(project.path().join("x/README.md"), "text").unwrap();
        fs::create_dir(project.path().join("sql")).unwrap();
        fs::write(project.path().join("sql/a.sql"), "SELECT 1").unwrap();
        let library = library(&project, &user);
        let names: Vec<_> = library
            .entries(&words(&["x"]))
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        assert_eq!(names, ["good"]);
        assert!(!library.groups(&[]).contains(&"sql".to_owned()));
        let invalid: Vec<_> = library
            .invalid_names()
            .into_iter()
            .map(|file| {
                file.strip_prefix(project.path())
                    .unwrap()
                    .display()
                    .to_string()
            })
            .collect();
        assert_eq!(invalid, ["Two words", "x/Upper.toml"]);
    }

    #[test]
    fn links_in_circles_and_missing_folders_are_survived() {
        let (project, user) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(project.path(), "a/b/good.toml", "t");
        symlink(project.path(), project.path().join("a/loop")).unwrap();
        symlink("nowhere", project.path().join("a/broken.toml")).unwrap();
        fs::remove_dir(user.path()).unwrap();
        let library = library(&project, &user);
        let own: Vec<_> = library
            .all()
            .into_iter()
            .filter(|(_, origin)| *origin == Origin::Project)
            .map(|(path, _)| path.to_string())
            .collect();
        assert_eq!(own, ["a/b/good"]);
        let names: Vec<_> = library
            .entries(&words(&["a"]))
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        assert_eq!(names, ["b", "loop"]);
    }

    #[test]
    fn a_broken_runbook_does_not_break_the_list() {
        let (project, user) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = |name: &str, text: &str| fs::write(project.path().join(name), text).unwrap();
        file("broken.toml", "title = \n[[step]]");
        file("untitled.toml", "[[step]]");
        fs::write(
            project.path().join("latin.toml"),
            b"title = 'caf\xe9'\n[[step]]",
        )
        .unwrap();
        file(
            "split.toml",
            &format!("title = 'split'\n[[step]]\n#{}", "é".repeat(4096)),
        );
        file(
            "late.toml",
            &format!(
                "description = '''\n[not a table]\n{}'''\ntitle = 'late'\nsymptoms = ['slow']\n{BODY}",
                "x\n".repeat(5000)
            ),
        );
        let library = library(&project, &user);
        let headline = |name: &str| library.headline(&path(name)).unwrap();
        assert_eq!(
            (
                headline("broken").title.as_str(),
                headline("broken").invalid
            ),
            ("(invalid)", true)
        );
        assert!(headline("untitled").invalid);
        assert!(headline("latin").invalid);
        assert_eq!(headline("split").title, "split");
        assert_eq!(
            (headline("late").title.as_str(), headline("late").symptoms),
            ("late", vec!["slow".to_owned()])
        );
        assert_eq!(library.headline(&path("none")), None);
        assert!(
            library
                .find(&path("broken"))
                .unwrap_err()
                .to_string()
                .contains("broken.toml:1:9")
        );
    }

    #[test]
    fn a_runbook_is_read_once() {
        let (project, user) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(project.path(), "a.toml", "t");
        let library = library(&project, &user);
        let first = library.find(&path("a")).unwrap().unwrap();
        assert!(Arc::ptr_eq(
            &first,
            &library.find(&path("a")).unwrap().unwrap()
        ));
    }

    #[test]
    fn any_file_can_be_opened() {
        let (project, user) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(project.path(), "db/a.toml", "t");
        let elsewhere = tempfile::tempdir().unwrap();
        put(elsewhere.path(), "My Runbook.toml", "t");
        let library = library(&project, &user);
        let open = |file: &Path| library.open_file(file).unwrap().path.to_string();
        assert_eq!(open(&project.path().join("db/../db/a.toml")), "db/a");
        assert_eq!(
            open(&elsewhere.path().join("My Runbook.toml")),
            "my-runbook"
        );
    }

    #[test]
    fn only_health_has_a_default() {
        let (project, user) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        put(project.path(), "health/check.toml", "t");
        put(project.path(), "other/check.toml", "t");
        let library = library(&project, &user);
        assert_eq!(
            library.default_of(&words(&["health"])),
            Some(path("health/check"))
        );
        assert_eq!(library.default_of(&words(&["other"])), None);
    }
}
