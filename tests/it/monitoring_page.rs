//! `docs/monitoring.md`: every block of it is executed, or judged by the program that it is written for, as it stands there.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Output, Project};
use crate::http_server::{Answer, HttpServer};

/// The blocks of a page with the word behind their fence.
pub(crate) fn blocks() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/monitoring.md");
    let page = std::fs::read_to_string(path).unwrap();
    let fenced = page.split("\n```").skip(1).step_by(2);
    fenced
        .map(|block| {
            let (word, text) = block.split_once('\n').unwrap();
            (word.to_owned(), format!("{text}\n"))
        })
        .collect()
}

/// The blocks of one kind, which the page must have.
pub(crate) fn blocks_of(kind: &str) -> Vec<String> {
    let found = blocks().into_iter().filter(|(word, _)| word == kind);
    let found: Vec<String> = found.map(|(_, text)| text).collect();
    assert!(!found.is_empty(), "the page has no block of {kind}");
    found
}

/// An estate of two services, whose queue can be filled, and the paths of the page in it.
struct Estate {
    project: Project,
    _server: HttpServer,
}

impl Estate {
    fn with(pending: &'static str) -> Self {
        let server = HttpServer::scripted(move |_, request| match request.path.as_str() {
            "/queue" => Answer::Json(200, pending),
            _ => Answer::Json(200, "{}"),
        });
        let check = |service: &str, path: &str, rest: &str| {
            format!(
                "[service.{service}]\nurl = \"{}\"\n[[service.{service}.check]]\nname = \"look\"\nhttp.get = \"{path}\"\n{rest}",
                server.url()
            )
        };
        let config = format!(
            "project = \"test\"\n{}{}",
            check("local", "/health", ""),
            check(
                "api",
                "/queue",
                "warn = \"json.pending > 100\"\ncritical = \"json.pending > 500\"\n"
            )
        );
        let project = Project::bare().config(&config).file("state/kept", "");
        Self {
            project,
            _server: server,
        }
    }

    fn well() -> Self {
        Self::with(r#"{"pending": 1}"#)
    }

    fn warned() -> Self {
        Self::with(r#"{"pending": 142}"#)
    }

    fn critical() -> Self {
        Self::with(r#"{"pending": 1000}"#)
    }

    /// A text of the page with the paths that it names in this project.
    fn here(&self, text: &str) -> String {
        let folder = self.project.path("").display().to_string();
        text.replace("/usr/local/bin/opsbook", env!("CARGO_BIN_EXE_opsbook"))
            .replace("/etc/opsbook/", &folder)
            .replace("/var/lib/opsbook/", &format!("{folder}state/"))
            .replace(
                "/var/lib/prometheus/node-exporter/",
                &format!("{folder}state/"),
            )
    }

    /// Runs a line of a shell in the environment of a daemon: neither HOME nor anything else but this PATH.
    fn shell(&self, script: &str) -> Output {
        let bin = Path::new(env!("CARGO_BIN_EXE_opsbook")).parent().unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", &self.here(script)])
            .current_dir("/")
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        self.project.finish(command, &[script])
    }

    fn arguments(&self, arguments: &Value) -> Output {
        let words = arguments.as_array().unwrap().iter();
        let words: Vec<String> = words
            .map(|word| self.here(word.as_str().unwrap()))
            .collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir("/").env_clear();
        self.project.finish(command, &["(of the page)"])
    }
}

/// What Debian's YAML library for Python reads, as JSON.
fn yaml(text: &str) -> Value {
    const READ: &str = "import json, sys, yaml; json.dump(yaml.safe_load(sys.argv[1]), sys.stdout)";
    let output = Command::new("/usr/bin/python3")
        .args(["-c", READ, text])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{said}; run: sudo scripts/test\n{text}"
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_block_of_the_page_of_monitoring_is_of_a_kind_that_is_tried() {
    const TRIED: [&str; 11] = [
        "cron",
        "sh",
        "systemd-service",
        "systemd-timer",
        "nagios",
        "mrpe",
        "yaml",
        "json",
        "prometheus-rules",
        "toml",
        "text",
    ];
    for (kind, text) in blocks() {
        assert!(
            TRIED.contains(&kind.as_str()) || kind == "icinga",
            "nothing tries a block of {kind:?}\n{text}"
        );
    }
}

#[test]
fn the_lines_of_cron_are_silent_when_all_is_well_and_print_when_not() {
    let lines: Vec<String> = blocks_of("cron")
        .concat()
        .lines()
        .filter(|line| line.contains("opsbook --config"))
        .map(|line| line.splitn(6, ' ').last().unwrap().trim().to_owned())
        .collect();
    assert_eq!(lines.len(), 3);
    let estate = Estate::well();
    for line in &lines {
        let output = estate.shell(line).exits(0);
        assert_eq!(
            (output.stdout.as_str(), output.stderr.as_str()),
            ("", ""),
            "{line}"
        );
    }
    assert!(
        estate
            .project
            .read("state/opsbook.prom")
            .contains("opsbook_check_status")
    );
    let estate = Estate::warned();
    estate.shell(&lines[0]).exits(1).prints("pending 142 > 100");
    estate.shell(&lines[2]).exits(1).never_shows("pending 142");
}

#[test]
fn the_script_for_cron_prints_when_the_verdict_changes() {
    let script = blocks_of("sh").concat();
    let printed = |estate: &Estate| !estate.shell(&script).exits(0).stdout.is_empty();
    let (well, warned) = (Estate::well(), Estate::warned());
    let hand_over = |from: &Estate, to: &Estate| {
        let last = from.project.path("state/health.last");
        std::fs::copy(last, to.project.path("state/health.last")).unwrap();
    };
    assert_eq!([printed(&well), printed(&well)], [false, false]);
    hand_over(&well, &warned);
    assert_eq!([printed(&warned), printed(&warned)], [true, false]);
    hand_over(&warned, &well);
    assert_eq!([printed(&well), printed(&well)], [true, false]);
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units_and_their_command_runs() {
    let estate = Estate::well();
    let (service, timer) = (blocks_of("systemd-service"), blocks_of("systemd-timer"));
    let line = service[0]
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="))
        .unwrap();
    estate.shell(line).exits(0);
    // What it calls when it fails is the reader's own.
    let failed = "[Service]\nType=oneshot\nExecStart=/usr/bin/true\n";
    let project = Project::bare()
        .file("opsbook-health.service", estate.here(&service[0]))
        .file("opsbook-health.timer", &timer[0])
        .file("opsbook-failed@.service", failed);
    let mut verify = Command::new("systemd-analyze");
    verify
        .arg("verify")
        .arg(project.path("opsbook-health.timer"))
        .arg(project.path("opsbook-health.service"));
    let output = verify
        .output()
        .unwrap_or_else(|error| panic!("systemd-analyze: {error}; run: sudo scripts/test"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // An unknown key is only a warning to it.
    assert!(!said.contains("opsbook-"), "{said}");
}

#[test]
fn consul_sensu_and_checkmk_are_given_a_command_that_works() {
    let check: Value = serde_json::from_str(&blocks_of("json").concat()).unwrap();
    let sensu = yaml(&blocks_of("yaml")[0]);
    let sensu = sensu["spec"]["command"].as_str().unwrap();
    let mrpe = blocks_of("mrpe").concat();
    let mrpe = mrpe.split_once(' ').unwrap().1;
    for (estate, exit, state) in [
        (Estate::well(), 0, "OK - "),
        (Estate::warned(), 1, "WARNING - "),
        (Estate::critical(), 2, "CRITICAL - "),
    ] {
        estate
            .arguments(&check["check"]["args"])
            .exits(exit)
            .prints("look");
        for line in [sensu, mrpe] {
            let output = estate.shell(line).exits(exit);
            assert!(output.stdout.starts_with(state), "{}", output.shown());
            assert!(
                output.stdout.contains("'api/look.json.pending'="),
                "{}",
                output.shown()
            );
        }
    }
}

#[test]
fn a_probe_of_kubernetes_fails_for_what_is_critical_alone() {
    let pod = yaml(&blocks_of("yaml")[1]);
    let container = &pod["containers"][0];
    let probe = |estate: &Estate, kind: &str, exit: i32| {
        let probe = &container[kind];
        assert!(probe["timeoutSeconds"].as_u64() > Some(1));
        estate.arguments(&probe["exec"]["command"]).exits(exit);
    };
    probe(&Estate::well(), "readinessProbe", 0);
    probe(&Estate::warned(), "readinessProbe", 0);
    let critical = Estate::critical();
    probe(&critical, "readinessProbe", 2);
    probe(&critical, "livenessProbe", 0);
}

#[test]
fn promtool_takes_the_rules() {
    let project = Project::bare().file("rules.yml", blocks_of("prometheus-rules").concat());
    let output = Command::new("promtool")
        .args(["check", "rules"])
        .arg(project.path("rules.yml"))
        .output()
        .unwrap_or_else(|error| panic!("promtool: {error}; run: sudo scripts/test"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("2 rules found"),
        "{said}"
    );
}

#[test]
fn the_configuration_of_the_page_is_valid() {
    let config = format!("project = \"test\"\n{}", blocks_of("toml").concat());
    Project::bare().config(&config).run(&["lint"]).exits(0);
}

/// The metrics of the page are those that a run writes, each with its labels.
#[test]
fn the_page_has_every_metric_of_checks() {
    let estate = Estate::well();
    let output = estate
        .project
        .run(&["health", "--format", "prometheus"])
        .exits(0);
    let of_run: std::collections::BTreeSet<&str> = output
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .filter(|name| name.starts_with("opsbook_check_"))
        .collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/monitoring.md");
    let page = std::fs::read_to_string(path).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let of_page: std::collections::BTreeSet<&str> =
        rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(of_page, of_run);
}
