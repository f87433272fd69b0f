//! From a step's call and its service to a request. A service's token leaves only for that service.

use url::Url;
use url::form_urlencoded::Serializer;

use crate::base::nearest;
use crate::config::Service;
use crate::engine::{ActionContext, ActionError, Invocation};
use crate::platform::http::{Proxies, Request};
use crate::platform::tls::Trust;

use super::super::api::{authorization, limit};

/// The request that a call means.
pub(super) fn build(
    invocation: &Invocation,
    context: &ActionContext<'_>,
) -> Result<Request, ActionError> {
    let service = invocation
        .text("on")
        .map(|name| find(name, context))
        .transpose()?;
    let mut url = url(invocation.object_text(), service)?;
    if let Some(query) = invocation.map("query").filter(|query| !query.is_empty()) {
        url.query_pairs_mut().extend_pairs(query);
    }
    let (body, media_type) = body(invocation)?;

    let mut request = Request::new(&invocation.verb.name.to_ascii_uppercase(), url.as_str());
    request.headers = headers(invocation, service, media_type, context)?;
    request.body = body;
    request.timeout = limit(
        context.deadline,
        service.and_then(|service| service.timeout),
    );
    request.deadline = context.deadline;
    request.trust = trust(invocation, context)?;
    request.proxies = Proxies::from_variables(context.environment);
    if let Some(size) = invocation.size("body_limit") {
        request.body_limit = size.0;
    }
    if let Some(redirects) = invocation.integer("redirects") {
        request.redirects = u32::try_from(*redirects).map_err(|_| {
            ActionError::config(format!("`redirects` is {redirects}"))
                .help("write how many redirects to follow: 0 or more")
        })?;
    }
    Ok(request)
}

fn find<'a>(name: &str, context: &ActionContext<'a>) -> Result<&'a Service, ActionError> {
    let config = context.config;
    config.service(name).ok_or_else(|| {
        let names = || config.services.iter().map(|service| service.name.as_str());
        let error = ActionError::config(format!("there is no service {name:?}"));
        match nearest(name, names()) {
            Some(near) => error.help(format!("did you mean {near:?}?")),
            None if config.services.is_empty() => {
                error.help(format!("describe it in opsbook.toml as [service.{name}]"))
            }
            None => error.help(format!(
                "opsbook.toml describes {}",
                names().collect::<Vec<_>>().join(", ")
            )),
        }
    })
}

/// An absolute URL, or a path below the URL of the service.
fn url(object: &str, service: Option<&Service>) -> Result<Url, ActionError> {
    let invalid = |text: &str, error: url::ParseError| {
        ActionError::target(format!("{text:?} is not a URL: {error}"))
    };
    let is_absolute = object.starts_with("http://") || object.starts_with("https://");
    let Some(service) = service else {
        if is_absolute {
            return Url::parse(object).map_err(|error| invalid(object, error));
        }
        let error = ActionError::config(format!("{object:?} is not an absolute URL"));
        return Err(if is_encoded_address(object) {
            error.help(
                "a value is percent-encoded where it lands in a URL: give the address as `url` in a [service.*] of \
                 opsbook.toml and name that with `http.on`",
            )
        } else {
            error.help(
                "write https://…, or name the service that the path belongs to with `http.on`",
            )
        });
    };
    let name = &service.name;
    let base = service.url.as_deref().ok_or_else(|| {
        ActionError::config(format!("the service {name:?} has no URL"))
            .help(format!("set `url` in [service.{name}] of opsbook.toml"))
    })?;
    let home = Url::parse(base).map_err(|error| invalid(base, error))?;
    let text = if is_absolute {
        object.to_owned()
    } else {
        joined(base, object)
    };
    let url = Url::parse(&text).map_err(|error| invalid(&text, error))?;
    if url.origin() != home.origin() {
        return Err(ActionError::config(format!(
            "{object:?} does not belong to the service {name:?}, whose authorization it would get"
        ))
        .help("write a path, or leave `http.on` out"));
    }
    Ok(url)
}

/// Whether this is what becomes of an address that an expression put at the beginning of a URL.
fn is_encoded_address(object: &str) -> bool {
    ["http%3A%2F%2F", "https%3A%2F%2F"]
        .iter()
        .any(|start| object.starts_with(start))
}

/// A path below a base. Whatever the path is, it begins after a slash and so cannot reach into the host.
fn joined(base: &str, path: &str) -> String {
    let base = base.trim_end_matches('/');
    if path.is_empty() || path.starts_with(['/', '?']) {
        format!("{base}{path}")
    } else {
        format!("{base}/{path}")
    }
}

/// The service's headers, its authorization and the step's headers; the later one wins.
fn headers(
    invocation: &Invocation,
    service: Option<&Service>,
    media_type: Option<&str>,
    context: &ActionContext<'_>,
) -> Result<Vec<(String, String)>, ActionError> {
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: String| {
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        headers.push((name.to_owned(), value));
    };
    if let Some(media_type) = media_type {
        set("content-type", media_type.to_owned());
    }
    if let Some(service) = service {
        for (name, template) in &service.headers {
            set(name, (context.resolve)(template)?);
        }
        if let Some(auth) = &service.auth {
            set("authorization", authorization(auth, context)?);
        }
    }
    for (name, value) in invocation.map("headers").unwrap_or_default() {
        set(name, value.clone());
    }
    Ok(headers)
}

/// The body and its media type.
fn body(invocation: &Invocation) -> Result<(Vec<u8>, Option<&'static str>), ActionError> {
    let text = invocation.text("body");
    let json = invocation.json("json");
    let form = invocation.map("form");
    match (text, json, form) {
        (None, None, None) => Ok((Vec::new(), None)),
        (Some(text), None, None) => {
            Ok((text.as_bytes().to_vec(), Some("text/plain; charset=utf-8")))
        }
        (None, Some(json), None) => Ok((json.to_string().into_bytes(), Some("application/json"))),
        (None, None, Some(form)) => Ok((
            Serializer::new(String::new())
                .extend_pairs(form)
                .finish()
                .into_bytes(),
            Some("application/x-www-form-urlencoded"),
        )),
        _ => Err(
            ActionError::config("a request has one body: `body`, `json` or `form`")
                .help("leave the others out"),
        ),
    }
}

fn trust(invocation: &Invocation, context: &ActionContext<'_>) -> Result<Trust, ActionError> {
    match (invocation.flag("insecure"), invocation.path("ca")) {
        (false, None) => Ok(Trust::System),
        (false, Some(path)) => Ok(Trust::Also(context.folder.join(path))),
        (true, None) => Ok(Trust::Anything),
        (true, Some(_)) => Err(ActionError::config(
            "`insecure` trusts everyone, so `ca` has no meaning beside it",
        )
        .help("leave one of the two out")),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::{any, prop_oneof, proptest};
    use proptest::prop_assert_eq;
    use proptest::strategy::Strategy;
    use url::Url;

    use super::{Service, url};

    /// Text that is likely to reach into a host.
    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[/@:.?#a-z\\\\\t]{0,12}",
            "https?:[/@:.?#a-z\\\\]{0,12}",
        ]
    }

    proptest! {
        #[test]
        fn nothing_leaves_for_another_server_than_the_service(object in hostile()) {
            let service = Service {
                name: "api".to_owned(),
                url: Some("https://api.example.com/v1".to_owned()),
                auth: None,
                headers: Vec::new(),
                timeout: None,
                objective: crate::config::Objective::default(),
                checks: Vec::new(),
            };
            if let Ok(url) = url(&object, Some(&service)) {
                let home = Url::parse("https://api.example.com").unwrap();
                prop_assert_eq!(url.origin(), home.origin());
                prop_assert_eq!(url.username(), "");
            }
        }
    }
}
