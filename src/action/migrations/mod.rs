//! `migrations`: what has been done to the structure of a database, what is still to be done, and what speaks against it.

mod account;
mod apply;
mod baseline;
mod command;
mod create;
mod folder;
mod ledger;
mod lint;
mod revert;
mod script;
mod site;
mod spec;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::action::database::system::{Look, Question, until_stopped};
use crate::base::Span;
use crate::base::text::count;
use crate::config::{Commands, Database, DatabaseKind, Level, Migrations as Config};
use crate::engine::{
    Action, ActionContext, ActionError, ActionFuture, Invocation, Outputs, PreviewFuture,
};
use crate::event::Preview;
use crate::model::ActionSpec;

use lint::{Source, Standard, Tables};
use revert::Back;
use site::Site;
use spec::SPEC;

/// `migrations.*`
pub(super) struct Migrations;

impl Action for Migrations {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn grace(&self) -> Duration {
        super::process::ACTION_GRACE
    }

    fn starts_processes(&self) -> bool {
        true
    }

    fn preview<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> PreviewFuture<'a> {
        Box::pin(async move {
            let (database, migrations) = site::find(context, invocation.object_text())?;
            if let Some(commands) = site::commands(migrations) {
                let argv = arguments(commands, invocation)?;
                return Ok(command::preview(&argv, context));
            }
            let sent = in_words(database, migrations, invocation, context).await?;
            Ok(Preview::of(context.masker.text(&sent)))
        })
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let started = Instant::now();
            let timed =
                |outputs: Outputs| outputs.with("ms", Span(started.elapsed()).milliseconds());
            let (database, migrations) = site::find(context, invocation.object_text())?;
            let done = match (invocation.verb.name, site::commands(migrations)) {
                ("check", _) => check(database, migrations, invocation, context).await,
                ("status", Some(commands)) => command::status(commands, invocation, context).await,
                ("plan", Some(commands)) => {
                    let argv = arguments(commands, invocation)?;
                    let sql = command::preview(&argv, context).sent;
                    Ok(planned(vec![(String::new(), sql)]))
                }
                (_, Some(commands)) => by_command(commands, invocation, context).await,
                (_, None) => by_opsbook(database, migrations, invocation, context).await,
            };
            done.map(timed).map_err(|mut error| {
                *error.outputs = timed(std::mem::take(&mut error.outputs));
                error
            })
        })
    }
}

/// What opsbook would send.
async fn in_words(
    database: &Database,
    migrations: &Config,
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<String, ActionError> {
    if invocation.verb.name == "new" {
        return Ok(draft(database, migrations, invocation, context)?.in_words());
    }
    let site = Site::open(database, migrations, context)?;
    let files = site.migrations()?;
    let ledger = site.ledger().await?;
    match invocation.verb.name {
        "apply" => {
            let (to, again) = (filled(invocation, "to"), invocation.flag("again"));
            Ok(apply::plan(&site, &files, &ledger, to, again)?.in_words())
        }
        "revert" => Ok(revert::plan(&site, &files, &ledger, &back(invocation)?)?.in_words()),
        "baseline" => {
            let to = invocation.text("to").unwrap_or_default();
            let (script, _) = baseline::mark(&site, &files, &ledger, to, true).await?;
            Ok(script)
        }
        _ => Ok(invocation.in_words()),
    }
}

async fn by_opsbook(
    database: &Database,
    migrations: &Config,
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    if invocation.verb.name == "new" {
        return draft(database, migrations, invocation, context)?.write();
    }
    let site = Site::open(database, migrations, context)?;
    let files = site.migrations()?;
    let work = async {
        let ledger = site.ledger().await?;
        match invocation.verb.name {
            "status" => Ok(account::told(&account::compare(&files, &ledger)?)),
            "plan" if invocation.flag("back") => {
                let plan = revert::plan(&site, &files, &ledger, &back(invocation)?)?;
                Ok(planned(plan.scripts()))
            }
            "plan" => {
                let (to, again) = (filled(invocation, "to"), invocation.flag("again"));
                let plan = apply::plan(&site, &files, &ledger, to, again)?;
                Ok(planned(plan.scripts()))
            }
            "apply" => {
                let (to, again) = (filled(invocation, "to"), invocation.flag("again"));
                let plan = apply::plan(&site, &files, &ledger, to, again)?;
                plan.run(&site).await
            }
            "revert" => {
                let plan = revert::plan(&site, &files, &ledger, &back(invocation)?)?;
                plan.run(&site).await
            }
            "baseline" => {
                let to = invocation.text("to").unwrap_or_default();
                let (_, outputs) = baseline::mark(&site, &files, &ledger, to, false).await?;
                Ok(outputs)
            }
            verb => Err(ActionError::config(format!(
                "migrations has no verb {verb}"
            ))),
        }
    };
    until_stopped(site.system.as_ref(), context, work).await
}

async fn by_command(
    commands: &Commands,
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let argv = arguments(commands, invocation)?;
    let verb = invocation.verb;
    let told = |ended: Outputs| {
        let told = command::done(ended);
        let own = verb.outputs.iter();
        own.fold(told, |told, output| told.with(output.name, Value::Null))
    };
    let ended = command::run(&argv, commands, invocation, context).await;
    ended.map(told).map_err(|mut error| {
        *error.outputs = told(std::mem::take(&mut error.outputs));
        error
    })
}

/// The command of a call.
fn arguments(commands: &Commands, invocation: &Invocation) -> Result<Vec<String>, ActionError> {
    let steps = invocation.integer("steps").copied().unwrap_or(1);
    if steps != 1 {
        return Err(
            ActionError::config("another program takes one migration back at a time")
                .help("run it again, or name where to go back to: --to"),
        );
    }
    let name = filled(invocation, "to").or_else(|| filled(invocation, "name"));
    let verb = match invocation.verb.name {
        "plan" if invocation.flag("back") => "revert",
        "plan" => "apply",
        verb => verb,
    };
    command::arguments(commands, verb, name)
}

fn back(invocation: &Invocation) -> Result<Back<'_>, ActionError> {
    match (filled(invocation, "to"), invocation.integer("steps")) {
        (Some(to), _) => Ok(Back::To(to)),
        (None, steps) => {
            let steps = steps.copied().unwrap_or(1);
            let steps = usize::try_from(steps).ok().filter(|steps| *steps > 0);
            let steps = steps.ok_or_else(|| ActionError::config("`steps` is less than 1"))?;
            Ok(Back::Steps(steps))
        }
    }
}

/// A text that is given and not empty: an input that was left out is.
fn filled<'a>(invocation: &'a Invocation, option: &str) -> Option<&'a str> {
    invocation.text(option).filter(|text| !text.is_empty())
}

fn draft(
    database: &Database,
    migrations: &Config,
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<create::Draft, ActionError> {
    let (folder, _) = site::places(database, migrations, context)?;
    let files = match folder.is_dir() {
        true => folder::read(&folder, migrations.rollback.as_deref())?,
        false => Vec::new(),
    };
    let title = invocation.text("name").unwrap_or_default();
    let rollback = migrations.rollback.as_deref();
    create::draft(&files, &folder, rollback, title, context.now)
}

/// Judges the files, and asks the database where that is wanted.
async fn check(
    database: &Database,
    migrations: &Config,
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let (folder, _) = site::places(database, migrations, context)?;
    if site::commands(migrations).is_some() && migrations.folder.is_none() && !folder.is_dir() {
        return Ok(unjudged());
    }
    let files = folder::read(&folder, migrations.rollback.as_deref())?;
    let first = match filled(invocation, "after") {
        Some(name) => account::named(&files, name)?.0 + 1,
        None => 0,
    };
    let mut standard = Standard {
        dialect: database.kind.dialect(),
        is_d1: matches!(database.kind, DatabaseKind::D1 { .. }),
        migrations,
        adds_transaction: site::commands(migrations).is_none(),
        rows: None,
    };
    let mut tables = Tables::default();
    let mut pending: Option<Vec<String>> = None;
    let is_pending = |pending: &Option<Vec<String>>, migration: &folder::Migration| {
        pending
            .as_ref()
            .is_none_or(|names| names.contains(&migration.name))
    };
    if invocation.flag("live") {
        let site = Site::open(database, migrations, context)?;
        let asked = async {
            pending = pending_of(&site, &files, migrations).await?;
            let due = files
                .iter()
                .filter(|migration| is_pending(&pending, migration));
            let texts = due.map(|migration| Ok(migration.text()?.sql));
            let texts = texts.collect::<Result<Vec<String>, ActionError>>()?;
            let (known, rows) = structure(&site, &texts).await?;
            tables = known;
            standard.rows = Some(rows);
            Ok(())
        };
        until_stopped(site.system.as_ref(), context, asked).await?;
    }
    let mut sources = Vec::new();
    for (position, migration) in files.iter().enumerate() {
        let is_pending = pending
            .as_ref()
            .is_none_or(|names: &Vec<String>| names.contains(&migration.name));
        // What is applied has had its effect on the tables that the database told.
        if is_pending || standard.rows.is_none() {
            sources.push(Source {
                migration,
                sql: migration.text()?.sql,
                is_judged: is_pending && position >= first,
            });
        }
    }
    let findings = lint::judge(&sources, &standard, tables);
    let of = |level: Level| {
        findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    let (problems, warnings) = (of(Level::Deny), of(Level::Warn));
    let judged = sources.iter().filter(|source| source.is_judged).count();
    let rows: Vec<Value> = findings.iter().map(lint::Finding::row).collect();
    let detail = match (problems, warnings) {
        (0, 0) => format!("nothing found in {}", count(judged, "migration")),
        _ => format!(
            "{}, {}",
            count(problems, "problem"),
            count(warnings, "warning")
        ),
    };
    Ok(Outputs::new(detail)
        .with("count", rows.len())
        .with("rows", rows)
        .with("problems", problems)
        .with("warnings", warnings))
}

/// Names with what would be sent.
fn planned(scripts: Vec<(String, String)>) -> Outputs {
    let names: Vec<&str> = scripts.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(", ");
    let detail = match scripts.len() {
        0 => "nothing to do".to_owned(),
        _ => names.clone(),
    };
    let rows = scripts
        .iter()
        .map(|(name, sql)| serde_json::json!({ "name": name, "sql": sql }));
    let rows: Vec<Value> = rows.collect();
    Outputs::new(detail)
        .with("count", rows.len())
        .with("names", names)
        .with("rows", rows)
}

/// What is told of migrations that only another program knows.
fn unjudged() -> Outputs {
    let row = serde_json::json!({
        "file": null, "line": null, "rule": "folder", "severity": "warning",
        "detail": "nothing says where the files lie, so nothing can be judged",
        "instead": "give `folder` in its `migrations`",
    });
    Outputs::new("nothing can be judged: no folder is known")
        .with("count", 1)
        .with("rows", vec![row])
        .with("problems", 0)
        .with("warnings", 1)
}

/// The names of what is pending; none where another program keeps account.
async fn pending_of(
    site: &Site<'_>,
    files: &[folder::Migration],
    migrations: &Config,
) -> Result<Option<Vec<String>>, ActionError> {
    if site::commands(migrations).is_some() {
        return Ok(None);
    }
    let ledger = site.ledger().await?;
    let pending = files
        .iter()
        .filter(|migration| ledger.entry(migration).is_none());
    Ok(Some(
        pending.map(|migration| migration.name.clone()).collect(),
    ))
}

/// The tables that there are, with their columns, and how many rows they have, about. Those whose rows are not known are
/// counted, to the point from which on they are large, where one of the texts names them.
async fn structure(
    site: &Site<'_>,
    texts: &[String],
) -> Result<(Tables, BTreeMap<String, u64>), ActionError> {
    let mut tables = Tables::default();
    for (table, column) in ledger::columns(site.system.as_ref(), site.dialect).await? {
        tables.add(&table, &column);
    }
    let question = Question {
        limit: usize::MAX,
        ..Question::of(Look::Tables)
    };
    let told = site.system.look(&question).await?;
    let mut rows = BTreeMap::new();
    for row in &told.rows {
        let Some(table) = row.get("table").and_then(Value::as_str) else {
            continue;
        };
        let bare = table.rsplit('.').next().unwrap_or(table);
        let known = match row.get("rows").and_then(Value::as_u64) {
            Some(known) => known,
            None if texts.iter().any(|text| text.contains(bare)) => {
                ledger::count_up_to(site.system.as_ref(), table, lint::FEW_ROWS).await?
            }
            None => continue,
        };
        rows.insert(
            table.strip_prefix("public.").unwrap_or(table).to_owned(),
            known,
        );
    }
    Ok((tables, rows))
}
