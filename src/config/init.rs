//! Drafts an `opsbook.toml` from what lies beside it. Writes no file and no secret.

use std::fmt::Write as _;
use std::path::Path;

use crate::base::Diagnostics;
use crate::base::text::{count, one_line};

use super::wrangler::{self, Found, Worker};

/// A draft of `opsbook.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The text of the file.
    pub text: String,
    /// What was found, one line each for a person: `wrangler.toml: 2 databases, 1 queue`.
    pub found: Vec<String>,
}

/// Names of environments that are taken to be the one that users see.
const LIVE: [&str; 4] = ["production", "prod", "live", "main"];

const HEAD: &str = "\
# What this project's operations work on. `opsbook lint` checks it; `opsbook schema` describes every key.
# Secrets never stand here, only where they come from.
";

const DATABASE_URL: &str = "
[secret]
database_url = { env = \"DATABASE_URL\" }

[database.main]
kind = \"postgres\"
url  = \"{{ secret.database_url }}\"
";

const TAIL: &str = "\
# Something that answers HTTP, and how to tell that it is well:
# [service.api]
# url         = \"https://api.example.com\"
# auth.bearer = \"{{ secret.monitor }}\"         # with monitor = { env = \"MONITOR_TOKEN\" } under [secret]
#
# [[service.api.check]]
# name     = \"liveness\"
# http.get = \"/health\"
# expect   = \"status == 200\"
# warn     = \"ms > 100\"
";

/// Drafts the configuration of the project in `folder`: the databases, queues, namespaces and buckets of a Worker's
/// configuration there, its environments, and a Postgres database where the variable `DATABASE_URL` is set. Its value is
/// not asked for, so that it cannot be written.
///
/// # Errors
/// When the Worker's configuration cannot be read.
pub fn draft(folder: &Path, has_database_url: bool) -> Result<Draft, Diagnostics> {
    let found = wrangler::read(folder)?;
    let mut estate = Estate::new(has_database_url);
    let mut lines = Vec::new();
    let mut overlays = Vec::new();
    if let Some(found) = &found {
        estate.add(&found.worker);
        let base = estate.tables.clone();
        for (name, worker) in &found.worker.env {
            let mut layer = Estate {
                tables: base.clone(),
                ..estate.clone()
            };
            layer.add(worker);
            overlays.push((name.as_str(), layer.changed_from(&base)));
            estate.names = layer.names;
        }
        lines.push(summary(found));
    }
    if has_database_url {
        lines.push("$DATABASE_URL: 1 Postgres database".to_owned());
    }
    let mut text = String::from(HEAD);
    let project = project(folder, found.as_ref());
    let _ = write!(text, "\nproject = {}\n", quoted(&project));
    write_environments(&mut text, &overlays);
    if has_database_url {
        text.push_str(DATABASE_URL);
    }
    write_tables(&mut text, &estate.tables, found.as_ref());
    text.push('\n');
    text.push_str(TAIL);
    Ok(Draft { text, found: lines })
}

fn project(folder: &Path, found: Option<&Found>) -> String {
    let worker = found.and_then(|found| found.worker.name.clone());
    let name = worker.or_else(|| {
        let name = folder.file_name()?;
        Some(name.to_string_lossy().into_owned())
    });
    name.map(|name| one_line(&name))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "project".to_owned())
}

fn summary(found: &Found) -> String {
    let worker = &found.worker;
    let name = |path: &Path| one_line(&path.file_name().unwrap_or_default().to_string_lossy());
    let parts = [
        count(worker.d1_databases.len(), "D1 database"),
        count(
            worker
                .queues
                .producers
                .len()
                .max(worker.queues.consumers.len()),
            "queue",
        ),
        count(worker.kv_namespaces.len(), "KV namespace"),
        count(worker.r2_buckets.len(), "R2 bucket"),
        count(worker.env.len(), "environment"),
    ];
    let mut line = format!("{}: {}", name(&found.path), parts.join(", "));
    for other in &found.passed_over {
        let _ = write!(line, "; {} is not read, as wrangler does not", name(other));
    }
    line
}

/// A table of the draft: `[database.main]` with its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    group: &'static str,
    name: String,
    /// By what the same thing is known again in another environment.
    identity: String,
    keys: Vec<(&'static str, String)>,
}

/// The tables so far, and the names that are taken.
#[derive(Clone, Debug)]
struct Estate {
    tables: Vec<Entry>,
    names: Vec<(&'static str, String)>,
}

impl Estate {
    fn new(main_is_taken: bool) -> Self {
        let names = if main_is_taken {
            vec![("database", "main".to_owned())]
        } else {
            Vec::new()
        };
        Self {
            tables: Vec::new(),
            names,
        }
    }

    fn add(&mut self, worker: &Worker) {
        for database in &worker.d1_databases {
            let main = ("database", "main".to_owned());
            let only = worker.d1_databases.len() == 1 && !self.names.contains(&main);
            let wanted = if only { "main" } else { &database.binding };
            let keys = [
                ("kind", Some("d1")),
                ("name", database.database_name.as_deref()),
                ("id", database.database_id.as_deref()),
            ];
            self.put("database", wanted, &database.binding, &keys);
        }
        for queue in queues(worker) {
            let keys = [
                ("kind", Some("cloudflare")),
                ("name", Some(queue.queue.as_str())),
                ("dead_letter", queue.dead_letter.as_deref()),
            ];
            self.put("queue", &queue.queue, &queue.identity, &keys);
        }
        for namespace in &worker.kv_namespaces {
            let binding = namespace.binding.as_str();
            let keys = [("binding", Some(binding)), ("id", namespace.id.as_deref())];
            self.put("kv", binding, binding, &keys);
        }
        for bucket in &worker.r2_buckets {
            let binding = bucket.binding.as_str();
            let keys = [
                ("binding", Some(binding)),
                ("bucket", bucket.bucket_name.as_deref()),
            ];
            self.put("object", binding, binding, &keys);
        }
    }

    /// Adds a table, or lays its keys over the one of the same identity. What has no name is no thing to work on.
    fn put(
        &mut self,
        group: &'static str,
        wanted: &str,
        identity: &str,
        keys: &[(&'static str, Option<&str>)],
    ) {
        if wanted.trim().is_empty() {
            return;
        }
        let keys: Vec<(&'static str, String)> = keys
            .iter()
            .filter_map(|(key, value)| Some((*key, (*value)?.to_owned())))
            .filter(|(_, value)| !value.trim().is_empty())
            .collect();
        let same = |entry: &&mut Entry| entry.group == group && entry.identity == identity;
        if let Some(entry) = self.tables.iter_mut().find(same) {
            for (key, value) in keys {
                match entry.keys.iter_mut().find(|(known, _)| *known == key) {
                    Some(known) => known.1 = value,
                    None => entry.keys.push((key, value)),
                }
            }
            return;
        }
        let name = self.free_name(group, wanted);
        self.tables.push(Entry {
            group,
            name,
            identity: identity.to_owned(),
            keys,
        });
    }

    fn free_name(&mut self, group: &'static str, wanted: &str) -> String {
        let plain = sanitised(wanted);
        let mut name = plain.clone();
        let mut number = 2;
        while self.names.iter().any(|(taken, known)| {
            *taken == group && super::load::variable(known) == super::load::variable(&name)
        }) {
            name = format!("{plain}-{number}");
            number += 1;
        }
        self.names.push((group, name.clone()));
        name
    }

    /// The tables and keys that the base does not have, or has otherwise.
    fn changed_from(&self, base: &[Entry]) -> Vec<Entry> {
        let mut changed = self.tables.clone();
        for entry in &mut changed {
            let below = base
                .iter()
                .find(|below| below.group == entry.group && below.name == entry.name);
            if let Some(below) = below {
                entry.keys.retain(|key| !below.keys.contains(key));
            }
        }
        changed.retain(|entry| !entry.keys.is_empty());
        changed
    }
}

/// A queue that a Worker sends to, takes from, or both.
struct QueueUse {
    identity: String,
    queue: String,
    dead_letter: Option<String>,
}

fn queues(worker: &Worker) -> Vec<QueueUse> {
    let mut queues: Vec<QueueUse> = Vec::new();
    for producer in &worker.queues.producers {
        if !queues.iter().any(|known| known.queue == producer.queue) {
            queues.push(QueueUse {
                identity: format!("binding {}", producer.binding),
                queue: producer.queue.clone(),
                dead_letter: None,
            });
        }
    }
    for (index, consumer) in worker.queues.consumers.iter().enumerate() {
        match queues
            .iter_mut()
            .find(|known| known.queue == consumer.queue)
        {
            Some(known) => known.dead_letter.clone_from(&consumer.dead_letter_queue),
            // A consumer has no binding; its place in the list is what two environments share.
            None => queues.push(QueueUse {
                identity: format!("consumer {index}"),
                queue: consumer.queue.clone(),
                dead_letter: consumer.dead_letter_queue.clone(),
            }),
        }
    }
    queues
}

fn write_environments(text: &mut String, overlays: &[(&str, Vec<Entry>)]) {
    let mut names: Vec<String> = Vec::new();
    for (name, entries) in overlays {
        let mut plain = sanitised(name);
        while names.contains(&plain) {
            plain.push_str("-2");
        }
        let _ = write!(text, "\n[environment.{plain}]\n");
        if LIVE.contains(&plain.as_str()) {
            text.push_str("protected = true               # a destroy asks for the typed name\n");
        }
        for entry in entries {
            for (key, value) in &entry.keys {
                let _ = writeln!(
                    text,
                    "{}.{}.{key} = {}",
                    entry.group,
                    entry.name,
                    quoted(value)
                );
            }
        }
        names.push(plain);
    }
    if names.is_empty() {
        text.push_str("\n# [environment.production]\n# protected = true             # a destroy asks for the typed name\n");
    } else {
        let _ = write!(
            text,
            "\n# Chosen with --env; without it the tables below hold as they are. To choose one for good, write above:\n# default_environment = {}\n",
            quoted(&names[0])
        );
    }
}

fn write_tables(text: &mut String, tables: &[Entry], found: Option<&Found>) {
    if let (Some(found), false) = (found, tables.is_empty()) {
        let name = found.path.file_name().unwrap_or_default().to_string_lossy();
        let _ = write!(text, "\n# From {}:\n", one_line(&name));
    }
    for (index, entry) in tables.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        let _ = writeln!(text, "[{}.{}]", entry.group, entry.name);
        let width = entry
            .keys
            .iter()
            .map(|(key, _)| key.len())
            .max()
            .unwrap_or(0);
        for (key, value) in &entry.keys {
            let _ = writeln!(text, "{key:width$} = {}", quoted(value));
        }
    }
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(one_line(text)).to_string()
}

/// A name that a table can have: small letters, digits and dashes, beginning with a letter.
fn sanitised(name: &str) -> String {
    let plain: String = name
        .to_ascii_lowercase()
        .chars()
        .map(|character| match character {
            'a'..='z' | '0'..='9' | '_' => character,
            _ => '-',
        })
        .collect();
    let plain = plain.trim_matches(['-', '_']);
    match plain.chars().next() {
        Some(first) if first.is_ascii_alphabetic() => plain.to_owned(),
        Some(_) => format!("n{plain}"),
        None => "unnamed".to_owned(),
    }
}

#[cfg(test)]
#[expect(clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod tests;
