//! What a real PostgreSQL server shows of itself, and how it is kept in shape: each look and each piece of upkeep where all is
//! well and where it is not.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::harness::{Output, Project};
use super::postgres_cluster::{Cluster, cluster};
use super::postgres_session::{Session, is_waiting, until, waits_long};
use super::zoo;

/// A project whose database `main` is at this URL.
fn project(url: &str) -> Project {
    Project::new()
        .config(
            "project = \"test\"\n[secret]\nurl = { env = \"URL\" }\n\
             [database.main]\nkind = \"postgres\"\nurl = \"{{ secret.url }}\"\n",
        )
        .variable("URL", url)
}

/// `opsbook db …`, reported as JSON.
fn db(url: &str, arguments: &[&str]) -> Output {
    let mut line = vec!["db"];
    line.extend(arguments);
    line.extend(["--format", "json"]);
    project(url).run(&line)
}

/// A runbook of this one step, which is called `step`.
fn step(url: &str, text: &str) -> Output {
    let text = format!("[[step]]\nname = \"step\"\n{text}\n");
    project(url)
        .runbook("look/at", &text)
        .run(&["look", "at", "--format", "json"])
}

/// The step of this name in a report.
#[track_caller]
fn of(output: &Output, name: &str) -> Value {
    let report = output.json();
    let steps = report["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["step"] == name);
    step.unwrap_or_else(|| panic!("no step {name}: {report}"))
        .clone()
}

/// The rows of a step.
#[track_caller]
fn rows(output: &Output, name: &str) -> Vec<Value> {
    of(output, name)["outputs"]["rows"]
        .as_array()
        .unwrap()
        .clone()
}

/// The causes and remedies of a report.
fn findings(output: &Output) -> String {
    output.json()["findings"].to_string()
}

#[test]
fn what_one_types_to_look_at_a_database_ends_by_what_it_finds() {
    let name = cluster().database(
        "CREATE TABLE customers (id int PRIMARY KEY); INSERT INTO customers VALUES (1);
         CREATE TABLE \"Orders\" (id int, customer int REFERENCES customers);
         INSERT INTO \"Orders\" VALUES (1, 1), (2, NULL);
         CREATE TABLE notes (id int, customer int); INSERT INTO notes VALUES (1, 1), (2, NULL);",
    );
    let url = cluster().url(&name);
    let orphans = ["orphans", "notes", "customer", "customers"];
    let quoted = ["orphans", "Orders", "customer", "customers", "id"];
    for (words, said) in [
        (&["ping"][..], "answers"),
        (&["ping", "main"], "answers"),
        (&["info"], "PostgreSQL 1"),
        (&["foreign-keys"], ""),
        (&["foreign-keys", "--table", "Orders"], ""),
        (&orphans, ""),
        (&quoted, ""),
        (&["size"], ""),
        (&["size", "--max", "1GB"], ""),
    ] {
        let output = db(&url, words).exits(0);
        let step = output.json()["steps"][0].clone();
        let detail = step["detail"].as_str().unwrap();
        assert!(detail.contains(said), "{words:?}: {detail}");
        assert_eq!(findings(&output), "[]", "{words:?}");
    }
    let info = rows(&db(&url, &["info"]), "info");
    let database = info.iter().find(|row| row["name"] == "database").unwrap();
    assert_eq!(database["value"], name);

    // What no reference holds, and what one holds that was gone past.
    cluster().psql(
        &name,
        "INSERT INTO notes VALUES (3, 7), (4, 8);
         SET session_replication_role = replica; INSERT INTO \"Orders\" VALUES (5, 9);",
    );
    let output = db(&url, &orphans).exits(1);
    assert_eq!(
        rows(&output, "orphans"),
        [
            json!({"id": 3, "customer": 7}),
            json!({"id": 4, "customer": 8})
        ]
    );
    assert!(findings(&output).contains("2 rows of notes refer to rows of customers that are gone"));
    let output = db(
        &url,
        &["orphans", "notes", "customer", "customers", "-n", "1"],
    )
    .exits(1);
    assert_eq!(rows(&output, "orphans").len(), 1);
    let output = db(&url, &["foreign-keys"]).exits(1);
    assert!(findings(&output).contains("Orders.customer: 1 row leads to no row of customers"));
    let told = rows(&output, "references");
    assert_eq!(
        (told.len(), &told[0]["table"], &told[0]["rows"]),
        (1, &json!("Orders"), &json!(1)),
        "{told:?}"
    );
    db(&url, &quoted).exits(1);
    cluster().psql(
        &name,
        "TRUNCATE customers CASCADE; INSERT INTO notes VALUES (3, 7)",
    );
    let output = db(&url, &orphans);
    assert!(
        findings(&output).contains("customers is empty"),
        "{}",
        findings(&output)
    );
    assert_eq!(output.code, 2);

    let output = db(&url, &["size", "--max", "1MB"]).exits(2);
    assert!(
        findings(&output).contains("db tables main"),
        "{}",
        findings(&output)
    );
    let bytes = of(&output, "size")["outputs"]["bytes"].as_u64().unwrap();
    let max = format!("{}B", bytes * 100 / 85);
    db(&url, &["size", "--max", &max]).exits(1);
}

/// The server is there, and the database is not.
#[test]
fn a_database_that_is_not_there_is_told() {
    let nowhere = cluster().url("nowhere");
    for words in [["ping"], ["info"], ["size"], ["foreign-keys"]] {
        let output = db(&nowhere, &words);
        assert_ne!(output.code, 0, "{}", output.shown());
        assert!(output.shown().contains("nowhere"), "{}", output.shown());
    }
}

/// The statements that opsbook sent, by session and in their order, each with its transaction, as the server wrote them down.
fn statements(log: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut sessions = BTreeMap::<&str, Vec<&str>>::new();
    let lines = log.lines().filter_map(|line| line.strip_prefix("opsbook|"));
    for (session, told) in lines.filter_map(|line| line.split_once('|')) {
        let statement = told.strip_prefix("LOG:  statement: ").or_else(|| {
            let executed = told.strip_prefix("LOG:  execute ")?;
            executed.split_once(": ").map(|(_, statement)| statement)
        });
        if let Some(statement) = statement {
            sessions.entry(session).or_default().push(statement);
        }
    }
    sessions
}

#[test]
fn each_look_asks_in_a_read_only_transaction() {
    let own = Cluster::start("log_statement = all\nlog_line_prefix = '%a|%p|'\n");
    let name = own.database(
        "CREATE EXTENSION pg_stat_statements; CREATE EXTENSION amcheck;
         CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1);
         CREATE TABLE child (id int, parent int REFERENCES parent); INSERT INTO child VALUES (1, 1);
         CREATE INDEX child_parent ON child (parent); ANALYZE;",
    );
    let project = project(&own.url(&name)).config(
        "project = \"test\"\n[secret]\nurl = { env = \"URL\" }\n\
         [database.main]\nkind = \"postgres\"\nurl = \"{{ secret.url }}\"\n[database.main.migrations]\nfolder = \"migrations\"\n",
    );
    let project = project.file("migrations/0001_note.sql", "CREATE TABLE note (n int);");
    let log = own.folder().join("log");
    for words in [
        "activity",
        "bloat",
        "connections",
        "diagnose",
        "doctor",
        "explain SELECT(1)",
        "foreign-keys",
        "indexes",
        "info",
        "integrity",
        "locks",
        "migrations check --live",
        "migrations status",
        "orphans child parent parent",
        "ping",
        "query SELECT(1)",
        "query SELECT(1) --explain",
        "replication",
        "rows child",
        "size",
        "slow",
        "tables",
    ] {
        let before = std::fs::read_to_string(&log).unwrap().len();
        let words = format!("db {words} --format json");
        let words: Vec<&str> = words.split(' ').collect();
        let output = project.run(&words);
        // Some have something to tell.
        assert!([0, 1].contains(&output.code), "{}", output.shown());
        let log = std::fs::read_to_string(&log).unwrap();
        let sessions = statements(&log[before..]);
        let asked = sessions.values().map(Vec::len).sum::<usize>();
        assert!(asked > 2, "{words:?}: {sessions:#?}");
        for asked in sessions.values() {
            let mut is_reading = false;
            for statement in asked {
                match *statement {
                    "START TRANSACTION READ ONLY" => is_reading = true,
                    "ROLLBACK" => is_reading = false,
                    _ => assert!(is_reading, "{words:?}: {statement}\n{asked:#?}"),
                }
            }
        }
    }
}

#[test]
fn a_chain_of_sessions_that_wait_is_told_from_its_root() {
    let name = cluster().database(
        "CREATE TABLE first (n int); CREATE TABLE second (n int); INSERT INTO second VALUES (1);",
    );
    let url = cluster().url(&name);
    let calm = db(&url, &["locks"]).exits(0);
    assert_eq!(of(&calm, "locks")["detail"], "nobody waits");
    assert_eq!(of(&calm, "locks")["outputs"]["longest_wait"], 0.0);

    // The one who waits for both was there first, so that the order is not that of the processes.
    let mut last = Session::open(cluster(), &name);
    let mut middle = Session::open(cluster(), &name);
    let mut root = Session::open(cluster(), &name);
    root.say("BEGIN; LOCK TABLE first;");
    middle.say("SET application_name = 'in the middle'; BEGIN; UPDATE second SET n = 2;");
    middle.begin("SELECT * FROM first;");
    until(cluster(), &name, &is_waiting(middle.pid));
    last.begin("UPDATE second SET n = 3;");
    until(cluster(), &name, &is_waiting(last.pid));

    let output = db(&url, &["locks", "--warn", "0s", "--critical", "0s"]).exits(2);
    let told: Vec<Value> = rows(&output, "locks");
    let order: Vec<_> = told
        .iter()
        .map(|row| (row["depth"].clone(), row["pid"].clone()))
        .collect();
    assert_eq!(
        order,
        [
            (json!(0), json!(root.pid)),
            (json!(1), json!(middle.pid)),
            (json!(2), json!(last.pid)),
        ]
    );
    assert_eq!(told[0]["state"], "idle in transaction");
    assert_eq!(told[0]["lock"], Value::Null);
    assert_eq!(told[1]["application"], "in the middle");
    assert_eq!(told[1]["lock"], "AccessShareLock");
    assert_eq!(told[1]["relation"], "first");
    // It waits for a transaction; the row that it is about tells the table.
    assert_eq!(told[2]["lock"], "ShareLock");
    assert_eq!(told[2]["relation"], "second");
    assert_eq!(told[2]["query"], "UPDATE second SET n = 3;");
    assert!(told[2]["seconds"].as_f64().unwrap() >= 0.0);
    assert_eq!(of(&output, "locks")["outputs"]["problems"], 2);
    let remedy = format!("db terminate {} -d main", root.pid);
    assert!(findings(&output).contains(&remedy), "{}", findings(&output));

    // What nobody waits so long for is not told.
    let patient = step(&url, "database.locks = \"main\"\ndatabase.over = \"1h\"").exits(0);
    assert_eq!(rows(&patient, "step"), Vec::<Value>::new());
    // The long way is the default: this wait is not that long yet.
    db(&url, &["locks", "--warn", "1h", "--critical", "1h"]).exits(0);

    // Whoever waits is the one that `activity` marks, too.
    let output = db(&url, &["activity"]).exits(1);
    assert!(findings(&output).contains("db locks main"));
    let row = rows(&output, "activity")
        .into_iter()
        .find(|row| row["pid"] == last.pid);
    assert_eq!(row.unwrap()["blocked_by"], json!([middle.pid]));
}

#[test]
fn a_prepared_transaction_that_nobody_holds_is_told() {
    let own = Cluster::start("max_prepared_transactions = 2\n");
    let name = own.database("CREATE TABLE t (n int);");
    own.psql(
        &name,
        "BEGIN; LOCK TABLE t; PREPARE TRANSACTION 'forgotten'",
    );
    let mut waiting = Session::open(&own, &name);
    waiting.begin("SELECT * FROM t;");
    until(&own, &name, &is_waiting(waiting.pid));
    let output = db(&own.url(&name), &["locks", "--warn", "0s"]).exits(1);
    let told = rows(&output, "locks");
    assert_eq!(told[0]["pid"], 0);
    assert_eq!(told[0]["query"], "PREPARE TRANSACTION 'forgotten'");
    assert_eq!(told[1]["pid"], waiting.pid);
    let ends = "a prepared transaction keeps 1 other waiting: ROLLBACK PREPARED 'forgotten' or COMMIT PREPARED 'forgotten' ends it";
    assert!(findings(&output).contains(ends), "{}", findings(&output));
    assert_eq!(told[0].get("prepared"), None);
    until(&own, &name, &waits_long(waiting.pid));
    // Looks that read the table itself do not wait for it. On a busy machine the answer who holds it may come too late.
    zoo::until("who holds it is known", || {
        let output = db(&own.url(&name), &["doctor"]).exits(2).prints(ends);
        let found = output.json()["findings"].clone();
        let mut held = found.as_array().unwrap().iter().filter(|finding| {
            let cause = finding["cause"].as_str().unwrap();
            cause.contains("holds a table that looks wait for")
        });
        let remedy = held.next().unwrap()["remedy"].clone();
        assert_eq!(held.next(), None);
        remedy == "db locks main"
    });
    own.psql(&name, "ROLLBACK PREPARED 'forgotten'");
}

#[test]
fn a_statement_and_a_session_are_ended_and_no_other() {
    let name = cluster().database("");
    let other = cluster().database("");
    let url = cluster().url(&name);
    let mut session = Session::open(cluster(), &name);
    let elsewhere = Session::open(cluster(), &other);
    let pid = session.pid.to_string();

    session.say("SET application_name = 'sleeper';");
    session.begin("SELECT pg_sleep(600);");
    let active = format!(
        "EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid} AND query LIKE '%sleep(6%' AND state = 'active')"
    );
    until(cluster(), &name, &active);

    // It would be told whom it hits, and hits nobody.
    let rehearsal = db(&url, &["terminate", &pid, "--dry-run"]).exits(0);
    let sent = of(&rehearsal, "terminate")["detail"].to_string();
    assert!(
        sent.contains(&format!("SELECT pg_terminate_backend({pid}) on main")),
        "{sent}"
    );
    let refused = project(&url).run(&["db", "terminate", &pid]).exits(75);
    assert!(
        refused
            .shown()
            .contains("sleeper, active): SELECT pg_sleep(600);"),
        "{}",
        refused.shown()
    );
    until(cluster(), &name, &active);

    let output = db(&url, &["cancel", &pid, "--yes"]).exits(0);
    let detail = of(&output, "cancel")["detail"].to_string();
    assert!(
        detail.contains("ended the statement of postgres (sleeper): SELECT pg_sleep(600);"),
        "{detail}"
    );
    session.say("SELECT 1;");

    let output = db(&url, &["cancel", &pid, "--yes"]).exits(1);
    let detail = of(&output, "cancel")["detail"].to_string();
    assert!(detail.contains("runs no statement: it is idle"), "{detail}");

    let output = db(&url, &["terminate", &pid, "--yes"]).exits(0);
    let detail = of(&output, "terminate")["detail"].to_string();
    assert!(
        detail.contains("ended the session of postgres (sleeper)"),
        "{detail}"
    );
    assert_eq!(
        cluster().psql(
            &name,
            &format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}")
        ),
        "0"
    );

    // Nobody has this process id any more; and a session of another database is none of this one.
    let output = db(&url, &["terminate", &pid, "--yes"]).exits(1);
    assert!(
        findings(&output).contains("db activity main"),
        "{}",
        findings(&output)
    );
    let text = format!(
        "database.terminate = \"main\"\ndatabase.pid = {}\nconfirm = \"sure?\"",
        elsewhere.pid
    );
    let runbook = format!("[[step]]\nname = \"step\"\n{text}\n");
    let output = project(&url)
        .runbook("look/at", &runbook)
        .run(&["look", "at", "--yes", "--format", "json"]);
    assert_eq!(output.code, 2, "{}", output.shown());
    assert!(
        of(&output, "step")["detail"]
            .to_string()
            .contains("no session of main has the process id")
    );
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {}",
        elsewhere.pid
    );
    assert_eq!(cluster().psql(&name, &count), "1");
}

/// A process id is given away again: the statement that ends a session asks for the very session, and first.
#[test]
fn the_signal_is_for_one_session_alone() {
    let name = cluster().database("");
    let session = Session::open(cluster(), &name);
    let statement = include_str!("../../src/action/database/postgres/upkeep/terminate.sql");
    let sent = format!(
        "PREPARE terminate (int, text) AS {statement}; EXECUTE terminate ({}, '2001-02-03 04:05:06+00');",
        session.pid
    );
    assert_eq!(cluster().psql(&name, &sent), "");
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {}",
        session.pid
    );
    assert_eq!(cluster().psql(&name, &count), "1");
}

#[test]
fn activity_is_told_by_length_and_by_session() {
    let name = cluster().database("CREATE ROLE watcher LOGIN PASSWORD 'watcher'");
    let url = cluster().url(&name);
    db(&url, &["activity"]).exits(0);
    let mut session = Session::open(cluster(), &name);
    session.say("BEGIN; SELECT 'several',\n   'lines';");
    let pid = session.pid.to_string();
    let output = db(&url, &["activity"]).exits(0);
    let told = rows(&output, "activity");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["state"], "idle in transaction");
    assert_eq!(told[0]["query"], "SELECT 'several', 'lines';");
    let output = db(&url, &["activity", "--over", "1ms"]).exits(1);
    assert!(
        findings(&output).contains(&format!("db terminate {pid} -d main")),
        "{}",
        findings(&output)
    );
    assert!(!findings(&output).contains("db cancel"));
    let output = db(&url, &["activity", "--over", "1h"]).exits(0);
    assert_eq!(
        of(&output, "activity")["detail"],
        "0 sessions over 1h, 0 active, 0 blocked"
    );
    let none = step(&url, "database.activity = \"main\"\ndatabase.pid = 1").exits(0);
    assert_eq!(rows(&none, "step"), Vec::<Value>::new());

    // Who may not see what others do is told so.
    let watcher = format!(
        "postgres://watcher:watcher@127.0.0.1:{}/{name}",
        cluster().port()
    );
    let output = db(&watcher, &["activity"]).exits(0);
    assert_eq!(rows(&output, "activity").len(), 1);
    let detail = of(&output, "activity")["detail"].to_string();
    assert!(detail.contains("GRANT pg_read_all_stats TO it"), "{detail}");
}

#[test]
fn connections_are_held_against_the_tightest_limit() {
    let own = Cluster::start(
        "max_connections = 10\nsuperuser_reserved_connections = 3\nmax_wal_senders = 0\n",
    );
    let name = own.database("CREATE ROLE app LOGIN CONNECTION LIMIT 2");
    let url = own.url(&name);
    let output = db(&url, &["connections"]).exits(0);
    let outputs = of(&output, "connections")["outputs"].clone();
    assert_eq!(
        (&outputs["used"], &outputs["limit"]),
        (&json!(1), &json!(7)),
        "{outputs}"
    );
    assert_eq!(outputs["percent"], 14.3);
    assert_eq!(outputs["rows"][0]["application"], "opsbook");

    let held: Vec<Session> = (0..5).map(|_| Session::open(&own, &name)).collect();
    let output = db(&url, &["connections"]).exits(1);
    let connections = of(&output, "connections");
    assert_eq!(connections["outputs"]["percent"], 85.7);
    assert_eq!(rows(&output, "connections")[0]["connections"], 5);
    assert!(findings(&output).contains("db activity main"));
    db(&url, &["connections", "--warn", "70", "--critical", "85"]).exits(2);
    drop(held);

    until(
        &own,
        &name,
        "count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'",
    );
    let mut app: Vec<Session> = (0..2).map(|_| Session::open(&own, &name)).collect();
    for session in &mut app {
        session.say("SET SESSION AUTHORIZATION app;");
    }
    drop(app);
    let url = format!("host={}", own.socket_url(&name))
        .replace("host=postgres://postgres@", "postgres://app@");
    let output = db(&url, &["connections", "--warn", "40", "--critical", "99"]).exits(1);
    let outputs = of(&output, "connections")["outputs"].clone();
    assert_eq!(
        (&outputs["used"], &outputs["limit"]),
        (&json!(1), &json!(2)),
        "{outputs}"
    );
    assert_eq!(outputs["limited_by"], "the role app");
}

#[test]
fn dead_rows_and_tables_that_nobody_counted_are_told() {
    let name = cluster().database(
        "CREATE TABLE calm (n int); CREATE SCHEMA sales;
         CREATE TABLE sales.orders (n int, t text) WITH (autovacuum_enabled = false);
         INSERT INTO calm VALUES (1); ANALYZE;",
    );
    let url = cluster().url(&name);
    let calm = db(&url, &["bloat"]).exits(0);
    assert_eq!(of(&calm, "bloat")["outputs"]["problems"], 0);

    cluster().psql(
        &name,
        "INSERT INTO sales.orders SELECT n, repeat('x', 100) FROM generate_series(1, 10000) AS n",
    );
    until(
        cluster(),
        &name,
        "n_live_tup = 10000 FROM pg_stat_user_tables WHERE relname = 'orders'",
    );
    cluster().psql(
        &name,
        "CREATE TABLE unknown AS SELECT n FROM generate_series(1, 1000) AS n",
    );
    cluster().psql(&name, "DELETE FROM sales.orders WHERE n <= 6000");
    until(
        cluster(),
        &name,
        "n_dead_tup = 6000 FROM pg_stat_user_tables WHERE relname = 'orders'",
    );
    let output = db(&url, &["bloat"]).exits(1);
    let told = rows(&output, "bloat");
    assert_eq!(told[0]["table"], "sales.orders");
    assert_eq!(
        (&told[0]["problem"], &told[0]["dead_rows"]),
        (&json!("dead rows"), &json!(6000))
    );
    assert_eq!(told[0]["dead_percent"], 60.0);
    let detail = told[0]["detail"].as_str().unwrap();
    assert!(
        detail.contains("VACUUM sales.orders; autovacuum is switched off for it"),
        "{detail}"
    );
    assert_eq!(
        (&told[1]["table"], &told[1]["problem"]),
        (&json!("unknown"), &json!("never analyzed"))
    );
    assert!(findings(&output).contains("db vacuum main"));
    assert!(findings(&output).contains("db analyze main"));
    let alone = db(&url, &["bloat", "--table", "calm"]).exits(0);
    assert_eq!(rows(&alone, "bloat").len(), 1);

    // What they name as the remedy is one.
    db(&url, &["vacuum", "main"]).exits(0);
    db(&url, &["analyze", "main"]).exits(0);
    let output = db(&url, &["bloat"]).exits(0);
    let orders = rows(&output, "bloat")
        .into_iter()
        .find(|row| row["table"] == "sales.orders")
        .unwrap();
    // Six of ten rows are gone, at about 130 bytes each, and their space is free within the table.
    let free = orders["free_bytes"].as_i64().unwrap();
    assert!((500_000..1_100_000).contains(&free), "{orders}");
    assert_ne!(orders["last_vacuum"], Value::Null);

    let output = db(&url, &["bloat", "--table", "nowhere"]).exits(78);
    assert!(
        output.shown().contains("there is no table"),
        "{}",
        output.shown()
    );
}

#[test]
fn a_table_that_was_not_frozen_for_too_long_is_told() {
    let own = Cluster::start("autovacuum_freeze_max_age = 100000\nautovacuum = off\n");
    let name = own.database(
        "CREATE TABLE old (n int); CREATE TABLE counter (n int); INSERT INTO old VALUES (1);",
    );
    let url = own.url(&name);
    db(&url, &["bloat", "--table", "old"]).exits(0);
    // As long as it is open, nothing that it may see is frozen.
    let mut holder = Session::open(&own, &name);
    holder.say("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT n FROM old;");
    own.psql(
        &name,
        "DO $$ BEGIN FOR n IN 1..100500 LOOP
             BEGIN INSERT INTO counter VALUES (n); EXCEPTION WHEN division_by_zero THEN NULL; END;
         END LOOP; END $$",
    );
    let output = db(&url, &["bloat", "--table", "old"]).exits(1);
    let told = rows(&output, "bloat");
    assert_eq!(told[0]["problem"], "wraparound");
    assert!(told[0]["oldest_transaction"].as_i64().unwrap() > 100_000);
    assert!(
        findings(&output).contains("the server stops to take writes"),
        "{}",
        findings(&output)
    );

    own.psql(&name, "DELETE FROM counter");
    until(
        &own,
        &name,
        "n_dead_tup > 100000 FROM pg_stat_user_tables WHERE relname = 'counter'",
    );
    let output = db(&url, &["bloat", "--table", "counter"]).exits(1);
    let detail = rows(&output, "bloat")[0]["detail"].to_string();
    assert!(
        detail.contains("switched off for the whole server"),
        "{detail}"
    );
}

#[test]
fn indexes_that_miss_double_rest_or_broke_are_told() {
    let name = cluster().database(
        "CREATE TABLE parent (id int PRIMARY KEY, code int UNIQUE);
         CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent, a int, b int, c text);
         CREATE INDEX parent_of_child ON child (parent);
         INSERT INTO parent SELECT n, n FROM generate_series(1, 20000) AS n;
         INSERT INTO child SELECT n, n, n, n, n FROM generate_series(1, 20000) AS n; ANALYZE;",
    );
    let url = cluster().url(&name);
    let found = |arguments: &[&str], code: i32| {
        let output = db(&url, &[&["indexes"], arguments].concat()).exits(code);
        let told = rows(&output, "indexes").into_iter();
        let of = |row: &Value, cell: &str| row[cell].as_str().unwrap_or("-").to_owned();
        let told = told.map(|row| {
            ["problem", "table", "index", "columns"]
                .map(|cell| of(&row, cell))
                .join(" ")
        });
        told.collect::<Vec<_>>()
    };
    // One that serves a foreign key is of use though nobody read it yet.
    assert_eq!(found(&[], 0), Vec::<String>::new());

    let invalid = cluster()
        .client("psql")
        .args([
            "-d",
            &name,
            "-c",
            "CREATE UNIQUE INDEX CONCURRENTLY broken ON child ((a / 2))",
        ])
        .output()
        .unwrap();
    assert!(!invalid.status.success());
    cluster().psql(
        &name,
        "DROP INDEX parent_of_child;
         CREATE INDEX short ON child (a); CREATE INDEX long ON child (a, b); CREATE INDEX twin ON parent (code);
         CREATE INDEX other_order ON child (a DESC); CREATE INDEX part_of ON child (a) WHERE b > 0;
         CREATE INDEX carrying ON child (b) INCLUDE (c);
         CREATE TABLE apart (n int) PARTITION BY RANGE (n); CREATE TABLE part PARTITION OF apart FOR VALUES FROM (0) TO (9);
         CREATE INDEX whole ON ONLY apart (n);",
    );
    assert_eq!(
        found(&[], 1),
        [
            "invalid apart whole n",
            "invalid child broken (a / 2)",
            "missing child - parent",
            "duplicate child short a",
            "duplicate parent twin code",
            "unused child carrying b",
            "unused child long a, b",
            "unused child other_order a",
            "unused child part_of a",
        ]
    );
    assert_eq!(
        found(&["--table", "parent"], 1),
        ["duplicate parent twin code"]
    );
    mended_by_what_is_told(&url);

    cluster().psql(&name, "CREATE INDEX carrying ON child (b) INCLUDE (c)");

    // What is read is of use; a table that is read in full again and again misses an index.
    cluster().psql(
        &name,
        "SET enable_seqscan = off; SELECT count(*) FROM child WHERE b = 7;",
    );
    cluster().psql(
        &name,
        "DO $$ BEGIN FOR n IN 1..100 LOOP PERFORM count(*) FROM child WHERE c = 'x'; END LOOP; END $$",
    );
    until(
        cluster(),
        &name,
        "seq_scan >= 100 FROM pg_stat_user_tables WHERE relname = 'child'",
    );
    let told = found(&["--table", "child"], 1);
    assert!(
        !told.contains(&"unused child carrying b".to_owned()),
        "{told:?}"
    );
    assert!(told.contains(&"missing child - -".to_owned()), "{told:?}");
}

/// Who pastes what is told of both would have neither.
#[test]
fn what_serves_in_place_of_an_index_that_is_read_is_not_unused() {
    let name = cluster().database(
        "CREATE TABLE t (a int, b int); INSERT INTO t SELECT n, n FROM generate_series(1, 20000) AS n; ANALYZE;
         CREATE INDEX short ON t (a); CREATE INDEX long ON t (a, b);",
    );
    let url = cluster().url(&name);
    let found = || {
        let told = rows(&db(&url, &["indexes"]).exits(1), "indexes").into_iter();
        let told = told.map(|row| format!("{} {}", row["problem"], row["index"]).replace('"', ""));
        told.collect::<Vec<_>>()
    };
    assert_eq!(found(), ["duplicate short", "unused long"]);
    cluster().psql(&name, "DROP INDEX long; SET enable_seqscan = off; SELECT count(*) FROM t WHERE a = 7; CREATE INDEX long ON t (a, b)");
    until(
        cluster(),
        &name,
        "idx_scan > 0 FROM pg_stat_user_indexes WHERE indexrelname = 'short'",
    );
    assert_eq!(found(), ["duplicate short"]);
}

/// Runs what the findings say to run, until only that is left which no statement mends.
fn mended_by_what_is_told(url: &str) {
    let remedies = |output: &Output| -> Vec<String> {
        let told = output.json();
        let findings = told["findings"].as_array().unwrap().iter();
        let remedies = findings.filter_map(|found| found["remedy"].as_str());
        remedies.map(str::to_owned).collect()
    };
    for told in [
        "DROP INDEX CONCURRENTLY public.broken",
        "CREATE INDEX CONCURRENTLY ON public.child (parent)",
        "DROP INDEX CONCURRENTLY public.short",
        "DROP INDEX CONCURRENTLY public.twin",
    ] {
        let command = format!("db execute '{told}' -d main");
        let output = db(url, &["indexes"]).exits(1);
        assert!(remedies(&output).contains(&command), "{}", output.shown());
        let words = ["db", "execute", told, "-d", "main", "--yes"];
        project(url).run(&words).exits(0);
    }
    while let Some(unused) = remedies(&db(url, &["indexes"])).first() {
        let statement = unused.split('\'').nth(1).unwrap();
        let words = ["db", "execute", statement, "-d", "main", "--yes"];
        project(url).run(&words).exits(0);
    }
    let output = db(url, &["indexes"]).exits(1);
    assert_eq!(remedies(&output), Vec::<String>::new());
    assert!(findings(&output).contains("whole of apart is invalid"));
}

#[test]
fn references_that_lead_nowhere_or_that_nothing_holds_are_told() {
    let name = cluster().database(
        "CREATE TABLE parent (a int, b int, PRIMARY KEY (a, b)); INSERT INTO parent VALUES (1, 1);
         CREATE TABLE child (a int, b int, FOREIGN KEY (a, b) REFERENCES parent);
         INSERT INTO child VALUES (1, 1), (1, NULL), (NULL, NULL);
         CREATE TABLE strict (a int, b int);",
    );
    let url = cluster().url(&name);
    let look = "database.foreign_keys = \"main\"";
    let output = step(&url, look).exits(0);
    assert_eq!(
        of(&output, "step")["detail"],
        "1 foreign key, none is broken"
    );
    assert_eq!(rows(&output, "step"), Vec::<Value>::new());

    // Nobody vouches for the rows that were there, and they are well: told, and no failure.
    cluster().psql(&name, "INSERT INTO strict VALUES (1, 1); ALTER TABLE strict ADD CONSTRAINT held FOREIGN KEY (a, b) REFERENCES parent MATCH FULL NOT VALID");
    let output = step(&url, look).exits(0);
    let told = rows(&output, "step");
    assert_eq!(told[0]["rows"], 0);
    assert_eq!(
        told[0]["detail"],
        "NOT VALID: ALTER TABLE public.strict VALIDATE CONSTRAINT held"
    );

    // MATCH FULL: all null or none; the other way one null is enough.
    cluster().psql(&name, "ALTER TABLE strict DROP CONSTRAINT held; INSERT INTO strict VALUES (1, NULL), (7, 7); ALTER TABLE strict ADD CONSTRAINT held FOREIGN KEY (a, b) REFERENCES parent MATCH FULL NOT VALID");
    let output = step(&url, look).exits(2);
    let detail = of(&output, "step")["detail"].to_string();
    assert!(
        detail.contains("strict.a, b: 2 rows lead to no row of parent"),
        "{detail}"
    );

    cluster().psql(&name, "SET session_replication_role = replica; INSERT INTO child VALUES (5, 5); DROP TABLE strict;");
    let output = step(&url, &format!("{look}\ndatabase.table = \"child\"")).exits(2);
    assert_eq!(
        rows(&output, "step"),
        [
            json!({"table": "child", "column": "a, b", "parent": "parent", "rows": 1, "detail": null})
        ]
    );
    cluster().psql(
        &name,
        "DELETE FROM child WHERE a = 5; ALTER TABLE child DISABLE TRIGGER ALL;",
    );
    let output = step(&url, look).exits(2);
    let detail = of(&output, "step")["detail"].to_string();
    assert!(
        detail.contains("ALTER TABLE public.child ENABLE TRIGGER ALL"),
        "{detail}"
    );
    cluster().psql(&name, "ALTER TABLE child ENABLE TRIGGER ALL;");
    step(&url, look).exits(0);
}

/// What is told first in the rows need not be what is wrong.
#[test]
fn the_reference_that_is_broken_is_the_one_that_is_named() {
    let name = cluster().database(
        "CREATE TABLE par (id int PRIMARY KEY); CREATE TABLE a1 (p int); CREATE TABLE y (p int REFERENCES par);
         CREATE TABLE z (p int REFERENCES par); ALTER TABLE a1 ADD FOREIGN KEY (p) REFERENCES par NOT VALID;
         SET session_replication_role = replica; INSERT INTO z VALUES (1), (2), (3);",
    );
    let url = cluster().url(&name);
    let causes = || {
        let output = db(&url, &["foreign-keys"]).exits(1);
        assert_eq!(rows(&output, "references")[0]["table"], "a1");
        let found = output.json()["findings"].clone();
        let found = found.as_array().unwrap().iter();
        let causes: Vec<_> = found.map(|finding| finding["cause"].clone()).collect();
        causes
    };
    assert_eq!(causes(), ["z.p: 3 rows lead to no row of par"]);
    cluster().psql(&name, "ALTER TABLE y DISABLE TRIGGER ALL; DELETE FROM z;");
    assert_eq!(
        causes(),
        [
            "y.p: nothing holds it: its triggers are disabled: ALTER TABLE public.y ENABLE TRIGGER ALL"
        ]
    );
    db(&url, &["doctor"]).prints("nothing holds it: its triggers are disabled");
}

/// Each would wait as long, for the same: the first tells who it is, whatever was counted before it.
#[test]
fn references_are_not_waited_for_one_by_one_behind_who_holds_their_table() {
    let own = Cluster::start("");
    // The first is compared in a second, which is longer than a session waits until it asks for holders.
    let name = own.database(
        "CREATE FUNCTION slowly(int, int) RETURNS bool LANGUAGE sql AS 'SELECT $1 = $2 FROM pg_sleep(1)';
         CREATE OPERATOR === (FUNCTION = slowly, LEFTARG = int, RIGHTARG = int);
         CREATE OPERATOR CLASS slow FOR TYPE int USING btree AS
             OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 ===, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int);
         CREATE TABLE parent (id int); INSERT INTO parent VALUES (1); CREATE UNIQUE INDEX ON parent (id slow);
         CREATE TABLE a (parent int); INSERT INTO a VALUES (1);
         ALTER TABLE a ADD FOREIGN KEY (parent) REFERENCES parent (id) NOT VALID;
         CREATE TABLE orders (id int PRIMARY KEY);
         CREATE TABLE b (o int REFERENCES orders, p int REFERENCES orders, q int REFERENCES orders);",
    );
    for scan in ["indexscan", "indexonlyscan", "bitmapscan"] {
        own.psql(
            &name,
            &format!("ALTER DATABASE {name} SET enable_{scan} = off"),
        );
    }
    let url = own.url(&name);
    let held = project(&url).config(
        "project = \"test\"\n[secret]\nurl = { env = \"URL\" }\n\
         [database.main]\nkind = \"postgres\"\nurl = \"{{ secret.url }}\"\nlock_timeout = \"1s\"\n",
    );
    let mut holder = Session::open(&own, &name);
    holder.say("BEGIN; LOCK TABLE orders;");
    for (known, project) in [held, project(&url)].iter().enumerate() {
        project
            .run(&["db", "foreign-keys", "--format", "json"])
            .exits(2)
            .prints(&format!("it waited for session {} of postgres", holder.pid));
        let log = std::fs::read_to_string(own.folder().join("log")).unwrap();
        let waits = log.matches("canceling statement due to lock timeout");
        assert_eq!(waits.count(), known + 1, "{log}");
    }
}

#[test]
fn slow_statements_are_told_without_their_values() {
    let name = cluster()
        .database("CREATE SCHEMA stats; CREATE EXTENSION pg_stat_statements SCHEMA stats;");
    let url = cluster().url(&name);
    cluster().psql(&name, "SELECT pg_sleep(0.2); CREATE ROLE slow_statements PASSWORD 'hunter2'; DROP ROLE slow_statements;");
    // A comment ends where its line does.
    cluster().psql(
        &name,
        "CREATE ROLE slow_too -- not yet\nPASSWORD 'hunter2'; DROP ROLE slow_too;",
    );
    for look in ["activity", "slow"] {
        db(&url, &[look]).exits(0);
    }
    let output = db(&url, &["slow", "--limit", "1000"])
        .exits(0)
        .never_shows("hunter2")
        .never_shows("\"-- The ");
    let queries: Vec<_> = rows(&output, "slow")
        .into_iter()
        .map(|row| row["query"].clone())
        .collect();
    assert!(
        queries.contains(&json!("CREATE ROLE slow_statements PASSWORD '…'")),
        "{queries:?}"
    );
    assert!(
        queries.contains(&json!("CREATE ROLE slow_too -- not yet PASSWORD '…'")),
        "{queries:?}"
    );
    assert!(
        of(&output, "slow")["detail"]
            .to_string()
            .contains(" since 20")
    );

    let output = db(&url, &["slow", "--over", "100ms"]).exits(1);
    // On a busy machine what made the database is slow too.
    let told = rows(&output, "slow");
    let mean = |row: &Value| row["mean_ms"].as_f64().unwrap();
    assert!(told.iter().all(|row| mean(row) >= 100.0), "{told:?}");
    let sleeps = |row: &&Value| row["query"] == "SELECT pg_sleep($1)";
    let slept = told.iter().find(sleeps).expect("it is slow");
    assert_eq!(slept["calls"], 1);
    assert!(mean(slept) >= 200.0, "{slept}");
    assert!(findings(&output).contains("db indexes main"));
    db(&url, &["slow", "--over", "1h"]).exits(0);
}

#[test]
fn what_slow_statements_need_is_told() {
    let bare = cluster().database("");
    let own = Cluster::start("shared_preload_libraries = ''\n");
    let unloaded = own.database("CREATE EXTENSION pg_stat_statements");
    for url in [cluster().url(&bare), own.url(&unloaded)] {
        let output = db(&url, &["slow"]).exits(3);
        let shown = output.shown();
        assert!(
            shown.contains("shared_preload_libraries = 'pg_stat_statements'"),
            "{shown}"
        );
        assert!(
            shown.contains("CREATE EXTENSION pg_stat_statements"),
            "{shown}"
        );
    }
}

#[test]
fn damage_is_found_where_amcheck_is_and_its_lack_is_told() {
    let own = Cluster::start("");
    let name = own.database("CREATE TABLE t (n int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 5000); CHECKPOINT;");
    let url = own.url(&name);
    // What was not read is not well: a warning, and what lets it be read.
    let output = db(&url, &["integrity"]).exits(1);
    assert_eq!(of(&output, "integrity")["outputs"]["complete"], false);
    assert!(
        findings(&output).contains("CREATE EXTENSION amcheck"),
        "{}",
        findings(&output)
    );
    let output = step(&url, "database.integrity = \"main\"").exits(0);
    let detail = of(&output, "step")["detail"].to_string();
    assert!(detail.contains("CREATE EXTENSION amcheck"), "{detail}");

    own.psql(
        &name,
        "CREATE SCHEMA \"am check\"; CREATE EXTENSION amcheck SCHEMA \"am check\"; CHECKPOINT;",
    );
    let output = db(&url, &["integrity"]).exits(0);
    let integrity = of(&output, "integrity");
    assert_eq!(integrity["outputs"]["complete"], true);
    assert!(
        integrity["detail"]
            .to_string()
            .contains("its pages have no checksums"),
        "{integrity}"
    );

    // A second page of an index that says what the first says.
    let path = own.psql(&name, "SELECT pg_relation_filepath('t_pkey')");
    own.stop("fast");
    let file = own.file(&path);
    let mut pages = std::fs::read(&file).unwrap();
    let (one, other) = pages.split_at_mut(2 * 8192);
    one[8192..].copy_from_slice(&other[..8192]);
    std::fs::write(&file, pages).unwrap();
    own.restart();
    let output = db(&url, &["integrity"]).exits(2);
    let integrity = of(&output, "integrity");
    assert_eq!(integrity["severity"], "P0");
    let told = rows(&output, "integrity");
    assert_eq!(
        (&told[0]["kind"], &told[0]["table"]),
        (&json!("damage"), &json!("t"))
    );
    assert!(
        told[0]["detail"]
            .as_str()
            .unwrap()
            .starts_with("index t_pkey: "),
        "{told:?}"
    );
    assert!(integrity["outputs"]["problems"].as_i64().unwrap() >= 1);

    // One table alone is not damaged by another.
    own.psql(&name, "CREATE TABLE well (n int PRIMARY KEY)");
    step(
        &url,
        "database.integrity = \"main\"\ndatabase.table = \"well\"",
    )
    .exits(0);
    step(
        &url,
        "database.integrity = \"main\"\ndatabase.table = \"t\"",
    )
    .exits(2);
}

/// Reading everything may take an hour: it is not lost to who holds one table at its end.
#[test]
fn a_table_that_is_held_keeps_amcheck_from_no_other() {
    let own = Cluster::start("");
    let name = own.database(
        "CREATE EXTENSION amcheck; CREATE TABLE a (n int PRIMARY KEY); CREATE TABLE z (n int PRIMARY KEY);",
    );
    // Two seconds for each would be half a minute and more.
    own.psql(&name, &"CREATE INDEX ON a (n);".repeat(15));
    let url = own.url(&name);
    let read = || -> u64 {
        let look = "database.integrity = \"main\"\ntimeout = \"25s\"";
        let output = step(&url, look).exits(0);
        let detail = of(&output, "step")["detail"].to_string();
        let read = detail.split(" indexes and tables read").next().unwrap();
        let number = read.rsplit(' ').next().unwrap();
        number.replace(',', "").parse().unwrap()
    };
    let all = read();
    let mut holder = Session::open(&own, &name);
    holder.say("BEGIN; LOCK TABLE a;");
    let output = db(&url, &["integrity"]).exits(1);
    let outputs = &of(&output, "integrity")["outputs"];
    assert_eq!(outputs["complete"], false);
    let unread = outputs["unread"].as_str().unwrap();
    let who = format!("it waited for session {} of postgres", holder.pid);
    let held = all - read();
    assert!(
        (16..=17).contains(&held),
        "its indexes and its rows: {held}"
    );
    assert!(unread.contains(&who), "{unread}");
    assert!(
        unread.ends_with(&format!("; held were {held} of them")),
        "{unread}"
    );
    assert!(findings(&output).contains(&who), "{}", findings(&output));
}

/// The server itself sees it when it reads the page, and keeps count; amcheck reads them all and says where it is.
#[test]
fn a_page_with_a_wrong_checksum_is_damage() {
    let own = Cluster::with_checksums();
    let name = own.database(
        "CREATE TABLE well (n int); CREATE TABLE orders (n int);
         INSERT INTO well VALUES (1); INSERT INTO orders SELECT generate_series(1, 1000); CHECKPOINT;",
    );
    let url = own.url(&name);
    let output = db(&url, &["integrity"]).exits(1);
    let detail = of(&output, "integrity")["detail"].to_string();
    assert!(!detail.contains("checksums"), "{detail}");

    let path = own.psql(&name, "SELECT pg_relation_filepath('orders')");
    own.stop("fast");
    let file = own.file(&path);
    let mut pages = std::fs::read(&file).unwrap();
    pages[8191] ^= 1;
    std::fs::write(&file, pages).unwrap();
    own.restart();
    let read = ["-d", &name, "-c", "SELECT count(*) FROM orders"];
    let read = own.client("psql").args(read).output().unwrap();
    assert!(!read.status.success());
    let counted = "checksum_failures > 0 FROM pg_stat_database WHERE datname = current_database()";
    until(&own, &name, counted);

    let output = db(&url, &["integrity"]).exits(2);
    let told = rows(&output, "integrity");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (&told[0]["kind"], &told[0]["table"]),
        (&json!("checksum"), &Value::Null)
    );
    let detail = told[0]["detail"].as_str().unwrap();
    assert!(
        detail.contains("of its pages had a wrong checksum, the last at 20"),
        "{detail}"
    );

    own.psql(&name, "CREATE EXTENSION amcheck");
    let output = db(&url, &["integrity"]).exits(2);
    let told = rows(&output, "integrity");
    let found: Vec<_> = told
        .iter()
        .map(|row| (&row["kind"], &row["table"]))
        .collect();
    assert_eq!(
        found,
        [
            (&json!("checksum"), &Value::Null),
            (&json!("damage"), &json!("orders"))
        ]
    );
    let detail = told[1]["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("rows: invalid page in block 0 of relation"),
        "{detail}"
    );
}

#[test]
fn an_index_that_is_left_invalid_is_damage() {
    let name = cluster().database("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (1);");
    let url = cluster().url(&name);
    step(&url, "database.integrity = \"main\"").exits(0);
    let build = cluster()
        .client("psql")
        .args([
            "-d",
            &name,
            "-c",
            "CREATE UNIQUE INDEX CONCURRENTLY broken ON t (n)",
        ])
        .output()
        .unwrap();
    assert!(!build.status.success());
    let output = db(&url, &["integrity"]).exits(2);
    let detail = of(&output, "integrity")["detail"].to_string();
    assert!(
        detail.contains("DROP INDEX CONCURRENTLY public.broken"),
        "{detail}"
    );
}

#[test]
fn replicas_and_slots_are_told_from_both_ends() {
    let primary = Cluster::start("");
    let url = primary.url("postgres");
    let output = db(&url, &["replication"]).exits(0);
    assert_eq!(of(&output, "replication")["outputs"]["replicas"], 0);
    db(&url, &["replication", "--replicas", "1"]).exits(2);

    let replica = primary.replica("follower");
    until(
        &primary,
        "postgres",
        "state = 'streaming' AND replay_lsn = pg_current_wal_lsn() FROM pg_stat_replication",
    );
    let output = db(&url, &["replication", "--replicas", "1"]).exits(0);
    let told = rows(&output, "replication");
    assert_eq!(
        (&told[0]["replica"], &told[0]["state"]),
        (&json!("follower"), &json!("streaming"))
    );
    assert_eq!(
        (&told[0]["role"], &told[0]["lag_bytes"]),
        (&json!("async"), &json!(0))
    );
    assert_eq!(
        (&told[1]["replica"], &told[1]["role"]),
        (&json!("follower"), &json!("slot"))
    );
    let there = replica.url("postgres");
    let output = db(&there, &["replication"]).exits(0);
    let told = rows(&output, "replication");
    assert_eq!(
        (&told[0]["replica"], &told[0]["lag_seconds"]),
        (&json!("this server"), &json!(0.0))
    );

    // Upkeep is the primary's.
    let output = db(&there, &["vacuum"]);
    assert_eq!(output.code, 2, "{}", output.shown());
    assert!(
        output.shown().contains("change the primary"),
        "{}",
        output.shown()
    );

    // Nobody takes the log any more, and it is kept.
    replica.stop("fast");
    until(&primary, "postgres", "NOT active FROM pg_replication_slots");
    let output = db(&url, &["replication"]).exits(1);
    let told = rows(&output, "replication");
    assert_eq!(
        (&told[0]["role"], &told[0]["problem"]),
        (&json!("slot"), &json!("inactive"))
    );
    assert!(
        told[0]["detail"]
            .as_str()
            .unwrap()
            .contains("pg_drop_replication_slot('follower')")
    );
    db(&url, &["replication", "--replicas", "1"]).exits(2);

    // A replica whose primary is gone has taken over all that came, and falls behind.
    replica.restart();
    until(
        &primary,
        "postgres",
        "EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming')",
    );
    primary.psql("postgres", "CREATE TABLE last (n int)");
    until(
        &primary,
        "postgres",
        "replay_lsn = pg_current_wal_lsn() FROM pg_stat_replication",
    );
    primary.stop("fast");
    until(
        &replica,
        "postgres",
        "NOT EXISTS (SELECT FROM pg_stat_wal_receiver)",
    );
    let output = db(&there, &["replication"]).exits(1);
    let told = rows(&output, "replication");
    assert_eq!(
        (&told[0]["state"], &told[0]["problem"]),
        (&json!("not streaming"), &json!("not streaming"))
    );
    assert!(told[0]["lag_seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn how_far_a_replica_is_behind_is_held_against_what_it_may_be() {
    let primary = Cluster::start("");
    let replica = primary.replica("follower");
    primary.psql("postgres", "CREATE TABLE first (n int)");
    until(&replica, "postgres", "to_regclass('first') IS NOT NULL");
    let url = replica.url("postgres");
    let calm = ["replication"];
    until(
        &primary,
        "postgres",
        "replay_lsn = pg_current_wal_lsn() FROM pg_stat_replication",
    );
    db(&url, &calm).exits(0);

    replica.psql("postgres", "SELECT pg_wal_replay_pause()");
    until(
        &replica,
        "postgres",
        "pg_get_wal_replay_pause_state() = 'paused'",
    );
    primary.psql("postgres", "CREATE TABLE last (n int)");
    until(
        &replica,
        "postgres",
        "pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()",
    );
    for (warn, critical, code) in [("1ms", "1ms", 2), ("1ms", "1h", 1), ("1h", "1h", 0)] {
        let words = ["replication", "--warn", warn, "--critical", critical];
        let output = db(&url, &words).exits(code);
        let told = rows(&output, "replication");
        assert_eq!(told[0]["replica"], "this server");
        assert!(told[0]["lag_seconds"].as_f64().unwrap() > 0.0, "{told:?}");
        assert!(told[0]["lag_bytes"].as_i64().unwrap() > 0, "{told:?}");
    }

    replica.psql("postgres", "SELECT pg_wal_replay_resume()");
    until(&replica, "postgres", "to_regclass('last') IS NOT NULL");
    until(
        &primary,
        "postgres",
        "replay_lsn = pg_current_wal_lsn() FROM pg_stat_replication",
    );
    db(&url, &calm).exits(0);
}

#[test]
fn upkeep_does_what_it_says_and_a_rehearsal_nothing() {
    let name = cluster().database(
        "CREATE TABLE t (n int PRIMARY KEY, t text); CREATE SCHEMA \"my schema\"; CREATE TABLE \"my schema\".\"T\" (n int);
         INSERT INTO t SELECT n, repeat('x', 500) FROM generate_series(1, 10000) AS n; DELETE FROM t WHERE n > 100;",
    );
    let url = cluster().url(&name);
    let upkeep = |text: &str| step(&url, text);
    let counted = || {
        cluster().psql(
            &name,
            "SELECT count(*) FROM pg_stat_user_tables WHERE last_analyze IS NOT NULL",
        )
    };

    let rehearsal = project(&url)
        .runbook(
            "look/at",
            "[[step]]\nname = \"step\"\ndatabase.reindex = \"main\"\n",
        )
        .run(&["look", "at", "--dry-run", "--format", "json"])
        .exits(0);
    let sent = of(&rehearsal, "step")["detail"].to_string();
    assert!(
        sent.contains(&format!("REINDEX DATABASE CONCURRENTLY {name} on main")),
        "{sent}"
    );
    db(&url, &["analyze", "--dry-run"]).exits(0);
    assert_eq!(counted(), "0");

    upkeep("database.analyze = \"main\"\ndatabase.table = \"my schema.T\"").exits(0);
    assert_eq!(counted(), "1");
    db(&url, &["analyze"]).exits(0);
    assert_eq!(counted(), "2");

    let size = || {
        cluster()
            .psql(&name, "SELECT pg_total_relation_size('t')")
            .parse::<i64>()
            .unwrap()
    };
    let before = size();
    let output =
        upkeep("database.vacuum = \"main\"\ndatabase.table = \"t\"\ndatabase.full = true").exits(0);
    let freed = of(&output, "step")["outputs"]["bytes"].as_i64().unwrap();
    assert!(freed > 4_000_000, "{freed}");
    assert_eq!(before - size(), freed);
    let output = upkeep("database.vacuum = \"main\"\ndatabase.full = true").exits(0);
    assert!(of(&output, "step")["outputs"]["bytes"].is_u64());

    let file = || {
        cluster().psql(
            &name,
            "SELECT relfilenode FROM pg_class WHERE relname = 't_pkey'",
        )
    };
    for text in [
        "database.reindex = \"main\"\ndatabase.table = \"t\"",
        "database.reindex = \"main\"",
    ] {
        let before = file();
        upkeep(text).exits(0);
        assert_ne!(before, file(), "{text}");
    }
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(cluster().psql(&name, invalid), "0");
    upkeep("database.reindex = \"main\"\ndatabase.table = \"nowhere\"").exits(78);
}

#[test]
fn what_keeps_others_waiting_asks_first() {
    let name = cluster().database("CREATE TABLE t (n int PRIMARY KEY)");
    let url = cluster().url(&name);
    // What locks nobody out asks nothing, in a protected environment either; what does asks.
    let protected = project(&url).config(
        "project = \"test\"\ndefault_environment = \"production\"\n[environment.production]\nprotected = true\n\
         [secret]\nurl = { env = \"URL\" }\n[database.main]\nkind = \"postgres\"\nurl = \"{{ secret.url }}\"\n",
    );
    protected.run(&["db", "vacuum"]).exits(0);
    protected.run(&["db", "reindex"]).exits(0);
    protected.run(&["db", "vacuum", "--full"]).exits(75);
    protected.run(&["db", "vacuum", "--full", "--yes"]).exits(0);
}

#[test]
fn a_reindex_that_fails_tells_what_it_left_behind() {
    let name = cluster().database(
        "CREATE TABLE t (n int); INSERT INTO t VALUES (1), (1); CREATE INDEX i ON t (n);",
    );
    let url = cluster().url(&name);
    let reindex = "database.reindex = \"main\"\ndatabase.table = \"t\"";
    step(&url, reindex).exits(0);
    // What an index of a corrupt unique one looks like: it says that there is one, and there are two.
    cluster().psql(
        &name,
        "UPDATE pg_index SET indisunique = true WHERE indexrelid = 'i'::regclass",
    );
    let output = step(&url, reindex).exits(2);
    let shown = output.shown();
    assert!(
        shown.contains("DROP INDEX CONCURRENTLY public.i_ccnew"),
        "{shown}"
    );
    // It is there still when the next one has nothing to complain of.
    cluster().psql(
        &name,
        "UPDATE pg_index SET indisunique = false WHERE indexrelid = 'i'::regclass",
    );
    let output = step(&url, reindex).exits(2);
    assert!(
        output.shown().contains("an index is invalid still"),
        "{}",
        output.shown()
    );
    let told = rows(&db(&url, &["indexes"]).exits(1), "indexes");
    assert_eq!(
        told[0]["detail"], "left behind by a REINDEX that failed: drop it, nothing misses it",
        "to build that one again would double the other"
    );
    cluster().psql(&name, "DROP INDEX i_ccnew");
    step(&url, reindex).exits(0);
}

#[test]
fn upkeep_of_what_belongs_to_others_is_refused_or_told() {
    let name = cluster().database(
        "CREATE ROLE tender LOGIN PASSWORD 'tender'; GRANT CREATE ON SCHEMA public TO tender;
         CREATE TABLE theirs (n int); CREATE TABLE own (n int);",
    );
    let url = format!(
        "postgres://tender:tender@127.0.0.1:{}/{name}",
        cluster().port()
    );
    let output = db(&url, &["vacuum"]).exits(3);
    assert!(
        output.shown().contains("may not look after any table"),
        "{}",
        output.shown()
    );
    cluster().psql(&name, "ALTER TABLE own OWNER TO tender");
    let output = db(&url, &["analyze"]).exits(0);
    let detail = of(&output, "analyze")["detail"].to_string();
    assert!(detail.contains("1 table of others passed over"), "{detail}");
    let output = step(
        &url,
        "database.reindex = \"main\"\ndatabase.table = \"theirs\"",
    )
    .exits(3);
    assert!(
        output.shown().contains("connect as the owner"),
        "{}",
        output.shown()
    );
    assert_eq!(
        cluster().psql(
            &name,
            "SELECT count(*) FROM pg_stat_user_tables WHERE last_analyze IS NOT NULL"
        ),
        "1"
    );
}
