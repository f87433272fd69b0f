//! What hides inside a statement: calls of functions, and words that change data where no statement should stand.
//! Works on tokens, so that nothing depends on which parts of the syntax tree the parser keeps.

use sqlparser::tokenizer::{Token, Word};

use super::functions::{Harm, harm};
use super::pragma::keyword;
use super::statement::Reading;

/// Unquoted words after which a parenthesis opens something other than the arguments of a call.
const NOT_CALLED: &[&str] = &[
    "ALL",
    "ALWAYS",
    "AND",
    "ANY",
    "ARRAY",
    "AS",
    "BETWEEN",
    "BY",
    "CASE",
    "CHECK",
    "CONFLICT",
    "COPY",
    "DEFAULT",
    "DISTINCT",
    "DO",
    "ELSE",
    "END",
    "ESCAPE",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "FETCH",
    "FILTER",
    "FROM",
    "GLOB",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IN",
    "INCLUDE",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "ISNULL",
    "JOIN",
    "KEY",
    "LATERAL",
    "LIKE",
    "LIMIT",
    "MATCH",
    "MATERIALIZED",
    "NOT",
    "NOTNULL",
    "OFFSET",
    "ON",
    "OPTIONS",
    "OR",
    "OVER",
    "REGEXP",
    "RESET",
    "RETURNING",
    "ROW",
    "SELECT",
    "SET",
    "SETS",
    "SIMILAR",
    "SOME",
    "THEN",
    "TO",
    "UNION",
    "UNIQUE",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WITH",
];

/// Unquoted words after which a name is not a call but the name of a table, a type or a definition.
const NAMING: &[&str] = &[
    "AGGREGATE",
    "ANALYZE",
    "AS",
    "COPY",
    "EXISTS",
    "FUNCTION",
    "INTO",
    "ONLY",
    "PROCEDURE",
    "REFERENCES",
    "TABLE",
    "TYPE",
    "VIEW",
];

/// The worst that the calls and hidden words of one statement mean.
pub(super) fn calls(tokens: &[Token]) -> Reading {
    let tokens: Vec<&Token> = tokens
        .iter()
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .collect();
    let mut reading = hidden(&tokens);
    for (index, token) in tokens.iter().enumerate() {
        let (Token::Word(word), Some(Token::LParen)) = (token, tokens.get(index + 1)) else {
            continue;
        };
        if is_call(&tokens, index, word) {
            reading = reading.worse(call(&tokens, index, word));
        }
    }
    reading
}

fn call(tokens: &[&Token], index: usize, word: &Word) -> Reading {
    let schema = match tokens[..index] {
        [.., Token::Word(schema), Token::Period] => Some(schema.value.to_ascii_lowercase()),
        _ => None,
    };
    let own_schema = schema.is_none_or(|schema| schema == "pg_catalog");
    let folded = match word.quote_style {
        None => word.value.to_ascii_lowercase(),
        Some(_) => word.value.clone(),
    };
    match harm(&folded) {
        Harm::None if own_schema => Reading::read("SELECT"),
        Harm::Writes if own_schema => Reading::write(format!("calls {folded}()")),
        _ => Reading::destroy(format!(
            "calls {}(), which is not known to be harmless",
            crate::base::text::fit(&crate::base::text::one_line(&word.value), 60)
        )),
    }
}

/// Whether the name before this parenthesis is called.
fn is_call(tokens: &[&Token], index: usize, word: &Word) -> bool {
    let unquoted = keyword(tokens[index]);
    let mut before = index;
    while before >= 2 && *tokens[before - 1] == Token::Period {
        before -= 2;
    }
    let qualified = before != index;
    if !qualified && NOT_CALLED.contains(&unquoted.as_str()) {
        return false;
    }
    let previous = before
        .checked_sub(1)
        .map(|previous| keyword(tokens[previous]))
        .unwrap_or_default();
    if NAMING.contains(&previous.as_str()) {
        return false;
    }
    let begins = |words: &[&str]| starts_with(tokens, words);
    if matches!(previous.as_str(), "ON" | "USING")
        && (begins(&["CREATE", "INDEX"]) || begins(&["CREATE", "VIRTUAL"]))
    {
        return false;
    }
    let partitions = previous == "BY"
        && begins(&["CREATE", "TABLE"])
        && matches!(unquoted.as_str(), "RANGE" | "LIST" | "HASH");
    let columns = word.quote_style.is_none() && names_columns(tokens, before, index);
    !partitions && !columns
}

/// Whether the statement begins with these words, with at most three others between them: `CREATE UNIQUE INDEX`.
fn starts_with(tokens: &[&Token], words: &[&str]) -> bool {
    let [first, second] = words else { return false };
    tokens.first().is_some_and(|token| keyword(token) == *first)
        && tokens.iter().take(4).any(|token| keyword(token) == *second)
}

/// Whether this is the name of a common table with its columns: `WITH name (a, b) AS (SELECT …`.
fn names_columns(tokens: &[&Token], before: usize, index: usize) -> bool {
    let after_with = before.checked_sub(1).is_some_and(|previous| {
        *tokens[previous] == Token::Comma
            || matches!(keyword(tokens[previous]).as_str(), "WITH" | "RECURSIVE")
    });
    let Some(length) = tokens[index + 1..]
        .iter()
        .position(|token| **token == Token::RParen)
    else {
        return false;
    };
    let columns = &tokens[index + 2..index + 1 + length];
    let plain = columns
        .iter()
        .all(|token| matches!(token, Token::Word(_) | Token::Comma));
    let mut rest = tokens[index + 2 + length..]
        .iter()
        .map(|token| (**token == Token::LParen, keyword(token)))
        .filter(|(_, word)| !matches!(word.as_str(), "NOT" | "MATERIALIZED"));
    let defined = rest.next().is_some_and(|(_, word)| word == "AS")
        && rest.next().is_some_and(|(opens, _)| opens)
        && rest.next().is_some_and(|(_, word)| {
            matches!(
                word.as_str(),
                "SELECT" | "VALUES" | "WITH" | "INSERT" | "UPDATE" | "DELETE" | "TABLE"
            )
        });
    after_with && plain && defined
}

/// Row locks and statements that stand deeper inside a query than the syntax tree is read.
fn hidden(tokens: &[&Token]) -> Reading {
    let first = tokens
        .first()
        .map(|token| keyword(token))
        .unwrap_or_default();
    let mut reading = Reading::read("SELECT");
    if !matches!(
        first.as_str(),
        "SELECT" | "WITH" | "VALUES" | "TABLE" | "FROM" | ""
    ) {
        return reading;
    }
    for pair in tokens.windows(2) {
        let (before, word) = (keyword(pair[0]), keyword(pair[1]));
        let found = match (before.as_str(), word.as_str()) {
            ("FOR", "UPDATE" | "SHARE" | "NO" | "KEY") => {
                Reading::write("SELECT … FOR UPDATE locks rows")
            }
            (_, "INTO") => Reading::write("SELECT INTO makes a table"),
            // A WITH at the top is read from the syntax tree; engines refuse one that changes data deeper down.
            (_, "UPDATE" | "DELETE" | "TRUNCATE" | "DROP")
                if *pair[0] == Token::LParen && first != "WITH" =>
            {
                Reading::destroy("a statement inside the query changes data")
            }
            _ => continue,
        };
        reading = reading.worse(found);
    }
    reading
}
