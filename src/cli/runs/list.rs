//! `opsbook runs list`: the newest runs first.

use clap::{ArgMatches, Args, Command};
use serde_json::json;

use crate::app::{App, AppError, Listing, RunRow};
use crate::base::CommandPath;
use crate::base::exit::ExitCode;
use crate::base::text::took;

use super::{Verb, verbs};

pub(super) const VERB: Verb = Verb {
    name: "list",
    command,
    run,
};

/// List the runs, the newest first
#[derive(Debug, Args)]
struct Arguments {
    /// How many at most
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    /// Only those of this runbook: db/vacuum
    #[arg(long, value_name = "PATH", value_parser = CommandPath::parse)]
    runbook: Option<CommandPath>,
}

fn command() -> Command {
    Arguments::augment_args(Command::new(VERB.name))
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let arguments: Arguments = verbs::arguments(matches)?;
    let runbook = arguments.runbook.map(|path| path.to_string());
    let rows = app.runs(arguments.limit, runbook.as_deref())?;
    let mut listing = Listing::new(
        &["run", "when", "runbook", "verdict", "took", "reason"],
        "nothing was run yet",
    );
    for row in &rows {
        listing.push(cells(row), item(row));
    }
    app.print_listing(&listing)?;
    Ok(ExitCode::Ok)
}

fn cells(row: &RunRow) -> Vec<String> {
    let verdict = row
        .verdict
        .map_or("not finished", |verdict| verdict.as_str());
    vec![
        row.run.to_string(),
        row.started_at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
        CommandPath::parse(&row.runbook).map_or_else(|_| row.runbook.clone(), |path| path.typed()),
        if row.dry {
            format!("{verdict} (dry)")
        } else {
            verdict.to_owned()
        },
        row.took_ms.map_or_else(|| "–".to_owned(), took),
        row.reason.clone(),
    ]
}

fn item(row: &RunRow) -> serde_json::Value {
    json!({
        "run": row.run,
        "started_at": row.started_at,
        "runbook": row.runbook,
        "verdict": row.verdict,
        "exit": row.exit,
        "took_ms": row.took_ms,
        "user": row.user,
        "reason": row.reason,
        "dry": row.dry,
    })
}
