//! How errors look: `opsbook: what happened`, the file and the line where there is one.

use std::error::Error;

use crate::base::text::neutral;
use crate::base::{Diagnostics, Tone};

/// An error with its causes, as lines ready to print.
#[must_use]
pub fn message(error: &dyn Error, colour: bool) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let reason = source.to_string();
        // Some errors repeat their cause in their own words.
        if !text.contains(&reason) {
            text.push_str(": ");
            text.push_str(&reason);
        }
        cause = source.source();
    }
    painted(&text, colour)
}

/// Mistakes in files, each with its place, as lines ready to print.
#[must_use]
pub fn diagnostics(diagnostics: &Diagnostics, colour: bool) -> String {
    diagnostics
        .iter()
        .map(|diagnostic| painted(&diagnostic.to_string(), colour))
        .collect::<Vec<_>>()
        .join("\n")
}

fn painted(text: &str, colour: bool) -> String {
    let name = Tone::Bad.paint("opsbook:", colour);
    let mut painted = String::new();
    for (index, line) in neutral(text).lines().enumerate() {
        if index == 0 {
            painted.push_str(&format!("{name} "));
        }
        match carets(line) {
            Some((start, end)) => {
                painted.push_str(&line[..start]);
                painted.push_str(&Tone::Bad.paint(&line[start..end], colour));
                painted.push_str(&line[end..]);
            }
            None => painted.push_str(line),
        }
        painted.push('\n');
    }
    painted
}

/// The bytes of the carets in a line that points at the line above it.
fn carets(line: &str) -> Option<(usize, usize)> {
    let (gutter, rest) = line.split_once('│')?;
    let start = line.len() - rest.trim_start().len();
    let pointing = gutter.trim().is_empty() && line[start..].starts_with('^');
    let length = line[start..]
        .bytes()
        .take_while(|byte| *byte == b'^')
        .count();
    pointing.then_some((start, start + length))
}

#[cfg(test)]
mod tests {
    use crate::base::{Diagnostic, Diagnostics, Place, SourceFile};

    use super::{diagnostics, message};

    fn mistakes() -> Diagnostics {
        let source = SourceFile::new("db/prune.toml", "timeuot = \"3s\"\n");
        let mut mistakes = Diagnostics::new();
        mistakes.push(
            Diagnostic::at(Place::new(&source, 0..7), "unknown key")
                .help("did you mean `timeout`?"),
        );
        mistakes.push(Diagnostic::new("no steps"));
        mistakes
    }

    #[test]
    fn mistakes_stand_with_their_place() {
        assert_eq!(
            diagnostics(&mistakes(), false),
            "opsbook: db/prune.toml:1:1\n    1 │ timeuot = \"3s\"\n      │ ^^^^^^^ unknown key; did you mean `timeout`?\n\nopsbook: no steps\n"
        );
    }

    #[test]
    fn colour_marks_the_name_and_the_carets() {
        let text = diagnostics(&mistakes(), true);
        assert!(
            text.starts_with("\u{1b}[1m\u{1b}[31mopsbook:\u{1b}[0m db"),
            "{text:?}"
        );
        assert!(
            text.contains("│ \u{1b}[1m\u{1b}[31m^^^^^^^\u{1b}[0m unknown"),
            "{text:?}"
        );
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            diagnostics(&mistakes(), false)
        );
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the journal cannot be opened")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("the disk said \u{1b}[2J")]
    struct Inner;

    #[test]
    fn causes_follow_and_cannot_steer_the_terminal() {
        assert_eq!(
            message(&Outer(Inner), false),
            "opsbook: the journal cannot be opened: the disk said ␛[2J\n"
        );
    }
}
