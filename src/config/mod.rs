//! `opsbook.toml`: what the estate consists of, which environment is meant and where its secrets come from.

mod check;
mod cron;
mod database;
mod environment;
mod estate;
mod find;
mod health;
mod init;
mod journal;
mod lint;
mod load;
mod metrics;
mod migrations;
mod policy;
mod schema;
mod scope;
mod service;
mod tables;
mod window;
mod wrangler;

pub use cron::Cron;
pub use estate::{
    Auth, Check, Config, D1Via, Database, DatabaseKind, Demands, Freeze, Health, Kv, Metrics,
    MetricsKind, Need, ObjectStore, Objective, Policy, PostgresSettings, Queue, QueueKind,
    Retention, SecretSource, Service, WranglerTool,
};
pub use find::{FILE_NAME, find};
pub use init::{Draft, draft};
pub use lint::{lint, lint_estate};
pub use load::{load, load_all, parse};
pub use migrations::{Answer, Commands, Level, MigrationTool, Migrations, Rule};
pub use schema::config_schema;
pub use scope::scope_values;
pub use window::{Opening, Window};
pub use wrangler::worker_migrations;
