//! `opsbook schema`: the JSON Schemas of what opsbook reads, for editors, and of what it prints, for programs.

use clap::{ArgMatches, Args, Command, ValueEnum};

use crate::app::{App, AppError, EVENT_SCHEMA, RUN_SCHEMA};
use crate::base::exit::ExitCode;
use crate::{book, config};

use super::verbs::{self, Verb};

pub(super) const VERB: Verb = Verb {
    name: "schema",
    command,
    run,
};

/// Print the JSON Schema of a kind of file or of a kind of output
#[derive(Debug, Args)]
struct Arguments {
    /// Of what
    #[arg(value_enum, default_value = "runbook")]
    of: Schema,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Schema {
    /// A file of the folder runbooks/
    Runbook,
    /// opsbook.toml
    Config,
    /// What --format json prints
    Run,
    /// A line of what --format jsonl prints
    Event,
}

fn command() -> Command {
    Arguments::augment_args(Command::new(VERB.name))
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let arguments: Arguments = verbs::arguments(matches)?;
    let vocabulary = app.library().vocabulary();
    match arguments.of {
        Schema::Runbook => app.print_json(&book::runbook_schema(vocabulary))?,
        Schema::Config => app.print_json(&config::config_schema(vocabulary))?,
        Schema::Run => app.print_text(RUN_SCHEMA)?,
        Schema::Event => app.print_text(EVENT_SCHEMA)?,
    }
    Ok(ExitCode::Ok)
}
