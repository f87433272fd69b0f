//! Reads one value as one type; another is a mistake, with its place. It knows the forms of TOML and the types of a runbook.

use std::ops::RangeInclusive;

use crate::base::{Diagnostic, Place, Size, SourceFile, Span, nearest};
use crate::expr::{check_expression, check_template};
use crate::model::{Expression, Template};

use super::document::{Entry, Item, Value};
use super::mistakes::Mistakes;
use super::reader::TableReader;

/// A key with its value, or an item of a list with the key of the list. Reads it as one type; another is a mistake.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    source: &'a SourceFile,
    key: &'a str,
    key_range: (usize, usize),
    item: &'a Item,
    mistakes: &'a Mistakes,
}

/// The form in which a value was written, for places that take several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// A number with a fraction.
    Float,
    /// True or false.
    Boolean,
    /// A date, a time or both.
    Moment,
    /// A list.
    List,
    /// A table.
    Table,
}

impl Form {
    /// The form with its article.
    #[must_use]
    pub const fn with_article(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Integer => "an integer",
            Self::Float => "a number",
            Self::Boolean => "a boolean",
            Self::Moment => "a date",
            Self::List => "a list",
            Self::Table => "a table",
        }
    }
}

impl<'a> Field<'a> {
    pub(super) fn new(source: &'a SourceFile, entry: &'a Entry, mistakes: &'a Mistakes) -> Self {
        Self {
            source,
            key: &entry.key,
            key_range: (entry.key_range.start, entry.key_range.end),
            item: &entry.item,
            mistakes,
        }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &'a str {
        self.key
    }

    /// Where the key stands.
    #[must_use]
    pub fn key_place(&self) -> Place {
        Place::new(self.source, self.key_range.0..self.key_range.1)
    }

    /// Where the value stands, with its quotes.
    #[must_use]
    pub fn place(&self) -> Place {
        Place::new(self.source, self.item.range.clone())
    }

    /// Where mistakes are collected.
    #[must_use]
    pub fn mistakes(&self) -> &'a Mistakes {
        self.mistakes
    }

    /// In which form the value is written.
    #[must_use]
    pub fn form(&self) -> Form {
        match self.item.value {
            Value::Text(_) => Form::Text,
            Value::Integer(_) => Form::Integer,
            Value::Float(_) => Form::Float,
            Value::Boolean(_) => Form::Boolean,
            Value::Moment(_) => Form::Moment,
            Value::List(_) => Form::List,
            Value::Table(_) => Form::Table,
        }
    }

    /// Adds a mistake that concerns the value.
    pub fn mistake(&self, message: impl Into<String>) {
        self.mistakes.push(Diagnostic::at(self.place(), message));
    }

    /// Adds a mistake that concerns the key.
    pub fn key_mistake(&self, message: impl Into<String>) {
        self.mistakes
            .push(Diagnostic::at(self.key_place(), message));
    }

    /// Adds a mistake that concerns the value, with what to do next.
    pub fn mistake_with_help(&self, message: impl Into<String>, help: impl Into<String>) {
        self.mistakes
            .push(Diagnostic::at(self.place(), message).help(help));
    }

    /// Adds the mistake that the value has another form than `wanted`.
    pub fn expected(&self, wanted: &str) {
        self.mistake(format!(
            "expected {wanted}, found {}",
            self.form().with_article()
        ));
    }

    /// A text.
    pub fn text(&self) -> Option<&'a str> {
        self.text_as("a text")
    }

    /// A text that holds more than white space.
    pub fn filled_text(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.mistake(format!("`{}` is empty", self.key));
            return None;
        }
        Some(text)
    }

    /// A text with `{{ … }}` in it, its grammar checked.
    pub fn template(&self) -> Option<Template> {
        let template = Template {
            text: self.text()?.to_owned(),
            place: self.text_place(),
        };
        self.keep(check_template(&template), template)
    }

    /// A template that holds more than white space.
    pub fn filled_template(&self) -> Option<Template> {
        self.filled_text()?;
        self.template()
    }

    /// An expression, its grammar checked.
    pub fn expression(&self) -> Option<Expression> {
        let text = self.text_as("an expression in quotes")?;
        if text.trim().is_empty() {
            self.mistake("expected an expression, found an empty text");
            return None;
        }
        let expression = Expression {
            text: text.to_owned(),
            place: self.text_place(),
        };
        self.keep(check_expression(&expression), expression)
    }

    /// A whole number.
    pub fn integer(&self) -> Option<i64> {
        match self.item.value {
            Value::Integer(number) => Some(number),
            _ => {
                self.expected("an integer");
                None
            }
        }
    }

    /// A whole number within bounds.
    pub fn integer_in(&self, bounds: RangeInclusive<i64>) -> Option<i64> {
        let number = self.integer()?;
        if !bounds.contains(&number) {
            self.mistake(if *bounds.end() == i64::MAX {
                format!("expected at least {}, found {number}", bounds.start())
            } else {
                format!(
                    "expected {} to {}, found {number}",
                    bounds.start(),
                    bounds.end()
                )
            });
            return None;
        }
        Some(number)
    }

    /// A number, whole or not.
    pub fn float(&self) -> Option<f64> {
        match self.item.value {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a number is wanted, not all its digits"
            )]
            Value::Integer(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            _ => {
                self.expected("a number");
                None
            }
        }
    }

    /// True or false.
    pub fn boolean(&self) -> Option<bool> {
        match self.item.value {
            Value::Boolean(value) => Some(value),
            _ => {
                self.expected("true or false");
                None
            }
        }
    }

    /// A date, a time or both, as written.
    pub fn moment(&self) -> Option<&'a str> {
        match &self.item.value {
            Value::Moment(text) => Some(text),
            _ => {
                self.expected("a date");
                None
            }
        }
    }

    /// A length of time.
    pub fn duration(&self) -> Option<Span> {
        self.parsed(self.text_as("a duration like \"30s\"")?)
    }

    /// A length of time that is not nothing.
    pub fn positive_duration(&self) -> Option<Span> {
        let span = self.duration()?;
        if span.0.is_zero() {
            self.mistake("expected more than no time at all");
            return None;
        }
        Some(span)
    }

    /// An amount of bytes.
    pub fn size(&self) -> Option<Size> {
        self.parsed(self.text_as("a size like \"10MiB\"")?)
    }

    /// One of some words.
    pub fn choice<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let list = words.iter().map(|(word, _)| *word).collect::<Vec<_>>();
        let wanted = format!("one of {}", list.join(", "));
        let text = self.text_as(&wanted)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        self.not_among(text, &list);
        None
    }

    /// Adds the mistake that a text is none of the words that are possible.
    pub fn not_among(&self, text: &str, words: &[&str]) {
        let message = format!("expected one of {}, found {text:?}", words.join(", "));
        match nearest(text, words.iter().copied()) {
            Some(word) if text.len() > 2 => {
                self.mistake_with_help(message, format!("did you mean {word:?}?"));
            }
            Some(_) | None => self.mistake(message),
        }
    }

    /// A list; each item carries the key of the list.
    pub fn list(&self) -> Option<Vec<Field<'a>>> {
        match &self.item.value {
            Value::List(items) => Some(items.iter().map(|item| Self { item, ..*self }).collect()),
            _ => {
                self.expected("a list");
                None
            }
        }
    }

    /// A list of texts; a single text is no list.
    pub fn texts(&self) -> Option<Vec<String>> {
        if self.form() != Form::List {
            self.expected("a list of texts");
            return None;
        }
        let items = self.list()?;
        let texts: Vec<_> = items.iter().map(|item| item.filled_text()).collect();
        texts
            .into_iter()
            .map(|text| text.map(str::to_owned))
            .collect()
    }

    /// A table; `what` names it in messages.
    pub fn table(&self, what: impl Into<String>) -> Option<TableReader<'a>> {
        match &self.item.value {
            Value::Table(table) => Some(TableReader::new(
                self.source,
                table,
                what.into(),
                self.mistakes,
            )),
            _ => {
                self.expected("a table");
                None
            }
        }
    }

    /// A list of tables, as `[[key]]` writes them; `what` names each in messages.
    pub fn tables(&self, what: &str) -> Option<Vec<TableReader<'a>>> {
        if self.form() == Form::Table {
            self.mistakes.push(
                Diagnostic::at(self.key_place(), "expected a list of tables, found a table")
                    .help(format!("write [[{}]] instead of [{}]", self.key, self.key)),
            );
            return None;
        }
        let items = self.list()?;
        Some(items.iter().filter_map(|item| item.table(what)).collect())
    }

    /// Where the text stands: between its quotes if it stands there as it is, so that a place within the text is a
    /// place within the file; else with its quotes.
    fn text_place(&self) -> Place {
        let range = self.item.range.clone();
        let raw = self.source.slice(range.clone());
        let Value::Text(text) = &self.item.value else {
            return self.place();
        };
        let verbatim = raw.find(text.as_str()).filter(|offset| {
            let (opening, rest) = raw.split_at(*offset);
            !text.is_empty() && rest[text.len()..] == *opening.trim_end()
        });
        match verbatim {
            Some(offset) => {
                let start = range.start + offset;
                Place::new(self.source, start..start + text.len())
            }
            None => self.place(),
        }
    }

    fn keep<T>(&self, checked: Result<(), Diagnostic>, value: T) -> Option<T> {
        match checked {
            Ok(()) => Some(value),
            Err(mistake) => {
                self.mistakes.push(mistake);
                None
            }
        }
    }

    fn text_as(&self, wanted: &str) -> Option<&'a str> {
        match &self.item.value {
            Value::Text(text) => Some(text),
            _ => {
                self.expected(wanted);
                None
            }
        }
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&self, text: &str) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.mistake(error.to_string());
                None
            }
        }
    }
}
