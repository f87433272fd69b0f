//! `probe`: looks at one thing below HTTP: a port, a certificate, a name, a Redis server, a disk, the
//! memory.

mod redis;
mod spec;
#[cfg(test)]
mod tests;
mod tls;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::base::{Size, Span};
use crate::engine::{Action, ActionContext, ActionError, ActionFuture, Invocation, Outputs};
use crate::expr::Argument;
use crate::model::ActionSpec;
use crate::platform::{disk, dns, memory, tcp};

use super::measured::milliseconds;

/// The action `probe`.
#[derive(Debug)]
pub(super) struct Probe;

impl Action for Probe {
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
            let probed = match invocation.verb.name {
                "tcp" => in_time(invocation, context, probe_tcp(invocation)).await,
                "tls" => in_time(invocation, context, tls::probe(invocation, context)).await,
                "dns" => in_time(invocation, context, probe_dns(invocation)).await,
                "redis" => in_time(invocation, context, redis::probe(invocation, context)).await,
                "disk" => in_time(invocation, context, probe_disk(invocation, context)).await,
                _ => probe_memory(),
            };
            let ms = milliseconds(started.elapsed());
            match probed {
                Ok(outputs) => Ok(outputs.with("ms", ms)),
                Err(mut error) => {
                    error.outputs.values.insert("ms".to_owned(), ms.into());
                    Err(error)
                }
            }
        })
    }
}

/// Ends a probe at the deadline, in its own words: that the target does not answer.
async fn in_time(
    invocation: &Invocation,
    context: &ActionContext<'_>,
    probe: impl Future<Output = Result<Outputs, ActionError>>,
) -> Result<Outputs, ActionError> {
    let Some(deadline) = context.deadline else {
        return probe.await;
    };
    let left = deadline.saturating_duration_since(tokio::time::Instant::now());
    tokio::time::timeout_at(deadline, probe)
        .await
        .unwrap_or_else(|_| {
            let limit = Duration::from_millis(left.as_micros().div_ceil(1000) as u64);
            let late = ActionError::target(format!(
                "no answer within {} from {}",
                Span(limit),
                target(invocation)
            ));
            Err(match invocation.verb.name {
                "tcp" => late.help(tcp::SILENT),
                "dns" => late.help(dns::SLOW),
                _ => late,
            })
        })
}

/// What is probed, to be named.
fn target(invocation: &Invocation) -> String {
    match &invocation.object {
        Argument::Path(path) => path.display().to_string(),
        // A password may stand in the URL.
        _ if invocation.verb.name == "redis" => super::redis::server(invocation.object_text()),
        _ => invocation.object_text().to_owned(),
    }
}

async fn probe_tcp(invocation: &Invocation) -> Result<Outputs, ActionError> {
    let reached = reach(invocation.object_text()).await?;
    Ok(Outputs::new(format!("connected to {}", reached.address))
        .with("address", reached.address.to_string())
        .with("dns", milliseconds(reached.dns))
        .with("connect", milliseconds(reached.connect)))
}

async fn probe_dns(invocation: &Invocation) -> Result<Outputs, ActionError> {
    let found = dns::lookup(invocation.object_text())
        .await
        .map_err(|error| ActionError::target(error.to_string()).help(dns::REMEDY))?;
    let mut found: Vec<_> = found.iter().map(ToString::to_string).collect();
    found.sort_unstable();
    Ok(Outputs::new(found.join(", "))
        .with("count", found.len())
        .with("addresses", found))
}

async fn probe_disk(
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let Argument::Path(path) = &invocation.object else {
        return Err(ActionError::config("`probe.disk` takes a path"));
    };
    let path = context.folder.join(path);
    let shown = path.display().to_string();
    // A file system whose server is gone blocks whoever asks: this must not be the thread that everything runs on.
    let usage = tokio::task::spawn_blocking(move || disk::usage(&path))
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(|error| {
            ActionError::own(format!(
                "the file system of {shown} cannot be looked at: {error}"
            ))
        })?;
    Ok(Outputs::new(format!(
        "{}% used, {} available",
        usage.used_percent,
        Size(usage.available)
    ))
    .with("total", usage.total)
    .with("free", usage.free)
    .with("available", usage.available)
    .with("used_percent", usage.used_percent)
    .with("inodes_used_percent", usage.inodes_used_percent))
}

fn probe_memory() -> Result<Outputs, ActionError> {
    let usage = memory::usage()
        .map_err(|error| ActionError::own(format!("the memory cannot be looked at: {error}")))?;
    Ok(Outputs::new(format!(
        "{}% used, {} available",
        usage.used_percent,
        Size(usage.available)
    ))
    .with("total", usage.total)
    .with("available", usage.available)
    .with("used_percent", usage.used_percent)
    .with("swap_total", usage.swap_total)
    .with("swap_free", usage.swap_free)
    .with("swap_used_percent", usage.swap_used_percent)
    .with("group_limit", usage.group_limit)
    .with("group_used", usage.group_used))
}

/// A connection and what it took.
struct Reached {
    stream: tokio::net::TcpStream,
    host: String,
    address: SocketAddr,
    dns: Duration,
    connect: Duration,
}

async fn reach(target: &str) -> Result<Reached, ActionError> {
    let (host, port) = host_and_port(target).ok_or_else(|| {
        ActionError::target(format!("{target:?} is not host:port"))
            .help("write db.example.com:5432 or [2001:db8::1]:5432")
    })?;
    let started = Instant::now();
    let addresses: Vec<_> = dns::lookup(host)
        .await
        .map_err(|error| ActionError::target(error.to_string()).help(dns::REMEDY))?
        .into_iter()
        .map(|address| SocketAddr::new(address, port))
        .collect();
    let dns = started.elapsed();
    let stream = tcp::connect(&addresses).await.map_err(|error| {
        let failure = if error.own {
            ActionError::own(error.to_string())
        } else {
            ActionError::target(error.to_string())
        };
        match error.remedy() {
            Some(remedy) => failure.help(remedy),
            None => failure,
        }
    })?;
    let connect = started.elapsed() - dns;
    let address = stream
        .peer_addr()
        .map_err(|error| ActionError::target(format!("{} by {target}", tcp::reason(&error))))?;
    Ok(Reached {
        stream,
        host: host.to_owned(),
        address,
        dns,
        connect,
    })
}

/// Splits `host:port`; an IPv6 address stands in brackets.
fn host_and_port(target: &str) -> Option<(&str, u16)> {
    let (host, port) = target.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    (!bare.is_empty()).then_some((bare, port))
}

fn with_all(mut outputs: Outputs, values: Value) -> Outputs {
    if let Value::Object(values) = values {
        outputs.values.extend(values);
    }
    outputs
}
