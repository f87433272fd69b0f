//! A file that is there whole or not at all, and never in the place of another. Nobody but the user may read it, and no
//! repository takes it in.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::unistd::geteuid;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::blocking::{self, Abandoned};
use super::disk;
use crate::base::text::hexadecimal;

/// How much is read at a time.
const CHUNK: usize = 256 * 1024;

/// The folder within one that a repository of git would take in.
const HIDDEN: &str = "opsbook-copies";

/// How the names of drafts begin.
const PREFIX: &str = ".opsbook-draft-";

/// How a draft is locked while it is written.
const LOCK: FlockArg = FlockArg::LockExclusiveNonblock;

/// What SQLite keeps beside a file that it writes, behind its name.
const BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];

/// A file that is still being written. It is gone when this is dropped; what a process that was killed leaves of one is
/// cleared away by the next.
#[derive(Debug)]
pub struct Draft {
    file: NamedTempFile,
    path: PathBuf,
    /// Held until the file has its name.
    lock: Option<Flock<File>>,
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
    /// Others may put something else into the place of what is kept there.
    #[error("others may write to {}", .0.display())]
    Open(PathBuf),
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
    /// Begins a file of this path, in a folder that [`home`] gave, that takes about so many bytes. A folder that is not there
    /// is made, for the user alone and out of the sight of git.
    ///
    /// # Errors
    /// When there is such a file already, no room, or the folder cannot be written, or others may write to it.
    pub fn begin(path: &Path, about: u64) -> Result<Self, DraftError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let unwritable = |source| DraftError::Unwritable {
            path: folder.to_owned(),
            source,
        };
        make_folder(folder).map_err(unwritable)?;
        if let Some(open) = open_to_others(folder).map_err(unwritable)? {
            return Err(DraftError::Open(open));
        }
        clear(folder);
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
        let (file, lock) = held(folder).map_err(unwritable)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            lock,
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
        let kept = blocking::run(move |abandoned| self.keep_now(others, abandoned)).await;
        kept.map_err(|ending| DraftError::Unwritable {
            path,
            source: io::Error::other(ending),
        })?
    }

    fn keep_now(self, others: Vec<PathBuf>, abandoned: &Abandoned) -> Result<Kept, DraftError> {
        let Self {
            mut file,
            path,
            lock: _lock,
        } = self;
        let unwritable = |source| DraftError::Unwritable {
            path: path.clone(),
            source,
        };
        let (bytes, sha256) = digest(file.path()).map_err(unwritable)?;
        // Another program may have written it: what is on the disk is what was read.
        let written = File::open(file.path()).map_err(unwritable)?;
        written.sync_all().map_err(unwritable)?;
        if abandoned.get() {
            // Nobody would be told that it is there.
            return Err(unwritable(io::ErrorKind::Interrupted.into()));
        }
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

/// The folder where a file is kept that was to be kept in this one: the same, or one of our own within it where the folder
/// was made by somebody else and a repository of git would take in what is put there.
#[must_use]
pub fn home(folder: &Path) -> PathBuf {
    let Ok(whole) = folder.canonicalize() else {
        // It will be made.
        return folder.to_owned();
    };
    let in_repository = whole.ancestors().any(|above| above.join(".git").exists());
    match in_repository && !ignores_all(folder) {
        true => folder.join(HIDDEN),
        false => folder.to_owned(),
    }
}

/// Whether git ignores whatever is in a folder, as in those that are made here.
fn ignores_all(folder: &Path) -> bool {
    let ignored = fs::read_to_string(folder.join(".gitignore")).unwrap_or_default();
    let mut lines = ignored.lines().map(str::trim_end);
    lines.clone().any(|line| line == "*") && !lines.any(|line| line.starts_with('!'))
}

/// The folder, or the one around our own within it, that others than the user may write to.
fn open_to_others(folder: &Path) -> io::Result<Option<PathBuf>> {
    const OTHERS: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    let own = folder.file_name() == Some(OsStr::new(HIDDEN));
    let around = folder.parent().filter(|_| own);
    for folder in [folder].into_iter().chain(around) {
        let mode = fs::metadata(folder)?.mode();
        if mode & OTHERS != 0 && mode & STICKY == 0 {
            return Ok(Some(folder.to_owned()));
        }
    }
    Ok(None)
}

/// An empty file with the lock by which others are told that it is in use. Where the system knows no locks it has none, and
/// nothing is ever taken for left behind.
fn held(folder: &Path) -> io::Result<(NamedTempFile, Option<Flock<File>>)> {
    loop {
        let file = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempfile_in(folder)?;
        let lock = Flock::lock(file.as_file().try_clone()?, LOCK);
        // Another that began at this moment takes it for left behind, or has done so.
        let taken = matches!(lock, Err((_, Errno::EWOULDBLOCK))) || !file.path().exists();
        if !taken {
            return Ok((file, lock.ok()));
        }
    }
}

/// Clears away what processes left behind that are no more. What cannot be told or removed stays.
fn clear(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let Some(name) = path.file_name().and_then(OsStr::to_str) else {
            continue;
        };
        if !name.starts_with(PREFIX) {
            continue;
        }
        let draft = BESIDE.iter().find_map(|end| name.strip_suffix(end));
        let draft = folder.join(draft.unwrap_or(name));
        // Held until it is gone: who begins one of this name meanwhile takes another.
        let _held = match own_file(&draft) {
            Ok(Some(file)) => match Flock::lock(file, LOCK) {
                Ok(lock) => Some(lock),
                Err(_) => continue,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Ok(None) | Err(_) => continue,
        };
        let _ = fs::remove_file(&path);
    }
}

/// Opens a file of the user's own; none where something else is there, that nobody here begins. A pipe without a writer
/// would otherwise hold up the thread, and every signal to it, for ever.
fn own_file(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_NOCTTY;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)?;
    let found = file.metadata()?;
    let is_own = found.is_file() && found.uid() == geteuid().as_raw();
    Ok(is_own.then_some(file))
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
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::sync::mpsc;
    use std::time::Duration;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::{Draft, DraftError, HIDDEN, PREFIX, home};

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

    /// There is one thread for what blocks, so what is begun last has ended last.
    #[test]
    fn what_nobody_waits_for_any_more_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy");
        let draft = Draft::begin(&path, 0).unwrap();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        runtime.block_on(async {
            let busy = tokio::task::spawn_blocking(move || wait.recv());
            let mut keep = Box::pin(draft.keep());
            assert!(futures_util::poll!(&mut keep).is_pending());
            drop(keep);
            go.send(()).unwrap();
            busy.await.unwrap().unwrap();
            tokio::task::spawn_blocking(|| {}).await.unwrap();
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_the_dead_left_is_cleared_away_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["x", "x-journal", "y-wal"] {
            fs::write(path(&format!("{PREFIX}{name}")), "left").unwrap();
        }
        fs::write(path(".tmpABCDEF"), "another's").unwrap();
        let living = Draft::begin(&path("living"), 0).unwrap();
        let beside = format!("{}-journal", living.path().display());
        fs::write(&beside, "in use").unwrap();
        let other = Draft::begin(&path("other"), 0).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        left.sort();
        let mut wanted = [
            path(".tmpABCDEF"),
            living.path().to_owned(),
            beside.into(),
            other.path().to_owned(),
        ];
        wanted.sort();
        assert_eq!(left, wanted);
    }

    #[test]
    fn what_is_no_file_of_ours_is_neither_waited_for_nor_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(format!("{PREFIX}{name}"));
        mkfifo(&path("pipe"), Mode::S_IRWXU).unwrap();
        fs::create_dir(path("folder")).unwrap();
        fs::write(folder.path().join("elsewhere"), "another's").unwrap();
        symlink(folder.path().join("elsewhere"), path("link")).unwrap();
        let (begun, ended) = mpsc::channel();
        let copy = folder.path().join("copy");
        std::thread::spawn(move || begun.send(Draft::begin(&copy, 0).is_ok()));
        let ended = ended.recv_timeout(Duration::from_secs(20));
        assert_eq!(ended, Ok(true), "it waits for the pipe");
        for name in ["pipe", "folder", "link"] {
            assert!(fs::symlink_metadata(path(name)).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_repository_takes_nothing_in_whoever_made_the_folder() {
        let repository = tempfile::tempdir().unwrap();
        fs::create_dir(repository.path().join(".git")).unwrap();
        let folder = repository.path().join("copies");
        // One that is not there yet is made with what hides it.
        assert_eq!(home(&folder), folder);
        drop(Draft::begin(&folder.join("copy"), 0).unwrap());
        assert_eq!(home(&folder), folder);
        for shown in ["", "*.log\n", "*\n!*.sqlite\n"] {
            fs::write(folder.join(".gitignore"), shown).unwrap();
            assert_eq!(home(&folder), folder.join(HIDDEN), "{shown:?}");
        }
        fs::remove_file(folder.join(".gitignore")).unwrap();
        let within = home(&folder);
        drop(Draft::begin(&within.join("copy"), 0).unwrap());
        assert_eq!(fs::read(within.join(".gitignore")).unwrap(), b"*\n");
        assert!(!folder.join(".gitignore").exists(), "it is not ours");
        let outside = tempfile::tempdir().unwrap();
        assert_eq!(home(outside.path()), outside.path());
    }

    #[test]
    fn nothing_is_kept_where_others_may_write() {
        let repository = tempfile::tempdir().unwrap();
        fs::create_dir(repository.path().join(".git")).unwrap();
        let folder = repository.path().join("copies");
        fs::create_dir(&folder).unwrap();
        for (mode, is_open) in [
            (0o777, true),
            (0o770, true),
            (0o755, false),
            (0o1777, false),
        ] {
            fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
            let begun = Draft::begin(&home(&folder).join("copy"), 0);
            let refused = matches!(begun, Err(DraftError::Open(open)) if open == folder);
            assert_eq!(refused, is_open, "{mode:o}");
        }
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
