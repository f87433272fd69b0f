//! Events for tests: plain ones built by hand, and any at all for property tests.

use chrono::{DateTime, TimeZone as _, Utc};
use proptest::option::of;
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::base::{Effect, ProcessMark, RunId, Severity, Status, StepKey, Verdict};

use super::{
    ApprovalRequested, CheckOf, Envelope, Event, FindingRaised, Gap, JournalPruned, LockTakenOver,
    Measure, PlannedStep, Preview, Resumption, RunApproved, RunFinished, RunResumed, RunStarted,
    Source, StepFinished, StepPlace, StepRetried, StepStarted, StepTable, VERSION,
};

/// The moment of the event with this number.
pub(crate) fn at(seq: u64) -> DateTime<Utc> {
    let second = i64::try_from(seq).unwrap_or_default();
    DateTime::from_timestamp(1_795_143_600 + second, 0).unwrap_or_default()
}

/// An event of run 412.
pub(crate) fn envelope(seq: u64, event: Event) -> Envelope {
    Envelope {
        version: VERSION,
        run: RunId(412),
        seq,
        at: at(seq),
        event,
    }
}

/// The stream of run 412.
pub(crate) fn stream(events: Vec<Event>) -> Vec<Envelope> {
    (0..)
        .zip(events)
        .map(|(seq, event)| envelope(seq, event))
        .collect()
}

/// The same stream as another run.
pub(crate) fn stream_of(run: RunId, events: Vec<Event>) -> Vec<Envelope> {
    stream(events)
        .into_iter()
        .map(|envelope| Envelope { run, ..envelope })
        .collect()
}

/// The start of a run with these steps, all of which read.
pub(crate) fn run_started(steps: &[&str]) -> RunStarted {
    RunStarted {
        runbook: "db/prune".to_owned(),
        title: "Delete old rows".to_owned(),
        file: "runbooks/db/prune.toml".to_owned(),
        digest: "00".repeat(32),
        inputs: Map::new(),
        environment: Some("production".to_owned()),
        steps: steps
            .iter()
            .map(|step| PlannedStep {
                step: StepKey::new(step),
                action: "sql.query".to_owned(),
                effect: Effect::Read,
                shows: false,
                place: None,
            })
            .collect(),
        output: None,
        effect: Effect::Read,
        dry: false,
        user: "operator".to_owned(),
        host: "host.example.com".to_owned(),
        pid: 4321,
        opsbook: "0.1.0".to_owned(),
        token: "4f2c".to_owned(),
        process: ProcessMark::default(),
        folder: "/srv/project".to_owned(),
        config: None,
        sources: Vec::new(),
        withheld: Vec::new(),
        reason: None,
        incident: None,
    }
}

/// The same as an event.
pub(crate) fn started(steps: &[&str]) -> Event {
    Event::RunStarted(run_started(steps))
}

/// The start of a step that reads.
pub(crate) fn step_started(step: &str) -> Event {
    Event::StepStarted(StepStarted {
        step: StepKey::new(step),
        action: "sql.query".to_owned(),
        effect: Effect::Read,
        undo: false,
        items: None,
        rows: None,
        check: None,
    })
}

/// The end of a step that took 12 ms.
pub(crate) fn step_finished(step: &str, status: Status) -> StepFinished {
    StepFinished {
        step: StepKey::new(step),
        action: "sql.query".to_owned(),
        effect: Effect::Read,
        status,
        severity: match status {
            Status::Critical => Some(Severity::P1),
            Status::Warning => Some(Severity::P3),
            _ => None,
        },
        failed: matches!(status, Status::Critical | Status::Unknown),
        acted: false,
        took_ms: Some(12.0),
        detail: String::new(),
        help: None,
        attempts: 1,
        outputs: Map::new(),
        saved: Map::new(),
        table: None,
        sensitive: false,
        artifact: None,
        undo: false,
        stopped: false,
        withheld: false,
        preview: None,
        check: None,
        measures: Vec::new(),
    }
}

/// The end of a check, as the step `checks` runs it.
pub(crate) fn check_finished(
    service: &str,
    name: &str,
    index: usize,
    status: Status,
) -> StepFinished {
    StepFinished {
        check: Some(CheckOf {
            service: service.to_owned(),
            name: name.to_owned(),
            index,
            look: None,
        }),
        ..step_finished(&format!("checks/{service}/{name}"), status)
    }
}

/// The same as an event.
pub(crate) fn finished(step: &str, status: Status) -> Event {
    Event::StepFinished(step_finished(step, status))
}

/// The end of a check that the step `checks` ran.
pub(crate) fn check(service: &str, name: &str, index: usize, status: Status) -> StepFinished {
    let mut end = step_finished(&format!("checks/{service}/{name}"), status);
    end.check = Some(CheckOf {
        service: service.to_owned(),
        name: name.to_owned(),
        index,
        look: None,
    });
    end
}

/// The end of a run that took two seconds.
pub(crate) fn run_finished(verdict: Verdict, exit: u8, reason: &str) -> Event {
    Event::RunFinished(RunFinished {
        verdict,
        exit,
        reason: reason.to_owned(),
        took_ms: 2000.0,
    })
}

/// Rows to print.
pub(crate) fn table(columns: &[&str], rows: Vec<Vec<Value>>) -> StepTable {
    StepTable {
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
        rows,
        ..StepTable::default()
    }
}

/// Any text, with what steers terminals and what takes two cells more often than chance would have it.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        "[a-z\u{1b}\u{9b}\u{202e}\r\n\t\u{0}\u{fe0f}\u{200d} ]{0,60}",
        "[日本語éa❤\u{fe0f}👩\u{200d}💻 -]{0,60}",
        "[a-z ]{0,300}",
    ]
}

fn any_leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1_000_000_000_i32..1_000_000_000).prop_map(|n| Value::from(f64::from(n) / 64.0)),
        any_text().prop_map(Value::from),
    ]
}

/// Any JSON value, two levels deep: nothing that reads events looks deeper.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => any_leaf(),
        1 => prop::collection::vec(any_leaf(), 0..3).prop_map(Value::from),
        1 => prop::collection::vec((any_text(), any_leaf()), 0..3)
            .prop_map(|entries| Value::Object(entries.into_iter().collect())),
    ]
}

fn any_map() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((any_text(), any_value()), 0..3)
        .prop_map(|entries| entries.into_iter().collect())
}

fn any_key() -> impl Strategy<Value = StepKey> {
    prop_oneof!["[a-c](\\[[0-2]\\])?(/[a-b])?", any_text()].prop_map(StepKey)
}

fn any_effect() -> impl Strategy<Value = Effect> {
    prop::sample::select(Effect::ALL.to_vec())
}

fn any_severity() -> impl Strategy<Value = Severity> {
    prop::sample::select(Severity::ALL.to_vec())
}

fn any_milliseconds() -> impl Strategy<Value = f64> {
    (0_u32..u32::MAX).prop_map(|n| f64::from(n) / 32.0)
}

/// Any table, cells missing or in excess included.
pub(crate) fn any_table() -> impl Strategy<Value = StepTable> {
    (
        prop::collection::vec(any_text(), 0..9),
        prop::collection::vec(prop::collection::vec(any_value(), 0..9), 0..4),
        any::<[bool; 2]>(),
    )
        .prop_map(|(columns, rows, [truncated, exact])| StepTable {
            columns,
            rows,
            remark: None,
            truncated,
            exact,
        })
}

fn any_run_started() -> impl Strategy<Value = Event> {
    let planned = (
        any_key(),
        any_text(),
        any_effect(),
        any::<bool>(),
        of((any_text(), any::<u32>())),
    )
        .prop_map(|(step, action, effect, shows, place)| PlannedStep {
            step,
            action,
            effect,
            shows,
            place: place.map(|(file, line)| StepPlace {
                file,
                line: line as usize,
            }),
        });
    (
        (any_text(), any_text(), any_text(), any_map()),
        of(any_text()),
        prop::collection::vec(planned, 0..5),
        of(any_key()),
        any_effect(),
        any::<bool>(),
        (any_text(), any_text(), any::<u32>(), any_mark()),
        (any_text(), of(any_text()), of(any_text()), of(any_text())),
        prop::collection::vec(any_source(), 0..3),
    )
        .prop_map(
            |(
                (runbook, title, file, inputs),
                environment,
                steps,
                output,
                effect,
                dry,
                who,
                (token, config, reason, incident),
                sources,
            )| {
                Event::RunStarted(RunStarted {
                    runbook,
                    title,
                    file,
                    digest: "ab".repeat(32),
                    inputs,
                    environment,
                    steps,
                    output: output.map(|key| key.0),
                    effect,
                    dry,
                    user: who.0,
                    host: who.1,
                    pid: who.2,
                    opsbook: "0.1.0".to_owned(),
                    folder: token.clone(),
                    withheld: vec![token.clone()],
                    token,
                    process: who.3,
                    config,
                    sources,
                    reason,
                    incident,
                })
            },
        )
}

/// Any number of a threshold, with ranges as they are made.
pub(crate) fn any_measure() -> impl Strategy<Value = Measure> {
    let range = || of("@?(~:|-?[0-9]{1,3}:)(-?[0-9]{1,3})?");
    let value = (-1_000_000_000_i32..1_000_000_000).prop_map(|n| f64::from(n) / 64.0);
    let name = prop_oneof![Just("ms".to_owned()), any_text()];
    (name, of(value), range(), range()).prop_map(|(name, value, warn, critical)| Measure {
        name,
        value,
        warn,
        critical,
    })
}

fn any_step_finished() -> impl Strategy<Value = Event> {
    (
        (any_key(), any_text(), any_effect()),
        prop::sample::select(Status::ALL.to_vec()),
        (of(any_severity()), any::<bool>(), of(any_milliseconds())),
        (any_text(), of(any_text()), any::<u32>()),
        (any_map(), any_map(), of(any_table())),
        (any::<bool>(), of(any_text())),
        any::<(bool, bool, bool)>(),
        of((any_text(), of(any::<u64>()), of(any_table()))),
        prop::collection::vec(any_measure(), 0..3),
    )
        .prop_map(
            |(what, status, how, words, data, rest, flags, preview, measures)| {
                Event::StepFinished(StepFinished {
                    step: what.0,
                    action: what.1,
                    effect: what.2,
                    status,
                    severity: how.0,
                    failed: how.1,
                    acted: flags.0,
                    took_ms: how.2,
                    detail: words.0,
                    help: words.1,
                    attempts: words.2,
                    outputs: data.0,
                    saved: data.1,
                    table: data.2,
                    sensitive: rest.0,
                    artifact: rest.1,
                    undo: flags.0,
                    stopped: flags.1,
                    withheld: flags.2,
                    preview: preview.map(|(sent, rows, sample)| Preview {
                        sent,
                        rows,
                        sample,
                        ..Preview::default()
                    }),
                    check: None,
                    measures,
                })
            },
        )
}

fn any_mark() -> impl Strategy<Value = ProcessMark> {
    (any_text(), any::<u32>(), of(any::<u64>())).prop_map(|(machine, pid, started)| ProcessMark {
        machine,
        pid,
        started,
    })
}

fn any_source() -> impl Strategy<Value = Source> {
    (of(any_text()), any_text(), any_text()).prop_map(|(runbook, file, digest)| Source {
        runbook,
        file,
        digest,
    })
}

fn any_run_resumed() -> impl Strategy<Value = Event> {
    (
        prop::sample::select(vec![Resumption::Resume, Resumption::Undo]),
        (any_text(), any_text(), any::<u32>(), any_mark()),
        prop::collection::vec(any_key(), 0..3),
        prop::collection::vec(any_source(), 0..3),
        (of(any_text()), of(any_text())),
    )
        .prop_map(|(what, who, in_doubt, changed, (reason, incident))| {
            Event::RunResumed(RunResumed {
                what,
                user: who.0,
                host: who.1,
                pid: who.2,
                process: who.3,
                opsbook: "0.1.0".to_owned(),
                in_doubt,
                changed,
                reason,
                incident,
            })
        })
}

fn any_other() -> impl Strategy<Value = Event> {
    ("[a-z]{1,8}-later", any_value()).prop_map(|(kind, value)| {
        let fields = [("type".to_owned(), kind.into()), ("new".to_owned(), value)];
        Event::Other(fields.into_iter().collect())
    })
}

/// Any event of any kind.
pub(crate) fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        any_run_started(),
        any_run_resumed(),
        (any_effect(), any_text()).prop_map(|(effect, because)| {
            Event::ApprovalRequested(ApprovalRequested { effect, because })
        }),
        (any_text(), any_text(), of(any_text())).prop_map(|(user, host, reason)| {
            Event::RunApproved(RunApproved { user, host, reason })
        }),
        (any_text(), any::<u64>(), any_text(), any::<u32>()).prop_map(|(lock, run, user, pid)| {
            Event::LockTakenOver(LockTakenOver {
                host: lock.clone(),
                lock,
                from: RunId(run),
                user,
                pid,
            })
        }),
        (any::<(u64, u64)>(), any_text()).prop_map(|((first, last), user)| {
            let hash = "ab".repeat(32);
            Event::JournalPruned(JournalPruned {
                before: odd_moment(),
                runs: first,
                events: last,
                gaps: vec![Gap { first, last, hash }],
                host: user.clone(),
                user,
            })
        }),
        (
            (any_key(), any_text(), any_effect()),
            (any::<bool>(), of(any_text()), of(any::<u64>()))
        )
            .prop_map(|((step, action, effect), (undo, items, rows))| {
                Event::StepStarted(StepStarted {
                    step,
                    action,
                    effect,
                    undo,
                    items,
                    rows,
                    check: None,
                })
            }),
        (any_key(), any::<u32>(), any_text(), any::<u64>()).prop_map(
            |(step, attempt, reason, delay_ms)| {
                Event::StepRetried(StepRetried {
                    step,
                    attempt,
                    reason,
                    delay_ms,
                })
            }
        ),
        any_step_finished(),
        (any_severity(), any_text(), of(any_text())).prop_map(|(severity, cause, remedy)| {
            Event::FindingRaised(FindingRaised {
                severity,
                cause,
                remedy,
            })
        }),
        (
            prop::sample::select(Verdict::ALL.to_vec()),
            any::<u8>(),
            any_text(),
            any_milliseconds()
        )
            .prop_map(|(verdict, exit, reason, took_ms)| {
                Event::RunFinished(RunFinished {
                    verdict,
                    exit,
                    reason,
                    took_ms,
                })
            }),
        any_other(),
    ]
}

/// Any stream of one run.
pub(crate) fn any_stream() -> impl Strategy<Value = Vec<Envelope>> {
    prop::collection::vec(any_event(), 0..7).prop_map(stream)
}

/// A moment with nanoseconds, which a journal must not round.
pub(crate) fn odd_moment() -> DateTime<Utc> {
    Utc.timestamp_nanos(1_795_143_600_123_456_789)
}
