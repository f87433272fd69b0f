//! The forms of a secret that no decoding of the text around it leads back to: base64, hexadecimal, quoted, laid out anew.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::base::text::{hexadecimal, neutral, one_line};

use super::SHORTEST;

/// What is looked for where this secret is known: itself, its lines, and each in its forms. Sorted, each once.
pub(super) fn of(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    let lines = secret.lines().map(str::trim);
    let password = password_of(secret);
    let parts = std::iter::once(secret).chain(lines);
    for part in parts.chain(password.as_deref()) {
        if part.len() < SHORTEST {
            continue;
        }
        forms.extend([
            part.to_owned(),
            // As it is shown in a table.
            neutral(part),
            one_line(part),
            // As it stands between single quotes: twice in a shell, once in SQL.
            part.replace('\'', r"'\''"),
            part.replace('\'', r#"'"'"'"#),
            part.replace('\'', "''"),
        ]);
        forms.extend(escaped(part));
        let digits = hexadecimal(part.as_bytes());
        forms.push(digits.to_ascii_uppercase());
        forms.push(digits);
        forms.extend(base64_forms(part.as_bytes()));
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// The secret as it is escaped as a whole, in URLs, forms and JSON (once and twice). Undoing the escapes leads back to it,
/// unless a `%` or a backslash that stands before it by chance takes its first letters along.
fn escaped(secret: &str) -> [String; 4] {
    let json = |text: &str| {
        let quoted = serde_json::Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let once = json(secret);
    [
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        json(&once),
        once,
    ]
}

/// The password in `postgres://user:password@host/db`: a program may tell of it alone.
fn password_of(secret: &str) -> Option<String> {
    let url = url::Url::parse(secret.trim()).ok()?;
    let decoded = percent_encoding::percent_decode_str(url.password()?);
    Some(decoded.decode_utf8().ok()?.into_owned())
}

/// The secret in base64: by itself, and what tells of it where it stands inside of a longer text, as in `user:password`.
/// What stands before it shifts it by 0, 1 or 2 bytes; the digits that it shares with its neighbours are left out.
fn base64_forms(secret: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
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
