//! What the project is built from keeps to `deny.toml`, also where `cargo deny` itself is not installed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn packages() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let host = Command::new("rustc")
        .arg("--print=host-tuple")
        .output()
        .unwrap();
    let host = String::from_utf8(host.stdout).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .args(["--filter-platform", host.trim()])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// What the tests take from npm is held by checksums, and comes from wherever npm of this machine is told to ask.
#[test]
fn the_lock_file_of_npm_names_checksums_and_no_address() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/npm/package-lock.json");
    let text = std::fs::read_to_string(path).unwrap();
    let mut lock: Value = serde_json::from_str(&text).unwrap();
    for package in lock["packages"].as_object_mut().unwrap().values_mut() {
        // Where their authors ask for money is no place to download from.
        package.as_object_mut().unwrap().remove("funding");
    }
    assert!(!lock.to_string().contains("://"), "{lock:#}");
    let packages = lock["packages"].as_object().unwrap();
    assert!(packages.len() > 1, "{text}");
    for (name, package) in packages.iter().filter(|(name, _)| !name.is_empty()) {
        let checksum = package["integrity"].as_str().unwrap_or_default();
        assert!(checksum.starts_with("sha512-"), "{name}");
        assert!(package.get("resolved").is_none(), "{name}");
    }
}

fn allowed_licences() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("deny.toml")).unwrap();
    let deny: toml::Table = text.parse().unwrap();
    deny["licenses"]["allow"]
        .as_array()
        .unwrap()
        .iter()
        .map(|licence| licence.as_str().unwrap().to_owned())
        .collect()
}

/// Whether a licence expression of SPDX can be met: `MIT OR (Apache-2.0 AND ISC)`. AND binds closer than OR.
fn satisfied(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    any(&mut words, allowed)
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut holds = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        holds |= all(words, allowed);
    }
    holds
}

fn all(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    let mut holds = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        holds &= one(words, allowed);
    }
    holds
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<String>) -> bool {
    match words.next() {
        Some("(") => {
            let holds = any(words, allowed);
            assert_eq!(words.next(), Some(")"));
            holds
        }
        Some(licence) => {
            let exception = words.next_if_eq(&"WITH").and_then(|_| words.next());
            let name = exception.map_or(licence.to_owned(), |exception| {
                format!("{licence} WITH {exception}")
            });
            allowed.contains(licence) || allowed.contains(&name)
        }
        None => false,
    }
}

#[test]
fn every_package_has_an_allowed_licence_and_comes_from_the_registry() {
    let allowed = allowed_licences();
    let packages = packages();
    assert!(packages.len() > 100);
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(satisfied(licence, &allowed), "{name} is under {licence}");
        if name != "opsbook" {
            let source = package["source"].as_str().unwrap_or("a folder");
            assert!(
                source.starts_with("registry+"),
                "{name} comes from {source}"
            );
        }
    }
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    let allowed = BTreeSet::from(["MIT".to_owned(), "ISC".to_owned()]);
    assert!(satisfied("GPL-3.0 OR MIT", &allowed));
    assert!(satisfied("Apache-2.0/MIT", &allowed));
    assert!(satisfied("(GPL-3.0 OR MIT) AND ISC", &allowed));
    assert!(!satisfied("MIT AND GPL-3.0", &allowed));
    assert!(!satisfied("GPL-3.0", &allowed));
}
