//! SQL that the caller typed, held against the step that it is for before anything runs.

use std::ops::Range;

use crate::base::{Diagnostic, Effect, Place, SourceFile};
use crate::config::Config;
use crate::model::{Call, EffectRule, Node, Statement, Step};
use crate::sql;

use super::Plan;
use super::effect::dialects_of;

/// The verb that tells how a statement would be run.
const EXPLAIN: &str = "explain";

impl Plan {
    /// Why a step would refuse the SQL that the caller typed for it: the step only reads, and the SQL does not, or is not one
    /// statement. The place is one of the SQL.
    #[must_use]
    pub fn refused_sql(&self, config: &Config) -> Option<Diagnostic> {
        let calls = || self.runbook.all_steps().flat_map(Step::calls);
        let explains = |call: &&Call| call.verb.name == EXPLAIN;
        // Not everything that can be asked has a plan to be shown.
        let asked: Vec<&Call> = calls()
            .filter(|call| !explains(call) && is_asked(call))
            .collect();
        match asked.is_empty() {
            true => calls().find_map(|call| refused(call, config)),
            false => asked.into_iter().find_map(|call| refused(call, config)),
        }
    }
}

/// Whether the call reads what the caller typed.
fn is_asked(call: &Call) -> bool {
    call.verb.effect == EffectRule::Always(Effect::Read)
        && matches!(call.object, Node::Statement(_))
}

fn refused(call: &Call, config: &Config) -> Option<Diagnostic> {
    let (
        EffectRule::Always(Effect::Read),
        Node::Statement(Statement {
            input,
            given: Some(text),
            ..
        }),
    ) = (call.verb.effect, &call.object)
    else {
        return None;
    };
    let explained = match call.verb.name {
        EXPLAIN => "EXPLAIN ",
        _ => "",
    };
    let read = format!("{explained}{text}");
    let dialects = dialects_of(call, config).into_iter();
    let analysis = dialects
        .map(|dialect| sql::effect(&read, dialect))
        .min_by_key(|analysis| analysis.effect)?;
    let source = SourceFile::new(input, text.as_str());
    let beginning = 0..text.len().min(1);
    let (message, help, place) = match analysis.reason.strip_prefix(sql::UNPARSED) {
        Some(reason) => {
            let place = word_at(&source, analysis.unparsed_at, explained.len());
            (format!("cannot be parsed: {reason}"), None, place)
        }
        None if analysis.statements > 1 => (
            "this is more than one statement".to_owned(),
            Some("`opsbook db file` runs several"),
            beginning,
        ),
        None if analysis.statements == 0 => ("there is no statement".to_owned(), None, beginning),
        None if analysis.effect > Effect::Read => (
            format!(
                "this may {}, and is only to read: {}",
                analysis.effect, analysis.reason
            ),
            Some("`opsbook db execute` is for what changes something"),
            beginning,
        ),
        None => return None,
    };
    let refused = Diagnostic::at(Place::new(&source, place), message);
    Some(match help {
        Some(help) => refused.help(help),
        None => refused,
    })
}

/// The bytes of the word that stands at a line and column of the SQL, else its end. The text that was read begins `before`
/// characters earlier.
fn word_at(source: &SourceFile, at: Option<(u64, u64)>, before: usize) -> Range<usize> {
    let found = || {
        let (line, column) = at?;
        let lines = usize::try_from(line).ok()?.checked_sub(1)?;
        let column = usize::try_from(column).ok()?.checked_sub(1)?;
        let characters = match lines {
            0 => column.checked_sub(before)?,
            _ => column,
        };
        let whole = source.text();
        let begin: usize = whole.split_inclusive('\n').take(lines).map(str::len).sum();
        let rest = whole.get(begin..)?;
        let offset = rest.char_indices().nth(characters)?.0;
        let word = rest[offset..]
            .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .next()?;
        let start = begin + offset;
        Some(start..start + word.len().max(1))
    };
    let end = source.text().trim_end().len();
    found().unwrap_or(end..end)
}

#[cfg(test)]
mod tests {
    use super::word_at;
    use crate::base::SourceFile;

    #[test]
    fn the_parsers_place_is_a_word_of_what_was_typed() {
        let source = SourceFile::new("sql", "SELECT é\nFORM t");
        let word =
            |line, column, before| source.slice(word_at(&source, Some((line, column)), before));
        assert_eq!(word(2, 1, 0), "FORM");
        assert_eq!(word(1, 8, 0), "é");
        assert_eq!(word(1, 16, 8), "é");
        for (line, column) in [(9, 1), (1, 99), (0, 0), (1, 0)] {
            assert_eq!(word(line, column, 0), "", "{line}:{column}");
        }
        assert_eq!(word_at(&source, None, 0), 16..16);
    }
}
