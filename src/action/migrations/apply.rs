//! Applies migrations, takes them back, and writes that they are applied: each with its account in one transaction, in order,
//! until one fails.

use std::time::Instant;

use serde_json::{Value, json};

use crate::base::text::count;
use crate::engine::{ActionError, Outputs};
use crate::expr::SqlText;
use crate::platform::bounds::Bounds;

use super::account::{self, Line, State, compare};
use super::folder::{self, Migration, Text};
use super::ledger::{Ledger, Record, by};
use super::script::{Script, prepare};
use super::site::Site;

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
                Script::Alone(statements) => format!(
                    "{}\n{};\n{}",
                    self.ledger.beginning(record),
                    statements.join(";\n"),
                    self.ledger.ending(step.migration, 0)
                ),
            };
            (step.migration.name.clone(), sent)
        });
        steps.collect()
    }

    /// Applies one after the other.
    pub(super) async fn run(&self, site: &Site<'_>) -> Result<Outputs, ActionError> {
        let mut rows = Vec::new();
        if !self.steps.is_empty() && !self.ledger.exists {
            let made = site.system.script(&self.ledger.create()).await;
            made.map_err(|error| ActionError {
                message: format!("the table of migrations: {}", error.message),
                ..error
            })?;
        }
        for (position, step) in self.steps.iter().enumerate() {
            (site.context.progress)(format!(
                "{} of {}: {}",
                position + 1,
                self.steps.len(),
                step.migration.name
            ));
            match self.apply(site, step).await {
                Ok(row) => rows.push(row),
                Err(error) => {
                    let left = self.steps.len() - position;
                    let before = match position {
                        0 => "nothing was applied".to_owned(),
                        1 => "the migration before it is kept".to_owned(),
                        some => format!("the {some} migrations before it are kept"),
                    };
                    let message = format!("{}; {before}", error.message);
                    let outputs = applied(rows, left + self.beyond);
                    return Err(ActionError { message, ..error }.outputs(outputs));
                }
            }
        }
        Ok(applied(rows, self.beyond))
    }

    async fn apply(&self, site: &Site<'_>, step: &Step<'_>) -> Result<Value, ActionError> {
        let by = by();
        let record = Record {
            began: site.clock(),
            ..step.record(&by)
        };
        let started = Instant::now();
        let done = match &step.script {
            Script::Whole(body) => {
                let script = self.ledger.applying(record, body);
                site.system.migrate(&script).await.map(|_| ())
            }
            Script::Alone(statements) => self.alone(site, record, statements).await,
        };
        let state = match done {
            Ok(()) => "applied",
            Err(error) => self.after(site, step, error).await?,
        };
        Ok(json!({
            "name": step.migration.name,
            "state": state,
            "ms": u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }))
    }

    /// Statement by statement, between two accounts: what is cut off in between is told as started.
    async fn alone(
        &self,
        site: &Site<'_>,
        record: Record<'_>,
        statements: &[String],
    ) -> Result<(), ActionError> {
        let started = Instant::now();
        site.system.script(&self.ledger.beginning(record)).await?;
        for statement in statements {
            let sql = SqlText {
                text: statement.clone(),
                parameters: Vec::new(),
            };
            site.system.execute(&sql, 0, &Bounds::default()).await?;
        }
        let ms = started.elapsed().as_millis();
        let ending = self.ledger.ending(record.migration, ms);
        site.system.script(&ending).await.map(|_| ())
    }

    /// What the ledger says after a failure: somebody else may have applied it, or the answer was lost on its way.
    async fn after(
        &self,
        site: &Site<'_>,
        step: &Step<'_>,
        error: ActionError,
    ) -> Result<&'static str, ActionError> {
        let file = &step.migration.file;
        let Ok(ledger) = site.ledger().await else {
            let message = format!(
                "{file}: {}; whether it was applied is not known",
                error.message
            );
            return Err(ActionError { message, ..error }
                .help("`db migrations status` tells once the database answers"));
        };
        match ledger.entry(step.migration) {
            Some(entry) if !entry.is_started => Ok("applied meanwhile"),
            Some(_) => Err(ActionError {
                message: format!("{file}: {}; it counts as started", error.message),
                ..error
            }),
            None => Err(ActionError {
                message: format!("{file}: {}", error.message),
                ..error
            }),
        }
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

/// `1 migration was`, `2 migrations were`.
fn was(number: usize) -> String {
    let verb = if number == 1 { "was" } else { "were" };
    format!("{} {verb}", count(number, "migration"))
}

/// How far back a revert goes.
pub(super) enum Back<'a> {
    /// So many migrations.
    Steps(usize),
    /// All that come behind this one.
    To(&'a str),
}

/// What is to be taken back, the last one first.
pub(super) struct Revert<'a> {
    ledger: &'a Ledger,
    steps: Vec<(&'a Migration, String)>,
}

/// Plans to take migrations back; refuses where one of them cannot be.
pub(super) fn plan_back<'a>(
    site: &Site<'_>,
    migrations: &'a [Migration],
    ledger: &'a Ledger,
    back: &Back<'_>,
) -> Result<Revert<'a>, ActionError> {
    let lines = compare(migrations, ledger)?;
    let mut applied: Vec<&Line<'_>> = lines.iter().filter(|line| line.entry.is_some()).collect();
    applied.reverse();
    let number = match back {
        Back::Steps(steps) => *steps,
        Back::To(name) => {
            account::named(migrations, name)?;
            let stays = applied
                .iter()
                .position(|line| line.migration.is_some_and(|known| known.is(name)));
            stays.ok_or_else(|| {
                ActionError::config(format!(
                    "{name} is not applied, so nothing can go back to it"
                ))
                .help("`db migrations status` lists what is")
            })?
        }
    };
    if number > applied.len() {
        return Err(ActionError::config(format!(
            "only {} applied",
            was(applied.len())
        )));
    }
    let steps = applied[..number].iter().map(|line| {
        let (Some(migration), Some(down)) = (
            line.migration,
            line.migration.and_then(|migration| migration.down.as_ref()),
        ) else {
            return Err(ActionError::config(format!(
                "nothing takes {} back; nothing was done",
                line.name
            ))
            .help(site.without_down()));
        };
        let file = down.file_name().unwrap_or_default().to_string_lossy();
        match prepare(&folder::text(down)?.sql, &file, site.dialect)? {
            Script::Whole(body) => Ok((migration, body)),
            Script::Alone(_) => Err(ActionError::config(format!(
                "{file} has a statement that runs in no transaction; nothing was done"
            ))
            .help("run it by `sql.execute`, and what is left by `db migrations revert`")),
        }
    });
    Ok(Revert {
        ledger,
        steps: steps.collect::<Result<_, _>>()?,
    })
}

impl Revert<'_> {
    /// The statements, as they would be sent.
    pub(super) fn in_words(&self) -> String {
        if self.steps.is_empty() {
            return "nothing is to be taken back".to_owned();
        }
        let steps = self.scripts().into_iter();
        let steps = steps.map(|(name, sql)| format!("-- back from {name}\n{sql}"));
        steps.collect::<Vec<_>>().join("\n")
    }

    /// The names of the migrations with what takes each back.
    pub(super) fn scripts(&self) -> Vec<(String, String)> {
        let steps = self.steps.iter().map(|(migration, body)| {
            (
                migration.name.clone(),
                self.ledger.reverting(migration, body),
            )
        });
        steps.collect()
    }

    /// Takes one after the other back.
    pub(super) async fn run(&self, site: &Site<'_>) -> Result<Outputs, ActionError> {
        let mut rows: Vec<Value> = Vec::new();
        for (migration, body) in &self.steps {
            (site.context.progress)(format!("back from {}", migration.name));
            let script = self.ledger.reverting(migration, body);
            if let Err(error) = site.system.migrate(&script).await {
                let is_back = site
                    .ledger()
                    .await
                    .map(|ledger| ledger.entry(migration).is_none());
                let told = match is_back {
                    Ok(true) => ", and it is taken back meanwhile",
                    Ok(false) => "",
                    Err(_) => "; whether it was taken back is not known",
                };
                let before = match rows.len() {
                    0 => String::new(),
                    some => format!("; {} taken back before it", was(some)),
                };
                let message = format!(
                    "back from {}: {}{told}{before}",
                    migration.name, error.message
                );
                return Err(ActionError { message, ..error }.outputs(reverted(rows)));
            }
            rows.push(json!({ "name": migration.name, "state": "reverted" }));
        }
        Ok(reverted(rows))
    }
}

fn reverted(rows: Vec<Value>) -> Outputs {
    let detail = match rows.len() {
        0 => "nothing was to be taken back".to_owned(),
        some => format!("{} taken back", was(some)),
    };
    Outputs::new(detail)
        .with("count", rows.len())
        .with("reverted", rows.len())
        .with("rows", rows)
}

/// Writes that migrations are applied, up to and with `to`, without running them; accepts changed files among them. In a
/// dry run only tells the statements.
pub(super) async fn baseline(
    site: &Site<'_>,
    migrations: &[Migration],
    ledger: &Ledger,
    to: &str,
    dry: bool,
) -> Result<(String, Outputs), ActionError> {
    let (end, _) = account::named(migrations, to)?;
    let lines = compare(migrations, ledger)?;
    let texts = migrations[..=end].iter().filter(|migration| {
        lines
            .iter()
            .any(|line| line.migration == Some(*migration) && line.state != State::Applied)
    });
    let texts: Vec<(&Migration, Text)> = texts
        .map(|migration| Ok((migration, migration.text()?)))
        .collect::<Result<_, ActionError>>()?;
    let by = by();
    let records: Vec<Record<'_>> = texts
        .iter()
        .map(|(migration, text)| Record {
            migration,
            sha256: &text.sha256,
            by: &by,
            began: None,
        })
        .collect();
    let table = (!ledger.exists).then(|| ledger.create());
    let marks = (!records.is_empty()).then(|| ledger.marking(&records));
    let script = table
        .into_iter()
        .chain(marks)
        .collect::<Vec<_>>()
        .join("\n");
    if !dry && !records.is_empty() {
        site.system.script(&script).await?;
    }
    let rows: Value = texts
        .iter()
        .map(|(migration, _)| json!({ "name": migration.name, "state": "applied" }))
        .collect();
    let detail = match records.len() {
        0 => "all of them were applied already".to_owned(),
        some => format!("{} marked as applied, without being run", was(some)),
    };
    let outputs = Outputs::new(detail)
        .with("count", records.len())
        .with("marked", records.len())
        .with("rows", rows);
    Ok((script, outputs))
}
