//! `opsbook.toml` becomes a [`Config`]: the chosen environment is laid over the base, then every key is read strictly.

use std::path::{Path, PathBuf};

use crate::base::{Diagnostics, SourceFile};
use crate::book::{Document, Field, Mistakes, TableReader, parse_heartbeat};
use crate::model::Vocabulary;

use super::environment::{self, Environments};
use super::estate::Config;
use super::{check, database, health, journal, metrics, policy, service, tables};

/// What the readers of the tables share.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    /// The folder that relative paths start from.
    pub(super) folder: &'a Path,
    /// The actions that checks can use.
    pub(super) vocabulary: Vocabulary,
}

impl Site<'_> {
    /// A path of the file, from the file's folder.
    pub(super) fn path(self, field: Field<'_>) -> Option<PathBuf> {
        field.filled_text().map(|text| self.folder.join(text))
    }
}

/// Reads the file at `path` with the environment of this name laid over it; without one, with the file's
/// `default_environment`.
///
/// # Errors
/// Every mistake of the file that can be told apart, each at its place; an environment that the file does not name.
pub fn load(
    path: &Path,
    environment: Option<&str>,
    vocabulary: Vocabulary,
) -> Result<Config, Diagnostics> {
    read(&Document::open(path)?, environment, vocabulary)
}

/// Reads the file once for each of its environments, so that the mistakes of those that are not chosen show too.
///
/// # Errors
/// As [`load`].
pub fn load_all(path: &Path, vocabulary: Vocabulary) -> Result<Vec<Config>, Diagnostics> {
    let document = Document::open(path)?;
    let base = read(&document, None, vocabulary)?;
    let mut mistakes = Diagnostics::new();
    let mut configs = Vec::new();
    for name in &base.environments {
        match read(&document, Some(name), vocabulary) {
            Ok(config) => configs.push(config),
            Err(others) => mistakes.extend(others),
        }
    }
    if configs.is_empty() {
        configs.push(base);
    }
    mistakes.into_result(configs)
}

/// Reads the text of a file that lies where `source` says.
///
/// # Errors
/// As [`load`].
pub fn parse(
    source: SourceFile,
    environment: Option<&str>,
    vocabulary: Vocabulary,
) -> Result<Config, Diagnostics> {
    read(&Document::parse(source)?, environment, vocabulary)
}

fn read(
    document: &Document,
    wanted: Option<&str>,
    vocabulary: Vocabulary,
) -> Result<Config, Diagnostics> {
    let mistakes = Mistakes::new();
    let environments = environment::read(&document.root("the configuration", &mistakes), wanted);
    let layered = environments.overlay(document);
    let config = read_root(
        layered.root("the configuration", &mistakes),
        document.source(),
        environments,
        vocabulary,
    );
    mistakes.into_result(Some(config))
}

fn read_root(
    root: TableReader<'_>,
    source: &SourceFile,
    environments: Environments,
    vocabulary: Vocabulary,
) -> Config {
    let folder = match source.path().parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("."),
    };
    let site = Site {
        folder: &folder,
        vocabulary,
    };
    let text = |key| {
        let field = root.optional(key)?;
        field.filled_text().map(str::to_owned)
    };
    let path = |key| root.optional(key).and_then(|field| site.path(field));
    root.know(environment::TABLE);
    root.know(environment::DEFAULT);
    let config = Config {
        source: Some(source.clone()),
        project: text("project"),
        environment: environments.chosen,
        environments: environments.names,
        protected: environments.protected,
        store: path("store"),
        runbooks: path("runbooks"),
        secrets: tables::secrets(&root, site),
        services: each(&root, "service", |field| service::read(field, site)),
        databases: each(&root, "database", |field| database::read(field, site)),
        health: health::read(&root),
        queues: each(&root, "queue", tables::queue),
        kvs: each(&root, "kv", tables::kv),
        objects: each(&root, "object", tables::object),
        metrics: each(&root, "metrics", metrics::read),
        windows: each(&root, "window", tables::window),
        retention: journal::retention(&root),
        policy: policy::read(&root),
        heartbeat: root.optional("heartbeat").and_then(parse_heartbeat),
        folder: folder.clone(),
    };
    check::check_needs(&config.services, root.mistakes());
    root.finish();
    config
}

/// Reads every named table below a key: `[service.api]`, `[service.web]`.
fn each<'a, T>(root: &TableReader<'a>, key: &str, read: impl Fn(Field<'a>) -> Option<T>) -> Vec<T> {
    let fields = named(root, key);
    fields.into_iter().filter_map(read).collect()
}

/// The entries of a table whose keys are names, each name checked.
pub(super) fn named<'a>(root: &TableReader<'a>, key: &str) -> Vec<Field<'a>> {
    let Some(table) = root
        .optional(key)
        .and_then(|field| field.table(format!("`{key}`")))
    else {
        return Vec::new();
    };
    let mut fields = table.entries();
    let mut seen: Vec<String> = Vec::new();
    fields.retain(|field| {
        if !is_name(field.key()) {
            field.key_mistake(format!(
                "{:?} cannot be a name here; a name begins with a letter and holds letters, digits, \"_\" and \"-\"",
                field.key()
            ));
            return false;
        }
        let variable = variable(field.key());
        let clashes = seen.contains(&variable);
        if clashes {
            field.key_mistake(format!("expressions write two of `{key}` as `{variable}`"));
        }
        seen.push(variable);
        !clashes
    });
    fields
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// A name as expressions write it.
pub(super) fn variable(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
#[expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod tests;
