//! Whether a text ends where its last statement does. What is put behind one that ends inside of a comment or a quotation
//! would be a part of it.

use super::{Dialect, Unended, courses};

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
    match dialect {
        Dialect::Postgres => courses(text).map(|_| ()),
        Dialect::Sqlite => ended_in_sqlite(text),
    }
}

/// By <https://sqlite.org/lang_comment.html>: comments do not nest, and there are four kinds of quotation, in which only a
/// doubled quote stands for itself. To go on behind the first of the two comes to the same.
fn ended_in_sqlite(text: &str) -> Result<(), Unended> {
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (what, opens, closes) = match rest.as_bytes() {
            [b'-', b'-', ..] => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            [b'/', b'*', ..] => ("a comment", 2, "*/"),
            [b'\'', ..] => ("a text", 1, "'"),
            [b'"', ..] => ("a quoted name", 1, "\""),
            [b'`', ..] => ("a quoted name", 1, "`"),
            [b'[', ..] => ("a quoted name", 1, "]"),
            _ => {
                at += rest.chars().next().map_or(1, char::len_utf8);
                continue;
            }
        };
        let Some(end) = rest[opens..].find(closes) else {
            let line = line_of(text, at);
            return Err(Unended { what, line });
        };
        at += opens + end + closes.len();
    }
    Ok(())
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
