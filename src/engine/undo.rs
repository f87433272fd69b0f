//! Takes back what a run did: the declared undo of its finished steps, the last one first.

use crate::base::{Effect, Status};
use crate::event::{Event, StepFinished};

use super::Durability;
use super::frame::{Frame, Turn};
use super::judge::why;
use super::run::Run;

impl Run<'_> {
    /// Runs the undo of every step that was done. One that fails leaves its step in doubt, and the others still run.
    pub(super) async fn undo_all(&self, frame: &Frame<'_>) {
        loop {
            // Bound first: the ledger must not stay borrowed while the undo runs.
            let next = self.ledger.borrow_mut().undoable.pop();
            let Some((key, step, scope)) = next else {
                return;
            };
            let Some(call) = &step.undo else { continue };
            let turn = Turn {
                frame,
                step: &step,
                scope: &scope,
                key: &key,
            };
            let undone = self.perform(turn, call, false).await;
            let (status, detail) = match &undone {
                Ok(outputs) => (Status::Undone, format!("undone: {}", outputs.detail)),
                Err(failure) => {
                    self.ledger.borrow_mut().stuck = true;
                    (
                        Status::InDoubt,
                        format!("the undo failed: {}", why(failure)),
                    )
                }
            };
            let finished = StepFinished {
                step: key,
                action: call.name(),
                effect: Effect::Write,
                status,
                severity: None,
                failed: undone.is_err(),
                took_ms: None,
                detail: detail.trim_end_matches(": ").to_owned(),
                help: None,
                attempts: 1,
                outputs: undone.map(|outputs| outputs.values).unwrap_or_default(),
                saved: serde_json::Map::new(),
                table: None,
                sensitive: step.sensitive,
                artifact: None,
            };
            self.record(Event::StepFinished(finished), Durability::Durable);
        }
    }
}
