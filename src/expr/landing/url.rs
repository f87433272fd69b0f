//! URLs: a value stays inside the one part of the URL where it stands, whatever is in it.

use std::ops::Range;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::expr::error::Fault;
use crate::expr::pieces::Piece;
use crate::expr::value::TrustedUrl;

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
    // Where values stand in the URL, and where they come from in the template.
    let mut values: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => url.push_str(text),
            Piece::Value(value, range) => {
                let trusted = value.downcast_object_ref::<TrustedUrl>();
                if let (Some(base), true) = (trusted, url.is_empty()) {
                    url.push_str(&base.0);
                    continue;
                }
                let text = single(value).map_err(|fault| fault.at(range.clone()))?;
                let start = url.len();
                url.extend(utf8_percent_encode(&text, ENCODED));
                values.push((start..url.len(), range.clone()));
            }
        }
        bounded(&url)?;
    }
    let path = path_of(&url);
    for (place, range) in &values {
        if place.start >= path.start && place.end <= path.end {
            whole_segment(&url, &path, place).map_err(|fault| fault.at(range.clone()))?;
        }
    }
    Ok(url)
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
            Fault::new("the value is empty: the URL would address something else").help(
                "check it with `when`, or give it another value with `| default(\"…\", true)`",
            ),
        ),
        "." | ".." => Err(Fault::new(format!(
            "the value makes a path segment {segment:?}: the URL would address something else"
        ))),
        _ => Ok(()),
    }
}
