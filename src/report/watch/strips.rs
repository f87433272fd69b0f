//! How the checks of a watch ended before: a strip of characters for each, the newest to the right.

use std::collections::{HashMap, VecDeque};

use crate::base::{Status, StepKey, Tone};
use crate::event::Summary;

/// So many runs are remembered of each check.
pub(crate) const LONGEST: usize = 60;

/// How runs ended, oldest first; none where there was no look.
type Strip = VecDeque<Option<Status>>;

/// How the checks of a watch ended before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strips {
    whole: Strip,
    checks: HashMap<StepKey, Strip>,
}

impl Strips {
    /// Takes in a run that came to its end.
    pub(crate) fn take(&mut self, summary: &Summary) {
        let verdict = summary.verdict.map(Status::from);
        push(&mut self.whole, verdict);
        let mut seen: HashMap<&StepKey, Status> = HashMap::new();
        for line in summary.steps.iter().filter(|line| line.check.is_some()) {
            seen.insert(&line.step, line.status());
            if !self.checks.contains_key(&line.step) {
                self.checks.insert(line.step.clone(), Strip::new());
            }
        }
        for (step, strip) in &mut self.checks {
            push(strip, seen.get(step).copied());
        }
        self.forget();
    }

    /// Takes in a run that could not begin: nobody looked.
    pub(crate) fn miss(&mut self) {
        push(&mut self.whole, Some(Status::Unknown));
        for strip in self.checks.values_mut() {
            push(strip, None);
        }
        self.forget();
    }

    /// A check that is no more is not remembered for ever.
    fn forget(&mut self) {
        self.checks
            .retain(|_, strip| strip.iter().any(Option::is_some));
    }

    /// The strip of a check, so many cells wide.
    pub(crate) fn of(&self, step: &StepKey, cells: usize, drawn: Drawn) -> String {
        let none = Strip::new();
        paint(self.checks.get(step).unwrap_or(&none), cells, drawn)
    }

    /// The strip of the whole, so many cells wide.
    pub(crate) fn whole(&self, cells: usize, drawn: Drawn) -> String {
        paint(&self.whole, cells, drawn)
    }
}

/// How strips are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drawn {
    /// Whether there are more characters than those of ASCII.
    pub(crate) unicode: bool,
    /// Whether to repeat in colour what the characters say.
    pub(crate) colour: bool,
}

fn push(strip: &mut Strip, status: Option<Status>) {
    if strip.len() == LONGEST {
        strip.pop_front();
    }
    strip.push_back(status);
}

/// The newest that have room, behind as many spaces as are left over.
fn paint(strip: &Strip, cells: usize, drawn: Drawn) -> String {
    let newest: Vec<Option<Status>> = strip.iter().rev().take(cells).rev().copied().collect();
    let mut text = " ".repeat(cells - newest.len());
    for alike in newest.chunk_by(|one, other| one == other) {
        let status = alike[0];
        let characters = character(status, drawn.unicode)
            .to_string()
            .repeat(alike.len());
        match status {
            Some(status) => text.push_str(&Tone::from(status).paint(&characters, drawn.colour)),
            None => text.push_str(&characters),
        }
    }
    text
}

/// The higher, the worse; a letter where there are only letters.
const fn character(status: Option<Status>, unicode: bool) -> char {
    match (status, unicode) {
        (None, _) => ' ',
        (Some(Status::Ok), true) => '▁',
        (Some(Status::Ok), false) => '.',
        (Some(Status::Warning), true) => '▄',
        (Some(Status::Warning), false) => 'W',
        (Some(Status::Critical), true) => '█',
        (Some(Status::Critical), false) => 'C',
        (Some(Status::Unknown | Status::InDoubt | Status::UndoFailed), _) => '?',
        (Some(Status::Affected), true) => '░',
        (Some(Status::Affected), false) => 'a',
        (Some(Status::Skipped | Status::NotRun | Status::Undone), _) => '-',
    }
}

#[cfg(test)]
mod tests {
    use super::{Drawn, LONGEST, Strips};
    use crate::base::{Status, StepKey, Verdict};
    use crate::event::{Event, Summary, sample};

    const PLAIN: Drawn = Drawn {
        unicode: true,
        colour: false,
    };

    fn run(looks: &[(&str, Status)]) -> Summary {
        let mut events = vec![sample::started(&["checks"])];
        for (index, (name, status)) in looks.iter().enumerate() {
            events.push(Event::StepFinished(sample::check(
                "api", name, index, *status,
            )));
        }
        events.push(sample::run_finished(Verdict::Ok, 0, ""));
        Summary::of(&sample::stream(events))
    }

    fn key(name: &str) -> StepKey {
        StepKey::new(&format!("checks/api/{name}"))
    }

    #[test]
    fn each_status_has_a_character_of_its_own_kind_with_and_without_unicode() {
        let mut strips = Strips::default();
        for status in [
            Status::Ok,
            Status::Warning,
            Status::Critical,
            Status::Unknown,
            Status::Affected,
            Status::Skipped,
        ] {
            strips.take(&run(&[("a", status)]));
        }
        strips.miss();
        assert_eq!(strips.of(&key("a"), 9, PLAIN), "  ▁▄█?░- ");
        let ascii = Drawn {
            unicode: false,
            ..PLAIN
        };
        assert_eq!(strips.of(&key("a"), 9, ascii), "  .WC?a- ");
        assert_eq!(strips.of(&key("a"), 3, ascii), "a- ");
        assert_eq!(strips.whole(7, ascii), "......?");
    }

    #[test]
    fn colours_only_repeat_what_the_characters_say() {
        let mut strips = Strips::default();
        for status in [Status::Ok, Status::Ok, Status::Critical] {
            strips.take(&run(&[("a", status)]));
        }
        let coloured = Drawn {
            colour: true,
            ..PLAIN
        };
        let painted = strips.of(&key("a"), 5, coloured);
        assert_eq!(
            painted,
            "  \u{1b}[32m▁▁\u{1b}[0m\u{1b}[1m\u{1b}[31m█\u{1b}[0m"
        );
    }

    #[test]
    fn no_more_is_remembered_than_is_shown_and_a_check_that_is_gone_is_forgotten() {
        let mut strips = Strips::default();
        strips.take(&run(&[("gone", Status::Critical), ("a", Status::Ok)]));
        assert_eq!(strips.of(&key("gone"), 2, PLAIN), " █");
        for _ in 0..2 * LONGEST {
            strips.take(&run(&[("a", Status::Ok)]));
        }
        assert_eq!(strips.checks.len(), 1);
        assert_eq!(strips.checks[&key("a")].len(), LONGEST);
        assert_eq!(strips.of(&key("gone"), 2, PLAIN), "  ");
    }
}
