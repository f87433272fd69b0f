//! What machines read: JSON, event lines, reports in files, and replays that print what the live run printed.

use serde_json::Value;

use crate::harness::Project;

/// One step of every kind of end.
const MIXED: &str = r#"
[[step]]
name      = "good"
shell.run = "echo fine"
effect    = "read"
[[step]]
name        = "bad"
assert.that = "1 == 2"
severity    = "P3"
on_failure  = "continue"
[[step]]
name        = "passed-over"
when        = "false"
assert.that = "true"
[[finding]]
when     = "true"
severity = "P3"
cause    = "one is not two"
remedy   = "list"
"#;

fn project() -> Project {
    Project::new().runbook("t/x", MIXED)
}

#[test]
fn json_is_one_object_with_the_verdict_and_the_steps() {
    let output = project().run(&["t", "x", "--format", "json"]).exits(1);
    let report = output.json();
    assert_eq!(report["verdict"], "warning");
    assert_eq!(report["exit"], 1);
    let steps = report["steps"].as_array().unwrap();
    let ends: Vec<(&str, &str)> = steps
        .iter()
        .map(|step| {
            (
                step["step"].as_str().unwrap(),
                step["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        ends,
        [
            ("good", "ok"),
            ("bad", "warning"),
            ("passed-over", "skipped")
        ]
    );
    assert_eq!(report["findings"][0]["cause"], "one is not two");
}

#[test]
fn jsonl_is_the_stream_of_events_without_gaps() {
    let output = project().run(&["t", "x", "--format", "jsonl"]).exits(1);
    let events = output.json_lines();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], index, "{}", output.shown());
        assert_eq!(event["version"], 1);
    }
    let types: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(types.first(), Some(&"run-started"));
    assert_eq!(types.last(), Some(&"run-finished"));
    let finished = |event: &&Value| event["type"] == "step-finished";
    assert_eq!(events.iter().filter(finished).count(), 3);
}

#[test]
fn a_replay_prints_what_the_live_run_printed() {
    for format in opsbook::report::FORMATS {
        let format = format.name;
        let project = project();
        let live = project.run(&["t", "x", "--format", format]).exits(1);
        let replay = project.run(&["runs", "replay", "1", "--format", format]);
        assert_eq!(replay.stdout, live.stdout, "{format}");
    }
}

#[test]
fn a_report_goes_to_its_file_beside_the_table() {
    let project = project();
    project
        .run(&[
            "t",
            "x",
            "--report",
            "json=report.json",
            "--report",
            "jsonl=events.jsonl",
        ])
        .exits(1)
        .step("bad", "WARNING");
    let report: Value = serde_json::from_str(&project.read("report.json")).unwrap();
    assert_eq!(report["verdict"], "warning");
    assert!(project.read("events.jsonl").lines().count() > 3);
}

#[test]
fn a_report_that_cannot_be_written_is_said_and_not_silently_lost() {
    let output = project().run(&["t", "x", "--report", "json=no/such/folder/report.json"]);
    assert_ne!(output.code, 0);
    assert!(
        output.stderr.contains("no/such/folder"),
        "{}",
        output.shown()
    );
}

#[test]
fn the_list_of_runs_is_newest_first_and_show_knows_each() {
    let project = project().runbook("t/good", "[[step]]\nname = \"a\"\nassert.that = \"true\"\n");
    project.run(&["t", "x"]).exits(1);
    project.run(&["t", "good"]).exits(0);
    let list = project.run(&["runs", "list"]).exits(0);
    let newest = list.stdout.find("t good").unwrap();
    let oldest = list.stdout.find("t x").unwrap();
    assert!(newest < oldest, "{}", list.shown());
    project.run(&["runs", "show", "1"]).prints("one is not two");
    project.run(&["runs", "show", "99"]).says("99");
    project
        .run(&["runs", "show", "last"])
        .exits(64)
        .says("expected the number of a run");
}

#[test]
fn data_goes_to_stdout_and_everything_else_to_stderr() {
    let output = project()
        .run(&["t", "x", "--format", "json", "-v"])
        .exits(1);
    output.json();
}

#[test]
fn a_log_in_json_is_json_in_every_line_and_tells_of_each_step() {
    let output = project()
        .run(&["t", "x", "-v", "--log-format", "json"])
        .exits(1);
    let lines: Vec<Value> = output
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    let ended = lines.iter().find(|line| line["fields"]["step"] == "bad");
    assert_eq!(ended.unwrap()["fields"]["status"], "warning");
}

#[test]
fn one_v_tells_each_step_and_only_two_tell_what_the_program_does() {
    let project = project();
    let once = project.run(&["t", "x", "-v"]).exits(1).says("bad");
    assert!(!once.stderr.contains("DEBUG"), "{}", once.shown());
    assert!(!once.stderr.contains("config="), "{}", once.shown());
    let json = project
        .run(&["t", "x", "-v", "--log-format", "json"])
        .exits(1);
    assert!(!json.stderr.contains("DEBUG"), "{}", json.shown());
    let twice = project.run(&["t", "x", "-vv"]).exits(1).says("bad");
    assert!(twice.stderr.contains("the project lies here"));
    project.run(&["t", "x", "--help"]).prints("-vv also logs");
}

#[test]
fn a_column_to_show_that_no_row_has_is_told_with_those_there_are() {
    let project = Project::new().file("here/a.txt", "").runbook(
        "t/x",
        "[[step]]\nname = \"look\"\nfiles.find = \"here/*\"\nshow = [\"path\", \"*\"]\n",
    );
    let live = project
        .run(&["t", "x"])
        .exits(0)
        .prints("`show` names \"*\", which no row has; the columns are ");
    let replayed = project.run(&["runs", "replay", "1"]).exits(0);
    assert_eq!(live.stdout, replayed.stdout);
    let right = Project::new().file("here/a.txt", "").runbook(
        "t/x",
        "[[step]]\nname = \"look\"\nfiles.find = \"here/*\"\nshow = [\"path\"]\n",
    );
    right.run(&["t", "x"]).exits(0).never_shows("which no row");
}

#[test]
fn quiet_prints_trouble_and_nothing_on_the_way() {
    let output = project()
        .run(&["t", "x", "-q"])
        .exits(1)
        .step("bad", "WARNING");
    assert_eq!(output.stderr, "", "{}", output.shown());
}

#[test]
fn two_reports_in_one_file_are_refused_before_anything_runs() {
    let project = Project::new().runbook(
        "t/x",
        "[[step]]\nname = \"touch\"\ncommand.run = [\"touch\", \"made\"]\n",
    );
    project
        .run(&[
            "t",
            "x",
            "--report",
            "json=run.txt",
            "--report",
            "jsonl=./run.txt",
        ])
        .exits(64)
        .says("two reports");
    assert!(!project.path("made").exists() && !project.path("run.txt").exists());
}

#[test]
fn quiet_is_silent_when_all_is_well_so_that_cron_sends_no_mail() {
    let project = project()
        .runbook("t/good", "[[step]]\nname = \"a\"\nassert.that = \"true\"\n")
        .runbook("t/asks", "[[step]]\nname = \"a\"\nask.text = \"Who?\"\n");
    let well = project.run(&["t", "good", "-q"]).exits(0);
    assert_eq!((well.stdout.as_str(), well.stderr.as_str()), ("", ""));
    // A warning that the caller lets pass is still a warning, and a run that did nothing is not well.
    let passed = project.run(&["t", "x", "-q", "--fail-on", "critical"]);
    passed.exits(0).step("bad", "WARNING");
    project
        .run(&["t", "asks", "-q"])
        .exits(75)
        .prints("NOT NOW");
    // What was asked for by name comes in any case.
    let output = project.run(&[
        "t",
        "good",
        "-q",
        "--format",
        "json",
        "--report",
        "jsonl=r.jsonl",
    ]);
    assert_eq!(output.exits(0).json()["verdict"], "ok");
    assert!(project.read("r.jsonl").lines().count() > 3);
}

/// What the caller lets pass changes the exit code of the process, and nothing that is told.
#[test]
fn every_format_tells_the_exit_code_of_the_run_and_not_of_fail_on() {
    for (format, told) in [
        ("table", "WARNING"),
        ("json", "\"exit\": 1"),
        ("jsonl", "\"exit\":1"),
        ("junit", "<property name=\"exit\" value=\"1\"/>"),
        ("tap", "# WARNING (exit 1)"),
        ("markdown", "exit 1"),
        ("monitoring", "WARNING - "),
        (
            "prometheus",
            "opsbook_run_exit_code{runbook=\"t/x\",environment=\"\",inputs=\"\"} 1",
        ),
    ] {
        project()
            .run(&["t", "x", "--fail-on", "critical", "--format", format])
            .exits(0)
            .prints(told);
    }
}

#[test]
fn a_list_is_not_printed_in_a_format_for_runs() {
    let project = project();
    for words in [&["runs", "list"][..], &["list"], &["show", "t/x"]] {
        let mut words = words.to_vec();
        words.extend(["--format", "junit"]);
        project
            .run(&words)
            .exits(64)
            .says("--format junit is for runs")
            .says("table, json or jsonl");
    }
}

#[test]
fn metrics_take_the_place_of_a_file_that_is_not_ours() {
    let project = project().file("folder/x.prom", "old");
    project
        .run(&["t", "x", "--report", "prometheus=folder/x.prom"])
        .exits(1);
    let written = project.read("folder/x.prom");
    assert!(
        written.starts_with("# HELP opsbook_run_verdict"),
        "{written}"
    );
    assert_eq!(
        std::fs::read_dir(project.path("folder")).unwrap().count(),
        1
    );
}
