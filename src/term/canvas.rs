//! Lines at the end of standard output that are drawn again in place. Only lines that changed are written, the cursor is
//! hidden for no longer than one write, and the screen is not switched: whatever ends the process, the terminal is as it was
//! and the last lines stay.

use std::io::{self, Write as _};

use dialoguer::console::Term;
use nix::sys::termios::{FlushArg, LocalFlags, SetArg, Termios, tcflush, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};

use crate::base::text::{fit, width};

use super::screen::{Screen, Still};

/// How many lines and cells the terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Its lines.
    pub rows: usize,
    /// The cells of a line.
    pub columns: usize,
}

/// Where lines are drawn in place. While it lives, what is said on standard error is held back, and keys are not shown.
#[derive(Debug)]
pub struct Canvas {
    shown: Vec<String>,
    size: Size,
    /// Held back where standard error is the same terminal.
    held: Option<(Screen, Still)>,
    _keys: Option<Keys>,
}

impl Canvas {
    pub(super) fn new(held: Option<Screen>) -> Self {
        let still = |screen: Screen| {
            let still = screen.still();
            (screen, still)
        };
        Self {
            shown: Vec::new(),
            size: size(),
            held: held.map(still),
            _keys: Keys::silence(),
        }
    }

    /// The size of the terminal now.
    #[must_use]
    pub fn size(&self) -> Size {
        size()
    }

    /// What was said on standard error since this was asked last.
    #[must_use]
    pub fn take_said(&self) -> String {
        self.held
            .as_ref()
            .map_or_else(String::new, |(screen, _)| screen.take_held())
    }

    /// Draws the lines in the place of those before, each cut to the terminal, and rings the bell if it is to.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn draw(&mut self, lines: Vec<String>, bell: bool) -> io::Result<()> {
        let size = size();
        let cells = size.columns.saturating_sub(1).max(1);
        let mut lines: Vec<String> = lines.into_iter().map(|line| cut(line, cells)).collect();
        lines.truncate(size.rows.saturating_sub(1).max(1));
        let mut text = match size == self.size {
            true => changes(&self.shown, &lines),
            false => anew(&self.shown, &lines, size),
        };
        (self.shown, self.size) = (lines, size);
        if bell {
            text.push('\u{7}');
        }
        if text.is_empty() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

fn size() -> Size {
    let (rows, columns) = Term::stdout().size_checked().unwrap_or((24, 80));
    Size {
        // A terminal of no size has one that it does not tell.
        rows: usize::from(if rows == 0 { 24 } else { rows }),
        columns: usize::from(if columns == 0 { 80 } else { columns }),
    }
}

/// The line without colours.
fn plain(line: &str) -> String {
    anstream::adapter::strip_str(line).to_string()
}

/// A line that fits; one that does not loses its colours with its end.
fn cut(line: String, cells: usize) -> String {
    let plain = plain(&line);
    match width(&plain) <= cells {
        true => line,
        false => fit(&plain, cells),
    }
}

const HIDE: &str = "\u{1b}[?25l";
const SHOW: &str = "\u{1b}[?25h";
const CLEAR_LINE: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";

/// What makes the new lines of the old ones, with the cursor below the last before and after. Nothing where they are alike.
fn changes(old: &[String], new: &[String]) -> String {
    if old == new {
        return String::new();
    }
    let mut text = format!("{HIDE}{}", up(old.len()));
    for (index, line) in new.iter().enumerate() {
        if old.get(index) != Some(line) {
            text.push_str(line);
            text.push_str(CLEAR_LINE);
        }
        text.push_str("\r\n");
    }
    if old.len() > new.len() {
        text.push_str(CLEAR_BELOW);
    }
    text.push_str(SHOW);
    text
}

/// The same on a terminal of another size, which has broken the old lines as they no longer fitted.
fn anew(old: &[String], new: &[String], size: Size) -> String {
    let broken = old
        .iter()
        .map(|line| width(&plain(line)).div_ceil(size.columns).max(1));
    let above = broken.sum::<usize>().min(size.rows.saturating_sub(1));
    let mut text = format!("{HIDE}{}{CLEAR_BELOW}", up(above));
    for line in new {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str(SHOW);
    text
}

/// To the first cell of a line above.
fn up(lines: usize) -> String {
    match lines {
        0 => "\r".to_owned(),
        lines => format!("\r\u{1b}[{lines}A"),
    }
}

/// Keys that are pressed while lines are drawn would stand between them: they are not shown, and forgotten in the end.
#[derive(Debug)]
struct Keys(Termios);

impl Keys {
    /// None where no terminal is read from, or it belongs to somebody else for now: a shell that has this in the background.
    fn silence() -> Option<Self> {
        let ours = tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp());
        let before = tcgetattr(io::stdin()).ok().filter(|_| ours)?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(io::stdin(), SetArg::TCSANOW, &silent).ok()?;
        Some(Self(before))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // Whose terminal it is now decides: a job in the background that changes it is stopped.
        if tcgetpgrp(io::stdin()).is_ok_and(|group| group == getpgrp()) {
            let _ = tcflush(io::stdin(), FlushArg::TCIFLUSH);
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Size, anew, changes, cut, plain, width};

    /// A terminal that knows what a canvas writes, and nothing else.
    struct Emulated {
        rows: usize,
        lines: Vec<String>,
        row: usize,
        column: usize,
    }

    impl Emulated {
        fn new(rows: usize) -> Self {
            Self {
                rows,
                lines: vec![String::new()],
                row: 0,
                column: 0,
            }
        }

        fn write(&mut self, text: &str) {
            let mut rest = text;
            while let Some(character) = rest.chars().next() {
                if let Some(sequence) = rest.strip_prefix("\u{1b}[") {
                    let end = sequence.find(|c: char| c.is_ascii_alphabetic());
                    let end = end.unwrap_or(0);
                    self.control(&sequence[..end], &sequence[end..=end]);
                    rest = &sequence[end + 1..];
                    continue;
                }
                rest = &rest[character.len_utf8()..];
                match character {
                    '\r' => self.column = 0,
                    '\n' => {
                        self.row += 1;
                        if self.row == self.lines.len() {
                            self.lines.push(String::new());
                        }
                    }
                    character => {
                        let line = &mut self.lines[self.row];
                        let mut cells: Vec<char> = line.chars().collect();
                        cells.resize(cells.len().max(self.column + 1), ' ');
                        cells[self.column] = character;
                        *line = cells.into_iter().collect();
                        self.column += 1;
                    }
                }
            }
        }

        fn control(&mut self, number: &str, letter: &str) {
            match (number, letter) {
                ("?25l" | "?25", "l" | "h") => {}
                (lines, "A") => {
                    let top = self.lines.len().saturating_sub(self.rows);
                    self.row = self.row.saturating_sub(lines.parse().unwrap_or(1)).max(top);
                }
                ("", "K") => {
                    let line = &mut self.lines[self.row];
                    *line = line.chars().take(self.column).collect();
                }
                ("", "J") => {
                    self.lines.truncate(self.row + 1);
                    self.control("", "K");
                }
                other => unreachable!("{other:?}"),
            }
        }

        fn screen(&self) -> Vec<&str> {
            let written = self.lines.iter().map(|line| line.trim_end());
            written.collect()
        }
    }

    fn lines() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec("[a-c]{0,6}", 0..9)
    }

    proptest! {
        #[test]
        fn the_screen_shows_the_last_lines_and_what_stood_above_stays(drawn in proptest::collection::vec(lines(), 1..6)) {
            let mut terminal = Emulated::new(10);
            terminal.write("$ opsbook\r\n");
            let mut before = Vec::new();
            for lines in drawn {
                terminal.write(&changes(&before, &lines));
                let mut expected = vec!["$ opsbook"];
                expected.extend(lines.iter().map(String::as_str));
                expected.push("");
                prop_assert_eq!(terminal.screen(), expected);
                prop_assert_eq!(terminal.column, 0);
                before = lines;
            }
        }

        #[test]
        fn no_line_is_wider_than_the_terminal(line in crate::event::sample::any_text(), cells in 1_usize..90) {
            let line = crate::base::text::one_line(&line);
            prop_assert!(width(&plain(&cut(line, cells))) <= cells);
        }
    }

    #[test]
    fn lines_that_did_not_change_are_not_written() {
        let lines = |last: &str| ["head", "same", last].map(str::to_owned);
        assert_eq!(changes(&lines("a"), &lines("a")), "");
        let text = changes(&lines("a"), &lines("b"));
        assert_eq!(
            text,
            "\u{1b}[?25l\r\u{1b}[3A\r\n\r\nb\u{1b}[K\r\n\u{1b}[?25h"
        );
    }

    #[test]
    fn lines_that_a_narrower_terminal_has_broken_are_all_replaced() {
        let old = vec!["x".repeat(25), "y".to_owned()];
        let size = Size {
            rows: 10,
            columns: 10,
        };
        let text = anew(&old, &["new".to_owned()], size);
        assert_eq!(text, "\u{1b}[?25l\r\u{1b}[4A\u{1b}[Jnew\r\n\u{1b}[?25h");
    }
}
