//! SQLite behind the actions `sql` and `database`: its answers as reports, its errors as whose trouble they are.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::base::Size;
use crate::base::text::{count, one_line, thousands};
use crate::engine::ActionError;
use crate::expr::SqlText;
use crate::platform::bounds::Bounds;
use crate::platform::rows::{Changed, RowSender, Rows};
use crate::platform::sqlite::{Maintenance, Problem, Sqlite, SqliteError};

use super::system::{
    Answer, DatabaseSystem, Look, Question, Report, Upkeep, has_none, of_tables, row,
};

/// A database in a SQLite file.
pub(super) struct SqliteSystem {
    name: String,
    sqlite: Sqlite,
}

impl SqliteSystem {
    /// Relative paths start at `folder`.
    pub(super) fn new(name: &str, folder: &Path, path: &Path, create: Option<&Path>) -> Self {
        let create = create.map(|create| folder.join(create));
        Self {
            name: name.to_owned(),
            sqlite: Sqlite::new(&folder.join(path), create.as_deref()),
        }
    }

    /// Whose trouble it is. SQLite's words stay: they are what people search for.
    fn trouble(&self, error: &SqliteError) -> ActionError {
        let message = one_line(&error.to_string());
        let name = &self.name;
        match error {
            SqliteError::Missing(_) => ActionError::target(message).help(format!(
                "correct `path` of [database.{name}]; where `create` names the SQL file that makes it, it is made on first \
                 use, but neither in a dry run nor with --read-only"
            )),
            SqliteError::Unreadable { .. } | SqliteError::Setup { .. } => ActionError::own(message)
                .help(format!("check the paths of [database.{name}] and who may read them")),
            SqliteError::Create { .. } => ActionError::own(message)
                .help(format!("check who may write the folder of [database.{name}]")),
            SqliteError::CannotOpen(_) | SqliteError::ReadOnly(_) => ActionError::own(message).help(
                format!("check who may read and write the file of [database.{name}] and its folder"),
            ),
            SqliteError::NeedsRecovery(_) => ActionError::target(message).help(
                "have the program that owns it open it, or any sqlite3 that may write; a read changes nothing",
            ),
            SqliteError::Locked(_) => ActionError::target(message)
                .help("see who holds it: fuser -v on the file; `retry` waits for longer"),
            SqliteError::Damaged(_) => ActionError::target(message)
                .help("restore it from a backup, or try sqlite3's .recover"),
            SqliteError::Syntax(_)
            | SqliteError::NoStatement
            | SqliteError::Parameters { .. }
            | SqliteError::NumberTooLarge(_) => ActionError::config(message),
            SqliteError::SeveralStatements => ActionError::config(message)
                .help("write a step for each, or a file for `sql.file`"),
            SqliteError::NotRead(_) => ActionError::config(message)
                .help("use `sql.execute` for what changes something"),
            SqliteError::OwnTransaction => ActionError::config(message)
                .help("leave BEGIN, COMMIT and ROLLBACK out: the file runs in one transaction"),
            SqliteError::Bounds(broken) => super::system::beyond(*broken),
            SqliteError::Refused(_) => ActionError::target(message),
            SqliteError::Interrupted => ActionError::own(message),
        }
    }

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
        let tables = tables.into_iter();
        Ok(of_tables(
            tables.map(|table| (table.table, table.rows, table.bytes)),
        ))
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

    async fn integrity(&self) -> Result<Report, SqliteError> {
        let problems = self.sqlite.integrity().await?;
        let line = |problem: &Problem| {
            let table = problem.table.as_deref();
            let place = table.map_or_else(String::new, |table| format!("{table}: "));
            one_line(&format!("{place}{}", problem.detail))
        };
        Ok(Report {
            detail: match problems.len() {
                0 => "no problem found".to_owned(),
                some => count(some, "problem"),
            },
            problems: problems.iter().map(line).collect(),
            rows: problems
                .into_iter()
                .map(|problem| {
                    row([
                        ("kind", json!(problem.kind)),
                        ("table", json!(problem.table)),
                        ("detail", json!(problem.detail)),
                    ])
                })
                .collect(),
            ..Report::default()
        })
    }

    async fn upkeep(&self, work: Maintenance, told: &str) -> Result<Report, SqliteError> {
        let freed = self.sqlite.maintain(work).await?;
        let vacuum = work == Maintenance::Vacuum;
        Ok(Report {
            detail: if vacuum {
                format!("{told}, {} bytes freed", thousands(freed))
            } else {
                told.to_owned()
            },
            bytes: vacuum.then_some(freed),
            ..Report::default()
        })
    }
}

impl DatabaseSystem for SqliteSystem {
    fn query<'a>(&'a self, sql: &'a SqlText, limit: usize) -> Answer<'a, Rows> {
        Box::pin(async move {
            let rows = self.sqlite.query(&sql.text, &sql.parameters, limit).await;
            rows.map_err(|error| self.trouble(&error))
        })
    }

    fn stream<'a>(&'a self, sql: &'a SqlText, rows: RowSender) -> Answer<'a, ()> {
        Box::pin(async move {
            let sent = self.sqlite.stream(&sql.text, &sql.parameters, rows).await;
            sent.map_err(|error| self.trouble(&error))
        })
    }

    fn explain<'a>(&'a self, sql: &'a SqlText) -> Answer<'a, Rows> {
        Box::pin(async move {
            let rows = self.sqlite.explain(&sql.text, &sql.parameters).await;
            rows.map_err(|error| self.trouble(&error))
        })
    }

    fn execute<'a>(
        &'a self,
        sql: &'a SqlText,
        limit: usize,
        bounds: &'a Bounds,
    ) -> Answer<'a, Changed> {
        Box::pin(async move {
            let changed = self
                .sqlite
                .execute(&sql.text, &sql.parameters, limit, bounds)
                .await;
            changed.map_err(|error| self.trouble(&error))
        })
    }

    fn script<'a>(&'a self, sql: &'a str) -> Answer<'a, u64> {
        Box::pin(async move {
            let changed = self.sqlite.script(sql).await;
            changed.map_err(|error| self.trouble(&error))
        })
    }

    fn read_script<'a>(&'a self, sql: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let read = self.sqlite.read_script(sql).await;
            read.map_err(|error| self.trouble(&error))
        })
    }

    fn upkeep_in_words(&self, work: &Upkeep) -> String {
        let statements = match work {
            Upkeep::Analyze { .. } => "ANALYZE",
            Upkeep::Vacuum { .. } => "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)",
            Upkeep::Reindex { .. } => "REINDEX",
            Upkeep::Cancel { .. } | Upkeep::Terminate { .. } => "nothing",
        };
        let path: PathBuf = self.sqlite.path().components().collect();
        let path = path.strip_prefix(".").unwrap_or(&path).display();
        format!("{statements} on {} (sqlite, {path})", self.name)
    }

    fn look<'a>(&'a self, question: &'a Question) -> Answer<'a, Report> {
        Box::pin(async move {
            let report = match question.look {
                Look::Ping => self.ping().await,
                Look::Info => self.info().await,
                Look::Tables => self.tables().await,
                Look::Size => self.size().await,
                Look::Integrity => self.integrity().await,
                Look::Activity | Look::Locks | Look::Connections => {
                    let instead = "fuser -v on its file tells who has it open";
                    return Err(has_none(&self.name, "sqlite", "sessions", instead));
                }
                Look::Slow => {
                    let instead = "`db explain` tells how a statement is run";
                    return Err(has_none(
                        &self.name,
                        "sqlite",
                        "statistics of statements",
                        instead,
                    ));
                }
                Look::Replication => {
                    let instead = "the tool that copies its file knows how far it is";
                    return Err(has_none(&self.name, "sqlite", "replicas", instead));
                }
                Look::ForeignKeys | Look::Bloat | Look::Indexes => {
                    return Err(has_none(
                        &self.name,
                        "sqlite",
                        "such thing",
                        "use `sql.query`",
                    ));
                }
            };
            report.map_err(|error| self.trouble(&error))
        })
    }

    fn tend<'a>(&'a self, work: &'a Upkeep) -> Answer<'a, Report> {
        Box::pin(async move {
            let (work, told) = match work {
                Upkeep::Analyze { .. } => (Maintenance::Analyze, "analyzed"),
                Upkeep::Vacuum { .. } => (Maintenance::Vacuum, "vacuumed"),
                Upkeep::Reindex { .. } => (Maintenance::Reindex, "indexes built anew"),
                Upkeep::Cancel { .. } | Upkeep::Terminate { .. } => {
                    let instead = "fuser -v on its file tells who has it open";
                    return Err(has_none(&self.name, "sqlite", "sessions", instead));
                }
            };
            let report = self.upkeep(work, told).await;
            report.map_err(|error| self.trouble(&error))
        })
    }
}
