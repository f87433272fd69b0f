//! What commands print: texts, JSON, lists, runs. Decides format and colour; `term` does the printing.

use std::io::{self, Write as _};

use serde_json::Value;

use crate::base::text::{neutral, one_line};
use crate::base::{Masker, Secret, without_literals};
use crate::event::{Envelope, StepTable};
use crate::report::{self, Style};
use crate::term::{self, Terminal};

use super::{App, AppError, Environment, github};

/// The shortest value of a variable that is taken for a secret by the variable's name.
const SHORTEST_SUSPECT: usize = 8;

/// The width of what no terminal shows.
const UNBOUNDED: usize = 100_000;

/// A list that a command prints: a table for people, JSON for machines.
#[derive(Clone, Debug)]
pub struct Listing {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    items: Vec<Value>,
    none: &'static str,
}

impl Listing {
    /// An empty list. `none` is what a person reads when it stays so.
    #[must_use]
    pub fn new(columns: &[&str], none: &'static str) -> Self {
        Self {
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            rows: Vec::new(),
            items: Vec::new(),
            none,
        }
    }

    /// Adds a line: its cells for people, its item for machines.
    pub fn push(&mut self, cells: Vec<String>, item: Value) {
        self.rows
            .push(cells.iter().map(|cell| one_line(cell)).collect());
        self.items.push(item);
    }

    /// The table for people. A column that nothing stands in takes no room.
    fn table(&self) -> StepTable {
        let told = |column: &usize| self.rows.iter().any(|row| !row[*column].is_empty());
        let columns: Vec<usize> = (0..self.columns.len()).filter(told).collect();
        let cells = |row: &Vec<String>| {
            columns
                .iter()
                .map(|column| Value::from(row[*column].as_str()))
                .collect()
        };
        StepTable {
            columns: columns
                .iter()
                .map(|column| self.columns[*column].clone())
                .collect(),
            rows: self.rows.iter().map(cells).collect(),
            ..StepTable::default()
        }
    }

    /// Whether it has no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Tells why opsbook could not do what it was asked, and what to do next.
pub fn tell_error(error: &AppError, environment: &Environment) {
    let settings = term::Settings {
        variables: environment.terminal_variables(),
        ..term::Settings::default()
    };
    let terminal = Terminal::new(environment.facts, settings);
    let told = term::message(error, terminal.error_colour());
    terminal.error(&without_secrets(&told, environment));
    let plain = without_secrets(&term::message(error, false), environment);
    if let Some(annotation) = github::refusal(&plain, environment) {
        terminal.error(&annotation);
    }
}

/// A message on its way out. What went wrong may have done so before any secret was known: then what looks like one, by its
/// place or by the name of the variable that holds it, is taken out too.
fn without_secrets(message: &str, environment: &Environment) -> String {
    let suspects: Vec<Secret> = environment
        .texts()
        .into_iter()
        .filter(|(name, value)| value.len() >= SHORTEST_SUSPECT && names_a_secret(name))
        .map(|(_, value)| Secret::new(value))
        .collect();
    let message = Masker::new(&suspects).text(&environment.masker.text(message));
    let lines = message.split_inclusive('\n');
    lines.map(|line| without_literals(line, false)).collect()
}

/// Whether a variable of this name is likely to hold a secret.
fn names_a_secret(name: &str) -> bool {
    [
        "TOKEN",
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "API_KEY",
        "APIKEY",
        "PRIVATE_KEY",
        "CREDENTIAL",
    ]
    .iter()
    .any(|word| name.to_ascii_uppercase().contains(word))
}

impl App {
    /// Prints bytes as they are: a script for a shell, a manual page.
    ///
    /// # Errors
    /// When standard output cannot be written. That nobody reads it is no error.
    pub fn print(&self, bytes: &[u8]) -> Result<(), AppError> {
        let mut output = self.terminal().output();
        output
            .write_all(bytes)
            .and_then(|()| output.flush())
            .map_err(|error| unprintable(&error))
    }

    /// Prints a text as it is.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn print_text(&self, text: &str) -> Result<(), AppError> {
        self.print(text.as_bytes())
    }

    /// Prints the help or the complaint of the command line: data if it was asked for.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn print_help(&self, plain: &str, coloured: &str) -> Result<(), AppError> {
        self.print_text(if self.terminal().colour() {
            coloured
        } else {
            plain
        })
    }

    /// Tells what is wrong with a command line, or what there is where nothing was named.
    pub fn tell_help(&self, plain: &str, coloured: &str) {
        self.terminal().error(if self.terminal().error_colour() {
            coloured
        } else {
            plain
        });
    }

    /// Prints one JSON value: laid out for reading, or in one line where lines were asked for.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn print_json(&self, value: &Value) -> Result<(), AppError> {
        self.refuse_format_of_runs()?;
        self.print_text(&match self.settings().format.is_lines() {
            true => format!("{}\n", report::json_line(value)),
            false => format!("{}\n", report::json_pretty(value)),
        })
    }

    /// Prints a list as the format says.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn print_listing(&self, listing: &Listing) -> Result<(), AppError> {
        self.refuse_format_of_runs()?;
        let format = self.settings().format;
        if format.is_lines() {
            let lines: String = listing
                .items
                .iter()
                .map(|item| format!("{}\n", report::json_line(item)))
                .collect();
            return self.print_text(&lines);
        }
        if !format.is_for_people() {
            return self.print_json(&Value::Array(listing.items.clone()));
        }
        if listing.is_empty() {
            self.tell(listing.none);
            return Ok(());
        }
        self.print_text(&report::rows_of(&listing.table(), self.list_style()))
    }

    /// What is no run cannot be printed as one.
    fn refuse_format_of_runs(&self) -> Result<(), AppError> {
        let format = self.settings().format.0;
        if !format.runs_only {
            return Ok(());
        }
        Err(AppError::usage(format!(
            "--format {} is for runs, and this is none",
            format.name
        ))
        .hint("use table, json or jsonl"))
    }

    /// Tells a person something beside the result, unless they want to be left alone.
    pub fn tell(&self, text: &str) {
        self.terminal().note(text);
    }

    /// Prints a run from its events.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn print_run(&self, events: &[Envelope]) -> Result<(), AppError> {
        let format = self.settings().format.0;
        let mut report = (format.make)(self.style());
        let mut output = self.terminal().output();
        let written = if format.rows_only && self.environment().facts.stdout.terminal {
            let mut rows = Vec::new();
            report::write(report.as_mut(), events, &mut rows)
                .and_then(|()| output.write_all(harmless(&rows).as_bytes()))
        } else {
            report::write(report.as_mut(), events, &mut output)
        };
        written
            .and_then(|()| output.flush())
            .map_err(|error| unprintable(&error))
    }

    /// How reports for people may look on standard output.
    pub(super) fn style(&self) -> Style {
        Style {
            colour: self.terminal().colour(),
            width: self.terminal().width(),
            whole: self.settings().verbosity > 0,
        }
    }

    /// How reports for people may look on standard error.
    pub(super) fn error_style(&self) -> Style {
        Style {
            colour: self.terminal().error_colour(),
            width: self.terminal().error_width(),
            ..self.style()
        }
    }

    /// The same for a list: where nobody looks at it, nothing is cut.
    fn list_style(&self) -> Style {
        match self.environment().facts.stdout.terminal {
            true => self.style(),
            false => Style {
                width: UNBOUNDED,
                ..self.style()
            },
        }
    }
}

/// Rows as they are, for a terminal, which would obey some of them.
pub(super) fn harmless(rows: &[u8]) -> String {
    neutral(&String::from_utf8_lossy(rows).replace("\r\n", "\n"))
}

/// Why there is no result to be seen.
pub(super) fn unprintable(error: &io::Error) -> AppError {
    AppError::unknown(format!("standard output cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::Listing;

    #[test]
    fn a_column_that_nothing_stands_in_takes_no_room() {
        let mut listing = Listing::new(&["step", "effect", "when"], "");
        for (step, effect) in [("a", "read"), ("b", "")] {
            listing.push(vec![step.into(), effect.into(), String::new()], Value::Null);
        }
        let table = listing.table();
        assert_eq!(table.columns, ["step", "effect"]);
        assert_eq!(table.rows[1], ["b", ""]);
    }
}
