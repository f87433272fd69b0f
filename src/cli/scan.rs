//! The first look at a command line: which command it names and where the configuration lies, so that only what is
//! named is read and parsed. What is wrong with it is for the second look, clap's, to say.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Arg;

use crate::app::{Environment, Settings};

use super::options;

/// What the first look finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// The words before the first option that is not one of ours: a command and perhaps its arguments.
    pub(super) words: Vec<String>,
    /// The value of `--config`.
    pub(super) config: Option<PathBuf>,
    /// The value of `--env`.
    pub(super) environment: Option<String>,
    /// The value of `--store`.
    pub(super) store: Option<PathBuf>,
}

impl Scan {
    /// The settings that decide what there is to complete, of a line that is still being typed: flag before environment.
    pub(super) fn settings(&self, environment: &Environment) -> Settings {
        let twin = |option| {
            let variable = environment.variable(&options::twin(option));
            variable.map(str::to_owned)
        };
        Settings {
            environment: self.environment.clone().or_else(|| twin("env")),
            store: self
                .store
                .clone()
                .or_else(|| twin("store").map(PathBuf::from)),
            ..Settings::default()
        }
    }
}

/// Looks at a command line without the program's own name.
pub(super) fn scan(arguments: &[OsString]) -> Scan {
    let known: Vec<Arg> = options::global()
        .into_iter()
        .chain(options::run())
        .collect();
    let mut found = Scan::default();
    let mut in_words = true;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(text) = argument.to_str() else {
            in_words = false;
            continue;
        };
        if text == "--" {
            break;
        }
        if !text.starts_with('-') || text == "-" {
            if in_words {
                found.words.push(text.to_owned());
            }
            continue;
        }
        let (name, attached) = match text.split_once('=') {
            Some((name, value)) => (name, Some(OsString::from(value))),
            None => (text, None),
        };
        let Some(option) = known.iter().find(|option| is_named(option, name)) else {
            in_words = in_words && is_switches(text, &known);
            continue;
        };
        let takes_value = option.get_action().takes_values();
        let value = match attached {
            Some(value) => Some(value),
            None if takes_value => rest.next().cloned(),
            None => None,
        };
        match option.get_id().as_str() {
            "config" => found.config = value.map(PathBuf::from),
            "store" => found.store = value.map(PathBuf::from),
            "env" => found.environment = value.and_then(|value| value.into_string().ok()),
            _ => {}
        }
    }
    found
}

fn is_named(option: &Arg, name: &str) -> bool {
    match name.strip_prefix("--") {
        Some(long) => option.get_long() == Some(long),
        None => option
            .get_short()
            .is_some_and(|short| name.strip_prefix('-') == Some(short.to_string().as_str())),
    }
}

/// Whether this is our switches in one: `-qv`, `-vv`.
fn is_switches(text: &str, known: &[Arg]) -> bool {
    !text.starts_with("--")
        && text.chars().skip(1).all(|letter| {
            known.iter().any(|option| {
                option.get_short() == Some(letter) && !option.get_action().takes_values()
            })
        })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::PathBuf;

    use super::{Scan, scan};

    fn look(line: &str) -> Scan {
        scan(
            &line
                .split_whitespace()
                .map(OsString::from)
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn finds_the_command_between_options_of_ours() {
        let scan =
            look("-vv --config=a.toml db --env staging vacuum --table users more --config b.toml");
        assert_eq!(scan.words, ["db", "vacuum"]);
        assert_eq!(scan.config, Some(PathBuf::from("b.toml")));
        assert_eq!(scan.environment.as_deref(), Some("staging"));
    }

    #[test]
    fn stops_at_the_first_foreign_option_and_at_two_dashes() {
        assert_eq!(look("health --target deep").words, ["health"]);
        assert_eq!(look("run --yes x.toml --config").words, ["run", "x.toml"]);
        assert_eq!(look("db vacuum -- --config x").words, ["db", "vacuum"]);
        assert_eq!(look("db vacuum -- --config x").config, None);
        assert_eq!(look("-qx db").words, Vec::<String>::new());
        assert_eq!(look(""), Scan::default());
    }
}
