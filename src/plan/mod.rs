//! A runbook with its inputs resolved and its effects known, before anything runs. A plan never changes.

mod effect;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::base::{CommandPath, Diagnostic, Diagnostics, Effect, StepKey};
use crate::config::Config;
use crate::event::PlannedStep;
use crate::model::{Node, Runbook, Step};

pub use effect::{effect_of_runbook, effect_of_step};

/// Finds the runbook of a path.
pub type Find<'a> = &'a dyn Fn(&CommandPath) -> Result<Option<Arc<Runbook>>, Diagnostics>;

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
}

/// The runbooks that another runs, by path.
pub type Children = BTreeMap<CommandPath, Arc<Runbook>>;

impl Plan {
    /// Plans a runbook with these inputs.
    ///
    /// # Errors
    /// When a runbook that it runs is missing, invalid, or runs one of its callers.
    pub fn new(
        runbook: Arc<Runbook>,
        inputs: Map<String, Value>,
        find: Find<'_>,
        config: &Config,
    ) -> Result<Self, Diagnostics> {
        let mut children = Children::new();
        let mut mistakes = Diagnostics::new();
        collect(
            &runbook,
            &mut vec![runbook.path.clone()],
            find,
            &mut children,
            &mut mistakes,
        );
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let steps = runbook
            .all_steps()
            .map(|step| PlannedStep {
                step: StepKey::new(&step.name),
                action: step.call.name(),
                effect: effect_of_step(step, config, &children),
            })
            .collect();
        let effect = effect_of_runbook(&runbook, config, &children);
        let secrets = secrets::reachable(&runbook, &children, config);
        Ok(Self {
            runbook,
            inputs,
            children,
            steps,
            effect,
            secrets,
        })
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
        hash.finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// The path that a step runs, if its action is `runbook.run`.
fn child_of(step: &Step) -> Option<(CommandPath, &crate::base::Place)> {
    match &step.call.object {
        Node::Text(template) if step.call.action.name == "runbook" => {
            CommandPath::parse(&template.text)
                .ok()
                .map(|path| (path, &template.place))
        }
        _ => None,
    }
}

/// Gathers what a runbook runs, depth first. `callers` is the chain from the first runbook to this one.
fn collect(
    runbook: &Runbook,
    callers: &mut Vec<CommandPath>,
    find: Find<'_>,
    children: &mut Children,
    mistakes: &mut Diagnostics,
) {
    for (path, place) in runbook.all_steps().filter_map(child_of) {
        if callers.contains(&path) {
            let chain: Vec<String> = callers
                .iter()
                .chain([&path])
                .map(ToString::to_string)
                .collect();
            mistakes.push(
                Diagnostic::at(
                    place.clone(),
                    format!("runbooks run each other in a circle: {}", chain.join(" → ")),
                )
                .help("take one of the steps out"),
            );
            continue;
        }
        if children.contains_key(&path) {
            continue;
        }
        match find(&path) {
            Ok(Some(child)) => {
                children.insert(path.clone(), Arc::clone(&child));
                callers.push(path);
                collect(&child, callers, find, children, mistakes);
                callers.pop();
            }
            Ok(None) => mistakes.push(
                Diagnostic::at(place.clone(), format!("there is no runbook {path}"))
                    .help("`opsbook list` shows them all"),
            ),
            Err(others) => mistakes.extend(others),
        }
    }
}
