//! `metrics.query` and `status_page.get`: a real Prometheus with a known past, and stand-ins that answer as Cloudflare,
//! Sentry and Statuspage document it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::harness::{Output, Project};
use crate::http_server::{Answer, HttpServer};

/// A label that every language in between would like to read as something of its own.
const HOSTILE: &str = r#"a"b\c{}'|.*"#;

/// A Prometheus that collects nothing and remembers ten minutes, until it is dropped or whoever started it is gone.
struct Prometheus {
    shell: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn start() -> Self {
        let folder = tempfile::TempDir::with_prefix("opsbook-prometheus-").unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("past"), past()).unwrap();
        std::fs::write(path("configuration"), "").unwrap();
        let made = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([path("past"), path("data")])
            .output()
            .unwrap_or_else(|error| panic!("promtool: {error}; run: sudo scripts/test"));
        assert!(made.status.success(), "{made:?}");
        // The shell ends the server as soon as nobody holds the other end of its standard input any more.
        let mut shell = Command::new("bash")
            .args([
                "-c",
                "prometheus \"$@\" < /dev/null & read -r; kill -9 $!; wait",
                "bash",
            ])
            .arg("--web.listen-address=127.0.0.1:0")
            .arg(format!("--config.file={}", path("configuration")))
            .arg(format!("--storage.tsdb.path={}", path("data")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(shell.stderr.take().unwrap());
        let (mut seen, mut address, mut ready) = (String::new(), None, false);
        // It says so in either order.
        while address.is_none() || !ready {
            let start = seen.len();
            let length = log.read_line(&mut seen).unwrap();
            assert_ne!(
                length, 0,
                "prometheus ended; run: sudo scripts/test\n{seen}"
            );
            let line = &seen[start..];
            if let Some((_, listening)) = line.split_once("msg=\"Listening on\" address=") {
                address = Some(listening.trim().to_owned());
            }
            ready |= line.contains("Server is ready to receive web requests");
        }
        // Whoever does not read its log would stop it in the end.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self {
            shell,
            address: address.unwrap(),
            _folder: folder,
        }
    }

    /// A project that asks it.
    fn project(&self) -> Project {
        Project::new().config(&format!(
            "[metrics.main]\nkind = \"prometheus\"\nurl = \"http://{}\"\n",
            self.address
        ))
    }

    /// Runs one step that asks this.
    #[track_caller]
    fn ask(&self, query: &str, more: &str) -> Output {
        run(self.project(), query, more)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Eleven minutes of two series: a depth that rises from 0 to 10, and requests, one a second.
fn past() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let hostile = HOSTILE.replace('\\', "\\\\").replace('"', "\\\"");
    let mut depth = "# TYPE depth gauge\n".to_owned();
    let mut requests = "# TYPE requests counter\n".to_owned();
    for minute in 0..=10 {
        let at = now - 600 + 60 * minute;
        depth.push_str(&format!("depth{{queue=\"jobs\"}} {minute} {at}\n"));
        for label in ["plain", &hostile] {
            let total = 60 * minute;
            requests.push_str(&format!(
                "requests_total{{path=\"{label}\"}} {total} {at}\n"
            ));
        }
    }
    // All of a family stands together.
    let (heads, mut samples): (Vec<_>, Vec<_>) =
        requests.lines().partition(|line| line.starts_with('#'));
    samples.sort_by_key(|line| line.starts_with("requests_total{path=\"plain\"}"));
    format!(
        "{depth}{}\n{}\n# EOF\n",
        heads.join("\n"),
        samples.join("\n")
    )
}

/// A step `ask` of a runbook that puts `input.x` wherever it wants.
fn step(query: &str, more: &str) -> String {
    format!(
        "[input.x]\ntype = \"string\"\ndefault = \"plain\"\n[[step]]\nname = \"ask\"\nmetrics.query = '''{query}'''\nmetrics.on = \"main\"\n{more}\n"
    )
}

#[track_caller]
fn run(project: Project, query: &str, more: &str) -> Output {
    project.runbook("t/x", &step(query, more)).run(&["t", "x"])
}

/// The outputs of the step `ask`.
fn outputs(output: &Output) -> Value {
    let found = output.json_lines().into_iter().find_map(|event| {
        let outputs = event.get("outputs")?.clone();
        outputs.is_object().then_some(outputs)
    });
    found.unwrap_or_else(|| panic!("no outputs\n{}", output.shown()))
}

#[test]
fn prometheus_answers_what_is_asked_now() {
    let prometheus = Prometheus::start();
    prometheus
        .ask("depth", "expect = \"value == 10 and series == 1\"")
        .exits(0)
        .step("ask", "ok");
    prometheus
        .ask("sum(rate(requests_total[5m]))", "warn = \"value > 1.5\"")
        .exits(1)
        .step("ask", "WARNING")
        .prints("value 2 > 1.5");
    prometheus
        .ask(
            "requests_total",
            "critical = \"rows | length == 2 and rows[0].value == 600\"",
        )
        .exits(2);
    let table = prometheus
        .project()
        .runbook("t/x", &format!("output = \"ask\"\n{}", step("depth", "")))
        .run(&["t", "x"])
        .exits(0);
    table.prints("queue").prints("jobs").prints("10");
}

#[test]
fn prometheus_answers_over_a_range() {
    Prometheus::start()
        .ask(
            "depth",
            "metrics.range = \"10m\"\nmetrics.step = \"1m\"\nexpect = \"rows[0].last == 10 and rows[0].count == 11 and rows[0].max == 10 and rows[0].min <= 1 and points[0] | length == 11\"",
        )
        .exits(0)
        .step("ask", "ok");
}

#[test]
fn what_is_no_number_is_neither_good_nor_bad() {
    let prometheus = Prometheus::start();
    for (query, shown) in [
        ("scalar(depth) * (0/0)", "not a number"),
        ("nowhere", "`value` is null, not a number"),
        ("\"a text\"", "not a number"),
    ] {
        prometheus
            .ask(query, "critical = \"value > 5\"")
            .exits(3)
            .step("ask", "UNKNOWN")
            .prints(shown);
    }
    prometheus.ask("nowhere", "").exits(0).prints("no data");
    prometheus
        .ask(
            "depth / 0",
            "expect = \"value == '+Inf' and value | float > 5\"",
        )
        .exits(0);
    prometheus
        .ask("vector(scalar(nowhere))", "expect = \"value == 'NaN'\"")
        .exits(0);
    prometheus
        .ask("1 + 1", "expect = \"value == 2\"")
        .exits(0)
        .prints("value 2");
    prometheus
        .ask("\"a text\"", "expect = \"value == 'a text'\"")
        .exits(0);
}

#[test]
fn an_error_of_prometheus_is_told_in_its_own_words() {
    let prometheus = Prometheus::start();
    prometheus
        .ask("sum(", "")
        .exits(78)
        .step("ask", "UNKNOWN")
        .prints("bad_data");
    prometheus
        .ask("requests_total * on() requests_total", "")
        .exits(2)
        .step("ask", "CRITICAL")
        .prints("execution");
    let gone = prometheus.project();
    drop(prometheus);
    run(gone, "depth", "")
        .exits(2)
        .step("ask", "CRITICAL")
        .prints("127.0.0.1");
}

#[test]
fn a_value_in_promql_is_nothing_but_a_value() {
    let prometheus = Prometheus::start();
    for (query, value, series) in [
        ("requests_total{path=\"{{ input.x }}\"}", HOSTILE, 1),
        ("requests_total{path='{{ input.x }}'}", HOSTILE, 1),
        ("requests_total{path=~\"{{ input.x }}\"}", HOSTILE, 1),
        ("requests_total{path=~\"{{ input.x }}|plain\"}", HOSTILE, 2),
        ("requests_total{path!~'{{ input.x }}'}", HOSTILE, 1),
        ("requests_total{path=~\"{{ input.x }}\"}", ".*", 0),
        ("requests_total{path=~'[{{ input.x }}]+'}", "a-z", 0),
        (
            "requests_total{path=\"{{ input.x }}\"}",
            "\"} or vector(1) #",
            0,
        ),
        (
            "requests_total{path='{{ input.x }}'}",
            "'} or vector(1) #",
            0,
        ),
        (
            "requests_total{path=\"{{ input.x }}\"}",
            "a\nb\u{1}\u{fffd}\\",
            0,
        ),
    ] {
        prometheus
            .project()
            .runbook(
                "t/x",
                &step(query, &format!("expect = \"series == {series}\"")),
            )
            .run(&["t", "x", "--x", value])
            .exits(0);
    }
    let project = prometheus
        .project()
        .runbook("t/x", &step("sum({{ input.x }})", ""));
    project
        .run(&["t", "x", "--x", "up"])
        .prints("a value outside of quotes");
}

/// A project that asks this source, whose token is in `TOKEN`.
fn project(kind: &str, server: &HttpServer, more: &str) -> Project {
    Project::new().variable("TOKEN", "hunter2hunter2").config(&format!(
        "[secret]\ntoken = {{ env = \"TOKEN\" }}\n[metrics.main]\nkind = \"{kind}\"\nurl = \"{}\"\nauth.bearer = \"{{{{ secret.token }}}}\"\n{more}",
        server.url()
    ))
}

/// Answers as <https://developers.cloudflare.com/analytics/graphql-api/> does.
const CLOUDFLARE: &str = r#"{"data": {"viewer": {"zones": [{"httpRequests1hGroups": [
    {"dimensions": {"datetime": "2026-01-01T10:00:00Z"}, "sum": {"requests": 1200, "bytes": 52}},
    {"dimensions": {"datetime": "2026-01-01T11:00:00Z"}, "sum": {"requests": 900, "bytes": 48}}
]}]}}, "errors": null}"#;

#[test]
fn cloudflare_is_asked_with_its_variables_apart() {
    let server = HttpServer::answering(Answer::Json(200, CLOUDFLARE));
    let query = "query($zone: string) { viewer { zones(filter: {zoneTag: $zone}) { httpRequests1hGroups(limit: 2) { sum { requests } } } } }";
    let output = project("cloudflare", &server, "")
        .runbook(
            "t/x",
            &step(
                query,
                "metrics.variables = { zone = \"{{ input.x }}\", limit = 2 }\nmetrics.rows = \"data.viewer.zones[0].httpRequests1hGroups\"\ncritical = \"rows[0]['sum.requests'] > 1000\"",
            ),
        )
        .run(&["t", "x", "--x", "\"}) { evil", "--format", "jsonl"])
        .exits(2)
        .never_shows("hunter2");
    assert_eq!(
        outputs(&output)["columns"],
        json!(["dimensions.datetime", "sum.requests", "sum.bytes"])
    );
    let request = server.next_request();
    assert_eq!(request.method, "POST");
    assert_eq!(
        request.header("authorization"),
        Some("Bearer hunter2hunter2")
    );
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(
        body,
        json!({"query": query, "variables": {"zone": "\"}) { evil", "limit": 2}})
    );
}

#[test]
fn an_error_of_cloudflare_in_a_good_answer_is_a_failure() {
    let server = HttpServer::answering(Answer::Json(
        200,
        r#"{"data": null, "errors": [{"message": "zone does not have access to the path", "path": ["viewer"], "extensions": {"code": "authz"}}]}"#,
    ));
    run(
        project("cloudflare", &server, ""),
        "{ viewer }",
        "metrics.rows = \"data\"",
    )
    .exits(2)
    .step("ask", "CRITICAL")
    .prints("does not have access");
}

#[test]
fn sentry_is_asked_for_its_tables() {
    let server = HttpServer::scripted(|_, request| {
        Answer::Json(
            200,
            if request.path.contains("/events/") {
                r#"{"data": [{"title": "TypeError", "count()": 42}], "meta": {"fields": {"title": "string", "count()": "integer"}}}"#
            } else {
                r#"{"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z", "intervals": ["2026-01-01T00:00:00Z"],
                    "groups": [{"by": {"outcome": "accepted"}, "totals": {"sum(quantity)": 7}, "series": {"sum(quantity)": [7]}}]}"#
            },
        )
    });
    let config = "organization = \"acme\"\nproject = \"12\"\n";
    run(
        project("sentry", &server, config),
        "events",
        "metrics.parameters = { field = [\"title\", \"count()\"], statsPeriod = \"24h\", query = \"is:unresolved {{ input.x }}\" }\nwarn = \"value > 40\"",
    )
    .exits(1)
    .prints("value 42 > 40");
    let request = server.next_request();
    assert_eq!(
        request.path,
        "/api/0/organizations/acme/events/?project=12&field=title&field=count%28%29&statsPeriod=24h&query=is%3Aunresolved+plain"
    );
    assert_eq!(
        request.header("authorization"),
        Some("Bearer hunter2hunter2")
    );
    run(
        project("sentry", &server, config),
        "stats_v2",
        "metrics.parameters = { field = \"sum(quantity)\", groupBy = \"outcome\" }\nexpect = \"rows[0]['by.outcome'] == 'accepted' and value == 7 and points[0]['sum(quantity)'] == [7]\"",
    )
    .exits(0);
}

#[test]
fn a_token_that_is_not_set_is_told_before_anything_is_asked() {
    let server = HttpServer::answering(Answer::Json(200, "{}"));
    let project = project("cloudflare", &server, "");
    for on in ["metrics.on = \"main\"\n", ""] {
        let runbook = format!(
            "[[step]]\nname = \"first\"\ncommand.run = [\"touch\", \"made\"]\n[[step]]\nname = \"ask\"\nmetrics.query = \"{{ a }}\"\nmetrics.rows = \"a\"\n{on}"
        );
        let path = project.path("runbooks/t/x.toml");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("title = \"A test\"\n{runbook}")).unwrap();
        let mut command = project.command(&["t", "x"]);
        command.env_remove("TOKEN");
        project.finish(command, &["t", "x"]).exits(3).says("TOKEN");
        assert!(!project.path("made").exists());
    }
}

#[test]
fn lint_knows_the_metrics_of_the_configuration() {
    let server = HttpServer::answering(Answer::Json(200, "{}"));
    project(
        "prometheus",
        &server,
        "[[service.api.check]]\nname = \"errors\"\nmetrics.query = \"sum(errors)\"\nmetrics.on = \"mian\"\nwarn = \"value > 1\"\n",
    )
    .runbook(
        "t/x",
        "[[step]]\nname = \"ask\"\nmetrics.query = \"up\"\nmetrics.on = \"nowhere\"\n",
    )
    .runbook(
        "t/y",
        "[[step]]\nname = \"ask\"\nmetrics.query = \"up\"\nwarn = \"value | range_check('20:10')\"\n",
    )
    .run(&["lint"])
    .exits(78)
    .prints("unknown metrics \"mian\"; did you mean \"main\"?")
    .prints("unknown metrics \"nowhere\"; there are main")
    .prints("\"20:10\" ends before it begins");
}

/// Answers as <https://www.cloudflarestatus.com/api> documents it.
const SUMMARY: &str = r#"{
    "page": {"id": "x", "name": "Vendor", "url": "https://status.example.com", "updated_at": "2026-01-01T10:00:00Z"},
    "status": {"indicator": "minor", "description": "Minor Service Outage"},
    "components": [
        {"id": "a", "name": "Workers", "status": "operational", "group": false},
        {"id": "b", "name": "D1", "status": "major_outage", "group": false}
    ],
    "incidents": [{"name": "D1 errors", "impact": "major", "started_at": "2026-01-01T09:00:00Z",
        "shortlink": "https://stspg.example.com/a", "components": [{"id": "b", "name": "D1"}]}],
    "scheduled_maintenances": []
}"#;

#[test]
fn a_status_page_tells_whose_trouble_it_is() {
    let server = HttpServer::scripted(|_, request| match request.path.as_str() {
        "/api/v2/summary.json" => Answer::Json(200, SUMMARY),
        _ => Answer::Json(404, "{}"),
    });
    let look = |more: &str| {
        let url = server.url();
        Project::new()
            .runbook(
                "t/x",
                &format!("[[step]]\nname = \"vendor\"\nstatus_page.get = \"{url}\"\n{more}\n"),
            )
            .run(&["t", "x"])
    };
    look("")
        .exits(1)
        .step("vendor", "WARNING")
        .prints("Minor Service Outage");
    look("status_page.components = [\"Workers\"]")
        .exits(0)
        .step("vendor", "ok");
    look("status_page.components = [\"Workers\", \"D1\"]")
        .exits(2)
        .step("vendor", "CRITICAL")
        .prints("D1 major outage");
    look("expect = \"indicator in ['none', 'minor']\"").exits(0);
    look("critical = \"incidents | length > 0\"")
        .exits(2)
        .prints("incidents | length 1 > 0");
    look("warn = \"indicator == 'major'\"")
        .exits(0)
        .step("vendor", "ok");
    look("status_page.components = [\"Queues\"]")
        .exits(3)
        .prints("no component \"Queues\"");
}

#[test]
fn an_answer_that_is_no_status_page_is_no_all_clear() {
    for (answer, words) in [
        (
            Answer::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n<!doctype html>".to_vec()),
            "the answer is not the JSON",
        ),
        (Answer::Json(503, "{}"), "503 Service Unavailable"),
        (
            Answer::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"status\": {".to_vec()),
            "the answer is not the JSON",
        ),
    ] {
        let server = HttpServer::answering(answer);
        let url = server.url();
        Project::new()
            .runbook(
                "t/x",
                &format!("[[step]]\nname = \"vendor\"\nstatus_page.get = \"{url}\"\n"),
            )
            .run(&["t", "x"])
            .exits(2)
            .step("vendor", "CRITICAL")
            .prints(words);
    }
}

#[test]
fn a_check_of_a_service_may_ask_both() {
    let server = HttpServer::scripted(|_, request| match request.path.as_str() {
        "/api/v2/summary.json" => Answer::Json(200, SUMMARY),
        _ => Answer::Json(
            200,
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"7.5"]}]}}"#,
        ),
    });
    let url = server.url();
    project(
        "prometheus",
        &server,
        &format!(
            "[[service.api.check]]\nname = \"errors\"\nmetrics.query = \"sum(errors)\"\nwarn = \"value | range_check('5')\"\n\
             [[service.api.check]]\nname = \"vendor\"\nstatus_page.get = \"{url}\"\nstatus_page.components = \"D1\"\n"
        ),
    )
    .run(&["health"])
    .exits(2)
    .prints("value 7.5 outside 0:5")
    .prints("D1 major outage")
    .prints("1 warning, 1 critical")
    .never_shows("hunter2");
}
