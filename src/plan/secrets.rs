//! Which secrets a plan can reach, so that they are had before the first step and a missing one stops nothing half-way.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::book::Children;
use crate::config::{Auth, Config, DatabaseKind, Service};
use crate::expr::{names_in_expression, names_in_template};
use crate::model::{Call, Expression, Node, Runbook, Template};

/// The names of the secrets that a runbook, what it runs and the services and databases it works on refer to.
pub(super) fn reachable(
    runbook: &Runbook,
    children: &Children,
    config: &Config,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for book in std::iter::once(runbook).chain(children.values().map(AsRef::as_ref)) {
        for step in book.all_steps() {
            let calls = [
                Some(&step.call),
                step.undo.as_ref(),
                step.unless.as_ref().map(|unless| &unless.call),
            ];
            for call in calls.into_iter().flatten() {
                of_call(call, config, &mut found);
            }
            let expressions = [&step.when, &step.expect, &step.warn, &step.critical];
            let until = step
                .repeat
                .as_ref()
                .and_then(|repeat| repeat.until.as_ref());
            for expression in expressions
                .into_iter()
                .flatten()
                .chain(step.save.iter().map(|(_, value)| value))
                .chain(step.unless.as_ref().map(|unless| &unless.expect))
                .chain(step.for_each.as_ref().map(|each| &each.items))
                .chain(until)
            {
                of_expression(expression, &mut found);
            }
            let path = step.artifact.as_ref().map(|artifact| &artifact.path);
            for template in step.confirm.iter().chain(path) {
                of_template(template, &mut found);
            }
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

fn of_call(call: &Call, config: &Config, found: &mut BTreeSet<String>) {
    let names = RefCell::new(BTreeSet::new());
    call.visit(
        &mut |template| of_template(template, &mut names.borrow_mut()),
        &mut |expression| of_expression(expression, &mut names.borrow_mut()),
    );
    found.append(&mut names.into_inner());
    match (call.action.name, call.option("on")) {
        ("http", Some(on)) => {
            for service in config
                .services
                .iter()
                .filter(|service| may_name(on, &service.name))
            {
                of_service(service, found);
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

fn of_service(service: &Service, found: &mut BTreeSet<String>) {
    match &service.auth {
        Some(Auth::Bearer(token)) => of_template(token, found),
        Some(Auth::Basic { user, password }) => {
            of_template(user, found);
            of_template(password, found);
        }
        None => {}
    }
    for (_, value) in &service.headers {
        of_template(value, found);
    }
}

fn of_databases(on: Option<&Node>, config: &Config, found: &mut BTreeSet<String>) {
    for database in &config.databases {
        if on.is_none_or(|on| may_name(on, &database.name))
            && let DatabaseKind::Postgres { url: Some(url) } = &database.kind
        {
            of_template(url, found);
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
