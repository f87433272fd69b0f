//! A step that runs once for each item of a list.

use std::time::Instant;

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Map, Value, json};

use sha2::{Digest as _, Sha256};

use crate::base::text::hexadecimal;
use crate::base::{Span, Status, text};
use crate::event::{Event, StepStarted};
use crate::model::ForEach;

use super::attempt::Failure;
use super::frame::Turn;
use super::judge::Ending;
use super::run::Run;
use super::step::{Given, StepEnd};
use super::{ActionError, Durability, Outputs, Settlement};

/// The name of an item's place in the list, counting from 0, beside the item's own name.
pub(super) const INDEX: &str = "index";

impl Run<'_> {
    /// Runs a step for each item, as many at a time as it says. A failing item keeps further ones from starting, unless
    /// the step goes on after failures.
    pub(super) async fn each(&self, turn: Turn<'_>, each: &ForEach, conditional: bool) -> StepEnd {
        let Turn {
            frame,
            step,
            scope,
            key,
            ..
        } = turn;
        if let Some(name) = scope.unknown_in_expression(&each.items) {
            return self.show_unknown_list(turn, each, &name);
        }
        let began = Instant::now();
        let items = match self.engine.evaluator.value(&each.items, scope) {
            Ok(Value::Array(items)) => items,
            Ok(other) => {
                let error =
                    ActionError::config(format!("{} is {other}, not a list", each.items.text));
                return self.never_began(turn, &Failure::Action(error));
            }
            Err(error) => return self.never_began(turn, &Failure::Evaluation(error)),
        };
        if let Some(end) = self.begin_list(turn, &items).await {
            return end;
        }
        if !items.is_empty()
            && let Err(failure) = self.ask_behind(turn).await
        {
            return self.never_began(turn, &failure);
        }
        let on_failure = frame.on_failure(step);
        let halted = std::cell::Cell::new(false);
        let total = items.len();
        let ends: Vec<Option<StepEnd>> = stream::iter(items.into_iter().enumerate())
            .map(|(index, item)| {
                let halted = &halted;
                async move {
                    if halted.get() || frame.stop.now().is_some() {
                        return None;
                    }
                    let end = self
                        .one(
                            Turn {
                                scope: &scope.with_all(&named(each, item, index)),
                                key: &key.item(index),
                                ..turn
                            },
                            conditional,
                        )
                        .await;
                    halted.set(halted.get() || end.halts(on_failure));
                    Some(end)
                }
            })
            .buffered(each.concurrency.max(1))
            .collect()
            .await;
        self.finish_each(turn, total, &ends, began)
    }

    /// Writes down which list it is. An earlier leg may have gone through another one: then nobody can say which of these
    /// items are done. Gives the end of the step where that keeps it from running.
    async fn begin_list(&self, turn: Turn<'_>, items: &[Value]) -> Option<StepEnd> {
        let Turn { key, .. } = turn;
        if items.is_empty() {
            return None;
        }
        let digest = digest_of(items);
        if let Some(begun_with) = self.list_of_earlier_leg(turn)
            && begun_with != digest
        {
            if self.has_changed_within(key) {
                let because = "its list is not the one that was begun with";
                match self.settle(turn, because).await {
                    Some(Settlement::Again) => {}
                    Some(Settlement::Done) => return Some(self.end_as_done(turn)),
                    None => return Some(self.end_in_doubt(turn, because)),
                }
            }
            self.forget_within(key);
        }
        let started = StepStarted {
            items: Some(digest),
            ..turn.started()
        };
        // It is written with the start of its first item at the latest.
        if self.record(Event::StepStarted(started), Durability::Relaxed) {
            return None;
        }
        Some(self.not_journaled(turn))
    }

    /// The step as a whole: as bad as its worst item.
    fn finish_each(
        &self,
        turn: Turn<'_>,
        total: usize,
        ends: &[Option<StepEnd>],
        began: Instant,
    ) -> StepEnd {
        let ran: Vec<&StepEnd> = ends.iter().flatten().collect();
        // Of several as bad, the first.
        let worst = ran.iter().rev().max_by_key(|end| {
            (
                end.status.verdict(),
                end.failed,
                end.severity.map(std::cmp::Reverse),
            )
        });
        let bad = ran
            .iter()
            .filter(|end| end.failed || end.status.verdict() != crate::base::Verdict::Ok)
            .count();
        let ending = match worst {
            Some(worst) if bad > 0 => Ending {
                status: worst.status,
                severity: worst.severity,
                failed: ran.iter().any(|end| end.failed),
                detail: format!("{bad} of {}: {}", text::count(total, "item"), worst.detail),
                help: None,
            },
            Some(_) if self.unknown_of_items(turn, &ran).step => {
                return self.finish_shown_items(turn, total, began);
            }
            Some(_) => Ending::passed_over(Status::Ok, text::count(total, "item")),
            None => Ending::passed_over(Status::Skipped, "nothing to do: the list is empty"),
        };
        let items = ends
            .iter()
            .map(|end| {
                end.as_ref()
                    .and_then(|end| end.seen.clone())
                    .unwrap_or_default()
            })
            .collect();
        let given = Given {
            outputs: Outputs::default().with("count", total),
            items: Some(items),
            took_ms: Some(Span(began.elapsed()).milliseconds()),
            attempts: 1,
            ends_run: ran.iter().any(|end| end.ends_run),
            unknown: self.unknown_of_items(turn, &ran),
            ..Given::default()
        };
        self.finish(turn, ending, given)
    }
}

/// The names of an item: its own, and its place in the list.
pub(super) fn named(each: &ForEach, item: Value, index: usize) -> Map<String, Value> {
    let mut named = Map::new();
    named.insert(each.variable.clone(), item);
    named.insert(INDEX.to_owned(), json!(index));
    named
}

/// The SHA-256 of a list as JSON, in hexadecimal.
pub(super) fn digest_of(items: &[Value]) -> String {
    let mut hash = Sha256::new();
    for item in items {
        hash.update(item.to_string());
        hash.update([b'\n']);
    }
    hexadecimal(&hash.finalize())
}
