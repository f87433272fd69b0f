//! Values on their way into SQLite and out of it, none of them changed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::types::{Value as Stored, ValueRef};
use serde_json::{Value, json};

use super::SqliteError;

/// A value for SQLite: true and false are 1 and 0, `{"base64": "…"}` is a blob as [`from_sqlite`] gives it, and any
/// other list or table is its JSON text, as SQLite's JSON functions take it.
pub(super) fn to_sqlite(value: &Value) -> Result<Stored, SqliteError> {
    Ok(match value {
        Value::Null => Stored::Null,
        Value::Bool(truth) => Stored::Integer(i64::from(*truth)),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), ..) => Stored::Integer(whole),
            (None, Some(whole), _) => return Err(SqliteError::NumberTooLarge(whole)),
            (None, None, Some(real)) => Stored::Real(real),
            (None, None, None) => Stored::Text(number.to_string()),
        },
        Value::String(text) => Stored::Text(text.clone()),
        Value::Object(fields) if fields.len() == 1 => {
            let bytes = fields
                .get("base64")
                .and_then(Value::as_str)
                .and_then(|text| STANDARD.decode(text).ok());
            bytes.map_or_else(|| Stored::Text(value.to_string()), Stored::Blob)
        }
        Value::Array(_) | Value::Object(_) => Stored::Text(value.to_string()),
    })
}

/// A value of SQLite as JSON. What JSON has no word for: a blob, and a text that is no UTF-8, is `{"base64": "…"}`; an
/// infinite number is the text `Infinity` or `-Infinity`.
pub(super) fn from_sqlite(value: ValueRef<'_>) -> Value {
    let blob = |bytes: &[u8]| json!({ "base64": STANDARD.encode(bytes) });
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(whole) => Value::from(whole),
        ValueRef::Real(real) if real.is_finite() => Value::from(real),
        ValueRef::Real(real) if real > 0.0 => Value::from("Infinity"),
        ValueRef::Real(_) => Value::from("-Infinity"),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::from(text),
            Err(_) => blob(bytes),
        },
        ValueRef::Blob(bytes) => blob(bytes),
    }
}
