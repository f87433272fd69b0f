//! Real statements on real SQLite databases.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use proptest::prelude::*;
use serde_json::json;

use super::Sql;
use crate::action::testing::{World, sql, sqlite, template, text};
use crate::config::{DatabaseKind, MigrationTool, Migrations, PostgresSettings, SecretSource};
use crate::engine::ErrorKind;
use crate::expr::Argument;

const SETUP: &str = "CREATE TABLE t(n INTEGER, s TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b');";

/// A world whose database `main` is made on first use.
fn world() -> World {
    let world = World::new().with_database("main", sqlite("main.db", Some("setup.sql")));
    fs::write(world.path("setup.sql"), SETUP).unwrap();
    world
}

#[tokio::test]
async fn a_query_gives_rows_and_a_line_for_a_person() {
    let world = world();
    let one = sql(
        "SELECT count(*) AS n, max(s) AS s FROM t WHERE n > ?1",
        &[json!(0)],
    );
    let outputs = world.run(&Sql, "query", one, &[]).await.unwrap();
    assert_eq!(outputs.values["rows"], json!([{"n": 2, "s": "b"}]));
    assert_eq!(outputs.values["columns"], json!(["n", "s"]));
    assert_eq!(outputs.values["count"], 1);
    assert_eq!(outputs.values["changed"], 0);
    assert_eq!(outputs.values["truncated"], false);
    assert_eq!(outputs.detail, "n = 2, s = b");

    let all = || sql("SELECT * FROM t", &[]);
    let outputs = world.run(&Sql, "query", all(), &[]).await.unwrap();
    assert_eq!(outputs.detail, "2 rows");
    let limit = [("limit", Argument::Integer(1))];
    let outputs = world.run(&Sql, "query", all(), &limit).await.unwrap();
    assert_eq!(outputs.detail, "the first 1 rows; there are more");
    assert_eq!(outputs.values["truncated"], true);
    let limit = [("limit", Argument::Integer(-1))];
    let error = world.run(&Sql, "query", all(), &limit).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
}

#[tokio::test]
async fn a_query_that_would_write_is_a_mistake_and_changes_nothing() {
    let world = world();
    world
        .run(&Sql, "query", sql("SELECT 1", &[]), &[])
        .await
        .unwrap();
    let before = fs::read(world.path("main.db")).unwrap();
    for text in [
        "DELETE FROM t",
        "DELETE FROM t RETURNING n",
        "SELECT 1; DROP TABLE t",
        "VACUUM",
    ] {
        let error = world
            .run(&Sql, "query", sql(text, &[]), &[])
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config, "{text}");
        assert!(error.help.is_some(), "{text}");
    }
    assert!(fs::read(world.path("main.db")).unwrap() == before);
}

#[tokio::test]
async fn every_mistake_in_a_statement_is_as_bad() {
    let world = world();
    for (text, message) in [
        ("SELECT n\nFROM nowhere", "no such table: nowhere"),
        ("SELECT n\nFROM t WHERE m = 1", "no such column: m"),
        ("SELECT n\nFROM t WHERE frob(n)", "no such function: frob"),
        (
            "SELECT n\nFROM t LIMIT LIMIT",
            "near \"LIMIT\": syntax error",
        ),
    ] {
        for verb in ["query", "explain"] {
            let error = world
                .run(&Sql, verb, sql(text, &[]), &[])
                .await
                .unwrap_err();
            assert_eq!(error.kind, ErrorKind::Target, "{verb} {text}");
            assert!(error.message.starts_with(message), "{}", error.message);
        }
    }
}

#[tokio::test]
async fn executes_and_explains() {
    let world = world();
    let outputs = world
        .run(
            &Sql,
            "execute",
            sql("UPDATE t SET s = ?1 WHERE n = 1 RETURNING s", &[json!("z")]),
            &[],
        )
        .await
        .unwrap();
    assert_eq!(outputs.values["changed"], 1);
    assert_eq!(outputs.detail, "1 row changed, s = z");
    let outputs = world
        .run(&Sql, "execute", sql("DELETE FROM t", &[]), &[])
        .await
        .unwrap();
    assert_eq!(outputs.detail, "2 rows changed");
    let outputs = world
        .run(&Sql, "explain", sql("DELETE FROM t WHERE n = 1", &[]), &[])
        .await
        .unwrap();
    assert_eq!(outputs.detail, "reads in full: t");
    // Nobody counts the rows that were in it.
    for (text, told) in [
        ("UPDATE t SET n = 1 WHERE n = 9", "0 rows changed"),
        ("PRAGMA user_version = 3", "done"),
        ("DROP TABLE t", "done"),
    ] {
        let outputs = world.run(&Sql, "execute", sql(text, &[]), &[]).await;
        assert_eq!(outputs.unwrap().detail, told, "{text}");
    }
}

#[tokio::test]
async fn a_byte_order_mark_is_no_sql() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.sql");
    fs::write(&path, "\u{feff}SELECT 1").unwrap();
    assert_eq!(super::text_of(&path).await.unwrap(), "SELECT 1");
}

#[tokio::test]
async fn a_file_runs_in_one_transaction() {
    let world = world();
    fs::write(
        world.path("good.sql"),
        "DELETE FROM t WHERE n = 1; INSERT INTO t VALUES (3, 'c');",
    )
    .unwrap();
    fs::write(world.path("bad.sql"), "DELETE FROM t; DELETE FROM nowhere;").unwrap();
    fs::write(world.path("own.sql"), "BEGIN; DELETE FROM t; COMMIT;").unwrap();
    let file = |name: &str| Argument::Path(name.into());
    let outputs = world
        .run(&Sql, "file", file("good.sql"), &[])
        .await
        .unwrap();
    assert_eq!(outputs.values["changed"], 2);
    let error = world
        .run(&Sql, "file", file("bad.sql"), &[])
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (
            ErrorKind::Target,
            "line 1, DELETE FROM nowhere: no such table: nowhere; nothing was changed"
        )
    );
    let error = world
        .run(&Sql, "file", file("own.sql"), &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    fs::write(world.path("off.sql"), "PRAGMA main.foreign_keys = OFF;").unwrap();
    let error = world
        .run(&Sql, "file", file("off.sql"), &[])
        .await
        .unwrap_err();
    assert_eq!(
        error.kind,
        ErrorKind::Config,
        "it would do nothing: {error}"
    );
    let error = world
        .run(&Sql, "file", file("missing.sql"), &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Own);
    let large = fs::File::create(world.path("large.sql")).unwrap();
    large.set_len(1 << 30).unwrap();
    let error = world
        .run(&Sql, "file", file("large.sql"), &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    let left = world
        .run(&Sql, "query", sql("SELECT count(*) AS n FROM t", &[]), &[])
        .await
        .unwrap();
    assert_eq!(left.detail, "n = 2");
}

#[tokio::test]
async fn finds_the_database_or_says_which_there_are() {
    let query = || sql("SELECT 1 AS one", &[]);
    let error = World::new()
        .run(&Sql, "query", query(), &[])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert!(error.help.unwrap().contains("[database.main]"));

    let world = world().with_database("other", sqlite("other.db", Some("setup.sql")));
    assert!(world.run(&Sql, "query", query(), &[]).await.is_ok());
    assert!(
        world
            .run(&Sql, "query", query(), &[("on", text("other"))])
            .await
            .is_ok()
    );
    let error = world
        .run(&Sql, "query", query(), &[("on", text("othr"))])
        .await
        .unwrap_err();
    assert_eq!(error.help.unwrap(), "did you mean \"other\"?");

    let world = World::new()
        .with_database("one", sqlite("one.db", None))
        .with_database("two", sqlite("two.db", None));
    let error = world.run(&Sql, "query", query(), &[]).await.unwrap_err();
    assert_eq!(error.help.unwrap(), "choose with `on`: one, two");
    let error = world
        .run(&Sql, "query", query(), &[("on", text("one"))])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Target);
    assert!(!world.path("one.db").exists());
}

#[tokio::test]
async fn what_only_seems_to_read_a_postgres_database_is_refused() {
    let url = Some(template("postgres://nobody:hunter2@127.0.0.1:1/x"));
    let postgres = DatabaseKind::Postgres(PostgresSettings {
        url,
        ..PostgresSettings::default()
    });
    let world = World::new().with_database("main", postgres);
    let run = |verb: &'static str, object| world.run(&Sql, verb, object, &[]);
    // Refused before anything is connected to, which would be refused in other words.
    for text in [
        "DELETE FROM t WHERE a = 1",
        "SELECT frobnicate(1)",
        "SELECT pg_terminate_backend(1)",
        "SELECT 1; SELECT 2",
        "COMMIT",
        "ANALYZE DELETE FROM t",
    ] {
        for verb in ["query", "explain"] {
            // To be told how it would be done does nothing; the server has no plan of a COMMIT.
            if verb == "explain" && (text.starts_with("DELETE") || text == "COMMIT") {
                continue;
            }
            let error = run(verb, sql(text, &[])).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Config, "{verb} {text}");
        }
    }
    let error = run("query", sql("SELECT 1", &[])).await.unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::Target, "connection refused by 127.0.0.1:1")
    );
}

#[tokio::test]
async fn a_postgres_database_is_found_as_its_url_says() {
    let kind = |url: Option<&str>| {
        DatabaseKind::Postgres(PostgresSettings {
            url: url.map(template),
            ..PostgresSettings::default()
        })
    };
    let ask = async |world: &World| {
        let one = sql("SELECT 1", &[]);
        world.run(&Sql, "query", one, &[]).await.unwrap_err()
    };
    let mut world = World::new().with_database("main", kind(None));
    let error = ask(&world).await;
    assert_eq!(error.kind, ErrorKind::Own);
    assert!(error.help.unwrap().contains("DATABASE_URL"));
    world.environment = vec![(
        "DATABASE_URL".to_owned(),
        "postgres://127.0.0.1:2/x".to_owned(),
    )];
    assert_eq!(
        ask(&world).await.message,
        "connection refused by 127.0.0.1:2"
    );
    for wrong in [
        "mysql://x",
        "postgres://a:hunter2/x",
        "postgres://a?sslmod=x",
    ] {
        let error = ask(&World::new().with_database("main", kind(Some(wrong)))).await;
        assert_eq!(error.kind, ErrorKind::Own, "{wrong}");
        assert!(error.help.is_some());
        assert!(!error.message.contains("hunter2"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the rows and the condition are: as many change as were counted, and as match.
    #[test]
    fn what_is_counted_is_what_is_changed(
        rows in prop::collection::vec((0..9_i64, prop::option::of(0..9_i64)), 0..30),
        (least, most, wanted) in (0..9_i64, 0..9_i64, 0..9_i64),
        shape in 0..6_usize,
        deletes in any::<bool>(),
    ) {
        let condition = [
            format!("a > {least} AND b IS NOT NULL"),
            format!("a BETWEEN {least} AND {most} OR b = {wanted}"),
            format!("NOT (a = {least} OR b = {most})"),
            format!("a IN ({least}, {most}, {wanted})"),
            format!("a IN (SELECT b FROM r WHERE b > {least})"),
            format!("EXISTS (SELECT 1 FROM r AS o WHERE o.b = r.a AND o.a > {least})"),
        ][shape].clone();
        let world = World::new().with_database("main", sqlite("main.db", None));
        let connection = rusqlite::Connection::open(world.path("main.db")).unwrap();
        connection.execute_batch("CREATE TABLE r(a INTEGER, b INTEGER)").unwrap();
        for (a, b) in rows {
            connection.execute("INSERT INTO r VALUES (?1, ?2)", (a, b)).unwrap();
        }
        let matching: i64 = connection
            .query_row(&format!("SELECT count(*) FROM r WHERE {condition}"), [], |row| row.get(0))
            .unwrap();
        let text = match deletes {
            true => format!("DELETE FROM r WHERE {condition}"),
            false => format!("UPDATE r SET b = a + 100 WHERE {condition}"),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outputs = runtime.block_on(world.run(&Sql, "execute", sql(&text, &[]), &[])).unwrap();
        prop_assert_eq!(&outputs.values["changed"], &json!(matching), "{}", text);
        prop_assert_eq!(&outputs.values["counted"], &json!(matching), "{}", text);
    }
}

/// Files with settings, secrets, statements and runbooks.
const THERE: [&str; 9] = [
    "opsbook.toml",
    "runbooks/look.toml",
    "runbooks/notes",
    "token",
    ".env",
    ".dev.vars",
    "wrangler.toml",
    "tls.KEY",
    "schema.sql",
];

/// What else no export may be written to.
const OTHERS: [&str; 13] = [
    "main.db",
    "main.db-wal",
    "main.db-shm",
    "main.db-journal",
    "rows.csv",
    "runbooks/../main.db",
    "setup.sql",
    "runbooks/new.toml",
    "safe/rows.csv",
    "changes/0001_users.sql",
    "back/rows.csv",
    "other.db",
    "other.db-wal",
];

/// An export counts as a read: what is there stays.
#[tokio::test]
async fn an_export_destroys_nothing() {
    let mut world = world();
    let ask = || sql("SELECT n FROM t", &[]);
    let to = |name: &str| ("to", Argument::Path(name.into()));
    let replace = || ("replace", Argument::Boolean(true));
    world.run(&Sql, "query", ask(), &[]).await.unwrap();
    let config = world.path("opsbook.toml");
    world.config.source = Some(crate::base::SourceFile::new(config, ""));
    world.config.databases[0].copies = Some("safe".into());
    world.config.databases[0].migrations = Some(Migrations {
        tool: MigrationTool::Sql { table: None },
        folder: Some("changes".into()),
        rollback: Some("back".into()),
        names: None,
        levels: Vec::new(),
    });
    let token = SecretSource::File("token".into());
    world.config.secrets = vec![("token".to_owned(), token)];
    for folder in ["safe", "runbooks", "changes", "back"] {
        fs::create_dir(world.path(folder)).unwrap();
    }
    for name in THERE {
        fs::write(world.path(name), "old").unwrap();
    }
    fs::copy(world.path("main.db"), world.path("other.db")).unwrap();
    std::os::unix::fs::symlink("main.db", world.path("rows.csv")).unwrap();
    for name in OTHERS.iter().chain(&THERE) {
        let before = fs::read(world.path(name)).ok();
        let options = [to(name), replace()];
        let error = world.run(&Sql, "export", ask(), &options).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{name}");
        assert!(
            error.message.ends_with("no export is written there"),
            "{name}"
        );
        assert!(fs::read(world.path(name)).ok() == before, "{name}");
    }

    fs::write(world.path("old.csv"), "old").unwrap();
    fs::write(world.path("empty.csv"), "").unwrap();
    let error = world.run(&Sql, "export", ask(), &[to("old.csv")]).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.help.unwrap().contains("--force"));
    world.may_change = false;
    let options = [to("old.csv"), replace()];
    let preview = world.preview(&Sql, "export", ask(), &options).await;
    assert!(preview.unwrap().sent.contains("-- its rows replace "));
    let error = world.run(&Sql, "export", ask(), &options).await;
    assert_eq!(error.unwrap_err().kind, ErrorKind::Refused);
    assert_eq!(fs::read_to_string(world.path("old.csv")).unwrap(), "old");
    let new = [to("new.csv")];
    world.run(&Sql, "export", ask(), &new).await.unwrap();
    world.may_change = true;
    world.run(&Sql, "export", ask(), &options).await.unwrap();
    let empty = [to("empty.csv")];
    world.run(&Sql, "export", ask(), &empty).await.unwrap();
    for name in ["old.csv", "new.csv", "empty.csv"] {
        let written = fs::read_to_string(world.path(name)).unwrap();
        assert_eq!(written, "n\r\n1\r\n2\r\n", "{name}");
    }
}

#[tokio::test]
async fn where_only_the_rows_are_asked_for_nothing_else_is_looked_at() {
    let mut world = world();
    let setup = "PRAGMA foreign_keys = ON; CREATE TABLE t(n INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2);
                 CREATE TABLE u(t REFERENCES t ON DELETE CASCADE); INSERT INTO u VALUES (1);";
    fs::write(world.path("setup.sql"), setup).unwrap();
    fs::write(world.path("all.sql"), "DELETE FROM t;").unwrap();
    let delete = || sql("DELETE FROM t WHERE n < 3", &[]);
    let file = || Argument::Path("all.sql".into());
    let told = world.preview(&Sql, "execute", delete(), &[]).await.unwrap();
    assert!(
        told.sent.starts_with("-- takes along 1 row of u"),
        "{}",
        told.sent
    );
    assert!(told.sample.is_some());
    world.counts_only = true;
    let told = world.preview(&Sql, "execute", delete(), &[]).await.unwrap();
    assert_eq!(told.sent, "DELETE FROM t WHERE n < 3");
    assert_eq!((told.rows, told.sample), (Some(2), None));
    let told = world.preview(&Sql, "file", file(), &[]).await.unwrap();
    assert_eq!((told.rows, told.sent.lines().count()), (None, 1));
}

#[tokio::test]
async fn an_export_to_what_is_no_file_goes_through_it() {
    let world = world();
    let ask = || sql("SELECT n FROM t", &[]);
    let to = |name: &str| [("to", Argument::Path(name.into()))];
    for name in ["-", "/dev/stdout", "/dev/fd/1"] {
        world.data.0.lock().unwrap().clear();
        world.run(&Sql, "export", ask(), &to(name)).await.unwrap();
        assert_eq!(*world.data.0.lock().unwrap(), b"n\r\n1\r\n2\r\n", "{name}");
    }
    let pipe = world.path("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let options = to("pipe");
    // Until it has a reader it waits, and can be given up.
    {
        let mut waiting = std::pin::pin!(world.run(&Sql, "export", ask(), &options));
        let gave_up = std::future::poll_fn(|context| {
            let first = Future::poll(waiting.as_mut(), context).is_pending();
            std::task::Poll::Ready(first)
        });
        assert!(gave_up.await);
    }
    assert!(world.told.borrow()[0].starts_with("waits for a reader of "));
    let reader = std::thread::spawn(move || fs::read_to_string(pipe).unwrap());
    world.run(&Sql, "export", ask(), &options).await.unwrap();
    assert_eq!(reader.join().unwrap(), "n\r\n1\r\n2\r\n");
}
