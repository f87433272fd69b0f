//! Statements that are read by their words because the parser does not know them: SQLite's pragmas and the upkeep of tables.

use sqlparser::dialect::SQLiteDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

use super::statement::Reading;

/// Pragmas that only look, with or without an argument.
const LOOKING: [&str; 19] = [
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "foreign_key_check",
    "foreign_key_list",
    "freelist_count",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "module_list",
    "page_count",
    "pragma_list",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Settings that a pragma shows without a value and changes with one.
const SETTINGS: [&str; 33] = [
    "analysis_limit",
    "application_id",
    "auto_vacuum",
    "automatic_index",
    "busy_timeout",
    "cache_size",
    "cache_spill",
    "cell_size_check",
    "checkpoint_fullfsync",
    "defer_foreign_keys",
    "encoding",
    "foreign_keys",
    "fullfsync",
    "hard_heap_limit",
    "ignore_check_constraints",
    "journal_mode",
    "journal_size_limit",
    "legacy_alter_table",
    "locking_mode",
    "max_page_count",
    "mmap_size",
    "page_size",
    "query_only",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "schema_version",
    "secure_delete",
    "soft_heap_limit",
    "synchronous",
    "temp_store",
    "trusted_schema",
    "user_version",
];

/// Settings whose change can break the file or let SQL write where it must not.
const DANGEROUS: [&str; 3] = ["schema_version", "writable_schema", "trusted_schema"];

/// Pragmas that change the file without a value.
const WORKING: [&str; 5] = [
    "incremental_vacuum",
    "optimize",
    "shrink_memory",
    "wal_autocheckpoint",
    "wal_checkpoint",
];

/// The name of what a PRAGMA gives a value, in small letters; none for any other text.
#[must_use]
pub fn setting(text: &str) -> Option<String> {
    let tokens = Tokenizer::new(&SQLiteDialect {}, text).tokenize().ok()?;
    let tokens: Vec<&Token> = tokens
        .iter()
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .collect();
    let [first, rest @ ..] = tokens.as_slice() else {
        return None;
    };
    let name = |token: &Token| match token {
        Token::Word(word) => Some(word.value.to_ascii_lowercase()),
        Token::SingleQuotedString(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    match rest {
        _ if keyword(first) != "PRAGMA" => None,
        [_, Token::Period, named, Token::Eq | Token::LParen, ..]
        | [named, Token::Eq | Token::LParen, ..] => name(named),
        _ => None,
    }
}

/// Whether a pragma of this lower-case name only looks, whatever it is given.
pub(super) fn only_looks(name: &str) -> bool {
    LOOKING.contains(&name)
}

/// Whether the table of this lower-case name is a pragma that may do more than look: reading it carries the pragma out.
pub(super) fn is_working_table(name: &str) -> bool {
    name.strip_prefix("pragma_")
        .is_some_and(|pragma| !only_looks(pragma) && !SETTINGS.contains(&pragma))
}

/// The upper-case text of an unquoted word; empty for every other token.
pub(super) fn keyword(token: &Token) -> String {
    match token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    }
}

/// The reading of a statement that is known by its words; none when the parser must read it. Takes the tokens without
/// white space.
pub(super) fn reading(tokens: &[&Token]) -> Option<Reading> {
    let first = keyword(tokens.first()?);
    let rest = &tokens[1..];
    match first.as_str() {
        "PRAGMA" => Some(pragma(rest)),
        // Explaining a pragma carries it out: it acts when it is compiled.
        "EXPLAIN" => {
            let at = rest.iter().position(|token| keyword(token) == "PRAGMA")?;
            let plain = ["", "QUERY PLAN"];
            let between: Vec<String> = rest[..at].iter().map(|token| keyword(token)).collect();
            plain
                .contains(&between.join(" ").as_str())
                .then(|| pragma(&rest[at + 1..]))
        }
        "VACUUM" if rest.iter().any(|token| keyword(token) == "INTO") => {
            Some(Reading::destroy("VACUUM INTO writes a file"))
        }
        "VACUUM" | "ANALYZE" | "REINDEX" | "CLUSTER" | "CHECKPOINT" => upkeep(&first, rest),
        "REFRESH"
            if rest
                .first()
                .is_some_and(|word| keyword(word) == "MATERIALIZED") =>
        {
            upkeep("REFRESH MATERIALIZED VIEW", rest)
        }
        "DETACH" => upkeep(&first, rest),
        _ => None,
    }
}

/// Upkeep names tables and options; anything else in it is left to the parser.
fn upkeep(word: &str, rest: &[&Token]) -> Option<Reading> {
    let plain = rest.iter().all(|token| {
        matches!(
            token,
            Token::Word(_)
                | Token::Number(..)
                | Token::Period
                | Token::Comma
                | Token::LParen
                | Token::RParen
        )
    });
    plain.then(|| Reading::write(word))
}

/// `name`, `schema.name`, `name = value`, `name(value)`.
fn pragma(tokens: &[&Token]) -> Reading {
    let (name, given) = match tokens {
        [Token::Word(_), Token::Period, Token::Word(name), given @ ..]
        | [Token::Word(name), given @ ..] => (name.value.to_ascii_lowercase(), given),
        _ => return Reading::destroy("PRAGMA that cannot be parsed"),
    };
    let has_value = match given {
        [] => false,
        [Token::Eq, ..] => true,
        [Token::LParen, inner @ .., Token::RParen] if inner.len() <= 2 => true,
        _ => return Reading::destroy("PRAGMA that cannot be parsed"),
    };
    let known = name.as_str();
    if DANGEROUS.contains(&known) && has_value {
        return Reading::destroy(format!("PRAGMA {known} with a value"));
    }
    if only_looks(known) || (SETTINGS.contains(&known) && !has_value) {
        return Reading::read(format!("PRAGMA {known}"));
    }
    if SETTINGS.contains(&known) || WORKING.contains(&known) {
        return Reading::write(format!("PRAGMA {known} changes the database"));
    }
    Reading::destroy(format!("PRAGMA {known} is not known to be harmless"))
}

#[cfg(test)]
mod tests {
    use super::setting;

    #[test]
    fn what_a_pragma_sets_is_known_however_it_is_written() {
        for text in [
            "PRAGMA foreign_keys = OFF",
            "pragma Foreign_Keys(0)",
            "PRAGMA main.foreign_keys=0;",
            "PRAGMA \"main\" . \"foreign_keys\" = /* not */ 0",
            "PRAGMA 'foreign_keys' = 0",
        ] {
            assert_eq!(setting(text).as_deref(), Some("foreign_keys"), "{text}");
        }
        for text in [
            "PRAGMA foreign_keys",
            "PRAGMA main.foreign_keys;",
            "SELECT 1",
            "",
        ] {
            assert_eq!(setting(text), None, "{text}");
        }
    }
}
