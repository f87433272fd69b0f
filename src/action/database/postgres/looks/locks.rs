//! Who waits for whom, as a tree: blockers before those that they keep waiting.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::action::database::system::{Question, Report};
use crate::base::text::{count, one_line};
use crate::engine::ActionError;
use crate::platform::rows::Rows;

use super::{Row, limited, seconds, text, with_statements_in_line};
use crate::action::database::postgres::PostgresSystem;

/// Whom each process waits for; nobody for who does not wait.
type Waits = BTreeMap<i64, BTreeSet<i64>>;

impl PostgresSystem {
    pub(in super::super) async fn locks(&self, question: &Question) -> Result<Report, ActionError> {
        let found = self.ask(include_str!("locks.sql"), &[]).await?;
        let truncated = found.truncated;
        let over = question.over.map_or(0.0, |over| over.as_secs_f64());
        let mut known: BTreeMap<i64, Row> = BTreeMap::new();
        let mut waits = Waits::new();
        let mut prepared = Vec::new();
        for mut row in found.rows {
            let pid = row["pid"].as_i64().unwrap_or_default();
            waits.insert(pid, blockers(&mut row));
            prepared.append(&mut names(&mut row));
            known.insert(pid, row);
        }
        let long = |pid: &i64| {
            known[pid]["seconds"]
                .as_f64()
                .is_some_and(|waited| waited > over)
        };
        let waits = concerned(&waits, long);
        let longest = waits
            .iter()
            .filter(|(_, blockers)| !blockers.is_empty())
            .filter_map(|(pid, _)| known[pid]["seconds"].as_f64())
            .fold(0.0, f64::max);
        let mut rows: Vec<Row> = tree(&waits)
            .into_iter()
            .map(|(depth, pid)| {
                let mut row = Row::from_iter([("depth".to_owned(), json!(depth))]);
                row.extend(known.remove(&pid).unwrap_or_default());
                row
            })
            .collect();
        let unseen = with_statements_in_line(&mut rows);
        let problems = problems(&rows, &waits);
        let roots = roots(&rows, &waits);
        let waiting = match problems.len() {
            0 => "nobody waits".to_owned(),
            number => format!(
                "{} waiting, the longest for {}",
                count(number, "session"),
                seconds(longest)
            ),
        };
        let (rows, more) = limited(
            Rows {
                rows,
                truncated,
                ..Rows::default()
            },
            question.limit,
        );
        Ok(Report {
            detail: format!("{waiting}{more}{unseen}"),
            rows,
            problems,
            further: vec![
                ("longest_wait", json!(longest)),
                ("blocked_by", json!(in_words(&roots, &prepared))),
                ("roots", json!(roots)),
            ],
            ..Report::default()
        })
    }
}

/// Takes whom a session waits for out of its row.
fn blockers(row: &mut Row) -> BTreeSet<i64> {
    let blockers = row.remove("blocked_by").unwrap_or_default();
    let blockers = blockers.as_array().into_iter().flatten();
    blockers.filter_map(Value::as_i64).collect()
}

/// Takes the names of the prepared transactions, quoted for SQL, out of the row that stands for them.
fn names(row: &mut Row) -> Vec<String> {
    let names = row.remove("prepared").unwrap_or_default();
    let names = names.as_array().into_iter().flatten();
    names.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// How many prepared transactions are named in a sentence.
const MOST_NAMES: usize = 3;

/// Who keeps most others waiting, how many block others beside it, and what ends a prepared transaction; nothing where nobody
/// blocks. The server does not tell which of several prepared ones it is.
fn in_words(roots: &[Row], prepared: &[String]) -> Option<String> {
    let (first, others) = roots.split_first()?;
    let pid = first["pid"].as_i64().unwrap_or_default();
    let waiting = first["waiting"].as_u64().unwrap_or_default();
    let waiting = count(usize::try_from(waiting).unwrap_or(usize::MAX), "other");
    let besides = match others.len() {
        0 => String::new(),
        1 => ", and 1 other blocks others".to_owned(),
        number => format!(", and {number} others block others"),
    };
    let who = match (pid, text(first, "user")) {
        (0, _) => "a prepared transaction".to_owned(),
        // A process of the server itself.
        (_, user) if user.is_empty() => format!("session {pid}"),
        (_, user) => format!("session {pid} of {user}"),
    };
    // One that a line cannot hold as it is would be another name there.
    let is_plain = prepared.iter().all(|name| one_line(name) == *name);
    let end = match (pid, prepared) {
        (1.., _) => String::new(),
        (_, [only]) if is_plain => {
            format!(": ROLLBACK PREPARED {only} or COMMIT PREPARED {only} ends it")
        }
        (_, several @ [_, ..]) if is_plain && several.len() <= MOST_NAMES => {
            let names = several.join(", ");
            format!(": ROLLBACK PREPARED or COMMIT PREPARED ends it, it is one of {names}")
        }
        _ => ": ROLLBACK PREPARED or COMMIT PREPARED ends it, pg_prepared_xacts tells its name"
            .to_owned(),
    };
    Some(format!("{who} keeps {waiting} waiting{besides}{end}"))
}

fn problems(rows: &[Row], waits: &Waits) -> Vec<String> {
    let lines = rows.iter().filter_map(|row| {
        let pid = row["pid"].as_i64()?;
        let blockers = waits.get(&pid).filter(|blockers| !blockers.is_empty())?;
        let blockers: Vec<String> = blockers.iter().map(i64::to_string).collect();
        let waited = seconds(row["seconds"].as_f64().unwrap_or_default());
        let (relation, blockers) = (text(row, "relation"), blockers.join(", "));
        Some(format!("{pid} waits {waited} for {blockers}: {relation}"))
    });
    lines.collect()
}

/// Those who come before all others, with how many wait behind each of them: who keeps most waiting first, of several the
/// one that is longest at it.
fn roots(rows: &[Row], waits: &Waits) -> Vec<Row> {
    let first = rows.iter().filter(|row| row["depth"] == 0);
    let mut roots: Vec<(usize, &Row)> = first
        .map(|row| (behind(waits, row["pid"].as_i64().unwrap_or_default()), row))
        .collect();
    let seconds = |row: &Row| row["seconds"].as_f64().unwrap_or_default();
    roots.sort_by(|(fewer, one), (more, other)| {
        let longest = || seconds(other).total_cmp(&seconds(one));
        more.cmp(fewer).then_with(longest)
    });
    let told = ["pid", "user", "application", "state", "seconds", "query"];
    let roots = roots.into_iter().map(|(waiting, row)| {
        let cells = told.map(|name| (name.to_owned(), row[name].clone()));
        Row::from_iter(
            cells
                .into_iter()
                .chain([("waiting".to_owned(), json!(waiting))]),
        )
    });
    roots.collect()
}

/// How many others wait for one, or for others that do.
fn behind(waits: &Waits, root: i64) -> usize {
    let mut kept_waiting = BTreeSet::new();
    let mut open = vec![root];
    while let Some(blocker) = open.pop() {
        let waiters = waits.iter().filter(|(_, by)| by.contains(&blocker));
        let waiters = waiters.map(|(waiter, _)| *waiter);
        open.extend(waiters.filter(|waiter| *waiter != root && kept_waiting.insert(*waiter)));
    }
    kept_waiting.len()
}

/// Those who wait long enough, and all who keep them waiting, directly or not.
fn concerned(waits: &Waits, is_long: impl Fn(&i64) -> bool) -> Waits {
    let is_waiting =
        |(pid, blockers): &(&i64, &BTreeSet<i64>)| !blockers.is_empty() && is_long(pid);
    let mut open: Vec<i64> = waits
        .iter()
        .filter(is_waiting)
        .map(|(pid, _)| *pid)
        .collect();
    let mut kept = Waits::new();
    while let Some(pid) = open.pop() {
        let Some(blockers) = waits.get(&pid) else {
            continue;
        };
        if kept.insert(pid, blockers.clone()).is_none() {
            open.extend(blockers);
        }
    }
    kept
}

/// Every process once, depth first, each behind all whom it waits for. Where they wait in a circle, which the server breaks
/// by itself soon, one of them comes first.
fn tree(waits: &Waits) -> Vec<(usize, i64)> {
    let mut missing: BTreeMap<i64, usize> = waits
        .iter()
        .map(|(pid, blockers)| {
            (
                *pid,
                blockers.iter().filter(|by| waits.contains_key(by)).count(),
            )
        })
        .collect();
    let mut order = Vec::with_capacity(waits.len());
    while let Some(first) = next(waits, &missing) {
        missing.remove(&first);
        let mut open = vec![(0, first)];
        while let Some((depth, pid)) = open.pop() {
            order.push((depth, pid));
            let kept_waiting = waits
                .iter()
                .rev()
                .filter(|(_, blockers)| blockers.contains(&pid));
            for (waiter, _) in kept_waiting {
                let Some(left) = missing.get_mut(waiter) else {
                    continue;
                };
                *left -= 1;
                if *left == 0 {
                    missing.remove(waiter);
                    open.push((depth + 1, *waiter));
                }
            }
        }
    }
    order
}

/// Of those who are left: one who waits for nobody, else one of a circle.
fn next(waits: &Waits, missing: &BTreeMap<i64, usize>) -> Option<i64> {
    let free = missing.iter().find(|(_, left)| **left == 0);
    if let Some((pid, _)) = free {
        return Some(*pid);
    }
    let mut pid = *missing.keys().next()?;
    let mut seen = BTreeSet::new();
    while seen.insert(pid) {
        pid = *waits
            .get(&pid)?
            .iter()
            .find(|by| missing.contains_key(by))?;
    }
    Some(pid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{Row, Waits, behind, concerned, in_words, names, roots, tree};
    use crate::action::database::system::row;

    fn waits(pairs: &[(i64, &[i64])]) -> Waits {
        let pairs = pairs.iter();
        pairs
            .map(|(pid, by)| (*pid, by.iter().copied().collect()))
            .collect()
    }

    #[test]
    fn a_chain_and_a_fork_are_told_from_their_root() {
        let chain = waits(&[(1, &[2]), (2, &[3]), (3, &[])]);
        assert_eq!(tree(&chain), [(0, 3), (1, 2), (2, 1)]);
        let fork = waits(&[(1, &[]), (2, &[1]), (3, &[2]), (4, &[1])]);
        assert_eq!(tree(&fork), [(0, 1), (1, 2), (2, 3), (1, 4)]);
    }

    #[test]
    fn who_waits_for_two_comes_behind_both() {
        let both = waits(&[(1, &[]), (2, &[1, 3]), (3, &[])]);
        assert_eq!(tree(&both), [(0, 1), (0, 3), (1, 2)]);
    }

    #[test]
    fn a_circle_ends_and_who_waits_for_it_comes_behind() {
        let circle = waits(&[(1, &[2]), (2, &[3]), (3, &[2])]);
        assert_eq!(tree(&circle), [(0, 2), (1, 1), (1, 3)]);
        assert_eq!(tree(&waits(&[(1, &[1])])), [(0, 1)]);
    }

    #[test]
    fn who_waits_behind_one_is_counted_once_whatever_leads_there() {
        let all = waits(&[(1, &[]), (2, &[1]), (3, &[1]), (4, &[2, 3]), (5, &[])]);
        assert_eq!([1, 2, 4, 5].map(|pid| behind(&all, pid)), [3, 1, 0, 0]);
        let circle = waits(&[(1, &[2]), (2, &[3]), (3, &[2])]);
        assert_eq!([2, 1].map(|pid| behind(&circle, pid)), [2, 0]);
    }

    #[test]
    fn each_root_is_told_by_those_behind_it_and_not_by_all_who_wait() {
        let all = waits(&[
            (1, &[]),
            (2, &[]),
            (3, &[]),
            (4, &[1]),
            (5, &[2]),
            (6, &[2, 3]),
        ]);
        let rows = tree(&all).into_iter().map(|(depth, pid)| {
            row([
                ("depth", json!(depth)),
                ("pid", json!(pid)),
                ("user", json!("app")),
                ("application", json!("shop")),
                ("state", json!("active")),
                ("seconds", json!(pid as f64)),
                ("query", json!("SELECT 1")),
            ])
        });
        let rows: Vec<Row> = rows.collect();
        let told = roots(&rows, &all);
        let told = told.iter().map(|row| (&row["pid"], &row["waiting"]));
        let wanted = [(2, 2), (3, 1), (1, 1)].map(|(pid, waiting)| (json!(pid), json!(waiting)));
        assert!(
            told.eq(wanted.iter().map(|(pid, waiting)| (pid, waiting))),
            "{rows:#?}"
        );
    }

    #[test]
    fn who_blocks_is_told_in_a_sentence() {
        let root = |pid: i64, user: Value, waiting: u64| {
            row([
                ("pid", json!(pid)),
                ("user", user),
                ("waiting", json!(waiting)),
            ])
        };
        let [anna, own] = [root(7, json!("anna"), 2), root(8, Value::Null, 1)];
        let prepared = root(0, Value::Null, 1);
        let names_of = |cell: Value| {
            let mut row = row([("pid", json!(0)), ("prepared", cell)]);
            let names = names(&mut row);
            assert_eq!(row.len(), 1, "it is not shown");
            names
        };
        let [none, one, two, many, broken] = [
            Value::Null,
            json!(["'x1'"]),
            json!(["'x1'", "'x2'"]),
            json!(["'1'", "'2'", "'3'", "'4'"]),
            json!(["'x\n2'"]),
        ]
        .map(names_of);
        assert_eq!(in_words(&[], &none), None);
        for (roots, names, told) in [
            (
                vec![&anna],
                &none,
                "session 7 of anna keeps 2 others waiting",
            ),
            (
                vec![&anna, &prepared],
                &one,
                "session 7 of anna keeps 2 others waiting, and 1 other blocks others",
            ),
            (
                vec![&own, &anna, &prepared],
                &one,
                "session 8 keeps 1 other waiting, and 2 others block others",
            ),
            (
                vec![&prepared],
                &one,
                "a prepared transaction keeps 1 other waiting: ROLLBACK PREPARED 'x1' or COMMIT PREPARED 'x1' ends it",
            ),
            (
                vec![&prepared, &own],
                &two,
                "a prepared transaction keeps 1 other waiting, and 1 other blocks others: \
                 ROLLBACK PREPARED or COMMIT PREPARED ends it, it is one of 'x1', 'x2'",
            ),
            (
                vec![&prepared],
                &many,
                "a prepared transaction keeps 1 other waiting: \
                 ROLLBACK PREPARED or COMMIT PREPARED ends it, pg_prepared_xacts tells its name",
            ),
            (
                vec![&prepared],
                &broken,
                "a prepared transaction keeps 1 other waiting: \
                 ROLLBACK PREPARED or COMMIT PREPARED ends it, pg_prepared_xacts tells its name",
            ),
        ] {
            let roots: Vec<Row> = roots.into_iter().cloned().collect();
            assert_eq!(in_words(&roots, names).as_deref(), Some(told));
        }
    }

    #[test]
    fn only_those_who_wait_long_are_told_with_their_blockers() {
        let all = waits(&[(1, &[2]), (2, &[3]), (3, &[]), (4, &[5]), (5, &[])]);
        assert_eq!(
            concerned(&all, |pid| *pid == 1),
            waits(&[(1, &[2]), (2, &[3]), (3, &[])])
        );
        assert_eq!(concerned(&all, |pid| *pid == 3), Waits::new());
    }

    proptest! {
        #[test]
        fn everybody_is_told_once_and_behind_their_blockers(
            pairs in proptest::collection::vec((0_i64..12, 0_i64..12), 0..30),
            may_circle in any::<bool>(),
        ) {
            let mut all = Waits::new();
            for (one, other) in pairs {
                let (waiter, blocker) = if may_circle { (one, other) } else { (one.max(other), one.min(other)) };
                all.entry(blocker).or_default();
                if may_circle || waiter != blocker {
                    all.entry(waiter).or_default().insert(blocker);
                }
            }
            let told: Vec<i64> = tree(&all).into_iter().map(|(_, pid)| pid).collect();
            let mut sorted = told.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, all.keys().copied().collect::<Vec<_>>());
            if !may_circle {
                let place = |pid: i64| told.iter().position(|known| *known == pid);
                for (waiter, blockers) in &all {
                    prop_assert!(blockers.iter().all(|blocker| place(*blocker) < place(*waiter)));
                }
            }
        }
    }
}
