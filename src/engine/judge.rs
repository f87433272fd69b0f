//! From what a step gave, or why it failed, to how it ended: status, severity and one line of reason.

use serde_json::{Map, Value};

use crate::base::{Effect, Severity, Span, Status, text};
use crate::expr::{EvalError, Evaluator, Scope};
use crate::model::{Expression, Step};

use super::attempt::Failure;
use super::{ErrorKind, Outputs, Stop};

/// How a step ended.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) status: Status,
    pub(super) severity: Option<Severity>,
    pub(super) failed: bool,
    pub(super) detail: String,
    pub(super) help: Option<String>,
}

impl Ending {
    /// It did not run, for this reason.
    pub(super) fn passed_over(status: Status, detail: impl Into<String>) -> Self {
        Self {
            status,
            severity: None,
            failed: false,
            detail: detail.into(),
            help: None,
        }
    }

    /// It failed, and that matters so much.
    fn failed(severity: Severity, detail: String, help: Option<String>) -> Self {
        Self {
            status: severity.verdict().into(),
            severity: Some(severity),
            failed: true,
            detail,
            help,
        }
    }

    /// It could not be told.
    fn unknown(detail: String, help: Option<String>, failed: bool) -> Self {
        Self {
            status: Status::Unknown,
            severity: None,
            failed,
            detail,
            help,
        }
    }
}

/// How a step ended that did what it should: ok, unless a threshold is crossed. A threshold that cannot be told is
/// unknown, never good.
pub(super) fn of_outputs(
    evaluator: &Evaluator,
    step: &Step,
    scope: &Scope,
    outputs: &Outputs,
    saved: &Map<String, Value>,
) -> Ending {
    let ok = match outputs.end {
        Some(end) => Ending {
            status: end.status,
            severity: end.severity,
            failed: end.failed,
            detail: outputs.detail.clone(),
            help: None,
        },
        None => Ending::passed_over(Status::Ok, detail_of(outputs, saved)),
    };
    let most = step
        .severity
        .map_or(Severity::P1, |severity| severity.min(Severity::P1));
    for (threshold, severity) in [(&step.critical, most), (&step.warn, Severity::P3)] {
        let Some(threshold) = threshold else { continue };
        let own = scope
            .with_named_in(&threshold.text, &outputs.values)
            .with_named_in(&threshold.text, saved);
        if own.unknown_in_expression(threshold).is_some() {
            continue;
        }
        match crossed(evaluator, threshold, &own) {
            Ok(None) => {}
            Ok(Some(because)) if severity.verdict() > ok.status.verdict() => {
                return Ending {
                    failed: false,
                    ..Ending::failed(severity, because, None)
                };
            }
            Ok(Some(_)) => return ok,
            Err(_) if ok.failed => return ok,
            Err(error) => {
                let because = explained(error.message, threshold, outputs);
                return Ending::unknown(because, error.help, false);
            }
        }
    }
    ok
}

/// Why something does not hold, with the reason where it asks for JSON and what came is none.
pub(super) fn explained(because: String, asked: &Expression, outputs: &Outputs) -> String {
    match outputs.values.get("json_error") {
        Some(Value::String(reason)) if asked.text.contains("json") => {
            format!("{because}: what came is no JSON ({reason})")
        }
        _ => because,
    }
}

/// Why a threshold is crossed, if it is.
fn crossed(
    evaluator: &Evaluator,
    threshold: &Expression,
    scope: &Scope,
) -> Result<Option<String>, EvalError> {
    let judgement = evaluator.judge(threshold, scope)?;
    Ok(judgement.holds.then(|| judgement.reason(threshold)))
}

/// How a step ended that failed.
pub(super) fn of_failure(failure: &Failure, severity: Severity, effect: Effect) -> Ending {
    let detail = why(failure);
    match failure {
        Failure::Action(error) if error.in_doubt => Ending {
            failed: true,
            help: error.help.clone(),
            ..Ending::passed_over(Status::InDoubt, detail)
        },
        Failure::Action(error) => match error.kind {
            ErrorKind::Target | ErrorKind::Late => {
                Ending::failed(severity, detail, error.help.clone())
            }
            ErrorKind::Own | ErrorKind::Config => Ending::unknown(detail, error.help.clone(), true),
            ErrorKind::Refused => Ending {
                failed: true,
                help: error.help.clone(),
                ..Ending::passed_over(Status::NotRun, detail)
            },
        },
        // A value that does not fit where it lands is the step's own failure, not a mistake of who wrote it.
        Failure::Evaluation(error) if error.unfit => {
            Ending::failed(severity, detail, error.help.clone())
        }
        Failure::Evaluation(error) => Ending::unknown(detail, error.help.clone(), true),
        Failure::Timeout(_) | Failure::Expectation { .. } => Ending::failed(severity, detail, None),
        Failure::Stopped(_, last) if last.in_doubt => Ending {
            failed: true,
            help: last.help.clone(),
            ..Ending::passed_over(Status::InDoubt, detail)
        },
        // A change that was cut off may have taken effect or not.
        Failure::Stopped(Stop::Interrupted | Stop::Terminated, last) if effect.changes() => {
            let ran = match last.message {
                Some(_) => "",
                None => " while it ran",
            };
            Ending {
                failed: true,
                ..Ending::passed_over(Status::InDoubt, format!("{detail}{ran}"))
            }
        }
        Failure::Stopped(Stop::TimedOut, _) => Ending::failed(severity, detail, None),
        Failure::Stopped(..) => Ending::unknown(detail, None, true),
    }
}

/// Why it failed, in one line.
pub(super) fn why(failure: &Failure) -> String {
    match failure {
        Failure::Action(error) => text::one_line(&error.message),
        Failure::Evaluation(error) => format!("{}: {}", error.place, error.message),
        Failure::Timeout(limit) => format!("timed out after {}", Span(*limit)),
        Failure::Expectation { because, .. } => because.clone(),
        Failure::Stopped(stop, last) => match &last.message {
            Some(message) => format!("{}: {}", stop.as_str(), text::one_line(message)),
            None => stop.as_str().to_owned(),
        },
    }
}

/// What it found: the names it saved, which the author chose to show, else what the action says. Lists and maps were saved
/// for later steps: they say nothing in a line.
fn detail_of(outputs: &Outputs, saved: &Map<String, Value>) -> String {
    let shown = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::Array(_) | Value::Object(_) => return None,
            Value::Number(number) => number
                .as_u64()
                .map_or_else(|| number.to_string(), text::thousands),
            Value::String(text) => text.clone(),
            Value::Null | Value::Bool(_) => value.to_string(),
        };
        Some(format!("{name} = {}", text::one_line(&value)))
    };
    let shown: Vec<String> = saved.iter().filter_map(shown).collect();
    match shown.is_empty() {
        true => outputs.detail.clone(),
        false => shown.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{Outputs, detail_of};

    fn detail(saved: Value) -> String {
        let saved: Map<String, Value> = serde_json::from_value(saved).unwrap_or_default();
        detail_of(&Outputs::new("2 sessions"), &saved)
    }

    #[test]
    fn what_is_saved_is_told_unless_it_is_a_list() {
        assert_eq!(detail(json!({})), "2 sessions");
        assert_eq!(detail(json!({ "idle": [], "who": {} })), "2 sessions");
        assert_eq!(
            detail(json!({ "idle": [1], "rows": 1200, "by": "a\nb", "none": null })),
            "rows = 1,200, by = a b, none = null"
        );
    }
}
