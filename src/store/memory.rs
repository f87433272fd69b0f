//! A journal that ends with the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use crate::base::{Liveness, ProcessMark, RunId};
use crate::engine::{
    Acquired, Baseline, CheckState, Durability, Journal, JournalError, LockHolder, Locks, Outage,
    Period, Reading, ReadingStore, Retention, RunRow, Sample, SampleStore, Seen, Series, Subject,
    is_down, reading_day,
};
use crate::event::{Envelope, Event};

/// A journal that ends with the process.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    runs: BTreeMap<RunId, Run>,
    locks: BTreeMap<String, LockHolder>,
    sources: BTreeMap<String, String>,
    samples: Vec<(Series, Sample, CheckState)>,
    outages: Vec<(Series, Outage)>,
    baselines: BTreeMap<(String, String, String), Baseline>,
    readings: BTreeMap<(Subject, String), BTreeMap<i64, Reading>>,
}

#[derive(Clone, Debug, Default)]
struct Run {
    events: BTreeMap<u64, Envelope>,
    row: Option<RunRow>,
}

impl MemoryJournal {
    /// An empty journal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    // Every change below is complete or not begun, so a panic elsewhere leaves nothing torn.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SampleStore for MemoryJournal {
    fn states(&self, series: &[Series]) -> Result<Vec<Option<CheckState>>, JournalError> {
        let state = self.lock();
        let last = |series: &Series| {
            let mut samples = state.samples.iter().rev();
            samples
                .find(|(other, ..)| other == series)
                .map(|(_, _, state)| *state)
        };
        Ok(series.iter().map(last).collect())
    }

    /// What ends with the process does not grow old: nothing is folded.
    fn keep_samples(
        &self,
        samples: &[(Series, Sample, CheckState)],
        _: &Retention,
    ) -> Result<(), JournalError> {
        let mut state = self.lock();
        state.samples.extend_from_slice(samples);
        for (series, sample, _) in samples {
            state.note_outage(series, sample);
        }
        Ok(())
    }

    fn history(
        &self,
        series: &Series,
        period: Period,
        see: &mut dyn FnMut(Seen),
    ) -> Result<(), JournalError> {
        let state = self.lock();
        let mut looks: Vec<Sample> = state
            .samples
            .iter()
            .filter(|(other, sample, _)| {
                other == series && (period.from..=period.to).contains(&sample.at)
            })
            .map(|(_, sample, _)| *sample)
            .collect();
        looks.sort_by_key(|sample| sample.at);
        looks.into_iter().map(Seen::Look).for_each(see);
        Ok(())
    }

    fn outages(&self, series: &Series, period: Period) -> Result<Vec<Outage>, JournalError> {
        let state = self.lock();
        let reaches = |outage: &Outage| {
            outage.began <= period.to && outage.ended.is_none_or(|ended| ended >= period.from)
        };
        let own = state.outages.iter().filter(|(other, _)| other == series);
        Ok(own.map(|(_, outage)| *outage).filter(reaches).collect())
    }

    fn keep_baseline(&self, baseline: &Baseline) -> Result<bool, JournalError> {
        let key = (
            baseline.project.clone(),
            baseline.environment.clone(),
            baseline.name.clone(),
        );
        let before = self.lock().baselines.insert(key, baseline.clone());
        Ok(before.is_some())
    }

    fn baselines(&self, project: &str, environment: &str) -> Result<Vec<Baseline>, JournalError> {
        let state = self.lock();
        let all = state.baselines.values();
        let own = all.filter(|one| one.project == project && one.environment == environment);
        Ok(own.cloned().collect())
    }
}

impl ReadingStore for MemoryJournal {
    fn readings(
        &self,
        subject: &Subject,
        until: DateTime<Utc>,
    ) -> Result<BTreeMap<String, Reading>, JournalError> {
        let state = self.lock();
        let own = state.readings.iter().filter(|((of, _), _)| of == subject);
        let newest = own.filter_map(|((_, name), days)| {
            let not_younger = days.values().filter(|reading| reading.at <= until);
            let newest = not_younger.max_by_key(|reading| reading.at)?;
            Some((name.clone(), *newest))
        });
        Ok(newest.collect())
    }

    /// What ends with the process does not grow old: no day is dropped.
    fn keep_readings(
        &self,
        subject: &Subject,
        at: DateTime<Utc>,
        values: &BTreeMap<String, f64>,
    ) -> Result<(), JournalError> {
        let mut state = self.lock();
        for (name, &value) in values {
            let days = state.readings.entry((subject.clone(), name.clone()));
            let days = days.or_default();
            days.insert(reading_day(at), Reading { at, value });
        }
        Ok(())
    }
}

impl State {
    fn note_outage(&mut self, series: &Series, sample: &Sample) {
        let open = self
            .outages
            .iter_mut()
            .find(|(other, outage)| other == series && outage.ended.is_none());
        match (is_down(sample.told), open) {
            (Some(true), None) => {
                let outage = Outage {
                    began: sample.at,
                    ended: None,
                };
                self.outages.push((series.clone(), outage));
            }
            (Some(false), Some((_, outage))) => outage.ended = Some(sample.at.max(outage.began)),
            _ => {}
        }
    }
}

impl Locks for MemoryJournal {
    fn acquire(
        &self,
        lock: &str,
        holder: &LockHolder,
        liveness: &dyn Fn(&ProcessMark) -> Liveness,
    ) -> Result<Acquired, JournalError> {
        let mut state = self.lock();
        let before = state.locks.get(lock).cloned();
        match before {
            Some(other) if other.run == holder.run && other.process == holder.process => {
                return Ok(Acquired::Free);
            }
            Some(other) if liveness(&other.process) != Liveness::Dead => {
                return Ok(Acquired::Held(other));
            }
            _ => {}
        }
        state.locks.insert(lock.to_owned(), holder.clone());
        Ok(before.map_or(Acquired::Free, Acquired::TakenOver))
    }

    fn release(&self, run: RunId, process: &ProcessMark) -> Result<(), JournalError> {
        self.lock()
            .locks
            .retain(|_, holder| holder.run != run || holder.process != *process);
        Ok(())
    }
}

impl Journal for MemoryJournal {
    fn begin(&self) -> Result<RunId, JournalError> {
        let runs = &mut self.lock().runs;
        let last = runs.last_key_value().map_or(0, |(run, _)| run.0);
        let run = RunId(last + 1);
        runs.insert(run, Run::default());
        Ok(run)
    }

    fn append(&self, events: &[Envelope], _: Durability) -> Result<(), JournalError> {
        let runs = &mut self.lock().runs;
        let mut seen = std::collections::BTreeSet::new();
        for event in events {
            let kept = runs
                .get(&event.run)
                .is_some_and(|run| run.events.contains_key(&event.seq));
            if kept || !seen.insert((event.run, event.seq)) {
                return Err(JournalError::Unwritable {
                    path: "in memory".to_owned(),
                    reason: format!("event {} of run {} is there already", event.seq, event.run),
                });
            }
        }
        for event in events {
            let run = runs.entry(event.run).or_default();
            run.note(event);
            run.events.insert(event.seq, event.clone());
        }
        Ok(())
    }

    fn events(&self, run: RunId) -> Result<Vec<Envelope>, JournalError> {
        Ok(self
            .lock()
            .runs
            .get(&run)
            .map(|run| run.events.values().cloned().collect())
            .unwrap_or_default())
    }

    fn runs(&self, limit: usize, runbook: Option<&str>) -> Result<Vec<RunRow>, JournalError> {
        Ok(self
            .lock()
            .runs
            .values()
            .rev()
            .filter_map(|run| run.row.as_ref())
            .filter(|row| runbook.is_none_or(|runbook| row.runbook == runbook))
            .take(limit)
            .cloned()
            .collect())
    }

    fn keep_source(&self, digest: &str, text: &str) -> Result<(), JournalError> {
        let sources = &mut self.lock().sources;
        sources.insert(digest.to_owned(), text.to_owned());
        Ok(())
    }

    fn source(&self, digest: &str) -> Result<Option<String>, JournalError> {
        Ok(self.lock().sources.get(digest).cloned())
    }
}

impl Run {
    fn note(&mut self, envelope: &Envelope) {
        match &envelope.event {
            Event::RunStarted(start) => {
                self.row = Some(RunRow {
                    run: envelope.run,
                    runbook: start.runbook.clone(),
                    started_at: envelope.at,
                    verdict: None,
                    exit: None,
                    took_ms: None,
                    user: start.user.clone(),
                    reason: String::new(),
                    dry: start.dry,
                });
            }
            Event::RunResumed(_) => {
                if let Some(row) = &mut self.row {
                    (row.verdict, row.exit, row.took_ms) = (None, None, None);
                    row.reason.clear();
                }
            }
            Event::RunFinished(end) => {
                if let Some(row) = &mut self.row {
                    row.verdict = Some(end.verdict);
                    row.exit = Some(end.exit);
                    row.took_ms = Some(end.took_ms);
                    row.reason.clone_from(&end.reason);
                }
            }
            _ => {}
        }
    }
}
