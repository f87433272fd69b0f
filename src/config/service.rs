//! `[service.*]`: where it answers, how a request proves who sends it, and its checks.

use url::Url;

use crate::book::{Field, TableReader};
use crate::model::Template;

use super::check;
use super::estate::{Auth, Service};
use super::load::Site;

/// `[service.NAME]`
pub(super) fn read(field: Field<'_>, site: Site<'_>) -> Option<Service> {
    let table = field.table(format!("service {:?}", field.key()))?;
    let url = table.optional("url").and_then(base_url);
    let auth = table.optional("auth").and_then(auth);
    let headers = table.optional("headers").and_then(headers);
    let timeout = table
        .optional("timeout")
        .and_then(|field| field.positive_duration());
    let usual = check::Usual::read(&table);
    let checks = table
        .optional("check")
        .and_then(|field| field.tables("check"))
        .unwrap_or_default();
    let checks = check::read_all(checks, field.key(), &usual, site);
    table.finish();
    Some(Service {
        name: field.key().to_owned(),
        url,
        auth,
        headers: headers.unwrap_or_default(),
        timeout,
        objective: usual.objective,
        checks,
    })
}

/// The base of a service's URLs: written out, so that what is sent to it is known before it is sent.
pub(super) fn base_url(field: Field<'_>) -> Option<String> {
    let text = field.filled_text()?;
    let help = "write it like \"https://api.example.com\"";
    let Ok(url) = Url::parse(text) else {
        field.mistake_with_help("is no URL", help);
        return None;
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        field.mistake_with_help("is no URL of http or https", help);
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        field.mistake_with_help(
            "holds a user's name or password",
            "write `auth.basic = { user = …, password = \"{{ secret.… }}\" }` beside it",
        );
        return None;
    }
    if url.query().is_some() || url.fragment().is_some() || text.contains(['{', '}']) {
        field.mistake_with_help("is more than the base of URLs", help);
        return None;
    }
    Some(text.trim_end_matches('/').to_owned())
}

pub(super) fn auth(field: Field<'_>) -> Option<Auth> {
    let table = field.table("`auth`")?;
    let bearer = table.optional("bearer");
    let basic = table.optional("basic");
    let auth = match (bearer, basic) {
        (Some(field), None) => field.filled_template().map(Auth::Bearer),
        (None, Some(field)) => read_basic(field),
        (Some(_), Some(field)) => {
            field.key_mistake("a second way to prove who sends it, beside `bearer`");
            None
        }
        (None, None) => {
            table.mistake("`auth` needs `bearer` or `basic`");
            None
        }
    };
    table.finish();
    auth
}

fn read_basic(field: Field<'_>) -> Option<Auth> {
    let table = field.table("`auth.basic`")?;
    let user = required_template(&table, "user");
    let password = required_template(&table, "password");
    table.finish();
    Some(Auth::Basic {
        user: user?,
        password: password?,
    })
}

fn required_template(table: &TableReader<'_>, key: &str) -> Option<Template> {
    table.required(key)?.filled_template()
}

pub(super) fn headers(field: Field<'_>) -> Option<Vec<(String, Template)>> {
    let entries = field.table("`headers`")?.entries();
    let mut headers = Vec::new();
    for entry in entries {
        if http::HeaderName::from_bytes(entry.key().as_bytes()).is_err() {
            entry.key_mistake(format!("{:?} is no name of a header", entry.key()));
        } else if let Some(template) = entry.template() {
            headers.push((entry.key().to_owned(), template));
        }
    }
    Some(headers)
}
