//! The kinds of events, in the past tense.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::{Effect, ProcessMark, RunId, Severity, Status, StepKey, Verdict};

/// A fact about a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A run began.
    RunStarted(RunStarted),
    /// A run that had stopped goes on, or what it did is taken back.
    RunResumed(RunResumed),
    /// A second person must agree before anything is changed; the run waits for it.
    ApprovalRequested(ApprovalRequested),
    /// A second person agreed.
    RunApproved(RunApproved),
    /// A lock was taken from a run that is dead.
    LockTakenOver(LockTakenOver),
    /// A step began.
    StepStarted(StepStarted),
    /// An attempt failed and another will follow.
    StepRetried(StepRetried),
    /// A step ended, or was passed over.
    StepFinished(StepFinished),
    /// The evidence supports a cause.
    FindingRaised(FindingRaised),
    /// The run ended.
    RunFinished(RunFinished),
    /// Old runs were taken out of the journal. An event of the journal itself: of run 0.
    JournalPruned(JournalPruned),
    /// A kind that a later version wrote: kept as it is, shown by none.
    Other(Map<String, Value>),
}

/// A run began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// The path of the runbook: `db/vacuum`.
    pub runbook: String,
    /// Its title.
    pub title: String,
    /// The file it was read from.
    pub file: String,
    /// The SHA-256 of that file and of every runbook that it runs, in hexadecimal.
    pub digest: String,
    /// The inputs, secrets masked.
    pub inputs: Map<String, Value>,
    /// The environment of the configuration it ran in.
    pub environment: Option<String>,
    /// The steps in order with what each may do, for a table that shows what is still to come.
    pub steps: Vec<PlannedStep>,
    /// The step whose rows are printed instead of the table of steps.
    pub output: Option<String>,
    /// The worst effect of the plan.
    pub effect: Effect,
    /// Whether writes were only shown.
    pub dry: bool,
    /// Who ran it.
    pub user: String,
    /// Where.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// The version of opsbook.
    pub opsbook: String,
    /// A random word that no other run has: child processes carry it in `OPSBOOK_RUN`, and heartbeats as their `rid`.
    #[serde(default)]
    pub token: String,
    /// What tells the process from every other that ever had its number.
    #[serde(default)]
    pub process: ProcessMark,
    /// The folder that it was called from.
    #[serde(default)]
    pub folder: String,
    /// The configuration that it was run with, as an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// The files that it was planned from, whose texts the journal keeps: its own, then those of the runbooks that it runs,
    /// then the configuration.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// The inputs whose values are not those above: secrets, and what a secret was masked in.
    #[serde(default)]
    pub withheld: Vec<String>,
    /// Why it was run, as its caller said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The incident that it was run for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
}

/// A file that a run was planned from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The path of the runbook in it; none for the configuration.
    pub runbook: Option<String>,
    /// The file.
    pub file: String,
    /// The SHA-256 of its text, secrets masked, in hexadecimal: the key of the text in the journal.
    pub digest: String,
}

/// A run that had stopped goes on, or what it did is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunResumed {
    /// What is done with it.
    pub what: Resumption,
    /// Who does it.
    pub user: String,
    /// Where.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// What tells the process from every other that ever had its number.
    pub process: ProcessMark,
    /// The version of opsbook.
    pub opsbook: String,
    /// The steps that were started and of which nobody knew whether they took effect.
    pub in_doubt: Vec<StepKey>,
    /// The files that have changed since, where the caller accepted that.
    pub changed: Vec<Source>,
    /// Why, as the caller said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The incident that it is done for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
}

/// What is done with a run that had stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resumption {
    /// It goes on where it stopped.
    Resume,
    /// What it did is taken back.
    Undo,
}

/// A second person must agree before anything is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRequested {
    /// The worst that the run may do.
    pub effect: Effect,
    /// What asks for it, in words.
    pub because: String,
}

/// A second person agreed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunApproved {
    /// Who.
    pub user: String,
    /// Where.
    pub host: String,
    /// Why, as that person said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A lock was taken from a run that is dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockTakenOver {
    /// The lock.
    pub lock: String,
    /// The run that held it.
    pub from: RunId,
    /// Who had run it.
    pub user: String,
    /// Where.
    pub host: String,
    /// As which process.
    pub pid: u32,
}

/// Old runs were taken out of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalPruned {
    /// The moment before which they had ended.
    pub before: DateTime<Utc>,
    /// How many runs.
    pub runs: u64,
    /// How many events.
    pub events: u64,
    /// Where their events stood, in order.
    pub gaps: Vec<Gap>,
    /// Who did it.
    pub user: String,
    /// Where.
    pub host: String,
}

/// Events that were taken out of the journal, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The position of the first.
    pub first: u64,
    /// The position of the last.
    pub last: u64,
    /// The hash of the last, in hexadecimal: the event behind it continues from there.
    pub hash: String,
}

/// A step as the plan knows it before anything runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its key.
    pub step: StepKey,
    /// Its action: `http.get`.
    pub action: String,
    /// What it may do.
    pub effect: Effect,
    /// Whether it says which columns of its rows to print.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shows: bool,
    /// Where it stands; none in journals of versions that did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<StepPlace>,
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepPlace {
    /// The file, as its runbook or the configuration was found.
    pub file: String,
    /// The line, counting from 1.
    pub line: usize,
}

/// The check that a step is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckOf {
    /// The service that it belongs to.
    pub service: String,
    /// Its name within the service.
    pub name: String,
    /// Its place among the checks that were asked for, counting from 0.
    pub index: usize,
    /// What its look alone said, where what is told of the check is something else: it flapped, or what it needs is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<Status>,
}

impl CheckOf {
    /// The step that runs the check with this key: `checks` of `checks/api/liveness`.
    #[must_use]
    pub fn runner<'a>(&self, step: &'a StepKey) -> Option<&'a str> {
        let key = step.as_str().strip_suffix(self.name.as_str())?;
        let key = key.strip_suffix('/')?.strip_suffix(self.service.as_str())?;
        key.strip_suffix('/')
    }
}

/// A check as people read it: `api readiness`.
impl std::fmt::Display for CheckOf {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.service, self.name)
    }
}

/// A step began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepStarted {
    /// Its key.
    pub step: StepKey,
    /// Its action: `http.get`.
    pub action: String,
    /// What it may do.
    pub effect: Effect,
    /// Whether it is the step's undo that began.
    #[serde(default, skip_serializing_if = "is_false")]
    pub undo: bool,
    /// For the whole of a `for_each`, the SHA-256 of its list, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<String>,
    /// How many rows were counted that it should change, where a standing approval limits them: as many it may have
    /// changed as long as nobody knows better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The check that it is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckOf>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// An attempt failed and another will follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRetried {
    /// The step's key.
    pub step: StepKey,
    /// The number of the failed attempt, counting from 1.
    pub attempt: u32,
    /// Why it failed, in one line.
    pub reason: String,
    /// The pause before the next, in milliseconds.
    pub delay_ms: u64,
}

/// A step ended, or was passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepFinished {
    /// Its key.
    pub step: StepKey,
    /// Its action: `http.get`.
    pub action: String,
    /// What it may do.
    pub effect: Effect,
    /// How it ended.
    pub status: Status,
    /// How much that matters, where the status is warning or critical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Whether it failed: erred, timed out, or its `expect` did not hold. A crossed threshold is no failure.
    #[serde(default)]
    pub failed: bool,
    /// Whether its action did what it should although the step failed: only what was expected of it did not hold. There
    /// is something to take back then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub acted: bool,
    /// How long it took, in milliseconds; none where it did not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<f64>,
    /// Why it ended so, or what it found: one line for a person.
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// How often it was tried.
    #[serde(default = "one")]
    pub attempts: u32,
    /// The outputs of its action, and under `samples` those of its looks.
    #[serde(default)]
    pub outputs: Map<String, Value>,
    /// The names that it saved.
    #[serde(default)]
    pub saved: Map<String, Value>,
    /// The rows to print.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<StepTable>,
    /// Whether its outputs were kept out of the journal.
    #[serde(default)]
    pub sensitive: bool,
    /// The file that it wrote as its artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// Whether it is the step's undo that ended.
    #[serde(default, skip_serializing_if = "is_false")]
    pub undo: bool,
    /// Whether it was cut off because the run had to stop.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stopped: bool,
    /// Whether its outputs are not those above: sensitive ones, and those that a secret was masked in.
    #[serde(default, skip_serializing_if = "is_false")]
    pub withheld: bool,
    /// What it would have done, in a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// The check that it is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckOf>,
    /// The numbers that its thresholds compare.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<Measure>,
}

/// A number that a threshold of a step compares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// The number as it is written in the threshold: `ms`, `json.pending`.
    pub name: String,
    /// What it was; none where it was missing or no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// When it is a warning, as a range of the monitoring plugins; none where no range says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn: Option<String>,
    /// When it is critical, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical: Option<String>,
}

/// What a step would do, told instead of done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// What would be sent, as it would be sent; what depends on a write reads `(known after run)`.
    pub sent: String,
    /// The rows that it would touch, where that can be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The worst that it may do, where only what would be sent tells: of the statements of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// Some of them as they are now, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<StepTable>,
    /// What of it others may make another while a question stands: the text of a file, the migrations that are pending.
    /// No count and no moment, which are others at each look. An answer is held to it; it is neither shown nor kept.
    #[serde(skip)]
    pub held: Option<String>,
}

impl Preview {
    /// What would be sent, and nothing else known.
    #[must_use]
    pub fn of(sent: impl Into<String>) -> Self {
        Self {
            sent: sent.into(),
            ..Self::default()
        }
    }
}

const fn one() -> u32 {
    1
}

/// Rows to print.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepTable {
    /// The columns, left to right.
    pub columns: Vec<String>,
    /// The cells, one list a row, in the order of the columns.
    pub rows: Vec<Vec<Value>>,
    /// What a reader should know of them: a column that was asked for and is in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// Whether there are more rows than these.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Whether they are data, to be shown value by value: with every digit, and with null as such.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub exact: bool,
}

/// The evidence supports a cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingRaised {
    /// How much it matters.
    pub severity: Severity,
    /// The cause, in words.
    pub cause: String,
    /// The command that remedies it, without the leading `opsbook`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// The run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFinished {
    /// How it ended for the world.
    pub verdict: Verdict,
    /// The exit code, before `--fail-on`.
    pub exit: u8,
    /// Why, in one line.
    pub reason: String,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
}

impl StepFinished {
    /// The same without what the step gave.
    #[must_use]
    pub fn without_outputs(&self) -> Self {
        Self {
            step: self.step.clone(),
            action: self.action.clone(),
            effect: self.effect,
            status: self.status,
            severity: self.severity,
            failed: self.failed,
            acted: self.acted,
            took_ms: self.took_ms,
            detail: self.detail.clone(),
            help: self.help.clone(),
            attempts: self.attempts,
            outputs: Map::new(),
            saved: Map::new(),
            table: self.table.clone(),
            sensitive: self.sensitive,
            artifact: self.artifact.clone(),
            undo: self.undo,
            stopped: self.stopped,
            withheld: self.withheld,
            preview: self.preview.clone(),
            check: self.check.clone(),
            measures: self.measures.clone(),
        }
    }
}

impl Event {
    /// The word in the field `type`.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Self::RunStarted(_) => "run-started",
            Self::RunResumed(_) => "run-resumed",
            Self::ApprovalRequested(_) => "approval-requested",
            Self::RunApproved(_) => "run-approved",
            Self::LockTakenOver(_) => "lock-taken-over",
            Self::JournalPruned(_) => "journal-pruned",
            Self::StepStarted(_) => "step-started",
            Self::StepRetried(_) => "step-retried",
            Self::StepFinished(_) => "step-finished",
            Self::FindingRaised(_) => "finding-raised",
            Self::RunFinished(_) => "run-finished",
            Self::Other(fields) => fields
                .get("type")
                .and_then(Value::as_str)
                .unwrap_or("other"),
        }
    }
}

impl Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// The fields of a kind behind its `type`.
        #[derive(Serialize)]
        struct Tagged<'a, T> {
            r#type: &'a str,
            #[serde(flatten)]
            fields: &'a T,
        }
        let r#type = self.type_name();
        match self {
            Self::RunStarted(fields) => Tagged { r#type, fields }.serialize(serializer),
            Self::RunResumed(fields) => Tagged { r#type, fields }.serialize(serializer),
            Self::ApprovalRequested(fields) => Tagged { r#type, fields }.serialize(serializer),
            Self::RunApproved(fields) => Tagged { r#type, fields }.serialize(serializer),
            Self::LockTakenOver(fields) => Tagged { r#type, fields }.serialize(serializer),
            Self::JournalPruned(fields) => Tagged { r#type, fields }.serialize(serializer),
            Self::StepStarted(fields) => Tagged { r#type, fields }.serialize(serializer),
            Self::StepRetried(fields) => Tagged { r#type, fields }.serialize(serializer),
            Self::StepFinished(fields) => Tagged { r#type, fields }.serialize(serializer),
            Self::FindingRaised(fields) => Tagged { r#type, fields }.serialize(serializer),
            Self::RunFinished(fields) => Tagged { r#type, fields }.serialize(serializer),
            Self::Other(fields) => fields.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        fn fields<T: serde::de::DeserializeOwned, E: serde::de::Error>(
            map: Map<String, Value>,
        ) -> Result<T, E> {
            serde_json::from_value(Value::Object(map)).map_err(E::custom)
        }
        let map = Map::deserialize(deserializer)?;
        match map.get("type").and_then(Value::as_str) {
            Some("run-started") => fields(map).map(Self::RunStarted),
            Some("run-resumed") => fields(map).map(Self::RunResumed),
            Some("approval-requested") => fields(map).map(Self::ApprovalRequested),
            Some("run-approved") => fields(map).map(Self::RunApproved),
            Some("lock-taken-over") => fields(map).map(Self::LockTakenOver),
            Some("journal-pruned") => fields(map).map(Self::JournalPruned),
            Some("step-started") => fields(map).map(Self::StepStarted),
            Some("step-retried") => fields(map).map(Self::StepRetried),
            Some("step-finished") => fields(map).map(Self::StepFinished),
            Some("finding-raised") => fields(map).map(Self::FindingRaised),
            Some("run-finished") => fields(map).map(Self::RunFinished),
            Some(_) | None => Ok(Self::Other(map)),
        }
    }
}
