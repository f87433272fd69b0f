//! Runs a program to its end.

use std::future::Future;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant as Moment, sleep_until, timeout};

use super::group::Group;
use super::leftovers::{Leftovers, OWN_PROCESS, PROCESS_VARIABLE};
use super::{Captured, ProcessError};

/// How much is read at a time: what a pipe holds.
const CHUNK: usize = 64 * 1024;

/// How long an output that something else holds open is still read after the program ended.
const DRAIN: Duration = Duration::from_millis(500);

/// How many reads are done before everything else of the same task has its turn: a program that never stops printing must
/// not keep its own end, a limit of time or another step from being noticed.
const TURN: u32 = 16;

/// The pause between two signs of life.
const PROGRESS: Duration = Duration::from_millis(100);

/// The variable that the processes of one program carry; its value is given to no other program.
const PROGRAM_VARIABLE: &str = "OPSBOOK_PROGRAM";

/// The longest line that is told as a sign of life, in bytes.
const PROGRESS_LINE: usize = 200;

/// A program that is to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Its name, looked up in `PATH`, or its path if it holds a slash.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The folder it runs in; opsbook's own where none is given.
    pub folder: Option<PathBuf>,
    /// Variables that are added to those that opsbook inherited; a later one wins.
    pub variables: Vec<(String, String)>,
    /// What it reads; nothing where none is given.
    pub input: Option<Vec<u8>>,
    /// How long it, and what it left in the background, may take to end after TERM, before KILL.
    pub grace: Duration,
    /// How much of the beginning of its standard output is kept, in bytes, where that is not the usual.
    pub keeps: Option<usize>,
}

impl Program {
    /// A program with its arguments, a grace time of five seconds, and nothing else.
    #[must_use]
    pub fn new<T: Into<String>>(
        program: impl Into<String>,
        arguments: impl IntoIterator<Item = T>,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            grace: Duration::from_secs(5),
            ..Self::default()
        }
    }
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Captured,
    /// What it wrote to standard error.
    pub stderr: Captured,
    /// How long it took.
    pub took: Duration,
    /// Whether it left processes in the background, which were then ended.
    pub left_processes: bool,
}

/// Runs a program in a process group of its own, and waits for its end.
///
/// `on_line` is told the last line of what it writes, now and then. Once `cancel` is ready, the group and what left it get
/// TERM and, after the grace time, KILL; so it is when a signal ended the program. When the program has ended by itself,
/// so does whatever it left in its group, in the same way, but what left the group (`setsid`) is a daemon: it goes on, and is
/// no longer read. When the future is dropped, all of them are killed at once.
///
/// # Errors
/// When the program cannot be started or followed; not when it ends badly.
pub async fn run(
    program: &Program,
    on_line: &dyn Fn(&str),
    cancel: impl Future<Output = ()>,
) -> Result<Ended, ProcessError> {
    if program.program.is_empty() {
        return Err(ProcessError::Empty);
    }
    let started = Instant::now();
    let mark = format!("{:032x}", fastrand::u128(..));
    let mut child = command(program, &mark)
        .spawn()
        .map_err(|error| ProcessError::of_start(program, error))?;
    let mut family = Family {
        group: Group::of_leader(child.id()),
        strays: Some(Leftovers::of(PROGRAM_VARIABLE, &mark)),
    };
    let follow = |source| ProcessError::Follow {
        program: program.program.clone(),
        source,
    };

    let mut stdout = program.keeps.map(Captured::keeping).unwrap_or_default();
    let mut stderr = Captured::default();
    let (status, left_processes) = {
        let (input, output, errors) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let streams = pin!(async {
            tokio::try_join!(
                write(input, program.input.as_deref().unwrap_or_default()),
                read(output, &mut stdout, on_line),
                read(errors, &mut stderr, on_line),
            )
        });
        follow_to_end(
            &mut child,
            &mut family,
            program.grace,
            streams,
            pin!(cancel),
        )
        .await
        .map_err(follow)?
    };
    Ok(Ended {
        code: status.code(),
        signal: status.signal(),
        stdout,
        stderr,
        took: started.elapsed(),
        left_processes,
    })
}

/// Nothing here may need work between fork and exec: so the system's `posix_spawn` can be used, which is far cheaper.
fn command(program: &Program, mark: &str) -> Command {
    let mut command = Command::new(&program.program);
    command
        .args(&program.arguments)
        .envs(program.variables.iter().map(|(name, value)| (name, value)))
        .env(PROCESS_VARIABLE, OWN_PROCESS.as_str())
        .env(PROGRAM_VARIABLE, mark)
        .stdin(if program.input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(folder) = &program.folder {
        command.current_dir(folder);
    }
    command
}

/// Everything that a program started. Dropping it before the program has ended by itself kills all of it at once.
struct Family {
    group: Group,
    /// What has left the group; none once it may go on.
    strays: Option<Leftovers>,
}

impl Family {
    /// Asks all of it to end.
    fn terminate(&self) {
        self.group.terminate();
        if let Some(strays) = &self.strays {
            strays.terminate();
        }
    }

    /// Ends what is left once the program has ended: TERM, a grace time, KILL. Gives whether anything was left.
    async fn stop(&mut self, grace: Duration) -> bool {
        let deadline = Moment::now() + grace;
        let in_group = self.group.stop(grace).await;
        let Some(strays) = &self.strays else {
            return in_group;
        };
        let left = deadline.saturating_duration_since(Moment::now());
        let strayed = strays.end(left).await > 0;
        self.strays = None;
        in_group || strayed
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        // The group sees to itself.
        if let Some(strays) = &self.strays {
            strays.kill();
        }
    }
}

/// Waits for the program while its streams are served; then ends what it left behind.
async fn follow_to_end<T>(
    child: &mut Child,
    family: &mut Family,
    grace: Duration,
    mut streams: Pin<&mut impl Future<Output = io::Result<T>>>,
    mut cancel: Pin<&mut impl Future<Output = ()>>,
) -> io::Result<(ExitStatus, bool)> {
    let mut served = false;
    let mut cancelled = false;
    let mut deadline = None;
    let status = loop {
        tokio::select! {
            biased;
            ended = &mut streams, if !served => {
                ended?;
                served = true;
            }
            status = child.wait() => break status?,
            () = &mut cancel, if !cancelled => {
                cancelled = true;
                deadline = Some(Moment::now() + grace);
                family.terminate();
            }
            () = sleep_until(deadline.unwrap_or_else(Moment::now)), if deadline.is_some() => {
                deadline = None;
                family.group.kill();
            }
        }
    };
    if !served {
        // What the program itself wrote lies in the pipe; only a process that it left behind can keep it open.
        if let Ok(ended) = timeout(DRAIN, &mut streams).await {
            ended?;
            served = true;
        }
    }
    let grace = match deadline {
        Some(deadline) => deadline.saturating_duration_since(Moment::now()),
        None if cancelled => Duration::ZERO,
        None => grace,
    };
    if !cancelled && status.signal().is_none() {
        family.strays = None;
    }
    let left_processes = family.stop(grace).await;
    if !served && let Ok(ended) = timeout(DRAIN, &mut streams).await {
        ended?;
    }
    Ok((status, left_processes))
}

/// Writes the input and closes it. A program need not read it.
async fn write(stdin: Option<ChildStdin>, input: &[u8]) -> io::Result<()> {
    let Some(mut stdin) = stdin else {
        return Ok(());
    };
    match stdin.write_all(input).await {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Reads an output to its end, in constant memory.
async fn read(
    stream: Option<impl AsyncRead + Unpin>,
    captured: &mut Captured,
    on_line: &dyn Fn(&str),
) -> io::Result<()> {
    let Some(mut stream) = stream else {
        return Ok(());
    };
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut told: Option<Instant> = None;
    let mut reads = 0;
    while stream.read_buf(&mut chunk).await? > 0 {
        captured.push(&chunk);
        if told.is_none_or(|told| told.elapsed() >= PROGRESS) {
            told = Some(Instant::now());
            if let Some(line) = last_line(&chunk) {
                on_line(&line);
            }
        }
        chunk.clear();
        reads += 1;
        if reads == TURN {
            reads = 0;
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// The last line with text in it, or its end where it is very long.
fn last_line(chunk: &[u8]) -> Option<String> {
    let line = chunk
        .rsplit(|byte| matches!(byte, b'\n' | b'\r'))
        .take(16)
        .find(|line| !line.trim_ascii().is_empty())?;
    let shown = &line[line.len().saturating_sub(PROGRESS_LINE)..];
    Some(String::from_utf8_lossy(shown).into_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Captured, last_line, read};

    #[tokio::test]
    async fn an_output_that_never_pauses_gives_way_to_a_limit_of_time() {
        let mut captured = Captured::default();
        tokio::select! {
            biased;
            _ = read(Some(tokio::io::repeat(b'x')), &mut captured, &|_| {}) => {}
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
        assert!(captured.total() > 0);
    }

    #[test]
    fn the_last_line_with_text_is_told() {
        assert_eq!(last_line(b"one\ntwo\r\n \n").as_deref(), Some("two"));
        assert_eq!(last_line(b"10%\r20%\r").as_deref(), Some("20%"));
        assert_eq!(last_line(b"\n\n"), None);
        assert_eq!(last_line(&[b'x'; 1000]).map(|line| line.len()), Some(200));
    }
}
