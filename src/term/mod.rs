//! The terminal: colour, width, progress, questions. The only place that prints; it reads no variable itself.

mod board;
mod canvas;
mod data;
mod error;
mod facts;
mod intent;
mod live;
mod output;
mod prompt;
mod screen;
mod terminal;

pub use canvas::{Canvas, Size};
pub use data::StandardData;
pub use error::{diagnostics, message};
pub use facts::{ColourChoice, Facts, Stream, Variables, colour, facts, width};
pub use live::Live;
pub use output::Output;
pub use prompt::TerminalPrompt;
pub use terminal::{Loudness, Settings, Terminal};
