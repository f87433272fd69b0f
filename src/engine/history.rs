//! What is known of a run from its events: which steps have ended and how, which were begun and never ended. It folds,
//! and decides nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::base::{Effect, ProcessMark, RunId, Status, StepKey};
use crate::event::{
    Envelope, Event, FindingRaised, Resumption, RunFinished, RunStarted, Source, StepFinished,
    StepStarted,
};

/// What is known of a run from its events.
#[derive(Clone, Debug)]
pub struct History {
    run: RunId,
    start: RunStarted,
    began_at: DateTime<Utc>,
    /// Who worked on it last.
    leg: Leg,
    /// The number of the next event.
    next: u64,
    /// Its last end, with the number of that event.
    finished: Option<(u64, RunFinished)>,
    /// Whether nobody works on it since.
    over: bool,
    approval: Approval,
    /// The files that it rests on, as its last leg found or accepted them.
    sources: Vec<Source>,
    steps: BTreeMap<StepKey, Known>,
    /// The rows that each step is known to have changed, however often it was run. Where that is not told, it may be all
    /// there are.
    rows: BTreeMap<StepKey, u64>,
    /// The findings that no step has claimed yet.
    loose: Vec<FindingRaised>,
}

/// One stretch of a run: from where a process took it up to where that ended or died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Its place among the legs of the run, counting from 0.
    number: u32,
    /// What was done; none where the run was begun.
    pub what: Option<Resumption>,
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// By whom.
    pub user: String,
    /// Where.
    pub host: String,
    /// As which process.
    pub pid: u32,
    /// What tells that process from every other.
    pub process: ProcessMark,
}

/// Whether a second person had to agree, and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approval {
    /// Nobody was asked.
    #[default]
    NotAsked,
    /// It waits for one.
    Waiting,
    /// One agreed.
    Given,
}

/// What is known of a step.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// The worst that it may have done.
    pub(super) effect: Option<Effect>,
    /// The leg in which it was begun, where nothing tells that it ended.
    pub(super) open: Option<u32>,
    /// Whether it may have changed something when it was begun before.
    pub(super) changed_before: bool,
    /// For the whole of a `for_each`, the SHA-256 of its list.
    pub(super) items: Option<String>,
    /// The rows of a standing approval that it may have changed, where nobody knows yet how many it did.
    pub(super) rows: Option<u64>,
    /// How it ended, and the number of that event.
    pub(super) end: Option<(u64, StepFinished)>,
    /// What became of its undo, and the number of the last event of that.
    pub(super) undo: Option<(u64, Undo)>,
    /// The findings of the runbook that it ran.
    pub(super) findings: Vec<FindingRaised>,
}

/// What became of the undo of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undo {
    /// It was begun, and nobody knows whether it took effect.
    InDoubt,
    /// It failed.
    Failed,
    /// The step is taken back.
    Done,
}

impl Known {
    /// Whether it was begun.
    pub(super) fn was_begun(&self) -> bool {
        let ran = |end: &StepFinished| !matches!(end.status, Status::NotRun | Status::Skipped);
        self.open.is_some() || self.end.as_ref().is_some_and(|(_, end)| ran(end))
    }

    /// Whether it may have changed something.
    pub(super) fn may_have_changed(&self) -> bool {
        self.changed_before || (self.was_begun() && self.effect.is_some_and(Effect::changes))
    }

    /// Whether nobody knows if it took effect.
    pub(super) fn is_in_doubt(&self) -> bool {
        let unclear = |end: &StepFinished| end.stopped || end.status == Status::InDoubt;
        self.effect.is_some_and(Effect::changes)
            && (self.open.is_some() || self.end.as_ref().is_some_and(|(_, end)| unclear(end)))
    }

    /// The number of the last event that told an end, of the step or of its undo.
    pub(super) fn last(&self) -> u64 {
        let end = self.end.as_ref().map_or(0, |(at, _)| *at);
        end.max(self.undo.map_or(0, |(at, _)| at))
    }

    /// Whether the step has ended and what it did is in place: its action did what it should, and was not taken back.
    pub(super) fn is_in_place(&self) -> bool {
        let acted = |end: &StepFinished| match end.status {
            Status::NotRun | Status::Skipped | Status::InDoubt => false,
            _ => !end.failed || end.acted,
        };
        self.open.is_none()
            && self.end.as_ref().is_some_and(|(_, end)| acted(end))
            && self.undo.is_none_or(|(_, undo)| undo != Undo::Done)
    }
}

impl History {
    /// Folds the events of a run; none where they do not tell how it began.
    #[must_use]
    pub fn of(events: &[Envelope]) -> Option<Self> {
        let mut history = None;
        for envelope in events {
            match (&mut history, &envelope.event) {
                (None, Event::RunStarted(start)) => history = Some(Self::begun(envelope, start)),
                (Some(history), _) => Self::take(history, envelope),
                (None, _) => {}
            }
        }
        history
    }

    fn begun(envelope: &Envelope, start: &RunStarted) -> Self {
        Self {
            run: envelope.run,
            start: start.clone(),
            began_at: envelope.at,
            leg: Leg {
                number: 0,
                what: None,
                began_at: envelope.at,
                user: start.user.clone(),
                host: start.host.clone(),
                pid: start.pid,
                process: start.process.clone(),
            },
            next: envelope.seq + 1,
            finished: None,
            over: false,
            approval: Approval::default(),
            sources: start.sources.clone(),
            steps: BTreeMap::new(),
            rows: BTreeMap::new(),
            loose: Vec::new(),
        }
    }

    fn take(&mut self, envelope: &Envelope) {
        let at = envelope.seq;
        self.next = at + 1;
        match &envelope.event {
            Event::RunResumed(resumed) => {
                self.over = false;
                if !resumed.changed.is_empty() {
                    // What was approved is not what goes on.
                    self.approval = Approval::NotAsked;
                }
                for source in &resumed.changed {
                    self.sources
                        .retain(|before| before.runbook != source.runbook);
                    self.sources.push(source.clone());
                }
                self.loose.clear();
                self.leg = Leg {
                    number: self.leg.number + 1,
                    what: Some(resumed.what),
                    began_at: envelope.at,
                    user: resumed.user.clone(),
                    host: resumed.host.clone(),
                    pid: resumed.pid,
                    process: resumed.process.clone(),
                };
            }
            Event::ApprovalRequested(_) => self.approval = Approval::Waiting,
            Event::RunApproved(_) => self.approval = Approval::Given,
            Event::StepStarted(start) if start.undo => {
                self.known(&start.step, start.effect).undo = Some((at, Undo::InDoubt));
            }
            Event::StepStarted(start) => self.step_started(start),
            // What a sub-runbook did in an attempt that failed is done again in the next.
            Event::StepRetried(retry) => self.forget_within(&retry.step),
            Event::StepFinished(end) if end.undo => self.undo_finished(at, end),
            Event::StepFinished(end) => self.step_finished(at, end),
            Event::FindingRaised(finding) => self.loose.push(finding.clone()),
            Event::RunFinished(end) => {
                self.over = true;
                self.loose.clear();
                self.finished = Some((at, end.clone()));
            }
            Event::RunStarted(_)
            | Event::LockTakenOver(_)
            | Event::JournalPruned(_)
            | Event::Other(_) => {}
        }
    }

    fn step_started(&mut self, start: &StepStarted) {
        let leg = self.leg.number;
        let known = self.known(&start.step, start.effect);
        let afresh = start.items.is_some() && known.items != start.items;
        known.changed_before = known.may_have_changed();
        known.open = Some(leg);
        known.undo = None;
        // Of what an earlier leg left in doubt somebody has said that it was not done.
        known.rows = start.rows;
        known.findings.clear();
        if start.items.is_some() {
            known.items.clone_from(&start.items);
        }
        if afresh {
            self.forget_within(&start.step);
        }
    }

    fn step_finished(&mut self, at: u64, end: &StepFinished) {
        let leg = self.leg.number;
        // A finding of a sub-runbook is told right before the step that ran it ends.
        let findings = std::mem::take(&mut self.loose);
        let known = self.known(&end.step, end.effect);
        let news = known.open.is_none() && known.end.is_none();
        // That a step was not reached this time says nothing about what it did before.
        if end.status == Status::NotRun && known.open != Some(leg) && !news {
            return;
        }
        if end.status != Status::NotRun {
            known.undo = None;
        }
        known.open = None;
        known.end = Some((at, end.clone()));
        known.findings = findings;
        let is_unclear = end.stopped || end.status == Status::InDoubt;
        let counted = match is_unclear {
            true => known.rows,
            false => known.rows.take(),
        };
        if let Some(rows) = rows_changed(end, counted, is_unclear) {
            known.rows = None;
            let all = self.rows.entry(end.step.clone()).or_default();
            *all = all.saturating_add(rows);
        }
    }

    fn undo_finished(&mut self, at: u64, end: &StepFinished) {
        let undo = match end.status {
            Status::Undone => Undo::Done,
            Status::InDoubt => Undo::InDoubt,
            _ => Undo::Failed,
        };
        let known = self.steps.entry(end.step.clone()).or_default();
        known.undo = Some((at, undo));
        if undo == Undo::Done {
            self.forget_within(&end.step);
        }
    }

    fn known(&mut self, step: &StepKey, effect: Effect) -> &mut Known {
        let known = self.steps.entry(step.clone()).or_default();
        known.effect = known.effect.max(Some(effect));
        known
    }

    fn forget_within(&mut self, step: &StepKey) {
        let within: Vec<StepKey> = self.within(step).map(|(key, _)| key.clone()).collect();
        for key in within {
            self.steps.remove(&key);
        }
    }

    /// The number of the run.
    #[must_use]
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// How it began.
    #[must_use]
    pub const fn start(&self) -> &RunStarted {
        &self.start
    }

    /// When it began.
    #[must_use]
    pub const fn began_at(&self) -> DateTime<Utc> {
        self.began_at
    }

    /// Who worked on it last.
    #[must_use]
    pub const fn leg(&self) -> &Leg {
        &self.leg
    }

    /// How it ended; none where its last leg was cut off.
    #[must_use]
    pub fn end(&self) -> Option<&RunFinished> {
        let (_, end) = self.finished.as_ref()?;
        self.over.then_some(end)
    }

    /// Whether a second person had to agree, and did.
    #[must_use]
    pub const fn approval(&self) -> Approval {
        self.approval
    }

    /// The files that it rests on, as its last leg found or accepted them.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The number of the next event.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Whether the run came to an end after this event.
    pub(super) fn ended_after(&self, at: u64) -> bool {
        self.finished.as_ref().is_some_and(|(end, _)| *end > at)
    }

    /// Whether a step that may change something was begun.
    pub(super) fn has_changed(&self) -> bool {
        self.steps.values().any(Known::may_have_changed)
    }

    /// What is known of a step.
    pub(super) fn step(&self, step: &StepKey) -> Option<&Known> {
        self.steps.get(step)
    }

    /// What is known of every step, by its key.
    pub(super) fn steps(&self) -> impl Iterator<Item = (&StepKey, &Known)> {
        self.steps.iter()
    }

    /// The rows that each step has changed in all legs, or may have; `u64::MAX` where that is not told.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&StepKey, u64)> {
        let may_have = |(key, known): (_, &Known)| Some((key, known.rows?));
        let told = self.rows.iter().map(|(key, rows)| (key, *rows));
        told.chain(self.steps.iter().filter_map(may_have))
    }

    /// What is known of the items of a step and of the steps of the runbook that it runs, however deep.
    pub(super) fn within<'a>(
        &'a self,
        step: &'a StepKey,
    ) -> impl Iterator<Item = (&'a StepKey, &'a Known)> {
        let owner = step.as_str();
        self.steps
            .range(step.clone()..)
            .take_while(move |(key, _)| key.as_str().starts_with(owner))
            .filter(move |(key, _)| key.as_str()[owner.len()..].starts_with(['[', '/']))
    }
}

/// The rows that a step changed this time, which were counted before; none where it changed nothing, or nobody knows yet.
fn rows_changed(end: &StepFinished, counted: Option<u64>, is_unclear: bool) -> Option<u64> {
    if end.effect != Effect::Destroy {
        return None;
    }
    let told = end.outputs.get("changed").and_then(Value::as_u64);
    told.or_else(|| match (is_unclear, counted) {
        (true, Some(_)) => None,
        (true, None) => Some(u64::MAX),
        (false, _) if end.failed => None,
        (false, Some(counted)) => Some(counted),
        (false, None) => end.withheld.then_some(u64::MAX),
    })
}
