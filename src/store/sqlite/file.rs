//! The file of the store and its folder: made for their owner alone, or for the group that the folder is shared with.

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

/// Who may read and write a store in a folder that hands its group down (setgid) and that the group may write: a team
/// shares it.
const SHARED: u32 = 0o660;

/// Who may elsewhere.
const PRIVATE: u32 = 0o600;

/// Who may read and write the file at this path, by its folder.
fn mode_of(path: &Path) -> u32 {
    const SETGID_AND_GROUP_WRITES: u32 = 0o2020;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let shared = fs::metadata(folder).is_ok_and(|found| {
        found.permissions().mode() & SETGID_AND_GROUP_WRITES == SETGID_AND_GROUP_WRITES
    });
    if shared { SHARED } else { PRIVATE }
}

/// Makes the folder (0700) and the file (0600, 0660 where its folder is shared) where they are missing.
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

/// Closes the file of a store, and those that SQLite keeps beside it, to others than those who share its folder.
pub(super) fn close_to_others(path: &Path) -> io::Result<()> {
    let mode = mode_of(path);
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let file = Path::new(&name);
        let others = 0o077 & !mode;
        if fs::metadata(file).is_ok_and(|found| found.permissions().mode() & others != 0) {
            close(file, mode)?;
        }
    }
    Ok(())
}

fn close(path: &Path, mode: u32) -> io::Result<()> {
    match fs::set_permissions(path, Permissions::from_mode(mode)) {
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
    let mode = mode_of(path);
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(path);
    match made {
        // The mask of the process would take the group's right away.
        Ok(_) if mode != PRIVATE => fs::set_permissions(path, Permissions::from_mode(mode)),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}
