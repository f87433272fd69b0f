//! Holds the names in a runbook's templates and expressions against what is there when they are evaluated: inputs, steps
//! that ran before, names that they saved, the step's own outputs. What the configuration describes is not looked at.

mod lookup;
mod outputs;

use crate::base::{Diagnostics, Place};
use crate::expr::{NameUse, names_in_expression, names_in_template};
use crate::model::{Call, Expression, Runbook, Step, Template};

use super::mistakes::Mistakes;

use outputs::OF_REPEAT;

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
    if let Some(heartbeat) = &runbook.heartbeat {
        checker.template(&heartbeat.url, &View::default());
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
    checker.mistakes.into_diagnostics()
}

/// Finds the names of a step that stands alone, a check of the configuration, that nothing defines.
#[must_use]
pub(super) fn check_step_references(step: &Step) -> Diagnostics {
    let mut checker = Checker {
        all: vec![step],
        ..Checker::default()
    };
    checker.sequence(std::slice::from_ref(step));
    checker.mistakes.into_diagnostics()
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
    mistakes: Mistakes,
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

    fn before_it_runs(&self, step: &'a Step, view: &View<'a>) {
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

    fn call(&self, call: &Call, view: &View<'_>) {
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

    fn template(&self, template: &Template, view: &View<'_>) {
        let names = names_in_template(template);
        self.names(&names, &template.place, &template.text, view);
    }

    fn expression(&self, expression: &Expression, view: &View<'_>) {
        let names = names_in_expression(expression);
        self.names(&names, &expression.place, &expression.text, view);
    }

    /// Each name is blamed where it stands within the text if the file holds the text as it is, else all of the text.
    fn names(&self, names: &[NameUse], place: &Place, text: &str, view: &View<'_>) {
        let is_verbatim = place.source.slice(place.range.clone()) == text;
        for name in names {
            let mut place = place.clone();
            if is_verbatim {
                let start = place.range.start;
                place.range = start + name.range.start..start + name.range.end;
            }
            self.name(name, &place, view);
        }
    }
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
