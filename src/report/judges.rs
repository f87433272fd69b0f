//! Programs that are not ours judge reports of runs that are made up at random: any events, any texts.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::event::{Envelope, Event, sample};

use super::testing::written;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What a program says to a text.
fn said(command: &mut Command, text: String) -> String {
    let mut judge = command
        .current_dir(repository("tests/npm"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the judge is missing; run: sudo scripts/test");
    let mut stdin = judge.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = judge.wait_with_output().unwrap();
    // A judge that did not come up has read nothing.
    let _ = writer.join();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}

/// As many of something as are asked for, the same ones each time.
fn made_up<T>(number: usize, strategy: impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    (0..number)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

fn ajv(schema: &str, lines: String) -> String {
    let mut command = Command::new("node");
    command.arg(repository("tests/npm/validate.js"));
    said(command.arg(repository(schema)), lines)
}

#[test]
fn ajv_finds_every_key_in_the_schemas() {
    let (mut runs, mut events) = (String::new(), String::new());
    for stream in made_up(200, sample::any_stream()) {
        let run: Value = serde_json::from_str(&written("json", &stream)).unwrap();
        runs.push_str(&format!("{run}\n"));
        let known: Vec<Envelope> = stream
            .into_iter()
            .filter(|envelope| !matches!(envelope.event, Event::Other(_)))
            .collect();
        events.push_str(&written("jsonl", &known));
    }
    assert!(events.lines().count() > 200);
    for (schema, lines) in [
        ("schemas/run.schema.json", runs),
        ("schemas/event.schema.json", events),
    ] {
        let verdict = ajv(schema, lines);
        assert!(
            verdict.ends_with(" judged, 0 wrong\n"),
            "{schema}: {verdict}"
        );
    }
}

#[test]
fn ajv_refuses_what_the_schemas_do_not_describe() {
    let envelope = |event: &str| {
        format!("{{\"version\":1,\"run\":1,\"seq\":0,\"at\":\"2026-11-20T03:00:00Z\",{event}}}\n")
    };
    for wrong in [
        envelope(r#""type":"finding-raised","severity":"P3","cause":"x","new":1"#),
        envelope(r#""type":"finding-raised","severity":"P9","cause":"x""#),
        envelope(r#""type":"finding-raised","cause":"x""#),
        envelope(r#""type":"of-tomorrow""#),
        envelope(r#""type":"run-approved","user":"a","host":"b""#).replace("2026-11-20", "some"),
    ] {
        let verdict = ajv("schemas/event.schema.json", wrong.clone());
        assert!(
            verdict.ends_with("1 judged, 1 wrong\n"),
            "{wrong}: {verdict}"
        );
    }
}

#[test]
fn tap_parser_reads_every_point_of_any_run() {
    const PARSE: &str = r#"
        const { Parser } = require("tap-parser");
        for (const line of require("fs").readFileSync(0, "utf8").split("\n").filter(Boolean)) {
            const events = Parser.parse(JSON.parse(line), { strict: true });
            const [, { count, failures }] = events.find(([kind]) => kind === "complete");
            const wrong = failures.filter((failure) => failure.tapError).map((failure) => failure.tapError);
            const extra = events.filter(([kind]) => kind === "extra" || kind === "child");
            console.log(JSON.stringify([count, wrong, extra]));
        }
    "#;
    let reports: Vec<String> = made_up(300, sample::any_stream())
        .iter()
        .map(|stream| written("tap", stream))
        .collect();
    let lines = reports.iter().map(|report| format!("{}\n", json!(report)));
    let said = said(Command::new("node").args(["-e", PARSE]), lines.collect());
    assert_eq!(said.lines().count(), reports.len(), "{said}");
    for (line, report) in said.lines().zip(&reports) {
        let read: Value = serde_json::from_str(line).unwrap();
        let points = report
            .lines()
            .filter(|line| line.starts_with("ok ") || line.starts_with("not ok "));
        assert_eq!(read, json!([points.count(), [], []]), "{report}");
    }
}

#[test]
fn xmllint_takes_any_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("xmllint");
    command.arg("--noout");
    for (index, stream) in made_up(200, sample::any_stream()).iter().enumerate() {
        let path = folder.path().join(format!("{index}.xml"));
        std::fs::write(&path, written("junit", stream)).unwrap();
        command.arg(path);
    }
    assert_eq!(said(&mut command, String::new()), "");
}

#[test]
fn promtool_takes_any_run() {
    for stream in made_up(25, sample::any_stream()) {
        let metrics = written("prometheus", &stream);
        let said = said(
            Command::new("promtool").args(["check", "metrics"]),
            metrics.clone(),
        );
        assert_eq!(said, "", "{metrics}");
    }
}

#[test]
fn cmark_gfm_shows_any_text_as_it_is() {
    let texts = made_up(
        300,
        proptest::prop_oneof![sample::any_text(), "[a-z <>&|`*_~#$!\\[\\]()\\\\-]{1,30}",],
    );
    let table: String = texts
        .iter()
        .map(|text| format!("| .{}. |\n", super::markdown::escaped(text)))
        .collect();
    let page = format!("| t |\n| --- |\n{table}");
    let mut cmark = Command::new("cmark-gfm");
    cmark.args([
        "--unsafe",
        "--extension",
        "table",
        "--extension",
        "strikethrough",
    ]);
    let html = said(&mut cmark, page);
    let cells = html
        .lines()
        .filter_map(|line| line.strip_prefix("<td>")?.strip_suffix("</td>"));
    let shown: Vec<String> = cells
        .map(|cell| {
            let cell = cell.replace("&lt;", "<").replace("&gt;", ">");
            cell.replace("&quot;", "\"").replace("&amp;", "&")
        })
        .collect();
    let expected: Vec<String> = texts
        .iter()
        .map(|text| format!(".{}.", crate::base::text::one_line(text)))
        .collect();
    assert_eq!(shown, expected);
}
