//! Text of a runbook that is evaluated when the run reaches it.

use crate::base::Place;

/// Text with `{{ … }}` in it. What the values become depends on where the text lands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The text as written.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

impl Template {
    /// The input that it is and nothing else, inside expressions: `older_than` of `{{ input.older_than }}`.
    #[must_use]
    pub fn input(&self) -> Option<&str> {
        let inside = self.text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
        let input = inside.trim().strip_prefix("input.")?;
        let mut bytes = input.bytes();
        let is_name = bytes.next().is_some_and(|first| first.is_ascii_lowercase())
            && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        is_name.then_some(input)
    }
}

/// A condition or a value: MiniJinja's expression syntax without the braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// The text as written.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}
