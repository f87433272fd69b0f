//! The action against real servers on the loopback interface.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::{Value, json};

use super::super::testing::{World, template};
use super::Http;
use crate::base::{Size, Span};
use crate::config::{Auth, Service};
use crate::engine::{ActionError, ErrorKind, Outputs};
use crate::expr::Argument;
use crate::platform::http::testing::{
    Authority, Identity, Server, Then, response, serve, serve_tls,
};

type Options = Vec<(&'static str, Argument)>;

fn text(text: &str) -> Argument {
    Argument::Text(text.to_owned())
}

fn map(pairs: &[(&str, &str)]) -> Argument {
    Argument::Map(
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    )
}

async fn always(status: &'static str, headers: &'static str, body: &'static [u8]) -> Server {
    serve(move |_| (response(status, headers, body), Then::Close)).await
}

/// An estate with the service `api` at this URL.
fn estate(url: &str) -> World {
    let mut world = World::new();
    world.config.services.push(Service {
        name: "api".to_owned(),
        url: Some(url.trim_end_matches('/').to_owned()),
        auth: Some(Auth::Bearer(template("hidden"))),
        headers: vec![("x-team".to_owned(), template("ops"))],
        timeout: None,
        objective: crate::config::Objective::default(),
        checks: Vec::new(),
    });
    world
}

async fn get(world: &World, url: &str, options: Options) -> Result<Outputs, ActionError> {
    world.run(&Http, "get", text(url), &options).await
}

#[tokio::test]
async fn the_preview_is_the_request_and_nothing_is_sent() {
    use crate::base::{Masker, Secret};
    // Nothing listens there: whatever is sent fails.
    let mut world = estate("https://api.example.com/v1");
    world.masker = Masker::new(&[Secret::new("a \"secret\"".to_owned())]);
    let options = vec![
        ("on", text("api")),
        ("query", map(&[("q", "a b"), ("token", "a \"secret\"")])),
        ("headers", map(&[("x-why", "because"), ("Cookie", "id=7")])),
        (
            "json",
            Argument::Json(json!({"n": 1, "token": "a \"secret\""})),
        ),
    ];
    let preview = world
        .preview(&Http, "post", text("/things"), &options)
        .await;
    let sent = preview.unwrap().sent;
    assert_eq!(
        sent.lines().collect::<Vec<_>>(),
        [
            "POST https://api.example.com/v1/things?q=a+b&token=***",
            "content-type: application/json",
            "x-team: ops",
            "authorization: ***",
            "x-why: because",
            "Cookie: ***",
            "",
            r#"{"n":1,"token":"***"}"#,
        ]
    );
    let form = vec![("form", map(&[("a", "b c"), ("token", "a \"secret\"")]))];
    let url = "https://user:word@example.com/";
    let preview = world.preview(&Http, "put", text(url), &form).await;
    let sent = preview.unwrap().sent;
    assert!(
        sent.starts_with("PUT https://user:***@example.com/\n"),
        "{sent}"
    );
    assert!(sent.ends_with("\n\na=b+c&token=***"), "{sent}");
}

#[tokio::test]
async fn tells_all_that_the_description_promises() {
    let head = "Set-Cookie: a\r\nServer-Timing: db;dur=4.5\r\nset-cookie: b\r\n";
    let server = always("200 OK", head, br#"{"status": "healthy"}"#).await;
    let outputs = get(&World::new(), &server.url("/health"), Vec::new())
        .await
        .unwrap();
    assert_eq!(outputs.detail, "200 OK, 21 B");
    let values = outputs.values;
    assert_eq!(values["status"], 200);
    assert_eq!(values["json"]["status"], "healthy");
    assert_eq!(values["json_error"], Value::Null);
    assert_eq!(values["headers"]["set-cookie"], "a, b");
    assert_eq!(values["server_timing"], json!({"db": 4.5}));
    assert_eq!(
        (&values["size"], &values["transferred"]),
        (&json!(21), &json!(21))
    );
    assert_eq!(values["skew_ms"], Value::Null);
    assert_eq!(values["tls"], Value::Null);
    assert!(values["ms"].as_f64().unwrap() >= values["timing"]["wait"].as_f64().unwrap());
}

#[tokio::test]
async fn a_body_that_is_no_json_or_no_text_says_so() {
    let server = always("200 OK", "", b"a\xffb").await;
    let values = get(&World::new(), &server.url("/"), Vec::new())
        .await
        .unwrap()
        .values;
    assert_eq!(values["body"], "a\u{fffd}b");
    assert_eq!(values["body_encoding"], "invalid-utf8");
    assert_eq!(values["json"], Value::Null);
    assert!(values["json_error"].as_str().unwrap().contains("line 1"));
}

#[tokio::test]
async fn a_bad_status_fails_unless_the_step_judges_it() {
    let server = always("503 Service Unavailable", "", b"{\"error\":\n \"down\"}").await;
    let mut world = World::new();
    let error = get(&world, &server.url("/"), Vec::new()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Target);
    assert_eq!(
        error.message,
        "503 Service Unavailable: {\"error\": \"down\"}"
    );
    assert_eq!(error.outputs.values["json"]["error"], "down");

    world.judged = true;
    let outputs = get(&world, &server.url("/"), Vec::new()).await.unwrap();
    assert_eq!(outputs.values["status"], 503);
}

#[tokio::test]
async fn a_service_gives_url_authorization_and_headers() {
    let server = always("200 OK", "", b"").await;
    let world = estate(&server.url("/v1/"));
    for (object, path) in [
        ("/health", "/v1/health"),
        ("health", "/v1/health"),
        ("?deep=1", "/v1?deep=1"),
        ("", "/v1"),
        ("@example.com/", "/v1/@example.com/"),
        ("//example.com/", "/v1//example.com/"),
        (&server.url("/other"), "/other"),
    ] {
        get(&world, object, vec![("on", text("api"))])
            .await
            .unwrap();
        let seen = server.seen().pop().unwrap();
        assert!(
            seen.starts_with(&format!("GET {path} HTTP/1.1\r\n")),
            "{seen}"
        );
        assert!(seen.contains("authorization: Bearer hidden\r\n"), "{seen}");
        assert!(seen.contains("x-team: ops\r\n"), "{seen}");
    }
    let own = map(&[("X-Team", "db"), ("Authorization", "Basic own")]);
    get(&world, "/", vec![("on", text("api")), ("headers", own)])
        .await
        .unwrap();
    let seen = server.seen().pop().unwrap();
    assert!(
        seen.contains("x-team: db\r\n") && !seen.contains("team: ops"),
        "{seen}"
    );
    assert!(seen.contains("authorization: Basic own\r\n"), "{seen}");
}

#[tokio::test]
async fn basic_authorization_is_encoded() {
    let server = always("200 OK", "", b"").await;
    let mut world = estate(&server.url(""));
    world.config.services[0].auth = Some(Auth::Basic {
        user: template("user"),
        password: template("word"),
    });
    get(&world, "/", vec![("on", text("api"))]).await.unwrap();
    assert!(server.seen()[0].contains("authorization: Basic dXNlcjp3b3Jk\r\n"));
}

#[tokio::test]
async fn what_the_runbook_has_wrong_is_said_with_the_way_out() {
    let server = always("200 OK", "", b"").await;
    let world = estate(&server.url(""));
    let refused = async |object: &str, options: Options| {
        let error = get(&world, object, options).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config, "{error}");
        (error.message, error.help.unwrap_or_default())
    };
    let (message, help) = refused("/", vec![("on", text("apo"))]).await;
    assert_eq!(message, "there is no service \"apo\"");
    assert_eq!(help, "did you mean \"api\"?");
    let (_, help) = refused("/health", Vec::new()).await;
    assert!(help.contains("http.on"), "{help}");
    assert!(!help.contains("percent-encoded"), "{help}");
    for address in [
        "http%3A%2F%2F127.0.0.1%3A8080/",
        "https%3A%2F%2Fexample.com",
    ] {
        let (_, help) = refused(address, Vec::new()).await;
        for told in ["percent-encoded", "[service.*]", "http.on"] {
            assert!(help.contains(told), "{help}");
        }
    }
    let (message, _) = refused("http://example.com/", vec![("on", text("api"))]).await;
    assert!(
        message.contains("does not belong to the service"),
        "{message}"
    );
    refused(
        "/",
        vec![("on", text("api")), ("redirects", Argument::Integer(-1))],
    )
    .await;
    assert_eq!(server.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn what_values_make_impossible_to_send_fails_the_step_and_blames_no_runbook() {
    let server = always("200 OK", "", b"").await;
    let world = estate(&server.url(""));
    let injected = map(&[("x", "a\r\nhost: evil.example.com")]);
    let nameless = map(&[("a b", "x")]);
    for (object, options) in [
        ("http://[/", Vec::new()),
        ("/", vec![("on", text("api")), ("headers", injected)]),
        ("/", vec![("on", text("api")), ("headers", nameless)]),
    ] {
        let error = get(&world, object, options).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Target, "{error}");
    }
    assert_eq!(server.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn sends_parameters_and_every_kind_of_body() {
    let server = always("201 Created", "", b"").await;
    let query = map(&[("q", "a b&c=d"), ("q", "é")]);
    get(&World::new(), &server.url("/?x=1"), vec![("query", query)])
        .await
        .unwrap();
    let first = server.seen().remove(0);
    assert!(
        first.starts_with("GET /?x=1&q=a+b%26c%3Dd&q=%C3%A9 HTTP"),
        "{first}"
    );

    for (option, value, media_type, body) in [
        ("body", text("plain"), "text/plain; charset=utf-8", "plain"),
        (
            "json",
            Argument::Json(json!({"a": [1, "\r\n"]})),
            "application/json",
            r#"{"a":[1,"\r\n"]}"#,
        ),
        (
            "form",
            map(&[("a", "b c"), ("d", "&")]),
            "application/x-www-form-urlencoded",
            "a=b+c&d=%26",
        ),
    ] {
        let url = text(&server.url("/"));
        let options = vec![(option, value)];
        World::new()
            .run(&Http, "post", url, &options)
            .await
            .unwrap();
        let seen = server.seen().pop().unwrap();
        assert!(seen.starts_with("POST / HTTP/1.1\r\n"), "{seen}");
        assert!(
            seen.contains(&format!("content-type: {media_type}\r\n")),
            "{seen}"
        );
        assert!(seen.ends_with(&format!("\r\n\r\n{body}")), "{seen}");
    }
    let two = vec![("body", text("a")), ("json", Argument::Json(json!(1)))];
    let url = text(&server.url("/"));
    let error = World::new().run(&Http, "put", url, &two).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
}

#[tokio::test]
async fn keeps_the_limits_of_size_and_redirects() {
    let server = always("302 Found", "location: /\r\n", &[b'x'; 100]).await;
    let options = vec![("redirects", Argument::Integer(0))];
    let outputs = get(&World::new(), &server.url("/"), options).await.unwrap();
    assert_eq!(outputs.values["status"], 302);
    let options = vec![("body_limit", Argument::Size(Size(99)))];
    let error = get(&World::new(), &server.url("/"), options)
        .await
        .unwrap_err();
    assert_eq!(
        error.message,
        "the body is over the limit of 99 B: 100 B are to come"
    );
    assert!(error.help.unwrap().contains("`body_limit`"));
}

#[tokio::test]
async fn the_step_limits_the_time_and_else_the_service() {
    let server = serve(|_| (Vec::new(), Then::Hang)).await;
    let mut world = estate(&server.url(""));
    world.config.services[0].timeout = Some(Span(Duration::from_millis(50)));
    let error = get(&world, "/", vec![("on", text("api"))])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Late);
    assert!(
        error.message.starts_with("no answer within 50ms from"),
        "{error}"
    );

    world.deadline = Some(tokio::time::Instant::now() + Duration::from_millis(80));
    let error = get(&world, "/", vec![("on", text("api"))])
        .await
        .unwrap_err();
    assert!(
        error.message.contains("while waiting for the response"),
        "{error}"
    );
    assert!(!error.message.contains("within 50ms"), "{error}");
    assert!(error.outputs.values["timing"]["wait"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn tells_the_certificate_even_of_a_refused_connection() {
    let authority = Authority::new();
    let server = serve_tls(authority.identity("localhost"), |_| {
        (response("200 OK", "", b""), Then::Close)
    })
    .await;
    let url = server.secure_url("/");
    let error = get(&World::new(), &url, Vec::new()).await.unwrap_err();
    assert!(error.message.contains("unknown issuer"), "{error}");
    assert!(error.help.unwrap().contains("fullchain.pem"));
    assert_eq!(error.outputs.values["tls"]["names"], json!(["localhost"]));

    let ca = vec![("ca", Argument::Path(authority.file()))];
    let outputs = get(&World::new(), &url, ca).await.unwrap();
    assert!(outputs.values["tls"]["expires_in"].as_i64().unwrap() > 365);
    assert_eq!(outputs.values["tls"]["protocol"], "TLSv1.3");
    assert_eq!(outputs.values["tls"]["problem"], Value::Null);
    assert_eq!(outputs.detail, "200 OK");
}

#[tokio::test]
async fn an_insecure_answer_says_what_is_wrong() {
    let server = serve_tls(Identity::self_signed(), |_| {
        (response("200 OK", "", b""), Then::Close)
    })
    .await;
    let options = vec![("insecure", Argument::Boolean(true))];
    let outputs = get(&World::new(), &server.secure_url("/"), options)
        .await
        .unwrap();
    assert_eq!(
        outputs.detail,
        "200 OK, INSECURE: the certificate of localhost is self-signed"
    );
}

#[tokio::test]
async fn the_environment_names_the_proxy() {
    let proxy = always("200 OK", "", b"by proxy").await;
    let world = World {
        environment: vec![("http_proxy".to_owned(), proxy.url(""))],
        ..World::new()
    };
    let outputs = get(&world, "http://name.invalid/", Vec::new())
        .await
        .unwrap();
    assert_eq!(outputs.values["body"], "by proxy");
}
