//! What only a file can get wrong: rights, damage, other processes, power.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::base::{Liveness, RunId, Status, Verdict};
use crate::engine::{Acquired, Durability, Journal, JournalError, Locks as _};
use crate::event::{Event, sample};
use crate::store::{SqliteJournal, story};

/// Names the file to the copies of the test program that tests start.
const FILE: &str = "OPSBOOK_TEST_JOURNAL";

#[test]
fn sqlite_tells_the_story() {
    let folder = TempDir::new().unwrap();
    let count = Cell::new(0);
    story::told(|| {
        count.set(count.get() + 1);
        SqliteJournal::open(folder.path().join(format!("{}.db", count.get()))).unwrap()
    });
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_file_and_the_folders_it_needs_are_their_owners_alone() {
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("state/opsbook/journal.db");
    let journal = SqliteJournal::open(&path).unwrap();
    journal.begin().unwrap();
    assert_eq!(mode(&path), 0o600);
    for beside in ["journal.db-wal", "journal.db-shm"] {
        assert_eq!(mode(&path.with_file_name(beside)), 0o600, "{beside}");
    }
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&folder.path().join("state")), 0o700);
    assert_eq!(
        mode(folder.path()),
        0o755,
        "a folder of others is left alone"
    );
    let all = ["", "-wal", "-shm"].map(|suffix| {
        folder
            .path()
            .join(format!("state/opsbook/journal.db{suffix}"))
    });
    for file in &all {
        fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let other = SqliteJournal::open(&path).unwrap();
    assert_eq!(
        all.each_ref().map(|file| mode(file)),
        [0o600; 3],
        "open to others before"
    );
    drop((journal, other));
}

#[test]
fn what_waits_is_written_when_the_journal_is_dropped() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    let journal = SqliteJournal::open(&path).unwrap();
    let run = journal.begin().unwrap();
    let stream = sample::stream_of(run, vec![sample::started(&[]), sample::step_started("a")]);
    journal.append(&stream, Durability::Relaxed).unwrap();
    let other = SqliteJournal::open_read_only(&path).unwrap();
    assert_eq!(other.events(run).unwrap(), [], "it waits in memory");
    drop(journal);
    assert_eq!(other.events(run).unwrap(), stream);
}

#[test]
fn the_end_of_a_run_is_seen_by_others_whatever_was_asked() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    let journal = SqliteJournal::open(&path).unwrap();
    let run = journal.begin().unwrap();
    let stream = sample::stream_of(
        run,
        vec![
            sample::started(&[]),
            sample::run_finished(Verdict::Ok, 0, ""),
        ],
    );
    journal.append(&stream[..1], Durability::Relaxed).unwrap();
    journal.append(&stream[1..], Durability::Relaxed).unwrap();
    let other = SqliteJournal::open_read_only(&path).unwrap();
    assert_eq!(other.events(run).unwrap(), stream);
    assert_eq!(other.runs(1, None).unwrap()[0].verdict, Some(Verdict::Ok));
}

#[test]
fn reading_makes_nothing_and_writes_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("none/journal.db");
    let journal = SqliteJournal::open_read_only(&path).unwrap();
    assert_eq!(journal.runs(20, None).unwrap(), []);
    assert!(!path.parent().unwrap().exists());
    assert!(matches!(
        journal.begin(),
        Err(JournalError::Unwritable { .. })
    ));
    assert!(matches!(
        journal.append(&[], Durability::Durable),
        Err(JournalError::Unwritable { .. })
    ));
}

#[test]
fn a_file_name_is_never_taken_for_a_uri() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a?mode=memory&b#c%20.db");
    let journal = SqliteJournal::open(&path).unwrap();
    let run = journal.begin().unwrap();
    journal
        .append(
            &sample::stream_of(run, vec![sample::started(&[])]),
            Durability::Durable,
        )
        .unwrap();
    drop(journal);
    assert!(path.exists());
    let reader = SqliteJournal::open_read_only(&path).unwrap();
    assert_eq!(reader.runs(20, None).unwrap().len(), 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let error = SqliteJournal::open("/proc/self/fdinfo/opsbook/journal.db").unwrap_err();
    assert!(matches!(error, JournalError::Unwritable { .. }), "{error}");
    assert!(error.to_string().contains("/proc/self/fdinfo"), "{error}");
    let error = SqliteJournal::open("/proc/self/fdinfo").unwrap_err();
    assert!(error.to_string().contains("it is no file"), "{error}");
}

#[test]
fn what_is_no_journal_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("notes.txt");
    fs::write(
        &text,
        "these are notes, and quite long ones at that\n".repeat(100),
    )
    .unwrap();
    let database = folder.path().join("app.db");
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection
        .execute_batch("CREATE TABLE users (name)")
        .unwrap();
    drop(connection);
    for path in [&text, &database] {
        let before = fs::read(path).unwrap();
        for error in [
            SqliteJournal::open(path).unwrap_err(),
            SqliteJournal::open_read_only(path).unwrap_err(),
        ] {
            assert!(matches!(error, JournalError::Unreadable { .. }), "{error}");
        }
        assert_eq!(fs::read(path).unwrap(), before);
    }
}

#[test]
fn a_damaged_journal_says_so() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    let journal = SqliteJournal::open(&path).unwrap();
    let run = journal.begin().unwrap();
    let stream = sample::stream_of(run, vec![sample::started(&[])]);
    journal.append(&stream, Durability::Durable).unwrap();
    drop(journal);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch("UPDATE events SET body = '{\"type\":\"run-started\"}'")
        .unwrap();
    drop(connection);
    let journal = SqliteJournal::open_read_only(&path).unwrap();
    let error = journal.events(run).unwrap_err();
    assert!(matches!(error, JournalError::Unreadable { .. }), "{error}");
    drop(journal);

    let mut bytes = fs::read(&path).unwrap();
    let from = 4096.min(bytes.len());
    bytes[from..].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let runs = SqliteJournal::open(&path).and_then(|journal| journal.runs(20, None));
    let error = runs.unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
}

#[test]
fn a_newer_format_is_refused_in_both_ways_of_opening() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    drop(SqliteJournal::open(&path).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    let newer = super::schema::FORMAT + 1;
    connection
        .pragma_update(None, "user_version", newer)
        .unwrap();
    drop(connection);
    for error in [
        SqliteJournal::open(&path).unwrap_err(),
        SqliteJournal::open_read_only(&path).unwrap_err(),
    ] {
        assert!(
            matches!(error, JournalError::Newer { found, known, .. } if found == newer && known == newer - 1),
            "{error}"
        );
    }
}

#[test]
fn an_event_of_a_later_version_is_kept_even_where_its_shape_changed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    let journal = SqliteJournal::open(&path).unwrap();
    let run = journal.begin().unwrap();
    let stream = sample::stream_of(run, vec![sample::step_started("a")]);
    journal.append(&stream, Durability::Durable).unwrap();
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(
            "UPDATE events SET version = 2, body = '{\"type\":\"step-started\",\"steps\":[]}'",
        )
        .unwrap();
    let events = journal.events(run).unwrap();
    assert!(matches!(events[0].event, Event::Other(_)), "{events:?}");
}

#[test]
fn a_full_disk_fails_the_append_and_spoils_nothing() {
    let folder = TempDir::new().unwrap();
    let journal = SqliteJournal::open(folder.path().join("journal.db")).unwrap();
    let run = journal.begin().unwrap();
    let mut big = sample::step_finished("a", Status::Ok);
    big.detail = "x".repeat(100_000);
    let stream = sample::stream_of(run, vec![sample::started(&[]), Event::StepFinished(big)]);
    journal.append(&stream[..1], Durability::Durable).unwrap();
    let limit = |pages: i64| {
        let state = journal.lock();
        state
            .connection
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            .unwrap();
    };
    limit(1);
    let error = journal
        .append(&stream[1..], Durability::Durable)
        .unwrap_err();
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert_eq!(journal.events(run).unwrap(), stream[..1]);
    limit(1_000_000);
    journal.append(&stream[1..], Durability::Durable).unwrap();
    assert_eq!(journal.events(run).unwrap(), stream);
}

#[test]
fn a_write_that_failed_late_is_told_at_the_end_of_the_run() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    let journal = SqliteJournal::open(&path).unwrap();
    let run = journal.begin().unwrap();
    let stream = sample::stream_of(
        run,
        vec![
            sample::started(&[]),
            sample::run_finished(Verdict::Ok, 0, ""),
        ],
    );
    journal.append(&stream[..1], Durability::Relaxed).unwrap();
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("DROP TABLE events")
        .unwrap();
    assert!(journal.append(&stream[1..], Durability::Relaxed).is_err());
}

#[test]
fn listing_does_not_look_at_every_run() {
    let folder = TempDir::new().unwrap();
    let journal = SqliteJournal::open(folder.path().join("journal.db")).unwrap();
    let state = journal.lock();
    for filter in ["runbook IS NOT NULL", "runbook = 'x'"] {
        let plan: String = state
            .connection
            .query_row(
                &format!("EXPLAIN QUERY PLAN SELECT run, reason FROM runs WHERE {filter} ORDER BY run DESC LIMIT 20"),
                [],
                |row| row.get(3),
            )
            .unwrap();
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        assert!(plan.contains("INDEX") || plan == "SCAN runs", "{plan}");
    }
}

#[test]
fn threads_that_open_at_once_share_one_journal() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    let numbers: Vec<RunId> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    let journal = SqliteJournal::open(&path).unwrap();
                    let run = journal.begin().unwrap();
                    let stream = sample::stream_of(run, vec![sample::started(&[])]);
                    journal.append(&stream, Durability::Durable).unwrap();
                    run
                })
            })
            .collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap())
            .collect()
    });
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), 16);
    let journal = SqliteJournal::open_read_only(&path).unwrap();
    assert_eq!(journal.runs(20, None).unwrap().len(), 16);
}

/// Not a test of its own: what a copy of the test program does that another test starts.
#[test]
fn copy_writes_and_dies() {
    let Some(path) = std::env::var_os(FILE) else {
        return;
    };
    let journal = SqliteJournal::open(path).unwrap();
    let run = journal.begin().unwrap();
    let stream = sample::stream_of(
        run,
        vec![
            sample::started(&[]),
            sample::step_started("a"),
            sample::finished("a", Status::Ok),
        ],
    );
    journal.append(&stream[..1], Durability::Relaxed).unwrap();
    journal.append(&stream[1..2], Durability::Durable).unwrap();
    journal.append(&stream[2..], Durability::Written).unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "a process that dies at once is what this is for"
    )]
    std::process::abort();
}

#[test]
fn processes_that_die_leave_what_was_written_and_numbers_of_their_own() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    let children: Vec<_> = (0..8)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "store::sqlite::tests::copy_writes_and_dies"])
                .env(FILE, &path)
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(!child.wait().unwrap().success(), "it dies by its own hand");
    }
    let journal = SqliteJournal::open(&path).unwrap();
    let runs = journal.runs(20, None).unwrap();
    assert_eq!(runs.len(), 8);
    for row in runs {
        assert_eq!(journal.events(row.run).unwrap().len(), 3);
    }
}

#[test]
fn of_many_who_want_a_lock_at_once_one_gets_it_and_all_others_see_who() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    let outcomes: Vec<Acquired> = std::thread::scope(|scope| {
        let path = &path;
        let handles: Vec<_> = (1..=16)
            .map(|number| {
                scope.spawn(move || {
                    let journal = SqliteJournal::open(path).unwrap();
                    let holder = story::holder(number);
                    journal
                        .acquire("database/main", &holder, &|_| Liveness::Alive)
                        .unwrap()
                })
            })
            .collect();
        let joined = handles.into_iter().map(|handle| handle.join().unwrap());
        joined.collect()
    });
    let free = |outcome: &&Acquired| **outcome == Acquired::Free;
    assert_eq!(outcomes.iter().filter(free).count(), 1);
    let journal = SqliteJournal::open_read_only(&path).unwrap();
    let (lock, winner) = journal.held().unwrap().remove(0);
    assert_eq!(lock, "database/main");
    for outcome in outcomes.iter().filter(|outcome| !free(outcome)) {
        assert_eq!(*outcome, Acquired::Held(winner.clone()));
    }
    assert!(
        journal.release_for(&lock, &winner).is_err(),
        "it only reads"
    );
    let journal = SqliteJournal::open(&path).unwrap();
    let other = story::holder(winner.process.pid + 1);
    assert!(!journal.release_for(&lock, &other).unwrap());
    assert!(journal.release_for(&lock, &winner).unwrap());
    assert!(journal.held().unwrap().is_empty());
}

#[test]
fn sources_are_written_with_the_next_event_and_not_before() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    let journal = SqliteJournal::open(&path).unwrap();
    let other = SqliteJournal::open_read_only(&path).unwrap();
    let run = journal.begin().unwrap();
    journal.keep_source("ab", "a text").unwrap();
    journal.events(run).unwrap();
    assert_eq!(other.source("ab").unwrap(), None);
    let stream = sample::stream_of(run, vec![sample::started(&[])]);
    journal.append(&stream, Durability::Written).unwrap();
    assert_eq!(other.source("ab").unwrap().as_deref(), Some("a text"));
}
