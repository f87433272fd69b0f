//! Makes a database that is not there, so that others see none of it or all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

use super::{SqliteError, statement};

/// A file in the making, with what SQLite puts beside it. Removed when dropped.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        for suffix in ["", "-journal", "-wal", "-shm"] {
            let mut name = self.0.clone().into_os_string();
            name.push(suffix);
            // What is not there need not be removed; what cannot be is a stray file with a telling name.
            let _ = fs::remove_file(name);
        }
    }
}

/// Makes the database with the SQL of a file. Where another process was faster, its database stays.
pub(super) fn create(path: &Path, setup: &Path) -> Result<(), SqliteError> {
    let sql = fs::read_to_string(setup).map_err(|source| SqliteError::Setup {
        path: setup.to_owned(),
        source,
    })?;
    let failed = |source| SqliteError::Create {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let draft = Draft(draft_of(path));
    let connection = Connection::open(&draft.0)?;
    // As sqlite3 would: references are acted upon unless the file itself switches that off outside of a transaction.
    let made = statement::alone(&connection, &sql);
    made.map_err(|halted| SqliteError::Making {
        setup: setup.to_owned(),
        error: Box::new(halted.error),
    })?;
    connection.close().map_err(|(_, error)| error)?;
    // A rename would replace the database of a process that was faster, and all that it wrote since.
    match fs::hard_link(&draft.0, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A name in the same folder that no other process and no other thread uses.
fn draft_of(path: &Path) -> PathBuf {
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".making-{}-{number}", std::process::id()));
    path.with_file_name(name)
}
