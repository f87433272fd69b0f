//! A statement without what stands in quotes, for who should see what is asked and not about whom.

use sqlparser::tokenizer::{Token, Tokenizer};

use super::Dialect;
use super::parameters::grammar;

/// The statement with `'…'` in place of every text in it; none where it is no SQL, so that nobody can tell what is a text.
/// Only for a reader: it is never sent.
#[must_use]
pub fn without_texts(text: &str, dialect: Dialect) -> Option<String> {
    let tokens = Tokenizer::new(grammar(dialect), text).tokenize().ok()?;
    let shown = tokens.iter().map(|token| match token {
        Token::SingleQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::DollarQuotedString(_)
        | Token::NationalStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::SingleQuotedByteStringLiteral(_) => "'…'".to_owned(),
        token => token.to_string(),
    });
    Some(shown.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Dialect, without_texts};

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
