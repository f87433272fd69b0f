//! How steps and runs come to their statuses, severities and exit codes.

use super::*;

#[test]
fn thresholds_judge_and_never_stop_the_run() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = { ms = 700 }
        warn = "ms > 100"
        critical = "ms > 500"
        [[step]]
        name = "b"
        act.look = { ms = 200 }
        warn = "ms > 100"
        critical = "ms > 500"
        [[step]]
        name = "c"
        act.look = { ms = 0 }
        warn = "ms > 100"
        "#,
    );
    assert_eq!(
        ended
            .statuses()
            .into_iter()
            .map(|(_, status)| status)
            .collect::<Vec<_>>(),
        [Status::Critical, Status::Warning, Status::Ok]
    );
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert!(ended.end.reason.contains("700"), "{}", ended.end.reason);
}

#[test]
fn a_threshold_that_cannot_be_told_is_unknown_never_good() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = { value = "{{ none }}" }
        warn = "value > 100"
        [[step]]
        name = "b"
        act.look = {}
        "#,
    );
    assert_eq!(ended.status("a"), Status::Unknown);
    assert_eq!(ended.status("b"), Status::Ok);
    assert_eq!(ended.end.exit, ExitCode::Unknown);
}

#[test]
fn opsbooks_own_trouble_is_unknown_and_says_what_to_do() {
    let ended = Bench::default()
        .run("title = 'x'\n[[step]]\nname = 'a'\nact.look = {}\nact.fail = 'own'\n");
    assert_eq!(ended.end.exit, ExitCode::Unknown);
    assert_eq!(
        ended.summary.steps[0].end.as_ref().unwrap().help.as_deref(),
        Some("install it")
    );
}

#[test]
fn an_expectation_that_does_not_hold_fails_with_the_values() {
    let ended = Bench::default().run(
        "title = 'x'\n[[step]]\nname = 'a'\nact.look = { status = 503 }\nexpect = 'status == 200'\n",
    );
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert!(
        ended.detail("a").contains("503") && ended.detail("a").contains("200"),
        "{}",
        ended.detail("a")
    );
}

#[test]
fn findings_count_towards_the_verdict() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = { n = 7 }
        save = { n = "n" }
        [[finding]]
        when = "n > 5"
        severity = "P1"
        cause = "there are {{ n }}"
        remedy = "db prune --limit {{ n }}"
        [[finding]]
        when = "steps.a.missing > 5"
        severity = "P0"
        cause = "never"
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert_eq!(ended.end.reason, "there are 7");
    assert_eq!(ended.summary.findings.len(), 1);
    assert_eq!(
        ended.summary.findings[0].remedy.as_deref(),
        Some("db prune --limit 7")
    );
}

#[test]
fn a_finding_hands_no_value_to_a_shell_and_is_never_a_wall_of_text() {
    let long = "A".repeat(200_000);
    let ended = Bench::default().run(&format!(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = {{ said = "x; id | sh", long = "{long}" }}
        save = {{ said = "said", long = "long" }}
        [[finding]]
        when = "true"
        severity = "P1"
        cause = "it says {{{{ long }}}}"
        remedy = "db info {{{{ said }}}}"
        "#,
    ));
    let finding = &ended.summary.findings[0];
    assert_eq!(finding.remedy.as_deref(), Some("db info 'x; id | sh'"));
    for text in [&finding.cause, &ended.summary.reason] {
        assert!(
            text.starts_with("it says AAA") && text.ends_with("A…") && text.len() < 1100,
            "{} bytes",
            text.len()
        );
    }
}

#[test]
fn a_threshold_that_cannot_be_told_does_not_make_a_failed_sub_runbook_better() {
    let bench = Bench {
        others: vec![(
            "test/child",
            "title = 'y'\n[[step]]\nname = 'a'\nact.look = {}\nact.fail = 'target'\n",
        )],
        ..Bench::default()
    };
    let ended = bench.run(
        r#"
        title = "x"
        [[step]]
        name = "child"
        runbook.run = "test/child"
        warn = "missing > 1"
        [[step]]
        name = "next"
        act.change = {}
        "#,
    );
    assert_eq!(ended.status("child"), Status::Critical);
    assert_eq!(ended.status("next"), Status::NotRun);
}

#[test]
fn findings_of_a_sub_runbook_are_raised_and_judge_its_step() {
    let bench = Bench {
        others: vec![(
            "db/check",
            "title = 'y'\n[[step]]\nname = 'look'\nact.look = { n = 7 }\n[[finding]]\nwhen = 'steps.look.n > 5'\nseverity = 'P2'\ncause = 'too many'\n",
        )],
        ..Bench::default()
    };
    let ended = bench.run("title = 'x'\n[[step]]\nname = 'sub'\nrunbook.run = 'db/check'\n");
    assert_eq!(ended.status("sub"), Status::Warning);
    assert_eq!(ended.end.exit, ExitCode::Warning);
    assert_eq!(ended.end.reason, "sub: too many");
    assert_eq!(ended.summary.findings.len(), 1);
}
