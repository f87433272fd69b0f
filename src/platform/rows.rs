//! The answer of a database: columns and rows, bounded in memory, the same for every system.

use serde_json::{Map, Value};

/// The most that one answer may take, in bytes of its values and names.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// What a value takes beside its own bytes, about.
const VALUE: usize = 32;

/// What a query gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The names of the columns, left to right. A name that occurs again has `_2`, `_3`, … behind it.
    pub columns: Vec<String>,
    /// The rows, each a table from the columns' names to values.
    pub rows: Vec<Map<String, Value>>,
    /// Whether there are more rows than these: the limit was reached, or 16 MiB.
    pub truncated: bool,
}

/// What a statement that writes did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changed {
    /// How many rows it inserted, updated or deleted itself; those that triggers changed are not counted.
    pub changed: u64,
    /// How many rows changed in all, those that triggers and references changed too.
    pub in_all: u64,
    /// The rows that it gave (`RETURNING`).
    pub rows: Rows,
}

/// Takes rows in until the limit is reached.
#[derive(Debug)]
pub(super) struct Collector {
    rows: Rows,
    limit: usize,
    /// What the names take in each row.
    names: usize,
    bytes: usize,
}

impl Collector {
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>, limit: usize) -> Self {
        let columns = distinct(names);
        Self {
            limit,
            names: columns.iter().map(|name| name.len() + VALUE).sum(),
            bytes: 0,
            rows: Rows {
                columns,
                ..Rows::default()
            },
        }
    }

    /// Takes a row in. Gives false, and marks the rows as truncated, where there is no room for it.
    pub(super) fn push(&mut self, values: Vec<Value>) -> bool {
        let bytes = self.names + values.iter().map(size).sum::<usize>();
        if self.rows.rows.len() >= self.limit || self.bytes + bytes > MOST_BYTES {
            self.rows.truncated = true;
            return false;
        }
        self.bytes += bytes;
        let row = self.rows.columns.iter().cloned().zip(values).collect();
        self.rows.rows.push(row);
        true
    }

    pub(super) fn finish(self) -> Rows {
        self.rows
    }
}

/// Makes names distinct: `n`, `n_2`, …
fn distinct<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let names: Vec<&str> = names.into_iter().collect();
    let mut taken: Vec<String> = Vec::with_capacity(names.len());
    for name in &names {
        let mut candidate = (*name).to_owned();
        let mut number = 1;
        while taken.contains(&candidate) || (number > 1 && names.contains(&candidate.as_str())) {
            number += 1;
            candidate = format!("{name}_{number}");
        }
        taken.push(candidate);
    }
    taken
}

/// About what a value takes: databases give flat values, at most a blob in its wrapping.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Object(fields) => fields.values().map(size).sum(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Collector, MOST_BYTES, distinct};

    #[test]
    fn names_become_distinct() {
        assert_eq!(
            distinct(["n", "n", "n_2", "m", "n"]),
            ["n", "n_3", "n_2", "m", "n_4"]
        );
    }

    #[test]
    fn is_bounded_by_rows_and_by_bytes_and_says_so() {
        let mut few = Collector::new(["n"], 1);
        assert!(few.push(vec![json!(1)]));
        assert!(!few.push(vec![json!(2)]));
        let few = few.finish();
        assert!(few.truncated);
        assert_eq!(few.rows.len(), 1);

        let mut many = Collector::new(["n"], usize::MAX);
        while many.push(vec![json!(1)]) {}
        assert!(many.finish().rows.len() < 500_000);

        let mut large = Collector::new(["t"], 10);
        assert!(large.push(vec![Value::String("x".repeat(MOST_BYTES - 100))]));
        assert!(!large.push(vec![Value::String("x".repeat(100))]));
        assert!(large.finish().truncated);
    }
}
