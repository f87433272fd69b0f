//! What an action needs of a system that serves databases, and which system serves which database.
//! A new system is one file and one line in [`open`].

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::base::text::{count, one_line};
use crate::base::{Effect, Size, nearest};
use crate::config::{Config, D1Via, Database, DatabaseKind};
use crate::engine::{ActionContext, ActionError, Outputs};
use crate::event::StepTable;
use crate::expr::SqlText;
use crate::platform::bounds::{Bounds, BoundsBroken};
use crate::platform::halted::Halted;
use crate::platform::rows::{Changed, RowSender, Rows};
use crate::sql::{self, Dialect, Piece, Way};

use super::copy::CopySystem;
use super::d1::D1System;
use super::postgres::PostgresSystem;
use super::sqlite::SqliteSystem;

/// An answer, some time later. Dropping it ends the work.
pub(in crate::action) type Answer<'a, T, E = ActionError> =
    Pin<Box<dyn Future<Output = Result<T, E>> + 'a>>;

/// A system that serves one database.
pub(in crate::action) trait DatabaseSystem: CopySystem {
    /// What the configuration calls it.
    fn known_as(&self) -> &str;

    /// Runs one statement that must not write.
    fn query<'a>(&'a self, sql: &'a SqlText, limit: usize) -> Answer<'a, Rows>;

    /// Runs one for what is told beside the matter: it gives up soon where somebody holds a table, and says who in few
    /// words.
    fn glance<'a>(&'a self, sql: &'a SqlText, limit: usize) -> Answer<'a, Rows> {
        self.query(sql, limit)
    }

    /// Runs one statement that must not write, as a person wrote it: a mistake in it is told with its line where the system
    /// knows it.
    fn query_written<'a>(&'a self, sql: &'a SqlText, limit: usize) -> Answer<'a, Rows> {
        self.query(sql, limit)
    }

    /// Runs one statement that must not write, and sends its rows on as they come, with every digit of every number. A
    /// system that gives all rows at once sends those, or none where they are too many to be held.
    fn stream<'a>(&'a self, sql: &'a SqlText, rows: RowSender) -> Answer<'a, ()> {
        Box::pin(async move {
            let all = self.query(sql, usize::MAX).await?;
            if all.truncated {
                return Err(ActionError::target(
                    "the database gives all rows at once, and these are more than 16 MiB",
                )
                .help("ask for a part at a time: ORDER BY a key, WHERE it is above the last one, LIMIT"));
            }
            rows.send_all(all).await;
            Ok(())
        })
    }

    /// Tells how a statement would be run.
    fn explain<'a>(&'a self, sql: &'a SqlText) -> Answer<'a, Rows>;

    /// Runs one statement that must not write, and tells how it was run instead of what it gave.
    fn explain_run<'a>(&'a self, _: &'a SqlText) -> Answer<'a, Rows> {
        Box::pin(async {
            Err(
                ActionError::config("only postgres tells how a statement was run").help(
                    "leave `run` out; `sql.query` runs it, and its `ms` tells how long that took",
                ),
            )
        })
    }

    /// Refuses what [`Self::execute`] would not send, whatever the database holds.
    fn refuse_statement(&self, sql: &SqlText) -> Result<(), ActionError>;

    /// Refuses what [`Self::script`] would not send, whatever the database holds.
    fn refuse_script(&self, sql: &str) -> Result<(), ActionError>;

    /// Runs one statement within its bounds, all or nothing.
    fn execute<'a>(
        &'a self,
        sql: &'a SqlText,
        limit: usize,
        bounds: &'a Bounds,
    ) -> Answer<'a, Changed>;

    /// Runs several statements, all or nothing; gives how many rows they changed.
    fn script<'a>(&'a self, sql: &'a str) -> Answer<'a, u64>;

    /// Runs the statements of a migration, all or nothing, so that it may make a table anew that others refer to.
    fn migrate<'a>(&'a self, sql: &'a str) -> Answer<'a, u64> {
        self.script(sql)
    }

    /// Runs several statements in one session, one after the other and each kept by itself.
    fn alone<'a>(&'a self, sql: &'a str) -> Answer<'a, (), Halted<ActionError>>;

    /// Runs several statements that must not write.
    fn read_script<'a>(&'a self, sql: &'a str) -> Answer<'a, ()>;

    /// Looks at the database as a whole.
    fn look<'a>(&'a self, question: &'a Question) -> Answer<'a, Report>;

    /// Keeps the database in shape.
    fn tend<'a>(&'a self, work: &'a Upkeep) -> Answer<'a, Report>;

    /// The statements that keep the database in shape, and the database itself, as a person reads them.
    fn upkeep_in_words(&self, work: &Upkeep) -> String;

    /// What the database warned of since it was opened, as it says it.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// How many changes the database has said that it keeps, since it was opened. There may be an end to come to before
    /// what one did is told.
    fn kept(&self) -> u64;

    /// Ends what still runs in the database after its answer was dropped, where dropping it does not. Errs where nobody
    /// knows whether a change is kept.
    fn abandon(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// How long a database may take to end what nobody waits for any more.
pub(in crate::action) const GRACE: Duration = Duration::from_secs(1);

/// How long a change that is kept may take to tell what it did: it must be less than [`GRACE`].
const LAST_WORD: Duration = Duration::from_millis(700);

/// Waits for an answer, and has the database end its work where the step must end first.
pub(in crate::action) async fn until_stopped<T>(
    system: &dyn DatabaseSystem,
    context: &ActionContext<'_>,
    work: impl Future<Output = Result<T, ActionError>>,
) -> Result<T, ActionError> {
    tokio::select! {
        biased;
        outcome = work => outcome,
        () = context.cancelled() => {
            system.abandon().await?;
            Err(ActionError::own("stopped"))
        }
    }
}

/// The same for what is kept as a whole or not at all: stopped before that, it has changed nothing.
pub(in crate::action) async fn transaction_until_stopped<T>(
    system: &dyn DatabaseSystem,
    context: &ActionContext<'_>,
    work: impl Future<Output = Result<T, ActionError>>,
) -> Result<T, ActionError> {
    let outcome = transaction_unless_stopped(system, context, work).await?;
    outcome.ok_or_else(|| {
        ActionError::own("stopped before anything was kept").outputs(Outputs {
            rows_changed: Some(0),
            ..Outputs::default()
        })
    })
}

/// None where the step had to end before the transaction was to be kept. One that is kept is done, whatever has to end.
pub(in crate::action) async fn transaction_unless_stopped<T>(
    system: &dyn DatabaseSystem,
    context: &ActionContext<'_>,
    work: impl Future<Output = Result<T, ActionError>>,
) -> Result<Option<T>, ActionError> {
    let kept_before = system.kept();
    let mut work = Box::pin(work);
    tokio::select! {
        biased;
        outcome = &mut work => return outcome.map(Some),
        () = context.cancelled() => {}
    }
    if system.kept() == kept_before {
        // What nobody waits for any more is not kept.
        drop(work);
        return system.abandon().await.map(|()| None);
    }
    match tokio::time::timeout(LAST_WORD, work).await {
        Ok(outcome) => outcome.map(Some),
        Err(_) => Err(ActionError::target(
            "stopped behind a change that is kept, before it was told what that did",
        )
        .in_doubt()
        .help("look what is there: it is not to be done again")),
    }
}

/// What is asked of a database as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::action) struct Question {
    /// What to look at.
    pub(in crate::action) look: Look,
    /// The table that is looked at alone, as it is written in SQL without quotes: `orders`, `sales.orders`.
    pub(in crate::action) table: Option<String>,
    /// How many rows are given at most.
    pub(in crate::action) limit: usize,
    /// Only what takes or took longer than this.
    pub(in crate::action) over: Option<Duration>,
    /// The session that is looked at alone.
    pub(in crate::action) pid: Option<i64>,
    /// Growth is told since somebody looked at least this long ago; since the last look where it is none.
    pub(in crate::action) since: Option<Duration>,
    /// Whether replicas must be counted: it is an error where nobody can tell how many there are.
    pub(in crate::action) counted: bool,
}

impl Question {
    /// A look at all that there is.
    pub(in crate::action) const fn of(look: Look) -> Self {
        Self {
            look,
            table: None,
            limit: MOST_ROWS,
            over: None,
            pid: None,
            since: None,
            counted: false,
        }
    }
}

/// How many rows a look gives unless it is asked for fewer.
pub(in crate::action) const MOST_ROWS: usize = 1000;

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::action) enum Look {
    Ping,
    Info,
    Tables,
    Size,
    Integrity,
    ForeignKeys,
    Activity,
    Locks,
    Connections,
    Slow,
    Bloat,
    Indexes,
    Replication,
}

/// How to keep a database in shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::action) enum Upkeep {
    /// Count what is in the indexes.
    Analyze { table: Option<String> },
    /// Give the space of deleted rows free; `full` gives it back to the disk.
    Vacuum { table: Option<String>, full: bool },
    /// Build the indexes anew.
    Reindex { table: Option<String> },
    /// End the statement of a session.
    Cancel { pid: i64 },
    /// End a session.
    Terminate { pid: i64 },
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
    /// Outputs that this look alone has.
    pub(in crate::action) further: Vec<(&'static str, Value)>,
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

/// Whether whatever is asked of the database of this name is asked by a program that is started for it.
pub(in crate::action) fn starts_program(config: &Config, name: Option<&str>) -> bool {
    find(config, name).is_ok_and(|database| match &database.kind {
        DatabaseKind::D1 { via, .. } => !matches!(via, D1Via::Api),
        DatabaseKind::Sqlite { .. } | DatabaseKind::Postgres(_) => false,
    })
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
            Ok(Box::new(system))
        }
        DatabaseKind::Postgres(settings) => {
            let system = PostgresSystem::new(database, settings, context)?;
            Ok(Box::new(system))
        }
        DatabaseKind::D1 { .. } => Ok(Box::new(D1System::new(database, context)?)),
    }
}

/// What to do about a change that broke its bounds.
pub(super) fn beyond(broken: BoundsBroken) -> ActionError {
    let error = ActionError::refused(broken.to_string());
    match broken {
        BoundsBroken::TooMany { .. } => {
            error.help("the limit is what the standing approval has left: `approved.rows`")
        }
        BoundsBroken::NotAgreed { .. } => {
            error.help("somebody else writes to it: look again and agree to what there is now")
        }
        BoundsBroken::NotCounted { .. } => error.help(
            "a trigger, a rule or somebody else changes the same rows: find out which before you go on",
        ),
    }
}

/// Refuses what begins or ends a transaction: opsbook does that.
pub(super) fn refuse_transaction(piece: &Piece<'_>) -> Result<(), ActionError> {
    if piece.way != Way::Transaction {
        return Ok(());
    }
    let words = one_line(&piece.kind());
    Err(ActionError::config(format!(
        "line {}: {words} begins or ends a transaction",
        piece.line
    ))
    .help("leave it out: everything runs in one transaction, all of it or nothing"))
}

/// What failed in a script, with its line and the statement that stands there.
pub(super) fn in_script(error: ActionError, piece: &Piece<'_>, line: usize) -> ActionError {
    ActionError {
        message: format!("line {line}, {}: {}", piece.opening(), error.message),
        ..error
    }
}

/// Refuses a look or work that a kind of database has no way for.
pub(super) fn has_none(name: &str, kind: &str, what: &str, instead: &str) -> ActionError {
    ActionError::config(format!(
        "{name} has no {what} to look at: it is of kind {kind}"
    ))
    .help(instead.to_owned())
}

/// Refuses what is not known to read only. A read-only transaction behind it is no fence of its own: it lets functions
/// end sessions and write files.
pub(super) fn must_read(text: &str, dialect: Dialect) -> Result<(), ActionError> {
    let analysis = sql::effect(text, dialect);
    // What stands behind a word that was not understood is no second statement.
    if analysis.statements > 1 && !analysis.reason.starts_with(sql::UNPARSED) {
        return Err(
            ActionError::config("there is more than one statement").help("write a step for each")
        );
    }
    if analysis.effect == Effect::Read {
        return Ok(());
    }
    let reason = analysis.reason;
    Err(ActionError::config(format!(
        "this is not known to read only: {reason}"
    ))
    .help("`sql.execute` is for what changes something, and `command.run` for what cannot be told"))
}

/// A variable of the environment that holds something.
pub(super) fn variable(context: &ActionContext<'_>, name: &str) -> Option<String> {
    let mut variables = context.environment.iter();
    let found = variables.find(|(known, value)| known == name && !value.is_empty());
    found.map(|(_, value)| value.clone())
}

/// What is told of a table.
pub(super) struct TableFacts {
    /// Its name.
    pub(super) table: String,
    /// How many columns it has.
    pub(super) columns: i64,
    /// How many rows it has, as far as they are known.
    pub(super) rows: Option<i64>,
    /// What it and its indexes take, in bytes; none where nobody tells.
    pub(super) bytes: Option<i64>,
}

/// The report on tables.
pub(super) fn of_tables(tables: impl ExactSizeIterator<Item = TableFacts>) -> Report {
    let number = tables.len();
    let mut sum = (number == 0).then_some(0);
    let rows = tables
        .map(|facts| {
            if let Some(bytes) = facts.bytes {
                let bytes = u64::try_from(bytes).unwrap_or_default();
                sum = Some(bytes.saturating_add(sum.unwrap_or_default()));
            }
            row([
                ("table", json!(facts.table)),
                ("columns", json!(facts.columns)),
                ("rows", json!(facts.rows)),
                ("bytes", json!(facts.bytes)),
            ])
        })
        .collect();
    let size = sum.map_or_else(String::new, |sum| format!(", {}", Size(sum)));
    Report {
        rows,
        detail: format!("{}{size}", count(number, "table")),
        bytes: sum,
        ..Report::default()
    }
}

/// Some rows as they are shown to a person. Who may count rows may still not read all of their columns: then there are
/// none to show.
pub(in crate::action) async fn sample(
    system: &dyn DatabaseSystem,
    asked: &SqlText,
    limit: usize,
) -> Option<StepTable> {
    let Rows { columns, rows, .. } = system.query(asked, limit).await.ok()?;
    let cells = |row: &Map<String, Value>| {
        let cell = |column: &String| row.get(column).cloned().unwrap_or_default();
        columns.iter().map(cell).collect()
    };
    Some(StepTable {
        rows: rows.iter().map(cells).collect(),
        columns: columns.clone(),
        exact: true,
        ..StepTable::default()
    })
}

/// A row of these cells.
pub(super) fn row<const N: usize>(cells: [(&str, Value); N]) -> Map<String, Value> {
    let cells = cells.into_iter();
    cells
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
