//! The names that every step of a run can use: inputs, the estate, secrets, the run itself.

use std::collections::BTreeMap;

use minijinja::Value;
use minijinja::value::Serde;
use serde_json::{Map, json};

use crate::base::RunId;
use crate::config::scope_values;
use crate::expr::{Scope, secret_value, trusted_url};

use super::Engine;

impl Engine<'_> {
    /// The scope that a runbook with these inputs starts from.
    pub(super) fn scope(&self, inputs: &Map<String, serde_json::Value>, run: RunId) -> Scope {
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
            .with("input", Value::from(Serde(inputs)))
    }
}
