//! What holds for the migrations of SQLite holds for those of PostgreSQL and of D1, by its API and on this machine: changed
//! files, baselines, two hosts at once, a kill in the middle; and the copy from before has the state of before.

use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use serde_json::json;

use super::*;

/// How many of these tables there are: what the engine itself says.
type Count<'a> = &'a dyn Fn() -> i64;

/// A changed file stops everything until it is accepted.
fn a_changed_file_is_accepted_by_a_baseline_alone(project: Project, tables: Count<'_>) {
    run(&project, &["apply"]).exits(0);
    let before = tables();
    let project = project
        .file("migrations/0001_users.sql", "SELECT 1;")
        .file("migrations/0003_a.sql", "CREATE TABLE a (id INTEGER);");
    assert_eq!(states(&project, 2)[0].1, "changed");
    run(&project, &["apply"])
        .exits(78)
        .prints("0001_users is not what was applied");
    assert_eq!(tables(), before);
    run(&project, &["baseline", "0001_users", "--yes"]).exits(0);
    run(&project, &["apply"]).exits(0);
    assert_eq!(tables(), before + 1);
}

/// A baseline marks, and runs nothing.
fn a_baseline_makes_the_account_alone(project: &Project, tables: Count<'_>) {
    run(project, &["baseline", "0001_users"]).exits(75);
    assert_eq!(tables(), 0);
    run(project, &["baseline", "0001_users", "--yes"]).exits(0);
    assert_eq!(tables(), 1);
    assert_eq!(
        states(project, 1),
        pairs(&[("0001_users", "applied"), ("0002_orders", "pending")])
    );
}

fn count_of_postgres(database: &str) -> i64 {
    let sql = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    cluster().psql(database, sql).trim().parse().unwrap()
}

fn count_of_d1(api: &D1Api) -> i64 {
    let sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'";
    api.sql(sql)[0][0].as_i64().unwrap()
}

#[test]
fn a_changed_file_stops_postgres_and_d1_too() {
    let (project, name) = postgres(&[USERS, ORDERS]);
    a_changed_file_is_accepted_by_a_baseline_alone(project, &|| count_of_postgres(&name));
    let api = D1Api::with("");
    let project = d1(&api, "", &[USERS, ORDERS]);
    a_changed_file_is_accepted_by_a_baseline_alone(project, &|| count_of_d1(&api));
}

#[test]
fn a_baseline_marks_on_postgres_and_d1_too() {
    let (project, name) = postgres(&[USERS, ORDERS]);
    a_baseline_makes_the_account_alone(&project, &|| count_of_postgres(&name));
    let api = D1Api::with("");
    let project = d1(&api, "", &[USERS, ORDERS]);
    a_baseline_makes_the_account_alone(&project, &|| count_of_d1(&api));
}

/// Those of [`counting`], no more than this.
fn few(most: usize) -> Vec<(String, String)> {
    counting().into_iter().take(most).collect()
}

fn borrowed(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect()
}

const ONCE: &str = "SELECT count(*) * 100 + count(DISTINCT n) FROM log";
const IN_STEP: &str =
    "SELECT (SELECT count(*) FROM log) + 1 = (SELECT count(*) FROM opsbook_migrations)";

#[test]
fn two_hosts_that_apply_to_one_d1_at_once_apply_each_migration_once() {
    let api = D1Api::with("");
    let files = counting();
    let project = d1(&api, "", &borrowed(&files));
    let (one, two) = apart(&project);
    for (code, said) in [end(one), end(two)] {
        assert_eq!(code, 0, "{said}");
    }
    assert_eq!(api.sql(ONCE), json!([[1919]]));
    assert_eq!(api.sql(IN_STEP), json!([[1]]));
}

#[test]
fn a_kill_at_any_moment_leaves_a_d1_in_step() {
    let api = D1Api::with("");
    let files = counting();
    let project = d1(&api, "", &borrowed(&files));
    run(&project, &["apply", "--to", "0000_log", "--yes"]).exits(0);
    let applied = || api.sql("SELECT count(*) FROM log");
    for _ in 0..5 {
        let before = applied();
        let mut child = begin(&project);
        while applied() == before && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(api.sql(IN_STEP), json!([[1]]));
    }
    run(&project, &["apply", "--yes"]).exits(0);
    assert_eq!(api.sql(ONCE), json!([[1919]]));
}

/// The answer is lost when all is done: what was applied is not applied twice.
#[test]
fn a_lost_answer_of_d1_applies_nothing_twice() {
    let api = D1Api::with("CREATE TABLE log (n INTEGER)");
    let project = d1(&api, "", &[("0001_add.sql", "INSERT INTO log VALUES (1);")]);
    run(&project, &["apply", "--dry-run"]).exits(0);
    let before = api.server().count();
    run(&project, &["apply", "--to", "0001_add", "--yes"]).exits(0);
    let asked = api.server().count() - before;
    // Whichever of the requests it is.
    for lost in 0..asked {
        let api = D1Api::with("CREATE TABLE log (n INTEGER)");
        let project = d1(&api, "", &[("0001_add.sql", "INSERT INTO log VALUES (1);")]);
        api.lose_answer(lost);
        let first = run(&project, &["apply", "--to", "0001_add", "--yes"]);
        // It is looked up, and what only makes the account is made again.
        assert_ne!(first.code, 4, "request {lost}");
        run(&project, &["apply", "--yes"]).exits(0);
        assert_eq!(api.sql(ONCE), json!([[101]]), "request {lost}");
        assert_eq!(
            api.sql("SELECT count(*) FROM opsbook_migrations"),
            json!([[1]])
        );
    }
}

/// What a statement gives in the D1 of this machine, asked beside workerd.
#[track_caller]
fn in_copy(project: &Project, sql: &str) -> i64 {
    let connection = Connection::open(file_of_copy(project).unwrap()).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn two_hosts_and_a_kill_leave_the_d1_of_this_machine_in_step() {
    let migrations = "[database.main.migrations]\nfolder = \"migrations\"";
    let project = few(3)
        .iter()
        .fold(local_by(STAND_IN, migrations), |project, (name, text)| {
            project.file(&format!("migrations/{name}"), text)
        });
    // The step alone: each call of wrangler takes seconds.
    let project = project.runbook(
        "only/apply",
        "[[step]]\nname = \"apply\"\nmigrations.apply = \"main\"\n",
    );
    let project = behind(
        project,
        "grep -qs 'INSERT INTO log' \"${7#--file=}\" && touch ../adding",
    );
    let only = |host: &str| {
        let mut command = project.command(&["only", "apply", "--yes"]);
        command.env("XDG_STATE_HOME", project.path(host));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    // Killed where one is applied and the next begins.
    let mut child = only("one");
    zoo::until("the second one begins", || {
        project.path("adding").exists() || child.try_wait().unwrap().is_some()
    });
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    child.wait().unwrap();
    // What wrangler was about may end behind the kill: in step at every moment.
    assert_eq!(in_copy(&project, IN_STEP), 1);
    for (code, said) in [only("two"), only("three")].map(end) {
        assert_eq!(code, 0, "{said}");
    }
    assert_eq!(in_copy(&project, ONCE), 202);
    assert_eq!(in_copy(&project, IN_STEP), 1);
}

const SPOILING: (&str, &str) = (
    "0002_spoil.sql",
    "-- opsbook: allow all-rows the test wants it\nUPDATE users SET name = 'spoilt';\nCREATE TABLE more (id INTEGER);",
);

/// The way back that a copy tells.
#[track_caller]
fn way_back(project: &Project) -> String {
    let output = project.run(&["db", "migrations", "apply", "--yes", "--format", "json"]);
    let document = output.exits(0).json();
    let steps = document["steps"].as_array().unwrap();
    let copy = steps.iter().find(|step| step["step"] == "copy").unwrap();
    copy["outputs"]["restore"].as_str().unwrap().to_owned()
}

fn shell(line: &str, folder: &Path, variables: &[(&str, &str)]) {
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{line}\n{output:?}");
}

/// The way back leads to the rows, the structure and the account of before.
#[test]
fn a_copy_from_before_a_migration_leads_back_to_the_state_of_before() {
    let state = "SELECT name FROM users";
    let tables_of_sqlite = "SELECT group_concat(name) FROM (SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name)";
    let project = sqlite(&[USERS]);
    run(&project, &["apply"]).exits(0);
    let project = project.file(&format!("migrations/{}", SPOILING.0), SPOILING.1);
    let restore = way_back(&project);
    let asked = |sql: &str| -> String {
        let connection = Connection::open(project.path("main.db")).unwrap();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(asked(state), "spoilt");
    shell(&restore, &project.path("."), &[]);
    assert_eq!(asked(state), "it's;");
    assert_eq!(asked(tables_of_sqlite), "opsbook_migrations,users");
    assert_eq!(states(&project, 1)[1].1, "pending");
    run(&project, &["apply", "--yes"]).exits(0);

    let (project, name) = postgres(&[USERS]);
    run(&project, &["apply"]).exits(0);
    let project = project.file(&format!("migrations/{}", SPOILING.0), SPOILING.1);
    let restore = way_back(&project);
    let asked = || cluster().psql(&name, state).trim().to_owned();
    assert_eq!(asked(), "spoilt");
    // It holds no password.
    assert!(!restore.contains("hunter2"), "{restore}");
    shell(&restore, &project.path("."), &[("PGPASSWORD", PASSWORD)]);
    // Into a new database beside it, and the one that is there stays as it is.
    let beside = format!("SELECT datname FROM pg_database WHERE datname LIKE '{name}-%'");
    let beside = cluster().psql("postgres", &beside).trim().to_owned();
    assert_eq!(cluster().psql(&beside, state).trim(), "it's;");
    assert_eq!(count_of_postgres(&beside), 2);
    let account = "SELECT string_agg(name, ' ') FROM opsbook_migrations";
    assert_eq!(cluster().psql(&beside, account).trim(), "0001_users");
    assert_eq!(asked(), "spoilt");

    let api = D1Api::with("");
    let project = d1(&api, "", &[USERS]);
    assert!(way_back(&project).contains(BOOKMARK));
}
