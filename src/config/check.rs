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
        } else if let Some(reason) = is_no_look(step) {
            let message = format!("`{}` is no look: it {reason}", step.call.name());
            mistakes.push(
                Diagnostic::at(step.call.place.clone(), message).help("put it into a runbook"),
            );
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
        _ if step.effect.is_some_and(Effect::changes) => Some("put it into a runbook"),
        EffectRule::Always(Effect::Read) => None,
        EffectRule::Unless(usual) if step.effect.unwrap_or(usual) == Effect::Read => None,
        EffectRule::Unless(_) => Some("state `effect = \"read\"` beside it if it only looks"),
        EffectRule::OfSql => Some("use `sql.query`"),
        EffectRule::Always(_) | EffectRule::OfRunbook => Some("put it into a runbook"),
    }
}

/// Why a step that reads is no look: it would wait for a person, or for the checks that it is one of.
fn is_no_look(step: &Step) -> Option<&'static str> {
    match (step.call.action.name, step.call.verb.name) {
        ("ask" | "manual", _) => Some("waits for a person"),
        ("health", "check" | "bench") => Some("runs checks"),
        _ => None,
    }
}

/// Holds every need against what there is: it names a check, and none needs itself by way of others.
pub(super) fn check_needs(services: &[Service], mistakes: &Mistakes) {
    let graph = Graph::of(services, mistakes);
    if let Some((place, way)) = graph.circle() {
        let first = way.first().copied().unwrap_or_default();
        mistakes.push(
            Diagnostic::at(
                place.clone(),
                format!("check {first} needs itself: {} → {first}", way.join(" → ")),
            )
            .help("take one of these needs away"),
        );
    }
}

/// Who needs whom: checks, and services, which stand for all of theirs.
struct Graph<'a> {
    /// What each is called; none for a service.
    names: Vec<Option<String>>,
    /// What each needs or stands for, with the place where that is written if it is.
    edges: Vec<Vec<(usize, Option<&'a Place>)>>,
}

impl<'a> Graph<'a> {
    /// The graph of the needs that name something; the others are mistakes.
    fn of(services: &'a [Service], mistakes: &Mistakes) -> Self {
        let mut nodes: BTreeMap<(&str, Option<&str>), usize> = BTreeMap::new();
        let mut graph = Self {
            names: Vec::new(),
            edges: Vec::new(),
        };
        for service in services.iter().filter(|service| !service.checks.is_empty()) {
            let name = service.name.as_str();
            let stands_for = graph.add(None);
            nodes.insert((name, None), stands_for);
            for check in &service.checks {
                let node = graph.add(Some(format!("{name}/{}", check.name())));
                nodes.insert((name, Some(check.name())), node);
                graph.edges[stands_for].push((node, None));
            }
        }
        // A service says it once for all its checks, and is told so once.
        let mut told: Vec<&Place> = Vec::new();
        for service in services {
            for check in &service.checks {
                let node = nodes[&(service.name.as_str(), Some(check.name()))];
                for need in &check.needs {
                    match nodes.get(&(need.service.as_str(), need.check.as_deref())) {
                        Some(needed) => graph.edges[node].push((*needed, Some(&need.place))),
                        None if told.contains(&&need.place) => {}
                        None => {
                            told.push(&need.place);
                            mistakes.push(unknown(need, services));
                        }
                    }
                }
            }
        }
        graph
    }

    fn add(&mut self, name: Option<String>) -> usize {
        self.names.push(name);
        self.edges.push(Vec::new());
        self.names.len() - 1
    }

    /// The checks of a circle in the order in which each needs the next, and the need that closes it.
    fn circle(&self) -> Option<(&'a Place, Vec<&str>)> {
        let mut is_known_to_end = vec![false; self.names.len()];
        let mut is_on_the_way = vec![false; self.names.len()];
        for start in 0..self.names.len() {
            // Each node with the number of its edges that were followed.
            let mut way = vec![(start, 0)];
            while let Some((node, followed)) = way.last_mut() {
                let node = *node;
                is_on_the_way[node] = true;
                let next = self.edges[node].get(*followed);
                *followed += 1;
                match next {
                    Some((needed, _)) if is_on_the_way[*needed] => {
                        return self.described(&way, *needed);
                    }
                    Some((needed, _)) if is_known_to_end[*needed] => {}
                    Some((needed, _)) => way.push((*needed, 0)),
                    None => {
                        is_on_the_way[node] = false;
                        is_known_to_end[node] = true;
                        way.pop();
                    }
                }
            }
        }
        None
    }

    /// The part of a way that begins where it comes back to.
    fn described(&self, way: &[(usize, usize)], back_to: usize) -> Option<(&'a Place, Vec<&str>)> {
        let begin = way.iter().position(|(node, _)| *node == back_to)?;
        let circle = &way[begin..];
        let place = circle.iter().rev().find_map(|(node, followed)| {
            let (_, place) = self.edges[*node].get(followed.checked_sub(1)?)?;
            *place
        })?;
        let names = circle
            .iter()
            .filter_map(|(node, _)| self.names[*node].as_deref());
        Some((place, names.collect()))
    }
}

fn unknown(need: &Need, services: &[Service]) -> Diagnostic {
    let written = need.to_string();
    let names: Vec<String> = services
        .iter()
        .filter(|service| !service.checks.is_empty())
        .flat_map(|service| {
            let checks = service.checks.iter();
            let names = checks.map(|check| format!("{}/{}", service.name, check.name()));
            std::iter::once(service.name.clone()).chain(names)
        })
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

impl std::fmt::Display for Need {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.check {
            Some(check) => write!(formatter, "{}/{check}", self.service),
            None => formatter.write_str(&self.service),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::base::{Effect, SourceFile, Span};
    use crate::config::{Config, parse};
    use crate::model::{ActionSpec, EffectRule, Kind, VerbSpec, Vocabulary};

    const fn action(name: &'static str, verbs: &'static [VerbSpec]) -> ActionSpec {
        ActionSpec {
            name,
            summary: "",
            verbs,
            options: &[],
            outputs: &[],
            timeout: None,
        }
    }

    const fn verb(name: &'static str, effect: EffectRule) -> VerbSpec {
        VerbSpec {
            name,
            summary: "",
            object: Kind::Text,
            effect,
            options: &[],
            outputs: &[],
        }
    }

    static PROBE: ActionSpec = action("probe", &[verb("tcp", EffectRule::Always(Effect::Read))]);
    static HEALTH: ActionSpec = action(
        "health",
        &[
            verb("check", EffectRule::Always(Effect::Read)),
            verb("report", EffectRule::Always(Effect::Read)),
        ],
    );
    static ASK: ActionSpec = action("ask", &[verb("text", EffectRule::Always(Effect::Read))]);

    fn read(text: &str) -> Result<Config, String> {
        const VOCABULARY: Vocabulary = Vocabulary(&[&PROBE, &HEALTH, &ASK]);
        let source = SourceFile::new("opsbook.toml", text);
        parse(source, None, VOCABULARY).map_err(|mistakes| mistakes.to_string())
    }

    #[track_caller]
    fn mistakes(text: &str) -> String {
        read(text).err().unwrap_or_default()
    }

    fn checks(needs: &[(&str, &str, &str)]) -> String {
        let check = |(service, name, needs): &(&str, &str, &str)| {
            format!(
                "[[service.{service}.check]]\nname = \"{name}\"\nprobe.tcp = \"x:1\"\nneeds = [{needs}]\n"
            )
        };
        needs.iter().map(check).collect()
    }

    #[test]
    fn a_look_that_is_stated_to_change_something_is_no_check() {
        let text = "[[service.api.check]]\nname = \"a\"\nprobe.tcp = \"x:1\"\neffect = \"write\"\n";
        assert!(mistakes(text).contains("`probe.tcp` may change something; a check only looks"));
    }

    #[test]
    fn a_circle_is_told_with_its_way_at_the_need_that_closes_it() {
        let text = checks(&[
            ("web", "home", "\"api/ready\""),
            ("api", "ready", "\"database\""),
            ("database", "ping", "\"api/ready\""),
        ]);
        assert_eq!(
            mistakes(&text),
            "opsbook.toml:12:10\n   12 │ needs = [\"api/ready\"]\n      │          ^^^^^^^^^^^ check api/ready needs itself: \
             api/ready → database/ping → api/ready; take one of these needs away"
        );
    }

    #[test]
    fn what_needs_itself_or_its_own_service_is_a_circle() {
        let own = checks(&[("api", "a", "\"api/a\"")]);
        assert!(mistakes(&own).contains("check api/a needs itself: api/a → api/a"));
        let service = checks(&[("api", "a", ""), ("api", "b", "\"api\"")]);
        assert!(mistakes(&service).contains("check api/b needs itself: api/b → api/b"));
    }

    #[test]
    fn many_ways_to_one_need_are_no_circle() {
        let text = checks(&[
            ("a", "x", ""),
            ("b", "x", "\"a\", \"a/x\""),
            ("b", "y", "\"a\", \"b/x\""),
            ("c", "x", "\"b\", \"a\", \"b/y\""),
        ]);
        assert_eq!(mistakes(&text), "");
    }

    #[test]
    fn a_need_that_there_is_not_is_told_once_with_what_is_near() {
        let text = format!(
            "[service.api]\nneeds = [\"databse\"]\n{}",
            checks(&[("api", "a", ""), ("api", "b", ""), ("database", "ping", "")])
        );
        assert_eq!(
            mistakes(&text),
            "opsbook.toml:2:10\n    2 │ needs = [\"databse\"]\n      │          ^^^^^^^^^ there is no service with checks, \
             and no check, \"databse\"; did you mean \"database\"?"
        );
        let text = format!(
            "[service.web]\nurl = \"https://example.com\"\n{}",
            checks(&[("a", "x", "\"web\"")])
        );
        assert!(mistakes(&text).contains("there is no service with checks, and no check, \"web\""));
    }

    #[test]
    fn a_check_waits_for_nobody_and_runs_no_checks() {
        for (action, told) in [
            (
                "health.check = \"\"",
                "`health.check` is no look: it runs checks; put it into a runbook",
            ),
            (
                "ask.text = \"sure?\"",
                "`ask.text` is no look: it waits for a person; put it into a runbook",
            ),
        ] {
            let told_of = mistakes(&format!("[[service.a.check]]\nname = \"c\"\n{action}\n"));
            assert!(told_of.ends_with(told), "{told_of}");
        }
        let report = "[[service.a.check]]\nname = \"c\"\nhealth.report = \"\"\n";
        assert_eq!(mistakes(report), "");
    }

    #[test]
    fn a_check_says_more_than_its_service_or_the_same() {
        let text = "[service.a]\nfailures = 3\nsuccesses = 2\nneeds = [\"b\"]\nobjective = { availability = 99.9, window = \"30d\" }\n\
                    [[service.a.check]]\nname = \"x\"\nprobe.tcp = \"x:1\"\n\
                    [[service.a.check]]\nname = \"y\"\nprobe.tcp = \"x:1\"\nfailures = 1\nneeds = [\"a/x\"]\nsustained = \"5m\"\n\
                    objective = { availability = 99, p95 = \"200ms\" }\n\
                    [[service.b.check]]\nname = \"z\"\nprobe.tcp = \"x:1\"\n";
        let config = read(text).unwrap_or_else(|mistakes| unreachable!("{mistakes}"));
        let [x, y] = config.services[0].checks.as_slice() else {
            unreachable!("two checks")
        };
        assert_eq!((x.failures, x.successes, x.sustained), (3, 2, None));
        assert_eq!(
            (y.failures, y.successes, y.sustained),
            (1, 2, Some(Span::seconds(300)))
        );
        let needs: Vec<_> = y.needs.iter().map(ToString::to_string).collect();
        assert_eq!(needs, ["b", "a/x"]);
        assert_eq!(y.objective.availability, Some(99.0));
        assert_eq!(y.objective.window, x.objective.window);
        assert_eq!(x.objective.p95, None);
    }
}
