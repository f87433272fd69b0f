//! Small real servers for tests, on the loopback interface and a port of the system's choice. They end with their test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

pub(crate) use super::super::tls::testing::{Authority, Identity};

/// An address that nobody listens at, and that the system gives to nobody else for as long as this lives.
pub(crate) struct Closed {
    pub(crate) address: SocketAddr,
    _holder: TcpSocket,
}

pub(crate) fn closed() -> Closed {
    let holder = TcpSocket::new_v4().unwrap();
    holder.bind(([127, 0, 0, 1], 0).into()).unwrap();
    Closed {
        address: holder.local_addr().unwrap(),
        _holder: holder,
    }
}

/// An address that swallows whoever knocks, for as long as this lives: nothing there accepts, and the queue of those who wait is
/// full, so that the system lets every further attempt go unanswered. None where the machine has no such address.
pub(crate) struct BlackHole {
    pub(crate) address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<std::net::TcpStream>,
}

impl BlackHole {
    pub(crate) fn at(address: &str) -> Option<Self> {
        let address: SocketAddr = address.parse().unwrap();
        let socket = if address.is_ipv6() {
            TcpSocket::new_v6()
        } else {
            TcpSocket::new_v4()
        };
        let socket = socket.ok()?;
        socket.bind(address).ok()?;
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        let knock = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50));
        while let Ok(stream) = knock() {
            waiting.push(stream);
        }
        Some(Self {
            address,
            _listener: listener,
            _waiting: waiting,
        })
    }
}

/// What a server does once it has sent its answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Then {
    /// Closes the connection.
    Close,
    /// Breaks the connection off, so that the client sees a reset.
    Reset,
    /// Goes on sending letters for ever.
    Babble,
    /// Keeps the connection and sends nothing more.
    Hang,
    /// Goes on sending letters for ever, one at a time.
    Drip,
}

/// A server that is running.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// The URL of a path on it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The same over TLS, by name.
    pub(crate) fn secure_url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// The requests so far, heads and bodies as sent.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// A response with a body and its length.
pub(crate) fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Answers each request with what `answer` makes of it.
pub(crate) async fn serve<F>(answer: F) -> Server
where
    F: Fn(&str) -> (Vec<u8>, Then) + Send + Sync + 'static,
{
    serve_on("127.0.0.1:0", None, answer).await.unwrap()
}

/// The same over TLS with one of the identities of [`Authority`].
pub(crate) async fn serve_tls<F>(identity: Identity, answer: F) -> Server
where
    F: Fn(&str) -> (Vec<u8>, Then) + Send + Sync + 'static,
{
    let acceptor = identity.acceptor(&[b"http/1.1"]);
    serve_on("127.0.0.1:0", Some(acceptor), answer)
        .await
        .unwrap()
}

/// The same on an address of the test's choice, which the machine may not have.
pub(crate) async fn serve_on<F>(
    address: &str,
    acceptor: Option<TlsAcceptor>,
    answer: F,
) -> std::io::Result<Server>
where
    F: Fn(&str) -> (Vec<u8>, Then) + Send + Sync + 'static,
{
    let listener = TcpListener::bind(address).await?;
    let server = Server {
        address: listener.local_addr()?,
        seen: Arc::default(),
    };
    let (seen, answer) = (Arc::clone(&server.seen), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (seen, answer, acceptor) =
                (Arc::clone(&seen), Arc::clone(&answer), acceptor.clone());
            tokio::spawn(async move {
                match acceptor {
                    Some(acceptor) => {
                        if let Ok(mut stream) = acceptor.accept(stream).await {
                            converse(&mut stream, &seen, &*answer).await;
                            let _ = stream.shutdown().await;
                        }
                    }
                    None => {
                        let mut stream = stream;
                        if converse(&mut stream, &seen, &*answer).await == Then::Reset {
                            stream.set_zero_linger().unwrap();
                        }
                    }
                }
            });
        }
    });
    Ok(server)
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    seen: &Mutex<Vec<String>>,
    answer: &(dyn Fn(&str) -> (Vec<u8>, Then) + Send + Sync),
) -> Then {
    let request = read_request(stream).await;
    let (bytes, then) = answer(&request);
    seen.lock().unwrap().push(request);
    let _ = stream.write_all(&bytes).await;
    let _ = stream.flush().await;
    match then {
        Then::Babble => while stream.write_all(&[b'x'; 4096]).await.is_ok() {},
        Then::Hang => std::future::pending().await,
        Then::Drip => {
            let mut beat = tokio::time::interval(Duration::from_millis(5));
            while stream.write_all(b"x").await.is_ok() && stream.flush().await.is_ok() {
                beat.tick().await;
            }
        }
        Then::Close | Then::Reset => {}
    }
    then
}

/// Reads a head and as much body as it promises.
pub(crate) async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if bytes
            .first()
            .is_some_and(|byte| !byte.is_ascii_alphabetic())
        {
            // This is not HTTP, and a server answers that at once.
            return text;
        }
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
            if body.len() >= length {
                return text;
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(count) if count > 0 => bytes.extend_from_slice(&piece[..count]),
            _ => return text,
        }
    }
}

/// A proxy that opens one tunnel to `server`, whatever it is asked for, and tells the head of that request.
pub(crate) async fn tunnel_to(server: SocketAddr) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Server {
        address: listener.local_addr().unwrap(),
        seen: Arc::default(),
    };
    let seen = Arc::clone(&proxy.seen);
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let head = read_request(&mut client).await;
        seen.lock().unwrap().push(head);
        let mut server = TcpStream::connect(server).await.unwrap();
        client
            .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            .await
            .unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    });
    proxy
}

/// A server that speaks HTTP/2 and answers every request with `body`; it tells the URLs that were asked for.
pub(crate) async fn serve_2(identity: Identity, body: &'static str) -> Server {
    serve_2_with(identity, body, 0).await
}

/// The same with so many headers more.
pub(crate) async fn serve_2_with(identity: Identity, body: &'static str, headers: u32) -> Server {
    let acceptor = identity.acceptor(&[b"h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server {
        address: listener.local_addr().unwrap(),
        seen: Arc::default(),
    };
    let seen = Arc::clone(&server.seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                seen.lock().unwrap().push(request.uri().to_string());
                let mut head = http::Response::new(());
                let timing = http::HeaderValue::from_static("db;dur=4.5");
                head.headers_mut().insert("server-timing", timing.clone());
                for number in 0..headers {
                    let name = format!("x-{number}").parse::<http::HeaderName>().unwrap();
                    head.headers_mut().insert(name, timing.clone());
                }
                let mut stream = respond.send_response(head, false).unwrap();
                let _ = stream.send_data(body.into(), true);
            }
        }
    });
    server
}
