//! The integration tests: one binary, because on a small machine the link is what costs.
//! One file a theme; `harness` and its neighbours hold what the themes share.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod harness;
mod http_server;
mod terminal;

mod bad_input;
mod cli;
mod dependencies;
mod docs;
mod dry_run;
mod exits;
mod language;
mod layers;
mod leftovers;
mod lint;
mod maintenance;
mod reports;
mod resume;
mod schema;
mod servers;
mod signals;
mod store;
