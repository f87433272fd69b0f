//! What checks saw, as rows: one for each look, and one for each series with the state of its flapping rules.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use crate::base::Status;
use crate::engine::{
    Baseline, CheckState, JournalError, Outage, Period, Retention, Sample, SampleStore, Seen,
    Series, is_down,
};

use super::{SqliteJournal, baselines, hours};

/// The format that brought them.
const SINCE: i64 = 3;

/// So many old samples may be folded each time, however few are brought.
const LEAST_FOLDED: u32 = 64;

impl SampleStore for SqliteJournal {
    fn states(&self, series: &[Series]) -> Result<Vec<Option<CheckState>>, JournalError> {
        if self.lock().format < SINCE {
            return Ok(vec![None; series.len()]);
        }
        self.read(|connection| {
            let mut select = connection.prepare(
                "SELECT told, against, since, last FROM series
                 WHERE project = ? AND environment = ? AND service = ? AND \"check\" = ?",
            )?;
            series
                .iter()
                .map(|series| select.query_row(key(series), state).optional())
                .collect()
        })
    }

    fn keep_samples(
        &self,
        samples: &[(Series, Sample, CheckState)],
        retention: &Retention,
    ) -> Result<(), JournalError> {
        self.change(|connection| keep(connection, samples, retention))
    }

    fn history(
        &self,
        series: &Series,
        period: Period,
        see: &mut dyn FnMut(Seen),
    ) -> Result<(), JournalError> {
        if self.lock().format < SINCE {
            return Ok(());
        }
        self.read(|connection| {
            // What another process folds meanwhile is seen once.
            let moment = connection.unchecked_transaction()?;
            match find(&moment, series)? {
                Some((id, _)) => hours::history(&moment, id, period, see),
                None => Ok(()),
            }
        })
    }

    fn outages(&self, series: &Series, period: Period) -> Result<Vec<Outage>, JournalError> {
        if self.lock().format < SINCE {
            return Ok(Vec::new());
        }
        self.read(|connection| {
            let moment = connection.unchecked_transaction()?;
            match find(&moment, series)? {
                Some((id, down)) => outages(&moment, id, down, period),
                None => Ok(Vec::new()),
            }
        })
    }

    fn keep_baseline(&self, baseline: &Baseline) -> Result<bool, JournalError> {
        self.change(|connection| baselines::keep(connection, baseline))
    }

    fn baselines(&self, project: &str, environment: &str) -> Result<Vec<Baseline>, JournalError> {
        if self.lock().format < SINCE {
            return Ok(Vec::new());
        }
        self.read(|connection| baselines::all(connection, project, environment))
    }
}

fn keep(
    connection: &mut Connection,
    samples: &[(Series, Sample, CheckState)],
    retention: &Retention,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let brought = u32::try_from(samples.len()).unwrap_or(u32::MAX);
    let mut left = brought.saturating_mul(2).max(LEAST_FOLDED);
    for (series, sample, state) in samples {
        let id = keep_one(&transaction, series, sample, state)?;
        hours::fold(&transaction, id, retention, &mut left)?;
    }
    transaction.commit()
}

/// Keeps one sample with the state of its series, and the outage that it ends.
fn keep_one(
    connection: &Connection,
    series: &Series,
    sample: &Sample,
    state: &CheckState,
) -> rusqlite::Result<i64> {
    let at = sample.at.timestamp_millis();
    let before = find(connection, series)?;
    let down_before = before.and_then(|(_, down)| down);
    let down = match is_down(sample.told) {
        Some(true) => down_before.or(Some(at)),
        Some(false) => None,
        None => down_before,
    };
    let state = params![
        code(state.told),
        state.against,
        state.since.timestamp_millis(),
        state.last.timestamp_millis(),
        down,
    ];
    let id = match before {
        Some((id, _)) => {
            let mut update = connection.prepare_cached(
                "UPDATE series SET told = ?1, against = ?2, since = ?3, last = ?4, down = ?5 WHERE id = ?6",
            )?;
            update.execute(params![
                state[0], state[1], state[2], state[3], state[4], id
            ])?;
            id
        }
        None => {
            let [project, environment, service, check] = key(series);
            let mut insert = connection.prepare_cached(
                "INSERT INTO series (told, against, since, last, down, project, environment, service, \"check\")
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            insert.insert(params![
                state[0],
                state[1],
                state[2],
                state[3],
                state[4],
                project,
                environment,
                service,
                check
            ])?
        }
    };
    if let (Some(began), None) = (down_before, down) {
        let mut insert =
            connection.prepare_cached("INSERT OR REPLACE INTO outages VALUES (?, ?, ?)")?;
        // Another process may have seen it a moment later and told it before.
        insert.execute([id, began, at.max(began)])?;
    }
    // Two looks of one moment are one: whoever came second saw the same.
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO samples (series, at, ms, look, told) VALUES (?, ?, ?, ?, ?)",
    )?;
    insert.execute(params![
        id,
        at,
        sample.ms,
        code(sample.look),
        code(sample.told)
    ])?;
    Ok(id)
}

/// The number of a series, and since when it is down.
fn find(connection: &Connection, series: &Series) -> rusqlite::Result<Option<(i64, Option<i64>)>> {
    connection
        .prepare_cached(
            "SELECT id, down FROM series
             WHERE project = ? AND environment = ? AND service = ? AND \"check\" = ?",
        )?
        .query_row(key(series), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

fn outages(
    connection: &Connection,
    series: i64,
    down: Option<i64>,
    period: Period,
) -> rusqlite::Result<Vec<Outage>> {
    let (from, to) = (period.from.timestamp_millis(), period.to.timestamp_millis());
    let mut select = connection.prepare_cached(
        "SELECT began, ended FROM outages WHERE series = ? AND ended >= ? AND began <= ? ORDER BY began",
    )?;
    let ended = select.query_map([series, from, to], |row| {
        Ok(Outage {
            began: moment(row.get(0)?),
            ended: Some(moment(row.get(1)?)),
        })
    })?;
    let mut outages = ended.collect::<rusqlite::Result<Vec<_>>>()?;
    outages.extend(down.filter(|down| *down <= to).map(|down| Outage {
        began: moment(down),
        ended: None,
    }));
    Ok(outages)
}

fn key(series: &Series) -> [&str; 4] {
    [
        &series.project,
        &series.environment,
        &series.service,
        &series.check,
    ]
}

fn state(row: &rusqlite::Row<'_>) -> rusqlite::Result<CheckState> {
    Ok(CheckState {
        told: status(row.get(0)?),
        against: row.get(1)?,
        since: moment(row.get(2)?),
        last: moment(row.get(3)?),
    })
}

pub(super) fn moment(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}

/// A status as it is kept. What a later version may add reads as unknown.
const fn code(status: Status) -> i64 {
    match status {
        Status::Ok => 0,
        Status::Warning => 1,
        Status::Critical => 2,
        Status::Affected => 4,
        _ => 3,
    }
}

pub(super) const fn status(code: i64) -> Status {
    match code {
        0 => Status::Ok,
        1 => Status::Warning,
        2 => Status::Critical,
        4 => Status::Affected,
        _ => Status::Unknown,
    }
}
