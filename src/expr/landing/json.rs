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
        Node::Statement(_) => return Err(misfit(node, "a value")),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use crate::base::Secret;
    use crate::expr::testing::{evaluator, expression, hostile, scope, template};
    use crate::expr::{Argument, secret_value};
    use crate::model::{Kind, Node};

    fn text(text: &str) -> Node {
        Node::Text(template(text))
    }

    #[test]
    fn one_expression_keeps_its_type() {
        let scope = scope(&json!({"n": 5, "list": [1, {"a": null}], "t": "5"}))
            .with("token", secret_value(&Secret::new("hunter2".to_owned())));
        let node = Node::Table(vec![
            ("{{ t }}".to_owned(), text("{{ n }}")),
            ("b".to_owned(), text("{{ list }}")),
            (
                "c".to_owned(),
                Node::List(vec![
                    text("{{ n }}!"),
                    text(" {{ n }}"),
                    Node::Boolean(true),
                ]),
            ),
            ("d".to_owned(), text("{{ t }}")),
            ("e".to_owned(), text("{{ n > 4 }}")),
            ("f".to_owned(), text("{{ token }}")),
            ("g".to_owned(), text("x-{{ token }}")),
        ]);
        assert_eq!(
            evaluator().argument(&node, Kind::Json, &scope),
            Ok(Argument::Json(json!({
                "{{ t }}": 5, "b": [1, {"a": null}], "c": ["5!", " 5", true], "d": "5", "e": true,
                "f": "hunter2", "g": "x-hunter2",
            })))
        );
    }

    #[test]
    fn values_are_evaluated_and_hold_no_secrets() {
        let scope =
            scope(&json!({"n": 5})).with("token", secret_value(&Secret::new("hunter2".to_owned())));
        let values = |text: &str| {
            let node = Node::Table(vec![("a".to_owned(), Node::Expression(expression(text)))]);
            evaluator()
                .argument(&node, Kind::Values, &scope)
                .map_err(|error| error.message)
        };
        assert_eq!(
            values("n * 2"),
            Ok(Argument::Values(
                json!({"a": 10}).as_object().cloned().unwrap_or_default()
            ))
        );
        for text in [
            "token",
            "[token]",
            "{'a': token}",
            "token ~ 'x'",
            "[token] | join",
            "token | upper",
            "token | string",
            "token | tojson",
            "token | replace('h', 'x')",
            "token | list",
            "'%s' ~ [token]",
        ] {
            assert!(values(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_value_comes_back_as_it_went_in(value in hostile()) {
            let scope = scope(&json!({"x": value}));
            let node = Node::Table(vec![("a".to_owned(), text("{{ x }}")), ("b".to_owned(), text("<{{ x }}>"))]);
            let landed = evaluator().argument(&node, Kind::Json, &scope);
            prop_assert_eq!(landed, Ok(Argument::Json(json!({"a": value, "b": format!("<{value}>")}))));
        }
    }
}
