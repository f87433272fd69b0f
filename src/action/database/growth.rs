//! How what a look at tables or sizes found has grown since somebody looked before. Must not decide how long readings
//! are kept: the store does.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use crate::base::Size;
use crate::base::text::thousands;
use crate::engine::{ActionContext, JournalError, Reading, Subject};

use super::system::{Look, Question, Report};

/// What is counted of a row, and under which name its growth is told.
const COUNTED: [(&str, &str); 2] = [("rows", "grown_rows"), ("bytes", "grown_bytes")];

/// Tells in the rows, the outputs and the detail of a look how they have grown since the last look, or since the last one that is at
/// least as old as the question says; keeps what was found, but for a dry run.
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
    let (mut grown, mut since) = (Value::Null, Value::Null);
    for unit in ["rows", "bytes"] {
        let name = format!("{kind}s/{unit}");
        let (Some(value), Some(known)) = (read.get(&name), before.get(&name)) else {
            continue;
        };
        let change = value - known.value;
        report.detail.push_str(&told(unit, change, known.at));
        since = json!(written(known.at));
        if unit == "bytes" {
            grown = whole(change);
        }
    }
    report.further.extend([("grown", grown), ("since", since)]);
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

/// A moment so long ago. A span that reaches before all time is before all that was read.
fn moment_before(now: DateTime<Utc>, age: Option<Duration>) -> DateTime<Utc> {
    let age = TimeDelta::from_std(age.unwrap_or_default()).ok();
    age.and_then(|age| now.checked_sub_signed(age))
        .unwrap_or(DateTime::<Utc>::MIN_UTC)
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
            whole(value - known.value)
        });
        row.insert(grown.to_owned(), change.unwrap_or_default());
    }
    row.insert("since".to_owned(), since);
}

/// A moment as it stands in rows.
fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A difference of whole numbers, as one.
fn whole(difference: f64) -> Value {
    json!(difference as i64)
}

fn told(unit: &str, change: f64, since: DateTime<Utc>) -> String {
    let size = change.abs() as u64;
    let amount = match unit {
        "bytes" => Size(size).to_string(),
        unit => format!("{} {unit}", thousands(size)),
    };
    let since = since.format("%Y-%m-%d %H:%M");
    match change {
        0.0 => format!(", no more {unit} since {since}"),
        change if change > 0.0 => format!(", +{amount} since {since}"),
        _ => format!(", -{amount} since {since}"),
    }
}
