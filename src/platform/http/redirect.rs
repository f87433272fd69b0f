//! Where a redirect leads and what may be taken along (RFC 9110, section 15.4). Follows nothing itself.

use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, COOKIE, RANGE,
    USER_AGENT,
};
use http::{HeaderMap, HeaderName, Method};
use hyper::body::Bytes;
use url::Url;

use super::head::{Hop, Server};
use super::{HttpCause, Response};

/// What another server may see. A token can hide in any other header, so all others stay behind.
const HARMLESS: [HeaderName; 6] = [
    ACCEPT,
    ACCEPT_ENCODING,
    ACCEPT_LANGUAGE,
    CONTENT_TYPE,
    RANGE,
    USER_AGENT,
];

/// The request that a response asks for; none if it is no redirect.
pub(super) fn next(hop: &Hop, response: &Response) -> Result<Option<Hop>, HttpCause> {
    if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = response.header("location") else {
        return Ok(None);
    };
    let refuse = |reason: String| HttpCause::Redirect {
        from: without_query(&hop.url),
        reason,
    };
    let mut url = hop
        .url
        .join(location)
        .map_err(|error| refuse(format!("its location is not valid: {error}")))?;
    // A server does not decide what this client proves itself with.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Server::of(&url).map_err(|_| refuse(format!("it leads to {}:", url.scheme())))?;

    let (method, body) = method_and_body(hop, response.status);
    let mut headers = hop.headers.clone();
    if body.is_empty() {
        headers.remove(CONTENT_TYPE);
    }
    if url.origin() != hop.url.origin() {
        if hop.url.scheme() == "https"
            && url.scheme() == "http"
            && (has_credentials(&headers) || !body.is_empty())
        {
            return Err(refuse(format!(
                "it leads from https to {}, where what is sent could be read by others",
                without_query(&url)
            )));
        }
        headers = harmless(&headers);
    }
    Ok(Some(Hop {
        method,
        url,
        headers,
        body,
    }))
}

/// 303 asks for the result with GET; 301 and 302 do so after a POST, as every client has it; 307 and 308 ask for the same again.
fn method_and_body(hop: &Hop, status: u16) -> (Method, Bytes) {
    let to_get = match status {
        303 => hop.method != Method::HEAD,
        301 | 302 => hop.method == Method::POST,
        _ => false,
    };
    if to_get {
        (Method::GET, Bytes::new())
    } else {
        (hop.method.clone(), hop.body.clone())
    }
}

fn has_credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key(COOKIE)
}

fn harmless(headers: &HeaderMap) -> HeaderMap {
    headers
        .iter()
        .filter(|(name, _)| HARMLESS.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The URL as far as it may be told: a query may hold a secret.
pub(super) fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}
