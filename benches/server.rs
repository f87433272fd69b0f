//! The server that the benchmarks ask: answers at once or after a while, and counts. Ends when its standard input does.

use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};

const HEALTHY: &str = r#"{"status":"healthy","pending":3}"#;

/// `server --listen` prints its address and serves `/health`, `/slow` (after 50 ms) and `/count`.
fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() != Some("--listen") {
        // `cargo bench` starts every bench with arguments of its own.
        return ExitCode::SUCCESS;
    }
    std::thread::spawn(|| {
        let mut nothing = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut nothing);
        std::process::exit(0);
    });
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        // Two hundred clients knock at once; one that is turned away tries again only after a second.
        let listener = socket.listen(1024)?;
        let mut stdout = std::io::stdout();
        writeln!(stdout, "http://{}", listener.local_addr()?)?;
        stdout.flush()?;
        let count = Rc::new(Cell::new(0));
        loop {
            let (stream, _) = listener.accept().await?;
            let count = Rc::clone(&count);
            // A client that hangs up is no trouble of the server.
            tokio::task::spawn_local(async move { drop(answer(stream, &count).await) });
        }
    })
}

/// Answers every request of a connection.
async fn answer(stream: TcpStream, count: &Cell<u64>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
        while line.trim_end() != "" {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
        }
        let body = match path.as_str() {
            "/count" => count.get().to_string(),
            _ => {
                count.set(count.get() + 1);
                HEALTHY.to_owned()
            }
        };
        if path == "/slow" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let length = body.len();
        let response = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.get_mut().write_all(response.as_bytes()).await?;
    }
}
