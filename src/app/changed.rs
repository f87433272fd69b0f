//! Files that have changed since a run began: which, how, and whether the caller wants them as they are now.

use similar::TextDiff;

use crate::base::text::{count, neutral};
use crate::engine::{Engine, History};
use crate::event::Source;
use crate::plan::Plan;

use super::AppError;

/// So many lines of one file's changes are shown.
const MOST_LINES: usize = 80;

/// The files that have changed since the run began, if the caller accepts that.
///
/// # Errors
/// When some have and the caller does not: how they differ, secrets masked.
pub(super) fn refuse_changes(
    engine: &Engine<'_>,
    plan: &Plan,
    history: &History,
    accepted: bool,
) -> Result<Vec<Source>, AppError> {
    let mut changed = Vec::new();
    let mut shown = Vec::new();
    for (now, text) in engine.sources(plan) {
        let before = history
            .sources()
            .iter()
            .find(|before| before.runbook == now.runbook);
        // A journal of a version that kept no sources cannot tell.
        if before.is_some_and(|before| before.digest == now.digest) || history.sources().is_empty()
        {
            continue;
        }
        let was = match before {
            Some(before) => engine.journal.source(&before.digest)?,
            None => Some(String::new()),
        };
        shown.push(match was {
            Some(was) => difference(&now.file, &was, &text),
            None => format!("{}: the journal does not hold what it was", now.file),
        });
        changed.push(now);
    }
    if changed.is_empty() || accepted {
        return Ok(changed);
    }
    let run = history.run();
    let message = format!(
        "run {run} was begun with {} that {} changed since",
        count(changed.len(), "file"),
        if changed.len() == 1 { "has" } else { "have" }
    );
    let lines = shown.iter().flat_map(|file| file.lines());
    let error = lines.fold(AppError::not_now(message), |error, line| error.hint(line));
    Err(error.hint("nothing was done; --accept-changes goes on with what is there now"))
}

/// How a text differs, as a unified diff.
fn difference(file: &str, was: &str, now: &str) -> String {
    let diff = TextDiff::from_lines(was, now);
    let unified = diff
        .unified_diff()
        .context_radius(2)
        .header(&format!("{file} (then)"), &format!("{file} (now)"))
        .to_string();
    let lines: Vec<&str> = unified.lines().collect();
    let mut shown: String = lines
        .iter()
        .take(MOST_LINES)
        .map(|line| format!("{}\n", neutral(line)))
        .collect();
    if let Some(more @ 1..) = lines.len().checked_sub(MOST_LINES) {
        let noun = if more == 1 { "line" } else { "lines" };
        shown.push_str(&format!("… {more} more {noun}\n"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{MOST_LINES, difference};

    #[test]
    fn a_difference_is_unified_and_says_what_it_leaves_out() {
        let short = difference("a.toml", "x = 1\ny = 2\n", "x = 1\ny = 3\n");
        assert_eq!(
            short,
            "--- a.toml (then)\n+++ a.toml (now)\n@@ -1,2 +1,2 @@\n x = 1\n-y = 2\n+y = 3\n"
        );
        let long = difference("a.toml", "", &"line\n".repeat(500));
        assert_eq!(long.lines().count(), MOST_LINES + 1);
        let left = 500 + 3 - MOST_LINES;
        assert!(long.ends_with(&format!("… {left} more lines\n")), "{long}");
    }

    #[test]
    fn a_difference_cannot_steer_a_terminal() {
        assert!(!difference("a", "", "\u{1b}[31m\n").contains('\u{1b}'));
    }
}
