//! A run that had stopped goes on: what its earlier legs did is kept, the rest runs.

use std::collections::BTreeMap;

use crate::base::{Effect, StepKey};
use crate::event::{Event, Resumption, RunResumed};
use crate::expr::{NameUse, names_in_expression, names_in_template};
use crate::model::{Call, Runbook, Step};
use crate::plan::Plan;

use super::history::{History, Undo};
use super::recall::{Footing, Recalled, runs_a_runbook};
use super::recorder::Recorder;
use super::run::Run;
use super::standing::Standing;
use super::{Approval, Durability, Engine, RunEnd, RunError, RunOptions, Sink, StopSignal, gate};

/// What a resume of a run finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outlook {
    /// How many steps of the runbook keep their end.
    pub done: usize,
    /// The steps of which nobody knows whether they took effect.
    pub in_doubt: Vec<StepKey>,
    /// The steps of which nobody knows whether they were taken back.
    pub undo_in_doubt: Vec<StepKey>,
    /// The steps that were begun with a list: with another list now they are in doubt as a whole.
    pub lists: Vec<StepKey>,
}

impl Engine<'_> {
    /// Goes on with a run that had stopped.
    ///
    /// # Errors
    /// When it is refused before anything is done. Whatever happens later is part of how it ends.
    pub async fn resume(
        &self,
        plan: &Plan,
        history: &History,
        options: &RunOptions,
        sink: &mut dyn Sink,
        stop: &StopSignal,
    ) -> Result<RunEnd, RunError> {
        let request = gate::pass_again(plan, self.config, options, history, self.clock.now())?;
        refuse_what_is_withheld(plan, history)?;
        if let Some(request) = request {
            // It was asked for already, unless what is run is no longer what was approved.
            if history.approval() == Approval::Waiting && options.changed.is_empty() {
                return Err(RunError::NotApproved {
                    run: history.run(),
                    because: request.because,
                });
            }
            self.keep_changed(plan, &options.changed)?;
            let run = self.leg(Resumption::Resume, plan, history, options, sink);
            run.begin(run.resumed(), Durability::Durable)?;
            return Ok(run.wait_for_approval(request)?);
        }
        self.keep_changed(plan, &options.changed)?;
        let (_locked, taken_over) = self.hold(history.run(), plan, options, sink, stop).await?;
        let run = self.leg(Resumption::Resume, plan, history, options, sink);
        let durability = Durability::before(plan.effect);
        run.begin(run.resumed(), durability)?;
        run.tell_of(taken_over);
        Ok(run.to_its_end(stop).await)
    }

    /// One more leg of a run.
    pub(super) fn leg<'a>(
        &'a self,
        what: Resumption,
        plan: &'a Plan,
        history: &'a History,
        options: &'a RunOptions,
        sink: &'a mut dyn Sink,
    ) -> Run<'a> {
        let recorder = Recorder::new(
            history.run(),
            history.next(),
            self.masker,
            self.clock,
            self.journal,
            sink,
        );
        let mut run = Run::new(self, plan, options, recorder);
        run.what = Some(what);
        run.history = Some(history);
        {
            let mut ledger = run.ledger.borrow_mut();
            ledger.changed = history.has_changed();
            ledger.standing = Standing::of_history(plan, history);
        }
        run
    }
}

impl Run<'_> {
    /// The first event of a further leg.
    pub(super) fn resumed(&self) -> Event {
        let origin = &self.engine.origin;
        let outlook = self
            .history
            .map(|history| history.outlook(self.plan))
            .unwrap_or_default();
        let mut in_doubt = outlook.in_doubt;
        in_doubt.extend(outlook.undo_in_doubt);
        Event::RunResumed(RunResumed {
            what: self.what.unwrap_or(Resumption::Resume),
            user: origin.user.clone(),
            host: origin.host.clone(),
            pid: origin.pid,
            process: origin.process.clone(),
            opsbook: env!("CARGO_PKG_VERSION").to_owned(),
            in_doubt,
            changed: self.options.changed.clone(),
            reason: self.options.reason.clone(),
            incident: self.options.incident.clone(),
        })
    }
}

/// A step of a plan by its key.
#[derive(Clone, Copy)]
pub(super) struct Located<'a> {
    /// The runbook that it belongs to.
    pub(super) runbook: &'a Runbook,
    /// The step.
    pub(super) step: &'a Step,
    /// The part of the key that names the runbook's own caller, with the slash behind it; empty for the plan's own.
    pub(super) before: &'a str,
    /// Whether it is one item of a list.
    pub(super) is_item: bool,
    /// Whether it belongs to `finally`, or to a runbook that `finally` runs.
    pub(super) is_last: bool,
}

impl<'a> Located<'a> {
    fn footing(&self) -> Footing {
        let on_failure = self.step.on_failure.unwrap_or(self.runbook.on_failure);
        match self.step.for_each.is_some() && !self.is_item {
            true => Footing::of_whole(on_failure),
            false => Footing::of_one(on_failure, self.step),
        }
    }
}

/// Finds the step of a key; none where the plan has no such step any more.
pub(super) fn locate<'a>(plan: &'a Plan, key: &'a StepKey) -> Option<Located<'a>> {
    let (mut runbook, mut before, mut is_last) = (plan.runbook.as_ref(), 0, false);
    loop {
        let rest = &key.as_str()[before..];
        // The name of a step may hold what stands between names.
        let step = runbook
            .all_steps()
            .filter(|step| {
                let behind = rest.strip_prefix(step.name.as_str());
                behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(['[', '/']))
            })
            .max_by_key(|step| step.name.len())?;
        is_last |= runbook.finally.iter().any(|last| last.name == step.name);
        let behind = &rest[step.name.len()..];
        let item = behind.strip_prefix('[').and_then(|item| item.find(']'));
        let behind = item.map_or(behind, |end| &behind[end + 2..]);
        match behind.strip_prefix('/') {
            None => {
                return Some(Located {
                    runbook,
                    step,
                    before: &key.as_str()[..before],
                    is_item: item.is_some(),
                    is_last,
                });
            }
            Some(within) => {
                before = key.as_str().len() - within.len();
                runbook = child_of(plan, &step.call)?;
            }
        }
    }
}

fn child_of<'a>(plan: &'a Plan, call: &Call) -> Option<&'a Runbook> {
    let crate::model::Node::Text(template) = &call.object else {
        return None;
    };
    let path = crate::base::CommandPath::parse(&template.text).ok()?;
    plan.children.get(&path).map(AsRef::as_ref)
}

impl History {
    /// What a resume finds: how much keeps its end, and what is in doubt.
    #[must_use]
    pub fn outlook(&self, plan: &Plan) -> Outlook {
        let mut outlook = Outlook::default();
        for (key, known) in self.steps() {
            let Some(located) = locate(plan, key).filter(|located| !located.is_last) else {
                continue;
            };
            let is_undo_in_doubt =
                matches!(known.undo, Some((at, Undo::InDoubt)) if !self.ended_after(at));
            let recalled = self.recall(key, located.footing());
            if known.items.is_some() && matches!(recalled, Recalled::Nothing) {
                outlook.lists.push(key.clone());
            }
            match recalled {
                Recalled::InDoubt(_) => outlook.in_doubt.push(key.clone()),
                _ if is_undo_in_doubt => outlook.undo_in_doubt.push(key.clone()),
                Recalled::Kept(..) if located.before.is_empty() && !located.is_item => {
                    outlook.done += 1;
                }
                Recalled::Kept(..) | Recalled::Nothing => {}
            }
        }
        outlook
    }

    /// Whether a step keeps its end, as far as the whole that it belongs to is gone through again at all.
    fn keeps(&self, plan: &Plan, key: &StepKey) -> bool {
        locate(plan, key).is_some_and(|located| {
            !located.is_last && matches!(self.recall(key, located.footing()), Recalled::Kept(..))
        })
    }

    /// The names that the steps of one runbook have from those whose outputs the journal does not hold. What only reads
    /// is read again.
    pub(super) fn withheld(&self, plan: &Plan, before: &str) -> BTreeMap<String, StepKey> {
        let mut withheld = BTreeMap::new();
        for (key, known) in self.steps() {
            let is_withheld = known.end.as_ref().is_some_and(|(_, end)| end.withheld);
            let Some(located) = locate(plan, key).filter(|located| located.before == before) else {
                continue;
            };
            if is_withheld {
                let saved = located.step.save.iter().map(|(name, _)| name.clone());
                let names = saved.chain([format!("steps.{}", located.step.name)]);
                withheld.extend(names.map(|name| (name, key.clone())));
            }
        }
        withheld
    }
}

/// Refuses to go on where a step that is still to run needs what the journal does not hold and only a change can give.
fn refuse_what_is_withheld(plan: &Plan, history: &History) -> Result<(), RunError> {
    for (key, known) in history.steps() {
        let changed = known.effect.is_some_and(Effect::changes);
        let Some((_, end)) = known.end.as_ref().filter(|_| changed) else {
            continue;
        };
        let Some(located) = locate(plan, key).filter(|_| end.withheld && history.keeps(plan, key))
        else {
            continue;
        };
        let caller = located.before.strip_suffix('/').map(StepKey::new);
        if runs_a_runbook(located.step) || caller.is_some_and(|caller| history.keeps(plan, &caller))
        {
            continue;
        }
        let withheld = history.withheld(plan, located.before);
        for step in located.runbook.all_steps() {
            let reader = StepKey(format!("{}{}", located.before, step.name));
            let needs = uses_of_step(step)
                .iter()
                .find_map(|name| needed(&withheld, name).filter(|source| *source == key))
                .cloned();
            if let Some(source_step) = needs.filter(|_| !history.keeps(plan, &reader)) {
                return Err(RunError::Withheld {
                    step: reader,
                    source_step,
                });
            }
        }
    }
    Ok(())
}

/// The step whose outputs a name needs, of those that the journal does not hold.
pub(super) fn needed<'a>(
    withheld: &'a BTreeMap<String, StepKey>,
    name: &NameUse,
) -> Option<&'a StepKey> {
    match name.path.as_slice() {
        [first, step, ..] if first == "steps" => withheld.get(&format!("steps.{step}")),
        // The steps as a whole, or one whose name is worked out.
        [first] if first == "steps" => withheld.values().next(),
        [first, ..] => withheld.get(first),
        [] => None,
    }
}

fn uses_of_step(step: &Step) -> Vec<NameUse> {
    let uses = std::cell::RefCell::new(Vec::new());
    step.visit(
        &mut |template| uses.borrow_mut().extend(names_in_template(template)),
        &mut |expression| uses.borrow_mut().extend(names_in_expression(expression)),
    );
    uses.into_inner()
}

/// The names that a call uses.
pub(super) fn uses_of_call(call: &Call) -> Vec<NameUse> {
    let uses = std::cell::RefCell::new(Vec::new());
    call.visit(
        &mut |template| uses.borrow_mut().extend(names_in_template(template)),
        &mut |expression| uses.borrow_mut().extend(names_in_expression(expression)),
    );
    uses.into_inner()
}
