//! Requests against real servers on the loopback interface: what is measured, and every way in which it can go wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use async_compression::tokio::write::{DeflateEncoder, GzipEncoder, ZlibEncoder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::base::Size;

use super::super::dns::Names;
use super::super::tls::{TlsProblem, Trust};
use super::testing::{
    Authority, BlackHole, Identity, Server, Then, closed, read_request, response, serve, serve_2,
    serve_2_with, serve_on, serve_tls, tunnel_to,
};
use super::{HttpCause, HttpError, Phase, Proxies, Request, Response, send};

fn get(url: &str) -> Request {
    Request::new("GET", url)
}

async fn fail(request: &Request) -> HttpError {
    send(request).await.unwrap_err()
}

/// A server that gives everyone the same answer.
async fn always(bytes: Vec<u8>, then: Then) -> Server {
    serve(move |_| (bytes.clone(), then)).await
}

async fn ask(server: &Server) -> Response {
    send(&get(&server.url("/"))).await.unwrap()
}

async fn asked_in_vain(server: &Server) -> HttpError {
    fail(&get(&server.url("/"))).await
}

#[tokio::test]
async fn tells_status_headers_body_and_times() {
    let head = "X-Many: a\r\nServer-Timing: db;dur=4.5\r\nx-many: b\r\n";
    let server = always(response("200 OK", head, b"hello"), Then::Close).await;
    let answer = send(&get(&server.url("/a?b=c#d")).header("x-own", "1"))
        .await
        .unwrap();
    assert_eq!((answer.status, answer.reason), (200, "OK"));
    assert_eq!(answer.version, "HTTP/1.1");
    assert_eq!(answer.body, b"hello");
    assert_eq!(answer.address, server.address);
    assert_eq!(answer.server_timing[0].milliseconds, Some(4.5));
    let many: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "x-many")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(many, ["a", "b"]);

    let timing = answer.timing;
    for phase in [timing.dns, timing.connect, timing.wait, timing.receive] {
        assert!(phase > Duration::ZERO, "{timing:?}");
    }
    assert_eq!(timing.tls, Duration::ZERO);
    let sum = timing.dns + timing.connect + timing.wait + timing.receive;
    assert_eq!(timing.total, sum, "{timing:?}");

    let seen = &server.seen()[0];
    assert!(seen.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{seen}");
    assert!(
        seen.contains(&format!("host: {}\r\n", server.address)),
        "{seen}"
    );
    assert!(seen.contains("x-own: 1\r\n"), "{seen}");
}

#[tokio::test]
async fn sends_a_body_and_takes_none_after_head() {
    let server = always(response("201 Created", "", b""), Then::Close).await;
    let mut request = Request::new("POST", &server.url("/"));
    request.body = b"data".to_vec();
    assert_eq!(send(&request).await.unwrap().status, 201);
    assert!(server.seen()[0].ends_with("content-length: 4\r\n\r\ndata"));

    let server = always(
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec(),
        Then::Close,
    )
    .await;
    let answer = send(&Request::new("HEAD", &server.url("/"))).await.unwrap();
    assert_eq!(answer.header("content-length"), Some("99999999999"));
    assert_eq!(answer.body, b"");
}

#[tokio::test]
async fn a_refused_connection_is_named() {
    let closed = closed();
    let address = closed.address;
    let error = fail(&get(&format!("http://{address}/"))).await;
    assert_eq!(error.phase, Phase::Connect);
    assert_eq!(
        error.to_string(),
        format!("connection refused by {address}")
    );
}

#[tokio::test]
async fn a_name_without_address_is_named() {
    let error = fail(&get("http://name.invalid/")).await;
    assert_eq!(error.phase, Phase::Dns);
    assert!(matches!(error.cause, HttpCause::Dns(_)), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_costs_the_timeout_and_is_named() {
    let server = always(Vec::new(), Then::Hang).await;
    let mut request = get(&server.url("/"));
    request.timeout = Duration::from_millis(100);
    let error = fail(&request).await;
    assert_eq!(error.phase, Phase::Wait);
    assert_eq!(
        error.to_string(),
        format!(
            "no answer within 100ms from {} while waiting for the response",
            server.address
        )
    );
}

#[tokio::test]
async fn nobody_there_costs_the_timeout_and_is_named() {
    let hole = BlackHole::at("127.0.0.1:0").unwrap();
    let mut request = get(&format!("http://{}/", hole.address));
    request.timeout = Duration::from_millis(100);
    let error = fail(&request).await;
    assert_eq!(error.phase, Phase::Connect);
    assert_eq!(
        error.to_string(),
        format!(
            "no answer within 100ms from {} while connecting",
            hole.address
        )
    );
}

#[tokio::test]
async fn a_head_or_a_body_that_comes_letter_by_letter_costs_the_timeout() {
    let head = b"HTTP/1.1 200 OK\r\nx-long: ".to_vec();
    let mut request = get(&always(head, Then::Drip).await.url("/"));
    request.timeout = Duration::from_millis(100);
    assert_eq!(fail(&request).await.phase, Phase::Wait);

    let body = b"HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n".to_vec();
    request.url = always(body, Then::Drip).await.url("/");
    let error = fail(&request).await;
    assert_eq!(error.phase, Phase::Receive);
    assert!(matches!(error.cause, HttpCause::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn a_length_that_is_too_small_ends_the_body_there() {
    let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello world".to_vec();
    assert_eq!(ask(&always(bytes, Then::Hang).await).await.body, b"hello");
    for lengths in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: -5\r\n",
        "content-length: many\r\n",
    ] {
        let bytes = format!("HTTP/1.1 200 OK\r\n{lengths}\r\nhello!");
        let error = asked_in_vain(&always(bytes.into_bytes(), Then::Close).await).await;
        assert!(
            matches!(error.cause, HttpCause::Malformed { .. }),
            "{lengths}: {error}"
        );
    }
}

#[tokio::test]
async fn a_line_of_a_mebibyte_comes_whole() {
    let line = vec![b'x'; 1 << 20];
    let server = always(response("200 OK", "", &line), Then::Close).await;
    assert_eq!(ask(&server).await.body, line);
}

#[tokio::test]
async fn a_dead_address_of_a_name_costs_a_moment_and_not_the_timeout() {
    let there = |_: &str| (response("200 OK", "", b"there"), Then::Close);
    let server = serve(there).await;
    // A machine without IPv6 cannot show it.
    let Some(hole) = BlackHole::at(&format!("[::1]:{}", server.address.port())) else {
        return;
    };
    let mut request = get(&format!(
        "http://two.example.com:{}/",
        server.address.port()
    ));
    request.names =
        Names::default().with("two.example.com", &[hole.address.ip(), server.address.ip()]);
    let answer = send(&request).await.unwrap();
    assert_eq!(answer.address, server.address);

    // And the other way round: what has IPv6 only is reached though its IPv4 address refuses.
    let six = serve_on("[::1]:0", None, there).await.unwrap();
    let mut request = get(&format!("http://six.example.com:{}/", six.address.port()));
    for addresses in [
        vec![six.address.ip()],
        vec![server.address.ip(), six.address.ip()],
    ] {
        request.names = Names::default().with("six.example.com", &addresses);
        assert_eq!(send(&request).await.unwrap().address, six.address);
    }
}

#[tokio::test]
async fn a_body_that_never_ends_costs_the_timeout() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec();
    let server = always(head, Then::Hang).await;
    let mut request = get(&server.url("/"));
    request.timeout = Duration::from_millis(100);
    let error = fail(&request).await;
    assert_eq!(error.phase, Phase::Receive);
    assert!(error.timing.wait > Duration::ZERO);
}

#[tokio::test]
async fn a_connection_that_ends_early_is_told_apart_by_how() {
    let server = always(Vec::new(), Then::Close).await;
    assert_eq!(
        asked_in_vain(&server).await.to_string(),
        format!("connection closed by {} before it answered", server.address)
    );
    let server = always(Vec::new(), Then::Reset).await;
    assert_eq!(
        asked_in_vain(&server).await.to_string(),
        format!("connection reset by {} before it answered", server.address)
    );
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello".to_vec();
    let server = always(cut.clone(), Then::Close).await;
    let error = asked_in_vain(&server).await;
    assert_eq!(error.phase, Phase::Receive);
    assert_eq!(
        error.to_string(),
        "connection closed early in the middle of the body, after 5 of 100 bytes"
    );
    let server = always(cut, Then::Reset).await;
    assert_eq!(
        asked_in_vain(&server).await.to_string(),
        "connection reset in the middle of the body, after 5 of 100 bytes"
    );
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n".to_vec();
    let server = always(chunked, Then::Close).await;
    assert!(
        asked_in_vain(&server)
            .await
            .to_string()
            .ends_with("after 5 of an unknown number of bytes")
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_an_error_with_both_numbers() {
    let mut request = get(&always(response("200 OK", "", &[b'x'; 2048]), Then::Close)
        .await
        .url("/"));
    request.body_limit = 1024;
    assert_eq!(
        fail(&request).await.to_string(),
        "the body is over the limit of 1.0 KiB: 2.0 KiB are to come"
    );
    let endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    request.url = always(endless, Then::Babble).await.url("/");
    let error = fail(&request).await;
    assert!(
        matches!(
            error.cause,
            HttpCause::BodyTooLarge {
                promised: false,
                ..
            }
        ),
        "{error}"
    );
    request.body_limit = 2048;
    request.url = always(response("200 OK", "", &[b'x'; 2048]), Then::Close)
        .await
        .url("/");
    assert_eq!(send(&request).await.unwrap().body.len(), 2048);
}

/// Packs bytes with an encoder of `async_compression`.
macro_rules! packed {
    ($encoder:ident, $bytes:expr) => {{
        let mut encoder = $encoder::new(Vec::new());
        encoder.write_all($bytes).await.unwrap();
        encoder.shutdown().await.unwrap();
        encoder.into_inner()
    }};
}

#[tokio::test]
async fn unpacks_gzip_and_both_kinds_of_deflate() {
    for (encoding, bytes) in [
        ("gzip", packed!(GzipEncoder, b"hello")),
        ("deflate", packed!(ZlibEncoder, b"hello")),
        ("deflate", packed!(DeflateEncoder, b"hello")),
        ("br", b"hello".to_vec()),
    ] {
        let head = format!("content-encoding: {encoding}\r\n");
        let server = always(response("200 OK", &head, &bytes), Then::Close).await;
        let answer = ask(&server).await;
        assert_eq!(answer.body, b"hello", "{encoding}");
        assert_eq!(answer.transferred, bytes.len() as u64, "{encoding}");
        assert_eq!(answer.header("content-encoding"), Some(encoding));
        assert!(server.seen()[0].contains("accept-encoding: gzip, deflate\r\n"));
    }
}

#[tokio::test]
async fn a_bomb_and_broken_packing_are_errors() {
    let bomb = packed!(GzipEncoder, &vec![0; 1 << 20]);
    assert!(bomb.len() < 4096);
    let head = "content-encoding: gzip\r\n";
    let mut request = get(&always(response("200 OK", head, &bomb), Then::Close)
        .await
        .url("/"));
    request.body_limit = 4096;
    assert_eq!(
        fail(&request).await.to_string(),
        format!(
            "the body is over the limit of 4.0 KiB: {} of gzip unpack to more",
            Size(bomb.len() as u64)
        )
    );

    let broken = response("200 OK", head, &bomb[..bomb.len() / 2]);
    let error = asked_in_vain(&always(broken, Then::Close).await).await;
    assert!(
        matches!(
            error.cause,
            HttpCause::Encoding {
                encoding: "gzip",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_not_http_is_named() {
    let server = always(b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec(), Then::Close).await;
    let error = asked_in_vain(&server).await;
    assert!(
        matches!(error.cause, HttpCause::Malformed { .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("does not answer in HTTP"),
        "{error}"
    );
}

#[tokio::test]
async fn ten_thousand_headers_are_over_the_limit() {
    let mut bytes = b"HTTP/1.1 200 OK\r\n".to_vec();
    for number in 0..10_000 {
        bytes.extend_from_slice(format!("x-{number}: value\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    let error = asked_in_vain(&always(bytes, Then::Close).await).await;
    assert!(
        matches!(error.cause, HttpCause::HeadTooLarge { .. }),
        "{error}"
    );
    let mut bytes = b"HTTP/1.1 200 OK\r\nx: ".to_vec();
    bytes.resize(1 << 20, b'x');
    let error = asked_in_vain(&always(bytes, Then::Babble).await).await;
    assert!(
        matches!(error.cause, HttpCause::HeadTooLarge { .. }),
        "{error}"
    );
}

/// Sends `/` on to where the closure says and answers everything else.
async fn redirecting(status: &'static str, location: String) -> Server {
    serve(move |request| {
        let head = format!("location: {location}\r\n");
        if request.contains(" / HTTP") {
            (response(status, &head, b""), Then::Close)
        } else {
            (response("200 OK", "", b"there"), Then::Close)
        }
    })
    .await
}

#[tokio::test]
async fn follows_a_redirect_and_tells_where_it_led() {
    let server = redirecting("302 Found", "/there?a=b".to_owned()).await;
    let answer = ask(&server).await;
    assert_eq!(answer.body, b"there");
    assert_eq!(answer.redirects, [server.url("/there?a=b")]);

    let mut request = get(&server.url("/"));
    request.redirects = 0;
    assert_eq!(send(&request).await.unwrap().status, 302);
}

#[tokio::test]
async fn a_redirect_takes_method_and_body_along_as_its_status_says() {
    for (status, expected) in [
        ("303 See Other", "GET"),
        ("302 Found", "GET"),
        ("307 Temporary Redirect", "POST"),
        ("308 Permanent Redirect", "POST"),
    ] {
        let server = redirecting(status, "/there".to_owned()).await;
        let mut request = Request::new("POST", &server.url("/")).header("content-type", "a/b");
        request.body = b"data".to_vec();
        send(&request).await.unwrap();
        let second = server.seen().remove(1);
        assert!(second.starts_with(expected), "{status}: {second}");
        assert_eq!(second.contains("data"), expected == "POST", "{second}");
        assert_eq!(
            second.contains("content-type"),
            expected == "POST",
            "{second}"
        );
    }
}

#[tokio::test]
async fn another_server_gets_no_credentials() {
    let other = always(response("200 OK", "", b""), Then::Close).await;
    let server = redirecting("307 Temporary Redirect", other.url("/there")).await;
    let request = get(&server.url("/"))
        .header("authorization", "Bearer hidden")
        .header("cookie", "hidden")
        .header("x-api-key", "hidden")
        .header("accept", "text/plain");
    send(&request).await.unwrap();
    assert_eq!(server.seen()[0].matches("hidden").count(), 3);
    assert!(!other.seen()[0].contains("hidden"), "{:?}", other.seen());
    assert!(other.seen()[0].contains("accept: text/plain"));

    let same = redirecting("307 Temporary Redirect", "/there".to_owned()).await;
    send(&get(&same.url("/")).header("authorization", "Bearer hidden"))
        .await
        .unwrap();
    assert!(same.seen()[1].contains("hidden"));
}

#[tokio::test]
async fn credentials_do_not_go_from_https_to_http() {
    let authority = Authority::new();
    let plain = always(response("200 OK", "", b""), Then::Close).await;
    let location = format!("location: {}\r\n", plain.url("/there?token=hidden"));
    let server = serve_tls(authority.identity("localhost"), move |_| {
        (response("302 Found", &location, b""), Then::Close)
    })
    .await;
    let mut request = get(&server.secure_url("/"));
    request.trust = Trust::Also(authority.file());
    assert_eq!(send(&request).await.unwrap().status, 200);
    let request = request.header("authorization", "Bearer hidden");
    let error = fail(&request).await;
    assert!(matches!(error.cause, HttpCause::Redirect { .. }), "{error}");
    assert!(!error.to_string().contains("hidden"), "{error}");
    assert_eq!(plain.seen().len(), 1);
}

#[tokio::test]
async fn circles_and_endless_ways_are_named() {
    let circle = serve(|request| {
        let to = if request.contains(" /a ") { "/b" } else { "/a" };
        let head = format!("location: {to}\r\n");
        (response("302 Found", &head, b""), Then::Close)
    })
    .await;
    let error = fail(&get(&circle.url("/a"))).await;
    let (a, b) = (circle.url("/a"), circle.url("/b"));
    assert_eq!(
        error.to_string(),
        format!("the redirects lead in a circle: {a} → {b} → {a}")
    );

    let endless = serve(|request| {
        let path = request.split(' ').nth(1).unwrap();
        let head = format!("location: {path}x\r\n");
        (response("302 Found", &head, b""), Then::Close)
    })
    .await;
    let mut request = get(&endless.url("/"));
    request.redirects = 3;
    let error = fail(&request).await;
    assert!(
        error.to_string().starts_with("more than 3 redirects: "),
        "{error}"
    );
    assert_eq!(endless.seen().len(), 4);

    let elsewhere = redirecting("302 Found", "file:///etc/passwd".to_owned()).await;
    let error = asked_in_vain(&elsewhere).await;
    assert!(matches!(error.cause, HttpCause::Redirect { .. }), "{error}");
}

#[tokio::test]
async fn speaks_tls_and_tells_about_the_certificate() {
    let authority = Authority::new();
    let server = serve_tls(authority.identity("localhost"), |_| {
        (response("200 OK", "", b"secret"), Then::Close)
    })
    .await;
    let mut request = get(&server.secure_url("/"));
    request.trust = Trust::Also(authority.file());
    let answer = send(&request).await.unwrap();
    assert_eq!((answer.status, answer.version), (200, "HTTP/1.1"));
    assert!(answer.timing.tls > Duration::ZERO);
    let facts = answer.tls.unwrap();
    assert_eq!(facts.protocol, "TLSv1.3");
    assert_eq!(facts.problem, None);
    let certificate = facts.certificate.unwrap();
    assert_eq!(certificate.issuer, "CN=Authority of a test");
    assert_eq!(certificate.names, ["localhost"]);
}

#[tokio::test]
async fn speaks_http_2_where_the_server_does() {
    let authority = Authority::new();
    let server = serve_2(authority.identity("localhost"), "two").await;
    let mut request = get(&server.secure_url("/a?b=c"));
    request.trust = Trust::Also(authority.file());
    let answer = send(&request).await.unwrap();
    assert_eq!((answer.status, answer.version), (200, "HTTP/2"));
    assert_eq!(answer.body, b"two");
    assert_eq!(answer.server_timing[0].name, "db");
    assert!(answer.timing.receive > Duration::ZERO);
    send(&request.header("host", "example.com")).await.unwrap();
    assert_eq!(
        server.seen(),
        [
            server.secure_url("/a?b=c"),
            "https://example.com/a?b=c".to_owned()
        ]
    );
}

#[tokio::test]
async fn a_head_in_http_2_has_the_same_limit() {
    let authority = Authority::new();
    let server = serve_2_with(authority.identity("localhost"), "", 1_000).await;
    let mut request = get(&server.secure_url("/"));
    request.trust = Trust::Also(authority.file());
    let error = fail(&request).await;
    assert!(
        matches!(error.cause, HttpCause::HeadTooLarge { .. }),
        "{error}"
    );
    let server = serve_2_with(authority.identity("localhost"), "", 10_000).await;
    request.url = server.secure_url("/");
    assert_eq!(fail(&request).await.phase, Phase::Wait);
}

/// What is wrong with a server's certificate when only `authority` is trusted beside the system's.
async fn problem(authority: &Authority, identity: Identity) -> (HttpError, TlsProblem) {
    let server = serve_tls(identity, |_| (response("200 OK", "", b""), Then::Close)).await;
    let mut request = get(&server.secure_url("/"));
    request.trust = Trust::Also(authority.file());
    let error = fail(&request).await;
    assert_eq!(error.phase, Phase::Tls);
    let HttpCause::Tls(tls) = error.cause.clone() else {
        unreachable!("{error}")
    };
    assert!(tls.certificate.is_some());

    // The same server is let pass on request, with the same words.
    request.trust = Trust::Anything;
    let answer = send(&request).await.unwrap();
    let told = answer.tls.unwrap().problem.unwrap();
    (error, told)
}

#[tokio::test]
async fn says_what_is_wrong_with_a_certificate() {
    let authority = Authority::new();
    let (error, _) = problem(&authority, authority.expired()).await;
    assert_eq!(
        error.to_string(),
        "the certificate of localhost expired on 2024-03-01"
    );
    let (error, told) = problem(&authority, Identity::self_signed()).await;
    assert_eq!(
        error.to_string(),
        "the certificate of localhost is self-signed"
    );
    assert_eq!(told.to_string(), error.to_string());
    let (error, _) = problem(&authority, authority.identity("example.com")).await;
    assert_eq!(
        error.to_string(),
        "the certificate is not for localhost but for example.com"
    );
    let (error, told) = problem(&authority, Authority::new().identity("localhost")).await;
    assert_eq!(
        told.to_string(),
        "the certificate of localhost is signed by an unknown issuer, CN=Authority of a test, whose certificate the server does not send"
    );
    assert!(matches!(error.cause, HttpCause::Tls(_)));
}

/// A server whose clock says this, behind a certificate that was valid between two days.
async fn at_another_time(identity: Identity, date: &'static str) -> Server {
    serve_tls(identity, move |_| {
        let head = format!("date: {date}\r\n");
        (response("200 OK", &head, b""), Then::Close)
    })
    .await
}

#[tokio::test]
async fn clocks_that_differ_are_named_where_a_certificate_makes_one_doubt_them() {
    let authority = Authority::new();
    let then = "Thu, 01 Feb 2024 12:00:30 GMT";
    let server = at_another_time(authority.expired(), then).await;
    let mut request = get(&server.secure_url("/path?q=hidden")).header("authorization", "hidden");
    request.trust = Trust::Also(authority.file());
    let error = fail(&request).await;
    let told = error.to_string();
    assert!(
        told.starts_with(
            "the certificate of localhost expired on 2024-03-01; by the server's clock it is valid: \
             that says 2024-02-01 12:00 UTC, this machine's "
        ),
        "{told}"
    );
    let HttpCause::Tls(tls) = &error.cause else {
        unreachable!("{error}")
    };
    assert!(tls.certificate.is_some());
    // Nobody knows who answers, so nothing of the request is sent.
    let seen = server.seen();
    assert!(seen[0].starts_with("HEAD / HTTP/1.1\r\n"), "{seen:?}");
    assert!(!seen[0].contains("hidden"), "{seen:?}");

    // A server whose clock agrees that the time is over, and one that does not tell its time.
    for server in [
        at_another_time(authority.expired(), "Mon, 04 Mar 2024 12:00:30 GMT").await,
        at_another_time(authority.expired(), "").await,
    ] {
        request.url = server.secure_url("/");
        assert_eq!(
            fail(&request).await.to_string(),
            "the certificate of localhost expired on 2024-03-01"
        );
    }
    // What is known is told in time, though the question about the clock is not answered.
    let silent = serve_tls(authority.expired(), |_| (Vec::new(), Then::Hang)).await;
    request.url = silent.secure_url("/");
    request.timeout = Duration::from_millis(500);
    let told = fail(&request).await;
    assert!(matches!(told.cause, HttpCause::Tls(_)), "{told}");
    assert_eq!(silent.seen().len(), 1);
    request.timeout = Request::TIMEOUT;

    let early = authority.between((2039, 1, 1), (2040, 1, 1));
    request.url = at_another_time(early, "").await.secure_url("/");
    assert!(
        fail(&request)
            .await
            .to_string()
            .starts_with("the certificate of localhost is not valid before 2039-01-01, and this machine's clock says 20")
    );
}

#[tokio::test]
async fn tells_how_far_the_clock_of_a_server_is_off() {
    let skew = async |head: &'static str| {
        let server = always(response("200 OK", head, b""), Then::Close).await;
        ask(&server).await.skew.map(|skew| skew.num_days())
    };
    assert_eq!(skew("").await, None);
    assert!(skew("date: Thu, 01 Feb 2024 12:00:30 GMT\r\n").await < Some(-365));
    assert!(skew("date: Fri, 01 Feb 2999 12:00:30 GMT\r\n").await > Some(365));
    let now = chrono::Utc::now().format("date: %a, %d %b %Y %H:%M:%S GMT\r\n");
    let server = always(response("200 OK", &now.to_string(), b""), Then::Close).await;
    assert_eq!(ask(&server).await.skew, Some(chrono::TimeDelta::zero()));
}

#[tokio::test]
async fn a_server_without_tls_is_named() {
    let server = always(response("400 Bad Request", "", b""), Then::Close).await;
    let error = fail(&get(&server.secure_url("/"))).await;
    assert_eq!(error.phase, Phase::Tls);
    assert_eq!(
        error.to_string(),
        "the TLS handshake with localhost failed: the server does not speak TLS on this port"
    );
}

#[tokio::test]
async fn a_file_of_authorities_that_is_of_no_use_is_our_own_trouble() {
    let server = always(Vec::new(), Then::Close).await;
    let mut request = get(&server.secure_url("/"));
    request.trust = Trust::Also("/no/such/file.pem".into());
    let error = fail(&request).await;
    assert_eq!(error.cause.blame(), super::Blame::Own);
    assert!(error.to_string().contains("/no/such/file.pem"), "{error}");
}

#[tokio::test]
async fn reaches_an_ipv6_address() {
    let answer = |_: &str| (response("200 OK", "", b""), Then::Close);
    // A machine without IPv6 cannot show it.
    let Ok(server) = serve_on("[::1]:0", None, answer).await else {
        return;
    };
    let answer = ask(&server).await;
    assert_eq!(answer.address, server.address);
}

#[tokio::test]
async fn goes_through_a_proxy() {
    let variables = |name: &str, url: String| {
        let proxy = url.replace("http://", "http://user:word@");
        Proxies::from_variables(&[(name.to_owned(), proxy)])
    };
    let proxy = always(response("200 OK", "", b"by proxy"), Then::Close).await;
    let mut request = get("http://name.invalid/path");
    request.proxies = variables("HTTP_PROXY", proxy.url(""));
    assert_eq!(send(&request).await.unwrap().body, b"by proxy");
    let seen = &proxy.seen()[0];
    assert!(
        seen.starts_with("GET http://name.invalid/path HTTP/1.1\r\n"),
        "{seen}"
    );
    assert!(
        seen.contains("proxy-authorization: Basic dXNlcjp3b3Jk\r\n"),
        "{seen}"
    );

    let authority = Authority::new();
    let server = serve_tls(authority.identity("name.invalid"), |_| {
        (response("200 OK", "", b"behind"), Then::Close)
    })
    .await;
    let proxy = tunnel_to(server.address).await;
    let mut request = get("https://name.invalid/path");
    request.trust = Trust::Also(authority.file());
    request.proxies = variables("HTTPS_PROXY", proxy.url(""));
    assert_eq!(send(&request).await.unwrap().body, b"behind");
    assert!(proxy.seen()[0].starts_with("CONNECT name.invalid:443 HTTP/1.1\r\n"));
    assert!(proxy.seen()[0].contains("proxy-authorization: "));
    assert!(!server.seen()[0].contains("proxy-authorization"));

    let closed = closed();
    let nobody = closed.address;
    request.proxies = variables("HTTPS_PROXY", format!("http://{nobody}"));
    assert_eq!(
        fail(&request).await.to_string(),
        format!(
            "the proxy {nobody} does not connect to name.invalid:443: connection refused by {nobody}"
        )
    );

    let refusing = always(response("403 Forbidden", "", b""), Then::Close).await;
    request.proxies = variables("HTTPS_PROXY", refusing.url(""));
    assert_eq!(
        fail(&request).await.to_string(),
        format!(
            "the proxy {} does not connect to name.invalid:443: it answers 403 Forbidden",
            refusing.address
        )
    );
}

#[tokio::test]
async fn what_can_never_be_sent_is_the_requests_own_trouble() {
    for request in [
        get("not a url"),
        get("ftp://example.com/"),
        get("http://example.com/").header("x", "a\r\nhost: evil.example.com"),
        get("http://example.com/").header("x\r\ny", "a"),
        Request::new("GET /\r\n", "http://example.com/"),
        Request::new("CONNECT", "http://example.com/"),
    ] {
        let error = fail(&request).await;
        assert_eq!(error.cause.blame(), super::Blame::Request, "{error}");
    }
}

#[tokio::test]
async fn a_dropped_request_leaves_no_connection_behind() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let request = get(&format!("http://127.0.0.1:{port}/"));
    let mut stream = tokio::select! {
        ended = send(&request) => unreachable!("{ended:?}"),
        stream = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            stream
        } => stream,
    };
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);

    let authority = Authority::new();
    let acceptor = authority.identity("localhost").acceptor(&[b"h2"]);
    let mut request = get(&format!("https://localhost:{port}/"));
    request.trust = Trust::Also(authority.file());
    let (mut connection, _held) = tokio::select! {
        ended = send(&request) => unreachable!("{ended:?}"),
        held = async {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = acceptor.accept(stream).await.unwrap();
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let request = connection.accept().await.unwrap().unwrap();
            (connection, request)
        } => held,
    };
    assert!(!matches!(connection.accept().await, Some(Ok(_))));
}
