//! The format `tap`: Test Anything Protocol, version 14. A point for each step, with a block of YAML where it is not well.
//! Source of the format: "TAP 14 specification", sections "Version", "Plan", "Test Points", "Escaping", "YAML
//! Diagnostics" and "Bail out!".

use std::io;

use serde_json::Value;

use crate::base::exit::ExitCode;
use crate::base::text::one_line;
use crate::event::{Envelope, Summary};

use super::notes::Notes;
use super::points::{Outcome, Point, points};
use super::wording::{label, rest, typed};
use super::{Format, Report, json_text};

/// The registry's line.
pub(super) const FORMAT: Format = Format {
    name: "tap",
    help: "Test Anything Protocol, version 14, a point for each step",
    for_people: false,
    runs_only: true,
    rows_only: false,
    by_line: false,
    make: |_| Box::new(Tap::default()),
};

#[derive(Default)]
struct Tap {
    summary: Summary,
    notes: Notes,
}

impl Report for Tap {
    fn event(&mut self, envelope: &Envelope, _: &mut dyn io::Write) -> io::Result<()> {
        self.summary.add_without_outputs(envelope);
        self.notes.hear(envelope);
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn io::Write) -> io::Result<()> {
        let points = points(&self.summary);
        writeln!(out, "TAP version 14\n1..{}", points.len())?;
        for line in self.comments() {
            writeln!(out, "# {line}")?;
        }
        for (number, point) in (1..).zip(&points) {
            write_point(number, point, out)?;
        }
        if let Some(reason) = bail(&self.summary) {
            writeln!(out, "Bail out! {reason}")?;
        }
        out.flush()
    }
}

impl Tap {
    /// What was run and how it ended, for people who read along.
    fn comments(&self) -> Vec<String> {
        let summary = &self.summary;
        let Some(start) = &summary.start else {
            return Vec::new();
        };
        let mut what = format!("opsbook {}", typed(&start.runbook));
        if let Some(run) = summary.run {
            what.push_str(&format!(", run {run}"));
        }
        if let Some(environment) = &start.environment {
            what.push_str(&format!(", environment {}", one_line(environment)));
        }
        let exit = summary.exit.map(|exit| format!(" (exit {exit})"));
        let ended = format!(
            "{}{}: {}",
            label(summary).0,
            exit.unwrap_or_default(),
            rest(summary)
        );
        let mut comments = vec![what, ended];
        comments.extend(self.notes.lines().iter().cloned());
        comments
    }
}

fn write_point(number: usize, point: &Point<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let ok = if point.is_bad() { "not ok" } else { "ok" };
    write!(out, "{ok} {number} - {}", escaped(&point.name))?;
    if point.outcome == Outcome::Skipped {
        write!(out, " # SKIP {}", escaped(&point.why_skipped()))?;
    }
    writeln!(out)?;
    if !point.is_bad() {
        return Ok(());
    }
    writeln!(out, "  ---")?;
    for (key, value) in diagnostics(point) {
        // A value of JSON is one of YAML, which holds JSON whole.
        writeln!(out, "  {key}: {}", json_text::line(&value))?;
    }
    writeln!(out, "  ...")
}

/// What is known of a point beside its name.
fn diagnostics(point: &Point<'_>) -> Vec<(&'static str, Value)> {
    let place = point.step.and_then(|step| step.place.as_ref());
    let took = point.step.and_then(|step| step.end.as_ref()?.took_ms);
    let lines = point.lines();
    let facts = [
        ("status", Some(point.word.into())),
        (
            "severity",
            point.severity.map(|severity| severity.as_str().into()),
        ),
        ("message", Some(point.message.as_str().into())),
        ("more", (!lines.is_empty()).then(|| lines.into())),
        ("file", place.map(|place| one_line(&place.file).into())),
        ("line", place.map(|place| place.line.into())),
        ("duration_ms", took.map(Value::from)),
    ];
    let known = facts.into_iter();
    known
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}

/// Text in which nothing begins a directive, nor in the end a subtest in braces, which parsers know that are older than the
/// specification. It takes one line already.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('#', "\\#");
    match text.trim_end().ends_with('{') {
        true => format!("{text}…"),
        false => text,
    }
}

/// Why the run did not come to its end, if it did not.
fn bail(summary: &Summary) -> Option<String> {
    summary.run?;
    let ended_by = |exit: ExitCode| summary.exit == Some(exit.code());
    match summary.verdict {
        None => Some("the run did not come to its end".to_owned()),
        Some(_) if ended_by(ExitCode::Interrupted) || ended_by(ExitCode::Terminated) => {
            Some(one_line(&summary.reason))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::base::{Status, Verdict};
    use crate::event::{Event, StepPlace, sample};
    use crate::report::testing::written;

    #[test]
    fn a_run_is_a_plan_and_its_points() {
        let mut start = sample::run_started(&["count", "delete", "last"]);
        start.steps[0].place = Some(StepPlace {
            file: "runbooks/db/prune.toml".to_owned(),
            line: 7,
        });
        let mut bad = sample::step_finished("count", Status::Critical);
        bad.detail = "issue #7 \\ \"x\"".to_owned();
        bad.help = Some("look".to_owned());
        let mut skipped = sample::step_finished("delete", Status::Skipped);
        skipped.detail = "doomed > 0 # is false".to_owned();
        let text = written(
            "tap",
            &sample::stream(vec![
                Event::RunStarted(start),
                Event::StepFinished(bad),
                Event::StepFinished(skipped),
                sample::finished("last", Status::Ok),
                sample::run_finished(Verdict::Critical, 2, "count"),
            ]),
        );
        assert_eq!(
            text,
            r##"TAP version 14
1..3
# opsbook db prune, run 412, environment production
# CRITICAL (exit 2): 3 steps: 1 ok, 1 critical, 1 skipped
not ok 1 - count
  ---
  status: "CRITICAL"
  severity: "P1"
  message: "issue #7 \\ \"x\""
  more: ["→ look"]
  file: "runbooks/db/prune.toml"
  line: 7
  duration_ms: 12.0
  ...
ok 2 - delete # SKIP doomed > 0 \# is false
ok 3 - last
"##
        );
    }

    #[test]
    fn a_run_that_was_cut_off_bails_out() {
        let cut = sample::stream(vec![sample::started(&["a"]), sample::step_started("a")]);
        let text = written("tap", &cut);
        assert!(text.contains("not ok 1 - a\n"), "{text}");
        assert!(
            text.ends_with("Bail out! the run did not come to its end\n"),
            "{text}"
        );
        let interrupted = sample::stream(vec![
            sample::started(&["a"]),
            sample::run_finished(Verdict::Unknown, 130, "interrupted"),
        ]);
        let text = written("tap", &interrupted);
        assert!(text.ends_with("Bail out! interrupted\n"), "{text}");
    }
}
