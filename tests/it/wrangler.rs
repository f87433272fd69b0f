//! D1 by wrangler: the real program, on its copy of this machine and against the stand-in of the API, and stand-ins for
//! the program where it must be old, talkative or silent.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};

use super::d1_api::{
    ACCOUNT, BOOKMARK, D1Api, ID, LONG_ROWS, NAME, TOKEN, WHAT_ARRIVED, arrived, long_script,
    refusal, response,
};
use super::harness::{Output, Project, exit_code};
use super::http_server::Answer;
use super::terminal::Terminal;
use super::workerd::{node, npm};
use super::zoo;

const SETUP: &str = "CREATE TABLE t (n INTEGER, s TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b');";

/// A project whose database `main` is reached by wrangler; `more` are further keys of its table.
pub(crate) fn project(via: &str, more: &str) -> Project {
    let bin = node().parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap();
    Project::new()
        .config(&format!(
            "project = \"test\"\n[secret]\ncloudflare = {{ env = \"TOKEN\" }}\n\
             [database.main]\nkind = \"d1\"\nname = \"{NAME}\"\nvia = \"{via}\"\n{more}\n"
        ))
        .variable("PATH", format!("{bin}:{path}"))
}

/// The key that names the real program.
pub(crate) fn real() -> String {
    let program = npm("node_modules/.bin/wrangler");
    assert!(program.exists(), "wrangler is missing; run: scripts/test");
    format!("tool = \"{}\"", program.display())
}

/// The copy of this machine, as a Worker's folder has it.
pub(crate) fn local() -> Project {
    local_by(&real(), "")
}

/// The same by the program that this key names; `more` stands behind the keys of the database.
pub(crate) fn local_by(tool: &str, more: &str) -> Project {
    let keys =
        format!("{tool}\nwrangler = \"worker/wrangler.jsonc\"\npersist_to = \"copies\"\n{more}");
    project("local", &keys).file("worker/wrangler.jsonc", worker(""))
}

/// The configuration of a Worker with the database, of which `more` says more.
pub(crate) fn worker(more: &str) -> String {
    format!(
        "{{\"name\": \"crm\", \"compatibility_date\": \"2026-01-01\", \"d1_databases\": \
         [{{\"binding\": \"DB\", \"database_name\": \"{NAME}\", \"database_id\": \"{ID}\"{more}}}]}}"
    )
}

/// The file of the copy of this machine, where it is made already.
pub(crate) fn file_of_copy(project: &Project) -> Option<PathBuf> {
    let folder = project.path("copies/v3/d1/miniflare-D1DatabaseObject");
    let files = std::fs::read_dir(folder).ok()?;
    let mut paths = files.map(|file| file.unwrap().path());
    paths.find(|path| {
        path.extension().is_some_and(|kind| kind == "sqlite")
            && path.file_stem().is_some_and(|name| name != "metadata")
    })
}

/// The database at the stand-in of the API.
pub(crate) fn remote(api: &D1Api) -> Project {
    let keys = format!(
        "{}\naccount = \"{ACCOUNT}\"\ntoken = \"{{{{ secret.cloudflare }}}}\"",
        real()
    );
    project("wrangler", &keys)
        .variable("TOKEN", TOKEN)
        .variable("CLOUDFLARE_API_BASE_URL", api.url())
}

/// A stand-in for wrangler: this script of the shell.
pub(crate) fn with_stand_in(project: Project, script: &str) -> Project {
    let project = project.file("wrangler-stand-in", format!("#!/bin/sh\n{script}\n"));
    let path = project.path("wrangler-stand-in");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    project
}

pub(crate) const STAND_IN: &str = "tool = \"./wrangler-stand-in\"";

fn run(project: Project, step: &str) -> Output {
    let project = project.runbook("look/at", &format!("[[step]]\nname = \"look\"\n{step}\n"));
    let output = project.run(&["look", "at", "--yes", "--format", "json"]);
    output.never_shows("hunter2")
}

#[track_caller]
fn outputs(project: Project, step: &str) -> Value {
    run(project, step).exits(0).json()["steps"][0]["outputs"].clone()
}

fn failed(project: Project, step: &str) -> (i32, String) {
    let output = run(project, step);
    let step = output.json()["steps"][0].clone();
    (
        output.code,
        format!("{} → {}", step["detail"], step["help"]),
    )
}

/// Every value goes and comes as what it is, though wrangler binds none, rounds numbers and gives blobs as text.
#[test]
fn the_copy_of_this_machine_is_changed_and_read_exactly() {
    let statements = "CREATE TABLE v (k INTEGER PRIMARY KEY, v);\n\
        CREATE TRIGGER of_v AFTER INSERT ON v WHEN new.v = ';' BEGIN UPDATE v SET v = 'seen' WHERE k = new.k; END;\n\
        INSERT INTO v (v) VALUES (NULL), (9007199254740993), (x'00ff'), (x''), (1.5), ('[1, 2]'), (';');\n";
    let project = local().file("make.sql", statements);
    let file = project.path("make.sql").display().to_string();
    let project = project.runbook(
        "t/x",
        &format!(
            r#"
[[step]]
name = "make"
sql.file = "{file}"
effect = "write"
[[step]]
name = "add"
sql.execute = '''INSERT INTO v (v) VALUES ({{{{ "é😀 \"it's\"\r\n; COMMIT; BEGIN TRANSACTION;" }}}}), ({{{{ -7 }}}}) RETURNING k'''
[[step]]
name = "read"
sql.query = '''SELECT v, k AS "odd ""name" FROM v ORDER BY k -- last'''
"#
        ),
    );
    let run = project
        .run(&["t", "x", "--yes", "--format", "json"])
        .exits(0)
        .json();
    let outputs = |step: usize| run["steps"][step]["outputs"].clone();
    assert_eq!(outputs(0)["changed"], 8);
    assert_eq!(outputs(1)["changed"], 2);
    assert_eq!(outputs(1)["rows"], json!([{"k": 8}, {"k": 9}]));
    let read = outputs(2);
    let values = read["rows"].as_array().unwrap().iter();
    let values: Vec<&Value> = values.map(|row| &row["v"]).collect();
    assert_eq!(
        json!(values),
        json!([
            null, 9_007_199_254_740_993_i64, {"base64": "AP8="}, {"base64": ""}, 1.5, "[1, 2]", "seen",
            "é😀 \"it's\"\r\n; COMMIT; BEGIN TRANSACTION;", -7
        ])
    );
    assert_eq!(read["columns"], json!(["v", "odd \"name"]));
    assert!(project.path("copies").is_dir(), "where persist_to says");
    let same = project.runbook(
        "t/same",
        "[[step]]\nname = \"read\"\nsql.query = \"SELECT a.k, b.k FROM v AS a JOIN v AS b ON a.k = b.k\"\n",
    );
    same.run(&["t", "same"])
        .exits(2)
        .prints("two columns have the same name");
}

/// By wrangler a change keeps to its bounds too, and every call says which database is meant.
#[test]
fn the_database_at_cloudflare_is_read_and_changed_within_bounds() {
    let api = D1Api::with(&format!(
        "{SETUP} CREATE TABLE log (n); CREATE TRIGGER of_t AFTER DELETE ON t BEGIN INSERT INTO log VALUES (old.n); END;"
    ));
    let found = outputs(
        remote(&api),
        "sql.query = \"SELECT n, s FROM t WHERE s <> {{ \\\"it's\\\" }} ORDER BY n\"",
    );
    assert_eq!(
        found["rows"],
        json!([{"n": 1, "s": "a"}, {"n": 2, "s": "b"}])
    );
    let scheduled = |rows: u32| {
        let step =
            "name = \"look\"\nsql.execute = \"DELETE FROM t WHERE n > 0\"\neffect = \"destroy\"";
        let runbook = format!("approved = {{ rows = {rows} }}\n[[step]]\n{step}\n");
        remote(&api).runbook("t/x", &runbook).run(&["t", "x"])
    };
    scheduled(3).exits(75).prints("it would change 4 rows");
    assert_eq!(api.sql("SELECT count(*) FROM t"), json!([[2]]));
    scheduled(4).exits(0);
    assert_eq!(api.sql("SELECT count(*) FROM t"), json!([[0]]));
    assert_eq!(api.sql("SELECT count(*) FROM log"), json!([[2]]));
    let copy = outputs(remote(&api), "database.copy = \"main\"");
    assert!(copy.to_string().contains(BOOKMARK), "{copy}");
}

#[test]
fn what_the_api_says_to_wrangler_is_told_apart() {
    let api = D1Api::with(SETUP);
    let read = "sql.query = \"SELECT n FROM t\"";
    let change = "sql.execute = \"INSERT INTO t (n) VALUES (3)\"";
    let not_known = "it is not known whether it was done";
    // wrangler asks for the id of the database first.
    let at = |answer: Answer| {
        let found = json!({"success": true, "errors": [], "messages": [], "result": {"uuid": ID, "name": NAME}});
        api.answer_next(response(
            "200 OK",
            "content-type: application/json\r\n",
            &found.to_string(),
        ));
        api.answer_next(answer);
    };
    for (answer, step, code, words) in [
        (
            refusal("401 Unauthorized", 10000, "Authentication error"),
            read,
            3,
            "wrangler was turned away",
        ),
        (
            refusal("403 Forbidden", 7403, "not authorized"),
            read,
            3,
            "give the token the permission",
        ),
        (
            refusal("429 Too Many Requests", 971, "slow down"),
            change,
            2,
            "too many requests",
        ),
        (
            refusal(
                "500 Internal Server Error",
                7500,
                "no such table: x: SQLITE_ERROR",
            ),
            change,
            2,
            "no such table: x",
        ),
        (
            response("502 Bad Gateway", "", "<html>"),
            change,
            4,
            not_known,
        ),
        (Answer::Bytes(Vec::new()), change, 4, not_known),
    ] {
        at(answer);
        let (found, detail) = failed(remote(&api), step);
        assert_eq!(found, code, "{words}: {detail}");
        assert!(detail.contains(words), "{words}: {detail}");
        assert_eq!(words == not_known, detail.contains(not_known), "{detail}");
    }
    assert_eq!(api.sql("SELECT count(*) FROM t"), json!([[2]]));
    at(Answer::Never);
    let (code, detail) = failed(remote(&api), &format!("{change}\ntimeout = \"4s\""));
    assert_eq!(code, 4, "{detail}");
    assert!(detail.contains("did not end within"), "{detail}");
    assert!(detail.contains(not_known), "{detail}");
}

#[test]
fn a_wrangler_that_cannot_be_used_says_what_to_do() {
    let read = "sql.query = \"SELECT 1\"";
    let missing = project("local", "tool = \"no-such-wrangler\"");
    let old = with_stand_in(project("local", STAND_IN), "echo 3.114.1");
    let mute = with_stand_in(project("local", STAND_IN), "echo unknown");
    let no_database = project("local", &real()).file("wrangler.jsonc", "{\"name\": \"w\"}");
    let logged_out = project("wrangler", &real()).variable("CLOUDFLARE_ACCOUNT_ID", ACCOUNT);
    let old_node = with_stand_in(
        project("local", STAND_IN),
        "case $1 in --version) echo 4.164.0 ;; *)\n\
         echo 'Wrangler requires at least Node.js v22.12.0. You are using v20.20.2.' >&2; exit 1 ;; esac",
    );
    for (project, code, words) in [
        (missing, 3, "npm install --save-dev wrangler"),
        (
            old,
            3,
            "its version is \\\"3.114.1\\\", and 4.0.0 or newer is needed",
        ),
        (mute, 3, "npm install --save-dev wrangler@4"),
        (no_database, 2, "Couldn't find a D1 DB"),
        (logged_out, 3, "wrangler is not logged in"),
        (old_node, 3, "put a newer Node.js first in PATH"),
    ] {
        let (found, detail) = failed(project, read);
        assert_eq!(found, code, "{words}: {detail}");
        assert!(detail.contains(words), "{words}: {detail}");
    }
}

/// A stand-in that writes down how it was called, and answers every statement with one row among banners and colours.
const RECORDS: &str = r#"
printf '%s\n' "$@" >>called
case $1 in --version) echo 4.164.0; exit ;; esac
[ -t 0 ] && echo "standard input is a terminal" >>called
read -r line && echo "it was told: $line" >>called
env | grep -E '^(WRANGLER_|CLOUDFLARE_)' >>called
printf '\033[33m Update available!\033[0m\n\n[wrangler:info] hello\n[\n'
case $7 in --file=*) cp "${7#--file=}" file; sql=$(cat file) ;; *) sql=$7 ;; esac
sql=$(printf '%s' "$sql" | tr -cd ';' | wc -c)
comma=
for _ in $(seq 0 "$sql"); do
    printf '%s{"results": [{"total": 1, "n": "one\\u001b[31m"}], "success": true, "meta": {"duration": 0}}\n' "$comma"
    comma=,
done
printf ']\n\033[2mgood bye\033[0m\n'
"#;

#[test]
fn every_call_says_which_database_is_meant_and_asks_nobody() {
    for (via, option, other) in [
        ("wrangler", "--remote", "--local"),
        ("local", "--local", "--remote"),
    ] {
        let project = with_stand_in(
            project(via, &format!("{STAND_IN}\nenv = \"staging\"")),
            RECORDS,
        )
        .variable("WRANGLER_LOG", "none")
        .file(
            "change.sql",
            "INSERT INTO t VALUES (1);\nINSERT INTO t VALUES (2);\n",
        );
        let file = project.path("change.sql").display().to_string();
        let project = project.runbook(
            "t/x",
            &format!(
                "[[step]]\nname = \"read\"\nsql.query = \"PRAGMA table_list\"\n\
                 [[step]]\nname = \"change\"\nsql.execute = \"INSERT INTO t VALUES ({{{{ 'x' }}}})\"\n\
                 [[step]]\nname = \"script\"\nsql.file = \"{file}\"\neffect = \"write\"\n"
            ),
        );
        let run = project
            .run(&["t", "x", "--yes", "--format", "json"])
            .exits(0)
            .json();
        assert_eq!(
            run["steps"][0]["outputs"]["rows"],
            json!([{"total": 1, "n": "one\u{1b}[31m"}])
        );
        let called = project.read("called");
        let times = |word: &str| called.lines().filter(|line| *line == word).count();
        assert_eq!(times("execute"), 3, "{called}");
        assert_eq!(times(option), 3, "{called}");
        assert_eq!(times(other), 0, "{called}");
        assert_eq!(times("--yes"), 3, "{called}");
        assert_eq!(times("--env=staging"), 3, "{called}");
        assert_eq!(times("WRANGLER_LOG=log"), 3, "{called}");
        for never in ["--temporary", "it was told", "terminal"] {
            assert!(!called.contains(never), "{called}");
        }
        // The version is asked for once.
        assert_eq!(times("--version"), 1, "{called}");
        let by_file = called.matches("--file=").count();
        assert_eq!(by_file, if via == "local" { 3 } else { 0 }, "{called}");
    }
}

/// One that would ask whoever sits at its terminal, and wait for the answer.
const PROMPTS: &str = r#"
case $1 in --version) echo 4.164.0; exit ;; esac
for stream in 0 1 2; do [ -t $stream ] && echo "$stream is a terminal" >>seen; done
printf 'Ok to proceed? ' >&2
if read -r line; then echo "it was told: $line" >>seen; else echo 'end of file' >>seen; fi
one='{"results": [{"n": 1}], "success": true, "meta": {"duration": 0}}'
echo "[$one, $one]"
"#;

/// Who sits at the terminal of opsbook is asked by opsbook alone.
#[test]
fn a_wrangler_that_would_ask_finds_nobody_at_the_terminal() {
    for via in ["wrangler", "local"] {
        let project = with_stand_in(project(via, STAND_IN), PROMPTS);
        let mut terminal = Terminal::start(&project, &["db", "query", "SELECT 1 AS n"]);
        // Were it read, this would be the answer.
        terminal.press("y\r");
        let (code, shown) = terminal.end();
        assert_eq!(code, 0, "{shown}");
        assert!(!shown.contains("Ok to proceed?"), "{shown}");
        assert_eq!(project.read("seen"), "end of file\n");
    }
    // The real one would begin a login in the browser.
    let logged_out = project("wrangler", &real()).variable("CLOUDFLARE_ACCOUNT_ID", ACCOUNT);
    let terminal = Terminal::start(&logged_out, &["db", "ping"]);
    let (code, shown) = terminal.end();
    assert_eq!(code, 3, "{shown}");
    assert!(shown.contains("wrangler is not logged in"), "{shown}");
}

/// A statement is not slow because node takes its time to start.
#[test]
fn what_wrangler_takes_to_start_is_not_held_against_a_statement() {
    let script = r#"case $1 in --version) echo 4.164.0; exit ;; esac
for word in "$@"; do case $word in --file=*) file=${word#--file=} ;; esac; done
one='{"results": [{"id": 2, "detail": "SEARCH t"}], "success": true, "meta": {"duration": 0}}'
if grep -q "QUERY PLAN" "$file"; then echo "[$one]"; else echo "[$one, $one]"; fi"#;
    let project = with_stand_in(project("local", STAND_IN), script);
    let words = ["db", "explain", "SELECT n FROM t", "--run", "--warn", "0s"];
    project.run(&words).exits(0);
}

/// What stands on a command line everybody on the machine can read.
#[test]
fn no_secret_stands_on_the_command_line() {
    let secret = "correct horse's";
    let of = |via: &str| {
        let keys = format!("{STAND_IN}\n[secret.key]\nenv = \"KEY\"");
        with_stand_in(project(via, &keys), RECORDS).variable("KEY", secret)
    };
    let change = "sql.execute = \"INSERT INTO t VALUES ({{ secret.key }}, 'b')\"";
    let read = "sql.query = \"SELECT n FROM t WHERE n = {{ secret.key }}\"";
    for step in [change, read] {
        let project = of("local").runbook("t/x", &format!("[[step]]\nname = \"look\"\n{step}\n"));
        project.run(&["t", "x", "--yes"]).exits(0);
        let called = project.read("called");
        assert!(!called.contains("horse"), "{called}");
        assert!(project.read("file").contains("'correct horse''s'"));

        let project =
            of("wrangler").runbook("t/x", &format!("[[step]]\nname = \"look\"\n{step}\n"));
        let refused = project.run(&["t", "x", "--yes"]).exits(78);
        refused
            .prints("nothing was sent")
            .prints("say via = \"api\"");
        assert!(!project.path("called").exists(), "wrangler was run");
    }
}

/// wrangler itself would wait five minutes for a server that says nothing.
#[test]
fn a_wrangler_that_hangs_is_ended_with_all_that_it_started() {
    let script = "case $1 in --version) echo 4.164.0; exit ;; esac\n\
        trap '' TERM\nsleep 1000 & echo $! >child\necho $$ >self\nwait\nsleep 1000";
    let project = with_stand_in(project("local", STAND_IN), script);
    let project = project.runbook(
        "look/at",
        "[[step]]\nname = \"look\"\nsql.query = \"SELECT 1\"\ntimeout = \"1s\"\n",
    );
    project
        .run(&["look", "at"])
        .exits(2)
        .prints("did not end within");
    for file in ["self", "child"] {
        let process = project.read(file);
        // Of one that has ended and that nobody has asked about yet only the number is left.
        let line = std::fs::read(Path::new("/proc").join(process.trim()).join("cmdline"));
        let line = line.unwrap_or_default();
        assert!(line.is_empty(), "{file} {process} still runs");
    }
}

/// Whatever started it: `kill -9` of opsbook leaves neither it nor what it started.
#[test]
fn a_wrangler_of_a_killed_run_is_ended_whatever_started_it() {
    let script = "case $1 in --version) echo 4.164.0; exit ;; esac\n\
        sleep 300 & echo $! >child\necho $$ >writing\nmv writing self\nwait";
    for (via, line) in [
        ("local", &["db", "query", "SELECT 1"][..]),
        ("wrangler", &["db", "query", "SELECT 1"]),
        ("local", &["db", "ping"]),
        ("wrangler", &["db", "migrations", "status"]),
        (
            "local",
            &["db", "execute", "DELETE FROM t WHERE n = 1", "--dry-run"],
        ),
    ] {
        let keys = format!("{STAND_IN}\n[database.main.migrations]\nfolder = \"migrations\"");
        let project = with_stand_in(project(via, &keys), script)
            .file("migrations/0001_t.sql", "CREATE TABLE t (n INTEGER);\n");
        let mut opsbook = project
            .command(line)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        zoo::until("wrangler runs", || project.path("self").exists());
        let processes = ["self", "child"].map(|file| project.read(file));
        opsbook.kill().unwrap();
        opsbook.wait().unwrap();
        for process in processes {
            let line = Path::new("/proc").join(process.trim()).join("cmdline");
            // Of one that has ended and that nobody has asked about yet only the number is left.
            zoo::until("it has ended", || {
                std::fs::read(&line).unwrap_or_default().is_empty()
            });
        }
    }
}

/// Of any length: what arrives is held against what was sent, row by row.
#[test]
fn a_long_script_arrives_whole() {
    let project = local().file("long.sql", long_script());
    let file = project.path("long.sql").display().to_string();
    let project = project.runbook(
        "t/x",
        &format!(
            "[[step]]\nname = \"write\"\nsql.file = \"{file}\"\neffect = \"write\"\n\
             [[step]]\nname = \"read\"\nsql.query = \"{WHAT_ARRIVED}\"\n"
        ),
    );
    let run = project.run(&["t", "x", "--yes", "--format", "json"]);
    let run = run.exits(0).json();
    assert_eq!(run["steps"][0]["outputs"]["changed"], LONG_ROWS);
    let found = &run["steps"][1]["outputs"]["rows"][0];
    assert_eq!(found, &arrived());
}

/// wrangler binds no values: with them a statement can be longer than D1 takes.
#[test]
fn a_value_that_makes_a_statement_too_long_is_refused_before_it_is_sent() {
    for via in ["local", "wrangler"] {
        let project = with_stand_in(project(via, STAND_IN), "touch called");
        let path = project.path("called");
        let step = "sql.execute = \"INSERT INTO t VALUES ({{ 'x' * 100000 }})\"";
        let (code, detail) = failed(project, step);
        assert_eq!(code, 78, "{detail}");
        assert!(
            detail.contains("nothing was sent") && detail.contains("via ="),
            "{detail}"
        );
        assert!(!path.exists(), "wrangler was run");
    }
}

#[test]
fn a_script_that_the_copy_of_this_machine_refuses_names_its_line() {
    let script = "CREATE TABLE t (n UNIQUE);\n\nINSERT INTO t VALUES (1);\nINSERT INTO t\nVALUES (1);\nSELECT 1;\n";
    let project = local().file("change.sql", script);
    let file = project.path("change.sql").display().to_string();
    let (code, detail) = failed(
        project,
        &format!("sql.file = \"{file}\"\neffect = \"write\""),
    );
    assert_eq!(code, 2, "{detail}");
    assert!(
        detail.contains("line 4, INSERT INTO t: UNIQUE constraint failed"),
        "{detail}"
    );
}

/// The real program behind a script of the shell, which sees how it is called.
pub(crate) fn behind(project: Project, script: &str) -> Project {
    let wrangler = npm("node_modules/.bin/wrangler");
    with_stand_in(project, &format!("{script}\nexec {wrangler:?} \"$@\""))
}

/// As SQLite waits for a lock, so do we, for wrangler does not; workerd tells of it in one of two ways.
#[test]
fn a_lock_of_the_copy_of_this_machine_is_waited_for() {
    let project = behind(
        local_by(STAND_IN, ""),
        "case $2 in execute) echo >>../called ;; esac",
    );
    let calls = || {
        std::fs::read_to_string(project.path("called"))
            .unwrap_or_default()
            .lines()
            .count()
    };
    project
        .run(&["db", "execute", "CREATE TABLE t (n INTEGER)", "--yes"])
        .exits(0);
    let connection = rusqlite::Connection::open(file_of_copy(&project).unwrap()).unwrap();
    for (lock, release) in [
        ("BEGIN IMMEDIATE", "ROLLBACK"),
        (
            "PRAGMA locking_mode = EXCLUSIVE; BEGIN; INSERT INTO t VALUES (0); ROLLBACK",
            "PRAGMA locking_mode = NORMAL; SELECT * FROM t",
        ),
    ] {
        connection.execute_batch(lock).unwrap();
        let change = ["db", "execute", "INSERT INTO t VALUES (1)", "--yes"];
        let before = calls();
        project
            .run(&change)
            .exits(2)
            .prints("is locked by another process")
            .prints("fuser -v");
        let needed = calls() - before;
        assert!(needed >= 3, "{needed}");
        let last = calls() + needed;
        let mut opsbook = project
            .command(&change)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        zoo::until("it is called a second time", || calls() >= last - 1);
        connection.execute_batch(release).unwrap();
        assert_eq!(exit_code(opsbook.wait().unwrap()), 0);
    }
    assert_eq!(
        connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)),
        Ok(2)
    );
}

/// There is no stand-in that knows the schema of Cloudflare's analytics: what wrangler asks of it is what is known.
#[test]
fn the_analytics_are_asked_for_what_wrangler_asks_them_for() {
    let api = D1Api::with("");
    let asked = |run: &dyn Fn()| -> Value {
        run();
        loop {
            let request = api.server().next_request();
            if request.path.ends_with("/graphql") {
                return serde_json::from_str(&request.body).unwrap();
            }
        }
    };
    let ours = asked(&|| {
        let keys = format!(
            "id = \"{ID}\"\naccount = \"{ACCOUNT}\"\ntoken = \"{{{{ secret.cloudflare }}}}\""
        );
        let project = project("api", &keys).variable("TOKEN", TOKEN);
        let project = project.variable("CLOUDFLARE_API_BASE_URL", api.url());
        outputs(project, "database.slow = \"main\"");
    });
    let wranglers = asked(&|| {
        let options = ["--sort-type=sum", "--sort-by=time", "--json"];
        let done = std::process::Command::new(node())
            .arg(npm("node_modules/wrangler/bin/wrangler.js"))
            .args(["d1", "insights", NAME])
            .args(options)
            .current_dir(Project::new().path(""))
            .env("CLOUDFLARE_API_BASE_URL", api.url())
            .env("CLOUDFLARE_API_TOKEN", TOKEN)
            .env("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
            .env("WRANGLER_SEND_METRICS", "false")
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
    });
    let text = |body: &Value| body["query"].as_str().unwrap().to_owned();
    for (pattern, wanted) in [
        (r"(d1QueriesAdaptiveGroups)\(", 1),
        (r"orderBy: \[([^\]]*)\]", 1),
        (r"sum \{([^}]*)\}", 3),
        (r"avg \{([^}]*)\}", 1),
        (r"dimensions \{([^}]*)\}", 1),
    ] {
        let words = |query: &str| -> Vec<String> {
            let found = regex::Regex::new(pattern).unwrap().captures(query).unwrap();
            found[1].split_whitespace().map(str::to_owned).collect()
        };
        let (own, known) = (words(&text(&ours)), words(&text(&wranglers)));
        assert_eq!(own.len(), wanted, "{own:?}");
        assert!(
            own.iter().all(|word| known.contains(word)),
            "{own:?} {known:?}"
        );
    }
    let filter = &wranglers["variables"]["filter"]["AND"][0];
    for (key, variable) in [
        ("datetimeHour_geq", "from"),
        ("datetimeHour_leq", "to"),
        ("databaseId", "database"),
    ] {
        assert!(
            text(&ours).contains(&format!("{key}: ${variable}")),
            "{key}"
        );
        let (own, known) = (&ours["variables"][variable], &filter[key]);
        let is_time = |value: &Value| chrono::DateTime::parse_from_rfc3339(value.as_str().unwrap());
        assert_eq!(
            is_time(own).is_ok(),
            is_time(known).is_ok(),
            "{own} {known}"
        );
    }
}
