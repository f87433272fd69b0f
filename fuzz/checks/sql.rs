//! SQL as anybody may write it.

use opsbook::base::Effect;
use opsbook::sql::{Analysis, Dialect, UNPARSED, effect, effect_in_any};
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::{Batch, Connection};
use sqlparser::dialect::{PostgreSqlDialect, SQLiteDialect};
use sqlparser::tokenizer::{Token, Tokenizer};

use super::two_parts;

thread_local! {
    /// SQLite with some tables. Statements are only prepared, never run.
    static DATABASE: Connection = {
        let database = Connection::open_in_memory().expect("memory can be opened");
        database
            .execute_batch(
                "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT, c INT, d, e, n); CREATE TABLE u (id, a, b);
                 CREATE TABLE audit_logs (id, created_at); CREATE VIEW v AS SELECT a FROM t;",
            )
            .expect("tables can be made");
        database
    };
}

/// Two texts are at least as bad together as each by itself, comments change nothing, and what is said to read reads.
pub fn check(data: &[u8]) {
    let Some((first, second)) = two_parts(data) else {
        return;
    };
    for dialect in Dialect::ALL {
        let [one, other] = [first, second].map(|text| effect(text, dialect));
        assert!(effect_in_any(first).effect >= one.effect);
        // A text that is no statement may be the beginning or the end of one.
        if !unparsed(&one) {
            let together = effect(&format!("{first}\n;\n{second}"), dialect);
            let worst = one.effect.max(other.effect);
            assert!(
                together.effect >= worst,
                "{first:?}; {second:?}: {together:?}"
            );
        }
        for (text, alone) in [(first, &one), (second, &other)] {
            spaced(text, alone, dialect);
            counted(alone, dialect);
        }
        if dialect == Dialect::Sqlite {
            reads(first, &one);
            reads(second, &other);
        }
    }
}

fn unparsed(analysis: &Analysis) -> bool {
    analysis.reason.starts_with(UNPARSED) || analysis.reason.contains("not parsed")
}

/// Puts comments and line breaks wherever white space stands: nothing becomes milder.
fn spaced(text: &str, alone: &Analysis, dialect: Dialect) {
    let grammar: &dyn sqlparser::dialect::Dialect = match dialect {
        Dialect::Sqlite => &SQLiteDialect {},
        Dialect::Postgres => &PostgreSqlDialect {},
    };
    let Ok(tokens) = Tokenizer::new(grammar, text).tokenize_with_location() else {
        return;
    };
    let spaces = tokens
        .iter()
        .filter(|token| matches!(token.token, Token::Whitespace(_)))
        .count();
    if unparsed(alone) || spaces == 0 || spaces > 64 || text.contains('\r') {
        return;
    }
    let lines: Vec<&str> = text.split('\n').collect();
    let mut spaced = text.to_owned();
    for token in tokens.iter().rev() {
        if !matches!(token.token, Token::Whitespace(_)) {
            continue;
        }
        let (line, column) = (
            token.span.start.line as usize,
            token.span.start.column as usize,
        );
        let before: usize = lines.iter().take(line - 1).map(|line| line.len() + 1).sum();
        let Some((within, _)) = lines
            .get(line - 1)
            .and_then(|line| line.char_indices().nth(column - 1))
        else {
            continue;
        };
        spaced.insert_str(before + within, "/* ; */ -- ;\n");
    }
    let changed = effect(&spaced, dialect);
    assert!(
        changed.effect >= alone.effect,
        "{text:?} {alone:?}, {spaced:?} {changed:?}"
    );
}

/// What counts the rows beforehand reads.
fn counted(analysis: &Analysis, dialect: Dialect) {
    if let Some(count) = &analysis.count {
        let counting = effect(count, dialect);
        assert_eq!(counting.effect, Effect::Read, "{count:?}: {counting:?}");
        assert_eq!(counting.statements, 1, "{count:?}");
    }
}

/// What is said to read, SQLite itself says to read.
fn reads(text: &str, analysis: &Analysis) {
    // SQLite counts the question for the journal mode as a change: it shares its code with setting it.
    let asks_mode = text.to_ascii_lowercase().contains("journal_mode");
    if analysis.effect != Effect::Read || asks_mode || text.contains('\0') {
        return;
    }
    DATABASE.with(|database| {
        let mut batch = Batch::new(database, text);
        while let Ok(Some(statement)) = batch.next() {
            if statement.is_explain() == 0 {
                assert!(statement.readonly(), "{text:?}: {analysis:?}");
            }
        }
    });
}
