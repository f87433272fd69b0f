//! References between tables: what they are, and where they lead nowhere.

use serde_json::json;

use crate::base::text::count;
use crate::engine::{ActionError, ErrorKind};

use super::super::system::{DatabaseSystem, Report, row};
use crate::sql::quoted;

use super::{OWN_TABLES, Row, ask, number, text};

/// One reference from the columns of a table to another table.
pub(in super::super) struct Reference {
    /// The table that refers.
    pub(in super::super) table: String,
    /// Its number in the table.
    id: i64,
    /// The columns that refer, in order.
    pub(in super::super) columns: Vec<String>,
    /// The table that is referred to.
    pub(in super::super) parent: String,
    /// The columns that they refer to, in the same order.
    pub(in super::super) keys: Vec<String>,
    /// What becomes of a row when the one goes that it refers to: `CASCADE`, `SET NULL`, `NO ACTION`.
    pub(in super::super) on_delete: String,
}

/// The references of a table, or of all.
pub(in super::super) async fn references(
    system: &dyn DatabaseSystem,
    table: Option<&str>,
) -> Result<Vec<Reference>, ActionError> {
    let sql = format!(
        "SELECT s.name AS name, f.id AS id, f.\"from\" AS child, f.\"table\" AS parent, f.on_delete AS on_delete, \
         coalesce(f.\"to\", (SELECT p.name FROM pragma_table_info(f.\"table\") AS p WHERE p.pk = f.seq + 1)) AS target \
         FROM sqlite_schema AS s, pragma_foreign_key_list(s.name) AS f \
         WHERE {OWN_TABLES} ORDER BY s.name, f.id, f.seq"
    );
    let mut found: Vec<Reference> = Vec::new();
    for row in ask(system, sql, Vec::new()).await? {
        let (name, id) = (text(&row, "name"), number(&row, "id"));
        let column = text(&row, "child").to_owned();
        let key = text(&row, "target").to_owned();
        match found.last_mut() {
            Some(last) if last.table == name && last.id == id => {
                last.columns.push(column);
                last.keys.push(key);
            }
            _ => found.push(Reference {
                table: name.to_owned(),
                id,
                columns: vec![column],
                parent: text(&row, "parent").to_owned(),
                keys: vec![key],
                on_delete: text(&row, "on_delete").to_owned(),
            }),
        }
    }
    if let Some(table) = table {
        known(system, table).await?;
        found.retain(|reference| reference.table.eq_ignore_ascii_case(table));
    }
    Ok(found)
}

/// Refuses a table that is not there: nothing would be wrong with it.
pub(in super::super) async fn known(
    system: &dyn DatabaseSystem,
    table: &str,
) -> Result<(), ActionError> {
    let sql = "SELECT count(*) AS n FROM sqlite_schema AS s WHERE s.type = 'table' AND s.name = ?1 COLLATE NOCASE";
    let found = ask(system, sql.to_owned(), vec![json!(table)]).await?;
    match found.first().map(|row| number(row, "n")) {
        Some(0) | None => {
            let name = system.known_as();
            let message = format!("there is no table {table:?} in {name}");
            let help = format!("see which there are: `opsbook db tables {name}`");
            Err(ActionError::config(message).help(help))
        }
        Some(_) => Ok(()),
    }
}

/// References that lead nowhere, as rows {table, column, parent, rows}; rows is null where the reference itself is wrong.
pub(in super::super) async fn foreign_keys(
    system: &dyn DatabaseSystem,
    table: Option<&str>,
) -> Result<Report, ActionError> {
    let references = references(system, table).await?;
    let broken = match dangling(system, table).await {
        Ok(found) => found.iter().map(|row| broken(row, &references)).collect(),
        // One reference that cannot be followed keeps SQLite from looking at all the others.
        Err(error) if is_mismatch(&error) => one_by_one(system, &references).await?,
        Err(error) => return Err(error),
    };
    let mut report = Report {
        detail: match (references.len(), broken.len()) {
            (0, _) => "no table refers to another".to_owned(),
            (all, 0) => format!("{}, all of them hold", count(all, "reference")),
            (all, some) => format!("{some} of {} broken", count(all, "reference")),
        },
        ..Report::default()
    };
    for Broken {
        of,
        columns,
        parent,
        rows,
        why,
    } in broken
    {
        report.problems.push(match rows {
            Some(rows) => format!(
                "{of}: {} {} to no row of {parent} by {columns}",
                count(usize::try_from(rows).unwrap_or(usize::MAX), "row"),
                if rows == 1 { "leads" } else { "lead" }
            ),
            None => format!("{of}: {why}"),
        });
        report.rows.push(row([
            ("table", json!(of)),
            ("column", json!(columns)),
            ("parent", json!(parent)),
            ("rows", json!(rows)),
        ]));
    }
    Ok(report)
}

struct Broken {
    of: String,
    columns: String,
    parent: String,
    /// How many rows lead nowhere; none where the reference itself is wrong.
    rows: Option<i64>,
    /// What is wrong with the reference itself.
    why: String,
}

/// How many rows of a table, or of all, lead nowhere, by reference.
async fn dangling(
    system: &dyn DatabaseSystem,
    table: Option<&str>,
) -> Result<Vec<Row>, ActionError> {
    let (argument, parameters) = match table {
        Some(table) => ("(?1)", vec![json!(table)]),
        None => ("", Vec::new()),
    };
    let sql = format!(
        "SELECT c.\"table\" AS name, c.fkid AS id, c.parent AS parent, count(*) AS n \
         FROM pragma_foreign_key_check{argument} AS c GROUP BY 1, 2, 3 ORDER BY 1, 2"
    );
    ask(system, sql, parameters).await
}

fn broken(found: &Row, references: &[Reference]) -> Broken {
    let (table, id) = (text(found, "name"), number(found, "id"));
    let reference = references
        .iter()
        .find(|reference| reference.table.eq_ignore_ascii_case(table) && reference.id == id);
    Broken {
        of: table.to_owned(),
        columns: reference.map_or_else(String::new, |reference| reference.columns.join(", ")),
        parent: text(found, "parent").to_owned(),
        rows: Some(number(found, "n")),
        why: String::new(),
    }
}

/// SQLite's words for a reference to columns that are not unique, or not there.
fn is_mismatch(error: &ActionError) -> bool {
    error.kind == ErrorKind::Target && error.message.contains("foreign key mismatch")
}

async fn one_by_one(
    system: &dyn DatabaseSystem,
    references: &[Reference],
) -> Result<Vec<Broken>, ActionError> {
    let mut all = Vec::new();
    let mut done: Option<&str> = None;
    for reference in references {
        if done == Some(reference.table.as_str()) {
            continue;
        }
        done = Some(&reference.table);
        match dangling(system, Some(&reference.table)).await {
            Ok(found) => all.extend(found.iter().map(|row| broken(row, references))),
            Err(error) if is_mismatch(&error) => all.push(Broken {
                of: reference.table.clone(),
                columns: String::new(),
                parent: String::new(),
                rows: None,
                why: error.message,
            }),
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// How a reference is looked up by an index, as SQL that a person may run.
pub(super) fn index_for(reference: &Reference) -> String {
    let name = format!("{}_{}", reference.table, reference.columns.join("_"));
    let columns: Vec<String> = reference.columns.iter().map(|name| quoted(name)).collect();
    format!(
        "CREATE INDEX {} ON {} ({})",
        quoted(&name),
        quoted(&reference.table),
        columns.join(", ")
    )
}
