//! Reads a table key by key and, at the end, names the keys that nobody asked for.

use std::cell::{Cell, RefCell};

use crate::base::{Diagnostic, Place, SourceFile, nearest};

use super::document::{Entry, Table};
use super::field::Field;
use super::mistakes::Mistakes;

/// With more keys than this, a message about an unknown one does not list them.
const MOST_KEYS_LISTED: usize = 24;

/// Reads one table. Ends with [`TableReader::finish`], which reports the keys that were never asked for.
#[derive(Debug)]
pub struct TableReader<'a> {
    source: &'a SourceFile,
    table: &'a Table,
    what: String,
    mistakes: &'a Mistakes,
    known: RefCell<Vec<Known>>,
    all_known: Cell<bool>,
    // What was told of required keys that are not there.
    missing: RefCell<Vec<(String, Diagnostic)>>,
}

/// A key that somebody asked for.
#[derive(Debug)]
struct Known {
    key: String,
    offered: bool,
}

impl<'a> TableReader<'a> {
    pub(super) fn new(
        source: &'a SourceFile,
        table: &'a Table,
        what: String,
        mistakes: &'a Mistakes,
    ) -> Self {
        Self {
            source,
            table,
            what,
            mistakes,
            known: RefCell::default(),
            all_known: Cell::default(),
            missing: RefCell::default(),
        }
    }

    /// The value of a key, if given.
    pub fn optional(&self, key: &str) -> Option<Field<'a>> {
        self.know(key);
        let entry = self.table.entries.iter().find(|entry| entry.key == key)?;
        Some(self.field(entry))
    }

    /// The value of a key; that it is missing is a mistake.
    pub fn required(&self, key: &str) -> Option<Field<'a>> {
        let field = self.optional(key);
        if field.is_none() {
            let diagnostic = Diagnostic::at(self.place(), format!("{} has no `{key}`", self.what));
            self.mistakes.push(diagnostic.clone());
            self.missing.borrow_mut().push((key.to_owned(), diagnostic));
        }
        field
    }

    /// Whether a key is given. Does not count as asking for it.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.table.entries.iter().any(|entry| entry.key == key)
    }

    /// Every key with its value in the order of the file, for tables whose keys are names. All count as asked for.
    #[must_use]
    pub fn entries(&self) -> Vec<Field<'a>> {
        self.all_known.set(true);
        self.all()
    }

    /// The keys that nobody has asked for yet.
    #[must_use]
    pub fn remaining(&self) -> Vec<Field<'a>> {
        if self.all_known.get() {
            return Vec::new();
        }
        let known = self.known.borrow();
        let mut fields = self.all();
        fields.retain(|field| !known.iter().any(|known| known.key == field.key()));
        fields
    }

    /// Counts a key as asked for, so that it is not reported and is offered where another was mistyped.
    pub fn know(&self, key: &str) {
        self.add_known(key, true);
    }

    /// Counts a key as asked for without offering it.
    pub(super) fn know_silently(&self, key: &str) {
        self.add_known(key, false);
    }

    fn add_known(&self, key: &str, offered: bool) {
        let mut known = self.known.borrow_mut();
        if !known.iter().any(|known| known.key == key) {
            known.push(Known {
                key: key.to_owned(),
                offered,
            });
        }
    }

    /// The key that a mistyped one most likely means.
    pub(super) fn suggestion(&self, key: &str) -> Option<String> {
        let known = self.known.borrow();
        let offered = known.iter().filter(|known| known.offered);
        nearest(key, offered.map(|known| known.key.as_str())).map(str::to_owned)
    }

    /// What the table is, in messages: `step "count"`.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Says better what the table is, once its name is known.
    #[must_use]
    pub fn named(mut self, what: impl Into<String>) -> Self {
        self.what = what.into();
        self
    }

    /// Where the table begins: its header, or the whole of it where it stands in one line.
    #[must_use]
    pub fn place(&self) -> Place {
        Place::new(self.source, self.table.range.clone())
    }

    /// Where mistakes are collected.
    #[must_use]
    pub fn mistakes(&self) -> &'a Mistakes {
        self.mistakes
    }

    /// Adds a mistake that concerns the whole table.
    pub fn mistake(&self, message: impl Into<String>) {
        self.mistakes.push(Diagnostic::at(self.place(), message));
    }

    /// Reports the keys that nobody asked for, each with the word that was probably meant.
    pub fn finish(self) {
        for field in self.remaining() {
            self.mistakes.push_with(|| {
                self.withdraw_missing(&field);
                self.unknown(&field)
            });
        }
    }

    /// A required key that is there under a mistyped name is one mistake, told where it was mistyped.
    fn withdraw_missing(&self, field: &Field<'a>) {
        let missing = self.missing.borrow();
        if missing.is_empty() {
            return;
        }
        let meant = self.suggestion(field.key());
        let told = missing.iter().find(|(key, _)| Some(key) == meant.as_ref());
        if let Some((_, diagnostic)) = told {
            self.mistakes.withdraw(diagnostic);
        }
    }

    /// Tells of one key that nobody asked for.
    fn unknown(&self, field: &Field<'a>) -> Diagnostic {
        let diagnostic = Diagnostic::at(field.key_place(), format!("unknown key in {}", self.what));
        if let Some(word) = self.suggestion(field.key()) {
            return diagnostic.help(format!("did you mean `{word}`?"));
        }
        let known = self.known.borrow();
        let mut offered = known.iter().filter(|known| known.offered).peekable();
        if offered.peek().is_none() || known.len() > MOST_KEYS_LISTED {
            return diagnostic;
        }
        let keys: Vec<_> = offered.map(|known| known.key.as_str()).collect();
        diagnostic.help(format!("known keys: {}", keys.join(", ")))
    }

    /// Every key with its value in the order of the file. None counts as asked for.
    pub(super) fn all(&self) -> Vec<Field<'a>> {
        let entries = self.table.entries.iter();
        entries.map(|entry| self.field(entry)).collect()
    }

    fn field(&self, entry: &'a Entry) -> Field<'a> {
        Field::new(self.source, entry, self.mistakes)
    }
}
