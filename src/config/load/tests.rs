//! Files that are read, and the exact words about those that are wrong.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::{load_all, parse};
use crate::base::{Effect, SourceFile, Span};
use crate::config::{Auth, Config, DatabaseKind, SecretSource, scope_values};
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, Reference, VerbSpec, Vocabulary};

const fn verb(name: &'static str, object: Kind, effect: EffectRule) -> VerbSpec {
    VerbSpec {
        name,
        summary: "",
        object,
        effect,
        options: &[],
        outputs: &[],
    }
}

const fn action(
    name: &'static str,
    verbs: &'static [VerbSpec],
    options: &'static [OptionSpec],
) -> ActionSpec {
    ActionSpec {
        name,
        summary: "",
        verbs,
        options,
        outputs: &[],
        timeout: None,
    }
}

static HTTP: ActionSpec = action(
    "http",
    &[
        verb("get", Kind::Url, EffectRule::Always(Effect::Read)),
        verb("post", Kind::Url, EffectRule::Always(Effect::Write)),
    ],
    &[OptionSpec {
        name: "on",
        kind: Kind::Reference(Reference::Service),
        required: false,
        help: "",
    }],
);
static SQL: ActionSpec = action("sql", &[verb("execute", Kind::Sql, EffectRule::OfSql)], &[]);
static COMMAND: ActionSpec = action(
    "command",
    &[verb("run", Kind::Argv, EffectRule::Unless(Effect::Write))],
    &[],
);
const VOCABULARY: Vocabulary = Vocabulary(&[&HTTP, &SQL, &COMMAND]);

fn read(text: &str, environment: Option<&str>) -> Result<Config, String> {
    let source = SourceFile::new("estate/opsbook.toml", text);
    parse(source, environment, VOCABULARY).map_err(|mistakes| mistakes.to_string())
}

fn config(text: &str) -> Config {
    read(text, None).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn mistakes(text: &str) -> String {
    read(text, None).expect_err("the file is wrong")
}

const WHOLE: &str = r#"
project = "concierge"
default_environment = "production"
store = "state/opsbook.db"
runbooks = "/srv/runbooks"

[environment.production]
protected = true

[environment.staging]
service.api.url = "https://staging.example.com"
service.api.auth.basic = { user = "ops", password = "{{ secret.monitor }}" }
database.main = { kind = "sqlite", path = "staging.db" }
secret.monitor = { file = "monitor.txt" }
queue.jobs.name = "jobs-staging"

[secret]
monitor = { env = "MONITOR_TOKEN" }
vault = { command = ["pass", "show", "ops"] }

[service.api]
url = "https://api.example.com/v1/"
auth.bearer = "{{ secret.monitor }}"
headers = { X-Team = "ops" }
timeout = "5s"

[[service.api.check]]
name = "liveness"
http.get = "/health"
expect = "status == 200"

[[service.api.check]]
name = "disk"
command.run = ["df"]
effect = "read"

[database.main]
kind = "d1"
name = "concierge_prod"
id = "0000"

[[database.main.retention]]
table = "audit_logs"
column = "created_at"
keep = "90d"

[database.report-store]
kind = "postgres"
url = "{{ secret.vault }}"
service = "reports"
statement_timeout = "30s"
lock_timeout = "2s"

[queue.jobs]
kind = "cloudflare"
dead_letter = "jobs-dlq"

[kv.cache]
binding = "CACHE"

[object.backups]
binding = "BACKUPS"

[window.weekly]
cron = "0 2 * * SUN"
for = "2h"
"#;

#[test]
fn reads_every_key() {
    let config = config(WHOLE);
    assert_eq!(config.folder, Path::new("estate"));
    assert_eq!(config.project.as_deref(), Some("concierge"));
    assert_eq!(config.environment.as_deref(), Some("production"));
    assert_eq!(config.environments, ["production", "staging"]);
    assert!(config.protected);
    assert_eq!(config.store, Some(PathBuf::from("estate/state/opsbook.db")));
    assert_eq!(config.runbooks, Some(PathBuf::from("/srv/runbooks")));
    assert_eq!(
        config.secret("vault"),
        Some(&SecretSource::Command(vec![
            "pass".into(),
            "show".into(),
            "ops".into()
        ]))
    );
    let api = config.service("api").expect("it is there");
    assert_eq!(api.url.as_deref(), Some("https://api.example.com/v1"));
    assert_eq!(api.timeout, Some(Span::seconds(5)));
    assert_eq!(api.checks.len(), 2);
    assert!(matches!(&api.auth, Some(Auth::Bearer(token)) if token.text == "{{ secret.monitor }}"));
    let main = config.database("main").expect("it is there");
    assert!(matches!(&main.kind, DatabaseKind::D1 { name, .. } if name == "concierge_prod"));
    assert_eq!(
        config.queue("jobs").map(|queue| queue.remote.as_str()),
        Some("jobs")
    );
    assert_eq!(
        config.kv("cache").and_then(|kv| kv.binding.as_deref()),
        Some("CACHE")
    );
    assert_eq!(
        config
            .object("backups")
            .map(|object| object.bucket.as_str()),
        Some("backups")
    );
    assert_eq!(
        config.window("weekly").map(|window| window.zone.name()),
        Some("UTC")
    );
}

#[test]
fn an_environment_lies_over_the_base() {
    let config = read(WHOLE, Some("staging")).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(!config.protected);
    let api = config.service("api").expect("it is there");
    assert_eq!(api.url.as_deref(), Some("https://staging.example.com"));
    assert!(matches!(api.auth, Some(Auth::Basic { .. })));
    assert_eq!(api.checks.len(), 2);
    let main = config.database("main").expect("it is there");
    assert!(
        matches!(&main.kind, DatabaseKind::Sqlite { path, .. } if path == Path::new("estate/staging.db"))
    );
    assert_eq!(
        config.secret("monitor"),
        Some(&SecretSource::File("estate/monitor.txt".into()))
    );
    let jobs = config.queue("jobs").expect("it is there");
    assert_eq!(
        (jobs.remote.as_str(), jobs.dead_letter.as_deref()),
        ("jobs-staging", Some("jobs-dlq"))
    );
}

#[test]
fn expressions_see_the_estate_without_its_secrets() {
    let values = serde_json::Value::Object(scope_values(&config(WHOLE)));
    assert_eq!(values["project"], "concierge");
    assert_eq!(
        values["service"]["api"]["url"],
        "https://api.example.com/v1"
    );
    assert_eq!(
        values["database"]["main"]["retention"],
        serde_json::json!([{"table": "audit_logs", "column": "created_at", "keep": "90d"}])
    );
    assert_eq!(
        values["database"]["report_store"],
        values["database"]["report-store"]
    );
    assert_eq!(values["queue"]["jobs"]["dead_letter"], "jobs-dlq");
    assert!(!values.to_string().contains("secret"));
}

#[test]
fn an_empty_file_is_an_empty_estate() {
    let config = config("");
    assert_eq!(config.project, None);
    assert_eq!(config.environment, None);
    assert!(config.services.is_empty());
}

#[test]
fn several_mistakes_are_told_together_with_place_and_fix() {
    assert_eq!(
        mistakes(
            "projct = \"a\"\n[service.api]\nurl = \"api.example.com\"\n[database.main]\nkind = \"postgre\"\n[window.w]\ncron = \"61 * * * *\"\nfor = 2\n"
        ),
        "estate/opsbook.toml:1:1\n    1 │ projct = \"a\"\n      │ ^^^^^^ unknown key in the configuration; did you mean `project`?\n\n\
         estate/opsbook.toml:3:7\n    3 │ url = \"api.example.com\"\n      │       ^^^^^^^^^^^^^^^^^ is no URL; write it like \"https://api.example.com\"\n\n\
         estate/opsbook.toml:5:8\n    5 │ kind = \"postgre\"\n      │        ^^^^^^^^^ expected one of d1, postgres, sqlite, found \"postgre\"; did you mean \"postgres\"?\n\n\
         estate/opsbook.toml:7:8\n    7 │ cron = \"61 * * * *\"\n      │        ^^^^^^^^^^^^ \"61\" is no minute: 0 to 59, as in 5, 1-5, 1,3 or */2\n\n\
         estate/opsbook.toml:8:7\n    8 │ for = 2\n      │       ^ expected a duration like \"30s\", found an integer"
    );
}

#[test]
fn a_mistake_in_an_overlay_is_shown_there() {
    let text = "default_environment = \"staging\"\n[service.api]\nurl = \"https://api.example.com\"\n[environment.staging]\nservice.api.ulr = \"https://x.example.com\"\nservice.api.timeout = 5\n";
    assert_eq!(
        mistakes(text),
        "estate/opsbook.toml:5:13\n    5 │ service.api.ulr = \"https://x.example.com\"\n      │             ^^^ unknown key in service \"api\"; did you mean `url`?\n\n\
         estate/opsbook.toml:6:23\n    6 │ service.api.timeout = 5\n      │                       ^ expected a duration like \"30s\", found an integer"
    );
}

#[test]
fn an_environment_that_is_not_there_is_named_with_the_nearest() {
    let text = "[environment.production]\n[environment.staging]\n";
    assert_eq!(
        read(text, Some("stagin")).expect_err("there is none"),
        "unknown environment \"stagin\"\n  did you mean \"staging\"? there are production, staging"
    );
    assert_eq!(
        read("", Some("production")).expect_err("there is none"),
        "unknown environment \"production\"\n  the configuration has no [environment.*]"
    );
    assert_eq!(
        mistakes("default_environment = \"prod\"\n[environment.live]\n"),
        "estate/opsbook.toml:1:23\n    1 │ default_environment = \"prod\"\n      │                       ^^^^^^ unknown environment \"prod\"; there are live"
    );
    assert_eq!(
        mistakes("environment = \"live\"\n"),
        "estate/opsbook.toml:1:15\n    1 │ environment = \"live\"\n      │               ^^^^^^ `environment` is the table of environments; name the usual one with `default_environment = …`"
    );
    assert_eq!(
        mistakes("[environment.live]\nprotectd = true\n"),
        "estate/opsbook.toml:2:1\n    2 │ protectd = true\n      │ ^^^^^^^^ unknown key in environment \"live\"; did you mean `protected`?"
    );
}

#[test]
fn secrets_say_where_they_come_from_and_nothing_else() {
    let help = "write { env = \"NAME\" }, { file = \"…\" } or { command = [\"…\"] }; a secret itself never stands in this file";
    assert_eq!(
        mistakes("[secret]\na = \"hunter2\"\n"),
        format!(
            "estate/opsbook.toml:2:5\n    2 │ a = \"*******\"\n      │     ^^^^^^^^^ expected where secret \"a\" comes from; {help}"
        )
    );
    assert_eq!(
        mistakes("[secret]\na = { env = \"A\", file = \"b\" }\n"),
        format!(
            "estate/opsbook.toml:2:5\n    2 │ a = {{ env = \"A\", file = \"b\" }}\n      │     ^^^^^^^^^^^^^^^^^^^^^^^^^ secret \"a\" needs one of `env`, `file` and `command`; {help}"
        )
    );
}

#[test]
fn checks_only_look() {
    let check =
        |action: &str| format!("[service.api]\n[[service.api.check]]\nname = \"c\"\n{action}\n");
    assert_eq!(
        mistakes(&check("http.post = \"/x\"")),
        "estate/opsbook.toml:4:1\n    4 │ http.post = \"/x\"\n      │ ^^^^^^^^^ `http.post` may change something; a check only looks; put it into a runbook"
    );
    assert!(mistakes(&check("command.run = [\"df\"]")).contains("state `effect = \"read\"`"));
    assert!(mistakes(&check("sql.execute = \"SELECT 1\"")).contains("use `sql.query`"));
    let twice = format!(
        "{0}[[service.api.check]]\nname = \"c\"\nhttp.get = \"/y\"\n",
        check("http.get = \"/x\"")
    );
    assert!(mistakes(&twice).contains("a second check \"c\" of service \"api\""));
}

#[test]
fn credentials_do_not_belong_into_a_url() {
    for (url, message) in [
        (
            "https://ops:hunter2@api.example.com",
            "holds a user's name or password",
        ),
        ("ftp://api.example.com", "is no URL of http or https"),
        (
            "https://api.example.com/?a=b",
            "is more than the base of URLs",
        ),
        (
            "https://api.example.com/{{ secret.x }}",
            "is more than the base of URLs",
        ),
    ] {
        let found = mistakes(&format!("[service.api]\nurl = \"{url}\"\n"));
        assert!(found.contains(message), "{url}: {found}");
    }
}

#[test]
fn names_must_be_usable_and_apart_in_expressions() {
    assert!(
        mistakes("[queue.\"a b\"]\nkind = \"cloudflare\"\n")
            .contains("\"a b\" cannot be a name here")
    );
    assert!(
        mistakes("[queue.a-b]\nkind = \"cloudflare\"\n[queue.a_b]\nkind = \"cloudflare\"\n")
            .contains("expressions write two of `queue` as `a_b`")
    );
}

#[test]
fn every_environment_can_be_checked_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("opsbook.toml");
    std::fs::write(
        &path,
        "[environment.a]\nservice.x.timeout = 1\n[environment.b]\nservice.x.timeout = 2\n",
    )
    .expect("a file");
    let mistakes = load_all(&path, VOCABULARY).expect_err("both are wrong");
    assert_eq!(mistakes.len(), 2);
    std::fs::write(&path, WHOLE).expect("a file");
    assert_eq!(
        load_all(&path, VOCABULARY).map(|configs| configs.len()),
        Ok(2)
    );
}

proptest! {
    #[test]
    fn never_panics(lines in prop::collection::vec(prop::sample::select(WHOLE.lines().collect::<Vec<_>>()), 0..20), cut in 0..400_usize) {
        let mut text = lines.join("\n");
        while !text.is_char_boundary(cut.min(text.len())) { text.pop(); }
        text.truncate(cut.min(text.len()));
        let _ = read(&text, Some("staging"));
    }
}

#[test]
fn a_window_opens_some_day_in_a_zone_that_there_is() {
    assert_eq!(
        mistakes("[window.a]\ncron = \"0 0 31 2 *\"\nfor = \"1h\"\nzone = \"Europe/Berln\"\n"),
        "estate/opsbook.toml:2:8\n    2 │ cron = \"0 0 31 2 *\"\n      │        ^^^^^^^^^^^^ no such day ever comes\n\n\
         estate/opsbook.toml:4:8\n    4 │ zone = \"Europe/Berln\"\n      │        ^^^^^^^^^^^^^^ \"Europe/Berln\" is no time zone of the IANA database; did you mean \"Europe/Berlin\"?"
    );
    assert!(
        mistakes("[window.a]\ncron = \"0 0 * * *\"\nfor = \"1h\"\nzone = \"here\"\n").ends_with(
            "is no time zone of the IANA database; write it as \"Europe/Berlin\" or \"UTC\""
        )
    );
}
