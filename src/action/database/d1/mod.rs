//! Cloudflare D1: its answers in the words of the actions, its errors with whose trouble they are.

mod change;
mod copy;
mod culprit;
mod exact;
mod failure;
mod insights;
mod looks;
mod underway;
mod upkeep;
mod way;

use serde_json::{Value, json};

use crate::base::Size;
use crate::base::text::count;
use crate::config::{Database, DatabaseKind};
use crate::engine::{ActionContext, ActionError};
use crate::expr::SqlText;
use crate::platform::bounds::Bounds;
use crate::platform::d1::{Again, Statement};
use crate::platform::halted::Halted;
use crate::platform::rows::{Changed, Rows};
use crate::sql::Dialect;

use failure::Failure;
use underway::Underway;
use way::Way;

use super::system::{Answer, DatabaseSystem, Question, Report, Upkeep, must_read, row};

/// A D1 database.
pub(super) struct D1System {
    way: Way,
    /// Its name at Cloudflare.
    name: String,
    /// The name of its table in the configuration.
    table: String,
    underway: Underway,
}

impl D1System {
    /// The database of this table of the configuration.
    pub(super) fn new(
        database: &Database,
        context: &ActionContext<'_>,
    ) -> Result<Self, ActionError> {
        let DatabaseKind::D1 { name, .. } = &database.kind else {
            return Err(ActionError::config(format!(
                "{} is not of kind d1",
                database.name
            )));
        };
        Ok(Self {
            way: Way::new(database, context)?,
            name: name.clone(),
            table: database.name.clone(),
            underway: Underway::default(),
        })
    }

    /// Runs statements in one transaction; gives what each gave, at most `limit` rows of each. None of them may change
    /// anything, for they may be sent again.
    pub(super) async fn read(
        &self,
        statements: &[Statement],
        limit: usize,
    ) -> Result<Vec<Rows>, ActionError> {
        let results = self.way.batch(statements, limit, Again::Harmless).await;
        results.map_err(|failure| failure.trouble(&self.table))
    }

    /// Runs statements in one transaction, all or nothing; gives what each gave, at most `limit` rows of each.
    pub(super) async fn write(
        &self,
        statements: &[Statement],
        limit: usize,
    ) -> Result<Vec<Rows>, ActionError> {
        let results = self.change(statements, limit).await;
        results.map_err(|failure| failure.of_change(&self.table))
    }

    async fn change(&self, statements: &[Statement], limit: usize) -> Result<Vec<Rows>, Failure> {
        let batch = self.way.batch(statements, limit, Again::IfTurnedAway);
        self.underway.change(batch, Result::is_ok).await
    }

    /// Runs one statement that reads. Where a value may be another than the one that is stored, it is asked for once more,
    /// written out.
    async fn ask(&self, sql: &SqlText, limit: usize) -> Result<Rows, ActionError> {
        let statement = |text: String| Statement {
            sql: text,
            parameters: sql.parameters.clone(),
        };
        let nests = exact::can_stand_in_another(&sql.text);
        let mut statements = vec![statement(sql.text.clone())];
        // Of columns of the same name wrangler keeps the last; the plan of the statement tells how many there are.
        let counts = nests && self.way.loses_columns();
        if counts {
            statements.push(statement(format!("EXPLAIN {}", sql.text)));
        }
        // A plan has more rows than one that are needed of it.
        let most = if counts {
            limit.max(exact::LONGEST_PLAN)
        } else {
            limit
        };
        let mut results = self.read(&statements, most).await?.into_iter();
        let rows = exact::cut(results.next().unwrap_or_default(), limit);
        if let Some(plan) = results.next()
            && exact::width(&plan)
                .is_some_and(|width| !rows.rows.is_empty() && width != rows.columns.len())
        {
            return Err(ActionError::target(
                "two columns have the same name, and wrangler gives only the last of them",
            )
            .help("give each a name of its own: SELECT a.id AS a_id, b.id AS b_id"));
        }
        let as_lists = self.way.gives_blobs_as_lists();
        let mut values = rows.rows.iter().flat_map(|row| row.values());
        if !values.any(|value| exact::is_doubtful(value, as_lists)) {
            return Ok(rows);
        }
        let rounded = || {
            ActionError::target("the rows hold values that D1 does not send as they are")
                .help("ask for a number beyond 2^53 as CAST(… AS TEXT), and for a blob as hex(…)")
        };
        if !nests {
            return Err(rounded());
        }
        let again = exact::written_out(&sql.text, rows.columns.len());
        let mut written = self.read(&[statement(again)], limit).await?;
        let written = written.pop().unwrap_or_default();
        exact::read_back(written, &rows.columns).ok_or_else(rounded)
    }

    async fn info(&self) -> Result<Report, ActionError> {
        let facts = match &self.way {
            Way::Api { d1, .. } => {
                let facts = d1.info().await.map_err(Failure::Api);
                facts.map_err(|failure| failure.trouble(&self.table))?
            }
            Way::Wrangler { wrangler, .. } => {
                let count = "SELECT count(*) AS tables FROM sqlite_schema WHERE type = 'table' \
                             AND name NOT LIKE 'sqlite~_%' ESCAPE '~' AND name NOT LIKE '~_cf~_%' ESCAPE '~'";
                let measured = wrangler.measure(count).await.map_err(Failure::Wrangler);
                let (counted, bytes) = measured.map_err(|failure| failure.trouble(&self.table))?;
                let tables = counted.rows.first().and_then(|row| row.get("tables"));
                vec![
                    ("name", json!(self.name)),
                    (
                        "place",
                        json!(wrangler.place.option().trim_start_matches('-')),
                    ),
                    ("tables", tables.cloned().unwrap_or_default()),
                ]
                .into_iter()
                .chain(bytes.map(|bytes| ("bytes", json!(bytes))))
                .collect()
            }
        };
        let of = |wanted: &str| {
            let found = facts.iter().find(|(name, _)| *name == wanted);
            found.map_or(&Value::Null, |(_, value)| value)
        };
        let bytes = of("bytes").as_u64();
        let size = bytes.map(|bytes| Size(bytes).to_string());
        let tables = of("tables")
            .as_u64()
            .map(|tables| count(tables as usize, "table"));
        let parts = [Some(format!("D1 {}", self.name)), size, tables];
        let detail = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        Ok(Report {
            rows: facts
                .into_iter()
                .map(|(name, value)| row([("name", json!(name)), ("value", value)]))
                .collect(),
            detail,
            bytes,
            ..Report::default()
        })
    }
}

impl DatabaseSystem for D1System {
    fn known_as(&self) -> &str {
        &self.table
    }

    fn query<'a>(&'a self, sql: &'a SqlText, limit: usize) -> Answer<'a, Rows> {
        Box::pin(async move {
            must_read(&sql.text, Dialect::Sqlite)?;
            self.ask(sql, limit).await
        })
    }

    fn explain<'a>(&'a self, sql: &'a SqlText) -> Answer<'a, Rows> {
        Box::pin(async move {
            let text = format!("EXPLAIN QUERY PLAN {}", sql.text);
            must_read(&text, Dialect::Sqlite)?;
            let parameters = sql.parameters.clone();
            self.ask(&SqlText { text, parameters }, usize::MAX).await
        })
    }

    fn refuse_statement(&self, sql: &SqlText) -> Result<(), ActionError> {
        change::one(sql).map(|_| ())
    }

    fn refuse_script(&self, sql: &str) -> Result<(), ActionError> {
        change::statements(sql).map(|_| ())
    }

    fn execute<'a>(
        &'a self,
        sql: &'a SqlText,
        limit: usize,
        bounds: &'a Bounds,
    ) -> Answer<'a, Changed> {
        Box::pin(change::execute(self, sql, limit, bounds))
    }

    fn script<'a>(&'a self, sql: &'a str) -> Answer<'a, u64> {
        Box::pin(change::script(self, sql))
    }

    fn alone<'a>(&'a self, sql: &'a str) -> Answer<'a, (), Halted<ActionError>> {
        Box::pin(change::alone(self, sql))
    }

    fn read_script<'a>(&'a self, sql: &'a str) -> Answer<'a, ()> {
        Box::pin(change::read_script(self, sql))
    }

    fn look<'a>(&'a self, question: &'a Question) -> Answer<'a, Report> {
        Box::pin(looks::look(self, question))
    }

    fn tend<'a>(&'a self, work: &'a Upkeep) -> Answer<'a, Report> {
        Box::pin(upkeep::tend(self, work))
    }

    fn upkeep_in_words(&self, work: &Upkeep) -> String {
        let statements = match upkeep::statements(work).as_slice() {
            [] => "nothing".to_owned(),
            statements => statements.join("; "),
        };
        format!("{statements} on {} (d1, {})", self.table, self.name)
    }

    fn kept(&self) -> u64 {
        self.underway.kept()
    }

    fn abandon(&self) -> Answer<'_, ()> {
        Box::pin(async { self.underway.doubt() })
    }
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test may panic")]
mod tests {
    use crate::action::database::Database;
    use crate::action::testing::{World, text};
    use crate::config::{D1Via, DatabaseKind};
    use crate::platform::http::testing::closed;

    #[tokio::test]
    async fn an_api_that_cannot_be_reached_is_told_with_what_to_do() {
        let nobody = closed();
        let kind = DatabaseKind::D1 {
            name: "orders".to_owned(),
            id: Some("1".to_owned()),
            account: None,
            token: None,
            via: D1Via::Api,
        };
        let mut world = World::new().with_database("main", kind);
        for (name, value) in [
            (
                "CLOUDFLARE_API_BASE_URL",
                format!("http://{}", nobody.address),
            ),
            ("CLOUDFLARE_ACCOUNT_ID", "0".to_owned()),
            ("CLOUDFLARE_API_TOKEN", "token".to_owned()),
        ] {
            world.environment.push((name.to_owned(), value));
        }
        for verb in ["ping", "slow"] {
            let error = world.run(&Database, verb, text("main"), &[]).await;
            let error = error.expect_err("an error");
            assert!(error.help.is_some(), "{verb}: {error}");
        }
    }
}
