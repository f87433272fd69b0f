//! The answer of a database: columns and rows, bounded in memory, the same for every system.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

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

/// How many rows are asked for at first, when nothing is known of their length.
const FIRST_ASKED: usize = 64;

/// About how much is asked for at a time then, in bytes: while a server waits to be asked it computes nothing.
const ASKED_BYTES: usize = 4 * 1024 * 1024;

/// What all portions that were sent and are not done with may take together, in bytes. One that takes more goes alone.
const SENT_BYTES: u32 = 1024 * 1024;

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
/// portions are ever held, and of very long rows one.
#[derive(Debug)]
pub struct RowSender {
    sender: mpsc::Sender<(Portion, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    /// The most rows that are wanted.
    limit: usize,
    sent: usize,
    /// What all rows took until now, in bytes.
    sent_bytes: usize,
    rows: Vec<Vec<Value>>,
    bytes: usize,
}

/// Where rows come from, a portion at a time.
#[derive(Debug)]
pub struct RowReceiver {
    receiver: mpsc::Receiver<(Portion, OwnedSemaphorePermit)>,
    /// The room that the last portion takes up until the next is asked for.
    taken: Option<OwnedSemaphorePermit>,
}

impl RowReceiver {
    /// The next portion; none where nothing comes any more. The one before is done with.
    pub async fn next(&mut self) -> Option<Portion> {
        self.taken = None;
        let came = self.receiver.recv().await;
        self.take(came)
    }

    /// The same on a thread of its own.
    pub fn next_on_thread(&mut self) -> Option<Portion> {
        self.taken = None;
        let came = self.receiver.blocking_recv();
        self.take(came)
    }

    fn take(&mut self, came: Option<(Portion, OwnedSemaphorePermit)>) -> Option<Portion> {
        let (portion, taken) = came?;
        self.taken = Some(taken);
        Some(portion)
    }
}

/// A way for rows, of which at most `limit` are wanted; one more may come, to tell that there are more.
#[must_use]
pub fn channel(limit: usize) -> (RowSender, RowReceiver) {
    let (sender, receiver) = mpsc::channel(PORTIONS);
    let receiver = RowReceiver {
        receiver,
        taken: None,
    };
    let sender = RowSender {
        sender,
        room: Arc::new(Semaphore::new(SENT_BYTES as usize)),
        limit,
        sent: 0,
        sent_bytes: 0,
        rows: Vec::new(),
        bytes: 0,
    };
    (sender, receiver)
}

impl RowSender {
    /// How many more rows are worth asking for at once, by the length of those that came.
    pub(super) fn asked(&self) -> usize {
        let wanted = self.limit.saturating_add(1).saturating_sub(self.sent);
        let at_once = match self.sent_bytes.checked_div(self.sent) {
            Some(mean) => (ASKED_BYTES / mean.max(1)).max(1),
            None => FIRST_ASKED,
        };
        wanted.min(at_once)
    }

    /// Takes a row in. Says whether the portion is full and must be sent.
    pub(super) fn push(&mut self, values: Vec<Value>) -> bool {
        let bytes: usize = values.iter().map(|value| VALUE + size(value)).sum();
        self.bytes += bytes;
        self.sent_bytes = self.sent_bytes.saturating_add(bytes);
        self.rows.push(values);
        self.sent += 1;
        self.rows.len() >= PORTION_ROWS || self.bytes >= PORTION_BYTES || self.is_done()
    }

    /// Whether all that is wanted was taken in.
    pub(super) fn is_done(&self) -> bool {
        self.sent > self.limit
    }

    /// Hands a portion on once there is room for its bytes. Says whether somebody still waits for rows.
    async fn hand_on(&self, portion: Portion, bytes: usize) -> bool {
        let room = u32::try_from(bytes).map_or(SENT_BYTES, |bytes| bytes.min(SENT_BYTES));
        let Ok(permit) = Arc::clone(&self.room).acquire_many_owned(room).await else {
            return false;
        };
        self.sender.send((portion, permit)).await.is_ok()
    }

    /// Sends the names of the columns. Says whether somebody still waits for rows.
    pub(super) async fn columns<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> bool {
        self.hand_on(Portion::Columns(distinct(names)), 0).await
    }

    /// Sends what was taken in. Says whether somebody still waits for rows.
    pub(super) async fn send(&mut self) -> bool {
        let (rows, bytes) = (
            std::mem::take(&mut self.rows),
            std::mem::take(&mut self.bytes),
        );
        self.hand_on(Portion::Rows(rows), bytes).await
    }

    /// Sends what is left, and that it is the end.
    pub(super) async fn end(&mut self) {
        if self.send().await {
            self.hand_on(Portion::End, 0).await;
        }
    }

    /// The same as [`RowSender::columns`] from a thread of its own.
    pub(super) fn columns_from_thread<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> bool {
        Handle::current().block_on(self.columns(names))
    }

    /// The same as [`RowSender::send`] from a thread of its own.
    pub(super) fn send_from_thread(&mut self) -> bool {
        Handle::current().block_on(self.send())
    }

    /// The same as [`RowSender::end`] from a thread of its own.
    pub(super) fn end_from_thread(&mut self) {
        Handle::current().block_on(self.end());
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
pub async fn collected(mut portions: RowReceiver, limit: usize) -> Rows {
    let mut collector = Collector::new([], limit);
    while let Some(portion) = portions.next().await {
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
    use futures_util::FutureExt as _;
    use serde_json::{Value, json};

    use super::{
        ASKED_BYTES, Collector, FIRST_ASKED, MOST_BYTES, Portion, SENT_BYTES, channel, distinct,
    };

    #[test]
    fn of_long_rows_one_waits_to_be_taken() {
        let (mut sender, mut receiver) = channel(usize::MAX);
        let long = || vec![Value::String("x".repeat(SENT_BYTES as usize))];
        assert!(sender.push(long()));
        assert_eq!(sender.send().now_or_never(), Some(true));
        for _ in 0..3 {
            let came = receiver.next().now_or_never();
            assert!(matches!(came, Some(Some(Portion::Rows(rows))) if rows.len() == 1));
            // Until it is done with, the next is held back.
            assert!(sender.push(long()));
            let mut sent = Box::pin(sender.send());
            assert_eq!((&mut sent).now_or_never(), None);
            assert!(receiver.next().now_or_never().is_none());
            assert_eq!(sent.now_or_never(), Some(true));
        }
        // Whoever waits for room is not kept waiting by one who left.
        assert!(sender.push(long()));
        let mut sent = Box::pin(sender.send());
        assert_eq!((&mut sent).now_or_never(), None);
        drop(receiver);
        assert_eq!(sent.now_or_never(), Some(false));
    }

    #[test]
    fn as_many_are_asked_for_as_are_worth_it() {
        let (mut sender, _receiver) = channel(2000);
        assert_eq!(sender.asked(), FIRST_ASKED);
        sender.push(vec![Value::String("x".repeat(ASKED_BYTES / 10))]);
        assert_eq!(sender.asked(), 9);
        sender.push(vec![Value::String("x".repeat(ASKED_BYTES * 4))]);
        assert_eq!(sender.asked(), 1);
        let (mut few, _receiver) = channel(2000);
        few.push(vec![json!(1)]);
        assert_eq!(few.asked(), 2000, "one more than is wanted tells of more");
    }

    #[test]
    fn short_rows_go_on_ahead() {
        let (mut sender, receiver) = channel(usize::MAX);
        for _ in 0..super::PORTIONS {
            sender.push(vec![json!(1)]);
            assert_eq!(sender.send().now_or_never(), Some(true));
        }
        sender.push(vec![json!(1)]);
        assert_eq!(sender.send().now_or_never(), None);
        drop(receiver);
    }

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
