//! `probe`: looks at one thing below HTTP: a port, a certificate, a name, a disk, the memory.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::base::{Effect, Size, Span};
use crate::engine::{Action, ActionContext, ActionError, ActionFuture, Invocation, Outputs};
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, OutputSpec, VerbSpec};
use crate::platform::tls::Trust;
use crate::platform::{disk, dns, memory, tcp, tls};

use super::measured::{milliseconds, refused_tls, tls as tls_value};

/// The action `probe`.
#[derive(Debug)]
pub(super) struct Probe;

static SPEC: ActionSpec = ActionSpec {
    name: "probe",
    summary: "Look at a port, a certificate, a name, a disk or the memory",
    verbs: &[
        verb("tcp", "Connect to host:port", Kind::Text, &[], TCP),
        verb(
            "tls",
            "Shake hands with host:port and look at the certificate",
            Kind::Text,
            &[
                OptionSpec {
                    name: "server_name",
                    kind: Kind::Text,
                    required: false,
                    help: "The name to ask for and to find in the certificate; the host unless said",
                },
                OptionSpec {
                    name: "ca",
                    kind: Kind::Path,
                    required: false,
                    help: "A PEM file of authorities to trust beside the system's",
                },
            ],
            TLS,
        ),
        verb(
            "dns",
            "Look up the addresses of a name",
            Kind::Text,
            &[],
            &[
                output("addresses", "The addresses, sorted"),
                output("count", "How many there are"),
            ],
        ),
        verb(
            "disk",
            "Look how full the file system of a path is",
            Kind::Path,
            &[],
            DISK,
        ),
        verb(
            "memory",
            "Look how much memory this machine has left: probe.memory = true",
            Kind::Boolean,
            &[],
            MEMORY,
        ),
    ],
    options: &[],
    outputs: &[output("ms", "How long it took, in milliseconds")],
    timeout: Some(5),
};

const TCP: &[OutputSpec] = &[
    output("address", "The address and port that answered"),
    output("dns", "How long looking up the name took, in milliseconds"),
    output("connect", "How long connecting took, in milliseconds"),
];

const TLS: &[OutputSpec] = &[
    output("address", "The address and port that answered"),
    output("handshake", "How long the handshake took, in milliseconds"),
    output("expires_in", "Whole days until the certificate expires"),
    output("not_after", "When the certificate expires"),
    output("issuer", "Who signed the certificate"),
    output("subject", "Whom the certificate names"),
    output("names", "The host names and addresses that it is for"),
    output("protocol", "The version of TLS"),
    output("cipher", "The cipher suite"),
    output(
        "problem",
        "What is wrong with the certificate, null if nothing is",
    ),
];

const DISK: &[OutputSpec] = &[
    output("total", "The size of the file system, in bytes"),
    output("free", "What is not in use, in bytes"),
    output(
        "available",
        "What an ordinary user can still write, in bytes",
    ),
    output("used_percent", "Used share, 0 to 100, as df counts it"),
    output("inodes_used_percent", "Used share of the inodes, 0 to 100"),
];

const MEMORY: &[OutputSpec] = &[
    output("total", "What the machine has, in bytes"),
    output("available", "What programs can still have, in bytes"),
    output("used_percent", "Share that is not available, 0 to 100"),
    output("swap_total", "The size of the swap space, in bytes"),
    output("swap_free", "What is left of the swap space, in bytes"),
    output(
        "swap_used_percent",
        "Used share of the swap space, 0 to 100",
    ),
    output(
        "group_limit",
        "The limit of the control group, in bytes; null without one",
    ),
    output(
        "group_used",
        "What the control group uses, in bytes; null if unknown",
    ),
];

const fn verb(
    name: &'static str,
    summary: &'static str,
    object: Kind,
    options: &'static [OptionSpec],
    outputs: &'static [OutputSpec],
) -> VerbSpec {
    VerbSpec {
        name,
        summary,
        object,
        effect: EffectRule::Always(Effect::Read),
        options,
        outputs,
    }
}

const fn output(name: &'static str, help: &'static str) -> OutputSpec {
    OutputSpec { name, help }
}

impl Action for Probe {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
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
                "tls" => in_time(invocation, context, probe_tls(invocation, context)).await,
                "dns" => in_time(invocation, context, probe_dns(invocation)).await,
                "disk" => probe_disk(invocation, context),
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
            Err(ActionError::target(format!(
                "no answer within {} from {}",
                Span(limit),
                invocation.object_text()
            )))
        })
}

async fn probe_tcp(invocation: &Invocation) -> Result<Outputs, ActionError> {
    let reached = reach(invocation.object_text()).await?;
    Ok(Outputs::new(format!("connected to {}", reached.address))
        .with("address", reached.address.to_string())
        .with("dns", milliseconds(reached.dns))
        .with("connect", milliseconds(reached.connect)))
}

async fn probe_tls(
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let trust = invocation
        .path("ca")
        .map_or(Trust::System, |path| Trust::Also(context.folder.join(path)));
    let reached = reach(invocation.object_text()).await?;
    let name = invocation.text("server_name").unwrap_or(&reached.host);
    let started = Instant::now();
    let connected = tls::connect(reached.stream, name, &trust, &[]).await;
    let found = Outputs::default()
        .with("address", reached.address.to_string())
        .with("handshake", milliseconds(started.elapsed()));
    match connected {
        Ok((_, facts)) => {
            let mut found = with_all(found, tls_value(&facts));
            if let Some(days) = found.values.get("expires_in") {
                found.detail = format!("{days} days left");
            }
            Ok(found)
        }
        Err(error) => {
            let failure = if error.problem.is_own() {
                ActionError::own(error.to_string())
            } else {
                ActionError::target(error.to_string())
            };
            Err(failure.outputs(with_all(found, refused_tls(&error))))
        }
    }
}

async fn probe_dns(invocation: &Invocation) -> Result<Outputs, ActionError> {
    let found = dns::lookup(invocation.object_text())
        .await
        .map_err(|error| ActionError::target(error.to_string()))?;
    let mut found: Vec<_> = found.iter().map(ToString::to_string).collect();
    found.sort_unstable();
    Ok(Outputs::new(found.join(", "))
        .with("count", found.len())
        .with("addresses", found))
}

fn probe_disk(
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Outputs, ActionError> {
    let crate::expr::Argument::Path(path) = &invocation.object else {
        return Err(ActionError::config("`probe.disk` takes a path"));
    };
    let path = context.folder.join(path);
    let usage = disk::usage(&path).map_err(|error| {
        ActionError::own(format!(
            "the file system of {} cannot be looked at: {error}",
            path.display()
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
        ActionError::config(format!("{target:?} is not host:port"))
            .help("write db.example.com:5432 or [2001:db8::1]:5432")
    })?;
    let started = Instant::now();
    let addresses: Vec<_> = dns::lookup(host)
        .await
        .map_err(|error| ActionError::target(error.to_string()))?
        .into_iter()
        .map(|address| SocketAddr::new(address, port))
        .collect();
    let dns = started.elapsed();
    let refused = |message: String| ActionError::target(message);
    let stream = tcp::connect(&addresses)
        .await
        .map_err(|error| refused(error.to_string()))?;
    let connect = started.elapsed() - dns;
    let address = stream
        .peer_addr()
        .map_err(|error| refused(format!("{} by {target}", tcp::reason(&error))))?;
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

#[cfg(test)]
mod tests {
    //! The probes against real sockets on the loopback interface.
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use serde_json::{Value, json};

    use super::super::testing::World;
    use super::{Probe, host_and_port};
    use crate::engine::{ActionError, ErrorKind, Outputs};
    use crate::expr::Argument;
    use crate::platform::http::testing::{Authority, Then, response, serve, serve_tls};

    async fn probe(verb: &str, target: &str) -> Result<Outputs, ActionError> {
        let target = Argument::Text(target.to_owned());
        World::new().run(&Probe, verb, target, &[]).await
    }

    #[tokio::test]
    async fn connects_or_says_why_not() {
        let server = serve(|_| (Vec::new(), Then::Close)).await;
        let outputs = probe("tcp", &server.address.to_string()).await.unwrap();
        assert_eq!(outputs.detail, format!("connected to {}", server.address));
        assert!(outputs.values["connect"].as_f64().unwrap() > 0.0);

        let closed = {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let error = probe("tcp", &closed.to_string()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Target);
        assert_eq!(error.message, format!("connection refused by {closed}"));
        assert!(error.outputs.values["ms"].as_f64().unwrap() > 0.0);

        let error = probe("tcp", "db.example.com").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config);
    }

    #[tokio::test]
    async fn tells_the_certificate_also_when_it_is_not_valid() {
        let authority = Authority::new();
        let answer = |_: &str| (response("200 OK", "", b""), Then::Close);
        let server = serve_tls(authority.identity("example.com"), answer).await;
        let target = || Argument::Text(server.address.to_string());
        let named = vec![
            ("server_name", Argument::Text("example.com".to_owned())),
            ("ca", Argument::Path(authority.file())),
        ];
        let outputs = World::new()
            .run(&Probe, "tls", target(), &named)
            .await
            .unwrap();
        assert!(outputs.detail.ends_with(" days left"), "{}", outputs.detail);
        assert_eq!(outputs.values["names"], json!(["example.com"]));
        assert_eq!(outputs.values["problem"], Value::Null);

        let server = serve_tls(authority.expired(), answer).await;
        let error = probe("tls", &format!("localhost:{}", server.address.port()))
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Target);
        assert_eq!(error.outputs.values["not_after"], "2024-03-01T00:00:00Z");
        assert!(error.outputs.values["expires_in"].as_i64().unwrap() < 0);
    }

    #[tokio::test]
    async fn a_target_that_never_answers_is_named() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap();
        let world = World {
            deadline: Some(tokio::time::Instant::now() + Duration::from_millis(50)),
            ..World::new()
        };
        let target = Argument::Text(address.to_string());
        let error = world.run(&Probe, "tls", target, &[]).await.unwrap_err();
        assert_eq!(
            error.message,
            format!("no answer within 50ms from {address}")
        );
    }

    #[tokio::test]
    async fn looks_up_names() {
        let outputs = probe("dns", "localhost").await.unwrap();
        assert_eq!(outputs.values["addresses"], json!(["127.0.0.1", "::1"]));
        let error = probe("dns", "name.invalid").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Target);
    }

    #[tokio::test]
    async fn looks_at_disk_and_memory() {
        let root = Argument::Path("/".into());
        let outputs = World::new().run(&Probe, "disk", root, &[]).await.unwrap();
        assert!(outputs.values["total"].as_u64().unwrap() > 0);
        let missing = Argument::Path("/no/such/path".into());
        let error = World::new()
            .run(&Probe, "disk", missing, &[])
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Own);
        let outputs = World::new()
            .run(&Probe, "memory", Argument::Boolean(true), &[])
            .await
            .unwrap();
        assert!(outputs.values["used_percent"].as_f64().unwrap() <= 100.0);
    }

    #[test]
    fn splits_host_and_port() {
        assert_eq!(host_and_port("db:5432"), Some(("db", 5432)));
        assert_eq!(host_and_port("[::1]:5432"), Some(("::1", 5432)));
        for wrong in [
            "db",
            "db:",
            ":5432",
            "::1:5432",
            "db:99999",
            "[::1:5432",
            "[]:1",
        ] {
            assert_eq!(host_and_port(wrong), None, "{wrong}");
        }
    }
}
