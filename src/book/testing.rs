//! A small vocabulary and shortcuts for the tests of this layer.

use crate::base::{CommandPath, Diagnostics, Effect, SourceFile};
use crate::model::{
    ActionSpec, EffectRule, Kind, OptionSpec, OutputSpec, Reference, Runbook, VerbSpec, Vocabulary,
};

use super::document::Document;
use super::runbook::parse_runbook;

const fn option(name: &'static str, kind: Kind) -> OptionSpec {
    OptionSpec {
        name,
        kind,
        required: false,
        help: "an option",
    }
}

const fn output(name: &'static str) -> OutputSpec {
    OutputSpec {
        name,
        help: "an output",
    }
}

const fn verb(
    name: &'static str,
    object: Kind,
    effect: EffectRule,
    options: &'static [OptionSpec],
) -> VerbSpec {
    VerbSpec {
        name,
        summary: "does it",
        object,
        effect,
        options,
        outputs: &[],
    }
}

const fn action(
    name: &'static str,
    verbs: &'static [VerbSpec],
    options: &'static [OptionSpec],
    outputs: &'static [OutputSpec],
) -> ActionSpec {
    ActionSpec {
        name,
        summary: "acts",
        verbs,
        options,
        outputs,
        timeout: None,
    }
}

static HTTP: ActionSpec = action(
    "http",
    &[
        verb("get", Kind::Url, EffectRule::Always(Effect::Read), &[]),
        verb(
            "post",
            Kind::Url,
            EffectRule::Always(Effect::Write),
            &[option("json", Kind::Json), option("body", Kind::Text)],
        ),
    ],
    &[
        option("on", Kind::Reference(Reference::Service)),
        option("headers", Kind::Headers),
        option("timeout", Kind::Duration),
        option("limit", Kind::Size),
        option("follow", Kind::Boolean),
        option("redirects", Kind::Integer),
        option("rate", Kind::Float),
        option("version", Kind::Choice(&["1.1", "2"])),
    ],
    &[output("status"), output("json"), output("ms")],
);

static SQL: ActionSpec = action(
    "sql",
    &[
        verb("query", Kind::Sql, EffectRule::Always(Effect::Read), &[]),
        verb("execute", Kind::Sql, EffectRule::OfSql, &[]),
    ],
    &[OptionSpec {
        name: "on",
        kind: Kind::Reference(Reference::Database),
        required: true,
        help: "the database to ask",
    }],
    &[
        output("rows"),
        output("count"),
        output("changed"),
        output("ms"),
    ],
);

static COMMAND: ActionSpec = action(
    "command",
    &[verb(
        "run",
        Kind::Argv,
        EffectRule::Unless(Effect::Write),
        &[],
    )],
    &[
        option("cwd", Kind::Path),
        option("env", Kind::TextMap),
        option("hosts", Kind::TextList),
    ],
    &[output("code"), output("stdout"), output("lines")],
);

static SHELL: ActionSpec = action(
    "shell",
    &[verb(
        "run",
        Kind::Shell,
        EffectRule::Unless(Effect::Write),
        &[],
    )],
    &[],
    &[output("code"), output("stdout")],
);

static SET: ActionSpec = action(
    "set",
    &[verb(
        "values",
        Kind::Values,
        EffectRule::Always(Effect::Read),
        &[],
    )],
    &[],
    &[],
);

static ASSERT: ActionSpec = action(
    "assert",
    &[verb(
        "that",
        Kind::Condition,
        EffectRule::Always(Effect::Read),
        &[],
    )],
    &[],
    &[],
);

static RUNBOOK: ActionSpec = action(
    "runbook",
    &[verb("run", Kind::Runbook, EffectRule::OfRunbook, &[])],
    &[option("inputs", Kind::Json)],
    &[output("verdict")],
);

static DATABASE: ActionSpec = action(
    "database",
    &[verb(
        "ping",
        Kind::Reference(Reference::Database),
        EffectRule::Always(Effect::Read),
        &[],
    )],
    &[],
    &[output("rows"), output("ms")],
);

/// A vocabulary with one action of each kind.
pub(super) const VOCABULARY: Vocabulary = Vocabulary(&[
    &HTTP, &SQL, &DATABASE, &COMMAND, &SHELL, &SET, &ASSERT, &RUNBOOK,
]);

/// Reads a runbook from its text.
pub(super) fn parse(text: &str) -> Result<Runbook, Diagnostics> {
    let document = Document::parse(SourceFile::new("db/a.toml", text))?;
    let path = CommandPath::parse("db/a").map_err(|_| Diagnostics::new())?;
    parse_runbook(&document, path, VOCABULARY)
}

/// The mistakes of several runbooks, each below a line of dashes.
pub(super) fn mistakes_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut report = String::new();
    for text in texts {
        match parse(text) {
            Ok(_) => report.push_str(&format!("no mistake in:\n{text}")),
            Err(mistakes) => report.push_str(&mistakes.to_string()),
        }
        report.push_str("\n-----\n");
    }
    report
}

/// The mistakes of several steps, each in a runbook of its own.
pub(super) fn mistakes_of_steps(steps: &[&str]) -> String {
    let texts: Vec<String> = steps
        .iter()
        .map(|step| format!("title = \"t\"\n[[step]]\n{step}"))
        .collect();
    mistakes_of(texts.iter().map(String::as_str))
}
