//! Looks at a SQLite file as a whole.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::action::database::catalog;
use crate::action::database::system::{
    Look, Question, Report, TableFacts, has_none, of_tables, row,
};
use crate::base::Size;
use crate::base::text::{count, one_line};
use crate::engine::ActionError;
use crate::platform::sqlite::{Problem, Slack, SqliteError};

use super::SqliteSystem;

/// A file is worth vacuuming from this share of free space on, and never below the size: it would soon grow again.
const MUCH_FREE_PERCENT: f64 = 25.0;
const MUCH_FREE_BYTES: i64 = 1 << 20;

/// What to use where SQLite has no sessions.
const NO_SESSIONS: &str = "fuser -v on its file tells who has it open";

pub(super) async fn look(
    system: &SqliteSystem,
    question: &Question,
) -> Result<Report, ActionError> {
    let table = question.table.as_deref();
    let without = |what, instead| Err(has_none(&system.name, "sqlite", what, instead));
    let report = match question.look {
        Look::Ping => system.ping().await,
        Look::Info => system.info().await,
        Look::Tables => system.tables().await,
        Look::Size => system.size().await,
        Look::Integrity => return system.integrity(table).await,
        Look::Bloat => return system.bloat(question).await,
        Look::ForeignKeys => return catalog::foreign_keys(system, table).await,
        Look::Indexes => return system.indexes(question).await,
        Look::Activity | Look::Locks | Look::Connections => {
            return without("sessions", NO_SESSIONS);
        }
        Look::Slow => {
            let instead = "`opsbook db explain` tells how a statement is run";
            return without("statistics of statements", instead);
        }
        Look::Replication => {
            let instead = "the tool that copies its file knows how far it is";
            return without("replicas", instead);
        }
    };
    report.map_err(|error| system.trouble(&error))
}

impl SqliteSystem {
    async fn ping(&self) -> Result<Report, SqliteError> {
        self.sqlite.ping().await?;
        Ok(Report {
            detail: "answers".to_owned(),
            ..Report::default()
        })
    }

    async fn info(&self) -> Result<Report, SqliteError> {
        let facts = self.sqlite.info().await?;
        let of = |wanted: &str| {
            let found = facts.iter().find(|(name, _)| *name == wanted);
            found.map_or(&Value::Null, |(_, value)| value)
        };
        let bytes = of("bytes").as_u64();
        let detail = format!(
            "SQLite {}, {}, {}",
            of("version").as_str().unwrap_or_default(),
            Size(bytes.unwrap_or_default()),
            count(of("tables").as_u64().unwrap_or_default() as usize, "table"),
        );
        Ok(Report {
            rows: facts
                .iter()
                .map(|(name, value)| row([("name", json!(name)), ("value", value.clone())]))
                .collect(),
            detail,
            bytes,
            ..Report::default()
        })
    }

    async fn tables(&self) -> Result<Report, SqliteError> {
        let tables = self.sqlite.tables().await?;
        Ok(of_tables(tables.into_iter().map(|table| TableFacts {
            table: table.table,
            columns: table.columns,
            rows: table.rows,
            bytes: Some(table.bytes),
        })))
    }

    async fn size(&self) -> Result<Report, SqliteError> {
        let parts = self.sqlite.size().await?;
        let of = |free: bool| {
            let parts = parts.iter().filter(|part| (part.part == "free") == free);
            parts.map(|part| part.bytes).sum::<u64>()
        };
        // What is free lies within the file.
        let (bytes, free) = (of(false), of(true));
        Ok(Report {
            rows: parts
                .iter()
                .map(|part| row([("part", json!(part.part)), ("bytes", json!(part.bytes))]))
                .collect(),
            detail: format!("{}, of which {} are free", Size(bytes), Size(free)),
            bytes: Some(bytes),
            ..Report::default()
        })
    }

    async fn integrity(&self, table: Option<&str>) -> Result<Report, ActionError> {
        if let Some(table) = table {
            catalog::known(self, table).await?;
        }
        let damage = self.sqlite.integrity(table).await;
        let damage = damage.map_err(|error| self.trouble(&error))?;
        // By reference and counted: a row each would bury the damage, and end somewhere.
        let references = catalog::foreign_keys(self, table).await?;
        let found = |kind, table: Value, detail: &str| {
            row([
                ("kind", json!(kind)),
                ("table", table),
                ("detail", json!(detail)),
            ])
        };
        let line = |problem: &Problem| {
            let table = problem.table.as_deref();
            let place = table.map_or_else(String::new, |table| format!("{table}: "));
            one_line(&format!("{place}{}", problem.detail))
        };
        let damaged = damage
            .iter()
            .map(|problem| found("integrity", json!(problem.table), &problem.detail));
        let dangling = references.rows.iter().zip(&references.problems);
        let dangling =
            dangling.map(|(row, problem)| found("foreign key", row["table"].clone(), problem));
        let rows: Vec<_> = damaged.chain(dangling).collect();
        let lines = damage.iter().map(line);
        Ok(Report {
            detail: match rows.len() {
                0 => "no problem found".to_owned(),
                some => count(some, "problem"),
            },
            problems: lines.chain(references.problems).collect(),
            rows,
            further: vec![("complete", json!(true))],
            ..Report::default()
        })
    }

    /// SQLite takes a deleted row out at once: what is told are pages, and parts of pages, that hold nothing.
    async fn bloat(&self, question: &Question) -> Result<Report, ActionError> {
        if let Some(table) = &question.table {
            catalog::known(self, table).await?;
        }
        let slack = self.sqlite.slack().await;
        let mut slack = slack.map_err(|error| self.trouble(&error))?;
        let all: i64 = slack.iter().map(|slack| slack.bytes).sum();
        let nothing = slack.iter().filter(|slack| slack.table.is_none());
        let free: i64 = nothing.map(|slack| slack.free).sum();
        let share = percent(free, all);
        let mut report = Report {
            detail: format!("{} in free pages, {share} % of the file", size(free)),
            bytes: Some(u64::try_from(free).unwrap_or_default()),
            ..Report::default()
        };
        let is_much =
            question.table.is_none() && share >= MUCH_FREE_PERCENT && free >= MUCH_FREE_BYTES;
        if is_much {
            report.problems.push(format!(
                "{} of the file are free pages ({share} %): VACUUM gives them back",
                size(free)
            ));
        }
        if let Some(table) = &question.table {
            slack.retain(|slack| {
                let name = slack.table.as_deref();
                name.is_some_and(|name| name.eq_ignore_ascii_case(table))
            });
        }
        slack.sort_by_key(|slack| std::cmp::Reverse(slack.free));
        slack.truncate(question.limit);
        let judged = |slack: &Slack| {
            let problem = (is_much && slack.table.is_none())
                .then(|| format!("{share} % of the file holds nothing: VACUUM gives it back"));
            slack_row(slack, problem)
        };
        report.rows = slack.iter().map(judged).collect();
        Ok(report)
    }

    async fn indexes(&self, question: &Question) -> Result<Report, ActionError> {
        let sql = "SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE";
        let sizes = self.sqlite.query(sql, &[], usize::MAX).await;
        let sizes = sizes.map_err(|error| self.trouble(&error))?;
        let sizes: BTreeMap<String, i64> = sizes
            .rows
            .iter()
            .filter_map(|row| Some((row["name"].as_str()?.to_owned(), row["pgsize"].as_i64()?)))
            .collect();
        catalog::indexes(self, question, &sizes).await
    }
}

/// `detail` says what is wrong with it, where something is.
fn slack_row(slack: &Slack, detail: Option<String>) -> serde_json::Map<String, Value> {
    let table = slack.table.as_deref().unwrap_or("(free pages)");
    row([
        ("table", json!(table)),
        ("dead_rows", Value::Null),
        ("live_rows", Value::Null),
        ("dead_percent", json!(percent(slack.free, slack.bytes))),
        ("bytes", json!(slack.bytes)),
        ("free_bytes", json!(slack.free)),
        ("last_vacuum", Value::Null),
        ("last_analyze", Value::Null),
        ("oldest_transaction", Value::Null),
        ("problem", json!(detail.as_ref().map(|_| "free pages"))),
        ("detail", json!(detail)),
    ])
}

/// With one decimal; of nothing 0.
fn percent(part: i64, whole: i64) -> f64 {
    if whole <= 0 {
        return 0.0;
    }
    (part as f64 / whole as f64 * 1000.0).round() / 10.0
}

fn size(bytes: i64) -> Size {
    Size(u64::try_from(bytes).unwrap_or_default())
}
