//! Reads `[input.*]`: what a runbook asks of its caller. What callers then give is read by `inputs`.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::base::Diagnostic;
use crate::model::{Input, InputType};

use super::field::{Field, Form};
use super::inputs::{self, compare, parse_input};
use super::names::variable;
use super::reader::TableReader;

/// Options that every run has: an input that is an option cannot have such a name.
const OPTIONS_OF_EVERY_RUN: [&str; 24] = [
    "dry-run",
    "read-only",
    "yes",
    "confirm",
    "reason",
    "fail-on",
    "watch",
    "timeout",
    "incident",
    "outside-window",
    "wait",
    "from",
    "config",
    "env",
    "environment",
    "store",
    "format",
    "report",
    "color",
    "quiet",
    "verbose",
    "log-format",
    "help",
    "version",
];

/// Letters that every run has as options.
const LETTERS_OF_EVERY_RUN: [char; 4] = ['h', 'q', 'v', 'V'];

/// What other languages call a type, where its letters do not tell.
const WORDS_ELSEWHERE: [(&str, InputType); 5] = [
    ("text", InputType::String),
    ("number", InputType::Float),
    ("enum", InputType::Choice),
    ("file", InputType::Path),
    ("password", InputType::Secret),
];

/// Reads the table of inputs.
pub(super) fn parse_inputs(field: Field<'_>) -> Option<Vec<Input>> {
    let mut read: Vec<(Input, Declared<'_>)> = Vec::new();
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for entry in field.table("`input`")?.entries() {
        if !check_name(entry) {
            continue;
        }
        let Some(table) = entry.table(format!("input {:?}", entry.key())) else {
            continue;
        };
        if let Some(first) = names.insert(variable(entry.key()), entry.key()) {
            entry.key_mistake(format!(
                "inside expressions this is `{}`, as the input {first:?} is",
                variable(entry.key()),
            ));
        }
        read.extend(parse_declaration(entry, table));
    }
    check_positions(&read);
    check_letters(&read);
    Some(read.into_iter().map(|(input, _)| input).collect())
}

/// The keys of an input that are held against those of others.
struct Declared<'a> {
    position: Option<Field<'a>>,
    short: Option<Field<'a>>,
}

fn check_name(entry: Field<'_>) -> bool {
    let name = entry.key();
    let legal = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
        });
    if !legal {
        entry.key_mistake(format!(
            "{name:?} is not a name for an input: a-z first, then a-z, 0-9 and \"-\""
        ));
    } else if variable(name) == "input" {
        entry.key_mistake("the name `input` is taken");
        return false;
    }
    legal
}

fn parse_declaration<'a>(
    entry: Field<'a>,
    table: TableReader<'a>,
) -> Option<(Input, Declared<'a>)> {
    let before = entry.mistakes().len();
    let kind = table.required("type").and_then(parse_kind);
    let help = table.optional("help").and_then(|field| field.text());
    let position = table.optional("position");
    let place_among = position.and_then(|field| field.integer_in(1..=100));
    let short = table.optional("short");
    let letter = short.and_then(parse_letter);
    let choices = table.optional("choices");
    let pattern = table.optional("pattern");
    let min = table.optional("min");
    let max = table.optional("max");
    let default = table.optional("default");
    let many = table.optional("many").and_then(|field| field.boolean());
    let env = table.optional("env").and_then(parse_variable_name);
    let ask = table.optional("ask").and_then(|field| field.filled_text());
    let place = table.place();
    if let (Some(_), Some(short)) = (position, short) {
        short.key_mistake("an input with a `position` has no letter");
    }
    if position.is_none() && OPTIONS_OF_EVERY_RUN.contains(&entry.key()) {
        entry.key_mistake(format!("every run has an option --{} already", entry.key()));
    }
    table.finish();
    let mut input = Input {
        name: entry.key().to_owned(),
        kind: kind?,
        help: help.map(str::to_owned),
        default: None,
        position: place_among.and_then(|number| usize::try_from(number).ok()),
        short: letter,
        choices: Vec::new(),
        pattern: None,
        min: None,
        max: None,
        many: many.unwrap_or_default(),
        env: env.map(str::to_owned),
        ask: ask.map(str::to_owned),
        place,
    };
    check_many(&input, entry);
    read_choices(&mut input, choices, entry);
    read_pattern(&mut input, pattern);
    read_bounds(&mut input, min, max);
    if entry.mistakes().len() == before {
        input.default = default.and_then(|field| parse_default(&input, field));
    }
    let declared = Declared { position, short };
    Some((input, declared))
}

/// Several statements are one text: a list of them would be nothing that a database reads.
fn check_many(input: &Input, entry: Field<'_>) {
    if input.many && input.kind == InputType::Sql {
        entry.key_mistake("an input of type sql has no `many`: several statements are one text");
    }
}

fn parse_kind(field: Field<'_>) -> Option<InputType> {
    if field.form() == Form::Text {
        let text = field.text()?;
        let elsewhere = WORDS_ELSEWHERE.iter().find(|(word, _)| *word == text);
        if let Some((_, kind)) = elsewhere {
            field.mistake_with_help(
                format!("there is no type {text:?}"),
                format!("did you mean {:?}?", kind.as_str()),
            );
            return None;
        }
    }
    field.choice(&InputType::ALL)
}

fn parse_letter(field: Field<'_>) -> Option<char> {
    let text = field.text()?;
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(letter), None) if letter.is_ascii_alphabetic() => {
            if LETTERS_OF_EVERY_RUN.contains(&letter) {
                field.mistake(format!("every run has an option -{letter} already"));
                return None;
            }
            Some(letter)
        }
        _ => {
            field.mistake(format!("expected one letter, found {text:?}"));
            None
        }
    }
}

fn parse_variable_name<'a>(field: Field<'a>) -> Option<&'a str> {
    let name = field.filled_text()?;
    let legal = !name.starts_with(|first: char| first.is_ascii_digit())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !legal {
        field.mistake(format!(
            "{name:?} is not the name of an environment variable"
        ));
        return None;
    }
    Some(name)
}

fn read_choices(input: &mut Input, field: Option<Field<'_>>, entry: Field<'_>) {
    let Some(field) = field else {
        if input.kind == InputType::Choice {
            entry.mistakes().push(
                Diagnostic::at(
                    entry.key_place(),
                    format!("input {:?} has no `choices`", input.name),
                )
                .help("write choices = [\"one\", \"other\"]"),
            );
        }
        return;
    };
    if !matches!(input.kind, InputType::Choice | InputType::String) {
        field.key_mistake(format!(
            "an input of type {} has no `choices`",
            input.kind.as_str()
        ));
        return;
    }
    let Some(choices) = field.texts() else { return };
    if choices.is_empty() {
        field.mistake("expected at least one choice");
    }
    for (index, choice) in choices.iter().enumerate() {
        if choices[..index].contains(choice) {
            field.mistake(format!("the choice {choice:?} is given twice"));
        }
    }
    input.choices = choices;
}

fn read_pattern(input: &mut Input, field: Option<Field<'_>>) {
    let Some(field) = field else { return };
    if !inputs::takes_pattern(input.kind) {
        field.key_mistake(format!(
            "an input of type {} has no `pattern`",
            input.kind.as_str()
        ));
        return;
    }
    let Some(pattern) = field.filled_text() else {
        return;
    };
    match inputs::whole_match(pattern) {
        Ok(_) => input.pattern = Some(pattern.to_owned()),
        Err(error) => field.mistake(format!("not a regular expression: {}", last_line(&error))),
    }
}

/// What is wrong with a pattern, in one line; the crate's own message draws it in several.
fn last_line(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "it grows too large".to_owned(),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.trim_start_matches("error: ").to_owned()
        }
    }
}

fn read_bounds(input: &mut Input, min: Option<Field<'_>>, max: Option<Field<'_>>) {
    let least = min.and_then(|field| parse_bound(input, field));
    let greatest = max.and_then(|field| parse_bound(input, field));
    if let (Some(least), Some(greatest), Some(field)) = (&least, &greatest, max)
        && compare(input.kind, least, greatest).is_some_and(Ordering::is_gt)
    {
        field.mistake("`max` is less than `min`");
    }
    input.min = least;
    input.max = greatest;
}

/// A bound has the type of the input; that of a string is a length.
fn parse_bound(input: &Input, field: Field<'_>) -> Option<Value> {
    match input.kind {
        InputType::String | InputType::Secret => field.integer_in(0..=i64::MAX).map(Value::from),
        InputType::Int
        | InputType::Float
        | InputType::Duration
        | InputType::Size
        | InputType::Date => parse_literal(input, field),
        _ => {
            field.key_mistake(format!(
                "an input of type {} has no `{}`",
                input.kind.as_str(),
                field.key()
            ));
            None
        }
    }
}

fn parse_default(input: &Input, field: Field<'_>) -> Option<Value> {
    if input.kind == InputType::Secret {
        field.mistakes().push(
            Diagnostic::at(field.key_place(), "a secret has no `default`")
                .help("read it from `env`, or `ask` for it"),
        );
        return None;
    }
    if !input.many {
        // No file at all, which nobody can type.
        let none =
            input.kind == InputType::Path && field.form() == Form::Text && field.text() == Some("");
        return match none {
            true => Some(Value::from("")),
            false => parse_literal(input, field),
        };
    }
    let items: Vec<_> = field
        .list()?
        .into_iter()
        .map(|item| parse_literal(input, item))
        .collect();
    items.into_iter().collect::<Option<_>>().map(Value::Array)
}

/// A value of the input's type, written as TOML would write it or as a text.
fn parse_literal(input: &Input, field: Field<'_>) -> Option<Value> {
    let text = match (field.form(), input.kind) {
        (Form::Text, _) => field.text()?.to_owned(),
        (
            Form::Integer,
            InputType::Int
            | InputType::Float
            | InputType::Size
            | InputType::Incident
            | InputType::Run,
        ) => field.integer()?.to_string(),
        (Form::Float, InputType::Float) => field.float()?.to_string(),
        (Form::Boolean, InputType::Bool) => field.boolean()?.to_string(),
        (Form::Moment, InputType::Date) => field.moment()?.to_owned(),
        _ => {
            field.expected(inputs::example(input.kind));
            return None;
        }
    };
    match parse_input(input, &text) {
        Ok(value) => Some(value),
        Err(error) => {
            field.mistake(error);
            None
        }
    }
}

fn check_positions(read: &[(Input, Declared<'_>)]) {
    let mut placed: Vec<_> = read
        .iter()
        .filter_map(|(input, declared)| Some((input.position?, input, declared.position?)))
        .collect();
    placed.sort_by_key(|(position, ..)| *position);
    let mut expected = 1;
    for (index, (position, input, field)) in placed.iter().enumerate() {
        if *position < expected {
            field.mistake(format!(
                "position {position} is that of input {:?} already",
                placed[index - 1].1.name
            ));
        } else if *position > expected {
            field.mistake(format!("no input has position {expected}"));
            expected = position + 1;
        } else {
            expected += 1;
        }
        if input.many && index + 1 < placed.len() {
            field.mistake("an input that may be given several times must have the last position");
        }
    }
}

fn check_letters(read: &[(Input, Declared<'_>)]) {
    let mut letters: BTreeMap<char, &str> = BTreeMap::new();
    for (input, declared) in read {
        if let (Some(letter), Some(field)) = (input.short, declared.short)
            && let Some(other) = letters.insert(letter, &input.name)
        {
            field.mistake(format!("-{letter} is that of input {other:?} already"));
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use serde_json::json;

    use crate::book::testing::{mistakes_of, parse};
    use crate::model::InputType;

    const STEP: &str = "[[step]]\nname = 'a'\nhttp.get = '/'\n";

    fn mistakes_of_inputs(inputs: &[&str]) -> String {
        let texts: Vec<String> = inputs
            .iter()
            .map(|input| format!("title = 't'\n{input}\n{STEP}"))
            .collect();
        mistakes_of(texts.iter().map(String::as_str))
    }

    #[test]
    fn reads_every_key_of_an_input() {
        let runbook = parse(&format!(
            r#"
title = "t"
[input.table]
type = "string"
help = "Table to prune"
position = 1
pattern = "[a-z_]+"
min = 2
max = 30
[input.older-than]
type = "duration"
default = "90d"
short = "o"
min = "1h"
max = "1y"
env = "OLDER_THAN"
ask = "How old?"
[input.level]
type = "choice"
choices = ["low", "high"]
default = ["low"]
many = true
[input.since]
type = "date"
default = 2026-01-31
[input.size]
type = "size"
default = "1KiB"
min = 10
[input.rate]
type = "float"
default = 1
{STEP}"#
        ))
        .unwrap();
        let inputs = &runbook.inputs;
        let names: Vec<_> = inputs.iter().map(|input| input.name.as_str()).collect();
        assert_eq!(
            names,
            ["table", "older-than", "level", "since", "size", "rate"]
        );
        assert_eq!(inputs[0].position, Some(1));
        assert_eq!(
            (&inputs[0].min, &inputs[0].max),
            (&Some(json!(2)), &Some(json!(30)))
        );
        assert_eq!(inputs[0].place.to_string(), "db/a.toml:3:1");
        assert_eq!(
            (inputs[1].kind, inputs[1].short),
            (InputType::Duration, Some('o'))
        );
        assert_eq!(inputs[1].env.as_deref(), Some("OLDER_THAN"));
        let defaults: Vec<_> = inputs.iter().map(|input| input.default.clone()).collect();
        assert_eq!(
            defaults,
            [
                None,
                Some(json!("90d")),
                Some(json!(["low"])),
                Some(json!("2026-01-31")),
                Some(json!(1024)),
                Some(json!(1.0)),
            ]
        );
    }

    #[test]
    fn tells_the_mistakes_of_an_input() {
        insta::assert_snapshot!(mistakes_of_inputs(&[
            "[input.a]",
            "[input.A]\ntype = 'int'",
            "[input.input]\ntype = 'int'",
            "[input.timeout]\ntype = 'duration'",
            "[input]\na = 'int'",
            "[input.a-b]\ntype = 'int'\n[input.a_b]\ntype = 'int'",
            "[input.a]\ntype = 'integer'",
            "[input.a]\ntype = 'text'",
            "[input.a]\ntpye = 'int'",
            "[input.a]\ntype = 'int'\nmini = 5",
            "[input.a]\ntype = 'int'\nchoices = ['1']\npattern = '1'",
            "[input.a]\ntype = 'choice'",
            "[input.a]\ntype = 'choice'\nchoices = []",
            "[input.a]\ntype = 'choice'\nchoices = ['x', 'x']",
            "[input.a]\ntype = 'string'\npattern = '(a'",
            "[input.a]\ntype = 'string'\npattern = 'a)(b'",
            "[input.a]\ntype = 'string'\npattern = '\\w{1000}{1000}'",
            "[input.a]\ntype = 'int'\nmin = 5\nmax = 3",
            "[input.a]\ntype = 'bool'\nmin = 5",
            "[input.a]\ntype = 'sql'\nmany = true",
            "[input.a]\ntype = 'duration'\nmax = 5",
            "[input.a]\ntype = 'int'\nshort = 'ab'\nenv = '1A'\nask = ''",
            "[input.a]\ntype = 'int'\nshort = 'v'",
            "[input.a]\ntype = 'int'\nshort = 'x'\n[input.b]\ntype = 'int'\nshort = 'x'",
            "[input.a]\ntype = 'int'\nshort = 'x'\nposition = 1",
        ]));
    }

    #[test]
    fn a_default_is_held_against_its_own_input() {
        insta::assert_snapshot!(mistakes_of_inputs(&[
            "[input.a]\ntype = 'int'\ndefault = 'five'",
            "[input.a]\ntype = 'int'\nmax = 3\ndefault = 5",
            "[input.a]\ntype = 'string'\ndefault = 5",
            "[input.a]\ntype = 'string'\nmin = 3\ndefault = 'ab'",
            "[input.a]\ntype = 'string'\npattern = '[a-z]+'\ndefault = 'a1'",
            "[input.a]\ntype = 'choice'\nchoices = ['low', 'high']\ndefault = 'hihg'",
            "[input.a]\ntype = 'duration'\nmin = '1h'\ndefault = '5m'",
            "[input.a]\ntype = 'size'\nmax = '1MiB'\ndefault = '2MiB'",
            "[input.a]\ntype = 'date'\nmin = 2026-01-01\ndefault = 2025-12-31",
            "[input.a]\ntype = 'date'\ndefault = '31.12.2026'",
            "[input.a]\ntype = 'secret'\ndefault = 'hunter2'",
            "[input.a]\ntype = 'int'\nmany = true\ndefault = 5",
            "[input.a]\ntype = 'int'\nmany = true\ndefault = [1, 'x']",
        ]));
    }

    #[test]
    fn positions_have_no_gaps() {
        insta::assert_snapshot!(mistakes_of_inputs(&[
            "[input.a]\ntype = 'int'\nposition = 0",
            "[input.a]\ntype = 'int'\nposition = 2",
            "[input.a]\ntype = 'int'\nposition = 1\n[input.b]\ntype = 'int'\nposition = 1",
            "[input.a]\ntype = 'int'\nposition = 1\n[input.b]\ntype = 'int'\nposition = 3",
            "[input.a]\ntype = 'int'\nposition = 1\nmany = true\n[input.b]\ntype = 'int'\nposition = 2",
        ]));
    }
}
