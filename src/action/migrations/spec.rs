//! What the action `migrations` says of itself.

use crate::base::Effect;
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, OutputSpec, Reference, VerbSpec};

const fn output(name: &'static str, help: &'static str) -> OutputSpec {
    OutputSpec { name, help }
}

const fn option(name: &'static str, kind: Kind, help: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        kind,
        required: false,
        help,
    }
}

const PENDING: OutputSpec = output("pending", "how many are not applied");

/// The description.
pub(super) static SPEC: ActionSpec = ActionSpec {
    name: "migrations",
    summary: "Keep the structure of a database in step with the migrations of the project",
    verbs: &[
        VerbSpec {
            name: "status",
            summary: "What is applied and what is pending, as rows {name, state, applied_at, by, ms, detail}; state is applied, pending, out of order, changed, started or missing",
            object: Kind::Reference(Reference::Database),
            effect: EffectRule::Always(Effect::Read),
            options: &[],
            outputs: &[
                PENDING,
                output(
                    "out_of_order",
                    "how many of the pending come before one that is applied",
                ),
                output("changed", "how many files are not what was applied"),
                output(
                    "started",
                    "how many were begun in no transaction and not seen to end",
                ),
                output("missing", "how many are applied and have no file"),
            ],
        },
        VerbSpec {
            name: "check",
            summary: "What speaks against them, as rows {file, line, rule, severity, detail, instead}; severity is problem or warning",
            object: Kind::Reference(Reference::Database),
            effect: EffectRule::Always(Effect::Read),
            options: &[
                option("after", Kind::Text, "only those behind this one"),
                option(
                    "live",
                    Kind::Boolean,
                    "ask the database: only what is pending is judged, by the columns and the rows that there are",
                ),
            ],
            outputs: &[
                output("problems", "how many problems were found"),
                output("warnings", "how many warnings were found"),
            ],
        },
        VerbSpec {
            name: "plan",
            summary: "What `apply` or `revert` would do, as rows {name, sql}; refused where that would be",
            object: Kind::Reference(Reference::Database),
            effect: EffectRule::Always(Effect::Read),
            options: &[
                option("back", Kind::Boolean, "what `revert` would do"),
                option("to", Kind::Text, "as there"),
                option("again", Kind::Boolean, "as there"),
                option("steps", Kind::Integer, "as there"),
            ],
            outputs: &[
                output("names", "the names in their order, in one line"),
                output(
                    "due",
                    "what `apply` would apply, as a list of {name, sha256}; null with `back`, and where another program applies it",
                ),
            ],
        },
        VerbSpec {
            name: "apply",
            summary: "Apply what is pending in its order, each with its account in one transaction, until one fails",
            object: Kind::Reference(Reference::Database),
            effect: EffectRule::Always(Effect::Write),
            options: &[
                option("to", Kind::Text, "the last one to apply"),
                option(
                    "again",
                    Kind::Boolean,
                    "run one again that was begun in no transaction and not seen to end",
                ),
                option(
                    "due",
                    Kind::Json,
                    "what `plan` said is due: what came or changed since is refused; null compares nothing",
                ),
            ],
            outputs: &[
                output(
                    "applied",
                    "how many were applied; null where another program applies them",
                ),
                output(
                    "pending",
                    "how many are left; null where another program applies them",
                ),
            ],
        },
        VerbSpec {
            name: "revert",
            summary: "Take the last ones back by the files that do, each with its account in one transaction; refused where one has none",
            object: Kind::Reference(Reference::Database),
            effect: EffectRule::Always(Effect::Destroy),
            options: &[
                option("steps", Kind::Integer, "how many: 1 unless given"),
                option(
                    "to",
                    Kind::Text,
                    "the last one that stays, instead of `steps`",
                ),
            ],
            outputs: &[output(
                "reverted",
                "how many were taken back; null where another program does it",
            )],
        },
        VerbSpec {
            name: "new",
            summary: "Write the file of a new one, numbered as the others are; overwrites nothing",
            object: Kind::Reference(Reference::Database),
            effect: EffectRule::Always(Effect::Write),
            options: &[OptionSpec {
                name: "name",
                kind: Kind::Text,
                required: true,
                help: "what it does, in a few words: add orders",
            }],
            outputs: &[],
        },
        VerbSpec {
            name: "baseline",
            summary: "Write that they are applied, without running them, and accept files that were changed",
            object: Kind::Reference(Reference::Database),
            effect: EffectRule::Always(Effect::Write),
            options: &[OptionSpec {
                name: "to",
                kind: Kind::Text,
                required: true,
                help: "the last one that is applied",
            }],
            outputs: &[output("marked", "how many were written down")],
        },
    ],
    options: &[],
    outputs: &[
        output("rows", "what there is to see, as the verb says"),
        output("count", "how many rows"),
        output("ms", "how long it took, in milliseconds"),
    ],
    timeout: None,
};
