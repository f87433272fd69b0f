//! One place where runbooks lie: a folder, or the binary. Its folders are groups, its TOML files are runbooks.

use std::fs;
use std::path::{Path, PathBuf};

use crate::base::{CommandPath, Diagnostics, SourceFile};

use super::builtin::{self, BuiltIn};
use super::document::Document;
use super::headline::Headline;

/// How many words a command has at most. Symbolic links may make folders endless.
const MOST_WORDS: usize = 8;

/// One place where runbooks lie.
#[derive(Debug)]
pub(super) enum Shelf {
    /// A folder, which need not exist.
    Folder(PathBuf),
    /// The binary.
    BuiltIn,
}

/// What lies in a group.
#[derive(Debug)]
pub(super) enum Child {
    /// A group or a runbook.
    Legal { name: String, is_group: bool },
    /// A file or folder whose name cannot be a word of a command.
    Illegal(PathBuf),
}

/// Everything on a shelf.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) runbooks: Vec<CommandPath>,
    pub(super) invalid_names: Vec<PathBuf>,
}

impl Shelf {
    /// What lies in a group, in no order. What cannot be read is left out.
    pub(super) fn children(&self, group: &[String]) -> Vec<Child> {
        match self {
            Self::Folder(root) => match group.len() < MOST_WORDS {
                true => folder_children(&folder_of(root, group), MOST_WORDS - group.len()),
                false => Vec::new(),
            },
            Self::BuiltIn => builtin::children(group)
                .into_iter()
                .map(|(name, is_group)| Child::Legal { name, is_group })
                .collect(),
        }
    }

    /// Whether it has a runbook of this path.
    pub(super) fn contains(&self, path: &CommandPath) -> bool {
        match self {
            Self::Folder(root) => file_of(root, path).is_file(),
            Self::BuiltIn => builtin::find(path).is_some(),
        }
    }

    /// Opens the runbook of this path, if there is one.
    pub(super) fn open(&self, path: &CommandPath) -> Result<Option<Document>, Diagnostics> {
        match self {
            Self::Folder(root) => {
                let file = file_of(root, path);
                if !file.is_file() {
                    return Ok(None);
                }
                Document::open(&file).map(Some)
            }
            Self::BuiltIn => match builtin::find(path) {
                Some(BuiltIn { name, text }) => {
                    Document::parse(SourceFile::new(name, text)).map(Some)
                }
                None => Ok(None),
            },
        }
    }

    /// The title and symptoms of the runbook of this path, if there is one.
    pub(super) fn headline(&self, path: &CommandPath) -> Option<Headline> {
        match self {
            Self::Folder(root) => Headline::read(&file_of(root, path)),
            Self::BuiltIn => builtin::find(path).map(|runbook| Headline::of(runbook.text)),
        }
    }

    /// The path of a file that lies on this shelf.
    pub(super) fn path_of(&self, file: &Path) -> Option<CommandPath> {
        let Self::Folder(root) = self else {
            return None;
        };
        let file = fs::canonicalize(file).ok()?;
        let inside = file.strip_prefix(fs::canonicalize(root).ok()?).ok()?;
        if inside.extension()? != "toml" {
            return None;
        }
        let inside = inside.with_extension("");
        let words: Option<Vec<&str>> = inside.iter().map(|word| word.to_str()).collect();
        CommandPath::from_words(words?).ok()
    }

    /// Everything on it, in no order.
    pub(super) fn all(&self) -> Contents {
        let mut contents = Contents::default();
        let mut ancestors = Vec::new();
        self.collect(&mut Vec::new(), &mut ancestors, &mut contents);
        contents
    }

    /// `ancestors` are the folders above, so that a symbolic link to one of them is not followed again.
    fn collect(
        &self,
        group: &mut Vec<String>,
        ancestors: &mut Vec<PathBuf>,
        contents: &mut Contents,
    ) {
        if let Self::Folder(root) = self {
            let Ok(real) = fs::canonicalize(folder_of(root, group)) else {
                return;
            };
            if ancestors.contains(&real) {
                return;
            }
            ancestors.push(real);
        }
        for child in self.children(group) {
            match child {
                Child::Illegal(path) => contents.invalid_names.push(path),
                Child::Legal { name, is_group } => {
                    group.push(name);
                    if is_group {
                        self.collect(group, ancestors, contents);
                    } else {
                        contents.runbooks.extend(CommandPath::from_words(&*group));
                    }
                    group.pop();
                }
            }
        }
        ancestors.pop();
    }
}

fn folder_of(root: &Path, group: &[String]) -> PathBuf {
    group
        .iter()
        .fold(root.to_owned(), |path, word| path.join(word))
}

fn file_of(root: &Path, path: &CommandPath) -> PathBuf {
    let mut file = folder_of(root, path.words()).into_os_string();
    file.push(".toml");
    file.into()
}

fn folder_children(folder: &Path, depth: usize) -> Vec<Child> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| child(&entry.ok()?, depth))
        .collect()
}

/// None for what is no runbook and no group: hidden files, other files, folders without a runbook.
fn child(entry: &fs::DirEntry, depth: usize) -> Option<Child> {
    let file_name = entry.file_name();
    let path = Path::new(&file_name);
    if file_name.as_encoded_bytes().starts_with(b".") {
        return None;
    }
    let is_toml = path
        .extension()
        .is_some_and(|extension| extension == "toml");
    let mut kind = entry.file_type().ok()?;
    if kind.is_symlink() {
        kind = fs::metadata(entry.path()).ok()?.file_type();
    }
    let is_group = kind.is_dir();
    if !(is_group && holds_runbooks(&entry.path(), depth) || kind.is_file() && is_toml) {
        return None;
    }
    let name = if is_group {
        Some(path.as_os_str())
    } else {
        path.file_stem()
    };
    let name = name.and_then(|name| name.to_str()).unwrap_or_default();
    Some(match CommandPath::from_words([name]) {
        Ok(_) => Child::Legal {
            name: name.to_owned(),
            is_group,
        },
        Err(_) => Child::Illegal(entry.path()),
    })
}

/// Whether a TOML file lies somewhere below a folder. Links to folders count without being followed: they may be many
/// and lead in circles.
fn holds_runbooks(folder: &Path, depth: usize) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    let mut folders = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        let kind = entry.file_type();
        let is_toml = path
            .extension()
            .is_some_and(|extension| extension == "toml");
        let is_link = kind.as_ref().is_ok_and(|kind| kind.is_symlink());
        if is_toml || is_link && path.is_dir() {
            return true;
        }
        if kind.is_ok_and(|kind| kind.is_dir()) {
            folders.push(path);
        }
    }
    depth > 0
        && folders
            .iter()
            .any(|folder| holds_runbooks(folder, depth - 1))
}
