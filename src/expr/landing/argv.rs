//! Command lines: each element of the list is exactly one argument, and no value turns into an option.

use minijinja::value::ValueKind;

use crate::expr::Scope;
use crate::expr::error::{EvalError, Fault};
use crate::expr::evaluator::Evaluator;
use crate::expr::pieces::Piece;
use crate::expr::value::is_secret;
use crate::model::Node;

use super::plain::{scalar, single};
use super::{LONGEST_ARGUMENT, bounded};

/// The arguments; a single text is a list of one.
pub(super) fn land(
    evaluator: &Evaluator,
    node: &Node,
    scope: &Scope,
) -> Result<Vec<String>, EvalError> {
    let items = match node {
        Node::List(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut arguments: Vec<String> = Vec::with_capacity(items.len());
    for item in items {
        let only_operands = arguments.iter().any(|argument| argument == "--");
        let argument = scalar(evaluator, item, scope, |pieces| one(pieces, only_operands))?;
        arguments.push(argument);
    }
    Ok(arguments)
}

/// One argument. After `--` it may begin with a dash.
fn one(pieces: &[Piece<'_>], only_operands: bool) -> Result<String, Fault> {
    let mut argument = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => argument.push_str(text),
            Piece::Value(value, range) => {
                let at = |fault: Fault| fault.at(range.clone());
                if is_secret(value) {
                    return Err(at(Fault::new("secrets never go on a command line")
                        .help("pass it with `env` or `stdin`")));
                }
                let text = single(value).map_err(at)?;
                if text.contains('\0') {
                    return Err(at(Fault::new("an argument cannot hold NUL")));
                }
                let leads = argument.is_empty();
                argument.push_str(&text);
                if leads && !only_operands && !text.is_empty() {
                    let number = value.kind() == ValueKind::Number;
                    no_option(&argument, number).map_err(at)?;
                }
            }
        }
        bounded(&argument)?;
    }
    // A dash may also come from what stands behind an empty value.
    if let (Some(Piece::Value(value, range)), false) =
        (pieces.iter().find(|piece| !is_empty(piece)), only_operands)
    {
        let number = value.kind() == ValueKind::Number;
        no_option(&argument, number).map_err(|fault| fault.at(range.clone()))?;
    }
    if argument.len() > LONGEST_ARGUMENT {
        return Err(
            Fault::new("the argument is longer than 128 KiB, which the system refuses")
                .help("pass it with `stdin`"),
        );
    }
    Ok(argument)
}

fn is_empty(piece: &Piece<'_>) -> bool {
    matches!(piece, Piece::Text(text) if text.is_empty())
}

/// A negative number is what it is; any other leading dash would be read as an option.
fn no_option(argument: &str, number: bool) -> Result<(), Fault> {
    let is_number = number && argument.parse::<f64>().is_ok();
    if argument.starts_with('-') && !is_number {
        return Err(Fault::new(
            "the value begins with a dash: the program would read it as an option",
        )
        .help("put \"--\" before it, or write it as `--name={{ … }}`"));
    }
    Ok(())
}
