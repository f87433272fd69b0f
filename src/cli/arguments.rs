//! The inputs of a runbook as arguments of its command, and back.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, ValueHint};
use serde_json::Value;

use crate::app::{AppError, Environment, SecretArgument, read_statement};
use crate::base::text::one_line;
use crate::book::{self, EstateNames};
use crate::model::{Input, InputType, Runbook};

use super::candidates;

fn positional(runbook: &Runbook) -> Vec<&Input> {
    let mut inputs: Vec<&Input> = runbook
        .inputs
        .iter()
        .filter(|input| input.position.is_some())
        .collect();
    inputs.sort_by_key(|input| input.position);
    inputs
}

/// The inputs as arguments. The parser of runbooks has seen to it that their names, letters and places fit together.
pub(super) fn arguments(runbook: &Runbook, environment: &Environment) -> Vec<Arg> {
    // Clap wants what is required before what is not.
    let optional_from = positional(runbook)
        .iter()
        .position(|input| !must_be_given(input, environment));
    runbook
        .inputs
        .iter()
        .map(|input| {
            let behind_optional = input
                .position
                .is_some_and(|position| optional_from.is_some_and(|from| position > from));
            argument(input).required(must_be_given(input, environment) && !behind_optional)
        })
        .collect()
}

/// The same arguments, each knowing what completes it.
pub(super) fn completed(arguments: Vec<Arg>, runbook: &Runbook, names: &EstateNames) -> Vec<Arg> {
    let complete = |(argument, input): (Arg, &Input)| {
        let candidates = candidates::of(input, names);
        match candidates.is_empty() {
            true => argument,
            false => argument.add(candidates::words(candidates)),
        }
    };
    arguments
        .into_iter()
        .zip(&runbook.inputs)
        .map(complete)
        .collect()
}

/// Whether the command line is the only place that the value can come from.
fn must_be_given(input: &Input, environment: &Environment) -> bool {
    let in_environment = input
        .env
        .as_ref()
        .is_some_and(|name| environment.variable(name).is_some());
    let asked = input.ask.is_some() || input.kind == InputType::Secret;
    input.default.is_none() && !asked && !in_environment
}

/// What clap calls the argument: a positional one may have the name of an option.
fn id(input: &Input) -> String {
    format!("input {}", input.name)
}

fn argument(input: &Input) -> Arg {
    let argument = Arg::new(id(input))
        .help(one_line(&help(input)))
        .value_name(value_name(input));
    let argument = match input.position {
        Some(position) => argument.index(position),
        None => argument.long(input.name.clone()),
    };
    let argument = match input.short {
        Some(letter) if input.position.is_none() => argument.short(letter),
        Some(_) | None => argument,
    };
    let argument = match (input.many, input.position) {
        (true, Some(_)) => argument.action(ArgAction::Append).num_args(1..),
        (true, None) => argument.action(ArgAction::Append),
        (false, None) if input.kind == InputType::Bool => argument
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        (false, _) => argument,
    };
    let argument = match input.kind {
        InputType::Int | InputType::Float => argument.allow_negative_numbers(true),
        InputType::Path => argument.value_hint(ValueHint::AnyPath),
        InputType::Sql => argument.value_hint(ValueHint::Other),
        InputType::Secret => argument.value_hint(ValueHint::FilePath),
        _ => argument,
    };
    argument.value_parser(parser(input))
}

/// A value is read as one from the environment or a default would be, so that its errors read the same.
fn parser(input: &Input) -> ValueParser {
    let input = input.clone();
    if input.kind == InputType::Secret {
        return ValueParser::from(|text: &str| Ok::<_, Infallible>(SecretArgument::from(text)));
    }
    ValueParser::from(move |text: &str| book::parse_input(&input, text).map(|_| text.to_owned()))
}

fn value_name(input: &Input) -> String {
    match input.kind {
        InputType::Choice => input.choices.join("|"),
        InputType::Secret => "@FILE|-".to_owned(),
        InputType::Sql => "SQL|@FILE|-".to_owned(),
        _ if input.position.is_some() => input.name.to_uppercase(),
        kind => kind.as_str().to_uppercase(),
    }
}

/// What the input is for and what it takes, in one line.
fn help(input: &Input) -> String {
    let mut notes = Vec::new();
    if let Some(default) = &input.default {
        notes.push(format!("default: {}", plain(default)));
    }
    if !input.choices.is_empty() && input.kind != InputType::Choice {
        notes.push(format!("one of: {}", input.choices.join(", ")));
    }
    if let Some(pattern) = &input.pattern {
        notes.push(format!("pattern: {pattern}"));
    }
    if let Some(least) = &input.min {
        notes.push(format!("at least: {}", plain(least)));
    }
    if let Some(greatest) = &input.max {
        notes.push(format!("at most: {}", plain(greatest)));
    }
    if let Some(variable) = &input.env {
        notes.push(format!("env: {variable}"));
    }
    if input.many {
        notes.push("may be given several times".to_owned());
    }
    let mut line = input.help.clone().unwrap_or_default();
    if input.position.is_some() && !matches!(input.kind, InputType::String | InputType::Sql) {
        notes.insert(0, input.kind.as_str().to_owned());
    }
    for note in notes {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&format!("[{note}]"));
    }
    line
}

/// A value as it would be typed.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// The inputs that the caller gave, as texts by their names as written in the runbook.
///
/// # Errors
/// When a secret was typed, or its file cannot be read.
pub(super) fn given(
    runbook: &Runbook,
    matches: &ArgMatches,
) -> Result<BTreeMap<String, Vec<String>>, AppError> {
    let mut given = BTreeMap::new();
    for input in &runbook.inputs {
        let texts: Vec<String> = if input.kind == InputType::Secret {
            let sources = matches
                .get_many::<SecretArgument>(&id(input))
                .unwrap_or_default();
            sources
                .map(|source| source.read(&input.name))
                .collect::<Result<_, _>>()?
        } else {
            matches
                .get_many::<String>(&id(input))
                .unwrap_or_default()
                .map(|text| match input.kind {
                    InputType::Sql => read_statement(&input.name, text),
                    _ => Ok(text.clone()),
                })
                .collect::<Result<_, _>>()?
        };
        if !texts.is_empty() {
            given.insert(input.name.clone(), texts);
        }
    }
    Ok(given)
}

/// The same with typed paths from the folder that the caller is in; what a runbook says of itself begins at the folder of the
/// configuration. A lone `-` is no path.
pub(super) fn from_here(
    runbook: &Runbook,
    mut given: BTreeMap<String, Vec<String>>,
    environment: &Environment,
) -> BTreeMap<String, Vec<String>> {
    for input in runbook
        .inputs
        .iter()
        .filter(|input| input.kind == InputType::Path)
    {
        for text in given.get_mut(&input.name).into_iter().flatten() {
            // What is wrong with an empty one is told where it is read.
            if !matches!(text.as_str(), "-" | "") {
                *text = environment.absolute(Path::new(text)).display().to_string();
            }
        }
    }
    given
}
