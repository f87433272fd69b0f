//! A run is taken back later: what it did is found in its events, and the undo of each step runs, the last one first.

use crate::base::{Effect, Status, StepKey, text};
use crate::event::{Preview, Resumption};
use crate::plan::Plan;

use super::frame::{Past, Turn};
use super::history::History;
use super::judge::why;
use super::ledger::Undoable;
use super::referred::Referred;
use super::resume::{locate, needed, uses_of_call};
use super::run::{Run, Whole};
use super::sequence::Worst;
use super::undo::UndoEnd;
use super::{
    Durability, Engine, PromptError, RunEnd, RunError, RunOptions, Sink, StopSignal, gate,
};

/// What the undo of one step would do.
#[derive(Clone, Debug, PartialEq)]
pub struct UndoStep {
    /// The step.
    pub step: StepKey,
    /// The action that takes it back.
    pub action: String,
    /// What that may do.
    pub effect: Effect,
    /// What would be sent, secrets masked; why it cannot be told where that is so.
    pub preview: Result<Preview, String>,
}

impl Engine<'_> {
    /// Takes back what a run did, the last step first; only `from` and what was done after it where that is given.
    ///
    /// # Errors
    /// When it is refused before anything is done. Whatever happens later is part of how it ends.
    pub async fn undo(
        &self,
        (plan, history): (&Plan, &History),
        from: Option<&StepKey>,
        options: &RunOptions,
        sink: &mut dyn Sink,
        stop: &StopSignal,
    ) -> Result<RunEnd, RunError> {
        gate::pass_back(plan, self.config, options, history, self.clock.now())?;
        self.keep_changed(plan, &options.changed)?;
        let (_locked, taken_over) = self.hold(history.run(), plan, options, sink, stop).await?;
        let run = self.leg(Resumption::Undo, plan, history, options, sink);
        let referred = Referred::of(&plan.runbook);
        run.until_stopped(stop, async {
            run.settle_all(from).await?;
            let steps = run.gather(&referred, from).await?;
            run.agreed_to_undo(&steps).await
        })
        .await?;
        run.begin(run.resumed(), Durability::Durable)?;
        run.tell_of(taken_over);
        let frame = run.frame(&referred, Past::IsNothing);
        let end = run.until_stopped(stop, run.undo_all(&frame)).await;
        let whole = run.taken_back(end);
        Ok(run.close(&whole))
    }

    /// What an undo of a run would do, in its order. Nothing is done or written.
    ///
    /// # Errors
    /// As for the undo itself.
    pub async fn preview_undo(
        &self,
        (plan, history): (&Plan, &History),
        from: Option<&StepKey>,
        options: &RunOptions,
        sink: &mut dyn Sink,
    ) -> Result<Vec<UndoStep>, RunError> {
        let run = self.leg(Resumption::Undo, plan, history, options, sink);
        let referred = Referred::of(&plan.runbook);
        run.gather(&referred, from).await?;
        let frame = run.frame(&referred, Past::IsNothing);
        let mut shown = Vec::new();
        loop {
            let last = run.ledger.borrow_mut().last_done(&frame);
            let Some(undoable) = last else {
                return Ok(shown);
            };
            shown.push(run.preview_undo_of(&undoable, &frame).await);
        }
    }
}

impl Run<'_> {
    /// Asks about every step in doubt, before anything is taken back: what was done after a step must be taken back before
    /// it.
    async fn settle_all(&self, from: Option<&StepKey>) -> Result<(), RunError> {
        let Some(history) = self.history else {
            return Ok(());
        };
        let mut unsettled = Vec::new();
        for key in history.outlook(self.plan).in_doubt {
            let is_undo_failed = history
                .step(&key)
                .is_some_and(|known| known.undo.is_some() && !known.is_in_doubt());
            // What stands before `from` stays, done or not.
            let is_before = from.is_some_and(|from| {
                history.step(&key).map_or(0, |known| known.last()) < event_of(history, from)
                    && history.step(&key).is_some_and(|known| known.open.is_none())
            });
            if !is_undo_failed && !is_before && self.settle_before_undo(&key).await.is_none() {
                unsettled.push(key);
            }
        }
        match unsettled.is_empty() {
            true => Ok(()),
            false => Err(RunError::InDoubt(unsettled)),
        }
    }

    /// Finds what there is to take back, and gives it in words.
    async fn gather(
        &self,
        referred: &Referred,
        from: Option<&StepKey>,
    ) -> Result<Vec<StepKey>, RunError> {
        let Some(history) = self.history else {
            return Err(RunError::NothingToUndo);
        };
        let frame = self.frame(referred, Past::IsAll);
        self.whole(&frame, self.scope()).await;
        if let Some(from) = from {
            let event = event_of(history, from);
            if event == u64::MAX {
                return Err(RunError::UnknownStep(from.clone()));
            }
            self.ledger.borrow_mut().keep_from(event);
        }
        let mut ledger = self.ledger.borrow_mut();
        let undoable = ledger.in_order_of_undo();
        for undoable in undoable {
            self.refuse_withheld(history, undoable)?;
        }
        match undoable.is_empty() {
            true => Err(RunError::NothingToUndo),
            false => Ok(undoable
                .iter()
                .map(|undoable| undoable.key.clone())
                .collect()),
        }
    }

    /// Refuses an undo that needs what the journal does not hold.
    fn refuse_withheld(&self, history: &History, undoable: &Undoable) -> Result<(), RunError> {
        let Some(call) = &undoable.step.undo else {
            return Ok(());
        };
        let key = &undoable.key;
        let before = locate(self.plan, key).map_or("", |located| located.before);
        let mut withheld = history.withheld(self.plan, before);
        let own = history
            .step(key)
            .and_then(|known| known.end.as_ref())
            .is_some_and(|(_, end)| end.withheld);
        if own {
            let action = undoable.step.call.action;
            let declared = action.outputs.iter().chain(undoable.step.call.verb.outputs);
            let names = declared.map(|output| output.name.to_owned());
            withheld.extend(names.map(|name| (name, key.clone())));
        }
        let needs = uses_of_call(call)
            .iter()
            .find_map(|name| needed(&withheld, name))
            .cloned();
        match needs {
            None => Ok(()),
            Some(source_step) => Err(RunError::Withheld {
                step: key.clone(),
                source_step,
            }),
        }
    }

    /// Asks once whether all of it is to be taken back.
    async fn agreed_to_undo(&self, steps: &[StepKey]) -> Result<(), RunError> {
        let runbook = self.plan.runbook.path.typed();
        let names: Vec<&str> = steps.iter().map(StepKey::as_str).collect();
        let what = format!(
            "Take back {} of run {} ({runbook}): {}",
            text::count(steps.len(), "step"),
            self.recorder.run(),
            names.join(", ")
        );
        let refused = |error: &PromptError, help: String| RunError::NotAgreed {
            reason: format!("{what}? {error}"),
            help: Some(help),
        };
        if self.engine.config.protected {
            if self.options.confirm.contains(&runbook) {
                return Ok(());
            }
            let question =
                format!("{what}? The environment is protected. Type {runbook:?} to go on");
            let typed = self.engine.prompt.text(&question, None, false).await;
            let help = format!("give --confirm {runbook:?} to agree in advance");
            return match typed {
                Ok(typed) if typed.trim() == runbook => Ok(()),
                Ok(_) | Err(PromptError::NoAnswer) => Err(said_no()),
                Err(error) => Err(refused(&error, help)),
            };
        }
        if self.options.yes {
            return Ok(());
        }
        match self.engine.prompt.confirm(&format!("{what}?")).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(said_no()),
            Err(error) => Err(refused(
                &error,
                "give --yes to answer yes in advance".to_owned(),
            )),
        }
    }

    /// What the run amounts to now that it was taken back.
    fn taken_back(&self, end: UndoEnd) -> Whole {
        let stopped = self.stop.now().is_some();
        let reason = format!("{} undone", text::count(end.undone, "step"));
        Whole {
            worst: Some(end.worst.unwrap_or(Worst {
                status: Status::Undone,
                severity: None,
                reason,
            })),
            failed: stopped,
            steps: end.undone,
            scope: crate::expr::Scope::new(),
        }
    }

    async fn preview_undo_of(
        &self,
        undoable: &Undoable,
        frame: &super::frame::Frame<'_>,
    ) -> UndoStep {
        let step = &undoable.step;
        let effect = self.effect_of_undo(undoable);
        let call = step.undo.as_ref();
        let turn = Turn {
            frame,
            step,
            scope: &undoable.scope,
            key: &undoable.key,
            effect,
        };
        let preview = match (&undoable.lost, call) {
            (Some(because), _) => Err(because.clone()),
            (None, None) => Ok(Preview::default()),
            (None, Some(call)) => self
                .preview_call(turn, call)
                .await
                .map(|preview| Preview {
                    sent: self.engine.masker.text(&preview.sent),
                    sample: None,
                    ..preview
                })
                .map_err(|failure| self.engine.masker.text(&why(&failure))),
        };
        UndoStep {
            step: undoable.key.clone(),
            action: call.unwrap_or(&step.call).name(),
            effect,
            preview,
        }
    }
}

fn said_no() -> RunError {
    RunError::NotAgreed {
        reason: "a person said no".to_owned(),
        help: None,
    }
}

/// The number of the first event that tells the end of a step or of something that it consists of; beyond all numbers
/// where there is none.
fn event_of(history: &History, step: &StepKey) -> u64 {
    let own = history.step(step).into_iter();
    let within = history.within(step).map(|(_, known)| known);
    own.chain(within)
        .filter_map(|known| match (&known.end, known.open) {
            (_, Some(_)) => Some(history.next()),
            (Some((at, _)), None) => Some(*at),
            (None, None) => None,
        })
        .min()
        .unwrap_or(u64::MAX)
}
