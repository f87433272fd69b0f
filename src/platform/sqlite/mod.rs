//! SQLite files: one connection a call, each on a thread of its own, ended when nobody waits for it.
//! Must not decide what a piece of SQL may do: it offers a read that cannot write, and a write.

mod connection;
mod copy;
mod create;
mod error;
mod inspect;
mod lock;
mod maintain;
mod migration;
mod statement;
mod value;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;

use super::blocking::{self, Abandoned};
use super::bounds::Bounds;
use super::halted::Halted;
use super::rows::{Changed, RowSender, Rows};
pub use error::SqliteError;
pub use inspect::{Problem, SizePart, Slack, TableSize};
pub use maintain::{Maintained, Maintenance};

/// A database in a file.
#[derive(Clone, Debug)]
pub struct Sqlite {
    path: PathBuf,
    create: Option<PathBuf>,
    busy: Duration,
    /// Whether a change is being kept: from then on until its answer nobody knows whether it is.
    keeping: Arc<AtomicBool>,
    /// How many changes are kept.
    kept: Arc<AtomicU64>,
}

/// What a connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Read: the file is opened read-only, and an authorizer refuses all that is no plain reading.
    Read,
    /// Compile what would write, never run it.
    Explain,
    /// Everything.
    Write,
}

impl Sqlite {
    /// The database in this file, made with the SQL of `create` on first use where it is not there.
    #[must_use]
    pub fn new(path: &Path, create: Option<&Path>) -> Self {
        Self {
            path: path.to_owned(),
            create: create.map(Path::to_owned),
            busy: Duration::from_secs(5),
            keeping: Arc::default(),
            kept: Arc::default(),
        }
    }

    /// Waits this long for the locks of other processes, instead of five seconds.
    #[must_use]
    pub const fn busy_timeout(mut self, busy: Duration) -> Self {
        self.busy = busy;
        self
    }

    /// Runs one statement that reads; at most `limit` rows are kept, and the rest is neither read nor hidden.
    ///
    /// Whole numbers keep all 64 bits; a blob, or a text that is no UTF-8, is `{"base64": "…"}`; an infinite number is
    /// the text `Infinity` or `-Infinity`.
    ///
    /// # Errors
    /// When the statement would write, is not one statement, or SQLite refuses it.
    pub async fn query(
        &self,
        sql: &str,
        parameters: &[Value],
        limit: usize,
    ) -> Result<Rows, SqliteError> {
        let (sql, parameters) = (sql.to_owned(), parameters.to_vec());
        self.with(Access::Read, move |connection, _| {
            statement::query(connection, &sql, &parameters, limit)
        })
        .await
    }

    /// Runs one statement that reads and sends its rows on as they come, values as by [`Sqlite::query`].
    ///
    /// # Errors
    /// As [`Sqlite::query`]; some rows may have been sent by then.
    pub async fn stream(
        &self,
        sql: &str,
        parameters: &[Value],
        mut rows: RowSender,
    ) -> Result<(), SqliteError> {
        let (sql, parameters) = (sql.to_owned(), parameters.to_vec());
        self.with(Access::Read, move |connection, _| {
            statement::stream(connection, &sql, &parameters, &mut rows)
        })
        .await
    }

    /// Tells how a statement would be run, without running it: `EXPLAIN QUERY PLAN`.
    ///
    /// # Errors
    /// As [`Sqlite::query`], but for a statement that would write.
    pub async fn explain(&self, sql: &str, parameters: &[Value]) -> Result<Rows, SqliteError> {
        let (sql, parameters) = (sql.to_owned(), parameters.to_vec());
        self.with(Access::Explain, move |connection, _| {
            statement::explain(connection, &sql, &parameters)
        })
        .await
    }

    /// Runs one statement within its bounds, all or nothing; rows that it gives (`RETURNING`) are kept as by
    /// [`Sqlite::query`].
    ///
    /// # Errors
    /// When it is not one statement, breaks its bounds, or SQLite refuses it; then nothing was changed.
    pub async fn execute(
        &self,
        sql: &str,
        parameters: &[Value],
        limit: usize,
        bounds: &Bounds,
    ) -> Result<Changed, SqliteError> {
        let (sql, parameters) = (sql.to_owned(), parameters.to_vec());
        let bounds = bounds.clone();
        self.with(Access::Write, move |connection, _| {
            if statement::stands_alone(&sql) {
                return statement::execute(connection, &sql, &parameters, limit);
            }
            statement::execute_within(connection, &sql, &parameters, limit, &bounds)
        })
        .await
    }

    /// Runs the statements of a file in one transaction; gives how many rows they changed.
    ///
    /// # Errors
    /// When SQLite refuses one of them, or one begins or ends a transaction itself; then nothing was changed.
    pub async fn script(&self, sql: &str) -> Result<u64, SqliteError> {
        let sql = sql.to_owned();
        self.with(Access::Write, move |connection, _| {
            statement::script(connection, &sql)
        })
        .await
    }

    /// Runs the statements of a migration in one transaction, by <https://sqlite.org/lang_altertable.html#otheralter>:
    /// references are not acted upon while it runs, so that a table can be made anew without its rows being missed by
    /// those that refer to them, and all of them are looked at before it is kept.
    ///
    /// # Errors
    /// As [`Sqlite::script`], and when it leaves more references that lead nowhere than there were.
    pub async fn migrate(&self, sql: &str) -> Result<u64, SqliteError> {
        let sql = sql.to_owned();
        self.with(Access::Write, move |connection, _| {
            migration::migrate(connection, &sql)
        })
        .await
    }

    /// Runs the statements of a file on one connection, each kept by itself: what SQLite runs in no transaction, with
    /// settings that hold for what comes behind them.
    ///
    /// # Errors
    /// When SQLite refuses one of them; those before it stay done.
    pub async fn alone(&self, sql: &str) -> Result<(), Halted<SqliteError>> {
        let sql = sql.to_owned();
        let ended = self.with(Access::Write, move |connection, _| {
            Ok(statement::alone(connection, &sql))
        });
        ended.await.map_err(Halted::at_once)?
    }

    /// Runs the statements of a file, each of which must read; their rows are not kept.
    ///
    /// # Errors
    /// When one of them would write, or SQLite refuses it.
    pub async fn read_script(&self, sql: &str) -> Result<(), SqliteError> {
        let sql = sql.to_owned();
        self.with(Access::Read, move |connection, _| {
            statement::read_script(connection, &sql)
        })
        .await
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the database and has it answer.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub async fn ping(&self) -> Result<(), SqliteError> {
        self.with(Access::Read, |connection, _| inspect::ping(connection))
            .await
    }

    /// What is to know of the database, as names and values.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub async fn info(&self) -> Result<Vec<(&'static str, Value)>, SqliteError> {
        self.with(Access::Read, inspect::info).await
    }

    /// The tables with their rows and bytes, the largest first.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub async fn tables(&self) -> Result<Vec<TableSize>, SqliteError> {
        self.with(Access::Read, |connection, _| inspect::tables(connection))
            .await
    }

    /// What the database takes on the disk, by part.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub async fn size(&self) -> Result<Vec<SizePart>, SqliteError> {
        self.with(Access::Read, inspect::size).await
    }

    /// The space that holds nothing, by table.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub async fn slack(&self) -> Result<Vec<Slack>, SqliteError> {
        self.with(Access::Read, |connection, _| inspect::slack(connection))
            .await
    }

    /// What is wrong inside the file, at most 100 things; references are not followed. With a table, of that alone.
    ///
    /// # Errors
    /// When it cannot be opened or read, or there is no such table.
    pub async fn integrity(&self, table: Option<&str>) -> Result<Vec<Problem>, SqliteError> {
        let table = table.map(str::to_owned);
        self.with(Access::Read, move |connection, _| {
            inspect::integrity(connection, table.as_deref())
        })
        .await
    }

    /// Does maintenance.
    ///
    /// # Errors
    /// When SQLite refuses it.
    pub async fn maintain(&self, work: &Maintenance) -> Result<Maintained, SqliteError> {
        let work = work.clone();
        self.with(Access::Write, move |connection, path| {
            maintain::maintain(connection, path, &work)
        })
        .await
    }

    /// Copies the database, as it is at this moment, into a file that is there and empty, and looks whether the copy is
    /// whole. Others may go on writing.
    ///
    /// # Errors
    /// When it cannot be read, the file cannot be written, or the copy is damaged, which the database then is too.
    pub async fn copy(&self, to: &Path) -> Result<(), SqliteError> {
        let to = to.to_owned();
        let database = self.clone();
        blocking::run(move |abandoned: &Abandoned| {
            let path = database.ready()?;
            let connection = connection::open(&path, Access::Read, database.busy, abandoned)?;
            copy::copy(&connection, &to, abandoned)
        })
        .await?
    }

    /// What the database takes on the disk with what its log holds, in bytes; 0 where there is none yet.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let log = {
            let mut path = self.path.clone().into_os_string();
            path.push("-wal");
            PathBuf::from(path)
        };
        let bytes = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
        bytes(&self.path).saturating_add(bytes(&log))
    }

    /// Opens a connection on a thread of its own and works with it there.
    async fn with<T: Send + 'static>(
        &self,
        access: Access,
        work: impl FnOnce(&Connection, &Path) -> Result<T, SqliteError> + Send + 'static,
    ) -> Result<T, SqliteError> {
        let database = self.clone();
        let outcome = blocking::run(move |abandoned: &Abandoned| {
            let path = database.ready()?;
            let connection = connection::open(&path, access, database.busy, abandoned)?;
            if access == Access::Write {
                connection::keep_unless_abandoned(&connection, &database.keeping, abandoned)?;
            }
            work(&connection, &path)
        })
        .await;
        let was_keeping = self.keeping.swap(false, Ordering::SeqCst);
        if was_keeping && matches!(outcome, Ok(Ok(_))) {
            self.kept.fetch_add(1, Ordering::SeqCst);
        }
        outcome?
    }

    /// How many changes are kept since this value was made.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.kept.load(Ordering::SeqCst)
    }

    /// Whether nobody knows if a change is kept whose answer nobody waits for any more. What was dropped before it was to be
    /// kept is taken back.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.keeping.load(Ordering::SeqCst)
    }

    /// The path as SQLite takes it (a relative one could read as a URI), with a file behind it.
    fn ready(&self) -> Result<PathBuf, SqliteError> {
        let path = std::path::absolute(&self.path).map_err(|source| SqliteError::Unreadable {
            path: self.path.clone(),
            source,
        })?;
        match (fs::metadata(&path), &self.create) {
            (Ok(folder), _) if folder.is_dir() => Err(SqliteError::CannotOpen(path)),
            (Ok(_), _) => Ok(path),
            (Err(error), Some(setup)) if error.kind() == io::ErrorKind::NotFound => {
                create::create(&path, setup).map(|()| path)
            }
            (Err(error), None) if error.kind() == io::ErrorKind::NotFound => {
                Err(SqliteError::Missing(path))
            }
            (Err(source), _) => Err(SqliteError::Unreadable { path, source }),
        }
    }
}

#[cfg(test)]
mod tests;
