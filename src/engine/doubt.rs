//! Steps of which nobody knows whether they took effect: the caller says so, or a person is asked. Nothing is done twice
//! because nobody answered.

use crate::base::text::shell_word;
use crate::base::{Status, StepKey};

use super::attempt::Failure;
use super::frame::{Past, Turn};
use super::judge::{Ending, why};
use super::ledger::Undoable;
use super::run::Run;
use super::step::{Given, StepEnd};

/// What is true of a step of which the journal does not tell whether it took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It took effect.
    Done,
    /// It did not: it is to be done again.
    Again,
}

impl Run<'_> {
    /// What the caller said of a step in advance, or at the terminal before the steps began.
    pub(super) fn settled(&self, key: &StepKey) -> Option<Settlement> {
        let settled = self.settled.borrow();
        let of_key = settled.iter().find(|(settled, _)| settled == key);
        of_key.map(|(_, settlement)| *settlement)
    }

    /// What is true of a step in doubt: as its caller said, else as a person says now. None where nobody can tell.
    pub(super) async fn settle(&self, turn: Turn<'_>, because: &str) -> Option<Settlement> {
        let question = format!(
            "Step {} is in doubt: {because}.\nLook whether it took effect. What is true?",
            turn.key
        );
        let options = [
            "Nobody knows: stop here",
            "It took effect: it counts as done",
            "It did not: it is run",
        ];
        self.ask(turn.key, &question, options).await
    }

    /// The same for the undo of a step.
    pub(super) async fn settle_undo(&self, key: &StepKey) -> Option<Settlement> {
        let question = format!(
            "The undo of step {key} is in doubt: it was begun, and nobody wrote down how it ended.\n\
             Look whether the step is taken back. What is true?"
        );
        let options = [
            "Nobody knows: leave it",
            "It is taken back",
            "It is not: its undo is run",
        ];
        self.ask(key, &question, options).await
    }

    /// The same before an undo of the run: a step that took effect is taken back too.
    pub(super) async fn settle_before_undo(&self, key: &StepKey) -> Option<Settlement> {
        let question = format!(
            "Step {key} is in doubt: nobody knows whether it took effect.\nLook. What is true?"
        );
        let options = [
            "Nobody knows: stop here",
            "It took effect: it is taken back too",
            "It did not: there is nothing to take back",
        ];
        let settlement = self.ask(key, &question, options).await?;
        self.settled.borrow_mut().push((key.clone(), settlement));
        Some(settlement)
    }

    /// The first option, which Enter alone chooses, does nothing; the second says done, the third not done.
    async fn ask(&self, key: &StepKey, question: &str, options: [&str; 3]) -> Option<Settlement> {
        if let Some(settled) = self.settled(key) {
            return Some(settled);
        }
        let options = options.map(str::to_owned);
        let answer = tokio::select! {
            biased;
            _ = self.stop.wait() => return None,
            answer = self.engine.prompt.choose(question, &options) => answer,
        };
        match answer {
            Ok(1) => Some(Settlement::Done),
            Ok(2) => Some(Settlement::Again),
            Ok(_) | Err(_) => None,
        }
    }

    /// How a step in doubt ends without being run; none where it is to be run. `blind` is why its `unless` could not
    /// tell.
    pub(super) async fn settled_end(
        &self,
        turn: Turn<'_>,
        because: &str,
        blind: Option<Failure>,
    ) -> Option<StepEnd> {
        let because = match blind {
            Some(failure) => format!("{because}, and `unless` cannot tell: {}", why(&failure)),
            None => because.to_owned(),
        };
        match self.settle(turn, &because).await {
            Some(Settlement::Again) => None,
            Some(Settlement::Done) => Some(self.end_as_done(turn)),
            None => Some(self.end_in_doubt(turn, &because)),
        }
    }

    /// Finishes a step that took effect, as somebody says who looked.
    pub(super) fn end_as_done(&self, turn: Turn<'_>) -> StepEnd {
        self.ledger.borrow_mut().changed = true;
        if turn.step.undo.is_some() && !self.is_whole(turn) {
            self.ledger.borrow_mut().can_undo(Undoable {
                key: turn.key.clone(),
                step: turn.step.clone(),
                scope: turn.scope.clone(),
                done_at: self.recorder.next(),
                in_doubt: false,
                lost: None,
            });
        }
        let said = format!("done, as {} says", self.engine.origin.user);
        self.finish(
            turn,
            Ending::passed_over(Status::Ok, said),
            Given::default(),
        )
    }

    /// Finishes a step that nobody could settle. It keeps later ones from running, and takes nothing back.
    pub(super) fn end_in_doubt(&self, turn: Turn<'_>, because: &str) -> StepEnd {
        let given = Given {
            ends_run: true,
            ..Given::default()
        };
        self.finish(turn, Ending::passed_over(Status::InDoubt, because), given)
    }

    /// What a person does about a step in doubt. Where its `unless` can look, nobody else has to.
    pub(super) fn how_to_settle(&self, turn: Turn<'_>) -> String {
        let run = self.recorder.run();
        let step = shell_word(turn.key.as_str());
        match turn.step.unless {
            Some(_) => format!(
                "opsbook resume {run} looks whether it took effect, and runs it if it did not; only where it cannot look: --done {step}, or --again {step}"
            ),
            None => format!(
                "look whether it took effect, then: opsbook resume {run} --done {step}, or --again {step} if it did not"
            ),
        }
    }

    /// The same for its undo.
    pub(super) fn how_to_settle_undo(&self, key: &StepKey) -> String {
        let run = self.recorder.run();
        let step = shell_word(key.as_str());
        format!(
            "look whether it is taken back, then: opsbook undo {run} --done {step}, or --again {step} if it is not"
        )
    }

    /// Whether nobody knows if the step, or something that it consists of, took effect. Once it was begun its condition
    /// was met, whatever has become of that.
    pub(super) fn holds_doubt(&self, turn: Turn<'_>) -> bool {
        let Some(history) = self.history.filter(|_| turn.frame.past == Past::Counts) else {
            return false;
        };
        let within = history
            .within(turn.key)
            .filter(|(key, _)| self.known(key).is_some())
            .any(|(_, known)| known.is_in_doubt());
        within
            || self
                .known(turn.key)
                .is_some_and(|known| known.is_in_doubt())
    }

    /// The digest of the list that an earlier leg began a `for_each` with.
    pub(super) fn list_of_earlier_leg(&self, turn: Turn<'_>) -> Option<&str> {
        if turn.frame.past != Past::Counts {
            return None;
        }
        self.known(turn.key)?.items.as_deref()
    }

    /// Whether an earlier leg may have changed something with an item of a list.
    pub(super) fn has_changed_within(&self, key: &StepKey) -> bool {
        self.history.is_some_and(|history| {
            history
                .within(key)
                .filter(|(key, _)| self.known(key).is_some())
                .any(|(_, known)| known.may_have_changed())
        })
    }
}
