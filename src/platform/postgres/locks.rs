//! Who holds what a session waits for: asked over a connection of its own shortly before the wait is over, because
//! nobody can tell afterwards.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::error::Holder;
use super::session::{Limits, State};
use super::{Postgres, query};

/// The sessions that hold what another waits for, the oldest transaction first. A transaction that was prepared holds
/// without a session.
const HOLDERS: &str = "\
SELECT blocking.pid::int8 AS pid, coalesce(usename, '') AS \"user\",
       coalesce(state, CASE blocking.pid WHEN 0 THEN 'a prepared transaction' END, 'unknown') AS state,
       coalesce(extract(epoch FROM clock_timestamp() - coalesce(xact_start, state_change)), 0)::int8 AS seconds,
       coalesce(query, '') AS query
FROM unnest(pg_blocking_pids($1::int)) AS blocking (pid) LEFT JOIN pg_stat_activity AS a ON a.pid = blocking.pid
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
        tokio::time::sleep(shortest.mul_f64(0.7)).await;
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

fn holder(row: &Map<String, Value>) -> Holder {
    let text = |column: &str| row[column].as_str().unwrap_or_default().to_owned();
    Holder {
        pid: row["pid"].as_i64().unwrap_or_default(),
        user: text("user"),
        state: text("state"),
        seconds: row["seconds"].as_u64().unwrap_or_default(),
        query: text("query"),
    }
}
