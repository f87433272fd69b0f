//! What the verbs say of themselves.

use crate::base::Effect;
use crate::model::{Kind, OptionSpec, OutputSpec, VerbSpec};

use super::super::spec::verb;

const COLUMN: OptionSpec = OptionSpec {
    name: "column",
    kind: Kind::Text,
    required: false,
    help: "the column that tells how old a row is; that of the table's retention unless given",
};

const BEFORE: OptionSpec = OptionSpec {
    name: "before",
    kind: Kind::Text,
    required: false,
    help: "rows from before this moment: 2026-08-22T08:00:00Z, 2026-08-22 08:00:00 (UTC), 2026-08-22",
};

const OLDER_THAN: OptionSpec = OptionSpec {
    name: "older_than",
    kind: Kind::Duration,
    required: false,
    help: "rows older than this; as long as the table's retention keeps them unless given, and with 0s",
};

const YOUNGER: OptionSpec = OptionSpec {
    name: "override_retention",
    kind: Kind::Boolean,
    required: false,
    help: "also rows that the configuration's retention still keeps",
};

/// `database.expired`
pub(in super::super) const EXPIRED: VerbSpec = VerbSpec {
    options: &[
        OptionSpec {
            name: "table",
            kind: Kind::Text,
            required: false,
            help: "the table, written as in SQL without quotes; every table with a retention unless given",
        },
        COLUMN,
        BEFORE,
        OLDER_THAN,
        YOUNGER,
    ],
    outputs: &[OutputSpec {
        name: "expired",
        help: "how many rows are too old, of all tables",
    }],
    ..verb(
        "expired",
        "Rows that `prune` would delete, refused where it would be, as rows {table, column, before, rows, of, percent, oldest}",
        Effect::Read,
    )
};

/// `database.prune`
pub(in super::super) const PRUNE: VerbSpec = VerbSpec {
    options: &[
        OptionSpec {
            name: "table",
            kind: Kind::Text,
            required: true,
            help: "the table, written as in SQL without quotes: logs, sales.logs",
        },
        COLUMN,
        BEFORE,
        OLDER_THAN,
        YOUNGER,
        OptionSpec {
            name: "batch",
            kind: Kind::Integer,
            required: false,
            help: "how many rows are deleted in one transaction; those of the retention, else 5000",
        },
        OptionSpec {
            name: "pause",
            kind: Kind::Duration,
            required: false,
            help: "how long to wait between two batches, for others to get their turn",
        },
        OptionSpec {
            name: "max_rows",
            kind: Kind::Integer,
            required: false,
            help: "with more old rows than this nothing is deleted; that of the retention unless given",
        },
        OptionSpec {
            name: "max_share",
            kind: Kind::Float,
            required: false,
            help: "with more old rows than this share of the table, in percent, nothing is deleted; that of the retention unless given",
        },
    ],
    outputs: &[
        OutputSpec {
            name: "deleted",
            help: "how many rows were deleted, without those that triggers and references deleted",
        },
        OutputSpec {
            name: "remaining",
            help: "how many rows are still too old: 0, or the step failed",
        },
        OutputSpec {
            name: "batches",
            help: "in how many transactions",
        },
        OutputSpec {
            name: "before",
            help: "the moment before which rows were too old",
        },
    ],
    ..verb(
        "prune",
        "Delete the rows of a table that are too old, the oldest first, in batches; rows without an age are kept",
        Effect::Destroy,
    )
};
