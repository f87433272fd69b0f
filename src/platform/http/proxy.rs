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
use super::head::{Server, host_and_port};
use super::no_proxy::NoProxy;

/// Which proxies stand between here and the servers. None unless said.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Option<Arc<Rules>>);

#[derive(Debug)]
struct Rules {
    matcher: Matcher,
    /// The variables that name a proxy for http and for https.
    plain: Option<&'static str>,
    secure: Option<&'static str>,
    without: NoProxy,
}

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
        let first = |names: &[&'static str]| {
            names
                .iter()
                .find_map(|name| find(name).map(|value| (*name, value)))
                .unzip()
        };
        let (plain, plain_url) = if find("REQUEST_METHOD").is_some() {
            first(&["http_proxy", "all_proxy", "ALL_PROXY"])
        } else {
            first(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
        };
        let (secure, secure_url) = first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]);
        if plain.is_none() && secure.is_none() {
            return Self::default();
        }
        let (_, without) = first(&["no_proxy", "NO_PROXY"]);
        Self(Some(Arc::new(Rules {
            matcher: Matcher::builder()
                .http(plain_url.unwrap_or_default())
                .https(secure_url.unwrap_or_default())
                .build(),
            plain,
            secure,
            without: NoProxy::read(&without.unwrap_or_default()),
        })))
    }

    /// The proxy before this server, if any.
    pub(super) fn before(&self, server: &Server, uri: &Uri) -> Result<Option<Proxy>, HttpCause> {
        let Some(rules) = &self.0 else {
            return Ok(None);
        };
        let variable = if server.secure {
            rules.secure
        } else {
            rules.plain
        };
        let Some(variable) = variable else {
            return Ok(None);
        };
        if rules.without.covers(&server.host, server.port) {
            return Ok(None);
        }
        let found = rules
            .matcher
            .intercept(uri)
            .ok_or(HttpCause::ProxyUrl { variable })?;
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
    use super::super::{Blame, HttpCause};
    use super::{Proxies, Server};

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        let owned: Vec<_> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Proxies::from_variables(&owned)
    }

    fn before(proxies: &Proxies, url: &str) -> Option<String> {
        let server = Server::of(&url.parse().unwrap()).unwrap();
        let proxy = proxies.before(&server, &url.parse().unwrap()).unwrap()?;
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

    fn refusal(proxies: &Proxies) -> HttpCause {
        let url = "http://example.org/";
        let server = Server::of(&url.parse().unwrap()).unwrap();
        proxies.before(&server, &url.parse().unwrap()).unwrap_err()
    }

    #[test]
    fn small_letters_come_first_and_one_variable_may_stand_for_both() {
        let found = proxies(&[
            ("HTTP_PROXY", "http://large.example.com:1"),
            ("http_proxy", "http://small.example.com:2"),
            ("ALL_PROXY", "http://all.example.com:3"),
            ("no_proxy", ""),
            ("NO_PROXY", "10.0.0.0/8,example.net:8443,.example.com"),
        ]);
        for (url, proxy) in [
            ("http://example.org/", Some("small.example.com:2")),
            ("https://example.org/", Some("all.example.com:3")),
            ("http://10.1.2.3/", None),
            ("http://11.1.2.3/", Some("small.example.com:2")),
            ("https://example.net:8443/", None),
            ("https://example.net/", Some("all.example.com:3")),
            ("https://api.example.com/", None),
            ("http://[2001:db8::1]/", Some("small.example.com:2")),
        ] {
            assert_eq!(before(&found, url).as_deref(), proxy, "{url}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_read_is_not_passed_over() {
        let error = refusal(&proxies(&[("HTTP_PROXY", "http://user:hidden@:not a url")]));
        assert_eq!(
            error.to_string(),
            "the variable HTTP_PROXY does not hold the URL of a proxy"
        );
        assert_eq!(error.blame(), Blame::Own);
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
        let error = refusal(&found);
        assert!(
            error.to_string().contains("socks5://example.com"),
            "{error}"
        );
        assert!(!error.to_string().contains("hidden"), "{error}");
    }
}
