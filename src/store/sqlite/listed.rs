//! Whether the list of runs says what their events say.

use std::cmp::Ordering;

use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use crate::event::Event;

use super::row;

/// What the list says of a run, column by column.
const COLUMNS: [&str; 8] = [
    "runbook",
    "started_at",
    "verdict",
    "exit",
    "took_ms",
    "user",
    "reason",
    "dry",
];

/// The columns of a run in the list.
type Columns = [Value; 8];

/// Goes through the list and the events side by side, both in the order of their runs, and tells what is wrong; how many runs
/// are in both.
pub(super) fn compare(
    connection: &Connection,
    wrong: &mut dyn FnMut(String),
) -> rusqlite::Result<u64> {
    let mut events = connection.prepare(
        "SELECT run, version, at,
            CASE WHEN type IN ('run-started', 'run-resumed', 'run-finished') THEN body END
         FROM events WHERE run > 0 ORDER BY run, seq",
    )?;
    let mut list = connection.prepare(&format!(
        "SELECT run, {} FROM runs WHERE runbook IS NOT NULL ORDER BY run",
        COLUMNS.join(", ")
    ))?;
    let mut runs = 0;
    let mut events = events.query([])?;
    let mut list = list.query([])?;
    let mut told = Told::next_of(&mut events, None)?;
    let mut listed = listed_of(list.next()?)?;
    loop {
        let order = match (&told, &listed) {
            (None, None) => return Ok(runs),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(run), Some((number, _))) => run.number.cmp(number),
        };
        match (&told, &listed) {
            (Some(run), Some((_, columns))) if order == Ordering::Equal => {
                runs += 1;
                compare_run(run, columns, wrong);
            }
            // A run that never began has nothing to be listed with.
            (Some(run), _) if order == Ordering::Less && run.columns.is_some() => {
                let number = run.number;
                wrong(format!(
                    "run {number} has events, and is not in the list of runs"
                ));
            }
            (_, Some((number, _))) if order == Ordering::Greater => {
                wrong(format!(
                    "run {number} is in the list of runs, and has no events"
                ));
            }
            _ => {}
        }
        if order != Ordering::Greater {
            told = Told::next_of(&mut events, told.and_then(|run| run.next))?;
        }
        if order != Ordering::Less {
            listed = listed_of(list.next()?)?;
        }
    }
}

fn compare_run(run: &Told, listed: &Columns, wrong: &mut dyn FnMut(String)) {
    let number = run.number;
    if run.unclear {
        return;
    }
    let Some(told) = &run.columns else {
        wrong(format!(
            "run {number} is in the list of runs, and never began"
        ));
        return;
    };
    for (name, (told, listed)) in COLUMNS.iter().zip(told.iter().zip(listed)) {
        if told != listed {
            wrong(format!(
                "the list of runs has another {name} of run {number} than its events"
            ));
        }
    }
}

fn listed_of(row: Option<&Row<'_>>) -> rusqlite::Result<Option<(i64, Columns)>> {
    let Some(row) = row else { return Ok(None) };
    let mut columns: Columns = std::array::from_fn(|_| Value::Null);
    for (index, column) in columns.iter_mut().enumerate() {
        *column = row.get(index + 1)?;
    }
    Ok(Some((row.get(0)?, columns)))
}

/// What the events of a run say.
struct Told {
    number: i64,
    /// None until it began.
    columns: Option<Columns>,
    /// Whether an event that the list goes by does not tell what it should: another hand changed it, which the chain shows,
    /// or a later version wrote it.
    unclear: bool,
    /// The first event of the next run, read already.
    next: Option<Read>,
}

/// One event, as far as the list goes.
struct Read {
    run: i64,
    at: String,
    /// None where the list does not go by it.
    event: Option<serde_json::Result<Event>>,
}

impl Told {
    /// The next run, which begins with an event that was read already.
    fn next_of(
        events: &mut rusqlite::Rows<'_>,
        first: Option<Read>,
    ) -> rusqlite::Result<Option<Self>> {
        let first = match first {
            Some(first) => first,
            None => match read(events)? {
                Some(first) => first,
                None => return Ok(None),
            },
        };
        let mut told = Self {
            number: first.run,
            columns: None,
            unclear: false,
            next: None,
        };
        told.hear(first);
        while let Some(event) = read(events)? {
            if event.run != told.number {
                told.next = Some(event);
                break;
            }
            told.hear(event);
        }
        Ok(Some(told))
    }

    /// Folds an event in, as the list does when it is written.
    fn hear(&mut self, read: Read) {
        let text = |text: &str| Value::Text(text.to_owned());
        match (&mut self.columns, read.event) {
            (columns, Some(Ok(Event::RunStarted(start)))) => {
                *columns = Some([
                    text(&start.runbook),
                    Value::Text(read.at),
                    Value::Null,
                    Value::Null,
                    Value::Null,
                    text(&start.user),
                    text(""),
                    Value::Integer(start.dry.into()),
                ]);
            }
            (Some(columns), Some(Ok(Event::RunResumed(_)))) => {
                for column in &mut columns[2..5] {
                    *column = Value::Null;
                }
                columns[6] = text("");
            }
            (Some(columns), Some(Ok(Event::RunFinished(end)))) => {
                columns[2] = text(end.verdict.as_str());
                columns[3] = Value::Integer(end.exit.into());
                columns[4] = Value::Real(end.took_ms);
                columns[6] = text(&end.reason);
            }
            (_, Some(_)) => self.unclear = true,
            (_, None) => {}
        }
    }
}

fn read(events: &mut rusqlite::Rows<'_>) -> rusqlite::Result<Option<Read>> {
    let Some(row) = events.next()? else {
        return Ok(None);
    };
    let (version, body): (u32, Option<String>) = (row.get(1)?, row.get(3)?);
    Ok(Some(Read {
        run: row.get(0)?,
        at: row.get(2)?,
        event: body.map(|body| row::event(version, &body)),
    }))
}
