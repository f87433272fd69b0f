//! The few tones in which things are shown. A tone only repeats what the words say already.

use anstyle::{AnsiColor, Style};

use super::{Status, Verdict};

/// How a piece of text is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Degraded.
    Warning,
    /// Broken.
    Bad,
    /// Nobody can tell.
    Unknown,
    /// Of little interest.
    Faint,
    /// A heading, or what to do next.
    Strong,
}

impl Tone {
    /// The colour and weight of the tone.
    #[must_use]
    pub const fn style(self) -> Style {
        match self {
            Self::Good => coloured(AnsiColor::Green),
            Self::Warning => coloured(AnsiColor::Yellow).bold(),
            Self::Bad => coloured(AnsiColor::Red).bold(),
            Self::Unknown => coloured(AnsiColor::Magenta).bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Strong => Style::new().bold(),
        }
    }

    /// The text in this tone, or as it is where there is no colour.
    #[must_use]
    pub fn paint(self, text: &str, colour: bool) -> String {
        if !colour || text.is_empty() {
            return text.to_owned();
        }
        let style = self.style();
        format!("{style}{text}{style:#}")
    }
}

const fn coloured(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(anstyle::Color::Ansi(colour)))
}

impl From<Status> for Tone {
    fn from(status: Status) -> Self {
        match status {
            Status::Ok => Self::Good,
            Status::Warning => Self::Warning,
            Status::Critical => Self::Bad,
            Status::Unknown | Status::InDoubt | Status::UndoFailed => Self::Unknown,
            Status::Affected | Status::Skipped | Status::NotRun | Status::Undone => Self::Faint,
        }
    }
}

impl From<Verdict> for Tone {
    fn from(verdict: Verdict) -> Self {
        Status::from(verdict).into()
    }
}
