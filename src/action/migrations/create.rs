//! Writes the files of a new migration. Overwrites nothing.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::engine::{ActionError, Outputs};

use super::folder::Migration;

/// The files of a new migration with what stands in them at first.
pub(super) struct Draft {
    files: Vec<(PathBuf, String)>,
}

/// Plans the next migration of a folder, numbered as the others are.
pub(super) fn draft(
    migrations: &[Migration],
    folder: &Path,
    rollback: Option<&Path>,
    title: &str,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Draft, ActionError> {
    let words: String = title
        .chars()
        .map(|letter| {
            if letter.is_alphanumeric() {
                letter.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect();
    let words: Vec<&str> = words.split('_').filter(|word| !word.is_empty()).collect();
    let words = words.join("_");
    if words.is_empty() {
        return Err(
            ActionError::config(format!("{title:?} is no name for a migration"))
                .help("name what it does: add_orders"),
        );
    }
    let name = format!("{}_{words}", next(migrations, now)?);
    let pairs = migrations
        .iter()
        .any(|known| known.file.ends_with(".up.sql"));
    let up = if pairs { ".up.sql" } else { ".sql" };
    let down = match rollback {
        Some(rollback) => rollback.join(format!("{name}.sql")),
        None => folder.join(format!("{name}.down.sql")),
    };
    let mut files = vec![(folder.join(format!("{name}{up}")), format!("-- {title}\n"))];
    if rollback.is_some() || migrations.iter().any(|known| known.down.is_some()) {
        files.push((down, format!("-- Takes back: {title}\n")));
    }
    Ok(Draft { files })
}

/// The number behind the last one, written as that is: `0004`, `20261121_091500`.
fn next(
    migrations: &[Migration],
    now: chrono::DateTime<chrono::Utc>,
) -> Result<String, ActionError> {
    let last = migrations
        .iter()
        .rev()
        .find(|known| !known.version().is_empty());
    let Some(last) = last else {
        return Ok("0001".to_owned());
    };
    let digits: Vec<usize> = last
        .name
        .split(['_', '-', '.'])
        .take(last.version().len())
        .map(str::len)
        .collect();
    match digits[..] {
        [8, 6, ..] => Ok(now.format("%Y%m%d_%H%M%S").to_string()),
        [14, ..] => Ok(now.format("%Y%m%d%H%M%S").to_string()),
        [8, ..] => Ok(now.format("%Y%m%d").to_string()),
        [width, ..] => {
            let number = last.version()[0].checked_add(1).ok_or_else(|| {
                ActionError::config(format!("no number comes behind that of {}", last.name))
            })?;
            Ok(format!("{number:0width$}"))
        }
        [] => Ok("0001".to_owned()),
    }
}

impl Draft {
    /// The files that would be written.
    pub(super) fn in_words(&self) -> String {
        let paths = self.files.iter().map(|(path, _)| shown(path));
        format!("write {}", paths.collect::<Vec<_>>().join(" and "))
    }

    /// Writes them.
    pub(super) fn write(&self) -> Result<Outputs, ActionError> {
        let mut rows = Vec::new();
        for (path, text) in &self.files {
            let cannot = |error: std::io::Error| {
                ActionError::own(format!("{} cannot be written: {error}", path.display()))
                    .help("nothing is ever overwritten: choose another name, or remove the file")
            };
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(cannot)?;
            }
            let mut file = std::fs::File::create_new(path).map_err(cannot)?;
            file.write_all(text.as_bytes()).map_err(cannot)?;
            file.sync_all().map_err(cannot)?;
            rows.push(json!({ "file": shown(path) }));
        }
        let paths = self.files.iter().map(|(path, _)| shown(path));
        let detail = paths.collect::<Vec<_>>().join(", ");
        Ok(Outputs::new(detail)
            .with("count", rows.len())
            .with("rows", rows))
    }
}

/// A path without what says nothing.
fn shown(path: &Path) -> String {
    let path: PathBuf = path.components().collect();
    let path = path.strip_prefix(".").unwrap_or(&path);
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::folder::read;
    use super::draft;

    /// The names of the files that follow these, and of no other.
    fn next(files: &[&str], rollback: bool) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        let back = folder.path().join("rollback");
        let back = rollback.then_some(back.as_path());
        let now = "2026-11-21T09:15:00Z".parse().unwrap();
        let migrations = read(folder.path(), back).unwrap();
        let draft = draft(&migrations, folder.path(), back, "Add orders, again!", now).unwrap();
        draft.write().unwrap();
        assert!(
            draft
                .write()
                .unwrap_err()
                .message
                .contains("cannot be written")
        );
        let paths = draft.files.iter().map(|(path, _)| path);
        paths
            .map(|path| {
                path.strip_prefix(folder.path())
                    .unwrap()
                    .display()
                    .to_string()
            })
            .collect()
    }

    #[test]
    fn a_new_one_is_numbered_as_the_others_are() {
        assert_eq!(next(&[], false), ["0001_add_orders_again.sql"]);
        assert_eq!(next(&["009_a.sql"], false), ["010_add_orders_again.sql"]);
        assert_eq!(
            next(&["1_a.up.sql", "1_a.down.sql"], false),
            ["2_add_orders_again.up.sql", "2_add_orders_again.down.sql"]
        );
        assert_eq!(
            next(&["20260101_120000_a.sql"], true),
            [
                "20261121_091500_add_orders_again.sql",
                "rollback/20261121_091500_add_orders_again.sql"
            ]
        );
        assert_eq!(
            next(&["20260101120000_a.sql"], false),
            ["20261121091500_add_orders_again.sql"]
        );
    }
}
