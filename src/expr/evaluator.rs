//! The door to this layer: evaluates what a runbook says into what an action takes.

use std::sync::Arc;

use minijinja::Value;

use super::error::{EvalError, Fault};
use super::machine::Machine;
use super::pieces::{Piece, pieces};
use super::syntax;
use super::value::{is_secret, json_of};
use super::{Argument, Judgement, Scope, judge, landing, names};
use crate::base::Clock;
use crate::model::{Expression, Kind, Node, Template};

/// Evaluates templates and expressions. Build one and share it: a clone costs nothing.
#[derive(Clone)]
pub struct Evaluator {
    machine: Machine,
}

impl Evaluator {
    /// An evaluator whose `now`, `ago`, `from_now` and `age` go by this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            machine: Machine::new(clock),
        }
    }

    /// Evaluates a node for its kind, each value escaped for where it lands.
    ///
    /// # Errors
    /// A name is missing, a value does not fit its place, or it stands where no value can stand safely.
    pub fn argument(&self, node: &Node, kind: Kind, scope: &Scope) -> Result<Argument, EvalError> {
        landing::land(self, node, kind, scope)
    }

    /// The text for a person or for a name that nothing parses: messages, questions, locks, causes. Secrets are `***`.
    ///
    /// # Errors
    /// A name is missing or the text becomes too long.
    pub fn text(&self, template: &Template, scope: &Scope) -> Result<String, EvalError> {
        self.landed(template, scope, landing::message)
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// A name is missing, the value is a secret or cannot be kept as JSON.
    pub fn value(
        &self,
        expression: &Expression,
        scope: &Scope,
    ) -> Result<serde_json::Value, EvalError> {
        self.evaluated(expression, scope)
            .and_then(|value| {
                if is_secret(&value) {
                    return Err(Fault::new("a secret cannot be kept as a value")
                        .help("use it where it is needed: `{{ secret.token }}`"));
                }
                json_of(&value)
            })
            .map_err(|fault| fault.in_text(&expression.text, &expression.place))
    }

    /// Whether a condition holds, with the comparison that decided. What is missing, null or of another kind than what
    /// it is compared with never passes: it is an error.
    ///
    /// # Errors
    /// A name is missing, or a comparison has no meaning.
    pub fn judge(&self, expression: &Expression, scope: &Scope) -> Result<Judgement, EvalError> {
        syntax::expression(&expression.text)
            .and_then(|read| judge::truth(&self.machine, &read, &expression.text, scope))
            .map_err(|fault| fault.in_text(&expression.text, &expression.place))
    }

    /// Brings the pieces of a template to where they land.
    pub(super) fn landed<T>(
        &self,
        template: &Template,
        scope: &Scope,
        landing: impl FnOnce(&[Piece<'_>]) -> Result<T, Fault>,
    ) -> Result<T, EvalError> {
        pieces(&self.machine, &template.text, scope)
            .and_then(|pieces| landing(&pieces))
            .map_err(|fault| fault.in_text(&template.text, &template.place))
    }

    fn evaluated(&self, expression: &Expression, scope: &Scope) -> Result<Value, Fault> {
        let read = syntax::expression(&expression.text)?;
        let value = judge::value_of(&self.machine, &read, &expression.text, scope)?;
        if value.is_undefined() {
            return Err(names::undefined_fault(&read, &expression.text, scope));
        }
        Ok(value)
    }
}
