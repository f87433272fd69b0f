//! Which steps a person needs to see: of many items or checks only those that are not well. Loses no bad line.

use std::collections::HashMap;

use crate::base::Status;
use crate::base::text::{one_line, thousands};
use crate::event::{StepLine, Summary};

use super::wording::{counted, detail, is_bad, is_dry, whole_detail};

/// A step with more items than this is shown with those that are not well.
const MOST_ITEMS: usize = 10;

/// Of more checks than this only those that are not well are shown, and of more of those only the bad ones.
const MOST_CHECKS: usize = 40;

/// What is shown of a run, and what is not.
#[derive(Debug)]
pub(super) struct Folded<'a> {
    /// The steps that are shown, in their order.
    pub(super) lines: Vec<Shown<'a>>,
    /// How the checks and steps ended that are not shown, where no line tells it.
    pub(super) left_out: Option<String>,
    /// Whether every line is a check.
    pub(super) of_checks: bool,
}

/// A step that is shown.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    /// The step.
    pub(super) line: &'a StepLine,
    /// Whether it stands below the step that it belongs to.
    pub(super) inset: bool,
    /// Whether it ran the checks that stand below it, and says nothing that they do not say.
    pub(super) is_runner: bool,
    /// How many of its items are not shown, and how those ended.
    folded: Option<String>,
}

impl Shown<'_> {
    /// What people call it, in one line.
    pub(super) fn name(&self) -> String {
        one_line(&self.line.name())
    }

    /// Why it ended so, with every line of what would be sent.
    pub(super) fn whole_detail(&self) -> Vec<String> {
        match whole_detail(self.line) {
            several if several.len() > 1 => several,
            _ => vec![self.detail()],
        }
    }

    /// Why it ended so, in one line.
    pub(super) fn detail(&self) -> String {
        let detail = match self.is_runner {
            true => String::new(),
            false => detail(self.line),
        };
        let parts = [Some(detail.as_str()), self.folded.as_deref()];
        let told: Vec<&str> = parts
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .collect();
        told.join("; ")
    }
}

/// The items of a step.
#[derive(Debug, Default)]
struct Items {
    all: usize,
    ok: usize,
    skipped: usize,
}

impl Items {
    /// How the items ended that are not shown; none where the step itself says it already.
    fn folded(&self) -> Option<String> {
        let words: Vec<String> = [(self.ok, Status::Ok), (self.skipped, Status::Skipped)]
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, status)| format!("{} {}", thousands(number as u64), status.label()))
            .collect();
        (self.ok < self.all && !words.is_empty()).then(|| words.join(", "))
    }
}

/// What a person needs to see of a run; `whole` is for one who wants to see every line.
pub(super) fn folded(summary: &Summary, whole: bool) -> Folded<'_> {
    let mut lists: HashMap<&str, Items> = HashMap::new();
    for line in &summary.steps {
        let key = line.step.as_str();
        let Some(list) = key.strip_suffix(']').and_then(|key| key.rfind('[')) else {
            continue;
        };
        let items = lists.entry(&key[..list]).or_default();
        items.all += 1;
        items.ok += usize::from(line.status() == Status::Ok);
        items.skipped += usize::from(line.status() == Status::Skipped);
    }
    lists.retain(|_, items| items.all > MOST_ITEMS && !whole);
    let of_checks = summary.is_of_checks();
    let is_noise = reads_that_were_not_needed(summary, whole);
    let is_shown = checks_that_are_shown(summary, whole);
    let left_out = |runner: Option<&str>| {
        let lines = summary.steps.iter().filter(|line| {
            let check = line.check.as_ref();
            let of = check.is_some_and(|check| {
                runner.is_none_or(|runner| check.runner(&line.step) == Some(runner))
            });
            of && !is_shown(line)
        });
        Some(counted(lines, is_dry(summary))).filter(|words| !words.is_empty())
    };
    let lines = summary.steps.iter().filter(|line| match line.check {
        Some(_) => is_shown(line),
        None if of_checks && summary.is_runner(&line.step) => false,
        None => !is_noise(line) && (!is_well(line) || !is_within(line.step.as_str(), &lists)),
    });
    let lines = lines.map(|line| {
        let is_runner = summary.is_runner(&line.step);
        let folded = match is_runner {
            true => left_out(Some(line.step.as_str())),
            false => lists.get(line.step.as_str()).and_then(Items::folded),
        };
        Shown {
            line,
            inset: line.check.is_some() && !of_checks,
            is_runner,
            folded,
        }
    });
    Folded {
        lines: lines.collect(),
        left_out: match of_checks {
            true => left_out(None),
            false => {
                let noise = summary.steps.iter().filter(|line| is_noise(line));
                Some(counted(noise, is_dry(summary))).filter(|words| !words.is_empty())
            }
        },
        of_checks,
    }
}

/// Which steps are not shown because they tell nothing: reads that were not needed, unless there is nothing else. That a
/// write was not done is worth a line.
fn reads_that_were_not_needed(summary: &Summary, whole: bool) -> fn(&StepLine) -> bool {
    let is_noise: fn(&StepLine) -> bool = |line| {
        let is_step = line.check.is_none() && !line.step.as_str().contains(['[', '/']);
        is_step && line.status() == Status::Skipped && !line.effect.changes()
    };
    match whole || summary.steps.iter().all(is_noise) {
        true => |_| false,
        false => is_noise,
    }
}

/// Which checks are shown: all of few, of many those that are not well, of too many of those the bad ones.
fn checks_that_are_shown(summary: &Summary, whole: bool) -> fn(&StepLine) -> bool {
    let number = |shown: fn(&StepLine) -> bool| {
        let checks = summary.steps.iter().filter(|line| line.check.is_some());
        checks.filter(|line| shown(line)).count()
    };
    let levels: [fn(&StepLine) -> bool; 2] = [|_| true, |line| !is_well(line)];
    let enough = levels
        .into_iter()
        .find(|shown| whole || number(*shown) <= MOST_CHECKS);
    enough.unwrap_or(is_bad)
}

fn is_well(line: &StepLine) -> bool {
    matches!(line.status(), Status::Ok | Status::Skipped)
}

/// Whether a step is, or belongs to, an item of one of these lists.
fn is_within(key: &str, lists: &HashMap<&str, Items>) -> bool {
    key.match_indices('[')
        .any(|(cut, _)| lists.contains_key(&key[..cut]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::folded;
    use crate::base::Status;
    use crate::event::{Event, Summary, sample};
    use crate::report::wording::is_bad;

    fn each(total: usize, status: impl Fn(usize) -> Status) -> Summary {
        let mut events = vec![sample::started(&["each", "last"])];
        for index in 0..total {
            events.push(sample::finished(&format!("each[{index}]"), status(index)));
        }
        let mut end = sample::step_finished("each", Status::Ok);
        end.detail = format!("{total} items");
        events.push(Event::StepFinished(end));
        Summary::of(&sample::stream(events))
    }

    fn lines(summary: &Summary) -> Vec<String> {
        folded(summary, false)
            .lines
            .iter()
            .map(|shown| format!("{}: {}", shown.line.step, shown.detail()))
            .collect()
    }

    #[test]
    fn of_many_items_those_that_are_not_well_are_left() {
        let summary = each(1200, |index| match index {
            7 => Status::Critical,
            8 => Status::NotRun,
            9..100 => Status::Skipped,
            _ => Status::Ok,
        });
        let expected = [
            "each: 1200 items; 1,107 ok, 91 skipped",
            "each[7]",
            "each[8]",
            "last",
        ];
        let lines = lines(&summary);
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{line:?}");
        }
    }

    #[test]
    fn what_all_items_have_in_common_is_said_once() {
        let all_ok = each(11, |_| Status::Ok);
        assert_eq!(lines(&all_ok)[0], "each: 11 items");
        let all_skipped = each(11, |_| Status::Skipped);
        assert_eq!(lines(&all_skipped)[0], "each: 11 items; 11 skipped");
    }

    #[test]
    fn few_items_are_all_shown() {
        assert_eq!(lines(&each(10, |_| Status::Ok)).len(), 12);
    }

    #[test]
    fn the_steps_of_a_well_item_go_with_it_and_inner_lists_are_folded_too() {
        let mut events = vec![sample::started(&["a", "b"])];
        for index in 0..11 {
            events.push(sample::finished(&format!("a[{index}]"), Status::Ok));
            events.push(sample::finished(&format!("a[{index}]/x"), Status::Ok));
            events.push(sample::finished(&format!("b[0]/y[{index}]"), Status::Ok));
        }
        events.push(sample::finished("a[3]/z", Status::Warning));
        let summary = Summary::of(&sample::stream(events));
        let folded = folded(&summary, false);
        let keys: Vec<&str> = folded
            .lines
            .iter()
            .map(|shown| shown.line.step.as_str())
            .collect();
        assert_eq!(keys, ["a", "a[3]/z", "b"]);
    }

    #[test]
    fn reads_that_were_not_needed_are_counted() {
        let of = |steps: &[(&str, Status)], whole| {
            let names: Vec<&str> = steps.iter().map(|(name, _)| *name).collect();
            let mut events = vec![sample::started(&names)];
            events.extend(
                steps
                    .iter()
                    .map(|(name, status)| sample::finished(name, *status)),
            );
            let summary = Summary::of(&sample::stream(events));
            let folded = folded(&summary, whole);
            let keys = folded.lines.iter().map(|shown| shown.line.step.to_string());
            (keys.collect::<Vec<_>>().join(" "), folded.left_out)
        };
        let steps = [
            ("plan", Status::Skipped),
            ("rows", Status::Critical),
            ("size", Status::Skipped),
        ];
        assert_eq!(
            of(&steps, false),
            ("rows".to_owned(), Some("2 skipped".to_owned()))
        );
        assert_eq!(of(&steps, true), ("plan rows size".to_owned(), None));
        assert_eq!(of(&steps[..1], false), ("plan".to_owned(), None));
    }

    proptest! {
        #[test]
        fn no_bad_line_is_lost(stream in sample::any_stream()) {
            let summary = Summary::of(&stream);
            let bad = summary.steps.iter().filter(|line| is_bad(line)).count();
            let kept = folded(&summary, false).lines;
            let kept = kept.iter().filter(|shown| is_bad(shown.line)).count();
            prop_assert_eq!(kept, bad);
        }
    }
}
