//! The format `monitoring`: the output of a monitoring plugin, for Nagios, Icinga, Sensu, Checkmk. One line with the
//! verdict and performance data, then what is wrong, worst first; of checks each, however it ended.
//! Source of the format: the development guidelines of the Monitoring Plugins, section "Plugin Output".

use std::cmp::Reverse;
use std::io;

use crate::base::text::{beginning, count, thousands};
use crate::base::{Status, Verdict};
use crate::event::{Envelope, Event, Summary};

use super::measures::Saved;
use super::notes::Notes;
use super::performance::{self, without_bar};
use super::points::{Point, points};
use super::wording::{label, rest, tells_more};
use super::{Format, Report};

/// The registry's line.
pub(super) const FORMAT: Format = Format {
    name: "monitoring",
    help: "the output of a monitoring plugin, with performance data",
    for_people: false,
    runs_only: true,
    rows_only: false,
    by_line: false,
    make: |_| Box::new(Monitoring::default()),
};

/// What the command file of Nagios takes of a result, in bytes; other ways of a result are wider.
const LONGEST: usize = 8 * 1024;

/// So much of it is left to text, however much performance data there is: that is never cut, who draws it could not tell.
const LEAST_TEXT: usize = 2 * 1024;

/// The longest single line, in bytes: one long reason hides no other.
const LONGEST_LINE: usize = 1024;

/// The longest reason in the first line, in bytes: what stands behind it is read too.
const LONGEST_REASON: usize = 512;

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
        let mut points = points(&self.summary);
        // In the order of the run where they are equally bad.
        points.sort_by_key(|point| Reverse(weight(point)));
        let headline = self.headline(&points);
        let data = performance::data(&self.summary, &self.saved);
        writeln!(out, "{headline} | {data}")?;
        let taken = headline.len() + data.len();
        let room = LONGEST.saturating_sub(taken).max(LEAST_TEXT);
        out.write_all(fitting(&self.lines(&points), room).as_bytes())?;
        out.flush()
    }
}

impl Monitoring {
    /// `CRITICAL - database ping: no answer within 2 s (2 of 5 checks bad)`, and of steps
    /// `CRITICAL - 5 steps: 4 ok, 1 critical; ping: CRITICAL no answer`.
    fn headline(&self, points: &[Point<'_>]) -> String {
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
        let worst = points.first().filter(|point| point.is_bad());
        let by_check = worst.and_then(|point| of_check(point).map(|name| (name, point)));
        match (by_check, worst) {
            (Some((name, point)), _) => {
                if tells_more(&self.summary) {
                    parts.push(self.summary.reason.clone());
                }
                let worst = beginning_of(&told(&name, point, false), LONGEST_REASON);
                parts.push(format!("{worst} ({})", bad_of(points)));
            }
            (None, worst) => {
                parts.push(rest(&self.summary));
                if tells_more(&self.summary) {
                    parts.push(self.summary.reason.clone());
                } else if let Some(worst) = worst {
                    parts.push(worst.headline());
                }
            }
        }
        parts.retain(|part| !part.is_empty());
        line(&format!("{state} - {}", parts.join("; ")))
    }

    /// A line for each check and for everything that is bad, what is known of it below it, and the notes.
    fn lines(&self, points: &[Point<'_>]) -> Vec<String> {
        let mut lines = Vec::new();
        for point in points {
            match of_check(point) {
                Some(name) => lines.push(line(&told(&name, point, true))),
                None if point.is_bad() => lines.push(line(&point.headline())),
                None => continue,
            }
            if point.is_bad() {
                let below = point.lines();
                lines.extend(below.iter().map(|below| format!("  {}", line(below))));
            }
        }
        lines.extend(self.notes.lines().iter().map(|note| line(note)));
        lines
    }
}

/// How much the eye has to find a point: the worst first, and of what is not bad what is not as usual.
fn weight(point: &Point<'_>) -> (bool, Verdict, bool) {
    let usual = point.step.is_none_or(|line| line.status() == Status::Ok);
    (point.is_bad(), point.verdict, !usual)
}

/// The check that a point is: `database ping`.
fn of_check(point: &Point<'_>) -> Option<String> {
    let check = point.step?.check.as_ref()?;
    Some(format!("{} {}", check.service, check.name))
}

/// `database ping: CRITICAL no answer`; where the state stands before it already, without the word.
fn told(name: &str, point: &Point<'_>, worded: bool) -> String {
    match (worded, point.message.as_str()) {
        (true, "") => format!("{name}: {}", point.word),
        (true, message) => format!("{name}: {} {message}", point.word),
        (false, "") => name.to_owned(),
        (false, message) => format!("{name}: {message}"),
    }
}

/// `2 of 5 checks bad`.
fn bad_of(points: &[Point<'_>]) -> String {
    let checks: Vec<&Point<'_>> = points
        .iter()
        .filter(|point| of_check(point).is_some())
        .collect();
    let bad = checks.iter().filter(|point| point.is_bad()).count();
    format!(
        "{} of {} bad",
        thousands(bad as u64),
        count(checks.len(), "check")
    )
}

/// A line of the output, cut where it is very long.
fn line(text: &str) -> String {
    beginning_of(&without_bar(text), LONGEST_LINE)
}

fn beginning_of(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    format!("{}…", beginning(text, bytes))
}

/// The lines that there is room for, and how many more there are.
fn fitting(lines: &[String], room: usize) -> String {
    let whole: usize = lines.iter().map(|line| line.len() + 1).sum();
    if whole <= room {
        return lines.iter().map(|line| format!("{line}\n")).collect();
    }
    let rest = |left: usize| {
        let left = count(left, "line");
        format!("… and {left} more; --format json has them all\n")
    };
    let room = room - rest(lines.len()).len();
    let mut text = String::new();
    let mut fit = 0;
    for line in lines {
        if text.len() + line.len() >= room {
            break;
        }
        text.push_str(line);
        text.push('\n');
        fit += 1;
    }
    text.push_str(&rest(lines.len() - fit));
    text
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use regex::Regex;
    use serde_json::json;

    use super::{LEAST_TEXT, LONGEST};
    use crate::base::{Status, Verdict};
    use crate::event::{Envelope, Event, StepFinished, sample};
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

    fn checks(statuses: &[(Status, &str)]) -> Vec<Envelope> {
        let mut events = vec![sample::started(&["checks"])];
        for (index, (status, detail)) in statuses.iter().enumerate() {
            let mut end = sample::check_finished("api", &format!("c{index}"), index, *status);
            end.detail = (*detail).to_owned();
            events.push(Event::StepFinished(end));
        }
        let worst = statuses.iter().map(|(status, _)| status.verdict()).max();
        let verdict = worst.unwrap_or_default();
        events.push(Event::StepFinished(StepFinished {
            failed: false,
            ..sample::step_finished("checks", Status::from(verdict))
        }));
        let exit = match verdict {
            Verdict::Ok => 0,
            Verdict::Warning => 1,
            Verdict::Critical => 2,
            Verdict::Unknown => 3,
        };
        let bad = statuses
            .iter()
            .find(|(status, _)| status.verdict() == verdict);
        let reason = bad.map_or("", |(_, detail)| detail);
        events.push(sample::run_finished(verdict, exit, reason));
        sample::stream(events)
    }

    #[test]
    fn of_checks_each_has_a_line_the_worst_first() {
        let text = told(&checks(&[
            (Status::Ok, "200 healthy"),
            (Status::Warning, "pending 142 > 100"),
            (Status::Affected, "needs database ping"),
            (Status::Critical, "no answer"),
        ]));
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("CRITICAL - api c3: no answer (2 of 4 checks bad) | 'time'=2s;;;0 'api/c0'=12ms;;;0 "),
            "{text}"
        );
        assert_eq!(
            lines[1..],
            [
                "api c3: CRITICAL no answer",
                "api c1: WARNING pending 142 > 100",
                "api c2: affected needs database ping",
                "api c0: ok 200 healthy",
            ]
        );
    }

    #[test]
    fn checks_that_are_well_are_counted() {
        let text = told(&checks(&[(Status::Ok, ""), (Status::Affected, "needs x")]));
        assert!(
            text.starts_with("OK - 2 checks: 1 ok, 1 affected | "),
            "{text}"
        );
    }

    #[test]
    fn text_is_cut_at_whole_lines_and_performance_data_never() {
        let long = "x".repeat(100);
        for number in [10, 70, 90, 500] {
            let mut statuses = vec![(Status::Ok, long.as_str()); number];
            statuses[number - 1] = (Status::Critical, "no answer");
            let text = told(&checks(&statuses));
            let (first, lines) = text.split_once('\n').unwrap();
            assert_eq!(first.matches("'api/").count(), number, "{first}");
            assert!(
                text.len() <= LONGEST.max(first.len() + 1 + LEAST_TEXT),
                "{number}: {}",
                text.len()
            );
            let lines: Vec<&str> = lines.lines().collect();
            assert_eq!(lines[0], format!("api c{}: CRITICAL no answer", number - 1));
            let last = lines.last().unwrap();
            if number == 10 {
                assert_eq!(lines.len(), number);
            } else {
                let left = number + 1 - lines.len();
                assert_eq!(
                    *last,
                    format!("… and {left} lines more; --format json has them all")
                );
            }
        }
    }

    #[test]
    fn one_long_reason_hides_no_other_line() {
        let endless = "é".repeat(100_000);
        let text = told(&checks(&[
            (Status::Critical, &endless),
            (Status::Warning, "142 > 100"),
        ]));
        assert!(text.len() < LONGEST, "{}", text.len());
        assert!(
            text.contains("(2 of 2 checks bad) | ")
                && text.contains("\napi c1: WARNING 142 > 100\n")
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
            let datum = Regex::new(r"^'((?:[^'=|]|'')+)'=(U|-?[0-9]+(?:\.[0-9]+)?(?:ms|[sB%c])?);(@?[-~:0-9.]*);(@?[-~:0-9.]*);(0?)(?: |$)").unwrap();
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
