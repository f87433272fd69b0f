//! An event with its place in the stream.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::base::RunId;

use super::Event;

/// The version of the format of events. Readers take every version up to this one.
pub const VERSION: u32 = 1;

/// An event with its place in the stream.
///
/// As JSON: `{"version":1,"run":7,"seq":0,"at":"2026-11-20T03:00:00Z","type":"run-started",…}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// The version of the format, [`VERSION`] when it was written.
    pub version: u32,
    /// The run it belongs to.
    pub run: RunId,
    /// Its number within the run, counting from 0 without gaps.
    pub seq: u64,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}
