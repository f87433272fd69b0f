//! Conditions: whether they hold, and which comparison decided. A value that is missing, null or of another kind than
//! what it is compared with is an error here, never a pass.

use std::cmp::Ordering;

use minijinja::Value;
use minijinja::machinery::ast::{BinOpKind, CallArg, CompareOpKind, Expr, UnaryOpKind};
use minijinja::value::ValueKind;

use super::error::Fault;
use super::machine::Machine;
use super::names::{extent, undefined_fault};
use super::phrase::{Operand, because, state};
use super::value::{is_secret, items_of, kind_of};
use super::{Judgement, Scope};

/// Whether an expression holds, and why.
pub(super) fn truth(
    machine: &Machine,
    expression: &Expr<'_>,
    source: &str,
    scope: &Scope,
) -> Result<Judgement, Fault> {
    let judge = Judge {
        machine,
        source,
        scope,
    };
    judge.judge(expression, false)
}

/// The value of an expression, with the same rules for the comparisons in it; it may be undefined.
pub(super) fn value_of(
    machine: &Machine,
    expression: &Expr<'_>,
    source: &str,
    scope: &Scope,
) -> Result<Value, Fault> {
    let judge = Judge {
        machine,
        source,
        scope,
    };
    judge.value(expression)
}

/// What a comparison asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
    In,
    NotIn,
}

impl Comparison {
    fn of_binary(kind: BinOpKind) -> Option<Self> {
        Some(match kind {
            BinOpKind::Eq => Self::Equal,
            BinOpKind::Ne => Self::NotEqual,
            BinOpKind::Lt => Self::Less,
            BinOpKind::Lte => Self::AtMost,
            BinOpKind::Gt => Self::Greater,
            BinOpKind::Gte => Self::AtLeast,
            BinOpKind::In => Self::In,
            _ => return None,
        })
    }

    const fn of_chain(kind: CompareOpKind) -> Self {
        match kind {
            CompareOpKind::Eq => Self::Equal,
            CompareOpKind::Ne => Self::NotEqual,
            CompareOpKind::Lt => Self::Less,
            CompareOpKind::Lte => Self::AtMost,
            CompareOpKind::Gt => Self::Greater,
            CompareOpKind::Gte => Self::AtLeast,
            CompareOpKind::In => Self::In,
            CompareOpKind::NotIn => Self::NotIn,
        }
    }

    /// What holds when this does not.
    const fn negated(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::AtLeast,
            Self::AtMost => Self::Greater,
            Self::Greater => Self::AtMost,
            Self::AtLeast => Self::Less,
            Self::In => Self::NotIn,
            Self::NotIn => Self::In,
        }
    }

    const fn orders(self) -> bool {
        matches!(
            self,
            Self::Less | Self::AtMost | Self::Greater | Self::AtLeast
        )
    }
}

struct Judge<'a> {
    machine: &'a Machine,
    source: &'a str,
    scope: &'a Scope,
}

impl Judge<'_> {
    /// Whether the expression holds, or with `negated`, whether it does not. Negation is carried down to the
    /// comparisons so that the reason is told as a fact.
    fn judge(&self, whole: &Expr<'_>, negated: bool) -> Result<Judgement, Fault> {
        match whole {
            Expr::UnaryOp(inner) if matches!(inner.op, UnaryOpKind::Not) => {
                self.judge(&inner.expr, !negated)
            }
            Expr::BinOp(inner) if matches!(inner.op, BinOpKind::ScAnd) => {
                self.both(&inner.left, &inner.right, true, negated)
            }
            Expr::BinOp(inner) if matches!(inner.op, BinOpKind::ScOr) => {
                self.both(&inner.left, &inner.right, false, negated)
            }
            Expr::BinOp(inner) => match Comparison::of_binary(inner.op) {
                Some(comparison) => {
                    let left = self.operand(&inner.left)?;
                    let right = self.operand(&inner.right)?;
                    compare(&left, comparison, &right, negated)
                }
                None => self.plain(whole, negated),
            },
            Expr::Compare(inner) => {
                let mut left = self.operand(&inner.expr)?;
                let mut reasons = Vec::new();
                for part in &inner.ops {
                    let right = self.operand(&part.expr)?;
                    let judged = compare(&left, Comparison::of_chain(part.op), &right, negated)?;
                    // A link that does not hold decides the whole chain.
                    if judged.holds == negated {
                        return Ok(judged);
                    }
                    reasons.push(judged.because);
                    left = right;
                }
                Ok(Judgement {
                    holds: !negated,
                    because: reasons.join(" and "),
                })
            }
            Expr::IfExpr(inner) => {
                if self.judge(&inner.test_expr, false)?.holds {
                    self.judge(&inner.true_expr, negated)
                } else if let Some(otherwise) = &inner.false_expr {
                    self.judge(otherwise, negated)
                } else {
                    Ok(Judgement {
                        holds: negated,
                        because: String::new(),
                    })
                }
            }
            _ => self.plain(whole, negated),
        }
    }

    /// `and` (`conjunction`) and `or`, each deciding early.
    fn both(
        &self,
        left: &Expr<'_>,
        right: &Expr<'_>,
        conjunction: bool,
        negated: bool,
    ) -> Result<Judgement, Fault> {
        let left = self.judge(left, negated)?;
        // De Morgan: a negated `and` is an `or` of the negated sides.
        let conjunction = conjunction != negated;
        if left.holds != conjunction {
            return Ok(left);
        }
        let right = self.judge(right, negated)?;
        if right.holds != conjunction {
            return Ok(right);
        }
        let because = match (left.because.is_empty(), right.because.is_empty()) {
            (true, _) => right.because,
            (_, true) => left.because,
            _ => format!("{} and {}", left.because, right.because),
        };
        Ok(Judgement {
            holds: conjunction,
            because,
        })
    }

    /// What is no comparison holds if it is neither empty, zero, false nor null.
    fn plain(&self, whole: &Expr<'_>, negated: bool) -> Result<Judgement, Fault> {
        let operand = self.operand(whole)?;
        Ok(Judgement {
            holds: operand.value.is_true() != negated,
            because: state(&operand),
        })
    }

    fn operand(&self, whole: &Expr<'_>) -> Result<Operand<'_>, Fault> {
        let value = self.value(whole)?;
        if value.is_undefined() {
            return Err(undefined_fault(whole, self.source, self.scope));
        }
        let range = extent(whole);
        Ok(Operand {
            text: self.source.get(range.clone()).unwrap_or_default(),
            written_out: whole.as_const().is_some(),
            value,
            range,
        })
    }

    fn value(&self, whole: &Expr<'_>) -> Result<Value, Fault> {
        match whole {
            Expr::BinOp(inner) if matches!(inner.op, BinOpKind::ScAnd) => {
                let left = self.operand(&inner.left)?.value;
                if left.is_true() {
                    self.value(&inner.right)
                } else {
                    Ok(left)
                }
            }
            Expr::BinOp(inner) if matches!(inner.op, BinOpKind::ScOr) => {
                let left = self.operand(&inner.left)?.value;
                if left.is_true() {
                    Ok(left)
                } else {
                    self.value(&inner.right)
                }
            }
            Expr::BinOp(inner) if Comparison::of_binary(inner.op).is_some() => {
                Ok(Value::from(self.judge(whole, false)?.holds))
            }
            Expr::Compare(_) => Ok(Value::from(self.judge(whole, false)?.holds)),
            Expr::UnaryOp(inner) if matches!(inner.op, UnaryOpKind::Not) => {
                Ok(Value::from(self.judge(whole, false)?.holds))
            }
            Expr::IfExpr(inner) => {
                if self.judge(&inner.test_expr, false)?.holds {
                    self.value(&inner.true_expr)
                } else if let Some(otherwise) = &inner.false_expr {
                    self.value(otherwise)
                } else {
                    Ok(Value::from(""))
                }
            }
            _ => {
                if let Some(range) = hidden_ordering(whole) {
                    return Err(Fault::new("a comparison cannot stand inside of this")
                        .help("join comparisons with `and`, `or` and `not` only")
                        .at(range));
                }
                self.machine.evaluate(whole, self.source, self.scope)
            }
        }
    }
}

fn compare(
    left: &Operand<'_>,
    comparison: Comparison,
    right: &Operand<'_>,
    negated: bool,
) -> Result<Judgement, Fault> {
    for side in [left, right] {
        if is_secret(&side.value) {
            return Err(Fault::new("a secret cannot be compared").at(side.range.clone()));
        }
    }
    let passes = match comparison {
        Comparison::Equal => left.value == right.value,
        Comparison::NotEqual => left.value != right.value,
        Comparison::In => contains(right, left)?,
        Comparison::NotIn => !contains(right, left)?,
        Comparison::Less => order(left, right)?.is_lt(),
        Comparison::AtMost => order(left, right)?.is_le(),
        Comparison::Greater => order(left, right)?.is_gt(),
        Comparison::AtLeast => order(left, right)?.is_ge(),
    };
    let holds = passes != negated;
    let asked = if negated {
        comparison.negated()
    } else {
        comparison
    };
    Ok(Judgement {
        holds,
        because: because(left, asked, right, holds),
    })
}

/// The order of two numbers or of two texts.
fn order(left: &Operand<'_>, right: &Operand<'_>) -> Result<Ordering, Fault> {
    let comparable = |operand: &Operand<'_>| match operand.value.kind() {
        ValueKind::Number => {
            f64::try_from(operand.value.clone()).is_ok_and(|number| !number.is_nan())
        }
        ValueKind::String => true,
        _ => false,
    };
    let same = left.value.kind() == right.value.kind();
    if same && comparable(left) && comparable(right) {
        return Ok(left.value.cmp(&right.value));
    }
    // The side that is not written out is to blame, and of two such the one that cannot be compared at all.
    let (blamed, other) = if right.written_out || !comparable(left) {
        (left, right)
    } else {
        (right, left)
    };
    let wanted = if comparable(other) {
        kind_of(&other.value)
    } else {
        "a number"
    };
    let fault = Fault::new(if blamed.value.is_none() {
        format!("`{}` is null, not {wanted}", blamed.text)
    } else if kind_of(&blamed.value) == wanted {
        format!("`{}` is not {wanted} that can be compared", blamed.text)
    } else {
        format!(
            "`{}` is {}, not {wanted}",
            blamed.text,
            kind_of(&blamed.value)
        )
    })
    .at(blamed.range.clone());
    Err(match (blamed.value.kind(), wanted) {
        (ValueKind::String, "a number") => fault.help("make it one: `| float`"),
        (ValueKind::None, _) => fault.help("say what that means: `x is not none and …`"),
        _ => fault,
    })
}

fn contains(container: &Operand<'_>, item: &Operand<'_>) -> Result<bool, Fault> {
    match container.value.kind() {
        ValueKind::String => match (container.value.as_str(), item.value.as_str()) {
            (Some(text), Some(part)) => Ok(text.contains(part)),
            _ => Err(Fault::new(format!(
                "`{}` is {}, and only a text is part of a text",
                item.text,
                kind_of(&item.value)
            ))
            .at(item.range.clone())),
        },
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            Ok(items_of(&container.value)?.contains(&item.value))
        }
        _ => Err(Fault::new(format!(
            "`{}` is {}; `in` looks into a list, a table or a text",
            container.text,
            kind_of(&container.value)
        ))
        .at(container.range.clone())),
    }
}

/// Where an ordering comparison hides inside an expression that MiniJinja would evaluate by its own, lenient rules.
fn hidden_ordering(whole: &Expr<'_>) -> Option<std::ops::Range<usize>> {
    let arguments = |arguments: &[CallArg<'_>]| {
        arguments.iter().find_map(|argument| match argument {
            CallArg::Pos(value)
            | CallArg::Kwarg(_, value)
            | CallArg::PosSplat(value)
            | CallArg::KwargSplat(value) => hidden_ordering(value),
        })
    };
    match whole {
        Expr::Var(_) | Expr::Const(_) => None,
        Expr::BinOp(inner) if Comparison::of_binary(inner.op).is_some_and(Comparison::orders) => {
            Some(extent(whole))
        }
        Expr::BinOp(inner) => {
            hidden_ordering(&inner.left).or_else(|| hidden_ordering(&inner.right))
        }
        Expr::Compare(inner) => inner
            .ops
            .iter()
            .any(|part| Comparison::of_chain(part.op).orders())
            .then(|| extent(whole)),
        Expr::UnaryOp(inner) => hidden_ordering(&inner.expr),
        Expr::IfExpr(inner) => hidden_ordering(&inner.test_expr)
            .or_else(|| hidden_ordering(&inner.true_expr))
            .or_else(|| inner.false_expr.as_ref().and_then(hidden_ordering)),
        Expr::Filter(inner) => inner
            .expr
            .as_ref()
            .and_then(hidden_ordering)
            .or_else(|| arguments(&inner.args)),
        Expr::Test(inner) => hidden_ordering(&inner.expr).or_else(|| arguments(&inner.args)),
        Expr::Call(inner) => hidden_ordering(&inner.expr).or_else(|| arguments(&inner.args)),
        Expr::GetAttr(inner) => hidden_ordering(&inner.expr),
        Expr::GetItem(inner) => {
            hidden_ordering(&inner.expr).or_else(|| hidden_ordering(&inner.subscript_expr))
        }
        Expr::Slice(inner) => hidden_ordering(&inner.expr),
        Expr::List(inner) => inner.items.iter().find_map(hidden_ordering),
        Expr::Tuple(inner) => inner.items.iter().find_map(hidden_ordering),
        Expr::Map(inner) => inner
            .keys
            .iter()
            .chain(&inner.values)
            .find_map(hidden_ordering),
    }
}
