//! The head of a request: what is sent to which server. A line break or a second length can never get into it.

use base64::Engine as _;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use hyper::body::Bytes;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::{HttpCause, Request};

/// Headers that frame the message or belong to the connection: whoever could set them could smuggle a second request.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// One request to one server: the first, or one that a redirect led to.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Hop {
    /// The first hop of a request.
    pub(super) fn first(request: &Request) -> Result<Self, HttpCause> {
        let method = Method::from_bytes(request.method.as_bytes())
            .ok()
            .filter(|method| *method != Method::CONNECT)
            .ok_or_else(|| HttpCause::Method {
                method: request.method.clone(),
            })?;
        let mut url = Url::parse(&request.url).map_err(|error| HttpCause::Url {
            reason: error.to_string(),
        })?;
        let mut headers = headers(&request.headers)?;
        if let Some(authorization) = take_credentials(&mut url)
            && !headers.contains_key(AUTHORIZATION)
        {
            headers.insert(AUTHORIZATION, authorization);
        }
        Ok(Self {
            method,
            url,
            headers,
            body: Bytes::copy_from_slice(&request.body),
        })
    }
}

/// The server that a URL means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// A host name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Whether TLS is spoken.
    pub(super) secure: bool,
    /// `host`, or `host:port` where the port is not the usual one; an IPv6 address in brackets.
    pub(super) authority: String,
}

impl Server {
    pub(super) fn of(url: &Url) -> Result<Self, HttpCause> {
        let refuse = |reason: &str| HttpCause::Url {
            reason: reason.to_owned(),
        };
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            other => {
                return Err(refuse(&format!("{other}: is neither http: nor https:")));
            }
        };
        let (host, shown) = match url.host() {
            Some(Host::Domain(name)) => (name.to_owned(), name.to_owned()),
            Some(Host::Ipv4(address)) => (address.to_string(), address.to_string()),
            Some(Host::Ipv6(address)) => (address.to_string(), format!("[{address}]")),
            None => return Err(refuse("it names no host")),
        };
        let port = url
            .port_or_known_default()
            .ok_or_else(|| refuse("it names no port"))?;
        let authority = match url.port() {
            Some(port) => format!("{shown}:{port}"),
            None => shown,
        };
        Ok(Self {
            host,
            port,
            secure,
            authority,
        })
    }

    /// `host:port`, always with the port.
    pub(super) fn target(&self) -> String {
        host_and_port(&self.host, self.port)
    }
}

/// `host:port`, with brackets around an IPv6 address.
pub(super) fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// The URL in the crate's own type, without fragment.
pub(super) fn uri(url: &Url) -> Result<Uri, HttpCause> {
    let text = url.as_str();
    let end = text.find('#').unwrap_or(text.len());
    text[..end]
        .parse()
        .map_err(|error: http::uri::InvalidUri| HttpCause::Url {
            reason: error.to_string(),
        })
}

/// The caller's headers, and the usual ones where the caller is silent.
fn headers(given: &[(String, String)]) -> Result<HeaderMap, HttpCause> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let refuse = |reason| HttpCause::Header {
            name: name.clone(),
            reason,
        };
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| refuse("its name is not a token of HTTP"))?;
        if FRAMING.contains(&key.as_str()) {
            return Err(refuse("it follows from the request and cannot be set"));
        }
        let mut value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| refuse("its value holds a line break or another control character"))?;
        // A token can stand in any header: none is printed, and none is kept in a table of HTTP/2.
        value.set_sensitive(true);
        headers
            .try_append(key, value)
            .map_err(|_| refuse("there are too many headers"))?;
    }
    let usual = [
        (ACCEPT, "*/*"),
        (ACCEPT_ENCODING, "gzip, deflate"),
        (USER_AGENT, concat!("opsbook/", env!("CARGO_PKG_VERSION"))),
    ];
    for (name, value) in usual {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    Ok(headers)
}

/// Takes the user's name and password out of a URL, as basic authorization.
fn take_credentials(url: &mut Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut plain: Vec<u8> = percent_decode_str(url.username()).collect();
    plain.push(b':');
    plain.extend(percent_decode_str(url.password().unwrap_or_default()));
    // These fail only for URLs without a host, which are refused later.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let encoded = base64::engine::general_purpose::STANDARD.encode(plain);
    let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::proptest;
    use proptest::prop_assert;
    use url::Url;

    use super::super::{HttpCause, Request};
    use super::{Hop, Server};

    fn first(url: &str) -> Hop {
        Hop::first(&Request::new("GET", url)).unwrap()
    }

    #[test]
    fn credentials_move_from_the_url_into_a_header() {
        let hop = first("http://al%20ice:p%40ss@example.com/x");
        assert_eq!(hop.url.as_str(), "http://example.com/x");
        assert_eq!(hop.headers["authorization"], "Basic YWwgaWNlOnBAc3M=");
        assert!(!format!("{hop:?}").contains("YWwg"), "{hop:?}");
    }

    #[test]
    fn knows_the_server_of_a_url() {
        let server = Server::of(&Url::parse("https://[::1]:8443/").unwrap()).unwrap();
        assert_eq!((server.host.as_str(), server.port), ("::1", 8443));
        assert_eq!(server.authority, "[::1]:8443");
        let server = Server::of(&Url::parse("http://example.com/").unwrap()).unwrap();
        assert_eq!(server.authority, "example.com");
        assert_eq!(server.target(), "example.com:80");
        assert!(Server::of(&Url::parse("ftp://example.com/").unwrap()).is_err());
    }

    #[test]
    fn nobody_sets_the_framing_of_a_message() {
        for name in ["Content-Length", "transfer-encoding", "Connection"] {
            let request = Request::new("POST", "http://example.com/").header(name, "5");
            let error = Hop::first(&request).unwrap_err();
            assert!(matches!(error, HttpCause::Header { .. }), "{error}");
        }
    }

    #[test]
    fn more_headers_than_fit_are_refused() {
        let mut request = Request::new("GET", "http://example.com/");
        request.headers = (0..100_000)
            .map(|number| (format!("x-{number}"), String::new()))
            .collect();
        assert!(Hop::first(&request).is_err());
    }

    proptest! {
        #[test]
        fn no_line_break_gets_into_a_head(name: String, value: String) {
            let request = Request::new("GET", "http://example.com/").header(&name, &value);
            if let Ok(hop) = Hop::first(&request) {
                for (name, value) in &hop.headers {
                    prop_assert!(!name.as_str().contains(['\r', '\n', ':', ' ']));
                    prop_assert!(!value.as_bytes().iter().any(|byte| b"\r\n\0".contains(byte)));
                }
            }
        }
    }
}
