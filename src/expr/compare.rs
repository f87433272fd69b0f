//! What comparisons mean: which values can be compared at all, and what to say when they cannot.

use std::cmp::Ordering;

use minijinja::Value;
use minijinja::machinery::ast::{BinOpKind, CompareOpKind};
use minijinja::value::ValueKind;

use super::Judgement;
use super::error::Fault;
use super::phrase::{Operand, because};
use super::value::{is_secret, items_of, kind_of};

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
    pub(super) fn of_binary(kind: BinOpKind) -> Option<Self> {
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

    pub(super) const fn of_chain(kind: CompareOpKind) -> Self {
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
    pub(super) const fn negated(self) -> Self {
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

    /// The same with the sides changed.
    pub(super) const fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::AtMost => Self::AtLeast,
            Self::Greater => Self::Less,
            Self::AtLeast => Self::AtMost,
            other => other,
        }
    }

    pub(super) const fn orders(self) -> bool {
        matches!(
            self,
            Self::Less | Self::AtMost | Self::Greater | Self::AtLeast
        )
    }
}

/// Compares two values; with `negated`, asks for the opposite.
pub(super) fn compare(
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

/// Whether a value has an order: numbers and texts have, each among themselves.
fn comparable(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Number => f64::try_from(value.clone()).is_ok_and(|number| !number.is_nan()),
        ValueKind::String => true,
        _ => false,
    }
}

/// The order of two values, if they have one.
pub(super) fn order_of(left: &Value, right: &Value) -> Option<Ordering> {
    (left.kind() == right.kind() && comparable(left) && comparable(right)).then(|| left.cmp(right))
}

/// The order of two numbers or of two texts.
fn order(left: &Operand<'_>, right: &Operand<'_>) -> Result<Ordering, Fault> {
    if let Some(order) = order_of(&left.value, &right.value) {
        return Ok(order);
    }
    let comparable = |operand: &Operand<'_>| comparable(&operand.value);
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
