//! From a text of SQL to its effect: tokens, limits, statement by statement, the worst wins.

use sqlparser::ast::Statement;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::base::Effect;

use super::calls::calls;
use super::parameters::grammar;
use super::pragma;
use super::statement::{self, Deletion, Reading};

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

/// Words that stand for another value, or other rows, each time that they are asked.
const CHANCE: [&str; 10] = [
    "clock_timestamp",
    "gen_random_uuid",
    "random",
    "random_normal",
    "randomblob",
    "tablesample",
    "timeofday",
    "uuid_generate_v4",
    "uuidv4",
    "uuidv7",
];

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
    /// Where the text cannot be parsed: line and column, in characters and from 1. None where that is its end.
    pub unparsed_at: Option<(u64, u64)>,
    /// For a single UPDATE or DELETE of one table: the query that counts the rows it would touch, where counting
    /// them only reads.
    pub count: Option<String>,
    /// Whether that count, asked just before, must be the number of rows that change. What chance decides, or a conflict
    /// that is ignored (`UPDATE OR IGNORE`), is decided anew.
    pub exact: bool,
    /// For a single statement that deletes rows: of which tables.
    pub deletion: Option<Deletion>,
}

impl Analysis {
    fn destroy(statements: usize, reason: impl Into<String>) -> Self {
        Self {
            effect: Effect::Destroy,
            statements,
            reason: reason.into(),
            unparsed_at: None,
            count: None,
            exact: false,
            deletion: None,
        }
    }

    fn unparsed(statements: usize, reason: &str, at: Location) -> Self {
        Self {
            unparsed_at: Some((at.line, at.column)).filter(|_| at.line > 0),
            ..Self::destroy(statements, format!("{UNPARSED}{reason}"))
        }
    }

    /// The query that gives some of the rows that would be touched, as they are, where they can be counted.
    #[must_use]
    pub fn sample(&self, rows: usize) -> Option<String> {
        Some(format!("SELECT *{} LIMIT {rows}", self.touched()?))
    }

    /// The rows that would be touched as the end of a query, from its FROM on, where they can be counted.
    #[must_use]
    pub fn touched(&self) -> Option<&str> {
        self.count.as_deref()?.strip_prefix(statement::COUNT)
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
    let located = match Tokenizer::new(grammar, text).tokenize_with_location() {
        Ok(tokens) => numbered_placeholders(tokens),
        Err(error) => return Analysis::unparsed(1, &error.message, error.location),
    };
    let tokens: Vec<Token> = located.iter().map(|token| token.token.clone()).collect();
    if let Some(reason) = too_deep(&tokens) {
        return Analysis::destroy(1, reason);
    }
    let mut parser = Parser::new(grammar)
        .with_recursion_limit(DEEPEST_RECURSION)
        .with_tokens_with_locations(located);
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
            Err(error) => return unparsed(statements, &error),
        };
        worst = if statements == 1 {
            reading
        } else {
            worst.worse(reading).without_count()
        };
        let after = parser.peek_token_ref();
        if !matches!(after.token, Token::SemiColon | Token::EOF) {
            let reason = format!("{after} after the end of a statement");
            return Analysis::unparsed(statements + 1, &reason, after.span.start);
        }
    }
    // A condition can call what changes something itself.
    let count = worst.count;
    let count = count.filter(|query| analyse(query, dialect).effect == Effect::Read);
    Analysis {
        deletion: worst.deletion,
        effect: worst.effect,
        statements,
        reason: worst.reason,
        unparsed_at: None,
        exact: !worst.lenient
            && count
                .as_deref()
                .is_some_and(|query| !by_chance(query, grammar)),
        count,
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

/// Whether a query may find other rows each time that it is asked.
fn by_chance(query: &str, grammar: &dyn sqlparser::dialect::Dialect) -> bool {
    let tokens = Tokenizer::new(grammar, query).tokenize();
    tokens.unwrap_or_default().iter().any(|token| match token {
        Token::Word(word) => CHANCE.contains(&word.value.to_ascii_lowercase().as_str()),
        _ => false,
    })
}

/// `?1` is the engine's own mark for a parameter; only SQLite's tokens know it.
fn numbered_placeholders(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut joined = Vec::with_capacity(tokens.len());
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let number = match (&token.token, tokens.peek().map(|next| &next.token)) {
            (Token::Question, Some(Token::Number(number, false))) => number.clone(),
            _ => {
                joined.push(token);
                continue;
            }
        };
        let placeholder = Token::Placeholder(format!("?{number}"));
        joined.push(TokenWithSpan::new(placeholder, token.span));
        tokens.next();
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

/// The parser tells where only in words: `… at Line: 2, Column: 6`.
fn unparsed(statements: usize, error: &ParserError) -> Analysis {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => {
            return Analysis::destroy(statements, "nests too deeply: not parsed");
        }
    };
    let located = message.rsplit_once(" at Line: ").and_then(|(said, at)| {
        let (line, column) = at.split_once(", Column: ")?;
        Some((
            said,
            Location::new(line.parse().ok()?, column.parse().ok()?),
        ))
    });
    let (said, at) = located.unwrap_or((message, Location::empty()));
    Analysis::unparsed(statements, &crate::base::text::one_line(said), at)
}
