//! Where data goes that is too much to be held: the standard output of the process.

use std::fs::File;
use std::io;

/// Standard output, for a step whose data goes there row by row.
pub trait DataOut {
    /// Takes standard output for data. From then on the run is told on standard error.
    ///
    /// # Errors
    /// Why it cannot be had.
    fn open(&self) -> Result<Box<dyn io::Write + Send>, DataOutError>;

    /// What is open already, for data: what steers a terminal becomes visible where it is one.
    fn onto(&self, file: File) -> Box<dyn io::Write + Send> {
        Box::new(file)
    }
}

/// Why standard output cannot be had for data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataOutError {
    /// Something else is told there.
    #[error("standard output cannot be taken for data: {0}")]
    Taken(&'static str),
    /// The system refuses.
    #[error("standard output cannot be opened: {0}")]
    Closed(String),
}
