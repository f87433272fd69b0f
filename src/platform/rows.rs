//! The answer of a database: columns and rows, bounded in memory, the same for every system.

use serde_json::{Map, Value};
use tokio::sync::mpsc;

/// The most that one answer may take, in bytes of its values and names.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// What a value takes beside its own bytes, about.
const VALUE: usize = 32;

/// How many portions may wait to be taken.
const PORTIONS: usize = 4;

/// The most rows of a portion.
const PORTION_ROWS: usize = 1024;

/// A portion is sent when it takes so much, in bytes.
const PORTION_BYTES: usize = 256 * 1024;

/// What a query gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// The names of the columns, left to right. A name that occurs again has `_2`, `_3`, … behind it.
    pub columns: Vec<String>,
    /// The rows, each a table from the columns' names to values.
    pub rows: Vec<Map<String, Value>>,
    /// Whether there are more rows than these: the limit was reached, or 16 MiB.
    pub truncated: bool,
}

/// What a statement that writes did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changed {
    /// How many rows it inserted, updated or deleted itself; those that triggers changed are not counted.
    pub changed: u64,
    /// How many rows changed in all, those that triggers and references changed too.
    pub in_all: u64,
    /// The rows that it gave (`RETURNING`).
    pub rows: Rows,
}

/// What comes of a database as it comes, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Portion {
    /// The names of the columns, made distinct as those of [`Rows`] are. Once, before all rows.
    Columns(Vec<String>),
    /// Some rows, each with a value for each column.
    Rows(Vec<Vec<Value>>),
    /// There are no more. What ends without it was cut off.
    End,
}

/// Where rows go as they come, some at a time. Whoever is slow to take them holds the database up, so that no more than a few
/// portions are ever held.
#[derive(Debug)]
pub struct RowSender {
    sender: mpsc::Sender<Portion>,
    /// The most rows that are wanted.
    limit: usize,
    sent: usize,
    rows: Vec<Vec<Value>>,
    bytes: usize,
}

/// A way for rows, of which at most `limit` are wanted; one more may come, to tell that there are more.
#[must_use]
pub fn channel(limit: usize) -> (RowSender, mpsc::Receiver<Portion>) {
    let (sender, receiver) = mpsc::channel(PORTIONS);
    let sender = RowSender {
        sender,
        limit,
        sent: 0,
        rows: Vec::new(),
        bytes: 0,
    };
    (sender, receiver)
}

impl RowSender {
    /// How many more rows are worth asking for, at most as many as fit one portion.
    pub(super) fn asked(&self) -> usize {
        let wanted = self.limit.saturating_add(1).saturating_sub(self.sent);
        wanted.min(PORTION_ROWS)
    }

    /// Takes a row in. Says whether the portion is full and must be sent.
    pub(super) fn push(&mut self, values: Vec<Value>) -> bool {
        self.bytes += values
            .iter()
            .map(|value| VALUE + size(value))
            .sum::<usize>();
        self.rows.push(values);
        self.sent += 1;
        self.rows.len() >= PORTION_ROWS || self.bytes >= PORTION_BYTES || self.is_done()
    }

    /// Whether all that is wanted was taken in.
    pub(super) fn is_done(&self) -> bool {
        self.sent > self.limit
    }

    fn take(&mut self) -> Portion {
        self.bytes = 0;
        Portion::Rows(std::mem::take(&mut self.rows))
    }

    /// Sends the names of the columns. Says whether somebody still waits for rows.
    pub(super) async fn columns<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> bool {
        self.sender
            .send(Portion::Columns(distinct(names)))
            .await
            .is_ok()
    }

    /// Sends what was taken in. Says whether somebody still waits for rows.
    pub(super) async fn send(&mut self) -> bool {
        let portion = self.take();
        self.sender.send(portion).await.is_ok()
    }

    /// Sends what is left, and that it is the end.
    pub(super) async fn end(&mut self) {
        if self.send().await {
            let _ = self.sender.send(Portion::End).await;
        }
    }

    /// The same as [`RowSender::columns`] from a thread of its own.
    pub(super) fn columns_from_thread<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> bool {
        let columns = Portion::Columns(distinct(names));
        self.sender.blocking_send(columns).is_ok()
    }

    /// The same as [`RowSender::send`] from a thread of its own.
    pub(super) fn send_from_thread(&mut self) -> bool {
        let portion = self.take();
        self.sender.blocking_send(portion).is_ok()
    }

    /// The same as [`RowSender::end`] from a thread of its own.
    pub(super) fn end_from_thread(&mut self) {
        if self.send_from_thread() {
            let _ = self.sender.blocking_send(Portion::End);
        }
    }

    /// Sends what a database gave at once.
    pub async fn send_all(mut self, rows: Rows) {
        if !self.columns(rows.columns.iter().map(String::as_str)).await {
            return;
        }
        for mut row in rows.rows {
            let values = rows
                .columns
                .iter()
                .map(|column| row.remove(column).unwrap_or_default())
                .collect();
            if self.push(values) && !self.send().await {
                return;
            }
        }
        self.end().await;
    }
}

/// Keeps what comes, within a limit and 16 MiB.
///
/// Takes no more once there is no room: whoever sends is told by that.
pub async fn collected(mut portions: mpsc::Receiver<Portion>, limit: usize) -> Rows {
    let mut collector = Collector::new([], limit);
    while let Some(portion) = portions.recv().await {
        match portion {
            Portion::Columns(names) => {
                collector = Collector::new(names.iter().map(String::as_str), limit);
            }
            Portion::Rows(rows) => {
                if !rows.into_iter().all(|row| collector.push(row)) {
                    break;
                }
            }
            Portion::End => break,
        }
    }
    collector.finish()
}

/// Takes rows in until the limit is reached.
#[derive(Debug)]
pub(super) struct Collector {
    rows: Rows,
    limit: usize,
    /// What the names take in each row.
    names: usize,
    bytes: usize,
}

impl Collector {
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>, limit: usize) -> Self {
        let columns = distinct(names);
        Self {
            limit,
            names: columns.iter().map(|name| name.len() + VALUE).sum(),
            bytes: 0,
            rows: Rows {
                columns,
                ..Rows::default()
            },
        }
    }

    /// Takes a row in. Gives false, and marks the rows as truncated, where there is no room for it.
    pub(super) fn push(&mut self, values: Vec<Value>) -> bool {
        let bytes = self.names + values.iter().map(size).sum::<usize>();
        if self.rows.rows.len() >= self.limit || self.bytes + bytes > MOST_BYTES {
            self.rows.truncated = true;
            return false;
        }
        self.bytes += bytes;
        let row = self.rows.columns.iter().cloned().zip(values).collect();
        self.rows.rows.push(row);
        true
    }

    pub(super) fn finish(self) -> Rows {
        self.rows
    }
}

/// Makes names distinct: `n`, `n_2`, …
fn distinct<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let names: Vec<&str> = names.into_iter().collect();
    let mut taken: Vec<String> = Vec::with_capacity(names.len());
    for name in &names {
        let mut candidate = (*name).to_owned();
        let mut number = 1;
        while taken.contains(&candidate) || (number > 1 && names.contains(&candidate.as_str())) {
            number += 1;
            candidate = format!("{name}_{number}");
        }
        taken.push(candidate);
    }
    taken
}

/// About what a value takes: databases give flat values, at most a blob in its wrapping.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Object(fields) => fields.values().map(size).sum(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Collector, MOST_BYTES, distinct};

    #[test]
    fn names_become_distinct() {
        assert_eq!(
            distinct(["n", "n", "n_2", "m", "n"]),
            ["n", "n_3", "n_2", "m", "n_4"]
        );
    }

    #[test]
    fn is_bounded_by_rows_and_by_bytes_and_says_so() {
        let mut few = Collector::new(["n"], 1);
        assert!(few.push(vec![json!(1)]));
        assert!(!few.push(vec![json!(2)]));
        let few = few.finish();
        assert!(few.truncated);
        assert_eq!(few.rows.len(), 1);

        let mut many = Collector::new(["n"], usize::MAX);
        while many.push(vec![json!(1)]) {}
        assert!(many.finish().rows.len() < 500_000);

        let mut large = Collector::new(["t"], 10);
        assert!(large.push(vec![Value::String("x".repeat(MOST_BYTES - 100))]));
        assert!(!large.push(vec![Value::String("x".repeat(100))]));
        assert!(large.finish().truncated);
    }
}
