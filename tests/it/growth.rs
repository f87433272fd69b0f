//! How numbers have grown since somebody looked before: any number that a step has.

use serde_json::{Value, json};

use super::harness::Project;

/// A project whose command `look at N` compares N with what it was.
fn project(options: &str) -> Project {
    let step = format!(
        "[input.n]\ntype = \"float\"\nposition = 1\n[[step]]\nname = \"look\"\n\
         growth.of = {{ requests = \"input.n\", half = \"input.n / 2\" }}\ngrowth.name = \"requests\"\n{options}\n"
    );
    Project::new().runbook("look/at", &step)
}

/// What a look says: the step.
#[track_caller]
fn look(project: &Project, arguments: &[&str]) -> Value {
    let arguments = [&["look", "at"], arguments, &["--format", "json"]].concat();
    let json = project.run(&arguments).json();
    json["steps"][0].clone()
}

#[test]
fn a_number_is_compared_with_what_it_was_at_the_last_look() {
    let project = project("");
    let first = look(&project, &["10"]);
    assert_eq!(
        first["detail"],
        "half 5, for the first time, requests 10, for the first time"
    );
    let requests = &first["outputs"]["numbers"]["requests"];
    assert_eq!(
        requests,
        &json!({"name": "requests", "value": 10, "before": null, "grown": null, "percent": null, "since": null})
    );
    look(&project, &["99", "--dry-run"]);
    let second = look(&project, &["12.5"]);
    assert_eq!(second["detail"], "half 6.25 (+1.25), requests 12.5 (+2.5)");
    let requests = &second["outputs"]["numbers"]["requests"];
    assert_eq!(
        (
            &requests["before"],
            &requests["grown"],
            &requests["percent"]
        ),
        (&json!(10), &json!(2.5), &json!(25.0))
    );
    assert!(requests["since"].as_str().unwrap().ends_with('Z'));
    assert_eq!(second["outputs"]["rows"][1], *requests);
    let third = look(&project, &["0", "--read-only"]);
    assert_eq!(
        third["outputs"]["numbers"]["requests"]["grown"],
        json!(-12.5)
    );
    // There is no share of nothing.
    let fourth = look(&project, &["3"]);
    assert_eq!(
        fourth["outputs"]["numbers"]["requests"]["percent"],
        Value::Null
    );
}

#[test]
fn a_look_that_is_not_old_enough_is_nothing_to_compare_with() {
    let project = project("growth.since = \"1d\"");
    look(&project, &["10"]);
    let second = look(&project, &["20"]);
    assert_eq!(
        second["outputs"]["numbers"]["requests"]["before"],
        Value::Null
    );
}

#[test]
fn what_is_no_number_fails() {
    let step = "[[step]]\nname = \"look\"\ngrowth.of = { n = \"none\" }\ngrowth.name = \"x\"\n";
    let project = Project::new().runbook("look/at", step);
    let output = project.run(&["look", "at"]).exits(2);
    assert!(
        output.stdout.contains("n is no number: null"),
        "{}",
        output.stdout
    );
}
