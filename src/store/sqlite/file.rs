//! The file of the store and its folder: made for their owner alone.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::Path;

/// What tells a file from every other: its device and its number there.
pub(super) type Identity = (u64, u64);

/// The identity of the file at this path, if there is one.
pub(super) fn identity(path: &Path) -> Option<Identity> {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// Makes the folder (0700) and the file (0600) where they are missing.
///
/// The file is never opened where it exists: closing it would drop the locks that SQLite holds on it elsewhere in this
/// process. Folders that exist are left as they are.
pub(super) fn ensure(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(io::Error::other("it is no file")),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
        Err(error) => Err(error),
    }
}

/// Closes the file of a store, and those that SQLite keeps beside it, to others.
pub(super) fn close_to_others(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let file = Path::new(&name);
        if fs::metadata(file).is_ok_and(|found| found.permissions().mode() & 0o077 != 0) {
            close(file)?;
        }
    }
    Ok(())
}

fn close(path: &Path) -> io::Result<()> {
    match fs::set_permissions(path, Permissions::from_mode(0o600)) {
        // The file of another user, who shares it on purpose.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        // The log was folded in by another process just now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn create(path: &Path) -> io::Result<()> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
