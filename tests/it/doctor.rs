//! `opsbook db doctor` and `opsbook db diagnose` on the real engines: silent where all is well, and where it is not with the
//! cause and the command that mends it.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use serde_json::Value;

use super::d1_api::{ACCOUNT, D1Api, ID, NAME, TOKEN};
use super::harness::{ClosedPort, Output, Project, accept};
use super::postgres_cluster::{Cluster, PASSWORD, cluster};
use super::postgres_session::{Session, is_waiting, until, waits_long};

/// A project whose database `main` is at this URL.
fn postgres(url: &str) -> Project {
    Project::new()
        .config(
            "project = \"test\"\n[secret]\nurl = { env = \"URL\" }\n\
             [database.main]\nkind = \"postgres\"\nurl = \"{{ secret.url }}\"\n",
        )
        .variable("URL", url)
}

fn sqlite(setup: &str) -> Project {
    let project = Project::new()
        .config("project = \"test\"\n[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\n");
    let file = rusqlite::Connection::open(project.path("main.db")).unwrap();
    file.execute_batch(setup).unwrap();
    project
}

fn d1(api: &D1Api) -> Project {
    Project::new()
        .config(&format!(
            "project = \"test\"\n[database.main]\nkind = \"d1\"\nname = \"{NAME}\"\nid = \"{ID}\"\naccount = \"{ACCOUNT}\"\n"
        ))
        .variable("CLOUDFLARE_API_TOKEN", TOKEN)
        .variable("CLOUDFLARE_API_BASE_URL", api.url())
}

fn look(project: &Project, words: &[&str]) -> Output {
    project.run(&[&["db"], words, &["--format", "json"]].concat())
}

/// What is found: a line each, `P2 cause → remedy`.
fn findings(output: &Output) -> Vec<String> {
    let told = output.json();
    let findings = told["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    findings
        .map(|found| {
            let [severity, cause, remedy] =
                ["severity", "cause", "remedy"].map(|name| text(&found[name]));
            format!("{severity} {cause} → {remedy}")
        })
        .collect()
}

/// It ends with this code and finds what begins so, that and no more.
#[track_caller]
fn finds(project: &Project, words: &[&str], code: i32, wanted: &[&str]) {
    let output = look(project, words).exits(code);
    let found = findings(&output);
    let is_so = found.len() == wanted.len()
        && found.iter().zip(wanted).all(|(found, wanted)| {
            let (begin, end) = wanted.split_once('…').unwrap_or((wanted, ""));
            found.starts_with(begin) && found.ends_with(end)
        });
    assert!(is_so, "{found:#?}\nis not\n{wanted:#?}\n{}", output.shown());
}

const TABLES: &str = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
    CREATE TABLE customers (id int PRIMARY KEY); INSERT INTO customers VALUES (1);
    CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers) WITH (autovacuum_enabled = false);
    CREATE INDEX orders_customer ON orders (customer); INSERT INTO orders VALUES (1, 1); ANALYZE;";

/// A small server without other guests.
fn server() -> (Cluster, String) {
    let own = Cluster::start(
        "max_connections = 10\nsuperuser_reserved_connections = 3\nmax_wal_senders = 2\n",
    );
    let name = own.database(TABLES);
    (own, name)
}

#[test]
fn a_healthy_server_has_nothing_found() {
    let (own, name) = server();
    let project = postgres(&own.url(&name));
    for words in [["doctor"], ["diagnose"]] {
        finds(&project, &words, 0, &[]);
    }
    // Nothing was changed: these only look.
    for words in [
        ["db", "doctor", "--read-only"],
        ["db", "diagnose", "--read-only"],
    ] {
        project.run(&words).exits(0);
    }
}

/// Stands before a server and lets connections through in groups of these sizes, each once all of it have come, and one by
/// one from then on. Gives its port; ends with the test.
fn at_once(port: u16, groups: &'static [usize]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for size in groups.iter().chain(std::iter::repeat(&1)) {
            let group: Vec<TcpStream> = (0..*size).map(|_| accept(&listener)).collect();
            for client in group {
                let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                relay(client.try_clone().unwrap(), server.try_clone().unwrap());
                relay(server, client);
            }
        }
    });
    own
}

fn relay(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// One after the other they would each wait for the next until they give up.
#[test]
fn looks_are_taken_at_once() {
    let (own, name) = server();
    for (words, groups) in [
        // ping; connections, which asks twice; locks, activity, replication; then the size.
        ("diagnose", &[1, 1, 1, 3][..]),
        // The same; locks, activity; size, references, indexes, bloat, slow, replication.
        ("doctor", &[1, 1, 1, 2, 6]),
    ] {
        let port = at_once(own.port(), groups);
        let url = own
            .url(&name)
            .replace(&format!(":{}/", own.port()), &format!(":{port}/"));
        let project = postgres(&format!("{url}?sslmode=disable&connect_timeout=5"));
        finds(&project, &[words], 0, &[]);
    }
}

#[test]
fn a_chain_of_waiting_sessions_is_told_by_its_root() {
    let (own, name) = server();
    let project = postgres(&own.url(&name));
    let mut root = Session::open(&own, &name);
    let mut first = Session::open(&own, &name);
    let mut second = Session::open(&own, &name);
    root.say("BEGIN; LOCK TABLE orders;");
    for waiting in [&mut first, &mut second] {
        waiting.begin("SELECT * FROM orders;");
        until(&own, &name, &is_waiting(waiting.pid));
    }
    let cause = format!("P3 session {} of postgres keeps 2 others waiting", root.pid);
    let remedy = format!("db terminate {} -d main", root.pid);
    let wanted = format!("{cause}… → {remedy}");
    finds(&project, &["diagnose"], 1, &[&wanted]);
    // What it says to run ends the trouble.
    let words: Vec<&str> = remedy.split(' ').chain(["--yes"]).collect();
    project.run(&words).exits(0);
    until(
        &own,
        &name,
        "NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted)",
    );
    drop((first, second));
    finds(&project, &["diagnose"], 0, &[]);
}

/// Each keeps its own waiting: who is told first is not to blame for all.
#[test]
fn of_several_who_block_others_each_is_told_by_those_behind_it() {
    let own = Cluster::start("max_connections = 30\n");
    let name = own.database(TABLES);
    let project = postgres(&own.url(&name));
    let mut few = Session::open(&own, &name);
    let mut many = Session::open(&own, &name);
    few.say("BEGIN; LOCK TABLE customers;");
    many.say("BEGIN; LOCK TABLE orders;");
    let mut waiting = ["customers", "orders", "orders"].map(|table| {
        let mut session = Session::open(&own, &name);
        session.begin(&format!("SELECT * FROM {table};"));
        until(&own, &name, &is_waiting(session.pid));
        session
    });
    let told = |root: &Session, who: &str, besides: &str, remedy: &str| {
        let Session { pid, .. } = root;
        format!("session {pid}{who} waiting{besides} → db {remedy}")
            .replace("PID", &pid.to_string())
    };
    let also = ", and 1 other blocks others";
    let ends = "terminate PID -d main";
    let first = told(&many, " of postgres keeps 2 others", also, ends);
    finds(&project, &["diagnose"], 1, &[&format!("P3 {first}")]);
    let warned = ["locks", "--warn", "0s", "--critical", "1h"];
    finds(&project, &warned, 1, &[&format!("P3 {first}")]);
    let roots = look(&project, &warned).json()["steps"][0]["outputs"]["roots"].clone();
    let roots = roots.as_array().unwrap().iter();
    let roots: Vec<_> = roots
        .map(|root| (root["pid"].as_i64(), root["waiting"].as_i64()))
        .collect();
    assert_eq!(roots, [(Some(many.pid), Some(2)), (Some(few.pid), Some(1))]);
    until(&own, &name, &waits_long(waiting[2].pid));
    let found = findings(&look(&project, &["doctor"]));
    let first = told(&many, " of postgres keeps 2 others", also, "locks main");
    assert!(found.contains(&format!("P3 {first}")), "{found:?}");
    // Without it the other is alone.
    many.say("COMMIT;");
    waiting[1].say("");
    waiting[2].say("");
    let last = told(&few, " of postgres keeps 1 other", "", ends);
    finds(&project, &warned, 1, &[&format!("P3 {last}")]);
}

#[test]
fn a_wait_is_told_from_the_length_on_that_is_long() {
    let (own, name) = server();
    let project = postgres(&own.url(&name));
    let mut root = Session::open(&own, &name);
    let mut waiting = Session::open(&own, &name);
    root.say("BEGIN; SELECT pg_advisory_xact_lock(1);");
    waiting.begin("SELECT pg_advisory_lock(1);");
    until(&own, &name, &is_waiting(waiting.pid));
    finds(
        &project,
        &["locks", "--warn", "1h", "--critical", "1h"],
        0,
        &[],
    );
    until(&own, &name, &waits_long(waiting.pid));
    let ends = format!(
        "P3 session {0} of postgres keeps 1 other waiting → db terminate {0} -d main",
        root.pid
    );
    finds(&project, &["locks", "--critical", "1h"], 1, &[&ends]);
    let ends = ends.replace("P3", "P1");
    finds(
        &project,
        &["locks", "--warn", "1h", "--critical", "5s"],
        2,
        &[&ends],
    );
    let found = findings(&look(&project, &["doctor"]));
    let told = format!(
        "session {} of postgres keeps 1 other waiting → db locks main",
        root.pid
    );
    assert!(
        found.iter().any(|found| found.ends_with(&told)),
        "{found:?}"
    );
}

/// A server that takes its time.
#[test]
fn an_answer_that_takes_long_is_told() {
    let (own, name) = server();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = own.url(&name).replace(
        &format!(":{}/", own.port()),
        &format!(":{}/", listener.local_addr().unwrap().port()),
    );
    let project = postgres(&format!("{url}?sslmode=disable"));
    for (words, code) in [(&["ping"][..], 1), (&["ping", "--warn", "1h"], 0)] {
        thread::scope(|scope| {
            scope.spawn(|| {
                let client = accept(&listener);
                own.psql(&name, "SELECT pg_sleep(1.05)");
                let server = TcpStream::connect(("127.0.0.1", own.port())).unwrap();
                relay(client.try_clone().unwrap(), server.try_clone().unwrap());
                relay(server, client);
            });
            finds(&project, words, code, &[]);
        });
    }
    finds(
        &postgres(&own.url(&name)),
        &["ping", "--warn", "0s"],
        1,
        &[],
    );
}

/// A look that waits behind it gives up soon, and names who it is; those that wait for nothing are told.
#[test]
fn a_look_does_not_wait_for_who_holds_a_table() {
    let (own, name) = server();
    // Longer than anybody waits.
    let project = postgres(&own.url(&name)).config(
        "project = \"test\"\n[secret]\nurl = { env = \"URL\" }\n\
         [database.main]\nkind = \"postgres\"\nurl = \"{{ secret.url }}\"\nlock_timeout = \"1h\"\n",
    );
    let mut holder = Session::open(&own, &name);
    holder.say("BEGIN; LOCK TABLE orders;");
    let who = format!(
        "it waited for session {} of postgres (idle in transaction",
        holder.pid
    );
    for words in [
        ["size"],
        ["tables"],
        ["indexes"],
        ["bloat"],
        ["foreign-keys"],
    ] {
        let output = look(&project, &words);
        assert_eq!(findings(&output), Vec::<String>::new());
        let step = output.json()["steps"][0].clone();
        assert!(step["detail"].as_str().unwrap().contains(&who), "{step:#}");
        assert!(
            step["help"]
                .as_str()
                .unwrap()
                .contains("`opsbook db locks main`"),
            "{step:#}"
        );
    }
    for words in [["doctor"], ["diagnose"]] {
        let told = "P1 somebody holds a table that looks wait for: …→ db activity main";
        finds(&project, &words, 2, &[told]);
        // The other looks are nobody whom it keeps waiting.
        let said = look(&project, &words).stdout;
        assert!(said.contains(&who), "{said}");
        assert!(!said.contains("behind which"), "{said}");
    }
}

#[test]
fn a_session_that_is_idle_in_its_transaction_and_a_long_statement_are_told() {
    let (own, name) = server();
    let project = postgres(&own.url(&name));
    let mut idle = Session::open(&own, &name);
    idle.say("BEGIN; SELECT 1;");
    let lasts = |pid| {
        format!(
            "EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid} AND now() - coalesce(xact_start, query_start) > interval '1.1 s')"
        )
    };
    until(&own, &name, &lasts(idle.pid));
    let words = ["diagnose", "--long", "1s"];
    finds(
        &project,
        &words,
        1,
        &[&format!(
            "P3 session {} of postgres does nothing in a transaction… → db activity main --over 1s",
            idle.pid
        )],
    );
    finds(
        &project,
        &["doctor", "--long", "1s"],
        1,
        &["P3 statements or transactions that last longer than 1s: 1 → db activity main --over 1s"],
    );
    drop(idle);
    let mut busy = Session::open(&own, &name);
    busy.begin("SELECT pg_sleep(600);");
    until(&own, &name, &lasts(busy.pid));
    finds(
        &project,
        &words,
        1,
        &[&format!(
            "P3 session {0} of postgres runs for…: SELECT pg_sleep(600); → db cancel {0} -d main",
            busy.pid
        )],
    );
}

#[test]
fn connections_that_run_out_are_told_and_those_that_are_out_too() {
    let (own, name) = server();
    own.psql(
        &name,
        "CREATE ROLE app LOGIN PASSWORD 'app'; GRANT pg_monitor TO app",
    );
    let app = postgres(&format!(
        "postgres://app:app@127.0.0.1:{}/{name}",
        own.port()
    ));
    let mut held: Vec<Session> = (0..6).map(|_| Session::open(&own, &name)).collect();
    let project = postgres(&own.url(&name));
    for words in ["doctor", "diagnose"] {
        let output = look(&project, &[words]);
        let found = findings(&output);
        assert_eq!(found.len(), 1, "{}", output.shown());
        assert!(found[0].contains("of 7 connections"), "{found:?}");
        assert!(found[0].ends_with("db connections main"), "{found:?}");
    }
    held.push(Session::open(&own, &name));
    finds(
        &app,
        &["diagnose"],
        2,
        &["P0 main takes no more connections… → db connections main"],
    );
}

#[test]
fn a_server_that_is_stopped_and_a_wrong_password_are_told() {
    let (own, name) = server();
    let url = own.url(&name);
    let wrong = postgres(&format!(
        "postgres://postgres:wrong@127.0.0.1:{}/{name}",
        own.port()
    ));
    finds(&wrong, &["diagnose"], 2, &["P0 main does not let us in…"]);
    let missing = postgres(&own.url("nowhere"));
    let output = look(&missing, &["diagnose"]).exits(2);
    assert!(findings(&output)[0].contains("\"nowhere\" does not exist"));
    own.stop("fast");
    let project = postgres(&url);
    let told = "P0 main does not answer, the way to it ends at tcp: …";
    finds(&project, &["diagnose"], 2, &[told]);
    let told =
        "P0 main does not answer, the way to it ends at socket: no server answers at the socket …";
    finds(&postgres(&own.socket_url(&name)), &["diagnose"], 2, &[told]);
    finds(
        &project,
        &["doctor"],
        2,
        &["P0 main does not answer… → db diagnose main"],
    );
}

/// From the name to the answer, each part of the way has its word.
#[test]
fn where_the_way_to_a_server_ends_is_told() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = ClosedPort::new();
    let (port, name) = (cluster().port(), cluster().database(""));
    let silent_port = silent.local_addr().unwrap().port();
    for (place, stage) in [
        (format!("nowhere.invalid:{port}/{name}"), "dns"),
        (format!("127.0.0.1:{}/{name}", closed.number()), "tcp"),
        (
            format!("127.0.0.1:{port}/{name}?sslmode=verify-full"),
            "tls",
        ),
        (
            format!("127.0.0.1:{silent_port}/{name}?sslmode=require&connect_timeout=1"),
            "tls",
        ),
        (
            format!("127.0.0.1:{silent_port}/{name}?sslmode=disable&connect_timeout=1"),
            "login",
        ),
        (format!("127.0.0.1:{port}/nowhere"), "login"),
    ] {
        let known = cluster().url("");
        let (before, _) = known.rsplit_once('@').unwrap();
        let project = postgres(&format!("{before}@{place}"));
        let output = look(&project, &["diagnose"]);
        let cause = format!("P0 main does not answer, the way to it ends at {stage}: ");
        let found = findings(&output);
        assert!(found[0].starts_with(&cause), "{found:?}");
        assert!(!output.shown().contains(PASSWORD), "{found:?}");
        let text = project.run(&["db", "diagnose"]);
        assert!(!text.shown().contains("hunter2"), "{}", text.shown());
    }
    let step = "title = \"x\"\n[[step]]\nname = \"ping\"\ndatabase.ping = \"main\"\n";
    for (url, stages) in [
        (cluster().url(&name), "tcp tls login query"),
        (cluster().socket_url(&name), "socket login query"),
    ] {
        let project = postgres(&url).file("runbooks/t/ping.toml", step);
        let told = project
            .run(&["t", "ping", "--format", "json"])
            .exits(0)
            .json();
        let rows = told["steps"][0]["outputs"]["stages"]
            .as_array()
            .unwrap()
            .clone();
        let found: Vec<&str> = rows
            .iter()
            .map(|row| row["stage"].as_str().unwrap())
            .collect();
        assert_eq!(found.join(" "), stages, "{told:#}");
    }
}

#[test]
fn what_a_server_needs_is_told_with_what_mends_it() {
    let (own, name) = server();
    let project = postgres(&own.url(&name));
    own.psql(
        &name,
        "INSERT INTO orders SELECT n, 1 FROM generate_series(2, 20000) AS n",
    );
    until(
        &own,
        &name,
        "n_live_tup >= 20000 FROM pg_stat_user_tables WHERE relname = 'orders'",
    );
    own.psql(&name, "DELETE FROM orders WHERE id > 5000; ANALYZE orders");
    until(
        &own,
        &name,
        "n_dead_tup > 10000 FROM pg_stat_user_tables WHERE relname = 'orders'",
    );
    finds(
        &project,
        &["doctor"],
        1,
        &["P3 dead rows take space…db vacuum main"],
    );
    project.run(&["db", "vacuum", "--yes"]).exits(0);
    own.psql(&name, "DROP INDEX orders_customer; ANALYZE");
    finds(
        &project,
        &["doctor"],
        1,
        &["P3 indexes are missing…db indexes main"],
    );
    own.psql(
        &name,
        "CREATE INDEX orders_customer ON orders (customer); SELECT pg_sleep(1.05)",
    );
    finds(
        &project,
        &["doctor"],
        1,
        &["P3 1 statements take longer than 1s on average… → db slow main"],
    );
    own.psql(
        &name,
        "SELECT pg_create_physical_replication_slot('gone', true)",
    );
    let output = look(&project, &["doctor"]);
    assert!(
        findings(&output)
            .iter()
            .any(|found| found.ends_with("db replication main")),
        "{}",
        output.shown()
    );
}

const LIGHT: &str = "CREATE TABLE customers (id INTEGER PRIMARY KEY); INSERT INTO customers VALUES (1);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id)); INSERT INTO orders VALUES (1, 1);
    CREATE INDEX orders_customer ON orders (customer);";

#[test]
fn a_file_is_looked_over() {
    let project = sqlite(LIGHT);
    for words in [["doctor"], ["diagnose"]] {
        finds(&project, &words, 0, &[]);
    }
    let file = rusqlite::Connection::open(project.path("main.db")).unwrap();
    file.execute_batch(
        "PRAGMA foreign_keys = OFF; DELETE FROM customers; DROP INDEX orders_customer",
    )
    .unwrap();
    finds(
        &project,
        &["doctor"],
        1,
        &[
            "P2 references lead nowhere…db foreign-keys main",
            "P3 indexes are missing…db indexes main",
        ],
    );
    std::fs::write(
        project.path("main.db"),
        "this is no database, and it is long enough to be seen as none",
    )
    .unwrap();
    finds(&project, &["diagnose"], 2, &["P0 main …"]);
}

#[test]
fn migrations_that_are_pending_or_changed_are_told() {
    let project = sqlite(LIGHT)
        .config(
            "project = \"test\"\n[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\n\
             [database.main.migrations]\nfolder = \"migrations\"\n",
        )
        .file(
            "migrations/0001_notes.sql",
            "CREATE TABLE notes (id INTEGER PRIMARY KEY);",
        );
    let told = "P3 migrations that are pending: 1 → db migrations status main";
    finds(&project, &["doctor"], 1, &[told]);
    project
        .run(&["db", "migrations", "apply", "--yes"])
        .exits(0);
    finds(&project, &["doctor"], 0, &[]);
    let project = project.file(
        "migrations/0001_notes.sql",
        "CREATE TABLE other (id INTEGER);",
    );
    let told = "P1 a migration was changed… → db migrations status main";
    finds(&project, &["doctor"], 2, &[told]);
}

#[test]
fn a_d1_is_looked_over() {
    let api = D1Api::with(LIGHT);
    let project = d1(&api);
    for words in [["doctor"], ["diagnose"]] {
        finds(&project, &words, 0, &[]);
    }
    api.sql("DROP INDEX orders_customer");
    finds(
        &project,
        &["doctor"],
        1,
        &["P3 indexes are missing…db indexes main"],
    );
    let stranger = project.variable("CLOUDFLARE_API_TOKEN", "wrong");
    let output = look(&stranger, &["diagnose"]).exits(2);
    assert!(!output.shown().contains(TOKEN));
    assert!(findings(&output)[0].starts_with("P0 main does not let us in"));
}
