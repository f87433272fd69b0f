//! What stands last: findings with the command that remedies each, files, and the verdict.

use std::fmt::Write as _;

use crate::base::exit::ExitCode;
use crate::base::text::{count, one_line, thousands, took, width};
use crate::base::{Status, Tone, Verdict};
use crate::event::{FindingLine, Summary};
use crate::report::Style;

use super::steps::{is_bad, word};
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
    let mut text = String::new();
    for line in &summary.steps {
        let Some(artifact) = line.end.as_ref().and_then(|end| end.artifact.as_deref()) else {
            continue;
        };
        if text.is_empty() {
            text = heading("Files", style);
        }
        for part in wrap(&one_line(artifact), style.width.saturating_sub(3).max(1)) {
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
    text
}

fn label(summary: &Summary) -> (&'static str, Tone) {
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
        return ("DRY RUN", Tone::Good);
    }
    (Status::from(verdict).label(), verdict.into())
}

fn is_dry(summary: &Summary) -> bool {
    summary.start.as_ref().is_some_and(|start| start.dry)
}

/// Whether the reason is news: a verdict that is neither ok nor told by a step or a finding above it.
fn tells_more(summary: &Summary) -> bool {
    let reason = one_line(&summary.reason);
    if reason.is_empty() || (summary.verdict == Some(Verdict::Ok) && summary.exit == Some(0)) {
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
fn rest(summary: &Summary) -> String {
    let dry = is_dry(summary);
    let mut parts = Vec::new();
    if dry {
        parts.push("nothing was changed".to_owned());
    }
    let Some(_) = summary.verdict else {
        parts.push("the run did not come to its end".to_owned());
        return parts.join("; ");
    };
    let mut words: Vec<(usize, &str, u64)> = Vec::new();
    for line in summary.counted() {
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
    if !counted.is_empty() {
        parts.push(format!(
            "{}: {}",
            count(summary.counted().count(), "step"),
            counted.join(", ")
        ));
    }
    worst_finding(summary, &mut parts);
    parts.join("; ")
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
