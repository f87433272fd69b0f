//! What is told of checks: their lines, the findings of the bad ones, and what they amount to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::base::{Severity, Status, Verdict, text};
use crate::config::Check;
use crate::engine::run::Run;
use crate::engine::{ActionError, CheckState, Durability, End, Outputs, Sample, Series};
use crate::event::{Event, FindingRaised, StepFinished};
use crate::expr::Scope;

use super::Asked;
use super::flapping::turn;
use super::needs::Known;

/// What is told of the checks that were asked for.
pub(super) struct Told<'a, 'run> {
    run: &'a Run<'run>,
    asked: &'a [Asked<'a>],
    series: Vec<Series>,
    states: Vec<Option<CheckState>>,
    /// Whether a look is told as it is.
    now: bool,
    lines: BTreeMap<usize, Line>,
    samples: Vec<(Series, Sample, CheckState)>,
    findings: Vec<FindingRaised>,
}

/// One line, as far as the step as a whole needs it.
struct Line {
    status: Status,
    severity: Option<Severity>,
    ms: Option<f64>,
    detail: String,
}

impl<'a, 'run> Told<'a, 'run> {
    pub(super) fn new(
        run: &'a Run<'run>,
        asked: &'a [Asked<'a>],
        series: Vec<Series>,
        states: Vec<Option<CheckState>>,
        now: bool,
    ) -> Self {
        Self {
            run,
            asked,
            series,
            states,
            now,
            lines: BTreeMap::new(),
            samples: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Tells a check of which it is known what its look means.
    pub(super) fn tell(&mut self, known: Known, scope: &Scope) {
        let Known {
            index,
            mut end,
            look,
            down,
        } = known;
        let check = self.asked[index].check;
        let at = self.run.engine.clock.now();
        let turned = turn(check, self.states[index], look, at);
        let (told, because) = match self.now {
            true => (look, None),
            false => (turned.told, turned.because),
        };
        if told != end.status {
            end.severity = severity_of(check, told);
            end.failed = false;
            if let Some(of) = &mut end.check {
                of.look = Some(end.status);
            }
            end.status = told;
        }
        let remark = because.or_else(|| down.map(|down| format!("needs {down}")));
        if let Some(remark) = remark {
            end.detail = match end.detail.as_str() {
                "" => remark,
                detail => format!("{remark}: {detail}"),
            };
        }
        let ms = (end.outputs.get("ms").and_then(Value::as_f64)).or(end.took_ms);
        if !matches!(look, Status::Skipped | Status::NotRun) {
            let sample = Sample { at, ms, look, told };
            self.samples
                .push((self.series[index].clone(), sample, turned.state));
        }
        if let Some(finding) = self.finding(index, &end, scope) {
            self.findings.push(finding);
        }
        self.lines.insert(
            index,
            Line {
                status: end.status,
                severity: end.severity,
                ms,
                detail: end.detail.clone(),
            },
        );
        self.run.ledger.borrow_mut().note_end(end.status);
        self.run
            .record(Event::StepFinished(*end), Durability::Relaxed);
    }

    /// The cause that a bad check names, and what to run next.
    fn finding(&self, index: usize, end: &StepFinished, scope: &Scope) -> Option<FindingRaised> {
        let Asked { service, check } = self.asked[index];
        let severity = end
            .severity
            .filter(|_| end.status.verdict() != Verdict::Ok)?;
        if check.cause.is_none() && check.remedy.is_none() {
            return None;
        }
        let words = |template: &crate::model::Template| {
            let own = scope.with_named_in(&template.text, &end.outputs);
            let told = self.run.engine.evaluator.text(template, &own);
            told.unwrap_or_else(|_| template.text.clone())
        };
        let cause = match &check.cause {
            Some(cause) => words(cause),
            None => format!("{} {}: {}", service.name, check.name(), end.detail),
        };
        Some(FindingRaised {
            severity,
            cause,
            remedy: check.remedy.as_ref().map(words),
        })
    }

    /// Keeps the samples, tells the findings, and gives what the checks amount to.
    pub(super) fn outputs(mut self) -> Result<Outputs, ActionError> {
        self.findings.sort_by_key(|finding| finding.severity);
        for finding in std::mem::take(&mut self.findings) {
            self.run
                .record(Event::FindingRaised(finding), Durability::Relaxed);
        }
        if !self.run.options.dry {
            let samples = self.run.engine.samples;
            samples
                .keep_samples(&self.samples)
                .map_err(|error| ActionError::own(format!("no samples are kept: {error}")))?;
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut rows = Vec::with_capacity(self.lines.len());
        let mut worst: Option<&Line> = None;
        let mut reason = format!("{} ok", text::count(self.lines.len(), "check"));
        for (index, line) in &self.lines {
            let Asked { service, check } = self.asked[*index];
            *counts.entry(line.status.as_str()).or_default() += 1;
            rows.push(json!({
                "service": service.name,
                "check": check.name(),
                "status": line.status.as_str(),
                "severity": line.severity.map(Severity::as_str),
                "ms": line.ms,
                "detail": line.detail,
            }));
            if worst.is_none_or(|worst| rank(line) > rank(worst)) {
                worst = Some(line);
                if line.status.verdict() != Verdict::Ok {
                    reason = format!("{} {}: {}", service.name, check.name(), line.detail);
                }
            }
        }
        let mut outputs = Outputs::new(reason)
            .with("rows", rows)
            .with("counts", json!(counts));
        outputs.end = worst.map(|worst| End {
            status: worst.status.verdict().into(),
            severity: worst.severity,
            failed: false,
        });
        Ok(outputs)
    }
}

fn rank(line: &Line) -> (Verdict, Option<std::cmp::Reverse<Severity>>) {
    (line.status.verdict(), line.severity.map(std::cmp::Reverse))
}

/// How much it matters where a verdict outlives its look: what the check says, as far as that is the same verdict.
fn severity_of(check: &Check, told: Status) -> Option<Severity> {
    let usual = match told {
        Status::Warning => Severity::P3,
        Status::Critical => Severity::P1,
        _ => return None,
    };
    let own = check.step.severity;
    own.filter(|own| own.verdict() == usual.verdict())
        .or(Some(usual))
}
