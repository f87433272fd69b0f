//! A small language for what may stand in a TOML file, and its translation into JSON Schema.

use serde_json::{Map, Value, json};

use crate::model::{ActionSpec, Kind, Vocabulary};

/// What may stand right of an equals sign.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// A text.
    Text,
    /// A list of texts.
    Texts,
    /// An expression in quotes.
    Expression,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A length of time.
    Duration,
    /// One of some words.
    Words(fn() -> Vec<&'static str>),
    /// Some of some words.
    WordList(fn() -> Vec<&'static str>),
    /// Anything.
    Anything,
    /// A list of anything.
    List,
    /// A table from names to expressions, numbers or booleans.
    Values,
    /// A table from one name to an expression or a list.
    Each,
    /// A table from names to texts.
    TextMap,
    /// One of several shapes.
    Either(&'static [Shape]),
    /// A table.
    Table(&'static TableShape),
    /// A list of tables: `[[step]]`.
    Tables(&'static TableShape),
    /// A list of tables with the keys of another kind of table, and more.
    Extended(&'static Extension),
    /// Tables by names: `[input.NAME]`.
    Named(&'static TableShape),
    /// The same, of which any part may be left out: they are laid over others.
    Overlays(&'static TableShape),
}

/// The keys of a table.
#[derive(Debug)]
pub struct TableShape {
    /// The keys.
    pub keys: &'static [Key],
    /// Whether an action stands in it, too.
    pub acts: bool,
}

/// The keys of a table, and those of another kind of table beside them.
#[derive(Debug)]
pub struct Extension {
    /// Its own keys.
    pub own: &'static TableShape,
    /// The other table.
    pub base: &'static TableShape,
    /// The keys of the other table that have no place in it.
    pub without: &'static [&'static str],
}

/// A key of a table.
#[derive(Debug)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What may stand there.
    pub shape: Shape,
    /// Whether it must be given.
    pub required: bool,
    /// What it is for, in one line without a full stop.
    pub help: &'static str,
}

impl Key {
    /// A key that may be left out.
    #[must_use]
    pub const fn new(name: &'static str, shape: Shape, help: &'static str) -> Self {
        Self {
            name,
            shape,
            required: false,
            help,
        }
    }

    /// The same key, which must be given.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// The JSON Schema (Draft 4) of a file whose root is such a table.
#[must_use]
pub fn schema(title: &str, root: &'static TableShape, vocabulary: Vocabulary) -> Value {
    let translation = Translation {
        vocabulary,
        partial: false,
    };
    let mut schema = translation.table(root);
    let actions: Map<String, Value> = vocabulary
        .actions()
        .map(|spec| (spec.name.to_owned(), action(spec)))
        .collect();
    schema["$schema"] = json!("http://json-schema.org/draft-04/schema#");
    schema["title"] = json!(title);
    schema["definitions"] = Value::Object(actions);
    schema
}

#[derive(Clone, Copy)]
struct Translation {
    vocabulary: Vocabulary,
    /// Whether nothing is required, because it is laid over something else.
    partial: bool,
}

impl Translation {
    fn table(self, table: &'static TableShape) -> Value {
        self.keys(table.keys.iter(), table.acts)
    }

    fn extended(self, extension: &'static Extension) -> Value {
        let base = extension.base.keys.iter();
        let base = base.filter(|key| !extension.without.contains(&key.name));
        self.keys(extension.own.keys.iter().chain(base), extension.base.acts)
    }

    fn keys(self, keys: impl Iterator<Item = &'static Key> + Clone, acts: bool) -> Value {
        let mut properties = Map::new();
        for key in keys.clone() {
            let mut property = self.shape(key.shape);
            property["description"] = json!(key.help);
            properties.insert(key.name.to_owned(), property);
        }
        if acts {
            for spec in self.vocabulary.actions() {
                let reference = json!({"$ref": format!("#/definitions/{}", spec.name)});
                properties.insert(spec.name.to_owned(), reference);
            }
        }
        let mut schema = json!({
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        let required: Vec<&str> = keys
            .filter(|key| key.required && !self.partial)
            .map(|key| key.name)
            .collect();
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }

    fn shape(self, shape: Shape) -> Value {
        match shape {
            Shape::Text | Shape::Expression | Shape::Duration => json!({"type": "string"}),
            Shape::Texts => json!({"type": "array", "items": {"type": "string"}}),
            Shape::Integer => json!({"type": "integer"}),
            Shape::Number => json!({"type": "number"}),
            Shape::Boolean => json!({"type": "boolean"}),
            Shape::Words(words) => json!({"enum": words()}),
            Shape::WordList(words) => json!({"type": "array", "items": {"enum": words()}}),
            Shape::Anything => json!({}),
            Shape::List => json!({"type": "array"}),
            Shape::Values => json!({
                "type": "object",
                "additionalProperties": {"type": ["string", "number", "boolean"]},
            }),
            Shape::Each => json!({
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": {"type": ["string", "array"]},
            }),
            Shape::TextMap => text_map(),
            Shape::Either(shapes) => {
                let shapes: Vec<Value> = shapes.iter().map(|shape| self.shape(*shape)).collect();
                json!({"anyOf": shapes})
            }
            Shape::Table(table) => self.table(table),
            Shape::Tables(table) => json!({"type": "array", "items": self.table(table)}),
            Shape::Extended(extension) => {
                json!({"type": "array", "items": self.extended(extension)})
            }
            Shape::Named(table) => {
                json!({"type": "object", "additionalProperties": self.table(table)})
            }
            Shape::Overlays(table) => {
                let partial = Self {
                    partial: true,
                    ..self
                };
                json!({"type": "object", "additionalProperties": partial.table(table)})
            }
        }
    }
}

/// An action's table: one of its verbs, and options.
fn action(spec: &'static ActionSpec) -> Value {
    let mut properties = Map::new();
    for verb in spec.verbs {
        for option in spec.options_of(verb) {
            let mut property = kind(option.kind);
            property["description"] = json!(option.help);
            properties.insert(option.name.to_owned(), property);
        }
    }
    for verb in spec.verbs {
        let mut property = kind(verb.object);
        property["description"] = json!(verb.summary);
        properties.insert(verb.name.to_owned(), property);
    }
    let verbs: Vec<Value> = spec
        .verbs
        .iter()
        .map(|verb| json!({"required": [verb.name]}))
        .collect();
    json!({
        "type": "object",
        "description": spec.summary,
        "properties": properties,
        "additionalProperties": false,
        "oneOf": verbs,
    })
}

fn kind(kind: Kind) -> Value {
    match kind {
        Kind::Text
        | Kind::Sql
        | Kind::Query
        | Kind::Shell
        | Kind::Url
        | Kind::Path
        | Kind::Duration
        | Kind::Size
        | Kind::Condition
        | Kind::Reference(_)
        | Kind::Runbook => json!({"type": "string"}),
        Kind::TextList => json!({"type": ["string", "array"], "items": {"type": "string"}}),
        Kind::Argv => json!({"type": "array", "items": {"type": "string"}, "minItems": 1}),
        Kind::TextMap | Kind::Headers => text_map(),
        Kind::Json => json!({}),
        Kind::Integer => json!({"anyOf": [{"type": "integer"}, template()]}),
        Kind::Float => json!({"anyOf": [{"type": "number"}, template()]}),
        Kind::Boolean => json!({"anyOf": [{"type": "boolean"}, template()]}),
        Kind::Choice(words) => json!({"anyOf": [{"enum": words}, template()]}),
        Kind::Values => json!({
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
            "minProperties": 1,
        }),
    }
}

/// A text that becomes a value of another type.
fn template() -> Value {
    json!({"type": "string", "pattern": "\\{[{%]"})
}

fn text_map() -> Value {
    json!({"type": "object", "additionalProperties": {"type": "string"}})
}
