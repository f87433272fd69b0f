//! What the sources answer, and what becomes of it; the answers are those of their documentation.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use super::super::testing::{World, template, text};
use super::Metrics;
use crate::config::{Auth, Metrics as Source, MetricsKind};
use crate::engine::{ActionError, ErrorKind, Outputs};
use crate::expr::{Argument, QueryText};
use crate::platform::http::testing::{Server, Then, response, serve};

type Options = Vec<(&'static str, Argument)>;

async fn always(status: &'static str, body: &'static str) -> Server {
    serve(move |_| (response(status, "", body.as_bytes()), Then::Close)).await
}

/// An estate with the source `main` of this kind at this URL.
fn estate(url: &str, kind: MetricsKind) -> World {
    let mut world = World::new();
    world.config.metrics.push(Source {
        name: "main".to_owned(),
        kind,
        url: url.trim_end_matches('/').to_owned(),
        auth: Some(Auth::Bearer(template("hidden"))),
        headers: vec![("X-Scope-OrgID".to_owned(), template("ops"))],
        timeout: None,
    });
    world
}

fn sentry() -> MetricsKind {
    MetricsKind::Sentry {
        organization: "acme".to_owned(),
        project: Some("12".to_owned()),
    }
}

fn query(text: &str) -> Argument {
    Argument::Query(QueryText {
        text: text.to_owned(),
        written_out: true,
    })
}

async fn ask(world: &World, text: &str, options: Options) -> Result<Outputs, ActionError> {
    world.run(&Metrics, "query", query(text), &options).await
}

/// What becomes of a body that Prometheus answers.
async fn prometheus(status: &'static str, body: &'static str) -> Result<Outputs, ActionError> {
    let server = always(status, body).await;
    ask(
        &estate(&server.url(""), MetricsKind::Prometheus),
        "up",
        Vec::new(),
    )
    .await
}

#[tokio::test]
async fn what_is_no_number_is_never_taken_for_one() {
    let outputs = prometheus(
        "200 OK",
        r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"a":"1"},"value":[1.5,"NaN"]},
            {"metric":{"a":"2","value":"x","exported_value":"y"},"value":[1.5,"+Inf"]},
            {"metric":{"a":"3"},"value":[1.5,"0.25"]},
            {"metric":{"a":"4"},"value":[1.5,"1e3"]},
            {"metric":{"a":"5"},"histogram":[1.5,{"count":"2","sum":"3"}]}
        ]},"warnings":["partial"],"infos":["rate of a gauge"]}"#,
    )
    .await
    .unwrap();
    assert_eq!(
        outputs.values["rows"],
        json!([
            {"a": "1", "value": "NaN"},
            {"a": "2", "exported_exported_value": "x", "exported_value": "y", "value": "+Inf"},
            {"a": "3", "value": 0.25},
            {"a": "4", "value": 1000},
            {"a": "5", "value": null, "histogram": {"count": "2", "sum": "3"}},
        ])
    );
    assert_eq!(outputs.values["value"], Value::Null);
    assert_eq!(outputs.values["series"], 5);
    assert_eq!(
        outputs.values["warnings"],
        json!(["partial", "rate of a gauge"])
    );
    assert_eq!(
        outputs.detail,
        "5 series, 0.25 to 1000; warning: partial; warning: rate of a gauge"
    );
}

#[tokio::test]
async fn a_range_tells_its_least_greatest_average_and_last() {
    let server = always(
        "200 OK",
        r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"a":"1"},"values":[[1,"4"],[2,"NaN"],[3,"1"],[4,"2.5"]]}
        ]}}"#,
    )
    .await;
    let world = estate(&server.url(""), MetricsKind::Prometheus);
    let range = Argument::Duration("1h".parse().unwrap());
    let outputs = ask(&world, "up", vec![("range", range)]).await.unwrap();
    assert_eq!(
        outputs.values["rows"],
        json!([{"a": "1", "min": 1, "max": 4, "avg": 2.5, "last": 2.5, "count": 4}])
    );
    assert_eq!(outputs.values["value"], 2.5);
    assert_eq!(
        outputs.values["points"],
        json!([[[1, 4], [2, "NaN"], [3, 1], [4, 2.5]]])
    );
    assert_eq!(
        outputs.detail,
        "last 2.5, avg 2.5, 1 to 4, 4 points, 1 of them no number"
    );
    let asked = &server.seen()[0];
    assert!(
        asked.starts_with("POST /api/v1/query_range HTTP/1.1"),
        "{asked}"
    );
    assert!(asked.contains("&step=60.000"), "{asked}");
    assert!(asked.contains("authorization: Bearer hidden"), "{asked}");
    assert!(
        asked.to_lowercase().contains("x-scope-orgid: ops"),
        "{asked}"
    );
}

#[tokio::test]
async fn a_native_histogram_is_a_point_and_no_number() {
    let outputs = prometheus(
        "200 OK",
        r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{},"values":[[1,"4"],[3,"2"]],"histograms":[[2,{"count":"2","sum":"3"}]]}
        ]}}"#,
    )
    .await
    .unwrap();
    assert_eq!(
        outputs.values["points"],
        json!([[[1, 4], [2, {"count": "2", "sum": "3"}], [3, 2]]])
    );
    assert_eq!(
        outputs.values["rows"],
        json!([{"min": 2, "max": 4, "avg": 3, "last": 2, "count": 3}])
    );
    assert_eq!(
        outputs.detail,
        "last 2, avg 3, 2 to 4, 3 points, 1 of them no number"
    );
}

#[tokio::test]
async fn no_data_has_no_value() {
    for kind in ["vector", "matrix"] {
        let body =
            format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":[]}}}}"#);
        let outputs = prometheus("200 OK", body.leak()).await.unwrap();
        assert_eq!(outputs.detail, "no data");
        assert_eq!(outputs.values["value"], Value::Null);
        assert_eq!(outputs.values["series"], 0);
    }
}

#[tokio::test]
async fn an_error_of_prometheus_says_whose_it_is() {
    for (status, body, kind, words) in [
        (
            "400 Bad Request",
            r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#,
            ErrorKind::Config,
            "bad_data: parse error",
        ),
        (
            "422 Unprocessable Entity",
            r#"{"status":"error","errorType":"execution","error":"many-to-many"}"#,
            ErrorKind::Target,
            "execution: many-to-many",
        ),
        (
            "503 Service Unavailable",
            r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#,
            ErrorKind::Late,
            "timeout: query timed out",
        ),
        (
            "503 Service Unavailable",
            "Service Unavailable",
            ErrorKind::Target,
            "503 Service Unavailable",
        ),
        (
            "200 OK",
            "<html>sign in</html>",
            ErrorKind::Target,
            "the answer is not the JSON that was asked for: <html>sign in</html>",
        ),
        ("200 OK", "", ErrorKind::Target, "the answer is empty"),
        (
            "200 OK",
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}"#,
            ErrorKind::Target,
            "not of the API of Prometheus",
        ),
        (
            "200 OK",
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1]}]}}"#,
            ErrorKind::Target,
            "not of the API of Prometheus",
        ),
    ] {
        let error = prometheus(status, body).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
    let server = serve(|request| {
        let bytes = if request.starts_with("POST /api") {
            response("301 Moved Permanently", "location: /elsewhere\r\n", b"")
        } else {
            let body = br#"{"status":"error","errorType":"bad_data","error":"no query"}"#;
            response("400 Bad Request", "", body)
        };
        (bytes, Then::Close)
    })
    .await;
    let moved = estate(&server.url(""), MetricsKind::Prometheus);
    let error = ask(&moved, "up", Vec::new()).await.unwrap_err();
    assert!(error.help.unwrap().contains("after a redirect: set `url`"));
    let error = prometheus("401 Unauthorized", "no").await.unwrap_err();
    assert!(error.help.unwrap().contains("`auth` in [metrics.main]"));
}

#[tokio::test]
async fn a_call_that_means_nothing_is_refused_before_it_is_sent() {
    let server = always("200 OK", "{}").await;
    let duration = |text: &str| Argument::Duration(text.parse().unwrap());
    let promql = |options| (MetricsKind::Prometheus, "up", options);
    for ((kind, asked, options), words) in [
        (
            promql(vec![("on", text("mian"))]),
            "there are no metrics \"mian\"",
        ),
        (
            promql(vec![("step", duration("1m"))]),
            "without `metrics.range`",
        ),
        (
            promql(vec![("range", duration("0s"))]),
            "longer than nothing",
        ),
        (
            promql(vec![("rows", text("data"))]),
            "means nothing to \"main\"",
        ),
        (
            (MetricsKind::Cloudflare, "{ a }", Vec::new()),
            "where the rows are",
        ),
        (
            (
                MetricsKind::Cloudflare,
                "mutation { a }",
                vec![("rows", text("a"))],
            ),
            "a mutation does more",
        ),
        (
            (
                MetricsKind::Cloudflare,
                "{ a }",
                vec![
                    ("rows", text("a")),
                    ("variables", Argument::Json(json!([]))),
                ],
            ),
            "is no table",
        ),
        (
            (sentry(), "projects", Vec::new()),
            "not asked for \"projects\"",
        ),
        ((sentry(), "event", Vec::new()), "not asked for \"event\""),
        (
            (
                sentry(),
                "events",
                vec![("parameters", Argument::Json(json!({"a": {}})))],
            ),
            "the parameter \"a\"",
        ),
    ] {
        let world = estate(&server.url(""), kind);
        let error = ask(&world, asked, options).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
    assert_eq!(server.seen(), Vec::<String>::new());

    let error = ask(&World::new(), "up", Vec::new()).await.unwrap_err();
    assert!(error.message.contains("no metrics to ask"), "{error}");
    let mut world = estate(&server.url(""), MetricsKind::Prometheus);
    let mut second = world.config.metrics[0].clone();
    second.name = "second".to_owned();
    world.config.metrics.push(second);
    let error = ask(&world, "up", Vec::new()).await.unwrap_err();
    assert!(error.help.unwrap().contains("main, second"));
}

#[tokio::test]
async fn a_value_is_part_of_no_other_query_than_promql() {
    let server = always("200 OK", "{}").await;
    for kind in [MetricsKind::Cloudflare, sentry()] {
        let world = estate(&server.url(""), kind);
        let spliced = Argument::Query(QueryText {
            text: "events".to_owned(),
            written_out: false,
        });
        let options = match world.config.metrics[0].kind {
            MetricsKind::Cloudflare => vec![("rows", text("data"))],
            _ => Vec::new(),
        };
        let error = world.run(&Metrics, "query", spliced, &options).await;
        assert_eq!(error.unwrap_err().message, "a value is part of the query");
    }
    assert_eq!(server.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn an_error_within_an_answer_of_cloudflare_is_a_failure() {
    for (body, words) in [
        (
            r#"{"data":null,"errors":[{"message":"zone \"x\" does not have access to the path","path":["viewer","zones","0"],"extensions":{"code":"authz"}}]}"#,
            "does not have access",
        ),
        (
            r#"{"data":{"viewer":{}},"errors":[{"message":"a"},{"message":"b"},{"message":"c"},{"message":"d"}]}"#,
            "a; b; c, and 1 more error",
        ),
        (r#"{"data":null,"errors":null}"#, "not the JSON"),
        (
            r#"{"data":{"viewer":{"zones":[]}},"errors":null}"#,
            "`data.viewer.zones` of the answer has 0 items",
        ),
        (
            r#"{"data":{"viewer":{"zones":[{"groups":5}]}}}"#,
            "is no list of tables: 5",
        ),
    ] {
        let server = always("200 OK", body).await;
        let world = estate(&server.url("/graphql"), MetricsKind::Cloudflare);
        let options = vec![("rows", text("data.viewer.zones[0].groups"))];
        let error = ask(&world, "{ viewer }", options).await.unwrap_err();
        assert!(error.message.contains(words), "{error}");
    }
}

#[tokio::test]
async fn sentry_says_that_there_is_more_and_why_it_refuses() {
    let link = "link: <https://sentry.example.com/?cursor=0:0:1>; rel=\"previous\"; results=\"false\"; cursor=\"0:0:1\", <https://sentry.example.com/?cursor=0:100:0>; rel=\"next\"; results=\"true\"; cursor=\"0:100:0\"\r\n";
    let server = serve(move |_| {
        let body = br#"{"data":[{"title":"a","count()":7}],"meta":{}}"#;
        (response("200 OK", link, body), Then::Close)
    })
    .await;
    let parameters = json!({"field": ["title", "count()"], "per_page": 1, "query": "a&b=c"});
    let options = vec![("parameters", Argument::Json(parameters))];
    let outputs = ask(&estate(&server.url(""), sentry()), "events", options)
        .await
        .unwrap();
    assert_eq!(
        outputs.detail,
        "count() 7; warning: there are more rows than one answer holds"
    );
    let asked = &server.seen()[0];
    assert!(
        asked.starts_with(
            "GET /api/0/organizations/acme/events/?project=12&field=title&field=count%28%29&per_page=1&query=a%26b%3Dc HTTP/1.1"
        ),
        "{asked}"
    );
    for (status, body, words) in [
        (
            "400 Bad Request",
            r#"{"detail":"Invalid field"}"#,
            "400: Invalid field",
        ),
        (
            "403 Forbidden",
            r#"{"detail":{"code":"x","message":"no access"}}"#,
            "403: no access",
        ),
        ("502 Bad Gateway", "<html>", "502 Bad Gateway: <html>"),
        ("200 OK", "[]", "not the JSON that was asked for"),
    ] {
        let server = always(status, body).await;
        let error = ask(&estate(&server.url(""), sentry()), "events", Vec::new())
            .await
            .unwrap_err();
        assert!(error.message.contains(words), "{error}");
    }
}
