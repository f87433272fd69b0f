//! The story of runs: real plans from real TOML, an action of the tests that does what it is told, a journal in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::*;
use crate::base::exit::ExitCode;
use crate::base::{
    CommandPath, Effect, Masker, RunId, Secret, SourceFile, Status, SystemClock, Verdict,
};
use crate::book::{Document, parse_runbook};
use crate::config::Config;
use crate::event::{Envelope, Event, Summary};
use crate::expr::{Argument, Evaluator};
use crate::model::{
    ActionSpec, EffectRule, Kind, OptionSpec, Requirement, Runbook, VerbSpec, Vocabulary,
};
use crate::plan::Plan;

thread_local! {
    /// What the test action did to the world, in order. A test runs on one thread, engine and all.
    static WORLD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn world() -> Vec<String> {
    WORLD.with_borrow(Clone::clone)
}

/// Gives its object back as outputs; fails or hangs when told.
struct Act;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "fail",
        kind: Kind::Choice(&["target", "own", "refused", "config", "hang", ""]),
        required: false,
        help: "how to fail",
    },
    OptionSpec {
        name: "until",
        kind: Kind::Integer,
        required: false,
        help: "fail this often first",
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
    ],
    options: OPTIONS,
    outputs: &[],
    timeout: None,
};

impl Action for Act {
    fn spec(&self) -> &'static ActionSpec {
        &ACT
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let mark = format!("{} {}", invocation.verb.name, context.step);
            let count = world().iter().filter(|done| **done == mark).count();
            WORLD.with_borrow_mut(|world| world.push(mark));
            let until = invocation.integer("until").copied().unwrap_or(0);
            match invocation.text("fail") {
                Some("target") => return Err(ActionError::target("it broke")),
                Some("own") => {
                    return Err(ActionError::own("the tool is missing").help("install it"));
                }
                Some("refused") => return Err(ActionError::refused("nobody to ask")),
                Some("config") => return Err(ActionError::config("it is wrong")),
                Some("hang") => std::future::pending::<()>().await,
                _ if count < usize::try_from(until).unwrap() => {
                    return Err(ActionError::target("not yet"));
                }
                _ => {}
            }
            let mut outputs = Outputs::new("done");
            if let Argument::Json(Value::Object(values)) = &invocation.object {
                outputs.values = values.clone();
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

const VOCABULARY: Vocabulary = Vocabulary(&[&ACT, &RUNBOOK]);

/// A journal in memory that breaks at the n-th event.
#[derive(Default)]
struct TestJournal {
    kept: RefCell<Vec<(Envelope, Durability)>>,
    breaks_at: Option<usize>,
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
        kept.extend(events.iter().map(|event| (event.clone(), durability)));
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
}

/// Answers every question the same way.
struct Answer(Result<bool, PromptError>);

impl Prompt for Answer {
    fn confirm<'a>(&'a self, _question: &'a str) -> PromptFuture<'a, bool> {
        Box::pin(async { self.0.clone() })
    }

    fn text<'a>(
        &'a self,
        _question: &'a str,
        _default: Option<&'a str>,
        _hidden: bool,
    ) -> PromptFuture<'a, String> {
        Box::pin(async { Err(PromptError::NoTerminal) })
    }

    fn choose<'a>(&'a self, _question: &'a str, _options: &'a [String]) -> PromptFuture<'a, usize> {
        Box::pin(async { Err(PromptError::NoTerminal) })
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
}

impl Default for Bench {
    fn default() -> Self {
        Self {
            journal: TestJournal::default(),
            answer: Answer(Err(PromptError::NoTerminal)),
            tools: Tools(None),
            options: RunOptions::default(),
            stop: None,
            others: Vec::new(),
            secrets: BTreeMap::new(),
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
        let runbook = parse("test/main", text);
        let config = Config::default();
        let others: BTreeMap<_, _> = self
            .others
            .iter()
            .map(|(path, text)| (CommandPath::parse(path).unwrap(), parse(path, text)))
            .collect();
        let plan = Plan::new(runbook, Map::new(), others, &config);
        let evaluator = Evaluator::new(Arc::new(SystemClock));
        let masker = Masker::new(self.secrets.values());
        let engine = Engine {
            actions: Actions(&[&Act, &Child]),
            evaluator: &evaluator,
            config: &config,
            folder: std::env::temp_dir(),
            environment: Vec::new(),
            variables: Vec::new(),
            secrets: self.secrets.clone(),
            masker: &masker,
            journal: &self.journal,
            prompt: &self.answer,
            toolbox: &self.tools,
            clock: &SystemClock,
            origin: Origin::default(),
        };
        let (pull, stop) = StopSignal::new();
        if self.stop.is_some() {
            pull.send_replace(self.stop);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut told = Told::default();
        let end = runtime.block_on(engine.run(&plan, &self.options, &mut told, &stop))?;
        Ok(Ended {
            end,
            summary: Summary::of(&told.0),
            told: told.0,
        })
    }
}

#[test]
fn steps_run_in_order_and_see_what_earlier_ones_gave() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "count"
        act.look = { n = 41 }
        save = { doomed = "n + 1" }
        [[step]]
        name = "delete"
        when = "doomed > 0 and steps.count.status == 'ok'"
        act.change = { changed = "{{ doomed }}" }
        expect = "changed == doomed and steps.count.n == 41"
        "#,
    );
    assert_eq!(ended.end.verdict, Verdict::Ok, "{}", ended.end.reason);
    assert_eq!(ended.end.exit, ExitCode::Ok);
    assert_eq!(world(), ["look count", "change delete"]);
    assert_eq!(ended.detail("count"), "doomed = 42");
}

#[test]
fn a_failing_step_stops_the_run_and_finally_still_runs() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = {}
        act.fail = "target"
        severity = "P2"
        [[step]]
        name = "b"
        act.look = {}
        [[finally]]
        name = "c"
        act.look = {}
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Warning);
    assert_eq!(ended.end.reason, "a: it broke");
    assert_eq!(ended.status("b"), Status::NotRun);
    assert_eq!(ended.status("c"), Status::Ok);
    assert_eq!(world(), ["look a", "look c"]);
}

#[test]
fn a_step_that_goes_on_keeps_its_verdict_and_the_rest_runs() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = {}
        act.fail = "target"
        on_failure = "continue"
        [[step]]
        name = "b"
        when = "steps.a.failed"
        act.look = {}
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert_eq!(ended.status("b"), Status::Ok);
}

#[test]
fn thresholds_judge_and_never_stop_the_run() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = { ms = 700 }
        warn = "ms > 100"
        critical = "ms > 500"
        [[step]]
        name = "b"
        act.look = { ms = 200 }
        warn = "ms > 100"
        critical = "ms > 500"
        [[step]]
        name = "c"
        act.look = { ms = 0 }
        warn = "ms > 100"
        "#,
    );
    assert_eq!(
        ended
            .statuses()
            .into_iter()
            .map(|(_, status)| status)
            .collect::<Vec<_>>(),
        [Status::Critical, Status::Warning, Status::Ok]
    );
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert!(ended.end.reason.contains("700"), "{}", ended.end.reason);
}

#[test]
fn a_threshold_that_cannot_be_told_is_unknown_never_good() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = { value = "{{ none }}" }
        warn = "value > 100"
        [[step]]
        name = "b"
        act.look = {}
        "#,
    );
    assert_eq!(ended.status("a"), Status::Unknown);
    assert_eq!(ended.status("b"), Status::Ok);
    assert_eq!(ended.end.exit, ExitCode::Unknown);
}

#[test]
fn opsbooks_own_trouble_is_unknown_and_says_what_to_do() {
    let ended = Bench::default()
        .run("title = 'x'\n[[step]]\nname = 'a'\nact.look = {}\nact.fail = 'own'\n");
    assert_eq!(ended.end.exit, ExitCode::Unknown);
    assert_eq!(
        ended.summary.steps[0].end.as_ref().unwrap().help.as_deref(),
        Some("install it")
    );
}

#[test]
fn an_expectation_that_does_not_hold_fails_with_the_values() {
    let ended = Bench::default().run(
        "title = 'x'\n[[step]]\nname = 'a'\nact.look = { status = 503 }\nexpect = 'status == 200'\n",
    );
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert!(
        ended.detail("a").contains("503") && ended.detail("a").contains("200"),
        "{}",
        ended.detail("a")
    );
}

#[test]
fn a_step_is_tried_again_until_it_succeeds() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = {}
        act.until = 2
        retry = { attempts = 5, delay = "1ms", jitter = false }
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Ok);
    assert_eq!(world().len(), 3);
    let retried = ended
        .told
        .iter()
        .filter(|told| matches!(told.event, Event::StepRetried(_)))
        .count();
    assert_eq!(retried, 2);
    assert_eq!(ended.summary.steps[0].end.as_ref().unwrap().attempts, 3);
}

#[test]
fn what_a_person_refused_is_not_tried_again() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = {}
        act.fail = "refused"
        on_failure = "continue"
        retry = { attempts = 5, delay = "1ms" }
        [[step]]
        name = "b"
        act.look = {}
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::NotNow);
    assert_eq!(world().len(), 1);
    assert_eq!(ended.status("b"), Status::NotRun);
}

#[test]
fn repeat_measures_and_waits() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "measure"
        act.look = { ms = 7 }
        repeat = { every = "1ms", times = 4 }
        critical = "samples.p95 > 7 or samples.count != 4"
        [[step]]
        name = "wait"
        act.look = { up = true }
        act.until = 3
        repeat = { every = "1ms", times = 10, until = "up" }
        [[step]]
        name = "never"
        act.look = { up = false }
        repeat = { every = "1ms", times = 2, until = "up" }
        "#,
    );
    assert_eq!(ended.status("measure"), Status::Ok);
    assert_eq!(ended.status("wait"), Status::Ok);
    assert_eq!(
        world().iter().filter(|done| done.ends_with("wait")).count(),
        4
    );
    assert_eq!(ended.status("never"), Status::Critical);
    assert!(
        ended
            .detail("never")
            .starts_with("not reached after 2 looks"),
        "{}",
        ended.detail("never")
    );
}

#[test]
fn for_each_runs_items_and_is_as_bad_as_the_worst() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "list"
        act.look = { rows = [1, 2, 3] }
        [[step]]
        name = "each"
        for_each.row = "steps.list.rows"
        concurrency = 2
        act.change = { n = "{{ row }}" }
        warn = "n == 2"
        [[step]]
        name = "sum"
        act.look = { total = "{{ steps.each['items'] | map(attribute='n') | sum }}" }
        expect = "total == 6"
        "#,
    );
    assert_eq!(ended.status("each[1]"), Status::Warning);
    assert_eq!(ended.status("each[2]"), Status::Ok);
    assert_eq!(ended.status("each"), Status::Warning);
    assert_eq!(ended.status("sum"), Status::Ok, "{}", ended.detail("sum"));
    let keys: Vec<String> = ended.statuses().into_iter().map(|(key, _)| key).collect();
    assert_eq!(
        keys,
        ["list", "each", "each[0]", "each[1]", "each[2]", "sum"]
    );
}

#[test]
fn a_failing_item_keeps_later_ones_from_starting() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "each"
        for_each.row = "[1, 2, 3]"
        act.change = { n = "{{ row }}" }
        expect = "n != 2"
        "#,
    );
    assert_eq!(world(), ["change each[0]", "change each[1]"]);
    assert_eq!(ended.end.exit, ExitCode::Critical);
}

#[test]
fn unless_shows_that_a_step_is_done() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.change = {}
        unless = { act.look = { there = true }, expect = "there" }
        "#,
    );
    assert_eq!(ended.status("a"), Status::Skipped);
    assert_eq!(world(), ["look a"]);
    assert_eq!(ended.end.exit, ExitCode::Ok);
}

#[test]
fn parallel_steps_start_together_and_all_end() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = {}
        act.fail = "target"
        [[step]]
        name = "b"
        parallel = true
        act.look = { b = 1 }
        save = { seen = "b" }
        [[step]]
        name = "c"
        act.look = {}
        "#,
    );
    assert_eq!(ended.status("b"), Status::Ok);
    assert_eq!(ended.status("c"), Status::NotRun);
}

#[test]
fn a_destroy_asks_and_without_anybody_to_ask_nothing_is_done() {
    let text = "title = 'x'\n[[step]]\nname = 'a'\nact.destroy = {}\n";
    let ended = Bench::default().run(text);
    assert_eq!(ended.end.exit, ExitCode::NotNow);
    assert_eq!(ended.status("a"), Status::NotRun);
    assert!(world().is_empty());

    let refused = Bench {
        answer: Answer(Ok(false)),
        ..Bench::default()
    }
    .run(text);
    assert_eq!(refused.end.exit, ExitCode::NotNow);
    assert!(world().is_empty());

    let told = Bench {
        options: RunOptions {
            yes: true,
            ..RunOptions::default()
        },
        ..Bench::default()
    }
    .run(text);
    assert_eq!(told.end.exit, ExitCode::Ok);
    assert_eq!(world(), ["destroy a"]);
}

#[test]
fn read_only_refuses_before_the_first_step() {
    let bench = Bench {
        options: RunOptions {
            read_only: true,
            ..RunOptions::default()
        },
        ..Bench::default()
    };
    let text =
        "title = 'x'\n[[step]]\nname = 'a'\nact.look = {}\n[[step]]\nname = 'b'\nact.change = {}\n";
    let Err(RunError::ReadOnly { step, effect }) = bench.try_run(text) else {
        panic!("it ran")
    };
    assert_eq!((step.as_str(), effect), ("b", Effect::Write));
    assert!(world().is_empty() && bench.journal.kept.borrow().is_empty());
}

#[test]
fn a_sub_runbook_is_one_step_and_as_bad_as_its_worst() {
    let bench = Bench {
        others: vec![(
            "db/check",
            "title = 'y'\n[input.limit]\ntype = 'int'\ndefault = 5\n[[step]]\nname = 'look'\nact.look = { n = '{{ input.limit }}' }\nwarn = 'n > 6'\n",
        )],
        ..Bench::default()
    };
    let ended = bench.run(
        r#"
        title = "x"
        [[step]]
        name = "mild"
        runbook.run = "db/check"
        [[step]]
        name = "bad"
        runbook.run = "db/check"
        runbook.inputs = { limit = 7 }
        [[step]]
        name = "after"
        act.look = {}
        "#,
    );
    assert_eq!(ended.status("mild"), Status::Ok);
    assert_eq!(ended.status("mild/look"), Status::Ok);
    assert_eq!(ended.status("bad"), Status::Warning);
    assert_eq!(ended.status("after"), Status::Ok);
    assert_eq!(ended.end.exit, ExitCode::Warning);
}

#[test]
fn findings_count_towards_the_verdict() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = { n = 7 }
        save = { n = "n" }
        [[finding]]
        when = "n > 5"
        severity = "P1"
        cause = "there are {{ n }}"
        remedy = "db prune --limit {{ n }}"
        [[finding]]
        when = "steps.a.missing > 5"
        severity = "P0"
        cause = "never"
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert_eq!(ended.end.reason, "there are 7");
    assert_eq!(ended.summary.findings.len(), 1);
    assert_eq!(
        ended.summary.findings[0].remedy.as_deref(),
        Some("db prune --limit 7")
    );
}

#[test]
fn a_missing_requirement_ends_in_unknown_before_anything_runs() {
    let ended = Bench {
        tools: Tools(Some("wrangler is not on the PATH")),
        ..Bench::default()
    }
    .run("title = 'x'\nrequires = ['wrangler']\n[[step]]\nname = 'a'\nact.look = {}\n");
    assert_eq!(ended.end.exit, ExitCode::Unknown);
    assert_eq!(ended.end.reason, "wrangler is not on the PATH");
    assert_eq!(ended.status("a"), Status::NotRun);
    assert!(world().is_empty());
}

#[test]
fn a_step_that_takes_too_long_fails() {
    let ended = Bench::default().run(
        "title = 'x'\n[[step]]\nname = 'a'\nact.look = {}\nact.fail = 'hang'\ntimeout = '5ms'\n",
    );
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert_eq!(ended.detail("a"), "timed out after 5ms");
}

#[test]
fn a_run_that_takes_too_long_stops_and_still_cleans_up() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        timeout = "5ms"
        [[step]]
        name = "a"
        act.look = {}
        act.fail = "hang"
        [[step]]
        name = "b"
        act.look = {}
        [[finally]]
        name = "c"
        act.look = {}
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert_eq!(ended.status("b"), Status::NotRun);
    assert_eq!(ended.status("c"), Status::Ok);
}

#[test]
fn a_sub_runbook_that_is_cut_off_still_cleans_up() {
    let bench = Bench {
        others: vec![(
            "db/slow",
            "title = 'y'\n[[step]]\nname = 'hang'\nact.look = {}\nact.fail = 'hang'\n[[finally]]\nname = 'tidy'\nact.look = {}\n",
        )],
        ..Bench::default()
    };
    let ended = bench
        .run("title = 'x'\n[[step]]\nname = 'outer'\nrunbook.run = 'db/slow'\ntimeout = '5ms'\n");
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert_eq!(world(), ["look outer/hang", "look outer/tidy"]);
    assert_eq!(ended.status("outer/tidy"), Status::Ok);
}

#[test]
fn a_stop_ends_the_run_with_its_own_code() {
    let text = "title = 'x'\n[[step]]\nname = 'a'\nact.look = {}\n[[finally]]\nname = 'c'\nact.look = {}\n";
    for (stop, exit) in [
        (Stop::Interrupted, ExitCode::Interrupted),
        (Stop::Terminated, ExitCode::Terminated),
    ] {
        let ended = Bench {
            stop: Some(stop),
            ..Bench::default()
        }
        .run(text);
        assert_eq!(ended.end.exit, exit);
        assert_eq!(ended.status("a"), Status::NotRun);
        assert_eq!(ended.status("c"), Status::Ok);
    }
}

#[test]
fn on_failure_undo_takes_back_in_reverse() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        on_failure = "undo"
        [[step]]
        name = "a"
        act.change = {}
        undo = { act.look = {} }
        [[step]]
        name = "b"
        act.change = {}
        undo = { act.look = {} }
        [[step]]
        name = "c"
        act.change = {}
        act.fail = "target"
        "#,
    );
    assert_eq!(
        world(),
        ["change a", "change b", "change c", "look b", "look a"]
    );
    assert_eq!(
        (ended.status("a"), ended.status("b")),
        (Status::Undone, Status::Undone)
    );
    assert_eq!(ended.end.exit, ExitCode::Critical);
}

#[test]
fn a_failed_undo_is_stuck() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        on_failure = "undo"
        [[step]]
        name = "a"
        act.change = {}
        undo = { act.look = {}, act.fail = "target" }
        [[step]]
        name = "b"
        act.change = {}
        act.fail = "target"
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Stuck);
    assert_eq!(ended.status("a"), Status::InDoubt);
}

#[test]
fn secrets_reach_neither_journal_nor_sink() {
    let bench = Bench {
        secrets: BTreeMap::from([("token".to_owned(), Secret::new("s3cr3t-value".to_owned()))]),
        ..Bench::default()
    };
    let ended = bench.run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = { echo = "Bearer {{ secret.token }}" }
        save = { kept = "echo" }
        expect = "echo == 'x'"
        "#,
    );
    let journal = serde_json::to_string(&bench.journal.events(RunId(1)).unwrap()).unwrap();
    assert!(
        journal.contains("***") && !journal.contains("s3cr3t"),
        "{journal}"
    );
    assert!(!ended.end.reason.contains("s3cr3t"), "{}", ended.end.reason);
}

#[test]
fn sensitive_outputs_are_kept_out_of_the_journal_but_not_of_later_steps() {
    let bench = Bench::default();
    let ended = bench.run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = { value = "private" }
        sensitive = true
        save = { kept = "value" }
        [[step]]
        name = "b"
        act.look = { length = "{{ kept | length }}" }
        expect = "length == 7"
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Ok, "{}", ended.end.reason);
    assert!(
        !serde_json::to_string(&bench.journal.events(RunId(1)).unwrap())
            .unwrap()
            .contains("private")
    );
}

/// The journal breaks at every possible event: no change happens whose start it does not hold, every run says unknown.
#[test]
fn nothing_changes_that_the_journal_does_not_hold() {
    let text = r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = {}
        [[step]]
        name = "b"
        act.change = {}
        [[step]]
        name = "c"
        act.change = {}
        [[finally]]
        name = "d"
        act.change = {}
    "#;
    let whole = Bench::default();
    assert_eq!(whole.run(text).end.exit, ExitCode::Ok);
    let events = whole.journal.kept.borrow().len();
    for breaks_at in 0..events {
        WORLD.with_borrow_mut(Vec::clear);
        let bench = Bench {
            journal: TestJournal {
                breaks_at: Some(breaks_at),
                ..TestJournal::default()
            },
            ..Bench::default()
        };
        match bench.try_run(text) {
            Ok(ended) => assert_eq!(ended.end.exit, ExitCode::Unknown, "broken at {breaks_at}"),
            Err(RunError::Journal(_)) => assert_eq!(breaks_at, 0),
            Err(other) => panic!("{other}"),
        }
        let kept = bench.journal.kept.borrow();
        let started: Vec<String> = kept
            .iter()
            .filter_map(|(envelope, durability)| match &envelope.event {
                Event::StepStarted(start) if *durability == Durability::Durable => {
                    Some(format!("change {}", start.step))
                }
                _ => None,
            })
            .collect();
        let changed: Vec<String> = world()
            .into_iter()
            .filter(|done| done.starts_with("change"))
            .collect();
        assert!(
            changed.iter().all(|change| started.contains(change)),
            "broken at {breaks_at}: {changed:?} {started:?}"
        );
    }
}
