//! The table whose rows are too old, in the words of its engine: what there is of it, and the statement that deletes some
//! of the oldest. Must not delete.

use serde_json::{Map, Value};

use crate::config::Database;
use crate::engine::ActionError;
use crate::event::StepTable;
use crate::expr::SqlText;
use crate::sql::{self, Deletion, Dialect, TableName, quoted};

use super::Wish;
use super::age::{self, Form};
use crate::action::database::cascade::{self, Along};
use crate::action::database::system::{self, DatabaseSystem};

/// So many of the oldest rows are shown.
const SAMPLE: usize = 5;

/// A table and how its rows tell their age.
pub(super) struct Target {
    dialect: Dialect,
    /// The table and the column, quoted; the column with its table, for SQLite takes a lone name that it does not know as
    /// a text.
    table: String,
    column: String,
    /// What names a row whatever its columns: `rowid`, `ctid`; none where the table has none that is its own.
    row: Option<&'static str>,
    /// How the column tells an age; none where no row has one.
    pub(super) form: Option<Form>,
}

/// What there is to delete.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    /// The rows that are too old.
    pub(super) expired: u64,
    /// All rows of the table.
    pub(super) total: u64,
    /// The least value of the column, as it stands there.
    pub(super) oldest: Value,
}

impl Facts {
    /// The rows that are too old, in percent of all.
    pub(super) fn share(&self) -> f64 {
        if self.total == 0 {
            return 0.0;
        }
        self.expired as f64 * 100.0 / self.total as f64
    }
}

impl Target {
    /// Finds out how the rows of the table tell their age.
    pub(super) async fn find(
        system: &dyn DatabaseSystem,
        database: &Database,
        wish: &Wish<'_>,
    ) -> Result<Self, ActionError> {
        let dialect = database.kind.dialect();
        let parts: Vec<&str> = wish.table.split('.').collect();
        let table: Vec<String> = parts.iter().copied().map(quoted).collect();
        let last = table.last().cloned().unwrap_or_default();
        let mut target = Self {
            dialect,
            table: table.join("."),
            column: format!("{last}.{}", quoted(wish.column)),
            row: None,
            form: None,
        };
        target.row = target.named_by(system, wish.table).await?;
        let kinds = age::kinds(&target.table, &target.column, dialect);
        let kinds = rows(system, kinds, Vec::new()).await?;
        target.form = age::form(&kinds).map_err(|unclear| {
            let (table, column) = (wish.table, wish.column);
            ActionError::config(format!(
                "how old the rows of {table} are is not clear from {column}: {unclear}"
            ))
            .help("name the column that tells it, or delete them by `sql.execute` with a condition of your own")
        })?;
        Ok(target)
    }

    /// What names a row of the table whatever its columns.
    async fn named_by(
        &self,
        system: &dyn DatabaseSystem,
        table: &str,
    ) -> Result<Option<&'static str>, ActionError> {
        let missing = || ActionError::target(format!("no such table: {table}"));
        match self.dialect {
            Dialect::Sqlite => {
                let name = table.rsplit('.').next().unwrap_or(table);
                let text = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND lower(name) = lower(?1)";
                let found = rows(system, text.to_owned(), vec![name.into()]).await?;
                let made = first(&found, "sql")
                    .and_then(Value::as_str)
                    .ok_or_else(missing)?;
                let options = made.rsplit(')').next().unwrap_or_default();
                let options = options.to_ascii_lowercase();
                Ok((!options.contains("rowid")).then_some("rowid"))
            }
            Dialect::Postgres => {
                // Rows of partitions and of children are named apart in each of them.
                let text = "SELECT relkind = 'r' AND NOT relhassubclass AS plain FROM pg_class WHERE oid = to_regclass(?1)";
                let found = rows(system, text.to_owned(), vec![self.table.clone().into()]).await?;
                let plain = first(&found, "plain").and_then(Value::as_bool);
                Ok(plain.ok_or_else(missing)?.then_some("ctid"))
            }
        }
    }

    /// Counts what is too old.
    pub(super) async fn facts(
        &self,
        system: &dyn DatabaseSystem,
        wish: &Wish<'_>,
    ) -> Result<Facts, ActionError> {
        let Self { table, column, .. } = self;
        let (expired, values) = match self.form {
            Some(form) => (
                format!("count(CASE WHEN {} THEN 1 END)", self.condition(form)),
                vec![form.value(wish.before)],
            ),
            None => ("0".to_owned(), Vec::new()),
        };
        let text = format!(
            "SELECT {expired} AS expired, count(*) AS total, min({column}) AS oldest FROM {table}"
        );
        let found = rows(system, text, values).await?;
        let number = |name| {
            first(&found, name)
                .and_then(Value::as_u64)
                .unwrap_or_default()
        };
        Ok(Facts {
            expired: number("expired"),
            total: number("total"),
            oldest: first(&found, "oldest").cloned().unwrap_or_default(),
        })
    }

    fn condition(&self, form: Form) -> String {
        form.condition(&self.column, self.dialect)
    }

    /// The statement that deletes at most so many of the oldest rows; where the table does not name its rows, more of
    /// them where several are as old as the last one. None where no row has an age.
    pub(super) fn statement(&self, wish: &Wish<'_>, most: u64) -> Option<SqlText> {
        let Self { table, column, .. } = self;
        let form = self.form?;
        let old = self.condition(form);
        let of = |what: &str| {
            format!("SELECT {what} FROM {table} WHERE {old} ORDER BY {column} LIMIT {most}")
        };
        let text = match (self.row, self.dialect) {
            (Some(row), Dialect::Postgres) => {
                format!(
                    "DELETE FROM {table} WHERE {row} = ANY (ARRAY({})) AND {old}",
                    of(row)
                )
            }
            (Some(row), Dialect::Sqlite) => {
                format!("DELETE FROM {table} WHERE {row} IN ({}) AND {old}", of(row))
            }
            (None, _) => format!(
                "DELETE FROM {table} WHERE {column} <= (SELECT max(age) FROM ({}) AS oldest) AND {old}",
                of(&format!("{column} AS age"))
            ),
        };
        Some(SqlText {
            text,
            parameters: vec![form.value(wish.before)],
        })
    }

    /// What is deleted.
    fn deletion(&self, wish: &Wish<'_>) -> Deletion {
        let name = wish.table.rsplit('.').next().unwrap_or(wish.table);
        Deletion::Rows(TableName {
            sql: self.table.clone(),
            name: name.to_owned(),
        })
    }

    /// The rows of other tables that go or change with those that are too old.
    pub(super) async fn along(
        &self,
        system: &dyn DatabaseSystem,
        wish: &Wish<'_>,
    ) -> Result<Vec<Along>, ActionError> {
        let touched = self.form.map(|form| SqlText {
            text: format!(" FROM {} WHERE {}", self.table, self.condition(form)),
            parameters: vec![form.value(wish.before)],
        });
        cascade::along(system, self.dialect, &self.deletion(wish), touched).await
    }

    /// The other tables that rows may have gone from.
    pub(super) async fn tables_along(
        &self,
        system: &dyn DatabaseSystem,
        wish: &Wish<'_>,
    ) -> Result<Vec<Along>, ActionError> {
        cascade::tables(system, self.dialect, &self.deletion(wish)).await
    }

    /// The same for a person.
    pub(super) fn statement_in_words(&self, wish: &Wish<'_>, most: u64) -> String {
        let statement = self.statement(wish, most);
        statement.map_or_else(String::new, |statement| {
            sql::with_literals(&statement.text, &statement.parameters, self.dialect)
        })
    }

    /// The oldest of the rows that are too old.
    pub(super) async fn sample(
        &self,
        system: &dyn DatabaseSystem,
        wish: &Wish<'_>,
        facts: &Facts,
    ) -> Option<StepTable> {
        let Self { table, column, .. } = self;
        let form = self.form.filter(|_| facts.expired > 0)?;
        let old = self.condition(form);
        let asked = SqlText {
            text: format!("SELECT * FROM {table} WHERE {old} ORDER BY {column} LIMIT {SAMPLE}"),
            parameters: vec![form.value(wish.before)],
        };
        system::sample(system, &asked, SAMPLE).await
    }
}

async fn rows(
    system: &dyn DatabaseSystem,
    text: String,
    parameters: Vec<Value>,
) -> Result<Vec<Map<String, Value>>, ActionError> {
    let asked = SqlText { text, parameters };
    Ok(system.query(&asked, 20).await?.rows)
}

fn first<'a>(rows: &'a [Map<String, Value>], name: &str) -> Option<&'a Value> {
    rows.first()?.get(name)
}
