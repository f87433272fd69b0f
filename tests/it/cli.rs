//! The command line: help, version, mistakes, options, and runbooks as commands.

use crate::harness::{Project, WATCHDOG};

const GREET: &str = r#"
symptoms = ["nobody was greeted"]

[input.name]
type     = "string"
help     = "Whom to greet"
position = 1
pattern  = "[a-z]+"

[input.times]
type    = "int"
default = 1
min     = 1
max     = 3

[[step]]
name        = "greet"
command.run = ["echo", "hello {{ input.name }} {{ input.times }}"]
effect      = "read"
expect      = "stdout | trim == 'hello ' ~ input.name ~ ' ' ~ input.times"
"#;

#[test]
fn version_and_help_go_to_stdout_and_end_well() {
    Project::bare()
        .run(&["--version"])
        .exits(0)
        .prints(concat!("opsbook ", env!("CARGO_PKG_VERSION")));
    let help = Project::bare().run(&["--help"]).exits(0).prints("Usage:");
    for built_in in ["run", "list", "show", "lint", "schema", "runs"] {
        assert!(help.stdout.contains(built_in), "{}", help.shown());
    }
}

#[test]
fn help_may_be_asked_for_in_words() {
    let project = Project::new().runbook("greet/person", GREET);
    let asked = project.run(&["help", "greet", "person"]).exits(0);
    let usual = project.run(&["greet", "person", "--help"]).exits(0);
    assert_eq!(asked.stdout, usual.stdout);
    project.run(&["help"]).exits(0).prints("Usage: opsbook");
    // A group of that name is one all the same.
    let own = Project::new().runbook("help/person", GREET);
    own.run(&["help", "person", "ada"])
        .exits(0)
        .step("greet", "ok");
}

#[test]
fn an_unknown_command_says_where_to_look() {
    Project::new()
        .run(&["frobnicate"])
        .exits(64)
        .says("opsbook list WORD");
}

#[test]
fn a_shell_completes_the_paths_of_runbooks() {
    let project = Project::new()
        .runbook("greet/person", GREET)
        .variable("COMPLETE", "bash")
        .variable("_CLAP_COMPLETE_INDEX", "2");
    for verb in ["show", "lint"] {
        project
            .run(&["--", "opsbook", verb, "gr"])
            .exits(0)
            .prints("greet/person");
    }
}

/// What bash offers for the last of these words.
fn offered(project: &Project, words: &[&str]) -> Vec<String> {
    let line = [&["--", "opsbook"], words].concat();
    let asked = assert_cmd::Command::from_std(project.command(&line))
        .env("COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
        .timeout(WATCHDOG)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&asked.stderr);
    assert!(asked.status.success(), "{words:?}: {said}");
    assert_eq!(said, "", "{words:?}");
    let offered = String::from_utf8(asked.stdout).unwrap();
    offered.lines().map(str::to_owned).collect()
}

#[test]
fn a_shell_completes_the_values_of_options() {
    let project = Project::new().runbook("greet/person", GREET);
    for (words, values) in [
        (
            &["list", "--format", ""][..],
            &[
                "table",
                "json",
                "jsonl",
                "csv",
                "junit",
                "tap",
                "markdown",
                "monitoring",
                "prometheus",
            ][..],
        ),
        (&["list", "--format", "jsonl"], &["jsonl"]),
        (&["list", "--report", "js"], &["json=", "jsonl="]),
        (&["list", "--report", "json=opsb"], &["json=opsbook.toml"]),
        (&["list", "--color", "a"], &["auto", "always"]),
        (&["list", "--log-format", ""], &["text", "json"]),
        (
            &["greet", "person", "--fail-on", ""],
            &["warning", "critical"],
        ),
    ] {
        assert_eq!(offered(&project, words), values, "{words:?}");
    }
}

#[test]
fn a_shell_completes_the_newest_runs_of_the_store_that_is_meant() {
    let project = Project::new().runbook("greet/person", GREET);
    for _ in 0..21 {
        project.run(&["greet", "person", "ada"]).exits(0);
    }
    let newest: Vec<String> = (2..=21).rev().map(|run| run.to_string()).collect();
    let lines: [&[&str]; 5] = [
        &["runs", "show"],
        &["runs", "replay"],
        &["resume"],
        &["undo"],
        &["approve"],
    ];
    for words in lines {
        let numbers = |typed| -> Vec<String> {
            let mut offered = offered(&project, &[words, &[typed]].concat());
            offered.retain(|word| !word.starts_with('-'));
            offered
        };
        assert_eq!(numbers(""), newest, "{words:?}");
        assert_eq!(numbers("20"), ["20"], "{words:?}");
        let elsewhere = [&["--store", "other.db"], words, &["2"]].concat();
        assert!(offered(&project, &elsewhere).is_empty(), "{words:?}");
    }
    let broken = project
        .file("broken.db", "no database")
        .variable("OPSBOOK_STORE", "broken.db");
    assert!(offered(&broken, &["runs", "show", "2"]).is_empty());
}

#[test]
fn a_shell_completes_what_run_runs() {
    let project = Project::new()
        .runbook("greet/person", GREET)
        .file("broken.toml", "title =")
        .file("notes.txt", "");
    let run = |typed| offered(&project, &["run", typed]);
    assert_eq!(run("greet/"), ["greet/person"]);
    assert_eq!(run("gr"), ["greet", "greet/person"]);
    assert_eq!(run("./runbooks/greet/p"), ["./runbooks/greet/person.toml"]);
    assert_eq!(run("brok"), ["broken.toml"]);
    assert!(run("note").is_empty());
    // A runbook that is wrong is told when it is run, not in the middle of a line that is being typed.
    assert!(offered(&project, &["run", "broken.toml", "x"]).is_empty());
}

#[test]
fn a_lint_that_finds_nothing_to_check_says_so() {
    let bare = Project::bare();
    bare.run(&["lint"]).exits(0).prints("checked nothing");
}

#[test]
fn a_mistyped_option_is_a_usage_error_with_a_suggestion() {
    Project::new()
        .run(&["lint", "--colour", "never"])
        .exits(64)
        .says("--color");
}

#[test]
fn a_mistyped_command_is_a_usage_error_with_a_suggestion() {
    Project::new()
        .runbook("greet/person", GREET)
        .run(&["greet", "persom", "ada"])
        .exits(64)
        .says("person");
}

#[test]
fn a_runbook_dropped_into_the_folder_is_a_command_at_once() {
    Project::new()
        .runbook("greet/person", GREET)
        .run(&["greet", "person", "ada"])
        .exits(0)
        .step("greet", "ok");
}

#[test]
fn a_runbook_has_help_made_from_its_inputs() {
    Project::new()
        .runbook("greet/person", GREET)
        .run(&["greet", "person", "--help"])
        .exits(0)
        .prints("Whom to greet")
        .prints("--times")
        .prints("--read-only");
}

#[test]
fn a_group_without_a_default_runbook_prints_its_list() {
    Project::new()
        .runbook("greet/person", GREET)
        .run(&["greet"])
        .prints("person")
        .prints("A test");
}

#[test]
fn inputs_are_validated_before_anything_runs() {
    let project = Project::new().runbook("greet/person", GREET);
    project
        .run(&["greet", "person", "Ada!"])
        .exits(64)
        .says("[a-z]+");
    project
        .run(&["greet", "person", "ada", "--times", "9"])
        .exits(64)
        .says("3");
    project
        .run(&["greet", "person", "ada", "--times", "many"])
        .exits(64);
    project.run(&["greet", "person"]).exits(64).says("NAME");
}

#[test]
fn run_takes_a_path_in_the_library_and_a_file() {
    let project = Project::new().runbook("greet/person", GREET);
    project.run(&["run", "greet/person", "ada"]).exits(0);
    project
        .run(&["run", "runbooks/greet/person.toml", "ada"])
        .exits(0);
}

#[test]
fn list_shows_the_projects_runbook_beside_the_shipped_ones() {
    Project::new()
        .runbook("greet/person", GREET)
        .run(&["list"])
        .exits(0)
        .prints("greet person")
        .prints("maintenance weekly");
}

#[test]
fn show_tells_the_effect_of_every_step_before_anything_runs() {
    Project::new()
        .runbook("greet/person", GREET)
        .run(&["show", "greet/person"])
        .exits(0)
        .prints("greet")
        .prints("read");
}

#[test]
fn list_marks_a_runbook_that_cannot_be_read() {
    let project = Project::new()
        .file("runbooks/t/broken.toml", "title = ")
        .file("runbooks/t/latin.toml", b"title = 'caf\xe9'\n[[step]]\n")
        .file("runbooks/t/untitled.toml", "[[step]]\n");
    let table = project.run(&["list"]).exits(0);
    let json = project.run(&["list", "--format", "json"]).exits(0).json();
    for name in ["broken", "latin", "untitled"] {
        let line = table
            .stdout
            .lines()
            .find(|line| line.contains(name))
            .unwrap();
        assert!(line.ends_with("(invalid)"), "{line}");
        let items = json.as_array().unwrap();
        let path = format!("t/{name}");
        let item = items.iter().find(|item| item["path"] == path).unwrap();
        assert_eq!(item["invalid"], true, "{item}");
    }
}

/// A step of every condition, and inputs of every limit.
const CONDITIONS: &str = r#"
[input.mode]
type    = "choice"
choices = ["fast", "slow"]
default = "fast"
[input.name]
type    = "string"
pattern = "[a-z]+"
max     = 8
default = "ada"
[input.room]
type    = "size"
min     = "1MiB"
default = "2MiB"
[input.times]
type    = "int"
min     = 1
max     = 3
default = 1
[[step]]
name        = "make"
command.run = ["touch", "made"]
when        = "input.mode == 'fast'"
unless      = { files.find = "made", expect = "count == 1" }
confirm     = "Make it?"
on_failure  = "continue"
retry       = { attempts = 3, delay = "1s" }
[[step]]
name        = "look"
assert.that = "true"
for_each    = { word = "['a', 'b']" }
concurrency = 2
parallel    = true
[[step]]
name        = "wait"
assert.that = "true"
undo        = { command.run = ["rm", "made"] }
repeat      = { every = "5s", times = 4 }
[[finally]]
name        = "tidy"
assert.that = "true"
"#;

#[test]
fn show_tells_everything_that_decides_whether_a_step_runs() {
    let project = Project::new().runbook("t/x", CONDITIONS);
    let shown = project.run(&["show", "t/x"]).exits(0);
    for told in [
        "when input.mode == 'fast'",
        "unless count == 1 (files.find)",
        "asks first: Make it?",
        "tried up to 3 times",
        "goes on after a failure",
        "together with the step above",
        "for each word of ['a', 'b'], 2 at a time",
        "every 5s, 4 times",
        "undone by command.run, which may write",
        "always, at the end",
        "one of fast, slow",
        "matches [a-z]+; at most 8 characters",
        "at least 1.0 MiB",
        "2.0 MiB\n",
        "1 to 3",
    ] {
        assert!(shown.stdout.contains(told), "{told}: {}", shown.shown());
    }
    let json = project.run(&["show", "t/x", "--format", "json"]).json();
    let (make, look) = (&json["steps"][0], &json["steps"][1]);
    assert_eq!(make["unless"]["expect"], "count == 1");
    assert_eq!(make["confirm"], "Make it?");
    assert_eq!(make["on_failure"], "continue");
    assert_eq!(make["retry"]["attempts"], 3);
    assert_eq!(
        (&make["name"], &make["effect"]),
        (&"make".into(), &"write".into())
    );
    assert_eq!(look["for_each"]["variable"], "word");
    assert_eq!(look["parallel"], true);
    assert_eq!(json["steps"][2]["repeat"]["times"], 4);
    assert_eq!(json["steps"][2]["undo"]["effect"], "write");
    assert_eq!(json["steps"][1]["undo"], serde_json::Value::Null);
    assert_eq!(json["inputs"][1]["pattern"], "[a-z]+");
    assert_eq!(json["inputs"][3]["max"], 3);
}

#[test]
fn a_projects_runbook_replaces_a_shipped_one() {
    Project::new()
        .runbook(
            "maintenance/weekly",
            "[[step]]\nname = \"ours\"\nassert.that = \"true\"\n",
        )
        .run(&["maintenance", "weekly"])
        .exits(0)
        .step("ours", "ok");
}

#[test]
fn read_only_refuses_a_write() {
    let project = Project::new().runbook(
        "t/x",
        "[[step]]\nname = \"touch\"\ncommand.run = [\"touch\", \"made\"]\n",
    );
    project.run(&["t", "x", "--read-only"]).exits(75);
    assert!(!project.path("made").exists());
}

#[test]
fn the_flag_beats_the_variable_and_the_variable_beats_the_file() {
    let project = Project::bare()
        .config("default_environment = \"one\"\n[environment.one]\n[environment.two]\n[environment.three]\n")
        .runbook(
            "t/x",
            "[input.wanted]\ntype = \"string\"\nposition = 1\n[[step]]\nname = \"e\"\nassert.that = \"environment == input.wanted\"\n",
        );
    project.run(&["t", "x", "one"]).exits(0);
    let project = project.variable("OPSBOOK_ENV", "two");
    project.run(&["t", "x", "two"]).exits(0);
    project.run(&["t", "x", "three", "--env", "three"]).exits(0);
}

#[test]
fn colour_is_off_without_a_terminal_and_on_when_asked_for() {
    let project = Project::new().runbook("greet/person", GREET);
    project
        .run(&["greet", "person", "ada"])
        .never_shows("\u{1b}[");
    project
        .run(&["greet", "person", "ada", "--color", "always"])
        .prints("\u{1b}[");
}

#[test]
fn a_value_cannot_break_out_of_its_argument_or_its_shell_word() {
    let project = Project::new().runbook(
        "t/x",
        r#"
[input.text]
type     = "string"
position = 1
[[step]]
name        = "argument"
command.run = ["printf", "%s", "{{ input.text }}"]
effect      = "read"
expect      = "stdout == input.text"
[[step]]
name        = "word"
shell.run   = "printf %s {{ input.text }}"
effect      = "read"
expect      = "stdout == input.text"
"#,
    );
    for text in [
        "; touch pwned",
        "$(touch pwned)",
        "'\"`touch pwned`",
        "{{ 7 * 7 }}",
    ] {
        project.run(&["t", "x", text]).exits(0);
    }
    assert!(!project.path("pwned").exists());
}
