//! Whole screens of a watch.

use proptest::prelude::*;

use super::{Screen, Watched};
use crate::base::text::width;
use crate::base::{Severity, Status, Verdict};
use crate::event::{Event, FindingRaised, Summary, sample};

const TERMINAL: Screen = Screen {
    rows: 24,
    columns: 80,
    unicode: true,
    colour: false,
};

fn run(checks: &[(&str, &str, Status, &str)], verdict: Verdict) -> Summary {
    let mut events = vec![sample::started(&["checks"])];
    for (index, (service, name, status, detail)) in checks.iter().enumerate() {
        let mut end = sample::check(service, name, index, *status);
        end.detail = (*detail).to_owned();
        events.push(Event::StepFinished(end));
    }
    if verdict == Verdict::Critical {
        events.push(Event::FindingRaised(FindingRaised {
            severity: Severity::P1,
            cause: "the database does not answer".to_owned(),
            remedy: Some("db diagnose main".to_owned()),
        }));
    }
    events.push(sample::run_finished(verdict, 0, ""));
    Summary::of(&sample::stream(events))
}

fn well() -> Summary {
    run(
        &[
            ("database", "ping", Status::Ok, ""),
            ("api", "readiness", Status::Ok, "200 OK"),
            ("api", "queue", Status::Ok, ""),
        ],
        Verdict::Ok,
    )
}

fn ill() -> Summary {
    run(
        &[
            ("database", "ping", Status::Critical, "no answer within 2 s"),
            ("api", "readiness", Status::Affected, "needs database ping"),
            ("api", "queue", Status::Warning, "json.pending 142 > 100"),
        ],
        Verdict::Critical,
    )
}

fn shown(watched: &Watched, screen: Screen) -> String {
    let lines = watched.lines(
        "health/check",
        "03:31:05Z  next in 3s  every 5s",
        &[],
        screen,
    );
    lines.iter().map(|line| format!("|{line}\n")).collect()
}

#[test]
fn each_check_stands_with_how_it_was_before() {
    let mut watched = Watched::default();
    assert!(!watched.take(well()), "the first verdict is no change");
    assert!(!watched.take(well()));
    assert!(watched.take(ill()));
    assert!(!watched.take(ill()));
    assert!(watched.take(well()));
    watched.take(ill());
    insta::assert_snapshot!(shown(&watched, TERMINAL), @r#"
    | health check  03:31:05Z  next in 3s  every 5s
    |
    | service   check      status        took  before        detail
    | database  ping       CRITICAL     12 ms        ▁▁██▁█  no answer within 2 s
    | api       readiness  affected     12 ms        ▁▁░░▁░  needs database ping
    | api       queue      WARNING      12 ms        ▁▁▄▄▁▄  json.pending 142 > 100
    |
    | Findings
    |   P1  the database does not answer  → opsbook db diagnose main
    |
    | CRITICAL  3 checks: 1 warning, 1 critical, 1 affected         2.00 s   run 412
    "#);
    let wide = Screen {
        columns: 140,
        unicode: false,
        ..TERMINAL
    };
    insta::assert_snapshot!(shown(&watched, wide), @r#"
    | health check  03:31:05Z  next in 3s  every 5s
    |
    | service   check      status        took  before                                                   detail
    | database  ping       CRITICAL     12 ms                                                   ..CC.C  no answer within 2 s
    | api       readiness  affected     12 ms                                                   ..aa.a  needs database ping
    | api       queue      WARNING      12 ms                                                   ..WW.W  json.pending 142 > 100
    |
    | Findings
    |   P1  the database does not answer  → opsbook db diagnose main
    |
    | CRITICAL  3 checks: 1 warning, 1 critical, 1 affected                                                                     2.00 s   run 412
    "#);
    let narrow = Screen {
        columns: 40,
        ..TERMINAL
    };
    insta::assert_snapshot!(shown(&watched, narrow), @r#"
    | health check  03:31:05Z  next in 3s  …
    |
    | check          status    before
    | database ping  CRITICAL         ▁▁██▁█
    | api readiness  affected         ▁▁░░▁░
    | api queue      WARNING          ▁▁▄▄▁▄
    |
    | Findings
    |   P1  the database does not answer
    |       → opsbook db diagnose main
    |
    | CRITICAL  3 checks: 1 warning, 1
    |           critical, 1 affected
    |           2.00 s   run 412
    "#);
}

#[test]
fn where_there_is_no_room_the_bad_ones_come_first_and_the_rest_is_counted() {
    let names: Vec<String> = (0..200).map(|index| format!("check-{index}")).collect();
    let checks: Vec<(&str, &str, Status, &str)> = names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let status = match index {
                150 => Status::Warning,
                199 => Status::Critical,
                7 => Status::Affected,
                _ => Status::Ok,
            };
            ("api", name.as_str(), status, "")
        })
        .collect();
    let mut watched = Watched::default();
    watched.take(run(&checks, Verdict::Warning));
    let small = Screen {
        rows: 10,
        ..TERMINAL
    };
    insta::assert_snapshot!(shown(&watched, small), @r#"
    | health check  03:31:05Z  next in 3s  every 5s
    |
    | service  check      status        took  before        detail
    | api      check-199  CRITICAL     12 ms             █
    | api      check-150  WARNING      12 ms             ▄
    | … and 197 ok, 1 affected
    |
    | WARNING  200 checks: 197 ok, 1 warning, 1 critical, 1 affected
    |          2.00 s   run 412
    "#);
    let tiny = Screen { rows: 3, ..small };
    insta::assert_snapshot!(shown(&watched, tiny), @r#"
    | health check  03:31:05Z  next in 3s  every 5s
    | WARNING  200 checks: 197 ok, 1 warning, 1 critical, 1 affected
    "#);
}

#[test]
fn findings_without_room_are_where_the_command_shows_them() {
    let mut watched = Watched::default();
    let names = ["a", "b", "c", "d", "e", "f"];
    let checks = names.map(|name| ("api", name, Status::Critical, ""));
    watched.take(run(&checks, Verdict::Critical));
    let low = Screen {
        rows: 9,
        ..TERMINAL
    };
    let text = shown(&watched, low);
    assert!(text.contains("`opsbook runs show 412` has them"), "{text}");
}

#[test]
fn a_run_that_could_not_begin_is_told_above_the_last_that_was() {
    let mut watched = Watched::default();
    assert!(!watched.miss("opsbook.toml:1:1\n   1 │ projct\n     │ ^^^^^^".to_owned()));
    insta::assert_snapshot!(shown(&watched, TERMINAL), @r#"
    | health check  03:31:05Z  next in 3s  every 5s
    | NOT BEGUN  it is tried again
    | opsbook.toml:1:1
    |    1 │ projct
    |      │ ^^^^^^
    "#);
    assert!(watched.take(well()), "from unknown to ok");
    assert!(watched.miss("the journal cannot be opened".to_owned()));
    insta::assert_snapshot!(shown(&watched, TERMINAL), @r#"
    | health check  03:31:05Z  next in 3s  every 5s
    | NOT BEGUN  it is tried again; below is the last run that was
    | the journal cannot be opened
    |
    | service   check      status        took  before        detail
    | database  ping       ok           12 ms            ▁
    | api       readiness  ok           12 ms            ▁   200 OK
    | api       queue      ok           12 ms            ▁
    |
    | ok  3 checks: 3 ok                                            2.00 s   run 412
    "#);
    assert!(watched.take(well()));
    assert!(!shown(&watched, TERMINAL).contains("NOT BEGUN"));
}

#[test]
fn a_run_without_checks_stands_as_it_is_printed_with_one_strip() {
    let steps = |status| {
        Summary::of(&sample::stream(vec![
            sample::started(&["count"]),
            sample::finished("count", status),
            sample::run_finished(status.verdict(), 0, ""),
        ]))
    };
    let mut watched = Watched::default();
    watched.take(steps(Status::Ok));
    watched.take(steps(Status::Warning));
    insta::assert_snapshot!(shown(&watched, TERMINAL), @r#"
    | health check  03:31:05Z  next in 3s  every 5s
    |
    | step   status   severity   took  detail
    | count  WARNING  P3        12 ms
    |
    |                                                           ▁▄
    |
    | WARNING  1 step: 1 warning                                    2.00 s   run 412
    "#);
}

proptest! {
    #[test]
    fn nothing_is_higher_or_wider_than_the_screen_and_nothing_steers_it(
        names in proptest::collection::vec((sample::any_text(), sample::any_text(), proptest::sample::select(Status::ALL.to_vec()), sample::any_text()), 0..30),
        other in sample::any_stream(),
        (trouble, note) in (sample::any_text(), sample::any_text()),
        (rows, columns) in (1_usize..40, 20_usize..160),
    ) {
        let checks: Vec<(&str, &str, Status, &str)> = names
            .iter()
            .map(|(service, name, status, detail)| (service.as_str(), name.as_str(), *status, detail.as_str()))
            .collect();
        let mut watched = Watched::default();
        watched.take(Summary::of(&other));
        let screen = Screen { rows, columns, ..TERMINAL };
        for _ in 0..2 {
            let notes = [crate::base::text::one_line(&note)];
            let lines = watched.lines("health/check", "every 5s", &notes, screen);
            prop_assert!(lines.len() <= rows.saturating_sub(1).max(1), "{lines:?}");
            for line in lines {
                // What is there to be pasted is cut by who draws it, not here.
                let to_paste = line.contains("→ opsbook") || line.starts_with("   ");
                prop_assert!(width(&line) < columns || to_paste, "{line:?}");
                prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            }
            watched.take(run(&checks, Verdict::Critical));
            watched.miss(crate::base::text::neutral(&trouble));
        }
    }
}
