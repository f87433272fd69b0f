//! What the action `status_page` says of itself.

use crate::base::Effect;
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, OutputSpec, VerbSpec};

/// The description. The limit of time is the step's, else ten seconds for each request: the action keeps it itself.
pub(super) static SPEC: ActionSpec = ActionSpec {
    name: "status_page",
    summary: "Ask a vendor's status page whether the trouble is theirs",
    verbs: &[VerbSpec {
        name: "get",
        summary: "Read a page of Statuspage; without `expect`, `warn` and `critical` its indicator is how the step ends",
        object: Kind::Url,
        effect: EffectRule::Always(Effect::Read),
        options: &[],
        outputs: &[],
    }],
    options: &[OptionSpec {
        name: "components",
        kind: Kind::TextList,
        required: false,
        help: "Judge only these components, by their names on the page",
    }],
    outputs: &[
        output(
            "indicator",
            "none, maintenance, minor, major or critical; of `components` the worst",
        ),
        output("description", "The same in words"),
        output("components", "The components as rows of name and status"),
        output(
            "incidents",
            "What is not over yet, as rows of name, impact, since and url",
        ),
        output("ms", "How long the answer took, in milliseconds"),
    ],
    timeout: None,
};

const fn output(name: &'static str, help: &'static str) -> OutputSpec {
    OutputSpec { name, help }
}
