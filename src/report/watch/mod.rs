//! What the screen of a watch shows: when, the checks of the last run each with how it was before, the verdict. Plain data
//! in, lines out: never more of them than the screen has, nor wider.

mod rows;
mod strips;
#[cfg(test)]
mod tests;

use crate::base::text::{fit, neutral};
use crate::base::{Tone, Verdict};
use crate::event::{StepLine, Summary};

use super::table;
use super::wording::{counted, is_bad, is_dry, typed};
use super::{Style, wrapped};

use rows::Layout;
use strips::{Drawn, Strips};

/// Of what could not begin no more lines are told than this.
const MOST_TROUBLE: usize = 6;

/// What a watch has seen so far.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    strips: Strips,
    last: Option<Summary>,
    verdict: Option<Verdict>,
    trouble: Option<String>,
}

/// The screen that a watch is shown on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// How many lines it has.
    pub rows: usize,
    /// How many cells a line has.
    pub columns: usize,
    /// Whether it shows more characters than those of ASCII.
    pub unicode: bool,
    /// Whether it shows colours.
    pub colour: bool,
}

impl Watched {
    /// Takes in a run that came to its end. Says whether the verdict is another one than before.
    pub fn take(&mut self, summary: Summary) -> bool {
        self.strips.take(&summary);
        self.trouble = None;
        let verdict = summary.verdict.unwrap_or(Verdict::Unknown);
        self.last = Some(summary);
        self.turn(verdict)
    }

    /// Takes in that a run could not begin, and why. Says whether that is news.
    pub fn miss(&mut self, trouble: String) -> bool {
        self.strips.miss();
        self.trouble = Some(trouble);
        self.turn(Verdict::Unknown)
    }

    fn turn(&mut self, verdict: Verdict) -> bool {
        let before = self.verdict.replace(verdict);
        before.is_some_and(|before| before != verdict)
    }

    /// Whether a whole run was seen.
    #[must_use]
    pub const fn has_seen(&self) -> bool {
        self.last.is_some()
    }

    /// The lines to show; `when` stands behind the name of the runbook, `notes` are what was said beside the runs.
    #[must_use]
    pub fn lines(
        &self,
        runbook: &str,
        when: &str,
        notes: &[String],
        screen: Screen,
    ) -> Vec<String> {
        // A terminal breaks a line that fills it wholly, and the cursor stands below the last one.
        let width = screen.columns.saturating_sub(1).max(1);
        let height = screen.rows.saturating_sub(1).max(1);
        let style = Style {
            colour: screen.colour,
            width,
            whole: false,
        };
        let name = fit(&format!(" {}", typed(runbook)), width);
        let rest = fit(&format!("{name}  {when}"), width);
        let rest = rest.strip_prefix(&name).unwrap_or_default();
        let strong = Tone::Strong.paint(&name, screen.colour);
        let mut head = vec![format!("{strong}{rest}").trim_end().to_owned()];
        for note in notes {
            head.push(Tone::Faint.paint(&fit(&format!(" {note}"), width), screen.colour));
        }
        head.extend(self.trouble_lines(style));
        head.truncate(height);
        let Some(last) = &self.last else {
            return head;
        };
        let room = height - head.len();
        head.extend(self.body(last, room, screen, style));
        head
    }

    fn trouble_lines(&self, style: Style) -> Vec<String> {
        let Some(trouble) = &self.trouble else {
            return Vec::new();
        };
        let mut lines: Vec<String> = Vec::new();
        for line in trouble.lines().filter(|line| !line.trim().is_empty()) {
            // Spaces stay: a caret below a line of a file points at nothing once they are gone.
            let line = neutral(line).replace('\t', " ");
            lines.push(fit(&format!(" {line}"), style.width));
        }
        lines.truncate(MOST_TROUBLE);
        let label = Tone::Unknown.paint(" NOT BEGUN", style.colour);
        let since = match self.last {
            Some(_) => "  it is tried again; below is the last run that was",
            None => "  it is tried again",
        };
        let said = fit(since, style.width.saturating_sub(10));
        std::iter::once(format!("{label}{said}"))
            .chain(lines)
            .collect()
    }

    /// The last run: lines, findings, verdict, in no more lines than these.
    fn body(&self, last: &Summary, room: usize, screen: Screen, style: Style) -> Vec<String> {
        let verdict = table::verdict_lines(last, style);
        let mut lines = Vec::new();
        let Some(room) = room.checked_sub(verdict.len() + 2) else {
            // No room for more than how it ended.
            lines.extend(verdict.into_iter().take(room));
            return lines;
        };
        lines.push(String::new());
        let of_checks = last.steps.iter().any(|line| line.check.is_some());
        let mut told = match of_checks {
            true => self.checks(last, room, screen, style),
            false => self.other(last, room, screen, style),
        };
        told.truncate(room);
        lines.append(&mut told);
        lines.push(String::new());
        lines.extend(verdict);
        lines
    }

    /// The checks and the findings. Bad lines come first where there is no room for all of them.
    fn checks(&self, last: &Summary, room: usize, screen: Screen, style: Style) -> Vec<String> {
        let counted_lines: Vec<&StepLine> = last.counted().collect();
        let mut findings = table::finding_lines(last, style);
        // An empty line stands before them, and the heading above the checks.
        let wanted = counted_lines.len() + 1;
        let for_findings = match wanted + findings.len() < room || findings.is_empty() {
            true => findings.len(),
            false => (room / 3).max(room.saturating_sub(wanted + 1)),
        };
        if findings.len() > for_findings {
            let left_out = findings.len() - for_findings.saturating_sub(1);
            findings.truncate(for_findings.saturating_sub(1));
            if for_findings > 0 {
                let run = last.run.map(|run| format!(" {run}")).unwrap_or_default();
                let more =
                    format!("   … and {left_out} more lines; `opsbook runs show{run}` has them");
                findings.push(Tone::Faint.paint(&fit(&more, style.width), style.colour));
            }
        }
        let gap = usize::from(!findings.is_empty());
        let room = room.saturating_sub(findings.len() + gap + 1);
        let mut order = counted_lines.clone();
        if order.len() > room {
            order.sort_by_key(|line| std::cmp::Reverse((is_bad(line), line.status().verdict())));
        }
        let fits = order.len() <= room;
        let shown = if fits {
            order.len()
        } else {
            room.saturating_sub(1)
        };
        let layout = Layout::of(&counted_lines, screen);
        let drawn = Drawn {
            unicode: screen.unicode,
            colour: screen.colour,
        };
        let mut lines = vec![layout.heading(screen.colour)];
        for line in &order[..shown] {
            lines.push(layout.row(line, &self.strips, is_dry(last), drawn));
        }
        if !fits && room > 0 {
            let rest = counted(order[shown..].iter().copied(), is_dry(last));
            let more = fit(&format!(" … and {rest}"), style.width);
            lines.push(Tone::Faint.paint(&more, style.colour));
        }
        if !findings.is_empty() {
            lines.push(String::new());
            lines.extend(findings);
        }
        lines
    }

    /// What a run shows that is not one of checks, with one strip for the whole of it.
    fn other(&self, last: &Summary, room: usize, screen: Screen, style: Style) -> Vec<String> {
        let drawn = Drawn {
            unicode: screen.unicode,
            colour: screen.colour,
        };
        let cells = strips::LONGEST.min(style.width.saturating_sub(1));
        let strip = self.strips.whole(cells, drawn);
        let mut lines = table::body_lines(last, style);
        let room = room.saturating_sub(2);
        if lines.len() > room {
            let left_out = lines.len() - room.saturating_sub(1);
            lines.truncate(room.saturating_sub(1));
            let more = format!(" … and {left_out} more lines");
            lines.extend(wrapped(&more, style.width).into_iter().take(1));
        }
        lines.push(String::new());
        lines.push(format!(" {strip}"));
        lines
    }
}
