//! The words that every report for people uses: how a step ended, how a run ended, and what that rests on.

use crate::base::exit::ExitCode;
use crate::base::text::{count, one_line, thousands};
use crate::base::{Status, Tone, Verdict};
use crate::event::{StepLine, StepTable, Summary};

/// The word for how a step ended, as this run means it. A step of a dry run that was started and not run was shown
/// instead of done; one that was not reached was not even started.
pub(super) fn word(line: &StepLine, dry: bool) -> &'static str {
    match (line.status(), &line.end) {
        (Status::NotRun, Some(end)) if dry && (end.preview.is_some() || begun(line)) => "would run",
        (Status::NotRun, None) if line.started => "unfinished",
        (status, _) => status.label(),
    }
}

/// Whether a step was started that may change something.
fn begun(line: &StepLine) -> bool {
    line.started && line.effect.changes()
}

/// Whether the eye must find it.
pub(super) fn is_bad(line: &StepLine) -> bool {
    line.status().verdict() != Verdict::Ok || (line.started && line.end.is_none())
}

const DRY_RUN: &str = "DRY RUN";

/// The words for how the run ended, as large as the verdict, and their tone.
pub(super) fn label(summary: &Summary) -> (&'static str, Tone) {
    let Some(verdict) = summary.verdict else {
        return ("CUT OFF", Tone::Unknown);
    };
    let stopped = |exit: ExitCode| summary.exit == Some(exit.code());
    if stopped(ExitCode::NotNow) {
        return ("NOT NOW", Tone::Warning);
    }
    if stopped(ExitCode::Interrupted) {
        return ("INTERRUPTED", Tone::Unknown);
    }
    if stopped(ExitCode::Terminated) {
        return ("TERMINATED", Tone::Unknown);
    }
    if stopped(ExitCode::Stuck) {
        return ("STUCK", Tone::Bad);
    }
    if stopped(ExitCode::Config) {
        return ("INVALID", Tone::Bad);
    }
    if verdict == Verdict::Ok && is_dry(summary) {
        return (DRY_RUN, Tone::Good);
    }
    (Status::from(verdict).label(), verdict.into())
}

/// Whether a signal ended the run.
pub(super) fn was_stopped(summary: &Summary) -> bool {
    [ExitCode::Interrupted, ExitCode::Terminated]
        .into_iter()
        .any(|exit| summary.exit == Some(exit.code()))
}

/// Whether writes were only shown.
pub(super) fn is_dry(summary: &Summary) -> bool {
    summary.start.as_ref().is_some_and(|start| start.dry)
}

/// Whether the reason is news: a verdict that is neither ok nor told by a step or a finding above it.
pub(super) fn tells_more(summary: &Summary) -> bool {
    let reason = one_line(&summary.reason);
    if reason.is_empty() || (summary.verdict == Some(Verdict::Ok) && summary.exit == Some(0)) {
        return false;
    }
    if reason.eq_ignore_ascii_case(label(summary).0) {
        return false;
    }
    let told = |text: &str| {
        let text = one_line(text);
        !text.is_empty() && reason.contains(&text)
    };
    let by_step = summary
        .steps
        .iter()
        .filter(|line| is_bad(line))
        .filter_map(|line| line.end.as_ref())
        .any(|end| told(&end.detail));
    let by_finding = summary.findings.iter().any(|finding| told(&finding.cause));
    !(by_step || by_finding)
}

/// What the verdict rests on: `5 steps: 2 ok, 1 warning, 1 critical, 1 skipped`.
pub(super) fn rest(summary: &Summary) -> String {
    let dry = is_dry(summary);
    let mut parts = Vec::new();
    if dry {
        let said = match label(summary).0 {
            DRY_RUN => "nothing was changed",
            _ => "dry run, nothing was changed",
        };
        parts.push(said.to_owned());
    }
    let Some(_) = summary.verdict else {
        parts.push("the run did not come to its end".to_owned());
        return parts.join("; ");
    };
    let may_have_changed = |line: &StepLine| begun(line) && line.status() != Status::NotRun;
    if !dry && was_stopped(summary) && !summary.steps.iter().any(may_have_changed) {
        parts.push("nothing was changed".to_owned());
    }
    for (noun, is_check) in [("check", true), ("step", false)] {
        let lines = summary.counted();
        let lines: Vec<&StepLine> = lines
            .filter(|line| line.check.is_some() == is_check)
            .collect();
        if !lines.is_empty() {
            let counted = counted(lines.iter().copied(), dry);
            parts.push(format!("{}: {counted}", count(lines.len(), noun)));
        }
    }
    worst_finding(summary, &mut parts);
    parts.join("; ")
}

/// How lines ended: `2 ok, 1 warning, 1 critical`.
pub(super) fn counted<'a>(lines: impl Iterator<Item = &'a StepLine>, dry: bool) -> String {
    let mut words: Vec<(usize, &str, u64)> = Vec::new();
    for line in lines {
        let status = line.status();
        let word = word(line, dry);
        match words.iter_mut().find(|(_, known, _)| *known == word) {
            Some((_, _, number)) => *number += 1,
            None => {
                let rank = Status::ALL.iter().position(|other| *other == status);
                words.push((rank.unwrap_or(0), word, 1));
            }
        }
    }
    words.sort_by_key(|(rank, _, _)| *rank);
    let counted: Vec<String> = words
        .iter()
        .map(|(_, word, number)| format!("{} {}", thousands(*number), word.to_lowercase()))
        .collect();
    counted.join(", ")
}

/// A finding can make a run worse than its steps: then it is named, so that the verdict explains itself.
fn worst_finding(summary: &Summary, parts: &mut Vec<String>) {
    let steps = summary.steps.iter().map(|line| line.status().verdict());
    let by_steps = steps.max().unwrap_or_default();
    let worse = summary
        .findings
        .iter()
        .filter(|finding| finding.severity.verdict() > by_steps)
        .count();
    if worse > 0 {
        parts.push(count(worse, "finding"));
    }
}

/// The same with every line of what would be sent, none of them joined with another: a comment ends where its line does.
pub(super) fn whole_detail(line: &StepLine) -> Vec<String> {
    let shown = line.end.as_ref().and_then(|end| {
        let sent = &end.preview.as_ref()?.sent;
        Some(if end.detail.is_empty() {
            sent
        } else {
            &end.detail
        })
    });
    match shown.map(|shown| shown.trim()) {
        Some(shown) if shown.contains('\n') => shown.lines().map(one_line).collect(),
        Some(_) | None => vec![detail(line)],
    }
}

/// Why a step ended so, in one line; where it was shown instead of done and says nothing, what it would send. Of several
/// lines that would be sent it is the first.
pub(super) fn detail(line: &StepLine) -> String {
    let Some(end) = &line.end else {
        return String::new();
    };
    let Some(preview) = &end.preview else {
        return one_line(&end.detail);
    };
    let rows = preview.rows.map(|rows| {
        let noun = if rows == 1 { "row" } else { "rows" };
        format!("touches {} {noun}", thousands(rows))
    });
    let (told, rows) = match (end.detail.is_empty(), end.detail.contains('\n')) {
        (true, _) => (preview.sent.as_str(), rows),
        (false, true) => (end.detail.as_str(), rows),
        (false, false) => (end.detail.as_str(), None),
    };
    let first = match told.trim().split_once('\n') {
        Some((first, _)) => format!("{} …", one_line(first)),
        None => one_line(told),
    };
    [Some(first), rows]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("; ")
}

/// The rows that a step shows, or some of those that it would touch, with what is said of them behind its name.
pub(super) fn shown_table(line: &StepLine) -> Option<(&StepTable, &'static str)> {
    let end = line.end.as_ref()?;
    let sample = || end.preview.as_ref()?.sample.as_ref();
    let shown = end.table.as_ref().map(|table| (table, ""));
    shown.or_else(|| Some((sample()?, ": some of the rows that it would touch")))
}

/// A runbook as it is typed: `db prune`.
pub(super) fn typed(runbook: &str) -> String {
    one_line(&runbook.replace('/', " "))
}
