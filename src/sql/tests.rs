//! What statements may do, one line each, hostile ones included.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;

use crate::base::Effect::{self, Destroy, Read, Write};

use super::Dialect::{self, Postgres, Sqlite};
use super::{UNPARSED, effect, effect_in_any};

/// What statements may do, for a person to read.
const EFFECTS: &str = include_str!("effects.txt");

/// The table must not shrink.
const AT_LEAST: usize = 380;

/// The lines of the table: the dialect, the statement, its effect. The columns begin at fixed places, as an empty statement
/// has none.
fn cases() -> Vec<(Dialect, String, Effect)> {
    let lines = EFFECTS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.flat_map(case).collect()
}

fn case(line: &str) -> Vec<(Dialect, String, Effect)> {
    let (dialect, rest) = line.split_at(10);
    let (effect, statement) = rest.split_at(rest.len().min(9));
    let dialects: &[Dialect] = match dialect.trim() {
        "both" => &Dialect::ALL,
        "sqlite" => &[Sqlite],
        "postgres" => &[Postgres],
        other => panic!("{other:?} is no dialect: {line}"),
    };
    let known = Effect::ALL
        .into_iter()
        .find(|known| known.as_str() == effect.trim());
    let effect = known.unwrap_or_else(|| panic!("no effect: {line}"));
    let statement = statement.replace('⏎', "\n").replace('␍', "\r");
    dialects
        .iter()
        .map(|dialect| (*dialect, statement.clone(), effect))
        .collect()
}

#[test]
fn the_table_is_long_and_no_line_stands_twice() {
    let all = cases();
    assert!(all.len() >= AT_LEAST, "{}", all.len());
    let mut seen = std::collections::BTreeSet::new();
    for (dialect, statement, _) in &all {
        assert!(
            seen.insert((format!("{dialect:?}"), statement)),
            "{dialect:?} {statement}"
        );
    }
}

#[test]
fn every_statement_has_its_effect() {
    let wrong: Vec<String> = cases()
        .into_iter()
        .map(|(dialect, text, expected)| {
            let found = effect(&text, dialect);
            (dialect, text, expected, found)
        })
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
        (
            "DELETE FROM t USING u WHERE t.a = u.a",
            Some("SELECT count(*) AS n FROM t WHERE EXISTS (SELECT 1 FROM u WHERE t.a = u.a)"),
        ),
        (
            "UPDATE t AS x SET a = 1 FROM u, v WHERE x.a = u.a AND v.b = u.b",
            Some(
                "SELECT count(*) AS n FROM t AS x WHERE EXISTS (SELECT 1 FROM u, v WHERE x.a = u.a AND v.b = u.b)",
            ),
        ),
        ("TRUNCATE t", None),
        ("DELETE FROM t WHERE pg_terminate_backend(pid)", None),
        ("DELETE FROM t WHERE id = nextval('s')", None),
    ] {
        assert_eq!(effect(text, Postgres).count.as_deref(), count, "{text}");
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
fn some_rows_of_a_change_can_be_looked_at_where_they_can_be_counted() {
    let sample = |text| effect(text, Sqlite).sample(5);
    assert_eq!(
        sample("DELETE FROM t WHERE a = ?1").as_deref(),
        Some("SELECT * FROM t WHERE a = ?1 LIMIT 5")
    );
    assert_eq!(sample("DELETE FROM t WHERE a = 1; SELECT 1"), None);
    assert_eq!(sample("DROP TABLE t"), None);
}

#[test]
fn a_count_is_exact_unless_chance_or_a_conflict_decides() {
    for (text, exact) in [
        ("DELETE FROM t WHERE a = 1", true),
        ("UPDATE t SET a = random() WHERE b = 1", true),
        ("DELETE FROM t WHERE random() < 0", false),
        (
            "DELETE FROM t WHERE a IN (SELECT a FROM u ORDER BY RANDOM() LIMIT 3)",
            false,
        ),
        ("UPDATE OR IGNORE t SET a = 1 WHERE b = 1", false),
        ("UPDATE OR REPLACE t SET a = 1 WHERE b = 1", false),
        ("INSERT INTO t VALUES (1)", false),
    ] {
        let found = effect(text, Sqlite);
        assert_eq!(found.exact, exact, "{text}");
        assert_eq!(found.count.is_some(), !text.starts_with("INSERT"), "{text}");
    }
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
        let all = cases();
        let (dialect, text, expected) = &all[index % all.len()];
        let disguised = disguise(text, &noise);
        let found = effect(&disguised, *dialect);
        prop_assert!(found.effect >= *expected, "{disguised:?}: {found:?}");
    }

    #[test]
    fn a_second_statement_never_lowers_the_effect(first in 0..1_000_usize, second in 0..1_000_usize) {
        let all = cases();
        let (dialect, text, expected) = &all[first % all.len()];
        let (_, other, _) = &all[second % all.len()];
        // What is no statement by itself can become one: an open quote is closed by the next.
        prop_assume!(!effect(text, *dialect).reason.starts_with(UNPARSED));
        let both = format!("{text}\n;{other}");
        let found = effect(&both, *dialect);
        prop_assert!(found.effect >= *expected, "{both:?}: {found:?}");
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

#[test]
fn tells_where_a_text_cannot_be_parsed() {
    for (text, at) in [
        ("SELECT 1\nFORM FORM t", Some((2, 6))),
        ("SELECT (1", None),
        ("SELECT é, 'x", Some((1, 11))),
        ("DELETE FROM t", None),
        ("SELECT 1", None),
    ] {
        assert_eq!(effect(text, Dialect::Sqlite).unparsed_at, at, "{text}");
    }
}
