//! Questions that a signal ends: nobody must have to answer before a run can stop.

use crate::engine::{Prompt, PromptError, PromptFuture, StopSignal};
use crate::term::TerminalPrompt;

/// Asks at the terminal until the run must stop.
pub(super) struct StoppablePrompt {
    prompt: TerminalPrompt,
    stopped: StopSignal,
}

impl StoppablePrompt {
    /// Asks here until this says stop.
    pub(super) const fn new(prompt: TerminalPrompt, stopped: StopSignal) -> Self {
        Self { prompt, stopped }
    }

    fn unless_stopped<'a, T: 'a>(&'a self, answer: PromptFuture<'a, T>) -> PromptFuture<'a, T> {
        Box::pin(async move {
            tokio::select! {
                biased;
                _ = self.stopped.wait() => Err(PromptError::Interrupted),
                answer = answer => answer,
            }
        })
    }
}

impl Prompt for StoppablePrompt {
    fn confirm<'a>(&'a self, question: &'a str) -> PromptFuture<'a, bool> {
        self.unless_stopped(self.prompt.confirm(question))
    }

    fn text<'a>(
        &'a self,
        question: &'a str,
        default: Option<&'a str>,
        hidden: bool,
    ) -> PromptFuture<'a, String> {
        self.unless_stopped(self.prompt.text(question, default, hidden))
    }

    fn choose<'a>(&'a self, question: &'a str, options: &'a [String]) -> PromptFuture<'a, usize> {
        self.unless_stopped(self.prompt.choose(question, options))
    }
}
