//! One attempt of one call: evaluate, act within the limit of time, hold against `expect`.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::event::Preview;
use crate::expr::{EvalError, Scope};
use crate::model::{Call, Expression};

use super::frame::{Past, Turn};
use super::nested::Nested;
use super::run::Run;
use super::{Action, ActionContext, ActionError, ErrorKind, Invocation, Outputs, Stop};

/// Why an attempt did not do what it should.
#[derive(Debug)]
pub(super) enum Failure {
    /// The action erred.
    Action(ActionError),
    /// A template or an expression could not be evaluated.
    Evaluation(EvalError),
    /// The attempt took longer than it may, and the action could not say itself what it was doing.
    Timeout(Duration),
    /// `expect` did not hold, or a name could not be saved.
    Expectation {
        /// The comparison that decided.
        because: String,
        /// What the action gave.
        outputs: Box<Outputs>,
    },
    /// The run must stop.
    Stopped(Stop),
}

impl Failure {
    /// Whether the run cannot go on whatever `on_failure` says.
    pub(super) fn ends_run(&self) -> bool {
        match self {
            Self::Stopped(_) => true,
            Self::Action(error) => matches!(error.kind, ErrorKind::Refused | ErrorKind::Config),
            Self::Evaluation(_) | Self::Timeout(_) | Self::Expectation { .. } => false,
        }
    }
}

impl Run<'_> {
    /// Does a call once and holds its outputs against `expect`.
    pub(super) async fn attempt(&self, turn: Turn<'_>) -> Result<Outputs, Failure> {
        let Turn { step, scope, .. } = turn;
        let judged = step.expect.is_some()
            || step
                .repeat
                .as_ref()
                .is_some_and(|repeat| repeat.until.is_some());
        let outputs = self.perform(turn, &step.call, judged).await?;
        match &step.expect {
            Some(expect) => self.expected(expect, scope, outputs),
            None => Ok(outputs),
        }
    }

    /// Holds outputs against an expectation. What cannot be told from them is not as expected.
    fn expected(
        &self,
        expect: &Expression,
        scope: &Scope,
        outputs: Outputs,
    ) -> Result<Outputs, Failure> {
        let because = match self
            .engine
            .evaluator
            .judge(expect, &scope.with_named_in(&expect.text, &outputs.values))
        {
            Ok(judgement) if judgement.holds => return Ok(outputs),
            Ok(judgement) if judgement.because.is_empty() => {
                format!("{} does not hold", expect.text)
            }
            Ok(judgement) => judgement.because,
            Err(error) => error.message,
        };
        Err(Failure::Expectation {
            because,
            outputs: Box::new(outputs),
        })
    }

    /// Does a call once, within the limit of time and until the run must stop. `judged` says that what the target answers is
    /// held against an expectation afterwards.
    pub(super) async fn perform(
        &self,
        turn: Turn<'_>,
        call: &Call,
        judged: bool,
    ) -> Result<Outputs, Failure> {
        let limit = turn
            .step
            .timeout
            .map(|span| span.0)
            .or(call.action.timeout.map(Duration::from_secs));
        let deadline = limit.map(|limit| Instant::now() + limit);
        let action = self.action(call)?;
        let (cancel, cancelled) = watch::channel(false);
        let limits = Limits {
            deadline,
            cancelled,
            judged,
        };
        self.with_context(turn, call, limits, async |invocation, context| {
            let mut future = action.run(invocation, context);
            let cut_off = tokio::select! {
                // An action that watches the deadline itself says more than the engine can.
                biased;
                stop = turn.frame.stop.wait() => Failure::Stopped(stop),
                result = &mut future => return result.map_err(Failure::Action),
                () = reached(deadline) => Failure::Timeout(limit.unwrap_or_default()),
            };
            // The receiver lives in the context, so this cannot fail.
            cancel.send_replace(true);
            let _ = tokio::time::timeout(action.grace(), future).await;
            Err(cut_off)
        })
        .await
    }

    /// Tells what a call would do.
    pub(super) async fn preview_of(&self, turn: Turn<'_>, call: &Call) -> Result<Preview, Failure> {
        let action = self.action(call)?;
        let (_held, cancelled) = watch::channel(false);
        let limits = Limits {
            deadline: None,
            cancelled,
            judged: false,
        };
        self.with_context(turn, call, limits, async |invocation, context| {
            tokio::select! {
                biased;
                stop = turn.frame.stop.wait() => Err(Failure::Stopped(stop)),
                preview = action.preview(invocation, context) => preview.map_err(Failure::Action),
            }
        })
        .await
    }

    fn action(&self, call: &Call) -> Result<&'static dyn Action, Failure> {
        let name = call.action.name;
        self.engine.actions.get(name).ok_or_else(|| {
            Failure::Action(ActionError::config(format!("there is no action {name:?}")))
        })
    }

    /// Works with a call that is evaluated and everything that its action may use.
    async fn with_context<T>(
        &self,
        turn: Turn<'_>,
        call: &Call,
        limits: Limits,
        work: impl AsyncFnOnce(&Invocation, &ActionContext<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Turn {
            frame,
            step,
            scope,
            key,
            ..
        } = turn;
        let invocation = self.invocation(call, scope).map_err(Failure::Evaluation)?;
        let resolve = |template: &_| self.engine.resolve(template, scope);
        let progress = |message: String| self.recorder.progress(key, &message);
        let context = ActionContext {
            step: key,
            config: self.engine.config,
            folder: &self.engine.folder,
            deadline: limits.deadline,
            environment: &self.engine.environment,
            variables: &self.engine.variables,
            prompt: self.engine.prompt,
            nested: &Nested {
                run: self,
                frame,
                past: if std::ptr::eq(call, &step.call) {
                    frame.past
                } else {
                    Past::IsNothing
                },
                cancelled: limits.cancelled.clone(),
            },
            resolve: &resolve,
            masker: self.engine.masker,
            progress: &progress,
            cancel: limits.cancelled,
            judged: limits.judged,
            most_rows: None,
        };
        work(&invocation, &context).await
    }

    /// The call with everything evaluated.
    fn invocation(&self, call: &Call, scope: &Scope) -> Result<Invocation, EvalError> {
        let evaluator = self.engine.evaluator;
        let object = evaluator.argument(&call.object, call.verb.object, scope)?;
        let mut options = Vec::with_capacity(call.options.len());
        for (name, node) in &call.options {
            if let Some(option) = call
                .action
                .options_of(call.verb)
                .find(|option| option.name == *name)
            {
                options.push((*name, evaluator.argument(node, option.kind, scope)?));
            }
        }
        Ok(Invocation {
            verb: call.verb,
            object,
            options,
            place: call.place.clone(),
        })
    }
}

/// What an action must keep to.
struct Limits {
    deadline: Option<Instant>,
    cancelled: watch::Receiver<bool>,
    judged: bool,
}

/// Ends when the deadline is reached; never when there is none.
async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
