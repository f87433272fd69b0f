//! Every rule with what it finds, what it leaves alone, and how it is allowed.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proptest::prelude::*;
use regex::Regex;

use super::{Finding, Migration, Source, Standard, Tables, judge};
use crate::config::{Level, MigrationTool, Migrations, Rule};
use crate::sql::Dialect::{self, Postgres, Sqlite};

fn migrations(levels: Vec<(Rule, Level)>) -> Migrations {
    Migrations {
        tool: MigrationTool::Sql { table: None },
        folder: None,
        rollback: None,
        names: Some(Regex::new(r"^\d{4}_[a-z_]+$").unwrap()),
        levels,
    }
}

/// What is found in files of these names and texts; each has a file that takes it back.
fn found_in(files: &[(&str, &str)], dialect: Dialect, is_d1: bool) -> Vec<Finding> {
    let all: Vec<Migration> = files
        .iter()
        .map(|(name, _)| Migration {
            name: (*name).to_owned(),
            file: format!("{name}.sql"),
            path: PathBuf::new(),
            down: (!name.ends_with("forever")).then(PathBuf::new),
        })
        .collect();
    let sources: Vec<Source<'_>> = all
        .iter()
        .zip(files)
        .map(|(migration, (_, sql))| Source {
            migration,
            sql: (*sql).to_owned(),
            is_judged: true,
        })
        .collect();
    let migrations = migrations(vec![
        (Rule::Idempotent, Level::Warn),
        (Rule::Transaction, Level::Warn),
    ]);
    let standard = Standard {
        dialect,
        is_d1,
        migrations: &migrations,
        adds_transaction: true,
        rows: None,
    };
    judge(&sources, &standard, Tables::default())
}

/// The rules that find something in one migration beside those about its form, each with its line.
fn found(sql: &str, dialect: Dialect) -> Vec<(Rule, usize)> {
    let findings = found_in(&[("0001_a", sql)], dialect, false);
    let form = [Rule::Transaction, Rule::Idempotent];
    findings
        .into_iter()
        .filter(|finding| !form.contains(&finding.rule))
        .map(|finding| (finding.rule, finding.line))
        .collect()
}

#[test]
fn what_loses_data_or_keeps_others_waiting_is_found() {
    for (sql, dialect, rule) in [
        ("DROP TABLE t;", Sqlite, Rule::DropTable),
        ("DROP SCHEMA s CASCADE;", Postgres, Rule::DropSchema),
        ("ALTER TABLE t DROP COLUMN a;", Sqlite, Rule::DropColumn),
        ("ALTER TABLE t RENAME TO u;", Sqlite, Rule::Rename),
        (
            "ALTER TABLE t RENAME COLUMN a TO b;",
            Postgres,
            Rule::Rename,
        ),
        ("TRUNCATE t;", Postgres, Rule::Truncate),
        ("DELETE FROM t;", Sqlite, Rule::AllRows),
        ("UPDATE t SET a = 1 WHERE 1 = 1;", Postgres, Rule::AllRows),
        (
            "ALTER TABLE t ALTER a TYPE bigint;",
            Postgres,
            Rule::ChangeType,
        ),
        ("ALTER TABLE t ADD a int NOT NULL;", Sqlite, Rule::NotNull),
        (
            "ALTER TABLE t ALTER a SET NOT NULL;",
            Postgres,
            Rule::SetNotNull,
        ),
        (
            "ALTER TABLE t ADD a uuid DEFAULT gen_random_uuid();",
            Postgres,
            Rule::VolatileDefault,
        ),
        ("CREATE INDEX i ON t (a);", Postgres, Rule::IndexLock),
        (
            "ALTER TABLE t ADD CHECK (a > 1);",
            Postgres,
            Rule::ConstraintScan,
        ),
        (
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u (b);",
            Postgres,
            Rule::ConstraintScan,
        ),
        (
            "ALTER TABLE t ADD a int DEFAULT 1 CHECK (a > 0);",
            Postgres,
            Rule::ConstraintScan,
        ),
        ("ALTER TABLE t ADD UNIQUE (a);", Postgres, Rule::UniqueLock),
        (
            "ALTER TABLE t ADD a int UNIQUE;",
            Postgres,
            Rule::UniqueLock,
        ),
        (
            "CREATE INDEX CONCURRENTLY i ON t (a); SELECT 1;",
            Postgres,
            Rule::Alone,
        ),
        ("SELECT 1; COMMIT;", Sqlite, Rule::TransactionControl),
        ("PRAGMA foreign_keys = OFF;", Sqlite, Rule::Pragma),
        ("PRAGMA main.foreign_keys = OFF;", Sqlite, Rule::Pragma),
        ("PRAGMA \"foreign_keys\"(0);", Sqlite, Rule::Pragma),
        ("DROP TABEL t;", Sqlite, Rule::Unparsed),
        (
            "DO $$ BEGIN DELETE FROM t; END $$;",
            Postgres,
            Rule::Unparsed,
        ),
        (
            "WITH d AS (DELETE FROM t RETURNING a) SELECT count(*) FROM d;",
            Postgres,
            Rule::Unparsed,
        ),
    ] {
        let text = format!("-- what it is for\n{sql}");
        assert_eq!(found(&text, dialect), [(rule, 2)], "{sql}");
    }
}

#[test]
fn a_table_that_is_made_anew_without_its_rows_is_lost() {
    for (sql, dialect, rule) in [
        ("DROP TABLE t; CREATE TABLE t (a);", Sqlite, Rule::DropTable),
        (
            "CREATE TABLE n (a); DROP TABLE t; ALTER TABLE n RENAME TO t;",
            Sqlite,
            Rule::DropTable,
        ),
        (
            "CREATE TABLE n (a); INSERT INTO n SELECT a FROM u; DROP TABLE t;",
            Sqlite,
            Rule::DropTable,
        ),
    ] {
        let text = format!("-- what it is for\n{sql}");
        assert_eq!(found(&text, dialect), [(rule, 2)], "{sql}");
    }
}

#[test]
fn what_does_no_harm_is_left_alone() {
    for (sql, dialect) in [
        (
            "CREATE TABLE t (a int); CREATE INDEX i ON t (a); ALTER TABLE t ADD CHECK (a > 1);",
            Postgres,
        ),
        (
            "CREATE TABLE n (a int); INSERT INTO n SELECT a FROM t WHERE a > 1;",
            Sqlite,
        ),
        ("CREATE INDEX CONCURRENTLY i ON t (a);", Postgres),
        (
            "SET lock_timeout = '2s'; CREATE INDEX CONCURRENTLY i ON t (a); RESET lock_timeout;",
            Postgres,
        ),
        ("PRAGMA foreign_keys;", Sqlite),
        ("CREATE INDEX i ON t (a);", Sqlite),
        ("ALTER TABLE t ADD a int NOT NULL DEFAULT 0;", Postgres),
        ("ALTER TABLE t ADD a int REFERENCES u (b);", Postgres),
        ("ALTER TABLE t ADD CHECK (a > 1) NOT VALID;", Postgres),
        (
            "ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX i;",
            Postgres,
        ),
        (
            "ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT c; ALTER TABLE t ALTER a SET NOT NULL;",
            Postgres,
        ),
        (
            "UPDATE t SET a = 1 WHERE b = 2; DROP INDEX i; DROP VIEW v;",
            Sqlite,
        ),
        (
            "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM u WHERE a = NEW.a; END;",
            Sqlite,
        ),
        (
            "-- opsbook: no-transaction\nPRAGMA foreign_keys = OFF;",
            Sqlite,
        ),
        ("PRAGMA defer_foreign_keys = ON;", Sqlite),
        ("VACUUM;", Sqlite),
        ("", Sqlite),
    ] {
        assert_eq!(found(sql, dialect), [], "{sql}");
    }
}

/// What is found in the making anew of a table with this copy of its rows.
fn found_in_copy(copy: &str) -> Vec<(Rule, usize)> {
    let anew = format!("CREATE TABLE n (a);\n{copy};\nDROP TABLE t;\nALTER TABLE n RENAME TO t;");
    found(&anew, Sqlite)
}

#[test]
fn a_table_that_is_written_anew_under_its_old_name_is_not_dropped() {
    for copy in [
        "INSERT INTO n SELECT a FROM t",
        "INSERT INTO n (a) SELECT coalesce(o.a, 0) FROM main.t AS o ORDER BY o.a",
        "INSERT INTO n SELECT t.a FROM t LEFT JOIN u ON u.a = t.a",
    ] {
        assert_eq!(found_in_copy(copy), [], "{copy}");
    }
}

#[test]
fn a_copy_that_leaves_rows_behind_excuses_no_drop() {
    for copy in [
        "INSERT INTO n SELECT a FROM t WHERE a > 1",
        "INSERT INTO n SELECT DISTINCT a FROM t",
        "INSERT INTO n SELECT a FROM t GROUP BY a",
        "INSERT INTO n SELECT a FROM t LIMIT 10",
        "INSERT INTO n SELECT max(a) FROM t",
        "INSERT INTO n SELECT t.a FROM t JOIN u ON u.a = t.a",
        "INSERT INTO n SELECT t.a FROM t, u",
        "INSERT INTO n SELECT a FROM u EXCEPT SELECT a FROM t",
        "INSERT INTO n WITH t AS (SELECT 1 AS a) SELECT a FROM t",
        "INSERT OR IGNORE INTO n SELECT a FROM t",
        "INSERT INTO n SELECT a FROM t WHERE true ON CONFLICT DO NOTHING",
    ] {
        assert_eq!(found_in_copy(copy), [(Rule::DropTable, 3)], "{copy}");
    }
}

const FAMILY: &str = "CREATE TABLE p (id INTEGER PRIMARY KEY, up INTEGER REFERENCES p (id) ON DELETE CASCADE);\n\
                      CREATE TABLE c (p INTEGER REFERENCES \"P\" (id) ON DELETE CASCADE);\n\
                      CREATE TABLE s (p INTEGER, FOREIGN KEY (p) REFERENCES p (id) ON DELETE SET NULL);\n\
                      CREATE TABLE k (p INTEGER REFERENCES p (id));";

/// What is found about rows that go along in a migration behind [`FAMILY`].
fn found_of_family(sql: &str, is_d1: bool) -> Vec<(usize, String)> {
    let files = [("0001_a", FAMILY), ("0002_b", sql)];
    let findings = found_in(&files, Sqlite, is_d1).into_iter();
    let findings = findings.filter(|finding| finding.rule == Rule::DropParent);
    findings
        .map(|finding| (finding.line, finding.detail))
        .collect()
}

#[test]
fn dropping_what_others_follow_is_found_where_nothing_stops_it() {
    let anew = "CREATE TABLE n (id INTEGER PRIMARY KEY);\nINSERT INTO n SELECT id FROM p;\nDROP TABLE p;\nALTER TABLE n RENAME TO p;";
    let told = [
        (
            3,
            "dropping p deletes the rows of c that refer to it (ON DELETE CASCADE)".to_owned(),
        ),
        (
            3,
            "dropping p changes the rows of s that refer to it (ON DELETE SET NULL)".to_owned(),
        ),
    ];
    assert_eq!(found_of_family(anew, true), told);
    // There references are not acted upon while a migration runs, unless it runs in no transaction.
    assert_eq!(found_of_family(anew, false), []);
    let marked = |first: &str| format!("-- opsbook: no-transaction\n{first};\nDROP TABLE p;");
    assert_eq!(found_of_family(&marked("SELECT 1"), false), told);
    assert_eq!(
        found_of_family(&marked("PRAGMA main.foreign_keys = OFF"), false),
        []
    );
    // On D1 the same does nothing.
    assert_eq!(
        found_of_family(&marked("PRAGMA main.foreign_keys = OFF"), true),
        told
    );
    let first = "DROP TABLE c; DROP TABLE s; DROP TABLE p;";
    assert_eq!(found_of_family(first, true), []);
    let renamed = "ALTER TABLE p RENAME TO old;\nALTER TABLE c RENAME TO d;\nDROP TABLE old;";
    assert_eq!(
        found_of_family(renamed, true)[0].1,
        "dropping old deletes the rows of d that refer to it (ON DELETE CASCADE)"
    );
}

#[test]
fn the_columns_of_an_index_are_those_of_earlier_migrations() {
    let findings = found_in(
        &[
            (
                "0001_a",
                "BEGIN;\nCREATE TABLE jobs (id int, state text);\nCOMMIT;",
            ),
            (
                "0002_b",
                "ALTER TABLE jobs RENAME state TO status; ALTER TABLE jobs ADD started_at text; ALTER TABLE jobs DROP COLUMN id;",
            ),
            (
                "0003_c",
                "CREATE INDEX a ON jobs (status, started_at);\nCREATE INDEX b ON jobs (state);\nCREATE INDEX c ON other (x); CREATE INDEX d ON jobs (rowid);",
            ),
        ],
        Sqlite,
        false,
    );
    let columns: Vec<(usize, &str)> = findings
        .iter()
        .filter(|finding| finding.rule == Rule::IndexColumn)
        .map(|finding| (finding.line, finding.detail.as_str()))
        .collect();
    assert_eq!(columns, [(2, "jobs has no column state")]);
}

#[test]
fn files_are_held_to_the_conventions() {
    let rules = |files: &[(&str, &str)], is_d1| -> Vec<String> {
        let findings = found_in(files, Sqlite, is_d1);
        findings
            .iter()
            .map(|finding| format!("{} {}", finding.file, finding.rule.name()))
            .collect()
    };
    let wrapped = "BEGIN;\nSELECT 1;\nCOMMIT;";
    assert_eq!(
        rules(&[("0001_a", wrapped), ("0002_b", wrapped)], true),
        [""; 0]
    );
    assert_eq!(rules(&[("0001_A", wrapped)], false), ["0001_A.sql name"]);
    assert_eq!(
        rules(&[("0001_forever", wrapped)], false),
        ["0001_forever.sql revert"]
    );
    assert_eq!(
        rules(&[("0001_a", wrapped), ("0001_b", wrapped)], false),
        ["0001_b.sql duplicate-version"]
    );
    assert_eq!(
        rules(&[("0001_a", "SELECT 1;")], false),
        ["0001_a.sql transaction"]
    );
    assert_eq!(
        rules(&[("0001_a", "BEGIN;\r\nSELECT 1;\r\nCOMMIT;")], true),
        ["0001_a.sql line-endings"]
    );
    let long = format!("BEGIN; SELECT '{}'; COMMIT;", "x".repeat(100_001));
    assert_eq!(
        rules(&[("0001_a", &long)], true),
        ["0001_a.sql statement-size"]
    );
    assert_eq!(rules(&[("0001_a", &long)], false), [""; 0]);
    let twice = "BEGIN; CREATE TABLE a (b); CREATE TABLE IF NOT EXISTS c (d); COMMIT;";
    assert_eq!(
        rules(&[("0001_a", twice)], false),
        ["0001_a.sql idempotent"]
    );
}

#[test]
fn a_comment_with_a_reason_allows_one_finding_of_its_statement() {
    let allowed =
        "-- opsbook: allow drop-table nobody reads it since May\nDROP TABLE t;\nDROP TABLE u;";
    assert_eq!(found(allowed, Sqlite), [(Rule::DropTable, 3)]);
    let inline = "DROP TABLE t -- opsbook: allow drop-table: nobody reads it\n;";
    assert_eq!(found(inline, Sqlite), []);
    let without = "-- opsbook: allow drop-table\nDROP TABLE t;";
    assert_eq!(
        found(without, Sqlite),
        [(Rule::Allow, 1), (Rule::DropTable, 2)]
    );
    let other =
        "-- opsbook: allow truncate because\nDROP TABLE t;\n-- opsbook: allow drop-tabel because";
    assert_eq!(
        found(other, Sqlite),
        [(Rule::Allow, 1), (Rule::DropTable, 2), (Rule::Allow, 3)]
    );
    let whole = "SELECT 1;\n-- opsbook: allow revert the rows are gone for good";
    assert_eq!(
        found_in(&[("0001_forever", whole)], Sqlite, false)
            .iter()
            .map(|finding| finding.rule)
            .collect::<Vec<_>>(),
        [Rule::Transaction]
    );
}

#[test]
fn a_small_table_may_be_locked_and_a_large_one_says_how_large() {
    let migration = Migration {
        name: "0001_a".to_owned(),
        file: "0001_a.sql".to_owned(),
        path: PathBuf::new(),
        down: Some(PathBuf::new()),
    };
    let sources = [Source {
        migration: &migration,
        sql: "CREATE INDEX i ON small (a); CREATE INDEX j ON large (a); DROP TABLE small;"
            .to_owned(),
        is_judged: true,
    }];
    let rows = [("small", 9_999), ("large", 10_000_000)];
    let migrations = migrations(Vec::new());
    let standard = Standard {
        dialect: Postgres,
        is_d1: false,
        migrations: &migrations,
        adds_transaction: true,
        rows: Some(rows.map(|(name, rows)| (name.to_owned(), rows)).into()),
    };
    let findings = judge(&sources, &standard, Tables::default());
    let told: Vec<(Rule, bool)> = findings
        .iter()
        .map(|finding| {
            (
                finding.rule,
                finding.detail.contains("10,000,000 rows or more"),
            )
        })
        .collect();
    assert_eq!(told, [(Rule::DropTable, false), (Rule::IndexLock, true)]);
}

/// A rule that nothing shows would be a word without a meaning.
#[test]
fn every_rule_is_shown_by_a_test_of_this_file() {
    let text = include_str!("tests.rs");
    let shown: BTreeMap<String, bool> = Rule::ALL
        .iter()
        .map(|(rule, name, ..)| {
            let by_variant = text.contains(&format!("Rule::{rule:?})"))
                || text.contains(&format!("Rule::{rule:?},"));
            let by_name = text.contains(&format!(".sql {name}\""));
            ((*name).to_owned(), by_variant || by_name)
        })
        .collect();
    let hidden: BTreeSet<&String> = shown
        .iter()
        .filter(|(_, shown)| !**shown)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(hidden, BTreeSet::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_text_makes_it_panic(
        text in "(CREATE|TABLE|INDEX|ALTER|DROP|ON|ADD|a|b|\\(|\\)|;|'|\"|\\$\\$|--|-- opsbook: allow|\n| |é){0,30}",
        name in "[0-9_a-z]{0,12}",
    ) {
        for dialect in Dialect::ALL {
            for finding in found_in(&[(&name, &text)], dialect, true) {
                prop_assert!(finding.line <= text.matches('\n').count() + 1);
            }
        }
    }
}
