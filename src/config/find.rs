//! Where `opsbook.toml` lies. Reads nothing of it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::base::text::neutral;
use crate::base::{Diagnostic, Diagnostics};

/// The one name that is looked for. A file of another name, or in a folder beside, is read only when it is named, so
/// that two files can never both be meant.
pub const FILE_NAME: &str = "opsbook.toml";

/// The configuration that is meant: the one named explicitly, else the first `opsbook.toml` from the folder `start`
/// upwards, else the user's own. `start` should be absolute. There being none is no mistake.
///
/// # Errors
/// When the named file is not there, or when a file on the way cannot be looked at: the next one up is another project's,
/// and must not be taken in its place.
pub fn find(
    start: &Path,
    explicit: Option<&Path>,
    user: Option<&Path>,
) -> Result<Option<PathBuf>, Diagnostics> {
    if let Some(path) = explicit {
        return match look(path)? {
            true => Ok(Some(path.to_owned())),
            false => Err(Diagnostic::new(format!("there is no file {}", shown(path)))
                .help("check --config and OPSBOOK_CONFIG, or make one with `opsbook init`")
                .into()),
        };
    }
    for folder in start.ancestors() {
        let path = folder.join(FILE_NAME);
        if look(&path)? {
            return Ok(Some(path));
        }
    }
    match user {
        Some(path) if look(path)? => Ok(Some(path.to_owned())),
        Some(_) | None => Ok(None),
    }
}

/// Whether there is such a file.
fn look(path: &Path) -> Result<bool, Diagnostic> {
    match path.metadata() {
        Ok(about) if about.is_dir() => Err(Diagnostic::new(format!("{} is a folder", shown(path)))
            .help("the configuration is a file")),
        Ok(_) => Ok(true),
        Err(error) if absent(error.kind()) && path.is_symlink() => Err(Diagnostic::new(format!(
            "{} is a link to nothing",
            shown(path)
        ))),
        Err(error) if absent(error.kind()) => Ok(false),
        Err(error) => Err(Diagnostic::new(format!(
            "cannot look at {}: {error}",
            shown(path)
        ))),
    }
}

fn absent(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn shown(path: &Path) -> String {
    neutral(&path.display().to_string())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use std::fs;

    use super::find;

    #[test]
    fn explicit_then_upwards_then_the_users() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b/c");
        fs::create_dir_all(&deep).unwrap();
        let own = folder.path().join("user.toml");
        assert_eq!(find(&deep, None, Some(&own)).unwrap(), None);
        fs::write(&own, "").unwrap();
        assert_eq!(find(&deep, None, Some(&own)).unwrap(), Some(own.clone()));
        let above = folder.path().join("a/opsbook.toml");
        fs::write(&above, "").unwrap();
        assert_eq!(find(&deep, None, Some(&own)).unwrap(), Some(above.clone()));
        assert_eq!(find(&deep, Some(&own), None).unwrap(), Some(own));
        let nearer = deep.join("opsbook.toml");
        fs::write(&nearer, "").unwrap();
        assert_eq!(find(&deep, None, None).unwrap(), Some(nearer));
    }

    #[test]
    fn other_names_are_not_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".opsbook.toml"), "").unwrap();
        assert_eq!(find(folder.path(), None, None).unwrap(), None);
    }

    #[test]
    fn never_passes_over_what_it_cannot_look_at() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("opsbook.toml");
        let said = |explicit| {
            find(folder.path(), explicit, None)
                .unwrap_err()
                .to_string()
                .replace(&path.display().to_string(), "FILE")
        };
        assert_eq!(
            said(Some(path.as_path())),
            "there is no file FILE\n  check --config and OPSBOOK_CONFIG, or make one with `opsbook init`"
        );
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        assert_eq!(said(None), "FILE is a link to nothing");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(
            said(None),
            "FILE is a folder\n  the configuration is a file"
        );
    }
}
