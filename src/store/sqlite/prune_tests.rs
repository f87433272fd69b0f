//! What is taken out of a journal, what is kept, and that it can still be proved; and what is handed out of it.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::{Exported, Prune, SqliteJournal, chain};
use crate::base::{Effect, RunId, Verdict};
use crate::engine::{Durability, Journal as _};
use crate::event::{ApprovalRequested, Envelope, Event, Source, sample};

/// A moment so many days after the first.
fn day(number: i64) -> DateTime<Utc> {
    sample::at(0) + TimeDelta::days(number)
}

/// A run of that day with these events behind its start.
fn run_of(
    journal: &SqliteJournal,
    number: i64,
    effect: Effect,
    dry: bool,
    rest: Vec<Event>,
) -> RunId {
    let run = journal.begin().unwrap();
    let text = format!("title = '{number}'\n");
    let digest = chain::sha256(&text);
    journal.keep_source(&digest, &text).unwrap();
    let mut start = sample::run_started(&[]);
    (start.effect, start.dry) = (effect, dry);
    start.sources = vec![Source {
        runbook: None,
        file: "opsbook.toml".to_owned(),
        digest,
    }];
    let mut events = vec![Event::RunStarted(start)];
    events.extend(rest);
    let stream: Vec<Envelope> = sample::stream_of(run, events)
        .into_iter()
        .map(|envelope| Envelope {
            at: day(number),
            ..envelope
        })
        .collect();
    journal.append(&stream, Durability::Durable).unwrap();
    run
}

fn ended(exit: u8) -> Vec<Event> {
    vec![sample::run_finished(Verdict::Ok, exit, "")]
}

fn wish(before: i64) -> Prune {
    Prune {
        before: day(before),
        dry: false,
        now: day(before),
        user: "operator".to_owned(),
        host: "host.example.com".to_owned(),
    }
}

fn numbers(journal: &SqliteJournal) -> Vec<u64> {
    let rows = journal.runs(100, None).unwrap();
    rows.iter().rev().map(|row| row.run.0).collect()
}

fn open(folder: &Path) -> SqliteJournal {
    SqliteJournal::open(folder.join("journal.db")).unwrap()
}

#[test]
fn old_runs_are_taken_out_and_the_chain_goes_on_over_the_gaps() {
    let folder = TempDir::new().unwrap();
    let journal = open(folder.path());
    for number in 1..=9 {
        run_of(&journal, number, Effect::Write, false, ended(0));
    }
    let earlier = journal.verify(None).unwrap().head;
    let counted = journal
        .prune(&Prune {
            dry: true,
            ..wish(4)
        })
        .unwrap();
    assert_eq!((counted.runs, counted.events, counted.head), (3, 6, None));
    assert_eq!(numbers(&journal).len(), 9, "it was only counted");

    let pruned = journal.prune(&wish(4)).unwrap();
    assert_eq!((pruned.runs, pruned.events), (3, 6));
    assert_eq!(numbers(&journal), [4, 5, 6, 7, 8, 9]);
    let verified = journal.verify(earlier.as_ref()).unwrap();
    assert_eq!(verified.wrong, Vec::<String>::new());
    assert_eq!(verified.pruned, 6);
    assert_eq!((verified.runs, verified.sources), (6, 6));
    assert_eq!(verified.head, pruned.head);

    journal.prune(&wish(8)).unwrap();
    let nothing = journal.prune(&wish(8)).unwrap();
    assert_eq!((nothing.runs, nothing.head), (0, None));
    let verified = journal.verify(earlier.as_ref()).unwrap();
    assert_eq!(verified.wrong, Vec::<String>::new());
    assert_eq!(numbers(&journal), [8, 9]);
    assert_eq!(
        journal.begin().unwrap(),
        RunId(10),
        "no number is given twice"
    );

    let told = journal.events(RunId(0)).unwrap();
    assert!(
        matches!(&told[1].event, Event::JournalPruned(pruned) if pruned.runs == 4 && pruned.gaps.len() == 1)
    );
}

#[test]
fn all_runs_may_be_taken_out() {
    let folder = TempDir::new().unwrap();
    let journal = open(folder.path());
    for number in 1..=3 {
        run_of(&journal, number, Effect::Write, false, ended(0));
    }
    let earlier = journal.verify(None).unwrap().head;
    assert_eq!(journal.prune(&wish(9)).unwrap().runs, 3);
    let verified = journal.verify(earlier.as_ref()).unwrap();
    assert_eq!(verified.wrong, Vec::<String>::new());
    assert_eq!(
        (verified.events, verified.pruned, verified.sources),
        (1, 6, 0)
    );
}

#[test]
fn what_is_taken_out_without_a_word_is_still_found_beside_a_prune() {
    let folder = TempDir::new().unwrap();
    let journal = open(folder.path());
    for number in 1..=5 {
        run_of(&journal, number, Effect::Write, false, ended(0));
    }
    journal.prune(&wish(3)).unwrap();
    let file = rusqlite::Connection::open(folder.path().join("journal.db")).unwrap();
    file.execute_batch("DELETE FROM events WHERE run = 3; DELETE FROM runs WHERE run = 3")
        .unwrap();
    let wrong = journal.verify(None).unwrap().wrong;
    assert!(wrong[0].contains("the positions 1 to 6"), "{wrong:?}");
}

#[test]
fn runs_that_may_be_resumed_are_kept_and_named() {
    let folder = TempDir::new().unwrap();
    let journal = open(folder.path());
    let asked = Event::ApprovalRequested(ApprovalRequested {
        effect: Effect::Write,
        because: "a rule".to_owned(),
    });
    let waiting = || {
        vec![
            asked.clone(),
            sample::run_finished(Verdict::Unknown, 75, ""),
        ]
    };
    let run = |effect, dry, rest| run_of(&journal, 1, effect, dry, rest);
    let kept = [
        run(Effect::Write, false, Vec::new()),
        run(Effect::Write, false, ended(4)),
        run(Effect::Destroy, false, ended(130)),
        run(Effect::Write, false, ended(143)),
        run(Effect::Write, false, waiting()),
    ];
    run(Effect::Write, false, ended(2));
    run(Effect::Write, false, ended(75));
    run(Effect::Read, false, Vec::new());
    run(Effect::Read, false, ended(130));
    run(Effect::Write, true, Vec::new());
    let young = run_of(&journal, 8, Effect::Read, false, ended(0));
    journal.begin().unwrap();

    let pruned = journal.prune(&wish(5)).unwrap();
    assert_eq!(pruned.kept, kept);
    assert_eq!(pruned.runs, 5);
    let left: Vec<u64> = kept.iter().chain([&young]).map(|run| run.0).collect();
    assert_eq!(numbers(&journal), left);
    assert_eq!(journal.verify(None).unwrap().wrong, Vec::<String>::new());
}

#[test]
fn a_run_that_began_long_ago_and_ended_just_now_is_young() {
    let folder = TempDir::new().unwrap();
    let journal = open(folder.path());
    let run = run_of(&journal, 1, Effect::Write, false, Vec::new());
    let mut end = sample::stream_of(run, vec![sample::started(&[]), ended(0).remove(0)]).remove(1);
    end.at = day(9);
    journal.append(&[end], Durability::Durable).unwrap();
    assert_eq!(journal.prune(&wish(5)).unwrap().runs, 0);
}

fn lines(journal: &SqliteJournal, wish: Exported) -> Vec<String> {
    let mut lines = Vec::new();
    let done = journal.export(wish, &mut |line| {
        lines.push(line.to_owned());
        Ok(())
    });
    done.unwrap().unwrap();
    lines
}

/// What docs/journal.md tells to do with a line.
fn hash_of(line: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap();
    let text = |key: &str| match &value[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let body = line.split_once(",\"event\":").unwrap().1;
    let body = body.strip_suffix('}').unwrap();
    let columns = ["previous", "run", "seq", "version", "type", "at"].map(text);
    let hash = Sha256::digest(format!("{}\n{body}", columns.join("\n")));
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn each_exported_line_proves_itself_and_leads_to_the_next() {
    let folder = TempDir::new().unwrap();
    let journal = open(folder.path());
    for number in 1..=6 {
        run_of(&journal, number, Effect::Write, false, ended(0));
    }
    journal.prune(&wish(3)).unwrap();
    let all = lines(&journal, Exported::All);
    let (events, sources): (Vec<_>, Vec<_>) =
        all.iter().partition(|line| line.contains("\"position\""));
    assert_eq!((events.len(), sources.len()), (9, 4));
    let mut before = None;
    for line in events {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["hash"], hash_of(line), "{line}");
        assert!(before.is_none() || before.as_ref() == Some(&value["previous"]));
        assert_eq!(value["type"], value["event"]["type"]);
        before = Some(value["hash"].clone());
    }
    let head = journal.verify(None).unwrap().head.unwrap();
    assert_eq!(before, Some(Value::from(head.to_string())));
    for line in sources {
        let value: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            value["source"],
            chain::sha256(value["text"].as_str().unwrap())
        );
    }

    let one = lines(&journal, Exported::Run(RunId(4)));
    assert_eq!(one.len(), 3);
    assert!(one.iter().all(|line| all.contains(line)));
    assert_eq!(lines(&journal, Exported::Since(day(5))).len(), 6);
    assert!(lines(&journal, Exported::Run(RunId(1))).is_empty());
}
