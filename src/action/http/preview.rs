//! A request as a person reads it before it is sent: secrets are masked before anything is encoded, so that no mask has to
//! know how a secret looks inside of JSON or a form.

use url::Url;
use url::form_urlencoded::Serializer;

use crate::base::Masker;
use crate::engine::Invocation;
use crate::platform::http::Request;

/// Headers whose value proves who one is. It is not shown even where no secret of the configuration is part of it.
const PROOFS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// The request line, the headers and the body.
pub(super) fn told(request: &Request, invocation: &Invocation, masker: &Masker) -> String {
    let mut told = format!("{} {}", request.method, masker.text(&address(&request.url)));
    for (name, value) in &request.headers {
        let value = if PROOFS.iter().any(|proof| name.eq_ignore_ascii_case(proof)) {
            "***".to_owned()
        } else {
            masker.text(value)
        };
        told.push_str(&format!("\n{name}: {value}"));
    }
    if let Some(body) = body(invocation, masker) {
        told.push_str("\n\n");
        told.push_str(&body);
    }
    told
}

/// The URL without a password in it.
fn address(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => {
            // Only a URL without a host refuses a password, and that has none.
            let _ = parsed.set_password(Some("***"));
            parsed.into()
        }
        Ok(_) | Err(_) => url.to_owned(),
    }
}

fn body(invocation: &Invocation, masker: &Masker) -> Option<String> {
    if let Some(json) = invocation.json("json") {
        return Some(masker.json(json.clone()).to_string());
    }
    if let Some(form) = invocation.map("form") {
        let fields = form.iter().map(|(name, value)| (name, masker.text(value)));
        return Some(Serializer::new(String::new()).extend_pairs(fields).finish());
    }
    invocation.text("body").map(|text| masker.text(text))
}
