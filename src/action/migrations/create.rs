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
    let words = words.trim_matches('_');
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
    if pairs || rollback.is_some() {
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
        let paths = self
            .files
            .iter()
            .map(|(path, _)| path.display().to_string());
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
            rows.push(json!({ "file": path.display().to_string() }));
        }
        let paths = self
            .files
            .iter()
            .map(|(path, _)| path.display().to_string());
        let detail = paths.collect::<Vec<_>>().join(", ");
        Ok(Outputs::new(detail)
            .with("count", rows.len())
            .with("rows", rows))
    }
}
