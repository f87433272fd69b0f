//! Finds processes by a mark in their environment, wherever they have gone, and ends them.
//!
//! A mark is a variable that is set when a program is started and that everything it starts inherits. It finds what left the
//! process group, what lost its parent and what outlived opsbook. It does not find what cleared its environment, nor what
//! the system does not let this user look at; and it finds nothing where there is no `/proc`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use super::stat::Stat;

/// The variable that every process of a run carries; its value is the run's token.
pub const RUN_VARIABLE: &str = "OPSBOOK_RUN";

/// The variable that tells the processes of this opsbook from those of another one that resumes the same run.
pub(super) const PROCESS_VARIABLE: &str = "OPSBOOK_PROCESS";

/// This opsbook, among all that ever ran.
pub(super) static OWN_PROCESS: LazyLock<String> =
    LazyLock::new(|| format!("{:032x}", fastrand::u128(..)));

/// The shortest and the longest pause between two looks.
const LOOK: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// How long a killed process may take to be gone: one that waits for a broken disk may never be.
const GONE: Duration = Duration::from_secs(10);

/// The largest environment that is looked through: what the system lets a program be started with, with room to spare.
const LARGEST: u64 = 8 * 1024 * 1024;

/// How often in a row nothing must be found: a look may miss a process that is started meanwhile, and one that is just about to
/// become another program shows no environment for a moment.
const QUIET: u32 = 3;

/// Ends every process of the run with this token but this one: TERM, a grace time, KILL. Gives how many there were.
pub async fn end_leftovers(token: &str, grace: Duration) -> usize {
    Leftovers::of(RUN_VARIABLE, token).end(grace).await
}

/// The processes that carry some marks.
#[derive(Clone, Debug)]
pub(super) struct Leftovers {
    /// Each as `NAME=VALUE`.
    marks: Vec<Vec<u8>>,
}

impl Leftovers {
    /// Those with this variable in their environment.
    pub(super) fn of(variable: &str, value: &str) -> Self {
        Self {
            marks: vec![format!("{variable}={value}").into_bytes()],
        }
    }

    /// Those of them with this variable as well.
    pub(super) fn and(mut self, variable: &str, value: &str) -> Self {
        self.marks.push(format!("{variable}={value}").into_bytes());
        self
    }

    /// Ends them: TERM, a grace time, KILL. Gives how many there were.
    pub(super) async fn end(&self, grace: Duration) -> usize {
        let began = Instant::now();
        let mut seen = BTreeSet::new();
        let mut pause = LOOK.0;
        let mut quiet = 0;
        while quiet < QUIET && began.elapsed() < grace + GONE {
            let found = self.find();
            quiet = if found.is_empty() { quiet + 1 } else { 0 };
            let late = began.elapsed() >= grace;
            for pid in found {
                if late {
                    send(pid, Signal::SIGKILL);
                } else if !seen.contains(&pid) {
                    terminate(pid);
                }
                seen.insert(pid);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LOOK.1);
        }
        seen.len()
    }

    /// Asks them to end.
    pub(super) fn terminate(&self) {
        self.find().into_iter().for_each(terminate);
    }

    /// Ends those that are found at one look, at once.
    pub(super) fn kill(&self) {
        for pid in self.find() {
            send(pid, Signal::SIGKILL);
        }
    }

    /// Those that run now, without this process.
    pub(super) fn find(&self) -> Vec<Pid> {
        let own = std::process::id();
        let Ok(processes) = std::fs::read_dir("/proc") else {
            return Vec::new();
        };
        processes
            .flatten()
            .filter_map(|entry| {
                let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
                let carries = pid > 1 && pid != own && self.is_carried_by(&entry.path());
                carries.then(|| Pid::from_raw(pid.cast_signed()))
            })
            .collect()
    }

    /// Whether the process with this folder below `/proc` carries the marks and runs.
    fn is_carried_by(&self, folder: &Path) -> bool {
        let mut environment = Vec::new();
        let read = File::open(folder.join("environ"))
            .and_then(|file| file.take(LARGEST).read_to_end(&mut environment));
        let carries = |mark: &Vec<u8>| {
            environment
                .split(|byte| *byte == 0)
                .any(|entry| entry == mark)
        };
        read.is_ok()
            && self.marks.iter().all(carries)
            && Stat::of(folder).is_ok_and(|stat| !stat.ended)
    }
}

/// Asks a process to end; one that was stopped must go on to hear it.
fn terminate(pid: Pid) {
    send(pid, Signal::SIGTERM);
    send(pid, Signal::SIGCONT);
}

/// One that has ended meanwhile, or belongs to somebody else, needs no signal or gets none.
fn send(pid: Pid, signal: Signal) {
    let _ = kill(pid, signal);
}
