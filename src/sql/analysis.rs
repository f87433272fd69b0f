//! From a text of SQL to its effect: tokens, limits, statement by statement, the worst wins.

use sqlparser::ast::Statement;
use sqlparser::dialect::{PostgreSqlDialect, SQLiteDialect};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Tokenizer};

use crate::base::Effect;

use super::calls::calls;
use super::pragma;
use super::statement::{self, Reading};

/// The longest text that is parsed, in bytes. A longer one takes the worst reading.
const LONGEST_TEXT: usize = 1024 * 1024;

/// The most tokens on the way from the root of a statement to a leaf, not counting what stands before a comma. The
/// syntax tree is about half as deep, and walking and dropping it takes stack.
const LONGEST_CHAIN: usize = 2_000;

/// How deep parentheses may nest: the parser's time can double with each level.
const DEEPEST_PARENTHESES: usize = 16;

/// How deep the parser may call itself.
const DEEPEST_RECURSION: usize = 48;

/// The stack of the thread that parses, in bytes: several times what the limits above can take in a build without
/// optimisation. It costs nothing until it is used.
const STACK: usize = 16 * 1024 * 1024;

/// How the reason of a text begins that the parser does not understand.
pub const UNPARSED: &str = "cannot be parsed: ";

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite, and Cloudflare D1, which is SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    /// The dialect of a database by the word in its `kind`: `sqlite`, `d1` or `postgres`.
    #[must_use]
    pub fn of_kind(kind: &str) -> Option<Self> {
        match kind {
            "sqlite" | "d1" => Some(Self::Sqlite),
            "postgres" => Some(Self::Postgres),
            _ => None,
        }
    }
}

/// What a piece of SQL may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analysis {
    /// The worst of its statements.
    pub effect: Effect,
    /// How many statements could be told apart; the rest of a text that cannot be parsed counts as one.
    pub statements: usize,
    /// What decided, in one line: `DELETE without WHERE`.
    pub reason: String,
    /// For a single UPDATE or DELETE of one table: the query that counts the rows it would touch, where counting
    /// them only reads.
    pub count: Option<String>,
}

impl Analysis {
    fn destroy(statements: usize, reason: impl Into<String>) -> Self {
        Self {
            effect: Effect::Destroy,
            statements,
            reason: reason.into(),
            count: None,
        }
    }
}

/// What the text may do. Placeholders (`?1`, `$1`, `:name`) may stand where values belong. Several statements are as bad
/// as the worst; an empty text reads nothing and has no statements.
#[must_use]
pub fn effect(text: &str, dialect: Dialect) -> Analysis {
    if text.len() > LONGEST_TEXT {
        return Analysis::destroy(1, "longer than 1 MiB: not parsed");
    }
    on_own_stack(|| analyse(text, dialect))
        .unwrap_or_else(|| Analysis::destroy(1, "the parser of SQL failed"))
}

/// Reads a single statement and has `take` look at it; none where the text is no SQL that the parser understands, or is
/// longer or deeper than is parsed. The syntax tree never leaves the stack that it needs.
pub(super) fn parsed<T: Send>(
    text: &str,
    dialect: Dialect,
    take: impl FnOnce(&Statement) -> T + Send,
) -> Option<T> {
    if text.len() > LONGEST_TEXT {
        return None;
    }
    on_own_stack(|| {
        let grammar = grammar(dialect);
        let tokens = Tokenizer::new(grammar, text).tokenize().ok()?;
        if too_deep(&tokens).is_some() {
            return None;
        }
        let mut parser = Parser::new(grammar)
            .with_recursion_limit(DEEPEST_RECURSION)
            .with_tokens(tokens);
        let statement = parser.parse_statement().ok()?;
        while parser.consume_token(&Token::SemiColon) {}
        let is_all = parser.peek_token_ref().token == Token::EOF;
        is_all.then(|| take(&statement))
    })
    .flatten()
}

/// Does the work on a thread whose stack is large enough for the parser; none where there is no thread, or it panicked.
fn on_own_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .ok()
            .and_then(|parsing| parsing.join().ok())
    })
}

fn grammar(dialect: Dialect) -> &'static dyn sqlparser::dialect::Dialect {
    match dialect {
        Dialect::Sqlite => &SQLiteDialect {},
        Dialect::Postgres => &PostgreSqlDialect {},
    }
}

/// The worst that the text may do in any dialect, for a database that is not known yet.
#[must_use]
pub fn effect_in_any(text: &str) -> Analysis {
    let [first, second] = Dialect::ALL.map(|dialect| effect(text, dialect));
    if second.effect > first.effect {
        second
    } else {
        first
    }
}

fn analyse(text: &str, dialect: Dialect) -> Analysis {
    let read_as = text.replace(only_space_elsewhere, "_");
    let analysis = analyse_as_read(&read_as, dialect);
    Analysis {
        count: analysis.count.filter(|_| read_as == text),
        ..analysis
    }
}

/// Whether a character separates words for the parser and is part of a name for the engines: a space that does not break,
/// and the others of Unicode.
fn only_space_elsewhere(character: char) -> bool {
    character.is_whitespace() && !matches!(character, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}

fn analyse_as_read(text: &str, dialect: Dialect) -> Analysis {
    let grammar = grammar(dialect);
    let tokens = match Tokenizer::new(grammar, text).tokenize() {
        Ok(tokens) => numbered_placeholders(tokens),
        Err(error) => return Analysis::destroy(1, format!("{UNPARSED}{}", error.message)),
    };
    if let Some(reason) = too_deep(&tokens) {
        return Analysis::destroy(1, reason);
    }
    let mut parser = Parser::new(grammar)
        .with_recursion_limit(DEEPEST_RECURSION)
        .with_tokens(tokens.clone());
    let mut worst = Reading::read("nothing to do");
    let mut statements = 0;
    loop {
        while parser.consume_token(&Token::SemiColon) {}
        if parser.peek_token_ref().token == Token::EOF {
            break;
        }
        statements += 1;
        let reading = match next_statement(&mut parser, &tokens, dialect) {
            Ok(reading) => reading,
            Err(error) => return Analysis::destroy(statements, unparsed(&error)),
        };
        worst = if statements == 1 {
            reading
        } else {
            worst.worse(reading).without_count()
        };
        let after = &parser.peek_token_ref().token;
        if !matches!(after, Token::SemiColon | Token::EOF) {
            return Analysis::destroy(
                statements + 1,
                format!("{UNPARSED}{after} after the end of a statement"),
            );
        }
    }
    Analysis {
        effect: worst.effect,
        statements,
        reason: worst.reason,
        // A condition can call what changes something itself.
        count: worst
            .count
            .filter(|query| analyse(query, dialect).effect == Effect::Read),
    }
}

/// Reads one statement: by its tokens where the parser does not know the words, else by the parser.
fn next_statement(
    parser: &mut Parser<'_>,
    tokens: &[Token],
    dialect: Dialect,
) -> Result<Reading, ParserError> {
    let rest = tokens.get(parser.index()..).unwrap_or_default();
    let end = rest
        .iter()
        .position(|token| *token == Token::SemiColon)
        .unwrap_or(rest.len());
    let words: Vec<&Token> = rest[..end]
        .iter()
        .filter(|token| !matches!(token, Token::Whitespace(_) | Token::EOF))
        .collect();
    if let Some(reading) = pragma::reading(&words) {
        while !matches!(parser.peek_token_ref().token, Token::SemiColon | Token::EOF) {
            parser.next_token();
        }
        return Ok(reading);
    }
    let start = parser.index();
    let parsed = parser.parse_statement()?;
    let own = tokens.get(start..parser.index()).unwrap_or(tokens);
    Ok(statement::reading(&parsed).worse(calls(own, dialect)))
}

/// `?1` is the engine's own mark for a parameter; only SQLite's tokens know it.
fn numbered_placeholders(tokens: Vec<Token>) -> Vec<Token> {
    let mut joined = Vec::with_capacity(tokens.len());
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match (token, tokens.peek()) {
            (Token::Question, Some(Token::Number(number, false))) => {
                joined.push(Token::Placeholder(format!("?{number}")));
                tokens.next();
            }
            (token, _) => joined.push(token),
        }
    }
    joined
}

/// Why the syntax tree would be too deep to be walked safely.
fn too_deep(tokens: &[Token]) -> Option<String> {
    let mut open: Vec<usize> = Vec::new();
    let mut here = 0_usize;
    let mut total = 0_usize;
    for token in tokens {
        match token {
            Token::LParen => {
                open.push(here);
                here = 0;
                if open.len() > DEEPEST_PARENTHESES {
                    return Some(format!(
                        "nests parentheses deeper than {DEEPEST_PARENTHESES}: not parsed"
                    ));
                }
            }
            Token::RParen => {
                total -= here;
                here = open.pop().unwrap_or(0);
            }
            Token::Comma | Token::SemiColon => {
                total -= here;
                here = 0;
            }
            Token::Whitespace(_) => {}
            _ => {
                here += 1;
                total += 1;
            }
        }
        if total > LONGEST_CHAIN {
            return Some(format!(
                "chains more than {LONGEST_CHAIN} words without a comma: not parsed"
            ));
        }
    }
    None
}

fn unparsed(error: &ParserError) -> String {
    match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            format!("{UNPARSED}{}", crate::base::text::one_line(message))
        }
        ParserError::RecursionLimitExceeded => "nests too deeply: not parsed".to_owned(),
    }
}
