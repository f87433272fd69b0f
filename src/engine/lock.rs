//! The locks of a run: taken before it may change anything, waited for where the caller is patient, given back when the
//! run ends, however it ends.

use std::time::{Duration, Instant};

use crate::base::{Effect, RunId, Span};
use crate::book::Children;
use crate::config::Config;
use crate::event::{Event, LockTakenOver};
use crate::expr::Scope;
use crate::model::Runbook;
use crate::plan::{Plan, effect_of_call, effect_of_step};

use super::run::Run;
use super::{
    Acquired, ActionError, Durability, Engine, JournalError, LockHolder, RunOptions, Stop,
    StopSignal,
};

/// The first pause before a held lock is looked at again. It doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The longest pause: what a lock is free for nothing at most.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run holds it.
    #[error("the lock {lock} is held by {holder}{}", waited(*.wait))]
    Held {
        /// The lock.
        lock: String,
        /// Who holds it.
        holder: Box<LockHolder>,
        /// How long it was waited for.
        wait: Option<Span>,
    },
    /// Its name cannot be told.
    #[error("the lock of {runbook} cannot be told: {reason}")]
    Nameless {
        /// The path of the runbook.
        runbook: String,
        /// What is wrong with its text.
        reason: String,
    },
    /// The run had to stop while it waited.
    #[error("{} while it waited for a lock", .0.as_str())]
    Stopped(Stop),
    /// The store does not say.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

fn waited(wait: Option<Span>) -> String {
    wait.map_or_else(String::new, |wait| {
        format!(", and was not given back within {wait}")
    })
}

/// How a run waits for a lock.
pub(super) struct Patience<'a> {
    /// How long; not at all where the caller did not say.
    pub(super) wait: Option<Span>,
    /// Hears once whom it waits for.
    pub(super) tell: &'a mut dyn FnMut(&str),
    /// Ends it.
    pub(super) stop: &'a StopSignal,
}

/// Gives the locks of a run back when it is dropped.
pub(super) struct Locked<'a> {
    engine: &'a Engine<'a>,
    run: RunId,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // Where the store fails, the locks are taken over once this process is gone.
        let _ = self
            .engine
            .locks
            .release(self.run, &self.engine.origin.process);
    }
}

impl<'a> Engine<'a> {
    /// From now on the locks of this run are given back when it ends.
    pub(super) const fn locked(&'a self, run: RunId) -> Locked<'a> {
        Locked { engine: self, run }
    }

    /// Takes the lock of the plan's own runbook, if it needs one; whom it was taken from, where that one is dead.
    ///
    /// # Errors
    /// When the run may not begin.
    pub(super) async fn lock_plan(
        &self,
        run: RunId,
        plan: &Plan,
        options: &RunOptions,
        patience: Patience<'_>,
    ) -> Result<Option<LockTakenOver>, LockError> {
        if options.dry || plan.first_change(self.config).is_none() {
            return Ok(None);
        }
        let scope = self.scope(&plan.runbook, &plan.inputs, run, options.dry);
        self.take(run, &plan.runbook, &scope, patience).await
    }

    /// Takes the lock of a runbook.
    async fn take(
        &self,
        run: RunId,
        runbook: &Runbook,
        scope: &Scope,
        patience: Patience<'_>,
    ) -> Result<Option<LockTakenOver>, LockError> {
        let Patience { wait, tell, stop } = patience;
        let lock = self.name_of(runbook, scope)?;
        let holder = LockHolder {
            run,
            runbook: runbook.path.to_string(),
            user: self.origin.user.clone(),
            host: self.origin.host.clone(),
            process: self.origin.process.clone(),
            since: self.clock.now(),
        };
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut told = false;
        loop {
            let other = match self
                .locks
                .acquire(&lock, &holder, &|process| self.machine.liveness(process))?
            {
                Acquired::Free => return Ok(None),
                Acquired::TakenOver(from) => return Ok(Some(taken_over(lock, from))),
                Acquired::Held(other) => other,
            };
            let left = wait.map_or(Duration::ZERO, |wait| {
                wait.0.saturating_sub(began.elapsed())
            });
            if left.is_zero() {
                return Err(LockError::Held {
                    lock,
                    holder: Box::new(other),
                    wait,
                });
            }
            if !std::mem::replace(&mut told, true) {
                tell(&format!(
                    "waiting for the lock {lock}, which is held by {other}"
                ));
            }
            tokio::select! {
                biased;
                stop = stop.wait() => return Err(LockError::Stopped(stop)),
                // Those who wait together must not look together.
                () = tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64()).min(left)) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The name of a runbook's lock: its own text, else its path.
    fn name_of(&self, runbook: &Runbook, scope: &Scope) -> Result<String, LockError> {
        let Some(template) = &runbook.lock else {
            return Ok(runbook.path.to_string());
        };
        let nameless = |reason: String| LockError::Nameless {
            runbook: runbook.path.to_string(),
            reason,
        };
        let text = self
            .evaluator
            .text(template, scope)
            .map_err(|error| nameless(error.message))?;
        // It is kept and shown where secrets are not.
        let name = self.masker.text(text.trim());
        if name.is_empty() {
            return Err(nameless("its `lock` is empty".to_owned()));
        }
        Ok(name)
    }
}

impl Run<'_> {
    /// Takes the lock of a runbook that this run begins as a step.
    ///
    /// # Errors
    /// A refusal when another run holds it.
    pub(super) async fn lock_child(
        &self,
        child: &Runbook,
        scope: &Scope,
        patience: Patience<'_>,
    ) -> Result<(), ActionError> {
        let engine = self.engine;
        if self.options.dry || !may_change(child, engine.config, &self.plan.children) {
            return Ok(());
        }
        let run = self.recorder.run();
        match engine.take(run, child, scope, patience).await {
            Ok(taken_over) => {
                if let Some(event) = taken_over {
                    self.record(Event::LockTakenOver(event), Durability::Relaxed);
                }
                Ok(())
            }
            Err(error) => Err(match error {
                LockError::Held { .. } => ActionError::refused(error.to_string())
                    .help("`opsbook locks` tells whether that run still goes on"),
                LockError::Nameless { .. } => ActionError::config(error.to_string()),
                LockError::Stopped(_) | LockError::Journal(_) => {
                    ActionError::own(error.to_string())
                }
            }),
        }
    }
}

/// Whether a runbook may change something, by its steps or by what takes them back.
fn may_change(runbook: &Runbook, config: &Config, children: &Children) -> bool {
    runbook.all_steps().any(|step| {
        let undo = step.undo.as_ref();
        let undone = undo.map_or(Effect::Read, |call| effect_of_call(call, config, children));
        effect_of_step(step, config, children).changes() || undone.changes()
    })
}

fn taken_over(lock: String, from: LockHolder) -> LockTakenOver {
    LockTakenOver {
        lock,
        from: from.run,
        user: from.user,
        host: from.host,
        pid: from.process.pid,
    }
}
