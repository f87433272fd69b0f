//! `opsbook health` on real sockets: how bad, because of what, and that no service keeps the others waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::harness::{Output, Project, WATCHDOG, accept, exit_code};
use crate::http_server::{Answer, HttpServer, Request};

/// A check of `GET /NAME`.
fn check(service: &str, name: &str, more: &str) -> String {
    format!("[[service.{service}.check]]\nname = \"{name}\"\nhttp.get = \"/{name}\"\n{more}\n")
}

fn service(name: &str, server: &HttpServer) -> String {
    format!("[service.{name}]\nurl = \"{}\"\n", server.url())
}

/// Answers `/404` with 404, any other number likewise, and everything else with 200.
fn by_path(request: &Request) -> Answer {
    let status = request.path.trim_start_matches('/').parse();
    Answer::Json(status.unwrap_or(200), r#"{"pending": 142}"#)
}

fn server() -> HttpServer {
    HttpServer::scripted(|_, request| by_path(request))
}

/// The last line of each check: its status, and its detail.
fn lines(output: &Output) -> BTreeMap<String, (String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_check = |event: Value| {
        let check = event.get("check")?;
        let name = format!("{}/{}", text(&check["service"]), text(&check["name"]));
        (event["type"] == "step-finished")
            .then(|| (name, (text(&event["status"]), text(&event["detail"]))))
    };
    let told: Vec<_> = output
        .json_lines()
        .into_iter()
        .filter_map(of_check)
        .collect();
    let count = told.len();
    let lines: BTreeMap<_, _> = told.into_iter().collect();
    assert_eq!(
        lines.len(),
        count,
        "a check is told twice\n{}",
        output.shown()
    );
    lines
}

fn jsonl(project: &Project, arguments: &[&str]) -> Output {
    project.run(&[&["health", "--format", "jsonl"], arguments].concat())
}

#[track_caller]
fn is(output: &Output, check: &str, status: &str, detail: &str) {
    let lines = lines(output);
    let (told, why) = &lines[check];
    assert_eq!(told, status, "{check}\n{}", output.shown());
    assert!(why.contains(detail), "{check}: {why}");
}

#[test]
fn the_worst_check_decides_the_exit_code() {
    let server = server();
    let good = service("api", &server) + &check("api", "200", "");
    let warning = check("api", "201", "warn = \"json.pending > 100\"");
    let unknown = "[[service.api.check]]\nname = \"tool\"\ncommand.run = [\"there-is-no-such-tool\"]\neffect = \"read\"\n";
    let critical = check("api", "500", "");
    for (checks, code) in [
        (good.clone(), 0),
        (format!("{good}{warning}"), 1),
        (format!("{good}{warning}{unknown}"), 3),
        (format!("{good}{warning}{unknown}{critical}"), 2),
    ] {
        let output = jsonl(&Project::bare().config(&checks), &[]).exits(code);
        is(&output, "api/200", "ok", "200");
    }
}

#[test]
fn what_needs_what_is_down_is_affected_and_the_cause_is_told_once() {
    let server = server();
    let project = Project::bare().config(&format!(
        "{}needs = [\"database\"]\n{}{}{}{}",
        service("api", &server),
        check("api", "500", "cause = \"api is broken\""),
        check("api", "503", "cause = \"api is not ready\""),
        check("api", "200", ""),
        service("database", &server)
            + &check(
                "database",
                "502",
                "cause = \"the database answers {{ status }}\"\nremedy = \"db ping\""
            )
    ));
    let output = jsonl(&project, &[]).exits(2);
    is(&output, "api/500", "affected", "needs database: 500");
    is(&output, "api/503", "affected", "needs database: 503");
    is(&output, "api/200", "ok", "200");
    is(&output, "database/502", "critical", "502");
    let findings: Vec<_> = output
        .json_lines()
        .into_iter()
        .filter(|event| event["type"] == "finding-raised")
        .map(|event| event["cause"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(findings, ["the database answers 502"]);
    // A need that was not asked for excuses nothing.
    is(
        &jsonl(&project, &["api"]).exits(2),
        "api/500",
        "critical",
        "500",
    );
}

/// Answers the requests by these statuses, one after the other.
fn in_turn(statuses: &'static [u16]) -> HttpServer {
    HttpServer::scripted(move |number, _| Answer::Json(statuses[number], "{}"))
}

#[test]
fn a_verdict_turns_after_looks_in_a_row() {
    let server = in_turn(&[500, 200, 500, 500, 500, 500, 200, 500, 200, 200]);
    let project = Project::bare().config(&format!(
        "{}failures = 3\nsuccesses = 2\n{}",
        service("api", &server),
        check("api", "x", "")
    ));
    let told = |output: Output| {
        let (status, detail) = lines(&output).remove("api/x").unwrap();
        let remark = detail.split(':').next().unwrap_or_default();
        format!("{} {status} {remark}", output.code)
    };
    let all: Vec<String> = (0..10).map(|_| told(jsonl(&project, &[]))).collect();
    let answer = "500 Internal Server Error";
    assert_eq!(
        all,
        [
            "0 ok 1 of 3 bad looks",
            "0 ok 200 OK, 2 B",
            "0 ok 1 of 3 bad looks",
            "0 ok 2 of 3 bad looks",
            &format!("2 critical {answer}"),
            &format!("2 critical {answer}"),
            "2 critical 1 of 2 good looks",
            &format!("2 critical {answer}"),
            "2 critical 1 of 2 good looks",
            "0 ok 200 OK, 2 B",
        ]
    );
}

#[test]
fn now_judges_by_this_look_alone() {
    let server = server();
    let project = Project::bare().config(&format!(
        "{}{}",
        service("api", &server),
        check("api", "500", "failures = 9")
    ));
    project.run(&["health"]).exits(0);
    project.run(&["health", "--now"]).exits(2);
    project.run(&["health"]).exits(0);
}

#[test]
fn each_environment_has_verdicts_of_its_own() {
    let server = server();
    let project = Project::bare().config(&format!(
        "[environment.a]\n[environment.b]\n{}{}",
        service("api", &server),
        check("api", "500", "failures = 2")
    ));
    project.run(&["health", "--env", "a"]).exits(0);
    project.run(&["health", "--env", "b"]).exits(0);
    project.run(&["health", "--env", "a"]).exits(2);
}

#[test]
fn what_must_last_is_not_told_at_the_first_look() {
    let server = server();
    // However fast the machine is, more than this lies between two runs.
    let project = Project::bare().config(&format!(
        "{}{}",
        service("api", &server),
        check("api", "500", "sustained = \"1ns\"")
    ));
    is(
        &jsonl(&project, &[]).exits(0),
        "api/500",
        "ok",
        "bad for 0s of 1ns",
    );
    is(&jsonl(&project, &[]).exits(2), "api/500", "critical", "500");
}

#[test]
fn a_dry_run_looks_and_keeps_nothing() {
    let server = server();
    let project = Project::bare().config(&format!(
        "{}{}",
        service("api", &server),
        check("api", "500", "failures = 2")
    ));
    is(
        &jsonl(&project, &["--dry-run"]).exits(0),
        "api/500",
        "ok",
        "1 of 2",
    );
    is(&jsonl(&project, &[]).exits(0), "api/500", "ok", "1 of 2");
    is(&jsonl(&project, &[]).exits(2), "api/500", "critical", "500");
}

/// A run that is still going on, and what it has told so far.
struct Going {
    child: Child,
    told: std::sync::mpsc::Receiver<Value>,
}

impl Going {
    fn start(project: &Project, arguments: &[&str]) -> Self {
        let arguments = [arguments, &["--format", "jsonl"]].concat();
        let mut command = project.command(&arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, told }
    }

    /// Waits until these checks are told, and gives all that are.
    fn until_told(&self, wanted: &[&str]) -> BTreeMap<String, Value> {
        let mut seen = BTreeMap::new();
        while !wanted.iter().all(|name| seen.contains_key(*name)) {
            let event = self.told.recv_timeout(WATCHDOG).expect("more is told");
            if event["type"] == "step-finished" && event["check"].is_object() {
                let name = event["check"]["name"].as_str().unwrap().to_owned();
                seen.insert(name, event);
            }
        }
        seen
    }

    /// The exit code, and the events that were not yet heard.
    fn end(mut self) -> (i32, Vec<Value>) {
        let code = exit_code(self.child.wait().unwrap());
        (code, self.told.iter().collect())
    }
}

#[test]
fn a_check_that_looks_again_is_a_check_in_a_dry_run_too() {
    let server = server();
    let repeated = check("api", "again", "repeat = { every = \"1ms\", times = 2 }");
    let project = Project::bare().config(&(service("api", &server) + &repeated));
    let output = jsonl(&project, &["--dry-run"]).exits(0);
    let begun = output.json_lines().into_iter().filter_map(|event| {
        let begins = event["type"] == "step-started" && event["step"] == "checks/api/again";
        begins.then(|| event["check"]["name"].clone())
    });
    assert_eq!(begun.collect::<Vec<_>>(), ["again"]);
}

#[test]
fn a_service_that_never_answers_keeps_nobody_waiting() {
    let (hole, quick) = (HttpServer::answering(Answer::Never), server());
    let mut config = service("hole", &hole);
    // More than towards one host may run at once, and written first.
    config += "[health]\nper_host = 4\nconcurrency = 8\n";
    for index in 0..6 {
        config += &check("hole", &format!("h{index}"), "");
    }
    // The limit is each host's: this is another one.
    config += &format!(
        "[service.quick]\nurl = \"{}\"\n",
        quick.url().replace("127.0.0.1", "localhost")
    );
    let names: Vec<String> = (0..20).map(|index| format!("q{index}")).collect();
    for name in &names {
        config += &check("quick", name, "");
    }
    let project = Project::bare().config(&config);
    let going = Going::start(&project, &["health"]);
    let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    let told = going.until_told(&wanted);
    assert!(
        told.values().all(|event| event["status"] == "ok"),
        "{told:?}"
    );
    assert_eq!(told.len(), 20, "the hole has not answered yet");
    drop(hole);
    let (code, rest) = going.end();
    assert_eq!(code, 2);
    let critical = rest.iter().filter(|event| event["status"] == "critical");
    assert_eq!(
        critical.filter(|event| event["check"].is_object()).count(),
        6
    );
}

/// A server that answers only once so many are connected at the same time, and remembers how many that were at most.
struct Crowd {
    url: String,
    state: Arc<(Mutex<CrowdState>, Condvar)>,
}

#[derive(Default)]
struct CrowdState {
    open: usize,
    most: usize,
    /// How many have come since the last crowd was whole.
    waiting: usize,
    /// How many crowds were whole: each is answered together, and nobody who comes later takes another one's place.
    crowds: usize,
}

impl Crowd {
    fn of(wanted: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state: Arc<(Mutex<CrowdState>, Condvar)> = Arc::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            // It ends with the process: nothing waits for it.
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream.unwrap(), &shared, wanted));
            }
        });
        Self { url, state }
    }

    fn most(&self) -> usize {
        self.state.0.lock().unwrap().most
    }
}

fn serve(mut stream: TcpStream, shared: &(Mutex<CrowdState>, Condvar), wanted: usize) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request);
    let (state, changed) = shared;
    let mut state = state.lock().unwrap();
    state.open += 1;
    state.most = state.most.max(state.open);
    let mine = state.crowds;
    state.waiting += 1;
    if state.waiting == wanted {
        state.waiting = 0;
        state.crowds += 1;
        changed.notify_all();
    }
    let mut state = changed
        .wait_timeout_while(state, WATCHDOG, |state| state.crowds == mine)
        .unwrap()
        .0;
    // Before the answer: who has it may send the next one in.
    state.open -= 1;
    drop(state);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
}

#[test]
fn as_many_at_once_as_is_allowed_and_no_more() {
    for (limits, at_once) in [
        ("concurrency = 3", 3),
        ("per_host = 2", 2),
        ("concurrency = 4\nper_host = 9", 4),
        ("", 16),
    ] {
        let crowd = Crowd::of(at_once);
        let mut config = format!(
            "[health]\n{limits}\n[service.api]\nurl = \"{}\"\n",
            crowd.url
        );
        for index in 0..3 * at_once {
            config += &check("api", &format!("c{index}"), "");
        }
        Project::bare().config(&config).run(&["health"]).exits(0);
        assert_eq!(crowd.most(), at_once, "{limits}");
    }
}

#[test]
fn the_token_of_a_service_reaches_its_checks_and_nobody_else() {
    let server = HttpServer::scripted(|_, request| match request.path.as_str() {
        "/echo" => Answer::Bytes(
            format!(
                "HTTP/1.1 503 No\r\nconnection: close\r\n\r\nyou sent {}",
                request.header("authorization").unwrap_or("nothing")
            )
            .into_bytes(),
        ),
        _ => Answer::Json(200, "{}"),
    });
    let project = Project::bare()
        .variable("MONITOR_TOKEN", "hunter2hunter2")
        .config(&format!(
            "[secret]\nmonitor = {{ env = \"MONITOR_TOKEN\" }}\n{}auth.bearer = \"{{{{ secret.monitor }}}}\"\n{}",
            service("api", &server),
            check("api", "echo", "cause = \"it said {{ body }}\"")
        ));
    for format in ["table", "json", "jsonl", "monitoring"] {
        project
            .run(&["health", "--format", format, "-v"])
            .exits(2)
            .never_shows("hunter2");
    }
    let sent = server.next_request();
    assert_eq!(sent.header("authorization"), Some("Bearer hunter2hunter2"));
    project.run(&["runs", "show", "1"]).never_shows("hunter2");
}

#[test]
fn a_missing_secret_is_the_trouble_of_the_checks_that_need_it() {
    let server = server();
    let config = format!(
        "[secret]\nmonitor = {{ env = \"MONITOR_TOKEN\" }}\n{}auth.bearer = \"{{{{ secret.monitor }}}}\"\n{}{}",
        service("api", &server),
        check("api", "200", ""),
        service("web", &server) + &check("web", "500", "")
    );
    let output = jsonl(&Project::bare().config(&config), &[]).exits(2);
    is(&output, "api/200", "unknown", "monitor");
    is(&output, "web/500", "critical", "500");
    output.says("the variable MONITOR_TOKEN is not set");
    Project::bare()
        .config(&config)
        .run(&["health", "api"])
        .exits(3);
}

#[test]
fn what_a_sensitive_check_gave_is_told_nowhere() {
    let server = HttpServer::answering(Answer::Json(500, r#"{"inner": "workings"}"#));
    let project = Project::bare().config(&format!(
        "{}{}",
        service("api", &server),
        check(
            "api",
            "x",
            "sensitive = true\ncause = \"it says {{ json.inner }}\""
        )
    ));
    for format in ["table", "json", "jsonl"] {
        project
            .run(&["health", "--format", format])
            .exits(2)
            .never_shows("workings");
    }
}

#[test]
fn a_check_that_is_wrong_takes_no_verdict_away() {
    let server = server();
    let bad = check("api", "500", "");
    // A service without a URL is found out when it is asked.
    let wrong = check("nowhere", "x", "");
    let config = format!("[service.nowhere]\n{wrong}{}", service("api", &server));
    let output = jsonl(&Project::bare().config(&format!("{config}{bad}")), &[]).exits(2);
    is(&output, "nowhere/x", "unknown", "has no URL");
    is(&output, "api/500", "critical", "500");
    jsonl(&Project::bare().config(&config), &[]).exits(3);
}

#[test]
fn a_check_that_is_not_wanted_is_skipped() {
    let server = server();
    let project = Project::bare().config(&format!(
        "{}{}{}",
        service("api", &server),
        check("api", "500", "when = \"environment == 'production'\""),
        check("api", "200", "needs = [\"api/500\"]")
    ));
    let output = jsonl(&project, &[]).exits(0);
    is(&output, "api/500", "skipped", "not needed");
    is(&output, "api/200", "ok", "200");
}

#[test]
fn a_check_tries_again_where_it_says_so() {
    let server = in_turn(&[500, 500, 200, 200, 200, 200]);
    let project = Project::bare().config(&format!(
        "[health]\nconcurrency = 1\n{}{}{}",
        service("api", &server),
        check("api", "again", "retry = { attempts = 3, delay = \"1ms\" }"),
        check(
            "api",
            "often",
            "needs = [\"api/again\"]\nrepeat = { every = \"1ms\", times = 3 }\ncritical = \"samples.count != 3\""
        )
    ));
    let output = jsonl(&project, &[]).exits(0);
    is(&output, "api/again", "ok", "200");
    is(&output, "api/often", "ok", "3 looks");
}

#[test]
fn nothing_to_look_at_is_told_with_what_to_write() {
    Project::new()
        .run(&["health"])
        .exits(78)
        .prints("describes no checks")
        .prints("[[service.web.check]]");
    Project::bare()
        .run(&["health"])
        .exits(78)
        .prints("there is no opsbook.toml");
    let project = Project::bare().config(
        "[service.api]\nurl = \"http://127.0.0.1:1\"\n[[service.web.check]]\nname = \"x\"\nhttp.get = \"http://127.0.0.1:1/\"\n",
    );
    project
        .run(&["health", "api"])
        .exits(78)
        .prints("[[service.api.check]]");
    project.run(&["health", "appi"]).exits(64).says("api");
}

#[test]
fn another_runbook_runs_the_checks_of_some_services() {
    let server = server();
    let project = Project::bare()
        .config(&format!(
            "{}{}{}{}",
            service("api", &server),
            check("api", "201", "warn = \"json.pending > 100\"\ncause = \"many are waiting\"\nfailures = 5"),
            service("web", &server),
            check("web", "500", "")
        ))
        .runbook(
            "deploy/after",
            "[[step]]\nname = \"health\"\nrunbook.run = \"health/check\"\nrunbook.inputs = { service = [\"api\"], now = true }\n\
             on_failure = \"continue\"\n\
             [[step]]\nname = \"own\"\nhealth.check = [\"api\"]\n\
             [[step]]\nname = \"use\"\nassert.that = \"steps.own.counts.ok == 1 and steps.own.rows[0].check == '201' and steps.health.status == 'warning'\"\n",
        );
    let output = project
        .run(&["deploy", "after", "--format", "json"])
        .exits(1);
    let report = output.json();
    let keys: BTreeSet<&str> = (report["steps"].as_array().unwrap().iter())
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    assert!(
        keys.contains("health/checks/api/201") && keys.contains("own/api/201"),
        "{keys:?}"
    );
    assert!(!keys.iter().any(|key| key.contains("web")));
    assert_eq!(report["findings"][0]["cause"], "many are waiting");
}

#[test]
fn an_interrupt_tells_what_was_seen_and_keeps_it() {
    let server = HttpServer::scripted(|number, request| match request.path.as_str() {
        "/slow" if number < 2 => Answer::Never,
        _ => by_path(request),
    });
    let project = Project::bare().config(&format!(
        "[health]\nconcurrency = 1\n{}{}{}{}",
        service("api", &server),
        check("api", "500", "failures = 2"),
        check("api", "slow", "failures = 2"),
        check("api", "200", "")
    ));
    let going = Going::start(&project, &["health"]);
    let told = going.until_told(&["500"]);
    assert_eq!(told["500"]["status"], "ok");
    // The one that never answers is asked by now, or will be: it is cut off either way.
    assert_eq!(server.next_request().path, "/500");
    assert_eq!(server.next_request().path, "/slow");
    let pid = Pid::from_raw(going.child.id().try_into().unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    let rest = going.until_told(&["slow", "200"]);
    assert_eq!(rest["slow"]["status"], "unknown");
    assert_eq!(rest["slow"]["detail"], "interrupted");
    assert_eq!(rest["200"]["status"], "not-run");
    assert_eq!(going.end().0, 130);
    // What was seen counts, and what was cut off does not.
    let output = jsonl(&project, &[]).exits(2);
    is(&output, "api/500", "critical", "500");
    is(&output, "api/slow", "ok", "200");
}

#[test]
fn the_time_of_the_run_ends_the_looks() {
    let server = HttpServer::scripted(|_, request| match request.path.as_str() {
        "/slow" => Answer::Never,
        _ => by_path(request),
    });
    let project = Project::bare().config(&format!(
        "{}{}{}",
        service("api", &server),
        check("api", "200", ""),
        check("api", "slow", "")
    ));
    let output = jsonl(&project, &["--timeout", "5s"]).exits(2);
    is(&output, "api/200", "ok", "200");
    is(&output, "api/slow", "unknown", "its time was over");
}

#[test]
fn a_killed_run_goes_on_with_every_check() {
    let server = HttpServer::scripted(|number, request| match request.path.as_str() {
        "/slow" if number < 2 => Answer::Never,
        _ => by_path(request),
    });
    let project = Project::bare().config(&format!(
        "[health]\nconcurrency = 1\n{}{}{}",
        service("api", &server),
        check("api", "200", ""),
        check("api", "slow", "")
    ));
    let going = Going::start(&project, &["health"]);
    going.until_told(&["200"]);
    assert_eq!(server.next_request().path, "/200");
    assert_eq!(server.next_request().path, "/slow");
    kill(
        Pid::from_raw(going.child.id().try_into().unwrap()),
        Signal::SIGKILL,
    )
    .unwrap();
    assert_eq!(going.end().0, 137);
    project.run(&["resume", "1"]).exits(0);
    assert_eq!(server.next_request().path, "/200");
    assert_eq!(server.next_request().path, "/slow");
}

#[test]
fn a_measurement_gives_numbers_that_a_runbook_can_judge() {
    let server = server();
    let project = Project::bare()
        .config(&format!(
            "{}{}{}",
            service("api", &server),
            check("api", "200", ""),
            check("api", "500", "")
        ))
        .runbook(
            "t/x",
            "[[step]]\nname = \"measure\"\nhealth.bench = \"api\"\nhealth.only = [\"200\"]\nhealth.for = \"50ms\"\nhealth.every = \"1ms\"\n\
             expect = \"looks > 1 and failures == 0 and min <= p50 and p50 <= p95 and p95 <= p99 and p99 <= max\"\n\
             critical = \"p95 >= 0\"\n",
        );
    project
        .run(&["t", "x"])
        .exits(2)
        .step("measure", "CRITICAL");
    let output = project
        .run(&["health", "bench", "api", "--for", "50ms", "--every", "1ms"])
        .exits(1);
    for text in [
        "total", "connect", "wait", "receive", "p99", "spread", "█", "failures",
    ] {
        assert!(output.stdout.contains(text), "{text}\n{}", output.shown());
    }
    assert!(
        output.stdout.lines().all(|line| line.chars().count() <= 80),
        "{}",
        output.shown()
    );
    project
        .run(&["health", "bench", "api", "--check", "500", "--for", "1ms"])
        .exits(2);
    project
        .run(&["health", "bench", "api", "--check", "x"])
        .exits(78)
        .prints("it has 200, 500");
    // It looked alone: no verdict has turned, and nothing is kept.
    let told = project.run(&[
        "health", "bench", "api", "--for", "1ms", "--format", "jsonl",
    ]);
    assert!(lines(&told).is_empty());
}

#[test]
fn a_measurement_that_is_interrupted_tells_what_it_has() {
    let server = server();
    let project = Project::bare().config(&(service("api", &server) + &check("api", "200", "")));
    let mut command = project.command(&["health", "bench", "api", "--for", "1h", "--every", "1ms"]);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    for _ in 0..20 {
        server.next_request();
    }
    kill(
        Pid::from_raw(child.id().try_into().unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
    let mut told = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut told)
        .unwrap();
    assert_eq!(exit_code(child.wait().unwrap()), 130);
    for text in ["total", "p99", "spread", "█", "INTERRUPTED"] {
        assert!(told.contains(text), "{text}\n{told}");
    }
}

fn with_headers(headers: &str) -> Answer {
    let text =
        format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n{headers}\r\n");
    Answer::Bytes(text.into_bytes())
}

#[test]
fn security_headers_are_graded() {
    let good = "strict-transport-security: max-age=31536000; includeSubDomains\r\n\
                content-security-policy: default-src 'self'; script-src 'self' 'nonce-r4nd0m'\r\n\
                x-frame-options: DENY\r\nx-content-type-options: nosniff\r\n\
                referrer-policy: strict-origin-when-cross-origin\r\n";
    let graded = |headers: &str| {
        let server = HttpServer::answering(with_headers(headers));
        let project = Project::bare().config(&service("web", &server));
        project.run(&["health", "headers", "security", "--service", "web"])
    };
    graded(good)
        .exits(0)
        .prints("permissions-policy")
        .prints("advised");
    graded(&good.replace("31536000", "3600"))
        .exits(1)
        .prints("weak")
        .prints("max-age=31536000");
    graded(&good.replace("x-frame-options: DENY\r\n", ""))
        .exits(1)
        .prints("missing")
        .prints("DENY or SAMEORIGIN");
    graded("").exits(2).prints("content-security-policy");
}

#[test]
fn cache_headers_are_judged_over_several_requests() {
    let cached = |hits_from: usize, control: &'static str| {
        let server = HttpServer::scripted(move |number, request| {
            assert_eq!(request.path, "/assets/app.js");
            let cache = if number < hits_from { "MISS" } else { "HIT" };
            with_headers(&format!(
                "cache-control: {control}\r\ncf-cache-status: {cache}\r\n"
            ))
        });
        let project = Project::bare().config(&service("web", &server));
        let output = project.run(&[
            "health",
            "headers",
            "cache",
            "--service",
            "web",
            "--path",
            "/assets/app.js",
        ]);
        assert_eq!(server.count(), 5);
        output
    };
    let immutable = "public, max-age=31536000, immutable";
    cached(1, immutable)
        .exits(0)
        .prints("HIT")
        .prints(immutable);
    // A miss on the second request too.
    cached(2, immutable)
        .exits(1)
        .prints("hits 3 < `requests - 1` 4");
    cached(0, "no-store").exits(1).prints("seconds 0");
    cached(0, "public, max-age = 60")
        .exits(1)
        .prints("seconds 60");
}

#[test]
fn findings_stand_in_the_order_of_the_checks_whichever_ends_first() {
    let server = HttpServer::scripted(|_, request| match request.path.as_str() {
        "/late" => Answer::Never,
        _ => by_path(request),
    });
    let checks = service("api", &server)
        + &check("api", "late", "timeout = \"100ms\"\ncause = \"it is late\"")
        + &check("api", "503", "cause = \"it is early\"");
    let output = jsonl(&Project::bare().config(&checks), &[]).exits(2);
    let raised = |event: &Value| event["type"] == "finding-raised";
    let events = output.json_lines().into_iter().filter(raised);
    let causes: Vec<_> = events.map(|event| event["cause"].clone()).collect();
    assert_eq!(causes, ["it is late", "it is early"]);
}

#[test]
fn an_answer_puts_nothing_but_one_word_into_the_next_command() {
    let server = HttpServer::answering(Answer::Json(
        503,
        r#"{"queue": "jobs; id | sh", "dash": "--yes"}"#,
    ));
    let told = |queue: &str| {
        let keys =
            format!("expect = \"status == 200\"\nremedy = \"queue status {{{{ json.{queue} }}}}\"");
        let checks = service("api", &server) + &check("api", "x", &keys);
        let project = Project::bare().config(&checks);
        let output = jsonl(&project, &[]).exits(2);
        let raised = |event: &Value| event["type"] == "finding-raised";
        output.json_lines().into_iter().find(raised).unwrap()["remedy"].clone()
    };
    assert_eq!(told("queue"), "queue status 'jobs; id | sh'");
    assert_eq!(told("dash"), Value::Null);
}

#[test]
fn a_cause_that_cannot_be_filled_in_is_what_was_seen() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let project = Project::bare().config(&format!(
        "[service.api]\nurl = \"{url}\"\n{}",
        check(
            "api",
            "x",
            "cause = \"{{ json.pending }} are waiting\"\nremedy = \"queue status {{ json.queue }}\""
        )
    ));
    let going = Going::start(&project, &["health"]);
    drop(accept(&listener));
    drop(listener);
    let (code, told) = going.end();
    assert_eq!(code, 2);
    let finding = told
        .iter()
        .find(|event| event["type"] == "finding-raised")
        .unwrap();
    let cause = finding["cause"].as_str().unwrap();
    assert!(
        cause.starts_with("api x: ") && !cause.contains("{{"),
        "{cause}"
    );
    assert!(
        finding.get("remedy").is_none_or(Value::is_null),
        "{finding}"
    );
}
