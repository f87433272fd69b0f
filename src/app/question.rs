//! A question before something that is no run: whether a person agrees.

use crate::engine::{Prompt as _, PromptError, StopSignal};

use super::signals::Signals;
use super::stoppable::StoppablePrompt;
use super::{App, AppError};

impl App {
    /// Asks whether to go on; `yes` is the answer of a caller who gave it in advance.
    ///
    /// # Errors
    /// When the answer is no, or there is nobody to ask. Nothing was done then.
    pub(super) fn agreed(&self, question: &str, yes: bool) -> Result<(), AppError> {
        if yes {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| {
                AppError::unknown(format!("the system gives no resources to ask: {error}"))
            })?;
        let answer = runtime.block_on(async {
            let signals = Signals::hear()?;
            let (stop, stopped) = StopSignal::new();
            let prompt = StoppablePrompt::new(
                self.terminal().prompt(),
                stopped,
                &self.environment().masker,
            );
            Ok::<_, AppError>(tokio::select! {
                biased;
                answer = prompt.confirm(question) => answer,
                _ = signals.pass_on(stop) => Err(PromptError::Interrupted),
            })
        });
        runtime.shutdown_background();
        match answer? {
            Ok(true) => Ok(()),
            Ok(false) => Err(AppError::not_now("a person said no").hint("nothing was done")),
            Err(PromptError::Interrupted) => Err(AppError::interrupted()),
            Err(error) => Err(AppError::not_now(format!("{question} {error}"))
                .hint("nothing was done; give --yes to answer yes in advance")),
        }
    }
}
