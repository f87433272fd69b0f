//! What expressions see of the configuration. Never a secret.

use serde_json::{Map, Value, json};

use crate::base::Span;

use super::estate::{Config, Database, DatabaseKind, Service};
use super::load::variable;

/// The names that expressions see, by name:
///
/// | name | what |
/// | --- | --- |
/// | `project`, `environment` | text or none |
/// | `service.NAME` | `{name, url}` |
/// | `database.NAME` | `{name, kind, retention: [{table, column, keep}], migrations, via}`, `via` null but of D1; `database_name` and `id` of D1, `path` of SQLite |
/// | `queue.NAME` | `{name, kind, queue_name, dead_letter}` |
///
/// A name with a dash stands there twice: as written, for `service[input.service]`, and with underscores, for
/// `service.my_api`. `keep` is a duration like `90d`; `migrations` is whether it has any.
#[must_use]
pub fn scope_values(config: &Config) -> Map<String, Value> {
    let services = config
        .services
        .iter()
        .map(|service| (service.name.as_str(), service_value(service)));
    let databases = config
        .databases
        .iter()
        .map(|database| (database.name.as_str(), database_value(database)));
    let queues = config.queues.iter().map(|queue| {
        let value = json!({
            "name": queue.name,
            "kind": queue.kind.as_str(),
            "queue_name": queue.remote,
            "dead_letter": queue.dead_letter,
        });
        (queue.name.as_str(), value)
    });
    let mut values = Map::new();
    values.insert("project".to_owned(), json!(config.project));
    values.insert("environment".to_owned(), json!(config.environment));
    values.insert("service".to_owned(), by_name(services));
    values.insert("database".to_owned(), by_name(databases));
    values.insert("queue".to_owned(), by_name(queues));
    values
}

fn by_name<'a>(entries: impl Iterator<Item = (&'a str, Value)>) -> Value {
    let mut map = Map::new();
    for (name, value) in entries {
        let variable = variable(name);
        if variable != name {
            map.insert(variable, value.clone());
        }
        map.insert(name.to_owned(), value);
    }
    Value::Object(map)
}

/// A length of time as a person writes it: `90d`, not `2months 29days 2h 52m 48s`.
fn written(span: Span) -> String {
    let seconds = span.0.as_secs();
    if span.0.subsec_nanos() > 0 || seconds == 0 {
        return span.to_string();
    }
    [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")]
        .into_iter()
        .find(|(length, _)| seconds.is_multiple_of(*length))
        .map_or_else(
            || span.to_string(),
            |(length, unit)| format!("{}{unit}", seconds / length),
        )
}

fn service_value(service: &Service) -> Value {
    json!({"name": service.name, "url": service.url})
}

fn database_value(database: &Database) -> Value {
    let retention: Vec<Value> = database
        .retention
        .iter()
        .map(|rule| json!({"table": rule.table, "column": rule.column, "keep": written(rule.keep)}))
        .collect();
    let mut value = json!({
        "name": database.name,
        "kind": database.kind.as_str(),
        "retention": retention,
        "migrations": database.migrations.is_some(),
        "via": null,
    });
    match &database.kind {
        DatabaseKind::D1 { name, id, via, .. } => {
            value["database_name"] = json!(name);
            value["id"] = json!(id);
            value["via"] = json!(via.as_str());
        }
        DatabaseKind::Sqlite { path, .. } => value["path"] = json!(path),
        DatabaseKind::Postgres { .. } => {}
    }
    value
}
