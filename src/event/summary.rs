//! What a run amounts to, folded from its events. Reports and lists read this, whether the run is live or replayed.

use chrono::{DateTime, Utc};

use crate::base::{Effect, RunId, Severity, Status, StepKey, Verdict};

use super::{Envelope, Event, RunStarted, StepFinished, StepTable};

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
        self.run = Some(envelope.run);
        match &envelope.event {
            Event::RunStarted(start) => {
                self.started_at = Some(envelope.at);
                for planned in &start.steps {
                    self.line(&planned.step, &planned.action, planned.effect);
                }
                self.start = Some(start.clone());
            }
            Event::StepStarted(start) => {
                self.line(&start.step, &start.action, start.effect).started = true
            }
            Event::StepFinished(end) => {
                self.line(&end.step, &end.action, end.effect).end = Some(end.clone())
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
            Event::StepRetried(_) | Event::Other(_) => {}
        }
    }

    /// The line of a step. One that the plan did not hold (an item of a `for_each`, a step of a sub-runbook) goes
    /// behind the last line of the step it belongs to.
    fn line(&mut self, step: &StepKey, action: &str, effect: Effect) -> &mut StepLine {
        let found = self.steps.iter().position(|line| &line.step == step);
        let index = found.unwrap_or_else(|| {
            let owner = step
                .as_str()
                .rfind(['[', '/'])
                .map(|cut| &step.as_str()[..cut]);
            let behind = owner.and_then(|owner| {
                self.steps.iter().rposition(|line| {
                    line.step
                        .as_str()
                        .strip_prefix(owner)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '/']))
                })
            });
            let index = behind.map_or(self.steps.len(), |behind| behind + 1);
            self.steps.insert(
                index,
                StepLine {
                    step: step.clone(),
                    action: action.to_owned(),
                    effect,
                    started: false,
                    end: None,
                },
            );
            index
        });
        &mut self.steps[index]
    }

    /// The rows that the runbook prints instead of the table of steps.
    #[must_use]
    pub fn output_table(&self) -> Option<&StepTable> {
        let output = self.start.as_ref()?.output.as_ref()?;
        self.steps
            .iter()
            .find(|line| line.step.as_str() == output)?
            .end
            .as_ref()?
            .table
            .as_ref()
    }

    /// How many steps ended with each status, in the order of [`Status::ALL`], those that occur.
    #[must_use]
    pub fn counts(&self) -> Vec<(Status, usize)> {
        Status::ALL
            .into_iter()
            .map(|status| {
                (
                    status,
                    self.steps
                        .iter()
                        .filter(|line| line.status() == status)
                        .count(),
                )
            })
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}
