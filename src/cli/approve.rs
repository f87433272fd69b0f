//! `opsbook approve`: lets a run go on that waits for a second person.

use clap::{ArgMatches, Args, Command};
use serde_json::json;

use crate::app::{App, AppError, Listing};
use crate::base::RunId;
use crate::base::exit::ExitCode;
use crate::event::Summary;

use super::options;
use super::runs;
use super::verbs::{self, Verb};

pub(super) const VERB: Verb = Verb {
    name: "approve",
    command,
    run,
};

/// Agree to what a run of somebody else will do
#[derive(Debug, Args)]
struct Arguments {
    /// The number of the run
    #[arg(value_parser = runs::number)]
    run: RunId,
}

fn command() -> Command {
    Arguments::augment_args(Command::new(VERB.name))
        .arg(options::reason("Why, for the journal"))
        .arg(options::yes())
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let arguments: Arguments = verbs::arguments(matches)?;
    let reason = options::given_reason(matches, app.environment())?;
    let yes = options::agreed(matches, app.environment())?;
    let summary = Summary::of(&app.awaiting_approval(arguments.run)?);
    if app.settings().format.is_for_people() {
        app.print_text(&runs::heading(&summary))?;
    }
    app.print_listing(&steps(&summary))?;
    app.approve(arguments.run, reason, yes)?;
    Ok(ExitCode::Ok)
}

/// What each step may do.
fn steps(summary: &Summary) -> Listing {
    let mut listing = Listing::new(&["step", "action", "effect"], "it has no steps");
    for line in &summary.steps {
        let cells = vec![
            line.step.to_string(),
            line.action.clone(),
            line.effect.to_string(),
        ];
        let item = json!({ "step": line.step, "action": line.action, "effect": line.effect });
        listing.push(cells, item);
    }
    listing
}
