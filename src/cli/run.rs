//! Runs the runbook that the command line names, with the inputs that it gives.

use std::sync::Arc;

use clap::ArgMatches;

use crate::app::{App, AppError, RunOptions};
use crate::base::exit::ExitCode;
use crate::model::Runbook;

use super::{arguments, options};

/// Runs it. `matches` are those of the last word that names it.
///
/// # Errors
/// When it could not be begun; how it ended is the exit code.
pub(super) fn run(
    runbook: &Arc<Runbook>,
    matches: &ArgMatches,
    app: &App,
) -> Result<ExitCode, AppError> {
    let options = RunOptions {
        watch: options::watch(matches, app.environment())?,
        ..options::run_options(matches, app.environment())?
    };
    let given = arguments::given(runbook, matches)?;
    let given = arguments::from_here(runbook, given, app.environment());
    app.run(runbook, given, &options)
}
