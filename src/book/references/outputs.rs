//! What a step has once it has run: the outputs of its action, what it saved, and what every step has.

use std::collections::BTreeSet;

use crate::book::names::is_identifier;
use crate::model::{Call, Kind, Node, Step};

/// What `steps.<name>` has beside the outputs of its action.
const OF_EVERY_STEP: [&str; 6] = [
    "status", "severity", "failed", "took_ms", "attempts", "detail",
];

/// What a step with `repeat` has too.
pub(super) const OF_REPEAT: &str = "samples";

/// What `steps.<name>` has for a step with `for_each`, whose outputs lie in its items.
const OF_EACH: [&str; 2] = ["items", "count"];

/// `steps.count`, or `steps["check disk"]`.
pub(super) fn step_path(name: &str) -> String {
    match is_identifier(name) {
        true => format!("steps.{name}"),
        false => format!("steps[{name:?}]"),
    }
}

/// What `steps.<name>` has; none where it cannot be known.
pub(super) fn outputs_of_step(step: &Step) -> Option<BTreeSet<String>> {
    let mut outputs = match step.for_each {
        Some(_) => OF_EACH.iter().map(|name| (*name).to_owned()).collect(),
        None => {
            let mut outputs = outputs_of_call(&step.call)?;
            outputs.extend(step.repeat.as_ref().map(|_| OF_REPEAT.to_owned()));
            outputs.extend(step.save.iter().map(|(name, _)| name.clone()));
            outputs
        }
    };
    outputs.extend(OF_EVERY_STEP.iter().map(|name| (*name).to_owned()));
    Some(outputs)
}

/// The outputs of an action; none where they depend on more than its description.
pub(super) fn outputs_of_call(call: &Call) -> Option<BTreeSet<String>> {
    let listed = call.action.outputs_of(call.verb);
    let mut outputs: BTreeSet<String> = listed.map(|output| output.name.to_owned()).collect();
    match (call.verb.object, &call.object) {
        (Kind::Runbook, _) => return None,
        (Kind::Values, Node::Table(entries)) => {
            outputs.extend(entries.iter().map(|(name, _)| name.clone()));
        }
        _ => {}
    }
    Some(outputs)
}
