//! What must be so before something is changed: policies, windows, names that are typed, standing approvals.

use chrono::{DateTime, Utc};

use super::*;
use crate::config::parse as parse_config;
use crate::engine::gate::pass;
use crate::event::ApprovalRequested;

fn config(text: &str) -> Config {
    let source = SourceFile::new("opsbook.toml", text);
    parse_config(source, None, VOCABULARY).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

const READS: &str = "title = 'x'\n[[step]]\nname = 'a'\nact.look = {}\n";
const WRITES: &str = "title = 'x'\n[[step]]\nname = 'a'\nact.change = {}\n";
const DESTROYS: &str = "title = 'x'\n[[step]]\nname = 'a'\nact.destroy = {}\n";
const UNDOES: &str =
    "title = 'x'\n[[step]]\nname = 'a'\nact.change = {}\nundo = { act.destroy = {} }\n";

/// What the gate says of a runbook at noon UTC on Saturday, 21 November 2026.
fn gate(bench: &Bench, text: &str) -> Result<Option<ApprovalRequested>, String> {
    let now: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
    let plan = bench.plan(text);
    pass(&plan, &bench.config, &bench.options, now).map_err(|refusal| refusal.to_string())
}

fn with(config_text: &str, options: RunOptions) -> Bench {
    Bench {
        config: config(config_text),
        options,
        ..Bench::default()
    }
}

fn said(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_policy_asks_by_the_worst_effect_and_a_destroy_needs_what_a_write_needs() {
    let policy = "[policy.write]\nreason = true\n[policy.destroy]\nincident = true\n";
    let bench = with(policy, RunOptions::default());
    assert_eq!(gate(&bench, READS), Ok(None));
    assert_eq!(
        gate(&bench, WRITES).unwrap_err(),
        "the policy of opsbook.toml asks for --reason TEXT where a runbook may write"
    );
    for worst in [DESTROYS, UNDOES] {
        assert_eq!(
            gate(&bench, worst).unwrap_err(),
            "the policy of opsbook.toml asks for --reason TEXT and --incident ID where a runbook may destroy"
        );
    }
    let reason = RunOptions {
        reason: said("because"),
        ..RunOptions::default()
    };
    let bench = with(policy, reason.clone());
    assert_eq!(gate(&bench, WRITES), Ok(None));
    assert!(
        gate(&bench, DESTROYS)
            .unwrap_err()
            .contains("asks for --incident ID where")
    );
    let both = RunOptions {
        incident: said("42"),
        ..reason
    };
    assert_eq!(gate(&with(policy, both), DESTROYS), Ok(None));
}

#[test]
fn deny_names_the_environment_and_the_file_and_nothing_lifts_it() {
    let text = "default_environment = 'production'\n[environment.production]\npolicy.destroy.deny = true\n";
    let everything = RunOptions {
        yes: true,
        reason: said("because"),
        incident: said("42"),
        outside_window: true,
        ..RunOptions::default()
    };
    let bench = with(text, everything);
    let approved = format!("approved = true\n{DESTROYS}");
    for worst in [DESTROYS, UNDOES, &approved] {
        assert_eq!(
            gate(&bench, worst).unwrap_err(),
            "the policy of production (opsbook.toml) denies what may destroy, and this runbook may"
        );
    }
    assert_eq!(gate(&bench, WRITES), Ok(None));
}

#[test]
fn a_freeze_refuses_what_is_not_for_an_incident() {
    let text =
        "[[policy.freeze]]\ntitle = 'Sale'\nfrom = 2026-11-21\nuntil = 2026-11-23T08:00:00+01:00\n";
    let bench = with(text, RunOptions::default());
    assert_eq!(gate(&bench, READS), Ok(None));
    let refused = "nothing that may write is run until Mon 2026-11-23 07:00 UTC: Sale";
    for runbook in [WRITES, DESTROYS, &format!("approved = true\n{DESTROYS}")] {
        assert_eq!(gate(&bench, runbook).unwrap_err(), refused);
    }
    let incident = RunOptions {
        incident: said("42"),
        ..RunOptions::default()
    };
    assert_eq!(gate(&with(text, incident), WRITES), Ok(None));
    for other in [
        "[[policy.freeze]]\ntitle = 'x'\nfrom = 2026-11-20\nuntil = 2026-11-21T12:00:00Z\n",
        "[[policy.freeze]]\ntitle = 'x'\nfrom = 2026-11-21T12:00:01Z\nuntil = 2026-11-22\n",
        "[[policy.freeze]]\ntitle = 'x'\nfrom = 2026-11-21\nuntil = 2026-11-22\neffect = 'destroy'\n",
    ] {
        assert_eq!(gate(&with(other, RunOptions::default()), WRITES), Ok(None));
    }
}

const WINDOW: &str = "[window.weekly]\ncron = '0 13 * * SUN'\nfor = '2h'\nzone = 'Europe/Berlin'\n";

#[test]
fn outside_its_window_a_runbook_waits_or_says_why() {
    let runbook = format!("window = 'weekly'\n{READS}");
    let bench = with(WINDOW, RunOptions::default());
    assert_eq!(
        gate(&bench, &runbook).unwrap_err(),
        "outside the window \"weekly\" of test main, which opens Sun 2026-11-22 13:00 CET, in 1 d 0 h"
    );
    let outside = RunOptions {
        outside_window: true,
        ..RunOptions::default()
    };
    assert_eq!(
        gate(&with(WINDOW, outside.clone()), &runbook).unwrap_err(),
        "--outside-window needs --reason TEXT: the window \"weekly\" opens Sun 2026-11-22 13:00 CET, in 1 d 0 h"
    );
    let because = RunOptions {
        reason: said("because"),
        ..outside
    };
    assert_eq!(gate(&with(WINDOW, because), &runbook), Ok(None));
    let open = "[window.weekly]\ncron = '0 11 * * *'\nfor = '2h'\n";
    assert_eq!(gate(&with(open, RunOptions::default()), &runbook), Ok(None));
    assert_eq!(
        gate(&Bench::default(), &runbook).unwrap_err(),
        "test main runs within the window \"weekly\", which the configuration does not describe"
    );
}

#[test]
fn the_window_of_a_runbook_that_is_run_holds_too() {
    let bench = Bench {
        others: vec![(
            "test/other",
            "title = 'x'\nwindow = 'weekly'\n[[step]]\nname = 'b'\nact.look = {}\n",
        )],
        ..with(WINDOW, RunOptions::default())
    };
    let runbook = "title = 'x'\n[[step]]\nname = 'a'\nrunbook.run = 'test/other'\n";
    assert!(gate(&bench, runbook).unwrap_err().contains("of test other"));
}

#[test]
fn a_dry_run_passes() {
    let dry = RunOptions {
        dry: true,
        ..RunOptions::default()
    };
    let runbook = format!("window = 'weekly'\n{DESTROYS}");
    let text = format!("{WINDOW}[policy.write]\ndeny = true\n");
    assert_eq!(gate(&with(&text, dry), &runbook), Ok(None));
}

#[test]
fn a_standing_approval_that_covers_every_destroy_is_reason_and_second_person() {
    let text = "[policy.destroy]\nreason = true\napproval = true\n";
    let bench = Bench {
        others: vec![
            ("test/open", DESTROYS),
            (
                "test/approved",
                "title = 'x'\napproved = true\n[[step]]\nname = 'b'\nact.destroy = {}\n",
            ),
        ],
        ..with(text, RunOptions::default())
    };
    let two = "title = 'x'\n[[step]]\nname = 'a'\nact.destroy = {}\n[[step]]\nname = 'b'\nact.destroy = {}\n";
    let runs = |path: &str| format!("title = 'x'\n[[step]]\nname = 'a'\nrunbook.run = '{path}'\n");
    for (covered, runbook) in [
        (false, DESTROYS.to_owned()),
        (true, format!("approved = true\n{DESTROYS}")),
        (true, format!("approved = {{ rows = 1 }}\n{UNDOES}")),
        (false, format!("approved = {{ steps = ['a'] }}\n{two}")),
        (true, format!("approved = {{ steps = ['a', 'b'] }}\n{two}")),
        (false, runs("test/open")),
        (true, runs("test/approved")),
        (true, format!("approved = true\n{}", runs("test/open"))),
        (
            true,
            format!("approved = {{ steps = ['a'] }}\n{}", runs("test/open")),
        ),
    ] {
        assert_eq!(gate(&bench, &runbook).is_ok(), covered, "{runbook}");
    }
    let incident = with("[policy.destroy]\nincident = true\n", RunOptions::default());
    let approved = format!("approved = true\n{DESTROYS}");
    assert!(gate(&incident, &approved).is_err());
}

#[test]
fn a_run_that_needs_a_second_person_is_journaled_and_waits() {
    let ended = with("[policy.write]\napproval = true\n", RunOptions::default()).run(WRITES);
    assert!(world().is_empty());
    assert_eq!(ended.end.exit, ExitCode::NotNow);
    assert_eq!(ended.end.reason, "waiting for approval: opsbook approve 1");
    let kinds: Vec<&str> = ended
        .told
        .iter()
        .map(|told| told.event.type_name())
        .collect();
    assert_eq!(kinds, ["run-started", "approval-requested", "run-finished"]);
}

fn protected() -> Config {
    config("default_environment = 'production'\n[environment.production]\nprotected = true\n")
}

const ON_MAIN: &str = "title = 'x'\n[[step]]\nname = 'a'\nact.destroy = {}\nact.on = 'main'\n";

#[test]
fn in_a_protected_environment_yes_is_not_enough_and_the_name_is() {
    let yes = RunOptions {
        yes: true,
        ..RunOptions::default()
    };
    let run = |options: RunOptions, typed: Option<&str>| {
        WORLD.with_borrow_mut(Vec::clear);
        TYPED.set(typed.map(str::to_owned));
        let bench = Bench {
            config: protected(),
            options,
            ..Bench::default()
        };
        let ended = bench.run(ON_MAIN);
        (ended.end.exit, ended.end.reason, world().len())
    };
    assert_eq!(
        run(yes.clone(), None),
        (
            ExitCode::NotNow,
            "a: needs --confirm main: there is no terminal to ask at: Step a destroys what it works on.".to_owned(),
            0
        )
    );
    let (exit, reason, done) = run(yes.clone(), Some("maim"));
    assert_eq!((exit, done), (ExitCode::NotNow, 0));
    assert_eq!(reason, "a: that is not the name");
    assert_eq!(run(yes.clone(), Some("main")).0, ExitCode::Ok);
    let named = RunOptions {
        confirm: vec!["other".to_owned(), "main".to_owned()],
        ..RunOptions::default()
    };
    assert_eq!(run(named, None).0, ExitCode::Ok);
    let wrong = RunOptions {
        confirm: vec!["other".to_owned()],
        ..yes
    };
    assert_eq!(run(wrong, None).0, ExitCode::NotNow);
}

#[test]
fn a_question_of_its_own_and_the_name_are_one_question() {
    TYPED.set(said("a"));
    let bench = Bench {
        config: protected(),
        ..Bench::default()
    };
    let ended = bench.run(
        "title = 'x'\n[[step]]\nname = 'a'\nact.destroy = {}\nconfirm = 'Delete {{ 1 + 1 }} rows?'\n",
    );
    assert_eq!(ended.end.exit, ExitCode::Ok);
    assert_eq!(
        ASKED.with_borrow(Clone::clone),
        ["Delete 2 rows?\nType a to go on:"]
    );
}

#[test]
fn a_runbook_that_is_run_asks_for_itself_and_its_caller_does_not() {
    let bench = Bench {
        answer: Answer(Some(Ok(true))),
        others: vec![("test/other", DESTROYS)],
        ..Bench::default()
    };
    let ended = bench.run("title = 'x'\n[[step]]\nname = 'run'\nrunbook.run = 'test/other'\n");
    assert_eq!(ended.end.exit, ExitCode::Ok);
    assert_eq!(
        ASKED.with_borrow(Clone::clone),
        ["Step run/a destroys what it works on. Go on?"]
    );
}

/// A run that fails and takes back what it did, which destroys.
const TAKEN_BACK: &str = r#"
    title = "x"
    on_failure = "undo"
    [[step]]
    name = "a"
    act.change = {}
    undo = { act.destroy = {} }
    [[step]]
    name = "b"
    act.change = {}
    undo = { runbook.run = "test/other" }
    [[step]]
    name = "c"
    act.look = {}
    act.fail = "target"
"#;

fn taken_back(confirm: &[&str]) -> Ended {
    let bench = Bench {
        answer: Answer(Some(Ok(true))),
        others: vec![("test/other", DESTROYS)],
        config: protected(),
        options: RunOptions {
            confirm: confirm.iter().map(|name| (*name).to_owned()).collect(),
            ..RunOptions::default()
        },
        ..Bench::default()
    };
    bench.run(TAKEN_BACK)
}

#[test]
fn what_takes_a_failed_run_back_never_asks() {
    let ended = taken_back(&["a", "b"]);
    assert_eq!(ended.end.exit, ExitCode::Critical, "{}", ended.end.reason);
    assert!(ASKED.with_borrow(Vec::is_empty));
    assert_eq!(
        world(),
        ["change a", "change b", "look c", "destroy b/a", "destroy a"]
    );
}

/// Nobody is asked in the middle of an undo, so it must be before the step that it takes back.
#[test]
fn a_step_whose_undo_destroys_is_agreed_to_before_it_begins() {
    let ended = taken_back(&[]);
    assert_eq!(ended.end.exit, ExitCode::NotNow, "{}", ended.end.reason);
    assert!(world().is_empty());
    assert!(
        ended
            .end
            .reason
            .contains("takes step a back, and that destroys")
    );
}

fn rows(name: &str, counted: u64) -> String {
    format!("[[step]]\nname = '{name}'\nact.destroy = {{}}\nact.counted = {counted}\n")
}

/// A run in a protected environment with nobody there.
fn alone(text: &str, others: Vec<(&'static str, &'static str)>) -> Ended {
    WORLD.with_borrow_mut(Vec::clear);
    let bench = Bench {
        config: protected(),
        others,
        options: RunOptions {
            yes: true,
            ..RunOptions::default()
        },
        ..Bench::default()
    };
    bench.run(text)
}

#[test]
fn a_standing_approval_answers_within_its_limit_and_sums_over_the_run() {
    let text = |limit: u64| {
        format!(
            "title = 'x'\napproved = {{ rows = {limit} }}\n{}{}{}",
            rows("a", 50),
            rows("b", 10),
            rows("c", 40)
        )
    };
    let within = alone(&text(100), Vec::new());
    assert_eq!(within.end.exit, ExitCode::Ok, "{}", within.end.reason);
    assert_eq!(world(), ["destroy a", "destroy b", "destroy c"]);

    let beyond = alone(&text(99), Vec::new());
    assert_eq!(world(), ["destroy a", "destroy b"]);
    assert_eq!(beyond.status("c"), Status::NotRun);
    assert_eq!(
        beyond.detail("c"),
        "would delete 40 rows after 60; approved are 99"
    );

    let at_once = alone(
        &format!(
            "title = 'x'\napproved = {{ rows = 100000 }}\n{}",
            rows("a", 120_000)
        ),
        Vec::new(),
    );
    assert!(COUNTED.get(), "nobody looks at more of it");
    assert_eq!(at_once.end.exit, ExitCode::NotNow);
    assert_eq!(
        at_once.detail("a"),
        "would delete 120,000 rows; approved are 100,000"
    );
    assert!(world().is_empty());
}

#[test]
fn what_cannot_be_counted_is_not_within_a_limit() {
    let ended = alone(
        &format!("approved = {{ rows = 5 }}\n{DESTROYS}"),
        Vec::new(),
    );
    assert_eq!(ended.end.exit, ExitCode::NotNow);
    assert!(ended.detail("a").contains("cannot be counted beforehand"));
    assert!(world().is_empty());
    assert_eq!(
        alone(&format!("approved = true\n{DESTROYS}"), Vec::new())
            .end
            .exit,
        ExitCode::Ok
    );
}

#[test]
fn a_standing_approval_is_for_its_steps_and_for_destroys_alone() {
    let two = format!(
        "title = 'x'\napproved = {{ steps = ['a'] }}\n{}{}",
        rows("a", 1),
        rows("b", 1)
    );
    let ended = alone(&two, Vec::new());
    assert_eq!(world(), ["destroy a"]);
    assert_eq!(ended.status("b"), Status::NotRun);

    WORLD.with_borrow_mut(Vec::clear);
    let asks = format!("approved = true\n{WRITES}confirm = 'Is everybody told?'\n");
    assert_eq!(Bench::default().run(&asks).end.exit, ExitCode::NotNow);
}

#[test]
fn it_holds_for_what_the_runbook_runs_and_every_limit_on_the_way_holds() {
    let other = "title = 'x'\n[[step]]\nname = 'b'\nact.destroy = {}\nact.counted = 10\n";
    let own = "title = 'x'\napproved = { rows = 10 }\n[[step]]\nname = 'b'\nact.destroy = {}\nact.counted = 10\n";
    let unlimited =
        "title = 'x'\napproved = true\n[[step]]\nname = 'b'\nact.destroy = {}\nact.counted = 10\n";
    let others = vec![
        ("test/other", other),
        ("test/own", own),
        ("test/unlimited", unlimited),
    ];
    let runs = |approved: &str, path: &str| {
        let step = |name: &str| format!("[[step]]\nname = '{name}'\nrunbook.run = '{path}'\n");
        let text = format!(
            "title = 'x'\n{approved}\n{}{}",
            step("first"),
            step("second")
        );
        let ended = alone(&text, others.clone());
        (ended.end.exit == ExitCode::Ok, world().len())
    };
    assert_eq!(runs("approved = { rows = 20 }", "test/other"), (true, 2));
    assert_eq!(runs("approved = { rows = 19 }", "test/other"), (false, 1));
    assert_eq!(
        runs("approved = { steps = ['first'] }", "test/other"),
        (false, 1)
    );
    assert_eq!(runs("", "test/own"), (false, 1));
    assert_eq!(runs("approved = true", "test/own"), (false, 1));
    assert_eq!(
        runs("approved = { rows = 19 }", "test/unlimited"),
        (false, 1)
    );
    assert_eq!(runs("", "test/unlimited"), (true, 2));
}

#[test]
fn more_rows_than_are_left_are_never_changed_and_what_was_changed_is_what_counts() {
    let changes = |name: &str, counted: u64, changes: u64| {
        format!("{}act.changes = {changes}\n", rows(name, counted))
    };
    let text = |first: &str, second: &str| {
        format!("title = 'x'\napproved = {{ rows = 100 }}\n{first}{second}")
    };
    let ended = alone(&text(&changes("a", 90, 101), ""), Vec::new());
    assert_eq!(ended.detail("a"), "more rows than it may");
    assert!(world().is_empty());
    // Ten more than were counted, and so ten less are left.
    let ended = alone(&text(&changes("a", 50, 60), &rows("b", 41)), Vec::new());
    assert_eq!(
        ended.detail("b"),
        "would delete 41 rows after 60; approved are 100"
    );
}

/// Of four items at a time each is counted against what those before it have left.
#[test]
fn items_that_run_together_share_the_limit() {
    let step = "[[step]]\nname = 'a'\nfor_each.n = [1, 2, 3, 4]\nconcurrency = 4\nact.destroy = {}\nact.counted = 30\n";
    let ended = alone(
        &format!("title = 'x'\napproved = {{ rows = 100 }}\n{step}"),
        Vec::new(),
    );
    assert_eq!(world().len(), 3);
    let refused: Vec<String> = (0..4)
        .map(|item| ended.detail(&format!("a[{item}]")))
        .filter(|detail| detail != "done")
        .collect();
    assert_eq!(refused, ["would delete 30 rows after 90; approved are 100"]);
}

/// Says that a second person agreed, as `opsbook approve` does.
fn approve(bench: &Bench) {
    let approved = Event::RunApproved(crate::event::RunApproved {
        user: "bob".to_owned(),
        host: "host".to_owned(),
        reason: None,
    });
    let kept = bench.journal.events(RunId(1)).unwrap();
    let last = kept.last().unwrap();
    let envelope = Envelope {
        seq: last.seq + 1,
        event: approved,
        ..last.clone()
    };
    bench
        .journal
        .append(&[envelope], Durability::Durable)
        .unwrap();
}

#[test]
fn what_was_approved_goes_on_and_what_was_not_does_not() {
    let mut bench = with("[policy.write]\napproval = true\n", RunOptions::default());
    assert_eq!(bench.run(WRITES).end.exit, ExitCode::NotNow);
    let refused = bench.try_resume(WRITES).err().unwrap();
    assert!(
        refused
            .to_string()
            .starts_with("run 1 waits for approval: ")
    );
    approve(&bench);

    // What changed since needs an approval of its own.
    bench.options.changed = vec![crate::event::Source {
        runbook: None,
        file: "opsbook.toml".to_owned(),
        digest: String::new(),
    }];
    assert_eq!(bench.resume(WRITES).end.exit, ExitCode::NotNow);
    bench.options.changed = Vec::new();
    let refused = bench.try_resume(WRITES).err().unwrap();
    assert!(
        refused
            .to_string()
            .starts_with("run 1 waits for approval: ")
    );
    assert!(world().is_empty());

    approve(&bench);
    let ended = bench.resume(WRITES);
    assert_eq!(ended.end.exit, ExitCode::Ok, "{}", ended.end.reason);
    assert_eq!(world(), ["change a"]);
}

#[test]
fn a_run_that_goes_on_needs_what_it_needed_when_it_began() {
    let reason = RunOptions {
        reason: said("because"),
        ..RunOptions::default()
    };
    let broken = format!("{WRITES}[[step]]\nname = 'b'\nact.change = {{}}\nact.fail = 'target'\n");
    let policy = "[policy.write]\nreason = true\n";
    let mut bench = with(policy, reason);
    assert_eq!(bench.run(&broken).end.exit, ExitCode::Critical);
    // Its reason still holds; a freeze that has begun since does, too.
    bench.options = RunOptions::default();
    assert_eq!(bench.resume(&broken).end.exit, ExitCode::Critical);
    let frozen = format!(
        "{policy}[[policy.freeze]]\ntitle = 'Sale'\nfrom = 2000-01-01\nuntil = 2999-01-01\n"
    );
    bench.config = config(&frozen);
    let refused = bench.try_resume(&broken).err().unwrap();
    assert!(
        matches!(refused, RunError::Gate(Refusal::Frozen { .. })),
        "{refused}"
    );
}

#[test]
fn what_takes_a_run_back_is_held_to_the_policy_but_waits_for_nobody() {
    let freeze = "[[policy.freeze]]\ntitle = 'Sale'\nfrom = 2000-01-01\nuntil = 2999-01-01\n";
    let refused = |policy: &str, options: RunOptions| {
        WORLD.with_borrow_mut(Vec::clear);
        let mut bench = Bench {
            answer: Answer(Some(Ok(true))),
            ..Bench::default()
        };
        assert_eq!(bench.run(UNDOES).end.exit, ExitCode::Ok);
        (bench.config, bench.options) = (config(policy), options);
        let refused = bench.undo(UNDOES, None).err();
        assert_eq!(world().len(), if refused.is_some() { 1 } else { 2 });
        refused.map(|refused| refused.to_string())
    };
    let incident = || RunOptions {
        incident: said("INC-7"),
        ..RunOptions::default()
    };
    let frozen = refused(freeze, RunOptions::default()).unwrap();
    assert!(frozen.ends_with("Sale"), "{frozen}");
    assert_eq!(refused(freeze, incident()), None);
    let denied = refused("[policy.destroy]\ndeny = true\n", incident()).unwrap();
    assert!(denied.contains("denies"), "{denied}");
    let missing = refused("[policy.destroy]\nreason = true\n", incident()).unwrap();
    assert!(missing.contains("--reason"), "{missing}");
    let second = "[policy.destroy]\napproval = true\n";
    assert_eq!(refused(second, RunOptions::default()), None);
}

#[test]
fn the_rows_of_a_step_count_however_often_it_is_run_again() {
    let bench = Bench {
        config: protected(),
        ..Bench::default()
    };
    let deletes = rows("a", 60).replace("act.destroy = {}", "act.destroy = { changed = 60 }");
    let text = format!(
        "title = 'x'\napproved = {{ rows = 100 }}\n{deletes}act.changes = 60\nexpect = 'false'\n"
    );
    assert_eq!(bench.run(&text).end.exit, ExitCode::Critical);
    for _ in 0..2 {
        let ended = bench.resume(&text);
        assert_eq!(
            ended.detail("a"),
            "would delete 60 rows after 60; approved are 100"
        );
    }
}

#[test]
fn the_rows_of_earlier_legs_count() {
    let text = |fail: &str| {
        format!(
            "title = 'x'\napproved = {{ rows = 100 }}\n{}act.changes = 60\n[[step]]\nname = 'between'\nact.look = {{}}\nact.fail = '{fail}'\n{}",
            rows("a", 60).replace("act.destroy = {}", "act.destroy = { changed = 60 }"),
            rows("b", 41),
        )
    };
    let bench = Bench {
        config: protected(),
        ..Bench::default()
    };
    assert_eq!(bench.run(&text("target")).end.exit, ExitCode::Critical);
    let ended = bench.resume(&text(""));
    assert_eq!(
        ended.detail("b"),
        "would delete 41 rows after 60; approved are 100"
    );
}

#[test]
fn a_change_of_which_nobody_knows_uses_up_what_was_counted() {
    let text = |fail: &str, limit: u64| {
        format!(
            "title = 'x'\napproved = {{ rows = {limit} }}\n{}act.fail = '{fail}'\non_failure = 'continue'\n{}",
            rows("a", 50),
            rows("b", 51)
        )
    };
    let ended = alone(&text("doubt", 100), Vec::new());
    assert_eq!(
        ended.detail("b"),
        "would delete 51 rows after 50; approved are 100"
    );
    alone(&text("doubt", 101), Vec::new());
    assert_eq!(world(), ["destroy a", "destroy b"]);
    alone(&text("target", 100), Vec::new());
    assert_eq!(world(), ["destroy a", "destroy b"], "it changed nothing");
}

/// However its end was lost, and whoever says that it took effect: a later leg may change only what is left.
#[test]
fn a_change_of_which_nobody_knows_uses_up_what_was_counted_in_later_legs_too() {
    let text = |fail: &str| {
        format!(
            "title = 'x'\napproved = {{ rows = 100 }}\n{}act.fail = '{fail}'\n{}",
            rows("a", 50),
            rows("b", 51)
        )
    };
    for fail in ["doubt", "stop"] {
        WORLD.with_borrow_mut(Vec::clear);
        let mut bench = Bench {
            config: protected(),
            ..Bench::default()
        };
        let left = bench.run(&text(fail));
        assert_eq!(left.status("a"), Status::InDoubt, "{fail}");
        assert_eq!(bench.resume(&text("")).status("a"), Status::InDoubt);
        bench.options.settled = vec![(StepKey::new("a"), Settlement::Done)];
        let ended = bench.resume(&text(""));
        assert_eq!(
            ended.detail("b"),
            "would delete 51 rows after 50; approved are 100",
            "{fail}"
        );
        // What it is said not to have done is not counted.
        let bench = Bench {
            config: protected(),
            ..Bench::default()
        };
        bench.run(&text(fail));
        let bench = Bench {
            options: RunOptions {
                settled: vec![(StepKey::new("a"), Settlement::Again)],
                ..RunOptions::default()
            },
            ..bench
        };
        let ended = bench.resume(&text(""));
        assert_eq!(
            ended.detail("b"),
            "would delete 51 rows after 50; approved are 100",
            "{fail}: its own 50 alone"
        );
    }
}
