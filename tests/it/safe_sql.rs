//! Changes of rows that are safe: what was counted and agreed to is what is changed, on every engine; old rows are pruned
//! within their guards; and there is a way back.

use std::process::Command;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::d1_api::{ACCOUNT, D1Api, ID, NAME, TOKEN, response};
use super::harness::{Output, Project};
use super::postgres_cluster::cluster;
use super::postgres_session::Session;
use super::terminal::{Pane, Terminal};

/// A database of an engine, and the project that works on it.
struct Bed {
    project: Project,
    engine: Engine,
}

enum Engine {
    Sqlite,
    /// The database of the cluster.
    Postgres(String),
    D1(D1Api),
}

/// Twenty rows: the first eleven are from 2025, the others from 2026.
const USERS: &str =
    "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, active INTEGER, seen TEXT);";

fn filled() -> String {
    let rows = (1..=20).map(|id| {
        let year = if id <= 11 { 2025 } else { 2026 };
        format!("({id}, 'user{id}@example.com', 1, '{year}-03-{id:02} 10:00:00')")
    });
    let rows = rows.collect::<Vec<_>>().join(", ");
    format!("{USERS} INSERT INTO users VALUES {rows};")
}

impl Bed {
    fn sqlite(more: &str) -> Self {
        let project = Project::new().config(&format!(
            "project = \"test\"\n[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\n{more}"
        ));
        let connection = Connection::open(project.path("main.db")).unwrap();
        connection.execute_batch(&filled()).unwrap();
        Self {
            project,
            engine: Engine::Sqlite,
        }
    }

    fn postgres(more: &str) -> Self {
        let database = cluster().database(&filled());
        let project = Project::new()
            .config(&format!(
                "project = \"test\"\n[secret]\nurl = {{ env = \"URL\" }}\n\
                 [database.main]\nkind = \"postgres\"\nurl = \"{{{{ secret.url }}}}\"\n{more}"
            ))
            .variable("URL", cluster().url(&database));
        Self {
            project,
            engine: Engine::Postgres(database),
        }
    }

    fn d1(more: &str) -> Self {
        let api = D1Api::with(&filled());
        let project = Project::new()
            .config(&format!(
                "project = \"test\"\n[secret]\ncloudflare = {{ env = \"TOKEN\" }}\n\
                 [database.main]\nkind = \"d1\"\nname = \"{NAME}\"\nid = \"{ID}\"\naccount = \"{ACCOUNT}\"\n\
                 token = \"{{{{ secret.cloudflare }}}}\"\n{more}"
            ))
            .variable("TOKEN", TOKEN)
            .variable("CLOUDFLARE_API_BASE_URL", api.url());
        Self {
            project,
            engine: Engine::D1(api),
        }
    }

    fn both(more: &str) -> [Self; 2] {
        [Self::sqlite(more), Self::postgres(more)]
    }

    fn all(more: &str) -> [Self; 3] {
        [Self::sqlite(more), Self::postgres(more), Self::d1(more)]
    }

    /// Does something behind opsbook's back; gives the one value that comes of it.
    fn sql(&self, sql: &str) -> String {
        match &self.engine {
            Engine::Postgres(database) => cluster().psql(database, sql).trim().to_owned(),
            Engine::D1(api) => api.sql(sql)[0][0].to_string(),
            Engine::Sqlite => {
                let connection = Connection::open(self.project.path("main.db")).unwrap();
                if !sql.starts_with("SELECT") {
                    connection.execute_batch(sql).unwrap();
                    return String::new();
                }
                let value: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
                value.to_string()
            }
        }
    }

    fn name(&self) -> &'static str {
        match self.engine {
            Engine::Sqlite => "sqlite",
            Engine::Postgres(_) => "postgres",
            Engine::D1(_) => "d1",
        }
    }

    fn inactive(&self) -> String {
        self.sql("SELECT count(*) FROM users WHERE active = 0")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.project.run(arguments)
    }

    /// Types an answer where a statement asks; gives how it ended and all that was shown.
    #[track_caller]
    fn answers(&self, sql: &str, question: &str, keys: &str) -> (i32, String) {
        let mut terminal = Terminal::start(&self.project, &["db", "execute", sql]);
        terminal.wait_for(question);
        terminal.press(keys);
        terminal.end()
    }
}

/// The outputs of a step of a run.
fn outputs(output: &Output, step: &str) -> Value {
    let json = output.json();
    let steps = json["steps"].as_array().unwrap();
    let found = steps.iter().find(|line| line["step"] == step);
    found.map_or(Value::Null, |line| line["outputs"].clone())
}

const UPDATE: &str = "UPDATE users SET active = 0 WHERE id <= 11";

#[test]
fn a_change_is_counted_and_compared() {
    for bed in Bed::all("") {
        let output = bed
            .run(&["db", "execute", UPDATE, "--yes", "--format", "json"])
            .exits(0);
        let change = outputs(&output, "change");
        assert_eq!(
            (&change["counted"], &change["changed"]),
            (&11.into(), &11.into()),
            "{}",
            bed.name()
        );
        assert_eq!(bed.inactive(), "11");
        // What cannot be counted is done all the same, and says so.
        let insert = "INSERT INTO users VALUES (99, 'new@example.com', 1, NULL)";
        let output = bed
            .run(&["db", "execute", insert, "--yes", "--format", "json"])
            .exits(0);
        assert_eq!(outputs(&output, "change")["counted"], Value::Null);
    }
}

#[test]
fn a_trigger_that_changes_other_rows_takes_the_change_back() {
    for bed in Bed::all("") {
        bed.sql(match bed.engine {
            Engine::Sqlite | Engine::D1(_) => "CREATE TRIGGER keep BEFORE UPDATE ON users WHEN old.id = 3 BEGIN SELECT raise(IGNORE); END",
            Engine::Postgres(_) => "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF OLD.id = 3 THEN RETURN NULL; END IF; RETURN NEW; END'; CREATE TRIGGER keep BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION keep()",
        });
        bed.run(&["db", "execute", UPDATE, "--yes"])
            .exits(75)
            .prints("it would change 10 rows where 11 were counted; nothing was")
            .prints("a trigger, a rule or somebody else");
        assert_eq!(bed.inactive(), "0", "{}", bed.name());
    }
}

#[test]
fn what_chance_decides_is_not_compared() {
    for bed in Bed::all("") {
        let some = "DELETE FROM users WHERE id IN (SELECT id FROM users ORDER BY random() LIMIT 3)";
        let output = bed
            .run(&["db", "execute", some, "--yes", "--format", "json"])
            .exits(0);
        assert_eq!(outputs(&output, "change")["counted"], Value::Null);
        assert_eq!(
            bed.sql("SELECT count(*) FROM users"),
            "17",
            "{}",
            bed.name()
        );
    }
}

#[test]
fn a_table_that_refers_to_itself_loses_the_rows_that_were_counted() {
    for bed in Bed::both("") {
        bed.sql("CREATE TABLE tree (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES tree(id) ON DELETE CASCADE)");
        bed.sql("INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2), (4, NULL)");
        let branch = "DELETE FROM tree WHERE id IN (1, 2, 3)";
        let output = bed
            .run(&["db", "execute", branch, "--yes", "--format", "json"])
            .exits(0);
        assert_eq!(outputs(&output, "change")["changed"], 3, "{}", bed.name());
        assert_eq!(bed.sql("SELECT count(*) FROM tree"), "1");
    }
}

/// Customers whose orders go with them, and their lines with these; a note stays and loses its customer. Another order has a
/// line of its own; nothing of `visits` refers to customers that are touched.
const SHOP: &str = "CREATE TABLE \"Customers\" (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE \"order\" (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES \"Customers\" ON DELETE CASCADE);
    CREATE TABLE lines (id INTEGER PRIMARY KEY, of_order INTEGER REFERENCES \"order\" (id) ON DELETE CASCADE);
    CREATE TABLE notes (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES \"Customers\" (id) ON DELETE SET NULL);
    CREATE TABLE visits (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES \"Customers\" (id) ON DELETE CASCADE);
    INSERT INTO \"Customers\" VALUES (1, 'one'), (2, 'two'), (3, 'three');
    INSERT INTO \"order\" VALUES (1, 1), (2, 1), (3, 2);
    INSERT INTO lines VALUES (1, 1), (2, 1), (3, 2), (4, 3);
    INSERT INTO notes VALUES (1, 1), (2, 3);
    INSERT INTO visits VALUES (1, 3);";

#[test]
fn rows_that_references_take_along_are_told_before_and_after() {
    for bed in Bed::all("") {
        bed.sql(SHOP);
        let name = bed.name();
        let order = match bed.engine {
            Engine::Postgres(_) => "\"order\"",
            Engine::Sqlite | Engine::D1(_) => "order",
        };
        let along = format!(
            "2 rows of {order} (ON DELETE CASCADE), 3 rows of lines (ON DELETE CASCADE), 1 row of notes (ON DELETE SET NULL)"
        );
        let mut parts: Vec<&str> = along.split(", ").collect();
        parts.sort_unstable();
        let delete = "DELETE FROM \"Customers\" AS c WHERE c.id = 1";
        let dry = bed
            .run(&["db", "execute", delete, "--dry-run", "--format", "json"])
            .exits(0);
        let json = dry.json();
        let sent = json["steps"][1]["preview"]["sent"].as_str().unwrap();
        let (note, statement) = sent.split_once('\n').unwrap();
        let told = note.strip_prefix("-- takes along ").unwrap();
        let mut told: Vec<&str> = told.split(", ").collect();
        told.sort_unstable();
        assert_eq!((told, statement), (parts, delete), "{name}");
        assert_eq!(bed.sql("SELECT count(*) FROM lines"), "4");

        let mut terminal = Terminal::start(&bed.project, &["db", "execute", delete]);
        terminal.wait_for("[y/N]");
        terminal.press("y\r");
        let (code, seen) = terminal.end();
        assert_eq!(code, 0, "{seen}");
        let together = seen.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "takes along",
            "3 rows of lines (ON DELETE CASCADE)",
            "It touches 1 row",
        ] {
            assert!(together.contains(part), "{name}: {part}:\n{seen}");
        }
        assert_eq!(bed.sql("SELECT count(*) FROM lines"), "1");

        // What is done says so too, also where nobody was asked; what takes nothing along says nothing of it.
        let output = bed
            .run(&[
                "db",
                "execute",
                "DELETE FROM \"Customers\" WHERE id = 2",
                "--yes",
                "--format",
                "json",
            ])
            .exits(0);
        let json = output.json();
        let detail = json["steps"][1]["detail"].as_str().unwrap();
        assert!(
            detail.starts_with("1 row changed, and with that 2 more rows ("),
            "{name}: {detail}"
        );
        assert!(
            detail.contains("lines: ON DELETE CASCADE"),
            "{name}: {detail}"
        );
        bed.run(&[
            "db",
            "execute",
            "DELETE FROM notes WHERE id = 1",
            "--dry-run",
        ])
        .exits(0)
        .never_shows("takes along");
    }
}

#[test]
fn what_no_query_counts_of_the_rows_that_go_along_is_named() {
    for bed in Bed::both("") {
        bed.sql("CREATE TABLE tree (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES tree (id) ON DELETE CASCADE)");
        bed.sql("CREATE TABLE leaves (id INTEGER PRIMARY KEY, tree INTEGER REFERENCES tree (id) ON DELETE CASCADE)");
        bed.sql("INSERT INTO tree VALUES (1, NULL), (2, 1)");
        bed.sql("INSERT INTO leaves VALUES (1, 2)");
        let root = "DELETE FROM tree WHERE parent IS NULL";
        let dry = bed.run(&["db", "execute", root, "--dry-run", "--format", "json"]);
        let json = dry.exits(0).json();
        let sent = json["steps"][1]["preview"]["sent"].as_str().unwrap();
        for table in ["tree", "leaves"] {
            let told = format!("rows of {table}, not counted (ON DELETE CASCADE)");
            assert!(sent.contains(&told), "{}: {sent}", bed.name());
        }
    }
}

/// With the limit of the configuration it would wait for hours, once for each table.
#[test]
fn rows_that_go_along_are_not_waited_for_behind_who_holds_their_tables() {
    let bed = Bed::postgres("lock_timeout = \"1h\"\n");
    let Engine::Postgres(database) = &bed.engine else {
        panic!("it is one");
    };
    for table in ["first", "second"] {
        bed.sql(&format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES users (id) ON DELETE CASCADE)"));
    }
    let holder = Session::holding(cluster(), database, "BEGIN; LOCK TABLE first, second;");
    let delete = "DELETE FROM users WHERE id = 1";
    let dry = bed.run(&["db", "execute", delete, "--dry-run", "--format", "json"]);
    let pid = holder.pid;
    dry.exits(0).prints(&format!(
        "rows of first, not counted: session {pid} holds a lock (ON DELETE CASCADE), rows of second, not counted (ON DELETE CASCADE)"
    ));
}

#[test]
fn a_table_that_is_emptied_or_dropped_tells_its_rows() {
    for bed in Bed::all("") {
        bed.sql(SHOP);
        let drop = "DROP TABLE \"order\"";
        let dry = bed.run(&["db", "execute", drop, "--dry-run"]).exits(0);
        let dry = dry.prints("takes 3 rows of \"order\"");
        if let Engine::Postgres(_) = bed.engine {
            dry.never_shows("lines");
            let truncate = "TRUNCATE \"order\" CASCADE";
            bed.run(&["db", "execute", truncate, "--dry-run"])
                .exits(0)
                .prints("takes 3 rows of \"order\", 4 rows of lines (TRUNCATE … CASCADE)");
        } else {
            // SQLite deletes the rows before it drops the table.
            dry.prints("4 rows of lines (ON DELETE CASCADE)");
        }
        // The number of all rows is no number that a standing approval may be measured by.
        let json = bed.run(&["db", "execute", drop, "--dry-run", "--format", "json"]);
        assert_eq!(json.json()["steps"][1]["preview"]["rows"], Value::Null);
    }
}

#[test]
fn a_dry_run_shows_the_rows_that_it_would_touch_and_changes_nothing() {
    for bed in Bed::all("") {
        bed.run(&["db", "execute", UPDATE, "--dry-run"])
            .exits(0)
            .prints("touches 11 rows")
            .prints("change: some of the rows that it would touch")
            .prints("user5@example.com")
            .never_shows("user6@example.com");
        let json = bed
            .run(&["db", "execute", UPDATE, "--dry-run", "--format", "json"])
            .exits(0);
        let preview = &json.json()["steps"][1]["preview"];
        assert_eq!(preview["rows"], 11);
        assert_eq!(
            preview["sample"]["columns"],
            serde_json::json!(["id", "email", "active", "seen"])
        );
        assert_eq!(preview["sample"]["rows"].as_array().unwrap().len(), 5);
        assert_eq!(bed.inactive(), "0");
        bed.run(&["db", "execute", UPDATE, "--dry-run", "--format", "markdown"])
            .exits(0)
            .prints("### change: some of the rows that it would touch");
    }
}

#[test]
fn secrets_in_the_rows_are_masked_and_those_of_a_sensitive_step_are_not_shown() {
    let bed = Bed::sqlite("[secret]\nword = { env = \"WORD\" }\n");
    let project = bed.project.variable("WORD", "user2@example.com").runbook(
        "fix/it",
        "[[step]]\nname = \"open\"\nsql.execute = \"UPDATE users SET email = {{ secret.word }} WHERE id < 4\"\n\
         [[step]]\nname = \"closed\"\nsensitive = true\nsql.execute = \"UPDATE users SET active = 0 WHERE id > 15\"\n",
    );
    for format in ["table", "json", "markdown"] {
        project
            .run(&["fix", "it", "--dry-run", "--format", format])
            .exits(0)
            .prints("user1@example.com")
            .prints(if format == "markdown" {
                "\\*\\*\\*"
            } else {
                "***"
            })
            .never_shows("user2@example.com")
            .never_shows("user16@example.com");
    }
}

#[test]
fn a_question_shows_the_statement_the_rows_and_some_of_them() {
    for bed in Bed::all("") {
        let mut terminal = Terminal::start(&bed.project, &["db", "execute", UPDATE]);
        terminal.wait_for("Do this on main? [y/N]");
        terminal.press("y\r");
        let (code, seen) = terminal.end();
        assert_eq!(code, 0, "{seen}");
        for told in [
            "change: sql.execute on main, may write",
            "UPDATE users SET active = 0 WHERE id <= 11",
            "It touches 11 rows, 5 of which are:",
            "user5@example.com",
        ] {
            assert!(seen.contains(told), "{told}:\n{seen}");
        }
        assert!(!seen.contains("user6@example.com"), "{seen}");
        assert_eq!(bed.inactive(), "11");
    }
}

#[test]
fn no_means_no_and_the_question_fits_any_screen() {
    for columns in [80, 140] {
        let bed = Bed::sqlite("");
        let long = "UPDATE users SET active = 0 WHERE id <= 11 AND email LIKE '%@example.com' AND seen IS NOT NULL AND active = 1";
        let pane = Pane::start(&bed.project, &["db", "execute", long], columns, 40);
        let screen = pane.wait_until("asks", |screen| screen.contains("[y/N]"));
        let lines: Vec<&str> = screen.lines().map(str::trim_end).collect();
        let at = |text: &str| {
            let found = lines.iter().position(|line| line.contains(text));
            found.unwrap_or_else(|| panic!("{text}:\n{screen}"))
        };
        let statement = at("   UPDATE users SET active = 0");
        let last = statement + usize::from(columns < 120);
        assert!(lines[last].ends_with("active = 1"), "{screen}");
        assert_eq!(at(" It touches 11 rows"), last + 1, "{screen}");
        assert_eq!(
            at("   id  email              active  seen"),
            last + 2,
            "{screen}"
        );
        assert_eq!(at("Do this on main? [y/N]"), last + 9, "{screen}");
        pane.press("n");
        pane.press("Enter");
        pane.wait_until("ends", |screen| screen.contains("exit 75"));
        assert_eq!(bed.inactive(), "0");
    }
}

#[test]
fn somebody_who_writes_between_question_and_change_makes_it_void() {
    for bed in Bed::all("") {
        let mut terminal = Terminal::start(&bed.project, &["db", "execute", UPDATE]);
        terminal.wait_for("[y/N]");
        bed.sql("DELETE FROM users WHERE id = 7");
        terminal.press("y\r");
        let (code, seen) = terminal.end();
        assert_eq!(code, 75, "{seen}");
        assert!(
            seen.contains("it would touch 10 rows by now, and 11 were agreed to"),
            "{seen}"
        );
        assert_eq!(bed.inactive(), "0", "{}", bed.name());
        // Who says yes to whatever there is has agreed to no number.
        bed.run(&["db", "execute", UPDATE, "--yes"]).exits(0);
        assert_eq!(bed.inactive(), "10");
    }
}

#[test]
fn a_statement_without_where_destroys_and_a_protected_database_is_typed() {
    let all = ["DELETE FROM users", "UPDATE users SET active = 0"];
    for bed in Bed::all("[environment.production]\nprotected = true\n") {
        let name = bed.name();
        // What has a WHERE writes: the same question, and nobody types a name.
        let step = |sql: &str| {
            let dry = ["db", "execute", sql, "--dry-run", "--format", "json"];
            bed.run(&dry).exits(0).json()["steps"][1].take()
        };
        assert_eq!(step(UPDATE)["effect"], "write", "{name}");
        let (_, seen) = bed.answers(UPDATE, "Do this on main? [y/N]", "n\r");
        assert!(seen.contains("on main, may write"), "{name}: {seen}");
        for sql in all {
            let (effect, rows) = (&step(sql)["effect"], &step(sql)["preview"]["rows"]);
            assert_eq!(
                (effect, rows),
                (&json!("destroy"), &json!(20)),
                "{name}: {sql}"
            );
            let (code, seen) = bed.answers(sql, "Do this on main? [y/N]", "n\r");
            assert_eq!(code, 75, "{name}: {seen}");
            for words in ["on main, may destroy", "It touches 20 rows"] {
                assert!(seen.contains(words), "{name}: {words}: {seen}");
            }
            let line = ["db", "execute", sql, "--env", "production"];
            bed.run(&line).exits(75).prints("needs --confirm main");
            bed.run(&[&line[..], &["--yes"]].concat()).exits(75);
            bed.run(&[&line[..], &["--confirm", "other"]].concat())
                .exits(75);
        }
        assert_eq!(bed.inactive(), "0", "{name}");
        assert_eq!(bed.sql("SELECT count(*) FROM users"), "20", "{name}");

        let line = [
            "db",
            "execute",
            all[1],
            "--env",
            "production",
            "--confirm",
            "main",
        ];
        bed.run(&line).exits(0);
        assert_eq!(bed.inactive(), "20", "{name}");
        let line = ["db", "execute", all[0], "--env", "production"];
        let mut terminal = Terminal::start(&bed.project, &line);
        terminal.wait_for("Type main to go on:");
        terminal.press("main\r");
        let (code, seen) = terminal.end();
        assert_eq!(code, 0, "{seen}");
        for words in [
            "sql.execute on main in production, may destroy",
            "It touches 20 rows",
        ] {
            assert!(seen.contains(words), "{name}: {words}: {seen}");
        }
        assert_eq!(bed.sql("SELECT count(*) FROM users"), "0", "{name}");
    }
}

#[test]
fn where_the_preview_fails_nobody_is_asked() {
    for bed in Bed::all("") {
        let wrong = "UPDATE nobody SET active = 0 WHERE id = 1";
        let (code, seen) = Terminal::start(&bed.project, &["db", "execute", wrong]).end();
        assert_eq!(code, 2, "{seen}");
        assert!(!seen.contains("[y/N]"), "{seen}");
        assert!(seen.contains("nobody"), "{seen}");
    }
}

#[test]
fn other_actions_show_what_they_would_do_before_they_ask() {
    let project = Project::new().runbook(
        "say/it",
        "[[step]]\nname = \"say\"\ncommand.run = [\"echo\", \"it's done\"]\nconfirm = \"Say it?\"\n",
    );
    let mut terminal = Terminal::start(&project, &["say", "it"]);
    terminal.wait_for("Say it? [y/N]");
    terminal.press("y\r");
    let (code, seen) = terminal.end();
    assert_eq!(code, 0, "{seen}");
    assert!(seen.contains("say: command.run, may write"), "{seen}");
    assert!(seen.contains("echo 'it'\\''s done'"), "{seen}");
}

#[test]
fn a_file_is_shown_statement_by_statement_and_run_as_a_whole() {
    for bed in Bed::all("") {
        let file = "-- the first\nUPDATE users SET active = 0 WHERE id < 4; -- none goes\nDELETE FROM users WHERE id > 18; SELECT 1;\n";
        std::fs::write(bed.project.path("fix.sql"), file).unwrap();
        let told = "3 statements of PATH: 1 reads, 2 write\n-- statement 1, line 2: write, touches 3 rows\n-- the first\nUPDATE users SET active = 0 WHERE id < 4; -- none goes\n-- statement 2, line 3: write\nDELETE FROM users WHERE id > 18;\n-- statement 3, line 3: read\nSELECT 1;";
        let dry = bed
            .run(&["db", "file", "fix.sql", "--dry-run", "--format", "json"])
            .exits(0);
        let path = bed.project.path("fix.sql").display().to_string();
        let json = dry.json();
        let sent = json["steps"][1]["preview"]["sent"].as_str().unwrap();
        assert_eq!(sent.replace(&path, "PATH"), told, "{}", bed.name());
        bed.run(&["db", "file", "fix.sql"]).exits(75);
        assert_eq!(bed.sql("SELECT count(*) FROM users"), "20");
        bed.run(&["db", "file", "fix.sql", "--yes"])
            .exits(0)
            .prints("5 rows changed");
        assert_eq!(bed.sql("SELECT count(*) FROM users"), "18");
    }
}

#[test]
fn what_is_refused_in_a_run_is_refused_in_a_dry_run_and_before_a_copy() {
    let files = [
        (
            "INSERT INTO users VALUES (99, '', 1, ''); /* open",
            "a comment that begins in line 1 does not end",
        ),
        (
            "DELETE FROM users WHERE id = 1;\0",
            "a NUL stands in the text",
        ),
        (
            "DELETE FROM users WHERE id = 1;\nCOMMIT;",
            "line 2: COMMIT begins or ends a transaction",
        ),
        (
            "DELETE FROM users WHERE id = 1;\n\\i more.sql\n",
            "line 2: it has a command of psql",
        ),
        (
            "COPY users FROM STDIN;\n",
            "line 1: COPY over the connection is not done",
        ),
    ];
    let statements = [
        ("begin", "line 1: BEGIN begins or ends a transaction"),
        ("vacuum; select 1", "there is more than one statement"),
    ];
    for bed in Bed::all("") {
        let is_postgres = matches!(bed.engine, Engine::Postgres(_));
        let refuses = |object: &[&str], why: &str| {
            for how in [&["--dry-run"][..], &["--yes"], &["--yes", "--copy"]] {
                let line = [&["db"], object, how].concat();
                let ended = bed.run(&[&line[..], &["--format", "json"]].concat());
                let steps = ended.json()["steps"].to_string();
                assert_eq!(ended.code, 78, "{}: {line:?}: {steps}", bed.name());
                assert!(steps.contains(why), "{}: {line:?}: {steps}", bed.name());
            }
            assert_eq!(bed.sql("SELECT count(*) FROM users"), "20");
            assert!(!bed.project.path("copies").exists());
        };
        for (text, why) in &files[..if is_postgres { 5 } else { 3 }] {
            std::fs::write(bed.project.path("wrong.sql"), text).unwrap();
            refuses(&["file", "wrong.sql"], why);
        }
        for (statement, why) in statements {
            refuses(&["execute", statement], why);
        }
        let mut terminal = Terminal::start(&bed.project, &["db", "execute", "begin"]);
        terminal.wait_for("BEGIN begins or ends a");
        let (code, seen) = terminal.end();
        assert_eq!((code, seen.contains("[y/N]")), (78, false), "{seen}");
    }
}

/// What is joined to one line may mean another thing: a comment ends where its line does.
#[test]
fn a_statement_keeps_its_lines_wherever_it_is_shown() {
    let bed = Bed::sqlite("");
    let statement = "UPDATE users SET active = 0 -- those of id 1\nWHERE id <= 11";
    let dry = ["db", "execute", statement, "--dry-run"];
    let told =
        "   UPDATE users SET active = 0 -- those of id 1\n   WHERE id <= 11\n   touches 11 rows\n";
    bed.run(&dry).exits(0).prints(told);
    bed.run(&[&dry[..], &["--format", "markdown"]].concat())
        .exits(0)
        .prints(
            "UPDATE users SET active = 0 -- those of id 1<br>WHERE id &lt;= 11<br>touches 11 rows",
        );
    let json = bed.run(&[&dry[..], &["--format", "json"]].concat()).json();
    let step = &json["steps"][1];
    assert_eq!(step["preview"]["sent"], statement);
    assert_eq!(step["detail"], format!("{statement}\ntouches 11 rows"));
    let mut terminal = Terminal::start(&bed.project, &["db", "execute", statement]);
    terminal.wait_for("[y/N]");
    terminal.press("n\r");
    let (_, seen) = terminal.end();
    let lines: Vec<&str> = seen.lines().map(str::trim).collect();
    assert!(lines.contains(&"WHERE id <= 11"), "{seen}");
}

#[test]
fn the_question_of_a_file_begins_with_the_worst_and_says_how_much_of_it_is_not_shown() {
    for bed in Bed::all("") {
        let update = "UPDATE users SET active = 0 WHERE id = 1;\n";
        let file = format!("{}DROP TABLE users;\n", update.repeat(300));
        std::fs::write(bed.project.path("end.sql"), &file).unwrap();
        std::fs::write(bed.project.path("mild.sql"), update).unwrap();
        // What the step states makes it no milder.
        let project = bed.project.runbook(
            "end/it",
            "[[step]]\nname = \"end\"\nsql.file = \"end.sql\"\neffect = \"write\"\nconfirm = \"Go?\"\n",
        );
        for (arguments, effect, shown) in [
            (&["db", "file", "mild.sql"][..], "write", "touches 1 row"),
            (&["end", "it"], "destroy", "takes 20 rows of users"),
        ] {
            let mut terminal = Terminal::start(&project, arguments);
            terminal.wait_for("[y/N]");
            terminal.press("n\r");
            let (_, seen) = terminal.end();
            assert!(seen.contains(&format!("may {effect}")), "{seen}");
            assert!(seen.contains(shown), "{seen}");
            let has_all = effect == "write";
            assert_eq!(
                seen.contains(" more lines; --dry-run shows all"),
                !has_all,
                "{seen}"
            );
        }
        // Each statement has a line about it, and there is one line about all of them.
        let json = project
            .run(&["end", "it", "--dry-run", "--format", "json"])
            .exits(0)
            .json();
        let sent = json["steps"][0]["preview"]["sent"].as_str().unwrap();
        assert_eq!(sent.lines().count(), 1 + 2 * 301);
        assert_eq!(json["steps"][0]["preview"]["effect"], "destroy");
        project.run(&["end", "it", "--dry-run"]).exits(0).prints(
            "   -- statement 300, line 300: write\n   UPDATE users SET active = 0 WHERE id = 1;\n",
        );
    }
}

const RETENTION: &str =
    "[[database.main.retention]]\ntable = \"users\"\ncolumn = \"seen\"\nkeep = \"1d\"\nbatch = 4\n";

#[test]
fn old_rows_are_pruned_by_the_rules_of_the_configuration_with_a_copy_first() {
    for bed in Bed::both(RETENTION) {
        // Young enough to stay, and without an age.
        bed.sql("INSERT INTO users VALUES (50, 'young@example.com', 1, '2999-01-01 00:00:00'), (51, 'ageless@example.com', 1, NULL)");
        bed.run(&["db", "prune", "--dry-run"])
            .exits(0)
            .prints("touches 20 rows")
            .prints("user5@example.com");
        bed.run(&["db", "prune"]).exits(75);
        assert_eq!(bed.sql("SELECT count(*) FROM users"), "22");
        let output = bed
            .run(&["db", "prune", "--yes", "--format", "json"])
            .exits(0);
        let pruned = outputs(&output, "prune[0]");
        assert_eq!(
            (&pruned["deleted"], &pruned["batches"]),
            (&20.into(), &5.into()),
            "{}",
            bed.name()
        );
        assert_eq!(bed.sql("SELECT count(*) FROM users"), "2");
        let restore = outputs(&output, "copy")["restore"]
            .as_str()
            .unwrap()
            .to_owned();
        let path = outputs(&output, "copy")["path"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(std::fs::metadata(&path).unwrap().len() > 0);
        assert!(
            !restore.contains("hunter2") && !restore.contains("PGPASSWORD"),
            "{restore}"
        );
        assert_eq!(users_of(&restored(bed, &restore)), "22");
    }
}

fn users_of(bed: &Bed) -> String {
    bed.sql("SELECT count(*) FROM users")
}

/// Goes back to a copy by the command that was told; gives the bed with the database that is restored.
fn restored(mut bed: Bed, restore: &str) -> Bed {
    let mut shell = Command::new("sh");
    shell.args(["-c", restore]);
    if matches!(bed.engine, Engine::Postgres(_)) {
        shell.env("PGPASSWORD", super::postgres_cluster::PASSWORD);
    }
    let done = shell.output().unwrap();
    assert!(done.status.success(), "{restore}: {done:?}");
    if let Engine::Postgres(database) = &mut bed.engine {
        let newest = format!("SELECT datname FROM pg_database WHERE datname LIKE '{database}-%'");
        *database = cluster().psql("postgres", &newest).trim().to_owned();
    }
    bed
}

#[test]
fn what_the_configuration_keeps_is_not_pruned_unless_that_is_said() {
    let keep = RETENTION.replace("1d", "36500d");
    for bed in Bed::all(&keep) {
        let young = [
            "db",
            "prune",
            "users",
            "--older-than",
            "1d",
            "--yes",
            "--no-copy",
        ];
        bed.run(&young)
            .exits(75)
            .prints("rows of users are kept for 36500d")
            .prints("--override-retention");
        assert_eq!(bed.sql("SELECT count(*) FROM users"), "20");
        bed.run(&[&young[..], &["--override-retention"]].concat())
            .exits(0);
        assert_eq!(bed.sql("SELECT count(*) FROM users"), "0", "{}", bed.name());
        assert!(!bed.project.path("copies").exists());
    }
}

#[test]
fn guards_stop_a_prune_before_anything_is_deleted() {
    for (guard, told) in [
        ("max_rows = 19\n", "at most 19 may go at"),
        ("max_share = 99.5\n", "most 99.5 % may go"),
    ] {
        for bed in Bed::all(&format!("{RETENTION}{guard}")) {
            bed.run(&["db", "prune", "--yes"]).exits(75).prints(told);
            assert_eq!(
                bed.sql("SELECT count(*) FROM users"),
                "20",
                "{}",
                bed.name()
            );
        }
    }
}

#[test]
fn a_prune_tells_what_references_take_along() {
    for bed in Bed::all("") {
        bed.sql("CREATE TABLE mails (id INTEGER PRIMARY KEY, reader INTEGER REFERENCES users (id) ON DELETE CASCADE)");
        bed.sql("INSERT INTO users VALUES (50, 'young@example.com', 1, '2999-01-01 00:00:00')");
        bed.sql("INSERT INTO mails VALUES (1, 2), (2, 3), (3, 50)");
        let old = [
            "db",
            "prune",
            "users",
            "--column",
            "seen",
            "--older-than",
            "1d",
            "--no-copy",
        ];
        let output = bed
            .run(&[&old[..], &["--dry-run", "--format", "json"]].concat())
            .exits(0);
        let json = output.json();
        let steps = json["steps"].as_array().unwrap();
        let shown = steps
            .iter()
            .find(|step| step["step"] == "prune[0]")
            .unwrap();
        let sent = shown["preview"]["sent"].as_str().unwrap();
        assert!(
            sent.starts_with("-- takes along 2 rows of mails (ON DELETE CASCADE)\n"),
            "{sent}"
        );
        let told = bed.run(&[&old[..], &["--yes", "--format", "json"]].concat());
        let json = told.exits(0).json();
        let steps = json["steps"].as_array().unwrap();
        let pruned = steps
            .iter()
            .find(|step| step["step"] == "prune[0]")
            .unwrap();
        let detail = pruned["detail"].as_str().unwrap();
        let more = ", and with that 2 more rows (mails: ON DELETE CASCADE)";
        assert!(detail.ends_with(more), "{}: {detail}", bed.name());
        assert_eq!(bed.sql("SELECT count(*) FROM mails"), "1");
    }
}

#[test]
fn a_standing_approval_holds_a_prune_to_its_rows() {
    for bed in Bed::all("") {
        let runbook = |rows: u32| {
            format!(
                "approved = {{ rows = {rows} }}\n[[step]]\nname = \"old\"\ndatabase.prune = \"main\"\n\
                 database.table = \"users\"\ndatabase.column = \"seen\"\ndatabase.before = \"2026-01-01\"\n"
            )
        };
        let name = bed.name();
        let project = bed
            .project
            .runbook("few/rows", &runbook(10))
            .runbook("all/rows", &runbook(11));
        project
            .run(&["few", "rows"])
            .exits(75)
            .prints("would delete 11 rows; approved are 10");
        project
            .run(&["all", "rows"])
            .exits(0)
            .prints("11 rows of users");
        let _ = name;
    }
}

#[test]
fn a_standing_approval_says_how_many_rows_would_be_deleted_whatever_goes_along() {
    for bed in Bed::all("") {
        bed.sql(SHOP);
        let project = bed.project.runbook(
            "few/rows",
            "approved = { rows = 1 }\n[[step]]\nname = \"old\"\neffect = \"destroy\"\n\
             sql.execute = '''\n-- of all\nDELETE FROM \"Customers\" WHERE id < 4'''\n",
        );
        project
            .run(&["few", "rows"])
            .exits(75)
            .prints("would delete 3 rows; approved are 1");
    }
}

#[test]
fn postgres_tells_an_age_by_its_own_types() {
    for (kind, written) in [
        ("timestamptz", "seen::timestamptz"),
        ("timestamp", "seen::timestamp"),
        ("date", "seen::date"),
        (
            "bigint",
            "extract(epoch FROM seen::timestamptz)::bigint * 1000",
        ),
        ("varchar(40)", "replace(seen, ' ', 'T') || 'Z'"),
    ] {
        let bed = Bed::postgres("");
        bed.sql(&format!(
            "CREATE TABLE log (id int, at {kind}) PARTITION BY RANGE (id); CREATE TABLE log_a PARTITION OF log FOR VALUES FROM (0) TO (10); \
             CREATE TABLE log_b PARTITION OF log FOR VALUES FROM (10) TO (1000); INSERT INTO log SELECT id, {written} FROM users; INSERT INTO log VALUES (900, NULL)"
        ));
        for table in ["log_a", "log"] {
            let output = bed
                .run(&[
                    "db",
                    "prune",
                    table,
                    "--column",
                    "at",
                    "--older-than",
                    "300d",
                    "--yes",
                    "--no-copy",
                    "--format",
                    "json",
                ])
                .exits(0);
            let remaining = &outputs(&output, "prune[0]")["remaining"];
            assert!(
                *remaining == 0 || outputs(&output, "expired")["expired"] == 0,
                "{kind} {table}"
            );
        }
        let left = bed.sql("SELECT string_agg(id::text, ',' ORDER BY id) FROM log");
        assert!(
            left.ends_with("900") && !left.starts_with("1,"),
            "{kind}: {left}"
        );
    }
}

#[test]
fn a_prune_that_is_stopped_keeps_what_it_did_and_goes_on_later() {
    for bed in Bed::both(&RETENTION.replace("batch = 4", "batch = 1")) {
        let mut terminal = Terminal::start(
            &bed.project,
            &["db", "prune", "--yes", "--no-copy", "--pause", "1h"],
        );
        terminal.wait_for("1 of 20 rows");
        terminal.press("\x03");
        let (code, seen) = terminal.end();
        assert!([4, 130].contains(&code), "{code}: {seen}");
        let told = "interrupted: stopped after 1 of 20 rows were deleted";
        assert!(seen.contains(told), "{seen}");
        // Who goes on is told what is left, and that the other number is of before.
        let mut terminal = Terminal::start(&bed.project, &["resume"]);
        terminal.wait_for("when this run began)? [y/N]");
        terminal.press("n\r");
        let (_, seen) = terminal.end();
        assert!(seen.contains("It touches 19 rows"), "{seen}");
        assert_eq!(
            bed.sql("SELECT count(*) FROM users"),
            "19",
            "{}",
            bed.name()
        );
        bed.run(&["db", "prune", "--yes", "--no-copy"]).exits(0);
        assert_eq!(bed.sql("SELECT count(*) FROM users"), "0");
    }
}

#[test]
fn a_dump_by_a_tool_that_cannot_is_no_copy() {
    let bed = Bed::postgres("");
    let folder = bed.project.path("tools");
    let project = bed
        .project
        .file("tools/pg_dump", "#!/bin/sh\necho 'pg_dump: error: aborting because of server version mismatch' >&2\nexit 1\n")
        .variable("PATH", format!("{}:{}", folder.display(), std::env::var("PATH").unwrap()));
    let tool = project.path("tools/pg_dump");
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    project
        .run(&["db", "copy"])
        .exits(3)
        .prints("server version mismatch")
        .prints("at least as new as the server");
    let left: Vec<_> = std::fs::read_dir(project.path("copies")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn the_bookmark_of_d1_is_what_one_goes_back_to() {
    let bed = Bed::d1("");
    let Engine::D1(api) = &bed.engine else {
        return;
    };
    let body = r#"{"result": {"bookmark": "00000085-0000024c"}, "success": true, "errors": [], "messages": []}"#;
    api.answer_next(response(
        "200 OK",
        "Content-Type: application/json\r\n",
        body,
    ));
    let output = bed.run(&["db", "copy", "--format", "json"]).exits(0);
    let copy = outputs(&output, "copy");
    assert_eq!(
        (&copy["kind"], &copy["bookmark"]),
        (&"bookmark".into(), &"00000085-0000024c".into())
    );
    assert_eq!(
        copy["restore"],
        format!("wrangler d1 time-travel restore {NAME} --bookmark=00000085-0000024c")
    );
    assert!(!bed.project.path("copies").exists());
}
