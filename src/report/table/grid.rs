//! A table of cells, made to fit a width. What does not fit beside each other is written below each other.

use tabled::builder::Builder;
use tabled::settings::object::{Columns, Rows};
use tabled::settings::{Alignment, Color, Modify, Padding, Style as Borders};

use crate::base::Tone;
use crate::base::text::{fit, width};
use crate::report::Style;

use super::wrap::{wrap_exact, wrap_indented};

/// What every column takes beside its text: a space on either side.
const PADDING: usize = 2;

/// No column of words is made narrower than this: the rows are written as records instead.
const NARROWEST: usize = 8;

/// So many rows are read one by one; of more, one looks for those that stand out.
const MOST_RECORDS: usize = 10;

/// One cell: a line of harmless text.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Option<Tone>,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            tone: None,
        }
    }

    pub(super) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone: Some(tone),
        }
    }

    /// A line of its text in its tone.
    fn toned_as(&self, line: String, style: Style) -> String {
        match self.tone {
            Some(tone) => tone.paint(&line, style.colour),
            None => line,
        }
    }
}

/// One column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Its heading.
    pub(super) name: String,
    /// What its cells are.
    pub(super) kind: Kind,
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, which may be cut.
    Words,
    /// A word of a few, which is never cut.
    Label,
    /// Numbers, aligned to the right and never cut: half a number is a lie.
    Numbers,
}

impl Column {
    pub(super) fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
        }
    }
}

/// A table; each row has as many cells as there are columns.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Cell>>,
}

/// A table made to fit.
#[derive(Clone, Debug)]
pub(super) struct Fitted {
    /// Its lines, each ended by a line feed.
    pub(super) text: String,
    /// The cells a column may take; none where the rows were written as records.
    pub(super) widths: Option<Vec<usize>>,
    /// Whether any cell was cut.
    pub(super) cut: bool,
    /// Whether any word of a cell goes on in another line.
    torn: bool,
}

impl Fitted {
    /// A text that has no columns any more.
    fn whole(text: String) -> Self {
        Self {
            text,
            widths: None,
            cut: false,
            torn: false,
        }
    }

    /// How much room the last column had, where anything was cut.
    pub(super) fn room(&self) -> Option<usize> {
        let widths = self.widths.as_ref().filter(|_| self.cut)?;
        widths.last().copied()
    }
}

impl Grid {
    /// The table in as many cells as the style has, each cell in at most `most_lines` lines. The few rows of a table
    /// that cannot hold its words even so are written as records, which hold everything.
    pub(super) fn fitted(&self, style: Style, most_lines: usize) -> Fitted {
        let natural = self.natural_widths();
        let all = most_lines > 1;
        let table = match bounded(&natural, &self.columns, style.width) {
            // Nothing stands beside a text that is alone: all of it is written.
            Some(widths) if all && widths.len() == 1 && widths < natural => {
                return Fitted::whole(self.lines(style));
            }
            Some(widths) => self.side_by_side(widths, style, most_lines),
            None => return Fitted::whole(self.records(style)),
        };
        let few = all && self.rows.len() <= MOST_RECORDS;
        match few && (table.cut || table.torn) {
            true => Fitted::whole(self.records(style)),
            false => table,
        }
    }

    fn natural_widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .map(|column| width(&column.name))
            .collect();
        for row in &self.rows {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = (*widest).max(width(&cell.text));
            }
        }
        widths
    }

    fn side_by_side(&self, widths: Vec<usize>, style: Style, most_lines: usize) -> Fitted {
        let (mut cut, mut torn) = (false, false);
        let mut builder = Builder::with_capacity(self.rows.len() + 1, self.columns.len());
        let mut record = |cells: &mut dyn Iterator<Item = &str>| {
            let folded = cells.zip(&widths).map(|(text, cells)| {
                let (folded, whole) = folded(text, *cells, most_lines);
                cut |= !whole;
                torn |= text.split(' ').any(|word| width(word) > *cells);
                folded
            });
            builder.push_record(folded);
        };
        record(&mut self.columns.iter().map(|column| column.name.as_str()));
        for row in &self.rows {
            record(&mut row.iter().map(|cell| cell.text.as_str()));
        }
        let mut table = builder.build();
        table.with(Borders::empty()).with(Padding::new(1, 1, 0, 0));
        for (index, column) in self.columns.iter().enumerate() {
            if column.kind == Kind::Numbers {
                table.with(Modify::new(Columns::one(index)).with(Alignment::right()));
            }
        }
        if style.colour {
            table.with(Modify::new(Rows::first()).with(colour(Tone::Faint)));
            for (row, cells) in self.rows.iter().enumerate() {
                for (column, cell) in cells.iter().enumerate() {
                    if let Some(tone) = cell.tone {
                        table.with(Modify::new((row + 1, column)).with(colour(tone)));
                    }
                }
            }
        }
        Fitted {
            text: lines_without_trailing_space(&table.to_string()),
            widths: Some(widths),
            cut,
            torn,
        }
    }

    /// The only column with each text in as many lines as it takes.
    fn lines(&self, style: Style) -> String {
        let mut text = String::new();
        let room = style.width.saturating_sub(1).max(4);
        for column in &self.columns {
            let name = Tone::Faint.paint(&fit(&column.name, room), style.colour);
            push_line(&mut text, &format!(" {name}"));
        }
        for cell in self.rows.iter().flatten() {
            for line in wrap_indented(&cell.text, room) {
                let line = cell.toned_as(line, style);
                push_line(&mut text, &format!(" {line}"));
            }
        }
        text
    }

    /// Each row as lines of heading and text, with an empty line between rows.
    fn records(&self, style: Style) -> String {
        let heading = self
            .columns
            .iter()
            .map(|column| width(&column.name))
            .max()
            .unwrap_or(0)
            .min(style.width / 3);
        let mut text = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            for (column, cell) in self.columns.iter().zip(row) {
                let name = fit(&column.name, heading);
                let gap = " ".repeat(heading - width(&name));
                let name = Tone::Faint.paint(&name, style.colour);
                let room = style.width.saturating_sub(heading + 3).max(1);
                let mut lines = wrap_exact(&cell.text, room)
                    .into_iter()
                    .map(|line| cell.toned_as(line, style));
                let first = lines.next().unwrap_or_default();
                push_line(&mut text, &format!(" {name}{gap}  {first}"));
                for line in lines {
                    push_line(&mut text, &format!(" {:heading$}  {line}", ""));
                }
            }
        }
        text
    }
}

/// A text in lines of `cells` cells, the last of which is cut where they are more than `most`; and whether it is whole.
fn folded(text: &str, cells: usize, most: usize) -> (String, bool) {
    if width(text) <= cells {
        return (text.to_owned(), true);
    }
    if most == 1 {
        return (fit(text, cells), false);
    }
    let mut lines = wrap_exact(text, cells);
    let whole = lines.len() <= most;
    if !whole {
        let rest = lines.split_off(most - 1).join(" ");
        lines.push(fit(&rest, cells));
    }
    (lines.join("\n"), whole)
}

fn colour(tone: Tone) -> Color {
    let style = tone.style();
    Color::new(style.render().to_string(), style.render_reset().to_string())
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

fn lines_without_trailing_space(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for line in text.lines() {
        push_line(&mut kept, line);
    }
    kept
}

/// The widths at which the columns fit: the widest columns of words give way. None where they cannot fit.
fn bounded(natural: &[usize], columns: &[Column], width: usize) -> Option<Vec<usize>> {
    // The padding behind the last column is not printed.
    let available = (width + 1).saturating_sub(natural.len() * PADDING);
    let total = |ceiling: usize| -> usize {
        natural
            .iter()
            .zip(columns)
            .map(|(width, column)| lowered(*width, column, ceiling))
            .sum()
    };
    let widest = natural.iter().copied().max().unwrap_or(0);
    let (mut low, mut high) = (NARROWEST, widest.max(NARROWEST));
    if total(low) > available {
        return None;
    }
    while low < high {
        let middle = (low + high).div_ceil(2);
        if total(middle) <= available {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    // What is left over is less than one cell for each column that was cut.
    let mut spare = available - total(low);
    let widths = natural.iter().zip(columns).map(|(width, column)| {
        let lowered = lowered(*width, column, low);
        let extra = usize::from(spare > 0 && lowered < *width);
        spare -= extra;
        lowered + extra
    });
    Some(widths.collect())
}

fn lowered(width: usize, column: &Column, ceiling: usize) -> usize {
    match column.kind {
        Kind::Words => width.min(ceiling),
        Kind::Label | Kind::Numbers => width,
    }
}
