//! The table in which a database keeps account of its migrations: the statements that read and write it, in each dialect.
//! Must not decide what is applied.

use serde_json::{Map, Value};

use crate::base::text::one_line;
use crate::engine::ActionError;
use crate::expr::SqlText;
use crate::sql::{Dialect, quoted, with_literals};

use crate::action::database::system::DatabaseSystem;

use super::folder::Migration;

/// Whose table it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    /// Opsbook's own.
    Opsbook,
    /// Wrangler's, whose columns and names are kept to: `id`, `name`, `applied_at`.
    Wrangler,
}

impl Keeper {
    /// The table unless something else is said.
    pub(super) const fn usual_table(self) -> &'static str {
        match self {
            Self::Opsbook => "opsbook_migrations",
            Self::Wrangler => "d1_migrations",
        }
    }
}

/// The table of a database.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    keeper: Keeper,
    dialect: Dialect,
    /// With its schema, in quotes.
    table: String,
    /// Whether it is there.
    pub(super) exists: bool,
    /// The rows, in the order in which they were applied.
    pub(super) entries: Vec<Entry>,
}

/// A migration that was applied, or begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name: of its file with wrangler, else without what the file's name adds.
    pub(super) name: String,
    /// The digest of its text when it was applied; wrangler keeps none.
    pub(super) sha256: Option<String>,
    /// Whether it runs in no transaction, was begun, and nobody wrote that it ended.
    pub(super) is_started: bool,
    /// When, as the database tells it.
    pub(super) applied_at: Value,
    /// Who, if that is known.
    pub(super) by: Value,
    /// How long it took in milliseconds, if that is known.
    pub(super) ms: Value,
}

/// What one migration is in the ledger.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) migration: &'a Migration,
    pub(super) sha256: &'a str,
    pub(super) by: &'a str,
    /// When it began, by the clock of SQLite; none where nobody can tell.
    pub(super) began: Option<chrono::DateTime<chrono::Utc>>,
}

impl Ledger {
    /// Reads the table of this name.
    pub(super) async fn read(
        system: &dyn DatabaseSystem,
        keeper: Keeper,
        dialect: Dialect,
        table: &str,
    ) -> Result<Self, ActionError> {
        let (schema, name) = match table.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, table),
        };
        let (schema, exists) = match dialect {
            Dialect::Sqlite => (schema.map(str::to_owned), in_sqlite(system, name).await?),
            Dialect::Postgres => in_postgres(system, schema, name).await?,
        };
        let parts = schema.iter().map(String::as_str).chain([name]);
        let mut ledger = Self {
            keeper,
            dialect,
            table: parts.map(quoted).collect::<Vec<_>>().join("."),
            exists,
            entries: Vec::new(),
        };
        if exists {
            ledger.entries = ledger.ask(system).await?;
        }
        Ok(ledger)
    }

    async fn ask(&self, system: &dyn DatabaseSystem) -> Result<Vec<Entry>, ActionError> {
        let columns = match (self.keeper, self.dialect) {
            (Keeper::Wrangler, _) => "name, applied_at FROM",
            (Keeper::Opsbook, Dialect::Sqlite) => {
                "name, sha256, state, applied_at, applied_by, ms FROM"
            }
            (Keeper::Opsbook, Dialect::Postgres) => {
                "name, sha256, state, to_char(applied_at AT TIME ZONE 'UTC', \
                 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS applied_at, applied_by, ms FROM"
            }
        };
        let order = match self.keeper {
            Keeper::Wrangler => "id",
            Keeper::Opsbook => "name",
        };
        let sql = format!("SELECT {columns} {} ORDER BY {order}", self.table);
        let rows = query(system, &sql, &[]).await.map_err(|error| {
            let message = format!("the table of migrations {}: {}", self.table, error.message);
            ActionError { message, ..error }
        })?;
        rows.iter()
            .map(|row| {
                let own = |column: &str| row.get(column).cloned().unwrap_or_default();
                let text = |column: &str| own(column).as_str().map(str::to_owned);
                Some(Entry {
                    name: text("name")?,
                    sha256: text("sha256"),
                    is_started: text("state").as_deref() == Some("started"),
                    applied_at: own("applied_at"),
                    by: own("applied_by"),
                    ms: own("ms"),
                })
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| {
                ActionError::target(format!(
                    "the table of migrations {} has a row without a name",
                    self.table
                ))
            })
    }

    /// The name of a migration in this table.
    pub(super) fn name_of<'m>(&self, migration: &'m Migration) -> &'m str {
        match self.keeper {
            Keeper::Opsbook => &migration.name,
            Keeper::Wrangler => &migration.file,
        }
    }

    /// The row of a migration.
    pub(super) fn entry(&self, migration: &Migration) -> Option<&Entry> {
        let name = self.name_of(migration);
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Whether a migration can be begun and ended by two statements apart.
    pub(super) const fn marks_beginnings(&self) -> bool {
        matches!(self.keeper, Keeper::Opsbook)
    }

    /// Makes the table where there is none.
    pub(super) fn create(&self) -> String {
        let table = &self.table;
        match (self.keeper, self.dialect) {
            // As wrangler makes it.
            (Keeper::Wrangler, _) => format!(
                "CREATE TABLE IF NOT EXISTS {table}(\n\t\tid         INTEGER PRIMARY KEY AUTOINCREMENT,\n\t\t\
                 name       TEXT UNIQUE,\n\t\tapplied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL\n);"
            ),
            (Keeper::Opsbook, Dialect::Sqlite) => format!(
                "CREATE TABLE IF NOT EXISTS {table} (name TEXT NOT NULL PRIMARY KEY, sha256 TEXT NOT NULL, \
                 state TEXT NOT NULL, applied_at TEXT NOT NULL, applied_by TEXT NOT NULL, ms INTEGER);"
            ),
            (Keeper::Opsbook, Dialect::Postgres) => format!(
                "{}CREATE TABLE IF NOT EXISTS {table} (name text PRIMARY KEY, sha256 text NOT NULL, \
                 state text NOT NULL, applied_at timestamptz NOT NULL, applied_by text NOT NULL, ms bigint);",
                self.lock()
            ),
        }
    }

    /// A migration with its account, as one script. The lines of the migration keep their numbers.
    pub(super) fn applying(&self, record: Record<'_>, body: &str) -> String {
        let body = self.closed(body);
        match (self.keeper, self.dialect) {
            // First of all, so that a second one waits here, and fails before it does anything.
            (_, Dialect::Postgres) => {
                let ms = "CAST(extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000 AS bigint)";
                format!(
                    "{}{}{} {body}\nUPDATE {} SET ms = {ms} WHERE name = {};",
                    self.lock(),
                    self.unmarking(record.migration),
                    self.insert(record, "applied"),
                    self.table,
                    self.literal(self.name_of(record.migration)),
                )
            }
            // Last, for SQLite counts columns from where the script begins. It has one writer at a time.
            (_, Dialect::Sqlite) => format!(
                "{body}\n{}{}",
                self.unmarking(record.migration),
                self.insert(record, "applied")
            ),
        }
    }

    /// What takes a migration back, with its account, as one script. Where somebody else has taken it back, it fails.
    pub(super) fn reverting(&self, migration: &Migration, body: &str) -> String {
        let name = self.literal(self.name_of(migration));
        let table = &self.table;
        let column = match self.keeper {
            Keeper::Opsbook => "sha256",
            Keeper::Wrangler => "applied_at",
        };
        // It inserts nothing, or what the table does not take.
        let still = format!(
            "INSERT INTO {table} (name, {column}) SELECT {name}, NULL \
             WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE name = {name});"
        );
        let body = self.closed(body);
        let delete = format!("DELETE FROM {table} WHERE name = {name};");
        match self.dialect {
            Dialect::Postgres => format!("{}{still} {body}\n{delete}", self.lock()),
            Dialect::Sqlite => format!("{body}\n{still}\n{delete}"),
        }
    }

    /// Writes that a migration begins which runs in no transaction.
    pub(super) fn beginning(&self, record: Record<'_>) -> String {
        let (fresh, insert) = (
            self.unmarking(record.migration),
            self.insert(record, "started"),
        );
        format!("{}{fresh}{insert}", self.lock())
    }

    /// Takes away that a migration was begun, where it is to be done once more. Where somebody else has ended it since, the
    /// account of that stays, and no second one can be written.
    fn unmarking(&self, migration: &Migration) -> String {
        if self.entry(migration).is_none() {
            return String::new();
        }
        let name = self.literal(self.name_of(migration));
        let table = &self.table;
        format!("DELETE FROM {table} WHERE name = {name} AND state = 'started'; ")
    }

    /// Writes that it has ended after so many milliseconds.
    pub(super) fn ending(&self, migration: &Migration, ms: u128) -> String {
        format!(
            "UPDATE {} SET state = 'applied', ms = {ms} WHERE name = {};",
            self.table,
            self.literal(self.name_of(migration))
        )
    }

    /// Writes that it was not begun after all.
    pub(super) fn forgetting(&self, migration: &Migration) -> String {
        let name = self.literal(self.name_of(migration));
        format!("DELETE FROM {} WHERE name = {name};", self.table)
    }

    /// Writes that migrations are applied, without running them.
    pub(super) fn marking(&self, records: &[Record<'_>]) -> String {
        let rows = records.iter().map(|record| {
            let insert = self.insert(*record, "applied");
            match self.entry(record.migration) {
                Some(_) => {
                    let name = self.literal(self.name_of(record.migration));
                    format!("DELETE FROM {} WHERE name = {name};\n{insert}", self.table)
                }
                None => insert,
            }
        });
        let rows: Vec<String> = rows.collect();
        format!("{}{}", self.lock(), rows.join("\n"))
    }

    fn insert(&self, record: Record<'_>, state: &str) -> String {
        let table = &self.table;
        let name = self.literal(self.name_of(record.migration));
        let now = match (self.keeper, self.dialect) {
            // As wrangler writes it.
            (Keeper::Wrangler, _) => {
                return format!("INSERT INTO {table} (name)\nvalues ({name});");
            }
            (Keeper::Opsbook, Dialect::Sqlite) => "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
            (Keeper::Opsbook, Dialect::Postgres) => "clock_timestamp()",
        };
        let ms = record.began.map_or("NULL".to_owned(), |began| {
            let began = began.format("%Y-%m-%dT%H:%M:%S%.3fZ");
            format!("max(0, CAST((julianday('now') - julianday('{began}')) * 86400000 AS INTEGER))")
        });
        format!(
            "INSERT INTO {table} (name, sha256, state, applied_at, applied_by, ms) \
             VALUES ({name}, {}, '{state}', {now}, {}, {ms});",
            self.literal(record.sha256),
            self.literal(record.by),
        )
    }

    /// Keeps others from the migrations of this database until the transaction ends.
    fn lock(&self) -> String {
        match self.dialect {
            Dialect::Sqlite => String::new(),
            Dialect::Postgres => format!(
                "SELECT pg_advisory_xact_lock(hashtext('opsbook migrations'), hashtext({})); ",
                self.literal(&self.table)
            ),
        }
    }

    /// A script whose last statement has its semicolon, also where a comment stands behind it.
    pub(super) fn closed(&self, body: &str) -> String {
        let pieces = crate::sql::pieces(body, self.dialect);
        let is_closed = (pieces.last()).is_none_or(|last| body[last.range.clone()].ends_with(';'));
        let end = if is_closed { "" } else { "\n;" };
        format!("{}{end}", body.trim_end())
    }

    fn literal(&self, text: &str) -> String {
        with_literals("?1", &[Value::from(text)], self.dialect)
    }
}

async fn in_sqlite(system: &dyn DatabaseSystem, name: &str) -> Result<bool, ActionError> {
    // To SQLite a name in other letters is the same.
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND lower(name) = lower(?1)";
    Ok(!query(system, sql, &[name]).await?.is_empty())
}

/// The schema that the table is in, or would be made in.
async fn in_postgres(
    system: &dyn DatabaseSystem,
    schema: Option<&str>,
    name: &str,
) -> Result<(Option<String>, bool), ActionError> {
    const TABLES: &str = "FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
                          WHERE c.relname = ?1 AND c.relkind IN ('r', 'p')";
    if let Some(schema) = schema {
        let sql = format!("SELECT 1 AS n {TABLES} AND n.nspname = ?2");
        let found = query(system, &sql, &[name, schema]).await?;
        return Ok((Some(schema.to_owned()), !found.is_empty()));
    }
    let sql = format!(
        "SELECT n.nspname AS schema {TABLES} AND n.nspname = ANY (current_schemas(false)) \
         ORDER BY array_position(current_schemas(false), n.nspname) LIMIT 1"
    );
    let schema =
        |rows: &[Map<String, Value>]| Some(rows.first()?.get("schema")?.as_str()?.to_owned());
    if let Some(found) = schema(&query(system, &sql, &[name]).await?) {
        return Ok((Some(found), true));
    }
    let current = query(system, "SELECT current_schema()::text AS schema", &[]).await?;
    match schema(&current) {
        Some(current) => Ok((Some(current), false)),
        None => Err(ActionError::target(
            "no schema of the search path is there, so the table of migrations has no place",
        )
        .help("name one: `table` = \"schema.table\"")),
    }
}

/// The rows of a question about the database.
pub(super) async fn query(
    system: &dyn DatabaseSystem,
    sql: &str,
    parameters: &[&str],
) -> Result<Vec<Map<String, Value>>, ActionError> {
    let asked = SqlText {
        text: sql.to_owned(),
        parameters: parameters.iter().map(|text| Value::from(*text)).collect(),
    };
    let rows = system.query(&asked, usize::MAX).await?;
    if rows.truncated {
        let message = one_line(&format!("there are more rows than are read: {sql}"));
        return Err(ActionError::own(message));
    }
    Ok(rows.rows)
}

/// Who applies migrations here: `alice@host`.
pub(super) fn by() -> String {
    let uid = nix::unistd::geteuid();
    let user = match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => uid.to_string(),
    };
    let host = nix::unistd::gethostname().map_or_else(
        |_| "localhost".to_owned(),
        |host| host.to_string_lossy().into_owned(),
    );
    format!("{user}@{host}")
}
