//! A request and its response as plain data.

use std::net::SocketAddr;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::Instant;

use super::super::dns::Names;
use super::super::tls::{TlsFacts, Trust};
use super::{Proxies, ServerTiming, Timing};

/// What is asked. Its headers and body may hold secrets, so it cannot be printed.
#[derive(Clone)]
pub struct Request {
    /// The method: `GET`.
    pub method: String,
    /// An absolute URL, `http` or `https`. A user's name in it becomes basic authorization.
    pub url: String,
    /// The headers in their order.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// How long all of it may take, from the look-up of the name to the end of the body, redirects included.
    pub timeout: Duration,
    /// The moment at which it must be over, where someone else counts too: it then ends at that very moment and not a little
    /// later, as a timeout that starts anew would.
    pub deadline: Option<Instant>,
    /// The largest body that is taken, in bytes, as sent and as unpacked.
    pub body_limit: u64,
    /// How many redirects are followed; with 0 a redirect is the response.
    pub redirects: u32,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// Which proxies stand between.
    pub proxies: Proxies,
    /// Where names have their addresses from.
    pub names: Names,
}

impl Request {
    /// The largest body unless said otherwise, in bytes.
    pub const BODY_LIMIT: u64 = 10 << 20;
    /// How many redirects are followed unless said otherwise.
    pub const REDIRECTS: u32 = 10;
    /// How long a request may take unless said otherwise.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// A request without headers and body, and with the usual limits.
    #[must_use]
    pub fn new(method: &str, url: &str) -> Self {
        Self {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: Self::TIMEOUT,
            deadline: None,
            body_limit: Self::BODY_LIMIT,
            redirects: Self::REDIRECTS,
            trust: Trust::System,
            proxies: Proxies::default(),
            names: Names::default(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code, 100 to 999.
    pub status: u16,
    /// The usual words for the code: `Not Found`; empty for codes that have none.
    pub reason: &'static str,
    /// `HTTP/1.1` or `HTTP/2`.
    pub version: &'static str,
    /// The headers, names in lower case; bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The body, whole and unpacked.
    pub body: Vec<u8>,
    /// The size of the body as it was sent, in bytes.
    pub transferred: u64,
    /// How far the server's clock is ahead of this machine's, negative when it is behind: the least that its header `Date`
    /// proves; none without that header.
    pub skew: Option<TimeDelta>,
    /// How long each phase took.
    pub timing: Timing,
    /// What the server says about where its time went.
    pub server_timing: Vec<ServerTiming>,
    /// What the TLS handshake agreed on; none for plain HTTP.
    pub tls: Option<TlsFacts>,
    /// The URLs that the redirects led to, in order.
    pub redirects: Vec<String>,
    /// Who answered: the server, or the proxy in front of it.
    pub address: SocketAddr,
}

impl Response {
    /// The first header of this name, given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}
