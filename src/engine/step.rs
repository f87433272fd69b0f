//! One step from its conditions to its end.

use std::time::Instant;

use serde_json::{Map, Value};

use crate::base::{Effect, Secret, Severity, Span, Status};
use crate::event::{Event, Preview, StepFinished, StepStarted};
use crate::expr::{Scope, names_in_expression};
use crate::model::{EffectRule, OnFailure, Step};
use crate::plan::effect_of_step;

use super::attempt::Failure;
use super::doubt::Settlement;
use super::each::INDEX;
use super::frame::{Frame, Past, Turn};
use super::judge::{self, Ending};
use super::ledger::Undoable;
use super::measured::measures;
use super::observe::Observed;
use super::recall::{Recalled, seen_of};
use super::recorder::bounded;
use super::rehearse::Unknown;
use super::run::Run;
use super::shown::table_of;
use super::{Durability, ErrorKind, Outputs, Stop, artifact};

/// The shortest word of a sensitive output that is masked from then on, in bytes.
const SHORTEST_WORD: usize = 8;

/// The longest such word.
const LONGEST_WORD: usize = 64 * 1024;

/// So many such words of one step are masked at most.
const MOST_WORDS: usize = 1000;

/// What the run needs to know of a step that ended.
#[derive(Clone, Debug)]
pub(super) struct StepEnd {
    pub(super) status: Status,
    pub(super) severity: Option<Severity>,
    pub(super) failed: bool,
    /// Whether the run cannot go on whatever `on_failure` says.
    pub(super) ends_run: bool,
    pub(super) saved: Map<String, Value>,
    /// What later steps see as `steps.<name>`, if one may look.
    pub(super) seen: Option<Value>,
    /// What of it is known only after the run, in a dry one.
    pub(super) unknown: Unknown,
    pub(super) detail: String,
}

/// What a step gave beside how it ended.
#[derive(Default)]
pub(super) struct Given {
    pub(super) outputs: Outputs,
    /// What each item of a `for_each` gave, for later steps: its own event has told it already.
    pub(super) items: Option<Value>,
    pub(super) saved: Map<String, Value>,
    pub(super) took_ms: Option<f64>,
    pub(super) attempts: u32,
    pub(super) artifact: Option<String>,
    pub(super) ends_run: bool,
    /// What it would have done, in a dry run.
    pub(super) preview: Option<Preview>,
    pub(super) unknown: Unknown,
    /// Whether its action did what it should although the step failed.
    pub(super) acted: bool,
    /// Whether it was cut off because the run had to stop.
    pub(super) stopped: bool,
}

impl Run<'_> {
    /// Runs a step: once, or once for each item of its list.
    pub(super) async fn step(&self, frame: &Frame<'_>, step: &Step, scope: &Scope) -> StepEnd {
        let key = frame.key(step);
        let turn = Turn {
            frame,
            step,
            scope,
            key: &key,
            effect: self.effect(step),
        };
        let Some(each) = &step.for_each else {
            return self.one(turn, true).await;
        };
        if frame.past == Past::IsAll {
            return self.replay(turn).await;
        }
        if let Recalled::Kept(known, end) = self.recall_whole(turn) {
            return self.restore(turn, known, end).await;
        }
        let per_item = step.when.as_ref().is_some_and(|when| {
            names_in_expression(when)
                .iter()
                .filter_map(|name| name.path.first())
                .any(|first| *first == each.variable || first == INDEX)
        });
        if !per_item
            && !self.holds_doubt(turn)
            && let Some(ending) = self.unless_wanted(step, scope)
        {
            return self.finish(turn, ending, Given::default());
        }
        self.each(turn, each, per_item).await
    }

    /// Why the step is not run, if its `when` says so or cannot be told.
    pub(super) fn unless_wanted(&self, step: &Step, scope: &Scope) -> Option<Ending> {
        let when = step.when.as_ref()?;
        if scope.unknown_in_expression(when).is_some() {
            // Nobody can tell: it is shown.
            return None;
        }
        match self.engine.evaluator.judge(when, scope) {
            Ok(judgement) if judgement.holds => None,
            Ok(judgement) => Some(Ending::passed_over(
                Status::Skipped,
                format!("not needed: {}", judgement.reason(when)),
            )),
            Err(error) => Some(judge::of_failure(
                &Failure::Evaluation(error),
                Severity::P1,
                Effect::Read,
            )),
        }
    }

    /// Runs a step once. `conditional` says whether its `when` is still to be asked.
    pub(super) async fn one(&self, turn: Turn<'_>, conditional: bool) -> StepEnd {
        let Turn {
            step,
            scope,
            key,
            effect,
            ..
        } = turn;
        if turn.frame.past == Past::IsAll {
            return self.replay(turn).await;
        }
        // A step that never waits must not keep a signal from being heard.
        tokio::task::yield_now().await;
        let began = Instant::now();
        let doubt = match self.recall_one(turn) {
            Recalled::Kept(known, end) => return self.restore(turn, known, end).await,
            Recalled::InDoubt(because) => Some(because),
            Recalled::Nothing => None,
        };
        if conditional
            && !self.holds_doubt(turn)
            && let Some(ending) = self.unless_wanted(step, scope)
        {
            return self.finish(turn, ending, Given::default());
        }
        if let Some(end) = self.rehearse(turn).await {
            return end;
        }
        let looked = self.already_done(turn).await;
        if let Ok(Some(ending)) = looked {
            return self.finish(turn, ending, Given::default());
        }
        match (doubt, looked) {
            // It shows that it is not done.
            (Some(_), Ok(_)) if step.unless.is_some() => {
                if self.settled(key) == Some(Settlement::Done) {
                    let because = "it is said to be done, and its `unless` shows that it is not";
                    return self.end_in_doubt(turn, because);
                }
            }
            (Some(because), looked) => {
                if let Some(end) = self.settled_end(turn, because, looked.err()).await {
                    return end;
                }
            }
            // Nothing was started that could have changed anything.
            (None, Err(failure)) => return self.fail(turn, began, &failure, 0, Effect::Read),
            (None, Ok(_)) => {}
        }
        if doubt.is_some() {
            self.give_back(key);
        }
        let leave = match self.granted(turn).await {
            Ok(leave) => leave,
            Err(failure) => return self.never_began(turn, &failure),
        };
        let durability = Durability::before(effect);
        let started = StepStarted {
            rows: self.ledger.borrow().standing.counted_rows(key),
            ..turn.started()
        };
        if !self.record(Event::StepStarted(started), durability) {
            return self.not_journaled(turn);
        }
        self.forget(key);
        let began = Instant::now();
        let observed = self.observe(turn).await;
        drop(leave);
        self.ledger.borrow_mut().changed |= self.may_have_changed(turn, &observed);
        self.remember_undo(turn, &observed.result);
        match observed.result {
            Ok(outputs) => self.succeed(turn, began, outputs, observed.attempts),
            Err(failure) if effect.changes() && never_acted(&failure, observed.attempts) => {
                self.never_began(turn, &failure)
            }
            Err(failure) => self.fail(turn, began, &failure, observed.attempts, effect),
        }
    }

    /// Finishes a step that was not begun because the journal does not take that it is.
    pub(super) fn not_journaled(&self, turn: Turn<'_>) -> StepEnd {
        let ending = Ending::passed_over(Status::NotRun, "the journal cannot be written");
        let given = Given {
            ends_run: true,
            ..Given::default()
        };
        self.finish(turn, ending, given)
    }

    /// Whether what a step did may have changed something. What is refused was not done, unless an attempt before was.
    fn may_have_changed(&self, turn: Turn<'_>, observed: &Observed) -> bool {
        let Turn { step, effect, .. } = turn;
        // A runbook that is run says so itself, once a step of its own changes something: its lock may keep it from that.
        let itself = !matches!(step.call.verb.effect, EffectRule::OfRunbook);
        let aside = self.keeps_aside(step);
        let refused = match &observed.result {
            Err(Failure::Action(error)) => {
                let done = error.outputs.rows_changed.unwrap_or_default();
                error.kind == ErrorKind::Refused && observed.attempts <= 1 && done == 0
            }
            Err(failure) => never_acted(failure, observed.attempts),
            Ok(_) => false,
        };
        itself && effect.changes() && !self.options.dry && !aside && !refused
    }

    /// Remembers that a step can be taken back once its action did what it should, whatever is expected of it afterwards.
    fn remember_undo(&self, turn: Turn<'_>, result: &Result<Outputs, Failure>) {
        let done = match result {
            Ok(outputs) => outputs,
            Err(Failure::Expectation { outputs, .. }) => outputs,
            Err(_) => return,
        };
        if turn.step.undo.is_some() && done.end.is_none_or(|end| !end.failed) {
            self.ledger.borrow_mut().can_undo(Undoable {
                key: turn.key.clone(),
                step: turn.step.clone(),
                scope: turn.scope.with_all(&done.values),
                done_at: self.recorder.next(),
                in_doubt: false,
                lost: None,
            });
        }
    }

    /// Saves, keeps the artifact, judges and finishes a step whose action did what it should.
    pub(super) fn succeed(
        &self,
        turn: Turn<'_>,
        began: Instant,
        outputs: Outputs,
        attempts: u32,
    ) -> StepEnd {
        let Turn {
            step,
            scope,
            effect,
            ..
        } = turn;
        let own = |text: &str| scope.with_named_in(text, &outputs.values);
        let mut saved = Map::new();
        let mut unknown = self.unknown_of(turn);
        for (name, expression) in &step.save {
            let own = own(&expression.text);
            if own.unknown_in_expression(expression).is_some() {
                unknown.names.push(name.clone());
                continue;
            }
            match self.engine.evaluator.value(expression, &own) {
                Ok(value) => saved.insert(name.clone(), value),
                Err(error) => {
                    let because = format!("{name} cannot be saved: {}", error.message);
                    let failure = Failure::Expectation {
                        because,
                        outputs: Box::new(outputs),
                    };
                    return self.fail(turn, began, &failure, attempts, effect);
                }
            };
        }
        let artifact = match &step.artifact {
            Some(artifact) if !self.options.dry => {
                let sensitive = step.sensitive || outputs.sensitive;
                let scope = own(&artifact.path.text);
                match artifact::keep(self.engine, artifact, &outputs, &scope, sensitive) {
                    Ok(path) => Some(path),
                    Err(error) => {
                        let failure = Failure::Action(error);
                        return self.fail(turn, began, &failure, attempts, effect);
                    }
                }
            }
            Some(_) | None => None,
        };
        let mut ending = judge::of_outputs(self.engine.evaluator, step, scope, &outputs, &saved);
        if self.options.dry {
            self.tell_what_was_left_out(turn, &outputs, &mut ending);
        }
        let given = Given {
            outputs,
            saved,
            took_ms: Some(milliseconds(began)),
            attempts,
            artifact,
            unknown,
            ..Given::default()
        };
        self.finish(turn, ending, given)
    }

    /// Finishes a step that failed; `effect` is what it may have done to the world by then.
    pub(super) fn fail(
        &self,
        turn: Turn<'_>,
        began: Instant,
        failure: &Failure,
        attempts: u32,
        effect: Effect,
    ) -> StepEnd {
        let Turn { frame, step, .. } = turn;
        let ending = judge::of_failure(failure, frame.severity(step), effect);
        self.note_failure(turn, failure);
        let outputs = match failure {
            Failure::Action(error) => (*error.outputs).clone(),
            Failure::Expectation { outputs, .. } => (**outputs).clone(),
            Failure::Stopped(_, last) => last.outputs.clone(),
            Failure::Evaluation(_) | Failure::Timeout(_) => Outputs::default(),
        };
        let given = Given {
            outputs,
            took_ms: Some(milliseconds(began)),
            attempts,
            ends_run: failure.ends_run(),
            acted: matches!(failure, Failure::Expectation { .. }),
            // A step whose own time was over is cut off too, and that is how it ended. Of a check it says nothing.
            stopped: matches!(failure, Failure::Stopped(..))
                && (self.stop.now().is_some() || frame.check.is_some()),
            ..Given::default()
        };
        self.finish(turn, ending, given)
    }

    /// Remembers a failure that has an exit code of its own. One check does not take the verdict of the others away.
    fn note_failure(&self, turn: Turn<'_>, failure: &Failure) {
        if turn.frame.check.is_none() {
            self.ledger.borrow_mut().note_failure(failure, turn.key);
        }
    }

    /// Finishes a step that failed before it began: nothing was started that could have changed anything.
    pub(super) fn never_began(&self, turn: Turn<'_>, failure: &Failure) -> StepEnd {
        let severity = turn.frame.severity(turn.step);
        let ending = match failure {
            Failure::Stopped(stop @ (Stop::Interrupted | Stop::Terminated), _) => Ending {
                failed: true,
                ..Ending::passed_over(Status::NotRun, stop.as_str())
            },
            failure => judge::of_failure(failure, severity, Effect::Read),
        };
        self.note_failure(turn, failure);
        let given = Given {
            ends_run: failure.ends_run(),
            ..Given::default()
        };
        self.finish(turn, ending, given)
    }

    /// Whether the step's `unless` shows that it is already done.
    pub(super) async fn already_done(&self, turn: Turn<'_>) -> Result<Option<Ending>, Failure> {
        let Turn { step, scope, .. } = turn;
        let Some(unless) = &step.unless else {
            return Ok(None);
        };
        let outputs = self.perform(turn, &unless.call, true).await?;
        let judgement = self
            .engine
            .evaluator
            .judge(
                &unless.expect,
                &scope.with_named_in(&unless.expect.text, &outputs.values),
            )
            .map_err(Failure::Evaluation)?;
        Ok(judgement.holds.then(|| {
            Ending::passed_over(
                Status::Skipped,
                format!("already done: {}", judgement.because).trim_end_matches(": "),
            )
        }))
    }

    /// Records how a step ended and gives what the run and later steps need of it.
    pub(super) fn finish(&self, turn: Turn<'_>, ending: Ending, given: Given) -> StepEnd {
        let Turn {
            frame, step, key, ..
        } = turn;
        let sensitive = step.sensitive || given.outputs.sensitive;
        if sensitive {
            self.learn(&given);
        }
        let outputs = bounded(given.outputs.values, self.engine.masker);
        // What it found, or why it failed, may quote what it gave.
        let detail = match ending.status {
            _ if !sensitive || outputs.is_empty() => ending.detail,
            Status::Ok => String::new(),
            _ => "what it gave is sensitive and not told".to_owned(),
        };
        let action = self.engine.actions.get(step.call.action.name);
        let by_itself = action.is_some_and(|action| action.shows_rows_of(step.call.verb));
        let table = table_of(frame, step, &outputs, by_itself);
        let help = match (ending.status, ending.help) {
            (Status::InDoubt, None) => Some(self.how_to_settle(turn)),
            (Status::InDoubt, Some(help)) => Some(format!("{help}; {}", self.how_to_settle(turn))),
            (_, help) => help,
        };
        let mut finished = StepFinished {
            step: key.clone(),
            action: step.call.name(),
            effect: turn.effect,
            status: ending.status,
            severity: ending.severity,
            failed: ending.failed,
            acted: given.acted,
            took_ms: given.took_ms,
            detail: detail.clone(),
            help,
            attempts: given.attempts,
            outputs: Map::new(),
            saved: Map::new(),
            table: table.filter(|_| !sensitive),
            sensitive,
            artifact: given.artifact,
            undo: false,
            stopped: given.stopped,
            withheld: sensitive,
            preview: given.preview,
            check: frame.check.map(|check| check.of.clone()),
            measures: Vec::new(),
        };
        let seen = frame
            .referred
            .holds(&step.name)
            .then(|| seen_of(&finished, outputs.clone(), given.saved.clone(), given.items));
        if !sensitive {
            let ran = given.took_ms.is_some();
            finished.measures = measures(self.engine.evaluator, turn, &outputs, &given.saved, ran);
            finished.outputs = outputs;
            finished.saved.clone_from(&given.saved);
        }
        match frame.check {
            Some(check) => check.end.set(Some(Box::new(finished))),
            None => {
                self.ledger.borrow_mut().note_end(ending.status);
                self.record(
                    Event::StepFinished(finished),
                    Durability::after(turn.effect),
                );
            }
        }
        StepEnd {
            status: ending.status,
            severity: ending.severity,
            failed: ending.failed,
            ends_run: given.ends_run || self.ledger.borrow().broken.is_some(),
            saved: given.saved,
            seen,
            unknown: given.unknown,
            detail,
        }
    }

    /// Has everything masked from now on that a sensitive step gave: a token that a server hands out, and echoes.
    fn learn(&self, given: &Given) {
        let typed = given.outputs.sensitive;
        let told = given.outputs.values.iter().chain(&given.saved);
        // Who answered is no secret.
        let texts = told.filter(|(name, _)| !typed || *name == "answer");
        let texts = texts.map(|(_, value)| value);
        self.engine.masker.learn(&secrets_in(texts, typed));
    }

    /// What a step may do to the world.
    pub(super) fn effect(&self, step: &Step) -> Effect {
        effect_of_step(step, self.engine.config, &self.plan.children)
    }
}

impl StepEnd {
    /// Of a step of which there is nothing to tell.
    pub(super) fn nothing() -> Self {
        Self {
            status: Status::NotRun,
            severity: None,
            failed: false,
            ends_run: false,
            saved: Map::new(),
            seen: None,
            unknown: Unknown::default(),
            detail: String::new(),
        }
    }

    /// What this end does to the steps after it.
    pub(super) fn halts(&self, on_failure: OnFailure) -> bool {
        self.ends_run || (self.failed && on_failure != OnFailure::Continue)
    }
}

/// Whether a step was stopped before it changed anything: its first attempt had changed nothing yet.
fn never_acted(failure: &Failure, attempts: u32) -> bool {
    attempts <= 1 && failure.has_changed_nothing()
}

/// The texts of sensitive values that are secrets by themselves: of what a person typed unseen every one, else words of
/// some length. Sentences and short words stand everywhere.
fn secrets_in<'a>(values: impl Iterator<Item = &'a Value>, typed: bool) -> Vec<Secret> {
    fn collect(value: &Value, typed: bool, found: &mut Vec<Secret>) {
        match value {
            Value::String(text) => {
                let word = text.trim();
                let likely = (SHORTEST_WORD..=LONGEST_WORD).contains(&word.len())
                    && !word.contains(char::is_whitespace);
                if found.len() < MOST_WORDS && (typed || likely) {
                    found.push(Secret::new(word.to_owned()));
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, typed, found)),
            Value::Object(entries) => {
                entries
                    .values()
                    .for_each(|item| collect(item, typed, found));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut found = Vec::new();
    values.for_each(|value| collect(value, typed, &mut found));
    found
}

pub(super) fn milliseconds(began: Instant) -> f64 {
    Span(began.elapsed()).milliseconds()
}
