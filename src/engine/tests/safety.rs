//! What keeps the world and its secrets safe: questions, refusals, undo, masks, the journal first.

use super::*;

#[test]
fn a_destroy_asks_and_without_anybody_to_ask_nothing_is_done() {
    let text = "title = 'x'\n[[step]]\nname = 'a'\nact.destroy = {}\n";
    let ended = Bench::default().run(text);
    assert_eq!(ended.end.exit, ExitCode::NotNow);
    assert_eq!(ended.status("a"), Status::NotRun);
    assert!(world().is_empty());

    let refused = Bench {
        answer: Answer(Some(Ok(false))),
        ..Bench::default()
    }
    .run(text);
    assert_eq!(refused.end.exit, ExitCode::NotNow);
    assert!(world().is_empty());

    let told = Bench {
        options: RunOptions {
            yes: true,
            ..RunOptions::default()
        },
        ..Bench::default()
    }
    .run(text);
    assert_eq!(told.end.exit, ExitCode::Ok);
    assert_eq!(world(), ["destroy a"]);
}

#[test]
fn read_only_refuses_an_undo_that_changes_something() {
    let bench = Bench {
        options: RunOptions {
            read_only: true,
            ..RunOptions::default()
        },
        ..Bench::default()
    };
    let text = "title = 'x'\n[[step]]\nname = 'a'\nact.look = {}\nundo = { act.destroy = {} }\n";
    let Err(RunError::Gate(Refusal::ReadOnly { step, effect })) = bench.try_run(text) else {
        panic!("it ran")
    };
    assert_eq!((step.as_str(), effect), ("a", Effect::Destroy));
    assert!(world().is_empty());
}

#[test]
fn read_only_refuses_before_the_first_step() {
    let bench = Bench {
        options: RunOptions {
            read_only: true,
            ..RunOptions::default()
        },
        ..Bench::default()
    };
    let text =
        "title = 'x'\n[[step]]\nname = 'a'\nact.look = {}\n[[step]]\nname = 'b'\nact.change = {}\n";
    let Err(RunError::Gate(Refusal::ReadOnly { step, effect })) = bench.try_run(text) else {
        panic!("it ran")
    };
    assert_eq!((step.as_str(), effect), ("b", Effect::Write));
    assert!(world().is_empty() && bench.journal.kept.borrow().is_empty());
}

#[test]
fn on_failure_undo_takes_back_in_reverse() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        on_failure = "undo"
        [[step]]
        name = "a"
        act.change = {}
        undo = { act.look = {} }
        [[step]]
        name = "b"
        act.change = {}
        undo = { act.look = {} }
        [[step]]
        name = "c"
        act.change = {}
        act.fail = "target"
        "#,
    );
    assert_eq!(
        world(),
        ["change a", "change b", "change c", "look b", "look a"]
    );
    assert_eq!(
        (ended.status("a"), ended.status("b")),
        (Status::Undone, Status::Undone)
    );
    assert_eq!(ended.end.exit, ExitCode::Critical);
}

#[test]
fn a_failed_undo_is_stuck() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        on_failure = "undo"
        [[step]]
        name = "a"
        act.change = {}
        undo = { act.look = {}, act.fail = "target" }
        [[step]]
        name = "b"
        act.change = {}
        act.fail = "target"
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Stuck);
    assert_eq!(ended.status("a"), Status::UndoFailed);
}

#[test]
fn secrets_reach_neither_journal_nor_sink() {
    let bench = Bench {
        secrets: BTreeMap::from([("token".to_owned(), Secret::new("s3cr3t-value".to_owned()))]),
        ..Bench::default()
    };
    let ended = bench.run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = { echo = "Bearer {{ secret.token }}" }
        save = { kept = "echo" }
        expect = "echo == 'x'"
        "#,
    );
    let journal = serde_json::to_string(&bench.journal.events(RunId(1)).unwrap()).unwrap();
    assert!(
        journal.contains("***") && !journal.contains("s3cr3t"),
        "{journal}"
    );
    assert!(!ended.end.reason.contains("s3cr3t"), "{}", ended.end.reason);
}

#[test]
fn sensitive_outputs_are_kept_out_of_the_journal_but_not_of_later_steps() {
    let bench = Bench::default();
    let ended = bench.run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = { value = "private" }
        sensitive = true
        save = { kept = "value" }
        [[step]]
        name = "b"
        act.look = { length = "{{ kept | length }}" }
        expect = "length == 7"
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Ok, "{}", ended.end.reason);
    let kept = bench.journal.events(RunId(1)).unwrap();
    assert!(!serde_json::to_string(&kept).unwrap().contains("private"));
    // Not even masked: a mask tells how much there was, and where.
    let given = kept.iter().find_map(|envelope| match &envelope.event {
        Event::StepFinished(end) if end.step.as_str() == "a" => {
            Some(end.outputs.len() + end.saved.len())
        }
        _ => None,
    });
    assert_eq!(given, Some(0));
}

/// The journal breaks at every possible event: no change happens whose start it does not hold, every run says unknown.
#[test]
fn nothing_changes_that_the_journal_does_not_hold() {
    let text = r#"
        title = "x"
        [[step]]
        name = "a"
        act.look = {}
        [[step]]
        name = "b"
        act.change = {}
        [[step]]
        name = "c"
        act.change = {}
        [[finally]]
        name = "d"
        act.change = {}
    "#;
    let whole = Bench::default();
    assert_eq!(whole.run(text).end.exit, ExitCode::Ok);
    let events = whole.journal.kept.borrow().len();
    for breaks_at in 0..events {
        WORLD.with_borrow_mut(Vec::clear);
        let bench = Bench {
            journal: TestJournal {
                breaks_at: Some(breaks_at),
                ..TestJournal::default()
            },
            ..Bench::default()
        };
        match bench.try_run(text) {
            Ok(ended) => assert_eq!(ended.end.exit, ExitCode::Unknown, "broken at {breaks_at}"),
            Err(RunError::Journal(_)) => assert_eq!(breaks_at, 0),
            Err(other) => panic!("{other}"),
        }
        let kept = bench.journal.kept.borrow();
        let started: Vec<String> = kept
            .iter()
            .filter_map(|(envelope, durability)| match &envelope.event {
                Event::StepStarted(start) if *durability == Durability::Durable => {
                    Some(format!("change {}", start.step))
                }
                _ => None,
            })
            .collect();
        let changed: Vec<String> = world()
            .into_iter()
            .filter(|done| done.starts_with("change"))
            .collect();
        assert!(
            changed.iter().all(|change| started.contains(change)),
            "broken at {breaks_at}: {changed:?} {started:?}"
        );
    }
}

#[test]
fn a_secret_input_is_a_secret_in_every_expression() {
    let bench = Bench {
        others: vec![(
            "test/child",
            r#"
            title = "y"
            [input.token]
            type = "secret"
            [input.tokens]
            type = "secret"
            many = true
            [[step]]
            name = "used"
            act.look = { echo = "{{ input.token }}" }
            expect = "echo == 's3cr3t'"
            on_failure = "continue"
            [[step]]
            name = "kept"
            act.look = {}
            save = { kept = "input.token" }
            on_failure = "continue"
            [[step]]
            name = "compared"
            act.look = {}
            expect = "input.tokens[0] == 's3cr3t'"
            "#,
        )],
        ..Bench::default()
    };
    let ended = bench.run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        runbook.run = "test/child"
        runbook.inputs = { token = "s3cr3t", tokens = ["s3cr3t"] }
        "#,
    );
    assert_eq!(ended.status("a/used"), Status::Ok);
    assert!(
        ended.detail("a/kept").contains("a secret cannot be kept"),
        "{}",
        ended.detail("a/kept")
    );
    assert!(
        ended
            .detail("a/compared")
            .contains("a secret cannot be compared"),
        "{}",
        ended.detail("a/compared")
    );
}

#[test]
fn a_sub_runbook_takes_back_what_it_did_and_nothing_of_its_caller() {
    let bench = Bench {
        others: vec![(
            "test/child",
            r#"
            title = "y"
            on_failure = "undo"
            [[step]]
            name = "inner"
            act.change = {}
            undo = { act.look = {} }
            [[step]]
            name = "breaks"
            act.look = {}
            act.fail = "target"
            "#,
        )],
        ..Bench::default()
    };
    let ended = bench.run(
        r#"
        title = "x"
        [[step]]
        name = "outer"
        act.change = {}
        undo = { act.look = {} }
        [[step]]
        name = "child"
        runbook.run = "test/child"
        on_failure = "continue"
        "#,
    );
    assert_eq!(ended.status("child/inner"), Status::Undone);
    assert_eq!(ended.status("outer"), Status::Ok);
    assert_eq!(
        world(),
        [
            "change outer",
            "change child/inner",
            "look child/breaks",
            "look child/inner"
        ]
    );
}

#[test]
fn an_undo_is_journaled_before_it_acts_and_hides_what_its_step_hides() {
    let text = r#"
        title = "x"
        on_failure = "undo"
        [[step]]
        name = "a"
        act.change = {}
        undo = { act.change = { value = "private" } }
        sensitive = true
        [[step]]
        name = "b"
        act.look = {}
        act.fail = "target"
    "#;
    let bench = Bench::default();
    assert_eq!(bench.run(text).status("a"), Status::Undone);
    let kept = bench.journal.kept.borrow();
    let starts: Vec<(usize, Durability)> = kept
        .iter()
        .enumerate()
        .filter_map(|(at, (envelope, durability))| match &envelope.event {
            Event::StepStarted(start) if start.step.as_str() == "a" => Some((at, *durability)),
            _ => None,
        })
        .collect();
    let [_, (undo_at, Durability::Durable)] = starts[..] else {
        panic!("{starts:?}")
    };
    let journal = serde_json::to_string(&bench.journal.events(RunId(1)).unwrap()).unwrap();
    assert!(!journal.contains("private"), "{journal}");
    drop(kept);

    WORLD.with_borrow_mut(Vec::clear);
    let broken = Bench {
        journal: TestJournal {
            breaks_at: Some(undo_at),
            ..TestJournal::default()
        },
        ..Bench::default()
    };
    assert_eq!(broken.run(text).status("a"), Status::UndoFailed);
    assert_eq!(world(), ["change a", "look b"], "the undo did not begin");
}

#[test]
fn a_stop_during_the_look_of_unless_leaves_nothing_in_doubt() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.change = {}
        unless = { act.look = {}, act.fail = "stop", expect = "true" }
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Interrupted);
    assert_eq!(ended.status("a"), Status::Unknown);
    assert_eq!(world(), ["look a"]);
}

#[test]
fn a_stop_while_a_change_runs_leaves_it_in_doubt() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.change = {}
        act.fail = "stop"
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Interrupted);
    assert_eq!(ended.status("a"), Status::InDoubt);
}

#[test]
fn what_is_in_doubt_is_told_as_that_whatever_stops_the_run() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        timeout = "10ms"
        [[step]]
        name = "a"
        act.change = {}
        act.fail = "cut"
        "#,
    );
    assert_eq!(ended.end.exit, ExitCode::Stuck);
    assert_eq!(ended.status("a"), Status::InDoubt);
    assert_eq!(ended.detail("a"), "its time was over: nobody knows");
    let line = ended.summary.steps[0].end.as_ref().unwrap();
    let help = line.help.as_deref().unwrap();
    assert!(help.starts_with("ask the target; look "), "{help}");
}

/// Who says how many rows it changed was not cut short.
#[test]
fn a_change_that_comes_to_its_end_though_it_is_stopped_is_done_where_it_says_so() {
    for (changes, status) in [("act.changes = 1", Status::Ok), ("", Status::InDoubt)] {
        let text = format!(
            "title = 'x'\n[[step]]\nname = 'a'\nact.change = {{}}\nact.fail = 'pull'\n{changes}\n\
             [[step]]\nname = 'b'\nact.change = {{}}\n"
        );
        let ended = Bench::default().run(&text);
        assert_eq!(ended.end.exit, ExitCode::Interrupted);
        assert_eq!(ended.status("a"), status);
        assert_eq!(ended.status("b"), Status::NotRun);
    }
}

#[test]
fn what_was_changed_until_a_stop_is_told_as_its_action_says() {
    for (changes, status, detail) in [
        ("2", Status::InDoubt, "interrupted: stopped on its way"),
        ("0", Status::NotRun, "interrupted: stopped on its way"),
    ] {
        let ended = Bench::default().run(&format!(
            "title = 'x'\n[[step]]\nname = 'a'\nact.change = {{}}\nact.fail = 'part'\nact.changes = {changes}\n"
        ));
        assert_eq!(ended.end.exit, ExitCode::Interrupted);
        assert_eq!(ended.status("a"), status);
        assert_eq!(ended.detail("a"), detail);
    }
    let ended = Bench::default().run(
        "title = 'x'\n[[step]]\nname = 'a'\nact.change = {}\nact.fail = 'half'\nact.changes = 2\ntimeout = '10ms'\n",
    );
    assert_eq!(ended.status("a"), Status::Critical);
    let detail = "timed out after 10ms: stopped on its way";
    assert_eq!(ended.detail("a"), detail);
}

#[test]
fn a_failed_undo_is_stuck_also_where_a_refusal_caused_it() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        on_failure = "undo"
        [[step]]
        name = "a"
        act.change = {}
        undo = { act.look = {}, act.fail = "target" }
        [[step]]
        name = "b"
        act.destroy = {}
        "#,
    );
    assert_eq!(ended.status("b"), Status::NotRun, "nobody can be asked");
    assert_eq!(ended.end.exit, ExitCode::Stuck);
}

#[test]
fn what_was_done_is_taken_back_even_if_it_was_not_as_expected() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        on_failure = "undo"
        [[step]]
        name = "a"
        act.change = { n = 1 }
        expect = "n == 2"
        undo = { act.look = {} }
        "#,
    );
    assert_eq!(world(), ["change a", "look a"]);
    assert_eq!(ended.status("a"), Status::Undone);
}

#[test]
fn a_refusal_after_a_change_does_not_say_that_nothing_was_done() {
    let text = |first: &str| {
        format!(
            "title = 'x'\n[[step]]\nname = 'a'\nact.{first} = {{}}\n[[step]]\nname = 'b'\nact.look = {{}}\nconfirm = 'Go on?'\n"
        )
    };
    assert_eq!(
        Bench::default().run(&text("look")).end.exit,
        ExitCode::NotNow
    );
    assert_eq!(
        Bench::default().run(&text("change")).end.exit,
        ExitCode::Unknown
    );
}

/// Worse news beside it does not hide that a person must look.
#[test]
fn a_doubt_is_stuck_even_beside_something_critical() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.change = {}
        undo = { act.look = {}, act.fail = "target" }
        [[step]]
        name = "b"
        act.look = {}
        act.fail = "target"
        severity = "P0"
        on_failure = "undo"
        "#,
    );
    assert_eq!(ended.end.verdict, Verdict::Critical);
    assert_eq!(ended.end.exit, ExitCode::Stuck);
}

#[test]
fn a_sensitive_step_that_fails_does_not_quote_what_it_gave() {
    let bench = Bench::default();
    let ended = bench.run(
        "title = 'x'\n[[step]]\nname = 'a'\nact.look = { value = 'private' }\nexpect = \"value == 'x'\"\nsensitive = true\n",
    );
    assert_eq!(ended.end.exit, ExitCode::Critical);
    let told = serde_json::to_string(&ended.told).unwrap();
    assert!(
        !told.contains("private") && !ended.end.reason.contains("private"),
        "{told}"
    );
}

#[test]
fn what_a_person_saw_and_agreed_to_is_handed_to_the_action() {
    let text = "title = 'x'\n[[step]]\nname = 'a'\nact.destroy = {}\nact.counted = 18\n";
    let person = || Bench {
        answer: Answer(Some(Ok(true))),
        ..Bench::default()
    };
    let ended = person().run(text);
    assert_eq!(ended.end.exit, ExitCode::Ok);
    let shown = SHOWN.with_borrow(Clone::clone);
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].title, "a: act.destroy, may destroy");
    assert_eq!(shown[0].preview.sent, "DELETE it");
    assert!(!COUNTED.get(), "a person looks at it");
    assert_eq!(AGREED.get(), Some(18));

    // Who says yes to whatever there is has agreed to no number, and nothing is counted for them.
    let mut bench = Bench::default();
    bench.options.yes = true;
    assert_eq!(bench.run(text).end.exit, ExitCode::Ok);
    assert_eq!(SHOWN.with_borrow(Vec::len), 1);
    assert_eq!(AGREED.get(), None);
}

#[test]
fn what_is_refused_has_changed_nothing_unless_an_attempt_before_did() {
    let refused = "title = 'x'\n[[step]]\nname = 'a'\nact.change = {}\nact.fail = 'refused'\n";
    assert_eq!(Bench::default().run(refused).end.exit, ExitCode::NotNow);
    let after = format!(
        "title = 'x'\n[[step]]\nname = 'b'\nact.change = {{}}\n{}",
        &refused[12..]
    );
    assert_eq!(Bench::default().run(&after).end.exit, ExitCode::Unknown);
}

#[test]
fn a_change_that_its_timeout_left_in_doubt_is_not_tried_again() {
    let ended = Bench::default().run(
        r#"
        title = "x"
        [[step]]
        name = "a"
        act.change = {}
        act.fail = "cut"
        timeout = "10ms"
        retry = { attempts = 3, delay = "1ms" }
        "#,
    );
    assert_eq!(ended.detail("a"), "timed out after 10ms: nobody knows");
    assert_eq!(world(), ["change a"]);
}

const KEEPS_AND_DESTROYS: &str = "title = 'x'\n[[step]]\nname = 'copy'\nact.keep = { path = 'p' }\nsave = { kept = 'path' }\n\
     [[step]]\nname = 'a'\nact.destroy = {}\nact.counted = 18\n";

fn answering(answer: bool) -> Bench {
    Bench {
        answer: Answer(Some(Ok(answer))),
        ..Bench::default()
    }
}

#[test]
fn what_is_kept_for_a_change_is_kept_once_the_change_was_agreed_to() {
    let refused = answering(false).run(KEEPS_AND_DESTROYS);
    assert_eq!(refused.end.exit, ExitCode::NotNow);
    assert!(world().is_empty(), "{:?}", world());

    let agreed = answering(true).run(KEEPS_AND_DESTROYS);
    assert_eq!(agreed.end.exit, ExitCode::Ok);
    assert_eq!(world(), ["keep copy", "destroy a"]);
    assert_eq!(ASKED.take().len(), 2, "once in each of the two runs");
    assert_eq!(AGREED.get(), Some(18));
}

#[test]
fn of_a_list_all_is_asked_before_anything_is_kept() {
    let list = KEEPS_AND_DESTROYS.replace(
        "act.destroy",
        "for_each.n = '[0, 1, 2]'\nwhen = 'n > 0'\nconfirm = 'Take {{ n }}?'\nact.destroy",
    );
    answering(false).run(&list);
    assert!(world().is_empty(), "{:?}", world());
    ASKED.take();
    answering(true).run(&list);
    assert_eq!(world(), ["keep copy", "destroy a[1]", "destroy a[2]"]);
    assert_eq!(ASKED.take(), ["Take 1?", "Take 2?"]);
}

#[test]
fn what_names_the_copy_or_is_approved_is_not_asked_ahead() {
    let names = KEEPS_AND_DESTROYS.replace(
        "act.destroy",
        "confirm = 'It is in {{ kept }}. Go on?'\nact.destroy",
    );
    answering(false).run(&names);
    assert_eq!(world(), ["keep copy"]);
    assert_eq!(ASKED.take(), ["It is in p. Go on?"]);
    let approved = KEEPS_AND_DESTROYS.replace(
        "[[step]]\nname = 'copy'",
        "approved = { rows = 20 }\n[[step]]\nname = 'copy'",
    );
    let ended = Bench::default().run(&approved);
    assert_eq!(ended.end.exit, ExitCode::Ok);
    // More than it may is refused before anything is kept.
    Bench::default().run(&approved.replace("20", "17"));
    assert_eq!(world(), ["keep copy", "keep copy", "destroy a"]);
}

#[test]
fn what_changed_since_it_was_agreed_to_ahead_is_asked_again() {
    MOVES.set(true);
    let ended = answering(true).run(KEEPS_AND_DESTROYS);
    assert_eq!(ended.end.exit, ExitCode::Ok);
    assert_eq!(world(), ["keep copy", "destroy a"]);
    let first = "Step a destroys what it works on. Go on?";
    let again = format!("This is not what was agreed to before. {first}");
    assert_eq!(ASKED.take(), [first, again.as_str()]);
    let shown = SHOWN.take();
    let sent = |place: usize| shown[place].preview.sent.as_str();
    assert_eq!(
        (sent(0), sent(1)),
        ("DELETE it after 0", "DELETE it after 1")
    );
}

#[test]
fn what_others_change_while_the_question_stands_is_asked_again() {
    let text = "title = 'x'\n[[step]]\nname = 'a'\nsensitive = SENSITIVE\nact.destroy = {}\nact.counted = 18\n";
    let first = "Step a destroys what it works on. Go on?";
    let again = format!("This is not what was agreed to before. {first}");
    for sensitive in ["false", "true"] {
        let text = text.replace("SENSITIVE", sensitive);
        for times in [0, 1, 2] {
            WORLD.take();
            EDITED.set(Some(times));
            assert_eq!(answering(true).run(&text).end.exit, ExitCode::Ok);
            assert_eq!(world(), ["destroy a"]);
            let asked = ASKED.take();
            assert_eq!(asked.len(), times + 1);
            assert_eq!(asked[0], first);
            assert!(asked[1..].iter().all(|asked| *asked == again), "{asked:?}");
            let shown = SHOWN.take();
            let last = shown.last().unwrap().preview.sent.as_str();
            let edited = last.starts_with(&format!("edit {times}, "));
            assert_eq!(edited, sensitive == "false", "{last}");
        }
    }
}

/// Behind a copy an answer is held to the same as without one.
#[test]
fn numbers_that_others_change_are_not_asked_about_again_behind_a_copy() {
    for (moves, times) in [(false, 1), (true, 2)] {
        WORLD.take();
        EDITED.set(Some(0));
        MOVES.set(moves);
        let ended = answering(true).run(KEEPS_AND_DESTROYS);
        assert_eq!(ended.end.exit, ExitCode::Ok);
        assert_eq!(world(), ["keep copy", "destroy a"]);
        assert_eq!(ASKED.take().len(), times, "edited meanwhile: {moves}");
        let shown = SHOWN.take();
        assert!(
            shown
                .iter()
                .all(|shown| shown.preview.sent.contains("rows"))
        );
    }
}

#[test]
fn nothing_is_kept_for_what_could_not_be_done_in_any_case() {
    let wrong = KEEPS_AND_DESTROYS.replace("act.destroy", "act.fail = 'config'\nact.destroy");
    let bench = |yes: bool| {
        WORLD.take();
        let mut bench = answering(true);
        bench.options.yes = yes;
        bench
    };
    for yes in [false, true] {
        let ended = bench(yes).run(&wrong);
        assert_eq!(ended.end.exit, ExitCode::Config);
        assert!(ended.detail("copy").contains("a behind it: it is wrong"));
        assert!(world().is_empty(), "{:?}", world());
        assert!(ASKED.take().is_empty());

        // It is no matter where it is not to be done.
        let unwanted = wrong.replace("act.fail", "when = 'false'\nact.fail");
        assert_eq!(bench(yes).run(&unwanted).end.exit, ExitCode::Ok);
        assert_eq!(world(), ["keep copy"]);
    }
    let done = wrong.replace(
        "act.fail",
        "unless = { act.look = {}, expect = 'true' }\nact.fail",
    );
    assert_eq!(bench(true).run(&done).end.exit, ExitCode::Ok);
    assert_eq!(world(), ["keep copy", "look a"]);
}

#[test]
fn before_a_list_of_copies_it_is_asked_once() {
    for width in [1, 2] {
        let list = KEEPS_AND_DESTROYS.replace(
            "act.keep",
            &format!("for_each = {{ db = \"['a', 'b']\" }}\nconcurrency = {width}\nact.keep"),
        );
        let list = list.replace("save = { kept = 'path' }\n", "");
        WORLD.take();
        let refused = answering(false).run(&list);
        assert_eq!(refused.end.exit, ExitCode::NotNow);
        assert!(world().is_empty(), "{:?}", world());
        ASKED.take();
        let agreed = answering(true).run(&list);
        assert_eq!(agreed.end.exit, ExitCode::Ok);
        let mut kept = world();
        assert_eq!(kept.pop().as_deref(), Some("destroy a"));
        kept.sort();
        assert_eq!(kept, ["keep copy[0]", "keep copy[1]"]);
        assert_eq!(ASKED.take().len(), 1);
    }
}

#[test]
fn trouble_of_the_step_behind_a_copy_is_its_own() {
    let fails = KEEPS_AND_DESTROYS.replace(
        "act.destroy",
        "unless = { act.look = {}, act.fail = 'target', expect = 'done' }\nact.destroy",
    );
    let ended = answering(true).run(&fails);
    assert_eq!(ended.status("copy"), Status::Ok);
    assert!(ended.detail("a").contains("it broke"));
    assert_eq!(world(), ["look a", "keep copy", "look a"]);
    // Where nobody is asked nothing is looked at ahead.
    WORLD.take();
    let mut bench = Bench::default();
    bench.options.yes = true;
    bench.run(&fails);
    assert_eq!(world(), ["keep copy", "look a"]);
}

#[test]
fn what_does_not_end_a_run_alone_is_no_matter_ahead() {
    let fails = KEEPS_AND_DESTROYS.replace(
        "act.destroy",
        "on_failure = 'continue'\nact.fail = 'own'\nact.destroy",
    );
    let text = format!("{fails}[[step]]\nname = 'after'\nact.change = {{}}\n");
    for yes in [false, true] {
        WORLD.take();
        let mut bench = answering(true);
        bench.options.yes = yes;
        let ended = bench.run(&text);
        assert_eq!(ended.status("copy"), Status::Ok, "{}", ended.detail("copy"));
        assert_eq!(world(), ["keep copy", "destroy a", "change after"]);
    }
    // What ends it in any case does so before anything is kept, also where only its `unless` tells.
    WORLD.take();
    let wrong = KEEPS_AND_DESTROYS.replace(
        "act.destroy",
        "on_failure = 'continue'\nunless = { act.look = {}, act.fail = 'config', expect = 'true' }\nact.destroy",
    );
    let ended = answering(true).run(&wrong);
    assert_eq!(ended.end.exit, ExitCode::Config);
    assert!(ended.detail("copy").contains("a behind it: it is wrong"));
    assert_eq!(world(), ["look a"]);
}

#[test]
fn no_copy_is_made_for_a_statement_that_does_more_with_its_values_than_was_known() {
    let text = KEEPS_AND_DESTROYS
        .replace("title = 'x'", "title = 'x'\ninput.one = { type = 'string' }")
        .replace(
            "act.destroy = {}",
            "act.sql = \"DELETE FROM t WHERE {{ input.one | identifier }} = {{ 'id' | identifier }}\"",
        );
    for (one, exit, done) in [
        ("name", ExitCode::Ok, &["keep copy", "sql a"][..]),
        ("id", ExitCode::NotNow, &[]),
    ] {
        WORLD.take();
        let mut bench = Bench {
            inputs: Map::from_iter([("one".to_owned(), one.into())]),
            ..Bench::default()
        };
        bench.options.yes = true;
        let ended = bench.run(&text);
        assert_eq!(ended.end.exit, exit, "{one}: {}", ended.detail("copy"));
        assert_eq!(world(), done);
    }
}
