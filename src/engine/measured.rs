//! The numbers that the thresholds of a step compare, for those who draw them.

use serde_json::{Map, Value};

use crate::event::Measure;
use crate::expr::Evaluator;
use crate::model::Expression;

use super::frame::Turn;

/// The numbers of `warn` and `critical`, each once. Of a check they are told even where it was not run, without values:
/// who draws them wants the same ones each time.
pub(super) fn measures(
    evaluator: &Evaluator,
    turn: Turn<'_>,
    outputs: &Map<String, Value>,
    saved: &Map<String, Value>,
    ran: bool,
) -> Vec<Measure> {
    let Turn { step, scope, .. } = turn;
    if !ran && turn.frame.check.is_none() {
        return Vec::new();
    }
    let found = |condition: &Option<Expression>| {
        let Some(condition) = condition else {
            return Vec::new();
        };
        let own = scope
            .with_named_in(&condition.text, outputs)
            .with_named_in(&condition.text, saved);
        evaluator.thresholds(condition, &own)
    };
    let mut measures: Vec<Measure> = Vec::new();
    for threshold in found(&step.warn) {
        measures.push(Measure {
            name: threshold.name,
            value: threshold.value,
            warn: threshold.range,
            critical: None,
        });
    }
    for threshold in found(&step.critical) {
        let known = measures
            .iter_mut()
            .find(|known| known.name == threshold.name);
        match known {
            Some(known) => known.critical = threshold.range,
            None => measures.push(Measure {
                name: threshold.name,
                value: threshold.value,
                warn: None,
                critical: threshold.range,
            }),
        }
    }
    measures
}
