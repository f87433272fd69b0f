//! The words of a text of SQL, one after the other and none of them kept: a script may have many megabytes. Follows
//! <https://www.postgresql.org/docs/current/sql-syntax-lexical.html> and SQLite's rules. Must not know what the words mean.

use std::ops::Range;

use super::Dialect;

/// A piece of a text that is neither white space nor a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lexeme<'t> {
    /// A name or a key word without quotes.
    Word(&'t str),
    /// `(`
    Open,
    /// `)`
    Close,
    /// `;`
    Semicolon,
    /// `\`, which only psql knows.
    Backslash,
    /// A text: `'…'`, and in PostgreSQL `E'…'` and `$tag$ … $tag$`.
    Text,
    /// A number, a quoted name, an operator.
    Other,
}

/// A text that ends inside of a quotation or a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} that begins in line {line} does not end")]
pub struct Unended {
    /// What does not end.
    pub what: &'static str,
    /// The line in which it begins, from 1.
    pub line: usize,
}

/// Goes through a text; tells with each lexeme where it stands, in bytes. What does not end goes to the end of the text.
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    dialect: Dialect,
    unended: Option<Unended>,
    line_end: Option<usize>,
}

impl<'t> Lexer<'t> {
    pub(super) const fn new(text: &'t str, dialect: Dialect) -> Self {
        Self {
            text,
            at: 0,
            dialect,
            unended: None,
            line_end: None,
        }
    }

    /// What does not end of all that was come to.
    pub(super) const fn unended(&self) -> Option<Unended> {
        self.unended
    }

    /// Where the line of the lexeme before the one that was told last is over, in bytes, with the comments that begin in it;
    /// none where both stand in one line.
    pub(super) const fn line_end(&self) -> Option<usize> {
        self.line_end
    }

    /// Passes over white space and comments. White space beyond ASCII is part of a name for the engines.
    fn skip(&mut self) {
        self.line_end = None;
        loop {
            match self.rest() {
                [b'-', b'-', rest @ ..] => {
                    let end = rest.iter().position(|byte| self.ends_line(*byte));
                    self.at += 2 + end.unwrap_or(rest.len());
                }
                [b'/', b'*', ..] => {
                    let start = self.at;
                    self.comment();
                    let comment = &self.text.as_bytes()[start..self.at];
                    if comment.iter().any(|byte| self.ends_line(*byte)) {
                        self.line_end.get_or_insert(self.at);
                    }
                }
                [space @ (b'\t'..=b'\r' | b' '), ..] => {
                    if self.ends_line(*space) {
                        self.line_end.get_or_insert(self.at);
                    }
                    self.at += 1;
                }
                [0xef, 0xbb, 0xbf, ..] => self.at += BYTE_ORDER_MARK,
                [] => {
                    self.line_end.get_or_insert(self.at);
                    return;
                }
                _ => return,
            }
        }
    }

    const fn ends_line(&self, byte: u8) -> bool {
        byte == b'\n' || (byte == b'\r' && self.is_postgres())
    }

    /// PostgreSQL's comments nest, SQLite's do not.
    fn comment(&mut self) {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.rest() {
                [b'/', b'*', ..] if depth == 0 || self.is_postgres() => {
                    depth += 1;
                    self.at += 2;
                }
                [b'*', b'/', ..] => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                [_, ..] => self.at += 1,
                [] => return self.misses_end("a comment", start),
            }
        }
    }

    /// What stands between quotes; a doubled one stands for itself. A text that goes on in another line keeps its escapes.
    fn quoted(&mut self, what: &'static str, quote: u8, escapes: bool) {
        let start = self.at;
        self.at += 1;
        loop {
            match self.rest() {
                [b'\\', _, ..] if escapes => self.at += 2,
                [first, second, ..] if *first == quote && *second == quote => self.at += 2,
                [first, ..] => {
                    self.at += 1;
                    if *first == quote {
                        match self.next_line_of_text().filter(|_| quote == b'\'') {
                            Some(next) => self.at = next,
                            None => return,
                        }
                    }
                }
                [] => return self.misses_end(what, start),
            }
        }
    }

    /// Where the text that was closed here goes on: behind a line break and a quote, with nothing but white space and line
    /// comments between, in PostgreSQL.
    fn next_line_of_text(&self) -> Option<usize> {
        let (mut at, mut breaks) = (self.at, false);
        while self.is_postgres() {
            match &self.text.as_bytes()[at..] {
                [b'\'', ..] if breaks => return Some(at + 1),
                [b'-', b'-', rest @ ..] => {
                    at += 2 + rest.iter().position(|byte| self.ends_line(*byte))?;
                }
                [space @ (b'\t'..=b'\r' | b' '), ..] => {
                    breaks |= self.ends_line(*space);
                    at += 1;
                }
                _ => return None,
            }
        }
        None
    }

    /// Goes to behind the next `end`, which stands at `from` or later.
    fn to(&mut self, from: usize, end: &str, what: &'static str) {
        match self.text[from..].find(end) {
            Some(found) => self.at = from + found + end.len(),
            None => self.misses_end(what, self.at),
        }
    }

    /// The whole mark `$tag$` that opens a text, if one stands here.
    fn dollar_mark(&self) -> Option<&'t str> {
        let rest = &self.text[self.at..];
        let tag = rest.bytes().skip(1).take_while(|byte| is_tag(*byte));
        let end = 1 + tag.count();
        let is_mark = rest.as_bytes().get(end) == Some(&b'$');
        (is_mark && !rest.as_bytes()[1].is_ascii_digit()).then(|| &rest[..=end])
    }

    fn dollar(&mut self) -> Lexeme<'t> {
        match self.dollar_mark() {
            Some(mark) => {
                self.to(self.at + mark.len(), mark, "a text in dollars");
                Lexeme::Text
            }
            None => self.one(Lexeme::Other),
        }
    }

    fn text_or_name(&mut self, what: &'static str, quote: u8, lexeme: Lexeme<'t>) -> Lexeme<'t> {
        self.quoted(what, quote, false);
        lexeme
    }

    fn word(&mut self) -> &'t str {
        let rest = &self.text[self.at..];
        let of_word = rest
            .bytes()
            .take_while(|byte| is_tag(*byte) || *byte == b'$');
        let length = of_word.count();
        self.at += length;
        &rest[..length]
    }

    fn word_or_text(&mut self) -> Lexeme<'t> {
        let word = self.word();
        let has_escapes = self.is_postgres() && matches!(word, "e" | "E");
        if has_escapes && self.rest().first() == Some(&b'\'') {
            self.quoted("a text", b'\'', true);
            return Lexeme::Text;
        }
        Lexeme::Word(word)
    }

    const fn one(&mut self, lexeme: Lexeme<'t>) -> Lexeme<'t> {
        self.at += 1;
        lexeme
    }

    fn misses_end(&mut self, what: &'static str, start: usize) {
        let before = &self.text.as_bytes()[..start];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        self.unended = Some(Unended { what, line });
        self.at = self.text.len();
    }

    fn rest(&self) -> &'t [u8] {
        &self.text.as_bytes()[self.at..]
    }

    const fn is_postgres(&self) -> bool {
        matches!(self.dialect, Dialect::Postgres)
    }
}

impl<'t> Iterator for Lexer<'t> {
    type Item = (Lexeme<'t>, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip();
        let start = self.at;
        let is_postgres = self.is_postgres();
        let lexeme = match *self.rest().first()? {
            b'(' => self.one(Lexeme::Open),
            b')' => self.one(Lexeme::Close),
            b';' => self.one(Lexeme::Semicolon),
            b'\\' => self.one(Lexeme::Backslash),
            b'\'' => self.text_or_name("a text", b'\'', Lexeme::Text),
            b'"' => self.text_or_name("a quoted name", b'"', Lexeme::Other),
            b'`' if !is_postgres => self.text_or_name("a quoted name", b'`', Lexeme::Other),
            b'[' if !is_postgres => {
                self.to(start, "]", "a quoted name");
                Lexeme::Other
            }
            b'$' if is_postgres => self.dollar(),
            first if begins_word(first) => self.word_or_text(),
            first if first.is_ascii_digit() => {
                self.word();
                Lexeme::Other
            }
            _ => self.one(Lexeme::Other),
        };
        Some((lexeme, start..self.at))
    }
}

/// How many bytes U+FEFF has, which may stand before a text.
const BYTE_ORDER_MARK: usize = 3;

const fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

const fn is_tag(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    use super::super::Dialect::{self, Postgres, Sqlite};
    use super::{Lexeme, Lexer, Unended};

    fn words(text: &str, dialect: Dialect) -> Result<String, Unended> {
        let mut lexer = Lexer::new(text, dialect);
        let told: Vec<String> = (&mut lexer)
            .map(|(lexeme, range)| match lexeme {
                Lexeme::Word(word) => word.to_owned(),
                Lexeme::Open => "(".to_owned(),
                Lexeme::Close => ")".to_owned(),
                Lexeme::Semicolon => format!(";{}", 1 + text[..range.start].matches('\n').count()),
                Lexeme::Backslash => "\\".to_owned(),
                Lexeme::Text => "'".to_owned(),
                Lexeme::Other => "·".to_owned(),
            })
            .collect();
        lexer.unended().map_or(Ok(told.join(" ")), Err)
    }

    #[test]
    fn a_semicolon_counts_only_where_the_server_sees_one() {
        for (text, told) in [
            ("select 1; select 'a;b';\n;", "select · ;1 select ' ;1 ;2"),
            ("select 'it''s;', \"a\"\";\";", "select ' · · ;1"),
            ("select e'a\\';' ;", "select ' ;1"),
            ("select 'a\\';", "select ' ;1"),
            ("do $$ begin; end $$;", "do ' ;1"),
            ("do $a$ $$ ; $b$ $a$;", "do ' ;1"),
            ("select e'a'\n'b\\';' ;", "select ' ;2"),
            ("select 'a' -- c'\r\n\t'b\\';", "select ' ;2"),
            ("select e'a' 'b\\';", "select ' ' ;1"),
            ("select e'a' /*\n*/ 'b\\';", "select ' ' ;2"),
            ("select \"a\"\n'b';", "select · ' ;2"),
            ("select 'a'\ne'b\\';'", "select ' '"),
            ("select $1;$2", "select · · ;1 · ·"),
            ("select a$b$;", "select a$b$ ;1"),
            ("-- ;\n/* ; /* ; */ ; */ x;", "x ;2"),
            ("f(1e5)\\gexec", "f ( · ) \\ gexec"),
            ("été;", "été ;1"),
            ("a[1]; `b;", "a · · · ;1 · b ;1"),
            ("-- a\r; commit", ";1 commit"),
            ("\u{feff}a \u{a0}b", "a \u{a0}b"),
        ] {
            assert_eq!(words(text, Postgres).as_deref(), Ok(told), "{text}");
        }
        for (text, told) in [
            ("select [a;b], `c;``d`;", "select · · · ;1"),
            ("select e'a\\'; b", "select e ' ;1 b"),
            ("select 'a'\n'b';", "select ' ' ;2"),
            ("$a$;$a$", "· a$ ;1 · a$"),
            ("/* /* */ ; -- a\r; b", ";1"),
        ] {
            assert_eq!(words(text, Sqlite).as_deref(), Ok(told), "{text}");
        }
    }

    #[test]
    fn what_does_not_end_is_told() {
        for (text, what, dialect) in [
            ("\nselect 'a", "a text", Postgres),
            ("\nselect e'a\\'", "a text", Postgres),
            ("\nselect \"a", "a quoted name", Postgres),
            ("\n/* /* */", "a comment", Postgres),
            ("\ndo $x$ $$", "a text in dollars", Postgres),
            ("\nselect [a", "a quoted name", Sqlite),
        ] {
            let unended = Unended { what, line: 2 };
            assert_eq!(words(text, dialect), Err(unended), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_gone_through(text in any::<String>()) {
            for dialect in Dialect::ALL {
                prop_assert!(Lexer::new(&text, dialect).all(|(_, range)| text.get(range).is_some()));
            }
        }

        #[test]
        fn a_text_in_several_lines_is_one(
            lines in prop::collection::vec(r"([a;é]|''|\\'|\\\\)*", 1..5),
            between in "[ \t]*(-- ;'\\\\)?\n[ \r\n]*",
        ) {
            let text = format!("E'{}' ;", lines.join(&format!("'{between}'")));
            let lexemes = Lexer::new(&text, Postgres).map(|found| found.0);
            prop_assert_eq!(lexemes.collect::<Vec<_>>(), [Lexeme::Text, Lexeme::Semicolon]);
        }

        #[test]
        fn any_mixture_of_quotes_is_gone_through(text in "[a$'\"`\\[\\]\\\\/*\\-; e1é\n]{0,24}") {
            for dialect in Dialect::ALL {
                prop_assert!(Lexer::new(&text, dialect).all(|(_, range)| text.get(range).is_some()));
            }
        }
    }
}
