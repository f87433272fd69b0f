//! How PostgreSQL takes the statements of a text: inside of a transaction, in none, or not over this connection at all.
//! Must not tell what they do to the data.

use super::lexer::{Lexeme, Lexer, Unended};

/// A statement, and how the server takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// The line that it begins in, from 1.
    pub line: usize,
    /// Its first words: `CREATE INDEX`.
    pub words: String,
    /// How the server takes it.
    pub way: Way,
}

/// How the server takes a statement.
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
    /// Rows go on or come back beside the statement: COPY … FROM STDIN.
    Streams,
    /// A command of psql, which the server never sees.
    Psql,
}

/// How many words of a statement decide.
const DECIDING: usize = 12;

/// The statements of a text of PostgreSQL's.
///
/// # Errors
/// When the text ends inside of a quotation or a comment: then nothing can be said of what stands in it.
pub fn courses(text: &str) -> Result<Vec<Course>, Unended> {
    let mut lexer = Lexer::new(text);
    let mut found = Vec::new();
    let mut statement = Statement::default();
    while let Some(lexeme) = lexer.next()? {
        // A rule has several statements in parentheses.
        let is_end = statement.body == 0 && statement.depth == 0;
        if lexeme == Lexeme::Semicolon && is_end {
            found.extend(std::mem::take(&mut statement).course());
        } else {
            statement.take(lexeme, lexer.line());
        }
    }
    found.extend(statement.course());
    Ok(found)
}

/// A statement while its words come in.
#[derive(Default)]
struct Statement {
    line: Option<usize>,
    /// The first words outside of parentheses.
    words: Vec<String>,
    depth: usize,
    /// What it does, where it begins with WITH.
    verb: Option<String>,
    concurrently: bool,
    streams: bool,
    is_psql: bool,
    /// How deep in a body of SQL it is: `BEGIN ATOMIC … END`, where statements stand inside of one.
    body: usize,
    previous: String,
}

impl Statement {
    fn take(&mut self, lexeme: Lexeme<'_>, line: usize) {
        self.line.get_or_insert(line);
        match lexeme {
            Lexeme::Open => self.depth += 1,
            Lexeme::Close => self.depth = self.depth.saturating_sub(1),
            Lexeme::Word(word) => self.word(word.to_ascii_uppercase()),
            Lexeme::Backslash => self.is_psql |= self.depth == 0,
            Lexeme::Semicolon | Lexeme::Other => self.previous.clear(),
        }
    }

    fn word(&mut self, word: String) {
        match word.as_str() {
            "ATOMIC" if self.previous == "BEGIN" => self.body += 1,
            "CASE" if self.body > 0 => self.body += 1,
            "END" => self.body = self.body.saturating_sub(1),
            _ => {}
        }
        self.concurrently |= word == "CONCURRENTLY";
        if self.depth == 0 {
            self.streams |= matches!(word.as_str(), "STDIN" | "STDOUT");
            if self.verb.is_none() && is_verb(&word) {
                self.verb = Some(word.clone());
            }
            if self.words.len() < DECIDING {
                self.words.push(word.clone());
            }
        }
        self.previous = word;
    }

    /// What it is; nothing where there was no statement.
    fn course(self) -> Option<Course> {
        Some(Course {
            line: self.line?,
            way: self.way(),
            words: self.words[..self.words.len().min(2)].join(" "),
        })
    }

    fn way(&self) -> Way {
        if self.is_psql {
            return Way::Psql;
        }
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["ROLLBACK", "TO", ..] | ["ROLLBACK", "WORK" | "TRANSACTION", "TO", ..] => Way::Within,
            [
                "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT",
                ..,
            ]
            | ["PREPARE", "TRANSACTION", ..] => Way::Transaction,
            ["COPY", ..] if self.streams => Way::Streams,
            ["INSERT" | "UPDATE" | "DELETE" | "MERGE", ..] => Way::Counted,
            ["WITH", ..] if self.verb.as_deref().is_some_and(counts) => Way::Counted,
            words if self.is_alone(words) => Way::Alone,
            _ => Way::Within,
        }
    }

    /// What the server refuses inside of a transaction whatever it is asked for.
    fn is_alone(&self, words: &[&str]) -> bool {
        match words {
            ["VACUUM", ..] | ["CLUSTER"] | ["ALTER", "SYSTEM", ..] | ["DISCARD", "ALL"] => true,
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

/// Whether the server tells how many rows a statement changed that does this.
fn counts(verb: &str) -> bool {
    matches!(verb, "INSERT" | "UPDATE" | "DELETE" | "MERGE")
}

fn is_verb(word: &str) -> bool {
    counts(word) || matches!(word, "SELECT" | "VALUES" | "TABLE")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Way, courses};

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
            assert_eq!(courses(text).unwrap()[0].way, way, "{text}");
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
            assert_eq!(courses(text).unwrap()[0].way, way, "{text}");
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
            ("ROLLBACK TO SAVEPOINT s", Way::Within),
            ("PREPARE TRANSACTION 'x'", Way::Transaction),
            ("PREPARE q AS SELECT 1", Way::Within),
            ("SAVEPOINT s", Way::Within),
            ("COPY t FROM stdin WITH (FORMAT csv)", Way::Streams),
            ("COPY (SELECT 1) TO STDOUT", Way::Streams),
            ("COPY t FROM '/srv/t.csv'", Way::Within),
            ("\\connect other", Way::Psql),
        ] {
            assert_eq!(courses(text).unwrap()[0].way, way, "{text}");
        }
    }

    #[test]
    fn statements_are_told_apart_with_their_lines() {
        let text = "-- a;\nSELECT 1;\n\nCREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC\n SELECT CASE WHEN true \
                    THEN 1 END;\n SELECT 2;\nEND;;\n DO $$ BEGIN COMMIT; END $$";
        let found: Vec<_> = courses(text)
            .unwrap()
            .into_iter()
            .map(|course| (course.line, course.words, course.way))
            .collect();
        assert_eq!(
            found,
            [
                (2, "SELECT".to_owned(), Way::Within),
                (4, "CREATE FUNCTION".to_owned(), Way::Within),
                (8, "DO".to_owned(), Way::Within),
            ]
        );
        let rule = "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b)";
        assert_eq!(courses(rule).unwrap().len(), 1);
        assert!(courses(" -- nothing\n;;").unwrap().is_empty());
        assert!(courses("SELECT 'a").is_err());
    }
}
