//! Every exit code of the contract that a run can reach, by a real process. 70 needs a bug; `app::bug` tests how it is told.
//! 130 and 143 are in `signals`.

use crate::harness::Project;
use crate::terminal::Terminal;

fn judged(step: &str) -> Project {
    Project::new().runbook("t/x", &format!("[[step]]\nname = \"judge\"\n{step}\n"))
}

#[test]
fn ok_is_0() {
    judged("assert.that = \"true\"").run(&["t", "x"]).exits(0);
}

#[test]
fn warning_is_1_and_critical_is_2() {
    judged("assert.that = \"false\"\nseverity = \"P3\"")
        .run(&["t", "x"])
        .exits(1);
    judged("assert.that = \"false\"").run(&["t", "x"]).exits(2);
}

#[test]
fn fail_on_critical_turns_a_warning_into_0_and_still_shows_it() {
    judged("assert.that = \"false\"\nseverity = \"P3\"")
        .run(&["t", "x", "--fail-on", "critical"])
        .exits(0)
        .step("judge", "WARNING");
    judged("assert.that = \"false\"")
        .run(&["t", "x", "--fail-on", "critical"])
        .exits(2);
}

#[test]
fn a_missing_tool_is_opsbooks_own_trouble_3() {
    judged("command.run = [\"no-such-program-anywhere\"]")
        .run(&["t", "x"])
        .exits(3)
        .step("judge", "UNKNOWN")
        .prints("no-such-program-anywhere");
}

#[test]
fn a_secret_that_is_not_set_is_3() {
    Project::bare()
        .config("[secret]\nmonitor = { env = \"MONITOR_TOKEN\" }\n")
        .runbook(
            "t/x",
            "[[step]]\nname = \"judge\"\ncommand.run = [\"true\"]\ncommand.env = { TOKEN = \"{{ secret.monitor }}\" }\n",
        )
        .run(&["t", "x"])
        .exits(3)
        .says("MONITOR_TOKEN");
}

#[test]
fn a_target_that_does_not_answer_is_critical_2_not_unknown() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    judged(&format!("http.get = \"http://{closed}/health\""))
        .run(&["t", "x"])
        .exits(2)
        .step("judge", "CRITICAL");
}

#[test]
fn critical_beats_unknown_beats_warning() {
    let steps = |first: &str, second: &str| {
        Project::new()
            .runbook(
                "t/x",
                &format!(
                    "[[step]]\nname = \"a\"\n{first}\non_failure = \"continue\"\n[[step]]\nname = \"b\"\n{second}\n"
                ),
            )
            .run(&["t", "x"])
    };
    let unknown = "command.run = [\"no-such-program-anywhere\"]";
    let warning = "assert.that = \"false\"\nseverity = \"P2\"";
    let critical = "assert.that = \"false\"";
    steps(unknown, warning).exits(3);
    steps(unknown, critical).exits(2);
}

/// What was done is taken back in reverse; one undo fails, the other still runs.
#[test]
fn an_undo_that_fails_is_4_and_the_others_still_run() {
    let project = Project::new().runbook(
        "t/x",
        r#"
on_failure = "undo"

[[step]]
name      = "first"
shell.run = "echo first >> done"
undo      = { shell.run = "echo undone >> done" }

[[step]]
name      = "second"
shell.run = "echo second >> done"
undo      = { command.run = ["false"] }

[[step]]
name      = "third"
shell.run = "exit 1"
"#,
    );
    project
        .run(&["t", "x"])
        .exits(4)
        .step("first", "undone")
        .step("second", "UNDO FAILED");
    let done = std::fs::read_to_string(project.path("done")).unwrap();
    assert_eq!(done, "first\nsecond\nundone\n");
}

#[test]
fn a_wrong_command_line_is_64() {
    Project::new().run(&["--no-such-option"]).exits(64);
    Project::new().run(&["no-such-group"]).exits(64);
}

#[test]
fn a_question_without_a_terminal_is_75_and_nothing_is_done() {
    let project = judged("command.run = [\"touch\", \"made\"]\nconfirm = \"Really?\"");
    project.run(&["t", "x"]).exits(75);
    assert!(!project.path("made").exists());
    project.run(&["t", "x", "--yes"]).exits(0);
    assert!(project.path("made").exists());
}

#[test]
fn a_question_at_a_terminal_is_asked_and_no_means_no() {
    let project = judged("command.run = [\"touch\", \"made\"]\nconfirm = \"Really make it?\"");
    let mut terminal = Terminal::start(&project, &["t", "x"]);
    terminal.wait_for("Really make it?");
    terminal.press("not today\r");
    terminal.wait_for("neither yes nor no");
    terminal.press("n\r");
    let (code, shown) = terminal.end();
    assert_eq!(code, 75, "{shown}");
    assert!(!project.path("made").exists());

    let mut terminal = Terminal::start(&project, &["t", "x"]);
    terminal.wait_for("Really make it?");
    terminal.press("y\r");
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(project.path("made").exists());
}

#[test]
fn a_wrong_runbook_or_configuration_is_78() {
    judged("assert.that = \"true\"\ntimeuot = \"3s\"")
        .run(&["t", "x"])
        .exits(78)
        .says("timeout")
        .says("runbooks/t/x.toml");
    judged("assert.that = \"true\"")
        .config("projekt = \"test\"\n")
        .run(&["t", "x"])
        .exits(78)
        .says("project");
}
