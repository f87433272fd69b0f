//! Programs that are not ours judge reports of runs that are made up at random: any events, any texts.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::sample::select;
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::base::Status;
use crate::event::{Envelope, Event, Summary, sample};

use super::points::{Outcome, points};
use super::testing::written;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What a program says to a text.
fn said(command: &mut Command, text: impl AsRef<str>) -> String {
    // Not a pipe: programs of older Node.js cannot wait for one to be filled.
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(text.as_ref().as_bytes()).unwrap();
    input.rewind().unwrap();
    let output = command
        .current_dir(repository("tests/npm"))
        .stdin(input)
        .output()
        .expect("the judge is missing; run: sudo scripts/test");
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

/// Runs of steps whose names and details look like what TAP itself writes.
fn hostile_run() -> impl Strategy<Value = Vec<Envelope>> {
    let text = || "(ok|not ok|1\\.\\.2| |# |#|SKIP|TO[D]O|\\\\|[{}a:-]|Bail out!){0,9}";
    let end = (text(), text(), select(Status::ALL.to_vec()));
    proptest::collection::vec(end, 1..5).prop_map(|ends| {
        let ends = ends.into_iter().map(|(step, detail, status)| {
            let mut end = sample::step_finished(&step, status);
            end.detail = detail;
            Event::StepFinished(end)
        });
        sample::stream(std::iter::once(sample::started(&[])).chain(ends).collect())
    })
}

#[test]
fn tap_parser_reads_every_point_of_any_run() {
    const PARSE: &str = r#"
        const { Parser } = require("tap-parser");
        for (const line of require("fs").readFileSync(0, "utf8").split("\n").filter(Boolean)) {
            const events = Parser.parse(JSON.parse(line), { strict: true });
            const [, { failures }] = events.find(([kind]) => kind === "complete");
            const wrong = failures.filter((failure) => failure.tapError).map((failure) => failure.tapError);
            const extra = events.filter(([kind]) => kind === "extra" || kind === "child");
            const asserts = events.filter(([kind]) => kind === "assert").map(([, point]) => point);
            const points = asserts.map(({ ok, name, skip, todo }) => [ok, name, Boolean(skip), Boolean(todo)]);
            console.log(JSON.stringify([points, wrong, extra]));
        }
    "#;
    let mut runs = made_up(200, sample::any_stream());
    runs.extend(made_up(200, hostile_run()));
    let lines = runs
        .iter()
        .map(|run| format!("{}\n", json!(written("tap", run))));
    let said = said(
        Command::new("node").args(["-e", PARSE]),
        lines.collect::<String>(),
    );
    assert_eq!(said.lines().count(), runs.len(), "{said}");
    for (line, run) in said.lines().zip(&runs) {
        let read: Value = serde_json::from_str(line).unwrap();
        let summary = Summary::of(run);
        let points = points(&summary);
        let expected: Vec<Value> = points
            .iter()
            .map(|point| {
                let skipped = point.outcome == Outcome::Skipped;
                let brace = if point.name.trim_end().ends_with('{') {
                    "…"
                } else {
                    ""
                };
                let name = format!("{}{brace}", point.name);
                json!([!point.is_bad(), name.trim(), skipped, false])
            })
            .collect();
        assert_eq!(read, json!([expected, [], []]), "{}", written("tap", run));
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
