//! What a runbook says of a step beside its action: whether, when and how often it runs, and what its failure does. In
//! words for people, as fields for machines.

use serde_json::{Value, json};

use crate::base::text::count;
use crate::model::{OnFailure, Repeat, Runbook, Step};

/// What decides about a step, one phrase each, in the order in which it is decided. Nothing for a step that simply runs.
pub(super) fn phrases(step: &Step, runbook: &Runbook) -> Vec<String> {
    let mut phrases = Vec::new();
    if runbook.finally.iter().any(|last| std::ptr::eq(last, step)) {
        phrases.push("always, at the end".to_owned());
    }
    if step.parallel {
        phrases.push("together with the step above".to_owned());
    }
    if let Some(each) = &step.for_each {
        let at_a_time = match each.concurrency {
            0 | 1 => String::new(),
            many => format!(", {many} at a time"),
        };
        let (variable, items) = (&each.variable, &each.items.text);
        phrases.push(format!("for each {variable} of {items}{at_a_time}"));
    }
    if let Some(when) = &step.when {
        phrases.push(format!("when {}", when.text));
    }
    if let Some(unless) = &step.unless {
        let (done, call) = (&unless.expect.text, unless.call.name());
        phrases.push(format!("unless {done} ({call})"));
    }
    if let Some(question) = &step.confirm {
        phrases.push(format!("asks first: {}", question.text));
    }
    if let Some(retry) = &step.retry {
        phrases.push(format!("tried up to {}", times(u64::from(retry.attempts))));
    }
    phrases.extend(step.repeat.as_ref().map(repeated));
    match on_failure(step, runbook) {
        OnFailure::Stop => {}
        OnFailure::Continue => phrases.push("goes on after a failure".to_owned()),
        OnFailure::Undo => phrases.push("a failure takes back what was done".to_owned()),
    }
    phrases
}

fn repeated(repeat: &Repeat) -> String {
    let mut phrase = format!("every {}", repeat.every);
    if let Some(duration) = repeat.duration {
        phrase.push_str(&format!(" for {duration}"));
    }
    if let Some(most) = repeat.times {
        phrase.push_str(&format!(", {}", times(most)));
    }
    if let Some(until) = &repeat.until {
        phrase.push_str(&format!(", until {}", until.text));
    }
    phrase
}

fn times(number: u64) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), "time")
}

/// What a failure of the step does to the run.
fn on_failure(step: &Step, runbook: &Runbook) -> OnFailure {
    step.on_failure.unwrap_or(runbook.on_failure)
}

/// The same as fields; null, or false, where the step says nothing.
pub(super) fn fields(step: &Step, runbook: &Runbook) -> Value {
    json!({
        "parallel": step.parallel,
        "when": step.when.as_ref().map(|when| &when.text),
        "unless": step.unless.as_ref().map(|unless| json!({
            "action": unless.call.name(),
            "expect": unless.expect.text,
        })),
        "for_each": step.for_each.as_ref().map(|each| json!({
            "variable": each.variable,
            "items": each.items.text,
            "concurrency": each.concurrency,
        })),
        "confirm": step.confirm.as_ref().map(|question| &question.text),
        "retry": step.retry.as_ref().map(|retry| json!({
            "attempts": retry.attempts,
            "delay": retry.delay.to_string(),
            "max_delay": retry.max_delay.to_string(),
        })),
        "repeat": step.repeat.as_ref().map(|repeat| json!({
            "every": repeat.every.to_string(),
            "for": repeat.duration.map(|span| span.to_string()),
            "times": repeat.times,
            "until": repeat.until.as_ref().map(|until| &until.text),
            "tolerate": repeat.tolerate,
        })),
        "on_failure": match on_failure(step, runbook) {
            OnFailure::Stop => "stop",
            OnFailure::Continue => "continue",
            OnFailure::Undo => "undo",
        },
    })
}
