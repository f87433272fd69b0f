//! The keys of a runbook with their shapes and what they are for.

use crate::base::{Effect, Severity};
use crate::model::InputType;

use super::shape::{Key, Shape, TableShape};

fn severities() -> Vec<&'static str> {
    Severity::ALL.map(Severity::as_str).to_vec()
}

fn effects() -> Vec<&'static str> {
    Effect::ALL.map(Effect::as_str).to_vec()
}

fn input_types() -> Vec<&'static str> {
    InputType::ALL.map(|(word, _)| word).to_vec()
}

/// A heartbeat: a URL, or a table with one.
pub const HEARTBEAT: Shape = Shape::Either(&[Shape::Text, Shape::Table(&HEARTBEAT_TABLE)]);

static HEARTBEAT_TABLE: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new(
            "url",
            Shape::Text,
            "The URL of the check; /start, /0, /1, … are added to its path",
        )
        .required(),
        Key::new(
            "timeout",
            Shape::Duration,
            "How long a ping may take: 10s unless given",
        ),
    ],
};

/// The whole file.
pub(super) static RUNBOOK: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new("title", Shape::Text, "What it does, in one line").required(),
        Key::new(
            "description",
            Shape::Text,
            "What it does and when to use it",
        ),
        Key::new(
            "symptoms",
            Shape::Texts,
            "What a person sees when this runbook is the right one",
        ),
        Key::new(
            "severity",
            Shape::Words(severities),
            "What a failing step means unless it says otherwise: P1 unless given",
        ),
        Key::new("owner", Shape::Text, "Who answers for it"),
        Key::new("tags", Shape::Texts, "Words to find it by"),
        Key::new(
            "lock",
            Shape::Text,
            "The lock that it holds while it runs; its own path unless given",
        ),
        Key::new("window", Shape::Text, "The [window.*] that it must run in"),
        Key::new("heartbeat", HEARTBEAT, "Where its runs are told to a watch"),
        Key::new(
            "approved",
            Shape::Either(&[Shape::Boolean, Shape::Table(&APPROVAL)]),
            "What it may destroy without being asked: a standing approval, for schedules",
        ),
        Key::new(
            "timeout",
            Shape::Duration,
            "How long the whole run may take",
        ),
        Key::new(
            "on_failure",
            Shape::Words(|| vec!["stop", "undo"]),
            "What a failing step does to the run: stop unless given",
        ),
        Key::new(
            "requires",
            Shape::Texts,
            "What must be installed: \"psql\", \"wrangler >= 4.87\"",
        ),
        Key::new(
            "output",
            Shape::Text,
            "The step whose rows are printed instead of the table of steps",
        ),
        Key::new("input", Shape::Named(&INPUT), "What it asks of its caller"),
        Key::new("step", Shape::Tables(&STEP), "What it does, in order").required(),
        Key::new(
            "finally",
            Shape::Tables(&STEP),
            "What it does last, however the steps ended",
        ),
        Key::new(
            "finding",
            Shape::Tables(&FINDING),
            "The causes that it can tell from the evidence",
        ),
    ],
};

static APPROVAL: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new(
            "rows",
            Shape::Integer,
            "The most rows that its destroys may take in all",
        ),
        Key::new(
            "steps",
            Shape::Texts,
            "The steps that it is given for: all of them unless given",
        ),
    ],
};

static INPUT: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new("type", Shape::Words(input_types), "What values it takes").required(),
        Key::new("help", Shape::Text, "What it is for"),
        Key::new(
            "default",
            Shape::Anything,
            "Its value when the caller gives none",
        ),
        Key::new(
            "position",
            Shape::Integer,
            "Its place among the positional arguments, counting from 1",
        ),
        Key::new("short", Shape::Text, "Its one-letter option"),
        Key::new("choices", Shape::List, "The values that it may take"),
        Key::new(
            "pattern",
            Shape::Text,
            "The regular expression that the whole text must match",
        ),
        Key::new(
            "min",
            Shape::Anything,
            "The least value, or the least length of a string",
        ),
        Key::new(
            "max",
            Shape::Anything,
            "The greatest value, or the greatest length of a string",
        ),
        Key::new(
            "many",
            Shape::Boolean,
            "Whether it may be given several times; its value is then a list",
        ),
        Key::new(
            "env",
            Shape::Text,
            "The environment variable that it is read from when the caller gives none",
        ),
        Key::new(
            "ask",
            Shape::Text,
            "The question to ask at a terminal when the caller gives none",
        ),
    ],
};

static FINDING: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new("when", Shape::Expression, "Supported when this holds").required(),
        Key::new("severity", Shape::Words(severities), "How much it matters"),
        Key::new("cause", Shape::Text, "The cause, in words").required(),
        Key::new(
            "remedy",
            Shape::Text,
            "The command that remedies it, without the leading opsbook",
        ),
    ],
};

/// A step, or a check of the configuration.
pub static STEP: TableShape = TableShape {
    acts: true,
    keys: &[
        Key::new("name", Shape::Text, "Its name, unique within the runbook").required(),
        Key::new("when", Shape::Expression, "Skipped unless this holds"),
        Key::new(
            "unless",
            Shape::Table(&UNLESS),
            "Skipped if this look shows that it is already done",
        ),
        Key::new("for_each", Shape::Each, "Run once for each item of a list"),
        Key::new(
            "concurrency",
            Shape::Integer,
            "How many items of for_each run at the same time: 1 unless given",
        ),
        Key::new(
            "parallel",
            Shape::Boolean,
            "Starts together with the step above",
        ),
        Key::new(
            "expect",
            Shape::Expression,
            "Must hold, else the step failed",
        ),
        Key::new("warn", Shape::Expression, "Must not hold, else it is P3"),
        Key::new(
            "critical",
            Shape::Expression,
            "Must not hold, else it is P1",
        ),
        Key::new(
            "severity",
            Shape::Words(severities),
            "What its failure means",
        ),
        Key::new(
            "save",
            Shape::Values,
            "Names for later steps, from expressions over its outputs",
        ),
        Key::new("show", Shape::Texts, "The columns of its rows to print"),
        Key::new(
            "retry",
            Shape::Either(&[Shape::Integer, Shape::Table(&RETRY)]),
            "How to try again",
        ),
        Key::new(
            "repeat",
            Shape::Table(&REPEAT),
            "How to look again and again",
        ),
        Key::new("timeout", Shape::Duration, "How long one attempt may take"),
        Key::new(
            "confirm",
            Shape::Text,
            "The question to answer before it runs",
        ),
        Key::new(
            "artifact",
            Shape::Table(&ARTIFACT),
            "An output to keep as a file",
        ),
        Key::new("undo", Shape::Table(&UNDO), "The action that takes it back"),
        Key::new(
            "on_failure",
            Shape::Words(|| vec!["stop", "continue", "undo"]),
            "What its failure does to the run",
        ),
        Key::new(
            "effect",
            Shape::Words(effects),
            "Its effect, where it cannot be inferred",
        ),
        Key::new(
            "sensitive",
            Shape::Boolean,
            "Whether its outputs are kept out of the journal and the screen",
        ),
    ],
};

static UNLESS: TableShape = TableShape {
    acts: true,
    keys: &[
        Key::new(
            "expect",
            Shape::Expression,
            "Done if this holds over the outputs of the look",
        )
        .required(),
        Key::new(
            "effect",
            Shape::Words(effects),
            "Its effect, where it cannot be inferred",
        ),
    ],
};

static UNDO: TableShape = TableShape {
    acts: true,
    keys: &[],
};

static RETRY: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new(
            "attempts",
            Shape::Integer,
            "How often it is tried altogether: 3 unless given",
        ),
        Key::new(
            "delay",
            Shape::Duration,
            "The pause before the second attempt: 1s unless given",
        ),
        Key::new(
            "backoff",
            Shape::Words(|| vec!["constant", "exponential"]),
            "How the pause grows: exponential unless given",
        ),
        Key::new(
            "max_delay",
            Shape::Duration,
            "The longest pause: 30s unless given",
        ),
        Key::new(
            "jitter",
            Shape::Boolean,
            "Whether each pause is drawn between half and all of its length: true unless given",
        ),
        Key::new(
            "on",
            Shape::WordList(|| vec!["error", "timeout", "expect"]),
            "What it is tried again for: all unless given",
        ),
    ],
};

static REPEAT: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new(
            "every",
            Shape::Duration,
            "The pause between the starts of two looks: 1s unless given",
        ),
        Key::new("for", Shape::Duration, "Until this much time has passed"),
        Key::new("times", Shape::Integer, "At most so often"),
        Key::new(
            "until",
            Shape::Expression,
            "Until this holds over the outputs of a look",
        ),
        Key::new(
            "tolerate",
            Shape::Integer,
            "How many looks may fail before the step does: 0 unless given",
        ),
    ],
};

static ARTIFACT: TableShape = TableShape {
    acts: false,
    keys: &[
        Key::new("output", Shape::Text, "The output: stdout, body, rows").required(),
        Key::new("path", Shape::Text, "The file").required(),
    ],
};
