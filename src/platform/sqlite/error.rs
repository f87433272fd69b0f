//! What can go wrong with a SQLite file.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

use crate::platform::blocking::ShuttingDown;
use crate::platform::bounds::BoundsBroken;

/// What SQLite says to a reader that would have to finish or take back another's writes: `SQLITE_READONLY_RECOVERY`,
/// `SQLITE_READONLY_CANTINIT` and `SQLITE_READONLY_ROLLBACK` of <https://sqlite.org/rescode.html>.
const RECOVERY: i32 = 264;
const CANNOT_INITIALIZE: i32 = 1288;
const ROLLBACK: i32 = 776;

/// What can go wrong with a SQLite file.
#[derive(Debug, thiserror::Error)]
pub enum SqliteError {
    /// There is no such file.
    #[error("there is no database at {}", .0.display())]
    Missing(PathBuf),
    /// The file or its folder cannot be looked at.
    #[error("the database {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The SQL file that makes the database cannot be read.
    #[error("the file {} that makes the database cannot be read: {source}", path.display())]
    Setup {
        /// The SQL file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The SQL file that makes the database has a mistake; there is no database still.
    #[error("the file {} that makes the database: {error}", setup.display())]
    Making {
        /// The SQL file.
        setup: PathBuf,
        /// What SQLite says.
        error: Box<Self>,
    },
    /// The database cannot be made beside its place or put there.
    #[error("the database {} cannot be made: {source}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process holds a lock for longer than the busy timeout.
    #[error("the database is locked by another process: {0}")]
    Locked(String),
    /// The file is there, and cannot be opened.
    #[error("the database {} cannot be opened", .0.display())]
    CannotOpen(PathBuf),
    /// The file or its folder may not be written.
    #[error("the database may not be written: {0}")]
    ReadOnly(String),
    /// A program that wrote was cut off, and only a connection that may write can put the file in order.
    #[error("a writer of the database was cut off, and it has not been put in order since: {0}")]
    NeedsRecovery(String),
    /// The file is no database, or is damaged.
    #[error("the file is damaged or is no database: {0}")]
    Damaged(String),
    /// The statement is not SQL as SQLite understands it.
    #[error("{0}")]
    Syntax(String),
    /// SQLite refuses the statement.
    #[error("{0}")]
    Refused(String),
    /// A statement that was to read would write, or do what no read needs.
    #[error("the statement does more than read: {0}")]
    NotRead(String),
    /// More than one statement where one is expected.
    #[error("there is more than one statement")]
    SeveralStatements,
    /// No statement where one is expected.
    #[error("there is no statement in the SQL")]
    NoStatement,
    /// The number of values is not that of the places for them.
    #[error("the statement has {places} place{} for values, and {given} were given", if *places == 1 { "" } else { "s" })]
    Parameters {
        /// How many places the statement has.
        places: usize,
        /// How many values were given.
        given: usize,
    },
    /// A whole number that SQLite has no room for.
    #[error("{0} is too large for a whole number of SQLite (64 bits with a sign)")]
    NumberTooLarge(u64),
    /// A change that broke its bounds; the rows are as they were.
    #[error(transparent)]
    Bounds(#[from] BoundsBroken),
    /// A migration after which rows refer to rows that are not there; it was rolled back.
    #[error("{child}{} refers to {parent}, which has no such row", row.map_or_else(String::new, |row| format!(", row {row},")))]
    Dangling {
        /// The table that refers.
        child: String,
        /// The number of the row in it, where its rows have numbers.
        row: Option<i64>,
        /// The table that is referred to.
        parent: String,
    },
    /// A statement of a script failed.
    #[error("{error} at line {line}{}", column.map_or_else(String::new, |column| format!(", column {column}")))]
    Script {
        /// How many statements of it had gone well.
        completed: usize,
        /// The line of the script, from 1.
        line: usize,
        /// The column, in characters from 1, where SQLite names the place.
        column: Option<usize>,
        /// What SQLite says.
        error: Box<Self>,
    },
    /// A script that begins or ends a transaction itself.
    #[error("a statement begins or ends a transaction")]
    OwnTransaction,
    /// Nobody waits for the answer any more.
    #[error("interrupted")]
    Interrupted,
}

impl From<ShuttingDown> for SqliteError {
    fn from(_: ShuttingDown) -> Self {
        Self::Interrupted
    }
}

/// Sorts what SQLite says. Its own words stay: they are what people search for.
impl From<rusqlite::Error> for SqliteError {
    fn from(error: rusqlite::Error) -> Self {
        match &error {
            rusqlite::Error::MultipleStatement => return Self::SeveralStatements,
            rusqlite::Error::SqlInputError {
                msg, sql, offset, ..
            } => {
                let text = format!("{msg}{}", position(sql, *offset));
                return if is_syntax(msg) {
                    Self::Syntax(text)
                } else {
                    Self::Refused(text)
                };
            }
            _ => {}
        }
        let text = match &error {
            rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
            other => other.to_string(),
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked(text),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(text),
            Some(ErrorCode::OperationInterrupted) => Self::Interrupted,
            Some(ErrorCode::AuthorizationForStatementDenied) => Self::NotRead(text),
            Some(ErrorCode::ReadOnly) => match error.sqlite_extended_error_code() {
                Some(RECOVERY | CANNOT_INITIALIZE | ROLLBACK) => Self::NeedsRecovery(text),
                Some(_) | None => Self::ReadOnly(text),
            },
            _ if is_syntax(&text) => Self::Syntax(text),
            _ => Self::Refused(text),
        }
    }
}

fn is_syntax(message: &str) -> bool {
    message.ends_with("syntax error")
        || message.starts_with("unrecognized token")
        || message == "incomplete input"
}

/// ` at line 2, column 8`; nothing where SQLite names no place.
fn position(sql: &str, offset: i32) -> String {
    let offset = usize::try_from(offset).ok();
    let before = offset.and_then(|offset| sql.get(..offset));
    before.map_or_else(String::new, |before| {
        let (line, column) = behind(before);
        format!(" at line {line}, column {column}")
    })
}

/// The line and the column of what stands behind a text, counted in characters from 1.
pub(super) fn behind(text: &str) -> (usize, usize) {
    let line = text.matches('\n').count() + 1;
    let column = text.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (line, column)
}
