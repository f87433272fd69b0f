//! What a step would do as it is shown and kept: without secrets, its rows never more than a glance holds. Only what a dry
//! run keeps has a longest text; how much of it a question shows is for the one who asks to say.

use serde_json::Value;

use crate::base::Masker;
use crate::base::Size;
use crate::base::text::{beginning, count};
use crate::event::{Preview, StepTable};
use crate::expr::told_unknown;
use crate::model::Step;

use super::attempt::Failure;
use super::frame::Turn;
use super::recorder::masked_table;
use super::run::Run;

/// The longest text of what would be sent that is kept, in bytes.
const LONGEST_SENT: usize = 1024 * 1024;

/// The longest cell of a row, in bytes.
const LONGEST_CELL: usize = 160;

/// So many columns of a row are shown at most.
const MOST_COLUMNS: usize = 24;

impl Run<'_> {
    /// What the step would do, as a person may see it. What it asks its target only reads.
    pub(super) async fn previewed(&self, turn: Turn<'_>) -> Result<Preview, Failure> {
        let preview = self.preview_call(turn, &turn.step.call).await?;
        Ok(shown(preview, turn.step, self.engine.masker))
    }
}

/// A preview as it is kept: not longer than it may be.
pub(super) fn kept(preview: Preview, step: &Step, masker: &Masker) -> Preview {
    let shown = shown(preview, step, masker);
    Preview {
        sent: bounded(shown.sent),
        held: None,
        ..shown
    }
}

/// A preview as it is shown: without secrets, with unknown values as they are read.
fn shown(preview: Preview, step: &Step, masker: &Masker) -> Preview {
    if step.sensitive {
        return Preview {
            sent: format!("{}, sensitive and not shown", step.call.name()),
            sample: None,
            ..preview
        };
    }
    Preview {
        sent: masker.text(&told_unknown(&preview.sent)),
        sample: preview.sample.map(|sample| kept_rows(sample, masker)),
        ..preview
    }
}

/// A text that is not longer than it may be; what is left out of it begins with a line, where it has several.
fn bounded(whole: String) -> String {
    if whole.len() <= LONGEST_SENT {
        return whole;
    }
    let kept = beginning(&whole, LONGEST_SENT);
    let kept = kept.rsplit_once('\n').map_or(kept, |(lines, _)| lines);
    let rest = &whole[kept.len()..];
    let rest = rest.strip_prefix('\n').unwrap_or(rest);
    let bytes = Size(rest.len() as u64);
    let lines = count(rest.lines().count(), "more line");
    format!("{kept}\n… {lines} ({bytes})")
}

/// Rows of the first columns, each cell no longer than a glance.
fn kept_rows(sample: StepTable, masker: &Masker) -> StepTable {
    let sample = masked_table(masker, sample);
    let left_out = sample.columns.len().saturating_sub(MOST_COLUMNS);
    let more = (left_out > 0).then(|| format!("and {}", count(left_out, "more column")));
    let columns = sample.columns.into_iter().take(MOST_COLUMNS);
    let rows = sample.rows.into_iter();
    StepTable {
        columns: columns.collect(),
        rows: rows
            .map(|row| row.into_iter().take(MOST_COLUMNS).map(kept_cell).collect())
            .collect(),
        remark: sample.remark.or(more),
        truncated: sample.truncated,
        exact: sample.exact,
    }
}

fn kept_cell(cell: Value) -> Value {
    let text = match &cell {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => cell.to_string(),
        Value::Null | Value::Bool(_) | Value::Number(_) => return cell,
    };
    match beginning(&text, LONGEST_CELL) {
        whole if whole.len() == text.len() => cell,
        kept => Value::String(format!("{kept}…")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{LONGEST_CELL, LONGEST_SENT, MOST_COLUMNS, bounded, kept_rows};
    use crate::base::{Masker, Secret};
    use crate::event::StepTable;

    fn masker() -> Masker {
        Masker::new(&[Secret::new("hunter2-hunter2".to_owned())])
    }

    #[test]
    fn a_text_that_is_too_long_ends_with_a_line_and_says_what_is_left_out() {
        let text = |lines: usize| "SELECT 1;\n".repeat(lines);
        let whole = text(LONGEST_SENT / 10);
        assert_eq!(bounded(whole.clone()), whole);
        let kept = bounded(text(LONGEST_SENT / 10 + 100));
        assert!(kept.len() < LONGEST_SENT + 100);
        assert!(
            kept.ends_with("SELECT 1;\n… 100 more lines (1000 B)"),
            "{}",
            &kept[kept.len() - 60..]
        );
        let one = bounded("x".repeat(LONGEST_SENT + 5));
        assert!(one.ends_with("xx\n… 1 more line (5 B)"));
    }

    #[test]
    fn rows_are_masked_and_bounded_and_say_what_was_left_out() {
        let long = format!("{}hunter2-hunter2", "x".repeat(LONGEST_CELL - 5));
        let width = MOST_COLUMNS + 3;
        let table = StepTable {
            columns: (0..width).map(|index| format!("c{index}")).collect(),
            rows: vec![vec![json!(long); width], vec![json!(7); width]],
            ..StepTable::default()
        };
        let kept = kept_rows(table, &masker());
        assert_eq!(kept.columns.len(), MOST_COLUMNS);
        assert_eq!(kept.remark.as_deref(), Some("and 3 more columns"));
        assert_eq!(kept.rows[1], vec![json!(7); MOST_COLUMNS]);
        let first = kept.rows[0][0].as_str().unwrap_or_default();
        assert!(!first.contains("hunt"), "{first}");
        assert!(first.len() < LONGEST_CELL + 8, "{first}");
        let blob = StepTable {
            columns: vec!["b".to_owned()],
            rows: vec![vec![json!({"base64": "x".repeat(1_000_000)})]],
            ..StepTable::default()
        };
        let kept = kept_rows(blob, &masker());
        assert!(matches!(&kept.rows[0][0], Value::String(text) if text.len() < 200));
    }
}
