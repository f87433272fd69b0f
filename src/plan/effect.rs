//! What a step may do to the world, known before it runs.

use std::collections::BTreeSet;

use crate::base::{CommandPath, Effect};
use crate::book::Children;
use crate::config::Config;
use crate::expr::sql_skeleton;
use crate::model::{Call, EffectRule, Node, Runbook, Statement, Step};
use crate::sql::{self, Dialect};

/// What a step may do: what its action says of itself, unless the step states what cannot be inferred.
#[must_use]
pub fn effect_of_step(step: &Step, config: &Config, children: &Children) -> Effect {
    Walk::new(config, children).step(step)
}

/// What a call may do by itself, where no step states it: an undo.
#[must_use]
pub fn effect_of_call(call: &Call, config: &Config, children: &Children) -> Effect {
    Walk::new(config, children).call(call)
}

/// The worst effect of the steps of a runbook.
#[must_use]
pub fn effect_of_runbook(runbook: &Runbook, config: &Config, children: &Children) -> Effect {
    Walk::new(config, children).runbook(runbook)
}

/// A look at everything that something may do, sub-runbooks and all.
struct Walk<'a> {
    config: &'a Config,
    children: &'a Children,
    /// Two ways may lead to one runbook, and twice as many to each below it: each is looked at once.
    seen: BTreeSet<CommandPath>,
}

impl<'a> Walk<'a> {
    fn new(config: &'a Config, children: &'a Children) -> Self {
        Self {
            config,
            children,
            seen: BTreeSet::new(),
        }
    }

    fn runbook(&mut self, runbook: &Runbook) -> Effect {
        runbook
            .all_steps()
            .map(|step| self.step(step))
            .max()
            .unwrap_or(Effect::Read)
    }

    fn step(&mut self, step: &Step) -> Effect {
        let inferred = self.call(&step.call);
        match (step.call.verb.effect, step.effect) {
            (EffectRule::Unless(_), Some(stated)) => stated,
            // Stating a worse effect is caution; a milder one does not make SQL any milder.
            (_, Some(stated)) => inferred.max(stated),
            (_, None) => inferred,
        }
    }

    fn call(&mut self, call: &Call) -> Effect {
        match call.verb.effect {
            EffectRule::Always(effect) | EffectRule::Unless(effect) => effect,
            EffectRule::OfSql => match &call.object {
                Node::Text(template) => sql_skeleton(template).map_or(Effect::Destroy, |text| {
                    effect_of_sql(&text, call, self.config)
                }),
                Node::Statement(Statement {
                    given: Some(text), ..
                }) => effect_of_sql(text, call, self.config),
                _ => Effect::Destroy,
            },
            EffectRule::OfRunbook => match &call.object {
                Node::Text(template) => CommandPath::parse(&template.text)
                    .ok()
                    .and_then(|path| Some((self.children.get(&path)?, path)))
                    .map_or(Effect::Destroy, |(child, path)| {
                        if self.seen.insert(path) {
                            self.runbook(child)
                        } else {
                            // What it may do is part of the whole already.
                            Effect::Read
                        }
                    }),
                _ => Effect::Destroy,
            },
        }
    }
}

/// What SQL may do on the database that a call names; where a template names it, on any that there is.
#[must_use]
pub fn effect_of_sql(text: &str, call: &Call, config: &Config) -> Effect {
    let analysis = match dialects_of(call, config).as_slice() {
        [only] => sql::effect(text, *only),
        _ => sql::effect_in_any(text),
    };
    analysis.effect
}

/// The dialects of the database that a call names; where a template names it, those of all that there are. Never empty.
pub(super) fn dialects_of(call: &Call, config: &Config) -> Vec<Dialect> {
    let named = match call.option("on") {
        Some(Node::Text(template)) => config.database(&template.text),
        _ => None,
    };
    let candidates = match named {
        Some(named) => std::slice::from_ref(named),
        None => config.databases.as_slice(),
    };
    let is_among = |dialect: &Dialect| {
        let mut candidates = candidates.iter();
        candidates.any(|database| database.kind.dialect() == *dialect)
    };
    let among: Vec<Dialect> = Dialect::ALL.into_iter().filter(is_among).collect();
    match among.is_empty() {
        true => vec![Dialect::Sqlite],
        false => among,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use super::{Children, effect_of_runbook};
    use crate::base::{CommandPath, Effect, Place, SourceFile};
    use crate::book::{Document, parse_runbook};
    use crate::config::{Config, Database, DatabaseKind};
    use crate::model::{
        ActionSpec, EffectRule, Kind, OptionSpec, Reference, Runbook, VerbSpec, Vocabulary,
    };

    const fn verb(name: &'static str, object: Kind, effect: EffectRule) -> VerbSpec {
        VerbSpec {
            name,
            summary: "does it",
            object,
            effect,
            options: &[],
            outputs: &[],
        }
    }

    const fn action(name: &'static str, verbs: &'static [VerbSpec]) -> ActionSpec {
        ActionSpec {
            name,
            summary: "does it",
            verbs,
            options: &[],
            outputs: &[],
            timeout: None,
        }
    }

    static ACT: ActionSpec = action(
        "act",
        &[verb(
            "change",
            Kind::Text,
            EffectRule::Always(Effect::Write),
        )],
    );
    static RUNBOOK: ActionSpec = action(
        "runbook",
        &[verb("run", Kind::Runbook, EffectRule::OfRunbook)],
    );
    static SQL: ActionSpec = ActionSpec {
        options: &[OptionSpec {
            name: "on",
            kind: Kind::Reference(Reference::Database),
            required: false,
            help: "where",
        }],
        ..action("sql", &[verb("execute", Kind::Sql, EffectRule::OfSql)])
    };
    const VOCABULARY: Vocabulary = Vocabulary(&[&ACT, &RUNBOOK, &SQL]);

    fn database(name: &str, kind: DatabaseKind) -> Database {
        Database {
            name: name.to_owned(),
            kind,
            retention: Vec::new(),
            copies: None,
            migrations: None,
            place: Place::new(&SourceFile::new("opsbook.toml", ""), 0..0),
        }
    }

    /// A function that SQLite only computes with is no name that PostgreSQL is known to have.
    #[test]
    fn sql_whose_database_a_template_names_is_as_bad_as_on_the_worst_of_them() {
        let light = || {
            database(
                "light",
                DatabaseKind::Sqlite {
                    path: "x.db".into(),
                    create: None,
                },
            )
        };
        let heavy = database(
            "heavy",
            DatabaseKind::Postgres(crate::config::PostgresSettings::default()),
        );
        let effect = |databases: Vec<Database>, on: &str| {
            let call = format!("sql.execute = 'SELECT last_insert_rowid()'\nsql.on = '{on}'");
            let config = Config {
                databases,
                ..Config::default()
            };
            effect_of_runbook(&parse("a", &[call]), &config, &Children::new())
        };
        assert_eq!(effect(vec![light()], "{{ input.on }}"), Effect::Read);
        assert_eq!(effect(vec![light(), heavy.clone()], "light"), Effect::Read);
        assert_eq!(
            effect(vec![light(), heavy], "{{ input.on }}"),
            Effect::Destroy
        );
    }

    #[test]
    fn a_stated_effect_makes_sql_no_milder() {
        let effect = |stated: &str| {
            let call = format!("sql.execute = 'DELETE FROM t WHERE id = 1'\n{stated}");
            effect_of_runbook(&parse("a", &[call]), &Config::default(), &Children::new())
        };
        assert_eq!(effect("effect = 'read'"), Effect::Write);
        assert_eq!(effect("effect = 'destroy'"), Effect::Destroy);
    }

    fn parse(path: &str, steps: &[String]) -> Runbook {
        let steps: Vec<String> = steps
            .iter()
            .enumerate()
            .map(|(index, call)| format!("[[step]]\nname = 's{index}'\n{call}\n"))
            .collect();
        let text = format!("title = 'x'\n{}", steps.concat());
        let document = Document::parse(SourceFile::new(path, text)).unwrap();
        parse_runbook(&document, CommandPath::parse(path).unwrap(), VOCABULARY).unwrap()
    }

    /// Each of 40 runbooks runs the next twice: 2^40 ways lead to the last.
    #[test]
    fn a_runbook_is_looked_at_once_however_many_ways_lead_to_it() {
        let mut children = Children::new();
        for index in 0..40 {
            let path = format!("b{index}");
            let next = format!("runbook.run = 'b{}'", index + 1);
            let book = Arc::new(parse(&path, &[next.clone(), next]));
            children.insert(book.path.clone(), book);
        }
        let last = Arc::new(parse("b40", &["act.change = 'x'".to_owned()]));
        children.insert(last.path.clone(), last);
        let first = parse("a", &["runbook.run = 'b0'".to_owned()]);
        let effect = effect_of_runbook(&first, &Config::default(), &children);
        assert_eq!(effect, Effect::Write);
    }
}
