//! `probe.redis`: has a Redis server answer and reads what it says of itself.

use serde_json::{Map, Value, json};

use crate::action::measured::milliseconds;
use crate::action::redis::{connect, trouble};
use crate::base::Size;
use crate::base::text::count;
use crate::engine::{ActionContext, ActionError, Invocation, Outputs};
use crate::platform::redis::Health;

pub(super) async fn probe(
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let mut redis = connect(invocation.object_text(), invocation, context).await?;
    let health = redis.health().await.map_err(|error| trouble(&error))?;
    let outputs = facts(&health)
        .with("address", redis.peer.to_string())
        .with("connect", milliseconds(redis.connected));
    Ok(outputs)
}

fn facts(health: &Health) -> Outputs {
    let Health { ping, info, keys } = health;
    let of = |name: &str| info.get(name).cloned().unwrap_or_default();
    let number = |name: &str| info.get(name).and_then(Value::as_f64);
    let share = |part: f64, whole: f64| (whole > 0.0).then(|| hundredths(100.0 * part / whole));
    // Without a limit Redis says that it is nought.
    let limit = number("maxmemory").filter(|limit| *limit > 0.0);
    let (hits, misses) = (number("keyspace_hits"), number("keyspace_misses"));
    let hit_rate = hits
        .zip(misses)
        .and_then(|(hits, misses)| share(hits, hits + misses));
    let used_percent = number("used_memory")
        .zip(limit)
        .and_then(|(used, limit)| share(used, limit));
    let role = info
        .get("role")
        .and_then(Value::as_str)
        .map(|role| match role {
            "master" => "primary",
            "slave" => "replica",
            other => other,
        });
    Outputs::new(told(info, role, hit_rate))
        .with("ping", milliseconds(*ping))
        .with("pong", true)
        .with("version", of("redis_version"))
        .with("role", role)
        .with("uptime_seconds", of("uptime_in_seconds"))
        .with("used_memory", of("used_memory"))
        .with("maxmemory", limit.map(|limit| limit as u64))
        .with("used_percent", used_percent)
        .with("connected_clients", of("connected_clients"))
        .with("maxclients", of("maxclients"))
        .with("rejected_connections", of("rejected_connections"))
        .with("hits", of("keyspace_hits"))
        .with("misses", of("keyspace_misses"))
        .with("hit_rate", hit_rate)
        .with("evicted_keys", of("evicted_keys"))
        .with("expired_keys", of("expired_keys"))
        .with("keys", *keys)
        .with("replicas", of("connected_slaves"))
        .with("replica_link", of("master_link_status"))
        .with("replication_lag", lag(info))
        .with("info", info.clone())
}

/// Seconds since the replica last heard its primary, or the longest of the replicas. While the link is down Redis says
/// -1: then it is the time since.
fn lag(info: &Map<String, Value>) -> Option<i64> {
    let number = |name: &str| info.get(name).and_then(Value::as_i64);
    if let Some(seconds) = number("master_last_io_seconds_ago") {
        return match seconds {
            0.. => Some(seconds),
            _ => number("master_link_down_since_seconds").filter(|seconds| *seconds >= 0),
        };
    }
    let replicas = info.iter().filter(|(name, _)| name.starts_with("slave"));
    replicas
        .filter_map(|(_, replica)| replica.get("lag")?.as_i64())
        .max()
}

fn told(info: &Map<String, Value>, role: Option<&str>, hit_rate: Option<f64>) -> String {
    let text = |name: &str| info.get(name).and_then(Value::as_str);
    let number = |name: &str| info.get(name).and_then(Value::as_u64);
    let parts = [
        Some("PONG".to_owned()),
        text("redis_version").map(|version| format!("Redis {version}")),
        role.map(str::to_owned),
        number("used_memory").map(|used| match number("maxmemory") {
            Some(limit @ 1..) => format!("{} of {}", Size(used), Size(limit)),
            _ => Size(used).to_string(),
        }),
        number("connected_clients").map(|clients| count(clients as usize, "client")),
        hit_rate.map(|rate| format!("hit rate {}%", json!(rate))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// With two decimals.
fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::lag;

    fn info(fields: Value) -> Map<String, Value> {
        fields.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn the_lag_is_the_longest() {
        let primary =
            json!({"slave0": {"lag": 1}, "slave1": {"lag": 4}, "slave_expires_tracked_keys": 0});
        assert_eq!(lag(&info(primary)), Some(4));
        assert_eq!(
            lag(&info(json!({"master_last_io_seconds_ago": 2}))),
            Some(2)
        );
        let down = json!({"master_last_io_seconds_ago": -1, "master_link_down_since_seconds": 70});
        assert_eq!(lag(&info(down)), Some(70));
        assert_eq!(lag(&info(json!({"connected_slaves": 0}))), None);
    }
}
