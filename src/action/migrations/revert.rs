//! Takes migrations back, the last one first: each with the removal of its account in one transaction.

use serde_json::{Value, json};

use crate::engine::{ActionError, Outputs};

use super::account::{self, Line, compare, was};
use super::folder::{self, Migration};
use super::ledger::Ledger;
use super::script::{Script, is_blank, prepare};
use super::site::{Known, Site};

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
pub(super) fn plan<'a>(
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
        let text = folder::text(down)?.sql;
        if is_blank(&text, site.dialect) {
            return Err(ActionError::config(format!(
                "{file} holds no statement, so nothing takes {} back; nothing was done",
                line.name
            ))
            .help(
                "write what takes it back; where there is nothing to take back, write SELECT 1;",
            ));
        }
        match prepare(&text, &file, site.dialect)? {
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
        let mut changed: u64 = 0;
        let kept_before = site.system.kept();
        for (migration, body) in &self.steps {
            (site.context.progress)(format!("back from {}", migration.name));
            let script = self.ledger.reverting(migration, body);
            let kept_by_now = site.system.kept();
            let error = match site.migrate(&script).await {
                Ok(Some(more)) => {
                    changed = changed.saturating_add(more);
                    rows.push(json!({ "name": migration.name, "state": "reverted" }));
                    continue;
                }
                Ok(None) => ActionError::own(format!("{} stays applied", migration.name)),
                Err(error) => self.after(site, migration, kept_by_now, error).await,
            };
            let before = match rows.len() {
                0 => String::new(),
                some => format!("; {} taken back before it", was(some)),
            };
            let message = format!("{}{before}", error.message);
            let outputs = Outputs {
                rows_changed: site.changed_since(kept_before, changed),
                ..reverted(rows, changed)
            };
            return Err(ActionError { message, ..error }.outputs(outputs));
        }
        Ok(reverted(rows, changed))
    }

    /// What the ledger says after a failure.
    async fn after(
        &self,
        site: &Site<'_>,
        migration: &Migration,
        kept_before: u64,
        error: ActionError,
    ) -> ActionError {
        let (told, is_unknown) = match site.known_after(kept_before, &error).await {
            Known::ByLedger(ledger) if ledger.entry(migration).is_none() => {
                (", and it is taken back meanwhile", false)
            }
            Known::ByLedger(_) => ("", false),
            Known::TakenBack => ("; it stays applied", false),
            Known::Nothing => (
                "; whether it was taken back is not known",
                site.context.is_cancelled(),
            ),
        };
        let message = format!("back from {}: {}{told}", migration.name, error.message);
        let in_doubt = error.in_doubt || is_unknown;
        let help = error.help.clone().unwrap_or_else(|| {
            let database = &site.database.name;
            format!("mend what takes it back, then: opsbook db migrations revert {database}")
        });
        let error = ActionError {
            message,
            in_doubt,
            ..error
        };
        error.help(help)
    }
}

fn reverted(rows: Vec<Value>, changed: u64) -> Outputs {
    let detail = match rows.len() {
        0 => "nothing was to be taken back".to_owned(),
        some => format!("{} taken back", was(some)),
    };
    let outputs = Outputs {
        rows_changed: Some(changed),
        ..Outputs::new(detail)
    };
    outputs
        .with("count", rows.len())
        .with("reverted", rows.len())
        .with("rows", rows)
}
