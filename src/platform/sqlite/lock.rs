//! Waiting for the locks of other processes: for a while, and only as long as somebody waits for the answer.

use std::cell::RefCell;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use crate::platform::blocking::Abandoned;

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(5);

thread_local! {
    /// How long and for whom the connection of this thread waits. SQLite's handler is a plain function here, and every
    /// call has a thread and a connection of its own.
    static WAIT: RefCell<(Duration, Abandoned)> = RefCell::default();
}

/// Has the connection, which must stay on this thread, wait at most this long for a lock.
pub(super) fn wait_at_most(
    connection: &Connection,
    busy: Duration,
    abandoned: &Abandoned,
) -> rusqlite::Result<()> {
    WAIT.set((busy, abandoned.clone()));
    connection.busy_handler(Some(again))
}

/// Whether to try again, asked by SQLite with how often it tried before.
fn again(tries: i32) -> bool {
    let waited = PAUSE * tries.try_into().unwrap_or(0);
    let again = WAIT.with_borrow(|(busy, abandoned)| waited < *busy && !abandoned.get());
    if again {
        #[expect(
            clippy::disallowed_methods,
            reason = "SQLite calls this on a thread of its own that may wait"
        )]
        thread::sleep(PAUSE);
    }
    again
}
