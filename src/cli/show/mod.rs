//! `opsbook show`: what a runbook asks, does and can find, before it is run.

mod input;
mod step;

use std::sync::Arc;

use clap::{ArgMatches, Args, Command};
use serde_json::{Value, json};

use crate::app::{App, AppError, Listing};
use crate::base::exit::ExitCode;
use crate::base::text::{neutral, thousands};
use crate::base::{CommandPath, nearest};
use crate::book::Children;
use crate::config::Config;
use crate::model::{Approval, Runbook};
use crate::plan::{Asked, effect_of_call, effect_of_runbook, effect_of_step};

use super::selection::{self, is_file};
use super::verbs::{self, Verb};

pub(super) const VERB: Verb = Verb {
    name: "show",
    command,
    run,
};

/// Show what a runbook asks, does and can find
#[derive(Debug, Args)]
struct Arguments {
    /// Its path or file: db vacuum, db/vacuum or ./vacuum.toml
    #[arg(required = true)]
    path: Vec<String>,
}

fn command() -> Command {
    Arguments::augment_args(Command::new(VERB.name))
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let arguments: Arguments = verbs::arguments(matches)?;
    let runbook = find(&arguments.path, app)?;
    let config = app.config()?;
    let children = app.children(&runbook)?;
    if app.settings().format.is_for_people() {
        show(&runbook, &config, &children, app)?;
    } else {
        app.print_json(&description(&runbook, &config, &children))?;
    }
    Ok(ExitCode::Ok)
}

/// The runbook that some words name.
///
/// # Errors
/// When there is none, or it is wrong.
pub(super) fn find(words: &[String], app: &App) -> Result<Arc<Runbook>, AppError> {
    let library = app.library();
    if let [file] = words
        && is_file(file)
    {
        return selection::open(file, library);
    }
    let path =
        CommandPath::parse(&words.join("/")).map_err(|error| AppError::usage(error.to_string()))?;
    if let Some(runbook) = library.find(&path)? {
        return Ok(runbook);
    }
    let error = AppError::usage(format!("there is no runbook {path}"));
    let paths: Vec<String> = library
        .all()
        .iter()
        .map(|(path, _)| path.to_string())
        .collect();
    Err(
        match nearest(&path.to_string(), paths.iter().map(String::as_str)) {
            Some(meant) => error.hint(format!("did you mean {meant}?")),
            None => error.hint("`opsbook list` shows them all"),
        },
    )
}

fn show(
    runbook: &Runbook,
    config: &Config,
    children: &Children,
    app: &App,
) -> Result<(), AppError> {
    app.print_text(&heading(runbook, config, children))?;
    let tables = [
        ("Inputs", inputs(runbook)),
        ("Steps", steps(runbook, config, children)),
        ("Findings", findings(runbook)),
    ];
    for (title, table) in tables {
        if !table.is_empty() {
            app.print_text(&format!("\n{title}\n"))?;
            app.print_listing(&table)?;
        }
    }
    Ok(())
}

fn heading(runbook: &Runbook, config: &Config, children: &Children) -> String {
    let effect = effect_of_runbook(runbook, config, children);
    let mut lines = vec![format!("{}: {}", runbook.path.typed(), runbook.title)];
    if let Some(description) = &runbook.description {
        lines.push(description.trim().to_owned());
    }
    let symptoms = runbook.symptoms.join("; ");
    let tags = runbook.tags.join(", ");
    let file = runbook.source.path().display().to_string();
    let approved = runbook.approved.as_ref().map(approval).unwrap_or_default();
    let policy = policy(runbook, config, children);
    let facts = [
        ("file", file.as_str()),
        ("effect", effect.as_str()),
        ("severity", runbook.severity.as_str()),
        ("owner", runbook.owner.as_deref().unwrap_or_default()),
        ("symptoms", &symptoms),
        ("tags", &tags),
        (
            "lock",
            runbook.lock.as_ref().map_or("", |lock| lock.text.as_str()),
        ),
        ("window", runbook.window.as_deref().unwrap_or_default()),
        ("approved", &approved),
        ("policy", &policy),
    ];
    lines.push(String::new());
    lines.extend(
        facts
            .iter()
            .filter(|(_, fact)| !fact.is_empty())
            .map(|(name, fact)| format!("{name:<10}{fact}")),
    );
    lines.push(String::new());
    neutral(&lines.join("\n"))
}

/// What a standing approval is for.
fn approval(approval: &Approval) -> String {
    let rows = approval
        .rows
        .map(|rows| format!("{} rows", thousands(rows)));
    let steps = match approval.steps.as_slice() {
        [] => "every destroy".to_owned(),
        steps => steps.join(", "),
    };
    match rows {
        Some(rows) => format!("{steps}, at most {rows} in all"),
        None => steps,
    }
}

/// What must be so before it runs; nothing where nothing must.
fn policy(runbook: &Runbook, config: &Config, children: &Children) -> String {
    let asked = Asked::of(runbook, config, children);
    let whose = config.policy_in_words();
    if asked.demands.deny {
        return format!("denied ({whose})");
    }
    match asked.needs().as_slice() {
        [] => String::new(),
        needs => format!("needs {} ({whose})", needs.join(", ")),
    }
}

fn inputs(runbook: &Runbook) -> Listing {
    let mut listing = Listing::new(&["input", "type", "limits", "default", "for"], "");
    for input in &runbook.inputs {
        let default = input
            .default
            .as_ref()
            .map_or_else(|| "–".to_owned(), |value| input::text(input, value));
        let cells = vec![
            input.name.clone(),
            input.kind.as_str().to_owned(),
            input::limits(input),
            default,
            input.help.clone().unwrap_or_default(),
        ];
        listing.push(cells, Value::Null);
    }
    listing
}

fn steps(runbook: &Runbook, config: &Config, children: &Children) -> Listing {
    let mut listing = Listing::new(&["step", "action", "effect", "runs"], "");
    for step in runbook.all_steps() {
        let undone = step.undo.as_ref().map(|undo| {
            let effect = effect_of_call(undo, config, children);
            format!("undone by {}, which may {effect}", undo.name())
        });
        let mut phrases = step::phrases(step, runbook).into_iter().chain(undone);
        let cells = vec![
            step.name.clone(),
            step.call.name(),
            effect_of_step(step, config, children).to_string(),
            phrases.next().unwrap_or_default(),
        ];
        listing.push(cells, Value::Null);
        // One below the other: of several in one line a narrow terminal would show the first alone.
        for phrase in phrases {
            let nothing = String::new;
            listing.push(vec![nothing(), nothing(), nothing(), phrase], Value::Null);
        }
    }
    listing
}

fn findings(runbook: &Runbook) -> Listing {
    let mut listing = Listing::new(&["severity", "cause", "when", "remedy"], "");
    for finding in &runbook.findings {
        let remedy = finding
            .remedy
            .as_ref()
            .map(|remedy| format!("opsbook {}", remedy.text))
            .unwrap_or_default();
        let cells = vec![
            finding.severity.to_string(),
            finding.cause.text.clone(),
            finding.when.text.clone(),
            remedy,
        ];
        listing.push(cells, Value::Null);
    }
    listing
}

fn description(runbook: &Runbook, config: &Config, children: &Children) -> Value {
    let inputs: Vec<Value> = runbook
        .inputs
        .iter()
        .map(|input| {
            json!({
                "name": input.name, "type": input.kind.as_str(), "help": input.help, "default": input.default,
                "position": input.position, "choices": input.choices, "many": input.many, "env": input.env,
                "pattern": input.pattern, "min": input.min, "max": input.max,
            })
        })
        .collect();
    let step = |step: &crate::model::Step| {
        let mut told = step::fields(step, runbook);
        told["name"] = step.name.as_str().into();
        told["action"] = step.call.name().into();
        told["effect"] = effect_of_step(step, config, children).as_str().into();
        told["undo"] = json!(step.undo.as_ref().map(|undo| json!({
            "action": undo.name(),
            "effect": effect_of_call(undo, config, children).as_str(),
        })));
        told
    };
    let asked = Asked::of(runbook, config, children);
    let findings: Vec<Value> = runbook
        .findings
        .iter()
        .map(|finding| {
            json!({
                "severity": finding.severity, "cause": finding.cause.text, "when": finding.when.text,
                "remedy": finding.remedy.as_ref().map(|remedy| &remedy.text),
            })
        })
        .collect();
    json!({
        "path": runbook.path.to_string(),
        "title": runbook.title,
        "description": runbook.description,
        "file": runbook.source.path().display().to_string(),
        "effect": effect_of_runbook(runbook, config, children),
        "severity": runbook.severity,
        "owner": runbook.owner,
        "symptoms": runbook.symptoms,
        "tags": runbook.tags,
        "lock": runbook.lock.as_ref().map(|lock| &lock.text),
        "window": runbook.window,
        "approved": runbook.approved.as_ref().map(|approval| json!({ "rows": approval.rows, "steps": approval.steps })),
        "denied": asked.demands.deny,
        "needs": asked.needs(),
        "inputs": inputs,
        "steps": runbook.steps.iter().map(step).collect::<Vec<_>>(),
        "finally": runbook.finally.iter().map(step).collect::<Vec<_>>(),
        "findings": findings,
    })
}
