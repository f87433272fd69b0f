//! No secret leaks, whatever becomes of a run: every byte that it leaves behind is searched for every form of every secret.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use opsbook::report::FORMATS;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::harness::{Project, exit_code};
use crate::http_server::{Answer, HttpServer, Request};
use crate::terminal::Terminal;

/// Where secrets are planted; each place has one of its own.
const PLACES: [&str; 22] = [
    "header", "bearer", "basic", "query", "body", "leaf", "sql", "row", "shell", "variable",
    "stdin", "error", "redirect", "given", "program", "postgres", "pem", "told", "retried",
    "child", "finding", "path",
];

/// A secret with everything in it that some writer escapes.
fn secret(place: &str) -> String {
    let number = PLACES.iter().position(|known| *known == place).unwrap();
    let plain = format!("k{number:02}Zq/7+&<w>=%20\"'\\Q{number:02}Vb");
    match place {
        "pem" => format!("-----BEGIN {plain}\nMIIBVgIBADANBgkq{plain}\n-----END {plain}"),
        // What a header and a program's variable hold as they are.
        _ => plain,
    }
}

/// The forms in which a secret must not be found.
fn forms(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for line in secret.lines() {
        let json = serde_json::Value::from(line).to_string();
        let hex: String = line.bytes().map(|byte| format!("{byte:02x}")).collect();
        forms.extend([
            line.to_owned(),
            // A part is as bad as the whole.
            line[..9.min(line.len())].to_owned(),
            json[1..json.len() - 1].to_owned(),
            utf8_percent_encode(line, NON_ALPHANUMERIC).to_string(),
            url::form_urlencoded::byte_serialize(line.as_bytes()).collect(),
            hex.to_ascii_uppercase(),
            hex,
            line.replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;"),
        ]);
        for before in ["", "a", "ab"] {
            let first = (before.len() * 8).div_ceil(6);
            let end = (before.len() + line.len()) * 8 / 6;
            forms.push(STANDARD.encode(format!("{before}{line}"))[first..end].to_owned());
            forms.push(URL_SAFE_NO_PAD.encode(format!("{before}{line}"))[first..end].to_owned());
        }
    }
    // The frame of every key is no secret.
    forms.retain(|form| {
        !"-----BEGIN".starts_with(form.as_str()) && !"-----END".starts_with(form.trim())
    });
    forms
}

/// Finds every form of every secret.
struct Searcher {
    needles: Vec<(String, &'static str)>,
    automaton: AhoCorasick,
}

impl Searcher {
    fn new() -> Self {
        let needles: Vec<(String, &str)> = PLACES
            .iter()
            .flat_map(|place| {
                forms(&secret(place))
                    .into_iter()
                    .map(move |form| (form, *place))
            })
            .collect();
        let automaton = AhoCorasick::new(needles.iter().map(|(form, _)| form)).unwrap();
        Self { needles, automaton }
    }

    #[track_caller]
    fn finds_nothing_in(&self, what: &str, bytes: &[u8]) {
        if let Some(found) = self.automaton.find(bytes) {
            let (form, place) = &self.needles[found.pattern().as_usize()];
            let around =
                &bytes[found.start().saturating_sub(120)..bytes.len().min(found.end() + 40)];
            panic!(
                "{what}: the secret of {place:?} as {form:?} in\n{}",
                String::from_utf8_lossy(around)
            );
        }
    }

    /// Every file below a folder, and its name; but for those that a secret was put into on purpose.
    #[track_caller]
    fn finds_nothing_below(&self, folder: &Path) -> usize {
        let mut searched = 0;
        for path in files_below(folder) {
            let name = path.display().to_string();
            self.finds_nothing_in("the name of a file", name.as_bytes());
            if !name.contains("planted") {
                self.finds_nothing_in(&name, &std::fs::read(&path).unwrap());
                searched += 1;
            }
        }
        searched
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.symlink_metadata().unwrap().is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    files
}

/// A server that tells everything that it is told, in several forms.
fn gossip() -> HttpServer {
    HttpServer::scripted(|_, request| {
        let headers: BTreeMap<&str, &str> = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let path = request.path.as_str();
        let told = serde_json::json!({ "path": path, "headers": headers, "body": request.body });
        let answer = |status: &str, kind: &str, body: String| {
            Answer::Bytes(
                format!(
                    "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nx-echo: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    Request::header(request, "x-token").unwrap_or("none"),
                    body.len()
                )
                .into_bytes(),
            )
        };
        if path.starts_with("/redirect") {
            let to = utf8_percent_encode(&secret("redirect"), NON_ALPHANUMERIC).to_string();
            return Answer::Bytes(
                format!("HTTP/1.1 302 Found\r\nlocation: /landing?t={to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .into_bytes(),
            );
        }
        if path.starts_with("/html") {
            let page = format!(
                "<p>{}</p>",
                request
                    .body
                    .replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;")
            );
            return answer("401 Unauthorized", "text/html", page);
        }
        answer("200 OK", "application/json", told.to_string())
    })
}

/// Writes the command line of itself and of everything that started it.
const RECORD: &str = r#"#!/bin/sh
process=$$
while [ "$process" -gt 1 ]; do
    tr '\0' ' ' < /proc/$process/cmdline >> command-lines
    echo >> command-lines
    process=$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$process/status)
done
cat > /dev/null
"#;

/// Each step plants a secret, and goes on however it ends.
const STEPS: &str = r#"
on_failure = "stop"
[input.given]
type = "secret"
help = "handed over as a file"

[[step]]
name = "header"
http.get = "/header"
http.on = "plain"
http.headers = { x-token = "{{ secret.header }}" }
on_failure = "continue"
[[step]]
name = "bearer"
http.get = "/bearer"
http.on = "bearer"
expect = "json.headers.authorization == 'nobody'"
on_failure = "continue"
[[step]]
name = "basic"
http.get = "/basic"
http.on = "basic"
warn = "json.headers.authorization != 'nobody'"
on_failure = "continue"
[[step]]
name = "query"
http.get = "/query?t={{ secret.query }}"
http.on = "plain"
on_failure = "continue"
save = { query = "json" }
[[step]]
name = "body"
http.post = "/html"
http.on = "plain"
http.body = "{{ secret.body }}"
on_failure = "continue"
[[step]]
name = "leaf"
http.post = "/leaf"
http.on = "plain"
http.json = { deep = [{ token = "{{ secret.leaf }}" }] }
artifact = { output = "body", path = "leaf.json" }
on_failure = "continue"
[[step]]
name = "redirect"
http.get = "/redirect"
http.on = "plain"
on_failure = "continue"
[[step]]
name = "sql"
sql.query = "SELECT {{ secret.sql }} AS value, hex({{ secret.sql }}) AS hexadecimal"
on_failure = "continue"
[[step]]
name = "row"
sql.query = "SELECT token FROM tokens"
on_failure = "continue"
[[step]]
name = "shell"
shell.run = "printf '%s\\n' {{ secret.shell }}; printf 'x%s' {{ secret.shell }} | base64 -w0; printf %s {{ secret.shell }} | od -An -v -tx1 | tr -d ' \\n'"
on_failure = "continue"
[[step]]
name = "variable"
command.run = ["sh", "-c", "./record < /dev/null; echo $A; echo $A >&2; exit 3"]
command.env = { A = "{{ secret.variable }}" }
on_failure = "continue"
[[step]]
name = "stdin"
command.run = ["tee", "copied-planted"]
command.stdin = "{{ secret.stdin }}"
artifact = { output = "stdout", path = "stdin.txt" }
on_failure = "continue"
[[step]]
name = "error"
command.run = ["sh", "-c", "ls /nowhere/$A"]
command.env = { A = "{{ secret.error }}" }
on_failure = "continue"
[[step]]
name = "program"
command.run = ["sh", "-c", "echo 90 % $A; printf %s $A; exit 1"]
command.env = { A = "{{ secret.program }}" }
on_failure = "continue"
[[step]]
name = "pem"
command.run = ["sh", "-c", "printf '%s\\n' \"$A\" | sed 's/^/  /'; exit 1"]
command.env = { A = "{{ secret.pem }}" }
on_failure = "continue"
[[step]]
name = "given"
command.run = ["sh", "-c", "cat; exit 9"]
command.stdin = "user={{ input.given }}"
on_failure = "continue"
[[step]]
name = "postgres"
database.ping = "pg"
on_failure = "continue"
[[step]]
name = "told"
command.run = ["sh", "-c", "printf '%s' \"$A\""]
command.env = { A = "{{ secret.told }}" }
[[step]]
name = "argument"
command.run = ["./record", "{{ steps.told.stdout }}"]
on_failure = "continue"
[[step]]
name = "file-name"
command.run = ["true"]
artifact = { output = "stdout", path = "out/{{ steps.told.stdout }}" }
on_failure = "continue"
[[step]]
name = "detail"
assert.that = "steps.told.stdout == 'something else'"
on_failure = "continue"
[[step]]
name = "each"
for_each.item = "[steps.told.stdout, 'b']"
shell.run = "echo {{ item }}; exit 1"
on_failure = "continue"
[[step]]
name = "retried"
shell.run = "echo {{ secret.retried }} >&2; exit 1"
retry = { attempts = 2, delay = "1ms" }
on_failure = "continue"
[[step]]
name = "child"
runbook.run = "t/child"
runbook.inputs = { plain = "{{ steps.told.stdout }}" }
on_failure = "continue"
[[step]]
name = "question"
command.run = ["true"]
confirm = "Really {{ steps.told.stdout }} and {{ secret.told }}?"
on_failure = "continue"
[[finally]]
name = "record"
command.run = ["./record"]
command.stdin = "{{ secret.path }}"
command.env = { A = "{{ secret.path }}" }
[[finding]]
when = "steps.told.code == 0"
cause = "it is {{ steps.told.stdout }} and {{ secret.finding }}"
remedy = "fix {{ steps.told.stdout }}"
"#;

const CHILD: &str = r#"
[input.plain]
type = "string"
help = "a text that holds a secret"
[[step]]
name = "inner"
shell.run = "echo {{ input.plain }} {{ secret.child }} >&2; exit 1"
"#;

struct Planted {
    project: Project,
    /// Tells what it is told for as long as the project is used.
    _server: HttpServer,
}

impl Planted {
    /// A project with all the secrets; `last` follows its steps.
    fn with(last: &str) -> Self {
        let server = gossip();
        let mut config = format!(
            "store = \"../state/journal.db\"\n[database.main]\nkind = \"sqlite\"\npath = \"planted.db\"\ncreate = \"planted.sql\"\n\
             [database.pg]\nkind = \"postgres\"\nurl = \"postgres://user:{{{{ secret.postgres }}}}@127.0.0.1:1/x\"\n\
             [service.plain]\nurl = \"{0}\"\n[service.bearer]\nurl = \"{0}\"\nauth.bearer = \"{{{{ secret.bearer }}}}\"\n\
             [service.basic]\nurl = \"{0}\"\nauth.basic = {{ user = \"monitor\", password = \"{{{{ secret.basic }}}}\" }}\n[secret]\n",
            server.url()
        );
        let mut project = Project::bare();
        for place in PLACES.iter().filter(|place| **place != "given") {
            match *place {
                "pem" => config.push_str("pem = { file = \"planted.pem\" }\n"),
                "program" => config.push_str(
                    "program = { command = [\"sh\", \"-c\", \"./record < /dev/null; cat planted.program; cat planted.program >&2\"] }\n",
                ),
                _ => {
                    config.push_str(&format!("{place} = {{ env = \"PLANTED_{place}\" }}\n"));
                    project = project.variable(&format!("PLANTED_{place}"), secret(place));
                }
            }
        }
        let quoted = secret("row").replace('\'', "''");
        let project = project
            .variable("TMPDIR", "../runtime")
            .config(&config)
            .file(
                "planted.sql",
                format!(
                    "CREATE TABLE tokens (token TEXT);\nINSERT INTO tokens VALUES ('{quoted}');\n"
                ),
            )
            .file("planted.pem", secret("pem"))
            .file("planted.program", secret("program"))
            .file("planted.given", secret("given"))
            .file("record", RECORD)
            .runbook("t/child", CHILD)
            .runbook(
                "t/x",
                &STEPS.replace("[[finally]]", &format!("{last}\n[[finally]]")),
            );
        std::fs::set_permissions(
            project.path("record"),
            std::fs::Permissions::from_mode(0o755),
        )
        .unwrap();
        Self {
            project,
            _server: server,
        }
    }

    /// The command line of a run that writes every kind of report.
    fn line<'a>(&self, more: &[&'a str], reports: &'a [String]) -> Vec<&'a str> {
        let mut line = vec!["t", "x", "--given", "@planted.given"];
        line.extend(more);
        for report in reports {
            line.extend(["--report", report]);
        }
        line
    }

    fn root(&self) -> PathBuf {
        self.project.path("").join("..").canonicalize().unwrap()
    }
}

fn all_reports(run: &str) -> Vec<String> {
    FORMATS
        .iter()
        .map(|format| format!("{0}=report-{run}.{0}", format.name))
        .collect()
}

#[test]
fn no_run_leaves_a_secret_behind_however_it_ends() {
    let searcher = Searcher::new();
    let planted = Planted::with("");
    let mut run = 0;
    let mut looks = |more: &[&str]| {
        run += 1;
        let reports = all_reports(&run.to_string());
        let output = planted.project.run(&planted.line(more, &reports));
        assert!((1..=75).contains(&output.code), "{}", output.shown());
        searcher.finds_nothing_in("stdout", output.stdout.as_bytes());
        searcher.finds_nothing_in("stderr", output.stderr.as_bytes());
        output
    };
    let output = looks(&["-vvv"]);
    assert!(output.stdout.contains("***"), "{}", output.shown());
    looks(&["-vvv", "--log-format", "json", "--yes"]);
    looks(&["--dry-run", "-vv"]);
    for format in FORMATS {
        looks(&["--yes", "--format", format.name]);
    }
    // What is shown later is what was kept.
    for format in FORMATS {
        for number in ["1", "2", "3"] {
            for verb in ["show", "replay"] {
                let line = ["runs", verb, number, "--format", format.name];
                let output = planted.project.run(&line);
                searcher.finds_nothing_in("a replay", output.stdout.as_bytes());
                searcher.finds_nothing_in("a replay", output.stderr.as_bytes());
            }
        }
    }
    for line in [
        &["show", "t", "x"][..],
        &["runs", "list"],
        &["lint"],
        &["t", "x", "--help"],
    ] {
        let output = planted.project.run(line);
        searcher.finds_nothing_in(
            &line.join(" "),
            format!("{}{}", output.stdout, output.stderr).as_bytes(),
        );
    }
    let searched = searcher.finds_nothing_below(&planted.root());
    assert!(searched > FORMATS.len(), "{searched}");
    // The steps did what they should: the tests would find nothing in what never ran.
    let lines = planted.project.read("command-lines");
    assert!(
        lines.contains("opsbook t x --given @planted.given"),
        "{lines}"
    );
    assert!(planted.project.read("leaf.json").contains("***"));
    let copied = planted.project.read("copied-planted");
    assert_eq!(copied, secret("stdin"));
}

#[test]
fn a_run_that_is_cut_off_leaves_no_secret_behind() {
    let searcher = Searcher::new();
    // The last step tells of itself and then hangs.
    let last = "[[step]]\nname = \"hang\"\nshell.run = \"echo {{ secret.shell }}; echo {{ secret.shell }} >&2; touch hanging; sleep 600\"\n";
    for signal in [
        None,
        Some(Signal::SIGINT),
        Some(Signal::SIGTERM),
        Some(Signal::SIGKILL),
    ] {
        let planted = Planted::with(last);
        let reports = all_reports("cut");
        let timeout: &[&str] = if signal.is_none() {
            &["--timeout", "3s", "--yes"]
        } else {
            &["--yes", "-vvv"]
        };
        let child = planted
            .project
            .command(&planted.line(timeout, &reports))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        let (sender, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        if let Some(signal) = signal {
            let marker = planted.project.path("hanging");
            let begun = std::time::Instant::now();
            while !marker.exists() {
                assert!(
                    begun.elapsed() < crate::harness::WATCHDOG,
                    "the last step never begins"
                );
                std::thread::yield_now();
            }
            kill(pid, signal).unwrap();
        }
        let output = ended
            .recv_timeout(crate::harness::WATCHDOG)
            .unwrap()
            .unwrap();
        let expected = match signal {
            None => 2,
            Some(signal) => 128 + signal as i32,
        };
        assert_eq!(
            exit_code(output.status),
            expected,
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        searcher.finds_nothing_in("stdout", &output.stdout);
        searcher.finds_nothing_in("stderr", &output.stderr);
        searcher.finds_nothing_below(&planted.root());
    }
}

#[test]
fn a_hidden_answer_is_masked_from_then_on() {
    let project = Project::new().runbook(
        "t/x",
        r#"
[[step]]
name = "ask"
ask.text = "What is the password?"
ask.hidden = true
[[step]]
name = "use"
shell.run = "echo {{ steps.ask.answer }}; echo {{ steps.ask.answer }} | base64 >&2; exit 1"
on_failure = "continue"
[[step]]
name = "argument"
command.run = ["echo", "{{ steps.ask.answer }}"]
on_failure = "continue"
[[step]]
name = "question"
command.run = ["true"]
confirm = "Really {{ steps.ask.answer }}?"
[[step]]
name = "login"
shell.run = "printf '{\"token\": \"tok-%s-%s\"}\\n' 4711 4711; test -e again || { touch again; exit 1; }"
sensitive = true
retry = { attempts = 2, delay = "300ms" }
[[step]]
name = "echoed"
shell.run = "echo {{ steps.login.json.token }}"
"#,
    );
    let mut terminal = Terminal::start(&project, &["t", "x", "-v"]);
    terminal.wait_for("password?");
    terminal.press("hunter2-hunter2\r");
    terminal.wait_for("Really ***?");
    terminal.press("y\r");
    let (code, seen) = terminal.end();
    assert_eq!(code, 2, "{seen}");
    assert!(seen.contains("***"), "{seen}");
    let kept = files_below(&project.state())
        .into_iter()
        .map(|path| std::fs::read(path).unwrap());
    let all: Vec<u8> = kept.flatten().chain(seen.into_bytes()).collect();
    for hidden in ["hunter2", "aHVudGVyMi1odW50ZXIy", "tok-4711"] {
        assert!(
            !all.windows(hidden.len())
                .any(|part| part == hidden.as_bytes()),
            "{hidden}"
        );
    }
}

#[test]
fn an_error_before_any_secret_is_known_shows_none() {
    let failing = "[secret]\nx = { command = [\"sh\", \"-c\", \"echo denied for $DATABASE_PASSWORD >&2; exit 1\"] }\n";
    let steps = "[[step]]\nname = \"a\"\ncommand.run = [\"true\"]\ncommand.env = { A = \"{{ secret.x }}\" }\n";
    let project = Project::bare().config(failing).runbook("t/x", steps);
    project
        .variable("DATABASE_PASSWORD", "hunter2-hunter2")
        .run(&["t", "x"])
        .exits(3)
        .says("denied for ***")
        .never_shows("hunter2");
    for (config, says) in [
        (
            "[secret]\nmonitor = \"hunter2-hunter2\"\n",
            "expected where secret \"monitor\" comes from",
        ),
        (
            "[service.api]\nurl = \"https://user:hunter2-hunter2@api.example.com\"\n",
            "holds a user's name or password",
        ),
        (
            "[service.api]\nurl = \"https://api.example.com\"\nauth.bearre = \"hunter2-hunter2\"\ntoken = \"hunter2-hunter2\"\n",
            "unknown key",
        ),
        (
            "[database.main]\nkind = \"postgres\"\nurl = \"postgres://u:hunter2-hunter2@db/x\"\nnmae = 1\n",
            "nmae",
        ),
    ] {
        let project = Project::bare().config(config).runbook("t/x", steps);
        for line in [&["t", "x"][..], &["list"], &["lint"]] {
            let output = project.run(line).never_shows("hunter2");
            if line[0] == "t" {
                output.exits(78).says(says);
            }
        }
    }
}

#[test]
fn what_opsbook_keeps_only_the_user_can_read() {
    let project = Project::new().runbook(
        "t/x",
        "[[step]]\nname = \"a\"\nshell.run = \"touch hanging; sleep 600\"\n",
    );
    let inner = project.command(&["t", "x"]);
    let mut child = std::process::Command::new("sh")
        .args(["-c", "umask 000; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(project.path(""))
        .env_clear()
        .envs(
            inner
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = std::time::Instant::now();
    while !project.path("hanging").exists() {
        assert!(
            begun.elapsed() < crate::harness::WATCHDOG,
            "the step never begins"
        );
        std::thread::yield_now();
    }
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = project.state().join("opsbook");
    assert_eq!(mode(&folder), 0o700);
    let files = files_below(&folder);
    let names: Vec<_> = files.iter().filter_map(|path| path.extension()).collect();
    assert!(
        names.iter().any(|name| *name == "db-wal") && names.iter().any(|name| *name == "db-shm"),
        "{files:?}"
    );
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    child.wait().unwrap();
}
