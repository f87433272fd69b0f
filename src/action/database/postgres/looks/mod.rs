//! What a PostgreSQL database shows of itself: each look is a file of SQL beside this one, whose comments say what it judges
//! by, and its answer in one line. Changes nothing.

mod foreign_keys;
mod integrity;
mod locks;
mod sessions;
mod slow;

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::action::database::system::{Question, Report};
use crate::base::Span;
use crate::base::text::{count, one_line};
use crate::engine::ActionError;
use crate::platform::rows::Rows;
use crate::sql::{self, Dialect};

use super::PostgresSystem;

/// A row, as the server gave it.
type Row = Map<String, Value>;

/// What the server writes instead of a statement for a role that may not see it.
const UNSEEN: &str = "<insufficient privilege>";

/// A table of the database.
pub(super) struct Table {
    /// Its number in the catalog.
    pub(super) oid: i64,
    /// Its name with its schema, quoted for SQL.
    pub(super) quoted: String,
}

impl PostgresSystem {
    /// Asks for everything that there is, up to what one answer may take.
    pub(super) async fn ask(&self, sql: &str, parameters: &[Value]) -> Result<Rows, ActionError> {
        self.told(self.postgres.look(own(sql), parameters, usize::MAX).await)
    }

    /// The table that is named, if one is.
    pub(super) async fn table(&self, name: Option<&str>) -> Result<Option<Table>, ActionError> {
        let Some(name) = name else { return Ok(None) };
        let found = self.ask(include_str!("table.sql"), &[json!(name)]).await?;
        let [row] = found.rows.as_slice() else {
            let message = format!("there is no table {name:?} in {}", self.name);
            let help = format!("see which there are: `opsbook db tables {}`", self.name);
            return Err(ActionError::config(message).help(help));
        };
        Ok(Some(Table {
            oid: row["oid"].as_i64().unwrap_or_default(),
            quoted: text(row, "quoted"),
        }))
    }

    /// Asks about one table, or about all.
    async fn ask_of_table(&self, sql: &str, question: &Question) -> Result<Rows, ActionError> {
        let table = self.table(question.table.as_deref()).await?;
        self.ask(sql, &[json!(table.map(|table| table.oid))]).await
    }

    pub(super) async fn bloat(&self, question: &Question) -> Result<Report, ActionError> {
        let found = self.ask_of_table(include_str!("bloat.sql"), question);
        let found = found.await?;
        let detail = count(found.rows.len(), "table");
        Ok(judged(found, detail, "table", question.limit))
    }

    pub(super) async fn indexes(&self, question: &Question) -> Result<Report, ActionError> {
        let found = self.ask_of_table(include_str!("indexes.sql"), question);
        let found = found.await?;
        let detail = counts(&found.rows, "problem");
        Ok(judged(found, detail, "table", question.limit))
    }

    pub(super) async fn replication(&self, question: &Question) -> Result<Report, ActionError> {
        let found = self.ask(include_str!("replication.sql"), &[]).await?;
        let is_slot = |row: &&Row| row.get("role") == Some(&json!("slot"));
        let slots = found.rows.iter().filter(is_slot).count();
        let is_standby = found.rows.iter().any(|row| row["role"] == "standby");
        let replicas = found.rows.len() - slots - usize::from(is_standby);
        let lag = longest_lag(&found.rows);
        let role = if is_standby { "standby" } else { "primary" };
        let behind = match lag {
            Some(lag) if replicas > 0 || is_standby => format!(", at most {} behind", seconds(lag)),
            Some(_) => String::new(),
            None => ", it is not known how far behind".to_owned(),
        };
        let (replicated, slots) = (count(replicas, "replica"), count(slots, "slot"));
        let detail = format!("{role} with {replicated} and {slots}{behind}");
        let mut report = judged(found, detail, "replica", question.limit);
        report.further = vec![("replicas", json!(replicas)), ("lag_seconds", json!(lag))];
        Ok(report)
    }
}

/// How far the last is behind, in seconds; none where it is not known of one.
fn longest_lag(rows: &[Row]) -> Option<f64> {
    let followers = rows.iter().filter(|row| row["role"] != "slot");
    followers
        .map(|row| row["lag_seconds"].as_f64())
        .try_fold(0.0, |longest: f64, lag| Some(longest.max(lag?)))
}

/// Rows that their own SQL judged: `problem` is null where nothing is wrong, else `detail` says what, of whom `of` tells.
fn judged(found: Rows, detail: String, of: &str, limit: usize) -> Report {
    let problems = found.rows.iter().filter(|row| !row["problem"].is_null());
    let problems: Vec<String> = problems
        .map(|row| format!("{}: {}", text(row, of), text(row, "detail")))
        .collect();
    let (rows, more) = limited(found, limit);
    let trouble = match problems.len() {
        0 => String::new(),
        number => format!(", {}", count(number, "problem")),
    };
    Report {
        detail: format!("{detail}{trouble}{more}"),
        rows,
        problems,
        ..Report::default()
    }
}

/// So many rows, and how to say that there are more.
fn limited(found: Rows, limit: usize) -> (Vec<Row>, &'static str) {
    let mut rows = found.rows;
    let is_cut = found.truncated || rows.len() > limit;
    rows.truncate(limit);
    (rows, if is_cut { "; there are more" } else { "" })
}

/// How many rows have which word in a column, in the order of the rows: `2 missing, 1 unused`.
fn counts(rows: &[Row], column: &str) -> String {
    let mut words: Vec<(String, usize)> = Vec::new();
    for row in rows {
        let word = text(row, column);
        match words.iter_mut().find(|(known, _)| *known == word) {
            Some((_, number)) => *number += 1,
            None => words.push((word, 1)),
        }
    }
    if words.is_empty() {
        return "none".to_owned();
    }
    let words = words
        .iter()
        .map(|(word, number)| format!("{number} {word}"));
    words.collect::<Vec<_>>().join(", ")
}

/// A statement of a file as it is sent. What heads the file is for who reads it here: `slow` and `activity` show the
/// statements of opsbook too.
pub(super) fn own(sql: &str) -> &str {
    sql::without_heading(sql, Dialect::Postgres)
}

/// A cell as text; empty where it is null.
fn text(row: &Row, column: &str) -> String {
    let cell = row.get(column).and_then(Value::as_str);
    cell.unwrap_or_default().to_owned()
}

/// Seconds as a person reads them.
fn seconds(seconds: f64) -> Span {
    Span(Duration::try_from_secs_f64(seconds.max(0.0).round()).unwrap_or(Duration::MAX))
}

/// Makes the statement of each row one line, and tells how many are not shown to this role.
fn with_statements_in_line(rows: &mut [Row]) -> String {
    let mut unseen = 0;
    for row in rows {
        let Some(Value::String(query)) = row.get_mut("query") else {
            continue;
        };
        if query == UNSEEN {
            unseen += 1;
        }
        *query = one_line(query)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
    }
    match unseen {
        0 => String::new(),
        number => format!(
            "; this role does not see the statements of {number}: GRANT pg_read_all_stats TO it"
        ),
    }
}
