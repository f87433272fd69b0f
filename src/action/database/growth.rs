//! How what a look at tables or sizes found has grown since somebody looked before. Must not decide how long readings
//! are kept: the store does.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::action::growth::{as_written, moment_before, written};
use crate::base::Size;
use crate::base::text::thousands;
use crate::engine::{ActionContext, JournalError, Reading, Subject};

use super::system::{Look, Question, Report};

/// What is counted of a row, and under which name its growth is told.
const COUNTED: [(&str, &str); 2] = [("rows", "grown_rows"), ("bytes", "grown_bytes")];

/// Tells in the rows, the outputs and the detail of a look how they have grown since the last look, or since the last one
/// that is at least as old as the question says; keeps what was found, but for a dry run.
pub(super) fn tell(
    report: &mut Report,
    question: &Question,
    database: &str,
    context: &ActionContext<'_>,
) -> Result<(), JournalError> {
    let kind = match question.look {
        Look::Tables => "table",
        Look::Size => "part",
        _ => return Ok(()),
    };
    let subject = Subject::of(context.config, format!("database/{database}"));
    let until = moment_before(context.now, question.since);
    let before = context.samples.readings(&subject, until)?;
    let read = read(report, kind);
    for row in &mut report.rows {
        compare(row, kind, &before);
    }
    let whole = |unit: &str| {
        let name = format!("{kind}s/{unit}");
        let known = before.get(&name)?;
        Some((read.get(&name)? - known.value, known.at))
    };
    let (rows, bytes) = (whole("rows"), whole("bytes"));
    let since = bytes.or(rows).map(|(_, since)| since);
    let changes = [("rows", rows), ("bytes", bytes)];
    let changes = changes.map(|(unit, change)| (unit, change.map_or(0.0, |(change, _)| change)));
    if let Some(since) = since {
        report.detail.push_str(&told(&changes, since));
    }
    report.further.extend([
        (
            "grown",
            bytes.map_or(Value::Null, |(change, _)| as_written(change)),
        ),
        ("since", json!(since.map(written))),
    ]);
    if question.look == Look::Tables {
        shorten(report, question.limit);
    }
    if context.keeps && !read.is_empty() {
        context
            .samples
            .keep_readings(&subject, context.now, &read)?;
    }
    Ok(())
}

/// Leaves out all tables but the largest.
fn shorten(report: &mut Report, limit: usize) {
    if report.rows.len() > limit {
        report.rows.truncate(limit);
        let shown = thousands(limit as u64);
        report
            .detail
            .push_str(&format!("; the {shown} largest are shown"));
    }
}

/// The numbers of a look by their names: those of each row, and their sums.
fn read(report: &Report, kind: &str) -> BTreeMap<String, f64> {
    let mut read = BTreeMap::new();
    for row in &report.rows {
        let Some(name) = row.get(kind).and_then(Value::as_str) else {
            continue;
        };
        for (unit, _) in COUNTED {
            if let Some(value) = row.get(unit).and_then(Value::as_f64) {
                read.insert(format!("{kind}/{name}/{unit}"), value);
            }
        }
        if let Some(rows) = row.get("rows").and_then(Value::as_f64) {
            *read.entry(format!("{kind}s/rows")).or_default() += rows;
        }
    }
    if let Some(bytes) = report.bytes {
        read.insert(format!("{kind}s/bytes"), bytes as f64);
    }
    read
}

/// Adds to a row what it has grown by, and since when; null where nothing is known of it.
fn compare(row: &mut Map<String, Value>, kind: &str, before: &BTreeMap<String, Reading>) {
    let name = row
        .get(kind)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let mut since = Value::Null;
    for (unit, grown) in COUNTED {
        let Some(value) = row.get(unit).map(Value::as_f64) else {
            continue;
        };
        let known = before.get(&format!("{kind}/{name}/{unit}"));
        let change = value.zip(known).map(|(value, known)| {
            since = json!(written(known.at));
            as_written(value - known.value)
        });
        row.insert(grown.to_owned(), change.unwrap_or_default());
    }
    row.insert("since".to_owned(), since);
}

fn told(changes: &[(&str, f64)], since: DateTime<Utc>) -> String {
    let changes: Vec<String> = changes
        .iter()
        .filter(|(_, change)| *change != 0.0)
        .map(|(unit, change)| {
            let sign = if *change > 0.0 { '+' } else { '-' };
            let size = change.abs() as u64;
            match *unit {
                "bytes" => format!("{sign}{}", Size(size)),
                unit => format!("{sign}{} {unit}", thousands(size)),
            }
        })
        .collect();
    let since = since.format("%Y-%m-%d %H:%M");
    match changes.as_slice() {
        [] => format!(", unchanged since {since}"),
        changes => format!(", {} since {since}", changes.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::told;

    #[test]
    fn what_has_changed_is_told_with_its_sign() {
        for (rows, bytes, expected) in [
            (0.0, 0.0, ", unchanged since 1970-01-01 00:00"),
            (
                1200.0,
                -2048.0,
                ", +1,200 rows, -2.0 KiB since 1970-01-01 00:00",
            ),
            (0.0, 2048.0, ", +2.0 KiB since 1970-01-01 00:00"),
        ] {
            let changes = [("rows", rows), ("bytes", bytes)];
            assert_eq!(told(&changes, DateTime::UNIX_EPOCH), expected);
        }
    }
}
