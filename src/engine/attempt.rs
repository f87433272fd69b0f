//! One attempt of one call: evaluate, act within the limit of time, hold against `expect`.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::event::Preview;
use crate::expr::{Argument, EvalError, Scope, unknown_argument};
use crate::model::{Call, EffectRule, Expression, Node};
use crate::plan::{effect_of_call, effect_of_sql};

use super::frame::{Past, Turn};
use super::judge;
use super::nested::Nested;
use super::run::Run;
use super::{Action, ActionContext, ActionError, ErrorKind, Invocation, Outputs, Stop};

/// What an action does or tells, some time later.
type Acting<'a, T> = Pin<Box<dyn Future<Output = Result<T, ActionError>> + 'a>>;

/// What an action is asked to do.
struct Doing<T> {
    act: for<'a> fn(&'a dyn Action, &'a Invocation, &'a ActionContext<'a>) -> Acting<'a, T>,
    /// Whether what it gives is the whole of it, though it was told to end: a program that is stopped may end well
    /// without having done anything.
    is_done: fn(&T) -> bool,
}

impl Doing<Outputs> {
    const RUN: Self = Self {
        act: |action, invocation, context| action.run(invocation, context),
        is_done: |outputs| outputs.rows_changed.is_some(),
    };
}

impl Doing<Preview> {
    const PREVIEW: Self = Self {
        act: |action, invocation, context| action.preview(invocation, context),
        is_done: |_| false,
    };
}

impl Doing<()> {
    const PREFLIGHT: Self = Self {
        act: |action, invocation, context| action.preflight(invocation, context),
        is_done: |()| false,
    };
}

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
    Stopped(Stop, Box<LastWords>),
}

/// What an action had by the time it was stopped, where it says so in its error.
#[derive(Debug, Default)]
pub(super) struct LastWords {
    pub(super) outputs: Outputs,
    /// What it says of what it changed by then, or may have changed.
    pub(super) message: Option<String>,
    /// Whether nobody knows if what it did is kept.
    pub(super) in_doubt: bool,
    /// What to do about that.
    pub(super) help: Option<String>,
}

impl Failure {
    /// What the action gave before.
    pub(super) fn outputs(self) -> Outputs {
        match self {
            Self::Action(error) => *error.outputs,
            Self::Expectation { outputs, .. } => *outputs,
            Self::Stopped(_, last) => last.outputs,
            Self::Evaluation(_) | Self::Timeout(_) => Outputs::default(),
        }
    }

    /// Whether it was stopped before it had changed anything, as its action says.
    pub(super) fn has_changed_nothing(&self) -> bool {
        matches!(self, Self::Stopped(_, last) if last.outputs.rows_changed == Some(0))
    }

    /// Whether the run cannot go on whatever `on_failure` says.
    pub(super) fn ends_run(&self) -> bool {
        match self {
            Self::Stopped(..) => true,
            Self::Action(error) => matches!(error.kind, ErrorKind::Refused | ErrorKind::Config),
            Self::Evaluation(_) | Self::Timeout(_) | Self::Expectation { .. } => false,
        }
    }
}

/// Why an attempt was cut off, with what its action said last.
fn ended(cut_off: Failure, said: ActionError) -> Failure {
    match cut_off {
        Failure::Stopped(stop, _) => {
            // Who says nothing of that says no more than that it was stopped.
            let tells = said.outputs.rows_changed.is_some() || said.in_doubt;
            let mut last = LastWords {
                outputs: *said.outputs,
                message: tells.then_some(said.message),
                in_doubt: said.in_doubt,
                help: said.help,
            };
            if last.in_doubt {
                last.outputs.rows_changed = None;
            }
            Failure::Stopped(stop, Box::new(last))
        }
        timeout @ Failure::Timeout(_) if said.in_doubt || said.outputs.rows_changed.is_some() => {
            let message = format!("{}: {}", judge::why(&timeout), said.message);
            // What is in doubt must not be tried again, as what only took too long may be.
            let kind = ErrorKind::Late;
            Failure::Action(ActionError {
                kind,
                message,
                ..said
            })
        }
        cut_off => cut_off,
    }
}

/// What an action is asked for.
#[derive(Clone, Copy)]
enum Purpose {
    /// To act; what the target answers may be held against an expectation afterwards.
    Do { judged: bool },
    /// What it would do, for a reader.
    Show,
    /// How many rows it would touch.
    Count,
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
        let own = scope.with_named_in(&expect.text, &outputs.values);
        if own.unknown_in_expression(expect).is_some() {
            return Ok(outputs);
        }
        let because = match self.engine.evaluator.judge(expect, &own) {
            Ok(judgement) if judgement.holds => return Ok(outputs),
            Ok(judgement) if judgement.because.is_empty() => {
                format!("{} does not hold", expect.text)
            }
            Ok(judgement) => judgement.because,
            Err(error) => error.message,
        };
        Err(Failure::Expectation {
            because: judge::explained(because, expect, &outputs),
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
        // The step's own call was held to it before it began.
        if !std::ptr::eq(call, &turn.step.call) {
            self.held_to_plan(turn, call)?;
        }
        let done = self
            .acting(turn, call, Purpose::Do { judged }, Doing::RUN)
            .await;
        self.ledger.borrow_mut().standing.charge(turn.key, &done);
        done
    }

    /// Refuses SQL that may do more with its values than was known before them: names that turn out to be the same make a
    /// condition hold for every row.
    pub(super) fn held_to_plan(&self, turn: Turn<'_>, call: &Call) -> Result<(), Failure> {
        if call.verb.effect != EffectRule::OfSql {
            return Ok(());
        }
        let invocation = self
            .invocation(call, turn.scope)
            .map_err(Failure::Evaluation)?;
        let Argument::Sql(sql) = &invocation.object else {
            return Ok(());
        };
        let config = self.engine.config;
        let planned = match std::ptr::eq(call, &turn.step.call) {
            true => turn.effect,
            false => effect_of_call(call, config, &self.plan.children),
        };
        let filled = effect_of_sql(&sql.text, call, config);
        if filled <= planned {
            return Ok(());
        }
        Err(Failure::Action(
            ActionError::refused(format!(
                "with its values the statement may {filled}, and was known to {planned}"
            ))
            .help(format!("if that is meant, state it: effect = \"{filled}\"")),
        ))
    }

    /// Asks the action of a call what it would do, within the same limits.
    pub(super) async fn preview_call(
        &self,
        turn: Turn<'_>,
        call: &Call,
    ) -> Result<Preview, Failure> {
        self.acting(turn, call, Purpose::Show, Doing::PREVIEW).await
    }

    /// Asks the action of the step's call how many rows it would touch: of its preview the rest may be left out.
    pub(super) async fn count_call(&self, turn: Turn<'_>) -> Result<Preview, Failure> {
        self.acting(turn, &turn.step.call, Purpose::Count, Doing::PREVIEW)
            .await
    }

    /// Refuses a step that could not be done whatever its target holds.
    pub(super) async fn preflight(&self, turn: Turn<'_>) -> Result<(), Failure> {
        self.held_to_plan(turn, &turn.step.call)?;
        self.acting(turn, &turn.step.call, Purpose::Show, Doing::PREFLIGHT)
            .await
    }

    /// Has the action of a call do something, within the limit of time and until the run must stop.
    async fn acting<T>(
        &self,
        turn: Turn<'_>,
        call: &Call,
        purpose: Purpose,
        Doing { act, is_done }: Doing<T>,
    ) -> Result<T, Failure> {
        let Turn {
            frame,
            step,
            scope,
            key,
            ..
        } = turn;
        let action = self.engine.actions.get(call.action.name).ok_or_else(|| {
            Failure::Action(ActionError::config(format!(
                "there is no action {:?}",
                call.action.name
            )))
        })?;
        let invocation = self.invocation(call, scope).map_err(Failure::Evaluation)?;
        let (cancel, cancelled) = watch::channel(false);
        let limit = step
            .timeout
            .map(|span| span.0)
            .or(call.action.timeout.map(Duration::from_secs));
        let deadline = limit.map(|limit| Instant::now() + limit);
        let resolve = |template: &_| self.engine.resolve(template, scope);
        let progress = |message: String| {
            // A line of a sensitive output is not yet known to be one.
            if !step.sensitive {
                self.recorder.progress(key, &message);
            }
        };
        let context = ActionContext {
            step: key,
            config: self.engine.config,
            folder: &self.engine.folder,
            deadline,
            environment: &self.engine.environment,
            variables: &self.engine.variables,
            prompt: self.engine.prompt,
            data: self.engine.data,
            nested: &Nested {
                run: self,
                frame,
                past: if std::ptr::eq(call, &step.call) {
                    frame.past
                } else {
                    Past::IsNothing
                },
                cancelled: cancelled.clone(),
            },
            samples: self.engine.samples,
            now: self.engine.clock.now(),
            resolve: &resolve,
            masker: self.engine.masker,
            progress: &progress,
            cancel: cancelled,
            judged: matches!(purpose, Purpose::Do { judged: true }),
            thresholds: step.warn.is_some() || step.critical.is_some(),
            counts_only: matches!(purpose, Purpose::Count),
            may_change: !self.options.dry && !self.options.read_only,
            keeps: !self.options.dry,
            most_rows: self.ledger.borrow().standing.most_rows(key),
            agreed_rows: match std::ptr::eq(call, &step.call) {
                true => self.ledger.borrow().standing.agreed_rows(key),
                false => None,
            },
        };
        if action.starts_processes_of(&invocation, self.engine.config) {
            self.engine.machine.keep();
        }
        let mut future = act(action, &invocation, &context);
        let cut_off = tokio::select! {
            // An action that watches the deadline itself says more than the engine can.
            biased;
            stop = frame.stop.wait() => Failure::Stopped(stop, Box::default()),
            result = &mut future => return result.map_err(Failure::Action),
            () = reached(deadline) => Failure::Timeout(limit.unwrap_or_default()),
        };
        // The receiver lives in the context, so this cannot fail.
        cancel.send_replace(true);
        match tokio::time::timeout(action.grace(), future).await {
            Ok(Ok(given)) if is_done(&given) => Ok(given),
            Ok(Err(said)) => Err(ended(cut_off, said)),
            Ok(Ok(_)) | Err(_) => Err(cut_off),
        }
    }

    /// The call with everything evaluated.
    pub(super) fn invocation(&self, call: &Call, scope: &Scope) -> Result<Invocation, EvalError> {
        let evaluator = self.engine.evaluator;
        let argument = |node: &Node, kind| match evaluator.argument(node, kind, scope) {
            // Only what is shown comes here with a value that is not known: it is never sent.
            Err(_) if scope.unknown_in_node(node).is_some() => Ok(unknown_argument()),
            evaluated => evaluated,
        };
        let object = argument(&call.object, call.verb.object)?;
        let mut options = Vec::with_capacity(call.options.len());
        for (name, node) in &call.options {
            if let Some(option) = call
                .action
                .options_of(call.verb)
                .find(|option| option.name == *name)
            {
                options.push((*name, argument(node, option.kind)?));
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

/// Ends when the deadline is reached; never when there is none.
async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
