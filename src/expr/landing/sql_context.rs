//! Follows the author's SQL to know whether a value stands in code, where a parameter can be, or inside of quotes or a
//! comment, where it would be text. Covers SQLite's and PostgreSQL's rules; where the two differ, it refuses.

use crate::expr::error::Fault;

/// Where the text ended so far.
#[derive(Default)]
pub(super) struct SqlContext {
    region: Region,
    /// The last two characters; a value counts as a letter.
    previous: [char; 2],
    /// A value was the last thing.
    after_value: bool,
    /// A text with backslashes ended, and a quote that comes next goes on in it: at once, where it is a doubled one, or
    /// in the next line.
    after_escapes: bool,
    /// `[` that are open: an array in PostgreSQL, a quoted name in SQLite.
    brackets: usize,
    /// Something that SQLite and PostgreSQL read differently.
    ambiguous: Option<&'static str>,
}

#[derive(Default, PartialEq)]
enum Region {
    #[default]
    Code,
    /// Inside of this quote; in `E'…'` a backslash escapes.
    Quoted {
        quote: char,
        backslashes: bool,
        escaped: bool,
    },
    LineComment,
    /// With the last character inside: `/*/` does not close what it opened.
    BlockComment(char),
    /// `$` and the letters after it, which may open `$tag$ … $tag$`.
    Tag(String),
    /// Inside of `$tag$ … $tag$`, with the last characters.
    Dollar {
        tag: String,
        tail: String,
    },
}

impl SqlContext {
    /// Reads on in the author's text.
    pub(super) fn read(&mut self, text: &str) -> Result<(), Fault> {
        for character in text.chars() {
            if self.after_value && self.region == Region::Code {
                if touches(character) {
                    return Err(stands_alone());
                }
                self.after_value = false;
            }
            self.step(character)?;
            self.previous = [self.previous[1], character];
        }
        Ok(())
    }

    /// A bound value stands here.
    pub(super) fn value(&mut self) -> Result<(), Fault> {
        self.in_code()?;
        if self.after_value || touches(self.previous[1]) {
            return Err(stands_alone());
        }
        self.after_value = true;
        self.after_escapes = false;
        self.previous = ['x', 'x'];
        Ok(())
    }

    /// A quoted name stands here.
    pub(super) fn identifier(&mut self) -> Result<(), Fault> {
        if self.brackets > 0 {
            return Err(Fault::new("a name inside of [ ]")
                .help("remove the brackets: `| identifier` quotes the name"));
        }
        if self.previous[1] == '&' {
            return Err(stands_alone());
        }
        self.value()
    }

    fn in_code(&self) -> Result<(), Fault> {
        let inside = match &self.region {
            Region::Code => None,
            Region::Quoted { .. } => Some("quotes"),
            Region::LineComment | Region::BlockComment(_) => {
                return Err(Fault::new("a value inside of a comment")
                    .help("move it out of the comment, or remove the braces"));
            }
            Region::Tag(_) | Region::Dollar { .. } => Some("$…$ quotes"),
        };
        if let Some(quotes) = inside {
            return Err(Fault::new(format!("a value inside of {quotes}")).help(
                "remove the quotes around {{ … }}: the value is handed over apart; to join it with text, write 'text' || {{ … }}",
            ));
        }
        match self.ambiguous {
            Some(what) => Err(Fault::new(format!(
                "a value behind {what}, which SQLite and PostgreSQL read differently"
            ))
            .help("write that part differently")),
            None => Ok(()),
        }
    }

    fn step(&mut self, character: char) -> Result<(), Fault> {
        match &mut self.region {
            Region::Code => return self.code(character),
            Region::Quoted { escaped, .. } if *escaped => *escaped = false,
            Region::Quoted {
                quote,
                backslashes,
                escaped,
            } => {
                if *backslashes && character == '\\' {
                    *escaped = true;
                } else if character == *quote {
                    // A doubled quote opens at once what it closed.
                    self.after_escapes = *backslashes;
                    self.region = Region::Code;
                }
            }
            Region::LineComment => {
                if character == '\n' {
                    self.region = Region::Code;
                }
            }
            Region::BlockComment(last) => match (std::mem::replace(last, character), character) {
                ('*', '/') => self.region = Region::Code,
                ('/', '*') => self.ambiguous = Some("a comment inside of a comment"),
                _ => {}
            },
            Region::Tag(tag) if character == '$' => {
                let tag = format!("${tag}$");
                self.region = Region::Dollar {
                    tag,
                    tail: String::new(),
                };
            }
            Region::Tag(tag) if character.is_alphanumeric() || character == '_' => {
                if tag.is_empty() && character.is_ascii_digit() {
                    return Err(own_parameter("$1"));
                }
                tag.push(character);
            }
            Region::Tag(_) => {
                self.region = Region::Code;
                return self.code(character);
            }
            Region::Dollar { tag, tail } => {
                tail.push(character);
                if tail.ends_with(tag.as_str()) {
                    self.region = Region::Code;
                } else if tail.len() > 2 * tag.len() + 8 {
                    let keep = tail
                        .char_indices()
                        .rev()
                        .nth(tag.chars().count())
                        .map_or(0, |(index, _)| index);
                    tail.drain(..keep);
                }
            }
        }
        Ok(())
    }

    fn code(&mut self, character: char) -> Result<(), Fault> {
        let [before, previous] = self.previous;
        // What stands between may be white space and line comments.
        let goes_on = self.after_escapes && previous != '-';
        self.after_escapes &= character == '-' || (goes_on && character.is_ascii_whitespace());
        match character {
            '\'' | '"' | '`' => {
                if self.brackets > 0 && character != '\'' {
                    self.ambiguous = Some("quotes inside of [ ]");
                }
                // `E'…'`, but not the end of a word before a quote.
                let backslashes = character == '\''
                    && (goes_on
                        || matches!(previous, 'e' | 'E')
                            && !(before.is_alphanumeric() || before == '_'));
                self.region = Region::Quoted {
                    quote: character,
                    backslashes,
                    escaped: false,
                };
            }
            '-' if previous == '-' => self.region = Region::LineComment,
            '*' if previous == '/' => self.region = Region::BlockComment(' '),
            '$' if !(previous.is_alphanumeric() || previous == '_') => {
                self.region = Region::Tag(String::new());
            }
            '[' => self.brackets += 1,
            ']' => self.brackets = self.brackets.saturating_sub(1),
            '?' => return Err(own_parameter("?")),
            _ => {}
        }
        Ok(())
    }
}

/// Whether a character beside a value would become part of it, or of a quote beside it.
fn touches(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$' | '\'' | '"' | '`' | '?' | '@')
}

fn stands_alone() -> Fault {
    Fault::new("a value that touches other text").help("put a space around {{ … }}")
}

fn own_parameter(sign: &str) -> Fault {
    Fault::new(format!("the SQL has a parameter `{sign}` of its own"))
        .help("write {{ … }} instead: each becomes a parameter")
}
