//! The probes against real sockets on the loopback interface.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::{Value, json};

use super::super::testing::World;
use super::{Probe, host_and_port};
use crate::engine::{ActionError, ErrorKind, Outputs};
use crate::expr::Argument;
use crate::platform::http::testing::{
    Authority, Identity, Server, Then, closed, response, serve, serve_tls,
};

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

    let nobody = closed();
    let closed = nobody.address;
    let error = probe("tcp", &closed.to_string()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Target);
    assert_eq!(error.message, format!("connection refused by {closed}"));
    assert!(error.outputs.values["ms"].as_f64().unwrap() > 0.0);
    assert!(error.help.unwrap().contains("is the service running"));

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

/// Looks at a server that shows this certificate, with the authority trusted.
async fn look_at(
    identity: Identity,
    authority: &Authority,
    options: &[(&'static str, Argument)],
) -> Result<Outputs, ActionError> {
    let server = serve_tls(identity, |_| (response("200 OK", "", b""), Then::Close)).await;
    let target = Argument::Text(format!("localhost:{}", server.address.port()));
    let mut options = options.to_vec();
    options.push(("ca", Argument::Path(authority.file())));
    World::new().run(&Probe, "tls", target, &options).await
}

/// A server that hands a list of revoked certificates out, and the URL of it.
async fn listing(list: Vec<u8>) -> (Server, String) {
    let server = serve(move |_| (response("200 OK", "", &list), Then::Close)).await;
    let url = server.url("/revoked.crl");
    (server, url)
}

#[tokio::test]
async fn a_revoked_certificate_is_a_failure_that_says_when_and_why() {
    let authority = Authority::new();
    let (_server, url) = listing(authority.list(&[Authority::SERIAL], 2039)).await;
    let error = look_at(authority.revocable(&url), &authority, &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Target);
    assert_eq!(
        error.message,
        "the certificate of localhost was revoked by its issuer on 2025-05-06: its key is compromised"
    );
    assert_eq!(error.outputs.values["revoked"], true);
    assert_eq!(error.outputs.values["revocation"], error.message);
    assert!(error.outputs.values["expires_in"].as_i64().unwrap() > 365);

    // A list that is out of date still tells who was revoked before.
    let (_server, url) = listing(authority.list(&[Authority::SERIAL], 2025)).await;
    let error = look_at(authority.revocable(&url), &authority, &[])
        .await
        .unwrap_err();
    assert_eq!(error.outputs.values["revoked"], true);

    // Nobody is asked where the step does not want it.
    let (server, url) = listing(authority.list(&[Authority::SERIAL], 2039)).await;
    let not_asked = [("revocation", Argument::Boolean(false))];
    let outputs = look_at(authority.revocable(&url), &authority, &not_asked)
        .await
        .unwrap();
    assert_eq!(outputs.values["revoked"], Value::Null);
    assert_eq!(server.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn a_certificate_that_no_list_names_is_not_revoked() {
    let authority = Authority::new();
    let (server, url) = listing(authority.list(&[Authority::SERIAL + 1], 2039)).await;
    let outputs = look_at(authority.revocable(&url), &authority, &[])
        .await
        .unwrap();
    assert_eq!(outputs.values["revoked"], false);
    assert_eq!(outputs.values["revocation"], Value::Null);
    assert_eq!(outputs.values["chain"], 1);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn where_it_cannot_be_told_the_reason_is() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let nobody = closed();
    let dead = format!("http://{}/revoked.crl", nobody.address);
    let missing = serve(|_| (response("404 Not Found", "", b""), Then::Close)).await;
    let silent = serve(|_| (Vec::new(), Then::Hang)).await;
    let (_page, page) = listing(b"<html>".to_vec()).await;
    let (_old, old) = listing(authority.list(&[], 2025)).await;
    let (_forged, forged) = listing(stranger.list(&[Authority::SERIAL], 2039)).await;
    for (identity, reason) in [
        (
            authority.identity("localhost"),
            "names no list of revoked certificates",
        ),
        (authority.revocable(&dead), "connection refused"),
        (
            authority.revocable(&missing.url("/")),
            "it answers 404 Not Found",
        ),
        (
            authority.revocable(&page),
            "it is no list of revoked certificates",
        ),
        (authority.revocable(&old), "it is out of date"),
        (
            authority.revocable(&forged),
            "it is not signed by the issuer",
        ),
    ] {
        let outputs = look_at(identity, &authority, &[]).await.unwrap();
        assert_eq!(outputs.values["revoked"], Value::Null, "{reason}");
        let told = outputs.values["revocation"].as_str().unwrap();
        assert!(told.contains(reason), "{told}");
    }

    // A list that does not come leaves the step time to tell the rest. Half of it must do for a handshake, whatever else
    // the machine does.
    let server = serve_tls(authority.revocable(&silent.url("/")), |_| {
        (Vec::new(), Then::Hang)
    })
    .await;
    let world = World {
        deadline: Some(tokio::time::Instant::now() + Duration::from_secs(6)),
        ..World::new()
    };
    let target = Argument::Text(format!("localhost:{}", server.address.port()));
    let ca = [("ca", Argument::Path(authority.file()))];
    let outputs = world.run(&Probe, "tls", target, &ca).await.unwrap();
    let told = outputs.values["revocation"].as_str().unwrap();
    assert!(told.contains("no answer within"), "{told}");
}

#[tokio::test]
async fn a_chain_is_as_good_as_its_worst_certificate() {
    let root = Authority::new();
    let (_good, good) = listing(root.list(&[], 2039)).await;
    let between = root.below(Some(&good), Some((2027, 1, 1)));
    let (_own, own) = listing(between.list(&[], 2039)).await;
    let outputs = look_at(between.revocable(&own), &root, &[]).await.unwrap();
    assert_eq!(outputs.values["chain"], 2);
    assert_eq!(outputs.values["revoked"], false);
    let days = |name: &str| outputs.values[name].as_i64().unwrap();
    assert!(days("chain_expires_in") < days("expires_in"));

    // The list of one is not the list of another.
    let outputs = look_at(between.identity("localhost"), &root, &[]).await;
    assert_eq!(outputs.unwrap().values["revoked"], Value::Null);

    let (_bad, bad) = listing(root.list(&[Authority::SERIAL], 2039)).await;
    let between = root.below(Some(&bad), None);
    let (_own, own) = listing(between.list(&[], 2039)).await;
    let error = look_at(between.revocable(&own), &root, &[])
        .await
        .unwrap_err();
    assert!(
        error
            .message
            .ends_with("on which that of localhost rests, was revoked by its issuer on 2025-05-06: its key is compromised"),
        "{error}"
    );

    // Without the one between, nobody can tell whose certificate it is.
    let error = look_at(between.identity("localhost").alone(), &root, &[])
        .await
        .unwrap_err();
    assert!(
        error
            .message
            .contains("whose certificate the server does not send"),
        "{error}"
    );
    assert!(error.help.unwrap().contains("fullchain.pem"));
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
    // What is left of the 50 ms when the probe begins is the machine's affair.
    let told = &error.message;
    assert!(told.starts_with("no answer within "), "{told}");
    assert!(told.ends_with(&format!(" from {address}")), "{told}");
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
