//! What the tests of this layer share: a runbook's text without a runbook, a clock that stands still, hostile strings.

use std::sync::Arc;

use chrono::{TimeZone, Utc};
use minijinja::Value;
use minijinja::value::Serde;
use proptest::prelude::*;

use super::{Argument, EvalError, Evaluator, Scope};
use crate::base::{FixedClock, Place, SourceFile};
use crate::model::{Expression, Kind, Node, Template};

pub(super) fn evaluator() -> Evaluator {
    let now = Utc.with_ymd_and_hms(2026, 12, 31, 12, 0, 0);
    Evaluator::new(Arc::new(FixedClock(now.single().unwrap_or_default())))
}

/// A template that stands as a literal string in a file.
pub(super) fn template(text: &str) -> Template {
    let source = SourceFile::new("book.toml", format!("key = '{text}'\n"));
    let place = Place::new(&source, 6..8 + text.len());
    Template {
        text: text.to_owned(),
        place,
    }
}

pub(super) fn expression(text: &str) -> Expression {
    let Template { text, place } = template(text);
    Expression { text, place }
}

/// A scope with the names of a JSON object.
pub(super) fn scope(names: &serde_json::Value) -> Scope {
    names
        .as_object()
        .into_iter()
        .flatten()
        .fold(Scope::new(), |scope, (name, value)| {
            scope.with(name, Value::from(Serde(value)))
        })
}

pub(super) fn land(text: &str, kind: Kind, scope: &Scope) -> Result<Argument, EvalError> {
    evaluator().argument(&Node::Text(template(text)), kind, scope)
}

/// Asserts that a template is refused for this kind, with these words, and points at this part of it.
#[track_caller]
pub(super) fn refused(text: &str, kind: Kind, scope: &Scope, words: &str, part: &str) {
    match land(text, kind, scope) {
        Ok(landed) => assert_eq!(format!("{landed:?}"), "an error", "{text}"),
        Err(error) => {
            assert!(error.message.contains(words), "{text}: {error:?}");
            let blamed = error.place.source.slice(error.place.range.clone());
            assert_eq!(blamed, part, "{text}: {error:?}");
        }
    }
}

/// Strings as an attacker would write them.
pub(super) fn hostile() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just("`".to_owned()),
        Just("\\".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("$(touch /nowhere/x)".to_owned()),
        Just("${HOME}".to_owned()),
        Just("; DROP TABLE t; --".to_owned()),
        Just("/*".to_owned()),
        Just("*/".to_owned()),
        Just("?1".to_owned()),
        Just("{{ x }}".to_owned()),
        Just("{% raw %}".to_owned()),
        Just("../".to_owned()),
        Just("..".to_owned()),
        Just("%2e%2e".to_owned()),
        Just("%00".to_owned()),
        Just("//evil.example.org".to_owned()),
        Just("@evil.example.org:80".to_owned()),
        Just("#x".to_owned()),
        Just("&a=b".to_owned()),
        Just("--".to_owned()),
        Just("-rf".to_owned()),
        Just("*".to_owned()),
        Just("~".to_owned()),
        Just(" ".to_owned()),
        Just("\t".to_owned()),
        Just("é日本🦀".to_owned()),
        Just("\u{202e}\u{fdd0}".to_owned()),
        Just("!1".to_owned()),
        "[a-z0-9]{1,4}".prop_map(|text| text),
        any::<char>().prop_map(|character| character.to_string()),
    ];
    proptest::collection::vec(part, 0..8)
        .prop_map(|parts| parts.concat())
        .prop_filter("the mark of secrets", |text| !text.contains('\u{fdd1}'))
}
