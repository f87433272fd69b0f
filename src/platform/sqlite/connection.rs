//! Opens a file for one call, fenced for what the call may do.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Access, SqliteError, lock};
use crate::platform::blocking::Abandoned;

/// How many steps of SQLite's machine pass between two looks at whether somebody still waits.
const STEPS: i32 = 1000;

/// The longest value or row that a read may build, in bytes: memory stays bounded.
const LONGEST_VALUE: i32 = 32 * 1024 * 1024;

/// The pragmas that a reading connection may ask, without a value unless the value is the name of what is asked about.
const READ_PRAGMAS: &[(&str, Takes)] = &[
    ("application_id", Takes::Nothing),
    ("auto_vacuum", Takes::Nothing),
    ("busy_timeout", Takes::Nothing),
    ("cache_size", Takes::Nothing),
    ("collation_list", Takes::Nothing),
    ("compile_options", Takes::Nothing),
    ("data_version", Takes::Nothing),
    ("database_list", Takes::Nothing),
    ("encoding", Takes::Nothing),
    ("foreign_key_check", Takes::Name),
    ("foreign_key_list", Takes::Name),
    ("foreign_keys", Takes::Nothing),
    ("freelist_count", Takes::Nothing),
    ("function_list", Takes::Nothing),
    ("index_info", Takes::Name),
    ("index_list", Takes::Name),
    ("index_xinfo", Takes::Name),
    ("integrity_check", Takes::Name),
    ("journal_mode", Takes::Nothing),
    ("journal_size_limit", Takes::Nothing),
    ("max_page_count", Takes::Nothing),
    ("module_list", Takes::Nothing),
    ("page_count", Takes::Nothing),
    ("page_size", Takes::Nothing),
    ("pragma_list", Takes::Nothing),
    ("quick_check", Takes::Name),
    ("schema_version", Takes::Nothing),
    ("synchronous", Takes::Nothing),
    ("table_info", Takes::Name),
    ("table_list", Takes::Name),
    ("table_xinfo", Takes::Name),
    ("user_version", Takes::Nothing),
    ("wal_autocheckpoint", Takes::Nothing),
];

/// What may stand behind the name of a pragma that reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Name,
}

/// Opens the file, which must be there.
pub(super) fn open(
    path: &Path,
    access: Access,
    busy: Duration,
    abandoned: &Abandoned,
) -> Result<Connection, SqliteError> {
    let mode = if access == Access::Write {
        OpenFlags::SQLITE_OPEN_READ_WRITE
    } else {
        OpenFlags::SQLITE_OPEN_READ_ONLY
    };
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::CannotOpen) => SqliteError::CannotOpen(path.to_owned()),
            Some(_) | None => error.into(),
        })?;
    lock::wait_at_most(&connection, busy, abandoned)?;
    let looking = abandoned.clone();
    connection.progress_handler(STEPS, Some(move || looking.get()))?;
    if access != Access::Write {
        connection.pragma_update(None, "query_only", true)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST_VALUE)?;
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            if allows(access, &context.action) {
                Authorization::Allow
            } else {
                Authorization::Deny
            }
        }))?;
    }
    Ok(connection)
}

/// Has what is changed kept only as long as somebody waits for it: a statement too short to be interrupted is rolled back.
/// It is said first that it is being kept: who stops waiting then cannot miss it.
pub(super) fn keep_unless_abandoned(
    connection: &Connection,
    keeping: &Arc<AtomicBool>,
    abandoned: &Abandoned,
) -> Result<(), SqliteError> {
    let (keeping, abandoned) = (Arc::clone(keeping), abandoned.clone());
    connection.commit_hook(Some(move || {
        keeping.store(true, Ordering::SeqCst);
        let takes_back = abandoned.get();
        if takes_back {
            keeping.store(false, Ordering::SeqCst);
        }
        takes_back
    }))?;
    Ok(())
}

/// Whether a statement of a reading connection may do this. A read-only file alone is no fence: pragmas, ATTACH and
/// VACUUM INTO act beside it, some of them while the statement is only compiled.
fn allows(access: Access, action: &AuthAction<'_>) -> bool {
    match action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => true,
        AuthAction::Function { function_name } => {
            !matches!(*function_name, "load_extension" | "fts3_tokenizer")
        }
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => READ_PRAGMAS.iter().any(|(name, takes)| {
            name.eq_ignore_ascii_case(pragma_name)
                && (pragma_value.is_none() || *takes == Takes::Name)
        }),
        AuthAction::Insert { .. } | AuthAction::Update { .. } | AuthAction::Delete { .. } => {
            access == Access::Explain
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rusqlite::Connection;

    use super::keep_unless_abandoned;
    use crate::platform::blocking::Abandoned;

    #[test]
    fn nobody_knows_of_a_change_from_its_commit_on() {
        let connection = Connection::open_in_memory().unwrap();
        let keeping = Arc::new(AtomicBool::new(false));
        keep_unless_abandoned(&connection, &keeping, &Abandoned::default()).unwrap();
        connection
            .execute_batch("BEGIN; CREATE TABLE t(n); INSERT INTO t VALUES (1)")
            .unwrap();
        assert!(!keeping.load(Ordering::SeqCst));
        connection.execute_batch("COMMIT").unwrap();
        assert!(keeping.load(Ordering::SeqCst));
    }
}
