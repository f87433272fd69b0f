//! Queries of a metrics system: a value is escaped for the PromQL string that it stands in, and in one that `=~` or `!~`
//! matches with it is text and no pattern. Outside of quotes only a number or a length of time can stand.

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::base::Span;
use crate::expr::argument::QueryText;
use crate::expr::error::Fault;
use crate::expr::pieces::Piece;
use crate::expr::value::{is_compound, is_secret, items_of};

use super::bounded;
use super::plain::single;

/// The query, and whether it was written out whole: other languages than PromQL take their values apart.
pub(super) fn land(pieces: &[Piece<'_>]) -> Result<QueryText, Fault> {
    let mut query = QueryText {
        text: String::new(),
        written_out: true,
    };
    let mut context = Context::default();
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                context.read(text)?;
                query.text.push_str(text);
            }
            Piece::Value(value, range) => {
                query.written_out = false;
                let text = context
                    .value(value)
                    .map_err(|fault| fault.at(range.clone()))?;
                query.text.push_str(&text);
            }
        }
        bounded(&query.text)?;
    }
    Ok(query)
}

/// Where the author's text ended so far.
#[derive(Default)]
struct Context {
    region: Region,
    /// The last character.
    previous: Option<char>,
    /// The last two characters of code that are no space: `=~` before a quote makes a pattern of what is in it.
    operator: [char; 2],
    /// `[` that are open: between them `:` parts a range from its steps, elsewhere it is part of a name.
    brackets: usize,
    /// What stands outside of quotes and was a value, if that was the last thing.
    after: Option<After>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Region {
    #[default]
    Code,
    /// Inside of `"` or `'`, where a backslash escapes.
    Quoted {
        quote: char,
        pattern: bool,
        escaped: bool,
    },
    /// Inside of backquotes, where nothing escapes.
    Raw,
    /// Behind `#`, until the end of the line.
    Comment,
}

/// A value outside of quotes.
#[derive(Clone, Copy, PartialEq)]
enum After {
    /// A whole number, which may have a unit of time behind it.
    Whole,
    /// Something whole in itself.
    Closed,
}

impl Context {
    fn read(&mut self, text: &str) -> Result<(), Fault> {
        for character in text.chars() {
            if let Some(after) = self.after.take() {
                let unit = after == After::Whole && character.is_ascii_alphabetic();
                if self.joins(character) && !unit {
                    return Err(touches());
                }
            }
            self.step(character);
            self.previous = Some(character);
        }
        Ok(())
    }

    fn step(&mut self, character: char) {
        match &mut self.region {
            Region::Code => {
                self.region = match character {
                    '"' | '\'' => Region::Quoted {
                        quote: character,
                        pattern: matches!(self.operator, ['=' | '!', '~']),
                        escaped: false,
                    },
                    '`' => Region::Raw,
                    '#' => Region::Comment,
                    _ => Region::Code,
                };
                match character {
                    '[' => self.brackets += 1,
                    ']' => self.brackets = self.brackets.saturating_sub(1),
                    _ => {}
                }
                if !character.is_whitespace() {
                    self.operator = [self.operator[1], character];
                }
            }
            Region::Quoted { escaped, .. } if *escaped => *escaped = false,
            Region::Quoted { quote, escaped, .. } => {
                if character == '\\' {
                    *escaped = true;
                } else if character == *quote {
                    self.region = Region::Code;
                }
            }
            Region::Raw if character == '`' => self.region = Region::Code,
            Region::Comment if character == '\n' => self.region = Region::Code,
            Region::Raw | Region::Comment => {}
        }
    }

    /// The value as it stands in the query.
    fn value(&mut self, value: &Value) -> Result<String, Fault> {
        refuse_secret(value)?;
        let text = match self.region {
            Region::Code => return self.in_code(value),
            Region::Comment => {
                return Err(Fault::new("a value inside of a comment")
                    .help("move it out of the comment, or remove the braces"));
            }
            Region::Raw => {
                return Err(Fault::new("a value inside of backquotes")
                    .help("write \"…\" instead: nothing can be escaped inside of backquotes"));
            }
            Region::Quoted { .. } if self.previous == Some('\\') => {
                return Err(Fault::new("a value behind a backslash")
                    .help("remove the backslash: a value needs none"));
            }
            Region::Quoted { quote, pattern, .. } => {
                let text = if pattern {
                    literal(value)?
                } else {
                    single(value)?
                };
                escaped(&text, quote)
            }
        };
        self.previous = Some('x');
        Ok(text)
    }

    /// Whether a character beside a number would become part of it, or make a name of it.
    fn joins(&self, character: char) -> bool {
        character.is_alphanumeric()
            || matches!(character, '_' | '.')
            || (character == ':' && self.brackets == 0)
    }

    fn in_code(&mut self, value: &Value) -> Result<String, Fault> {
        if self.after.is_some() || self.previous.is_some_and(|previous| self.joins(previous)) {
            return Err(touches());
        }
        let text = single(value)?;
        let (text, after) = match value.kind() {
            ValueKind::Number if !f64::try_from(value.clone()).is_ok_and(f64::is_finite) => {
                return Err(Fault::unfit(format!("{text} is not a number to ask with")));
            }
            ValueKind::Number if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                (text, After::Whole)
            }
            ValueKind::Number => (text, After::Closed),
            _ => match text.parse::<Span>() {
                Ok(span) => (written(span), After::Closed),
                Err(_) => {
                    return Err(Fault::new("a value outside of quotes")
                        .help("put it into a string, label=\"{{ … }}\": outside of one stands only a number or a length of time; GraphQL takes its values from `metrics.variables`, Sentry from `metrics.parameters`"));
                }
            },
        };
        self.after = Some(after);
        self.previous = Some('x');
        self.operator = ['x', 'x'];
        Ok(text)
    }
}

fn touches() -> Fault {
    Fault::new("a value that touches other text")
        .help("put a space around {{ … }}; only a unit of time may follow a whole number")
}

/// A length of time as PromQL writes it, in its largest whole unit: `5m`, `1500ms`.
fn written(span: Span) -> String {
    let milliseconds = span.0.as_millis();
    [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
    ]
    .into_iter()
    .find(|(length, _)| milliseconds > 0 && milliseconds.is_multiple_of(*length))
    .map_or_else(
        || format!("{milliseconds}ms"),
        |(length, unit)| format!("{}{unit}", milliseconds / length),
    )
}

fn refuse_secret(value: &Value) -> Result<(), Fault> {
    if is_secret(value) {
        return Err(Fault::new("a secret cannot be part of a query")
            .help("who is asked logs what is asked; a token belongs to `auth` in [metrics.*]"));
    }
    Ok(())
}

/// The pattern that matches this text and nothing else; of a list, any of its texts.
fn literal(value: &Value) -> Result<String, Fault> {
    if !is_compound(value) || value.kind() == ValueKind::Map {
        return single(value).map(|text| quoted_pattern(&text));
    }
    let items = items_of(value)?;
    if items.is_empty() {
        return Err(Fault::unfit(
            "the list is empty: the pattern would match what has no such label",
        )
        .help("look at its length with `when`"));
    }
    let texts = items
        .iter()
        .map(|item| {
            refuse_secret(item)?;
            single(item).map(|text| quoted_pattern(&text))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(format!("(?:{})", texts.join("|")))
}

/// RE2 takes every punctuation mark behind a backslash for itself, also inside of `[…]`.
fn quoted_pattern(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_punctuation() {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted
}

/// The text inside of a string of PromQL: an escaped quote of the other kind would be a mistake there, and its lexer takes
/// U+FFFD for broken UTF-8.
fn escaped(text: &str, quote: char) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            _ if character == quote => {
                escaped.push('\\');
                escaped.push(quote);
            }
            _ if character.is_control() || character == char::REPLACEMENT_CHARACTER => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
#[expect(clippy::panic, reason = "a failing test panics")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use crate::base::Secret;
    use crate::expr::testing::{hostile, land, refused, scope};
    use crate::expr::{Argument, Scope, secret_value};
    use crate::model::Kind;

    fn query(text: &str, scope: &Scope) -> String {
        match land(text, Kind::Query, scope) {
            Ok(Argument::Query(query)) => query.text,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_value_is_escaped_for_the_string_it_stands_in() {
        let scope = scope(&json!({"x": "a\"'\\\n.*", "hosts": ["a.example.com", "b|c"]}));
        for (text, landed) in [
            ("up{a=\"{{ x }}\"}", r#"up{a="a\"'\\\n.*"}"#),
            ("up{a='{{ x }}'}", r#"up{a='a"\'\\\n.*'}"#),
            ("up{a!=\"<{{ x }}>\"}", r#"up{a!="<a\"'\\\n.*>"}"#),
            (
                "up{a=~\"{{ x }}:.+\"}",
                r#"up{a=~"a\\\"\\'\\\\\n\\.\\*:.+"}"#,
            ),
            (
                "up{a !~ '{{ hosts }}:9100', b=\"{{ x }}\"}",
                r#"up{a !~ '(?:a\\.example\\.com|b\\|c):9100', b="a\"'\\\n.*"}"#,
            ),
            // The quote is over, and so is the pattern.
            ("a=~\"b\" == \"{{ x }}\"", r#"a=~"b" == "a\"'\\\n.*""#),
        ] {
            assert_eq!(query(text, &scope), landed, "{text}");
        }
    }

    #[test]
    fn only_numbers_and_lengths_of_time_stand_outside_of_strings() {
        let scope =
            scope(&json!({"n": 5, "f": 0.95, "t": "90m", "ms": "1500ms", "x": "up) or (up"}));
        for (text, landed) in [
            ("rate(a[{{ t }}]) > {{ n }}", "rate(a[90m]) > 5"),
            ("rate(a[{{ n }}m:{{ ms }}])", "rate(a[5m:1500ms])"),
            ("quantile({{ f }}, a) > -{{ n }}", "quantile(0.95, a) > -5"),
        ] {
            assert_eq!(query(text, &scope), landed, "{text}");
        }
        for (text, part, words) in [
            ("sum({{ x }})", "x", "outside of quotes"),
            ("a{{ n }}", "n", "touches"),
            ("up{a=`{{ n }}`}", "n", "backquotes"),
            ("up # {{ n }}", "n", "comment"),
            ("up{a=\"\\{{ x }}\"}", "x", "behind a backslash"),
            ("up{a=~\"\\\\{{ x }}\"}", "x", "behind a backslash"),
        ] {
            refused(text, Kind::Query, &scope, words, part);
        }
        for text in [
            "{{ t }}s",
            "{{ n }}0",
            "{{ f }}m",
            "{{ n }}{{ n }}",
            "{{ n }}_a",
            "job:a:{{ n }}",
            "{{ n }}:a",
        ] {
            let error = land(text, Kind::Query, &scope).err();
            assert!(
                error.is_some_and(|error| error.message.contains("touches")),
                "{text}"
            );
        }
        // What stands before the pattern's own backslash does not matter once something else came between.
        assert_eq!(query("a=\"\\\\.{{ n }}\"", &scope), "a=\"\\\\.5\"");
    }

    #[test]
    fn what_would_say_something_else_is_refused() {
        let scope = scope(&json!({"empty": [], "list": [1], "nothing": null}))
            .with("token", secret_value(&Secret::new("hunter2".to_owned())));
        for (text, part, words) in [
            ("up{a=~\"{{ empty }}\"}", "empty", "is empty"),
            ("up{a=\"{{ list }}\"}", "list", "a list"),
            ("up{a=\"{{ nothing }}\"}", "nothing", "null"),
            ("up{a=\"{{ token }}\"}", "token", "a secret"),
            ("up{a=~\"{{ [token] }}\"}", "[token]", "a secret"),
        ] {
            refused(text, Kind::Query, &scope, words, part);
        }
    }

    #[test]
    fn what_is_written_out_is_taken_as_it_is() {
        let text = "query { a(b: \"c\\\"\") { d } } # it's";
        let landed = land(text, Kind::Query, &scope(&json!({"x": 1})));
        let Ok(Argument::Query(landed)) = landed else {
            panic!("{landed:?}");
        };
        assert_eq!((landed.text.as_str(), landed.written_out), (text, true));
        let landed = land("a > {{ x }}", Kind::Query, &scope(&json!({"x": 1})));
        assert!(matches!(landed, Ok(Argument::Query(query)) if !query.written_out));
    }

    /// What PromQL's lexer makes of a string: its text, and what stands behind it.
    fn unquoted(query: &str) -> Option<(String, &str)> {
        let mut characters = query.char_indices();
        let (_, quote) = characters.next()?;
        let mut text = String::new();
        while let Some((index, character)) = characters.next() {
            match character {
                '\\' => match characters.next()?.1 {
                    'n' => text.push('\n'),
                    'u' => {
                        let digits: String = characters
                            .by_ref()
                            .take(4)
                            .map(|(_, digit)| digit)
                            .collect();
                        text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                    }
                    '\\' => text.push('\\'),
                    other if other == quote => text.push(quote),
                    _ => return None,
                },
                '\n' | '\u{fffd}' => return None,
                _ if character == quote => {
                    return Some((text, &query[index + character.len_utf8()..]));
                }
                _ => text.push(character),
            }
        }
        None
    }

    proptest! {
        #[test]
        fn a_value_comes_back_as_it_went_in(value in hostile(), single in any::<bool>()) {
            let quote = if single { '\'' } else { '"' };
            let scope = scope(&json!({"x": value}));
            let landed = query(&format!("{quote}{{{{ x }}}}{quote} or up"), &scope);
            prop_assert_eq!(unquoted(&landed), Some((value, " or up")));
        }

        #[test]
        fn a_pattern_matches_its_value_and_nothing_else(value in hostile(), other in hostile()) {
            let scope = scope(&json!({"x": value}));
            let landed = query("a=~\"[{{ x }}]*|{{ x }}\"", &scope);
            let read = unquoted(&landed["a=~".len()..]);
            prop_assert!(matches!(read, Some((_, ""))), "{landed}");
            let landed = query("a=~\"{{ x }}\"", &scope);
            let Some((pattern, "")) = unquoted(&landed["a=~".len()..]) else { panic!("{landed}") };
            // The engine of Rust is RE2's kin but takes fewer marks behind a backslash: those it does not take are the same
            // without one.
            let pattern = pattern.replace("\\<", "<").replace("\\>", ">");
            let pattern = regex::Regex::new(&format!("^(?s:{pattern})$"));
            let Ok(pattern) = pattern else { panic!("{landed}") };
            prop_assert!(pattern.is_match(&value));
            prop_assert_eq!(pattern.is_match(&other), other == value);
        }
    }
}
