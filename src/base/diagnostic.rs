//! Mistakes in a user's file, shown where they are: file, line, the text with a caret, what was expected.

use std::fmt::Write as _;
use std::ops::Range;

use super::SourceFile;
use super::literal::{is_below_secret, without_literals};
use super::text::{fit, neutral, width};

/// Lines longer than this are shown as a window around the mistake.
const WIDEST_LINE: usize = 100;

/// How many bytes are looked at before, in and behind a mistake: enough for the widest line, whatever its characters.
const WINDOW: usize = 1024;

/// Some bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub source: SourceFile,
    /// The bytes of the file that are meant.
    pub range: Range<usize>,
}

impl Place {
    /// These bytes of the file.
    #[must_use]
    pub fn new(source: &SourceFile, range: Range<usize>) -> Self {
        Self {
            source: source.clone(),
            range,
        }
    }
}

/// `path:line:column`.
impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (line, column) = self.source.line_and_column(self.range.start);
        write!(
            formatter,
            "{}:{line}:{column}",
            neutral(&self.source.path().display().to_string())
        )
    }
}

/// One mistake: what is wrong, where, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong: a lower-case fragment without a full stop.
    pub message: String,
    /// Where, if it stands in a file.
    pub place: Option<Place>,
    /// What was expected or what to do next.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A mistake at a place in a file.
    #[must_use]
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: Some(place),
            help: None,
        }
    }

    /// A mistake that stands in no file.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
            help: None,
        }
    }

    /// Adds what was expected or what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// `path:line:column`, if it stands in a file.
    #[must_use]
    pub fn position(&self) -> Option<String> {
        self.place.as_ref().map(Place::to_string)
    }
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Both quote what stands in the file.
        let message = neutral(&self.message);
        let help = self.help.as_deref().map(neutral);
        let Some(place) = &self.place else {
            formatter.write_str(&message)?;
            if let Some(help) = help {
                write!(formatter, "\n  {help}")?;
            }
            return Ok(());
        };
        let (number, text, caret) = excerpt(place);
        let gutter = number.to_string().len().max(5);
        let (offset, length) = caret;
        writeln!(formatter, "{place}")?;
        writeln!(formatter, "{number:>gutter$} │ {text}")?;
        write!(
            formatter,
            "{:gutter$} │ {:offset$}{} {}",
            "",
            "",
            "^".repeat(length),
            message
        )?;
        if let Some(help) = help {
            write!(formatter, "; {help}")?;
        }
        Ok(())
    }
}

/// The line number, the line as shown, and the caret's offset and length in terminal cells.
fn excerpt(place: &Place) -> (usize, String, (usize, usize)) {
    let (number, _) = place.source.line_and_column(place.range.start);
    // A secret that stands in a file by mistake must not stand in a log too. Its stars keep every character in its place.
    let looked_at = Parts::of(place);
    let below_secret = is_below_secret(place.source.text(), place.range.start);
    let line = [looked_at.before, looked_at.meant, looked_at.after].concat();
    let line = without_literals(&line, below_secret);
    let mut rest = line.chars();
    let mut part = |text: &str| -> String { rest.by_ref().take(text.chars().count()).collect() };
    let (before, meant, after) = (
        part(looked_at.before),
        part(looked_at.meant),
        part(looked_at.after),
    );
    let parts = Parts {
        before: &before,
        meant: &meant,
        after: &after,
        ..looked_at
    };
    let mut before = shown(parts.before);
    let meant = shown(parts.meant);
    if parts.starts_later || width(&before) + width(&meant) > WIDEST_LINE {
        let skip = before.chars().count().saturating_sub(20);
        if skip > 0 {
            before = format!("…{}", before.chars().skip(skip).collect::<String>());
        }
    }
    let offset = width(&before);
    let mut line = format!("{before}{meant}{}", shown(parts.after).trim_end());
    if parts.ends_sooner {
        line.push('…');
    }
    let line = fit(&line, WIDEST_LINE);
    let room = width(&line).saturating_sub(offset);
    (number, line, (offset, width(&meant).min(room).max(1)))
}

/// The parts of a mistake's line that are looked at, each of them bounded however long the line is.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    before: &'a str,
    meant: &'a str,
    after: &'a str,
    /// Whether the line begins before `before`.
    starts_later: bool,
    /// Whether the line goes on behind `after`, or `meant` behind what is looked at.
    ends_sooner: bool,
}

impl<'a> Parts<'a> {
    fn of(place: &'a Place) -> Self {
        let whole = place.source.text();
        let mut start = place.range.start.min(whole.len());
        while !whole.is_char_boundary(start) {
            start -= 1;
        }
        let line_start = whole[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = whole[start..]
            .find('\n')
            .map_or(whole.len(), |newline| start + newline);
        let mut end = place.range.end.clamp(start, line_end);
        while !whole.is_char_boundary(end) {
            end += 1;
        }
        let before = tail(&whole[line_start..start]);
        let meant = head(&whole[start..end]);
        let after = if start + meant.len() == end {
            head(&whole[end..line_end])
        } else {
            ""
        };
        Self {
            before,
            meant,
            after,
            starts_later: line_start + before.len() < start,
            ends_sooner: start + meant.len() + after.len() < line_end,
        }
    }
}

/// The first characters of a text, at most [`WINDOW`] bytes.
fn head(text: &str) -> &str {
    let mut end = text.len().min(WINDOW);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The last characters of a text, at most [`WINDOW`] bytes.
fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(WINDOW);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

fn shown(text: &str) -> String {
    neutral(text.trim_end_matches('\r')).replace('\t', "    ")
}

/// Several mistakes, shown together. Never empty when returned as an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// No mistake yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a mistake.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds the mistakes of another collection.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Whether no mistake was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many mistakes were found.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The mistakes in the order in which they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Takes a mistake out again.
    pub fn remove(&mut self, diagnostic: &Diagnostic) {
        self.0.retain(|kept| kept != diagnostic);
    }

    /// Sorts by file and place, and drops what was found twice.
    pub fn sort(&mut self) {
        let key = |diagnostic: &Diagnostic| {
            diagnostic
                .place
                .as_ref()
                .map(|place| (place.source.path().to_owned(), place.range.start))
        };
        self.0.sort_by_key(key);
        self.0.dedup();
    }

    /// `value` if nothing was found, else what was found, sorted.
    ///
    /// # Errors
    /// The mistakes, when there are any.
    pub fn into_result<T>(mut self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            return Ok(value);
        }
        self.sort();
        Err(self)
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl std::fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                text.push_str("\n\n");
            }
            write!(text, "{diagnostic}")?;
        }
        formatter.write_str(&text)
    }
}

impl std::error::Error for Diagnostics {}

/// The shortest word that counts as the beginning of another: `int` of `integer`.
const SHORTEST_BEGINNING: usize = 3;

/// The candidate that a mistyped word most likely means: one that differs in few letters, else one that the word begins
/// with, or that begins with the word.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let mistyped = candidates
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= 1.max(word.len().min(candidate.len()) / 3))
        .min()
        .map(|(_, candidate)| candidate);
    let begun = || {
        let is_beginning = |candidate: &&str| {
            word.len().min(candidate.len()) >= SHORTEST_BEGINNING
                && (word.starts_with(*candidate) || candidate.starts_with(word))
        };
        let begun = candidates.iter().copied().filter(is_beginning);
        begun.min_by_key(|candidate| word.len().abs_diff(candidate.len()))
    };
    mistyped.or_else(begun)
}

#[cfg(test)]
mod tests {
    use super::{Diagnostic, Parts, Place, SourceFile, WINDOW, nearest};

    #[test]
    fn what_is_quoted_cannot_steer_a_terminal() {
        let source = SourceFile::new("a.toml", "x");
        for diagnostic in [
            Diagnostic::new("no \u{1b}[2J here"),
            Diagnostic::at(Place::new(&source, 0..1), "no \u{1b}[2J here"),
        ] {
            let shown = diagnostic.help("write \u{202e}\u{7}").to_string();
            assert!(shown.contains("no ␛[2J here"), "{shown}");
            assert!(shown.contains("write \u{fffd}␇"), "{shown}");
        }
    }

    #[test]
    fn shows_file_line_text_caret_and_fix() {
        let source = SourceFile::new(
            "runbooks/db/prune.toml",
            "title = \"x\"\ntimeuot = \"3s\"\n",
        );
        let diagnostic =
            Diagnostic::at(Place::new(&source, 12..19), "unknown key in step \"count\"")
                .help("did you mean `timeout`?");
        assert_eq!(
            diagnostic.to_string(),
            "runbooks/db/prune.toml:2:1\n    2 │ timeuot = \"3s\"\n      │ ^^^^^^^ unknown key in step \"count\"; did you mean `timeout`?"
        );
    }

    #[test]
    fn places_the_caret_by_cells_and_survives_odd_places() {
        let source = SourceFile::new("x.toml", "a = \"日本\"\tb");
        assert!(
            Diagnostic::at(Place::new(&source, 11..12), "here")
                .to_string()
                .contains("│          ^ here")
        );
        for start in 0..20 {
            for end in 0..20 {
                let _ = Diagnostic::at(Place::new(&source, start..end), "anywhere").to_string();
            }
        }
    }

    #[test]
    fn a_long_line_becomes_a_window() {
        let source = SourceFile::new(
            "x.toml",
            format!("a = \"{}\" wrong {}", "y".repeat(5000), "z".repeat(5000)),
        );
        let shown = Diagnostic::at(Place::new(&source, 5007..5012), "here").to_string();
        assert!(
            shown.lines().all(|line| line.chars().count() < 120),
            "{shown}"
        );
        assert!(shown.contains("wrong"));
    }

    /// The same mistake on a line of some kibibytes and on one of mebibytes: no more is looked at, and no less is shown.
    #[test]
    fn no_more_of_a_line_is_looked_at_than_is_shown() {
        for (filler, mistake) in [("y", "wrong"), ("é\u{300}", "falsch"), ("日\t", "誤り")] {
            let drawn = |count: usize| {
                let (before, after) = (filler.repeat(count), filler.repeat(count));
                let source = SourceFile::new("x.toml", format!("{before}{mistake}{after}\nb = 1"));
                let place = Place::new(&source, before.len()..before.len() + mistake.len());
                let parts = Parts::of(&place);
                assert_eq!(parts.meant, mistake);
                assert!(parts.starts_later && parts.ends_sooner, "{parts:?}");
                assert!(parts.before.len() <= WINDOW && parts.after.len() <= WINDOW);
                let shown = Diagnostic::at(place, "here").to_string();
                shown.lines().skip(1).collect::<Vec<_>>().join("\n")
            };
            assert!(drawn(2_000).contains(&format!("{}{mistake}", filler.replace('\t', "    "))));
            assert_eq!(drawn(2_000), drawn(500_000));
        }
    }

    #[test]
    fn a_mistake_that_is_a_long_line_itself_is_cut() {
        let text = format!("a = {}", "\u{300}".repeat(500_000));
        let source = SourceFile::new("x.toml", text.as_str());
        let place = Place::new(&source, 4..text.len());
        let parts = Parts::of(&place);
        assert_eq!((parts.before, parts.meant.len()), ("a = ", WINDOW));
        assert!(!parts.starts_later && parts.ends_sooner);
        let shown = Diagnostic::at(place, "here").to_string();
        assert!(shown.contains("…\n"), "{shown}");
        assert!(shown.len() < 2 * WINDOW, "{}", shown.len());
    }

    #[test]
    fn finds_the_nearest_word_or_none() {
        assert_eq!(nearest("timeuot", ["title", "timeout"]), Some("timeout"));
        assert_eq!(nearest("frobnicate", ["title", "timeout"]), None);
        assert_eq!(nearest("integer", ["string", "int"]), Some("int"));
        assert_eq!(nearest("str", ["structure", "string"]), Some("string"));
        assert_eq!(nearest("in", ["integer", "string"]), None);
    }
}
