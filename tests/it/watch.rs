//! `--watch`: on a real terminal, in a pipe, and what is refused.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Project, exit_code};
use crate::http_server::{Answer, HttpServer};
use crate::terminal::{Pane, Terminal};

/// A service whose health a test decides.
struct Estate {
    project: Project,
    server: HttpServer,
    ill: Arc<AtomicBool>,
}

impl Estate {
    fn new() -> Self {
        let ill = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&ill);
        let server = HttpServer::scripted(move |_, _| match asked.load(Ordering::SeqCst) {
            true => Answer::Json(503, "{}"),
            false => Answer::Json(200, "{}"),
        });
        let project = Project::bare().config(&config(&server));
        Self {
            project,
            server,
            ill,
        }
    }

    fn turn(&self, ill: bool) {
        self.ill.store(ill, Ordering::SeqCst);
    }
}

fn config(server: &HttpServer) -> String {
    format!(
        "project = \"test\"\n[service.api]\nurl = \"{}\"\n{}{}",
        server.url(),
        check("liveness"),
        check("readiness"),
    )
}

fn check(name: &str) -> String {
    format!(
        "[[service.api.check]]\nname = \"{name}\"\nhttp.get = \"/{name}\"\nexpect = \"status == 200\"\n"
    )
}

const WATCH: &[&str] = &["health", "--watch", "20ms"];

#[test]
fn the_last_run_stays_in_place_and_each_check_has_its_past() {
    let estate = Estate::new();
    let pane = Pane::start(&estate.project, WATCH, 80, 24);
    pane.wait_until("several runs", |screen| screen.contains("▁▁▁▁"));
    estate.turn(true);
    // A run may see one of the checks change before the other.
    let screen = pane.wait_until("a change", |screen| screen.contains("2 checks: 2 critical"));
    assert!(screen.starts_with(" health check  "), "{screen}");
    assert!(screen.contains('█'), "{screen}");
    for once in ["service", "liveness", "every 20ms"] {
        assert_eq!(screen.matches(once).count(), 1, "{once}\n{screen}");
    }
    pane.press("Enter");
    pane.press("x");
    estate.turn(false);
    pane.wait_until("another change", |screen| screen.contains("2 checks: 2 ok"));
    pane.press("C-c");
    let screen = pane.wait_until("an end", |screen| screen.contains("echo"));
    assert_eq!(screen.matches("health check").count(), 1, "{screen}");
    assert!(screen.contains("  interrupted  "), "{screen}");
    assert!(screen.contains(" ok  2 checks: 2 ok"), "{screen}");
    assert!(screen.contains("\nexit 130\necho\n"), "{screen}");
    assert_eq!(pane.scrolled(), 0);
}

#[test]
fn more_checks_than_lines_scroll_nothing_and_the_bad_one_comes_first() {
    let server = HttpServer::scripted(|_, request| match request.path.as_str() {
        "/c77" => Answer::Json(503, "{}"),
        _ => Answer::Json(200, "{}"),
    });
    let checks: String = (0..100).map(|index| check(&format!("c{index}"))).collect();
    let text = format!("[service.api]\nurl = \"{}\"\n{checks}", server.url());
    let project = Project::bare().config(&text);
    let pane = Pane::start(&project, WATCH, 80, 24);
    let screen = pane.wait_until("two runs", |screen| screen.contains("██"));
    let lines: Vec<&str> = screen.lines().collect();
    assert!(lines[3].contains("c77"), "{screen}");
    assert!(screen.contains(" … and 83 ok"), "{screen}");
    assert!(screen.contains("100 checks: 99 ok, 1 critical"), "{screen}");
    assert_eq!(pane.scrolled(), 0);
}

#[test]
fn a_screen_of_another_size_is_drawn_anew() {
    let estate = Estate::new();
    let pane = Pane::start(&estate.project, &["health", "--watch", "1h"], 80, 24);
    let screen = pane.wait_until("a run", |screen| screen.contains("2 checks: 2 ok"));
    assert!(screen.contains("next in 1h"), "{screen}");
    for (columns, heading) in [
        (140, "before    "),
        (40, " check          status    before"),
        (80, " took  before"),
    ] {
        pane.resize(columns, 24);
        let screen = pane.wait_until("drawn anew", |screen| {
            screen.contains(heading) && screen.contains("2 checks: 2 ok")
        });
        for once in ["health check", "liveness", "2 checks: 2 ok"] {
            assert_eq!(
                screen.matches(once).count(),
                1,
                "{columns}: {once}\n{screen}"
            );
        }
        let widest = screen.lines().map(|line| line.chars().count()).max();
        assert!(widest < Some(usize::from(columns)), "{screen}");
    }
    // The strip has all of its sixty cells and the detail its own column.
    pane.resize(140, 24);
    pane.wait_until("wide again", |screen| {
        let heading = screen.lines().find(|line| line.contains("detail"));
        heading.is_some_and(|line| line.find("detail") > Some(90))
    });
}

/// How often the bell rings in a watch whose verdict changes twice.
fn rings(more: &[&str]) -> usize {
    let estate = Estate::new();
    let arguments = [WATCH, &["--color", "never"], more].concat();
    let mut terminal = Terminal::start(&estate.project, &arguments);
    terminal.wait_for("▁▁▁");
    estate.turn(true);
    terminal.wait_for("██");
    estate.turn(false);
    terminal.wait_for("█▁▁▁");
    terminal.press("\u{3}");
    let (code, shown, bytes) = terminal.end_with_bytes();
    assert_eq!(code, 130, "{shown}");
    let last = |sequence: &str| shown.rfind(sequence);
    assert!(
        last("\u{1b}[?25h") > last("\u{1b}[?25l"),
        "the cursor is seen"
    );
    assert!(!shown.contains("[?1049"), "the screen is not switched");
    bytes.iter().filter(|byte| **byte == 7).count()
}

#[test]
fn the_bell_rings_once_for_each_change_of_the_verdict() {
    assert_eq!(rings(&[]), 2);
}

#[test]
fn a_quiet_watch_does_not_ring() {
    assert_eq!(rings(&["-q"]), 0);
}

#[test]
fn a_signal_between_two_runs_leaves_the_table_and_ends_in_its_code() {
    for (signal, code) in [
        (Signal::SIGTERM, 143),
        (Signal::SIGINT, 130),
        (Signal::SIGHUP, 143),
    ] {
        let estate = Estate::new();
        let mut terminal = Terminal::start(&estate.project, &["health", "--watch", "1h"]);
        terminal.wait_for("2 checks: 2 ok");
        terminal.signal(signal);
        let (ended, shown) = terminal.end();
        assert_eq!(ended, code, "{shown}");
        assert!(shown.ends_with("\u{1b}[?25h"), "{shown:?}");
    }
}

#[test]
fn a_signal_in_the_middle_of_a_run_leaves_the_last_whole_one() {
    let server = HttpServer::scripted(|number, _| match number {
        0 | 1 => Answer::Json(200, "{}"),
        _ => Answer::Never,
    });
    let project = Project::bare().config(&config(&server));
    let pane = Pane::start(&project, WATCH, 80, 24);
    for _ in 0..4 {
        server.next_request();
    }
    pane.press("C-c");
    let screen = pane.wait_until("an end", |screen| screen.contains("exit 130"));
    assert!(screen.contains(" ok  2 checks: 2 ok"), "{screen}");
    assert!(screen.contains("run 1\n"), "{screen}");
    let runs = project.run(&["runs", "list", "--format", "json"]).json();
    assert_eq!(runs.as_array().map(Vec::len), Some(2), "both are journaled");
}

#[test]
fn a_broken_configuration_is_told_and_the_next_run_reads_it_again() {
    let estate = Estate::new();
    let pane = Pane::start(&estate.project, WATCH, 80, 24);
    pane.wait_until("a run", |screen| screen.contains("2 checks: 2 ok"));
    // In one stroke: a file that is half written is another one.
    let write = |text: &str| {
        let draft = estate.project.path("draft");
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(draft, estate.project.path("opsbook.toml")).unwrap();
    };
    write("projct = \"test\"\n");
    let screen = pane.wait_until("told", |screen| screen.contains("NOT BEGUN"));
    assert!(screen.contains("projct"), "{screen}");
    assert!(screen.contains("liveness"), "{screen}");
    let third = format!("{}{}", config(&estate.server), check("third"));
    write(&third);
    let screen = pane.wait_until("read again", |screen| screen.contains("3 checks: 3 ok"));
    assert!(!screen.contains("NOT BEGUN"), "{screen}");
}

#[test]
fn in_a_pipe_each_run_is_lines_of_its_own_and_a_reader_that_goes_ends_it() {
    let estate = Estate::new();
    let arguments = ["health", "--watch", "5ms", "--format", "jsonl"];
    let mut child = estate
        .project
        .command(&arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut runs = Vec::new();
    while runs.len() < 3 {
        let line: serde_json::Value =
            serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        if line["type"] == "run-finished" {
            runs.push(line["run"].as_u64().unwrap());
        }
    }
    assert_eq!(runs, [1, 2, 3]);
    drop(lines);
    assert_eq!(exit_code(child.wait().unwrap()), 0, "the last run was ok");
}

#[test]
fn the_checks_of_each_run_have_their_secrets() {
    let estate = Estate::new();
    let secret = "[secret]\ntoken = { env = \"WATCHED_TOKEN\" }\n[service.api]\nauth.bearer = \"{{ secret.token }}\"\n";
    let text = config(&estate.server).replace("[service.api]\n", secret);
    let project = estate.project.config(&text);
    let mut child = project
        .command(&["health", "--watch", "5ms", "--format", "jsonl"])
        .env("WATCHED_TOKEN", "a token that is watched")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let verdicts: Vec<_> = lines
        .map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap())
        .filter(|event| event["type"] == "run-finished")
        .map(|event| event["verdict"].clone())
        .take(2)
        .collect();
    assert_eq!(verdicts, ["ok", "ok"]);
    assert_eq!(exit_code(child.wait().unwrap()), 0);
}

#[test]
fn in_a_pipe_tables_follow_each_other_with_their_time_and_nothing_steers() {
    let estate = Estate::new();
    let mut child = estate
        .project
        .command(&["health"])
        .env("OPSBOOK_WATCH", "5ms")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut text = String::new();
    while text.matches("2 checks: 2 ok").count() < 2 {
        let mut buffer = [0; 512];
        let length = output.read(&mut buffer).unwrap();
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    kill(
        Pid::from_raw(child.id().try_into().unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    output.read_to_string(&mut text).unwrap();
    assert_eq!(exit_code(child.wait().unwrap()), 143);
    let controls = text.chars().filter(|c| c.is_control() && *c != '\n');
    assert_eq!(controls.count(), 0, "{text}");
    let dated = regex::Regex::new(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$").unwrap();
    assert!(dated.find_iter(&text).count() >= 2, "{text}");
}

#[test]
fn a_report_is_written_by_each_run_and_a_heartbeat_beats_for_each() {
    let beats = HttpServer::answering(Answer::Json(200, "{}"));
    let estate = Estate::new();
    let text = format!(
        "{}[heartbeat]\nurl = \"{}/beat\"\n",
        config(&estate.server),
        beats.url()
    );
    let project = Project::bare().config(&text);
    let mut terminal = Terminal::start(
        &project,
        &["health", "--watch", "5ms", "--report", "json=last.json"],
    );
    let paths: Vec<String> = (0..4).map(|_| beats.next_request().path).collect();
    let starts = paths.iter().filter(|path| path.starts_with("/beat/start"));
    let ends = paths.iter().filter(|path| path.starts_with("/beat/0"));
    assert_eq!((starts.count(), ends.count()), (2, 2), "{paths:?}");
    terminal.wait_for("▁▁");
    terminal.signal(Signal::SIGTERM);
    let (code, _) = terminal.end();
    assert_eq!(code, 143);
    let report: serde_json::Value = serde_json::from_str(&project.read("last.json")).unwrap();
    assert!(report["run"].as_u64() > Some(1), "{report}");
}

#[test]
fn what_cannot_be_watched_is_refused_before_anything_runs() {
    let estate = Estate::new();
    let project = estate.project.runbook(
        "t/write",
        "[[step]]\nname = \"touch\"\ncommand.run = [\"touch\", \"made\"]\n",
    );
    project
        .run(&["t", "write", "--watch", "1s"])
        .exits(64)
        .says("--watch is for runbooks that only read, and step touch of t/write may write");
    assert!(!project.path("made").exists());
    project
        .run(&["health", "--watch", "1s", "--format", "json"])
        .exits(64)
        .says("one document")
        .says("jsonl");
    project
        .run(&["health", "--watch", "0s"])
        .exits(64)
        .says("no time between two runs");
    project.run(&["resume", "1", "--watch", "1s"]).exits(64);
    project
        .run(&["runs", "list"])
        .exits(0)
        .says("nothing was run yet");
}

#[test]
fn nobody_is_asked_each_time() {
    let project =
        Project::new().runbook("t/ask", "[[step]]\nname = \"who\"\nask.text = \"Who?\"\n");
    let pane = Pane::start(&project, &["t", "ask", "--watch", "1h"], 80, 24);
    let screen = pane.wait_until("a run", |screen| screen.contains("run 1"));
    assert!(!screen.contains("Who?\n"), "{screen}");
}
