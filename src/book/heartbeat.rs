//! `heartbeat`: where runs are told to a watch. A URL, or a table with one; the same in a runbook and in `opsbook.toml`.

use url::Url;

use crate::model::{Heartbeat, Template};

use super::field::{Field, Form};

/// Reads `heartbeat = "https://…"`, or `[heartbeat]` with `url` and `timeout`.
pub fn parse_heartbeat(field: Field<'_>) -> Option<Heartbeat> {
    if field.form() == Form::Text {
        let url = address(field)?;
        return Some(Heartbeat { url, timeout: None });
    }
    if field.form() != Form::Table {
        field.mistake_with_help("is no heartbeat", HELP);
        return None;
    }
    let table = field.table("`heartbeat`")?;
    let url = table.required("url").and_then(address);
    let timeout = table
        .optional("timeout")
        .and_then(|field| field.positive_duration());
    table.finish();
    Some(Heartbeat { url: url?, timeout })
}

const HELP: &str =
    "write the URL of the check: \"https://ping.example.com/{{ secret.heartbeat }}\"";

/// The URL of a check. What a secret begins is known only when it is there.
fn address(field: Field<'_>) -> Option<Template> {
    let template = field.filled_template()?;
    let begins_with_value = template.text.trim_start().starts_with("{{");
    // An expression stands for some text of its own.
    let sample = match template.text.find("{{") {
        Some(at) => format!("{}x", &template.text[..at]),
        None => template.text.clone(),
    };
    let is_http = Url::parse(&sample)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !begins_with_value && !is_http {
        field.mistake_with_help("is no URL of http or https", HELP);
        return None;
    }
    Some(template)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use crate::base::Span;
    use crate::book::testing::{mistakes_of, parse};

    fn runbook(heartbeat: &str) -> String {
        format!("title = 't'\n{heartbeat}\n[[step]]\nname = 'a'\nhttp.get = '/'\n")
    }

    #[test]
    fn a_heartbeat_is_a_url_or_a_table_with_one() {
        for (text, url, timeout) in [
            (
                "heartbeat = 'https://a.example/x'",
                "https://a.example/x",
                None,
            ),
            (
                "heartbeat = '{{ secret.check }}'",
                "{{ secret.check }}",
                None,
            ),
            (
                "heartbeat = { url = 'https://{{ project }}.example/x', timeout = '3s' }",
                "https://{{ project }}.example/x",
                Some(Span::seconds(3)),
            ),
        ] {
            let heartbeat = parse(&runbook(text)).unwrap().heartbeat.unwrap();
            assert_eq!(heartbeat.url.text, url);
            assert_eq!(heartbeat.timeout, timeout);
        }
    }

    #[test]
    fn what_is_no_url_is_told_where_it_stands() {
        for (text, told) in [
            ("heartbeat = 'a.example'", "is no URL of http or https"),
            (
                "heartbeat = 'ftp://a.example'",
                "is no URL of http or https",
            ),
            ("heartbeat = true", "is no heartbeat"),
            ("heartbeat = {}", "has no `url`"),
            (
                "heartbeat = { url = 'https://a.example', timeuot = '3s' }",
                "timeuot",
            ),
            (
                "heartbeat = { url = 'https://a.example', timeout = '0s' }",
                "timeout",
            ),
        ] {
            let mistakes = mistakes_of([runbook(text).as_str()]);
            assert!(mistakes.contains(told), "{text}: {mistakes}");
        }
    }
}
