//! The order of steps and what they hand on.

use super::*;

#[test]
fn steps_run_in_order_and_see_what_earlier_ones_gave() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "count"
        act.look = { n = 41 }
        save = { doomed = "n + 1" }
        [[step]]
        name = "delete"
        when = "doomed > 0 and steps.count.status == 'ok'"
        act.change = { changed = "{{ doomed }}" }
        expect = "changed == doomed and steps.count.n == 41"
        "#,
    );
    assert_eq!(ended.end.verdict, Verdict::Ok, "{}", ended.end.reason);
    assert_eq!(ended.end.exit, ExitCode::Ok);
    assert_eq!(world(), ["look count", "change delete"]);
    assert_eq!(ended.detail("count"), "doomed = 42");
}

#[test]
fn a_failing_step_stops_the_run_and_finally_still_runs() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = {}
        act.fail = "target"
        severity = "P2"
        [[step]]
        name = "b"
        act.look = {}
        [[finally]]
        name = "c"
        act.look = {}
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Warning);
    assert_eq!(ended.end.reason, "a: it broke");
    assert_eq!(ended.status("b"), Status::NotRun);
    assert_eq!(ended.status("c"), Status::Ok);
    assert_eq!(world(), ["look a", "look c"]);
}

#[test]
fn a_step_that_goes_on_keeps_its_verdict_and_the_rest_runs() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = {}
        act.fail = "target"
        on_failure = "continue"
        [[step]]
        name = "b"
        when = "steps.a.failed"
        act.look = {}
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Critical);
    assert_eq!(ended.status("b"), Status::Ok);
}

#[test]
fn for_each_runs_items_and_is_as_bad_as_the_worst() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "list"
        act.look = { rows = [1, 2, 3] }
        [[step]]
        name = "each"
        for_each.row = "steps.list.rows"
        concurrency = 2
        act.change = { n = "{{ row }}" }
        warn = "n == 2"
        [[step]]
        name = "sum"
        act.look = { total = "{{ steps.each['items'] | map(attribute='n') | sum }}" }
        expect = "total == 6"
        "#,
    );
    assert_eq!(ended.status("each[1]"), Status::Warning);
    assert_eq!(ended.status("each[2]"), Status::Ok);
    assert_eq!(ended.status("each"), Status::Warning);
    assert_eq!(ended.status("sum"), Status::Ok, "{}", ended.detail("sum"));
    let keys: Vec<String> = ended.statuses().into_iter().map(|(key, _)| key).collect();
    assert_eq!(
        keys,
        ["list", "each", "each[0]", "each[1]", "each[2]", "sum"]
    );
}

#[test]
fn of_items_as_bad_as_each_other_the_first_is_told() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "each"
        for_each.row = "[1, 2, 3]"
        act.look = { n = "{{ row }}" }
        warn = "n >= 2"
        "#,
    );
    assert_eq!(ended.detail("each"), "2 of 3 items: n 2 >= 2");
}

#[test]
fn a_failing_item_keeps_later_ones_from_starting() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "each"
        for_each.row = "[1, 2, 3]"
        act.change = { n = "{{ row }}" }
        expect = "n != 2"
        "#,
    );
    assert_eq!(world(), ["change each[0]", "change each[1]"]);
    assert_eq!(ended.end.exit, ExitCode::Critical);
}

#[test]
fn unless_shows_that_a_step_is_done() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.change = {}
        unless = { act.look = { there = true }, expect = "there" }
        "#,
    );
    assert_eq!(ended.status("a"), Status::Skipped);
    assert_eq!(world(), ["look a"]);
    assert_eq!(ended.end.exit, ExitCode::Ok);
}

#[test]
fn parallel_steps_start_together_and_all_end() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = {}
        act.fail = "target"
        [[step]]
        name = "b"
        parallel = true
        act.look = { b = 1 }
        save = { seen = "b" }
        [[step]]
        name = "c"
        act.look = {}
        "#,
    );
    assert_eq!(ended.status("b"), Status::Ok);
    assert_eq!(ended.status("c"), Status::NotRun);
}

#[test]
fn a_sub_runbook_is_one_step_and_as_bad_as_its_worst() {
    let bench = Bench {
        others: vec![(
            "db/check",
            "title = 'y'\n[input.limit]\ntype = 'int'\ndefault = 5\n[[step]]\nname = 'look'\nact.look = { n = '{{ input.limit }}' }\nwarn = 'n > 6'\n",
        )],
        ..Bench::default()
    };
    let ended = bench.run(
        r#"
        title = "x"
        [[step]]
        name = "mild"
        runbook.run = "db/check"
        [[step]]
        name = "bad"
        runbook.run = "db/check"
        runbook.inputs = { limit = 7 }
        [[step]]
        name = "after"
        act.look = {}
        "#,
    );
    assert_eq!(ended.status("mild"), Status::Ok);
    assert_eq!(ended.status("mild/look"), Status::Ok);
    assert_eq!(ended.status("bad"), Status::Warning);
    assert_eq!(ended.status("after"), Status::Ok);
    assert_eq!(ended.end.exit, ExitCode::Warning);
}

#[test]
fn a_missing_requirement_ends_in_unknown_before_anything_runs() {
    let ended = Bench {
        tools: Tools(Some("wrangler is not on the PATH")),
        ..Bench::default()
    }
    .run("title = 'x'\nrequires = ['wrangler']\n[[step]]\nname = 'a'\nact.look = {}\n");
    assert_eq!(ended.end.exit, ExitCode::Unknown);
    assert_eq!(ended.end.reason, "wrangler is not on the PATH");
    assert_eq!(ended.status("a"), Status::NotRun);
    assert!(world().is_empty());
}

#[test]
fn a_condition_on_the_index_is_asked_for_each_item() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "each"
        for_each.row = "['a', 'b', 'c']"
        when = "index != 1"
        act.change = { n = "{{ row }}" }
        "#,
    );
    assert_eq!(world(), ["change each[0]", "change each[2]"]);
    assert_eq!(ended.status("each[1]"), Status::Skipped);
    assert_eq!(ended.status("each"), Status::Ok);
    assert_eq!(ended.end.exit, ExitCode::Ok);
}

#[test]
fn later_steps_see_what_each_item_gave_and_the_journal_holds_it_once() {
    let bench = Bench::default();
    let ended = bench.run(
        r#"
        title = "x"
        [[step]]
        name = "each"
        for_each = { n = "[7, 8]" }
        act.look = { twice = "{{ n * 2 }}" }
        [[step]]
        name = "after"
        act.look = {}
        expect = "steps.each['items'][1].twice == 16 and steps.each.count == 2"
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Ok, "{}", ended.end.reason);
    let journal = serde_json::to_string(&bench.journal.events(RunId(1)).unwrap()).unwrap();
    assert_eq!(journal.matches("\"twice\":16").count(), 1, "{journal}");
}

#[test]
fn only_what_a_text_may_look_at_is_kept() {
    let referred = |when: &str| {
        let runbook = parse(
            "test/main",
            &format!(
                "title = 'x'\n[[step]]\nname = 'a'\nact.look = {{}}\n\
                 [[finding]]\ncause = 'x'\nwhen = \"{when}\"\n"
            ),
        );
        let referred = super::super::referred::Referred::of(&runbook);
        ["a", "check disk"].map(|step| referred.holds(step))
    };
    assert_eq!(referred("doomed > 0"), [false, false]);
    assert_eq!(referred("steps.a.status == 'ok'"), [true, false]);
    assert_eq!(referred("steps['check disk'].failed"), [false, true]);
    assert_eq!(referred("steps[input.name].failed"), [true, true]);
    assert_eq!(referred("steps | length > 0"), [true, true]);
}
