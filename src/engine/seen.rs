//! What checks saw over a stretch of time, as counts: hours of the past, baselines, and what reports are made of.

use chrono::{DateTime, TimeDelta, Utc};

use crate::base::{Histogram, Span, Status};
use crate::config::Health;

use super::{Sample, Series};

/// What a look can say, in the order of the counts.
const LOOKS: [Status; 5] = [
    Status::Ok,
    Status::Warning,
    Status::Critical,
    Status::Unknown,
    Status::Affected,
];

/// How often looks said what, and how long they took. Of looks that could not tell, and of those that were another one's
/// trouble, the length says nothing and is not counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// How many looks said ok, warning, critical, unknown and affected.
    pub looks: [u64; 5],
    /// How long they took, in milliseconds.
    pub lengths: Histogram,
}

impl Tally {
    /// Counts one more look.
    pub fn add(&mut self, sample: &Sample) {
        if let Some(index) = LOOKS.iter().position(|look| *look == sample.look) {
            self.looks[index] = self.looks[index].saturating_add(1);
        }
        if let Some(ms) = length_of(sample) {
            self.lengths.record(ms);
        }
    }

    /// Counts all that another one counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.looks.iter_mut().zip(other.looks) {
            *mine = mine.saturating_add(theirs);
        }
        self.lengths.merge(&other.lengths);
    }

    /// How many looks there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.up() + self.down() + self.looks[3]
    }

    /// The looks at what was there: ok or warning.
    #[must_use]
    pub fn up(&self) -> u64 {
        self.looks[0] + self.looks[1]
    }

    /// The looks at what was not there for its users: critical or affected.
    #[must_use]
    pub fn down(&self) -> u64 {
        self.looks[2] + self.looks[4]
    }

    /// The share of the looks that could tell at which it was there, from 0 to 1; none where none could tell.
    #[must_use]
    pub fn availability(&self) -> Option<f64> {
        let told = self.up() + self.down();
        (told > 0).then(|| self.up() as f64 / told as f64)
    }
}

/// How long a look took, in milliseconds, where that says something of the check.
#[must_use]
pub fn length_of(sample: &Sample) -> Option<f64> {
    let tells = matches!(sample.look, Status::Ok | Status::Warning | Status::Critical);
    sample.ms.filter(|_| tells)
}

/// Whether what is told means that a check is down; none where it says neither.
#[must_use]
pub const fn is_down(told: Status) -> Option<bool> {
    match told {
        Status::Critical | Status::Affected => Some(true),
        Status::Ok | Status::Warning => Some(false),
        _ => None,
    }
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// When it begins.
    pub from: DateTime<Utc>,
    /// When it ends: that moment is part of it.
    pub to: DateTime<Utc>,
}

impl Period {
    /// The stretch of this length that ends now.
    #[must_use]
    pub fn before(now: DateTime<Utc>, length: Span) -> Self {
        let from = earlier(now, length);
        Self { from, to: now }
    }
}

/// From when on what is kept how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// From here on samples are kept one by one.
    pub samples_from: DateTime<Utc>,
    /// From here on hours are kept.
    pub hours_from: DateTime<Utc>,
}

impl Retention {
    /// What the configuration says.
    #[must_use]
    pub fn of(health: &Health, now: DateTime<Utc>) -> Self {
        Self {
            samples_from: earlier(now, health.keep),
            hours_from: earlier(now, health.history),
        }
    }
}

fn earlier(now: DateTime<Utc>, length: Span) -> DateTime<Utc> {
    TimeDelta::from_std(length.0)
        .ok()
        .and_then(|length| now.checked_sub_signed(length))
        .unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// One look, or an hour of looks that are no longer kept one by one.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// A look.
    Look(Sample),
    /// An hour, by when it began.
    Hour(DateTime<Utc>, Tally),
}

/// A time for which a check was told to be down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When that was told first.
    pub began: DateTime<Utc>,
    /// When it was told to be there again; none while it is down.
    pub ended: Option<DateTime<Utc>>,
}

/// What was seen in a good time, to hold a later one against.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// The project's name; empty where the configuration gives none.
    pub project: String,
    /// The environment; empty where there are none.
    pub environment: String,
    /// Its name.
    pub name: String,
    /// When it was saved.
    pub saved_at: DateTime<Utc>,
    /// What it is made of.
    pub period: Period,
    /// What was seen of each check.
    pub checks: Vec<(Series, Tally)>,
}
