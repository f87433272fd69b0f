//! Standard output as a place for data: a reader that has seen enough ends it quietly, a full disk does not.

use std::io::{self, BufWriter, Write};

/// Writes data and takes a closed pipe (`opsbook … | head`) for a good end. Every other error is told.
#[derive(Debug)]
pub struct Output<W: Write> {
    out: BufWriter<W>,
    closed: bool,
}

impl<W: Write> Output<W> {
    /// Writes to this.
    pub fn new(out: W) -> Self {
        Self {
            out: BufWriter::new(out),
            closed: false,
        }
    }

    /// Whether the reader has gone: nothing that is written arrives any more.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    fn attempt<T>(
        &mut self,
        nothing: T,
        write: impl FnOnce(&mut BufWriter<W>) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.closed {
            return Ok(nothing);
        }
        match write(&mut self.out) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(nothing)
            }
            other => other,
        }
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(bytes.len(), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt((), BufWriter::flush)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

    use std::io::{ErrorKind, Write as _};

    use super::Output;

    #[test]
    fn a_reader_that_has_gone_is_no_error() {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut output = Output::new(writer);
        drop(reader);
        for _ in 0..100 {
            output.write_all(&[b'x'; 4096]).unwrap();
        }
        output.flush().unwrap();
        assert!(output.is_closed());
    }

    #[test]
    fn a_full_device_is_an_error() {
        let full = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut output = Output::new(full);
        output.write_all(b"data\n").unwrap();
        let error = output.flush().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert!(!output.is_closed());
    }

    #[test]
    fn what_is_written_arrives() {
        let mut output = Output::new(Vec::new());
        output.write_all(b"data\n").unwrap();
        output.flush().unwrap();
        assert_eq!(output.out.get_ref(), b"data\n");
    }
}
