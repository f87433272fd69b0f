//! What every journal must do, told once and run on each.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use chrono::{DateTime, TimeDelta, Utc};

use crate::base::{Liveness, ProcessMark, RunId, Status, Verdict};
use crate::engine::{
    Acquired, Baseline, CheckState, Durability, Journal, LockHolder, Locks, Outage, Period,
    Reading, Retention, Sample, SampleStore, Seen, Series, Subject, Tally,
};
use crate::event::{Envelope, Event, Resumption, RunResumed, sample};

/// Runs the whole story. `fresh` gives an empty journal each time.
pub(super) fn told<J: Journal + Locks + SampleStore>(fresh: impl Fn() -> J) {
    an_empty_journal_has_nothing(&fresh());
    numbers_count_from_one_and_are_unique(&fresh());
    events_come_back_as_they_were(&fresh());
    relaxed_events_are_seen_at_once(&fresh());
    many_relaxed_events_keep_their_order(&fresh());
    an_event_is_kept_once(&fresh());
    the_list_tells_how_runs_ended(&fresh());
    a_run_that_goes_on_has_not_ended(&fresh());
    a_source_is_kept_under_its_digest(&fresh());
    a_lock_is_held_by_one_run(&fresh());
    a_lock_of_the_dead_is_taken_over(&fresh());
    the_list_is_newest_first_bounded_and_filtered(&fresh());
    what_checks_saw_comes_back(&fresh());
    an_outage_is_from_the_first_bad_word_to_the_first_good_one(&fresh());
    a_baseline_is_kept_under_its_name(&fresh());
    the_last_reading_of_each_day_comes_back(&fresh());
    any_stream_comes_back(fresh);
}

fn an_empty_journal_has_nothing(journal: &impl Journal) {
    assert_eq!(journal.events(RunId(1)).unwrap(), []);
    assert_eq!(journal.runs(20, None).unwrap(), []);
}

fn numbers_count_from_one_and_are_unique(journal: &impl Journal) {
    assert_eq!(journal.begin().unwrap(), RunId(1));
    let numbers: BTreeSet<RunId> = (0..10).map(|_| journal.begin().unwrap()).collect();
    assert_eq!(numbers.len(), 10);
    assert!(!numbers.contains(&RunId(1)));
    assert_eq!(
        journal.runs(20, None).unwrap(),
        [],
        "a number alone is no run"
    );
}

fn whole_run(run: RunId) -> Vec<Envelope> {
    sample::stream_of(
        run,
        vec![
            sample::started(&["count"]),
            sample::step_started("count"),
            sample::finished("count", Status::Warning),
            sample::run_finished(Verdict::Warning, 1, "count: many"),
        ],
    )
}

fn events_come_back_as_they_were(journal: &impl Journal) {
    let run = journal.begin().unwrap();
    let mut stream = whole_run(run);
    stream[1].at = sample::odd_moment();
    journal.append(&stream[..2], Durability::Durable).unwrap();
    journal.append(&stream[2..], Durability::Relaxed).unwrap();
    assert_eq!(journal.events(run).unwrap(), stream);
    assert_eq!(journal.events(RunId(run.0 + 1)).unwrap(), []);
}

fn relaxed_events_are_seen_at_once(journal: &impl Journal) {
    let run = journal.begin().unwrap();
    let stream = whole_run(run);
    journal.append(&stream[..1], Durability::Relaxed).unwrap();
    assert_eq!(journal.runs(20, None).unwrap().len(), 1);
    journal.append(&stream[1..2], Durability::Relaxed).unwrap();
    assert_eq!(journal.events(run).unwrap(), stream[..2]);
}

fn many_relaxed_events_keep_their_order(journal: &impl Journal) {
    let run = journal.begin().unwrap();
    let events = (0..1000)
        .map(|index| sample::finished(&format!("each[{index}]"), Status::Ok))
        .collect();
    let stream = sample::stream_of(run, events);
    for envelope in &stream {
        journal
            .append(std::slice::from_ref(envelope), Durability::Relaxed)
            .unwrap();
    }
    assert_eq!(journal.events(run).unwrap(), stream);
}

fn an_event_is_kept_once(journal: &impl Journal) {
    let run = journal.begin().unwrap();
    let stream = whole_run(run);
    journal.append(&stream[..2], Durability::Durable).unwrap();
    let again = journal.append(&stream[1..3], Durability::Durable);
    assert!(again.is_err(), "two processes must not go on with one run");
    assert_eq!(journal.events(run).unwrap(), stream[..2], "all or none");
    journal.append(&stream[2..], Durability::Durable).unwrap();
    assert_eq!(journal.events(run).unwrap(), stream);
}

fn the_list_tells_how_runs_ended(journal: &impl Journal) {
    let run = journal.begin().unwrap();
    let stream = whole_run(run);
    journal.append(&stream[..3], Durability::Durable).unwrap();
    let running = journal.runs(20, None).unwrap().remove(0);
    assert_eq!((running.run, running.started_at), (run, stream[0].at));
    assert_eq!(
        (running.runbook.as_str(), running.user.as_str()),
        ("db/prune", "operator")
    );
    assert_eq!(
        (running.verdict, running.exit, running.took_ms, running.dry),
        (None, None, None, false)
    );
    journal.append(&stream[3..], Durability::Relaxed).unwrap();
    let ended = journal.runs(20, None).unwrap().remove(0);
    assert_eq!(
        (ended.verdict, ended.exit, ended.took_ms),
        (Some(Verdict::Warning), Some(1), Some(2000.0))
    );
    assert_eq!(ended.reason, "count: many");
}

fn a_run_that_goes_on_has_not_ended(journal: &impl Journal) {
    let run = journal.begin().unwrap();
    let resumed = Event::RunResumed(RunResumed {
        what: Resumption::Resume,
        user: "operator".to_owned(),
        host: "host.example.com".to_owned(),
        pid: 1,
        process: ProcessMark::default(),
        opsbook: "0.1.0".to_owned(),
        in_doubt: Vec::new(),
        changed: Vec::new(),
        reason: None,
        incident: None,
    });
    let mut events: Vec<Event> = whole_run(run).into_iter().map(|kept| kept.event).collect();
    events.extend([resumed, sample::run_finished(Verdict::Ok, 0, "1 step ok")]);
    let stream = sample::stream_of(run, events);
    let row = |upto: usize| {
        let from = journal.events(run).unwrap().len();
        journal
            .append(&stream[from..upto], Durability::Written)
            .unwrap();
        let row = journal.runs(1, None).unwrap().remove(0);
        (row.verdict, row.exit, row.took_ms, row.reason)
    };
    let reason = "count: many".to_owned();
    assert_eq!(
        row(4),
        (Some(Verdict::Warning), Some(1), Some(2000.0), reason)
    );
    assert_eq!(row(5), (None, None, None, String::new()));
    let reason = "1 step ok".to_owned();
    assert_eq!(row(6), (Some(Verdict::Ok), Some(0), Some(2000.0), reason));
}

fn a_source_is_kept_under_its_digest(journal: &impl Journal) {
    assert_eq!(journal.source("ab").unwrap(), None);
    journal.keep_source("ab", "title = 'x'\n").unwrap();
    let kept = Some("title = 'x'\n".to_owned());
    assert_eq!(journal.source("ab").unwrap(), kept, "before it is written");
    let run = journal.begin().unwrap();
    journal
        .append(&whole_run(run), Durability::Durable)
        .unwrap();
    journal.keep_source("ab", "title = 'x'\n").unwrap();
    journal.keep_source("cd", "").unwrap();
    let run = journal.begin().unwrap();
    journal
        .append(&whole_run(run), Durability::Durable)
        .unwrap();
    assert_eq!(journal.source("ab").unwrap(), kept, "and again after it");
    assert_eq!(journal.source("cd").unwrap(), Some(String::new()));
    assert_eq!(journal.source("ef").unwrap(), None);
}

/// The run with this number as the process with the same.
pub(super) fn holder(number: u32) -> LockHolder {
    LockHolder {
        run: RunId(number.into()),
        runbook: "db/vacuum".to_owned(),
        user: "operator".to_owned(),
        host: "host.example.com".to_owned(),
        process: ProcessMark {
            machine: "a machine".to_owned(),
            pid: number,
            started: number.is_multiple_of(2).then_some(u64::from(number) * 1000),
        },
        since: DateTime::UNIX_EPOCH,
    }
}

fn a_lock_is_held_by_one_run(locks: &impl Locks) {
    let alive = |_: &ProcessMark| Liveness::Alive;
    let unknown = |_: &ProcessMark| Liveness::Unknown;
    let (one, two) = (holder(1), holder(2));
    let wish = |lock, holder| locks.acquire(lock, holder, &alive).unwrap();
    assert_eq!(wish("database/main", &one), Acquired::Free);
    assert_eq!(
        wish("database/main", &one),
        Acquired::Free,
        "it is its own already"
    );
    assert_eq!(wish("database/main", &two), Acquired::Held(one.clone()));
    assert_eq!(
        locks.acquire("database/main", &two, &unknown).unwrap(),
        Acquired::Held(one.clone()),
        "nobody is declared dead on a guess"
    );
    assert_eq!(wish("database/other", &two), Acquired::Free);
    assert_eq!(wish("database/more", &one), Acquired::Free);

    let stranger = ProcessMark {
        pid: 77,
        ..one.process.clone()
    };
    locks.release(one.run, &stranger).unwrap();
    locks.release(two.run, &one.process).unwrap();
    assert_eq!(wish("database/main", &two), Acquired::Held(one.clone()));
    locks.release(one.run, &one.process).unwrap();
    assert_eq!(wish("database/main", &two), Acquired::Free);
    assert_eq!(wish("database/more", &two), Acquired::Free);
    assert_eq!(wish("database/other", &one), Acquired::Held(two.clone()));
    locks.release(two.run, &two.process).unwrap();
    assert_eq!(wish("database/other", &one), Acquired::Free);
}

fn a_lock_of_the_dead_is_taken_over(locks: &impl Locks) {
    let (one, two) = (holder(1), holder(2));
    let dead = one.process.clone();
    let liveness = move |process: &ProcessMark| {
        if *process == dead {
            Liveness::Dead
        } else {
            Liveness::Alive
        }
    };
    let wish = |holder| locks.acquire("database/main", holder, &liveness).unwrap();
    assert_eq!(wish(&one), Acquired::Free);
    assert_eq!(wish(&two), Acquired::TakenOver(one.clone()));
    assert_eq!(wish(&one), Acquired::Held(two.clone()));

    // A run that goes on has its number and another process.
    let again = LockHolder {
        run: two.run,
        ..holder(3)
    };
    assert_eq!(wish(&again), Acquired::Held(two));
}

/// A moment so many minutes after the first.
pub(super) fn minute(number: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(number)
}

/// The series of this check.
pub(super) fn series(check: &str) -> Series {
    Series {
        project: "project".to_owned(),
        environment: String::new(),
        service: "api".to_owned(),
        check: check.to_owned(),
    }
}

fn keep_all() -> Retention {
    Retention {
        samples_from: DateTime::UNIX_EPOCH,
        hours_from: DateTime::UNIX_EPOCH,
    }
}

fn look(store: &impl SampleStore, check: &str, at: i64, told: Status) -> Sample {
    let sample = Sample {
        at: minute(at),
        ms: Some(at as f64),
        look: told,
        told,
    };
    let state = CheckState {
        told,
        against: 3,
        since: minute(at - 1),
        last: minute(at),
    };
    let kept = [(series(check), sample, state)];
    store.keep_samples(&kept, &keep_all()).unwrap();
    assert_eq!(store.states(&[series(check)]).unwrap(), [Some(state)]);
    sample
}

fn what_checks_saw_comes_back(store: &impl SampleStore) {
    let period = |from, to| Period {
        from: minute(from),
        to: minute(to),
    };
    let seen = |check, period| {
        let mut all = Vec::new();
        let see = &mut |seen| all.push(seen);
        store.history(&series(check), period, see).unwrap();
        all
    };
    assert_eq!(store.states(&[series("ping")]).unwrap(), [None]);
    assert_eq!(seen("ping", period(0, 9)), []);
    let samples: Vec<Seen> = (0..9)
        .map(|at| Seen::Look(look(store, "ping", at, Status::Ok)))
        .collect();
    look(store, "other", 3, Status::Warning);
    assert_eq!(seen("ping", period(0, 9)), samples);
    assert_eq!(seen("ping", period(2, 4)), samples[2..=4], "both ends");
    assert_eq!(seen("other", period(0, 9)).len(), 1);
    let wanted = [series("none"), series("other")];
    let states = store.states(&wanted).unwrap();
    assert!(states[0].is_none() && states[1].is_some());
}

fn an_outage_is_from_the_first_bad_word_to_the_first_good_one(store: &impl SampleStore) {
    for (at, told) in [
        (0, Status::Ok),
        (1, Status::Critical),
        (2, Status::Unknown),
        (3, Status::Affected),
        (5, Status::Warning),
        (6, Status::Ok),
        (8, Status::Affected),
        (9, Status::Unknown),
    ] {
        look(store, "ping", at, told);
    }
    look(store, "other", 9, Status::Critical);
    let outage = |began, ended: Option<i64>| Outage {
        began: minute(began),
        ended: ended.map(minute),
    };
    let outages = |from, to| {
        let period = Period {
            from: minute(from),
            to: minute(to),
        };
        store.outages(&series("ping"), period).unwrap()
    };
    assert_eq!(outages(0, 9), [outage(1, Some(5)), outage(8, None)]);
    assert_eq!(outages(4, 7), [outage(1, Some(5))], "it reaches into it");
    assert_eq!(outages(6, 7), []);
    look(store, "ping", 11, Status::Ok);
    assert_eq!(outages(10, 12), [outage(8, Some(11))]);
}

fn a_baseline_is_kept_under_its_name(store: &impl SampleStore) {
    let baseline = |name: &str, environment: &str, looks| Baseline {
        project: "project".to_owned(),
        environment: environment.to_owned(),
        name: name.to_owned(),
        saved_at: minute(10),
        period: Period {
            from: minute(0),
            to: minute(9),
        },
        checks: vec![("ping", looks), ("queue", 0)]
            .into_iter()
            .map(|(check, looks)| {
                let mut tally = Tally::default();
                for at in 0..looks {
                    tally.add(&Sample {
                        at: minute(at),
                        ms: Some(at as f64),
                        look: Status::Ok,
                        told: Status::Ok,
                    });
                }
                let environment = environment.to_owned();
                let series = Series {
                    environment,
                    ..series(check)
                };
                (series, tally)
            })
            .collect(),
    };
    let (good, bad, other) = (
        baseline("good", "", 5),
        baseline("bad", "", 6),
        baseline("good", "staging", 7),
    );
    for baseline in [&good, &bad, &other] {
        assert!(!store.keep_baseline(baseline).unwrap());
    }
    let kept = store.baselines("project", "").unwrap();
    assert_eq!(kept, [bad.clone(), good]);
    let better = baseline("good", "", 8);
    assert!(store.keep_baseline(&better).unwrap(), "there was one");
    assert_eq!(store.baselines("project", "").unwrap(), [bad, better]);
    assert_eq!(store.baselines("project", "staging").unwrap(), [other]);
    assert_eq!(store.baselines("another", "").unwrap(), []);
}

fn the_last_reading_of_each_day_comes_back(store: &impl SampleStore) {
    const DAY: i64 = 24 * 60;
    let of = |environment: &str, subject: &str| Subject {
        project: "project".to_owned(),
        environment: environment.to_owned(),
        subject: subject.to_owned(),
    };
    let main = of("", "database/main");
    let values = |bytes: f64, rows: f64| {
        BTreeMap::from([("bytes".to_owned(), bytes), ("rows".to_owned(), rows)])
    };
    let found = |subject: &Subject, until: i64, name: &str| {
        let found = store.readings(subject, minute(until)).unwrap();
        found.get(name).copied()
    };
    let reading = |at: i64, value: f64| {
        let at = minute(at);
        Some(Reading { at, value })
    };
    let keep = |subject: &Subject, at: i64, values: &BTreeMap<String, f64>| {
        store.keep_readings(subject, minute(at), values).unwrap();
    };
    assert_eq!(found(&main, DAY, "bytes"), None);
    keep(&main, 0, &values(1.0, -2.5));
    keep(&main, 5, &values(10.0, 0.0));
    keep(&main, DAY, &values(20.0, 9_007_199_254_740_992.0));
    keep(
        &main,
        DAY + 1,
        &BTreeMap::from([("bytes".to_owned(), 30.0)]),
    );
    keep(&of("staging", "database/main"), 7, &values(7.0, 7.0));
    keep(&of("", "database/other"), 8, &values(8.0, 8.0));
    // Of the first day there is what came last, and each number has readings of its own.
    assert_eq!(found(&main, DAY - 1, "bytes"), reading(5, 10.0));
    assert_eq!(found(&main, 4, "bytes"), None);
    assert_eq!(found(&main, 9 * DAY, "bytes"), reading(DAY + 1, 30.0));
    assert_eq!(
        found(&main, 9 * DAY, "rows"),
        reading(DAY, 9_007_199_254_740_992.0)
    );
    assert_eq!(
        found(&of("staging", "database/main"), DAY, "rows"),
        reading(7, 7.0)
    );
}

fn the_list_is_newest_first_bounded_and_filtered(journal: &impl Journal) {
    for index in 0..9 {
        let run = journal.begin().unwrap();
        let mut start = sample::run_started(&[]);
        start.runbook = if index % 3 == 0 { "db/prune" } else { "health" }.to_owned();
        start.dry = index == 8;
        let stream = sample::stream_of(run, vec![Event::RunStarted(start)]);
        journal.append(&stream, Durability::Durable).unwrap();
    }
    let numbers = |limit, runbook| -> Vec<u64> {
        journal
            .runs(limit, runbook)
            .unwrap()
            .iter()
            .map(|row| row.run.0)
            .collect()
    };
    assert_eq!(numbers(3, None), [9, 8, 7]);
    assert_eq!(numbers(20, Some("db/prune")), [7, 4, 1]);
    assert_eq!(numbers(2, Some("db/prune")), [7, 4]);
    assert!(
        numbers(20, Some("db")).is_empty(),
        "a path is matched whole"
    );
    assert!(numbers(0, None).is_empty());
    assert!(journal.runs(1, None).unwrap()[0].dry);
}

fn any_stream_comes_back<J: Journal>(fresh: impl Fn() -> J) {
    let journal = fresh();
    TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(64)
    })
    .run(
        &(sample::any_stream(), any::<bool>()),
        |(stream, durable)| {
            let run = journal.begin().unwrap();
            let stream: Vec<Envelope> = stream
                .into_iter()
                .map(|envelope| Envelope { run, ..envelope })
                .collect();
            let durability = if durable {
                Durability::Durable
            } else {
                Durability::Relaxed
            };
            for envelope in &stream {
                journal
                    .append(std::slice::from_ref(envelope), durability)
                    .unwrap();
            }
            prop_assert_eq!(journal.events(run).unwrap(), stream);
            Ok(())
        },
    )
    .unwrap();
}

#[test]
fn memory_tells_the_story() {
    told(super::MemoryJournal::new);
}
