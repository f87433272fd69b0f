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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::Assert;
    use crate::action::testing::{World, text};
    use crate::engine::ErrorKind;
    use crate::expr::{Argument, Judgement};

    fn judged(holds: bool, because: &str) -> Argument {
        Argument::Condition(Judgement {
            holds,
            because: because.to_owned(),
        })
    }

    #[tokio::test]
    async fn fails_with_the_comparison_that_decided() {
        let world = World::new();
        let outputs = world
            .run(&Assert, "that", judged(true, "n 3 > 2"), &[])
            .await
            .unwrap();
        assert_eq!(outputs.detail, "n 3 > 2");
        let message = [("message", text("too few"))];
        for (because, options, told) in [
            ("n 1 > 2", &[][..], "does not hold: n 1 > 2"),
            ("", &[], "the condition does not hold"),
            ("n 1 > 2", &message, "too few (n 1 > 2)"),
            ("", &message, "too few"),
        ] {
            let error = world
                .run(&Assert, "that", judged(false, because), options)
                .await
                .unwrap_err();
            assert_eq!(
                (error.kind, error.message.as_str()),
                (ErrorKind::Target, told)
            );
        }
    }
}
