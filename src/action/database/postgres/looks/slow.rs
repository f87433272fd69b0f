//! The statements that took most time, as the extension pg_stat_statements counts them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::action::database::system::{Question, Report};
use crate::base::text::count;
use crate::engine::ActionError;
use crate::platform::postgres::PostgresError;
use crate::platform::rows::Rows;
use crate::sql::{self, Dialect};

use super::{limited, own, text, with_statements_in_line};
use crate::action::database::postgres::PostgresSystem;

/// What the server says of the extension where the library of it was not loaded when it started.
const NOT_LOADED: &str = "55000";

impl PostgresSystem {
    pub(in super::super) async fn slow(&self, question: &Question) -> Result<Report, ActionError> {
        let installed = self.ask(include_str!("statements.sql"), &[]).await?;
        let Some(extension) = installed.rows.first() else {
            return Err(self.without_statements("is not installed in"));
        };
        if extension["is_known"] != json!(true) {
            let version = text(extension, "version");
            let message = format!("pg_stat_statements {version} of {} is too old", self.name);
            return Err(ActionError::own(message)
                .help("in this database: ALTER EXTENSION pg_stat_statements UPDATE"));
        }
        let schema = text(extension, "schema");
        let over = question.over.map(|over: Duration| over.as_secs_f64());
        let sql = include_str!("slow.sql").replace("{schema}", &schema);
        let found = match self
            .postgres
            .query(own(&sql), &[json!(over)], question.limit)
            .await
        {
            Err(PostgresError::Server { code, .. }) if code == NOT_LOADED => {
                return Err(self.without_statements("is not loaded in the server of"));
            }
            found => self.told(found)?,
        };
        let since = if extension["tells_since"] == json!(true) {
            let sql = format!(
                "SELECT to_char(stats_reset AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI UTC') AS since \
                 FROM {schema}.pg_stat_statements_info"
            );
            let since = self.ask(&sql, &[]).await?;
            let since = since.rows.first().map(|row| text(row, "since"));
            format!(" since {}", since.unwrap_or_default())
        } else {
            String::new()
        };
        Ok(told(found, question, &since))
    }

    fn without_statements(&self, how: &str) -> ActionError {
        ActionError::own(format!("pg_stat_statements {how} {}", self.name)).help(
            "in postgresql.conf: shared_preload_libraries = 'pg_stat_statements', and restart the server; \
             then in this database: CREATE EXTENSION pg_stat_statements",
        )
    }
}

/// What there is to see. The extension leaves the values of queries out, not those of other statements: passwords are among
/// those.
fn told(found: Rows, question: &Question, since: &str) -> Report {
    let (mut rows, more) = limited(found, question.limit);
    // Before they are one line: a comment would take the rest of it along, with every text.
    for row in &mut rows {
        if let Some(Value::String(query)) = row.get_mut("query") {
            *query = sql::without_texts(query, Dialect::Postgres).unwrap_or_else(|| "…".to_owned());
        }
    }
    let unseen = with_statements_in_line(&mut rows);
    let statements = count(rows.len(), "statement");
    let over = question
        .over
        .map(|over| format!(" over {}", crate::base::Span(over)));
    let (over, problems) = match over {
        Some(over) => {
            let mean = |row: &super::Row| row["mean_ms"].as_f64().unwrap_or_default();
            let line = |row| format!("{:.0} ms on average: {}", mean(row), text(row, "query"));
            (over, rows.iter().map(line).collect())
        }
        None => (String::new(), Vec::new()),
    };
    Report {
        detail: format!("{statements}{over}{since}{more}{unseen}"),
        rows,
        problems,
        ..Report::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Question, Rows, told};
    use crate::action::database::system::Look;

    /// What the extension keeps whole, of which an answer must show no text.
    #[test]
    fn no_comment_hides_a_text_from_what_leaves_it_out() {
        let query = "-- don't forget\nALTER ROLE a\n  PASSWORD 'hunter2'";
        let row = json!({"query": query, "calls": 1});
        let found = Rows {
            rows: vec![row.as_object().cloned().unwrap_or_default()],
            ..Rows::default()
        };
        let report = told(found, &Question::of(Look::Slow), "");
        assert_eq!(
            report.rows[0]["query"],
            "-- don't forget ALTER ROLE a PASSWORD '…'"
        );
    }
}
