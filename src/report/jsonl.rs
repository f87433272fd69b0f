//! The format `jsonl`: each event as it happens, one JSON object a line.

use std::io;

use crate::event::Envelope;

use super::{Format, Report, json_text};

/// The registry's line.
pub(super) const FORMAT: Format = Format {
    name: "jsonl",
    help: "each event as it happens, one JSON object a line",
    for_people: false,
    runs_only: false,
    rows_only: false,
    by_line: true,
    make: |_| Box::new(JsonLines),
};

struct JsonLines;

impl Report for JsonLines {
    fn event(&mut self, envelope: &Envelope, out: &mut dyn io::Write) -> io::Result<()> {
        json_text::write_line(out, envelope)?;
        // Whoever follows the run must not wait for a buffer to fill.
        out.flush()
    }

    fn finish(&mut self, _: &mut dyn io::Write) -> io::Result<()> {
        Ok(())
    }
}
