//! SQL that a person types, and the rows that come of it: what it may do, and every value in every form.

use serde_json::{Value, json};

use crate::harness::{Output, Project};

/// A table of three rows, and runbooks that hand on what is typed.
fn project() -> Project {
    Project::new()
        .config("[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\ncreate = \"setup.sql\"\n")
        .file(
            "setup.sql",
            "CREATE TABLE t (n INTEGER, s TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c');",
        )
        .runbook(
            "change",
            "[input.sql]\ntype = \"sql\"\nposition = 1\n\
             [[step]]\nname = \"change\"\nsql.execute = \"{{ input.sql }}\"\n",
        )
}

fn rows(project: &Project, sql: &str) -> Value {
    let output = project
        .run(&["db", "query", sql, "--format", "json"])
        .exits(0);
    output.json()["output"]["rows"].clone()
}

#[test]
fn what_typed_sql_may_do_is_known_before_it_runs() {
    let project = project();
    let change = |more: &[&str]| project.run(&[&["change"], more].concat());
    // Made on first use.
    change(&["SELECT 1"]).exits(0);
    // It reads: nothing is asked, and nobody minds.
    change(&["SELECT count(*) FROM t", "--read-only"]).exits(0);
    // It writes: --read-only refuses before the first step.
    change(&["INSERT INTO t VALUES (4, 'd')", "--read-only"])
        .exits(75)
        .says("step \"change\" may write");
    change(&["DELETE FROM t WHERE n = 3"]).exits(0);
    // It destroys, or the worst of its statements does, or nobody can tell: it asks.
    for sql in [
        "DELETE FROM t",
        "SELECT 1; DROP TABLE t",
        "FROBNICATE t",
        "SELECT frobnicate(n) FROM t",
    ] {
        change(&[sql]).exits(75).prints("needs --yes");
    }
    assert_eq!(rows(&project, "SELECT count(*) FROM t"), json!([[2]]));
    change(&["DELETE FROM t", "--yes"]).exits(0);
    assert_eq!(rows(&project, "SELECT count(*) FROM t"), json!([[0]]));
}

/// A dialect that reads less gently is asked only where the database is one of it.
#[test]
fn what_typed_sql_may_do_goes_by_the_database_that_is_named() {
    let project = project()
        .config(
            "[database.main]\nkind = \"sqlite\"\npath = \"main.db\"\ncreate = \"setup.sql\"\n\
             [database.other]\nkind = \"postgres\"\nurl = \"postgres://127.0.0.1:1/x\"\n",
        )
        .runbook(
            "change",
            "[input.sql]\ntype = \"sql\"\nposition = 1\n[input.database]\ntype = \"database\"\nshort = \"d\"\n\
             [[step]]\nname = \"change\"\nsql.execute = \"{{ input.sql }}\"\nsql.on = \"{{ input.database }}\"\n",
        );
    // A function that only SQLite is known to have.
    let sql = "SELECT last_insert_rowid()";
    project.run(&["change", sql, "-d", "main"]).exits(0);
    project
        .run(&["change", sql, "-d", "other"])
        .exits(75)
        .prints("needs --yes");
}

#[test]
fn without_the_input_the_worst_is_shown() {
    project()
        .run(&["show", "change"])
        .exits(0)
        .prints("destroy");
    project()
        .run(&["show", "db/query"])
        .exits(0)
        .prints("effect    read");
}

#[test]
fn typed_sql_is_text_wherever_it_is_not_all_of_the_statement() {
    let keep = "[input.sql]\ntype = \"sql\"\nposition = 1\n\
                [[step]]\nname = \"keep\"\nsql.execute = \"INSERT INTO t VALUES (9, {{ input.sql }})\"\n";
    let project = project().runbook("keep", keep);
    project.run(&["keep", "x'); DROP TABLE t; --"]).exits(0);
    assert_eq!(
        rows(&project, "SELECT s FROM t WHERE n = 9"),
        json!([["x'); DROP TABLE t; --"]])
    );
}

#[test]
fn no_value_becomes_sql_on_the_way_through_another_runbook() {
    let with = |inputs: &str, more: &str| {
        let runbook = format!(
            "{more}[[step]]\nname = \"look\"\nset.values = {{ text = \"'DROP TABLE t'\" }}\n\
             [[step]]\nname = \"change\"\nrunbook.run = \"change\"\nrunbook.inputs = {inputs}\n"
        );
        project().runbook("outer", &runbook)
    };
    let typed = "[input.own]\ntype = \"sql\"\ndefault = \"DELETE FROM t WHERE n = 1\"\n";
    let text = "[input.own]\ntype = \"string\"\ndefault = \"DELETE FROM t WHERE n = 1\"\n";
    for (inputs, more) in [
        ("{ sql = \"{{ steps.look.text }}\" }", ""),
        ("{ sql = \"{{ input.own }}\" }", text),
        ("{ sql = \"{{ input.own }} ;\" }", text),
        ("\"{{ {'sql': steps.look.text} }}\"", ""),
    ] {
        let project = with(inputs, more);
        project
            .run(&["outer", "--yes"])
            .exits(78)
            .says("takes its input \"sql\" as SQL, and this could be any text");
        project.run(&["lint"]).exits(78);
    }
    for (inputs, more) in [
        ("{ sql = \"{{ input.own }}\" }", typed),
        ("{ sql = \"DELETE FROM t WHERE n = 1\" }", ""),
    ] {
        let project = with(inputs, more);
        project.run(&["outer", "--yes"]).exits(0);
        assert_eq!(rows(&project, "SELECT count(*) FROM t"), json!([[2]]));
    }
}

#[test]
fn a_query_refuses_what_does_not_read_before_it_begins_and_shows_where() {
    let project = project();
    let asked = |sql: &str| -> Output { project.run(&["db", "query", sql]) };
    asked("DELETE FROM t")
        .exits(64)
        .says("DELETE without WHERE")
        .says("opsbook db execute");
    asked("SELECT 1; SELECT 2")
        .exits(64)
        .says("more than one statement");
    asked("/* nothing */").exits(64).says("no statement");
    asked(" ").exits(64).says("expected a statement of SQL");
    asked("SELECT n,\n       s\nFORM t WHERE")
        .exits(64)
        .says("sql:3:6");
    project
        .run(&["runs", "list", "--format", "json"])
        .exits(0)
        .prints("[]");
}

#[test]
fn sql_comes_from_a_file_or_from_standard_input_too() {
    let project = project().file("count.sql", "-- how many\nSELECT count(*) AS n FROM t;\n");
    project
        .run(&["db", "query", "@count.sql"])
        .exits(0)
        .prints(" n\n 3\n");
    let mut command = project.command(&["db", "query", "-"]);
    command.stdin(std::fs::File::open(project.path("count.sql")).unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains(" n\n 3\n"), "{printed}");
    project
        .run(&["db", "query", "@missing.sql"])
        .exits(64)
        .says("missing.sql");
}

/// It is what was run: the journal tells it, and a run that goes on does the same again.
#[test]
fn the_journal_holds_what_was_typed() {
    let project = project();
    project
        .run(&["change", "DELETE FROM t WHERE n = 3"])
        .exits(0);
    project
        .run(&["runs", "show", "1", "--format", "json"])
        .exits(0)
        .prints("DELETE FROM t WHERE n = 3");
}
