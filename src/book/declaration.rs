//! Reads `[input.*]`: what a runbook asks of its caller. What callers then give is read by `inputs`.

use serde_json::Value;

use crate::base::Diagnostic;
use crate::model::{Input, InputType};

use super::inputs::{self, compare, parse_input};
use super::names::variable;
use super::reader::{Field, Form, TableReader};

/// Options that every run has: an input that is an option cannot have such a name.
const OPTIONS_OF_EVERY_RUN: [&str; 22] = [
    "dry-run",
    "read-only",
    "yes",
    "confirm",
    "reason",
    "fail-on",
    "watch",
    "timeout",
    "incident",
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

/// Reads the table of inputs.
pub(super) fn parse_inputs(field: Field<'_>) -> Option<Vec<Input>> {
    let mut read: Vec<(Input, Declared<'_>)> = Vec::new();
    for entry in field.table("`input`")?.entries() {
        if !check_name(entry) {
            continue;
        }
        let Some(table) = entry.table(format!("input {:?}", entry.key())) else {
            continue;
        };
        if let Some((input, declared)) = parse_declaration(entry, table) {
            if let Some((first, _)) = read
                .iter()
                .find(|(first, _)| first.variable() == input.variable())
            {
                entry.key_mistake(format!(
                    "inside expressions this is `{}`, as the input {:?} is",
                    input.variable(),
                    first.name
                ));
            }
            read.push((input, declared));
        }
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
    let types: Vec<(&str, InputType)> = InputType::ALL.to_vec();
    let kind = table
        .required("type")
        .and_then(|field| field.choice(&types));
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
    read_choices(&mut input, choices, entry);
    read_pattern(&mut input, pattern);
    read_bounds(&mut input, min, max);
    if entry.mistakes().len() == before {
        input.default = default.and_then(|field| parse_default(&input, field));
    }
    let declared = Declared { position, short };
    Some((input, declared))
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

fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

fn read_bounds(input: &mut Input, min: Option<Field<'_>>, max: Option<Field<'_>>) {
    input.min = min.and_then(|field| parse_bound(input, field));
    input.max = max.and_then(|field| parse_bound(input, field));
    if let (Some(least), Some(greatest), Some(field)) = (&input.min, &input.max, max)
        && compare(input.kind, least, greatest).is_some_and(std::cmp::Ordering::is_gt)
    {
        field.mistake("`max` is less than `min`");
    }
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
        return parse_literal(input, field);
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
    for (index, (input, declared)) in read.iter().enumerate() {
        let earlier = read[..index]
            .iter()
            .find(|(other, _)| input.short.is_some() && other.short == input.short);
        if let (Some((other, _)), Some(field)) = (earlier, declared.short) {
            field.mistake(format!(
                "-{} is that of input {:?} already",
                input.short.unwrap_or_default(),
                other.name
            ));
        }
    }
}
