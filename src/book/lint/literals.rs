//! Secrets that are written out: by the name of the key beside them, or by their own form. What was found is never
//! shown, so that a log of lint does not spread it: places are told in words, without the line.

use std::sync::LazyLock;

use regex::Regex;

use crate::base::{Diagnostic, Place, SourceFile};
use crate::model::{Node, Step, Template};

use super::super::node::is_template;
use super::Lint;
use super::walk::nodes;

/// Parts of keys whose values are secrets.
const TELLING: [&str; 10] = [
    "password",
    "passwd",
    "passphrase",
    "token",
    "secret",
    "api_key",
    "apikey",
    "private_key",
    "access_key",
    "authorization",
];

/// Forms of secrets, each with what it is. The published prefixes of the services that give them out.
const FORMS: [(&str, &str); 11] = [
    ("a GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{20,}"),
    ("a GitHub token", r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
    ("a GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("a Stripe key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{10,}"),
    ("an AWS key", r"\bA(?:KIA|SIA)[A-Z0-9]{16}\b"),
    ("a Slack token", r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
    ("an npm token", r"\bnpm_[A-Za-z0-9]{36}"),
    (
        "a JSON web token",
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.",
    ),
    ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    ("a bearer token", r"(?i)\bbearer +[A-Za-z0-9._~+/-]{20,}"),
    (
        "a password in a URL",
        r#"[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@"'{}]*:[^@\s/"'{}*<$…]+@"#,
    ),
];

static PATTERNS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    FORMS
        .iter()
        .filter_map(|(what, pattern)| Some((*what, Regex::new(pattern).ok()?)))
        .collect()
});

/// Texts that are secrets by their form, anywhere in the file.
pub(super) fn source(source: &SourceFile, lint: &mut Lint) {
    for (what, pattern) in PATTERNS.iter() {
        for found in pattern.find_iter(source.text()) {
            lint.mistake(written_out(&Place::new(source, found.range()), what));
        }
    }
}

/// Values beside a key that tells what they are.
pub(super) fn step(step: &Step, lint: &mut Lint) {
    for call in step.calls() {
        for (key, node) in nodes(call) {
            let is_option = !std::ptr::eq(node, &call.object);
            node_value(if is_option { key } else { "" }, node, lint);
        }
    }
}

fn node_value(key: &str, node: &Node, lint: &mut Lint) {
    match node {
        Node::Text(template) => value(key, template, lint),
        Node::Table(entries) => entries
            .iter()
            .for_each(|(key, node)| node_value(key, node, lint)),
        Node::List(items) => items.iter().for_each(|node| node_value(key, node, lint)),
        _ => {}
    }
}

/// A text beside a key that tells that it is a secret.
pub(super) fn value(key: &str, template: &Template, lint: &mut Lint) {
    let text = &template.text;
    if is_telling(key) && !is_template(text) && !text.trim().is_empty() {
        lint.mistake(written_out(
            &template.place,
            &format!("the value of `{key}`"),
        ));
    }
}

fn is_telling(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    TELLING.iter().any(|word| key.contains(word))
}

fn written_out(place: &Place, what: &str) -> Diagnostic {
    Diagnostic::new(format!("{place}: {what} is written out"))
        .help("take it from `{{ secret.NAME }}`, with its source under [secret] of opsbook.toml; change the secret if the file was ever shared")
}
