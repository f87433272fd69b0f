//! Runbooks that are legal and still wrong.

use proptest::prelude::*;

use super::{Lint, LintEstate, lint, lint_source};
use crate::base::SourceFile;
use crate::book::testing::{VOCABULARY, parse};
use crate::book::{EstateNames, Library};
use crate::sql::Dialect;

fn look(text: &str, estate: Option<&LintEstate>) -> Lint {
    let runbook = parse(text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    lint(&Library::new(None, None, VOCABULARY), &runbook, estate)
}

fn mistakes(text: &str) -> String {
    look(text, None).mistakes.to_string()
}

fn advice(text: &str) -> String {
    look(text, None).advice.to_string()
}

fn step(text: &str) -> String {
    format!("title = 't'\n[[step]]\nname = 'a'\n{text}\n")
}

fn estate() -> LintEstate {
    LintEstate {
        names: EstateNames {
            services: vec!["api".to_owned()],
            databases: vec!["main".to_owned(), "report-store".to_owned()],
            windows: vec!["weekly".to_owned()],
            ..EstateNames::default()
        },
        secrets: vec!["monitor".to_owned()],
        dialects: vec![
            ("main".to_owned(), Dialect::Sqlite),
            ("report-store".to_owned(), Dialect::Postgres),
        ],
    }
}

#[test]
fn a_good_runbook_is_left_alone() {
    let good = "title = 't'\nrequires = ['wrangler']\n[input.table]\ntype = 'string'\n[[step]]\nname = 'a'\n\
        sql.query = 'SELECT count(*) AS n FROM {{ input.table | identifier }}'\nsql.on = 'main'\nsave = { n = 'rows[0].n' }\n\
        [[step]]\nname = 'b'\nwhen = 'n > 0'\ncommand.run = ['wrangler', '--version']\ncommand.env = { TOKEN = '{{ secret.monitor }}' }\n";
    assert_eq!(look(good, Some(&estate())), Lint::default());
}

#[test]
fn an_input_that_nothing_uses_is_a_mistake() {
    assert_eq!(
        mistakes(
            "title = 't'\n[input.older-than]\ntype = 'duration'\n[[step]]\nname = 'a'\nhttp.get = '/'\n"
        ),
        "db/a.toml:2:1\n    2 │ [input.older-than]\n      │ ^^^^^^^^^^^^^^^^^^ the input \"older-than\" is never used; use `input.older_than` or remove it"
    );
}

#[test]
fn a_saved_name_that_nothing_uses_is_told() {
    assert_eq!(
        advice(&step("http.get = '/'\nsave = { n = 'status' }")),
        "db/a.toml:5:15\n    5 │ save = { n = 'status' }\n      │               ^^^^^^ nothing uses `n`, which step \"a\" saves"
    );
}

#[test]
fn a_query_that_writes_is_a_mistake() {
    assert_eq!(
        mistakes(&step("sql.query = 'DELETE FROM t'\nsql.on = 'main'")),
        "db/a.toml:4:14\n    4 │ sql.query = 'DELETE FROM t'\n      │              ^^^^^^^^^^^^^ `sql.query` only reads, and this may destroy: DELETE without WHERE; use `sql.execute`"
    );
}

#[test]
fn a_stated_effect_does_not_make_sql_milder() {
    assert_eq!(
        mistakes(&step(
            "sql.execute = 'UPDATE t SET a = 1 WHERE b = {{ 1 }}'\nsql.on = 'main'\neffect = 'read'"
        )),
        "db/a.toml:4:16\n    4 │ sql.execute = 'UPDATE t SET a = 1 WHERE b = {{ 1 }}'\n      │                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the step states read, and this may write: UPDATE with WHERE; stating a milder effect does not make it milder; remove `effect`"
    );
    assert_eq!(
        mistakes(&step(
            "sql.execute = 'SELECT 1'\nsql.on = 'main'\neffect = 'read'"
        )),
        ""
    );
}

#[test]
fn the_database_decides_the_dialect() {
    let pragma = |on: &str| {
        step(&format!(
            "sql.query = 'PRAGMA table_info(t)'\nsql.on = '{on}'"
        ))
    };
    let found = |on: &str| look(&pragma(on), Some(&estate())).mistakes.len();
    assert_eq!((found("main"), found("report-store")), (0, 0));
    let nested = |on: &str| {
        step(&format!(
            "sql.query = 'SELECT 1 /* /* */ ; DROP TABLE t -- */'\nsql.on = '{on}'"
        ))
    };
    let found = |on: &str| look(&nested(on), Some(&estate())).mistakes.len();
    assert_eq!((found("main"), found("report-store")), (1, 0));
}

#[test]
fn sql_that_cannot_be_known_is_told() {
    assert!(
        advice(&step(
            "sql.execute = 'CREATE {% if 1 %}TABLE{% endif %} t (a)'\nsql.on = 'main'"
        ))
        .contains("what this SQL does cannot be known before it runs; it counts as destroy")
    );
    assert!(
        advice(&step("sql.execute = 'FROB t'\nsql.on = 'main'"))
            .contains("counts as destroy: cannot be parsed: ")
    );
}

#[test]
fn a_program_must_be_required() {
    assert_eq!(
        advice(&step("command.run = ['wrangler', 'd1']")),
        "db/a.toml:4:17\n    4 │ command.run = ['wrangler', 'd1']\n      │                 ^^^^^^^^ wrangler is not in the runbook's `requires`; write `requires = [\"wrangler\"]`, so that a run without it stops before its first step"
    );
    assert!(advice(&step("shell.run = 'psql -c 1 | wc -l'")).contains("psql is not in"));
    for fine in [
        "command.run = ['./deploy']",
        "command.run = ['{{ 1 }}']",
        "shell.run = 'echo 1'",
    ] {
        assert_eq!(advice(&step(fine)), "", "{fine}");
    }
}

#[test]
fn names_are_looked_up_in_the_estate() {
    let found = |text: &str| look(&step(text), Some(&estate())).mistakes.to_string();
    assert_eq!(
        found("http.get = '/'\nhttp.on = 'apj'"),
        "db/a.toml:5:12\n    5 │ http.on = 'apj'\n      │            ^^^ unknown service \"apj\"; did you mean \"api\"?"
    );
    assert!(
        found("database.ping = 'nope'")
            .contains("unknown database \"nope\"; there are main, report-store")
    );
    assert_eq!(
        found("http.get = '/{{ secret.monitr }}'"),
        "db/a.toml:4:17\n    4 │ http.get = '/{{ secret.monitr }}'\n      │                 ^^^^^^^^^^^^^ unknown secret \"monitr\"; did you mean \"monitor\"?"
    );
    assert_eq!(
        found("http.get = '{{ service.api.url }}/{{ database.report_store.kind }}'"),
        ""
    );
    assert_eq!(found("http.get = '/'\nhttp.on = '{{ \"x\" }}'"), "");
    let window = "title = 't'\nwindow = 'wekly'\n[[step]]\nname = 'a'\nhttp.get = '/'\n";
    assert!(
        look(window, Some(&estate()))
            .mistakes
            .to_string()
            .contains("unknown window \"wekly\"; did you mean \"weekly\"?")
    );
    let default = "title = 't'\n[input.d]\ntype = 'database'\ndefault = 'mian'\n[[step]]\nname = 'a'\ndatabase.ping = '{{ input.d }}'\n";
    assert!(
        look(default, Some(&estate()))
            .advice
            .to_string()
            .contains("the default of \"d\": unknown database \"mian\"; did you mean \"main\"?")
    );
}

#[test]
fn secrets_that_are_written_out_are_told_and_not_shown() {
    let written = |text: &str| mistakes(&step(text));
    assert_eq!(
        written("http.get = '/'\nhttp.headers = { X-Api-Key = 'hunter2-hunter2' }"),
        "db/a.toml:5:31: the value of `X-Api-Key` is written out\n  take it from `{{ secret.NAME }}`, with its source under [secret] of opsbook.toml; change the secret if the file was ever shared"
    );
    for (what, text) in [
        (
            "the value of `DB_PASSWORD`",
            "command.run = ['ls']\ncommand.env = { DB_PASSWORD = 'hunter2' }",
        ),
        (
            "a GitHub token",
            "command.run = ['ls', 'ghp_abcdefghijklmnopqrstuvwxyz0123456789']",
        ),
        ("a Stripe key", "http.get = '/?k=sk_live_abcdefghijkl'"),
        ("an AWS key", "shell.run = 'echo AKIAABCDEFGHIJKLMNOP'"),
        (
            "a bearer token",
            "http.get = '/' # Authorization: Bearer abcdefghijklmnopqrstuvwxyz",
        ),
        (
            "a password in a URL",
            "shell.run = 'echo postgres://ops:hunter2@db.example.com/x'",
        ),
    ] {
        let found = written(text);
        assert!(found.contains(what), "{text}: {found}");
        assert!(
            !found.contains("hunter2")
                && !found.contains("abcdefgh")
                && !found.contains("ABCDEFGH"),
            "{found}"
        );
    }
    for fine in [
        "http.get = '/'\nhttp.headers = { Authorization = 'Bearer {{ secret.monitor }}' }",
        "shell.run = 'echo postgres://ops:{{ secret.monitor }}@db.example.com/x'",
        "http.get = 'https://db.example.com:8080/a@b'",
    ] {
        assert_eq!(written(fine), "", "{fine}");
    }
}

#[test]
fn undefined_names_are_found_too() {
    assert!(mistakes(&step("http.get = '/{{ inptu.x }}'")).contains("`inptu` is not defined here"));
}

proptest! {
    #[test]
    fn any_file_can_be_looked_at(text in "\\PC{0,200}") {
        let _ = lint_source(&SourceFile::new("a.toml", text));
    }

    #[test]
    fn any_sql_and_any_script_can_be_looked_at(text in "[ -&(-~\u{e9}]{1,60}") {
        for key in ["sql.query", "sql.execute", "shell.run"] {
            let on = if key == "shell.run" { "" } else { "sql.on = 'main'" };
            if let Ok(runbook) = parse(&step(&format!("{key} = '{text}'\n{on}"))) {
                let _ = lint(&Library::new(None, None, VOCABULARY), &runbook, Some(&estate()));
            }
        }
    }
}
