//! What hides inside a statement: calls of functions, and words that change data where no statement should stand.
//! Works on tokens, so that nothing depends on which parts of the syntax tree the parser keeps.

use sqlparser::tokenizer::{Token, Word};

use super::Dialect;
use super::functions::{Harm, harm};
use super::pragma::{is_working_table, keyword};
use super::statement::Reading;

/// Unquoted words that no engine lets be the name of a function, or that are operators before a parenthesis.
#[rustfmt::skip]
const NOT_CALLED: &[&str] = &[
    "ALL", "AND", "ANY", "ARRAY", "AS", "BETWEEN", "CASE", "CHECK", "DEFAULT", "DISTINCT", "DO", "ELSE", "END", "EXCEPT",
    "EXISTS", "FETCH", "FROM", "GROUP", "HAVING", "ILIKE", "IN", "INTERSECT", "INTERVAL", "INTO", "IS", "ISNULL", "JOIN",
    "LATERAL", "LIKE", "LIMIT", "NOT", "NOTNULL", "OFFSET", "ON", "OR", "RETURNING", "ROW", "SELECT", "SIMILAR", "SOME",
    "THEN", "TO", "UNION", "UNIQUE", "USING", "VALUES", "WHEN", "WHERE", "WITH",
];

/// Words that open a clause where they follow a name or a parenthesis, and may be a user's function elsewhere.
#[rustfmt::skip]
const CLAUSES: &[&str] = &[
    "FILTER", "GLOB", "INCLUDE", "KEY", "MATCH", "OPTIONS", "OVER", "REGEXP", "RESET", "SET", "SETS",
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
pub(super) fn calls(tokens: &[Token], dialect: Dialect) -> Reading {
    let tokens: Vec<&Token> = tokens
        .iter()
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .collect();
    let mut reading = hidden(&tokens);
    if dialect == Dialect::Sqlite {
        reading = reading.worse(pragma_tables(&tokens));
    }
    for (index, token) in tokens.iter().enumerate() {
        let (Token::Word(word), Some(Token::LParen)) = (token, tokens.get(index + 1)) else {
            continue;
        };
        if is_call(&tokens, index, word) {
            reading = reading.worse(call(&tokens, index, word, dialect));
        }
    }
    reading
}

/// What reading SQLite's pragmas as tables without arguments means. A name counts wherever it stands; a text counts where
/// SQLite takes it as the name of a table.
fn pragma_tables(tokens: &[&Token]) -> Reading {
    for (index, token) in tokens.iter().enumerate() {
        let name = match token {
            Token::Word(word) => &word.value,
            Token::SingleQuotedString(text) if index > 0 && precedes_table(tokens[index - 1]) => {
                text
            }
            _ => continue,
        };
        let name = name.to_ascii_lowercase();
        if is_working_table(&name) {
            return Reading::write(format!(
                "reads {}, which carries the pragma out",
                crate::base::text::fit(&crate::base::text::one_line(&name), 60)
            ));
        }
    }
    Reading::read("SELECT")
}

/// Whether the name of a table can follow.
fn precedes_table(token: &Token) -> bool {
    matches!(token, Token::Comma | Token::LParen | Token::Period)
        || matches!(keyword(token).as_str(), "FROM" | "IN" | "JOIN")
}

fn call(tokens: &[&Token], index: usize, word: &Word, dialect: Dialect) -> Reading {
    let schema = match tokens[..index] {
        [.., Token::Word(schema), Token::Period] => Some(schema.value.to_ascii_lowercase()),
        _ => None,
    };
    let own_schema =
        schema.is_none_or(|schema| schema == "pg_catalog" && dialect == Dialect::Postgres);
    let folded = match word.quote_style {
        None => word.value.to_ascii_lowercase(),
        Some(_) => word.value.clone(),
    };
    match harm(&folded, dialect) {
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
    let previous = before
        .checked_sub(1)
        .map(|previous| keyword(tokens[previous]))
        .unwrap_or_default();
    if NAMING.contains(&previous.as_str()) {
        return false;
    }
    if !qualified && is_clause(tokens, index, &unquoted, &previous) {
        return false;
    }
    if matches!(previous.as_str(), "ON" | "USING")
        && (begins(tokens, &["CREATE", "INDEX"])
            || begins(tokens, &["CREATE", "UNIQUE", "INDEX"])
            || begins(tokens, &["CREATE", "VIRTUAL"]))
    {
        return false;
    }
    let partitions = previous == "BY"
        && begins(tokens, &["CREATE", "TABLE"])
        && matches!(unquoted.as_str(), "RANGE" | "LIST" | "HASH");
    let columns = word.quote_style.is_none()
        && (names_columns(tokens, before, index) || names_derived_columns(tokens, before, index));
    !partitions && !columns
}

/// Whether the statement begins with these words.
fn begins(tokens: &[&Token], words: &[&str]) -> bool {
    tokens.len() >= words.len()
        && tokens
            .iter()
            .zip(words)
            .all(|(token, word)| keyword(token) == *word)
}

/// Whether the parenthesis after this unquoted word opens something other than the arguments of a call.
fn is_clause(tokens: &[&Token], index: usize, word: &str, previous: &str) -> bool {
    match word {
        "BY" => matches!(previous, "GROUP" | "ORDER" | "PARTITION"),
        "CONFLICT" => previous == "ON",
        "MATERIALIZED" => matches!(previous, "AS" | "NOT"),
        "COPY" | "EXPLAIN" => index == 0,
        _ if CLAUSES.contains(&word) => match index.checked_sub(1).map(|before| tokens[before]) {
            Some(Token::RParen) => true,
            Some(Token::Word(_)) => !NOT_CALLED.contains(&previous),
            _ => false,
        },
        _ => NOT_CALLED.contains(&word),
    }
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

/// Whether this is the name of a table in FROM with those of its columns, `AS` left out: `FROM (VALUES (1)) v(a)`,
/// `FROM generate_series(1, 3) g(n)`. No call follows a parenthesis there.
fn names_derived_columns(tokens: &[&Token], before: usize, index: usize) -> bool {
    let plain = tokens[index + 2..]
        .iter()
        .take_while(|token| ***token != Token::RParen)
        .all(|token| matches!(token, Token::Word(_) | Token::Comma));
    let Some(close) = before
        .checked_sub(1)
        .filter(|close| *tokens[*close] == Token::RParen)
    else {
        return false;
    };
    let mut open = 0_usize;
    let opening = tokens[..=close].iter().rposition(|token| {
        match token {
            Token::RParen => open += 1,
            Token::LParen => open -= 1,
            _ => {}
        }
        open == 0
    });
    let Some(mut start) = opening else {
        return false;
    };
    // The name of a function, qualified or not.
    let named = |at: usize| {
        at >= 1
            && matches!(tokens[at - 1], Token::Word(_))
            && !NOT_CALLED.contains(&keyword(tokens[at - 1]).as_str())
            && keyword(tokens[at - 1]) != "JOIN"
    };
    if named(start) {
        start -= 1;
        while start >= 1 && *tokens[start - 1] == Token::Period && named(start - 1) {
            start -= 2;
        }
    }
    plain
        && start.checked_sub(1).is_some_and(|lead| {
            *tokens[lead] == Token::Comma
                || matches!(keyword(tokens[lead]).as_str(), "FROM" | "JOIN" | "LATERAL")
        })
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
