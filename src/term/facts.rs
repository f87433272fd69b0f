//! What the terminal is, and what follows for colour and width. Variables are handed in, never read here.

use std::io::IsTerminal as _;

use dialoguer::console::Term;

/// The width where nothing tells one: a pipe, a file, a log.
const USUAL_WIDTH: usize = 80;

/// Narrower than this nothing can be read, so it is taken for a mistake of the terminal.
const NARROWEST: usize = 20;

/// What is behind standard input, output and error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether standard input is a terminal.
    pub stdin: bool,
    /// Standard output.
    pub stdout: Stream,
    /// Standard error.
    pub stderr: Stream,
}

/// What is behind a stream that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// Whether it is a terminal.
    pub terminal: bool,
    /// How many cells the terminal has in a line, where it says so.
    pub columns: Option<usize>,
}

/// Asks the system what is behind the three streams.
#[must_use]
pub fn facts() -> Facts {
    let stream = |terminal: bool, term: &dyn Fn() -> Term| Stream {
        terminal,
        columns: terminal
            .then(|| term().size_checked())
            .flatten()
            .map(|(_, columns)| usize::from(columns)),
    };
    Facts {
        stdin: std::io::stdin().is_terminal(),
        stdout: stream(std::io::stdout().is_terminal(), &Term::stdout),
        stderr: stream(std::io::stderr().is_terminal(), &Term::stderr),
    }
}

/// When to use colour: the option `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColourChoice {
    /// Where it helps.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// What the environment says about terminals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// `NO_COLOR` is set and not empty, or `CLICOLOR` or `FORCE_COLOR` is `0`.
    pub no_colour: bool,
    /// `FORCE_COLOR` or `CLICOLOR_FORCE` is set, not empty and not `0`.
    pub force_colour: bool,
    /// `TERM` is `dumb`.
    pub dumb: bool,
    /// `CI` is set: nobody answers questions, and nobody watches lines move.
    pub ci: bool,
    /// The characters of the locale (`LC_ALL`, else `LC_CTYPE`, else `LANG`) are those of Unicode.
    pub unicode: bool,
    /// `COLUMNS`, where it is a number.
    pub columns: Option<usize>,
}

impl Variables {
    /// Takes what matters from the environment that is handed in.
    #[must_use]
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let is = |name: &str, value: &str| given(name).as_deref() == Some(value);
        let on = |name: &str| given(name).is_some_and(|value| value != "0");
        Self {
            no_colour: given("NO_COLOR").is_some() || is("CLICOLOR", "0") || is("FORCE_COLOR", "0"),
            force_colour: on("FORCE_COLOR") || on("CLICOLOR_FORCE"),
            dumb: is("TERM", "dumb"),
            ci: on("CI") && !is("CI", "false"),
            unicode: ["LC_ALL", "LC_CTYPE", "LANG"]
                .into_iter()
                .find_map(given)
                .is_some_and(|locale| {
                    let locale = locale.to_ascii_lowercase();
                    locale.contains("utf-8") || locale.contains("utf8")
                }),
            columns: given("COLUMNS").and_then(|value| value.parse().ok()),
        }
    }
}

/// Whether to use colour on a stream. The option wins, then the wish for none, then the wish for it.
#[must_use]
pub const fn colour(choice: ColourChoice, stream: Stream, variables: Variables) -> bool {
    match choice {
        ColourChoice::Always => true,
        ColourChoice::Never => false,
        ColourChoice::Auto if variables.no_colour => false,
        ColourChoice::Auto if variables.force_colour => true,
        ColourChoice::Auto => stream.terminal && !variables.dumb,
    }
}

/// How many cells a line may take on a stream.
#[must_use]
pub fn width(stream: Stream, variables: Variables) -> usize {
    variables
        .columns
        .or(stream.columns)
        .filter(|columns| *columns >= NARROWEST)
        .unwrap_or(USUAL_WIDTH)
}

#[cfg(test)]
mod tests {
    use super::{ColourChoice, Stream, Variables, colour, width};

    const SCREEN: Stream = Stream {
        terminal: true,
        columns: Some(132),
    };
    const PIPE: Stream = Stream {
        terminal: false,
        columns: None,
    };

    fn variables(given: &[(&str, &str)]) -> Variables {
        Variables::of(|name| {
            let found = given.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    type Case = (
        ColourChoice,
        &'static [(&'static str, &'static str)],
        Stream,
        bool,
    );

    #[test]
    fn colour_follows_the_option_then_the_variables_then_the_terminal() {
        use ColourChoice::{Always, Auto, Never};
        let cases: &[Case] = &[
            (Auto, &[], SCREEN, true),
            (Auto, &[], PIPE, false),
            (Auto, &[("NO_COLOR", "1")], SCREEN, false),
            (Auto, &[("NO_COLOR", "0")], SCREEN, false),
            (Auto, &[("NO_COLOR", "")], SCREEN, true),
            (Auto, &[("CLICOLOR", "0")], SCREEN, false),
            (Auto, &[("FORCE_COLOR", "1")], PIPE, true),
            (Auto, &[("FORCE_COLOR", "0")], SCREEN, false),
            (Auto, &[("FORCE_COLOR", "")], PIPE, false),
            (Auto, &[("CLICOLOR_FORCE", "1")], PIPE, true),
            (Auto, &[("CLICOLOR_FORCE", "0")], PIPE, false),
            (
                Auto,
                &[("NO_COLOR", "1"), ("FORCE_COLOR", "1")],
                PIPE,
                false,
            ),
            (Auto, &[("TERM", "dumb")], SCREEN, false),
            (Auto, &[("TERM", "xterm-256color")], SCREEN, true),
            (
                Auto,
                &[("TERM", "dumb"), ("FORCE_COLOR", "1")],
                SCREEN,
                true,
            ),
            (Always, &[("NO_COLOR", "1"), ("TERM", "dumb")], PIPE, true),
            (Never, &[("FORCE_COLOR", "1")], SCREEN, false),
        ];
        for (choice, given, stream, expected) in cases {
            assert_eq!(
                colour(*choice, *stream, variables(given)),
                *expected,
                "{choice:?} {given:?} {stream:?}"
            );
        }
    }

    #[test]
    fn width_is_what_is_asked_for_then_the_terminals_then_eighty() {
        assert_eq!(width(SCREEN, variables(&[])), 132);
        assert_eq!(width(SCREEN, variables(&[("COLUMNS", "100")])), 100);
        assert_eq!(width(PIPE, variables(&[("COLUMNS", "100")])), 100);
        assert_eq!(width(PIPE, variables(&[("COLUMNS", "wide")])), 80);
        assert_eq!(width(PIPE, variables(&[("COLUMNS", "0")])), 80);
        assert_eq!(width(PIPE, variables(&[])), 80);
    }

    #[test]
    fn ci_is_what_says_so() {
        assert!(variables(&[("CI", "true")]).ci);
        assert!(variables(&[("CI", "1")]).ci);
        for value in ["", "0", "false"] {
            assert!(!variables(&[("CI", value)]).ci, "{value:?}");
        }
    }
}
