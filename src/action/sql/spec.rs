//! What the action `sql` says of itself.

use super::form;
use crate::base::Effect;
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, OutputSpec, Reference, VerbSpec};

const LIMIT_OPTION: OptionSpec = OptionSpec {
    name: "limit",
    kind: Kind::Integer,
    required: false,
    help: "how many rows are kept at most: 10000 unless given; `truncated` tells when there are more",
};

const ROWS: OutputSpec = OutputSpec {
    name: "rows",
    help: "the rows, each a table from columns to values; a blob is {base64}",
};

const CHANGED: OutputSpec = OutputSpec {
    name: "changed",
    help: "how many rows were inserted, updated or deleted, without those that triggers changed",
};

const TRUNCATED: OutputSpec = OutputSpec {
    name: "truncated",
    help: "whether there are more rows than were kept: over the limit, or 16 MiB",
};

const EXACT: OutputSpec = OutputSpec {
    name: "exact",
    help: "whether the rows are data to be shown value by value",
};

/// The description.
pub(super) static SPEC: ActionSpec = ActionSpec {
    name: "sql",
    summary: "Run SQL on a database of the configuration",
    verbs: &[
        VerbSpec {
            name: "query",
            summary: "Run one statement that reads; the database is opened so that it cannot write",
            object: Kind::Sql,
            effect: EffectRule::Always(Effect::Read),
            options: &[
                LIMIT_OPTION,
                OptionSpec {
                    name: "exact",
                    kind: Kind::Boolean,
                    required: false,
                    help: "whether the rows are data to be shown value by value: a decimal that no double holds is text with every digit; false unless given",
                },
            ],
            outputs: &[ROWS, CHANGED, TRUNCATED, EXACT],
        },
        VerbSpec {
            name: "execute",
            summary: "Run one statement, all or nothing; an UPDATE or DELETE changes as many rows as are counted just before, or none",
            object: Kind::Sql,
            effect: EffectRule::OfSql,
            options: &[LIMIT_OPTION],
            outputs: &[ROWS, CHANGED, TRUNCATED],
        },
        VerbSpec {
            name: "file",
            summary: "Run the statements of a file in one transaction; what they do cannot be known before, so it counts as destroy unless `effect` says otherwise",
            object: Kind::Path,
            effect: EffectRule::Unless(Effect::Destroy),
            options: &[],
            outputs: &[ROWS, CHANGED, TRUNCATED],
        },
        VerbSpec {
            name: "explain",
            summary: "Tell how the database would run a statement, without running it",
            object: Kind::Sql,
            effect: EffectRule::Always(Effect::Read),
            options: &[OptionSpec {
                name: "run",
                kind: Kind::Boolean,
                required: false,
                help: "run it too, if it only reads, and tell how long each part took: postgres",
            }],
            outputs: &[
                ROWS,
                CHANGED,
                TRUNCATED,
                EXACT,
                OutputSpec {
                    name: "scans",
                    help: "the tables that are read in full, as the plan calls them",
                },
            ],
        },
        VerbSpec {
            name: "export",
            summary: "Write the rows of one statement that reads to a file or to standard output, however many there are",
            object: Kind::Sql,
            effect: EffectRule::Always(Effect::Read),
            options: &[
                OptionSpec {
                    name: "to",
                    kind: Kind::Path,
                    required: false,
                    help: "the file, which only you may read and which is there when it is whole; standard output unless given, or \"-\"",
                },
                OptionSpec {
                    name: "replace",
                    kind: Kind::Boolean,
                    required: false,
                    help: "whether it takes the place of a file that is there and not empty; refused unless given. A database, the configuration, a runbook or a copy is never replaced",
                },
                OptionSpec {
                    name: "as",
                    kind: Kind::Choice(form::FORMS),
                    required: false,
                    help: "the form: csv, json (one list of objects) or jsonl (one object a line); auto goes by the end of the file's name, else csv, as if it were not given",
                },
            ],
            outputs: &[
                OutputSpec {
                    name: "bytes",
                    help: "how many bytes were written",
                },
                OutputSpec {
                    name: "sha256",
                    help: "the SHA-256 over them, in hexadecimal",
                },
                OutputSpec {
                    name: "path",
                    help: "the file; null for standard output",
                },
                OutputSpec {
                    name: "masked",
                    help: "how many values held a secret of the run, which stands as *** in their place",
                },
                OutputSpec {
                    name: "unread",
                    help: "whether the reader of standard output left before the end",
                },
            ],
        },
    ],
    options: &[OptionSpec {
        name: "on",
        kind: Kind::Reference(Reference::Database),
        required: false,
        help: "the database; the only one of the configuration unless given, or else main",
    }],
    outputs: &[
        OutputSpec {
            name: "columns",
            help: "the names of the columns; one that occurs again has _2 behind it",
        },
        OutputSpec {
            name: "count",
            help: "how many rows were kept or written",
        },
        OutputSpec {
            name: "counted",
            help: "how many rows were counted just before, in the same transaction: `changed` is the same, or nothing was changed; null where they cannot be counted",
        },
        OutputSpec {
            name: "ms",
            help: "how long it took, in milliseconds",
        },
    ],
    timeout: None,
};
