//! What the program of a failed step said last: the cause often stands a line above the one that the table has room for.

use std::collections::HashMap;

use crate::base::StepKey;
use crate::base::text::one_line;
use crate::event::StepFinished;

/// So many lines are shown of a failed step.
const LINES: usize = 5;

/// The last lines of failed steps, by step.
#[derive(Default)]
pub(super) struct Said(HashMap<StepKey, Vec<String>>);

impl Said {
    /// Keeps the last lines of what a failed step's program wrote to standard error, or where it wrote nothing there, to
    /// standard output. One line alone is in the table already.
    pub(super) fn hear(&mut self, end: &StepFinished) {
        if !end.failed {
            return;
        }
        let lines_of = |output: &str| -> Vec<String> {
            let text = end
                .outputs
                .get(output)
                .and_then(|text| text.as_str())
                .unwrap_or_default();
            let mut last: Vec<String> = text
                .lines()
                .rev()
                .map(one_line)
                .filter(|line| !line.is_empty())
                .take(LINES)
                .collect();
            last.reverse();
            last
        };
        let lines = match lines_of("stderr") {
            none if none.is_empty() => lines_of("stdout"),
            some => some,
        };
        if lines.len() > 1 {
            self.0.insert(end.step.clone(), lines);
        }
    }

    /// The last lines of a step; none where there is nothing to add to the table.
    pub(super) fn of(&self, step: &StepKey) -> &[String] {
        self.0.get(step).map_or(&[], Vec::as_slice)
    }
}
