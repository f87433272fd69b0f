//! Keeps a PostgreSQL database in shape. What locks nobody out is preferred, and what was left half done is told with the
//! line that removes it.

mod session;

use serde_json::{Value, json};

use crate::action::database::system::{Report, Upkeep};
use crate::base::Size;
use crate::base::text::count;
use crate::engine::ActionError;
use crate::platform::halted::Halted;
use crate::sql;

use super::PostgresSystem;
use super::looks::{Table, own};

/// The statement that does some upkeep, as a person reads it.
pub(super) fn in_words(work: &Upkeep, database: &str) -> String {
    match work {
        Upkeep::Analyze { table } | Upkeep::Vacuum { table, .. } | Upkeep::Reindex { table } => {
            let table = table.as_deref().map(written);
            statement(work, table.as_deref(), &written(database))
        }
        Upkeep::Cancel { pid } => format!("SELECT pg_cancel_backend({pid})"),
        Upkeep::Terminate { pid } => format!("SELECT pg_terminate_backend({pid})"),
    }
}

/// The statement on a table, or on everything; their names are quoted for SQL already.
fn statement(work: &Upkeep, table: Option<&str>, database: &str) -> String {
    let verb = match work {
        Upkeep::Vacuum { full: true, .. } => "VACUUM (FULL)",
        Upkeep::Vacuum { .. } => "VACUUM",
        Upkeep::Reindex { .. } => {
            return match table {
                Some(table) => format!("REINDEX TABLE CONCURRENTLY {table}"),
                None => format!("REINDEX DATABASE CONCURRENTLY {database}"),
            };
        }
        Upkeep::Analyze { .. } | Upkeep::Cancel { .. } | Upkeep::Terminate { .. } => "ANALYZE",
    };
    match table {
        Some(table) => format!("{verb} {table}"),
        None => verb.to_owned(),
    }
}

/// A name as the server would write it, each part of it where it has parts.
fn written(name: &str) -> String {
    let is_plain = |part: &str| {
        let mut letters = part.bytes();
        letters
            .next()
            .is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
            && letters.all(|letter| {
                letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'_'
            })
    };
    let parts = name.split('.').map(|part| match is_plain(part) {
        true => part.to_owned(),
        false => sql::quoted(part),
    });
    parts.collect::<Vec<_>>().join(".")
}

impl PostgresSystem {
    pub(super) async fn keep(&self, work: &Upkeep) -> Result<Report, ActionError> {
        match work {
            Upkeep::Analyze { table } => self.analyze(work, table.as_deref()).await,
            Upkeep::Vacuum { table, .. } => self.vacuum(work, table.as_deref()).await,
            Upkeep::Reindex { table } => self.reindex(work, table.as_deref()).await,
            Upkeep::Cancel { pid } => self.cancel_statement(*pid).await,
            Upkeep::Terminate { pid } => self.terminate(*pid).await,
        }
    }

    async fn analyze(&self, work: &Upkeep, name: Option<&str>) -> Result<Report, ActionError> {
        let table = self.table(name).await?;
        let passed_over = self.passed_over(table.as_ref()).await?;
        self.tend_alone(work, table.as_ref(), "").await?;
        Ok(Report {
            detail: format!("counted{passed_over}"),
            ..Report::default()
        })
    }

    async fn vacuum(&self, work: &Upkeep, name: Option<&str>) -> Result<Report, ActionError> {
        let table = self.table(name).await?;
        let passed_over = self.passed_over(table.as_ref()).await?;
        let before = self.bytes(table.as_ref()).await?;
        self.tend_alone(work, table.as_ref(), "").await?;
        let freed = before.saturating_sub(self.bytes(table.as_ref()).await?);
        Ok(Report {
            detail: format!("gave back {}{passed_over}", Size(freed)),
            bytes: Some(freed),
            ..Report::default()
        })
    }

    /// Concurrently: nobody is locked out, and where it fails an index may stay that is invalid.
    async fn reindex(&self, work: &Upkeep, name: Option<&str>) -> Result<Report, ActionError> {
        let table = self.table(name).await?;
        let database = self
            .ask("SELECT quote_ident(current_database()) AS name", &[])
            .await?;
        let database = database.rows.first().and_then(|row| row["name"].as_str());
        let done = self
            .tend_alone(work, table.as_ref(), database.unwrap_or_default())
            .await;
        let invalid = self.invalid(table.as_ref()).await;
        match (done, invalid) {
            (Ok(()), Ok(invalid)) if invalid.is_empty() => Ok(Report {
                detail: "all of its indexes are valid".to_owned(),
                ..Report::default()
            }),
            (Ok(()), Ok(invalid)) => {
                let which = match invalid.len() {
                    1 => "an index is".to_owned(),
                    number => format!("{number} indexes are"),
                };
                Err(ActionError::target(format!("{which} invalid still")).help(invalid.join("; ")))
            }
            (Err(error), Ok(invalid)) if !invalid.is_empty() => Err(error.help(invalid.join("; "))),
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
        }
    }

    /// What each invalid index is and how it goes away.
    async fn invalid(&self, table: Option<&Table>) -> Result<Vec<String>, ActionError> {
        let known = include_str!("../looks/damage.sql");
        let found = self.ask(known, &[oid(table)]).await?;
        let indexes = found.rows.iter().filter(|row| row["kind"] == "index");
        let details = indexes.filter_map(|row| row["detail"].as_str());
        Ok(details.map(str::to_owned).collect())
    }

    async fn bytes(&self, table: Option<&Table>) -> Result<u64, ActionError> {
        // It waits as long as the work itself does.
        let (sql, oid) = (own(include_str!("bytes.sql")), [oid(table)]);
        let found = self.told(self.postgres.query(sql, &oid, 1).await)?;
        let bytes = found.rows.first().and_then(|row| row["bytes"].as_u64());
        Ok(bytes.unwrap_or_default())
    }

    /// Refuses where this role has no right to any table; else how to say that it has none to some, which the server only
    /// warns of.
    async fn passed_over(&self, table: Option<&Table>) -> Result<String, ActionError> {
        let found = self.ask(include_str!("foreign.sql"), &[oid(table)]).await?;
        let of = |name: &str| {
            let row = found.rows.first();
            row.and_then(|row| row[name].as_u64()).unwrap_or_default()
        };
        match (of("tables"), of("foreign_tables")) {
            (_, 0) => Ok(String::new()),
            (all, foreign) if all == foreign => Err(ActionError::own(format!(
                "this role may not look after any table of it in {}",
                self.name
            ))
            .help("connect as the owner of the tables or of the database")),
            (_, foreign) => Ok(format!(
                "; {} of others passed over: their owner has to do those",
                count(foreign as usize, "table")
            )),
        }
    }

    async fn tend_alone(
        &self,
        work: &Upkeep,
        table: Option<&Table>,
        database: &str,
    ) -> Result<(), ActionError> {
        let table = table.map(|table| table.quoted.as_str());
        let statement = statement(work, table, database);
        let done = self.postgres.alone(&[&statement]).await;
        done.map_err(|Halted { error, .. }| {
            let trouble = self.trouble_of_change(&error);
            match error.code() {
                Some("42501") => ActionError::own(trouble.message)
                    .help("connect as the owner of the table, or of the database"),
                _ => trouble,
            }
        })
    }
}

fn oid(table: Option<&Table>) -> Value {
    json!(table.map(|table| table.oid))
}

#[cfg(test)]
mod tests {
    use super::{Upkeep, in_words};

    #[test]
    fn upkeep_is_shown_as_the_statement_that_does_it() {
        let table = |name: &str| Some(name.to_owned());
        for (work, wanted) in [
            (Upkeep::Analyze { table: None }, "ANALYZE"),
            (
                Upkeep::Analyze {
                    table: table("sales.orders"),
                },
                "ANALYZE sales.orders",
            ),
            (
                Upkeep::Vacuum {
                    table: None,
                    full: false,
                },
                "VACUUM",
            ),
            (
                Upkeep::Vacuum {
                    table: table("Or \"ders"),
                    full: true,
                },
                "VACUUM (FULL) \"Or \"\"ders\"",
            ),
            (
                Upkeep::Reindex { table: None },
                "REINDEX DATABASE CONCURRENTLY main",
            ),
            (
                Upkeep::Reindex {
                    table: table("orders"),
                },
                "REINDEX TABLE CONCURRENTLY orders",
            ),
            (Upkeep::Cancel { pid: 12 }, "SELECT pg_cancel_backend(12)"),
            (
                Upkeep::Terminate { pid: 12 },
                "SELECT pg_terminate_backend(12)",
            ),
        ] {
            assert_eq!(in_words(&work, "main"), wanted);
        }
    }
}
