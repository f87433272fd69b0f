//! Events become what people and machines read: one file a format, one line a format in the registry.
//! A report writes to what it is handed and asks no terminal anything.

mod check_metrics;
mod csv;
mod fold;
mod json;
mod jsonl;
#[cfg(test)]
mod judges;
mod junit;
mod markdown;
mod measures;
mod monitoring;
mod notes;
mod performance;
mod points;
mod prometheus;
mod said;
mod table;
mod tap;
#[cfg(test)]
mod testing;
mod watch;
mod wording;

use std::io;

use crate::base::json_text;
use crate::event::Envelope;

pub use crate::base::json_text::{line as json_line, pretty as json_pretty};

pub(crate) use points::{Point, points};
pub use table::{glance_at, rows_of, wrapped};
pub use watch::{Screen, Watched};

/// The JSON Schema of what the format `json` writes.
pub const RUN_SCHEMA: &str = include_str!("../../schemas/run.schema.json");

/// The JSON Schema of a line of the format `jsonl`.
pub const EVENT_SCHEMA: &str = include_str!("../../schemas/event.schema.json");

/// Writes one run in some format. Fed from the journal, it writes what it wrote while the run was live.
pub trait Report {
    /// Takes in the next event of the run.
    ///
    /// # Errors
    /// When `out` cannot be written.
    fn event(&mut self, envelope: &Envelope, out: &mut dyn io::Write) -> io::Result<()>;

    /// Looks at the file that this report will take the place of: a format may keep what a run cannot know.
    ///
    /// # Errors
    /// When the old file cannot be read.
    fn replaces(&mut self, _old: &mut dyn io::Read) -> io::Result<()> {
        Ok(())
    }

    /// Writes what is left when no event will follow, whether the run ended or was cut off.
    ///
    /// # Errors
    /// When `out` cannot be written.
    fn finish(&mut self, out: &mut dyn io::Write) -> io::Result<()>;
}

/// How a report for people may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether to repeat in colour what the words say.
    pub colour: bool,
    /// How many terminal cells a line may take.
    pub width: usize,
    /// Whether every line is shown, however many of them are well.
    pub whole: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            colour: false,
            width: 80,
            whole: false,
        }
    }
}

/// A format that runs can be reported in.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is for, in one line.
    pub help: &'static str,
    /// Whether it is meant for people: it follows the terminal's width and colour.
    pub for_people: bool,
    /// Whether it is one JSON value a line, in which lists are printed too.
    pub by_line: bool,
    /// Whether it is a format for runs alone, in which no list can be printed.
    pub runs_only: bool,
    /// Whether it holds rows alone, so that how the run ended must be told beside it.
    pub rows_only: bool,
    /// Makes a report of one run.
    pub make: fn(Style) -> Box<dyn Report>,
}

/// The registry: the first is what people get unless they ask for another.
pub const FORMATS: &[Format] = &[
    table::FORMAT,
    json::FORMAT,
    jsonl::FORMAT,
    csv::FORMAT,
    junit::FORMAT,
    tap::FORMAT,
    markdown::FORMAT,
    monitoring::FORMAT,
    prometheus::FORMAT,
];

/// The format of this name.
#[must_use]
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// Writes a whole run.
///
/// # Errors
/// When `out` cannot be written.
pub fn write<'a>(
    report: &mut dyn Report,
    events: impl IntoIterator<Item = &'a Envelope>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    for envelope in events {
        report.event(envelope, out)?;
    }
    report.finish(out)
}

#[cfg(test)]
mod tests;
