//! The format `markdown`: GitHub-flavoured Markdown, for step summaries, comments and tickets.
//! Source of the format: "GitHub Flavored Markdown Spec", sections 4.10 (tables), 6.1 (escapes), 6.3 (code spans).

use std::fmt::Write as _;
use std::io;

use serde_json::Value;

use crate::base::text::{one_line, took};
use crate::event::{Envelope, Event, StepTable, Summary};

use super::fold::{Folded, Shown, folded};
use super::notes::Notes;
use super::said::Said;
use super::wording::{is_bad, is_dry, label, rest, shown_table, tells_more, typed, word};
use super::{Format, Report};

/// The registry's line.
pub(super) const FORMAT: Format = Format {
    name: "markdown",
    help: "GitHub-flavoured Markdown, for summaries and comments",
    for_people: false,
    runs_only: true,
    rows_only: false,
    by_line: false,
    make: |_| Box::new(Markdown::default()),
};

/// So many rows of a table that a step shows are written.
const MOST_ROWS: usize = 100;

#[derive(Default)]
struct Markdown {
    summary: Summary,
    said: Said,
    notes: Notes,
}

impl Report for Markdown {
    fn event(&mut self, envelope: &Envelope, _: &mut dyn io::Write) -> io::Result<()> {
        self.summary.add_without_outputs(envelope);
        self.notes.hear(envelope);
        if let Event::StepFinished(end) = &envelope.event {
            self.said.hear(end);
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn io::Write) -> io::Result<()> {
        if self.summary.run.is_none() {
            return Ok(());
        }
        let shown = folded(&self.summary, false);
        let steps = &shown.lines;
        let blocks = [
            self.heading(),
            self.steps(&shown),
            self.remarks(steps),
            self.tables(),
            self.findings(),
            self.files(),
            self.list("Notes", self.notes.lines().iter().map(|note| escaped(note))),
        ];
        let told: Vec<String> = blocks
            .into_iter()
            .filter(|block| !block.is_empty())
            .collect();
        out.write_all(told.join("\n").as_bytes())?;
        out.flush()
    }
}

impl Markdown {
    /// The verdict, what it rests on, and why.
    fn heading(&self) -> String {
        let summary = &self.summary;
        let start = summary.start.as_ref();
        let runbook = start.map_or_else(|| "opsbook".to_owned(), |start| typed(&start.runbook));
        let (label, _) = label(summary);
        let mut text = format!("## {label}: {}\n\n", escaped(&runbook));
        let mut facts = vec![escaped(&rest(summary))];
        if summary.verdict.is_some() {
            facts.push(took(summary.took_ms));
        }
        facts.extend(summary.run.map(|run| format!("run {run}")));
        facts.extend(summary.exit.map(|exit| format!("exit {exit}")));
        let environment = start.and_then(|start| start.environment.as_deref());
        facts.extend(environment.map(|name| format!("environment {}", escaped(name))));
        facts.retain(|fact| !fact.is_empty());
        let _ = writeln!(text, "{}", facts.join(" · "));
        if tells_more(summary) {
            let _ = writeln!(text, "\n**{}**", escaped(&summary.reason));
        }
        text
    }

    fn steps(&self, shown: &Folded<'_>) -> String {
        let mut text = String::new();
        if !shown.lines.is_empty() {
            let (names, rule) = match shown.of_checks {
                true => ("service | check", "--- | ---"),
                false => ("step", "---"),
            };
            let _ = writeln!(text, "| {names} | status | severity | took | detail |");
            let _ = writeln!(text, "| {rule} | --- | --- | ---: | --- |");
        }
        for step in &shown.lines {
            text.push_str(&self.row(step, shown.of_checks));
        }
        if let Some(left_out) = &shown.left_out {
            let more = if shown.lines.is_empty() {
                ""
            } else {
                "\n… and "
            };
            let _ = writeln!(text, "{more}{left_out}; `--format json` has all of them");
        }
        text
    }

    fn row(&self, step: &Shown<'_>, of_checks: bool) -> String {
        let dry = is_dry(&self.summary);
        let line = step.line;
        let end = line.end.as_ref();
        let strong = |text: String| match is_bad(line) && !text.is_empty() {
            true => format!("**{text}**"),
            false => text,
        };
        let names = match &line.check {
            Some(check) if of_checks => vec![escaped(&check.service), escaped(&check.name)],
            None if of_checks => vec![String::new(), escaped(&step.name())],
            Some(_) | None => vec![escaped(&step.name())],
        };
        let names: Vec<String> = names.into_iter().map(strong).collect();
        let severity = end
            .and_then(|end| end.severity)
            .map_or("", |severity| severity.as_str());
        let time = end
            .and_then(|end| end.took_ms)
            .map_or_else(String::new, took);
        format!(
            "| {} | {} | {severity} | {time} | {} |\n",
            names.join(" | "),
            strong(word(line, dry).to_owned()),
            step.whole_detail()
                .iter()
                .map(|line| escaped(line))
                .collect::<Vec<_>>()
                .join("<br>")
        )
    }

    /// What programs of failed steps said last, and what to do about it.
    fn remarks(&self, steps: &[Shown<'_>]) -> String {
        let mut parts = Vec::new();
        for step in steps {
            let said = self.said.of(&step.line.step);
            let help = step.line.end.as_ref().and_then(|end| end.help.as_deref());
            if said.is_empty() && help.is_none() {
                continue;
            }
            let mut text = format!("### {}\n", escaped(&step.name()));
            if !said.is_empty() {
                let _ = write!(text, "\n{}", block(said));
            }
            if let Some(help) = help {
                let _ = writeln!(text, "\n→ {}", escaped(help));
            }
            parts.push(text);
        }
        parts.join("\n")
    }

    /// The rows that steps show.
    fn tables(&self) -> String {
        let lines = self.summary.steps.iter();
        let tables = lines.filter_map(|line| {
            let (table, what) = shown_table(line)?;
            let rows = rows(table);
            let name = escaped(line.step.as_str());
            Some(format!("### {name}{what}\n\n{rows}"))
        });
        tables.collect::<Vec<_>>().join("\n")
    }

    fn findings(&self) -> String {
        let findings = self.summary.findings.iter();
        self.list(
            "Findings",
            findings.map(|finding| {
                let remedy = finding.remedy.as_deref();
                let command =
                    remedy.map(|remedy| format!(" → {}", code(&format!("opsbook {remedy}"))));
                let cause = escaped(&finding.cause);
                format!(
                    "**{}** {cause}{}",
                    finding.severity,
                    command.unwrap_or_default()
                )
            }),
        )
    }

    fn files(&self) -> String {
        let ends = self
            .summary
            .steps
            .iter()
            .filter_map(|line| line.end.as_ref());
        self.list(
            "Files",
            ends.filter_map(|end| end.artifact.as_deref()).map(code),
        )
    }

    fn list(&self, heading: &str, items: impl Iterator<Item = String>) -> String {
        let items: String = items.map(|item| format!("- {item}\n")).collect();
        match items.is_empty() {
            true => items,
            false => format!("### {heading}\n\n{items}"),
        }
    }
}

fn rows(table: &StepTable) -> String {
    let mut text = String::new();
    if !table.columns.is_empty() {
        let cells = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        text.push_str(&cells(
            table.columns.iter().map(|name| escaped(name)).collect(),
        ));
        text.push_str(&cells(vec!["---".to_owned(); table.columns.len()]));
        for row in table.rows.iter().take(MOST_ROWS) {
            let value = |index| row.get(index).map_or_else(String::new, shown_value);
            text.push_str(&cells((0..table.columns.len()).map(value).collect()));
        }
    }
    let left_out = table.rows.len().saturating_sub(MOST_ROWS);
    if left_out > 0 {
        let _ = writeln!(
            text,
            "\n… and {left_out} more rows; `--format json` has them all"
        );
    }
    if let Some(remark) = &table.remark {
        let _ = writeln!(text, "\n{}", escaped(remark));
    }
    text
}

fn shown_value(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escaped(text),
        other => escaped(&other.to_string()),
    }
}

/// Foreign text as text: in one line, and with nothing in it that Markdown or HTML would act on.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for character in one_line(text).chars() {
        match character {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' | '#' => {
                safe.push('\\');
                safe.push(character);
            }
            _ => safe.push(character),
        }
    }
    safe
}

/// A code span, which nothing in the text ends early.
fn code(text: &str) -> String {
    let text = one_line(text);
    let fence = "`".repeat(longest_run(&text) + 1);
    match text.starts_with('`') || text.ends_with('`') {
        true => format!("{fence} {text} {fence}"),
        false => format!("{fence}{text}{fence}"),
    }
}

/// A block of lines as they are.
fn block(lines: &[String]) -> String {
    let longest = lines.iter().map(|line| longest_run(line)).max();
    let fence = "`".repeat(longest.unwrap_or(0).max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", lines.join("\n"))
}

/// The most backticks in a row.
fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{MOST_ROWS, code, escaped};
    use crate::base::{Severity, Status, Verdict};
    use crate::event::{Event, FindingRaised, sample};
    use crate::report::testing::written;

    #[test]
    fn the_verdict_comes_first_and_the_command_that_helps_last() {
        let mut bad = sample::step_finished("count", Status::Critical);
        bad.detail = "a|b <b>*x*</b> `y`".to_owned();
        bad.help = Some("look".to_owned());
        bad.outputs
            .insert("stderr".to_owned(), json!("one\n``` two"));
        let text = written(
            "markdown",
            &sample::stream(vec![
                sample::started(&["count", "delete"]),
                Event::StepFinished(bad),
                Event::FindingRaised(FindingRaised {
                    severity: Severity::P3,
                    cause: "late".to_owned(),
                    remedy: Some("db prune `now`".to_owned()),
                }),
                sample::run_finished(Verdict::Critical, 2, "count: a|b"),
            ]),
        );
        assert_eq!(
            text,
            r"## CRITICAL: db prune

2 steps: 1 critical, 1 not run · 2.00 s · run 412 · exit 2 · environment production

**count: a\|b**

| step | status | severity | took | detail |
| --- | --- | --- | ---: | --- |
| **count** | **CRITICAL** | P1 | 12 ms | a\|b &lt;b&gt;\*x\*&lt;/b&gt; \`y\` |
| delete | not run |  |  |  |

### count

````text
one
``` two
````

→ look

### Findings

- **P3** late → `` opsbook db prune `now` ``
"
        );
    }

    #[test]
    fn rows_are_bounded_and_what_is_left_out_is_counted() {
        let mut end = sample::step_finished("rows", Status::Ok);
        let rows = (0..MOST_ROWS + 7).map(|row| vec![json!(row)]).collect();
        end.table = Some(sample::table(&["a|b"], rows));
        let stream = sample::stream(vec![
            sample::started(&["rows"]),
            Event::StepFinished(end),
            sample::run_finished(Verdict::Ok, 0, ""),
        ]);
        let text = written("markdown", &stream);
        assert!(text.contains("| a\\|b |\n| --- |\n| 0 |\n"), "{text}");
        assert!(text.contains("| 99 |\n\n… and 7 more rows"), "{text}");
        assert!(!text.contains("| 100 |"), "{text}");
    }

    proptest! {
        #[test]
        fn escaped_text_is_one_line_and_opens_nothing(text in sample::any_text()) {
            let safe = escaped(&text);
            prop_assert!(!safe.contains(['\n', '<', '>']));
            let mut characters = safe.chars();
            while let Some(character) = characters.next() {
                match character {
                    '\\' => prop_assert!(characters.next().is_some_and(|next| next.is_ascii_punctuation())),
                    other => prop_assert!(!"`*_[]|~$#".contains(other), "{safe}"),
                }
            }
        }

        #[test]
        fn a_code_span_ends_where_its_text_ends(text in "[`|]{0,4}a[a `|]{0,9}[`|]{0,4}") {
            let span = code(&text);
            let fence: String = span.chars().take_while(|c| *c == '`').collect();
            let inside = span.strip_prefix(&fence).unwrap().strip_suffix(&fence).unwrap();
            prop_assert!(!inside.split(|c| c != '`').any(|run| run.len() == fence.len()), "{span}");
        }
    }
}
