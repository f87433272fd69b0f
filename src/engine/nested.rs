//! A runbook as a step of another.

use std::convert::Infallible;

use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::base::{CommandPath, Status, StepKey, Verdict, text};
use crate::book::{EstateNames, given_texts, resolve_inputs};
use crate::model::Runbook;

use super::frame::{Frame, Past};
use super::lock::Patience;
use super::referred::Referred;
use super::run::Run;
use super::{
    ActionError, ActionFuture, CheckRequest, End, LookFuture, NestedRunner, Outputs, Stop,
    StopSignal,
};

/// Runs other runbooks within a run.
pub(super) struct Nested<'a, 'run> {
    /// The run that both belong to.
    pub(super) run: &'a Run<'run>,
    /// The runbook whose step runs the other.
    pub(super) frame: &'a Frame<'a>,
    /// What earlier legs of the run mean for the steps of the other.
    pub(super) past: Past,
    /// Becomes true when the step that runs the other must end.
    pub(super) cancelled: watch::Receiver<bool>,
}

impl Nested<'_, '_> {
    /// Hands a stop of the run, or the end of the step's time, down to the steps of the sub-runbook. Never ends by itself.
    async fn hand_down(&self, halt: &watch::Sender<Option<Stop>>) -> Infallible {
        let mut cancelled = self.cancelled.clone();
        let late = async {
            match cancelled.wait_for(|cancelled| *cancelled).await {
                Ok(_) => Stop::TimedOut,
                Err(_) => std::future::pending().await,
            }
        };
        let reason = tokio::select! {
            biased;
            stop = self.frame.stop.wait() => stop,
            stop = late => stop,
        };
        halt.send_replace(Some(reason));
        std::future::pending().await
    }
}

impl NestedRunner for Nested<'_, '_> {
    fn run<'a>(
        &'a self,
        path: &'a str,
        inputs: &'a Map<String, Value>,
        step: &'a StepKey,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let child = CommandPath::parse(path)
                .ok()
                .and_then(|path| self.run.plan.children.get(&path));
            let Some(child) = child else {
                return Err(ActionError::config(format!(
                    "the plan holds no runbook {path}"
                )));
            };
            let inputs = inputs_of(child, inputs, &self.run.engine.config.names())?;
            let known = child.with_statements(&inputs);
            let child = known.as_ref();
            let scope = self.run.engine.scope(
                child,
                &inputs,
                self.run.recorder.run(),
                self.run.options.dry,
            );
            let (halt, halted) = StopSignal::new();
            let referred = Referred::of(child);
            let frame = Frame {
                runbook: child,
                referred: &referred,
                caller: Some(step.clone()),
                past: self.past,
                agreed: self.frame.agreed,
                stop: halted,
                check: None,
            };
            let whole = tokio::select! {
                biased;
                never = self.hand_down(&halt) => match never {},
                whole = async {
                    let patience = Patience {
                        wait: self.run.options.wait,
                        tell: &mut |line| self.run.recorder.progress(step, line),
                        stop: &frame.stop,
                    };
                    self.run.lock_child(child, &scope, patience).await?;
                    Ok::<_, ActionError>(self.run.whole(&frame, scope).await)
                } => whole?,
            };
            let findings = match self.past {
                Past::IsAll => Vec::new(),
                Past::IsNothing | Past::Counts => self.run.raise_findings(child, &whole.scope),
            };
            let (mut status, mut severity, mut detail) = match whole.worst {
                Some(worst) if worst.status.verdict() != Verdict::Ok => {
                    (worst.status, worst.severity, worst.reason)
                }
                // Nothing ran but checks.
                Some(worst) if whole.steps == 0 && worst.status == Status::Ok => {
                    (Status::Ok, None, worst.reason)
                }
                _ => (
                    Status::Ok,
                    None,
                    format!("{} ok", text::count(whole.steps, "step")),
                ),
            };
            if let Some(worst) = findings.into_iter().next()
                && worst.severity.verdict() > status.verdict()
            {
                status = worst.severity.verdict().into();
                severity = Some(worst.severity);
                detail = worst.cause;
            }
            let mut outputs = Outputs::new(detail)
                .with("verdict", status.verdict().as_str())
                .with("steps", whole.steps);
            let ended = End {
                status,
                severity,
                failed: whole.failed,
            };
            outputs.end = Some(ended);
            Ok(outputs)
        })
    }

    fn check<'a>(&'a self, request: &'a CheckRequest, step: &'a StepKey) -> ActionFuture<'a> {
        Box::pin(async move {
            let (halt, halted) = StopSignal::new();
            tokio::select! {
                biased;
                never = self.hand_down(&halt) => match never {},
                outputs = self.run.checks(self.frame, request, step, halted) => outputs,
            }
        })
    }

    fn look<'a>(&'a self, service: &'a str, check: &'a str, step: &'a StepKey) -> LookFuture<'a> {
        Box::pin(self.run.look_once_at(self.frame, service, check, step))
    }
}

/// The inputs of a sub-runbook: what the step gives, else the defaults.
fn inputs_of(
    runbook: &Runbook,
    given: &Map<String, Value>,
    names: &EstateNames,
) -> Result<Map<String, Value>, ActionError> {
    let given = given
        .iter()
        .map(|(name, value)| (name.clone(), given_texts(value)))
        .collect();
    let resolved = resolve_inputs(&runbook.inputs, &given, &|_| None, names);
    if let Some(mistake) = resolved.mistakes.first() {
        return Err(ActionError::config(format!(
            "{}: input {mistake}",
            runbook.path
        )));
    }
    if let Some(missing) = resolved.missing.first() {
        return Err(ActionError::config(format!(
            "{} needs the input {:?}",
            runbook.path, missing.name
        )));
    }
    Ok(resolved.values)
}
