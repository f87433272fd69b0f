//! Filters over durations and moments. The clock is handed in.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use minijinja::value::Rest;
use minijinja::{Environment, Error, Value};

use super::{number, optional, plain, refused};
use crate::base::{Clock, Span};

/// A form that SQLite and PostgreSQL compare as text and as time.
const MOMENT: &str = "%Y-%m-%d %H:%M:%S";

pub(super) fn register(environment: &mut Environment<'static>, clock: Arc<dyn Clock>) {
    let now = Arc::clone(&clock);
    environment.add_function("now", move || now.now().format(MOMENT).to_string());
    let now = Arc::clone(&clock);
    environment.add_filter("ago", move |value: &Value| {
        let length = length(value)?;
        moment(now.now().checked_sub_signed(length))
    });
    let now = Arc::clone(&clock);
    environment.add_filter("from_now", move |value: &Value| {
        let length = length(value)?;
        moment(now.now().checked_add_signed(length))
    });
    environment.add_filter("age", move |value: &Value| -> Result<i64, Error> {
        Ok((clock.now() - parse_moment(value)?).num_seconds())
    });
    environment.add_filter("seconds", |value: &Value| {
        span(value).map(|span| plain(span.0.as_secs_f64()))
    });
    environment.add_filter("duration", duration);
}

fn span(value: &Value) -> Result<Span, Error> {
    match value.as_str() {
        Some(text) => text
            .parse::<Span>()
            .map_err(|error| refused(error.to_string())),
        None => of_seconds(number(value)?),
    }
}

fn of_seconds(seconds: f64) -> Result<Span, Error> {
    Duration::try_from_secs_f64(seconds)
        .map(Span)
        .map_err(|_| refused(format!("{seconds} seconds are not a duration")))
}

fn length(value: &Value) -> Result<TimeDelta, Error> {
    TimeDelta::from_std(span(value)?.0).map_err(|_| refused("the duration is too long"))
}

fn moment(moment: Option<DateTime<Utc>>) -> Result<String, Error> {
    moment
        .map(|moment| moment.format(MOMENT).to_string())
        .ok_or_else(|| refused("the duration is too long"))
}

fn duration(value: &Value, arguments: Rest<Value>) -> Result<String, Error> {
    let seconds = match optional(&arguments)?.map(|unit| unit.as_str()) {
        None | Some(Some("s")) => number(value)?,
        Some(Some("ms")) => number(value)? / 1000.0,
        Some(_) => return Err(refused("a duration is made of 's' or 'ms'")),
    };
    // Milliseconds are as exact as a person reads.
    let span = of_seconds(seconds)?.0.as_millis();
    let span = u64::try_from(span).map_err(|_| refused("the duration is too long"))?;
    Ok(Span(Duration::from_millis(span)).to_string())
}

fn parse_moment(value: &Value) -> Result<DateTime<Utc>, Error> {
    let wrong = || {
        refused(format!(
            "{value} is not a moment; write it as 2026-12-31T23:59:59Z, as 2026-12-31 23:59:59 (UTC) or as Unix seconds"
        ))
    };
    let Some(text) = value.as_str() else {
        let nanoseconds = number(value)? * 1e9;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturates, and what is out of range is refused by chrono or lies in 1677 or 2262"
        )]
        return Ok(DateTime::from_timestamp_nanos(nanoseconds as i64));
    };
    let text = text.trim();
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.to_utc());
    }
    for form in ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z"] {
        if let Ok(moment) = DateTime::parse_from_str(text, form) {
            return Ok(moment.to_utc());
        }
    }
    for form in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"] {
        if let Ok(moment) = NaiveDateTime::parse_from_str(text, form) {
            return Ok(moment.and_utc());
        }
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .and_then(|day| day.and_hms_opt(0, 0, 0))
        .map(|moment| moment.and_utc())
        .ok_or_else(wrong)
}
