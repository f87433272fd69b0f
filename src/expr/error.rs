//! Why an evaluation failed, and the place in the user's file that is to blame.

use std::ops::Range;

use crate::base::{Diagnostic, Place};

/// Why a template or an expression could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// What is wrong: a lower-case fragment without a full stop.
    pub message: String,
    /// Where: the part of the template that is to blame when it can be told, else all of it.
    pub place: Place,
    /// What was expected or what to do next.
    pub help: Option<String>,
    /// Whether it is the value that is to blame, which does not fit where it lands, and not who wrote the text.
    pub unfit: bool,
}

impl From<EvalError> for Diagnostic {
    fn from(error: EvalError) -> Self {
        Self {
            message: error.message,
            place: Some(error.place),
            help: error.help,
        }
    }
}

/// A mistake before it is known in which file the text stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// The bytes of the template or expression that are to blame.
    pub(super) range: Option<Range<usize>>,
    /// Whether the value is to blame.
    pub(super) unfit: bool,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            range: None,
            unfit: false,
        }
    }

    /// A value that does not fit where it lands.
    pub(super) fn unfit(message: impl Into<String>) -> Self {
        Self {
            unfit: true,
            ..Self::new(message)
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Blames these bytes, unless closer ones are blamed already.
    pub(super) fn at(mut self, range: Range<usize>) -> Self {
        self.range.get_or_insert(range);
        self
    }

    /// The error in a text that stands at this place of a file.
    pub(super) fn in_text(self, text: &str, place: &Place) -> EvalError {
        EvalError {
            place: match self.range {
                Some(range) => inside(place, text, range),
                None => place.clone(),
            },
            message: self.message,
            help: self.help,
            unfit: self.unfit,
        }
    }
}

/// The place of some bytes of a text that stands, perhaps quoted, at `place`; all of it where escapes hide the offset.
pub(super) fn inside(place: &Place, text: &str, range: Range<usize>) -> Place {
    let written = place.source.slice(place.range.clone());
    let Some(offset) = ["", "\"", "'", "\"\"\"", "'''", "\"\"\"\n", "'''\n"]
        .into_iter()
        .find_map(|opening| {
            let closing = opening.trim_end();
            let content = written.strip_prefix(opening)?.strip_suffix(closing)?;
            (content == text).then_some(opening.len())
        })
    else {
        return place.clone();
    };
    let start = place.range.start + offset;
    let range = range.start.min(text.len())..range.end.min(text.len());
    Place::new(&place.source, start + range.start..start + range.end)
}

#[cfg(test)]
mod tests {
    use super::inside;
    use crate::base::{Place, SourceFile};

    fn blamed(file: &str, literal: &str, text: &str, word: &str) -> String {
        let source = SourceFile::new("x.toml", file);
        let start = file.find(literal).unwrap_or_default();
        let place = Place::new(&source, start..start + literal.len());
        let at = text.find(word).unwrap_or_default();
        let found = inside(&place, text, at..at + word.len());
        source.slice(found.range).to_owned()
    }

    #[test]
    fn points_into_quoted_texts() {
        for literal in ["\"é {{ wrong }}\"", "'é {{ wrong }}'"] {
            let file = format!("a = 1\nb = {literal}\n");
            assert_eq!(blamed(&file, literal, "é {{ wrong }}", "wrong"), "wrong");
        }
        let literal = "\"\"\"\nline\n{{ wrong }}\n\"\"\"";
        let file = format!("a = {literal}\n");
        assert_eq!(
            blamed(&file, literal, "line\n{{ wrong }}\n", "wrong"),
            "wrong"
        );
    }

    #[test]
    fn escapes_fall_back_to_all_of_it() {
        let literal = r#""\t{{ wrong }}""#;
        let file = format!("a = {literal}\n");
        assert_eq!(blamed(&file, literal, "\t{{ wrong }}", "wrong"), literal);
    }
}
