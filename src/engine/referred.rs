//! Which steps the texts of a runbook name: what those gave is kept for the rest of the run, and nothing else, so that a
//! run of thousands of steps takes no more memory than a run of one.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::expr::{NameUse, names_in_expression, names_in_template};
use crate::model::{Expression, Runbook, Template};

/// The name under which expressions find the steps that have ended.
const STEPS: &str = "steps";

/// The steps that the texts of a runbook name.
#[derive(Debug)]
pub(super) enum Referred {
    /// Any may be meant: a text takes `steps` as a whole, or works out the name.
    All,
    /// These.
    Named(BTreeSet<String>),
}

impl Referred {
    /// The steps that the texts of this runbook name.
    pub(super) fn of(runbook: &Runbook) -> Self {
        let found = RefCell::new(Self::Named(BTreeSet::new()));
        let template = |template: &Template| {
            // Few texts name a step, and reading one costs more than looking for a word.
            if template.text.contains(STEPS) {
                found.borrow_mut().add(names_in_template(template));
            }
        };
        let expression = |expression: &Expression| {
            if expression.text.contains(STEPS) {
                found.borrow_mut().add(names_in_expression(expression));
            }
        };
        for step in runbook.all_steps() {
            step.visit(&mut { template }, &mut { expression });
        }
        for finding in &runbook.findings {
            expression(&finding.when);
            std::iter::once(&finding.cause)
                .chain(&finding.remedy)
                .for_each(template);
        }
        found.into_inner()
    }

    /// Whether the step of this name may be meant.
    pub(super) fn holds(&self, step: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(step),
        }
    }

    fn add(&mut self, uses: Vec<NameUse>) {
        for name in uses {
            match (name.path.as_slice(), &mut *self) {
                ([first], _) if first == STEPS => *self = Self::All,
                ([first, step, ..], Self::Named(names)) if first == STEPS => {
                    names.insert(step.clone());
                }
                _ => {}
            }
        }
    }
}
