//! The proof that nothing in the file was changed, removed or moved: the chain, the list of runs, the sources, the file
//! itself. Reads everything once, in one transaction, and keeps next to nothing of it.

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row};

use crate::base::RunId;

use super::chain::{ChainHash, Link, sha256};
use super::gaps::Gaps;
use super::listed;
use super::source;

/// So many things that are wrong are told; the rest is counted.
const MOST_TOLD: usize = 20;

/// What the proof came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many events there are.
    pub events: u64,
    /// How many runs.
    pub runs: u64,
    /// How many texts that runs were planned from.
    pub sources: u64,
    /// How many events were taken out by a journaled prune.
    pub pruned: u64,
    /// The hash of the last event: it stands for all of them. None where there are no events.
    pub head: Option<ChainHash>,
    /// The first things that are wrong.
    pub wrong: Vec<String>,
    /// How many more there are.
    pub more: u64,
}

impl Verified {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.wrong.is_empty()
    }

    fn wrong(&mut self, what: String) {
        if self.wrong.len() < MOST_TOLD {
            self.wrong.push(what);
        } else {
            self.more += 1;
        }
    }

    /// Takes the outcome of a part in: what is damaged is wrong, what fails otherwise fails the proof.
    fn take(&mut self, part: &str, outcome: rusqlite::Result<()>) -> rusqlite::Result<()> {
        match outcome {
            Err(error) if is_damage(&error) => {
                self.wrong(format!("{part} cannot be read: {error}"));
                Ok(())
            }
            other => other,
        }
    }
}

/// Whether an error is about what stands in the file, and not about reading it.
fn is_damage(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(code) => matches!(
            code,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown
        ),
        None => true,
    }
}

/// Proves it.
pub(super) fn verify(
    connection: &Connection,
    earlier: Option<&ChainHash>,
) -> rusqlite::Result<Verified> {
    // All parts look at the same moment, whoever writes meanwhile.
    let moment = connection.unchecked_transaction()?;
    let mut verified = Verified::default();
    let outcome = integrity(&moment, &mut verified);
    verified.take("the file", outcome)?;
    let outcome = events(&moment, earlier, &mut verified);
    verified.take("the events", outcome)?;
    let outcome = listed::compare(&moment, &mut |what| verified.wrong(what));
    let outcome = outcome.map(|runs| verified.runs = runs);
    verified.take("the list of runs", outcome)?;
    let outcome = sources(&moment, &mut verified);
    verified.take("the sources", outcome)?;
    Ok(verified)
}

fn integrity(connection: &Connection, verified: &mut Verified) -> rusqlite::Result<()> {
    let mut check = connection.prepare(&format!("PRAGMA integrity_check({MOST_TOLD})"))?;
    let mut rows = check.query([])?;
    while let Some(row) = rows.next()? {
        let said: String = row.get(0)?;
        if said != "ok" {
            verified.wrong(format!("SQLite finds the file damaged: {said}"));
        }
    }
    Ok(())
}

/// Where an event stands, in words.
struct Place {
    position: i64,
    run: i64,
    seq: i64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { position, run, seq } = self;
        write!(formatter, "event {seq} of run {run} (position {position})")
    }
}

fn events(
    connection: &Connection,
    earlier: Option<&ChainHash>,
    verified: &mut Verified,
) -> rusqlite::Result<()> {
    let gaps = Gaps::read(connection)?;
    let mut found = earlier.is_none_or(|earlier| gaps.end_with(earlier));
    let mut select = connection.prepare(
        "SELECT position, run, seq, version, type, at, body, hash FROM events ORDER BY position",
    )?;
    let mut rows = select.query([])?;
    let mut last = 0_i64;
    let mut before = Some(ChainHash::START);
    while let Some(row) = rows.next()? {
        let place = Place {
            position: row.get(0)?,
            run: row.get(1)?,
            seq: row.get(2)?,
        };
        // Positions are what stands in the file: any number at all.
        let (next, end) = (last.saturating_add(1), place.position.saturating_sub(1));
        if place.position != next {
            before = gaps.over(next, end);
            match before {
                Some(_) => verified.pruned += end.abs_diff(last),
                None => verified.wrong(format!(
                    "the events at the positions {next} to {end}, before {place}, are missing and no prune tells of them"
                )),
            }
        }
        let (expected, kept) = hashes(row, &place, before)?;
        if expected.is_some_and(|expected| expected != kept) {
            verified.wrong(format!(
                "{place} is not what was written, or what stood before it is not there any more"
            ));
        }
        found |= earlier == Some(&kept);
        (last, before) = (place.position, Some(kept));
        verified.events += 1;
        verified.head = Some(kept);
    }
    let highest: Option<i64> = connection
        .query_row(
            "SELECT seq FROM sqlite_sequence WHERE name = 'events'",
            [],
            |row| row.get(0),
        )
        .optional()?;
    if highest.unwrap_or(0) != last {
        verified.wrong(format!(
            "the journal ends at position {last}, and had been written up to {}: the events behind are cut off",
            highest.unwrap_or(0)
        ));
    }
    if let (Some(earlier), false) = (earlier, found) {
        verified.wrong(format!(
            "no event has the hash {earlier}: what was written up to it was changed, removed or pruned"
        ));
    }
    Ok(())
}

/// The hash that an event must have behind this one, where that is known, and the one that is kept with it.
fn hashes(
    row: &Row<'_>,
    place: &Place,
    before: Option<ChainHash>,
) -> rusqlite::Result<(Option<ChainHash>, ChainHash)> {
    let link = Link {
        run: place.run,
        seq: place.seq,
        version: row.get(3)?,
        kind: row.get_ref(4)?.as_str()?,
        at: row.get_ref(5)?.as_str()?,
        body: row.get_ref(6)?.as_str()?,
    };
    // A line feed there would let the end of one column pass for the beginning of the next.
    let torn = link.kind.contains('\n') || link.at.contains('\n');
    let expected = before.map(|before| match torn {
        true => ChainHash::START,
        false => before.then(&link),
    });
    Ok((expected, row.get(7)?))
}

fn sources(connection: &Connection, verified: &mut Verified) -> rusqlite::Result<()> {
    let mut select = connection.prepare("SELECT digest, text FROM sources ORDER BY digest")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let digest = row.get_ref(0)?.as_str()?;
        if sha256(row.get_ref(1)?.as_str()?) != digest {
            verified.wrong(format!("the source {digest} is not the text that was kept"));
        }
        verified.sources += 1;
    }
    let mut missing = connection.prepare(&format!(
        "SELECT run, digest FROM ({}) AS referred
         WHERE NOT EXISTS (SELECT 1 FROM sources WHERE sources.digest = referred.digest)",
        source::REFERRED
    ))?;
    let mut rows = missing.query([])?;
    while let Some(row) = rows.next()? {
        let (run, digest): (i64, Option<String>) = (row.get(0)?, row.get(1)?);
        let run = RunId(u64::try_from(run).unwrap_or_default());
        let digest = digest.unwrap_or_default();
        verified.wrong(format!("a source of run {run} is missing: {digest}"));
    }
    Ok(())
}
