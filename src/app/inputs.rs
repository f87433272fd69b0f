//! The values of a runbook's inputs: what the caller gave, the environment, the defaults, and then whom one can ask.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::base::text::count;
use crate::book::{EstateNames, MissingInput, Resolved, parse_given, resolve_inputs};
use crate::config::Config;
use crate::engine::{Prompt, PromptError};
use crate::model::{Input, InputType, Runbook};

use super::{App, AppError};

/// What the caller gave, as texts by the name of the input.
pub(super) type Given = BTreeMap<String, Vec<String>>;

/// Comes to a value for every input of a run that goes on: the same, but for how they are given.
///
/// # Errors
/// When one is wrong or missing: what to type.
pub(super) async fn gather_again(
    runbook: &Runbook,
    given: Given,
    config: &Config,
    app: &App,
    prompt: &dyn Prompt,
) -> Result<Map<String, Value>, AppError> {
    let typed = |input: &Input| match input.kind {
        InputType::Secret => format!("--input {}=@FILE", input.name),
        _ => format!("--input {}=VALUE", input.name),
    };
    finished(
        resolved(runbook, given, config, app, prompt).await?,
        |missing| {
            let input = runbook
                .inputs
                .iter()
                .find(|input| input.name == missing.name);
            input.map_or_else(|| missing.typed.clone(), typed)
        },
    )
}

/// Comes to a value for every input.
///
/// # Errors
/// When one is wrong or missing: what to type.
pub(super) async fn gather(
    runbook: &Runbook,
    given: Given,
    config: &Config,
    app: &App,
    prompt: &dyn Prompt,
) -> Result<Map<String, Value>, AppError> {
    let resolved = resolved(runbook, given, config, app, prompt).await?;
    finished(resolved, |missing| how_to_give(runbook, missing))
}

/// What the inputs come to, once a person was asked for those that are missing.
async fn resolved(
    runbook: &Runbook,
    mut given: Given,
    config: &Config,
    app: &App,
    prompt: &dyn Prompt,
) -> Result<Resolved, AppError> {
    let environment = app.environment();
    let names = config.names();
    let variable = |name: &str| environment.variable(name).map(str::to_owned);
    let resolve = |given: &Given| resolve_inputs(&runbook.inputs, given, &variable, &names);
    let mut resolved = resolve(&given);
    if resolved.mistakes.is_empty() && environment.can_ask() {
        for missing in &resolved.missing {
            if let Some(input) = runbook
                .inputs
                .iter()
                .find(|input| input.name == missing.name)
                && let Some(question) = question(input)
            {
                given.insert(
                    input.name.clone(),
                    ask(input, &question, &names, app, prompt).await?,
                );
            }
        }
        resolved = resolve(&given);
    }
    Ok(resolved)
}

/// What to ask a person for, where the author foresaw it. A secret can come by no other way.
fn question(input: &Input) -> Option<String> {
    let asked = input.ask.clone();
    if input.kind == InputType::Secret {
        return asked.or_else(|| Some(input.help.clone().unwrap_or_else(|| input.name.clone())));
    }
    asked
}

/// Asks until the answer can be taken.
async fn ask(
    input: &Input,
    question: &str,
    names: &EstateNames,
    app: &App,
    prompt: &dyn Prompt,
) -> Result<Vec<String>, AppError> {
    let hidden = input.kind == InputType::Secret;
    loop {
        let answer = prompt
            .text(question, None, hidden)
            .await
            .map_err(|error| match error {
                PromptError::Interrupted => AppError::interrupted(),
                other => AppError::usage(format!("{}: {other}", input.name)),
            })?;
        let texts: Vec<String> = match input.many {
            true => answer
                .split(',')
                .map(|part| part.trim().to_owned())
                .collect(),
            false => vec![answer],
        };
        match parse_given(input, &texts, names) {
            Ok(_) => return Ok(texts),
            Err(reason) => app.tell(&reason),
        }
    }
}

fn finished(
    resolved: Resolved,
    typed: impl Fn(&MissingInput) -> String,
) -> Result<Map<String, Value>, AppError> {
    if !resolved.mistakes.is_empty() {
        let mistakes: Vec<String> = resolved.mistakes.iter().map(ToString::to_string).collect();
        return Err(AppError::usage(mistakes.join("\n  ")));
    }
    if resolved.missing.is_empty() {
        return Ok(resolved.values);
    }
    let verb = if resolved.missing.len() == 1 {
        "is"
    } else {
        "are"
    };
    let typed: Vec<String> = resolved.missing.iter().map(typed).collect();
    let message = format!("{} {verb} missing", count(typed.len(), "input"));
    Err(AppError::usage(message).hint(format!("add {}", typed.join(" "))))
}

fn how_to_give(runbook: &Runbook, missing: &MissingInput) -> String {
    let input = runbook
        .inputs
        .iter()
        .find(|input| input.name == missing.name);
    match input {
        Some(Input {
            kind: InputType::Secret,
            name,
            env,
            ..
        }) => match env {
            Some(variable) => format!("--{name} @FILE (or set {variable})"),
            None => format!("--{name} @FILE"),
        },
        Some(Input {
            env: Some(variable),
            ..
        }) => format!("{} (or set {variable})", missing.typed),
        Some(_) | None => missing.typed.clone(),
    }
}
