//! What the engine needs of a store for numbers that are read now and then, to tell how they grew: what a database takes,
//! how many rows a table has.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::config::Config;

use super::JournalError;

/// How many days a reading is kept for: a year and what a late look at the same season needs.
pub const READINGS_KEPT_DAYS: i64 = 400;

/// What numbers are read of. The same of another project or environment is another subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The project's name; the configuration's folder where it gives none.
    pub project: String,
    /// The environment; empty where there are none.
    pub environment: String,
    /// What it is: `database/main`.
    pub subject: String,
}

impl Subject {
    /// The subject of this configuration.
    #[must_use]
    pub fn of(config: &Config, subject: impl Into<String>) -> Self {
        Self {
            project: config.project.clone().unwrap_or_else(|| nameless(config)),
            environment: config.environment.clone().unwrap_or_default(),
            subject: subject.into(),
        }
    }
}

/// What stands for the name of a project that has none: two of them are not one.
fn nameless(config: &Config) -> String {
    let folder = std::fs::canonicalize(&config.folder);
    let folder = folder.unwrap_or_else(|_| config.folder.clone());
    folder.display().to_string()
}

/// A number as it was read once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// When.
    pub at: DateTime<Utc>,
    /// The number; whole ones are exact up to 2^53.
    pub value: f64,
}

/// Keeps readings: the last one of each day (UTC), for [`READINGS_KEPT_DAYS`] days.
pub trait ReadingStore {
    /// The newest reading of each number of a subject that is not younger than `until`, by the numbers' names.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn readings(
        &self,
        subject: &Subject,
        until: DateTime<Utc>,
    ) -> Result<BTreeMap<String, Reading>, JournalError>;

    /// Keeps what was read of a subject at one moment, all or none, in the place of what was read on the same day.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn keep_readings(
        &self,
        subject: &Subject,
        at: DateTime<Utc>,
        values: &BTreeMap<String, f64>,
    ) -> Result<(), JournalError>;
}

/// The day that a moment lies in, counted from 1970-01-01.
#[must_use]
pub fn day_of(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::Subject;
    use crate::config::Config;

    #[test]
    fn projects_without_a_name_are_told_apart_by_their_folder() {
        let subject = |project: Option<&str>, folder: &str| {
            let config = Config {
                project: project.map(str::to_owned),
                folder: folder.into(),
                ..Config::default()
            };
            Subject::of(&config, "database/main")
        };
        assert_ne!(subject(None, "/no/such/a"), subject(None, "/no/such/b"));
        assert_eq!(subject(None, "/no/such/a").project, "/no/such/a");
        assert_eq!(
            subject(Some("shop"), "/no/such/a"),
            subject(Some("shop"), "/no/such/b")
        );
    }
}
