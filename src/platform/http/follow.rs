//! A request with its redirects and its limit of time.

use std::time::Duration;

use crate::base::Span;

use super::exchange::exchange;
use super::head::Hop;
use super::redirect::{next, without_query};
use super::trace::Trace;
use super::{HttpCause, HttpError, Request, Response};

/// A message names at most so many stations of a way.
const NAMED_STATIONS: usize = 4;

/// Sends a request and takes its response in.
///
/// Dropping the future closes the connection; nothing goes on in the background.
///
/// # Errors
/// When there is no whole response: with the phase, the cause and the times so far.
pub async fn send(request: &Request) -> Result<Response, HttpError> {
    let mut trace = Trace::start();
    let following = follow(request, &mut trace);
    let outcome = match request.deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, following).await,
        None => tokio::time::timeout(request.timeout, following).await,
    };
    let cause = match outcome {
        Ok(Ok(response)) => return Ok(response),
        Ok(Err(cause)) => cause,
        Err(_) => HttpCause::Timeout {
            limit: Span(whole_milliseconds(request.timeout)),
            target: trace.target.clone(),
            phase: trace.phase(),
        },
    };
    Err(HttpError {
        phase: trace.phase(),
        cause,
        timing: trace.timing(),
        redirects: trace.redirects,
    })
}

async fn follow(request: &Request, trace: &mut Trace) -> Result<Response, HttpCause> {
    let mut hop = Hop::first(request)?;
    let mut been = Vec::new();
    loop {
        let mut response = exchange(&hop, request, trace).await?;
        let leads_on = if request.redirects == 0 {
            None
        } else {
            next(&hop, &response)?
        };
        been.push((hop.method.clone(), hop.url.clone()));
        let Some(following) = leads_on else {
            response.timing = trace.timing();
            response.redirects = std::mem::take(&mut trace.redirects);
            return Ok(response);
        };
        let stations = || been.iter().map(|(_, url)| without_query(url));
        if been
            .iter()
            .any(|(method, url)| *method == following.method && *url == following.url)
        {
            return Err(HttpCause::RedirectLoop {
                chain: chain(stations().chain([without_query(&following.url)])),
            });
        }
        if been.len() > request.redirects as usize {
            return Err(HttpCause::TooManyRedirects {
                limit: request.redirects,
                chain: chain(stations()),
            });
        }
        trace.redirects.push(following.url.to_string());
        hop = following;
    }
}

/// `a → b → … → z`, with the middle left out where the way is long.
fn chain(stations: impl Iterator<Item = String>) -> String {
    let mut stations: Vec<_> = stations.collect();
    if stations.len() > NAMED_STATIONS {
        let end = stations.len() - 1;
        stations.splice(NAMED_STATIONS - 1..end, ["…".to_owned()]);
    }
    stations.join(" → ")
}

fn whole_milliseconds(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from((duration.as_micros() + 500) / 1000).unwrap_or(u64::MAX))
}
