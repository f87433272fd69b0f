//! Samples that have grown old, folded into their hours; and what was seen, from both.

use std::collections::BTreeMap;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::base::Histogram;
use crate::engine::{Period, Retention, Sample, Seen, Tally};

use super::samples::{moment, status};

/// An hour, in milliseconds.
const HOUR: i64 = 3_600_000;

/// So many hours of a series are dropped at once, at most.
const DROPPED_AT_ONCE: u32 = 100;

/// Folds samples of a series that are kept one by one no longer, and takes them off what may be folded yet. It waits until
/// an hour of them has come together: an hour is then written once and not once for each of its samples.
pub(super) fn fold(
    connection: &Connection,
    series: i64,
    retention: &Retention,
    left: &mut u32,
) -> rusqlite::Result<()> {
    if *left == 0 {
        return Ok(());
    }
    let until = retention.samples_from.timestamp_millis();
    let oldest: Option<i64> = connection
        .prepare_cached("SELECT min(at) FROM samples WHERE series = ?")?
        .query_row([series], |row| row.get(0))?;
    if oldest.is_none_or(|oldest| oldest >= until.saturating_sub(HOUR)) {
        return Ok(());
    }
    let mut hours: BTreeMap<i64, Tally> = BTreeMap::new();
    let mut last = None;
    let mut select = connection.prepare_cached(
        "SELECT at, ms, look, told FROM samples WHERE series = ? AND at < ? ORDER BY at LIMIT ?",
    )?;
    let mut rows = select.query(params![series, until, *left])?;
    while let Some(row) = rows.next()? {
        let at: i64 = row.get(0)?;
        hours.entry(hour_of(at)).or_default().add(&sample(row)?);
        last = Some(at);
        *left -= 1;
    }
    for (hour, mut tally) in hours {
        if let Some(before) = find(connection, series, hour)? {
            tally.merge(&before);
        }
        write(connection, series, hour, &tally)?;
    }
    connection
        .prepare_cached("DELETE FROM samples WHERE series = ? AND at <= ?")?
        .execute(params![series, last])?;
    drop_old(connection, series, retention)
}

/// Drops what is older than the history that is kept: a bounded part of it, so that no run is slow for it.
fn drop_old(connection: &Connection, series: i64, retention: &Retention) -> rusqlite::Result<()> {
    let from = retention.hours_from.timestamp_millis();
    for delete in [
        "DELETE FROM hours WHERE series = ?1 AND hour IN
             (SELECT hour FROM hours WHERE series = ?1 AND hour < ?2 ORDER BY hour LIMIT ?3)",
        "DELETE FROM outages WHERE series = ?1 AND began IN
             (SELECT began FROM outages WHERE series = ?1 AND ended < ?2 ORDER BY began LIMIT ?3)",
    ] {
        let mut delete = connection.prepare_cached(delete)?;
        delete.execute(params![series, from.saturating_sub(HOUR), DROPPED_AT_ONCE])?;
    }
    Ok(())
}

fn find(connection: &Connection, series: i64, hour: i64) -> rusqlite::Result<Option<Tally>> {
    connection
        .prepare_cached(
            "SELECT ok, warning, critical, unknown, affected, lengths FROM hours WHERE series = ? AND hour = ?",
        )?
        .query_row([series, hour], |row| tally(row, 0))
        .optional()
}

fn write(connection: &Connection, series: i64, hour: i64, tally: &Tally) -> rusqlite::Result<()> {
    let [ok, warning, critical, unknown, affected] = counts(tally);
    connection
        .prepare_cached("INSERT OR REPLACE INTO hours VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            series,
            hour,
            ok,
            warning,
            critical,
            unknown,
            affected,
            tally.lengths.encode()
        ])?;
    Ok(())
}

/// Shows what was seen of a series, the hours before the looks that are kept one by one.
pub(super) fn history(
    connection: &Connection,
    series: i64,
    period: Period,
    see: &mut dyn FnMut(Seen),
) -> rusqlite::Result<()> {
    let (from, to) = (period.from.timestamp_millis(), period.to.timestamp_millis());
    let mut select = connection.prepare_cached(
        "SELECT ok, warning, critical, unknown, affected, lengths, hour FROM hours
         WHERE series = ? AND hour >= ? AND hour <= ? ORDER BY hour",
    )?;
    let mut rows = select.query([series, hour_of(from), to])?;
    while let Some(row) = rows.next()? {
        see(Seen::Hour(moment(row.get(6)?), tally(row, 0)?));
    }
    let mut select = connection.prepare_cached(
        "SELECT at, ms, look, told FROM samples WHERE series = ? AND at >= ? AND at <= ? ORDER BY at",
    )?;
    let mut rows = select.query([series, from, to])?;
    while let Some(row) = rows.next()? {
        see(Seen::Look(sample(row)?));
    }
    Ok(())
}

/// The beginning of the hour of a moment.
const fn hour_of(at: i64) -> i64 {
    at - at.rem_euclid(HOUR)
}

fn sample(row: &Row<'_>) -> rusqlite::Result<Sample> {
    Ok(Sample {
        at: moment(row.get(0)?),
        ms: row.get(1)?,
        look: status(row.get(2)?),
        told: status(row.get(3)?),
    })
}

/// The counts of a tally as SQLite keeps them.
pub(super) fn counts(tally: &Tally) -> [i64; 5] {
    tally
        .looks
        .map(|count| i64::try_from(count).unwrap_or(i64::MAX))
}

/// Reads the counts and the lengths that begin with this column.
pub(super) fn tally(row: &Row<'_>, first: usize) -> rusqlite::Result<Tally> {
    let mut looks = [0; 5];
    for (index, count) in looks.iter_mut().enumerate() {
        *count = u64::try_from(row.get::<_, i64>(first + index)?).unwrap_or_default();
    }
    let column = first + looks.len();
    let lengths = Histogram::decode(row.get_ref(column)?.as_blob()?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error))
    })?;
    Ok(Tally { looks, lengths })
}
