//! `[[service.NAME.check]]`: steps that only read, with what their verdicts depend on beside their own looks.

use std::collections::BTreeMap;

use crate::base::{Diagnostic, Effect, Place};
use crate::book::{Field, Mistakes, TableReader, parse_step};
use crate::model::{EffectRule, Node, Step, Template};

use super::estate::{Check, Need, Objective, Service};
use super::load::Site;

/// The most looks in a row that a check can ask for.
const MOST_LOOKS: i64 = 1000;

/// The keys of a step that a check has not: it is one look and one line, asks nobody and takes nothing back.
pub(super) const NOT_OF_A_CHECK: [&str; 8] = [
    "artifact",
    "concurrency",
    "confirm",
    "for_each",
    "on_failure",
    "parallel",
    "undo",
    "unless",
];

/// What a service says for all its checks.
pub(super) struct Usual {
    needs: Vec<Need>,
    failures: u32,
    successes: u32,
    pub(super) objective: Objective,
}

impl Usual {
    pub(super) fn read(table: &TableReader<'_>) -> Self {
        Self {
            needs: needs(table),
            failures: looks(table, "failures").unwrap_or(1),
            successes: looks(table, "successes").unwrap_or(1),
            objective: objective(table, Objective::default()),
        }
    }
}

/// Reads the checks of a service, each name once.
pub(super) fn read_all(
    tables: Vec<TableReader<'_>>,
    service: &str,
    usual: &Usual,
    site: Site<'_>,
) -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    for table in tables {
        let mistakes = table.mistakes();
        let Some(check) = read(table, service, usual, site) else {
            continue;
        };
        let step = &check.step;
        if checks.iter().any(|other| other.name() == step.name) {
            mistakes.push(Diagnostic::at(
                step.place.clone(),
                format!("a second check {:?} of service {service:?}", step.name),
            ));
        } else if let Some(help) = may_change(step) {
            let message = format!(
                "`{}` may change something; a check only looks",
                step.call.name()
            );
            mistakes.push(Diagnostic::at(step.call.place.clone(), message).help(help));
        } else {
            checks.push(check);
        }
    }
    checks
}

fn read(table: TableReader<'_>, service: &str, usual: &Usual, site: Site<'_>) -> Option<Check> {
    for key in NOT_OF_A_CHECK {
        if let Some(field) = table.optional(key) {
            field.key_mistake(format!("a check has no `{key}`: put that into a runbook"));
        }
    }
    let own_needs = needs(&table);
    let failures = looks(&table, "failures").unwrap_or(usual.failures);
    let successes = looks(&table, "successes").unwrap_or(usual.successes);
    let sustained = table
        .optional("sustained")
        .and_then(|field| field.positive_duration());
    let objective = objective(&table, usual.objective);
    let template = |key| {
        table
            .optional(key)
            .and_then(|field: Field<'_>| field.filled_template())
    };
    let (cause, remedy) = (template("cause"), template("remedy"));
    let mut step = parse_step(table, site.vocabulary)?;
    works_on(&mut step, service);
    Some(Check {
        step,
        needs: usual.needs.iter().cloned().chain(own_needs).collect(),
        failures,
        successes,
        sustained,
        objective,
        cause,
        remedy,
    })
}

/// A path of a check belongs to the check's service.
fn works_on(step: &mut Step, service: &str) {
    let call = &mut step.call;
    let is_path =
        |node: &Node| matches!(node, Node::Text(template) if template.text.starts_with('/'));
    let takes_service = call.action.name == "http" && call.option("on").is_none();
    if takes_service && is_path(&call.object) {
        let name = Template {
            text: service.to_owned(),
            place: call.place.clone(),
        };
        call.options.push(("on", Node::Text(name)));
    }
}

fn looks(table: &TableReader<'_>, key: &str) -> Option<u32> {
    let number = table.optional(key)?.integer_in(1..=MOST_LOOKS)?;
    u32::try_from(number).ok()
}

fn needs(table: &TableReader<'_>) -> Vec<Need> {
    let Some(items) = table.optional("needs").and_then(|field| field.list()) else {
        return Vec::new();
    };
    items
        .iter()
        .filter_map(|item| {
            let text = item.filled_text()?;
            let (service, check) = match text.split_once('/') {
                Some((service, check)) => (service, Some(check.to_owned())),
                None => (text, None),
            };
            Some(Need {
                service: service.to_owned(),
                check,
                place: item.place(),
            })
        })
        .collect()
}

/// `objective`, over what the service says.
fn objective(table: &TableReader<'_>, usual: Objective) -> Objective {
    let Some(table) = table
        .optional("objective")
        .and_then(|field| field.table("`objective`"))
    else {
        return usual;
    };
    let availability = table.optional("availability").and_then(|field| {
        let share = field.float()?;
        if !(0.0..=100.0).contains(&share) || share == 0.0 {
            field.mistake("is no share of 100, like 99.9");
            return None;
        }
        Some(share)
    });
    let duration = |key| {
        table
            .optional(key)
            .and_then(|field: Field<'_>| field.positive_duration())
    };
    let (p95, window) = (duration("p95"), duration("window"));
    table.finish();
    Objective {
        availability: availability.or(usual.availability),
        p95: p95.or(usual.p95),
        window: window.or(usual.window),
    }
}

/// What to do about a step that does not only look; nothing where it does.
fn may_change(step: &Step) -> Option<&'static str> {
    match step.call.verb.effect {
        EffectRule::Always(Effect::Read) => None,
        EffectRule::Unless(usual) if step.effect.unwrap_or(usual) == Effect::Read => None,
        EffectRule::Unless(_) => Some("state `effect = \"read\"` beside it if it only looks"),
        EffectRule::OfSql => Some("use `sql.query`"),
        EffectRule::Always(_) | EffectRule::OfRunbook => Some("put it into a runbook"),
    }
}

/// Holds every need against what there is: it names a check, and none needs itself by way of others.
pub(super) fn check_needs(services: &[Service], mistakes: &Mistakes) {
    let all: Vec<(&str, &Check)> = services
        .iter()
        .flat_map(|service| {
            let name = service.name.as_str();
            service.checks.iter().map(move |check| (name, check))
        })
        .collect();
    let mut edges = vec![Vec::new(); all.len()];
    // A service says it once for all its checks, and is told so once.
    let mut told: Vec<&Place> = Vec::new();
    for (index, (_, check)) in all.iter().enumerate() {
        for need in &check.needs {
            let needed = all
                .iter()
                .enumerate()
                .filter(|(_, (service, other))| need.means(service, other.name()))
                .map(|(other, _)| (other, &need.place));
            let before = edges[index].len();
            edges[index].extend(needed);
            if edges[index].len() == before && !told.contains(&&need.place) {
                told.push(&need.place);
                mistakes.push(unknown(need, &all));
            }
        }
    }
    if let Some((place, name)) = circle(&edges, &all) {
        mistakes.push(Diagnostic::at(
            place.clone(),
            format!("check {name} needs itself by way of others"),
        ));
    }
}

fn unknown(need: &Need, all: &[(&str, &Check)]) -> Diagnostic {
    let written = match &need.check {
        Some(check) => format!("{}/{check}", need.service),
        None => need.service.clone(),
    };
    let names: Vec<String> = all
        .iter()
        .flat_map(|(service, check)| [(*service).to_owned(), format!("{service}/{}", check.name())])
        .collect();
    let diagnostic = Diagnostic::at(
        need.place.clone(),
        format!("there is no service with checks, and no check, {written:?}"),
    );
    match crate::base::nearest(&written, names.iter().map(String::as_str)) {
        Some(near) => diagnostic.help(format!("did you mean {near:?}?")),
        None => diagnostic.help("name a service, or one check of it: \"cache/ping\""),
    }
}

/// A need that closes a circle.
fn circle<'a>(
    edges: &[Vec<(usize, &'a Place)>],
    all: &[(&str, &Check)],
) -> Option<(&'a Place, String)> {
    // 1 while what it needs is looked at, 2 once that is known to end.
    let mut state: BTreeMap<usize, u8> = BTreeMap::new();
    for start in 0..edges.len() {
        let mut way = vec![(start, 0)];
        while let Some((check, next)) = way.pop() {
            if next == 0 && state.insert(check, 1) == Some(2) {
                state.insert(check, 2);
                continue;
            }
            match edges[check].get(next) {
                Some((needed, place)) => {
                    way.push((check, next + 1));
                    match state.get(needed) {
                        Some(1) => {
                            let (service, check) = all[*needed];
                            return Some((*place, format!("{service}/{}", check.name())));
                        }
                        Some(_) => {}
                        None => way.push((*needed, 0)),
                    }
                }
                None => {
                    state.insert(check, 2);
                }
            }
        }
    }
    None
}

impl Need {
    /// Whether it means this check.
    #[must_use]
    pub fn means(&self, service: &str, check: &str) -> bool {
        self.service == service && self.check.as_deref().is_none_or(|only| only == check)
    }
}
