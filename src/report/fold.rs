//! Which steps a person needs to see: of a step with many items only the items that are not well. Loses no bad line.

use std::collections::HashMap;

use crate::base::Status;
use crate::base::text::thousands;
use crate::event::{StepLine, Summary};

use super::wording::detail;

/// A step with more items than this is shown with those that are not well.
const MOST_ITEMS: usize = 10;

/// A step that is shown.
#[derive(Debug)]
pub(super) struct Shown<'a> {
    /// The step.
    pub(super) line: &'a StepLine,
    /// How many of its items are not shown, and how those ended.
    folded: Option<String>,
}

impl Shown<'_> {
    /// Why it ended so, in one line.
    pub(super) fn detail(&self) -> String {
        let detail = detail(self.line);
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

/// The steps that are shown, in their order.
pub(super) fn shown(summary: &Summary) -> Vec<Shown<'_>> {
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
    lists.retain(|_, items| items.all > MOST_ITEMS);
    summary
        .steps
        .iter()
        .filter(|line| !is_well(line) || !is_within(line.step.as_str(), &lists))
        .map(|line| Shown {
            line,
            folded: lists.get(line.step.as_str()).and_then(Items::folded),
        })
        .collect()
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

    use super::shown;
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
        shown(summary)
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
        let keys: Vec<&str> = shown(&summary)
            .iter()
            .map(|shown| shown.line.step.as_str())
            .collect();
        assert_eq!(keys, ["a", "a[3]/z", "b"]);
    }

    proptest! {
        #[test]
        fn no_bad_line_is_lost(stream in sample::any_stream()) {
            let summary = Summary::of(&stream);
            let bad = summary.steps.iter().filter(|line| is_bad(line)).count();
            let kept = shown(&summary).iter().filter(|shown| is_bad(shown.line)).count();
            prop_assert_eq!(kept, bad);
        }
    }
}
