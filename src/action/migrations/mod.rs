//! `migrations`: what has been done to the structure of a database, what is still to be done, and what speaks against it.

mod account;
mod apply;
mod baseline;
mod check;
mod command;
mod create;
mod due;
mod folder;
mod ledger;
mod lint;
mod revert;
mod script;
mod site;
mod spec;
mod structure;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::action::database::system::{transaction_until_stopped, until_stopped};
use crate::base::Span;
use crate::config::{Commands, Database, Migrations as Config};
use crate::engine::{
    Action, ActionContext, ActionError, ActionFuture, Invocation, Outputs, PreviewFuture,
};
use crate::event::Preview;
use crate::model::ActionSpec;

use folder::Migration;
use ledger::Ledger;
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
            let preview = Preview::of(context.masker.text(&sent));
            // The name of a new one is of this moment.
            let held = (invocation.verb.name != "new").then_some(sent);
            Ok(Preview { held, ..preview })
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
                ("check", _) => check::check(database, migrations, invocation, context).await,
                ("status", Some(commands)) => command::status(commands, invocation, context).await,
                ("plan", Some(commands)) => {
                    let argv = arguments(commands, invocation)?;
                    let sql = command::preview(&argv, context).sent;
                    Ok(planned(vec![(String::new(), sql)], Value::Null))
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
        "apply" => Ok(to_apply(&site, &files, &ledger, invocation)?.in_words()),
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
    let system = site.system.as_ref();
    let ledger = match invocation.verb.name {
        "status" | "plan" => until_stopped(system, context, site.ledger()).await?,
        _ => transaction_until_stopped(system, context, site.ledger()).await?,
    };
    match invocation.verb.name {
        "status" => Ok(account::told(&account::compare(&files, &ledger)?)),
        "plan" if invocation.flag("back") => {
            let plan = revert::plan(&site, &files, &ledger, &back(invocation)?)?;
            Ok(planned(plan.scripts(), Value::Null))
        }
        "plan" => {
            let plan = to_apply(&site, &files, &ledger, invocation)?;
            Ok(planned(plan.scripts(), due::told(plan.due())))
        }
        "apply" => {
            let plan = to_apply(&site, &files, &ledger, invocation)?;
            plan.run(&site).await
        }
        "revert" => {
            let plan = revert::plan(&site, &files, &ledger, &back(invocation)?)?;
            plan.run(&site).await
        }
        "baseline" => {
            let to = invocation.text("to").unwrap_or_default();
            let work = baseline::mark(&site, &files, &ledger, to, false);
            let (_, outputs) = transaction_until_stopped(system, context, work).await?;
            Ok(outputs)
        }
        verb => Err(ActionError::config(format!(
            "migrations has no verb {verb}"
        ))),
    }
}

/// What a call would apply, which is refused where it is not what the call says is due.
fn to_apply<'a>(
    site: &Site<'_>,
    files: &'a [Migration],
    ledger: &'a Ledger,
    invocation: &Invocation,
) -> Result<apply::Plan<'a>, ActionError> {
    let (to, again) = (filled(invocation, "to"), invocation.flag("again"));
    let plan = apply::plan(site, files, ledger, to, again)?;
    let told = invocation.json("due").unwrap_or(&Value::Null);
    due::hold(plan.due(), told).map_err(|error| {
        let again = format!("run {} again", site.apply_again());
        ActionError {
            help: error.help.or(Some(again)),
            ..error
        }
    })?;
    Ok(plan)
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

/// Names with what would be sent, and what is due.
fn planned(scripts: Vec<(String, String)>, due: Value) -> Outputs {
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
        .with("due", due)
        .with("rows", rows)
}
