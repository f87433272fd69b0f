//! Who holds what a session waits for: asked over a connection of its own shortly before the wait is over, because
//! nobody can tell afterwards.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::error::Holder;
use super::session::{Limits, State};
use super::{Postgres, query};

/// The sessions at the root of what another waits for: those that hold and wait for nobody themselves, the oldest
/// transaction first; where all wait for each other, every one. A transaction that was prepared holds without a session,
/// and who may not see what another does cannot tell whether it waits: then the server is asked. Of those behind them the
/// asker is not counted, nor what else is asked from here under the same name: looks at a database in trouble are none of
/// its trouble.
const HOLDERS: &str = "\
WITH RECURSIVE edge (waiter, holder) AS (
    SELECT a.pid, blocking.pid
    FROM pg_stat_activity AS a, unnest(pg_blocking_pids(a.pid)) AS blocking (pid)
    WHERE coalesce(a.wait_event_type, 'Lock') = 'Lock' OR a.pid = $1::int),
chain (pid) AS (
    SELECT holder FROM edge WHERE waiter = $1::int
    UNION SELECT edge.holder FROM chain JOIN edge ON edge.waiter = chain.pid),
root AS (
    SELECT pid, NOT EXISTS (SELECT FROM edge WHERE waiter = pid) AS is_free FROM chain),
behind (root, pid) AS (
    SELECT root.pid, edge.waiter FROM root JOIN edge ON edge.holder = root.pid
    UNION SELECT behind.root, edge.waiter FROM behind JOIN edge ON edge.holder = behind.pid),
own (pid) AS (
    SELECT $1::int
    UNION SELECT other.pid FROM pg_stat_activity AS other JOIN pg_stat_activity AS here
                 ON (other.application_name, other.usesysid, other.client_addr)
                    IS NOT DISTINCT FROM (here.application_name, here.usesysid, here.client_addr)
          WHERE here.pid = pg_backend_pid())
SELECT root.pid::int8 AS pid, coalesce(usename, '') AS \"user\",
       coalesce(state, CASE root.pid WHEN 0 THEN 'a prepared transaction' END, 'unknown') AS state,
       coalesce(extract(epoch FROM clock_timestamp() - coalesce(xact_start, state_change)), 0)::int8 AS seconds,
       coalesce(query, '') AS query,
       (SELECT count(*) FROM behind
        WHERE behind.root = root.pid AND behind.pid <> root.pid AND behind.pid NOT IN (SELECT pid FROM own)) AS waiting
FROM root LEFT JOIN pg_stat_activity AS a ON a.pid = root.pid
WHERE is_free OR NOT EXISTS (SELECT FROM root WHERE is_free)
ORDER BY seconds DESC";

/// How many of them are told.
const MOST: usize = 3;

/// How long this look may take.
const LOOK: Duration = Duration::from_secs(1);

impl Postgres {
    /// Waits until most of the patience is used up, then tells who holds what the session waits for. Nobody, where it waits
    /// for no lock or that cannot be told; never, where the patience has no end.
    pub(super) async fn holders(&self, patience: Limits) -> Vec<Holder> {
        let shortest = [patience.statement, patience.lock].into_iter().flatten();
        let Some(shortest) = shortest.min() else {
            return std::future::pending().await;
        };
        tokio::time::sleep(shortest - left_for_looking(shortest)).await;
        let Some(pid) = self.state.pid() else {
            return Vec::new();
        };
        let other = Self::new(self.address.clone());
        let state = State::default();
        let limits = Limits {
            statement: Some(LOOK),
            lock: None,
        };
        let asked = other.connected(async |client, server| {
            let pid = [json!(pid)];
            query::read(client, server, (limits, &state), HOLDERS, &pid, MOST).await
        });
        match tokio::time::timeout(LOOK, asked).await {
            Ok(Ok(found)) => found.rows.iter().map(holder).collect(),
            Ok(Err(_)) | Err(_) => Vec::new(),
        }
    }
}

/// With how much of the patience left is looked: late, for a statement may work before it waits, and early enough for an
/// answer, for afterwards nobody can tell.
fn left_for_looking(patience: Duration) -> Duration {
    patience.mul_f64(0.3).max(LOOK.min(patience / 2))
}

fn holder(row: &Map<String, Value>) -> Holder {
    let text = |column: &str| row[column].as_str().unwrap_or_default().to_owned();
    Holder {
        pid: row["pid"].as_i64().unwrap_or_default(),
        user: text("user"),
        state: text("state"),
        seconds: row["seconds"].as_u64().unwrap_or_default(),
        query: text("query"),
        waiting: row["waiting"].as_u64().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::left_for_looking;

    #[test]
    fn a_look_has_its_time_as_far_as_the_patience_has_it() {
        for (patience, left) in [
            (0, 0),
            (600, 300),
            (1000, 500),
            (2000, 1000),
            (10_000, 3000),
        ] {
            let found = left_for_looking(Duration::from_millis(patience));
            assert_eq!(found, Duration::from_millis(left), "{patience} ms");
        }
    }
}
