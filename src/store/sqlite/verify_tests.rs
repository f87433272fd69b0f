//! Whatever is done to a journal behind its back is found.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;

use super::chain::{self, ChainHash, Link};
use super::{SqliteJournal, Verified, schema};
use crate::base::{ProcessMark, RunId, Status, Verdict};
use crate::engine::{Durability, Journal as _, JournalError};
use crate::event::{Envelope, Event, Resumption, RunResumed, Source, sample};

const TEXT: &str = "title = \"Delete old rows\"\n";

fn source() -> Source {
    Source {
        runbook: Some("db/prune".to_owned()),
        file: "runbooks/db/prune.toml".to_owned(),
        digest: chain::sha256(TEXT),
    }
}

/// What run 1, 2 and 3 did: one ended, one went on, one was cut off.
fn streams() -> Vec<Vec<Envelope>> {
    let start = || {
        let mut start = sample::run_started(&["a"]);
        start.sources = vec![source()];
        Event::RunStarted(start)
    };
    let resumed = Event::RunResumed(RunResumed {
        what: Resumption::Resume,
        user: "operator".to_owned(),
        host: "host.example.com".to_owned(),
        pid: 1,
        process: ProcessMark::default(),
        opsbook: "0.1.0".to_owned(),
        in_doubt: Vec::new(),
        changed: vec![source()],
        reason: None,
        incident: None,
    });
    let end = |verdict, exit| sample::run_finished(verdict, exit, "a: why");
    let (began, ended) = (sample::step_started("a"), sample::finished("a", Status::Ok));
    vec![
        sample::stream_of(RunId(1), vec![start(), ended.clone(), end(Verdict::Ok, 0)]),
        sample::stream_of(
            RunId(2),
            vec![
                start(),
                end(Verdict::Unknown, 130),
                resumed,
                ended,
                end(Verdict::Warning, 1),
            ],
        ),
        sample::stream_of(RunId(3), vec![start(), began]),
    ]
}

/// A journal with these runs, closed: all of it is in the one file.
fn filled(folder: &Path) -> PathBuf {
    let path = folder.join("journal.db");
    let journal = SqliteJournal::open(&path).unwrap();
    for stream in streams() {
        journal.begin().unwrap();
        journal.keep_source(&source().digest, TEXT).unwrap();
        for envelope in stream {
            journal.append(&[envelope], Durability::Durable).unwrap();
        }
    }
    drop(journal);
    path
}

fn verify(path: &Path) -> Verified {
    let journal = SqliteJournal::open_read_only(path).unwrap();
    journal.verify(None).unwrap()
}

/// A copy of a journal to which this was done behind its back.
fn after(path: &Path, sql: &str) -> PathBuf {
    let copy = path.with_file_name("copy.db");
    let _ = fs::remove_file(&copy);
    fs::copy(path, &copy).unwrap();
    let connection = Connection::open(&copy).unwrap();
    connection.execute_batch(sql).unwrap();
    drop(connection);
    copy
}

#[test]
fn what_was_written_is_whole() {
    let folder = TempDir::new().unwrap();
    let path = filled(folder.path());
    let verified = verify(&path);
    assert_eq!(verified.wrong, Vec::<String>::new());
    let counts = (verified.events, verified.runs, verified.sources);
    assert_eq!(counts, (10, 3, 1));
    assert!(verified.head.is_some());

    let empty = folder.path().join("empty.db");
    drop(SqliteJournal::open(&empty).unwrap());
    assert_eq!(verify(&empty), Verified::default());
}

/// Each is one thing that somebody might do, and what is said of it.
const TAMPERING: &[(&str, &str)] = &[
    (
        "UPDATE events SET body = replace(body, 'warning', 'ok') WHERE run = 2 AND seq = 4",
        "event 4 of run 2 (position 8) is not what was written",
    ),
    (
        "UPDATE events SET at = '2026-11-20T03:00:09Z' WHERE run = 1 AND seq = 1",
        "event 1 of run 1 (position 2) is not what was written",
    ),
    (
        "UPDATE events SET type = type || char(10) WHERE position = 2",
        "event 1 of run 1 (position 2) is not what was written",
    ),
    (
        "UPDATE events SET hash = zeroblob(32) WHERE position = 5",
        "event 1 of run 2 (position 5) is not what was written",
    ),
    (
        "UPDATE events SET hash = x'00' WHERE position = 5",
        "the events cannot be read",
    ),
    (
        "UPDATE events SET body = CAST(body AS BLOB) WHERE position = 5",
        "the events cannot be read",
    ),
    (
        "DELETE FROM events WHERE position = 5",
        "the events at the positions 5 to 5, before event 2 of run 2 (position 6), are missing",
    ),
    (
        "DELETE FROM events WHERE run = 1; DELETE FROM runs WHERE run = 1",
        "the events at the positions 1 to 3, before event 0 of run 2 (position 4), are missing",
    ),
    (
        "DELETE FROM events WHERE run = 3; DELETE FROM runs WHERE run = 3",
        "the journal ends at position 8, and had been written up to 10",
    ),
    (
        "DELETE FROM events WHERE position = 10;
         INSERT INTO events SELECT 11, 3, 1, version, type, at, body, hash FROM events WHERE position = 5",
        "the events at the positions 10 to 10",
    ),
    (
        "UPDATE sqlite_sequence SET seq = 9 WHERE name = 'events'",
        "had been written up to 9",
    ),
    (
        "UPDATE events SET position = -1 WHERE position = 4; UPDATE events SET position = 4 WHERE position = 5;
         UPDATE events SET position = 5 WHERE position = -1",
        "event 1 of run 2 (position 4) is not what was written",
    ),
    (
        "UPDATE runs SET verdict = 'ok', exit = 0 WHERE run = 2",
        "the list of runs has another verdict of run 2 than its events",
    ),
    (
        "UPDATE runs SET user = 'nobody' WHERE run = 3",
        "another user of run 3",
    ),
    (
        "UPDATE runs SET exit = 0 WHERE run = 3",
        "another exit of run 3",
    ),
    (
        "UPDATE runs SET took_ms = 1 WHERE run = 1",
        "another took_ms of run 1",
    ),
    (
        "UPDATE runs SET runbook = NULL WHERE run = 2",
        "run 2 has events, and is not in the list of runs",
    ),
    (
        "DELETE FROM runs WHERE run = 3",
        "run 3 has events, and is not in the list of runs",
    ),
    (
        "INSERT INTO runs SELECT 9, runbook, started_at, verdict, exit, took_ms, user, reason, dry FROM runs WHERE run = 1",
        "run 9 is in the list of runs, and has no events",
    ),
    (
        "UPDATE sources SET text = text || ' '",
        "is not the text that was kept",
    ),
    ("DELETE FROM sources", "a source of run 2 is missing"),
    (
        "UPDATE sources SET digest = 'ab'",
        "the source ab is not the text that was kept",
    ),
];

#[test]
fn what_was_done_behind_its_back_is_found_and_named() {
    let folder = TempDir::new().unwrap();
    let path = filled(folder.path());
    for (sql, said) in TAMPERING {
        let verified = verify(&after(&path, sql));
        assert!(
            verified.wrong.iter().any(|wrong| wrong.contains(said)),
            "{sql}\n{:#?}",
            verified.wrong
        );
    }
}

#[test]
fn what_is_wrong_is_told_up_to_a_bound_and_the_rest_is_counted() {
    let folder = TempDir::new().unwrap();
    let path = filled(folder.path());
    let verified = verify(&after(
        &path,
        "UPDATE events SET at = 'x'; UPDATE runs SET user = 'x', reason = 'x', dry = 1, took_ms = 7, started_at = 'x'",
    ));
    assert_eq!((verified.wrong.len(), verified.more), (20, 2));
}

/// Who can write the file can write the whole chain anew. A head that was noted elsewhere shows it.
#[test]
fn an_earlier_head_shows_a_chain_that_was_written_anew() {
    let folder = TempDir::new().unwrap();
    let path = filled(folder.path());
    let earlier = verify(&path).head.unwrap();
    let journal = SqliteJournal::open(&path).unwrap();
    let run = journal.begin().unwrap();
    let stream = sample::stream_of(run, vec![sample::started(&[])]);
    journal.append(&stream, Durability::Durable).unwrap();
    let verified = journal.verify(Some(&earlier)).unwrap();
    assert_eq!(verified.wrong, Vec::<String>::new());
    assert_ne!(verified.head, Some(earlier));
    drop(journal);

    let forged = after(
        &path,
        "UPDATE events SET body = replace(body, 'operator', 'nobody') WHERE position = 1;
        UPDATE runs SET user = 'nobody' WHERE run = 1",
    );
    let connection = Connection::open(&forged).unwrap();
    write_anew(&connection);
    drop(connection);
    let journal = SqliteJournal::open_read_only(&forged).unwrap();
    assert!(
        journal.verify(None).unwrap().is_whole(),
        "no chain shows that by itself"
    );
    let verified = journal.verify(Some(&earlier)).unwrap();
    assert!(
        verified.wrong[0].contains("no event has the hash"),
        "{:?}",
        verified.wrong
    );
}

fn write_anew(connection: &Connection) {
    let mut select = connection
        .prepare("SELECT position, run, seq, version, type, at, body FROM events ORDER BY position")
        .unwrap();
    let mut rows = select.query([]).unwrap();
    let mut hash = ChainHash::START;
    while let Some(row) = rows.next().unwrap() {
        hash = hash.then(&Link {
            run: row.get(1).unwrap(),
            seq: row.get(2).unwrap(),
            version: row.get(3).unwrap(),
            kind: row.get_ref(4).unwrap().as_str().unwrap(),
            at: row.get_ref(5).unwrap().as_str().unwrap(),
            body: row.get_ref(6).unwrap().as_str().unwrap(),
        });
        let position: i64 = row.get(0).unwrap();
        connection
            .execute(
                "UPDATE events SET hash = ? WHERE position = ?",
                (hash, position),
            )
            .unwrap();
    }
}

/// All that can be read from a journal: events, list and source.
type Everything = (
    Vec<Vec<Envelope>>,
    Vec<crate::engine::RunRow>,
    Option<String>,
);

fn everything(journal: &SqliteJournal) -> Result<Everything, JournalError> {
    let events: Result<_, _> = (1..=3).map(|run| journal.events(RunId(run))).collect();
    Ok((
        events?,
        journal.runs(10, None)?,
        journal.source(&source().digest)?,
    ))
}

#[test]
fn a_flipped_byte_anywhere_is_told_or_changes_nothing_that_is_read() {
    let folder = TempDir::new().unwrap();
    // Without a log beside it a file is opened a hundred times as fast.
    let path = after(
        &filled(folder.path()),
        "PRAGMA journal_mode = DELETE; VACUUM",
    );
    let bytes = &fs::read(&path).unwrap();
    let original = &everything(&SqliteJournal::open_read_only(&path).unwrap()).unwrap();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let told: usize = std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|part| {
                let copy = path.with_file_name(format!("flipped-{part}.db"));
                let places = (part..bytes.len()).step_by(threads);
                scope.spawn(move || flipped(&copy, bytes, places, original))
            })
            .collect();
        parts.into_iter().map(|part| part.join().unwrap()).sum()
    });
    assert!(told > 1000, "the test itself would not see damage: {told}");
}

/// Flips bytes at these places, one after the other; how often that was told.
fn flipped(
    copy: &Path,
    bytes: &[u8],
    places: impl Iterator<Item = usize>,
    original: &Everything,
) -> usize {
    fs::write(copy, bytes).unwrap();
    let file = fs::File::options().write(true).open(copy).unwrap();
    let is_told = || {
        let verified = SqliteJournal::open_read_only(copy).and_then(|journal| journal.verify(None));
        !verified.is_ok_and(|verified| verified.is_whole())
    };
    let is_the_same = || {
        let read = SqliteJournal::open_read_only(copy).and_then(|journal| everything(&journal));
        read.is_ok_and(|read| read == *original)
    };
    assert!(!is_told() && is_the_same());
    let mut told = 0;
    for at in places {
        // Free space is most of a small file, and one look at each stretch of it is enough.
        let near = &bytes[at.saturating_sub(8)..(at + 8).min(bytes.len())];
        if at % 61 != 0 && near.iter().all(|byte| *byte == 0) {
            continue;
        }
        for flip in [0xff, 1 << (at % 8)] {
            file.write_all_at(&[bytes[at] ^ flip], at as u64).unwrap();
            let is_told = is_told();
            assert!(is_told || is_the_same(), "byte {at} ^ {flip:#x}");
            told += usize::from(is_told);
        }
        file.write_all_at(&bytes[at..=at], at as u64).unwrap();
    }
    told
}

/// A file as the first version made it.
fn of_format_1(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE runs (run INTEGER PRIMARY KEY AUTOINCREMENT, runbook TEXT, started_at TEXT, verdict TEXT,
                exit INTEGER, took_ms REAL, user TEXT, reason TEXT, dry INTEGER);
             CREATE INDEX runs_by_runbook ON runs (runbook, run);
             CREATE TABLE events (run INTEGER NOT NULL, seq INTEGER NOT NULL, version INTEGER NOT NULL,
                type TEXT NOT NULL, at TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run, seq));
             PRAGMA application_id = 0x6f707362; PRAGMA user_version = 1; PRAGMA journal_mode = WAL;",
        )
        .unwrap();
    // Two runs at once: their events lie between each other.
    let started = |run| {
        sample::stream_of(
            RunId(run),
            vec![
                sample::started(&[]),
                sample::run_finished(Verdict::Ok, 0, "fine"),
            ],
        )
    };
    let (one, two) = (started(1), started(2));
    for run in [1, 2] {
        connection
            .execute(
                "INSERT INTO runs VALUES (?, 'db/prune', ?, 'ok', 0, 2000.0, 'operator', 'fine', 0)",
                (run, super::row::written(one[0].at)),
            )
            .unwrap();
    }
    for envelope in [&one[0], &two[0], &two[1], &one[1]] {
        connection
            .execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
                (
                    envelope.run.0.cast_signed(),
                    envelope.seq.cast_signed(),
                    envelope.version,
                    envelope.event.type_name(),
                    super::row::written(envelope.at),
                    serde_json::to_string(&envelope.event).unwrap(),
                ),
            )
            .unwrap();
    }
}

#[test]
fn a_file_of_format_1_is_read_as_it_is_and_brought_up_when_it_is_written() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    of_format_1(&path);
    let bytes = fs::read(&path).unwrap();
    let old = SqliteJournal::open_read_only(&path).unwrap();
    let events = old.events(RunId(2)).unwrap();
    assert_eq!((events.len(), old.runs(9, None).unwrap().len()), (2, 2));
    assert_eq!(old.source("ab").unwrap(), None);
    assert_eq!(old.held().unwrap(), []);
    let refused = old.verify(None).unwrap_err().to_string();
    assert!(refused.contains("format 1 has no chain"), "{refused}");
    drop(old);
    assert_eq!(fs::read(&path).unwrap(), bytes, "reading changes nothing");

    let journal = SqliteJournal::open(&path).unwrap();
    assert_eq!(journal.events(RunId(2)).unwrap(), events);
    let verified = journal.verify(None).unwrap();
    assert_eq!(verified.wrong, Vec::<String>::new());
    assert_eq!((verified.events, verified.runs), (4, 2));
    let run = journal.begin().unwrap();
    assert_eq!(run, RunId(3));
    let stream = sample::stream_of(run, vec![sample::started(&[])]);
    journal.append(&stream, Durability::Durable).unwrap();
    assert_eq!(journal.verify(verified.head.as_ref()).unwrap().events, 5);
    let order: Vec<(i64, i64)> = Connection::open(&path)
        .unwrap()
        .prepare("SELECT run, seq FROM events ORDER BY position")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(order, [(1, 0), (2, 0), (2, 1), (1, 1), (3, 0)]);
    let format: i64 = Connection::open(&path)
        .unwrap()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(format, schema::FORMAT);
}

#[test]
fn a_file_of_format_1_gets_every_table_of_today() {
    let tables = |path: &Path| -> Vec<(String, String)> {
        Connection::open(path)
            .unwrap()
            .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    };
    let folder = TempDir::new().unwrap();
    let (old, new) = (folder.path().join("old.db"), folder.path().join("new.db"));
    of_format_1(&old);
    drop(SqliteJournal::open(&old).unwrap());
    drop(SqliteJournal::open(&new).unwrap());
    let (old, new) = (tables(&old), tables(&new));
    let names = |tables: &[(String, String)]| -> Vec<String> {
        tables.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&old), names(&new));
    for name in [
        "samples",
        "series",
        "hours",
        "outages",
        "baselines",
        "baseline_checks",
    ] {
        let of = |tables: &[(String, String)]| {
            let found = tables.iter().find(|(table, _)| table == name);
            found.map(|(_, sql)| sql.clone())
        };
        assert!(of(&new).is_some(), "{name}");
        assert_eq!(of(&old), of(&new));
    }
}

#[test]
fn of_many_that_open_a_file_of_format_1_at_once_one_brings_it_up() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal.db");
    of_format_1(&path);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| SqliteJournal::open(&path).unwrap().begin().unwrap());
        }
    });
    assert_eq!(verify(&path).events, 4);
}
