//! Follows the author's script to know how a variable must be written where a value stands. It knows as much of POSIX
//! shells and bash as that takes, and refuses the places where even a quoted variable would be read as code.

use std::collections::VecDeque;

use crate::expr::error::Fault;

/// How a variable is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// Outside of quotes: `"${NAME}"`.
    Bare,
    /// Inside of double quotes: `${NAME}`.
    InQuotes,
}

/// Where the script ended so far.
pub(super) struct ShellContext {
    frames: Vec<Frame>,
    /// The last character was a backslash that escapes the next.
    escaped: bool,
    previous: char,
    /// How many `<` stand together at the end.
    less: usize,
    /// Here-documents that begin with the next line.
    pending: VecDeque<HereDocument>,
    /// Something that shells read differently.
    ambiguous: Option<&'static str>,
}

#[derive(Default)]
struct HereDocument {
    delimiter: String,
    strips_tabs: bool,
    /// The quote that is open while the delimiter is read.
    quote: Option<char>,
}

enum Frame {
    Code(Code),
    Double,
    Single,
    Backtick,
    Comment,
    /// `$(( ))` and `(( ))`, with the open parentheses.
    Arithmetic(usize),
    /// `${ }`, with the open braces.
    Parameter(usize),
    /// `[[ ]]`
    Test,
    /// The word behind `<<`.
    Delimiter(HereDocument),
    /// The lines of a here-document, with the current one.
    Document(HereDocument, String),
}

/// Plain script text: the whole script, or the inside of `( )` and `$( )`.
#[derive(Default)]
struct Code {
    in_parentheses: bool,
    /// Nothing was read in it yet.
    fresh: bool,
    /// `case` without its `esac`: a `)` ends a pattern.
    cases: usize,
    /// The word that is being read; a quoted part counts as `"`.
    word: String,
    /// The next word is a command or a keyword.
    mid_command: bool,
    /// The command reads its arguments as code.
    evaluates: Option<&'static str>,
}

impl Default for ShellContext {
    fn default() -> Self {
        Self {
            frames: vec![Frame::Code(Code::default())],
            escaped: false,
            previous: '\n',
            less: 0,
            pending: VecDeque::new(),
            ambiguous: None,
        }
    }
}

impl ShellContext {
    /// Reads on in the author's script.
    pub(super) fn read(&mut self, text: &str) {
        for character in text.chars() {
            self.step(character);
            self.previous = character;
        }
    }

    /// A value stands here: tells how it is written, or why it cannot stand here.
    pub(super) fn value(&mut self) -> Result<Spot, Fault> {
        self.permit()?;
        self.previous = 'x';
        self.less = 0;
        match self.frames.last_mut() {
            Some(Frame::Code(code)) => {
                code.word.push('"');
                code.fresh = false;
                Ok(Spot::Bare)
            }
            _ => Ok(Spot::InQuotes),
        }
    }

    fn permit(&self) -> Result<(), Fault> {
        const ASSIGN: &str = "assign it to a variable first: name={{ … }}, then use \"$name\" here";
        if let Some(what) = self.ambiguous {
            return Err(Fault::new(format!(
                "a value behind {what}, which shells read differently"
            ))
            .help(ASSIGN));
        }
        if self.escaped || self.previous == '$' {
            return Err(Fault::new("a value directly behind a backslash or `$`")
                .help("remove the backslash or `$` before {{ … }}"));
        }
        if self.less == 2 {
            return Err(Fault::new("a value as the end mark of a here-document").help(ASSIGN));
        }
        for frame in &self.frames {
            let (place, help) = match frame {
                Frame::Double => continue,
                Frame::Code(code) => match code.evaluates {
                    Some(command) => (command, ASSIGN),
                    None if is_subscript(&code.word) => ("an array index", ASSIGN),
                    None => continue,
                },
                Frame::Single => ("single quotes", "remove the quotes around {{ … }}"),
                Frame::Backtick => ("backticks", "write $( … ) instead"),
                Frame::Comment => (
                    "a comment",
                    "move it out of the comment, or remove the braces",
                ),
                Frame::Arithmetic(_) => ("arithmetic", ASSIGN),
                Frame::Parameter(_) => ("${ … }", ASSIGN),
                Frame::Test => (
                    "[[ … ]]",
                    "use [ … ] instead, or assign it to a variable first",
                ),
                Frame::Delimiter(_) | Frame::Document(..) => ("a here-document", ASSIGN),
            };
            return Err(Fault::new(format!("a value inside of {place}")).help(help));
        }
        Ok(())
    }

    fn step(&mut self, character: char) {
        if self.escaped {
            self.escaped = false;
            if let Some(Frame::Code(code)) = self.frames.last_mut() {
                code.word.push('"');
                code.fresh = false;
            }
            self.previous = ' ';
            return;
        }
        match self.frames.last_mut() {
            Some(Frame::Code(_)) | None => self.code(character),
            Some(Frame::Double) => self.double(character),
            Some(Frame::Single) => {
                if character == '\'' {
                    self.frames.pop();
                }
            }
            Some(Frame::Backtick) => match character {
                '\\' => self.escaped = true,
                '`' => drop(self.frames.pop()),
                _ => {}
            },
            Some(Frame::Comment) => {
                if character == '\n' {
                    self.frames.pop();
                    self.code(character);
                }
            }
            Some(Frame::Arithmetic(open)) => match character {
                '(' => *open += 1,
                ')' if *open == 1 => drop(self.frames.pop()),
                ')' => *open -= 1,
                _ => {}
            },
            Some(Frame::Parameter(_)) => self.parameter(character),
            Some(Frame::Test) => match character {
                '"' => self.frames.push(Frame::Double),
                '\'' => self.frames.push(Frame::Single),
                '\\' => self.escaped = true,
                ']' if self.previous == ']' => drop(self.frames.pop()),
                _ => {}
            },
            Some(Frame::Delimiter(_)) => self.delimiter(character),
            Some(Frame::Document(..)) => self.document(character),
        }
    }

    fn code(&mut self, character: char) {
        if self.less == 2 && character != '<' {
            self.less = 0;
            self.frames.push(Frame::Delimiter(HereDocument {
                strips_tabs: character == '-',
                ..HereDocument::default()
            }));
            if character != '-' {
                self.delimiter(character);
            }
            return;
        }
        self.less = if character == '<' { self.less + 1 } else { 0 };
        let previous = self.previous;
        let Some(Frame::Code(code)) = self.frames.last_mut() else {
            return;
        };
        let fresh = std::mem::replace(&mut code.fresh, false);
        match character {
            '\\' => self.escaped = true,
            '\'' => {
                code.word.push('"');
                if previous == '$' {
                    self.ambiguous = Some("$'…'");
                }
                self.frames.push(Frame::Single);
            }
            '"' => {
                code.word.push('"');
                self.frames.push(Frame::Double);
            }
            '`' => {
                code.word.push('"');
                self.frames.push(Frame::Backtick);
            }
            '#' if code.word.is_empty() => self.frames.push(Frame::Comment),
            '{' if previous == '$' => self.frames.push(Frame::Parameter(1)),
            '(' if previous == '(' && fresh && code.in_parentheses => {
                self.frames.pop();
                self.frames.push(Frame::Arithmetic(2));
            }
            '(' => {
                let is_substitution = previous == '$';
                if is_substitution {
                    code.word.push('"');
                } else {
                    code.end_word();
                    code.mid_command = false;
                }
                self.frames.push(Frame::Code(Code {
                    in_parentheses: true,
                    fresh: true,
                    ..Code::default()
                }));
            }
            ')' => {
                code.end_word();
                if code.cases == 0 && code.in_parentheses {
                    self.frames.pop();
                } else {
                    code.end_command();
                }
            }
            ' ' | '\t' => self.end_word(),
            // `2>&1` and `>|` redirect; they end no command.
            '&' | '|' if matches!(previous, '<' | '>') => {}
            '\n' | ';' | '&' | '|' => {
                self.end_word();
                if let Some(Frame::Code(code)) = self.frames.last_mut() {
                    code.end_command();
                    if character == '\n'
                        && let Some(document) = self.pending.pop_front()
                    {
                        self.frames.push(Frame::Document(document, String::new()));
                    }
                }
            }
            '<' | '>' => drop(code.end_word()),
            _ => code.word.push(character),
        }
    }

    fn end_word(&mut self) {
        if let Some(Frame::Code(code)) = self.frames.last_mut()
            && code.end_word()
        {
            self.frames.push(Frame::Test);
        }
    }

    fn double(&mut self, character: char) {
        match character {
            '\\' => self.escaped = true,
            '"' => drop(self.frames.pop()),
            '`' => self.frames.push(Frame::Backtick),
            '(' if self.previous == '$' => self.frames.push(Frame::Code(Code {
                in_parentheses: true,
                fresh: true,
                ..Code::default()
            })),
            '{' if self.previous == '$' => self.frames.push(Frame::Parameter(1)),
            _ => {}
        }
    }

    fn parameter(&mut self, character: char) {
        let previous = self.previous;
        let Some(Frame::Parameter(open)) = self.frames.last_mut() else {
            return;
        };
        match character {
            '\\' => self.escaped = true,
            '{' if previous == '$' => *open += 1,
            '}' if *open == 1 => drop(self.frames.pop()),
            '}' => *open -= 1,
            '"' if !self.in_quotes() => self.frames.push(Frame::Double),
            '\'' if !self.in_quotes() => self.frames.push(Frame::Single),
            '\'' | '"' => self.ambiguous = Some("quotes inside of \"${ … }\""),
            '(' if previous == '$' => self.ambiguous = Some("$( … ) inside of ${ … }"),
            '`' => self.ambiguous = Some("backticks inside of ${ … }"),
            _ => {}
        }
    }

    /// Whether double quotes are open somewhere around.
    fn in_quotes(&self) -> bool {
        self.frames
            .iter()
            .any(|frame| matches!(frame, Frame::Double))
    }

    fn delimiter(&mut self, character: char) {
        let Some(Frame::Delimiter(document)) = self.frames.last_mut() else {
            return;
        };
        if let Some(quote) = document.quote {
            if character == quote {
                document.quote = None;
            } else {
                document.delimiter.push(character);
            }
            return;
        }
        match character {
            ' ' | '\t' if document.delimiter.is_empty() => {}
            '\'' | '"' => document.quote = Some(character),
            '\\' => {}
            ' ' | '\t' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => {
                if let Some(Frame::Delimiter(document)) = self.frames.pop() {
                    self.pending.push_back(document);
                }
                self.code(character);
            }
            _ => document.delimiter.push(character),
        }
    }

    fn document(&mut self, character: char) {
        let Some(Frame::Document(document, line)) = self.frames.last_mut() else {
            return;
        };
        if character != '\n' {
            line.push(character);
            return;
        }
        let content = if document.strips_tabs {
            line.trim_start_matches('\t')
        } else {
            line.as_str()
        };
        if content != document.delimiter {
            line.clear();
            return;
        }
        self.frames.pop();
        if let Some(next) = self.pending.pop_front() {
            self.frames.push(Frame::Document(next, String::new()));
        }
    }
}

impl Code {
    /// Ends the current word; tells whether it opens `[[ ]]`.
    fn end_word(&mut self) -> bool {
        let word = std::mem::take(&mut self.word);
        if word.is_empty() || self.mid_command {
            return false;
        }
        match word.as_str() {
            "[[" => return true,
            "case" => {
                self.cases += 1;
                self.mid_command = true;
            }
            "esac" => self.cases = self.cases.saturating_sub(1),
            "eval" => self.evaluates = Some("what `eval` reads as code"),
            "let" => self.evaluates = Some("arithmetic"),
            "trap" => self.evaluates = Some("what `trap` reads as code"),
            "then" | "do" | "else" | "elif" | "if" | "while" | "until" | "!" | "{" | "time"
            | "command" | "builtin" | "exec" => {}
            _ if is_assignment(&word) => {}
            _ => self.mid_command = true,
        }
        false
    }

    fn end_command(&mut self) {
        self.mid_command = false;
        self.evaluates = None;
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(is_name))
}

/// Whether a word ends inside of `name[`: bash evaluates what follows as arithmetic.
fn is_subscript(word: &str) -> bool {
    word.split_once('[').is_some_and(|(name, index)| {
        !name.is_empty() && name.chars().all(is_name) && !index.contains(']')
    })
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}
