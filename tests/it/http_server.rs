//! A server on loopback that answers as it is told, also badly. Its port is the system's choice; it ends with its value.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::harness::WATCHDOG;

/// How far the bytes of an answer are apart that trickles.
const BEAT: Duration = Duration::from_millis(2);

/// What the server does with a request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// A whole response with this status and JSON body.
    Json(u16, &'static str),
    /// Exactly these bytes, then the connection is closed.
    Bytes(Vec<u8>),
    /// These bytes one by one, a few milliseconds apart, until the client hangs up.
    Trickled(Vec<u8>),
    /// A head without a length and a body that goes on until the client hangs up.
    Endless,
    /// Nothing, for as long as the server lives.
    Never,
}

/// A request as it arrived.
#[derive(Debug)]
pub(crate) struct Request {
    /// `GET`
    pub(crate) method: String,
    /// `/health?full=1`
    pub(crate) path: String,
    /// The header lines, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, if a length was given.
    pub(crate) body: String,
}

impl Request {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

type Script = dyn Fn(usize, &Request) -> Answer + Send + Sync;

/// The running server.
pub(crate) struct HttpServer {
    address: SocketAddr,
    scheme: &'static str,
    requests: Receiver<Request>,
    state: Arc<State>,
    acceptor: Option<JoinHandle<()>>,
}

struct State {
    script: Box<Script>,
    tls: Option<Arc<rustls::ServerConfig>>,
    arrived: Mutex<(usize, Sender<Request>)>,
    ended: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl HttpServer {
    /// Answers every request alike.
    pub(crate) fn answering(answer: Answer) -> Self {
        Self::scripted(move |_, _| answer.clone())
    }

    /// Answers by the number of the request, counting from 0, and the request itself.
    pub(crate) fn scripted(
        script: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start(Box::new(script), None)
    }

    /// Speaks TLS and answers every request alike.
    pub(crate) fn with_tls(config: rustls::ServerConfig, answer: Answer) -> Self {
        Self::start(Box::new(move |_, _| answer.clone()), Some(Arc::new(config)))
    }

    fn start(script: Box<Script>, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state = Arc::new(State {
            script,
            tls,
            arrived: Mutex::new((0, sender)),
            ended: AtomicBool::new(false),
            open: Mutex::new(Vec::new()),
        });
        let shared = Arc::clone(&state);
        let acceptor = std::thread::spawn(move || accept(&listener, &shared));
        Self {
            address,
            scheme,
            requests,
            state,
            acceptor: Some(acceptor),
        }
    }

    /// `http://127.0.0.1:4711`, or `https://localhost:4711` with TLS.
    pub(crate) fn url(&self) -> String {
        match self.scheme {
            "https" => format!("https://localhost:{}", self.address.port()),
            _ => format!("http://{}", self.address),
        }
    }

    /// Waits for the next request.
    #[track_caller]
    pub(crate) fn next_request(&self) -> Request {
        self.requests
            .recv_timeout(WATCHDOG)
            .expect("a request arrives")
    }

    /// How many requests have arrived.
    pub(crate) fn count(&self) -> usize {
        self.state.arrived.lock().unwrap().0
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::SeqCst);
        for stream in self.state.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for stream in listener.incoming() {
        if state.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        state.open.lock().unwrap().push(stream.try_clone().unwrap());
        let state = Arc::clone(state);
        std::thread::spawn(move || {
            // What is open keeps the connection from being closed by being dropped.
            let closing = stream.try_clone().unwrap();
            match &state.tls {
                // A client that hangs up, or refuses the certificate, is what some tests are about.
                None => drop(serve(stream, &state)),
                Some(config) => {
                    let session = rustls::ServerConnection::new(Arc::clone(config)).unwrap();
                    drop(serve(rustls::StreamOwned::new(session, stream), &state));
                }
            }
            let _ = closing.shutdown(std::net::Shutdown::Write);
        });
    }
}

fn serve(stream: impl Read + Write, state: &State) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let request = read_request(&mut stream)?;
    let answer = {
        let mut arrived = state.arrived.lock().unwrap();
        let answer = (state.script)(arrived.0, &request);
        arrived.0 += 1;
        let _ = arrived.1.send(request);
        answer
    };
    let stream = stream.get_mut();
    match answer {
        Answer::Json(status, body) => write!(
            stream,
            "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )?,
        Answer::Bytes(bytes) => stream.write_all(&bytes)?,
        Answer::Trickled(bytes) => {
            for byte in bytes {
                stream.write_all(&[byte])?;
                stream.flush()?;
                std::thread::park_timeout(BEAT);
            }
        }
        Answer::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
            loop {
                stream.write_all(&[b'x'; 65536])?;
            }
        }
        // Reading ends when the client hangs up or the server ends.
        Answer::Never => drop(stream.read(&mut [0])?),
    }
    stream.flush()
}

fn read_request(stream: &mut BufReader<impl Read>) -> std::io::Result<Request> {
    let mut first = String::new();
    stream.read_line(&mut first)?;
    let mut words = first.split_whitespace();
    let mut request = Request {
        method: words.next().unwrap_or_default().to_owned(),
        path: words.next().unwrap_or_default().to_owned(),
        headers: Vec::new(),
        body: String::new(),
    };
    if request.method.is_empty() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        request
            .headers
            .push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = request
        .header("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    Ok(request)
}
