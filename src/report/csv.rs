//! The format `csv`: the rows that a runbook gives as its output, or that its only step shows, else a row for each step.
//! Nothing else stands between them; how the run ended is the exit code.

use std::io;

use serde_json::{Value, json};

use crate::base::{StepKey, csv};
use crate::event::{Envelope, Event, Summary};

use super::{Format, Report};

/// The registry's line.
pub(super) const FORMAT: Format = Format {
    name: "csv",
    help: "the rows that the runbook gives, else its steps, as comma-separated values",
    for_people: false,
    runs_only: true,
    rows_only: true,
    by_line: false,
    make: |_| Box::new(Csv::default()),
};

/// The columns where the runbook gives no rows.
const OF_STEPS: [&str; 6] = ["step", "action", "status", "severity", "took_ms", "detail"];

#[derive(Default)]
struct Csv {
    summary: Summary,
}

impl Report for Csv {
    fn event(&mut self, envelope: &Envelope, _: &mut dyn io::Write) -> io::Result<()> {
        if !matches!(envelope.event, Event::Other(_)) {
            self.summary.add_without_outputs(envelope);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn io::Write) -> io::Result<()> {
        match self.asked() {
            Some(step) => {
                // Without them nothing: rows of another kind would be taken for those that were asked for.
                if let Some(table) = self.summary.table_of(&step) {
                    csv::write_names(out, &table.columns)?;
                    for row in &table.rows {
                        csv::write_values(out, row)?;
                    }
                }
            }
            None => self.write_steps(out)?,
        }
        out.flush()
    }
}

impl Csv {
    /// The step whose rows are asked for: that of the runbook's `output` or the one in its place, else the only one, where
    /// it shows its rows.
    fn asked(&self) -> Option<StepKey> {
        let start = self.summary.start.as_ref()?;
        match (&start.output, start.steps.as_slice()) {
            (Some(_), _) => self.summary.output_step(),
            (None, [only]) if only.shows => Some(only.step.clone()),
            (None, _) => None,
        }
    }

    fn write_steps(&self, out: &mut dyn io::Write) -> io::Result<()> {
        csv::write_names(out, OF_STEPS)?;
        for line in &self.summary.steps {
            let end = line.end.as_ref();
            let cells: [Value; OF_STEPS.len()] = [
                json!(line.step),
                json!(line.action),
                json!(line.status()),
                json!(end.and_then(|end| end.severity)),
                json!(end.and_then(|end| end.took_ms)),
                json!(end.map(|end| end.detail.as_str())),
            ];
            csv::write_values(out, &cells)?;
        }
        Ok(())
    }
}
