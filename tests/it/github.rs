//! A run inside GitHub Actions: commands on standard error, data alone on standard output, the summary in its file.

use std::process::Stdio;

use crate::harness::Project;
use crate::terminal::Terminal;

const SECRET: &str = "s3cr3t-100%-token";

const RUNBOOK: &str = r#"
[[step]]
name      = "send"
shell.run = "echo {{ secret.token }}"
effect    = "read"
[[step]]
name        = "bad, or: not"
assert.that = "1 == 2"
severity    = "P3"
on_failure  = "continue"
[[step]]
name      = "halt"
shell.run = "echo first >&2; echo second >&2; exit 3"
effect    = "read"
[[finding]]
when     = "true"
severity = "P2"
cause    = "one is not two"
remedy   = "list"
"#;

fn project() -> Project {
    let project = Project::new()
        .config("project = \"test\"\n[secret]\ntoken = { env = \"TOKEN\" }\nkey = { env = \"KEY\" }\n")
        .runbook("t/x", RUNBOOK)
        .runbook("t/key", "[[step]]\nname = \"a\"\nshell.run = \"printf %s {{ secret.key }}\"\neffect = \"read\"\n")
        .variable("TOKEN", SECRET)
        .variable("KEY", "-----BEGIN-----\nAAAABBBB\n}\n")
        .variable("GITHUB_ACTIONS", "true")
        .variable("CI", "true");
    let summary = project.path("summary.md").display().to_string();
    let workspace = project.path("").parent().unwrap().display().to_string();
    project
        .variable("GITHUB_STEP_SUMMARY", summary)
        .variable("GITHUB_WORKSPACE", workspace)
}

#[test]
fn bad_steps_and_findings_become_annotations_and_stdout_stays_data() {
    let output = project().run(&["t", "x", "--format", "json"]).exits(2);
    assert_eq!(output.json()["verdict"], "critical");
    let lines: Vec<&str> = output.stderr.lines().collect();
    let expected = [
        "::add-mask::s3cr3t-100%25-token",
        "::warning title=t x%3A bad%2C or%3A not WARNING,file=project/runbooks/t/x.toml,line=7::",
        "::error title=t x%3A halt CRITICAL,file=project/runbooks/t/x.toml,line=12::",
        "::warning title=t x%3A finding%3A one is not two WARNING::one is not two%0A→ opsbook list",
    ];
    assert_eq!(lines.len(), expected.len(), "{}", output.shown());
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\n{expected}");
    }
    assert!(!output.stdout.contains("::"), "{}", output.stdout);
}

#[test]
fn secrets_are_masked_line_by_line_before_anything_else_is_said() {
    let output = project().run(&["t", "key", "-v"]).exits(0);
    assert!(
        output
            .stderr
            .starts_with("::add-mask::-----BEGIN-----\n::add-mask::AAAABBBB\n"),
        "{}",
        output.shown()
    );
    assert_eq!(
        output.stderr.matches("AAAABBBB").count(),
        1,
        "{}",
        output.shown()
    );
    assert!(
        !output.stderr.contains("::add-mask::}"),
        "{}",
        output.shown()
    );
}

#[test]
fn the_summary_is_appended_as_markdown() {
    let project = project().file("summary.md", "before\n");
    project.run(&["t", "x"]).exits(2);
    project.run(&["t", "key"]).exits(0);
    let summary = project.read("summary.md");
    let mut headings = summary.lines().filter(|line| line.starts_with("## "));
    assert!(summary.starts_with("before\n"), "{summary}");
    assert_eq!(headings.next(), Some("## CRITICAL: t x"));
    assert_eq!(headings.next(), Some("## ok: t key"));
    assert!(summary.contains("→ `opsbook list`"), "{summary}");
    assert!(!summary.contains(SECRET), "{summary}");
}

#[test]
fn a_summary_that_cannot_be_written_is_said_and_changes_nothing() {
    let project = project().variable("GITHUB_STEP_SUMMARY", "/nowhere/summary.md");
    project
        .run(&["t", "key"])
        .exits(0)
        .says("the summary /nowhere/summary.md cannot be written");
}

#[test]
fn a_summary_that_is_full_stays_below_what_github_takes() {
    let limit = 1 << 20;
    let project = project().file("summary.md", "x".repeat(limit - 300));
    project.run(&["t", "x"]).exits(2);
    let summary = project.read("summary.md");
    assert!(summary.len() <= limit, "{}", summary.len());
    assert!(summary.contains("## CRITICAL: t x") && summary.contains("… cut here"));
    project
        .run(&["t", "key"])
        .exits(0)
        .says("no more than 1 MiB");
    assert_eq!(project.read("summary.md"), summary);
}

#[test]
fn what_kept_a_run_from_beginning_is_an_annotation_too() {
    project()
        .run(&["t", "x", "--report", "json=nowhere/x.json"])
        .exits(3)
        .says("\n::error title=opsbook::opsbook: the report ")
        .says("its folder does not exist");
}

#[test]
fn nothing_is_said_to_github_where_it_does_not_listen() {
    for value in ["", "false"] {
        let project = project().variable("GITHUB_ACTIONS", value);
        let output = project.run(&["t", "x"]).exits(2).never_shows("::");
        assert!(!project.path("summary.md").exists(), "{}", output.shown());
        output.never_shows(SECRET);
    }
}

#[test]
fn a_mask_is_never_written_where_it_would_stay() {
    let project = project();
    let log = std::fs::File::create(project.path("log")).unwrap();
    let status = project
        .command(&["t", "x"])
        .stdout(Stdio::null())
        .stderr(log)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(2));
    let log = project.read("log");
    assert!(!log.contains(SECRET) && log.contains("::error "), "{log}");
    assert!(!log.contains("::add-mask"), "{log}");
    let (_, shown) = Terminal::start(&project, &["t", "x"]).end();
    assert!(!shown.contains("::") && !shown.contains(SECRET), "{shown}");
}
