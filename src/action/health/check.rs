//! `health.check`: all checks at once. The engine runs them and tells of each.

use crate::base::Effect;
use crate::engine::{ActionContext, ActionError, CheckRequest, Invocation, Outputs};
use crate::model::{EffectRule, Kind, OptionSpec, OutputSpec, VerbSpec};

/// The verb.
pub(super) const VERB: VerbSpec = VerbSpec {
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

/// Hands the checks to the engine.
pub(super) async fn run(
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let request = CheckRequest {
        services: invocation.object_list().to_vec(),
        now: invocation.flag("now"),
    };
    context.nested.check(&request, context.step).await
}
