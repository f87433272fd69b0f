//! What the engine needs of a person.

use std::future::Future;
use std::pin::Pin;

use crate::event::Preview;

/// The answer to a question, some time later.
pub type PromptFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, PromptError>> + 'a>>;

/// Asks a person. Every question fails at once where nobody can answer: nothing ever hangs.
pub trait Prompt {
    /// Asks yes or no; no is the answer of an empty line.
    fn confirm<'a>(&'a self, question: &'a str) -> PromptFuture<'a, bool>;

    /// Asks for a text; the default is the answer of an empty line. A hidden one is not echoed.
    fn text<'a>(
        &'a self,
        question: &'a str,
        default: Option<&'a str>,
        hidden: bool,
    ) -> PromptFuture<'a, String>;

    /// Shows what is about to be done, and asks below it as [`Prompt::confirm`] does.
    fn confirm_intent<'a>(
        &'a self,
        _intent: &'a Intent,
        question: &'a str,
    ) -> PromptFuture<'a, bool> {
        self.confirm(question)
    }

    /// Shows what is about to be done, and asks below it for a text.
    fn name_intent<'a>(
        &'a self,
        _intent: &'a Intent,
        question: &'a str,
    ) -> PromptFuture<'a, String> {
        self.text(question, None, false)
    }

    /// Whether anybody can answer. Where nobody can, nothing need be found out for the question.
    fn can_answer(&self) -> bool {
        true
    }

    /// Asks for one of several options and gives its index.
    fn choose<'a>(&'a self, question: &'a str, options: &'a [String]) -> PromptFuture<'a, usize>;
}

/// What is about to be done if a person agrees.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// The step, its action, and what it works on, in one line.
    pub title: String,
    /// What would be sent and the rows that it would touch, without secrets.
    pub preview: Preview,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// Standard input or standard error is no terminal, or `CI` is set.
    #[error("there is no terminal to ask at")]
    NoTerminal,
    /// The run must stop, and nobody is asked any more.
    #[error("interrupted")]
    Interrupted,
    /// The input ended (Ctrl-D). To a question of yes or no that is no.
    #[error("no answer was given")]
    NoAnswer,
    /// The terminal is gone.
    #[error("the terminal cannot be read: {0}")]
    Broken(String),
}
