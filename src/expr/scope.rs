//! The names that a template or an expression can use.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::Value;
use minijinja::value::{Enumerator, Object, Serde};

use super::unknown::{is_unknown, unknown};

/// The names that a template or an expression can use. A child sees its parent's names and may hide them.
///
/// Cloning is cheap and shares what is shared: a step that finishes is seen by every scope of its run.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The names of the whole run. They may be thousands: a child shares them and never copies them.
    common: Arc<BTreeMap<String, Value>>,
    /// The names of one step, one item or one turn of a loop, before those of the run.
    own: Arc<BTreeMap<String, Value>>,
    steps: Steps,
    /// Whether any of these names is known only after the run.
    unknown: Arc<AtomicBool>,
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
        Arc::make_mut(&mut self.own).insert(name.to_owned(), value);
        self
    }

    /// A scope that sees these names and also those of a JSON object.
    #[must_use]
    pub fn with_all<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a String, &'a serde_json::Value)>,
    ) -> Self {
        let mut child = self.clone();
        let names = Arc::make_mut(&mut child.own);
        for (name, value) in values {
            names.insert(name.clone(), Value::from(Serde(value)));
        }
        child
    }

    /// A scope that sees these names and also those of a JSON object that occur in a text. What an expression does not name
    /// is not copied: the body of an answer may be millions of values.
    #[must_use]
    pub fn with_named_in<'a>(
        &self,
        text: &str,
        values: impl IntoIterator<Item = (&'a String, &'a serde_json::Value)>,
    ) -> Self {
        self.with_all(
            values
                .into_iter()
                .filter(|(name, _)| text.contains(name.as_str())),
        )
    }

    /// Adds a name for the rest of the run, seen by the scopes that are made from this one later.
    pub fn define(&mut self, name: &str, value: Value) {
        Arc::make_mut(&mut self.common).insert(name.to_owned(), value);
    }

    /// Records how a step ended, for `steps.<name>`, seen at once by every scope that shares these steps.
    pub fn finish_step(&self, name: &str, outputs: &serde_json::Value) {
        let mut steps = self.steps.0.lock().unwrap_or_else(PoisonError::into_inner);
        steps.insert(name.to_owned(), Value::from(Serde(outputs)));
    }

    /// Adds a name whose value is known only after the run.
    pub fn define_unknown(&mut self, name: &str) {
        self.unknown.store(true, Ordering::Relaxed);
        self.define(name, unknown());
    }

    /// Records that what a step gives is known only after the run.
    pub fn finish_step_unknown(&self, name: &str) {
        self.unknown.store(true, Ordering::Relaxed);
        let mut steps = self.steps.0.lock().unwrap_or_else(PoisonError::into_inner);
        steps.insert(name.to_owned(), unknown());
    }

    /// Whether any name is known only after the run.
    pub(super) fn has_unknown(&self) -> bool {
        self.unknown.load(Ordering::Relaxed)
    }

    /// Whether what any step gives is known only after the run.
    pub(super) fn has_unknown_step(&self) -> bool {
        let steps = self.steps.0.lock().unwrap_or_else(PoisonError::into_inner);
        steps.values().any(is_unknown)
    }

    /// The value of a name.
    pub(super) fn look(&self, name: &str) -> Option<Value> {
        match name {
            "steps" => Some(Value::from_object(self.steps.clone())),
            name => self
                .own
                .get(name)
                .or_else(|| self.common.get(name))
                .cloned(),
        }
    }

    /// The value that MiniJinja evaluates against.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::from_object(self.clone())
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.look(key.as_str()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let hidden = |name: &&String| self.own.contains_key(*name);
        Enumerator::Values(
            self.own
                .keys()
                .chain(self.common.keys().filter(|name| !hidden(name)))
                .map(|name| Value::from(name.as_str()))
                .chain([Value::from("steps")])
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use minijinja::Value;

    use super::Scope;

    fn look(scope: &Scope, name: &str) -> Value {
        scope.to_value().get_attr(name).unwrap_or_default()
    }

    #[test]
    fn own_names_hide_common_ones_and_a_child_adds_nothing_to_its_parent() {
        let mut run = Scope::new();
        run.define("a", Value::from(1));
        run.define("b", Value::from(2));
        let child = run.clone().with("a", Value::from(3));
        assert_eq!(look(&child, "a"), Value::from(3));
        assert_eq!(look(&child, "b"), Value::from(2));
        assert_eq!(look(&run, "a"), Value::from(1));
        let names: Vec<String> = child
            .to_value()
            .try_iter()
            .into_iter()
            .flatten()
            .map(|name| name.to_string())
            .collect();
        assert_eq!(names, ["a", "b", "steps"]);
    }

    #[test]
    fn what_a_run_defines_later_is_not_seen_by_scopes_made_before() {
        let mut run = Scope::new();
        let before = run.clone();
        run.define("a", Value::from(1));
        assert!(look(&before, "a").is_undefined());
    }

    #[test]
    fn what_a_text_does_not_name_is_not_copied_for_it() {
        let values = serde_json::Map::from_iter([
            ("status".to_owned(), 200.into()),
            ("json".to_owned(), 1.into()),
        ]);
        let child = Scope::new().with_named_in("status == 200", &values);
        assert_eq!(look(&child, "status"), Value::from(200));
        assert!(look(&child, "json").is_undefined());
    }

    #[test]
    fn the_names_of_a_run_are_copied_for_no_step() {
        let mut run = Scope::new();
        run.define("a", Value::from(1));
        let child = run.with_all(&serde_json::Map::from_iter([("b".to_owned(), 2.into())]));
        assert!(Arc::ptr_eq(&run.common, &child.common));
        drop(child);
        let held = Arc::as_ptr(&run.common);
        run.define("c", Value::from(3));
        assert_eq!(held, Arc::as_ptr(&run.common), "nobody else holds them");
    }
}
