//! `sql`: runs SQL on a database of the configuration.

mod export;
mod form;
mod plan;
mod preview;
mod spec;
mod target;
mod told;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::base::Masker;
use crate::base::text::without_mark;
use crate::base::{Size, Span};
use crate::config::{Config, Database};
use crate::engine::{
    Action, ActionContext, ActionError, ActionFuture, Dry, Invocation, Outputs, PreflightFuture,
    PreviewFuture,
};
use crate::expr::{Argument, SqlText};
use crate::model::{ActionSpec, VerbSpec};
use crate::platform::bounds::Bounds;
use crate::platform::rows::{self, Changed, Rows};
use crate::sql::{self, Dialect};

use crate::action::database::system::{self, DatabaseSystem};

use spec::SPEC;
use told::{change_in_words, told, told_changed, warned};

/// How many rows are kept unless the step says otherwise.
const LIMIT: usize = 10_000;

/// A query whose rows are data.
const QUERY_EXACTLY: &str = "query exactly";

/// The longest file that is run, in bytes: it is held in memory.
const LONGEST_FILE: u64 = 16 * 1024 * 1024;

/// `sql.*`
pub(super) struct Sql;

impl Action for Sql {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn grace(&self) -> Duration {
        system::GRACE
    }

    fn starts_processes_of(&self, invocation: &Invocation, config: &Config) -> bool {
        system::starts_program(config, invocation.text("on"))
    }

    /// What `RETURNING` gives of rows that may be gone by then.
    fn shows_rows_of(&self, verb: &VerbSpec) -> bool {
        verb.name == "execute"
    }

    /// A dry run leaves no file.
    fn dry_of(&self, verb: &VerbSpec) -> Dry {
        match verb.name {
            "export" => Dry::Shown,
            _ => Dry::ByEffect,
        }
    }

    fn preflight<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> PreflightFuture<'a> {
        Box::pin(preview::preflight(invocation, context))
    }

    fn preview<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> PreviewFuture<'a> {
        Box::pin(preview::preview(invocation, context))
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let limit = limit(invocation)?;
            let database = system::find(context.config, invocation.text("on"))?;
            let system = system::open(database, context)?;
            if let ("export", Argument::Sql(sql)) = (invocation.verb.name, &invocation.object) {
                let work = export::export(system.as_ref(), sql, invocation, context);
                return system::until_stopped(system.as_ref(), context, work).await;
            }
            let bounds = bounds(invocation, database, context);
            let counted = bounds.count.is_some();
            let started = Instant::now();
            let dialect = database.kind.dialect();
            let work = work(
                system.as_ref(),
                invocation,
                context,
                limit,
                (&bounds, dialect),
            );
            let (done, detail) =
                system::transaction_until_stopped(system.as_ref(), context, work).await?;
            let detail = match &invocation.object {
                Argument::Sql(sql) if executes(invocation, context) => {
                    change_in_words(system.as_ref(), sql, &done, context, dialect).await
                }
                _ => detail,
            };
            let Changed {
                changed,
                in_all,
                rows,
            } = done;
            let scans = (invocation.verb.name == "explain").then(|| plan::scans(&rows, dialect));
            let detail = scans.as_deref().map_or(detail, plan::told);
            let outputs = Outputs {
                rows_changed: Some(in_all),
                ..Outputs::new(warned(detail, &system.warnings(), context.masker))
            };
            let outputs = match (invocation.verb.name, scans) {
                // Its indentation is the tree.
                (_, Some(scans)) => outputs.with("scans", scans).with("exact", true),
                ("query", _) => outputs.with("exact", invocation.flag("exact")),
                _ => outputs,
            };
            Ok(outputs
                .with("count", rows.rows.len())
                .with("columns", rows.columns)
                .with("rows", rows.rows.into_iter().collect::<Value>())
                .with("changed", changed)
                // What was counted is what was changed, or nothing was.
                .with("counted", counted.then_some(changed))
                .with("ms", Span(started.elapsed()).milliseconds())
                .with("truncated", rows.truncated))
        })
    }
}

/// Whether it runs a statement that may change something.
fn executes(invocation: &Invocation, context: &ActionContext<'_>) -> bool {
    invocation.verb.name == "execute" && context.may_change
}

/// What a change must keep to: as many rows as were counted just before, agreed to and allowed.
fn bounds(invocation: &Invocation, database: &Database, context: &ActionContext<'_>) -> Bounds {
    let (most, agreed) = (context.most_rows, context.agreed_rows);
    let count = match &invocation.object {
        Argument::Sql(statement) if executes(invocation, context) => {
            let dialect = database.kind.dialect();
            let analysis = sql::effect(&statement.text, dialect);
            let count = preview::counting(statement, &analysis, dialect);
            count.filter(|_| analysis.exact)
        }
        _ => None,
    };
    Bounds {
        most,
        // Of rows that chance decides nobody can agree to a number.
        agreed: agreed.filter(|_| count.is_some()),
        count,
    }
}

/// Does what the call says; gives what it did and a line for a person, which for a statement that changes something is
/// [`change_in_words`].
async fn work(
    system: &dyn DatabaseSystem,
    invocation: &Invocation,
    context: &ActionContext<'_>,
    limit: usize,
    (bounds, dialect): (&Bounds, Dialect),
) -> Result<(Changed, String), ActionError> {
    match &invocation.object {
        Argument::Sql(sql) => {
            let verb = match invocation.verb.name {
                // It reads, or it would not be here: the fence of a query holds it to that.
                "execute" if !context.may_change => "query",
                "explain" if invocation.flag("run") => "explain, run",
                "query" if invocation.flag("exact") => QUERY_EXACTLY,
                verb => verb,
            };
            statement(system, verb, sql, limit, context.masker, bounds).await
        }
        Argument::Path(path) => {
            let sql = text_of(&context.folder.join(path)).await?;
            refuse_without_effect(&sql, dialect)?;
            let changed = if context.may_change {
                system.script(&sql).await?
            } else {
                system.read_script(&sql).await?;
                0
            };
            let done = Changed {
                changed,
                in_all: changed,
                ..Changed::default()
            };
            Ok((done, told_changed(changed)))
        }
        _ => Err(ActionError::config("there is no SQL to run")),
    }
}

fn limit(invocation: &Invocation) -> Result<usize, ActionError> {
    match invocation.integer("limit") {
        None => Ok(LIMIT),
        Some(limit) => usize::try_from(*limit)
            .map_err(|_| ActionError::config(format!("`limit` is {limit}: it cannot be negative"))),
    }
}

async fn statement(
    system: &dyn DatabaseSystem,
    verb: &str,
    sql: &SqlText,
    limit: usize,
    masker: &Masker,
    bounds: &Bounds,
) -> Result<(Changed, String), ActionError> {
    match verb {
        "execute" => {
            let done = system.execute(sql, limit, bounds).await?;
            Ok((done, String::new()))
        }
        "explain" | "explain, run" => {
            let rows = match verb {
                "explain" => system.explain(sql).await?,
                _ => system.explain_run(sql).await?,
            };
            Ok((read(rows), String::new()))
        }
        _ => {
            let rows = match verb {
                QUERY_EXACTLY => queried_exactly(system, sql, limit).await?,
                _ => system.query_written(sql, limit).await?,
            };
            let detail = told(&rows, masker);
            Ok((read(rows), detail))
        }
    }
}

/// The rows with every digit of their numbers.
async fn queried_exactly(
    system: &dyn DatabaseSystem,
    sql: &SqlText,
    limit: usize,
) -> Result<Rows, ActionError> {
    let (sender, portions) = rows::channel(limit);
    let (sent, kept) = tokio::join!(system.stream(sql, sender), rows::collected(portions, limit));
    sent.map(|()| kept)
}

/// The rows of what changed nothing.
fn read(rows: Rows) -> Changed {
    Changed {
        rows,
        ..Changed::default()
    }
}

/// Refuses a file that could not be run whatever the database holds.
fn refuse_file(
    text: &str,
    (system, dialect): (&dyn DatabaseSystem, Dialect),
) -> Result<(), ActionError> {
    refuse_without_effect(text, dialect)?;
    system.refuse_script(text)
}

/// Refuses a file of which the database would not do what it says.
fn refuse_without_effect(text: &str, dialect: Dialect) -> Result<(), ActionError> {
    sql::ended(text, dialect).map_err(|unended| {
        ActionError::config(format!("{unended}; nothing was done")).help("end it")
    })?;
    let pieces = match dialect {
        Dialect::Sqlite => sql::pieces(text, dialect),
        Dialect::Postgres => Vec::new(),
    };
    let sets =
        |piece: &&sql::Piece<'_>| sql::setting(piece.text).as_deref() == Some("foreign_keys");
    match pieces.iter().find(sets) {
        Some(piece) => Err(ActionError::config(format!(
            "line {}: PRAGMA foreign_keys does nothing within a transaction, and a file runs in one",
            piece.line
        ))
        .help("leave it out; a migration (`db migrations apply`) may make a table anew that others refer to")),
        None => Ok(()),
    }
}

/// The text of a file of statements.
async fn text_of(path: &Path) -> Result<String, ActionError> {
    let bytes = tokio::fs::metadata(path).await.map_or(0, |file| file.len());
    if bytes > LONGEST_FILE {
        let error = format!("the file {} has {}", path.display(), Size(bytes));
        return Err(ActionError::config(format!(
            "{error}; at most {} are run in one transaction",
            Size(LONGEST_FILE)
        ))
        .help("split it, or hand it to the database's own tool with `command.run`"));
    }
    let text = tokio::fs::read_to_string(path).await.map_err(|error| {
        ActionError::own(format!(
            "the file {} cannot be read: {error}",
            path.display()
        ))
        .help("a relative path begins at the folder of the runbooks; the text is UTF-8")
    })?;
    Ok(without_mark(text))
}

#[cfg(test)]
mod tests;
