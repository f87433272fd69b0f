//! `health`: the checks of the configuration, a file for each verb.

mod bench;
mod check;
mod report;

use std::time::Duration;

use crate::config::Check;
use crate::engine::{Action, ActionContext, ActionError, ActionFuture, Invocation};
use crate::model::ActionSpec;

/// What is asked about the health of services.
pub(super) struct Health;

static SPEC: ActionSpec = ActionSpec {
    name: "health",
    summary: "Run the checks of the configuration",
    verbs: &[check::VERB, bench::VERB, report::VERB],
    options: &[],
    outputs: &[],
    timeout: None,
};

impl Action for Health {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn starts_processes(&self) -> bool {
        true
    }

    /// Its checks end by their own grace times.
    fn grace(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            match invocation.verb.name {
                "check" => check::run(invocation, context).await,
                "bench" => bench::run(invocation, context).await,
                "report" => report::run(invocation, context),
                other => Err(ActionError::config(format!("health has no verb {other:?}"))),
            }
        })
    }
}

/// The checks of these services, of all where none is named.
pub(super) fn checks<'a>(
    services: &[String],
    context: &ActionContext<'a>,
) -> Result<Vec<(&'a str, &'a Check)>, ActionError> {
    let config = context.config;
    if let Some(unknown) = services.iter().find(|name| config.service(name).is_none()) {
        return Err(ActionError::config(format!(
            "there is no service {unknown:?}"
        )));
    }
    let checks: Vec<(&str, &Check)> = config
        .services
        .iter()
        .filter(|service| services.is_empty() || services.contains(&service.name))
        .flat_map(|service| {
            let name = service.name.as_str();
            service.checks.iter().map(move |check| (name, check))
        })
        .collect();
    if checks.is_empty() {
        return Err(ActionError::config("there are no checks of these services")
            .help("write one below its service: [[service.NAME.check]]"));
    }
    Ok(checks)
}
