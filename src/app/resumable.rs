//! Which runs can go on, as far as the journal tells, and why the others cannot.

use crate::base::exit::ExitCode;
use crate::base::{Liveness, RunId, StepKey};
use crate::engine::{Approval, History, Journal as _, Machine as _, Outlook, RunRow, Settlement};
use crate::event::Resumption;
use crate::store::SqliteJournal;

use super::machine::ThisMachine;
use super::{App, AppError};

/// So many of the newest runs are looked at for one that can go on.
const MOST_RUNS: usize = 500;

/// The newest run that can go on without being named.
pub(super) fn newest(journal: &SqliteJournal, app: &App) -> Result<RunId, AppError> {
    let machine = ThisMachine::of(app.environment(), String::new());
    let can_go_on = |row: &RunRow| -> Result<bool, AppError> {
        let stopped = |exit: ExitCode| row.exit == Some(exit.code());
        if row.dry {
            return Ok(false);
        }
        if [ExitCode::Stuck, ExitCode::Interrupted, ExitCode::Terminated]
            .into_iter()
            .any(stopped)
        {
            return Ok(true);
        }
        if row.exit.is_some() && !stopped(ExitCode::NotNow) {
            return Ok(false);
        }
        let history = History::of(&journal.events(row.run)?);
        Ok(history.is_some_and(|history| match history.end() {
            Some(_) => history.approval() == Approval::Given,
            None => machine.liveness(&history.leg().process) != Liveness::Alive,
        }))
    };
    for row in journal.runs(MOST_RUNS, None)? {
        if can_go_on(&row)? {
            return Ok(row.run);
        }
    }
    Err(
        AppError::usage("there is nothing to resume: no run was cut off, stopped or stuck")
            .hint("a run that failed is resumed by its number; `opsbook runs list` shows it"),
    )
}

/// Refuses a run that did nothing.
pub(super) fn refuse_dry(history: &History) -> Result<(), AppError> {
    match history.start().dry {
        true => Err(AppError::usage(format!(
            "run {} was a dry run: it did nothing",
            history.run()
        ))),
        false => Ok(()),
    }
}

/// Refuses a run that cannot go on.
pub(super) fn refuse_to_resume(history: &History) -> Result<(), AppError> {
    refuse_dry(history)?;
    let run = history.run();
    match history.end() {
        Some(end) if end.exit == ExitCode::Ok.code() => Err(AppError::usage(format!(
            "run {run} has ended, and all was well: there is nothing to resume"
        ))),
        Some(_) if history.approval() == Approval::Waiting => Err(AppError::not_now(format!(
            "run {run} waits for approval"
        ))
        .hint(format!(
            "nothing was done; a second person gives it with `opsbook approve {run}`"
        ))),
        None if history.leg().what == Some(Resumption::Undo) => Err(AppError::usage(format!(
            "run {run} was being taken back when it was cut off"
        ))
        .hint(format!("go on with `opsbook undo {run}`"))),
        Some(_) | None => Ok(()),
    }
}

/// Refuses to begin again with what somebody was about to take back, unless the caller names that very run.
pub(super) fn refuse_to_do_again(history: &History) -> Result<(), AppError> {
    let run = history.run();
    match (history.leg().what, history.end()) {
        (Some(Resumption::Undo), Some(_)) => Err(AppError::usage(format!(
            "the newest run that has stopped, {run}, was being taken back"
        ))
        .hint(format!(
            "go on with `opsbook undo {run}`; `opsbook resume {run}` does again what was taken back"
        ))),
        _ => Ok(()),
    }
}

/// Refuses what a caller says of steps of which everything is known: it may be meant for another.
pub(super) fn refuse_needless(
    outlook: &Outlook,
    settled: &[(StepKey, Settlement)],
) -> Result<(), AppError> {
    let in_doubt: Vec<&StepKey> = outlook
        .in_doubt
        .iter()
        .chain(&outlook.undo_in_doubt)
        .chain(&outlook.lists)
        .collect();
    for (step, _) in settled {
        if !in_doubt.contains(&step) {
            let names: Vec<&str> = in_doubt.iter().map(|step| step.as_str()).collect();
            let hint = match names.is_empty() {
                true => "no step is".to_owned(),
                false => format!("in doubt: {}", names.join(", ")),
            };
            return Err(AppError::usage(format!("step {step} is not in doubt")).hint(hint));
        }
    }
    Ok(())
}
