//! Takes back what a run did: the declared undo of its finished steps, the last one first.

use std::time::Instant;

use crate::base::{Effect, Status};
use crate::event::{Event, StepFinished, StepStarted};
use crate::model::Call;
use crate::plan::effect_of_call;

use super::attempt::Failure;
use super::frame::{Frame, Turn};
use super::judge::why;
use super::ledger::Undoable;
use super::recorder::bounded;
use super::run::Run;
use super::sequence::Worst;
use super::step::milliseconds;
use super::{ActionError, Durability, Outputs, Settlement, StopSignal};

/// What came of taking back.
#[derive(Default)]
pub(super) struct UndoEnd {
    /// How many steps were taken back.
    pub(super) undone: usize,
    /// The first that was not.
    pub(super) worst: Option<Worst>,
}

/// How one undo ended.
struct Ended {
    status: Status,
    failed: bool,
    detail: String,
    help: Option<String>,
    outputs: Outputs,
    took_ms: Option<f64>,
}

impl Ended {
    fn without_doing(status: Status, detail: impl Into<String>) -> Self {
        Self {
            status,
            failed: status == Status::UndoFailed,
            detail: detail.into(),
            help: None,
            outputs: Outputs::default(),
            took_ms: None,
        }
    }
}

impl Run<'_> {
    /// Runs the undo of every step of a runbook that was done, those of its sub-runbooks too. One that fails leaves its
    /// step in doubt, and the others still run.
    pub(super) async fn undo_all(&self, frame: &Frame<'_>) -> UndoEnd {
        let mut end = UndoEnd::default();
        // One that was begun is not cut off: it would be in doubt.
        let (_held, never) = StopSignal::new();
        let unstopped = Frame {
            stop: never,
            // Who agreed to the step agreed to what takes it back: nobody is asked in the middle of it.
            agreed: true,
            ..frame.clone()
        };
        while frame.stop.now().is_none() {
            // Bound first: the ledger must not stay borrowed while the undo runs.
            let last = self.ledger.borrow_mut().last_done(frame);
            let Some(undoable) = last else { break };
            let (status, detail) = self.undo(&unstopped, &undoable).await;
            if status == Status::Undone {
                end.undone += 1;
                continue;
            }
            end.worst.get_or_insert_with(|| Worst {
                status,
                severity: None,
                reason: format!("{}: {detail}", undoable.key),
            });
        }
        end
    }

    async fn undo(&self, frame: &Frame<'_>, undoable: &Undoable) -> (Status, String) {
        let Undoable {
            key,
            step,
            scope,
            in_doubt,
            lost,
            ..
        } = undoable;
        let call = step.undo.as_ref().unwrap_or(&step.call);
        let turn = Turn {
            frame,
            step,
            scope,
            key,
            effect: effect_of_call(call, self.engine.config, &self.plan.children),
        };
        let settled = match in_doubt {
            true => Some(self.settle_undo(key).await),
            false => None,
        };
        let ended = match (lost, settled) {
            (Some(because), _) => {
                let detail = format!("it cannot be taken back: {because}");
                Ended::without_doing(Status::UndoFailed, detail)
            }
            (None, Some(None)) => Ended {
                help: Some(self.how_to_settle_undo(key)),
                ..Ended::without_doing(
                    Status::InDoubt,
                    "its undo was begun, and nobody wrote down how it ended",
                )
            },
            (None, Some(Some(Settlement::Done))) => {
                let detail = format!("undone, as {} says", self.engine.origin.user);
                Ended::without_doing(Status::Undone, detail)
            }
            (None, Some(Some(Settlement::Again)) | None) => self.undo_once(turn, call).await,
        };
        self.ledger.borrow_mut().note_end(ended.status);
        let said = (ended.status, ended.detail.clone());
        self.finish_undo(turn, call, ended);
        said
    }

    async fn undo_once(&self, turn: Turn<'_>, call: &Call) -> Ended {
        let Turn { step, .. } = turn;
        let began = Instant::now();
        let started = StepStarted {
            action: call.name(),
            undo: true,
            ..turn.started()
        };
        let undone = if self.record(Event::StepStarted(started), Durability::Durable) {
            self.perform(turn, call, false).await
        } else {
            let unwritten = ActionError::own("the journal cannot be written");
            Err(Failure::Action(unwritten))
        };
        let took_ms = Some(milliseconds(began));
        match undone {
            Ok(outputs) => {
                let detail = match step.sensitive {
                    true => "undone".to_owned(),
                    false => format!("undone: {}", outputs.detail),
                };
                Ended {
                    outputs,
                    took_ms,
                    ..Ended::without_doing(Status::Undone, detail.trim_end_matches(": "))
                }
            }
            Err(failure) => {
                let detail = format!("the undo failed: {}", why(&failure));
                let run = self.recorder.run();
                Ended {
                    help: Some(format!("opsbook undo {run} tries again")),
                    took_ms,
                    ..Ended::without_doing(Status::UndoFailed, detail)
                }
            }
        }
    }

    fn finish_undo(&self, turn: Turn<'_>, call: &Call, ended: Ended) {
        let sensitive = turn.step.sensitive || ended.outputs.sensitive;
        let outputs = match sensitive {
            true => Outputs::default(),
            false => ended.outputs,
        };
        let finished = StepFinished {
            step: turn.key.clone(),
            action: call.name(),
            effect: turn.effect,
            status: ended.status,
            severity: None,
            failed: ended.failed,
            acted: false,
            took_ms: ended.took_ms,
            detail: ended.detail,
            help: ended.help,
            attempts: 1,
            outputs: bounded(outputs.values, self.engine.masker),
            saved: serde_json::Map::new(),
            table: None,
            sensitive,
            artifact: None,
            undo: true,
            stopped: false,
            withheld: sensitive,
            preview: None,
            check: None,
            measures: Vec::new(),
        };
        self.record(Event::StepFinished(finished), Durability::Durable);
    }

    /// Whether a step that may change something when it is taken back is among these.
    pub(super) fn effect_of_undo(&self, undoable: &Undoable) -> Effect {
        undoable.step.undo.as_ref().map_or(Effect::Read, |call| {
            effect_of_call(call, self.engine.config, &self.plan.children)
        })
    }
}
