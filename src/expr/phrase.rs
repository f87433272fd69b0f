//! How a judgement is told to a person, in one line: `ms 612 > 500`, `status is 503, expected 200`.

use std::ops::Range;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::compare::Comparison;
use super::value::{is_secret, json_of};
use crate::base::Masker;
use crate::base::text::{beginning, fit, one_line};

/// A longer value is cut in a reason.
const WIDEST_VALUE: usize = 60;

/// No more of a value is looked at, in bytes.
const LOOKED_AT: usize = 8 * 1024;

/// One side of a comparison.
pub(super) struct Operand<'s> {
    /// As the author wrote it.
    pub(super) text: &'s str,
    /// What it is called in a reason, in one line.
    pub(super) name: String,
    /// Whether it is a constant.
    pub(super) written_out: bool,
    pub(super) value: Value,
    /// Where it stands in the expression.
    pub(super) range: Range<usize>,
    /// Knows the secrets: no mask knows what a cut leaves of one.
    pub(super) masker: Masker,
}

/// Why a comparison holds, or does not.
pub(super) fn because(
    left: &Operand<'_>,
    asked: Comparison,
    right: &Operand<'_>,
    holds: bool,
) -> String {
    if left.written_out && right.written_out {
        return String::new();
    }
    if matches!(asked, Comparison::In | Comparison::NotIn) {
        return membership(left, asked, right, holds);
    }
    // The value in question comes first: `100 < x` reads as `x > 100`.
    let (subject, asked, measure) = if left.written_out {
        (right, asked.mirrored(), left)
    } else {
        (left, asked, right)
    };
    let value = shown_beside(subject, measure);
    let against = if holds {
        named(measure)
    } else {
        expected(measure)
    };
    let text = &subject.name;
    match (holds, asked) {
        (true, _) => format!("{text} {value} {} {against}", sign(asked)),
        (false, Comparison::Equal) => format!("{text} is {value}, expected {against}"),
        (false, Comparison::NotEqual) => format!("{text} is {value}, expected anything else"),
        (false, _) => format!("{text} is {value}, expected {} {against}", sign(asked)),
    }
}

/// What an expression that compares nothing comes to: `json.ready is false`.
pub(super) fn state(operand: &Operand<'_>) -> String {
    if operand.written_out {
        return String::new();
    }
    let text = one_line(operand.text);
    let value = shown(operand);
    if text.contains(' ') {
        format!("`{text}` is {value}")
    } else {
        format!("{text} is {value}")
    }
}

/// Where a number lies, or should: `ms 612 outside 0:500`, `ms is 612, expected inside 0:500`.
pub(super) fn ranged(subject: &Operand<'_>, inside: bool, range: &str, holds: bool) -> String {
    let text = &subject.name;
    let value = rounded(&subject.value).unwrap_or_else(|| shown(subject));
    let side = if inside { "inside" } else { "outside" };
    if holds {
        format!("{text} {value} {side} {range}")
    } else {
        format!("{text} is {value}, expected {side} {range}")
    }
}

/// How a test came out: `json.error is none`, `body is not matches('^ok')`.
pub(super) fn tested(subject: &str, test: &str, passes: bool) -> String {
    let verb = if passes { "is" } else { "is not" };
    format!("{} {verb} {}", one_line(subject), one_line(test))
}

fn membership(
    item: &Operand<'_>,
    asked: Comparison,
    container: &Operand<'_>,
    holds: bool,
) -> String {
    let is_in = holds == (asked == Comparison::In);
    if item.written_out {
        let verb = if is_in {
            "contains"
        } else {
            "does not contain"
        };
        return format!("{} {verb} {}", container.name, shown(item));
    }
    let text = &item.name;
    let value = shown(item);
    let list = expected(container);
    match (holds, asked) {
        (true, Comparison::In) => format!("{text} {value} in {list}"),
        (true, _) => format!("{text} {value} not in {list}"),
        (false, Comparison::In) => format!("{text} is {value}, expected one of {list}"),
        (false, _) => format!("{text} is {value}, expected none of {list}"),
    }
}

/// `5`, or `doomed 5` where it is not written out.
fn named(operand: &Operand<'_>) -> String {
    if operand.written_out {
        shown(operand)
    } else {
        format!("{} {}", operand.name, shown(operand))
    }
}

/// `5`, or `5 (doomed)` where it is not written out.
fn expected(operand: &Operand<'_>) -> String {
    if operand.written_out {
        shown(operand)
    } else {
        format!("{} ({})", shown(operand), one_line(operand.text))
    }
}

const fn sign(asked: Comparison) -> &'static str {
    match asked {
        Comparison::Equal => "==",
        Comparison::NotEqual => "!=",
        Comparison::Less => "<",
        Comparison::AtMost => "<=",
        Comparison::Greater => ">",
        Comparison::AtLeast => ">=",
        Comparison::In => "in",
        Comparison::NotIn => "not in",
    }
}

/// A number is rounded as a person reads it, unless that would hide how it differs from the other.
fn shown_beside(value: &Operand<'_>, other: &Operand<'_>) -> String {
    let rounded = rounded(&value.value);
    match rounded {
        Some(rounded) if rounded != shown(other) => rounded,
        _ => shown(value),
    }
}

/// Three digits behind the point, of a number with more.
fn rounded(value: &Value) -> Option<String> {
    if value.kind() != ValueKind::Number || value.is_integer() {
        return None;
    }
    let number = f64::try_from(value.clone()).ok()?;
    if number.abs() < 1.0 {
        return None;
    }
    let text = format!("{number:.3}");
    Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// A value as a reason shows it: short, in one line, a text in quotes.
fn shown(operand: &Operand<'_>) -> String {
    let Operand { value, masker, .. } = operand;
    if is_secret(value) {
        return "***".to_owned();
    }
    let text = match value.kind() {
        ValueKind::None => "null".to_owned(),
        _ => json_of(value).map_or_else(|_| "a value".to_owned(), |json| json.to_string()),
    };
    let near = beginning(&text, LOOKED_AT);
    let near = match near.len() < text.len() {
        true => masker.before_cut(near),
        false => near,
    };
    fit(&one_line(&masker.text(near)), WIDEST_VALUE)
}
