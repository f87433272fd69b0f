//! The schemas for editors: those in `schemas/` are what the binary prints, every shipped file names its own, and taplo,
//! which editors judge TOML with, agrees with `opsbook lint` on what is right and what is wrong.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::Project;

/// A schema: its file, and the word by which `opsbook schema` prints it.
struct Schema {
    file: &'static str,
    word: &'static str,
}

const RUNBOOK: Schema = Schema {
    file: "schemas/runbook.schema.json",
    word: "runbook",
};

const CONFIG: Schema = Schema {
    file: "schemas/opsbook.schema.json",
    word: "config",
};

const RUN: Schema = Schema {
    file: "schemas/run.schema.json",
    word: "run",
};

const EVENT: Schema = Schema {
    file: "schemas/event.schema.json",
    word: "event",
};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The shipped runbooks, at any depth.
fn runbooks() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![repository("runbooks")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|suffix| suffix == "toml") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no runbook is shipped");
    found
}

/// What taplo says of some files.
struct Judgement {
    accepted: bool,
    text: String,
}

/// Asks taplo. Without a schema each file must name its own.
fn taplo(schema: Option<&Schema>, files: &[PathBuf]) -> Judgement {
    let program = repository("tests/npm/node_modules/.bin/taplo");
    assert!(
        program.exists(),
        "taplo is missing; run: npm install --no-save --prefix tests/npm"
    );
    let mut command = Command::new(program);
    command
        .args(["lint", "--no-auto-config", "--colors", "never"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap());
    if let Some(schema) = schema {
        let url = url::Url::from_file_path(repository(schema.file)).unwrap();
        command.args(["--schema", url.as_str()]);
    }
    let output = command
        .args(files)
        .output()
        .expect("taplo needs Node.js; run: sudo scripts/test");
    let text = String::from_utf8(output.stderr).unwrap();
    let looked_at = format!("found files total={} ", files.len());
    assert!(text.contains(&looked_at), "taplo saw other files\n{text}");
    Judgement {
        accepted: output.status.success(),
        text,
    }
}

#[track_caller]
fn taplo_accepts(schema: Option<&Schema>, files: &[PathBuf]) {
    let judgement = taplo(schema, files);
    assert!(judgement.accepted, "{}", judgement.text);
}

#[test]
fn the_shipped_schemas_are_what_the_binary_prints() {
    for Schema { file, word } in [RUNBOOK, CONFIG, RUN, EVENT] {
        let printed = Project::bare().run(&["schema", word]).exits(0).stdout;
        let shipped = text(&repository(file));
        let differs = printed
            .lines()
            .zip(shipped.lines())
            .position(|(printed, shipped)| printed != shipped)
            .unwrap_or_else(|| printed.lines().count().min(shipped.lines().count()));
        assert!(
            printed == shipped,
            "{file} is out of date from line {} on; run: cargo run -- schema {word} > {file}",
            differs + 1
        );
    }
}

#[test]
fn every_shipped_file_names_its_schema() {
    let first_line = |path: &Path| text(path).lines().next().unwrap_or_default().to_owned();
    for path in runbooks() {
        let below = path.strip_prefix(repository("")).unwrap();
        let up = "../".repeat(below.components().count() - 1);
        assert_eq!(
            first_line(&path),
            format!("#:schema {up}{}", RUNBOOK.file),
            "{}",
            below.display()
        );
    }
    assert_eq!(
        first_line(&repository("config.example.toml")),
        format!("#:schema ./{}", CONFIG.file)
    );
}

#[test]
fn taplo_accepts_every_shipped_file_by_the_schema_that_it_names() {
    let mut files = runbooks();
    files.push(repository("config.example.toml"));
    taplo_accepts(None, &files);
}

/// The schema describes the language and not only what the shipped runbooks happen to use.
#[test]
fn taplo_accepts_a_runbook_of_every_kind_of_key() {
    let project = Project::new().file(
        "runbooks/t/all.toml",
        r#"
title       = "Everything at once"
description = "Long."
symptoms    = ["slow"]
severity    = "P2"
owner       = "desk"
tags        = ["a"]
lock        = "t/{{ input.where_to }}"
timeout     = "5m"
on_failure  = "undo"
requires    = ["sh"]
output      = "rows"

[input.where-to]
type     = "string"
help     = "Where"
default  = "here"
position = 1
pattern  = "[a-z]+"
min      = 1

[input.limit]
type    = "int"
short   = "l"
default = 3
max     = 5

[input.size]
type    = "choice"
choices = ["small", "large"]
default = "small"

[[step]]
name        = "rows"
set.values  = { n = "input.limit", size = "input.size", fixed = 1, yes = true }
save        = { n = "n" }
show        = ["n"]

[[step]]
name         = "look"
when         = "n > 0"
command.run  = ["true", "{{ input.where_to }}"]
effect       = "read"
retry        = { attempts = 2, delay = "10ms", backoff = "constant", jitter = false, on = ["error"] }
timeout      = "2s"
expect       = "code == 0"
warn         = "code > 1"
critical     = "code > 2"
severity     = "P3"
on_failure   = "continue"

[[step]]
name         = "again"
parallel     = true
shell.run    = "echo {{ n }}"
effect       = "read"
retry        = 2
repeat       = { every = "10ms", times = 2, until = "code == 0" }
artifact     = { output = "stdout", path = "again.txt" }

[[step]]
name            = "each"
for_each.word   = ["a", "b"]
concurrency     = 2
when            = "index < 2"
unless          = { command.run = ["false"], effect = "read", expect = "code == 0" }
confirm         = "Change {{ word }}?"
command.run     = ["true", "{{ word }}"]
undo.command.run = ["true"]
sensitive       = true

[[finally]]
name        = "end"
assert.that = "true"

[[finding]]
when     = "steps.look.status == 'warning'"
severity = "P3"
cause    = "the look was odd"
remedy   = "t all"
"#,
    );
    project.run(&["lint", "runbooks/t/all.toml"]).exits(0);
    taplo_accepts(Some(&RUNBOOK), &[project.path("runbooks/t/all.toml")]);
}

/// Both judges refuse each of these, taplo with this message.
#[test]
fn taplo_refuses_what_lint_refuses_in_a_runbook() {
    let step = |lines: &str| format!("title = \"x\"\n[[step]]\nname = \"a\"\n{lines}\n");
    let fine = "assert.that = \"true\"";
    refused(
        &RUNBOOK,
        &[
            (
                "key",
                format!("titel = \"x\"\n{}", step(fine)),
                "'titel' was unexpected",
            ),
            (
                "step-key",
                step(&format!("{fine}\ntimeuot = \"3s\"")),
                "'timeuot' was unexpected",
            ),
            (
                "option",
                step("http.get = \"/\"\nhttp.haeders = {}"),
                "'haeders' was unexpected",
            ),
            ("verb", step("http.gte = \"/\""), "'gte' was unexpected"),
            ("action", step("htpp.get = \"/\""), "'htpp' was unexpected"),
            (
                "title",
                step(fine).replace("\"x\"", "17"),
                "17 is not of type \"string\"",
            ),
            (
                "flag",
                step(&format!("{fine}\nparallel = \"yes\"")),
                "\"yes\" is not of type \"boolean\"",
            ),
            (
                "count",
                step(&format!("{fine}\nconcurrency = 1.5\nfor_each.x = [1]")),
                "1.5 is not of type \"integer\"",
            ),
            (
                "word",
                step(&format!("{fine}\nseverity = \"P9\"")),
                "\"P9\" is not one of",
            ),
            (
                "tags",
                format!("tags = \"a\"\n{}", step(fine)),
                "\"a\" is not of type \"array\"",
            ),
            (
                "input",
                format!("{}[input.x]\nhelp = \"x\"\n", step(fine)),
                "\"type\" is a required property",
            ),
            ("nothing", String::new(), "\"title\" is a required property"),
        ],
    );
}

#[test]
fn taplo_refuses_what_lint_refuses_in_a_configuration() {
    refused(
        &CONFIG,
        &[
            (
                "key",
                "projcet = \"x\"\n".to_owned(),
                "'projcet' was unexpected",
            ),
            (
                "service",
                "[service.api]\nulr = \"https://api.example.com\"\n".to_owned(),
                "'ulr' was unexpected",
            ),
            (
                "flag",
                "[environment.live]\nprotected = \"yes\"\n".to_owned(),
                "\"yes\" is not of type \"boolean\"",
            ),
            (
                "kind",
                "[database.main]\nkind = \"oracle\"\n".to_owned(),
                "\"oracle\" is not one of",
            ),
            (
                "project",
                "project = 17\n".to_owned(),
                "17 is not of type \"string\"",
            ),
        ],
    );
}

/// Writes each text to a file of its name, and holds taplo and `opsbook lint` against each other.
#[track_caller]
fn refused(schema: &Schema, cases: &[(&str, String, &str)]) {
    let mut project = Project::new();
    let mut files = Vec::new();
    for (name, text, _) in cases {
        let path = format!("{name}.toml");
        project = project.file(&path, text);
        files.push(project.path(&path));
    }
    let judgement = taplo(Some(schema), &files);
    assert!(!judgement.accepted, "{}", judgement.text);
    for (name, text, message) in cases {
        let path = project.path(&format!("{name}.toml"));
        let place = format!("{}:", path.display());
        let told = judgement
            .text
            .split("error: ")
            .any(|error| error.contains(message) && error.contains(&place));
        assert!(told, "{name}: no {message:?} in\n{}", judgement.text);
        let file = format!("./{name}.toml");
        let output = match schema.word {
            "config" => project.run(&["--config", &file, "lint"]),
            _ => project.run(&["lint", &file]),
        };
        assert_eq!(output.code, 78, "{text}\n{}", output.shown());
    }
}
