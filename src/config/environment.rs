//! `[environment.*]`: which environments there are, which one is meant, and its layer over the base.

use crate::base::{Diagnostic, nearest};
use crate::book::{Document, Form, TableReader};

/// The table of environments. It cannot also be the key that names the usual one: TOML has one value for a key.
pub(super) const TABLE: &str = "environment";

/// The key that names the environment that is meant when nothing else does.
pub(super) const DEFAULT: &str = "default_environment";

/// The keys that an environment can lay over the base.
pub(super) const OVERLAYS: [&str; 15] = [
    "project",
    "store",
    "runbooks",
    "secret",
    "service",
    "database",
    "queue",
    "kv",
    "object",
    "metrics",
    "window",
    "policy",
    "heartbeat",
    "journal",
    "health",
];

/// Whether a destroy asks for typed names.
pub(super) const PROTECTED: &str = "protected";

/// The environments of a file and the chosen one.
#[derive(Debug, Default)]
pub(super) struct Environments {
    pub(super) names: Vec<String>,
    pub(super) chosen: Option<String>,
    pub(super) protected: bool,
    /// Keys of the chosen environment that are no overlay.
    apart: Vec<String>,
}

/// Reads the names, checks the keys of each, and chooses `wanted`, else the file's own choice.
pub(super) fn read(root: &TableReader<'_>, wanted: Option<&str>) -> Environments {
    let mut environments = Environments::default();
    let table = root.optional(TABLE).and_then(|field| {
        if field.form() == Form::Text {
            field.mistake_with_help(
                "`environment` is the table of environments",
                format!("name the usual one with `{DEFAULT} = …`"),
            );
            return None;
        }
        field.table("`environment`")
    });
    let fields = table.map(|table| table.entries()).unwrap_or_default();
    environments.names = fields.iter().map(|field| field.key().to_owned()).collect();
    environments.chosen = choose(root, wanted, &environments.names);
    for field in fields {
        let Some(table) = field.table(format!("environment {:?}", field.key())) else {
            continue;
        };
        let protected = table.optional(PROTECTED).and_then(|field| field.boolean());
        OVERLAYS.iter().for_each(|key| table.know(key));
        if environments.chosen.as_deref() == Some(field.key()) {
            environments.protected = protected.unwrap_or_default();
            environments.apart = table
                .remaining()
                .iter()
                .map(|field| field.key().to_owned())
                .collect();
        }
        table.finish();
    }
    environments
}

fn choose(root: &TableReader<'_>, wanted: Option<&str>, names: &[String]) -> Option<String> {
    let default = root.optional(DEFAULT);
    let field = default.filter(|_| wanted.is_none());
    let name = match (wanted, field) {
        (Some(name), _) => name,
        (None, Some(field)) => field.filled_text()?,
        (None, None) => return None,
    };
    if names.iter().any(|known| known == name) {
        return Some(name.to_owned());
    }
    let message = format!("unknown environment {name:?}");
    let diagnostic = match field {
        Some(field) => Diagnostic::at(field.place(), message),
        None => Diagnostic::new(message),
    };
    let list = names.join(", ");
    let help = match nearest(name, names.iter().map(String::as_str)) {
        _ if names.is_empty() => "the configuration has no [environment.*]".to_owned(),
        Some(word) => format!("did you mean {word:?}? there are {list}"),
        None => format!("there are {list}"),
    };
    root.mistakes().push(diagnostic.help(help));
    None
}

impl Environments {
    /// The document with the chosen environment laid over it.
    pub(super) fn overlay(&self, document: &Document) -> Document {
        let Some(chosen) = &self.chosen else {
            return document.clone();
        };
        let without: Vec<&str> = self
            .apart
            .iter()
            .map(String::as_str)
            .chain([PROTECTED])
            .collect();
        document.overlaid(&[TABLE, chosen], &without, &|path| {
            matches!(path, ["secret", _] | ["service" | "metrics", _, "auth"])
        })
    }
}
