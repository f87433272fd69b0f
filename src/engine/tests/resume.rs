//! Runs that were cut off at every point, and how they go on: nothing is lost, nothing is done twice, nothing that nobody
//! can know is passed over in silence.

use super::*;
use crate::event::{Resumption, RunResumed};

/// Everything that a run is made of. Each change stands in the world under its key.
const MIXED: &str = r#"
    title = "x"
    [[step]]
    name = "count"
    act.look = { n = 3, hosts = ["a", "b", "c"] }
    save = { wanted = "n" }
    [[step]]
    name = "first"
    act.change = { gave = 7 }
    save = { kept = "gave" }
    [[step]]
    name = "known"
    act.change = {}
    unless = { act.look = {}, expect = "changed" }
    [[step]]
    name = "not-needed"
    when = "wanted > 3"
    act.change = {}
    [[step]]
    name = "left"
    act.change = {}
    [[step]]
    name = "right"
    parallel = true
    act.change = { n = "{{ kept }}" }
    [[step]]
    name = "hosts"
    for_each = { host = "steps.count.hosts" }
    concurrency = 2
    act.change = { host = "{{ host }}" }
    [[step]]
    name = "child"
    when = "steps.hosts['items'] | length == 3"
    runbook.run = "test/child"
    [[step]]
    name = "broken"
    act.change = {}
    act.fail = "target"
    severity = "P3"
    on_failure = "continue"
    [[step]]
    name = "last"
    act.change = {}
    expect = "steps.first.gave == 7 and kept == 7 and steps.broken.failed and steps.hosts['items'][1].host == 'b'"
    [[finally]]
    name = "tidy"
    act.look = {}
"#;

const CHILD: (&str, &str) = (
    "test/child",
    r#"
    title = "y"
    [[step]]
    name = "inner"
    act.change = { m = 2 }
    [[step]]
    name = "each"
    for_each = { number = "[1, 2]" }
    act.change = {}
    [[step]]
    name = "end"
    act.look = {}
    expect = "steps.inner.m == 2"
    [[finding]]
    when = "steps.inner.m == 2"
    severity = "P3"
    cause = "it is two"
    "#,
);

const CHANGES: [&str; 12] = [
    "first",
    "known",
    "left",
    "right",
    "hosts[0]",
    "hosts[1]",
    "hosts[2]",
    "child/inner",
    "child/each[0]",
    "child/each[1]",
    "broken",
    "last",
];

fn mixed() -> Bench {
    Bench {
        others: vec![CHILD],
        ..Bench::default()
    }
}

/// How often each of these was done to the world.
fn counts(verb: &str, steps: &[&str]) -> Vec<usize> {
    let done = |step: &&str| {
        let mark = format!("{verb} {step}");
        world().iter().filter(|other| **other == mark).count()
    };
    steps.iter().map(done).collect()
}

/// A run that was cut off: the first events of another, and the world at that moment.
struct Cut {
    events: Vec<(Envelope, Durability)>,
    world: Vec<String>,
}

/// Every point at which a run can be cut off: after each of its events, before and after what was done until the next.
fn every_cut(journal: &TestJournal) -> Vec<Cut> {
    let kept = journal.kept.borrow();
    let worlds = journal.worlds.borrow();
    let world = world();
    let mut cuts = Vec::new();
    for number in 1..kept.len() {
        let least = worlds[number - 1];
        for length in least..=worlds[number] {
            cuts.push(Cut {
                events: kept[..number].to_vec(),
                world: world[..length].to_vec(),
            });
        }
    }
    cuts
}

impl Cut {
    /// The machine as the cut left it.
    fn again(&self, bench: Bench) -> Bench {
        WORLD.set(self.world.clone());
        Bench {
            journal: TestJournal {
                kept: RefCell::new(self.events.clone()),
                worlds: RefCell::new(vec![self.world.len(); self.events.len()]),
                ..TestJournal::default()
            },
            ..bench
        }
    }
}

/// What a person says who looks at the world.
fn looked(in_doubt: &[StepKey]) -> Vec<(StepKey, Settlement)> {
    let settle = |key: &StepKey| {
        let done = counts("change", &[key.as_str()])[0] > 0;
        let settlement = if done {
            Settlement::Done
        } else {
            Settlement::Again
        };
        (key.clone(), settlement)
    };
    in_doubt.iter().map(settle).collect()
}

fn resumed(ended: &Ended) -> &RunResumed {
    let resumed = |envelope: &'_ Envelope| matches!(envelope.event, Event::RunResumed(_));
    let last = ended.told.iter().rfind(|envelope| resumed(envelope));
    match &last.unwrap().event {
        Event::RunResumed(resumed) => resumed,
        _ => unreachable!(),
    }
}

/// What resume says is in doubt, by trying: it is told before any step runs.
fn doubts(bench: &Bench, text: &str) -> Vec<StepKey> {
    let plan = bench.plan(text);
    let outlook = bench.history().outlook(&plan);
    [outlook.in_doubt, outlook.undo_in_doubt].concat()
}

#[test]
fn the_whole_run_does_each_change_once() {
    let bench = mixed();
    let ended = bench.run(MIXED);
    assert_eq!(ended.end.exit, ExitCode::Warning, "{}", ended.end.reason);
    assert_eq!(counts("change", &CHANGES), [1; CHANGES.len()]);
}

#[test]
fn cut_off_anywhere_a_run_goes_on_and_does_each_change_once() {
    let bench = mixed();
    let whole = bench.run(MIXED);
    let cuts = every_cut(&bench.journal);
    assert!(cuts.len() > 50, "{}", cuts.len());
    for (number, cut) in cuts.iter().enumerate() {
        let bench = cut.again(mixed());
        let in_doubt = doubts(&bench, MIXED);
        let bench = Bench {
            options: RunOptions {
                settled: looked(&in_doubt),
                ..RunOptions::default()
            },
            ..bench
        };
        let ended = bench.resume(MIXED);
        let told = || {
            format!(
                "cut {number}: {:#?}",
                cut.events.last().map(|last| &last.0.event)
            )
        };
        // What a person says was done has no outputs: whoever needs them cannot go on.
        let said_done = |step| (StepKey::new(step), Settlement::Done);
        let read_later = ["first", "hosts[1]", "child/inner", "broken"].map(said_done);
        if read_later
            .iter()
            .any(|said| bench.options.settled.contains(said))
        {
            assert!(
                counts("change", &CHANGES).iter().all(|count| *count <= 1),
                "{}",
                told()
            );
            continue;
        }
        assert_eq!(resumed(&ended).in_doubt, in_doubt);
        assert_eq!(counts("change", &CHANGES), [1; CHANGES.len()], "{}", told());
        let tells_the_same = ended.statuses().into_iter().zip(whole.statuses()).all(
            |((step, status), (other, before))| {
                step == other && (status == before || step == "known" || step == "broken")
            },
        );
        assert!(tells_the_same, "{}: {:?}", told(), ended.statuses());
        assert_eq!(ended.summary.findings, whole.summary.findings, "{}", told());
    }
}

#[test]
fn cut_off_anywhere_and_nobody_to_ask_nothing_is_done_twice_and_every_doubt_is_told() {
    let bench = mixed();
    bench.run(MIXED);
    for cut in every_cut(&bench.journal) {
        let bench = cut.again(mixed());
        let in_doubt = doubts(&bench, MIXED);
        let ended = bench.resume(MIXED);
        assert!(counts("change", &CHANGES).iter().all(|count| *count <= 1));
        assert_eq!(resumed(&ended).in_doubt, in_doubt);
        let stuck = in_doubt.iter().any(|key| key.as_str() != "known");
        assert_eq!(ended.end.exit == ExitCode::Stuck, stuck, "{in_doubt:?}");
        for key in in_doubt.iter().filter(|key| key.as_str() != "known") {
            assert_eq!(ended.status(key.as_str()), Status::InDoubt);
        }
    }
}

/// The journal of a run that was cut off twice tells as much as that of one that was cut off once.
#[test]
fn cut_off_twice_anywhere_a_run_goes_on_and_does_each_change_once() {
    let bench = mixed();
    bench.run(MIXED);
    for first in every_cut(&bench.journal).into_iter().step_by(3) {
        let bench = first.again(mixed());
        let settled = looked(&doubts(&bench, MIXED));
        let bench = Bench {
            options: RunOptions {
                settled,
                ..RunOptions::default()
            },
            ..bench
        };
        bench.resume(MIXED);
        let earlier = first.events.len();
        let cuts = every_cut(&bench.journal);
        for second in cuts
            .into_iter()
            .filter(|cut| cut.events.len() > earlier)
            .step_by(3)
        {
            let bench = second.again(mixed());
            let in_doubt = doubts(&bench, MIXED);
            let bench = Bench {
                options: RunOptions {
                    settled: looked(&in_doubt),
                    ..RunOptions::default()
                },
                ..bench
            };
            let ended = bench.resume(MIXED);
            let counts = counts("change", &CHANGES);
            assert!(counts.iter().all(|count| *count <= 1), "{counts:?}");
            if ended.status("last") == Status::Ok {
                assert_eq!(counts, [1; CHANGES.len()]);
            }
        }
    }
}

/// Runs a text, cuts it off when this step has begun and before it has done anything, and gives the bench of the next leg.
fn cut_in(step: &str, bench: Bench, text: &str) -> Bench {
    WORLD.with_borrow_mut(Vec::clear);
    let _ = bench.try_run(text);
    let cut = every_cut(&bench.journal).into_iter().find(|cut| {
        match &cut.events.last().unwrap().0.event {
            Event::StepStarted(start) => start.step.as_str() == step,
            _ => false,
        }
    });
    cut.unwrap_or_else(|| panic!("{step} never begins"))
        .again(Bench {
            journal: TestJournal::default(),
            ..bench
        })
}

const TWO: &str = r#"
    title = "x"
    [[step]]
    name = "a"
    act.change = {}
    [[step]]
    name = "b"
    act.change = {}
"#;

#[test]
fn a_person_at_the_terminal_says_what_is_true() {
    for (choice, exit, done) in [
        (0, ExitCode::Stuck, vec![]),
        (1, ExitCode::Ok, vec!["change b"]),
        (2, ExitCode::Ok, vec!["change a", "change b"]),
    ] {
        let bench = cut_in("a", Bench::default(), TWO);
        CHOICE.set(Some(choice));
        let ended = bench.resume(TWO);
        assert_eq!(ended.end.exit, exit);
        assert_eq!(world(), done, "choice {choice}");
    }
}

#[test]
fn a_doubt_that_is_left_stays_and_names_the_next_command() {
    let bench = cut_in("a", Bench::default(), TWO);
    let ended = bench.resume(TWO);
    assert_eq!(ended.status("a"), Status::InDoubt);
    assert_eq!(ended.status("b"), Status::NotRun);
    let line = &ended.summary.steps[0];
    let help = line.end.as_ref().unwrap().help.clone().unwrap();
    assert!(
        help.contains("opsbook resume 1 --done a, or --again a"),
        "{help}"
    );
    let again = bench.resume(TWO);
    assert_eq!(again.end.exit, ExitCode::Stuck);
    assert!(world().is_empty());
    let settled = Bench {
        options: RunOptions {
            settled: vec![(StepKey::new("a"), Settlement::Again)],
            ..RunOptions::default()
        },
        ..bench
    };
    assert_eq!(settled.resume(TWO).end.exit, ExitCode::Ok);
    assert_eq!(world(), ["change a", "change b"]);
}

#[test]
fn yes_is_no_answer_to_a_doubt() {
    let bench = Bench {
        options: RunOptions {
            yes: true,
            ..RunOptions::default()
        },
        ..cut_in("a", Bench::default(), TWO)
    };
    assert_eq!(bench.resume(TWO).end.exit, ExitCode::Stuck);
    assert!(world().is_empty());
}

#[test]
fn a_look_that_fails_leaves_the_doubt() {
    let text = r#"
        title = "x"
        [[step]]
        name = "a"
        act.change = {}
        on_failure = "continue"
        unless = { act.look = {}, act.fail = "LOOK", expect = "changed" }
    "#;
    let broken = text.replace("LOOK", "target");
    let bench = cut_in("a", Bench::default(), &text.replace("LOOK", ""));
    let ended = bench.resume(&broken);
    assert_eq!(ended.status("a"), Status::InDoubt);
    assert!(
        ended.detail("a").contains("`unless` cannot tell"),
        "{}",
        ended.detail("a")
    );
    assert_eq!(counts("change", &["a"]), [0]);
}

/// Neither is it run against somebody's word, nor does what follows go on without it.
#[test]
fn what_is_said_to_be_done_and_seen_not_to_be_stays_in_doubt() {
    let text = r#"
        title = "x"
        [[step]]
        name = "a"
        act.change = {}
        unless = { act.look = {}, expect = "changed" }
        [[step]]
        name = "b"
        act.change = {}
    "#;
    let said = |settlement| Bench {
        options: RunOptions {
            settled: vec![(StepKey::new("a"), settlement)],
            ..RunOptions::default()
        },
        ..cut_in("a", Bench::default(), text)
    };
    let ended = said(Settlement::Done).resume(text);
    assert_eq!(ended.end.exit, ExitCode::Stuck);
    assert_eq!(ended.status("a"), Status::InDoubt);
    assert_eq!(counts("change", &["a", "b"]), [0, 0]);
    let end = ended.summary.steps[0].end.clone().unwrap();
    let help = end.help.unwrap();
    assert!(end.detail.contains("said to be done"), "{}", end.detail);
    assert!(help.starts_with("opsbook resume 1 looks"), "{help}");
    assert_eq!(said(Settlement::Again).resume(text).end.exit, ExitCode::Ok);
    assert_eq!(counts("change", &["a", "b"]), [1, 1]);
}

/// What is refused in a resume changes nothing about what the run may have done before.
#[test]
fn a_run_that_may_have_changed_something_says_so_however_often_it_is_refused() {
    let text = "title = 'x'\n[[step]]\nname = 'a'\nact.change = {}\nact.fail = 'WHY'\n";
    let bench = Bench {
        options: RunOptions {
            settled: vec![(StepKey::new("a"), Settlement::Again)],
            ..RunOptions::default()
        },
        ..cut_in("a", Bench::default(), &text.replace("WHY", ""))
    };
    for _ in 0..3 {
        let ended = bench.resume(&text.replace("WHY", "refused"));
        assert_eq!(ended.status("a"), Status::NotRun);
        assert_eq!(ended.end.exit, ExitCode::Unknown);
    }
}

/// A read that was cut off, or whose outputs are secret, is simply read again.
#[test]
fn a_read_is_read_again_where_its_outputs_are_not_known() {
    let text = r#"
        title = "x"
        [[step]]
        name = "plain"
        act.look = {}
        [[step]]
        name = "secret"
        act.look = { echo = "{{ secret.token }}" }
        [[step]]
        name = "hidden"
        act.look = { value = "private" }
        sensitive = true
        save = { kept = "value" }
        [[step]]
        name = "a"
        act.change = { length = "{{ kept | length }}" }
        expect = "length == 7"
    "#;
    let bench = Bench {
        secrets: BTreeMap::from([("token".to_owned(), Secret::new("s3cr3t-value".to_owned()))]),
        options: RunOptions {
            settled: vec![(StepKey::new("a"), Settlement::Again)],
            ..RunOptions::default()
        },
        ..Bench::default()
    };
    let bench = cut_in("a", bench, text);
    let ended = bench.resume(text);
    assert_eq!(ended.end.exit, ExitCode::Ok, "{}", ended.end.reason);
    assert_eq!(
        world(),
        [
            "look plain",
            "look secret",
            "look hidden",
            "look secret",
            "look hidden",
            "change a"
        ]
    );
}

#[test]
fn a_change_whose_secret_outputs_are_needed_refuses_before_anything_is_done() {
    let text = r#"
        title = "x"
        [[step]]
        name = "rotate"
        act.change = { token = "private" }
        sensitive = true
        save = { fresh = "token" }
        [[step]]
        name = "use"
        act.change = { length = "READS" }
    "#;
    for reads in ["{{ fresh | length }}", "{{ steps.rotate.token }}"] {
        let text = text.replace("READS", reads);
        let bench = cut_in("use", Bench::default(), &text);
        let before = bench.journal.kept.borrow().len();
        let Err(RunError::Withheld { step, source_step }) = bench.try_resume(&text) else {
            panic!("it went on")
        };
        assert_eq!((step.as_str(), source_step.as_str()), ("use", "rotate"));
        assert_eq!(bench.journal.kept.borrow().len(), before);
        WORLD.with_borrow_mut(Vec::clear);
    }
    let unread = text.replace("READS", "3");
    let bench = cut_in("use", Bench::default(), &unread);
    assert_eq!(
        bench.resume(&unread).end.exit,
        ExitCode::Stuck,
        "only its own doubt is left"
    );
}

#[test]
fn a_mask_in_what_a_change_gave_is_not_taken_for_it() {
    let text = r#"
        title = "x"
        [[step]]
        name = "a"
        act.change = { url = "https://example.com/{{ secret.token }}", n = 1 }
        [[step]]
        name = "b"
        act.change = {}
        when = "steps.a.status == 'ok'"
    "#;
    let bench = Bench {
        secrets: BTreeMap::from([("token".to_owned(), Secret::new("s3cr3t-value".to_owned()))]),
        ..Bench::default()
    };
    let bench = cut_in("b", bench, text);
    let Err(RunError::Withheld { .. }) = bench.try_resume(text) else {
        panic!("it went on")
    };
}

const FAILS: &str = r#"
    title = "x"
    [[step]]
    name = "skipped"
    when = "false"
    act.change = {}
    [[step]]
    name = "a"
    act.change = {}
    [[step]]
    name = "b"
    act.change = {}
    act.fail = "target"
    act.until = 1
    [[step]]
    name = "c"
    act.change = {}
    [[finally]]
    name = "d"
    act.change = {}
"#;

#[test]
fn a_run_that_ended_in_failure_goes_on_with_the_step_that_failed() {
    let bench = Bench::default();
    let failed = FAILS.replace("act.until = 1\n", "");
    assert_eq!(bench.run(&failed).end.exit, ExitCode::Critical);
    let mended = FAILS.replace("act.fail = \"target\"\n    act.until = 1\n", "");
    let ended = bench.resume(&mended);
    assert_eq!(ended.end.exit, ExitCode::Ok, "{}", ended.end.reason);
    assert_eq!(
        world(),
        [
            "change a", "change b", "change d", "change b", "change c", "change d"
        ]
    );
    assert_eq!(
        ended.summary.counts(),
        [(Status::Ok, 4), (Status::Skipped, 1)]
    );
}

#[test]
fn that_a_step_was_not_reached_does_not_undo_what_it_did_before() {
    let bench = Bench::default();
    let failed = FAILS.replace("act.until = 1\n", "");
    bench.run(&failed);
    let mended = FAILS.replace("act.fail = \"target\"\n    act.until = 1\n", "");
    let needy = Bench {
        tools: Tools(Some("it is missing")),
        ..bench
    };
    let requiring = mended.replace("title = \"x\"", "title = \"x\"\nrequires = [\"wrangler\"]");
    let ended = needy.resume(&requiring);
    assert_eq!(ended.end.exit, ExitCode::Unknown);
    assert_eq!(ended.status("a"), Status::Ok);
    let bench = Bench {
        tools: Tools(None),
        ..needy
    };
    bench.resume(&mended);
    assert_eq!(counts("change", &["a", "b", "c"]), [1, 2, 1]);
}

#[test]
fn a_run_that_was_stopped_goes_on() {
    let text = |fail: &str| {
        format!(
            "title = 'x'\n[[step]]\nname = 'a'\nact.change = {{}}\n[[step]]\nname = 'b'\nact.look = {{}}\nact.fail = '{fail}'\n[[step]]\nname = 'c'\nact.change = {{}}\n"
        )
    };
    let bench = Bench::default();
    let stopped = bench.run(&text("stop"));
    assert_eq!(stopped.end.exit, ExitCode::Interrupted);
    let ended = bench.resume(&text(""));
    assert_eq!(ended.end.exit, ExitCode::Ok, "{}", ended.end.reason);
    assert_eq!(world(), ["change a", "look b", "look b", "change c"]);
}

#[test]
fn a_change_that_was_stopped_is_in_doubt() {
    let text = |fail: &str| {
        format!("title = 'x'\n[[step]]\nname = 'a'\nact.change = {{}}\nact.fail = '{fail}'\n")
    };
    let bench = Bench::default();
    assert_eq!(bench.run(&text("stop")).end.exit, ExitCode::Interrupted);
    let ended = bench.resume(&text(""));
    assert_eq!(ended.end.exit, ExitCode::Stuck);
    assert_eq!(world(), ["change a"]);
}

/// A step that ran out of the run's time was cut off; one that ran out of its own failed.
#[test]
fn a_change_that_the_end_of_the_runs_time_cut_off_is_in_doubt() {
    let text =
        "title = 'x'\ntimeout = '10ms'\n[[step]]\nname = 'a'\nact.change = {}\nact.fail = 'hang'\n";
    let bench = Bench::default();
    assert_eq!(bench.run(text).end.exit, ExitCode::Critical);
    assert_eq!(bench.resume(text).end.exit, ExitCode::Stuck);
    assert_eq!(world(), ["change a"]);
}

const LIST: &str = r#"
    title = "x"
    [[step]]
    name = "each"
    for_each = { host = "input.hosts" }
    act.VERB = {}
    [[step]]
    name = "after"
    act.change = {}
"#;

fn hosts(bench: Bench, hosts: Value) -> Bench {
    Bench {
        inputs: Map::from_iter([("hosts".to_owned(), hosts)]),
        ..bench
    }
}

#[test]
fn a_list_that_has_changed_is_in_doubt_as_a_whole() {
    let text = LIST.replace("VERB", "change");
    let two = serde_json::json!(["a", "b"]);
    let other = serde_json::json!(["b", "a"]);
    let bench = cut_in("each[1]", hosts(Bench::default(), two), &text);
    let bench = hosts(bench, other);
    let ended = bench.resume(&text);
    assert_eq!(ended.status("each"), Status::InDoubt);
    assert!(ended.detail("each").contains("its list is not the one"));
    assert_eq!(
        counts("change", &["each[0]", "each[1]", "after"]),
        [1, 0, 0]
    );
    let bench = Bench {
        options: RunOptions {
            settled: vec![(StepKey::new("each"), Settlement::Again)],
            ..RunOptions::default()
        },
        ..bench
    };
    assert_eq!(bench.resume(&text).end.exit, ExitCode::Ok);
    assert_eq!(
        counts("change", &["each[0]", "each[1]", "after"]),
        [2, 1, 1]
    );
}

#[test]
fn a_list_that_was_only_read_starts_afresh_when_it_has_changed() {
    let text = LIST.replace("VERB", "look");
    let two = serde_json::json!(["a", "b"]);
    let other = serde_json::json!(["b", "a"]);
    let bench = hosts(
        cut_in("each[1]", hosts(Bench::default(), two), &text),
        other,
    );
    assert_eq!(bench.resume(&text).end.exit, ExitCode::Ok);
    assert_eq!(
        world(),
        [
            "look each[0]",
            "look each[0]",
            "look each[1]",
            "change after"
        ]
    );
}

/// A caller who agreed to everything beforehand.
fn agreeing() -> Bench {
    Bench {
        options: RunOptions {
            yes: true,
            ..RunOptions::default()
        },
        ..Bench::default()
    }
}

const UNDOES: &str = r#"
    title = "x"
    on_failure = "undo"
    [[step]]
    name = "a"
    act.change = { was = "old" }
    undo = { act.destroy = { back = "{{ was }}" } }
    [[step]]
    name = "each"
    for_each = { host = "['p', 'q']" }
    act.change = {}
    undo = { act.destroy = { host = "{{ host }}" } }
    [[step]]
    name = "child"
    runbook.run = "test/undone"
    [[step]]
    name = "odd"
    act.change = { n = 1 }
    expect = "n == 2"
    undo = { act.destroy = {} }
"#;

const UNDONE: (&str, &str) = (
    "test/undone",
    r#"
    title = "y"
    [[step]]
    name = "inner"
    act.change = {}
    undo = { act.destroy = {} }
    "#,
);

const UNDONE_STEPS: [&str; 5] = ["a", "each[0]", "each[1]", "child/inner", "odd"];

/// Cut off anywhere in the steps or in what takes them back: in the end each change is taken back exactly once.
#[test]
fn cut_off_anywhere_what_must_be_taken_back_is_taken_back_once() {
    let fresh = || Bench {
        others: vec![UNDONE],
        ..agreeing()
    };
    let bench = fresh();
    assert_eq!(bench.run(UNDOES).end.exit, ExitCode::Critical);
    assert_eq!(counts("destroy", &UNDONE_STEPS), [1; 5]);
    let cuts = every_cut(&bench.journal);
    for cut in cuts {
        let bench = cut.again(fresh());
        let history = bench.history();
        let outlook = history.outlook(&bench.plan(UNDOES));
        let mut settled = looked(&outlook.in_doubt);
        let said_done = |step: &str| settled.contains(&(StepKey::new(step), Settlement::Done));
        // What a person says was done has no outputs, and is as expected.
        let (blind, content) = (said_done("a"), said_done("odd"));
        settled.extend(outlook.undo_in_doubt.iter().map(|key| {
            let done = counts("destroy", &[key.as_str()])[0] > 0;
            let settlement = if done {
                Settlement::Done
            } else {
                Settlement::Again
            };
            (key.clone(), settlement)
        }));
        let bench = Bench {
            options: RunOptions {
                settled,
                ..agreeing().options
            },
            ..bench
        };
        let ended = bench.resume(UNDOES);
        let told = format!("{:#?}", cut.events.last().map(|last| &last.0.event));
        assert_eq!(counts("change", &UNDONE_STEPS), [1; 5], "{told}");
        let undone = match (content, blind) {
            (true, _) => [0; 5],
            (false, true) => [0, 1, 1, 1, 1],
            (false, false) => [1; 5],
        };
        assert_eq!(counts("destroy", &UNDONE_STEPS), undone, "{told}");
        assert_eq!(
            ended.end.exit == ExitCode::Stuck,
            blind && !content,
            "{told}"
        );
    }
}

#[test]
fn an_undo_in_doubt_that_nobody_settles_is_stuck_and_not_run_twice() {
    let text = r#"
        title = "x"
        on_failure = "undo"
        [[step]]
        name = "a"
        act.change = {}
        undo = { act.destroy = {} }
        [[step]]
        name = "b"
        act.change = {}
        undo = { act.destroy = {} }
        [[step]]
        name = "c"
        act.look = {}
        act.fail = "target"
    "#;
    let bench = agreeing();
    bench.run(text);
    let cut = every_cut(&bench.journal).into_iter().rfind(|cut| {
        matches!(&cut.events.last().unwrap().0.event, Event::StepStarted(start) if start.undo && start.step.as_str() == "b")
    });
    let bench = cut.unwrap().again(agreeing());
    let ended = bench.resume(text);
    assert_eq!(ended.end.exit, ExitCode::Stuck);
    assert_eq!(
        (ended.status("b"), ended.status("a")),
        (Status::InDoubt, Status::Undone)
    );
    assert_eq!(counts("destroy", &["a", "b"]), [1, 1]);
}

#[test]
fn a_sub_runbook_that_is_tried_again_begins_at_its_beginning() {
    let child = (
        "test/child",
        r#"
        title = "y"
        [[step]]
        name = "inner"
        act.change = {}
        [[step]]
        name = "breaks"
        act.look = {}
        act.fail = "target"
        "#,
    );
    let text = "title = 'x'\n[[step]]\nname = 'a'\nrunbook.run = 'test/child'\nexpect = 'steps == 7'\nretry = { attempts = 3, delay = '1ms', on = ['expect'] }\n";
    let fresh = || Bench {
        others: vec![child],
        ..Bench::default()
    };
    let bench = fresh();
    bench.run(text);
    assert_eq!(counts("change", &["a/inner"]), [3]);
    for cut in every_cut(&bench.journal) {
        let bench = cut.again(fresh());
        let settled = doubts(&bench, text)
            .into_iter()
            .map(|key| (key, Settlement::Again))
            .collect();
        let bench = Bench {
            options: RunOptions {
                settled,
                ..RunOptions::default()
            },
            ..bench
        };
        bench.resume(text);
        let ended = bench.journal.kept.borrow().iter().any(|(envelope, _)| {
            matches!(&envelope.event, Event::StepFinished(end) if end.step.as_str() == "a")
        });
        assert!(ended);
        assert!(
            counts("change", &["a/inner"])[0] >= 3,
            "{:?}",
            cut.events.last()
        );
    }
}

#[test]
fn a_resumed_run_tells_who_went_on_and_why() {
    let bench = cut_in("a", Bench::default(), TWO);
    let bench = Bench {
        options: RunOptions {
            reason: Some("the host is back".to_owned()),
            settled: vec![(StepKey::new("a"), Settlement::Done)],
            ..RunOptions::default()
        },
        ..bench
    };
    let ended = bench.resume(TWO);
    let told = resumed(&ended);
    assert_eq!(told.what, Resumption::Resume);
    assert_eq!(told.user, "anna");
    assert_eq!(told.reason.as_deref(), Some("the host is back"));
    assert_eq!(ended.detail("a"), "done, as anna says");
    assert_eq!(bench.history().leg().user, "anna");
    assert_eq!(bench.history().end().map(|end| end.exit), Some(0));
}

#[test]
fn the_texts_that_a_run_rests_on_are_kept_masked_and_before_it_begins() {
    let bench = Bench {
        secrets: BTreeMap::from([("token".to_owned(), Secret::new("s3cr3t-value".to_owned()))]),
        others: vec![CHILD],
        ..Bench::default()
    };
    let text = "title = 's3cr3t-value'\n[[step]]\nname = 'a'\nrunbook.run = 'test/child'\n";
    let ended = bench.run(text);
    let start = ended.summary.start.unwrap();
    let runbooks: Vec<_> = start
        .sources
        .iter()
        .map(|source| source.runbook.as_deref().unwrap())
        .collect();
    assert_eq!(runbooks, ["test/main", "test/child"]);
    let sources = bench.journal.sources.borrow();
    let kept = &sources[&start.sources[0].digest];
    assert!(kept.starts_with("title = '***'"), "{kept}");
}

#[test]
fn an_input_that_a_secret_stands_in_is_told_to_be_withheld() {
    let bench = Bench {
        secrets: BTreeMap::from([("token".to_owned(), Secret::new("s3cr3t-value".to_owned()))]),
        inputs: Map::from_iter([
            ("url".to_owned(), "https://example.com/s3cr3t-value".into()),
            ("plain".to_owned(), "x".into()),
        ]),
        ..Bench::default()
    };
    let start = bench.run(TWO).summary.start.unwrap();
    assert_eq!(start.withheld, ["url"]);
    assert_eq!(start.inputs["url"], "https://example.com/***");
}
