//! A statement without what stands in quotes, for who should see what is asked and not about whom.

use super::Dialect;
use super::lexer::{Lexeme, Lexer};

/// The statement with `'…'` in place of every text in it; none where a quotation or a comment in it does not end, so that
/// nobody can tell what is a text. Only for a reader: it is never sent.
#[must_use]
pub fn without_texts(text: &str, dialect: Dialect) -> Option<String> {
    let mut lexer = Lexer::new(text, dialect);
    let (mut shown, mut end) = (String::new(), 0);
    for (lexeme, range) in &mut lexer {
        if lexeme == Lexeme::Text {
            shown.push_str(&text[end..range.start]);
            shown.push_str("'…'");
            end = range.end;
        }
    }
    shown.push_str(&text[end..]);
    lexer.unended().is_none().then_some(shown)
}

/// A text from its first word on, without the comments before it.
#[must_use]
pub fn without_heading(text: &str, dialect: Dialect) -> &str {
    let first = Lexer::new(text, dialect).next();
    first.map_or("", |(_, range)| &text[range.start..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Dialect, without_heading, without_texts};

    #[test]
    fn a_heading_goes_and_every_other_comment_stays() {
        let text = "-- one; 'x\n/* two */\n\nSELECT 1 -- three\n";
        let whole = without_heading(text, Dialect::Postgres);
        assert_eq!(whole, "SELECT 1 -- three\n");
        assert_eq!(without_heading("-- alone", Dialect::Postgres), "");
    }

    fn shown(text: &str) -> Option<String> {
        without_texts(text, Dialect::Postgres)
    }

    #[test]
    fn what_stands_in_quotes_is_left_out_and_the_rest_stays() {
        for (text, wanted) in [
            (
                "ALTER ROLE app PASSWORD 'hunter2'",
                "ALTER ROLE app PASSWORD '…'",
            ),
            (
                r"SELECT E'a\'hunter2', 'C:\', 'hunter2'",
                "SELECT '…', '…', '…'",
            ),
            (
                "DO $x$ hunter2 $x$; SELECT \"a 'b\", $1",
                "DO '…'; SELECT \"a 'b\", $1",
            ),
            ("SELECT 'it''s hunter2' -- done", "SELECT '…' -- done"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(wanted));
        }
        assert_eq!(shown("SELECT 'hunter2"), None);
    }

    proptest! {
        #[test]
        fn no_text_is_ever_shown(text in ".*") {
            let quoted = format!("SELECT 'hunter2{}' FROM t", text.replace('\'', "''"));
            prop_assert_eq!(shown(&quoted), Some("SELECT '…' FROM t".to_owned()));
        }
    }
}
