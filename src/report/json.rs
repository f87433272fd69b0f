//! The format `json`: one object at the end, with everything that the run amounts to.

use std::io;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::{Effect, RunId, Severity, Status, Verdict};
use crate::event::{CheckOf, Envelope, Preview, StepLine, StepPlace, StepTable, Summary};

use super::notes::Notes;
use super::{Format, Report, json_text};

/// The registry's line.
pub(super) const FORMAT: Format = Format {
    name: "json",
    help: "one JSON object at the end, with every output whole",
    for_people: false,
    runs_only: false,
    rows_only: false,
    by_line: false,
    make: |_| Box::new(Json::default()),
};

/// The name and version of the format, which `schemas/run.schema.json` describes. Keys may be added; what is there keeps its meaning until the number changes.
const SCHEMA: &str = "opsbook.run/1";

#[derive(Default)]
struct Json {
    summary: Summary,
    notes: Notes,
}

impl Report for Json {
    fn event(&mut self, envelope: &Envelope, _: &mut dyn io::Write) -> io::Result<()> {
        self.summary.add(envelope);
        self.notes.hear(envelope);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn io::Write) -> io::Result<()> {
        json_text::write_pretty(out, &Run::of(&self.summary, &self.notes))
    }
}

/// A run as it is written. Every key is always there, null where there is nothing to say.
#[derive(Serialize)]
struct Run<'a> {
    schema: &'static str,
    run: Option<RunId>,
    runbook: Option<&'a str>,
    title: Option<&'a str>,
    file: Option<&'a str>,
    digest: Option<&'a str>,
    environment: Option<&'a str>,
    effect: Option<Effect>,
    dry: bool,
    user: Option<&'a str>,
    host: Option<&'a str>,
    pid: Option<u32>,
    opsbook: Option<&'a str>,
    inputs: Option<&'a Map<String, Value>>,
    started_at: Option<DateTime<Utc>>,
    took_ms: Option<f64>,
    verdict: Option<Verdict>,
    exit: Option<u8>,
    reason: &'a str,
    counts: Map<String, Value>,
    findings: Vec<Finding<'a>>,
    notes: &'a [String],
    steps: Vec<Step<'a>>,
    output: Option<&'a StepTable>,
}

#[derive(Serialize)]
struct Finding<'a> {
    severity: Severity,
    cause: &'a str,
    remedy: Option<&'a str>,
}

#[derive(Serialize)]
struct Step<'a> {
    step: &'a str,
    action: &'a str,
    effect: Effect,
    status: Status,
    started: bool,
    severity: Option<Severity>,
    failed: bool,
    took_ms: Option<f64>,
    detail: &'a str,
    help: Option<&'a str>,
    attempts: u32,
    outputs: Option<&'a Map<String, Value>>,
    saved: Option<&'a Map<String, Value>>,
    table: Option<&'a StepTable>,
    sensitive: bool,
    artifact: Option<&'a str>,
    preview: Option<&'a Preview>,
    check: Option<&'a CheckOf>,
    place: Option<&'a StepPlace>,
}

impl<'a> Run<'a> {
    fn of(summary: &'a Summary, notes: &'a Notes) -> Self {
        let start = summary.start.as_ref();
        Self {
            schema: SCHEMA,
            run: summary.run,
            runbook: start.map(|start| start.runbook.as_str()),
            title: start.map(|start| start.title.as_str()),
            file: start.map(|start| start.file.as_str()),
            digest: start.map(|start| start.digest.as_str()),
            environment: start.and_then(|start| start.environment.as_deref()),
            effect: start.map(|start| start.effect),
            dry: start.is_some_and(|start| start.dry),
            user: start.map(|start| start.user.as_str()),
            host: start.map(|start| start.host.as_str()),
            pid: start.map(|start| start.pid),
            opsbook: start.map(|start| start.opsbook.as_str()),
            inputs: start.map(|start| &start.inputs),
            started_at: summary.started_at,
            took_ms: summary.verdict.map(|_| summary.took_ms),
            verdict: summary.verdict,
            exit: summary.exit,
            reason: &summary.reason,
            counts: summary
                .counts()
                .into_iter()
                .map(|(status, count)| (status.as_str().to_owned(), count.into()))
                .collect(),
            findings: summary
                .findings
                .iter()
                .map(|finding| Finding {
                    severity: finding.severity,
                    cause: &finding.cause,
                    remedy: finding.remedy.as_deref(),
                })
                .collect(),
            notes: notes.lines(),
            steps: summary.steps.iter().map(Step::of).collect(),
            output: summary.output_table(),
        }
    }
}

impl<'a> Step<'a> {
    fn of(line: &'a StepLine) -> Self {
        let end = line.end.as_ref();
        Self {
            step: line.step.as_str(),
            action: &line.action,
            effect: line.effect,
            status: line.status(),
            started: line.started,
            severity: end.and_then(|end| end.severity),
            failed: end.is_some_and(|end| end.failed),
            took_ms: end.and_then(|end| end.took_ms),
            detail: end.map_or("", |end| &end.detail),
            help: end.and_then(|end| end.help.as_deref()),
            attempts: end.map_or(0, |end| end.attempts),
            outputs: end.map(|end| &end.outputs),
            saved: end.map(|end| &end.saved),
            table: end.and_then(|end| end.table.as_ref()),
            sensitive: end.is_some_and(|end| end.sensitive),
            artifact: end.and_then(|end| end.artifact.as_deref()),
            preview: end.and_then(|end| end.preview.as_ref()),
            check: line.check.as_ref(),
            place: line.place.as_ref(),
        }
    }
}
