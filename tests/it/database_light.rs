//! Looking at SQLite and D1 as a whole and keeping them in shape, with the commands that a person types: each green and
//! red, on the real engines.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::d1_api::{ACCOUNT, D1Api, ID, NAME, TOKEN, response};
use super::harness::{Output, Project};
use super::http_server::Answer;
use super::postgres_cluster::cluster;

/// A project whose database `main` is a SQLite file with what this SQL makes.
fn sqlite(setup: &str) -> Project {
    let project = Project::new()
        .config("project = \"test\"\n[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\n");
    on_file(&project, setup);
    project
}

/// Runs SQL on the file, as a program beside opsbook would.
fn on_file(project: &Project, sql: &str) {
    let connection = Connection::open(project.path("main.db")).unwrap();
    connection.execute_batch(sql).unwrap();
}

/// A project whose database `main` is this D1.
fn d1(api: &D1Api) -> Project {
    Project::new()
        .config(&format!(
            "project = \"test\"\n[database.main]\nkind = \"d1\"\nname = \"{NAME}\"\nid = \"{ID}\"\naccount = \"{ACCOUNT}\"\n"
        ))
        .variable("CLOUDFLARE_API_TOKEN", TOKEN)
        .variable("CLOUDFLARE_API_BASE_URL", api.url())
}

/// A project whose database `main` is this database of the cluster.
fn postgres(name: &str) -> Project {
    Project::new()
        .config(
            "project = \"test\"\n[secret]\nurl = { env = \"URL\" }\n\
             [database.main]\nkind = \"postgres\"\nurl = \"{{ secret.url }}\"\n",
        )
        .variable("URL", cluster().url(name))
}

/// What a command says as JSON, and its exit code.
#[track_caller]
fn run(project: &Project, arguments: &[&str]) -> (i32, Value) {
    let output = project.run(&[arguments, &["--format", "json"]].concat());
    let output = output.never_shows(TOKEN);
    (output.code, output.json())
}

/// The outputs of a step of a run that went well.
#[track_caller]
fn green(project: &Project, arguments: &[&str]) -> Value {
    let (code, json) = run(project, arguments);
    assert_eq!(code, 0, "{json:#}");
    json
}

/// The outputs of a step by its name.
fn step<'a>(json: &'a Value, name: &str) -> &'a Value {
    let steps = json["steps"].as_array().unwrap();
    let found = steps.iter().find(|step| step["step"] == name);
    found.unwrap_or_else(|| panic!("no step {name}: {json:#}"))
}

fn outputs<'a>(json: &'a Value, name: &str) -> &'a Value {
    &step(json, name)["outputs"]
}

/// The rows of a step.
fn rows<'a>(json: &'a Value, name: &str) -> &'a Value {
    &outputs(json, name)["rows"]
}

/// A wrong command: its exit code and all that it says.
#[track_caller]
fn refused(project: &Project, arguments: &[&str]) -> (i32, String) {
    let Output {
        code,
        stdout,
        stderr,
        ..
    } = project.run(arguments).never_shows(TOKEN);
    (code, format!("{stdout}{stderr}"))
}

const SHOP: &str = "\
    CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id), note TEXT);
    CREATE INDEX orders_by_user ON orders (user_id);
    INSERT INTO users VALUES (1, 'a@example.com'), (2, 'b@example.com');
    INSERT INTO orders VALUES (1, 1, 'x'), (2, 2, 'y'), (3, NULL, 'z');";

/// Rows that refer to a user who is not there. D1 always holds references while rows are written, so this one comes later.
const DANGLING: &str = "\
    CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, owner INTEGER, note TEXT);
    INSERT INTO users VALUES (1, 'a@example.com');
    INSERT INTO orders VALUES (1, 1, 'x'), (2, 7, 'y'), (3, NULL, 'z'), (4, 8, 'w');
    ALTER TABLE orders ADD COLUMN user_id INTEGER GENERATED ALWAYS AS (owner) VIRTUAL REFERENCES users (id);";

#[test]
fn growth_is_told_since_the_last_look_and_a_dry_run_keeps_nothing() {
    let project = sqlite(SHOP);
    let first = green(&project, &["db", "tables"]);
    let orders = |json: &Value| {
        let rows = rows(json, "tables").as_array().unwrap();
        let found = rows.iter().find(|row| row["table"] == "orders");
        found.unwrap().clone()
    };
    assert_eq!(orders(&first)["rows"], 3);
    assert_eq!(orders(&first)["columns"], 3);
    for unknown in ["grown_rows", "grown_bytes", "since"] {
        assert_eq!(orders(&first)[unknown], Value::Null, "{unknown}");
    }
    assert_eq!(outputs(&first, "tables")["grown"], Value::Null);

    on_file(
        &project,
        "WITH RECURSIVE n (i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
         INSERT INTO orders SELECT i, 1, hex(zeroblob(50)) FROM n; CREATE TABLE later (x);",
    );
    // Two looks that keep nothing between: the growth stays what it is.
    let dry = green(&project, &["db", "tables", "--dry-run"]);
    let second = green(&project, &["db", "tables"]);
    for json in [&dry, &second] {
        let orders = orders(json);
        assert_eq!(orders["grown_rows"], 497);
        assert!(orders["grown_bytes"].as_i64().unwrap() > 40_000, "{orders}");
        assert!(orders["since"].as_str().unwrap().ends_with('Z'));
        let grown = outputs(json, "tables")["grown"].as_i64().unwrap();
        assert!(grown >= orders["grown_bytes"].as_i64().unwrap());
        let rows = rows(json, "tables").as_array().unwrap();
        let later = rows.iter().find(|row| row["table"] == "later").unwrap();
        assert_eq!(later["since"], Value::Null, "nobody has seen it before");
    }
    // A read-only run changes nothing of the estate; what opsbook keeps is its own.
    on_file(&project, "DELETE FROM orders WHERE id > 400");
    let third = green(&project, &["db", "tables", "--read-only"]);
    assert_eq!(orders(&third)["grown_rows"], -100);
    let fourth = green(&project, &["db", "tables"]);
    assert_eq!(orders(&fourth)["grown_rows"], 0);
    // Nobody looked an hour ago.
    let old = green(&project, &["db", "tables", "--since", "1h"]);
    assert_eq!(orders(&old)["grown_rows"], Value::Null);
}

#[test]
fn growth_beyond_what_was_agreed_is_a_warning() {
    let project = sqlite(SHOP);
    let arguments = ["db", "tables", "--max-growth", "100kB"];
    green(&project, &arguments);
    green(&project, &arguments);
    on_file(
        &project,
        "INSERT INTO orders VALUES (9, 1, hex(zeroblob(60000)))",
    );
    let (code, json) = run(&project, &arguments);
    assert_eq!(code, 1, "{json:#}");
    assert!(
        json["findings"][0]["cause"]
            .as_str()
            .unwrap()
            .contains("has grown by 1")
    );
    let (_, json) = run(&project, &["db", "tables", "--limit", "1"]);
    assert_eq!(rows(&json, "tables").as_array().unwrap().len(), 1);
    let detail = step(&json, "tables")["detail"].as_str().unwrap();
    assert!(detail.ends_with("the 1 largest are shown"), "{detail}");
}

/// Each project and environment, and each database, has readings of its own.
#[test]
fn growth_is_of_one_database() {
    let project = sqlite(SHOP).config(
        "project = \"test\"\n[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\n\
         [database.copy]\nkind = \"sqlite\"\npath = \"main.db\"\n[environment.staging]\n",
    );
    green(&project, &["db", "size", "main"]);
    let size = |arguments: &[&str]| {
        let json = green(&project, arguments);
        outputs(&json, "size")["grown"].clone()
    };
    assert_eq!(size(&["db", "size", "copy"]), Value::Null);
    assert_eq!(
        size(&["--env", "staging", "db", "size", "main"]),
        Value::Null
    );
    assert_eq!(size(&["db", "size", "main"]), 0);
}

#[test]
fn a_size_is_held_against_what_it_may_be() {
    let project = sqlite(SHOP);
    let json = green(&project, &["db", "size"]);
    let size = outputs(&json, "size");
    let bytes = size["bytes"].as_u64().unwrap();
    assert_eq!(
        (&size["limit"], &size["percent"]),
        (&Value::Null, &Value::Null)
    );
    let under = (bytes + bytes / 2).to_string();
    green(&project, &["db", "size", "--max", &under]);
    let near = (bytes + bytes / 10).to_string();
    let (code, json) = run(&project, &["db", "size", "--max", &near]);
    assert_eq!(code, 1, "{json:#}");
    let over = (bytes - 1).to_string();
    let (code, json) = run(&project, &["db", "size", "--max", &over]);
    assert_eq!(code, 2, "{json:#}");
    assert_eq!(json["findings"][0]["remedy"], "db tables main");

    let api = D1Api::with(SHOP);
    let project = d1(&api);
    let json = green(&project, &["db", "size"]);
    let size = outputs(&json, "size");
    assert_eq!(size["limit"], 10_000_000_000_u64);
    assert_eq!(size["percent"], 0.0);
    let (code, _) = run(&project, &["db", "size", "--max", "1kB"]);
    assert_eq!(code, 2);
    api.sql("CREATE TABLE large AS SELECT hex(zeroblob(20000)) AS x");
    let json = green(&project, &["db", "size"]);
    assert!(
        outputs(&json, "size")["grown"].as_i64().unwrap() >= 40_000,
        "{json:#}"
    );
    // The thresholds are of the limit too.
    let described = |bytes: u64| {
        let result = json!({"uuid": ID, "name": NAME, "file_size": bytes});
        let body = json!({"success": true, "errors": [], "messages": [], "result": result});
        response("200 OK", "", &body.to_string())
    };
    for (bytes, expected) in [(7_900_000_000, 0), (8_000_000_000, 1), (9_600_000_000, 2)] {
        api.answer_next(described(bytes));
        let (code, json) = run(&project, &["db", "size"]);
        assert_eq!(code, expected, "{json:#}");
    }
}

#[test]
fn tables_of_d1_are_counted_with_their_columns() {
    let api = D1Api::with(SHOP);
    let project = d1(&api);
    let json = green(&project, &["db", "tables"]);
    let expected = |grown: Value, orders: u64| {
        json!([("orders", 3, orders), ("users", 2, 2)].map(|(table, columns, rows)| {
            json!({"table": table, "columns": columns, "rows": rows, "bytes": null,
                   "grown_rows": if table == "orders" || grown.is_null() { grown.clone() } else { json!(0) },
                   "grown_bytes": null})
        }))
    };
    let without_since = |json: &Value| {
        let mut rows = rows(json, "tables").clone();
        for row in rows.as_array_mut().unwrap() {
            row.as_object_mut().unwrap().remove("since");
        }
        rows
    };
    assert_eq!(without_since(&json), expected(Value::Null, 3));
    api.sql("INSERT INTO orders VALUES (4, 1, 'more')");
    let json = green(&project, &["db", "tables"]);
    assert_eq!(without_since(&json), expected(json!(1), 4));
    let detail = step(&json, "tables")["detail"].as_str().unwrap();
    assert!(detail.starts_with("2 tables, +1 rows since "), "{detail}");
}

#[test]
fn references_that_lead_nowhere_are_found_on_both_engines() {
    let api = D1Api::with(SHOP);
    for project in [sqlite(SHOP), d1(&api)] {
        let json = green(&project, &["db", "foreign-keys"]);
        assert_eq!(
            step(&json, "references")["detail"],
            "1 reference, all of them hold"
        );
        green(&project, &["db", "integrity"]);
        green(&project, &["db", "orphans", "orders", "user_id", "users"]);
    }
    let api = D1Api::with(DANGLING);
    let wrong = json!([{"table": "orders", "column": "user_id", "parent": "users", "rows": 2}]);
    for project in [sqlite(DANGLING), d1(&api)] {
        let (code, json) = run(&project, &["db", "foreign-keys"]);
        assert_eq!((code, rows(&json, "references")), (1, &wrong), "{json:#}");
        green(&project, &["db", "foreign-keys", "--table", "users"]);
        let (code, _) = run(&project, &["db", "foreign-keys", "--table", "nowhere"]);
        assert_eq!(code, 78);
        let (code, json) = run(&project, &["db", "integrity"]);
        assert_eq!(code, 2, "{json:#}");
        assert_eq!(rows(&json, "integrity")[0]["kind"], "foreign key");
        green(&project, &["db", "integrity", "--table", "users"]);
        let (code, json) = run(
            &project,
            &["db", "orphans", "orders", "user_id", "users", "-n", "1"],
        );
        assert_eq!(code, 1);
        assert_eq!(rows(&json, "count")[0]["orphans"], 2);
        assert_eq!(rows(&json, "orphans").as_array().unwrap().len(), 1);
        let (code, _) = run(&project, &["db", "orphans", "orders", "user_id", "nowhere"]);
        assert_eq!(code, 2);
    }
    let detail = |project: &Project| {
        let (_, json) = run(project, &["db", "integrity", "--table", "users"]);
        step(&json, "integrity")["detail"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(detail(&d1(&api)).contains("D1 refuses integrity_check"));
}

#[test]
fn an_empty_parent_makes_nobody_an_orphan_to_delete() {
    let setup = "CREATE TABLE users (id INTEGER PRIMARY KEY); CREATE TABLE orders (user_id); INSERT INTO orders VALUES (1), (2);";
    let api = D1Api::with(setup);
    for project in [sqlite(setup), d1(&api)] {
        let (code, json) = run(&project, &["db", "orphans", "orders", "user_id", "users"]);
        assert_eq!(code, 2, "{json:#}");
        let cause = json["findings"][0]["cause"].as_str().unwrap();
        assert!(cause.contains("users is empty"), "{cause}");
        assert_eq!(json["findings"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_damaged_file_is_critical() {
    let project = sqlite(SHOP);
    on_file(
        &project,
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = 'CREATE INDEX orders_by_user ON orders (note)' WHERE name = 'orders_by_user'",
    );
    let (code, json) = run(&project, &["db", "integrity"]);
    assert_eq!(code, 2, "{json:#}");
    assert_eq!(json["findings"].as_array().unwrap().len(), 0);
    assert_eq!(rows(&json, "integrity")[0]["kind"], "integrity");
    assert_eq!(step(&json, "integrity")["severity"], "P0");
    // It holds what its table holds again, by its definition as it is now.
    green(&project, &["db", "reindex", "--table", "users", "--yes"]);
    assert_eq!(run(&project, &["db", "integrity"]).0, 2, "another table");
    green(&project, &["db", "reindex", "--yes"]);
    green(&project, &["db", "integrity"]);
}

/// Runs a step of one's own with a verb that no runbook of this part has.
fn look(project: Project, verb: &str) -> (i32, Value) {
    let step = format!("[[step]]\nname = \"look\"\ndatabase.{verb} = \"main\"\n");
    let project = project.runbook("look/at", &step);
    run(&project, &["look", "at"])
}

#[test]
fn indexes_are_told_the_same_on_both_engines() {
    let setup = "\
        CREATE TABLE users (id INTEGER PRIMARY KEY, mail TEXT UNIQUE, name);
        CREATE INDEX by_mail ON users (mail); CREATE INDEX by_name ON users (name); CREATE INDEX names ON users (name, mail);
        CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id REFERENCES users (id));";
    let api = D1Api::with(setup);
    for project in [sqlite(setup), d1(&api)] {
        let (_, json) = run(&project, &["db", "indexes"]);
        let findings = json["findings"].as_array().unwrap().iter();
        let remedies: Vec<&str> = findings
            .map(|found| found["remedy"].as_str().unwrap())
            .collect();
        assert_eq!(
            remedies,
            [
                r#"db execute 'CREATE INDEX "orders_user_id" ON "orders" ("user_id")' -d main"#,
                r#"db execute 'DROP INDEX "by_mail"' -d main"#,
            ]
        );
        let (code, json) = look(project, "indexes");
        assert_eq!(code, 0, "it only tells: {json:#}");
        assert_eq!(outputs(&json, "look")["problems"], 3);
        let found: Vec<(&str, &str)> = rows(&json, "look")
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                let index = row["index"].as_str().unwrap_or("none");
                (row["problem"].as_str().unwrap(), index)
            })
            .collect();
        let expected = [
            ("duplicate", "by_mail"),
            ("duplicate", "by_name"),
            ("missing", "none"),
        ];
        assert_eq!(found, expected);
    }
    let api = D1Api::with(SHOP);
    for project in [sqlite(SHOP), d1(&api)] {
        let (_, json) = look(project, "indexes");
        assert_eq!(rows(&json, "look"), &json!([]), "{json:#}");
    }
}

#[test]
fn d1_tells_its_slowest_statements_by_the_analytics_of_the_account() {
    let api = D1Api::with(SHOP);
    let described = json!({"success": true, "errors": [], "messages": [], "result": {"uuid": ID, "name": NAME}});
    let group = |query: &str, count: u64, mean: f64| {
        json!({"count": count, "avg": {"queryDurationMs": mean}, "dimensions": {"query": query},
               "sum": {"queryDurationMs": mean * count as f64, "rowsRead": 900, "rowsReturned": 3}})
    };
    let insights = json!({"errors": null, "data": {"viewer": {"accounts": [{"d1QueriesAdaptiveGroups": [
        group("SELECT *\nFROM orders", 3, 80.5), group("SELECT 1", 9, 0.1), group("", 1, 9.0)]}]}}});
    let answer = |body: &Value| {
        response(
            "200 OK",
            "content-type: application/json\r\n",
            &body.to_string(),
        )
    };
    api.answer_next(answer(&described));
    api.answer_next(answer(&insights));
    let (code, json) = look(d1(&api), "slow");
    assert_eq!(code, 0, "{json:#}");
    assert_eq!(
        rows(&json, "look"),
        &json!([
            {"query": "SELECT * FROM orders", "calls": 3, "mean_ms": 80.5, "max_ms": null, "total_ms": 241.5, "rows": 3, "rows_read": 900},
            {"query": "SELECT 1", "calls": 9, "mean_ms": 0.1, "max_ms": null, "total_ms": 0.9, "rows": 3, "rows_read": 900},
        ])
    );
    api.server().next_request();
    let request = api.server().next_request();
    assert_eq!(request.path, "/client/v4/graphql");
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body["variables"]["account"], ACCOUNT);
    assert_eq!(body["variables"]["database"], ID);

    let slow = |api: &D1Api, analytics: Answer| {
        api.answer_next(answer(&described));
        api.answer_next(analytics);
        let step =
            "[[step]]\nname = \"look\"\ndatabase.slow = \"main\"\ndatabase.over = \"50ms\"\n";
        run(&d1(api).runbook("look/at", step), &["look", "at"])
    };
    let (_, json) = slow(&api, answer(&insights));
    assert_eq!(outputs(&json, "look")["count"], 1);
    let denied = json!({"data": null, "errors": [{"message": "not authorized for that account"}]});
    let (code, json) = slow(&api, answer(&denied));
    assert_eq!(code, 2, "{json:#}");
    let detail = step(&json, "look")["detail"].as_str().unwrap();
    assert!(
        detail.contains("not authorized for that account"),
        "{detail}"
    );
    let (code, _) = slow(&api, response("403 Forbidden", "", "{}"));
    assert_eq!(code, 3);
}

#[test]
fn replicas_of_d1_are_on_or_off() {
    let api = D1Api::with("");
    let (_, json) = look(d1(&api), "replication");
    assert_eq!(
        step(&json, "look")["detail"],
        "read replication is disabled"
    );
    let body = json!({"success": true, "errors": [], "messages": [],
                      "result": {"uuid": ID, "name": NAME, "read_replication": {"mode": "auto"}}});
    let auto = || api.answer_next(response("200 OK", "", &body.to_string()));
    auto();
    let (_, json) = look(d1(&api), "replication");
    assert_eq!(rows(&json, "look")[0]["state"], "auto");
    // What a person types: how far they are behind nobody knows, and of none there are fewer than one.
    green(&d1(&api), &["db", "replication"]);
    let asked = ["db", "replication", "--replicas", "1"];
    assert_eq!(run(&d1(&api), &asked).0, 2);
    auto();
    green(&d1(&api), &["db", "replication"]);
    auto();
    assert_eq!(run(&d1(&api), &asked).0, 3);
}

#[test]
fn what_an_engine_cannot_is_refused_with_what_to_use_instead() {
    let api = D1Api::with("");
    for (project, verb, instead) in [
        (sqlite(SHOP), "locks", "fuser -v"),
        (sqlite(SHOP), "connections", "fuser -v"),
        (sqlite(SHOP), "slow", "opsbook db explain"),
        (sqlite(SHOP), "replication", "the tool that copies its file"),
        (d1(&api), "activity", "opsbook db slow"),
        (d1(&api), "locks", "opsbook db slow"),
        (d1(&api), "bloat", "opsbook db size"),
        (d1(&api), "vacuum", "export it and import that"),
    ] {
        let step = format!("[[step]]\nname = \"look\"\ndatabase.{verb} = \"main\"\n");
        let (code, said) = refused(&project.runbook("look/at", &step), &["look", "at", "--yes"]);
        assert_eq!(code, 78, "{verb}: {said}");
        let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(instead), "{verb}: {said}");
    }
}

/// What is found of a threshold is as bad as the threshold: a warning P3, critical P1.
#[test]
fn a_threshold_and_what_is_found_of_it_are_as_bad() {
    let project = sqlite(SHOP);
    let (_, json) = run(&project, &["db", "size"]);
    let all = format!("{}B", outputs(&json, "size")["bytes"]);
    for (most, severity) in [("1B", "P1"), (&all, "P3")] {
        let (_, json) = run(&project, &["db", "size", "--max", most]);
        assert_eq!(step(&json, "size")["severity"], severity, "{json:#}");
        assert_eq!(json["findings"][0]["severity"], severity, "{json:#}");
    }
    for name in ["size", "locks", "connections", "doctor", "diagnose"] {
        let text = std::fs::read_to_string(format!("runbooks/db/{name}.toml")).unwrap();
        for finding in text.split("[[finding]]").skip(1) {
            for (status, severity) in [("== 'critical'", "P1"), ("== 'warning'", "P3")] {
                let told = finding.contains(&format!("severity = \"{severity}\""));
                assert!(!finding.contains(status) || told, "{name}: {finding}");
            }
        }
    }
}

#[test]
fn a_vacuum_gives_space_back_and_is_skipped_where_the_platform_refuses_it() {
    let project = sqlite(SHOP);
    on_file(
        &project,
        "INSERT INTO orders VALUES (9, 1, hex(zeroblob(60000))); DELETE FROM orders WHERE id = 9;",
    );
    let (code, said) = refused(&project, &["db", "vacuum"]);
    assert_eq!(code, 75, "others wait: {said}");
    let json = green(&project, &["db", "vacuum", "--yes"]);
    assert!(outputs(&json, "rewrite")["bytes"].as_u64().unwrap() > 100_000);
    assert_eq!(
        outputs(&json, "after")["grown"].as_i64(),
        outputs(&json, "rewrite")["bytes"]
            .as_i64()
            .map(|bytes| -bytes)
    );

    let api = D1Api::with(SHOP);
    let json = green(&d1(&api), &["db", "vacuum", "--yes"]);
    assert_eq!(step(&json, "vacuum")["status"], "skipped");
    let told = step(&json, "instead")["detail"].as_str().unwrap();
    assert!(told.contains("export it and import that"), "{told}");
}

#[test]
fn statistics_and_indexes_are_made_anew_for_one_table_or_all() {
    let statistics = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'";
    let project = sqlite(SHOP);
    let dry = green(
        &project,
        &["db", "analyze", "--table", "orders", "--dry-run"],
    );
    let shown = step(&dry, "analyze")["preview"]["sent"]
        .as_str()
        .unwrap_or_default();
    assert!(shown.starts_with("ANALYZE \"orders\" on main"), "{dry:#}");
    let connection = Connection::open(project.path("main.db")).unwrap();
    let analyzed = || -> i64 {
        connection
            .query_row(statistics, [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(analyzed(), 0);
    green(&project, &["db", "analyze", "--table", "orders", "--yes"]);
    assert_eq!(analyzed(), 1);
    let tables: String = connection
        .query_row(
            "SELECT group_concat(DISTINCT tbl) FROM sqlite_stat1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(tables, "orders");
    let (code, said) = refused(&project, &["db", "reindex"]);
    assert_eq!(code, 75, "who writes waits: {said}");
    green(&project, &["db", "reindex", "--yes"]);
    green(&project, &["db", "reindex", "--table", "orders", "--yes"]);
    let (code, _) = run(&project, &["db", "reindex", "--table", "nowhere", "--yes"]);
    assert_eq!(code, 78);
}

#[test]
fn a_plan_that_reads_a_table_in_full_is_a_warning_on_every_engine() {
    let api = D1Api::with(SHOP);
    let name = cluster().database(
        "CREATE TABLE users (id int PRIMARY KEY, mail text);
         INSERT INTO users SELECT n, n || '@example.com' FROM generate_series(1, 5000) AS n; ANALYZE users;",
    );
    for (project, all) in [
        (sqlite(SHOP), "note"),
        (d1(&api), "note"),
        (postgres(&name), "mail"),
    ] {
        let table = if all == "note" { "orders" } else { "users" };
        let whole = format!("SELECT * FROM {table} WHERE {all} = 'x'");
        let (code, json) = run(&project, &["db", "explain", &whole]);
        assert_eq!(code, 1, "{json:#}");
        assert_eq!(outputs(&json, "explain")["scans"], json!([table]));
        assert_eq!(
            json["findings"][0]["cause"],
            format!("read in full: {table}")
        );
        assert_eq!(step(&json, "run")["status"], "skipped");
        let one = format!("SELECT * FROM {table} WHERE id = 2");
        let json = green(&project, &["db", "explain", &one]);
        assert_eq!(outputs(&json, "explain")["scans"], json!([]));
        let json = green(&project, &["db", "explain", &one, "--run", "--warn", "30s"]);
        let ran = match table {
            "users" => rows(&json, "explain").to_string().contains("actual time"),
            _ => step(&json, "run")["status"] == "ok",
        };
        assert!(ran, "{json:#}");
        let (code, json) = run(&project, &["db", "explain", &one, "--run", "--warn", "0s"]);
        assert_eq!(code, 1, "{json:#}");
        let (code, said) = refused(
            &project,
            &["db", "explain", "--run", &format!("DELETE FROM {table}")],
        );
        assert_eq!(code, 64, "{said}");
    }
}

/// Its indentation is the tree, and a line that is too long goes on below.
#[test]
fn a_plan_is_shown_whole() {
    let name = cluster().database(
        "CREATE TABLE customers (id int PRIMARY KEY, name text);
         CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, note text);",
    );
    let sql = "SELECT c.name, count(*) FROM orders o JOIN customers c ON c.id = o.customer \
               WHERE o.note IN ('a rather long note', 'another note that is long', 'and a third one, longer still') GROUP BY 1 ORDER BY 2";
    let project = postgres(&name);
    let told = project.run(&["db", "explain", sql]).exits(1);
    let (_, json) = run(&project, &["db", "explain", sql]);
    let plan = rows(&json, "explain");
    let inset = |line: &str| line.len() - line.trim_start().len();
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let shown = told.stdout.split("\n\n").next().unwrap();
    let lines: Vec<&str> = plan
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["detail"].as_str().unwrap())
        .collect();
    assert_eq!(
        words(shown)[1..],
        words(&lines.join(" ")),
        "{}",
        told.shown()
    );
    assert!(lines.iter().any(|line| line.len() > 80), "{lines:#?}");
    for line in lines {
        let begin = words(line)[..2].join(" ");
        let found = shown
            .lines()
            .filter(|shown| words(shown).join(" ").starts_with(&begin));
        assert!(
            found.map(inset).any(|shown| shown == inset(line) + 1),
            "{begin}\n{}",
            told.shown()
        );
    }
    assert!(
        shown.lines().all(|line| line.len() <= 80),
        "{}",
        told.shown()
    );
    assert!(
        told.stdout.contains("read in full: customers, orders"),
        "{}",
        told.shown()
    );
    let csv = project
        .run(&["db", "explain", sql, "--format", "csv"])
        .stdout;
    assert!(csv.contains("and a third one, longer still"), "{csv}");
}

/// A runbook of one's own can say `run`, too; what does more than read is not run.
#[test]
fn what_is_explained_is_run_only_where_it_reads() {
    let name = cluster().database("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2);");
    let project = |sql: &str| {
        let step = format!("[[step]]\nname = \"look\"\nsql.explain = \"{sql}\"\nsql.run = true\n");
        postgres(&name).runbook("look/at", &step)
    };
    for sql in [
        "DELETE FROM t",
        "WITH gone AS (DELETE FROM t RETURNING n) SELECT * FROM gone",
        "SELECT pg_reload_conf()",
        "ANALYZE DELETE FROM t",
    ] {
        let (code, said) = refused(&project(sql), &["look", "at", "--yes"]);
        assert_ne!(code, 0, "{said}");
    }
    let json = green(
        &project("SELECT count(*) FROM t WHERE n > {{ 0 }}"),
        &["look", "at"],
    );
    let plan = rows(&json, "look").to_string();
    assert!(plan.contains("rows=2"), "nothing was deleted: {plan}");
}

#[test]
fn statistics_and_indexes_of_d1_are_made_anew() {
    let api = D1Api::with(SHOP);
    let project = d1(&api);
    let statistics = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'";
    green(&project, &["db", "analyze", "--dry-run"]);
    assert_eq!(api.sql(statistics), json!([[0]]));
    green(&project, &["db", "analyze", "--table", "orders", "--yes"]);
    assert_eq!(
        api.sql("SELECT DISTINCT tbl FROM sqlite_stat1"),
        json!([["orders"]])
    );
    green(&project, &["db", "reindex", "--yes"]);
    let (code, json) = run(&project, &["db", "analyze", "--table", "nowhere", "--yes"]);
    assert_eq!(code, 78, "{json:#}");
    let detail = step(&json, "analyze")["detail"].as_str().unwrap();
    assert_eq!(detail, "there is no table \"nowhere\" in main");
}

#[test]
fn a_server_of_postgres_grows_too() {
    let name = cluster().database("CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE orders (user_id int); INSERT INTO orders VALUES (1), (NULL); ANALYZE;");
    let project = postgres(&name);
    green(&project, &["db", "tables"]);
    green(&project, &["db", "size"]);
    cluster().psql(
        &name,
        "INSERT INTO orders SELECT n FROM generate_series(1, 9998) AS n; ANALYZE orders;",
    );
    let json = green(&project, &["db", "tables"]);
    let orders = &rows(&json, "tables")[0];
    assert_eq!(
        (&orders["table"], &orders["columns"], &orders["grown_rows"]),
        (&json!("orders"), &json!(1), &json!(9998))
    );
    let json = green(&project, &["db", "size"]);
    assert!(
        outputs(&json, "size")["grown"].as_i64().unwrap() > 300_000,
        "{json:#}"
    );
    let (code, json) = run(&project, &["db", "orphans", "orders", "user_id", "users"]);
    assert_eq!(code, 2, "users is empty: {json:#}");
    assert_eq!(rows(&json, "count")[0]["orphans"], 9999);
}

/// The columns of each runbook that changes no database; none where it has no rows, or those of several looks.
const COLUMNS: &[(&str, &[&str], Option<&str>)] = &[
    (
        "activity",
        &[],
        Some(
            "pid,user,application,client,state,seconds,transaction_seconds,waiting,blocked_by,query",
        ),
    ),
    (
        "bloat",
        &[],
        Some(
            "table,dead_rows,live_rows,dead_percent,bytes,free_bytes,last_vacuum,last_analyze,problem,detail",
        ),
    ),
    (
        "connections",
        &[],
        Some("database,user,application,client,state,connections,oldest_seconds"),
    ),
    ("diagnose", &[], None),
    ("doctor", &[], None),
    ("explain", &["SELECT id FROM users"], Some("detail")),
    ("foreign-keys", &[], Some("table,column,parent,rows")),
    (
        "indexes",
        &[],
        Some("problem,table,index,columns,bytes,detail,statement"),
    ),
    ("info", &[], Some("name,value")),
    ("integrity", &[], Some("kind,table,detail")),
    (
        "locks",
        &[],
        Some("depth,pid,user,application,state,seconds,lock,relation,query"),
    ),
    (
        "migrations/check",
        &[],
        Some("file,line,rule,severity,detail,instead"),
    ),
    ("migrations/new", &[], None),
    (
        "migrations/status",
        &[],
        Some("name,state,applied_at,by,detail"),
    ),
    (
        "orphans",
        &["orders", "user_id", "users"],
        Some("id,user_id,note"),
    ),
    ("ping", &[], None),
    ("query", &["SELECT id FROM users"], Some("id")),
    (
        "replication",
        &[],
        Some("replica,state,role,lag_seconds,lag_bytes,problem,detail"),
    ),
    ("rows", &["users"], Some("id,mail")),
    ("size", &[], Some("part,bytes,grown_bytes,since")),
    (
        "slow",
        &[],
        Some("calls,mean_ms,max_ms,total_ms,rows,query"),
    ),
    (
        "tables",
        &[],
        Some("table,rows,bytes,grown_rows,grown_bytes,since"),
    ),
];

/// The runbooks of a folder that change no database: they hold no lock.
fn looks(folder: &str, group: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let runbooks = paths.filter(|path| path.is_file());
    let looks = runbooks.filter(|path| !std::fs::read_to_string(path).unwrap().contains("\nlock "));
    looks
        .map(|path| format!("{group}{}", path.file_stem().unwrap().to_str().unwrap()))
        .collect()
}

#[test]
fn every_look_gives_its_rows_as_csv() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/runbooks/db");
    let mut there_are = looks(folder, "");
    there_are.extend(looks(&format!("{folder}/migrations"), "migrations/"));
    there_are.sort();
    let known: Vec<&str> = COLUMNS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(there_are, known);

    let setup =
        format!("PRAGMA foreign_keys = OFF; {SHOP} INSERT INTO orders VALUES (4, 9, 'lost');");
    let config = "[database.main.migrations]\nfolder = \"migrations\"\n";
    let light = sqlite(&setup);
    let text = light.read("opsbook.toml");
    let light = light.file("opsbook.toml", format!("{text}{config}"));
    let light = light.file("migrations/0001_t.sql", "CREATE TABLE t (id INTEGER);\n");
    let server = postgres(
        &cluster()
            .database("CREATE SCHEMA stats; CREATE EXTENSION pg_stat_statements SCHEMA stats"),
    );
    for (name, arguments, columns) in COLUMNS {
        let Some(columns) = columns else { continue };
        let of_server = ["activity", "connections", "locks", "replication", "slow"];
        let project = match of_server.contains(name) {
            true => &server,
            false => &light,
        };
        let mut line = vec!["db"];
        line.extend(name.split('/'));
        line.extend(*arguments);
        line.extend(["--format", "csv"]);
        let output = project.run(&line);
        let first = output.stdout.lines().next();
        assert_eq!(first, Some(*columns), "{line:?}: {}", output.shown());
    }
    let bloat = postgres(&cluster().database("CREATE TABLE t (n int)"));
    let output = bloat.run(&["db", "bloat", "--format", "csv"]).exits(0);
    assert!(output.stdout.contains("\nt,0,0,"), "{}", output.shown());
}

/// A warning without a remedy would leave a person alone with it.
#[test]
fn free_pages_are_told_with_what_gives_them_back() {
    let project = sqlite(
        "CREATE TABLE t(n); INSERT INTO t SELECT zeroblob(700000) FROM (VALUES (1), (2)); \
         CREATE TABLE kept(n); INSERT INTO kept VALUES (1); DELETE FROM t;",
    );
    let (code, json) = run(&project, &["db", "bloat"]);
    assert_eq!(code, 1, "{json:#}");
    let finding = &json["findings"][0];
    assert_eq!(finding["remedy"], "db vacuum main");
    let cause = finding["cause"].as_str().unwrap();
    assert!(cause.contains("holds nothing"), "{cause}");
    green(&project, &["db", "vacuum", "--yes"]);
    green(&project, &["db", "bloat"]);
    let (code, _) = run(&project, &["db", "bloat", "--table", "nowhere"]);
    assert_eq!(code, 78);
}
