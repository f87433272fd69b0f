//! URLs: a value stays inside the one part of the URL where it stands, whatever is in it.

use std::ops::Range;

use minijinja::Value;
use minijinja::value::ValueKind;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::expr::error::Fault;
use crate::expr::pieces::Piece;
use crate::expr::value::{TrustedUrl, items_of};

use super::bounded;
use super::plain::single;

/// Everything but what RFC 3986 calls unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The URL, or the path of one.
pub(super) fn land(pieces: &[Piece<'_>]) -> Result<String, Fault> {
    let mut url = String::new();
    let mut has_base = false;
    // Where values stand in the URL, and where they come from in the template.
    let mut values: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => url.push_str(text),
            Piece::Value(value, range) => {
                let trusted = value.downcast_object_ref::<TrustedUrl>();
                if let (Some(base), true) = (trusted, url.is_empty()) {
                    url.push_str(&base.0);
                    has_base = true;
                    continue;
                }
                let texts = texts(value, &url).map_err(|fault| fault.at(range.clone()))?;
                for (index, text) in texts.iter().enumerate() {
                    url.push_str(if index > 0 { "/" } else { "" });
                    let start = url.len();
                    url.extend(utf8_percent_encode(text, ENCODED));
                    values.push((start..url.len(), range.clone()));
                }
            }
        }
        bounded(&url)?;
    }
    let path = path_of(&url);
    for (place, range) in &values {
        if place.start < path.start {
            whole_host(&url, &path, place, has_base).map_err(|fault| fault.at(range.clone()))?;
        }
        if place.start >= path.start && place.end <= path.end {
            whole_segment(&url, &path, place).map_err(|fault| fault.at(range.clone()))?;
        }
    }
    Ok(url)
}

/// The text of a value; of a list that begins a segment of the path, a text for each segment.
fn texts(value: &Value, url: &str) -> Result<Vec<String>, Fault> {
    let path = path_of(url);
    let begins_segment = !path.is_empty() && path.end == url.len() && url.ends_with('/');
    if value.kind() != ValueKind::Seq || !begins_segment {
        return Ok(vec![single(value)?]);
    }
    let segments = items_of(value)?;
    if segments.is_empty() {
        return Err(Fault::unfit(
            "the list is empty: the URL would address something else",
        ));
    }
    segments.iter().map(single).collect()
}

/// The bytes of the path: behind scheme and host, before query and fragment.
fn path_of(url: &str) -> Range<usize> {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let start = match url[..end].find("://") {
        Some(scheme) => {
            let host = scheme + 3;
            url[host..end].find('/').map_or(end, |slash| host + slash)
        }
        None => 0,
    };
    start..end
}

/// Refuses a value that could make another host of the one that is written there: `https://example.com{{ x }}`.
fn whole_host(
    url: &str,
    path: &Range<usize>,
    place: &Range<usize>,
    has_base: bool,
) -> Result<(), Fault> {
    let begins = url[..place.start].ends_with(['/', ':', '@']);
    if has_base || (!begins && place.end == path.start) {
        return Err(Fault::unfit("the value would become part of the host")
            .help("put a slash before {{ … }}"));
    }
    Ok(())
}

/// Refuses a value that makes its path segment vanish or climb: both would address something else.
fn whole_segment(url: &str, path: &Range<usize>, place: &Range<usize>) -> Result<(), Fault> {
    let start = url[path.start..place.start]
        .rfind('/')
        .map_or(path.start, |slash| path.start + slash + 1);
    let end = url[place.end..path.end]
        .find('/')
        .map_or(path.end, |slash| place.end + slash);
    let segment = percent_decode_str(&url[start..end]).decode_utf8_lossy();
    match segment.as_ref() {
        "" => Err(
            Fault::unfit("the value is empty: the URL would address something else").help(
                "check it with `when`, or give it another value with `| default(\"…\", true)`",
            ),
        ),
        "." | ".." => Err(Fault::unfit(format!(
            "the value makes a path segment {segment:?}: the URL would address something else"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failing test panics")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use url::Url;

    use crate::expr::testing::{hostile, land, refused, scope};
    use crate::expr::{Argument, Scope, trusted_url};
    use crate::model::Kind;

    fn with_base(value: &str) -> Scope {
        scope(&json!({"x": value})).with("base", trusted_url("https://api.example.com/v1"))
    }

    fn url(text: &str, value: &str) -> String {
        match land(text, Kind::Url, &with_base(value)) {
            Ok(Argument::Text(url)) => url,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn only_a_base_url_at_the_start_is_taken_as_it_is() {
        assert_eq!(
            url("{{ base }}/a/{{ x }}", "b/c"),
            "https://api.example.com/v1/a/b%2Fc"
        );
        assert_eq!(
            url("/p?u={{ base }}", ""),
            "/p?u=https%3A%2F%2Fapi.example.com%2Fv1"
        );
        assert_eq!(
            url("{{ x }}", "https://evil.example.org"),
            "https%3A%2F%2Fevil.example.org"
        );
        assert_eq!(url("/a?q={{ x }}#f", ""), "/a?q=#f");
    }

    #[test]
    fn a_segment_neither_vanishes_nor_climbs() {
        for (text, value) in [
            ("/a/{{ x }}/b", ".."),
            ("/a/{{ x }}", "."),
            ("/a/.{{ x }}/b", "."),
            ("/a/%2e{{ x }}", "."),
            ("/a/.%2{{ x }}/b", "e"),
            ("{{ base }}/{{ x }}/b", ".."),
            ("https://example.com/{{ x }}?q", ".."),
        ] {
            refused(
                text,
                Kind::Url,
                &with_base(value),
                "would address something else",
                "x",
            );
        }
        for text in [
            "/users/{{ x }}",
            "/{{ x }}/evil.example.org",
            "{{ x }}/a",
            "{{ base }}/{{ x }}?a",
        ] {
            refused(text, Kind::Url, &with_base(""), "is empty", "x");
        }
        assert_eq!(url("/a/v{{ x }}/b", ".."), "/a/v../b");
    }

    #[test]
    fn a_list_is_as_many_segments_and_nothing_else() {
        let of = |items: serde_json::Value| {
            scope(&json!({"x": items})).with("base", trusted_url("https://api.example.com"))
        };
        let landed = |text: &str, items| match land(text, Kind::Url, &of(items)) {
            Ok(Argument::Text(url)) => url,
            other => format!("{other:?}"),
        };
        assert_eq!(
            landed("/v1/{{ x }}?q", json!(["a b", "c/d", 7])),
            "/v1/a%20b/c%2Fd/7?q"
        );
        assert_eq!(
            landed("{{ base }}/{{ x }}", json!(["a", "b"])),
            "https://api.example.com/a/b"
        );
        let elsewhere = "would address something else";
        for (items, told) in [
            (json!([]), elsewhere),
            (json!(["a", ""]), elsewhere),
            (json!(["a", ".."]), elsewhere),
            (json!([["a"]]), "only one text fits here"),
        ] {
            refused("/v1/{{ x }}", Kind::Url, &of(items), told, "x");
        }
        for text in [
            "{{ x }}",
            "/v{{ x }}",
            "/v?q={{ x }}",
            "/v?q=/{{ x }}",
            "https://{{ x }}/v",
            "{{ base }}{{ x }}",
        ] {
            refused(
                text,
                Kind::Url,
                &of(json!(["a", "b"])),
                "only one text fits here",
                "x",
            );
        }
    }

    #[test]
    fn a_host_is_not_lengthened() {
        let scope =
            scope(&json!({"x": ".evil.org"})).with("base", trusted_url("https://api.example.com"));
        for text in [
            "{{ base }}{{ x }}",
            "{{ base }}{{ x }}/a",
            "https://example.com{{ x }}",
            "https://example.com{{ x }}?a",
        ] {
            refused(text, Kind::Url, &scope, "part of the host", "x");
        }
        assert_eq!(
            url("http://localhost:{{ x }}/a", "80"),
            "http://localhost:80/a"
        );
        assert_eq!(url("http://{{ x }}/a", "a.b"), "http://a.b/a");
        assert_eq!(
            url("http://{{ x }}.example.com?q", "a"),
            "http://a.example.com?q"
        );
    }

    proptest! {
        #[test]
        fn a_value_stays_in_its_part(value in hostile()) {
            let landed = url("{{ base }}/p{{ x }}/q?k={{ x }}&l=m#f", &value);
            let parsed = Url::parse(&landed).unwrap();
            prop_assert_eq!(parsed.host_str(), Some("api.example.com"));
            prop_assert_eq!(parsed.port(), None);
            prop_assert_eq!(parsed.username(), "");
            prop_assert_eq!(parsed.fragment(), Some("f"));
            let segments: Vec<&str> = parsed.path_segments().unwrap().collect();
            prop_assert_eq!(segments.len(), 3, "{}", landed);
            let decoded = percent_encoding::percent_decode_str(segments[1]).decode_utf8().unwrap();
            prop_assert_eq!(decoded, format!("p{value}"));
            let pairs: Vec<(String, String)> = parsed.query_pairs().into_owned().collect();
            prop_assert_eq!(pairs, vec![("k".to_owned(), value), ("l".to_owned(), "m".to_owned())]);
        }

        #[test]
        fn a_whole_segment_addresses_what_it_says_or_is_refused(value in hostile()) {
            let base = Url::parse("https://api.example.com/v1/").unwrap();
            if let Ok(Argument::Text(landed)) = land("users/{{ x }}/keys", Kind::Url, &with_base(&value)) {
                let parsed = base.join(&landed).unwrap();
                prop_assert_eq!(parsed.host_str(), Some("api.example.com"));
                let segments: Vec<&str> = parsed.path_segments().unwrap().collect();
                prop_assert_eq!(segments.len(), 4);
                prop_assert_eq!((segments[1], segments[3]), ("users", "keys"));
            } else {
                prop_assert!(matches!(value.as_str(), "" | "." | ".."), "{}", value);
            }
        }
    }
}
