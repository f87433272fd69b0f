//! Filters over texts and lists.

use base64::Engine as _;
use minijinja::value::{Rest, Serde};
use minijinja::{Environment, Error, Value};
use regex::{Regex, RegexBuilder};

use super::{LONGEST_TEXT, from_fault, optional, refused};
use crate::base::Secret;
use crate::expr::value::{SecretText, items_of, json_of, secret_value, text_of};

/// The largest compiled regular expression, in bytes.
const LARGEST_REGEX: usize = 1 << 20;

pub(super) fn register(environment: &mut Environment<'static>) {
    environment.add_filter("b64encode", b64encode);
    environment.add_filter("batch", batch);
    environment.add_filter("fromjson", fromjson);
    environment.add_filter("join", join);
    environment.add_filter("regex_match", matches);
    environment.add_filter("replace", replace);
    environment.add_filter("tojson", tojson);
    environment.add_test("matches", matches);
}

fn b64encode(value: &Value) -> Result<Value, Error> {
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    if let Some(secret) = value.downcast_object_ref::<SecretText>() {
        return Ok(secret_value(&Secret::new(encode(secret.0.expose()))));
    }
    Ok(Value::from(encode(&text_of(value).map_err(from_fault)?)))
}

fn fromjson(text: &str) -> Result<Value, Error> {
    serde_json::from_str::<serde_json::Value>(text)
        .map(|value| Value::from(Serde(&value)))
        .map_err(|error| refused(format!("the text is not JSON: {error}")))
}

/// Unlike MiniJinja's, never fills the last part up: that could take any amount of memory.
fn batch(value: &Value, count: usize) -> Result<Vec<Value>, Error> {
    if count == 0 {
        return Err(refused("a part of a list holds at least one item"));
    }
    Ok(items_of(value)
        .map_err(from_fault)?
        .chunks(count)
        .map(|part| Value::from(part.to_vec()))
        .collect())
}

fn tojson(value: &Value) -> Result<String, Error> {
    Ok(json_of(value).map_err(from_fault)?.to_string())
}

/// Unlike MiniJinja's, refuses null and secrets among the items, and keeps within a limit.
fn join(value: &Value, arguments: Rest<Value>) -> Result<String, Error> {
    let between = match optional(&arguments)? {
        Some(between) => text_of(between).map_err(from_fault)?,
        None => String::new(),
    };
    let mut joined = String::new();
    for (index, item) in items_of(value).map_err(from_fault)?.iter().enumerate() {
        if index > 0 {
            joined.push_str(&between);
        }
        if item.downcast_object_ref::<SecretText>().is_some() {
            return Err(refused("a secret cannot be joined with other text"));
        }
        joined.push_str(&text_of(item).map_err(from_fault)?);
        bounded(joined.len())?;
    }
    Ok(joined)
}

/// Unlike MiniJinja's, keeps within a limit.
fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    let grown = text
        .matches(from)
        .count()
        .saturating_mul(to.len())
        .saturating_add(text.len());
    bounded(grown)?;
    Ok(text.replace(from, to))
}

fn bounded(length: usize) -> Result<(), Error> {
    if length > LONGEST_TEXT {
        return Err(refused("the text becomes longer than 4 MiB"));
    }
    Ok(())
}

fn matches(text: &str, pattern: &str) -> Result<bool, Error> {
    Ok(regex(pattern)?.is_match(text))
}

fn regex(pattern: &str) -> Result<Regex, Error> {
    RegexBuilder::new(pattern)
        .size_limit(LARGEST_REGEX)
        .build()
        .map_err(|error| {
            let reason = crate::base::text::one_line(&error.to_string());
            refused(format!("{pattern:?} is not a regular expression: {reason}"))
        })
}
