//! `--dry-run` and `--read-only` with real files, programs, databases and servers: what is only shown is not done.

use std::path::Path;

use crate::harness::{Output, Project, redact};
use crate::http_server::{Answer, HttpServer};

/// 18 old rows and 2 new ones.
const LOGS: &str = "CREATE TABLE audit_logs (id INTEGER PRIMARY KEY, created_at TEXT, note TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
INSERT INTO audit_logs SELECT i, CASE WHEN i <= 18 THEN '2020-01-01' ELSE '2999-01-01' END, 'it''s' FROM n;";

const PRUNE: &str = r#"
[input.table]
type     = "string"
position = 1

[[step]]
name      = "count"
sql.query = "SELECT count(*) AS n FROM {{ input.table | identifier }} WHERE created_at < {{ '2026-08-22' }}"
save      = { doomed = "rows[0].n" }

[[step]]
name        = "backup"
when        = "doomed > 0"
command.run = ["touch", "a backup of {{ input.table }}"]
save        = { file = "stdout" }

[[step]]
name        = "delete"
when        = "doomed > 0"
sql.execute = "DELETE FROM {{ input.table | identifier }} WHERE created_at < {{ '2026-08-22' }} AND note = {{ \"it's\" }}"
confirm     = "Delete {{ doomed }} rows?"
expect      = "changed == doomed"

[[step]]
name      = "verify"
when      = "steps.delete.changed > 0"
sql.query = "SELECT count(*) AS n FROM audit_logs"
"#;

/// A database that is there, made by the binary itself.
fn with_database(project: Project) -> Project {
    let project = project
        .config("[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\ncreate = \"setup.sql\"\n")
        .file("setup.sql", LOGS)
        .runbook(
            "setup",
            "[[step]]\nname = \"ping\"\ndatabase.ping = \"main\"\n",
        );
    project.run(&["setup"]).exits(0);
    project
}

/// What a run printed, its white space and what differs from run to run aside.
fn told(output: &Output) -> String {
    let text = redact(&output.stdout, Path::new("/nowhere"));
    let lines = text.lines().map(|line| line.split_whitespace());
    lines
        .map(|words| words.collect::<Vec<_>>().join(" ") + "\n")
        .collect()
}

/// Every file below a folder with what it holds.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.push((path.display().to_string(), Vec::new()));
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn a_dry_run_reads_for_real_and_shows_the_rest() {
    let project = with_database(Project::new().runbook("prune", PRUNE)).variable("COLUMNS", "160");
    let before = files(&project.path(""));
    let output = project.run(&["prune", "audit_logs", "--dry-run"]).exits(0);
    insta::assert_snapshot!(told(&output), @r#"
    step effect status took detail
    count read ok [TOOK] doomed = 18
    backup write would run – touch 'a backup of audit_logs'
    delete write would run – DELETE FROM "audit_logs" WHERE created_at < '2026-08-22' AND note = 'it''s'; touches 18 rows
    verify read not run – would run if steps.delete.changed > 0 (known after run)

    delete: some of the rows that it would touch
    id created_at note
    1 2020-01-01 it's
    2 2020-01-01 it's
    3 2020-01-01 it's
    4 2020-01-01 it's
    5 2020-01-01 it's

    DRY RUN nothing was changed; 4 steps: 1 ok, 2 would run, 1 not run [TOOK] run [N]
    "#);
    assert_eq!(files(&project.path("")), before);
    project.run(&["runs", "list"]).exits(0).prints("ok (dry)");
}

#[test]
fn the_twin_of_the_option_makes_it_dry_too() {
    let project =
        with_database(Project::new().runbook("prune", PRUNE)).variable("OPSBOOK_DRY_RUN", "true");
    let before = files(&project.path(""));
    project
        .run(&["prune", "audit_logs"])
        .exits(0)
        .prints("DRY RUN  nothing was changed");
    assert_eq!(files(&project.path("")), before);
}

#[test]
fn machines_get_the_whole_preview() {
    let project = with_database(Project::new().runbook("prune", PRUNE));
    let output = project.run(&["prune", "audit_logs", "--dry-run", "--format", "jsonl"]);
    let delete = output
        .json_lines()
        .into_iter()
        .find(|event| event["type"] == "step-finished" && event["step"] == "delete")
        .unwrap_or_else(|| panic!("{}", output.shown()));
    assert_eq!(delete["status"], "not-run");
    assert_eq!(delete["preview"]["rows"], 18);
    assert_eq!(
        delete["preview"]["sent"],
        "DELETE FROM \"audit_logs\" WHERE created_at < '2026-08-22' AND note = 'it''s'"
    );
}

/// What each kind of action that can change something would leave behind.
const CHANGES: &[(&str, &str)] = &[
    ("command", "command.run = ['touch', 'touched']"),
    ("shell", "shell.run = 'touch touched'"),
    (
        "execute",
        "sql.execute = \"UPDATE audit_logs SET note = 'touched' WHERE id = 1\"",
    ),
    ("file", "sql.file = 'touch.sql'"),
    ("vacuum", "database.vacuum = 'main'"),
    ("analyze", "database.analyze = 'main'"),
    ("reindex", "database.reindex = 'main'"),
    (
        "post",
        "http.post = '/touched'\nhttp.on = 'api'\nhttp.json = { a = 1 }",
    ),
    ("put", "http.put = '/touched'\nhttp.on = 'api'"),
    ("patch", "http.patch = '/touched'\nhttp.on = 'api'"),
    ("delete", "http.delete = '/touched'\nhttp.on = 'api'"),
    ("manual", "manual.do = 'Touch it'"),
    ("child", "runbook.run = 'touch/child'"),
];

/// A project in which every step of [`CHANGES`] would leave a mark.
fn touchable(server: &HttpServer) -> Project {
    let config = format!(
        "[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\ncreate = \"setup.sql\"\n\
         [service.api]\nurl = \"{}\"\nauth.bearer = \"{{{{ secret.token }}}}\"\n\
         [secret]\ntoken = {{ env = \"TOKEN\" }}\n",
        server.url()
    );
    with_database(Project::new())
        .config(&config)
        .variable("TOKEN", "it's \"hidden\"")
        .file(
            "touch.sql",
            "DELETE FROM audit_logs;\nDROP TABLE audit_logs;\n",
        )
        .runbook(
            "touch/child",
            "[[step]]\nname = \"inner\"\nshell.run = \"touch touched\"\n",
        )
}

#[test]
fn every_kind_of_change_is_shown_and_none_is_made() {
    let server = HttpServer::answering(Answer::Json(200, "{}"));
    let steps: Vec<String> = CHANGES
        .iter()
        .map(|(name, call)| format!("[[step]]\nname = \"{name}\"\n{call}\n"))
        .collect();
    let project = touchable(&server).runbook("touch/all", &steps.concat());
    let before = files(&project.path(""));
    let output = project
        .run(&["touch", "all", "--dry-run", "--format", "json"])
        .exits(0);
    let report = output.json();
    let steps = report["steps"].as_array().unwrap();
    for (name, _) in CHANGES {
        let step = steps.iter().find(|step| step["step"] == *name).unwrap();
        let expected = if *name == "child" { "ok" } else { "not-run" };
        assert_eq!(step["status"], expected, "{step}");
    }
    assert!(steps.iter().any(|step| step["step"] == "child/inner"));
    assert_eq!(files(&project.path("")), before);
    assert_eq!(server.count(), 0);
}

#[test]
fn read_only_refuses_every_kind_of_change_wherever_it_stands() {
    let server = HttpServer::answering(Answer::Json(200, "{}"));
    let read = "[[step]]\nname = \"look\"\nhttp.get = \"/touched\"\nhttp.on = \"api\"\n";
    let mut project = touchable(&server);
    let mut runbooks = Vec::new();
    for (name, call) in CHANGES {
        let undo = call.replace('\n', ", ");
        let last = format!("[[step]]\nname = \"x\"\n{call}\n");
        let shapes = [
            ("step", format!("{read}{last}")),
            (
                "finally",
                format!("{read}[[finally]]\nname = \"x\"\n{call}\n"),
            ),
            (
                "each",
                format!("{read}[[step]]\nname = \"x\"\nfor_each.item = \"[]\"\n{call}\n"),
            ),
            (
                "skipped",
                format!("{read}[[step]]\nname = \"x\"\nwhen = \"false\"\n{call}\n"),
            ),
            ("undo", format!("{read}undo = {{ {undo} }}\n")),
            (
                "nested",
                format!("{read}[[step]]\nname = \"x\"\nrunbook.run = \"{name}/step\"\n"),
            ),
        ];
        for (shape, text) in shapes {
            project = project.runbook(&format!("{name}/{shape}"), &text);
            runbooks.push((*name, shape));
        }
    }
    let before = files(&project.path(""));
    for (name, shape) in runbooks {
        project
            .run(&["run", &format!("{name}/{shape}"), "--read-only", "--yes"])
            .exits(75)
            .says("--read-only refuses this runbook");
    }
    assert_eq!(files(&project.path("")), before);
    assert_eq!(server.count(), 0);
    project.run(&["runs", "list"]).exits(0).prints("setup");
}

#[test]
fn a_change_cannot_stand_where_a_look_belongs() {
    for (name, call) in CHANGES.iter().filter(|(name, _)| *name != "child") {
        let look = call.replace('\n', ", ");
        Project::new()
            .config("[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\n[service.api]\nurl = \"http://127.0.0.1:9\"\n")
            .runbook(
                "x",
                &format!(
                    "[[step]]\nname = \"x\"\ncommand.run = [\"true\"]\nunless = {{ {look}, expect = \"true\" }}\n"
                ),
            )
            .run(&["x", "--read-only"])
            .exits(78)
            .says("unless");
        let _ = name;
    }
}

#[test]
fn what_says_that_it_reads_is_held_to_it() {
    let liar = |call: &str| {
        with_database(Project::new())
            .file("touch.sql", "SELECT 1;\nDELETE FROM audit_logs;\n")
            .file("look.sql", "SELECT 1;\nSELECT count(*) FROM audit_logs;\n")
            .runbook(
                "x",
                &format!("[[step]]\nname = \"x\"\n{call}\neffect = \"read\"\n"),
            )
    };
    for option in ["--dry-run", "--read-only"] {
        let project = liar("sql.file = \"touch.sql\"");
        let before = files(&project.path(""));
        project
            .run(&["x", option])
            .exits(78)
            .prints("more than read");
        assert_eq!(files(&project.path("")), before);
        let honest = liar("sql.file = \"look.sql\"");
        honest.run(&["x", option]).exits(0).step("x", "ok");
    }
}

#[test]
fn a_database_that_is_made_on_first_use_is_not_made() {
    for option in ["--dry-run", "--read-only"] {
        let project = Project::new()
            .config(
                "[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\ncreate = \"setup.sql\"\n",
            )
            .file("setup.sql", LOGS)
            .runbook("x", "[[step]]\nname = \"look\"\nsql.query = \"SELECT 1\"\n");
        project.run(&["x", option]).exits(2).prints("made on first");
        assert!(!project.path("main.db").exists());
        project.run(&["x"]).exits(0);
        project.run(&["x", option]).exits(0);
    }
}

#[test]
fn a_preview_holds_no_secret_however_it_is_quoted() {
    let server = HttpServer::answering(Answer::Json(200, "{}"));
    let project = touchable(&server).runbook(
        "x",
        r#"
[[step]]
name = "post"
http.post = "/a"
http.on = "api"
http.json = { token = "{{ secret.token }}", n = 1 }
http.query = { token = "{{ secret.token }}" }
http.headers = { x-token = "{{ secret.token }}" }

[[step]]
name = "form"
http.post = "/a"
http.on = "api"
http.form = { token = "{{ secret.token }}" }

[[step]]
name = "sql"
sql.execute = "UPDATE audit_logs SET note = {{ secret.token }} WHERE id = 1"

[[step]]
name = "shell"
shell.run = "echo {{ secret.token }} > touched"

[[step]]
name = "command"
command.run = ["tool", "--file", "a b"]
command.env = { TOKEN = "{{ secret.token }}" }
command.stdin = "{{ secret.token }}"
"#,
    );
    for format in ["table", "json", "jsonl"] {
        let output = project
            .run(&["x", "--dry-run", "-vvv", "--format", format])
            .exits(0);
        let output = output
            .never_shows("hidden")
            // A row that is shown holds these letters alone.
            .never_shows("it's h")
            .never_shows("it''s");
        assert!(output.stdout.contains("***"), "{}", output.shown());
    }
    let table = project.run(&["x", "--dry-run"]).stdout;
    for line in [
        "UPDATE audit_logs SET note = '***' WHERE id = 1; touches 1 row",
        "TOKEN='***' tool --file 'a b' # standard input: ***",
    ] {
        let words = table.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&line), "{line}\n{table}");
    }
    let journal = std::fs::read(project.state().join("opsbook/journal.db")).unwrap_or_default();
    assert!(!journal.windows(6).any(|bytes| bytes == b"hidden"));
    assert_eq!(server.count(), 0);
}

#[test]
fn the_exit_code_is_that_of_the_reads() {
    let project = Project::new()
        .runbook(
            "broken",
            "[[step]]\nname = \"change\"\nshell.run = \"touch touched\"\n[[step]]\nname = \"look\"\nassert.that = \"1 == 2\"\n[[step]]\nname = \"after\"\nshell.run = \"touch touched\"\n",
        )
        .runbook(
            "warned",
            "[[step]]\nname = \"look\"\nset.values = { n = \"5\" }\nwarn = \"n > 4\"\n[[step]]\nname = \"after\"\nshell.run = \"touch touched\"\n",
        )
        .runbook(
            "asked",
            "[[step]]\nname = \"wait\"\nwait.for = \"1h\"\n[[step]]\nname = \"ask\"\nask.text = \"Which?\"\nsave = { which = \"answer\" }\n[[step]]\nname = \"use\"\ncommand.run = [\"touch\", \"{{ which }}\"]\n",
        )
        .runbook("wrong", "[[step]]\nname = \"post\"\nhttp.post = \"/a\"\n");
    project
        .run(&["broken", "--dry-run"])
        .exits(2)
        .step("change", "would run")
        .step("after", "not run");
    project
        .run(&["warned", "--dry-run"])
        .exits(1)
        .step("after", "would run");
    project
        .run(&["asked", "--dry-run"])
        .exits(0)
        .step("wait", "would run")
        .step("ask", "would run")
        .prints("touch (known after run)");
    project
        .run(&["wrong", "--dry-run"])
        .exits(78)
        .prints("absolute URL");
    assert!(!project.path("touched").exists());
}

#[test]
fn many_steps_of_many_kinds_at_80_columns() {
    let project = with_database(Project::new())
        .runbook(
            "inner",
            "[input.table]\ntype = \"string\"\n[[step]]\nname = \"drop\"\nsql.execute = \"DELETE FROM {{ input.table | identifier }}\"\n",
        )
        .runbook(
            "x",
            r#"
[[step]]
name = "tables"
database.tables = "main"

[[step]]
name = "each"
for_each.table = "steps.tables.rows"
runbook.run = "inner"
runbook.inputs = { table = "{{ table.table }}" }

[[step]]
name = "again"
for_each.table = "steps.each.items"
sql.execute = "DELETE FROM t WHERE n = {{ table }}"

[[finally]]
name = "tidy"
database.vacuum = "main"
"#,
        );
    let before = files(&project.path(""));
    let output = project.run(&["x", "--dry-run"]).exits(0);
    assert!(
        output.stdout.lines().all(|line| line.chars().count() <= 80),
        "{}",
        output.shown()
    );
    let words = output
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for told in [
        "each destroy would run – 1 item",
        "each[0]/drop destroy would run – DELETE FROM",
        "DELETE FROM \"audit_logs\"; touches 20 rows",
        "sql.execute, for each table of steps.each.items (known after run)",
        "VACUUM; PRAGMA wal_checkpoint(TRUNCATE) on main (sqlite, main.db)",
        "DRY RUN nothing was changed; 4 steps: 1 ok, 3 would run",
    ] {
        assert!(words.contains(told), "{told}\n{}", output.shown());
    }
    assert_eq!(files(&project.path("")), before);
}
