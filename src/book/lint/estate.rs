//! Names that the configuration does not describe.

use crate::base::{Diagnostic, Place, nearest};
use crate::model::{Call, Input, Kind, Node, Reference, Runbook, Step, Template};
use crate::sql::Dialect;

use super::super::names::variable;
use super::super::node::{is_template, noun};
use super::super::resolve::EstateNames;
use super::Lint;
use super::walk::{Used, names, names_of_step, names_of_template, nodes};

/// What lint knows of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LintEstate {
    /// The names that inputs and options refer to.
    pub names: EstateNames,
    /// The names of `[secret]`.
    pub secrets: Vec<String>,
    /// The databases with their dialects.
    pub dialects: Vec<(String, Dialect)>,
}

impl LintEstate {
    /// The dialect of the database of this name, or of the only one. None where it cannot be told.
    pub(super) fn dialect(&self, name: Option<&str>) -> Option<Dialect> {
        match (name, self.dialects.as_slice()) {
            (None, [(_, only)]) => Some(*only),
            (None, _) => None,
            (Some(name), dialects) => dialects
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, dialect)| *dialect),
        }
    }

    fn known(&self, reference: Reference) -> &[String] {
        match reference {
            Reference::Service => &self.names.services,
            Reference::Database => &self.names.databases,
            Reference::Queue => &self.names.queues,
            Reference::Metrics => &self.names.metrics,
        }
    }
}

pub(super) fn runbook(runbook: &Runbook, estate: &LintEstate, lint: &mut Lint) {
    for call in runbook.all_steps().flat_map(Step::calls) {
        references(call, estate, lint);
    }
    uses(&names(runbook), estate, lint);
    for input in &runbook.inputs {
        default(input, estate, lint);
    }
    if let Some(window) = &runbook.window
        && !estate.names.windows.contains(window)
    {
        let place = Place::new(&runbook.source, 0..0);
        lint.mistake(unknown(place, "window", window, &estate.names.windows));
    }
}

pub(super) fn step(step: &Step, estate: &LintEstate, lint: &mut Lint) {
    for call in step.calls() {
        references(call, estate, lint);
    }
    uses(&names_of_step(step), estate, lint);
}

pub(super) fn template(template: &Template, estate: &LintEstate, lint: &mut Lint) {
    uses(&names_of_template(template), estate, lint);
}

/// `on = "main"`, `database.ping = "main"`.
fn references(call: &Call, estate: &LintEstate, lint: &mut Lint) {
    for (key, node) in nodes(call) {
        let option = call
            .action
            .options_of(call.verb)
            .find(|option| option.name == key);
        let kind = match option {
            _ if key == call.verb.name => call.verb.object,
            Some(option) => option.kind,
            None => continue,
        };
        let (Kind::Reference(reference), Node::Text(template)) = (kind, node) else {
            continue;
        };
        let known = estate.known(reference);
        if !is_template(&template.text) && !known.contains(&template.text) {
            let place = template.place.clone();
            lint.mistake(unknown(place, noun(reference), &template.text, known));
        }
    }
}

/// `service.api.url`, `secret.monitor`.
fn uses(uses: &[Used], estate: &LintEstate, lint: &mut Lint) {
    for used in uses.iter().filter(|used| !used.name.optional) {
        let [group, name, ..] = used.name.path.as_slice() else {
            continue;
        };
        let known = match group.as_str() {
            "service" => &estate.names.services,
            "database" => &estate.names.databases,
            "queue" => &estate.names.queues,
            "secret" => &estate.secrets,
            _ => continue,
        };
        if !known
            .iter()
            .any(|known| known == name || variable(known) == *name)
        {
            lint.mistake(unknown(used.place.clone(), group, name, known));
        }
    }
}

/// An input's default that refers to nothing here: the caller must name another.
fn default(input: &Input, estate: &LintEstate, lint: &mut Lint) {
    let (Some(known), Some(serde_json::Value::String(name))) =
        (estate.names.of(input.kind), &input.default)
    else {
        return;
    };
    if !known.contains(name) {
        let message = format!("the default of {:?}", input.name);
        let found = unknown(input.place.clone(), input.kind.as_str(), name, known);
        lint.advise(Diagnostic {
            message: format!("{message}: {}", found.message),
            ..found
        });
    }
}

fn unknown(place: Place, noun: &str, name: &str, known: &[String]) -> Diagnostic {
    let found = Diagnostic::at(place, format!("unknown {noun} {name:?}"));
    match nearest(name, known.iter().map(String::as_str)) {
        Some(word) => found.help(format!("did you mean {word:?}?")),
        None if known.is_empty() => found.help(format!("the configuration has no [{noun}.*]")),
        None => found.help(format!("there are {}", known.join(", "))),
    }
}
