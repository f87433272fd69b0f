//! The format `monitoring`: the output of a monitoring plugin, for Nagios, Icinga, Sensu, Checkmk. One line with the
//! verdict and performance data, then a line for each thing that is wrong.
//! Source of the format: the development guidelines of the Monitoring Plugins, sections "Plugin Output" and
//! "Performance data".

use std::collections::HashSet;
use std::io;

use crate::base::text::one_line;
use crate::event::{Envelope, Event, Summary};

use super::measures::{Saved, seconds};
use super::notes::Notes;
use super::points::{Point, points};
use super::wording::{label, rest, tells_more};
use super::{Format, Report};

/// The registry's line.
pub(super) const FORMAT: Format = Format {
    name: "monitoring",
    help: "the output of a monitoring plugin, with performance data",
    for_people: false,
    runs_only: true,
    by_line: false,
    make: |_| Box::new(Monitoring::default()),
};

#[derive(Default)]
struct Monitoring {
    summary: Summary,
    saved: Saved,
    notes: Notes,
}

impl Report for Monitoring {
    fn event(&mut self, envelope: &Envelope, _: &mut dyn io::Write) -> io::Result<()> {
        self.summary.add_without_outputs(envelope);
        self.notes.hear(envelope);
        if let Event::StepFinished(end) = &envelope.event {
            self.saved.hear(end);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn io::Write) -> io::Result<()> {
        let points = points(&self.summary);
        let bad: Vec<&Point<'_>> = points.iter().filter(|point| point.is_bad()).collect();
        writeln!(out, "{} | {}", self.headline(&bad), self.data())?;
        for point in bad {
            writeln!(out, "{}", text(&point.headline()))?;
            for line in point.lines() {
                writeln!(out, "  {}", text(&line))?;
            }
        }
        for note in self.notes.lines() {
            writeln!(out, "{}", text(note))?;
        }
        out.flush()
    }
}

impl Monitoring {
    /// `CRITICAL - 5 steps: 4 ok, 1 critical; ping: no answer`.
    fn headline(&self, bad: &[&Point<'_>]) -> String {
        let state = match self.summary.exit {
            Some(0) => "OK",
            Some(1) => "WARNING",
            Some(2) => "CRITICAL",
            // The convention knows no other code, so every other is unknown to its readers.
            Some(_) | None => "UNKNOWN",
        };
        let (label, _) = label(&self.summary);
        let mut parts = Vec::new();
        if !label.eq_ignore_ascii_case(state) {
            parts.push(label.to_lowercase());
        }
        parts.push(rest(&self.summary));
        if tells_more(&self.summary) {
            parts.push(self.summary.reason.clone());
        } else if let Some(worst) = bad.iter().max_by_key(|point| point.verdict) {
            parts.push(worst.headline());
        }
        parts.retain(|part| !part.is_empty());
        text(&format!("{state} - {}", parts.join("; ")))
    }

    /// `'time'=2s;;;0 'count'=0.012s;;;0 'count.doomed'=18204;;;`.
    fn data(&self) -> String {
        let mut taken = HashSet::new();
        let mut data = Vec::new();
        let mut add = |name: String, value: String, unit: &str, least: &str| {
            let name = unique(name, &mut taken);
            data.push(format!("'{name}'={value}{unit};;;{least}"));
        };
        if self.summary.verdict.is_some() {
            add("time".to_owned(), seconds(self.summary.took_ms), "s", "0");
        }
        for measure in self.saved.measures(&self.summary) {
            match measure.name {
                None => add(name_of(measure.step), measure.text, "s", "0"),
                Some(saved) => {
                    let name = name_of(&format!("{}.{saved}", measure.step));
                    add(name, measure.text, "", "");
                }
            }
        }
        data.join(" ")
    }
}

/// One line without the character that begins performance data.
fn text(line: &str) -> String {
    one_line(line).replace('|', "¦")
}

/// A label of performance data: an equals sign would end it, a quote in it is doubled.
fn name_of(name: &str) -> String {
    match text(name).as_str() {
        "" => "unnamed".to_owned(),
        name => name.replace('=', ":").replace('\'', "''"),
    }
}

fn unique(name: String, taken: &mut HashSet<String>) -> String {
    let mut wanted = name.clone();
    let mut number = 2;
    while !taken.insert(wanted.clone()) {
        wanted = format!("{name}_{number}");
        number += 1;
    }
    wanted
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use regex::Regex;
    use serde_json::json;

    use crate::base::{Status, Verdict};
    use crate::event::{Envelope, Event, sample};
    use crate::report::testing::written;

    fn told(stream: &[Envelope]) -> String {
        written("monitoring", stream)
    }

    #[test]
    fn the_first_line_says_it_all() {
        let mut end = sample::step_finished("count", Status::Critical);
        end.detail = "a|b\nc".to_owned();
        end.saved.insert("it's=1".to_owned(), json!(-2.5));
        let stream = sample::stream(vec![
            sample::started(&["count", "delete"]),
            Event::StepFinished(end),
            sample::run_finished(Verdict::Critical, 2, "count: a|b\nc"),
        ]);
        assert_eq!(
            told(&stream),
            "CRITICAL - 2 steps: 1 critical, 1 not run; count: CRITICAL a¦b c \
             | 'time'=2s;;;0 'count'=0.012s;;;0 'count.it''s:1'=-2.5;;;\n\
             count: CRITICAL a¦b c\n"
        );
    }

    #[test]
    fn what_the_convention_has_no_code_for_is_unknown_and_said() {
        let waiting = sample::stream(vec![
            sample::started(&["a"]),
            sample::run_finished(Verdict::Unknown, 75, "waiting for approval"),
        ]);
        let text = told(&waiting);
        assert!(
            text.starts_with("UNKNOWN - not now; 1 step: 1 not run; waiting for approval | "),
            "{text}"
        );
        let cut = sample::stream(vec![sample::started(&["a"]), sample::step_started("a")]);
        let text = told(&cut);
        assert!(
            text.starts_with("UNKNOWN - cut off; the run did not come to its end"),
            "{text}"
        );
    }

    #[test]
    fn two_values_of_one_name_are_told_apart() {
        let mut end = sample::step_finished("a", Status::Ok);
        end.saved.insert("b".to_owned(), json!(1));
        let stream = sample::stream(vec![
            sample::started(&["a", "a.b", "time"]),
            Event::StepFinished(end),
            sample::finished("a.b", Status::Ok),
            sample::finished("time", Status::Ok),
            sample::run_finished(Verdict::Ok, 0, ""),
        ]);
        assert_eq!(
            told(&stream),
            "OK - 3 steps: 3 ok | 'time'=2s;;;0 'a'=0.012s;;;0 'a.b'=1;;; 'a.b_2'=0.012s;;;0 'time_2'=0.012s;;;0\n"
        );
    }

    proptest! {
        /// What the readers of performance data split by finds each value once, whatever steps and values are called.
        #[test]
        fn performance_data_can_be_read_whatever_it_is_called(stream in sample::any_stream()) {
            let text = told(&stream);
            let first = text.lines().next().unwrap();
            let (said, data) = first.split_once(" | ").unwrap();
            let state = Regex::new("^(OK|WARNING|CRITICAL|UNKNOWN) - ").unwrap();
            prop_assert!(state.is_match(said), "{said}");
            let datum = Regex::new(r"^'((?:[^'=|]|'')+)'=(-?[0-9]+(?:\.[0-9]+)?)(s?);;;(0?)(?: |$)").unwrap();
            let mut rest = data;
            let mut names = HashSet::new();
            while !rest.is_empty() {
                let found = datum.captures(rest);
                prop_assert!(found.is_some(), "{rest}");
                let found = found.unwrap();
                prop_assert!(names.insert(found[1].to_owned()), "{data}");
                rest = &rest[found[0].len()..];
            }
            prop_assert!(!text.lines().skip(1).any(|line| line.contains('|')), "{text}");
        }
    }
}
