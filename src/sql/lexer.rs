//! The words of a text of PostgreSQL's SQL, one after the other and none of them kept: a script may have many megabytes.
//! Follows <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>. Must not know what the words mean.

/// A piece of a text.
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
    /// A number, a text, a quoted name, an operator.
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

/// Goes through a text.
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    line: usize,
}

impl<'t> Lexer<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
        }
    }

    /// The line that was come to, from 1.
    pub(super) const fn line(&self) -> usize {
        self.line
    }

    /// The next piece; none at the end. White space and comments are passed over.
    pub(super) fn next(&mut self) -> Result<Option<Lexeme<'t>>, Unended> {
        self.skip()?;
        let Some(first) = self.byte(0) else {
            return Ok(None);
        };
        Ok(Some(match first {
            b'(' => self.one(Lexeme::Open),
            b')' => self.one(Lexeme::Close),
            b';' => self.one(Lexeme::Semicolon),
            b'\\' => self.one(Lexeme::Backslash),
            b'\'' => self.quoted("a text", b'\'', false)?,
            b'"' => self.quoted("a quoted name", b'"', false)?,
            b'$' => self.dollar()?,
            _ if begins_word(first) => {
                let word = self.word();
                match (word, self.byte(0)) {
                    ("e" | "E", Some(b'\'')) => self.quoted("a text", b'\'', true)?,
                    _ => Lexeme::Word(word),
                }
            }
            _ if first.is_ascii_digit() => {
                self.word();
                Lexeme::Other
            }
            _ => self.one(Lexeme::Other),
        }))
    }

    /// Passes over white space and comments, which nest.
    fn skip(&mut self) -> Result<(), Unended> {
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b'-'), Some(b'-')) => {
                    let rest = &self.text[self.at..];
                    self.pass(rest.find('\n').unwrap_or(rest.len()));
                }
                (Some(b'/'), Some(b'*')) => self.comment()?,
                (Some(byte), _) if byte.is_ascii_whitespace() || byte == 0x0b => self.pass(1),
                _ => return Ok(()),
            }
        }
    }

    fn comment(&mut self) -> Result<(), Unended> {
        let unended = self.unended("a comment");
        let mut depth = 0_usize;
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.pass(2);
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.pass(2);
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (Some(_), _) => self.pass(1),
                (None, _) => return Err(unended),
            }
        }
    }

    /// What stands between quotes; a doubled one stands for itself.
    fn quoted(
        &mut self,
        what: &'static str,
        quote: u8,
        escapes: bool,
    ) -> Result<Lexeme<'t>, Unended> {
        let unended = self.unended(what);
        self.pass(1);
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b'\\'), Some(_)) if escapes => self.pass(2),
                (Some(first), Some(second)) if first == quote && second == quote => self.pass(2),
                (Some(first), _) if first == quote => return Ok(self.one(Lexeme::Other)),
                (Some(_), _) => self.pass(1),
                (None, _) => return Err(unended),
            }
        }
    }

    /// `$tag$ … $tag$`, or a parameter.
    fn dollar(&mut self) -> Result<Lexeme<'t>, Unended> {
        let unended = self.unended("a text in dollars");
        let rest = &self.text[self.at + 1..];
        let length = rest
            .bytes()
            .position(|byte| !is_tag(byte))
            .unwrap_or(rest.len());
        let is_quote =
            rest.as_bytes().get(length) == Some(&b'$') && !rest.as_bytes()[0].is_ascii_digit();
        if !is_quote {
            return Ok(self.one(Lexeme::Other));
        }
        let tag = &self.text[self.at..self.at + length + 2];
        let body = self.at + tag.len();
        let end = self.text[body..].find(tag).ok_or(unended)?;
        self.pass(tag.len() + end + tag.len());
        Ok(Lexeme::Other)
    }

    fn word(&mut self) -> &'t str {
        let rest = &self.text[self.at..];
        let length = rest
            .bytes()
            .position(|byte| !(is_tag(byte) || byte == b'$'))
            .unwrap_or(rest.len());
        self.pass(length);
        &rest[..length]
    }

    fn one(&mut self, lexeme: Lexeme<'t>) -> Lexeme<'t> {
        self.pass(1);
        lexeme
    }

    fn pass(&mut self, bytes: usize) {
        let passed = &self.text.as_bytes()[self.at..self.at + bytes];
        self.line += passed.iter().filter(|byte| **byte == b'\n').count();
        self.at += bytes;
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    const fn unended(&self, what: &'static str) -> Unended {
        Unended {
            what,
            line: self.line,
        }
    }
}

const fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

const fn is_tag(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Lexeme, Lexer, Unended};

    fn words(text: &str) -> Result<String, Unended> {
        let mut lexer = Lexer::new(text);
        let mut told = Vec::new();
        while let Some(lexeme) = lexer.next()? {
            told.push(match lexeme {
                Lexeme::Word(word) => word.to_owned(),
                Lexeme::Open => "(".to_owned(),
                Lexeme::Close => ")".to_owned(),
                Lexeme::Semicolon => format!(";{}", lexer.line()),
                Lexeme::Backslash => "\\".to_owned(),
                Lexeme::Other => "·".to_owned(),
            });
        }
        Ok(told.join(" "))
    }

    #[test]
    fn a_semicolon_counts_only_where_the_server_sees_one() {
        for (text, told) in [
            ("select 1; select 'a;b';\n;", "select · ;1 select · ;1 ;2"),
            ("select 'it''s;', \"a\"\";\";", "select · · · ;1"),
            ("select e'a\\';' ;", "select · ;1"),
            ("select 'a\\';", "select · ;1"),
            ("do $$ begin; end $$;", "do · ;1"),
            ("do $a$ $$ ; $b$ $a$;", "do · ;1"),
            ("select $1;$2", "select · · ;1 · ·"),
            ("select a$b$;", "select a$b$ ;1"),
            ("-- ;\n/* ; /* ; */ ; */ x;", "x ;2"),
            ("f(1e5)\\gexec", "f ( · ) \\ gexec"),
            ("été;", "été ;1"),
        ] {
            assert_eq!(words(text).unwrap(), told, "{text}");
        }
    }

    #[test]
    fn what_does_not_end_is_told() {
        for (text, what) in [
            ("\nselect 'a", "a text"),
            ("\nselect e'a\\'", "a text"),
            ("\nselect \"a", "a quoted name"),
            ("\n/* /* */", "a comment"),
            ("\ndo $x$ $$", "a text in dollars"),
        ] {
            assert_eq!(words(text), Err(Unended { what, line: 2 }), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_gone_through(text in any::<String>()) {
            let _ = words(&text);
        }

        #[test]
        fn any_mixture_of_quotes_is_gone_through(text in "[a$'\"\\\\/*\\-; e1é\n]{0,24}") {
            let _ = words(&text);
        }
    }
}
