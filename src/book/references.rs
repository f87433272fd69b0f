//! Holds the names in a runbook's templates and expressions against what is there when they are evaluated: inputs, steps
//! that ran before, names that they saved, the step's own outputs. What the configuration describes is not looked at.

use std::collections::BTreeSet;

use crate::base::{Diagnostic, Diagnostics, Place, nearest};
use crate::expr::{NameUse, names_in_expression, names_in_template};
use crate::model::{Call, Expression, Kind, Node, Runbook, Step, Template};

use super::names::is_identifier;

/// Names that every expression can use.
const EVERYWHERE: [&str; 9] = [
    "input",
    "steps",
    "service",
    "database",
    "queue",
    "secret",
    "run",
    "project",
    "environment",
];

/// What `steps.<name>` has beside the outputs of its action.
const OF_EVERY_STEP: [&str; 6] = [
    "status", "severity", "failed", "took_ms", "attempts", "detail",
];

/// What a step with `repeat` has too.
const OF_REPEAT: &str = "samples";

/// What `steps.<name>` has for a step with `for_each`, whose outputs lie in its items.
const OF_EACH: [&str; 2] = ["items", "count"];

/// Finds the names of a runbook that nothing defines where they are used.
#[must_use]
pub fn check_references(runbook: &Runbook) -> Diagnostics {
    let mut checker = Checker {
        inputs: runbook
            .inputs
            .iter()
            .map(|input| input.variable())
            .collect(),
        all: runbook.all_steps().collect(),
        ..Checker::default()
    };
    if let Some(lock) = &runbook.lock {
        checker.template(lock, &View::default());
    }
    checker.sequence(&runbook.steps);
    checker.sequence(&runbook.finally);
    for finding in &runbook.findings {
        let view = View::default();
        checker.expression(&finding.when, &view);
        checker.template(&finding.cause, &view);
        if let Some(remedy) = &finding.remedy {
            checker.template(remedy, &view);
        }
    }
    let mut mistakes = checker.mistakes;
    mistakes.sort();
    mistakes
}

/// Finds the names of a step that stands alone, a check of the configuration, that nothing defines.
#[must_use]
pub fn check_step_references(step: &Step) -> Diagnostics {
    let mut checker = Checker {
        all: vec![step],
        ..Checker::default()
    };
    checker.sequence(std::slice::from_ref(step));
    checker.mistakes
}

/// What is there when a text is evaluated, beside what is there for the whole run.
#[derive(Clone, Default)]
struct View<'a> {
    /// The call whose outputs are bare names.
    ran: Option<&'a Call>,
    /// The call whose outputs will be bare names once it has run.
    will_run: Option<&'a Call>,
    /// The variable of `for_each` and what the step itself saves.
    names: Vec<&'a str>,
    /// The step that the text belongs to.
    step: Option<&'a Step>,
}

#[derive(Default)]
struct Checker<'a> {
    inputs: Vec<String>,
    all: Vec<&'a Step>,
    /// The steps that ran before.
    before: Vec<&'a Step>,
    mistakes: Diagnostics,
}

impl<'a> Checker<'a> {
    fn sequence(&mut self, steps: &'a [Step]) {
        let mut rest = steps;
        while let [first, others @ ..] = rest {
            let together = others.iter().take_while(|step| step.parallel).count();
            let (group, later) = rest.split_at(1 + together);
            rest = later;
            self.step(first);
            for step in &group[1..] {
                self.step(step);
            }
            self.before.extend(group);
        }
    }

    fn step(&mut self, step: &'a Step) {
        let mut view = View {
            step: Some(step),
            will_run: Some(&step.call),
            ..View::default()
        };
        if let Some(each) = &step.for_each {
            self.expression(&each.items, &view);
            view.names.extend([each.variable.as_str(), "index"]);
        }
        self.before_it_runs(step, &view);
        view.ran = Some(&step.call);
        view.will_run = None;
        if step.repeat.is_some() {
            view.names.push(OF_REPEAT);
        }
        for (name, expression) in &step.save {
            self.expression(expression, &view);
            view.names.push(name);
        }
        let until = step
            .repeat
            .as_ref()
            .and_then(|repeat| repeat.until.as_ref());
        let checks = [
            step.expect.as_ref(),
            step.warn.as_ref(),
            step.critical.as_ref(),
            until,
        ];
        for expression in checks.into_iter().flatten() {
            self.expression(expression, &view);
        }
        if let Some(artifact) = &step.artifact {
            self.template(&artifact.path, &view);
        }
        if let Some(undo) = &step.undo {
            self.call(undo, &view);
        }
    }

    fn before_it_runs(&mut self, step: &'a Step, view: &View<'a>) {
        if let Some(when) = &step.when {
            self.expression(when, view);
        }
        if let Some(unless) = &step.unless {
            self.call(&unless.call, view);
            let looked = View {
                ran: Some(&unless.call),
                will_run: None,
                ..view.clone()
            };
            self.expression(&unless.expect, &looked);
        }
        if let Some(confirm) = &step.confirm {
            self.template(confirm, view);
        }
        self.call(&step.call, view);
    }

    fn call(&mut self, call: &Call, view: &View<'_>) {
        let (mut templates, mut expressions) = (Vec::new(), Vec::new());
        call.visit(
            &mut |template| templates.push(template.clone()),
            &mut |expression| expressions.push(expression.clone()),
        );
        for template in &templates {
            self.template(template, view);
        }
        for expression in &expressions {
            self.expression(expression, view);
        }
    }

    fn template(&mut self, template: &Template, view: &View<'_>) {
        for name in names_in_template(template) {
            self.name(&name, &part(&template.place, &template.text, &name), view);
        }
    }

    fn expression(&mut self, expression: &Expression, view: &View<'_>) {
        for name in names_in_expression(expression) {
            self.name(
                &name,
                &part(&expression.place, &expression.text, &name),
                view,
            );
        }
    }

    fn name(&mut self, name: &NameUse, place: &Place, view: &View<'_>) {
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

    fn input(&mut self, name: &str, place: &Place) {
        if self.inputs.iter().any(|input| input == name) {
            return;
        }
        let known: Vec<String> = self
            .inputs
            .iter()
            .map(|input| format!("input.{input}"))
            .collect();
        self.undefined(
            &format!("input.{name}"),
            place,
            &known,
            "the runbook has no inputs",
        );
    }

    fn step_name(&mut self, name: &str, output: Option<&String>, place: &Place, view: &View<'_>) {
        let itself = view
            .step
            .filter(|step| step.name == name && view.ran.is_some());
        let found = self.before.iter().copied().find(|step| step.name == name);
        if let Some(step) = found.or(itself) {
            if let Some(output) = output {
                self.output(step, output, place);
            }
            return;
        }
        let shown = step_path(name);
        if self.all.iter().any(|step| step.name == name) {
            let message = match view.step {
                Some(step) if step.name == name => {
                    format!("`{shown}` is this step itself, which has not run yet")
                }
                _ => format!("`{shown}` has not run yet when this is evaluated"),
            };
            self.mistakes.push(Diagnostic::at(place.clone(), message));
            return;
        }
        let known: Vec<String> = self
            .before
            .iter()
            .map(|step| step_path(&step.name))
            .collect();
        self.undefined(&shown, place, &known, "no step has run yet");
    }

    fn output(&mut self, step: &Step, output: &str, place: &Place) {
        let Some(known) = outputs_of_step(step) else {
            return;
        };
        if known.contains(output) {
            return;
        }
        let path = step_path(&step.name);
        let mistake = Diagnostic::at(
            place.clone(),
            format!("`{path}.{output}` is not defined here"),
        );
        let in_items = step.for_each.is_some()
            && outputs_of_call(&step.call).is_none_or(|outputs| outputs.contains(output));
        self.mistakes.push(if in_items {
            mistake.help(format!("each of `{path}.items` has one"))
        } else {
            match nearest(output, known.iter().map(String::as_str)) {
                Some(word) => mistake.help(format!("did you mean `{path}.{word}`?")),
                None => {
                    let known: Vec<_> = known.iter().map(String::as_str).collect();
                    mistake.help(format!("`{path}` has {}", known.join(", ")))
                }
            }
        });
    }

    fn bare(&mut self, name: &str, place: &Place, view: &View<'_>) {
        let mut known: Vec<String> = EVERYWHERE.iter().map(|name| (*name).to_owned()).collect();
        known.extend(view.names.iter().map(|name| (*name).to_owned()));
        let saving = self.before.iter().filter(|step| step.for_each.is_none());
        known.extend(saving.flat_map(|step| step.save.iter().map(|(name, _)| name.clone())));
        if let Some(call) = view.ran {
            match outputs_of_call(call) {
                Some(outputs) => known.extend(outputs),
                None => return,
            }
        }
        if known.iter().any(|known| known == name) {
            return;
        }
        let own = view.will_run.and_then(outputs_of_call).unwrap_or_default();
        let saved_by = self
            .all
            .iter()
            .find(|step| step.save.iter().any(|(saved, _)| saved == name));
        let reason = if own.contains(name) {
            "it is an output of this step, which has not run yet".to_owned()
        } else if let Some(step) = saved_by {
            match step.for_each {
                Some(_) => format!(
                    "step {:?} saves it for each item: see `{}.items`",
                    step.name,
                    step_path(&step.name)
                ),
                None => format!("step {:?}, which saves it, has not run yet", step.name),
            }
        } else {
            self.undefined(name, place, &known, "");
            return;
        };
        self.mistakes.push(
            Diagnostic::at(place.clone(), format!("`{name}` is not defined here")).help(reason),
        );
    }

    fn undefined(&mut self, name: &str, place: &Place, known: &[String], if_none: &str) {
        let mistake = Diagnostic::at(place.clone(), format!("`{name}` is not defined here"));
        self.mistakes
            .push(match nearest(name, known.iter().map(String::as_str)) {
                Some(word) => mistake.help(format!("did you mean `{word}`?")),
                None if known.is_empty() && !if_none.is_empty() => mistake.help(if_none),
                None => mistake.help(format!("there is {}", known.join(", "))),
            });
    }
}

/// Where a name stands: within the text where the file holds it as it is, else the whole text.
fn part(place: &Place, text: &str, name: &NameUse) -> Place {
    let mut place = place.clone();
    if place.source.slice(place.range.clone()) == text {
        let start = place.range.start;
        place.range = start + name.range.start..start + name.range.end;
    }
    place
}

/// `steps.count`, or `steps["check disk"]`.
fn step_path(name: &str) -> String {
    match is_identifier(name) {
        true => format!("steps.{name}"),
        false => format!("steps[{name:?}]"),
    }
}

/// What `steps.<name>` has; none where it cannot be known.
fn outputs_of_step(step: &Step) -> Option<BTreeSet<String>> {
    let mut outputs = match step.for_each {
        Some(_) => OF_EACH.iter().map(|name| (*name).to_owned()).collect(),
        None => {
            let mut outputs = outputs_of_call(&step.call)?;
            outputs.extend(step.repeat.as_ref().map(|_| OF_REPEAT.to_owned()));
            outputs.extend(step.save.iter().map(|(name, _)| name.clone()));
            outputs
        }
    };
    outputs.extend(OF_EVERY_STEP.iter().map(|name| (*name).to_owned()));
    Some(outputs)
}

/// The outputs of an action; none where they depend on more than its description.
fn outputs_of_call(call: &Call) -> Option<BTreeSet<String>> {
    let listed = call.action.outputs_of(call.verb);
    let mut outputs: BTreeSet<String> = listed.map(|output| output.name.to_owned()).collect();
    match (call.verb.object, &call.object) {
        (Kind::Runbook, _) => return None,
        (Kind::Values, Node::Table(entries)) => {
            outputs.extend(entries.iter().map(|(name, _)| name.clone()));
        }
        _ => {}
    }
    Some(outputs)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::check_references;
    use crate::book::testing::parse;

    fn mistakes_of(text: &str) -> String {
        check_references(&parse(&format!("title = 't'\n{text}")).unwrap()).to_string()
    }

    fn steps(steps: &[&str]) -> String {
        steps
            .iter()
            .map(|step| format!("[[step]]\n{step}\n"))
            .collect()
    }

    #[test]
    fn finds_no_fault_with_what_is_defined() {
        let text = r#"
lock = "database/{{ input.database }}/{{ run.environment }}"
[input.older-than]
type = "duration"
[input.database]
type = "database"
[[step]]
name = "count"
sql.query = "SELECT {{ input.older_than | ago }}, {{ database[input.database].kind }}"
sql.on = "{{ input.database }}"
save = { doomed = "rows[0].n", twice = "doomed * 2" }
warn = "count > 5 or ms > 100"
repeat = { times = 3, until = "count > 0" }
[[step]]
name = "check disk"
when = "doomed > 0 and steps.count.samples.p95 < 5"
for_each.row = "steps.count.rows"
unless = { sql.query = "SELECT {{ row.x }}", sql.on = "main", expect = "count == 1 and row.x" }
http.get = "/{{ row.x }}/{{ index }}/{{ secret.token }}"
expect = "status == 200 and row.x"
artifact = { output = "json", path = "out/{{ row.x }}-{{ status }}.json" }
undo = { http.post = "/{{ row.x }}/{{ json.id }}" }
[[step]]
name = "values"
set.values = { total = "doomed + 1", seen = "steps['check disk'].items | length" }
expect = "total > seen"
[[step]]
name = "other"
runbook.run = "db/b"
expect = "anything == 1"
[[step]]
name = "loose"
http.get = "{{ nothing | default('/') }}"
when = "steps.never is defined or range(3) | length > 1"
[[finally]]
name = "last"
http.get = "/{% for each in [1, 2] %}{{ each }}{{ loop.index }}{% endfor %}"
when = "steps.other.failed or steps.values.total > 1"
[[finding]]
when = "steps.last.status == 'ok' and doomed > 1"
cause = "{{ doomed }} of {{ steps.count.rows | length }}"
"#;
        assert_eq!(mistakes_of(text), "");
    }

    #[test]
    fn tells_which_names_are_not_defined() {
        let cases = [
            "lock = '{{ input.a }}'\n".to_owned() + &steps(&["name = 'a'\nhttp.get = '/'"]),
            "[input.older-than]\ntype = 'int'\n".to_owned()
                + &steps(&["name = 'a'\nhttp.get = '/{{ input.older_thn }}{{ inptu.a }}'"]),
            steps(&[
                "name = 'a'\nhttp.get = '/'\nwhen = 'status == 200'\nexpect = 'sattus == 200'",
            ]),
            steps(&[
                "name = 'a'\nhttp.get = '/'\nwhen = 'steps.b.status == 200'",
                "name = 'b'\nhttp.get = '/'",
            ]),
            steps(&["name = 'a'\nhttp.get = '/{{ steps.a.json }}'"]),
            steps(&[
                "name = 'a'\nhttp.get = '/'",
                "name = 'b'\nhttp.get = '/'\nparallel = true\nwhen = 'steps.a.failed'",
            ]),
            steps(&[
                "name = 'check disk'\nhttp.get = '/'",
                "name = 'b'\nhttp.get = '/'\nwhen = 'steps[\"check dsk\"].failed'",
            ]),
            steps(&[
                "name = 'a'\nhttp.get = '/'",
                "name = 'b'\nhttp.get = '/'\nwhen = 'steps.a.rows'",
            ]),
            steps(&[
                "name = 'a'\nhttp.get = '/{{ doomed }}'",
                "name = 'b'\nhttp.get = '/'\nsave = { doomed = 'json' }",
            ]),
            steps(&[
                "name = 'a'\nhttp.get = '/'\nfor_each.x = '[1]'\nsave = { doomed = 'json' }",
                "name = 'b'\nset.values = { n = 'doomed', m = 'steps.a.json', o = 'x' }",
            ]),
            steps(&["name = 'a'\nhttp.get = '/'"])
                + "[[finding]]\nwhen = 'steps.b.failed'\ncause = '{{ json }}'\n",
        ];
        let report: Vec<String> = cases.iter().map(|case| mistakes_of(case)).collect();
        insta::assert_snapshot!(report.join("\n-----\n"));
    }
}
