//! Copies to go back to: when they are made, where they lie, and what an interrupted one leaves.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::Connection;

use crate::harness::Project;
use crate::postgres_cluster::{PASSWORD, cluster};
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

/// A project whose one migration, which makes the table `t`, was applied.
fn migrated() -> Project {
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
    project
}

#[test]
fn a_migration_is_taken_back_by_one_question() {
    let project = migrated();
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

/// The file is read again once the answer is there: with a copy in between, and without one.
#[test]
fn a_file_that_was_edited_since_the_question_is_asked_about_again() {
    let line = ["db", "file", "fix.sql", "--copy"];
    for line in [&line[..], &line[..3]] {
        for (answer, ends, left) in [("n\r", 75, 6), ("y\r", 0, 4)] {
            let project = project();
            let mut terminal = Terminal::start(&project, line);
            terminal.wait_for("[y/N]");
            let edited = "DELETE FROM users WHERE id <= 2;";
            std::fs::write(project.path("fix.sql"), edited).unwrap();
            terminal.press("y\r");
            terminal.wait_for("This is not what was agreed to before.");
            terminal.wait_for(edited);
            assert_eq!((rows(&project), copies(&project)), (6, 0));
            terminal.press(answer);
            let (code, seen) = terminal.end();
            assert_eq!((code, rows(&project)), (ends, left), "{line:?}: {seen}");
            assert_eq!(seen.matches("[y/N]").count(), 2, "{line:?}: {seen}");
        }
    }
}

/// How many rows a file touches is told as of the question: where others write all the time, no copy is followed by another.
#[test]
fn a_file_whose_rows_became_more_since_the_question_is_not_asked_about_again() {
    let project = project().file("fix.sql", "DELETE FROM users WHERE id > 1;");
    let mut terminal = Terminal::start(&project, &["db", "file", "fix.sql", "--copy"]);
    terminal.wait_for("touches 2 rows");
    terminal.wait_for("[y/N]");
    let connection = Connection::open(project.path("main.db")).unwrap();
    let another = "INSERT INTO users VALUES (4, '2025-03-04')";
    connection.execute_batch(another).unwrap();
    terminal.press("y\r");
    let (code, seen) = terminal.end();
    assert_eq!(
        (code, rows(&project), copies(&project)),
        (0, 4, 1),
        "{seen}"
    );
    assert_eq!(seen.matches("[y/N]").count(), 1, "{seen}");
}

#[test]
fn what_takes_a_migration_back_and_was_edited_since_the_question_is_asked_about_again() {
    let project = migrated();
    let back = "migrations/0001_t.down.sql";
    let keeps = "ALTER TABLE t RENAME TO old;\n";
    for (answer, ends, kept) in [("n\r", 75, "t"), ("y\r", 0, "old")] {
        std::fs::write(project.path(back), "DROP TABLE t;\n").unwrap();
        let mut terminal = Terminal::start(&project, &["db", "migrations", "revert", "--no-copy"]);
        terminal.wait_for("Take 0001_t back on main? [y/N]");
        std::fs::write(project.path(back), keeps).unwrap();
        terminal.press("y\r");
        terminal.wait_for("This is not what was agreed to before.");
        terminal.wait_for(keeps.trim_end());
        terminal.press(answer);
        let (code, seen) = terminal.end();
        assert_eq!(code, ends, "{seen}");
        let connection = Connection::open(project.path("main.db")).unwrap();
        let tables = "SELECT name FROM sqlite_schema WHERE name IN ('t', 'old')";
        let table: String = connection.query_row(tables, [], |row| row.get(0)).unwrap();
        assert_eq!(table, kept, "{seen}");
    }
}

/// A project whose `main` is this database of the cluster and waits so long for a lock.
fn of_postgres(database: &str, lock_timeout: &str) -> Project {
    let config = format!(
        "[database.main]\nkind = \"postgres\"\nurl = \"{{{{ secret.url }}}}\"\nlock_timeout = \"{lock_timeout}\"\n\
         [secret]\nurl = {{ env = \"URL\" }}\n"
    );
    Project::new()
        .config(&config)
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

/// `opsbook` with a `pg_dump` that waits for a table that somebody holds.
fn waiting_dump(project: &Project, database: &str, names: &[&str]) -> (Child, Pid) {
    let opsbook = project
        .command(names)
        .stdout(Stdio::piped())
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
    let waits = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND application_name = 'pg_dump' AND wait_event_type = 'Lock'"
    );
    until("it waits for the table", || {
        cluster().psql("postgres", &waits).trim() == "1"
    });
    (opsbook, dump.unwrap())
}

#[test]
fn a_killed_copy_leaves_no_pg_dump_and_the_next_one_clears_up() {
    let database = cluster().database("CREATE TABLE t (n int); INSERT INTO t VALUES (1)");
    let project = of_postgres(&database, "1h");
    let holder = Session::holding(cluster(), &database, "BEGIN; LOCK TABLE t;");
    let (mut opsbook, dump) = waiting_dump(&project, &database, &["db", "copy"]);
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

/// Without it, whoever goes on with the run changes what nobody can go back to.
#[test]
fn an_interrupted_copy_is_made_again_by_whoever_goes_on() {
    let database = cluster().database("CREATE TABLE t (n int); INSERT INTO t VALUES (1)");
    let project = of_postgres(&database, "1h").runbook(
        "t/x",
        "[[step]]\nname = \"copy\"\ndatabase.copy = \"main\"\n\
         [[step]]\nname = \"change\"\nsql.execute = \"UPDATE t SET n = 2\"\n",
    );
    let holder = Session::holding(cluster(), &database, "BEGIN; LOCK TABLE t;");
    let (opsbook, dump) = waiting_dump(&project, &database, &["t", "x", "--yes"]);
    kill(
        Pid::from_raw(i32::try_from(opsbook.id()).unwrap()),
        Signal::SIGINT,
    )
    .unwrap();
    let ended = opsbook.wait_with_output().unwrap();
    let shown = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(ended.status.code(), Some(130), "{shown}");
    assert!(shown.contains("nothing was changed"), "{shown}");
    assert_eq!((status(dump).as_str(), copies(&project)), ("", 0));

    holder.end(cluster());
    project
        .run(&["resume", "1", "--yes"])
        .exits(0)
        .step("copy", "ok")
        .step("change", "ok");
    assert_eq!(copies(&project), 1);
}

/// `pg_dump` itself waits without end, and says nothing.
#[test]
fn a_copy_waits_for_a_lock_no_longer_than_it_may_and_tells_who_holds_it() {
    let database = cluster().database("CREATE TABLE t (n int)");
    let project = of_postgres(&database, "2s");
    let holder = Session::holding(cluster(), &database, "BEGIN; LOCK TABLE t;");
    project
        .run(&["db", "copy", "--format", "json"])
        .exits(2)
        .prints(
            "pg_dump gave up waiting for a lock after 2s: LOCK TABLE public.t IN ACCESS SHARE MODE",
        )
        .prints(&format!("it waited for session {} of postgres", holder.pid))
        .prints(&format!("opsbook db terminate {} -d main", holder.pid));
    assert_eq!(copies(&project), 0);
}

/// Makes a copy and restores it by the line that is shown; gives that, and the database that it made.
fn restored(database: &str, between: &str) -> (String, String) {
    let project = of_postgres(database, "10s");
    let shown = project.run(&["db", "copy"]).exits(0).stdout;
    cluster().psql(database, between);
    let (_, restore) = shown
        .split_once("to restore it into a new database: ")
        .unwrap();
    let (restore, _) = restore.split_once('\n').unwrap();
    let done = Command::new("sh")
        .args(["-c", restore])
        .env("PGPASSWORD", PASSWORD)
        .output()
        .unwrap();
    assert!(
        done.status.success() && done.stderr.is_empty(),
        "{restore}: {done:?}"
    );
    let beside = format!("SELECT datname FROM pg_database WHERE datname LIKE '{database}-2%Z'");
    let beside = cluster().psql("postgres", &beside);
    (restore.to_owned(), beside.trim().to_owned())
}

/// What a dump does not know of stays where it is, so it goes where there is nothing.
#[test]
fn a_dump_is_restored_beside_the_database_by_one_line() {
    let database = cluster().database(
        "CREATE TABLE customers (id int PRIMARY KEY); INSERT INTO customers VALUES (1), (2)",
    );
    let (restore, beside) = restored(
        &database,
        "CREATE TABLE orders (customer int REFERENCES customers); INSERT INTO orders VALUES (2); DELETE FROM customers WHERE id = 1",
    );
    assert!(!restore.contains("encoding"), "{restore}");
    let state = "SELECT (SELECT count(*) FROM customers), to_regclass('orders') IS NOT NULL";
    assert_eq!(cluster().psql(&beside, state).trim(), "2|f");
    assert_eq!(cluster().psql(&database, state).trim(), "1|t");
}

#[test]
fn a_restored_database_has_the_encoding_and_the_locale_of_the_copied_one() {
    for (database, made) in [
        ("latin", "ENCODING 'LATIN1' LOCALE 'C'"),
        (
            "german",
            "ENCODING 'UTF8' LOCALE 'C' LOCALE_PROVIDER icu ICU_LOCALE 'de-u-kn'",
        ),
    ] {
        let create = format!("CREATE DATABASE {database} TEMPLATE template0 {made}");
        cluster().psql("postgres", &create);
        let (restore, beside) = restored(database, "");
        let of = |name: &str| {
            // Each version of the server has names of its own for them.
            let others = "'{oid,datname,datfrozenxid,datminmxid}'::text[]";
            let asked = format!(
                "SELECT to_jsonb(d) - {others} FROM pg_database AS d WHERE datname = '{name}'"
            );
            cluster().psql("postgres", &asked)
        };
        assert_eq!(of(&beside), of(database), "{restore}");
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
