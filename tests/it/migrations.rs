//! Migrations through the commands that a person types, on real SQLite files, a real PostgreSQL server and a real D1.

mod engines;
mod judged;
mod stops;

use std::io::Read as _;
use std::process::{Child, Stdio};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::d1_api::{ACCOUNT, BOOKMARK, D1Api, ID, NAME, TOKEN};
use super::harness::{Output, Project};
use super::postgres_cluster::{PASSWORD, cluster};
use super::postgres_session::{Session, until};
use super::workerd::{node, npm};
use super::wrangler::{STAND_IN, behind, file_of_copy, local_by, real, worker};
use super::zoo;

const USERS: (&str, &str) = (
    "0001_users.sql",
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);\nINSERT INTO users VALUES (1, 'it''s;');\n",
);
const NO_USERS: (&str, &str) = ("0001_users.down.sql", "DROP TABLE users;\n");
const ORDERS: (&str, &str) = (
    "0002_orders.sql",
    "-- Orders of users.\nBEGIN;\nCREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id));\nCREATE INDEX orders_user ON orders (user_id);\nCOMMIT;\n-- end",
);
const NO_ORDERS: (&str, &str) = (
    "0002_orders.down.sql",
    "DROP TABLE orders -- with its index",
);
/// It fails in its third line, after a statement that went well.
const BROKEN: (&str, &str) = (
    "0003_broken.sql",
    "CREATE TABLE half (id INTEGER);\n\nINSERT INTO nowhere VALUES (1);\n",
);

/// A project with these migrations for the database that `database` describes.
fn project(database: &str, files: &[(&str, &str)]) -> Project {
    let config = format!(
        "project = \"test\"\n[secret]\nurl = {{ env = \"URL\" }}\n[database.main]\n{database}\n"
    );
    let project = Project::new().config(&config).file("empty.sql", "");
    files.iter().fold(project, |project, (name, text)| {
        project.file(&format!("migrations/{name}"), text)
    })
}

const SQLITE: &str = "kind = \"sqlite\"\npath = \"main.db\"\ncreate = \"empty.sql\"\n[database.main.migrations]\nfolder = \"migrations\"";
const POSTGRES: &str = "kind = \"postgres\"\nurl = \"{{ secret.url }}\"\n[database.main.migrations]\nfolder = \"migrations\"";

fn sqlite(files: &[(&str, &str)]) -> Project {
    project(SQLITE, files)
}

/// A project on an empty database of the server, and the name of that.
fn postgres(files: &[(&str, &str)]) -> (Project, String) {
    let name = cluster().database("");
    let project = project(POSTGRES, files).variable("URL", cluster().url(&name));
    (project, name)
}

/// `opsbook db migrations …` to its end. Copies, of which there is one a second at most, are the matter of their own test.
fn run(project: &Project, arguments: &[&str]) -> Output {
    let without: &[&str] = match arguments[0] {
        "apply" | "revert" => &["--no-copy"],
        _ => &[],
    };
    project.run(&[&["db", "migrations"], arguments, without].concat())
}

/// The outputs of a step of `opsbook db migrations …`.
#[track_caller]
fn outputs(project: &Project, arguments: &[&str], code: i32, step: &str) -> Value {
    step_of(project, arguments, code, step)["outputs"].clone()
}

/// What the failing step of `opsbook db migrations apply --yes` tells, and what it says to do next.
#[track_caller]
fn failing(project: &Project) -> [String; 2] {
    let step = step_of(project, &["apply", "--yes"], 2, "apply");
    ["detail", "help"].map(|field| step[field].as_str().unwrap_or_default().to_owned())
}

/// A step of `opsbook db migrations …`.
#[track_caller]
fn step_of(project: &Project, arguments: &[&str], code: i32, step: &str) -> Value {
    let output = run(project, &[arguments, &["--format", "json"]].concat()).exits(code);
    let document = output.json();
    let steps = document["steps"].as_array().unwrap();
    let found = steps.iter().find(|found| found["step"] == step);
    found.unwrap_or_else(|| panic!("{document}")).clone()
}

/// The names with their states, as status tells them.
#[track_caller]
fn states(project: &Project, code: i32) -> Vec<(String, String)> {
    let told = outputs(project, &["status"], code, "status");
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let rows = told["rows"].as_array().unwrap();
    rows.iter()
        .map(|row| (text(row, "name"), text(row, "state")))
        .collect()
}

fn pairs(states: &[(&str, &str)]) -> Vec<(String, String)> {
    states
        .iter()
        .map(|(name, state)| ((*name).to_owned(), (*state).to_owned()))
        .collect()
}

fn in_sqlite(project: &Project, sql: &str) -> i64 {
    let connection = Connection::open(project.path("main.db")).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

const TABLES: &str =
    "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'";

/// A project on a real D1, empty but for this, behind its API.
fn d1(api: &D1Api, migrations: &str, files: &[(&str, &str)]) -> Project {
    let config = format!(
        "kind = \"d1\"\nname = \"{NAME}\"\nid = \"{ID}\"\naccount = \"{ACCOUNT}\"\ntoken = \"{{{{ secret.url }}}}\"\n\
         [database.main.migrations]\n{migrations}"
    );
    project(&config, files)
        .variable("URL", TOKEN)
        .variable("CLOUDFLARE_API_BASE_URL", api.url())
}

/// Has what takes the last migration back fail, and mends it.
fn a_way_back_that_fails(project: Project) -> Project {
    // What does not take it back changes nothing.
    let project = project.file("migrations/0004_broken.down.sql", BROKEN.1);
    let told = step_of(&project, &["revert", "--yes"], 2, "revert");
    let detail = told["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("back from 0004_broken: line 1, CREATE TABLE half: ")
            && detail.ends_with("; nothing was changed"),
        "{detail}"
    );
    assert_eq!(
        told["help"],
        "mend what takes it back, then: opsbook db migrations revert main"
    );
    project.file("migrations/0004_broken.down.sql", "DROP TABLE half;")
}

/// The way of every engine: pending, applied, failing, mended, taken back.
fn the_way_of_migrations(project: Project) -> Project {
    let told = outputs(&project, &["status"], 1, "status");
    assert_eq!(told["pending"], 2);
    run(&project, &["status"])
        .exits(1)
        .prints("db migrations apply main");
    run(&project, &["apply"]).exits(0).prints("0002_orders");
    assert_eq!(
        states(&project, 0),
        pairs(&[("0001_users", "applied"), ("0002_orders", "applied")])
    );
    // Twice is once.
    run(&project, &["apply"]).exits(0).step("apply", "skipped");
    // What fails is taken back whole and named with its line; the one before it stays.
    let project = project
        .file("migrations/0003_a.sql", "CREATE TABLE a (id INTEGER);")
        .file("migrations/0004_broken.sql", BROKEN.1)
        .file(
            "migrations/0005_never.sql",
            "CREATE TABLE never (id INTEGER);",
        );
    let [detail, help] = failing(&project);
    assert!(
        detail.starts_with("0004_broken.sql: line 3, INSERT INTO nowhere: ")
            && detail.ends_with("; nothing was changed; the migration before it is kept"),
        "{detail}"
    );
    assert_eq!(
        help,
        "mend 0004_broken.sql, then: opsbook db migrations apply main"
    );
    assert_eq!(
        states(&project, 1)[2..],
        pairs(&[
            ("0003_a", "applied"),
            ("0004_broken", "pending"),
            ("0005_never", "pending")
        ])
    );
    let project = project.file(
        "migrations/0004_broken.sql",
        "CREATE TABLE half (id INTEGER);",
    );
    let told = outputs(&project, &["apply", "--to", "0004_broken"], 0, "apply");
    assert_eq!((&told["applied"], &told["pending"]), (&json!(1), &json!(1)));
    // Nothing takes 0003 and 0004 back, so nothing is done.
    run(&project, &["revert", "--to", "0001_users", "--yes"])
        .exits(78)
        .prints("nothing takes 0004_broken back");
    let project = project
        .file("migrations/0003_a.down.sql", "DROP TABLE a;")
        .file("migrations/0004_broken.down.sql", "DROP TABLE half;");
    run(&project, &["revert", "--to", "0001_users"])
        .exits(75)
        .prints("--yes");
    assert_eq!(states(&project, 1)[3].1, "applied");
    let project = a_way_back_that_fails(project);
    let told = outputs(
        &project,
        &["revert", "--to", "0001_users", "--yes"],
        0,
        "revert",
    );
    assert_eq!(told["reverted"], 3);
    assert_eq!(
        states(&project, 1)[..3],
        pairs(&[
            ("0001_users", "applied"),
            ("0002_orders", "pending"),
            ("0003_a", "pending")
        ])
    );
    run(&project, &["revert", "--yes"]).exits(0);
    assert_eq!(states(&project, 1)[0].1, "pending");
    project
}

#[test]
fn migrations_go_their_way_on_sqlite() {
    let project = the_way_of_migrations(sqlite(&[USERS, NO_USERS, ORDERS, NO_ORDERS]));
    // The ledger alone is left.
    assert_eq!(in_sqlite(&project, TABLES), 1);
}

#[test]
fn migrations_go_their_way_on_postgres() {
    let (project, name) = postgres(&[USERS, NO_USERS, ORDERS, NO_ORDERS]);
    the_way_of_migrations(project);
    let left = "SELECT string_agg(relname, ' ') FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    assert_eq!(cluster().psql(&name, left).trim(), "opsbook_migrations");
}

#[test]
fn migrations_go_their_way_on_d1() {
    let api = D1Api::with("");
    let files = [USERS, NO_USERS, ORDERS, NO_ORDERS];
    the_way_of_migrations(d1(&api, "", &files));
    let left = api.sql("SELECT group_concat(name) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'");
    assert_eq!(left, json!([["opsbook_migrations"]]));
}

/// On D1 nothing switches references off: a table that is dropped takes along what refers to it. What the check says to do
/// instead keeps every row.
#[test]
fn a_parent_is_made_anew_on_d1_as_the_check_says() {
    let family = "CREATE TABLE p (id INTEGER PRIMARY KEY);\nCREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id) ON DELETE CASCADE);\n\
                  INSERT INTO p VALUES (1), (2);\nINSERT INTO c VALUES (10, 1), (20, 2);";
    let naive = "PRAGMA defer_foreign_keys = ON;\nCREATE TABLE p2 (id INTEGER PRIMARY KEY, a TEXT);\nINSERT INTO p2 SELECT id, 'x' FROM p;\n\
                 DROP TABLE p;\nALTER TABLE p2 RENAME TO p;";
    let right = "CREATE TABLE p2 (id INTEGER PRIMARY KEY, a TEXT);\nINSERT INTO p2 SELECT id, 'x' FROM p;\n\
                 CREATE TABLE c2 (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p2 (id) ON DELETE CASCADE);\nINSERT INTO c2 SELECT id, p FROM c;\n\
                 DROP TABLE c;\nDROP TABLE p;\nALTER TABLE p2 RENAME TO p;\nALTER TABLE c2 RENAME TO c;";
    let kept = "SELECT count(*) FROM c JOIN p ON p.id = c.p WHERE a = 'x'";
    // Known from the database, where the file that made it is not there to be read.
    let setup = family.replace('\n', " ");
    for (text, problems, rows) in [(naive, 1, 0), (right, 0, 2)] {
        let api = D1Api::with(&setup);
        let project = d1(&api, "", &[("0002_anew.sql", text)]);
        let told = outputs(
            &project,
            &["check", "--live"],
            if problems > 0 { 2 } else { 1 },
            "check",
        );
        assert_eq!(told["problems"], problems, "{told}");
        if problems > 0 {
            let row = &told["rows"][1];
            assert_eq!(
                (&row["rule"], &row["line"]),
                (&json!("drop-parent"), &json!(4)),
                "{told}"
            );
            let instead = "have c made anew too: copy both into new tables that refer to each other, drop c, then p, then rename";
            assert_eq!(row["instead"], instead);
        }
        run(&project, &["apply", "--yes"]).exits(0);
        assert_eq!(api.sql(kept), json!([[rows]]), "{text}");
    }
    // They refer to the new one, and nothing leads nowhere.
    let api = D1Api::with(&setup);
    let project = d1(&api, "", &[("0002_anew.sql", right)]);
    run(&project, &["apply", "--yes"]).exits(0);
    api.sql("DELETE FROM p WHERE id = 1");
    assert_eq!(api.sql("SELECT id FROM c"), json!([[20]]));
    assert_eq!(api.sql("PRAGMA foreign_key_check"), json!([]));
    // Known from earlier files.
    let project = sqlite(&[]).file("migrations/0001_family.sql", family);
    let project = project.file("migrations/0002_anew.sql", naive);
    run(&project, &["check"]).exits(1);
    let d1 = d1(
        &api,
        "",
        &[("0001_family.sql", family), ("0002_anew.sql", naive)],
    );
    run(&d1, &["check"]).exits(2).prints("drop-parent");
}

/// What wrangler reads and writes, column by column; its own words are `name` and the name of the file.
#[test]
fn the_account_of_wrangler_is_kept_as_wrangler_keeps_it() {
    let api = D1Api::with("");
    let project = d1(&api, "tool = \"wrangler\"\nrollback = \"rollback\"", &[USERS, ORDERS])
        .file("rollback/0002_orders.sql", NO_ORDERS.1)
        .file(
            "wrangler.jsonc",
            format!("{{ // the Worker\n\"d1_databases\": [{{\"binding\": \"DB\", \"database_name\": \"{NAME}\", \"migrations_table\": \"applied\"}}]}}"),
        );
    let tables = "SELECT count(*) FROM sqlite_master WHERE name IN ('applied', 'd1_migrations')";
    run(&project, &["status"]).exits(1);
    assert_eq!(api.sql(tables), json!([[0]]));
    run(&project, &["apply"]).exits(0);
    let rows = "SELECT id, name, applied_at LIKE '20__-__-__ __:__:__' FROM applied ORDER BY id";
    assert_eq!(
        api.sql(rows),
        json!([[1, "0001_users.sql", 1], [2, "0002_orders.sql", 1]])
    );
    run(&project, &["revert", "--yes"]).exits(0);
    assert_eq!(api.sql(rows), json!([[1, "0001_users.sql", 1]]));
    run(&project, &["revert", "--yes"])
        .exits(78)
        .prints("wrangler d1 time-travel restore");
    // Wrangler would apply it.
    let project = project.file("migrations/0002_orders.down.sql", NO_ORDERS.1);
    std::fs::remove_file(project.path("rollback/0002_orders.sql")).unwrap();
    run(&project, &["apply"])
        .exits(78)
        .prints("would apply what takes 0002_orders back");
}

/// The real wrangler and opsbook on one database of this machine: each sees what the other has applied.
#[test]
fn wrangler_and_opsbook_agree_on_what_is_applied() {
    let wrangler = npm("node_modules/.bin/wrangler");
    let migrations = "[database.main.migrations]\ntool = \"wrangler\"";
    let project = local_by(&real(), migrations)
        .file("worker/wrangler.jsonc", worker(", \"migrations_dir\": \"sql\""))
        .file("worker/sql/0001_users.sql", USERS.1)
        .file("worker/sql/0002_a.sql", "CREATE TABLE a (id INTEGER);")
        .file("worker/sql/0003_b.sql", "CREATE TABLE b (id INTEGER);")
        // The step alone: each call of wrangler takes seconds.
        .runbook(
            "only/apply",
            "[[step]]\nname = \"apply\"\nmigrations.apply = \"main\"\nmigrations.to = \"0001_users\"\n",
        );
    let path = format!(
        "{}:{}",
        node().parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let by_wrangler = |verb: &str| {
        let mut command = std::process::Command::new(&wrangler);
        command
            .args(["d1", "migrations", verb, NAME, "--local", "--persist-to"])
            .arg(project.path("copies"))
            .current_dir(project.path("worker"))
            .env("PATH", &path)
            .env("HOME", project.path("."))
            .env("WRANGLER_SEND_METRICS", "false")
            .stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    project.run(&["only", "apply"]).exits(0);
    let listed = by_wrangler("list");
    assert!(
        !listed.contains("0001_users.sql") && listed.contains("0002_a.sql"),
        "{listed}"
    );
    by_wrangler("apply");
    let told = outputs(&project, &["status"], 0, "status");
    assert_eq!((&told["pending"], &told["count"]), (&json!(0), &json!(3)));
    assert_eq!(told["rows"][2]["state"], "applied");
}

#[test]
fn status_and_a_dry_run_change_nothing_and_show_what_would_be_sent() {
    let project = sqlite(&[USERS]);
    run(&project, &["status"]).exits(1);
    run(&project, &["apply", "--dry-run"])
        .exits(0)
        .step("apply", "would run")
        .prints("CREATE TABLE users")
        .prints("INSERT INTO \"opsbook_migrations\"");
    assert_eq!(in_sqlite(&project, TABLES), 0);
    run(&project, &["apply", "--read-only"]).exits(75);
    run(&project, &["apply"]).exits(0);
    let row = "SELECT length(sha256) = 64 AND state = 'applied' AND applied_by LIKE '%@%' AND ms >= 0 AND applied_at LIKE '20%Z' FROM opsbook_migrations";
    assert_eq!(in_sqlite(&project, row), 1);
}

#[test]
fn a_file_that_was_changed_is_critical_and_stops_everything_until_it_is_accepted() {
    let project = sqlite(&[USERS, ORDERS]);
    run(&project, &["apply"]).exits(0);
    let project = project
        .file("migrations/0002_orders.sql", ORDERS.1.replace('\n', "\r\n"))
        .file("migrations/0003_a.sql", "CREATE TABLE a (id INTEGER);");
    assert_eq!(states(&project, 1)[1].1, "applied");
    let project = project.file("migrations/0001_users.sql", "SELECT 1;");
    assert_eq!(states(&project, 2)[0].1, "changed");
    run(&project, &["apply"])
        .exits(78)
        .prints("0001_users is not what was applied");
    assert_eq!(in_sqlite(&project, TABLES), 3);
    run(&project, &["baseline", "0001_users", "--yes"]).exits(0);
    run(&project, &["apply"]).exits(0);
    assert_eq!(in_sqlite(&project, TABLES), 4);
}

#[test]
fn a_file_that_was_changed_stops_everything_on_a_server_too() {
    let (project, name) = postgres(&[USERS, ORDERS]);
    run(&project, &["apply"]).exits(0);
    run(&project, &["status"]).exits(0);
    let project = project
        .file(
            "migrations/0001_users.sql",
            "CREATE TABLE users (id INTEGER);",
        )
        .file("migrations/0003_a.sql", "CREATE TABLE a (id INTEGER);");
    let told: Vec<String> = states(&project, 2)
        .into_iter()
        .map(|(_, state)| state)
        .collect();
    assert_eq!(told, ["changed", "applied", "pending"]);
    run(&project, &["apply"])
        .exits(78)
        .prints("0001_users is not what was applied");
    assert_eq!(cluster().psql(&name, "SELECT to_regclass('a')"), "");
    let project = project.file("migrations/0001_users.sql", USERS.1);
    run(&project, &["apply"]).exits(0);
    assert_eq!(cluster().psql(&name, "SELECT to_regclass('a')"), "a");
}

#[test]
fn what_disagrees_with_the_folder_is_told() {
    let project = sqlite(&[USERS, ("0003_c.sql", "CREATE TABLE c (id INTEGER);")]);
    run(&project, &["apply"]).exits(0);
    std::fs::remove_file(project.path("migrations/0001_users.sql")).unwrap();
    let project = project.file("migrations/0002_b.sql", "CREATE TABLE b (id INTEGER);");
    assert_eq!(
        states(&project, 1),
        pairs(&[
            ("0001_users", "missing"),
            ("0002_b", "out of order"),
            ("0003_c", "applied")
        ])
    );
    run(&project, &["revert", "--steps", "3", "--yes"]).exits(78);
    run(&project, &["revert", "--to", "0009_x", "--yes"])
        .exits(78)
        .prints("there is no migration");
}

#[test]
fn the_database_is_copied_before_it_is_changed_and_not_where_nothing_is_to_be_done() {
    let project = sqlite(&[USERS, NO_USERS]);
    let copies = || {
        let files = std::fs::read_dir(project.path("copies"));
        let names = files
            .into_iter()
            .flatten()
            .map(|file| file.unwrap().file_name());
        let is_copy = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("main-");
        names.filter(is_copy).count()
    };
    let command = |arguments: &[&str]| project.run(&[&["db", "migrations"], arguments].concat());
    command(&["status"]).exits(1);
    command(&["apply", "--dry-run"]).exits(0);
    assert_eq!(copies(), 0);
    command(&["apply"]).exits(0);
    assert_eq!(copies(), 1);
    command(&["apply"]).exits(0);
    assert_eq!(copies(), 1);
    // Nobody agrees, and what cannot be taken back is refused: neither makes a copy.
    command(&["revert"]).exits(75).prints("Take 0001_users");
    command(&["revert", "--yes", "--to", "0009_x"]).exits(78);
    assert_eq!(copies(), 1);
}

/// What was applied before is named, and no command that might take back another; the copy's own line, which stands alone,
/// says how its state comes back.
#[test]
fn a_failure_behind_others_names_what_stays() {
    let (on_postgres, _) = postgres(&[USERS, NO_USERS]);
    for project in [sqlite(&[USERS, NO_USERS]), on_postgres] {
        let project = project.file("migrations/0003_broken.sql", BROKEN.1);
        let apply = ["db", "migrations", "apply", "--yes"];
        let shown = project.run(&apply).exits(2).stdout;
        assert!(
            shown.contains("these stay applied: 0001_users. "),
            "{shown}"
        );
        assert!(!shown.contains("--steps"), "{shown}");
        let lines = shown.lines();
        let restores =
            lines.filter(|line| line.contains("pg_restore") || line.contains(".restore"));
        let [restore] = restores.collect::<Vec<_>>()[..] else {
            panic!("{shown}");
        };
        assert!(restore.contains("copies/main-"), "{restore}");
        // Nothing was kept this time.
        let shown = project.run(&apply).exits(2).stdout;
        assert!(!shown.contains("stay applied"), "{shown}");
        run(&project, &["revert", "--steps", "1", "--yes"]).exits(0);
        // So it is whatever kind of failure comes behind it.
        let begun = "-- opsbook: no-transaction\nCREATE TABLE half (id INTEGER);\nINSERT INTO nowhere VALUES (1);";
        let read_only = "PRAGMA query_only = ON;\nINSERT INTO users VALUES (2, '');";
        for (broken, code) in [(begun, 2), (read_only, 3)] {
            let project = sqlite(&[USERS, NO_USERS]).file("migrations/0003_broken.sql", broken);
            let shown = project.run(&apply).exits(code).stdout;
            assert!(
                shown.contains("these stay applied: 0001_users. "),
                "{shown}"
            );
        }
    }
}

#[test]
fn a_baseline_marks_without_running() {
    let project = sqlite(&[USERS, ORDERS]);
    run(&project, &["baseline", "0001_users"]).exits(75);
    run(&project, &["baseline", "0001_users", "--yes"]).exits(0);
    assert_eq!(in_sqlite(&project, TABLES), 1);
    assert_eq!(
        states(&project, 1),
        pairs(&[("0001_users", "applied"), ("0002_orders", "pending")])
    );
}

#[test]
fn migrations_with_problems_are_applied_after_a_question_alone() {
    let project = sqlite(&[USERS, NO_USERS]);
    run(&project, &["apply"]).exits(0);
    let project = project
        .file("migrations/0002_drop.sql", "DROP TABLE users;")
        .file("migrations/0002_drop.down.sql", "SELECT 1;");
    run(&project, &["check"]).exits(2).prints("drop-table");
    run(&project, &["apply"]).exits(75).prints("drop-table");
    assert_eq!(in_sqlite(&project, "SELECT count(*) FROM users"), 1);
    let project = project.file(
        "migrations/0002_drop.sql",
        "-- opsbook: allow drop-table nobody reads it any more\nDROP TABLE users;",
    );
    run(&project, &["check"]).exits(0);
    run(&project, &["apply"]).exits(0);
    assert_eq!(in_sqlite(&project, TABLES), 1);
}

/// The example of a manual whose index names a column that its table does not have.
#[test]
fn a_build_fails_on_what_speaks_against_a_migration() {
    let jobs = "BEGIN;\nCREATE TABLE jobs (id uuid PRIMARY KEY, client_id uuid REFERENCES clients (id) ON DELETE CASCADE, \
                job_type text, status text DEFAULT 'pending', created_at timestamptz);\n\
                CREATE INDEX jobs_status ON jobs (status, started_at);\nCOMMIT;\n";
    let config = format!(
        "{POSTGRES}\nrollback = \"rollback\"\nnames = '^\\d{{8}}_\\d{{6}}_[a-z_]+$'\ndeny = [\"name\", \"revert\", \"transaction\"]\n"
    );
    let project = project(&config, &[("20260105_jobs.sql", jobs)])
        .variable("URL", "postgres://nobody@127.0.0.1:1/none");
    let told = outputs(&project, &["check"], 2, "check");
    let rules: Vec<(&str, i64)> = told["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["rule"].as_str().unwrap(), row["line"].as_i64().unwrap()))
        .collect();
    assert_eq!(rules, [("name", 1), ("revert", 1), ("index-column", 3)]);
    assert_eq!(told["problems"], 3);
    std::fs::remove_file(project.path("migrations/20260105_jobs.sql")).unwrap();
    let project = project
        .file(
            "migrations/20260105_093000_jobs.sql",
            jobs.replace("started_at", "created_at"),
        )
        .file(
            "rollback/20260105_093000_jobs.sql",
            "DROP TABLE IF EXISTS jobs;",
        );
    run(&project, &["check"]).exits(0);
}

#[test]
fn a_live_check_knows_what_is_pending_and_how_large_tables_are() {
    let (project, name) = postgres(&[USERS, NO_USERS]);
    run(&project, &["apply"]).exits(0);
    let project = project
        .file(
            "migrations/0002_index.sql",
            "CREATE INDEX users_name ON users (name);\n",
        )
        .file("migrations/0002_index.down.sql", "DROP INDEX users_name;");
    run(&project, &["check"]).exits(2).prints("index-lock");
    run(&project, &["check", "--live"]).exits(0);
    cluster().psql(
        &name,
        "INSERT INTO users SELECT n, 'x' FROM generate_series(2, 20000) AS n; ANALYZE users;",
    );
    let told = outputs(&project, &["check", "--live"], 2, "check");
    assert_eq!(told["count"], 1);
    let detail = told["rows"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("20,000 rows or more"), "{detail}");
    let project = project.file(
        "migrations/0002_index.sql",
        "CREATE INDEX users_email ON users (email);\n",
    );
    let told = outputs(&project, &["check", "--live"], 2, "check");
    assert_eq!(told["rows"][0]["rule"], "index-column");
}

/// What writes or reads every row anew keeps nobody waiting where there are few.
#[test]
fn a_live_check_holds_what_goes_through_every_row_against_the_size_of_its_table() {
    let cases = [
        (
            "change-type",
            "ALTER TABLE users ALTER COLUMN name TYPE varchar(9);",
        ),
        (
            "volatile-default",
            "ALTER TABLE users ADD COLUMN token uuid DEFAULT gen_random_uuid();",
        ),
        (
            "set-not-null",
            "ALTER TABLE users ALTER COLUMN name SET NOT NULL;",
        ),
        ("unique-lock", "ALTER TABLE users ADD UNIQUE (name);"),
        ("constraint-scan", "ALTER TABLE users ADD CHECK (id > 0);"),
    ];
    let (project, name) = postgres(&[USERS, NO_USERS]);
    run(&project, &["apply"]).exits(0);
    let mut project = project.file("migrations/0002_rows.down.sql", "SELECT 1;");
    for (rule, sql) in cases {
        project = project.file("migrations/0002_rows.sql", sql);
        let told = outputs(&project, &["check"], 2, "check");
        assert_eq!(told["rows"][0]["rule"], rule);
        run(&project, &["check", "--live"]).exits(0);
    }
    cluster().psql(
        &name,
        "INSERT INTO users SELECT n, n FROM generate_series(2, 20000) AS n; ANALYZE users;",
    );
    for (rule, sql) in cases {
        project = project.file("migrations/0002_rows.sql", sql);
        let told = outputs(&project, &["check", "--live"], 2, "check");
        let row = &told["rows"][0];
        assert_eq!(row["rule"], rule);
        let detail = row["detail"].as_str().unwrap();
        assert!(detail.contains("20,000 rows or more"), "{rule}: {detail}");
    }
}

/// An index that is built while others write runs in no transaction: its account is written before and behind it.
#[test]
fn what_runs_in_no_transaction_is_told_as_started_until_somebody_says_how_it_ended() {
    let (project, name) = postgres(&[USERS]);
    run(&project, &["apply"]).exits(0);
    let sql = "CREATE UNIQUE INDEX CONCURRENTLY users_name ON users (name);";
    let project = project.file("migrations/0002_index.sql", sql);
    cluster().psql(&name, "INSERT INTO users VALUES (2, 'twice'), (3, 'twice')");
    run(&project, &["apply"])
        .exits(2)
        .prints("0002_index.sql")
        .prints("started");
    assert_eq!(states(&project, 2)[1].1, "started");
    run(&project, &["apply"]).exits(75).prints("--again");
    cluster().psql(&name, "DELETE FROM users WHERE id = 3");
    cluster().psql(&name, "DROP INDEX users_name");
    run(&project, &["apply", "--again"]).exits(0);
    assert_eq!(states(&project, 0)[1].1, "applied");
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'users_name'::regclass";
    assert_eq!(cluster().psql(&name, valid).trim(), "t");
}

#[test]
fn what_was_begun_on_a_server_is_done_again_though_it_is_one_transaction_by_now() {
    let (project, _) = postgres(&[
        USERS,
        (
            "0002_index.sql",
            "CREATE INDEX CONCURRENTLY i ON nowhere (name);",
        ),
    ]);
    run(&project, &["apply", "--yes"]).exits(2);
    assert_eq!(states(&project, 2)[1].1, "started");
    let project = project.file(
        "migrations/0002_index.sql",
        "CREATE INDEX i ON users (name);",
    );
    run(&project, &["apply", "--again", "--yes"]).exits(0);
    assert_eq!(states(&project, 0)[1].1, "applied");
}

/// What one statement sets holds for those behind it: they have one session.
#[test]
fn statements_in_no_transaction_have_one_session() {
    let text = "CREATE SCHEMA other;\nSET search_path = other;\nSET lock_timeout = '50ms';\n\
                CREATE TABLE t AS SELECT current_setting('lock_timeout') AS told;\nCREATE INDEX CONCURRENTLY i ON t (told);";
    let (project, name) = postgres(&[("0001_t.sql", text)]);
    run(&project, &["apply", "--yes"]).exits(0);
    let told = "SELECT told FROM other.t, pg_indexes WHERE schemaname = 'other'";
    assert_eq!(cluster().psql(&name, told).trim(), "50ms");

    let anew = "-- opsbook: no-transaction\nPRAGMA foreign_keys = OFF;\nDROP TABLE p;\nCREATE TABLE p (id INTEGER PRIMARY KEY, a TEXT);";
    let project = sqlite(&[
        (
            "0001_a.sql",
            "CREATE TABLE p (id INTEGER PRIMARY KEY);\nCREATE TABLE c (p INTEGER REFERENCES p (id) ON DELETE CASCADE);\n\
             INSERT INTO p VALUES (1);\nINSERT INTO c VALUES (1);",
        ),
        ("0002_b.sql", anew),
    ]);
    run(&project, &["apply", "--yes"]).exits(0);
    assert_eq!(in_sqlite(&project, "SELECT count(*) FROM c"), 1);
}

#[test]
fn a_failure_between_statements_in_no_transaction_tells_which_are_done() {
    let text = "-- opsbook: no-transaction\nCREATE TABLE a (id INTEGER);\n\nCREATE TABLE b (id INTEGER);\nINSERT INTO nowhere\n  VALUES (1);\nVACUUM;";
    let (on_postgres, _) = postgres(&[("0001_a.sql", text)]);
    for project in [sqlite(&[("0001_a.sql", text)]), on_postgres] {
        let [detail, help] = failing(&project);
        assert!(
            detail.starts_with("0001_a.sql: line 5, INSERT INTO nowhere: ")
                && detail.ends_with(
                    "; the 2 statements of lines 2 to 4 are done and stay; it counts as started"
                ),
            "{detail}"
        );
        let again =
            "mend 0001_a.sql; then all of it once more: opsbook db migrations apply main --again; ";
        assert!(help.starts_with(again), "{help}");
        assert_eq!(states(&project, 2)[0].1, "started");
        let left = text
            .replace("TABLE", "TABLE IF NOT EXISTS")
            .replace("nowhere", "a");
        let project = project.file("migrations/0001_a.sql", &left);
        run(&project, &["apply", "--again", "--yes"]).exits(0);
        assert_eq!(states(&project, 0)[0].1, "applied");
        // Nothing is done: there is nothing to doubt.
        let first = "-- opsbook: no-transaction\nINSERT INTO nowhere VALUES (1);\nVACUUM;";
        let project = project.file("migrations/0002_b.sql", first);
        let [detail, help] = failing(&project);
        assert!(
            detail.starts_with("0002_b.sql: line 2, INSERT INTO nowhere: ")
                && detail.ends_with("; nothing was changed"),
            "{detail}"
        );
        assert_eq!(
            help,
            "mend 0002_b.sql, then: opsbook db migrations apply main"
        );
        assert_eq!(states(&project, 1)[1].1, "pending");
    }
}

#[test]
fn where_the_account_cannot_be_written_the_migration_is_taken_back() {
    let project = sqlite(&[USERS, ORDERS]);
    run(&project, &["apply", "--to", "0001_users"]).exits(0);
    let connection = Connection::open(project.path("main.db")).unwrap();
    connection
        .execute_batch("CREATE TRIGGER no BEFORE INSERT ON opsbook_migrations BEGIN SELECT RAISE(ABORT, 'no more'); END;")
        .unwrap();
    run(&project, &["apply"]).exits(2).prints("no more");
    assert_eq!(in_sqlite(&project, TABLES), 2);
    connection.execute_batch("DROP TRIGGER no").unwrap();
    run(&project, &["apply"]).exits(0);
}

/// SQLite acts upon references when a table is dropped, and a pragma within the transaction does not stop it.
#[test]
fn a_table_that_is_made_anew_keeps_the_rows_that_refer_to_it() {
    let tables = (
        "0001_a.sql",
        "CREATE TABLE p (id INTEGER PRIMARY KEY);\nCREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id) ON DELETE CASCADE);\n\
         INSERT INTO p VALUES (1), (2);\nINSERT INTO c VALUES (10, 1), (20, 2);",
    );
    let anew = (
        "0002_b.sql",
        "CREATE TABLE n (id INTEGER PRIMARY KEY, a TEXT);\nINSERT INTO n SELECT id, 'x' FROM p;\nDROP TABLE p;\nALTER TABLE n RENAME TO p;",
    );
    let back = (
        "0002_b.down.sql",
        "CREATE TABLE n (id INTEGER PRIMARY KEY);\nINSERT INTO n SELECT id FROM p;\nDROP TABLE p;\nALTER TABLE n RENAME TO p;",
    );
    let project = sqlite(&[tables, anew, back]);
    run(&project, &["apply", "--yes"]).exits(0);
    assert_eq!(
        in_sqlite(
            &project,
            "SELECT count(*) FROM c JOIN p ON p.id = c.p WHERE a = 'x'"
        ),
        2
    );
    run(&project, &["revert", "--yes"]).exits(0);
    assert_eq!(
        in_sqlite(&project, "SELECT count(*) FROM c JOIN p ON p.id = c.p"),
        2
    );
    let project = project.file("migrations/0003_c.sql", "DELETE FROM p WHERE id = 2;");
    run(&project, &["apply", "--to", "0003_c", "--yes"])
        .exits(2)
        .prints("c, row 20, refers to p");
    assert_eq!(in_sqlite(&project, "SELECT count(*) FROM p"), 2);
}

#[test]
fn what_would_leave_its_transaction_is_refused_before_anything_is_done() {
    for (text, told) in [
        (
            "CREATE TABLE a (id INTEGER);\nCOMMIT;\nCREATE TABLE b (id INTEGER);",
            "line 2",
        ),
        (
            "CREATE TABLE a (id INTEGER);\n-- migrate:down\nDROP TABLE a;",
            "line 2",
        ),
        (
            "CREATE TABLE a (id INTEGER);\nINSERT INTO a VALUES (?);",
            "line 2",
        ),
    ] {
        let project = sqlite(&[USERS, ("0002_a.sql", text)]);
        run(&project, &["apply", "--yes"]).exits(78).prints(told);
        assert_eq!(in_sqlite(&project, TABLES), 0, "{text}");
    }
}

/// Starts `apply` and does not wait for it.
fn begin(project: &Project) -> Child {
    let mut command = project.command(&["db", "migrations", "apply", "--yes", "--no-copy"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn end(mut child: Child) -> (i32, String) {
    let mut said = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    (super::harness::exit_code(child.wait().unwrap()), said)
}

/// Two hosts have two stores, so that no lock of opsbook's own is between them.
fn apart(project: &Project) -> (Child, Child) {
    let children = ["one", "two"].map(|host| {
        let mut command = project.command(&["db", "migrations", "apply", "--yes", "--no-copy"]);
        command.env("XDG_STATE_HOME", project.path(host));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    });
    children.into()
}

/// Each adds to a number, so that what is done twice shows.
fn counting() -> Vec<(String, String)> {
    let first = (
        "0000_log.sql".to_owned(),
        "CREATE TABLE log (n INTEGER);".to_owned(),
    );
    let more = (1..20).map(|n| {
        (
            format!("{n:04}_add.sql"),
            format!("INSERT INTO log VALUES ({n});"),
        )
    });
    [first].into_iter().chain(more).collect()
}

#[test]
fn two_hosts_that_apply_at_once_apply_each_migration_once() {
    let files = counting();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let (on_postgres, name) = postgres(&files);
    let on_sqlite = sqlite(&files);
    // Made before, for both at once would make the file.
    run(&on_sqlite, &["apply", "--to", "0000_log", "--yes"]).exits(0);
    for project in [&on_sqlite, &on_postgres] {
        let (one, two) = apart(project);
        for (code, said) in [end(one), end(two)] {
            assert_eq!(code, 0, "{said}");
        }
    }
    let counted = cluster().psql(
        &name,
        "SELECT count(*) || ' ' || count(DISTINCT n) FROM log",
    );
    assert_eq!(counted.trim(), "19 19");
    assert_eq!(
        in_sqlite(
            &on_sqlite,
            "SELECT count(*) * 100 + count(DISTINCT n) FROM log"
        ),
        1919
    );
}

/// Keeps everybody else from the migrations of a database.
const HOLDING: &str = "BEGIN; SELECT pg_advisory_xact_lock(hashtext('opsbook migrations'), hashtext('\"public\".\"opsbook_migrations\"')); SELECT 'held';";

/// Both have read that it is pending before either of them begins it.
#[test]
fn what_another_host_has_begun_in_no_transaction_is_left_to_it() {
    let waits = "-- opsbook: no-transaction\nSELECT pg_advisory_lock(7);\nCREATE TABLE once (id INTEGER);\n";
    let (project, name) = postgres(&[USERS, ("0002_once.sql", waits)]);
    run(&project, &["apply", "--to", "0001_users", "--yes"]).exits(0);
    let end_of_work = Session::holding(cluster(), &name, "SELECT pg_advisory_lock(7);");
    let begin_of_work = Session::holding(cluster(), &name, HOLDING);
    let (mut one, mut two) = apart(&project);
    let both_wait = "(SELECT count(*) = 2 FROM pg_locks JOIN pg_database AS d ON d.oid = database \
                     WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted)";
    until(cluster(), &name, both_wait);
    begin_of_work.end(cluster());
    let (first, late) = loop {
        match (one.try_wait().unwrap(), two.try_wait().unwrap()) {
            (Some(_), _) => break (two, one),
            (_, Some(_)) => break (one, two),
            (None, None) => std::thread::yield_now(),
        }
    };
    let (code, said) = end(late);
    assert_eq!(code, 2, "{said}");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("0002_once.sql: another run has begun it meanwhile"),
        "{said}"
    );
    assert!(!said.contains("--again"), "{said}");
    end_of_work.end(cluster());
    let (code, said) = end(first);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn whoever_waits_too_long_for_another_is_told_who_that_is() {
    let (project, name) = postgres(&[USERS]);
    let holder = Session::holding(cluster(), &name, HOLDING);
    let output = run(&project, &["apply", "--yes"]);
    holder.end(cluster());
    output.exits(2).prints("it waited for").prints("'held'");
    run(&project, &["apply"]).exits(0);
}

/// Killed in the middle of a migration, the ledger and the structure are in step, and what is left is applied later.
#[test]
fn a_kill_in_the_middle_leaves_the_ledger_and_the_structure_in_step() {
    let (project, name) = postgres(&[
        USERS,
        (
            "0002_slow.sql",
            "CREATE TABLE slow (id INTEGER);\nSELECT pg_sleep(600);\n",
        ),
    ]);
    let mut child = begin(&project);
    let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    while cluster().psql(&name, sleeping).trim() == "0" {
        if child.try_wait().unwrap().is_some() {
            panic!("{:?}", end(child));
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    cluster().psql(&name, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()");
    assert_eq!(
        states(&project, 1),
        pairs(&[("0001_users", "applied"), ("0002_slow", "pending")])
    );
    assert_eq!(
        cluster()
            .psql(&name, "SELECT to_regclass('slow') IS NULL")
            .trim(),
        "t"
    );
    let project = project.file(
        "migrations/0002_slow.sql",
        "CREATE TABLE slow (id INTEGER);",
    );
    run(&project, &["apply", "--yes"]).exits(0);
}

#[test]
fn a_kill_at_any_moment_leaves_a_sqlite_file_in_step() {
    let files = counting();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let project = sqlite(&files);
    run(&project, &["apply", "--to", "0000_log", "--yes"]).exits(0);
    // Each is killed as soon as one more migration is seen to be applied, in the middle of the next.
    for _ in 0..5 {
        let before = in_sqlite(&project, "SELECT count(*) FROM log");
        let mut child = begin(&project);
        while in_sqlite(&project, "SELECT count(*) FROM log") == before
            && child.try_wait().unwrap().is_none()
        {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let in_step =
            "SELECT (SELECT count(*) FROM log) + 1 = (SELECT count(*) FROM opsbook_migrations)";
        assert_eq!(in_sqlite(&project, in_step), 1);
    }
    run(&project, &["apply", "--yes"]).exits(0);
    assert_eq!(
        in_sqlite(
            &project,
            "SELECT count(*) * 100 + count(DISTINCT n) FROM log"
        ),
        1919
    );
}

#[test]
fn a_new_migration_is_numbered_and_overwrites_nothing() {
    let project = sqlite(&[USERS, NO_USERS]);
    run(&project, &["new", "Add orders"])
        .exits(0)
        .prints("migrations/0002_add_orders.sql");
    assert!(project.path("migrations/0002_add_orders.down.sql").exists());
    assert_eq!(states(&project, 1).len(), 2);
    run(&project, &["new", "--dry-run", "again"]).exits(0);
    assert!(!project.path("migrations/0003_again.sql").exists());
}

#[test]
fn a_database_without_migrations_says_what_to_write() {
    let project = Project::new()
        .config("project = \"test\"\n[database.main]\nkind = \"sqlite\"\npath = \"a.db\"\n");
    for command in ["status", "check", "apply"] {
        run(&project, &[command])
            .exits(78)
            .prints("[database.main.migrations]");
    }
}

/// A stand-in of prisma: it lists what is pending and ends with 1 then, as prisma does; its words are prisma's.
const LIKE_PRISMA: &str = r#"#!/bin/sh
case "$1 $2" in
"migrate status")
    echo "2 migrations found in prisma/migrations"
    if [ -e applied ]; then echo "Database schema is up to date!"; exit 0; fi
    printf 'Following migrations have not yet been applied:\n20260101_init\n20260102_jobs\n\nTo apply migrations run migrate deploy.\n'
    exit 1 ;;
"migrate deploy")
    [ -n "$DATABASE_URL" ] || { echo "no DATABASE_URL" >&2; exit 1; }
    touch applied; echo "All migrations have been successfully applied." ;;
"migrate down") rm applied; echo "$3 is the last one" ;;
*) echo "unknown command" >&2; exit 1 ;;
esac
"#;

#[test]
fn another_programs_answer_is_read_and_its_commands_are_run() {
    let config = r#"kind = "sqlite"
path = "main.db"
create = "empty.sql"
[database.main.migrations]
tool = "command"
status = ["sh", "like-prisma", "migrate", "status"]
pending = '(?m)^(\d+_\w+)$'
apply = ["sh", "like-prisma", "migrate", "deploy"]
revert_to = ["sh", "like-prisma", "migrate", "down"]
env = { DATABASE_URL = "{{ secret.url }}" }
"#;
    let project = project(config, &[])
        .file("like-prisma", LIKE_PRISMA)
        .variable("URL", "hunter2-of-prisma");
    let told = outputs(&project, &["status"], 1, "status");
    assert_eq!(
        (&told["pending"], &told["rows"][1]["name"]),
        (&json!(2), &json!("20260102_jobs"))
    );
    run(&project, &["apply", "--dry-run"])
        .exits(0)
        .prints("sh like-prisma migrate deploy");
    assert!(!project.path("applied").exists());
    run(&project, &["apply"]).exits(0).never_shows("hunter2");
    run(&project, &["status"]).exits(0);
    run(&project, &["revert", "--yes"])
        .exits(78)
        .prints("`revert`");
    run(&project, &["revert", "--to", "20260101_init"]).exits(75);
    run(&project, &["revert", "--to", "20260101_init", "--yes"])
        .exits(0)
        .prints("20260101_init is the last one");
    run(&project, &["baseline", "20260101_init", "--yes"]).exits(78);
    // An answer that says neither is no good news.
    let project = project.file(
        "like-prisma",
        "#!/bin/sh\necho cannot reach the server >&2\nexit 1\n",
    );
    run(&project, &["status"])
        .exits(2)
        .prints("cannot reach the server");
}

#[test]
fn scripts_of_npm_apply_migrations() {
    let package = r#"{"name": "app", "version": "1.0.0", "scripts": {
        "migrate:create": "node -e \"require('fs').writeFileSync(process.argv[1] + '.txt', '')\"",
        "migrate:status": "node -e \"const done = require('fs').existsSync('done'); console.log(done ? 'no migrations pending' : 'pending: add_orders')\"",
        "migrate:prod": "node -e \"require('fs').writeFileSync('done', '')\"",
        "migrate:rollback": "node -e \"require('fs').unlinkSync('done')\""
    }}"#;
    let config = r#"kind = "sqlite"
path = "main.db"
create = "empty.sql"
[database.main.migrations]
tool = "command"
cwd = "app"
status = ["npm", "run", "--silent", "migrate:status"]
settled = "no migrations pending"
apply = ["npm", "run", "migrate:prod"]
revert = ["npm", "run", "migrate:rollback"]
new = ["npm", "run", "migrate:create"]
"#;
    let project = project(config, &[]).file("app/package.json", package);
    run(&project, &["status"]).exits(1);
    run(&project, &["new", "add_orders"]).exits(0);
    assert!(project.path("app/add_orders.txt").exists());
    run(&project, &["apply"]).exits(0);
    run(&project, &["status"]).exits(0);
    run(&project, &["revert", "--yes"]).exits(0);
    run(&project, &["status"]).exits(1);
}
