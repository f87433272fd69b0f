//! Proxies: which one stands before a server, and the tunnel through it.

use std::sync::Arc;

use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, Uri};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::HttpCause;
use super::error::how;
use super::exchange::alongside;
use super::head::host_and_port;

/// Which proxies stand between here and the servers. None unless said.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Option<Arc<Matcher>>);

/// A proxy that speaks plain HTTP.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) authorization: Option<HeaderValue>,
}

impl Proxies {
    /// Reads `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, small letters first, as curl does.
    ///
    /// Inside a CGI program (`REQUEST_METHOD` is set), a client's `Proxy` header arrives as `HTTP_PROXY`: it is then passed over.
    #[must_use]
    pub fn from_variables(variables: &[(String, String)]) -> Self {
        let find = |name: &str| {
            variables
                .iter()
                .find(|(known, value)| known == name && !value.is_empty())
                .map(|(_, value)| value.clone())
        };
        let either = |name: &str| {
            find(&name.to_ascii_lowercase())
                .or_else(|| find(name))
                .unwrap_or_default()
        };
        let plain = if find("REQUEST_METHOD").is_some() {
            find("http_proxy").unwrap_or_default()
        } else {
            either("HTTP_PROXY")
        };
        let (secure, all) = (either("HTTPS_PROXY"), either("ALL_PROXY"));
        if plain.is_empty() && secure.is_empty() && all.is_empty() {
            return Self::default();
        }
        Self(Some(Arc::new(
            Matcher::builder()
                .http(plain)
                .https(secure)
                .all(all)
                .no(either("NO_PROXY"))
                .build(),
        )))
    }

    /// The proxy before this server, if any.
    pub(super) fn before(&self, server: &Uri) -> Result<Option<Proxy>, HttpCause> {
        let Some(found) = self
            .0
            .as_ref()
            .and_then(|matcher| matcher.intercept(server))
        else {
            return Ok(None);
        };
        let uri = found.uri();
        match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(host)) => Ok(Some(Proxy {
                host: host.trim_matches(['[', ']']).to_owned(),
                port: uri.port_u16().unwrap_or(80),
                authorization: found.basic_auth().cloned(),
            })),
            (scheme, host) => Err(HttpCause::ProxyKind {
                proxy: format!(
                    "{}://{}",
                    scheme.unwrap_or_default(),
                    host.unwrap_or_default()
                ),
            }),
        }
    }
}

impl Proxy {
    /// `host:port`
    pub(super) fn name(&self) -> String {
        host_and_port(&self.host, self.port)
    }

    /// That the proxy does not open the way to `target`.
    pub(super) fn failure(&self, target: &str, reason: String) -> HttpCause {
        HttpCause::Proxy {
            proxy: self.name(),
            target: target.to_owned(),
            reason,
        }
    }

    /// Asks the proxy to connect to `target` (`host:port`) and gives the connection back for whatever is spoken inside.
    pub(super) async fn tunnel(
        &self,
        stream: TcpStream,
        target: &str,
    ) -> Result<TcpStream, HttpCause> {
        let fail = |reason: String| self.failure(target, reason);
        let mut request = http::Request::builder()
            .method(Method::CONNECT)
            .uri(target)
            .header(HOST, target);
        if let Some(authorization) = &self.authorization {
            request = request.header(PROXY_AUTHORIZATION, authorization);
        }
        let request = request
            .body(Empty::<Bytes>::new())
            .map_err(|error| fail(error.to_string()))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| fail(how(&error)))?;
        let upgraded = alongside(connection.with_upgrades(), async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| fail(how(&error)))?;
            if !response.status().is_success() {
                return Err(fail(format!("it answers {}", response.status())));
            }
            hyper::upgrade::on(response)
                .await
                .map_err(|error| fail(how(&error)))
        })
        .await?;
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) if parts.read_buf.is_empty() => Ok(parts.io.into_inner()),
            // In TLS the client speaks first: what came already is not the server's.
            Ok(_) | Err(_) => Err(fail("it sends before it is asked".to_owned())),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::Proxies;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        let owned: Vec<_> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Proxies::from_variables(&owned)
    }

    fn before(proxies: &Proxies, url: &str) -> Option<String> {
        let proxy = proxies.before(&url.parse().unwrap()).unwrap()?;
        Some(format!("{}:{}", proxy.host, proxy.port))
    }

    #[test]
    fn finds_the_proxy_by_scheme_and_exception() {
        let found = proxies(&[
            ("HTTP_PROXY", "http://plain.example.com:3128"),
            ("https_proxy", "http://u:p@secure.example.com:3129"),
            ("HTTPS_PROXY", "http://unused.example.com"),
            ("NO_PROXY", "internal.example.com,127.0.0.0/8"),
        ]);
        assert_eq!(
            before(&found, "http://example.org/").as_deref(),
            Some("plain.example.com:3128")
        );
        assert_eq!(
            before(&found, "https://example.org/").as_deref(),
            Some("secure.example.com:3129")
        );
        assert_eq!(before(&found, "http://a.internal.example.com/"), None);
        assert_eq!(before(&found, "http://127.0.0.1:8080/"), None);
        assert_eq!(before(&proxies(&[]), "http://example.org/"), None);
    }

    #[test]
    fn a_cgi_client_cannot_choose_the_proxy() {
        let found = proxies(&[
            ("REQUEST_METHOD", "GET"),
            ("HTTP_PROXY", "http://evil.example.com"),
        ]);
        assert_eq!(before(&found, "http://example.org/"), None);
    }

    #[test]
    fn a_proxy_of_another_kind_is_refused_without_its_password() {
        let found = proxies(&[("ALL_PROXY", "socks5://u:hidden@example.com:1080")]);
        let error = found
            .before(&"http://example.org/".parse().unwrap())
            .unwrap_err();
        assert!(
            error.to_string().contains("socks5://example.com"),
            "{error}"
        );
        assert!(!error.to_string().contains("hidden"), "{error}");
    }
}
