//! The keeper: a process beside a run that ends what the run leaves behind when it dies and can no longer do so itself.
//!
//! It is this program once more, told apart by its name. Its standard input is a pipe whose other end the run alone holds:
//! the system closes it however the run ends. The run says first which token its processes carry, and in the end farewell.

use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::SigSet;

use super::leftovers::end_leftovers;

/// The name that a keeper is started under.
pub const KEEPER: &str = "opsbook-keeper";

/// How long what a dead run left behind may take to end after TERM, before KILL.
pub const GRACE: Duration = Duration::from_secs(5);

/// What follows the line with the token when there is nothing to be ended.
const FAREWELL: &[u8] = b"farewell\n";

/// The longest line with a token.
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
    /// [`RUN_VARIABLE`]: super::RUN_VARIABLE
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
        writeln!(line, "{token}")?;
        Ok(Self { child, line })
    }

    /// Tells it that nothing is left to be ended, and waits until it is gone: who inherits the children of opsbook may never
    /// collect them.
    pub fn dismiss(self) {
        let Self {
            mut child,
            mut line,
        } = self;
        // One that somebody killed hears nothing, and is collected as well.
        let _ = line.write_all(FAREWELL);
        drop(line);
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
    let Some(token) = orphaned(&said) else {
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(end_leftovers(token, GRACE));
    Ok(())
}

/// The token of a run that said no farewell. What is no whole token names nothing: no process may be ended by a mistake.
fn orphaned(said: &[u8]) -> Option<&str> {
    let end = said.iter().position(|byte| *byte == b'\n')?;
    let (token, rest) = (std::str::from_utf8(&said[..end]).ok()?, &said[end + 1..]);
    let is_token = token.len() >= 16 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_token && rest != FAREWELL).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::orphaned;

    #[test]
    fn only_a_whole_token_without_a_farewell_names_what_is_to_be_ended() {
        let token = "0123456789abcdef0123456789abcdef";
        let said = |text: String| orphaned(text.as_bytes()).map(str::to_owned);
        assert_eq!(said(format!("{token}\n")), Some(token.to_owned()));
        assert_eq!(said(format!("{token}\nfare")), Some(token.to_owned()));
        assert_eq!(said(format!("{token}\nfarewell\n")), None);
        assert_eq!(said(token.to_owned()), None);
        assert_eq!(said("\n".to_owned()), None);
        assert_eq!(said("0123456789abcde\n".to_owned()), None);
        assert_eq!(said(String::new()), None);
    }
}
