//! The statements of a text of SQL, each with its place and how it is taken, and the transaction around all of them. Reads
//! by lexical rules alone, so that it never fails: what has no end is one statement to the end of the text.

use std::ops::Range;

use crate::base::text::fit;

use super::Dialect;
use super::lexer::{Lexeme, Lexer, Unended};
use super::way::{Signs, Way};

/// One statement of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<'t> {
    /// The statement from its first word on, without its semicolon and without the comments around it.
    pub text: &'t str,
    /// The statement with the comments around it, and its semicolon. What stands behind a semicolon in its line is said of
    /// the statement that it ends, where no other begins there.
    pub commented: &'t str,
    /// Where it stands in the text, in bytes, from its first word on and with its semicolon.
    pub range: Range<usize>,
    /// The line of its first word, counted from one.
    pub line: usize,
    /// How the database takes it.
    pub way: Way,
    /// Its first words outside of parentheses; quoted names and texts are none.
    words: Vec<&'t str>,
}

impl Piece<'_> {
    /// Its first two words in capitals: `CREATE INDEX`.
    #[must_use]
    pub fn kind(&self) -> String {
        capitals(&self.words[..self.words.len().min(2)])
    }

    /// The words that it begins with as they are written, for a message: `INSERT INTO orders`.
    #[must_use]
    pub fn opening(&self) -> String {
        let words: Vec<&str> = self.text.split_whitespace().take(3).collect();
        fit(&words.join(" "), 60)
    }

    /// Whether the statement begins with these words.
    #[must_use]
    pub fn begins(&self, words: &[&str]) -> bool {
        let mut pairs = self.words.iter().zip(words);
        self.words.len() >= words.len() && pairs.all(|(own, word)| own.eq_ignore_ascii_case(word))
    }

    /// Whether one of its first words is this.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|own| own.eq_ignore_ascii_case(word))
    }

    /// Whether it begins, ends or divides a transaction.
    #[must_use]
    pub fn controls_transaction(&self) -> bool {
        matches!(self.way, Way::Transaction | Way::Savepoint)
    }
}

/// The statements of a text.
#[must_use]
pub fn pieces(text: &str, dialect: Dialect) -> Vec<Piece<'_>> {
    read(text, dialect).0
}

/// The statements of a text that has an end.
///
/// # Errors
/// When the text ends inside of a quotation or a comment: then nothing can be said of what stands in it.
pub fn whole_pieces(text: &str, dialect: Dialect) -> Result<Vec<Piece<'_>>, Unended> {
    let (pieces, unended) = read(text, dialect);
    unended.map_or(Ok(pieces), Err)
}

fn read(text: &str, dialect: Dialect) -> (Vec<Piece<'_>>, Option<Unended>) {
    let mut lexer = Lexer::new(text, dialect);
    let mut pieces = Vec::new();
    let mut current = Current::default();
    let mut place = Place::default();
    while let Some((lexeme, range)) = lexer.next() {
        if current.start.is_none() {
            place.end_line(text, lexer.line_end(), pieces.last_mut());
        }
        if lexeme == Lexeme::Semicolon && current.ends_here(dialect) {
            pieces.extend(std::mem::take(&mut current).piece(text, &range, &mut place, dialect));
        } else {
            current.see(lexeme, &range, dialect);
        }
    }
    if current.start.is_none() {
        place.end_line(text, lexer.line_end(), pieces.last_mut());
    }
    let end = text.len()..text.len();
    pieces.extend(current.piece(text, &end, &mut place, dialect));
    (pieces, lexer.unended())
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
    let lexemes: Vec<Lexeme<'_>> = Lexer::new(text, dialect).map(|found| found.0).collect();
    lexemes
        .windows(2)
        .filter_map(|pair| match pair {
            [Lexeme::Word(name), Lexeme::Open] => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

/// A plain BEGIN: one that asks for more, as SERIALIZABLE, is not to be lost.
fn opens(piece: &Piece<'_>) -> bool {
    matches!(
        capitals(&piece.words).split(' ').collect::<Vec<_>>()[..],
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
    matches!(
        capitals(&piece.words).split(' ').collect::<Vec<_>>()[..],
        ["COMMIT" | "END"] | ["COMMIT" | "END", "TRANSACTION" | "WORK"]
    )
}

/// No word has a space in it.
fn capitals(words: &[&str]) -> String {
    words.join(" ").to_ascii_uppercase()
}

/// How many words of a statement are kept.
const MOST_WORDS: usize = 8;

/// How far a text has been taken apart.
struct Place {
    /// Where the statement that was read last begins, with the comments before it.
    last: usize,
    /// Behind the semicolon that was seen last, and the comments of its line.
    behind: usize,
    /// A place whose line is known, and the line.
    known: (usize, usize),
}

impl Default for Place {
    fn default() -> Self {
        Self {
            last: 0,
            behind: 0,
            known: (0, 1),
        }
    }
}

impl Place {
    /// Gives the statement before the comments that stand behind its semicolon, up to where that line is over.
    fn end_line<'t>(&mut self, text: &'t str, end: Option<usize>, before: Option<&mut Piece<'t>>) {
        if let (Some(end), Some(before)) = (end, before) {
            self.behind = end;
            before.commented = text[self.last..end].trim();
        }
    }
}

/// The statement that is being read.
#[derive(Default)]
struct Current<'t> {
    start: Option<usize>,
    end: usize,
    words: Vec<&'t str>,
    /// The word just before, if one is.
    previous: Option<&'t str>,
    parentheses: usize,
    body: Body,
    signs: Signs<'t>,
}

/// What semicolons mean within a statement.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Body {
    /// They end it.
    #[default]
    None,
    /// A trigger of SQLite has begun its statements: only `; END ;` ends it. The number is how much of that has been seen.
    Trigger(u8),
    /// A function of PostgreSQL has begun its statements. The number is how many BEGIN ATOMIC and CASE of it are open.
    Function(usize),
}

impl<'t> Current<'t> {
    fn ends_here(&self, dialect: Dialect) -> bool {
        // A rule of PostgreSQL has several statements in parentheses.
        let is_outside = self.parentheses == 0 || dialect == Dialect::Sqlite;
        is_outside && matches!(self.body, Body::None | Body::Trigger(2))
    }

    fn see(&mut self, lexeme: Lexeme<'t>, range: &Range<usize>, dialect: Dialect) {
        self.start.get_or_insert(range.start);
        self.end = range.end;
        match lexeme {
            Lexeme::Open => self.parentheses += 1,
            Lexeme::Close => self.parentheses = self.parentheses.saturating_sub(1),
            Lexeme::Word(word) if self.parentheses == 0 && self.words.len() < MOST_WORDS => {
                self.words.push(word);
            }
            _ => {}
        }
        self.signs.see(lexeme, self.parentheses > 0);
        self.body = match dialect {
            Dialect::Sqlite => self.trigger(lexeme),
            Dialect::Postgres => self.function(lexeme),
        };
        self.previous = word(lexeme);
    }

    fn trigger(&self, lexeme: Lexeme<'_>) -> Body {
        match (self.body, lexeme) {
            (Body::None, _) if is(word(lexeme), "BEGIN") && self.makes(&["TRIGGER"]) => {
                Body::Trigger(0)
            }
            (Body::Trigger(_), Lexeme::Semicolon) => Body::Trigger(1),
            (Body::Trigger(1), _) if is(word(lexeme), "END") => Body::Trigger(2),
            (Body::Trigger(_), _) => Body::Trigger(0),
            (other, _) => other,
        }
    }

    /// A function of standard SQL has statements between BEGIN ATOMIC and END.
    fn function(&self, lexeme: Lexeme<'_>) -> Body {
        let word = word(lexeme).filter(|_| self.parentheses == 0);
        match self.body {
            Body::None
                if is(word, "ATOMIC")
                    && is(self.previous, "BEGIN")
                    && self.makes(&["FUNCTION", "PROCEDURE"]) =>
            {
                Body::Function(1)
            }
            Body::Function(open) if is(word, "CASE") => Body::Function(open + 1),
            Body::Function(1) if is(word, "END") => Body::None,
            Body::Function(open) if is(word, "END") => Body::Function(open - 1),
            other => other,
        }
    }

    /// Whether it makes an object of one of these kinds.
    fn makes(&self, kinds: &[&str]) -> bool {
        let words = capitals(&self.words);
        match words.split(' ').collect::<Vec<_>>()[..] {
            ["CREATE", "TEMP" | "TEMPORARY", kind, ..] | ["CREATE", "OR", "REPLACE", kind, ..]
                if kinds.contains(&kind) =>
            {
                true
            }
            ["CREATE", kind, ..] => kinds.contains(&kind),
            _ => false,
        }
    }

    /// The statement that ends with this semicolon; none where nothing stands before it.
    fn piece(
        self,
        text: &'t str,
        semicolon: &Range<usize>,
        place: &mut Place,
        dialect: Dialect,
    ) -> Option<Piece<'t>> {
        let begin = std::mem::replace(&mut place.behind, semicolon.end);
        let start = self.start?;
        place.last = begin;
        let (known, line) = place.known;
        let line = line + text[known..start].matches('\n').count();
        place.known = (start, line);
        let words = capitals(&self.words);
        let words: Vec<&str> = words.split(' ').collect();
        Some(Piece {
            text: &text[start..self.end],
            commented: text[begin..semicolon.end].trim(),
            range: start..if semicolon.is_empty() {
                self.end
            } else {
                semicolon.end
            },
            line,
            way: self.signs.way(&words, dialect),
            words: self.words,
        })
    }
}

fn word(lexeme: Lexeme<'_>) -> Option<&str> {
    match lexeme {
        Lexeme::Word(word) => Some(word),
        _ => None,
    }
}

fn is(word: Option<&str>, other: &str) -> bool {
    word.is_some_and(|word| word.eq_ignore_ascii_case(other))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Dialect::{self, Postgres, Sqlite};
    use super::{Way, pieces, unwrapped, whole_pieces};

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
    fn a_comment_is_said_of_the_statement_whose_line_it_ends() {
        let text = "-- all of it\n\n-- one\nA;; -- of a\n-- of b\n\nB; /* of b\n too */ C; /* of d */ D /* d */\n; -- d\n-- nobody's\n";
        for dialect in Dialect::ALL {
            let found: Vec<&str> = pieces(text, dialect)
                .iter()
                .map(|piece| piece.commented)
                .collect();
            let told = [
                "-- all of it\n\n-- one\nA;; -- of a",
                "-- of b\n\nB; /* of b\n too */",
                "C;",
                "/* of d */ D /* d */\n; -- d",
            ];
            assert_eq!(found, told);
        }
        let returned = "A; -- of a\rB; -- of b";
        assert_eq!(pieces(returned, Postgres)[0].commented, "A; -- of a");
        assert_eq!(pieces(returned, Sqlite)[0].commented, returned);
        assert_eq!(pieces("A -- a;", Sqlite)[0].commented, "A -- a;");
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
    fn statements_are_told_apart_with_their_lines() {
        let text = "-- a;\nSELECT 1;\n\nCREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC\n SELECT CASE WHEN true \
                    THEN 1 END;\n SELECT 2;\nEND;;\n DO $$ BEGIN COMMIT; END $$";
        let found: Vec<_> = pieces(text, Postgres)
            .into_iter()
            .map(|piece| (piece.line, piece.kind(), piece.way))
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
        assert_eq!(pieces(rule, Postgres).len(), 1);
        assert!(pieces(" -- nothing\n;;", Postgres).is_empty());
        let atomic = "SELECT begin atomic FROM t; COMMIT";
        assert_eq!(pieces(atomic, Postgres)[1].way, Way::Transaction);
        assert!(whole_pieces("SELECT 'a", Postgres).is_err());
    }

    proptest! {
        #[test]
        fn every_text_is_read_to_its_end(text in "[a-zA-Z$'\"\\[\\];()/*\\-\\\\é \n]{0,80}") {
            for dialect in Dialect::ALL {
                let mut end = 0;
                for piece in pieces(&text, dialect) {
                    prop_assert!(piece.range.start >= end);
                    prop_assert!(text[piece.range.clone()].starts_with(piece.text));
                    prop_assert!(piece.commented.contains(text[piece.range.clone()].trim()));
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
