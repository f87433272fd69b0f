//! What a run amounts to, folded from its events. Reports and lists read this, whether the run is live or replayed.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use crate::base::{Effect, RunId, Severity, Status, StepKey, Verdict};

use super::{CheckOf, Envelope, Event, Resumption, RunStarted, StepFinished, StepPlace, StepTable};

/// What a run amounts to so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// The number of the run.
    pub run: Option<RunId>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// How it began.
    pub start: Option<RunStarted>,
    /// Its steps: first as planned, then as they ended, in the order of the runbook.
    pub steps: Vec<StepLine>,
    /// The causes that the evidence supports, worst first.
    pub findings: Vec<FindingLine>,
    /// How it ended, once it did.
    pub verdict: Option<Verdict>,
    /// The exit code, once it ended.
    pub exit: Option<u8>,
    /// Why it ended so.
    pub reason: String,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// What was last done with it, where that was more than to begin it.
    pub resumed: Option<Resumption>,
    /// Where the line of a step stands in `steps`: a run may have thousands, and each event looks its step up.
    places: HashMap<StepKey, usize>,
    /// The steps that run checks.
    runners: HashSet<StepKey>,
}

/// A step of a run so far.
#[derive(Clone, Debug, PartialEq)]
pub struct StepLine {
    /// Its key.
    pub step: StepKey,
    /// Its action: `http.get`.
    pub action: String,
    /// What it may do.
    pub effect: Effect,
    /// Where it stands, or the step it belongs to.
    pub place: Option<StepPlace>,
    /// The check that it is, if it is one.
    pub check: Option<CheckOf>,
    /// Whether it has begun.
    pub started: bool,
    /// How it ended, once it did.
    pub end: Option<StepFinished>,
}

impl StepLine {
    /// How it ended; not run until it did.
    #[must_use]
    pub fn status(&self) -> Status {
        self.end.as_ref().map_or(Status::NotRun, |end| end.status)
    }

    /// What people call it: a check by its service and name, any other step by its key.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.check {
            Some(check) => check.to_string(),
            None => self.step.to_string(),
        }
    }
}

/// A cause that the evidence of a run supports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingLine {
    /// How much it matters.
    pub severity: Severity,
    /// The cause, in words.
    pub cause: String,
    /// The command that remedies it, without the leading `opsbook`.
    pub remedy: Option<String>,
}

impl Summary {
    /// Folds a whole stream.
    #[must_use]
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Envelope>) -> Self {
        let mut summary = Self::default();
        for envelope in events {
            summary.add(envelope);
        }
        summary
    }

    /// Takes one more event in.
    pub fn add(&mut self, envelope: &Envelope) {
        self.take(envelope, StepFinished::clone);
    }

    /// The same without what steps gave, for readers that show only how they ended: outputs can be large.
    pub fn add_without_outputs(&mut self, envelope: &Envelope) {
        self.take(envelope, StepFinished::without_outputs);
    }

    fn take(&mut self, envelope: &Envelope, kept: fn(&StepFinished) -> StepFinished) {
        self.run = Some(envelope.run);
        match &envelope.event {
            Event::RunStarted(start) => {
                self.started_at = Some(envelope.at);
                for planned in &start.steps {
                    self.line(&planned.step, &planned.action, planned.effect)
                        .place
                        .clone_from(&planned.place);
                }
                self.start = Some(start.clone());
            }
            Event::StepStarted(start) => {
                let check = start.check.as_ref();
                let line = self.line_of(&start.step, &start.action, start.effect, check);
                line.started = true;
                // It runs again, and how it ended before is no longer true.
                if !start.undo {
                    line.end = None;
                }
            }
            Event::StepFinished(end) => {
                let check = end.check.as_ref();
                let line = self.line_of(&end.step, &end.action, end.effect, check);
                line.check.clone_from(&end.check);
                line.end = Some(kept(end));
            }
            Event::FindingRaised(finding) => {
                self.findings.push(FindingLine {
                    severity: finding.severity,
                    cause: finding.cause.clone(),
                    remedy: finding.remedy.clone(),
                });
                self.findings.sort_by_key(|finding| finding.severity);
            }
            Event::RunFinished(end) => {
                self.verdict = Some(end.verdict);
                self.exit = Some(end.exit);
                self.reason.clone_from(&end.reason);
                self.took_ms = end.took_ms;
            }
            Event::RunResumed(resumed) => {
                self.resumed = Some(resumed.what);
                self.verdict = None;
                self.exit = None;
                self.reason.clear();
                self.findings.clear();
            }
            Event::StepRetried(_)
            | Event::ApprovalRequested(_)
            | Event::RunApproved(_)
            | Event::LockTakenOver(_)
            | Event::JournalPruned(_)
            | Event::Other(_) => {}
        }
    }

    /// The line of a step. One that the plan did not hold (an item of a `for_each`, a step of a sub-runbook) goes
    /// behind the last line of the step it belongs to, items in the order of their list however they ended.
    fn line(&mut self, step: &StepKey, action: &str, effect: Effect) -> &mut StepLine {
        self.line_of(step, action, effect, None)
    }

    fn line_of(
        &mut self,
        step: &StepKey,
        action: &str,
        effect: Effect,
        check: Option<&CheckOf>,
    ) -> &mut StepLine {
        let place = match self.places.get(step) {
            Some(place) => *place,
            None => self.insert(StepLine {
                step: step.clone(),
                action: action.to_owned(),
                effect,
                place: self.place_of_owner(step),
                check: check.cloned(),
                started: false,
                end: None,
            }),
        };
        &mut self.steps[place]
    }

    fn place_of_owner(&self, step: &StepKey) -> Option<StepPlace> {
        let owner = StepKey::new(owner(step.as_str())?);
        let line = &self.steps[*self.places.get(&owner)?];
        line.place.clone()
    }

    fn insert(&mut self, line: StepLine) -> usize {
        let place = (self.place_of_check(&line)).unwrap_or_else(|| self.place_of(&line));
        if let Some(runner) = runner(&line) {
            self.runners.insert(StepKey::new(runner));
        }
        for later in &self.steps[place..] {
            if let Some(moved) = self.places.get_mut(&later.step) {
                *moved += 1;
            }
        }
        self.places.insert(line.step.clone(), place);
        self.steps.insert(place, line);
        place
    }

    /// The place of a check: behind those that come before it in the configuration, however they ended.
    fn place_of_check(&self, line: &StepLine) -> Option<usize> {
        let index = line.check.as_ref()?.index;
        let runner = runner(line)?;
        let last = self.steps.iter().rposition(|other| match &other.check {
            Some(check) => check.index < index && self::runner(other) == Some(runner),
            None => other.step.as_str() == runner,
        })?;
        Some(last + 1)
    }

    fn place_of(&self, line: &StepLine) -> usize {
        owner(line.step.as_str())
            .and_then(|owner| {
                let index = index_within(&line.step, owner);
                self.steps.iter().rposition(|other| {
                    belongs(&other.step, owner) && index_within(&other.step, owner) <= index
                })
            })
            .map_or(self.steps.len(), |last| last + 1)
    }

    /// The rows that the runbook prints instead of the table of steps.
    #[must_use]
    pub fn output_table(&self) -> Option<&StepTable> {
        self.table_of(&self.output_step()?)
    }

    /// The step whose rows the runbook prints: the one that its `output` names; where that was skipped, the only one that
    /// was not, if it gave rows to print.
    #[must_use]
    pub fn output_step(&self) -> Option<StepKey> {
        let named = StepKey::new(self.start.as_ref()?.output.as_ref()?);
        let line = self.places.get(&named).map(|place| &self.steps[*place]);
        if line.is_some_and(|line| line.status() == Status::Skipped) {
            let mut ran = (self.counted()).filter(|line| line.status() != Status::Skipped);
            if let (Some(only), None) = (ran.next(), ran.next())
                && self.table_of(&only.step).is_some()
            {
                return Some(only.step.clone());
            }
        }
        Some(named)
    }

    /// The rows that a step gave to print.
    #[must_use]
    pub fn table_of(&self, step: &StepKey) -> Option<&StepTable> {
        let place = *self.places.get(step)?;
        self.steps[place].end.as_ref()?.table.as_ref()
    }

    /// The steps that count: an item of a `for_each` and a step of a sub-runbook are told by the step they belong to.
    pub fn counted(&self) -> impl Iterator<Item = &StepLine> {
        self.steps.iter().filter(|line| self.is_counted(&line.step))
    }

    /// Whether a step did nothing but run checks: it says nothing that they do not say themselves.
    #[must_use]
    pub fn is_runner(&self, step: &StepKey) -> bool {
        let line = || self.places.get(step).map(|place| &self.steps[*place]);
        let failed = || {
            line()
                .and_then(|line| line.end.as_ref())
                .is_some_and(|end| end.failed)
        };
        self.runners.contains(step) && !failed()
    }

    /// Whether everything that counts is a check.
    #[must_use]
    pub fn is_of_checks(&self) -> bool {
        let mut counted = self.counted().peekable();
        counted.peek().is_some() && counted.all(|line| line.check.is_some())
    }

    /// Whether a step counts by itself. Checks do, and the step that runs them does not.
    #[must_use]
    pub fn is_counted(&self, step: &StepKey) -> bool {
        if self.is_runner(step) {
            return false;
        }
        let check = (self.places.get(step)).and_then(|place| runner(&self.steps[*place]));
        owner(check.unwrap_or(step.as_str())).is_none_or(|owner| !self.has(owner))
    }

    fn has(&self, step: &str) -> bool {
        self.places.contains_key(&StepKey::new(step))
    }

    /// How many steps that count ended with each status, in the order of [`Status::ALL`], those that occur.
    #[must_use]
    pub fn counts(&self) -> Vec<(Status, usize)> {
        Status::ALL
            .into_iter()
            .map(|status| {
                let with_it = self.counted().filter(|line| line.status() == status);
                (status, with_it.count())
            })
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

/// The step that runs a check.
fn runner(line: &StepLine) -> Option<&str> {
    line.check.as_ref()?.runner(&line.step)
}

/// The step that an item of a `for_each` or a step of a sub-runbook belongs to.
fn owner(text: &str) -> Option<&str> {
    text.rfind(['[', '/']).map(|cut| &text[..cut])
}

/// The number of the item of `owner` that a step is or belongs to; none for the steps of a sub-runbook, which keep the
/// order in which they began.
fn index_within(step: &StepKey, owner: &str) -> Option<usize> {
    let (index, _) = step
        .as_str()
        .strip_prefix(owner)?
        .strip_prefix('[')?
        .split_once(']')?;
    index.parse().ok()
}

fn belongs(step: &StepKey, owner: &str) -> bool {
    step.as_str()
        .strip_prefix(owner)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '/']))
}

#[cfg(test)]
mod tests {
    use crate::base::{Severity, Status, StepKey};
    use crate::event::{Event, FindingRaised, Summary, sample};

    fn keys(summary: &Summary) -> Vec<&str> {
        summary
            .steps
            .iter()
            .map(|line| line.step.as_str())
            .collect()
    }

    #[test]
    fn a_step_that_the_plan_did_not_hold_goes_behind_its_owner() {
        let mut events = vec![sample::started(&["a", "each", "ab", "z"])];
        for key in [
            "each[0]",
            "each[1]",
            "a/sub",
            "each[1]/x",
            "other",
            "a/sub[0]",
        ] {
            events.push(sample::finished(key, Status::Ok));
        }
        let summary = Summary::of(&sample::stream(events));
        assert_eq!(
            keys(&summary),
            [
                "a",
                "a/sub",
                "a/sub[0]",
                "each",
                "each[0]",
                "each[1]",
                "each[1]/x",
                "ab",
                "z",
                "other"
            ]
        );
        for line in &summary.steps {
            assert_eq!(
                line.end.as_ref().map_or(&line.step, |end| &end.step),
                &line.step
            );
        }
    }

    #[test]
    fn the_last_end_of_a_step_counts_and_the_rest_has_not_run() {
        let summary = Summary::of(&sample::stream(vec![
            sample::started(&["a", "b", "c"]),
            sample::finished("a", Status::Ok),
            sample::finished("b", Status::Critical),
            sample::finished("a", Status::Undone),
        ]));
        let statuses: Vec<Status> = summary.steps.iter().map(|line| line.status()).collect();
        assert_eq!(statuses, [Status::Undone, Status::Critical, Status::NotRun]);
        assert_eq!(
            summary.counts(),
            [
                (Status::Critical, 1),
                (Status::NotRun, 1),
                (Status::Undone, 1)
            ]
        );
    }

    #[test]
    fn what_belongs_to_a_step_is_counted_with_it() {
        let mut events = vec![sample::started(&["each", "sub", "database/ping"])];
        for key in ["each[0]", "each[1]", "each[1]/x", "sub/ping", "sub/ping[0]"] {
            events.push(sample::finished(key, Status::Ok));
        }
        for key in ["each", "sub", "database/ping"] {
            events.push(sample::finished(key, Status::Ok));
        }
        let summary = Summary::of(&sample::stream(events));
        assert_eq!(summary.steps.len(), 8);
        assert_eq!(summary.counts(), [(Status::Ok, 3)]);
    }

    #[test]
    fn the_worst_finding_comes_first() {
        let finding = |severity| {
            Event::FindingRaised(FindingRaised {
                severity,
                cause: severity.to_string(),
                remedy: None,
            })
        };
        let summary = Summary::of(&sample::stream(vec![
            finding(Severity::P3),
            finding(Severity::P0),
            finding(Severity::P2),
        ]));
        let order: Vec<Severity> = summary.findings.iter().map(|line| line.severity).collect();
        assert_eq!(order, [Severity::P0, Severity::P2, Severity::P3]);
    }

    #[test]
    fn the_output_is_the_table_of_the_step_that_the_runbook_names() {
        let mut start = sample::run_started(&["a", "b"]);
        start.output = Some("b".to_owned());
        let mut end = sample::step_finished("b", Status::Ok);
        end.table = Some(sample::table(&["n"], vec![vec![1.into()]]));
        let mut summary = Summary::of(&sample::stream(vec![Event::RunStarted(start)]));
        assert_eq!(summary.output_table(), None);
        summary.add(&sample::envelope(1, Event::StepFinished(end.clone())));
        assert_eq!(summary.output_table(), end.table.as_ref());
        assert_eq!(
            StepKey::new("b"),
            summary.steps[1].step,
            "the place of the line is right"
        );
    }

    #[test]
    fn where_the_output_was_skipped_the_only_step_that_was_not_takes_its_place() {
        let mut start = sample::run_started(&["a", "b", "c"]);
        start.output = Some("b".to_owned());
        let with_rows = |key: &str, status| {
            let mut end = sample::step_finished(key, status);
            end.table = Some(sample::table(&[key], vec![vec![1.into()]]));
            Event::StepFinished(end)
        };
        let a = || with_rows("a", Status::Ok);
        for (events, expected) in [
            (
                vec![
                    a(),
                    sample::finished("b", Status::Skipped),
                    sample::finished("c", Status::Skipped),
                ],
                Some("a"),
            ),
            // Another one ran, and its rows or none are as much what the run did.
            (
                vec![
                    a(),
                    sample::finished("b", Status::Skipped),
                    sample::finished("c", Status::Ok),
                ],
                None,
            ),
            (
                vec![
                    a(),
                    sample::finished("b", Status::Skipped),
                    with_rows("c", Status::Ok),
                ],
                None,
            ),
            (vec![a(), sample::finished("b", Status::Critical)], None),
            (vec![a()], None),
            (vec![a(), with_rows("b", Status::Ok)], Some("b")),
        ] {
            let mut all = vec![Event::RunStarted(start.clone())];
            all.extend(events);
            let summary = Summary::of(&sample::stream(all));
            let table = summary.output_table();
            assert_eq!(table.map(|table| table.columns[0].as_str()), expected);
        }
    }
}
