//! What the live lines say at a moment: which steps run, which have just ended. Plain data in, lines out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::base::text::{fit, one_line, took};
use crate::base::{Status, StepKey, Tone, Verdict};
use crate::event::{CheckOf, StepFinished};

/// Steps that end sooner are not shown as running: nobody could read it.
pub(super) const UNSEEN: Duration = Duration::from_millis(100);

/// So many running steps have a line of their own.
const MOST_RUNNING: usize = 8;

/// So many of the steps that ended last are shown.
const MOST_ENDED: usize = 8;

/// The sign of life before a running step.
const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// What runs and what has just ended.
#[derive(Debug, Default)]
pub(super) struct Board {
    began: Option<Instant>,
    running: Vec<Running>,
    ended: VecDeque<String>,
}

#[derive(Debug)]
struct Running {
    step: StepKey,
    since: Instant,
    message: String,
    /// Where it is a check, what people call it, and the step that runs it.
    check: Option<(String, StepKey)>,
}

impl Board {
    /// The run began.
    pub(super) fn begin(&mut self, now: Instant) {
        self.began.get_or_insert(now);
    }

    /// A step began.
    pub(super) fn start(&mut self, step: &StepKey, check: Option<&CheckOf>, now: Instant) {
        self.begin(now);
        let check = check.and_then(|check| {
            let runner = check.runner(step)?;
            Some((check.to_string(), StepKey::new(runner)))
        });
        self.running.push(Running {
            step: step.clone(),
            since: now,
            message: String::new(),
            check,
        });
    }

    /// A running step says what it does.
    pub(super) fn say(&mut self, step: &StepKey, message: &str) {
        if let Some(running) = self.running.iter_mut().find(|line| line.step == *step) {
            message.clone_into(&mut running.message);
        }
    }

    /// A step ended; its line stays for a while if it is given.
    pub(super) fn end(&mut self, step: &StepKey, line: Option<String>) {
        self.running.retain(|running| running.step != *step);
        if let Some(line) = line {
            if self.ended.len() == MOST_ENDED {
                self.ended.pop_front();
            }
            self.ended.push_back(line);
        }
    }

    /// Nothing runs any more and nothing is left to show.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The lines at this moment; none while the run is so young that it may be over at once.
    pub(super) fn lines(&self, now: Instant, width: usize, colour: bool) -> Vec<String> {
        let age = |since| now.saturating_duration_since(since);
        let Some(age_of_run) = self.began.map(age) else {
            return Vec::new();
        };
        if age_of_run < UNSEEN {
            return Vec::new();
        }
        let mut lines: Vec<String> = self.ended.iter().cloned().collect();
        let frame = FRAMES[(age_of_run.as_millis() / UNSEEN.as_millis()) as usize % FRAMES.len()];
        let slow = self
            .running
            .iter()
            .filter(|running| age(running.since) >= UNSEEN);
        let checks: Vec<&(String, StepKey)> = slow
            .clone()
            .filter_map(|running| running.check.as_ref())
            .collect();
        // Checks are told by the step that runs them: there may be hundreds at once.
        let mut slow = slow.filter(|running| running.check.is_none());
        for running in slow.by_ref().take(MOST_RUNNING) {
            let of = checks
                .iter()
                .filter(|(_, runner)| *runner == running.step)
                .map(|(name, _)| one_line(name));
            let of: Vec<String> = of.take(MOST_RUNNING).collect();
            let (name, message) = match (of.is_empty(), running.message.as_str()) {
                (true, message) => (running.step.as_str(), message.to_owned()),
                (false, "") => (running.step.as_str(), of.join(", ")),
                (false, far) => (far, of.join(", ")),
            };
            let text = format!(
                "{frame} {}  {}  {}",
                one_line(name),
                took(tenths(age(running.since))),
                one_line(&message)
            );
            lines.push(fit(text.trim_end(), width));
        }
        let more = slow.count();
        if more > 0 {
            let text = fit(&format!("… and {more} more"), width);
            lines.push(Tone::Faint.paint(&text, colour));
        }
        lines
    }
}

/// Milliseconds that do not flicker: tenths of a second.
fn tenths(age: Duration) -> f64 {
    (age.as_millis() / 100 * 100) as f64
}

/// The line of a step that ended: `ok        count  21 ms  doomed = 18,204`.
pub(super) fn ended(end: &StepFinished, width: usize, colour: bool) -> String {
    let label = format!("{:8}", end.status.label());
    let name = match &end.check {
        Some(check) => check.to_string(),
        None => end.step.to_string(),
    };
    let mut text = format!("  {}", one_line(&name));
    if let Some(milliseconds) = end.took_ms {
        text.push_str(&format!("  {}", took(milliseconds)));
    }
    let detail = one_line(&end.detail);
    if !detail.is_empty() {
        text.push_str(&format!("  {detail}"));
    }
    let text = fit(&text, width.saturating_sub(label.len()));
    let painted = Tone::from(end.status).paint(&label, colour);
    format!("{painted}{text}")
}

/// Whether the end of a step is worth a line while the run goes on.
pub(super) fn is_news(end: &StepFinished) -> bool {
    end.status.verdict() != Verdict::Ok || !matches!(end.status, Status::Skipped | Status::NotRun)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::{Board, ended, is_news};
    use crate::base::text::width;
    use crate::base::{Status, StepKey};
    use crate::event::{Event, sample};

    fn later(start: Instant, milliseconds: u64) -> Instant {
        start + Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_step_that_ends_at_once_is_never_shown_as_running() {
        let start = Instant::now();
        let mut board = Board::default();
        assert!(board.lines(later(start, 500), 80, false).is_empty());
        board.start(&StepKey::new("a"), None, start);
        assert!(board.lines(later(start, 99), 80, false).is_empty());
        board.end(&StepKey::new("a"), None);
        assert!(board.lines(later(start, 500), 80, false).is_empty());
    }

    #[test]
    fn a_slow_step_says_how_long_and_what() {
        let start = Instant::now();
        let mut board = Board::default();
        board.start(&StepKey::new("backup"), None, start);
        board.say(&StepKey::new("backup"), "12 MiB\u{1b}[2J");
        board.say(&StepKey::new("other"), "never heard of");
        assert_eq!(
            board.lines(later(start, 1370), 80, false),
            ["⠸ backup  1.30 s  12 MiB␛[2J"]
        );
        assert_eq!(
            board.lines(later(start, 65_000), 14, false),
            ["⠋ backup  1 m…"]
        );
    }

    #[test]
    fn two_hundred_steps_take_nine_lines() {
        let start = Instant::now();
        let mut board = Board::default();
        for index in 0..200 {
            board.start(&StepKey::new("check").item(index), None, start);
        }
        let lines = board.lines(later(start, 200), 80, false);
        assert_eq!(lines.len(), 9);
        assert_eq!(lines[0], "⠹ check[0]  200 ms");
        assert_eq!(lines[8], "… and 192 more");
    }

    #[test]
    fn the_last_steps_that_ended_stand_above() {
        let start = Instant::now();
        let mut board = Board::default();
        for index in 0..1000 {
            let step = StepKey::new("each").item(index);
            board.start(&step, None, start);
            board.end(&step, Some(format!("ok {index}")));
        }
        board.start(&StepKey::new("last"), None, later(start, 100));
        let lines = board.lines(later(start, 400), 80, false);
        assert_eq!(lines.len(), 9);
        assert_eq!((lines[0].as_str(), lines[7].as_str()), ("ok 992", "ok 999"));
        assert_eq!(lines[8], "⠼ last  300 ms");
        board.clear();
        assert!(board.lines(later(start, 900), 80, false).is_empty());
    }

    #[test]
    fn the_line_of_an_end() {
        let mut end = sample::step_finished("count", Status::Ok);
        end.detail = "doomed = 18,204".to_owned();
        assert_eq!(
            ended(&end, 80, false),
            "ok        count  12 ms  doomed = 18,204"
        );
        assert_eq!(ended(&end, 24, false), "ok        count  12 ms …");
        end.status = Status::Critical;
        assert_eq!(
            ended(&end, 80, true),
            "\u{1b}[1m\u{1b}[31mCRITICAL\u{1b}[0m  count  12 ms  doomed = 18,204"
        );
        assert!(is_news(&end));
        end.status = Status::Skipped;
        assert!(!is_news(&end));
    }

    proptest! {
        #[test]
        fn lines_are_harmless_and_fit(event in sample::any_event(), message in sample::any_text(), cells in 20_usize..160) {
            let start = Instant::now();
            let mut board = Board::default();
            let mut lines = Vec::new();
            if let Event::StepFinished(end) = event {
                lines.push(ended(&end, cells, false));
                board.start(&end.step, end.check.as_ref(), start);
                board.say(&end.step, &message);
            }
            lines.extend(board.lines(later(start, 12_345), cells, false));
            for line in lines {
                prop_assert!(width(&line) <= cells, "{line:?}");
                prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            }
        }
    }
}
