//! Trying again, looking again, and what ends before its time.

use super::*;

#[test]
fn a_step_is_tried_again_until_it_succeeds() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = {}
        act.until = 2
        retry = { attempts = 5, delay = "1ms", jitter = false }
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Ok);
    assert_eq!(world().len(), 3);
    let retried = ended
        .told
        .iter()
        .filter(|told| matches!(told.event, Event::StepRetried(_)))
        .count();
    assert_eq!(retried, 2);
    assert_eq!(ended.summary.steps[0].end.as_ref().unwrap().attempts, 3);
}

#[test]
fn what_a_person_refused_is_not_tried_again() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = {}
        act.fail = "refused"
        on_failure = "continue"
        retry = { attempts = 5, delay = "1ms" }
        [[step]]
        name = "b"
        act.look = {}
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::NotNow);
    assert_eq!(world().len(), 1);
    assert_eq!(ended.status("b"), Status::NotRun);
}

#[test]
fn repeat_measures_and_waits() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "measure"
        act.look = { ms = 7 }
        repeat = { every = "1ms", times = 4 }
        critical = "samples.p95 > 7 or samples.count != 4"
        [[step]]
        name = "wait"
        act.look = { up = true }
        act.until = 3
        repeat = { every = "1ms", times = 10, until = "up" }
        [[step]]
        name = "never"
        act.look = { up = false }
        repeat = { every = "1ms", times = 2, until = "up" }
        "#,
    );
    assert_eq!(ended.status("measure"), Status::Ok);
    assert_eq!(ended.status("wait"), Status::Ok);
    assert_eq!(
        world().iter().filter(|done| done.ends_with("wait")).count(),
        4
    );
    assert_eq!(ended.status("never"), Status::Critical);
    assert!(
        ended
            .detail("never")
            .starts_with("not reached after 2 looks"),
        "{}",
        ended.detail("never")
    );
}

#[test]
fn a_step_that_takes_too_long_fails() {
    let ended = Bench::default().run(
        "title = 'x'\n[[step]]\nname = 'a'\nact.look = {}\nact.fail = 'hang'\ntimeout = '5ms'\n",
    );
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert_eq!(ended.detail("a"), "timed out after 5ms");
}

#[test]
fn a_run_that_takes_too_long_stops_and_still_cleans_up() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        timeout = "5ms"
        [[step]]
        name = "a"
        act.look = {}
        act.fail = "hang"
        [[step]]
        name = "b"
        act.look = {}
        [[finally]]
        name = "c"
        act.look = {}
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert_eq!(ended.status("b"), Status::NotRun);
    assert_eq!(ended.status("c"), Status::Ok);
}

#[test]
fn a_sub_runbook_that_is_cut_off_still_cleans_up() {
    let bench = Bench {
        others: vec![(
            "db/slow",
            "title = 'y'\n[[step]]\nname = 'hang'\nact.look = {}\nact.fail = 'hang'\n[[finally]]\nname = 'tidy'\nact.look = {}\n",
        )],
        ..Bench::default()
    };
    let ended = bench
        .run("title = 'x'\n[[step]]\nname = 'outer'\nrunbook.run = 'db/slow'\ntimeout = '5ms'\n");
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert_eq!(world(), ["look outer/hang", "look outer/tidy"]);
    assert_eq!(ended.status("outer/tidy"), Status::Ok);
}

#[test]
fn a_question_that_nobody_answers_ends_with_the_time_of_the_run() {
    let bench = Bench {
        answer: Answer(None),
        ..Bench::default()
    };
    let ended = bench.run(
        "title = 'x'\ntimeout = '5ms'\n[[step]]\nname = 'a'\nact.destroy = {}\n[[finally]]\nname = 'c'\nact.look = {}\n",
    );
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert_eq!(world(), ["look c"]);
}

#[test]
fn a_stop_ends_the_run_with_its_own_code() {
    let text = "title = 'x'\n[[step]]\nname = 'a'\nact.look = {}\n[[finally]]\nname = 'c'\nact.look = {}\n";
    for (stop, exit) in [
        (Stop::Interrupted, ExitCode::Interrupted),
        (Stop::Terminated, ExitCode::Terminated),
    ] {
        let ended = Bench {
            stop: Some(stop),
            ..Bench::default()
        }
        .run(text);
        assert_eq!(ended.end.exit, exit);
        assert_eq!(ended.status("a"), Status::NotRun);
        assert_eq!(ended.status("c"), Status::Ok);
    }
}
