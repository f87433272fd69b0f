//! A step's attempts and looks: try again on failure, look again and again, measure.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::base::Span;
use crate::event::{Event, StepRetried};
use crate::expr::Scope;
use crate::model::{Repeat, RetryOn};

use super::attempt::Failure;
use super::frame::{Frame, Turn};
use super::judge::why;
use super::run::Run;
use super::samples::Samples;
use super::{Durability, ErrorKind, Outputs, retry};

/// What came of a step's attempts.
pub(super) struct Observed {
    /// The outputs of the last attempt, or why it failed.
    pub(super) result: Result<Outputs, Failure>,
    /// How often it was tried, over all looks.
    pub(super) attempts: u32,
}

impl Run<'_> {
    /// Runs a step as often as its `repeat` and `retry` say.
    pub(super) async fn observe(&self, turn: Turn<'_>) -> Observed {
        let Turn { step, .. } = turn;
        match &step.repeat {
            Some(repeat) => self.repeat(turn, repeat).await,
            None => self.try_again(turn).await,
        }
    }

    /// Tries until it succeeds, the attempts are used up, or the failure is of a kind that is not tried again.
    pub(super) async fn try_again(&self, turn: Turn<'_>) -> Observed {
        let Turn {
            frame, step, key, ..
        } = turn;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let failure = match self.attempt(turn).await {
                Ok(outputs) => {
                    return Observed {
                        result: Ok(outputs),
                        attempts,
                    };
                }
                Err(failure) => failure,
            };
            let again = step
                .retry
                .as_ref()
                .filter(|retry| attempts < retry.attempts && retry_covers(&retry.on, &failure));
            let Some(retry) = again else {
                return Observed {
                    result: Err(failure),
                    attempts,
                };
            };
            let pause = retry::pause(retry, attempts, fastrand::f64());
            let retried = StepRetried {
                step: key.clone(),
                attempt: attempts,
                // Why it failed may quote what it gave.
                reason: match step.sensitive {
                    true => "what it gave is sensitive and not told".to_owned(),
                    false => why(&failure),
                },
                delay_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            };
            self.record(Event::StepRetried(retried), Durability::Relaxed);
            self.forget_within(key);
            if let Some(stop) = sleep_or_stop(frame, pause).await {
                return Observed {
                    result: Err(stop),
                    attempts,
                };
            }
        }
    }

    /// Looks again and again, and gives the last outputs with `samples`.
    async fn repeat(&self, turn: Turn<'_>, repeat: &Repeat) -> Observed {
        let Turn {
            frame, scope, key, ..
        } = turn;
        let began = Instant::now();
        let mut samples = Samples::default();
        let mut attempts = 0_u32;
        let (mut last, mut not_yet) = (Outputs::default(), String::new());
        loop {
            let look_began = Instant::now();
            let look = self.try_again(turn).await;
            attempts = attempts.saturating_add(look.attempts);
            samples.add(length_of(&look.result, look_began), look.result.is_err());
            let reached = match look.result {
                Ok(outputs) => {
                    last = outputs;
                    self.reached(repeat, scope, &last, &mut not_yet)
                }
                Err(failure) if failure.ends_run() => {
                    return Observed {
                        result: Err(failure),
                        attempts,
                    };
                }
                // While waiting for something a look that fails is «not yet», unless the runbook counts them.
                Err(failure)
                    if samples.failures() > repeat.tolerate
                        && (repeat.until.is_none() || repeat.tolerate > 0) =>
                {
                    return Observed {
                        result: Err(failure),
                        attempts,
                    };
                }
                Err(failure) => {
                    not_yet = why(&failure);
                    false
                }
            };
            self.forget_within(key);
            self.recorder
                .progress(key, &format!("look {}: {not_yet}", samples.count()));
            let over = repeat
                .times
                .is_some_and(|times| samples.count() as u64 >= times)
                || repeat
                    .duration
                    .is_some_and(|span| began.elapsed() + repeat.every.0 > span.0);
            if reached || over {
                let result = if reached || repeat.until.is_none() {
                    let summary = samples.summary();
                    if last.detail.is_empty() || repeat.until.is_none() {
                        last.detail =
                            format!("{} looks, {} failed", samples.count(), samples.failures());
                    }
                    Ok(last.with("samples", Value::Object(summary)))
                } else {
                    let because = format!("not reached after {} looks: {not_yet}", samples.count());
                    Err(Failure::Expectation {
                        because,
                        outputs: Box::new(last.with("samples", samples.summary())),
                    })
                };
                return Observed { result, attempts };
            }
            if let Some(stop) =
                sleep_or_stop(frame, repeat.every.0.saturating_sub(look_began.elapsed())).await
            {
                return Observed {
                    result: Err(stop),
                    attempts,
                };
            }
        }
    }

    /// Whether `until` holds; without one there is nothing to reach.
    pub(super) fn reached(
        &self,
        repeat: &Repeat,
        scope: &Scope,
        outputs: &Outputs,
        not_yet: &mut String,
    ) -> bool {
        let Some(until) = &repeat.until else {
            return false;
        };
        match self
            .engine
            .evaluator
            .judge(until, &scope.with_named_in(&until.text, &outputs.values))
        {
            Ok(judgement) => {
                let holds = judgement.holds;
                *not_yet = judgement.reason(until);
                holds
            }
            Err(error) => {
                *not_yet = error.message;
                false
            }
        }
    }
}

/// The length that the action measured itself, else the time on the wall, in milliseconds.
pub(super) fn length_of(result: &Result<Outputs, Failure>, began: Instant) -> f64 {
    let measured = result
        .as_ref()
        .ok()
        .and_then(|outputs| outputs.values.get("ms"))
        .and_then(Value::as_f64);
    measured.unwrap_or_else(|| Span(began.elapsed()).milliseconds())
}

/// Whether a failure is of a kind that is tried again. What a person refused or a file has wrong stays so,
/// and what may have been done is not done twice.
fn retry_covers(on: &[RetryOn], failure: &Failure) -> bool {
    match failure {
        Failure::Action(error) if error.in_doubt => false,
        Failure::Action(error) => match error.kind {
            ErrorKind::Target => on.contains(&RetryOn::Error),
            ErrorKind::Late => on.contains(&RetryOn::Timeout),
            ErrorKind::Own | ErrorKind::Refused | ErrorKind::Config => false,
        },
        Failure::Timeout(_) => on.contains(&RetryOn::Timeout),
        Failure::Expectation { .. } => on.contains(&RetryOn::Expect),
        Failure::Evaluation(_) | Failure::Stopped(..) => false,
    }
}

async fn sleep_or_stop(frame: &Frame<'_>, pause: Duration) -> Option<Failure> {
    tokio::select! {
        stop = frame.stop.wait() => Some(Failure::Stopped(stop, Box::default())),
        () = tokio::time::sleep(pause) => None,
    }
}
