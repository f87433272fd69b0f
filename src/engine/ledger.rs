//! What a run has to remember beside its events: what can be taken back, and what decides its exit code.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::exit::ExitCode;
use crate::base::{Status, StepKey};
use crate::expr::Scope;
use crate::model::Step;

use super::ErrorKind;
use super::attempt::Failure;
use super::confirm::Agreed;
use super::frame::Frame;
use super::standing::Standing;

/// What a run has to remember beside its events.
#[derive(Default)]
pub(super) struct Ledger {
    /// The steps that can be taken back.
    undoable: Vec<Undoable>,
    /// Why the journal can be written no more.
    pub(super) broken: Option<String>,
    /// Why the run ends with an exit code of its own.
    pub(super) blocked: Option<(ExitCode, String)>,
    /// Whether an undo failed or a step is in doubt.
    pub(super) stuck: bool,
    /// Whether a step that may change something was started.
    pub(super) changed: bool,
    /// What was done under standing approvals.
    pub(super) standing: Standing,
    /// The steps that a person was asked for ahead, with what they agreed to.
    pub(super) answered: BTreeMap<StepKey, Agreed>,
    /// The steps that ran checks.
    pub(super) runners: BTreeSet<StepKey>,
}

/// A step that was done and can be taken back.
pub(super) struct Undoable {
    /// Its key.
    pub(super) key: StepKey,
    /// The step.
    pub(super) step: Step,
    /// The names that its undo can use.
    pub(super) scope: Scope,
    /// The number of the event that told its end: what was done last is taken back first.
    pub(super) done_at: u64,
    /// Whether its undo was begun and nobody knows whether it took effect.
    pub(super) in_doubt: bool,
    /// Why the names that its undo needs cannot be had any more.
    pub(super) lost: Option<String>,
}

impl Ledger {
    /// Remembers what the end of a step means for the whole run.
    pub(super) fn note_end(&mut self, status: Status) {
        self.stuck |= matches!(status, Status::InDoubt | Status::UndoFailed);
    }

    /// Remembers a failure that has an exit code of its own.
    pub(super) fn note_failure(&mut self, failure: &Failure, key: &StepKey) {
        let exit = match failure {
            Failure::Action(error) => match error.kind {
                ErrorKind::Refused => ExitCode::NotNow,
                ErrorKind::Config => ExitCode::Config,
                ErrorKind::Target | ErrorKind::Late | ErrorKind::Own => return,
            },
            Failure::Evaluation(_)
            | Failure::Timeout(_)
            | Failure::Expectation { .. }
            | Failure::Stopped(..) => return,
        };
        self.blocked
            .get_or_insert_with(|| (exit, format!("{key}: {}", super::judge::why(failure))));
    }

    /// Remembers that a step can be taken back.
    pub(super) fn can_undo(&mut self, undoable: Undoable) {
        self.undoable.push(undoable);
    }

    /// The last step of a runbook that was done and not yet taken back. What its caller did is the caller's to undo.
    pub(super) fn last_done(&mut self, frame: &Frame<'_>) -> Option<Undoable> {
        let of_frame = |(_, undoable): &(usize, &Undoable)| frame.holds(&undoable.key);
        let (last, _) = self
            .undoable
            .iter()
            .enumerate()
            .filter(of_frame)
            .max_by_key(|(place, undoable)| (undoable.done_at, *place))?;
        Some(self.undoable.remove(last))
    }

    /// Forgets what was done before this event.
    pub(super) fn keep_from(&mut self, event: u64) {
        self.undoable.retain(|undoable| undoable.done_at >= event);
    }

    /// What can be taken back, in the order in which it will be.
    pub(super) fn in_order_of_undo(&mut self) -> &[Undoable] {
        // Of equals the later one first, as `last_done` has it.
        self.undoable.reverse();
        self.undoable
            .sort_by_key(|undoable| std::cmp::Reverse(undoable.done_at));
        &self.undoable
    }
}
