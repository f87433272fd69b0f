//! What is asked ahead: a step that only keeps something aside, a copy to go back to, does so for the step behind it. That
//! one's question comes first: who says no has no copy of production lying about.

use std::cell::Cell;

use serde_json::Value;

use crate::expr::{NameUse, names_in_expression, names_in_template};
use crate::model::Step;

use super::attempt::Failure;
use super::confirm::Agreed;
use super::each::named;
use super::frame::Turn;
use super::run::Run;
use super::standing::Leave;
use super::{ActionError, ErrorKind};

impl Run<'_> {
    /// Asks what must be asked before the step, unless it was asked ahead; and ahead what is asked before the step behind it,
    /// where this one only keeps something aside for it.
    pub(super) async fn granted(&self, turn: Turn<'_>) -> Result<Leave<'_>, Failure> {
        let answered = self.ledger.borrow_mut().answered.remove(turn.key);
        let leave = self.confirmed(turn, answered).await?;
        // Of a list that is asked once, before its first item.
        if turn.step.for_each.is_none() {
            self.ask_behind(turn).await?;
        }
        Ok(leave)
    }

    /// Asks what is asked before the step behind one, where that one only keeps something aside for it.
    pub(super) async fn ask_behind(&self, turn: Turn<'_>) -> Result<(), Failure> {
        if self.options.dry || turn.frame.agreed || !self.keeps_aside(turn.step) {
            return Ok(());
        }
        let Some(next) = behind(turn) else {
            return Ok(());
        };
        self.ask_ahead(Turn {
            step: next,
            key: &turn.frame.key(next),
            effect: self.effect(next),
            ..turn
        })
        .await
    }

    /// Whether a step only keeps something beside what there is.
    pub(super) fn keeps_aside(&self, step: &Step) -> bool {
        let action = self.engine.actions.get(step.call.action.name);
        action.is_some_and(|action| action.keeps_aside(step.call.verb))
    }

    /// Asks for a step, or for each of its items, whatever would be asked at its turn.
    async fn ask_ahead(&self, turn: Turn<'_>) -> Result<(), Failure> {
        let Some(each) = &turn.step.for_each else {
            return self.ask_one_ahead(turn).await;
        };
        // A list that cannot be told is the step's own trouble, at its turn.
        let items = self.engine.evaluator.value(&each.items, turn.scope);
        let Ok(Value::Array(items)) = items else {
            return Ok(());
        };
        for (index, item) in items.into_iter().enumerate() {
            self.ask_one_ahead(Turn {
                scope: &turn.scope.with_all(&named(each, item, index)),
                key: &turn.key.item(index),
                ..turn
            })
            .await?;
        }
        Ok(())
    }

    /// Who says no says it before anything is kept, and so does a stop, and whatever else ends the run in any case. Any other
    /// trouble is the step's own, at its turn: its `on_failure` may go on.
    async fn ask_one_ahead(&self, turn: Turn<'_>) -> Result<(), Failure> {
        match self.agreed_ahead(turn).await {
            Ok(Some(agreed)) => {
                let mut ledger = self.ledger.borrow_mut();
                ledger.answered.insert(turn.key.clone(), agreed);
                Ok(())
            }
            Err(Ahead::Refused(failure)) => Err(failure),
            Ok(None) | Err(Ahead::ForItsTurn) => Ok(()),
        }
    }

    /// What a person agreed to, where one was asked. What a standing approval answers is counted again at its turn: others
    /// may have used it up by then.
    async fn agreed_ahead(&self, turn: Turn<'_>) -> Result<Option<Agreed>, Ahead> {
        if self.unless_wanted(turn.step, turn.scope).is_some() {
            return Ok(None);
        }
        let is_asked_for = self.is_asked_for(turn);
        let named = |failure| named_behind(turn, failure);
        let may_be_done = match is_asked_for {
            true => self.already_done(turn).await.map_err(named)?.is_some(),
            // Where nobody is asked the target is not asked either.
            false => turn.step.unless.is_some(),
        };
        if may_be_done {
            return Ok(None);
        }
        self.preflight(turn).await.map_err(named)?;
        if !is_asked_for {
            return Ok(None);
        }
        // A question says itself what it is about.
        let in_words = |failure| match failure {
            Failure::Action(ref error) if error.kind == ErrorKind::Refused => failure,
            failure => named(failure),
        };
        let mut leave = self.confirmed(turn, None).await.map_err(in_words)?;
        Ok(leave.agreed.take())
    }
}

/// Why a step is not agreed to ahead.
enum Ahead {
    /// Nothing is to be kept for it.
    Refused(Failure),
    /// What is in its way is told at its turn.
    ForItsTurn,
}

impl From<Failure> for Ahead {
    fn from(failure: Failure) -> Self {
        match failure.ends_run() {
            true => Self::Refused(failure),
            false => Self::ForItsTurn,
        }
    }
}

/// The failure of the step behind the one that it is told of.
fn named_behind(turn: Turn<'_>, failure: Failure) -> Failure {
    match failure {
        Failure::Action(error) => {
            let message = format!("{} behind it: {}", turn.key, error.message);
            Failure::Action(ActionError { message, ..error })
        }
        failure => failure,
    }
}

/// The step behind one, unless it takes up what this one gives: then nobody can ask for it yet.
fn behind<'a>(turn: Turn<'a>) -> Option<&'a Step> {
    let steps = &turn.frame.runbook.steps;
    let place = steps.iter().position(|step| step.name == turn.step.name)?;
    let next = steps.get(place + 1)?;
    (!next.parallel && !takes_up(next, turn.step)).then_some(next)
}

/// Whether a text of a step names what an earlier one gives or saves.
fn takes_up(step: &Step, earlier: &Step) -> bool {
    let found = Cell::new(false);
    let look = |names: Vec<NameUse>| {
        let taken = names.iter().any(|name| match name.path.as_slice() {
            [first, step, ..] if first == "steps" => *step == earlier.name,
            [first, ..] => first == "steps" || earlier.save.iter().any(|(saved, _)| saved == first),
            [] => false,
        });
        found.set(found.get() || taken);
    };
    step.visit(
        &mut |template| look(names_in_template(template)),
        &mut |expression| look(names_in_expression(expression)),
    );
    found.get()
}
