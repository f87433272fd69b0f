//! A step: one action with its conditions, checks and limits.

use crate::base::{Effect, Place, Severity, Span};

use super::{Call, Expression, Template};

/// One step of a runbook.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name, unique within the runbook.
    pub name: String,
    /// What it does.
    pub call: Call,
    /// Skipped unless this holds.
    pub when: Option<Expression>,
    /// Skipped if this look shows that it is already done.
    pub unless: Option<Box<Unless>>,
    /// Run once for each item of a list.
    pub for_each: Option<ForEach>,
    /// Starts together with the step above.
    pub parallel: bool,
    /// Must hold, else the step failed.
    pub expect: Option<Expression>,
    /// Must not hold, else it is P3.
    pub warn: Option<Expression>,
    /// Must not hold, else it is P1.
    pub critical: Option<Expression>,
    /// What its failure means, if it says so.
    pub severity: Option<Severity>,
    /// Names for later steps, from expressions over its outputs.
    pub save: Vec<(String, Expression)>,
    /// The columns of its rows to print; empty for all.
    pub show: Vec<String>,
    /// How to try again.
    pub retry: Option<Retry>,
    /// How to look again and again.
    pub repeat: Option<Repeat>,
    /// How long one attempt may take.
    pub timeout: Option<Span>,
    /// The question to answer before it runs.
    pub confirm: Option<Template>,
    /// An output to keep as a file.
    pub artifact: Option<Artifact>,
    /// What takes it back.
    pub undo: Option<Call>,
    /// What its failure does to the run, if it says so.
    pub on_failure: Option<OnFailure>,
    /// Its effect, where it cannot be inferred.
    pub effect: Option<Effect>,
    /// Whether its outputs must be kept out of the journal and the screen.
    pub sensitive: bool,
    /// Where it begins.
    pub place: Place,
}

impl Step {
    /// Its own call, the look of its `unless`, its `undo`.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        let unless = self.unless.iter().map(|unless| &unless.call);
        unless.chain([&self.call]).chain(&self.undo)
    }

    /// The same calls, to be changed.
    pub fn calls_mut(&mut self) -> impl Iterator<Item = &mut Call> {
        let unless = self.unless.iter_mut().map(|unless| &mut unless.call);
        unless.chain([&mut self.call]).chain(&mut self.undo)
    }

    /// Every template and expression of it.
    pub fn visit(
        &self,
        on_template: &mut dyn FnMut(&Template),
        on_expression: &mut dyn FnMut(&Expression),
    ) {
        for call in self.calls() {
            call.visit(on_template, on_expression);
        }
        let each = self.for_each.iter().map(|each| &each.items);
        let until = self
            .repeat
            .iter()
            .filter_map(|repeat| repeat.until.as_ref());
        let unless = self.unless.iter().map(|unless| &unless.expect);
        let judged = [&self.when, &self.expect, &self.warn, &self.critical];
        let judged = judged.into_iter().flatten();
        let saved = self.save.iter().map(|(_, expression)| expression);
        for expression in each.chain(until).chain(unless).chain(judged).chain(saved) {
            on_expression(expression);
        }
        let artifact = self.artifact.iter().map(|artifact| &artifact.path);
        for template in self.confirm.iter().chain(artifact) {
            on_template(template);
        }
    }
}

/// A look that tells whether a step is already done.
#[derive(Clone, Debug)]
pub struct Unless {
    /// An action that reads.
    pub call: Call,
    /// Done if this holds over its outputs.
    pub expect: Expression,
}

/// Runs a step once for each item of a list.
#[derive(Clone, Debug)]
pub struct ForEach {
    /// The name of the item in the step's expressions.
    pub variable: String,
    /// The list.
    pub items: Expression,
    /// How many run at the same time, at least 1.
    pub concurrency: usize,
}

/// How a step is tried again.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// How often it is tried altogether, at least 1.
    pub attempts: u32,
    /// The pause before the second attempt.
    pub delay: Span,
    /// How the pause grows.
    pub backoff: Backoff,
    /// The longest pause.
    pub max_delay: Span,
    /// Whether each pause is drawn between half and all of its length.
    pub jitter: bool,
    /// What it is tried again for.
    pub on: Vec<RetryOn>,
}

/// How the pause between attempts grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    /// It stays as it is.
    Constant,
    /// It doubles.
    Exponential,
}

/// What a step is tried again for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryOn {
    /// The action erred.
    Error,
    /// The attempt took too long.
    Timeout,
    /// `expect` did not hold.
    Expect,
}

/// How a step looks again and again: to observe, to wait, to measure.
#[derive(Clone, Debug)]
pub struct Repeat {
    /// The pause between the starts of two looks.
    pub every: Span,
    /// Until this much time has passed.
    pub duration: Option<Span>,
    /// At most so often.
    pub times: Option<u64>,
    /// Until this holds over the outputs of a look.
    pub until: Option<Expression>,
    /// How many looks may fail before the step does.
    pub tolerate: u64,
}

/// An output that is kept as a file.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// The output: `stdout`, `body`, `rows`.
    pub output: String,
    /// The file.
    pub path: Template,
}

/// What a failing step does to its run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// The run stops; `finally` still runs.
    #[default]
    Stop,
    /// The run goes on.
    Continue,
    /// The run stops and takes back what it did.
    Undo,
}
