//! Cloudflare D1: its answers in the words of the actions, its errors with whose trouble they are. It is read and not
//! changed: what changes something is refused before anything is sent.

use serde_json::{Value, json};

use crate::base::text::{count, one_line};
use crate::base::{Secret, Size};
use crate::config::Database;
use crate::engine::{ActionContext, ActionError};
use crate::expr::SqlText;
use crate::model::Template;
use crate::platform::bounds::Bounds;
use crate::platform::d1::{API, D1, D1Error};
use crate::platform::http::{Blame, Proxies};
use crate::platform::rows::{Changed, Rows};
use crate::sql::Dialect;

use super::system::{
    Answer, CopyKind, DatabaseSystem, Look, Question, Report, Upkeep, has_none, must_read, row,
    unchanging, variable,
};

/// What else changes a D1 database.
const TOOL: &str = "wrangler d1 execute";

/// A D1 database.
pub(super) struct D1System {
    d1: D1,
    /// The name of its table in the configuration.
    table: String,
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
        Ok(Self {
            table: table.clone(),
            d1: D1 {
                api: variable(context, "CLOUDFLARE_API_BASE_URL").unwrap_or_else(|| API.to_owned()),
                account: said(account, "account", "CLOUDFLARE_ACCOUNT_ID")?,
                token: Secret::new(said(token, "token", "CLOUDFLARE_API_TOKEN")?),
                name: name.to_owned(),
                id: id.map(str::to_owned),
                deadline: context.deadline,
                proxies: Proxies::from_variables(context.environment),
            },
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
            D1Error::Failing { .. } => {
                ActionError::target(message).help("such trouble often passes; `retry` tries again")
            }
            D1Error::Unreadable(_) => ActionError::target(message)
                .help("see whether CLOUDFLARE_API_BASE_URL is what it should be"),
            D1Error::Inexact { .. } => ActionError::config(message)
                .help("write it as text and cast it: CAST('…' AS INTEGER), or unhex('…') for a blob"),
        }
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

    async fn tables(&self) -> Result<Report, D1Error> {
        let tables = self.d1.tables().await?;
        Ok(Report {
            detail: count(tables.len(), "table"),
            rows: tables
                .into_iter()
                .map(|(table, rows)| {
                    // D1 tells nobody what a table takes.
                    row([
                        ("table", json!(table)),
                        ("rows", json!(rows)),
                        ("bytes", Value::Null),
                    ])
                })
                .collect(),
            ..Report::default()
        })
    }

    async fn size(&self) -> Result<Report, D1Error> {
        let Report { bytes, .. } = self.info().await?;
        let size = bytes.unwrap_or_default();
        Ok(Report {
            rows: vec![row([("part", json!("file")), ("bytes", json!(bytes))])],
            detail: Size(size).to_string(),
            bytes,
            ..Report::default()
        })
    }
}

impl DatabaseSystem for D1System {
    fn query<'a>(&'a self, sql: &'a SqlText, limit: usize) -> Answer<'a, Rows> {
        Box::pin(async move {
            must_read(&sql.text, Dialect::Sqlite)?;
            let rows = self.d1.query(&sql.text, &sql.parameters, limit).await;
            rows.map_err(|error| self.trouble(&error))
        })
    }

    fn explain<'a>(&'a self, sql: &'a SqlText) -> Answer<'a, Rows> {
        Box::pin(async move {
            let text = format!("EXPLAIN QUERY PLAN {}", sql.text);
            must_read(&text, Dialect::Sqlite)?;
            let plan = self.d1.query(&text, &sql.parameters, usize::MAX).await;
            plan.map_err(|error| self.trouble(&error))
        })
    }

    fn execute<'a>(&'a self, _: &'a SqlText, _: usize, _: &'a Bounds) -> Answer<'a, Changed> {
        Box::pin(async move { Err(unchanging(&self.table, "d1", TOOL)) })
    }

    fn script<'a>(&'a self, _: &'a str) -> Answer<'a, u64> {
        Box::pin(async move { Err(unchanging(&self.table, "d1", TOOL)) })
    }

    fn read_script<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { Err(unchanging(&self.table, "d1", TOOL)) })
    }

    fn copy_kind(&self) -> Result<CopyKind, ActionError> {
        Err(ActionError::own("not yet"))
    }

    fn look<'a>(&'a self, question: &'a Question) -> Answer<'a, Report> {
        Box::pin(async move {
            let report = match question.look {
                Look::Ping => self.d1.query("SELECT 1", &[], 1).await.map(|_| Report {
                    detail: "answers".to_owned(),
                    ..Report::default()
                }),
                Look::Info => self.info().await,
                Look::Tables => self.tables().await,
                Look::Size => self.size().await,
                Look::Integrity => {
                    return Err(ActionError::config(format!(
                        "the integrity of {} cannot be looked at: it is of kind d1",
                        self.table
                    ))
                    .help("sql.query = \"PRAGMA quick_check\" tells what D1 lets anybody ask"));
                }
                Look::Activity | Look::Locks | Look::Connections | Look::Slow => {
                    let instead = "`command.run` with wrangler d1 insights tells what was slow";
                    return Err(has_none(&self.table, "d1", "sessions", instead));
                }
                Look::ForeignKeys | Look::Bloat | Look::Indexes | Look::Replication => {
                    return Err(has_none(&self.table, "d1", "such thing", "use `sql.query`"));
                }
            };
            report.map_err(|error| self.trouble(&error))
        })
    }

    fn tend<'a>(&'a self, _: &'a Upkeep) -> Answer<'a, Report> {
        Box::pin(async move { Err(unchanging(&self.table, "d1", TOOL)) })
    }

    fn upkeep_in_words(&self, work: &Upkeep) -> String {
        let statement = match work {
            Upkeep::Analyze { .. } => "ANALYZE",
            Upkeep::Vacuum { .. } => "VACUUM",
            Upkeep::Reindex { .. } => "REINDEX",
            Upkeep::Cancel { .. } | Upkeep::Terminate { .. } => "nothing",
        };
        format!("{statement} on {} (d1, {})", self.table, self.d1.name)
    }
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test may panic")]
mod tests {
    use super::{D1, D1System};
    use crate::action::database::system::{DatabaseSystem as _, Look, Question};
    use crate::base::Secret;
    use crate::platform::http::Proxies;

    #[tokio::test]
    async fn an_api_that_cannot_be_reached_is_told_with_what_to_do() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let system = D1System {
            table: "main".to_owned(),
            d1: D1 {
                api: format!("http://{address}"),
                account: "0".to_owned(),
                token: Secret::new("token".to_owned()),
                name: "orders".to_owned(),
                id: Some("1".to_owned()),
                deadline: None,
                proxies: Proxies::default(),
            },
        };
        let error = system
            .look(&Question::of(Look::Ping))
            .await
            .expect_err("an error");
        assert!(error.help.is_some(), "{error}");
    }
}
