//! `opsbook schema`: the JSON Schema of runbooks or of the configuration, for editors.

use clap::{ArgMatches, Args, Command, ValueEnum};

use crate::app::{App, AppError};
use crate::base::exit::ExitCode;
use crate::{book, config};

use super::verbs::{self, Verb};

pub(super) const VERB: Verb = Verb {
    name: "schema",
    command,
    run,
};

/// Print the JSON Schema of a kind of file, for editors
#[derive(Debug, Args)]
struct Arguments {
    /// The kind of file
    #[arg(value_enum, default_value = "runbook")]
    of: File,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum File {
    /// A file of the folder runbooks/
    Runbook,
    /// opsbook.toml
    Config,
}

fn command() -> Command {
    Arguments::augment_args(Command::new(VERB.name))
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let arguments: Arguments = verbs::arguments(matches)?;
    let vocabulary = app.library().vocabulary();
    let schema = match arguments.of {
        File::Runbook => book::runbook_schema(vocabulary),
        File::Config => config::config_schema(vocabulary),
    };
    app.print_json(&schema)?;
    Ok(ExitCode::Ok)
}
