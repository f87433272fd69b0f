//! Whole screens, as a person sees them.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use proptest::prelude::*;

use crate::base::text::width;
use crate::base::{Effect, ProcessMark, RunId, Severity, Status, StepKey, Verdict};
use crate::event::{
    Envelope, Event, FindingRaised, LockTakenOver, Preview, Resumption, RunResumed, StepFinished,
    StepStarted, sample,
};
use crate::report::{Style, rows_of};

fn screen(colour: bool, width: usize, events: Vec<Event>) -> String {
    let mut report = (super::FORMAT.make)(Style {
        colour,
        width,
        ..Style::default()
    });
    let mut out = Vec::new();
    crate::report::write(report.as_mut(), &sample::stream(events), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The same with a bar before each line, for the spaces that stand there.
fn barred(width: usize, events: Vec<Event>) -> String {
    screen(false, width, events)
        .lines()
        .map(|line| format!("|{line}\n"))
        .collect()
}

fn end(step: &str, status: Status, took_ms: Option<f64>, detail: &str) -> StepFinished {
    StepFinished {
        took_ms,
        detail: detail.to_owned(),
        ..sample::step_finished(step, status)
    }
}

fn finding(severity: Severity, cause: &str, remedy: Option<&str>) -> Event {
    Event::FindingRaised(FindingRaised {
        severity,
        cause: cause.to_owned(),
        remedy: remedy.map(str::to_owned),
    })
}

fn health() -> Vec<Event> {
    let mut ping = end(
        "database/ping",
        Status::Critical,
        Some(2000.0),
        "no answer within 2 s from db.internal:5432: connection refused (os error 111)",
    );
    ping.help = Some("is the server running? systemctl status postgresql".to_owned());
    vec![
        sample::started(&["database/ping", "api/liveness", "api/queue", "web/tls"]),
        Event::StepFinished(ping),
        Event::StepFinished(end("api/liveness", Status::Ok, Some(12.0), "200 healthy")),
        Event::StepFinished(end(
            "api/queue",
            Status::Warning,
            Some(18.0),
            "pendingJobs 142 > 100",
        )),
        Event::StepFinished(end("web/tls", Status::Skipped, None, "no certificate")),
        finding(
            Severity::P1,
            "the database does not answer",
            Some("db diagnose main"),
        ),
        finding(
            Severity::P3,
            "the queue is filling",
            Some("queue status jobs"),
        ),
        sample::run_finished(
            Verdict::Critical,
            2,
            "database/ping: no answer within 2 s from db.internal:5432: connection refused (os error 111)",
        ),
    ]
}

#[test]
fn a_bad_run_at_80() {
    insta::assert_snapshot!(barred(80, health()), @r"
    | step           status    severity    took  detail
    | database/ping  CRITICAL  P1        2.00 s  no answer within 2 s from db.intern…
    | api/liveness   ok                   12 ms  200 healthy
    | api/queue      WARNING   P3         18 ms  pendingJobs 142 > 100
    | web/tls        skipped                  –  no certificate
    |
    | database/ping
    |   no answer within 2 s from db.internal:5432: connection refused (os error
    |   111)
    |   → is the server running? systemctl status postgresql
    |
    | Findings
    |   P1  the database does not answer  → opsbook db diagnose main
    |   P3  the queue is filling          → opsbook queue status jobs
    |
    | CRITICAL  4 steps: 1 ok, 1 warning, 1 critical, 1 skipped      2.00 s   run 412
    ");
}

#[test]
fn a_bad_run_at_140() {
    insta::assert_snapshot!(barred(140, health()), @r"
    | step           status    severity    took  detail
    | database/ping  CRITICAL  P1        2.00 s  no answer within 2 s from db.internal:5432: connection refused (os error 111)
    | api/liveness   ok                   12 ms  200 healthy
    | api/queue      WARNING   P3         18 ms  pendingJobs 142 > 100
    | web/tls        skipped                  –  no certificate
    |
    | database/ping
    |   → is the server running? systemctl status postgresql
    |
    | Findings
    |   P1  the database does not answer  → opsbook db diagnose main
    |   P3  the queue is filling          → opsbook queue status jobs
    |
    | CRITICAL  4 steps: 1 ok, 1 warning, 1 critical, 1 skipped                                                                  2.00 s   run 412
    ");
}

#[test]
fn a_bad_run_at_40() {
    insta::assert_snapshot!(barred(40, health()), @r"
    | step      database/ping
    | status    CRITICAL
    | severity  P1
    | took      2.00 s
    | detail    no answer within 2 s from
    |           db.internal:5432: connection
    |           refused (os error 111)
    |
    | step      api/liveness
    | status    ok
    | severity
    | took      12 ms
    | detail    200 healthy
    |
    | step      api/queue
    | status    WARNING
    | severity  P3
    | took      18 ms
    | detail    pendingJobs 142 > 100
    |
    | step      web/tls
    | status    skipped
    | severity
    | took      –
    | detail    no certificate
    |
    | database/ping
    |   → is the server running? systemctl
    |     status postgresql
    |
    | Findings
    |   P1  the database does not answer
    |       → opsbook db diagnose main
    |   P3  the queue is filling
    |       → opsbook queue status jobs
    |
    | CRITICAL  4 steps: 1 ok, 1 warning, 1
    |           critical, 1 skipped
    |           2.00 s   run 412
    ");
}

fn prune() -> Vec<Event> {
    let mut start = sample::run_started(&["count"]);
    start.dry = true;
    let write = |step, effect, detail| {
        Event::StepFinished(StepFinished {
            effect,
            ..end(step, Status::NotRun, None, detail)
        })
    };
    let begin = |step, effect| {
        Event::StepStarted(StepStarted {
            step: StepKey::new(step),
            action: "sql.execute".to_owned(),
            effect,
            undo: false,
            items: None,
            rows: None,
            check: None,
        })
    };
    vec![
        Event::RunStarted(start),
        Event::StepFinished(end("count", Status::Ok, Some(21.0), "doomed = 18,204")),
        begin("backup", Effect::Write),
        write("backup", Effect::Write, "backup of main (d1, 41 MiB)"),
        begin("delete", Effect::Destroy),
        write(
            "delete",
            Effect::Destroy,
            "DELETE FROM \"audit_logs\" WHERE created_at < '2026-08-22 00:00:00'   18,204 rows",
        ),
        write("announce", Effect::Write, "the run was stopped"),
        sample::run_finished(Verdict::Ok, 0, "dry run"),
    ]
}

#[test]
fn a_dry_run_at_80() {
    insta::assert_snapshot!(barred(80, prune()), @r#"
    | step      effect   status      took  detail
    | count     read     ok         21 ms  doomed = 18,204
    | backup    write    would run      –  backup of main (d1, 41 MiB)
    | delete    destroy  would run      –  DELETE FROM "audit_logs" WHERE created_at…
    | announce  write    not run        –  the run was stopped
    |
    | delete
    |   DELETE FROM "audit_logs" WHERE created_at < '2026-08-22 00:00:00' 18,204
    |   rows
    |
    | DRY RUN  nothing was changed; 4 steps: 1 ok, 2 would run, 1 not run
    |          2.00 s   run 412
    "#);
}

#[test]
fn a_dry_run_at_140() {
    insta::assert_snapshot!(barred(140, prune()), @r#"
    | step      effect   status      took  detail
    | count     read     ok         21 ms  doomed = 18,204
    | backup    write    would run      –  backup of main (d1, 41 MiB)
    | delete    destroy  would run      –  DELETE FROM "audit_logs" WHERE created_at < '2026-08-22 00:00:00' 18,204 rows
    | announce  write    not run        –  the run was stopped
    |
    | DRY RUN  nothing was changed; 4 steps: 1 ok, 2 would run, 1 not run                                                        2.00 s   run 412
    "#);
}

fn tables() -> Vec<Event> {
    let mut start = sample::run_started(&["tables"]);
    start.output = Some("tables".to_owned());
    let mut rows = end("tables", Status::Ok, Some(3.0), "2 rows");
    rows.table = Some(sample::table(
        &["name", "rows", "share", "note"],
        vec![
            vec!["audit_logs".into(), 18204.into(), 0.75.into(), "old".into()],
            vec![
                "users".into(),
                12.into(),
                0.5.into(),
                serde_json::Value::Null,
            ],
        ],
    ));
    vec![
        Event::RunStarted(start),
        Event::StepFinished(rows),
        sample::run_finished(Verdict::Ok, 0, ""),
    ]
}

#[test]
fn the_output_stands_instead_of_the_steps() {
    insta::assert_snapshot!(barred(80, tables()), @r"
    | name         rows  share  note
    | audit_logs  18204   0.75  old
    | users          12    0.5  –
    |
    | ok  1 step: 1 ok                                               2.00 s   run 412
    ");
}

#[test]
fn the_steps_are_back_when_something_is_wrong() {
    let mut events = tables();
    events.pop();
    events.push(Event::StepFinished(end(
        "verify",
        Status::Unknown,
        None,
        "psql is not installed",
    )));
    events.push(sample::run_finished(
        Verdict::Unknown,
        3,
        "psql is not installed",
    ));
    insta::assert_snapshot!(barred(80, events), @r"
    | name         rows  share  note
    | audit_logs  18204   0.75  old
    | users          12    0.5  –
    |
    | step    status   took  detail
    | tables  ok       3 ms  2 rows
    | verify  UNKNOWN     –  psql is not installed
    |
    | UNKNOWN  2 steps: 1 ok, 1 unknown                              2.00 s   run 412
    ");
}

#[test]
fn a_step_shows_its_rows_under_its_name() {
    let mut slow = end("slow", Status::Ok, Some(65_000.0), "1 query");
    slow.table = Some(sample::table(
        &["query", "calls"],
        vec![vec!["SELECT * FROM audit_logs WHERE created_at < now() AND message LIKE '%timeout%' ORDER BY id".into(), 7.into()]],
    ));
    slow.artifact = Some("reports/slow.csv".to_owned());
    let mut none = end("locks", Status::Ok, Some(0.4), "no locks");
    none.table = Some(sample::table(&["pid"], vec![]));
    let events = vec![
        sample::started(&["slow", "locks"]),
        Event::StepFinished(slow),
        Event::StepFinished(none),
        sample::run_finished(Verdict::Ok, 0, ""),
    ];
    insta::assert_snapshot!(barred(80, events), @r"
    | step   status      took  detail
    | slow   ok      1 m 05 s  1 query
    | locks  ok        0.4 ms  no locks
    |
    | slow
    | query                                                               calls
    | SELECT * FROM audit_logs WHERE created_at < now() AND message LIKE      7
    | '%timeout%' ORDER BY id
    |
    | locks
    | pid
    | no rows
    |
    | Files
    |   reports/slow.csv
    |
    | ok  2 steps: 2 ok                                              2.00 s   run 412
    ");
}

#[test]
fn a_few_rows_that_do_not_fit_are_written_one_by_one() {
    let id = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let table = sample::table(
        &["id", "order"],
        vec![vec![id.into(), id.into()], vec![1.into(), "short".into()]],
    );
    insta::assert_snapshot!(rows_of(&table, Style { width: 60, ..Style::default() }), @r"
    id     0f8fad5b-d9cb-469f-a165-70867728950e
    order  0f8fad5b-d9cb-469f-a165-70867728950e

    id     1
    order  short
    ");
}

#[test]
fn many_rows_take_four_lines_each_at_most() {
    let long = "word ".repeat(40);
    let rows = (0..11).map(|row| vec![row.into(), long.as_str().into()]);
    let table = sample::table(&["id", "text"], rows.collect());
    let shown = rows_of(
        &table,
        Style {
            width: 40,
            ..Style::default()
        },
    );
    insta::assert_snapshot!(shown.lines().take(6).collect::<Vec<_>>().join("\n"), @r"
    id  text
     0  word word word word word word word
        word word word word word word word
        word word word word word word word
        word word word word word word word…
     1  word word word word word word word
    ");
    assert!(shown.ends_with("--format json has all of it\n"), "{shown}");
}

#[test]
fn a_run_that_did_nothing_says_why() {
    let events = vec![
        sample::started(&["delete"]),
        sample::run_finished(
            Verdict::Unknown,
            75,
            "locked by run 411 of operator on host.example.com since 03:00",
        ),
    ];
    insta::assert_snapshot!(barred(80, events), @r"
    | step    status   took  detail
    | delete  not run     –
    |
    | NOT NOW  locked by run 411 of operator on host.example.com since 03:00
    |          1 step: 1 not run                                     2.00 s   run 412
    ");
}

#[test]
fn a_run_that_went_on_tells_who_resumed_it_and_what_is_stuck() {
    let mut shown = end(
        "delete",
        Status::UndoFailed,
        Some(5.0),
        "the backup is gone",
    );
    shown.help = Some("restore it by hand".to_owned());
    let events = vec![
        sample::started(&["backup", "delete"]),
        Event::StepFinished(end("backup", Status::Ok, Some(3.0), "")),
        sample::step_started("delete"),
        Event::LockTakenOver(LockTakenOver {
            lock: "db/prune".to_owned(),
            from: RunId(411),
            user: "cron".to_owned(),
            host: "batch.example.com".to_owned(),
            pid: 12,
        }),
        Event::RunResumed(RunResumed {
            what: Resumption::Undo,
            user: "alice".to_owned(),
            host: "desk.example.com".to_owned(),
            pid: 99,
            process: ProcessMark::default(),
            opsbook: "0.1.0".to_owned(),
            in_doubt: vec![StepKey::new("delete")],
            changed: Vec::new(),
            reason: Some("wrong table".to_owned()),
            incident: None,
        }),
        Event::StepFinished(shown),
        sample::run_finished(Verdict::Unknown, 4, "delete: the backup is gone"),
    ];
    insta::assert_snapshot!(barred(80, events), @r"
    | step    status       took  detail
    | backup  ok           3 ms
    | delete  UNDO FAILED  5 ms  the backup is gone
    |
    | delete
    |   → restore it by hand
    |
    | Notes
    |   the lock db/prune was taken over from run 411, which is dead
    |   (cron@batch.example.com, process 12)
    |   taken back by alice@desk.example.com: wrong table; in doubt: delete
    |
    | STUCK  2 steps: 1 ok, 1 undo failed                            2.00 s   run 412
    ");
}

#[test]
fn what_would_be_sent_is_told_with_the_rows_that_it_touches() {
    let mut start = sample::run_started(&["delete"]);
    start.dry = true;
    start.steps[0].effect = Effect::Destroy;
    let mut shown = end("delete", Status::NotRun, None, "");
    shown.effect = Effect::Destroy;
    shown.preview = Some(Preview {
        sent: "DELETE FROM \"logs\" -- the old ones\nWHERE age > 90".to_owned(),
        rows: Some(18204),
        ..Preview::default()
    });
    shown.detail =
        "DELETE FROM \"logs\" -- the old ones\nWHERE age > 90\ntouches 18,204 rows".to_owned();
    let mut begun = sample::step_started("delete");
    if let Event::StepStarted(begun) = &mut begun {
        begun.effect = Effect::Destroy;
    }
    let events = vec![
        Event::RunStarted(start),
        begun,
        Event::StepFinished(shown),
        sample::run_finished(Verdict::Ok, 0, ""),
    ];
    insta::assert_snapshot!(barred(80, events), @r#"
    | step    effect   status     took  detail
    | delete  destroy  would run     –  DELETE FROM "logs" -- the old ones …; touche…
    |
    | delete
    |   DELETE FROM "logs" -- the old ones
    |   WHERE age > 90
    |   touches 18,204 rows
    |
    | DRY RUN  nothing was changed; 1 step: 1 would run              2.00 s   run 412
    "#);
}

#[test]
fn below_a_tall_table_the_bad_steps_are_told_again() {
    let names: Vec<String> = (0..30).map(|n| format!("s{n}")).collect();
    let planned: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut events = vec![sample::started(&planned)];
    for (n, name) in names.iter().enumerate() {
        let (status, detail) = match n {
            3 => (Status::Critical, "exited with 3"),
            _ => (Status::Ok, "done"),
        };
        events.push(Event::StepFinished(end(name, status, None, detail)));
    }
    let text = screen(false, 80, events);
    assert!(text.contains("\n\n s3\n   exited with 3\n\n"), "{text}");
    assert!(!text.contains("\n   done\n"), "{text}");
}

#[test]
fn what_items_say_is_not_said_again_for_their_step() {
    let long = format!("exited with 1: {}", "no such table ".repeat(6));
    let events = vec![
        sample::started(&["each"]),
        Event::StepFinished(end("each[0]", Status::Critical, None, &long)),
        Event::StepFinished(end("each[1]", Status::Ok, None, "fine")),
        Event::StepFinished(end(
            "each",
            Status::Critical,
            None,
            &format!("1 of 2 items: {long}"),
        )),
    ];
    let text = screen(false, 80, events);
    assert!(
        text.contains("\n each[0]\n   exited with 1: no such"),
        "{text}"
    );
    assert!(!text.contains("\n each\n"), "{text}");
}

#[test]
fn many_columns_become_records() {
    let names: Vec<String> = (0..20).map(|n| format!("column_{n}")).collect();
    let columns: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut rows = end("wide", Status::Ok, None, "");
    rows.table = Some(sample::table(
        &columns[..18],
        vec![(0..18).map(|n| n.into()).collect()],
    ));
    let text = screen(false, 80, vec![Event::StepFinished(rows)]);
    assert!(text.contains("\n column_17  17\n"), "{text}");
}

#[test]
fn colour_only_repeats_what_the_words_say() {
    let coloured = screen(true, 80, health());
    assert!(
        coloured.contains("\u{1b}[1m\u{1b}[31mCRITICAL\u{1b}[0m"),
        "{coloured:?}"
    );
    let stripped = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(stripped, screen(false, 80, health()));
}

#[test]
fn a_command_is_never_broken() {
    let remedy = "db restore ".to_owned() + &"very-long-name-".repeat(8);
    let text = screen(
        false,
        40,
        vec![finding(Severity::P2, "something", Some(&remedy))],
    );
    assert!(text.contains(&format!("→ opsbook {remedy}\n")), "{text}");
}

#[test]
fn ten_thousand_rows_all_come_out() {
    let mut rows = end("rows", Status::Ok, None, "");
    rows.table = Some(sample::table(
        &["n", "text"],
        (0..10_000)
            .map(|n| vec![n.into(), "word ".repeat(n % 40).into()])
            .collect(),
    ));
    let text = screen(true, 80, vec![Event::StepFinished(rows)]);
    assert!(text.lines().count() > 10_000);
    assert!(text.contains(" 9999 "));
}

fn without_remedies(stream: Vec<Envelope>) -> Vec<Event> {
    stream
        .into_iter()
        .map(|envelope| match envelope.event {
            // A command is never broken, however wide.
            Event::FindingRaised(finding) => Event::FindingRaised(FindingRaised {
                remedy: None,
                ..finding
            }),
            other => other,
        })
        .collect()
}

proptest! {
    #[test]
    fn no_line_is_wider_than_asked(stream in sample::any_stream(), cells in 20_usize..160) {
        let mut events = without_remedies(stream);
        // One that was cut off tells the command that goes on with it.
        events.push(sample::run_finished(Verdict::Ok, 0, ""));
        for event in &mut events {
            // What was given is never broken: it is there to be pasted.
            if let Event::StepFinished(end) = event
                && end.status == Status::Ok
            {
                end.detail.clear();
                end.preview = None;
            }
        }
        let text = screen(false, cells, events);
        for line in text.lines() {
            prop_assert!(width(line) <= cells, "{} > {cells}: {line:?}", width(line));
        }
    }
}

#[test]
fn a_failed_program_is_quoted_with_its_last_lines() {
    let stderr =
        "connecting\n\none\ntwo\nFATAL: no password\u{1b}[2J\nDETAIL: for ops\nhint: see the log\n";
    let mut failed = end(
        "dump",
        Status::Critical,
        Some(7.0),
        "exited with 2: hint: see the log",
    );
    failed.failed = true;
    failed.outputs.insert("stderr".to_owned(), stderr.into());
    let mut fine = end("fine", Status::Ok, Some(7.0), "");
    fine.outputs.insert("stderr".to_owned(), stderr.into());
    let text = screen(
        false,
        80,
        vec![
            sample::started(&["dump", "fine"]),
            Event::StepFinished(failed),
            Event::StepFinished(fine),
        ],
    );
    let quoted: Vec<&str> = text.lines().filter(|line| line.contains('│')).collect();
    assert_eq!(
        quoted,
        [
            "   │ one",
            "   │ two",
            "   │ FATAL: no password␛[2J",
            "   │ DETAIL: for ops",
            "   │ hint: see the log",
        ]
    );
}

/// At three in the morning it is pasted as it stands.
#[test]
fn what_a_change_gave_is_told_whole_below_the_table() {
    let restore = "kind = dump, restore = pg_restore --clean --if-exists --single-transaction --dbname=postgres:///orders copies/main-20261121.dump";
    let mut start = sample::run_started(&["look", "copy", "short"]);
    start.steps[1].effect = Effect::Write;
    let copy = end("copy", Status::Ok, Some(7.0), restore);
    let events = || {
        vec![
            Event::RunStarted(start.clone()),
            Event::StepFinished(end("look", Status::Ok, Some(7.0), &"looked at ".repeat(20))),
            Event::StepFinished(copy.clone()),
            Event::StepFinished(end("short", Status::Ok, Some(7.0), "3 rows changed")),
        ]
    };
    let text = screen(false, 80, events());
    assert!(text.contains(&format!("\n copy\n   {restore}\n")), "{text}");
    assert!(!text.contains("\n look\n"), "{text}");
    assert_eq!(text.matches("3 rows changed").count(), 1, "{text}");
    let wide = screen(false, 200, events());
    assert_eq!(wide.matches(restore).count(), 1, "{wide}");
}
