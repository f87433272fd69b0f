//! A template as what its author wrote and the values between: the only form in which values reach a landing, so that
//! no landing can mistake one for the other.

use std::ops::Range;

use minijinja::Value;
use minijinja::machinery::ast::{Expr, ForLoop, Stmt};

use super::Scope;
use super::error::Fault;
use super::judge::{truth, value_of};
use super::machine::Machine;
use super::names::{extent, undefined_fault};
use super::syntax::{bytes, statements};
use super::value::items_of;

/// How many pieces, turns of loops and conditions one template may take.
const MOST_TURNS: usize = 100_000;

/// A part of a template after its conditions and loops are done.
#[derive(Clone, Debug)]
pub(super) enum Piece<'t> {
    /// What the author wrote.
    Text(&'t str),
    /// What stands for `{{ … }}`, never undefined, and the bytes of its expression in the template.
    Value(Value, Range<usize>),
}

/// Does the conditions and loops of a template.
pub(super) fn pieces<'t>(
    machine: &Machine,
    text: &'t str,
    scope: &Scope,
) -> Result<Vec<Piece<'t>>, Fault> {
    if !text.contains('{') {
        return Ok(vec![Piece::Text(text)]);
    }
    let read = statements(text)?;
    let mut walk = Walk {
        machine,
        source: text,
        pieces: Vec::new(),
        turns: 0,
    };
    walk.statements(read.all(), scope)?;
    Ok(walk.pieces)
}

struct Walk<'m, 't> {
    machine: &'m Machine,
    source: &'t str,
    pieces: Vec<Piece<'t>>,
    turns: usize,
}

impl<'t> Walk<'_, 't> {
    fn statements(&mut self, all: &[Stmt<'t>], scope: &Scope) -> Result<(), Fault> {
        for statement in all {
            self.turns += 1;
            if self.turns > MOST_TURNS {
                return Err(
                    Fault::new(format!("the template takes more than {MOST_TURNS} steps"))
                        .help("loop over less"),
                );
            }
            match statement {
                Stmt::EmitRaw(raw) => self.pieces.push(Piece::Text(raw.raw)),
                Stmt::EmitExpr(emit) => {
                    let value = value_of(self.machine, &emit.expr, self.source, scope)?;
                    if value.is_undefined() {
                        return Err(undefined_fault(&emit.expr, self.source, scope));
                    }
                    self.pieces.push(Piece::Value(value, extent(&emit.expr)));
                }
                Stmt::IfCond(branch) => {
                    let holds = truth(self.machine, &branch.expr, self.source, scope)?.holds;
                    let body = if holds {
                        &branch.true_body
                    } else {
                        &branch.false_body
                    };
                    self.statements(body, scope)?;
                }
                Stmt::ForLoop(each) => self.each(each, scope)?,
                // `statements` lets nothing else through.
                _ => return Err(Fault::new("this statement is not part of the language")),
            }
        }
        Ok(())
    }

    fn each(&mut self, each: &ForLoop<'t>, scope: &Scope) -> Result<(), Fault> {
        let list = self.machine.defined(&each.iter, self.source, scope)?;
        let range = extent(&each.iter);
        let mut turns = Vec::new();
        for item in items_of(&list).map_err(|fault| fault.at(range.clone()))? {
            let inner = bind(scope.clone(), &each.target, &item)?;
            if let Some(filter) = &each.filter_expr {
                self.turns += 1;
                if !truth(self.machine, filter, self.source, &inner)?.holds {
                    continue;
                }
            }
            turns.push(item);
            if turns.len() + self.turns > MOST_TURNS {
                return Err(
                    Fault::new(format!("the loop takes more than {MOST_TURNS} turns"))
                        .help("loop over less")
                        .at(range),
                );
            }
        }
        if turns.is_empty() {
            return self.statements(&each.else_body, scope);
        }
        let length = turns.len();
        for (index, item) in turns.iter().enumerate() {
            let inner =
                bind(scope.clone(), &each.target, item)?.with("loop", position(index, length));
            self.turns += 1;
            self.statements(&each.body, &inner)?;
        }
        Ok(())
    }
}

/// `loop` inside `{% for %}`.
fn position(index: usize, length: usize) -> Value {
    Value::from_pairs([
        ("index", Value::from(index + 1)),
        ("index0", Value::from(index)),
        ("first", Value::from(index == 0)),
        ("last", Value::from(index + 1 == length)),
        ("length", Value::from(length)),
    ])
}

/// The scope with the names of a loop: one, or as many as each item has parts.
fn bind(scope: Scope, target: &Expr<'_>, item: &Value) -> Result<Scope, Fault> {
    match target {
        Expr::Var(name) => Ok(scope.with(name.id, item.clone())),
        Expr::List(names) => {
            let parts = items_of(item)?;
            if parts.len() != names.items.len() {
                return Err(Fault::new(format!(
                    "the loop names {} parts, but an item has {}",
                    names.items.len(),
                    parts.len()
                ))
                .at(bytes(target.span())));
            }
            names
                .items
                .iter()
                .zip(&parts)
                .try_fold(scope, |scope, (name, part)| bind(scope, name, part))
        }
        _ => Err(Fault::new("a loop needs a name").at(bytes(target.span()))),
    }
}
