//! The parameters of a statement: where they stand, with their values written out for a reader, and counted anew for a
//! part of the statement. What is made here for a reader is never sent.

use std::ops::Range;

use base64::Engine as _;
use serde_json::Value;
use sqlparser::dialect::{PostgreSqlDialect, SQLiteDialect};
use sqlparser::tokenizer::{Location, Token, Tokenizer};

use crate::base::text::hexadecimal;

use super::Dialect;

/// The statement with its values in place of `?1`, `?2`, …, each a literal of the dialect. A text that is no SQL, and a
/// parameter without a value, stay as they are.
#[must_use]
pub fn with_literals(text: &str, parameters: &[Value], dialect: Dialect) -> String {
    replaced(text, dialect, |number| {
        let value = parameters.get(number.checked_sub(1)?)?;
        Some(literal(value, dialect))
    })
}

/// The statement of PostgreSQL with `$1`, `$2`, … in place of `?1`, `?2`, …: as its protocol has them. A text that is no
/// SQL stays as it is, for the server to say so.
#[must_use]
pub fn with_dollars(text: &str) -> String {
    replaced(text, Dialect::Postgres, |number| Some(format!("${number}")))
}

/// A statement of SQLite with its values in it, for a program that binds none. Each is a literal of printable characters
/// that means the same wherever a value can stand.
#[must_use]
pub fn with_values(text: &str, parameters: &[Value]) -> String {
    replaced(text, Dialect::Sqlite, |number| {
        let value = parameters.get(number.checked_sub(1)?)?;
        Some(match value {
            // The parentheses keep a minus before it from beginning a comment.
            Value::Number(_) => format!("({})", literal(value, Dialect::Sqlite)),
            Value::String(text) if !is_plain(text) => {
                format!("(''||x'{}')", hexadecimal(text.as_bytes()))
            }
            value => literal(value, Dialect::Sqlite),
        })
    })
}

/// Whether a text can stand in a literal as it is: nothing in it is for a terminal, a line or a transaction.
fn is_plain(text: &str) -> bool {
    !text.chars().any(char::is_control) && !text.to_ascii_uppercase().contains("TRANSACTION")
}

/// A statement of SQLite for a system that binds numbers as doubles and binds no blobs: whole numbers and blobs go as text
/// that the statement turns back, so that every value arrives as exactly what it is. Values for which a text that is no
/// SQL has no place stay as they are.
#[must_use]
pub fn with_exact(text: &str, parameters: &[Value]) -> (String, Vec<Value>) {
    let mut values = parameters.to_vec();
    let text = replaced(text, Dialect::Sqlite, |number| {
        let at = number.checked_sub(1)?;
        let (value, exact) = exact(parameters.get(at)?, number)?;
        values[at] = Value::from(value);
        Some(exact)
    });
    (text, values)
}

/// The text in place of a value, and what turns it back. The plus takes the affinity away that a cast has and a parameter
/// has not.
fn exact(value: &Value, number: usize) -> Option<(String, String)> {
    let whole = |text: String| (text, format!("(+CAST(?{number} AS INTEGER))"));
    match value {
        Value::Bool(truth) => Some(whole(u8::from(*truth).to_string())),
        Value::Number(count) if count.is_i64() => Some(whole(count.to_string())),
        value => {
            let digits = hexadecimal(&bytes(value)?);
            Some((digits, format!("unhex(?{number})")))
        }
    }
}

/// The bytes of a blob, `{"base64": "…"}`.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    let text = fields.get("base64")?.as_str()?;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

/// A part of a statement with the parameters that occur in it counted from one, and their values in that order.
#[must_use]
pub fn part_of(text: &str, parameters: &[Value], dialect: Dialect) -> (String, Vec<Value>) {
    let mut kept: Vec<usize> = Vec::new();
    let text = replaced(text, dialect, |number| {
        let place = kept.iter().position(|known| *known == number);
        let place = place.unwrap_or_else(|| {
            kept.push(number);
            kept.len() - 1
        });
        Some(format!("?{}", place + 1))
    });
    let values = kept
        .into_iter()
        .map(|number| parameters.get(number.saturating_sub(1)).cloned())
        .map(Option::unwrap_or_default)
        .collect();
    (text, values)
}

/// A statement without the semicolons at its end, so that it can stand inside of another; comments stay.
#[must_use]
pub fn without_semicolon(text: &str, dialect: Dialect) -> String {
    let mut bare = text.to_owned();
    let Ok(tokens) = Tokenizer::new(grammar(dialect), text).tokenize_with_location() else {
        return bare;
    };
    let mut offsets = Offsets::of(text);
    let mut ends = Vec::new();
    for token in &tokens {
        match &token.token {
            Token::SemiColon => ends.extend(offsets.at(token.span.start)),
            Token::Whitespace(_) => {}
            _ => ends.clear(),
        }
    }
    for end in ends.into_iter().rev() {
        bare.remove(end);
    }
    bare
}

/// A value as a literal of the dialect.
fn literal(value: &Value, dialect: Dialect) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(truth) => match dialect {
            Dialect::Sqlite => u8::from(*truth).to_string(),
            Dialect::Postgres => truth.to_string().to_ascii_uppercase(),
        },
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(_) | Value::Object(_) => match (bytes(value), dialect) {
            (Some(bytes), Dialect::Sqlite) => format!("x'{}'", hexadecimal(&bytes)),
            (Some(bytes), Dialect::Postgres) => format!("'\\x{}'", hexadecimal(&bytes)),
            (None, _) => quoted(&value.to_string()),
        },
    }
}

fn replaced(text: &str, dialect: Dialect, mut by: impl FnMut(usize) -> Option<String>) -> String {
    let mut written = String::with_capacity(text.len());
    let mut end = 0;
    for (range, number) in places(text, dialect) {
        let Some(stand_in) = by(number) else { continue };
        written.push_str(&text[end..range.start]);
        written.push_str(&stand_in);
        end = range.end;
    }
    written.push_str(&text[end..]);
    written
}

/// Where the numbered parameters stand: in no text, no quoted name and no comment. Nowhere in what is no SQL.
fn places(text: &str, dialect: Dialect) -> Vec<(Range<usize>, usize)> {
    let Ok(tokens) = Tokenizer::new(grammar(dialect), text).tokenize_with_location() else {
        return Vec::new();
    };
    let mut offsets = Offsets::of(text);
    let mut places = Vec::new();
    let mut tokens = tokens.iter().peekable();
    while let Some(token) = tokens.next() {
        let number = match &token.token {
            Token::Placeholder(mark) => mark.strip_prefix('?').map(str::to_owned),
            // PostgreSQL has an operator of this name.
            Token::Question => match tokens.peek().map(|next| &next.token) {
                Some(Token::Number(number, false)) => Some(number.clone()),
                _ => None,
            },
            _ => None,
        };
        let Some(number) = number else { continue };
        if let (Some(start), Ok(place)) = (offsets.at(token.span.start), number.parse()) {
            let range = start..start + 1 + number.len();
            if text.get(range.clone()) == Some(&format!("?{number}")) {
                places.push((range, place));
            }
        }
    }
    places
}

pub(super) fn grammar(dialect: Dialect) -> &'static dyn sqlparser::dialect::Dialect {
    match dialect {
        Dialect::Sqlite => &SQLiteDialect {},
        Dialect::Postgres => &PostgreSqlDialect {},
    }
}

/// From the tokenizer's lines and columns, both of characters and from one on, to bytes. Asked from front to back.
pub(super) struct Offsets<'t> {
    rest: std::str::CharIndices<'t>,
    line: u64,
    column: u64,
}

impl<'t> Offsets<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self {
            rest: text.char_indices(),
            line: 1,
            column: 1,
        }
    }

    pub(super) fn at(&mut self, wanted: Location) -> Option<usize> {
        loop {
            let (offset, character) = self.rest.next()?;
            let here = (self.line, self.column);
            if character == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
            if here == (wanted.line, wanted.column) {
                return Some(offset);
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use serde_json::json;

    use super::super::Dialect::{Postgres, Sqlite};
    use super::{part_of, with_literals};

    #[test]
    fn values_stand_where_their_parameters_did_and_nowhere_else() {
        let values = [json!("it's\n; DROP"), json!(7), json!(null), json!(true)];
        let text = "UPDATE \"?1\" /* ?2 é */ SET a = ?1, b='?2', -- ?3\n\tc\u{1f600} = ?3 WHERE d = ?2 AND e = ?4 AND f = ?9";
        let told = "UPDATE \"?1\" /* ?2 é */ SET a = 'it''s\n; DROP', b='?2', -- ?3\n\tc\u{1f600} = NULL WHERE d = 7 AND e = 1 AND f = ?9";
        assert_eq!(with_literals(text, &values, Sqlite), told);
        assert_eq!(
            with_literals(text, &values, Postgres),
            told.replace("e = 1", "e = TRUE")
        );
        assert_eq!(with_literals("SELECT '?1", &values, Sqlite), "SELECT '?1");
    }

    #[test]
    fn postgres_has_dollars_for_its_parameters() {
        assert_eq!(
            super::with_dollars("SELECT '?1', \"?2\", ?1::text, a ? 'k' -- ?3\nWHERE b = ?12"),
            "SELECT '?1', \"?2\", $1::text, a ? 'k' -- ?3\nWHERE b = $12"
        );
    }

    #[test]
    fn a_statement_ends_without_semicolon_and_keeps_its_comments() {
        for (text, bare) in [
            ("SELECT 1", "SELECT 1"),
            (
                "SELECT ';' ; ;\n-- the; end\n",
                "SELECT ';'  \n-- the; end\n",
            ),
            ("SELECT 'é😀'; /* ; */", "SELECT 'é😀' /* ; */"),
            ("SELECT 1; SELECT 2;", "SELECT 1; SELECT 2"),
            ("SELECT '1;", "SELECT '1;"),
        ] {
            assert_eq!(super::without_semicolon(text, Postgres), bare);
        }
    }

    #[test]
    fn blobs_and_lists_have_literals() {
        let values = [json!({"base64": "AP8="}), json!([1, "a"])];
        let told = |dialect| with_literals("?1 ?2", &values, dialect);
        assert_eq!(told(Sqlite), "x'00ff' '[1,\"a\"]'");
        assert_eq!(told(Postgres), "'\\x00ff' '[1,\"a\"]'");
    }

    #[test]
    fn what_a_double_cannot_hold_goes_as_text() {
        let values = [
            json!(i64::MIN),
            json!("?1"),
            json!({"base64": "AP8="}),
            json!(true),
            json!(1.5),
            json!(null),
        ];
        let (text, sent) = super::with_exact("SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?1, '?1'", &values);
        assert_eq!(
            text,
            "SELECT (+CAST(?1 AS INTEGER)), ?2, unhex(?3), (+CAST(?4 AS INTEGER)), ?5, ?6, (+CAST(?1 AS INTEGER)), '?1'"
        );
        assert_eq!(
            json!(sent),
            json!(["-9223372036854775808", "?1", "00ff", "1", 1.5, null])
        );
        let (text, sent) = super::with_exact("SELECT '?1", &values);
        assert_eq!((text.as_str(), sent), ("SELECT '?1", values.to_vec()));
    }

    #[test]
    fn a_value_that_is_written_out_is_the_value() {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        for (value, stored) in [
            (json!(null), "NULL"),
            (json!(i64::MIN), "-9223372036854775808"),
            (json!(-1), "-1"),
            (json!(1.5), "1.5"),
            (json!("it's; -- /* \u{1f600}"), "'it''s; -- /* \u{1f600}'"),
            (json!("a\r\nb"), "'a\r\nb'"),
            (json!("BEGIN TRANSACTION;"), "'BEGIN TRANSACTION;'"),
            (json!(true), "1"),
            (json!({"base64": "AP8="}), "X'00FF'"),
        ] {
            let text = super::with_values("SELECT quote(?1), typeof(-?1 IS NULL)", &[value]);
            let found: String = database.query_row(&text, [], |row| row.get(0)).unwrap();
            assert_eq!(found, stored, "{text}");
            assert!(!text.chars().any(char::is_control), "{text}");
            assert!(!text.contains("BEGIN TRANSACTION"), "{text}");
        }
    }

    #[test]
    fn a_part_counts_its_own_parameters() {
        let values = [json!("a"), json!("b"), json!("c")];
        let (text, kept) = part_of(
            "SELECT 1 WHERE x = ?3 AND y = ?2 OR z = ?3",
            &values,
            Sqlite,
        );
        assert_eq!(text, "SELECT 1 WHERE x = ?1 AND y = ?2 OR z = ?1");
        assert_eq!(kept, [json!("c"), json!("b")]);
    }
}
