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
    ) -> Scope {
        let estate = scope_values(self.config);
        let mut scope = Scope::new().with_all(&estate);
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
        let about = json!({ "id": run, "environment": self.config.environment, "dry": false });
        scope = scope
            .with("service", Value::from(services))
            .with("secret", Value::from(secrets));
        scope
            .with("run", Value::from(Serde(about)))
            .with("input", input_values(runbook, inputs))
    }
}

/// The inputs as expressions see them. A secret that the caller handed over is as much a secret as a configured one.
fn input_values(runbook: &Runbook, inputs: &Map<String, serde_json::Value>) -> Value {
    let secrets: Vec<String> = runbook
        .inputs
        .iter()
        .filter(|input| input.kind == InputType::Secret)
        .map(crate::model::Input::variable)
        .collect();
    let values: BTreeMap<String, Value> = inputs
        .iter()
        .map(|(name, value)| {
            let value = if secrets.contains(name) {
                hidden(value)
            } else {
                Value::from(Serde(value))
            };
            (name.clone(), value)
        })
        .collect();
    Value::from(values)
}

/// The texts of a value as secrets.
fn hidden(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::String(text) => secret_value(&Secret::new(text.clone())),
        serde_json::Value::Array(items) => items.iter().map(hidden).collect(),
        other => Value::from(Serde(other)),
    }
}
