//! What values an input takes beyond its type, in words.

use serde_json::Value;

use crate::base::Size;
use crate::model::{Input, InputType};

/// The limits of an input, separated by semicolons; empty where its type says all.
pub(super) fn limits(input: &Input) -> String {
    let mut limits = Vec::new();
    if !input.choices.is_empty() {
        limits.push(format!("one of {}", input.choices.join(", ")));
    }
    if let Some(pattern) = &input.pattern {
        limits.push(format!("matches {pattern}"));
    }
    limits.extend(bounds(input));
    if input.many {
        limits.push("several".to_owned());
    }
    limits.join("; ")
}

fn bounds(input: &Input) -> Option<String> {
    let unit = match input.kind {
        InputType::String | InputType::Secret => " characters",
        _ => "",
    };
    let bound = |value| text(input, value);
    Some(match (&input.min, &input.max) {
        (Some(min), Some(max)) => format!("{} to {}{unit}", bound(min), bound(max)),
        (Some(min), None) => format!("at least {}{unit}", bound(min)),
        (None, Some(max)) => format!("at most {}{unit}", bound(max)),
        (None, None) => return None,
    })
}

/// A value of an input, or a bound of one, as a person reads it.
pub(super) fn text(input: &Input, value: &Value) -> String {
    match (input.kind, value) {
        (InputType::Size, Value::Number(bytes)) => bytes
            .as_u64()
            .map_or_else(|| bytes.to_string(), |bytes| Size(bytes).to_string()),
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}
