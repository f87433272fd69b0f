//! Fills a store with what checks would have seen, a look a minute until now: as opsbook keeps it and folds it, and by its own
//! code.

use std::process::ExitCode;

use chrono::{DateTime, TimeDelta, Utc};

use opsbook::base::Status;
use opsbook::config::Health;
use opsbook::engine::{CheckState, JournalError, Retention, Sample, SampleStore as _, Series};
use opsbook::store::SqliteJournal;

/// So many minutes are kept at once, because a year has too many transactions to wait for.
const AT_ONCE: i64 = 60;

/// Every so many minutes a check is down for `DOWN` of them.
const BETWEEN_OUTAGES: i64 = 5 * 24 * 60;
const DOWN: i64 = 10;

/// `samples STORE PROJECT SERVICE CHECKS DAYS`: the checks are called `c0`, `c1`, …
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, project, service, checks, days] = arguments.as_slice() else {
        // `cargo bench` starts every bench with arguments of its own.
        return ExitCode::SUCCESS;
    };
    let (Ok(checks), Ok(days)) = (checks.parse(), days.parse()) else {
        return ExitCode::FAILURE;
    };
    let all: Vec<Series> = (0..checks)
        .map(|number: usize| Series {
            project: project.clone(),
            environment: String::new(),
            service: service.clone(),
            check: format!("c{number}"),
        })
        .collect();
    match fill(store, &all, days) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn fill(store: &str, all: &[Series], days: i64) -> Result<(), JournalError> {
    let journal = SqliteJournal::open(store)?;
    let mut random = fastrand::Rng::with_seed(1);
    let now = Utc::now();
    let minutes = days * 24 * 60;
    for first in (0..minutes).step_by(AT_ONCE as usize) {
        let mut kept = Vec::new();
        let mut at = now;
        for minute in first..minutes.min(first + AT_ONCE) {
            at = now - TimeDelta::minutes(minutes - minute);
            for (number, series) in all.iter().enumerate() {
                let into = (minute + 97 * number as i64) % BETWEEN_OUTAGES;
                let (sample, state) = look(&mut random, at, into < DOWN);
                kept.push((series.clone(), sample, state));
            }
        }
        journal.keep_samples(&kept, &Retention::of(&Health::default(), at))?;
    }
    Ok(())
}

/// A look of some ten milliseconds with a long tail, as answers have.
fn look(random: &mut fastrand::Rng, at: DateTime<Utc>, down: bool) -> (Sample, CheckState) {
    // A sum of twelve is normal enough.
    let normal: f64 = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
    let told = if down { Status::Critical } else { Status::Ok };
    let sample = Sample {
        at,
        ms: Some(20.0 * (normal * 0.5).exp()),
        look: told,
        told,
    };
    let state = CheckState {
        told,
        against: 0,
        since: at,
        last: at,
    };
    (sample, state)
}
