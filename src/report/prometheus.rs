//! The format `prometheus`: a file for the textfile collector of node_exporter. No timestamps, every series once; the
//! last success is kept from the file that a failing run replaces.
//! Source of the format: Prometheus' "Exposition formats", the text-based format, version 0.0.4.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{self, Read as _};

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::base::text::one_line;
use crate::base::{Status, Verdict};
use crate::event::{Envelope, Event, Summary};

use super::check_metrics::{self, Looks};
use super::measures::{Saved, seconds};
use super::wording::is_dry;
use super::{Format, Report};

/// The registry's line.
pub(super) const FORMAT: Format = Format {
    name: "prometheus",
    help: "metrics for the textfile collector of node_exporter",
    for_people: false,
    runs_only: true,
    rows_only: false,
    by_line: false,
    make: |_| Box::new(Prometheus::default()),
};

/// More of an old file than this is not looked at: it is none of ours.
const LONGEST_OLD: u64 = 4 << 20;

const LAST_SUCCESS: &str = "opsbook_last_success_timestamp_seconds";

#[derive(Default)]
struct Prometheus {
    summary: Summary,
    saved: Saved,
    looks: Looks,
    ended_at: Option<DateTime<Utc>>,
    /// The lines of the file that this one replaces which tell when a run last succeeded.
    earlier: Vec<String>,
}

impl Report for Prometheus {
    fn event(&mut self, envelope: &Envelope, _: &mut dyn io::Write) -> io::Result<()> {
        self.summary.add_without_outputs(envelope);
        match &envelope.event {
            Event::StepFinished(end) => {
                self.saved.hear(end);
                self.looks.hear(end, envelope.at);
            }
            Event::RunFinished(_) => self.ended_at = Some(envelope.at),
            Event::RunResumed(_) => self.ended_at = None,
            _ => {}
        }
        Ok(())
    }

    fn replaces(&mut self, old: &mut dyn io::Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        old.take(LONGEST_OLD).read_to_end(&mut bytes)?;
        self.earlier = String::from_utf8_lossy(&bytes)
            .lines()
            .filter(|line| line.starts_with(LAST_SUCCESS))
            .map(str::to_owned)
            .collect();
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn io::Write) -> io::Result<()> {
        if self.summary.run.is_some() {
            out.write_all(self.metrics().as_bytes())?;
        }
        out.flush()
    }
}

impl Prometheus {
    fn metrics(&self) -> String {
        let mut page = Page::of(&self.summary);
        self.write_run(&mut page);
        page.metric(
            "opsbook_run_steps",
            "Steps of the last run by how they ended.",
        );
        let counts = self.summary.counts();
        for status in Status::ALL {
            let found = counts.iter().find(|(counted, _)| *counted == status);
            let number = found.map_or(0, |(_, number)| *number);
            page.series(&[("status", status.as_str())], &number.to_string());
        }
        self.write_checks(&mut page);
        let measures = self.saved.measures_of_steps(&self.summary);
        let (took, saved): (Vec<_>, Vec<_>) =
            measures.iter().partition(|measure| measure.name.is_none());
        if !took.is_empty() {
            page.metric(
                "opsbook_step_duration_seconds",
                "How long a step of the last run took.",
            );
        }
        for measure in took {
            page.series(&[("step", measure.step)], &measure.text);
        }
        if !saved.is_empty() {
            page.metric(
                "opsbook_saved_value",
                "A number that a step of the last run saved.",
            );
        }
        for measure in saved {
            let name = measure.name.unwrap_or_default();
            page.series(&[("step", measure.step), ("name", name)], &measure.text);
        }
        page.text
    }

    fn write_checks(&self, page: &mut Page) {
        for metric in check_metrics::metrics(&self.summary, &self.saved, &self.looks, unix) {
            page.metric(metric.name, metric.help);
            for series in metric.series {
                let mut labels = vec![
                    ("service", series.service.as_str()),
                    ("check", series.check.as_str()),
                ];
                labels.extend(series.number.as_deref().map(|name| ("name", name)));
                page.series(&labels, &series.value);
            }
        }
    }

    fn write_run(&self, page: &mut Page) {
        let summary = &self.summary;
        page.metric(
            "opsbook_run_verdict",
            "Whether the last run ended with this verdict.",
        );
        // A run that was cut off could not be told.
        let verdict = summary.verdict.unwrap_or(Verdict::Unknown);
        for known in Verdict::ALL {
            let holds = u8::from(known == verdict).to_string();
            page.series(&[("verdict", known.as_str())], &holds);
        }
        if let Some(exit) = summary.exit {
            page.metric(
                "opsbook_run_exit_code",
                "The exit code of the last run, before --fail-on.",
            );
            page.series(&[], &exit.to_string());
            page.metric(
                "opsbook_run_duration_seconds",
                "How long the last run took.",
            );
            page.series(&[], &seconds(summary.took_ms));
        }
        page.metric(
            "opsbook_run_dry",
            "Whether the last run was a dry one, which changed nothing.",
        );
        page.series(&[], &u8::from(is_dry(summary)).to_string());
        if let Some(at) = self.ended_at.or(summary.started_at) {
            page.metric(
                "opsbook_last_run_timestamp_seconds",
                "When the last run ended.",
            );
            page.series(&[], &unix(at));
        }
        let well =
            summary.exit == Some(0) && summary.verdict == Some(Verdict::Ok) && !is_dry(summary);
        let start = format!("{LAST_SUCCESS}{{{}}} ", page.labels);
        let earlier = self.earlier.iter().find_map(|line| {
            let value = line.strip_prefix(&start)?;
            value.parse::<f64>().ok().map(|_| value.to_owned())
        });
        let success = match self.ended_at {
            Some(at) if well => Some(unix(at)),
            Some(_) | None => earlier,
        };
        if let Some(success) = success {
            page.metric(LAST_SUCCESS, "When a run last ended ok, dry ones left out.");
            page.series(&[], &success);
        }
    }
}

/// The text of the file so far.
struct Page {
    text: String,
    /// The labels that every series has.
    labels: String,
    metric: &'static str,
    written: HashSet<String>,
}

impl Page {
    fn of(summary: &Summary) -> Self {
        let start = summary.start.as_ref();
        let runbook = start.map_or("", |start| start.runbook.as_str());
        let environment = start.and_then(|start| start.environment.as_deref());
        let inputs = start.map_or_else(String::new, |start| {
            let inputs: Vec<String> = start.inputs.iter().map(input).collect();
            inputs.join(",")
        });
        let labels = [
            ("runbook", runbook),
            ("environment", environment.unwrap_or_default()),
            ("inputs", &inputs),
        ];
        Self {
            text: String::new(),
            labels: labels.map(label).join(","),
            metric: "",
            written: HashSet::new(),
        }
    }

    /// Begins a metric, whose series follow.
    fn metric(&mut self, name: &'static str, help: &str) {
        self.metric = name;
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    /// Writes a series; one that is there already, of two names that are one when they are shown, is left out.
    fn series(&mut self, labels: &[(&str, &str)], value: &str) {
        let mut series = format!("{}{{{}", self.metric, self.labels);
        for name_and_value in labels {
            series.push(',');
            series.push_str(&label(*name_and_value));
        }
        series.push('}');
        if self.written.insert(series.clone()) {
            let _ = writeln!(self.text, "{series} {value}");
        }
    }
}

fn input((name, value): (&String, &Value)) -> String {
    match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    }
}

fn label((name, value): (&str, &str)) -> String {
    let value = one_line(value).replace('\\', r"\\").replace('"', "\\\"");
    format!("{name}=\"{value}\"")
}

/// Seconds since 1970, to the millisecond.
fn unix(at: DateTime<Utc>) -> String {
    let milliseconds = at.timestamp_millis();
    format!(
        "{}.{:03}",
        milliseconds.div_euclid(1000),
        milliseconds.rem_euclid(1000)
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use regex::Regex;
    use serde_json::json;

    use super::LAST_SUCCESS;
    use crate::base::{Status, Verdict};
    use crate::event::{Envelope, Event, Measure, sample};
    use crate::report::testing::{written, written_over};

    fn run(verdict: Verdict, exit: u8, dry: bool) -> Vec<Envelope> {
        let mut start = sample::run_started(&["count"]);
        start.dry = dry;
        start.inputs.insert("table".to_owned(), json!("a \"b\" \\"));
        let mut end = sample::step_finished("count", Status::from(verdict));
        end.saved.insert("doomed".to_owned(), json!(18204));
        sample::stream(vec![
            Event::RunStarted(start),
            Event::StepFinished(end),
            sample::run_finished(verdict, exit, ""),
        ])
    }

    fn line<'a>(text: &'a str, metric: &str) -> Option<&'a str> {
        text.lines().find(|line| line.starts_with(metric))
    }

    const LABELS: &str = r#"runbook="db/prune",environment="production",inputs="table=a \"b\" \\""#;

    #[test]
    fn every_number_has_its_series() {
        let text = written("prometheus", &run(Verdict::Critical, 2, false));
        for expected in [
            format!("opsbook_run_verdict{{{LABELS},verdict=\"critical\"}} 1"),
            format!("opsbook_run_verdict{{{LABELS},verdict=\"ok\"}} 0"),
            format!("opsbook_run_exit_code{{{LABELS}}} 2"),
            format!("opsbook_run_duration_seconds{{{LABELS}}} 2"),
            format!("opsbook_run_dry{{{LABELS}}} 0"),
            format!("opsbook_last_run_timestamp_seconds{{{LABELS}}} 1795143602.000"),
            format!("opsbook_run_steps{{{LABELS},status=\"critical\"}} 1"),
            format!("opsbook_step_duration_seconds{{{LABELS},step=\"count\"}} 0.012"),
            format!("opsbook_saved_value{{{LABELS},step=\"count\",name=\"doomed\"}} 18204"),
        ] {
            assert!(
                text.lines().any(|line| line == expected),
                "no {expected}\n{text}"
            );
        }
    }

    #[test]
    fn every_check_has_the_same_series_however_it_ended() {
        let mut ends = [
            (0, "a \"b\"", Status::Warning),
            (1, "c", Status::Affected),
            (2, "d", Status::NotRun),
        ]
        .map(|(index, name, status)| sample::check_finished("api", name, index, status));
        ends[0].outputs.insert("ms".to_owned(), json!(11.5));
        ends[0].saved.insert("n".to_owned(), json!(142));
        ends[0].measures = ["n", "json.x"].map(measure).to_vec();
        ends[2].took_ms = None;
        let mut events = vec![sample::started(&["checks"])];
        events.extend(ends.into_iter().map(Event::StepFinished));
        events.push(sample::run_finished(Verdict::Warning, 1, ""));
        let text = written("prometheus", &sample::stream(events));
        let start = r#"runbook="db/prune",environment="production",inputs="",service="api",check="#;
        let of = |metric: &str| -> Vec<String> {
            let start = format!("opsbook_check_{metric}{{{start}");
            let lines = text.lines().filter_map(|line| line.strip_prefix(&start));
            lines.map(str::to_owned).collect()
        };
        let a = r#""a \"b\"""#;
        assert_eq!(of("status"), [&format!("{a}}} 1"), "\"c\"} 0", "\"d\"} 0"]);
        assert_eq!(of("ok"), [&format!("{a}}} 0"), "\"c\"} 0", "\"d\"} 0"]);
        assert_eq!(
            of("affected"),
            [&format!("{a}}} 0"), "\"c\"} 1", "\"d\"} 0"]
        );
        assert_eq!(
            of("duration_seconds"),
            [&format!("{a}}} 0.0115"), "\"c\"} 0.012"]
        );
        assert_eq!(
            of("last_run_timestamp_seconds"),
            [&format!("{a}}} 1795143601.000"), "\"c\"} 1795143602.000"]
        );
        assert_eq!(
            of("value"),
            [
                format!("{a},name=\"n\"}} 142"),
                format!("{a},name=\"json.x\"}} 7")
            ]
        );
        assert!(!text.contains("opsbook_step_"), "{text}");
    }

    fn measure(name: &str) -> Measure {
        Measure {
            name: name.to_owned(),
            value: Some(7.0),
            ..Measure::default()
        }
    }

    #[test]
    fn the_last_success_outlives_runs_that_fail_and_dry_ones() {
        let well = written("prometheus", &run(Verdict::Ok, 0, false));
        let success = line(&well, LAST_SUCCESS).unwrap();
        assert!(success.ends_with("} 1795143602.000"), "{success}");
        let failed = written_over("prometheus", &well, &run(Verdict::Critical, 2, false));
        assert_eq!(line(&failed, LAST_SUCCESS), Some(success));
        let later: String = well.replace("1795143602.000", "1795000000.000");
        let dry = written_over("prometheus", &later, &run(Verdict::Ok, 0, true));
        assert!(
            line(&dry, LAST_SUCCESS)
                .unwrap()
                .ends_with("} 1795000000.000")
        );
        let again = written_over("prometheus", &later, &run(Verdict::Ok, 0, false));
        assert_eq!(line(&again, LAST_SUCCESS), Some(success));
    }

    #[test]
    fn the_success_of_another_runbook_or_a_broken_file_is_not_taken_over() {
        let failed = run(Verdict::Critical, 2, false);
        let other = format!("{LAST_SUCCESS}{{runbook=\"x\",environment=\"\",inputs=\"\"}} 1\n");
        let broken = format!("{LAST_SUCCESS}{{{LABELS}}} soon\n");
        for old in [other.as_str(), &broken, "", "\u{0}\u{1}"] {
            let text = written_over("prometheus", old, &failed);
            assert_eq!(line(&text, LAST_SUCCESS), None, "{old}");
        }
    }

    proptest! {
        #[test]
        fn series_are_unique_and_well_formed_whatever_steps_are_called(stream in sample::any_stream()) {
            let text = written("prometheus", &stream);
            let series = Regex::new(
                r#"^[a-z_]+\{(?:[a-z]+="(?:[^"\\]|\\\\|\\")*",?)+\} -?[0-9]+(?:\.[0-9]+)?$"#,
            ).unwrap();
            let mut seen = HashSet::new();
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                prop_assert!(series.is_match(line), "{line}");
                let name = line.rsplit_once(' ').unwrap().0;
                prop_assert!(seen.insert(name.to_owned()), "{line}");
            }
        }
    }
}
