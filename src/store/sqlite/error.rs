//! What SQLite and the system say, in words that tell a person what to do.

use std::path::Path;

use rusqlite::{Error, ErrorCode};

use crate::engine::JournalError;

/// What was being done when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Reading,
    Writing,
}

/// The error of the journal for an error of SQLite.
pub(super) fn failed(path: &Path, doing: Doing, error: Error) -> JournalError {
    let code = error.sqlite_error_code();
    let reason = match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process has been writing to it for more than 5 s; try again once it is done"
                .to_owned()
        }
        Some(ErrorCode::DiskFull) => "the disk is full; make room and try again".to_owned(),
        Some(ErrorCode::SystemIoFailure) => format!("the disk is full or failing ({error})"),
        Some(ErrorCode::NotADatabase) => {
            "it is no SQLite database; move it away or choose another store".to_owned()
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            "it is damaged; restore it from a backup or move it away".to_owned()
        }
        Some(ErrorCode::ReadOnly) => "the file or its folder is read-only".to_owned(),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "it cannot be opened; check the rights of the file and its folder".to_owned()
        }
        _ => error.to_string(),
    };
    let damaged = matches!(
        code,
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    );
    if damaged || doing == Doing::Reading {
        unreadable(path, reason)
    } else {
        unwritable(path, reason)
    }
}

pub(super) fn unreadable(path: &Path, reason: impl ToString) -> JournalError {
    JournalError::Unreadable {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

pub(super) fn unwritable(path: &Path, reason: impl ToString) -> JournalError {
    JournalError::Unwritable {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

/// Whether another process was in the way.
pub(super) fn is_busy(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// Whether a row with this key is there already.
pub(super) fn is_duplicate(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}
