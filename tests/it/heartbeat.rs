//! Heartbeats: what a watch is told of a run, and that a run does not care what becomes of it.

use crate::harness::{ClosedPort, Output, Project};
use crate::http_server::{Answer, HttpServer, Request};

const WELL: &str = "[[step]]\nname = \"a\"\nassert.that = \"true\"\n";
const BAD: &str = "[[step]]\nname = \"a\"\nassert.that = \"1 == 2\"\n";

fn watch() -> HttpServer {
    HttpServer::answering(Answer::Bytes(
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nOK".to_vec(),
    ))
}

/// A project whose configuration tells the watch of every run.
fn told(server: &HttpServer, steps: &str) -> Project {
    let config = format!("heartbeat = \"{}/check?team=ops\"\n", server.url());
    Project::bare().config(&config).runbook("t/x", steps)
}

/// The path without its query, and the `rid` in that.
fn asked(request: &Request) -> (&str, &str) {
    assert_eq!(request.method, "POST");
    let (path, query) = request.path.split_once('?').unwrap();
    let rid = query
        .strip_prefix("team=ops&rid=")
        .expect("the query is kept, the rid added");
    assert_eq!(rid.len(), 36, "{rid}");
    (path, rid)
}

#[test]
fn a_run_tells_its_beginning_and_its_exit_code_under_one_id() {
    for (steps, code, verdict) in [(WELL, 0, "ok"), (BAD, 2, "critical")] {
        let server = watch();
        told(&server, steps).run(&["t", "x"]).exits(code);
        let (start, end) = (server.next_request(), server.next_request());
        let ((begun, first), (ended, second)) = (asked(&start), asked(&end));
        assert_eq!(
            (begun, ended),
            ("/check/start", format!("/check/{code}").as_str())
        );
        assert_eq!(first, second);
        assert_eq!(server.count(), 2);
        assert!(end.body.contains("run 1 of t/x"), "{}", end.body);
        assert!(end.body.contains(verdict), "{}", end.body);
        assert_eq!(
            end.body.contains("a: critical: does not hold: 1 == 2"),
            code == 2,
            "{}",
            end.body
        );
    }
}

#[test]
fn the_code_is_the_one_that_the_process_ends_with() {
    let server = watch();
    let steps = format!("{BAD}severity = \"P3\"\n");
    told(&server, &steps)
        .run(&["t", "x", "--fail-on", "critical"])
        .exits(0);
    assert_eq!(asked(&server.next_request()).0, "/check/start");
    assert_eq!(asked(&server.next_request()).0, "/check/0");
}

#[test]
fn a_runbook_has_a_watch_of_its_own() {
    let (general, own) = (watch(), watch());
    let text = format!(
        "[heartbeat]\nurl = \"{}/own?team=ops\"\ntimeout = \"3s\"\n{WELL}",
        own.url()
    );
    told(&general, &text).run(&["t", "x"]).exits(0);
    assert_eq!(asked(&own.next_request()).0, "/own/start");
    assert_eq!(asked(&own.next_request()).0, "/own/0");
    assert_eq!(general.count(), 0);
}

#[test]
fn a_run_that_may_not_begin_is_told_too() {
    let server = watch();
    let steps = "[[step]]\nname = \"a\"\ncommand.run = [\"true\"]\n";
    let project = told(&server, steps);
    project.run(&["t", "x", "--read-only"]).exits(75);
    let request = server.next_request();
    assert_eq!(asked(&request).0, "/check/log");
    assert!(
        request.body.contains("--read-only refuses"),
        "{}",
        request.body
    );

    let server = watch();
    let config = format!(
        "heartbeat = \"{}/check?team=ops\"\n[secret]\ntoken = {{ env = \"NOT_SET\" }}\n",
        server.url()
    );
    let steps = "[[step]]\nname = \"a\"\ncommand.run = [\"true\"]\ncommand.env = { A = \"{{ secret.token }}\" }\n";
    let project = Project::bare().config(&config).runbook("t/x", steps);
    project.run(&["t", "x"]).exits(3);
    let request = server.next_request();
    assert_eq!(asked(&request).0, "/check/3");
    assert!(request.body.contains("NOT_SET"), "{}", request.body);
    assert_eq!(server.count(), 1);
}

#[test]
fn the_loser_of_a_lock_is_neither_a_success_nor_a_failure() {
    let server = watch();
    let project = told(
        &server,
        "[[step]]\nname = \"a\"\nshell.run = \"touch began; sleep 600\"\n",
    );
    let mut winner = project
        .command(&["t", "x"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(asked(&server.next_request()).0, "/check/start");
    let started = std::time::Instant::now();
    while !project.path("began").exists() {
        assert!(started.elapsed() < crate::harness::WATCHDOG);
        std::thread::yield_now();
    }
    project.run(&["t", "x"]).exits(75);
    let loser = server.next_request();
    assert_eq!(asked(&loser).0, "/check/log");
    assert!(loser.body.contains("exit 75"), "{}", loser.body);
    let pid = nix::unistd::Pid::from_raw(winner.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    assert_eq!(asked(&server.next_request()).0, "/check/130");
    winner.wait().unwrap();
}

#[test]
fn a_dry_run_is_no_sign_of_life() {
    let server = watch();
    told(&server, WELL).run(&["t", "x", "--dry-run"]).exits(0);
    assert_eq!(server.count(), 0);
}

#[test]
fn a_watch_that_is_ill_changes_nothing_and_is_told_of() {
    let fails = |url: &str, more: &str, reason: &str| -> Output {
        let config = format!("project = \"test\"\n[heartbeat]\nurl = \"{url}\"\n{more}\n");
        let project = Project::bare().config(&config).runbook("t/x", WELL);
        let output = project
            .run(&["t", "x"])
            .exits(0)
            .says("note: the heartbeat was not told");
        output.says(reason)
    };
    let broken = HttpServer::answering(Answer::Json(500, "{}"));
    fails(&broken.url(), "", "the watch answers 500");
    let silent = HttpServer::answering(Answer::Never);
    fails(&silent.url(), "timeout = \"200ms\"", "no answer within");
    let closed = ClosedPort::new();
    let nowhere = format!("http://127.0.0.1:{}", closed.number());
    fails(&nowhere, "", "connection refused");
    fails("{{ project }}/x", "", "this is no URL");
}

#[test]
fn the_first_step_does_not_wait_for_the_watch() {
    // The watch answers only once the step has run: were it waited for, the run would end by the watchdog.
    let begun = tempfile::tempdir().unwrap();
    let file = begun.path().join("begun");
    let seen = file.clone();
    let server = HttpServer::scripted(move |_, _| {
        while !seen.exists() {
            std::thread::yield_now();
        }
        Answer::Json(200, "{}")
    });
    let steps = format!(
        "[[step]]\nname = \"a\"\ncommand.run = [\"touch\", \"{}\"]\n",
        file.display()
    );
    let output = told(&server, &steps).run(&["t", "x"]).exits(0);
    assert!(!output.stderr.contains("heartbeat"), "{}", output.stderr);
    assert_eq!(asked(&server.next_request()).0, "/check/start");
    assert_eq!(asked(&server.next_request()).0, "/check/0");
}

#[test]
fn a_signal_is_told() {
    let server = watch();
    let project = told(&server, "[[step]]\nname = \"a\"\nwait.for = \"10m\"\n");
    let mut child = project
        .command(&["t", "x"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(asked(&server.next_request()).0, "/check/start");
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(asked(&server.next_request()).0, "/check/143");
    assert_eq!(crate::harness::exit_code(child.wait().unwrap()), 143);
}

#[test]
fn neither_the_url_nor_the_body_tells_a_secret() {
    let server = watch();
    let config = format!(
        "heartbeat = \"{}/{{{{ secret.check }}}}?team=ops\"\n[secret]\ncheck = {{ env = \"CHECK\" }}\ntoken = {{ env = \"TOKEN\" }}\n",
        server.url()
    );
    let steps = "[[step]]\nname = \"a\"\nshell.run = \"echo {{ secret.token }} >&2; exit 1\"\n";
    let project = Project::bare()
        .config(&config)
        .runbook("t/x", steps)
        .variable("CHECK", "c0ffee-c0ffee-c0ffee")
        .variable("TOKEN", "hunter2hunter2");
    let output = project.run(&["t", "x", "-vvv"]).exits(2);
    output.never_shows("c0ffee").never_shows("hunter2");
    assert_eq!(
        asked(&server.next_request()).0,
        "/c0ffee-c0ffee-c0ffee/start"
    );
    let end = server.next_request();
    assert!(end.body.contains("exited with 1: ***"), "{}", end.body);
}

#[test]
fn the_body_is_bounded_and_names_the_steps_that_ended_badly() {
    let server = watch();
    let steps: String = (0..80)
        .map(|index| {
            format!(
                "[[step]]\nname = \"s{index}\"\nassert.that = \"'{}' == ''\"\non_failure = \"continue\"\n",
                "ü".repeat(200)
            )
        })
        .collect();
    told(&server, &steps).run(&["t", "x"]).exits(2);
    server.next_request();
    let body = server.next_request().body;
    assert!(
        body.len() <= 10_000 && body.contains("s0: critical"),
        "{} {body:.300}",
        body.len()
    );
    assert!(!body.contains('\u{fffd}'));
}
