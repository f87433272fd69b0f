//! What statements may do, one line each, hostile ones included.

use proptest::prelude::*;

use crate::base::Effect::{self, Destroy, Read, Write};

use super::Dialect::{self, Postgres, Sqlite};
use super::{UNPARSED, effect, effect_in_any};

/// Statements that both engines know.
const COMMON: &[(&str, Effect)] = &[
    ("SELECT 1", Read),
    (
        "select count(*) as n from \"audit_logs\" where created_at < ?1",
        Read,
    ),
    (
        "SELECT a FROM t WHERE b IN (SELECT c FROM d) AND e = ?2",
        Read,
    ),
    ("VALUES (1), (2)", Read),
    ("WITH x (a, b) AS (SELECT 1, 2) SELECT a FROM x", Read),
    (
        "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 5) SELECT * FROM x",
        Read,
    ),
    (
        "SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM t",
        Read,
    ),
    ("SELECT count(*) FILTER (WHERE a > 1) FROM t", Read),
    ("EXPLAIN DELETE FROM t", Read),
    ("SELECT ';drop table t' AS harmless -- ;drop table t", Read),
    ("SELECT 1;", Read),
    (";;", Read),
    ("", Read),
    ("-- nothing\n/* at all */", Read),
    ("SELECT 'it''s' || \"a\" FROM t", Read),
    ("SELECT CAST(a AS varchar(20)) FROM t", Read),
    ("INSERT INTO t (a, b) VALUES (?1, ?2)", Write),
    ("INSERT INTO t SELECT * FROM u", Write),
    (
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 2",
        Write,
    ),
    ("UPDATE t SET a = 1 WHERE id = ?1", Write),
    ("DELETE FROM \"audit_logs\" WHERE created_at < ?1", Write),
    (
        "CREATE TABLE IF NOT EXISTS t (id integer PRIMARY KEY, a varchar(20) NOT NULL, b numeric(10, 2))",
        Write,
    ),
    (
        "CREATE UNIQUE INDEX i ON t (a, lower(b)) WHERE c > 0",
        Write,
    ),
    ("CREATE VIEW v AS SELECT 1", Write),
    ("ALTER TABLE t ADD COLUMN c text", Write),
    ("ALTER TABLE t RENAME TO u", Write),
    ("BEGIN", Write),
    ("COMMIT; SELECT 1", Write),
    ("SELECT 1; INSERT INTO t VALUES (1)", Write),
    ("ANALYZE", Write),
    ("VACUUM", Write),
    ("REINDEX t", Write),
    ("UPDATE t SET a = 1", Destroy),
    ("DELETE FROM t", Destroy),
    ("DELETE FROM t WHERE 1 = 1", Destroy),
    ("DELETE FROM t WHERE true", Destroy),
    ("DELETE FROM t WHERE (id = id)", Destroy),
    ("DELETE FROM t WHERE 1 IN (1, 2)", Destroy),
    ("DELETE FROM t WHERE 1 BETWEEN 0 AND 2", Destroy),
    ("DELETE FROM t WHERE 'a' LIKE 'a%'", Destroy),
    ("UPDATE t SET a = 1 WHERE NULL IS NULL", Destroy),
    ("DELETE FROM t WHERE -1 < CAST(1 AS integer)", Destroy),
    ("DELETE FROM t WHERE a IN (1, 2) AND NOT b", Write),
    ("DELETE FROM t WHERE 1 IN (a, 2)", Write),
    ("DELETE FROM t WHERE a IS NULL", Write),
    ("UPDATE t SET a = 1 WHERE 'a' = 'a' OR 2 > 1", Destroy),
    ("DELETE /* WHERE id = 1 */ FROM t -- WHERE id = 1", Destroy),
    ("DROP TABLE t", Destroy),
    ("DROP INDEX i", Destroy),
    ("TRUNCATE TABLE t", Destroy),
    ("ALTER TABLE t DROP COLUMN c", Destroy),
    ("SELECT 1; DROP TABLE t", Destroy),
    ("SELECT 1 DROP TABLE t", Destroy),
    ("SELECT 1; this is no SQL", Destroy),
    ("SELECT frobnicate(1)", Destroy),
    ("SELECT \"frobnicate\" (1)", Destroy),
    ("SELECT public.lower('A')", Destroy),
    ("SELECT a FROM t WHERE frobnicate /* x */ (a)", Destroy),
    ("INSERT INTO t (a) VALUES (frobnicate(1))", Destroy),
    ("SELECT 'unterminated", Destroy),
    ("EXPLAIN ANALYZE DELETE FROM t", Destroy),
    (".shell rm -rf /", Destroy),
    ("\\! rm -rf /", Destroy),
];

const SQLITE: &[(&str, Effect)] = &[
    ("PRAGMA table_info(users)", Read),
    ("PRAGMA main.index_list('users')", Read),
    ("PRAGMA journal_mode", Read),
    ("pragma Integrity_Check(10)", Read),
    ("SELECT name FROM pragma_table_info('users')", Read),
    ("EXPLAIN QUERY PLAN SELECT * FROM t", Read),
    ("EXPLAIN PRAGMA page_count", Read),
    (
        "SELECT datetime('now', '-90 days'), json_extract(a, '$.b') FROM [t]",
        Read,
    ),
    ("PRAGMA journal_mode = WAL", Write),
    ("PRAGMA journal_mode(WAL)", Write),
    ("PRAGMA query_only = OFF", Write),
    ("EXPLAIN PRAGMA query_only = OFF", Write),
    ("PRAGMA wal_checkpoint(TRUNCATE)", Write),
    ("PRAGMA optimize", Write),
    ("PRAGMA user_version = 7", Write),
    ("REPLACE INTO t (a) VALUES (1)", Write),
    ("INSERT OR REPLACE INTO t (a) VALUES (1)", Write),
    ("ATTACH DATABASE 'other.db' AS other", Write),
    ("CREATE VIRTUAL TABLE f USING fts5(title, body)", Write),
    (
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE u SET n = n + 1 WHERE id = 1; END",
        Write,
    ),
    ("PRAGMA writable_schema = ON", Destroy),
    (
        "PRAGMA writable_schema = 1; DELETE FROM sqlite_schema",
        Destroy,
    ),
    ("PRAGMA schema_version = 3", Destroy),
    ("PRAGMA frobnicate", Destroy),
    ("PRAGMA table_info(a) ; DROP TABLE a", Destroy),
    ("VACUUM INTO 'copy.db'", Destroy),
    ("SELECT load_extension('evil.so')", Destroy),
    ("SELECT writefile('x', 'y')", Destroy),
    // Comments do not nest here: the second statement is real.
    ("SELECT 1 /* /* */ ; DROP TABLE t -- */", Destroy),
];

const POSTGRES: &[(&str, Effect)] = &[
    ("SHOW statement_timeout", Read),
    (
        "SELECT a::numeric(10,2), b->>'c', now() - interval '1 day' FROM t",
        Read,
    ),
    ("SELECT pg_size_pretty(pg_total_relation_size('t'))", Read),
    ("SELECT pg_catalog.now()", Read),
    ("SELECT * FROM generate_series(1, 3) AS g(n)", Read),
    ("SELECT $$;drop table t;$$", Read),
    ("SELECT E'it\\'s ; DROP TABLE t'", Read),
    ("EXPLAIN (COSTS OFF) SELECT 1", Read),
    ("COPY t TO STDOUT", Read),
    ("COPY (SELECT a FROM t) TO STDOUT", Read),
    (
        "SELECT a, sum(b) FROM t GROUP BY GROUPING SETS ((a), ())",
        Read,
    ),
    ("SELECT a FROM t WHERE b LIKE ('x%') ORDER BY (a)", Read),
    ("SET statement_timeout = '5s'", Read),
    ("SELECT 1 /* /* nested */ ; DROP TABLE t -- */", Read),
    ("SELECT * FROM t FOR UPDATE", Write),
    ("SELECT * FROM (SELECT * FROM t FOR SHARE) AS s", Write),
    ("SELECT * INTO u FROM t", Write),
    ("SELECT nextval('s')", Write),
    ("SELECT setval('s', 1)", Write),
    ("SELECT pg_advisory_lock(1)", Write),
    (
        "SELECT set_config('default_transaction_read_only', 'off', false)",
        Write,
    ),
    (
        "WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT * FROM x",
        Write,
    ),
    (
        "WITH x AS (DELETE FROM t WHERE id = 1 RETURNING a) SELECT * FROM x",
        Write,
    ),
    ("EXPLAIN ANALYZE INSERT INTO t VALUES (1)", Write),
    ("EXPLAIN (ANALYZE) UPDATE t SET a = 1 WHERE id = 1", Write),
    ("EXPLAIN ANALYZE SELECT 1", Read),
    ("BEGIN READ WRITE", Write),
    ("SET ROLE postgres", Write),
    ("SET default_transaction_read_only = off", Write),
    ("NOTIFY channel", Write),
    ("REFRESH MATERIALIZED VIEW v", Write),
    ("UPDATE t SET (a, b) = (1, 2) WHERE id = 1", Write),
    ("CREATE INDEX i ON t (a) INCLUDE (b)", Write),
    (
        "ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u (id)",
        Write,
    ),
    ("VACUUM (FULL, ANALYZE) t", Write),
    ("GRANT SELECT ON t TO someone", Write),
    ("CREATE EXTENSION IF NOT EXISTS pgcrypto", Write),
    ("CREATE TABLE p (a date) PARTITION BY RANGE (a)", Write),
    (
        "CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION audit()",
        Write,
    ),
    ("CREATE INDEX CONCURRENTLY i ON t USING gin (a)", Write),
    ("COPY t (a, b) FROM STDIN", Write),
    (
        "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN UPDATE SET a = s.a",
        Write,
    ),
    (
        "WITH x AS (DELETE FROM t RETURNING a) SELECT * FROM x",
        Destroy,
    ),
    ("EXPLAIN (ANALYZE, VERBOSE) DELETE FROM t", Destroy),
    (
        "EXPLAIN (ANALYZE true) WITH x AS (DELETE FROM t RETURNING 1) SELECT 1",
        Destroy,
    ),
    (
        "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE",
        Destroy,
    ),
    ("SELECT pg_terminate_backend(1)", Destroy),
    (
        "SELECT 1 FROM pg_stat_activity a WHERE a.pid = 1 AND pg_terminate_backend(a.pid)",
        Destroy,
    ),
    (
        "SELECT DISTINCT ON (a) pg_terminate_backend(a) FROM t",
        Destroy,
    ),
    ("SELECT lo_unlink(1)", Destroy),
    (
        "SELECT * FROM dblink('host=x', 'DELETE FROM t') AS t(a int)",
        Destroy,
    ),
    (
        "SELECT query_to_xml('DELETE FROM t', true, true, '')",
        Destroy,
    ),
    ("SELECT pg_catalog . lo_export(1, '/x')", Destroy),
    ("SELECT reset(1)", Destroy),
    ("SELECT a, set(1) FROM t", Destroy),
    ("SELECT * FROM t WHERE a = filter(b)", Destroy),
    ("SELECT changes()", Destroy),
    ("SELECT \"Lower\"(a) FROM t", Destroy),
    ("COPY (DELETE FROM t RETURNING a) TO STDOUT", Destroy),
    ("COPY (SELECT pg_terminate_backend(1)) TO STDOUT", Destroy),
    (
        "CREATE TABLE index AS SELECT 1 FROM a JOIN b ON evil(a.x)",
        Destroy,
    ),
    ("COPY t TO PROGRAM 'sh'", Destroy),
    ("COPY t FROM PROGRAM 'sh'", Destroy),
    ("COPY t TO '/etc/passwd'", Destroy),
    ("DO $$ BEGIN DELETE FROM t; END $$", Destroy),
    ("CALL cleanup()", Destroy),
    ("EXECUTE prepared", Destroy),
    ("LOAD 'library'", Destroy),
    ("ALTER TABLE t ALTER COLUMN a TYPE int", Destroy),
    ("DROP DATABASE d", Destroy),
    ("ALTER SYSTEM SET fsync = off", Destroy),
];

fn cases() -> impl Iterator<Item = (Dialect, &'static str, Effect)> {
    let both = COMMON
        .iter()
        .flat_map(|(text, effect)| Dialect::ALL.map(|dialect| (dialect, *text, *effect)));
    let sqlite = SQLITE.iter().map(|(text, effect)| (Sqlite, *text, *effect));
    let postgres = POSTGRES
        .iter()
        .map(|(text, effect)| (Postgres, *text, *effect));
    both.chain(sqlite).chain(postgres)
}

#[test]
fn every_statement_has_its_effect() {
    let wrong: Vec<String> = cases()
        .map(|(dialect, text, expected)| (dialect, text, expected, effect(text, dialect)))
        .filter(|(_, _, expected, found)| found.effect != *expected)
        .map(|(dialect, text, expected, found)| {
            format!(
                "{dialect:?} {text:?}: expected {expected}, found {} ({})",
                found.effect, found.reason
            )
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn says_what_decided() {
    let reason = |text| effect(text, Postgres).reason;
    assert_eq!(reason("SELECT 1; DELETE FROM t"), "DELETE without WHERE");
    assert_eq!(reason("DROP TABLE t"), "DROP TABLE");
    assert_eq!(
        reason("SELECT Frob(1)"),
        "calls Frob(), which is not known to be harmless"
    );
    assert_eq!(reason("SELECT nextval('a')"), "calls nextval()");
    assert_eq!(
        reason("ALTER TABLE t DROP COLUMN c"),
        "ALTER TABLE … DROP COLUMN c"
    );
    assert!(reason("SELEC 1").starts_with("cannot be parsed: "));
    assert!(reason(&"x".repeat(2_000_000)).starts_with("longer than"));
}

#[test]
fn counts_statements_and_the_rows_of_a_single_change() {
    let found = effect(
        "DELETE FROM \"logs\" WHERE created_at < ?1 AND level = 'debug'",
        Sqlite,
    );
    assert_eq!(
        found.count.as_deref(),
        Some("SELECT count(*) AS n FROM \"logs\" WHERE created_at < ?1 AND level = 'debug'")
    );
    assert_eq!(
        effect("UPDATE t SET a = 1 WHERE b = ?1", Postgres)
            .count
            .as_deref(),
        Some("SELECT count(*) AS n FROM t WHERE b = ?1")
    );
    for (text, count) in [
        ("DELETE FROM t", Some("SELECT count(*) AS n FROM t")),
        (
            "UPDATE t SET a = 1 WHERE true",
            Some("SELECT count(*) AS n FROM t WHERE true"),
        ),
        ("DELETE FROM t USING u WHERE t.a = u.a", None),
        ("UPDATE t SET a = 1 FROM u WHERE t.a = u.a", None),
        ("TRUNCATE t", None),
        ("DELETE FROM t WHERE pg_terminate_backend(pid)", None),
        ("DELETE FROM t WHERE id = nextval('s')", None),
    ] {
        assert_eq!(effect(text, Postgres).count.as_deref(), count, "{text}");
    }
    for every_row in ["DELETE FROM t", "UPDATE t SET a = ?1"] {
        assert_eq!(
            effect(every_row, Sqlite).count.as_deref(),
            Some("SELECT count(*) AS n FROM t")
        );
    }
    assert_eq!(
        effect(
            "DELETE FROM t WHERE a = 1; DELETE FROM u WHERE b = 1",
            Sqlite
        )
        .count,
        None
    );
    // What would be changed by counting is not counted.
    for text in [
        "DELETE FROM t WHERE frobnicate(a) > 1",
        "DELETE FROM t WHERE a > nextval('s')",
        "UPDATE t SET a = 1 WHERE b IN (SELECT c FROM u FOR UPDATE)",
    ] {
        let found = effect(text, Postgres);
        assert!(found.effect.changes(), "{found:?}");
        assert_eq!(found.count, None, "{text}");
    }
    assert_eq!(effect("SELECT 1; SELECT 2;; ", Sqlite).statements, 2);
    assert_eq!(effect("", Sqlite).statements, 0);
}

#[test]
fn an_unknown_database_takes_the_worse_of_both() {
    assert_eq!(effect_in_any("PRAGMA table_info(t)").effect, Read);
    assert_eq!(
        effect_in_any("SELECT 1 /* /* */ ; DROP TABLE t -- */").effect,
        Destroy
    );
}

#[test]
fn deep_and_long_texts_neither_overflow_the_stack_nor_take_long() {
    let deep = [
        format!("SELECT {}1{}", "(".repeat(200_000), ")".repeat(200_000)),
        format!("SELECT {}1", "(".repeat(14)),
        format!("SELECT {}1{}", "(".repeat(16), ")".repeat(16)),
        format!("SELECT * FROM {}t{}", "(".repeat(16), ")".repeat(16)),
        format!("SELECT * FROM {}SELECT 1", "(".repeat(16)),
        format!("SELECT {}1{}", "abs(".repeat(16), ")".repeat(16)),
        format!("SELECT 1{}", "+1".repeat(200_000)),
        format!("SELECT 1{}", "+1".repeat(990)),
        format!("SELECT {}1", "NOT ".repeat(1_900)),
        format!("SELECT {}1", "- ".repeat(1_900)),
        format!("SELECT 1{}", " IS NULL".repeat(900)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(600)),
        format!("SELECT {}1", "CASE WHEN ".repeat(900)),
        format!("SELECT {}", "CASE WHEN 1 THEN ".repeat(600)),
        format!("SELECT a{}", "[1]".repeat(600)),
        format!("SELECT a{}", "::int".repeat(900)),
        format!("{}SELECT 1", "EXPLAIN ".repeat(1_900)),
        format!("SELECT a{}", ".b".repeat(900)),
        format!("SELECT {}", "'a' MATCH ".repeat(900)),
        ";".repeat(1_000_000),
        "/*".repeat(500_000),
    ];
    for text in &deep {
        for dialect in Dialect::ALL {
            let _ = effect(text, dialect);
        }
    }
    let many = format!("INSERT INTO t VALUES (1){}", ", (1)".repeat(50_000));
    assert_eq!(effect(&many, Sqlite).effect, Write);
}

/// A statement of the table, and where white space may go without changing its meaning.
fn disguise(text: &str, noise: &[String]) -> String {
    let mut noise = noise.iter().cycle();
    let plain = !text.contains(['\'', '"', '$', '-', '/', '[', '\\', '.']);
    if !plain {
        return format!("{}{text}", noise.next().map_or("", String::as_str));
    }
    text.split(' ')
        .enumerate()
        .map(|(index, word)| {
            let word = if index % 2 == 0 {
                word.to_uppercase()
            } else {
                word.to_lowercase()
            };
            format!("{word}{}", noise.next().map_or(" ", String::as_str))
        })
        .collect()
}

proptest! {
    #[test]
    fn comments_space_and_case_never_lower_the_effect(
        index in 0..1_000_usize,
        noise in prop::collection::vec(prop_oneof![
            Just(" ".to_owned()), Just("\n\t".to_owned()), Just(" /* WHERE id = 1 */ ".to_owned()),
            Just(" -- WHERE id = 1\n".to_owned()), Just("\r\n".to_owned()), Just("/**/ ".to_owned()),
        ], 1..8),
    ) {
        let all: Vec<_> = cases().collect();
        let (dialect, text, expected) = all[index % all.len()];
        let disguised = disguise(text, &noise);
        let found = effect(&disguised, dialect);
        prop_assert!(found.effect >= expected, "{disguised:?}: {found:?}");
    }

    #[test]
    fn a_second_statement_never_lowers_the_effect(first in 0..1_000_usize, second in 0..1_000_usize) {
        let all: Vec<_> = cases().collect();
        let (dialect, text, expected) = all[first % all.len()];
        let (_, other, _) = all[second % all.len()];
        // What is no statement by itself can become one: an open quote is closed by the next.
        prop_assume!(!effect(text, dialect).reason.starts_with(UNPARSED));
        let both = format!("{text}\n;{other}");
        let found = effect(&both, dialect);
        prop_assert!(found.effect >= expected, "{both:?}: {found:?}");
    }

    #[test]
    fn any_text_has_an_effect(text in "\\PC*", words in prop::collection::vec(
        prop::sample::select(vec!["SELECT", "(", ")", ",", "WITH", "a", "AS", "FROM", "DELETE", ".", ";", "'", "EXPLAIN", "PRAGMA", "=", "$$", "CREATE", "INDEX", "ON", "1"]), 0..40)
    ) {
        for dialect in Dialect::ALL {
            let _ = effect(&text, dialect);
            let _ = effect(&words.join(" "), dialect);
        }
    }
}
