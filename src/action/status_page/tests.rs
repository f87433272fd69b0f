//! Pages as Statuspage documents them, and answers that are none.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use super::super::testing::{World, list, text};
use super::StatusPage;
use crate::base::{Severity, Status};
use crate::engine::{ActionError, End, ErrorKind, Outputs};
use crate::platform::http::testing::{Server, Then, response, serve};

/// A page that answers `/api/v2/NAME.json` of each name with a status and a body, and all else with 404.
async fn page(documents: Vec<(&'static str, &'static str, String)>) -> Server {
    serve(move |request| {
        let found = documents.iter().find(|(name, _, _)| {
            request.starts_with(&format!("GET /status/api/v2/{name}.json HTTP/1.1"))
        });
        let bytes = match found {
            Some((_, status, body)) => response(status, "", body.as_bytes()),
            None => response("404 Not Found", "", b"<html>not here</html>"),
        };
        (bytes, Then::Close)
    })
    .await
}

fn summary(indicator: &str) -> String {
    json!({
        "page": {"id": "x", "name": "Vendor", "url": "https://status.example.com"},
        "status": {"indicator": indicator, "description": "Some Words"},
        "components": [
            {"name": "Workers", "status": "operational", "group": false},
            {"name": "D1", "status": "partial_outage", "group": false},
            {"name": "Europe", "status": "degraded_performance", "group": true},
            {"name": "R2", "status": "degraded_performance", "group": false},
        ],
        "incidents": [
            {
                "name": "D1 errors", "impact": "major", "status": "investigating",
                "created_at": "2026-01-01T10:00:00Z", "started_at": "2026-01-01T09:00:00Z",
                "shortlink": "https://stspg.example.com/a", "components": [{"name": "D1"}],
            },
            {"name": "Elsewhere", "impact": "minor", "components": [{"name": "R2"}]},
        ],
        "scheduled_maintenances": [],
    })
    .to_string()
}

async fn ask(world: &World, server: &Server, components: &[&str]) -> Result<Outputs, ActionError> {
    let options = match components {
        [] => Vec::new(),
        [one] => vec![("components", list([one]))],
        [one, two, ..] => vec![("components", list([one, two]))],
    };
    let url = server.url("/status/?a=b#c");
    world.run(&StatusPage, "get", text(&url), &options).await
}

#[tokio::test]
async fn the_indicator_is_how_the_step_ends() {
    for (indicator, status, severity) in [
        ("none", Status::Ok, None),
        ("maintenance", Status::Warning, Some(Severity::P3)),
        ("minor", Status::Warning, Some(Severity::P3)),
        ("major", Status::Critical, Some(Severity::P1)),
        ("critical", Status::Critical, Some(Severity::P1)),
        ("purple", Status::Unknown, None),
    ] {
        let server = page(vec![("summary", "200 OK", summary(indicator))]).await;
        let outputs = ask(&World::new(), &server, &[]).await.unwrap();
        assert_eq!(outputs.values["indicator"], indicator);
        let end = End {
            status,
            severity,
            failed: false,
        };
        assert_eq!(outputs.end, Some(end), "{indicator}");
    }
    let server = page(vec![("summary", "200 OK", summary("major"))]).await;
    let outputs = ask(&World::new(), &server, &[]).await.unwrap();
    assert_eq!(
        outputs.detail,
        "Some Words; D1 partial outage; R2 degraded performance; \"D1 errors\" since 2026-01-01T09:00:00Z, https://stspg.example.com/a; \"Elsewhere\""
    );
    assert_eq!(outputs.values["description"], "Some Words");
    assert_eq!(
        outputs.values["incidents"],
        json!([
            {"name": "D1 errors", "impact": "major", "since": "2026-01-01T09:00:00Z", "url": "https://stspg.example.com/a"},
            {"name": "Elsewhere", "impact": "minor", "since": null, "url": null},
        ])
    );
}

#[tokio::test]
async fn a_step_that_judges_by_itself_is_not_judged_twice() {
    let server = page(vec![("summary", "200 OK", summary("critical"))]).await;
    for (judged, thresholds) in [(true, false), (false, true)] {
        let mut world = World::new();
        (world.judged, world.thresholds) = (judged, thresholds);
        assert_eq!(ask(&world, &server, &[]).await.unwrap().end, None);
    }
}

#[tokio::test]
async fn only_the_components_that_are_named_count() {
    let server = page(vec![("summary", "200 OK", summary("critical"))]).await;
    let world = World::new();
    let outputs = ask(&world, &server, &["Workers"]).await.unwrap();
    assert_eq!(outputs.values["indicator"], "none");
    assert_eq!(outputs.end.unwrap().status, Status::Ok);
    assert_eq!(outputs.detail, "Workers operational");
    assert_eq!(outputs.values["incidents"], json!([]));

    let outputs = ask(&world, &server, &["Workers", "D1"]).await.unwrap();
    assert_eq!(outputs.values["indicator"], "major");
    assert_eq!(
        outputs.values["components"],
        json!([
            {"name": "Workers", "status": "operational"},
            {"name": "D1", "status": "partial_outage"},
        ])
    );
    assert!(
        outputs
            .detail
            .starts_with("Workers operational, D1 partial outage; \"D1 errors\" since"),
        "{}",
        outputs.detail
    );
    let error = ask(&world, &server, &["Worker"]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Own);
    assert_eq!(error.message, "the page has no component \"Worker\"");
    assert!(error.help.unwrap().contains("Workers"));
}

#[tokio::test]
async fn a_page_without_a_summary_is_asked_in_one_word() {
    let status = json!({"page": {}, "status": {"indicator": "minor", "description": "Slow"}});
    for (code, body) in [
        ("404 Not Found", ""),
        ("503 Service Unavailable", "no"),
        ("200 OK", "<html>"),
    ] {
        let server = page(vec![
            ("summary", code, body.to_owned()),
            ("status", "200 OK", status.to_string()),
        ])
        .await;
        let outputs = ask(&World::new(), &server, &[]).await.unwrap();
        assert_eq!(outputs.detail, "Slow");
        assert_eq!(outputs.values["components"], Value::Array(Vec::new()));
        // Whether these are well is not told: that is no all-clear.
        let error = ask(&World::new(), &server, &["Workers"]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Own);
    }
}

#[tokio::test]
async fn what_is_no_page_is_told_as_what_it_is() {
    let cut = summary("none").split_at(80).0.to_owned();
    for (code, body, words) in [
        ("404 Not Found", String::new(), "404 Not Found"),
        (
            "503 Service Unavailable",
            "try later".to_owned(),
            "503 Service Unavailable: try later",
        ),
        (
            "200 OK",
            "<!doctype html><title>x</title>".to_owned(),
            "the answer is not the JSON that was asked for: <!doctype html>",
        ),
        ("200 OK", cut, "the answer is not the JSON"),
        ("200 OK", "{}".to_owned(), "the answer is not the JSON"),
    ] {
        let server = page(vec![("summary", code, body)]).await;
        let error = ask(&World::new(), &server, &[]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Target);
        assert!(error.message.starts_with(words), "{error}");
    }
    let server = serve(|_| {
        let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"status\": {";
        (cut.to_vec(), Then::Close)
    })
    .await;
    let error = ask(&World::new(), &server, &[]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Target);
    assert!(error.message.contains("middle of the body"), "{error}");
    for address in ["status.example.com", "ftp://status.example.com"] {
        let error = World::new()
            .run(&StatusPage, "get", text(address), &[])
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config, "{error}");
    }
}
