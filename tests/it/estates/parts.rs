//! The parts that an estate really has: a database of its own in the cluster of all tests, and a Redis server. Beside them a
//! Prometheus that says what a test says: what it measured cannot be had in time.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::http_server::{Answer, HttpServer};
use crate::postgres_cluster::cluster;
use crate::redis_server::RedisServer;

/// What the Redis server asks for.
pub(super) const REDIS_PASSWORD: &str = "hunter2-redis";

/// The parts of an estate; none unless it is given them.
#[derive(Default)]
pub(super) struct Parts {
    database: Option<Database>,
    redis: Option<Redis>,
    pub(super) prometheus: Option<Prometheus>,
    /// Servers with a certificate each.
    pub(super) certified: Vec<HttpServer>,
}

struct Database {
    name: String,
    /// Makes it well again: administers, then connects.
    well: &'static str,
    touched: Cell<bool>,
}

struct Redis {
    server: RedisServer,
    well: &'static str,
}

impl Parts {
    /// With a database that this SQL makes. The other SQL, run in the database `postgres`, makes it well; `{database}` in it
    /// is the name.
    pub(super) fn database(mut self, setup: &str, well: &'static str) -> Self {
        let name = cluster().database(setup);
        let touched = Cell::new(true);
        self.database = Some(Database {
            name,
            well,
            touched,
        });
        self
    }

    /// With a Redis server that these commands make well.
    pub(super) fn redis(mut self, well: &'static str) -> Self {
        let server = RedisServer::start(&["--requirepass", REDIS_PASSWORD]);
        self.redis = Some(Redis { server, well });
        self
    }

    /// Where the database is, for `database.main.url`.
    pub(super) fn database_url(&self) -> String {
        cluster().socket_url(&self.database.as_ref().unwrap().name)
    }

    pub(super) fn redis_url(&self) -> String {
        self.redis.as_ref().unwrap().server.url()
    }

    /// Runs SQL in the database `postgres`; `{database}` is the estate's.
    pub(super) fn administers(&self, sql: &str) {
        let database = self.database.as_ref().unwrap();
        database.touched.set(true);
        cluster().psql("postgres", &sql.replace("{database}", &database.name));
    }

    /// Runs SQL in the estate's database.
    pub(super) fn sql(&self, sql: &str) -> String {
        let database = self.database.as_ref().unwrap();
        database.touched.set(true);
        cluster().psql(&database.name, sql)
    }

    /// Has the Redis server do commands; gives its replies.
    pub(super) fn redis_does(&self, commands: &str) -> String {
        let server = &self.redis.as_ref().unwrap().server;
        let replies = server.tell(&format!("AUTH {REDIS_PASSWORD}\n{commands}"));
        replies.strip_prefix("+OK\r\n").unwrap().to_owned()
    }

    /// All is well again.
    pub(super) fn well(&self) {
        if let Some(database) = &self.database
            && database.touched.get()
        {
            self.administers(database.well);
            database.touched.set(false);
        }
        if let Some(redis) = &self.redis {
            self.redis_does(redis.well);
        }
        if let Some(prometheus) = &self.prometheus {
            prometheus.now.lock().unwrap().clear();
        }
    }
}

/// A stand-in for Prometheus that knows what a query asks by words in it.
pub(super) struct Prometheus {
    server: HttpServer,
    now: Arc<Mutex<BTreeMap<&'static str, Value>>>,
}

impl Prometheus {
    /// Answers a query with the series of the first words that it holds: `("up", [{"metric": {}, "value": [0, "1"]}])`.
    pub(super) fn new(well: &'static [(&'static str, &'static str)]) -> Self {
        let now: Arc<Mutex<BTreeMap<&'static str, Value>>> = Arc::default();
        let shared = Arc::clone(&now);
        let server = HttpServer::scripted(move |_, request| {
            let mut form = url::form_urlencoded::parse(request.body.as_bytes());
            let (_, query) = form.find(|(name, _)| name == "query").unwrap();
            let now = shared.lock().unwrap();
            let told = now.iter().find(|(words, _)| query.contains(**words));
            let result = told.map(|(_, result)| result.clone()).or_else(|| {
                let known = well.iter().find(|(words, _)| query.contains(words));
                known.map(|(_, series)| serde_json::from_str(series).unwrap())
            });
            let body = match result {
                Some(result) => {
                    json!({"status": "success", "data": {"resultType": "vector", "result": result}})
                }
                None => json!({"status": "error", "errorType": "bad_data", "error": query}),
            };
            let body = body.to_string();
            Answer::Bytes(
                format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                )
                .into_bytes(),
            )
        });
        Self { server, now }
    }

    pub(super) fn url(&self) -> String {
        self.server.url()
    }

    /// A query with these words has this value.
    pub(super) fn says(&self, words: &'static str, value: &str) {
        let result = json!([{"metric": {}, "value": [0, value]}]);
        self.now.lock().unwrap().insert(words, result);
    }

    /// A query with these words has no data.
    pub(super) fn is_silent(&self, words: &'static str) {
        self.now.lock().unwrap().insert(words, json!([]));
    }
}
