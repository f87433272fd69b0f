//! Changes of a real PostgreSQL database: within their bounds, all or nothing, and each on the way that the server takes
//! it.

use opsbook::platform::bounds::{Bounds, BoundsBroken, Count};
use opsbook::platform::postgres::{Address, ChangeStatement, Postgres, PostgresError};
use opsbook::platform::rows::Changed;
use serde_json::{Value, json};

use super::harness::{Output, Project};
use super::postgres_cluster::{Cluster, cluster};

/// A project whose database `main` is at this URL.
fn project(url: &str) -> Project {
    Project::new()
        .config(
            "project = \"test\"\n[secret]\nurl = { env = \"URL\" }\n\
             [database.main]\nkind = \"postgres\"\nurl = \"{{ secret.url }}\"\n",
        )
        .variable("URL", url)
}

/// Runs a runbook of this one step, whatever it destroys.
fn run(project: Project, step: &str) -> Output {
    let step = format!("[[step]]\nname = \"change\"\n{step}\n");
    let project = project.runbook("change/it", &step);
    project.run(&["change", "it", "--yes", "--format", "json"])
}

/// The outputs of the one step that does this.
#[track_caller]
fn outputs(database: &str, step: &str) -> Value {
    let output = run(project(&cluster().socket_url(database)), step).exits(0);
    output.json()["steps"][0]["outputs"].clone()
}

/// What the one step says that does this, and how the run ended.
fn told(database: &str, step: &str) -> (i32, String) {
    let output = run(project(&cluster().socket_url(database)), step);
    let step = &output.json()["steps"][0];
    (
        output.code,
        format!("{} / {}", step["detail"], step["help"]),
    )
}

/// Runs one statement within bounds, without the actions above.
fn within(database: &str, sql: &str, bounds: &Bounds) -> Result<Changed, PostgresError> {
    let url = cluster().socket_url(database);
    let address = Address::parse(&url, std::path::Path::new("/")).unwrap();
    let change = ChangeStatement {
        sql,
        parameters: &[],
        limit: 10,
        is_counted: true,
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { Postgres::new(address).execute(change, bounds).await })
}

fn counted_by(sql: &str) -> Bounds {
    Bounds {
        count: Some(Count {
            sql: sql.to_owned(),
            parameters: Vec::new(),
        }),
        ..Bounds::default()
    }
}

const ORDERS: &str = "\
CREATE TABLE customers (id int PRIMARY KEY, name text);
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE, state text);
CREATE TABLE log (what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO log VALUES (TG_OP); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER noted AFTER UPDATE ON orders DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO customers VALUES (1, 'one'), (2, 'two');
INSERT INTO orders SELECT n, 1 + n % 2, 'new' FROM generate_series(1, 10) AS n;";

#[test]
fn a_change_tells_its_rows_and_what_it_gives() {
    let name = cluster().database(ORDERS);
    let found = outputs(
        &name,
        "sql.execute = \"UPDATE orders SET state = {{ 'old' }} WHERE id <= {{ 3 }} RETURNING id, '1 h'::interval AS span\"\nsql.limit = 2",
    );
    assert_eq!(found["changed"], 3);
    let rows = json!([{"id": 1, "span": "01:00:00"}, {"id": 2, "span": "01:00:00"}]);
    assert_eq!(found["rows"], rows);
    assert_eq!(found["truncated"], true);
    let old = "SELECT count(*) FROM orders WHERE state = 'old'";
    assert_eq!(cluster().psql(&name, old), "3");

    // What gives rows of its own is not counted by them.
    for (statement, changed) in [
        (
            "WITH d AS (DELETE FROM orders WHERE id > 5 RETURNING id) SELECT 1 FROM d LIMIT 1",
            5,
        ),
        ("SELECT 1 FROM generate_series(1, 7)", 0),
        ("CREATE TABLE copy AS SELECT * FROM orders", 5),
        (
            "INSERT INTO orders SELECT * FROM copy ON CONFLICT DO NOTHING",
            0,
        ),
        ("TRUNCATE log", 0),
    ] {
        let found = outputs(&name, &format!("sql.execute = \"{statement}\""));
        assert_eq!(found["changed"], changed, "{statement}");
    }
}

#[test]
fn a_change_that_breaks_its_bounds_is_taken_back() {
    let name = cluster().database(ORDERS);
    let broken = |sql: &str, bounds: &Bounds| match within(&name, sql, bounds) {
        Err(PostgresError::Bounds(broken)) => broken,
        other => panic!("{other:?}"),
    };
    let all =
        "SELECT id FROM orders UNION ALL SELECT id FROM customers UNION ALL SELECT 0 FROM log";
    let before = cluster().psql(&name, &format!("SELECT count(*) FROM ({all}) AS a"));

    let other_rows = counted_by("SELECT count(*) FROM orders WHERE id < 3");
    let (changed, counted) = (4, 2);
    assert_eq!(
        broken("DELETE FROM orders WHERE id < 5", &other_rows),
        BoundsBroken::NotCounted { changed, counted }
    );
    let agreed = Bounds {
        agreed: Some(3),
        ..counted_by("SELECT count(*) FROM orders WHERE id < 5")
    };
    let (counted, agreed_to) = (4, 3);
    assert_eq!(
        broken("DELETE FROM orders WHERE id < 5", &agreed),
        BoundsBroken::NotAgreed {
            counted,
            agreed: agreed_to
        }
    );
    // One customer and five orders of theirs.
    let most = Bounds {
        most: Some(5),
        ..Bounds::default()
    };
    assert_eq!(
        broken("DELETE FROM customers WHERE id = 1", &most),
        BoundsBroken::TooMany {
            changed: 6,
            most: 5
        }
    );
    // What is put off to the end of the transaction counts too.
    let (changed, most) = (6, 5);
    assert_eq!(
        broken(
            "UPDATE orders SET state = 'x' WHERE id <= 3",
            &Bounds {
                most: Some(5),
                ..Bounds::default()
            }
        ),
        BoundsBroken::TooMany { changed, most }
    );
    let after = cluster().psql(&name, &format!("SELECT count(*) FROM ({all}) AS a"));
    assert_eq!(after, before);

    let within_them = Bounds {
        most: Some(6),
        agreed: Some(1),
        ..counted_by("SELECT count(*) FROM customers WHERE id = 1")
    };
    let done = within(&name, "DELETE FROM customers WHERE id = 1", &within_them).unwrap();
    assert_eq!((done.changed, done.in_all), (1, 6));
}

/// A limit that cannot be held is not passed over.
#[test]
fn a_limit_of_rows_needs_a_server_that_counts_them() {
    let name = cluster().database("CREATE TABLE t (n int); INSERT INTO t VALUES (1);");
    cluster().psql(
        "postgres",
        &format!("ALTER DATABASE {name} SET track_counts = off"),
    );
    let most = Bounds {
        most: Some(9),
        ..Bounds::default()
    };
    let error = within(&name, "DELETE FROM t", &most).unwrap_err();
    assert!(matches!(error, PostgresError::Uncounted { .. }), "{error}");
    assert_eq!(cluster().psql(&name, "SELECT count(*) FROM t"), "1");
    let done = within(&name, "DELETE FROM t", &Bounds::default()).unwrap();
    assert_eq!((done.changed, done.in_all), (1, 1));
}

#[test]
fn a_script_is_done_as_a_whole_or_not_at_all() {
    let name = cluster().database("CREATE TABLE t (n int UNIQUE);");
    let run = |script: &str| {
        let project = project(&cluster().socket_url(&name)).file("change.sql", script);
        let project = project.runbook(
            "change/it",
            "[[step]]\nname = \"change\"\nsql.file = \"change.sql\"\neffect = \"write\"\n",
        );
        let output = project.run(&["change", "it", "--yes", "--format", "json"]);
        let step = &output.json()["steps"][0];
        (
            output.code,
            step["outputs"]["changed"].clone(),
            format!("{} / {}", step["detail"], step["help"]),
        )
    };
    let (code, changed, detail) = run(
        "-- 'a;\nINSERT INTO t VALUES (1), (2);\nSELECT n FROM t;\nCREATE INDEX i ON t (n);\n\
         DO $$ BEGIN INSERT INTO t VALUES (3); END $$;\nUPDATE t SET n = n + 10 WHERE n > 1;",
    );
    assert_eq!((code, changed), (0, json!(4)), "{detail}");
    assert_eq!(cluster().psql(&name, "SELECT sum(n) FROM t"), "26");

    for (script, words, code) in [
        (
            "INSERT INTO t VALUES (7);\n\nINSERT INTO t\nVALUES (1);",
            "line 3, INSERT INTO t: duplicate key",
            2,
        ),
        (
            "INSERT INTO t VALUES (7);\nSELEC 1;",
            "line 2, SELEC 1: syntax error",
            2,
        ),
        (
            "INSERT INTO t VALUES (7); SELEC 1;",
            "line 1, SELEC 1: syntax error",
            2,
        ),
        (
            "INSERT INTO t VALUES (7);\nCOMMIT;\nSELECT 1/0;",
            "line 2: COMMIT begins or ends a transaction",
            78,
        ),
        (
            "INSERT INTO t VALUES (7);\nDO $$ BEGIN COMMIT; END $$;",
            "line 2, DO $$ BEGIN: invalid transaction termination",
            78,
        ),
        (
            "INSERT INTO t VALUES (7);\nVACUUM t;",
            "VACUUM T in line 2 cannot run in a transaction",
            78,
        ),
        (
            "INSERT INTO t VALUES (7);\nCOPY t FROM stdin;\n8\n\\.\n",
            "line 2: COPY over the connection is not done",
            78,
        ),
        ("\\connect postgres", "line 1: it has a command of psql", 78),
        (
            "INSERT INTO t VALUES (7); SELECT 'x",
            "a text that begins in line 1 does not end",
            78,
        ),
    ] {
        let (found, _, detail) = run(script);
        assert_eq!(found, code, "{script}: {detail}");
        assert!(detail.contains(words), "{script}: {detail}");
        let seven = "SELECT count(*) FROM t WHERE n = 7";
        assert_eq!(cluster().psql(&name, seven), "0", "{script}");
    }
}

#[test]
fn what_runs_in_no_transaction_is_run_alone() {
    let name = cluster().database("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (1);");
    for statement in [
        "VACUUM (ANALYZE) t",
        "CREATE INDEX CONCURRENTLY i ON t (n)",
        "REINDEX TABLE CONCURRENTLY t",
        "DROP INDEX CONCURRENTLY i",
    ] {
        outputs(&name, &format!("sql.execute = \"{statement}\""));
    }
    // Only the server knows of this one.
    cluster().psql(
        &name,
        "CREATE TABLE parts (n int) PARTITION BY RANGE (n); CREATE INDEX p ON parts (n);",
    );
    outputs(&name, "sql.execute = \"REINDEX TABLE parts\"");

    let (code, detail) = told(
        &name,
        "sql.execute = \"CREATE UNIQUE INDEX CONCURRENTLY once ON t (n)\"",
    );
    assert_eq!(code, 2, "{detail}");
    assert!(detail.contains("SQLSTATE 23505"), "{detail}");
    assert!(
        detail.contains("the invalid index once is left"),
        "{detail}"
    );
    assert!(detail.contains("DROP INDEX CONCURRENTLY once"), "{detail}");
}

#[test]
fn what_would_leave_its_transaction_is_refused_before_it_is_sent() {
    for (statement, words) in [
        ("COMMIT", "COMMIT begins or ends a transaction"),
        ("BEGIN", "BEGIN begins or ends a transaction"),
        ("COPY t FROM STDIN", "COPY over the connection is not done"),
        (
            "INSERT INTO t VALUES (1); COMMIT",
            "more than one statement",
        ),
        ("-- nothing", "there is no statement"),
    ] {
        // Nobody listens there.
        let output = run(
            project("postgres://nobody@127.0.0.1:1/x"),
            &format!("sql.execute = \"\"\"{statement}\"\"\"\neffect = \"destroy\""),
        );
        let detail = output.json()["steps"][0]["detail"].to_string();
        assert_eq!(output.code, 78, "{statement}: {detail}");
        assert!(detail.contains(words), "{statement}: {detail}");
    }
}

#[test]
fn nothing_is_changed_by_a_run_that_must_not() {
    let name = cluster().database("CREATE TABLE t (n int); INSERT INTO t VALUES (1);");
    let project = project(&cluster().socket_url(&name)).runbook(
        "change/it",
        "[[step]]\nname = \"change\"\nsql.execute = \"UPDATE t SET n = 2 WHERE n = {{ 1 }}\"\n",
    );
    project
        .run(&["change", "it", "--dry-run"])
        .exits(0)
        .prints("UPDATE t SET n = 2 WHERE n = 1")
        .prints("1 row");
    project.run(&["change", "it", "--read-only"]).exits(75);
    assert_eq!(cluster().psql(&name, "SELECT n FROM t"), "1");
    project.run(&["change", "it"]).exits(0);
    assert_eq!(cluster().psql(&name, "SELECT n FROM t"), "2");
}

#[test]
fn what_the_server_warns_of_is_told() {
    let name = cluster().database("");
    let statement =
        "DO $$ BEGIN RAISE WARNING 'the moon is %', 'full'; RAISE NOTICE 'and round'; END $$";
    let step = format!("sql.execute = \"{statement}\"");
    let (code, detail) = told(&name, &step);
    assert_eq!(code, 0, "{detail}");
    assert!(
        detail.contains("the database warns: the moon is full"),
        "{detail}"
    );
    assert!(!detail.contains("round"), "{detail}");
}

#[test]
fn a_hint_of_the_server_is_told_as_its_own_and_whole() {
    let name = cluster().database("");
    let long = "look ".repeat(60);
    let statement = format!("DO $$ BEGIN RAISE 'no' USING HINT = '{long}there'; END $$");
    let (_, said) = told(&name, &format!("sql.execute = \"{statement}\""));
    assert!(
        said.contains(&format!("the server's hint: {long}there")),
        "{said}"
    );
    let (_, said) = told(&name, "sql.execute = \"SELECT nothing_of_this(1)\"");
    assert!(
        said.contains("the server's hint: No function matches"),
        "{said}"
    );
}

#[test]
fn a_warning_of_the_server_is_told_whole() {
    let name = cluster().database("");
    let long = "look ".repeat(60);
    let statement = format!("DO $$ BEGIN RAISE WARNING '{long}there'; END $$");
    let project = project(&cluster().socket_url(&name)).runbook(
        "change/it",
        &format!("[[step]]\nname = \"change\"\nsql.execute = \"{statement}\"\n"),
    );
    let whole = format!("the database warns: {long}there");
    project
        .run(&["change", "it", "--yes"])
        .exits(0)
        .prints(&whole);
    project.run(&["runs", "show", "1"]).exits(0).prints(&whole);
}

/// Values of every type on their way in, whatever they hold.
#[test]
fn values_are_bound_as_what_the_statement_makes_of_them() {
    let name = cluster().database(
        "CREATE TABLE \"a \"\"b\nc 😀\" (\"n'ame\" text, b bytea, i bigint, d numeric, l int[], j jsonb, m timestamptz, u uuid);",
    );
    let table = r#"{{ "a \"b\nc 😀" | identifier }}"#;
    let step = format!(
        r#"sql.execute = '''INSERT INTO {table} ({{{{ "n'ame" | identifier }}}}, b, i, d, l, j, m, u) VALUES
           ({{{{ "é'; DROP TABLE t; -- \n😀" }}}}, {{{{ {{"base64": "AP8nXA=="}} }}}}, {{{{ -9223372036854775807 }}}},
            {{{{ "12345678901234567890.123456789" }}}}, {{{{ "{{1,NULL,3}}" }}}}, {{{{ {{"a": [1, none, "x'y"]}} }}}},
            {{{{ "2026-02-03T04:05:06+02:00" }}}}, {{{{ "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11" }}}}),
           ({{{{ none }}}}, {{{{ none }}}}, {{{{ none }}}}, {{{{ none }}}}, {{{{ none }}}}, {{{{ none }}}}, {{{{ none }}}}, {{{{ none }}}})'''"#
    );
    assert_eq!(outputs(&name, &step)["changed"], 2);
    let found = cluster().psql(
        &name,
        r#"SELECT "n'ame" = E'é''; DROP TABLE t; -- \n😀', b = '\x00ff275c', i, d, l, j = '{"a": [1, null, "x''y"]}', m = '2026-02-03T02:05:06Z', u
           FROM "a ""b
c 😀" WHERE i IS NOT NULL"#,
    );
    assert_eq!(
        found,
        "t|t|-9223372036854775807|12345678901234567890.123456789|{1,NULL,3}|t|t|a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    );
}

/// The limit of rows of a standing approval is held with what references change.
#[test]
fn a_standing_approval_counts_what_references_change() {
    let name = cluster().database(ORDERS);
    let nightly = |rows: u32| {
        let project = project(&cluster().socket_url(&name)).runbook(
            "change/it",
            &format!(
                "approved = {{ rows = {rows} }}\n[[step]]\nname = \"change\"\nsql.execute = \"DELETE FROM customers\"\n"
            ),
        );
        project.run(&["change", "it", "--format", "json"]).code
    };
    assert_ne!(nightly(11), 0);
    assert_eq!(cluster().psql(&name, "SELECT count(*) FROM orders"), "10");
    assert_eq!(nightly(12), 0);
    assert_eq!(cluster().psql(&name, "SELECT count(*) FROM orders"), "0");
}

/// Behind a pooler a session is another's next: what was told to it ends with the call.
#[test]
fn limits_end_with_the_call() {
    let own: &Cluster = cluster();
    let name = own.database("CREATE TABLE seen (what text, value text);");
    let all = "'statement_timeout', 'lock_timeout', 'client_connection_check_interval', 'application_name'";
    let note =
        format!("INSERT INTO seen SELECT name, setting FROM pg_settings WHERE name IN ({all})");
    outputs(
        &name,
        &format!("sql.execute = \"{note}\"\ntimeout = \"60s\""),
    );
    let of = |what: &str| {
        own.psql(
            &name,
            &format!("SELECT value FROM seen WHERE what = '{what}'"),
        )
    };
    assert_eq!(of("lock_timeout"), "10000");
    assert_eq!(of("client_connection_check_interval"), "2000");
    assert_eq!(of("application_name"), "opsbook");
    let statement: u32 = of("statement_timeout").parse().unwrap();
    assert!((50_000..60_000).contains(&statement), "{statement}");
}
