//! `opsbook runs export`: events as lines of JSON that prove themselves.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::{ArgGroup, ArgMatches, Args, Command};

use crate::app::{App, AppError, Exported};
use crate::base::exit::ExitCode;
use crate::base::{RunId, Span};

use super::{Verb, verbs};

pub(super) const VERB: Verb = Verb {
    name: "export",
    command,
    run,
};

/// Print events as JSON, one a line, each with its hash, and the texts that they refer to
#[derive(Debug, Args)]
struct Arguments {
    /// The number of the run
    #[arg(value_parser = super::number)]
    run: Option<RunId>,
    /// Everything that happened since: a duration (30d), a date or a moment
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Since>,
    /// The whole journal
    #[arg(long)]
    all: bool,
}

/// When an export begins.
#[derive(Clone, Copy, Debug)]
enum Since {
    Ago(Span),
    At(DateTime<Utc>),
}

fn moment(text: &str) -> Result<Since, String> {
    if let Ok(span) = text.parse() {
        return Ok(Since::Ago(span));
    }
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(Since::At(day.and_time(NaiveTime::MIN).and_utc()));
    }
    DateTime::parse_from_rfc3339(text)
        .map(|at| Since::At(at.to_utc()))
        .map_err(|_| format!("{text:?} is neither a duration (30d), a date (2026-11-20) nor a moment (2026-11-20T03:00:00Z)"))
}

fn command() -> Command {
    Arguments::augment_args(Command::new(VERB.name)).group(
        ArgGroup::new("what")
            .args(["run", "since", "all"])
            .required(true),
    )
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let arguments: Arguments = verbs::arguments(matches)?;
    let wish = match (arguments.run, arguments.since) {
        (Some(run), _) => Exported::Run(run),
        (None, Some(Since::At(at))) => Exported::Since(at),
        (None, Some(Since::Ago(age))) => Exported::Since(app.ago(age)?),
        (None, None) => Exported::All,
    };
    app.export_journal(wish)?;
    Ok(ExitCode::Ok)
}
