//! Copies to go back to: when they are made, where they lie, and what an interrupted one leaves.

use rusqlite::Connection;

use crate::harness::Project;
use crate::terminal::Terminal;

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
