//! A step whose processes try everything to outlive it, and a look at which of them do.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::harness::{Project, WATCHDOG, exit_code};

/// Starts children in the group, in a group and a session of their own, without a parent and stopped; tells the token of its
/// run in the file `NAME.ready` once all are there, and holds until the file `NAME.release` is there. `deaf` ignores TERM, and
/// so do the children: what is ignored is inherited.
const HOLD: &str = r#"
if [ "$2" = deaf ]; then trap '' TERM; fi
sleep 1000 &
setsid sleep 1000 &
(setsid sleep 1000 &)
timeout 1000 sleep 1000 &
setsid sh -c 'kill -STOP $$; sleep 1000' &
while ! grep -q '^State:.T' /proc/$!/status; do :; done
echo "$OPSBOOK_RUN" > "$1.token"
mv "$1.token" "$1.ready"
while ! [ -e "$1.release" ]; do sleep 0.05; done
"#;

/// How many processes hold at least, once they are ready: the script, its five children and one of theirs.
const CROWD: usize = 7;

/// How many of them have left the group.
pub(crate) const DAEMONS: usize = 5;

/// A project with the runbook `t x`, whose steps may hold by `command.run = ["sh", "hold.sh", NAME]`.
pub(crate) fn holding(runbook: &str) -> Project {
    Project::new().runbook("t/x", runbook).file("hold.sh", HOLD)
}

/// One step that holds, and what must and must not happen after it.
pub(crate) const ONE_STEP: &str = r#"
[[step]]
name        = "hold"
command.run = ["sh", "hold.sh", "one"]
[[step]]
name        = "after"
command.run = ["touch", "went-on"]
[[finally]]
name        = "tidy"
command.run = ["touch", "tidied"]
"#;

/// The same, deaf to TERM.
pub(crate) fn deaf() -> Project {
    holding(&ONE_STEP.replace(r#""one"]"#, r#""one", "deaf"]"#))
}

/// A run that holds.
pub(crate) struct Held {
    pub(crate) child: Child,
    pub(crate) crowd: Crowd,
}

/// The processes that carry the token of a run. Dropping it kills them: a failing test leaves nothing either.
pub(crate) struct Crowd(String);

impl Crowd {
    /// The running ones. One that has ended shows no environment.
    pub(crate) fn members(&self) -> Vec<Pid> {
        let mark = format!("OPSBOOK_RUN={}", self.0);
        let carries = |pid: &Pid| {
            std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
                environment
                    .split(|byte| *byte == 0)
                    .any(|entry| entry == mark.as_bytes())
            })
        };
        processes().into_iter().filter(carries).collect()
    }

    /// Waits until none is left.
    #[track_caller]
    pub(crate) fn until_gone(&self) {
        until("no process of the run is left", || {
            self.members().is_empty()
        });
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for pid in self.members() {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

impl Held {
    /// Starts the run and waits until the steps of these names hold.
    pub(crate) fn start(project: &Project, names: &[&str]) -> Self {
        Self::start_as(project, project.command(&["t", "x"]), names)
    }

    /// The same with a command line of its own.
    pub(crate) fn start_as(project: &Project, mut command: Command, names: &[&str]) -> Self {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            crowd: ready(project, names),
        }
    }

    /// Sends a signal to opsbook.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// The number of opsbook.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Waits for the end of opsbook. The exit code as a shell tells it, and how many processes of the run are there then.
    pub(crate) fn end(&mut self) -> (i32, usize) {
        let code = exit_code(self.child.wait().unwrap());
        (code, self.crowd.members().len())
    }
}

/// Waits until the steps of these names hold; the processes of their run.
#[track_caller]
pub(crate) fn ready(project: &Project, names: &[&str]) -> Crowd {
    let files: Vec<PathBuf> = names
        .iter()
        .map(|name| project.path(&format!("{name}.ready")))
        .collect();
    until("the steps hold", || files.iter().all(|file| file.exists()));
    let crowd = crowd_of(&std::fs::read_to_string(&files[0]).unwrap());
    until("all of them are there", || {
        crowd.members().len() >= CROWD * names.len()
    });
    crowd
}

/// The processes that carry this token, as a step wrote it.
pub(crate) fn crowd_of(token: &str) -> Crowd {
    let token = token.trim().to_owned();
    assert_eq!(token.len(), 32, "{token:?}");
    Crowd(token)
}

/// Looks again and again until it is so; a test that waits in vain fails.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < WATCHDOG, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

/// The numbers of all processes.
pub(crate) fn processes() -> Vec<Pid> {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .map(Pid::from_raw)
        .collect()
}

/// The journaled events of the newest run.
pub(crate) fn events(project: &Project) -> Vec<Value> {
    let runs = project.run(&["runs", "list", "--format", "json"]).json();
    let newest = runs.as_array().or_else(|| runs["runs"].as_array()).unwrap()[0]["run"].to_string();
    project
        .run(&["runs", "replay", &newest, "--format", "jsonl"])
        .json_lines()
}

/// The end of the newest run, as it is journaled; none where the journal was not closed.
pub(crate) fn journaled_exit(project: &Project) -> Option<i64> {
    let events = events(project);
    let last = events.last().unwrap();
    (last["type"] == "run-finished").then(|| last["exit"].as_i64().unwrap())
}
