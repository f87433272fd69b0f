//! `opsbook locks`: who holds which lock; `opsbook locks release` for a holder that cannot give it back.

use clap::{ArgMatches, Args, Command};
use serde_json::json;

use crate::app::{App, AppError, HeldLock, Listing};
use crate::base::Liveness;
use crate::base::exit::ExitCode;

use super::options;
use super::verbs::{self, Verb};

pub(super) const VERB: Verb = Verb {
    name: "locks",
    command,
    run,
};

const RELEASE: &str = "release";

/// Release a lock whose holder is gone: on a machine that is lost, or cannot be seen from here
#[derive(Debug, Args)]
struct Arguments {
    /// The lock, as `opsbook locks` shows it
    name: String,
}

fn command() -> Command {
    let release = Arguments::augment_args(Command::new(RELEASE)).arg(options::yes());
    Command::new(VERB.name)
        .about("Show who holds which lock")
        .disable_help_subcommand(true)
        .subcommand(release)
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    match matches.subcommand() {
        Some((_, below)) => {
            let arguments: Arguments = verbs::arguments(below)?;
            let yes = options::agreed(below, app.environment())?;
            app.release_lock(&arguments.name, yes)?;
        }
        None => list(app)?,
    }
    Ok(ExitCode::Ok)
}

fn list(app: &App) -> Result<(), AppError> {
    let mut listing = Listing::new(
        &["lock", "run", "runbook", "by", "pid", "since", "holder"],
        "no lock is held",
    );
    for held in app.locks()? {
        listing.push(cells(&held), item(&held));
    }
    app.print_listing(&listing)
}

fn cells(held: &HeldLock) -> Vec<String> {
    let holder = &held.holder;
    vec![
        held.lock.clone(),
        holder.run.to_string(),
        holder.runbook.clone(),
        format!("{}@{}", holder.user, holder.host),
        holder.process.pid.to_string(),
        holder.since.format("%Y-%m-%d %H:%M:%SZ").to_string(),
        word(held.liveness).to_owned(),
    ]
}

fn item(held: &HeldLock) -> serde_json::Value {
    let holder = &held.holder;
    json!({
        "lock": held.lock,
        "run": holder.run,
        "runbook": holder.runbook,
        "user": holder.user,
        "host": holder.host,
        "pid": holder.process.pid,
        "since": holder.since,
        "holder": word(held.liveness),
    })
}

const fn word(liveness: Liveness) -> &'static str {
    match liveness {
        Liveness::Alive => "alive",
        Liveness::Dead => "dead",
        Liveness::Unknown => "unknown",
    }
}
