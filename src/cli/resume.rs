//! `opsbook resume`: goes on with a run that had stopped.

use clap::{ArgMatches, Args, Command};

use crate::app::{Again, App, AppError, Settlement};
use crate::base::exit::ExitCode;
use crate::base::{RunId, StepKey};

use super::verbs::{self, Verb};
use super::{options, runs};

pub(super) const VERB: Verb = Verb {
    name: "resume",
    command,
    run,
};

/// Go on with a run that was cut off, stopped or stuck: what it did is kept, the rest runs
#[derive(Debug, Args)]
struct Arguments {
    /// The number of the run; the newest that can go on, if not given
    #[arg(value_parser = runs::number)]
    run: Option<RunId>,
    #[command(flatten)]
    known: Known,
}

/// What a caller knows of a run that the journal does not tell.
#[derive(Debug, Args)]
pub(super) struct Known {
    /// This step in doubt took effect; may be given several times
    #[arg(long, value_name = "STEP")]
    done: Vec<String>,
    /// This step in doubt did not take effect: do it again; may be given several times
    #[arg(long, value_name = "STEP")]
    again: Vec<String>,
    /// Go on although the runbook or the configuration has changed since
    #[arg(long)]
    accept_changes: bool,
    /// An input that the journal does not hold, such as token=@FILE for a secret; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = input)]
    input: Vec<(String, String)>,
}

impl Known {
    /// The same as the program has it.
    pub(super) fn of(self, run: Option<RunId>, from: Option<StepKey>) -> Again {
        let settled = |steps: Vec<String>, settlement| {
            steps
                .into_iter()
                .map(move |step| (StepKey(step), settlement))
        };
        Again {
            run,
            settled: settled(self.done, Settlement::Done)
                .chain(settled(self.again, Settlement::Again))
                .collect(),
            accept_changes: self.accept_changes,
            inputs: self.input,
            from,
        }
    }
}

fn input(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("write it as NAME=VALUE, and a secret as NAME=@FILE".to_owned()),
    }
}

fn command() -> Command {
    options::with_run(Arguments::augment_args(Command::new(VERB.name)))
}

fn run(matches: &ArgMatches, app: &App) -> Result<ExitCode, AppError> {
    let arguments: Arguments = verbs::arguments(matches)?;
    let options = options::run_options(matches, app.environment())?;
    app.resume(&arguments.known.of(arguments.run, None), &options)
}
