//! The program as a command sees it: what was decided, where the project lies, and what is read only when it is needed.

use std::path::PathBuf;
use std::sync::Arc;

use crate::action;
use crate::base::{Diagnostics, RunId};
use crate::book::{self, Children, EstateNames, Library};
use crate::config::{self, Config};
use crate::engine::{Journal as _, RunRow};
use crate::event::Envelope;
use crate::model::Runbook;
use crate::plan::effect_of_runbook;
use crate::store::SqliteJournal;
use crate::term::{self, Loudness, Terminal};

use super::LogFormat;
use super::project::Project;
use super::{AppError, Environment, Settings};

/// The program as a command sees it.
pub struct App {
    environment: Environment,
    settings: Settings,
    project: Project,
    library: Library,
    terminal: Terminal,
}

impl App {
    /// Finds the project. `config` is the value of `--config`; the rest of the settings follows once they are known.
    ///
    /// # Errors
    /// When the configuration that was asked for is not there.
    pub fn new(environment: Environment, config: Option<PathBuf>) -> Result<Self, AppError> {
        let project = Project::find(config, &environment)?;
        Ok(Self::of(environment, project))
    }

    /// The program without a project: to write the configuration of one.
    #[must_use]
    pub fn without_project(environment: Environment) -> Self {
        Self::of(environment, Project::default())
    }

    fn of(environment: Environment, project: Project) -> Self {
        Self {
            library: project.library(),
            terminal: terminal(&environment, &Settings::default()),
            environment,
            settings: Settings::default(),
            project,
        }
    }

    /// The program in another place: what was begun here, the log, goes on.
    pub(super) fn elsewhere(
        &self,
        environment: Environment,
        project: Project,
        settings: Settings,
    ) -> Self {
        Self {
            terminal: self.terminal.clone(),
            settings,
            ..Self::of(environment, project)
        }
    }

    /// Takes the settings in, and begins the log that they ask for.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
        self.terminal = terminal(&self.environment, &self.settings);
        super::logging::start(
            &self.settings,
            self.terminal.error_colour(),
            &self.environment.masker,
        );
        tracing::debug!(
            config = ?self.project.config,
            runbooks = %self.project.runbooks.display(),
            "the project lies here"
        );
    }

    /// What surrounds the process.
    #[must_use]
    pub const fn environment(&self) -> &Environment {
        &self.environment
    }

    /// What the caller decided.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where data and messages go.
    pub(super) const fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// The runbooks.
    #[must_use]
    pub const fn library(&self) -> &Library {
        &self.library
    }

    /// The configuration with the chosen environment laid over it; empty where there is none.
    ///
    /// # Errors
    /// When it cannot be read or is wrong.
    pub fn config(&self) -> Result<Config, AppError> {
        match &self.project.config {
            Some(path) => Ok(config::load(
                path,
                self.settings.environment.as_deref(),
                action::vocabulary(),
            )?),
            None => match &self.settings.environment {
                None => Ok(Config {
                    folder: self.environment.folder.clone(),
                    ..Config::default()
                }),
                Some(name) => Err(AppError::usage(format!(
                    "there is no environment {name:?}: no opsbook.toml was found"
                ))
                .hint("`opsbook init` writes one")),
            },
        }
    }

    /// The configuration in each of its environments, for `lint`; none where there is none.
    ///
    /// # Errors
    /// Its mistakes in any environment.
    #[must_use]
    pub fn configs(&self) -> Option<Result<Vec<Config>, Diagnostics>> {
        let path = self.project.config.as_ref()?;
        Some(config::load_all(path, action::vocabulary()))
    }

    /// The names that inputs can refer to, for help and completion; none where the configuration cannot be read.
    #[must_use]
    pub fn names(&self) -> EstateNames {
        self.config()
            .map(|config| config.names())
            .unwrap_or_default()
    }

    /// The journal: `--store`, the configuration's `store`, else the user's own.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn journal_of(&self, config: &Config) -> Result<SqliteJournal, AppError> {
        Ok(SqliteJournal::open(self.journal_path(config)?)?)
    }

    /// The newest runs first, at most `limit`, only those of `runbook` if one is given.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn runs(&self, limit: usize, runbook: Option<&str>) -> Result<Vec<RunRow>, AppError> {
        Ok(self.journal_for_reading()?.runs(limit, runbook)?)
    }

    /// The events of a run, at least one.
    ///
    /// # Errors
    /// When there is no such run, or the journal cannot be read.
    pub fn events_of(&self, run: RunId) -> Result<Vec<Envelope>, AppError> {
        let events = self.journal_for_reading()?.events(run)?;
        if events.is_empty() {
            return Err(no_such_run(run));
        }
        Ok(events)
    }

    /// The journal for reading: it makes nothing and waits for nobody.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn journal_for_reading(&self) -> Result<SqliteJournal, AppError> {
        Ok(SqliteJournal::open_read_only(
            self.journal_path(&self.config()?)?,
        )?)
    }

    pub(super) fn journal_path(&self, config: &Config) -> Result<PathBuf, AppError> {
        if let Some(store) = &self.settings.store {
            return Ok(self.environment.absolute(store));
        }
        if let Some(store) = &config.store {
            return Ok(config.folder.join(store));
        }
        match self.environment.state_folder() {
            Some(folder) => Ok(folder.join("journal.db")),
            None => Err(AppError::unknown(
                "there is no place for the journal: neither HOME nor XDG_STATE_HOME is set",
            )
            .hint("name one with --store FILE")),
        }
    }

    /// The runbooks that a runbook runs, however deep.
    ///
    /// # Errors
    /// When one is missing or wrong.
    pub fn children(&self, runbook: &Arc<Runbook>) -> Result<Children, AppError> {
        Ok(book::children(&self.library, runbook)?)
    }

    /// What a runbook may do, in words, for its help; nothing where that cannot be told.
    #[must_use]
    pub fn effect_in_words(&self, runbook: &Arc<Runbook>) -> Option<&'static str> {
        let config = self.config().unwrap_or_default();
        let children = self.children(runbook).ok()?;
        Some(match effect_of_runbook(runbook, &config, &children) {
            crate::base::Effect::Read => "reads only",
            crate::base::Effect::Write => "writes",
            crate::base::Effect::Destroy => "destroys",
        })
    }
}

pub(super) fn no_such_run(run: RunId) -> AppError {
    AppError::usage(format!("there is no run {run}")).hint("`opsbook runs list` shows them")
}

fn terminal(environment: &Environment, settings: &Settings) -> Terminal {
    let loudness = match (settings.quiet, settings.verbosity, settings.log_format) {
        (true, _, _) => Loudness::Quiet,
        // A log for machines tells of each step itself: lines for people would break it.
        (false, 0, _) | (false, _, LogFormat::Json) => Loudness::Usual,
        (false, _, LogFormat::Text) => Loudness::Verbose,
    };
    let settings = term::Settings {
        colour: settings.colour,
        loudness,
        variables: environment.terminal_variables(),
    };
    Terminal::new(environment.facts, settings)
}
