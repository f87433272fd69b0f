//! The journal as lines of JSON that prove themselves: each event with its hash and the one before it, then the texts that
//! they refer to.

use std::collections::BTreeSet;
use std::io;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row};
use serde_json::json;

use crate::base::RunId;
use crate::event::{Event, Source};

use super::chain::ChainHash;
use super::gaps::Gaps;
use super::row::{self, integer, moment};
use super::source;

/// Which events are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exported {
    /// Those of one run.
    Run(RunId),
    /// Those that happened at this moment or later.
    Since(DateTime<Utc>),
    /// All.
    All,
}

/// Hands a line without its line feed on.
type Line<'a> = dyn FnMut(&str) -> io::Result<()> + 'a;

/// Hands them out in the order in which they were written.
pub(super) fn export(
    connection: &Connection,
    wish: Exported,
    line: &mut Line<'_>,
) -> rusqlite::Result<io::Result<()>> {
    let moment = connection.unchecked_transaction()?;
    let mut digests = BTreeSet::new();
    match events(&moment, wish, line, &mut digests)? {
        Ok(()) => sources(&moment, wish, line, &digests),
        failed => Ok(failed),
    }
}

fn events(
    connection: &Connection,
    wish: Exported,
    line: &mut Line<'_>,
    digests: &mut BTreeSet<String>,
) -> rusqlite::Result<io::Result<()>> {
    const COLUMNS: &str = "SELECT position, run, seq, version, type, at, body, hash,
        (SELECT hash FROM events AS before WHERE before.position = events.position - 1) FROM events";
    let gaps = Gaps::read(connection)?;
    let mut select = match wish {
        Exported::Run(_) => {
            connection.prepare(&format!("{COLUMNS} WHERE run = ? ORDER BY position"))?
        }
        Exported::Since(_) | Exported::All => {
            connection.prepare(&format!("{COLUMNS} ORDER BY position"))?
        }
    };
    let mut rows = match wish {
        Exported::Run(run) => select.query([integer(run.0)?])?,
        Exported::Since(_) | Exported::All => select.query([])?,
    };
    while let Some(row) = rows.next()? {
        if let Exported::Since(since) = wish
            && moment(row, 5)? < since
        {
            continue;
        }
        digests.extend(referred(row)?);
        if let Err(error) = line(&told(row, &gaps)?) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

/// One event. Its body comes last and as it was written, so that its hash can be computed from the line alone.
fn told(row: &Row<'_>, gaps: &Gaps) -> rusqlite::Result<String> {
    let position: i64 = row.get(0)?;
    let before: Option<ChainHash> = match row.get(8)? {
        Some(hash) => Some(hash),
        None if position == 1 => Some(ChainHash::START),
        None => gaps.ending_at(position - 1),
    };
    let hash: ChainHash = row.get(7)?;
    let head = json!({
        "position": position,
        "previous": before.map(|hash| hash.to_string()),
        "hash": hash.to_string(),
        "run": row.get::<_, i64>(1)?,
        "seq": row.get::<_, i64>(2)?,
        "version": row.get::<_, i64>(3)?,
        "type": row.get::<_, String>(4)?,
        "at": row.get::<_, String>(5)?,
    })
    .to_string();
    let body = row.get_ref(6)?.as_str()?;
    if body.contains('\n') {
        return Err(row::damaged(6, "an event takes more than one line"));
    }
    Ok(format!("{},\"event\":{body}}}", head.trim_end_matches('}')))
}

/// The texts that an event refers to.
fn referred(row: &Row<'_>) -> rusqlite::Result<Vec<String>> {
    let kind = row.get_ref(4)?.as_str()?;
    if kind != "run-started" && kind != "run-resumed" {
        return Ok(Vec::new());
    }
    let body: String = row.get(6)?;
    let digests = |sources: Vec<Source>| sources.into_iter().map(|source| source.digest).collect();
    Ok(match row::event(row.get(3)?, &body) {
        Ok(Event::RunStarted(start)) => digests(start.sources),
        Ok(Event::RunResumed(resumed)) => digests(resumed.changed),
        Ok(_) => Vec::new(),
        Err(error) => return Err(row::damaged(6, error)),
    })
}

fn sources(
    connection: &Connection,
    wish: Exported,
    line: &mut Line<'_>,
    digests: &BTreeSet<String>,
) -> rusqlite::Result<io::Result<()>> {
    let mut told =
        |digest: &str, text: &str| line(&json!({ "source": digest, "text": text }).to_string());
    if wish == Exported::All {
        let mut select = connection.prepare("SELECT digest, text FROM sources ORDER BY digest")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            if let Err(error) = told(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?) {
                return Ok(Err(error));
            }
        }
        return Ok(Ok(()));
    }
    for digest in digests {
        if let Some(text) = source::find(connection, digest)?
            && let Err(error) = told(digest, &text)
        {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}
