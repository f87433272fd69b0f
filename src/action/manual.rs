//! `manual`: a person's part, waited for and recorded.

use crate::base::Effect;
use crate::base::text::neutral;
use crate::engine::{Action, ActionContext, ActionError, ActionFuture, Invocation};
use crate::model::{ActionSpec, EffectRule, Kind, VerbSpec};

use super::person::{ANSWER, AT, BY, answered, unanswered};

/// `manual.do`.
pub(super) struct Manual;

static SPEC: ActionSpec = ActionSpec {
    name: "manual",
    summary: "Have a person do something",
    verbs: &[VerbSpec {
        name: "do",
        summary: "Show what is to be done and wait until a person says that it is; recorded with who and when",
        object: Kind::Text,
        effect: EffectRule::Unless(Effect::Write),
        options: &[],
        outputs: &[],
    }],
    options: &[],
    outputs: &[ANSWER, BY, AT],
    timeout: None,
};

impl Action for Manual {
    fn spec(&self) -> &'static ActionSpec {
        &SPEC
    }

    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        context: &'a ActionContext<'a>,
    ) -> ActionFuture<'a> {
        Box::pin(async move {
            let question = format!("{}\nDone?", neutral(invocation.object_text().trim_end()));
            let done = context.prompt.confirm(&question).await.map_err(|error| {
                unanswered(
                    &error,
                    "a person does this step: run it in a terminal, without CI in the environment",
                )
            })?;
            if !done {
                return Err(ActionError::refused("the person's part was not done"));
            }
            Ok(answered(
                format!("done by {}", super::person::account()),
                "done",
            ))
        })
    }
}
