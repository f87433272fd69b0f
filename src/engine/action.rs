//! What the engine needs of an action.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::base::{Masker, Place, Severity, Size, Span, Status, StepKey};
use crate::config::Config;
use crate::event::Preview;
use crate::expr::{Argument, Judgement, ShellText};
use crate::model::{ActionSpec, VerbSpec};

use super::{DataOut, Prompt, SampleStore};

/// The end of an action, some time later.
pub type ActionFuture<'a> = Pin<Box<dyn Future<Output = Result<Outputs, ActionError>> + 'a>>;

/// What an action would do, some time later.
pub type PreviewFuture<'a> = Pin<Box<dyn Future<Output = Result<Preview, ActionError>> + 'a>>;

/// Whether an action could be done, some time later.
pub type PreflightFuture<'a> = Pin<Box<dyn Future<Output = Result<(), ActionError>> + 'a>>;

/// What becomes of an action in a dry run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dry {
    /// It is done if it only reads, else shown.
    ByEffect,
    /// It is shown whatever its effect: it needs a person, or only waits.
    Shown,
    /// It is done whatever its effect: it runs steps, each of which is dry itself.
    Done,
}

/// One action: what it says of itself and how it is done. A new one is one file and one line in `action::ACTIONS`.
///
/// The future is dropped when the step's time is over or the run is stopped: an action must leave nothing behind then.
pub trait Action: Sync {
    /// What it says of itself.
    fn spec(&self) -> &'static ActionSpec;

    /// How long it may take to end by itself once [`ActionContext::cancel`] says so, before its future is dropped.
    fn grace(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether it starts processes, which must not outlive the run.
    fn starts_processes(&self) -> bool {
        false
    }

    /// Whether one of its calls does: as the whole action unless they differ, by what they say or what that is configured as.
    fn starts_processes_of(&self, _invocation: &Invocation, _config: &Config) -> bool {
        self.starts_processes()
    }

    /// Whether a verb only keeps something beside what there is: then a run that is refused later has changed nothing.
    fn keeps_aside(&self, _verb: &VerbSpec) -> bool {
        false
    }

    /// Whether the rows that a verb gives are shown though its step names no columns: nobody can ask for them again.
    fn shows_rows_of(&self, _verb: &VerbSpec) -> bool {
        false
    }

    /// What becomes of it in a dry run.
    fn dry(&self) -> Dry {
        Dry::ByEffect
    }

    /// What becomes of one of its verbs in a dry run: what becomes of all of them, unless they differ.
    fn dry_of(&self, _verb: &VerbSpec) -> Dry {
        self.dry()
    }

    /// Refuses what could not be done whatever its target holds, and asks the target nothing. A step is held to it before
    /// something is kept aside for it; [`Action::preview`] refuses the same.
    fn preflight<'a>(
        &'a self,
        _invocation: &'a Invocation,
        _context: &'a ActionContext<'a>,
    ) -> PreflightFuture<'a> {
        Box::pin(async { Ok(()) })
    }

    /// Tells what it would do, as it would be sent, how many rows it would touch where that can be counted, and some of
    /// them. Changes nothing: what it asks the target only reads.
    fn preview<'a>(
        &'a self,
        invocation: &'a Invocation,
        _context: &'a ActionContext<'a>,
    ) -> PreviewFuture<'a> {
        Box::pin(async move { Ok(Preview::of(invocation.in_words())) })
    }

    /// Does it once. Retries, repeats, limits of time and judging are the engine's.
    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a>;
}

/// The actions that there are.
#[derive(Clone, Copy)]
pub struct Actions(pub &'static [&'static dyn Action]);

impl Actions {
    /// The action of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'static dyn Action> {
        self.0
            .iter()
            .copied()
            .find(|action| action.spec().name == name)
    }
}

/// A call with everything evaluated.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The verb.
    pub verb: &'static VerbSpec,
    /// What stands right of `action.verb =`.
    pub object: Argument,
    /// The options that are given.
    pub options: Vec<(&'static str, Argument)>,
    /// Where the call stands in its file.
    pub place: Place,
}

/// Reads an option of one type; none where it is not given. The parser has checked the types.
macro_rules! option_reader {
    ($(#[$doc:meta])* $name:ident, $variant:ident, $type:ty) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(&self, option: &str) -> Option<$type> {
            match self.option(option) {
                Some(Argument::$variant(value)) => Some(value),
                Some(_) | None => None,
            }
        }
    };
}

impl Invocation {
    /// The option of this name, if given.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&Argument> {
        self.options
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, argument)| argument)
    }

    option_reader!(
        /// A text option.
        text, Text, &str
    );
    option_reader!(
        /// A list option.
        list, List, &[String]
    );
    option_reader!(
        /// A table option.
        map, Map, &[(String, String)]
    );
    option_reader!(
        /// A path option.
        path, Path, &Path
    );
    option_reader!(
        /// A JSON option.
        json, Json, &Value
    );
    option_reader!(
        /// A whole-number option.
        integer, Integer, &i64
    );
    option_reader!(
        /// A duration option.
        duration, Duration, &Span
    );
    option_reader!(
        /// A size option.
        size, Size, &Size
    );

    /// Whether a boolean option is given and true.
    #[must_use]
    pub fn flag(&self, option: &str) -> bool {
        matches!(self.option(option), Some(Argument::Boolean(true)))
    }

    /// The verb and its object in one line, for who sees nothing better.
    #[must_use]
    pub fn in_words(&self) -> String {
        format!("{} {}", self.verb.name, self.object.in_words())
            .trim_end()
            .to_owned()
    }

    /// The object as text; empty for other kinds.
    #[must_use]
    pub fn object_text(&self) -> &str {
        match &self.object {
            Argument::Text(text) => text,
            _ => "",
        }
    }

    /// The object as a list; empty for other kinds.
    #[must_use]
    pub fn object_list(&self) -> &[String] {
        match &self.object {
            Argument::List(items) => items,
            _ => &[],
        }
    }

    /// The object as a shell script, if it is.
    #[must_use]
    pub fn object_shell(&self) -> Option<&ShellText> {
        match &self.object {
            Argument::Shell(shell) => Some(shell),
            _ => None,
        }
    }

    /// The object as a judged condition, if it is.
    #[must_use]
    pub fn object_condition(&self) -> Option<&Judgement> {
        match &self.object {
            Argument::Condition(judgement) => Some(judgement),
            _ => None,
        }
    }
}

/// What an action may use beside its arguments.
pub struct ActionContext<'a> {
    /// The step it runs for.
    pub step: &'a StepKey,
    /// The estate.
    pub config: &'a Config,
    /// The folder that relative paths of a runbook start from.
    pub folder: &'a Path,
    /// When the attempt is over, if the step or the action's description limits it. An action that ends itself at that moment
    /// can say what it was doing then; the engine only knows that it was late.
    pub deadline: Option<tokio::time::Instant>,
    /// The environment variables that opsbook was started with: proxies stand there.
    pub environment: &'a [(String, String)],
    /// Variables for child processes, beside those that opsbook inherited.
    pub variables: &'a [(String, String)],
    /// A person, perhaps.
    pub prompt: &'a dyn Prompt,
    /// Standard output, for data that is too much to be held.
    pub data: &'a dyn DataOut,
    /// Runs other runbooks, and the checks of the configuration.
    pub nested: &'a dyn NestedRunner,
    /// Keeps what checks saw.
    pub samples: &'a dyn SampleStore,
    /// The time of the run's clock.
    pub now: DateTime<Utc>,
    /// Evaluates the templates of the configuration: a service's token, a database's URL.
    pub resolve: &'a dyn Fn(&crate::model::Template) -> Result<String, ActionError>,
    /// Takes secrets out of a text. What an action shortens goes through it first: no mask knows a part of a secret.
    pub masker: &'a Masker,
    /// Tells a sign of life.
    pub progress: &'a dyn Fn(String),
    /// Becomes true when the action must end.
    pub cancel: tokio::sync::watch::Receiver<bool>,
    /// Whether the step has an `expect`: the action then leaves it to judge what the target answered.
    pub judged: bool,
    /// Whether the step has a `warn` or a `critical`: an action that would judge by itself then leaves that to them.
    pub thresholds: bool,
    /// Whether a preview is for its number of rows, and nobody looks at it: no sample of them is needed, nor what goes along.
    pub counts_only: bool,
    /// Whether it may change anything at all: not in a dry run, and not with `--read-only`. What is said to read is then
    /// held to that where the target can be asked for it.
    pub may_change: bool,
    /// Whether what it saw is kept in the store, which is opsbook's own: not in a dry run.
    pub keeps: bool,
    /// The most rows that it may change, where a standing approval says so. What would change more changes nothing.
    pub most_rows: Option<u64>,
    /// How many rows a person saw that it would change, and agreed to. What would change more or fewer changes nothing.
    pub agreed_rows: Option<u64>,
}

impl ActionContext<'_> {
    /// Whether the action must end.
    pub fn is_cancelled(&self) -> bool {
        *self.cancel.borrow()
    }

    /// Waits until the action must end.
    pub async fn cancelled(&self) {
        let mut cancel = self.cancel.clone();
        if cancel.wait_for(|cancelled| *cancelled).await.is_err() {
            // The engine is gone and so is every reason to go on waiting.
            std::future::pending::<()>().await;
        }
    }
}

/// Runs a runbook as a step of another.
pub trait NestedRunner {
    /// Runs the runbook of this path; its steps are told under the key of the step.
    fn run<'a>(
        &'a self,
        path: &'a str,
        inputs: &'a Map<String, Value>,
        step: &'a StepKey,
    ) -> ActionFuture<'a>;

    /// Runs checks of the configuration at once; each is told as a line of its own under the key of the step. Gives `rows`
    /// and `counts`, and ends as the worst of them.
    fn check<'a>(&'a self, request: &'a CheckRequest, step: &'a StepKey) -> ActionFuture<'a>;

    /// Looks once at one check of the configuration and tells nobody. Its retries and repeats are left out.
    fn look<'a>(&'a self, service: &'a str, check: &'a str, step: &'a StepKey) -> LookFuture<'a>;
}

/// The checks that are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckRequest {
    /// The services whose checks are run; all of them when empty.
    pub services: Vec<String>,
    /// Whether a verdict is what this look says, however often it was otherwise before.
    pub now: bool,
}

/// What one look at a check gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// What its action gave.
    pub outputs: Outputs,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// One look at a check, some time later. It errs only where there is no such check.
pub type LookFuture<'a> = Pin<Box<dyn Future<Output = Result<Look, ActionError>> + 'a>>;

/// What an action gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// The outputs by name, as its description lists them.
    pub values: Map<String, Value>,
    /// What it found, in one line for a person.
    pub detail: String,
    /// How it ended where the action itself judges: a sub-runbook.
    pub end: Option<End>,
    /// Whether the outputs must be kept out of the journal and the screen, whatever the step says: a hidden answer.
    pub sensitive: bool,
    /// How many rows it changed in all, those that triggers changed too, where it held [`ActionContext::most_rows`]; of what
    /// no limit is held for, as migrations, it is enough that there were some. Of an action that was stopped, 0 says that it
    /// has changed nothing at all; one that does what it should though it is told to end, and says how many rows those are,
    /// is done.
    pub rows_changed: Option<u64>,
}

/// How an action ended that judges by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// How it ended.
    pub status: Status,
    /// How much that matters.
    pub severity: Option<Severity>,
    /// Whether it failed, and did not only cross a threshold.
    pub failed: bool,
}

impl Outputs {
    /// Outputs with a line for a person.
    #[must_use]
    pub fn new(detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            ..Self::default()
        }
    }

    /// Adds an output.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }
}

/// Whose trouble it is that an action failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The target's: it does not answer, refuses, errs. The step failed; its severity says how bad.
    Target,
    /// The target's: it gave no answer in time. The step failed as above, and `retry.on` tells the two apart.
    Late,
    /// Opsbook's own: a tool is missing, a secret is not set, a file cannot be read. The verdict is unknown.
    Own,
    /// A person said no, or there is nobody to ask: nothing was done, exit 75.
    Refused,
    /// The runbook or the configuration is wrong in a way that only showed now: exit 78.
    Config,
}

/// Why an action did not do what it should.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ActionError {
    /// Whose trouble it is.
    pub kind: ErrorKind,
    /// What happened: a lower-case fragment in one line.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
    /// What it gave before it failed.
    pub outputs: Box<Outputs>,
    /// Whether it must not be tried again whatever `retry` says: nobody knows whether it was done.
    pub in_doubt: bool,
}

impl ActionError {
    /// The target's trouble.
    #[must_use]
    pub fn target(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Target, message)
    }

    /// The target's: no answer in time.
    #[must_use]
    pub fn late(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Late, message)
    }

    /// Opsbook's own trouble.
    #[must_use]
    pub fn own(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Own, message)
    }

    /// A refusal.
    #[must_use]
    pub fn refused(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Refused, message)
    }

    /// A mistake in a runbook or the configuration.
    #[must_use]
    pub fn config(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Config, message)
    }

    fn of(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            help: None,
            outputs: Box::default(),
            in_doubt: false,
        }
    }

    /// Says that nobody knows whether it was done, so that it is not tried again.
    #[must_use]
    pub const fn in_doubt(mut self) -> Self {
        self.in_doubt = true;
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds what it gave before it failed.
    #[must_use]
    pub fn outputs(mut self, outputs: Outputs) -> Self {
        self.outputs = Box::new(outputs);
        self
    }
}
