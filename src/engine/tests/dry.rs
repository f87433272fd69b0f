//! What a dry run does, what it shows, and what it does not know.

use super::*;
use crate::event::{Preview, StepFinished};

fn dry() -> Bench {
    Bench {
        // A question would never be answered: the run would hang.
        answer: Answer(None),
        options: RunOptions {
            dry: true,
            ..RunOptions::default()
        },
        ..Bench::default()
    }
}

fn end_of<'a>(ended: &'a Ended, step: &str) -> &'a StepFinished {
    let found = ended.told.iter().find_map(|told| match &told.event {
        Event::StepFinished(end) if end.step.as_str() == step => Some(end),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no end of {step}"))
}

fn preview_of(ended: &Ended, step: &str) -> Option<Preview> {
    end_of(ended, step).preview.clone()
}

#[test]
fn reads_are_done_and_changes_are_shown() {
    let ended = dry().run(
        r#"
        title = "x"
        [[step]]
        name = "count"
        act.look = { n = 7 }
        save = { doomed = "n" }
        [[step]]
        name = "delete"
        act.destroy = { doomed = "{{ doomed }}" }
        when = "doomed > 5"
        confirm = "Sure?"
        undo = { act.change = {} }
        [[step]]
        name = "spare"
        act.change = {}
        when = "doomed > 500"
        [[finally]]
        name = "clean"
        act.change = { run = "{{ run.dry }}" }
        [[finally]]
        name = "last"
        act.look = {}
        confirm = "Look?"
        "#,
    );
    assert_eq!(world(), ["look count", "look last"]);
    assert_eq!(ended.end.exit, ExitCode::Ok);
    assert_eq!(ended.status("delete"), Status::NotRun);
    let sent = |step| preview_of(&ended, step).map(|preview| preview.sent);
    assert_eq!(sent("delete").as_deref(), Some(r#"destroy {"doomed":7}"#));
    assert_eq!(ended.detail("delete"), r#"destroy {"doomed":7}"#);
    assert_eq!(ended.status("spare"), Status::Skipped);
    assert_eq!(sent("clean").as_deref(), Some(r#"change {"run":true}"#));
    assert!(
        ended
            .summary
            .steps
            .iter()
            .all(|step| { step.started == (step.step.as_str() != "spare") })
    );
    let Event::RunStarted(start) = &ended.told[0].event else {
        panic!("no start")
    };
    assert!(start.dry);
}

/// Steps that depend on a change in every way that there is.
const UNKNOWN: &str = r#"
        title = "x"
        [[step]]
        name = "make"
        act.change = { id = 1 }
        save = { made = "id" }
        [[step]]
        name = "use"
        act.change = { id = "{{ made }}", name = "it's {{ steps.make.id }}", n = 5 }
        [[step]]
        name = "typed"
        act.change = {}
        act.until = "{{ made }}"
        [[step]]
        name = "perhaps"
        act.change = { n = 1 }
        when = "made > 5"
        [[step]]
        name = "look"
        act.look = { id = "{{ made }}" }
        save = { seen = "id" }
        [[step]]
        name = "look again"
        act.look = { id = "{{ seen }}" }
        [[step]]
        name = "look perhaps"
        act.look = {}
        when = "steps.use.status == 'ok'"
        [[step]]
        name = "judge"
        act.look = { n = 5 }
        expect = "n == made"
        critical = "n > made"
        warn = "n > 4"
        save = { both = "[n, made]" }
        [[step]]
        name = "each"
        for_each.item = "steps.make.rows"
        act.change = {}
        [[step]]
        name = "each look"
        for_each.item = "both"
        act.look = {}
        [[finding]]
        when = "made > 0"
        severity = "P1"
        cause = "it was made"
        [[finding]]
        when = "steps.judge.n == 5"
        severity = "P3"
        cause = "five"
        "#;

#[test]
fn what_depends_on_a_change_is_known_after_the_run() {
    let ended = dry().run(UNKNOWN);
    assert_eq!(world(), ["look judge"]);
    for (step, detail) in [
        ("make", r#"change {"id":1}"#),
        (
            "use",
            r#"change {"id":(known after run),"name":"it's (known after run)","n":5}"#,
        ),
        ("typed", "change {}"),
        (
            "perhaps",
            r#"if made > 5 (known after run): change {"n":1}"#,
        ),
        ("look", "needs made (known after run)"),
        ("look again", "needs seen (known after run)"),
        (
            "look perhaps",
            "would run if steps.use.status == 'ok' (known after run)",
        ),
        (
            "judge",
            "n 5 > 4; expect not judged: needs made (known after run); critical not judged: needs made (known after run)",
        ),
        (
            "each",
            "act.change, for each item of steps.make.rows (known after run)",
        ),
        (
            "each look",
            "would run for each item of both (known after run)",
        ),
    ] {
        assert_eq!(ended.detail(step), detail, "{step}");
        let known = matches!(step, "judge");
        assert_eq!(ended.status(step) == Status::NotRun, !known, "{step}");
        let shown = !matches!(step, "judge" | "each look") && !step.starts_with("look");
        assert_eq!(preview_of(&ended, step).is_some(), shown, "{step}");
    }
    // P3 of `warn` and of the second finding: nothing is raised by what is not known.
    assert_eq!(ended.end.exit, ExitCode::Warning);
    assert_eq!(ended.summary.findings.len(), 1);
}

#[test]
fn what_is_already_done_is_looked_at_for_real() {
    let ended = dry().run(
        r#"
        title = "x"
        [[step]]
        name = "done"
        act.change = {}
        unless = { act.look = { n = 5 }, expect = "n == 5" }
        [[step]]
        name = "not done"
        act.change = {}
        unless = { act.look = { n = 5 }, expect = "n == 6" }
        [[step]]
        name = "who knows"
        act.change = {}
        unless = { act.look = { n = "{{ steps['not done'].id }}" }, expect = "n == 6" }
        [[step]]
        name = "broken"
        act.change = {}
        unless = { act.look = {}, act.fail = "target", expect = "true" }
        "#,
    );
    assert_eq!(world(), ["look done", "look not done", "look broken"]);
    assert_eq!(ended.status("done"), Status::Skipped);
    assert_eq!(ended.detail("done"), "already done: n 5 == 5");
    assert_eq!(ended.detail("not done"), "change {}");
    assert_eq!(
        ended.detail("who knows"),
        "unless n == 6 (known after run): change {}"
    );
    assert_eq!(ended.status("broken"), Status::Critical);
    assert_eq!(ended.end.exit, ExitCode::Critical);
}

#[test]
fn a_list_that_is_known_is_shown_item_by_item() {
    let ended = dry().run(
        r#"
        title = "x"
        [[step]]
        name = "list"
        act.look = { rows = [1, 2, 3] }
        [[step]]
        name = "each"
        for_each.item = "steps.list.rows"
        act.change = { item = "{{ item }}" }
        when = "item != 2"
        [[step]]
        name = "after"
        act.look = { all = "{{ steps.each.items }}" }
        "#,
    );
    assert_eq!(world(), ["look list"]);
    assert_eq!(ended.detail("each[0]"), r#"change {"item":1}"#);
    assert_eq!(ended.status("each[1]"), Status::Skipped);
    assert_eq!(ended.detail("each[2]"), r#"change {"item":3}"#);
    assert_eq!(ended.detail("each"), "3 items");
    assert_eq!(ended.status("each"), Status::NotRun);
    assert_eq!(
        ended.detail("after"),
        "needs steps.each.items (known after run)"
    );
}

#[test]
fn a_sub_runbook_is_dry_itself() {
    let child = r#"
        title = "child"
        [input.n]
        type = "int"
        [[step]]
        name = "look"
        act.look = { n = "{{ input.n }}" }
        [[step]]
        name = "change"
        act.change = { n = "{{ steps.look.n }}" }
        confirm = "Sure?"
    "#;
    let bench = Bench {
        others: vec![("test/child", child)],
        ..dry()
    };
    let ended = bench.run(
        r#"
        title = "x"
        [[step]]
        name = "child"
        runbook.run = "test/child"
        runbook.inputs = { n = 3 }
        confirm = "Sure?"
        save = { verdict = "verdict" }
        [[step]]
        name = "unknown child"
        runbook.run = "test/child"
        runbook.inputs = { n = "{{ verdict }}" }
        "#,
    );
    assert_eq!(world(), ["look child/look"]);
    assert_eq!(ended.status("child"), Status::Ok);
    assert_eq!(ended.detail("child/change"), r#"change {"n":3}"#);
    assert_eq!(ended.status("unknown child"), Status::NotRun);
    assert_eq!(ended.end.exit, ExitCode::Ok);
}

#[test]
fn what_is_waited_for_is_looked_at_once() {
    let ended = dry().run(
        r#"
        title = "x"
        [[step]]
        name = "there"
        act.look = { n = 5 }
        repeat = { every = "1h", until = "n == 5" }
        expect = "n == 5"
        critical = "samples.count != 1"
        [[step]]
        name = "not there"
        act.look = { n = 5 }
        repeat = { every = "1h", until = "n == 6" }
        save = { n6 = "n" }
        [[step]]
        name = "gone"
        act.look = {}
        act.fail = "target"
        repeat = { every = "1h", until = "true" }
        [[step]]
        name = "measured"
        act.look = {}
        repeat = { every = "1h", times = 24 }
        critical = "samples.failures > 0"
        [[step]]
        name = "after"
        act.look = { n = "{{ n6 }}" }
        [[step]]
        name = "mistake"
        act.look = {}
        act.fail = "config"
        repeat = { every = "1h", until = "true" }
        "#,
    );
    assert_eq!(ended.status("there"), Status::Ok);
    assert_eq!(
        ended.detail("not there"),
        "not yet: n is 5, expected 6; a dry run does not wait"
    );
    assert_eq!(
        ended.detail("gone"),
        "not yet: it broke; a dry run does not wait"
    );
    assert_eq!(ended.status("measured"), Status::Ok);
    assert_eq!(ended.detail("after"), "needs n6 (known after run)");
    assert_eq!(ended.status("mistake"), Status::Unknown);
    assert_eq!(ended.end.exit, ExitCode::Config);
    assert_eq!(world().len(), 5);
}

#[test]
fn a_read_that_fails_ends_a_dry_run_as_it_would_a_real_one() {
    let text = r#"
        title = "x"
        on_failure = "undo"
        [[step]]
        name = "look"
        act.look = {}
        undo = { act.change = {} }
        [[step]]
        name = "fails"
        act.look = {}
        act.fail = "target"
        retry = { attempts = 3, delay = "0s" }
        [[step]]
        name = "change"
        act.change = {}
        [[finally]]
        name = "clean"
        act.change = {}
    "#;
    let ended = dry().run(text);
    assert_eq!(
        world(),
        ["look look", "look fails", "look fails", "look fails"],
        "nothing is taken back: nothing was done"
    );
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert_eq!(ended.detail("change"), "a step before it failed");
    assert_eq!(ended.detail("clean"), "change {}");
    assert!(preview_of(&ended, "change").is_none());
}

#[test]
fn no_artifact_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.json");
    let ended = dry().run(&format!(
        r#"
        title = "x"
        [[step]]
        name = "look"
        act.look = {{ rows = [1] }}
        artifact = {{ output = "rows", path = "{}" }}
        "#,
        path.display()
    ));
    assert_eq!(ended.status("look"), Status::Ok);
    assert_eq!(
        ended.detail("look"),
        format!("done; {} not written", path.display())
    );
    assert!(!path.exists());
    assert_eq!(end_of(&ended, "look").artifact, None);
}

#[test]
fn a_sensitive_step_shows_nothing_and_a_secret_is_masked() {
    let bench = Bench {
        secrets: BTreeMap::from([("token".to_owned(), Secret::new("hunter2".to_owned()))]),
        ..dry()
    };
    let ended = bench.run(
        r#"
        title = "x"
        [[step]]
        name = "hidden"
        act.change = { card = "4111 1111" }
        sensitive = true
        [[step]]
        name = "masked"
        act.change = { token = "{{ secret.token }}" }
        "#,
    );
    let told = serde_json::to_string(&ended.told).unwrap();
    assert!(
        !told.contains("4111") && !told.contains("hunter2"),
        "{told}"
    );
    assert_eq!(
        ended.detail("hidden"),
        "act.change, sensitive and not shown"
    );
    assert_eq!(ended.detail("masked"), r#"change {"token":"***"}"#);
}

#[test]
fn a_live_run_knows_everything() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "make"
        act.change = { id = 1 }
        save = { made = "id" }
        [[step]]
        name = "use"
        act.look = { id = "{{ made }}", dry = "{{ run.dry }}" }
        expect = "id == steps.make.id and not dry"
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Ok);
    assert_eq!(world(), ["change make", "look use"]);
    assert!(preview_of(&ended, "make").is_none());
}
