//! The rows that a step gives, as a table.

use serde_json::Value;

use crate::base::Tone;
use crate::base::text::one_line;
use crate::event::StepTable;

use super::grid::{Cell, Column, Grid, Kind};

/// What stands where there is no value.
pub(super) const NOTHING: &str = "–";

/// The rows as a grid; a column of nothing but numbers is aligned as numbers are.
pub(super) fn grid(table: &StepTable) -> Grid {
    let columns = table
        .columns
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let numbers = holds_numbers(table, index);
            let kind = if numbers { Kind::Numbers } else { Kind::Words };
            Column::new(one_line(name), kind)
        })
        .collect();
    let rows = table
        .rows
        .iter()
        .map(|row| {
            (0..table.columns.len())
                .map(|index| cell(row.get(index).unwrap_or(&Value::Null)))
                .collect()
        })
        .collect();
    Grid { columns, rows }
}

fn holds_numbers(table: &StepTable, index: usize) -> bool {
    let mut values = table
        .rows
        .iter()
        .filter_map(|row| row.get(index))
        .filter(|value| !value.is_null())
        .peekable();
    values.peek().is_some() && values.all(Value::is_number)
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::toned(NOTHING, Tone::Faint),
        Value::String(text) => Cell::new(one_line(text)),
        Value::Number(number) if number.is_f64() => {
            Cell::new(number.as_f64().map_or_else(String::new, decimal))
        }
        other => Cell::new(one_line(&other.to_string())),
    }
}

/// A fraction with no more digits than a person reads, unless it is very small.
fn decimal(number: f64) -> String {
    if number != 0.0 && number.abs() < 0.001 {
        return number.to_string();
    }
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Kind, cell, grid};
    use crate::event::sample;

    #[test]
    fn values_become_words_for_people() {
        let shown = [
            (json!(null), "–"),
            (json!(true), "true"),
            (json!(18204), "18204"),
            (json!(-7), "-7"),
            (json!(2.0), "2"),
            (json!(0.1 + 0.2), "0.3"),
            (json!(1234.5678), "1234.568"),
            (json!(0.000_012), "0.000012"),
            (json!("two\nlines \u{1b}[31m"), "two lines ␛[31m"),
            (json!(["a", {"b": 1}]), "[\"a\",{\"b\":1}]"),
        ];
        for (value, text) in shown {
            assert_eq!(cell(&value).text, text, "{value}");
        }
    }

    #[test]
    fn rows_that_are_too_short_or_too_long_do_no_harm() {
        let table = sample::table(
            &["a", "b"],
            vec![vec![json!(1)], vec![json!(2), json!("x"), json!("lost?")]],
        );
        let grid = grid(&table);
        assert!(grid.rows.iter().all(|row| row.len() == 2));
        let kinds: Vec<Kind> = grid.columns.iter().map(|column| column.kind).collect();
        assert_eq!(kinds, [Kind::Numbers, Kind::Words]);
    }
}
