//! `opsbook init`: a commented opsbook.toml from what lies in the folder. Never overwrites one.

use std::io::Write as _;

use clap::{ArgMatches, Command};

use crate::app::{App, AppError};
use crate::base::exit::ExitCode;
use crate::config;

use super::verbs::Verb;

/// The variable by which hosts of Postgres hand its address over.
const URL: &str = "DATABASE_URL";

pub(super) const VERB: Verb = Verb {
    name: "init",
    command,
    run,
};

fn command() -> Command {
    Command::new(VERB.name).about("Write an opsbook.toml from what is found in this folder")
}

fn run(_matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let environment = app.environment();
    let path = app.settings().config.as_ref().map_or_else(
        || environment.folder.join(config::FILE_NAME),
        |config| environment.absolute(config),
    );
    let draft = config::draft(&environment.folder, environment.variable(URL).is_some())?;
    let mut file = std::fs::File::create_new(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            AppError::not_now(format!("{} is there already", path.display()))
                .hint("nothing was changed; delete it first to start over")
        }
        _ => AppError::unknown(format!("{} cannot be written: {error}", path.display())),
    })?;
    file.write_all(draft.text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| {
            AppError::unknown(format!("{} cannot be written: {error}", path.display()))
        })?;
    for found in &draft.found {
        app.tell(&format!("found {found}"));
    }
    app.tell(&format!("wrote {}", path.display()));
    app.tell("next: opsbook list");
    Ok(ExitCode::Ok)
}
