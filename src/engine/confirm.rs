//! What a person must agree to before a step: its own question, or what it destroys; in a protected environment by name.
//! They see what would be sent before they answer, and what they agree to is what is done.

use sha2::{Digest as _, Sha256};

use crate::base::Effect;
use crate::base::text::{hexadecimal, shell_word};
use crate::event::Preview;
use crate::expr::Argument;
use crate::model::{Call, EffectRule, Kind, OnFailure, Step};
use crate::plan::effect_of_call;

use super::attempt::Failure;
use super::frame::Turn;
use super::run::Run;
use super::standing::Leave;
use super::{ActionError, Intent, PromptError, StopSignal};

/// What a person agreed to.
pub(super) struct Agreed {
    /// To how many rows, where they saw how many there are.
    pub(super) rows: Option<u64>,
    /// The SHA-256 of what the answer is held to: what others may make another, where there is such a thing, else all that
    /// would be sent.
    to: String,
    /// Whether there is such a thing.
    is_held: bool,
}

impl Agreed {
    fn to(intent: &Intent) -> Self {
        let Preview {
            rows, sent, held, ..
        } = &intent.preview;
        let mut hash = Sha256::new();
        hash.update(&intent.title);
        hash.update([b'\n']);
        hash.update(held.as_ref().unwrap_or(sent));
        Self {
            rows: *rows,
            to: hexadecimal(&hash.finalize()),
            is_held: held.is_some(),
        }
    }
}

/// What is asked before a step.
struct Question {
    text: String,
    /// What is destroyed, if anything is.
    object: Option<String>,
}

impl Run<'_> {
    /// Asks what must be asked before the step: its own question and whether to destroy are one question. A standing
    /// approval answers for a destroy, and its limits hold whatever else was said. What was agreed to ahead is not asked
    /// again as long as it is still what would be done; what others made another while the question stood is.
    pub(super) async fn confirmed(
        &self,
        turn: Turn<'_>,
        ahead: Option<Agreed>,
    ) -> Result<Leave<'_>, Failure> {
        let Turn { frame, step, .. } = turn;
        self.held_to_plan(turn, &step.call)?;
        if destroys_itself(turn)
            && !self.options.dry
            && !frame.agreed
            && let Some(leave) = self.standing_leave(turn).await?
        {
            return Ok(leave);
        }
        let Some(Question { text, object }) = self.question(turn)? else {
            return Ok(Leave::FREE);
        };
        let again = format!("This is not what was agreed to before. {text}");
        let name = object.filter(|_| self.engine.config.protected);
        let mut intent = self.intent(turn).await?;
        let mut agreed = Agreed::to(&intent);
        let mut asked = &text;
        if let Some(ahead) = ahead {
            if ahead.to == agreed.to {
                return Ok(self.personal_leave(turn, ahead));
            }
            asked = &again;
        }
        loop {
            match &name {
                Some(name) => self.named(asked, name, &intent, &frame.stop).await?,
                None => self.yes(asked, &intent, &frame.stop).await?,
            }
            if !agreed.is_held {
                return Ok(self.personal_leave(turn, agreed));
            }
            intent = self.intent(turn).await?;
            let by_now = Agreed::to(&intent);
            if by_now.to == agreed.to {
                return Ok(self.personal_leave(turn, agreed));
            }
            agreed = by_now;
            asked = &again;
        }
    }

    /// Whether anything must be found out before the step may begin: a person's answer, or whether a standing approval
    /// still allows as much.
    pub(super) fn is_asked_for(&self, turn: Turn<'_>) -> bool {
        if destroys_itself(turn) {
            if self.is_approved_within_limit(turn) {
                return true;
            }
            if self.is_approved_without_limit(turn) {
                return false;
            }
        }
        matches!(self.question(turn), Ok(Some(_)))
    }

    /// What a person must be asked before the step, unless the caller has answered it already.
    fn question(&self, turn: Turn<'_>) -> Result<Option<Question>, Failure> {
        let Turn { frame, step, .. } = turn;
        let destroys = destroys_itself(turn);
        let undo = match destroys {
            true => None,
            false => self.destroys_when_taken_back(turn),
        };
        let asks = destroys || undo.is_some() || step.confirm.is_some();
        if self.options.dry || frame.agreed || !asks {
            return Ok(None);
        }
        let undo = undo.filter(|_| !self.is_approved_without_limit(turn));
        let object = match (destroys, undo) {
            (true, _) => Some(self.object(turn, &step.call)?),
            // What it works on may be known only when the step is done.
            (false, Some(undo)) => match self.object(turn, undo) {
                Ok(object) => Some(object),
                Err(_) => Some(self.object(turn, &step.call)?),
            },
            (false, None) if step.confirm.is_none() => return Ok(None),
            (false, None) => None,
        };
        let own = step.confirm.as_ref();
        let own = own.map(|question| self.engine.evaluator.text(question, turn.scope));
        let text = match (own.transpose().map_err(Failure::Evaluation)?, &object) {
            (Some(own), _) => own,
            (None, _) if undo.is_some() => format!(
                "A failure of this run takes step {} back, and that destroys.",
                turn.key
            ),
            (None, _) => format!("Step {} destroys what it works on.", turn.key),
        };
        let asked = !self.agreed_beforehand(object.as_deref());
        Ok(asked.then_some(Question { text, object }))
    }

    /// Whether the caller has said yes already, to whatever there is; to what destroys in a protected environment only by
    /// the name of the object.
    fn agreed_beforehand(&self, object: Option<&str>) -> bool {
        let given = |name: &str| self.options.confirm.iter().any(|given| given == name);
        match object {
            Some(name) if given(name) => true,
            Some(_) if self.engine.config.protected => false,
            Some(_) | None => self.options.yes,
        }
    }

    /// What a person must see before they can agree. Where nobody can answer, nobody has to wait for it either.
    async fn intent(&self, turn: Turn<'_>) -> Result<Intent, Failure> {
        let Turn { step, key, .. } = turn;
        let object = self.object(turn, &step.call)?;
        let place = match &self.engine.config.environment {
            Some(environment) => format!(" in {environment}"),
            None => String::new(),
        };
        let on = match object == key.as_str() {
            true => String::new(),
            false => format!(" on {object}"),
        };
        let preview = match self.engine.prompt.can_answer() {
            true => self.previewed(turn).await?,
            false => Preview::default(),
        };
        // What a step states of itself makes what is sent no milder.
        let effect = match (preview.effect, step.effect) {
            (Some(told), Some(stated)) => told.max(stated),
            (Some(told), None) => told,
            (None, _) => turn.effect,
        };
        let title = format!("{key}: {}{on}{place}, may {effect}", step.call.name());
        Ok(Intent {
            title: self.engine.masker.text(&title),
            preview,
        })
    }

    async fn yes(&self, question: &str, intent: &Intent, stop: &StopSignal) -> Result<(), Failure> {
        let asked = if question.trim_end().ends_with('?') {
            question.to_owned()
        } else {
            format!("{question} Go on?")
        };
        let answer = tokio::select! {
            biased;
            stop = stop.wait() => return Err(Failure::Stopped(stop, Box::default())),
            answer = self.engine.prompt.confirm_intent(intent, &asked) => answer,
        };
        match answer {
            Ok(true) => Ok(()),
            Ok(false) => Err(said_no()),
            Err(error) => Err(unanswered(&asked, &error, "--yes")),
        }
    }

    async fn named(
        &self,
        question: &str,
        name: &str,
        intent: &Intent,
        stop: &StopSignal,
    ) -> Result<(), Failure> {
        let asked = format!("{question}\nType {name} to go on:");
        let answer = tokio::select! {
            biased;
            stop = stop.wait() => return Err(Failure::Stopped(stop, Box::default())),
            answer = self.engine.prompt.name_intent(intent, &asked) => answer,
        };
        match answer {
            Ok(typed) if typed.trim() == name => Ok(()),
            Ok(_) => Err(Failure::Action(ActionError::refused(
                "that is not the name",
            ))),
            Err(error) => {
                let flag = format!("--confirm {}", shell_word(name));
                Err(unanswered(question, &error, &flag))
            }
        }
    }

    /// The undo of a step that a failure of this run may have done, if it destroys: nobody is asked in the middle of it.
    fn destroys_when_taken_back<'a>(&self, turn: Turn<'a>) -> Option<&'a Call> {
        let (config, children) = (self.engine.config, &self.plan.children);
        let undo = turn.step.undo.as_ref()?;
        let destroys = effect_of_call(undo, config, children) == Effect::Destroy;
        let runbooks = || std::iter::once(&self.plan.runbook).chain(children.values());
        let takes_back = move || {
            runbooks().any(|runbook| {
                let of_step = |step: &Step| step.on_failure == Some(OnFailure::Undo);
                runbook.on_failure == OnFailure::Undo || runbook.steps.iter().any(of_step)
            })
        };
        (destroys && takes_back()).then_some(undo)
    }

    /// What a call destroys, by the name that a person knows it by: what it is `on`, else the service, database or queue
    /// that is its object, else the step itself.
    fn object(&self, turn: Turn<'_>, call: &Call) -> Result<String, Failure> {
        let invocation = self
            .invocation(call, turn.scope)
            .map_err(Failure::Evaluation)?;
        let own = match (call.verb.object, &invocation.object) {
            (Kind::Reference(_), Argument::Text(name)) => Some(name.as_str()),
            _ => None,
        };
        let named = invocation.text("on").or(own);
        Ok(named.map_or_else(|| turn.frame.key(turn.step).to_string(), str::to_owned))
    }
}

/// Whether it is the step itself that destroys, and not one of a runbook that it runs: those are asked about one by one.
fn destroys_itself(turn: Turn<'_>) -> bool {
    let runs_another = matches!(turn.step.call.verb.effect, EffectRule::OfRunbook)
        && turn.step.effect != Some(Effect::Destroy);
    turn.effect == Effect::Destroy && !runs_another
}

fn said_no() -> Failure {
    Failure::Action(ActionError::refused("a person said no"))
}

/// The flag comes first: it is what a line that is cut off must still tell. Who was there to answer needs none.
fn unanswered(question: &str, error: &PromptError, flag: &str) -> Failure {
    match error {
        PromptError::NoAnswer => said_no(),
        PromptError::Interrupted => Failure::Action(ActionError::refused(error.to_string())),
        PromptError::NoTerminal | PromptError::Broken(_) => Failure::Action(ActionError::refused(
            format!("needs {flag}: {error}: {question}"),
        )),
    }
}
