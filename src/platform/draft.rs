//! A file that is there whole or not at all, and never in the place of another. Nobody but the user may read it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::blocking;
use super::disk;
use crate::base::text::hexadecimal;

/// How much is read at a time.
const CHUNK: usize = 256 * 1024;

/// A file that is still being written. It is gone when this is dropped.
#[derive(Debug)]
pub struct Draft {
    file: NamedTempFile,
    path: PathBuf,
}

/// A file that is whole, and lies on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Where it is.
    pub path: PathBuf,
    /// Its size, in bytes.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// Why a file cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// There is a file of this name, which stays.
    #[error("there is {} already", .0.display())]
    There(PathBuf),
    /// The disk has no room for it.
    #[error("{} has room for {available} bytes, and it takes about {wanted}", folder.display())]
    NoRoom {
        /// The folder.
        folder: PathBuf,
        /// What may still be written there, in bytes.
        available: u64,
        /// What it takes, in bytes.
        wanted: u64,
    },
    /// The folder or the file cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Unwritable {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Draft {
    /// Begins a file of this path that takes about so many bytes. A folder that is not there is made, for the user alone
    /// and out of the sight of git.
    ///
    /// # Errors
    /// When there is such a file already, no room, or the folder cannot be written.
    pub fn begin(path: &Path, about: u64) -> Result<Self, DraftError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let unwritable = |source| DraftError::Unwritable {
            path: folder.to_owned(),
            source,
        };
        make_folder(folder).map_err(unwritable)?;
        if fs::symlink_metadata(path).is_ok() {
            return Err(DraftError::There(path.to_owned()));
        }
        let available = disk::usage(folder).map_err(unwritable)?.available;
        if available < about {
            return Err(DraftError::NoRoom {
                folder: folder.to_owned(),
                available,
                wanted: about,
            });
        }
        let file = NamedTempFile::new_in(folder).map_err(unwritable)?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// The file while it is written.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Puts the file on the disk under its name.
    ///
    /// # Errors
    /// When it cannot be read or written, or there is another by now.
    pub async fn keep(self) -> Result<Kept, DraftError> {
        self.keep_or_as(Vec::new()).await
    }

    /// Puts the file on the disk under its name, or the first of these that is free where another took it meanwhile.
    ///
    /// # Errors
    /// When it cannot be read or written, or none of the names is free by now.
    pub async fn keep_or_as(self, others: Vec<PathBuf>) -> Result<Kept, DraftError> {
        let path = self.path.clone();
        let kept = blocking::run(move |_| self.keep_now(others)).await;
        kept.map_err(|ending| DraftError::Unwritable {
            path,
            source: io::Error::other(ending),
        })?
    }

    fn keep_now(self, others: Vec<PathBuf>) -> Result<Kept, DraftError> {
        let Self { mut file, path } = self;
        let unwritable = |source| DraftError::Unwritable {
            path: path.clone(),
            source,
        };
        let (bytes, sha256) = digest(file.path()).map_err(unwritable)?;
        // Another program may have written it: what is on the disk is what was read.
        let written = File::open(file.path()).map_err(unwritable)?;
        written.sync_all().map_err(unwritable)?;
        let mut others = others.into_iter();
        let mut place = path.clone();
        while let Err(error) = file.persist_noclobber(&place) {
            if error.error.kind() != io::ErrorKind::AlreadyExists {
                return Err(unwritable(error.error));
            }
            file = error.file;
            place = others.next().ok_or(DraftError::There(place))?;
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        let folder = File::open(folder).map_err(unwritable)?;
        folder.sync_all().map_err(unwritable)?;
        Ok(Kept {
            bytes,
            sha256,
            path: place,
        })
    }
}

/// Makes a folder for the user alone. What is kept there is no part of a repository.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    match File::create_new(folder.join(".gitignore")) {
        Ok(mut ignore) => ignore.write_all(b"*\n"),
        // Another made the folder at the same moment.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok((bytes, hexadecimal(&hash.finalize())));
        }
        hash.update(&chunk[..read]);
        bytes += read as u64;
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Draft, DraftError};

    #[tokio::test]
    async fn a_file_is_whole_private_and_in_no_others_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/copy");
        let draft = Draft::begin(&path, 3).unwrap();
        fs::write(draft.path(), "abc").unwrap();
        assert!(!path.exists());
        let kept = draft.keep().await.unwrap();
        assert_eq!(
            (kept.bytes, fs::read(&path).unwrap().as_slice()),
            (3, &b"abc"[..])
        );
        assert_eq!(
            kept.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let mode =
            |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read(path.with_file_name(".gitignore")).unwrap(), b"*\n");
        assert!(matches!(Draft::begin(&path, 0), Err(DraftError::There(_))));
    }

    #[tokio::test]
    async fn one_that_came_meanwhile_stays_and_a_dropped_draft_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy");
        let draft = Draft::begin(&path, 0).unwrap();
        fs::write(&path, "another").unwrap();
        assert!(matches!(draft.keep().await, Err(DraftError::There(_))));
        assert_eq!(fs::read(&path).unwrap(), b"another");
        drop(Draft::begin(&folder.path().join("other"), 0).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn one_that_came_meanwhile_leaves_another_name_to_the_draft() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy");
        let second = folder.path().join("copy-2");
        let [one, two] = [(); 2].map(|()| Draft::begin(&path, 0).unwrap());
        fs::write(one.path(), "one").unwrap();
        fs::write(two.path(), "two").unwrap();
        assert_eq!(one.keep().await.unwrap().path, path);
        let others = vec![path.clone(), second.clone()];
        assert_eq!(two.keep_or_as(others).await.unwrap().path, second);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read(&second).unwrap(), b"two");
    }

    #[test]
    fn what_the_disk_has_no_room_for_is_not_begun() {
        let folder = tempfile::tempdir().unwrap();
        let error = Draft::begin(&folder.path().join("copy"), u64::MAX).unwrap_err();
        assert!(matches!(error, DraftError::NoRoom { .. }), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
