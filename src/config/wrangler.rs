//! What a Worker's own configuration (`wrangler.json`, `.jsonc`, `.toml`) says of databases, queues, namespaces and
//! buckets. Keys as in Cloudflare's reference of that file; all others are passed over.

use std::path::{Path, PathBuf};

use jsonc_parser::{JsonValue, ParseOptions, parse_to_value};
use serde::Deserialize;

use crate::base::{Diagnostic, Diagnostics, Place, SourceFile};
use crate::book::read_text;

/// The names in the order in which wrangler looks for them.
const FILE_NAMES: [&str; 3] = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"];

/// One environment of a Worker, or what stands above all of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Worker {
    pub(super) name: Option<String>,
    pub(super) d1_databases: Vec<D1>,
    pub(super) kv_namespaces: Vec<Namespace>,
    pub(super) r2_buckets: Vec<Bucket>,
    pub(super) queues: Queues,
    #[serde(deserialize_with = "in_order")]
    pub(super) env: Vec<(String, Worker)>,
}

/// A D1 database. Its binding is the same in every environment.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct D1 {
    pub(super) binding: String,
    pub(super) database_name: Option<String>,
    pub(super) database_id: Option<String>,
    pub(super) migrations_dir: Option<PathBuf>,
    pub(super) migrations_table: Option<String>,
}

/// Where a D1 database's migrations lie, and their table, as the Worker's configuration says: this file, or that of a
/// folder. None where there is no such configuration, or it does not name the database.
///
/// # Errors
/// When the configuration cannot be read.
pub fn worker_migrations(
    file_or_folder: &Path,
    name: &str,
    id: Option<&str>,
) -> Result<Option<(Option<PathBuf>, Option<String>)>, Diagnostics> {
    let found = if file_or_folder.is_dir() {
        read(file_or_folder)?
    } else {
        Some(read_file(file_or_folder.to_owned(), Vec::new())?)
    };
    let Some(found) = found else {
        return Ok(None);
    };
    let folder = found.path.parent().unwrap_or(Path::new(""));
    let of = |worker: &Worker| {
        let mut databases = worker.d1_databases.iter();
        let known = databases.find(|known| {
            known.database_name.as_deref() == Some(name)
                || (id.is_some() && known.database_id.as_deref() == id)
        });
        known.map(|known| {
            let usual = || PathBuf::from("migrations");
            let dir = known.migrations_dir.clone().unwrap_or_else(usual);
            (Some(folder.join(dir)), known.migrations_table.clone())
        })
    };
    let environments = found.worker.env.iter().map(|(_, worker)| worker);
    Ok([&found.worker].into_iter().chain(environments).find_map(of))
}

/// A namespace of KV.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Namespace {
    pub(super) binding: String,
    pub(super) id: Option<String>,
}

/// A bucket of R2.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Bucket {
    pub(super) binding: String,
    pub(super) bucket_name: Option<String>,
}

/// Queues that the Worker sends to and takes from.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Queues {
    pub(super) producers: Vec<Producer>,
    pub(super) consumers: Vec<Consumer>,
}

/// A queue that the Worker sends to.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Producer {
    pub(super) binding: String,
    pub(super) queue: String,
}

/// A queue that the Worker takes from.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Consumer {
    pub(super) queue: String,
    pub(super) dead_letter_queue: Option<String>,
}

/// A Worker's configuration, the file it was read from and the ones that wrangler does not read because of it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) worker: Worker,
    pub(super) path: PathBuf,
    pub(super) passed_over: Vec<PathBuf>,
}

/// Reads the Worker's configuration of a folder, if it has one.
pub(super) fn read(folder: &Path) -> Result<Option<Found>, Diagnostics> {
    let mut paths = FILE_NAMES
        .iter()
        .map(|name| folder.join(name))
        .filter(|path| path.is_file());
    let Some(path) = paths.next() else {
        return Ok(None);
    };
    Ok(Some(read_file(path, paths.collect())?))
}

fn read_file(path: PathBuf, passed_over: Vec<PathBuf>) -> Result<Found, Diagnostics> {
    let source = SourceFile::new(path.clone(), read_text(&path)?);
    let worker = if path
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        from_toml(&source)?
    } else {
        from_json(&source)?
    };
    Ok(Found {
        worker,
        path,
        passed_over,
    })
}

fn from_toml(source: &SourceFile) -> Result<Worker, Diagnostic> {
    toml::from_str(source.text()).map_err(|error| {
        let place = Place::new(source, error.span().unwrap_or(0..0));
        Diagnostic::at(place, error.message())
    })
}

fn from_json(source: &SourceFile) -> Result<Worker, Diagnostic> {
    let parsed = parse_to_value(source.text(), &ParseOptions::default()).map_err(|error| {
        let range = error.range();
        let place = Place::new(source, range.start..range.end);
        Diagnostic::at(place, format!("not valid JSON: {}", error.kind()))
    })?;
    let value = parsed.map_or(serde_json::Value::Object(serde_json::Map::new()), json);
    serde_json::from_value(value).map_err(|error| {
        let shown = crate::base::text::neutral(&source.path().display().to_string());
        Diagnostic::new(format!("{shown} is no configuration of a Worker: {error}"))
    })
}

/// The parser bounds how deep values nest.
fn json(value: JsonValue<'_>) -> serde_json::Value {
    match value {
        JsonValue::String(text) => serde_json::Value::String(text.into_owned()),
        JsonValue::Number(number) => serde_json::Value::String(number.to_owned()),
        JsonValue::Boolean(value) => serde_json::Value::Bool(value),
        JsonValue::Object(object) => serde_json::Value::Object(
            object
                .into_iter()
                .map(|(key, value)| (key.into_owned(), json(value)))
                .collect(),
        ),
        JsonValue::Array(items) => serde_json::Value::Array(items.into_iter().map(json).collect()),
        JsonValue::Null => serde_json::Value::Null,
    }
}

/// A table in the order of the file.
fn in_order<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, Worker)>, D::Error> {
    struct Tables;
    impl<'de> serde::de::Visitor<'de> for Tables {
        type Value = Vec<(String, Worker)>;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("a table of environments")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(
            self,
            mut map: A,
        ) -> Result<Self::Value, A::Error> {
            let mut tables = Vec::new();
            while let Some(entry) = map.next_entry()? {
                tables.push(entry);
            }
            Ok(tables)
        }
    }
    deserializer.deserialize_map(Tables)
}
