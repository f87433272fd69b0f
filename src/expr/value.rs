//! The values that need more care than MiniJinja gives: secrets, trusted URLs and SQL names; and values as text and JSON.

use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Object, ObjectRepr, ValueKind};

use super::error::Fault;
use crate::base::Secret;

/// Follows the `***` of a secret that became part of another text, so that it is found and refused.
/// A noncharacter: no text that is meant to be exchanged holds it.
const SECRET_MARK: char = '\u{fdd1}';

/// A list or a value in it of more items than this is refused.
const MOST_ITEMS: usize = 1_000_000;

/// Lists and tables may be nested this deep.
const DEEPEST: usize = 128;

/// A secret inside templates: its text goes only where it is meant to go, and everything else sees `***`.
pub(super) struct SecretText(pub(super) Secret);

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "***{SECRET_MARK}")
    }
}

impl Object for SecretText {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "***{SECRET_MARK}")
    }
}

/// The value that stands for a secret in a [`super::Scope`].
///
/// It reaches SQL parameters, shell variables, headers, URLs and JSON with its text; command lines refuse it,
/// messages show `***`. Joined with other text inside an expression it is refused, but for `b64encode`.
#[must_use]
pub fn secret_value(secret: &Secret) -> Value {
    Value::from_object(SecretText(secret.clone()))
}

/// A base URL of the configuration.
#[derive(Debug)]
pub(super) struct TrustedUrl(pub(super) String);

impl Object for TrustedUrl {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The value that stands for a base URL of the configuration in a [`super::Scope`]: at the very start of a URL it is
/// taken as it is, where every other value is percent-encoded.
#[must_use]
pub fn trusted_url(url: &str) -> Value {
    Value::from_object(TrustedUrl(url.to_owned()))
}

/// The name of a table or column, quoted when it lands in SQL.
#[derive(Debug)]
pub(super) struct Identifier(pub(super) String);

impl Object for Identifier {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What messages call the kind of a value.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined => "not defined",
        ValueKind::None => "null",
        ValueKind::Bool => "true or false",
        ValueKind::Number => "a number",
        ValueKind::String | ValueKind::Bytes => "a text",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        ValueKind::Map => "a table",
        _ if is_secret(value) => "a secret",
        _ => "a text",
    }
}

pub(super) fn is_secret(value: &Value) -> bool {
    value.downcast_object_ref::<SecretText>().is_some()
}

/// Whether the value is a list or a table, which have no text of their own.
pub(super) fn is_compound(value: &Value) -> bool {
    matches!(
        value.kind(),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map
    )
}

/// The text of one value: a secret's own text, JSON for lists and tables. Null has none.
pub(super) fn text_of(value: &Value) -> Result<String, Fault> {
    if let Some(secret) = value.downcast_object_ref::<SecretText>() {
        return Ok(secret.0.expose().to_owned());
    }
    match value.kind() {
        ValueKind::None => Err(Fault::new("the value is null")
            .help("give it another value with `| default(\"…\", true)`")),
        ValueKind::Bool => Ok(value.is_true().to_string()),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => Ok(json_of(value)?.to_string()),
        _ => unmarked(value.to_string()),
    }
}

/// The text of one value for a person: `***` for a secret, `null` for null.
pub(super) fn message_of(value: &Value) -> Result<String, Fault> {
    if is_secret(value) {
        return Ok("***".to_owned());
    }
    if value.is_none() {
        return Ok("null".to_owned());
    }
    text_of(value)
}

/// The same value as JSON.
pub(super) fn json_of(value: &Value) -> Result<serde_json::Value, Fault> {
    json_within(value, DEEPEST)
}

fn json_within(value: &Value, depth: usize) -> Result<serde_json::Value, Fault> {
    if depth == 0 {
        return Err(Fault::new(format!(
            "the value is nested more than {DEEPEST} deep"
        )));
    }
    if is_secret(value) {
        return Err(joined_secret());
    }
    match value.kind() {
        ValueKind::Undefined => Err(Fault::new("a part of the value is not defined")),
        ValueKind::None => Ok(serde_json::Value::Null),
        ValueKind::Bool => Ok(value.is_true().into()),
        ValueKind::Number => number_of(value),
        ValueKind::Seq | ValueKind::Iterable => items_of(value)?
            .iter()
            .map(|item| json_within(item, depth - 1))
            .collect(),
        ValueKind::Map => {
            let mut entries = serde_json::Map::new();
            for key in items_of(value)? {
                let item = value
                    .get_item(&key)
                    .map_err(|error| Fault::new(error.to_string()))?;
                entries.insert(unmarked(key.to_string())?, json_within(&item, depth - 1)?);
            }
            Ok(entries.into())
        }
        _ => unmarked(value.to_string()).map(Into::into),
    }
}

fn number_of(value: &Value) -> Result<serde_json::Value, Fault> {
    serde_json::to_value(value)
        .ok()
        .filter(serde_json::Value::is_number)
        .ok_or_else(|| Fault::new(format!("{value} is not a number that JSON can hold")))
}

/// The items of a list or the keys of a table.
pub(super) fn items_of(value: &Value) -> Result<Vec<Value>, Fault> {
    let items: Vec<Value> = value
        .try_iter()
        .map_err(|_| Fault::new(format!("this is {}, not a list", kind_of(value))))?
        .take(MOST_ITEMS + 1)
        .collect();
    if items.len() > MOST_ITEMS {
        return Err(Fault::new(format!(
            "the list has more than {} items",
            crate::base::text::thousands(MOST_ITEMS as u64)
        )));
    }
    Ok(items)
}

/// Refuses a text that a secret was made part of.
pub(super) fn unmarked(text: String) -> Result<String, Fault> {
    if text.contains(SECRET_MARK) {
        return Err(joined_secret());
    }
    Ok(text)
}

fn joined_secret() -> Fault {
    Fault::new("a secret cannot be joined with other text or become part of a value").help(
        "write it by itself: `Bearer {{ secret.token }}`, not `{{ \"Bearer \" ~ secret.token }}`",
    )
}
