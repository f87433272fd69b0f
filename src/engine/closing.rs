//! The end of a run: which findings its evidence supports, what its verdict and exit code are, and its last event.

use crate::base::exit::ExitCode;
use crate::base::{Span, Status, Verdict, text};
use crate::event::{ApprovalRequested, Event, FindingRaised, Resumption, RunFinished};
use crate::expr::Scope;
use crate::model::{Runbook, Template};

use super::run::{Run, RunEnd, Whole};
use super::{Durability, JournalError, Stop};

impl Run<'_> {
    /// Raises the findings of a runbook that the evidence supports, worst first. What refers to a step that did not run is
    /// not supported.
    pub(super) fn raise_findings(&self, runbook: &Runbook, scope: &Scope) -> Vec<FindingRaised> {
        let evaluator = self.engine.evaluator;
        let supported = |finding: &&crate::model::Finding| {
            evaluator
                .judge(&finding.when, scope)
                .is_ok_and(|judgement| judgement.holds)
        };
        let words = |template: &Template| {
            evaluator
                .text(template, scope)
                .unwrap_or_else(|_| template.text.clone())
        };
        let command = |template: &Template| {
            evaluator
                .command(template, scope)
                .unwrap_or_else(|_| template.text.clone())
        };
        let mut raised: Vec<FindingRaised> = runbook
            .findings
            .iter()
            .filter(supported)
            .map(|finding| FindingRaised {
                severity: finding.severity,
                cause: words(&finding.cause),
                remedy: finding.remedy.as_ref().map(command),
            })
            .collect();
        raised.sort_by_key(|finding| finding.severity);
        for finding in &raised {
            self.record(Event::FindingRaised(finding.clone()), Durability::Relaxed);
        }
        raised
    }

    /// Ends the run before its first step: a second person must agree first.
    pub(super) fn wait_for_approval(
        &self,
        request: ApprovalRequested,
    ) -> Result<RunEnd, JournalError> {
        let run = self.recorder.run();
        let end = RunEnd {
            run,
            verdict: Verdict::Unknown,
            exit: ExitCode::NotNow,
            reason: format!("waiting for approval: opsbook approve {run}"),
        };
        let finished = RunFinished {
            verdict: end.verdict,
            exit: end.exit.code(),
            reason: end.reason.clone(),
            took_ms: Span(self.began.elapsed()).milliseconds(),
        };
        for event in [
            Event::ApprovalRequested(request),
            Event::RunFinished(finished),
        ] {
            self.recorder
                .record(event, Durability::Durable)
                .map_err(|refused| refused.0)?;
        }
        Ok(end)
    }

    /// Comes to the verdict and closes the journal.
    pub(super) fn close(&self, whole: &Whole) -> RunEnd {
        let stop = self.stop.now();
        let findings = match self.what {
            Some(Resumption::Undo) => Vec::new(),
            Some(Resumption::Resume) | None => {
                self.raise_findings(&self.plan.runbook, &whole.scope)
            }
        };
        let mut verdict = whole
            .worst
            .as_ref()
            .map_or(Verdict::Ok, |worst| worst.status.verdict());
        let mut reason = match &whole.worst {
            Some(worst) if verdict != Verdict::Ok || worst.status == Status::Undone => {
                worst.reason.clone()
            }
            // Nothing ran but checks.
            Some(worst) if whole.steps == 0 && worst.status == Status::Ok => worst.reason.clone(),
            _ => format!("{} ok", text::count(whole.steps, "step")),
        };
        if whole.failed && stop == Some(Stop::TimedOut) && verdict == Verdict::Ok {
            // The time was over between two steps: none of them failed, and yet the run did.
            verdict = self.plan.runbook.severity.verdict();
            Stop::TimedOut.as_str().clone_into(&mut reason);
        }
        if let Some(worst) = findings.first()
            && worst.severity.verdict() > verdict
        {
            verdict = worst.severity.verdict();
            reason.clone_from(&worst.cause);
        }
        let mut exit = ExitCode::from(verdict);
        let ledger = self.ledger.borrow();
        if let (true, Some(code)) = (whole.failed, stop.and_then(Stop::exit)) {
            (exit, verdict) = (code, verdict.worst(Verdict::Unknown));
            reason = stop.map_or(reason, |stop| stop.as_str().to_owned());
        } else if ledger.stuck {
            // Before a refusal: "not now" would say that nothing is left to be looked at.
            (exit, verdict) = (ExitCode::Stuck, verdict.worst(Verdict::Unknown));
        } else if let Some((code, why)) = &ledger.blocked {
            (verdict, reason) = (verdict.worst(Verdict::Unknown), why.clone());
            // "Not now" promises that nothing was done.
            let broken_promise = *code == ExitCode::NotNow && ledger.changed;
            exit = if broken_promise {
                verdict.into()
            } else {
                *code
            };
        }
        drop(ledger);
        let took_ms = Span(self.began.elapsed()).milliseconds();
        let finished = |verdict, exit: ExitCode, reason: &str| {
            Event::RunFinished(RunFinished {
                verdict,
                exit: exit.code(),
                reason: reason.to_owned(),
                took_ms,
            })
        };
        if self.ledger.borrow().broken.is_none() {
            self.record(finished(verdict, exit, &reason), Durability::Durable);
        }
        let broken = self.ledger.borrow().broken.clone();
        if let Some(broken) = broken {
            (exit, verdict, reason) = (ExitCode::Unknown, verdict.worst(Verdict::Unknown), broken);
            self.recorder.tell(finished(verdict, exit, &reason));
        }
        RunEnd {
            run: self.recorder.run(),
            verdict,
            exit,
            reason: self.engine.masker.text(&reason),
        }
    }
}
