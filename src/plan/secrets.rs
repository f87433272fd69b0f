//! Which secrets a plan can reach, so that they are had before the first step and a missing one stops nothing half-way.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::book::Children;
use crate::config::{Auth, Config, Service};
use crate::expr::{names_in_expression, names_in_template};
use crate::model::{Call, Expression, Node, Runbook, Step, Template};

/// The names of the secrets that a runbook, what it runs and the services, databases and metrics it works on refer to.
pub(super) fn reachable(
    runbook: &Runbook,
    children: &Children,
    config: &Config,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for book in std::iter::once(runbook).chain(children.values().map(AsRef::as_ref)) {
        for step in book.all_steps() {
            of_step(step, config, &mut found);
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

fn of_step(step: &Step, config: &Config, found: &mut BTreeSet<String>) {
    for call in step.calls() {
        of_target(call, config, found);
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
    children: &Children,
    config: &Config,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let books = std::iter::once(runbook).chain(children.values().map(AsRef::as_ref));
    for call in books.flat_map(Runbook::all_steps).flat_map(Step::calls) {
        if call.action.name == "health" {
            of_checks(&call.object, config, &mut found);
        }
    }
    found
}

/// What the checks of the services need that are named, and of any where a template names them.
fn of_checks(services: &Node, config: &Config, found: &mut BTreeSet<String>) {
    let named = |service: &&Service| match services {
        Node::List(names) => {
            names.is_empty() || names.iter().any(|name| may_name(name, &service.name))
        }
        one => may_name(one, &service.name),
    };
    for service in config.services.iter().filter(named) {
        for check in &service.checks {
            of_step(&check.step, config, found);
            for template in check.cause.iter().chain(&check.remedy) {
                of_template(template, found);
            }
        }
    }
}

/// What the service, the database or the metrics need that a call works on.
fn of_target(call: &Call, config: &Config, found: &mut BTreeSet<String>) {
    match (call.action.name, call.option("on")) {
        ("http", Some(on)) => {
            for service in config
                .services
                .iter()
                .filter(|service| may_name(on, &service.name))
            {
                of_access(service.auth.as_ref(), &service.headers, found);
            }
        }
        ("metrics", on) => {
            for metrics in config
                .metrics
                .iter()
                .filter(|metrics| on.is_none_or(|on| may_name(on, &metrics.name)))
            {
                of_access(metrics.auth.as_ref(), &metrics.headers, found);
            }
        }
        ("sql", on) => of_databases(on, config, found),
        ("database", _) => of_databases(Some(&call.object), config, found),
        _ => {}
    }
}

/// Whether a node is this name, or a template that may become it.
fn may_name(node: &Node, name: &str) -> bool {
    matches!(node, Node::Text(template) if template.text == name || template.text.contains("{{"))
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

fn of_databases(on: Option<&Node>, config: &Config, found: &mut BTreeSet<String>) {
    for database in &config.databases {
        if on.is_none_or(|on| may_name(on, &database.name)) {
            for (_, template) in database.kind.templates() {
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
        let reached = |services: &str| {
            let text = format!(
                "title = \"x\"\n[[step]]\nname = \"a\"\nhealth.look = {services}\nwhen = \"secret.when\"\n"
            );
            let document = Document::parse(SourceFile::new("x.toml", text)).unwrap();
            let path = CommandPath::parse("x").unwrap();
            let runbook = parse_runbook(&document, path, VOCABULARY);
            let runbook = runbook.unwrap_or_else(|mistakes| unreachable!("{mistakes}"));
            let children = Children::new();
            let needed = super::reachable(&runbook, &children, &config);
            assert_eq!(needed.into_iter().collect::<Vec<_>>(), ["when"]);
            super::reachable_by_checks(&runbook, &children, &config)
                .into_iter()
                .collect::<Vec<_>>()
        };
        assert_eq!(reached("[\"api\"]"), ["cause", "object", "remedy"]);
        assert_eq!(reached("[]"), ["cause", "object", "remedy", "web"]);
        assert_eq!(reached("\"{{ input.x }}\"").len(), 4);
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
        let found = super::reachable(&runbook, &Children::new(), &Config::default());
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
