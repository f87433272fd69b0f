//! Servers that behave badly: each ends in a verdict and a reason that a person understands.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::harness::{ClosedPort, Output, Project};
use crate::http_server::{Answer, HttpServer};

/// Asks the server for its health within ten seconds.
fn ask(server: &HttpServer, more: &str) -> Output {
    asking(server, more).run(&["t", "x"])
}

fn asking(server: &HttpServer, more: &str) -> Project {
    Project::bare()
        .config(&format!("[service.api]\nurl = \"{}\"\n", server.url()))
        .runbook(
            "t/x",
            &format!(
                "[[step]]\nname = \"ask\"\nhttp.get = \"/health\"\nhttp.on = \"api\"\ntimeout = \"10s\"\n{more}\n"
            ),
        )
}

#[test]
fn a_good_answer_is_ok_and_gives_its_outputs() {
    let server = HttpServer::answering(Answer::Json(200, r#"{"status": "healthy"}"#));
    ask(
        &server,
        "expect = \"status == 200 and json.status == 'healthy' and ms >= 0\"",
    )
    .exits(0)
    .step("ask", "ok");
    let request = server.next_request();
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("GET", "/health")
    );
}

#[test]
fn a_false_expectation_shows_the_value_that_decided() {
    let server = HttpServer::answering(Answer::Json(503, r#"{"status": "starting"}"#));
    ask(&server, "expect = \"status == 200\"")
        .exits(2)
        .step("ask", "CRITICAL")
        .prints("503");
}

#[test]
fn a_truncated_body_is_critical() {
    let answer =
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{\"half\": ".to_vec();
    let server = HttpServer::answering(Answer::Bytes(answer));
    ask(&server, "").exits(2).step("ask", "CRITICAL");
}

#[test]
fn an_endless_body_is_cut_and_ends() {
    let server = HttpServer::answering(Answer::Endless);
    ask(&server, "").step("ask", "");
}

#[test]
fn a_body_that_is_not_utf_8_is_no_panic() {
    let answer =
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\na\xffb".to_vec();
    let server = HttpServer::answering(Answer::Bytes(answer));
    ask(&server, "expect = \"status == 200\"").exits(0);
}

#[test]
fn an_answer_that_is_no_http_is_critical() {
    let server = HttpServer::answering(Answer::Bytes(b"220 mail.example.com ESMTP\r\n".to_vec()));
    ask(&server, "").exits(2).step("ask", "CRITICAL");
}

#[test]
fn an_answer_that_is_no_json_says_so() {
    let page = || {
        let answer =
            b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html></html>";
        HttpServer::answering(Answer::Bytes(answer.to_vec()))
    };
    ask(&page(), "expect = \"json.status == 'healthy'\"")
        .exits(2)
        .step("ask", "CRITICAL")
        .prints("what came is no JSON");
    ask(&page(), "warn = \"json.pending > 100\"")
        .exits(3)
        .prints("what came is no JSON");
    let empty = HttpServer::answering(Answer::Json(200, ""));
    ask(&empty, "expect = \"json.status == 'healthy'\"")
        .exits(2)
        .prints("the body is empty");
}

#[test]
fn a_line_of_json_of_a_mebibyte_is_read_whole() {
    let body = format!("{{\"text\": \"{}\"}}", "x".repeat(1 << 20));
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let server = HttpServer::answering(Answer::Bytes((head + &body).into_bytes()));
    ask(&server, "expect = \"json.text | length == 1048576\"")
        .exits(0)
        .step("ask", "ok");
}

/// `{"text": "xxx…"}`, one kibibyte, as gzip packs it.
const PACKED: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0x2a, 0x49, 0xad, 0x28,
    0x51, 0xb2, 0x52, 0x50, 0xaa, 0x18, 0x05, 0xa3, 0x60, 0x14, 0x0c, 0x7b, 0xa0, 0x54, 0x0b, 0x00,
    0xfe, 0x02, 0x59, 0xd9, 0xf4, 0x03, 0x00, 0x00,
];

#[test]
fn whether_an_answer_was_compressed_can_be_asked() {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        PACKED.len()
    )
    .into_bytes();
    answer.extend_from_slice(PACKED);
    let compressed =
        "expect = \"headers['content-encoding'] == 'gzip'\"\nwarn = \"transferred > size / 4\"";
    let server = HttpServer::answering(Answer::Bytes(answer));
    ask(&server, compressed).exits(0).step("ask", "ok");
    let request = server.next_request();
    assert!(request.header("accept-encoding").unwrap().contains("gzip"));
    let plain = HttpServer::answering(Answer::Json(200, "{}"));
    ask(&plain, compressed).exits(2).step("ask", "CRITICAL");
}

#[test]
fn what_to_do_next_follows_the_reason() {
    let closed = ClosedPort::new();
    let port = closed.number();
    Project::new()
        .runbook(
            "t/x",
            &format!("[[step]]\nname = \"ask\"\nhttp.get = \"http://127.0.0.1:{port}/\"\n"),
        )
        .run(&["t", "x"])
        .exits(2)
        .prints("connection refused by")
        .prints("→ is the service running, and does it listen on this address and port?");
}

#[test]
fn a_server_that_never_answers_is_critical_when_its_time_is_over() {
    let server = HttpServer::answering(Answer::Never);
    Project::bare()
        .config(&format!("[service.api]\nurl = \"{}\"\n", server.url()))
        .runbook(
            "t/x",
            "[[step]]\nname = \"ask\"\nhttp.get = \"/\"\nhttp.on = \"api\"\ntimeout = \"100ms\"\n",
        )
        .run(&["t", "x"])
        .exits(2)
        .step("ask", "CRITICAL")
        // How much of its time was left when it asked, only the clock knows.
        .prints("no answer within");
}

#[test]
fn a_name_that_does_not_exist_is_critical_and_named() {
    Project::new()
        .runbook(
            "t/x",
            "[[step]]\nname = \"ask\"\nhttp.get = \"http://nowhere.invalid/\"\n",
        )
        .run(&["t", "x"])
        .exits(2)
        .prints("nowhere.invalid");
}

#[test]
fn a_token_goes_to_the_service_and_nowhere_else() {
    let server = HttpServer::answering(Answer::Json(200, "{}"));
    Project::bare()
        .variable("MONITOR_TOKEN", "hunter2hunter2")
        .config(&format!(
            "[secret]\nmonitor = {{ env = \"MONITOR_TOKEN\" }}\n[service.api]\nurl = \"{}\"\nauth.bearer = \"{{{{ secret.monitor }}}}\"\n",
            server.url()
        ))
        .runbook("t/x", "[[step]]\nname = \"ask\"\nhttp.get = \"/\"\nhttp.on = \"api\"\n")
        .run(&["t", "x", "-v"])
        .exits(0)
        .never_shows("hunter2");
    assert_eq!(
        server.next_request().header("authorization"),
        Some("Bearer hunter2hunter2")
    );
}

#[test]
fn a_body_is_json_whatever_the_value_holds() {
    let server = HttpServer::answering(Answer::Json(201, "{}"));
    Project::bare()
        .config(&format!("[service.api]\nurl = \"{}\"\n", server.url()))
        .runbook(
            "t/x",
            r#"
[input.text]
type     = "string"
position = 1
[[step]]
name      = "send"
http.post = "/notes/{{ input.text }}"
http.on   = "api"
http.json = { text = "{{ input.text }}", count = "{{ 2 + 1 }}" }
"#,
        )
        .run(&["t", "x", "a\"/b?c&d"])
        .exits(0);
    let request = server.next_request();
    assert_eq!(request.method, "POST");
    assert_eq!(request.path, "/notes/a%22%2Fb%3Fc%26d");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&request.body).unwrap(),
        serde_json::json!({"text": "a\"/b?c&d", "count": 3})
    );
}

/// An authority, and a server whose certificate it signed; `until` is the year in which that expires.
fn tls_server(until: i32) -> (String, HttpServer) {
    tls_server_until(until, 1, 1)
}

/// The same, with the day.
pub(crate) fn tls_server_until(year: i32, month: u8, day: u8) -> (String, HttpServer) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(year, month, day);
    let certificate = params.signed_by(&key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    let server = HttpServer::with_tls(config, Answer::Json(200, "{}"));
    (authority.pem(), server)
}

/// Asks the server with the authority in the machine's list of those it trusts.
fn ask_trusting(authority: &str, server: &HttpServer) -> Output {
    let project = asking(server, "expect = \"status == 200\"").file("authority.pem", authority);
    let path = project.path("authority.pem").display().to_string();
    project.variable("SSL_CERT_FILE", path).run(&["t", "x"])
}

#[test]
fn a_certificate_of_a_trusted_authority_is_fine() {
    let (authority, server) = tls_server(2199);
    ask_trusting(&authority, &server).exits(0).step("ask", "ok");
}

#[test]
fn an_expired_certificate_is_critical_and_said_to_be_expired() {
    let (authority, server) = tls_server(2021);
    ask_trusting(&authority, &server)
        .exits(2)
        .step("ask", "CRITICAL")
        .prints("expired");
}

#[test]
fn the_days_until_a_certificate_expires_are_a_threshold() {
    use chrono::Datelike as _;
    let checked = |days: i64, look: &str| {
        let end = chrono::Utc::now().date_naive() + chrono::TimeDelta::days(days);
        let (month, day) = (end.month(), end.day());
        let (authority, server) = tls_server_until(
            end.year(),
            u8::try_from(month).unwrap(),
            u8::try_from(day).unwrap(),
        );
        let target = server.url().replace("https://", "");
        let project = Project::bare().file("authority.pem", &authority).runbook(
            "t/x",
            &format!("[[step]]\nname = \"look\"\nprobe.tls = \"{target}\"\nprobe.ca = \"authority.pem\"\n{look}\n"),
        );
        project.run(&["t", "x"])
    };
    let look = "warn = \"expires_in < 30\"\ncritical = \"expires_in < 7\"";
    checked(60, look).exits(0).step("look", "ok");
    checked(20, look).exits(1).step("look", "WARNING");
    checked(5, look).exits(2).step("look", "CRITICAL");
    checked(60, "warn = \"chain_expires_in < 30 or revoked\"").exits(0);
}

#[test]
fn a_certificate_of_a_stranger_is_critical() {
    let (_, server) = tls_server(2199);
    ask(&server, "")
        .exits(2)
        .step("ask", "CRITICAL")
        .prints("certificate");
}

/// Too few open files are this machine's trouble: nobody may be woken because of a server that was never asked.
#[test]
fn a_connection_that_this_machine_cannot_open_is_unknown() {
    let server = HttpServer::answering(Answer::Never);
    let project = Project::bare()
        .config(&format!("[service.api]\nurl = \"{}\"\n", server.url()))
        .runbook(
            "t/x",
            "[[step]]\nname = \"ask\"\nfor_each.item = \"range(60)\"\nconcurrency = 60\nhttp.get = \"/\"\nhttp.on = \"api\"\ntimeout = \"500ms\"\nexpect = \"false\"\nseverity = \"P3\"\n",
        );
    let binary = project.command(&["t", "x"]);
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", "ulimit -n 40; exec \"$0\" t x"])
        .arg(binary.get_program())
        .current_dir(project.path(""))
        .envs(
            binary
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    let output = limited.output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{shown}");
    assert!(shown.contains("Too many open files"), "{shown}");
}
