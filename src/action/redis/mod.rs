//! `redis`: looks at keys of a Redis server. Reads only: what changes keys has no verb. How the server itself is,
//! `probe.redis` tells: it asks for no key.

mod spec;

use std::future::Future;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::base::Span;
use crate::base::text::{count, fit, one_line, thousands};
use crate::engine::{Action, ActionContext, ActionError, ActionFuture, Invocation, Outputs};
use crate::model::ActionSpec;
use crate::platform::redis::{Address, Key, Redis as Server, RedisError};
use crate::platform::tls::Trust;

use super::measured::milliseconds;

pub(super) use spec::LOGIN;

/// How many keys a scan keeps unless the step says otherwise.
const LIMIT: usize = 10_000;

/// How much of a string is kept, in bytes: one that is looked at by name, and each of a scan.
const LONGEST_VALUE: usize = 1024 * 1024;
const LONGEST_SCANNED: usize = 1024;

/// The action `redis`.
#[derive(Debug)]
pub(super) struct Redis;

impl Action for Redis {
    fn spec(&self) -> &'static ActionSpec {
        &spec::SPEC
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let started = Instant::now();
            let url = invocation.text("url").unwrap_or_default();
            let work = async {
                let mut redis = connect(url, invocation, context).await?;
                match invocation.verb.name {
                    "scan" => scan(&mut redis, invocation).await,
                    _ => get(&mut redis, invocation, context).await,
                }
            };
            let outputs = in_time(url, context, work).await?;
            Ok(outputs.with("ms", milliseconds(started.elapsed())))
        })
    }
}

/// Ends at the deadline, in its own words: that the server does not answer.
async fn in_time<T>(
    url: &str,
    context: &ActionContext<'_>,
    work: impl Future<Output = Result<T, ActionError>>,
) -> Result<T, ActionError> {
    let Some(deadline) = context.deadline else {
        return work.await;
    };
    let left = deadline.saturating_duration_since(tokio::time::Instant::now());
    let limit = Duration::from_millis(left.as_micros().div_ceil(1000) as u64);
    let ended = tokio::time::timeout_at(deadline, work).await;
    ended.unwrap_or_else(|_| {
        let message = format!("no answer within {} from {}", Span(limit), server(url));
        Err(ActionError::late(message))
    })
}

async fn get(
    redis: &mut Server,
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let key = redis.look(invocation.object_text(), LONGEST_VALUE).await;
    let key = key.map_err(|error| trouble(&error))?;
    let json = key.value.as_str().filter(|_| !key.truncated);
    let json: Value = json
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let shown = key.value.as_str().unwrap_or_default();
    let shown = fit(&one_line(&context.masker.text(shown)), 80);
    let detail = match (key.kind.as_deref(), key.length) {
        (None, _) => "there is no such key".to_owned(),
        (Some("string"), _) if !shown.is_empty() => format!("{shown}{}", lifetime(&key)),
        (Some(kind), length) => {
            let length = length.map_or_else(String::new, |length| format!(" of {length}"));
            format!("{kind}{length}{}", lifetime(&key))
        }
    };
    Ok(Outputs::new(detail)
        .with("exists", key.kind.is_some())
        .with("type", key.kind)
        .with("ttl", key.ttl)
        .with("length", key.length)
        .with("value", key.value)
        .with("json", json)
        .with("truncated", key.truncated))
}

fn lifetime(key: &Key) -> String {
    key.ttl.map_or_else(String::new, |seconds| {
        let whole = Duration::from_secs(seconds.ceil() as u64);
        format!(", expires in {}", Span(whole))
    })
}

async fn scan(redis: &mut Server, invocation: &Invocation) -> Result<Outputs, ActionError> {
    let limit = match invocation.integer("limit") {
        None => LIMIT,
        Some(limit) => usize::try_from(*limit).map_err(|_| {
            ActionError::config(format!("`limit` is {limit}: it cannot be negative"))
        })?,
    };
    let values = invocation.flag("values").then_some(LONGEST_SCANNED);
    let found = redis.scan(invocation.object_text(), limit, values).await;
    let found = found.map_err(|error| trouble(&error))?;
    let lifetimes = || found.keys.iter().filter_map(|key| key.ttl);
    let without = found.keys.len() - lifetimes().count();
    let detail = match found.truncated {
        true => format!(
            "the first {} keys; there are more",
            thousands(found.keys.len() as u64)
        ),
        false => format!(
            "{}, {without} without expiry",
            count(found.keys.len(), "key")
        ),
    };
    let (shortest, longest) = (lifetimes().reduce(f64::min), lifetimes().reduce(f64::max));
    let rows: Vec<Value> = found
        .keys
        .iter()
        .map(|key| row(key, values.is_some()))
        .collect();
    Ok(Outputs::new(detail)
        .with("count", found.keys.len())
        .with("rows", rows)
        .with("without_ttl", without)
        .with("ttl_min", shortest)
        .with("ttl_max", longest)
        .with("truncated", found.truncated))
}

fn row(key: &Key, with_value: bool) -> Value {
    let mut row = Map::new();
    row.insert("key".to_owned(), json!(key.key));
    row.insert("type".to_owned(), json!(key.kind));
    row.insert("ttl".to_owned(), json!(key.ttl));
    if with_value {
        row.insert("length".to_owned(), json!(key.length));
        // A counter is a number, so that it can be held against one.
        let counter = key.value.as_str().and_then(|text| text.parse::<i64>().ok());
        let value = counter.map_or_else(|| key.value.clone(), Value::from);
        row.insert("value".to_owned(), value);
    }
    Value::Object(row)
}

/// Connects to the server of a URL, as the options say.
pub(super) async fn connect(
    url: &str,
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Server, ActionError> {
    let address = Address::parse(url).map_err(|error| {
        ActionError::own(error.to_string())
            .help("write redis://cache.example.com:6379/0, and the password as `password`")
    })?;
    let address = address.as_user(invocation.text("user"), invocation.text("password"));
    let trust = invocation
        .path("ca")
        .map_or(Trust::System, |path| Trust::Also(context.folder.join(path)));
    let connected = Server::connect(&address, &trust).await;
    connected.map_err(|error| trouble(&error))
}

/// The server of a URL, to be named: never the URL, a password may stand in it.
pub(super) fn server(url: &str) -> String {
    Address::parse(url).map_or_else(|_| "the server".to_owned(), |address| address.server())
}

/// Whose trouble it is, and what to do about it. The server's words stay: they are what people search for.
pub(super) fn trouble(error: &RedisError) -> ActionError {
    let message = one_line(&error.to_string());
    match (error, error.code()) {
        (RedisError::Connect(connect), _) if connect.own => ActionError::own(message),
        (RedisError::Tls(tls), _) if tls.problem.is_own() => ActionError::own(message),
        (_, Some("NOAUTH")) => {
            ActionError::own(message).help("give it the password: password = \"{{ secret.NAME }}\"")
        }
        (_, Some("WRONGPASS")) => ActionError::own(message).help("correct `user` and `password`"),
        (_, Some("NOPERM")) => ActionError::own(message)
            .help("let this user read: ACL SETUSER … +ping +info +dbsize +scan +type +pttl +@read"),
        (_, Some("LOADING")) => {
            ActionError::target(message).help("it reads its data from the disk; `retry` waits")
        }
        (_, Some("MOVED" | "ASK")) => ActionError::target(message)
            .help("the key lies on another node of the cluster: ask that one"),
        (RedisError::NotRedis { .. }, _) => ActionError::target(message)
            .help("check host and port, and whether it speaks TLS: then it is rediss://"),
        _ => ActionError::target(message),
    }
}
