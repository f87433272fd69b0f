//! Whether a text ends where its last statement does. What is put behind one that ends inside of a comment or a quotation
//! would be a part of it.

use super::{Dialect, Unended, whole_pieces};

/// Holds a text to its end.
///
/// # Errors
/// When it ends inside of a quotation or a comment, or holds a NUL, where a database may take it to end.
pub fn ended(text: &str, dialect: Dialect) -> Result<(), Unended> {
    if let Some(at) = text.find('\0') {
        let line = line_of(text, at);
        return Err(Unended {
            what: "a NUL stands in the text, and what",
            line,
        });
    }
    whole_pieces(text, dialect).map(|_| ())
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::super::Dialect::{Postgres, Sqlite};
    use super::ended;

    #[test]
    fn a_text_ends_where_its_last_statement_does() {
        for (text, dialect) in [
            (
                "SELECT 'it''s', \"a\"\"b\", [c'], `d` -- 'e\n; /* ' */",
                Sqlite,
            ),
            ("SELECT é /* /* */", Sqlite),
            ("SELECT $$'$$ /* /* */ */", Postgres),
        ] {
            assert_eq!(ended(text, dialect), Ok(()), "{text}");
        }
        for (text, dialect) in [
            ("\nSELECT 1; /* end", Sqlite),
            ("\nSELECT 'a''", Sqlite),
            ("\nSELECT \"a", Sqlite),
            ("\nSELECT [a", Sqlite),
            ("\nSELECT `a", Sqlite),
            ("\nSELECT 1;\0", Sqlite),
            ("\nSELECT 1;\0", Postgres),
            ("\nSELECT 1; /* /* */", Postgres),
            ("\nDO $x$ $$", Postgres),
        ] {
            assert_eq!(
                ended(text, dialect).map_err(|unended| unended.line),
                Err(2),
                "{text}"
            );
        }
    }
}
