//! The names that every step of a run can use: inputs, the estate, secrets, the run itself.

use std::collections::BTreeMap;

use minijinja::Value;
use minijinja::value::Serde;
use serde_json::{Map, json};

use crate::base::{RunId, Secret};
use crate::config::scope_values;
use crate::expr::{Scope, secret_value, trusted_url};
use crate::model::{InputType, Runbook};

use super::Engine;

impl Engine<'_> {
    /// The scope that a runbook with these inputs starts from.
    pub(super) fn scope(
        &self,
        runbook: &Runbook,
        inputs: &Map<String, serde_json::Value>,
        run: RunId,
        dry: bool,
    ) -> Scope {
        let mut scope = Scope::new();
        for (name, value) in &scope_values(self.config) {
            scope.define(name, Value::from(Serde(value)));
        }
        let services: BTreeMap<String, Value> = self
            .config
            .services
            .iter()
            .map(|service| {
                let url = service.url.as_deref().map_or(Value::UNDEFINED, trusted_url);
                let fields = BTreeMap::from([
                    ("name".to_owned(), Value::from(service.name.as_str())),
                    ("url".to_owned(), url),
                ]);
                (service.name.clone(), Value::from(fields))
            })
            .collect();
        let secrets: BTreeMap<String, Value> = self
            .secrets
            .iter()
            .map(|(name, secret)| (name.clone(), secret_value(secret)))
            .collect();
        let about = json!({ "id": run, "environment": self.config.environment, "dry": dry });
        scope.define("service", Value::from(services));
        scope.define("secret", Value::from(secrets));
        scope.define("run", Value::from(Serde(about)));
        scope.define("input", input_values(runbook, inputs));
        scope
    }
}

/// `input`, with those inputs that must not be seen as secrets: they are refused wherever a secret is.
fn input_values(runbook: &Runbook, inputs: &Map<String, serde_json::Value>) -> Value {
    let is_secret = |name: &str| {
        runbook
            .inputs
            .iter()
            .any(|input| input.kind == InputType::Secret && input.variable() == name)
    };
    let values: BTreeMap<String, Value> = inputs
        .iter()
        .map(|(name, value)| {
            let value = if is_secret(name) {
                hidden(value)
            } else {
                Value::from(Serde(value))
            };
            (name.clone(), value)
        })
        .collect();
    Value::from(values)
}

fn hidden(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::String(text) => secret_value(&Secret::new(text.clone())),
        serde_json::Value::Array(items) => items.iter().map(hidden).collect(),
        other => Value::from(Serde(other)),
    }
}
