//! Locks between real processes: one at a time, nobody lost, and the dead do not keep anybody out.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Project, accept, exit_code};

/// A run that holds the lock `shared` until its connection is written to.
struct Holder {
    run: Child,
    connection: TcpStream,
}

/// A project with a runbook that holds the lock, one that wants it, one that only reads.
struct Bench {
    project: Project,
    listener: TcpListener,
}

impl Bench {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let project = Project::new()
            .runbook(
                "t/hold",
                &format!(
                    r#"
lock = "shared"
[[step]]
name        = "hold"
command.run = ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/{port}; echo started >&3; read -u 3 line"]
"#
                ),
            )
            .runbook(
                "t/want",
                "lock = \"shared\"\n[[step]]\nname = \"touch\"\ncommand.run = [\"touch\", \"made\"]\n",
            )
            .runbook(
                "t/look",
                "lock = \"shared\"\n[[step]]\nname = \"a\"\nassert.that = \"true\"\n",
            );
        Self { project, listener }
    }

    fn hold(&self) -> Holder {
        let run = self
            .project
            .command(&["t", "hold"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let connection = accept(&self.listener);
        let mut line = String::new();
        BufReader::new(connection.try_clone().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "started\n");
        Holder { run, connection }
    }

    fn made(&self) -> bool {
        self.project.path("made").exists()
    }
}

impl Holder {
    fn end(mut self) {
        self.connection.write_all(b"go\n").unwrap();
        assert!(self.run.wait().unwrap().success());
    }
}

#[test]
fn a_second_run_of_a_lock_is_not_now_and_names_the_first() {
    let bench = Bench::new();
    let holder = bench.hold();
    bench
        .project
        .run(&["t", "want"])
        .exits(75)
        .says("the lock shared is held by run 1 (t/hold) of ")
        .says(&format!(", pid {}, since ", holder.run.id()))
        .says("nothing was done; --wait 10m");
    assert!(!bench.made());
    bench.project.run(&["t", "look"]).exits(0);
    bench.project.run(&["t", "want", "--dry-run"]).exits(0);
    let locks = bench
        .project
        .run(&["locks", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(locks[0]["lock"], "shared");
    assert_eq!(locks[0]["pid"], holder.run.id());
    assert_eq!(locks[0]["holder"], "alive");
    bench
        .project
        .run(&["locks", "release", "shared", "--yes"])
        .exits(75)
        .says("which is alive");
    holder.end();
    bench
        .project
        .run(&["locks"])
        .exits(0)
        .says("no lock is held");
    bench.project.run(&["t", "want"]).exits(0);
    assert!(bench.made());
    // A run that did not begin is no run.
    let runs = bench
        .project
        .run(&["runs", "list", "--format", "json"])
        .json();
    assert_eq!(runs.as_array().unwrap().len(), 4);
}

#[test]
fn the_lock_of_a_run_that_was_killed_is_taken_over_and_that_is_said() {
    let bench = Bench::new();
    let mut holder = bench.hold();
    holder.run.kill().unwrap();
    holder.run.wait().unwrap();
    let pid = holder.run.id();
    bench.project.run(&["locks"]).exits(0).prints("dead");
    let taken = bench
        .project
        .run(&["t", "want", "--format", "jsonl"])
        .exits(0)
        .says("the lock shared was held by run 1 of ")
        .says(&format!(", pid {pid}, which is dead"));
    assert!(bench.made());
    let event = taken
        .json_lines()
        .into_iter()
        .find(|event| event["type"] == "lock-taken-over")
        .unwrap();
    assert_eq!(
        (&event["lock"], &event["from"]),
        (&"shared".into(), &1.into())
    );
    bench.project.run(&["locks"]).says("no lock is held");
}

#[test]
fn a_patient_run_says_whom_it_waits_for_and_begins_when_it_may() {
    let bench = Bench::new();
    let holder = bench.hold();
    let mut patient = bench
        .project
        .command(&["t", "want", "--wait", "10m"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(patient.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(
        line.contains("waiting for the lock shared, which is held by run 1 (t/hold)"),
        "{line}"
    );
    assert!(!bench.made());
    holder.end();
    assert!(patient.wait().unwrap().success());
    assert!(bench.made());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("waiting"), "it says so once: {rest}");
}

#[test]
fn patience_ends_with_its_time_and_with_a_signal() {
    let bench = Bench::new();
    let holder = bench.hold();
    bench
        .project
        .run(&["t", "want", "--wait", "10ms"])
        .exits(75)
        .says("was not given back within 10ms");
    let mut patient = bench
        .project
        .command(&["t", "want"])
        .env("OPSBOOK_WAIT", "10m")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(patient.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    kill(Pid::from_raw(patient.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert_eq!(exit_code(patient.wait().unwrap()), 143);
    said.read_line(&mut line).unwrap();
    assert!(line.contains("terminated; nothing was done"), "{line}");
    assert!(!bench.made());
    holder.end();
}

/// A runbook that fails if another one of it runs at the same time, and leaves a line.
fn counting() -> Project {
    Project::new().runbook(
        "t/count",
        r#"
lock = "counter"
[[step]]
name      = "count"
shell.run = "mkdir busy && echo counted >> log && rmdir busy"
"#,
    )
}

const MANY: usize = 50;

/// Starts many at once and gives the exit code and the words of each.
fn many(project: &Project, arguments: &[&str]) -> Vec<(i32, String)> {
    let runs: Vec<Child> = (0..MANY)
        .map(|_| {
            project
                .command(arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    runs.into_iter()
        .map(|run| {
            let output = run.wait_with_output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            (exit_code(output.status), said)
        })
        .collect()
}

#[test]
fn of_many_that_wait_each_has_its_turn_alone() {
    let project = counting();
    for (exit, said) in many(&project, &["t", "count", "--wait", "10m"]) {
        assert_eq!(exit, 0, "{said}");
    }
    assert_eq!(project.read("log").lines().count(), MANY);
    project.run(&["locks"]).says("no lock is held");
    project.run(&["runs", "verify"]).exits(0);
}

#[test]
fn of_many_that_do_not_wait_one_at_a_time_runs_and_the_others_say_who() {
    let project = counting();
    let ended = many(&project, &["t", "count"]);
    let winners = ended.iter().filter(|(exit, _)| *exit == 0).count();
    assert!(winners > 0);
    for (exit, said) in &ended {
        if *exit != 0 {
            assert_eq!(*exit, 75, "{said}");
            assert!(said.contains("the lock counter is held by run "), "{said}");
            assert!(said.contains("(t/count) of "), "{said}");
        }
    }
    assert_eq!(project.read("log").lines().count(), winners);
}

#[test]
fn a_lock_of_a_machine_that_cannot_be_seen_is_released_when_a_person_says_so() {
    let project = counting();
    project.run(&["t", "count"]).exits(0);
    rusqlite::Connection::open(project.state().join("opsbook/journal.db"))
        .unwrap()
        .execute_batch(
            "INSERT INTO locks VALUES ('counter', 1, 't/count', 'anna', 'lost.example.com', 'another machine', 7, 8,
             '2026-11-20T03:00:00Z')",
        )
        .unwrap();
    project.run(&["locks"]).exits(0).prints("unknown");
    project
        .run(&["t", "count"])
        .exits(75)
        .says("lost.example.com");
    project
        .run(&["locks", "release", "counter"])
        .exits(75)
        .says("nobody can tell")
        .says("--yes");
    project.run(&["locks", "release", "nothing"]).exits(64);
    project
        .run(&["locks", "release", "counter", "--yes"])
        .exits(0)
        .says("released the lock counter");
    project.run(&["t", "count"]).exits(0);
}
