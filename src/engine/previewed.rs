//! What a step would do as it is shown and kept: without secrets, and never longer than it may be.

use serde_json::Value;

use crate::base::Masker;
use crate::base::text::{beginning, count, thousands};
use crate::event::{Preview, StepTable};
use crate::expr::told_unknown;
use crate::model::Step;

use super::attempt::Failure;
use super::frame::Turn;
use super::recorder::masked_table;
use super::run::Run;

/// The longest text of what would be sent, in bytes.
const LONGEST_SENT: usize = 4 * 1024;

/// The longest cell of a row, in bytes.
const LONGEST_CELL: usize = 160;

/// So many columns of a row are shown at most.
const MOST_COLUMNS: usize = 24;

impl Run<'_> {
    /// What the step would do, as a person may see it. What it asks its target only reads.
    pub(super) async fn previewed(&self, turn: Turn<'_>) -> Result<Preview, Failure> {
        let preview = self.preview_call(turn, &turn.step.call).await?;
        Ok(kept(preview, turn.step, self.engine.masker))
    }
}

/// A preview as it is kept: without secrets, with unknown values as they are read, and not longer than it may be.
pub(super) fn kept(preview: Preview, step: &Step, masker: &Masker) -> Preview {
    if step.sensitive {
        return Preview {
            sent: format!("{}, sensitive and not shown", step.call.name()),
            sample: None,
            ..preview
        };
    }
    Preview {
        sent: kept_text(&preview.sent, masker),
        rows: preview.rows,
        sample: preview.sample.map(|sample| kept_rows(sample, masker)),
    }
}

fn kept_text(sent: &str, masker: &Masker) -> String {
    let whole = masker.text(&told_unknown(sent));
    if whole.len() <= LONGEST_SENT {
        return whole;
    }
    let kept = beginning(&whole, LONGEST_SENT);
    let left_out = thousands((whole.len() - kept.len()) as u64);
    format!("{kept} … {left_out} bytes more")
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

    use super::{LONGEST_CELL, LONGEST_SENT, MOST_COLUMNS, kept_rows, kept_text};
    use crate::base::{Masker, Secret};
    use crate::event::StepTable;

    fn masker() -> Masker {
        Masker::new(&[Secret::new("hunter2-hunter2".to_owned())])
    }

    #[test]
    fn what_is_cut_was_masked_before() {
        let filler = "x".repeat(LONGEST_SENT - 5);
        let sent = format!("{filler}hunter2-hunter2{}", "y".repeat(2_000));
        let kept = kept_text(&sent, &masker());
        assert!(kept.starts_with(&filler));
        let end = &kept[filler.len()..];
        assert!(!end.contains("hunt"), "{end}");
        assert!(end.ends_with("1,998 bytes more"), "{end}");
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
