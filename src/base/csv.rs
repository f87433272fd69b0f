//! Rows as comma-separated values: RFC 4180, with values of JSON as its fields.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::text::hexadecimal;

/// Writes names as a record.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_names<S: AsRef<str>>(
    out: &mut dyn Write,
    names: impl IntoIterator<Item = S>,
) -> io::Result<()> {
    for (index, name) in names.into_iter().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        write_text(out, name.as_ref())?;
    }
    out.write_all(b"\r\n")
}

/// Writes values as a record: null is an empty field and an empty text is `""`, a blob is `\x` and hexadecimal digits, a list
/// or table its JSON.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_values<'v>(
    out: &mut dyn Write,
    values: impl IntoIterator<Item = &'v Value>,
) -> io::Result<()> {
    let mut fields = 0;
    let mut is_null = false;
    for value in values {
        if fields > 0 {
            out.write_all(b",")?;
        }
        fields += 1;
        is_null = value.is_null();
        write_value(out, value)?;
    }
    if fields == 1 && is_null {
        // Readers pass over an empty line, and the row would be gone.
        out.write_all(b"\"\"")?;
    }
    out.write_all(b"\r\n")
}

fn write_value(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    match value {
        Value::Null => Ok(()),
        Value::Bool(truth) => write!(out, "{truth}"),
        Value::Number(number) => write!(out, "{number}"),
        Value::String(text) => write_text(out, text),
        other => match blob(other) {
            Some(bytes) => write!(out, "\\x{}", hexadecimal(&bytes)),
            None => write_text(out, &other.to_string()),
        },
    }
}

fn write_text(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let is_plain = !text.is_empty()
        && !text.starts_with([' ', '\t'])
        && !text.ends_with([' ', '\t'])
        && !text
            .bytes()
            .any(|byte| matches!(byte, b',' | b'"' | b'\r' | b'\n'));
    if is_plain {
        return out.write_all(text.as_bytes());
    }
    out.write_all(b"\"")?;
    for (index, part) in text.split('"').enumerate() {
        if index > 0 {
            out.write_all(b"\"\"")?;
        }
        out.write_all(part.as_bytes())?;
    }
    out.write_all(b"\"")
}

/// The bytes of `{"base64": "…"}`, as databases give a blob.
#[must_use]
pub fn blob(value: &Value) -> Option<Vec<u8>> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    STANDARD.decode(fields.get("base64")?.as_str()?).ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{write_names, write_values};

    fn record(values: &[Value]) -> String {
        let mut out = Vec::new();
        write_values(&mut out, values).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The fields of one record, by the grammar of RFC 4180; whether each was quoted.
    fn read(record: &str) -> Vec<(String, bool)> {
        let mut fields = Vec::new();
        let mut rest = record.strip_suffix("\r\n").unwrap();
        loop {
            let (field, quoted, after) = match rest.strip_prefix('"') {
                Some(inside) => {
                    let mut end = 0;
                    while let Some(found) = inside[end..].find('"') {
                        end += found + 1;
                        if !inside[end..].starts_with('"') {
                            break;
                        }
                        end += 1;
                    }
                    (
                        inside[..end - 1].replace("\"\"", "\""),
                        true,
                        &inside[end..],
                    )
                }
                None => {
                    let end = rest.find(',').unwrap_or(rest.len());
                    (rest[..end].to_owned(), false, &rest[end..])
                }
            };
            fields.push((field, quoted));
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None => {
                    assert_eq!(after, "");
                    return fields;
                }
            }
        }
    }

    #[test]
    fn every_value_has_its_form() {
        assert_eq!(
            record(&[
                json!(null),
                json!(""),
                json!(true),
                json!(-7),
                json!(9_007_199_254_740_993_i64),
                json!(0.1),
                json!("a,b"),
                json!("say \"hi\"\r\n"),
                json!(" x"),
                json!({"base64": "AP8="}),
                json!({"a": [1, null]}),
            ]),
            ",\"\",true,-7,9007199254740993,0.1,\"a,b\",\"say \"\"hi\"\"\r\n\",\" x\",\\x00ff,\"{\"\"a\"\":[1,null]}\"\r\n"
        );
        assert_eq!(record(&[json!(null)]), "\"\"\r\n");
        assert_eq!(record(&[json!(null), json!(null)]), ",\r\n");
        let mut names = Vec::new();
        write_names(&mut names, ["n", "a \"b\"", ""]).unwrap();
        assert_eq!(names, b"n,\"a \"\"b\"\"\",\"\"\r\n");
    }

    proptest! {
        #[test]
        fn any_text_comes_back(texts in prop::collection::vec(any::<String>(), 1..5)) {
            let values: Vec<Value> = texts.iter().cloned().map(Value::from).collect();
            let fields: Vec<String> = read(&record(&values)).into_iter().map(|(field, _)| field).collect();
            prop_assert_eq!(fields, texts);
        }

        #[test]
        fn null_is_no_text(texts in prop::collection::vec(any::<Option<String>>(), 2..5)) {
            let values: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
            let fields = read(&record(&values));
            let told: Vec<Option<String>> = fields
                .into_iter()
                .map(|(field, quoted)| (quoted || !field.is_empty()).then_some(field))
                .collect();
            prop_assert_eq!(told, texts);
        }
    }
}
