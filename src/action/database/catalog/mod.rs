//! What SQLite tells of itself in SQL, the same of a file and of D1: tables, references, indexes. Must not know how the
//! SQL gets there: it is asked through the system.

mod indexes;
mod references;

use serde_json::{Map, Value};

use crate::engine::ActionError;
use crate::expr::SqlText;
use crate::sql::quoted;

use super::system::{DatabaseSystem, TableFacts};

pub(super) use indexes::indexes;
pub(super) use references::{Reference, foreign_keys, known, references};

/// The tables that belong to people, not to SQLite or D1. Used behind `sqlite_schema AS s`.
const OWN_TABLES: &str = "s.type = 'table' AND s.name NOT LIKE 'sqlite~_%' ESCAPE '~' AND s.name NOT LIKE '~_cf~_%' ESCAPE '~'";

/// How often tables are counted in one statement.
const COUNTED_TOGETHER: usize = 50;

type Row = Map<String, Value>;

/// The rows of a question in SQL.
async fn ask(
    system: &dyn DatabaseSystem,
    sql: String,
    parameters: Vec<Value>,
) -> Result<Vec<Row>, ActionError> {
    let sql = SqlText {
        text: sql,
        parameters,
    };
    Ok(system.query(&sql, usize::MAX).await?.rows)
}

/// A cell as text; empty for anything else.
fn text<'a>(row: &'a Row, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A cell as a whole number; 0 for anything else.
fn number(row: &Row, name: &str) -> i64 {
    row.get(name).and_then(Value::as_i64).unwrap_or_default()
}

/// The tables with their columns and rows, the one with most rows first. Every row is counted.
pub(super) async fn tables(system: &dyn DatabaseSystem) -> Result<Vec<TableFacts>, ActionError> {
    let sql = format!(
        "SELECT s.name AS name, (SELECT count(*) FROM pragma_table_xinfo(s.name) WHERE hidden <> 1) AS columns \
         FROM sqlite_schema AS s WHERE {OWN_TABLES} ORDER BY s.name"
    );
    let names = ask(system, sql, Vec::new()).await?;
    let mut tables = Vec::with_capacity(names.len());
    for names in names.chunks(COUNTED_TOGETHER) {
        let counts: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(at, row)| {
                format!(
                    "(SELECT count(*) FROM {}) AS n{at}",
                    quoted(text(row, "name"))
                )
            })
            .collect();
        let sql = format!("SELECT {}", counts.join(", "));
        let counts = ask(system, sql, Vec::new()).await?;
        for (at, row) in names.iter().enumerate() {
            tables.push(TableFacts {
                table: text(row, "name").to_owned(),
                columns: number(row, "columns"),
                rows: counts
                    .first()
                    .map(|counts| number(counts, &format!("n{at}"))),
                bytes: None,
            });
        }
    }
    tables.sort_by(|one, other| other.rows.cmp(&one.rows).then(one.table.cmp(&other.table)));
    Ok(tables)
}
