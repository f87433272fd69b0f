//! A run as formats see it that know tests only: each thing that passed, failed, erred or was skipped. A report made of
//! these never looks better than the run's exit code.

use crate::base::text::one_line;
use crate::base::{Severity, Status, Verdict};
use crate::event::{FindingLine, StepLine, Summary};

use super::wording::{detail, is_bad, is_dry, label, word};

/// So many bad items and inner steps are told with the step that they belong to.
const MOST_BELOW: usize = 20;

/// What a test can come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is well.
    Passed,
    /// The world is not as it should be.
    Failed,
    /// It could not be told, or nobody knows.
    Errored,
    /// It was not done, or is done no more.
    Skipped,
}

/// One thing that passed or did not.
#[derive(Debug)]
pub(crate) struct Point<'a> {
    /// What it is: the step, the finding, or `run`.
    pub(crate) name: String,
    /// What it came to.
    pub(crate) outcome: Outcome,
    /// How bad that is.
    pub(crate) verdict: Verdict,
    /// The word for it that people read: `CRITICAL`.
    pub(crate) word: &'static str,
    /// How much it matters, where it does.
    pub(crate) severity: Option<Severity>,
    /// Why, in one line; may be empty.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) help: Option<String>,
    /// The bad items and inner steps of the step, a line each.
    pub(crate) below: Vec<String>,
    /// How many more of those there are.
    pub(crate) more_below: usize,
    /// The step, where it is one.
    pub(crate) step: Option<&'a StepLine>,
}

impl Point<'_> {
    /// Whether it did not pass.
    pub(crate) fn is_bad(&self) -> bool {
        matches!(self.outcome, Outcome::Failed | Outcome::Errored)
    }

    /// Why it was not done; the directive of a format says already that it was not.
    pub(crate) fn why_skipped(&self) -> String {
        match (self.word, self.message.as_str()) {
            (word, "") => word.to_owned(),
            (word, message) if word == Status::Skipped.label() => message.to_owned(),
            (word, message) => format!("{word}: {message}"),
        }
    }

    /// What it is and why it is so, in one line.
    pub(crate) fn headline(&self) -> String {
        match &self.message {
            known if self.name.ends_with(known.as_str()) => format!("{}: {}", self.name, self.word),
            news => format!("{}: {} {news}", self.name, self.word),
        }
    }

    /// What is known of the trouble beside the message, a line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = self.below.clone();
        if self.more_below > 0 {
            lines.push(format!(
                "… and {} more; --format json has them all",
                self.more_below
            ));
        }
        lines.extend(self.help.iter().map(|help| format!("→ {help}")));
        lines
    }
}

/// The steps that count, each with what is bad below it; the findings; and the run itself where neither tells why it did
/// not end well.
pub(crate) fn points(summary: &Summary) -> Vec<Point<'_>> {
    let dry = is_dry(summary);
    let mut points: Vec<Point<'_>> = Vec::new();
    for line in &summary.steps {
        if summary.is_counted(&line.step) {
            points.push(of_step(line, dry));
        } else if let Some(owner) = points.last_mut()
            && is_bad(line)
            && !summary.is_runner(&line.step)
        {
            if owner.below.len() < MOST_BELOW {
                owner.below.push(below(line, dry));
            } else {
                owner.more_below += 1;
            }
        }
    }
    points.extend(summary.findings.iter().map(of_finding));
    let ended_well = summary.exit == Some(0);
    if summary.run.is_some() && !ended_well && !points.iter().any(Point::is_bad) {
        points.push(of_run(summary));
    }
    points
}

fn of_step(line: &StepLine, dry: bool) -> Point<'_> {
    let status = line.status();
    let outcome = match status {
        Status::Ok => Outcome::Passed,
        Status::Warning | Status::Critical => Outcome::Failed,
        Status::Unknown | Status::InDoubt | Status::UndoFailed => Outcome::Errored,
        Status::NotRun if is_bad(line) => Outcome::Errored,
        Status::Affected | Status::Skipped | Status::NotRun | Status::Undone => Outcome::Skipped,
    };
    let end = line.end.as_ref();
    Point {
        name: one_line(&line.name()),
        outcome,
        verdict: match outcome {
            Outcome::Errored => Verdict::Unknown,
            _ => status.verdict(),
        },
        word: word(line, dry),
        severity: end.and_then(|end| end.severity),
        message: detail(line),
        help: end.and_then(|end| end.help.as_deref()).map(one_line),
        below: Vec::new(),
        more_below: 0,
        step: Some(line),
    }
}

fn below(line: &StepLine, dry: bool) -> String {
    let name = one_line(&line.name());
    match detail(line) {
        nothing if nothing.is_empty() => format!("{name}: {}", word(line, dry)),
        detail => format!("{name}: {}: {detail}", word(line, dry)),
    }
}

fn of_finding(finding: &FindingLine) -> Point<'_> {
    let verdict = finding.severity.verdict();
    let remedy = finding.remedy.as_deref().map(one_line);
    Point {
        name: format!("finding: {}", one_line(&finding.cause)),
        outcome: match verdict {
            Verdict::Ok => Outcome::Passed,
            Verdict::Unknown => Outcome::Errored,
            Verdict::Warning | Verdict::Critical => Outcome::Failed,
        },
        verdict,
        word: Status::from(verdict).label(),
        severity: Some(finding.severity),
        message: one_line(&finding.cause),
        help: remedy.map(|remedy| format!("opsbook {remedy}")),
        below: Vec::new(),
        more_below: 0,
        step: None,
    }
}

fn of_run(summary: &Summary) -> Point<'_> {
    let message = match summary.verdict {
        None => "the run did not come to its end".to_owned(),
        Some(_) => one_line(&summary.reason),
    };
    Point {
        name: "run".to_owned(),
        outcome: Outcome::Errored,
        verdict: summary.verdict.unwrap_or(Verdict::Unknown),
        word: label(summary).0,
        severity: None,
        message,
        help: None,
        below: Vec::new(),
        more_below: 0,
        step: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MOST_BELOW, Outcome, Point, points};
    use crate::base::{Severity, Status, Verdict};
    use crate::event::{Event, FindingRaised, Summary, sample};

    #[test]
    fn every_status_has_its_outcome() {
        let outcomes = Status::ALL.map(|status| {
            let stream =
                sample::stream(vec![sample::started(&["a"]), sample::finished("a", status)]);
            points(&Summary::of(&stream))[0].outcome
        });
        use Outcome::{Errored, Failed, Passed, Skipped};
        assert_eq!(
            outcomes,
            [
                Passed, Failed, Failed, Errored, Skipped, Skipped, Skipped, Skipped, Errored,
                Errored
            ]
        );
    }

    #[test]
    fn what_is_bad_below_a_step_is_told_with_it_and_what_is_left_out_is_counted() {
        let mut events = vec![sample::started(&["each", "last"])];
        for index in 0..30 {
            let status = if index == 3 {
                Status::Ok
            } else {
                Status::Critical
            };
            events.push(sample::finished(&format!("each[{index}]"), status));
        }
        events.push(sample::finished("each", Status::Critical));
        let summary = Summary::of(&sample::stream(events));
        let points = points(&summary);
        let names: Vec<&str> = points.iter().map(|point| point.name.as_str()).collect();
        assert_eq!(names, ["each", "last"]);
        assert_eq!(points[0].below.len(), MOST_BELOW);
        assert_eq!(points[0].more_below, 29 - MOST_BELOW);
        assert!(points[0].lines().iter().any(|line| line.contains("9 more")));
    }

    #[test]
    fn a_run_that_no_step_explains_is_a_point_of_its_own() {
        let stream = sample::stream(vec![
            sample::started(&["a"]),
            sample::run_finished(
                Verdict::Unknown,
                75,
                "waiting for approval: opsbook approve 412",
            ),
        ]);
        let summary = Summary::of(&stream);
        let points = points(&summary);
        assert_eq!(points[1].name, "run");
        assert_eq!(
            (points[1].outcome, points[1].word),
            (Outcome::Errored, "NOT NOW")
        );
    }

    #[test]
    fn a_finding_alone_makes_a_report_bad() {
        let stream = sample::stream(vec![
            sample::started(&["a"]),
            sample::finished("a", Status::Ok),
            Event::FindingRaised(FindingRaised {
                severity: Severity::P1,
                cause: "disk full".to_owned(),
                remedy: Some("disk clean".to_owned()),
            }),
            sample::run_finished(Verdict::Critical, 2, "disk full"),
        ]);
        let summary = Summary::of(&stream);
        let bad: Vec<String> = points(&summary)
            .into_iter()
            .filter(Point::is_bad)
            .map(|point| format!("{} {:?}", point.name, point.lines()))
            .collect();
        assert_eq!(bad, ["finding: disk full [\"→ opsbook disk clean\"]"]);
    }

    proptest! {
        /// A run that did not end in 0 has a point that says so, whatever its events were.
        #[test]
        fn no_report_of_points_looks_better_than_the_exit_code(stream in sample::any_stream()) {
            let summary = Summary::of(&stream);
            if summary.run.is_some() && summary.exit != Some(0) {
                prop_assert!(points(&summary).iter().any(Point::is_bad));
            }
        }
    }
}
