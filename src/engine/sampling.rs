//! What the engine needs of a store for checks: what each saw, and what its verdict was by then.

use chrono::{DateTime, Utc};

use crate::base::Status;
use crate::config::Config;

use super::{Baseline, JournalError, Outage, Period, ReadingStore, Retention, Seen};

/// One check over time. The same check of another project or environment is another series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// The project's name; empty where the configuration gives none.
    pub project: String,
    /// The environment; empty where there are none.
    pub environment: String,
    /// The service.
    pub service: String,
    /// The check.
    pub check: String,
}

impl Series {
    /// The series of a check of this configuration.
    #[must_use]
    pub fn of(config: &Config, service: &str, check: &str) -> Self {
        Self {
            project: config.project.clone().unwrap_or_default(),
            environment: config.environment.clone().unwrap_or_default(),
            service: service.to_owned(),
            check: check.to_owned(),
        }
    }
}

/// What one look at a check saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When.
    pub at: DateTime<Utc>,
    /// How long it took, in milliseconds, where it came to an answer or an end.
    pub ms: Option<f64>,
    /// What the look alone said: ok, warning, critical, unknown or affected.
    pub look: Status,
    /// What was told of the check.
    pub told: Status,
}

/// What is told of a check, and what speaks against it: looks in a row that said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckState {
    /// What is told: ok, warning or critical.
    pub told: Status,
    /// How many looks in a row said otherwise.
    pub against: u32,
    /// When the first of them was; of the last look where there are none.
    pub since: DateTime<Utc>,
    /// When the last look was.
    pub last: DateTime<Utc>,
}

/// Keeps what checks saw, and what else is read now and then.
pub trait SampleStore: ReadingStore {
    /// The states of these series, in their order; none of one that was never looked at.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn states(&self, series: &[Series]) -> Result<Vec<Option<CheckState>>, JournalError>;

    /// Keeps samples and the states of their series, all or none. Some of the older samples of the same series become part
    /// of their hours, and some of their oldest hours are dropped: a bounded number each time, and more than are brought.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn keep_samples(
        &self,
        samples: &[(Series, Sample, CheckState)],
        retention: &Retention,
    ) -> Result<(), JournalError>;

    /// Shows what was seen of a series in a period, the earliest first, all of one moment of the store. An hour is part of
    /// the period if any of it is.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn history(
        &self,
        series: &Series,
        period: Period,
        see: &mut dyn FnMut(Seen),
    ) -> Result<(), JournalError>;

    /// The outages of a series that reach into a period, the earliest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn outages(&self, series: &Series, period: Period) -> Result<Vec<Outage>, JournalError>;

    /// Keeps a baseline in the place of one of the same name; whether there was one.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn keep_baseline(&self, baseline: &Baseline) -> Result<bool, JournalError>;

    /// The baselines of a project's environment, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn baselines(&self, project: &str, environment: &str) -> Result<Vec<Baseline>, JournalError>;
}
