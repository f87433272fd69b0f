//! The forms that rows are exported in: comma-separated values, one list of JSON objects, one JSON object a line.

use std::io::{self, Write};

use serde::ser::{SerializeMap as _, Serializer};
use serde_json::Value;

use crate::base::{csv, json_text};

/// The words of the forms; `auto` is the one that the name of the file tells.
pub(super) const FORMS: &[&str] = &["auto", "csv", "json", "jsonl"];

/// A form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Csv,
    Json,
    JsonLines,
}

impl Form {
    /// The form of this word, which may be the end of a file's name.
    pub(super) fn parse(word: &str) -> Option<Self> {
        match word {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "jsonl" => Some(Self::JsonLines),
            _ => None,
        }
    }
}

/// Writes rows one by one.
pub(super) struct Writer {
    form: Form,
    columns: Vec<String>,
    rows: u64,
}

impl Writer {
    pub(super) const fn new(form: Form) -> Self {
        Self {
            form,
            columns: Vec::new(),
            rows: 0,
        }
    }

    pub(super) fn begin(&mut self, out: &mut dyn Write, columns: &[String]) -> io::Result<()> {
        self.columns = columns.to_vec();
        match self.form {
            Form::Csv => csv::write_names(out, columns),
            Form::Json => out.write_all(b"["),
            Form::JsonLines => Ok(()),
        }
    }

    pub(super) fn row(&mut self, out: &mut dyn Write, values: &[Value]) -> io::Result<()> {
        self.rows += 1;
        match self.form {
            Form::Csv => csv::write_values(out, values),
            Form::JsonLines => json_text::write_line(out, &Row(&self.columns, values)),
            Form::Json => {
                out.write_all(if self.rows == 1 { b"\n" } else { b",\n" })?;
                json_text::write(out, &Row(&self.columns, values))
            }
        }
    }

    pub(super) fn end(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.form {
            Form::Json => out.write_all(b"\n]\n"),
            Form::Csv | Form::JsonLines => Ok(()),
        }
    }
}

/// A row as an object with its keys in the order of the columns.
struct Row<'a>(&'a [String], &'a [Value]);

impl serde::Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0.iter().zip(self.1) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
