//! Baselines, each with a copy of what it is made of: no retention takes that away.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use crate::engine::{Baseline, Period, Series};

use super::hours::{counts, tally};
use super::samples::moment;

/// Keeps a baseline in the place of one of the same name; whether there was one.
pub(super) fn keep(connection: &mut Connection, baseline: &Baseline) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before: Option<i64> = transaction
        .query_row(
            "SELECT id FROM baselines WHERE project = ? AND environment = ? AND name = ?",
            [&baseline.project, &baseline.environment, &baseline.name],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(before) = before {
        transaction.execute("DELETE FROM baseline_checks WHERE baseline = ?", [before])?;
        transaction.execute("DELETE FROM baselines WHERE id = ?", [before])?;
    }
    transaction.execute(
        "INSERT INTO baselines (project, environment, name, saved, \"from\", \"to\") VALUES (?, ?, ?, ?, ?, ?)",
        params![
            baseline.project,
            baseline.environment,
            baseline.name,
            baseline.saved_at.timestamp_millis(),
            baseline.period.from.timestamp_millis(),
            baseline.period.to.timestamp_millis(),
        ],
    )?;
    let id = transaction.last_insert_rowid();
    {
        let mut insert = transaction
            .prepare("INSERT INTO baseline_checks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        for (series, tally) in &baseline.checks {
            let [ok, warning, critical, unknown, affected] = counts(tally);
            insert.execute(params![
                id,
                series.service,
                series.check,
                ok,
                warning,
                critical,
                unknown,
                affected,
                tally.lengths.encode()
            ])?;
        }
    }
    transaction.commit()?;
    Ok(before.is_some())
}

/// The baselines of a project's environment, by name.
pub(super) fn all(
    connection: &Connection,
    project: &str,
    environment: &str,
) -> rusqlite::Result<Vec<Baseline>> {
    let mut select = connection.prepare(
        "SELECT id, name, saved, \"from\", \"to\" FROM baselines
         WHERE project = ? AND environment = ? ORDER BY name",
    )?;
    let mut checks = connection.prepare(
        "SELECT service, \"check\", ok, warning, critical, unknown, affected, lengths FROM baseline_checks
         WHERE baseline = ? ORDER BY service, \"check\"",
    )?;
    let baselines = select.query_map([project, environment], |row| {
        let id: i64 = row.get(0)?;
        let checks = checks.query_map([id], |row| {
            let series = Series {
                project: project.to_owned(),
                environment: environment.to_owned(),
                service: row.get(0)?,
                check: row.get(1)?,
            };
            Ok((series, tally(row, 2)?))
        })?;
        Ok(Baseline {
            project: project.to_owned(),
            environment: environment.to_owned(),
            name: row.get(1)?,
            saved_at: moment(row.get(2)?),
            period: Period {
                from: moment(row.get(3)?),
                to: moment(row.get(4)?),
            },
            checks: checks.collect::<rusqlite::Result<_>>()?,
        })
    })?;
    baselines.collect()
}
