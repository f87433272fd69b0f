//! Finds files below a folder by pattern, age and size. Follows no symbolic link, and hides no folder that it could not read.

use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::blocking::{self, Abandoned};

/// How many folders that could not be read are named.
const MOST_UNREADABLE: usize = 20;

/// What to look for.
#[derive(Clone, Debug)]
pub struct Search {
    /// The folder to look in.
    pub folder: PathBuf,
    /// Patterns of the path below the folder: `*` and `?` stay within a name, `**` goes through folders.
    pub patterns: Vec<String>,
    /// What may be found.
    pub kind: EntryKind,
    /// Not changed for longer than this.
    pub older_than: Option<Duration>,
    /// Changed within this time.
    pub newer_than: Option<Duration>,
    /// More bytes than this.
    pub larger_than: Option<u64>,
    /// Fewer bytes than this.
    pub smaller_than: Option<u64>,
    /// How many entries are kept; the others are only counted.
    pub limit: usize,
    /// The present moment.
    pub now: SystemTime,
}

/// What may be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Plain files.
    File,
    /// Folders.
    Folder,
    /// Whatever has a name, symbolic links among it.
    Any,
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path, beginning with the folder that was looked in.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// When its content was last changed.
    pub modified: SystemTime,
}

/// What a search gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The entries, sorted by path; of more than the limit, those that were met first.
    pub entries: Vec<Entry>,
    /// How many there are, also beyond the limit.
    pub count: u64,
    /// The bytes of all of them.
    pub bytes: u64,
    /// How many folders and entries could not be read.
    pub unreadable: u64,
    /// The first of those, with the reason.
    pub unreadable_paths: Vec<String>,
}

/// Why nothing could be looked for.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A pattern is not one.
    #[error("{pattern:?} is not a pattern: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder itself cannot be read.
    #[error("the folder {} cannot be read: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody waits for the answer any more.
    #[error("interrupted")]
    Interrupted,
}

/// Looks for files. Ends soon after its future is dropped.
///
/// # Errors
/// When a pattern is not one, or the folder cannot be read.
pub async fn find(search: Search) -> Result<Found, FilesError> {
    let patterns = compile(&search.patterns)?;
    let deepest = deepest(&search.patterns);
    blocking::run(move |abandoned| walk(&search, &patterns, deepest, abandoned))
        .await
        .map_err(|_| FilesError::Interrupted)?
}

fn compile(patterns: &[String]) -> Result<GlobSet, FilesError> {
    let wrong = |pattern: &str, error: &globset::Error| FilesError::Pattern {
        pattern: pattern.to_owned(),
        reason: error.kind().to_string(),
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let odd = |part| matches!(part, "" | "." | "..");
        if pattern.split('/').any(odd) {
            return Err(FilesError::Pattern {
                pattern: pattern.clone(),
                reason: "it begins below the folder that is looked in, and has no ., .. or //"
                    .to_owned(),
            });
        }
        let glob = GlobBuilder::new(pattern)
            .literal_separator(true)
            .build()
            .map_err(|error| wrong(pattern, &error))?;
        set.add(glob);
    }
    set.build()
        .map_err(|error| wrong(&patterns.join(" "), &error))
}

/// How many folders deep the patterns can reach; none where one goes through all.
fn deepest(patterns: &[String]) -> Option<usize> {
    let depths = patterns
        .iter()
        .map(|pattern| (!pattern.contains("**")).then(|| pattern.matches('/').count()));
    depths.collect::<Option<Vec<_>>>()?.into_iter().max()
}

fn walk(
    search: &Search,
    patterns: &GlobSet,
    deepest: Option<usize>,
    abandoned: &Abandoned,
) -> Result<Found, FilesError> {
    let mut found = Found::default();
    let mut folders = vec![(PathBuf::new(), 0)];
    while let Some((below, depth)) = folders.pop() {
        let folder = search.folder.join(&below);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(source) if depth == 0 => return Err(FilesError::Folder { folder, source }),
            Err(error) => {
                found.unreadable(&folder, &error);
                continue;
            }
        };
        for entry in entries {
            if abandoned.get() {
                return Err(FilesError::Interrupted);
            }
            match entry.and_then(|entry| entry.metadata().map(|metadata| (entry, metadata))) {
                Ok((entry, metadata)) => {
                    let below = below.join(entry.file_name());
                    if patterns.is_match(&below) {
                        found.consider(search, &entry, &metadata);
                    }
                    if metadata.is_dir() && deepest.is_none_or(|deepest| depth < deepest) {
                        folders.push((below, depth + 1));
                    }
                }
                // What was there a moment ago and is gone was not found.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => found.unreadable(&folder, &error),
            }
        }
    }
    found.entries.sort_by(|one, two| one.path.cmp(&two.path));
    Ok(found)
}

impl Found {
    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        self.unreadable += 1;
        if self.unreadable_paths.len() < MOST_UNREADABLE {
            self.unreadable_paths
                .push(format!("{}: {error}", path.display()));
        }
    }

    /// Takes an entry in if it is one that is looked for.
    fn consider(&mut self, search: &Search, entry: &DirEntry, metadata: &Metadata) {
        let right_kind = match search.kind {
            EntryKind::File => metadata.is_file(),
            EntryKind::Folder => metadata.is_dir(),
            EntryKind::Any => true,
        };
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        // An entry of the future has no age.
        let age = search.now.duration_since(modified).unwrap_or_default();
        let bytes = metadata.len();
        let wanted = right_kind
            && search.older_than.is_none_or(|limit| age > limit)
            && search.newer_than.is_none_or(|limit| age < limit)
            && search.larger_than.is_none_or(|limit| bytes > limit)
            && search.smaller_than.is_none_or(|limit| bytes < limit);
        if !wanted {
            return;
        }
        self.count += 1;
        self.bytes += bytes;
        if self.entries.len() < search.limit {
            self.entries.push(Entry {
                path: entry.path(),
                bytes,
                modified,
            });
        }
    }
}
