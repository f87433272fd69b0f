//! Holds `docs/safety.md`, `tests/mutants.toml` and the source together: no promise without a change that breaks it, no
//! change that cannot be made, no test that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One change that breaks a promise.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutant {
    name: String,
    promise: String,
    file: String,
    replace: String,
    with: String,
    test: String,
}

#[derive(serde::Deserialize)]
struct Table {
    mutant: Vec<Mutant>,
}

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn mutants() -> Vec<Mutant> {
    let table: Table = toml::from_str(&read("tests/mutants.toml")).unwrap();
    table.mutant
}

/// The promises of the page, each with the tests beside it.
fn promises() -> BTreeMap<String, BTreeSet<String>> {
    let test = regex::Regex::new(r"`((?:src|tests)/[^`]+\.rs::\w+)`").unwrap();
    let mut promises = BTreeMap::new();
    for line in read("docs/safety.md").lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if !line.starts_with("| ") || matches!(cells[0], "promise" | "---") {
            continue;
        }
        let [promise, _, tests] = cells[..] else {
            panic!("not three cells: {line}");
        };
        let tests: BTreeSet<String> = test
            .captures_iter(tests)
            .map(|found| found[1].to_owned())
            .collect();
        assert!(!tests.is_empty(), "nothing shows: {promise}");
        let twice = promises.insert(promise.to_owned(), tests);
        assert!(twice.is_none(), "promised twice: {promise}");
    }
    promises
}

#[test]
fn every_promise_has_a_change_that_breaks_it_and_the_other_way_round() {
    let promises = promises();
    let mut broken: BTreeSet<String> = BTreeSet::new();
    for mutant in mutants() {
        let tests = promises
            .get(&mutant.promise)
            .unwrap_or_else(|| panic!("{}: docs/safety.md does not promise this", mutant.name));
        assert!(
            tests.contains(&mutant.test),
            "{}: its test does not stand beside its promise",
            mutant.name
        );
        broken.insert(mutant.promise);
    }
    let whole: BTreeSet<String> = promises.into_keys().collect();
    assert_eq!(broken, whole);
}

#[test]
fn every_change_can_be_made() {
    let mut names = BTreeSet::new();
    for mutant in mutants() {
        assert_ne!(mutant.replace, mutant.with, "{}", mutant.name);
        assert_eq!(
            read(&mutant.file).matches(&mutant.replace).count(),
            1,
            "{}: what it replaces must stand once in {}",
            mutant.name,
            mutant.file
        );
        assert!(names.insert(mutant.name.clone()), "{} twice", mutant.name);
    }
}

#[test]
fn every_test_of_the_page_is_there() {
    for test in promises().into_values().flatten() {
        let (file, name) = test.split_once("::").unwrap();
        let text = read(file);
        let at = text.find(&format!("fn {name}("));
        let before = &text[..at.unwrap_or_else(|| panic!("there is no {test}"))];
        let attributes = before.rsplit("\n\n").next().unwrap_or_default();
        // A property test stands below its `proptest!`, some lines up.
        assert!(attributes.contains("test]"), "{test} is no test");
    }
}
