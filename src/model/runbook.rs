//! A whole runbook.

use crate::base::{CommandPath, Place, Severity, SourceFile, Span};

use super::{Expression, Input, OnFailure, Step, Template};

/// A runbook as its author wrote it, checked.
#[derive(Clone, Debug)]
pub struct Runbook {
    /// The words that run it.
    pub path: CommandPath,
    /// The file it was read from.
    pub source: SourceFile,
    /// What it does, in one line.
    pub title: String,
    /// What it does and when to use it, in as many lines as it takes.
    pub description: Option<String>,
    /// What a person sees when this runbook is the right one.
    pub symptoms: Vec<String>,
    /// What a failing step means unless it says otherwise.
    pub severity: Severity,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The lock it holds while it runs, if it names one.
    pub lock: Option<Template>,
    /// The `[window.*]` it must run in.
    pub window: Option<String>,
    /// What it may destroy without being asked, if anything: a standing approval, for schedules.
    pub approved: Option<Approval>,
    /// Where its runs are told to a watch for what does not happen.
    pub heartbeat: Option<Heartbeat>,
    /// How long the whole run may take.
    pub timeout: Option<Span>,
    /// What a failing step does to the run unless it says otherwise.
    pub on_failure: OnFailure,
    /// What must be installed.
    pub requires: Vec<Requirement>,
    /// The step whose rows are printed instead of the table of steps.
    pub output: Option<String>,
    /// What it asks of its caller, in the order of the file.
    pub inputs: Vec<Input>,
    /// What it does, in order.
    pub steps: Vec<Step>,
    /// What it does last, however the steps ended.
    pub finally: Vec<Step>,
    /// The causes it can tell from the evidence.
    pub findings: Vec<Finding>,
}

impl Runbook {
    /// The steps and the `finally` steps, in the order in which they run.
    pub fn all_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().chain(&self.finally)
    }
}

/// A standing approval: what a runbook may destroy without being asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// The most rows that its destroys may take in all. Where a limit stands, a destroy whose rows cannot be counted
    /// beforehand is not approved.
    pub rows: Option<u64>,
    /// The names of the steps that it is given for; empty for all of them.
    pub steps: Vec<String>,
}

impl Approval {
    /// Whether it is given for the step of this name.
    #[must_use]
    pub fn covers(&self, step: &str) -> bool {
        self.steps.is_empty() || self.steps.iter().any(|name| name == step)
    }
}

/// `[heartbeat]`: where runs are told to a watch for what does not happen, in the way of healthchecks.io.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// The URL of the check: `/start`, `/0`, `/1`, … are added to its path.
    pub url: Template,
    /// How long a ping may take; ten seconds unless said.
    pub timeout: Option<Span>,
}

/// A tool that must be there: `psql`, `wrangler >= 4.87`, `opsbook >= 0.2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The program's name on the PATH, or `opsbook`.
    pub tool: String,
    /// The least version, as its numbers.
    pub at_least: Option<Vec<u64>>,
    /// Where it is asked for.
    pub place: Place,
}

/// A cause that the evidence of a run can support.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Supported when this holds.
    pub when: Expression,
    /// How much it matters.
    pub severity: Severity,
    /// The cause, in words.
    pub cause: Template,
    /// The command that remedies it, without the leading `opsbook`.
    pub remedy: Option<Template>,
}
