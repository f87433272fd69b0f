//! What stands last: findings with the command that remedies each, files, and the verdict.

use std::fmt::Write as _;

use crate::base::text::{one_line, took, width};
use crate::base::{Status, Tone};
use crate::event::{FindingLine, Resumption, StepLine, Summary};
use crate::report::Style;
use crate::report::wording::{label, rest, tells_more, was_stopped};

use super::wrap::wrap;

/// The findings, worst first. A command is never cut or broken: it is there to be pasted.
pub(super) fn findings(summary: &Summary, style: Style) -> String {
    let mut text = heading("Findings", style);
    // Commands stand below each other where causes are short enough.
    let room = style.width.saturating_sub(7).max(1);
    let widest = |finding: &FindingLine| width(&one_line(&finding.cause));
    let causes = summary.findings.iter().map(widest).max().unwrap_or(0);
    let commands = summary.findings.iter().filter_map(command);
    let beside = commands
        .map(|command| causes + 4 + width(&command))
        .all(|needed| needed <= room);
    for finding in &summary.findings {
        let tone = Tone::from(finding.severity.verdict());
        let severity = tone.paint(finding.severity.as_str(), style.colour);
        let cause = one_line(&finding.cause);
        let mut lines = wrap(&cause, room).into_iter();
        let first = lines.next().unwrap_or_default();
        let _ = write!(text, "   {severity}  {first}");
        let command = command(finding).map(|command| Tone::Strong.paint(&command, style.colour));
        match command {
            Some(command) if beside => {
                let gap = " ".repeat(causes - width(&cause));
                let _ = writeln!(text, "{gap}  → {command}");
            }
            command => {
                text.push('\n');
                for line in lines {
                    let _ = writeln!(text, "       {line}");
                }
                if let Some(command) = command {
                    let _ = writeln!(text, "       → {command}");
                }
            }
        }
    }
    text
}

fn command(finding: &FindingLine) -> Option<String> {
    let remedy = finding.remedy.as_deref()?;
    Some(format!("opsbook {}", one_line(remedy)))
}

/// The files that steps wrote; empty where there are none.
pub(super) fn files(summary: &Summary, style: Style) -> String {
    let ends = summary.steps.iter().filter_map(|line| line.end.as_ref());
    list(
        "Files",
        ends.filter_map(|end| end.artifact.as_deref()),
        style,
    )
}

/// What happened to the run beside its steps; empty where nothing did.
pub(super) fn notes(notes: &[String], style: Style) -> String {
    list("Notes", notes.iter().map(String::as_str), style)
}

fn list<'a>(name: &str, items: impl Iterator<Item = &'a str>, style: Style) -> String {
    let mut text = String::new();
    for item in items {
        if text.is_empty() {
            text = heading(name, style);
        }
        for part in wrap(&one_line(item), style.width.saturating_sub(3).max(1)) {
            let _ = writeln!(text, "   {part}");
        }
    }
    text
}

fn heading(word: &str, style: Style) -> String {
    format!(" {}\n", Tone::Strong.paint(word, style.colour))
}

/// The last lines: the reason where no step told it already, then the verdict with what it rests on.
pub(super) fn verdict(summary: &Summary, style: Style) -> String {
    let (label, tone) = label(summary);
    let said = rest(summary);
    let right = right(summary);
    let mut text = String::new();
    let indent = width(label) + 3;
    let room = style.width.saturating_sub(indent).max(1);
    let painted = tone.paint(label, style.colour);
    let mut lines = Vec::new();
    if tells_more(summary) {
        lines.extend(wrap(&one_line(&summary.reason), room));
    }
    let fits = width(&said) + 3 + width(&right) <= room;
    if fits {
        let gap = " ".repeat(room - width(&said) - width(&right));
        lines.push(format!("{said}{gap}{right}"));
    } else {
        lines.extend(wrap(&said, room));
        let alone = width(&right) <= room;
        lines.extend(if alone {
            vec![right]
        } else {
            wrap(&right, room)
        });
    }
    for (index, line) in lines.iter().enumerate() {
        let start = if index == 0 {
            format!(" {painted}  ")
        } else {
            " ".repeat(indent)
        };
        let _ = writeln!(text, "{}", format!("{start}{line}").trim_end());
    }
    if let Some(command) = next_command(summary) {
        let command = Tone::Strong.paint(&command, style.colour);
        let _ = writeln!(text, "{}→ {command}", " ".repeat(indent));
    }
    text
}

/// The command that goes on with a run that was stopped or cut off on its way. Where it is stuck its steps name it.
fn next_command(summary: &Summary) -> Option<String> {
    let run = summary.run?;
    let is_dry = summary.start.as_ref().is_some_and(|start| start.dry);
    let verb = match summary.resumed {
        Some(Resumption::Undo) => "undo",
        Some(Resumption::Resume) | None => "resume",
    };
    let ran = |line: &StepLine| !matches!(line.status(), Status::NotRun | Status::Skipped);
    let on_its_way = was_stopped(summary) && summary.steps.iter().any(ran);
    ((on_its_way || summary.verdict.is_none()) && !is_dry).then(|| format!("opsbook {verb} {run}"))
}

fn right(summary: &Summary) -> String {
    let mut parts = Vec::new();
    if summary.verdict.is_some() {
        parts.push(took(summary.took_ms));
    }
    if let Some(run) = summary.run {
        parts.push(format!("run {run}"));
    }
    parts.join("   ")
}
