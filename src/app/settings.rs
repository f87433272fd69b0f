//! What the caller decided: the values of the options, wherever they came from.

use std::path::PathBuf;
use std::str::FromStr;

use crate::base::{Span, Verdict, nearest};
use crate::report;
use crate::term::ColourChoice;

/// What holds for every command.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The configuration to use instead of the one that is found.
    pub config: Option<PathBuf>,
    /// The environment of the configuration to work in.
    pub environment: Option<String>,
    /// The journal to use instead of the user's own.
    pub store: Option<PathBuf>,
    /// How the result is printed.
    pub format: Format,
    /// The reports to write beside it.
    pub reports: Vec<ReportRequest>,
    /// When to colour.
    pub colour: ColourChoice,
    /// Whether nothing is told on the way, and a run that ended well prints no table.
    pub quiet: bool,
    /// How much is told on the way: 0 for nothing, 1 for each step as it ends, 2 for the log too, 3 and more for all of it.
    pub verbosity: u8,
    /// How that is written.
    pub log_format: LogFormat,
}

/// What holds for one run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Read for real, and show what would be changed.
    pub dry: bool,
    /// Refuse whatever could change anything.
    pub read_only: bool,
    /// Every confirmation is answered with yes.
    pub yes: bool,
    /// The names that were typed in advance, for what is destroyed in a protected environment.
    pub confirm: Vec<String>,
    /// Why it is run.
    pub reason: Option<String>,
    /// The incident that it is run for.
    pub incident: Option<String>,
    /// Run outside the runbook's window.
    pub outside_window: bool,
    /// The mildest verdict that does not end in 0.
    pub fail_on: Option<Verdict>,
    /// How long the whole run may take.
    pub timeout: Option<Span>,
    /// How long to wait for a lock that another run holds.
    pub wait: Option<Span>,
    /// How long from the start of a run to that of the next; none for one run alone.
    pub watch: Option<Span>,
}

/// Reads one of several words, and names the nearest where it is none of them.
fn word<T: Copy>(text: &str, what: &str, known: &[(&'static str, T)]) -> Result<T, String> {
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    Err(match nearest(text, names.iter().copied()) {
        Some(meant) => format!("{text:?} is no {what}; did you mean {meant}?"),
        None => format!("{text:?} is no {what}; use one of {}", names.join(", ")),
    })
}

/// How the result is printed: a format of the reports.
#[derive(Clone, Copy, Debug)]
pub struct Format(pub &'static report::Format);

impl Format {
    /// Whether it is meant for people.
    #[must_use]
    pub const fn is_for_people(self) -> bool {
        self.0.for_people
    }

    /// Whether it is one JSON value a line.
    #[must_use]
    pub const fn is_lines(self) -> bool {
        self.0.by_line
    }

    /// The names of all of them.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        report::FORMATS.iter().map(|format| format.name).collect()
    }

    /// The names of all of them in words: `table, json or jsonl`.
    #[must_use]
    pub fn in_words() -> String {
        let names = Self::names();
        match names.split_last() {
            Some((last, others)) if !others.is_empty() => {
                format!("{} or {last}", others.join(", "))
            }
            Some(_) | None => names.concat(),
        }
    }
}

impl Default for Format {
    fn default() -> Self {
        Self(&report::FORMATS[0])
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Format {}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known: Vec<(&str, Self)> = report::FORMATS
            .iter()
            .map(|format| (format.name, Self(format)))
            .collect();
        word(text, "format", &known)
    }
}

/// What the option `--color` takes.
pub const COLOUR_CHOICES: [(&str, ColourChoice); 3] = [
    ("auto", ColourChoice::Auto),
    ("always", ColourChoice::Always),
    ("never", ColourChoice::Never),
];

/// Reads the option `--color`.
///
/// # Errors
/// When the text is no choice.
pub fn colour_choice(text: &str) -> Result<ColourChoice, String> {
    word(text, "choice of colour", &COLOUR_CHOICES)
}

/// How what `-v` tells is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for a person.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Every format with its word.
    pub const ALL: [(&'static str, Self); 2] = [("text", Self::Text), ("json", Self::Json)];
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        word(text, "format of a log", &Self::ALL)
    }
}

/// A report to write to a file: `json=run.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRequest {
    /// Its format.
    pub format: Format,
    /// The file.
    pub path: PathBuf,
}

impl FromStr for ReportRequest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((format, path)) if !path.is_empty() => Ok(Self {
                format: format.parse()?,
                path: PathBuf::from(path),
            }),
            Some(_) | None => Err(format!(
                "{text:?} is no report; write it as FORMAT=PATH, such as json=run.json"
            )),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::path::PathBuf;

    use super::{Format, ReportRequest};

    #[test]
    fn the_words_of_the_help_name_every_format() {
        let words = Format::in_words();
        for format in crate::report::FORMATS {
            assert!(words.contains(format.name), "{words}");
        }
        assert_eq!(words.matches(" or ").count(), 1, "{words}");
    }

    #[test]
    fn a_report_names_its_format_and_file() {
        let json: Format = "json".parse().unwrap();
        let expected = ReportRequest {
            format: json,
            path: PathBuf::from("a=b.json"),
        };
        assert_eq!("json=a=b.json".parse(), Ok(expected));
        for wrong in ["json", "json=", "=x", "jsn=x"] {
            assert!(wrong.parse::<ReportRequest>().is_err(), "{wrong}");
        }
        assert!(
            "jsn=x"
                .parse::<ReportRequest>()
                .is_err_and(|error| error.contains("did you mean json?"))
        );
    }
}
