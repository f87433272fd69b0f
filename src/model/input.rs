//! What a runbook asks of its caller.

use serde_json::Value;

use crate::base::Place;

/// One `[input.*]` of a runbook.
#[derive(Clone, Debug)]
pub struct Input {
    /// The name as written: `older-than`. Inside expressions its dashes are underscores.
    pub name: String,
    /// What values it takes.
    pub kind: InputType,
    /// What it is for.
    pub help: Option<String>,
    /// Its value when the caller gives none.
    pub default: Option<Value>,
    /// Its place among the positional arguments, counting from 1.
    pub position: Option<usize>,
    /// Its one-letter option.
    pub short: Option<char>,
    /// The values it may take.
    pub choices: Vec<String>,
    /// The regular expression that the whole text must match.
    pub pattern: Option<String>,
    /// The least value, or the least length of a string.
    pub min: Option<Value>,
    /// The greatest value, or the greatest length of a string.
    pub max: Option<Value>,
    /// Whether it may be given several times; its value is then a list.
    pub many: bool,
    /// The environment variable that it is read from when the caller gives none.
    pub env: Option<String>,
    /// The question to ask at a terminal when the caller gives none.
    pub ask: Option<String>,
    /// Where its table begins.
    pub place: Place,
}

impl Input {
    /// The name inside expressions: `older_than`.
    #[must_use]
    pub fn variable(&self) -> String {
        self.name.replace('-', "_")
    }
}

/// The type of an input: what it takes, how it is completed, how it appears in expressions.
///
/// | type | in expressions |
/// | --- | --- |
/// | int, float, bool, size (bytes) | number or boolean |
/// | many = true | list |
/// | every other | string |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InputType {
    /// Any text.
    String,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// True or false.
    Bool,
    /// A length of time: `90d`.
    Duration,
    /// An amount of bytes: `10MiB`.
    Size,
    /// A day: `2026-12-31`.
    Date,
    /// One of `choices`.
    Choice,
    /// The name of a file or folder.
    Path,
    /// A text that must not be seen.
    Secret,
    /// A `[service.*]` of the configuration.
    Service,
    /// A `[database.*]` of the configuration.
    Database,
    /// A `[queue.*]` of the configuration.
    Queue,
    /// A `[deploy.*]` of the configuration.
    Deploy,
    /// A `[window.*]` of the configuration.
    Window,
    /// `P0` to `P3`.
    Severity,
    /// The number of an incident.
    Incident,
    /// The id of a backup.
    Backup,
    /// The number of a run.
    Run,
    /// A statement that the caller types: SQL where it is all that an action is handed, text everywhere else.
    Sql,
}

impl InputType {
    /// Every type with the word that a runbook uses.
    pub const ALL: [(&'static str, Self); 20] = [
        ("string", Self::String),
        ("int", Self::Int),
        ("float", Self::Float),
        ("bool", Self::Bool),
        ("duration", Self::Duration),
        ("size", Self::Size),
        ("date", Self::Date),
        ("choice", Self::Choice),
        ("path", Self::Path),
        ("secret", Self::Secret),
        ("service", Self::Service),
        ("database", Self::Database),
        ("queue", Self::Queue),
        ("deploy", Self::Deploy),
        ("window", Self::Window),
        ("severity", Self::Severity),
        ("incident", Self::Incident),
        ("backup", Self::Backup),
        ("run", Self::Run),
        ("sql", Self::Sql),
    ];

    /// The word that a runbook uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("string", |(word, _)| word)
    }

    /// The type that a word means.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == word)
            .map(|(_, kind)| *kind)
    }
}
