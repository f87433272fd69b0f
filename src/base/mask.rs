//! Takes secrets out of text on its way out. The last hop before anything is kept or shown.

use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::Secret;

/// Shorter secrets are not masked: every second word of a text would be.
const SHORTEST: usize = 4;

/// What stands where a secret stood.
const MASK: &str = "***";

/// What a URL writes out although it is no letter and no digit: the unreserved characters of RFC 3986, section 2.3.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What `encodeURIComponent` of ECMAScript writes out.
const COMPONENT: &AsciiSet = &UNRESERVED
    .remove(b'!')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// Replaces known secrets, and their base64 and URL-encoded forms, by `***`.
#[derive(Clone, Debug, Default)]
pub struct Masker {
    automaton: Option<AhoCorasick>,
    needles: Arc<[String]>,
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
                needles.extend(forms(line));
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
        Self {
            automaton,
            needles: needles.into(),
        }
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

    /// What is before a cut, without the beginning of a secret that the cut went through.
    #[must_use]
    pub fn before_cut<'a>(&self, text: &'a str) -> &'a str {
        let begun = |needle: &String| {
            (SHORTEST..needle.len())
                .rev()
                .filter(|end| needle.is_char_boundary(*end))
                .find(|end| text.ends_with(&needle[..*end]))
        };
        let most = self.needles.iter().filter_map(begun).max().unwrap_or(0);
        &text[..text.len() - most]
    }

    /// What is after a cut, without the end of a secret that the cut went through.
    #[must_use]
    pub fn after_cut<'a>(&self, text: &'a str) -> &'a str {
        let ended = |needle: &String| {
            (1..=needle.len().saturating_sub(SHORTEST))
                .filter(|start| needle.is_char_boundary(*start))
                .find(|start| text.starts_with(&needle[*start..]))
                .map(|start| needle.len() - start)
        };
        let most = self.needles.iter().filter_map(ended).max().unwrap_or(0);
        &text[most..]
    }

    /// Whether there is nothing to mask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.automaton.is_none()
    }
}

/// A secret in every form that is looked for: as it is, in JSON (once and twice), in URLs and in base64.
fn forms(secret: &str) -> Vec<String> {
    let json = json_escaped(secret);
    let ascii = ascii_escaped(&json);
    let mut forms = vec![
        secret.to_owned(),
        json_escaped(&json),
        json_escaped(&ascii),
        json,
        ascii,
    ];
    let urls = [
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        utf8_percent_encode(secret, UNRESERVED).to_string(),
        utf8_percent_encode(secret, COMPONENT).to_string(),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
    ];
    forms.extend(urls.iter().map(|url| small_hexadecimal(url)));
    forms.extend(urls);
    forms.extend(base64_forms(secret.as_bytes()));
    forms
}

/// The text as it stands between the quotes of a JSON string.
fn json_escaped(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// JSON text as writers that keep to ASCII have it: `\u00e4`.
fn ascii_escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
}

/// `%2F` as `%2f`.
fn small_hexadecimal(url: &str) -> String {
    let mut small = String::with_capacity(url.len());
    let mut digits = 0;
    for character in url.chars() {
        small.push(if digits > 0 {
            character.to_ascii_lowercase()
        } else {
            character
        });
        digits = if character == '%' {
            2
        } else {
            u8::saturating_sub(digits, 1)
        };
    }
    small
}

/// The secret in base64: by itself, and what tells of it where it stands inside of a longer text, as in `user:password`.
/// What stands before it shifts it by 0, 1 or 2 bytes; the digits that it shares with its neighbours are left out.
fn base64_forms(secret: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for engine in [
        base64::engine::general_purpose::STANDARD_NO_PAD,
        base64::engine::general_purpose::URL_SAFE_NO_PAD,
    ] {
        forms.push(engine.encode(secret));
        for shift in 0..3 {
            let encoded = engine.encode([&[0; 2][..shift], secret].concat());
            let first = (shift * 8).div_ceil(6);
            let end = (shift + secret.len()) * 8 / 6;
            if let Some(own) = encoded.get(first..end)
                && own.len() >= SHORTEST
            {
                forms.push(own.to_owned());
            }
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::{Masker, Secret};
    use base64::Engine as _;

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
    fn masks_a_secret_in_a_url_however_much_of_it_is_encoded() {
        let masker = Masker::new(&[Secret::new("to-k~en (1)/x".to_owned())]);
        for url in [
            "to-k~en%20%281%29%2Fx",
            "to-k~en%20%281%29%2fx",
            "to-k~en%20(1)%2Fx",
            "to-k%7Een+%281%29%2Fx",
        ] {
            assert_eq!(masker.text(&format!("?t={url}&")), "?t=***&");
        }
    }

    #[test]
    fn masks_a_secret_inside_of_a_longer_base64_text() {
        for secret in ["hunter2hunter", "hunter2hunte", "hunter2hunt"] {
            let masker = Masker::new(&[Secret::new(secret.to_owned())]);
            let core = base64::engine::general_purpose::STANDARD.encode(&secret[3..9]);
            for (before, after) in [("monitor:", ""), ("abc", "\n"), ("ab:", "&x"), ("", ", ")] {
                let whole = base64::engine::general_purpose::STANDARD
                    .encode(format!("{before}{secret}{after}"));
                let masked = masker.text(&whole);
                assert!(masked.contains("***"), "{whole}: {masked}");
                assert!(!masked.contains(&core), "{whole}: {masked}");
            }
        }
    }

    #[test]
    fn masks_a_secret_in_json_inside_of_json() {
        let secret = "pä\"ss\\🔑\nsecond line";
        let masker = Masker::new(&[Secret::new(secret.to_owned())]);
        let once = serde_json::json!([secret]).to_string();
        let twice = serde_json::json!([once]).to_string();
        assert_eq!(masker.text(&once), "[\"***\"]");
        assert_eq!(masker.text(&twice), "[\"[\\\"***\\\"]\"]");
        let ascii = "[\"p\\u00e4\\\"ss\\\\\\ud83d\\udd11\\nsecond line\"]";
        assert_eq!(masker.text(ascii), "[\"***\"]");
    }

    #[test]
    fn a_cut_leaves_no_part_of_a_secret() {
        let masker = Masker::new(&[Secret::new("hunter2pässword".to_owned())]);
        for end in (4..=12).filter(|end| "hunter2pässword".is_char_boundary(*end)) {
            let (before, after) = "hunter2pässword".split_at(end);
            assert_eq!(masker.before_cut(&format!("token {before}")), "token ");
            assert_eq!(masker.after_cut(&format!("{after}; next")), "; next");
        }
        assert_eq!(masker.before_cut("a hunter"), "a ");
        assert_eq!(masker.before_cut("a hunter!"), "a hunter!");
        assert_eq!(masker.after_cut("sword"), "");
        assert_eq!(Masker::default().before_cut("text"), "text");
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
