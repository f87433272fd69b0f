//! What the tests of reports share.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use crate::event::Envelope;

use super::{Style, format};

/// A whole run in a format, as it is written where nobody says how it may look.
pub(super) fn written(name: &str, events: &[Envelope]) -> String {
    written_over(name, "", events)
}

/// The same where a file is there already, with this text.
pub(super) fn written_over(name: &str, old: &str, events: &[Envelope]) -> String {
    let mut report = (format(name).unwrap().make)(Style::default());
    report.replaces(&mut old.as_bytes()).unwrap();
    let mut out = Vec::new();
    super::write(report.as_mut(), events, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}
