//! A process group that does not outlive its owner.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

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

    /// Asks every member to end.
    pub(super) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
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
        if !self.signal(Signal::SIGTERM) {
            self.0 = None;
            return false;
        }
        let deadline = Instant::now() + grace;
        let mut pause = LOOK.0;
        while Instant::now() < deadline {
            sleep(pause).await;
            pause = (pause * 2).min(LOOK.1);
            if !self.signal(None) {
                self.0 = None;
                return true;
            }
        }
        self.kill();
        self.0 = None;
        true
    }

    /// Sends a signal to every member. Gives whether there is one.
    fn signal(&self, signal: impl Into<Option<Signal>>) -> bool {
        self.0
            .is_some_and(|leader| killpg(leader, signal) != Err(Errno::ESRCH))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
