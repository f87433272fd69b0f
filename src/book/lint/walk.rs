//! Every name that a runbook uses, and the values of a call.

use crate::base::Place;
use crate::expr::{NameUse, names_in_expression, names_in_template};
use crate::model::{Call, Expression, Node, Runbook, Step, Template};

/// A name that is used, and where.
pub(super) struct Used {
    pub(super) name: NameUse,
    pub(super) place: Place,
}

/// The names that a runbook uses.
pub(super) fn names(runbook: &Runbook) -> Vec<Used> {
    let mut names = Names::default();
    runbook.lock.iter().for_each(|lock| names.template(lock));
    let heartbeat = runbook.heartbeat.iter();
    heartbeat.for_each(|heartbeat| names.template(&heartbeat.url));
    for step in runbook.all_steps() {
        names.step(step);
    }
    for finding in &runbook.findings {
        names.expression(&finding.when);
        names.template(&finding.cause);
        finding.remedy.iter().for_each(|text| names.template(text));
    }
    names.0
}

/// The names that a step uses.
pub(super) fn names_of_step(step: &Step) -> Vec<Used> {
    let mut names = Names::default();
    names.step(step);
    names.0
}

/// The names that a template uses.
pub(super) fn names_of_template(template: &Template) -> Vec<Used> {
    let mut names = Names::default();
    names.template(template);
    names.0
}

/// The object and the options of a call, each with its key: the verb's name for the object.
pub(super) fn nodes(call: &Call) -> impl Iterator<Item = (&'static str, &Node)> {
    let options = call.options.iter().map(|(key, node)| (*key, node));
    [(call.verb.name, &call.object)].into_iter().chain(options)
}

#[derive(Default)]
struct Names(Vec<Used>);

impl Names {
    fn template(&mut self, template: &Template) {
        self.add(names_in_template(template), &template.place, &template.text);
    }

    fn expression(&mut self, expression: &Expression) {
        self.add(
            names_in_expression(expression),
            &expression.place,
            &expression.text,
        );
    }

    fn add(&mut self, names: Vec<NameUse>, place: &Place, text: &str) {
        let as_written = place.source.slice(place.range.clone()) == text;
        self.0.extend(names.into_iter().map(|name| {
            let mut place = place.clone();
            if as_written {
                let start = place.range.start;
                place.range = start + name.range.start..start + name.range.end;
            }
            Used { name, place }
        }));
    }

    fn step(&mut self, step: &Step) {
        let (mut templates, mut expressions) = (Vec::new(), Vec::new());
        step.visit(
            &mut |template| templates.push(template.clone()),
            &mut |expression| expressions.push(expression.clone()),
        );
        templates.iter().for_each(|text| self.template(text));
        expressions.iter().for_each(|text| self.expression(text));
    }
}
