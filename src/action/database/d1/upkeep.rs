//! Keeps a D1 database in shape, as far as D1 lets anybody.

use crate::action::database::catalog;
use crate::action::database::system::{DatabaseSystem as _, Report, Upkeep, has_none};
use crate::engine::ActionError;
use crate::expr::SqlText;
use crate::platform::bounds::Bounds;
use crate::sql::quoted;

use super::D1System;

/// The statements that do the work; none for what D1 has no way for.
pub(super) fn statements(work: &Upkeep) -> Vec<String> {
    match work {
        // The pragma would look at other tables too.
        Upkeep::Analyze { table: Some(table) } => vec![format!("ANALYZE {}", quoted(table))],
        Upkeep::Analyze { table: None } => vec!["ANALYZE".to_owned(), "PRAGMA optimize".to_owned()],
        Upkeep::Reindex { table: Some(table) } => vec![format!("REINDEX {}", quoted(table))],
        Upkeep::Reindex { table: None } => vec!["REINDEX".to_owned()],
        Upkeep::Vacuum { .. } | Upkeep::Cancel { .. } | Upkeep::Terminate { .. } => Vec::new(),
    }
}

pub(super) async fn tend(system: &D1System, work: &Upkeep) -> Result<Report, ActionError> {
    let table = match work {
        Upkeep::Analyze { table } | Upkeep::Reindex { table } => table,
        Upkeep::Vacuum { .. } => {
            return Err(ActionError::config(format!(
                "D1 does not allow VACUUM: {} is of kind d1",
                system.table
            ))
            .help("export it and import that into a new database, or leave free space to the platform"));
        }
        Upkeep::Cancel { .. } | Upkeep::Terminate { .. } => {
            let instead = "D1 ends a statement by itself after 30 seconds";
            return Err(has_none(&system.table, "d1", "sessions", instead));
        }
    };
    if let Some(table) = table {
        catalog::known(system, table).await?;
    }
    for text in statements(work) {
        let sql = SqlText {
            text,
            parameters: Vec::new(),
        };
        system.execute(&sql, 0, &Bounds::default()).await?;
    }
    let done = match work {
        Upkeep::Reindex { .. } => "indexes built anew",
        _ => "analyzed",
    };
    let table = table.as_deref();
    Ok(Report {
        detail: table.map_or_else(|| done.to_owned(), |table| format!("{done}: {table}")),
        ..Report::default()
    })
}
