//! What the action `metrics` says of itself.

use crate::base::Effect;
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, OutputSpec, Reference, VerbSpec};

/// The description. The limit of time is the step's, else that of [metrics.*], else ten seconds: the action keeps it itself.
pub(super) static SPEC: ActionSpec = ActionSpec {
    name: "metrics",
    summary: "Ask Prometheus, Cloudflare's analytics or Sentry",
    verbs: &[VerbSpec {
        name: "query",
        summary: "Ask for numbers: PromQL, a GraphQL query, or `events` or `stats_v2` of Sentry",
        object: Kind::Query,
        effect: EffectRule::Always(Effect::Read),
        options: &[],
        outputs: &[],
    }],
    options: &[
        option(
            "on",
            Kind::Reference(Reference::Metrics),
            "The [metrics.*] that is asked; the only one unless given",
        ),
        option(
            "range",
            Kind::Duration,
            "Prometheus: look back over so long a time, not only at now",
        ),
        option(
            "step",
            Kind::Duration,
            "Prometheus: the time between two points of the range, a sixtieth of it unless given",
        ),
        option(
            "variables",
            Kind::Json,
            "Cloudflare: the variables of the query, where values belong",
        ),
        option(
            "rows",
            Kind::Text,
            "Cloudflare: where the rows are in the answer: data.viewer.zones[0].httpRequests1hGroups",
        ),
        option(
            "parameters",
            Kind::Json,
            "Sentry: a table of parameters, each a text, a number or a list of them",
        ),
    ],
    outputs: &[
        output(
            "rows",
            "One a series with its labels and its value; over a range min, max, avg, last and count",
        ),
        output("columns", "The columns of the rows"),
        output("series", "How many rows there are"),
        output(
            "value",
            "The number of the only row, over a range the last one; null where there is no data or more than one row",
        ),
        output(
            "points",
            "Over a range the points of each row as [seconds since 1970, value]; of stats_v2 its series",
        ),
        output("warnings", "What the answer warns of"),
        output("ms", "How long it took, in milliseconds"),
    ],
    timeout: None,
};

const fn option(name: &'static str, kind: Kind, help: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        kind,
        required: false,
        help,
    }
}

const fn output(name: &'static str, help: &'static str) -> OutputSpec {
    OutputSpec { name, help }
}
