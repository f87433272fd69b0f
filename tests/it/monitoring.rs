//! `opsbook health` as a plugin of a real Nagios Core: in the environment that it gives, as a user that owns nothing else.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::{WATCHDOG, exit_code};
use crate::http_server::{Answer, HttpServer};
use crate::monitoring_page::blocks_of;

/// Nagios refuses to work as root.
const USER: &str = "nobody";

/// One service of Nagios for each service of the estate, one for several, one whose time is over, and one that cannot begin.
const CHECKS: [(&str, &str); 7] = [
    ("web", "web"),
    ("queue", "queue"),
    ("api", "api"),
    ("auth", "auth"),
    ("several", "web queue api auth"),
    ("late", "hole"),
    ("typo", "wbe"),
];

fn estate(url: &str) -> String {
    format!(
        r#"
project = "estate"
[service.web]
url = "{url}"
[[service.web.check]]
name = "front page"
http.get = "/ok"
expect = "status == 200"
warn = "ms > 60000"
critical = "ms >= 90000"

[service.queue]
url = "{url}"
[[service.queue.check]]
name = "pending"
http.get = "/queue"
warn = "json.pending > 100"
critical = "json.pending > 500"
save = {{ lag_ms = "json.lag" }}

[service.api]
url = "{url}"
[[service.api.check]]
name = "liveness"
http.get = "/down"
expect = "status == 200"
cause = "the service | is down"
remedy = "queue status jobs"
[[service.api.check]]
name = "readiness"
http.get = "/down"
expect = "status == 200"
needs = ["api/liveness"]

[service.auth]
url = "{url}"
[[service.auth.check]]
name = "sessions"
http.get = "/ok"
warn = "json.sessions > 5"

[service.hole]
url = "{url}"
[[service.hole.check]]
name = "answer"
http.get = "/never"
"#
    )
}

fn server() -> HttpServer {
    HttpServer::scripted(|_, request| match request.path.as_str() {
        "/queue" => Answer::Json(200, r#"{"pending": 142, "lag": 7}"#),
        "/down" => Answer::Json(503, r#"{"status": "down"}"#),
        "/never" => Answer::Never,
        _ => Answer::Json(200, r#"{"status": "healthy"}"#),
    })
}

/// The definitions of the page, for each of the services, with what they lean on.
fn objects(program: &Path, folder: &Path) -> String {
    let page = blocks_of("nagios").concat();
    let (command, service) = page.split_at(page.find("define service").unwrap());
    let command = command
        .replace("/usr/local/bin/opsbook", &program.display().to_string())
        .replace("/etc/opsbook", &folder.display().to_string())
        .replace("/var/lib/opsbook", &folder.display().to_string());
    let limited = command
        .replace("opsbook-health", "opsbook-late")
        .replace("--timeout 50s", "--timeout 1s");
    let services = CHECKS.map(|(name, services)| {
        let own = match name {
            "late" => "opsbook-late",
            _ => "opsbook-health",
        };
        service
            .replace("opsbook-health!api", &format!("{own}!{services}"))
            .replace("  api\n", &format!("  {name}\n"))
    });
    let days = [
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ];
    let days = days.map(|day| format!("  {day} 00:00-24:00\n")).concat();
    let usual = "  check_period always\n  notification_period always\n  contacts operator\n";
    format!(
        "{command}{limited}{}\
         define timeperiod {{\n  timeperiod_name always\n  alias always\n{days}}}\n\
         define contact {{\n  contact_name operator\n  host_notification_period always\n  service_notification_period always\n  \
         host_notification_options n\n  service_notification_options n\n  host_notification_commands opsbook-health\n  \
         service_notification_commands opsbook-health\n}}\n\
         define host {{\n  host_name web-1\n  address 127.0.0.1\n  max_check_attempts 1\n{usual}}}\n\
         define service {{\n  name generic-service\n  register 0\n  check_interval 60\n  retry_interval 60\n{usual}}}\n",
        services.concat()
    )
}

/// Nothing of the machine's own Nagios is read or written, and nothing is asked of the network.
fn settings(folder: &Path) -> String {
    let files: String = [
        ("log_file", "nagios.log"),
        ("cfg_file", "objects.cfg"),
        ("object_cache_file", "objects.cache"),
        ("precached_object_file", "objects.precache"),
        ("status_file", "status.dat"),
        ("command_file", "nagios.cmd"),
        ("lock_file", "nagios.lock"),
        ("temp_file", "nagios.tmp"),
        ("temp_path", ""),
        ("check_result_path", "results"),
        ("query_socket", "nagios.qh"),
    ]
    .map(|(key, name)| format!("{key}={}\n", folder.join(name).display()))
    .concat();
    format!(
        "{files}status_update_interval=1\ncheck_external_commands=0\nexecute_host_checks=0\nenable_notifications=0\n\
         retain_state_information=0\ncheck_for_updates=0\nservice_inter_check_delay_method=n\nuse_syslog=0\n\
         illegal_macro_output_chars=`~$&|'\"<>\n"
    )
}

/// A Nagios in a folder of its own, until it is dropped.
struct Nagios {
    child: Child,
    folder: TempDir,
    _program: TempDir,
}

impl Nagios {
    fn watching(url: &str) -> Self {
        let (program_folder, program) = program();
        let folder = TempDir::with_prefix_in("opsbook-nagios-", "/tmp").unwrap();
        let path = folder.path();
        std::fs::create_dir(path.join("results")).unwrap();
        std::fs::write(path.join("opsbook.toml"), estate(url)).unwrap();
        std::fs::write(path.join("objects.cfg"), objects(&program, path)).unwrap();
        std::fs::write(path.join("nagios.cfg"), settings(path)).unwrap();
        let is_root = nix::unistd::geteuid().is_root();
        let mut command = if is_root {
            let given = Command::new("chown")
                .args(["-R", &format!("{USER}:nogroup")])
                .arg(path)
                .status();
            assert!(given.unwrap().success());
            let mut command = Command::new("/usr/bin/setpriv");
            command.args(["--reuid", USER, "--regid", "nogroup", "--clear-groups"]);
            command.arg("/usr/sbin/nagios4");
            command
        } else {
            Command::new("/usr/sbin/nagios4")
        };
        // What init gives is not much more: neither HOME nor PATH.
        let child = command
            .arg(path.join("nagios.cfg"))
            .current_dir(path)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(path.join("said")).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("nagios4: {error}; run: sudo scripts/test"));
        Self {
            child,
            folder,
            _program: program_folder,
        }
    }

    /// What it knows of each service, once it has looked at all of them.
    fn services(&mut self) -> BTreeMap<String, BTreeMap<String, String>> {
        let began = Instant::now();
        loop {
            // It is written whole: renamed into place.
            let status = std::fs::read_to_string(self.folder.path().join("status.dat"));
            let services = services_in(&status.unwrap_or_default());
            let looked = services.values();
            let looked = looked.filter(|service| service["has_been_checked"] == "1");
            if looked.count() == CHECKS.len() {
                return services;
            }
            let ended = self.child.try_wait().unwrap();
            let said = || std::fs::read_to_string(self.folder.path().join("said"));
            assert!(
                ended.is_none() && began.elapsed() < WATCHDOG,
                "Nagios has not looked at every service: {ended:?}\n{}",
                said().unwrap_or_default()
            );
            #[expect(
                clippy::disallowed_methods,
                reason = "Nagios tells what it saw by a file alone, and nothing of ours runs meanwhile"
            )]
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends it as an operator would, by its process.
    fn stop(mut self) -> i32 {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        exit_code(self.child.wait().unwrap())
    }
}

impl Drop for Nagios {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary where another user can reach it, wherever the checkout lies.
fn program() -> (TempDir, PathBuf) {
    let folder = TempDir::with_prefix_in("opsbook-bin-", "/tmp").unwrap();
    let readable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), readable).unwrap();
    let own = Path::new(env!("CARGO_BIN_EXE_opsbook"));
    let program = folder.path().join("opsbook");
    if std::fs::hard_link(own, &program).is_err() {
        std::fs::copy(own, &program).unwrap();
    }
    (folder, program)
}

/// The services in Nagios' `status.dat`, by their names.
fn services_in(status: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    status
        .split("servicestatus {")
        .skip(1)
        .filter_map(|block| {
            let lines = block.split("\n\t}").next()?.lines();
            let fields: BTreeMap<String, String> = lines
                .filter_map(|line| line.trim().split_once('='))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
            Some((fields.get("service_description")?.clone(), fields))
        })
        .collect()
}

/// Lengths of time replaced, which differ from run to run.
fn timeless(text: &str) -> String {
    let time = regex::Regex::new(r"=[0-9.]+(ms|s);").unwrap();
    time.replace_all(text, "=[TIME]$1;").into_owned()
}

#[test]
fn nagios_core_reads_state_text_and_performance_data() {
    let server = server();
    let mut nagios = Nagios::watching(&server.url());
    let services = nagios.services();
    let of = |service: &str, key: &str| timeless(&services[service][key]);
    let states = CHECKS.map(|(service, _)| of(service, "current_state"));
    assert_eq!(states, ["0", "1", "2", "3", "2", "2", "2"], "{services:#?}");

    assert_eq!(of("web", "plugin_output"), "OK - 1 check: 1 ok");
    assert_eq!(
        of("web", "performance_data"),
        "'time'=[TIME]s;;;0 'web/front page'=[TIME]ms;60000;@90000:;0"
    );
    assert!(of("web", "long_plugin_output").starts_with("web front page: ok"));

    assert_eq!(
        of("queue", "plugin_output"),
        "WARNING - queue pending: json.pending 142 > 100 (1 of 1 check bad)"
    );
    assert_eq!(
        of("queue", "performance_data"),
        "'time'=[TIME]s;;;0 'queue/pending'=[TIME]ms;;;0 'queue/pending.lag_ms'=[TIME]ms;;;0 \
         'queue/pending.json.pending'=142;~:100;~:500;"
    );

    assert_eq!(
        of("api", "plugin_output"),
        "CRITICAL - api liveness: status is 503, expected 200 (1 of 2 checks bad)"
    );
    let long = of("api", "long_plugin_output");
    let lines: Vec<&str> = long.split("\\n").collect();
    assert_eq!(
        lines[0],
        "api liveness: CRITICAL status is 503, expected 200"
    );
    assert!(
        lines.contains(&"  → opsbook queue status jobs") && long.contains("the service ¦ is down"),
        "{long}"
    );
    assert!(
        lines
            .last()
            .unwrap()
            .starts_with("api readiness: affected needs api/liveness"),
        "{long}"
    );

    assert!(
        of("auth", "plugin_output").starts_with("UNKNOWN - auth sessions: "),
        "{services:#?}"
    );
    assert!(of("auth", "performance_data").ends_with(" 'auth/sessions.json.sessions'=U;~:5;;"));

    // The time that Nagios gives is never needed: a limit of its own ends the run, and says at what it still looked.
    assert!(
        of("late", "plugin_output").ends_with("its time was over"),
        "{services:#?}"
    );
    assert!(
        of("late", "long_plugin_output").contains("hole answer: UNKNOWN its time was over"),
        "{services:#?}"
    );
    // What cannot begin has no state in the convention, and Nagios takes that for the worst.
    assert!(
        of("typo", "plugin_output").contains("out of bounds")
            && of("typo", "long_plugin_output").is_empty(),
        "{services:#?}"
    );
    assert_eq!(nagios.stop(), 0);
}
