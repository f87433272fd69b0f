//! The thresholds of a condition as monitoring systems draw them: a number, and the range outside of which it alerts.
//! Only what can be said exactly becomes a range.

use minijinja::Value;
use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, UnaryOpKind};
use minijinja::value::ValueKind;

use super::compare::Comparison;
use super::filters::AlertRange;
use super::machine::Machine;
use super::names::extent;
use super::{Scope, judge};
use crate::base::text::one_line;

/// A number that a condition compares.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// The number as its author wrote it: `json.pending`.
    pub name: String,
    /// What it is; none where it is missing or no number.
    pub value: Option<f64>,
    /// When the condition holds, in the syntax of the monitoring plugins; none where that depends on more than this number.
    pub range: Option<String>,
}

/// The numbers that a condition compares, each name once, in the order of the text.
pub(super) fn thresholds(
    machine: &Machine,
    condition: &Expr<'_>,
    source: &str,
    scope: &Scope,
) -> Vec<Threshold> {
    let mut finder = Finder {
        machine,
        source,
        scope,
        found: Vec::new(),
    };
    finder.look(condition, false, true);
    finder.found.into_iter().map(Found::told).collect()
}

/// When a number alerts.
#[derive(Clone, Debug, PartialEq)]
enum Alert {
    Below(f64),
    AtMost(f64),
    Above(f64),
    AtLeast(f64),
    At(f64),
    NotAt(f64),
    Written(String),
    /// Not by itself.
    Unsaid,
}

impl Alert {
    fn of(comparison: Comparison, bound: f64) -> Self {
        match comparison {
            Comparison::Less => Self::Below(bound),
            Comparison::AtMost => Self::AtMost(bound),
            Comparison::Greater => Self::Above(bound),
            Comparison::AtLeast => Self::AtLeast(bound),
            Comparison::Equal => Self::At(bound),
            Comparison::NotEqual => Self::NotAt(bound),
            Comparison::In | Comparison::NotIn => Self::Unsaid,
        }
    }

    /// Either of two, where one range says both.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Below(low), Self::Above(high)) | (Self::Above(high), Self::Below(low))
                if low <= high =>
            {
                Self::Written(format!("{low}:{high}"))
            }
            (one, other) if one == other => one,
            _ => Self::Unsaid,
        }
    }

    fn range(self) -> Option<String> {
        Some(match self {
            Self::Below(bound) => format!("{bound}:"),
            Self::AtMost(bound) => format!("@~:{bound}"),
            Self::Above(bound) => format!("~:{bound}"),
            Self::AtLeast(bound) => format!("@{bound}:"),
            Self::At(bound) => format!("@{bound}:{bound}"),
            Self::NotAt(bound) => format!("{bound}:{bound}"),
            Self::Written(range) => range,
            Self::Unsaid => return None,
        })
    }
}

struct Found {
    name: String,
    value: Option<f64>,
    alert: Alert,
}

impl Found {
    fn told(self) -> Threshold {
        Threshold {
            name: self.name,
            value: self.value,
            range: self.alert.range(),
        }
    }
}

struct Finder<'a> {
    machine: &'a Machine,
    source: &'a str,
    scope: &'a Scope,
    found: Vec<Found>,
}

impl Finder<'_> {
    /// Looks through a condition. `alone` says whether any part of it that holds makes the whole hold.
    fn look(&mut self, whole: &Expr<'_>, negated: bool, alone: bool) {
        match whole {
            Expr::UnaryOp(inner) if matches!(inner.op, UnaryOpKind::Not) => {
                self.look(&inner.expr, !negated, alone);
            }
            Expr::BinOp(inner) if matches!(inner.op, BinOpKind::ScAnd | BinOpKind::ScOr) => {
                // De Morgan: a negated `and` is an `or` of the negated sides.
                let either = matches!(inner.op, BinOpKind::ScOr) != negated;
                self.look(&inner.left, negated, alone && either);
                self.look(&inner.right, negated, alone && either);
            }
            Expr::BinOp(inner) => {
                if let Some(comparison) = Comparison::of_binary(inner.op) {
                    self.compared(&inner.left, comparison, &inner.right, negated, alone);
                }
            }
            Expr::Compare(inner) => {
                if let [part] = inner.ops.as_slice() {
                    let comparison = Comparison::of_chain(part.op);
                    self.compared(&inner.expr, comparison, &part.expr, negated, alone);
                }
            }
            Expr::Filter(inner) if inner.name == "range_check" => {
                if let (Some(subject), [CallArg::Pos(range)]) = (&inner.expr, &inner.args[..])
                    && let Some(range) = self.value(range).and_then(|range| written(&range))
                {
                    let range = match (negated, range.strip_prefix('@')) {
                        (false, _) => range,
                        (true, Some(outside)) => outside.to_owned(),
                        (true, None) => format!("@{range}"),
                    };
                    self.add(subject, Alert::Written(range), alone);
                }
            }
            _ => {}
        }
    }

    fn compared(
        &mut self,
        left: &Expr<'_>,
        comparison: Comparison,
        right: &Expr<'_>,
        negated: bool,
        alone: bool,
    ) {
        // The value in question comes first: `100 < x` reads as `x > 100`.
        let (subject, comparison, bound) = match left.as_const() {
            Some(_) => (right, comparison.mirrored(), left),
            None => (left, comparison, right),
        };
        let comparison = match negated {
            true => comparison.negated(),
            false => comparison,
        };
        let bound = self.value(bound).and_then(|bound| number(&bound));
        if let Some(bound) = bound {
            self.add(subject, Alert::of(comparison, bound), alone);
        }
    }

    fn add(&mut self, subject: &Expr<'_>, alert: Alert, alone: bool) {
        if subject.as_const().is_some() {
            return;
        }
        let text = self.source.get(extent(subject)).unwrap_or_default();
        let name = one_line(text.trim());
        let alert = if alone { alert } else { Alert::Unsaid };
        if let Some(known) = self.found.iter_mut().find(|known| known.name == name) {
            let before = std::mem::replace(&mut known.alert, Alert::Unsaid);
            known.alert = before.or(alert);
            return;
        }
        let value = self.value(subject).and_then(|value| number(&value));
        self.found.push(Found { name, value, alert });
    }

    fn value(&self, whole: &Expr<'_>) -> Option<Value> {
        judge::value_of(self.machine, whole, self.source, self.scope).ok()
    }
}

fn number(value: &Value) -> Option<f64> {
    (value.kind() == ValueKind::Number)
        .then(|| f64::try_from(value.clone()).ok())?
        .filter(|number| number.is_finite())
}

/// A range in the syntax of the monitoring plugins. What is none has made the condition err already.
fn written(value: &Value) -> Option<String> {
    let range = value.as_str()?.trim();
    let is_range = range.parse::<AlertRange>().is_ok();
    is_range.then(|| range.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use crate::expr::testing::{evaluator, expression, scope};

    fn told(text: &str) -> Vec<String> {
        let names = json!({
            "ms": 12.5, "json": {"pending": 142, "state": "up"}, "rows": [1, 2], "limit": 5, "date": "2026-01-01"
        });
        let found = evaluator().thresholds(&expression(text), &scope(&names));
        let told = |threshold: super::Threshold| {
            let value = threshold
                .value
                .map_or("U".to_owned(), |value| value.to_string());
            let range = threshold.range.unwrap_or_default();
            format!("{}={value};{range}", threshold.name)
        };
        found.into_iter().map(told).collect()
    }

    #[test]
    fn comparisons_become_ranges_that_alert_when_they_hold() {
        for (text, wanted) in [
            ("ms > 100", "ms=12.5;~:100"),
            ("100 < ms", "ms=12.5;~:100"),
            ("ms >= 100", "ms=12.5;@100:"),
            ("ms < 1.5", "ms=12.5;1.5:"),
            ("ms <= -2", "ms=12.5;@~:-2"),
            ("json.pending == 0", "json.pending=142;@0:0"),
            ("json.pending != 0", "json.pending=142;0:0"),
            ("not ms <= 100", "ms=12.5;~:100"),
            ("ms < 10 or ms > 20", "ms=12.5;10:20"),
            ("not (ms >= 10 and ms <= 20)", "ms=12.5;10:20"),
            ("ms | range_check('@10:20')", "ms=12.5;@10:20"),
            ("not (ms | range_check('10:20'))", "ms=12.5;@10:20"),
            ("rows | length > limit * 2", "rows | length=2;~:10"),
            ("ms > '200ms' | seconds * 1000", "ms=12.5;~:200"),
            ("json.gone > 5", "json.gone=U;~:5"),
            ("json.state > 5", "json.state=U;~:5"),
        ] {
            assert_eq!(told(text), [wanted], "{text}");
        }
        assert_eq!(
            told("ms > 100 or json.pending > 10"),
            ["ms=12.5;~:100", "json.pending=142;~:10"]
        );
    }

    #[test]
    fn what_one_range_cannot_say_has_none() {
        assert_eq!(
            told("ms > 100 and json.pending > 10"),
            ["ms=12.5;", "json.pending=142;"]
        );
        assert_eq!(told("ms > 100 or ms > 200"), ["ms=12.5;"]);
        assert_eq!(told("not (ms > 1 or json.pending > 2)").len(), 2);
    }

    #[test]
    fn what_compares_no_number_has_no_threshold() {
        for text in [
            "json.state != 'up'",
            "date < '2026'",
            "json.state in ['up']",
            "1 < 2",
            "5 < ms < 9",
            "ms",
            "json.state is none",
            "ms > gone",
            "ms | range_check(date)",
            "ms > 1 if limit else ms > 2",
        ] {
            assert_eq!(told(text), Vec::<String>::new(), "{text}");
        }
    }

    proptest! {
        /// A range read by the rules of the guidelines alerts exactly when the condition holds.
        #[test]
        fn a_range_alerts_when_its_condition_holds(
            value in -5_i32..5, bound in -5_i32..5, sign in prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]), not in any::<bool>(),
        ) {
            let text = format!("x {sign} {bound}");
            let text = if not { format!("not ({text})") } else { text };
            let names = scope(&json!({"x": value}));
            let holds = evaluator().judge(&expression(&text), &names).map(|told| told.holds);
            let found = evaluator().thresholds(&expression(&text), &names);
            let range = found[0].range.clone().unwrap_or_default();
            let check = format!("x | range_check('{range}')");
            let alerts = evaluator().judge(&expression(&check), &names).map(|told| told.holds);
            prop_assert_eq!(holds, alerts, "{} {}", text, check);
        }
    }
}
