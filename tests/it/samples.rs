//! What checks saw over time, told again: `health report`, baselines, and that no pruning of runs takes it away.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use opsbook::base::Status;
use opsbook::engine::{CheckState, Retention, Sample, SampleStore as _, Series};
use opsbook::store::SqliteJournal;

use crate::harness::{Output, Project};

/// A project whose service `api` has the checks `ping` and `queue`, with these keys more.
fn project(ping: &str, queue: &str) -> Project {
    let check = |name: &str, more: &str| {
        format!(
            "[[service.api.check]]\nname = \"{name}\"\ncommand.run = [\"true\"]\neffect = \"read\"\n{more}\n"
        )
    };
    Project::new().config(&format!(
        "project = \"test\"\n[service.api]\nurl = \"https://api.example.com\"\n{}{}",
        check("ping", ping),
        check("queue", queue)
    ))
}

/// Looks at a check of the project, the earliest first: how many minutes ago, how many milliseconds, what they said.
fn seen(project: &Project, check: &str, looks: &[(i64, f64, Status)], keep: TimeDelta) {
    let folder = project.state().join("opsbook");
    std::fs::create_dir_all(&folder).unwrap();
    let journal = SqliteJournal::open(folder.join("journal.db")).unwrap();
    let series = Series {
        project: "test".to_owned(),
        environment: String::new(),
        service: "api".to_owned(),
        check: check.to_owned(),
    };
    let now = Utc::now();
    let kept = |(ago, ms, told): &(i64, f64, Status)| {
        let at = now - TimeDelta::minutes(*ago);
        let sample = Sample {
            at,
            ms: Some(*ms),
            look: *told,
            told: *told,
        };
        let state = CheckState {
            told: *told,
            against: 0,
            since: at,
            last: at,
        };
        (series.clone(), sample, state)
    };
    let retention = Retention {
        samples_from: now - keep,
        hours_from: DateTime::UNIX_EPOCH,
    };
    let all: Vec<_> = looks.iter().map(kept).collect();
    journal.keep_samples(&all, &retention).unwrap();
}

/// For ever, as far as a test is concerned.
const ALL: TimeDelta = TimeDelta::days(10_000);

/// A look a minute, good ones, that take 1 ms, 2 ms and so on, the last of them a minute ago.
fn rising(count: i64) -> Vec<(i64, f64, Status)> {
    (1..=count)
        .map(|index| (count + 1 - index, index as f64, Status::Ok))
        .collect()
}

/// The row of a check.
#[track_caller]
fn row(output: &Output, check: &str) -> Value {
    let json = output.json();
    let rows = json["steps"][0]["outputs"]["rows"]
        .as_array()
        .unwrap_or_else(|| panic!("no rows\n{}", output.shown()));
    let row = rows.iter().find(|row| row["check"] == check);
    row.unwrap_or_else(|| panic!("no row of {check}\n{}", output.shown()))
        .clone()
}

/// The detail of the one step.
fn detail(output: &Output) -> String {
    output.json()["steps"][0]["detail"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn report(project: &Project, more: &[&str]) -> Output {
    project.run(&[&["health", "report", "--format", "json"], more].concat())
}

#[test]
fn checks_that_kept_to_their_objectives_are_green_with_exact_percentiles() {
    let goals = "objective = { availability = 99.0, p95 = \"95ms\", window = \"1d\" }";
    let project = project(goals, goals);
    seen(&project, "ping", &rising(100), ALL);
    seen(&project, "queue", &rising(20), ALL);
    let output = report(&project, &[]).exits(0);
    assert_eq!(detail(&output), "2 checks within their objectives");
    let row = row(&output, "ping");
    for (name, wanted) in [
        ("status", json!("ok")),
        ("availability", json!(100.0)),
        ("goal", json!(99.0)),
        ("goal_p95", json!(95.0)),
        ("p50", json!(50.0)),
        ("p95", json!(95.0)),
        ("p99", json!(99.0)),
        ("budget_left", json!(100.0)),
        ("outage", json!(null)),
        ("looks", json!(100)),
        ("exact", json!(true)),
    ] {
        assert_eq!(row[name], wanted, "{name}\n{row}");
    }
    project
        .run(&["health", "report", "web"])
        .exits(64)
        .says("no service \"web\"; the configuration has api");
}

#[test]
fn a_used_up_budget_is_critical_and_the_outage_is_told() {
    let project = project("objective = { availability = 99.0, window = \"1d\" }", "");
    let mut looks = rising(100);
    for down in [40, 41, 42] {
        looks[down].2 = Status::Critical;
    }
    seen(&project, "ping", &looks, ALL);
    seen(&project, "queue", &looks, ALL);
    let output = report(&project, &[]).exits(2);
    assert_eq!(detail(&output), "api ping: available 97 %, wanted 99 %");
    let ping = row(&output, "ping");
    assert_eq!(ping["status"], "critical");
    assert_eq!(ping["availability"], json!(97.0));
    assert_eq!(ping["budget"], "used up");
    let left = ping["budget_left"].as_f64().unwrap();
    assert!(
        (left + 200.0).abs() < 1e-6,
        "three times the budget: {left}"
    );
    assert_eq!(
        ping["outage_ms"],
        json!(180_000.0),
        "to the first good look"
    );
    assert!(ping["outage"].as_str().unwrap().starts_with("3 m 00 s, "));
    assert_eq!(
        row(&output, "queue")["status"],
        "ok",
        "nothing was asked of it"
    );
}

#[test]
fn a_part_of_the_budget_that_is_left_is_green() {
    let project = project("objective = { availability = 90, window = \"1d\" }", "");
    let mut looks = rising(40);
    looks[3].2 = Status::Affected;
    looks[4].2 = Status::Unknown;
    looks[5].2 = Status::Warning;
    seen(&project, "ping", &looks, ALL);
    let row = row(&report(&project, &[]).exits(0), "ping");
    // One of the 39 that could tell was down.
    assert_eq!(row["availability"], json!(97.435));
    let left = row["budget_left"].as_f64().unwrap();
    assert!((left - (100.0 - 1000.0 / 39.0)).abs() < 1e-6, "{left}");
    let shown = row["budget"].as_str().unwrap();
    assert!(shown.starts_with("74 %, 1 h 47 m"), "{shown}");
}

#[test]
fn slow_answers_are_a_warning() {
    let project = project("objective = { p95 = \"94ms\", window = \"1d\" }", "");
    seen(&project, "ping", &rising(100), ALL);
    let output = report(&project, &[]).exits(1);
    assert_eq!(detail(&output), "api ping: p95 is 95 ms, wanted 94ms");
    assert_eq!(row(&output, "ping")["status"], "warning");
}

#[test]
fn where_nobody_looked_nothing_is_known() {
    let project = project("", "");
    let output = report(&project, &[]).exits(3);
    assert!(detail(&output).starts_with("nobody has looked in that time"));
    seen(&project, "ping", &rising(3), ALL);
    let output = report(&project, &[]).exits(0);
    assert_eq!(row(&output, "queue")["status"], "unknown");
    assert_eq!(row(&output, "queue")["looks"], 0);
    assert_eq!(
        detail(&output),
        "1 check within its objective; nobody looked at 1"
    );
}

#[test]
fn a_report_looks_back_as_far_as_it_is_told() {
    let goals = "objective = { availability = 99, window = \"2h\" }";
    let project = project(goals, "objective = { availability = 99 }");
    let mut looks = vec![(60 * 24 * 3, 5.0, Status::Critical)];
    looks.extend(rising(30));
    seen(&project, "ping", &looks, ALL);
    report(&project, &["--since", "1d"]).exits(0);
    report(&project, &["--since", "7d"]).exits(2);
    report(&project, &[]).exits(0);
    let ping = row(&report(&project, &["--since", "7d"]), "ping");
    assert_eq!(ping["looks"], 31);
    // Thirty days where neither the report nor the objective says another time.
    seen(&project, "queue", &looks, ALL);
    report(&project, &[]).exits(2);
}

#[test]
fn what_was_folded_by_the_hour_is_told_within_one_per_cent() {
    let project = project("objective = { p95 = \"2s\", window = \"7d\" }", "");
    let looks = rising(1000);
    seen(&project, "ping", &looks, TimeDelta::hours(2));
    // It folds a bounded number each time.
    seen(
        &project,
        "ping",
        &[(0, 1.0, Status::Ok)],
        TimeDelta::hours(2),
    );
    let row = row(&report(&project, &[]).exits(0), "ping");
    assert_eq!(row["looks"], 1001);
    assert_eq!(row["exact"], false);
    for (name, exact) in [("p50", 500.0), ("p95", 950.0), ("p99", 990.0)] {
        let told = row[name].as_f64().unwrap();
        assert!((told / exact - 1.0).abs() < 0.011, "{name}: {told}");
    }
}

#[test]
fn a_report_is_a_table_and_markdown() {
    let project = project("", "");
    seen(&project, "ping", &rising(10), ALL);
    let markdown = project
        .run(&["health", "report", "--format", "markdown"])
        .exits(0);
    markdown
        .prints("| service | check | availability | goal | budget | p50 | p95 | p99 | trend | outage | seen |")
        .prints("| api | ping | 100.0 |  |  | 5.0 | 10.0 | 10.0 | ·········█ |");
    for width in ["80", "140"] {
        let mut command = project.command(&["health", "report"]);
        command.env("COLUMNS", width);
        let table = project.finish(command, &["health", "report"]).exits(0);
        let widest = table.stdout.lines().map(|line| line.chars().count()).max();
        assert!(widest <= width.parse().ok(), "{}", table.shown());
        table
            .prints("availability")
            .prints("·········█")
            .prints("seen");
    }
}

#[test]
fn what_health_saw_is_what_the_report_tells() {
    let project = project("", "");
    for _ in 0..3 {
        project.run(&["health"]).exits(0);
    }
    project.run(&["health", "--dry-run"]).exits(0);
    let output = report(&project, &[]).exits(0);
    assert_eq!(row(&output, "ping")["looks"], 3);
    assert_eq!(row(&output, "queue")["availability"], json!(100.0));
}

#[test]
fn pruning_runs_takes_no_sample_away() {
    let project = project("", "");
    seen(&project, "ping", &rising(100), TimeDelta::hours(1));
    project.run(&["health"]).exits(0);
    project
        .run(&["health", "baseline", "save", "before"])
        .exits(0);
    let before = row(&report(&project, &[]), "ping");
    project
        .run(&["runs", "prune", "--older-than", "0s", "--yes"])
        .exits(0);
    let left = project.run(&["runs", "list", "--format", "json"]);
    assert!(
        !left.stdout.contains("health/baseline/save"),
        "{}",
        left.shown()
    );
    let after = row(&report(&project, &[]), "ping");
    assert_eq!(
        (&after["looks"], &before["looks"]),
        (&json!(101), &json!(101))
    );
    project
        .run(&["health", "baseline", "list"])
        .exits(0)
        .prints("before");
    project.run(&["runs", "verify"]).exits(0);
}

/// Looks from so many minutes ago on, a minute apart, that take about so long; every so manieth of them is down.
fn about(from: i64, count: i64, ms: f64, down_every: i64) -> Vec<(i64, f64, Status)> {
    (0..count)
        .map(|index| {
            let is_down = down_every > 0 && index % down_every == 0;
            let told = if is_down {
                Status::Critical
            } else {
                Status::Ok
            };
            // Noise that is the same on all days.
            let noise = (index * 7919 % 101) as f64 / 101.0;
            (from - index, ms * (0.8 + 0.4 * noise), told)
        })
        .collect()
}

/// A project whose two checks had a good hour, which is kept as the baseline `before`.
fn with_baseline() -> Project {
    let project = project("", "");
    for check in ["ping", "queue"] {
        seen(&project, check, &about(120, 80, 50.0, 0), ALL);
    }
    let saved = project.run(&["health", "baseline", "save", "before", "--since", "3h"]);
    saved.exits(0);
    project
}

fn compared(project: &Project) -> Output {
    project.run(&[
        "health", "compare", "before", "--since", "35m", "--format", "json",
    ])
}

#[test]
fn a_baseline_is_kept_once_under_its_name() {
    let project = with_baseline();
    let save = ["health", "baseline", "save", "before", "--since", "3h"];
    project
        .run(&[&save[..], &["--format", "json"]].concat())
        .exits(0)
        .prints("before: 160 looks of 2 checks, in the place of an earlier one");
    let list = ["health", "baseline", "list", "--format", "json"];
    let output = project.run(&list).exits(0);
    assert_eq!(detail(&output), "1 baseline");
    let rows = &output.json()["steps"][0]["outputs"]["rows"];
    assert_eq!(
        (&rows[0]["name"], &rows[0]["looks"]),
        (&json!("before"), &json!(160))
    );
    project
        .run(&[
            "health",
            "baseline",
            "save",
            "other",
            "--since",
            "3h",
            "--dry-run",
        ])
        .exits(0);
    assert_eq!(
        detail(&project.run(&list)),
        "1 baseline",
        "a dry run keeps none"
    );
    let output = project
        .run(&["health", "compare", "befor", "--format", "json"])
        .exits(78);
    assert!(
        output.json()["steps"][0]["help"]
            .as_str()
            .unwrap()
            .contains("there are: before")
    );
}

#[test]
fn a_baseline_of_nothing_is_refused() {
    let project = project("", "");
    project
        .run(&["health", "baseline", "save", "x", "--format", "json"])
        .exits(3)
        .prints("nobody has looked in that time");
    assert_eq!(
        detail(&project.run(&["health", "baseline", "list", "--format", "json"])),
        "there are none; `opsbook health baseline save NAME` keeps one"
    );
}

#[test]
fn what_became_slower_since_is_a_warning_and_noise_is_none() {
    let project = with_baseline();
    seen(&project, "ping", &about(30, 30, 52.0, 0), ALL);
    seen(&project, "queue", &about(30, 30, 50.0, 0), ALL);
    let output = compared(&project).exits(0);
    assert_eq!(detail(&output), "2 checks no worse than before");
    let project = with_baseline();
    seen(&project, "ping", &about(30, 30, 52.0, 0), ALL);
    seen(&project, "queue", &about(30, 30, 90.0, 0), ALL);
    let output = compared(&project).exits(1);
    assert_eq!(detail(&output), "api queue: slower");
    assert_eq!(row(&output, "queue")["change"], "slower");
    assert_eq!(row(&output, "ping")["change"], "same");
}

#[test]
fn what_started_to_fail_since_is_critical_and_told_first() {
    let project = with_baseline();
    seen(&project, "ping", &about(30, 30, 90.0, 0), ALL);
    seen(&project, "queue", &about(30, 30, 50.0, 3), ALL);
    let output = compared(&project).exits(2);
    assert_eq!(detail(&output), "api queue: failing");
    let rows = &output.json()["steps"][0]["outputs"]["rows"];
    assert_eq!(rows[0]["change"], "failing");
    assert_eq!(rows[0]["failed"], json!(33.333));
    assert_eq!(rows[1]["change"], "slower");
}

#[test]
fn of_too_few_looks_nothing_is_said_yet() {
    let project = with_baseline();
    seen(&project, "ping", &about(30, 30, 50.0, 0), ALL);
    seen(&project, "queue", &about(30, 9, 500.0, 0), ALL);
    let output = compared(&project).exits(3);
    assert_eq!(detail(&output), "api queue: cannot tell yet");
    assert_eq!(row(&output, "ping")["change"], "same");
}

#[test]
fn a_baseline_outlives_the_looks_that_it_was_made_of() {
    let project = with_baseline();
    let folder = project.state().join("opsbook/journal.db");
    rusqlite::Connection::open(folder)
        .unwrap()
        .execute_batch("DELETE FROM samples; DELETE FROM hours;")
        .unwrap();
    for check in ["ping", "queue"] {
        seen(&project, check, &about(30, 30, 50.0, 0), ALL);
    }
    compared(&project).exits(0);
}
