//! The store in trouble: what is not journaled is not done, and a run says whose trouble it was.

use std::path::{Path, PathBuf};

use crate::harness::{Project, SmallDisk};

const TOUCH: &str = "[[step]]\nname = \"touch\"\ncommand.run = [\"touch\", \"made\"]\n";

/// The one file below a folder whose name ends so.
fn database_in(folder: &Path) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path)
                .is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3\0"))
            {
                return path;
            }
        }
    }
    panic!("no store below {}", folder.display());
}

#[test]
fn a_store_that_cannot_be_written_starts_no_write() {
    let disk = SmallDisk::read_only();
    let project = Project::new()
        .runbook("t/x", TOUCH)
        .variable("XDG_STATE_HOME", disk.path().display().to_string());
    project
        .run(&["t", "x"])
        .exits(3)
        .says(&disk.path().display().to_string());
    assert!(!project.path("made").exists());
}

#[test]
fn a_full_disk_starts_no_write() {
    let disk = SmallDisk::of_kibibytes(64);
    disk.fill();
    let project = Project::new()
        .runbook("t/x", TOUCH)
        .variable("XDG_STATE_HOME", disk.path().display().to_string());
    project.run(&["t", "x"]).exits(3);
    assert!(!project.path("made").exists());
}

#[test]
fn a_disk_that_fills_in_the_middle_of_a_run_stops_it_before_the_next_write() {
    let disk = SmallDisk::of_kibibytes(4096);
    let project = Project::new()
        .runbook(
            "t/x",
            &format!(
                "[[step]]\nname = \"fill\"\nshell.run = \"cat /dev/zero > '{}/filler' 2>/dev/null || true\"\n{TOUCH}",
                disk.path().display()
            ),
        )
        .variable("XDG_STATE_HOME", disk.path().display().to_string());
    project.run(&["t", "x"]).exits(3);
    assert!(!project.path("made").exists());
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let project = Project::new().runbook("t/x", TOUCH);
    project.run(&["t", "x"]).exits(0);
    std::fs::remove_file(project.path("made")).unwrap();
    let store = database_in(&project.state());
    rusqlite::Connection::open(&store)
        .unwrap()
        .pragma_update(None, "user_version", 9999)
        .unwrap();
    project.run(&["t", "x"]).exits(3).says("newer");
    assert!(!project.path("made").exists());
}

#[test]
fn a_store_that_is_no_database_is_named() {
    let project = Project::new().runbook("t/x", TOUCH);
    project.run(&["t", "x"]).exits(0);
    let store = database_in(&project.state());
    std::fs::write(&store, "this is no database, and never was one").unwrap();
    project
        .run(&["runs", "list"])
        .exits(3)
        .says(store.file_name().unwrap().to_str().unwrap());
}

#[test]
fn runs_of_many_processes_at_once_all_get_numbers_of_their_own() {
    let project = Project::new().runbook("t/x", "[[step]]\nname = \"a\"\nassert.that = \"true\"\n");
    let children: Vec<_> = (0..8)
        .map(|_| {
            project
                .command(&["t", "x", "--format", "jsonl"])
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut numbers: Vec<u64> = children
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            let first = output.stdout.split(|byte| *byte == b'\n').next().unwrap();
            let event: serde_json::Value = serde_json::from_slice(first).unwrap();
            event["run"].as_u64().unwrap()
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_sensitive_step_leaves_no_output_in_the_store() {
    let project = Project::new().runbook(
        "t/x",
        "[[step]]\nname = \"a\"\nshell.run = \"echo top''secret\"\neffect = \"read\"\nsensitive = true\n",
    );
    project.run(&["t", "x"]).exits(0).never_shows("topsecret");
    for entry in std::fs::read_dir(database_in(&project.state()).parent().unwrap()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(9).any(|window| window == b"topsecret"));
    }
}

#[test]
fn a_store_that_is_removed_in_the_middle_of_a_run_stops_it_before_the_next_write() {
    for replaced in ["", "; mkdir $S/opsbook; : > $S/opsbook/journal.db"] {
        let project = Project::new();
        let state = project.state().display().to_string();
        let project = project.variable("S", state).runbook(
            "t/x",
            &format!(
                "[[step]]\nname = \"remove\"\nshell.run = \"rm -r $S/opsbook{replaced}\"\n{TOUCH}"
            ),
        );
        project
            .run(&["t", "x"])
            .exits(3)
            .prints("removed or replaced");
        assert!(!project.path("made").exists());
    }
}

#[test]
fn a_file_that_is_named_as_the_store_by_mistake_is_left_as_it_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = Project::new()
        .runbook("t/x", TOUCH)
        .file("notes.txt", "these are notes, and no database of anybody");
    let notes = project.path("notes.txt");
    std::fs::set_permissions(&notes, std::fs::Permissions::from_mode(0o644)).unwrap();
    project
        .run(&["--store", "notes.txt", "t", "x"])
        .exits(3)
        .says("no SQLite database");
    assert_eq!(
        notes.metadata().unwrap().permissions().mode() & 0o777,
        0o644
    );
}

/// Nothing of a run goes on while it waits for its turn to write, so it does not wait for long.
#[test]
fn a_store_that_another_program_holds_is_named_before_anything_is_done() {
    let project = Project::new().runbook("t/x", TOUCH);
    project.run(&["t", "x"]).exits(0);
    std::fs::remove_file(project.path("made")).unwrap();
    let other = rusqlite::Connection::open(database_in(&project.state())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    project.run(&["runs", "list"]).exits(0);
    project
        .run(&["t", "x"])
        .exits(3)
        .says("another process has been writing to it for more than 5 s");
    assert!(!project.path("made").exists());
    other.execute_batch("ROLLBACK").unwrap();
    project.run(&["t", "x"]).exits(0);
}
