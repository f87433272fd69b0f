//! Cloudflare D1: its answers in the words of the actions, its errors with whose trouble they are.

mod change;
mod exact;

mod copy;
mod insights;
mod looks;
mod upkeep;

use serde_json::{Value, json};

use crate::base::text::{count, one_line};
use crate::base::{Secret, Size};
use crate::config::Database;
use crate::engine::{ActionContext, ActionError};
use crate::expr::SqlText;
use crate::model::Template;
use crate::platform::bounds::Bounds;
use crate::platform::d1::{API, Again, D1, D1Error, Statement};
use crate::platform::http::{Blame, Proxies};
use crate::platform::rows::{Changed, Rows};
use crate::sql::{self, Dialect};

use insights::Insights;

use super::system::{Answer, DatabaseSystem, Question, Report, Upkeep, must_read, row, variable};

/// A D1 database.
pub(super) struct D1System {
    d1: D1,
    /// The name of its table in the configuration.
    table: String,
    /// What Cloudflare has counted of its statements.
    insights: Insights,
}

impl D1System {
    /// The database of this name or id, with the account and the token of the configuration, else of the variables that
    /// wrangler reads.
    pub(super) fn new(
        database: &Database,
        (name, id): (&str, Option<&str>),
        (account, token): (Option<&Template>, Option<&Template>),
        context: &ActionContext<'_>,
    ) -> Result<Self, ActionError> {
        let table = &database.name;
        let said = |template: Option<&Template>, key: &str, name: &str| match template {
            Some(template) => (context.resolve)(template),
            None => variable(context, name).ok_or_else(|| {
                ActionError::own(format!("nothing says the {key} of the database {table}")).help(
                    format!("set `{key}` in [database.{table}], or the variable {name}"),
                )
            }),
        };
        let api = variable(context, "CLOUDFLARE_API_BASE_URL").unwrap_or_else(|| API.to_owned());
        let account = said(account, "account", "CLOUDFLARE_ACCOUNT_ID")?;
        let token = said(token, "token", "CLOUDFLARE_API_TOKEN")?;
        Ok(Self {
            table: table.clone(),
            insights: Insights::new(&api, &account, &token, context),
            d1: D1 {
                api,
                account,
                token: Secret::new(token),
                name: name.to_owned(),
                id: id.map(str::to_owned),
                deadline: context.deadline,
                proxies: Proxies::from_variables(context.environment),
            },
        })
    }

    /// Runs statements in one transaction; gives what each gave, at most `limit` rows of each. None of them may change
    /// anything, for they may be sent again.
    pub(super) async fn read(
        &self,
        statements: &[Statement],
        limit: usize,
    ) -> Result<Vec<Rows>, ActionError> {
        let statements: Vec<Statement> = statements.iter().map(exactly).collect();
        let results = self.d1.batch(&statements, limit, Again::Harmless).await;
        results.map_err(|error| self.trouble(&error))
    }

    /// Runs statements in one transaction, all or nothing; gives what each gave, at most `limit` rows of each.
    pub(super) async fn write(
        &self,
        statements: &[Statement],
        limit: usize,
    ) -> Result<Vec<Rows>, ActionError> {
        let statements: Vec<Statement> = statements.iter().map(exactly).collect();
        let results = self.d1.batch(&statements, limit, Again::IfTurnedAway).await;
        results.map_err(|error| {
            let trouble = self.trouble(&error);
            if error.may_be_done() {
                unknown(trouble)
            } else {
                trouble
            }
        })
    }

    /// Whose trouble it is. D1's words stay: they are what people search for.
    fn trouble(&self, error: &D1Error) -> ActionError {
        let message = one_line(&error.to_string());
        let table = &self.table;
        match error {
            D1Error::Http(http) => {
                let failure = match http.cause.blame() {
                    _ if error.is_late() => ActionError::late(message),
                    Blame::Target => ActionError::target(message),
                    Blame::Request | Blame::Own => ActionError::own(message),
                };
                match http.remedy() {
                    Some(remedy) => failure.help(remedy),
                    None => failure,
                }
            }
            D1Error::Unauthorized(_) => ActionError::own(message)
                .help(format!("correct `token` of [database.{table}], or CLOUDFLARE_API_TOKEN")),
            D1Error::Forbidden(_) => ActionError::own(message).help(
                "give the token the permission D1 Read, and check that the account is the database's",
            ),
            D1Error::Missing { .. } => ActionError::target(message)
                .help(format!("correct `name` or `id` of [database.{table}], and the account")),
            D1Error::TooMany { .. } => ActionError::target(message)
                .help("1200 requests in 5 minutes are allowed to all that this user does: ask less often"),
            D1Error::Refused(_) => ActionError::target(message),
            D1Error::Failing { .. } | D1Error::Passing(_) => {
                ActionError::target(message).help("such trouble often passes; `retry` tries again")
            }
            D1Error::Unreadable(_) => ActionError::target(message)
                .help("see whether CLOUDFLARE_API_BASE_URL is what it should be"),
            D1Error::Inexact { .. } => ActionError::config(message)
                .help("write it as text and cast it: CAST('…' AS INTEGER), or unhex('…') for a blob"),
        }
    }

    /// Runs one statement that reads. Where a number may have been rounded, it is asked for once more, written out.
    async fn ask(&self, sql: &SqlText, limit: usize) -> Result<Rows, ActionError> {
        let statement = |text: String| Statement {
            sql: text,
            parameters: sql.parameters.clone(),
        };
        let one = async |statement| {
            let results = self.read(&[statement], limit).await;
            results.map(|mut rows| rows.pop().unwrap_or_default())
        };
        let rows = one(statement(sql.text.clone())).await?;
        let mut values = rows.rows.iter().flat_map(|row| row.values());
        if !values.any(exact::is_doubtful) {
            return Ok(rows);
        }
        let rounded = || {
            ActionError::target("the rows hold numbers beyond 2^53, which D1 rounds")
                .help("ask for them as text: CAST(… AS TEXT)")
        };
        if !exact::can_be_written_out(&sql.text) {
            return Err(rounded());
        }
        let again = exact::written_out(&sql.text, rows.columns.len());
        let written = one(statement(again)).await?;
        exact::read_back(written, &rows.columns).ok_or_else(rounded)
    }

    async fn info(&self) -> Result<Report, D1Error> {
        let facts = self.d1.info().await?;
        let of = |wanted: &str| {
            let found = facts.iter().find(|(name, _)| *name == wanted);
            found.map_or(&Value::Null, |(_, value)| value)
        };
        let bytes = of("bytes").as_u64();
        let size = bytes.map(|bytes| Size(bytes).to_string());
        let tables = of("tables")
            .as_u64()
            .map(|tables| count(tables as usize, "table"));
        let parts = [Some(format!("D1 {}", self.d1.name)), size, tables];
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
        format!("{statements} on {} (d1, {})", self.table, self.d1.name)
    }
}

/// A statement whose values arrive as exactly what they are.
fn exactly(statement: &Statement) -> Statement {
    let (sql, parameters) = sql::with_exact(&statement.sql, &statement.parameters);
    Statement { sql, parameters }
}

/// The same trouble with a change that was under way.
fn unknown(trouble: ActionError) -> ActionError {
    let message = format!("{}; it is not known whether it was done", trouble.message);
    ActionError { message, ..trouble }.help("look what is there before you do it again")
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test may panic")]
mod tests {
    use crate::action::database::Database;
    use crate::action::testing::{World, text};
    use crate::config::DatabaseKind;

    #[tokio::test]
    async fn an_api_that_cannot_be_reached_is_told_with_what_to_do() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let kind = DatabaseKind::D1 {
            name: "orders".to_owned(),
            id: Some("1".to_owned()),
            account: None,
            token: None,
        };
        let mut world = World::new().with_database("main", kind);
        for (name, value) in [
            ("CLOUDFLARE_API_BASE_URL", format!("http://{address}")),
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
