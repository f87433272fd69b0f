//! Takes old runs out of the file. An event of the journal itself tells which positions they had, so that the chain goes on
//! over the gap. A few runs at a time, so that nobody waits for long.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use crate::base::RunId;
use crate::base::exit::ExitCode;
use crate::event::{Envelope, Event, Gap, JournalPruned, VERSION};

use super::chain::{self, ChainHash};
use super::row::{Pending, integer, moment, natural};

/// The run that the journal's own events belong to. The first run of a runbook is 1.
pub(super) const JOURNAL: RunId = RunId(0);

/// So many events are taken out in one transaction, and those of one run more.
const AT_ONCE: usize = 5_000;

/// What is taken out, and who does it.
#[derive(Clone, Debug)]
pub struct Prune {
    /// Runs that ended before this moment.
    pub before: DateTime<Utc>,
    /// Whether they are only counted.
    pub dry: bool,
    /// Now.
    pub now: DateTime<Utc>,
    /// Who.
    pub user: String,
    /// Where.
    pub host: String,
}

/// What was taken out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many runs.
    pub runs: u64,
    /// How many events.
    pub events: u64,
    /// The old runs that are kept because they may be resumed.
    pub kept: Vec<RunId>,
    /// The hash of the last event now; none where nothing was taken out.
    pub head: Option<ChainHash>,
}

/// Takes them out.
pub(super) fn prune(connection: &mut Connection, wish: &Prune) -> rusqlite::Result<Pruned> {
    let mut pruned = Pruned::default();
    let mut after = 0;
    loop {
        // Found and taken out in one transaction: a run may be resumed at any moment.
        let behavior = match wish.dry {
            true => TransactionBehavior::Deferred,
            false => TransactionBehavior::Immediate,
        };
        let transaction = connection.transaction_with_behavior(behavior)?;
        let batch = Batch::find(&transaction, wish, after, &mut pruned.kept)?;
        pruned.runs += batch.runs.len() as u64;
        pruned.events += batch.events.len() as u64;
        if !wish.dry && !batch.runs.is_empty() {
            pruned.head = Some(batch.take_out(&transaction, wish)?);
        }
        transaction.commit()?;
        match batch.next {
            Some(next) => after = next,
            None => break,
        }
    }
    if pruned.head.is_some() {
        forget_sources(connection)?;
    }
    Ok(pruned)
}

/// Runs that are taken out together.
#[derive(Default)]
struct Batch {
    runs: Vec<i64>,
    /// The positions of their events.
    events: Vec<i64>,
    /// The last run that was looked at; none when there are no more.
    next: Option<i64>,
}

impl Batch {
    /// Finds the next runs to take out behind the run `after`.
    fn find(
        connection: &Connection,
        wish: &Prune,
        after: i64,
        kept: &mut Vec<RunId>,
    ) -> rusqlite::Result<Self> {
        let mut batch = Self::default();
        let mut select = connection.prepare_cached(
            "SELECT run, started_at, exit, dry FROM runs WHERE run > ? AND runbook IS NOT NULL ORDER BY run",
        )?;
        let mut positions = connection
            .prepare_cached("SELECT position FROM events WHERE run = ? ORDER BY position")?;
        let mut rows = select.query([after])?;
        while let Some(row) = rows.next()? {
            let run: i64 = row.get(0)?;
            if moment(row, 1)? >= wish.before || last_event(connection, run)? >= wish.before {
                continue;
            }
            let (exit, dry): (Option<u8>, bool) = (row.get(2)?, row.get(3)?);
            if !dry && may_be_resumed(connection, run, exit)? {
                kept.push(RunId(natural(row, 0)?));
                continue;
            }
            batch.runs.push(run);
            let found = positions.query_map([run], |row| row.get::<_, i64>(0))?;
            for position in found {
                batch.events.push(position?);
            }
            if batch.events.len() >= AT_ONCE {
                batch.next = Some(run);
                break;
            }
        }
        batch.events.sort_unstable();
        Ok(batch)
    }

    /// Takes them out and tells the chain.
    fn take_out(&self, transaction: &Connection, wish: &Prune) -> rusqlite::Result<ChainHash> {
        // The last event may be one of those that go.
        let before = chain::head(transaction)?;
        let pruned = JournalPruned {
            before: wish.before,
            runs: self.runs.len() as u64,
            events: self.events.len() as u64,
            gaps: self.gaps(transaction)?,
            user: wish.user.clone(),
            host: wish.host.clone(),
        };
        for run in &self.runs {
            for delete in [
                "DELETE FROM events WHERE run = ?",
                "DELETE FROM runs WHERE run = ?",
            ] {
                transaction.prepare_cached(delete)?.execute([run])?;
            }
        }
        // Numbers that were given and never used.
        transaction.execute(
            "DELETE FROM runs WHERE runbook IS NULL AND run < ?",
            [self.runs.last()],
        )?;
        let seq: i64 = transaction.query_row(
            "SELECT coalesce(max(seq) + 1, 0) FROM events WHERE run = ?",
            [integer(JOURNAL.0)?],
            |row| row.get(0),
        )?;
        let told = Envelope {
            version: VERSION,
            run: JOURNAL,
            seq: u64::try_from(seq).unwrap_or_default(),
            at: wish.now,
            event: Event::JournalPruned(pruned),
        };
        let told = Pending::new(&told)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        told.write(transaction, before)
    }

    /// The positions as stretches, each with the hash of its last.
    fn gaps(&self, connection: &Connection) -> rusqlite::Result<Vec<Gap>> {
        let mut hash_of =
            connection.prepare_cached("SELECT hash FROM events WHERE position = ?")?;
        self.events
            .chunk_by(|one, next| one + 1 == *next)
            .filter_map(|stretch| Some((*stretch.first()?, *stretch.last()?)))
            .map(|(first, last)| {
                let hash: ChainHash = hash_of.query_row([last], |row| row.get(0))?;
                Ok(Gap {
                    first: u64::try_from(first).unwrap_or_default(),
                    last: u64::try_from(last).unwrap_or_default(),
                    hash: hash.to_string(),
                })
            })
            .collect()
    }
}

fn last_event(connection: &Connection, run: i64) -> rusqlite::Result<DateTime<Utc>> {
    connection
        .prepare_cached("SELECT at FROM events WHERE run = ? ORDER BY seq DESC LIMIT 1")?
        .query_row([run], |row| moment(row, 0))
        .optional()
        .map(Option::unwrap_or_default)
}

/// Whether there is something left to be done about a run: it may have changed something and was cut off, stopped, got
/// stuck, or waits for approval.
fn may_be_resumed(connection: &Connection, run: i64, exit: Option<u8>) -> rusqlite::Result<bool> {
    let open = [ExitCode::Stuck, ExitCode::Interrupted, ExitCode::Terminated].map(ExitCode::code);
    let is_open = match exit {
        None => true,
        Some(exit) if exit == ExitCode::NotNow.code() => {
            return has(connection, run, "type = 'approval-requested'");
        }
        Some(exit) => open.contains(&exit),
    };
    Ok(is_open
        && has(
            connection,
            run,
            "type = 'run-started' AND json_extract(body, '$.effect') <> 'read'",
        )?)
}

fn has(connection: &Connection, run: i64, what: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(&format!(
            "SELECT EXISTS (SELECT 1 FROM events WHERE run = ? AND {what})"
        ))?
        .query_row(params![run], |row| row.get(0))
}

/// Forgets the texts that no run was planned from any more.
fn forget_sources(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute(
        &format!(
            "DELETE FROM sources WHERE digest NOT IN (SELECT digest FROM ({}))",
            super::source::REFERRED
        ),
        [],
    )?;
    transaction.commit()
}
