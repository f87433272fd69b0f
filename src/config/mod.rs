//! `opsbook.toml`: what the estate consists of, which environment is meant and where its secrets come from.

mod estate;

pub use estate::{
    Auth, Config, Database, DatabaseKind, Queue, QueueKind, Retention, SecretSource, Service,
    Window,
};
