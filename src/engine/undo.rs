//! Takes back what a run did: the declared undo of its finished steps, the last one first.

use std::time::Instant;

use crate::base::{Status, StepKey};
use crate::event::{Event, StepFinished, StepStarted};
use crate::expr::Scope;
use crate::model::{Call, Step};
use crate::plan::effect_of_call;

use super::Durability;
use super::attempt::Failure;
use super::frame::{Frame, Turn};
use super::judge::why;
use super::recorder::bounded;
use super::run::Run;
use super::step::milliseconds;
use super::{ActionError, Outputs};

impl Run<'_> {
    /// Runs the undo of every step of a runbook that was done, those of its sub-runbooks too. One that fails leaves its
    /// step in doubt, and the others still run.
    pub(super) async fn undo_all(&self, frame: &Frame<'_>) {
        // Who agreed to the step agreed to what takes it back: nobody is asked in the middle of it.
        let frame = &Frame {
            agreed: true,
            ..frame.clone()
        };
        // Bound first: the ledger must not stay borrowed while the undo runs.
        while let Some((key, step, scope)) = self.last_done(frame) {
            let Some(call) = &step.undo else { continue };
            let turn = Turn {
                frame,
                step: &step,
                scope: &scope,
                key: &key,
                effect: effect_of_call(call, self.engine.config, &self.plan.children),
            };
            self.undo(turn, call).await;
        }
    }

    /// The last step of a runbook that was done and not yet taken back. What its caller did is the caller's to undo.
    fn last_done(&self, frame: &Frame<'_>) -> Option<(StepKey, Step, Scope)> {
        let undoable = &mut self.ledger.borrow_mut().undoable;
        let last = undoable.iter().rposition(|(key, ..)| frame.holds(key))?;
        Some(undoable.remove(last))
    }

    async fn undo(&self, turn: Turn<'_>, call: &Call) {
        let Turn {
            step, key, effect, ..
        } = turn;
        let began = Instant::now();
        let started = StepStarted {
            step: key.clone(),
            action: call.name(),
            effect,
            undo: true,
            items: None,
        };
        let undone = if self.record(Event::StepStarted(started), Durability::Durable) {
            self.perform(turn, call, false).await
        } else {
            let unwritten = ActionError::own("the journal cannot be written");
            Err(Failure::Action(unwritten))
        };
        let (status, detail) = match &undone {
            Ok(_) if step.sensitive => (Status::Undone, "undone".to_owned()),
            Ok(outputs) => (Status::Undone, format!("undone: {}", outputs.detail)),
            Err(failure) => {
                self.ledger.borrow_mut().stuck = true;
                (
                    Status::UndoFailed,
                    format!("the undo failed: {}", why(failure)),
                )
            }
        };
        let failed = undone.is_err();
        let given = undone.ok().filter(|_| !step.sensitive);
        let finished = StepFinished {
            step: key.clone(),
            action: call.name(),
            effect,
            status,
            severity: None,
            failed,
            took_ms: Some(milliseconds(began)),
            detail: detail.trim_end_matches(": ").to_owned(),
            help: None,
            attempts: 1,
            outputs: bounded(
                given.unwrap_or_else(Outputs::default).values,
                self.engine.masker,
            ),
            saved: serde_json::Map::new(),
            table: None,
            sensitive: step.sensitive,
            artifact: None,
            undo: true,
            stopped: false,
            withheld: step.sensitive,
            preview: None,
        };
        self.record(Event::StepFinished(finished), Durability::Durable);
    }
}
