//! A step in a dry run: what only reads is done, what would change something is shown, and what depends on that is not known.

use std::time::Instant;

use serde_json::Value;

use crate::base::Status;
use crate::base::text::{count, thousands};
use crate::event::{Event, Preview};
use crate::expr::{KNOWN_AFTER_RUN, told_unknown};
use crate::model::{Call, ForEach, Repeat, Step};

use super::attempt::Failure;
use super::frame::Turn;
use super::judge::{Ending, why};
use super::observe::length_of;
use super::previewed;
use super::run::Run;
use super::samples::Samples;
use super::step::{Given, StepEnd};
use super::{Dry, Durability, ErrorKind, Outputs};

/// What is known only after the run of what a step would have given.
#[derive(Clone, Debug, Default)]
pub(super) struct Unknown {
    /// All of `steps.<name>`.
    pub(super) step: bool,
    /// The names that it would have saved.
    pub(super) names: Vec<String>,
}

impl Unknown {
    /// All that a step gives.
    fn all_of(step: &Step) -> Self {
        Self {
            step: true,
            names: step.save.iter().map(|(name, _)| name.clone()).collect(),
        }
    }
}

impl Run<'_> {
    /// Shows what the step would do, in a dry run; none where the step is to be done.
    pub(super) async fn rehearse(&self, turn: Turn<'_>) -> Option<StepEnd> {
        if !self.options.dry {
            return None;
        }
        let Turn { step, scope, .. } = turn;
        let when = step.when.as_ref();
        let doubt = when.filter(|when| scope.unknown_in_expression(when).is_some());
        let doubt = doubt.map(|when| format!("if {} {KNOWN_AFTER_RUN}", when.text));
        let unknown = step.unless.as_ref().and_then(|unless| {
            let look = scope.unknown_in_call(&unless.call);
            look.or_else(|| scope.unknown_in_expression(&unless.expect))
        });
        let needs = scope.unknown_in_call(&step.call);
        let shown = match self.dry(step) {
            Dry::ByEffect => turn.effect.changes(),
            Dry::Shown => true,
            Dry::Done => needs.is_some() || doubt.is_some(),
        };
        if !shown {
            return match doubt.map(|doubt| format!("would run {doubt}")) {
                Some(doubt) => Some(self.leave(turn, doubt)),
                None => match needs.or(unknown) {
                    Some(name) => Some(self.leave(turn, format!("needs {name} {KNOWN_AFTER_RUN}"))),
                    None => match &step.repeat {
                        Some(repeat) => self.look_once(turn, repeat).await,
                        None => None,
                    },
                },
            };
        }
        let condition = match (doubt, unknown) {
            (Some(doubt), _) => Some(doubt),
            (None, Some(_)) => step
                .unless
                .as_ref()
                .map(|unless| format!("unless {} {KNOWN_AFTER_RUN}", unless.expect.text)),
            (None, None) => match self.already_done(turn).await {
                Ok(None) => None,
                Ok(Some(ending)) => return Some(self.finish(turn, ending, Given::default())),
                Err(failure) => return Some(self.never_began(turn, &failure)),
            },
        };
        Some(self.show(turn, condition).await)
    }

    /// What becomes of the step's action in a dry run.
    fn dry(&self, step: &Step) -> Dry {
        let action = self.engine.actions.get(step.call.action.name);
        action.map_or(Dry::ByEffect, |action| action.dry_of(step.call.verb))
    }

    /// Tells what the step would do, under a condition that only the run decides.
    async fn show(&self, turn: Turn<'_>, condition: Option<String>) -> StepEnd {
        let Turn { step, scope, .. } = turn;
        let preview = match self.preview_call(turn, &step.call).await {
            Ok(preview) => preview,
            // What is not known yet may be what is wrong with it.
            Err(_) if scope.unknown_in_call(&step.call).is_some() => in_words(&step.call),
            Err(failure) => return self.never_began(turn, &failure),
        };
        let preview = previewed::kept(preview, step, self.engine.masker);
        self.finish_shown(turn, condition, preview)
    }

    /// Finishes a step that was shown instead of done.
    fn finish_shown(&self, turn: Turn<'_>, condition: Option<String>, preview: Preview) -> StepEnd {
        self.record(Event::StepStarted(turn.started()), Durability::Relaxed);
        // Each line stands alone: a comment ends where its line does.
        let mut detail = match condition {
            Some(condition) => format!("{condition}: {}", preview.sent.trim_end()),
            None => preview.sent.trim_end().to_owned(),
        };
        if let Some(rows) = preview.rows {
            let behind = if detail.contains('\n') { "\n" } else { "; " };
            detail.push_str(&format!("{behind}touches {}", rows_of(rows)));
        }
        let given = Given {
            preview: Some(preview),
            unknown: Unknown::all_of(turn.step),
            ..Given::default()
        };
        self.finish(turn, Ending::passed_over(Status::NotRun, detail), given)
    }

    /// Finishes a step that cannot be done yet: what it reads depends on what was only shown.
    fn leave(&self, turn: Turn<'_>, why: String) -> StepEnd {
        let given = Given {
            unknown: Unknown::all_of(turn.step),
            ..Given::default()
        };
        self.finish(turn, Ending::passed_over(Status::NotRun, why), given)
    }

    /// Shows a step whose list is not known yet.
    pub(super) fn show_unknown_list(&self, turn: Turn<'_>, each: &ForEach, name: &str) -> StepEnd {
        let list = format!("for each {} of {name} {KNOWN_AFTER_RUN}", each.variable);
        if turn.effect.changes() {
            let sent = format!("{}, {list}", turn.step.call.name());
            self.finish_shown(turn, None, Preview::of(sent))
        } else {
            self.leave(turn, format!("would run {list}"))
        }
    }

    /// Finishes a step of whose items at least one was shown instead of done.
    pub(super) fn finish_shown_items(
        &self,
        turn: Turn<'_>,
        total: usize,
        began: Instant,
    ) -> StepEnd {
        let given = Given {
            took_ms: Some(super::step::milliseconds(began)),
            unknown: Unknown::all_of(turn.step),
            ..Given::default()
        };
        let items = count(total, "item");
        if !turn.effect.changes() {
            return self.finish(turn, Ending::passed_over(Status::NotRun, items), given);
        }
        self.finish_shown(turn, None, Preview::of(items))
    }

    /// Looks once where the step looks again and again. What it would wait for is not waited for: nothing was done that
    /// could bring it about.
    async fn look_once(&self, turn: Turn<'_>, repeat: &Repeat) -> Option<StepEnd> {
        let Turn { scope, .. } = turn;
        let began = Instant::now();
        self.record(Event::StepStarted(turn.started()), Durability::Relaxed);
        let look = self.try_again(turn).await;
        let mut samples = Samples::default();
        samples.add(length_of(&look.result, began), look.result.is_err());
        let not_waited = |why: &str| {
            let detail = format!("not yet: {why}; a dry run does not wait");
            self.leave(turn, detail.replace("not yet: ;", "not yet;"))
        };
        Some(match look.result {
            Ok(outputs) => {
                let mut not_yet = String::new();
                if repeat.until.is_some() && !self.reached(repeat, scope, &outputs, &mut not_yet) {
                    return Some(not_waited(&not_yet));
                }
                let outputs = outputs.with("samples", Value::Object(samples.summary()));
                self.succeed(turn, began, outputs, look.attempts)
            }
            Err(failure)
                if repeat.until.is_some() && !failure.ends_run() && is_theirs(&failure) =>
            {
                not_waited(&why(&failure))
            }
            Err(failure) => self.fail(turn, began, &failure, look.attempts, turn.effect),
        })
    }

    /// What of a step that was done in a dry run is not known all the same: it ran steps that were only shown.
    pub(super) fn unknown_of(&self, turn: Turn<'_>) -> Unknown {
        if self.options.dry && turn.effect.changes() {
            Unknown::all_of(turn.step)
        } else {
            Unknown::default()
        }
    }

    /// What of a step is not known because some of its items were only shown.
    pub(super) fn unknown_of_items(&self, turn: Turn<'_>, items: &[&StepEnd]) -> Unknown {
        if items.iter().any(|end| end.unknown.step) {
            Unknown::all_of(turn.step)
        } else {
            Unknown::default()
        }
    }

    /// Adds to the line for a person what a step that was done did not do because it was dry.
    pub(super) fn tell_what_was_left_out(
        &self,
        turn: Turn<'_>,
        outputs: &Outputs,
        ending: &mut Ending,
    ) {
        let Turn { step, scope, .. } = turn;
        if ending.status == Status::Ok && self.unknown_of(turn).step {
            // What it ran tells the rest.
            ending.detail = match outputs.values.get("steps").and_then(Value::as_u64) {
                Some(done) if done > 0 => format!("{}; the others were shown", ending.detail),
                _ => "its steps were shown".to_owned(),
            };
        }
        let mut left_out = Vec::new();
        for (key, condition) in [
            ("expect", &step.expect),
            ("critical", &step.critical),
            ("warn", &step.warn),
        ] {
            let Some(condition) = condition else { continue };
            let own = scope.with_named_in(&condition.text, &outputs.values);
            if let Some(name) = own.unknown_in_expression(condition) {
                left_out.push(format!("{key} not judged: needs {name} {KNOWN_AFTER_RUN}"));
            }
        }
        if let Some(artifact) = &step.artifact {
            let own = scope.with_named_in(&artifact.path.text, &outputs.values);
            let path = self.engine.evaluator.text(&artifact.path, &own);
            let path = path.unwrap_or_else(|_| artifact.path.text.clone());
            left_out.push(format!("{} not written", told_unknown(&path)));
        }
        for part in left_out {
            if !ending.detail.is_empty() {
                ending.detail.push_str("; ");
            }
            ending.detail.push_str(&part);
        }
    }
}

/// Whether it is the target that failed, and not the way to it.
fn is_theirs(failure: &Failure) -> bool {
    match failure {
        Failure::Action(error) => matches!(error.kind, ErrorKind::Target | ErrorKind::Late),
        Failure::Timeout(_) | Failure::Expectation { .. } => true,
        Failure::Evaluation(_) | Failure::Stopped(..) => false,
    }
}

/// What can be told of a call that cannot be worked out.
fn in_words(call: &Call) -> Preview {
    Preview::of(format!("{} {KNOWN_AFTER_RUN}", call.name()))
}

fn rows_of(rows: u64) -> String {
    let noun = if rows == 1 { "row" } else { "rows" };
    format!("{} {noun}", thousands(rows))
}

#[cfg(test)]
mod tests {
    use super::rows_of;

    #[test]
    fn rows_are_counted_as_a_person_does() {
        assert_eq!(
            [0, 1, 18_204].map(rows_of),
            ["0 rows", "1 row", "18,204 rows"]
        );
    }
}
