//! The terminal as the rest of the program sees it.

use std::io::{self, StdoutLock};

use super::canvas::Canvas;
use super::data::StandardData;
use super::facts::{ColourChoice, Facts, Variables, colour, width};
use super::live::Live;
use super::output::Output;
use super::prompt::TerminalPrompt;
use super::screen::Screen;

/// How much is said on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loudness {
    /// Errors only: `-q`.
    Quiet,
    /// What a person needs.
    #[default]
    Usual,
    /// A line for each step as it ends: `-v`.
    Verbose,
}

/// What the command line and the environment ask of the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The option `--color`.
    pub colour: ColourChoice,
    /// How much is said.
    pub loudness: Loudness,
    /// What the environment says.
    pub variables: Variables,
}

/// Standard input, output and error: data goes to output, all else to error.
#[derive(Clone, Debug)]
pub struct Terminal {
    facts: Facts,
    settings: Settings,
    screen: Screen,
}

impl Terminal {
    /// The terminal behind the streams, as it was asked to behave.
    #[must_use]
    pub fn new(facts: Facts, settings: Settings) -> Self {
        let watched = facts.stderr.terminal && !settings.variables.ci && !settings.variables.dumb;
        Self {
            facts,
            settings,
            screen: Screen::new(watched && settings.loudness > Loudness::Quiet),
        }
    }

    /// Whether data is shown in colour.
    #[must_use]
    pub const fn colour(&self) -> bool {
        colour(
            self.settings.colour,
            self.facts.stdout,
            self.settings.variables,
        )
    }

    /// How many cells a line of data may take.
    #[must_use]
    pub fn width(&self) -> usize {
        width(self.facts.stdout, self.settings.variables)
    }

    /// Whether messages are shown in colour.
    #[must_use]
    pub const fn error_colour(&self) -> bool {
        colour(
            self.settings.colour,
            self.facts.stderr,
            self.settings.variables,
        )
    }

    /// How many cells a line of messages may take.
    #[must_use]
    pub fn error_width(&self) -> usize {
        width(self.facts.stderr, self.settings.variables)
    }

    /// Standard output, for data. Flush it: what is left in it is written when it is dropped, but its errors are lost.
    #[must_use]
    pub fn output(&self) -> Output<StdoutLock<'static>> {
        Output::new(io::stdout().lock())
    }

    /// Standard output for data that a step writes row by row.
    #[must_use]
    pub fn data(&self) -> StandardData {
        let watched = self.facts.stdout.terminal;
        StandardData::new(watched.then(|| self.screen.clone()))
    }

    /// Says something that is no data; not heard with `-q`.
    pub fn note(&self, text: &str) {
        if self.settings.loudness > Loudness::Quiet {
            self.screen.print(&format!("{text}\n"));
        }
    }

    /// Says what went wrong, in lines that [`super::message`] or [`super::diagnostics`] made.
    pub fn error(&self, lines: &str) {
        self.screen.print(lines);
    }

    /// Shows a run while it runs.
    #[must_use]
    pub fn live(&self) -> Live {
        let verbose = self.settings.loudness == Loudness::Verbose;
        Live::new(
            self.screen.clone(),
            verbose,
            self.error_width(),
            self.error_colour(),
        )
    }

    /// Lines on standard output that are drawn again in place; none where nobody would see that.
    #[must_use]
    pub fn canvas(&self) -> Option<Canvas> {
        let Variables { ci, dumb, .. } = self.settings.variables;
        let watched = self.facts.stdout.terminal && !ci && !dumb;
        let held = || self.facts.stderr.terminal.then(|| self.screen.clone());
        watched.then(|| Canvas::new(held()))
    }

    /// Whether more characters are shown than those of ASCII.
    #[must_use]
    pub const fn unicode(&self) -> bool {
        self.settings.variables.unicode
    }

    /// Says at once that there is nobody, whoever there is.
    #[must_use]
    pub fn prompt_of_nobody(&self) -> TerminalPrompt {
        TerminalPrompt::new(self.screen.clone(), false)
    }

    /// Asks a person, or says at once that there is nobody.
    #[must_use]
    pub fn prompt(&self) -> TerminalPrompt {
        let somebody =
            self.facts.stdin && self.facts.stderr.terminal && !self.settings.variables.ci;
        TerminalPrompt::new(self.screen.clone(), somebody)
    }
}
