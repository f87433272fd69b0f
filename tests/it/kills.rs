//! The great test: runs of many kinds of steps are killed with SIGKILL at hundreds of seeded moments and resumed until they
//! end. What they did to a file, a database and a server is counted: nothing is lost, nothing is done twice.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::Connection;
use serde_json::Value;

use crate::harness::{Project, exit_code};

/// So many times a run is killed, over all worlds.
const KILLS: usize = 300;

/// So often one run is killed at most.
const MOST_OF_ONE: usize = 6;

/// So many worlds at the same time.
const WORLDS: usize = 3;

const CONFIG: &str = r#"
project = "kills"
[service.api]
url = "URL"
[database.main]
kind = "sqlite"
path = "main.db"
create = "main.sql"
"#;

/// Each change leaves its key behind. A command that finds its key in `bomb` kills opsbook, before or after that.
fn command(name: &str, key: &str, more: &str) -> String {
    format!(
        r#"
[[step]]
name        = "{name}"
command.run = ["sh", "append.sh", "{key}"]
{more}
"#
    )
}

const APPEND: &str = r#"
strike() {
    if [ -e bomb ] && [ "$(cat bomb)" = "$1" ]; then
        kill -9 $PPID
        exec sleep 600
    fi
}
strike "before $1"
echo "$1" >> log
strike "after $1"
"#;

fn sql(name: &str, more: &str) -> String {
    format!(
        "\n[[step]]\nname = \"{name}\"\nsql.execute = \"INSERT INTO marks (key) VALUES ('{name}')\"\nsql.on = \"main\"\n{more}\n"
    )
}

fn post(name: &str, key: &str, more: &str) -> String {
    format!(
        "\n[[step]]\nname = \"{name}\"\nhttp.post = \"/marks/{key}\"\nhttp.on = \"api\"\n{more}\n"
    )
}

fn runbook() -> String {
    let log = |key: &str| {
        format!(
            "unless = {{ command.run = [\"sh\", \"-c\", \"grep -cx {key} log || true\"], effect = \"read\", expect = \"stdout | trim == '1'\" }}"
        )
    };
    let row = |key: &str| {
        format!(
            "unless = {{ sql.query = \"SELECT count(*) AS n FROM marks WHERE key = '{key}'\", sql.on = \"main\", expect = \"rows[0].n == 1\" }}"
        )
    };
    let mark = |key: &str| {
        format!(
            "unless = {{ http.get = \"/marks/{key}\", http.on = \"api\", expect = \"json.known\" }}"
        )
    };
    let read = |name: &str| {
        format!(
            "\n[[step]]\nname = \"{name}\"\nsql.query = \"SELECT 3 AS n\"\nsql.on = \"main\"\nsave = {{ {name} = \"rows[0].n\" }}\n"
        )
    };
    [
        read("three"),
        command("c1", "c1", ""),
        sql("s1", ""),
        post("p1", "p1", ""),
        command("c2", "c2", &log("c2")),
        sql("s2", &row("s2")),
        post("p2", "p2", &mark("p2")),
        "\n[[step]]\nname = \"look\"\nhttp.get = \"/marks/none\"\nhttp.on = \"api\"\nexpect = \"not json.known\"\n".to_owned(),
        command("each", "each[{{ index }}]", "for_each = { item = \"['a', 'b', 'c']\" }"),
        post("posts", "posts[{{ index }}]", "for_each = { item = \"[1, 2, 3, 4]\" }\nconcurrency = 2"),
        "\n[[step]]\nname = \"sub\"\nrunbook.run = \"t/sub\"\nrunbook.inputs = { who = \"sub\" }\n".to_owned(),
        command("x1", "x1", ""),
        post("x2", "x2", "parallel = true"),
        sql("x3", "parallel = true"),
        read("again"),
        command("c3", "c3", "when = \"three == 3 and again == 3\""),
        sql("s3", ""),
        post("p3", "p3", ""),
        "\n[[step]]\nname = \"subs\"\nrunbook.run = \"t/sub\"\nrunbook.inputs = { who = \"subs[{{ index }}]\" }\nfor_each = { item = \"[1, 2]\" }\n".to_owned(),
        command("c4", "c4", ""),
        sql("s4", &row("s4")),
        post("p4", "p4", &mark("p4")),
        "\n[[finally]]\nname = \"tidy\"\nassert.that = \"true\"\n".to_owned(),
    ]
    .concat()
}

fn sub() -> String {
    let inner = [
        command("in-c", "{{ input.who }}/in-c", ""),
        post("in-p", "{{ input.who }}/in-p", ""),
        command(
            "in-each",
            "{{ input.who }}/in-each[{{ index }}]",
            "for_each = { item = \"[1, 2]\" }",
        ),
    ];
    format!("[input.who]\ntype = \"string\"\n{}", inner.concat())
}

/// The keys of every change that the run makes.
fn keys() -> Vec<String> {
    let mut keys: Vec<String> = [
        "c1", "s1", "p1", "c2", "s2", "p2", "x1", "x2", "x3", "c3", "s3", "p3", "c4", "s4", "p4",
    ]
    .map(str::to_owned)
    .to_vec();
    keys.extend((0..3).map(|index| format!("each[{index}]")));
    keys.extend((0..4).map(|index| format!("posts[{index}]")));
    for who in ["sub", "subs[0]", "subs[1]"] {
        for inner in ["in-c", "in-p", "in-each[0]", "in-each[1]"] {
            keys.push(format!("{who}/{inner}"));
        }
    }
    keys
}

/// The server's part of the world. It answers one connection after the other, so that who has asked it something knows that
/// whatever came before has arrived or never will.
struct Server {
    address: std::net::SocketAddr,
    state: Arc<Mutex<Marks>>,
}

#[derive(Default)]
struct Marks {
    keys: Vec<String>,
    /// With how many posts to go the client is killed, and whether that one still takes effect.
    strike: Option<(usize, bool)>,
    client: Option<Pid>,
    over: bool,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(Marks::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.lock().unwrap().over {
                    return;
                }
                if let Ok(stream) = stream {
                    // A client that was killed hangs up.
                    drop(serve(stream, &shared));
                }
            }
        });
        Self { address, state }
    }

    /// Waits until everything that was sent before has been answered.
    fn settle(&self) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .write_all(b"GET /marks/none HTTP/1.1\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("known"), "{answer}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.lock().unwrap().over = true;
        drop(TcpStream::connect(self.address));
    }
}

fn serve(stream: TcpStream, state: &Mutex<Marks>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = first.clone();
    let mut length = 0;
    while line.trim_end() != "" {
        line.clear();
        reader.read_line(&mut line)?;
        if let Some(given) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = given.trim().parse().unwrap();
        }
    }
    reader.read_exact(&mut vec![0; length])?;
    let mut words = first.split_whitespace();
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let key = path.trim_start_matches("/marks/");
    let key = key
        .replace("%5B", "[")
        .replace("%5D", "]")
        .replace("%2F", "/");
    let mut state = state.lock().unwrap();
    if method == "POST" {
        let strikes = match &mut state.strike {
            Some((0, applied)) => Some(*applied),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        };
        if strikes.is_some()
            && let Some(client) = state.client.take()
        {
            state.strike = None;
            let _ = kill(client, Signal::SIGKILL);
        }
        if strikes != Some(false) {
            state.keys.push(key.clone());
        }
    }
    let body = format!("{{\"known\":{}}}", state.keys.contains(&key));
    drop(state);
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// When a leg of a run is killed.
#[derive(Debug)]
enum Moment {
    /// When this many events have been told.
    Event(usize),
    /// When this many posts have arrived, the last of which still takes effect or does not.
    Post(usize, bool),
    /// In a command, before or after it has done its work.
    Command(String),
    Never,
}

impl Moment {
    fn any(random: &mut fastrand::Rng) -> Self {
        match random.u8(0..4) {
            0 | 1 => Self::Event(random.usize(1..70)),
            2 => Self::Post(random.usize(0..12), random.bool()),
            _ => {
                let keys: Vec<String> = keys()
                    .into_iter()
                    .filter(|key| key.contains('c') && !key.contains("-p"))
                    .collect();
                let phase = if random.bool() { "before" } else { "after" };
                Self::Command(format!("{phase} {}", keys[random.usize(0..keys.len())]))
            }
        }
    }
}

/// One run in a world of its own.
struct World {
    project: Project,
    server: Server,
}

/// How a leg ended.
struct Leg {
    killed: bool,
    code: i32,
    events: Vec<Value>,
}

impl World {
    fn new() -> Self {
        let server = Server::start();
        let url = format!("http://{}", server.address);
        let project = Project::new()
            .config(&CONFIG.replace("URL", &url))
            .file("main.sql", "CREATE TABLE marks (key TEXT);")
            .file("append.sh", APPEND)
            .file("log", "")
            .runbook("t/x", &runbook())
            .runbook("t/sub", &sub());
        Self { project, server }
    }

    fn leg(&self, arguments: &[String], moment: &Moment) -> Leg {
        let bomb = self.project.path("bomb");
        let _ = std::fs::remove_file(&bomb);
        if let Moment::Command(key) = moment {
            std::fs::write(&bomb, key).unwrap();
        }
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.server.state.lock().unwrap().strike = match moment {
            Moment::Post(number, applied) => Some((*number, *applied)),
            _ => None,
        };
        let mut child: Child = self
            .project
            .command(&words)
            .args(["--format", "jsonl"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        self.server.state.lock().unwrap().client = Some(pid);
        let mut events = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            // The last line of a process that was killed may be torn.
            let Ok(event) = serde_json::from_str(&line.unwrap()) else {
                break;
            };
            events.push(event);
            if matches!(moment, Moment::Event(number) if *number == events.len()) {
                kill(pid, Signal::SIGKILL).unwrap();
            }
        }
        let code = exit_code(child.wait().unwrap());
        self.server.state.lock().unwrap().client = None;
        let _ = std::fs::remove_file(&bomb);
        Leg {
            killed: code == 137,
            code,
            events,
        }
    }

    /// How often each change was made.
    fn counts(&self) -> BTreeMap<String, usize> {
        self.server.settle();
        let mut counts = BTreeMap::new();
        let mut add = |key: &str| *counts.entry(key.to_owned()).or_default() += 1;
        self.project.read("log").lines().for_each(&mut add);
        for key in &self.server.state.lock().unwrap().keys {
            add(key);
        }
        if self.project.path("main.db").exists() {
            let database = Connection::open(self.project.path("main.db")).unwrap();
            let mut select = database.prepare("SELECT key FROM marks").unwrap();
            let rows = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
            rows.for_each(|key| add(&key.unwrap()));
        }
        counts
    }

    /// What a person types who looks at the world: each step in doubt with what is true of it.
    fn looked(&self, leg: &Leg) -> Vec<String> {
        let counts = self.counts();
        let in_doubt = leg.events.iter().filter(|event| {
            event["type"] == "step-finished"
                && event["status"] == "in-doubt"
                // A whole is told by what it consists of.
                && keys().iter().any(|key| event["step"] == key.as_str())
        });
        let answers: Vec<String> = in_doubt
            .flat_map(|event| {
                let key = event["step"].as_str().unwrap();
                let flag = if counts.contains_key(key) {
                    "--done"
                } else {
                    "--again"
                };
                [flag.to_owned(), key.to_owned()]
            })
            .collect();
        assert!(
            !answers.is_empty(),
            "stuck without a doubt: {:#?}",
            leg.events.last()
        );
        answers
    }

    /// Runs to the end, killed on the way as often as may be.
    fn live(&self, random: &mut fastrand::Rng, kills: &AtomicUsize) {
        let mut killed = 0;
        let mut arguments = vec!["t".to_owned(), "x".to_owned()];
        let mut story = Vec::new();
        // Far more legs than it can take: a run that never ends is wrong.
        for _ in 0..100 {
            let moment = match killed < MOST_OF_ONE {
                true => Moment::any(random),
                false => Moment::Never,
            };
            let leg = self.leg(&arguments, &moment);
            story.push(format!("{arguments:?} {moment:?}: {}", leg.code));
            arguments = vec!["resume".to_owned(), "1".to_owned()];
            match leg.code {
                _ if leg.killed => {
                    killed += 1;
                    kills.fetch_add(1, Ordering::SeqCst);
                    if leg.events.is_empty() && self.is_unborn() {
                        arguments = vec!["t".to_owned(), "x".to_owned()];
                    }
                }
                4 => arguments.extend(self.looked(&leg)),
                // The run had come to its end when it was killed.
                64 if killed > 0 => {
                    let ended = self.project.run(&["resume", "1"]).exits(64);
                    ended.says("all was well");
                    self.count(&story);
                    return;
                }
                0 => {
                    self.count(&story);
                    return;
                }
                other => panic!("exit {other}: {:#?}\n{story:#?}", leg.events.last()),
            }
        }
        panic!("it never ends: {story:#?}");
    }

    /// Each change was made once, and the journal is whole.
    fn count(&self, story: &[String]) {
        let counts = self.counts();
        let wrong: Vec<String> = keys()
            .into_iter()
            .filter(|key| counts.get(key) != Some(&1))
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}\n{counts:#?}\n{story:#?}");
        assert_eq!(counts.len(), keys().len(), "{counts:#?}");
        self.project.run(&["runs", "verify"]).exits(0);
    }

    /// Whether the run was killed before the journal knew of it.
    fn is_unborn(&self) -> bool {
        self.project.run(&["runs", "show", "1"]).code != 0
    }
}

#[test]
fn killed_at_any_moment_nothing_is_lost_and_nothing_is_done_twice() {
    let kills = AtomicUsize::new(0);
    let seed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..WORLDS {
            scope.spawn(|| {
                while kills.load(Ordering::SeqCst) < KILLS {
                    let seed = seed.fetch_add(1, Ordering::SeqCst) as u64;
                    World::new().live(&mut fastrand::Rng::with_seed(seed), &kills);
                }
            });
        }
    });
    assert!(kills.load(Ordering::SeqCst) >= KILLS);
}
