//! Takes secrets out of text on its way out. The last hop before anything is kept or shown.

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::Secret;

/// Shorter secrets are not masked: every second word of a text would be.
const SHORTEST: usize = 4;

/// What stands where a secret stood.
const MASK: &str = "***";

/// Replaces known secrets, and their base64 and URL-encoded forms, by `***`.
#[derive(Clone, Debug, Default)]
pub struct Masker {
    automaton: Option<AhoCorasick>,
}

impl Masker {
    /// Masks these secrets. A secret of fewer than four bytes is left alone.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut needles = Vec::new();
        for secret in secrets {
            for line in std::iter::once(secret.expose()).chain(secret.expose().lines()) {
                if line.len() < SHORTEST {
                    continue;
                }
                needles.push(line.to_owned());
                needles.push(base64::engine::general_purpose::STANDARD_NO_PAD.encode(line));
                needles.push(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(line));
                needles.push(utf8_percent_encode(line, NON_ALPHANUMERIC).to_string());
                needles.push(url::form_urlencoded::byte_serialize(line.as_bytes()).collect());
                needles.push(
                    Value::String(line.to_owned())
                        .to_string()
                        .trim_matches('"')
                        .to_owned(),
                );
            }
        }
        needles.sort_unstable();
        needles.dedup();
        if needles.is_empty() {
            return Self::default();
        }
        // Building fails only beyond the automaton's size limits, far above what secrets reach.
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&needles)
            .ok();
        Self { automaton }
    }

    /// The text without the secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        match &self.automaton {
            Some(automaton) if automaton.is_match(text) => {
                let mut masked = String::with_capacity(text.len());
                automaton.replace_all_with(text, &mut masked, |_, _, out| {
                    out.push_str(MASK);
                    true
                });
                masked
            }
            Some(_) | None => text.to_owned(),
        }
    }

    /// The same for every string inside a JSON value, keys included.
    #[must_use]
    pub fn json(&self, value: Value) -> Value {
        if self.automaton.is_none() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.json(item)).collect())
            }
            Value::Object(entries) => Value::Object(
                entries
                    .into_iter()
                    .map(|(key, item)| (self.text(&key), self.json(item)))
                    .collect(),
            ),
            other => other,
        }
    }

    /// Whether there is nothing to mask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.automaton.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::{Masker, Secret};

    #[test]
    fn masks_a_secret_and_its_encoded_forms() {
        let masker = Masker::new(&[Secret::new("p@ss word/1".to_owned())]);
        assert_eq!(masker.text("token=p@ss word/1;"), "token=***;");
        assert_eq!(masker.text("cEBzcyB3b3JkLzE="), "***=");
        assert_eq!(masker.text("?t=p%40ss%20word%2F1"), "?t=***");
        assert_eq!(masker.text("?t=p%40ss+word%2F1"), "?t=***");
        assert_eq!(
            masker.json(serde_json::json!({"a": ["p@ss word/1"]})),
            serde_json::json!({"a": ["***"]})
        );
    }

    #[test]
    fn leaves_other_text_alone() {
        assert_eq!(Masker::default().text("nothing"), "nothing");
        assert_eq!(
            Masker::new(&[Secret::new("abc".to_owned())]).text("abc"),
            "abc"
        );
    }
}
