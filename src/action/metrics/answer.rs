//! What every kind of source comes to: rows, one value where there is one, and a line for a person.

use serde_json::{Map, Value};

use crate::base::Masker;
use crate::base::text::count;
use crate::engine::Outputs;

use super::api::quoted;

/// Rows and what is known beside them.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The rows, all of the same meaning.
    pub(super) rows: Vec<Map<String, Value>>,
    /// The value of the only row.
    pub(super) value: Value,
    /// The points of each row.
    pub(super) points: Vec<Value>,
    /// What the source warns of.
    pub(super) warnings: Vec<String>,
    /// What the rows say in few words; how many there are where it is empty.
    pub(super) detail: String,
}

impl Answer {
    /// Rows of a table. The value is that of the only number in the only row.
    pub(super) fn table(rows: Vec<Map<String, Value>>) -> Self {
        let mut answer = Self {
            rows,
            ..Self::default()
        };
        if let [row] = answer.rows.as_slice() {
            let numbers: Vec<_> = row.iter().filter(|(_, value)| value.is_number()).collect();
            if let [(name, value)] = numbers.as_slice() {
                answer.detail = format!("{name} {}", told(value));
                answer.value = (*value).clone();
            }
        }
        answer
    }

    /// The outputs, but for the time that it took.
    pub(super) fn outputs(self, masker: &Masker) -> Outputs {
        let mut columns: Vec<&str> = Vec::new();
        for name in self.rows.iter().flat_map(Map::keys) {
            if !columns.contains(&name.as_str()) {
                columns.push(name);
            }
        }
        let mut detail = match self.rows.len() {
            0 => "no data".to_owned(),
            rows if self.detail.is_empty() => count(rows, "row"),
            _ => self.detail,
        };
        for warning in &self.warnings {
            detail.push_str("; warning: ");
            detail.push_str(warning);
        }
        Outputs::new(quoted(&detail, masker))
            .with("columns", columns)
            .with("series", self.rows.len())
            .with("rows", self.rows.into_iter().collect::<Value>())
            .with("value", self.value)
            .with("points", self.points)
            .with("warnings", self.warnings)
    }
}

/// A row whose tables are laid flat, one level deep: `{"sum": {"requests": 5}}` has the column `sum.requests`.
pub(super) fn flat(row: &Map<String, Value>) -> Map<String, Value> {
    let mut flat = Map::new();
    for (name, value) in row {
        match value {
            Value::Object(inner) => {
                for (key, value) in inner {
                    flat.insert(format!("{name}.{key}"), value.clone());
                }
            }
            other => {
                flat.insert(name.clone(), other.clone());
            }
        }
    }
    flat
}

/// The tables among the items of a list, laid flat; none where an item is no table.
pub(super) fn flat_rows(items: &[Value]) -> Option<Vec<Map<String, Value>>> {
    items
        .iter()
        .map(|item| item.as_object().map(flat))
        .collect()
}

/// A number as a person reads it: three digits behind the point, or three that count where it is less than one.
pub(super) fn told(value: &Value) -> String {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() != 0.0 => rounded(float),
            _ => number.to_string(),
        },
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn rounded(number: f64) -> String {
    let size = number.abs();
    if size >= 1.0 {
        let text = format!("{number:.3}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    // Fifteen digits are what a double tells apart.
    let digits = (0..15)
        .find(|digits| size * 10_f64.powi(*digits) >= 1.0)
        .map_or(15, |digits| digits + 2);
    let digits = usize::try_from(digits).unwrap_or(15);
    let text = format!("{number:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Answer, flat_rows, told};
    use crate::base::Masker;

    #[test]
    fn tables_inside_of_a_row_become_columns() {
        let items = [
            json!({"dimensions": {"date": "2026-01-01"}, "sum": {"requests": 5, "map": [{"a": 1}]}}),
            json!({"count": 7}),
        ];
        let rows = flat_rows(&items).unwrap_or_default();
        let outputs = Answer::table(rows).outputs(&Masker::default());
        assert_eq!(
            outputs.values["rows"],
            json!([
                {"dimensions.date": "2026-01-01", "sum.requests": 5, "sum.map": [{"a": 1}]},
                {"count": 7},
            ])
        );
        assert_eq!(
            outputs.values["columns"],
            json!(["dimensions.date", "sum.requests", "sum.map", "count"])
        );
        assert_eq!(outputs.values["value"], Value::Null);
        assert_eq!(outputs.detail, "2 rows");
        assert_eq!(flat_rows(&[json!(5)]), None);
    }

    #[test]
    fn the_only_number_of_the_only_row_is_the_value() {
        for (row, value) in [
            (json!({"a": "x", "n": 5}), json!(5)),
            (json!({"n": 5, "m": 6}), Value::Null),
            (json!({"a": "5"}), Value::Null),
        ] {
            let answer = Answer::table(flat_rows(&[row]).unwrap_or_default());
            assert_eq!(answer.value, value);
        }
    }

    #[test]
    fn numbers_are_told_as_a_person_reads_them() {
        for (number, text) in [
            (json!(1234), "1234"),
            (json!(2.0), "2.0"),
            (json!(12.345_67), "12.346"),
            (json!(-0.000_123_456), "-0.000123"),
            (json!(0.5), "0.5"),
            (json!("NaN"), "NaN"),
        ] {
            assert_eq!(told(&number), text);
        }
    }
}
