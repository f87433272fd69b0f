//! `opsbook man`: manual pages of the verbs, made from the help that they print.

use std::path::{Path, PathBuf};

use clap::{ArgMatches, Args, Command};

use crate::app::{App, AppError};
use crate::base::exit::ExitCode;
use crate::base::text::count;

use super::tree;
use super::verbs::{self, Verb};

pub(super) const VERB: Verb = Verb {
    name: "man",
    command,
    run,
};

/// Print the manual page, or write one for each verb to a folder
#[derive(Debug, Args)]
struct Arguments {
    /// The folder to write opsbook.1, opsbook-run.1, … to
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn command() -> Command {
    Arguments::augment_args(Command::new(VERB.name))
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let arguments: Arguments = verbs::arguments(matches)?;
    let command = tree::without_runbooks();
    let Some(out) = arguments.out else {
        app.print(&page(command)?)?;
        return Ok(ExitCode::Ok);
    };
    let folder = app.environment().absolute(&out);
    std::fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, &error))?;
    let mut written = 0;
    for command in command.get_subcommands() {
        let name = format!("opsbook-{}", command.get_name());
        write(&folder, &name, page(command.clone().name(name.clone()))?)?;
        written += 1;
    }
    write(&folder, "opsbook", page(command)?)?;
    app.tell(&format!(
        "wrote {} to {}",
        count(written + 1, "page"),
        folder.display()
    ));
    Ok(ExitCode::Ok)
}

fn page(command: Command) -> Result<Vec<u8>, AppError> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| AppError::bug(error.to_string()))?;
    Ok(page)
}

fn write(folder: &Path, name: &str, page: Vec<u8>) -> Result<(), AppError> {
    let path = folder.join(format!("{name}.1"));
    std::fs::write(&path, page).map_err(|error| unwritable(&path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> AppError {
    AppError::unknown(format!("{} cannot be written: {error}", path.display()))
        .hint("name another folder with --out")
}
