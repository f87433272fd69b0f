//! Holds the schema and the parser against each other.

use std::collections::BTreeSet;

use serde_json::Value;

use super::runbook_schema;
use super::validate::wrong;
use crate::book::testing::{VOCABULARY, parse};

fn keys(schema: &Value, pointer: &str) -> Vec<String> {
    let properties = schema.pointer(pointer).and_then(Value::as_object);
    let properties = properties.unwrap_or_else(|| panic!("no {pointer}"));
    properties.keys().cloned().collect()
}

/// The parser must know every key that the schema offers.
#[test]
fn the_parser_knows_every_key_of_the_schema() {
    let schema = runbook_schema(VOCABULARY);
    let step = "/properties/step/items/properties";
    let places = [
        ("/properties", ""),
        (
            "/properties/input/additionalProperties/properties",
            "[input.x]\n",
        ),
        ("/properties/finding/items/properties", "[[finding]]\n"),
        (step, "[[step]]\n"),
        (
            &format!("{step}/unless/properties"),
            "[[step]]\n[step.unless]\n",
        ),
        (
            &format!("{step}/retry/anyOf/1/properties"),
            "[[step]]\n[step.retry]\n",
        ),
        (
            &format!("{step}/repeat/properties"),
            "[[step]]\n[step.repeat]\n",
        ),
        (
            &format!("{step}/artifact/properties"),
            "[[step]]\n[step.artifact]\n",
        ),
        (
            &format!("{step}/undo/properties"),
            "[[step]]\n[step.undo]\n",
        ),
    ];
    for (pointer, header) in places {
        for key in keys(&schema, pointer) {
            let text = format!("{header}{key} = 1979-05-27\nunknown-key = 1\n");
            let mistakes = parse(&text).expect_err("nothing takes a date").to_string();
            assert!(mistakes.contains("unknown-key"), "{text}\n{mistakes}");
            assert_eq!(
                mistakes.matches("unknown key").count(),
                1,
                "{text}\n{mistakes}"
            );
        }
    }
}

/// Every key that the parser's source asks for by name must be in the schema.
#[test]
fn the_schema_offers_every_key_of_the_parser() {
    let sources = [
        include_str!("../runbook.rs"),
        include_str!("../declaration.rs"),
        include_str!("../step.rs"),
        include_str!("../pace.rs"),
    ];
    let asked = regex::Regex::new(
        r#"(?:optional\(|required\(|read\(\s*&table,\s*|expression\(&table,\s*|flag\(&table,\s*)"([a-z_]+)""#,
    )
    .expect("a pattern");
    let schema = runbook_schema(VOCABULARY).to_string();
    let asked: BTreeSet<&str> = sources
        .iter()
        .flat_map(|source| asked.captures_iter(source))
        .filter_map(|captures| captures.get(1))
        .map(|found| found.as_str())
        .collect();
    assert!(asked.len() > 40, "{asked:?}");
    for key in asked {
        assert!(
            schema.contains(&format!("\"{key}\":{{")),
            "`{key}` is missing"
        );
    }
}

#[test]
fn a_runbook_of_every_kind_of_value_satisfies_the_schema() {
    let text = r#"
title = "t"
requires = ["wrangler >= 4.87"]
[input.table]
type = "string"
default = "x"
[[step]]
name = "a"
sql.query = "SELECT 1"
sql.on = "main"
for_each.x = ["a", 1]
retry = { attempts = 2, on = ["error"] }
save = { n = "rows[0].n", one = 1 }
[[step]]
name = "b"
http.post = "/x"
http.headers = { X-A = "b" }
http.redirects = "{{ input.table }}"
http.version = "2"
http.json = { a = [1, { b = true }] }
retry = 3
unless = { http.get = "/y", expect = "status == 200" }
undo.command.run = ["true"]
effect = "write"
[[finally]]
name = "c"
set.values = { a = "1", b = 2 }
[[finding]]
when = "true"
cause = "c"
"#;
    parse(text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let value = serde_json::to_value(toml::from_str::<toml::Table>(text).expect("TOML"));
    let schema = runbook_schema(VOCABULARY);
    assert_eq!(
        wrong(&schema, &value.expect("a value")),
        Vec::<String>::new()
    );
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-04/schema#");
}

#[test]
fn the_schema_refuses_what_the_parser_refuses() {
    let schema = runbook_schema(VOCABULARY);
    let found = |value: Value| wrong(&schema, &value).join("\n");
    let step = |step: Value| serde_json::json!({"title": "t", "step": [step]});
    assert_eq!(
        found(step(serde_json::json!({"name": "a", "timeuot": "3s"}))),
        "/step/0/timeuot: unknown"
    );
    assert!(
        found(step(serde_json::json!({"name": "a", "http": {"gte": "/"}})))
            .contains("/step/0/http/gte: unknown")
    );
    assert!(
        found(step(
            serde_json::json!({"name": "a", "http": {"get": "/", "post": "/"}})
        ))
        .contains("oneOf")
    );
    assert!(found(step(serde_json::json!({"name": "a", "effect": "reed"}))).contains("enum"));
    assert!(found(serde_json::json!({"step": []})).contains("required"));
}
