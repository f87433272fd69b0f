//! The HTTP API of Prometheus (<https://prometheus.io/docs/prometheus/latest/querying/api/>), which Thanos, Mimir and
//! VictoriaMetrics answer too: `/api/v1/query` for now and `/api/v1/query_range` for a time until now.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use url::form_urlencoded::Serializer;

use crate::base::text::count;
use crate::base::{Masker, Span};
use crate::engine::{ActionError, Invocation};
use crate::expr::QueryText;
use crate::platform::http::Response;

use super::answer::{Answer, told};
use super::{Question, api};

/// How many points a range has unless the step says otherwise.
const POINTS: u32 = 60;

/// Prometheus does not look closer than this unless asked to.
const CLOSEST: Span = Span::seconds(1);

/// What is asked for.
pub(super) fn request(
    query: &QueryText,
    invocation: &Invocation,
    now: DateTime<Utc>,
) -> Result<Question, ActionError> {
    let mut form = Serializer::new(String::new());
    form.append_pair("query", &query.text);
    let path = match (invocation.duration("range"), invocation.duration("step")) {
        (None, None) => "/api/v1/query",
        (None, Some(_)) => {
            return Err(
                ActionError::config("`metrics.step` without `metrics.range`")
                    .help("say with `metrics.range` over how long a time"),
            );
        }
        (Some(range), step) => {
            let step = step.map_or_else(|| (range.0 / POINTS).max(CLOSEST.0), |step| step.0);
            if range.0.is_zero() || step.is_zero() {
                return Err(ActionError::config(
                    "`metrics.range` and `metrics.step` are longer than nothing",
                ));
            }
            let start = chrono::Duration::from_std(range.0)
                .ok()
                .and_then(|range| now.checked_sub_signed(range))
                .ok_or_else(|| ActionError::config("`metrics.range` is longer than time"))?;
            form.append_pair("start", &start.format("%s%.3f").to_string())
                .append_pair("end", &now.format("%s%.3f").to_string())
                .append_pair("step", &format!("{:.3}", step.as_secs_f64()));
            "/api/v1/query_range"
        }
    };
    Ok(Question {
        method: "POST",
        path: path.to_owned(),
        body: Some((form.finish(), "application/x-www-form-urlencoded")),
    })
}

/// What is answered.
pub(super) fn read(response: &Response, masker: &Masker) -> Result<Answer, ActionError> {
    let Some(body) = api::json(response) else {
        return Err(api::trouble(response, masker));
    };
    match body["status"].as_str() {
        Some("success") => {}
        Some("error") => return Err(error(&body, masker)),
        _ => return Err(api::trouble(response, masker)),
    }
    let data = &body["data"];
    let result = &data["result"];
    let answer = match data["resultType"].as_str() {
        Some("vector") => vector(result),
        Some("matrix") => matrix(result),
        Some("scalar" | "string") => constant(result),
        _ => None,
    };
    let Some(mut answer) = answer else {
        return Err(ActionError::target(format!(
            "the answer is not of the API of Prometheus: {}",
            api::quoted(&data.to_string(), masker)
        )));
    };
    for key in ["warnings", "infos"] {
        let texts = body[key].as_array().into_iter().flatten();
        let texts = texts.filter_map(Value::as_str).map(str::to_owned);
        answer.warnings.extend(texts);
    }
    Ok(answer)
}

/// `bad_data` is a query that cannot be understood; all else is trouble while it was answered.
fn error(body: &Value, masker: &Masker) -> ActionError {
    let kind = body["errorType"].as_str().unwrap_or("error");
    let text = body["error"].as_str().unwrap_or("no reason is given");
    let message = format!("{kind}: {}", api::quoted(text, masker));
    match kind {
        "bad_data" => ActionError::config(message).help("correct `metrics.query` or its options"),
        "timeout" => ActionError::late(message),
        _ => ActionError::target(message),
    }
}

/// One value a series.
fn vector(result: &Value) -> Option<Answer> {
    let mut answer = Answer::default();
    for series in result.as_array()? {
        let own = match (&series["value"], &series["histogram"]) {
            (Value::Array(sample), _) => vec![("value", number(sample.get(1)?)?)],
            // A native histogram is no number: a function of PromQL makes one of it.
            (_, Value::Array(sample)) => vec![
                ("value", Value::Null),
                ("histogram", sample.get(1)?.clone()),
            ],
            _ => return None,
        };
        answer.rows.push(row(series["metric"].as_object()?, own));
    }
    let values: Vec<&Value> = answer.rows.iter().map(|row| &row["value"]).collect();
    match values.as_slice() {
        [only] => {
            answer.detail = format!("value {}", told(only));
            answer.value = (*only).clone();
        }
        several => {
            let several = several.iter().filter_map(|value| value.as_f64());
            let spread = Spread::of(several).map(|spread| {
                format!(
                    ", {} to {}",
                    told(&json(spread.min)),
                    told(&json(spread.max))
                )
            });
            answer.detail = format!("{} series{}", answer.rows.len(), spread.unwrap_or_default());
        }
    }
    Some(answer)
}

/// Many points a series.
fn matrix(result: &Value) -> Option<Answer> {
    let mut answer = Answer::default();
    let (mut most, mut odd) = (0, 0);
    for series in result.as_array()? {
        // A series that became a native histogram on the way has both.
        let mut samples: Vec<&Value> = ["values", "histograms"]
            .into_iter()
            .filter_map(|key| series[key].as_array())
            .flatten()
            .collect();
        if samples.is_empty() {
            return None;
        }
        samples.sort_by(|one, other| at(one).total_cmp(&at(other)));
        let mut points = Vec::with_capacity(samples.len());
        for sample in samples {
            let value = sample.get(1)?;
            let value = number(value).unwrap_or_else(|| value.clone());
            points.push(json!([sample.get(0)?, value]));
        }
        let numbers: Vec<f64> = points.iter().filter_map(|point| float(&point[1])).collect();
        most = most.max(points.len());
        odd += points.len() - numbers.len();
        let last = points.last().map_or(Value::Null, |point| point[1].clone());
        let spread = Spread::of(numbers.into_iter());
        let told = |pick: fn(&Spread) -> f64| {
            spread
                .as_ref()
                .map_or_else(|| last.clone(), |spread| json(pick(spread)))
        };
        let own = vec![
            ("min", told(|spread| spread.min)),
            ("max", told(|spread| spread.max)),
            ("avg", told(|spread| spread.avg)),
            ("last", last.clone()),
            ("count", points.len().into()),
        ];
        answer.rows.push(row(series["metric"].as_object()?, own));
        answer.points.push(points.into());
    }
    answer.detail = match answer.rows.as_slice() {
        [only] => {
            answer.value = only["last"].clone();
            let [last, avg, min, max] = ["last", "avg", "min", "max"].map(|name| told(&only[name]));
            format!(
                "last {last}, avg {avg}, {min} to {max}, {}",
                count(most, "point")
            )
        }
        rows => format!("{} series of up to {}", rows.len(), count(most, "point")),
    };
    if odd > 0 {
        answer
            .detail
            .push_str(&format!(", {odd} of them no number"));
    }
    Some(answer)
}

/// When a sample was taken, in seconds since 1970.
fn at(sample: &Value) -> f64 {
    sample[0].as_f64().unwrap_or_default()
}

/// A scalar, or a text.
fn constant(result: &Value) -> Option<Answer> {
    let value = number(result.get(1)?)?;
    Some(Answer {
        detail: format!("value {}", told(&value)),
        rows: vec![row(&Map::new(), vec![("value", value.clone())])],
        value,
        ..Answer::default()
    })
}

/// The labels of a series and what is known of it. A label that is called like one of our own columns steps back behind
/// `exported_`, as Prometheus itself does it.
fn row(labels: &Map<String, Value>, own: Vec<(&str, Value)>) -> Map<String, Value> {
    let mut row = Map::new();
    for (name, value) in labels {
        let mut name = name.clone();
        if own.iter().any(|(own, _)| *own == name) {
            while row.contains_key(&name) || labels.contains_key(&name) {
                name.insert_str(0, "exported_");
            }
        }
        row.insert(name, value.clone());
    }
    row.extend(
        own.into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    );
    row
}

/// A number as the API writes it, in a text. JSON has no NaN and no infinity: they stay the texts that they are.
fn number(sample: &Value) -> Option<Value> {
    let text = sample.as_str()?;
    Some(match text.parse::<f64>() {
        Ok(number) if number.is_finite() => json(number),
        Ok(_) | Err(_) => text.into(),
    })
}

/// The number that a sample is; none for NaN, of which nothing can be said.
fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok().filter(|number: &f64| !number.is_nan()),
        _ => None,
    }
}

/// A number of JSON, whole where it is; what JSON does not know as Prometheus writes it.
fn json(number: f64) -> Value {
    // Beyond 2^53 a float no longer tells whole numbers apart.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and within 2^53, as just checked"
        )]
        return Value::from(number as i64);
    }
    Value::from(number)
}

/// The least, the greatest and the average of some numbers.
struct Spread {
    min: f64,
    max: f64,
    avg: f64,
}

impl Spread {
    fn of(numbers: impl Iterator<Item = f64>) -> Option<Self> {
        let (mut min, mut max, mut sum, mut count) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0.0);
        for number in numbers {
            min = number.min(min);
            max = number.max(max);
            sum += number;
            count += 1.0;
        }
        (count > 0.0).then(|| Self {
            min,
            max,
            avg: sum / count,
        })
    }
}
