//! The folder of migrations: which files there are, in which order, and which of them takes which back. Must not know what
//! has been applied.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::base::Size;
use crate::base::text::hexadecimal;
use crate::engine::ActionError;

/// The longest file that is run, in bytes: it is held in memory.
const LONGEST_FILE: u64 = 16 * 1024 * 1024;

/// The most migrations that a folder may have.
const MOST: usize = 10_000;

/// A migration as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Migration {
    /// Its name, without what the file's name adds: `0003_add_orders`.
    pub(super) name: String,
    /// The name of its file below the folder: `0003_add_orders.sql`.
    pub(super) file: String,
    /// Where the file lies.
    pub(super) path: PathBuf,
    /// The file that takes it back.
    pub(super) down: Option<PathBuf>,
}

/// The text of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) sql: String,
    /// Of the text with LF at the end of its lines: a checkout may have CR LF.
    pub(super) sha256: String,
}

impl Migration {
    /// The numbers that the name begins with: `[3]`, `[20260101, 120000]`.
    pub(super) fn version(&self) -> Vec<u128> {
        version(&self.name)
    }

    /// Whether a person means it by this name: with or without what the file's name adds.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name || self.file == name
    }

    pub(super) fn text(&self) -> Result<Text, ActionError> {
        text(&self.path)
    }
}

/// The migrations of a folder, in the order in which they are applied. `rollback` holds a file of the same name for each.
pub(super) fn read(folder: &Path, rollback: Option<&Path>) -> Result<Vec<Migration>, ActionError> {
    let mut migrations = Vec::new();
    let mut downs = Vec::new();
    for name in names(folder)? {
        let path = folder.join(&name);
        if path.is_dir() {
            let file = path.join("migration.sql");
            if file.is_file() {
                let down = Some(path.join("down.sql")).filter(|down| down.is_file());
                migrations.push(Migration {
                    file: format!("{name}/migration.sql"),
                    path: file,
                    down,
                    name,
                });
            }
        } else if let Some(of) = name.strip_suffix(".down.sql") {
            downs.push((of.to_owned(), path));
        } else if let Some(of) = name.strip_suffix(".sql") {
            migrations.push(Migration {
                name: of.strip_suffix(".up").unwrap_or(of).to_owned(),
                file: name,
                path,
                down: None,
            });
        }
    }
    for (of, path) in downs {
        match migrations.iter_mut().find(|known| known.name == of) {
            Some(migration) => migration.down = Some(path),
            None => {
                return Err(ActionError::config(format!(
                    "{} takes back a migration that is not there",
                    path.display()
                ))
                .help(format!("add {of}.sql or {of}.up.sql, or remove it")));
            }
        }
    }
    for migration in &mut migrations {
        let own = rollback.map(|rollback| rollback.join(format!("{}.sql", migration.name)));
        migration.down = own
            .filter(|path| path.is_file())
            .or_else(|| migration.down.take());
    }
    if migrations.len() > MOST {
        let message = format!("{} holds more than {MOST} migrations", folder.display());
        return Err(ActionError::own(message).help("correct `folder`"));
    }
    migrations.sort_by_cached_key(|migration| order(&migration.name));
    if let Some([first, second]) = migrations
        .windows(2)
        .find(|pair| pair[0].name == pair[1].name)
    {
        return Err(ActionError::config(format!(
            "{} and {} are one migration by their names",
            first.file, second.file
        )));
    }
    Ok(migrations)
}

/// The names in a folder that may be migrations.
fn names(folder: &Path) -> Result<Vec<String>, ActionError> {
    let unreadable = |error: std::io::Error| {
        ActionError::own(format!(
            "the folder of migrations {} cannot be read: {error}",
            folder.display()
        ))
        .help("correct `folder` of its `migrations`, or make the folder")
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let Some(name) = name.to_str() else {
            let message = format!("{} is no name in UTF-8", folder.join(&name).display());
            return Err(ActionError::config(message));
        };
        if !name.starts_with('.') {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// The order of names: by the numbers that they begin with, then as text. Those without a number come last.
pub(super) fn order(name: &str) -> (bool, Vec<u128>, String) {
    let version = version(name);
    (version.is_empty(), version, name.to_owned())
}

fn version(name: &str) -> Vec<u128> {
    let parts = name.split(['_', '-', '.']);
    parts.map_while(|part| part.parse().ok()).collect()
}

/// The text of a file.
pub(super) fn text(path: &Path) -> Result<Text, ActionError> {
    let shown = path.display();
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    if bytes > LONGEST_FILE {
        return Err(ActionError::config(format!(
            "the file {shown} has {}; at most {} are run in one transaction",
            Size(bytes),
            Size(LONGEST_FILE)
        ))
        .help("split it, or load its rows with the database's own tool"));
    }
    let sql = std::fs::read_to_string(path).map_err(|error| {
        ActionError::own(format!("the file {shown} cannot be read: {error}"))
            .help("the text is UTF-8")
    })?;
    let digest = Sha256::digest(sql.replace("\r\n", "\n"));
    Ok(Text {
        sha256: hexadecimal(&digest),
        sql,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{Migration, order, read};

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "SELECT 1;\r\n").unwrap();
        }
        folder
    }

    fn names(migrations: &[Migration]) -> Vec<(&str, Option<&str>)> {
        let down = |migration: &'_ Migration| {
            let down = migration.down.as_ref()?.file_name()?.to_str()?.to_owned();
            Some(&*down.leak())
        };
        migrations
            .iter()
            .map(|migration| (migration.name.as_str(), down(migration)))
            .collect()
    }

    #[test]
    fn files_are_ordered_by_number_and_joined_with_what_takes_them_back() {
        let folder = folder(&[
            "10_c.up.sql",
            "10_c.down.sql",
            "2_b.sql",
            "back/2_b.sql",
            "1_a/migration.sql",
            "1_a/down.sql",
            "seed.sql",
            "README.md",
            ".hidden.sql",
            "other/x.sql",
        ]);
        let back = folder.path().join("back");
        let migrations = read(folder.path(), Some(&back)).unwrap();
        assert_eq!(
            names(&migrations),
            [
                ("1_a", Some("down.sql")),
                ("2_b", Some("2_b.sql")),
                ("10_c", Some("10_c.down.sql")),
                ("seed", None),
            ]
        );
        assert!(migrations[0].is("1_a/migration.sql") && migrations[0].is("1_a"));
        assert_eq!(migrations[2].version(), [10]);
    }

    #[test]
    fn what_cannot_be_one_migration_is_refused() {
        for (files, told) in [
            (
                &["1_a.down.sql"][..],
                "takes back a migration that is not there",
            ),
            (
                &["1_a.sql", "1_a.up.sql"],
                "are one migration by their names",
            ),
        ] {
            let error = read(folder(files).path(), None).unwrap_err();
            assert!(error.message.contains(told), "{error}");
        }
        let missing = folder(&[]).path().join("nothing");
        assert!(read(&missing, None).unwrap_err().help.is_some());
    }

    #[test]
    fn the_digest_is_the_same_whatever_ends_the_lines() {
        let folder = folder(&["1_a.sql"]);
        let migration = read(folder.path(), None).unwrap().remove(0);
        let before = migration.text().unwrap();
        std::fs::write(&migration.path, "SELECT 1;\n").unwrap();
        assert_eq!(migration.text().unwrap().sha256, before.sha256);
        std::fs::write(&migration.path, "SELECT 2;\n").unwrap();
        assert_ne!(migration.text().unwrap().sha256, before.sha256);
    }

    #[test]
    fn dates_with_times_are_ordered_by_both() {
        let mut names = [
            "20260101_120001_b",
            "20260101_090000_c",
            "9_a",
            "x",
            "20260102_a",
        ];
        names.sort_by_cached_key(|name| order(name));
        assert_eq!(
            names,
            [
                "9_a",
                "20260101_090000_c",
                "20260101_120001_b",
                "20260102_a",
                "x"
            ]
        );
    }
}
