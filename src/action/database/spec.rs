//! What the action `database` says of itself.

use super::{copy, prune};
use crate::action::growth::SINCE;
use crate::base::Effect;
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, OutputSpec, Reference, VerbSpec};

const TABLE: OptionSpec = OptionSpec {
    name: "table",
    kind: Kind::Text,
    required: false,
    help: "only this table, written as in SQL without quotes: orders, sales.orders; all where it is empty",
};

const LIMIT: OptionSpec = OptionSpec {
    name: "limit",
    kind: Kind::Integer,
    required: false,
    help: "how many rows at most: 1000 unless given",
};

const OVER: OptionSpec = OptionSpec {
    name: "over",
    kind: Kind::Duration,
    required: false,
    help: "only what takes longer than this; 0s is all",
};

const GROWN: OutputSpec = OutputSpec {
    name: "grown",
    help: "by how many bytes it has grown since then; null the first time",
};

const GROWN_SINCE: OutputSpec = OutputSpec {
    name: "since",
    help: "when somebody looked before; null the first time",
};

const PROBLEM: OutputSpec = OutputSpec {
    name: "problem",
    help: "what is wrong in a sentence: the first problem, and how many others there are; null where nothing is",
};

const PID: OptionSpec = OptionSpec {
    name: "pid",
    kind: Kind::Integer,
    required: true,
    help: "the session, as `database.activity` tells it",
};

const COUNTED: OptionSpec = OptionSpec {
    name: "counted",
    kind: Kind::Boolean,
    required: false,
    help: "whether `replicas` must be known: where nobody can tell how many there are, as of D1 with read replication, the look fails instead",
};

const ONE_PID: OptionSpec = OptionSpec {
    name: "pid",
    kind: Kind::Integer,
    required: false,
    help: "only this session",
};

pub(super) const fn verb(name: &'static str, summary: &'static str, effect: Effect) -> VerbSpec {
    VerbSpec {
        name,
        summary,
        object: Kind::Reference(Reference::Database),
        effect: EffectRule::Always(effect),
        options: &[],
        outputs: &[],
    }
}

/// The description.
pub(super) static SPEC: ActionSpec = ActionSpec {
    name: "database",
    summary: "Look at a database as a whole, and keep it in shape",
    verbs: &[
        VerbSpec {
            outputs: &[
                OutputSpec {
                    name: "stage",
                    help: "where the way to a server of postgres ended: dns, tcp or socket, tls, login or query; null where it answered",
                },
                OutputSpec {
                    name: "stages",
                    help: "how long each part of that way took, as {stage, ms}; null of other kinds",
                },
            ],
            ..verb("ping", "Open it and have it answer", Effect::Read)
        },
        VerbSpec {
            outputs: &[OutputSpec {
                name: "info",
                help: "the same as one table from names to values: info.connections",
            }],
            ..verb(
                "info",
                "Version, settings, connections and what it holds, as rows {name, value}",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[LIMIT, SINCE],
            outputs: &[GROWN, GROWN_SINCE],
            ..verb(
                "tables",
                "Its tables, the largest first, as rows {table, columns, rows, bytes, grown_rows, grown_bytes, since}; bytes with their indexes, rows of postgres as last estimated",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[SINCE],
            outputs: &[
                GROWN,
                GROWN_SINCE,
                OutputSpec {
                    name: "limit",
                    help: "the most that it may take, in bytes; null where nothing limits it",
                },
                OutputSpec {
                    name: "percent",
                    help: "how much of that it takes",
                },
            ],
            ..verb(
                "size",
                "What it takes on the disk, as rows {part, bytes, grown_bytes, since}",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[TABLE],
            outputs: &[
                OutputSpec {
                    name: "complete",
                    help: "whether all was read that the system can read: of postgres only with the extension amcheck",
                },
                OutputSpec {
                    name: "unread",
                    help: "why not all was read: amcheck is missing or not allowed, or somebody held a table; null where all was",
                },
                PROBLEM,
            ],
            ..verb(
                "integrity",
                "What is wrong in it, as rows {kind, table, detail}; fails if anything is",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[TABLE],
            outputs: &[PROBLEM],
            ..verb(
                "foreign_keys",
                "References that lead nowhere, as rows {table, column, parent, rows, detail}; fails if there are any",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[ONE_PID, OVER, LIMIT],
            ..verb(
                "activity",
                "Its other sessions, the longest statement first, as rows {pid, user, application, client, state, seconds, transaction_seconds, waiting, blocked_by, query}: postgres",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[OVER, LIMIT],
            outputs: &[
                OutputSpec {
                    name: "longest_wait",
                    help: "how long the longest wait lasts already, in seconds; 0 where nobody waits",
                },
                OutputSpec {
                    name: "blocked_by",
                    help: "who keeps most others waiting, in a sentence, and how many block others beside it; null where nobody does",
                },
                OutputSpec {
                    name: "roots",
                    help: "those who wait for nobody and keep others waiting, who keeps most first, as {pid, user, application, state, seconds, query, waiting}; waiting is how many, also for those who wait for it",
                },
            ],
            ..verb(
                "locks",
                "Who waits for whom, blockers before those they keep waiting, as rows {depth, pid, user, application, state, seconds, lock, relation, query}; seconds of the wait or, of who does not wait, of the transaction: postgres",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[LIMIT],
            outputs: &[
                OutputSpec {
                    name: "used",
                    help: "how many connections count against the tightest limit",
                },
                OutputSpec {
                    name: "limited_by",
                    help: "whose limit that is: the server, the database NAME or the role NAME",
                },
                OutputSpec {
                    name: "limit",
                    help: "that limit; of the server without what it keeps for superusers",
                },
                OutputSpec {
                    name: "percent",
                    help: "how much of that limit is used",
                },
            ],
            ..verb(
                "connections",
                "Who holds the connections of its server, as rows {database, user, application, client, state, connections, oldest_seconds}: postgres",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[OVER, LIMIT],
            ..verb(
                "slow",
                "The statements that took most time, as rows {query, calls, mean_ms, max_ms, total_ms, rows}: postgres with pg_stat_statements, d1",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[TABLE, LIMIT],
            ..verb(
                "bloat",
                "Space that dead rows hold, the most first, as rows {table, dead_rows, live_rows, dead_percent, bytes, free_bytes, last_vacuum, last_analyze, oldest_transaction, problem, detail}",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[TABLE, LIMIT],
            ..verb(
                "indexes",
                "What is wrong with its indexes, as rows {problem, table, index, columns, bytes, detail, statement}; problem is missing, unused, duplicate or invalid, statement what mends it",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[LIMIT, COUNTED],
            outputs: &[
                OutputSpec {
                    name: "replicas",
                    help: "how many replicas follow it; null where it is not known, as of D1 with read replication",
                },
                OutputSpec {
                    name: "lag_seconds",
                    help: "how far the last of them, or itself as one, is behind; 0 where there is none, null where it is not known",
                },
            ],
            ..verb(
                "replication",
                "How far its replicas are behind, as rows {replica, state, role, lag_seconds, lag_bytes, problem, detail}",
                Effect::Read,
            )
        },
        VerbSpec {
            options: &[TABLE],
            ..verb(
                "analyze",
                "Count what is in the indexes, so that queries are planned well",
                Effect::Write,
            )
        },
        VerbSpec {
            options: &[
                TABLE,
                OptionSpec {
                    name: "full",
                    kind: Kind::Boolean,
                    required: false,
                    help: "give the space back to the disk, which locks each table while it is written anew: postgres",
                },
            ],
            ..verb(
                "vacuum",
                "Free the space of deleted rows; bytes is what was given back to the disk",
                Effect::Write,
            )
        },
        VerbSpec {
            options: &[TABLE],
            ..verb("reindex", "Build its indexes anew", Effect::Write)
        },
        VerbSpec {
            options: &[PID],
            ..verb(
                "cancel",
                "End the statement of a session: postgres",
                Effect::Write,
            )
        },
        VerbSpec {
            options: &[PID],
            ..verb("terminate", "End a session: postgres", Effect::Destroy)
        },
        copy::COPY,
        prune::EXPIRED,
        prune::PRUNE,
    ],
    options: &[],
    outputs: &[
        OutputSpec {
            name: "rows",
            help: "what there is to see, as the verb says",
        },
        OutputSpec {
            name: "count",
            help: "how many rows",
        },
        OutputSpec {
            name: "bytes",
            help: "what it takes (info, tables, size) or what was freed (vacuum); else null",
        },
        OutputSpec {
            name: "problems",
            help: "how many problems were found; only integrity and foreign_keys fail on them",
        },
        OutputSpec {
            name: "ms",
            help: "how long it took, in milliseconds",
        },
    ],
    timeout: None,
};
