//! The integration tests: one binary, because on a small machine the link is what costs.
//! One file a theme; `harness` and its neighbours hold what the themes share.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod d1_api;
mod d1_import;
mod harness;
mod http_server;
mod postgres_cluster;
mod redis_server;
mod terminal;
mod workerd;
mod zoo;

mod bad_input;
mod children;
mod cli;
mod consumers;
mod copies;
mod corpus;
mod d1;
mod d1_commands;
mod database_light;
mod database_postgres;
mod dependencies;
mod docs;
mod doctor;
mod dry_run;
mod effects;
mod estates;
mod exits;
mod foreign;
mod gate;
mod github;
mod growth;
mod health;
mod heartbeat;
mod journal;
mod keeper;
mod kills;
mod language;
mod layers;
mod leftovers;
mod lint;
mod locks;
mod maintenance;
mod metrics;
mod migration_programs;
mod migrations;
mod monitoring;
mod monitoring_page;
mod postgres;
mod postgres_changes;
mod postgres_faults;
mod postgres_session;
mod redis;
mod reports;
mod resume;
mod rows;
mod safe_sql;
mod safety_page;
mod samples;
mod schema;
mod secrets;
mod servers;
mod signals;
mod sql_effects;
mod store;
mod three_engines;
mod values;
mod watch;
mod wrangler;
mod wrangler_commands;
