//! The actions on a real PostgreSQL server: what they read, what they refuse, and how they tell what went wrong.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::Arc;

use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};

use super::harness::{Output, Project, accept};
use super::postgres_cluster::{Cluster, HOST, PASSWORD, cluster};
use super::postgres_session::{self, Session, is_waiting};
use super::zoo::until;

/// A project whose database `main` is at this URL, which is a secret.
fn project(url: &str) -> Project {
    Project::new()
        .config(
            "project = \"test\"\n[secret]\nurl = { env = \"URL\" }\n\
             [database.main]\nkind = \"postgres\"\nurl = \"{{ secret.url }}\"\n",
        )
        .variable("URL", url)
}

/// Runs a runbook of this one step.
fn run(project: Project, step: &str) -> Output {
    let step = format!("[[step]]\nname = \"look\"\n{step}\n");
    let project = project.runbook("look/at", &step);
    project.run(&["look", "at", "--format", "json"])
}

/// The outputs of the one step of a runbook.
#[track_caller]
fn outputs(project: Project, step: &str) -> Value {
    let output = run(project, step).exits(0);
    output.json()["steps"][0]["outputs"].clone()
}

/// The rows of a query on a database that is empty.
#[track_caller]
fn rows(sql: &str) -> Value {
    let project = project(&cluster().socket_url("postgres"));
    outputs(project, &format!("sql.query = '''{sql}'''"))["rows"].clone()
}

/// How the one step ended that does this: the code and what it says.
fn failed(url: &str, step: &str) -> (i32, String) {
    let output = run(project(url), step).never_shows("hunter2");
    let detail = output.json()["steps"][0]["detail"].to_string();
    (output.code, detail)
}

#[test]
fn a_query_gives_rows_over_a_port_and_over_a_socket() {
    let name = cluster().database("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2), (3);");
    for url in [cluster().url(&name), cluster().socket_url(&name)] {
        let outputs = outputs(
            project(&url),
            "sql.query = \"SELECT n, n * 2 AS double FROM t WHERE n > {{ 1 }} ORDER BY n\"",
        );
        assert_eq!(
            outputs["rows"],
            json!([{"n": 2, "double": 4}, {"n": 3, "double": 6}])
        );
        assert_eq!(outputs["columns"], json!(["n", "double"]));
        assert_eq!(outputs["truncated"], false);
    }
}

#[test]
fn values_come_as_they_are() {
    let found = rows(
        r#"SELECT NULL AS nothing, true AS truth, '-32768'::int2 AS small, 9223372036854775807 AS large,
           0.1::float4 AS single, 0.1::float8 AS double, 'NaN'::float8 AS nan, '-Infinity'::float8 AS below,
           12.50::numeric AS decimal, 12345678901234567890::numeric AS beyond, 'NaN'::numeric AS no_number,
           sum(x)::numeric AS total, 'it''s "é" 😀' || chr(10) AS text, 'a'::char(3) AS padded, 'x'::"char" AS letter,
           'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS id, '2026-02-03'::date AS day, '04:05:06.5'::time AS time,
           '2026-02-03 04:05:06.789'::timestamp AS local, '2026-02-03 04:05:06+02'::timestamptz AS moment,
           'infinity'::timestamptz AS never, '1 day 02:00'::interval AS span, '\x00ff'::bytea AS blob,
           '{"a": [1, null]}'::json AS json, '{"b": 2}'::jsonb AS jsonb, ARRAY[1, NULL, 3] AS list,
           ARRAY[['a', 'b'], ['c', 'd']] AS table_of, '{}'::int[] AS empty, ARRAY['1 day'::interval] AS spans,
           '10.0.0.1/8'::inet AS address, '16/B374D848'::pg_lsn AS place, '[1,5)'::int4range AS range,
           1 AS "?column?", 2 AS "?column?"
           FROM generate_series(1, 3) AS x"#,
    );
    assert_eq!(
        found,
        json!([{
            "nothing": null, "truth": true, "small": -32768, "large": 9_223_372_036_854_775_807_i64,
            "single": 0.1, "double": 0.1, "nan": "NaN", "below": "-Infinity",
            "decimal": 12.5, "beyond": "12345678901234567890", "no_number": "NaN",
            "total": 6, "text": "it's \"é\" 😀\n", "padded": "a  ", "letter": "x",
            "id": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "day": "2026-02-03", "time": "04:05:06.5",
            "local": "2026-02-03T04:05:06.789", "moment": "2026-02-03T02:05:06Z",
            "never": "infinity", "span": "1 day 02:00:00", "blob": {"base64": "AP8="},
            "json": {"a": [1, null]}, "jsonb": {"b": 2}, "list": [1, null, 3],
            "table_of": [["a", "b"], ["c", "d"]], "empty": [], "spans": "{\"1 day\"}",
            "address": "10.0.0.1/8", "place": "16/B374D848", "range": "[1,5)",
            "?column?": 1, "?column?_2": 2,
        }])
    );
}

/// Decimals of every weight and scale, as the server itself writes them.
#[test]
fn decimals_have_the_servers_digits() {
    let found = rows(
        "SELECT (x * 10.0::numeric ^ y)::numeric(60, 20) AS n, ((x * 10.0::numeric ^ y)::numeric(60, 20))::text AS t
         FROM unnest(ARRAY[0, 1, -1, 9999, 10000, 123456789, -0.5, 1.00010001]) AS x, generate_series(-12, 12) AS y
         UNION ALL SELECT trunc(x * 10.0::numeric ^ y)::numeric(60), trunc(x * 10.0::numeric ^ y)::numeric(60)::text
         FROM unnest(ARRAY[1, 7, 123456789, -98765]) AS x, generate_series(0, 30) AS y",
    );
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), 8 * 25 + 4 * 31);
    for row in found {
        let text = row["t"].as_str().unwrap();
        match &row["n"] {
            Value::String(exact) => assert_eq!(exact, text),
            number if text.contains('.') => {
                assert_eq!(
                    number.as_f64().unwrap(),
                    text.parse::<f64>().unwrap(),
                    "{text}"
                );
            }
            number => assert_eq!(number.as_i64().unwrap(), text.parse::<i64>().unwrap()),
        }
    }
}

#[test]
fn values_are_bound_whatever_they_hold() {
    let found = rows(
        r#"SELECT {{ "x'); DROP TABLE t; -- \"é\"" }} AS text, {{ 7 }}::int + 1 AS sum, {{ true }}::bool AS truth,
           {{ none }}::text IS NULL AS nothing, {{ {"a": [1]} }}::jsonb -> 'a' AS inner,
           {{ "2026-01-02" }}::date + 1 AS next, 2 IN ({{ [1, 2] }}) AS within,
           '?1' AS mark -- $2 is no parameter"#,
    );
    assert_eq!(
        found,
        json!([{
            "text": "x'); DROP TABLE t; -- \"é\"", "sum": 8, "truth": true, "nothing": true, "inner": [1],
            "next": "2026-01-03", "within": true, "mark": "?1",
        }])
    );
}

#[test]
fn what_is_asked_as_text_keeps_its_names_order_and_comments() {
    let found = rows(
        "SELECT x * '1 minute'::interval AS \"a \"\" b\", x FROM generate_series(1, 3) AS x ORDER BY x DESC; -- the end",
    );
    let names: Vec<_> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["a \" b"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["00:03:00", "00:02:00", "00:01:00"]);
}

#[test]
fn no_more_is_computed_than_is_kept() {
    let project = project(&cluster().socket_url("postgres"));
    let step = "sql.query = \"SELECT generate_series(1, 100000000000) AS x\"\nsql.limit = 3";
    let outputs = outputs(project, step);
    assert_eq!(outputs["rows"], json!([{"x": 1}, {"x": 2}, {"x": 3}]));
    assert_eq!(outputs["truncated"], true);
}

#[test]
fn a_row_that_memory_is_not_meant_for_is_refused() {
    let url = cluster().url("postgres");
    let (code, detail) = failed(&url, "sql.query = \"SELECT repeat('x', 40000000) AS x\"");
    assert_eq!(code, 3, "{detail}");
    assert!(detail.contains("sent a row of 38"), "{detail}");
}

/// A view hides the function that writes from who reads the statement: then the transaction is what stops it.
#[test]
fn what_only_seems_to_read_changes_nothing() {
    let name = cluster().database(
        "CREATE TABLE t (n int);
         CREATE FUNCTION sly() RETURNS int LANGUAGE sql AS 'INSERT INTO public.t VALUES (1) RETURNING n';
         CREATE VIEW v AS SELECT sly() AS n;",
    );
    let url = cluster().socket_url(&name);
    let (code, detail) = failed(&url, "sql.query = \"SELECT n FROM v\"");
    assert_eq!(code, 78, "{detail}");
    assert!(detail.contains("SQLSTATE 25006"), "{detail}");
    for sql in [
        "INSERT INTO t VALUES (1)",
        "SELECT sly()",
        "SELECT 1; SELECT 2",
    ] {
        let (code, detail) = failed(&url, &format!("sql.query = \"{sql}\""));
        assert_eq!(code, 78, "{sql}: {detail}");
    }
    assert_eq!(cluster().psql(&name, "SELECT count(*) FROM t"), "0");
}

#[test]
fn a_plan_is_told_and_nothing_is_run() {
    let name = cluster().database("CREATE TABLE t (n int); INSERT INTO t VALUES (1);");
    let project = project(&cluster().socket_url(&name));
    let step = "sql.explain = \"DELETE FROM t WHERE n = {{ 1 }}\"";
    let outputs = outputs(project, step);
    let first = outputs["rows"][0]["detail"].as_str().unwrap();
    assert!(first.starts_with("Delete on t"), "{first}");
    assert_eq!(cluster().psql(&name, "SELECT count(*) FROM t"), "1");
}

#[test]
fn a_database_is_looked_at_as_a_whole() {
    let name = cluster().database(
        "CREATE SCHEMA app; CREATE TABLE app.large AS SELECT x, repeat('x', 200) AS t FROM generate_series(1, 2000) AS x;
         CREATE INDEX i ON app.large (x); CREATE TABLE small (n int); ANALYZE app.large;",
    );
    let look = |verb: &str| {
        let step = format!("database.{verb} = \"main\"");
        outputs(project(&cluster().url(&name)), &step)
    };
    assert_eq!(look("ping")["count"], 0);

    let info = look("info");
    assert_eq!(info["info"]["database"], json!(name));
    assert_eq!(info["info"]["role"], "primary");
    assert_eq!(info["info"]["replica_lag_seconds"], Value::Null);
    assert_eq!(info["info"]["max_connections"], 30);
    assert_eq!(info["info"]["tables"], 2);
    assert!(info["info"]["connections"].as_i64().unwrap() >= 1);
    assert!(info["bytes"].as_i64().unwrap() > 400_000);
    assert_eq!(info["rows"][0]["name"], "version");

    let tables = look("tables");
    assert_eq!(tables["rows"][0]["table"], "app.large");
    assert_eq!(tables["rows"][0]["rows"], 2000);
    assert!(tables["rows"][0]["bytes"].as_i64().unwrap() > 400_000);
    // Nobody has counted it yet.
    let small = &tables["rows"][1];
    assert_eq!(small["table"], "small");
    assert_eq!(
        (&small["columns"], &small["rows"], &small["bytes"]),
        (&json!(1), &Value::Null, &json!(0))
    );

    let size = look("size");
    let parts: Vec<_> = size["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["part"])
        .collect();
    assert_eq!(parts, ["tables", "indexes", "catalog"]);
    let sum: i64 = size["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["bytes"].as_i64().unwrap())
        .sum();
    assert_eq!(size["bytes"], sum);
}

#[test]
fn who_blocks_whom_is_told() {
    let name = cluster().database("CREATE TABLE t (n int);");
    let _holder = Session::holding(cluster(), &name, "BEGIN; LOCK TABLE t;");
    let mut waiter = Session::holding(cluster(), &name, "SET application_name = 'waiter';");
    waiter.begin("SELECT * FROM t;");
    postgres_session::until(cluster(), &name, &is_waiting(waiter.pid));
    let outputs = outputs(
        project(&cluster().socket_url(&name)),
        "database.activity = \"main\"",
    );
    let rows = outputs["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{outputs}");
    assert_eq!(rows[0]["application"], "waiter");
    assert_eq!(rows[0]["waiting"], "Lock: relation");
    assert_eq!(rows[0]["blocked_by"], json!([rows[1]["pid"]]));
    assert_eq!(rows[1]["state"], "idle in transaction");
}

/// How many statements of opsbook run in a database.
fn running(cluster: &Cluster, database: &str) -> String {
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'opsbook' AND datname = '{database}' AND state <> 'idle'"
    );
    cluster.psql("postgres", &count)
}

#[test]
fn a_statement_that_is_late_is_ended_by_the_server_and_told_as_late() {
    let name = cluster().database("CREATE TABLE t (n int);");
    let url = cluster().url(&name);
    // On a busy machine the deadline may come before the server's word that it has ended the statement.
    let is_late = |detail: &str| {
        detail.contains("the statement took longer than ") || detail.contains("no answer within ")
    };
    let step = "sql.query = \"SELECT pg_sleep(600)\"\ntimeout = \"2s\"";
    let (code, detail) = failed(&url, step);
    assert_eq!(code, 2, "{detail}");
    assert!(is_late(&detail), "{detail}");
    until("the server has ended it", || {
        running(cluster(), &name) == "0"
    });

    let _holder = Session::holding(cluster(), &name, "BEGIN; LOCK TABLE t;");
    let step = "sql.query = \"SELECT n FROM t\"\ntimeout = \"2s\"";
    let (code, detail) = failed(&url, step);
    assert_eq!(code, 2, "{detail}");
    assert!(is_late(&detail), "{detail}");
    until("the server has ended it", || {
        running(cluster(), &name) == "0"
    });
}

/// Nobody waits any more, and the server does not go on without anybody.
#[test]
fn a_run_that_is_stopped_leaves_no_statement_behind() {
    let name = cluster().database("");
    let step = "[[step]]\nname = \"look\"\nsql.query = \"SELECT pg_sleep(600)\"\n";
    for url in [cluster().url(&name), cluster().socket_url(&name)] {
        let project = project(&url).runbook("look/at", step);
        let mut child = project
            .command(&["look", "at"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("it runs", || running(cluster(), &name) == "1");
        let process = nix::unistd::Pid::from_raw(child.id() as i32);
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGINT).unwrap();
        assert_eq!(super::harness::exit_code(child.wait().unwrap()), 130);
        until("the server has ended it", || {
            running(cluster(), &name) == "0"
        });
    }
}

#[test]
fn a_refusal_says_whose_trouble_it_is() {
    let port = cluster().port();
    let name = cluster().database(
        "CREATE TABLE secret (n int); CREATE ROLE reader LOGIN PASSWORD 'reader';
         CREATE ROLE nologin PASSWORD 'x';",
    );
    let at = |user: &str| format!("postgres://{user}@127.0.0.1:{port}/{name}");
    let ping = "database.ping = \"main\"";
    for (url, step, code, words) in [
        (at("postgres:wrong-hunter2"), ping, 3, "SQLSTATE 28P01"),
        (at("postgres"), ping, 3, "asks for a password"),
        (at("nologin:x"), ping, 3, "SQLSTATE 28000"),
        (cluster().url("nowhere"), ping, 2, "SQLSTATE 3D000"),
        (
            at("reader:reader"),
            "sql.query = \"SELECT n FROM secret\"",
            3,
            "SQLSTATE 42501",
        ),
        (
            cluster().url(&name),
            "sql.query = \"SELECT n FROM nothing\"",
            2,
            "SQLSTATE 42P01",
        ),
        (
            cluster().url(&name),
            "sql.query = \"SELECT 1 / 0\"",
            2,
            "SQLSTATE 22012",
        ),
        (
            cluster().url(&name),
            "sql.query = \"SELECT {{ 1 }} + {{ 2 }}\"",
            2,
            "SQLSTATE 42725",
        ),
    ] {
        let (found, detail) = failed(&url, step);
        assert_eq!(found, code, "{step}: {detail}");
        assert!(detail.contains(words), "{step}: {detail}");
    }
}

/// Whatever the mistake: one verdict, and the place in the text as it was written.
#[test]
fn a_mistake_in_a_statement_is_told_with_its_line() {
    let database = cluster().database("CREATE TABLE t (n int)");
    let url = cluster().url(&database);
    let mistakes = [
        ("FROM nowhere", "line 2, column 6: ", "42P01"),
        ("FROM t WHERE m = 1", "line 2, column 14: ", "42703"),
        (
            "FROM t WHERE lower(n) = 'a'",
            "line 2, column 14: ",
            "42883",
        ),
        (", *", "line 2, column 3: ", "42601"),
    ];
    let verbs = [
        "sql.query",
        "sql.exact = true\nsql.query",
        "sql.explain",
        "sql.run = true\nsql.explain",
        "sql.to = \"rows.csv\"\nsql.export",
    ];
    for (rest, place, code) in mistakes {
        for verb in verbs {
            let (exit, detail) = failed(&url, &format!("{verb} = \"SELECT 'é'\\n{rest}\""));
            assert_eq!(exit, 2, "{verb} {rest}: {detail}");
            assert!(detail.starts_with(&format!("\"{place}")), "{detail}");
            assert!(detail.contains(&format!("SQLSTATE {code}")), "{detail}");
        }
    }
    // What cannot be read here is not sent.
    let (exit, detail) = failed(&url, "sql.query = \"SELECT n FROM t WHEER n = 1\"");
    assert_eq!(exit, 78, "{detail}");
    assert!(detail.contains("cannot be parsed"), "{detail}");
    // Of the first line, without our own words before it; of a change not in what counts its rows.
    let explain = "sql.explain = \"SELECT m FROM t\"";
    let change = "sql.execute = \"UPDATE t SET n = 1\\nWHERE m = {{ 1 }}\"";
    // Behind a value, which the server sees otherwise than it is written, the column is not known, but in the next line it is.
    let behind = "sql.execute = \"UPDATE t SET n = {{ 1 }}\\nWHERE n = {{ 12345 }} AND m = 1\"";
    let below = "sql.query = \"SELECT {{ 1 }}::int\\nFROM t WHERE m = 1\"";
    for (step, place) in [
        (explain, "line 1, column 8: "),
        (change, "line 2, column 7: "),
        (behind, "line 2: "),
        (below, "line 2, column 14: "),
    ] {
        let (exit, detail) = failed(&url, step);
        assert_eq!(exit, 2, "{detail}");
        assert!(detail.starts_with(&format!("\"{place}")), "{detail}");
    }
}

#[test]
fn a_password_stands_beside_the_url_or_in_the_environment() {
    let config = |line: &str| {
        Project::new().config(&format!(
            "project = \"test\"\n[secret]\npassword = {{ env = \"SECRET\" }}\n\
             [database.main]\nkind = \"postgres\"\nurl = \"postgres://postgres@127.0.0.1:{}/postgres\"\n{line}",
            cluster().port()
        ))
    };
    let ping = "database.ping = \"main\"";
    let beside = config("password = \"{{ secret.password }}\"\n").variable("SECRET", PASSWORD);
    run(beside, ping).exits(0).never_shows(PASSWORD);
    let surrounding = config("").variable("PGPASSWORD", PASSWORD);
    run(surrounding, ping).exits(0).never_shows(PASSWORD);
    let nowhere = Project::new()
        .config("project = \"test\"\n[database.main]\nkind = \"postgres\"\n")
        .variable("DATABASE_URL", cluster().url("postgres"));
    run(nowhere, ping).exits(0).never_shows("hunter2");
}

#[test]
fn tls_is_what_the_url_says() {
    let used = "sql.query = \"SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()\"";
    let url = |host: &str, options: &str| {
        let url = cluster().url("postgres").replace("127.0.0.1", host);
        format!("{url}?{options}")
    };
    for (options, encrypted) in [
        ("", true),
        ("sslmode=disable", false),
        ("sslmode=prefer", true),
        ("sslmode=require", true),
    ] {
        let outputs = outputs(project(&url("127.0.0.1", options)), used);
        assert_eq!(outputs["rows"], json!([{"ssl": encrypted}]), "{options}");
    }
    let authority = cluster().authority();
    let verified = format!("sslmode=verify-full&sslrootcert={}", authority.display());
    let outputs = outputs(project(&url(HOST, &verified)), used);
    assert_eq!(outputs["rows"], json!([{"ssl": true}]));

    let (code, detail) = failed(&url("127.0.0.1", &verified), used);
    assert_eq!(code, 2, "{detail}");
    assert!(
        detail.contains("not for 127.0.0.1 but for localhost"),
        "{detail}"
    );
    let (code, detail) = failed(&url(HOST, "sslmode=verify-full"), used);
    assert_eq!(code, 2, "{detail}");
    assert!(detail.contains("unknown issuer"), "{detail}");
}

/// The proof of the password holds the certificate that the server showed: the server compares it with its own.
#[test]
fn who_lets_us_in_is_who_encrypts_where_that_is_required() {
    let ping = "database.ping = \"main\"";
    let url = |options: &str| format!("{}?{options}", cluster().url("postgres"));
    let bound = url("sslmode=require&channel_binding=require");
    run(project(&bound), ping).exits(0);
    for options in [
        "sslmode=disable&channel_binding=require",
        "sslmode=allow&channel_binding=require",
    ] {
        let (code, detail) = failed(&url(options), ping);
        assert_eq!(code, 3, "{detail}");
        assert!(detail.contains("did not use channel binding"), "{detail}");
    }
    let at = |options: &str| {
        let own = format!(":{}/", cluster().port());
        let between = format!(":{}/", between(cluster().port()));
        url(options).replace(&own, &between)
    };
    run(project(&at("sslmode=require")), ping).exits(0);
    let (code, detail) = failed(&at("sslmode=require&channel_binding=require"), ping);
    assert_eq!(code, 3, "{detail}");
    assert!(detail.contains("did not use channel binding"), "{detail}");
}

/// Something between that encrypts by itself and listens in; gives its port. It serves once.
fn between(server: u16) -> u16 {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut client = accept(&listener);
        let mut request = [0; 8];
        client.read_exact(&mut request).unwrap();
        client.write_all(b"S").unwrap();
        client.set_nonblocking(true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let client = tokio::net::TcpStream::from_std(client).unwrap();
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
            let mut client = acceptor.accept(client).await.unwrap();
            let server = tokio::net::TcpStream::connect(("127.0.0.1", server)).await;
            // How either side ends is no matter.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server.unwrap()).await;
        });
    });
    port
}

#[test]
fn a_server_that_cannot_be_talked_to_is_told() {
    let own = Cluster::start("ssl = off\nmax_connections = 5\n");
    let url = own.url("postgres");
    let ping = "database.ping = \"main\"\ntimeout = \"5s\"";

    let (code, detail) = failed(&format!("{url}?sslmode=require"), ping);
    assert_eq!(code, 2, "{detail}");
    assert!(detail.contains("does not offer TLS"), "{detail}");
    // Where it can: it cannot.
    assert_eq!(failed(&url, ping).0, 0);

    own.psql("postgres", "CREATE ROLE app LOGIN PASSWORD 'app'");
    let held: Vec<_> = (0..2).map(|_| Session::open(&own, "postgres")).collect();
    let app = format!("postgres://app:app@127.0.0.1:{}/postgres", own.port());
    let (code, detail) = failed(&app, ping);
    assert_eq!(code, 2, "{detail}");
    assert!(detail.contains("SQLSTATE 53300"), "{detail}");
    drop(held);

    own.stop("fast");
    let (code, detail) = failed(&url, ping);
    assert_eq!(code, 2, "{detail}");
    assert!(
        detail.contains("connection refused by 127.0.0.1:"),
        "{detail}"
    );
    own.restart();
    assert_eq!(failed(&url, ping).0, 0);
}

#[test]
fn a_connection_that_is_cut_is_told() {
    let own = Cluster::start("");
    let name = own.database("");
    let step = "[[step]]\nname = \"look\"\nsql.query = \"SELECT pg_sleep(600)\"\n";
    let during = |act: &dyn Fn()| {
        let project = project(&own.url(&name)).runbook("look/at", step);
        let child = project
            .command(&["look", "at", "--format", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("it runs", || running(&own, &name) == "1");
        act();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        told["steps"][0]["detail"].as_str().unwrap().to_owned()
    };
    let detail = during(&|| {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'opsbook'";
        own.psql("postgres", end);
    });
    assert!(detail.contains("SQLSTATE 57P01"), "{detail}");
    // The server has no time for a last word.
    let detail = during(&|| own.stop("immediate"));
    let cut = detail.contains("was cut") || detail.contains("SQLSTATE 57P02");
    assert!(cut, "{detail}");
}

#[test]
fn what_is_no_server_of_postgres_is_told() {
    let ping = "database.ping = \"main\"\ntimeout = \"2s\"";
    for options in ["", "?sslmode=disable"] {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let mut stream = accept(&other);
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let (code, detail) = failed(&format!("postgres://me@{address}/x{options}"), ping);
        answering.join().unwrap();
        assert_eq!(code, 2, "{detail}");
        assert!(detail.contains("does not speak PostgreSQL"), "{detail}");
    }
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let (code, detail) = failed(&format!("postgres://me@{address}/x"), ping);
    assert_eq!(code, 2, "{detail}");
    assert!(detail.contains("no answer within 2s"), "{detail}");
    let (code, detail) = failed(
        &format!("postgres://me@{address}/x?connect_timeout=1"),
        "database.ping = \"main\"",
    );
    assert_eq!(code, 2, "{detail}");
    assert!(detail.contains("no answer within 1s"), "{detail}");
}
