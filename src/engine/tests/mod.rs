//! The story of runs: real plans from real TOML, an action of the tests that does what it is told, a journal in memory.

mod checks;
mod dry;
mod flow;
mod gate;
mod judging;
mod locks;
mod patience;
mod resume;
mod safety;
mod undo;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::*;
use crate::base::exit::ExitCode;
use crate::base::{
    CommandPath, Effect, Liveness, Masker, ProcessMark, RunId, Secret, SourceFile, Status, StepKey,
    SystemClock, Verdict,
};
use crate::book::{Document, parse_runbook};
use crate::config::Config;
use crate::event::{Envelope, Event, Summary};
use crate::expr::{Argument, Evaluator};
use crate::model::{
    ActionSpec, EffectRule, Kind, OptionSpec, Requirement, Runbook, VerbSpec, Vocabulary,
};
use crate::plan::Plan;
use crate::store::MemoryJournal;

thread_local! {
    /// Whether the last preview was for its rows alone.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
    /// What the test action did to the world, in order. A test runs on one thread, engine and all.
    static WORLD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// Stops the run of this test.
    static PULL: RefCell<Option<tokio::sync::watch::Sender<Option<Stop>>>> =
        const { RefCell::new(None) };
    /// What a person chooses.
    static CHOICE: Cell<Option<usize>> = const { Cell::new(None) };
    /// What happens when the run of this test waits for a lock.
    static WAITING: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

thread_local! {
    /// What the person of this test types, and what it was asked for.
    static TYPED: RefCell<Option<String>> = const { RefCell::new(None) };
    static ASKED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// What was shown above its questions, and how many rows the action was told that it agreed to.
    static SHOWN: RefCell<Vec<Intent>> = const { RefCell::new(Vec::new()) };
    static AGREED: Cell<Option<u64>> = const { Cell::new(None) };
    /// Whether what would be sent is another once something was done.
    static MOVES: Cell<bool> = const { Cell::new(false) };
    /// How many questions stand until others no longer change what would be sent; none where nobody does.
    static EDITED: Cell<Option<usize>> = const { Cell::new(None) };
    static LOOKS: Cell<usize> = const { Cell::new(0) };
}

fn world() -> Vec<String> {
    WORLD.with_borrow(Clone::clone)
}

/// Gives its object back as outputs; fails or hangs when told.
struct Act;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "fail",
        kind: Kind::Choice(&[
            "target", "doubt", "own", "refused", "config", "hang", "cut", "stop", "pull", "part",
            "half", "",
        ]),
        required: false,
        help: "how to fail",
    },
    OptionSpec {
        name: "until",
        kind: Kind::Integer,
        required: false,
        help: "fail this often first",
    },
    OptionSpec {
        name: "counted",
        kind: Kind::Integer,
        required: false,
        help: "the rows that it would change, as far as can be told beforehand",
    },
    OptionSpec {
        name: "changes",
        kind: Kind::Integer,
        required: false,
        help: "the rows that it really changes",
    },
    OptionSpec {
        name: "on",
        kind: Kind::Text,
        required: false,
        help: "what it works on",
    },
];

const fn verb(name: &'static str, effect: EffectRule) -> VerbSpec {
    VerbSpec {
        name,
        summary: "does it",
        object: Kind::Json,
        effect,
        options: &[],
        outputs: &[],
    }
}

static ACT: ActionSpec = ActionSpec {
    name: "act",
    summary: "does what it is told",
    verbs: &[
        verb("look", EffectRule::Always(Effect::Read)),
        verb("change", EffectRule::Always(Effect::Write)),
        verb("destroy", EffectRule::Always(Effect::Destroy)),
        verb("keep", EffectRule::Always(Effect::Write)),
        VerbSpec {
            object: Kind::Sql,
            ..verb("sql", EffectRule::OfSql)
        },
    ],
    options: OPTIONS,
    outputs: &[],
    timeout: None,
};

impl Act {
    fn rows(invocation: &Invocation, option: &str) -> Option<u64> {
        let rows = invocation.integer(option).copied();
        rows.and_then(|rows| u64::try_from(rows).ok())
    }
}

/// What says how many rows it has changed until it was stopped.
fn stopped(changes: Option<u64>) -> ActionError {
    ActionError::own("stopped on its way").outputs(Outputs {
        rows_changed: changes,
        ..Outputs::default()
    })
}

impl Action for Act {
    fn spec(&self) -> &'static ActionSpec {
        &ACT
    }

    fn keeps_aside(&self, verb: &VerbSpec) -> bool {
        verb.name == "keep"
    }

    fn preflight<'a>(
        &'a self,
        invocation: &'a Invocation,
        _: &'a ActionContext<'a>,
    ) -> PreflightFuture<'a> {
        Box::pin(async {
            match invocation.text("fail") {
                Some("config") => Err(ActionError::config("it is wrong")),
                Some("own") => Err(ActionError::own("the tool is missing")),
                _ => Ok(()),
            }
        })
    }

    fn preview<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> PreviewFuture<'a> {
        COUNTED.set(context.counts_only);
        Box::pin(async move {
            let rows = Self::rows(invocation, "counted");
            let mut sent = rows.map_or_else(|| invocation.in_words(), |_| "DELETE it".to_owned());
            if MOVES.get() {
                sent = format!("{sent} after {}", world().len());
            }
            let asked = ASKED.with_borrow(Vec::len);
            let held = EDITED.get();
            let mut held = held.map(|times| format!("edit {}", asked.min(times)));
            if let (true, Some(held)) = (MOVES.get(), &mut held) {
                held.push_str(&format!(" after {}", world().len()));
            }
            if let Some(held) = &held {
                // A number that is another at each look is nothing to ask about again.
                LOOKS.set(LOOKS.get() + 1);
                sent = format!("{held}, {} rows", LOOKS.get());
            }
            Ok(crate::event::Preview {
                sent,
                rows,
                held,
                ..crate::event::Preview::default()
            })
        })
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            AGREED.set(context.agreed_rows);
            let changes = Self::rows(invocation, "changes").or(Self::rows(invocation, "counted"));
            if changes > context.most_rows && context.most_rows.is_some() {
                return Err(ActionError::target("more rows than it may"));
            }
            let mark = format!("{} {}", invocation.verb.name, context.step);
            let count = world().iter().filter(|done| **done == mark).count();
            WORLD.with_borrow_mut(|world| world.push(mark));
            let until = invocation.integer("until").copied().unwrap_or(0);
            match invocation.text("fail") {
                Some("target") => return Err(ActionError::target("it broke")),
                Some("doubt") => return Err(ActionError::target("nobody knows").in_doubt()),
                Some("own") => {
                    return Err(ActionError::own("the tool is missing").help("install it"));
                }
                Some("refused") => return Err(ActionError::refused("nobody to ask")),
                Some("config") => return Err(ActionError::config("it is wrong")),
                Some("cut") => {
                    context.cancelled().await;
                    let doubt = ActionError::target("nobody knows").in_doubt();
                    return Err(doubt.help("ask the target"));
                }
                Some("half") => {
                    context.cancelled().await;
                    return Err(stopped(changes));
                }
                Some("hang") => std::future::pending::<()>().await,
                Some(word @ ("stop" | "pull" | "part")) => {
                    PULL.with_borrow(|pull| {
                        pull.as_ref().unwrap().send_replace(Some(Stop::Interrupted))
                    });
                    if word == "stop" {
                        std::future::pending::<()>().await;
                    }
                    // The stop is heard before this ends.
                    tokio::task::yield_now().await;
                    if word == "part" {
                        return Err(stopped(changes));
                    }
                }
                _ if count < usize::try_from(until).unwrap() => {
                    return Err(ActionError::target("not yet"));
                }
                _ => {}
            }
            let mut outputs = Outputs::new("done");
            outputs.rows_changed = changes;
            let change = format!("change {}", context.step);
            outputs
                .values
                .insert("changed".to_owned(), world().contains(&change).into());
            if let Argument::Json(Value::Object(values)) = &invocation.object {
                outputs.values.extend(values.clone());
            }
            Ok(outputs)
        })
    }
}

struct Child;

static RUNBOOK: ActionSpec = ActionSpec {
    name: "runbook",
    summary: "runs another",
    verbs: &[VerbSpec {
        name: "run",
        summary: "runs it",
        object: Kind::Runbook,
        effect: EffectRule::OfRunbook,
        options: &[OptionSpec {
            name: "inputs",
            kind: Kind::Json,
            required: false,
            help: "its inputs",
        }],
        outputs: &[],
    }],
    options: &[],
    outputs: &[],
    timeout: None,
};

impl Action for Child {
    fn spec(&self) -> &'static ActionSpec {
        &RUNBOOK
    }

    fn dry(&self) -> Dry {
        Dry::Done
    }

    fn grace(&self) -> std::time::Duration {
        std::time::Duration::from_secs(60)
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let inputs = invocation
                .json("inputs")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default();
            context
                .nested
                .run(invocation.object_text(), &inputs, context.step)
                .await
        })
    }
}

const VOCABULARY: Vocabulary = Vocabulary(&[&ACT, &RUNBOOK, &checks::HEALTH]);

/// A journal in memory that breaks at the n-th event.
#[derive(Default)]
struct TestJournal {
    kept: RefCell<Vec<(Envelope, Durability)>>,
    /// How much had been done to the world when each event was written.
    worlds: RefCell<Vec<usize>>,
    sources: RefCell<BTreeMap<String, String>>,
    breaks_at: Option<usize>,
    locks: Rc<MemoryJournal>,
}

impl Journal for TestJournal {
    fn begin(&self) -> Result<RunId, JournalError> {
        Ok(RunId(1))
    }

    fn append(&self, events: &[Envelope], durability: Durability) -> Result<(), JournalError> {
        let mut kept = self.kept.borrow_mut();
        if self.breaks_at.is_some_and(|at| kept.len() >= at) {
            return Err(JournalError::Unwritable {
                path: "journal".to_owned(),
                reason: "disk full".to_owned(),
            });
        }
        for event in events {
            let last = kept.last().map(|(last, _)| last.seq + 1);
            assert_eq!(event.seq, last.unwrap_or(0), "numbers have no gaps");
            kept.push((event.clone(), durability));
            self.worlds.borrow_mut().push(world().len());
        }
        Ok(())
    }

    fn events(&self, _run: RunId) -> Result<Vec<Envelope>, JournalError> {
        Ok(self
            .kept
            .borrow()
            .iter()
            .map(|(event, _)| event.clone())
            .collect())
    }

    fn runs(&self, _limit: usize, _runbook: Option<&str>) -> Result<Vec<RunRow>, JournalError> {
        Ok(Vec::new())
    }

    fn keep_source(&self, digest: &str, text: &str) -> Result<(), JournalError> {
        assert!(self.kept.borrow().is_empty(), "sources come first");
        let mut sources = self.sources.borrow_mut();
        sources.insert(digest.to_owned(), text.to_owned());
        Ok(())
    }

    fn source(&self, _digest: &str) -> Result<Option<String>, JournalError> {
        Ok(None)
    }
}

impl Locks for TestJournal {
    fn acquire(
        &self,
        lock: &str,
        holder: &LockHolder,
        liveness: &dyn Fn(&ProcessMark) -> Liveness,
    ) -> Result<Acquired, JournalError> {
        self.locks.acquire(lock, holder, liveness)
    }

    fn release(&self, run: RunId, process: &ProcessMark) -> Result<(), JournalError> {
        self.locks.release(run, process)
    }
}

/// A machine of whose processes only this is known.
struct TestMachine(Liveness);

impl Machine for TestMachine {
    fn liveness(&self, _process: &ProcessMark) -> Liveness {
        self.0
    }

    fn end_leftovers<'a>(
        &'a self,
        _token: &'a str,
    ) -> std::pin::Pin<Box<dyn Future<Output = usize> + 'a>> {
        Box::pin(async { 0 })
    }
}

/// Answers every question the same way, or never.
struct Answer(Option<Result<bool, PromptError>>);

impl Prompt for Answer {
    fn confirm<'a>(&'a self, question: &'a str) -> PromptFuture<'a, bool> {
        ASKED.with_borrow_mut(|asked| asked.push(question.to_owned()));
        Box::pin(async {
            match &self.0 {
                Some(answer) => answer.clone(),
                None => std::future::pending().await,
            }
        })
    }

    fn text<'a>(
        &'a self,
        question: &'a str,
        _default: Option<&'a str>,
        _hidden: bool,
    ) -> PromptFuture<'a, String> {
        ASKED.with_borrow_mut(|asked| asked.push(question.to_owned()));
        Box::pin(async {
            TYPED
                .with_borrow(Clone::clone)
                .ok_or(PromptError::NoTerminal)
        })
    }

    fn confirm_intent<'a>(
        &'a self,
        intent: &'a Intent,
        question: &'a str,
    ) -> PromptFuture<'a, bool> {
        SHOWN.with_borrow_mut(|shown| shown.push(intent.clone()));
        self.confirm(question)
    }

    fn choose<'a>(&'a self, _question: &'a str, _options: &'a [String]) -> PromptFuture<'a, usize> {
        Box::pin(async { CHOICE.get().ok_or(PromptError::NoTerminal) })
    }
}

struct Tools(Option<&'static str>);

impl Toolbox for Tools {
    fn missing<'a>(
        &'a self,
        _requirement: &'a Requirement,
    ) -> std::pin::Pin<Box<dyn Future<Output = Option<String>> + 'a>> {
        Box::pin(async { self.0.map(str::to_owned) })
    }
}

#[derive(Default)]
struct Told(Vec<Envelope>);

impl Sink for Told {
    fn event(&mut self, envelope: &Envelope) {
        self.0.push(envelope.clone());
    }

    fn progress(&mut self, _progress: &Progress) {}

    fn waiting(&mut self, _line: &str) {
        if let Some(happens) = WAITING.take() {
            happens();
        }
    }
}

/// What a test wants of the world around a run.
struct Bench {
    journal: TestJournal,
    answer: Answer,
    tools: Tools,
    options: RunOptions,
    stop: Option<Stop>,
    others: Vec<(&'static str, &'static str)>,
    secrets: BTreeMap<String, Secret>,
    config: Config,
    inputs: Map<String, Value>,
    protected: bool,
    liveness: Liveness,
    /// A store of samples that does not work.
    samples: Option<checks::Broken>,
}

impl Default for Bench {
    fn default() -> Self {
        Self {
            journal: TestJournal::default(),
            answer: Answer(Some(Err(PromptError::NoTerminal))),
            tools: Tools(None),
            options: RunOptions::default(),
            stop: None,
            others: Vec::new(),
            secrets: BTreeMap::new(),
            config: Config::default(),
            inputs: Map::new(),
            protected: false,
            liveness: Liveness::Unknown,
            samples: None,
        }
    }
}

/// How a run ended and what was told of it.
struct Ended {
    end: RunEnd,
    told: Vec<Envelope>,
    summary: Summary,
}

impl Ended {
    fn statuses(&self) -> Vec<(String, Status)> {
        self.summary
            .steps
            .iter()
            .map(|line| (line.step.to_string(), line.status()))
            .collect()
    }

    fn status(&self, step: &str) -> Status {
        self.statuses()
            .into_iter()
            .find(|(name, _)| name == step)
            .unwrap_or_else(|| panic!("no step {step}"))
            .1
    }

    fn detail(&self, step: &str) -> String {
        let line = self
            .summary
            .steps
            .iter()
            .find(|line| line.step.as_str() == step)
            .unwrap();
        line.end.as_ref().unwrap().detail.clone()
    }
}

fn parse(path: &str, text: &str) -> Arc<Runbook> {
    let document = Document::parse(SourceFile::new(format!("{path}.toml"), text)).unwrap();
    let runbook = parse_runbook(&document, CommandPath::parse(path).unwrap(), VOCABULARY);
    Arc::new(runbook.unwrap_or_else(|mistakes| panic!("{mistakes}")))
}

impl Bench {
    fn run(&self, text: &str) -> Ended {
        let outcome = self.try_run(text);
        outcome.unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_run(&self, text: &str) -> Result<Ended, RunError> {
        self.work(text, async |engine, plan, sink, stop| {
            engine.run(plan, &self.options, sink, stop).await
        })
    }

    /// Goes on with the run that the journal holds.
    fn resume(&self, text: &str) -> Ended {
        let outcome = self.try_resume(text);
        outcome.unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_resume(&self, text: &str) -> Result<Ended, RunError> {
        let history = self.history();
        self.work(text, async |engine, plan, sink, stop| {
            engine
                .resume(plan, &history, &self.options, sink, stop)
                .await
        })
    }

    /// Takes back the run that the journal holds.
    fn undo(&self, text: &str, from: Option<&str>) -> Result<Ended, RunError> {
        let history = self.history();
        let from = from.map(StepKey::new);
        self.work(text, async |engine, plan, sink, stop| {
            engine
                .undo((plan, &history), from.as_ref(), &self.options, sink, stop)
                .await
        })
    }

    fn preview(&self, text: &str, from: Option<&str>) -> Result<Vec<UndoStep>, RunError> {
        let history = self.history();
        let from = from.map(StepKey::new);
        self.work(text, async |engine, plan, sink, _| {
            engine
                .preview_undo((plan, &history), from.as_ref(), &self.options, sink)
                .await
        })
    }

    fn history(&self) -> History {
        History::of(&self.journal.events(RunId(1)).unwrap()).unwrap()
    }

    fn plan(&self, text: &str) -> Plan {
        let runbook = parse("test/main", text);
        let others: BTreeMap<_, _> = self
            .others
            .iter()
            .map(|(path, text)| (CommandPath::parse(path).unwrap(), parse(path, text)))
            .collect();
        Plan::new(runbook, self.inputs.clone(), others, &self.config)
    }

    /// Has an engine do something with the plan of a text.
    fn work<T>(
        &self,
        text: &str,
        work: impl AsyncFnOnce(&Engine<'_>, &Plan, &mut Told, &StopSignal) -> Result<T, RunError>,
    ) -> Result<T::Told, RunError>
    where
        T: Tell,
    {
        let config = Config {
            protected: self.protected || self.config.protected,
            ..self.config.clone()
        };
        let plan = self.plan(text);
        let evaluator = Evaluator::new(Arc::new(SystemClock));
        let masker = Masker::new(self.secrets.values());
        let engine = Engine {
            actions: Actions(&[&Act, &Child, &checks::Health]),
            evaluator: &evaluator,
            config: &config,
            folder: std::env::temp_dir(),
            environment: Vec::new(),
            variables: Vec::new(),
            secrets: self.secrets.clone(),
            masker: &masker,
            journal: &self.journal,
            locks: &self.journal,
            samples: match &self.samples {
                Some(broken) => broken,
                None => self.journal.locks.as_ref(),
            },
            machine: &TestMachine(self.liveness),
            prompt: &self.answer,
            data: &NoData,
            toolbox: &self.tools,
            clock: &SystemClock,
            origin: Origin {
                user: "anna".to_owned(),
                ..Origin::default()
            },
        };
        let (pull, stop) = StopSignal::new();
        if self.stop.is_some() {
            pull.send_replace(self.stop);
        }
        PULL.set(Some(pull));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut told = Told(self.journal.events(RunId(1)).unwrap());
        let done = runtime.block_on(work(&engine, &plan, &mut told, &stop))?;
        Ok(done.with(told.0))
    }
}

/// No standard output at all.
struct NoData;

impl super::DataOut for NoData {
    fn open(&self) -> Result<Box<dyn std::io::Write + Send>, super::DataOutError> {
        Err(super::DataOutError::Taken("a test is"))
    }
}

/// What came of it, with what was told.
trait Tell {
    type Told;

    fn with(self, told: Vec<Envelope>) -> Self::Told;
}

impl Tell for RunEnd {
    type Told = Ended;

    fn with(self, told: Vec<Envelope>) -> Ended {
        Ended {
            end: self,
            summary: Summary::of(&told),
            told,
        }
    }
}

impl Tell for Vec<UndoStep> {
    type Told = Self;

    fn with(self, _told: Vec<Envelope>) -> Self {
        self
    }
}
