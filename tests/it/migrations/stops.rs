//! Ctrl-C in the middle of a migration: which one it takes back, and which stay, is known and told.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::Connection;

use super::{
    BROKEN, D1Api, NO_USERS, USERS, cluster, d1, end, pairs, postgres, run, sqlite, states,
};
use crate::harness::Project;
use crate::postgres_faults::{silent_from_commit, through};

/// A migration that comes to no end, and how to tell that it is under way.
struct Endless<'a> {
    text: &'a str,
    is_under_way: &'a dyn Fn() -> bool,
}

/// Interrupts a command once it is so far; gives its code and what it said.
fn interrupted(project: &Project, verb: &str, is_so_far: &dyn Fn() -> bool) -> (i32, String) {
    let mut command = project.command(&["db", "migrations", verb, "--yes", "--no-copy"]);
    command.stdout(std::process::Stdio::piped());
    command.stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    while !is_so_far() {
        if child.try_wait().unwrap().is_some() {
            panic!("{:?}", end(child));
        }
        std::thread::yield_now();
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    end(child)
}

const FAST: &str = "CREATE TABLE slow (id INTEGER);\n";

fn an_interrupt_takes_back_what_is_open_and_nothing_else(project: Project, endless: &Endless<'_>) {
    let none_was_kept = |(code, said): (i32, String), told: &str| {
        assert_eq!(code, 130, "{said}");
        assert!(said.contains(&format!("interrupted: {told}")), "{said}");
        assert!(said.contains("nothing was changed"), "{said}");
        assert!(!said.contains("IN DOUBT"), "{said}");
    };
    let project = project.file("migrations/0002_slow.sql", endless.text);
    run(&project, &["apply", "--to", "0001_users", "--yes"]).exits(0);
    let ended = interrupted(&project, "apply", endless.is_under_way);
    none_was_kept(ended, "0002_slow.sql is not applied");
    let applied = ("0001_users", "applied");
    let pending = ("0002_slow", "pending");
    assert_eq!(states(&project, 1), pairs(&[applied, pending]));

    run(&project, &["revert", "--yes"]).exits(0);
    let (code, said) = interrupted(&project, "apply", endless.is_under_way);
    assert_eq!(code, 130, "{said}");
    let told = "interrupted: 0002_slow.sql is not applied; the migration before it is kept";
    assert!(said.contains(told), "{said}");
    assert!(!said.contains("nothing was changed"), "{said}");
    assert_eq!(states(&project, 1), pairs(&[applied, pending]));

    let project = project
        .file("migrations/0002_slow.sql", FAST)
        .file("migrations/0002_slow.down.sql", endless.text);
    run(&project, &["apply", "--yes"]).exits(0);
    let ended = interrupted(&project, "revert", endless.is_under_way);
    none_was_kept(ended, "0002_slow stays applied");
    let applied = [applied, ("0002_slow", "applied")];
    assert_eq!(states(&project, 0), pairs(&applied));
}

#[test]
fn an_interrupt_takes_back_what_is_open_in_a_sqlite_file() {
    let project = sqlite(&[USERS, NO_USERS]);
    let file = project.path("main.db");
    let endless = Endless {
        text: "CREATE TABLE other (id INTEGER);\nINSERT INTO other WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0;",
        // It is applied, or taken back, behind all that is short.
        is_under_way: &|| {
            let connection = Connection::open(&file).unwrap();
            let applied = "SELECT count(*) FROM opsbook_migrations WHERE name = '0001_users'";
            let is_there = connection.query_row(applied, [], |row| row.get::<_, i64>(0)) == Ok(1);
            connection.busy_timeout(std::time::Duration::ZERO).unwrap();
            is_there
                && connection
                    .execute_batch("BEGIN IMMEDIATE; ROLLBACK;")
                    .is_err()
        },
    };
    an_interrupt_takes_back_what_is_open_and_nothing_else(project, &endless);
}

#[test]
fn an_interrupt_takes_back_what_is_open_on_a_postgres_server() {
    let (project, name) = postgres(&[USERS, NO_USERS]);
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    let endless = Endless {
        text: "CREATE TABLE other (id INTEGER);\nSELECT pg_sleep(600);",
        is_under_way: &|| cluster().psql(&name, sleeping).trim() == "1",
    };
    an_interrupt_takes_back_what_is_open_and_nothing_else(project, &endless);
}

/// Neither its COMMIT is answered nor the look behind it.
#[test]
fn a_revert_is_in_doubt_in_whose_commit_the_server_falls_silent() {
    let (project, name) = postgres(&[USERS, NO_USERS]);
    run(&project, &["apply", "--yes"]).exits(0);
    let (port, coming) = silent_from_commit(cluster().port());
    let project = project.variable("URL", through(&name, port));
    let (code, said) = interrupted(&project, "revert", &|| coming.try_recv().is_ok());
    assert_eq!(code, 130, "{said}");
    assert!(said.contains("IN DOUBT"), "{said}");
    assert!(said.contains("SELECT txid_status("), "{said}");
    let told = "whether it was taken back is not known";
    assert!(said.contains(told), "{said}");
    assert!(!said.contains("nothing was changed"), "{said}");
    let project = project.variable("URL", cluster().url(&name));
    assert_eq!(states(&project, 0), pairs(&[("0001_users", "applied")]));
}

/// It was told what D1 refuses, and that none of it was done; who was to be asked for the account then says nothing.
#[test]
fn a_migration_that_d1_refused_is_not_in_doubt_though_the_last_look_is_cut_off() {
    let refused = || {
        let api = D1Api::with("");
        let project = d1(&api, "", &[BROKEN]);
        (api, project)
    };
    let (api, project) = refused();
    run(&project, &["apply", "--yes"]).exits(2);
    let asked = api.server().count();
    let (api, project) = refused();
    api.fall_silent(asked - 1);
    let is_last = || api.server().count() == asked;
    let (code, said) = interrupted(&project, "apply", &is_last);
    assert_eq!(code, 130, "{said}");
    let told = "interrupted: 0003_broken.sql: line 3, INSERT INTO";
    assert!(said.contains(told), "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
    assert!(!said.contains("IN DOUBT"), "{said}");
    assert_eq!(states(&project, 1), pairs(&[("0003_broken", "pending")]));
}
