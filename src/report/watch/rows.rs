//! The lines of checks on the screen of a watch. Their columns stay where they are from one run to the next.

use crate::base::Tone;
use crate::base::text::{fit, one_line, took, width};
use crate::event::StepLine;
use crate::report::wording::{detail, is_bad, word};

use super::Screen;
use super::strips::{Drawn, LONGEST, Strips};

/// Between two columns.
const GAP: usize = 2;

/// The widest time: `59.99 s`, `1 m 05 s`.
const TIME: usize = 8;

/// The widest status of a check, but for `UNDO FAILED`, which none has.
const STATUS: usize = 8;

/// A strip is no shorter than this where there is room for a detail beside it.
const SHORTEST_STRIP: usize = 12;

/// Details in less room than this say nothing.
const LEAST_DETAIL: usize = 20;

/// What a detail gets before a strip grows.
const GOOD_DETAIL: usize = 40;

/// How wide each column is; a column that is not shown has no width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    service: usize,
    check: usize,
    time: usize,
    strip: usize,
    detail: usize,
}

impl Layout {
    /// The layout for these checks on this screen.
    pub(super) fn of(lines: &[&StepLine], screen: Screen) -> Self {
        let cells = screen.columns.saturating_sub(1);
        let widest = |name: fn(&StepLine) -> String| {
            let widths = lines.iter().map(|line| width(&name(line)));
            widths.max().unwrap_or(0)
        };
        let short = cells / 5;
        let service = widest(service_of).max("service".len()).min(short);
        let check = widest(check_of).max("check".len()).min(short);
        let names = 1 + service + GAP + check + GAP + STATUS + GAP;
        for time in [TIME, 0] {
            let taken = names + if time > 0 { time + GAP } else { 0 };
            let left = cells.saturating_sub(taken);
            if left < SHORTEST_STRIP + GAP + LEAST_DETAIL {
                continue;
            }
            let strip = left
                .saturating_sub(GAP + GOOD_DETAIL)
                .clamp(SHORTEST_STRIP, LONGEST);
            return Self {
                service,
                check,
                time,
                strip,
                detail: left - GAP - strip,
            };
        }
        // Both names in one column, and no detail.
        let left = cells.saturating_sub(1 + GAP + STATUS + GAP);
        let strip = (left / 3).min(LONGEST);
        let name = widest(StepLine::name).max("check".len());
        let check = name.min(left - strip);
        Self {
            service: 0,
            check,
            time: 0,
            strip: (left - check).min(LONGEST),
            detail: 0,
        }
    }

    /// The names of the columns.
    pub(super) fn heading(&self, colour: bool) -> String {
        let mut text = String::new();
        if self.service > 0 {
            text.push_str(&left(" service", self.service + 1));
        }
        if self.service == 0 {
            text.push(' ');
        }
        text.push_str(&left(&fit("check", self.check), self.check));
        text.push_str(&left("status", STATUS));
        if self.time > 0 {
            text.push_str(&right("took", self.time));
        }
        text.push_str(&left(&fit("before", self.strip), self.strip));
        if self.detail > 0 {
            text.push_str("detail");
        }
        Tone::Faint.paint(text.trim_end(), colour)
    }

    /// The line of a check.
    pub(super) fn row(&self, line: &StepLine, strips: &Strips, dry: bool, drawn: Drawn) -> String {
        let colour = drawn.colour;
        let name = |name: String, cells: usize| {
            let text = left(&fit(&name, cells), cells);
            match is_bad(line) {
                true => Tone::Strong.paint(&text, colour),
                false => text,
            }
        };
        let mut text = " ".to_owned();
        if self.service > 0 {
            text.push_str(&name(service_of(line), self.service));
            text.push_str(&name(check_of(line), self.check));
        } else {
            text.push_str(&name(one_line(&line.name()), self.check));
        }
        let status = left(&fit(word(line, dry), STATUS), STATUS);
        text.push_str(&Tone::from(line.status()).paint(&status, colour));
        let time = line.end.as_ref().and_then(|end| end.took_ms);
        if self.time > 0 {
            let time = time.map_or_else(|| "–".to_owned(), took);
            text.push_str(&right(&fit(&time, self.time), self.time));
        }
        text.push_str(&strips.of(&line.step, self.strip, drawn));
        if self.detail > 0 {
            text.push_str("  ");
            text.push_str(&fit(&detail(line), self.detail));
        }
        text.trim_end().to_owned()
    }
}

fn service_of(line: &StepLine) -> String {
    let check = line.check.as_ref();
    check.map_or_else(String::new, |check| one_line(&check.service))
}

fn check_of(line: &StepLine) -> String {
    match &line.check {
        Some(check) => one_line(&check.name),
        None => one_line(line.step.as_str()),
    }
}

/// Text to the left of a column, with the gap behind it.
fn left(text: &str, cells: usize) -> String {
    format!(
        "{text}{}",
        " ".repeat(cells.saturating_sub(width(text)) + GAP)
    )
}

/// Text to the right of a column, with the gap behind it.
fn right(text: &str, cells: usize) -> String {
    let gap = " ".repeat(cells.saturating_sub(width(text)));
    format!("{gap}{text}{}", " ".repeat(GAP))
}
