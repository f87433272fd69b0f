//! The keys of a step and of a runbook, each doing what `docs/language.md` says.

use crate::harness::{Output, Project};
use crate::http_server::{Answer, HttpServer};

/// Runs a runbook of these steps.
#[track_caller]
fn run(steps: &str) -> Output {
    Project::new().runbook("t/x", steps).run(&["t", "x"])
}

fn service(server: &HttpServer) -> String {
    format!(
        "project = \"test\"\n[service.api]\nurl = \"{}\"\n",
        server.url()
    )
}

#[test]
fn when_false_skips_and_never_makes_the_verdict_worse() {
    run(r#"
[[step]]
name = "first"
assert.that = "true"
[[step]]
name = "second"
when = "steps.first.status == 'critical'"
assert.that = "false"
"#)
    .exits(0)
    .step("first", "ok")
    .prints("… and 1 skipped; -v shows all");
}

#[test]
fn unless_skips_what_is_already_done() {
    let server = HttpServer::answering(Answer::Json(200, r#"{"done": true}"#));
    let project = Project::bare().config(&service(&server)).runbook(
        "t/x",
        r#"
[[step]]
name        = "make"
command.run = ["touch", "made"]
unless      = { http.get = "/done", http.on = "api", expect = "json.done" }
"#,
    );
    project.run(&["t", "x"]).exits(0).step("make", "skipped");
    assert!(!project.path("made").exists());
}

#[test]
fn for_each_runs_the_step_once_an_item() {
    let project = Project::new().runbook(
        "t/x",
        r#"
[[step]]
name         = "make"
for_each.item = "['a', 'b', 'c']"
concurrency  = 2
command.run  = ["touch", "made-{{ item }}"]
"#,
    );
    project.run(&["t", "x"]).exits(0);
    for item in ["a", "b", "c"] {
        assert!(project.path(&format!("made-{item}")).exists());
    }
}

#[test]
fn one_bad_item_makes_the_step_bad() {
    run(r#"
[[step]]
name          = "judge"
for_each.item = "[1, 2, 3]"
assert.that   = "item != 2"
"#)
    .exits(2)
    .step("judge[1]", "CRITICAL")
    .prints("2");
}

/// Each end of a named pipe waits for the other: only steps that run at the same time get through.
#[test]
fn parallel_starts_together_with_the_step_above() {
    run(r#"
[[step]]
name        = "prepare"
command.run = ["mkfifo", "pipe"]
[[step]]
name        = "write"
shell.run   = "echo through > pipe"
timeout     = "30s"
[[step]]
name        = "read"
parallel    = true
shell.run   = "cat pipe"
timeout     = "30s"
expect      = "stdout | trim == 'through'"
"#)
    .exits(0)
    .step("write", "ok")
    .step("read", "ok");
}

#[test]
fn retry_tries_again_until_it_holds() {
    let server = HttpServer::scripted(|number, _| match number {
        0 | 1 => Answer::Json(503, "{}"),
        _ => Answer::Json(200, "{}"),
    });
    let steps = r#"
[[step]]
name     = "ask"
http.get = "/"
http.on  = "api"
expect   = "status == 200"
retry    = { attempts = 5, delay = "1ms" }
"#;
    Project::bare()
        .config(&service(&server))
        .runbook("t/x", steps)
        .run(&["t", "x"])
        .exits(0);
    assert_eq!(server.count(), 3);
}

#[test]
fn retry_gives_up_after_the_last_attempt() {
    let server = HttpServer::answering(Answer::Json(503, "{}"));
    let steps = r#"
[[step]]
name     = "ask"
http.get = "/"
http.on  = "api"
expect   = "status == 200"
retry    = { attempts = 3, delay = "1ms" }
"#;
    Project::bare()
        .config(&service(&server))
        .runbook("t/x", steps)
        .run(&["t", "x"])
        .exits(2)
        .prints("503");
    assert_eq!(server.count(), 3);
}

#[test]
fn repeat_looks_until_its_condition_holds() {
    let server = HttpServer::scripted(|number, _| match number {
        0..=3 => Answer::Json(200, r#"{"ready": false}"#),
        _ => Answer::Json(200, r#"{"ready": true}"#),
    });
    let steps = r#"
[[step]]
name     = "wait"
http.get = "/"
http.on  = "api"
repeat   = { every = "1ms", times = 100, until = "json.ready" }
"#;
    Project::bare()
        .config(&service(&server))
        .runbook("t/x", steps)
        .run(&["t", "x"])
        .exits(0);
    assert_eq!(server.count(), 5);
}

#[test]
fn repeat_gives_samples_to_judge_by() {
    let server = HttpServer::answering(Answer::Json(200, "{}"));
    let steps = r#"
[[step]]
name     = "measure"
http.get = "/"
http.on  = "api"
repeat   = { every = "1ms", times = 7 }
[[step]]
name        = "judge"
assert.that = "steps.measure.samples.failures == 0 and steps.measure.samples.p95 >= steps.measure.samples.p50"
"#;
    Project::bare()
        .config(&service(&server))
        .runbook("t/x", steps)
        .run(&["t", "x"])
        .exits(0);
    assert_eq!(server.count(), 7);
}

#[test]
fn timeout_ends_a_step_and_says_so() {
    run("[[step]]\nname = \"sleep\"\ncommand.run = [\"sleep\", \"600\"]\ntimeout = \"50ms\"\n")
        .exits(2)
        .step("sleep", "CRITICAL")
        .prints("50ms");
}

#[test]
fn severity_says_how_bad_a_failure_is() {
    for (severity, code, status) in [
        ("P0", 2, "CRITICAL"),
        ("P1", 2, "CRITICAL"),
        ("P2", 1, "WARNING"),
        ("P3", 1, "WARNING"),
    ] {
        run(&format!(
            "[[step]]\nname = \"judge\"\nassert.that = \"1 == 2\"\nseverity = \"{severity}\"\n"
        ))
        .exits(code)
        .step("judge", status);
    }
}

#[test]
fn warn_and_critical_judge_but_never_stop_the_run() {
    run(r#"
[[step]]
name        = "watch"
shell.run   = "echo '{\"pending\": 142}'"
effect      = "read"
warn        = "json.pending > 100"
critical    = "json.pending > 1000"
[[step]]
name        = "after"
assert.that = "steps.watch.status == 'warning'"
"#)
    .exits(1)
    .step("watch", "WARNING")
    .prints("142")
    .step("after", "ok");
    run(r#"
[[step]]
name        = "watch"
shell.run   = "echo '{\"pending\": 1420}'"
effect      = "read"
warn        = "json.pending > 100"
critical    = "json.pending > 1000"
[[step]]
name        = "after"
assert.that = "true"
"#)
    .exits(2)
    .step("watch", "CRITICAL")
    .step("after", "ok");
}

#[test]
fn save_names_a_value_for_later_steps() {
    run(r#"
[[step]]
name      = "look"
shell.run = "echo '{\"rows\": [{\"n\": 7}]}'"
effect    = "read"
save      = { found = "json.rows[0].n" }
[[step]]
name        = "judge"
assert.that = "found == 7 and steps.look.code == 0"
"#)
    .exits(0);
}

#[test]
fn a_failure_stops_the_run_and_finally_still_runs() {
    let project = Project::new().runbook(
        "t/x",
        r#"
[[step]]
name        = "breaks"
assert.that = "false"
[[step]]
name        = "after"
assert.that = "true"
[[finally]]
name        = "tidy"
command.run = ["touch", "tidied"]
"#,
    );
    project
        .run(&["t", "x"])
        .exits(2)
        .step("breaks", "CRITICAL")
        .step("after", "not run")
        .step("tidy", "ok");
    assert!(project.path("tidied").exists());
}

#[test]
fn on_failure_continue_goes_on_and_keeps_the_verdict() {
    run(r#"
[[step]]
name        = "breaks"
assert.that = "false"
on_failure  = "continue"
[[step]]
name        = "after"
assert.that = "steps.breaks.status == 'critical'"
"#)
    .exits(2)
    .step("after", "ok");
}

#[test]
fn a_finding_names_the_cause_and_the_remedy() {
    run(r#"
[[step]]
name        = "look"
shell.run   = "exit 0"
effect      = "read"
[[finding]]
when     = "steps.look.code == 0"
severity = "P3"
cause    = "the queue of {{ steps.look.status }} is filling"
remedy   = "queue status jobs"
[[finding]]
when     = "steps.look.code == 7"
severity = "P0"
cause    = "this did not happen"
"#)
    .exits(1)
    .prints("the queue of ok is filling")
    .prints("opsbook queue status jobs")
    .never_shows("this did not happen");
}

#[test]
fn a_runbook_can_run_another_and_takes_its_verdict() {
    Project::new()
        .runbook(
            "t/inner",
            "[[step]]\nname = \"judge\"\nassert.that = \"false\"\nseverity = \"P3\"\n",
        )
        .runbook(
            "t/outer",
            "[[step]]\nname = \"call\"\nrunbook.run = \"t/inner\"\n",
        )
        .run(&["t", "outer"])
        .exits(1)
        .step("call/judge", "WARNING");
}

#[test]
fn runbooks_that_run_each_other_in_a_circle_are_refused_before_anything_runs() {
    Project::new()
        .runbook(
            "t/one",
            "[[step]]\nname = \"call\"\nrunbook.run = \"t/two\"\n",
        )
        .runbook(
            "t/two",
            "[[step]]\nname = \"call\"\nrunbook.run = \"t/one\"\n",
        )
        .run(&["t", "one"])
        .exits(78)
        .says("t/one");
}

#[test]
fn output_prints_the_rows_of_one_step_instead_of_the_table_of_steps() {
    Project::new()
        .file("data.sql", "CREATE TABLE people (name TEXT, age INTEGER); INSERT INTO people VALUES ('ada', 36), ('bob', 41);")
        .config("[database.main]\nkind = \"sqlite\"\npath = \"data.db\"\ncreate = \"data.sql\"\n")
        .runbook(
            "t/x",
            r#"
output = "people"
[[step]]
name      = "people"
sql.query = "SELECT name, age FROM people WHERE age > {{ 40 }}"
sql.on    = "main"
"#,
        )
        .run(&["t", "x"])
        .exits(0)
        .prints("name")
        .prints("bob")
        .never_shows("ada");
}

#[test]
fn an_artifact_is_written_whole() {
    let project = Project::new().runbook(
        "t/x",
        r#"
[[step]]
name      = "keep"
shell.run = "echo kept"
effect    = "read"
artifact  = { output = "stdout", path = "kept.txt" }
"#,
    );
    project.run(&["t", "x"]).exits(0);
    assert_eq!(project.read("kept.txt"), "kept\n");
}

#[test]
fn a_secret_is_shown_nowhere_in_no_form() {
    let project = Project::bare()
        .variable("MONITOR_TOKEN", "hunter2+hunter2")
        .config("[secret]\nmonitor = { env = \"MONITOR_TOKEN\" }\n")
        .runbook(
            "t/x",
            r#"
[[step]]
name        = "leak"
shell.run   = "printf '%s' {{ secret.monitor }}; printf '%s' {{ secret.monitor }} | base64 >&2"
effect      = "read"
expect      = "stdout == 'no'"
"#,
        );
    for format in ["table", "json", "jsonl"] {
        project
            .run(&["t", "x", "--format", format])
            .exits(2)
            .never_shows("hunter2")
            .never_shows("aHVudGVyMitodW50ZXIy");
    }
}

#[test]
fn foreign_output_cannot_steer_the_terminal() {
    run(r#"
[[step]]
name      = "evil"
shell.run = "printf '\\033]0;title\\007\\033[2J'; exit 1"
effect    = "read"
expect    = "code == 0"
"#)
    .exits(2)
    .never_shows("\u{1b}");
}

#[test]
fn an_assertion_of_constants_tells_itself() {
    Project::new()
        .runbook("t/x", "[[step]]\nname = \"a\"\nassert.that = \"1 == 2\"\n")
        .run(&["t", "x"])
        .exits(2)
        .prints("does not hold: 1 == 2");
}

/// What a caller hands over is as much a secret as what the configuration names: no other process may read it.
#[test]
fn a_secret_input_is_a_secret_to_every_expression() {
    let input = "[input.token]\ntype = \"secret\"\nenv = \"TOKEN\"\n[input.more]\ntype = \"secret\"\nenv = \"TOKEN\"\nmany = true\n";
    let project = Project::new()
        .variable("TOKEN", "hunter2hunter2")
        .runbook(
            "t/argv",
            &format!("{input}[[step]]\nname = \"a\"\ncommand.run = [\"echo\", \"{{{{ input.token }}}}\"]\n"),
        )
        .runbook(
            "t/item",
            &format!("{input}[[step]]\nname = \"a\"\ncommand.run = [\"echo\", \"{{{{ input.more[0] }}}}\"]\n"),
        )
        .runbook(
            "t/part",
            &format!("{input}[[step]]\nname = \"a\"\nshell.run = \"echo {{{{ input.token | upper }}}}\"\n"),
        )
        .runbook(
            "t/parent",
            &format!("{input}[[step]]\nname = \"a\"\nrunbook.run = \"t/argv\"\nrunbook.inputs = {{ token = \"{{{{ input.token }}}}\", more = \"x\" }}\n"),
        )
        .runbook(
            "t/variable",
            &format!("{input}[[step]]\nname = \"a\"\neffect = \"read\"\nshell.run = \"test {{{{ input.token }}}} = hunter2''hunter2\"\n"),
        );
    for runbook in ["argv", "item", "parent"] {
        project
            .run(&["t", runbook])
            .exits(3)
            .prints("secrets never go on a command line")
            .never_shows("hunter2");
    }
    project
        .run(&["t", "part"])
        .exits(3)
        .never_shows("HUNTER2HUNTER2");
    project.run(&["t", "variable"]).exits(0);
}

/// A question, a cause and the list of a `for_each` may speak of a secret as well as an action.
#[test]
fn a_secret_is_had_wherever_a_step_speaks_of_it() {
    let project = Project::bare()
        .variable("MONITOR_TOKEN", "hunter2+hunter2")
        .config("[secret]\nmonitor = { env = \"MONITOR_TOKEN\" }\n")
        .runbook(
            "t/confirm",
            "[[step]]\nname = \"a\"\nshell.run = \"true\"\nconfirm = \"With {{ secret.monitor }}?\"\n",
        )
        .runbook(
            "t/cause",
            "[[step]]\nname = \"a\"\nassert.that = \"true\"\n[[finding]]\nwhen = \"true\"\nseverity = \"P3\"\ncause = \"it is {{ secret.monitor }}\"\n",
        );
    project.run(&["t", "confirm", "--yes"]).exits(0);
    project
        .run(&["t", "cause"])
        .exits(1)
        .prints("it is ***")
        .never_shows("hunter2");
}

/// The part of a secret that is left before and after a cut is known to no mask.
#[test]
fn a_secret_that_is_cut_is_shown_in_no_part() {
    let secret = "0123456789abcdefghijklmnopqrstuvwxyz";
    let project = Project::bare()
        .variable("MONITOR_TOKEN", secret)
        .config("[secret]\nmonitor = { env = \"MONITOR_TOKEN\" }\n")
        .runbook(
            "t/x",
            r#"
[[step]]
name        = "flood"
shell.run   = """
s={{ secret.monitor }}
i=0
while test $i -lt 14; do s="$s$s"; i=$((i + 1)); done
echo "x$s$s"
"""
effect      = "read"
"#,
        );
    for format in ["table", "json", "jsonl"] {
        project
            .run(&["t", "x", "--format", format])
            .exits(0)
            .never_shows("cdefgh")
            .never_shows("234567");
    }
}

#[test]
fn a_file_is_found_under_a_path_without_detours() {
    let found = Project::new()
        .runbook(
            "t/x",
            "output = \"found\"\n[[step]]\nname = \"found\"\nfiles.find = \"runbooks/**/*.toml\"\n",
        )
        .run(&["--config", "./opsbook.toml", "t", "x", "--format", "json"])
        .exits(0)
        .json();
    let path = found["output"]["rows"][0][0].as_str().unwrap();
    assert!(path.ends_with("/runbooks/t/x.toml"), "{path}");
    assert!(!path.contains("/./"), "{path}");
}
