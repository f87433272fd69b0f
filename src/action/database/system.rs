//! What an action needs of a system that serves databases, and which system serves which database.
//! A new system is one file and one line in [`open`].

use std::future::Future;
use std::pin::Pin;

use serde_json::{Map, Value};

use crate::base::nearest;
use crate::config::{Config, Database, DatabaseKind};
use crate::engine::{ActionContext, ActionError};
use crate::expr::SqlText;
use crate::platform::rows::{Changed, Rows};

use super::sqlite::SqliteSystem;

/// An answer, some time later. Dropping it ends the work.
pub(in crate::action) type Answer<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, ActionError>> + 'a>>;

/// A system that serves one database.
pub(in crate::action) trait DatabaseSystem {
    /// Runs one statement that must not write.
    fn query<'a>(&'a self, sql: &'a SqlText, limit: usize) -> Answer<'a, Rows>;

    /// Tells how a statement would be run.
    fn explain<'a>(&'a self, sql: &'a SqlText) -> Answer<'a, Rows>;

    /// Runs one statement, all or nothing.
    fn execute<'a>(&'a self, sql: &'a SqlText, limit: usize) -> Answer<'a, Changed>;

    /// Runs several statements, all or nothing; gives how many rows they changed.
    fn script<'a>(&'a self, sql: &'a str) -> Answer<'a, u64>;

    /// Runs several statements that must not write.
    fn read_script<'a>(&'a self, sql: &'a str) -> Answer<'a, ()>;

    /// Looks at the database as a whole.
    fn look(&self, at: Look) -> Answer<'_, Report>;

    /// Keeps the database in shape.
    fn tend(&self, work: Upkeep) -> Answer<'_, Report>;

    /// The statements that keep the database in shape, and the database itself, as a person reads them.
    fn upkeep_in_words(&self, work: Upkeep) -> String;
}

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::action) enum Look {
    Ping,
    Info,
    Tables,
    Size,
    Integrity,
}

/// How to keep a database in shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::action) enum Upkeep {
    Analyze,
    Vacuum,
    Reindex,
}

/// What a look or upkeep gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::action) struct Report {
    /// What there is to see, as rows.
    pub(in crate::action) rows: Vec<Map<String, Value>>,
    /// What was found, in one line.
    pub(in crate::action) detail: String,
    /// What it takes, or what was freed, in bytes.
    pub(in crate::action) bytes: Option<u64>,
    /// What is wrong, each in one line.
    pub(in crate::action) problems: Vec<String>,
}

/// The database of this name; without a name the only one, or else `main`.
pub(in crate::action) fn find<'a>(
    config: &'a Config,
    name: Option<&str>,
) -> Result<&'a Database, ActionError> {
    let names = || config.databases.iter().map(|known| known.name.as_str());
    match (name, config.databases.as_slice()) {
        (Some(name), _) => config.database(name).ok_or_else(|| {
            let error = ActionError::config(format!("there is no database {name:?}"));
            match nearest(name, names()) {
                Some(near) => error.help(format!("did you mean {near:?}?")),
                None => error.help(format!("add [database.{name}] to opsbook.toml")),
            }
        }),
        (None, [only]) => Ok(only),
        (None, []) => Err(ActionError::config("no database is configured")
            .help("add [database.main] to opsbook.toml")),
        (None, _) => config.database("main").ok_or_else(|| {
            let known: Vec<&str> = names().collect();
            ActionError::config("there are several databases and none is called main")
                .help(format!("choose with `on`: {}", known.join(", ")))
        }),
    }
}

/// The system that serves a database.
pub(in crate::action) fn open(
    database: &Database,
    context: &ActionContext<'_>,
) -> Result<Box<dyn DatabaseSystem>, ActionError> {
    match &database.kind {
        DatabaseKind::Sqlite { path, create } => {
            // Made on first use, if this use may make anything.
            let create = create.as_deref().filter(|_| context.may_change);
            let system = SqliteSystem::new(&database.name, &context.config.folder, path, create);
            Ok(Box::new(system.most_rows(context.most_rows)))
        }
        DatabaseKind::Postgres { .. } => Err(unknown(database, "psql")),
        DatabaseKind::D1 { .. } => Err(unknown(database, "wrangler d1 execute")),
    }
}

fn unknown(database: &Database, tool: &str) -> ActionError {
    let kind = database.kind.as_str();
    ActionError::own(format!(
        "the database {} is of kind {kind}, and this version of opsbook talks to sqlite only",
        database.name
    ))
    .help(format!(
        "use `command.run` with {tool}, or a later version of opsbook"
    ))
}
