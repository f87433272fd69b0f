//! Reads one step: an action with its conditions, checks and limits. A check of the configuration is such a step too.

use crate::base::{Diagnostic, Effect, Severity};
use crate::model::{Artifact, Call, EffectRule, Expression, OnFailure, Step, Unless, Vocabulary};

use super::call::parse_call;
use super::names::{identifier, step_name};
use super::node::value;
use super::pace::{parse_for_each, parse_repeat, parse_retry};
use super::reader::{Field, TableReader};

/// The words of `severity`.
pub(super) const SEVERITIES: [(&str, Severity); 4] = [
    ("P0", Severity::P0),
    ("P1", Severity::P1),
    ("P2", Severity::P2),
    ("P3", Severity::P3),
];

const EFFECTS: [(&str, Effect); 3] = [
    ("read", Effect::Read),
    ("write", Effect::Write),
    ("destroy", Effect::Destroy),
];

const ON_FAILURE: [(&str, OnFailure); 3] = [
    ("stop", OnFailure::Stop),
    ("continue", OnFailure::Continue),
    ("undo", OnFailure::Undo),
];

/// Reads a step. The table's own words for itself (`step`, `check`) are used in messages, with the step's name.
///
/// None when it could not be understood; the table's mistakes then say why.
pub fn parse_step(table: TableReader<'_>, vocabulary: Vocabulary) -> Option<Step> {
    let before = table.mistakes().len();
    let place = table.place();
    let name = table.required("name").and_then(step_name);
    let table = match name {
        Some(name) => {
            let what = format!("{} {name:?}", table.what());
            table.named(what)
        }
        None => table,
    };
    let when = expression(&table, "when");
    let unless = table
        .optional("unless")
        .and_then(|field| parse_unless(field, vocabulary));
    let for_each = parse_for_each(&table);
    let parallel = flag(&table, "parallel");
    let expect = expression(&table, "expect");
    let warn = expression(&table, "warn");
    let critical = expression(&table, "critical");
    let severity = read(&table, "severity", |field| field.choice(&SEVERITIES));
    let save = read(&table, "save", parse_save).unwrap_or_default();
    let show = read(&table, "show", |field| field.texts()).unwrap_or_default();
    let retry = read(&table, "retry", parse_retry);
    let repeat = read(&table, "repeat", parse_repeat);
    let timeout = read(&table, "timeout", |field| field.positive_duration());
    let confirm = read(&table, "confirm", |field| field.filled_template());
    let artifact = read(&table, "artifact", parse_artifact);
    let undo = read(&table, "undo", |field| parse_undo(field, vocabulary));
    let on_failure = read(&table, "on_failure", |field| field.choice(&ON_FAILURE));
    let effect = read(&table, "effect", |field| field.choice(&EFFECTS));
    let sensitive = flag(&table, "sensitive");
    let call = parse_call(&table, vocabulary);
    check_effect(&table, effect, call.as_ref());
    let mistakes = table.mistakes();
    table.finish();
    if mistakes.len() > before {
        return None;
    }
    Some(Step {
        name: name?.to_owned(),
        call: call?,
        when,
        unless,
        for_each,
        parallel,
        expect,
        warn,
        critical,
        severity,
        save,
        show,
        retry,
        repeat,
        timeout,
        confirm,
        artifact,
        undo,
        on_failure,
        effect,
        sensitive,
        place,
    })
}

fn read<'a, T>(
    table: &TableReader<'a>,
    key: &str,
    parse: impl FnOnce(Field<'a>) -> Option<T>,
) -> Option<T> {
    table.optional(key).and_then(parse)
}

fn expression(table: &TableReader<'_>, key: &str) -> Option<Expression> {
    read(table, key, |field| field.expression())
}

fn flag(table: &TableReader<'_>, key: &str) -> bool {
    read(table, key, |field| field.boolean()).unwrap_or_default()
}

fn parse_unless(field: Field<'_>, vocabulary: Vocabulary) -> Option<Box<Unless>> {
    let table = field.table("`unless`")?;
    let expect = table
        .required("expect")
        .and_then(|field| field.expression());
    let effect = read(&table, "effect", |field| field.choice(&EFFECTS));
    let call = parse_call(&table, vocabulary);
    table.finish();
    let call = call?;
    let reads = match call.verb.effect {
        EffectRule::Always(effect) => effect == Effect::Read,
        EffectRule::Unless(usual) => effect.unwrap_or(usual) == Effect::Read,
        EffectRule::OfSql | EffectRule::OfRunbook => false,
    };
    if !reads {
        let help = match call.verb.effect {
            EffectRule::Unless(_) => "state `effect = \"read\"` beside it if it only looks",
            EffectRule::OfSql => "use `sql.query`",
            EffectRule::Always(_) | EffectRule::OfRunbook => "use an action that only reads",
        };
        let message = format!(
            "`{}` may change something; `unless` only looks",
            call.name()
        );
        field
            .mistakes()
            .push(Diagnostic::at(call.place, message).help(help));
        return None;
    }
    Some(Box::new(Unless {
        call,
        expect: expect?,
    }))
}

fn parse_undo(field: Field<'_>, vocabulary: Vocabulary) -> Option<Call> {
    let table = field.table("`undo`")?;
    let call = parse_call(&table, vocabulary);
    table.finish();
    call
}

fn parse_save(field: Field<'_>) -> Option<Vec<(String, Expression)>> {
    let entries = field.table("`save`")?.entries();
    let mut saved = Vec::new();
    for entry in entries {
        if identifier(entry).is_some()
            && let Some(expression) = value(entry)
        {
            saved.push((entry.key().to_owned(), expression));
        }
    }
    Some(saved)
}

fn parse_artifact(field: Field<'_>) -> Option<Artifact> {
    let table = field.table("`artifact`")?;
    let output = table
        .required("output")
        .and_then(|field| field.filled_text());
    let path = table
        .required("path")
        .and_then(|field| field.filled_template());
    table.finish();
    Some(Artifact {
        output: output?.to_owned(),
        path: path?,
    })
}

/// A step states its effect only where nobody else can know it.
fn check_effect(table: &TableReader<'_>, stated: Option<Effect>, call: Option<&Call>) {
    let (Some(stated), Some(call), Some(field)) = (stated, call, table.optional("effect")) else {
        return;
    };
    match call.verb.effect {
        EffectRule::Always(effect) if effect != stated => field.mistake(format!(
            "the effect of `{}` is always {effect}",
            call.name()
        )),
        EffectRule::OfRunbook => {
            field.mistake("the effect of `runbook.run` is that of the runbook it runs");
        }
        EffectRule::Always(_) | EffectRule::Unless(_) | EffectRule::OfSql => {}
    }
}
