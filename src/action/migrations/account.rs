//! The folder beside the ledger: what is applied, what is pending, and where the two disagree.

use serde_json::{Value, json};

use crate::base::text::count;
use crate::engine::{ActionError, Outputs};

use super::folder::{Migration, order};
use super::ledger::{Entry, Ledger};

/// What is known of one migration.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) migration: Option<&'a Migration>,
    pub(super) entry: Option<&'a Entry>,
    pub(super) state: State,
}

/// How the folder and the ledger stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Applied,
    Pending,
    /// Pending, and one with a higher number is applied.
    OutOfOrder,
    /// Applied, and its file is not what was applied.
    Changed,
    /// Begun in no transaction; whether it ended is not known.
    Started,
    /// Applied, and there is no such file.
    Missing,
}

impl State {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::OutOfOrder => "out of order",
            Self::Changed => "changed",
            Self::Started => "started",
            Self::Missing => "missing",
        }
    }

    pub(super) const fn is_pending(self) -> bool {
        matches!(self, Self::Pending | Self::OutOfOrder)
    }

    /// What that means, for who does not know the word.
    const fn detail(self) -> &'static str {
        match self {
            Self::Applied | Self::Pending => "",
            Self::OutOfOrder => "a later one is applied already",
            Self::Changed => "its file is not what was applied",
            Self::Started => "it runs in no transaction, and nobody wrote that it ended",
            Self::Missing => "it is applied, and has no file",
        }
    }
}

/// Every migration of the folder or the ledger, in the order of the folder.
pub(super) fn compare<'a>(
    migrations: &'a [Migration],
    ledger: &'a Ledger,
) -> Result<Vec<Line<'a>>, ActionError> {
    let last = migrations
        .iter()
        .rposition(|migration| ledger.entry(migration).is_some());
    let mut lines = Vec::with_capacity(migrations.len());
    for (position, migration) in migrations.iter().enumerate() {
        let entry = ledger.entry(migration);
        let state = match entry {
            None if last.is_some_and(|last| position < last) => State::OutOfOrder,
            None => State::Pending,
            Some(entry) if entry.is_started => State::Started,
            Some(Entry {
                sha256: Some(applied),
                ..
            }) if *applied != migration.text()?.sha256 => State::Changed,
            Some(_) => State::Applied,
        };
        lines.push(Line {
            name: &migration.name,
            migration: Some(migration),
            entry,
            state,
        });
    }
    let without_file = ledger.entries.iter().filter(|entry| {
        let mut known = migrations.iter();
        !known.any(|migration| ledger.name_of(migration) == entry.name)
    });
    lines.extend(without_file.map(|entry| Line {
        name: &entry.name,
        migration: None,
        entry: Some(entry),
        state: State::Missing,
    }));
    lines.sort_by_cached_key(|line| order(line.name));
    Ok(lines)
}

/// The account as outputs.
pub(super) fn told(lines: &[Line<'_>]) -> Outputs {
    let of = |state: State| lines.iter().filter(|line| line.state == state).count();
    let pending = lines.iter().filter(|line| line.state.is_pending()).count();
    let rows: Value = lines
        .iter()
        .map(|line| {
            json!({
                "name": line.name,
                "state": line.state.as_str(),
                "applied_at": line.entry.map(|entry| &entry.applied_at),
                "by": line.entry.map(|entry| &entry.by),
                "ms": line.entry.map(|entry| &entry.ms),
                "detail": line.state.detail(),
            })
        })
        .collect();
    let mut parts = vec![match pending {
        0 => "nothing pending".to_owned(),
        some => format!("{some} pending"),
    }];
    for state in [
        State::OutOfOrder,
        State::Changed,
        State::Started,
        State::Missing,
    ] {
        match of(state) {
            0 => {}
            some => parts.push(format!("{some} {}", state.as_str())),
        }
    }
    let applied = lines.iter().filter(|line| line.entry.is_some()).count();
    parts.push(format!("{} applied", count(applied, "migration")));
    Outputs::new(parts.join(", "))
        .with("count", lines.len())
        .with("rows", rows)
        .with("pending", pending)
        .with("out_of_order", of(State::OutOfOrder))
        .with("changed", of(State::Changed))
        .with("started", of(State::Started))
        .with("missing", of(State::Missing))
}

/// Refuses to go on where the folder is not what was applied.
pub(super) fn hold(lines: &[Line<'_>], again: bool) -> Result<(), ActionError> {
    let first = |state: State| lines.iter().find(|line| line.state == state);
    if let Some(line) = first(State::Changed) {
        return Err(ActionError::config(format!(
            "{} is not what was applied: its file was changed since; nothing was done",
            line.name
        ))
        .help("restore the file and write a new migration; `db migrations baseline` accepts it as it is"));
    }
    match first(State::Started).filter(|_| !again) {
        Some(line) => Err(ActionError::refused(format!(
            "{} was begun in no transaction and nobody wrote that it ended; nothing was done",
            line.name
        ))
        .help(
            "look whether it is done: `db migrations baseline` says that it is, --again runs it once more; a CREATE INDEX \
             CONCURRENTLY that failed leaves an invalid index, which is dropped first",
        )),
        None => Ok(()),
    }
}

/// `1 migration was`, `2 migrations were`.
pub(super) fn was(number: usize) -> String {
    let verb = if number == 1 { "was" } else { "were" };
    format!("{} {verb}", count(number, "migration"))
}

/// The migration that a person names.
pub(super) fn named<'a>(
    migrations: &'a [Migration],
    name: &str,
) -> Result<(usize, &'a Migration), ActionError> {
    let mut places = migrations.iter().enumerate();
    places.find(|(_, known)| known.is(name)).ok_or_else(|| {
        let error = ActionError::config(format!("there is no migration {name:?}"));
        let names = migrations.iter().map(|known| known.name.as_str());
        match crate::base::nearest(name, names) {
            Some(near) => error.help(format!("did you mean {near:?}?")),
            None => error.help("`db migrations status` lists them"),
        }
    })
}
