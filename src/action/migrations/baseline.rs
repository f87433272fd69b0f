//! Writes that migrations are applied, without running them.

use serde_json::{Value, json};

use crate::engine::{ActionError, Outputs};

use super::account::{self, State, compare, was};
use super::folder::{Migration, Text};
use super::ledger::{Ledger, Record, by};
use super::site::Site;

/// Writes that migrations are applied, up to and with `to`, without running them; accepts changed files among them. In a
/// dry run only tells the statements.
pub(super) async fn mark(
    site: &Site<'_>,
    migrations: &[Migration],
    ledger: &Ledger,
    to: &str,
    dry: bool,
) -> Result<(String, Outputs), ActionError> {
    let (end, _) = account::named(migrations, to)?;
    let lines = compare(migrations, ledger)?;
    let texts = migrations[..=end].iter().filter(|migration| {
        lines
            .iter()
            .any(|line| line.migration == Some(*migration) && line.state != State::Applied)
    });
    let texts: Vec<(&Migration, Text)> = texts
        .map(|migration| Ok((migration, migration.text()?)))
        .collect::<Result<_, ActionError>>()?;
    let by = by();
    let records: Vec<Record<'_>> = texts
        .iter()
        .map(|(migration, text)| Record {
            migration,
            sha256: &text.sha256,
            by: &by,
            began: None,
        })
        .collect();
    let table = (!ledger.exists).then(|| ledger.create());
    let marks = (!records.is_empty()).then(|| ledger.marking(&records));
    let script = table
        .into_iter()
        .chain(marks)
        .collect::<Vec<_>>()
        .join("\n");
    if !dry && !records.is_empty() {
        site.system.script(&script).await?;
    }
    let rows: Value = texts
        .iter()
        .map(|(migration, _)| json!({ "name": migration.name, "state": "applied" }))
        .collect();
    let detail = match records.len() {
        0 => "all of them were applied already".to_owned(),
        some => format!("{} marked as applied, without being run", was(some)),
    };
    let outputs = Outputs {
        rows_changed: Some(records.len() as u64),
        ..Outputs::new(detail)
    };
    let outputs = outputs
        .with("count", records.len())
        .with("marked", records.len())
        .with("rows", rows);
    Ok((script, outputs))
}
