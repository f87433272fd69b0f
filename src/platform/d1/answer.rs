//! The API's answer to statements, read as it comes: cells beyond what one answer may take are never held.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::{Value, json};

use super::D1Error;
use crate::platform::rows::{Collector, Rows};

/// The most cells that are held of one statement's rows.
pub(in crate::platform) const MOST_CELLS: usize = 1 << 20;

/// What is around the result of statements.
#[derive(serde::Deserialize)]
struct Envelope {
    result: Vec<Outcome>,
}

/// What one statement gave.
#[derive(serde::Deserialize)]
struct Outcome {
    results: Table,
}

#[derive(serde::Deserialize)]
struct Table {
    columns: Vec<String>,
    rows: Cells,
}

/// The rows, and whether there were more than are held.
struct Cells {
    rows: Vec<Vec<Value>>,
    more: bool,
}

/// A value as D1 sends it: its numbers are doubles, a blob is the list of its bytes.
pub(in crate::platform) struct Cell(pub(in crate::platform) Value);

/// What each of so many statements gave; at most `limit` rows of each are kept.
pub(super) fn tables(body: &[u8], statements: usize, limit: usize) -> Result<Vec<Rows>, D1Error> {
    let Envelope { result } =
        serde_json::from_slice(body).map_err(|_| D1Error::Unreadable("it holds no results"))?;
    if result.len() != statements {
        return Err(D1Error::Unreadable(
            "it does not hold one result for each statement",
        ));
    }
    let tables = result.into_iter().map(|outcome| outcome.results);
    tables.map(|table| kept(table, limit)).collect()
}

fn kept(table: Table, limit: usize) -> Result<Rows, D1Error> {
    let width = table.columns.len();
    let mut collector = Collector::new(table.columns.iter().map(String::as_str), limit);
    for row in table.rows.rows {
        if row.len() != width {
            return Err(D1Error::Unreadable("its rows are no table"));
        }
        if !collector.push(row) {
            break;
        }
    }
    let mut rows = collector.finish();
    rows.truncated |= table.rows.more;
    Ok(rows)
}

impl<'de> Deserialize<'de> for Cells {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rows;
        impl<'de> Visitor<'de> for Rows {
            type Value = Cells;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of rows")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Cells, A::Error> {
                let (mut rows, mut cells) = (Vec::new(), 0);
                while cells < MOST_CELLS {
                    let Some(row) = sequence.next_element::<Vec<Cell>>()? else {
                        return Ok(Cells { rows, more: false });
                    };
                    cells += row.len().max(1);
                    rows.push(row.into_iter().map(|cell| cell.0).collect());
                }
                let more = sequence.next_element::<IgnoredAny>()?.is_some();
                while sequence.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Cells { rows, more })
            }
        }
        deserializer.deserialize_seq(Rows)
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Cell;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("null, a number, a text or a list of bytes")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Cell, E> {
                Ok(Cell(Value::Null))
            }

            fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Cell, E> {
                Ok(Cell(json!(truth)))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Cell, E> {
                Ok(Cell(json!(number)))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Cell, E> {
                Ok(Cell(json!(number)))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Cell, E> {
                Ok(Cell(json!(number)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Cell, E> {
                Ok(Cell(json!(text)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Cell, A::Error> {
                let mut bytes: Vec<u8> = Vec::new();
                while let Some(byte) = sequence.next_element()? {
                    bytes.push(byte);
                }
                Ok(Cell(json!({ "base64": STANDARD.encode(bytes) })))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use serde_json::{Value, json};

    use super::{D1Error, MOST_CELLS, Rows, tables};

    fn one(results: &Value, limit: usize) -> Result<Rows, D1Error> {
        let body = json!({"success": true, "result": [{"meta": {}, "results": results}]});
        let tables = tables(body.to_string().as_bytes(), 1, limit);
        tables.map(|mut tables| tables.remove(0))
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let values = json!([
            null,
            1,
            1.5,
            "é\u{0}",
            [0, 255],
            [],
            -9_007_199_254_740_993_i64
        ]);
        let rows = one(
            &json!({"columns": ["a", "b", "c", "d", "e", "f", "a"], "rows": [values]}),
            9,
        );
        assert_eq!(
            json!(rows.unwrap().rows),
            json!([{"a": null, "b": 1, "c": 1.5, "d": "é\u{0}", "e": {"base64": "AP8="}, "f": {"base64": ""},
                    "a_2": -9_007_199_254_740_993_i64}])
        );
    }

    #[test]
    fn rows_that_are_no_table_are_refused() {
        for wrong in [
            json!({"columns": ["a"], "rows": [[1, 2]]}),
            json!({"rows": []}),
            json!({"columns": ["a"], "rows": [[[256]]]}),
            json!({"columns": ["a"], "rows": [[{"b": 1}]]}),
        ] {
            assert!(one(&wrong, 9).is_err(), "{wrong}");
        }
        assert!(tables(b"{\"result\": []}", 1, 9).is_err());
    }

    #[test]
    fn what_is_held_is_bounded_and_says_so() {
        let table = |rows: usize| json!({"columns": ["a"], "rows": vec![[1]; rows]});
        let few = one(&table(2), 1).unwrap();
        assert_eq!((few.rows.len(), few.truncated), (1, true));
        assert!(!one(&table(2), 2).unwrap().truncated);
        let many = one(&table(MOST_CELLS + 1), usize::MAX).unwrap();
        assert!(many.truncated && many.rows.len() < MOST_CELLS);
    }
}
