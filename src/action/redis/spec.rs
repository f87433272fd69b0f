//! What the action `redis` says of itself.

use crate::base::Effect;
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, OutputSpec, VerbSpec};

/// How one proves to a Redis server who asks.
pub(in crate::action) const LOGIN: &[OptionSpec] = &[USER, PASSWORD, CA];

const USER: OptionSpec = OptionSpec {
    name: "user",
    kind: Kind::Text,
    required: false,
    help: "The user; the one of the URL unless said, or the default user",
};

const PASSWORD: OptionSpec = OptionSpec {
    name: "password",
    kind: Kind::Text,
    required: false,
    help: "The password: {{ secret.NAME }}",
};

const CA: OptionSpec = OptionSpec {
    name: "ca",
    kind: Kind::Path,
    required: false,
    help: "A PEM file of authorities to trust beside the system's, for rediss://",
};

/// The description.
pub(super) static SPEC: ActionSpec = ActionSpec {
    name: "redis",
    summary: "Look at keys of a Redis server",
    verbs: &[
        VerbSpec {
            name: "get",
            summary: "Look at one key: its type, its value if it is a string, how long it lives yet",
            object: Kind::Text,
            effect: EffectRule::Always(Effect::Read),
            options: &[],
            outputs: &[
                output("exists", "Whether there is such a key"),
                output(
                    "type",
                    "string, hash, list, set, zset or stream; null where there is none",
                ),
                output(
                    "ttl",
                    "How long it lives yet, in seconds; null where it never expires",
                ),
                output(
                    "length",
                    "How many bytes, fields, elements or entries it has",
                ),
                output(
                    "value",
                    "The string, at most 1 MiB of it; bytes that are no text are {base64}; null for other types",
                ),
                output("json", "The string read as JSON, null if it is none"),
                output(
                    "truncated",
                    "Whether the string is longer than what is kept",
                ),
            ],
        },
        VerbSpec {
            name: "scan",
            summary: "List the keys that match a pattern (session:*), as rows {key, type, ttl}, without blocking the server",
            object: Kind::Text,
            effect: EffectRule::Always(Effect::Read),
            options: &[
                OptionSpec {
                    name: "limit",
                    kind: Kind::Integer,
                    required: false,
                    help: "How many keys are kept at most: 10000 unless given; `truncated` tells when there are more",
                },
                OptionSpec {
                    name: "values",
                    kind: Kind::Boolean,
                    required: false,
                    help: "Whether rows have length and value too: the first KiB of a string, a counter as a number",
                },
            ],
            outputs: &[
                output("rows", "The keys, sorted by name"),
                output("count", "How many there are"),
                output("without_ttl", "How many of them never expire"),
                output(
                    "ttl_min",
                    "The shortest life of those that expire, in seconds; null without any",
                ),
                output("ttl_max", "The longest"),
                output("truncated", "Whether there are more than were kept"),
            ],
        },
    ],
    options: &[
        OptionSpec {
            name: "url",
            kind: Kind::Text,
            required: true,
            help: "The server and the database: redis://cache.example.com:6379/0, rediss:// for TLS",
        },
        USER,
        PASSWORD,
        CA,
    ],
    outputs: &[output("ms", "How long it took, in milliseconds")],
    timeout: Some(30),
};

const fn output(name: &'static str, help: &'static str) -> OutputSpec {
    OutputSpec { name, help }
}
