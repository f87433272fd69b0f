//! Where the rows of an export go: standard output, a device, a file. Owns what may never be written over.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tempfile::NamedTempFile;

use crate::config::{Config, D1Via, DatabaseKind, SecretSource};
use crate::engine::{ActionContext, ActionError, Invocation};

/// The names under which standard output stands among the files.
const OUTPUT: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// Where descriptors stand, under names that look like the files they lead to.
const DESCRIPTORS: [&str; 4] = ["/dev/fd", "/dev/stdout", "/dev/stderr", "/proc"];

/// What a database of SQLite begins with: <https://www.sqlite.org/fileformat.html>.
const SQLITE: &[u8; 16] = b"SQLite format 3\0";

/// What stands beside a database of SQLite, behind its name.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// How names end that settings, keys and statements have, and rows never.
const NO_ROWS: [&str; 11] = [
    "cfg", "conf", "env", "ini", "jsonc", "key", "pem", "sql", "toml", "yaml", "yml",
];

/// How often a pipe is looked at for a reader.
const LOOK: Duration = Duration::from_millis(20);

/// What an export names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Standard output.
    Output,
    /// What is there already and is no file. Nothing may take its place.
    Straight(PathBuf),
    /// A file, links resolved.
    File {
        path: PathBuf,
        /// Whether something is lost where it is written.
        replaces: bool,
    },
}

impl Place {
    /// The place that a call names, unless nothing may be written there.
    pub(super) fn of(
        invocation: &Invocation,
        context: &ActionContext<'_>,
    ) -> Result<Self, ActionError> {
        let Some(given) = invocation.path("to") else {
            return Ok(Self::Output);
        };
        if OUTPUT.iter().any(|name| given == Path::new(name)) {
            return Ok(Self::Output);
        }
        let named = context.folder.join(given);
        let path = resolved(&named);
        let there = std::fs::metadata(&named).ok();
        if let Some(what) = kept(&path, there.as_ref(), context.config) {
            let message = format!("{} is {what}: no export is written there", named.display());
            return Err(ActionError::refused(message).help("name another file with `to`"));
        }
        let descriptor = DESCRIPTORS.iter().any(|name| named.starts_with(name));
        match there {
            Some(there) if descriptor || !there.is_file() => Ok(Self::Straight(named)),
            there => {
                let replaces = there.is_some_and(|there| there.len() > 0);
                if replaces && !invocation.flag("replace") {
                    let message = format!("{} is there already", named.display());
                    return Err(ActionError::refused(message).help(
                        "name another file, or have it replaced: --force, in a runbook `sql.replace = true`",
                    ));
                }
                Ok(Self::File { path, replaces })
            }
        }
    }

    /// The file or the device; none for standard output.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Output => None,
            Self::Straight(path) | Self::File { path, .. } => Some(path),
        }
    }

    /// What happens there, for a preview.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Output => "its rows to standard output".to_owned(),
            Self::Straight(path) => format!("its rows to {}", path.display()),
            Self::File { path, replaces } => match replaces {
                true => format!("its rows replace {}", path.display()),
                false => format!("its rows to {}", path.display()),
            },
        }
    }

    /// Opens it. Waits for the reader of a pipe, on no thread.
    pub(super) async fn open(&self, context: &ActionContext<'_>) -> Result<Target, ActionError> {
        match self {
            Self::Output => context.data.open().map(Target::Open).map_err(|error| {
                ActionError::refused(error.to_string()).help("give `to` the path of a file")
            }),
            Self::Straight(path) => {
                let file = straight(path, context).await;
                let file = file.map_err(|error| unwritable(path, &error))?;
                Ok(Target::Open(context.data.onto(file)))
            }
            Self::File { path, replaces } => {
                if *replaces && !context.may_change {
                    let message = format!("{} would be replaced", path.display());
                    return Err(ActionError::refused(message)
                        .help("nothing is replaced with --read-only or --watch"));
                }
                beside(path)
                    .map(Target::Beside)
                    .map_err(|error| unwritable(path, &error))
            }
        }
    }
}

pub(super) fn unwritable(path: &Path, error: &io::Error) -> ActionError {
    ActionError::own(format!("{} cannot be written: {error}", path.display()))
}

/// What is open for the rows.
pub(super) enum Target {
    /// A file that nobody but the user may read, beside the one whose place it takes in the end.
    Beside(NamedTempFile),
    /// Standard output, a device, a pipe.
    Open(Box<dyn Write + Send>),
}

impl Target {
    pub(super) fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Beside(file) => file,
            Self::Open(out) => out,
        }
    }

    /// Puts what is whole where it belongs. What came there meanwhile stays.
    pub(super) fn keep(self, place: &Place) -> io::Result<()> {
        let (Self::Beside(file), Place::File { path, replaces }) = (self, place) else {
            return Ok(());
        };
        file.as_file().sync_all()?;
        let is_empty = std::fs::metadata(path).is_ok_and(|there| there.len() == 0);
        let kept = match *replaces || is_empty {
            true => file.persist(path),
            false => file.persist_noclobber(path),
        };
        kept.map(|_| ()).map_err(|error| error.error)
    }
}

fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix(".opsbook-export-")
        .tempfile_in(folder)
        // Its own name says nothing to anybody.
        .map_err(|error| io::Error::from(error.kind()))
}

/// Opens what is no file, for writing behind what is there.
async fn straight(path: &Path, context: &ActionContext<'_>) -> io::Result<File> {
    let pipe = std::fs::metadata(path)?.file_type().is_fifo();
    let mut told = false;
    loop {
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let opened = File::options()
            .append(true)
            .custom_flags(flags.bits())
            .open(path);
        match opened {
            // Without a reader. To open it without this flag would hold up a thread, and the end of the run, for ever.
            Err(error) if pipe && error.raw_os_error() == Some(nix::libc::ENXIO) => {
                if !std::mem::replace(&mut told, true) {
                    (context.progress)(format!("waits for a reader of {}", path.display()));
                }
                tokio::time::sleep(LOOK).await;
            }
            Err(error) => return Err(error),
            Ok(file) => {
                // What is written must wait for a slow reader.
                let flags = OFlag::from_bits_truncate(fcntl(&file, FcntlArg::F_GETFL)?);
                fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
                return Ok(file);
            }
        }
    }
}

/// The path without links, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    let whole = || path.canonicalize().ok();
    let folder = || {
        let folder = path.parent()?.canonicalize().ok()?;
        Some(folder.join(path.file_name()?))
    };
    whole()
        .or_else(folder)
        .or_else(|| std::path::absolute(path).ok())
        .unwrap_or_else(|| path.to_owned())
}

/// What a path is that no export may be written to.
fn kept(path: &Path, there: Option<&Metadata>, config: &Config) -> Option<String> {
    if there.is_some_and(|there| there.file_type().is_block_device()) {
        return Some("a disk".to_owned());
    }
    let at = |own: &Path| resolved(&config.folder.join(own));
    let within = |folder: &Path| path.starts_with(at(folder));
    let is_database = |own: &Path| {
        let own = at(own);
        path == own || BESIDE.iter().any(|end| path == behind(&own, end))
    };
    let source = config.source.as_ref();
    if source.is_some_and(|source| path == resolved(source.path())) {
        return Some("the configuration".to_owned());
    }
    if config.store.as_deref().is_some_and(is_database) {
        return Some("the journal".to_owned());
    }
    for (name, source) in &config.secrets {
        if matches!(source, SecretSource::File(own) if path == at(own)) {
            return Some(format!("the file of the secret {name}"));
        }
    }
    for database in &config.databases {
        let name = &database.name;
        let own = match &database.kind {
            DatabaseKind::Sqlite { path: own, create } => {
                is_database(own) || create.as_deref().is_some_and(|create| path == at(create))
            }
            DatabaseKind::D1 { via, .. } => match via {
                D1Via::Api => false,
                D1Via::Wrangler(tool) | D1Via::Local(tool) => {
                    let config = tool.config.as_deref();
                    config.is_some_and(|config| path == at(config))
                        || tool.persist_to.as_deref().is_some_and(within)
                }
            },
            DatabaseKind::Postgres(_) => false,
        };
        if own {
            return Some(format!("a file of the database {name}"));
        }
        if within(database.copies.as_deref().unwrap_or(Path::new("copies"))) {
            return Some(format!("in the folder of copies of the database {name}"));
        }
        let migrations = database.migrations.iter();
        let mut folders = migrations.flat_map(|known| known.folder.iter().chain(&known.rollback));
        if folders.any(|folder| within(folder)) {
            return Some(format!("among the migrations of the database {name}"));
        }
    }
    let runbook = there.is_some() || path.extension().is_some_and(|end| end == "toml");
    if runbook && within(config.runbooks.as_deref().unwrap_or(Path::new("runbooks"))) {
        return Some("among the runbooks".to_owned());
    }
    if there.is_some_and(|there| there.is_file() && there.len() > 0) && holds_no_rows(path) {
        return Some("no file of rows by its name, but one of settings or secrets".to_owned());
    }
    // Nobody needs to have named it: the journal is one, and so is a copy.
    let beside = || {
        let name = path.to_str()?;
        BESIDE.iter().find_map(|end| name.strip_suffix(end))
    };
    let sqlite = is_sqlite(path) || beside().is_some_and(|name| is_sqlite(Path::new(name)));
    sqlite.then(|| "a database of SQLite".to_owned())
}

/// Whether a file is named as those are that programs and people keep their settings and secrets in: `.env`, `tls.key`.
fn holds_no_rows(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let ending = path.extension().and_then(OsStr::to_str);
    hidden || ending.is_some_and(|ending| NO_ROWS.contains(&ending.to_ascii_lowercase().as_str()))
}

fn behind(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

fn is_sqlite(path: &Path) -> bool {
    let mut head = [0; SQLITE.len()];
    // A pipe would give its bytes away, or never any.
    std::fs::metadata(path).is_ok_and(|there| there.is_file())
        && File::open(path).is_ok_and(|mut file| file.read_exact(&mut head).is_ok())
        && head == *SQLITE
}
