//! What a call did, in the words of its line for a person. Must not do it.

use serde_json::Value;

use crate::action::database::cascade;
use crate::action::database::system::{DatabaseSystem, until_stopped};
use crate::base::Masker;
use crate::base::text::{count, fit, one_line, thousands};
use crate::engine::ActionContext;
use crate::expr::SqlText;
use crate::platform::rows::{Changed, Rows};
use crate::sql::{self, Dialect};

/// `3 rows changed`
pub(super) fn told_changed(changed: u64) -> String {
    format!("{} changed", rows_in_words(changed))
}

/// `3 rows`
pub(super) fn rows_in_words(rows: u64) -> String {
    count(usize::try_from(rows).unwrap_or(usize::MAX), "row")
}

/// The line for a person with what the database warned of behind it.
pub(super) fn warned(detail: String, warnings: &[String], masker: &Masker) -> String {
    if warnings.is_empty() {
        return detail;
    }
    let warnings = one_line(&masker.text(&warnings.join("; ")));
    format!("{detail}; the database warns: {warnings}")
}

/// The values of a single row, else how many rows there are.
pub(super) fn told(rows: &Rows, masker: &Masker) -> String {
    if rows.truncated {
        return format!(
            "the first {} rows; there are more",
            thousands(rows.rows.len() as u64)
        );
    }
    match rows.rows.as_slice() {
        [only] if only.len() <= 4 => {
            let cells: Vec<String> = only
                .iter()
                .map(|(name, value)| match value {
                    Value::String(text) => format!("{name} = {text}"),
                    other => format!("{name} = {other}"),
                })
                .collect();
            fit(&one_line(&masker.text(&cells.join(", "))), 160)
        }
        rows => count(rows.len(), "row"),
    }
}

/// `3 rows changed, and with that 25 more rows (lines: ON DELETE CASCADE), id = 7`: what a change did that is kept.
pub(super) async fn change_in_words(
    system: &dyn DatabaseSystem,
    sql: &SqlText,
    done: &Changed,
    context: &ActionContext<'_>,
    dialect: Dialect,
) -> String {
    let more = more_changed(system, sql, done, context, dialect).await;
    let changed = match done.in_all {
        0 if !counts_rows(&sql.text, dialect) => "done".to_owned(),
        _ => told_changed(done.changed),
    };
    let mut detail = format!("{changed}{more}");
    if !done.rows.columns.is_empty() {
        detail.push_str(&format!(", {}", told(&done.rows, context.masker)));
    }
    detail
}

/// Whether no rows of a statement means that none changed. Nobody counts those of a table that is dropped or emptied, and
/// what only sets something has none.
fn counts_rows(text: &str, dialect: Dialect) -> bool {
    const COUNTED: [&str; 11] = [
        "CALL", "DELETE", "DO", "EXECUTE", "INSERT", "MERGE", "REPLACE", "SELECT", "UPDATE",
        "VALUES", "WITH",
    ];
    let pieces = sql::pieces(text, dialect);
    let mut pieces = pieces.iter();
    pieces.any(|piece| COUNTED.iter().any(|word| piece.begins(&[*word])))
}

/// What changed besides the rows of the statement itself, for a person.
async fn more_changed(
    system: &dyn DatabaseSystem,
    sql: &SqlText,
    done: &Changed,
    context: &ActionContext<'_>,
    dialect: Dialect,
) -> String {
    if done.in_all <= done.changed {
        return String::new();
    }
    let tables = match sql::effect(&sql.text, dialect).deletion {
        // It is done: a look that fails, or is cut off, takes nothing away from that.
        Some(deletion) => {
            let look = cascade::tables(system, dialect, &deletion);
            until_stopped(system, context, look).await
        }
        None => Ok(Vec::new()),
    };
    let tables = tables.unwrap_or_default();
    let more = cascade::more_in_words(done.changed, done.in_all, &tables);
    format!(", {more}")
}
