//! The commands that a person types at D1 and that it answers in a way of its own, green and red.

use serde_json::{Value, json};

use super::d1_api::{D1Api, ID, NAME, response};
use super::http_server::Answer;
use super::rows::d1;

/// The rows that a command prints, and its exit code.
#[track_caller]
fn told(api: &D1Api, arguments: &[&str]) -> (i32, Value) {
    let line = [&["db"], arguments, &["--format", "json"]].concat();
    let output = d1(api).run(&line);
    (output.code, output.json())
}

/// How the account describes the database, with these facts.
fn described(facts: &Value) -> Answer {
    let mut result = json!({"uuid": ID, "name": NAME});
    let facts = facts.as_object().unwrap().clone();
    result.as_object_mut().unwrap().extend(facts);
    let body = json!({"success": true, "errors": [], "messages": [], "result": result});
    response("200 OK", "", &body.to_string())
}

#[test]
fn info_is_what_the_account_tells_of_the_database() {
    let api = D1Api::with("CREATE TABLE t (n); CREATE TABLE u (n)");
    let (code, json) = told(&api, &["info"]);
    assert_eq!(code, 0, "{json:#}");
    let told_rows = json["output"]["rows"].as_array().unwrap();
    let fact = |name: &str| {
        let row = told_rows.iter().find(|row| row[0] == name);
        row.unwrap_or_else(|| panic!("no {name}: {json:#}"))[1].clone()
    };
    for (name, value) in [
        ("id", json!(ID)),
        ("name", json!(NAME)),
        ("version", json!("production")),
        ("tables", json!(2)),
        ("region", json!("WEUR")),
        ("replication", json!("disabled")),
        ("created", json!("2026-01-02T03:04:05.678Z")),
    ] {
        assert_eq!(fact(name), value, "{name}");
    }
    assert!(fact("bytes").as_u64().unwrap() >= 4096);
    let shown = d1(&api).run(&["db", "info"]).exits(0);
    assert!(
        shown.stdout.contains("\n name         crm_prod\n"),
        "{}",
        shown.shown()
    );
    api.answer_next(response("403 Forbidden", "", "{}"));
    let (code, json) = told(&api, &["info"]);
    assert_eq!((code, &json["output"]), (3, &Value::Null), "{json:#}");
}

#[test]
fn slow_statements_are_those_that_the_analytics_has_counted() {
    let api = D1Api::with("");
    let (code, json) = told(&api, &["slow"]);
    assert_eq!((code, &json["output"]), (0, &Value::Null), "{json:#}");
    assert_eq!(
        json["steps"][0]["table"]["rows"],
        json!([]),
        "nothing was asked yet"
    );
    let group = |query: &str, count: u64, mean: f64| {
        json!({"count": count, "avg": {"queryDurationMs": mean}, "dimensions": {"query": query},
               "sum": {"queryDurationMs": mean * count as f64, "rowsRead": 900, "rowsReturned": 3}})
    };
    api.has_counted(json!([
        group("SELECT *\nFROM orders", 3, 80.5),
        group("SELECT 1", 9, 0.25)
    ]));
    let slow = json!([3, 80.5, null, 241.5, 3, "SELECT * FROM orders"]);
    let quick = json!([9, 0.25, null, 2.25, 3, "SELECT 1"]);
    let rows = |json: &Value| json["steps"][0]["table"]["rows"].clone();
    let (code, json) = told(&api, &["slow"]);
    assert_eq!((code, rows(&json)), (0, json!([slow, quick])), "{json:#}");
    let (code, json) = told(&api, &["slow", "--over", "50ms"]);
    assert_eq!((code, rows(&json)), (1, json!([slow])), "{json:#}");
    assert_eq!(json["findings"][0]["remedy"], "db indexes main");
    let csv = d1(&api).run(&["db", "slow", "--format", "csv"]).exits(0);
    assert_eq!(
        csv.stdout,
        "calls,mean_ms,max_ms,total_ms,rows,query\r\n3,80.5,,241.5,3,SELECT * FROM orders\r\n9,0.25,,2.25,3,SELECT 1\r\n"
    );
}

/// D1 tells whether replicas are on, and neither how many there are nor how far they are behind.
#[test]
fn replication_is_on_or_off_and_is_not_guessed_at() {
    let api = D1Api::with("");
    let auto = || api.answer_next(described(&json!({"read_replication": {"mode": "auto"}})));
    let (code, json) = told(&api, &["replication"]);
    assert_eq!(code, 0, "{json:#}");
    assert_eq!(json["steps"][0]["detail"], "read replication is disabled");
    let (code, json) = told(&api, &["replication", "--replicas", "1"]);
    assert_eq!(code, 2, "{json:#}");
    assert_eq!(json["findings"][0]["cause"], "0 of 1 replicas follow");
    auto();
    let (code, json) = told(&api, &["replication"]);
    assert_eq!(code, 0, "{json:#}");
    let row = json!(["read replicas", "auto", "replica", null, null, null, null]);
    assert_eq!(json["steps"][0]["table"]["rows"], json!([row]));
    let outputs = &json["steps"][0]["outputs"];
    assert_eq!(outputs["lag_seconds"], Value::Null);
    // The columns of every engine.
    let mut columns: Vec<_> = outputs["rows"][0].as_object().unwrap().keys().collect();
    columns.sort_unstable();
    let known = "detail lag_bytes lag_seconds problem replica role state";
    assert_eq!(columns, known.split(' ').collect::<Vec<_>>());
    auto();
    let (code, json) = told(&api, &["replication", "--replicas", "1"]);
    assert_eq!(code, 3, "nobody knows: {json:#}");
    assert_eq!(json["findings"], json!([]));
    assert_eq!(
        json["steps"][0]["detail"],
        "D1 does not tell how many replicas there are: read replication is auto"
    );
    let help = json["steps"][0]["help"].as_str().unwrap();
    assert!(help.starts_with("leave --replicas out"), "{help}");
}

/// What is in a table and may not be, where no reference is wrong.
#[test]
fn integrity_finds_rows_that_break_the_rules_of_their_table() {
    let wrong = "PRAGMA ignore_check_constraints = ON; INSERT INTO t VALUES (99); PRAGMA ignore_check_constraints = OFF;";
    let table = "CREATE TABLE t (n INTEGER CHECK (n < 10)); CREATE TABLE u (n);";
    let api = D1Api::with(table);
    let (code, json) = told(&api, &["integrity"]);
    assert_eq!(code, 0, "{json:#}");
    let api = D1Api::with(&format!("{table} {wrong}"));
    let (code, json) = told(&api, &["integrity"]);
    assert_eq!(code, 2, "{json:#}");
    assert_eq!(json["steps"][0]["severity"], "P0");
    assert_eq!(
        json["steps"][0]["table"]["rows"],
        json!([["integrity", null, "CHECK constraint failed in t"]])
    );
    let (code, json) = told(&api, &["integrity", "--table", "t"]);
    assert_eq!(code, 2, "{json:#}");
    let (code, json) = told(&api, &["integrity", "--table", "u"]);
    assert_eq!(code, 0, "{json:#}");
}

/// An index over what LIKE says goes wrong where LIKE says another thing afterwards; only building it anew mends it.
#[test]
fn reindex_builds_the_index_from_its_table() {
    let found = "SELECT count(*) FROM t INDEXED BY of_a WHERE (s LIKE 'a%') = 1";
    let api = D1Api::with(
        "CREATE TABLE t (s TEXT); INSERT INTO t VALUES ('Abc'), ('abc'); CREATE INDEX of_a ON t (s LIKE 'a%'); \
         CREATE TABLE u (s TEXT); PRAGMA case_sensitive_like = ON;",
    );
    let (code, json) = told(&api, &["reindex"]);
    assert_eq!(code, 75, "who writes waits: {json:#}");
    for table in ["u", "nowhere"] {
        told(&api, &["reindex", "--table", table, "--yes"]);
    }
    assert_eq!(api.sql(found), json!([[2]]), "it was not built anew yet");
    for (more, rows) in [(&[][..], 1), (&["--table", "t"], 2)] {
        let (code, json) = told(&api, &[&["reindex", "--yes"], more].concat());
        assert_eq!(code, 0, "{json:#}");
        assert_eq!(api.sql(found), json!([[rows]]));
        api.sql("PRAGMA case_sensitive_like = OFF");
    }
}
