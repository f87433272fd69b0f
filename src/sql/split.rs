//! A text of several statements taken apart, so that each can be told by itself. Must not guess: what cannot be taken
//! apart safely stays whole.

use sqlparser::tokenizer::{Token, Tokenizer};

use super::parameters::{Offsets, grammar};
use super::{Dialect, effect};

/// The statements of a text in their order, each with the comments before it and without its semicolon. None where the
/// text cannot be taken apart: it is no SQL, or semicolons stand inside of a statement, as in the body of a trigger.
#[must_use]
pub fn split(text: &str, dialect: Dialect) -> Option<Vec<&str>> {
    let mut tokenizer = Tokenizer::new(grammar(dialect), text);
    let tokens = tokenizer.tokenize_with_location().ok()?;
    let mut offsets = Offsets::of(text);
    let (mut parts, mut begin, mut holds) = (Vec::new(), 0, false);
    for token in &tokens {
        match token.token {
            Token::SemiColon => {
                let end = offsets.at(token.span.start)?;
                if holds {
                    parts.push(text.get(begin..end)?.trim());
                }
                (begin, holds) = (end + 1, false);
            }
            Token::Whitespace(_) | Token::EOF => {}
            _ => holds = true,
        }
    }
    if holds {
        parts.push(text.get(begin..)?.trim());
    }
    let alone = |part: &&str| effect(part, dialect).statements == 1;
    let known = effect(text, dialect).statements == parts.len();
    (known && parts.iter().all(alone)).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::super::Dialect::{Postgres, Sqlite};
    use super::split;

    #[test]
    fn statements_are_told_apart_where_they_end() {
        let text = "-- first; one\nDELETE FROM t WHERE a = ';' ;; /* ; */ UPDATE \"u;\" SET b = 1\n; -- end;\n";
        let parts = [
            "-- first; one\nDELETE FROM t WHERE a = ';'",
            "/* ; */ UPDATE \"u;\" SET b = 1",
        ];
        assert_eq!(split(text, Sqlite).as_deref(), Some(&parts[..]));
        assert_eq!(split("SELECT $$;$$", Postgres), Some(vec!["SELECT $$;$$"]));
        assert_eq!(split("", Sqlite), Some(Vec::new()));
    }

    #[test]
    fn what_is_no_list_of_statements_stays_whole() {
        for text in [
            "SELECT 'open; SELECT 2",
            "CREATE TRIGGER a AFTER INSERT ON t BEGIN DELETE FROM u; DELETE FROM v; END; SELECT 1",
        ] {
            assert_eq!(split(text, Sqlite), None, "{text}");
        }
    }
}
