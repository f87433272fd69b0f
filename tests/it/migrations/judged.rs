//! What was judged and agreed to is what is applied: not what came into the folder since.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;
use crate::terminal::Terminal;

/// It goes on for as long as `pace` says, and holds the lock of the file from its first statement on.
const SLOW: (&str, &str) = (
    "0003_slow.sql",
    "CREATE TABLE slow (n INTEGER);\nINSERT INTO slow WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c, pace \
     WHERE n < rounds) SELECT count(*) FROM c;\n",
);
const PACE: (&str, &str) = (
    "0001_pace.sql",
    "CREATE TABLE pace (rounds INTEGER);\nINSERT INTO pace VALUES (9000000000000);\n",
);
const SECOND: (&str, &str) = ("0002_second.sql", "CREATE TABLE second (id INTEGER);\n");
const DROP: &str = "DROP TABLE pace;\n";

fn does_not_exist(table: &str) -> String {
    format!("SELECT count(*) = 0 FROM sqlite_schema WHERE name = '{table}'")
}

/// A run that was stopped by Ctrl-C in the middle of `0003_slow`, behind `0002_second`.
fn stopped() -> Project {
    let project = sqlite(&[PACE, SECOND, SLOW]);
    run(&project, &["apply", "--to", "0001_pace"]).exits(0);
    let mut child = begin(&project);
    let connection = Connection::open(project.path("main.db")).unwrap();
    let is_held = || {
        let second = "SELECT count(*) FROM opsbook_migrations WHERE name = '0002_second'";
        let applied = connection.query_row(second, [], |row| row.get::<_, i64>(0));
        applied == Ok(1)
            && connection
                .execute_batch("BEGIN IMMEDIATE; ROLLBACK;")
                .is_err()
    };
    connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    while !is_held() {
        if child.try_wait().unwrap().is_some() {
            panic!("{:?}", end(child));
        }
    }
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let (code, said) = end(child);
    assert_eq!(code, 130, "{said}");
    project
}

#[test]
fn a_resume_applies_nothing_that_came_or_changed_since_it_was_judged() {
    let project = stopped()
        .file("migrations/0003_slow.sql", DROP)
        .file("migrations/0004_drop.sql", DROP);
    // It is not 75, for the run has changed something before.
    let shown = project.run(&["resume"]).exits(3).stdout;
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for told in [
        "apply: what is pending is not what was judged: 0003_slow changed, 0004_drop came; nothing more was done",
        "→ run opsbook db migrations apply main again",
    ] {
        assert!(shown.contains(told), "{shown}");
    }
    // Judged now, it is asked about.
    let told = step_of(&project, &["apply"], 75, "check");
    assert_eq!(told["outputs"]["problems"], 2, "{told}");
    assert_eq!(in_sqlite(&project, &does_not_exist("pace")), 0);
    assert_eq!(in_sqlite(&project, &does_not_exist("slow")), 1);
}

#[test]
fn a_resume_goes_on_with_what_is_left_of_what_was_judged() {
    let project = stopped();
    let connection = Connection::open(project.path("main.db")).unwrap();
    connection
        .execute("UPDATE pace SET rounds = 3", [])
        .unwrap();
    project.run(&["resume"]).exits(0);
    assert_eq!(in_sqlite(&project, "SELECT n FROM slow"), 3);
}

#[test]
fn what_comes_while_a_question_stands_is_not_agreed_to() {
    let project = sqlite(&[USERS, ORDERS]);
    run(&project, &["apply"]).exits(0);
    let project = project.file("migrations/0003_drop.sql", "DROP TABLE orders;\n");
    let apply = ["db", "migrations", "apply", "--no-copy"];
    let mut terminal = Terminal::start(&project, &apply);
    terminal.wait_for("Apply them anyway? [y/N]");
    let project = project.file("migrations/0004_drop.sql", "DROP TABLE users;\n");
    terminal.press("y\r");
    let (code, seen) = terminal.end();
    assert_eq!(code, 75, "{seen}");
    assert!(seen.contains("0004_drop came"), "{seen}");
    for table in ["users", "orders"] {
        assert_eq!(in_sqlite(&project, &does_not_exist(table)), 0, "{table}");
    }
    // Asked again, it is agreed to.
    let mut terminal = Terminal::start(&project, &apply);
    terminal.wait_for("Apply them anyway? [y/N]");
    terminal.press("y\r");
    let (code, seen) = terminal.end();
    assert_eq!(code, 0, "{seen}");
    assert_eq!(in_sqlite(&project, &does_not_exist("users")), 1);
}
