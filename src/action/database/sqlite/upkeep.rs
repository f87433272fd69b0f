//! Keeps a SQLite file in shape.

use crate::action::database::catalog;
use crate::action::database::system::{Report, Upkeep, has_none};
use crate::base::text::thousands;
use crate::engine::ActionError;
use crate::platform::sqlite::{Maintained, Maintenance};

use super::SqliteSystem;

/// The work as SQLite knows it; none for what it has no word for.
pub(super) fn maintenance(work: &Upkeep) -> Option<Maintenance> {
    Some(match work {
        Upkeep::Analyze { table } => Maintenance::Analyze(table.clone()),
        Upkeep::Reindex { table } => Maintenance::Reindex(table.clone()),
        // It always rewrites the whole file.
        Upkeep::Vacuum { .. } => Maintenance::Vacuum,
        Upkeep::Cancel { .. } | Upkeep::Terminate { .. } => return None,
    })
}

pub(super) async fn tend(system: &SqliteSystem, work: &Upkeep) -> Result<Report, ActionError> {
    if let Upkeep::Vacuum {
        table: Some(table), ..
    } = work
    {
        return Err(ActionError::config(format!(
            "SQLite vacuums whole files, not {table} alone: {} is of kind sqlite",
            system.name
        ))
        .help("leave `table` out"));
    }
    let Some(work) = maintenance(work) else {
        let instead = "fuser -v on its file tells who has it open";
        return Err(has_none(&system.name, "sqlite", "sessions", instead));
    };
    if let Maintenance::Analyze(Some(table)) | Maintenance::Reindex(Some(table)) = &work {
        catalog::known(system, table).await?;
    }
    let done = system.sqlite.maintain(&work).await;
    let done = done.map_err(|error| system.trouble(&error))?;
    let vacuum = work == Maintenance::Vacuum;
    Ok(Report {
        detail: match &work {
            Maintenance::Analyze(table) => format!("analyzed{}", of(table.as_deref())),
            Maintenance::Reindex(table) => format!("indexes built anew{}", of(table.as_deref())),
            Maintenance::Vacuum => vacuumed(done),
        },
        bytes: vacuum.then_some(done.freed),
        ..Report::default()
    })
}

fn vacuumed(done: Maintained) -> String {
    if done.held {
        return "vacuumed; the file shrinks when who reads it now is done".to_owned();
    }
    format!("vacuumed, {} bytes freed", thousands(done.freed))
}

fn of(table: Option<&str>) -> String {
    table.map_or_else(String::new, |table| format!(": {table}"))
}

#[cfg(test)]
mod tests {
    use super::{Maintained, vacuumed};

    #[test]
    fn a_file_that_is_read_shrinks_later() {
        let (freed, held) = (12_000, false);
        assert_eq!(
            vacuumed(Maintained { freed, held }),
            "vacuumed, 12,000 bytes freed"
        );
        let (freed, held) = (0, true);
        let told = vacuumed(Maintained { freed, held });
        assert!(told.contains("when who reads it now is done"), "{told}");
    }
}
