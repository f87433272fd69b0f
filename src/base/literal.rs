//! Finds what looks like a secret in a line of a user's file or in a message on it, before any secret is known: one that
//! should not stand there at all.

use std::ops::Range;

/// Words in the name of a key whose value is a secret.
const NAMES: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "private_key",
    "credential",
    "authorization",
];

/// What the tokens of well-known services begin with.
const PREFIXES: [&str; 16] = [
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "sk_live_",
    "sk-ant-",
    "sk-proj-",
    "AKIA",
    "eyJ",
    "npm_",
    "hvs.",
    "dop_v1_",
];

/// A token is at least so long behind its prefix.
const SHORTEST_TOKEN: usize = 12;

/// The line with `*` for every character of what looks like a secret, so that what points into it still does. `below_secret`
/// says that it stands in a table of secrets, where every text but the name of a source is one.
#[must_use]
pub fn without_literals(line: &str, below_secret: bool) -> String {
    let mut hidden: Vec<Range<usize>> = Vec::new();
    hidden.extend(passwords_of_urls(line));
    hidden.extend(values_of_keys(line, below_secret));
    hidden.extend(after_schemes(line));
    hidden.extend(tokens(line));
    hidden.retain(|range| !line[range.clone()].contains("{{"));
    line.char_indices()
        .map(|(at, character)| {
            if hidden.iter().any(|range| range.contains(&at)) {
                '*'
            } else {
                character
            }
        })
        .collect()
}

/// `word` in `scheme://user:word@host`.
fn passwords_of_urls(line: &str) -> Vec<Range<usize>> {
    line.match_indices("://")
        .filter_map(|(at, _)| {
            let start = at + 3;
            let end = line[start..]
                .find(|end: char| end.is_whitespace() || matches!(end, '/' | '"' | '\'' | '`'))
                .map_or(line.len(), |length| start + length);
            let authority = &line[start..end];
            let password = authority[..authority.rfind('@')?].find(':')? + 1;
            Some(start + password..start + authority.rfind('@')?)
        })
        .collect()
}

/// The texts right of `password =`, `"token":`, and of every key in a table of secrets.
fn values_of_keys(line: &str, below_secret: bool) -> Vec<Range<usize>> {
    let small = line.to_ascii_lowercase().replace('-', "_");
    let mut found = Vec::new();
    for (at, _) in line.match_indices(['=', ':']) {
        let key = small[..at].trim_end_matches([' ', '\t', '"', '\'']);
        let inside = |character: char| character.is_alphanumeric() || "_.".contains(character);
        let key = key
            .rsplit(|character| !inside(character))
            .next()
            .unwrap_or(key);
        let is_source = ["env", "file", "command"].contains(&key);
        let named = NAMES.iter().any(|name| key.contains(name))
            || key
                .split('.')
                .any(|part| ["auth", "bearer"].contains(&part));
        if is_source || !(named || below_secret) || key.is_empty() {
            continue;
        }
        let value = line[at + 1..].trim_start();
        let start = line.len() - value.len();
        let quote = value
            .chars()
            .next()
            .filter(|first| matches!(first, '"' | '\''));
        if let Some(quote) = quote {
            let text = value.trim_start_matches(quote);
            let start = line.len() - text.len();
            let length = text.find(quote).unwrap_or(text.len());
            found.push(start..start + length);
        } else if !value.starts_with(['{', '[']) && !below_secret {
            let length = value
                .find(|end: char| end.is_whitespace() || ",;}\"'`".contains(end))
                .unwrap_or(value.len());
            // `token: expected a text` is a message.
            if length >= SHORTEST_TOKEN {
                found.push(start..start + length);
            }
        }
    }
    found
}

/// What follows `Bearer` and `Basic`.
fn after_schemes(line: &str) -> Vec<Range<usize>> {
    let small = line.to_ascii_lowercase();
    ["bearer ", "basic "]
        .iter()
        .flat_map(|scheme| {
            small
                .match_indices(scheme)
                .map(|(at, word)| at + word.len())
        })
        .map(|start| start..start + word(&line[start..]))
        .filter(|range| range.len() >= SHORTEST_TOKEN)
        .collect()
}

/// Tokens that say of themselves what they are.
fn tokens(line: &str) -> Vec<Range<usize>> {
    PREFIXES
        .iter()
        .flat_map(|prefix| line.match_indices(prefix))
        .map(|(at, prefix)| at..at + prefix.len() + word(&line[at + prefix.len()..]))
        .filter(|range| range.len() >= SHORTEST_TOKEN)
        .collect()
}

/// How long the word is that a text begins with.
fn word(text: &str) -> usize {
    let inside =
        |character: char| character.is_ascii_alphanumeric() || "_-.+/=~".contains(character);
    text.find(|character| !inside(character))
        .unwrap_or(text.len())
}

/// Whether what stands at this byte of a TOML file is below `[secret]`.
#[must_use]
pub(super) fn is_below_secret(text: &str, byte: usize) -> bool {
    let mut end = byte.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let header = text[..end]
        .lines()
        .rev()
        .find(|line| line.trim_start().starts_with('['));
    header.is_some_and(|header| {
        let name = header.trim().trim_matches(['[', ']']);
        name.split('.').any(|part| part.trim() == "secret")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{is_below_secret, without_literals};

    #[test]
    fn what_looks_like_a_secret_is_hidden_and_nothing_else() {
        for (line, hidden) in [
            ("url = \"postgres://u:hunter2@db/x\"", "hunter2"),
            ("password = \"hunter2\"", "hunter2"),
            ("auth.bearer_token = 'hunter2'", "hunter2"),
            ("http.headers = { x-api-key = \"hunter2\" }", "hunter2"),
            ("x = \"Bearer hunter2hunter2\"", "hunter2hunter2"),
            ("x = \"ghp_hunter2hunter2\"", "ghp_hunter2hunter2"),
            ("token=hunter2hunter2 is wrong", "hunter2hunter2"),
            ("auth.bearre = \"hunter2\"", "hunter2"),
        ] {
            let stars = "*".repeat(hidden.len());
            assert_eq!(without_literals(line, false), line.replace(hidden, &stars));
        }
        for line in [
            "password = \"{{ secret.database }}\"",
            "auth.basic = { user = \"monitor\", password = \"{{ secret.pager }}\" }",
            "authorization = \"Bearer {{ secret.token }}\"",
            "url = \"https://api.example.com:8443/a@b\"",
            "a secret is missing: token: the variable TOKEN is not set",
        ] {
            assert_eq!(without_literals(line, false), line);
        }
    }

    #[test]
    fn below_secret_every_text_is_one_but_the_name_of_a_source() {
        assert_eq!(
            without_literals("monitor = \"hunter2\"", true),
            "monitor = \"*******\""
        );
        let source = "monitor = { env = \"MONITOR_TOKEN\" }";
        assert_eq!(without_literals(source, true), source);
        let text = "[secret]\na = 1\n[service.api]\nb = 2\n";
        assert!(is_below_secret(text, 10) && !is_below_secret(text, 30));
        assert!(is_below_secret("[environment.staging.secret]\na", 30));
    }

    proptest! {
        #[test]
        fn every_character_keeps_its_place(line in any::<String>(), below in any::<bool>()) {
            prop_assert_eq!(without_literals(&line, below).chars().count(), line.chars().count());
            let _ = is_below_secret(&line, line.len() / 2);
        }
    }
}
