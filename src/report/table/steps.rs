//! The table of steps, and the whole of what did not fit into it.

use crate::base::text::{one_line, took, width};
use crate::base::{Effect, Status, Tone};
use crate::event::StepLine;
use crate::report::Style;
use crate::report::fold::Shown;
use crate::report::said::Said;
use crate::report::wording::{is_bad, word};

use super::grid::{Cell, Column, Grid, Kind};
use super::rows::NOTHING;
use super::wrap::wrap;

/// The lines of a screen that a table of steps leaves to nothing else.
const SCREEN: usize = 20;

/// So many bad steps are told again below a tall table; more of them fill the screen anyway.
const MOST_AGAIN: usize = 10;

fn tone(line: &StepLine, dry: bool) -> Tone {
    match word(line, dry) {
        "would run" => Tone::Strong,
        "unfinished" => Tone::Unknown,
        _ => line.status().into(),
    }
}

/// The table of steps, and how much room it has for details; none where all of them are whole.
pub(super) fn table(steps: &[Shown<'_>], dry: bool, style: Style) -> (String, Option<usize>) {
    let fitted = grid(steps, dry).fitted(style, 1);
    let room = fitted.room();
    (fitted.text, room)
}

fn grid(steps: &[Shown<'_>], dry: bool) -> Grid {
    let severe = steps.iter().any(|step| severity(step.line).is_some());
    let mut columns = vec![Column::new("step", Kind::Words)];
    if dry {
        columns.push(Column::new("effect", Kind::Label));
    }
    columns.push(Column::new("status", Kind::Label));
    if severe {
        columns.push(Column::new("severity", Kind::Label));
    }
    columns.push(Column::new("took", Kind::Numbers));
    columns.push(Column::new("detail", Kind::Words));

    let rows = steps
        .iter()
        .map(|step| {
            let line = step.line;
            let inset = if step.inset { "  " } else { "" };
            let name = format!("{inset}{}", step.name());
            let mut row = vec![named(name, line)];
            if dry {
                row.push(effect(line.effect));
            }
            row.push(status(line, dry));
            if severe {
                row.push(Cell::new(severity(line).unwrap_or_default()));
            }
            row.push(time(line));
            row.push(Cell::new(step.detail()));
            row
        })
        .collect();
    Grid { columns, rows }
}

/// The name of a line; the eye finds a bad one.
pub(super) fn named(name: String, line: &StepLine) -> Cell {
    match is_bad(line) {
        true => Cell::toned(name, Tone::Strong),
        false => Cell::new(name),
    }
}

/// How a line ended.
pub(super) fn status(line: &StepLine, dry: bool) -> Cell {
    Cell::toned(word(line, dry), tone(line, dry))
}

/// How long a line took.
pub(super) fn time(line: &StepLine) -> Cell {
    line.end.as_ref().and_then(|end| end.took_ms).map_or_else(
        || Cell::toned(NOTHING, Tone::Faint),
        |ms| Cell::new(took(ms)),
    )
}

fn effect(effect: Effect) -> Cell {
    match effect {
        Effect::Destroy => Cell::toned(effect.as_str(), Tone::Bad),
        Effect::Read | Effect::Write => Cell::new(effect.as_str()),
    }
}

/// How much it matters, where it does.
pub(super) fn severity(line: &StepLine) -> Option<&'static str> {
    Some(line.end.as_ref()?.severity?.as_str())
}

/// What the table could not hold: the whole detail where it was cut, and of bad steps what to do about it.
/// `room` is what the column of details could hold; none where nothing was cut. Below a tall table the few bad steps
/// are told again: its upper part has left the screen.
pub(super) fn remarks(
    steps: &[Shown<'_>],
    said: &Said,
    dry: bool,
    room: Option<usize>,
    style: Style,
) -> String {
    let mut text = String::new();
    let bad = steps.iter().filter(|step| is_bad(step.line)).count();
    let out_of_sight = steps.len() > SCREEN && bad <= MOST_AGAIN;
    for (index, step) in steps.iter().enumerate() {
        let line = step.line;
        let not_run = line.status() == Status::NotRun;
        let left = dry && not_run;
        // Why it was refused, the verdict says; what to do about it, nothing else does.
        let refused = not_run && line.end.as_ref().is_some_and(|end| end.failed);
        let detail = step.detail();
        let whole = step.whole_detail();
        let cut = whole.len() > 1 || room.is_some_and(|room| width(&detail) > room);
        // What a change gave is told whole too: the command that restores a copy, what a server warns of.
        let given = cut && line.status() == Status::Ok && line.effect.changes();
        if !is_bad(line) && !left && !refused && !given {
            continue;
        }
        // What a step with items says is said by its items.
        let by_items = steps[index + 1..]
            .iter()
            .map_while(|below| below.line.step.as_str().strip_prefix(line.step.as_str()))
            .any(|below| below.starts_with('['));
        let again = !by_items
            && !step.is_runner
            && (!refused || dry)
            && (cut || (out_of_sight && is_bad(line)));
        let help = line.end.as_ref().and_then(|end| end.help.as_deref());
        let said = said.of(&line.step);
        if !again && help.is_none() && said.is_empty() {
            continue;
        }
        let room = style.width.saturating_sub(5).max(1);
        let name = step.name();
        for part in wrap(&name, style.width.saturating_sub(1).max(1)) {
            text.push_str(&format!(" {}\n", Tone::Strong.paint(&part, style.colour)));
        }
        if again {
            for line in whole {
                // What went well is never broken: it is there to be pasted.
                let parts = if given { vec![line] } else { wrap(&line, room) };
                for part in parts {
                    text.push_str(&format!("   {part}\n"));
                }
            }
        }
        for line in said {
            for part in wrap(line, room.saturating_sub(2).max(1)) {
                let quoted = format!("│ {part}");
                text.push_str(&format!(
                    "   {}\n",
                    Tone::Faint.paint(&quoted, style.colour)
                ));
            }
        }
        if let Some(help) = help {
            let mut marker = "→";
            for part in wrap(&one_line(help), room) {
                text.push_str(&format!("   {marker} {part}\n"));
                marker = " ";
            }
        }
    }
    text
}
