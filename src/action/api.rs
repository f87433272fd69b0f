//! What actions share that ask somebody's API over HTTP: the request within the step's time, who asks, and an answer in
//! JSON or why there is none. What the JSON means is theirs.

use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;
use tokio::time::Instant;

use crate::base::text::{fit, one_line};
use crate::base::{Masker, Span};
use crate::config::Auth;
use crate::engine::{ActionContext, ActionError};
use crate::model::Template;
use crate::platform::http::{self, Blame, HttpCause, HttpError, Proxies, Request, Response};

/// A message quotes at most so many characters of what somebody else wrote.
const QUOTED: usize = 160;

/// A request that ends with the step's time, else after `timeout`, else after the usual.
pub(super) fn request(
    method: &str,
    url: &str,
    timeout: Option<Span>,
    context: &ActionContext<'_>,
) -> Request {
    let mut request = Request::new(method, url).header("accept", "application/json");
    request.timeout = limit(context.deadline, timeout);
    request.deadline = context.deadline;
    request.proxies = Proxies::from_variables(context.environment);
    request
}

/// What is left of the step's time, else what the configuration allows, else the usual.
pub(super) fn limit(deadline: Option<Instant>, timeout: Option<Span>) -> Duration {
    match deadline {
        Some(deadline) => deadline.saturating_duration_since(Instant::now()),
        None => timeout.map_or(Request::TIMEOUT, |span| span.0),
    }
}

/// The headers and the authorization that the configuration has for whom is asked; a later header of a name wins.
pub(super) fn identify(
    request: &mut Request,
    auth: Option<&Auth>,
    headers: &[(String, Template)],
    context: &ActionContext<'_>,
) -> Result<(), ActionError> {
    let mut set = |name: &str, value: String| {
        let others = |(known, _): &(String, String)| !known.eq_ignore_ascii_case(name);
        request.headers.retain(others);
        request.headers.push((name.to_owned(), value));
    };
    for (name, template) in headers {
        set(name, (context.resolve)(template)?);
    }
    if let Some(auth) = auth {
        set("authorization", authorization(auth, context)?);
    }
    Ok(())
}

/// The value of the header that proves who asks.
pub(super) fn authorization(
    auth: &Auth,
    context: &ActionContext<'_>,
) -> Result<String, ActionError> {
    match auth {
        Auth::Bearer(token) => Ok(format!("Bearer {}", (context.resolve)(token)?)),
        Auth::Basic { user, password } => {
            let plain = format!(
                "{}:{}",
                (context.resolve)(user)?,
                (context.resolve)(password)?
            );
            let encoded = base64::engine::general_purpose::STANDARD.encode(plain);
            Ok(format!("Basic {encoded}"))
        }
    }
}

/// Sends it.
pub(super) async fn send(request: &Request) -> Result<Response, ActionError> {
    http::send(request).await.map_err(|error| failure(&error))
}

/// Why there is no response.
pub(super) fn failure(error: &HttpError) -> ActionError {
    let message = one_line(&error.to_string());
    let failure = match error.cause.blame() {
        Blame::Target if matches!(error.cause, HttpCause::Timeout { .. }) => {
            ActionError::late(message)
        }
        // What cannot be sent is so by the values in it: the step fails, and nothing is wrong with its runbook.
        Blame::Target | Blame::Request => ActionError::target(message),
        Blame::Own => ActionError::own(message),
    };
    match error.remedy() {
        Some(remedy) => failure.help(remedy),
        None => failure,
    }
}

/// The body as JSON, whatever the status.
pub(super) fn json(response: &Response) -> Option<Value> {
    serde_json::from_slice(&response.body).ok()
}

/// What is wrong with a response that says nothing of its own: its status and the beginning of its body.
pub(super) fn trouble(response: &Response, masker: &Masker) -> ActionError {
    let status = format!("{} {}", response.status, response.reason);
    let mut message = match response.status {
        200..300 if response.body.is_empty() => "the answer is empty".to_owned(),
        200..300 => "the answer is not the JSON that was asked for".to_owned(),
        _ => status.trim_end().to_owned(),
    };
    let quote = quoted(&String::from_utf8_lossy(&response.body), masker);
    if !quote.is_empty() {
        message.push_str(": ");
        message.push_str(&quote);
    }
    ActionError::target(message)
}

/// What somebody else wrote, short and in one line.
pub(super) fn quoted(text: &str, masker: &Masker) -> String {
    fit(&one_line(&masker.text(text)), QUOTED)
}
