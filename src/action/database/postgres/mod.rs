//! PostgreSQL servers: their answers in the words of the actions. Must not send what the server would take otherwise than
//! it is meant: what would leave its transaction is refused before a connection is made.

mod changes;
mod copy;
mod looks;
mod trouble;
mod upkeep;

use serde_json::{Map, Value, json};

use crate::base::text::count;
use crate::base::{Masker, Size, Span};
use crate::config::{Database, PostgresSettings};
use crate::engine::{ActionContext, ActionError, Outputs};
use crate::expr::SqlText;
use crate::model::Template;
use crate::platform::bounds::Bounds;
use crate::platform::halted::Halted;
use crate::platform::postgres::{Address, Limits, Postgres, PostgresError, Surroundings, Wanted};
use crate::platform::rows::{Changed, RowSender, Rows};
use crate::sql::{self, Dialect};

use super::system::{
    Answer, DatabaseSystem, Look, Question, Report, TableFacts, Upkeep, must_read, of_tables, row,
    variable,
};

/// A database of a PostgreSQL server.
pub(super) struct PostgresSystem {
    name: String,
    postgres: Postgres,
    masker: Masker,
    /// What the programs that it starts carry: by that they are known as those of the run.
    variables: Vec<(String, String)>,
    /// Whether anything may be changed at all.
    may_change: bool,
}

impl PostgresSystem {
    /// The database that a URL names, else `DATABASE_URL`, with what libpq's environment and files say beside it.
    pub(super) fn new(
        database: &Database,
        settings: &PostgresSettings,
        context: &ActionContext<'_>,
    ) -> Result<Self, ActionError> {
        let name = database.name.as_str();
        let resolve = |template: &Option<Template>| {
            let resolved = template.as_ref().map(context.resolve);
            resolved.transpose()
        };
        let url = resolve(&settings.url)?;
        let password = resolve(&settings.password)?;
        // The one variable that many programs share is no word of libpq's. Who names a service does not mean it.
        let url = url.or_else(|| match settings.service {
            Some(_) => None,
            None => variable(context, "DATABASE_URL"),
        });
        let wanted = Wanted {
            text: url.as_deref(),
            service: settings.service.as_deref(),
            password: password.as_deref(),
        };
        let around = Surroundings {
            folder: &context.config.folder,
            variables: context.environment,
        };
        let address =
            Address::find(wanted, &around).map_err(|error| trouble::wrong_address(&error, name))?;
        context.masker.learn(address.passwords());
        let limits = Limits {
            statement: settings.statement_timeout.map(|limit| limit.0),
            lock: settings.lock_timeout.map(|limit| limit.0),
        };
        Ok(Self {
            name: name.to_owned(),
            postgres: Postgres::new(address)
                .until(context.deadline)
                .within(limits),
            masker: context.masker.clone(),
            variables: context.variables.to_vec(),
            may_change: context.may_change,
        })
    }

    fn told<T>(&self, outcome: Result<T, PostgresError>) -> Result<T, ActionError> {
        outcome.map_err(|error| self.trouble(&error))
    }

    /// The lines of a plan, which is asked for by these words before the statement.
    async fn plan(&self, words: &str, sql: &SqlText) -> Result<Rows, ActionError> {
        let text = sent(&format!("{words}{}", sql.text));
        let plan = self
            .postgres
            .query(&text, &sql.parameters, usize::MAX)
            .await;
        let plan = plan.map_err(|error| self.trouble_of_written(&error, sql, words))?;
        let lines = plan.rows.into_iter().flat_map(Map::into_iter);
        Ok(Rows {
            columns: vec!["detail".to_owned()],
            rows: lines.map(|(_, line)| row([("detail", line)])).collect(),
            truncated: plan.truncated,
        })
    }

    /// Has it answer, and tells how far that came.
    async fn ping(&self) -> Result<Report, ActionError> {
        let answer = self.told(self.postgres.ping().await);
        let stages = self.postgres.stages();
        let last = stages.last().map(|(stage, _)| stage.as_str());
        let stages: Vec<Value> = stages
            .iter()
            .map(|(stage, took)| {
                let ms = Span(*took).milliseconds();
                json!({"stage": stage.as_str(), "ms": ms})
            })
            .collect();
        match answer {
            Ok(()) => Ok(Report {
                detail: "answers".to_owned(),
                further: vec![("stages", json!(stages))],
                ..Report::default()
            }),
            Err(error) => {
                let came = Outputs::default().with("stage", last);
                Err(error.outputs(came.with("stages", stages)))
            }
        }
    }

    async fn info(&self) -> Result<Report, PostgresError> {
        let facts = self.postgres.info().await?;
        let of = |wanted: &str| {
            let found = facts.iter().find(|(name, _)| name == wanted);
            found.map_or(&Value::Null, |(_, value)| value)
        };
        let bytes = of("bytes").as_u64();
        let detail = format!(
            "PostgreSQL {}, {}, {} of {} connections, {}",
            of("version").as_str().unwrap_or_default(),
            Size(bytes.unwrap_or_default()),
            of("connections"),
            of("max_connections"),
            of("role").as_str().unwrap_or_default(),
        );
        let facts = facts.into_iter();
        Ok(Report {
            rows: facts
                .map(|(name, value)| row([("name", json!(name)), ("value", value)]))
                .collect(),
            detail,
            bytes,
            ..Report::default()
        })
    }

    async fn tables(&self) -> Result<Report, PostgresError> {
        let tables = self.postgres.tables().await?;
        Ok(of_tables(tables.into_iter().map(|table| TableFacts {
            table: table.table,
            columns: table.columns,
            rows: table.rows,
            bytes: Some(table.bytes),
        })))
    }

    async fn size(&self) -> Result<Report, PostgresError> {
        let parts = self.postgres.size().await?;
        let bytes = parts.iter().map(|(_, bytes)| bytes).sum();
        Ok(Report {
            rows: parts
                .into_iter()
                .map(|(part, bytes)| row([("part", json!(part)), ("bytes", json!(bytes))]))
                .collect(),
            detail: Size(bytes).to_string(),
            bytes: Some(bytes),
            ..Report::default()
        })
    }
}

/// A statement as the server takes it: `$1` for `?1`, and nothing behind it.
fn sent(text: &str) -> String {
    sql::with_dollars(&sql::without_semicolon(text, Dialect::Postgres))
}

impl DatabaseSystem for PostgresSystem {
    fn known_as(&self) -> &str {
        &self.name
    }

    fn query<'a>(&'a self, sql: &'a SqlText, limit: usize) -> Answer<'a, Rows> {
        Box::pin(async move {
            must_read(&sql.text, Dialect::Postgres)?;
            let text = sent(&sql.text);
            self.told(self.postgres.query(&text, &sql.parameters, limit).await)
        })
    }

    fn glance<'a>(&'a self, sql: &'a SqlText, limit: usize) -> Answer<'a, Rows> {
        Box::pin(async move {
            must_read(&sql.text, Dialect::Postgres)?;
            let text = sent(&sql.text);
            let seen = self.postgres.look(&text, &sql.parameters, limit).await;
            seen.map_err(|error| self.trouble_in_brief(&error))
        })
    }

    fn query_written<'a>(&'a self, sql: &'a SqlText, limit: usize) -> Answer<'a, Rows> {
        Box::pin(async move {
            must_read(&sql.text, Dialect::Postgres)?;
            let text = sent(&sql.text);
            let rows = self.postgres.query(&text, &sql.parameters, limit).await;
            rows.map_err(|error| self.trouble_of_written(&error, sql, ""))
        })
    }

    fn stream<'a>(&'a self, sql: &'a SqlText, rows: RowSender) -> Answer<'a, ()> {
        Box::pin(async move {
            must_read(&sql.text, Dialect::Postgres)?;
            let text = sent(&sql.text);
            let sent = self.postgres.stream(&text, &sql.parameters, rows).await;
            sent.map_err(|error| self.trouble_of_written(&error, sql, ""))
        })
    }

    fn explain<'a>(&'a self, sql: &'a SqlText) -> Answer<'a, Rows> {
        Box::pin(async move {
            // `ANALYZE …` behind it would run the statement.
            let words = "EXPLAIN ";
            must_read(&format!("{words}{}", sql.text), Dialect::Postgres)?;
            self.plan(words, sql).await
        })
    }

    fn explain_run<'a>(&'a self, sql: &'a SqlText) -> Answer<'a, Rows> {
        Box::pin(async move {
            // It is run, in a transaction that can only read.
            must_read(&sql.text, Dialect::Postgres)?;
            self.plan("EXPLAIN (ANALYZE, BUFFERS) ", sql).await
        })
    }

    fn refuse_statement(&self, sql: &SqlText) -> Result<(), ActionError> {
        changes::one(sql).map(|_| ())
    }

    fn refuse_script(&self, sql: &str) -> Result<(), ActionError> {
        changes::of_transaction(sql).map(|_| ())
    }

    fn execute<'a>(
        &'a self,
        sql: &'a SqlText,
        limit: usize,
        bounds: &'a Bounds,
    ) -> Answer<'a, Changed> {
        Box::pin(self.change(sql, limit, bounds))
    }

    fn script<'a>(&'a self, sql: &'a str) -> Answer<'a, u64> {
        Box::pin(self.change_by_script(sql))
    }

    fn alone<'a>(&'a self, sql: &'a str) -> Answer<'a, (), Halted<ActionError>> {
        Box::pin(self.change_alone(sql))
    }

    fn read_script<'a>(&'a self, sql: &'a str) -> Answer<'a, ()> {
        Box::pin(self.read_by_script(sql))
    }

    fn warnings(&self) -> Vec<String> {
        let (mut warnings, more) = self.postgres.warnings();
        if more > 0 {
            warnings.push(format!("and {}", count(more, "more warning")));
        }
        warnings
    }

    fn look<'a>(&'a self, question: &'a Question) -> Answer<'a, Report> {
        Box::pin(async move {
            match question.look {
                Look::Ping => self.ping().await,
                Look::Info => self.told(self.info().await),
                Look::Tables => self.told(self.tables().await),
                Look::Size => self.told(self.size().await),
                Look::Activity => self.activity(question).await,
                Look::Integrity => self.integrity(question).await,
                Look::ForeignKeys => self.foreign_keys(question).await,
                Look::Locks => self.locks(question).await,
                Look::Connections => self.connections(question).await,
                Look::Slow => self.slow(question).await,
                Look::Bloat => self.bloat(question).await,
                Look::Indexes => self.indexes(question).await,
                Look::Replication => self.replication(question).await,
            }
        })
    }

    fn tend<'a>(&'a self, work: &'a Upkeep) -> Answer<'a, Report> {
        Box::pin(self.keep(work))
    }

    fn upkeep_in_words(&self, work: &Upkeep) -> String {
        let database = self.postgres.database().unwrap_or(&self.name);
        let (statement, server) = (upkeep::in_words(work, database), self.postgres.server());
        format!("{statement} on {} (postgres, {server})", self.name)
    }

    fn kept(&self) -> u64 {
        self.postgres.kept()
    }

    fn abandon(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.postgres.cancel().await;
            self.doubt()
        })
    }
}
