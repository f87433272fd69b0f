//! The order of steps: one after the other, those marked `parallel` together with the one above them.

use std::cmp::Reverse;

use futures_util::future::join_all;
use minijinja::Value;
use minijinja::value::Serde;

use crate::base::{Severity, Status, Verdict};
use crate::expr::Scope;
use crate::model::{OnFailure, Step};

use super::Stop;
use super::frame::{Frame, Past, Turn};
use super::history::Known;
use super::judge::Ending;
use super::run::Run;
use super::step::{Given, StepEnd};

/// How a list of steps ended.
#[derive(Default)]
pub(super) struct SequenceEnd {
    /// The worst status, with its severity and the step's name and detail.
    pub(super) worst: Option<Worst>,
    /// Whether a failure kept later steps from running.
    pub(super) failed: bool,
    /// Whether what was done must be taken back.
    pub(super) undo: bool,
    /// How many steps ran.
    pub(super) ran: usize,
}

/// The worst that happened.
#[derive(Clone, Debug)]
pub(super) struct Worst {
    pub(super) status: Status,
    pub(super) severity: Option<Severity>,
    pub(super) reason: String,
}

impl Worst {
    fn rank(&self) -> (Verdict, Option<Reverse<Severity>>) {
        (self.status.verdict(), self.severity.map(Reverse))
    }
}

impl SequenceEnd {
    /// Takes the end of one more step in. One that only ran checks is not counted and not named: they are.
    fn add(&mut self, name: &str, end: &StepEnd, on_failure: OnFailure, ran_checks: bool) {
        let of_checks = ran_checks && !end.failed;
        let ran = !matches!(end.status, Status::Skipped | Status::NotRun);
        self.ran += usize::from(ran && !of_checks);
        self.failed |= end.halts(on_failure);
        self.undo |= end.failed && on_failure == OnFailure::Undo;
        self.take(Worst {
            status: end.status,
            severity: end.severity,
            reason: match of_checks {
                true => end.detail.clone(),
                false => format!("{name}: {}", end.detail),
            },
        });
    }

    /// Keeps the worse of what is known and this; of two as bad, the first.
    pub(super) fn take(&mut self, other: Worst) {
        if self
            .worst
            .as_ref()
            .is_none_or(|worst| other.rank() > worst.rank())
        {
            self.worst = Some(other);
        }
    }
}

impl Run<'_> {
    /// Runs steps in order until one of them stops the rest. Gives the scope with what they saved.
    pub(super) async fn sequence(
        &self,
        frame: &Frame<'_>,
        steps: &[Step],
        scope: Scope,
    ) -> (SequenceEnd, Scope) {
        let (mut end, mut scope) = (SequenceEnd::default(), scope);
        let mut rest = steps;
        while !rest.is_empty() {
            let together = 1 + rest.iter().skip(1).take_while(|step| step.parallel).count();
            let (group, later) = rest.split_at(together);
            rest = later;
            if frame.past != Past::IsAll && (end.failed || frame.stop.now().is_some()) {
                end.failed = true;
                for step in group {
                    self.pass_over(frame, step, &scope);
                }
                continue;
            }
            let ended = join_all(group.iter().map(|step| self.step(frame, step, &scope))).await;
            for (step, ended) in group.iter().zip(ended) {
                if let Some(seen) = &ended.seen {
                    scope.finish_step(&step.name, seen);
                }
                if ended.unknown.step {
                    scope.finish_step_unknown(&step.name);
                }
                for (name, value) in &ended.saved {
                    scope.define(name, Value::from(Serde(value)));
                }
                for name in &ended.unknown.names {
                    scope.define_unknown(name);
                }
                let ran_checks = self.ledger.borrow().runners.contains(&frame.key(step));
                end.add(&step.name, &ended, frame.on_failure(step), ran_checks);
            }
        }
        (end, scope)
    }

    fn pass_over(&self, frame: &Frame<'_>, step: &Step, scope: &Scope) {
        let stopped = frame.stop.now().map(Stop::as_str);
        self.not_run(
            frame,
            step,
            scope,
            stopped.unwrap_or("a step before it failed"),
        );
    }

    /// Finishes a step that was not reached.
    pub(super) fn not_run(&self, frame: &Frame<'_>, step: &Step, scope: &Scope, reason: &str) {
        let key = &frame.key(step);
        // It may have been done by an earlier leg, and that stays true.
        if frame.past == Past::Counts && self.known(key).is_some_and(Known::was_begun) {
            return;
        }
        let turn = Turn {
            frame,
            step,
            scope,
            key,
            effect: self.effect(step),
        };
        let ending = Ending::passed_over(Status::NotRun, reason);
        self.finish(turn, ending, Given::default());
    }
}
