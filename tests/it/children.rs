//! What the processes of a run inherit: the marks of the run, and beside them nothing but what the caller gave.

use std::process::Command;

use crate::harness::Project;
use crate::zoo;

/// The output of a script as a step of a run, and as a child of this process started in the same way.
fn both(script: &str) -> (String, String) {
    let project = Project::new().runbook(
        "t/x",
        &format!("[[step]]\nname = \"look\"\nshell.run = '''{script}'''\n"),
    );
    let run = project.run(&["t", "x", "--format", "json"]).exits(0);
    let step = run.json()["steps"][0]["outputs"]["stdout"].clone();
    let direct = Command::new("sh")
        .args(["-eu", "-c", script])
        .output()
        .unwrap();
    let direct = String::from_utf8(direct.stdout).unwrap();
    (step.as_str().unwrap().to_owned(), direct)
}

/// An inherited journal could be written by a child, and an inherited pipe never ends.
#[test]
fn a_child_gets_no_open_file_that_the_caller_did_not_give() {
    let (step, direct) = both("ls /proc/self/fd");
    assert_eq!(step, direct);
}

/// A writer into a pipe that nobody reads any more must end: `yes | head -1`.
#[test]
fn a_child_gets_signals_priority_and_limits_as_the_caller_has_them() {
    // HUP, INT, QUIT and TERM are what opsbook hears itself, and are the child's own again.
    let (step, direct) = both(
        "grep ^SigBlk /proc/self/status; ignored=$(sed -n 's/^SigIgn:[^0-9a-f]*//p' /proc/self/status); echo $((0x$ignored & ~0x4007)); umask; ulimit -a; nice; yes | head -n 1; cat /proc/self/oom_score_adj",
    );
    assert_eq!(step, direct);
    assert!(step.contains("\ny\n"));
}

#[test]
fn a_mask_for_new_files_is_the_callers() {
    let project =
        Project::new().runbook("t/x", "[[step]]\nname = \"look\"\nshell.run = \"umask\"\n");
    let inner = project.command(&["t", "x", "--format", "json"]);
    let output = Command::new("sh")
        .args(["-c", "umask 027; exec \"$0\" t x --format json"])
        .arg(inner.get_program())
        .current_dir(project.path(""))
        .env_clear()
        .envs(
            inner
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .output()
        .unwrap();
    let run: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(run["steps"][0]["outputs"]["stdout"], "0027\n");
}

/// Steps, looks, programs that give secrets and programs that are asked for their version carry the token of the run.
#[test]
fn every_process_of_a_run_carries_its_token() {
    let tool = "#!/bin/sh\necho \"$OPSBOOK_RUN\" > \"$PROJECT/tool\"\necho 'tool 1.2'\n";
    let project = Project::bare()
        .config("project = \"test\"\n[secret]\ntoken = { command = [\"sh\", \"-c\", \"echo $OPSBOOK_RUN > secret; echo hunter2\"] }\n")
        .runbook(
            "t/x",
            r#"
requires = ["tool >= 1.0"]
[[step]]
name         = "step"
unless       = { shell.run = "echo $OPSBOOK_RUN > look; exit 1", effect = "read", expect = "code == 0" }
shell.run    = "echo $OPSBOOK_RUN > step"
shell.env    = { TOKEN = "{{ secret.token }}" }
"#,
        )
        .file("bin/tool", tool);
    let bin = project.path("bin");
    Command::new("chmod")
        .arg("+x")
        .arg(bin.join("tool"))
        .status()
        .unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let root = project.path("").display().to_string();
    let project = project.variable("PATH", path).variable("PROJECT", root);
    project.run(&["t", "x"]).exits(0);
    let token = zoo::events(&project)[0]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(token.len(), 32);
    for file in ["secret", "tool", "look", "step"] {
        assert_eq!(project.read(file).trim(), token, "{file}");
    }
}
