//! The rows that a step gives, as a table.

use serde_json::Value;

use crate::base::text::{hexadecimal, neutral, one_line, thousands};
use crate::base::{Tone, csv};
use crate::event::StepTable;

use super::grid::{Cell, Column, Grid, Kind};

/// What stands where there is no value.
pub(super) const NOTHING: &str = "–";

/// What stands for null among values that are data.
const NULL: &str = "NULL";

/// How many bytes of a blob are shown.
const SHOWN_BYTES: usize = 8;

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
    let cell = if table.exact { exact_cell } else { cell };
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
    let is_number = |value: &Value| match value {
        Value::String(text) => table.exact && is_decimal(text),
        other => other.is_number(),
    };
    let mut values = table
        .rows
        .iter()
        .filter_map(|row| row.get(index))
        .filter(|value| !value.is_null())
        .peekable();
    values.peek().is_some() && values.all(is_number)
}

/// Whether a text is the digits of a number that is no number of JSON.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    matches!(digits, "NaN" | "Infinity") || (all_digits(whole) && all_digits(fraction))
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

/// A value as it is, in one line: null is not the empty text, and a line feed is seen.
fn exact_cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::toned(NULL, Tone::Faint),
        Value::String(text) => Cell::new(visible(text)),
        other => match csv::blob(other) {
            Some(bytes) => Cell::new(short(&bytes)),
            None => Cell::new(visible(&other.to_string())),
        },
    }
}

/// The beginning of a blob, and how long it is where that is not all.
fn short(bytes: &[u8]) -> String {
    let shown = hexadecimal(&bytes[..bytes.len().min(SHOWN_BYTES)]);
    match bytes.len() {
        0..=SHOWN_BYTES => format!("\\x{shown}"),
        all => format!("\\x{shown}… {} bytes", thousands(all as u64)),
    }
}

/// A text in one line that keeps its spaces and shows where its lines end.
fn visible(text: &str) -> String {
    neutral(text).replace('\n', "␊").replace('\t', "␉")
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

    use super::{Kind, cell, exact_cell, grid};
    use crate::event::{StepTable, sample};

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
    fn data_is_shown_value_by_value() {
        let shown = [
            (json!(null), "NULL"),
            (json!(""), ""),
            (json!("NULL "), "NULL "),
            (json!(0.1 + 0.2), "0.30000000000000004"),
            (json!(1234.5678), "1234.5678"),
            (json!(-0.0), "-0.0"),
            (json!(i64::MIN), "-9223372036854775808"),
            (
                json!(" two\r\nlines\t\u{1b}[31m\u{202e} 😀"),
                " two␍␊lines␉␛[31m� 😀",
            ),
            (json!({"base64": "AP8="}), "\\x00ff"),
            (
                json!({"base64": "AAAAAAAAAAAAAAAAAAAAAAA="}),
                "\\x0000000000000000… 17 bytes",
            ),
            (json!(["a", {"b": null}]), "[\"a\",{\"b\":null}]"),
        ];
        for (value, text) in shown {
            assert_eq!(exact_cell(&value).text, text, "{value}");
        }
        let of = |exact, values: &[serde_json::Value]| {
            let rows = values.iter().map(|value| vec![value.clone()]).collect();
            let table = StepTable {
                exact,
                ..sample::table(&["n"], rows)
            };
            grid(&table).columns[0].kind
        };
        let decimals = [
            json!(1),
            json!("-33.3333333333333333"),
            json!(null),
            json!("NaN"),
        ];
        assert_eq!(of(true, &decimals), Kind::Numbers);
        assert_eq!(of(false, &decimals), Kind::Words);
        for text in ["1.", ".5", "1e5", "-", "", "1 000", "x"] {
            assert_eq!(of(true, &[json!(text)]), Kind::Words, "{text}");
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
