//! Looks one name up among what is there, and says what is wrong when it is not.

use crate::base::{Diagnostic, Place, nearest};
use crate::expr::NameUse;
use crate::model::Step;

use super::super::names::EVERYWHERE;
use super::outputs::{outputs_of_call, outputs_of_step, step_path};
use super::{Checker, View};

/// How many names a message lists.
const MOST_LISTED: usize = 12;

impl Checker<'_> {
    pub(super) fn name(&self, name: &NameUse, place: &Place, view: &View<'_>) {
        if name.optional {
            return;
        }
        match name.path.as_slice() {
            [first, input, ..] if first == "input" => self.input(input, place),
            [first, step, rest @ ..] if first == "steps" => {
                self.step_name(step, rest.first(), place, view);
            }
            [first, ..] => self.bare(first, place, view),
            [] => {}
        }
    }

    fn input(&self, name: &str, place: &Place) {
        if !self.inputs.iter().any(|input| input == name) {
            let known = self.inputs.iter().map(String::as_str);
            self.mistakes
                .push_with(|| undefined("input.", name, place, known));
        }
    }

    fn step_name(&self, name: &str, output: Option<&String>, place: &Place, view: &View<'_>) {
        let itself = view
            .step
            .filter(|step| step.name == name && view.ran.is_some());
        let before = self.before.iter().copied().find(|step| step.name == name);
        match before.or(itself) {
            Some(step) => {
                if let Some(output) = output {
                    self.output(step, output, place);
                }
            }
            None => self
                .mistakes
                .push_with(|| self.missing_step(name, place, view)),
        }
    }

    fn missing_step(&self, name: &str, place: &Place, view: &View<'_>) -> Diagnostic {
        let path = step_path(name);
        let tell = |message: &str| Diagnostic::at(place.clone(), format!("`{path}` {message}"));
        if view.step.is_some_and(|step| step.name == name) {
            return tell("is this step itself, which has not run yet");
        }
        if self.all.iter().any(|step| step.name == name) {
            return tell("has not run yet when this is evaluated");
        }
        let known = || self.before.iter().map(|step| step.name.as_str());
        let mistake = tell("is not defined here");
        match nearest(name, known()) {
            Some(word) => mistake.help(format!("did you mean `{}`?", step_path(word))),
            None if self.before.is_empty() => mistake.help("no step has run yet"),
            None => mistake.help(list(known())),
        }
    }

    fn output(&self, step: &Step, output: &str, place: &Place) {
        let Some(known) = outputs_of_step(step) else {
            return;
        };
        if known.contains(output) {
            return;
        }
        let path = step_path(&step.name);
        let in_items = step.for_each.is_some()
            && outputs_of_call(&step.call).is_none_or(|outputs| outputs.contains(output));
        if in_items {
            let message = format!("`{path}.{output}` is not defined here");
            self.mistakes.push(
                Diagnostic::at(place.clone(), message)
                    .help(format!("each of `{path}.items` has one")),
            );
            return;
        }
        let known = known.iter().map(String::as_str);
        self.mistakes
            .push_with(|| undefined(&format!("{path}."), output, place, known));
    }

    fn bare(&self, name: &str, place: &Place, view: &View<'_>) {
        let outputs = match view.ran.map(outputs_of_call) {
            Some(None) => return,
            Some(Some(outputs)) => outputs,
            None => Default::default(),
        };
        let saving = self.before.iter().filter(|step| step.for_each.is_none());
        let saved = saving.flat_map(|step| step.save.iter().map(|(name, _)| name.as_str()));
        let known = EVERYWHERE
            .into_iter()
            .chain(view.names.iter().copied())
            .chain(outputs.iter().map(String::as_str))
            .chain(saved);
        if known.clone().any(|known| known == name) {
            return;
        }
        self.mistakes
            .push_with(|| match self.why_not_yet(name, view) {
                Some(reason) => {
                    let message = format!("`{name}` is not defined here");
                    Diagnostic::at(place.clone(), message).help(reason)
                }
                None => undefined("", name, place, known),
            });
    }

    /// Why a name that something defines is not there.
    fn why_not_yet(&self, name: &str, view: &View<'_>) -> Option<String> {
        let own = view.will_run.and_then(outputs_of_call).unwrap_or_default();
        if own.contains(name) {
            return Some("it is an output of this step, which has not run yet".to_owned());
        }
        let saves = |step: &&&Step| step.save.iter().any(|(saved, _)| saved == name);
        let step = self.all.iter().find(saves)?;
        let path = step_path(&step.name);
        Some(match step.for_each {
            Some(_) => format!(
                "step {:?} saves it for each item: see `{path}.items`",
                step.name
            ),
            None => format!("step {:?}, which saves it, has not run yet", step.name),
        })
    }
}

fn undefined<'a>(
    path: &str,
    name: &str,
    place: &Place,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    let mistake = Diagnostic::at(place.clone(), format!("`{path}{name}` is not defined here"));
    match nearest(name, known.clone()) {
        Some(word) => mistake.help(format!("did you mean `{path}{word}`?")),
        None => mistake.help(list(known)),
    }
}

/// What there is, as far as it can be read in one line.
fn list<'a>(known: impl Iterator<Item = &'a str>) -> String {
    let mut known: Vec<&str> = known.take(MOST_LISTED + 1).collect();
    if known.is_empty() {
        return "there is none".to_owned();
    }
    if known.len() > MOST_LISTED {
        known[MOST_LISTED] = "…";
    }
    format!("there is {}", known.join(", "))
}
