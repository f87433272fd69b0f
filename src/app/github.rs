//! What GitHub Actions reads of a run: annotations and masks as workflow commands on standard error, and a summary in the
//! file that it names. Never on standard output, which is data, and never a reason for a run to fail.
//! Source of the format: "Workflow commands for GitHub Actions"; the escaping is that of `@actions/core`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use nix::sys::stat::{SFlag, fstat};

use crate::base::{Secret, Verdict};
use crate::event::{Envelope, StepPlace, Summary};
use crate::report::{self, Point, Report, Style, points};
use crate::term::Terminal;

use super::{App, Environment};

/// GitHub takes no more than this of one summary.
const MOST_SUMMARY: usize = 1 << 20;

/// A line of a secret that is shorter than this would hide every second word of the log.
const SHORTEST_LINE: usize = 4;

/// A run as GitHub Actions is told of it.
pub(super) struct GitHub {
    terminal: Terminal,
    folder: PathBuf,
    workspace: Option<PathBuf>,
    summary_file: Option<PathBuf>,
    summary: Summary,
    markdown: Option<Box<dyn Report>>,
}

/// Whether GitHub Actions reads what goes to standard error.
fn listens(environment: &Environment) -> bool {
    environment.variable("GITHUB_ACTIONS") == Some("true") && !environment.facts.stderr.terminal
}

/// Tells GitHub which texts to hide in its log. Say it before anything else is said.
pub(super) fn mask<'a>(app: &App, secrets: impl IntoIterator<Item = &'a Secret>) {
    // In a file nobody acts on the command, and the secret would stay there.
    if !listens(app.environment()) || stderr_is_a_file() {
        return;
    }
    let commands: String = secrets.into_iter().flat_map(masks).collect();
    if !commands.is_empty() {
        app.terminal().error(&commands);
    }
}

/// The annotation of what kept opsbook from doing what it was asked; none where GitHub does not listen.
pub(super) fn refusal(message: &str, environment: &Environment) -> Option<String> {
    let title = [("title", "opsbook".to_owned())];
    listens(environment).then(|| command("error", &title, message.trim_end()))
}

fn stderr_is_a_file() -> bool {
    fstat(std::io::stderr()).map_or(true, |stat| {
        SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG
    })
}

/// A command for each line of a secret: the log is searched line by line.
fn masks(secret: &Secret) -> Vec<String> {
    let text = secret.expose();
    let lines: Vec<&str> = text.lines().collect();
    let several = lines.len() > 1;
    lines
        .into_iter()
        .filter(|line| !line.trim().is_empty() && (!several || line.len() >= SHORTEST_LINE))
        .map(|line| command("add-mask", &[], line))
        .collect()
}

impl GitHub {
    /// None where GitHub Actions does not listen.
    pub(super) fn of(app: &App) -> Option<Self> {
        let environment = app.environment();
        let path = |name: &str| environment.variable(name).map(PathBuf::from);
        listens(environment).then(|| Self {
            terminal: app.terminal().clone(),
            folder: environment.folder.clone(),
            workspace: path("GITHUB_WORKSPACE"),
            summary_file: path("GITHUB_STEP_SUMMARY"),
            summary: Summary::default(),
            markdown: report::format("markdown").map(|format| (format.make)(Style::default())),
        })
    }

    /// Takes in the next event of the run.
    pub(super) fn event(&mut self, envelope: &Envelope) {
        self.summary.add_without_outputs(envelope);
        if let Some(markdown) = &mut self.markdown {
            // It writes nothing before the end.
            let _ = markdown.event(envelope, &mut std::io::sink());
        }
    }

    /// Says what is wrong where, and writes the summary.
    pub(super) fn finish(mut self) {
        let annotations = self.annotations();
        if !annotations.is_empty() {
            self.terminal.error(&annotations);
        }
        let Some(path) = self.summary_file.clone() else {
            return;
        };
        if let Err(error) = self.summarise(&path) {
            self.terminal.error(&format!(
                "opsbook: the summary {} cannot be written: {error}\n",
                path.display()
            ));
        }
    }

    /// A command for each step and finding that is not well.
    fn annotations(&self) -> String {
        let start = self.summary.start.as_ref();
        let runbook = start.map_or_else(String::new, |start| start.runbook.replace('/', " "));
        let points = points(&self.summary);
        let bad = points.iter().filter(|point| point.is_bad());
        bad.map(|point| self.annotation(point, &runbook)).collect()
    }

    fn annotation(&self, point: &Point<'_>, runbook: &str) -> String {
        let level = match point.verdict {
            Verdict::Warning => "warning",
            Verdict::Ok | Verdict::Unknown | Verdict::Critical => "error",
        };
        let title = format!("{runbook}: {} {}", point.name, point.word);
        let mut lines = vec![match point.message.as_str() {
            "" => point.word.to_owned(),
            message => message.to_owned(),
        }];
        lines.extend(point.lines());
        let place = point.step.and_then(|step| step.place.as_ref());
        let (file, line) = place
            .and_then(|place| self.place(place))
            .unwrap_or_default();
        let properties = [("title", title), ("file", file), ("line", line)];
        command(level, &properties, &lines.join("\n"))
    }

    /// Where a step stands, as GitHub looks for it: below the folder of the repository.
    fn place(&self, place: &StepPlace) -> Option<(String, String)> {
        let path = self.folder.join(&place.file);
        if !path.is_file() {
            return None;
        }
        let below = self
            .workspace
            .as_ref()
            .and_then(|workspace| path.strip_prefix(workspace).ok())
            .map_or_else(|| place.file.clone(), |below| below.display().to_string());
        Some((below, place.line.to_string()))
    }

    fn summarise(&mut self, path: &Path) -> std::io::Result<()> {
        let mut text = Vec::new();
        if let Some(markdown) = &mut self.markdown {
            markdown.finish(&mut text)?;
        }
        let text = String::from_utf8_lossy(&text);
        let there = std::fs::metadata(path).map_or(0, |there| there.len());
        let room = MOST_SUMMARY.saturating_sub(usize::try_from(there).unwrap_or(MOST_SUMMARY));
        let run = self
            .summary
            .run
            .map_or_else(String::new, |run| run.to_string());
        let Some(text) = bounded(&text, room, &run) else {
            return Err(std::io::Error::other(
                "GitHub takes no more than 1 MiB of a step",
            ));
        };
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        file.write_all(text.as_bytes())
    }
}

/// The text with an empty line behind it, cut between lines where there is no room for all of it, which is said. None
/// where there is no room to say so.
fn bounded(text: &str, room: usize, run: &str) -> Option<String> {
    if text.len() < room {
        return Some(format!("{text}\n"));
    }
    let note =
        format!("\n\n… cut here; `opsbook runs replay {run} --format markdown` prints all of it\n");
    let mut end = room.checked_sub(note.len())?;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = text[..end].rfind('\n').map_or("", |cut| &text[..cut]);
    Some(format!("{kept}{note}"))
}

/// A workflow command in a line of its own. A property that is empty is left out.
fn command(name: &str, properties: &[(&str, String)], data: &str) -> String {
    let given: Vec<String> = properties
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("{key}={}", escape_property(value)))
        .collect();
    let space = if given.is_empty() { "" } else { " " };
    format!(
        "::{name}{space}{}::{}\n",
        given.join(","),
        escape_data(data)
    )
}

fn escape_data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]
mod tests {
    use std::io::{Seek as _, Write as _};
    use std::path::Path;
    use std::process::Command;

    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    use serde_json::json;

    use super::{bounded, command, masks};
    use crate::base::Secret;
    use crate::event::sample;

    /// Writes the commands of cases, one JSON list of name, properties and data a line, as `@actions/core` does.
    const CORE: &str = r#"
        const { issueCommand } = require("@actions/core/lib/command");
        const lines = require("fs").readFileSync(0, "utf8").split("\n").filter(Boolean);
        for (const line of lines) {
            const [name, properties, data] = JSON.parse(line);
            issueCommand(name, properties, data);
        }
    "#;

    #[test]
    fn commands_are_those_of_actions_core_whatever_texts_hold() {
        let hostile = || {
            prop_oneof![
                sample::any_text(),
                "[%:,\r\n0-9A-F ]{0,20}",
                Just("::error::x".to_owned())
            ]
        };
        let strategy = (hostile(), hostile(), hostile());
        let mut runner = TestRunner::deterministic();
        let (mut asked, mut ours) = (String::new(), String::new());
        for _ in 0..400 {
            let (title, file, data) = strategy.new_tree(&mut runner).unwrap().current();
            let case = json!(["error", {"title": title, "file": file, "line": "7"}, data]);
            asked.push_str(&format!("{case}\n"));
            let properties = [("title", title), ("file", file), ("line", "7".to_owned())];
            ours.push_str(&command("error", &properties, &data));
        }
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/npm");
        // Not a pipe: programs of older Node.js cannot wait for one to be filled.
        let mut input = tempfile::tempfile().unwrap();
        input.write_all(asked.as_bytes()).unwrap();
        input.rewind().unwrap();
        let output = Command::new("node")
            .args(["-e", CORE])
            .current_dir(modules)
            .stdin(input)
            .output()
            .expect("Node.js is missing; run: sudo scripts/test");
        assert!(
            output.status.success(),
            "run: npm install --no-save --prefix tests/npm"
        );
        let theirs = String::from_utf8(output.stdout).unwrap();
        assert_eq!(ours.lines().count(), 400);
        for (ours, theirs) in ours.lines().zip(theirs.lines()) {
            assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn every_line_of_a_secret_is_masked_that_can_be() {
        let of = |text: &str| masks(&Secret::new(text.to_owned())).concat();
        assert_eq!(of("100% sure"), "::add-mask::100%25 sure\n");
        assert_eq!(of("abc"), "::add-mask::abc\n");
        assert_eq!(of("{\n  \"key\"\r\n}\n"), "::add-mask::  \"key\"\n");
        assert_eq!(of(" \n\n"), "");
    }

    #[test]
    fn a_summary_is_cut_between_lines_and_says_so() {
        let text = "line é\n".repeat(1000);
        assert_eq!(
            bounded(&text, text.len() + 1, "7"),
            Some(format!("{text}\n"))
        );
        for room in (100..140).chain([text.len() - 1, text.len()]) {
            let cut = bounded(&text, room, "7").unwrap();
            assert!(cut.len() <= room, "{room}");
            assert!(
                cut.starts_with("line é\n") && cut.ends_with("prints all of it\n"),
                "{cut}"
            );
            assert!(
                cut.contains("line é\n\n… cut here; `opsbook runs replay 7"),
                "{cut}"
            );
        }
        assert_eq!(bounded(&text, 20, "7"), None);
    }
}
