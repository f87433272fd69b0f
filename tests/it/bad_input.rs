//! Everything that users and foreign programs get wrong: a clear line and the right exit code, never a panic or a hang.

use crate::harness::{Output, Project};

#[track_caller]
fn run(steps: &str) -> Output {
    Project::new().runbook("t/x", steps).run(&["t", "x"])
}

/// Invalid in a way that the file shows: nothing runs, and the answer names file and line.
#[track_caller]
fn invalid(steps: &str, line: usize, says: &str) {
    let place = format!("runbooks/t/x.toml:{line}:");
    run(steps).exits(78).says(&place).says(says);
}

#[test]
fn no_configuration_is_fine_where_none_is_needed() {
    Project::bare()
        .runbook("t/x", "[[step]]\nname = \"a\"\nassert.that = \"true\"\n")
        .run(&["run", "runbooks/t/x.toml"])
        .exits(0);
}

#[test]
fn a_configuration_that_is_asked_for_and_missing_is_a_usage_error() {
    Project::bare()
        .run(&["--config", "nowhere.toml", "list"])
        .exits(64)
        .says("nowhere.toml");
}

#[test]
fn the_configuration_nearest_upward_wins() {
    let project = Project::bare()
        .config("default_environment = \"outer\"\n[environment.outer]\n")
        .file(
            "inner/opsbook.toml",
            "default_environment = \"inner\"\n[environment.inner]\n",
        )
        .file(
            "inner/runbooks/t/x.toml",
            "title = \"x\"\n[[step]]\nname = \"e\"\nassert.that = \"environment == 'inner'\"\n",
        );
    let mut command = project.command(&["t", "x"]);
    let output = command.current_dir(project.path("inner")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_configuration_that_is_a_folder_is_78() {
    let project = Project::bare();
    std::fs::create_dir(project.path("opsbook.toml")).unwrap();
    project.run(&["list"]).exits(78).says("opsbook.toml");
}

#[test]
fn a_file_that_is_not_utf_8_is_78() {
    Project::new()
        .file("runbooks/t/x.toml", b"title = \"\xff\xfe\"\n")
        .run(&["t", "x"])
        .exits(78)
        .says("UTF-8");
}

#[test]
fn a_byte_order_mark_is_no_mistake() {
    Project::new()
        .file(
            "runbooks/t/x.toml",
            "\u{feff}title = \"x\"\r\n[[step]]\r\nname = \"a\"\r\nassert.that = \"true\"\r\n",
        )
        .run(&["t", "x"])
        .exits(0);
}

#[test]
fn an_empty_runbook_is_78() {
    Project::new()
        .file("runbooks/t/x.toml", "")
        .run(&["t", "x"])
        .exits(78)
        .says("title");
}

#[test]
fn fifty_mebibytes_of_toml_are_refused_by_size() {
    let mut text = String::from("title = \"x\"\n");
    while text.len() < 50 << 20 {
        text.push_str("# Nothing at all, and that a great many times over and over again.\n");
    }
    Project::new()
        .file("runbooks/t/x.toml", text)
        .run(&["t", "x"])
        .exits(78)
        .says("MiB");
}

#[test]
fn mistakes_in_a_runbook_are_shown_where_they_are() {
    // Line 1 is the title.
    invalid(
        "[[step]]\nname = \"a\"\nassert.that = \"true\"\ntimeuot = \"3s\"\n",
        5,
        "timeout",
    );
    invalid("[[step]]\nname = \"a\"\nhtpp.get = \"/\"\n", 4, "http");
    invalid("[[step]]\nname = \"a\"\nhttp.gte = \"/\"\n", 4, "get");
    invalid("[[step]]\nname = \"a\"\nassert.that = 7\n", 4, "that");
    invalid(
        "[[step]]\nname = \"a\"\nassert.that = \"true\"\ntimeout = \"soon\"\n",
        5,
        "duration",
    );
    invalid(
        "[[step]]\nname = \"a\"\nassert.that = \"true\"\nseverity = \"P9\"\n",
        5,
        "P0",
    );
    invalid("[[step]]\nname = \"a\"\nassert.that = \"1 +\"\n", 4, "");
    invalid(
        "[[step]]\nname = \"a\"\nassert.that = \"nobody == 1\"\n",
        4,
        "nobody",
    );
    invalid(
        "[input.x]\ntype = \"strnig\"\n[[step]]\nname = \"a\"\nassert.that = \"true\"\n",
        3,
        "string",
    );
    invalid("[[step]\nname = \"a\"\n", 2, "");
}

#[test]
fn a_step_without_an_action_or_with_two_is_78() {
    run("[[step]]\nname = \"a\"\n").exits(78).says("action");
    run("[[step]]\nname = \"a\"\nassert.that = \"true\"\nwait.for = \"1ms\"\n")
        .exits(78)
        .says("action");
}

#[test]
fn two_steps_of_one_name_are_78() {
    run("[[step]]\nname = \"a\"\nassert.that = \"true\"\n[[step]]\nname = \"a\"\nassert.that = \"true\"\n")
        .exits(78)
        .says("a");
}

#[test]
fn a_reference_that_the_configuration_does_not_know_is_78() {
    run("[[step]]\nname = \"a\"\nhttp.get = \"/\"\nhttp.on = \"nowhere\"\n")
        .exits(78)
        .prints("nowhere");
}

#[test]
fn an_endless_template_runs_out_of_fuel() {
    let output = run(
        "[[step]]\nname = \"a\"\ncommand.run = [\"echo\", \"{% for i in range(9999) %}{% for j in range(9999) %}{% for k in range(9999) %}x{% endfor %}{% endfor %}{% endfor %}\"]\n",
    );
    assert!([2, 3, 78].contains(&output.code), "{}", output.shown());
    assert!(output.shown().contains("steps"), "{}", output.shown());
}

#[test]
fn a_command_that_is_killed_by_a_signal_says_which() {
    run("[[step]]\nname = \"die\"\nshell.run = \"kill -SEGV $$\"\nexpect = \"code == 0\"\n")
        .exits(2)
        .step("die", "CRITICAL")
        .prints("SIGSEGV");
}

/// The memory of the process is bounded whatever a command prints; the suite only sees that the run ends and is small.
#[test]
fn a_command_that_prints_a_gibibyte_is_cut_and_said_to_be() {
    let project = Project::new().runbook(
        "t/x",
        "[[step]]\nname = \"flood\"\nshell.run = \"head -c 1073741824 /dev/zero | tr '\\\\000' x\"\neffect = \"read\"\n",
    );
    let output = project.run(&["t", "x", "--format", "json"]).exits(0);
    assert!(
        output.stdout.len() < 4 << 20,
        "{} bytes",
        output.stdout.len()
    );
}

#[test]
fn output_that_is_not_utf_8_is_shown_as_far_as_it_is() {
    run("[[step]]\nname = \"odd\"\nshell.run = \"printf 'a\\\\377b'\"\neffect = \"read\"\nexpect = \"'a' in stdout and 'b' in stdout\"\n")
        .exits(0);
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let project = Project::new().runbook("t/x", "[[step]]\nname = \"a\"\nassert.that = \"true\"\n");
    let mut child = project
        .command(&["t", "x"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn a_standard_error_that_is_full_stops_nothing() {
    let project = Project::new().runbook(
        "t/x",
        "[[step]]\nname = \"a\"\nassert.that = \"false\"\nseverity = \"P3\"\n",
    );
    for arguments in [&["t", "x"][..], &["t", "x", "-vv"], &["nothing", "-vv"]] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let status = project
            .command(arguments)
            .stdout(std::process::Stdio::null())
            .stderr(full)
            .status()
            .unwrap();
        let expected = if arguments[0] == "t" { 1 } else { 64 };
        assert_eq!(status.code(), Some(expected), "{arguments:?}");
    }
}

#[test]
fn a_name_that_a_sub_runbook_misses_is_told_before_anything_is_done() {
    let project = Project::new()
        .runbook(
            "t/x",
            "[[step]]\nname = \"touch\"\ncommand.run = [\"touch\", \"done\"]\n\
             [[step]]\nname = \"child\"\nrunbook.run = \"t/y\"\n",
        )
        .runbook(
            "t/y",
            "[[step]]\nname = \"look\"\nassert.that = \"doomed > 0\"\n",
        );
    project
        .run(&["t", "x"])
        .exits(78)
        .says("runbooks/t/y.toml:4:")
        .says("`doomed` is not defined here");
    assert!(!project.path("done").exists());
}

/// What a step hands to another runbook is held against what that one asks for before anything is done.
#[test]
fn inputs_of_a_sub_runbook_are_checked_before_anything_is_done() {
    let project = Project::new()
        .runbook(
            "t/inner",
            "[input.table]\ntype = \"string\"\n[[step]]\nname = \"a\"\nassert.that = \"input.table != ''\"\n",
        )
        .runbook(
            "t/outer",
            "[[step]]\nname = \"first\"\nshell.run = \"echo done > done\"\n[[step]]\nname = \"second\"\nrunbook.run = \"t/inner\"\nrunbook.inputs = { tabel = \"x\" }\n",
        );
    project
        .run(&["t", "outer"])
        .exits(78)
        .says("t/inner has no input \"tabel\"")
        .says("did you mean `table`?")
        .says("t/inner needs the input \"table\"");
    assert!(!project.path("done").exists());
}
