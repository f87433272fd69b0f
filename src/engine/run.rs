//! A run from its plan to its verdict.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::Value;

use crate::base::exit::ExitCode;
use crate::base::{Clock, Masker, ProcessMark, RunId, Secret, Span, Status, StepKey, Verdict};
use crate::config::Config;
use crate::event::{Event, RunStarted};
use crate::expr::{Argument, Evaluator, Scope};
use crate::model::{Kind, Node, Step, Template};
use crate::plan::Plan;

use super::attempt::Failure;
use super::frame::Frame;
use super::lock::Patience;
use super::recorder::Recorder;
use super::referred::Referred;
use super::sequence::Worst;
use super::standing::Standing;
use super::{
    ActionError, Actions, Durability, ErrorKind, Journal, JournalError, LockError, Locks, Machine,
    Prompt, Refusal, Sink, Stop, StopSignal, Toolbox, gate,
};

/// What every run of a process shares.
pub struct Engine<'a> {
    /// The actions that there are.
    pub actions: Actions,
    /// Evaluates templates and expressions.
    pub evaluator: &'a Evaluator,
    /// The estate.
    pub config: &'a Config,
    /// The folder that relative paths of runbooks start from.
    pub folder: PathBuf,
    /// The environment variables that opsbook was started with.
    pub environment: Vec<(String, String)>,
    /// Variables for child processes, beside those that opsbook inherited.
    pub variables: Vec<(String, String)>,
    /// The secrets that the plan can reach, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// Takes the secrets out of everything that is kept or told.
    pub masker: &'a Masker,
    /// Keeps the events.
    pub journal: &'a dyn Journal,
    /// Keeps the locks.
    pub locks: &'a dyn Locks,
    /// Knows the processes of this machine.
    pub machine: &'a dyn Machine,
    /// A person, perhaps.
    pub prompt: &'a dyn Prompt,
    /// Knows which tools are installed.
    pub toolbox: &'a dyn Toolbox,
    /// Tells the time.
    pub clock: &'a dyn Clock,
    /// Who runs it, where.
    pub origin: Origin,
}

/// Who runs it, where.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The user's name.
    pub user: String,
    /// The machine's name.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// What tells the process from every other that ever had its number.
    pub process: ProcessMark,
    /// The folder that it was called from.
    pub folder: String,
    /// The configuration, as an absolute path.
    pub config: Option<String>,
}

/// What the caller wants of one run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Answers yes to every question.
    pub yes: bool,
    /// Refuses a plan that may change anything.
    pub read_only: bool,
    /// Reads for real and shows what would be changed.
    pub dry: bool,
    /// The names that the caller typed in advance, for what is destroyed in a protected environment.
    pub confirm: Vec<String>,
    /// Why it is run.
    pub reason: Option<String>,
    /// The incident that it is run for.
    pub incident: Option<String>,
    /// Runs outside the runbook's window.
    pub outside_window: bool,
    /// How long to wait for a lock that another run holds.
    pub wait: Option<Span>,
    /// How long the run may take, if not as its runbook says.
    pub timeout: Option<Span>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEnd {
    /// Its number.
    pub run: RunId,
    /// How it ended for the world.
    pub verdict: Verdict,
    /// The exit code.
    pub exit: ExitCode,
    /// Why, in one line.
    pub reason: String,
}

/// Why a run did not begin.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Something must be so first, and is not.
    #[error(transparent)]
    Gate(#[from] Refusal),
    /// It may not have its lock.
    #[error(transparent)]
    Locked(LockError),
    /// The journal does not take its first event.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What a run has to remember beside its events.
#[derive(Default)]
pub(super) struct Ledger {
    /// The steps that can be taken back, in the order in which they were done.
    pub(super) undoable: Vec<(StepKey, Step, Scope)>,
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
            | Failure::Stopped(_) => return,
        };
        self.blocked
            .get_or_insert_with(|| (exit, format!("{key}: {}", super::judge::why(failure))));
    }
}

/// One run.
pub(super) struct Run<'a> {
    pub(super) engine: &'a Engine<'a>,
    pub(super) plan: &'a Plan,
    pub(super) options: &'a RunOptions,
    pub(super) recorder: Recorder<'a>,
    pub(super) ledger: RefCell<Ledger>,
}

/// How a whole runbook ended.
pub(super) struct Whole {
    pub(super) worst: Option<Worst>,
    pub(super) failed: bool,
    pub(super) steps: usize,
    pub(super) scope: Scope,
}

impl Engine<'_> {
    /// Runs a plan to its end: steps, what must be undone, `finally`, findings, verdict.
    ///
    /// # Errors
    /// When the run is refused before it begins. Whatever happens later is part of how it ends.
    pub async fn run(
        &self,
        plan: &Plan,
        options: &RunOptions,
        sink: &mut dyn Sink,
        stop: &StopSignal,
    ) -> Result<RunEnd, RunError> {
        let request = gate::pass(plan, self.config, options, self.clock.now())?;
        let began = Instant::now();
        let number = self.journal.begin()?;
        let _locked = self.locked(number);
        let patience = Patience {
            wait: options.wait,
            tell: &mut |line| sink.waiting(line),
            stop,
        };
        let taken_over = match request {
            // What waits for a person holds nothing.
            Some(_) => None,
            None => self
                .lock_plan(number, plan, options, patience)
                .await
                .map_err(RunError::Locked)?,
        };
        let recorder = Recorder::new(number, self.masker, self.clock, self.journal, sink);
        let run = Run {
            engine: self,
            plan,
            options,
            recorder,
            ledger: RefCell::default(),
        };
        let durability = if plan.effect.changes() {
            Durability::Durable
        } else {
            Durability::Relaxed
        };
        run.recorder
            .record(Event::RunStarted(self.start_of(plan, options)), durability)
            .map_err(|refused| refused.0)?;
        if let Some(request) = request {
            return Ok(run.wait_for_approval(request, began)?);
        }
        if let Some(event) = taken_over {
            run.record(Event::LockTakenOver(event), Durability::Relaxed);
        }

        let (halt, halted) = StopSignal::new();
        let limit = options.timeout.or(plan.runbook.timeout);
        let referred = Referred::of(&plan.runbook);
        let frame = Frame {
            runbook: &plan.runbook,
            referred: &referred,
            caller: None,
            outer: None,
            agreed: false,
            stop: halted,
        };
        let scope = self.scope(&plan.runbook, &plan.inputs, number, options.dry);
        let whole = tokio::select! {
            // A stop is heard before the next step begins.
            biased;
            never = pull(&halt, stop, limit) => match never {},
            whole = run.checked(&frame, scope) => whole,
        };
        Ok(run.close(&whole, frame.stop.now(), began))
    }

    fn start_of(&self, plan: &Plan, options: &RunOptions) -> RunStarted {
        let secret = |name: &String| {
            plan.runbook.inputs.iter().any(|input| {
                input.variable() == *name && input.kind == crate::model::InputType::Secret
            })
        };
        let inputs = plan
            .inputs
            .iter()
            .map(|(name, value)| {
                (
                    name.clone(),
                    if secret(name) {
                        Value::from("***")
                    } else {
                        value.clone()
                    },
                )
            })
            .collect();
        RunStarted {
            runbook: plan.runbook.path.to_string(),
            title: plan.runbook.title.clone(),
            file: plan.runbook.source.path().display().to_string(),
            digest: plan.digest(),
            inputs,
            environment: self.config.environment.clone(),
            steps: plan.steps.clone(),
            output: plan.runbook.output.clone(),
            effect: plan.effect,
            dry: options.dry,
            user: self.origin.user.clone(),
            host: self.origin.host.clone(),
            pid: self.origin.pid,
            opsbook: env!("CARGO_PKG_VERSION").to_owned(),
            token: format!("{:032x}", fastrand::u128(..)),
            process: self.origin.process.clone(),
            folder: self.origin.folder.clone(),
            config: self.origin.config.clone(),
            sources: Vec::new(),
            withheld: Vec::new(),
            reason: options.reason.clone(),
            incident: options.incident.clone(),
        }
    }

    /// The text of a template of the configuration, secrets and all.
    pub(super) fn resolve(
        &self,
        template: &Template,
        scope: &Scope,
    ) -> Result<String, ActionError> {
        match self
            .evaluator
            .argument(&Node::Text(template.clone()), Kind::Text, scope)
        {
            Ok(Argument::Text(text)) => Ok(text),
            Ok(_) => Err(ActionError::config("this must be a text")),
            Err(error) => Err(ActionError::config(error.message)),
        }
    }
}

/// Pulls the stop of a run when its caller says so or its time is over. Never ends by itself.
async fn pull(
    halt: &tokio::sync::watch::Sender<Option<Stop>>,
    stop: &StopSignal,
    limit: Option<Span>,
) -> Infallible {
    let over = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit.0).await,
            None => std::future::pending().await,
        }
        Stop::TimedOut
    };
    let reason = tokio::select! { reason = stop.wait() => reason, reason = over => reason };
    halt.send_replace(Some(reason));
    std::future::pending().await
}

impl<'a> Run<'a> {
    /// Runs a whole runbook once what it requires is there.
    async fn checked(&self, frame: &Frame<'_>, scope: Scope) -> Whole {
        for requirement in std::iter::once(&self.plan.runbook)
            .chain(self.plan.children.values())
            .flat_map(|runbook| &runbook.requires)
        {
            if let Some(reason) = self.engine.toolbox.missing(requirement).await {
                for step in self.plan.runbook.all_steps() {
                    self.not_run(frame, step, &scope, "a requirement is missing");
                }
                let worst = Worst {
                    status: Status::Unknown,
                    severity: None,
                    reason,
                };
                return Whole {
                    worst: Some(worst),
                    failed: true,
                    steps: 0,
                    scope,
                };
            }
        }
        self.whole(frame, scope).await
    }

    /// Runs the steps of a runbook, takes back what must be, and runs `finally`, which nothing keeps from running.
    pub(super) async fn whole(&self, frame: &Frame<'_>, scope: Scope) -> Whole {
        let (steps, scope) = self.sequence(frame, &frame.runbook.steps, scope).await;
        let (_held, never) = StopSignal::new();
        let last = Frame {
            stop: never,
            ..frame.clone()
        };
        // In a dry run nothing was done that could be taken back.
        if steps.undo && !self.options.dry {
            self.undo_all(&last).await;
        }
        let (finally, scope) = self.sequence(&last, &frame.runbook.finally, scope).await;
        let failed = steps.failed || finally.failed;
        let ran = steps.ran + finally.ran;
        let mut end = steps;
        if let Some(worst) = finally.worst {
            end.take(worst);
        }
        Whole {
            worst: end.worst,
            failed,
            steps: ran,
            scope,
        }
    }

    /// Keeps an event; whether it is kept. Once the journal is broken nothing more is.
    pub(super) fn record(&self, event: Event, durability: Durability) -> bool {
        if self.ledger.borrow().broken.is_some() {
            self.recorder.tell(event);
            return false;
        }
        let Err(refused) = self.recorder.record(event, durability) else {
            return true;
        };
        let (error, event) = *refused;
        self.ledger.borrow_mut().broken = Some(error.to_string());
        // The end of the run is told by who comes to the verdict: it is another one now.
        if !matches!(event, Event::RunFinished(_)) {
            self.recorder.tell(event);
        }
        false
    }
}
