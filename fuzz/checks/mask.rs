//! Secrets on their way out.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use opsbook::base::{Masker, Secret};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::two_parts;

/// Secrets of fewer bytes are left alone.
const SHORTEST: usize = 4;

/// No form of a secret survives, wherever it stands and wherever the text was cut.
pub fn check(data: &[u8]) {
    let Some((secret, around)) = two_parts(data) else {
        return;
    };
    // What stands for a secret may itself be part of one: then nothing can be told from what is left.
    if secret.len() < SHORTEST || secret.len() > 200 || secret.contains('*') {
        return;
    }
    let masker = Masker::new(&[Secret::new(secret.to_owned())]);
    for form in forms(secret) {
        let text = format!("{around}{form}{around}");
        let masked = masker.text(&text);
        assert!(!masked.contains(&form), "{form:?} in {masked:?}");
        assert!(!masked.contains(secret), "{secret:?} in {masked:?}");
        let value = masker.json(json!({ text.clone(): [text, { "a": form }] }));
        assert_gone(&value, &form);
    }
    cut(&masker, secret, around);
    both(secret, around);
}

/// A secret as other programs write it, made without the masker's own means where there are others.
fn forms(secret: &str) -> Vec<String> {
    let quoted = |text: &str| {
        let json = json!(text).to_string();
        json[1..json.len() - 1].to_owned()
    };
    let mut forms = vec![
        secret.to_owned(),
        quoted(secret),
        quoted(&quoted(secret)),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC)
            .to_string()
            .replace("%20", "+"),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
    ];
    for engine in [STANDARD, URL_SAFE, STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        forms.push(engine.encode(secret));
    }
    forms
}

fn assert_gone(value: &Value, form: &str) {
    match value {
        Value::String(text) => assert!(!text.contains(form), "{form:?} in {text:?}"),
        Value::Array(items) => items.iter().for_each(|item| assert_gone(item, form)),
        Value::Object(entries) => {
            for (key, item) in entries {
                assert!(!key.contains(form), "{form:?} in {key:?}");
                assert_gone(item, form);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Cuts a text at every place inside of the secret: neither side keeps a part of it that could be told.
fn cut(masker: &Masker, secret: &str, around: &str) {
    let text = format!("{around}{secret}{around}");
    let places = SHORTEST..=secret.len().saturating_sub(SHORTEST);
    for within in places.filter(|at| secret.is_char_boundary(*at)) {
        let (before, after) = text.split_at(around.len() + within);
        let kept = masker.before_cut(before);
        assert!(kept.len() <= around.len(), "{kept:?} of {before:?}");
        let kept = masker.after_cut(after);
        assert!(kept.len() <= around.len(), "{kept:?} of {after:?}");
    }
}

/// Of two secrets that share characters, each is gone where they overlap.
fn both(secret: &str, other: &str) {
    if other.len() < SHORTEST || other.len() > 200 || other.contains('*') {
        return;
    }
    let secrets = [secret, other].map(|text| Secret::new(text.to_owned()));
    let masker = Masker::new(&secrets);
    for shared in (1..secret.len().min(other.len())).rev() {
        if secret.is_char_boundary(secret.len() - shared)
            && other.is_char_boundary(shared)
            && secret.ends_with(&other[..shared])
        {
            let joined = format!("{secret}{}", &other[shared..]);
            assert_eq!(masker.text(&joined), "***", "{joined:?}");
            return;
        }
    }
}
