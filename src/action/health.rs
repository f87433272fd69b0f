//! `health`: the checks of the configuration.

use std::time::Duration;

use crate::base::Effect;
use crate::engine::{Action, ActionContext, ActionError, ActionFuture, CheckRequest, Invocation};
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, OutputSpec, VerbSpec};

use super::{health_bench, health_report};

/// `health.check`.
pub(super) struct Health;

static SPEC: ActionSpec = ActionSpec {
    name: "health",
    summary: "Run the checks of the configuration",
    verbs: &[CHECK, health_bench::VERB, health_report::VERB],
    options: &[],
    outputs: &[],
    timeout: None,
};

const CHECK: VerbSpec = VerbSpec {
    name: "check",
    summary: "Run the checks of these services at once: [] for those of all",
    object: Kind::TextList,
    effect: EffectRule::Always(Effect::Read),
    options: &[OptionSpec {
        name: "now",
        kind: Kind::Boolean,
        required: false,
        help: "whether a verdict is what this look says, however often it was otherwise before",
    }],
    outputs: &[
        OutputSpec {
            name: "rows",
            help: "the checks: service, check, status, severity, ms, detail",
        },
        OutputSpec {
            name: "counts",
            help: "how many checks ended with each status, by its name",
        },
    ],
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
                "check" => {
                    let request = CheckRequest {
                        services: invocation.object_list().to_vec(),
                        now: invocation.flag("now"),
                    };
                    context.nested.check(&request, context.step).await
                }
                "bench" => health_bench::bench(invocation, context).await,
                "report" => health_report::run(invocation, context),
                other => Err(ActionError::config(format!("health has no verb {other:?}"))),
            }
        })
    }
}
