//! How a database takes a statement: inside of a transaction, in none, or not over a connection at all. Must not tell
//! what the statement does to the data.

use super::Dialect;
use super::lexer::Lexeme;

/// How a database takes a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In a transaction, and it tells how many rows it changed: INSERT, UPDATE, DELETE, MERGE.
    Counted,
    /// In a transaction.
    Within,
    /// In no transaction: VACUUM, CREATE INDEX CONCURRENTLY.
    Alone,
    /// It begins or ends a transaction itself.
    Transaction,
    /// It divides the transaction that it stands in: SAVEPOINT, ROLLBACK TO.
    Savepoint,
    /// Rows go on or come back beside the statement: COPY … FROM STDIN.
    Streams,
    /// A command of psql, which the server never sees.
    Psql,
}

/// What of a statement decides how it is taken, while its words come in.
#[derive(Default)]
pub(super) struct Signs<'t> {
    /// What it does, where it begins with WITH.
    verb: Option<&'t str>,
    concurrently: bool,
    streams: bool,
    is_psql: bool,
}

impl<'t> Signs<'t> {
    /// Takes the next lexeme in, which stands within parentheses or not.
    pub(super) fn see(&mut self, lexeme: Lexeme<'t>, is_within: bool) {
        let word = match lexeme {
            Lexeme::Word(word) => word,
            Lexeme::Backslash => {
                self.is_psql |= !is_within;
                return;
            }
            _ => return,
        };
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        self.concurrently |= is("CONCURRENTLY");
        if !is_within {
            self.streams |= is("STDIN") || is("STDOUT");
            if self.verb.is_none() && VERBS.iter().any(|verb| is(verb)) {
                self.verb = Some(word);
            }
        }
    }

    /// How a statement of these first words is taken, in capitals and outside of parentheses.
    pub(super) fn way(&self, words: &[&str], dialect: Dialect) -> Way {
        let is_postgres = dialect == Dialect::Postgres;
        match words {
            _ if self.is_psql && is_postgres => Way::Psql,
            ["SAVEPOINT" | "RELEASE", ..]
            | ["ROLLBACK", "TO", ..]
            | ["ROLLBACK", "WORK" | "TRANSACTION", "TO", ..] => Way::Savepoint,
            [
                "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT",
                ..,
            ]
            | ["PREPARE", "TRANSACTION", ..] => Way::Transaction,
            ["COPY", ..] if self.streams => Way::Streams,
            ["INSERT" | "UPDATE" | "DELETE" | "MERGE", ..] => Way::Counted,
            ["WITH", ..] if self.verb.is_some_and(counts) => Way::Counted,
            ["VACUUM", ..] => Way::Alone,
            words if is_postgres && self.is_alone(words) => Way::Alone,
            _ => Way::Within,
        }
    }

    /// What PostgreSQL refuses inside of a transaction whatever it is asked for, beside VACUUM.
    fn is_alone(&self, words: &[&str]) -> bool {
        match words {
            ["CLUSTER"] | ["ALTER", "SYSTEM", ..] | ["DISCARD", "ALL"] => true,
            [
                "CREATE" | "DROP",
                "DATABASE" | "TABLESPACE" | "SUBSCRIPTION",
                ..,
            ] => true,
            ["REINDEX", "DATABASE" | "SYSTEM" | "SCHEMA", ..] => true,
            ["ALTER", "DATABASE", rest @ ..] => {
                rest.windows(2).any(|pair| pair == ["SET", "TABLESPACE"])
            }
            ["REINDEX", ..]
            | ["CREATE" | "DROP", "INDEX", "CONCURRENTLY", ..]
            | ["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY", ..] => self.concurrently,
            ["ALTER", "TABLE", rest @ ..] => self.concurrently && rest.contains(&"DETACH"),
            _ => false,
        }
    }
}

/// What a statement can do that begins with WITH.
const VERBS: [&str; 7] = [
    "INSERT", "UPDATE", "DELETE", "MERGE", "SELECT", "VALUES", "TABLE",
];

/// Whether a statement that does this tells how many rows it changed.
fn counts(verb: &str) -> bool {
    let changes = &VERBS[..4];
    changes.iter().any(|known| known.eq_ignore_ascii_case(verb))
}

#[cfg(test)]
mod tests {
    use super::super::Dialect::{self, Postgres, Sqlite};
    use super::super::pieces;
    use super::Way;

    #[test]
    fn what_runs_in_no_transaction_is_known_by_its_words() {
        for (text, way) in [
            ("VACUUM (ANALYZE) t", Way::Alone),
            ("create unique index concurrently i on t (n)", Way::Alone),
            ("CREATE INDEX i ON t (n)", Way::Within),
            ("DROP INDEX CONCURRENTLY i", Way::Alone),
            ("REINDEX (CONCURRENTLY) TABLE t", Way::Alone),
            ("REINDEX TABLE CONCURRENTLY t", Way::Alone),
            ("REINDEX TABLE t", Way::Within),
            ("REINDEX (VERBOSE) DATABASE d", Way::Alone),
            ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", Way::Within),
            ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", Way::Alone),
            ("ALTER TABLE t ADD COLUMN concurrently int", Way::Within),
            ("ALTER DATABASE d SET TABLESPACE s", Way::Alone),
            ("ALTER DATABASE d SET lock_timeout = '1s'", Way::Within),
            ("CREATE DATABASE d", Way::Alone),
            ("SELECT 'VACUUM'", Way::Within),
            ("CLUSTER", Way::Alone),
            ("CLUSTER t", Way::Within),
        ] {
            assert_eq!(pieces(text, Postgres)[0].way, way, "{text}");
        }
    }

    #[test]
    fn what_changes_rows_and_counts_them_is_known() {
        for (text, way) in [
            ("INSERT INTO t SELECT 1", Way::Counted),
            ("WITH a AS (SELECT 1) UPDATE t SET n = 1", Way::Counted),
            (
                "WITH d AS (DELETE FROM t RETURNING n) SELECT count(*) FROM d",
                Way::Within,
            ),
            (
                "WITH RECURSIVE a (n) AS (VALUES (1)) MERGE INTO t USING a ON true",
                Way::Counted,
            ),
            ("SELECT f()", Way::Within),
            ("EXPLAIN ANALYZE DELETE FROM t", Way::Within),
            ("(SELECT 1)", Way::Within),
        ] {
            assert_eq!(pieces(text, Postgres)[0].way, way, "{text}");
        }
    }

    #[test]
    fn what_would_leave_the_transaction_or_the_connection_is_known() {
        for (text, way) in [
            ("begin", Way::Transaction),
            ("/* */ START TRANSACTION READ WRITE", Way::Transaction),
            ("END", Way::Transaction),
            ("ROLLBACK", Way::Transaction),
            ("ROLLBACK PREPARED 'x'", Way::Transaction),
            ("ROLLBACK TO SAVEPOINT s", Way::Savepoint),
            ("PREPARE TRANSACTION 'x'", Way::Transaction),
            ("PREPARE q AS SELECT 1", Way::Within),
            ("SAVEPOINT s", Way::Savepoint),
            ("COPY t FROM stdin WITH (FORMAT csv)", Way::Streams),
            ("COPY (SELECT 1) TO STDOUT", Way::Streams),
            ("COPY t FROM '/srv/t.csv'", Way::Within),
            ("\\connect other", Way::Psql),
        ] {
            assert_eq!(pieces(text, Postgres)[0].way, way, "{text}");
        }
    }

    #[test]
    fn what_runs_in_no_transaction_is_known_in_each_dialect() {
        let alone = |text, dialect: Dialect| pieces(text, dialect)[0].way == Way::Alone;
        for text in [
            "CREATE INDEX CONCURRENTLY a ON t (b)",
            "create unique index concurrently if not exists a ON t (b)",
            "DROP INDEX CONCURRENTLY a",
            "REINDEX (VERBOSE) TABLE CONCURRENTLY t",
            "REINDEX DATABASE x",
            "VACUUM t",
            "CREATE DATABASE x",
            "ALTER SYSTEM SET a = 1",
            "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
            "CLUSTER",
            "DISCARD ALL",
            "REINDEX SCHEMA s",
        ] {
            assert!(alone(text, Postgres), "{text}");
        }
        for text in [
            "CREATE INDEX a ON t (b)",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
            "DROP TABLE t",
            "REINDEX TABLE t",
            "CREATE INDEX \"CONCURRENTLY\" ON t (b)",
            "CLUSTER t",
            "REINDEX (TABLESPACE s) TABLE t",
        ] {
            assert!(!alone(text, Postgres), "{text}");
        }
        assert!(alone("VACUUM", Sqlite));
        assert!(!alone("REINDEX", Sqlite));
    }
}
