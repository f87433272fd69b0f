//! What holds for every report.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::base::{RunId, Severity, Status, Verdict};
use crate::engine::{Durability, Journal};
use crate::event::{Envelope, Event, FindingRaised, sample};
use crate::store::MemoryJournal;

use super::{FORMATS, Style, format};

fn written(name: &str, style: Style, events: &[Envelope]) -> String {
    let mut report = (format(name).unwrap().make)(style);
    let mut out = Vec::new();
    super::write(report.as_mut(), events, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn names_are_unique_and_lower_case() {
    let mut names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FORMATS.len());
    assert!(
        names
            .iter()
            .all(|name| name.chars().all(|c| c.is_ascii_lowercase()))
    );
    assert!(format("yaml").is_none());
}

#[test]
fn json_holds_everything_under_stable_names() {
    let mut end = sample::step_finished("count", Status::Critical);
    end.outputs.insert("n".to_owned(), json!(18204));
    end.help = Some("look".to_owned());
    end.table = Some(sample::table(&["n"], vec![vec![json!(18204)]]));
    let mut start = sample::run_started(&["count", "delete"]);
    start.output = Some("count".to_owned());
    let stream = sample::stream(vec![
        Event::RunStarted(start),
        Event::StepFinished(end),
        Event::FindingRaised(FindingRaised {
            severity: Severity::P3,
            cause: "late".to_owned(),
            remedy: Some("maintenance schedule".to_owned()),
        }),
        sample::run_finished(Verdict::Critical, 2, "count: bad"),
    ]);
    let value: Value = serde_json::from_str(&written("json", Style::default(), &stream)).unwrap();
    let step = json!({
        "step": "count", "action": "sql.query", "effect": "read", "status": "critical", "started": false,
        "severity": "P1", "failed": true, "took_ms": 12.0, "detail": "", "help": "look", "attempts": 1,
        "outputs": {"n": 18204}, "saved": {}, "table": {"columns": ["n"], "rows": [[18204]]},
        "sensitive": false, "artifact": null, "preview": null, "check": null, "place": null,
    });
    assert_eq!(value["steps"][0], step);
    assert_eq!(value["steps"][1]["status"], "not-run");
    assert_eq!(value["steps"][1]["outputs"], Value::Null);
    let mut rest = value;
    rest.as_object_mut().unwrap().remove("steps");
    assert_eq!(
        rest,
        json!({
            "schema": "opsbook.run/1", "run": 412, "runbook": "db/prune", "title": "Delete old rows",
            "file": "runbooks/db/prune.toml", "digest": "00".repeat(32), "environment": "production",
            "effect": "read", "dry": false, "user": "operator", "host": "host.example.com", "pid": 4321,
            "opsbook": "0.1.0", "inputs": {}, "started_at": "2026-11-20T03:00:00Z", "took_ms": 2000.0,
            "verdict": "critical", "exit": 2, "reason": "count: bad",
            "counts": {"critical": 1, "not-run": 1}, "notes": [],
            "findings": [{"severity": "P3", "cause": "late", "remedy": "maintenance schedule"}],
            "output": {"columns": ["n"], "rows": [[18204]]},
        })
    );
}

#[test]
fn a_run_that_was_cut_off_is_reported_as_such() {
    let stream = sample::stream(vec![sample::started(&["a"]), sample::step_started("a")]);
    let value: Value = serde_json::from_str(&written("json", Style::default(), &stream)).unwrap();
    assert_eq!(value["verdict"], Value::Null);
    assert_eq!(value["exit"], Value::Null);
    let table = written("table", Style::default(), &stream);
    assert!(table.contains("unfinished"), "{table}");
    assert!(table.contains("CUT OFF"), "{table}");
}

#[test]
fn json_lines_come_as_the_events_come() {
    let stream = sample::stream(vec![
        sample::started(&["a"]),
        sample::finished("a", Status::Ok),
    ]);
    let mut report = (format("jsonl").unwrap().make)(Style::default());
    for envelope in &stream {
        let mut out = Vec::new();
        report.event(envelope, &mut out).unwrap();
        let read: Envelope = serde_json::from_slice(&out).unwrap();
        assert_eq!(&read, envelope);
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
    }
}

fn visible(text: &str) -> bool {
    text.chars().all(|character| {
        character == '\n'
            || !(character.is_control() || matches!(character, '\u{202a}'..='\u{202e}'))
    })
}

proptest! {
    #[test]
    fn no_text_steers_a_terminal(stream in sample::any_stream(), width in 20_usize..160) {
        // Rows are written as they are, and made harmless by who prints them.
        for format in FORMATS.iter().filter(|format| !format.rows_only) {
            let text = written(format.name, Style { width, ..Style::default() }, &stream);
            prop_assert!(visible(&text), "{}: {text:?}", format.name);
        }
    }

    #[test]
    fn json_loses_nothing(stream in sample::any_stream()) {
        let text = written("jsonl", Style::default(), &stream);
        let read: Vec<Envelope> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        prop_assert_eq!(&read, &stream);
        let whole = written("json", Style::default(), &stream);
        prop_assert_eq!(whole, written("json", Style::default(), &read));
    }

    #[test]
    fn a_replay_prints_what_the_live_run_printed(stream in sample::any_stream()) {
        let journal = MemoryJournal::new();
        journal.append(&stream, Durability::Durable).unwrap();
        let kept = journal.events(RunId(412)).unwrap();
        for format in FORMATS {
            let style = Style { colour: true, width: 100, ..Style::default() };
            prop_assert_eq!(written(format.name, style, &stream), written(format.name, style, &kept));
        }
    }
}
