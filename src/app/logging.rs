//! What `-vv` shows: the trace of the program itself, on standard error, without secrets.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::base::Masker;

use super::{LogFormat, Settings};

/// Begins to write the log, if anybody asked for one.
pub(super) fn start(settings: &Settings, colour: bool, masker: &Masker) {
    let filter = match settings.verbosity {
        0 => return,
        // The ends of steps, where the log has them and the terminal does not.
        1 => EnvFilter::new("opsbook=info"),
        2 => EnvFilter::new("opsbook=debug"),
        _ => EnvFilter::new("opsbook=trace,hyper=debug,hyper_util=debug,rustls=debug"),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(MaskedError(masker.clone()))
        .with_ansi(colour);
    // A log that was begun before goes on.
    let _ = match settings.log_format {
        LogFormat::Text => builder.compact().try_init(),
        LogFormat::Json => builder.json().with_ansi(false).try_init(),
    };
}

/// Standard error behind the mask. The subscriber hands over whole events.
struct MaskedError(Masker);

impl<'a> MakeWriter<'a> for MaskedError {
    type Writer = MaskedWriter;

    fn make_writer(&'a self) -> Self::Writer {
        MaskedWriter(self.0.clone())
    }
}

/// Writes one event.
struct MaskedWriter(Masker);

impl Write for MaskedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = self.0.text(&String::from_utf8_lossy(bytes));
        // A log that cannot be written stops nothing, and the subscriber would tell of it on standard error again, and panic.
        let _ = io::stderr().lock().write_all(text.as_bytes());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
