//! Runs that are taken back later.

use super::*;
use crate::event::Resumption;

const THREE: &str = r#"
    title = "x"
    [[step]]
    name = "a"
    act.change = { was = "old" }
    save = { before = "was" }
    undo = { act.destroy = { back = "{{ was }}" } }
    [[step]]
    name = "read"
    act.look = {}
    [[step]]
    name = "each"
    for_each = { host = "['p', 'q']" }
    act.change = {}
    undo = { act.destroy = { host = "{{ host }}", before = "{{ before }}" } }
    [[step]]
    name = "child"
    runbook.run = "test/child"
    runbook.inputs = { name = "{{ before }}" }
"#;

const CHILD: (&str, &str) = (
    "test/child",
    r#"
    title = "y"
    [input.name]
    type = "string"
    [[step]]
    name = "inner"
    act.change = {}
    undo = { act.destroy = { name = "{{ input.name }}" } }
    "#,
);

fn bench() -> Bench {
    Bench {
        others: vec![CHILD],
        options: RunOptions {
            yes: true,
            ..RunOptions::default()
        },
        ..Bench::default()
    }
}

fn undone() -> Vec<String> {
    let destroyed = |done: &String| Some(done.strip_prefix("destroy ")?.to_owned());
    world().iter().filter_map(destroyed).collect()
}

/// The outputs of the undo of a step.
fn given(ended: &Ended, step: &str) -> Map<String, Value> {
    let end = ended
        .told
        .iter()
        .rev()
        .find_map(|envelope| match &envelope.event {
            Event::StepFinished(end) if end.undo && end.step.as_str() == step => Some(end),
            _ => None,
        });
    end.unwrap().outputs.clone()
}

#[test]
fn a_run_is_taken_back_in_reverse_with_what_it_knew() {
    let bench = bench();
    assert_eq!(bench.run(THREE).end.exit, ExitCode::Ok);
    let ended = bench.undo(THREE, None).unwrap();
    assert_eq!(undone(), ["child/inner", "each[1]", "each[0]", "a"]);
    assert_eq!(ended.end.exit, ExitCode::Ok, "{}", ended.end.reason);
    assert_eq!(ended.end.reason, "4 steps undone");
    assert_eq!(given(&ended, "a")["back"], "old");
    assert_eq!(given(&ended, "each[1]")["host"], "q");
    assert_eq!(given(&ended, "each[1]")["before"], "old");
    assert_eq!(given(&ended, "child/inner")["name"], "old");
    assert_eq!(ended.status("a"), Status::Undone);
    let leg = bench.history().leg().clone();
    assert_eq!(leg.what, Some(Resumption::Undo));
    let Err(RunError::NothingToUndo) = bench.undo(THREE, None) else {
        panic!("it was taken back twice")
    };
}

#[test]
fn only_a_step_and_what_was_done_after_it_are_taken_back() {
    let bench = bench();
    bench.run(THREE);
    bench.undo(THREE, Some("each")).unwrap();
    assert_eq!(undone(), ["child/inner", "each[1]", "each[0]"]);
    assert!(bench.undo(THREE, Some("nothing")).is_err());
    bench.undo(THREE, Some("a")).unwrap();
    assert_eq!(undone().last().map(String::as_str), Some("a"));
}

#[test]
fn it_asks_once_and_in_a_protected_environment_for_the_name() {
    let asked = |answer: Answer, options: RunOptions, protected: bool| {
        WORLD.with_borrow_mut(Vec::clear);
        let first = bench();
        first.run(THREE);
        let bench = Bench {
            answer,
            options,
            protected,
            ..first
        };
        let outcome = bench.undo(THREE, None);
        let asked = outcome.is_ok();
        assert_eq!(undone().is_empty(), !asked);
        let went_on = bench
            .journal
            .kept
            .borrow()
            .iter()
            .any(|(envelope, _)| matches!(envelope.event, Event::RunResumed(_)));
        assert_eq!(went_on, asked, "a refused undo leaves no trace");
        asked
    };
    let yes = || RunOptions {
        yes: true,
        ..RunOptions::default()
    };
    let confirm = || RunOptions {
        confirm: vec!["test main".to_owned()],
        ..RunOptions::default()
    };
    let nobody = || Answer(Some(Err(PromptError::NoTerminal)));
    assert!(asked(Answer(Some(Ok(true))), RunOptions::default(), false));
    assert!(!asked(
        Answer(Some(Ok(false))),
        RunOptions::default(),
        false
    ));
    assert!(!asked(nobody(), RunOptions::default(), false));
    assert!(asked(nobody(), yes(), false));
    assert!(!asked(nobody(), yes(), true), "--yes is not enough there");
    assert!(asked(nobody(), confirm(), true));
}

#[test]
fn an_undo_that_fails_is_stuck_the_others_still_run_and_it_can_be_tried_again() {
    let text = |fail: &str| {
        format!(
            r#"
            title = "x"
            [[step]]
            name = "a"
            act.change = {{}}
            undo = {{ act.destroy = {{}} }}
            [[step]]
            name = "b"
            act.change = {{}}
            undo = {{ act.destroy = {{}}, act.fail = "{fail}" }}
            "#
        )
    };
    let bench = bench();
    bench.run(&text("target"));
    let ended = bench.undo(&text("target"), None).unwrap();
    assert_eq!(ended.end.exit, ExitCode::Stuck);
    assert_eq!(
        (ended.status("a"), ended.status("b")),
        (Status::Undone, Status::UndoFailed)
    );
    assert_eq!(ended.end.reason, "b: the undo failed: it broke");
    let again = bench.undo(&text(""), None).unwrap();
    assert_eq!(again.end.exit, ExitCode::Ok, "{}", again.end.reason);
    assert_eq!(undone(), ["b", "a", "b"]);
}

#[test]
fn a_step_in_doubt_is_settled_before_anything_is_taken_back() {
    let text = |fail: &str| {
        format!(
            r#"
            title = "x"
            [[step]]
            name = "a"
            act.change = {{}}
            undo = {{ act.destroy = {{}} }}
            [[step]]
            name = "b"
            act.change = {{}}
            act.fail = "{fail}"
            undo = {{ act.destroy = {{}} }}
            "#
        )
    };
    for (settlement, order) in [
        (Settlement::Done, vec!["b", "a"]),
        (Settlement::Again, vec!["a"]),
    ] {
        WORLD.with_borrow_mut(Vec::clear);
        let bench = bench();
        assert_eq!(bench.run(&text("stop")).status("b"), Status::InDoubt);
        let Err(RunError::InDoubt(steps)) = bench.undo(&text(""), None) else {
            panic!("it was taken back")
        };
        assert_eq!(steps, [StepKey::new("b")]);
        assert!(undone().is_empty());
        let bench = Bench {
            options: RunOptions {
                yes: true,
                settled: vec![(StepKey::new("b"), settlement)],
                ..RunOptions::default()
            },
            ..bench
        };
        assert_eq!(bench.undo(&text(""), None).unwrap().end.exit, ExitCode::Ok);
        assert_eq!(undone(), order);
    }
}

#[test]
fn an_undo_that_was_cut_off_goes_on_with_what_is_left() {
    let bench = bench();
    bench.run(THREE);
    bench.undo(THREE, None).unwrap();
    let kept = bench.journal.kept.take();
    let worlds = bench.journal.worlds.take();
    // Until the undo of each[1] had begun and done its work, and nobody wrote that down.
    let cut = kept.iter().position(|(envelope, _)| {
        matches!(&envelope.event, Event::StepStarted(start) if start.undo && start.step.as_str() == "each[1]")
    });
    let cut = cut.unwrap() + 1;
    let world = world()[..worlds[cut]].to_vec();
    for settlement in [None, Some(Settlement::Done), Some(Settlement::Again)] {
        WORLD.set(world.clone());
        let settled = settlement.map(|settlement| (StepKey::new("each[1]"), settlement));
        let bench = Bench {
            journal: TestJournal {
                kept: RefCell::new(kept[..cut].to_vec()),
                ..TestJournal::default()
            },
            options: RunOptions {
                yes: true,
                settled: settled.into_iter().collect(),
                ..RunOptions::default()
            },
            ..self::bench()
        };
        let ended = bench.undo(THREE, None).unwrap();
        let twice = undone().iter().filter(|step| *step == "each[1]").count();
        assert_eq!(
            twice,
            if settlement == Some(Settlement::Again) {
                2
            } else {
                1
            }
        );
        assert_eq!(ended.end.exit == ExitCode::Stuck, settlement.is_none());
        assert_eq!(undone().last().map(String::as_str), Some("a"));
    }
}

#[test]
fn what_the_journal_does_not_hold_is_not_guessed() {
    let text = r#"
        title = "x"
        [[step]]
        name = "was"
        act.look = { value = "private" }
        sensitive = true
        save = { before = "value" }
        [[step]]
        name = "a"
        act.change = {}
        undo = { act.destroy = { back = "{{ before | default('x') }}" } }
    "#;
    let bench = bench();
    bench.run(text);
    let Err(RunError::Withheld { step, source_step }) = bench.undo(text, None) else {
        panic!("it was taken back")
    };
    assert_eq!((step.as_str(), source_step.as_str()), ("a", "was"));
    assert!(undone().is_empty());
}

#[test]
fn a_list_that_is_not_what_it_was_cannot_be_taken_back() {
    let text = |list: &str| {
        format!(
            "title = 'x'\n[[step]]\nname = 'a'\nact.change = {{}}\nundo = {{ act.destroy = {{}} }}\n[[step]]\nname = 'each'\nfor_each = {{ host = \"{list}\" }}\nact.change = {{}}\nundo = {{ act.destroy = {{}} }}\n"
        )
    };
    let bench = bench();
    bench.run(&text("['p', 'q']"));
    let ended = bench.undo(&text("['q', 'p']"), None).unwrap();
    assert_eq!(ended.end.exit, ExitCode::Stuck);
    assert_eq!(ended.status("each"), Status::UndoFailed);
    assert!(ended.detail("each").contains("its list is not what it was"));
    assert_eq!(undone(), ["a"]);
}

#[test]
fn a_preview_shows_the_order_and_does_nothing() {
    let bench = Bench {
        secrets: BTreeMap::from([("token".to_owned(), Secret::new("s3cr3t-value".to_owned()))]),
        ..bench()
    };
    let text = THREE.replace("back = \"{{ was }}\"", "back = \"{{ secret.token }}\"");
    bench.run(&text);
    let events = bench.journal.kept.borrow().len();
    let steps = bench.preview(&text, None).unwrap();
    let order: Vec<_> = steps.iter().map(|step| step.step.as_str()).collect();
    assert_eq!(order, ["child/inner", "each[1]", "each[0]", "a"]);
    assert_eq!(
        (steps[3].action.as_str(), steps[3].effect),
        ("act.destroy", Effect::Destroy)
    );
    let sent = &steps[3].preview.as_ref().unwrap().sent;
    assert!(sent.contains("***") && !sent.contains("s3cr3t"), "{sent}");
    assert!(undone().is_empty());
    assert_eq!(bench.journal.kept.borrow().len(), events);
}

#[test]
fn a_stop_ends_it_between_two_steps() {
    let text = r#"
        title = "x"
        [[step]]
        name = "a"
        act.change = {}
        undo = { act.destroy = {} }
        [[step]]
        name = "b"
        act.change = {}
        undo = { act.destroy = {}, act.fail = "pull" }
    "#;
    let bench = bench();
    bench.run(text);
    let ended = bench.undo(text, None).unwrap();
    assert_eq!(ended.end.exit, ExitCode::Interrupted);
    assert_eq!(undone(), ["b"], "the one that was begun came to its end");
    assert_eq!(ended.status("b"), Status::Undone);
    assert_eq!(bench.undo(text, None).unwrap().end.exit, ExitCode::Ok);
    assert_eq!(undone(), ["b", "a"]);
}
