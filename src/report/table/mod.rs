//! The format `table`: what a person reads when the run is over. The bad line stands out, the reason is beside it, the
//! next command and the verdict are last.

#[cfg(test)]
mod check_tests;
mod checks;
mod closing;
mod grid;
mod rows;
mod steps;
#[cfg(test)]
mod tests;
mod wrap;

use std::io;

use crate::base::text::one_line;
use crate::base::{Tone, Verdict};
use crate::event::{Envelope, Event, StepLine, StepTable, Summary};

pub use wrap::wrap as wrapped;

use super::notes::Notes;
use super::said::Said;
use super::wording::shown_table;
use super::{Format, Report, Style, fold};

/// The registry's line.
pub(super) const FORMAT: Format = Format {
    name: "table",
    help: "tables for people, the verdict last",
    for_people: true,
    runs_only: false,
    rows_only: false,
    by_line: false,
    make: |style| {
        Box::new(Table {
            style,
            summary: Summary::default(),
            said: Said::default(),
            notes: Notes::default(),
        })
    },
};

/// How many lines a value of a row may take: enough to read it whole, not enough to fill the screen with one.
const MOST_LINES: usize = 4;

struct Table {
    style: Style,
    summary: Summary,
    /// What programs of failed steps said last.
    said: Said,
    notes: Notes,
}

impl Report for Table {
    fn event(&mut self, envelope: &Envelope, _: &mut dyn io::Write) -> io::Result<()> {
        // A kind that this version does not know is shown by none.
        if !matches!(envelope.event, Event::Other(_)) {
            self.summary.add_without_outputs(envelope);
        }
        self.notes.hear(envelope);
        if let Event::StepFinished(end) = &envelope.event {
            self.said.hear(end);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn io::Write) -> io::Result<()> {
        for (index, block) in self.blocks().enumerate() {
            if index > 0 {
                out.write_all(b"\n")?;
            }
            out.write_all(block.as_bytes())?;
        }
        out.flush()
    }
}

impl Table {
    /// What is printed, in its order; an empty line goes between.
    fn blocks(&self) -> impl Iterator<Item = String> {
        let (summary, style) = (&self.summary, self.style);
        let output = summary.output_table();
        let mut blocks = Vec::new();
        blocks.extend(output.map(|table| rows_of(table, style)));
        let well = summary.verdict == Some(Verdict::Ok);
        if output.is_none() || !well {
            blocks.extend(self.step_blocks());
        }
        let named = summary.output_step();
        let shown = (summary.steps.iter()).filter(|line| named.as_ref() != Some(&line.step));
        blocks.extend(shown.filter_map(|line| shown_block(line, style)));
        if !summary.findings.is_empty() {
            blocks.push(closing::findings(summary, style));
        }
        blocks.push(closing::files(summary, style));
        blocks.push(closing::notes(self.notes.lines(), style));
        if summary.run.is_some() {
            blocks.push(closing::verdict(summary, style));
        }
        blocks.into_iter().filter(|block| !block.is_empty())
    }

    fn step_blocks(&self) -> Vec<String> {
        if self.summary.steps.is_empty() {
            return Vec::new();
        }
        let folded = fold::folded(&self.summary, self.style.whole);
        let dry = self.summary.start.as_ref().is_some_and(|start| start.dry);
        let (mut table, room) = match folded.of_checks {
            true => checks::table(&folded.lines, dry, self.style),
            false => steps::table(&folded.lines, dry, self.style),
        };
        if let Some(words) = &folded.left_out {
            let more = if folded.lines.is_empty() {
                ""
            } else {
                "… and "
            };
            table.push_str(&remark(&format!("{more}{words}; -v shows all"), self.style));
        }
        let remarks = steps::remarks(&folded.lines, &self.said, dry, room, self.style);
        vec![table, remarks]
    }
}

/// How a run ended and what that rests on, as lines.
pub(super) fn verdict_lines(summary: &Summary, style: Style) -> Vec<String> {
    lines_of(&closing::verdict(summary, style))
}

/// The findings of a run, as lines.
pub(super) fn finding_lines(summary: &Summary, style: Style) -> Vec<String> {
    match summary.findings.is_empty() {
        true => Vec::new(),
        false => lines_of(&closing::findings(summary, style)),
    }
}

/// All of a run but how it ended, as lines.
pub(super) fn body_lines(summary: &Summary, style: Style) -> Vec<String> {
    let table = Table {
        style,
        summary: summary.clone(),
        said: Said::default(),
        notes: Notes::default(),
    };
    let blocks: Vec<String> = table.blocks().collect();
    let body = blocks.split_last().map_or(&[][..], |(_, body)| body);
    lines_of(&body.join("\n"))
}

fn lines_of(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// The table that a step shows, or the rows that it would touch, under its name.
fn shown_block(line: &StepLine, style: Style) -> Option<String> {
    let (table, what) = shown_table(line)?;
    let name = format!("{}{what}", one_line(line.step.as_str()));
    let mut block = String::new();
    for part in wrap::wrap(&name, style.width.saturating_sub(1).max(1)) {
        block.push_str(&format!(" {}\n", Tone::Strong.paint(&part, style.colour)));
    }
    block.push_str(&rows_of(table, style));
    Some(block)
}

/// Rows for people, as a run shows those of a step: fitted to the style's width, numbers aligned, cells in a few lines each.
#[must_use]
pub fn rows_of(table: &StepTable, style: Style) -> String {
    let (mut text, cut) = fitted_rows(table, style, MOST_LINES);
    if cut {
        let words = "… stands for text that did not fit; --format json has all of it";
        text.push_str(&remark(words, style));
    }
    text
}

/// The same rows for a glance, cells in one line each: nothing else has more of them.
#[must_use]
pub fn glance_at(table: &StepTable, style: Style) -> String {
    fitted_rows(table, style, 1).0
}

/// Rows in as many cells as the style has, and whether any of them was cut.
fn fitted_rows(table: &StepTable, style: Style, most_lines: usize) -> (String, bool) {
    let fitted = rows::grid(table).fitted(style, most_lines);
    let mut text = fitted.text;
    if table.rows.is_empty() {
        text.push_str(&remark("no rows", style));
    }
    if let Some(words) = &table.remark {
        text.push_str(&remark(&one_line(words), style));
    }
    (text, fitted.cut)
}

fn remark(words: &str, style: Style) -> String {
    wrap::wrap(words, style.width.saturating_sub(1).max(1))
        .iter()
        .map(|part| format!(" {}\n", Tone::Faint.paint(part, style.colour)))
        .collect()
}
