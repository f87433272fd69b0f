//! `assert`: fails unless a condition holds.

use crate::base::Effect;
use crate::engine::{Action, ActionContext, ActionError, ActionFuture, Invocation, Outputs};
use crate::model::{ActionSpec, EffectRule, Kind, OptionSpec, VerbSpec};

/// `assert.that`.
pub(super) struct Assert;

static SPEC: ActionSpec = ActionSpec {
    name: "assert",
    summary: "Fail unless a condition holds",
    verbs: &[VerbSpec {
        name: "that",
        summary: "Fail unless the expression holds",
        object: Kind::Condition,
        effect: EffectRule::Always(Effect::Read),
        options: &[OptionSpec {
            name: "message",
            kind: Kind::Text,
            required: false,
            help: "what to say when it does not hold; the comparison that decided stands behind it",
        }],
        outputs: &[],
    }],
    options: &[],
    outputs: &[],
    timeout: None,
};

impl Action for Assert {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn run<'a>(&'a self, invocation: &'a Invocation, _: &'a ActionContext<'a>) -> ActionFuture<'a> {
        Box::pin(async move {
            let Some(judgement) = invocation.object_condition() else {
                return Err(ActionError::config("there is no condition to judge"));
            };
            if judgement.holds {
                return Ok(Outputs::new(judgement.because.clone()));
            }
            let message = match (invocation.text("message"), judgement.because.as_str()) {
                (Some(message), "") => message.to_owned(),
                (Some(message), because) => format!("{message} ({because})"),
                (None, "") => "the condition does not hold".to_owned(),
                (None, because) => format!("does not hold: {because}"),
            };
            Err(ActionError::target(message))
        })
    }
}
