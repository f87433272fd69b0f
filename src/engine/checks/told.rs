//! What is told of checks: their lines, the findings of the bad ones, what is kept of them, and what they amount to.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::base::{Severity, Status, Verdict, text};
use crate::config::Check;
use crate::engine::run::Run;
use crate::engine::{CheckState, Durability, End, Outputs, Retention, Sample, Series};
use crate::event::{Event, FindingRaised, StepFinished};
use crate::expr::Scope;
use crate::model::Template;

use super::Asked;
use super::flapping::{Patience, Turned};
use super::needs::Known;

/// What is told of the checks that were asked for.
pub(super) struct Told<'a, 'run> {
    run: &'a Run<'run>,
    asked: &'a [Asked<'a>],
    series: Vec<Series>,
    /// What the earlier looks came to; none where that cannot be told.
    states: Option<Vec<Option<CheckState>>>,
    /// Whether a look is told as it is.
    now: bool,
    /// Opsbook's own trouble: what is told is no less than unknown then.
    trouble: Option<String>,
    lines: BTreeMap<usize, Line>,
    samples: Vec<(Series, Sample, CheckState)>,
    /// Each with the place of its check.
    findings: Vec<(usize, FindingRaised)>,
}

/// One line, as far as the step as a whole needs it.
struct Line {
    status: Status,
    severity: Option<Severity>,
    ms: Option<f64>,
    detail: String,
}

impl Line {
    fn rank(&self) -> (Verdict, Option<Reverse<Severity>>) {
        (self.status.verdict(), self.severity.map(Reverse))
    }
}

impl<'a, 'run> Told<'a, 'run> {
    /// Reads what the earlier looks came to. A store that cannot be read keeps nobody from looking.
    pub(super) fn new(run: &'a Run<'run>, asked: &'a [Asked<'a>], now: bool) -> Self {
        let engine = run.engine;
        let series: Vec<Series> = asked
            .iter()
            .map(|asked| Series::of(engine.config, &asked.service.name, asked.check.name()))
            .collect();
        let (states, trouble) = match engine.samples.states(&series) {
            Ok(states) => (Some(states), None),
            Err(error) => (
                None,
                Some(format!("nothing is known of earlier looks: {error}")),
            ),
        };
        Self {
            run,
            asked,
            series,
            states,
            now,
            trouble,
            lines: BTreeMap::new(),
            samples: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// How many checks are told.
    pub(super) fn number(&self) -> usize {
        self.lines.len()
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
        let (told, because) = self.turned(index, look, &end);
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
        let finding = self.finding(index, &end, scope);
        self.findings
            .extend(finding.map(|finding| (index, finding)));
        self.lines.insert(
            index,
            Line {
                status: end.status,
                severity: end.severity,
                ms: length_of(&end),
                detail: end.detail.clone(),
            },
        );
        self.run.ledger.borrow_mut().note_end(end.status);
        self.run
            .record(Event::StepFinished(*end), Durability::Relaxed);
    }

    /// What is told after a look, and why that is not the look. Notes the sample: a check that was not looked at to the end
    /// has none.
    fn turned(
        &mut self,
        index: usize,
        look: Status,
        end: &StepFinished,
    ) -> (Status, Option<String>) {
        let Some(states) = &self.states else {
            return (look, None);
        };
        let at = self.run.engine.clock.now();
        let patience = Patience::of(self.asked[index].check);
        let Turned {
            told,
            because,
            state,
        } = patience.turn(states[index], look, at);
        let (told, because) = match self.now {
            true => (look, None),
            false => (told, because),
        };
        if !end.stopped && !matches!(look, Status::Skipped | Status::NotRun) {
            let ms = length_of(end);
            let sample = Sample { at, ms, look, told };
            self.samples
                .push((self.series[index].clone(), sample, state));
        }
        (told, because)
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
        // A look that failed gave nothing, and what names that cannot be told.
        let own = |template: &Template| scope.with_named_in(&template.text, &end.outputs);
        let evaluator = self.run.engine.evaluator;
        let words = |template: &Template| evaluator.text(template, &own(template)).ok();
        let command = |template: &Template| evaluator.command(template, &own(template)).ok();
        let cause = check.cause.as_ref().and_then(words);
        Some(FindingRaised {
            severity,
            cause: cause
                .unwrap_or_else(|| format!("{} {}: {}", service.name, check.name(), end.detail)),
            remedy: check.remedy.as_ref().and_then(command),
        })
    }

    /// Keeps the samples, tells the findings, and gives what the checks amount to.
    pub(super) fn outputs(mut self) -> Outputs {
        // Of two as bad the first in the configuration: which look ended first says nothing.
        self.findings
            .sort_by_key(|(index, finding)| (finding.severity, *index));
        for (_, finding) in std::mem::take(&mut self.findings) {
            self.run
                .record(Event::FindingRaised(finding), Durability::Relaxed);
        }
        let engine = self.run.engine;
        let retention = Retention::of(&engine.config.health, engine.clock.now());
        if !self.run.options.dry
            && let Err(error) = engine.samples.keep_samples(&self.samples, &retention)
        {
            self.trouble = Some(format!("no samples are kept: {error}"));
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for line in self.lines.values() {
            *counts.entry(line.status.as_str()).or_default() += 1;
        }
        let (end, detail) = self.amount();
        let mut outputs = Outputs::new(detail)
            .with("rows", self.rows())
            .with("counts", json!(counts));
        outputs.end = Some(end);
        outputs
    }

    fn rows(&self) -> Vec<Value> {
        let row = |(index, line): (&usize, &Line)| {
            let Asked { service, check } = self.asked[*index];
            json!({
                "service": service.name,
                "check": check.name(),
                "status": line.status.as_str(),
                "severity": line.severity.map(Severity::as_str),
                "ms": line.ms,
                "detail": line.detail,
            })
        };
        self.lines.iter().map(row).collect()
    }

    /// The worst of the lines, of two as bad the first, and opsbook's own trouble; with the reason.
    fn amount(&self) -> (End, String) {
        let mut worst: Option<(&usize, &Line)> = None;
        for line in &self.lines {
            if worst.is_none_or(|(_, worst)| line.1.rank() > worst.rank()) {
                worst = Some(line);
            }
        }
        let bad = worst.filter(|(_, line)| line.status.verdict() != Verdict::Ok);
        let verdict = bad.map_or(Verdict::Ok, |(_, line)| line.status.verdict());
        let reason = match bad {
            Some((index, line)) => {
                let Asked { service, check } = self.asked[*index];
                format!("{} {}: {}", service.name, check.name(), line.detail)
            }
            None => format!("{} ok", text::count(self.lines.len(), "check")),
        };
        let (verdict, reason) = match &self.trouble {
            Some(trouble) if verdict < Verdict::Unknown => (Verdict::Unknown, trouble.clone()),
            Some(trouble) => (verdict, format!("{reason} ({trouble})")),
            None => (verdict, reason),
        };
        let end = End {
            status: verdict.into(),
            severity: bad
                .and_then(|(_, line)| line.severity)
                .filter(|severity| severity.verdict() == verdict),
            failed: false,
        };
        (end, reason)
    }
}

/// How long a look took: what its action measured, else the time on the wall.
fn length_of(end: &StepFinished) -> Option<f64> {
    let measured = end.outputs.get("ms").and_then(Value::as_f64);
    measured.or(end.took_ms)
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
