//! Where the project lies: its configuration and its runbooks. Looks for them; reads no more than it must.

use std::path::{Path, PathBuf};

use crate::action;
use crate::book::{self, Library};
use crate::config;

use super::{AppError, Environment};

/// Where the project lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Project {
    /// The configuration, if there is one.
    pub(super) config: Option<PathBuf>,
    /// The project's runbooks.
    pub(super) runbooks: PathBuf,
    /// The user's own runbooks.
    pub(super) user_runbooks: Option<PathBuf>,
}

impl Project {
    /// Finds the project from the current folder. `explicit` is the value of `--config`.
    ///
    /// # Errors
    /// When the explicit configuration is not there.
    pub(super) fn find(
        explicit: Option<PathBuf>,
        environment: &Environment,
    ) -> Result<Self, AppError> {
        let explicit = explicit
            .or_else(|| environment.variable("OPSBOOK_CONFIG").map(PathBuf::from))
            .map(|path| environment.absolute(&path));
        let user = environment.config_folder();
        let user_config = user.as_ref().map(|folder| folder.join("opsbook.toml"));
        let config = config::find(
            &environment.folder,
            explicit.as_deref(),
            user_config.as_deref(),
        )
        .map_err(|mistakes| match &explicit {
            Some(_) => AppError::usage(mistakes.to_string()),
            None => AppError::from(mistakes),
        })?
        .map(|path| seen_from(&environment.folder, path));
        let folder = match &config {
            Some(config) => config.parent().map(PathBuf::from).unwrap_or_default(),
            None => PathBuf::new(),
        };
        let runbooks = config
            .as_deref()
            .and_then(runbooks_key)
            .unwrap_or_else(|| PathBuf::from("runbooks"));
        Ok(Self {
            runbooks: seen_from(&environment.folder, folder.join(runbooks)),
            config,
            user_runbooks: user.map(|folder| folder.join("runbooks")),
        })
    }

    /// The project as it was when a run was begun with this configuration, or without any.
    ///
    /// # Errors
    /// When the configuration is not there any more.
    pub(super) fn of_run(
        config: Option<&Path>,
        environment: &Environment,
    ) -> Result<Self, AppError> {
        match config {
            Some(config) => Self::find(Some(config.to_owned()), environment),
            None => Ok(Self {
                config: None,
                runbooks: PathBuf::from("runbooks"),
                user_runbooks: environment
                    .config_folder()
                    .map(|folder| folder.join("runbooks")),
            }),
        }
    }

    /// The runbooks of the project and of the user.
    pub(super) fn library(&self) -> Library {
        Library::new(
            Some(self.runbooks.clone()),
            self.user_runbooks.clone(),
            action::vocabulary(),
        )
    }
}

/// The path as a person in this folder would write it, so that messages are short.
fn seen_from(folder: &Path, path: PathBuf) -> PathBuf {
    match path.strip_prefix(folder) {
        Ok(below) => below.to_owned(),
        Err(_) => path,
    }
}

/// The key `runbooks` of a configuration, without reading the rest: a help must not fail on a mistake elsewhere in it.
fn runbooks_key(config: &Path) -> Option<PathBuf> {
    let text = book::read_text(config).ok()?;
    if !text.contains("runbooks") {
        return None;
    }
    let table: toml::Table = text.parse().ok()?;
    table.get("runbooks")?.as_str().map(PathBuf::from)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::Project;
    use crate::app::Environment;

    #[test]
    fn the_runbooks_lie_beside_the_configuration_unless_it_says_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("opsbook.toml");
        let below = folder.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        let mut environment = Environment::of(&[]);
        environment.folder = below;
        std::fs::write(&config, "project = \"x\"\n").unwrap();
        let project = Project::find(None, &environment).unwrap();
        assert_eq!(project.config.as_deref(), Some(config.as_path()));
        assert_eq!(project.runbooks, folder.path().join("runbooks"));
        std::fs::write(&config, "runbooks = \"ops\"\nunknown = 1\n").unwrap();
        assert_eq!(
            Project::find(None, &environment).unwrap().runbooks,
            folder.path().join("ops")
        );
    }

    #[test]
    fn a_configuration_that_is_too_large_to_be_one_is_not_searched() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("runbooks = \"ops\"\n#{}\n", "x".repeat(1 << 20));
        std::fs::write(folder.path().join("opsbook.toml"), text).unwrap();
        let mut environment = Environment::of(&[]);
        environment.folder = folder.path().to_owned();
        let project = Project::find(None, &environment).unwrap();
        assert!(project.runbooks.ends_with("runbooks"));
    }

    #[test]
    fn a_configuration_that_is_asked_for_must_be_there() {
        let environment = Environment::of(&[("OPSBOOK_CONFIG", "missing.toml")]);
        let error = Project::find(None, &environment).unwrap_err();
        assert_eq!(error.exit().code(), 64);
        assert!(error.message.contains("/project/missing.toml"));
    }
}
