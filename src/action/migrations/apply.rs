//! Applies migrations in order until one fails: each with its account in one transaction, or between two accounts where it
//! runs in none.

use std::time::Instant;

use serde_json::{Value, json};

use crate::action::database::system::{transaction_until_stopped, until_stopped};
use crate::engine::{ActionError, Outputs};
use crate::platform::halted::Halted;
use crate::sql::{self, Dialect, Piece, Way};

use super::account::{self, State, compare, was};
use super::folder::{Migration, Text};
use super::ledger::{Ledger, Record, by};
use super::script::{Script, prepare};
use super::site::{Known, Site};

/// A migration that is to be applied, with what is run.
struct Step<'a> {
    migration: &'a Migration,
    text: Text,
    script: Script,
}

/// What is to be applied, everything read and understood before anything is done.
pub(super) struct Plan<'a> {
    ledger: &'a Ledger,
    steps: Vec<Step<'a>>,
    /// How many are pending beside these.
    beyond: usize,
}

/// Plans to apply what is pending, up to and with `to`.
pub(super) fn plan<'a>(
    site: &Site<'_>,
    migrations: &'a [Migration],
    ledger: &'a Ledger,
    to: Option<&str>,
    again: bool,
) -> Result<Plan<'a>, ActionError> {
    let lines = compare(migrations, ledger)?;
    account::hold(&lines, again)?;
    let end = match to {
        Some(name) => account::named(migrations, name)?.0 + 1,
        None => migrations.len(),
    };
    let is_due = |migration: &&Migration| {
        lines.iter().any(|line| {
            line.migration == Some(*migration)
                && (line.state.is_pending() || line.state == State::Started)
        })
    };
    let due = migrations[..end].iter().filter(is_due);
    let steps = due.map(|migration| {
        let text = migration.text()?;
        let script = prepare(&text.sql, &migration.file, site.dialect)?;
        if matches!(script, Script::Alone(_)) && !ledger.marks_beginnings() {
            return Err(ActionError::config(format!(
                "{} has a statement that runs in no transaction, and D1 runs everything in one",
                migration.file
            ))
            .help("leave it out"));
        }
        Ok(Step {
            migration,
            text,
            script,
        })
    });
    let beyond = migrations[end..].iter().filter(is_due).count();
    Ok(Plan {
        ledger,
        steps: steps.collect::<Result<_, _>>()?,
        beyond,
    })
}

impl Plan<'_> {
    /// The statements, as they would be sent.
    pub(super) fn in_words(&self) -> String {
        if self.steps.is_empty() {
            return "nothing is pending".to_owned();
        }
        let table = (!self.ledger.exists).then(|| self.ledger.create());
        let steps = self.scripts().into_iter().zip(&self.steps);
        let steps = steps.map(|((_, sql), step)| format!("-- {}\n{sql}", step.migration.file));
        table
            .into_iter()
            .chain(steps)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The names of the migrations with what is sent for each.
    pub(super) fn scripts(&self) -> Vec<(String, String)> {
        let by = by();
        let steps = self.steps.iter().map(|step| {
            let record = step.record(&by);
            let sent = match &step.script {
                Script::Whole(body) => self.ledger.applying(record, body),
                Script::Alone(script) => format!(
                    "{}\n{}\n{}",
                    self.ledger.beginning(record),
                    self.ledger.closed(script),
                    self.ledger.ending(step.migration, 0)
                ),
            };
            (step.migration.name.clone(), sent)
        });
        steps.collect()
    }

    /// The names of the migrations with the digests of their texts.
    pub(super) fn due(&self) -> impl Iterator<Item = (&str, &str)> {
        let steps = self.steps.iter();
        steps.map(|step| (step.migration.name.as_str(), step.text.sha256.as_str()))
    }

    /// Applies one after the other.
    pub(super) async fn run(&self, site: &Site<'_>) -> Result<Outputs, ActionError> {
        if !self.steps.is_empty() && !self.ledger.exists {
            let (system, create) = (site.system.as_ref(), self.ledger.create());
            let made = transaction_until_stopped(system, site.context, system.script(&create));
            made.await.map_err(|error| without_table(error, site))?;
        }
        let kept_before = site.system.kept();
        let mut rows = Vec::new();
        let mut changed: u64 = 0;
        for (position, step) in self.steps.iter().enumerate() {
            (site.context.progress)(format!(
                "{} of {}: {}",
                position + 1,
                self.steps.len(),
                step.migration.name
            ));
            match self.apply(site, step).await {
                Ok((row, more)) => {
                    rows.push(row);
                    changed = changed.saturating_add(more);
                }
                Err(error) => {
                    let left = self.steps.len() - position;
                    let before = match position {
                        0 => String::new(),
                        1 => "; the migration before it is kept".to_owned(),
                        some => format!("; the {some} migrations before it are kept"),
                    };
                    let message = format!("{}{before}", error.message);
                    let outputs = Outputs {
                        rows_changed: site.changed_since(kept_before, changed),
                        ..applied(rows, left + self.beyond)
                    };
                    return Err(ActionError { message, ..error }.outputs(outputs));
                }
            }
        }
        Ok(Outputs {
            rows_changed: Some(changed),
            ..applied(rows, self.beyond)
        })
    }

    /// Applies one; gives what is told of it, and how many rows it changed with its account.
    async fn apply(&self, site: &Site<'_>, step: &Step<'_>) -> Result<(Value, u64), ActionError> {
        let by = by();
        let record = Record {
            began: site.clock(),
            ..step.record(&by)
        };
        let (started, kept_before) = (Instant::now(), site.system.kept());
        let done = match &step.script {
            Script::Whole(body) => {
                let script = self.ledger.applying(record, body);
                site.migrate(&script).await
            }
            Script::Alone(_) if site.context.is_cancelled() => Ok(None),
            Script::Alone(script) => {
                let work = self.alone(site, record, script);
                let done = until_stopped(site.system.as_ref(), site.context, work);
                done.await.map(|()| Some(1))
            }
        };
        let (state, changed) = match done {
            Ok(Some(changed)) => ("applied", changed),
            Ok(None) => {
                let message = format!("{} is not applied", step.migration.file);
                return Err(ActionError::own(message));
            }
            Err(error) => {
                // It may be what was done here.
                let changed = u64::from(error.in_doubt);
                (self.after(site, step, kept_before, error).await?, changed)
            }
        };
        let row = json!({
            "name": step.migration.name,
            "state": state,
            "ms": u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        Ok((row, changed))
    }

    /// Statement by statement, between two accounts: what is cut off in between is told as started.
    async fn alone(
        &self,
        site: &Site<'_>,
        record: Record<'_>,
        script: &str,
    ) -> Result<(), ActionError> {
        let started = Instant::now();
        site.system.script(&self.ledger.beginning(record)).await?;
        if let Err(halted) = site.system.alone(script).await {
            let pieces = sql::pieces(script, site.dialect);
            let is_new = self.ledger.entry(record.migration).is_none();
            if is_new && leaves_nothing(&halted, &pieces, site.dialect) {
                // Where it cannot be taken away, it counts as started, and that is what is told.
                let forget = self.ledger.forgetting(record.migration);
                let _ = site.system.script(&forget).await;
            }
            return Err(with_done(halted, &pieces));
        }
        let ms = started.elapsed().as_millis();
        let ending = self.ledger.ending(record.migration, ms);
        let ended = site.system.script(&ending).await;
        ended.map(|_| ()).map_err(|error| ActionError {
            message: format!("all of it is done, but not its account: {}", error.message),
            ..error
        })
    }

    /// What the ledger says after a failure: somebody else may have applied it, or the answer was lost on its way.
    async fn after(
        &self,
        site: &Site<'_>,
        step: &Step<'_>,
        kept_before: u64,
        error: ActionError,
    ) -> Result<&'static str, ActionError> {
        let file = &step.migration.file;
        let message = format!("{file}: {}", error.message);
        let entry = match site.known_after(kept_before, &error).await {
            Known::ByLedger(ledger) => ledger.entry(step.migration).map(|entry| entry.is_started),
            Known::TakenBack => None,
            Known::Nothing => {
                let error = ActionError {
                    message: format!("{message}; whether it was applied is not known"),
                    in_doubt: error.in_doubt || site.context.is_cancelled(),
                    ..error
                };
                return Err(error.help("`db migrations status` tells once the database answers"));
            }
        };
        let again = site.apply_again();
        match entry {
            Some(false) => Ok("applied meanwhile"),
            Some(true) if self.is_begun_by_another(site, step, kept_before, &error) => {
                let name = &site.database.name;
                let message = format!(
                    "{file}: another run has begun it meanwhile, and it runs in no transaction"
                );
                let status = format!("opsbook db migrations status {name}");
                Err(ActionError { message, ..error }.help(format!(
                    "wait until that one has ended, and look how: {status}; then, where it is applied: {again}"
                )))
            }
            Some(true) => {
                let first = error.help.clone();
                let first = first.unwrap_or_else(|| format!("mend {file}"));
                let error = ActionError {
                    message: format!("{message}; it counts as started"),
                    // How far it came is not known where nobody waited for it.
                    in_doubt: error.in_doubt || site.context.is_cancelled(),
                    ..error
                };
                Err(error.help(format!(
                    "{first}; then all of it once more: {again} --again; where nothing of it is left to do: opsbook db \
                     migrations baseline {} -d {}",
                    step.migration.name, site.database.name
                )))
            }
            // Nobody knows yet what becomes of it.
            None if error.in_doubt => Err(ActionError { message, ..error }),
            None => {
                let first = error.help.clone();
                let first = first.unwrap_or_else(|| format!("mend {file}"));
                let told = match message.ends_with(UNCHANGED) {
                    true => message,
                    false => format!("{message}; {UNCHANGED}"),
                };
                let error = ActionError {
                    message: told,
                    ..error
                };
                Err(error.help(format!("{first}, then: {again}")))
            }
        }
    }

    /// Whether what counts as started is no work of this call: nothing of it is kept, not even that it begins.
    fn is_begun_by_another(
        &self,
        site: &Site<'_>,
        step: &Step<'_>,
        kept_before: u64,
        error: &ActionError,
    ) -> bool {
        let was_there = self.ledger.entry(step.migration).is_some();
        !was_there && !error.in_doubt && site.system.kept() == kept_before
    }
}

/// The failure to make the table. Whether it is there by now is no doubt: it is made where it is not.
fn without_table(error: ActionError, site: &Site<'_>) -> ActionError {
    let in_doubt = error.in_doubt;
    let error = ActionError {
        message: format!("the table of migrations: {}", error.message),
        in_doubt: false,
        ..error
    };
    match in_doubt {
        true => error.help(format!(
            "no migration was begun; once more: {}",
            site.apply_again()
        )),
        false => error,
    }
}

/// How it is told that a script was taken back.
const UNCHANGED: &str = "nothing was changed";

/// Whether the statements have left the database as it was. On a PostgreSQL server one may leave something although it
/// failed: an invalid index, or what its own COMMIT kept.
fn leaves_nothing(halted: &Halted<ActionError>, pieces: &[Piece<'_>], dialect: Dialect) -> bool {
    let is_all_or_nothing = |piece: &Piece<'_>| {
        let commits = piece.begins(&["CALL"]) || piece.begins(&["DO"]);
        dialect == Dialect::Sqlite || (piece.way != Way::Alone && !commits)
    };
    halted.done == 0 && !halted.error.in_doubt && pieces.first().is_none_or(is_all_or_nothing)
}

/// The failure, with the statements that were done before it.
fn with_done(halted: Halted<ActionError>, pieces: &[Piece<'_>]) -> ActionError {
    let Halted { done, error } = halted;
    let before = &pieces[..done.min(pieces.len())];
    let told = match before {
        [] => return error,
        [only] => format!("the statement of line {} is done and stays", only.line),
        [first, .., last] => format!(
            "the {done} statements of lines {} to {} are done and stay",
            first.line, last.line
        ),
    };
    ActionError {
        message: format!("{}; {told}", error.message),
        ..error
    }
}

impl Step<'_> {
    fn record<'s>(&'s self, by: &'s str) -> Record<'s> {
        Record {
            migration: self.migration,
            sha256: &self.text.sha256,
            by,
            began: None,
        }
    }
}

fn applied(rows: Vec<Value>, left: usize) -> Outputs {
    let detail = match rows.len() {
        0 => "nothing was pending".to_owned(),
        some => format!("{} applied", was(some)),
    };
    Outputs::new(detail)
        .with("count", rows.len())
        .with("applied", rows.len())
        .with("pending", left)
        .with("rows", rows)
}
