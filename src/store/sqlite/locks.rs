//! Locks as rows: who holds which. Taken and given back at once, whatever waits to be written.

use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};

use crate::base::{Liveness, ProcessMark, RunId};
use crate::engine::{Acquired, LockHolder};

use super::row::{integer, moment, natural};

/// The format that brought them.
pub(super) const SINCE: i64 = 2;

const HOLDER: &str = "run, runbook, user, host, machine, pid, started, since";

/// Takes a lock, or tells who holds it.
///
/// Whoever only waits for a lock must not keep others from writing, so a look comes first and asks for nothing.
pub(super) fn acquire(
    connection: &mut Connection,
    lock: &str,
    holder: &LockHolder,
    liveness: &dyn Fn(&ProcessMark) -> Liveness,
) -> rusqlite::Result<Acquired> {
    let decide = |found: Option<LockHolder>| match found {
        None => Decision::Take(Acquired::Free),
        Some(other) if other.run == holder.run && other.process == holder.process => {
            Decision::Leave(Acquired::Free)
        }
        Some(other) if liveness(&other.process) == Liveness::Dead => {
            Decision::Take(Acquired::TakenOver(other))
        }
        Some(other) => Decision::Leave(Acquired::Held(other)),
    };
    if let Decision::Leave(known) = decide(holder_of(connection, lock)?) {
        return Ok(known);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let acquired = match decide(holder_of(&transaction, lock)?) {
        Decision::Leave(known) => known,
        Decision::Take(acquired) => {
            transaction.execute(
                &format!("INSERT OR REPLACE INTO locks (name, {HOLDER}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"),
                params![
                    lock,
                    integer(holder.run.0)?,
                    holder.runbook,
                    holder.user,
                    holder.host,
                    holder.process.machine,
                    holder.process.pid,
                    holder.process.started.map(integer).transpose()?,
                    super::row::written(holder.since),
                ],
            )?;
            acquired
        }
    };
    transaction.commit()?;
    Ok(acquired)
}

/// What is to be done about a lock.
enum Decision {
    /// It may be taken.
    Take(Acquired),
    /// It stays as it is.
    Leave(Acquired),
}

/// Gives back what a run holds by this process.
pub(super) fn release(
    connection: &Connection,
    run: RunId,
    process: &ProcessMark,
) -> rusqlite::Result<()> {
    connection.execute(
        "DELETE FROM locks WHERE run = ? AND machine = ? AND pid = ? AND started IS ?",
        params![
            integer(run.0)?,
            process.machine,
            process.pid,
            process.started.map(integer).transpose()?
        ],
    )?;
    Ok(())
}

/// Gives a lock back for its holder; whether that one still held it.
pub(super) fn release_for(
    connection: &Connection,
    lock: &str,
    holder: &LockHolder,
) -> rusqlite::Result<bool> {
    let process = &holder.process;
    let released = connection.execute(
        "DELETE FROM locks WHERE name = ? AND run = ? AND machine = ? AND pid = ? AND started IS ?",
        params![
            lock,
            integer(holder.run.0)?,
            process.machine,
            process.pid,
            process.started.map(integer).transpose()?
        ],
    )?;
    Ok(released > 0)
}

fn holder_of(connection: &Connection, lock: &str) -> rusqlite::Result<Option<LockHolder>> {
    connection
        .prepare_cached(&format!("SELECT {HOLDER} FROM locks WHERE name = ?"))?
        .query_row([lock], |row| holder(row, 0))
        .optional()
}

/// Every lock that is held with who holds it, by name.
pub(super) fn held(connection: &Connection) -> rusqlite::Result<Vec<(String, LockHolder)>> {
    connection
        .prepare(&format!("SELECT name, {HOLDER} FROM locks ORDER BY name"))?
        .query_map([], |row| Ok((row.get(0)?, holder(row, 1)?)))?
        .collect()
}

/// A holder whose columns begin at `first`.
fn holder(row: &Row<'_>, first: usize) -> rusqlite::Result<LockHolder> {
    let started: Option<i64> = row.get(first + 6)?;
    Ok(LockHolder {
        run: RunId(natural(row, first)?),
        runbook: row.get(first + 1)?,
        user: row.get(first + 2)?,
        host: row.get(first + 3)?,
        process: ProcessMark {
            machine: row.get(first + 4)?,
            pid: row.get(first + 5)?,
            started: started.map(|_| natural(row, first + 6)).transpose()?,
        },
        since: moment(row, first + 7)?,
    })
}
