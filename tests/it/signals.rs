//! Real signals: a run that is interrupted ends its processes, runs `finally` and tells the truth in its exit code.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Project, WATCHDOG, exit_code};
use crate::terminal::Terminal;

/// A step whose processes hold a connection open: the connection ends when, and only when, all of them are gone.
struct Lifeline {
    project: Project,
    listener: TcpListener,
}

impl Lifeline {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let project = Project::new().runbook(
            "t/x",
            &format!(
                r#"
[[step]]
name        = "hold"
command.run = ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/{port}; echo started >&3; sleep 600 & sleep 600"]
[[step]]
name        = "after"
assert.that = "true"
[[finally]]
name        = "tidy"
command.run = ["touch", "tidied"]
"#
            ),
        );
        Self { project, listener }
    }

    /// Starts the run, waits until the step runs, sends the signal; the exit code once every process is gone.
    fn interrupted_by(&self, signal: Signal) -> i32 {
        let mut child = self
            .project
            .command(&["t", "x"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut connection = BufReader::new(accept(&self.listener));
        let mut line = String::new();
        connection.read_line(&mut line).unwrap();
        assert_eq!(line, "started\n");
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        let status = child.wait().unwrap();
        line.clear();
        let end = connection.read_line(&mut line);
        // A reset is an end as well; only silence means that a process is still there.
        let alive = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        assert!(
            !end.as_ref().is_err_and(alive),
            "a process outlived its run"
        );
        exit_code(status)
    }
}

/// The next connection, which must come.
pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    let (sender, connection) = std::sync::mpsc::channel();
    let listener = listener.try_clone().unwrap();
    std::thread::spawn(move || sender.send(listener.accept().unwrap().0));
    let stream = connection.recv_timeout(WATCHDOG).expect("the step starts");
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream
}

#[test]
fn an_interrupt_is_130_and_leaves_no_process_behind() {
    let lifeline = Lifeline::new();
    assert_eq!(lifeline.interrupted_by(Signal::SIGINT), 130);
    assert!(lifeline.project.path("tidied").exists());
}

/// Ctrl-\\ reaches opsbook alone: its children are in groups of their own, and would live on.
#[test]
fn a_quit_is_an_interrupt_and_leaves_no_process_behind() {
    let lifeline = Lifeline::new();
    assert_eq!(lifeline.interrupted_by(Signal::SIGQUIT), 130);
    assert!(lifeline.project.path("tidied").exists());
}

#[test]
fn a_termination_is_143_and_leaves_no_process_behind() {
    let lifeline = Lifeline::new();
    assert_eq!(lifeline.interrupted_by(Signal::SIGTERM), 143);
    assert!(lifeline.project.path("tidied").exists());
}

#[test]
fn an_interrupted_run_says_so_in_the_list_of_runs() {
    let lifeline = Lifeline::new();
    lifeline.interrupted_by(Signal::SIGTERM);
    lifeline
        .project
        .run(&["runs", "list"])
        .exits(0)
        .prints("t x");
}

fn asking() -> Project {
    Project::new().runbook(
        "t/x",
        "[[step]]\nname = \"touch\"\ncommand.run = [\"touch\", \"made\"]\nconfirm = \"Really make it?\"\n",
    )
}

#[test]
fn ctrl_c_at_a_question_is_130() {
    let project = asking();
    let mut terminal = Terminal::start(&project, &["t", "x"]);
    terminal.wait_for("Really make it?");
    terminal.press("\x03");
    let (code, shown) = terminal.end();
    assert_eq!(code, 130, "{shown}");
    assert!(!project.path("made").exists());
}

#[test]
fn a_signal_at_a_question_ends_the_run_at_once() {
    let project = asking();
    let mut terminal = Terminal::start(&project, &["t", "x"]);
    terminal.wait_for("Really make it?");
    terminal.signal(Signal::SIGTERM);
    let (code, shown) = terminal.end();
    assert_eq!(code, 143, "{shown}");
    assert!(shown.contains("TERMINATED"), "{shown}");
    assert!(!project.path("made").exists());
}
