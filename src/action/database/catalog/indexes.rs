//! Indexes that are there twice, and those that references lack.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::engine::ActionError;

use super::super::system::{DatabaseSystem, Question, Report, row};
use super::references::{Reference, index_for, known, references};
use crate::sql::quoted;

use super::{OWN_TABLES, Row, ask, number, text};

/// An index as far as it is compared.
struct Index {
    table: String,
    name: String,
    unique: bool,
    /// Made by CREATE INDEX: those of a key or UNIQUE cannot be dropped.
    own: bool,
    /// It holds some of the rows only, or computed values: no other can stand in for it.
    special: bool,
    /// Its columns, in order.
    columns: Vec<String>,
    /// How each of them is sorted.
    sorting: Vec<(bool, String)>,
}

/// What is wrong with the indexes of a table, or of all, as rows {problem, table, index, columns, bytes, detail,
/// statement}. `bytes` says what an index takes, where that is known; `statement` mends it.
pub(in super::super) async fn indexes(
    system: &dyn DatabaseSystem,
    question: &Question,
    bytes: &BTreeMap<String, i64>,
) -> Result<Report, ActionError> {
    let table = question.table.as_deref();
    if let Some(table) = table {
        known(system, table).await?;
    }
    let mut indexes = all(system).await?;
    indexes.retain(|index| table.is_none_or(|table| index.table.eq_ignore_ascii_case(table)));
    let keys = primary_keys(system).await?;
    let mut report = Report::default();
    for (index, instead) in twice(&indexes) {
        report.problems.push(format!(
            "{}: {} does nothing that {} does not do",
            index.table, index.name, instead.name
        ));
        report.rows.push(row([
            ("problem", json!("duplicate")),
            ("table", json!(index.table)),
            ("index", json!(index.name)),
            ("columns", json!(index.columns.join(", "))),
            ("bytes", json!(bytes.get(&index.name))),
            (
                "detail",
                json!(format!("{} begins with the same columns", instead.name)),
            ),
            (
                "statement",
                json!(format!("DROP INDEX {}", quoted(&index.name))),
            ),
        ]));
    }
    for reference in references(system, table).await? {
        if is_found_by_index(&reference, &indexes, &keys) {
            continue;
        }
        let columns = reference.columns.join(", ");
        report.problems.push(format!(
            "{}: no index on {columns}, which refers to {}",
            reference.table, reference.parent
        ));
        report.rows.push(row([
            ("problem", json!("missing")),
            ("table", json!(reference.table)),
            ("index", Value::Null),
            ("columns", json!(columns)),
            ("bytes", Value::Null),
            (
                "detail",
                json!(format!(
                    "deleting from {} reads all of it",
                    reference.parent
                )),
            ),
            ("statement", json!(index_for(&reference))),
        ]));
    }
    report.detail = told(&indexes, &report, question.limit);
    report.rows.truncate(question.limit);
    Ok(report)
}

fn told(indexes: &[Index], report: &Report, limit: usize) -> String {
    let of = |problem: &str| {
        let rows = report.rows.iter();
        rows.filter(|row| text(row, "problem") == problem).count()
    };
    let shown = if report.rows.len() > limit {
        format!("; the first {limit} are shown")
    } else {
        String::new()
    };
    format!(
        "{} of {} indexes there twice, {} missing{shown}; which are used is counted nowhere",
        of("duplicate"),
        indexes.len(),
        of("missing"),
    )
}

/// The indexes of all tables.
async fn all(system: &dyn DatabaseSystem) -> Result<Vec<Index>, ActionError> {
    let sql = format!(
        "SELECT s.name AS name, i.name AS \"index\", i.\"unique\" AS is_unique, i.origin AS origin, \
                i.partial AS is_partial, c.name AS \"column\", c.\"desc\" AS is_descending, c.coll AS collation \
         FROM sqlite_schema AS s, pragma_index_list(s.name) AS i, pragma_index_xinfo(i.name) AS c \
         WHERE {OWN_TABLES} AND c.\"key\" = 1 ORDER BY s.name, i.name, c.seqno"
    );
    let mut found: Vec<Index> = Vec::new();
    for row in ask(system, sql, Vec::new()).await? {
        let (table, name) = (text(&row, "name"), text(&row, "index"));
        if !found
            .last()
            .is_some_and(|last| last.table == table && last.name == name)
        {
            found.push(Index {
                table: table.to_owned(),
                name: name.to_owned(),
                unique: number(&row, "is_unique") == 1,
                own: text(&row, "origin") == "c",
                special: number(&row, "is_partial") == 1,
                columns: Vec::new(),
                sorting: Vec::new(),
            });
        }
        if let Some(index) = found.last_mut() {
            add_column(index, &row);
        }
    }
    Ok(found)
}

fn add_column(index: &mut Index, row: &Row) {
    match row.get("column") {
        Some(Value::String(column)) => index.columns.push(column.clone()),
        // A computed value has no name.
        _ => {
            index.special = true;
            index.columns.push("(expression)".to_owned());
        }
    }
    let descending = number(row, "is_descending") == 1;
    index
        .sorting
        .push((descending, text(row, "collation").to_owned()));
}

/// The columns of each table's primary key: SQLite finds rows by them without an index of that name.
async fn primary_keys(
    system: &dyn DatabaseSystem,
) -> Result<BTreeMap<String, Vec<String>>, ActionError> {
    let sql = format!(
        "SELECT s.name AS name, c.name AS \"column\" FROM sqlite_schema AS s, pragma_table_info(s.name) AS c \
         WHERE {OWN_TABLES} AND c.pk > 0 ORDER BY s.name, c.pk"
    );
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in ask(system, sql, Vec::new()).await? {
        let columns = keys.entry(text(&row, "name").to_owned()).or_default();
        columns.push(text(&row, "column").to_owned());
    }
    Ok(keys)
}

/// Every index that another one can stand in for, with that one.
fn twice(indexes: &[Index]) -> Vec<(&Index, &Index)> {
    let replaces = |one: &Index, other: &Index| {
        let begins = other.table == one.table
            && other.columns.starts_with(&one.columns)
            && other.sorting.starts_with(&one.sorting);
        let same = one.columns.len() == other.columns.len();
        // Of two that are alike, the one stays that does more, else the first.
        let stays = !same
            || (other.unique, !other.own) > (one.unique, !one.own)
            || ((other.unique, other.own) == (one.unique, one.own) && other.name < one.name);
        begins && stays && !other.special && (!one.unique || (same && other.unique))
    };
    let own = indexes.iter().filter(|index| index.own && !index.special);
    own.filter_map(|one| {
        let mut others = indexes.iter().filter(|other| other.name != one.name);
        Some((one, others.find(|other| replaces(one, other))?))
    })
    .collect()
}

/// Whether the rows that refer to a row are found without reading all of their table: an index, or the primary key, begins
/// with the columns that refer, in any order.
fn is_found_by_index(
    reference: &Reference,
    indexes: &[Index],
    keys: &BTreeMap<String, Vec<String>>,
) -> bool {
    let begins = |columns: &[String]| {
        let first = columns.get(..reference.columns.len()).unwrap_or_default();
        !first.is_empty()
            && reference
                .columns
                .iter()
                .all(|column| first.iter().any(|one| one.eq_ignore_ascii_case(column)))
    };
    let indexes = indexes
        .iter()
        .filter(|index| index.table == reference.table && !index.special);
    indexes.map(|index| index.columns.as_slice()).any(begins)
        || keys.get(&reference.table).is_some_and(|key| begins(key))
}
