//! What Prometheus is told of checks: one series a check and metric, the same ones however the checks ended.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::base::{Status, StepKey, Verdict};
use crate::event::{CheckOf, StepFinished, StepLine, Summary};

use super::measures::{Saved, plain_of, seconds};

/// A metric of checks.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) series: Vec<Series>,
}

/// A number of a check.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) service: String,
    pub(super) check: String,
    /// Which of the numbers that the check gave, where that is what the metric tells.
    pub(super) number: Option<String>,
    pub(super) value: String,
}

/// When each check was last looked at.
#[derive(Debug, Default)]
pub(super) struct Looks(HashMap<StepKey, DateTime<Utc>>);

impl Looks {
    /// Takes in the end of a check; of one that was not run there was no look.
    pub(super) fn hear(&mut self, end: &StepFinished, at: DateTime<Utc>) {
        if end.check.is_some() && !matches!(end.status, Status::NotRun | Status::Skipped) {
            self.0.insert(end.step.clone(), at);
        }
    }
}

/// The metrics of the checks of a run; none where it ran no checks.
pub(super) fn metrics(
    summary: &Summary,
    saved: &Saved,
    looks: &Looks,
    unix: fn(DateTime<Utc>) -> String,
) -> Vec<Metric> {
    let lines: Vec<(&CheckOf, &StepLine)> = summary
        .counted()
        .filter_map(|line| Some((line.check.as_ref()?, line)))
        .collect();
    let metric = |name, help, value: &dyn Fn(&StepLine) -> Option<String>| Metric {
        name,
        help,
        series: lines
            .iter()
            .filter_map(|(check, line)| Some(series(check, None, value(line)?)))
            .collect(),
    };
    let flag = |holds: bool| Some(u8::from(holds).to_string());
    let mut metrics = vec![
        metric(
            "opsbook_check_status",
            "What was told of a check: 0 ok, 1 warning, 2 critical, 3 unknown, as monitoring plugins count.",
            &|line| Some(code(line.status()).to_string()),
        ),
        metric(
            "opsbook_check_ok",
            "Whether a check was looked at and told ok.",
            &|line| flag(line.status() == Status::Ok),
        ),
        metric(
            "opsbook_check_affected",
            "Whether a check is bad because something that it needs is down.",
            &|line| flag(line.status() == Status::Affected),
        ),
        metric(
            "opsbook_check_duration_seconds",
            "How long the last look at a check took.",
            &|line| {
                let took = line.end.as_ref()?.took_ms;
                saved.milliseconds(&line.step).or(took).map(seconds)
            },
        ),
        metric(
            "opsbook_check_last_run_timestamp_seconds",
            "When a check was last looked at.",
            &|line| looks.0.get(&line.step).copied().map(unix),
        ),
        Metric {
            name: "opsbook_check_value",
            help: "A number that a check saved, or that a threshold of it compares.",
            series: lines
                .iter()
                .flat_map(|(check, line)| values(check, line, saved))
                .collect(),
        },
    ];
    metrics.retain(|metric| !metric.series.is_empty());
    metrics
}

fn values(check: &CheckOf, line: &StepLine, saved: &Saved) -> Vec<Series> {
    let mut values: Vec<Series> = saved
        .of(&line.step)
        .map(|(name, number)| series(check, Some(name), number))
        .collect();
    let measures = line.end.as_ref().map_or(&[][..], |end| &end.measures);
    for measure in measures {
        let known = |other: &Series| other.number.as_deref() == Some(&measure.name);
        if let Some(value) = measure.value
            && !values.iter().any(known)
        {
            values.push(series(check, Some(&measure.name), plain_of(value)));
        }
    }
    values
}

fn series(check: &CheckOf, number: Option<&str>, value: String) -> Series {
    Series {
        service: check.service.clone(),
        check: check.name.clone(),
        number: number.map(str::to_owned),
        value,
    }
}

fn code(status: Status) -> u8 {
    match status.verdict() {
        Verdict::Ok => 0,
        Verdict::Warning => 1,
        Verdict::Critical => 2,
        Verdict::Unknown => 3,
    }
}
