//! Takes a script of SQLite apart into its statements, without parsing them: where SQLite itself would end each.
//! See <https://www.sqlite.org/c3ref/complete.html>.

/// The statements of a script, each without the semicolon at its end; what holds only blanks and comments is none. What no
/// semicolon ends is the last.
#[must_use]
pub fn statements(script: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut state = State::Blank;
    let mut rest = script;
    while !rest.is_empty() {
        let (token, length) = next(rest);
        let at = script.len() - rest.len();
        rest = &rest[length..];
        let ended = token == Token::Semicolon && !matches!(state, State::Trigger | State::InBody);
        if ended {
            if state != State::Blank {
                found.push(script[start..at].trim());
            }
            start = at + length;
        }
        state = if ended {
            State::Blank
        } else {
            state.after(token)
        };
    }
    if state != State::Blank {
        found.push(script[start..].trim());
    }
    found
}

/// What a semicolon would mean next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// There is no statement yet.
    Blank,
    /// In a statement that a semicolon ends.
    Plain,
    /// Behind EXPLAIN, which may stand before CREATE.
    Explain,
    /// Behind CREATE, which may make a trigger.
    Create,
    /// In a trigger, in one of its statements.
    InBody,
    /// In a trigger, behind a semicolon: END ends it.
    Trigger,
    /// In a trigger, behind its END: a semicolon ends it.
    End,
}

impl State {
    const fn after(self, token: Token) -> Self {
        match (self, token) {
            (state, Token::Blank) => state,
            (Self::Blank, Token::Explain) | (Self::Explain, Token::Other) => Self::Explain,
            (Self::Blank | Self::Explain, Token::Create) | (Self::Create, Token::Temporary) => {
                Self::Create
            }
            (Self::Create, Token::Trigger) => Self::InBody,
            (Self::InBody | Self::End | Self::Trigger, Token::Semicolon) => Self::Trigger,
            (Self::Trigger, Token::End) => Self::End,
            (Self::InBody | Self::Trigger | Self::End, _) => Self::InBody,
            (Self::Blank | Self::Plain | Self::Explain | Self::Create, _) => Self::Plain,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    /// White space or a comment.
    Blank,
    Semicolon,
    Explain,
    Create,
    Temporary,
    Trigger,
    End,
    Other,
}

/// The first token and its length in bytes, of which there is at least one.
fn next(text: &str) -> (Token, usize) {
    let until = |end: &str, from: usize| {
        let found = text.get(from..).and_then(|rest| rest.find(end));
        found.map_or(text.len(), |at| from + at + end.len())
    };
    let mut characters = text.chars();
    let first = characters.next().unwrap_or_default();
    match first {
        ';' => (Token::Semicolon, 1),
        '-' if text.starts_with("--") => (Token::Blank, until("\n", 2)),
        '/' if text.starts_with("/*") => (Token::Blank, until("*/", 2)),
        // A doubled quote ends one text and begins the next at once, which comes to the same.
        '\'' => (Token::Other, until("'", 1)),
        '"' => (Token::Other, until("\"", 1)),
        '`' => (Token::Other, until("`", 1)),
        '[' => (Token::Other, until("]", 1)),
        first if first.is_ascii_whitespace() => (Token::Blank, 1),
        first if in_word(first) => {
            let length = text.find(|other| !in_word(other)).unwrap_or(text.len());
            (word(&text[..length]), length)
        }
        first => (Token::Other, first.len_utf8()),
    }
}

fn in_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '$') || !character.is_ascii()
}

fn word(word: &str) -> Token {
    match word.to_ascii_uppercase().as_str() {
        "EXPLAIN" => Token::Explain,
        "CREATE" => Token::Create,
        "TEMP" | "TEMPORARY" => Token::Temporary,
        "TRIGGER" => Token::Trigger,
        "END" => Token::End,
        _ => Token::Other,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::{prop, prop_assert_eq, proptest};
    use rusqlite::fallible_iterator::FallibleIterator as _;
    use rusqlite::{Batch, Connection};

    use super::statements;

    #[test]
    fn statements_end_at_their_own_semicolons() {
        let trigger = "create temp /* ; */ TRIGGER t AFTER INSERT ON a BEGIN\n UPDATE a SET n = CASE WHEN n = ';' THEN 1 END; SELECT 1;\nend";
        let script = format!(
            ";\n-- a; comment\nSELECT ';', \"a;b\", [c;d], `e;f`, 'it''s;' ; {trigger}; /* ; */ EXPLAIN SELECT 'é;'; DELETE FROM \"end\""
        );
        assert_eq!(
            statements(&script),
            [
                "-- a; comment\nSELECT ';', \"a;b\", [c;d], `e;f`, 'it''s;'",
                trigger,
                "/* ; */ EXPLAIN SELECT 'é;'",
                "DELETE FROM \"end\""
            ]
        );
        assert!(statements(" ; -- nothing\n;/* ; */").is_empty());
        assert_eq!(statements("SELECT 'never closed; SELECT 2").len(), 1);
    }

    const PARTS: [&str; 14] = [
        "SELECT 1",
        ";",
        " ",
        "\n",
        "-- ; x\n",
        "/* ; */",
        "SELECT ';'",
        "SELECT \"a;\" FROM a",
        "INSERT INTO a VALUES ('it''s;', 2)",
        "CREATE TRIGGER IF NOT EXISTS t AFTER INSERT ON a BEGIN SELECT 1; SELECT CASE WHEN 1 THEN 2 END; END",
        "CREATE TABLE IF NOT EXISTS \"b;\" (n)",
        "EXPLAIN SELECT 2",
        "PRAGMA optimize",
        "DELETE FROM a WHERE x = 'é😀;'",
    ];

    proptest! {
        /// As SQLite itself takes it apart.
        #[test]
        fn it_ends_statements_where_sqlite_does(parts in prop::collection::vec(prop::sample::select(&PARTS[..]), 0..12)) {
            let script = parts.join(";");
            let database = Connection::open_in_memory().unwrap();
            database.execute_batch("CREATE TABLE a (\"a;\", x)").unwrap();
            let mut batch = Batch::new(&database, &script);
            let mut theirs = 0;
            while let Some(statement) = batch.next().unwrap() {
                theirs += 1;
                drop(statement);
            }
            prop_assert_eq!(statements(&script).len(), theirs, "{}", script);
        }
    }
}
