//! What a caller gave becomes typed values: the one parser for the command line, the environment, answers and defaults.

use std::cmp::Ordering;

use chrono::NaiveDate;
use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::base::{Severity, Size, Span, nearest};
use crate::model::{Input, InputType};

/// The longest SQL that a caller types, in bytes: what is longer is a file of statements.
pub const LONGEST_SQL: usize = 1024 * 1024;

/// The largest compiled pattern, in bytes.
const LARGEST_PATTERN: usize = 1024 * 1024;

/// Reads one text as a value of the input's type and holds it against choices, pattern and bounds. For an input that may
/// be given several times it reads one of the texts.
///
/// The value is a number for `int`, `float` and `size` (bytes), a boolean for `bool`, else a text.
///
/// # Errors
/// What was expected instead, as a lower-case fragment. A secret is never repeated in it.
pub fn parse_input(input: &Input, text: &str) -> Result<Value, String> {
    let value = parse_type(input.kind, text)?;
    check_choice(input, text)?;
    check_pattern(input, text)?;
    check_bounds(input, text, &value)?;
    Ok(value)
}

fn parse_type(kind: InputType, text: &str) -> Result<Value, String> {
    let trimmed = text.trim();
    let wrong = || format!("expected {}, found {text:?}", example(kind));
    match kind {
        InputType::String | InputType::Choice => Ok(text.into()),
        InputType::Secret if text.is_empty() => Err("expected a secret, found nothing".to_owned()),
        InputType::Secret => Ok(text.into()),
        InputType::Int => trimmed.parse::<i64>().map(Value::from).map_err(|_| wrong()),
        InputType::Float => match trimmed.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number.into()),
            Ok(_) | Err(_) => Err(wrong()),
        },
        InputType::Bool => match trimmed {
            "true" | "yes" | "on" => Ok(true.into()),
            "false" | "no" | "off" => Ok(false.into()),
            _ => Err(wrong()),
        },
        InputType::Duration => match trimmed.parse::<Span>() {
            Ok(_) => Ok(trimmed.into()),
            Err(_) => Err(wrong()),
        },
        InputType::Size => match trimmed.parse::<Size>() {
            Ok(size) => Ok(size.0.into()),
            Err(_) => Err(wrong()),
        },
        InputType::Date => match NaiveDate::parse_from_str(trimmed, "%Y-%m-%d") {
            Ok(date) => Ok(date.to_string().into()),
            Err(_) => Err(wrong()),
        },
        InputType::Path if text.is_empty() || text.contains('\0') => Err(wrong()),
        InputType::Path => Ok(text.into()),
        InputType::Sql => sql(text).map(|()| text.into()),
        InputType::Severity => match Severity::ALL
            .iter()
            .find(|severity| severity.as_str().eq_ignore_ascii_case(trimmed))
        {
            Some(severity) => Ok(severity.as_str().into()),
            None => Err(wrong()),
        },
        InputType::Incident | InputType::Run => {
            match trimmed.trim_start_matches('#').parse::<u64>() {
                Ok(number) => Ok(number.to_string().into()),
                Err(_) => Err(wrong()),
            }
        }
        InputType::Service
        | InputType::Database
        | InputType::Queue
        | InputType::Deploy
        | InputType::Window
        | InputType::Backup => match trimmed.split_whitespace().count() {
            1 => Ok(trimmed.into()),
            _ => Err(wrong()),
        },
    }
}

/// What no database could read as a statement, and what is too long to be known before it runs.
fn sql(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("expected a statement of SQL, found nothing".to_owned());
    }
    if text.contains('\0') {
        return Err("expected a statement of SQL, found a NUL in it".to_owned());
    }
    if text.len() > LONGEST_SQL {
        let found = Size(text.len() as u64);
        return Err(format!(
            "expected at most {} of SQL, found {found}",
            Size(LONGEST_SQL as u64)
        ));
    }
    Ok(())
}

/// What a value of this type looks like, with its article.
pub(super) const fn example(kind: InputType) -> &'static str {
    match kind {
        InputType::String => "a text",
        InputType::Int => "a whole number",
        InputType::Float => "a number",
        InputType::Bool => "true or false",
        InputType::Duration => "a duration like 200ms, 30s, 2h or 90d",
        InputType::Size => "a size like 500kB, 10MiB or 2GiB",
        InputType::Date => "a day like 2026-12-31",
        InputType::Choice => "one of the choices",
        InputType::Path => "the name of a file or folder",
        InputType::Secret => "a secret",
        InputType::Service => "the name of a service",
        InputType::Database => "the name of a database",
        InputType::Queue => "the name of a queue",
        InputType::Deploy => "the name of a deploy",
        InputType::Window => "the name of a window",
        InputType::Severity => "one of P0, P1, P2, P3",
        InputType::Incident => "the number of an incident",
        InputType::Backup => "the id of a backup",
        InputType::Run => "the number of a run",
        InputType::Sql => "a statement of SQL",
    }
}

/// What a person reads in place of a text that must not be seen.
fn shown(input: &Input, text: &str) -> String {
    match input.kind {
        InputType::Secret => "another".to_owned(),
        _ => format!("{text:?}"),
    }
}

fn check_choice(input: &Input, text: &str) -> Result<(), String> {
    if input.choices.is_empty() || input.choices.iter().any(|choice| choice == text) {
        return Ok(());
    }
    let mut message = format!(
        "expected one of {}, found {text:?}",
        input.choices.join(", ")
    );
    if let Some(word) = nearest(text, input.choices.iter().map(String::as_str)) {
        message.push_str(&format!("; did you mean {word:?}?"));
    }
    Err(message)
}

/// Whether inputs of this type can have a pattern.
pub(super) const fn takes_pattern(kind: InputType) -> bool {
    matches!(
        kind,
        InputType::String | InputType::Path | InputType::Secret | InputType::Backup
    )
}

/// The pattern as a regular expression that matches whole texts.
pub(super) fn whole_match(pattern: &str) -> Result<Regex, regex::Error> {
    let build = |pattern: &str| {
        RegexBuilder::new(pattern)
            .size_limit(LARGEST_PATTERN)
            .build()
    };
    // Compiled alone first: what is wrong is told in the author's own words, and a stray `)` cannot leave the group.
    build(pattern)?;
    // A comment at the end of a verbose pattern would swallow the end of the group, but for a line feed.
    build(&format!("^(?:{pattern})$")).or_else(|_| build(&format!("^(?:{pattern}\n)$")))
}

fn check_pattern(input: &Input, text: &str) -> Result<(), String> {
    let Some(pattern) = &input.pattern else {
        return Ok(());
    };
    let matches = whole_match(pattern)
        .map_err(|error| error.to_string())?
        .is_match(text);
    if matches {
        return Ok(());
    }
    Err(format!(
        "expected a text that matches {pattern}, found {}",
        shown(input, text)
    ))
}

fn check_bounds(input: &Input, text: &str, value: &Value) -> Result<(), String> {
    let length = Value::from(text.chars().count());
    let (measured, unit, found) = match input.kind {
        InputType::String | InputType::Secret => (&length, " characters", length.to_string()),
        _ => (value, "", text.trim().to_owned()),
    };
    if let Some(least) = &input.min
        && compare(input.kind, measured, least).is_some_and(Ordering::is_lt)
    {
        let least = bound(input.kind, least);
        return Err(format!("expected at least {least}{unit}, found {found}"));
    }
    if let Some(greatest) = &input.max
        && compare(input.kind, measured, greatest).is_some_and(Ordering::is_gt)
    {
        let greatest = bound(input.kind, greatest);
        return Err(format!("expected at most {greatest}{unit}, found {found}"));
    }
    Ok(())
}

fn bound(kind: InputType, value: &Value) -> String {
    match (kind, value) {
        (InputType::Size, Value::Number(bytes)) => {
            Size(bytes.as_u64().unwrap_or(u64::MAX)).to_string()
        }
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

/// How two values of a type, or two lengths of texts, are ordered.
pub(super) fn compare(kind: InputType, left: &Value, right: &Value) -> Option<Ordering> {
    match kind {
        InputType::Float => left.as_f64()?.partial_cmp(&right.as_f64()?),
        InputType::Int => Some(left.as_i64()?.cmp(&right.as_i64()?)),
        InputType::Duration => {
            let span = |value: &Value| value.as_str()?.parse::<Span>().ok();
            Some(span(left)?.cmp(&span(right)?))
        }
        InputType::Date => Some(left.as_str()?.cmp(right.as_str()?)),
        _ => Some(left.as_u64()?.cmp(&right.as_u64()?)),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{LONGEST_SQL, parse_input};
    use crate::book::testing::parse;
    use crate::model::{Input, InputType};

    fn input(keys: &str) -> Input {
        let text = format!("title = 't'\n[input.a]\n{keys}\n[[step]]\nname = 'a'\nhttp.get = '/'");
        parse(&text).unwrap().inputs.remove(0)
    }

    fn read(keys: &str, text: &str) -> Result<Value, String> {
        parse_input(&input(keys), text)
    }

    #[test]
    fn each_type_gives_its_own_value() {
        for (kind, text, value) in [
            ("string", " as it is ", json!(" as it is ")),
            ("int", "-5", json!(-5)),
            ("float", "1e3", json!(1000.0)),
            ("bool", "no", json!(false)),
            ("duration", "1h 30m", json!("1h 30m")),
            ("size", "10MiB", json!(10_485_760)),
            ("date", "2028-02-29", json!("2028-02-29")),
            ("path", "a b/c", json!("a b/c")),
            ("secret", "s3cret", json!("s3cret")),
            ("severity", "p1", json!("P1")),
            ("incident", "#7", json!("7")),
            ("run", "412", json!("412")),
            ("backup", "main-20261231", json!("main-20261231")),
            ("database", "main", json!("main")),
            ("sql", " SELECT 1;\n", json!(" SELECT 1;\n")),
        ] {
            assert_eq!(read(&format!("type = '{kind}'"), text), Ok(value), "{kind}");
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a list of cases")]
    fn says_what_was_expected_instead() {
        for (keys, text, message) in [
            (
                "type = 'int'",
                "5.5",
                "expected a whole number, found \"5.5\"",
            ),
            ("type = 'float'", "NaN", "expected a number, found \"NaN\""),
            (
                "type = 'bool'",
                "maybe",
                "expected true or false, found \"maybe\"",
            ),
            (
                "type = 'duration'",
                "90",
                "expected a duration like 200ms, 30s, 2h or 90d, found \"90\"",
            ),
            (
                "type = 'size'",
                "ten",
                "expected a size like 500kB, 10MiB or 2GiB, found \"ten\"",
            ),
            (
                "type = 'date'",
                "2027-02-29",
                "expected a day like 2026-12-31, found \"2027-02-29\"",
            ),
            (
                "type = 'severity'",
                "P4",
                "expected one of P0, P1, P2, P3, found \"P4\"",
            ),
            (
                "type = 'incident'",
                "x",
                "expected the number of an incident, found \"x\"",
            ),
            (
                "type = 'service'",
                "",
                "expected the name of a service, found \"\"",
            ),
            (
                "type = 'choice'\nchoices = ['low', 'high']",
                "hgih",
                "expected one of low, high, found \"hgih\"; did you mean \"high\"?",
            ),
            (
                "type = 'string'\npattern = 'a|b'",
                "ab",
                "expected a text that matches a|b, found \"ab\"",
            ),
            (
                "type = 'string'\npattern = 'a+'",
                "a\n",
                "expected a text that matches a+, found \"a\\n\"",
            ),
            (
                "type = 'string'\nmax = 2",
                "日本語",
                "expected at most 2 characters, found 3",
            ),
            ("type = 'int'\nmin = 1", "0", "expected at least 1, found 0"),
            (
                "type = 'sql'",
                " \n",
                "expected a statement of SQL, found nothing",
            ),
            (
                "type = 'sql'",
                "SELECT '\0'",
                "expected a statement of SQL, found a NUL in it",
            ),
            (
                "type = 'sql'",
                &" 1".repeat(LONGEST_SQL),
                "expected at most 1.0 MiB of SQL, found 2.0 MiB",
            ),
            (
                "type = 'float'\nmax = 0.5",
                "0.6",
                "expected at most 0.5, found 0.6",
            ),
            (
                "type = 'duration'\nmin = '1h'",
                "59m",
                "expected at least 1h, found 59m",
            ),
            (
                "type = 'size'\nmax = '1MiB'",
                "2MiB",
                "expected at most 1.0 MiB, found 2MiB",
            ),
            (
                "type = 'date'\nmin = 2026-01-01",
                "2025-12-31",
                "expected at least 2026-01-01, found 2025-12-31",
            ),
        ] {
            assert_eq!(read(keys, text), Err(message.to_owned()), "{keys}");
        }
    }

    #[test]
    fn a_secret_is_never_repeated() {
        for keys in ["pattern = '[a-z]+'", "min = 99", "max = 1"] {
            let message = read(&format!("type = 'secret'\n{keys}"), "HUNTER2").unwrap_err();
            assert!(!message.contains("HUNTER2"), "{message}");
        }
    }

    #[test]
    fn a_pattern_with_alternatives_matches_whole_texts_only() {
        assert!(read("type = 'string'\npattern = 'ab|cd'", "cd").is_ok());
        assert!(read("type = 'string'\npattern = '(?x) a b # comment'", "ab").is_ok());
        assert!(read("type = 'string'\npattern = 'ab|cd'", "cdx").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(kind in 0..InputType::ALL.len(), text in "\\PC{0,20}") {
            let word = InputType::ALL[kind].0;
            let extra = if word == "choice" { "choices = ['x']" } else { "" };
            let _ = read(&format!("type = '{word}'\n{extra}"), &text);
        }

        #[test]
        fn numbers_come_back(number: i64) {
            prop_assert_eq!(read("type = 'int'", &number.to_string()), Ok(json!(number)));
        }
    }
}
