//! The binary at a real terminal: a pseudo-terminal for questions, tmux for what a screen shows in the end.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Project, WATCHDOG, exit_code};

/// A run at a pseudo-terminal of 80 by 24, made by `script` of util-linux.
pub(crate) struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    output: Receiver<Vec<u8>>,
    seen: String,
    raw: Vec<u8>,
    /// So many of the bytes are in what was seen.
    decoded: usize,
    pid_file: PathBuf,
}

impl Terminal {
    /// Starts the binary in the project.
    pub(crate) fn start(project: &Project, arguments: &[&str]) -> Self {
        let pid_file = project.state().join("pid");
        let line = format!(
            "stty columns 80 rows 24 && echo $$ > {} && exec {}",
            quoted(&pid_file.display().to_string()),
            shell_line(&project.command(arguments))
        );
        let inner = project.command(&[]);
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .current_dir(inner.get_current_dir().unwrap())
            .env_clear()
            .envs(
                inner
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("`script` is there; run: scripts/test");
        let keyboard = child.stdin.take().unwrap();
        let mut screen = child.stdout.take().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            keyboard,
            output,
            seen: String::new(),
            raw: Vec::new(),
            decoded: 0,
            pid_file,
        }
    }

    /// Waits until the terminal has shown this text.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        let began = Instant::now();
        while !self.seen.contains(text) {
            // Of a watch there is always more to come.
            let left = WATCHDOG.saturating_sub(began.elapsed());
            match self.output.recv_timeout(left) {
                Ok(bytes) if !left.is_zero() => self.take(&bytes),
                _ => panic!("the terminal never shows {text:?}:\n{}", self.seen),
            }
        }
    }

    /// Presses keys: `y\r`, or `\x03` for Ctrl-C.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Sends a signal to the binary.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// The number of the binary's process, once the terminal has shown anything of it.
    pub(crate) fn pid(&self) -> Pid {
        let pid = std::fs::read_to_string(&self.pid_file).unwrap();
        Pid::from_raw(pid.trim().parse().unwrap())
    }

    /// Closes the window: the terminal is gone, and so is whoever held it.
    pub(crate) fn close(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Takes in what came; a character may come in two pieces.
    fn take(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        let rest = &self.raw[self.decoded..];
        let whole = match std::str::from_utf8(rest) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => rest.len(),
        };
        self.seen.push_str(&String::from_utf8_lossy(&rest[..whole]));
        self.decoded += whole;
    }

    /// The exit code and all that was shown.
    #[track_caller]
    pub(crate) fn end(self) -> (i32, String) {
        let (code, seen, _) = self.end_with_bytes();
        (code, seen)
    }

    /// The same with the bytes that the terminal was sent.
    #[track_caller]
    pub(crate) fn end_with_bytes(mut self) -> (i32, String, Vec<u8>) {
        loop {
            match self.output.recv_timeout(WATCHDOG) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    panic!("the run at the terminal does not end:\n{}", self.seen);
                }
            }
        }
        drop(self.keyboard);
        (exit_code(self.child.wait().unwrap()), self.seen, self.raw)
    }
}

/// A screen of tmux on which the binary runs.
pub(crate) struct Pane {
    socket: PathBuf,
}

impl Pane {
    /// Starts the binary in the project on a screen of this size. When it has ended, the screen tells the exit code and
    /// whether keys are shown.
    pub(crate) fn start(project: &Project, arguments: &[&str], columns: u16, rows: u16) -> Self {
        let pane = Self {
            socket: project.path("tmux.socket"),
        };
        let inner = project.command(arguments);
        let variables: Vec<String> = inner
            .get_envs()
            .filter(|(name, _)| *name != "COLUMNS")
            .filter_map(|(name, value)| {
                Some(quoted(&format!("{}={}", name.to_str()?, value?.to_str()?)))
            })
            .collect();
        let line = format!(
            "cd {} && env -i TERM=screen-256color {} {}; echo \"exit $?\"; stty -a | grep -ow -- '-\\?echo'; cat",
            quoted(&project.path("").display().to_string()),
            variables.join(" "),
            shell_line(&inner),
        );
        let (columns, rows) = (columns.to_string(), rows.to_string());
        pane.tmux(&["new-session", "-d", "-x", &columns, "-y", &rows, &line]);
        pane
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-u", "-S"])
            .arg(&self.socket)
            .args(["-f", "/dev/null"])
            .args(arguments)
            .env_remove("TMUX")
            .output()
            .expect("tmux is there; run: scripts/test");
        assert!(output.status.success(), "tmux {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the screen shows now.
    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen is as it should be, and gives it.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let screen = self.screen();
            if holds(&screen) {
                return screen;
            }
            assert!(began.elapsed() < WATCHDOG, "never {what}:\n{screen}");
        }
    }

    /// Presses a key: `C-c`, `Enter`.
    pub(crate) fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Gives the screen another size.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.tmux(&["resize-window", "-x", &columns, "-y", &rows]);
    }

    /// How many lines have left the screen at its top.
    pub(crate) fn scrolled(&self) -> usize {
        let told = self.tmux(&["display-message", "-p", "#{history_size}"]);
        told.trim().parse().unwrap()
    }
}

impl Drop for Pane {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// What a screen of 80 by 24 shows once the binary has ended there, with the exit code in the last line.
pub(crate) fn final_screen(project: &Project, arguments: &[&str]) -> String {
    let socket = project.path("tmux.socket");
    let tmux = |arguments: &[&str]| {
        let output = Command::new("tmux")
            .arg("-S")
            .arg(&socket)
            .args(["-f", "/dev/null"])
            .args(arguments)
            .env_remove("TMUX")
            .output()
            .expect("tmux is there; run: scripts/test");
        assert!(output.status.success(), "tmux {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let inner = project.command(arguments);
    let variables: Vec<String> = inner
        .get_envs()
        .filter_map(|(name, value)| {
            Some(quoted(&format!("{}={}", name.to_str()?, value?.to_str()?)))
        })
        .collect();
    let line = format!(
        "cd {} && env -i TERM=screen-256color {} {}; echo \"exit $?\"; tmux -S {} wait-for -S ended; cat",
        quoted(&project.path("").display().to_string()),
        variables.join(" "),
        shell_line(&inner),
        quoted(&socket.display().to_string()),
    );
    tmux(&["new-session", "-d", "-x", "80", "-y", "24", &line]);
    tmux(&["wait-for", "ended"]);
    let screen = tmux(&["capture-pane", "-p"]);
    tmux(&["kill-server"]);
    screen
}

fn shell_line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| quoted(word.to_str().unwrap()))
        .collect::<Vec<_>>()
        .join(" ")
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
