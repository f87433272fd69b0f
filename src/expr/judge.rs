//! Conditions: whether they hold, and which comparison decided. A value that is missing, null or of another kind than
//! what it is compared with is an error here, never a pass.

use minijinja::Value;
use minijinja::machinery::ast::{BinOpKind, CallArg, Expr, UnaryOpKind};

use super::compare::{Comparison, compare};
use super::error::Fault;
use super::filters::AlertRange;
use super::machine::Machine;
use super::names::{extent, names_of, range_check, undefined_fault, written};
use super::phrase::{Operand, ranged, state, tested};
use super::syntax::bytes;
use super::unknown::{KNOWN_AFTER_RUN, unknown};
use super::{Judgement, Scope};
use crate::base::text::one_line;

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
    if let Some(name) = unknown_in(expression, scope) {
        let range = extent(expression);
        return Err(Fault::new(format!("needs {name} {KNOWN_AFTER_RUN}")).at(range));
    }
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
    if unknown_in(expression, scope).is_some() {
        return Ok(unknown());
    }
    judge.value(expression)
}

/// The first name that is known only after the run, in a dry one.
fn unknown_in(expression: &Expr<'_>, scope: &Scope) -> Option<String> {
    scope
        .has_unknown()
        .then(|| scope.first_unknown(&names_of(expression)))?
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
        if let Expr::Test(test) = whole {
            let passes = operand.value.is_true();
            let asked = self.source.get(bytes(test.span())).unwrap_or_default();
            return Ok(Judgement {
                holds: passes != negated,
                because: tested(&name_of(self.source, &test.expr), asked, passes),
            });
        }
        let holds = operand.value.is_true() != negated;
        let because = match self.ranged(whole, negated, holds)? {
            Some(because) => because,
            None => state(&operand),
        };
        Ok(Judgement { holds, because })
    }

    /// Why `ms | range_check('10:20')` holds, or does not.
    fn ranged(
        &self,
        whole: &Expr<'_>,
        negated: bool,
        holds: bool,
    ) -> Result<Option<String>, Fault> {
        let Some((value, range, _)) = range_check(whole) else {
            return Ok(None);
        };
        let Ok(range) = range.parse::<AlertRange>() else {
            return Ok(None);
        };
        let inside = range.inside != negated;
        let subject = self.operand(value)?;
        Ok(Some(ranged(&subject, inside, &range.to_string(), holds)))
    }

    fn operand(&self, whole: &Expr<'_>) -> Result<Operand<'_>, Fault> {
        let value = self.value(whole)?;
        if value.is_undefined() {
            return Err(undefined_fault(whole, self.source, self.scope));
        }
        let range = extent(whole);
        Ok(Operand {
            text: written(self.source, whole),
            name: name_of(self.source, whole),
            written_out: whole.as_const().is_some(),
            value,
            range,
            masker: self.machine.masker.clone(),
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
                if let Some(fault) = misplaced_ordering(whole) {
                    return Err(fault);
                }
                self.machine.evaluate(whole, self.source, self.scope)
            }
        }
    }
}

/// What an expression is called in a reason: what is worked out of several needs marks, or a value behind it would read as
/// a part of it.
fn name_of(source: &str, whole: &Expr<'_>) -> String {
    let text = one_line(written(source, whole));
    match whole {
        Expr::BinOp(_) | Expr::UnaryOp(_) | Expr::Compare(_) | Expr::IfExpr(_) => {
            format!("`{text}`")
        }
        _ => text,
    }
}

/// Tells of an ordering comparison that is not at the top of a condition, under `and`, `or`, `not` and `if` alone.
pub(super) fn misplaced_ordering(whole: &Expr<'_>) -> Option<Fault> {
    match whole {
        Expr::UnaryOp(inner) if matches!(inner.op, UnaryOpKind::Not) => {
            misplaced_ordering(&inner.expr)
        }
        Expr::BinOp(inner)
            if matches!(inner.op, BinOpKind::ScAnd | BinOpKind::ScOr)
                || Comparison::of_binary(inner.op).is_some() =>
        {
            misplaced_ordering(&inner.left).or_else(|| misplaced_ordering(&inner.right))
        }
        Expr::Compare(inner) => misplaced_ordering(&inner.expr).or_else(|| {
            inner
                .ops
                .iter()
                .find_map(|part| misplaced_ordering(&part.expr))
        }),
        Expr::IfExpr(inner) => misplaced_ordering(&inner.test_expr)
            .or_else(|| misplaced_ordering(&inner.true_expr))
            .or_else(|| inner.false_expr.as_ref().and_then(misplaced_ordering)),
        _ => hidden_ordering(whole).map(|range| {
            Fault::new("a comparison cannot stand inside of this")
                .help("join comparisons with `and`, `or` and `not` only")
                .at(range)
        }),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use crate::expr::names::unpaired;
    use crate::expr::testing::{evaluator, expression, scope};

    fn names() -> crate::expr::Scope {
        scope(&json!({
            "status": 503, "ms": 612.4, "slow": 612.391_234_5, "close": 500.000_01, "changed": 4, "doomed": 5, "body": "all is ok",
            "json": {"status": "healthy", "pendingJobs": 142, "ready": false, "text": "7", "nothing": null},
            "rows": [], "tags": ["a", "b"], "name": "é",
        }))
    }

    fn judged(text: &str) -> (bool, String) {
        match evaluator().judge(&expression(text), &names()) {
            Ok(judgement) => (judgement.holds, judgement.because),
            Err(error) => (false, format!("error: {error:?}")),
        }
    }

    #[track_caller]
    fn expect(text: &str, holds: bool, because: &str) {
        assert_eq!(judged(text), (holds, because.to_owned()), "{text}");
    }

    #[test]
    fn tells_what_holds_with_its_values() {
        expect("json.pendingJobs > 100", true, "json.pendingJobs 142 > 100");
        expect("100 < json.pendingJobs", true, "json.pendingJobs 142 > 100");
        expect("changed != doomed", true, "changed 4 != doomed 5");
        expect("status in [500, 503]", true, "status 503 in [500,503]");
        expect("'ok' in body", true, "body contains \"ok\"");
        expect(
            "ms > 500 and status == 503",
            true,
            "ms 612.4 > 500 and status 503 == 503",
        );
        expect("ms > 700 or changed < 5", true, "changed 4 < 5");
        expect("1 < changed < 5", true, "changed 4 > 1 and changed 4 < 5");
        expect("ms | range_check('500')", true, "ms 612.4 outside 0:500");
        expect("ms | range_check('@500:')", true, "ms 612.4 inside 500:");
        expect(
            "slow | range_check('500') and not (changed | range_check('2:8'))",
            true,
            "slow 612.391 outside 0:500 and changed 4 inside 2:8",
        );
        expect("rows | length == 0", true, "rows | length 0 == 0");
        expect("not (status == 200)", true, "status 503 != 200");
        expect(
            "not (status == 200 or status == 204)",
            true,
            "status 503 != 200 and status 503 != 204",
        );
        expect("slow > 500", true, "slow 612.391 > 500");
        expect("close > 500", true, "close 500.00001 > 500");
        expect("true", true, "");
        expect("name == 'é'", true, "name \"é\" == \"é\"");
    }

    #[test]
    fn tells_what_was_expected_instead() {
        expect("status == 200", false, "status is 503, expected 200");
        expect("ms < 500", false, "ms is 612.4, expected < 500");
        expect(
            "changed == doomed",
            false,
            "changed is 4, expected 5 (doomed)",
        );
        expect(
            "changed != 4",
            false,
            "changed is 4, expected anything else",
        );
        expect(
            "status == 503 and json.status == 'sick'",
            false,
            "json.status is \"healthy\", expected \"sick\"",
        );
        expect(
            "status in [200, 204]",
            false,
            "status is 503, expected one of [200,204]",
        );
        expect(
            "status not in [503]",
            false,
            "status is 503, expected none of [503]",
        );
        expect(
            "'error' not in body",
            true,
            "body does not contain \"error\"",
        );
        expect("'wrong' in body", false, "body does not contain \"wrong\"");
        expect(
            "ms | range_check('~:700')",
            false,
            "ms is 612.4, expected outside ~:700",
        );
        expect(
            "not (ms | range_check('500'))",
            false,
            "ms is 612.4, expected inside 0:500",
        );
        expect("json.ready", false, "json.ready is false");
        expect("not json.ready", true, "json.ready is false");
        expect("rows", false, "rows is []");
        expect("body is matches('^x')", false, "body is not matches('^x')");
        expect("1 == 2", false, "");
    }

    #[test]
    fn what_is_missing_null_or_of_another_kind_never_passes() {
        for (text, words) in [
            ("json.value < 5", "`json.value` is missing"),
            ("json.value == 5", "`json.value` is missing"),
            ("json.value != 5", "`json.value` is missing"),
            ("not json.value", "`json.value` is missing"),
            ("json.nothing < 5", "`json.nothing` is null, not a number"),
            ("5 > json.nothing", "`json.nothing` is null, not a number"),
            (
                "not (json.nothing >= 5)",
                "`json.nothing` is null, not a number",
            ),
            ("json.text < 5", "`json.text` is a text, not a number"),
            (
                "json.ready <= 1",
                "`json.ready` is true or false, not a number",
            ),
            ("rows < 5", "`rows` is a list, not a number"),
            ("status > json.text", "`json.text` is a text"),
            (
                "(json.nothing < 5) == true",
                "`json.nothing` is null, not a number",
            ),
            ("[json.nothing < 5] | first", "cannot stand inside"),
            ("(json.nothing < 5) is true", "cannot stand inside"),
            ("'x' in status", "`in` looks into a list"),
        ] {
            let (holds, because) = judged(text);
            assert!(!holds && because.contains(words), "{text}: {because}");
        }
    }

    #[test]
    fn decides_early() {
        expect(
            "json.value is defined and json.value < 5",
            false,
            "json.value is not defined",
        );
        expect(
            "json.nothing is not none and json.nothing < 5",
            false,
            "json.nothing is none",
        );
        expect("status == 503 or json.value < 5", true, "status 503 == 503");
        expect(
            "json.value | default(7) < 5",
            false,
            "json.value | default(7) is 7, expected < 5",
        );
        expect(
            "changed > 3 if json.ready else changed > 2",
            true,
            "changed 4 > 2",
        );
    }

    #[test]
    fn what_is_computed_is_told_as_one() {
        expect(
            "(rows | length) * 1000 == 0",
            true,
            "`(rows | length) * 1000` 0 == 0",
        );
        expect(
            "(changed + doomed) * (status - 500) > 100",
            false,
            "`(changed + doomed) * (status - 500)` is 27, expected > 100",
        );
        expect(
            "not ((changed + 1) * 2 > 5 and (ms | round) > 5)",
            false,
            "`(changed + 1) * 2` is 10, expected <= 5 and ms | round is 612, expected <= 5",
        );
        expect(
            "5 == (doomed - changed)",
            false,
            "`doomed - changed` is 1, expected 5",
        );
        expect(
            "(json.nothing or ')') is number",
            false,
            "`json.nothing or ')'` is not number",
        );
        expect(
            "(not json.ready) == true",
            true,
            "`not json.ready` true == true",
        );
        expect("((changed)) > 3", true, "changed 4 > 3");
        expect(
            "changed == (doomed + 1) * 2",
            false,
            "changed is 4, expected 12 ((doomed + 1) * 2)",
        );
    }

    fn number() -> impl Strategy<Value = String> {
        let leaf =
            prop::sample::select(vec!["changed", "doomed", "status", "7", "(rows | length)"]);
        leaf.prop_map(str::to_owned)
            .prop_recursive(4, 24, 2, |inner| {
                prop_oneof![
                    (
                        inner.clone(),
                        prop::sample::select(vec!["+", "-", "*"]),
                        inner.clone()
                    )
                        .prop_map(|(left, sign, right)| format!("{left} {sign} {right}")),
                    inner.clone().prop_map(|inner| format!("({inner})")),
                    inner.clone().prop_map(|inner| format!("( {inner} ) | abs")),
                    inner.prop_map(|inner| format!("({inner}) | default(1)")),
                ]
            })
    }

    fn condition() -> impl Strategy<Value = String> {
        let signs = vec!["<", "<=", "==", "!=", ">", ">="];
        let leaf = (number(), prop::sample::select(signs), number())
            .prop_map(|(left, sign, right)| format!("{left} {sign} {right}"));
        leaf.prop_recursive(3, 12, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone())
                    .prop_map(|(left, right)| format!("({left}) and {right}")),
                (inner.clone(), inner.clone())
                    .prop_map(|(left, right)| format!("({left} or ({right}))")),
                inner.clone().prop_map(|inner| format!("not ({inner})")),
                inner.prop_map(|inner| format!("({inner}) is defined")),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_parentheses_of_a_reason_are_paired(text in condition()) {
            let (_, because) = judged(&text);
            prop_assert_eq!(unpaired(&because), (0, 0), "{}: {}", text, because);
        }
    }

    #[test]
    fn secrets_are_neither_compared_nor_shown() {
        let secret = crate::base::Secret::new("hunter2".to_owned());
        let scope = names().with("token", crate::expr::secret_value(&secret));
        let judge = |text| evaluator().judge(&expression(text), &scope);
        assert!(judge("token == 'hunter2'").is_err());
        assert!(judge("token < 'z'").is_err());
        assert_eq!(
            judge("token is defined").map(|judgement| judgement.holds),
            Ok(true)
        );
    }

    #[test]
    fn an_error_points_at_the_operand_in_the_file() {
        let error = evaluator()
            .judge(&expression("name == 'é' and json.nothing < 5"), &names())
            .err();
        let blamed = error.map(|error| error.place.source.slice(error.place.range).to_owned());
        assert_eq!(blamed.as_deref(), Some("json.nothing"));
    }
}
