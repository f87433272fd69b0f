//! Reads a whole runbook and holds its parts against each other.

use std::collections::BTreeMap;

use crate::base::{CommandPath, Diagnostic, Diagnostics, Place, Severity, nearest};
use crate::model::{Approval, Finding, OnFailure, Runbook, Step, Vocabulary};

use super::declaration::parse_inputs;
use super::document::Document;
use super::field::{Field, Form};
use super::heartbeat::parse_heartbeat;
use super::mistakes::Mistakes;
use super::names::variable;
use super::reader::TableReader;
use super::requirement::parse_requirement;
use super::statement;
use super::step::{SEVERITIES, parse_step};

const ON_FAILURE: [(&str, OnFailure); 2] = [("stop", OnFailure::Stop), ("undo", OnFailure::Undo)];

/// Reads a runbook: every key, every action against its description, every template and expression against its grammar.
/// What its names refer to is [`super::check_references`]'s.
///
/// # Errors
/// Every mistake that can be told, each with its place.
pub fn parse_runbook(
    document: &Document,
    path: CommandPath,
    vocabulary: Vocabulary,
) -> Result<Runbook, Diagnostics> {
    let mistakes = Mistakes::new();
    let runbook = read_runbook(document, path, vocabulary, &mistakes);
    mistakes.into_result(runbook)
}

fn read_runbook(
    document: &Document,
    path: CommandPath,
    vocabulary: Vocabulary,
    mistakes: &Mistakes,
) -> Option<Runbook> {
    let table = document.root("the runbook", mistakes);
    let title = table.required("title").and_then(one_line);
    let description = read(&table, "description", |field| field.text());
    let symptoms = read(&table, "symptoms", |field| field.texts());
    let severity = read(&table, "severity", |field| field.choice(&SEVERITIES));
    let severity = severity.unwrap_or(Severity::P1);
    let owner = read(&table, "owner", one_line);
    let tags = read(&table, "tags", |field| field.texts());
    let lock = read(&table, "lock", |field| field.filled_template());
    let window = read(&table, "window", |field| field.filled_text());
    let heartbeat = read(&table, "heartbeat", parse_heartbeat);
    let timeout = read(&table, "timeout", |field| field.positive_duration());
    let on_failure = read(&table, "on_failure", |field| field.choice(&ON_FAILURE));
    let requires = read(&table, "requires", |field| {
        Some(
            field
                .list()?
                .into_iter()
                .filter_map(parse_requirement)
                .collect(),
        )
    });
    let output = table.optional("output");
    let approved = table.optional("approved");
    let inputs = read(&table, "input", parse_inputs);
    let mut names = StepNames::default();
    let steps = table.required("step").and_then(|field| {
        let tables = field.tables("step")?;
        if tables.is_empty() {
            field.mistake("expected at least one step");
        }
        names.parse_steps(tables, vocabulary)
    });
    let finally = read(&table, "finally", |field| {
        names.parse_steps(field.tables("step")?, vocabulary)
    });
    for step in finally.iter().flatten() {
        if step.on_failure == Some(OnFailure::Undo) {
            table.mistakes().push(
                Diagnostic::at(
                    step.place.clone(),
                    "a step of `finally` cannot undo the run",
                )
                .help("what must be taken back is by then; use \"stop\" or \"continue\""),
            );
        }
    }
    let output = output.and_then(|field| names.check(field));
    let approved = approved.and_then(|field| parse_approval(field, &names));
    let findings = read(&table, "finding", |field| parse_findings(field, severity));
    table.finish();
    let (inputs, mut finally) = (inputs.unwrap_or_default(), finally.unwrap_or_default());
    let mut steps = steps?;
    statement::mark(steps.iter_mut().chain(&mut finally), &inputs);
    Some(Runbook {
        path,
        source: document.source().clone(),
        title: title?.to_owned(),
        description: description.map(str::to_owned),
        symptoms: symptoms.unwrap_or_default(),
        severity,
        owner: owner.map(str::to_owned),
        tags: tags.unwrap_or_default(),
        lock,
        window: window.map(str::to_owned),
        approved,
        heartbeat,
        timeout,
        on_failure: on_failure.unwrap_or_default(),
        requires: requires.unwrap_or_default(),
        output,
        inputs,
        steps,
        finally,
        findings: findings.unwrap_or_default(),
    })
}

fn read<'a, T>(
    table: &TableReader<'a>,
    key: &str,
    parse: impl FnOnce(Field<'a>) -> Option<T>,
) -> Option<T> {
    table.optional(key).and_then(parse)
}

fn one_line<'a>(field: Field<'a>) -> Option<&'a str> {
    let text = field.filled_text()?;
    if text.trim().contains('\n') {
        field.mistake(format!("`{}` takes one line", field.key()));
        return None;
    }
    Some(text.trim())
}

fn parse_findings(field: Field<'_>, severity: Severity) -> Option<Vec<Finding>> {
    let tables = field.tables("a finding")?;
    let read = tables.into_iter().map(|table| {
        let when = table.required("when").and_then(|field| field.expression());
        let stated = read(&table, "severity", |field| field.choice(&SEVERITIES));
        let cause = table
            .required("cause")
            .and_then(|field| field.filled_template());
        let remedy = read(&table, "remedy", |field| field.filled_template());
        table.finish();
        Some(Finding {
            when: when?,
            severity: stated.unwrap_or(severity),
            cause: cause?,
            remedy,
        })
    });
    Some(read.flatten().collect())
}

/// `approved = true`, `approved = { rows = 100000, steps = ["delete"] }`
fn parse_approval(field: Field<'_>, names: &StepNames) -> Option<Approval> {
    match field.form() {
        Form::Boolean => return field.boolean()?.then(Approval::default),
        Form::Table => {}
        _ => {
            field.expected("true or a table with `rows` and `steps`");
            return None;
        }
    }
    let table = field.table("the standing approval")?;
    let rows = read(&table, "rows", |field| field.integer_in(0..=i64::MAX));
    let steps = read(&table, "steps", |field| {
        let items = field.list()?;
        if items.is_empty() {
            field.mistake("expected the name of at least one step; left out, it means all of them");
        }
        let known = items.into_iter().map(|item| names.check(item));
        known.collect::<Option<Vec<String>>>()
    });
    table.finish();
    Some(Approval {
        rows: rows.and_then(|rows| u64::try_from(rows).ok()),
        steps: steps.unwrap_or_default(),
    })
}

/// The names of the steps seen so far, as expressions write them, and as written with their place. Steps that could not
/// be read count too: one mistake must not cause others.
#[derive(Default)]
struct StepNames(BTreeMap<String, (String, Place)>);

impl StepNames {
    fn parse_steps(
        &mut self,
        tables: Vec<TableReader<'_>>,
        vocabulary: Vocabulary,
    ) -> Option<Vec<Step>> {
        let read: Vec<Option<Step>> = tables
            .into_iter()
            .enumerate()
            .map(|(index, table)| {
                if let Some(field) = table.optional("name") {
                    self.add(field);
                }
                if index == 0
                    && let Some(field) = table.optional("parallel")
                    && field.boolean() == Some(true)
                {
                    field.key_mistake("the first step has none above it to start together with");
                }
                parse_step(table, vocabulary)
            })
            .collect();
        read.into_iter().collect()
    }

    fn add(&mut self, field: Field<'_>) {
        let Some(name) = field.text() else { return };
        let known = self.0.get(&variable(name));
        if let Some((first, place)) = known {
            let (line, _) = place.source.line_and_column(place.range.start);
            field.mistake_with_help(
                format!("a second step with this name; {first:?} stands in line {line}"),
                "give each step, those of `finally` too, a name of its own",
            );
            return;
        }
        self.0
            .insert(variable(name), (name.to_owned(), field.place()));
    }

    /// The name of a step of this runbook.
    fn check(&self, field: Field<'_>) -> Option<String> {
        let name = field.filled_text()?;
        let names: Vec<&str> = self.0.values().map(|(name, _)| name.as_str()).collect();
        if names.contains(&name) {
            return Some(name.to_owned());
        }
        let message = format!("`{}` names no step of this runbook: {name:?}", field.key());
        match nearest(name, names) {
            Some(word) => field.mistake_with_help(message, format!("did you mean {word:?}?")),
            None => field.mistake(message),
        }
        None
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use proptest::prelude::*;

    use crate::base::{Severity, Span};
    use crate::book::testing::{mistakes_of, parse};
    use crate::model::OnFailure;

    #[test]
    fn reads_every_key_of_a_runbook() {
        let runbook = parse(
            r#"
#:schema runbook.schema.json
title = "Delete old rows"
description = """
Two
lines."""
symptoms = ["database grows"]
severity = "P2"
owner = "data team"
tags = ["db"]
lock = "database/{{ input.database }}"
window = "weekly"
timeout = "1h"
on_failure = "undo"
requires = ["psql", "wrangler >= 4.87"]
output = "count"

[[step]]
name = "count"
http.get = "/"

[[finally]]
name = "last"
http.get = "/"

[[finding]]
when = "true"
cause = "it is so"
[[finding]]
when = "true"
severity = "P3"
cause = "it is so"
remedy = "maintenance schedule"
"#,
        )
        .unwrap();
        assert_eq!(runbook.title, "Delete old rows");
        assert_eq!(runbook.description.as_deref(), Some("Two\nlines."));
        assert_eq!(runbook.severity, Severity::P2);
        assert_eq!(runbook.timeout, Some(Span::seconds(3600)));
        assert_eq!(runbook.on_failure, OnFailure::Undo);
        assert_eq!(runbook.requires[1].tool, "wrangler");
        assert_eq!(runbook.requires[1].at_least, Some(vec![4, 87]));
        assert_eq!(runbook.output.as_deref(), Some("count"));
        assert_eq!(runbook.all_steps().count(), 2);
        assert_eq!(runbook.findings[0].severity, Severity::P2);
        assert_eq!(runbook.findings[1].severity, Severity::P3);
    }

    #[test]
    fn tells_the_mistakes_of_a_runbook() {
        const STEP: &str = "[[step]]\nname = 'count'\nhttp.get = '/'\n";
        let heads = [
            "",
            "tilte = 't'",
            "title = 't'\nowner = \"a\\nb\"",
            "title = 't'\nsymptoms = 'slow'\ntags = [1]",
            "title = 't'\nseverity = 'critical'\non_failure = 'continue'\ntimeout = '0s'",
            "title = 't'\nrequires = ['psql > 1', 'wrangler >= x', 'a b', 5]",
            "title = 't'\noutput = 'cuont'",
            "title = 't'\n[[finding]]\nwhen = 'true'\nremdy = 'x'",
            "title = 't'\n[finding]\nwhen = 'true'",
            "title = 't'\n[[finally]]\nname = 'count'\nhttp.get = '/'",
            "title = 't'\n[[finally]]\nname = 'last'\nparallel = true\nhttp.get = '/'",
        ];
        let texts: Vec<String> = heads.iter().map(|head| format!("{head}\n{STEP}")).collect();
        insta::assert_snapshot!(mistakes_of(texts.iter().map(String::as_str)));
    }

    #[test]
    fn a_standing_approval_is_for_all_or_for_some_and_names_steps_that_there_are() {
        const STEP: &str = "[[step]]\nname = 'delete'\nhttp.get = '/'\n";
        let approved = |value: &str| parse(&format!("title = 't'\napproved = {value}\n{STEP}"));
        let all = approved("true").unwrap().approved.unwrap();
        assert_eq!((all.rows, all.steps), (None, Vec::new()));
        assert_eq!(approved("false").unwrap().approved, None);
        let some = approved("{ rows = 100000, steps = ['delete'] }").unwrap();
        let some = some.approved.unwrap();
        assert_eq!(some.rows, Some(100_000));
        assert_eq!(some.steps, ["delete"]);
        for (value, said) in [
            (
                "'yes'",
                "expected true or a table with `rows` and `steps`, found a text",
            ),
            ("{ row = 1 }", "did you mean `rows`?"),
            ("{ rows = -1 }", "expected at least 0, found -1"),
            ("{ steps = [] }", "expected the name of at least one step"),
            (
                "{ steps = ['delte'] }",
                "^^^^^^^ `steps` names no step of this runbook: \"delte\"; did you mean \"delete\"?",
            ),
        ] {
            let told = approved(value).unwrap_err().to_string();
            assert!(told.contains(said), "{value}: {told}");
        }
    }

    #[test]
    fn finally_comes_too_late_to_undo() {
        let told = mistakes_of([
            "title = 't'\n[[step]]\nname = 'a'\nhttp.get = '/'\n[[finally]]\nname = 'b'\nhttp.get = '/'\non_failure = 'undo'\n",
        ]);
        assert!(
            told.contains("a step of `finally` cannot undo the run"),
            "{told}"
        );
    }

    #[test]
    fn tells_the_mistakes_among_steps() {
        insta::assert_snapshot!(mistakes_of([
            "title = 't'",
            "title = 't'\nstep = []",
            "title = 't'\n[step]\nname = 'a'",
            "title = 't'\n[[step]]\nname = 'a'\nparallel = true\nhttp.get = '/'",
            "title = 't'\noutput = 'b'\n[[step]]\nname = 'a'\nhttp.get = '/'\n[[step]]\nname = 'b'\n",
            "title = 't'\n[[step]]\nname = 'a-b'\nhttp.get = '/'\n[[step]]\nname = 'a_b'\nhttp.get = '/'",
        ]));
    }

    fn any_step() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("http.get = '/x'"),
            Just("http.post = '/x'\nhttp.json = { b = 1, a = 2 }"),
            Just("command.run = ['a', 'b']\ntimeout = '3s'"),
            Just("set.values = { x = '1 + 1' }\nwhen = 'true'"),
            Just("retry = 3\nsql.query = 'SELECT 1'\nsql.on = 'main'"),
        ]
        .prop_map(str::to_owned)
    }

    proptest! {
        #[test]
        fn keeps_the_order_of_the_file(
            names in proptest::collection::hash_set("[a-z]{1,8}", 1..12),
            steps in proptest::collection::vec(any_step(), 12),
        ) {
            let names: Vec<_> = names.into_iter().collect();
            let mut text = "title = 't'\n".to_owned();
            for name in &names {
                text.push_str(&format!("[input.i{name}]\ntype = 'string'\n"));
            }
            for (name, step) in names.iter().zip(&steps) {
                text.push_str(&format!("[[step]]\nname = '{name}'\n{step}\n"));
            }
            let runbook = parse(&text).unwrap();
            let read: Vec<_> = runbook.steps.iter().map(|step| step.name.clone()).collect();
            prop_assert_eq!(&read, &names);
            let inputs: Vec<_> = runbook.inputs.iter().map(|input| input.name[1..].to_owned()).collect();
            prop_assert_eq!(&inputs, &names);
        }

        #[test]
        fn never_panics_on_what_looks_like_a_runbook(
            lines in proptest::collection::vec(
                prop_oneof![
                    Just("[[step]]".to_owned()), Just("[input.a]".to_owned()), Just("[[finding]]".to_owned()),
                    Just("[[finally]]".to_owned()), Just("[step.http]".to_owned()),
                    "(title|name|when|unless|for_each\\.x|retry|repeat|save|http\\.get|sql\\.on|sql\\.query|type|default|position|short|pattern|min|choices|set\\.values|command\\.run|undo|output|timeout|requires) = ('[a-z{} %/0-9.-]{0,9}'|[0-9]{1,3}|true|\\[\\]|\\['x', 1\\]|\\{\\}|\\{ every = '1s' \\}|2026-01-01|0\\.5|inf|\"\\\\u00e9\\\\n\")",
                ],
                0..14,
            )
        ) {
            if let Err(mistakes) = parse(&lines.join("\n")) {
                prop_assert!(!mistakes.is_empty());
                let _ = mistakes.to_string();
            }
        }

        #[test]
        fn never_panics_on_any_text(text in "\\PC{0,200}") {
            prop_assert!(parse(&text).is_err());
        }
    }
}
