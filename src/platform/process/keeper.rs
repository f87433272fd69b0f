//! The keeper: a process beside a run that ends what the run leaves behind when it dies and can no longer do so itself.
//!
//! It is this program once more, told apart by its name. Its standard input is a pipe whose other end the run alone holds:
//! the system closes it however the run ends. The run says first what its processes carry, and in the end farewell.

use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

use super::leftovers::{Leftovers, OWN_PROCESS, PROCESS_VARIABLE, RUN_VARIABLE};

/// The name that a keeper is started under.
pub const KEEPER: &str = "opsbook-keeper";

/// How long what a dead run left behind may take to end after TERM, before KILL: an opsbook among it gives its own processes
/// five seconds, and then runs its `finally`.
pub const GRACE: Duration = Duration::from_secs(15);

/// What follows the line with the marks when there is nothing to be ended.
const FAREWELL: &[u8] = b"farewell\n";

/// The longest that a run says.
const LONGEST: u64 = 256;

/// The keeper of a run. Dropping it without [`Keeper::dismiss`] is what the death of the run is: it ends what was left.
#[derive(Debug)]
pub struct Keeper {
    child: Child,
    line: ChildStdin,
}

impl Keeper {
    /// Starts it. `program` is the path of this program, `token` what the processes of the run carry as [`RUN_VARIABLE`].
    ///
    /// It gets nothing of the run but the pipe: no variables, no terminal, no arguments, and a process group of its own, so
    /// that what is sent to the run's does not reach it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn start(program: &Path, token: &str) -> io::Result<Self> {
        let mut child = Command::new(program)
            .arg0(KEEPER)
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(line, "{token} {}", *OWN_PROCESS)?;
        Ok(Self { child, line })
    }

    /// Tells it that nothing is left to be ended, and waits until it is gone: who inherits the children of opsbook may never
    /// collect them.
    pub fn dismiss(self) {
        let Self {
            mut child,
            mut line,
        } = self;
        // One that somebody killed hears nothing, and is collected as well; one that was stopped must go on to hear it.
        let _ = line.write_all(FAREWELL);
        drop(line);
        let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGCONT);
        let _ = child.wait();
    }
}

/// Does the work of a keeper to its end. `line` is what the run says.
///
/// # Errors
/// When `line` cannot be read or the system gives no resources.
pub fn keep(line: impl Read) -> io::Result<()> {
    // What ends a run must not end its keeper: a closed terminal, a shutdown that asks every process to end.
    SigSet::all().thread_block()?;
    // Otherwise it would be shown as `exe`. Nothing depends on it.
    let _ = std::fs::write("/proc/self/comm", KEEPER);
    let mut said = Vec::new();
    line.take(LONGEST).read_to_end(&mut said)?;
    let Some(orphans) = orphaned(&said) else {
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(orphans.end(GRACE));
    Ok(())
}

/// The processes of a run that said no farewell: those that carry its token and were started by the opsbook that is gone. One that
/// resumes the run starts its own under the same token.
///
/// What is no whole mark names nothing: no process may be ended by a mistake.
fn orphaned(said: &[u8]) -> Option<Leftovers> {
    let end = said.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = (std::str::from_utf8(&said[..end]).ok()?, &said[end + 1..]);
    let (token, process) = line.split_once(' ')?;
    let is_mark =
        |mark: &str| mark.len() >= 16 && mark.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_mark(token) && is_mark(process) && rest != FAREWELL)
        .then(|| Leftovers::of(RUN_VARIABLE, token).and(PROCESS_VARIABLE, process))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use std::process::{Command, Stdio};

    use super::{PROCESS_VARIABLE, RUN_VARIABLE, keep, orphaned};

    const MARK: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn only_whole_marks_without_a_farewell_name_what_is_to_be_ended() {
        let names = |said: String| orphaned(said.as_bytes()).is_some();
        assert!(names(format!("{MARK} {MARK}\n")));
        assert!(names(format!("{MARK} {MARK}\nfare")));
        for nothing in [
            format!("{MARK} {MARK}\nfarewell\n"),
            format!("{MARK} {MARK}"),
            format!("{MARK}\n"),
            format!("{MARK} \n"),
            format!(" {MARK}\n"),
            format!("{MARK} 0123456789abcde\n"),
            "\n".to_owned(),
            String::new(),
        ] {
            assert!(!names(nothing.clone()), "{nothing:?}");
        }
    }

    #[test]
    fn what_another_opsbook_started_for_the_same_run_goes_on() {
        let token = format!("{:032x}", fastrand::u128(..));
        let started_by = |process: &str| {
            Command::new("cat")
                .env(RUN_VARIABLE, &token)
                .env(PROCESS_VARIABLE, process)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        };
        let (mut dead, mut resumed) = (started_by(MARK), started_by("another"));
        keep(format!("{token} {MARK}\n").as_bytes()).unwrap();
        assert!(!dead.wait().unwrap().success());
        assert_eq!(resumed.try_wait().unwrap(), None);
        drop(resumed.stdin.take());
        assert!(resumed.wait().unwrap().success());
    }
}
