//! Who may run while another runs.

use chrono::DateTime;

use super::*;
use crate::base::Span;

const CHANGE: &str = "title = 'x'\n[[step]]\nname = 'a'\nact.change = {}\n";
const LOOK: &str = "title = 'x'\n[[step]]\nname = 'a'\nact.look = {}\n";

fn other() -> LockHolder {
    LockHolder {
        run: RunId(41),
        runbook: "db/vacuum".to_owned(),
        user: "anna".to_owned(),
        host: "host.example.com".to_owned(),
        process: ProcessMark {
            machine: "a machine".to_owned(),
            pid: 123,
            started: Some(7),
        },
        since: DateTime::UNIX_EPOCH,
    }
}

/// A bench where another run holds this lock.
fn held(lock: &str) -> Bench {
    let bench = Bench::default();
    let acquired = bench
        .journal
        .locks
        .acquire(lock, &other(), &|_| Liveness::Alive);
    assert_eq!(acquired.unwrap(), Acquired::Free);
    bench
}

/// Whether nobody holds this lock.
fn is_free(bench: &Bench, lock: &str) -> bool {
    let locks = &bench.journal.locks;
    let acquired = locks.acquire(lock, &other(), &|_| Liveness::Alive).unwrap();
    acquired == Acquired::Free
}

#[test]
fn a_run_that_may_change_something_does_not_begin_while_another_holds_its_lock() {
    let bench = held("test/main");
    let Err(RunError::Locked(error)) = bench.try_run(CHANGE) else {
        panic!("it must be refused");
    };
    assert_eq!(
        error.to_string(),
        "the lock test/main is held by run 41 (db/vacuum) of anna on host.example.com, pid 123, \
         since 1970-01-01T00:00:00Z"
    );
    assert!(world().is_empty());
    assert!(
        bench.journal.kept.borrow().is_empty(),
        "nothing is journaled"
    );
}

#[test]
fn what_only_reads_or_is_rehearsed_takes_no_lock() {
    assert_eq!(held("test/main").run(LOOK).end.exit, ExitCode::Ok);
    let mut bench = held("test/main");
    bench.options.dry = true;
    assert!(bench.try_run(CHANGE).is_ok());
}

#[test]
fn an_undo_alone_needs_the_lock_too() {
    let text = format!("{LOOK}undo.act.change = {{}}\n");
    assert!(matches!(
        held("test/main").try_run(&text),
        Err(RunError::Locked(_))
    ));
}

#[test]
fn the_lock_is_what_its_text_says_in_this_run() {
    let text = CHANGE.replace("[[step]]", "lock = 'database/{{ run.id }}'\n[[step]]");
    assert!(matches!(
        held("database/1").try_run(&text),
        Err(RunError::Locked(LockError::Held { lock, .. })) if lock == "database/1"
    ));
    assert_eq!(held("test/main").run(&text).end.exit, ExitCode::Ok);
    let empty = CHANGE.replace("[[step]]", "lock = ' {{ \"\" }}'\n[[step]]");
    let refused = Bench::default().try_run(&empty);
    assert!(matches!(
        refused,
        Err(RunError::Locked(LockError::Nameless { .. }))
    ));
}

#[test]
fn the_lock_is_given_back_however_the_run_ends() {
    let failing = CHANGE.replace("{}", "{}\nact.fail = 'target'");
    for text in [CHANGE, &failing] {
        let bench = Bench::default();
        bench.run(text);
        assert!(is_free(&bench, "test/main"));
    }
    let broken = Bench {
        journal: TestJournal {
            breaks_at: Some(0),
            ..TestJournal::default()
        },
        ..Bench::default()
    };
    assert!(matches!(broken.try_run(CHANGE), Err(RunError::Journal(_))));
    assert!(is_free(&broken, "test/main"));
}

#[test]
fn a_lock_of_the_dead_is_taken_over_and_that_is_journaled() {
    let bench = Bench {
        liveness: Liveness::Dead,
        ..held("test/main")
    };
    let ended = bench.run(CHANGE);
    assert_eq!(ended.end.exit, ExitCode::Ok);
    assert!(matches!(ended.told[0].event, Event::RunStarted(_)));
    let Event::LockTakenOver(taken) = &ended.told[1].event else {
        panic!("{:?}", ended.told[1]);
    };
    assert_eq!((taken.lock.as_str(), taken.from.0), ("test/main", 41));
    assert_eq!((taken.user.as_str(), taken.pid), ("anna", 123));
}

#[test]
fn a_patient_run_begins_once_the_lock_is_given_back() {
    let mut bench = held("test/main");
    bench.options.wait = Some(Span(std::time::Duration::from_secs(600)));
    let locks = Rc::clone(&bench.journal.locks);
    WAITING.set(Some(Box::new(move || {
        let holder = other();
        locks.release(holder.run, &holder.process).unwrap();
    })));
    assert_eq!(bench.run(CHANGE).end.exit, ExitCode::Ok);
    assert!(WAITING.take().is_none(), "it was told");
}

#[test]
fn patience_has_an_end_and_hears_a_stop() {
    let mut bench = held("test/main");
    bench.options.wait = Some(Span(std::time::Duration::from_millis(1)));
    let error = bench.try_run(CHANGE).err().unwrap();
    assert!(
        error.to_string().ends_with("was not given back within 1ms"),
        "{error}"
    );

    bench.options.wait = Some(Span(std::time::Duration::from_secs(600)));
    WAITING.set(Some(Box::new(|| {
        PULL.with_borrow(|pull| pull.as_ref().unwrap().send_replace(Some(Stop::Terminated)));
    })));
    assert!(matches!(
        bench.try_run(CHANGE),
        Err(RunError::Locked(LockError::Stopped(Stop::Terminated)))
    ));
    assert!(world().is_empty());
}

const PARENT: &str =
    "title = 'x'\nlock = 'mine'\n[[step]]\nname = 'child'\nrunbook.run = 'test/child'\n";

#[test]
fn a_child_takes_its_own_lock_when_it_begins() {
    let bench = Bench {
        others: vec![("test/child", CHANGE)],
        ..held("test/child")
    };
    let ended = bench.run(PARENT);
    assert_eq!(ended.status("child"), Status::NotRun);
    assert!(ended.detail("child").contains("run 41"));
    assert_eq!(ended.end.exit, ExitCode::NotNow, "nothing was done");
    assert!(world().is_empty());

    let bench = Bench {
        others: vec![("test/child", LOOK)],
        ..held("test/child")
    };
    let ended = bench.run(PARENT);
    assert_eq!(ended.end.exit, ExitCode::Ok, "a child that only reads");
    assert!(is_free(&bench, "mine"));
}

#[test]
fn a_child_has_the_lock_that_its_run_holds() {
    let child = "title = 'x'\nlock = 'mine'\n[[step]]\nname = 'a'\nact.change = {}\n";
    let bench = Bench {
        others: vec![("test/child", child)],
        ..Bench::default()
    };
    let ended = bench.run(PARENT);
    assert_eq!(ended.end.exit, ExitCode::Ok);
    assert_eq!(world(), ["change child/a"]);
    assert!(is_free(&bench, "mine"));
}

#[test]
fn what_was_done_before_a_child_was_refused_is_no_not_now() {
    let bench = Bench {
        others: vec![("test/child", CHANGE)],
        ..held("test/child")
    };
    let text = PARENT.replacen(
        "[[step]]",
        "[[step]]\nname = 'first'\nact.change = {}\n[[step]]",
        1,
    );
    assert_eq!(bench.run(&text).end.exit, ExitCode::Unknown);
}
