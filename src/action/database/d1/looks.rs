//! Looks at a D1 database as a whole: what SQLite tells of itself, as far as D1 lets anybody ask, and what the API knows.

use serde_json::{Value, json};

use crate::action::database::catalog;
use crate::action::database::system::{
    DatabaseSystem as _, Look, Question, Report, has_none, of_tables, row,
};
use crate::base::Size;
use crate::base::text::{count, one_line};
use crate::engine::ActionError;
use crate::expr::SqlText;
use crate::sql::quoted;

use super::D1System;
use super::way::Way;

/// The most that a database may take (<https://developers.cloudflare.com/d1/platform/limits/>): 10 GB on a paid plan.
const LARGEST: u64 = 10_000_000_000;

/// How many problems of a kind are told.
const MOST_PROBLEMS: usize = 100;

/// What tells of the copy of this machine what D1 does not.
const OF_THE_FILE: &str = "it is a SQLite file below .wrangler/state, or `persist_to`: `du` tells what that takes, and \
                           kind = \"sqlite\" with its path tells more";

pub(super) async fn look(system: &D1System, question: &Question) -> Result<Report, ActionError> {
    let table = question.table.as_deref();
    let without = |what, instead| Err(has_none(&system.table, "d1", what, instead));
    match question.look {
        Look::Ping => ping(system).await,
        Look::Info => system.info().await,
        Look::Tables => Ok(of_tables(catalog::tables(system).await?.into_iter())),
        Look::Size => size(system).await,
        Look::Integrity => integrity(system, table).await,
        Look::ForeignKeys => catalog::foreign_keys(system, table).await,
        Look::Indexes => catalog::indexes(system, question, &Default::default()).await,
        Look::Replication => replication(system, question).await,
        Look::Slow => slow(system, question).await,
        Look::Activity | Look::Locks | Look::Connections => without(
            "sessions",
            "D1 runs one statement after the other; `opsbook db slow` tells which took most time",
        ),
        Look::Bloat => without(
            "free pages",
            if system.way.is_local() {
                OF_THE_FILE
            } else {
                "D1 tells what all of it takes: `opsbook db size`"
            },
        ),
    }
}

/// Reads the schema: a database that was deleted answers `SELECT 1` no more either.
async fn ping(system: &D1System) -> Result<Report, ActionError> {
    let sql = SqlText {
        text: "SELECT 1 + 0 * count(*) FROM sqlite_schema".to_owned(),
        parameters: Vec::new(),
    };
    system.query(&sql, 1).await?;
    Ok(Report {
        detail: "answers".to_owned(),
        ..Report::default()
    })
}

/// A fact of the database by its name.
async fn fact(system: &D1System, name: &str) -> Result<Value, ActionError> {
    let info = system.look(&Question::of(Look::Info)).await?;
    let mut rows = info.rows.into_iter();
    let found = rows.find(|row| row.get("name").and_then(Value::as_str) == Some(name));
    Ok(found
        .and_then(|mut row| row.remove("value"))
        .unwrap_or_default())
}

async fn size(system: &D1System) -> Result<Report, ActionError> {
    if system.way.is_local() {
        return Err(has_none(
            &system.table,
            "d1 on this machine",
            "size",
            OF_THE_FILE,
        ));
    }
    let bytes = fact(system, "bytes").await?.as_u64();
    let percent = bytes.map(|bytes| (bytes as f64 / LARGEST as f64 * 1000.0).round() / 10.0);
    let detail = match (bytes, percent) {
        (Some(bytes), Some(percent)) => format!("{}, {percent} % of 10 GB", Size(bytes)),
        _ => "D1 does not tell what it takes".to_owned(),
    };
    Ok(Report {
        rows: vec![row([("part", json!("file")), ("bytes", json!(bytes))])],
        detail,
        bytes,
        further: vec![("limit", json!(LARGEST)), ("percent", json!(percent))],
        ..Report::default()
    })
}

/// D1 refuses `integrity_check`. `quick_check` reads every page and row too; only that indexes hold what their tables hold
/// it does not compare.
async fn integrity(system: &D1System, table: Option<&str>) -> Result<Report, ActionError> {
    if let Some(table) = table {
        catalog::known(system, table).await?;
    }
    let what = table.map_or_else(|| MOST_PROBLEMS.to_string(), quoted);
    let sql = SqlText {
        text: format!("PRAGMA quick_check({what})"),
        parameters: Vec::new(),
    };
    let checked = system.query(&sql, MOST_PROBLEMS).await?;
    let said = checked
        .rows
        .iter()
        .filter_map(|row| row.values().next()?.as_str());
    let damage: Vec<String> = said.filter(|said| *said != "ok").map(one_line).collect();
    let references = catalog::foreign_keys(system, table).await?;
    let damaged = damage.iter().map(|detail| {
        row([
            ("kind", json!("integrity")),
            ("table", json!(table)),
            ("detail", json!(detail)),
        ])
    });
    let dangling = references.rows.iter().zip(&references.problems);
    let dangling = dangling.map(|(found, problem)| {
        row([
            ("kind", json!("foreign key")),
            ("table", found.get("table").cloned().unwrap_or_default()),
            ("detail", json!(problem)),
        ])
    });
    let rows: Vec<_> = damaged.chain(dangling).collect();
    Ok(Report {
        detail: format!(
            "{}; quick_check and foreign_key_check: D1 refuses integrity_check, which would compare indexes with their tables too",
            match rows.len() {
                0 => "no problem found".to_owned(),
                some => count(some, "problem"),
            }
        ),
        problems: damage.into_iter().chain(references.problems).collect(),
        rows,
        further: vec![("complete", json!(true))],
        ..Report::default()
    })
}

async fn replication(system: &D1System, question: &Question) -> Result<Report, ActionError> {
    if let Way::Wrangler { .. } = &system.way {
        let instead =
            "via = \"api\" tells whether read replication is on; the copy of this machine has none";
        return Err(has_none(
            &system.table,
            "d1 by wrangler",
            "replicas",
            instead,
        ));
    }
    let further = |known: Value| vec![("replicas", known.clone()), ("lag_seconds", known)];
    let mode = fact(system, "replication").await?;
    match mode.as_str() {
        Some("disabled") | None => Ok(Report {
            detail: "read replication is disabled".to_owned(),
            further: further(json!(0)),
            ..Report::default()
        }),
        Some(mode) if question.counted => Err(ActionError::own(format!(
            "D1 does not tell how many replicas there are: read replication is {mode}"
        ))
        .help("leave --replicas out, `counted` in a step of your own")),
        Some(mode) => Ok(Report {
            detail: format!(
                "read replication is {mode}; D1 does not tell how far a replica is behind"
            ),
            rows: vec![row([
                ("replica", json!("read replicas")),
                ("state", json!(mode)),
                ("role", json!("replica")),
                ("lag_seconds", Value::Null),
                ("lag_bytes", Value::Null),
                ("problem", Value::Null),
                ("detail", Value::Null),
            ])],
            further: further(Value::Null),
            ..Report::default()
        }),
    }
}

async fn slow(system: &D1System, question: &Question) -> Result<Report, ActionError> {
    let Way::Api { insights, .. } = &system.way else {
        let instead = format!(
            "via = \"api\" asks Cloudflare's analytics; `wrangler d1 insights {}` tells it too",
            system.name
        );
        return Err(has_none(
            &system.table,
            "d1 by wrangler",
            "statistics of statements",
            &instead,
        ));
    };
    let id = fact(system, "id").await?;
    let Some(id) = id.as_str() else {
        return Err(ActionError::target(format!(
            "the API does not tell the id of the database {}",
            system.table
        ))
        .help(format!("set `id` in [database.{}]", system.table)));
    };
    insights.slow(id, question).await
}
