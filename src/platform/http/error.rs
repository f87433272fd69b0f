//! Why there is no response, in the words that an on-call engineer needs.

use std::error::Error as _;
use std::io;

use crate::base::{Size, Span};

use super::super::dns::DnsError;
use super::super::tcp::{self, ConnectError};
use super::super::tls::TlsError;
use super::{Phase, Timing};

/// Why there is no response, and how far the request came.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{cause}")]
pub struct HttpError {
    /// The phase in which it ended.
    pub phase: Phase,
    /// What happened.
    pub cause: HttpCause,
    /// The times until then.
    pub timing: Timing,
    /// Where redirects led until then.
    pub redirects: Vec<String>,
}

/// Whose trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The server's, or that of the network on the way to it.
    Target,
    /// The request's: it can never be sent like this.
    Request,
    /// This machine's: a file cannot be read, a proxy is not understood.
    Own,
}

/// What happened. No text in it holds a header's value, a body or a URL's query: they may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpCause {
    /// The URL cannot be used.
    #[error("the URL is not valid: {reason}")]
    Url {
        /// Why not.
        reason: String,
    },
    /// The method cannot be sent.
    #[error("{method:?} is not an HTTP method")]
    Method {
        /// The method.
        method: String,
    },
    /// A header cannot be sent.
    #[error("the header {name:?} cannot be sent: {reason}")]
    Header {
        /// Its name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// The URL of the proxy cannot be read.
    #[error("the variable {variable} does not hold the URL of a proxy")]
    ProxyUrl {
        /// The variable that holds it.
        variable: &'static str,
    },
    /// The proxy is of a kind that is not spoken here.
    #[error("the proxy {proxy} is not supported; only http:// proxies are")]
    ProxyKind {
        /// The proxy, without its credentials.
        proxy: String,
    },
    /// The proxy does not open the way.
    #[error("the proxy {proxy} does not connect to {target}: {reason}")]
    Proxy {
        /// The proxy.
        proxy: String,
        /// The server.
        target: String,
        /// Why not.
        reason: String,
    },
    /// The name has no address.
    #[error(transparent)]
    Dns(#[from] DnsError),
    /// No address can be connected to.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// There is no TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The time was over.
    #[error("no answer within {limit} from {target} while {}", phase.doing())]
    Timeout {
        /// How long it might have taken.
        limit: Span,
        /// The server.
        target: String,
        /// What was under way.
        phase: Phase,
    },
    /// The connection ended before the head of a response.
    #[error("{how} by {target} before it answered")]
    Closed {
        /// The server.
        target: String,
        /// `connection reset`
        how: String,
    },
    /// What came back is not HTTP.
    #[error("{target} does not answer in HTTP: {reason}")]
    Malformed {
        /// The server.
        target: String,
        /// In which way.
        reason: String,
    },
    /// The head of the response is too large.
    #[error(
        "the head of the response from {target} is over the limit of {headers} headers or {size}"
    )]
    HeadTooLarge {
        /// The server.
        target: String,
        /// How many headers may come.
        headers: usize,
        /// How large all of them may be.
        size: Size,
    },
    /// The connection ended in the middle of the body.
    #[error("{how} in the middle of the body, after {received} of {} bytes", of(*expected))]
    BodyCut {
        /// `connection reset`
        how: String,
        /// How many bytes came.
        received: u64,
        /// How many bytes were promised, if that was said.
        expected: Option<u64>,
    },
    /// The body is larger than what is taken.
    #[error("the body is over the limit of {limit}: {size} {}", if *promised { "are to come" } else { "had come when it was cut off" })]
    BodyTooLarge {
        /// What is taken.
        limit: Size,
        /// What came or is to come.
        size: Size,
        /// Whether that is the size that the head of the response promises.
        promised: bool,
    },
    /// The body is larger than what is taken once it is unpacked.
    #[error("the body is over the limit of {limit}: {packed} of {encoding} unpack to more")]
    Bomb {
        /// What is taken.
        limit: Size,
        /// What was sent.
        packed: Size,
        /// `gzip` or `deflate`.
        encoding: &'static str,
    },
    /// The body cannot be unpacked.
    #[error("the {encoding} body cannot be unpacked: {reason}")]
    Encoding {
        /// `gzip` or `deflate`.
        encoding: &'static str,
        /// Why not.
        reason: String,
    },
    /// A redirect cannot be followed.
    #[error("the redirect from {from} cannot be followed: {reason}")]
    Redirect {
        /// The server that redirects.
        from: String,
        /// Why not.
        reason: String,
    },
    /// A redirect leads back.
    #[error("the redirects lead in a circle: {chain}")]
    RedirectLoop {
        /// The way without queries.
        chain: String,
    },
    /// The redirects do not end.
    #[error("more than {limit} redirects: {chain}")]
    TooManyRedirects {
        /// How many are followed.
        limit: u32,
        /// The way without queries.
        chain: String,
    },
}

impl HttpCause {
    /// Whose trouble it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Url { .. } | Self::Method { .. } | Self::Header { .. } => Blame::Request,
            Self::ProxyUrl { .. } | Self::ProxyKind { .. } => Blame::Own,
            Self::Connect(error) if error.own => Blame::Own,
            Self::Tls(error) if error.problem.is_own() => Blame::Own,
            _ => Blame::Target,
        }
    }
}

fn of(expected: Option<u64>) -> String {
    expected.map_or_else(
        || "an unknown number of".to_owned(),
        |size| size.to_string(),
    )
}

/// How hyper says that there are too many headers or too large ones; it tells only servers apart from other mistakes.
const TOO_LARGE: &str = "message head is too large";

/// Says why no head of a response came.
pub(super) fn no_response(error: &hyper::Error, target: &str) -> HttpCause {
    let target = target.to_owned();
    if error.is_parse() && error.to_string() == TOO_LARGE {
        head_too_large(&target)
    } else if error.is_parse() {
        HttpCause::Malformed {
            target,
            reason: error.to_string(),
        }
    } else if ended(error) {
        HttpCause::Closed {
            target,
            how: how(error),
        }
    } else {
        HttpCause::Malformed {
            target,
            reason: how(error),
        }
    }
}

/// Says that a server sends too many headers or too large ones.
pub(super) fn head_too_large(target: &str) -> HttpCause {
    HttpCause::HeadTooLarge {
        target: target.to_owned(),
        headers: super::exchange::MOST_HEADERS,
        size: Size(super::exchange::LARGEST_HEAD as u64),
    }
}

/// Whether the connection ended, by itself or by force.
fn ended(error: &hyper::Error) -> bool {
    error.is_incomplete_message()
        || error.is_closed()
        || error.is_canceled()
        || io_error(error).is_some()
}

/// How a connection ended: `connection reset`.
pub(super) fn how(error: &hyper::Error) -> String {
    if let Some(io) = io_error(error) {
        return tcp::reason(io);
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return "connection closed".to_owned();
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io);
        }
        source = error.source();
    }
    None
}
