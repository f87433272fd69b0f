//! `opsbook runs prune`: takes runs out of the journal that ended long ago.

use clap::{ArgMatches, Args, Command};
use serde_json::json;

use crate::app::{App, AppError};
use crate::base::Span;
use crate::base::exit::ExitCode;
use crate::base::text::count;

use super::super::options;
use super::{Verb, verbs};

pub(super) const VERB: Verb = Verb {
    name: "prune",
    command,
    run,
};

/// Take runs out of the journal that ended long ago; those that may be resumed are kept
#[derive(Debug, Args)]
struct Arguments {
    /// How long ago: 90d; the `retention` of the configuration unless given
    #[arg(long, value_name = "DURATION")]
    older_than: Option<Span>,
    /// Only count them
    #[arg(long)]
    dry_run: bool,
}

fn command() -> Command {
    Arguments::augment_args(Command::new(VERB.name)).arg(options::yes())
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let arguments: Arguments = verbs::arguments(matches)?;
    let yes = options::agreed(matches, app.environment())?;
    let pruned = app.prune_journal(arguments.older_than, arguments.dry_run, yes)?;
    if !app.settings().format.is_for_people() {
        app.print_json(&json!({
            "dry": arguments.dry_run,
            "runs": pruned.runs,
            "events": pruned.events,
            "kept": pruned.kept,
            "head": pruned.head.map(|head| head.to_string()),
        }))?;
        return Ok(ExitCode::Ok);
    }
    let number =
        |number: u64, what: &str| count(usize::try_from(number).unwrap_or(usize::MAX), what);
    let done = match (arguments.dry_run, pruned.runs) {
        (_, 0) => "nothing to take out".to_owned(),
        (true, runs) => format!(
            "{} would be taken out, with {}",
            number(runs, "run"),
            number(pruned.events, "event")
        ),
        (false, runs) => format!(
            "{} taken out, with {}",
            number(runs, "run"),
            number(pruned.events, "event")
        ),
    };
    let mut lines = vec![done];
    if !pruned.kept.is_empty() {
        let kept: Vec<String> = pruned.kept.iter().map(ToString::to_string).collect();
        lines.push(format!(
            "{} of that age kept, because they may be resumed: {}",
            count(kept.len(), "run"),
            kept.join(", ")
        ));
    }
    if let Some(head) = pruned.head {
        lines.push(format!("head    {head}"));
    }
    app.print_text(&(lines.join("\n") + "\n"))?;
    Ok(ExitCode::Ok)
}
