//! What the action `probe` says of itself.

use crate::base::Effect;
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, OutputSpec, VerbSpec};

/// The description.
pub(super) static SPEC: ActionSpec = ActionSpec {
    name: "probe",
    summary: "Look at a port, a certificate, a name, a Redis server, a disk or the memory",
    verbs: &[
        verb("tcp", "Connect to host:port", Kind::Text, &[], TCP),
        verb(
            "tls",
            "Shake hands with host:port and look at the certificate",
            Kind::Text,
            &[
                OptionSpec {
                    name: "server_name",
                    kind: Kind::Text,
                    required: false,
                    help: "The name to ask for and to find in the certificate; the host unless said",
                },
                OptionSpec {
                    name: "ca",
                    kind: Kind::Path,
                    required: false,
                    help: "A PEM file of authorities to trust beside the system's",
                },
                OptionSpec {
                    name: "revocation",
                    kind: Kind::Boolean,
                    required: false,
                    help: "Whether to fetch the lists of revoked certificates that the certificates name; true unless said",
                },
            ],
            TLS,
        ),
        verb(
            "dns",
            "Look up the addresses of a name",
            Kind::Text,
            &[],
            &[
                output("addresses", "The addresses, sorted"),
                output("count", "How many there are"),
            ],
        ),
        verb(
            "redis",
            "Have a Redis server answer, and read what it says of itself: probe.redis = \"redis://cache.example.com:6379/0\"",
            Kind::Text,
            super::super::redis::LOGIN,
            REDIS,
        ),
        verb(
            "disk",
            "Look how full the file system of a path is",
            Kind::Path,
            &[],
            DISK,
        ),
        verb(
            "memory",
            "Look how much memory this machine has left: probe.memory = true",
            Kind::Boolean,
            &[],
            MEMORY,
        ),
    ],
    options: &[],
    outputs: &[output("ms", "How long it took, in milliseconds")],
    timeout: Some(5),
};

const TCP: &[OutputSpec] = &[
    output("address", "The address and port that answered"),
    output("dns", "How long looking up the name took, in milliseconds"),
    output("connect", "How long connecting took, in milliseconds"),
];

const TLS: &[OutputSpec] = &[
    output("address", "The address and port that answered"),
    output("handshake", "How long the handshake took, in milliseconds"),
    output("expires_in", "Whole days until the certificate expires"),
    output("not_after", "When the certificate expires"),
    output("issuer", "Who signed the certificate"),
    output("subject", "Whom the certificate names"),
    output("names", "The host names and addresses that it is for"),
    output("protocol", "The version of TLS"),
    output("cipher", "The cipher suite"),
    output(
        "problem",
        "What is wrong with the certificate, null if nothing is",
    ),
    output(
        "chain",
        "How many certificates lead to an authority, the server's own included",
    ),
    output(
        "chain_expires_in",
        "Whole days until the first certificate of that chain expires",
    ),
    output(
        "revoked",
        "Whether the issuer revoked a certificate of that chain; null when that cannot be told",
    ),
    output(
        "revocation",
        "Why it cannot be told, or when and why it was revoked; null when none was",
    ),
];

const REDIS: &[OutputSpec] = &[
    output("address", "The address and port that answered"),
    output(
        "connect",
        "How long it took to connect, TLS included, in milliseconds",
    ),
    output("ping", "How long a PING took, in milliseconds"),
    output("pong", "True: it answered the PING"),
    output("version", "Its version"),
    output("role", "primary or replica"),
    output("uptime_seconds", "How long it has run"),
    output("used_memory", "What it holds in memory, in bytes"),
    output(
        "maxmemory",
        "What it may hold, in bytes; null without a limit",
    ),
    output(
        "used_percent",
        "Used share of that, 0 to 100; null without a limit",
    ),
    output("connected_clients", "How many clients are connected"),
    output("maxclients", "How many may be"),
    output(
        "rejected_connections",
        "How many clients it turned away since it started, being full",
    ),
    output("hits", "How many reads found their key since it started"),
    output("misses", "How many reads did not"),
    output(
        "hit_rate",
        "Share of the reads that found their key, 0 to 100; null before the first",
    ),
    output(
        "evicted_keys",
        "How many keys it dropped for want of memory since it started",
    ),
    output("expired_keys", "How many keys expired since it started"),
    output("keys", "How many keys the database of the URL holds"),
    output("replicas", "How many replicas follow it"),
    output(
        "replica_link",
        "On a replica: whether it hears its primary, up or down; else null",
    ),
    output(
        "replication_lag",
        "Seconds since a replica last heard its primary; on a primary, of the slowest replica; null without any",
    ),
    output(
        "info",
        "All fields of INFO by their own names, as info.mem_fragmentation_ratio",
    ),
];

const DISK: &[OutputSpec] = &[
    output("total", "The size of the file system, in bytes"),
    output("free", "What is not in use, in bytes"),
    output(
        "available",
        "What an ordinary user can still write, in bytes",
    ),
    output("used_percent", "Used share, 0 to 100, as df counts it"),
    output("inodes_used_percent", "Used share of the inodes, 0 to 100"),
];

const MEMORY: &[OutputSpec] = &[
    output("total", "What the machine has, in bytes"),
    output("available", "What programs can still have, in bytes"),
    output("used_percent", "Share that is not available, 0 to 100"),
    output("swap_total", "The size of the swap space, in bytes"),
    output("swap_free", "What is left of the swap space, in bytes"),
    output(
        "swap_used_percent",
        "Used share of the swap space, 0 to 100",
    ),
    output(
        "group_limit",
        "The limit of the control group, in bytes; null without one",
    ),
    output(
        "group_used",
        "What the control group uses, in bytes; null if unknown",
    ),
];

const fn verb(
    name: &'static str,
    summary: &'static str,
    object: Kind,
    options: &'static [OptionSpec],
    outputs: &'static [OutputSpec],
) -> VerbSpec {
    VerbSpec {
        name,
        summary,
        object,
        effect: EffectRule::Always(Effect::Read),
        options,
        outputs,
    }
}

const fn output(name: &'static str, help: &'static str) -> OutputSpec {
    OutputSpec { name, help }
}
