//! SQL that a person types, and the rows that come of it: what it may do, and where they go. `values` holds each value.

use std::process::Stdio;

use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::d1_api::{ACCOUNT, D1Api, ID, NAME, TOKEN};
use crate::harness::{Output, Project, exit_code};
use crate::postgres_cluster::cluster;
use crate::terminal::Terminal;
use crate::zoo::until;

/// A table of three rows, and runbooks that hand on what is typed.
fn project() -> Project {
    Project::new()
        .config("[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\ncreate = \"setup.sql\"\n")
        .file(
            "setup.sql",
            "CREATE TABLE t (n INTEGER, s TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c');",
        )
        .runbook(
            "change",
            "[input.sql]\ntype = \"sql\"\nposition = 1\n\
             [[step]]\nname = \"change\"\nsql.execute = \"{{ input.sql }}\"\n",
        )
}

fn rows(project: &Project, sql: &str) -> Value {
    let output = project
        .run(&["db", "query", sql, "--format", "json"])
        .exits(0);
    output.json()["output"]["rows"].clone()
}

#[test]
fn what_returning_gives_is_shown_value_by_value() {
    let project = project();
    let change = |sql: &str, more: &[&str]| {
        project
            .run(&[&["db", "execute", sql, "--yes"], more].concat())
            .exits(0)
    };
    // One row is not cut, and its line stays one.
    let long = format!("{}end", "word ".repeat(60));
    let one = change(
        &format!("UPDATE t SET s = '{long}' WHERE n = 1 RETURNING n, s, NULL AS none"),
        &[],
    );
    assert!(one.stdout.contains("change"), "{}", one.stdout);
    for words in ["\n change\n", "word end", "NULL"] {
        assert!(one.stdout.contains(words), "{words:?}: {}", one.stdout);
    }
    let two = change("DELETE FROM t WHERE n > 1 RETURNING s, n", &[]).stdout;
    assert!(two.contains("\n change\n s  n\n b  2\n c  3\n"), "{two}");
    // Nothing is given: there is nothing to show.
    let none = change("INSERT INTO t VALUES (7, 'x')", &[]).stdout;
    assert!(!none.contains("\n change\n"), "{none}");
    let none = change("DELETE FROM t WHERE n = 9 RETURNING n", &[]).stdout;
    assert!(!none.contains("\n change\n"), "{none}");
    let many = "INSERT INTO t SELECT value, 'm' FROM json_each('[' || substr(replace(hex(zeroblob(600)), '0', '0,'), 1, 2399) || ']') RETURNING n";
    let told = change(many, &["--format", "json"]).json();
    let step = told["steps"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["step"] == "change");
    assert_eq!(step.unwrap()["outputs"]["count"], 1200);
    let many = change(many, &[]);
    many.prints("the first 1,000 rows; there are more");
}

#[test]
fn what_typed_sql_may_do_is_known_before_it_runs() {
    let project = project();
    let change = |more: &[&str]| project.run(&[&["change"], more].concat());
    // Made on first use.
    change(&["SELECT 1"]).exits(0);
    // It reads: nothing is asked, and nobody minds.
    change(&["SELECT count(*) FROM t", "--read-only"]).exits(0);
    // It writes: --read-only refuses before the first step.
    change(&["INSERT INTO t VALUES (4, 'd')", "--read-only"])
        .exits(75)
        .says("step \"change\" may write");
    change(&["DELETE FROM t WHERE n = 3"]).exits(0);
    // It destroys, or the worst of its statements does, or nobody can tell: it asks.
    for sql in [
        "DELETE FROM t",
        "SELECT 1; DROP TABLE t",
        "FROBNICATE t",
        "SELECT frobnicate(n) FROM t",
    ] {
        change(&[sql]).exits(75).prints("needs --yes");
    }
    assert_eq!(rows(&project, "SELECT count(*) FROM t"), json!([[2]]));
    change(&["DELETE FROM t", "--yes"]).exits(0);
    assert_eq!(rows(&project, "SELECT count(*) FROM t"), json!([[0]]));
}

/// What was not needed to come to the rows is no line of the table; a value is shown as in every other table of data.
#[test]
fn rows_are_all_that_is_shown_and_shown_in_one_way() {
    let project = project().file(
        "setup.sql",
        "CREATE TABLE t (n INTEGER, s TEXT, x REAL); INSERT INTO t VALUES (1, 'a\nb', 0.30000000000000004), (2, NULL, 1);",
    );
    project.run(&["change", "SELECT 1"]).exits(0);
    let query = project.run(&["db", "query", "SELECT * FROM t"]).exits(0);
    let rows = project.run(&["db", "rows", "t"]).exits(0);
    let block = |output: &Output| output.stdout.split("\n\n").next().unwrap().to_owned();
    assert_eq!(block(&query), block(&rows));
    rows.prints("a␊b")
        .prints("NULL")
        .prints("0.30000000000000004");
    let wrong = project.run(&["db", "query", "SELECT nothing FROM t"]);
    assert!(!wrong.stdout.contains("not needed"), "{}", wrong.shown());
    wrong.prints("… and 2 skipped; -v shows all");
    let whole = project.run(&["db", "query", "SELECT nothing FROM t", "-v"]);
    whole.prints("not needed: input.explain is false");
}

/// A dialect that reads less gently is asked only where the database is one of it.
#[test]
fn what_typed_sql_may_do_goes_by_the_database_that_is_named() {
    let project = project()
        .config(
            "[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\ncreate = \"setup.sql\"\n\
             [database.other]\nkind = \"postgres\"\nurl = \"postgres://127.0.0.1:1/x\"\n",
        )
        .runbook(
            "change",
            "[input.sql]\ntype = \"sql\"\nposition = 1\n[input.database]\ntype = \"database\"\nshort = \"d\"\n\
             [[step]]\nname = \"change\"\nsql.execute = \"{{ input.sql }}\"\nsql.on = \"{{ input.database }}\"\n",
        );
    // A function that only SQLite is known to have.
    let sql = "SELECT last_insert_rowid()";
    project.run(&["change", sql, "-d", "main"]).exits(0);
    project
        .run(&["change", sql, "-d", "other"])
        .exits(75)
        .prints("needs --yes");
}

#[test]
fn without_the_input_the_worst_is_shown() {
    project()
        .run(&["show", "change"])
        .exits(0)
        .prints("destroy");
    project()
        .run(&["show", "db/query"])
        .exits(0)
        .prints("effect    read");
}

#[test]
fn typed_sql_is_text_wherever_it_is_not_all_of_the_statement() {
    let keep = "[input.sql]\ntype = \"sql\"\nposition = 1\n\
                [[step]]\nname = \"keep\"\nsql.execute = \"INSERT INTO t VALUES (9, {{ input.sql }})\"\n";
    let project = project().runbook("keep", keep);
    project.run(&["keep", "x'); DROP TABLE t; --"]).exits(0);
    assert_eq!(
        rows(&project, "SELECT s FROM t WHERE n = 9"),
        json!([["x'); DROP TABLE t; --"]])
    );
}

#[test]
fn no_value_becomes_sql_on_the_way_through_another_runbook() {
    let with = |inputs: &str, more: &str| {
        let runbook = format!(
            "{more}[[step]]\nname = \"look\"\nset.values = {{ text = \"'DROP TABLE t'\" }}\n\
             [[step]]\nname = \"change\"\nrunbook.run = \"change\"\nrunbook.inputs = {inputs}\n"
        );
        project().runbook("outer", &runbook)
    };
    let typed = "[input.own]\ntype = \"sql\"\ndefault = \"DELETE FROM t WHERE n = 1\"\n";
    let text = "[input.own]\ntype = \"string\"\ndefault = \"DELETE FROM t WHERE n = 1\"\n";
    for (inputs, more) in [
        ("{ sql = \"{{ steps.look.text }}\" }", ""),
        ("{ sql = \"{{ input.own }}\" }", text),
        ("{ sql = \"{{ input.own }} ;\" }", text),
        ("\"{{ {'sql': steps.look.text} }}\"", ""),
    ] {
        let project = with(inputs, more);
        project
            .run(&["outer", "--yes"])
            .exits(78)
            .says("takes its input \"sql\" as SQL, and this could be any text");
        project.run(&["lint"]).exits(78);
    }
    for (inputs, more) in [
        ("{ sql = \"{{ input.own }}\" }", typed),
        ("{ sql = \"DELETE FROM t WHERE n = 1\" }", ""),
    ] {
        let project = with(inputs, more);
        project.run(&["outer", "--yes"]).exits(0);
        assert_eq!(rows(&project, "SELECT count(*) FROM t"), json!([[2]]));
    }
}

#[test]
fn a_query_refuses_what_does_not_read_before_it_begins_and_shows_where() {
    let project = project();
    let asked = |sql: &str| -> Output { project.run(&["db", "query", sql]) };
    asked("DELETE FROM t")
        .exits(64)
        .says("DELETE without WHERE")
        .says("opsbook db execute");
    asked("SELECT 1; SELECT 2")
        .exits(64)
        .says("more than one statement");
    asked("/* nothing */").exits(64).says("no statement");
    // It reads, though nobody can tell how.
    asked("PRAGMA table_info(t)").exits(0);
    asked(" ").exits(64).says("expected a statement of SQL");
    asked("SELECT n,\n       s\nFORM t WHERE")
        .exits(64)
        .says("sql:3:6");
    let runs = project.run(&["runs", "list", "--format", "json"]).exits(0);
    assert_eq!(
        runs.json().as_array().unwrap().len(),
        1,
        "only the one that reads"
    );
}

#[test]
fn sql_comes_from_a_file_or_from_standard_input_too() {
    let project = project().file("count.sql", "-- how many\nSELECT count(*) AS n FROM t;\n");
    project
        .run(&["db", "query", "@count.sql"])
        .exits(0)
        .prints(" n\n 3\n");
    let mut command = project.command(&["db", "query", "-"]);
    command.stdin(std::fs::File::open(project.path("count.sql")).unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains(" n\n 3\n"), "{printed}");
    project
        .run(&["db", "query", "@missing.sql"])
        .exits(64)
        .says("missing.sql");
}

/// It is what was run: the journal tells it, and a run that goes on does the same again.
#[test]
fn the_journal_holds_what_was_typed() {
    let project = project();
    project
        .run(&["change", "DELETE FROM t WHERE n = 3"])
        .exits(0);
    project
        .run(&["runs", "show", "1", "--format", "json"])
        .exits(0)
        .prints("DELETE FROM t WHERE n = 3");
}

/// A project whose database `main` is at this API.
pub(crate) fn d1(api: &D1Api) -> Project {
    Project::new()
        .config(&format!(
            "[database.main]\nkind = \"d1\"\nname = \"{NAME}\"\nid = \"{ID}\"\n"
        ))
        .variable("CLOUDFLARE_API_BASE_URL", api.url())
        .variable("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
        .variable("CLOUDFLARE_API_TOKEN", TOKEN)
}

#[test]
fn rows_that_are_left_out_are_never_left_out_silently() {
    let project = project();
    let ask = |more: &[&str]| {
        project.run(&[&["db", "query", "SELECT * FROM t", "-n", "2"], more].concat())
    };
    ask(&[]).exits(0).prints("the first 2 rows; there are more");
    let told = ask(&["--format", "json"])
        .exits(0)
        .says("the first 2 rows; there are more");
    assert_eq!(told.json()["output"]["truncated"], true);
    ask(&["--format", "csv"])
        .exits(0)
        .says("the first 2 rows; there are more");
    let whole = project.run(&[
        "db",
        "query",
        "SELECT * FROM t",
        "-n",
        "3",
        "--format",
        "json",
    ]);
    assert_eq!(whole.json()["output"].get("truncated"), None);
    // Without a limit there is nothing to leave out.
    let all = ask(&["--to", "-", "-q"]).exits(0);
    assert_eq!(all.stdout.lines().count(), 4);
}

#[test]
fn what_went_wrong_is_told_beside_the_rows() {
    let project = project();
    let wrong = ["db", "query", "SELECT * FROM nowhere"];
    let csv = project
        .run(&[&wrong[..], &["--format", "csv"]].concat())
        .exits(2)
        .says("no such table: nowhere");
    assert_eq!(csv.stdout, "");
    let exported = project
        .run(&[&wrong[..], &["--to", "-", "--as", "json"]].concat())
        .exits(2)
        .says("no such table: nowhere");
    assert_eq!(exported.stdout, "");
    // A runbook that gives no rows tells its steps.
    let steps = project
        .run(&["change", "SELECT 1", "--format", "csv"])
        .exits(0);
    let records = crate::values::read_by_python(&steps.stdout);
    assert_eq!(records[0][..3], ["step", "action", "status"]);
    assert_eq!(records[1][..3], ["change", "sql.execute", "ok"]);
}

#[test]
fn an_export_is_a_whole_file_of_its_own_or_none() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = project().file("out/rows.csv", "old");
    let export = |sql: &str, to: &str| project.run(&["db", "query", sql, "--to", to, "--force"]);
    export("SELECT * FROM nowhere", "out/rows.csv").exits(2);
    // It fails at the last row, when the others were written already.
    export(
        "SELECT n, CASE n WHEN 3 THEN abs(-9223372036854775808) ELSE n END FROM t",
        "out/rows.csv",
    )
    .exits(2);
    assert_eq!(project.read("out/rows.csv"), "old");
    assert_eq!(
        std::fs::read_dir(project.path("out")).unwrap().count(),
        1,
        "nothing is left behind"
    );
    export("SELECT n, s FROM t", "out/rows.csv")
        .exits(0)
        .prints("3 rows");
    assert_eq!(project.read("out/rows.csv"), "n,s\r\n1,a\r\n2,b\r\n3,c\r\n");
    let mode = std::fs::metadata(project.path("out/rows.csv"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    export("SELECT n FROM t WHERE n < 3", "out/rows.json").exits(0);
    assert_eq!(
        project.read("out/rows.json"),
        "[\n{\"n\":1},\n{\"n\":2}\n]\n"
    );
    export("SELECT n FROM t WHERE n > 3", "out/none.json").exits(0);
    assert_eq!(project.read("out/none.json"), "[\n]\n");
    export("SELECT n FROM t WHERE n < 3", "out/rows.jsonl").exits(0);
    assert_eq!(project.read("out/rows.jsonl"), "{\"n\":1}\n{\"n\":2}\n");
    export("SELECT 1", "missing/rows.csv")
        .exits(3)
        .prints("missing/rows.csv cannot be written");
    export("SELECT 1", "/dev/full")
        .exits(3)
        .prints("/dev/full cannot be written");
    project
        .run(&[
            "db",
            "query",
            "SELECT 1",
            "--to",
            "out/dry.csv",
            "--dry-run",
        ])
        .exits(0)
        .prints("would run");
    assert!(!project.path("out/dry.csv").exists());
    // A path that is typed begins where the person is.
    let mut command = project.command(&["db", "query", "SELECT 1 AS n", "--to", "here.csv"]);
    command.current_dir(project.path("out"));
    assert!(command.output().unwrap().status.success());
    assert_eq!(project.read("out/here.csv"), "n\r\n1\r\n");
}

#[test]
fn data_on_standard_output_is_alone_there() {
    let project = project();
    let export = |more: &[&str]| {
        project.run(&[&["db", "query", "SELECT n FROM t", "--to", "-"], more].concat())
    };
    let told = export(&[]).exits(0).says("3 rows").says("1 ok");
    assert_eq!(told.stdout, "n\r\n1\r\n2\r\n3\r\n");
    let json = export(&["--format", "json"])
        .exits(0)
        .says("\"verdict\": \"ok\"");
    assert_eq!(json.stdout, told.stdout);
    assert_eq!(export(&["-q"]).exits(0).stderr, "");
    // Events stand there as they happen: the data would come between them.
    export(&["--format", "jsonl"])
        .exits(75)
        .prints("standard output cannot be taken for data");
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_export_quietly() {
    use std::io::{BufRead as _, BufReader};
    let project = project();
    let endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n, 'row ' || n AS text FROM c";
    let mut command = project.command(&["db", "query", endless, "--to", "-"]);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert_eq!(first, "n,text\r\n");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// A reader that has stopped reading holds up the database, and neither a person nor the server for ever.
#[test]
fn an_export_to_a_reader_that_has_stopped_ends_with_ctrl_c_and_so_does_its_statement() {
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let database = cluster().database("");
    let postgres = Project::new()
        .config("[database.main]\nkind = \"postgres\"\nurl = \"{{ secret.url }}\"\n[secret]\nurl = { env = \"URL\" }\n")
        .variable("URL", cluster().url(&database));
    let endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c";
    for (project, sql) in [
        (project(), endless),
        (postgres, "SELECT generate_series(1, 100000000) AS n"),
    ] {
        let mut command = project.command(&["db", "query", sql, "--to", "-"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        let mut reader = child.stdout.take().unwrap();
        reader.read_exact(&mut [0; 4096]).unwrap();
        // As full as it gets, and nobody reads any more.
        let mut probe = std::fs::File::options()
            .write(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(format!("/proc/self/fd/{}", reader.as_raw_fd()))
            .unwrap();
        until("the pipe is full", || {
            let full = |error: std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
            probe.write(b"x").is_err_and(full)
        });
        kill(pid, Signal::SIGINT).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(exit_code(output.status), 130, "{said}");
        drop(reader);
    }
    let left = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND state <> 'idle'"
    );
    until("the statement has ended", || {
        cluster().psql("postgres", &left).trim() == "0"
    });
}

#[test]
fn a_secret_of_the_run_is_masked_in_what_is_exported_and_that_is_told() {
    let project = project()
        .config(
            "[secret]\ntoken = { env = \"TOKEN\" }\n[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\ncreate = \"setup.sql\"\n",
        )
        .runbook(
            "leak",
            "[[step]]\nname = \"leak\"\nsql.export = \"SELECT {{ secret.token }} AS a, 'x' AS b\"\n",
        )
        .variable("TOKEN", "hunter2-hunter2");
    let leaked = project.run(&["leak"]).exits(0).never_shows("hunter2");
    assert_eq!(leaked.stdout, "a,b\r\n***,x\r\n");
    leaked.says("1 value held a secret of the run");
}

/// The most memory that a command took, in KiB, and what it printed.
fn peak(mut command: std::process::Command) -> (u64, Vec<u8>) {
    use std::io::Read as _;
    command.stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut sum = Vec::new();
    let mut out = child.stdout.take().unwrap();
    let mut piece = vec![0; 1 << 16];
    let mut status = String::new();
    let file = format!("/proc/{}/status", child.id());
    loop {
        let read = out.read(&mut piece).unwrap();
        if read == 0 {
            break;
        }
        // The end of what came last is enough.
        sum.extend_from_slice(&piece[..read]);
        if sum.len() > 4096 {
            sum.drain(..sum.len() - 4096);
        }
        if let Ok(now) = std::fs::read_to_string(&file) {
            status = now;
        }
    }
    assert!(child.wait().unwrap().success());
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kibibytes = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    (kibibytes, sum)
}

/// The budget, whichever driver the rows come from: 64 MiB.
const BUDGET: u64 = 64 * 1024;

#[test]
fn a_million_rows_take_no_more_memory_than_a_few() {
    let row = "a text that takes about as much as most of them do, row";
    let sqlite = project();
    let postgres = Project::new()
        .config("[database.main]\nkind = \"postgres\"\nurl = \"{{ secret.url }}\"\n[secret]\nurl = { env = \"URL\" }\n")
        .variable("URL", cluster().socket_url("postgres"));
    for (project, form, sql) in [
        (
            &sqlite,
            "json",
            format!(
                "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 1000000) SELECT n, '{row} ' || n AS text FROM c"
            ),
        ),
        (
            &postgres,
            "csv",
            format!("SELECT n, '{row} ' || n AS text FROM generate_series(1, 1000000) AS n"),
        ),
    ] {
        let arguments = ["db", "query", &sql, "--to", "-", "--as", form, "-q"];
        let (kibibytes, end) = peak(project.command(&arguments));
        assert!(kibibytes <= BUDGET, "{form}: {kibibytes} KiB");
        let end = String::from_utf8_lossy(&end);
        assert!(end.contains(&format!("{row} 1000000")), "{end}");
    }
}

/// D1 gives all rows at once: what cannot be held is refused, and no half of it is written.
#[test]
fn more_rows_of_d1_than_can_be_held_are_refused_with_what_to_do() {
    let api = D1Api::with("");
    let project = d1(&api);
    let sql = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 200) SELECT printf('%.*c', 100000, 'x') AS t FROM c";
    let refused = project
        .run(&["db", "query", sql, "--to", "all.csv"])
        .exits(2);
    refused
        .prints("gives all rows at once")
        .prints("ORDER BY a key");
    assert!(!project.path("all.csv").exists());
}

/// A look has one step, and its rows are what was asked for; where there are none, nothing else takes their place.
#[test]
fn the_rows_of_a_look_are_what_csv_holds() {
    let project = project();
    project.run(&["db", "query", "SELECT 1"]).exits(0);
    let look = |command: &str| project.run(&["db", command, "--format", "csv"]);
    let header = |command: &str| {
        look(command)
            .exits(0)
            .stdout
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    assert!(header("tables").starts_with("table,rows,bytes"));
    assert!(header("size").starts_with("part,bytes"));
    assert!(header("indexes").starts_with("problem,table,index"));
    assert_eq!(look("activity").stdout, "", "a file has no sessions");
    // What shows no rows, and what has several steps, tells its steps.
    for command in ["ping", "diagnose"] {
        assert!(
            header(command).starts_with("step,action,status"),
            "{command}"
        );
    }
}

/// What stands in a database must not steer the terminal of who looks at it, whichever way it is exported there.
#[test]
fn an_export_to_a_terminal_steers_nothing() {
    let sql = "SELECT char(27) || ']0;owned' || char(7) AS title, char(27) || '[2J' || char(13) || 'x' AS clears, char(155) || '5n' AS asks";
    for to in ["-", "/dev/stdout", "/dev/tty"] {
        for form in ["csv", "json", "jsonl"] {
            let line = ["db", "query", sql, "--to", to, "--as", form, "-q"];
            let (code, seen, bytes) = Terminal::start(&project(), &line).end_with_bytes();
            assert_eq!(code, 0, "{to} {form}: {seen}");
            assert!(seen.contains("owned"), "{to} {form}: {seen}");
            // The terminal itself makes CR LF of a line feed.
            let text = String::from_utf8(bytes).unwrap().replace("\r\n", "\n");
            let steers = text.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(steers, None, "{to} {form}: {text:?}");
        }
    }
}
