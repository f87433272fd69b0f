//! Standard output for the data of a step, written from another thread than the one that reports.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::text::neutral;
use crate::engine::{DataOut, DataOutError};

use super::screen::{Screen, Still};

/// Standard output for data, unless something else is told there. Clones share whether it was taken.
#[derive(Clone, Debug)]
pub struct StandardData {
    /// What is told there instead.
    other: Option<&'static str>,
    /// Standard error, where standard output is a terminal too.
    screen: Option<Screen>,
    taken: Arc<AtomicBool>,
    unread: Arc<AtomicBool>,
}

impl StandardData {
    /// Standard output, beside the screen where it is a terminal too.
    pub(super) fn new(screen: Option<Screen>) -> Self {
        Self {
            other: None,
            screen,
            taken: Arc::default(),
            unread: Arc::default(),
        }
    }

    /// The same where something else is told there: `a watch is shown there`.
    #[must_use]
    pub const fn taken_by(mut self, other: &'static str) -> Self {
        self.other = Some(other);
        self
    }

    /// Whether data was written there, or is about to be.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether the reader left before the end of the data.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }
}

/// Remembers that the reader left.
struct Watched {
    out: File,
    unread: Arc<AtomicBool>,
}

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes).inspect_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                self.unread.store(true, Ordering::Relaxed);
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl DataOut for StandardData {
    fn open(&self) -> Result<Box<dyn Write + Send>, DataOutError> {
        if let Some(other) = self.other {
            return Err(DataOutError::Taken(other));
        }
        // Not through the standard library's own: whoever reports holds its lock.
        let descriptor = io::stdout().as_fd().try_clone_to_owned();
        let descriptor = descriptor.map_err(|error| DataOutError::Closed(error.to_string()))?;
        self.taken.store(true, Ordering::Relaxed);
        let out = Watched {
            out: File::from(descriptor),
            unread: Arc::clone(&self.unread),
        };
        Ok(match &self.screen {
            Some(screen) => Box::new(Harmless {
                out,
                rest: Vec::new(),
                _still: Some(screen.still()),
            }),
            None => Box::new(out),
        })
    }

    fn onto(&self, file: File) -> Box<dyn Write + Send> {
        match file.is_terminal() {
            true => Box::new(Harmless {
                out: file,
                rest: Vec::new(),
                _still: self.screen.as_ref().map(Screen::still),
            }),
            false => Box::new(file),
        }
    }
}

/// Data that a person looks at: what steers a terminal becomes visible. What goes to a file or a program stays as it is.
struct Harmless<W> {
    out: W,
    /// The beginning of a character that the last write was cut in.
    rest: Vec<u8>,
    /// Lines that move would stand between the rows.
    _still: Option<Still>,
}

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        let mut whole = std::mem::take(&mut self.rest);
        if whole.last() == Some(&b'\r') {
            whole.pop();
            self.rest.push(b'\r');
        }
        for chunk in whole.utf8_chunks() {
            // A record ends in both; alone, the first would bring what follows over what stands there.
            let text = chunk.valid().replace("\r\n", "\n");
            self.out.write_all(neutral(&text).as_bytes())?;
            match chunk.invalid() {
                [] => {}
                cut if whole.ends_with(cut) && self.rest.is_empty() => self.rest = cut.to_vec(),
                _ => self.out.write_all("\u{fffd}".as_bytes())?,
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

    use std::io::Write as _;

    use super::{Harmless, StandardData};
    use crate::engine::{DataOut as _, DataOutError};

    #[test]
    fn what_is_told_there_is_not_mixed_with_data() {
        let data = StandardData::new(None).taken_by("a watch is shown there");
        let refused = data.open().err();
        assert_eq!(refused, Some(DataOutError::Taken("a watch is shown there")));
        assert!(!data.is_taken());
    }

    #[test]
    fn nothing_steers_a_terminal_however_it_is_cut() {
        let text = "a\u{1b}[31m,é😀\u{202e}\r\nb\rc\n";
        let mut whole = Vec::new();
        for size in [1, 2, 3, 5, text.len()] {
            let mut harmless = Harmless {
                out: Vec::new(),
                rest: Vec::new(),
                _still: None,
            };
            for piece in text.as_bytes().chunks(size) {
                harmless.write_all(piece).unwrap();
            }
            whole.push(String::from_utf8(harmless.out).unwrap());
        }
        let last = whole.pop().unwrap();
        assert_eq!(last, "a␛[31m,é😀\u{fffd}\nb␍c\n");
        assert!(whole.iter().all(|cut| *cut == last), "{whole:?}");
    }
}
