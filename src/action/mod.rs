//! The actions: one file each, and one line each in the registry.

mod api;
mod ask;
mod assert;
mod baseline;
mod command;
mod database;
mod files;
mod growth;
mod headers;
mod health;
mod http;
mod manual;
mod measured;
mod metrics;
mod migrations;
mod person;
mod probe;
mod process;
mod redis;
mod runbook;
mod set;
mod shell;
mod sql;
mod status_page;
#[cfg(test)]
mod testing;
mod wait;

use std::sync::LazyLock;

use crate::engine::{Action, Actions};
use crate::model::{ActionSpec, Vocabulary};

/// The registry: the order is that of the reference pages.
const REGISTRY: &[&dyn Action] = &[
    &http::Http,
    &probe::Probe,
    &sql::Sql,
    &database::Database,
    &migrations::Migrations,
    &health::Health,
    &baseline::Baselines,
    &headers::Headers,
    &metrics::Metrics,
    &status_page::StatusPage,
    &redis::Redis,
    &command::Command,
    &shell::Shell,
    &files::Files,
    &manual::Manual,
    &ask::Ask,
    &wait::Wait,
    &assert::Assert,
    &set::Set,
    &growth::Growth,
    &runbook::Runbook,
];

/// The actions that there are.
pub const ACTIONS: Actions = Actions(REGISTRY);

/// What the actions say of themselves.
#[must_use]
pub fn vocabulary() -> Vocabulary {
    static SPECS: LazyLock<Vec<&'static ActionSpec>> =
        LazyLock::new(|| REGISTRY.iter().map(|action| action.spec()).collect());
    Vocabulary(&SPECS)
}
