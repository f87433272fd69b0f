//! How a column tells how old its row is, found out from what stands in it. Must not guess: what is unclear is an error,
//! for a wrong guess deletes the wrong rows.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde_json::{Map, Value, json};

use crate::sql::Dialect;

/// The moment in words that both engines read, to the second.
const MOMENT: &str = "%Y-%m-%d %H:%M:%S";

/// How a column writes the moment of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A type of the server's own, by its name: `timestamp with time zone`.
    Moment(&'static str),
    /// `2026-08-22T08:00:00Z`: texts, compared as such to the second; a `Z` or a fraction behind it makes a text greater.
    IsoText,
    /// `2026-08-22 08:00:00`, as `datetime('now')` writes it.
    PlainText,
    /// `2026-08-22`
    DayText,
    /// A number of these units since 1970; how many of them a second has.
    Unix(i64),
}

/// The types of PostgreSQL that are a moment.
const MOMENTS: [&str; 3] = [
    "timestamp with time zone",
    "timestamp without time zone",
    "date",
];

/// The units of numbers since 1970: how many a second has. A number belongs to the unit by which it lies between 1973 and
/// 5138, and to no other.
const UNITS: [i64; 4] = [1, 1_000, 1_000_000, 1_000_000_000];

/// The least and the most seconds since 1970 by which a unit is told.
const SECONDS: (f64, f64) = (1e8, 1e11);

/// Why the age of rows is not clear: a lower-case fragment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unclear {
    /// Different kinds of values stand in it.
    #[error("it holds different kinds of values: {0}")]
    Mixed(String),
    /// What stands in it is no moment that is known.
    #[error("it holds {0}, from {1} to {2}, which is no moment in a form that is known")]
    Unknown(String, String, String),
}

/// The query that tells which kinds of values a column has: rows {kind, n, least, most}. `column` and `table` are quoted.
pub(super) fn kinds(table: &str, column: &str, dialect: Dialect) -> String {
    let (kind, plain) = match dialect {
        Dialect::Sqlite => (sqlite_kind(column), column.to_owned()),
        Dialect::Postgres => (postgres_kind(column), format!("{column}::text")),
    };
    // Text that is cast sorts in another order: the least and the most are taken before.
    let (least, most) = match dialect {
        Dialect::Sqlite => (format!("min({plain})"), format!("max({plain})")),
        Dialect::Postgres => (
            format!("min({column})::text"),
            format!("max({column})::text"),
        ),
    };
    format!(
        "SELECT {kind} AS kind, count(*) AS n, {least} AS least, {most} AS most FROM {table} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC"
    )
}

/// Without patterns of GLOB: D1 takes none that is longer than 50 bytes.
fn sqlite_kind(column: &str) -> String {
    let moment =
        format!("length({column}) >= 19 AND datetime(substr({column}, 1, 19)) IS NOT NULL");
    format!(
        "CASE WHEN typeof({column}) <> 'text' THEN typeof({column}) \
         WHEN substr({column}, 20) GLOB '*[+-]*' THEN 'text with an offset' \
         WHEN {moment} AND substr({column}, 11, 1) = 'T' THEN 'iso' \
         WHEN {moment} AND substr({column}, 11, 1) = ' ' THEN 'plain' \
         WHEN date({column}) = {column} THEN 'day' ELSE 'text' END"
    )
}

fn postgres_kind(column: &str) -> String {
    let day = r"^\d{4}-[01]\d-[0-3]\d";
    let time = r"[0-2]\d:[0-5]\d:[0-6]\d";
    format!(
        "CASE WHEN pg_typeof({column})::text NOT IN ('text', 'character varying', 'character') THEN pg_typeof({column})::text \
         WHEN substr({column}::text, 20) ~ '[+-]' THEN 'text with an offset' \
         WHEN {column}::text ~ '{day}T{time}' THEN 'iso' \
         WHEN {column}::text ~ '{day} {time}' THEN 'plain' \
         WHEN {column}::text ~ '{day}$' THEN 'day' ELSE 'text' END"
    )
}

/// The form of a column by its kinds of values; none where there is no value at all.
pub(super) fn form(kinds: &[Map<String, Value>]) -> Result<Option<Form>, Unclear> {
    let text = |row: &Map<String, Value>, name: &str| match row.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let only = match kinds {
        [] => return Ok(None),
        [only] => only,
        several => {
            let told = several
                .iter()
                .map(|row| format!("{} ({} rows)", text(row, "kind"), text(row, "n")));
            return Err(Unclear::Mixed(told.collect::<Vec<_>>().join(", ")));
        }
    };
    let (kind, least, most) = (text(only, "kind"), text(only, "least"), text(only, "most"));
    let moment = MOMENTS.into_iter().find(|known| *known == kind);
    let form = match kind.as_str() {
        _ if moment.is_some() => moment.map(Form::Moment),
        "iso" => Some(Form::IsoText),
        "plain" => Some(Form::PlainText),
        "day" => Some(Form::DayText),
        "integer" | "real" | "bigint" | "numeric" | "double precision" => unit(&least, &most),
        _ => None,
    };
    form.map(Some).ok_or(Unclear::Unknown(kind, least, most))
}

/// The unit of numbers since 1970.
fn unit(least: &str, most: &str) -> Option<Form> {
    let (least, most): (f64, f64) = (least.parse().ok()?, most.parse().ok()?);
    let unit = UNITS.into_iter().find(|unit| {
        let seconds = |number: f64| number / *unit as f64;
        seconds(least) >= SECONDS.0 && seconds(most) < SECONDS.1
    });
    unit.map(Form::Unix)
}

impl Form {
    /// The condition on a quoted column that its row is older than the parameter `?1`.
    pub(super) fn condition(self, column: &str, dialect: Dialect) -> String {
        match (self, dialect) {
            (Self::Moment(of), _) => format!("{column} < ?1::{of}"),
            // No collation but this one compares byte by byte.
            (Self::IsoText | Self::PlainText | Self::DayText, Dialect::Postgres) => {
                format!("{column} COLLATE \"C\" < ?1")
            }
            (_, _) => format!("{column} < ?1"),
        }
    }

    /// The moment as the column would write it, to the second.
    pub(super) fn value(self, moment: DateTime<Utc>) -> Value {
        match self {
            Self::Moment("timestamp with time zone") => {
                json!(moment.format("%Y-%m-%d %H:%M:%SZ").to_string())
            }
            Self::Moment(_) | Self::PlainText => json!(moment.format(MOMENT).to_string()),
            Self::IsoText => json!(moment.format("%Y-%m-%dT%H:%M:%S").to_string()),
            Self::DayText => json!(moment.format("%Y-%m-%d").to_string()),
            Self::Unix(unit) => json!(moment.timestamp().saturating_mul(unit)),
        }
    }
}

/// A moment as a person or a filter writes it: `2026-08-22T08:00:00Z`, `2026-08-22 08:00:00` (UTC), `2026-08-22`.
pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let zoned = DateTime::parse_from_rfc3339(text).map(|moment| moment.with_timezone(&Utc));
    let plain = || NaiveDateTime::parse_from_str(text, MOMENT).ok();
    let day = || {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        day.and_hms_opt(0, 0, 0)
    };
    let plain = || plain().or_else(day).map(|moment| moment.and_utc());
    zoned.ok().or_else(plain)
}

#[cfg(test)]
mod tests {
    use chrono::{TimeZone as _, Utc};
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::{Form, Unclear, form, moment};
    use crate::sql::Dialect;

    fn kind(kind: &str, least: Value, most: Value) -> Map<String, Value> {
        [
            ("kind", json!(kind)),
            ("n", json!(7)),
            ("least", least),
            ("most", most),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    #[test]
    fn the_form_is_told_by_what_stands_in_the_column() {
        let of = |name: &str, least: Value, most: Value| form(&[kind(name, least, most)]);
        let seconds = of("integer", json!(1_600_000_000), json!(1_800_000_000));
        assert_eq!(seconds, Ok(Some(Form::Unix(1))));
        let millis = of("bigint", json!("1600000000000"), json!("1800000000000"));
        assert_eq!(millis, Ok(Some(Form::Unix(1000))));
        let zoned = of("timestamp with time zone", json!("x"), json!("y"));
        assert_eq!(zoned, Ok(Some(Form::Moment("timestamp with time zone"))));
        assert_eq!(of("iso", json!("a"), json!("b")), Ok(Some(Form::IsoText)));
        assert_eq!(form(&[]), Ok(None));
    }

    #[test]
    fn what_is_not_clear_is_not_guessed() {
        let mixed = form(&[
            kind("integer", json!(1), json!(2)),
            kind("iso", json!("a"), json!("b")),
        ]);
        let told = "integer (7 rows), iso (7 rows)".to_owned();
        assert_eq!(mixed, Err(Unclear::Mixed(told)));
        for (name, least, most) in [
            ("integer", json!(0), json!(1_800_000_000)),
            (
                "integer",
                json!(1_600_000_000),
                json!(1_600_000_000_000_i64),
            ),
            ("integer", json!(1), json!(5000)),
            ("real", json!(2_460_000.5), json!(2_461_000.5)),
            ("text", json!("yesterday"), json!("yesterday")),
            ("text with an offset", json!("a"), json!("b")),
            ("blob", json!({"base64": ""}), json!({"base64": ""})),
            ("uuid", json!("a"), json!("b")),
        ] {
            let found = form(&[kind(name, least, most)]);
            assert!(
                matches!(found, Err(Unclear::Unknown(..))),
                "{name}: {found:?}"
            );
        }
    }

    #[test]
    fn a_moment_is_written_as_the_column_writes_it() {
        let at = Utc
            .with_ymd_and_hms(2026, 8, 22, 8, 0, 1)
            .single()
            .unwrap_or_default();
        for (form, value) in [
            (Form::IsoText, json!("2026-08-22T08:00:01")),
            (Form::PlainText, json!("2026-08-22 08:00:01")),
            (Form::DayText, json!("2026-08-22")),
            (Form::Unix(1000), json!(at.timestamp() * 1000)),
            (
                Form::Moment("timestamp with time zone"),
                json!("2026-08-22 08:00:01Z"),
            ),
            (Form::Moment("date"), json!("2026-08-22 08:00:01")),
        ] {
            assert_eq!(form.value(at), value, "{form:?}");
        }
        let condition = Form::IsoText.condition("\"t\".\"c\"", Dialect::Postgres);
        assert_eq!(condition, "\"t\".\"c\" COLLATE \"C\" < ?1");
    }

    #[test]
    fn moments_are_read_as_they_are_written() {
        let at = Utc.with_ymd_and_hms(2026, 8, 22, 8, 0, 1).single();
        assert_eq!(moment("2026-08-22T10:00:01+02:00"), at);
        assert_eq!(moment("2026-08-22 08:00:01"), at);
        assert_eq!(
            moment("2026-08-22"),
            Utc.with_ymd_and_hms(2026, 8, 22, 0, 0, 0).single()
        );
        for wrong in ["", "soon", "2026-13-01", "1700000000"] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }

    proptest! {
        /// A text of either form is older than the moment exactly when it is less than the moment in that form.
        #[test]
        fn text_sorts_as_time_does(at in 946_684_800_i64..4_102_444_800, other in 946_684_800_i64..4_102_444_800) {
            let (at, other) = (moment_of(at), moment_of(other));
            for (form, written) in [
                (Form::IsoText, other.format("%Y-%m-%dT%H:%M:%SZ").to_string()),
                (Form::IsoText, other.format("%Y-%m-%dT%H:%M:%S.250Z").to_string()),
                (Form::PlainText, other.format("%Y-%m-%d %H:%M:%S").to_string()),
            ] {
                let value = form.value(at);
                prop_assert_eq!(Some(written.as_str()) < value.as_str(), other < at, "{} {}", written, value);
            }
        }
    }

    fn moment_of(seconds: i64) -> chrono::DateTime<Utc> {
        Utc.timestamp_opt(seconds, 0).single().unwrap_or_default()
    }
}
