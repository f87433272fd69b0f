//! The actions on a D1 database: what they send, what they read, and how they tell what went wrong.

use serde_json::{Value, json};

use super::d1_api::{
    ACCOUNT, D1Api, ID, LONG_ROWS, NAME, TOKEN, WHAT_ARRIVED, arrived, long_script, refusal,
    response,
};
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
    let output = project.run(&["look", "at", "--yes", "--format", "json"]);
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
            "sql": "SELECT n, s, n AS n, (+CAST(?1 AS INTEGER)) AS truth, ?2 AS absent FROM t WHERE n > (+CAST(?3 AS INTEGER)) AND s <> ?4",
            "params": ["1", null, "1", "x' OR 1"],
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
        (
            "sql.execute = \"DELETE FROM t WHERE n = 1; DELETE FROM t\"",
            78,
        ),
        ("sql.execute = \"-- nothing\"\neffect = \"write\"", 78),
        ("database.vacuum = \"main\"", 78),
        ("database.activity = \"main\"", 78),
    ] {
        let (found, detail) = failed(project(&api, ""), step);
        assert_eq!(found, code, "{step}: {detail}");
    }
    assert_eq!(api.server().count(), 0);
}

/// What the API answers, how often it is asked, the exit code, and the words.
fn faults() -> Vec<(usize, Answer, i32, &'static str)> {
    let large = format!(
        "{{\"success\":true,\"result\":\"{}\"}}",
        "x".repeat(33 << 20)
    );
    vec![
        (
            1,
            refusal("401 Unauthorized", 10000, "Authentication error"),
            3,
            "does not accept the token: Authentication error (code 10000)",
        ),
        (
            1,
            refusal("403 Forbidden", 10000, "Authentication error"),
            3,
            "the token may not do this",
        ),
        (
            1,
            refusal("404 Not Found", 7404, "gone"),
            2,
            "there is no D1 database",
        ),
        (
            1,
            response("429 Too Many Requests", "retry-after: 30\r\n", "{}"),
            2,
            "no more requests of this account before 30 s are over",
        ),
        (
            1,
            response("413 Payload Too Large", "", "<html>"),
            2,
            "; nothing was done",
        ),
        (
            1,
            refusal("500 Internal Server Error", 7500, "no such table: x"),
            2,
            "no such table: x (code 7500)",
        ),
        (
            3,
            response("502 Bad Gateway", "", "<html>"),
            2,
            "the API answers 502: Bad Gateway",
        ),
        (
            3,
            refusal("503 Service Unavailable", 7000, "try later"),
            2,
            "the API answers 503: try later",
        ),
        (
            1,
            response("503 Service Unavailable", "retry-after: 300\r\n", ""),
            2,
            "the API answers 503: Service Unavailable; it asks to wait 300 s",
        ),
        (1, refusal("200 OK", 7501, "odd"), 2, "odd (code 7501)"),
        (
            1,
            response("200 OK", "", "hello"),
            2,
            "cannot be read: it is no JSON",
        ),
        (
            1,
            response("200 OK", "", "{\"success\":true,\"result\":[]}"),
            2,
            "it does not hold one result for each",
        ),
        (
            1,
            response("302 Found", "location: http://example.com/\r\n", ""),
            2,
            "neither a result nor an error",
        ),
        (1, response("200 OK", "", &large), 2, "over the limit"),
    ]
}

#[test]
fn what_goes_wrong_is_told_apart() {
    let api = D1Api::with(SETUP);
    let id = format!("id = \"{ID}\"\n");
    let ask = "sql.query = \"SELECT n FROM t\"";
    for (tries, answer, code, words) in faults() {
        for _ in 0..tries {
            api.answer_next(answer.clone());
        }
        let before = api.server().count();
        let (found, detail) = failed(project(&api, &id), ask);
        assert_eq!(found, code, "{words}: {detail}");
        assert!(detail.contains(words), "{words}: {detail}");
        assert_eq!(api.server().count(), before + tries, "{words}");
    }
    api.answer_next(Answer::Never);
    let (code, detail) = failed(project(&api, &id), &format!("{ask}\ntimeout = \"300ms\""));
    assert_eq!(code, 2, "{detail}");
    assert!(detail.contains("no answer within"), "{detail}");
    let (code, detail) = failed(project(&api, &id), "sql.query = \"SELECT n FROM nowhere\"");
    assert_eq!(code, 2, "{detail}");
    assert!(detail.contains("no such table: nowhere"), "{detail}");
}

/// What often passes passes by itself, as far as it can do no harm and the step's time allows it.
#[test]
fn a_read_is_tried_again_and_a_change_only_where_it_was_turned_away() {
    let api = D1Api::with(SETUP);
    let ran = |step: &str, answers: &[Answer]| {
        for answer in answers {
            api.answer_next(answer.clone());
        }
        let before = api.server().count();
        let id = format!("id = \"{ID}\"\n");
        let output = run(project(&api, &id), step);
        (output.code, api.server().count() - before)
    };
    let busy = |wait: &str| response("429 Too Many Requests", wait, "{}");
    let reset = refusal(
        "500 Internal Server Error",
        7500,
        "Network connection lost.",
    );
    let away = |wait: &str| response("503 Service Unavailable", wait, "<html>");
    let down = away("");
    let read = "sql.query = \"SELECT n FROM t\"";
    let write = "sql.execute = \"INSERT INTO t VALUES (3, 'c')\"";
    for (step, answers, expected) in [
        (
            read,
            vec![busy("retry-after: 1\r\n"), reset.clone()],
            (0, 3),
        ),
        (read, vec![down.clone(); 3], (2, 3)),
        // Longer than there is to wait.
        (read, vec![busy("retry-after: 300\r\n")], (2, 1)),
        (
            read,
            vec![busy("retry-after: Fri, 01 Jan 2100 00:00:00 GMT\r\n")],
            (2, 1),
        ),
        (
            read,
            vec![busy("retry-after: Thu, 01 Jan 2015 00:00:00 GMT\r\n")],
            (0, 2),
        ),
        // Of a service that is down likewise.
        (read, vec![away("retry-after: 300\r\n")], (2, 1)),
        (read, vec![away("retry-after: 0\r\n")], (0, 2)),
        (write, vec![busy(""), busy("retry-after: 0\r\n")], (0, 3)),
        (write, vec![down], (4, 1)),
        (write, vec![reset], (4, 1)),
        (write, vec![Answer::Bytes(Vec::new())], (4, 1)),
    ] {
        assert_eq!(ran(step, &answers), expected, "{step}");
    }
}

/// An answer that comes piece by piece is as good as one at once; the step's time is for all of it, and not for a piece.
#[test]
fn a_slow_answer_is_right_in_time_and_none_afterwards() {
    let api = D1Api::with(SETUP);
    let id = format!("id = \"{ID}\"\n");
    let result =
        json!([{"results": {"columns": ["n"], "rows": [[7], [8]]}, "success": true, "meta": {}}]);
    let body = json!({"success": true, "errors": [], "messages": [], "result": result});
    let Answer::Bytes(whole) = response("200 OK", "", &body.to_string()) else {
        unreachable!();
    };
    let ask = "sql.query = \"SELECT n FROM t\"\ntimeout =";
    api.answer_next(Answer::Trickled(whole));
    let output = run(project(&api, &id), &format!("{ask} \"5m\"")).exits(0);
    let rows = &output.json()["steps"][0]["outputs"]["rows"];
    assert_eq!(rows, &json!([{"n": 7}, {"n": 8}]));
    // It would take hours, and each of its bytes comes at once.
    let endless = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n{}",
        " ".repeat(9_999_999)
    );
    for (step, code) in [
        ("sql.query = \"SELECT n FROM t\"", 2),
        // Nobody knows whether it was done.
        ("sql.execute = \"INSERT INTO t VALUES (3, 'c')\"", 4),
    ] {
        api.answer_next(Answer::Trickled(endless.clone().into_bytes()));
        let before = api.server().count();
        let (found, detail) = failed(project(&api, &id), &format!("{step}\ntimeout = \"300ms\""));
        assert_eq!(found, code, "{detail}");
        assert!(detail.contains("no answer within"), "{detail}");
        assert_eq!(api.server().count(), before + 1, "{step}");
    }
}

/// The row count is what the statement changed itself; triggers are told apart, for a limit of rows.
#[test]
fn a_change_is_one_transaction_that_tells_what_it_changed() {
    let api = D1Api::with(&format!(
        "{SETUP} CREATE TABLE log (n); CREATE TRIGGER of_t AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (old.n); END;"
    ));
    let step = "sql.execute = \"UPDATE t SET s = {{ 'x' }} WHERE n > {{ 0 }} RETURNING n, s\"";
    let done = outputs(&api, step);
    assert_eq!(done["changed"], 2);
    assert_eq!(
        done["rows"],
        json!([{"n": 1, "s": "x"}, {"n": 2, "s": "x"}])
    );
    assert_eq!(api.sql("SELECT count(*) FROM log"), json!([[2]]));
    let none = outputs(&api, "sql.execute = \"UPDATE t SET s = 'y' WHERE n > 9\"");
    assert_eq!((&none["changed"], &none["count"]), (&json!(0), &json!(0)));
    let made = outputs(&api, "sql.execute = \"CREATE TABLE made (n)\"");
    assert_eq!(made["changed"], 0);
    assert_eq!(api.sql("SELECT count(*) FROM made"), json!([[0]]));
    let id = format!("id = \"{ID}\"\n");
    let (code, detail) = failed(
        project(&api, &id),
        "sql.execute = \"INSERT INTO nowhere VALUES (1)\"",
    );
    assert_eq!(code, 2, "{detail}");
    assert!(detail.contains("no such table: nowhere"), "{detail}");
    assert!(!detail.contains("not known"), "{detail}");
}

/// Triggers count: what a schedule may change is a limit of all that changes.
#[test]
fn a_change_of_more_rows_than_are_approved_is_taken_back() {
    let api = D1Api::with(&format!(
        "{SETUP} CREATE TABLE log (n); CREATE TRIGGER of_t AFTER DELETE ON t BEGIN INSERT INTO log VALUES (old.n); END;"
    ));
    let scheduled = |rows: u32| {
        let id = format!("id = \"{ID}\"\n");
        let step = "sql.execute = \"DELETE FROM t WHERE n > 0\"\neffect = \"destroy\"";
        let runbook =
            format!("approved = {{ rows = {rows} }}\n[[step]]\nname = \"look\"\n{step}\n");
        project(&api, &id).runbook("t/x", &runbook).run(&["t", "x"])
    };
    scheduled(3)
        .exits(75)
        .prints("it would change 4 rows, triggers and references included");
    assert_eq!(api.sql("SELECT count(*) FROM t"), json!([[2]]));
    assert_eq!(api.sql("SELECT count(*) FROM log"), json!([[0]]));
    scheduled(4).exits(0).prints("2 rows changed");
    assert_eq!(api.sql("SELECT count(*) FROM t"), json!([[0]]));
}

#[test]
fn a_script_is_one_transaction_of_the_statements_of_its_file() {
    let api = D1Api::with(&format!("{SETUP} CREATE TABLE u (n UNIQUE);"));
    let script = |text: &str| {
        let id = format!("id = \"{ID}\"\n");
        let project = project(&api, &id).file("change.sql", text);
        let file = project.path("change.sql").display().to_string();
        failed(
            project,
            &format!("sql.file = \"{file}\"\neffect = \"write\""),
        )
    };
    let (code, detail) = script(
        "-- two; statements\nCREATE TRIGGER of_t AFTER INSERT ON t BEGIN UPDATE t SET s = ';' WHERE n = new.n; END;\n\
         INSERT INTO t VALUES (3, 'c;'), (4, 'd');\n",
    );
    assert_eq!((code, detail.as_str()), (0, "\"4 rows changed\""));
    assert_eq!(
        api.sql("SELECT count(*) FROM t WHERE s = ';'"),
        json!([[2]])
    );
    for (text, line) in [
        (
            "DELETE FROM t;\nDELETE FROM nowhere;",
            "line 2, DELETE FROM nowhere: no such table: nowhere",
        ),
        (
            "-- all\n\nDELETE FROM nowhere;DELETE FROM t;",
            "line 3, DELETE FROM nowhere: no such table: nowhere",
        ),
        (
            "SELECT 1;\nINSERT INTO u VALUES (1);\nINSERT INTO u VALUES (1);\nDELETE FROM t;",
            "line 3, INSERT INTO u: UNIQUE constraint",
        ),
        (
            "SELECT 1;\nSELECT 2;\nINSERT INTO t (m) VALUES (1);\nSELECT 4;\nDELETE FROM t;",
            "line 3, INSERT INTO t: table t has no column",
        ),
        (
            "DELETE FROM nowhere",
            "line 1, DELETE FROM nowhere: no such table",
        ),
    ] {
        let (code, detail) = script(text);
        assert_eq!(code, 2, "{detail}");
        assert!(
            detail.contains(line) && detail.contains("nothing was changed"),
            "{detail}"
        );
        assert_eq!(api.sql("SELECT count(*) FROM t"), json!([[4]]));
        assert_eq!(api.sql("SELECT count(*) FROM u"), json!([[0]]));
    }
    let (code, detail) = script("DELETE FROM t;\n/* all");
    assert_eq!(code, 78, "{detail}");
    assert!(
        detail.contains("a comment that begins in line 2 does not end"),
        "{detail}"
    );
    let before = api.server().count();
    let long = format!("SELECT 1;\nSELECT '{}'", "x".repeat(100_000));
    let (code, detail) = script(&long);
    assert_eq!(code, 78, "{detail}");
    assert!(
        detail.contains("the statement of line 2 has 100009 bytes"),
        "{detail}"
    );
    assert_eq!(api.server().count(), before);
}

#[test]
fn a_long_script_arrives_whole() {
    let api = D1Api::with("");
    let id = format!("id = \"{ID}\"\n");
    let project = project(&api, &id).file("long.sql", long_script());
    let file = project.path("long.sql").display().to_string();
    let step = format!("sql.file = \"{file}\"\neffect = \"write\"");
    let done = run(project, &step).exits(0).json();
    assert_eq!(done["steps"][0]["outputs"]["changed"], LONG_ROWS);
    let found = outputs(&api, &format!("sql.query = \"{WHAT_ARRIVED}\""));
    assert_eq!(found["rows"][0], arrived());
}

#[test]
fn every_value_goes_and_comes_as_exactly_what_it_is() {
    let api = D1Api::with("CREATE TABLE v (k INTEGER PRIMARY KEY, v)");
    for value in [
        "none",
        "9223372036854775807",
        "-9007199254740993",
        "3",
        "1.5",
        r#""é😀 \"it's\" ;""#,
        r#""line\nbreak""#,
        "true",
        "''",
    ] {
        let step = format!("sql.execute = '''INSERT INTO v (v) VALUES ({{{{ {value} }}}})'''");
        outputs(&api, &step);
    }
    outputs(
        &api,
        "sql.execute = \"INSERT INTO v (v) VALUES (x'00ff'), (x''), (1e300), ('0123'), (0.1)\"",
    );
    assert_eq!(
        api.sql("SELECT typeof(v), quote(v) FROM v"),
        json!([
            ["null", "NULL"],
            ["integer", "9223372036854775807"],
            ["integer", "-9007199254740993"],
            ["integer", "3"],
            ["real", "1.5"],
            ["text", "'é😀 \"it''s\" ;'"],
            ["text", "'line\nbreak'"],
            ["integer", "1"],
            ["text", "''"],
            ["blob", "X'00FF'"],
            ["blob", "X''"],
            ["real", "1.0e+300"],
            ["text", "'0123'"],
            ["real", "0.1"]
        ])
    );
    let found = outputs(
        &api,
        "sql.query = \"SELECT v, k AS \\\"odd \\\"\\\"name\\\", v FROM v ORDER BY k DESC -- last\"",
    );
    let values: Vec<&Value> = found["rows"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|row| &row["v_2"])
        .collect();
    assert_eq!(
        json!(values),
        json!([
            null, i64::MAX, -9_007_199_254_740_993_i64, 3, 1.5, "é😀 \"it's\" ;", "line\nbreak", 1, "",
            {"base64": "AP8="}, {"base64": ""}, 1e300, "0123", 0.1
        ])
    );
    assert_eq!(found["columns"], json!(["v", "odd \"name", "v_2"]));
    let limited = outputs(
        &api,
        "sql.query = \"SELECT v FROM v ORDER BY k\"\nsql.limit = 2",
    );
    assert_eq!(
        (&limited["count"], &limited["truncated"]),
        (&json!(2), &json!(true))
    );
    let changed = outputs(
        &api,
        "sql.execute = \"DELETE FROM v WHERE k = 2 RETURNING v\"",
    );
    assert_eq!(
        changed["rows"],
        json!([{"v": "9223372036854776000, as D1 rounds it"}])
    );
}

#[test]
fn an_answer_that_is_cut_is_told_and_what_is_in_the_database_stays() {
    let api = D1Api::with(SETUP);
    let id = format!("id = \"{ID}\"\n");
    api.answer_next_when_done(Answer::Bytes(Vec::new()));
    let (code, detail) = failed(project(&api, &id), "sql.query = \"SELECT n FROM t\"");
    assert_eq!(code, 2, "{detail}");
    assert_eq!(api.sql("SELECT n FROM t ORDER BY n"), json!([[1], [2]]));
    api.answer_next_when_done(Answer::Bytes(Vec::new()));
    let (code, detail) = failed(
        project(&api, &id),
        "sql.execute = \"INSERT INTO t (n) VALUES (3)\"",
    );
    assert_eq!(code, 4, "{detail}");
    assert!(
        detail.contains("it is not known whether it was done"),
        "{detail}"
    );
    assert_eq!(api.sql("SELECT n FROM t"), json!([[1], [2], [3]]));
    let half = "{\"success\": true, \"errors\": [], \"result\": [";
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{half}");
    api.answer_next_when_done(Answer::Bytes(head.into_bytes()));
    let (code, detail) = failed(
        project(&api, &id),
        "sql.execute = \"INSERT INTO t (n) VALUES (4)\"",
    );
    assert_eq!(code, 4, "{detail}");
    assert!(
        detail.contains("it is not known whether it was done"),
        "{detail}"
    );
}

#[test]
fn a_change_whose_answer_was_lost_is_not_tried_again() {
    let api = D1Api::with(SETUP);
    let id = format!("id = \"{ID}\"\n");
    api.answer_next_when_done(Answer::Bytes(Vec::new()));
    let (code, detail) = failed(
        project(&api, &id),
        "sql.execute = \"INSERT INTO t (n) VALUES (3)\"\nretry = { attempts = 3, delay = \"1ms\" }",
    );
    assert_eq!(code, 4, "{detail}");
    assert_eq!(api.sql("SELECT n FROM t"), json!([[1], [2], [3]]));
}
