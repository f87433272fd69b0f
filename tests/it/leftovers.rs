//! Nothing is left lying about: no promises in comments, no silenced lints, no path of somebody's machine.

use std::path::Path;
use std::process::Command;

/// What no file of the project may hold, with the reason.
const FORBIDDEN: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "do it or leave it out"),
    (concat!("FIX", "ME"), "mend it"),
    (concat!("XX", "X"), "say what is meant"),
    (concat!("#[", "allow("), "use #[expect(…, reason = \"…\")]"),
    (
        concat!("#[", "ignore"),
        "a test that does not run proves nothing",
    ),
    (concat!("unimpl", "emented!"), "do it or leave it out"),
];

/// The folders of this machine that would betray where a text was written: this checkout and the home of who runs this.
fn machine_folders() -> Vec<String> {
    let home = std::env::var("HOME").unwrap_or_default();
    // A checkout right below the root has a name that says nothing: `/src`.
    let checkout = Some(env!("CARGO_MANIFEST_DIR")).filter(|path| path.matches('/').count() > 1);
    checkout
        .map(str::to_owned)
        .into_iter()
        .chain([home])
        .filter(|folder| folder.len() > 1)
        .map(|folder| format!("{}/", folder.trim_end_matches('/')))
        .collect()
}

/// The lines of a text that hold something forbidden.
fn leftovers(text: &str, folders: &[String]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (word, reason) in FORBIDDEN {
            if line.contains(word) {
                found.push((index + 1, format!("{word:?}: {reason}")));
            }
        }
        for folder in folders {
            if line.contains(folder) {
                found.push((index + 1, format!("{folder:?}: a folder of this machine")));
            }
        }
    }
    found
}

/// The text files of the project that git knows or would take in.
fn project_files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .expect("git can be started");
    assert!(output.status.success(), "{output:?}");
    let names = String::from_utf8(output.stdout).unwrap();
    names
        .split_terminator('\0')
        .filter(|name| !name.ends_with("Cargo.lock") && !name.starts_with("fuzz/corpus/"))
        .filter_map(|name| {
            let text = std::fs::read_to_string(root.join(name)).ok()?;
            Some((name.to_owned(), text))
        })
        .collect()
}

#[test]
fn no_file_holds_a_leftover() {
    let files = project_files();
    assert!(files.iter().any(|(name, _)| name == "src/lib.rs"));
    let folders = machine_folders();
    let found: Vec<String> = files
        .iter()
        .flat_map(|(name, text)| {
            leftovers(text, &folders)
                .into_iter()
                .map(move |(line, message)| format!("{name}:{line}: {message}"))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_source_file_says_what_it_owns() {
    for (name, text) in project_files() {
        if name.ends_with(".rs") {
            assert!(text.starts_with("//! "), "{name} does not open with `//!`");
        }
    }
}

#[test]
fn the_checker_finds_leftovers() {
    let text = concat!(
        "fine\n// TO",
        "DO: later\nfine\n#[",
        "allow(dead_code)]\n/some/where/else\n/some/wherever\n"
    );
    let folders = ["/some/where/".to_owned()];
    let found = leftovers(text, &folders);
    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 4, 5]);
}

/// Every relative link of a page leads to a file.
#[test]
fn no_page_links_into_the_void() {
    let link = regex::Regex::new(r"\]\(([^)#\s]+)(#[^)]*)?\)").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, text) in project_files() {
        if !name.ends_with(".md") {
            continue;
        }
        let folder = root.join(&name).parent().unwrap().to_owned();
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if !target.contains("://") && !target.starts_with("mailto:") {
                assert!(folder.join(target).exists(), "{name} links to {target}");
            }
        }
    }
}
