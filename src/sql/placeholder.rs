//! The places for values in a text that is given none: what a database refuses once it comes to them. Must not know what a
//! value is.

use super::Dialect;
use super::lexer::{Lexeme, Lexer};
use super::script::{Piece, pieces};

/// A place for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placeholder<'t> {
    /// How it is written: `?`, `?1`, `:name`, `@name` or `$name` in SQLite, `$1` in PostgreSQL.
    pub text: &'t str,
    /// The line in which it stands, from 1.
    pub line: usize,
}

/// The first place for a value in a text; none in what says itself which values it takes: a function, PREPARE.
#[must_use]
pub fn placeholder(text: &str, dialect: Dialect) -> Option<Placeholder<'_>> {
    let takes_none = |piece: &&Piece<'_>| dialect == Dialect::Sqlite || !has_parameters(piece);
    let pieces = pieces(text, dialect);
    pieces.iter().filter(takes_none).find_map(|piece| {
        let statement = &text[piece.range.clone()];
        let mut places = Lexer::new(statement, dialect)
            .filter(|(lexeme, _)| *lexeme == Lexeme::Other)
            .filter_map(|(_, range)| {
                Some((range.start, written(&statement[range.start..], dialect)?))
            });
        let (start, text) = places.next()?;
        Some(Placeholder {
            text,
            line: piece.line + statement[..start].matches('\n').count(),
        })
    })
}

/// Whether `$1` is its own: <https://www.postgresql.org/docs/current/sql-createfunction.html>, and as its plan is asked for.
fn has_parameters(piece: &Piece<'_>) -> bool {
    let is_routine = piece.has("FUNCTION") || piece.has("PROCEDURE");
    (piece.begins(&["CREATE"]) && is_routine)
        || piece.begins(&["PREPARE"])
        || piece.begins(&["EXPLAIN"])
}

/// How the place for a value is written with which a text begins: <https://www.sqlite.org/lang_expr.html#varparam>.
fn written(text: &str, dialect: Dialect) -> Option<&str> {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let is_of_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"_$".contains(byte) || !byte.is_ascii();
    let behind = text.get(1..)?.bytes();
    let (length, least) = match (dialect, text.as_bytes().first()?) {
        (Dialect::Sqlite, b'?') => (behind.take_while(is_digit).count(), 0),
        (Dialect::Sqlite, b':' | b'@' | b'$') => (behind.take_while(is_of_name).count(), 1),
        (Dialect::Postgres, b'$') => (behind.take_while(is_digit).count(), 1),
        _ => return None,
    };
    (length >= least).then(|| text.get(..=length)).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::super::Dialect::{self, Postgres, Sqlite};
    use super::placeholder;

    #[test]
    fn the_first_place_for_a_value_is_found_with_its_line() {
        for (text, dialect, found) in [
            (
                "SELECT 1;\n\nINSERT INTO t VALUES (1,\n ?);",
                Sqlite,
                Some(("?", 4)),
            ),
            ("SELECT ?12", Sqlite, Some(("?12", 1))),
            ("SELECT a=:näme, 1", Sqlite, Some((":näme", 1))),
            ("/* é\n */ SELECT @a$1", Sqlite, Some(("@a$1", 2))),
            ("SELECT $a", Sqlite, Some(("$a", 1))),
            (
                "CREATE TRIGGER r AFTER INSERT ON t BEGIN\nUPDATE t SET a = ?; END;",
                Sqlite,
                Some(("?", 2)),
            ),
            (
                "SELECT '?', \"?\", [?], `?`, a->>'$.b', a$b, 'it''s :a' -- ?\n/* :a */",
                Sqlite,
                None,
            ),
            (
                "SELECT 1;\nINSERT INTO t VALUES ($1, $2)",
                Postgres,
                Some(("$1", 2)),
            ),
            (
                "SELECT a ? 'b', a[1:n], a::int, @a, a$1, '$1', $$ $1 $$, $a$ $1 $a$",
                Postgres,
                None,
            ),
            (
                "CREATE OR REPLACE FUNCTION f (int) RETURNS int RETURN $1 + 1;\nSELECT 1",
                Postgres,
                None,
            ),
            (
                "CREATE PROCEDURE f (int) BEGIN ATOMIC\nDELETE FROM t WHERE a = $1; END;",
                Postgres,
                None,
            ),
            (
                "PREPARE p AS SELECT $1; EXPLAIN (GENERIC_PLAN) SELECT $1",
                Postgres,
                None,
            ),
            (
                "PREPARE p AS SELECT $1;\nSELECT $2",
                Postgres,
                Some(("$2", 2)),
            ),
        ] {
            let told = placeholder(text, dialect).map(|found| (found.text, found.line));
            assert_eq!(told, found, "{text}");
        }
    }

    #[test]
    fn sqlite_has_places_where_they_are_found() {
        let database = rusqlite::Connection::open_in_memory().ok();
        for text in [
            "?", "?1", ":a", "@a", "$a", "$1", "$a$b", "1", "'?'", "\"?\"", "[?]",
        ] {
            let text = format!("SELECT {text} FROM (SELECT 1 AS \"?\")");
            let prepared = database
                .as_ref()
                .and_then(|database| database.prepare(&text).ok());
            let places = prepared.map(|statement| statement.parameter_count());
            let found = placeholder(&text, Sqlite);
            assert_eq!(places, Some(usize::from(found.is_some())), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), marks in "[?:@$a1é;'\n ]{0,16}") {
            for dialect in Dialect::ALL {
                let _ = placeholder(&text, dialect);
                let _ = placeholder(&marks, dialect);
            }
        }
    }
}
