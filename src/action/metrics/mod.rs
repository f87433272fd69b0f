//! `metrics`: asks a system that measures. Each kind of system is one file here, and the only one that knows its API.

mod answer;
mod cloudflare;
mod prometheus;
mod sentry;
mod spec;
#[cfg(test)]
mod tests;

use crate::base::nearest;
use crate::config::{Config, Metrics as Source, MetricsKind};
use crate::engine::{Action, ActionContext, ActionError, ActionFuture, Invocation};
use crate::expr::{Argument, QueryText};
use crate::model::ActionSpec;
use crate::platform::http::{Request, Response};

use super::api;
use super::measured::milliseconds;

/// The action `metrics`.
#[derive(Debug)]
pub(super) struct Metrics;

impl Action for Metrics {
    fn spec(&self) -> &'static ActionSpec {
        &spec::SPEC
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let source = find(context.config, invocation.text("on"))?;
            only_options_of(source, invocation)?;
            let Argument::Query(query) = &invocation.object else {
                return Err(ActionError::config("there is no query to ask"));
            };
            let mut request = match &source.kind {
                MetricsKind::Prometheus => prometheus::request(query, invocation, context.now)?,
                MetricsKind::Cloudflare => cloudflare::request(query, invocation)?,
                MetricsKind::Sentry {
                    organization,
                    project,
                } => sentry::request(query, invocation, organization, project.as_deref())?,
            }
            .to(source, context);
            api::identify(&mut request, source.auth.as_ref(), &source.headers, context)?;
            let response = api::send(&request).await?;
            let answer = match &source.kind {
                MetricsKind::Prometheus => prometheus::read(&response, context.masker),
                MetricsKind::Cloudflare => cloudflare::read(&response, invocation, context.masker),
                MetricsKind::Sentry { .. } => sentry::read(&response, context.masker),
            };
            let answer = answer.map_err(|error| refused(error, &response, source))?;
            Ok(answer
                .outputs(context.masker)
                .with("ms", milliseconds(response.timing.total)))
        })
    }
}

/// What is asked, before it is known whom.
struct Question {
    method: &'static str,
    /// Below the URL of the source: a path, perhaps with a query.
    path: String,
    /// The body and its media type.
    body: Option<(String, &'static str)>,
}

impl Question {
    fn to(self, source: &Source, context: &ActionContext<'_>) -> Request {
        let url = format!("{}{}", source.url, self.path);
        let mut request = api::request(self.method, &url, source.timeout, context);
        if let Some((body, media_type)) = self.body {
            request = request.header("content-type", media_type);
            request.body = body.into_bytes();
        }
        request
    }
}

/// The source of this name, or the only one.
fn find<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a Source, ActionError> {
    let sources = config.metrics.as_slice();
    let names = || sources.iter().map(|source| source.name.as_str());
    let Some(name) = name else {
        return match sources {
            [only] => Ok(only),
            [] => Err(ActionError::config("there are no metrics to ask")
                .help("describe them in opsbook.toml as [metrics.main]")),
            _ => Err(
                ActionError::config("it is not said which metrics are asked").help(format!(
                    "set `metrics.on` to one of {}",
                    names().collect::<Vec<_>>().join(", ")
                )),
            ),
        };
    };
    sources
        .iter()
        .find(|source| source.name == name)
        .ok_or_else(|| {
            let error = ActionError::config(format!("there are no metrics {name:?}"));
            match nearest(name, names()) {
                Some(near) => error.help(format!("did you mean {near:?}?")),
                None => error.help(format!("describe them in opsbook.toml as [metrics.{name}]")),
            }
        })
}

/// An option that another kind of source takes would be left out of account without a word.
fn only_options_of(source: &Source, invocation: &Invocation) -> Result<(), ActionError> {
    let taken: &[&str] = match source.kind {
        MetricsKind::Prometheus => &["on", "range", "step"],
        MetricsKind::Cloudflare => &["on", "variables", "rows"],
        MetricsKind::Sentry { .. } => &["on", "parameters"],
    };
    let stray = invocation
        .options
        .iter()
        .find(|(name, _)| !taken.contains(name));
    match stray {
        None => Ok(()),
        Some((name, _)) => Err(ActionError::config(format!(
            "`metrics.{name}` means nothing to {:?}, which is of the kind {}",
            source.name,
            source.kind.as_str()
        ))
        .help(format!("that kind takes {}", taken.join(", ")))),
    }
}

/// The text of a query in a language whose values are handed over apart.
fn written_out<'a>(query: &'a QueryText, apart: &str) -> Result<&'a str, ActionError> {
    if query.written_out {
        return Ok(&query.text);
    }
    Err(
        ActionError::config("a value is part of the query").help(format!(
            "write the query out and hand the value over in `metrics.{apart}`"
        )),
    )
}

/// Says where to look when the source does not know who asks, or is not where it was asked.
fn refused(error: ActionError, response: &Response, source: &Source) -> ActionError {
    match response.status {
        // What is sent is lost on the way: a client asks with GET again.
        _ if !response.redirects.is_empty() => error.help(format!(
            "it answered after a redirect: set `url` in [metrics.{}] of opsbook.toml to where that leads",
            source.name
        )),
        401 | 403 if error.help.is_none() => error.help(format!(
            "look at `auth` in [metrics.{}] of opsbook.toml",
            source.name
        )),
        _ => error,
    }
}
