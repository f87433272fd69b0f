//! The journal as a whole: proved, handed out, freed of what is old; and a disk that does not keep what it is given.

use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::harness::Project;

const TOUCH: &str = "[[step]]\nname = \"touch\"\ncommand.run = [\"touch\", \"made\"]\n";

/// A project in which three runs ended.
fn used() -> Project {
    let project = Project::new().runbook("t/x", TOUCH);
    for _ in 0..3 {
        project.run(&["t", "x"]).exits(0);
    }
    project
}

fn store(project: &Project) -> PathBuf {
    project.state().join("opsbook/journal.db")
}

fn head(project: &Project) -> String {
    let verified = project.run(&["runs", "verify", "--format", "json"]).json();
    verified["head"].as_str().unwrap().to_owned()
}

#[test]
fn a_journal_is_proved_by_its_head() {
    let project = used();
    let earlier = head(&project);
    project
        .run(&["runs", "verify"])
        .exits(0)
        .prints("of 3 runs")
        .prints(&earlier);
    project.run(&["t", "x"]).exits(0);
    assert_ne!(head(&project), earlier);
    project
        .run(&["runs", "verify", "--head", &earlier])
        .exits(0);
    let other = "ab".repeat(32);
    project
        .run(&["runs", "verify", "--head", &other])
        .exits(2)
        .prints("no event has the hash abab");
    project.run(&["runs", "verify", "--head", "abc"]).exits(64);
}

#[test]
fn what_was_changed_behind_its_back_is_critical_and_named() {
    let project = used();
    Connection::open(store(&project))
        .unwrap()
        .execute_batch("UPDATE events SET body = replace(body, '\"ok\"', '\"OK\"') WHERE run = 2 AND type = 'run-finished'")
        .unwrap();
    project
        .run(&["runs", "verify"])
        .exits(2)
        .prints("of run 2 (position ")
        .prints("CRITICAL");
    let told = project
        .run(&["runs", "verify", "--format", "json"])
        .exits(2)
        .json();
    assert_eq!(told["verdict"], "critical");
    assert_eq!(told["wrong"].as_array().unwrap().len(), 1);
}

#[test]
fn what_cannot_be_read_or_is_not_there_is_unknown() {
    let project = Project::new().runbook("t/x", TOUCH);
    for verb in [
        &["runs", "verify"][..],
        &["runs", "export", "--all"],
        &["runs", "prune", "--older-than", "1d"],
    ] {
        project.run(verb).exits(3).says("there is no journal at");
    }
    project.run(&["t", "x"]).exits(0);
    std::fs::write(
        store(&project),
        "no database, and never was one".repeat(999),
    )
    .unwrap();
    project.run(&["runs", "verify"]).exits(3);
}

/// The command of docs/journal.md: the hash of a line is that of its columns, a line each, and of its event as it stands.
fn hash_of(line: &str, value: &serde_json::Value) -> String {
    let columns = ["previous", "run", "seq", "version", "type", "at"].map(|key| {
        let text = value[key].as_str().map(str::to_owned);
        text.unwrap_or_else(|| value[key].to_string())
    });
    let body = line
        .split_once(",\"event\":")
        .unwrap()
        .1
        .strip_suffix('}')
        .unwrap();
    let hash = Sha256::digest(format!("{}\n{body}", columns.join("\n")));
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn exported_lines_prove_themselves() {
    let project = used();
    let all = project.run(&["runs", "export", "--all"]).exits(0);
    let mut previous = "0".repeat(64);
    for line in all
        .stdout
        .lines()
        .filter(|line| line.contains("\"position\":"))
    {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["previous"], previous.as_str());
        assert_eq!(value["hash"], hash_of(line, &value));
        previous = value["hash"].as_str().unwrap().to_owned();
    }
    assert_eq!(previous, head(&project));
    let one = project.run(&["runs", "export", "2"]).exits(0);
    assert!(!one.stdout.is_empty());
    assert!(
        one.json_lines()
            .iter()
            .all(|line| line["run"].is_null() || line["run"] == 2)
    );
    let since = project.run(&["runs", "export", "--since", "1h"]).exits(0);
    assert_eq!(since.json_lines().len(), all.json_lines().len());
    project
        .run(&["runs", "export", "--since", "2999-01-01"])
        .exits(0);
    project
        .run(&["runs", "export", "99"])
        .exits(64)
        .says("there is no run 99");
    for wrong in [
        &["runs", "export"][..],
        &["runs", "export", "1", "--all"],
        &["runs", "export", "--since", "soon"],
    ] {
        project.run(wrong).exits(64);
    }
}

/// The block of the page that tells how to prove a line with tools that everybody has.
#[test]
fn the_commands_of_the_page_prove_an_exported_line() {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/journal.md"))
            .unwrap();
    let script = page
        .split("```sh\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let project = used();
    let exported = project.run(&["runs", "export", "--all"]).exits(0);
    let project = project.file("journal.jsonl", &exported.stdout);
    let prove = || {
        Command::new("sh")
            .args(["-c", script])
            .current_dir(project.path(""))
            .output()
            .unwrap()
    };
    let proved = prove();
    let said = String::from_utf8_lossy(&proved.stdout).into_owned();
    assert!(
        proved.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&proved.stderr)
    );
    assert_eq!(said.trim(), head(&project));
    std::fs::write(
        project.path("journal.jsonl"),
        exported.stdout.replacen("\"ok\"", "\"OK\"", 1),
    )
    .unwrap();
    assert!(!prove().status.success());
}

#[test]
fn old_runs_are_taken_out_when_somebody_agrees() {
    let project = used();
    let earlier = head(&project);
    project.run(&["runs", "prune"]).exits(64).says("[journal]");
    project
        .run(&["runs", "prune", "--older-than", "0s", "--dry-run"])
        .exits(0)
        .prints("3 runs would be taken out");
    project
        .run(&["runs", "prune", "--older-than", "0s"])
        .exits(75)
        .says("Take 3 runs")
        .says("--yes");
    assert_eq!(
        project
            .run(&["runs", "list", "--format", "json"])
            .json()
            .as_array()
            .unwrap()
            .len(),
        3
    );
    project
        .run(&["runs", "prune", "--older-than", "90d", "--yes"])
        .exits(0)
        .prints("nothing to take out");
    project
        .run(&["runs", "prune", "--older-than", "0s", "--yes"])
        .exits(0)
        .prints("3 runs taken out")
        .prints("head");
    project
        .run(&["runs", "list"])
        .exits(0)
        .says("nothing was run yet");
    project
        .run(&["runs", "verify", "--head", &earlier])
        .exits(0)
        .prints("pruned before");
    project
        .run(&["t", "x", "--format", "jsonl"])
        .exits(0)
        .prints("\"run\":4");
    project.run(&["runs", "verify"]).exits(0);
}

#[test]
fn the_age_may_stand_in_the_configuration() {
    let project = used().config("project = \"test\"\n[journal]\nretention = \"1ms\"\n");
    project
        .run(&["runs", "prune", "--dry-run"])
        .exits(0)
        .prints("3 runs would be taken out");
    let project = project.config("project = \"test\"\n[journal]\nretention = \"0s\"\n");
    project.run(&["runs", "prune"]).exits(78);
}

/// The shim that makes the disk fail, compiled.
fn shim(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/failing_fsync.c");
    let library = folder.join("failing_fsync.so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .status()
        .expect("a C compiler is there: apt-get install gcc");
    assert!(compiled.success());
    library
}

/// Wherever in a run the disk begins to lose what it is given: the run ends unknown, and no step has begun whose beginning is
/// not on the disk.
#[test]
fn a_disk_that_does_not_keep_a_step_s_beginning_keeps_the_step_from_beginning() {
    let folder = TempDir::new().unwrap();
    let shim = shim(folder.path());
    let mut seen = Vec::new();
    for from in 1.. {
        let project = Project::new()
            .runbook(
                "t/x",
                "[[step]]\nname = \"one\"\ncommand.run = [\"touch\", \"one\"]\n\
                 [[step]]\nname = \"two\"\ncommand.run = [\"touch\", \"two\"]\n",
            )
            .variable("LD_PRELOAD", shim.display().to_string())
            .variable("FSYNC_FAILS_FROM", from.to_string());
        let ended = project.run(&["t", "x"]);
        let done = (project.path("one").exists(), project.path("two").exists());
        if ended.code == 0 {
            assert_eq!(done, (true, true));
            break;
        }
        let shown = ended.exits(3).shown();
        assert!(shown.contains("/journal.db"), "{shown}");
        seen.push(done);
    }
    assert!(seen.is_sorted(), "a later failure stops less: {seen:?}");
    for stage in [(false, false), (true, false), (true, true)] {
        assert!(seen.contains(&stage), "{stage:?} is not among {seen:?}");
    }
}
