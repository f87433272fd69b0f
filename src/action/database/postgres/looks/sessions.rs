//! Who is connected, and what they do.

use std::time::Duration;

use serde_json::{Value, json};

use crate::action::database::system::{Question, Report};
use crate::base::Span;
use crate::base::text::count;
use crate::engine::ActionError;

use super::{Row, limited, own, text, with_statements_in_line};
use crate::action::database::postgres::PostgresSystem;

impl PostgresSystem {
    pub(in super::super) async fn activity(
        &self,
        question: &Question,
    ) -> Result<Report, ActionError> {
        let over = question.over.map(|over: Duration| over.as_secs_f64());
        let (sql, parameters) = (
            own(include_str!("activity.sql")),
            [json!(over), json!(question.pid)],
        );
        let found = self.postgres.query(sql, &parameters, question.limit).await;
        let (mut rows, more) = limited(self.told(found)?, question.limit);
        let is_waiting = |row: &&Row| {
            row["blocked_by"]
                .as_array()
                .is_some_and(|by| !by.is_empty())
        };
        let active = rows.iter().filter(|row| row["state"] == "active").count();
        let blocked = rows.iter().filter(is_waiting).count();
        let unseen = with_statements_in_line(&mut rows);
        let sessions = count(rows.len(), "session");
        // The others are not among these, and "0 sessions" would deny them.
        let over = question
            .over
            .map_or_else(String::new, |over| format!(" over {}", Span(over)));
        Ok(Report {
            detail: format!("{sessions}{over}, {active} active, {blocked} blocked{more}{unseen}"),
            rows,
            ..Report::default()
        })
    }

    pub(in super::super) async fn connections(
        &self,
        question: &Question,
    ) -> Result<Report, ActionError> {
        let found = self.ask(include_str!("connections.sql"), &[]).await?;
        let limits = self.ask(include_str!("connection_limits.sql"), &[]).await?;
        let tightest = limits.rows.into_iter().next().unwrap_or_default();
        let of = |name: &str| tightest.get(name).cloned().unwrap_or_default();
        let states = states(&found.rows);
        let (rows, more) = limited(found, question.limit);
        Ok(Report {
            detail: format!(
                "{} of {} connections of {} ({} %){states}{more}",
                of("used"),
                of("most"),
                text(&tightest, "scope"),
                of("percent"),
            ),
            rows,
            further: vec![
                ("limited_by", of("scope")),
                ("used", of("used")),
                ("limit", of("most")),
                ("percent", of("percent")),
            ],
            ..Report::default()
        })
    }
}

/// How many connections are in which state, in the order of the rows: `: 3 active, 20 idle`.
fn states(rows: &[Row]) -> String {
    let mut states: Vec<(String, i64)> = Vec::new();
    for row in rows {
        let number = row["connections"].as_i64().unwrap_or_default();
        let state = match row["state"] {
            Value::Null => "not shown to this role".to_owned(),
            _ => text(row, "state"),
        };
        match states.iter_mut().find(|(known, _)| *known == state) {
            Some((_, sum)) => *sum += number,
            None => states.push((state, number)),
        }
    }
    let told = states
        .iter()
        .map(|(state, number)| format!("{number} {state}"));
    format!(": {}", told.collect::<Vec<_>>().join(", "))
}
