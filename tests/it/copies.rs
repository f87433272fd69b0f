//! Copies to go back to: when they are made, where they lie, and what an interrupted one leaves.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use nix::unistd::Pid;
use rusqlite::Connection;

use crate::harness::Project;
use crate::postgres_cluster::cluster;
use crate::postgres_session::Session;
use crate::terminal::Terminal;
use crate::zoo::{self, until};

const RETENTION: &str = "[[database.main.retention]]\ntable = \"users\"\ncolumn = \"seen\"\nkeep = \"1d\"\n\
     [[database.main.retention]]\ntable = \"visits\"\ncolumn = \"seen\"\nkeep = \"1d\"\n";

/// A file of SQLite with two tables of three old rows each.
fn project() -> Project {
    let project = Project::new().config(&format!(
        "project = \"test\"\n[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\n{RETENTION}"
    ));
    let connection = Connection::open(project.path("main.db")).unwrap();
    for table in ["users", "visits"] {
        let rows = "VALUES (1, '2025-03-01'), (2, '2025-03-02'), (3, '2025-03-03')";
        connection
            .execute_batch(&format!(
                "CREATE TABLE {table} (id INTEGER PRIMARY KEY, seen TEXT); INSERT INTO {table} {rows}"
            ))
            .unwrap();
    }
    project.file("fix.sql", "DELETE FROM users WHERE id = 1;")
}

fn rows(project: &Project) -> i64 {
    let connection = Connection::open(project.path("main.db")).unwrap();
    let both = "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM visits)";
    connection.query_row(both, [], |row| row.get(0)).unwrap()
}

/// The copies that are there.
fn copies(project: &Project) -> usize {
    let Ok(entries) = std::fs::read_dir(project.path("copies")) else {
        return 0;
    };
    let names = entries.map(|entry| entry.unwrap().file_name());
    names.filter(|name| name != ".gitignore").count()
}

#[test]
fn who_says_no_has_no_copy_and_who_says_yes_has_one_of_before() {
    let delete = "DELETE FROM users WHERE id = 1";
    for (line, left) in [
        (&["db", "execute", delete, "--copy"][..], 5),
        (&["db", "file", "fix.sql", "--copy"], 5),
        (&["db", "prune", "users"], 3),
    ] {
        let project = project();
        // Nobody to ask.
        project.run(line).exits(75).prints("needs --yes");
        let mut terminal = Terminal::start(&project, line);
        terminal.wait_for("[y/N]");
        terminal.press("n\r");
        let (code, seen) = terminal.end();
        assert_eq!((code, copies(&project)), (75, 0), "{line:?}: {seen}");
        assert_eq!(rows(&project), 6);

        let mut terminal = Terminal::start(&project, line);
        terminal.wait_for("[y/N]");
        assert_eq!(copies(&project), 0, "{line:?}");
        terminal.press("y\r");
        let (code, seen) = terminal.end();
        assert_eq!((code, copies(&project)), (0, 1), "{line:?}: {seen}");
        assert_eq!(rows(&project), left);
        assert_eq!(seen.matches("[y/N]").count(), 1, "{line:?}: {seen}");
    }
}

/// All tables are asked for before anything of the first is copied or deleted.
#[test]
fn no_to_one_table_of_a_prune_keeps_all_of_them() {
    let project = project();
    let mut terminal = Terminal::start(&project, &["db", "prune"]);
    terminal.wait_for("rows of users");
    terminal.press("y\r");
    terminal.wait_for("rows of visits");
    terminal.press("n\r");
    let (code, seen) = terminal.end();
    assert_eq!((code, copies(&project)), (75, 0), "{seen}");
    assert_eq!(rows(&project), 6);
}

#[test]
fn a_migration_is_taken_back_by_one_question() {
    let config = "project = \"test\"\n[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\n\
         create = \"empty.sql\"\n[database.main.migrations]\nfolder = \"migrations\"\n";
    let project = Project::new()
        .config(config)
        .file("empty.sql", "")
        .file("migrations/0001_t.sql", "CREATE TABLE t (id INTEGER);\n")
        .file("migrations/0001_t.down.sql", "DROP TABLE t;\n");
    project
        .run(&["db", "migrations", "apply", "--no-copy"])
        .exits(0);
    for (answer, ends, kept) in [("n\r", 75, 0), ("y\r", 0, 1)] {
        let mut terminal = Terminal::start(&project, &["db", "migrations", "revert"]);
        terminal.wait_for("Take 0001_t back on main? [y/N]");
        assert_eq!(copies(&project), 0);
        terminal.press(answer);
        let (code, seen) = terminal.end();
        assert_eq!((code, copies(&project)), (ends, kept), "{seen}");
        assert_eq!(seen.matches("[y/N]").count(), 1, "{seen}");
    }
}

/// What was agreed to before the copy is not what would be done behind it: somebody else applied another migration.
#[test]
fn what_others_migrated_since_the_question_is_asked_about_again() {
    let first = Project::new();
    let of_host = |project: Project, names: &[&str]| {
        let path = first.path("main.db");
        let project = project.config(&format!(
            "project = \"test\"\n[database.main]\nkind = \"sqlite\"\npath = {path:?}\n[database.main.migrations]\nfolder = \"migrations\"\n"
        ));
        names.iter().fold(project, |project, name| {
            let table = format!("t{}", &name[3..4]);
            project
                .file(
                    &format!("migrations/{name}.sql"),
                    format!("CREATE TABLE {table} (id INTEGER);\n"),
                )
                .file(
                    &format!("migrations/{name}.down.sql"),
                    format!("DROP TABLE {table};\n"),
                )
        })
    };
    let all = ["0001_one", "0002_two", "0003_three"];
    let apply = ["db", "migrations", "apply", "--no-copy"];
    for (answer, ends, left) in [("n\r", 75, 3), ("y\r", 0, 2)] {
        std::fs::File::create(first.path("main.db")).unwrap();
        let (here, there) = (of_host(Project::new(), &all), of_host(Project::new(), &all));
        here.run(&[&apply[..], &["--to", "0002_two"]].concat())
            .exits(0);
        let mut terminal = Terminal::start(&here, &["db", "migrations", "revert"]);
        terminal.wait_for("Take 0002_two back on main? [y/N]");
        there.run(&apply).exits(0);
        terminal.press("y\r");
        terminal.wait_for("This is not what was agreed to before.");
        terminal.wait_for("-- back from 0003_three");
        terminal.press(answer);
        let (code, seen) = terminal.end();
        assert_eq!(code, ends, "{seen}");
        let applied = Connection::open(first.path("main.db")).unwrap();
        let count = "SELECT count(*) FROM sqlite_schema WHERE name IN ('t1', 't2', 't3')";
        let tables: i64 = applied.query_row(count, [], |row| row.get(0)).unwrap();
        assert_eq!(tables, left, "{seen}");
    }
}

/// A project whose `main` is this database of the cluster.
fn of_postgres(database: &str) -> Project {
    Project::new()
        .config("[database.main]\nkind = \"postgres\"\nurl = \"{{ secret.url }}\"\n[secret]\nurl = { env = \"URL\" }\n")
        .variable("URL", cluster().url(database))
}

/// What `/proc` says of a process; nothing of one that has ended.
fn status(pid: Pid) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    match status.contains("\nState:\tZ") {
        true => String::new(),
        false => status,
    }
}

#[test]
fn a_killed_copy_leaves_no_pg_dump_and_the_next_one_clears_up() {
    let database = cluster().database("CREATE TABLE t (n int); INSERT INTO t VALUES (1)");
    let project = of_postgres(&database);
    let holder = Session::holding(cluster(), &database, "BEGIN; LOCK TABLE t;");
    let mut opsbook = project
        .command(&["db", "copy"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let parent = format!("\nPPid:\t{}\n", opsbook.id());
    let mut dump = None;
    until("pg_dump runs", || {
        dump = zoo::processes().into_iter().find(|pid| {
            let status = status(*pid);
            status.starts_with("Name:\tpg_dump\n") && status.contains(&parent)
        });
        dump.is_some()
    });
    let dump = dump.unwrap();
    let waits = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND application_name = 'pg_dump' AND wait_event_type = 'Lock'"
    );
    until("it waits for the table", || {
        cluster().psql("postgres", &waits).trim() == "1"
    });
    opsbook.kill().unwrap();
    opsbook.wait().unwrap();
    until("pg_dump has ended", || status(dump).is_empty());
    assert_eq!(copies(&project), 1, "what it was writing");

    holder.end(cluster());
    project.run(&["db", "copy"]).exits(0);
    assert_eq!(copies(&project), 1, "the new one alone");
    let entries = std::fs::read_dir(project.path("copies")).unwrap();
    for entry in entries.map(Result::unwrap) {
        let mode = entry.metadata().unwrap().permissions().mode();
        let name = entry.file_name().into_string().unwrap();
        assert!(name == ".gitignore" || mode & 0o777 == 0o600, "{name}");
        assert!(!name.starts_with(".opsbook-draft-"), "{name}");
    }
}

/// The folder was there before, in a repository whose owner ignores nothing: a dump must not be committed.
#[test]
fn no_copy_is_ever_added_to_a_repository() {
    let project = project().file("copies/notes.txt", "mine");
    let git = |arguments: &[&str]| {
        let done = Command::new("git")
            .args(arguments)
            .current_dir(project.path(""))
            .output()
            .expect("git is there");
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    git(&["init", "--quiet"]);
    let told = project.run(&["db", "copy", "--format", "json"]).exits(0);
    assert!(
        told.stdout.contains("/copies/opsbook-copies/main-"),
        "{}",
        told.shown()
    );
    git(&["add", "--all"]);
    let added = git(&["diff", "--cached", "--name-only"]);
    assert!(added.contains("copies/notes.txt"), "{added}");
    assert!(!added.contains("opsbook-copies"), "{added}");
    std::fs::set_permissions(project.path("copies"), Permissions::from_mode(0o777)).unwrap();
    project
        .run(&["db", "copy"])
        .exits(3)
        .prints("others may write to")
        .prints("chmod go-w");
}
