//! What the database has, for a judgement on what is to come: tables, columns, references and about how many rows.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::action::database::system::{DatabaseSystem, Look, Question};
use crate::engine::ActionError;
use crate::sql::{Dialect, quoted_parts};

use super::ledger::query;
use super::lint::{FEW_ROWS, Tables};
use super::site::Site;

/// The tables that there are, with their columns, and how many rows they have, about. Those whose rows are not known are
/// counted, to the point from which on they are large, where one of the texts names them.
pub(super) async fn structure(
    site: &Site<'_>,
    texts: &[String],
) -> Result<(Tables, BTreeMap<String, u64>), ActionError> {
    let mut tables = Tables::default();
    for (table, column) in columns(site.system.as_ref(), site.dialect).await? {
        tables.add(&table, &column);
    }
    if site.dialect == Dialect::Sqlite {
        for [table, parent, words] in following(site.system.as_ref()).await? {
            tables.follow(table, parent, words);
        }
    }
    let question = Question {
        limit: usize::MAX,
        ..Question::of(Look::Tables)
    };
    let told = site.system.look(&question).await?;
    let mut rows = BTreeMap::new();
    for row in &told.rows {
        let Some(table) = row.get("table").and_then(Value::as_str) else {
            continue;
        };
        let bare = table.rsplit('.').next().unwrap_or(table);
        let known = match row.get("rows").and_then(Value::as_u64) {
            Some(known) => known,
            None if texts.iter().any(|text| text.contains(bare)) => {
                count_up_to(site.system.as_ref(), table, FEW_ROWS).await?
            }
            None => continue,
        };
        rows.insert(
            table.strip_prefix("public.").unwrap_or(table).to_owned(),
            known,
        );
    }
    Ok((tables, rows))
}

/// How many rows a table has, counted no further than to `most`.
async fn count_up_to(
    system: &dyn DatabaseSystem,
    table: &str,
    most: u64,
) -> Result<u64, ActionError> {
    let name = quoted_parts(table);
    let sql =
        format!("SELECT count(*) AS n FROM (SELECT 1 AS one FROM {name} LIMIT {most}) AS few");
    let rows = query(system, &sql, &[]).await?;
    let counted = rows.first().and_then(|row| row.get("n")?.as_u64());
    Ok(counted.unwrap_or(most))
}

/// The columns of the tables that there are, each with its table, named as [`crate::sql::Change`] names them.
async fn columns(
    system: &dyn DatabaseSystem,
    dialect: Dialect,
) -> Result<Vec<(String, String)>, ActionError> {
    let sql = match dialect {
        Dialect::Sqlite => {
            "SELECT lower(m.name) AS t, lower(p.name) AS c FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS p \
             WHERE m.type = 'table'"
        }
        Dialect::Postgres => {
            "SELECT CASE table_schema WHEN 'public' THEN '' ELSE table_schema || '.' END || table_name AS t, \
             column_name AS c FROM information_schema.columns \
             WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        }
    };
    let rows = query(system, sql, &[]).await?;
    let text = |row: &Map<String, Value>, name: &str| Some(row.get(name)?.as_str()?.to_owned());
    Ok(rows
        .iter()
        .filter_map(|row| Some((text(row, "t")?, text(row, "c")?)))
        .collect())
}

/// Which rows go or change with which, as [`crate::sql::Change::Follows`] tells it.
async fn following(system: &dyn DatabaseSystem) -> Result<Vec<[String; 3]>, ActionError> {
    let sql = "SELECT DISTINCT lower(m.name) AS t, lower(f.\"table\") AS p, 'ON DELETE ' || f.on_delete AS w \
               FROM sqlite_master AS m JOIN pragma_foreign_key_list(m.name) AS f \
               WHERE m.type = 'table' AND f.on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT')";
    let rows = query(system, sql, &[]).await?;
    let text = |row: &Map<String, Value>, name: &str| Some(row.get(name)?.as_str()?.to_owned());
    let rows = rows.iter();
    Ok(rows
        .filter_map(|row| Some([text(row, "t")?, text(row, "p")?, text(row, "w")?]))
        .collect())
}
