//! What the action `http` says of itself.

use crate::base::Effect;
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, OutputSpec, Reference, VerbSpec};

/// The description. The limit of time is the step's, else the service's, else ten seconds: the action keeps it itself.
pub(super) static SPEC: ActionSpec = ActionSpec {
    name: "http",
    summary: "Ask a service over HTTP",
    verbs: &[
        verb("get", "Fetch a resource", Effect::Read, &[]),
        verb("head", "Fetch the headers of a resource", Effect::Read, &[]),
        verb("post", "Send data to a resource", Effect::Write, BODY),
        verb("put", "Put a resource in place", Effect::Write, BODY),
        verb("patch", "Change a part of a resource", Effect::Write, BODY),
        verb("delete", "Delete a resource", Effect::Write, BODY),
    ],
    options: &[
        option(
            "on",
            Kind::Reference(Reference::Service),
            "The service: its URL, authorization, headers and timeout are used",
        ),
        option("headers", Kind::Headers, "Headers beside the service's"),
        option("query", Kind::TextMap, "Parameters to add to the URL"),
        option(
            "redirects",
            Kind::Integer,
            "How many redirects to follow, 10 unless said; with 0 the redirect is the answer",
        ),
        option(
            "body_limit",
            Kind::Size,
            "The largest body to take, 10MiB unless said; a larger one is a failure",
        ),
        option(
            "ca",
            Kind::Path,
            "A PEM file of authorities to trust beside the system's",
        ),
        option(
            "insecure",
            Kind::Boolean,
            "Go on when the certificate is not valid; the answer says what is wrong with it",
        ),
    ],
    outputs: &[
        output("status", "The status code"),
        output(
            "headers",
            "The headers by their names in lower case; the values of a repeated one joined by commas",
        ),
        output("body", "The body as text"),
        output(
            "body_encoding",
            "utf-8, or invalid-utf8 where bytes of the body had to be replaced",
        ),
        output("json", "The body as JSON, null when it is none"),
        output("json_error", "Why the body is no JSON, null when it is"),
        output("ms", "How long it took, in milliseconds"),
        output(
            "timing",
            "How long dns, connect, tls, wait and receive took, in milliseconds",
        ),
        output(
            "server_timing",
            "What the server measured, in milliseconds by name",
        ),
        output(
            "tls",
            "The connection and the certificate: expires_in (days), not_after, issuer, subject, names, protocol, cipher, problem; null without TLS",
        ),
        output("size", "The size of the body as unpacked, in bytes"),
        output(
            "transferred",
            "The size of the body as it was sent, in bytes: less than `size` where it was compressed",
        ),
        output(
            "skew_ms",
            "How far the server's clock is ahead of this machine's, in milliseconds, negative when behind: the least that its header Date proves; null without one",
        ),
        output("redirects", "The URLs that the redirects led to"),
        output("version", "HTTP/1.1 or HTTP/2"),
        output("address", "The address and port that answered"),
    ],
    timeout: None,
};

/// What a verb that sends something takes beside; one of the three.
const BODY: &[OptionSpec] = &[
    option("body", Kind::Text, "The body as text"),
    option("json", Kind::Json, "The body as JSON"),
    option("form", Kind::TextMap, "The body as the fields of a form"),
];

const fn verb(
    name: &'static str,
    summary: &'static str,
    effect: Effect,
    options: &'static [OptionSpec],
) -> VerbSpec {
    VerbSpec {
        name,
        summary,
        object: Kind::Url,
        effect: EffectRule::Always(effect),
        options,
        outputs: &[],
    }
}

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
