//! The part of JSON Schema that our schemas use, for tests.

use serde_json::Value;

/// What is wrong with a value, by its path.
pub(crate) fn wrong(root: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(root, root, value, "", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    for (word, rule) in schema.as_object().into_iter().flatten() {
        let holds = match word.as_str() {
            "$ref" => {
                let pointer = rule.as_str().and_then(|text| text.strip_prefix('#'));
                let target = pointer.and_then(|pointer| root.pointer(pointer));
                check(root, target.expect("a definition"), value, path, found);
                true
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|rule| is_type(rule, value)),
                rule => is_type(rule, value),
            },
            "enum" => rule.as_array().is_some_and(|words| words.contains(value)),
            "anyOf" | "oneOf" => {
                let matching = rule.as_array().into_iter().flatten().filter(|schema| {
                    let mut inner = Vec::new();
                    check(root, schema, value, path, &mut inner);
                    inner.is_empty()
                });
                match matching.count() {
                    0 => false,
                    1 => true,
                    _ => word == "anyOf",
                }
            }
            "required" => rule.as_array().into_iter().flatten().all(|key| {
                let key = key.as_str().expect("a key");
                value
                    .as_object()
                    .is_none_or(|table| table.contains_key(key))
            }),
            "pattern" => value.as_str().is_none_or(|text| {
                let pattern = regex::Regex::new(rule.as_str().expect("a pattern"));
                pattern.expect("a pattern").is_match(text)
            }),
            "minItems" => value.as_array().is_none_or(|items| !items.is_empty()),
            "minProperties" => value.as_object().is_none_or(|table| !table.is_empty()),
            "maxProperties" => value.as_object().is_none_or(|table| table.len() <= 1),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{path}/{index}"), found);
                }
                true
            }
            "properties" => true,
            "additionalProperties" => {
                for (key, item) in value.as_object().into_iter().flatten() {
                    let path = format!("{path}/{key}");
                    match (&schema["properties"][key], rule) {
                        (Value::Null, Value::Bool(false)) => found.push(format!("{path}: unknown")),
                        (Value::Null, rule) => check(root, rule, item, &path, found),
                        (own, _) => check(root, own, item, &path, found),
                    }
                }
                true
            }
            "$schema" | "title" | "description" | "definitions" => true,
            other => panic!("the schema uses {other}, which this check does not know"),
        };
        if !holds {
            found.push(format!("{path}: {word} {rule}"));
        }
    }
}

fn is_type(rule: &Value, value: &Value) -> bool {
    match rule.as_str().expect("a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        other => panic!("unknown type {other}"),
    }
}
