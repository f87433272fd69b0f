//! A runbook with its inputs resolved and its effects known, before anything runs. A plan never changes.

mod demands;
mod effect;
mod places;
mod secrets;
mod typed;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::base::text::hexadecimal;
use crate::base::{Effect, StepKey};
use crate::book::Children;
use crate::config::Config;
use crate::event::PlannedStep;
use crate::model::Runbook;

pub use demands::Asked;
pub use effect::{effect_of_call, effect_of_runbook, effect_of_sql, effect_of_step};

/// A runbook with its inputs resolved and its effects known.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The runbook.
    pub runbook: Arc<Runbook>,
    /// Its inputs by their names inside expressions.
    pub inputs: Map<String, Value>,
    /// Every runbook that it runs, however deep.
    pub children: Children,
    /// Its steps in order, those of `finally` last.
    pub steps: Vec<PlannedStep>,
    /// The worst effect of its steps.
    pub effect: Effect,
    /// The names of the secrets that it can reach.
    pub secrets: BTreeSet<String>,
    /// The names of those that the checks which it runs can reach: one that is missing is their trouble alone.
    pub check_secrets: BTreeSet<String>,
}

impl Plan {
    /// Plans a runbook with these inputs and the runbooks that it runs.
    #[must_use]
    pub fn new(
        runbook: Arc<Runbook>,
        inputs: Map<String, Value>,
        children: Children,
        config: &Config,
    ) -> Self {
        let runbook = match runbook.with_statements(&inputs) {
            Cow::Borrowed(_) => runbook,
            Cow::Owned(known) => Arc::new(known),
        };
        let mut lines = places::Lines::default();
        let steps: Vec<PlannedStep> = runbook
            .all_steps()
            .map(|step| PlannedStep {
                step: StepKey::new(&step.name),
                action: step.call.name(),
                effect: effect_of_step(step, config, &children),
                // The rows of a list's items are several tables.
                shows: !step.show.is_empty() && step.for_each.is_none(),
                place: Some(lines.place(&step.place)),
            })
            .collect();
        let worst = steps.iter().map(|planned| planned.effect).max();
        let effect = worst.unwrap_or(Effect::Read);
        let secrets = secrets::reachable(&runbook, &inputs, &children, config);
        let check_secrets = secrets::reachable_by_checks(&runbook, &inputs, &children, config);
        Self {
            runbook,
            inputs,
            children,
            steps,
            effect,
            secrets,
            check_secrets,
        }
    }

    /// The first step that may change something, by its action or by what takes it back, with what it may do.
    #[must_use]
    pub fn first_change(&self, config: &Config) -> Option<(StepKey, Effect)> {
        let steps = self
            .steps
            .iter()
            .map(|planned| (planned.step.clone(), planned.effect));
        let undone = std::iter::once(&self.runbook)
            .chain(self.children.values())
            .flat_map(|runbook| runbook.all_steps())
            .filter_map(|step| {
                let effect = effect_of_call(step.undo.as_ref()?, config, &self.children);
                Some((StepKey::new(&step.name), effect))
            });
        steps.chain(undone).find(|(_, effect)| effect.changes())
    }

    /// The SHA-256 over the files of the runbook and of every one that it runs, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for runbook in std::iter::once(&self.runbook).chain(self.children.values()) {
            hash.update(runbook.path.to_string());
            hash.update([0]);
            hash.update(runbook.source.text());
            hash.update([0]);
        }
        hexadecimal(&hash.finalize())
    }
}
