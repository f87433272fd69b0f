//! What can go wrong with a real PostgreSQL server in the middle of things: each is told with what happened, where, and
//! what to do, and leaves the data as it was or says that nobody knows.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::Value;

use super::harness::{Project, SmallDisk, WATCHDOG, accept, with_time_enough};
use super::postgres_cluster::{Cluster, cluster};
use super::postgres_session::{self, Session, is_waiting};
use super::zoo::until;

/// A project whose database `main` is at this URL, with more lines for it.
fn project(url: &str, settings: &str) -> Project {
    Project::new()
        .config(&format!(
            "project = \"test\"\n[secret]\nurl = {{ env = \"URL\" }}\n\
             [database.main]\nkind = \"postgres\"\nurl = \"{{{{ secret.url }}}}\"\n{settings}\n"
        ))
        .variable("URL", url)
}

/// The one step that does this, with the code of the run and what it says.
fn told(project: Project, step: &str) -> (i32, String, Value) {
    let step = format!("[[step]]\nname = \"it\"\n{step}\n");
    let project = project.runbook("change/it", &step);
    let output = project.run(&["change", "it", "--yes", "--format", "json"]);
    let output = output.never_shows("hunter2");
    let step = output.json()["steps"][0].clone();
    let said = format!("{} / {}", step["detail"], step["help"]);
    (output.code, said, step)
}

/// How many statements of opsbook sleep in a database: before that they may not have come to the server.
fn sleeping(cluster: &Cluster, database: &str) -> String {
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'opsbook' AND datname = '{database}' AND wait_event = 'PgSleep'"
    );
    cluster.psql("postgres", &count)
}

#[test]
fn who_holds_the_lock_is_told() {
    let name = cluster().database("CREATE TABLE t (n int); INSERT INTO t VALUES (1);");
    let holder = Session::holding(
        cluster(),
        &name,
        "BEGIN; UPDATE t SET n = n WHERE n = 1; -- é",
    );
    let pid = cluster().psql(
        &name,
        "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()",
    );
    let url = cluster().url(&name);
    let held = format!("it waited for session {pid} of postgres (idle in transaction for ");
    let said = with_time_enough(|time| {
        let (code, said, _) = told(
            project(&url, &format!("lock_timeout = \"{time}\"")),
            "sql.execute = \"ALTER TABLE t ADD COLUMN m int\"",
        );
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("SQLSTATE 55P03"), "{said}");
        if said.contains(&held) {
            Ok(said)
        } else {
            Err(said)
        }
    });
    // Nobody waits but who tells it.
    assert!(!said.contains("behind which"), "{said}");
    assert!(said.contains("UPDATE t SET n = n WHERE n = 1"), "{said}");
    assert!(
        said.contains(&format!("`opsbook db terminate {pid} -d main`")),
        "{said}"
    );
    assert!(said.contains("`opsbook db locks main`"), "{said}");

    // It holds other rows only.
    let lock = Session::holding(
        cluster(),
        &name,
        "BEGIN; CREATE TABLE other (n int); LOCK TABLE other;",
    );
    holder.end(cluster());
    let (code, said, _) = told(
        project(&url, ""),
        "sql.execute = \"UPDATE t SET n = 2 WHERE n = 1\"",
    );
    assert_eq!(code, 0, "{said}");
    drop(lock);
}

#[test]
fn a_read_names_the_root_of_those_who_wait() {
    let name = cluster().database("CREATE TABLE t (n int); INSERT INTO t VALUES (1);");
    let holder = Session::holding(cluster(), &name, "BEGIN; SELECT n FROM t;");
    let root = holder.pid;
    let mut between = Session::open(cluster(), &name);
    between.begin("ALTER TABLE t ADD COLUMN m int;");
    postgres_session::until(cluster(), &name, &is_waiting(between.pid));
    let url = cluster().url(&name);
    let held = format!("it waited for session {root} of postgres (idle in transaction for ");
    for (settings, step) in [
        ("lock_timeout = \"TIME\"", "sql.query = \"SELECT n FROM t\""),
        ("", "sql.query = \"SELECT n FROM t\"\ntimeout = \"TIME\""),
    ] {
        // Who holds is asked while it waits, and told where the answer comes in time.
        let said = with_time_enough(|time| {
            let of = |text: &str| text.replace("TIME", time);
            let (code, said, _) = told(project(&url, &of(settings)), &of(step));
            assert_eq!(code, 2, "{said}");
            if said.contains(&held) {
                Ok(said)
            } else {
                Err(said)
            }
        });
        assert!(said.contains(", behind which 1 other waits: "), "{said}");
    }
    holder.end(cluster());
}

#[test]
fn a_statement_has_the_time_that_the_configuration_gives_it() {
    let name = cluster().database("CREATE TABLE t (n int);");
    let url = cluster().socket_url(&name);
    for step in [
        "sql.query = \"SELECT pg_sleep(600)\"",
        "sql.execute = \"INSERT INTO t SELECT 1 FROM (SELECT pg_sleep(600)) AS s\"",
    ] {
        let (code, said, _) = told(project(&url, "statement_timeout = \"300ms\""), step);
        assert_eq!(code, 2, "{said}");
        assert!(
            said.contains("the statement took longer than 300ms and was ended by"),
            "{said}"
        );
    }
    assert_eq!(cluster().psql(&name, "SELECT count(*) FROM t"), "0");
}

#[test]
fn a_server_that_comes_back_is_tried_again() {
    let own = Cluster::start("");
    let name = own.database("CREATE TABLE t (n int);");
    own.stop("fast");
    let project = project(&own.url(&name), "").runbook(
        "change/it",
        "[[step]]\nname = \"it\"\nsql.execute = \"INSERT INTO t VALUES (1)\"\n\
         retry = { attempts = 1000, delay = \"50ms\", backoff = \"constant\" }\n",
    );
    let mut child = project
        .command(&["change", "it", "--format", "jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("connection refused")));
    own.restart();
    let rest = thread::spawn(move || said.count());
    assert!(child.wait().unwrap().success());
    rest.join().unwrap();
    assert_eq!(own.psql(&name, "SELECT count(*) FROM t"), "1");
}

#[test]
fn a_database_that_was_made_read_only_is_told() {
    let name = cluster().database("CREATE TABLE t (n int);");
    cluster().psql(
        "postgres",
        &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"),
    );
    let url = cluster().url(&name);
    for step in [
        "sql.execute = \"INSERT INTO t VALUES (1)\"",
        "sql.execute = \"DELETE FROM t WHERE n = 1\"",
        "sql.file = \"change.sql\"",
        "migrations.apply = \"main\"",
    ] {
        let project = project(&url, "[database.main.migrations]\nfolder = \"migrations\"")
            .file("migrations/0001_m.sql", "CREATE TABLE m (n int);")
            .file(
                "change.sql",
                "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2);",
            );
        let (code, said, _) = told(project, step);
        assert_eq!(code, 2, "{step}: {said}");
        assert!(said.contains("SQLSTATE 25006"), "{step}: {said}");
        assert!(
            said.contains("default_transaction_read_only is on"),
            "{step}: {said}"
        );
    }
    let (code, said, step) = told(project(&url, ""), "database.info = \"main\"");
    assert_eq!(code, 0, "{said}");
    let facts = step["outputs"]["rows"].as_array().unwrap();
    let read_only = facts.iter().find(|fact| fact["name"] == "read_only");
    assert_eq!(read_only.unwrap()["value"], true);
    // Nobody went past it.
    let left = "SELECT count(*), to_regclass('m') IS NULL FROM t";
    assert_eq!(cluster().psql(&name, left), "0|t");
    let writable = format!("{url}?target_session_attrs=read-write");
    let (code, said, _) = told(
        project(&writable, ""),
        "sql.execute = \"INSERT INTO t VALUES (1)\"",
    );
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("read-write"), "{said}");
}

#[test]
fn a_server_that_takes_no_changes_is_told() {
    let own = Cluster::start("");
    let name = own.database("CREATE TABLE t (n int);");
    let standby = own.replica("standby");
    let insert = "sql.execute = \"INSERT INTO t VALUES (1)\"";
    let (code, said, _) = told(project(&standby.url(&name), ""), insert);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("SQLSTATE 25006"), "{said}");
    assert!(said.contains("change the primary"), "{said}");

    // Of both, the one that is wanted is taken, whatever its place in the list.
    let credentials = own.url(&name);
    let credentials = credentials.split_once("@").unwrap().0;
    let both = |ports: [u16; 2], wanted: &str| {
        let [first, second] = ports;
        format!(
            "{credentials}@127.0.0.1:{first},127.0.0.1:{second}/{name}?target_session_attrs={wanted}"
        )
    };
    let ports = [standby.port(), own.port()];
    let (code, said, _) = told(project(&both(ports, "read-write"), ""), insert);
    assert_eq!(code, 0, "{said}");
    assert_eq!(own.psql(&name, "SELECT count(*) FROM t"), "1");
    let role = "sql.query = \"SELECT pg_is_in_recovery() AS standby\"";
    for (wanted, standby) in [
        ("any", true),
        ("primary", false),
        ("standby", true),
        ("read-only", true),
        ("prefer-standby", true),
    ] {
        let (code, said, step) = told(project(&both(ports, wanted), ""), role);
        assert_eq!(code, 0, "{said}");
        assert_eq!(step["outputs"]["rows"][0]["standby"], standby, "{wanted}");
    }
    standby.stop("fast");
    let (code, said, step) = told(project(&both(ports, "prefer-standby"), ""), role);
    assert_eq!(code, 0, "{said}");
    assert_eq!(step["outputs"]["rows"][0]["standby"], false);
    let (code, said, _) = told(project(&both(ports, "standby"), ""), role);
    assert_eq!(code, 2, "{said}");
    let [first, second] = ports;
    let each = format!(
        "none of the servers is standby (127.0.0.1:{first}: connection refused by 127.0.0.1:{first}; 127.0.0.1:{second}: is no standby)"
    );
    assert!(said.contains(&each), "{said}");
}

#[test]
fn a_full_disk_changes_nothing_and_is_told() {
    let disk = SmallDisk::of_kibibytes(1024);
    cluster().own_folder(disk.path());
    let space = format!(
        "CREATE TABLESPACE small LOCATION '{}';",
        disk.path().display()
    );
    cluster().psql("postgres", &space);
    let name = cluster().database("CREATE TABLE t (t text) TABLESPACE small;");
    let (code, said, _) = told(
        project(&cluster().url(&name), ""),
        "sql.execute = \"INSERT INTO t SELECT repeat(md5(x::text), 50) FROM generate_series(1, 5000) AS x\"",
    );
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("SQLSTATE 53100"), "{said}");
    assert!(
        said.contains("the disk of the server is full and nothing was changed"),
        "{said}"
    );
    assert_eq!(cluster().psql(&name, "SELECT count(*) FROM t"), "0");
    cluster().psql("postgres", &format!("DROP DATABASE {name}"));
    cluster().psql("postgres", "DROP TABLESPACE small");
}

#[test]
fn a_session_that_is_ended_in_the_middle_changes_nothing() {
    let name = cluster().database("CREATE TABLE t (n int);");
    let step = "[[step]]\nname = \"it\"\nsql.execute = \"INSERT INTO t SELECT 1 FROM (SELECT pg_sleep(600)) AS s\"\n";
    let project = project(&cluster().url(&name), "").runbook("change/it", step);
    let child = project
        .command(&["change", "it", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("it runs", || sleeping(cluster(), &name) == "1");
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'opsbook' AND datname = '{name}'"
    );
    cluster().psql("postgres", &end);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let detail = told["steps"][0]["detail"].to_string();
    assert!(detail.contains("SQLSTATE 57P01"), "{detail}");
    assert!(!detail.contains("not known"), "{detail}");
    assert_eq!(cluster().psql(&name, "SELECT count(*) FROM t"), "0");
}

/// Nobody is left who could end it: the server itself looks whether there still is somebody.
#[test]
fn a_statement_ends_when_opsbook_is_killed() {
    let name = cluster().database("CREATE TABLE t (n int);");
    for statement in [
        "sql.query = \"SELECT pg_sleep(600)\"",
        "sql.execute = \"INSERT INTO t SELECT 1 FROM (SELECT pg_sleep(600)) AS s\"",
    ] {
        let step = format!("[[step]]\nname = \"it\"\n{statement}\n");
        let project = project(&cluster().url(&name), "").runbook("change/it", &step);
        let mut child = project
            .command(&["change", "it"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("it runs", || sleeping(cluster(), &name) == "1");
        child.kill().unwrap();
        child.wait().unwrap();
        until("the server has ended it", || {
            sleeping(cluster(), &name) == "0"
        });
    }
    assert_eq!(cluster().psql(&name, "SELECT count(*) FROM t"), "0");
}

/// Where a proxy cuts a connection.
#[derive(Clone, Copy)]
enum Cut {
    /// COMMIT never reaches the server.
    Before,
    /// COMMIT reaches the server, and its answer reaches nobody.
    After,
}

/// Stands between opsbook and the server, and cuts each connection at its COMMIT. Gives its port; ends with the test.
fn cutting(port: u16, cut: Cut) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        loop {
            let client = accept(&listener);
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            between(client, server, cut);
        }
    });
    own
}

fn between(mut client: TcpStream, mut server: TcpStream, cut: Cut) {
    let (mut answers, mut receiver) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let back = thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut receiver);
    });
    let mut bytes = [0; 8192];
    while let Ok(read @ 1..) = client.read(&mut bytes) {
        let sent = &bytes[..read];
        let commits = sent.windows(7).any(|window| window == b"COMMIT\0");
        if !commits {
            server.write_all(sent).unwrap();
            continue;
        }
        client.shutdown(std::net::Shutdown::Both).unwrap();
        if matches!(cut, Cut::After) {
            server.write_all(sent).unwrap();
        }
        break;
    }
    let _ = server.shutdown(std::net::Shutdown::Write);
    back.join().unwrap();
}

#[test]
fn a_commit_that_is_cut_is_in_doubt_and_not_done_again() {
    for (cut, rows) in [(Cut::Before, "0"), (Cut::After, "1")] {
        let name = cluster().database("CREATE TABLE t (n int);");
        let port = cutting(cluster().port(), cut);
        let url = cluster()
            .url(&name)
            .replace(&format!(":{}/", cluster().port()), &format!(":{port}/"));
        let (code, said, step) = told(
            project(&format!("{url}?sslmode=disable"), ""),
            "sql.execute = \"INSERT INTO t VALUES (1)\"\nretry = { attempts = 3, delay = \"1ms\" }",
        );
        assert_eq!(code, 4, "{said}");
        assert!(
            said.contains("whether the change is kept is not known"),
            "{said}"
        );
        assert_eq!(step["attempts"], 1, "{step}");
        until("the rows are there", || {
            cluster().psql(&name, "SELECT count(*) FROM t") == rows
        });

        // What the help says tells which.
        let number = said.split_once("txid_status(").unwrap().1;
        let number = number.split_once(')').unwrap().0;
        let status = cluster().psql(&name, &format!("SELECT txid_status({number})"));
        assert_eq!(status == "committed", rows == "1", "{status}");
    }
}

/// Passes nothing on to the server with these words, but for the first few times. Gives a port, and says when they have
/// come.
fn holding(port: u16, words: &'static str, mut passed_on: usize) -> (u16, Receiver<()>) {
    keeping_back(port, move |bytes| {
        let holds = has(bytes, words);
        let is_passed_on = holds && passed_on > 0;
        passed_on -= usize::from(is_passed_on);
        holds && !is_passed_on
    })
}

/// The same for all that has these words once a COMMIT has gone.
fn holding_behind_commit(port: u16, words: &'static str) -> (u16, Receiver<()>) {
    let mut is_behind = false;
    keeping_back(port, move |bytes| {
        let holds = is_behind && has(bytes, words);
        is_behind |= has(bytes, "COMMIT\0");
        holds
    })
}

fn has(bytes: &[u8], words: &str) -> bool {
    let mut windows = bytes.windows(words.len());
    windows.any(|window| window == words.as_bytes())
}

/// Passes nothing on any more from a COMMIT on, in whichever session.
pub(crate) fn silent_from_commit(port: u16) -> (u16, Receiver<()>) {
    let mut is_silent = false;
    keeping_back(port, move |bytes| {
        is_silent |= has(bytes, "COMMIT\0");
        is_silent
    })
}

/// Stands between opsbook and the server, and passes nothing on that is to be held. Gives its port, and says when that
/// has come.
fn keeping_back(
    port: u16,
    mut holds: impl FnMut(&[u8]) -> bool + Send + 'static,
) -> (u16, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let (came, coming) = channel();
    thread::spawn(move || {
        loop {
            let mut client = accept(&listener);
            let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (mut answers, mut receiver) =
                (server.try_clone().unwrap(), client.try_clone().unwrap());
            let back = thread::spawn(move || {
                let _ = std::io::copy(&mut answers, &mut receiver);
            });
            let mut bytes = [0; 8192];
            while let Ok(read @ 1..) = client.read(&mut bytes) {
                if holds(&bytes[..read]) {
                    came.send(()).unwrap();
                    continue;
                }
                server.write_all(&bytes[..read]).unwrap();
            }
            let _ = server.shutdown(std::net::Shutdown::Write);
            back.join().unwrap();
        }
    });
    (own, coming)
}

/// Starts a runbook of one change, interrupts it when that is under way, and gives how it ended.
fn interrupted(project: &Project, is_under_way: impl FnOnce()) -> (i32, String) {
    let mut child = project
        .command(&["change", "it", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    is_under_way();
    let process = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGINT).unwrap();
    let mut shown = String::new();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut shown).unwrap();
    (super::harness::exit_code(child.wait().unwrap()), shown)
}

/// The URL of a database through something between.
pub(crate) fn through(name: &str, port: u16) -> String {
    let own = format!(":{}/", cluster().port());
    let url = cluster().url(name).replace(&own, &format!(":{port}/"));
    format!("{url}?sslmode=disable")
}

const ADDS_ONE: &str = "[[step]]\nname = \"it\"\nsql.execute = \"UPDATE t SET n = n + 1\"\n";

#[test]
fn a_change_that_is_interrupted_before_its_commit_was_not_made() {
    let name = cluster().database("CREATE TABLE t (n int); INSERT INTO t VALUES (1);");
    let project = project(&cluster().url(&name), "").runbook("change/it", ADDS_ONE);
    let holder = Session::holding(cluster(), &name, "BEGIN; UPDATE t SET n = n;");
    let waiting = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event_type = 'Lock'"
    );
    let (code, shown) = interrupted(&project, || {
        until("it waits", || cluster().psql("postgres", &waiting) == "1");
    });
    assert_eq!(code, 130, "{shown}");
    assert!(
        shown.contains("nothing was changed; 1 step: 1 not run"),
        "{shown}"
    );
    holder.end(cluster());
    // A resume asks nobody.
    project.run(&["resume", "1", "--yes"]).exits(0);
    assert_eq!(cluster().psql(&name, "SELECT n FROM t"), "2");
}

#[test]
fn a_change_that_is_interrupted_in_its_commit_is_in_doubt() {
    let name = cluster().database("CREATE TABLE t (n int); INSERT INTO t VALUES (1);");
    let (port, coming) = holding(cluster().port(), "COMMIT\0", 0);
    let project = project(&through(&name, port), "").runbook("change/it", ADDS_ONE);
    let (code, shown) = interrupted(&project, || {
        coming.recv_timeout(WATCHDOG).unwrap();
    });
    assert_eq!(code, 130, "{shown}");
    assert!(shown.contains("IN DOUBT"), "{shown}");
    assert!(shown.contains("SELECT txid_status("), "{shown}");
    assert!(!shown.contains("nothing was changed"), "{shown}");
    project.run(&["resume", "1", "--yes"]).exits(4);
}

#[test]
fn a_change_is_in_doubt_in_whose_commit_the_time_of_the_run_is_over() {
    let name = cluster().database("CREATE TABLE t (n int); INSERT INTO t VALUES (1);");
    let (project, output) = with_time_enough(|time| {
        let (port, coming) = holding(cluster().port(), "COMMIT\0", 0);
        let project = project(&through(&name, port), "").runbook("change/it", ADDS_ONE);
        let output = project.run(&["change", "it", "--yes", "--timeout", time]);
        let came = coming.try_recv();
        came.map_err(|_| output.shown()).map(|()| (project, output))
    });
    output
        .exits(4)
        .prints("IN DOUBT")
        .prints("its time was over: stopped; whether the change is kept is not known")
        .prints("SELECT txid_status(");
    project.run(&["resume", "1", "--yes"]).exits(4);
}

/// Behind its COMMIT a change is done, whatever is still to be looked for.
#[test]
fn a_change_that_is_interrupted_behind_its_commit_is_done() {
    let name = cluster().database(
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a ON DELETE CASCADE); \
         INSERT INTO a VALUES (3), (4); INSERT INTO b VALUES (3), (3);",
    );
    let (port, coming) = holding_behind_commit(cluster().port(), "to_regclass");
    let delete = "[[step]]\nname = \"it\"\nsql.execute = \"DELETE FROM a WHERE id = 3\"\n";
    let project = project(&through(&name, port), "").runbook("change/it", delete);
    let (code, shown) = interrupted(&project, || {
        coming.recv_timeout(WATCHDOG).unwrap();
    });
    assert_eq!(code, 0, "{shown}");
    assert!(
        shown.contains("1 row changed, and with that 2 more rows"),
        "{shown}"
    );
    assert_eq!(cluster().psql(&name, "SELECT count(*) FROM b"), "0");
}

/// A statement that runs in no transaction is kept once it is answered, whether its session could be cleaned up or not.
#[test]
fn an_index_that_is_built_is_known_to_be_kept() {
    let name = cluster().database("CREATE TABLE t (n int);");
    let (port, coming) = holding(cluster().port(), "RESET", 0);
    let create =
        "[[step]]\nname = \"it\"\nsql.execute = \"CREATE INDEX CONCURRENTLY i ON t (n)\"\n";
    let project = project(&through(&name, port), "").runbook("change/it", create);
    let (code, shown) = interrupted(&project, || {
        coming.recv_timeout(WATCHDOG).unwrap();
    });
    assert_eq!(code, 130, "{shown}");
    assert!(
        shown.contains("stopped behind a change that is kept"),
        "{shown}"
    );
    project.run(&["resume", "1", "--yes"]).exits(4);
}

/// It is done though nobody came to count what is left.
#[test]
fn a_prune_that_is_interrupted_behind_its_commits_is_done() {
    let name = cluster().database(
        "CREATE TABLE t (at timestamptz); INSERT INTO t SELECT '2020-01-01' FROM generate_series(1, 20);",
    );
    let (port, coming) = holding_behind_commit(cluster().port(), "count(CASE");
    let prune = "[[step]]\nname = \"it\"\ndatabase.prune = \"main\"\ndatabase.table = \"t\"\n\
                 database.column = \"at\"\ndatabase.before = \"2021-01-01\"\ndatabase.batch = 15\n";
    let project = project(&through(&name, port), "").runbook("change/it", prune);
    let (code, shown) = interrupted(&project, || {
        coming.recv_timeout(WATCHDOG).unwrap();
    });
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("20 rows of t"), "{shown}");
    assert_eq!(cluster().psql(&name, "SELECT count(*) FROM t"), "0");
    let told = project
        .run(&["runs", "show", "1", "--format", "json"])
        .json();
    let outputs = &told["steps"][0]["outputs"];
    assert_eq!(outputs["deleted"], 20);
    assert!(outputs["remaining"].is_null(), "{outputs}");
}

/// What is left of a statement that runs in no transaction is there, whether anybody came to look for it or not.
#[test]
fn an_index_that_failed_is_no_change_that_was_not_made() {
    let create = "[[step]]\nname = \"it\"\nsql.execute = \"CREATE UNIQUE INDEX CONCURRENTLY once ON t (n)\"\n";
    for (words, passed_on) in [("RESET", 0), ("NOT indisvalid", 1)] {
        let name = cluster().database("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (1);");
        let (port, coming) = holding(cluster().port(), words, passed_on);
        let project = project(&through(&name, port), "").runbook("change/it", create);
        let (code, shown) = interrupted(&project, || {
            coming.recv_timeout(WATCHDOG).unwrap();
        });
        assert_eq!(code, 130, "{shown}");
        assert!(!shown.contains("nothing was changed"), "{words}: {shown}");
        let left = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
        assert_eq!(cluster().psql(&name, left), "1");
    }
}

#[test]
fn a_connection_that_is_cut_before_changes_nothing_and_is_tried_again() {
    let name = cluster().database("CREATE TABLE t (n int);");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (server_port, attempts) = (cluster().port(), 2);
    let proxy = thread::spawn(move || {
        for attempt in 1..=attempts {
            let mut client = accept(&listener);
            let mut server = TcpStream::connect(("127.0.0.1", server_port)).unwrap();
            if attempt < attempts {
                // It greets and goes.
                let mut bytes = [0; 64];
                let _ = client.read(&mut bytes);
                continue;
            }
            let (mut answers, mut receiver) =
                (server.try_clone().unwrap(), client.try_clone().unwrap());
            let back = thread::spawn(move || std::io::copy(&mut answers, &mut receiver));
            let _ = std::io::copy(&mut client, &mut server);
            let _ = server.shutdown(std::net::Shutdown::Write);
            let _ = back.join();
        }
    });
    let url = cluster()
        .url(&name)
        .replace(&format!(":{server_port}/"), &format!(":{port}/"));
    let (code, said, step) = told(
        project(&format!("{url}?sslmode=disable"), ""),
        "sql.execute = \"INSERT INTO t VALUES (1)\"\nretry = { attempts = 3, delay = \"1ms\" }",
    );
    proxy.join().unwrap();
    assert_eq!(code, 0, "{said}");
    assert_eq!(step["attempts"], 2);
    assert_eq!(cluster().psql(&name, "SELECT count(*) FROM t"), "1");
}

/// What libpq's programs find, opsbook finds too.
#[test]
fn services_and_files_of_passwords_are_found_as_libpq_finds_them() {
    let (host, port) = ("127.0.0.1", cluster().port());
    let password = super::postgres_cluster::PASSWORD;
    let home = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    put(
        ".pg_service.conf",
        &format!(
            "[here]\nhost={host}\nport={port}\ndbname=postgres\nuser=postgres\nsslmode=require\n"
        ),
        0o644,
    );
    let line = format!("{host}:{port}:*:postgres:{password}\n");
    put(".pgpass", &line, 0o600);
    let config = |lines: &str| {
        Project::new()
            .config(&format!(
                "project = \"test\"\n[database.main]\nkind = \"postgres\"\n{lines}"
            ))
            .variable("HOME", home.path().to_str().unwrap())
    };
    let ping = "database.ping = \"main\"";
    let check = |project: Project, wanted: i32, words: &str| {
        let step = format!("[[step]]\nname = \"it\"\n{ping}\n");
        let output = project.runbook("look/at", &step).run(&["look", "at"]);
        output.never_shows("hunter2").exits(wanted).prints(words);
    };
    check(config("service = \"here\""), 0, "answers");
    check(config("").variable("PGSERVICE", "here"), 0, "answers");
    check(
        config(&format!("url = \"host={host} port={port} user=postgres\"")),
        0,
        "answers",
    );
    let by_variables = config("")
        .variable("PGHOST", host)
        .variable("PGPORT", port.to_string())
        .variable("PGUSER", "postgres")
        .variable("PGDATABASE", "postgres");
    check(by_variables, 0, "answers");
    check(
        config("service = \"nowhere\""),
        3,
        "there is no service \"nowhere\"",
    );
    check(config(""), 3, "nothing says where the database is");
    put(".pgpass", &line, 0o644);
    check(
        config("service = \"here\""),
        3,
        "others may read it (chmod 600)",
    );
}

/// A server that believes certificates alone, and a client that shows one.
#[test]
fn encryption_is_what_libpq_makes_of_the_words() {
    let own = Cluster::start("");
    let name = own.database("");
    let authority = own.authority();
    let only = |lines: &str| {
        let path = own.folder().join("data/pg_hba.conf");
        std::fs::write(&path, format!("local all all trust\n{lines}\n")).unwrap();
        own.psql("postgres", "SELECT pg_reload_conf()");
    };
    let used = "sql.query = \"SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()\"";
    let at = |host: &str, options: &str| {
        let url = own.url(&name).replace("127.0.0.1", host);
        let (code, said, step) = told(project(&format!("{url}?{options}"), ""), used);
        match code {
            0 => Ok(step["outputs"]["rows"][0]["ssl"].as_bool().unwrap()),
            _ => Err(said),
        }
    };
    // Which way lets us in decides where the mode leaves it open.
    only("hostssl all all all scram-sha-256");
    until("the server has read its settings", || {
        at("127.0.0.1", "sslmode=disable").is_err()
    });
    assert_eq!(at("127.0.0.1", "sslmode=allow"), Ok(true));
    only("hostnossl all all all scram-sha-256");
    until("the server has read its settings", || {
        at("127.0.0.1", "sslmode=require").is_err()
    });
    assert_eq!(at("127.0.0.1", "sslmode=prefer"), Ok(false));
    assert_eq!(at("127.0.0.1", "sslmode=allow"), Ok(false));

    only("host all all all scram-sha-256");
    let root = format!("sslrootcert={}", authority.display());
    until("the server has read its settings", || {
        at("127.0.0.1", "sslmode=require").is_ok()
    });
    // The certificate is for localhost.
    assert_eq!(
        at("127.0.0.1", &format!("sslmode=verify-ca&{root}")),
        Ok(true)
    );
    assert_eq!(
        at("127.0.0.1", &format!("sslmode=require&{root}")),
        Ok(true)
    );
    let other = at("127.0.0.1", &format!("sslmode=verify-full&{root}"));
    assert!(other.unwrap_err().contains("not for 127.0.0.1"));
    assert_eq!(
        at(
            "127.0.0.1",
            &format!("host=localhost&hostaddr=127.0.0.1&sslmode=verify-full&{root}")
        ),
        Ok(true)
    );
    only("hostssl all all all cert");
    let (folder, home) = (own.folder(), tempfile::tempdir().unwrap());
    for file in ["client.pem", "client.key"] {
        // It belongs to the server's user, and a key to one alone.
        let own = home.path().join(file);
        std::fs::write(&own, std::fs::read(folder.join(file)).unwrap()).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&own, private).unwrap();
    }
    let home = home.path().display();
    let shown = format!("sslmode=require&sslcert={home}/client.pem&sslkey={home}/client.key");
    until("the server has read its settings", || {
        at("127.0.0.1", "sslmode=require").is_err()
    });
    assert_eq!(at("127.0.0.1", &shown), Ok(true));
    only("host all all all scram-sha-256");

    let strange = tempfile::NamedTempFile::new().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let stranger = rcgen::CertificateParams::new(Vec::new()).unwrap();
    let stranger = stranger.self_signed(&key).unwrap();
    std::fs::write(strange.path(), stranger.pem()).unwrap();
    let unknown = format!("sslmode=verify-ca&sslrootcert={}", strange.path().display());
    assert!(
        at("127.0.0.1", &unknown)
            .unwrap_err()
            .contains("unknown issuer")
    );
}
