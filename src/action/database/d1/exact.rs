//! Values exactly as they are stored. D1 sends a number as a double, so a whole number beyond 2^53 comes rounded; an
//! answer that may hold one is asked for again, each value as a text with its type before it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value, json};

use crate::platform::d1::LARGEST_EXACT;
use crate::platform::rows::Rows;
use crate::sql::{self, Dialect};

/// A plan of so many steps is read to its end.
pub(super) const LONGEST_PLAN: usize = 10_000;

/// Whether a value may be another than the one that is stored: a number that was rounded or, where a blob comes as the text
/// of a list, such a list.
pub(super) fn is_doubtful(value: &Value, blobs_as_lists: bool) -> bool {
    match value {
        Value::Number(number) => {
            let size = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
            size.is_some_and(|size| size >= LARGEST_EXACT)
        }
        Value::String(text) if blobs_as_lists => text
            .strip_prefix('[')
            .and_then(|list| list.strip_suffix(']'))
            .is_some_and(|list| {
                list.chars()
                    .all(|c| c.is_ascii_digit() || matches!(c, ',' | ' '))
            }),
        _ => false,
    }
}

/// How many columns a statement gives, by its plan: the step that gives a row names its registers.
pub(super) fn width(plan: &Rows) -> Option<usize> {
    let mut steps = plan.rows.iter();
    let gives = steps.find(|step| {
        step.get("opcode")
            .is_some_and(|opcode| opcode == "ResultRow")
    })?;
    gives
        .get("p2")?
        .as_u64()
        .and_then(|width| usize::try_from(width).ok())
}

/// At most so many rows.
pub(super) fn cut(mut rows: Rows, limit: usize) -> Rows {
    rows.truncated |= rows.rows.len() > limit;
    rows.rows.truncate(limit);
    rows
}

/// The rows of a change, which cannot be asked for again: a number that may be another says so.
pub(super) fn with_doubts(mut rows: Rows) -> Rows {
    for value in rows.rows.iter_mut().flat_map(Map::values_mut) {
        if is_doubtful(value, false) {
            *value = json!(format!("{value}, as D1 rounds it"));
        }
    }
    rows
}

/// Whether a query can stand in another.
pub(super) fn can_stand_in_another(query: &str) -> bool {
    let first = query.split_whitespace().next().unwrap_or_default();
    ["select", "with", "values"]
        .iter()
        .any(|word| first.eq_ignore_ascii_case(word))
}

/// The query that gives the same rows, of so many columns, with their values written out.
pub(super) fn written_out(query: &str, columns: usize) -> String {
    let query = sql::without_semicolon(query, Dialect::Sqlite);
    let names: Vec<String> = (1..=columns).map(|column| format!("c{column}")).collect();
    let values: Vec<String> = names
        .iter()
        .map(|c| {
            format!(
                "CASE typeof({c}) WHEN 'integer' THEN 'i' || {c} WHEN 'real' THEN 'r' || printf('%!.17g', {c}) \
                 WHEN 'text' THEN 't' || {c} WHEN 'blob' THEN 'b' || hex({c}) END AS {c}"
            )
        })
        .collect();
    // The line break ends a comment at the end of the query.
    format!(
        "WITH opsbook_row ({}) AS (\n{query}\n) SELECT {} FROM opsbook_row",
        names.join(", "),
        values.join(", ")
    )
}

/// The rows of such a query under the names that they have; none where one is not written out as asked.
pub(super) fn read_back(written: Rows, columns: &[String]) -> Option<Rows> {
    let of_row = |row: Map<String, Value>| {
        let values = row.into_iter().map(|(_, value)| read(&value));
        let values = columns.iter().cloned().zip(values);
        values
            .map(|(name, value)| Some((name, value?)))
            .collect::<Option<Map<_, _>>>()
    };
    Some(Rows {
        columns: columns.to_vec(),
        rows: written
            .rows
            .into_iter()
            .map(of_row)
            .collect::<Option<_>>()?,
        truncated: written.truncated,
    })
}

fn read(value: &Value) -> Option<Value> {
    let text = match value {
        Value::Null => return Some(Value::Null),
        value => value.as_str()?,
    };
    let (kind, value) = text.split_at_checked(1)?;
    match kind {
        "i" => value.parse().ok().map(|whole: i64| json!(whole)),
        // JSON has no infinite numbers.
        "r" => Some(
            value
                .parse()
                .ok()
                .and_then(Number::from_f64)
                .map_or(Value::Null, Value::Number),
        ),
        "t" => Some(json!(value)),
        "b" => {
            let byte = |at| u8::from_str_radix(value.get(at..at + 2)?, 16).ok();
            let bytes: Option<Vec<u8>> = (0..value.len()).step_by(2).map(byte).collect();
            Some(json!({ "base64": STANDARD.encode(bytes?) }))
        }
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use serde_json::{Value, json};

    use super::{is_doubtful, read};

    #[test]
    fn a_number_that_a_double_cannot_hold_is_doubtful() {
        for (value, doubtful) in [
            (json!(9_007_199_254_740_991_i64), false),
            (json!(9_007_199_254_740_992_i64), true),
            (json!(i64::MIN), true),
            (json!(1e300), false),
            (json!("9007199254740993"), false),
            (json!(null), false),
        ] {
            assert_eq!(is_doubtful(&value, true), doubtful, "{value}");
        }
        for (text, doubtful) in [
            ("[0, 255]", true),
            ("[]", true),
            ("[a]", false),
            ("[1", false),
        ] {
            assert_eq!(is_doubtful(&json!(text), true), doubtful, "{text}");
            assert!(!is_doubtful(&json!(text), false), "{text}");
        }
    }

    #[test]
    fn what_is_written_out_is_read_back() {
        for (written, value) in [
            (json!("i-9223372036854775808"), json!(i64::MIN)),
            (json!("r0.10000000000000001"), json!(0.1)),
            (json!("r-0.0"), json!(-0.0)),
            (json!("rInf"), Value::Null),
            (json!("ti1"), json!("i1")),
            (json!("b00FF"), json!({"base64": "AP8="})),
            (json!(null), Value::Null),
        ] {
            assert_eq!(read(&written).unwrap(), value, "{written}");
        }
        for other in [json!(1), json!(""), json!("x1"), json!("b0"), json!("ix")] {
            assert_eq!(read(&other), None, "{other}");
        }
    }
}
