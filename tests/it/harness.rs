//! A project in a folder of its own, and the real binary run in it with nothing inherited from the machine but the PATH.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use regex::Regex;
use tempfile::TempDir;

/// Ends a run that hangs, so that a broken binary fails the suite instead of stopping it. No assertion depends on it.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(300);

/// A project: `opsbook.toml`, `runbooks/` and a home folder that belongs to nobody.
pub(crate) struct Project {
    root: TempDir,
    variables: Vec<(String, String)>,
}

impl Project {
    /// A project with a configuration that says nothing but its name.
    pub(crate) fn new() -> Self {
        Self::bare().config("project = \"test\"\n")
    }

    /// A folder without a configuration.
    pub(crate) fn bare() -> Self {
        let root = TempDir::with_prefix("opsbook-").unwrap();
        for folder in ["home", "project", "state", "runtime"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self {
            root,
            variables: Vec::new(),
        }
    }

    /// Writes `opsbook.toml`.
    pub(crate) fn config(self, text: &str) -> Self {
        self.file("opsbook.toml", text)
    }

    /// Writes a runbook with one line of title before `text`.
    pub(crate) fn runbook(self, path: &str, text: &str) -> Self {
        let text = format!("title = \"A test\"\n{text}");
        self.file(&format!("runbooks/{path}.toml"), text)
    }

    /// Writes a file of the project.
    pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Copies the example estate of the repository: `config.example.toml` and `examples/`, without what it has made.
    pub(crate) fn with_example(self) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut names = vec![PathBuf::from("config.example.toml"), "examples".into()];
        while let Some(name) = names.pop() {
            let source = repository.join(&name);
            let target = self.path(name.to_str().unwrap());
            if !source.is_dir() {
                std::fs::copy(&source, &target).unwrap();
                continue;
            }
            std::fs::create_dir(target).unwrap();
            let entries = std::fs::read_dir(source).unwrap();
            names.extend(
                entries
                    .map(|entry| name.join(entry.unwrap().file_name()))
                    .filter(|name| !name.ends_with("state")),
            );
        }
        self
    }

    /// Sets an environment variable for every run.
    pub(crate) fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// A path in the project.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join("project").join(path)
    }

    /// The folder that the store lies in unless a test says otherwise.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    /// What a file of the project holds.
    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The binary in this project, not yet started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_opsbook"));
        command
            .args(arguments)
            .current_dir(self.path(""))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.root.path().join("home"))
            .env("XDG_CONFIG_HOME", self.root.path().join("home/.config"))
            .env("XDG_DATA_HOME", self.root.path().join("home/.local/share"))
            .env("XDG_CACHE_HOME", self.root.path().join("home/.cache"))
            .env("XDG_STATE_HOME", self.state())
            .env("XDG_RUNTIME_DIR", self.root.path().join("runtime"))
            .env("COLUMNS", "80")
            .env("TZ", "UTC")
            .env("LC_ALL", "C.UTF-8")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.finish(self.command(arguments), arguments)
    }

    /// Runs a command of the project to its end.
    pub(crate) fn finish(&self, command: Command, arguments: &[&str]) -> Output {
        let output = assert_cmd::Command::from_std(command)
            .timeout(WATCHDOG)
            .output()
            .unwrap();
        Output {
            line: format!("opsbook {}", arguments.join(" ")),
            code: exit_code(output.status),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
            root: self.root.path().to_owned(),
        }
    }
}

/// The next connection, which must come.
pub(crate) fn accept(listener: &std::net::TcpListener) -> std::net::TcpStream {
    let (sender, connection) = std::sync::mpsc::channel();
    let listener = listener.try_clone().unwrap();
    std::thread::spawn(move || sender.send(listener.accept().unwrap().0));
    let stream = connection
        .recv_timeout(WATCHDOG)
        .expect("somebody connects");
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream
}

/// A port of 127.0.0.1 that nobody listens on: who knocks is refused, unless a server that the test starts has taken it. As
/// long as this lives the system gives it to nobody else.
pub(crate) struct ClosedPort {
    number: u16,
    _holder: tokio::net::TcpSocket,
}

impl ClosedPort {
    pub(crate) fn new() -> Self {
        let holder = tokio::net::TcpSocket::new_v4().unwrap();
        // A server that says the same may listen beside it.
        holder.set_reuseaddr(true).unwrap();
        holder.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self {
            number: holder.local_addr().unwrap().port(),
            _holder: holder,
        }
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

/// Tries what its time cuts off with more and more of it, until it came as far as it is to come before: how fast this machine
/// is, nobody knows. An attempt that had too little says what came of it instead.
#[track_caller]
pub(crate) fn with_time_enough<T>(attempt: impl Fn(&str) -> Result<T, String>) -> T {
    attempt("1s")
        .or_else(|_| attempt("5s"))
        .or_else(|_| attempt("25s"))
        .unwrap_or_else(|said| panic!("it does not come so far in time\n{said}"))
}

/// The exit code as a shell tells it: 128 + n for a signal.
pub(crate) fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap()
}

/// How a run of the binary ended.
pub(crate) struct Output {
    line: String,
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    root: PathBuf,
}

impl Output {
    /// It ended with this code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "the exit code is wrong\n{}", self.shown());
        self
    }

    /// Standard output holds this text.
    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text),
            "stdout lacks {text:?}\n{}",
            self.shown()
        );
        self
    }

    /// Standard error holds this text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "stderr lacks {text:?}\n{}",
            self.shown()
        );
        self
    }

    /// Neither stream holds this text.
    #[track_caller]
    pub(crate) fn never_shows(self, text: &str) -> Self {
        assert!(
            !self.stdout.contains(text) && !self.stderr.contains(text),
            "{text:?} is shown\n{}",
            self.shown()
        );
        self
    }

    /// The status of a step by the table, `ok` or `CRITICAL`; the step must have a line.
    #[track_caller]
    pub(crate) fn step(self, name: &str, status: &str) -> Self {
        let line = self
            .stdout
            .lines()
            .find(|line| line.split_whitespace().next() == Some(name))
            .unwrap_or_else(|| panic!("no line of step {name:?}\n{}", self.shown()));
        assert!(
            line.contains(status),
            "step {name:?} is not {status:?}: {line}\n{}",
            self.shown()
        );
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is no JSON: {error}\n{}", self.shown()))
    }

    /// Standard output as one JSON value a line.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        self.stdout
            .lines()
            .map(|line| {
                serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("no JSON: {error}\n{line}\n{}", self.shown()))
            })
            .collect()
    }

    /// The whole result with what differs from run to run replaced: what snapshots hold.
    pub(crate) fn shown(&self) -> String {
        format!(
            "$ {}\n[exit {}]\n--- stdout\n{}--- stderr\n{}",
            self.line,
            self.code,
            redact(&self.stdout, &self.root),
            redact(&self.stderr, &self.root)
        )
    }
}

/// Replaces what differs from run to run: paths, times, lengths of time, numbers of runs and processes, the version.
pub(crate) fn redact(text: &str, root: &Path) -> String {
    let rules = [
        (regex::escape(&root.display().to_string()), "[ROOT]"),
        (
            r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}| UTC)?"
                .to_owned(),
            "[TIME]",
        ),
        (r"\b\d+(\.\d+)? (ms|s|min|h)\b".to_owned(), "[TOOK]"),
        (r"\brun \d+".to_owned(), "run [N]"),
        (r"\bpid \d+".to_owned(), "pid [N]"),
        (r"127\.0\.0\.1:\d+".to_owned(), "127.0.0.1:[PORT]"),
        (
            regex::escape(env!("CARGO_PKG_VERSION")) + r"\b",
            "[VERSION]",
        ),
        (r"[ \t]+\n".to_owned(), "\n"),
    ];
    rules
        .into_iter()
        .fold(text.to_owned(), |text, (pattern, stand_in)| {
            Regex::new(&pattern)
                .unwrap()
                .replace_all(&text, stand_in)
                .into_owned()
        })
}

/// A file system in memory that is soon full. Needs root; ends with the value.
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    /// Mounts one of this size.
    pub(crate) fn of_kibibytes(size: usize) -> Self {
        Self::mounted(&format!("size={size}k"))
    }

    /// Mounts one that cannot be written at all.
    pub(crate) fn read_only() -> Self {
        Self::mounted("ro")
    }

    fn mounted(options: &str) -> Self {
        let folder = TempDir::with_prefix("opsbook-disk-").unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(folder.path())
            .status()
            .expect("mount can be started");
        assert!(
            mounted.success(),
            "a full disk needs the right to mount; run: sudo scripts/test"
        );
        Self(folder)
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Leaves no room on it.
    pub(crate) fn fill(&self) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.path().join("filler")).unwrap();
        while file.write_all(&[0; 512]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn the_redactor_hides_what_differs_from_run_to_run() {
    let text = " count  ok  21 ms  doomed = 7   \nrun 412, pid 7, 0.1 s, 2026-11-20T03:00:00.123Z, /x/y/z 127.0.0.1:80\n";
    assert_eq!(
        redact(text, Path::new("/x/y")),
        " count  ok  [TOOK]  doomed = 7\nrun [N], pid [N], [TOOK], [TIME], [ROOT]/z 127.0.0.1:[PORT]\n"
    );
}
