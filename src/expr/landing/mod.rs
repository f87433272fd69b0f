//! Where values land, one file a landing. A landing is handed what the author wrote and the values apart, and puts them
//! together so that a value can never act as code there.

mod argv;
mod command;
mod json;
mod plain;
mod query;
mod shell;
mod shell_context;
mod sql;
mod sql_context;
mod typed;
mod url;

use super::Scope;
use super::argument::Argument;
use super::error::{EvalError, Fault};
use super::evaluator::Evaluator;
use crate::base::Place;
use crate::model::{Kind, Node, Template};

pub use sql::sql_skeleton;

pub(super) use command::land as command;
pub(super) use plain::message;

/// The longest text that a template may become.
const LONGEST_TEXT: usize = 4 << 20;

/// The longest argument or variable that Linux hands to a program: 128 KiB with its name and end mark.
const LONGEST_ARGUMENT: usize = (128 << 10) - 64;

/// Evaluates a node for its kind.
pub(super) fn land(
    evaluator: &Evaluator,
    node: &Node,
    kind: Kind,
    scope: &Scope,
) -> Result<Argument, EvalError> {
    let text = |landing: fn(&[super::pieces::Piece<'_>]) -> Result<String, Fault>| {
        evaluator.landed(template(node)?, scope, landing)
    };
    match kind {
        Kind::Sql => match node {
            Node::Statement(statement) => sql::typed(statement).map(Argument::Sql),
            _ => evaluator
                .landed(template(node)?, scope, sql::land)
                .map(Argument::Sql),
        },
        Kind::Shell => evaluator
            .landed(template(node)?, scope, shell::land)
            .map(Argument::Shell),
        Kind::Query => evaluator
            .landed(template(node)?, scope, query::land)
            .map(Argument::Query),
        Kind::Argv => argv::land(evaluator, node, scope).map(Argument::List),
        Kind::Url => text(url::land).map(Argument::Text),
        Kind::Path => text(plain::path).map(|path| Argument::Path(path.into())),
        Kind::Text | Kind::Runbook => text(plain::text).map(Argument::Text),
        Kind::TextList => plain::list(evaluator, node, scope).map(Argument::List),
        Kind::TextMap => plain::table(evaluator, node, scope, plain::text).map(Argument::Map),
        Kind::Headers => plain::table(evaluator, node, scope, plain::header).map(Argument::Map),
        Kind::Json => json::land(evaluator, node, scope).map(Argument::Json),
        Kind::Condition => match node {
            Node::Expression(expression) => {
                let mut judgement = evaluator.judge(expression, scope)?;
                // A condition of constants compares nothing that could be told: it tells itself.
                if judgement.because.is_empty() {
                    judgement.because.clone_from(&expression.text);
                }
                Ok(Argument::Condition(judgement))
            }
            _ => Err(misfit(node, "an expression")),
        },
        Kind::Values => json::values(evaluator, node, scope).map(Argument::Values),
        Kind::Integer
        | Kind::Float
        | Kind::Boolean
        | Kind::Duration
        | Kind::Size
        | Kind::Choice(_)
        | Kind::Reference(_) => typed::land(evaluator, node, kind, scope),
    }
}

/// The template that a node is. The parser has checked that it is one where its kind asks for it.
fn template(node: &Node) -> Result<&Template, EvalError> {
    match node {
        Node::Text(template) => Ok(template),
        _ => Err(misfit(node, "a text")),
    }
}

/// A node that does not fit its kind: the parser refuses it first, with a better message.
fn misfit(node: &Node, wanted: &str) -> EvalError {
    EvalError {
        message: format!("this is not {wanted}"),
        place: place_of(node)
            .unwrap_or_else(|| Place::new(&crate::base::SourceFile::new("", ""), 0..0)),
        help: None,
        unfit: false,
    }
}

/// Where the first text of a node stands; numbers do not know their place.
fn place_of(node: &Node) -> Option<Place> {
    let found = std::cell::RefCell::new(None);
    node.visit(
        &mut |template| {
            found
                .borrow_mut()
                .get_or_insert_with(|| template.place.clone());
        },
        &mut |expression| {
            found
                .borrow_mut()
                .get_or_insert_with(|| expression.place.clone());
        },
    );
    found.into_inner()
}

/// Refuses a text that became too long.
fn bounded(text: &str) -> Result<(), Fault> {
    if text.len() > LONGEST_TEXT {
        return Err(Fault::unfit("the text becomes longer than 4 MiB")
            .help("hand large data over as a file"));
    }
    Ok(())
}
