//! What wrangler says: its JSON, found among whatever else stands there, and its errors.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;

use super::super::d1::{Cell, MOST_CELLS};
use super::{WranglerError, plain};
use crate::base::text::{fit, one_line};
use crate::platform::process::Ended;
use crate::platform::rows::{Collector, Rows};

/// A message quotes at most so many characters of wrangler.
const QUOTED: usize = 300;

/// So many lines that look like the beginning of a JSON document are tried.
const MOST_STARTS: usize = 16;

/// What it says where workerd keeps the reason to its log.
const INTERNAL: &str = "internal error";

/// What it says before it has an import begin.
const IMPORT_BEGUN: [&str; 2] = ["Uploading complete", "File already uploaded"];

/// What wrangler wrote to its standard output where it succeeded.
pub(super) struct Said(String);

/// What one statement gave.
#[derive(serde::Deserialize)]
struct Outcome {
    results: Objects,
    meta: Option<Value>,
}

/// The rows, and whether there were more than are held.
struct Objects {
    rows: Vec<Vec<(String, Value)>>,
    more: bool,
}

/// A row: its columns in their order.
struct Row(Vec<(String, Value)>);

/// Its answer where it succeeded, else why not.
pub(super) fn judged(ended: &Ended) -> Result<Said, WranglerError> {
    if let Some(signal) = ended.signal {
        return Err(WranglerError::Killed(signal));
    }
    let stdout = plain(&ended.stdout);
    if ended.code == Some(0) {
        return Ok(Said(stdout));
    }
    let stderr = plain(&ended.stderr);
    let said = match document::<Value>(&stdout).as_ref().and_then(told) {
        Some(said) => with_reason(said, &stderr),
        None => beside(&stderr, &stdout),
    };
    let error = WranglerError::of(&fit(&one_line(&said), QUOTED));
    if IMPORT_BEGUN.iter().any(|words| stdout.contains(words)) {
        return Err(error.of_import_begun());
    }
    Err(error)
}

/// The message of `{"error": {"text", "notes"}}`, or of a text.
fn told(document: &Value) -> Option<String> {
    if let Some(text) = document.as_str() {
        return Some(text.to_owned());
    }
    let error = document.get("error")?;
    let text = error.get("text")?.as_str()?;
    let notes = error.get("notes").and_then(Value::as_array);
    let notes = notes.into_iter().flatten();
    let notes = notes.filter_map(|note| note.get("text")?.as_str());
    Some(
        std::iter::once(text)
            .chain(notes)
            .collect::<Vec<_>>()
            .join(" "),
    )
}

/// With the reason that workerd keeps to its log on standard error, where it ends a line with ` = ` and the reason.
fn with_reason(said: String, stderr: &str) -> String {
    if !said.starts_with(INTERNAL) {
        return said;
    }
    let mut lines = stderr.lines().filter(|line| line.contains("workerd/"));
    let reason = lines.find_map(|line| line.rsplit_once(" = "));
    match reason {
        Some((_, reason)) => format!("{said}: {}", reason.trim()),
        None => said,
    }
}

/// The message of a failure that is told in words: what stands behind `[ERROR]`, else the first line.
fn beside(stderr: &str, stdout: &str) -> String {
    let lines = || stderr.lines().chain(stdout.lines()).map(str::trim);
    let marked = lines().find_map(|line| line.split_once("[ERROR]"));
    let first = || lines().find(|line| !line.is_empty());
    let line = marked.map(|(_, line)| line.trim()).or_else(first);
    line.unwrap_or("it ended with an error and said nothing")
        .to_owned()
}

/// What each of so many statements gave; at most `limit` rows of each are kept.
pub(super) fn tables(
    said: &Said,
    statements: usize,
    limit: usize,
) -> Result<Vec<Rows>, WranglerError> {
    let outcomes: Vec<Outcome> = outcomes(said)?;
    if outcomes.len() != statements {
        return Err(WranglerError::Unreadable(
            "it does not hold one result for each statement",
        ));
    }
    let tables = outcomes.into_iter().map(|outcome| outcome.results);
    Ok(tables.map(|table| kept(table, limit)).collect())
}

/// How many rows an import changed: what D1 says, else how many it wrote.
pub(super) fn changes(said: &Said) -> Result<u64, WranglerError> {
    let outcomes = outcomes(said)?;
    let of = |outcome: &Outcome| {
        let meta = outcome.meta.as_ref()?;
        let count = meta.get("changes").or_else(|| meta.get("rows_written"))?;
        count.as_u64()
    };
    Ok(outcomes.iter().filter_map(of).sum())
}

/// How many bytes the database takes after the last statement: of its copy on this machine wrangler says nothing.
pub(super) fn size(said: &Said) -> Result<Option<u64>, WranglerError> {
    let outcomes = outcomes(said)?;
    let meta = outcomes.last().and_then(|outcome| outcome.meta.as_ref());
    Ok(meta.and_then(|meta| meta.get("size_after")?.as_u64()))
}

/// `{"bookmark": …}`
pub(super) fn bookmark(said: &Said) -> Result<String, WranglerError> {
    let document = document::<Value>(&said.0);
    let bookmark = document
        .as_ref()
        .and_then(|found| found.get("bookmark")?.as_str());
    bookmark
        .map(str::to_owned)
        .ok_or(WranglerError::Unreadable("it holds no bookmark"))
}

/// What `--version` says.
pub(super) fn version(ended: &Ended) -> Result<String, WranglerError> {
    let Said(said) = judged(ended)?;
    let words = said.split_whitespace();
    let version = words
        .rev()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
    Ok(version.map_or_else(|| fit(&one_line(&said), 40), str::to_owned))
}

fn outcomes(said: &Said) -> Result<Vec<Outcome>, WranglerError> {
    document(&said.0).ok_or(WranglerError::Unreadable("there is no result in it"))
}

/// The JSON document in an output: it begins a line of its own, and other lines may stand before and behind it.
fn document<T: DeserializeOwned>(output: &str) -> Option<T> {
    let starts = output.match_indices('\n').map(|(at, _)| at + 1);
    let starts = std::iter::once(0).chain(starts);
    let begins = |at: &usize| {
        output[*at..]
            .trim_start_matches(' ')
            .starts_with(['[', '{', '"'])
    };
    let read = |at: usize| {
        let mut documents = serde_json::Deserializer::from_str(&output[at..]).into_iter();
        documents.next()?.ok()
    };
    starts.filter(begins).take(MOST_STARTS).find_map(read)
}

fn kept(table: Objects, limit: usize) -> Rows {
    let names = table.rows.first().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<String> = names.iter().map(|(name, _)| name.clone()).collect();
    let mut collector = Collector::new(names.iter().map(String::as_str), limit);
    for row in table.rows {
        let values = row.into_iter().map(|(_, value)| value).collect();
        if !collector.push(values) {
            break;
        }
    }
    let mut rows = collector.finish();
    rows.truncated |= table.more;
    rows
}

impl<'de> Deserialize<'de> for Objects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rows;
        impl<'de> Visitor<'de> for Rows {
            type Value = Objects;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of rows")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Objects, A::Error> {
                let (mut rows, mut cells) = (Vec::new(), 0);
                while cells < MOST_CELLS {
                    let Some(Row(row)) = sequence.next_element()? else {
                        return Ok(Objects { rows, more: false });
                    };
                    cells += row.len().max(1);
                    rows.push(row);
                }
                let more = sequence.next_element::<IgnoredAny>()?.is_some();
                while sequence.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Objects { rows, more })
            }
        }
        deserializer.deserialize_seq(Rows)
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Cells;
        impl<'de> Visitor<'de> for Cells {
            type Value = Row;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a row")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut cells = Vec::new();
                while let Some((name, Cell(value))) = map.next_entry()? {
                    cells.push((name, value));
                }
                Ok(Row(cells))
            }
        }
        deserializer.deserialize_map(Cells)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use serde_json::json;

    use super::{Said, Value, beside, changes, document, tables, told, with_reason};

    const BANNERS: &str = "\n ⛅️ wrangler 4.164.0\n[wrangler:info] hello\n├ Checking if file needs uploading\n│\n\
        [\n  {\n    \"results\": [\n      {\"n\": 1, \"b\": [0, 255]}\n    ],\n    \"success\": true,\n    \"meta\": {\"changes\": 2}\n  }\n]\nA new version is there\n";

    #[test]
    fn the_answer_is_found_among_banners() {
        let said = Said(BANNERS.to_owned());
        let rows = tables(&said, 1, 9).unwrap().remove(0);
        assert_eq!(json!(rows.rows), json!([{"n": 1, "b": {"base64": "AP8="}}]));
        assert_eq!(changes(&said).unwrap(), 2);
        assert!(tables(&said, 2, 9).is_err());
        assert!(tables(&Said("all is well\n".to_owned()), 1, 9).is_err());
    }

    #[test]
    fn an_error_is_told_in_json_or_in_words() {
        let error = "\n{\n  \"error\": {\n    \"text\": \"A request failed.\",\n    \"notes\": [{\"text\": \"no [code: 7500]\"}]\n  }\n}\n";
        let error: Value = document(error).unwrap();
        assert_eq!(told(&error).unwrap(), "A request failed. no [code: 7500]");
        let words: Value = document("\n\"Error: both\"\n").unwrap();
        assert_eq!(told(&words).unwrap(), "Error: both");
        assert_eq!(
            beside("\n✘ [ERROR] Unknown argument: x\n", ""),
            "Unknown argument: x"
        );
        assert_eq!(beside("", ""), "it ended with an error and said nothing");
    }

    #[test]
    fn what_workerd_keeps_to_its_log_is_told_too() {
        let log = "e = workerd/util/sqlite.c++:914: failed: SQLite failed; dbErrorMessage(result, db) = database is locked: SQLITE_BUSY\n\
            stack: /bin/workerd@2b5edc0; wdErrId = abc; sentryTag = NOSENTRY\n";
        let told = |said: &str, log| with_reason(said.to_owned(), log);
        assert_eq!(
            told("internal error; reference = abc", log),
            "internal error; reference = abc: database is locked: SQLITE_BUSY"
        );
        assert_eq!(
            told("internal error; reference = abc", ""),
            "internal error; reference = abc"
        );
        assert_eq!(told("no such table: t", log), "no such table: t");
    }
}
