//! The small tables of `opsbook.toml`: secrets' sources, queues, key-value namespaces, buckets, windows.

use chrono_tz::{TZ_VARIANTS, Tz};

use crate::base::{Diagnostic, nearest};
use crate::book::{Field, TableReader};

use super::cron::Cron;
use super::estate::{Kv, ObjectStore, Queue, QueueKind, SecretSource};
use super::load::{Site, named};
use super::window::{self, Window};

/// The words of a queue's `kind`.
pub(super) const QUEUE_KINDS: [(&str, QueueKind); 1] = [("cloudflare", QueueKind::Cloudflare)];

/// `[secret]`
pub(super) fn secrets(root: &TableReader<'_>, site: Site<'_>) -> Vec<(String, SecretSource)> {
    named(root, "secret")
        .into_iter()
        .filter_map(|field| Some((field.key().to_owned(), secret(field, site)?)))
        .collect()
}

fn secret(field: Field<'_>, site: Site<'_>) -> Option<SecretSource> {
    let what = format!("secret {:?}", field.key());
    let help = "write { env = \"NAME\" }, { file = \"…\" } or { command = [\"…\"] }; a secret itself never stands in this file";
    if field.form() != crate::book::Form::Table {
        field.mistake_with_help(format!("expected where {what} comes from"), help);
        return None;
    }
    let table = field.table(what)?;
    let env = table.optional("env");
    let file = table.optional("file");
    let command = table.optional("command");
    let source = match (env, file, command) {
        (Some(field), None, None) => environment_variable(field).map(SecretSource::Env),
        (None, Some(field), None) => site.path(field).map(SecretSource::File),
        (None, None, Some(field)) => program(field).map(SecretSource::Command),
        _ => {
            table.mistakes().push(
                Diagnostic::at(
                    table.place(),
                    format!("{} needs one of `env`, `file` and `command`", table.what()),
                )
                .help(help),
            );
            None
        }
    };
    table.finish();
    source
}

fn environment_variable(field: Field<'_>) -> Option<String> {
    let name = field.filled_text()?;
    if name.contains(['=', '\0']) || name.contains(char::is_whitespace) {
        field.mistake(format!("{name:?} cannot be the name of a variable"));
        return None;
    }
    Some(name.to_owned())
}

fn program(field: Field<'_>) -> Option<Vec<String>> {
    let words = field.texts()?;
    if words.is_empty() {
        field.mistake("expected a program and its arguments, found an empty list");
        return None;
    }
    Some(words)
}

fn text(table: &TableReader<'_>, key: &str) -> Option<String> {
    let field = table.optional(key)?;
    field.filled_text().map(str::to_owned)
}

/// `[queue.NAME]`
pub(super) fn queue(field: Field<'_>) -> Option<Queue> {
    let table = field.table(format!("queue {:?}", field.key()))?;
    let kind = table
        .required("kind")
        .and_then(|field| field.choice(&QUEUE_KINDS));
    let remote = text(&table, "name").unwrap_or_else(|| field.key().to_owned());
    let dead_letter = text(&table, "dead_letter");
    table.finish();
    Some(Queue {
        name: field.key().to_owned(),
        remote,
        kind: kind?,
        dead_letter,
    })
}

/// `[kv.NAME]`
pub(super) fn kv(field: Field<'_>) -> Option<Kv> {
    let table = field.table(format!("kv {:?}", field.key()))?;
    let kv = Kv {
        name: field.key().to_owned(),
        binding: text(&table, "binding"),
        id: text(&table, "id"),
    };
    if kv.binding.is_none() && kv.id.is_none() {
        table.mistake(format!("{} needs `binding` or `id`", table.what()));
    }
    table.finish();
    Some(kv)
}

/// `[object.NAME]`
pub(super) fn object(field: Field<'_>) -> Option<ObjectStore> {
    let table = field.table(format!("object {:?}", field.key()))?;
    let object = ObjectStore {
        name: field.key().to_owned(),
        binding: text(&table, "binding"),
        bucket: text(&table, "bucket").unwrap_or_else(|| field.key().to_owned()),
    };
    table.finish();
    Some(object)
}

/// `[window.NAME]`
pub(super) fn window(field: Field<'_>) -> Option<Window> {
    let table = field.table(format!("window {:?}", field.key()))?;
    let cron = table.required("cron").and_then(cron);
    let duration = table
        .required("for")
        .and_then(|field| field.positive_duration());
    let zone = match table.optional("zone") {
        Some(field) => zone(field),
        None => Some(Tz::UTC),
    };
    table.finish();
    Some(Window {
        name: field.key().to_owned(),
        cron: cron?,
        duration: duration?,
        zone: zone?,
    })
}

fn cron(field: Field<'_>) -> Option<Cron> {
    match Cron::parse(field.filled_text()?) {
        Ok(cron) if window::ever_opens(&cron) => return Some(cron),
        Ok(_) => field.mistake("no such day ever comes"),
        Err(error) => field.mistake(error.to_string()),
    }
    None
}

fn zone(field: Field<'_>) -> Option<Tz> {
    let name = field.filled_text()?;
    let known = name.parse().ok();
    if known.is_none() {
        let message = format!("{name:?} is no time zone of the IANA database");
        match nearest(name, TZ_VARIANTS.iter().map(|zone| zone.name())) {
            Some(meant) => field.mistake_with_help(message, format!("did you mean {meant:?}?")),
            None => field.mistake_with_help(message, "write it as \"Europe/Berlin\" or \"UTC\""),
        }
    }
    known
}
