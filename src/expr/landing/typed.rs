//! Numbers, booleans, durations, sizes and words of a fixed list, also written as a template that becomes one.

use std::str::FromStr;

use crate::base::{Diagnostic, nearest};
use crate::expr::Scope;
use crate::expr::argument::Argument;
use crate::expr::error::{EvalError, Fault};
use crate::expr::evaluator::Evaluator;
use crate::expr::pieces::Piece;
use crate::expr::value::is_secret;
use crate::model::{Kind, Node};

use super::plain::{scalar, single, text};

/// Evaluates a node whose text must read as its kind.
pub(super) fn land(
    evaluator: &Evaluator,
    node: &Node,
    kind: Kind,
    scope: &Scope,
) -> Result<Argument, EvalError> {
    match (kind, node) {
        (Kind::Integer, Node::Integer(number)) => return Ok(Argument::Integer(*number)),
        (Kind::Float, Node::Float(number)) => return Ok(Argument::Float(*number)),
        (Kind::Boolean, Node::Boolean(truth)) => return Ok(Argument::Boolean(*truth)),
        _ => {}
    }
    let mut read = None;
    let written = scalar(evaluator, node, scope, |pieces| {
        only_texts(pieces)?;
        let text = text(pieces)?;
        let parsed = parse(kind, text.trim());
        read = Some(if pieces.iter().any(is_hidden) {
            // What does not fit is shown, and a secret never is.
            parsed.map_err(|_| Fault::new("the text with the secret does not fit here"))?
        } else {
            parsed?
        });
        Ok(text)
    })?;
    match read {
        Some(argument) => Ok(argument),
        // A number where another kind is wanted: it has no template to blame.
        None => parse(kind, &written).map_err(|fault| EvalError {
            message: fault.message,
            help: fault.help,
            place: super::misfit(node, "").place,
            unfit: false,
        }),
    }
}

fn is_hidden(piece: &Piece<'_>) -> bool {
    matches!(piece, Piece::Value(value, _) if is_secret(value))
}

fn only_texts(pieces: &[Piece<'_>]) -> Result<(), Fault> {
    for piece in pieces {
        if let Piece::Value(value, range) = piece {
            single(value).map_err(|fault| fault.at(range.clone()))?;
        }
    }
    Ok(())
}

fn parse(kind: Kind, text: &str) -> Result<Argument, Fault> {
    match kind {
        Kind::Integer => integer(text).map(Argument::Integer),
        Kind::Float => number(text, "a number").map(Argument::Float),
        Kind::Boolean => match text {
            "true" => Ok(Argument::Boolean(true)),
            "false" => Ok(Argument::Boolean(false)),
            _ => Err(Fault::new(format!("{text:?} is neither true nor false"))),
        },
        Kind::Duration => own(text).map(Argument::Duration),
        Kind::Size => own(text).map(Argument::Size),
        Kind::Choice(words) if words.contains(&text) => Ok(Argument::Text(text.to_owned())),
        Kind::Choice(words) => {
            let fault = Fault::new(format!("{text:?} is not one of {}", words.join(", ")));
            Err(match nearest(text, words.iter().copied()) {
                Some(word) => fault.help(format!("did you mean `{word}`?")),
                None => fault,
            })
        }
        _ if text.is_empty() => Err(Fault::new("the name is empty")),
        _ => Ok(Argument::Text(text.to_owned())),
    }
}

/// Also `3.0`, which arithmetic makes of whole numbers.
fn integer(text: &str) -> Result<i64, Fault> {
    let digits = match text.split_once('.') {
        Some((digits, fraction)) if fraction.bytes().all(|digit| digit == b'0') => digits,
        _ => text,
    };
    number(digits, "a whole number")
}

fn number<T: FromStr>(text: &str, what: &str) -> Result<T, Fault> {
    text.parse()
        .map_err(|_| Fault::new(format!("{text:?} is not {what}")))
}

/// One of our own types, whose errors say how it is written.
fn own<T>(text: &str) -> Result<T, Fault>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| Fault::new(Diagnostic::new(error.to_string()).message))
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a failing test panics")]
mod tests {
    use serde_json::json;

    use crate::base::{Secret, Size, Span};
    use crate::expr::testing::{evaluator, land, refused, scope};
    use crate::expr::{Argument, secret_value};
    use crate::model::{Kind, Node, Reference};

    const WORDS: Kind = Kind::Choice(&["fast", "slow"]);

    #[test]
    fn a_template_becomes_what_its_kind_asks_for() {
        let scope = scope(&json!({"n": 5, "t": "30s", "b": true, "s": "10MiB", "w": "fast"}));
        for (text, kind, argument) in [
            ("{{ n }}", Kind::Integer, Argument::Integer(5)),
            ("{{ n / 1 }}", Kind::Integer, Argument::Integer(5)),
            ("{{ n / 2 }}", Kind::Float, Argument::Float(2.5)),
            ("{{ b }}", Kind::Boolean, Argument::Boolean(true)),
            (
                " {{ t }} ",
                Kind::Duration,
                Argument::Duration(Span::seconds(30)),
            ),
            (
                "{{ n }}m",
                Kind::Duration,
                Argument::Duration(Span::seconds(300)),
            ),
            ("{{ s }}", Kind::Size, Argument::Size(Size(10 << 20))),
            ("{{ w }}", WORDS, Argument::Text("fast".to_owned())),
            (
                "main",
                Kind::Reference(Reference::Database),
                Argument::Text("main".to_owned()),
            ),
        ] {
            assert_eq!(land(text, kind, &scope), Ok(argument), "{text}");
        }
        assert_eq!(
            evaluator().argument(&Node::Integer(5), Kind::Integer, &scope),
            Ok(Argument::Integer(5))
        );
        assert_eq!(
            evaluator().argument(&Node::Integer(5), Kind::Float, &scope),
            Ok(Argument::Float(5.0))
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_text() {
        let scope = scope(&json!({"x": "fats", "list": [1]}));
        for (kind, words) in [
            (Kind::Integer, "\"fats\" is not a whole number"),
            (Kind::Float, "\"fats\" is not a number"),
            (Kind::Boolean, "\"fats\" is neither true nor false"),
            (Kind::Duration, "is not a duration"),
            (Kind::Size, "is not a size"),
            (WORDS, "\"fats\" is not one of fast, slow"),
        ] {
            refused("{{ x }}", kind, &scope, words, "'{{ x }}'");
        }
        refused("{{ list }}", Kind::Integer, &scope, "a list", "list");
        let secret = secret_value(&Secret::new("hunter2".to_owned()));
        let scope = scope.with("token", secret);
        for kind in [Kind::Integer, Kind::Boolean, Kind::Duration, WORDS] {
            for text in ["{{ token }}", "x{{ token }}"] {
                let told = land(text, kind, &scope).map_err(|error| format!("{error:?}"));
                let told = told.expect_err("a secret of another kind");
                assert!(!told.contains("hunter2"), "{told}");
            }
        }
        assert!(land("", Kind::Reference(Reference::Queue), &scope).is_err());
    }
}
