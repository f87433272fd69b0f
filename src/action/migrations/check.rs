//! Judges the migrations of a folder: all of them by their texts, or those that are pending beside what the database has.

use serde_json::Value;

use crate::action::database::system::until_stopped;
use crate::base::text::count;
use crate::config::{Database, DatabaseKind, Level, Migrations as Config};
use crate::engine::{ActionContext, ActionError, Invocation, Outputs};

use super::lint::{self, Source, Standard, Tables};
use super::site::{self, Site};
use super::structure::structure;
use super::{account, filled, folder};

/// Judges the files, and asks the database where that is wanted.
pub(super) async fn check(
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
        let is_pending = is_pending(&pending, migration);
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
