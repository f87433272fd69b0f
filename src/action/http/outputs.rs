//! From a response to the outputs of a step.

use serde_json::{Map, Value, json};

use crate::base::Size;
use crate::engine::Outputs;
use crate::platform::http::{HttpCause, HttpError, Response, Timing};

use super::super::measured::{milliseconds, refused_tls, tls as tls_value};

/// `404 Not Found`
pub(super) fn status_line(response: &Response) -> String {
    format!("{} {}", response.status, response.reason)
        .trim_end()
        .to_owned()
}

/// All that a response tells.
pub(super) fn of(response: Response) -> Outputs {
    let (json, json_error) = match serde_json::from_slice::<Value>(&response.body) {
        Ok(value) => (value, Value::Null),
        Err(_) if response.body.is_empty() => (Value::Null, Value::from("the body is empty")),
        Err(error) => (Value::Null, Value::from(error.to_string())),
    };
    let detail = detail(&response);
    let size = response.body.len();
    let tls = response.tls.as_ref().map_or(Value::Null, tls_value);
    let server_timing: Map<String, Value> = response
        .server_timing
        .iter()
        .map(|timing| (timing.name.clone(), Value::from(timing.milliseconds)))
        .collect();
    let headers = headers(&response.headers);
    let (body, encoding) = text(response.body);
    Outputs::new(detail)
        .with("status", response.status)
        .with("headers", headers)
        .with("body", body)
        .with("body_encoding", encoding)
        .with("json", json)
        .with("json_error", json_error)
        .with("ms", milliseconds(response.timing.total))
        .with("timing", timing(&response.timing))
        .with("server_timing", server_timing)
        .with("tls", tls)
        .with("size", size)
        .with("transferred", response.transferred)
        .with("skew_ms", response.skew.map(|skew| skew.num_milliseconds()))
        .with("redirects", response.redirects)
        .with("version", response.version)
        .with("address", response.address.to_string())
}

/// What is known when there is no response: how far it came, and the certificate that was refused.
pub(super) fn of_failure(error: &HttpError) -> Outputs {
    let outputs = Outputs::default()
        .with("ms", milliseconds(error.timing.total))
        .with("timing", timing(&error.timing))
        .with("redirects", error.redirects.clone());
    match &error.cause {
        HttpCause::Tls(tls) => outputs.with("tls", refused_tls(tls)),
        _ => outputs,
    }
}

/// `200 OK, 1.2 KiB`, and what is wrong with the certificate if that was let pass.
fn detail(response: &Response) -> String {
    let mut detail = status_line(response);
    if !response.body.is_empty() {
        detail.push_str(&format!(", {}", Size(response.body.len() as u64)));
    }
    if let Some(problem) = response.tls.as_ref().and_then(|tls| tls.problem.as_ref()) {
        detail.push_str(&format!(", INSECURE: {problem}"));
    }
    detail
}

/// The headers by name; the values of a repeated one joined as RFC 9110, section 5.3, has it.
fn headers(pairs: &[(String, String)]) -> Map<String, Value> {
    let mut headers = Map::new();
    for (name, value) in pairs {
        match headers.get_mut(name) {
            Some(Value::String(known)) => {
                known.push_str(", ");
                known.push_str(value);
            }
            _ => {
                headers.insert(name.clone(), Value::from(value.as_str()));
            }
        }
    }
    headers
}

fn text(body: Vec<u8>) -> (String, &'static str) {
    match String::from_utf8(body) {
        Ok(text) => (text, "utf-8"),
        Err(error) => (
            String::from_utf8_lossy(error.as_bytes()).into_owned(),
            "invalid-utf8",
        ),
    }
}

fn timing(timing: &Timing) -> Value {
    json!({
        "dns": milliseconds(timing.dns),
        "connect": milliseconds(timing.connect),
        "tls": milliseconds(timing.tls),
        "wait": milliseconds(timing.wait),
        "receive": milliseconds(timing.receive),
    })
}
