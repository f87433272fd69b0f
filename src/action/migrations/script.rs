//! How the text of a migration is run: whole in one transaction, or statement by statement in none. Must not run it.

use crate::engine::ActionError;
use crate::sql::{self, Dialect, Way};

/// The comment by which a migration says that it runs in no transaction.
pub(super) const NO_TRANSACTION: &str = "-- opsbook: no-transaction";

/// Comments with which other tools begin a part of a file that takes the rest back.
const DOWN_MARKS: [&str; 4] = [
    "-- migrate:down",
    "-- +goose down",
    "-- +migrate down",
    "-- !down",
];

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Script {
    /// In one transaction, with its account.
    Whole(String),
    /// Statement by statement in one session, each in no transaction.
    Alone(String),
}

/// Reads the text of the file of this name.
pub(super) fn prepare(text: &str, file: &str, dialect: Dialect) -> Result<Script, ActionError> {
    // A byte order mark is no SQL, and CR LF breaks triggers on D1.
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    if let Some(line) = text.lines().position(is_down_mark) {
        return Err(ActionError::config(format!(
            "{file}, line {}: a part that takes the migration back begins here, and would be run with it",
            line + 1
        ))
        .help("put it into a file of its own: NAME.down.sql, or the same name in the folder `rollback`"));
    }
    sql::ended(&text, dialect).map_err(|unended| {
        ActionError::config(format!("{file}: {unended}"))
            .help("end it: what is written behind the migration would be a part of it")
    })?;
    if let Some(sql::Placeholder { text, line }) = sql::placeholder(&text, dialect) {
        return Err(ActionError::config(format!(
            "{file}, line {line}: {text} stands for a value, and a migration is given none"
        ))
        .help("write the value into the file"));
    }
    let pieces = sql::pieces(&text, dialect);
    let is_marked = text.lines().any(|line| line.trim() == NO_TRANSACTION);
    if !is_marked && !pieces.iter().any(|piece| piece.way == Way::Alone) {
        let bare = sql::unwrapped(&text, dialect).map_err(|line| own_transaction(file, line))?;
        return Ok(Script::Whole(bare.text));
    }
    match pieces.iter().find(|piece| piece.controls_transaction()) {
        Some(control) => Err(own_transaction(file, control.line)),
        None => Ok(Script::Alone(text)),
    }
}

/// Whether nothing is to be run, as in a file that was made and never written.
pub(super) fn is_blank(text: &str, dialect: Dialect) -> bool {
    sql::pieces(text, dialect).is_empty()
}

fn own_transaction(file: &str, line: usize) -> ActionError {
    ActionError::config(format!(
        "{file}, line {line}: a statement begins or ends a transaction"
    ))
    .help("leave it out: a migration runs in one transaction; BEGIN and COMMIT may only stand around all of it")
}

fn is_down_mark(line: &str) -> bool {
    let line = line.trim().to_ascii_lowercase();
    DOWN_MARKS.iter().any(|mark| line.starts_with(mark))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::{Script, prepare};
    use crate::sql::Dialect::{Postgres, Sqlite};

    #[test]
    fn a_migration_is_one_transaction_unless_something_in_it_takes_none() {
        let whole = prepare("BEGIN;\r\nSELECT 1;\r\nCOMMIT;", "a.sql", Sqlite).unwrap();
        assert_eq!(
            whole,
            Script::Whole("      \nSELECT 1;\n       ".to_owned())
        );
        let text = "SELECT 1;\nCREATE INDEX CONCURRENTLY i ON t (a);";
        assert_eq!(
            prepare(text, "a.sql", Postgres).unwrap(),
            Script::Alone(text.to_owned())
        );
        let marked = "-- opsbook: no-transaction\nPRAGMA journal_mode = WAL;";
        assert_eq!(
            prepare(marked, "a.sql", Sqlite).unwrap(),
            Script::Alone(marked.to_owned())
        );
    }

    #[test]
    fn what_cannot_be_run_as_a_whole_is_refused_with_its_line() {
        for (text, told) in [
            (
                "SELECT 1;\nCOMMIT;",
                "a.sql, line 2: a statement begins or ends",
            ),
            (
                "VACUUM;\nBEGIN;",
                "a.sql, line 2: a statement begins or ends",
            ),
            (
                "CREATE TABLE a (b);\n-- migrate:down\nDROP TABLE a;",
                "a.sql, line 2: a part",
            ),
            ("-- +goose Down\n", "a.sql, line 1: a part"),
            (
                "CREATE TABLE a (b);\n/* end",
                "a.sql: a comment that begins in line 2",
            ),
            (
                "CREATE TABLE a (b);\nSELECT 'c",
                "a.sql: a text that begins in line 2",
            ),
            ("CREATE TABLE a (b);\0", "a.sql: a NUL"),
            (
                "CREATE TABLE a (b);\nINSERT INTO a VALUES (?1);",
                "a.sql, line 2: ?1 stands for a value",
            ),
        ] {
            let error = prepare(text, "a.sql", Sqlite).unwrap_err();
            assert!(error.message.starts_with(told), "{error}");
        }
    }
}
