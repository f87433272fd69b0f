//! The references between the tables of a database, the same for every engine. Must not follow them.

use serde_json::{Map, Value};

use crate::action::database::catalog;
use crate::action::database::system::DatabaseSystem;
use crate::engine::ActionError;
use crate::expr::SqlText;
use crate::sql::{Dialect, TableName, quoted, without_heading};

/// The foreign keys of a PostgreSQL database.
const OF_POSTGRES: &str = include_str!("references.sql");

/// A table as PostgreSQL writes it, and the partitioned ones that it is a part of: these are what others refer to.
const NAMES_OF_POSTGRES: &str = "\
WITH RECURSIVE up AS (
    SELECT to_regclass(?1)::oid AS table_oid
    UNION SELECT i.inhparent FROM up JOIN pg_inherits AS i ON i.inhrelid = up.table_oid JOIN pg_class AS c ON c.oid = i.inhrelid AND c.relispartition)
SELECT table_oid::regclass::text AS name FROM up WHERE table_oid IS NOT NULL";

/// A reference from one table to another, both in the words of SQL.
pub(super) struct Reference {
    pub(super) table: String,
    pub(super) parent: String,
    pub(super) columns: Vec<String>,
    pub(super) keys: Vec<String>,
    pub(super) why: &'static str,
    /// Whether its rows go, so that those go on that refer to them.
    pub(super) deletes: bool,
}

/// What a table is called where something refers to it.
pub(super) async fn names(
    system: &dyn DatabaseSystem,
    dialect: Dialect,
    table: &TableName,
) -> Result<Vec<String>, ActionError> {
    match dialect {
        Dialect::Sqlite => Ok(vec![table.name.to_ascii_lowercase()]),
        Dialect::Postgres => {
            let parameters = vec![Value::from(table.sql.as_str())];
            let found = asked(system, NAMES_OF_POSTGRES, parameters).await?;
            Ok(found.iter().map(|row| text(row, "name")).collect())
        }
    }
}

/// The references of a PostgreSQL database.
pub(super) async fn of_postgres(
    system: &dyn DatabaseSystem,
) -> Result<Vec<Reference>, ActionError> {
    let found = asked(
        system,
        without_heading(OF_POSTGRES, Dialect::Postgres),
        Vec::new(),
    )
    .await?;
    let list = |row: &Map<String, Value>, name: &str| {
        let names = row.get(name).and_then(Value::as_array);
        let names = names.into_iter().flatten().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    };
    let reference = |row: &Map<String, Value>| {
        let on_delete = match text(row, "on_delete").as_str() {
            "c" => "CASCADE",
            "n" => "SET NULL",
            "d" => "SET DEFAULT",
            _ => "",
        };
        let (why, deletes) = why(on_delete);
        Reference {
            table: text(row, "name"),
            parent: text(row, "parent"),
            columns: list(row, "columns"),
            keys: list(row, "keys"),
            why,
            deletes,
        }
    };
    Ok(found.iter().map(reference).collect())
}

/// The references of a SQLite database, D1 too.
pub(super) async fn of_sqlite(system: &dyn DatabaseSystem) -> Result<Vec<Reference>, ActionError> {
    let found = catalog::references(system, None).await?;
    let all_quoted = |names: &[String]| names.iter().map(|name| quoted(name)).collect();
    let reference = |reference: &catalog::Reference| {
        let (why, deletes) = why(&reference.on_delete);
        // The key of a table that has none is not known.
        let has_keys = reference.keys.iter().all(|key| !key.is_empty());
        Reference {
            // SQLite knows no case.
            table: reference.table.to_ascii_lowercase(),
            parent: reference.parent.to_ascii_lowercase(),
            columns: all_quoted(&reference.columns),
            keys: match has_keys {
                true => all_quoted(&reference.keys),
                false => Vec::new(),
            },
            why,
            deletes,
        }
    };
    Ok(found.iter().map(reference).collect())
}

/// What is said of rows that follow, and whether they go; nothing where they do not follow.
fn why(on_delete: &str) -> (&'static str, bool) {
    match on_delete {
        "CASCADE" => ("ON DELETE CASCADE", true),
        "SET NULL" => ("ON DELETE SET NULL", false),
        "SET DEFAULT" => ("ON DELETE SET DEFAULT", false),
        _ => ("", false),
    }
}

async fn asked(
    system: &dyn DatabaseSystem,
    text: &str,
    parameters: Vec<Value>,
) -> Result<Vec<Map<String, Value>>, ActionError> {
    let text = text.to_owned();
    let asked = SqlText { text, parameters };
    Ok(system.query(&asked, usize::MAX).await?.rows)
}

fn text(row: &Map<String, Value>, name: &str) -> String {
    let value = row.get(name).and_then(Value::as_str);
    value.unwrap_or_default().to_owned()
}
