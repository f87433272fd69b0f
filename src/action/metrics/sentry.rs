//! Two tables of Sentry's API below `/api/0/organizations/NAME/`: `events` (<https://docs.sentry.io/api/explore/>) and the
//! counts of `stats_v2` (<https://docs.sentry.io/api/organizations/>).

use serde_json::{Map, Value};
use url::form_urlencoded::Serializer;

use crate::base::{Masker, nearest};
use crate::engine::{ActionError, Invocation};
use crate::expr::QueryText;
use crate::platform::http::Response;

use super::answer::{Answer, flat, flat_rows};
use super::{Question, api, written_out};

/// What can be asked.
const TABLES: [&str; 2] = ["events", "stats_v2"];

/// What is asked for.
pub(super) fn request(
    query: &QueryText,
    invocation: &Invocation,
    organization: &str,
    project: Option<&str>,
) -> Result<Question, ActionError> {
    let table = written_out(query, "parameters")?.trim_matches('/');
    if !TABLES.contains(&table) {
        let error = ActionError::config(format!("Sentry is not asked for {table:?} here"));
        return Err(match nearest(table, TABLES) {
            Some(near) => error.help(format!("did you mean {near:?}?")),
            None => error.help(format!("write {}", TABLES.join(" or "))),
        });
    }
    let mut parameters = Serializer::new(String::new());
    if let Some(project) = project {
        parameters.append_pair("project", project);
    }
    match invocation.json("parameters") {
        None => {}
        Some(Value::Object(table)) => {
            for (name, value) in table {
                for text in texts(name, value)? {
                    parameters.append_pair(name, &text);
                }
            }
        }
        Some(_) => {
            return Err(ActionError::config("`metrics.parameters` is no table")
                .help("write { field = [\"title\", \"count()\"], statsPeriod = \"24h\" }"));
        }
    }
    Ok(Question {
        method: "GET",
        path: format!(
            "/api/0/organizations/{organization}/{table}/?{}",
            parameters.finish()
        ),
        body: None,
    })
}

/// The texts of a parameter, which is repeated where it is a list.
fn texts(name: &str, value: &Value) -> Result<Vec<String>, ActionError> {
    match value {
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Number(_) | Value::Bool(_) => Ok(vec![value.to_string()]),
        Value::Array(items) if !items.iter().any(Value::is_array) => {
            let texts = items.iter().map(|item| texts(name, item));
            Ok(texts.collect::<Result<Vec<_>, _>>()?.concat())
        }
        _ => Err(ActionError::config(format!(
            "the parameter {name:?} is neither a text, a number nor a list of them"
        ))),
    }
}

/// What is answered.
pub(super) fn read(response: &Response, masker: &Masker) -> Result<Answer, ActionError> {
    let body = match api::json(response) {
        Some(body) if response.status < 400 => body,
        Some(body) => return Err(refusal(&body, response, masker)),
        None => return Err(api::trouble(response, masker)),
    };
    let mut answer = match (&body["data"], &body["groups"]) {
        (Value::Array(rows), _) => flat_rows(rows).map(Answer::table),
        (_, Value::Array(groups)) => counts(groups),
        _ => None,
    }
    .ok_or_else(|| api::trouble(response, masker))?;
    if has_more(response) {
        answer
            .warnings
            .push("there are more rows than one answer holds".to_owned());
    }
    Ok(answer)
}

/// `{"detail": "…"}`, also as a table with a message.
fn refusal(body: &Value, response: &Response, masker: &Masker) -> ActionError {
    let detail = &body["detail"];
    let Some(text) = detail.as_str().or_else(|| detail["message"].as_str()) else {
        return api::trouble(response, masker);
    };
    let message = format!("{}: {}", response.status, api::quoted(text, masker));
    match response.status {
        400 => ActionError::config(message).help("correct `metrics.parameters`"),
        _ => ActionError::target(message),
    }
}

/// The groups of `stats_v2`: what they are by and their totals are the row, their series the points.
fn counts(groups: &[Value]) -> Option<Answer> {
    let mut rows: Vec<Map<String, Value>> = Vec::with_capacity(groups.len());
    let mut points = Vec::with_capacity(groups.len());
    for group in groups {
        let mut group = group.as_object()?.clone();
        points.push(group.remove("series").unwrap_or_default());
        rows.push(flat(&group));
    }
    Some(Answer {
        points,
        ..Answer::table(rows)
    })
}

/// Whether the answer is one page of several: `Link: <…>; rel="next"; results="true"`.
fn has_more(response: &Response) -> bool {
    response.header("link").is_some_and(|links| {
        links
            .split(',')
            .any(|link| link.contains("rel=\"next\"") && link.contains("results=\"true\""))
    })
}
