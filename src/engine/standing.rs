//! Standing approvals: what a runbook may destroy without being asked, and how much of that was used up.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::base::text::thousands;
use crate::base::{CommandPath, StepKey};
use crate::event::Preview;
use crate::plan::Plan;
use crate::sql::{self, Dialect};

use super::attempt::Failure;
use super::confirm::Agreed;
use super::frame::Turn;
use super::history::History;
use super::ledger::Ledger;
use super::recall::runs_a_runbook;
use super::resume::{Located, locate};
use super::run::Run;
use super::{ActionError, Outputs};

/// What was done under standing approvals.
#[derive(Default)]
pub(super) struct Standing {
    /// The rows that were changed under the approval of each runbook.
    used: BTreeMap<CommandPath, u64>,
    /// The limits of the steps that run under one.
    grants: BTreeMap<StepKey, Grant>,
    /// The rows that a person saw and agreed to, of the steps that run on their word.
    agreed: BTreeMap<StepKey, u64>,
    /// Only one step is counted and run at a time: what is left for it must still be left when it acts.
    turn: Arc<Mutex<()>>,
}

/// What a step may use up.
struct Grant {
    /// The runbooks whose approvals cover it, with the most rows of each.
    limits: Vec<(CommandPath, u64)>,
    /// How many rows it was counted to change.
    counted: u64,
}

/// The leave to run a step; ends with the value.
pub(super) struct Leave<'a> {
    limited: Option<(&'a RefCell<Ledger>, StepKey)>,
    /// What a person agreed to, if one gave it.
    pub(super) agreed: Option<Agreed>,
    /// Held by a step that runs under a standing approval.
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Leave<'_> {
    /// Without limits.
    pub(super) const FREE: Self = Self {
        limited: None,
        agreed: None,
        _turn: None,
    };
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if let Some((ledger, key)) = &self.limited {
            let standing = &mut ledger.borrow_mut().standing;
            standing.grants.remove(key);
            standing.agreed.remove(key);
        }
    }
}

impl Standing {
    fn left(&self, limits: &[(CommandPath, u64)]) -> Option<u64> {
        let left = |(path, rows): &(CommandPath, u64)| rows.saturating_sub(self.used_by(path));
        limits.iter().map(left).min()
    }

    fn used_by(&self, path: &CommandPath) -> u64 {
        self.used.get(path).copied().unwrap_or_default()
    }

    /// The most rows that a step may change now, where a limit stands.
    pub(super) fn most_rows(&self, key: &StepKey) -> Option<u64> {
        self.left(&self.grants.get(key)?.limits)
    }

    /// How many rows a step should change by what was counted, where a limit stands.
    pub(super) fn counted_rows(&self, key: &StepKey) -> Option<u64> {
        self.grants.get(key).map(|grant| grant.counted)
    }

    /// How many rows a person agreed to that a step changes, where they saw how many there are.
    pub(super) fn agreed_rows(&self, key: &StepKey) -> Option<u64> {
        self.agreed.get(key).copied()
    }

    /// Uses up what a step changed: what it says, else what was counted. One that failed changed nothing unless it says so;
    /// of one that was cut off or whose answer was lost nobody knows.
    pub(super) fn charge(&mut self, key: &StepKey, done: &Result<Outputs, Failure>) {
        let Some(grant) = self.grants.get(key) else {
            return;
        };
        let rows = match done {
            Ok(outputs) => outputs.rows_changed.unwrap_or(grant.counted),
            Err(Failure::Action(error)) if error.in_doubt => {
                let told = error.outputs.rows_changed.unwrap_or_default();
                told.max(grant.counted)
            }
            Err(Failure::Action(error)) => error.outputs.rows_changed.unwrap_or_default(),
            Err(Failure::Evaluation(_)) => 0,
            Err(Failure::Stopped(_, last)) => last.outputs.rows_changed.unwrap_or(grant.counted),
            Err(Failure::Timeout(_) | Failure::Expectation { .. }) => grant.counted,
        };
        let limits = grant.limits.clone();
        self.use_up(&limits, rows);
    }

    fn use_up(&mut self, limits: &[(CommandPath, u64)], rows: u64) {
        for (path, _) in limits {
            let used = self.used.entry(path.clone()).or_default();
            *used = used.saturating_add(rows);
        }
    }

    /// What the earlier legs of a run have used up. A step whose outputs the journal does not hold may have used all of it.
    pub(super) fn of_history(plan: &Plan, history: &History) -> Self {
        let mut standing = Self::default();
        for (key, rows) in history.rows() {
            let itself = locate(plan, key).is_some_and(|located| {
                let is_whole = located.step.for_each.is_some() && !located.is_item;
                !is_whole && !runs_a_runbook(located.step)
            });
            if itself {
                standing.use_up(&limits_of(covering(plan, key)), rows);
            }
        }
        standing
    }
}

/// The runbooks whose standing approvals cover a step, the nearest first, with the limits that they have.
fn covering(plan: &Plan, key: &StepKey) -> Vec<(CommandPath, Option<u64>)> {
    let (mut covering, mut key) = (Vec::new(), key.clone());
    loop {
        let Some(Located {
            runbook,
            step,
            before,
            ..
        }) = locate(plan, &key)
        else {
            return covering;
        };
        let approval = runbook.approved.as_ref();
        if let Some(approval) = approval.filter(|approval| approval.covers(&step.name)) {
            covering.push((runbook.path.clone(), approval.rows));
        }
        let Some(caller) = before.strip_suffix('/') else {
            return covering;
        };
        key = StepKey::new(caller);
    }
}

/// The limits of those that have one.
fn limits_of(covering: Vec<(CommandPath, Option<u64>)>) -> Vec<(CommandPath, u64)> {
    let limited = covering.into_iter();
    limited
        .filter_map(|(path, rows)| Some((path, rows?)))
        .collect()
}

impl Run<'_> {
    /// Whether a standing approval answers for whatever a step destroys, however many rows that are.
    pub(super) fn is_approved_without_limit(&self, turn: Turn<'_>) -> bool {
        let covering = covering(self.plan, turn.key);
        !covering.is_empty() && limits_of(covering).is_empty()
    }

    /// Whether a standing approval answers for what a step destroys, as long as that is within its limit.
    pub(super) fn is_approved_within_limit(&self, turn: Turn<'_>) -> bool {
        !limits_of(covering(self.plan, turn.key)).is_empty()
    }

    /// The leave that standing approvals give; none where there is none, and a person must be asked.
    ///
    /// The nearest one answers, and the limits of those around it hold too: a runbook within an approved one cannot do more
    /// than that allows.
    pub(super) async fn standing_leave(
        &self,
        turn: Turn<'_>,
    ) -> Result<Option<Leave<'_>>, Failure> {
        let covering = covering(self.plan, turn.key);
        if covering.is_empty() {
            return Ok(None);
        }
        let limits = limits_of(covering);
        if limits.is_empty() {
            return Ok(Some(Leave::FREE));
        }
        let waiting = Arc::clone(&self.ledger.borrow().standing.turn);
        let held = tokio::select! {
            biased;
            stop = turn.frame.stop.wait() => return Err(Failure::Stopped(stop, Box::default())),
            held = waiting.lock_owned() => held,
        };
        let preview = self.count_call(turn).await;
        let mut ledger = self.ledger.borrow_mut();
        let counted = counted(preview)?;
        if let Some(refused) = ledger.standing.refuse(&limits, &counted) {
            return Err(Failure::Action(refused));
        }
        let grant = Grant {
            limits,
            counted: counted.1,
        };
        ledger.standing.grants.insert(turn.key.clone(), grant);
        Ok(Some(Leave {
            limited: Some((&self.ledger, turn.key.clone())),
            agreed: None,
            _turn: Some(held),
        }))
    }

    /// Gives back what a step of an earlier leg may have used up, now that it is known not to have been done.
    pub(super) fn give_back(&self, key: &StepKey) {
        let known = self.history.and_then(|history| history.step(key));
        let Some(rows) = known.and_then(|known| known.rows) else {
            return;
        };
        let standing = &mut self.ledger.borrow_mut().standing;
        for (path, _) in limits_of(covering(self.plan, key)) {
            let used = standing.used.entry(path).or_default();
            *used = used.saturating_sub(rows);
        }
    }

    /// The leave that a person gives for what they saw, and for as many rows.
    pub(super) fn personal_leave(&self, turn: Turn<'_>, agreed: Agreed) -> Leave<'_> {
        let rows = agreed.rows;
        if let Some(rows) = rows {
            let mut ledger = self.ledger.borrow_mut();
            ledger.standing.agreed.insert(turn.key.clone(), rows);
        }
        Leave {
            limited: rows.map(|_| (&self.ledger, turn.key.clone())),
            agreed: Some(agreed),
            _turn: None,
        }
    }
}

/// How many rows the step would change, by what is sent.
fn counted(preview: Result<Preview, Failure>) -> Result<(String, u64), Failure> {
    let why = match preview {
        Ok(Preview {
            sent,
            rows: Some(rows),
            ..
        }) => return Ok((sent, rows)),
        Ok(_) => String::new(),
        Err(Failure::Action(error)) => format!(" ({})", error.message),
        Err(failure) => return Err(failure),
    };
    Err(Failure::Action(
        ActionError::refused(format!(
            "its rows cannot be counted beforehand{why}, and its standing approval has a limit"
        ))
        .help("a standing approval without `rows` has no limit; `approved.steps` names what it is given for"),
    ))
}

impl Standing {
    /// Why so many rows are too many, if they are.
    fn refuse(
        &self,
        limits: &[(CommandPath, u64)],
        (sent, rows): &(String, u64),
    ) -> Option<ActionError> {
        let (path, limit) = limits
            .iter()
            .find(|(path, limit)| *rows > limit.saturating_sub(self.used_by(path)))?;
        // Comments may stand before it.
        let statements = sql::pieces(sent, Dialect::Sqlite);
        let word = match statements.first() {
            Some(first) if first.begins(&["DELETE"]) => "delete",
            Some(_) | None => "change",
        };
        let before = match self.used_by(path) {
            0 => String::new(),
            used => format!(" after {}", thousands(used)),
        };
        Some(
            ActionError::refused(format!(
                "would {word} {} rows{before}; approved are {}",
                thousands(*rows),
                thousands(*limit)
            ))
            .help(format!("the limit is `approved.rows` of {}", path.typed())),
        )
    }
}
