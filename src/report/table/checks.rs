//! The table of checks: a line each, with its service, so that a line says all of it wherever it is copied to.

use crate::base::text::{fit, one_line, width};
use crate::report::Style;
use crate::report::fold::Shown;
use crate::report::wording::is_bad;

use super::grid::{Cell, Column, Grid, Kind};
use super::steps::{named, severity, status, time};

/// Details in less room than this say nothing: they are told below the table then.
const LEAST_DETAIL: usize = 20;

/// The table of checks, and how much room it has for details; none where all of them are whole.
pub(super) fn table(checks: &[Shown<'_>], dry: bool, style: Style) -> (String, Option<usize>) {
    if checks.is_empty() {
        return (String::new(), None);
    }
    let natural = wide(checks, dry, usize::MAX).fitted(style, 1);
    let short = style.width / 5;
    let name_is_cut = |check: &Shown<'_>| {
        let of = check.line.check.as_ref();
        let longest = of.map(|of| width(&one_line(&of.service)).max(width(&one_line(&of.name))));
        is_bad(check.line) && longest.is_some_and(|longest| longest > short)
    };
    for (table, cut) in [
        (natural, false),
        (
            wide(checks, dry, short).fitted(style, 1),
            checks.iter().any(name_is_cut),
        ),
    ] {
        let room = table.room();
        if table.widths.is_some() && room.is_none_or(|room| room >= LEAST_DETAIL) {
            return (table.text, if cut { Some(0) } else { room });
        }
    }
    (narrow(checks, dry).fitted(style, 1).text, Some(0))
}

/// All columns; where names may take only so many cells, the severity gives way too: the status says it roughly.
fn wide(checks: &[Shown<'_>], dry: bool, names: usize) -> Grid {
    let severe = checks.iter().any(|check| severity(check.line).is_some());
    let severe = severe && names == usize::MAX;
    let mut columns = vec![
        Column::new("service", Kind::Words),
        Column::new("check", Kind::Words),
        Column::new("status", Kind::Label),
        Column::new("severity", Kind::Label),
        Column::new("took", Kind::Numbers),
        Column::new("detail", Kind::Words),
    ];
    let rows = checks.iter().map(|check| {
        let line = check.line;
        let (service, name) = match &line.check {
            Some(of) => (one_line(&of.service), one_line(&of.name)),
            None => (String::new(), check.name()),
        };
        vec![
            named(fit(&service, names), line),
            named(fit(&name, names), line),
            status(line, dry),
            Cell::new(severity(line).unwrap_or_default()),
            time(line),
            Cell::new(check.detail()),
        ]
    });
    let mut rows: Vec<Vec<Cell>> = rows.collect();
    if !severe {
        columns.remove(3);
        for row in &mut rows {
            row.remove(3);
        }
    }
    Grid { columns, rows }
}

/// The same without details.
fn narrow(checks: &[Shown<'_>], dry: bool) -> Grid {
    let columns = vec![
        Column::new("check", Kind::Words),
        Column::new("status", Kind::Label),
        Column::new("took", Kind::Numbers),
    ];
    let rows = checks.iter().map(|check| {
        let line = check.line;
        vec![named(check.name(), line), status(line, dry), time(line)]
    });
    Grid {
        columns,
        rows: rows.collect(),
    }
}
