//! Runs that are killed for real, and what `opsbook resume` and `opsbook undo` make of them.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Output, Project, WATCHDOG};
use crate::terminal::Terminal;
use crate::zoo;

/// A project whose run holds still in the step `work`, with its effect done, until it is killed.
struct Held {
    project: Project,
    listener: TcpListener,
}

/// `before`, then a step that appends to `log` and then holds still where `hold` exists, then one more.
fn steps(port: u16, unless: &str) -> String {
    format!(
        r#"
[[step]]
name        = "first"
command.run = ["sh", "-c", "echo first >> log; echo 41"]
save        = {{ number = "stdout | trim" }}
[[step]]
name        = "work"
command.run = ["bash", "-c", "echo work >> log; if [ -e hold ]; then exec 3<>/dev/tcp/127.0.0.1/{port}; echo held >&3; sleep 600; fi"]
{unless}
[[step]]
name        = "last"
command.run = ["sh", "-c", "echo last $0 >> log", "{{{{ number }}}}"]
"#
    )
}

impl Held {
    fn new(unless: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let project = Project::new()
            .runbook("t/x", &steps(port, unless))
            .file("hold", "");
        Self { project, listener }
    }

    /// Starts the binary and waits until the step holds still.
    fn start(&self, arguments: &[&str]) -> (Child, BufReader<TcpStream>) {
        let child = self
            .project
            .command(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        (child, self.accept())
    }

    fn accept(&self) -> BufReader<TcpStream> {
        let (sender, connection) = std::sync::mpsc::channel();
        let listener = self.listener.try_clone().unwrap();
        std::thread::spawn(move || sender.send(listener.accept().unwrap().0));
        let stream = connection.recv_timeout(WATCHDOG).expect("the step starts");
        stream.set_read_timeout(Some(WATCHDOG)).unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        reader
    }

    /// Kills a run in the middle of its step, with the effect of that done.
    fn killed(unless: &str) -> Self {
        let held = Self::new(unless);
        let (mut child, mut connection) = held.start(&["t", "x"]);
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).unwrap();
        child.wait().unwrap();
        // The end of the connection is the end of the last process of the run.
        let mut rest = String::new();
        let _ = connection.read_line(&mut rest);
        std::fs::remove_file(held.project.path("hold")).unwrap();
        held
    }

    fn log(&self) -> Vec<String> {
        let log = self.project.read("log");
        log.lines().map(str::to_owned).collect()
    }

    fn resume(&self, arguments: &[&str]) -> Output {
        self.project.run(&[&["resume"], arguments].concat())
    }
}

#[test]
fn a_step_in_doubt_is_told_and_not_run_again_by_itself() {
    let held = Held::killed("");
    held.resume(&[])
        .exits(4)
        .says("resuming run 1 (t x, begun ")
        .says("1 step done, 1 in doubt (work)")
        .step("first", "ok")
        .step("work", "IN DOUBT")
        .step("last", "not run")
        .prints("opsbook resume 1 --done work")
        .prints("STUCK");
    assert_eq!(held.log(), ["first", "work"]);
    held.resume(&["1", "--done", "work"])
        .exits(0)
        .step("work", "ok")
        .step("last", "ok");
    assert_eq!(held.log(), ["first", "work", "last 41"]);
    held.resume(&["1"]).exits(64).says("all was well");
}

#[test]
fn a_step_that_did_not_take_effect_is_run_again() {
    let held = Held::killed("");
    held.resume(&["--again", "work"]).exits(0);
    assert_eq!(held.log(), ["first", "work", "work", "last 41"]);
    held.project.run(&["runs", "list"]).exits(0).prints("ok");
}

#[test]
fn unless_decides_without_a_person() {
    let looks = "unless = { command.run = [\"grep\", \"-c\", \"work\", \"log\"], effect = \"read\", expect = \"stdout | trim == '1'\" }";
    let held = Held::killed(looks);
    held.resume(&[]).exits(0).step("work", "skipped");
    assert_eq!(held.log(), ["first", "work", "last 41"]);
}

#[test]
fn a_person_at_the_terminal_decides() {
    let held = Held::killed("");
    let mut terminal = Terminal::start(&held.project, &["resume"]);
    terminal.wait_for("It took effect");
    terminal.press("\x1b[B\r");
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("Step work is in doubt"), "{shown}");
    assert_eq!(held.log(), ["first", "work", "last 41"]);
}

/// A stray Enter neither calls a change done nor does it again.
#[test]
fn enter_alone_settles_nothing() {
    let held = Held::killed("");
    let mut terminal = Terminal::start(&held.project, &["resume"]);
    terminal.wait_for("It took effect");
    terminal.press("\r");
    let (code, shown) = terminal.end();
    assert_eq!(code, 4, "{shown}");
    assert_eq!(held.log(), ["first", "work"]);
}

#[test]
fn a_step_that_is_not_in_doubt_cannot_be_settled() {
    let held = Held::killed("");
    held.resume(&["--done", "last"])
        .exits(64)
        .says("step last is not in doubt")
        .says("in doubt: work");
    assert_eq!(held.log(), ["first", "work"]);
}

#[test]
fn a_run_that_still_goes_on_is_left_alone() {
    let held = Held::new("");
    let (mut child, _connection) = held.start(&["t", "x"]);
    held.resume(&["1"]).exits(75).says("run 1 still goes on");
    held.project.run(&["undo", "1", "--yes"]).exits(75);
    held.resume(&[])
        .exits(64)
        .says("there is nothing to resume");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn only_one_process_resumes_a_run() {
    let held = Held::killed("");
    let held = Held {
        project: held.project.file("hold", ""),
        ..held
    };
    let (mut child, _connection) = held.start(&["resume", "1", "--again", "work"]);
    held.resume(&["1", "--done", "work"]).exits(75);
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_file(held.project.path("hold")).unwrap();
    held.resume(&["--done", "work"]).exits(0);
    assert_eq!(held.log(), ["first", "work", "work", "last 41"]);
}

#[test]
fn a_run_goes_on_where_it_was_begun() {
    let held = Held::killed("");
    let elsewhere = tempfile::tempdir().unwrap();
    let output = held
        .project
        .command(&[
            "resume",
            "1",
            "--done",
            "work",
            "--report",
            "json=here.json",
        ])
        .current_dir(elsewhere.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(held.log(), ["first", "work", "last 41"]);
    assert!(elsewhere.path().join("here.json").exists());
}

#[test]
fn the_report_of_a_resumed_run_tells_of_all_of_it() {
    let held = Held::killed("");
    let output = held
        .resume(&["--done", "work", "--format", "json"])
        .exits(0);
    let report = output.json();
    let steps = report["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 3);
    assert!(
        steps.iter().all(|step| step["status"] == "ok"),
        "{report:#}"
    );
    held.project
        .run(&["runs", "replay", "1"])
        .exits(0)
        .step("first", "ok")
        .step("work", "done, as ");
    let stream = Held::killed("");
    let lines = stream
        .resume(&["--done", "work", "--format", "jsonl"])
        .exits(0)
        .json_lines();
    assert_eq!(lines[0]["type"], "run-resumed");
}

#[test]
fn a_runbook_that_has_changed_is_shown_and_refused_until_it_is_accepted() {
    let held = Held::killed("");
    let port = held.listener.local_addr().unwrap().port();
    let changed = steps(port, "").replace("echo last $0", "echo final $0");
    let held = Held {
        project: held.project.runbook("t/x", &changed),
        ..held
    };
    held.resume(&["--done", "work"])
        .exits(75)
        .says("run 1 was begun with 1 file that has changed since")
        .says("-command.run = [\"sh\", \"-c\", \"echo last $0 >> log\"")
        .says("+command.run = [\"sh\", \"-c\", \"echo final $0 >> log\"")
        .says("--accept-changes");
    assert_eq!(held.log(), ["first", "work"]);
    held.resume(&["--accept-changes"])
        .exits(4)
        .says("changed since, and accepted");
    // What was accepted once is not asked about again.
    held.resume(&["--done", "work"]).exits(0);
    assert_eq!(held.log(), ["first", "work", "final 41"]);
}

#[test]
fn a_secret_that_was_given_is_given_again() {
    let held = Held::new("");
    let port = held.listener.local_addr().unwrap().port();
    let text = format!(
        "[input.token]\ntype = \"secret\"\n[input.table]\ntype = \"string\"\n{}[[step]]\nname = \"post\"\ncommand.run = [\"sh\", \"-c\", \"echo $TABLE ${{#TOKEN}} >> log\"]\ncommand.env = {{ TOKEN = \"{{{{ input.token }}}}\", TABLE = \"{{{{ input.table }}}}\" }}\n",
        steps(port, "")
    );
    let held = Held {
        project: held
            .project
            .runbook("t/x", &text)
            .file("token", "s3cr3t-value"),
        ..held
    };
    let (mut child, _connection) = held.start(&["t", "x", "--token", "@token", "--table", "users"]);
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_file(held.project.path("hold")).unwrap();
    held.resume(&["--done", "work"])
        .exits(64)
        .says("--input token=@FILE");
    held.resume(&["--done", "work", "--input", "token=s3cr3t-value"])
        .exits(64)
        .never_shows("s3cr3t-value");
    held.resume(&["--done", "work", "--input", "table=logs"])
        .exits(64)
        .says("stays as it was");
    held.resume(&["--done", "work", "--input", "token=@token"])
        .exits(0)
        .never_shows("s3cr3t-value");
    assert_eq!(held.log(), ["first", "work", "last 41", "users 12"]);
}

#[test]
fn what_has_ended_is_resumed_only_where_that_makes_sense() {
    let project = Project::new()
        .runbook("t/ok", "[[step]]\nname = \"a\"\nassert.that = \"true\"\n")
        .runbook(
            "t/bad",
            "[[step]]\nname = \"a\"\ncommand.run = [\"sh\", \"-c\", \"echo a >> log\"]\n[[step]]\nname = \"b\"\ncommand.run = [\"test\", \"-e\", \"there\"]\n",
        );
    project
        .run(&["resume"])
        .exits(64)
        .says("there is nothing to resume");
    project
        .run(&["resume", "7"])
        .exits(64)
        .says("there is no run 7");
    project.run(&["t", "ok"]).exits(0);
    project.run(&["t", "bad"]).exits(2);
    project.run(&["t", "bad", "--dry-run"]);
    project.run(&["resume"]).exits(64);
    project.run(&["resume", "1"]).exits(64).says("all was well");
    project.run(&["resume", "3"]).exits(64).says("dry run");
    project.run(&["resume", "2"]).exits(2).step("a", "ok");
    let project = project.file("there", "");
    project.run(&["resume", "2"]).exits(0).step("b", "ok");
    assert_eq!(project.read("log"), "a\n");
}

const UNDOABLE: &str = r#"
[[step]]
name        = "one"
command.run = ["sh", "-c", "echo one >> log; echo old"]
undo        = { command.run = ["sh", "-c", "echo undo one $0 >> log", "{{ stdout | trim }}"] }
[[step]]
name        = "two"
command.run = ["sh", "-c", "echo two >> log"]
undo        = { command.run = ["sh", "-c", "echo undo two >> log; test ! -e broken"] }
[[step]]
name        = "three"
command.run = ["sh", "-c", "echo three >> log"]
"#;

fn undoable() -> Project {
    let project = Project::new().runbook("t/x", UNDOABLE);
    project.run(&["t", "x"]).exits(0);
    project
}

#[test]
fn a_run_is_taken_back_the_last_step_first() {
    let project = undoable();
    project
        .run(&["undo", "1"])
        .exits(75)
        .says("Take back 2 steps of run 1 (t x): two, one?");
    project
        .run(&["undo", "1", "--yes"])
        .exits(0)
        .says("taking back run 1")
        .step("one", "undone")
        .step("two", "undone")
        .step("three", "ok");
    assert_eq!(
        project.read("log"),
        "one\ntwo\nthree\nundo two\nundo one old\n"
    );
    project
        .run(&["undo", "1", "--yes"])
        .exits(64)
        .says("nothing to take back");
}

#[test]
fn only_the_last_steps_are_taken_back() {
    let project = undoable();
    project
        .run(&["undo", "1", "--yes", "--from", "two"])
        .exits(0);
    assert_eq!(project.read("log"), "one\ntwo\nthree\nundo two\n");
    project
        .run(&["undo", "1", "--yes", "--from", "four"])
        .exits(64)
        .says("has not done a step four");
}

#[test]
fn a_dry_undo_shows_the_order_and_does_nothing() {
    let project = undoable();
    let output = project.run(&["undo", "1", "--dry-run"]).exits(0);
    let two = output.stdout.find("echo undo two").expect("two is shown");
    let one = output.stdout.find("echo undo one").expect("one is shown");
    assert!(two < one, "{}", output.stdout);
    assert!(output.stdout.contains("old"), "{}", output.stdout);
    assert_eq!(project.read("log"), "one\ntwo\nthree\n");
    let items = project
        .run(&["undo", "1", "--dry-run", "--format", "json"])
        .exits(0)
        .json();
    assert_eq!(items[0]["step"], "two");
}

/// In one line a comment would take the rest along.
#[test]
fn a_dry_undo_keeps_the_lines_of_what_it_would_send() {
    let book = r#"
[[step]]
name        = "change"
sql.execute = "INSERT INTO t VALUES (1)"
sql.on      = "main"
undo        = { sql.execute = """
DELETE FROM t -- the one
WHERE n = 1
""", sql.on = "main" }
"#;
    let project = Project::new()
        .config("project = \"test\"\n[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\ncreate = \"main.sql\"\n")
        .file("main.sql", "CREATE TABLE t (n INTEGER);")
        .runbook("t/x", book);
    project.run(&["t", "x"]).exits(0);
    let shown = project.run(&["undo", "1", "--dry-run"]).exits(0).stdout;
    assert!(shown.contains("DELETE FROM t -- the one …"), "{shown}");
    let lines = "\n change\n   DELETE FROM t -- the one\n   WHERE n = 1\n";
    assert!(shown.contains(lines), "{shown}");
    let items = project.run(&["undo", "1", "--dry-run", "--format", "json"]);
    let sent = items.exits(0).json()[0]["sent"].to_string();
    assert!(sent.contains("-- the one\\nWHERE"), "{sent}");
}

#[test]
fn an_undo_that_fails_is_4_and_can_be_tried_again() {
    let project = undoable().file("broken", "");
    project
        .run(&["undo", "1", "--yes"])
        .exits(4)
        .step("two", "UNDO FAILED")
        .step("one", "undone")
        .prints("opsbook undo 1");
    // Whoever takes something back does not want it done again by a command that names no run.
    project.run(&["resume"]).exits(64).says("opsbook undo 1");
    std::fs::remove_file(project.path("broken")).unwrap();
    project
        .run(&["undo", "1", "--yes"])
        .exits(0)
        .step("two", "undone");
    assert_eq!(
        project.read("log"),
        "one\ntwo\nthree\nundo two\nundo one old\nundo two\n"
    );
}

/// A run that came to its end left nothing behind that it did not mean to leave.
#[test]
fn a_daemon_of_a_run_that_has_ended_outlives_its_undo() {
    let script =
        "setsid --fork sh -c 'echo $$ > daemon.new; mv daemon.new daemon; exec sleep 1000'";
    let project = Project::new().runbook(
        "t/x",
        &format!("[[step]]\nname = \"start\"\nshell.run = \"{script}\"\nundo = {{ command.run = [\"touch\", \"undone\"] }}\n"),
    );
    project.run(&["t", "x"]).exits(0);
    zoo::until("the daemon runs", || project.path("daemon").exists());
    let daemon = Pid::from_raw(project.read("daemon").trim().parse().unwrap());
    let output = project.run(&["undo", "1", "--yes"]);
    kill(daemon, Signal::SIGKILL).expect("the daemon is there");
    output.exits(0).never_shows("left behind");
    assert!(project.path("undone").exists());
}

#[test]
fn an_undo_in_a_protected_environment_wants_the_name() {
    let project = Project::new()
        .config("project = \"x\"\n[environment.production]\nprotected = true\n")
        .runbook("t/x", UNDOABLE);
    project.run(&["t", "x", "--env", "production"]).exits(0);
    project
        .run(&["undo", "1", "--yes"])
        .exits(75)
        .says("--confirm \"t x\"");
    assert_eq!(project.read("log"), "one\ntwo\nthree\n");
    project
        .run(&["undo", "1", "--confirm", "t x"])
        .exits(0)
        .step("one", "undone");
}

#[test]
fn a_run_that_was_stopped_names_the_command_that_goes_on() {
    let held = Held::new("");
    let child = held
        .project
        .command(&["t", "x"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _connection = held.accept();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("TERMINATED"), "{shown}");
    assert!(shown.contains("→ opsbook resume 1\n"), "{shown}");
    std::fs::remove_file(held.project.path("hold")).unwrap();
    held.resume(&["--done", "work"]).exits(0);
    assert_eq!(held.log(), ["first", "work", "last 41"]);
}
