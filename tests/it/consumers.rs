//! The reports as those see them that they are made for: validators, parsers and collectors that are not ours.

use std::io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::Project;

/// Steps of every end and texts that every format has to escape.
const HOSTILE: &str = r#"
[input.table]
type    = "string"
default = 'a"b\c,d=e|f{g}'

[[step]]
name      = "good"
shell.run = "printf 'a\\033[31m\\001<b>&]]>\\t`x` | # \\\\ %% ::error::x\\n'"
effect    = "read"
save      = { rows = "code + 18204" }
[[step]]
name        = "bad"
shell.run   = "echo 'first <line> & more' >&2; echo 'the | cause: 100% #1 `x`' >&2; exit 3"
effect      = "read"
severity    = "P3"
on_failure  = "continue"
[[step]]
name          = "each"
for_each.word = ["a", "b", "c"]
assert.that   = "word == 'a'"
on_failure    = "continue"
[[step]]
name        = "passed-over"
when        = "false"
assert.that = "true"
[[step]]
name        = "inner"
runbook.run = "t/inner"
[[finding]]
when     = "true"
severity = "P2"
cause    = "one | two <b>three</b> # four"
remedy   = "t inner"
"#;

const INNER: &str = "[[step]]
name = 'look'
assert.that = '1 == 1'
";

/// A step that fails, and one that is not reached.
const STOP: &str = "[[step]]
name = 'halt'
assert.that = '1 == 2'
[[step]]
name = 'later'
assert.that = 'true'
";

const QUIET: &str = r#"
[[step]]
name      = "hush"
shell.run = "echo '{\"n\": 7}'"
effect    = "read"
sensitive = true
save      = { n = "json.n" }
"#;

const ASKS: &str = "[[step]]
name = 'who'
ask.text = 'Who?'
";

/// Checks of every end, with texts and numbers that every format has to escape.
const CHECKS: &str = r#"
project = "test"
[[service.web.check]]
name      = "all = 100%"
shell.run = """printf '{"pending": 142, "free_bytes": 1e15, "lag": -2.5}'; printf 'a|b{c}"\\' >&2"""
effect    = "read"
warn      = "json.pending > 100 or json.lag < -5"
critical  = "json.free_bytes < 1048576"
save      = { lag = "json.lag" }
[[service.web.check]]
name        = "down"
shell.run   = "echo 'no | answer \\ \"here\"' >&2; exit 1"
effect      = "read"
warn        = "ms > 100"
critical    = "ms | range_check('~:500')"
cause       = "one | two \"three\" # four"
remedy      = "t inner"
[[service.web.check]]
name        = "behind it"
assert.that = "1 == 2"
needs       = ["web/down"]
[[service.mail.check]]
name        = "nobody knows"
shell.run   = "true"
effect      = "read"
warn        = "json.gone > 5"
"#;

const WRITE: &str = r#"
[[step]]
name      = "touch"
shell.run = "touch 'a|b<c>'"
"#;

fn project() -> Project {
    Project::new()
        .runbook("t/x", HOSTILE)
        .runbook("t/inner", INNER)
        .runbook("t/stop", STOP)
        .runbook("t/quiet", QUIET)
        .runbook("t/asks", ASKS)
        .runbook("t/write", WRITE)
}

/// The runs that the consumers see, with the exit code of each.
const RUNS: [(&str, i32); 6] = [
    ("x", 2),
    ("inner", 0),
    ("stop", 2),
    ("quiet", 0),
    ("asks", 75),
    ("write --dry-run", 0),
];

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What a program says to a text, and whether it took it.
struct Answer {
    accepted: bool,
    said: String,
}

#[track_caller]
fn ask(command: &mut Command, text: &str) -> Answer {
    // Not a pipe: programs of older Node.js cannot wait for one to be filled.
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    input.rewind().unwrap();
    let output = command
        .stdin(input)
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; run: sudo scripts/test"));
    Answer {
        accepted: output.status.success(),
        said: format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

#[track_caller]
fn accepted(command: &mut Command, text: &str) -> String {
    let answer = ask(command, text);
    assert!(answer.accepted, "{command:?}: {}\n{text}", answer.said);
    answer.said
}

/// A program of Node.js with the packages of `tests/npm`.
fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command
        .args(["-e", script])
        .current_dir(repository("tests/npm"));
    command
}

#[track_caller]
fn report(project: &Project, runbook: &str, exit: i32, format: &str) -> String {
    let line = format!("t {runbook} --format {format}");
    let words: Vec<&str> = line.split(' ').collect();
    project.run(&words).exits(exit).stdout
}

#[test]
fn ajv_finds_every_key_of_every_run_and_event_in_the_schemas() {
    let project = project();
    let (mut runs, mut events) = (String::new(), String::new());
    for (runbook, exit) in RUNS {
        let run: Value = serde_json::from_str(&report(&project, runbook, exit, "json")).unwrap();
        runs.push_str(&format!("{run}\n"));
        events.push_str(&report(&project, runbook, exit, "jsonl"));
    }
    let checks = Project::bare().config(CHECKS);
    let of_checks = |format| checks.run(&["health", "--format", format]).exits(2).stdout;
    let run: Value = serde_json::from_str(&of_checks("json")).unwrap();
    runs.push_str(&format!("{run}\n"));
    let told = of_checks("jsonl");
    assert!(
        told.contains(r#""measures":[{"name":"json.pending","value":142.0"#),
        "{told}"
    );
    events.push_str(&told);
    for (schema, lines) in [("run", runs), ("event", events)] {
        let mut ajv = Command::new("node");
        ajv.arg(repository("tests/npm/validate.js"))
            .arg(repository(&format!("schemas/{schema}.schema.json")));
        let said = accepted(&mut ajv, &lines);
        let judged = format!("{} judged, 0 wrong", lines.lines().count());
        assert!(said.contains(&judged), "{said}");
    }
}

#[test]
fn xmllint_and_junitparser_read_every_case() {
    const PARSE: &str = r#"
import json, sys
from junitparser import JUnitXml
suites = JUnitXml.fromstring(sys.stdin.buffer.read())
for suite in suites:
    for case in suite:
        kinds = [type(result).__name__ for result in case.result]
        print(json.dumps([case.name, case.classname, kinds, case.time, case.system_out]))
print(json.dumps([suites.tests, suites.failures, suites.errors, suites.skipped]))
"#;
    let project = project();
    for (runbook, exit) in RUNS {
        let xml = report(&project, runbook, exit, "junit");
        accepted(Command::new("xmllint").args(["--noout", "-"]), &xml);
        // Debian's own Python: packages of Debian are for that one.
        let said = accepted(Command::new("/usr/bin/python3").args(["-c", PARSE]), &xml);
        let lines: Vec<Value> = said
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let totals = lines.last().unwrap();
        assert_eq!(totals[0], lines.len() - 1, "{said}");
        if runbook != "x" {
            continue;
        }
        assert_eq!(totals.to_string(), "[6,3,0,1]");
        let of = |name: &str| lines.iter().find(|line| line[0] == name).unwrap();
        assert_eq!(of("good")[1], "t/x");
        assert_eq!(of("good")[4], "a␛[31m␁<b>&]]>\t`x` | # \\ % ::error::x\n");
        assert_eq!(of("bad")[2].to_string(), r#"["Failure"]"#);
        assert_eq!(of("passed-over")[2].to_string(), r#"["Skipped"]"#);
        assert!(of("good")[3].as_f64().is_some());
    }
}

#[test]
fn tap_parser_reads_every_point() {
    const PARSE: &str = r#"
        const { Parser } = require("tap-parser");
        const text = require("fs").readFileSync(0, "utf8");
        const events = Parser.parse(text, { strict: true });
        const asserts = events.filter(([kind]) => kind === "assert").map(([, point]) => point);
        const extra = events.filter(([kind]) => kind === "extra");
        const [, results] = events.find(([kind]) => kind === "complete");
        console.log(JSON.stringify({ asserts, extra, results }));
    "#;
    let project = project();
    for (runbook, exit) in RUNS {
        let tap = report(&project, runbook, exit, "tap");
        let said = accepted(&mut node(PARSE), &tap);
        let read: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(read["extra"], Value::Array(Vec::new()), "{tap}");
        assert_eq!(read["results"]["ok"], exit == 0, "{said}\n{tap}");
        let failures = &read["results"]["failures"];
        let tap_errors = failures
            .as_array()
            .unwrap()
            .iter()
            .filter(|failure| !failure["tapError"].is_null());
        assert_eq!(tap_errors.count(), 0, "{failures}\n{tap}");
        if runbook != "x" {
            continue;
        }
        let points = read["asserts"].as_array().unwrap();
        let names: Vec<&str> = points
            .iter()
            .map(|point| point["name"].as_str().unwrap())
            .collect();
        let finding = "finding: one | two <b>three</b> # four";
        assert_eq!(
            names,
            ["good", "bad", "each", "passed-over", "inner", finding]
        );
        assert_eq!(points[1]["diag"]["severity"], "P3");
        assert_eq!(points[1]["diag"]["file"], "runbooks/t/x.toml");
        assert!(points[1]["diag"]["line"].as_u64().unwrap() > 1);
        assert_eq!(points[2]["diag"]["more"].as_array().unwrap().len(), 2);
        assert!(points[3]["skip"].is_string(), "{}", points[3]);
    }
}

#[test]
fn cmark_gfm_shows_foreign_text_as_text() {
    let project = project();
    for (runbook, exit) in RUNS {
        let markdown = report(&project, runbook, exit, "markdown");
        let mut cmark = Command::new("cmark-gfm");
        cmark.args([
            "--unsafe",
            "--extension",
            "table",
            "--extension",
            "strikethrough",
        ]);
        let html = accepted(&mut cmark, &markdown);
        assert!(html.contains("<table>") && !html.contains("<b>"), "{html}");
        if runbook != "x" {
            continue;
        }
        assert!(
            html.contains("one | two &lt;b&gt;three&lt;/b&gt; # four"),
            "{html}"
        );
        assert!(html.contains("<code>opsbook t inner</code>"), "{html}");
        assert!(html.contains("the | cause: 100% #1 `x`"), "{html}");
        let rows = html.matches("<tr>").count();
        assert_eq!(
            rows, 9,
            "a heading, the four steps that ran, three items, one inner step\n{html}"
        );
        assert_eq!(html.matches("<td").count(), 8 * 5, "{html}");
    }
}

#[test]
fn the_perl_library_of_monitoring_plugins_reads_the_performance_data() {
    const PARSE: &str = r#"
        use Monitoring::Plugin::Performance use_die => 1;
        my $first = <STDIN>;
        my ($text, $data) = $first =~ /^([^|]*)\|(.*)$/ or die "no performance data";
        print "$text\n";
        for (Monitoring::Plugin::Performance->parse_perfstring($data)) {
            printf "%s=%s%s\n", $_->label, $_->value, $_->uom // "";
        }
    "#;
    let project = project();
    let state = |exit| match exit {
        0 => "OK - ",
        2 => "CRITICAL - ",
        _ => "UNKNOWN - ",
    };
    for (runbook, exit) in RUNS {
        let text = report(&project, runbook, exit, "monitoring");
        let said = accepted(Command::new("perl").args(["-e", PARSE]), &text);
        assert!(said.starts_with(state(exit)), "{said}");
        let labels: Vec<&str> = said
            .lines()
            .skip(1)
            .map(|line| line.split('=').next().unwrap())
            .collect();
        match runbook {
            "x" => {
                assert_eq!(
                    labels,
                    ["time", "good", "good.rows", "bad", "each", "inner"],
                    "{text}"
                );
                assert!(said.contains("good.rows=18204\n"), "{said}");
            }
            "inner" => assert_eq!(labels, ["time", "look"], "{text}"),
            _ => {}
        }
    }
}

#[test]
fn the_perl_library_reads_each_check_with_its_thresholds() {
    const PARSE: &str = r#"
        use Monitoring::Plugin::Performance use_die => 1;
        my $first = <STDIN>;
        my ($text, $data) = $first =~ /^([^|]*)\|(.*)$/ or die "no performance data";
        for (Monitoring::Plugin::Performance->parse_perfstring($data)) {
            my $warns = $_->threshold->get_status($_->value) if $_->value =~ /^-?[0-9]/;
            printf "%s|%s|%s|%s|%s|%s\n", $_->label, $_->value, $_->uom // "", $_->warning, $_->critical, $warns // "";
        }
    "#;
    let project = Project::bare().config(CHECKS);
    let text = project
        .run(&["health", "--format", "monitoring"])
        .exits(2)
        .stdout;
    let said = accepted(Command::new("perl").args(["-e", PARSE]), &text);
    let lines: Vec<Vec<&str>> = said.lines().map(|line| line.split('|').collect()).collect();
    let of = |label: &str| {
        let found = lines.iter().find(|line| line[0] == label);
        found.unwrap_or_else(|| panic!("no {label}\n{said}\n{text}"))[1..].to_vec()
    };
    assert_eq!(
        of("web/all : 100%.json.pending"),
        ["142", "", "~:100", "", "1"]
    );
    assert_eq!(of("web/all : 100%.json.lag"), ["-2.5", "", "-5:", "", "0"]);
    assert_eq!(of("web/all : 100%.lag"), ["-2.5", "", "", "", "0"]);
    assert_eq!(
        of("web/all : 100%.json.free_bytes"),
        ["1000000000000000", "B", "", "1048576:", "0"]
    );
    assert_eq!(of("web/down")[1..4], ["ms", "100", "500"]);
    // A value that is not known is none to this library: it passes over it and reads on.
    assert!(
        text.contains(" 'mail/nobody knows.json.gone'=U;~:5;;"),
        "{text}"
    );
    assert_eq!(lines.len(), 9, "{said}");
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics() {
    let project = project();
    for (runbook, exit) in RUNS {
        let metrics = report(&project, runbook, exit, "prometheus");
        let said = accepted(
            Command::new("promtool").args(["check", "metrics"]),
            &metrics,
        );
        assert_eq!(said, "", "{metrics}");
    }
    let metrics = Project::bare()
        .config(CHECKS)
        .run(&["health", "--format", "prometheus"])
        .exits(2)
        .stdout;
    let said = accepted(
        Command::new("promtool").args(["check", "metrics"]),
        &metrics,
    );
    assert_eq!(said, "", "{metrics}");
}

/// node_exporter with its textfile collector alone, until it is dropped.
struct NodeExporter {
    child: Child,
    address: String,
}

impl NodeExporter {
    fn of(folder: &Path) -> Self {
        let mut child = Command::new("prometheus-node-exporter")
            .args([
                "--web.listen-address=127.0.0.1:0",
                "--collector.disable-defaults",
                "--collector.textfile",
            ])
            .arg(format!(
                "--collector.textfile.directory={}",
                folder.display()
            ))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("prometheus-node-exporter: {error}; run: sudo scripts/test")
            });
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        let address = loop {
            let start = seen.len();
            let length = log.read_line(&mut seen).unwrap();
            assert_ne!(length, 0, "node_exporter ended:\n{seen}");
            let line = &seen[start..];
            if let Some((_, address)) = line.split_once("msg=\"Listening on\" address=") {
                break address.trim().to_owned();
            }
        };
        // Whoever does not read its log would stop it in the end.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, address }
    }

    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    }
}

impl Drop for NodeExporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn node_exporter_shows_our_series_and_the_last_success_survives_a_failure() {
    let project = project().runbook(
        "t/flaky",
        "[input.table]\ntype = \"string\"\nposition = 1\n[[step]]\nname = \"look\"\nshell.run = \"test ! -e broken\"\neffect = \"read\"\n",
    );
    let exporter = NodeExporter::of(&project.path(""));
    let run = |runbook: &str, table: &str, exit: i32| {
        let to = format!("prometheus={table}.prom");
        project
            .run(&["t", runbook, table, "--report", &to])
            .exits(exit);
    };
    run("flaky", "users", 0);
    run("flaky", "orders", 0);
    let scraped = |metric: &str, table: &str| {
        let page = exporter.metrics();
        assert!(page.contains("\nnode_textfile_scrape_error 0\n"), "{page}");
        let inputs = format!("inputs=\"table={table}\"");
        page.lines()
            .find(|line| line.starts_with(&format!("{metric}{{")) && line.contains(&inputs))
            .map(|line| line.rsplit_once(' ').unwrap().1.to_owned())
    };
    let success = |table| scraped("opsbook_last_success_timestamp_seconds", table).unwrap();
    let (users, orders) = (success("users"), success("orders"));
    std::fs::write(project.path("broken"), "").unwrap();
    run("flaky", "users", 2);
    assert_eq!(
        scraped("opsbook_run_exit_code", "users").as_deref(),
        Some("2")
    );
    assert_eq!(
        scraped("opsbook_run_exit_code", "orders").as_deref(),
        Some("0")
    );
    assert_eq!((success("users"), success("orders")), (users, orders));
    assert!(scraped("opsbook_last_run_timestamp_seconds", "users") > Some(success("users")));
    // The hostile names of the other runbooks do no harm beside them.
    project
        .run(&["t", "x", "--report", "prometheus=x.prom"])
        .exits(2);
    let page = exporter.metrics();
    assert!(page.contains("\nnode_textfile_scrape_error 0\n"), "{page}");
    assert!(
        page.contains("name=\"rows\"") && page.contains("step=\"good\""),
        "{page}"
    );
}

#[test]
fn node_exporter_shows_every_check() {
    let project = Project::bare().config(CHECKS);
    let exporter = NodeExporter::of(&project.path(""));
    project
        .run(&["-q", "health", "--report", "prometheus=opsbook.prom"])
        .exits(2);
    let page = exporter.metrics();
    assert!(page.contains("\nnode_textfile_scrape_error 0\n"), "{page}");
    let of = |metric: &str| -> Vec<(String, String)> {
        let check = regex::Regex::new(r#"[{,]check="([^"]*)".*\} (\S+)$"#).unwrap();
        page.lines()
            .filter(|line| line.starts_with(&format!("opsbook_check_{metric}{{")))
            .filter_map(|line| check.captures(line))
            .map(|found| (found[1].to_owned(), found[2].to_owned()))
            .collect()
    };
    let pairs =
        |pairs: [(&str, &str); 4]| pairs.map(|(check, value)| (check.to_owned(), value.to_owned()));
    // As the exporter sorts them.
    assert_eq!(
        of("status"),
        pairs([
            ("all = 100%", "1"),
            ("behind it", "0"),
            ("down", "2"),
            ("nobody knows", "3")
        ])
    );
    assert_eq!(
        of("affected"),
        pairs([
            ("all = 100%", "0"),
            ("behind it", "1"),
            ("down", "0"),
            ("nobody knows", "0")
        ])
    );
    for metric in ["ok", "duration_seconds", "last_run_timestamp_seconds"] {
        assert_eq!(of(metric).len(), 4, "{metric}\n{page}");
    }
    assert!(
        of("value").contains(&("all = 100%".to_owned(), "142".to_owned())),
        "{page}"
    );
}
