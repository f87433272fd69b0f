//! A real Redis server that is thrown away, and a stand-in that replies what a test says. Both end by themselves.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::harness::{ClosedPort, WATCHDOG};

/// Runs the server until its own standard input ends: then whoever started it is gone.
const KEEPER: &str = r#"
trap '' INT HUP TERM
redis-server "$@" >log 2>&1 &
while read -r line; do :; done
kill -9 $!
"#;

/// A server of its own.
pub(crate) struct RedisServer {
    folder: TempDir,
    port: ClosedPort,
    keeper: Child,
}

impl RedisServer {
    /// Starts a server with more options: `["--requirepass", "x"]`.
    pub(crate) fn start(options: &[&str]) -> Self {
        let folder = TempDir::with_prefix("opsbook-redis-").unwrap();
        let port = ClosedPort::new();
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh", "--port", &port.number().to_string()])
            .args(["--bind", "127.0.0.1", "--save", "", "--dir", "."])
            .args(options)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh can be started");
        let server = Self {
            folder,
            port,
            keeper,
        };
        let began = std::time::Instant::now();
        while TcpStream::connect(("127.0.0.1", server.port())).is_err() {
            let log = std::fs::read_to_string(server.folder.path().join("log"));
            assert!(
                began.elapsed() < WATCHDOG,
                "no redis-server; run: sudo scripts/test\n{log:?}"
            );
            std::thread::yield_now();
        }
        server
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    /// The URL of its first database.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port())
    }

    /// Has the server do commands, a line each, as `redis-cli` takes them; gives what it replied.
    pub(crate) fn tell(&self, commands: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).unwrap();
        stream.set_read_timeout(Some(WATCHDOG)).unwrap();
        for command in commands.lines() {
            stream
                .write_all(format!("{command}\r\n").as_bytes())
                .unwrap();
        }
        stream.write_all(b"QUIT\r\n").unwrap();
        let mut replies = String::new();
        stream.read_to_string(&mut replies).unwrap();
        assert!(!replies.contains("-ERR"), "{commands}\n{replies}");
        replies
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Replies to the first connection with these bytes, whatever it sends, and takes in what it sends until it leaves.
/// Gives the URL.
pub(crate) fn replying(replies: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(WATCHDOG)).unwrap();
        let _ = stream.write_all(replies);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    format!("redis://{address}/0")
}
