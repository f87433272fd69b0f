//! Cloudflare's program wrangler, driven so that it asks nobody anything: without a terminal it answers yes to whatever
//! it would ask, so whoever calls has asked before. It runs SQL on a D1 database; it binds no values.
//! Must not decide what a piece of SQL may do.

mod answer;
mod error;
mod find;

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep, sleep_until};

use crate::base::Masker;

use super::process::{self, Ended, Program};
use super::rows::Rows;

pub use error::WranglerError;

/// The oldest version whose commands and answers are these.
pub(super) const OLDEST: (u32, u32, u32) = (4, 0, 0);

/// How long one call may take unless said otherwise: wrangler itself waits 300 s for a server that says nothing.
const LONGEST: Duration = Duration::from_secs(60);

/// How long an import of a file may take unless said otherwise.
const LONGEST_IMPORT: Duration = Duration::from_secs(600);

/// The longest SQL that is handed over as an argument, in bytes: the system takes none of 128 KiB.
const LONGEST_ARGUMENT: usize = 120 << 10;

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 32 << 20;

/// So long before the deadline it is asked to end, and killed after half of it: so that how it ended can still be told.
const RESERVE: Duration = Duration::from_secs(1);

/// How often it is called at most where another process holds a lock: it waits for none itself.
const TRIES: u32 = 3;

/// How long it takes at most until it is called again.
const PAUSE: Duration = Duration::from_secs(1);

/// The versions that programs have said, each asked once.
static SAID: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// Which database is meant. wrangler takes its own copy unless it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The one at Cloudflare.
    Remote,
    /// The copy on this machine, which `wrangler dev` uses too.
    Local,
}

impl Place {
    /// The option that says it.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::Remote => "--remote",
            Self::Local => "--local",
        }
    }
}

/// A D1 database behind wrangler.
#[derive(Clone, Debug)]
pub struct Wrangler {
    /// The program's name in `PATH`, or its absolute path; found beside the configuration or in `PATH` where none is given.
    pub program: Option<String>,
    /// The folder that it runs in: where its configuration is, or the project's.
    pub folder: PathBuf,
    /// Its own configuration file; found by itself where none is given.
    pub config: Option<PathBuf>,
    /// Which environment of its configuration.
    pub environment: Option<String>,
    /// Where its copies on this machine lie, where it is not the usual place.
    pub persist_to: Option<PathBuf>,
    /// The database's name, or its binding.
    pub database: String,
    /// Which of the two.
    pub place: Place,
    /// Variables beside those that opsbook inherited: the account, the token.
    pub variables: Vec<(String, String)>,
    /// When it must be over.
    pub deadline: Option<Instant>,
}

impl Wrangler {
    /// Runs statements in one transaction; gives what each gave, at most `limit` rows of each.
    ///
    /// # Errors
    /// When wrangler cannot be run, or D1 refuses.
    pub async fn execute(
        &self,
        statements: &[String],
        limit: usize,
    ) -> Result<Vec<Rows>, WranglerError> {
        let sql = joined(statements)?;
        let (_folder, argument) = if !self.shows_statements() {
            let (folder, file) = written(&sql)?;
            (Some(folder), format!("--file={}", file.display()))
        } else if sql.len() <= LONGEST_ARGUMENT {
            (None, format!("--command={sql}"))
        } else {
            return Err(WranglerError::TooLong { bytes: sql.len() });
        };
        let said = self.d1(&argument, longest(&sql)).await?;
        answer::tables(&said, statements.len(), limit)
    }

    /// Runs statements in one transaction, however long they are; gives how many rows that changed.
    ///
    /// # Errors
    /// As [`Wrangler::execute`].
    pub async fn import(&self, statements: &[String]) -> Result<u64, WranglerError> {
        let (_folder, file) = written(&joined(statements)?)?;
        let argument = format!("--file={}", file.display());
        let said = self.d1(&argument, LONGEST_IMPORT).await?;
        answer::changes(&said)
    }

    /// Runs one statement; gives what it gave, and how many bytes the database takes where D1 says it.
    ///
    /// # Errors
    /// As [`Wrangler::execute`].
    pub async fn measure(&self, sql: &str) -> Result<(Rows, Option<u64>), WranglerError> {
        let said = self.d1(&format!("--command={sql}"), LONGEST).await?;
        let rows = answer::tables(&said, 1, 1)?.pop().unwrap_or_default();
        Ok((rows, answer::size(&said)?))
    }

    /// Whether statements that are to give rows stand on the command line, where everybody on this machine can read them:
    /// at Cloudflare a file is imported, and an import gives none.
    #[must_use]
    pub fn shows_statements(&self) -> bool {
        self.place == Place::Remote
    }

    /// Whether statements fit one call that gives rows.
    #[must_use]
    pub fn takes(&self, statements: &[String]) -> bool {
        let bytes: usize = statements.iter().map(|sql| sql.len() + 3).sum();
        !self.shows_statements() || bytes <= LONGEST_ARGUMENT
    }

    /// Where the database at Cloudflare is in its own past.
    ///
    /// # Errors
    /// As [`Wrangler::execute`].
    pub async fn bookmark(&self) -> Result<String, WranglerError> {
        let words = ["d1", "time-travel", "info", &self.database, "--json"];
        let ended = self.run(&words, LONGEST).await?;
        answer::bookmark(&ended)
    }

    /// `d1 execute`
    async fn d1(&self, sql: &str, limit: Duration) -> Result<answer::Said, WranglerError> {
        let persist = self
            .persist_to
            .as_deref()
            .filter(|_| self.place == Place::Local);
        let persist = persist.map(|path| format!("--persist-to={}", path.display()));
        let mut words = vec!["d1", "execute", &self.database, self.place.option()];
        words.extend(["--json", "--yes", sql]);
        words.extend(persist.as_deref());
        let mut tries = 1;
        loop {
            let begun = Instant::now();
            match self.run(&words, limit).await {
                Err(WranglerError::Locked(_)) if tries < TRIES && self.has_time(begun) => {}
                ended => return ended,
            }
            tries += 1;
            // Not at the same moment as the other process.
            sleep(PAUSE.mul_f64(fastrand::f64())).await;
        }
    }

    /// Whether there is time for a pause and another call like the one that was begun then.
    fn has_time(&self, begun: Instant) -> bool {
        let needed = Instant::now() + begun.elapsed() + PAUSE + RESERVE;
        self.deadline.is_none_or(|deadline| needed < deadline)
    }

    async fn run(&self, words: &[&str], limit: Duration) -> Result<answer::Said, WranglerError> {
        let name = find::program(self.program.as_deref(), &self.folder);
        let log = private_folder("opsbook-wrangler-").map_err(WranglerError::Folder)?;
        let program = self.program(&name, words, log.path());
        self.check_version(&name, log.path()).await?;
        let ended = self.to_its_end(&program, limit).await?;
        answer::judged(&ended)
    }

    fn program(&self, name: &str, words: &[&str], log: &Path) -> Program {
        let mut arguments: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let config = self.config.as_deref();
        arguments.extend(config.map(|config| format!("--config={}", config.display())));
        let environment = self.environment.as_deref();
        arguments.extend(environment.map(|environment| format!("--env={environment}")));
        let quiet = [
            ("WRANGLER_SEND_METRICS", "false".to_owned()),
            ("WRANGLER_SEND_ERROR_REPORTS", "false".to_owned()),
            ("WRANGLER_HIDE_BANNER", "true".to_owned()),
            ("WRANGLER_NO_SKILLS_UPDATE_PROMPTS", "true".to_owned()),
            // An inherited `none` takes the answer away, `debug` puts lines into it.
            ("WRANGLER_LOG", "log".to_owned()),
            // Its log holds what it was called with.
            ("WRANGLER_LOG_PATH", log.display().to_string()),
        ];
        let quiet = quiet.map(|(name, value)| (name.to_owned(), value));
        Program {
            folder: Some(self.folder.clone()),
            variables: self.variables.iter().cloned().chain(quiet).collect(),
            keeps: Some(LONGEST_ANSWER),
            ..Program::new(name, arguments)
        }
    }

    /// Runs it until it ends or its time is over; then it is ended with everything that it started.
    async fn to_its_end(&self, program: &Program, limit: Duration) -> Result<Ended, WranglerError> {
        let left = self.deadline.map_or(limit, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        let reserve = RESERVE.min(left / 2);
        let end = Instant::now() + (left - reserve);
        let program = Program {
            grace: reserve / 2,
            ..program.clone()
        };
        let late = std::cell::Cell::new(false);
        let over = async {
            sleep_until(end).await;
            late.set(true);
        };
        let started = std::time::Instant::now();
        let ended = process::run(&program, &|_| {}, over).await?;
        if late.get() {
            return Err(WranglerError::Late(started.elapsed()));
        }
        if ended.stdout.left_out() > 0 {
            return Err(WranglerError::TooMuch);
        }
        Ok(ended)
    }

    /// Holds the version to the oldest that is known; asked of the program itself where no package tells it.
    async fn check_version(&self, name: &str, log: &Path) -> Result<(), WranglerError> {
        let version = match find::version(name).or_else(|| known(name)) {
            Some(version) => version,
            None => {
                let program = Program {
                    arguments: vec!["--version".to_owned()],
                    ..self.program(name, &[], log)
                };
                let ended = self.to_its_end(&program, LONGEST).await?;
                let version = answer::version(&ended)?;
                let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
                said.push((name.to_owned(), version.clone()));
                version
            }
        };
        match find::numbers(&version) {
            Some(found) if found >= OLDEST => Ok(()),
            _ => Err(WranglerError::TooOld { version }),
        }
    }
}

/// The version that a program of this name has said before.
fn known(name: &str) -> Option<String> {
    let said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    let found = said.iter().find(|(known, _)| known == name);
    found.map(|(_, version)| version.clone())
}

/// How long a call with this SQL may take unless said otherwise: the copy of this machine needs milliseconds a statement.
const fn longest(sql: &str) -> Duration {
    if sql.len() <= LONGEST_ARGUMENT {
        LONGEST
    } else {
        LONGEST_IMPORT
    }
}

/// Statements as one text.
fn joined(statements: &[String]) -> Result<String, WranglerError> {
    // The line break ends a comment at the end of a statement.
    let sql = statements.join("\n;\n");
    if sql.contains("BEGIN TRANSACTION") {
        return Err(WranglerError::Transaction);
    }
    Ok(sql)
}

/// A folder that goes away and that nobody else may look into, whatever the umask says.
fn private_folder(prefix: &str) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    let private = std::fs::Permissions::from_mode(0o700);
    builder.prefix(prefix).permissions(private).tempdir()
}

/// A folder that goes away, and the file in it that holds this.
fn written(sql: &str) -> Result<(TempDir, PathBuf), WranglerError> {
    let write = || -> io::Result<(TempDir, PathBuf)> {
        let folder = private_folder("opsbook-sql-")?;
        let file = folder.path().join("statements.sql");
        let mut options = File::options();
        let options = options.write(true).create_new(true).mode(0o600);
        options.open(&file)?.write_all(sql.as_bytes())?;
        Ok((folder, file))
    };
    write().map_err(WranglerError::Folder)
}

/// The text of an output, without the colours that wrangler puts in.
fn plain(captured: &process::Captured) -> String {
    let text = captured.text(&Masker::default());
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.split("\u{1b}[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|character: char| character.is_ascii_alphabetic());
        plain.push_str(end.map_or("", |end| &part[end + 1..]));
    }
    plain
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{LONGEST, longest, written};

    #[test]
    fn a_long_script_has_more_time() {
        assert_eq!(longest("SELECT 1"), LONGEST);
        assert!(longest(&"SELECT 1;".repeat(20_000)) > LONGEST);
    }

    #[test]
    fn statements_in_a_file_are_for_nobody_else() {
        let (folder, file) = written("SELECT 1").unwrap();
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!(mode(file.as_path()), 0o600);
        drop(folder);
        assert!(!file.exists());
    }
}
