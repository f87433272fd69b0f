//! The README's first command on a copy of the example estate: it works as it stands, twice, and deletes exactly what is old.

use rusqlite::Connection;

use crate::harness::Project;
use crate::terminal::final_screen;

const WEEKLY: &[&str] = &["--config", "config.example.toml", "maintenance", "weekly"];

fn example() -> Project {
    Project::bare().with_example()
}

fn database(project: &Project) -> Connection {
    Connection::open(project.path("examples/state/concierge.db")).unwrap()
}

/// The keys of the rows that are younger than so many days, or of all.
fn keys(project: &Project, table: &str, younger_than: Option<u32>) -> Vec<i64> {
    let condition = younger_than.map_or("1".to_owned(), |days| {
        format!("created_at >= datetime('now', '-{days} days')")
    });
    let connection = database(project);
    let mut statement = connection
        .prepare(&format!(
            "SELECT id FROM {table} WHERE {condition} ORDER BY id"
        ))
        .unwrap();
    let keys = statement.query_map([], |row| row.get(0)).unwrap();
    keys.collect::<Result<_, _>>().unwrap()
}

#[test]
fn the_first_command_of_the_readme_ends_well_twice() {
    let project = example();
    project.run(WEEKLY).exits(0);
    project.run(WEEKLY).exits(0);
}

#[test]
fn retention_deletes_exactly_the_old_rows() {
    let project = example();
    project
        .run(&["--config", "config.example.toml", "db", "ping"])
        .exits(0);
    let tables = [("audit_logs", 90), ("sessions", 30)];
    let young: Vec<_> = tables
        .map(|(table, days)| keys(&project, table, Some(days)))
        .to_vec();
    for ((table, _), young) in tables.iter().zip(&young) {
        let all = keys(&project, table, None);
        assert!(young.len() < all.len() && !young.is_empty(), "{table}");
    }
    let users = keys(&project, "users", None);
    project.run(WEEKLY).exits(0);
    for ((table, _), young) in tables.iter().zip(&young) {
        assert_eq!(&keys(&project, table, None), young, "{table}");
    }
    assert_eq!(keys(&project, "users", None), users);
}

#[test]
fn the_database_commands_work_on_the_example() {
    let project = example();
    for command in ["ping", "info", "tables", "integrity"] {
        project
            .run(&["--config", "config.example.toml", "db", command])
            .exits(0);
    }
    project
        .run(&["--config", "config.example.toml", "db", "tables"])
        .prints("audit_logs");
}

#[test]
fn the_screen_shows_the_table_once_and_the_verdict_last() {
    let project = example();
    let screen = final_screen(&project, WEEKLY);
    assert!(screen.contains("exit 0"), "{screen}");
    let verdicts = screen
        .lines()
        .filter(|line| line.contains(" steps: "))
        .count();
    assert_eq!(verdicts, 1, "{screen}");
}

#[test]
fn the_readme_names_the_command_that_this_file_runs() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    assert!(readme.contains(&WEEKLY.join(" ")));
}
