//! Reads one step: an action with its conditions, checks and limits. A check of the configuration is such a step too.

use crate::base::{Diagnostic, Effect, Severity};
use crate::model::{Artifact, Call, EffectRule, Expression, OnFailure, Step, Unless, Vocabulary};

use super::call::parse_call;
use super::field::Field;
use super::names::{identifier, step_name};
use super::node::value;
use super::pace::{parse_for_each, parse_repeat, parse_retry};
use super::reader::TableReader;

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
    let noun = table.what().to_owned();
    let table = table.named(format!("this {noun}"));
    let name = table.required("name").and_then(step_name);
    let table = match name {
        Some(name) => table.named(format!("{noun} {name:?}")),
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
        EffectRule::Always(usual) => effect.unwrap_or(usual).max(usual) == Effect::Read,
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

/// A step states its effect where nobody else can know it, or where it is worse than is usual: a GET that changes something.
fn check_effect(table: &TableReader<'_>, stated: Option<Effect>, call: Option<&Call>) {
    let (Some(stated), Some(call), Some(field)) = (stated, call, table.optional("effect")) else {
        return;
    };
    match call.verb.effect {
        EffectRule::Always(effect) if stated < effect => field.mistake(format!(
            "the effect of `{}` is {effect}, and may only be stated to be worse",
            call.name()
        )),
        EffectRule::OfRunbook => {
            field.mistake("the effect of `runbook.run` is that of the runbook it runs");
        }
        EffectRule::Always(_) | EffectRule::Unless(_) | EffectRule::OfSql => {}
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use crate::base::{Effect, Severity, Span};
    use crate::book::testing::{mistakes_of_steps, parse};
    use crate::model::{Backoff, OnFailure, RetryOn};

    #[test]
    #[expect(clippy::too_many_lines, reason = "a step with every key there is")]
    fn reads_every_key_of_a_step() {
        let runbook = parse(
            r#"
title = "t"
[[step]]
name = "all"
when = "true"
unless = { sql.query = "SELECT 1", sql.on = "main", expect = "count == 1" }
for_each.table = "[1, 2]"
concurrency = 4
expect = "code == 0"
warn = "code > 0"
critical = "code > 1"
severity = "P0"
save = { lines_seen = "lines | length", zero = 0 }
show = ["name", "size"]
retry = { attempts = 5, delay = "1m", backoff = "constant", jitter = false, on = ["timeout"] }
repeat = { every = "10ms", for = "1s", times = 3, until = "code == 0", tolerate = 1 }
timeout = "5s"
confirm = "Go on with {{ table }}?"
artifact = { output = "stdout", path = "out/{{ table }}.txt" }
undo = { command.run = ["undo"] }
on_failure = "continue"
effect = "destroy"
sensitive = true
command.run = ["tool", "{{ table }}"]
command.env = { LANG = "C" }
[[step]]
name = "beside"
parallel = true
retry = 2
http.get = "/"
"#,
        )
        .unwrap();
        let step = &runbook.steps[0];
        assert_eq!(step.call.name(), "command.run");
        assert_eq!(step.call.options.len(), 1);
        let unless = step.unless.as_ref().unwrap();
        assert_eq!(
            (unless.call.name().as_str(), unless.expect.text.as_str()),
            ("sql.query", "count == 1")
        );
        let for_each = step.for_each.as_ref().unwrap();
        assert_eq!(
            (for_each.variable.as_str(), for_each.concurrency),
            ("table", 4)
        );
        assert_eq!(step.severity, Some(Severity::P0));
        let saved: Vec<_> = step
            .save
            .iter()
            .map(|(name, value)| (name.as_str(), value.text.as_str()))
            .collect();
        assert_eq!(saved, [("lines_seen", "lines | length"), ("zero", "0")]);
        assert_eq!(step.show, ["name", "size"]);
        let retry = step.retry.as_ref().unwrap();
        assert_eq!(
            (retry.attempts, retry.backoff, retry.jitter),
            (5, Backoff::Constant, false)
        );
        assert_eq!(
            (retry.delay, retry.max_delay),
            (Span::seconds(60), Span::seconds(60))
        );
        assert_eq!(retry.on, [RetryOn::Timeout]);
        let repeat = step.repeat.as_ref().unwrap();
        assert_eq!(
            (repeat.times, repeat.tolerate, repeat.duration),
            (Some(3), 1, Some(Span::seconds(1)))
        );
        assert_eq!(step.timeout, Some(Span::seconds(5)));
        assert_eq!(step.artifact.as_ref().unwrap().output, "stdout");
        assert_eq!(step.undo.as_ref().unwrap().name(), "command.run");
        assert_eq!(
            (step.on_failure, step.effect, step.sensitive),
            (Some(OnFailure::Continue), Some(Effect::Destroy), true)
        );
        assert_eq!(step.place.to_string(), "db/a.toml:3:1");
        assert_eq!(
            step.confirm.as_ref().unwrap().place.to_string(),
            "db/a.toml:18:12"
        );
        let beside = runbook.steps[1].retry.as_ref().unwrap();
        assert_eq!(
            (
                beside.attempts,
                beside.delay,
                beside.max_delay,
                beside.jitter
            ),
            (2, Span::seconds(1), Span::seconds(30), true)
        );
        assert_eq!(
            beside.on,
            [RetryOn::Error, RetryOn::Timeout, RetryOn::Expect]
        );
        assert!(runbook.steps[1].parallel);
    }

    #[test]
    fn tells_the_mistakes_of_a_step() {
        insta::assert_snapshot!(mistakes_of_steps(&[
            "http.get = '/'",
            "name = 'a/b'\nhttp.get = '/'",
            "name = ' '\nhttp.get = '/'",
            "name = 5\nhttp.get = '/'",
            "name = 'a'\nhttp.get = '/'\ntimeuot = '3s'",
            "name = 'a'\nhttp.get = '/'\ntimeout = 3\nseverity = 'P9'\nwhen = true\nshow = 'name'\nparallel = 'yes'",
            "name = 'a'\nhttp.get = '/'\ntimeout = '0s'\nexpect = ' '\non_failure = 'contineu'",
            "name = 'a'\nhttp.get = '/'\nsave = { input = 'json', 'a-b' = 'json', ok = [] }",
            "name = 'a'\nhttp.post = '/'\neffect = 'read'",
            "name = 'a'\nrunbook.run = 'db/b'\neffect = 'read'",
            "name = 'a'\nhttp.get = '/'\nartifact = { output = 'json' }",
            "name = 'a'\nhttp.get = '/'\nconfirm = ''\nsensitive = 1",
            "name = 'a'\nhttp.get = '/'\nundo = {}",
        ]));
    }

    #[test]
    fn unless_only_looks() {
        insta::assert_snapshot!(mistakes_of_steps(&[
            "name = 'a'\nhttp.get = '/'\nunless = { http.get = '/done' }",
            "name = 'a'\nhttp.get = '/'\nunless = { http.post = '/done', expect = 'true' }",
            "name = 'a'\nhttp.get = '/'\nunless = { http.get = '/done', effect = 'write', expect = 'true' }",
            "name = 'a'\nhttp.get = '/'\nunless = { sql.execute = 'SELECT 1', sql.on = 'main', expect = 'true' }",
            "name = 'a'\nhttp.get = '/'\nunless = { command.run = ['test', '-f', 'x'], expect = 'code == 0' }",
            "name = 'a'\nhttp.get = '/'\nunless = { command.run = ['test', '-f', 'x'], effect = 'read', expect = 'code == 0' }",
        ]));
    }
}
