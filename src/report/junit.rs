//! The format `junit`: the XML that CI servers take for test results. A suite for the run, a case for each step.
//! Source of the format: no standard; the elements and attributes that Jenkins, GitLab and GitHub's actions read, as
//! github.com/testmoapp/junitxml gathers them.

use std::collections::HashMap;
use std::io;

use quick_xml::Writer;
use quick_xml::escape::escape;
use quick_xml::events::{BytesDecl, BytesText, Event as Xml};
use serde_json::Value;

use crate::base::StepKey;
use crate::base::text::{neutral, one_line};
use crate::event::{Envelope, Event, StepFinished, Summary};

use super::measures::seconds;
use super::notes::Notes;
use super::points::{Outcome, Point, points};
use super::wording::{label, typed};
use super::{Format, Report};

/// The registry's line.
pub(super) const FORMAT: Format = Format {
    name: "junit",
    help: "JUnit XML for CI servers, a case for each step",
    for_people: false,
    runs_only: true,
    rows_only: false,
    by_line: false,
    make: |_| Box::new(Junit::default()),
};

/// So many bytes are kept of what a program wrote to one stream: its end, where the cause stands.
const MOST_OUTPUT: usize = 16 << 10;

#[derive(Default)]
struct Junit {
    summary: Summary,
    notes: Notes,
    written: HashMap<StepKey, Written>,
}

/// What the program of a step wrote, or what would have been sent.
#[derive(Default)]
struct Written {
    out: String,
    err: String,
}

impl Report for Junit {
    fn event(&mut self, envelope: &Envelope, _: &mut dyn io::Write) -> io::Result<()> {
        self.summary.add_without_outputs(envelope);
        self.notes.hear(envelope);
        if let Event::StepFinished(end) = &envelope.event
            && self.summary.is_counted(&end.step)
        {
            self.written.insert(end.step.clone(), Written::of(end));
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn io::Write) -> io::Result<()> {
        let mut writer = Writer::new_with_indent(&mut *out, b' ', 2);
        writer.write_event(Xml::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let points = points(&self.summary);
        let totals = self.totals(&points);
        let mut suites = writer
            .create_element("testsuites")
            .with_attribute(("name", "opsbook"));
        for (name, value) in &totals {
            suites = suites.with_attribute((*name, value.as_str()));
        }
        suites.write_inner_content(|writer| {
            let mut suite = writer.create_element("testsuite");
            for (name, value) in self.origin().iter().chain(&totals) {
                suite = suite.with_attribute((*name, value.as_str()));
            }
            suite.write_inner_content(|writer| self.write_suite(&points, writer))?;
            Ok(())
        })?;
        out.write_all(b"\n")?;
        out.flush()
    }
}

type Attributes = Vec<(&'static str, String)>;

impl Junit {
    /// The attributes of a suite that count and time its cases.
    fn totals(&self, points: &[Point<'_>]) -> Attributes {
        let number = |outcome| {
            points
                .iter()
                .filter(|point| point.outcome == outcome)
                .count()
        };
        let mut attributes = vec![
            ("tests", points.len().to_string()),
            ("failures", number(Outcome::Failed).to_string()),
            ("errors", number(Outcome::Errored).to_string()),
            ("skipped", number(Outcome::Skipped).to_string()),
            ("time", seconds(self.summary.took_ms)),
        ];
        if let Some(at) = self.summary.started_at {
            attributes.push(("timestamp", at.format("%Y-%m-%dT%H:%M:%S").to_string()));
        }
        attributes
    }

    fn origin(&self) -> Attributes {
        let Some(start) = &self.summary.start else {
            return vec![("name", "opsbook".to_owned())];
        };
        vec![
            ("name", typed(&start.runbook)),
            ("hostname", line(&start.host)),
            ("file", line(&start.file)),
        ]
    }

    fn write_suite<W: io::Write>(
        &self,
        points: &[Point<'_>],
        writer: &mut Writer<W>,
    ) -> io::Result<()> {
        writer
            .create_element("properties")
            .write_inner_content(|writer| {
                for (name, value) in self.properties() {
                    writer
                        .create_element("property")
                        .with_attribute(("name", name.as_str()))
                        .with_attribute(("value", line(&value).as_str()))
                        .write_empty()?;
                }
                Ok(())
            })?;
        for point in points {
            self.write_case(point, writer)?;
        }
        Ok(())
    }

    fn properties(&self) -> Vec<(String, String)> {
        let summary = &self.summary;
        let start = summary.start.as_ref();
        let facts = [
            ("run", summary.run.map(|run| run.to_string())),
            (
                "verdict",
                summary.verdict.map(|verdict| verdict.to_string()),
            ),
            ("ended", Some(label(summary).0.to_lowercase())),
            ("exit", summary.exit.map(|exit| exit.to_string())),
            ("reason", Some(summary.reason.clone())),
            (
                "environment",
                start.and_then(|start| start.environment.clone()),
            ),
            ("dry", start.map(|start| start.dry.to_string())),
            ("user", start.map(|start| start.user.clone())),
            ("opsbook", start.map(|start| start.opsbook.clone())),
            ("asked.reason", start.and_then(|start| start.reason.clone())),
            (
                "asked.incident",
                start.and_then(|start| start.incident.clone()),
            ),
        ];
        let mut properties: Vec<(String, String)> = facts
            .into_iter()
            .filter_map(|(name, value)| {
                Some((name.to_owned(), value.filter(|value| !value.is_empty())?))
            })
            .collect();
        for (name, value) in start.iter().flat_map(|start| &start.inputs) {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            properties.push((format!("input.{}", line(name)), value));
        }
        for finding in &summary.findings {
            let remedy = finding
                .remedy
                .as_ref()
                .map(|remedy| format!(": opsbook {remedy}"));
            let told = format!(
                "{} {}{}",
                finding.severity,
                finding.cause,
                remedy.unwrap_or_default()
            );
            properties.push(("finding".to_owned(), told));
        }
        let notes = self.notes.lines().iter();
        properties.extend(notes.map(|note| ("note".to_owned(), note.clone())));
        properties
    }

    fn write_case<W: io::Write>(
        &self,
        point: &Point<'_>,
        writer: &mut Writer<W>,
    ) -> io::Result<()> {
        let start = self.summary.start.as_ref();
        let check = point.step.and_then(|step| step.check.as_ref());
        let (name, class) = match (check, start) {
            (Some(check), _) => (check.name.as_str(), check.service.as_str()),
            (None, Some(start)) => (point.name.as_str(), start.runbook.as_str()),
            (None, None) => (point.name.as_str(), "opsbook"),
        };
        let took = point.step.and_then(|step| step.end.as_ref()?.took_ms);
        let mut case = writer
            .create_element("testcase")
            .with_attribute(("name", line(name).as_str()))
            .with_attribute(("classname", line(class).as_str()))
            .with_attribute(("time", seconds(took.unwrap_or(0.0)).as_str()));
        if let Some(place) = point.step.and_then(|step| step.place.as_ref()) {
            case = case
                .with_attribute(("file", line(&place.file).as_str()))
                .with_attribute(("line", place.line.to_string().as_str()));
        }
        let written = point.step.and_then(|step| self.written.get(&step.step));
        let written = written.filter(|written| !(written.out.is_empty() && written.err.is_empty()));
        if point.outcome == Outcome::Passed && written.is_none() {
            case.write_empty()?;
            return Ok(());
        }
        case.write_inner_content(|writer| {
            write_outcome(point, writer)?;
            let Some(written) = written else {
                return Ok(());
            };
            for (element, text) in [("system-out", &written.out), ("system-err", &written.err)] {
                if !text.is_empty() {
                    writer
                        .create_element(element)
                        .write_text_content(content(text))?;
                }
            }
            Ok(())
        })?;
        Ok(())
    }
}

fn write_outcome<W: io::Write>(point: &Point<'_>, writer: &mut Writer<W>) -> io::Result<()> {
    let element = match point.outcome {
        Outcome::Passed => return Ok(()),
        Outcome::Failed => "failure",
        Outcome::Errored => "error",
        Outcome::Skipped => {
            let why = line(&point.why_skipped());
            writer
                .create_element("skipped")
                .with_attribute(("message", why.as_str()))
                .write_empty()?;
            return Ok(());
        }
    };
    let failed = point
        .step
        .and_then(|step| step.end.as_ref())
        .is_some_and(|end| end.failed);
    let kind = match (point.outcome, point.step) {
        (Outcome::Errored, _) => point.word.to_lowercase(),
        (_, None) => "finding".to_owned(),
        (_, Some(_)) if failed => "failed".to_owned(),
        (_, Some(_)) => "threshold".to_owned(),
    };
    let severity = point.severity.map(|severity| format!(" {severity}"));
    let head = format!(
        "{}{}: {}",
        point.word,
        severity.unwrap_or_default(),
        point.message
    );
    let mut lines = vec![head.trim_end_matches([' ', ':']).to_owned()];
    lines.extend(point.lines());
    writer
        .create_element(element)
        .with_attribute(("message", line(&point.message).as_str()))
        .with_attribute(("type", kind.as_str()))
        .write_text_content(content(&lines.join("\n")))?;
    Ok(())
}

impl Written {
    fn of(end: &StepFinished) -> Self {
        let output = |name: &str| {
            end.outputs
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let sent = end.preview.as_ref().map(|preview| preview.sent.as_str());
        Self {
            out: the_end_of(sent.unwrap_or_else(|| output("stdout"))),
            err: the_end_of(output("stderr")),
        }
    }
}

/// The end of a text, and how much of it is not shown.
fn the_end_of(text: &str) -> String {
    let mut start = text.len().saturating_sub(MOST_OUTPUT);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    match start {
        0 => text.to_owned(),
        _ => format!(
            "[{start} bytes before this are left out; --format json has them]\n{}",
            &text[start..]
        ),
    }
}

/// One line that an attribute can hold.
fn line(text: &str) -> String {
    legal(&one_line(text))
}

/// Text between two tags. A tab is written out, so that no reader of the raw file is steered by it.
fn content(text: &str) -> BytesText<'static> {
    let escaped = escape(legal(&neutral(text))).replace('\t', "&#9;");
    BytesText::from_escaped(escaped)
}

/// Text of nothing but characters of XML 1.0, section 2.2; the control characters are stand-ins already.
fn legal(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::Reader;
    use quick_xml::events::Event as Xml;
    use serde_json::json;

    use super::{MOST_OUTPUT, the_end_of};
    use crate::base::{Status, Verdict};
    use crate::event::{Event, StepPlace, sample};
    use crate::report::testing::written;

    #[test]
    fn a_run_is_a_suite_and_its_steps_are_cases() {
        let mut start = sample::run_started(&["count", "delete", "look", "last"]);
        start.inputs.insert("table".to_owned(), json!("a&b"));
        start.steps[0].place = Some(StepPlace {
            file: "runbooks/db/prune.toml".to_owned(),
            line: 7,
        });
        let mut bad = sample::step_finished("count", Status::Critical);
        bad.detail = "1 < 2 & \"so\"".to_owned();
        bad.help = Some("look".to_owned());
        bad.outputs.insert(
            "stdout".to_owned(),
            json!("a\tb \u{1b}[31m\u{0}<x>\u{ffff}\n"),
        );
        let text = written(
            "junit",
            &sample::stream(vec![
                Event::RunStarted(start),
                Event::StepFinished(bad),
                sample::finished("look", Status::InDoubt),
                sample::finished("last", Status::Ok),
                sample::run_finished(Verdict::Critical, 4, "count: bad"),
            ]),
        );
        assert_eq!(
            text,
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="opsbook" tests="4" failures="1" errors="1" skipped="1" time="2" timestamp="2026-11-20T03:00:00">
  <testsuite name="db prune" hostname="host.example.com" file="runbooks/db/prune.toml" tests="4" failures="1" errors="1" skipped="1" time="2" timestamp="2026-11-20T03:00:00">
    <properties>
      <property name="run" value="412"/>
      <property name="verdict" value="critical"/>
      <property name="ended" value="stuck"/>
      <property name="exit" value="4"/>
      <property name="reason" value="count: bad"/>
      <property name="environment" value="production"/>
      <property name="dry" value="false"/>
      <property name="user" value="operator"/>
      <property name="opsbook" value="0.1.0"/>
      <property name="input.table" value="a&amp;b"/>
    </properties>
    <testcase name="count" classname="db/prune" time="0.012" file="runbooks/db/prune.toml" line="7">
      <failure message="1 &lt; 2 &amp; &quot;so&quot;" type="failed">CRITICAL P1: 1 &lt; 2 &amp; &quot;so&quot;
→ look</failure>
      <system-out>a&#9;b ␛[31m␀&lt;x&gt;�
</system-out>
    </testcase>
    <testcase name="delete" classname="db/prune" time="0">
      <skipped message="not run"/>
    </testcase>
    <testcase name="look" classname="db/prune" time="0.012">
      <error message="" type="in doubt">IN DOUBT</error>
    </testcase>
    <testcase name="last" classname="db/prune" time="0.012"/>
  </testsuite>
</testsuites>
"#
        );
    }

    #[test]
    fn of_long_output_the_end_is_kept_and_the_rest_is_counted() {
        let text = format!("{}é the cause", "x".repeat(MOST_OUTPUT));
        let kept = the_end_of(&text);
        assert!(
            kept.starts_with("[12 bytes before this are left out"),
            "{}",
            &kept[..80]
        );
        assert!(kept.ends_with("é the cause"));
        assert_eq!(the_end_of("short"), "short");
    }

    proptest! {
        #[test]
        fn it_is_well_formed_whatever_texts_hold(stream in sample::any_stream()) {
            let text = written("junit", &stream);
            let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
            prop_assert!(text.chars().all(allowed), "{text:?}");
            let mut reader = Reader::from_str(&text);
            let mut depth = 0_i32;
            loop {
                match reader.read_event() {
                    Ok(Xml::Start(_)) => depth += 1,
                    Ok(Xml::End(_)) => depth -= 1,
                    Ok(Xml::Eof) => break,
                    Ok(_) => {}
                    Err(error) => prop_assert!(false, "{error}: {text}"),
                }
            }
            prop_assert_eq!(depth, 0);
        }
    }
}
