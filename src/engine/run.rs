//! A run from its plan to its verdict.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Instant;

use tokio::sync::watch;

use crate::base::exit::ExitCode;
use crate::base::{Clock, Masker, ProcessMark, RunId, Secret, Span, Status, StepKey, Verdict};
use crate::config::Config;
use crate::event::{Event, LockTakenOver, Resumption, Source};
use crate::expr::{Argument, Evaluator, Scope};
use crate::model::{Kind, Node, Template};
use crate::plan::Plan;

use super::frame::{Frame, Past};
use super::history::History;
use super::ledger::Ledger;
use super::lock::{Locked, Patience};
use super::recorder::Recorder;
use super::referred::Referred;
use super::sequence::Worst;
use super::{
    ActionError, Actions, DataOut, Durability, Journal, JournalError, LockError, Locks, Machine,
    Prompt, Refusal, SampleStore, Settlement, Sink, Stop, StopSignal, Toolbox, gate,
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
    /// Keeps what checks saw.
    pub samples: &'a dyn SampleStore,
    /// Knows the processes of this machine.
    pub machine: &'a dyn Machine,
    /// A person, perhaps.
    pub prompt: &'a dyn Prompt,
    /// Standard output, for data.
    pub data: &'a dyn DataOut,
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
    /// What every process of the run carries as `OPSBOOK_RUN`.
    pub token: String,
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
    /// What the caller knows of steps in doubt, when a run goes on.
    pub settled: Vec<(StepKey, Settlement)>,
    /// The files that have changed since the run began, which the caller accepted.
    pub changed: Vec<Source>,
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
    /// A second person must agree first.
    #[error("run {run} waits for approval: {because}")]
    NotApproved {
        /// The run.
        run: RunId,
        /// What asks for it.
        because: String,
    },
    /// A step needs what an earlier one gave, and the journal does not hold that: a secret stood in it.
    #[error(
        "step {step} needs what step {source_step} gave, which the journal does not hold: it was secret"
    )]
    Withheld {
        /// The step that needs it.
        step: StepKey,
        /// The step that gave it.
        source_step: StepKey,
    },
    /// Before anything is taken back it must be known whether these steps took effect.
    #[error("nobody knows whether these steps took effect: {}", in_words(.0))]
    InDoubt(Vec<StepKey>),
    /// There is nothing to take back.
    #[error("there is nothing to take back")]
    NothingToUndo,
    /// The run has no such step, or it was not done.
    #[error("the run has not done a step {0}")]
    UnknownStep(StepKey),
    /// A person said no, or could not be asked.
    #[error("{reason}")]
    NotAgreed {
        /// Why.
        reason: String,
        /// What to do next.
        help: Option<String>,
    },
}

fn in_words(steps: &[StepKey]) -> String {
    let names: Vec<&str> = steps.iter().map(StepKey::as_str).collect();
    names.join(", ")
}

/// One run, or one leg of it.
pub(super) struct Run<'a> {
    pub(super) engine: &'a Engine<'a>,
    pub(super) plan: &'a Plan,
    pub(super) options: &'a RunOptions,
    pub(super) recorder: Recorder<'a>,
    pub(super) ledger: RefCell<Ledger>,
    /// What is done with a run that had stopped; none where it begins.
    pub(super) what: Option<Resumption>,
    /// What its earlier legs did, if there are any.
    pub(super) history: Option<&'a History>,
    /// The steps of which only this leg counts.
    pub(super) spent: RefCell<BTreeSet<StepKey>>,
    /// What the caller knows of steps in doubt.
    pub(super) settled: RefCell<Vec<(StepKey, Settlement)>>,
    /// What the run stops for.
    pub(super) stop: StopSignal,
    halt: watch::Sender<Option<Stop>>,
    pub(super) began: Instant,
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
        let number = self.journal.begin()?;
        let (_locked, taken_over) = match request {
            // What waits for a person holds nothing.
            Some(_) => (None, None),
            None => {
                let (locked, taken_over) = self.hold(number, plan, options, sink, stop).await?;
                (Some(locked), taken_over)
            }
        };
        let sources = self.keep_sources(plan)?;
        let recorder = Recorder::new(number, 0, self.masker, self.clock, self.journal, sink);
        let run = Run::new(self, plan, options, recorder);
        let durability = Durability::before(plan.effect);
        let start = self.start_of(plan, options, sources);
        run.begin(Event::RunStarted(start), durability)?;
        if let Some(request) = request {
            return Ok(run.wait_for_approval(request)?);
        }
        run.tell_of(taken_over);
        Ok(run.to_its_end(stop).await)
    }

    /// Takes the lock of a plan for the length of a leg, and tells whom it was taken from where that one is dead.
    pub(super) async fn hold(
        &self,
        number: RunId,
        plan: &Plan,
        options: &RunOptions,
        sink: &mut dyn Sink,
        stop: &StopSignal,
    ) -> Result<(Locked<'_>, Option<LockTakenOver>), RunError> {
        let locked = self.locked(number);
        let patience = Patience {
            wait: options.wait,
            tell: &mut |line| sink.waiting(line),
            stop,
        };
        let taken_over = self
            .lock_plan(number, plan, options, patience)
            .await
            .map_err(RunError::Locked)?;
        Ok((locked, taken_over))
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

impl<'a> Run<'a> {
    /// A run of which nothing is told yet.
    pub(super) fn new(
        engine: &'a Engine<'a>,
        plan: &'a Plan,
        options: &'a RunOptions,
        recorder: Recorder<'a>,
    ) -> Self {
        let (halt, stop) = StopSignal::new();
        Self {
            engine,
            plan,
            options,
            recorder,
            ledger: RefCell::default(),
            what: None,
            history: None,
            spent: RefCell::default(),
            settled: RefCell::new(options.settled.clone()),
            stop,
            halt,
            began: Instant::now(),
        }
    }

    /// Writes the first event of a leg. Nothing is done if the journal does not take it.
    pub(super) fn begin(&self, event: Event, durability: Durability) -> Result<(), RunError> {
        self.recorder
            .record(event, durability)
            .map_err(|refused| RunError::Journal(refused.0))
    }

    /// Tells of a lock that was taken from a dead run.
    pub(super) fn tell_of(&self, taken_over: Option<LockTakenOver>) {
        // That a run has its lock back from its own dead leg is no news.
        if let Some(event) = taken_over.filter(|from| from.from != self.recorder.run()) {
            self.record(Event::LockTakenOver(event), Durability::Relaxed);
        }
    }

    /// Runs the steps of the plan, and closes the journal.
    pub(super) async fn to_its_end(&self, stop: &StopSignal) -> RunEnd {
        let referred = Referred::of(&self.plan.runbook);
        let frame = self.frame(&referred, Past::Counts);
        let whole = self
            .until_stopped(stop, self.checked(&frame, self.scope()))
            .await;
        self.close(&whole)
    }

    /// The runbook of the plan itself.
    pub(super) fn frame<'f>(&'f self, referred: &'f Referred, past: Past) -> Frame<'f> {
        Frame {
            runbook: &self.plan.runbook,
            referred,
            caller: None,
            past,
            agreed: false,
            stop: self.stop.clone(),
            check: None,
        }
    }

    /// The names that the steps of the plan start from.
    pub(super) fn scope(&self) -> Scope {
        let Plan {
            runbook, inputs, ..
        } = self.plan;
        self.engine
            .scope(runbook, inputs, self.recorder.run(), self.options.dry)
    }

    /// Does the work of a leg. It hears when its caller wants it to stop, or its time is over.
    pub(super) async fn until_stopped<T>(
        &self,
        stop: &StopSignal,
        work: impl Future<Output = T>,
    ) -> T {
        tokio::select! {
            // A stop is heard before the next step begins.
            biased;
            never = self.pull(stop) => match never {},
            done = work => done,
        }
    }

    /// Pulls the stop of the run when its caller says so or its time is over. Never ends by itself.
    async fn pull(&self, stop: &StopSignal) -> Infallible {
        let limit = self.options.timeout.or(self.plan.runbook.timeout);
        let over = async {
            match limit {
                Some(limit) => tokio::time::sleep(limit.0).await,
                None => std::future::pending().await,
            }
            Stop::TimedOut
        };
        let reason = tokio::select! { reason = stop.wait() => reason, reason = over => reason };
        self.halt.send_replace(Some(reason));
        std::future::pending().await
    }

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
            past: match frame.past {
                Past::IsAll => Past::IsAll,
                Past::Counts | Past::IsNothing => Past::IsNothing,
            },
            ..frame.clone()
        };
        // In a dry run nothing was done that could be taken back.
        if steps.undo && !self.options.dry && frame.past != Past::IsAll {
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
