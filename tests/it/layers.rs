//! Holds the source to the layers: who may use whom, and what only the top may do.

use std::path::{Path, PathBuf};

/// Each module with what it may use. A module stands below everything that lists it, so no circle can be written here.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("sql", &["base"]),
    ("model", &["base"]),
    ("event", &["base"]),
    ("expr", &["base", "sql", "model"]),
    ("book", &["base", "sql", "model", "expr"]),
    ("config", &["base", "sql", "model", "expr", "book"]),
    (
        "plan",
        &["base", "sql", "model", "event", "expr", "book", "config"],
    ),
    (
        "engine",
        &[
            "base", "sql", "model", "event", "expr", "book", "config", "plan",
        ],
    ),
    ("platform", &["base"]),
    (
        "action",
        &[
            "base", "sql", "model", "event", "expr", "book", "config", "plan", "engine", "platform",
        ],
    ),
    ("store", &["base", "event", "engine"]),
    ("report", &["base", "event", "engine"]),
    ("term", &["base", "event", "engine", "report"]),
    (
        "app",
        &[
            "base", "sql", "model", "event", "expr", "book", "config", "plan", "engine",
            "platform", "action", "store", "report", "term",
        ],
    ),
    (
        "cli",
        &[
            "base", "sql", "model", "event", "expr", "book", "config", "plan", "app",
        ],
    ),
];

/// The modules that may read the environment and end the process.
const TOP: &[&str] = &["app", "cli"];

/// What only some modules may do: the texts that do it, the modules that may, and why.
const RESERVED: &[(&[&str], &[&str], &str)] = &[
    (
        &["std::env", "env::var", "env::args"],
        TOP,
        "the environment is read once, at the top, and handed down",
    ),
    (
        &["process::exit"],
        TOP,
        "only the top ends the process; return an error",
    ),
    (
        &["println!", "print!", "eprintln!", "eprint!"],
        &["term"],
        "only `term` prints",
    ),
    (
        &["io::stdout", "io::stderr"],
        &["term", "app"],
        "only `term` prints; `app` may look at what it prints to",
    ),
];

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Breach {
    line: usize,
    message: String,
}

/// The breaches in one file. `path` is relative to `src`: `engine/action.rs`.
fn breaches(path: &str, text: &str) -> Vec<Breach> {
    let segments = module_path(path);
    let Some(module) = segments.first() else {
        return Vec::new();
    };
    if segments.last().is_some_and(|last| is_for_tests(last)) {
        return Vec::new();
    }
    let code = code_only(text);
    let line_of = |at: usize| code[..at].matches('\n').count() + 1;
    let mut found = Vec::new();
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| name == module) else {
        return vec![Breach {
            line: 1,
            message: format!("module `{module}` has no layer; add it to the table"),
        }];
    };
    for (at, used) in used_modules(&code, segments.len()) {
        let known = LAYERS.iter().any(|(name, _)| *name == used);
        if known && used != *module && !allowed.contains(&used.as_str()) {
            found.push(Breach {
                line: line_of(at),
                message: format!("`{module}` must not use `{used}`: layers look down only"),
            });
        }
    }
    for (texts, modules, reason) in RESERVED {
        if modules.contains(&module.as_str()) {
            continue;
        }
        for text in *texts {
            for (at, _) in code.match_indices(text) {
                if starts_name(&code, at) {
                    found.push(Breach {
                        line: line_of(at),
                        message: format!("`{text}` in `{module}`: {reason}"),
                    });
                }
            }
        }
    }
    found.sort_by_key(|breach| breach.line);
    found
}

/// `engine/action.rs` → engine, action; `engine/mod.rs` → engine; `lib.rs` and `main.rs` → nothing.
fn module_path(path: &str) -> Vec<String> {
    let mut segments: Vec<String> = path
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if segments.last().is_some_and(|last| last == "mod") {
        segments.pop();
    }
    if matches!(segments.as_slice(), [only] if only == "lib" || only == "main") {
        segments.clear();
    }
    segments
}

/// Whether a module's name says that it is compiled for tests alone: those may use what they like.
fn is_for_tests(module: &str) -> bool {
    module == "tests" || module == "testing" || module.ends_with("_tests")
}

/// The crate's modules that paths in the code begin with, each with its place.
fn used_modules(code: &str, depth: usize) -> Vec<(usize, String)> {
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if starts_word(code, at) && !code[..at].ends_with('$') {
            heads(code, at + "crate::".len(), &mut used);
        }
    }
    let mut at = 0;
    while let Some(offset) = code[at..].find("super::") {
        at += offset;
        let chain = code[at..]
            .split("super::")
            .take_while(|part| part.is_empty());
        let supers = chain.count();
        let first = at;
        at += supers * "super::".len();
        if starts_word(code, first) && supers >= depth {
            heads(code, at, &mut used);
        }
    }
    used
}

/// The first names of the path, or of each path of the group, that begins at `at`.
fn heads(code: &str, at: usize, used: &mut Vec<(usize, String)>) {
    let Some(group) = code[at..].strip_prefix('{') else {
        used.push((at, name_at(code, at)));
        return;
    };
    let mut depth = 0;
    let mut expects_name = true;
    for (offset, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => return,
            '}' => depth -= 1,
            ',' if depth == 0 => expects_name = true,
            _ if expects_name && !character.is_whitespace() => {
                used.push((at + 1 + offset, name_at(group, offset)));
                expects_name = false;
            }
            _ => {}
        }
    }
}

fn name_at(code: &str, at: usize) -> String {
    code[at..]
        .chars()
        .take_while(|character| character.is_alphanumeric() || *character == '_')
        .collect()
}

fn starts_word(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|character: char| character.is_alphanumeric() || "_:".contains(character))
}

fn starts_name(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|character: char| character.is_alphanumeric() || character == '_')
}

/// The text with comments, literals and test modules blanked out; every line stays where it is.
fn code_only(text: &str) -> String {
    let plain = without_literals(text);
    let mut kept = plain.clone();
    for (at, _) in plain.match_indices("#[cfg(test)]") {
        let Some(open) = plain[at..].find(['{', ';']).map(|offset| at + offset) else {
            continue;
        };
        let end = if plain[open..].starts_with(';') {
            open
        } else {
            closing_brace(&plain, open)
        };
        let blank: String = plain[at..end].chars().map(blanked).collect();
        kept.replace_range(at..end, &blank);
    }
    kept
}

fn closing_brace(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (offset, character) in code[open..].char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + offset;
        }
    }
    code.len()
}

/// A blank as wide as the character, so that places stay; a line feed stays itself.
fn blanked(character: char) -> char {
    if character == '\n' { '\n' } else { ' ' }
}

fn without_literals(text: &str) -> String {
    // Order matters: a comment may hold a quote and a literal may hold slashes.
    let pattern = regex::Regex::new(concat!(
        r"(?s)//[^\n]*|/\*.*?\*/",
        r####"|r###".*?"###|r##".*?"##|r#".*?"#|\br".*?""####,
        r#"|"(?:\\.|[^"\\])*"|'(?:\\[^']+|[^'\\])'"#,
    ))
    .unwrap();
    pattern
        .replace_all(text, |found: &regex::Captures<'_>| {
            found[0].chars().map(blanked).collect::<String>()
        })
        .into_owned()
}

/// Every Rust file below a folder.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn the_source_keeps_to_the_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for file in rust_files(&root) {
        let path = file
            .strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        for breach in breaches(&path, &text) {
            found.push(format!("src/{path}:{}: {}", breach.line, breach.message));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_layer_uses_only_layers_above_it_in_the_table() {
    for (index, (name, allowed)) in LAYERS.iter().enumerate() {
        for used in *allowed {
            let place = LAYERS.iter().position(|(known, _)| known == used);
            assert!(place.is_some_and(|place| place < index), "{name} → {used}");
        }
    }
}

#[track_caller]
fn expect_lines(path: &str, text: &str, lines: &[usize]) {
    let found = breaches(path, text);
    let found_lines: Vec<usize> = found.iter().map(|breach| breach.line).collect();
    assert_eq!(found_lines, lines, "{found:?}");
}

#[test]
fn the_checker_sees_upward_uses_in_every_spelling() {
    expect_lines("base/ids.rs", "//! Doc.\nuse crate::model::Step;\n", &[2]);
    expect_lines(
        "expr/scope.rs",
        "use crate::{\n    base::Span,\n    book::{self, Library},\n};\n",
        &[3],
    );
    expect_lines("model/mod.rs", "fn f() { crate::engine::run() }\n", &[1]);
    expect_lines("model/step.rs", "use super::super::plan::Plan;\n", &[1]);
    expect_lines("platform/http.rs", "use crate::config::Config;\n", &[1]);
    expect_lines("unheard/of.rs", "", &[1]);
}

#[test]
fn the_checker_lets_downward_uses_comments_texts_and_tests_pass() {
    expect_lines(
        "plan/mod.rs",
        "use crate::{base::Span, config::Config};\nuse super::plan;\n",
        &[],
    );
    expect_lines("model/step.rs", "use super::Call;\n", &[]);
    expect_lines(
        "base/ids.rs",
        "/// See [`crate::engine::run`].\nconst TEXT: &str = \"crate::engine println!\";\n",
        &[],
    );
    expect_lines(
        "base/ids.rs",
        "#[cfg(test)]\nmod tests {\n    use crate::cli::run;\n    fn f() { if true {} }\n}\n",
        &[],
    );
    expect_lines("base/tests.rs", "use crate::cli::run;\n", &[]);
    expect_lines("main.rs", "fn main() { opsbook::cli::main() }\n", &[]);
}

#[test]
fn the_checker_reserves_printing_environment_and_exit() {
    expect_lines(
        "engine/run.rs",
        "fn f() {\n    println!(\"x\");\n    eprintln!(\"x\");\n}\n",
        &[2, 3],
    );
    expect_lines(
        "store/mod.rs",
        "fn f() {\n    std::env::var(\"HOME\");\n    std::process::exit(1);\n}\n",
        &[2, 2, 3],
    );
    expect_lines("term/mod.rs", "fn f() { println!(\"x\"); }\n", &[]);
    expect_lines(
        "app/environment.rs",
        "fn f() { std::env::var(\"HOME\"); }\n",
        &[],
    );
    expect_lines(
        "base/mod.rs",
        "const V: &str = env!(\"CARGO_PKG_VERSION\");\n",
        &[],
    );
}
