//! What becomes of samples in a file: they fold into hours without loss, whoever writes and however it ends.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::process::{Command, Stdio};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::base::Status;
use crate::engine::{
    CheckState, JournalError, Period, Retention, Sample, SampleStore as _, Seen, Series, Tally,
};
use crate::store::SqliteJournal;
use crate::store::story::{minute, series};

/// Names the file to the copies of the test program that tests start.
const FILE: &str = "OPSBOOK_TEST_SAMPLES";

type Kept = (Series, Sample, CheckState);

fn kept(check: &str, at: DateTime<Utc>, look: Status) -> Kept {
    let ms = Some((at.timestamp() % 97) as f64 + 0.25);
    let state = CheckState {
        told: look,
        against: 0,
        since: at,
        last: at,
    };
    let told = look;
    (series(check), Sample { at, ms, look, told }, state)
}

/// Keeps all samples before this moment by the hour.
fn folding(at: DateTime<Utc>) -> Retention {
    Retention {
        samples_from: at,
        hours_from: DateTime::UNIX_EPOCH,
    }
}

fn ever() -> Period {
    Period {
        from: DateTime::UNIX_EPOCH,
        to: minute(100_000_000),
    }
}

/// All that was seen, and how much of it is kept one by one.
fn all(journal: &SqliteJournal, check: &str) -> (Tally, usize) {
    let (mut tally, mut looks) = (Tally::default(), 0);
    journal
        .history(&series(check), ever(), &mut |seen| match seen {
            Seen::Look(sample) => {
                tally.add(&sample);
                looks += 1;
            }
            Seen::Hour(_, hour) => tally.merge(&hour),
        })
        .unwrap();
    (tally, looks)
}

fn rows(journal: &SqliteJournal, table: &str) -> i64 {
    let state = journal.lock();
    let count = format!("SELECT count(*) FROM {table}");
    state
        .connection
        .query_row(&count, [], |row| row.get(0))
        .unwrap()
}

#[test]
fn old_samples_fold_a_bounded_number_at_once_and_nothing_is_lost() {
    let folder = TempDir::new().unwrap();
    let journal = SqliteJournal::open(folder.path().join("journal.db")).unwrap();
    let mut expected = Tally::default();
    let many: Vec<Kept> = (0..1000)
        .map(|index| {
            let look = [Status::Ok, Status::Critical, Status::Unknown][index % 3];
            kept("ping", minute(index as i64), look)
        })
        .collect();
    for (_, sample, _) in &many {
        expected.add(sample);
    }
    journal
        .keep_samples(&many, &folding(DateTime::UNIX_EPOCH))
        .unwrap();
    assert_eq!(all(&journal, "ping"), (expected.clone(), 1000));

    let one = kept("ping", minute(1000), Status::Ok);
    expected.add(&one.1);
    journal.keep_samples(&[one], &folding(minute(900))).unwrap();
    let (tally, looks) = all(&journal, "ping");
    assert_eq!((looks, &tally), (1001 - 64, &expected), "64 and no more");

    for index in 1001..1100 {
        let one = kept("ping", minute(index), Status::Warning);
        expected.add(&one.1);
        journal.keep_samples(&[one], &folding(minute(900))).unwrap();
    }
    let (tally, looks) = all(&journal, "ping");
    assert_eq!(tally, expected);
    assert!(
        (200..=260).contains(&looks),
        "an hour folds together: {looks}"
    );
    assert_eq!(rows(&journal, "hours"), 15);
}

#[test]
fn what_is_older_than_the_history_is_dropped() {
    let folder = TempDir::new().unwrap();
    let journal = SqliteJournal::open(folder.path().join("journal.db")).unwrap();
    let many: Vec<Kept> = (0..600)
        .map(|index| kept("ping", minute(index), Status::Ok))
        .collect();
    journal.keep_samples(&many, &folding(minute(500))).unwrap();
    for index in 600..620 {
        let one = kept("ping", minute(index), Status::Ok);
        journal.keep_samples(&[one], &folding(minute(500))).unwrap();
    }
    assert_eq!(rows(&journal, "hours"), 8);
    let retention = Retention {
        samples_from: minute(600),
        hours_from: minute(300),
    };
    let one = kept("ping", minute(700), Status::Ok);
    journal.keep_samples(&[one], &retention).unwrap();
    let first: i64 = journal
        .lock()
        .connection
        .query_row("SELECT min(hour) FROM hours", [], |row| row.get(0))
        .unwrap();
    assert_eq!(first, minute(240).timestamp_millis());
}

#[test]
fn another_checks_samples_are_left_alone() {
    let folder = TempDir::new().unwrap();
    let journal = SqliteJournal::open(folder.path().join("journal.db")).unwrap();
    let other: Vec<Kept> = (0..100)
        .map(|index| kept("other", minute(index), Status::Ok))
        .collect();
    journal
        .keep_samples(&other, &folding(DateTime::UNIX_EPOCH))
        .unwrap();
    let one = kept("ping", minute(100), Status::Ok);
    journal.keep_samples(&[one], &folding(minute(99))).unwrap();
    assert_eq!(all(&journal, "other").1, 100);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]
    #[test]
    fn folding_at_any_moments_counts_each_look_once(
        looks in prop::collection::btree_map(0_i64..3000, 0_usize..5, 1..200),
        cuts in prop::collection::vec(0_i64..3000, 1..6),
    ) {
        const LOOKS: [Status; 5] =
            [Status::Ok, Status::Warning, Status::Critical, Status::Unknown, Status::Affected];
        let folder = TempDir::new().unwrap();
        let journal = SqliteJournal::open(folder.path().join("journal.db")).unwrap();
        let all_looks: Vec<Kept> = looks
            .iter()
            .map(|(at, look)| kept("ping", minute(*at), LOOKS[*look]))
            .collect();
        let mut expected = Tally::default();
        for (part, cut) in all_looks.chunks(50).zip(cuts.iter().cycle()) {
            part.iter().for_each(|(_, sample, _)| expected.add(sample));
            journal.keep_samples(part, &folding(minute(*cut))).unwrap();
            prop_assert_eq!(&all(&journal, "ping").0, &expected);
        }
    }
}

#[test]
fn a_file_of_format_2_gets_the_tables_that_came_later() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    drop(SqliteJournal::open(&path).unwrap());
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "DROP TABLE series; DROP TABLE samples; DROP TABLE hours; DROP TABLE outages;
             DROP TABLE baselines; DROP TABLE baseline_checks; DROP TABLE measures; DROP TABLE readings; PRAGMA user_version = 2;",
        )
        .unwrap();
    let old = SqliteJournal::open_read_only(&path).unwrap();
    assert_eq!(all(&old, "ping").1, 0);
    assert_eq!(old.outages(&series("ping"), ever()).unwrap(), []);
    assert_eq!(old.baselines("project", "").unwrap(), []);
    assert_eq!(old.states(&[series("ping")]).unwrap(), [None]);
    drop(old);
    let journal = SqliteJournal::open(&path).unwrap();
    let one = kept("ping", minute(0), Status::Ok);
    journal
        .keep_samples(&[one], &folding(DateTime::UNIX_EPOCH))
        .unwrap();
    assert_eq!(all(&journal, "ping").1, 1);
}

#[test]
fn a_store_that_is_only_read_keeps_nothing_and_says_so() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    drop(SqliteJournal::open(&path).unwrap());
    let journal = SqliteJournal::open_read_only(&path).unwrap();
    let one = kept("ping", minute(0), Status::Ok);
    let error = journal.keep_samples(&[one], &folding(DateTime::UNIX_EPOCH));
    assert!(matches!(error, Err(JournalError::Unwritable { .. })));
    assert_eq!(all(&journal, "ping").1, 0);
}

#[test]
fn a_full_disk_keeps_all_of_them_or_none() {
    let folder = TempDir::new().unwrap();
    let journal = SqliteJournal::open(folder.path().join("journal.db")).unwrap();
    let limit = |pages: i64| {
        let state = journal.lock();
        let limit = format!("PRAGMA max_page_count = {pages}");
        state.connection.query_row(&limit, [], |_| Ok(())).unwrap();
    };
    let many: Vec<Kept> = (0..5000)
        .map(|index| kept("ping", minute(index), Status::Ok))
        .collect();
    limit(1);
    let error = journal
        .keep_samples(&many, &folding(minute(4000)))
        .unwrap_err();
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert_eq!(all(&journal, "ping").1, 0);
    limit(1_000_000);
    journal.keep_samples(&many, &folding(minute(4000))).unwrap();
    assert_eq!(all(&journal, "ping").0.count(), 5000);
}

/// Not a test of its own: what a copy of the test program does that another test starts.
#[test]
fn copy_keeps_samples() {
    let Some(path) = std::env::var_os(FILE) else {
        return;
    };
    let journal = SqliteJournal::open(path).unwrap();
    let shift = TimeDelta::milliseconds(i64::from(std::process::id()));
    for index in 0..200 {
        let at = minute(index) + shift;
        let one = [kept("ping", at, Status::Ok)];
        journal.keep_samples(&one, &folding(minute(150))).unwrap();
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "a process that dies at once is what this is for"
    )]
    std::process::abort();
}

#[test]
fn processes_that_keep_samples_at_once_and_die_lose_none_and_count_none_twice() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    let children: Vec<_> = (0..3)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "store::sqlite::samples_tests::copy_keeps_samples",
                ])
                .env(FILE, &path)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(!child.wait().unwrap().success(), "it dies by its own hand");
    }
    let journal = SqliteJournal::open(&path).unwrap();
    let (tally, looks) = all(&journal, "ping");
    assert_eq!(tally.count(), 600);
    assert!(looks < 600, "some of them folded");
}

#[test]
fn a_writer_that_is_killed_in_the_middle_of_a_transaction_leaves_what_was_before() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "store::sqlite::samples_tests::copy_dies_while_it_folds",
        ])
        .env(FILE, &path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!child.success());
    let journal = SqliteJournal::open(&path).unwrap();
    let (tally, looks) = all(&journal, "ping");
    assert_eq!((tally.count(), looks), (300, 300), "nothing was folded");
}

/// Not a test of its own either.
#[test]
fn copy_dies_while_it_folds() {
    let Some(path) = std::env::var_os(FILE) else {
        return;
    };
    let journal = SqliteJournal::open(path).unwrap();
    let many: Vec<Kept> = (0..300)
        .map(|index| kept("ping", minute(index), Status::Ok))
        .collect();
    journal
        .keep_samples(&many, &folding(DateTime::UNIX_EPOCH))
        .unwrap();
    let mut state = journal.lock();
    let transaction = state.connection.transaction().unwrap();
    let mut left = 200;
    super::hours::fold(&transaction, 1, &folding(minute(250)), &mut left).unwrap();
    assert_eq!(left, 0);
    #[expect(
        clippy::disallowed_methods,
        reason = "a process that dies at once is what this is for"
    )]
    std::process::abort();
}
