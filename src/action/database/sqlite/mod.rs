//! SQLite behind the actions `sql` and `database`: its answers as reports, its errors as whose trouble they are.

mod copy;
mod looks;
mod upkeep;

use std::path::{Path, PathBuf};

use crate::base::text::one_line;
use crate::engine::ActionError;
use crate::expr::SqlText;
use crate::platform::bounds::Bounds;
use crate::platform::halted::Halted;
use crate::platform::rows::{Changed, RowSender, Rows};
use crate::platform::sqlite::{Sqlite, SqliteError};
use crate::sql::{self, Dialect};

use super::system::{
    Answer, DatabaseSystem, Question, Report, Upkeep, in_script, refuse_transaction,
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
            SqliteError::NoStatement
            | SqliteError::Parameters { .. }
            | SqliteError::NumberTooLarge(_) => ActionError::config(message),
            SqliteError::SeveralStatements => ActionError::config(message)
                .help("write a step for each, or a file for `sql.file`"),
            SqliteError::NotRead(_) => ActionError::config(message)
                .help("use `sql.execute` for what changes something"),
            SqliteError::OwnTransaction => ActionError::config(message)
                .help("leave BEGIN, COMMIT and ROLLBACK out: the file runs in one transaction"),
            SqliteError::Dangling { .. } => ActionError::target(format!("{message}; nothing was changed"))
                .help("references are not acted upon while a migration runs: have it change the rows that refer too"),
            SqliteError::Making { error, .. } => ActionError {
                message,
                ..self.trouble(error)
            }
            .help("mend it: there is no database still"),
            SqliteError::Script { error, .. } => match **error {
                SqliteError::Parameters { .. } => self
                    .trouble(error)
                    .help("write the values into the file: none are given to it"),
                _ => self.trouble(error),
            },
            SqliteError::Bounds(broken) => super::system::beyond(*broken),
            SqliteError::Syntax(_) | SqliteError::Refused(_) => ActionError::target(message),
            SqliteError::Interrupted => ActionError::own(message),
        }
    }

    /// What went wrong with a script, and where.
    fn trouble_of_script(&self, error: &SqliteError, script: &str) -> ActionError {
        let trouble = self.trouble(error);
        let SqliteError::Script {
            completed, line, ..
        } = error
        else {
            return trouble;
        };
        let pieces = sql::pieces(script, Dialect::Sqlite);
        match pieces.get(*completed) {
            Some(piece) => in_script(trouble, piece, *line),
            None => trouble,
        }
    }

    /// What went wrong with a script that is one transaction.
    fn trouble_of_all(&self, error: &SqliteError, script: &str) -> ActionError {
        let trouble = self.trouble_of_script(error, script);
        match error {
            // What is put off to the end is refused there, in no line.
            SqliteError::Script { .. } | SqliteError::Refused(_) => ActionError {
                message: format!("{}; nothing was changed", trouble.message),
                ..trouble
            },
            _ => trouble,
        }
    }
}

impl DatabaseSystem for SqliteSystem {
    fn known_as(&self) -> &str {
        &self.name
    }

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

    fn refuse_statement(&self, sql: &SqlText) -> Result<(), ActionError> {
        match sql::pieces(&sql.text, Dialect::Sqlite).as_slice() {
            [] => Err(self.trouble(&SqliteError::NoStatement)),
            [only] => refuse_transaction(only),
            [_, _, ..] => Err(self.trouble(&SqliteError::SeveralStatements)),
        }
    }

    fn refuse_script(&self, sql: &str) -> Result<(), ActionError> {
        let pieces = sql::pieces(sql, Dialect::Sqlite);
        pieces.iter().try_for_each(refuse_transaction)
    }

    fn execute<'a>(
        &'a self,
        sql: &'a SqlText,
        limit: usize,
        bounds: &'a Bounds,
    ) -> Answer<'a, Changed> {
        Box::pin(async move {
            self.refuse_statement(sql)?;
            let changed = self
                .sqlite
                .execute(&sql.text, &sql.parameters, limit, bounds)
                .await;
            changed.map_err(|error| self.trouble(&error))
        })
    }

    fn script<'a>(&'a self, sql: &'a str) -> Answer<'a, u64> {
        Box::pin(async move {
            self.refuse_script(sql)?;
            let changed = self.sqlite.script(sql).await;
            changed.map_err(|error| self.trouble_of_all(&error, sql))
        })
    }

    fn migrate<'a>(&'a self, sql: &'a str) -> Answer<'a, u64> {
        Box::pin(async move {
            let changed = self.sqlite.migrate(sql).await;
            changed.map_err(|error| self.trouble_of_all(&error, sql))
        })
    }

    fn alone<'a>(&'a self, sql: &'a str) -> Answer<'a, (), Halted<ActionError>> {
        Box::pin(async move {
            let ended = self.sqlite.alone(sql).await;
            ended.map_err(|Halted { done, error }| Halted {
                done,
                error: self.trouble_of_script(&error, sql),
            })
        })
    }

    fn read_script<'a>(&'a self, sql: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let read = self.sqlite.read_script(sql).await;
            read.map_err(|error| self.trouble(&error))
        })
    }

    fn upkeep_in_words(&self, work: &Upkeep) -> String {
        let statements =
            upkeep::maintenance(work).map_or_else(|| "nothing".to_owned(), |work| work.sql());
        let path: PathBuf = self.sqlite.path().components().collect();
        let path = path.strip_prefix(".").unwrap_or(&path).display();
        format!("{statements} on {} (sqlite, {path})", self.name)
    }

    fn look<'a>(&'a self, question: &'a Question) -> Answer<'a, Report> {
        Box::pin(looks::look(self, question))
    }

    fn tend<'a>(&'a self, work: &'a Upkeep) -> Answer<'a, Report> {
        Box::pin(upkeep::tend(self, work))
    }

    fn kept(&self) -> u64 {
        self.sqlite.kept()
    }

    fn abandon(&self) -> Answer<'_, ()> {
        Box::pin(async {
            match self.sqlite.is_in_doubt() {
                false => Ok(()),
                true => Err(ActionError::target(
                    "stopped at its end; it is not known whether the change is kept",
                )
                .in_doubt()
                .help("look what is there before you do it again")),
            }
        })
    }
}
