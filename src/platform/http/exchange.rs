//! One request and its response on a connection of its own. Knows nothing of redirects and of limits of time.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{TimeDelta, Utc};
use http::header::{HOST, HeaderName, PROXY_AUTHORIZATION};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri, Version};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::super::dns::Names;
use super::super::{tcp, tls};
use super::error::{head_too_large, no_response};
use super::head::{Hop, Server, uri};
use super::proxy::Proxy;
use super::trace::Trace;
use super::{HttpCause, Phase, Request, Response, ServerTiming, Timing, body, clock};

/// The most headers that a response may have.
pub(super) const MOST_HEADERS: usize = 100;

/// The largest head of a response, in bytes.
pub(super) const LARGEST_HEAD: usize = 256 << 10;

type Outgoing = http::Request<Full<Bytes>>;

/// A response as it came, its body unpacked.
struct Answer {
    head: http::response::Parts,
    body: Vec<u8>,
    transferred: u64,
    skew: Option<TimeDelta>,
}

/// Sends one request and takes its response in. The trace tells how far it is.
pub(super) async fn exchange(
    hop: &Hop,
    request: &Request,
    trace: &mut Trace,
) -> Result<Response, HttpCause> {
    let server = Server::of(&hop.url)?;
    let uri = uri(&hop.url)?;
    trace.target = server.target();
    let proxy = request.proxies.before(&server, &uri)?;
    let stream = reach(&server, proxy.as_ref(), &request.names, trace).await?;
    let address = stream.peer_addr().map_err(|error| HttpCause::Closed {
        target: trace.target.clone(),
        how: tcp::reason(&error),
    })?;
    let limit = request.body_limit;
    if !server.secure {
        trace.enter(Phase::Wait);
        let outgoing = version_1(hop, &server, &uri, proxy.as_ref())?;
        let answer = speak_1(stream, outgoing, limit, trace).await?;
        return Ok(response(answer, address, None));
    }
    trace.enter(Phase::Tls);
    let connected = tls::connect(stream, &server.host, &request.trust, &["h2", "http/1.1"]).await;
    let (stream, facts) = match connected {
        Ok(connected) => connected,
        Err(error) => return Err(clock::doubt(error, hop, request, trace).await.into()),
    };
    trace.enter(Phase::Wait);
    let answer = if facts.application.as_deref() == Some("h2") {
        speak_2(stream, version_2(hop, &uri)?, limit, trace).await?
    } else {
        let outgoing = version_1(hop, &server, &uri, None)?;
        speak_1(stream, outgoing, limit, trace).await?
    };
    Ok(response(answer, address, Some(facts)))
}

/// Connects to the server, or to the proxy before it and through it where TLS is spoken.
async fn reach(
    server: &Server,
    proxy: Option<&Proxy>,
    names: &Names,
    trace: &mut Trace,
) -> Result<TcpStream, HttpCause> {
    let Some(proxy) = proxy else {
        return dial(&server.host, server.port, names, trace).await;
    };
    let target = server.target();
    trace.target = format!("{target} through the proxy {}", proxy.name());
    let stream = dial(&proxy.host, proxy.port, names, trace)
        .await
        .map_err(|cause| proxy.failure(&target, cause.to_string()))?;
    if server.secure {
        proxy.tunnel(stream, &target).await
    } else {
        Ok(stream)
    }
}

async fn dial(
    host: &str,
    port: u16,
    names: &Names,
    trace: &mut Trace,
) -> Result<TcpStream, HttpCause> {
    trace.enter(Phase::Dns);
    let addresses: Vec<_> = names
        .lookup(host)
        .await?
        .into_iter()
        .map(|address| SocketAddr::new(address, port))
        .collect();
    trace.enter(Phase::Connect);
    Ok(tcp::connect(&addresses).await?)
}

/// A request in HTTP/1.1: a path and a `Host`; the whole URL for a proxy.
fn version_1(
    hop: &Hop,
    server: &Server,
    uri: &Uri,
    proxy: Option<&Proxy>,
) -> Result<Outgoing, HttpCause> {
    let path = || {
        let path = uri.path_and_query().cloned();
        Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")))
    };
    let mut headers = hop.headers.clone();
    if !headers.contains_key(HOST) {
        let host = HeaderValue::try_from(&server.authority).map_err(|error| HttpCause::Url {
            reason: error.to_string(),
        })?;
        headers.insert(HOST, host);
    }
    if let Some(authorization) = proxy.and_then(|proxy| proxy.authorization.clone()) {
        headers.insert(PROXY_AUTHORIZATION, authorization);
    }
    let target = proxy.map_or_else(path, |_| uri.clone());
    Ok(outgoing(hop, target, headers))
}

/// A request in HTTP/2: the whole URL; a `Host` that the caller wants takes the place of its authority.
fn version_2(hop: &Hop, uri: &Uri) -> Result<Outgoing, HttpCause> {
    let mut headers = hop.headers.clone();
    let Some(host) = headers.remove(HOST) else {
        return Ok(outgoing(hop, uri.clone(), headers));
    };
    let mut parts = uri.clone().into_parts();
    let authority = host.as_bytes().try_into();
    parts.authority = Some(authority.map_err(|_| HttpCause::Header {
        name: "host".to_owned(),
        reason: "it names no host",
    })?);
    let target = Uri::from_parts(parts).map_err(|error| HttpCause::Url {
        reason: error.to_string(),
    })?;
    Ok(outgoing(hop, target, headers))
}

fn outgoing(hop: &Hop, target: Uri, headers: HeaderMap) -> Outgoing {
    let mut request = http::Request::new(Full::new(hop.body.clone()));
    *request.method_mut() = hop.method.clone();
    *request.uri_mut() = target;
    *request.headers_mut() = headers;
    request
}

async fn speak_1<S>(
    stream: S,
    outgoing: Outgoing,
    limit: u64,
    trace: &mut Trace,
) -> Result<Answer, HttpCause>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_header_size(LARGEST_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| no_response(&error, &trace.target))?;
    alongside(connection, async {
        let sent = sender.send_request(outgoing).await;
        take(sent, limit, trace).await
    })
    .await
}

async fn speak_2<S>(
    stream: S,
    outgoing: Outgoing,
    limit: u64,
    trace: &mut Trace,
) -> Result<Answer, HttpCause>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http2::Builder::new(Tasks::default())
        .max_header_list_size(LARGEST_HEAD as u32)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| no_response(&error, &trace.target))?;
    alongside(connection, async {
        let sent = sender.send_request(outgoing).await;
        take(sent, limit, trace).await
    })
    .await
}

async fn take(
    sent: hyper::Result<http::Response<Incoming>>,
    limit: u64,
    trace: &mut Trace,
) -> Result<Answer, HttpCause> {
    let response = sent.map_err(|error| no_response(&error, &trace.target))?;
    // In HTTP/2 only the size is held to a limit below.
    if response.headers().len() > MOST_HEADERS {
        return Err(head_too_large(&trace.target));
    }
    let skew = clock::skew(response.headers(), trace.asked, Utc::now());
    trace.enter(Phase::Receive);
    let (head, incoming) = response.into_parts();
    let packed = body::receive(incoming, limit).await?;
    let transferred = packed.len() as u64;
    let body = body::unpack(packed, &head.headers, limit).await?;
    Ok(Answer {
        head,
        body,
        transferred,
        skew,
    })
}

/// Keeps the connection going while something is said on it. Nothing goes on in the background: dropping ends both.
pub(super) async fn alongside<T>(
    connection: impl Future<Output = hyper::Result<()>>,
    conversation: impl Future<Output = T>,
) -> T {
    let mut conversation = pin!(conversation);
    tokio::select! {
        biased;
        said = &mut conversation => said,
        // How the connection ended reaches the conversation, which can say in the middle of what.
        _ = connection => conversation.await,
    }
}

/// The tasks of an HTTP/2 connection, ended with it.
#[derive(Clone, Debug, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(future);
    }
}

fn response(answer: Answer, address: SocketAddr, tls: Option<tls::TlsFacts>) -> Response {
    let head = answer.head;
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Response {
        status: head.status.as_u16(),
        reason: head.status.canonical_reason().unwrap_or_default(),
        version: match head.version {
            Version::HTTP_2 => "HTTP/2",
            Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        },
        server_timing: head
            .headers
            .get_all(HeaderName::from_static("server-timing"))
            .iter()
            .flat_map(|value| ServerTiming::read(&text(value)))
            .collect(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect(),
        body: answer.body,
        transferred: answer.transferred,
        skew: answer.skew,
        timing: Timing::default(),
        tls,
        redirects: Vec::new(),
        address,
    }
}
