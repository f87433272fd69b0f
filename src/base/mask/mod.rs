//! Takes secrets out of text on its way out. The last hop before anything is kept or shown.

mod forms;
#[cfg(test)]
mod tests;
mod views;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::AhoCorasick;
use serde_json::Value;

use super::Secret;
use views::View;

/// Shorter secrets are not masked: every second word of a text would be.
const SHORTEST: usize = 4;

/// What stands where a secret stood.
const MASK: &str = "***";

/// The longest part of an escape that a cut can leave: `\\ud83d\\udd1` of a key in JSON inside of JSON.
const REST_OF_ESCAPE: usize = 14;

/// Replaces known secrets by `***`: as they are, in base64 and hexadecimal, and however much of them is escaped for a URL,
/// JSON, XML or a shell. Clones share what they know.
#[derive(Clone, Default)]
pub struct Masker(Arc<RwLock<Arc<Known>>>);

/// What is looked for.
#[derive(Default)]
struct Known {
    automaton: Option<AhoCorasick>,
    needles: Vec<String>,
}

/// It knows secrets, so it tells nothing of them.
impl fmt::Debug for Masker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Masker(***)")
    }
}

impl Masker {
    /// Masks these secrets. A secret of fewer than four bytes is left alone.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let masker = Self::default();
        masker.learn(secrets);
        masker
    }

    /// From now on masks these secrets too, wherever a clone of this is used.
    pub fn learn<'a>(&self, secrets: impl IntoIterator<Item = &'a Secret>) {
        let known = self.known();
        let mut needles: BTreeSet<String> = known.needles.iter().cloned().collect();
        for secret in secrets {
            needles.extend(forms::of(secret.expose()));
        }
        if needles.len() == known.needles.len() {
            return;
        }
        let needles: Vec<String> = needles.into_iter().collect();
        // Building fails only beyond the automaton's size limits, far above what secrets reach.
        let automaton = AhoCorasick::new(&needles).ok();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(Known { automaton, needles });
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The text without the secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.known().masked(text).unwrap_or_else(|| text.to_owned())
    }

    /// Whether there is a secret in the text.
    #[must_use]
    pub fn finds_in(&self, text: &str) -> bool {
        !self.known().places(text).is_empty()
    }

    /// The same for every string inside a JSON value, keys included.
    #[must_use]
    pub fn finds_in_json(&self, value: &Value) -> bool {
        let known = self.known();
        known.automaton.is_some() && known.finds_in_json(value)
    }

    /// The same as [`Masker::text`] for every string inside a JSON value, keys included.
    #[must_use]
    pub fn json(&self, value: Value) -> Value {
        let known = self.known();
        match known.automaton {
            Some(_) => known.json(value),
            None => value,
        }
    }

    /// What is before a cut, without the beginning of a secret that the cut went through.
    #[must_use]
    pub fn before_cut<'a>(&self, text: &'a str) -> &'a str {
        &text[..self.known().begun(text, 1)]
    }

    /// What is after a cut, without the end of a secret that the cut went through.
    #[must_use]
    pub fn after_cut<'a>(&self, text: &'a str) -> &'a str {
        &text[self.known().ended(text, 1)..]
    }

    /// A text that may be cut at both ends, or at none: what could be part of a secret there is left out, but for what is
    /// too short to tell of it.
    #[must_use]
    pub fn between_cuts<'a>(&self, text: &'a str) -> &'a str {
        let known = self.known();
        let text = &text[known.ended(text, SHORTEST)..];
        &text[..known.begun(text, SHORTEST)]
    }

    /// Whether there is nothing to mask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known().automaton.is_none()
    }
}

impl Known {
    /// The text without the secrets; none where there are none in it.
    fn masked(&self, text: &str) -> Option<String> {
        let places = self.places(text);
        if places.is_empty() {
            return None;
        }
        let mut masked = String::with_capacity(text.len());
        let mut from = 0;
        for place in places {
            masked.push_str(&text[from..place.start]);
            masked.push_str(MASK);
            from = place.end;
        }
        masked.push_str(&text[from..]);
        Some(masked)
    }

    fn finds_in_json(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => !self.places(text).is_empty(),
            Value::Array(items) => items.iter().any(|item| self.finds_in_json(item)),
            Value::Object(entries) => entries
                .iter()
                .any(|(key, item)| !self.places(key).is_empty() || self.finds_in_json(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    fn json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.masked(&text).unwrap_or(text)),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.json(item)).collect())
            }
            Value::Object(entries) => Value::Object(
                entries
                    .into_iter()
                    .map(|(key, item)| (self.masked(&key).unwrap_or(key), self.json(item)))
                    .collect(),
            ),
            other => other,
        }
    }

    /// Where secrets stand in the text, in order; those that overlap are one.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        let Some(automaton) = &self.automaton else {
            return Vec::new();
        };
        let mut places: Vec<Range<usize>> = Vec::new();
        if automaton.is_match(text) {
            places.extend(
                automaton
                    .find_overlapping_iter(text)
                    .map(|found| found.range()),
            );
        }
        for view in View::ALL.into_iter().filter(|view| view.differs(text)) {
            let undone = view.text(text.as_bytes());
            if !automaton.is_match(&undone) {
                continue;
            }
            let origins = view.origins(text.as_bytes());
            places.extend(
                automaton
                    .find_overlapping_iter(&undone)
                    .map(|found| origins[found.start()]..origins[found.end()])
                    .map(|place| whole_characters(text, place)),
            );
        }
        places.sort_unstable_by_key(|place| place.start);
        places.dedup_by(|later, earlier| {
            let overlaps = later.start < earlier.end;
            if overlaps {
                earlier.end = earlier.end.max(later.end);
            }
            overlaps
        });
        places
    }

    /// The secret in the text that this byte would cut in two.
    fn place_around(&self, text: &str, at: usize) -> Option<Range<usize>> {
        if at == 0 || at == text.len() {
            return None;
        }
        let mut places = self.places(text).into_iter();
        places.find(|place| place.start < at && at < place.end)
    }

    /// Where a secret begins that the end of the text cuts off, at least `least` bytes of it; the length of the text
    /// where none does.
    fn begun(&self, text: &str, least: usize) -> usize {
        // No escape of a byte is longer than six times itself.
        let most = self.needles.iter().map(String::len).max().unwrap_or(0);
        let skipped = text.len().saturating_sub(most.saturating_mul(6));
        let recent = &text.as_bytes()[skipped..];
        let begins = |bytes: &[u8], origins: &dyn Fn(usize) -> usize| {
            let parts = self.needles.iter().filter_map(|needle| {
                (least.min(needle.len() / 2).max(1)..needle.len())
                    .rev()
                    .find(|end| bytes.ends_with(&needle.as_bytes()[..*end]))
            });
            parts.max().map(|length| origins(bytes.len() - length))
        };
        let whole = begins(recent, &|at| at);
        let in_views = View::ALL.into_iter().filter_map(|view| {
            // The cut may have gone through an escape too.
            let near = recent.len().saturating_sub(REST_OF_ESCAPE);
            let escapes = (near..recent.len()).filter(|at| b"%\\&".contains(&recent[*at]));
            escapes
                .chain([recent.len()])
                .filter_map(|end| {
                    let undone = view.text(&recent[..end]);
                    let origins = view.origins(&recent[..end]);
                    begins(&undone, &|at| origins[at])
                })
                .min()
        });
        let mut begin = whole
            .into_iter()
            .chain(in_views)
            .min()
            .map_or(text.len(), |at| skipped + at);
        while !text.is_char_boundary(begin) {
            begin -= 1;
        }
        // A whole secret must not lose its end and so be known no more.
        let around = self.place_around(text, begin);
        around.map_or(begin, |place| place.start)
    }

    /// Where the rest of a secret ends that the beginning of the text cuts off, at least `least` bytes of it; 0 where
    /// none does.
    fn ended(&self, text: &str, least: usize) -> usize {
        let most = self.needles.iter().map(String::len).max().unwrap_or(0);
        let near = &text.as_bytes()[..text.len().min(most.saturating_mul(6))];
        let ends = |bytes: &[u8], least: usize| {
            let parts = self.needles.iter().filter_map(|needle| {
                (1..=needle.len() - least.min(needle.len() / 2).max(1))
                    .find(|start| bytes.starts_with(&needle.as_bytes()[*start..]))
                    .map(|start| needle.len() - start)
            });
            parts.max()
        };
        let whole = ends(near, least);
        let in_views = View::ALL.into_iter().filter_map(|view| {
            // The cut may have gone through an escape too: what is left of it belongs to the secret.
            let rest = near
                .iter()
                .take(match view {
                    View::Percent | View::Form => 2,
                    _ => REST_OF_ESCAPE,
                })
                .take_while(|byte| byte.is_ascii_alphanumeric() || b"#;\\".contains(byte))
                .count();
            (0..=rest)
                .filter_map(|from| {
                    let escaped = near.get(from).is_some_and(|byte| b"%\\&".contains(byte));
                    let sure = from == 0 || escaped;
                    let least = if sure { least } else { SHORTEST / 2 };
                    let undone = view.text(&near[from..]);
                    let length = ends(&undone, least)?;
                    Some(from + view.origins(&near[from..])[length])
                })
                .max()
        });
        let mut end = whole.into_iter().chain(in_views).max().unwrap_or(0);
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let around = self.place_around(text, end);
        around.map_or(end, |place| place.end)
    }
}

/// The place widened to whole characters: an escape may stand for a part of one.
fn whole_characters(text: &str, mut place: Range<usize>) -> Range<usize> {
    while !text.is_char_boundary(place.start) {
        place.start -= 1;
    }
    while !text.is_char_boundary(place.end) {
        place.end += 1;
    }
    place
}
