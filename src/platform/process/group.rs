//! A process group that does not outlive its owner.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use super::stat::Stat;

/// The shortest and the longest pause between two looks at a group that is asked to end.
const LOOK: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// A process group that this process made. Dropping it kills at once whatever is left in it.
#[derive(Debug)]
pub(super) struct Group(Option<Pid>);

impl Group {
    /// The group that the process of this id leads.
    pub(super) fn of_leader(id: Option<u32>) -> Self {
        Self(
            id.and_then(|id| i32::try_from(id).ok())
                .filter(|id| *id > 1)
                .map(Pid::from_raw),
        )
    }

    /// Asks every member to end; one that was stopped must go on to hear it. Gives whether there is one.
    pub(super) fn terminate(&self) -> bool {
        let asked = self.signal(Signal::SIGTERM);
        self.signal(Signal::SIGCONT);
        asked
    }

    /// Ends every member at once.
    pub(super) fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// Ends what is left in the group: TERM, a grace time, KILL. Gives whether anything was left.
    ///
    /// The number of an ended leader is not given to a new process while the group has members; with an empty group
    /// it could be, once all other numbers have been used up.
    pub(super) async fn stop(&mut self, grace: Duration) -> bool {
        if !self.terminate() {
            self.0 = None;
            return false;
        }
        let deadline = Instant::now() + grace;
        let mut pause = LOOK.0;
        while Instant::now() < deadline {
            sleep(pause).await;
            pause = (pause * 2).min(LOOK.1);
            if !self.runs() {
                break;
            }
        }
        self.kill();
        self.0 = None;
        true
    }

    /// Whether a member still runs. One that has ended and is not collected by its parent stays a member: the first
    /// process of many containers never collects what it inherits, and is no reason to wait.
    fn runs(&self) -> bool {
        self.signal(None) && self.0.is_some_and(|leader| !all_ended(leader))
    }

    /// Sends a signal to every member. Gives whether there is one.
    fn signal(&self, signal: impl Into<Option<Signal>>) -> bool {
        self.0
            .is_some_and(|leader| killpg(leader, signal) != Err(Errno::ESRCH))
    }
}

/// Whether every member of a group that `/proc` shows has ended; false where there is no `/proc`.
fn all_ended(leader: Pid) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return false;
    };
    let mut members = processes
        .flatten()
        .filter_map(|process| Stat::of(&process.path()).ok())
        .filter(|stat| stat.group == leader.as_raw())
        .peekable();
    members.peek().is_some() && members.all(|stat| stat.ended)
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    use nix::sys::wait::{Id, WaitPidFlag, waitid};

    use super::Group;

    #[test]
    fn what_has_ended_and_is_not_collected_does_not_run() {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let group = Group::of_leader(Some(child.id()));
        assert!(group.runs());
        drop(child.stdin.take());
        let leader = group.0.unwrap();
        let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        waitid(Id::Pid(leader), ended).unwrap();
        assert!(group.signal(None), "it is a member still");
        assert!(!group.runs());
        child.wait().unwrap();
        assert!(!group.runs());
    }
}
