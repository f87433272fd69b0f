//! The text of a user's file, kept beside what was read from it so that errors can point at it.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// A file as it was read: where it lies and what stands in it. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceFile {
    path: Arc<PathBuf>,
    text: Arc<str>,
}

impl SourceFile {
    /// Keeps the text of a file.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, text: impl Into<Arc<str>>) -> Self {
        Self {
            path: Arc::new(path.into()),
            text: text.into(),
        }
    }

    /// Where the file lies, as it should be shown to the user.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// What stands in it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text at a range of bytes, empty where the range lies outside.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    /// The line (from 1) and the column in characters (from 1) of a byte.
    #[must_use]
    pub fn line_and_column(&self, byte: usize) -> (usize, usize) {
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        let before = &self.text[..byte];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }
}

impl std::fmt::Debug for SourceFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SourceFile({})", self.path.display())
    }
}
