//! Trees: each text is a leaf, so a value can never open a new part of the tree.

use serde_json::{Map, Value};

use crate::expr::Scope;
use crate::expr::error::{EvalError, Fault};
use crate::expr::evaluator::Evaluator;
use crate::expr::pieces::Piece;
use crate::expr::value::{is_secret, json_of, text_of};
use crate::model::Node;

use super::{misfit, plain};

/// A tree. A text that is one `{{ … }}` and nothing else keeps the type of its value; keys are taken literally.
pub(super) fn land(evaluator: &Evaluator, node: &Node, scope: &Scope) -> Result<Value, EvalError> {
    Ok(match node {
        Node::Text(template) => evaluator.landed(template, scope, leaf)?,
        Node::Expression(expression) => evaluator.value(expression, scope)?,
        Node::Integer(number) => (*number).into(),
        Node::Float(number) => (*number).into(),
        Node::Boolean(truth) => (*truth).into(),
        Node::List(items) => items
            .iter()
            .map(|item| land(evaluator, item, scope))
            .collect::<Result<_, _>>()?,
        Node::Table(entries) => entries
            .iter()
            .map(|(key, value)| Ok((key.clone(), land(evaluator, value, scope)?)))
            .collect::<Result<Map<_, _>, EvalError>>()?
            .into(),
    })
}

/// A table from names to expressions, with their values.
pub(super) fn values(
    evaluator: &Evaluator,
    node: &Node,
    scope: &Scope,
) -> Result<Map<String, Value>, EvalError> {
    let Node::Table(entries) = node else {
        return Err(misfit(node, "a table of expressions"));
    };
    entries
        .iter()
        .map(|(key, value)| Ok((key.clone(), land(evaluator, value, scope)?)))
        .collect()
}

fn leaf(pieces: &[Piece<'_>]) -> Result<Value, Fault> {
    match pieces {
        [Piece::Value(value, range)] if is_secret(value) => text_of(value)
            .map(Value::String)
            .map_err(|fault| fault.at(range.clone())),
        [Piece::Value(value, range)] => json_of(value).map_err(|fault| fault.at(range.clone())),
        _ => plain::text(pieces).map(Value::String),
    }
}
