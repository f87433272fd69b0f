//! `status_page`: asks a vendor's status page whether the trouble is theirs. What the page says is read in `page`.

mod page;
mod spec;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};
use url::Url;

use crate::base::text::one_line;
use crate::base::{Masker, Severity, Status};
use crate::engine::{Action, ActionContext, ActionError, ActionFuture, End, Invocation, Outputs};
use crate::model::ActionSpec;
use crate::platform::http::Response;

use super::api;
use super::measured::milliseconds;
use page::{Indicator, Page};

/// The action `status_page`.
#[derive(Debug)]
pub(super) struct StatusPage;

impl Action for StatusPage {
    fn spec(&self) -> &'static ActionSpec {
        &spec::SPEC
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let base = address(invocation.object_text())?;
            let (response, page) = ask(&base, context).await?;
            let page = match invocation.list("components") {
                Some(names) if !names.is_empty() => page.only(names)?,
                _ => page,
            };
            let mut outputs =
                told(&page, context.masker).with("ms", milliseconds(response.timing.total));
            if !context.judged && !context.thresholds {
                outputs.end = Some(end(page.indicator));
            }
            Ok(outputs)
        })
    }
}

/// The address of the page without what may stand at its end.
fn address(object: &str) -> Result<Url, ActionError> {
    let wrong = |reason: String| {
        ActionError::config(format!("{object:?} is not the address of a page: {reason}")).help(
            "write it like https://www.cloudflarestatus.com; a value gives it whole only as the `url` of a [service.*]: {{ service.vendor.url }}",
        )
    };
    let mut url = Url::parse(object).map_err(|error| wrong(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("it is neither http nor https".to_owned()));
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// What the page says of everything, else what it says in one word: some pages have only that.
async fn ask(base: &Url, context: &ActionContext<'_>) -> Result<(Response, Page), ActionError> {
    let summary = get(base, "summary", context).await?;
    if let Some(page) = read(&summary) {
        return Ok((summary, page));
    }
    let trouble = api::trouble(&summary, context.masker).help(
        "the page must be one of Statuspage, or answer /api/v2/summary.json or /api/v2/status.json like one",
    );
    match get(base, "status", context).await {
        Ok(status) => match read(&status) {
            Some(page) => Ok((status, page)),
            None => Err(trouble),
        },
        Err(_) => Err(trouble),
    }
}

async fn get(
    base: &Url,
    document: &str,
    context: &ActionContext<'_>,
) -> Result<Response, ActionError> {
    let mut url = base.clone();
    let path = format!(
        "{}/api/v2/{document}.json",
        base.path().trim_end_matches('/')
    );
    url.set_path(&path);
    api::send(&api::request("GET", url.as_str(), None, context)).await
}

fn read(response: &Response) -> Option<Page> {
    (response.status < 400)
        .then(|| api::json(response))
        .flatten()
        .and_then(|answer| Page::read(&answer))
}

/// How a step ends that judges nothing itself. An indicator that nobody knows is not taken for a good one.
fn end(indicator: Option<Indicator>) -> End {
    let (status, severity) = match indicator {
        Some(Indicator::None) => (Status::Ok, None),
        Some(Indicator::Maintenance | Indicator::Minor) => (Status::Warning, Some(Severity::P3)),
        Some(Indicator::Major | Indicator::Critical) => (Status::Critical, Some(Severity::P1)),
        None => (Status::Unknown, None),
    };
    End {
        status,
        severity,
        failed: false,
    }
}

fn told(page: &Page, masker: &Masker) -> Outputs {
    let components: Vec<Value> = page
        .components
        .iter()
        .map(|component| json!({"name": component.name, "status": component.status}))
        .collect();
    let incidents: Vec<Value> = page
        .incidents
        .iter()
        .map(|incident| {
            json!({
                "name": incident.name,
                "impact": incident.impact,
                "since": incident.since,
                "url": incident.url,
            })
        })
        .collect();
    Outputs::new(api::quoted(&detail(page), masker))
        .with("indicator", page.word.as_str())
        .with("description", page.description.as_str())
        .with("components", components)
        .with("incidents", incidents)
}

/// `Minor Service Outage; D1 partial outage; "Elevated errors" since 2026-01-01T10:00:00Z, https://stspg.io/x`
fn detail(page: &Page) -> String {
    /// Of each kind so many are told.
    const TOLD: usize = 2;
    let mut parts = vec![one_line(&page.description)];
    let bad = page.components.iter().filter(|part| !part.is_well());
    if !page.narrowed {
        parts.extend(bad.take(TOLD).map(page::Component::in_words));
    }
    for incident in page.incidents.iter().take(TOLD) {
        let mut part = format!("{:?}", incident.name);
        for (before, text) in [(" since ", &incident.since), (", ", &incident.url)] {
            if let Some(text) = text {
                part.push_str(before);
                part.push_str(text);
            }
        }
        parts.push(part);
    }
    parts.join("; ")
}
