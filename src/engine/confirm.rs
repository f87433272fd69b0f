//! What a person must agree to before a step: its own question, or whether to destroy.

use crate::base::Effect;

use super::ActionError;
use super::attempt::Failure;
use super::frame::Turn;
use super::run::Run;

impl Run<'_> {
    /// Asks what must be asked before the step: its own question, or whether to destroy.
    pub(super) async fn confirmed(&self, turn: Turn<'_>) -> Result<(), Failure> {
        let Turn {
            frame,
            step,
            scope,
            key,
            effect,
        } = turn;
        if self.options.dry {
            return Ok(());
        }
        let question = match &step.confirm {
            Some(question) => self
                .engine
                .evaluator
                .text(question, scope)
                .map_err(Failure::Evaluation)?,
            None if effect == Effect::Destroy => {
                format!("Step {key} destroys what it works on. Go on?")
            }
            None => return Ok(()),
        };
        if self.options.yes {
            return Ok(());
        }
        let answer = tokio::select! {
            biased;
            stop = frame.stop.wait() => return Err(Failure::Stopped(stop)),
            answer = self.engine.prompt.confirm(&question) => answer,
        };
        match answer {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Action(ActionError::refused("a person said no"))),
            Err(error) => Err(Failure::Action(
                ActionError::refused(format!("{question} {error}"))
                    .help("give --yes to answer yes in advance"),
            )),
        }
    }
}
