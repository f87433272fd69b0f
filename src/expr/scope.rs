//! The names that a template or an expression can use.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::Value;
use minijinja::value::{Enumerator, Object, Serde};

/// The names that a template or an expression can use. A child sees its parent's names and may hide them.
///
/// Cloning is cheap and shares what is shared: a step that finishes is seen by every scope of its run.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    names: Arc<BTreeMap<String, Value>>,
    steps: Steps,
}

/// The steps that have ended, as `steps.<name>.<output>`.
#[derive(Clone, Debug, Default)]
struct Steps(Arc<Mutex<BTreeMap<String, Value>>>);

impl Object for Steps {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        steps.get(key.as_str()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Enumerator::Values(
            steps
                .keys()
                .map(|name| Value::from(name.as_str()))
                .collect(),
        )
    }
}

impl Scope {
    /// A scope without names.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// This scope with one more name.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        Arc::make_mut(&mut self.names).insert(name.to_owned(), value);
        self
    }

    /// A scope that sees these names and also those of a JSON object.
    #[must_use]
    pub fn with_all<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a String, &'a serde_json::Value)>,
    ) -> Self {
        let mut child = self.clone();
        let names = Arc::make_mut(&mut child.names);
        for (name, value) in values {
            names.insert(name.clone(), Value::from(Serde(value)));
        }
        child
    }

    /// A scope with the same names but steps of its own, for a sub-runbook.
    #[must_use]
    pub fn nested(&self) -> Self {
        Self {
            names: Arc::clone(&self.names),
            steps: Steps::default(),
        }
    }

    /// Records how a step ended, for `steps.<name>`, seen at once by every scope that shares these steps.
    pub fn finish_step(&self, name: &str, outputs: &serde_json::Value) {
        let mut steps = self.steps.0.lock().unwrap_or_else(PoisonError::into_inner);
        steps.insert(name.to_owned(), Value::from(Serde(outputs)));
    }

    /// The value that MiniJinja evaluates against.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::from_object(self.clone())
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "steps" => Some(Value::from_object(self.steps.clone())),
            name => self.names.get(name).cloned(),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(
            self.names
                .keys()
                .map(|name| Value::from(name.as_str()))
                .chain([Value::from("steps")])
                .collect(),
        )
    }
}
