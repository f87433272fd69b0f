//! Runbooks described for editors: JSON Schema, Draft 4, the newest that TOML editors understand. Made from the actions'
//! own descriptions and one list of keys, which tests hold against the parser.

mod keys;
mod shape;
#[cfg(test)]
#[expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod tests;
#[cfg(test)]
#[expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]
pub(crate) mod validate;

use serde_json::Value;

use crate::model::Vocabulary;

pub use keys::{HEARTBEAT, STEP};
pub use shape::{Extension, Key, Shape, TableShape, schema};

/// The schema of a runbook.
#[must_use]
pub fn runbook_schema(vocabulary: Vocabulary) -> Value {
    schema("A runbook of opsbook", &keys::RUNBOOK, vocabulary)
}
