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

/// A condition or a value: MiniJinja's expression syntax without the braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// The text as written.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}
