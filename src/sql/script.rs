//! The statements of a text of SQL, each with its place, and what begins and ends transactions in it. Reads by lexical rules
//! alone, so that it never fails: what has no end is one statement to the end of the text.

use std::ops::Range;

use super::Dialect;

/// One statement of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<'t> {
    /// The statement from its first word on, without its semicolon and without the comments around it.
    pub text: &'t str,
    /// Where it stands in the text, in bytes, with its semicolon.
    pub range: Range<usize>,
    /// The line of its first word, counted from one.
    pub line: usize,
    /// Its words in capitals, the first eight; quoted names and texts are none.
    words: Vec<String>,
}

impl Piece<'_> {
    /// Whether the statement begins with these words.
    #[must_use]
    pub fn begins(&self, words: &[&str]) -> bool {
        self.words.len() >= words.len()
            && self.words.iter().zip(words).all(|(own, word)| own == word)
    }

    /// Whether one of its first words is this.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|own| own == word)
    }

    /// Whether it begins, ends or divides a transaction.
    #[must_use]
    pub fn controls_transaction(&self) -> bool {
        let first = self.words.first().map_or("", String::as_str);
        matches!(
            first,
            "BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE"
        ) || self.begins(&["START", "TRANSACTION"])
            || self.begins(&["PREPARE", "TRANSACTION"])
    }

    /// Whether the database runs it in no transaction: PostgreSQL's "cannot run inside a transaction block", SQLite's VACUUM.
    #[must_use]
    pub fn runs_alone(&self, dialect: Dialect) -> bool {
        if self.begins(&["VACUUM"]) {
            return true;
        }
        if dialect == Dialect::Sqlite {
            return false;
        }
        let whole = |word| ["DATABASE", "SYSTEM", "TABLESPACE", "SUBSCRIPTION"].contains(&word);
        match self.words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["CREATE" | "DROP", "INDEX" | "UNIQUE", ..] => self.has("CONCURRENTLY"),
            ["REINDEX", ..] => {
                self.has("CONCURRENTLY") || self.words.iter().any(|word| whole(word))
            }
            ["CREATE" | "DROP", object, ..] => whole(object),
            ["ALTER", "SYSTEM", ..] | ["CLUSTER"] => true,
            ["ALTER", "TABLE", ..] => self.has("DETACH") && self.has("CONCURRENTLY"),
            _ => false,
        }
    }
}

/// The statements of a text.
#[must_use]
pub fn pieces(text: &str, dialect: Dialect) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut current = Current::default();
    let mut line = (0, 1);
    let mut take = |current: Current, end: Range<usize>| {
        let Some(start) = current.start else { return };
        line.1 += text[line.0..start].matches('\n').count();
        line.0 = start;
        pieces.push(Piece {
            text: &text[start..current.end],
            range: start..end.end,
            line: line.1,
            words: current.words,
        });
    };
    for (lexeme, range) in Lexer::of(text, dialect) {
        if lexeme == Lexeme::Semicolon && current.ends_here() {
            take(std::mem::take(&mut current), range);
        } else {
            current.see(&lexeme, &range, dialect);
        }
    }
    let end = current.end;
    take(current, end..end);
    pieces
}

/// A text without the transaction around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwrapped {
    /// The text; where BEGIN and COMMIT stood is white space, so that every line keeps its number.
    pub text: String,
    /// Whether there was a transaction around all of it.
    pub was_wrapped: bool,
}

/// Takes the transaction away that stands around the whole of a text: a BEGIN before and a COMMIT behind everything else.
///
/// # Errors
/// The line of a statement that begins or ends a transaction anywhere else, or in other words.
pub fn unwrapped(text: &str, dialect: Dialect) -> Result<Unwrapped, usize> {
    let pieces = pieces(text, dialect);
    let (inner, ends) = match pieces.as_slice() {
        [first, inner @ .., last] if opens(first) && closes(last) => (inner, vec![first, last]),
        all => (all, Vec::new()),
    };
    if let Some(control) = inner.iter().find(|piece| piece.controls_transaction()) {
        return Err(control.line);
    }
    let mut unwrapped = text.to_owned();
    for end in &ends {
        let blank: String = text[end.range.clone()]
            .chars()
            .map(|character| if character == '\n' { '\n' } else { ' ' })
            .collect();
        // In bytes as many as before: the words are ASCII, and so is what may stand between them but in comments.
        let blank = format!("{blank:<width$}", width = end.range.len());
        unwrapped.replace_range(end.range.clone(), &blank);
    }
    Ok(Unwrapped {
        text: unwrapped,
        was_wrapped: !ends.is_empty(),
    })
}

/// The functions that an expression calls, in small letters.
pub(super) fn called(text: &str, dialect: Dialect) -> Vec<String> {
    let lexemes: Vec<Lexeme<'_>> = Lexer::of(text, dialect).map(|found| found.0).collect();
    lexemes
        .windows(2)
        .filter_map(|pair| match pair {
            [Lexeme::Word(name), Lexeme::Opening] => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

/// A plain BEGIN: one that asks for more, as SERIALIZABLE, is not to be lost.
fn opens(piece: &Piece<'_>) -> bool {
    let words: Vec<&str> = piece.words.iter().map(String::as_str).collect();
    matches!(
        words[..],
        ["BEGIN"]
            | ["BEGIN", "TRANSACTION" | "WORK"]
            | ["BEGIN", "DEFERRED" | "IMMEDIATE" | "EXCLUSIVE"]
            | [
                "BEGIN",
                "DEFERRED" | "IMMEDIATE" | "EXCLUSIVE",
                "TRANSACTION"
            ]
            | ["START", "TRANSACTION"]
    )
}

fn closes(piece: &Piece<'_>) -> bool {
    let words: Vec<&str> = piece.words.iter().map(String::as_str).collect();
    matches!(
        words[..],
        ["COMMIT" | "END"] | ["COMMIT" | "END", "TRANSACTION" | "WORK"]
    )
}

/// How many words of a statement are kept.
const MOST_WORDS: usize = 8;

/// The statement that is being read.
#[derive(Default)]
struct Current {
    start: Option<usize>,
    end: usize,
    words: Vec<String>,
    parentheses: usize,
    /// How many BEGIN and CASE of a function's body are open.
    blocks: usize,
    body: Body,
}

/// What semicolons mean within a statement.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Body {
    /// They end it.
    #[default]
    None,
    /// A trigger of SQLite has begun its statements: only `; END ;` ends it. The number is how much of that has been seen.
    Trigger(u8),
}

impl Current {
    fn ends_here(&self) -> bool {
        self.parentheses == 0
            && self.blocks == 0
            && matches!(self.body, Body::None | Body::Trigger(2))
    }

    fn see(&mut self, lexeme: &Lexeme<'_>, range: &Range<usize>, dialect: Dialect) {
        self.start.get_or_insert(range.start);
        self.end = range.end;
        let word = match lexeme {
            Lexeme::Word(word) => word.to_ascii_uppercase(),
            Lexeme::Semicolon | Lexeme::Opening | Lexeme::Closing | Lexeme::Other => String::new(),
        };
        if !word.is_empty() && self.words.len() < MOST_WORDS {
            self.words.push(word.clone());
        }
        match dialect {
            Dialect::Sqlite => self.see_trigger(lexeme, &word),
            Dialect::Postgres => self.see_block(lexeme, &word),
        }
    }

    fn see_trigger(&mut self, lexeme: &Lexeme<'_>, word: &str) {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let is_trigger = matches!(
            words[..],
            ["CREATE", "TRIGGER", ..] | ["CREATE", "TEMP" | "TEMPORARY", "TRIGGER", ..]
        );
        self.body = match (self.body, lexeme) {
            (Body::None, _) if is_trigger && word == "BEGIN" => Body::Trigger(0),
            (Body::None, _) => Body::None,
            (Body::Trigger(_), Lexeme::Semicolon) => Body::Trigger(1),
            (Body::Trigger(1), _) if word == "END" => Body::Trigger(2),
            (Body::Trigger(_), _) => Body::Trigger(0),
        };
    }

    /// A function of standard SQL has statements between BEGIN ATOMIC and END; a rule has them in parentheses.
    fn see_block(&mut self, lexeme: &Lexeme<'_>, word: &str) {
        match lexeme {
            Lexeme::Opening => self.parentheses += 1,
            Lexeme::Closing => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let is_function = matches!(
            words[..],
            ["CREATE", "FUNCTION" | "PROCEDURE", ..]
                | ["CREATE", "OR", "REPLACE", "FUNCTION" | "PROCEDURE", ..]
        );
        if !is_function || self.parentheses > 0 {
            return;
        }
        match word {
            "BEGIN" => self.blocks += 1,
            "CASE" if self.blocks > 0 => self.blocks += 1,
            "END" => self.blocks = self.blocks.saturating_sub(1),
            _ => {}
        }
    }
}

/// A part of SQL that is neither white space nor a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Lexeme<'t> {
    Word(&'t str),
    Semicolon,
    Opening,
    Closing,
    /// A text, a quoted name, a number, an operator.
    Other,
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    dialect: Dialect,
}

impl<'t> Lexer<'t> {
    fn of(text: &'t str, dialect: Dialect) -> Self {
        Self {
            text,
            at: 0,
            dialect,
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Goes to behind the next `end`, or to the end of the text.
    fn skip_to(&mut self, from: usize, end: &str) {
        let start = (self.at + from).min(self.text.len());
        self.at = self.text[start..]
            .find(end)
            .map_or(self.text.len(), |found| start + found + end.len());
    }

    /// Goes past white space and comments.
    fn skip_nothing(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("--") {
                self.skip_to(2, "\n");
            } else if trimmed.starts_with("/*") {
                self.skip_comment();
            } else {
                return;
            }
        }
    }

    /// PostgreSQL's comments nest, SQLite's do not.
    fn skip_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") && (depth == 0 || self.dialect == Dialect::Postgres) {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else {
                match rest.chars().next() {
                    Some(character) => self.at += character.len_utf8(),
                    None => return,
                }
            }
        }
    }

    /// Goes past a text or name in quotes. A doubled quote reads as two of them side by side, which ends in the same place.
    fn skip_quoted(&mut self, quote: char, escapes: bool) {
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((offset, character)) = characters.next() {
            if escapes && character == '\\' {
                characters.next();
            } else if character == quote {
                self.at += offset + quote.len_utf8();
                return;
            }
        }
        self.at = self.text.len();
    }

    fn word(&mut self) -> Lexeme<'t> {
        let rest = self.rest();
        let end = rest
            .find(|character| !(is_of_word(character) || character == '$'))
            .unwrap_or(rest.len());
        let word = &rest[..end];
        self.at += end;
        if self.dialect == Dialect::Postgres
            && word.eq_ignore_ascii_case("e")
            && self.rest().starts_with('\'')
        {
            self.skip_quoted('\'', true);
            return Lexeme::Other;
        }
        Lexeme::Word(word)
    }

    /// The whole mark `$tag$` that opens a text, if one stands here.
    fn dollar_mark(&self) -> Option<&'t str> {
        let rest = self.rest();
        let end = 1 + rest.get(1..)?.find(|character| !is_of_word(character))?;
        let mark = rest.get(..=end)?;
        let is_number = mark[1..].starts_with(|first: char| first.is_ascii_digit());
        (mark.ends_with('$') && !is_number).then_some(mark)
    }
}

fn is_of_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_' || !character.is_ascii()
}

impl<'t> Iterator for Lexer<'t> {
    type Item = (Lexeme<'t>, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_nothing();
        let start = self.at;
        let first = self.rest().chars().next()?;
        let is_sqlite = self.dialect == Dialect::Sqlite;
        let lexeme = match first {
            '\'' | '"' => {
                self.skip_quoted(first, false);
                Lexeme::Other
            }
            '`' if is_sqlite => {
                self.skip_quoted(first, false);
                Lexeme::Other
            }
            '[' if is_sqlite => {
                self.skip_to(1, "]");
                Lexeme::Other
            }
            '$' if !is_sqlite => {
                match self.dollar_mark() {
                    Some(mark) => self.skip_to(mark.len(), mark),
                    None => self.at += 1,
                }
                Lexeme::Other
            }
            ';' | '(' | ')' => {
                self.at += 1;
                match first {
                    ';' => Lexeme::Semicolon,
                    '(' => Lexeme::Opening,
                    _ => Lexeme::Closing,
                }
            }
            first if first.is_ascii_digit() => {
                self.word();
                Lexeme::Other
            }
            first if is_of_word(first) => self.word(),
            first => {
                self.at += first.len_utf8();
                Lexeme::Other
            }
        };
        Some((lexeme, start..self.at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Dialect::{self, Postgres, Sqlite};
    use super::{pieces, unwrapped};

    fn texts(text: &str, dialect: Dialect) -> Vec<(usize, &str)> {
        let pieces = pieces(text, dialect);
        pieces
            .into_iter()
            .map(|piece| (piece.line, piece.text))
            .collect()
    }

    #[test]
    fn statements_end_at_semicolons_that_stand_in_nothing_else() {
        let text = "\u{feff}-- a; b\nSELECT ';', \"a;\"\"b\", 'it''s;' /* ; */;;\n\n/* x */ DELETE FROM t -- ;\n";
        for dialect in Dialect::ALL {
            assert_eq!(
                texts(text, dialect),
                [
                    (2, "SELECT ';', \"a;\"\"b\", 'it''s;'"),
                    (4, "DELETE FROM t")
                ]
            );
        }
        assert!(pieces("", Sqlite).is_empty());
        assert!(pieces("-- only this\n ; ;", Postgres).is_empty());
        assert_eq!(texts("SELECT 'no end; SELECT 2", Sqlite).len(), 1);
    }

    #[test]
    fn each_dialect_has_its_own_quotes() {
        assert_eq!(texts("SELECT [a;b], `c;d`; X", Sqlite).len(), 2);
        let text =
            "SELECT a[1]; SELECT E'it\\'s;', $$a;b$$, $x$ $$; $x$, $1; /* a /* b; */ c; */ X";
        assert_eq!(texts(text, Postgres).len(), 3);
        assert_eq!(texts("SELECT a$b; SELECT c$d", Postgres).len(), 2);
    }

    #[test]
    fn the_body_of_a_trigger_or_function_is_part_of_it() {
        let trigger = "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN\n UPDATE a SET n = CASE WHEN 1 THEN 2 END;\n DELETE FROM b;\nEND;\nSELECT 1";
        assert_eq!(texts(trigger, Sqlite)[1..], [(5, "SELECT 1")], "{trigger}");
        let function = "CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC\n SELECT CASE WHEN a > 1 THEN 2 END;\n SELECT 3;\nEND;\nCREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b);\nSELECT 1";
        let lines: Vec<usize> = texts(function, Postgres)
            .iter()
            .map(|piece| piece.0)
            .collect();
        assert_eq!(lines, [1, 5, 6]);
    }

    #[test]
    fn the_transaction_around_a_text_is_taken_away_and_no_line_moves() {
        let text = "-- é\nBEGIN;\nSELECT 1;\nCOMMIT ;\n";
        let bare = unwrapped(text, Postgres).map(|bare| (bare.text, bare.was_wrapped));
        let expected = "-- é\n      \nSELECT 1;\n        \n".to_owned();
        assert_eq!(bare, Ok((expected, true)));
        let plain = unwrapped("SELECT 1", Postgres).map(|bare| bare.was_wrapped);
        assert_eq!(plain, Ok(false));
        for (text, line) in [
            ("BEGIN; SELECT 1;\nCOMMIT; SELECT 2", 1),
            ("SELECT 1;\nSAVEPOINT a", 2),
            ("BEGIN;\nROLLBACK;\nCOMMIT", 2),
            ("BEGIN ISOLATION LEVEL SERIALIZABLE;\nSELECT 1;\nCOMMIT", 1),
            ("\nPREPARE TRANSACTION 'x'", 2),
        ] {
            assert_eq!(unwrapped(text, Postgres), Err(line), "{text}");
        }
    }

    #[test]
    fn what_runs_in_no_transaction_is_known_by_its_words() {
        let alone = |text, dialect| pieces(text, dialect)[0].runs_alone(dialect);
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
        ] {
            assert!(!alone(text, Postgres), "{text}");
        }
        assert!(alone("VACUUM", Sqlite));
    }

    proptest! {
        #[test]
        fn every_text_is_read_to_its_end(text in "[a-zA-Z$'\"\\[\\];()/*\\-\\\\é \n]{0,80}") {
            for dialect in Dialect::ALL {
                let mut end = 0;
                for piece in pieces(&text, dialect) {
                    prop_assert!(piece.range.start >= end);
                    prop_assert!(text[piece.range.clone()].starts_with(piece.text));
                    prop_assert_eq!(piece.line, text[..piece.range.start].matches('\n').count() + 1);
                    end = piece.range.end;
                }
                if let Ok(bare) = unwrapped(&text, dialect) {
                    prop_assert_eq!(bare.text.matches('\n').count(), text.matches('\n').count());
                }
            }
        }

        #[test]
        fn statements_that_are_joined_are_told_apart(names in prop::collection::vec("[a-z;'\"é]{1,8}", 1..6)) {
            let quoted: Vec<String> = names
                .iter()
                .map(|name| format!("SELECT '{}', \"{}\"", name.replace('\'', "''"), name.replace('"', "\"\"")))
                .collect();
            for dialect in Dialect::ALL {
                let joined = quoted.join(" ; -- ;\n");
                let found: Vec<&str> = pieces(&joined, dialect).iter().map(|piece| piece.text).collect();
                prop_assert_eq!(&found, &quoted);
            }
        }
    }
}
