//! Ctrl-C in the middle of a migration: which one it takes back, and which stay, is known and told.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::Connection;

use super::{cluster, end, pairs, postgres, run, sqlite, states};
use crate::harness::Project;

/// A migration that comes to no end, and how to tell that it is under way.
struct Endless<'a> {
    text: &'a str,
    is_under_way: &'a dyn Fn() -> bool,
}

impl Endless<'_> {
    /// Interrupts a command once it is in the middle of this; gives its code and what it said.
    fn interrupted(&self, project: &Project, verb: &str) -> (i32, String) {
        let mut command = project.command(&["db", "migrations", verb, "--yes", "--no-copy"]);
        command.stdout(std::process::Stdio::piped());
        command.stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        while !(self.is_under_way)() {
            if child.try_wait().unwrap().is_some() {
                panic!("{:?}", end(child));
            }
        }
        kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
        end(child)
    }
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
    let ended = endless.interrupted(&project, "apply");
    none_was_kept(ended, "0002_slow.sql is not applied");
    let applied = ("0001_users", "applied");
    let pending = ("0002_slow", "pending");
    assert_eq!(states(&project, 1), pairs(&[applied, pending]));

    run(&project, &["revert", "--yes"]).exits(0);
    let (code, said) = endless.interrupted(&project, "apply");
    assert_eq!(code, 130, "{said}");
    let told = "interrupted: 0002_slow.sql is not applied; the migration before it is kept";
    assert!(said.contains(told), "{said}");
    assert!(!said.contains("nothing was changed"), "{said}");
    assert_eq!(states(&project, 1), pairs(&[applied, pending]));

    let project = project
        .file("migrations/0002_slow.sql", FAST)
        .file("migrations/0002_slow.down.sql", endless.text);
    run(&project, &["apply", "--yes"]).exits(0);
    let ended = endless.interrupted(&project, "revert");
    none_was_kept(ended, "0002_slow stays applied");
    let applied = [applied, ("0002_slow", "applied")];
    assert_eq!(states(&project, 0), pairs(&applied));
}

#[test]
fn an_interrupt_takes_back_what_is_open_in_a_sqlite_file() {
    let project = sqlite(&[super::USERS, super::NO_USERS]);
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
    let (project, name) = postgres(&[super::USERS, super::NO_USERS]);
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    let endless = Endless {
        text: "CREATE TABLE other (id INTEGER);\nSELECT pg_sleep(600);",
        is_under_way: &|| cluster().psql(&name, sleeping).trim() == "1",
    };
    an_interrupt_takes_back_what_is_open_and_nothing_else(project, &endless);
}
