//! What the earlier legs of a run mean for a step of this one: it keeps its end, runs, or is in doubt. Restores what
//! keeps its end, without an event.

use serde_json::{Map, Value, json};

use crate::base::{Effect, Status, StepKey};
use crate::event::{Event, Resumption, StepFinished};
use crate::model::{EffectRule, ForEach, OnFailure, Step};

use super::each::{digest_of, named};
use super::frame::{Frame, Past, Turn};
use super::history::{History, Known, Undo};
use super::ledger::Undoable;
use super::rehearse::Unknown;
use super::run::Run;
use super::step::StepEnd;
use super::{Durability, Settlement};

/// What the earlier legs of a run mean for a step of this one.
pub(super) enum Recalled<'a> {
    /// Nothing: it runs, as if it never had.
    Nothing,
    /// It keeps its end.
    Kept(&'a Known, &'a StepFinished),
    /// It may have taken effect or not: for this reason nobody knows.
    InDoubt(&'static str),
}

/// What decides, beside its events, whether a step keeps its end.
#[derive(Clone, Copy)]
pub(super) struct Footing {
    /// What its failure does to the run.
    pub(super) on_failure: OnFailure,
    /// Whether it consists of others, which have events of their own: a whole `for_each`, a sub-runbook.
    pub(super) is_made_of_others: bool,
}

impl Footing {
    /// Of a step, or of one item of it.
    pub(super) fn of_one(frame_says: OnFailure, step: &Step) -> Self {
        Self {
            on_failure: frame_says,
            // Of a sub-runbook that runs again and again nobody knows which of its turns a step was of.
            is_made_of_others: runs_a_runbook(step) && step.repeat.is_none(),
        }
    }

    /// Of a `for_each` as a whole.
    pub(super) const fn of_whole(frame_says: OnFailure) -> Self {
        Self {
            on_failure: frame_says,
            is_made_of_others: true,
        }
    }
}

/// Whether the step runs another runbook.
pub(super) fn runs_a_runbook(step: &Step) -> bool {
    step.call.verb.effect == EffectRule::OfRunbook
}

impl History {
    /// What is known of a step means this for the leg that goes on.
    pub(super) fn recall(&self, key: &StepKey, footing: Footing) -> Recalled<'_> {
        let Some(known) = self.step(key) else {
            return Recalled::Nothing;
        };
        let Footing {
            on_failure,
            is_made_of_others,
        } = footing;
        let changes = known.effect.is_some_and(Effect::changes);
        let doubt = |because| match is_made_of_others || !changes {
            true => Recalled::Nothing,
            false => Recalled::InDoubt(because),
        };
        if known.open.is_some() {
            return doubt("it was begun, and nobody wrote down how it ended");
        }
        let Some((_, end)) = &known.end else {
            return Recalled::Nothing;
        };
        let run_has_ended = self.ended_after(known.last());
        match known.undo {
            Some((_, Undo::Done)) if run_has_ended => return Recalled::Nothing,
            Some((_, Undo::Failed)) if run_has_ended => {
                return doubt("it was done, and taking it back failed");
            }
            Some((_, Undo::InDoubt)) if run_has_ended => {
                return doubt("it was done, and nobody knows whether it was taken back");
            }
            _ => {}
        }
        let ended_the_run = end.failed && on_failure != OnFailure::Continue;
        match end.status {
            Status::NotRun => Recalled::Nothing,
            Status::InDoubt => doubt("nobody knows whether it took effect"),
            _ if end.stopped => doubt("it was cut off while it ran"),
            Status::Skipped if run_has_ended => Recalled::Nothing,
            _ if run_has_ended && ended_the_run => Recalled::Nothing,
            // What it gave is needed, and looking again does no harm.
            _ if end.withheld && !changes => Recalled::Nothing,
            _ if is_made_of_others && self.has_loose_ends_within(key, changes) => Recalled::Nothing,
            _ => Recalled::Kept(known, end),
        }
    }

    /// Whether one of those that a step consists of does not keep its end.
    fn has_loose_ends_within(&self, key: &StepKey, changes: bool) -> bool {
        self.within(key).any(|(_, known)| {
            let undone = known.undo.is_some() && self.ended_after(known.last());
            let withheld = known.end.as_ref().is_some_and(|(_, end)| end.withheld);
            undone || known.is_in_doubt() || (withheld && !changes)
        })
    }
}

impl Run<'_> {
    /// What earlier legs mean for a step, or for one item of it.
    pub(super) fn recall_one(&self, turn: Turn<'_>) -> Recalled<'_> {
        let footing = Footing::of_one(turn.frame.on_failure(turn.step), turn.step);
        self.recall(turn, footing)
    }

    /// What earlier legs mean for a `for_each` as a whole.
    pub(super) fn recall_whole(&self, turn: Turn<'_>) -> Recalled<'_> {
        let footing = Footing::of_whole(turn.frame.on_failure(turn.step));
        self.recall(turn, footing)
    }

    fn recall(&self, turn: Turn<'_>, footing: Footing) -> Recalled<'_> {
        match self.history {
            Some(history) if turn.frame.past == Past::Counts && !self.is_spent(turn.key) => {
                history.recall(turn.key, footing)
            }
            Some(_) | None => Recalled::Nothing,
        }
    }

    /// What earlier legs tell of a step, unless this leg has done it anew.
    pub(super) fn known(&self, key: &StepKey) -> Option<&Known> {
        self.history?
            .step(key)
            .filter(|known| known.open.is_some() || known.end.is_some())
            .filter(|_| !self.is_spent(key))
    }

    fn is_spent(&self, key: &StepKey) -> bool {
        self.spent.borrow().contains(key)
    }

    /// From now on only this leg counts for what a step consists of: it is done anew.
    pub(super) fn forget_within(&self, key: &StepKey) {
        if let Some(history) = self.history {
            let within = history.within(key).map(|(key, _)| key.clone());
            self.spent.borrow_mut().extend(within);
        }
    }

    /// From now on only this leg counts for a step.
    pub(super) fn forget(&self, key: &StepKey) {
        if self
            .history
            .is_some_and(|history| history.step(key).is_some())
        {
            self.spent.borrow_mut().insert(key.clone());
        }
    }

    /// Gives what the run and later steps need of a step that keeps its end, and remembers how it is taken back.
    pub(super) async fn restore(
        &self,
        turn: Turn<'_>,
        known: &Known,
        end: &StepFinished,
    ) -> StepEnd {
        self.ledger.borrow_mut().note_end(end.status);
        for finding in &known.findings {
            let told = Event::FindingRaised(finding.clone());
            self.record(told, Durability::Relaxed);
        }
        self.replay_within(turn).await;
        self.restored(turn, known, end)
    }

    fn restored(&self, turn: Turn<'_>, known: &Known, end: &StepFinished) -> StepEnd {
        let failed_undo = known.undo.is_some_and(|(_, undo)| undo == Undo::Failed);
        if failed_undo && self.what != Some(Resumption::Undo) {
            // Only a person who asks for it has it tried again.
            self.ledger.borrow_mut().stuck = true;
        } else if known.is_in_place() {
            let done_at = known.end.as_ref().map_or(0, |(at, _)| *at);
            self.remember_kept(turn, known, &kept_of(end).0, done_at);
        }
        let (outputs, saved) = kept_of(end);
        let seen = turn.frame.referred.holds(&turn.step.name).then(|| {
            let items = turn
                .step
                .for_each
                .is_some()
                .then(|| self.items_seen(turn.key, &outputs))
                .flatten();
            seen_of(end, outputs, saved.clone(), items)
        });
        StepEnd {
            status: end.status,
            severity: end.severity,
            failed: end.failed,
            ends_run: false,
            saved,
            seen,
            unknown: Unknown::default(),
            detail: end.detail.clone(),
        }
    }

    fn remember_kept(
        &self,
        turn: Turn<'_>,
        known: &Known,
        outputs: &Map<String, Value>,
        done_at: u64,
    ) {
        if turn.step.undo.is_none() || self.is_whole(turn) {
            return;
        }
        self.ledger.borrow_mut().can_undo(Undoable {
            key: turn.key.clone(),
            step: turn.step.clone(),
            scope: turn.scope.with_all(outputs),
            done_at,
            in_doubt: matches!(known.undo, Some((_, Undo::InDoubt))),
            lost: None,
        });
    }

    pub(super) fn is_whole(&self, turn: Turn<'_>) -> bool {
        turn.step.for_each.is_some() && *turn.key == turn.frame.key(turn.step)
    }

    /// What each item of a list gave, where its whole has the number of them; none where it is no whole.
    fn items_seen(&self, key: &StepKey, outputs: &Map<String, Value>) -> Option<Value> {
        let count = usize::try_from(outputs.get("count")?.as_u64()?).ok()?;
        let seen = |index| {
            let known = self.history?.step(&key.item(index))?;
            let (_, end) = known.end.as_ref()?;
            let (outputs, saved) = kept_of(end);
            Some(seen_of(end, outputs, saved, None))
        };
        Some(
            (0..count)
                .map(|index| seen(index).unwrap_or_default())
                .collect(),
        )
    }

    /// Goes once more through what a step consists of that keeps its end, and does nothing but remember how each part is
    /// taken back.
    async fn replay_within(&self, turn: Turn<'_>) {
        let has_parts = self
            .history
            .is_some_and(|history| history.within(turn.key).next().is_some());
        if !has_parts {
            return;
        }
        let frame = Frame {
            past: Past::IsAll,
            ..turn.frame.clone()
        };
        let turn = Turn {
            frame: &frame,
            ..turn
        };
        if self.is_whole(turn)
            && let Some(each) = &turn.step.for_each
        {
            self.replay_items(turn, each).await;
        } else if runs_a_runbook(turn.step)
            && let Err(failure) = self.perform(turn, &turn.step.call, false).await
        {
            self.lose(turn, &super::judge::why(&failure));
        }
    }

    async fn replay_items(&self, turn: Turn<'_>, each: &ForEach) {
        let known = self.history.and_then(|history| history.step(turn.key));
        let digest = known.and_then(|known| known.items.as_deref());
        let items = match self.engine.evaluator.value(&each.items, turn.scope) {
            Ok(Value::Array(items)) if digest == Some(&digest_of(&items)) => items,
            Ok(_) => return self.lose(turn, "its list is not what it was"),
            Err(error) => return self.lose(turn, &error.message),
        };
        for (index, item) in items.into_iter().enumerate() {
            let turn = Turn {
                scope: &turn.scope.with_all(&named(each, item, index)),
                key: &turn.key.item(index),
                ..turn
            };
            Box::pin(self.replay(turn)).await;
        }
    }

    /// Notes that what a step did cannot be taken back, if there is anything to take back.
    fn lose(&self, turn: Turn<'_>, because: &str) {
        let Some(history) = self.history else { return };
        let done = history
            .within(turn.key)
            .filter(|(_, known)| known.is_in_place() && known.may_have_changed());
        let Some(done_at) = done.map(|(_, known)| known.last()).max() else {
            return;
        };
        self.ledger.borrow_mut().can_undo(Undoable {
            key: turn.key.clone(),
            step: turn.step.clone(),
            scope: turn.scope.clone(),
            done_at,
            in_doubt: false,
            lost: Some(because.to_owned()),
        });
    }

    /// Goes once more through a step that earlier legs knew, without doing anything.
    pub(super) async fn replay(&self, turn: Turn<'_>) -> StepEnd {
        self.replay_within(turn).await;
        let Some((history, known)) = self
            .history
            .and_then(|history| Some((history, history.step(turn.key)?)))
        else {
            return StepEnd::nothing();
        };
        if self.settled(turn.key) == Some(Settlement::Done) {
            // Nothing is known of what it gave, and nothing was done after it.
            self.remember_kept(turn, known, &Map::new(), history.next());
            return StepEnd::nothing();
        }
        match &known.end {
            Some((_, end)) if end.status != Status::NotRun => self.restored(turn, known, end),
            Some(_) | None => StepEnd::nothing(),
        }
    }
}

/// What a step gave and saved, as far as the journal holds it. What is not what it was must not pass for it: a name that
/// is not there is an error, a masked one is not.
fn kept_of(end: &StepFinished) -> (Map<String, Value>, Map<String, Value>) {
    if end.withheld {
        return (Map::new(), Map::new());
    }
    (end.outputs.clone(), end.saved.clone())
}

/// What later steps see as `steps.<name>`: what it gave, what it saved, and how it ended.
pub(super) fn seen_of(
    end: &StepFinished,
    outputs: Map<String, Value>,
    saved: Map<String, Value>,
    items: Option<Value>,
) -> Value {
    let mut seen = outputs;
    seen.extend(items.map(|items| ("items".to_owned(), items)));
    seen.extend(saved);
    for (name, value) in [
        ("status", json!(end.status)),
        ("severity", json!(end.severity)),
        ("failed", json!(end.failed)),
        ("took_ms", json!(end.took_ms)),
        ("attempts", json!(end.attempts)),
        ("detail", json!(end.detail)),
    ] {
        // An output of the same name belongs to the action: an HTTP status stays one.
        seen.entry(name).or_insert(value);
    }
    Value::Object(seen)
}
