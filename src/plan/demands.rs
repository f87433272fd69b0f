//! What the policy asks before a runbook may run: by the worst that it may do, but for what a standing approval meets.

use std::collections::BTreeSet;

use crate::base::{CommandPath, Effect};
use crate::book::Children;
use crate::config::{Config, Demands};
use crate::model::{EffectRule, Node, Runbook, Step};

use super::effect::{effect_of_call, effect_of_runbook, effect_of_step};

/// What the policy asks of a runbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The worst that it may do, by its steps or by what takes them back.
    pub effect: Effect,
    /// What that needs.
    pub demands: Demands,
}

impl Asked {
    /// What the policy asks before this runbook may run.
    ///
    /// What may destroy needs what a write needs, too. A standing approval that covers all that a demand is for counts as
    /// its reason and as its second person; it lifts neither `deny` nor `incident`.
    #[must_use]
    pub fn of(runbook: &Runbook, config: &Config, children: &Children) -> Self {
        let effect = reach(runbook, config, children);
        let mut demands = Demands::default();
        for (least, asked) in [
            (Effect::Write, config.policy.write),
            (Effect::Destroy, config.policy.destroy),
        ] {
            if effect < least {
                continue;
            }
            demands.deny |= asked.deny;
            demands.incident |= asked.incident;
            if asked.reason || asked.approval {
                let open = Walk::new(config, children, least).has_uncovered(runbook);
                demands.reason |= asked.reason && open;
                demands.approval |= asked.approval && open;
            }
        }
        Self { effect, demands }
    }

    /// What it needs, each as it would be asked for: `--reason`, `a second person's approval`.
    #[must_use]
    pub fn needs(&self) -> Vec<&'static str> {
        [
            (self.demands.reason, "--reason"),
            (self.demands.incident, "--incident"),
            (self.demands.approval, "a second person's approval"),
        ]
        .into_iter()
        .filter_map(|(asked, word)| asked.then_some(word))
        .collect()
    }
}

/// The worst that a runbook may do, by its steps or by what takes them back.
fn reach(runbook: &Runbook, config: &Config, children: &Children) -> Effect {
    let undone = std::iter::once(runbook)
        .chain(children.values().map(AsRef::as_ref))
        .flat_map(Runbook::all_steps)
        .filter_map(|step| step.undo.as_ref())
        .map(|call| effect_of_call(call, config, children));
    undone
        .chain([effect_of_runbook(runbook, config, children)])
        .max()
        .unwrap_or(Effect::Read)
}

/// A look for steps that may do at least so much and that no standing approval covers.
struct Walk<'a> {
    config: &'a Config,
    children: &'a Children,
    least: Effect,
    /// A runbook that two ways lead to is looked at once.
    seen: BTreeSet<CommandPath>,
}

impl<'a> Walk<'a> {
    const fn new(config: &'a Config, children: &'a Children, least: Effect) -> Self {
        Self {
            config,
            children,
            least,
            seen: BTreeSet::new(),
        }
    }

    fn has_uncovered(&mut self, runbook: &Runbook) -> bool {
        let covered = |step: &Step| {
            let approved = runbook.approved.as_ref();
            approved.is_some_and(|approval| approval.covers(&step.name))
        };
        runbook
            .all_steps()
            .any(|step| !covered(step) && self.is_uncovered(step))
    }

    fn is_uncovered(&mut self, step: &Step) -> bool {
        let undoes = |call| effect_of_call(call, self.config, self.children) >= self.least;
        if step.undo.as_ref().is_some_and(undoes) {
            return true;
        }
        if effect_of_step(step, self.config, self.children) < self.least {
            return false;
        }
        // What another runbook does may be covered there.
        match self.run_by(step) {
            Some(child) if step.effect.is_none_or(|stated| stated < self.least) => {
                self.seen.insert(child.path.clone()) && self.has_uncovered(child)
            }
            Some(_) | None => true,
        }
    }

    fn run_by(&self, step: &Step) -> Option<&'a Runbook> {
        match (&step.call.verb.effect, &step.call.object) {
            (EffectRule::OfRunbook, Node::Text(template)) => {
                let path = CommandPath::parse(&template.text).ok()?;
                self.children.get(&path).map(AsRef::as_ref)
            }
            _ => None,
        }
    }
}
