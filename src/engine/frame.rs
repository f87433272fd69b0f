//! One runbook within a run: the run's own, or one that a step runs.

use std::cell::Cell;

use crate::base::{Effect, Severity, StepKey};
use crate::event::{CheckOf, StepFinished, StepStarted};
use crate::expr::Scope;
use crate::model::{OnFailure, Runbook, Step};

use super::StopSignal;
use super::referred::Referred;

/// One step at its place in a run.
#[derive(Clone, Copy)]
pub(super) struct Turn<'a> {
    /// The runbook that the step belongs to.
    pub(super) frame: &'a Frame<'a>,
    /// The step.
    pub(super) step: &'a Step,
    /// The names that it can use.
    pub(super) scope: &'a Scope,
    /// Its key within the run.
    pub(super) key: &'a StepKey,
    /// What it may do to the world.
    pub(super) effect: Effect,
}

impl Turn<'_> {
    /// That the step begins.
    pub(super) fn started(&self) -> StepStarted {
        StepStarted {
            step: self.key.clone(),
            action: self.step.call.name(),
            effect: self.effect,
            undo: false,
            items: None,
            rows: None,
            check: self.frame.check.map(|check| check.of.clone()),
        }
    }
}

/// One runbook within a run.
#[derive(Clone)]
pub(super) struct Frame<'a> {
    /// The runbook.
    pub(super) runbook: &'a Runbook,
    /// The steps that its texts name.
    pub(super) referred: &'a Referred,
    /// The step that runs it, for a sub-runbook.
    pub(super) caller: Option<StepKey>,
    /// What earlier legs of the run mean for its steps.
    pub(super) past: Past,
    /// Whether all that its steps do was agreed to already: it takes back what was done.
    pub(super) agreed: bool,
    /// What its steps stop for. Those of `finally` have one that never says so.
    pub(super) stop: StopSignal,
    /// The check that its one step is, if it is one.
    pub(super) check: Option<Held<'a>>,
}

/// The place of a check whose end is held back: what is told of it depends on other checks and on earlier looks.
#[derive(Clone, Copy)]
pub(super) struct Held<'a> {
    /// Which check it is.
    pub(super) of: &'a CheckOf,
    /// How it ended, once it did.
    pub(super) end: &'a Cell<Option<Box<StepFinished>>>,
}

/// What earlier legs of a run mean for the steps of a runbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Past {
    /// Nothing: `finally` runs in every leg, and an undo runs what it runs for the first time.
    IsNothing,
    /// A step that has ended keeps its end; the others run.
    Counts,
    /// There is nothing else: no step runs, and those that were done are remembered with what their undo needs.
    IsAll,
}

impl Frame<'_> {
    /// Whether a step is one of its own or of the runbooks that it runs.
    pub(super) fn holds(&self, key: &StepKey) -> bool {
        self.caller.as_ref().is_none_or(|caller| {
            let within = key.as_str().strip_prefix(caller.as_str());
            within.is_some_and(|rest| rest.starts_with('/'))
        })
    }

    /// The key of one of its steps.
    pub(super) fn key(&self, step: &Step) -> StepKey {
        match &self.caller {
            Some(caller) => caller.within(&step.name),
            None => StepKey::new(&step.name),
        }
    }

    /// What the failure of a step means.
    pub(super) fn severity(&self, step: &Step) -> Severity {
        step.severity.unwrap_or(self.runbook.severity)
    }

    /// What the failure of a step does to the run.
    pub(super) fn on_failure(&self, step: &Step) -> OnFailure {
        step.on_failure.unwrap_or(self.runbook.on_failure)
    }
}
