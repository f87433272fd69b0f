//! The actions on a D1 database: what they send, what they read, and how they tell what went wrong.

use serde_json::{Value, json};

use super::d1_api::{ACCOUNT, D1Api, ID, NAME, TOKEN, refusal, response};
use super::harness::{Output, Project};
use super::http_server::Answer;

const SETUP: &str = "CREATE TABLE t (n INTEGER, s TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b'); CREATE TABLE \"odd \"\" name\" (x);";

/// A project whose database `main` is at this API.
fn project(api: &D1Api, id: &str) -> Project {
    Project::new()
        .config(&format!(
            "project = \"test\"\n[secret]\ncloudflare = {{ env = \"TOKEN\" }}\n\
             [database.main]\nkind = \"d1\"\nname = \"{NAME}\"\n{id}account = \"{ACCOUNT}\"\ntoken = \"{{{{ secret.cloudflare }}}}\"\n"
        ))
        .variable("TOKEN", TOKEN)
        .variable("CLOUDFLARE_API_BASE_URL", api.url())
}

fn run(project: Project, step: &str) -> Output {
    let project = project.runbook("look/at", &format!("[[step]]\nname = \"look\"\n{step}\n"));
    let output = project.run(&["look", "at", "--format", "json"]);
    output.never_shows("hunter2")
}

#[track_caller]
fn outputs(api: &D1Api, step: &str) -> Value {
    let id = format!("id = \"{ID}\"\n");
    let output = run(project(api, &id), step).exits(0);
    output.json()["steps"][0]["outputs"].clone()
}

fn failed(project: Project, step: &str) -> (i32, String) {
    let output = run(project, step);
    let detail = output.json()["steps"][0]["detail"].to_string();
    (output.code, detail)
}

#[test]
fn a_query_gives_rows_in_one_request_with_its_values_apart() {
    let api = D1Api::with(SETUP);
    let found = outputs(
        &api,
        "sql.query = \"SELECT n, s, n AS n, {{ true }} AS truth, {{ none }} AS absent FROM t WHERE n > {{ 1 }} AND s <> {{ \\\"x' OR 1\\\" }}\"",
    );
    assert_eq!(
        found["rows"],
        json!([{"n": 2, "s": "b", "n_2": 2, "truth": 1, "absent": null}])
    );
    assert_eq!(
        found["columns"],
        json!(["n", "s", "n_2", "truth", "absent"])
    );
    let request = api.server().next_request();
    assert_eq!(api.server().count(), 1);
    assert_eq!(
        serde_json::from_str::<Value>(&request.body).unwrap(),
        json!({
            "sql": "SELECT n, s, n AS n, ?1 AS truth, ?2 AS absent FROM t WHERE n > ?3 AND s <> ?4",
            "params": [1, null, 1, "x' OR 1"],
        })
    );
    let found = outputs(
        &api,
        "sql.query = \"SELECT n FROM t ORDER BY n\"\nsql.limit = 1",
    );
    assert_eq!(
        (&found["rows"], &found["truncated"]),
        (&json!([{"n": 1}]), &json!(true))
    );
    let found = outputs(&api, "sql.query = \"SELECT n FROM t WHERE n > 9\"");
    assert_eq!(
        (&found["rows"], &found["columns"]),
        (&json!([]), &json!(["n"]))
    );
    let found = outputs(&api, "sql.explain = \"DELETE FROM t WHERE n = {{ 1 }}\"");
    assert_eq!(found["rows"][0]["detail"], "SCAN t");
}

#[test]
fn a_database_is_looked_at_as_a_whole() {
    let api = D1Api::with(SETUP);
    let look = |verb: &str| outputs(&api, &format!("database.{verb} = \"main\""));
    assert_eq!(look("ping")["count"], 0);
    let info = look("info");
    assert_eq!(info["info"]["name"], NAME);
    assert_eq!(info["info"]["tables"], 2);
    assert_eq!(info["bytes"], 12_288);
    assert_eq!(look("size")["bytes"], 12_288);
    let tables = look("tables")["rows"].clone();
    let told: Vec<_> = tables
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (&row["table"], &row["rows"]))
        .collect();
    assert_eq!(
        told,
        [(&json!("t"), &json!(2)), (&json!("odd \" name"), &json!(0))]
    );
}

#[test]
fn a_database_is_found_by_its_name_and_the_variables_of_wrangler() {
    let api = D1Api::with(SETUP);
    let step = "sql.query = \"SELECT count(*) AS n FROM t\"";
    run(project(&api, ""), step).exits(0);
    let bare = || {
        Project::new()
            .config(&format!(
                "project = \"test\"\n[database.main]\nkind = \"d1\"\nname = \"{NAME}\"\n"
            ))
            .variable("CLOUDFLARE_API_BASE_URL", api.url())
            .variable("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
    };
    run(bare().variable("CLOUDFLARE_API_TOKEN", TOKEN), step).exits(0);
    let (code, detail) = failed(bare(), step);
    assert_eq!(code, 3, "{detail}");
    assert!(detail.contains("nothing says the token"), "{detail}");
    let other = Project::new()
        .config("project = \"test\"\n[database.main]\nkind = \"d1\"\nname = \"crm\"\n")
        .variable("CLOUDFLARE_API_BASE_URL", api.url())
        .variable("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
        .variable("CLOUDFLARE_API_TOKEN", TOKEN);
    let (code, detail) = failed(other, step);
    assert_eq!(code, 2, "{detail}");
    assert!(detail.contains("there is no D1 database"), "{detail}");
}

#[test]
fn what_changes_something_is_never_sent() {
    let api = D1Api::with(SETUP);
    for (step, code) in [
        ("sql.query = \"DELETE FROM t WHERE n = 1\"", 78),
        ("sql.query = \"SELECT 1; SELECT 2\"", 78),
        ("sql.query = \"SELECT load_extension('x')\"", 78),
        ("sql.query = \"PRAGMA foreign_keys = OFF\"", 78),
        ("sql.query = \"SELECT {{ 9007199254740993 }}\"", 78),
        ("sql.execute = \"DELETE FROM t WHERE n = 1\"", 3),
        ("database.analyze = \"main\"", 3),
        ("database.activity = \"main\"", 78),
    ] {
        let (found, detail) = failed(project(&api, ""), step);
        assert_eq!(found, code, "{step}: {detail}");
    }
    assert_eq!(api.server().count(), 0);
}

#[test]
fn what_goes_wrong_is_told_apart() {
    let api = D1Api::with(SETUP);
    let id = format!("id = \"{ID}\"\n");
    let ask = "sql.query = \"SELECT n FROM t\"";
    let large = format!(
        "{{\"success\":true,\"result\":\"{}\"}}",
        "x".repeat(33 << 20)
    );
    for (answer, code, words) in [
        (
            refusal("401 Unauthorized", 10000, "Authentication error"),
            3,
            "does not accept the token: Authentication error (code 10000)",
        ),
        (
            refusal("403 Forbidden", 10000, "Authentication error"),
            3,
            "the token may not do this",
        ),
        (
            refusal("404 Not Found", 7404, "gone"),
            2,
            "there is no D1 database",
        ),
        (
            response("429 Too Many Requests", "retry-after: 30\r\n", "{}"),
            2,
            "no more requests of this account before 30 s are over",
        ),
        (
            refusal("500 Internal Server Error", 7500, "no such table: x"),
            2,
            "no such table: x (code 7500)",
        ),
        (
            response("502 Bad Gateway", "", "<html>"),
            2,
            "the API answers 502: Bad Gateway",
        ),
        (
            refusal("503 Service Unavailable", 7000, "try later"),
            2,
            "the API answers 503: try later",
        ),
        (refusal("200 OK", 7501, "odd"), 2, "odd (code 7501)"),
        (
            response("200 OK", "", "hello"),
            2,
            "cannot be read: it is no JSON",
        ),
        (
            response("200 OK", "", "{\"success\":true,\"result\":[]}"),
            2,
            "it holds no results",
        ),
        (
            response("302 Found", "location: http://example.com/\r\n", ""),
            2,
            "neither a result nor an error",
        ),
        (response("200 OK", "", &large), 2, "over the limit"),
    ] {
        api.answer_next(answer);
        let (found, detail) = failed(project(&api, &id), ask);
        assert_eq!(found, code, "{words}: {detail}");
        assert!(detail.contains(words), "{words}: {detail}");
    }
    api.answer_next(Answer::Never);
    let (code, detail) = failed(project(&api, &id), &format!("{ask}\ntimeout = \"300ms\""));
    assert_eq!(code, 2, "{detail}");
    assert!(detail.contains("no answer within"), "{detail}");
    let (code, detail) = failed(project(&api, &id), "sql.query = \"SELECT n FROM nowhere\"");
    assert_eq!(code, 2, "{detail}");
    assert!(detail.contains("no such table: nowhere"), "{detail}");
}

/// Once unless the step says more, so that a limit of requests is not used up by asking again.
#[test]
fn it_is_tried_again_only_as_the_step_says() {
    let api = D1Api::with(SETUP);
    let id = format!("id = \"{ID}\"\n");
    let step = "sql.query = \"SELECT n FROM t\"";
    let busy = || response("429 Too Many Requests", "", "{}");
    api.answer_next(busy());
    run(project(&api, &id), step).exits(2);
    assert_eq!(api.server().count(), 1);
    api.answer_next(busy());
    let again = "retry = { attempts = 3, delay = \"1ms\" }";
    run(project(&api, &id), &format!("{step}\n{again}")).exits(0);
    assert_eq!(api.server().count(), 3);
}

#[test]
fn an_answer_that_is_cut_is_told_and_what_is_in_the_database_stays() {
    let api = D1Api::with(SETUP);
    let id = format!("id = \"{ID}\"\n");
    api.answer_next_when_done(Answer::Bytes(Vec::new()));
    let (code, detail) = failed(project(&api, &id), "sql.query = \"SELECT n FROM t\"");
    assert_eq!(code, 2, "{detail}");
    assert_eq!(api.sql("SELECT n FROM t ORDER BY n"), json!([[1], [2]]));
}
