//! The rows of a step that are printed: which columns, and what is said where a column is in none of them.

use serde_json::{Map, Value};

use crate::base::text::thousands;
use crate::event::StepTable;
use crate::model::Step;

use super::frame::Frame;

/// With more columns than this, a remark names the first of them only.
const MOST_NAMED: usize = 12;

/// So many rows that nobody asked to see are shown at most.
const MOST_BY_ITSELF: usize = 1000;

/// The rows to print: those of the runbook's `output` step, of a step with `show`, and of one that shows them `by_itself`,
/// where it gives any.
pub(super) fn table_of(
    frame: &Frame<'_>,
    step: &Step,
    outputs: &Map<String, Value>,
    by_itself: bool,
) -> Option<StepTable> {
    let is_output = frame.caller.is_none() && frame.runbook.output.as_deref() == Some(&step.name);
    let is_wanted = is_output || !step.show.is_empty();
    let rows = outputs.get("rows")?.as_array()?;
    if !is_wanted && (!by_itself || rows.is_empty()) {
        return None;
    }
    let there_are = columns_of(rows, outputs);
    let most = if is_wanted {
        usize::MAX
    } else {
        MOST_BY_ITSELF
    };
    let shown = &rows[..rows.len().min(most)];
    let truncated = outputs.get("truncated") == Some(&Value::Bool(true));
    let truncated = truncated || shown.len() < rows.len();
    let remarks = [
        remark(&step.show, &there_are, rows),
        truncated.then(|| {
            let kept = thousands(shown.len() as u64);
            format!("the first {kept} rows; there are more")
        }),
    ];
    let remarks: Vec<String> = remarks.into_iter().flatten().collect();
    let exact = !is_wanted || outputs.get("exact") == Some(&Value::Bool(true));
    let columns = if step.show.is_empty() {
        there_are
    } else {
        step.show.clone()
    };
    let cells = |row: &Value| {
        columns
            .iter()
            .map(|column| row.get(column).cloned().unwrap_or_default())
            .collect()
    };
    let rows = shown.iter().map(cells).collect();
    Some(StepTable {
        columns,
        rows,
        remark: (!remarks.is_empty()).then(|| remarks.join("; ")),
        truncated,
        exact,
    })
}

/// The columns that the action names, else those of the first row.
fn columns_of(rows: &[Value], outputs: &Map<String, Value>) -> Vec<String> {
    if let Some(columns) = outputs.get("columns").and_then(Value::as_array) {
        let names = columns.iter().filter_map(Value::as_str);
        return names.map(str::to_owned).collect();
    }
    let first = rows.first().and_then(Value::as_object);
    first.map_or_else(Vec::new, |row| row.keys().cloned().collect())
}

/// What is said of columns to show that occur nowhere. None where nothing is known of the columns that there are.
fn remark(show: &[String], there_are: &[String], rows: &[Value]) -> Option<String> {
    let missing: Vec<String> = show
        .iter()
        .filter(|column| !there_are.contains(column))
        .filter(|column| !rows.iter().any(|row| row.get(column.as_str()).is_some()))
        .map(|column| format!("{column:?}"))
        .collect();
    if missing.is_empty() || there_are.is_empty() {
        return None;
    }
    let mut named = there_are[..there_are.len().min(MOST_NAMED)].join(", ");
    if let Some(more) = there_are
        .len()
        .checked_sub(MOST_NAMED)
        .filter(|more| *more > 0)
    {
        named.push_str(&format!(" and {more} more"));
    }
    Some(format!(
        "`show` names {}, which no row has; the columns are {named}",
        missing.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::remark;

    fn said(show: &[&str], there_are: &[&str], rows: &[Value]) -> Option<String> {
        let texts = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        remark(&texts(show), &texts(there_are), rows)
    }

    #[test]
    fn only_a_column_that_occurs_nowhere_is_told() {
        let rows = [json!({"name": "a"}), json!({"name": "b", "late": 1})];
        assert_eq!(said(&["name", "late"], &["name"], &rows), None);
        assert_eq!(said(&["size"], &["size"], &[]), None);
        assert_eq!(said(&["size"], &[], &[]), None);
        let told = "`show` names \"*\", \"x\", which no row has; the columns are name";
        assert_eq!(
            said(&["*", "name", "x"], &["name"], &rows).as_deref(),
            Some(told)
        );
    }

    #[test]
    fn of_many_columns_the_first_are_named() {
        let many: Vec<String> = (0..20).map(|index| format!("c{index}")).collect();
        let names: Vec<&str> = many.iter().map(String::as_str).collect();
        let told = said(&["*"], &names, &[]).unwrap_or_default();
        assert!(told.ends_with("c10, c11 and 8 more"), "{told}");
    }
}
