//! `opsbook runs show`: the steps of a run.

use clap::{ArgMatches, Args, Command};
use serde_json::Value;

use crate::app::{App, AppError};
use crate::base::RunId;
use crate::base::exit::ExitCode;
use crate::base::text::one_line;
use crate::event::Summary;

use super::{Verb, verbs};

pub(super) const VERB: Verb = Verb {
    name: "show",
    command,
    run,
};

/// Show the steps of a run
#[derive(Debug, Args)]
struct Arguments {
    /// The number of the run
    #[arg(value_parser = super::number)]
    run: RunId,
}

fn command() -> Command {
    Arguments::augment_args(Command::new(VERB.name))
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let arguments: Arguments = verbs::arguments(matches)?;
    let events = app.events_of(arguments.run)?;
    if app.settings().format.is_for_people() {
        app.print_text(&heading(&Summary::of(&events)))?;
    }
    app.print_run(&events)?;
    Ok(ExitCode::Ok)
}

/// Who ran what, when and how: what the run itself did not print, for its caller knew it.
pub(in crate::cli) fn heading(summary: &Summary) -> String {
    let Some(start) = &summary.start else {
        return String::new();
    };
    let input = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    };
    let inputs: Vec<String> = start.inputs.iter().map(input).collect();
    let began = summary
        .started_at
        .map(|at| at.format("%Y-%m-%d %H:%M:%SZ").to_string())
        .unwrap_or_default();
    let facts = [
        (
            "runbook",
            format!("{}: {}", start.runbook.replace('/', " "), start.title),
        ),
        ("began", began),
        (
            "by",
            format!("{}@{}, process {}", start.user, start.host, start.pid),
        ),
        ("environment", start.environment.clone().unwrap_or_default()),
        ("reason", start.reason.clone().unwrap_or_default()),
        ("incident", start.incident.clone().unwrap_or_default()),
        ("inputs", inputs.join(" ")),
        (
            "file",
            format!(
                "{} ({})",
                start.file,
                start.digest.get(..12).unwrap_or_default()
            ),
        ),
    ];
    let lines = facts.iter().filter(|(_, fact)| !fact.is_empty());
    lines
        .map(|(name, fact)| format!(" {name:<13}{}\n", one_line(fact)))
        .collect::<String>()
        + "\n"
}
