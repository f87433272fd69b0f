//! Where the chain has gaps on purpose: what the events of a prune tell.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::event::Event;

use super::chain::ChainHash;
use super::prune::JOURNAL;
use super::row::{self, integer};

/// The gaps that a prune told of: the last position of each, with its first and the hash of its last event.
pub(super) struct Gaps(BTreeMap<i64, (i64, ChainHash)>);

impl Gaps {
    /// Reads what prunes told.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut select =
            connection.prepare("SELECT version, body FROM events WHERE run = ? ORDER BY seq")?;
        let mut rows = select.query([integer(JOURNAL.0)?])?;
        let mut gaps = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let (version, body): (u32, String) = (row.get(0)?, row.get(1)?);
            // What is no such event is found where the chain is looked at.
            let Ok(Event::JournalPruned(pruned)) = row::event(version, &body) else {
                continue;
            };
            for gap in pruned.gaps {
                if let (Ok(first), Ok(last), Ok(hash)) = (
                    i64::try_from(gap.first),
                    i64::try_from(gap.last),
                    gap.hash.parse(),
                ) && first <= last
                {
                    gaps.insert(last, (first, hash));
                }
            }
        }
        Ok(Self(gaps))
    }

    /// The hash of the event at `last`, if prunes told of every position from `first` to it.
    pub(super) fn over(&self, first: i64, last: i64) -> Option<ChainHash> {
        let (mut from, hash) = *self.0.get(&last)?;
        while from > first {
            (from, _) = *self.0.get(&(from - 1))?;
        }
        (from == first).then_some(hash)
    }

    /// The hash of the event at this position, where a gap ends with it.
    pub(super) fn ending_at(&self, last: i64) -> Option<ChainHash> {
        self.0.get(&last).map(|(_, hash)| *hash)
    }

    /// Whether a gap ends with an event of this hash.
    pub(super) fn end_with(&self, wanted: &ChainHash) -> bool {
        self.0.values().any(|(_, hash)| hash == wanted)
    }
}
