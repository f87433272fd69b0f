//! Whole screens of runs of checks.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use crate::base::{Severity, Status, Verdict};
use crate::event::{Event, FindingRaised, StepFinished, sample};
use crate::report::Style;

fn screen(style: Style, events: Vec<Event>) -> String {
    let mut report = (super::FORMAT.make)(style);
    let mut out = Vec::new();
    crate::report::write(report.as_mut(), &sample::stream(events), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.lines().map(|line| format!("|{line}\n")).collect()
}

fn at(width: usize) -> Style {
    Style {
        width,
        ..Style::default()
    }
}

fn check(service: &str, name: &str, index: usize, status: Status, detail: &str) -> Event {
    let mut end = sample::check(service, name, index, status);
    end.detail = detail.to_owned();
    Event::StepFinished(end)
}

/// The step that ran the checks.
fn runner(step: &str, status: Status, detail: &str) -> Event {
    Event::StepFinished(StepFinished {
        failed: false,
        detail: detail.to_owned(),
        ..sample::step_finished(step, status)
    })
}

const DOWN: &str = "no answer within 2 s from db.internal:5432";

fn health() -> Vec<Event> {
    let why = format!("database ping: {DOWN}");
    vec![
        sample::started(&["checks"]),
        // As they end, not as they are written.
        check("web", "tls", 4, Status::Ok, "61 days left"),
        check("api", "liveness", 1, Status::Ok, "200 healthy"),
        check("api", "queue", 3, Status::Warning, "json.pending 142 > 100"),
        check("database", "ping", 0, Status::Critical, DOWN),
        check(
            "api",
            "readiness",
            2,
            Status::Affected,
            "needs database ping",
        ),
        Event::FindingRaised(FindingRaised {
            severity: Severity::P1,
            cause: "the database does not answer".to_owned(),
            remedy: Some("db diagnose main".to_owned()),
        }),
        runner("checks", Status::Critical, &why),
        sample::run_finished(Verdict::Critical, 2, &why),
    ]
}

#[test]
fn checks_at_80() {
    insta::assert_snapshot!(screen(at(80), health()), @r#"
    | service   check      status    severity   took  detail
    | database  ping       CRITICAL  P1        12 ms  no answer within 2 s from db.i…
    | api       liveness   ok                  12 ms  200 healthy
    | api       readiness  affected            12 ms  needs database ping
    | api       queue      WARNING   P3        12 ms  json.pending 142 > 100
    | web       tls        ok                  12 ms  61 days left
    |
    | database ping
    |   no answer within 2 s from db.internal:5432
    |
    | Findings
    |   P1  the database does not answer  → opsbook db diagnose main
    |
    | CRITICAL  5 checks: 2 ok, 1 warning, 1 critical, 1 affected    2.00 s   run 412
    "#);
}

#[test]
fn checks_at_40() {
    insta::assert_snapshot!(screen(at(40), health()), @r#"
    | check          status     took
    | database ping  CRITICAL  12 ms
    | api liveness   ok        12 ms
    | api readiness  affected  12 ms
    | api queue      WARNING   12 ms
    | web tls        ok        12 ms
    |
    | database ping
    |   no answer within 2 s from
    |   db.internal:5432
    | api queue
    |   json.pending 142 > 100
    |
    | Findings
    |   P1  the database does not answer
    |       → opsbook db diagnose main
    |
    | CRITICAL  5 checks: 2 ok, 1 warning, 1
    |           critical, 1 affected
    |           2.00 s   run 412
    "#);
}

#[test]
fn a_long_name_does_not_take_the_room_of_the_details() {
    let mut events = health();
    let long = "a name that says all that there is to say of a check";
    events.insert(1, check("web", long, 5, Status::Warning, "slow"));
    insta::assert_snapshot!(screen(at(80), events), @r#"
    | service   check                 status    severity   took  detail
    | database  ping                  CRITICAL  P1        12 ms  no answer within 2 …
    | api       liveness              ok                  12 ms  200 healthy
    | api       readiness             affected            12 ms  needs database ping
    | api       queue                 WARNING   P3        12 ms  json.pending 142 > …
    | web       tls                   ok                  12 ms  61 days left
    | web       a name that says al…  WARNING   P3        12 ms  slow
    |
    | database ping
    |   no answer within 2 s from db.internal:5432
    | api queue
    |   json.pending 142 > 100
    |
    | Findings
    |   P1  the database does not answer  → opsbook db diagnose main
    |
    | CRITICAL  6 checks: 2 ok, 2 warning, 1 critical, 1 affected    2.00 s   run 412
    "#);
}

#[test]
fn checks_among_steps_stand_below_the_step_that_ran_them() {
    let mut events = health();
    events[0] = sample::started(&["build", "checks", "announce"]);
    events.insert(1, sample::finished("build", Status::Ok));
    events.insert(8, sample::finished("announce", Status::Skipped));
    insta::assert_snapshot!(screen(at(100), events), @r#"
    | step             status    severity   took  detail
    | build            ok                  12 ms
    | checks           CRITICAL  P1        12 ms
    |   database ping  CRITICAL  P1        12 ms  no answer within 2 s from db.internal:5432
    |   api liveness   ok                  12 ms  200 healthy
    |   api readiness  affected            12 ms  needs database ping
    |   api queue      WARNING   P3        12 ms  json.pending 142 > 100
    |   web tls        ok                  12 ms  61 days left
    | … and 1 skipped; -v shows all
    |
    | Findings
    |   P1  the database does not answer  → opsbook db diagnose main
    |
    | CRITICAL  5 checks: 2 ok, 1 warning, 1 critical, 1 affected; 2 steps: 1 ok, 1 skipped
    |           2.00 s   run 412
    "#);
}

#[test]
fn a_step_that_could_not_keep_what_its_checks_saw_says_so() {
    let mut events = health();
    events.truncate(3);
    let lost = "no samples are kept: disk full";
    events.push(Event::StepFinished(StepFinished {
        detail: lost.to_owned(),
        ..sample::step_finished("checks", Status::Unknown)
    }));
    events.push(sample::run_finished(
        Verdict::Unknown,
        3,
        &format!("checks: {lost}"),
    ));
    insta::assert_snapshot!(screen(at(80), events), @r#"
    | step            status    took  detail
    | checks          UNKNOWN  12 ms  no samples are kept: disk full
    |   api liveness  ok       12 ms  200 healthy
    |   web tls       ok       12 ms  61 days left
    |
    | UNKNOWN  2 checks: 2 ok; 1 step: 1 unknown                     2.00 s   run 412
    "#);
}

fn many(number: usize, status: impl Fn(usize) -> Status) -> Vec<Event> {
    let mut events = vec![sample::started(&["checks"])];
    for index in 0..number {
        events.push(check("api", &format!("c{index}"), index, status(index), ""));
    }
    events.push(runner("checks", Status::Ok, "checks ok"));
    events.push(sample::run_finished(Verdict::Ok, 0, ""));
    events
}

#[test]
fn of_many_checks_those_that_are_not_well_are_shown() {
    let events = |number| {
        many(number, |index| match index {
            7 => Status::Critical,
            8 => Status::Affected,
            9..20 => Status::Skipped,
            _ => Status::Ok,
        })
    };
    insta::assert_snapshot!(screen(at(80), events(5000)), @r#"
    | service  check  status    severity   took  detail
    | api      c7     CRITICAL  P1        12 ms
    | api      c8     affected            12 ms
    | … and 4,987 ok, 11 skipped; -v shows all
    |
    | ok  5,000 checks: 4,987 ok, 1 critical, 1 affected, 11 skipped
    |     2.00 s   run 412
    "#);
    assert!(screen(at(80), events(40)).contains(" c39 "));
    let whole = Style {
        whole: true,
        ..at(80)
    };
    let all = screen(whole, events(500));
    assert!(
        all.contains(" c499 ") && !all.contains("-v shows all"),
        "{all}"
    );
    insta::assert_snapshot!(screen(at(80), many(41, |_| Status::Ok)), @r#"
    | 41 ok; -v shows all
    |
    | ok  41 checks: 41 ok                                           2.00 s   run 412
    "#);
}

#[test]
fn of_too_many_affected_ones_the_cause_is_shown() {
    let events = many(100, |index| match index {
        0 => Status::Critical,
        _ => Status::Affected,
    });
    insta::assert_snapshot!(screen(at(80), events), @r#"
    | service  check  status    severity   took  detail
    | api      c0     CRITICAL  P1        12 ms
    | … and 99 affected; -v shows all
    |
    | ok  100 checks: 1 critical, 99 affected                        2.00 s   run 412
    "#);
}
