//! What an action says of itself: its verbs, options and outputs. Parser, lint, schema, help and engine read the same page.

use crate::base::Effect;

/// Describes one action. Each file in `action/` holds one as a constant.
#[derive(Debug)]
pub struct ActionSpec {
    /// The word before the dot: `http`.
    pub name: &'static str,
    /// What it is for, in one line without a full stop.
    pub summary: &'static str,
    /// The words after the dot.
    pub verbs: &'static [VerbSpec],
    /// Options that every verb takes.
    pub options: &'static [OptionSpec],
    /// Outputs that every verb gives.
    pub outputs: &'static [OutputSpec],
    /// The limit of time of a step that sets none, in seconds.
    pub timeout: Option<u64>,
}

/// Describes one verb of an action.
#[derive(Debug)]
pub struct VerbSpec {
    /// The word after the dot: `get`.
    pub name: &'static str,
    /// What it does, in one line without a full stop.
    pub summary: &'static str,
    /// What may stand right of the equals sign.
    pub object: Kind,
    /// What it may do to the world.
    pub effect: EffectRule,
    /// Options of this verb alone.
    pub options: &'static [OptionSpec],
    /// Outputs of this verb alone.
    pub outputs: &'static [OutputSpec],
}

/// How the effect of a verb is known before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectRule {
    /// It is at least this: a step may state a worse one, a milder one is wrong.
    Always(Effect),
    /// This, unless the step states another: nobody can tell from outside what a command does.
    Unless(Effect),
    /// By parsing the SQL that is the verb's object.
    OfSql,
    /// The worst of the runbook that is run.
    OfRunbook,
}

/// Describes one option: a key that stands beside the verb in the action's table.
#[derive(Debug)]
pub struct OptionSpec {
    /// The key.
    pub name: &'static str,
    /// What may stand right of the equals sign.
    pub kind: Kind,
    /// Whether it must be given.
    pub required: bool,
    /// What it is for, in one line without a full stop.
    pub help: &'static str,
}

/// Describes one output: a bare name in the step's own expressions, `steps.<name>.<output>` in later ones.
#[derive(Debug)]
pub struct OutputSpec {
    /// The name.
    pub name: &'static str,
    /// What it holds, with its unit.
    pub help: &'static str,
}

/// What may stand at a place of a runbook, and where its text lands: the second decides how values are escaped.
///
/// Numbers, booleans, durations, sizes and choices may also be written as a template that becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text that no other system reads as code: a question, a name, a host.
    Text,
    /// A list of such texts; a single text is a list of one.
    TextList,
    /// A table from names to such texts.
    TextMap,
    /// SQL: a value becomes a bound parameter.
    Sql,
    /// A query of a metrics system: a value is part of exactly one string of PromQL, or a number or length of time.
    Query,
    /// A script for a shell: a value becomes one quoted word that the shell never parses.
    Shell,
    /// A program and its arguments: a value is part of exactly one argument.
    Argv,
    /// A URL or the path of one: a value is percent-encoded.
    Url,
    /// HTTP headers or trailers: a table from names to texts without line breaks.
    Headers,
    /// The name of a file or folder.
    Path,
    /// A tree whose leaves may be templates; a leaf that is one expression keeps the type of its value.
    Json,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// True or false.
    Boolean,
    /// A length of time: `30s`.
    Duration,
    /// An amount of bytes: `10MiB`.
    Size,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An expression that must hold.
    Condition,
    /// A table from names to expressions.
    Values,
    /// The name of something that the configuration describes.
    Reference(Reference),
    /// The path of another runbook, written out.
    Runbook,
}

/// What a name in a runbook refers to in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// `[service.*]`
    Service,
    /// `[database.*]`
    Database,
    /// `[queue.*]`
    Queue,
    /// `[metrics.*]`
    Metrics,
}

impl ActionSpec {
    /// The verb of this name.
    #[must_use]
    pub fn verb(&self, name: &str) -> Option<&'static VerbSpec> {
        self.verbs.iter().find(|verb| verb.name == name)
    }

    /// The options that a verb takes: its own and the action's.
    pub fn options_of(&self, verb: &'static VerbSpec) -> impl Iterator<Item = &'static OptionSpec> {
        verb.options.iter().chain(self.options)
    }

    /// The outputs that a verb gives: its own and the action's.
    pub fn outputs_of(&self, verb: &'static VerbSpec) -> impl Iterator<Item = &'static OutputSpec> {
        verb.outputs.iter().chain(self.outputs)
    }
}

/// The actions that a runbook can use.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary(pub &'static [&'static ActionSpec]);

impl Vocabulary {
    /// The action of this name.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<&'static ActionSpec> {
        self.0.iter().copied().find(|spec| spec.name == name)
    }

    /// The actions in the order of the registry.
    pub fn actions(&self) -> impl Iterator<Item = &'static ActionSpec> {
        self.0.iter().copied()
    }
}
