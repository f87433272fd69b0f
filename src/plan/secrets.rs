//! Which secrets a plan can reach, so that they are had before the first step and a missing one stops nothing half-way.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::book::Children;
use crate::config::{Auth, Config, Service};
use crate::expr::{names_in_expression, names_in_template};
use crate::model::{Call, Expression, Node, Runbook, Step, Template};

/// What is known of the things that calls name.
#[derive(Clone, Copy)]
struct Known<'a> {
    config: &'a Config,
    /// The inputs of the runbook; none of those that it runs, whose inputs are worked out in the run.
    inputs: &'a Map<String, Value>,
}

/// The names of the secrets that a runbook, what it runs and the services, databases and metrics it works on refer to.
pub(super) fn reachable(
    runbook: &Runbook,
    inputs: &Map<String, Value>,
    children: &Children,
    config: &Config,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let none = Map::new();
    for (book, inputs) in books(runbook, inputs, children, &none) {
        let known = Known { config, inputs };
        for step in book.all_steps() {
            of_step(step, known, &mut found);
        }
        for finding in &book.findings {
            of_expression(&finding.when, &mut found);
            for template in std::iter::once(&finding.cause).chain(&finding.remedy) {
                of_template(template, &mut found);
            }
        }
    }
    found
}

/// A runbook and those that it runs, each with what is known of its inputs.
fn books<'a>(
    runbook: &'a Runbook,
    inputs: &'a Map<String, Value>,
    children: &'a Children,
    none: &'a Map<String, Value>,
) -> impl Iterator<Item = (&'a Runbook, &'a Map<String, Value>)> {
    let children = children.values().map(move |child| (child.as_ref(), none));
    std::iter::once((runbook, inputs)).chain(children)
}

fn of_step(step: &Step, known: Known<'_>, found: &mut BTreeSet<String>) {
    for call in step.calls() {
        of_target(call, known, found);
    }
    let names = RefCell::new(BTreeSet::new());
    step.visit(
        &mut |template| of_template(template, &mut names.borrow_mut()),
        &mut |expression| of_expression(expression, &mut names.borrow_mut()),
    );
    found.append(&mut names.into_inner());
}

/// The names of the secrets that the checks refer to which a runbook runs, and what they work on. One that is missing is
/// their trouble alone.
pub(super) fn reachable_by_checks(
    runbook: &Runbook,
    inputs: &Map<String, Value>,
    children: &Children,
    config: &Config,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let none = Map::new();
    for (book, inputs) in books(runbook, inputs, children, &none) {
        let known = Known { config, inputs };
        for call in book.all_steps().flat_map(Step::calls) {
            if call.action.name == "health" {
                of_checks(&call.object, known, &mut found);
            }
        }
    }
    found
}

/// What the checks of the services need that are named, and of any where a template names them.
fn of_checks(services: &Node, known: Known<'_>, found: &mut BTreeSet<String>) {
    let named = |service: &&Service| match services {
        Node::List(names) => {
            let mut any = names.iter();
            names.is_empty() || any.any(|name| known.may_be(name, &service.name))
        }
        one => known.may_be(one, &service.name),
    };
    for service in known.config.services.iter().filter(named) {
        for check in &service.checks {
            of_step(&check.step, known, found);
            for template in check.cause.iter().chain(&check.remedy) {
                of_template(template, found);
            }
        }
    }
}

/// What the service, the database or the metrics need that a call works on.
fn of_target(call: &Call, known: Known<'_>, found: &mut BTreeSet<String>) {
    match (call.action.name, call.option("on")) {
        ("http", Some(on)) => {
            for service in &known.config.services {
                if known.may_be(on, &service.name) {
                    of_access(service.auth.as_ref(), &service.headers, found);
                }
            }
        }
        ("metrics", on) => {
            for metrics in &known.config.metrics {
                if on.is_none_or(|on| known.may_be(on, &metrics.name)) {
                    of_access(metrics.auth.as_ref(), &metrics.headers, found);
                }
            }
        }
        ("sql", on) => of_databases(on, known, found),
        ("database" | "migrations", _) => of_databases(Some(&call.object), known, found),
        _ => {}
    }
}

impl Known<'_> {
    /// Whether a node is this name, or a template that may become it. One that is an input is what the caller gave, and
    /// names all where that is an empty list.
    fn may_be(self, node: &Node, name: &str) -> bool {
        let Node::Text(template) = node else {
            return false;
        };
        match template.input().and_then(|input| self.inputs.get(input)) {
            Some(Value::String(given)) => given == name,
            Some(Value::Array(given)) => given.is_empty() || given.iter().any(|one| one == name),
            _ => template.text == name || template.text.contains("{{"),
        }
    }
}

fn of_access(auth: Option<&Auth>, headers: &[(String, Template)], found: &mut BTreeSet<String>) {
    match auth {
        Some(Auth::Bearer(token)) => of_template(token, found),
        Some(Auth::Basic { user, password }) => {
            of_template(user, found);
            of_template(password, found);
        }
        None => {}
    }
    for (_, value) in headers {
        of_template(value, found);
    }
}

fn of_databases(on: Option<&Node>, known: Known<'_>, found: &mut BTreeSet<String>) {
    for database in &known.config.databases {
        if on.is_none_or(|on| known.may_be(on, &database.name)) {
            for (_, template) in database.templates() {
                of_template(template, found);
            }
        }
    }
}

fn of_template(template: &Template, found: &mut BTreeSet<String>) {
    found.extend(
        names_in_template(template)
            .into_iter()
            .filter_map(|name| secret_name(&name.path)),
    );
}

fn of_expression(expression: &Expression, found: &mut BTreeSet<String>) {
    found.extend(
        names_in_expression(expression)
            .into_iter()
            .filter_map(|name| secret_name(&name.path)),
    );
}

fn secret_name(path: &[String]) -> Option<String> {
    match path {
        [root, name, ..] if root == "secret" => Some(name.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::{Map, Value, json};

    use crate::base::{CommandPath, Effect, SourceFile};
    use crate::book::{Children, Document, parse_runbook};
    use crate::config::Config;
    use crate::model::{ActionSpec, EffectRule, Kind, VerbSpec, Vocabulary};

    static ACT: ActionSpec = ActionSpec {
        name: "act",
        summary: "does it",
        verbs: &[VerbSpec {
            name: "look",
            summary: "does it",
            object: Kind::Text,
            effect: EffectRule::Always(Effect::Read),
            options: &[],
            outputs: &[],
        }],
        options: &[],
        outputs: &[],
        timeout: None,
    };

    const VOCABULARY: Vocabulary = Vocabulary(&[&ACT]);

    #[test]
    fn what_only_checks_need_is_known_as_such() {
        static HEALTH: ActionSpec = ActionSpec {
            name: "health",
            verbs: &[VerbSpec {
                object: Kind::TextList,
                ..ACT.verbs[0]
            }],
            ..ACT
        };
        const VOCABULARY: Vocabulary = Vocabulary(&[&ACT, &HEALTH]);
        let estate = r#"
            [[service.api.check]]
            name = "x"
            act.look = "{{ secret.object }}"
            cause = "{{ secret.cause }}"
            remedy = "{{ secret.remedy }}"
            [[service.web.check]]
            name = "y"
            act.look = "{{ secret.web }}"
        "#;
        let source = SourceFile::new("opsbook.toml", estate);
        let config = crate::config::parse(source, None, VOCABULARY);
        let config = config.unwrap_or_else(|mistakes| unreachable!("{mistakes}"));
        let reached = |services: &str, given: Value| {
            let inputs = Map::from_iter([("x".to_owned(), given)]);
            let text = format!(
                "title = \"x\"\n[[step]]\nname = \"a\"\nhealth.look = {services}\nwhen = \"secret.when\"\n"
            );
            let document = Document::parse(SourceFile::new("x.toml", text)).unwrap();
            let path = CommandPath::parse("x").unwrap();
            let runbook = parse_runbook(&document, path, VOCABULARY);
            let runbook = runbook.unwrap_or_else(|mistakes| unreachable!("{mistakes}"));
            let children = Children::new();
            let needed = super::reachable(&runbook, &inputs, &children, &config);
            assert_eq!(needed.into_iter().collect::<Vec<_>>(), ["when"]);
            super::reachable_by_checks(&runbook, &inputs, &children, &config)
                .into_iter()
                .collect::<Vec<_>>()
        };
        let [of_api, of_web] = [&["cause", "object", "remedy"][..], &["web"]];
        assert_eq!(reached("[\"api\"]", Value::Null), of_api);
        assert_eq!(reached("[]", Value::Null).len(), 4);
        // An input names what the caller gave; what else a template may become nobody knows yet.
        assert_eq!(reached("\"{{ input.x }}\"", json!(["web"])), of_web);
        assert_eq!(reached("\"{{input.x}}\"", json!("api")), of_api);
        assert_eq!(reached("\"{{ input.x }}\"", json!([])).len(), 4);
        assert_eq!(reached("\"{{ input.x }}\"", Value::Null).len(), 4);
        assert_eq!(reached("\"a{{ input.x }}\"", json!("api")).len(), 4);
    }

    #[test]
    fn a_secret_is_reached_from_every_place_where_it_can_be_named() {
        let text = r#"
            title = "x"
            [[step]]
            name = "a"
            act.look = "{{ secret.object }}"
            when = "secret.when"
            expect = "secret.expect"
            warn = "secret.warn"
            critical = "secret.critical"
            save = { kept = "secret.save" }
            for_each = { item = "secret.each" }
            repeat = { every = "1s", times = 1, until = "secret.until" }
            confirm = "{{ secret.confirm }}"
            artifact = { output = "x", path = "{{ secret.path }}" }
            unless = { act.look = "{{ secret.look }}", expect = "secret.done" }
            undo = { act.look = "{{ secret.undo }}" }
            [[finally]]
            name = "b"
            act.look = "{{ secret.finally }}"
            [[finding]]
            when = "secret.finding"
            cause = "{{ secret.cause }}"
            remedy = "{{ secret.remedy }}"
        "#;
        let document = Document::parse(SourceFile::new("x.toml", text)).unwrap();
        let path = CommandPath::parse("x").unwrap();
        let runbook = parse_runbook(&document, path, VOCABULARY);
        let runbook = runbook.unwrap_or_else(|mistakes| unreachable!("{mistakes}"));
        let found = super::reachable(&runbook, &Map::new(), &Children::new(), &Config::default());
        let mut named: Vec<&str> = text
            .split("secret.")
            .skip(1)
            .filter_map(|rest| rest.split([' ', '"']).next())
            .collect();
        named.sort_unstable();
        assert_eq!(named.len(), 17);
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), named);
    }
}
