//! PostgreSQL servers: their answers in the words of the actions, their errors with whose trouble they are. They are
//! read and not changed: what changes something is refused before a connection is made.

mod looks;
mod upkeep;

use serde_json::{Map, Value, json};

use crate::base::Size;
use crate::base::text::{fit, one_line};
use crate::config::Database;
use crate::engine::{ActionContext, ActionError};
use crate::expr::SqlText;
use crate::model::Template;
use crate::platform::bounds::Bounds;
use crate::platform::postgres::{Address, AddressError, Postgres, PostgresError};
use crate::platform::rows::{Changed, Rows};
use crate::sql::{self, Dialect};

use super::system::{
    Answer, DatabaseSystem, Look, Question, Report, Upkeep, must_read, of_tables, row, unchanging,
    variable,
};

/// A database of a PostgreSQL server.
pub(super) struct PostgresSystem {
    name: String,
    postgres: Postgres,
}

impl PostgresSystem {
    /// The database that a URL names, else `DATABASE_URL`.
    pub(super) fn new(
        database: &Database,
        url: Option<&Template>,
        password: Option<&Template>,
        context: &ActionContext<'_>,
    ) -> Result<Self, ActionError> {
        let name = database.name.as_str();
        let url = match url {
            Some(url) => (context.resolve)(url)?,
            None => variable(context, "DATABASE_URL").ok_or_else(|| {
                ActionError::own(format!("nothing says where the database {name} is")).help(
                    format!("set `url` in [database.{name}], or the variable DATABASE_URL"),
                )
            })?,
        };
        let password = match password {
            Some(password) => Some((context.resolve)(password)?),
            None => variable(context, "PGPASSWORD"),
        };
        let address = Address::parse(&url, &context.config.folder)
            .map_err(|error| wrong_address(&error, name))?;
        Ok(Self {
            name: name.to_owned(),
            postgres: Postgres::new(address.or_password(password)).until(context.deadline),
        })
    }

    /// Whose trouble it is, and what to do about it. The server's words stay: they are what people search for.
    fn trouble(&self, error: &PostgresError) -> ActionError {
        let message = one_line(&error.to_string());
        let name = &self.name;
        match error {
            PostgresError::Lookup(_) => ActionError::target(message)
                .help(format!("check the host in `url` of [database.{name}]")),
            PostgresError::Connect(connect) if connect.own => ActionError::own(message),
            PostgresError::Socket { is_own: true, .. } => ActionError::own(message)
                .help("check who may use the socket: it is the folder's and the socket's mode"),
            PostgresError::Connect(_) | PostgresError::Socket { .. } => {
                ActionError::target(message).help("see whether the server runs and listens there")
            }
            PostgresError::Tls(tls) if tls.problem.is_own() => ActionError::own(message)
                .help(format!("correct sslrootcert in `url` of [database.{name}]")),
            PostgresError::Tls(_) => ActionError::target(message),
            PostgresError::NoTls { .. } => ActionError::target(message).help(format!(
                "switch TLS on in the server, or say sslmode=disable in `url` of [database.{name}]"
            )),
            PostgresError::NotPostgres { .. } => ActionError::target(message)
                .help(format!("check host and port in `url` of [database.{name}]")),
            PostgresError::NoPassword { .. } => ActionError::own(message).help(format!(
                "set `password` in [database.{name}] from `{{{{ secret.NAME }}}}`, or the variable PGPASSWORD"
            )),
            PostgresError::Authentication { .. } => ActionError::own(message)
                .help("let the server ask this role for a password: scram-sha-256 in pg_hba.conf"),
            PostgresError::Silent { .. } => ActionError::late(message),
            PostgresError::Late { .. } => ActionError::late(message).help(
                "see what it waits for with `database.activity`, or give the step a longer `timeout`",
            ),
            PostgresError::Server { code, hint, .. } => refusal(code, message, hint.as_deref(), name),
            PostgresError::Cut { .. } => ActionError::target(message)
                .help("see the server's log: it was stopped, or something between cuts connections"),
            PostgresError::TooLarge { .. } => ActionError::own(message)
                .help("select less of it: left(column, 1000), or its length"),
            PostgresError::Parameters { .. } => ActionError::config(message),
            PostgresError::Unreadable { .. } => ActionError::own(message)
                .help("cast the column to text: column::text"),
        }
    }

    fn told<T>(&self, outcome: Result<T, PostgresError>) -> Result<T, ActionError> {
        outcome.map_err(|error| self.trouble(&error))
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
        let tables = tables.into_iter();
        Ok(of_tables(
            tables.map(|table| (table.table, table.rows, table.bytes)),
        ))
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

/// What a refusal of the server means, by the classes of
/// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn refusal(code: &str, message: String, hint: Option<&str>, name: &str) -> ActionError {
    let class = code.get(..2).unwrap_or_default();
    let (error, help): (fn(String) -> ActionError, String) = match (code, class) {
        ("28P01", _) => (
            ActionError::own,
            format!("correct the user in `url` and the password of [database.{name}]"),
        ),
        (_, "28") => (
            ActionError::own,
            "let this role in from here: pg_hba.conf of the server says who may come how".to_owned(),
        ),
        ("3D000", _) => (
            ActionError::target,
            format!("see which there are with psql -l, or correct `url` of [database.{name}]"),
        ),
        ("42501", _) => (
            ActionError::own,
            "grant the role what it may read; pg_monitor is for watching".to_owned(),
        ),
        ("53300" | "53400", _) => (
            ActionError::target,
            "see who holds the connections: pg_stat_activity, as a superuser, for whom some are kept back".to_owned(),
        ),
        ("57P03", _) => (
            ActionError::target,
            "it is starting, stopping or recovering: its log says which; `retry` waits".to_owned(),
        ),
        ("57P01" | "57P02", _) => (
            ActionError::target,
            "the server was stopped or somebody ended the session: see its log".to_owned(),
        ),
        ("57014", _) => (
            ActionError::target,
            "somebody, or a limit of the role, ended the statement".to_owned(),
        ),
        ("25006", _) => (
            ActionError::config,
            "what reads runs in a read-only transaction".to_owned(),
        ),
        ("42P18" | "42725" | "42883" | "42804", _) => (
            ActionError::config,
            hint.unwrap_or("say which type a value has: {{ value }}::bigint").to_owned(),
        ),
        ("42601", _) => {
            let error = ActionError::config(message);
            return match hint {
                Some(hint) => error.help(hint),
                None => error,
            };
        }
        _ => {
            let error = ActionError::target(message);
            return match hint {
                Some(hint) => error.help(fit(&one_line(hint), 200)),
                None => error,
            };
        }
    };
    error(message).help(help)
}

fn wrong_address(error: &AddressError, name: &str) -> ActionError {
    // Known only once its secrets are: one database that cannot be asked must not end a run that asks others.
    let wrong = ActionError::own(error.to_string());
    match error {
        AddressError::Parameter {
            near: Some(near), ..
        } => wrong.help(format!("did you mean {near}?")),
        AddressError::Parameter { near: None, .. } => {
            wrong.help(format!("take it out of `url` of [database.{name}]"))
        }
        AddressError::Hosts => wrong.help("name one: a step works on one server"),
        AddressError::Ambiguous | AddressError::Port | AddressError::Text(_) => wrong.help(format!(
            "in `url` of [database.{name}] write / as %2F, ? as %3F, # as %23 and % as %25, or give the password as `password`"
        )),
        AddressError::Scheme | AddressError::Value { .. } => {
            wrong.help(format!("correct `url` of [database.{name}]"))
        }
    }
}

impl DatabaseSystem for PostgresSystem {
    fn query<'a>(&'a self, sql: &'a SqlText, limit: usize) -> Answer<'a, Rows> {
        Box::pin(async move {
            must_read(&sql.text, Dialect::Postgres)?;
            let text = sent(&sql.text);
            self.told(self.postgres.query(&text, &sql.parameters, limit).await)
        })
    }

    fn explain<'a>(&'a self, sql: &'a SqlText) -> Answer<'a, Rows> {
        Box::pin(async move {
            // `ANALYZE …` behind it would run the statement.
            let text = format!("EXPLAIN {}", sql.text);
            must_read(&text, Dialect::Postgres)?;
            let text = sent(&text);
            let plan = self
                .postgres
                .query(&text, &sql.parameters, usize::MAX)
                .await;
            let plan = self.told(plan)?;
            let lines = plan.rows.into_iter().flat_map(Map::into_iter);
            Ok(Rows {
                columns: vec!["detail".to_owned()],
                rows: lines.map(|(_, line)| row([("detail", line)])).collect(),
                truncated: plan.truncated,
            })
        })
    }

    fn execute<'a>(&'a self, _: &'a SqlText, _: usize, _: &'a Bounds) -> Answer<'a, Changed> {
        Box::pin(async move { Err(unchanging(&self.name, "postgres", "psql")) })
    }

    fn script<'a>(&'a self, _: &'a str) -> Answer<'a, u64> {
        Box::pin(async move { Err(unchanging(&self.name, "postgres", "psql")) })
    }

    fn read_script<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { Err(unchanging(&self.name, "postgres", "psql")) })
    }

    fn look<'a>(&'a self, question: &'a Question) -> Answer<'a, Report> {
        Box::pin(async move {
            match question.look {
                Look::Ping => self.told(self.postgres.ping().await).map(|()| Report {
                    detail: "answers".to_owned(),
                    ..Report::default()
                }),
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

    fn abandon(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.postgres.cancel().await;
            Ok(())
        })
    }
}
