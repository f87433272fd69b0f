//! What a Redis server says of itself: the lines of INFO as a table.

use serde_json::{Map, Value};

/// The fields by name: numbers as numbers, `db0` and `slave0` as tables of their own. See
/// <https://redis.io/docs/latest/commands/info/>.
pub(super) fn parse(text: &str) -> Map<String, Value> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), field(name, value)))
        .collect()
}

fn field(name: &str, value: &str) -> Value {
    let parts: Option<Map<String, Value>> = value
        .split(',')
        .map(|part| {
            let (name, value) = part.split_once('=')?;
            Some((name.to_owned(), scalar(name, value)))
        })
        .collect();
    parts.map_or_else(|| scalar(name, value), Value::Object)
}

fn scalar(name: &str, value: &str) -> Value {
    // A version looks like a number as long as nobody has mended anything.
    if name.ends_with("version") {
        return Value::from(value);
    }
    if let Ok(whole) = value.parse::<i64>() {
        return Value::from(whole);
    }
    let is_decimal =
        value.contains('.') && value.bytes().all(|byte| b"-.0123456789".contains(&byte));
    match value.parse::<f64>() {
        Ok(real) if is_decimal => Value::from(real),
        _ => Value::from(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::parse;

    #[test]
    fn fields_have_their_types() {
        let text = "# Server\r\nredis_version:7.2\r\nrun_id:e10\r\nuptime_in_seconds:12\r\n\r\n# Memory\r\n\
            mem_fragmentation_ratio:1.03\r\nused_memory_human:1.00M\r\nexecutable:/usr/bin/redis-server\r\n\
            slave0:ip=10.0.0.2,port=6379,state=online,offset=14,lag=1\r\ndb0:keys=3,expires=1,avg_ttl=0\r\nnothing\r\n";
        assert_eq!(
            Value::Object(parse(text)),
            json!({
                "redis_version": "7.2", "run_id": "e10", "uptime_in_seconds": 12, "mem_fragmentation_ratio": 1.03,
                "used_memory_human": "1.00M", "executable": "/usr/bin/redis-server",
                "slave0": {"ip": "10.0.0.2", "port": 6379, "state": "online", "offset": 14, "lag": 1},
                "db0": {"keys": 3, "expires": 1, "avg_ttl": 0},
            })
        );
    }
}
