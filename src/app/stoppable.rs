//! Questions that a signal ends, and that show no secret: nobody must have to answer before a run can stop.

use crate::base::Masker;
use crate::engine::{Intent, Prompt, PromptError, PromptFuture, StopSignal};
use crate::term::TerminalPrompt;

/// Asks at the terminal until the run must stop.
pub(super) struct StoppablePrompt {
    prompt: TerminalPrompt,
    stopped: StopSignal,
    masker: Masker,
}

impl StoppablePrompt {
    /// Asks here until this says stop.
    pub(super) fn new(prompt: TerminalPrompt, stopped: StopSignal, masker: &Masker) -> Self {
        Self {
            prompt,
            stopped,
            masker: masker.clone(),
        }
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
        self.unless_stopped(Box::pin(async move {
            self.prompt.confirm(&self.masker.text(question)).await
        }))
    }

    fn text<'a>(
        &'a self,
        question: &'a str,
        default: Option<&'a str>,
        hidden: bool,
    ) -> PromptFuture<'a, String> {
        self.unless_stopped(Box::pin(async move {
            let question = self.masker.text(question);
            self.prompt.text(&question, default, hidden).await
        }))
    }

    // What is shown was masked when it was made.
    fn confirm_intent<'a>(
        &'a self,
        intent: &'a Intent,
        question: &'a str,
    ) -> PromptFuture<'a, bool> {
        self.unless_stopped(Box::pin(async move {
            let question = self.masker.text(question);
            self.prompt.confirm_intent(intent, &question).await
        }))
    }

    fn name_intent<'a>(
        &'a self,
        intent: &'a Intent,
        question: &'a str,
    ) -> PromptFuture<'a, String> {
        self.unless_stopped(Box::pin(async move {
            let question = self.masker.text(question);
            self.prompt.name_intent(intent, &question).await
        }))
    }

    fn can_answer(&self) -> bool {
        self.prompt.can_answer()
    }

    fn choose<'a>(&'a self, question: &'a str, options: &'a [String]) -> PromptFuture<'a, usize> {
        self.unless_stopped(Box::pin(async move {
            let question = self.masker.text(question);
            let options: Vec<String> = options
                .iter()
                .map(|option| self.masker.text(option))
                .collect();
            self.prompt.choose(&question, &options).await
        }))
    }
}
