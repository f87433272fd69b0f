//! The probes against real sockets on the loopback interface.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::{Value, json};

use super::super::testing::World;
use super::{Probe, host_and_port};
use crate::engine::{ActionError, ErrorKind, Outputs};
use crate::expr::Argument;
use crate::platform::http::testing::{Authority, Then, closed, response, serve, serve_tls};

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

    let closed = closed().await;
    let error = probe("tcp", &closed.to_string()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Target);
    assert_eq!(error.message, format!("connection refused by {closed}"));
    assert!(error.outputs.values["ms"].as_f64().unwrap() > 0.0);

    let error = probe("tcp", "db.example.com").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Target);
    assert!(error.message.contains("is not host:port"));
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
